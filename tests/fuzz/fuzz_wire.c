/* tests/fuzz/fuzz_wire.c: hostile bytes for every reader of src/wire. The first byte chooses the reader, the rest is the
 * document. What is accepted must be within the model's limits, and must write and read back to equal meaning: the same
 * text again.
 *
 * With clang: -fsanitize=fuzzer,address,undefined; without it, replay.c runs the corpus. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

union value {
	struct {
		struct record record;
		struct record_link link;
	} linked;
	struct command command;
	struct fee_tariff tariff;
	struct progress progress;
	struct outlet_image outlet;
	struct box_image box;
};

struct reader {
	bool (*read)(const char *text, size_t length, union value *value, struct wire_error *error);
	char *(*write)(const union value *value);
	const char *(*fault)(const union value *value);
};

static bool read_record(const char *text, size_t length, union value *v, struct wire_error *error)
{
	return wire_read_record(text, length, &v->linked.record, &v->linked.link, error);
}

static char *write_record(const union value *v)
{
	return wire_write_record(&v->linked.record, &v->linked.link);
}

static const char *fault_of_record(const union value *v)
{
	return record_fault(&v->linked.record);
}

static bool read_command(const char *text, size_t length, union value *v, struct wire_error *error)
{
	return wire_read_command(text, length, &v->command, error);
}

static char *write_command(const union value *v)
{
	return wire_write_command(&v->command);
}

static const char *fault_of_command(const union value *v)
{
	return command_fault(&v->command);
}

static bool read_tariff(const char *text, size_t length, union value *v, struct wire_error *error)
{
	return wire_read_tariff(text, length, &v->tariff, error);
}

static char *write_tariff(const union value *v)
{
	return wire_write_tariff(&v->tariff);
}

static const char *fault_of_tariff(const union value *v)
{
	return fee_tariff_fault(&v->tariff);
}

static bool read_progress(const char *text, size_t length, union value *v, struct wire_error *error)
{
	return wire_read_progress(text, length, &v->progress, error);
}

static char *write_progress(const union value *v)
{
	return wire_write_progress(&v->progress);
}

static bool read_outlet(const char *text, size_t length, union value *v, struct wire_error *error)
{
	return wire_read_outlet_image(text, length, &v->outlet, error);
}

static char *write_outlet(const union value *v)
{
	return wire_write_outlet_image(&v->outlet);
}

static bool read_box(const char *text, size_t length, union value *v, struct wire_error *error)
{
	return wire_read_box_image(text, length, &v->box, error);
}

static char *write_box(const union value *v)
{
	return wire_write_box_image(&v->box);
}

static const char *no_fault(const union value *v)
{
	(void)v;
	return NULL;
}

static const struct reader readers[] = {
	{read_record, write_record, fault_of_record},
	{read_command, write_command, fault_of_command},
	{read_tariff, write_tariff, fault_of_tariff},
	{read_progress, write_progress, no_fault},
	{read_outlet, write_outlet, no_fault},
	{read_box, write_box, no_fault},
};

static void fail(const char *what, const char *detail)
{
	fprintf(stderr, "fuzz_wire: %s: %s\n", what, detail);
	abort();
}

static char *write_or_fail(const struct reader *reader, const union value *v)
{
	char *text = reader->write(v);

	if (text == NULL)
		fail("nothing written", "");
	if (strlen(text) > WIRE_TEXT_MAX)
		fail("written longer than may be read", text);
	return text;
}

static void check_accepted(const struct reader *reader, const union value *v, union value *back)
{
	struct wire_error error = {{0}};
	const char *fault = reader->fault(v);

	if (fault != NULL)
		fail("accepted, but not within the model's limits", fault);

	char *text = write_or_fail(reader, v);

	if (!reader->read(text, strlen(text), back, &error))
		fail(error.text, text);

	char *again = write_or_fail(reader, back);

	if (strcmp(text, again) != 0)
		fail("reads back otherwise", text);
	free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static union value v, back, before;
	struct wire_error error = {{0}};

	if (size == 0)
		return 0;

	/* '0' chooses the first, so that a corpus can be read and written by hand. */
	const struct reader *reader = &readers[(data[0] - (unsigned)'0') % (sizeof(readers) / sizeof(*readers))];

	memset(&v, 0xa5, sizeof(v));
	memset(&before, 0xa5, sizeof(before));
	if (reader->read((const char *)data + 1, size - 1, &v, &error))
		check_accepted(reader, &v, &back);
	else if (error.text[0] == '\0')
		fail("refused without a reason", "");
	else if (memcmp(&v, &before, sizeof(v)) != 0)
		fail("refused, but changed", error.text);
	return 0;
}
