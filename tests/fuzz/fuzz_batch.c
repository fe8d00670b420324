/* tests/fuzz/fuzz_batch.c: hostile bytes for the readers of a batch ('0' as the first byte), of its answer ('1') and of
 * gzip ('2'). What is accepted must write and read back to the same text; what is refused must give a reason and change
 * nothing.
 *
 * With clang: -fsanitize=fuzzer,address,undefined; without it, replay.c runs the corpus. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "gzip.h"

#define UNPACKED_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Noreturn void fail(const char *what, const char *detail)
{
	fprintf(stderr, "fuzz_batch: %s: %s\n", what, detail);
	abort();
}

static void check_refusal(const struct wire_error *error, const void *value, const void *before, size_t size)
{
	if (error->text[0] == '\0')
		fail("refused without a reason", "");
	if (memcmp(value, before, size) != 0)
		fail("refused, but changed", error->text);
}

static char *write_batch(const struct batch *batch)
{
	char *text = batch_write(batch);
	if (text == NULL || strlen(text) > BATCH_TEXT_MAX)
		fail("nothing written, or longer than may be read", "");
	return text;
}

static void fuzz_read(const char *text, size_t length)
{
	static struct batch batch, back, before;
	struct wire_error error = {{0}};
	memset(&batch, 0xa5, sizeof batch);
	memset(&before, 0xa5, sizeof before);
	if (!batch_read(text, length, &batch, &error)) {
		check_refusal(&error, &batch, &before, sizeof batch);
		return;
	}
	char *written = write_batch(&batch);
	if (!batch_read(written, strlen(written), &back, &error))
		fail(error.text, written);
	char *again = write_batch(&back);
	if (strcmp(written, again) != 0 || back.record_count != batch.record_count)
		fail("reads back otherwise", written);
	free(again);
	free(written);
	batch_free(&back);
	batch_free(&batch);
}

static void fuzz_answer(const char *text, size_t length)
{
	static struct batch_answer answer, back, before;
	struct wire_error error = {{0}};
	memset(&answer, 0xa5, sizeof answer);
	memset(&before, 0xa5, sizeof before);
	if (!batch_answer_read(text, length, &answer, &error)) {
		check_refusal(&error, &answer, &before, sizeof answer);
		return;
	}
	char *written = batch_answer_write(&answer);
	if (written == NULL || strlen(written) > BATCH_ANSWER_MAX)
		fail("nothing written, or longer than may be read", "");
	if (!batch_answer_read(written, strlen(written), &back, &error))
		fail(error.text, written);
	if (memcmp(&answer, &back, sizeof answer) != 0)
		fail("reads back otherwise", written);
	free(written);
}

static void fuzz_gzip(const char *bytes, size_t size)
{
	char *text = NULL, *back;
	void *packed;
	size_t length = 0, packed_size, back_length;
	int code = gzip_unpack(bytes, size, UNPACKED_MAX, &text, &length);
	if (code == -EBADMSG || code == -EMSGSIZE) {
		if (text != NULL || length != 0)
			fail("refused, but changed", "");
		return;
	}
	if (code != 0 || length > UNPACKED_MAX || text[length] != '\0')
		fail("unpacked beyond what is allowed", "");
	if (gzip_pack(text, length, &packed, &packed_size) != 0 ||
	    gzip_unpack(packed, packed_size, length, &back, &back_length) != 0)
		fail("does not pack again", "");
	if (back_length != length || memcmp(back, text, length) != 0)
		fail("unpacks otherwise", "");
	free(back);
	free(packed);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	if (size == 0)
		return 0;
	switch ((data[0] - (unsigned)'0') % 3) {
	case 0:
		fuzz_read(text, size - 1);
		break;
	case 1:
		fuzz_answer(text, size - 1);
		break;
	default:
		fuzz_gzip(text, size - 1);
		break;
	}
	return 0;
}
