/* tests/unit/test_wire.c: what is written reads back equal, and what is hostile is refused with a reason and changes
 * nothing. Every text is read from a block of exactly its length, so that a byte read too far is seen. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"
#include "wire.h"

/* As ck_assert_msg(), which tells Check of every success too: a third of the time of a long loop. */
#define MUST(condition, ...)                                                                                           \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			ck_abort_msg(__VA_ARGS__);                                                                     \
	} while (0)

/* ---- one interface for the six kinds of documents ---- */

enum document {
	DOCUMENT_RECORD,
	DOCUMENT_COMMAND,
	DOCUMENT_TARIFF,
	DOCUMENT_PROGRESS,
	DOCUMENT_OUTLET,
	DOCUMENT_BOX,
	DOCUMENT_COUNT
};

struct linked_record {
	struct record record;
	struct record_link link;
};

union value {
	struct linked_record linked;
	struct command command;
	struct fee_tariff tariff;
	struct progress progress;
	struct outlet_image outlet;
	struct box_image box;
};

static union value *value_new(void)
{
	union value *v = calloc(1, sizeof(*v));

	ck_assert_ptr_nonnull(v);
	return v;
}

static char *write_value(enum document document, const union value *v)
{
	char *text = NULL;

	switch (document) {
	case DOCUMENT_RECORD:
		text = wire_write_record(&v->linked.record, &v->linked.link);
		break;
	case DOCUMENT_COMMAND:
		text = wire_write_command(&v->command);
		break;
	case DOCUMENT_TARIFF:
		text = wire_write_tariff(&v->tariff);
		break;
	case DOCUMENT_PROGRESS:
		text = wire_write_progress(&v->progress);
		break;
	case DOCUMENT_OUTLET:
		text = wire_write_outlet_image(&v->outlet);
		break;
	case DOCUMENT_BOX:
		text = wire_write_box_image(&v->box);
		break;
	case DOCUMENT_COUNT:
		break;
	}
	MUST(text != NULL, "nothing written");
	return text;
}

static bool read_copy(enum document document, const char *text, size_t length, union value *v, struct wire_error *error)
{
	switch (document) {
	case DOCUMENT_RECORD:
		return wire_read_record(text, length, &v->linked.record, &v->linked.link, error);
	case DOCUMENT_COMMAND:
		return wire_read_command(text, length, &v->command, error);
	case DOCUMENT_TARIFF:
		return wire_read_tariff(text, length, &v->tariff, error);
	case DOCUMENT_PROGRESS:
		return wire_read_progress(text, length, &v->progress, error);
	case DOCUMENT_OUTLET:
		return wire_read_outlet_image(text, length, &v->outlet, error);
	case DOCUMENT_BOX:
		return wire_read_box_image(text, length, &v->box, error);
	case DOCUMENT_COUNT:
		break;
	}
	ck_abort();
}

static bool read_value(enum document document, const char *text, size_t length, union value *v,
		       struct wire_error *error)
{
	char *exact = malloc(length > 0 ? length : 1);

	MUST(exact != NULL, "no memory");
	memcpy(exact, text, length);

	bool valid = read_copy(document, exact, length, v, error);

	free(exact);
	return valid;
}

static bool same_value(enum document document, const union value *a, const union value *b)
{
	switch (document) {
	case DOCUMENT_RECORD:
		return sample_same_record(&a->linked.record, &b->linked.record) &&
		       strcmp(a->linked.link.ledger, b->linked.link.ledger) == 0 &&
		       strcmp(a->linked.link.prev, b->linked.link.prev) == 0;
	case DOCUMENT_COMMAND:
		return sample_same_command(&a->command, &b->command);
	case DOCUMENT_TARIFF:
		return sample_same_tariff(&a->tariff, &b->tariff);
	case DOCUMENT_PROGRESS:
		return sample_same_progress(&a->progress, &b->progress);
	case DOCUMENT_OUTLET:
		return sample_same_outlet_image(&a->outlet, &b->outlet);
	case DOCUMENT_BOX:
		return sample_same_box(&a->box, &b->box);
	case DOCUMENT_COUNT:
		break;
	}
	ck_abort();
}

/* variant goes through the kinds of records and the types of commands. */
static void sample_value(struct sample *s, enum document document, unsigned variant, union value *v)
{
	memset(v, 0, sizeof(*v));
	switch (document) {
	case DOCUMENT_RECORD:
		sample_record(s, (enum record_kind)(variant % RECORD_KIND_COUNT), &v->linked.record);
		sample_link(s, &v->linked.link);
		break;
	case DOCUMENT_COMMAND:
		sample_command(s, (enum command_type)(variant % COMMAND_TYPE_COUNT), &v->command);
		break;
	case DOCUMENT_TARIFF:
		sample_tariff(s, &v->tariff);
		break;
	case DOCUMENT_PROGRESS:
		sample_progress(s, &v->progress);
		break;
	case DOCUMENT_OUTLET:
		sample_outlet_image(s, &v->outlet);
		break;
	case DOCUMENT_BOX:
		sample_box_image(s, &v->box);
		break;
	case DOCUMENT_COUNT:
		break;
	}
}

static const char *model_fault(enum document document, const union value *v)
{
	if (document == DOCUMENT_RECORD)
		return record_fault(&v->linked.record);
	if (document == DOCUMENT_COMMAND)
		return command_fault(&v->command);
	return document == DOCUMENT_TARIFF ? fee_tariff_fault(&v->tariff) : NULL;
}

/* Refused with a sentence, and nothing but the error written. Returns the sentence, valid until the next call. */
static const char *must_refuse(enum document document, const char *text, size_t length)
{
	static struct wire_error error;
	union value *v = value_new();
	union value *before = value_new();

	memset(v, 0xa5, sizeof(*v));
	memset(before, 0xa5, sizeof(*before));
	memset(&error, 0, sizeof(error));

	bool accepted = read_value(document, text, length, v, &error);

	ck_assert_msg(!accepted, "document %d accepted: %.*s", document, (int)(length < 900 ? length : 900), text);
	ck_assert_mem_eq(v, before, sizeof(*v));
	ck_assert_msg(error.text[0] != '\0' && memchr(error.text, '\0', sizeof(error.text)) != NULL,
		      "no reason for: %.*s",
		      (int)(length < 900 ? length : 900),
		      text);
	free(v);
	free(before);
	return error.text;
}

/* ---- round trips ---- */

static void round_trip(struct sample *s, enum document document, unsigned variant, union value *v, union value *back)
{
	struct wire_error error = {{0}};

	sample_value(s, document, variant, v);

	const char *fault = model_fault(document, v);

	MUST(fault == NULL, "the sample is not valid: %s", fault);

	char *text = write_value(document, v);
	size_t length = strlen(text);

	memset(back, 0xa5, sizeof(*back));
	MUST(read_value(document, text, length, back, &error), "%s: %s", error.text, text);
	MUST(same_value(document, v, back), "reads back otherwise: %s", text);
	MUST(length <= WIRE_TEXT_MAX, "too long: %s", text);
	MUST(strpbrk(text, "\r\n") == NULL, "more than one line: %s", text);

	char *again = write_value(document, back);

	MUST(strcmp(text, again) == 0, "%s is not %s", text, again);
	free(again);
	free(text);
}

/* 20,400 in all. */
static const unsigned round_trips[DOCUMENT_COUNT] = {
	[DOCUMENT_RECORD] = 8000,
	[DOCUMENT_COMMAND] = 5000,
	[DOCUMENT_TARIFF] = 3000,
	[DOCUMENT_PROGRESS] = 3000,
	[DOCUMENT_OUTLET] = 700,
	[DOCUMENT_BOX] = 700,
};

START_TEST(what_is_written_reads_back_equal)
{
	struct sample s = {(uint64_t)_i + 1};
	union value *v = value_new();
	union value *back = value_new();

	for (unsigned i = 0; i < round_trips[_i]; i++)
		round_trip(&s, (enum document)_i, i, v, back);
	free(back);
	free(v);
}
END_TEST

/* All pools taken, every number at its longest. */
START_TEST(the_longest_document_is_within_the_limit)
{
	union value *v = value_new();

	for (size_t i = 0; i < OUTLETS_MAX; i++) {
		struct account_image *account = &v->box.accounts[i];

		memset(account->account, 'x', ACCOUNT_SIZE - 1);
		account->granted_micros = FEE_MONEY_MAX_MICROS;
		account->spent_micros = FEE_MONEY_MAX_MICROS;
	}
	v->box.seq = v->box.command_seq = (uint64_t)SAMPLE_EXACT_MAX;
	v->box.boot = UINT32_MAX;

	char *text = write_value(DOCUMENT_BOX, v);
	struct box_image back;

	ck_assert_uint_le(strlen(text), WIRE_TEXT_MAX);
	ck_assert(wire_read_box_image(text, strlen(text), &back, &(struct wire_error){{0}}));
	ck_assert(sample_same_box(&v->box, &back));
	free(text);
	free(v);
}
END_TEST

/* So that the format does not change unseen. */
START_TEST(a_record_looks_like_this)
{
	const struct record record = {.seq = 7,
				      .boot = 2,
				      .at = {123456, INT64_C(1795225126123), TIME_SYNCHRONISED},
				      .kind = RECORD_MARK,
				      .outlet = 2,
				      .order = "A-1",
				      .has_register = true,
				      .register_mwh = INT64_C(1000000000000000),
				      .u.mark.energised_ms = 1500};
	struct record_link link = {"00112233445566778899aabbccddeeff", ""};

	memset(link.prev, 'a', RECORD_HASH_SIZE - 1);

	char *text = wire_write_record(&record, &link);

	ck_assert_ptr_nonnull(strstr(text, "\"outlet\":3,")); /* people count from 1 */
	ck_assert_ptr_nonnull(strstr(text, "\"time\":\"2026-11-21T01:38:46.123Z\""));
	ck_assert_ptr_nonnull(strstr(text, "\"register_mwh\":1000000000000000,")); /* not 1e+15 */
	ck_assert_ptr_nonnull(strstr(text, "\"kind\":\"mark\""));
	ck_assert_ptr_nonnull(strstr(text, "\"time_quality\":\"synchronised\""));
	ck_assert_ptr_nonnull(strstr(text, "\"order\":\"A-1\""));
	free(text);
}
END_TEST

/* What a session is not asked to do is not written: a box that is older than its server reads the rest. */
START_TEST(until_full_is_written_where_it_is)
{
	struct command command, back;
	struct wire_error error = {{0}};
	struct sample s = {.state = 1};

	sample_command(&s, COMMAND_AUTHORIZE, &command);
	command.u.authorize.full_ma = command.u.authorize.full_ms = 0;
	for (int n = 0; n < 2; n++) {
		char *text = wire_write_command(&command);

		ck_assert_int_eq(strstr(text, "\"full_ma\":500,\"full_ms\":600000") != NULL, n);
		ck_assert_int_eq(strstr(text, "full_") != NULL, n);
		ck_assert_msg(wire_read_command(text, strlen(text), &back, &error), "%s", error.text);
		ck_assert(sample_same_command(&back, &command));
		free(text);
		command.u.authorize.full_ma = 500;
		command.u.authorize.full_ms = 600000;
	}
}
END_TEST

/* ---- refusals ---- */

static const char *const plain[DOCUMENT_COUNT] = {
	[DOCUMENT_RECORD] =
		"{\"schema\":1,\"ledger\":\"00112233445566778899aabbccddeeff\",\"prev\":"
		"\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"seq\":3,\"boot\":1,"
		"\"mono_ms\":5000,\"time\":\"2026-11-21T01:38:46.123Z\",\"time_quality\":\"synchronised\","
		"\"kind\":\"ended\",\"outlet\":1,\"order\":\"A-1\",\"register_mwh\":5000000,\"receipt\":"
		"{\"reason\":\"customer\",\"start_mwh\":1000000,\"energy_mwh\":4000000,\"amount_micros\":800000,"
		"\"energised_ms\":60000,\"settled\":true}}",
	[DOCUMENT_COMMAND] =
		"{\"box\":\"box-1\",\"ledger\":\"00112233445566778899aabbccddeeff\",\"id\":\"c-1\",\"seq\":4,"
		"\"not_after\":\"2026-11-21T01:38:46.123Z\",\"type\":\"authorize\",\"outlet\":1,\"actor\":"
		"\"server\",\"grant\":{\"order\":\"A-1\",\"account\":\"alice\",\"session_kind\":\"customer\","
		"\"mode\":\"local\",\"tariff\":{\"id\":\"day\",\"version\":1,\"currency\":\"EUR\","
		"\"energy_price_micros\":300000,\"quantum_micros\":10000,\"rounding\":\"half_up\"},"
		"\"credit_micros\":5000000,\"lease_ms\":600000,\"hold_ms\":300000,\"limit_mwh\":0,"
		"\"limit_micros\":0,\"limit_ms\":0}}",
	[DOCUMENT_TARIFF] = "{\"id\":\"day\",\"version\":1,\"currency\":\"EUR\",\"energy_price_micros\":300000,"
			    "\"service_price_micros\":0,\"start_fee_micros\":0,\"quantum_micros\":10000,"
			    "\"rounding\":\"half_up\"}",
	[DOCUMENT_PROGRESS] =
		"{\"outlet\":1,\"mono_ms\":5000,\"time\":\"2026-11-21T01:38:46.123Z\",\"time_quality\":"
		"\"relative\",\"state\":\"supplying\",\"missing\":0,\"order\":\"A-1\",\"has_register\":true,"
		"\"register_mwh\":5000000,\"reading_age_ms\":300,\"power_mw\":2000000,\"energy_mwh\":4000000,"
		"\"energised_ms\":7200000,\"cost_micros\":800000,\"remaining_micros\":4200000,\"remaining_ms\":-1,\"low_credit\":false}",
	[DOCUMENT_OUTLET] =
		"{\"serial\":\"123456\",\"register_mwh\":9,\"billed_mwh\":2,\"service_mwh\":3,\"outside_mwh\":4,"
		"\"session_mwh\":0,\"session\":{\"phase\":\"none\",\"grant\":{\"session_kind\":\"customer\","
		"\"mode\":\"local\",\"credit_micros\":0,\"lease_ms\":0,\"hold_ms\":0,\"limit_mwh\":0,\"limit_micros\":0,"
		"\"limit_ms\":0},\"start_mwh\":0,\"started_once\":false,\"energised_ms\":0,\"reason\":\"customer\"},"
		"\"reserved_ms\":0,\"reserved_at\":{\"mono_ms\":0,\"time\":\"1970-01-01T00:00:00.000Z\",\"time_quality\":"
		"\"unknown\"},\"fault\":\"none\",\"out_of_service\":false,\"seen_boot\":0,\"seen_mono_ms\":0,"
		"\"at\":{\"mono_ms\":0,\"time\":"
		"\"1970-01-01T00:00:00.000Z\",\"time_quality\":\"unknown\"}}",
	[DOCUMENT_BOX] = "{\"seq\":3,\"boot\":1,\"command_seq\":4,\"account1\":{\"account\":\"alice\","
			 "\"granted_micros\":5000000,\"spent_micros\":0}}",
};

/* text with the first `from` replaced by to; the caller frees. */
static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);

	ck_assert_msg(at != NULL, "%s is not in %s", from, text);

	size_t size = strlen(text) - strlen(from) + strlen(to) + 1;
	char *result = malloc(size);

	ck_assert_ptr_nonnull(result);
	snprintf(result, size, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	return result;
}

START_TEST(the_plain_documents_are_accepted)
{
	for (int d = 0; d < DOCUMENT_COUNT; d++) {
		struct wire_error error = {{0}};
		union value *v = value_new();

		ck_assert_msg(
			read_value((enum document)d, plain[d], strlen(plain[d]), v, &error), "%d: %s", d, error.text);
		free(v);
	}
}
END_TEST

struct refusal {
	enum document document;
	const char *from;
	const char *to;
	const char *says; /* the reason must contain it; NULL: anything */
};

static const struct refusal refusals[] = {
	/* wrong types */
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":\"3\"", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":null", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":true", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":[3]", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":{}", "seq"},
	{DOCUMENT_RECORD, "\"order\":\"A-1\"", "\"order\":1", "order"},
	{DOCUMENT_RECORD, "\"order\":\"A-1\"", "\"order\":null", "order"},
	{DOCUMENT_RECORD, "\"settled\":true", "\"settled\":1", "settled"},
	{DOCUMENT_RECORD, "\"settled\":true", "\"settled\":\"true\"", "settled"},
	{DOCUMENT_RECORD, "\"kind\":\"ended\"", "\"kind\":11", "kind"},
	{DOCUMENT_RECORD, "\"time\":\"2026-11-21T01:38:46.123Z\"", "\"time\":1795225126123", "time"},
	{DOCUMENT_RECORD, "\"receipt\":{", "\"receipt\":3,\"other\":{", "receipt"},
	{DOCUMENT_RECORD, "\"receipt\":{", "\"receipt\":[],\"other\":{", "receipt"},
	{DOCUMENT_COMMAND, "\"grant\":{", "\"grant\":\"\",\"other\":{", "grant"},
	{DOCUMENT_COMMAND, "\"tariff\":{", "\"tariff\":false,\"other\":{", "tariff"},
	{DOCUMENT_PROGRESS, "\"low_credit\":false", "\"low_credit\":0", "low_credit"},
	{DOCUMENT_OUTLET, "\"session\":{", "\"session\":0,\"other\":{", "session"},
	{DOCUMENT_BOX, "\"account1\":{", "\"account1\":0,\"other\":{", "account1"},
	/* missing */
	{DOCUMENT_RECORD, "\"schema\":1,", "", "schema"},
	{DOCUMENT_RECORD, "\"ledger\":\"00112233445566778899aabbccddeeff\",", "", "ledger"},
	{DOCUMENT_RECORD, "\"prev\":", "\"other\":", "prev"},
	{DOCUMENT_RECORD, "\"seq\":3,", "", "seq"},
	{DOCUMENT_RECORD, "\"boot\":1,", "", "boot"},
	{DOCUMENT_RECORD, "\"mono_ms\":5000,", "", "mono_ms"},
	{DOCUMENT_RECORD, "\"time_quality\":\"synchronised\",", "", "time_quality"},
	{DOCUMENT_RECORD, "\"kind\":\"ended\",", "", "kind"},
	{DOCUMENT_RECORD, "\"outlet\":1,", "", "outlet"},
	{DOCUMENT_RECORD, "\"order\":\"A-1\",", "", "order"},
	{DOCUMENT_RECORD, "\"receipt\":", "\"other\":", "receipt"},
	{DOCUMENT_RECORD, "\"reason\":\"customer\",", "", "reason"},
	{DOCUMENT_RECORD, ",\"settled\":true", "", "settled"},
	{DOCUMENT_RECORD, "\"amount_micros\":800000,", "", "amount_micros"},
	{DOCUMENT_COMMAND, "\"box\":\"box-1\",", "", "box"},
	{DOCUMENT_COMMAND, "\"id\":\"c-1\",", "", "id"},
	{DOCUMENT_COMMAND, "\"seq\":4,", "", "seq"},
	{DOCUMENT_COMMAND, "\"not_after\":\"2026-11-21T01:38:46.123Z\",", "", "not_after"},
	{DOCUMENT_COMMAND, "\"type\":\"authorize\",", "", "type"},
	{DOCUMENT_COMMAND, "\"outlet\":1,", "", "outlet"},
	{DOCUMENT_COMMAND, "\"actor\":\"server\",", "", "actor"},
	{DOCUMENT_COMMAND, "\"grant\":", "\"other\":", "grant"},
	{DOCUMENT_COMMAND, "\"tariff\":", "\"other\":", NULL},
	/* what would be left out of a price */
	{DOCUMENT_COMMAND,
	 "\"quantum_micros\":10000",
	 "\"quantum_micros\":10000,\"seasons\":[1]",
	 "tariff has \"seasons\""},
	{DOCUMENT_COMMAND, "\"limit_ms\":0", "\"limit_ms\":0,\"discount\":5", "grant has \"discount\""},
	{DOCUMENT_COMMAND,
	 "\"energy_price_micros\":300000",
	 "\"rates\":[{\"name\":\"a\",\"price_micros\":1,\"tax\":1}],\"periods\":[{\"from_min\":0,\"rate\":0}]",
	 "rates has \"tax\""},
	{DOCUMENT_COMMAND,
	 "\"energy_price_micros\":300000",
	 "\"rates\":[{\"name\":\"a\",\"price_micros\":1}],\"periods\":[{\"from_min\":0,\"rate\":0,\"days\":[1]}]",
	 "periods has \"days\""},
	/* no price at all */
	{DOCUMENT_TARIFF, "\"energy_price_micros\":300000", "\"rates\":[]", "rates must have at least one entry"},
	{DOCUMENT_TARIFF,
	 "\"energy_price_micros\":300000",
	 "\"rates\":[],\"periods\":[]",
	 "rates must have at least one entry"},
	{DOCUMENT_TARIFF, "\"energy_price_micros\":300000", "\"rates\":null", "rates must be a list"},
	{DOCUMENT_TARIFF,
	 "\"energy_price_micros\":300000",
	 "\"energy_price_micros\":300000,\"periods\":[]",
	 "periods must have at least one entry"},
	{DOCUMENT_COMMAND, "\"order\":\"A-1\",", "", "order"},
	{DOCUMENT_COMMAND, "\"account\":\"alice\",", "", "account"},
	{DOCUMENT_COMMAND, "\"mode\":\"local\",", "", "mode"},
	{DOCUMENT_COMMAND, "\"credit_micros\":5000000,", "", "credit_micros"},
	{DOCUMENT_TARIFF, "\"id\":\"day\",", "", "id"},
	{DOCUMENT_TARIFF, "\"version\":1,", "", "version"},
	{DOCUMENT_TARIFF, "\"currency\":\"EUR\",", "", "currency"},
	{DOCUMENT_TARIFF, "\"energy_price_micros\":300000,", "", "energy_price_micros"},
	{DOCUMENT_TARIFF, "\"quantum_micros\":10000,", "", "quantum_micros"},
	{DOCUMENT_TARIFF, ",\"rounding\":\"half_up\"", "", "rounding"},
	{DOCUMENT_PROGRESS, "\"outlet\":1,", "", "outlet"},
	{DOCUMENT_PROGRESS, "\"state\":\"supplying\",", "", "state"},
	{DOCUMENT_PROGRESS, "\"remaining_ms\":-1,", "", "remaining_ms"},
	{DOCUMENT_OUTLET, "\"billed_mwh\":2,", "", "billed_mwh"},
	{DOCUMENT_OUTLET, "\"session\":", "\"other\":", "session"},
	{DOCUMENT_OUTLET, "\"fault\":\"none\",", "", "fault"},
	{DOCUMENT_BOX, "\"seq\":3,", "", "seq"},
	{DOCUMENT_BOX, ",\"spent_micros\":0", "", "spent_micros"},
	/* names are exact */
	{DOCUMENT_RECORD, "\"seq\":3", "\"Seq\":3", "seq"},
	{DOCUMENT_RECORD, "\"register_mwh\":5000000", "\"register_mwh\":\"5000000\"", "register_mwh"},
	/* integers: fractional, out of range, beyond 2^53 */
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":3.5", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":-1", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":9007199254740992", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":9007199254740993", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":18446744073709551619", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":1e300", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":1e999", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":-1e999", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":1e-3", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":NaN", NULL},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":Infinity", NULL},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":0x3", NULL},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":+3", NULL},
	{DOCUMENT_RECORD, "\"boot\":1", "\"boot\":4294967296", "boot"},
	{DOCUMENT_RECORD, "\"boot\":1", "\"boot\":-1", "boot"},
	{DOCUMENT_RECORD, "\"mono_ms\":5000", "\"mono_ms\":9007199254740992", "mono_ms"},
	{DOCUMENT_RECORD, "\"mono_ms\":5000", "\"mono_ms\":-9007199254740992", "mono_ms"},
	{DOCUMENT_RECORD, "\"outlet\":1", "\"outlet\":0", "outlet"},
	{DOCUMENT_RECORD, "\"outlet\":1", "\"outlet\":17", "outlet"},
	{DOCUMENT_RECORD, "\"outlet\":1", "\"outlet\":-1", "outlet"},
	{DOCUMENT_RECORD, "\"outlet\":1", "\"outlet\":1.5", "outlet"},
	{DOCUMENT_RECORD, "\"outlet\":1", "\"outlet\":4294967297", "outlet"},
	{DOCUMENT_RECORD, "\"schema\":1", "\"schema\":2", "schema"},
	{DOCUMENT_RECORD, "\"schema\":1", "\"schema\":0", "schema"},
	{DOCUMENT_RECORD, "\"register_mwh\":5000000", "\"register_mwh\":-1", "register_mwh"},
	{DOCUMENT_RECORD, "\"register_mwh\":5000000", "\"register_mwh\":1000000000000001", "register_mwh"},
	{DOCUMENT_RECORD, "\"register_mwh\":5000000", "\"register_mwh\":0.1", "register_mwh"},
	{DOCUMENT_RECORD, "\"amount_micros\":800000", "\"amount_micros\":-1", "amount_micros"},
	{DOCUMENT_RECORD, "\"amount_micros\":800000", "\"amount_micros\":1000000000000001", "amount_micros"},
	{DOCUMENT_RECORD, "\"energised_ms\":60000", "\"energised_ms\":-1", "energised_ms"},
	{DOCUMENT_RECORD, "\"energised_ms\":60000", "\"energised_ms\":9007199254740991", "energised_ms"},
	{DOCUMENT_COMMAND, "\"lease_ms\":600000", "\"lease_ms\":-1", "lease_ms"},
	{DOCUMENT_COMMAND, "\"limit_mwh\":0", "\"limit_mwh\":-1", "limit_mwh"},
	{DOCUMENT_COMMAND, "\"limit_ms\":0", "\"limit_ms\":0,\"full_ma\":500", "full_ma"},
	{DOCUMENT_COMMAND, "\"limit_ms\":0", "\"limit_ms\":0,\"full_ms\":500", "full_ms"},
	{DOCUMENT_COMMAND, "\"limit_ms\":0", "\"limit_ms\":0,\"full_ma\":1000001,\"full_ms\":1", "full_ma"},
	{DOCUMENT_COMMAND, "\"limit_ms\":0", "\"limit_ms\":0,\"full_ma\":1,\"full_ms\":86400001", "full_ms"},
	{DOCUMENT_COMMAND, "\"limit_ms\":0", "\"limit_ms\":0,\"full_ma\":\"1\",\"full_ms\":1", "full_ma"},
	{DOCUMENT_COMMAND, "\"credit_micros\":5000000", "\"credit_micros\":5000000.5", "credit_micros"},
	{DOCUMENT_COMMAND, "\"version\":1", "\"version\":4294967296", "version"},
	{DOCUMENT_COMMAND, "\"quantum_micros\":10000", "\"quantum_micros\":0", "quantum_micros"},
	{DOCUMENT_TARIFF, "\"quantum_micros\":10000", "\"quantum_micros\":1000000001", "quantum_micros"},
	{DOCUMENT_TARIFF, "\"energy_price_micros\":300000", "\"energy_price_micros\":-1", "energy_price_micros"},
	{DOCUMENT_TARIFF, "\"start_fee_micros\":0", "\"start_fee_micros\":1000000000000001", "start_fee_micros"},
	{DOCUMENT_PROGRESS, "\"register_mwh\":5000000", "\"register_mwh\":-1", "register_mwh"},
	{DOCUMENT_PROGRESS, "\"energy_mwh\":4000000", "\"energy_mwh\":1000000000000001", "energy_mwh"},
	{DOCUMENT_PROGRESS, "\"outlet\":1", "\"outlet\":17", "outlet"},
	{DOCUMENT_PROGRESS, "\"missing\":0", "\"missing\":-1", "missing"},
	{DOCUMENT_PROGRESS, "\"missing\":0", "\"missing\":1024", "missing"}, /* a bit that no word has */
	{DOCUMENT_PROGRESS, "\"reading_age_ms\":300", "\"reading_age_ms\":-2", "reading_age_ms"},
	{DOCUMENT_PROGRESS, "\"remaining_ms\":-1", "\"remaining_ms\":-2", "remaining_ms"},
	{DOCUMENT_PROGRESS, "\"cost_micros\":800000", "\"cost_micros\":-1", "cost_micros"},
	{DOCUMENT_PROGRESS, "\"energised_ms\":7200000", "\"energised_ms\":-1", "energised_ms"},
	{DOCUMENT_PROGRESS, "\"energised_ms\":7200000", "\"energised_ms\":3162240000001", "energised_ms"},
	{DOCUMENT_OUTLET, "\"billed_mwh\":2", "\"billed_mwh\":-2", "billed_mwh"},
	{DOCUMENT_OUTLET, "\"register_mwh\":9", "\"register_mwh\":1000000000000001", "register_mwh"},
	{DOCUMENT_OUTLET, "\"energised_ms\":0", "\"energised_ms\":-1", "energised_ms"},
	{DOCUMENT_OUTLET, "\"reserved_ms\":0", "\"reserved_ms\":-1", "reserved_ms"},
	{DOCUMENT_OUTLET, "\"phase\":\"none\"", "\"phase\":\"started\"", NULL}, /* a session without an order */
	{DOCUMENT_BOX, "\"granted_micros\":5000000", "\"granted_micros\":-1", "granted_micros"},
	{DOCUMENT_BOX, "\"spent_micros\":0", "\"spent_micros\":1000000000000001", "spent_micros"},
	/* twice */
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":3,\"seq\":3", "seq"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":3,\"\\u0073eq\":4", "seq"},
	{DOCUMENT_RECORD, "\"reason\":\"customer\"", "\"reason\":\"customer\",\"reason\":\"door\"", "reason"},
	{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":3,\"x\":[{\"a\":1,\"a\":1}]", "a"},
	{DOCUMENT_TARIFF, "\"id\":\"day\"", "\"id\":\"day\",\"id\":\"night\"", "id"},
	/* texts */
	{DOCUMENT_RECORD, "\"A-1\"", "\"\"", "order"},
	{DOCUMENT_RECORD, "\"A-1\"", "\"12345678901234567890123456789012345678901\"", "order"},
	{DOCUMENT_RECORD, "\"A-1\"", "\"A\\n1\"", "order"},
	{DOCUMENT_RECORD, "\"A-1\"", "\"A\n1\"", NULL},
	{DOCUMENT_RECORD, "\"A-1\"", "\"A\t1\"", NULL},
	{DOCUMENT_RECORD, "\"A-1\"", "\"A\x7f\"", "order"},
	{DOCUMENT_RECORD, "\"A-1\"", "\"A\\\"1\"", "order"},
	{DOCUMENT_RECORD, "\"A-1\"", "\"A\\\\1\"", "order"},
	{DOCUMENT_RECORD, "\"A-1\"", "\"A\\u00001\"", NULL}, /* a NUL would cut it to another, valid order */
	{DOCUMENT_RECORD, "\"order\":", "\"order\\u0000x\":", NULL},
	{DOCUMENT_RECORD, "\"A-1\"", "\"\xc3\xa4\"", "order"}, /* UTF-8, but not within the model's limits */
	{DOCUMENT_RECORD, "\"A-1\"", "\"\\u00e4\"", "order"},
	{DOCUMENT_RECORD, "\"A-1\"", "\"\xff\xfe\"", NULL},
	{DOCUMENT_RECORD, "\"A-1\"", "\"\xc0\x80\"", NULL},
	{DOCUMENT_RECORD, "\"A-1\"", "\"\xed\xa0\x80\"", NULL},
	{DOCUMENT_RECORD, "\"A-1\"", "\"\xc3\"", NULL},
	{DOCUMENT_RECORD, "\"A-1\"", "\"\\ud800\"", NULL},
	{DOCUMENT_RECORD, "\"A-1\"", "\"\\x41\"", NULL},
	{DOCUMENT_RECORD, "\"A-1\"", "\"\\u12\"", NULL},
	{DOCUMENT_RECORD, "\"A-1\"", "'A-1'", NULL},
	{DOCUMENT_RECORD, "0123456789abcdef\"", "\"", "prev"}, /* a hash has 64 digits */
	{DOCUMENT_RECORD, "\"ledger\":\"00", "\"ledger\":\"", "ledger"}, /* an id has 32 */
	{DOCUMENT_COMMAND, "\"box-1\"", "\"123456789012345678901234567890123\"", "box"},
	{DOCUMENT_COMMAND, "\"c-1\"", "\"\\u0007\"", "id"},
	{DOCUMENT_TARIFF, "\"EUR\"", "\"EURO\"", "currency"},
	{DOCUMENT_TARIFF, "\"EUR\"", "\"eur\"", "currency"},
	{DOCUMENT_TARIFF, "\"EUR\"", "\"E\"", "currency"},
	{DOCUMENT_TARIFF, "\"day\"", "\"123456789012345678901234567890123\"", "id"},
	{DOCUMENT_OUTLET, "\"123456\"", "\"123456789012345678901234567890123\"", "serial"},
	/* unknown words */
	{DOCUMENT_RECORD, "\"ended\"", "\"finished\"", "kind"},
	{DOCUMENT_RECORD, "\"ended\"", "\"Ended\"", "kind"},
	{DOCUMENT_RECORD, "\"ended\"", "\"\"", "kind"},
	{DOCUMENT_RECORD, "\"reason\":\"customer\"", "\"reason\":\"because\"", "reason"},
	{DOCUMENT_RECORD, "\"synchronised\"", "\"exact\"", "time_quality"},
	{DOCUMENT_COMMAND, "\"authorize\"", "\"explode\"", "type"},
	{DOCUMENT_COMMAND, "\"server\"", "\"root\"", "actor"},
	{DOCUMENT_COMMAND, "\"local\"", "\"both\"", "mode"},
	{DOCUMENT_COMMAND, "\"session_kind\":\"customer\"", "\"session_kind\":\"thief\"", "session_kind"},
	{DOCUMENT_COMMAND, "\"session_kind\":\"customer\"", "\"session_kind\":\"service\"", "kind"},
	{DOCUMENT_TARIFF, "\"half_up\"", "\"half_down\"", "rounding"},
	{DOCUMENT_PROGRESS, "\"supplying\"", "\"sleeping\"", "state"},
	{DOCUMENT_OUTLET, "\"phase\":\"none\"", "\"phase\":\"new\"", "phase"},
	/* who may: the model's limits hold on the wire */
	{DOCUMENT_COMMAND, "\"type\":\"authorize\"", "\"type\":\"start\"", "order"},
	{DOCUMENT_COMMAND, "\"actor\":\"server\"", "\"actor\":\"technician\"", "name"},
	{DOCUMENT_COMMAND, "\"type\":\"authorize\",\"outlet\":1", "\"type\":\"unlock\"", "technician"},
	{DOCUMENT_COMMAND, "\"type\":\"authorize\"", "\"type\":\"service\",\"order\":\"S-1\"", "technician"},
	{DOCUMENT_RECORD, "\"kind\":\"ended\"", "\"kind\":\"started\",\"x\":{\"y\":0},\"z\":\"", NULL},
	{DOCUMENT_RECORD, "\"kind\":\"ended\"", "\"kind\":\"boot\"", "outlet"},
	{DOCUMENT_RECORD, "\"kind\":\"ended\"", "\"kind\":\"fault\",\"fault\":\"none\"", "fault"},
	{DOCUMENT_RECORD, "\"kind\":\"ended\"", "\"kind\":\"meter\"", "serial"},
	/* impossible dates */
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2026-11-31T01:38:46.123Z", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2026-02-29T01:38:46.123Z", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2100-02-29T01:38:46.123Z", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2026-13-01T01:38:46.123Z", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2026-00-01T01:38:46.123Z", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2026-11-00T01:38:46.123Z", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2026-11-21T24:00:00.000Z", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2026-11-21T01:60:46.123Z", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2026-11-21T01:38:61.123Z", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2026-11-21T01:38:46Z", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2026-11-21T01:38:46.123+01:00", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2026-11-21T01:38:46.123", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2026-11-21 01:38:46.123Z", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2026-11-21T01:38:46.123Zx", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "1969-12-31T23:59:59.999Z", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "-026-11-21T01:38:46.123Z", "time"},
	{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "", "time"},
	{DOCUMENT_COMMAND, "2026-11-21T01:38:46.123Z", "2026-09-31T01:38:46.123Z", "not_after"},
};
#define REFUSALS (sizeof(refusals) / sizeof(*refusals))

/* Says every wrong answer, not only the first. */
static bool refuses(const struct refusal *r)
{
	struct wire_error error = {{0}};
	union value *v = value_new();
	union value *before = value_new();
	char *text = replaced(plain[r->document], r->from, r->to);

	memset(v, 0xa5, sizeof(*v));
	memcpy(before, v, sizeof(*v));

	bool accepted = read_value(r->document, text, strlen(text), v, &error);
	bool unchanged = memcmp(v, before, sizeof(*v)) == 0;
	bool said = error.text[0] != '\0' && memchr(error.text, '\0', sizeof(error.text)) != NULL &&
		    (r->says == NULL || strstr(error.text, r->says) != NULL);

	if (accepted)
		fprintf(stderr, "accepted: document %d with %s\n", r->document, r->to[0] ? r->to : r->from);
	else if (!unchanged || !said)
		fprintf(stderr,
			"%s: document %d with %s: %s\n",
			unchanged ? "unclear" : "changed",
			r->document,
			r->to[0] ? r->to : r->from,
			error.text);
	free(text);
	free(before);
	free(v);
	return !accepted && unchanged && said;
}

START_TEST(what_is_wrong_is_refused_with_a_reason)
{
	int wrong = 0;

	for (size_t i = 0; i < REFUSALS; i++)
		wrong += !refuses(&refusals[i]);
	ck_assert_int_eq(wrong, 0);
}
END_TEST

START_TEST(what_is_not_one_json_object_is_refused)
{
	static const char *const texts[] = {"",		 " ",	     "{",    "}",	   "{}}",
					    "[]",	 "[{}]",     "null", "1",	   "\"x\"",
					    "{}",	 "{,}",	     "{]",   "{\"a}",	   "{\"a\"",
					    "{a:1}",	 "{\"a\":}", "tru",  "{\"a\":1,}", "\xef\xbb\xbf",
					    "{\"seq\":", "\\",	     "\"",   "{\"\\",	   "{\"a\":\"\\u"};

	for (int d = 0; d < DOCUMENT_COUNT; d++) {
		for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
			must_refuse((enum document)d, texts[i], strlen(texts[i]));
	}
}
END_TEST

START_TEST(every_shortened_document_is_refused)
{
	for (int d = 0; d < DOCUMENT_COUNT; d++) {
		for (size_t length = 0; length < strlen(plain[d]); length++)
			must_refuse((enum document)d, plain[d], length);
	}
}
END_TEST

START_TEST(nothing_may_follow_but_white_space)
{
	static const char *const tails[] = {"x", "{}", "}", ",", "\"", " 1", "\n{}", "//", "\\"};
	char text[2000];

	for (int d = 0; d < DOCUMENT_COUNT; d++) {
		struct wire_error error = {{0}};
		union value *v = value_new();

		for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
			snprintf(text, sizeof(text), "%s%s", plain[d], tails[i]);
			must_refuse((enum document)d, text, strlen(text));
		}
		snprintf(text, sizeof(text), " \r\n\t%s \r\n\t", plain[d]);
		ck_assert_msg(read_value((enum document)d, text, strlen(text), v, &error), "%s", error.text);
		free(v);
	}
}
END_TEST

/* A NUL byte anywhere, behind the document too. */
START_TEST(nul_bytes_are_refused)
{
	for (int d = 0; d < DOCUMENT_COUNT; d++) {
		size_t length = strlen(plain[d]);
		char *text = malloc(length + 1);

		for (size_t at = 0; at <= length; at++) {
			memcpy(text, plain[d], at);
			text[at] = '\0';
			memcpy(text + at + 1, plain[d] + at, length - at);
			must_refuse((enum document)d, text, length + 1);
		}
		free(text);
	}
}
END_TEST

START_TEST(control_characters_and_broken_utf8_are_refused_where_they_can_be_read)
{
	static const char *const bytes[] = {"\x01", "\x1f", "\x7f", "\x80", "\xff", "\xc3\x28", "\xf5\x80\x80\x80"};
	char to[40];

	for (size_t i = 0; i < sizeof(bytes) / sizeof(*bytes); i++) {
		snprintf(to, sizeof(to), "\"A%s\"", bytes[i]);

		char *text = replaced(plain[DOCUMENT_RECORD], "\"A-1\"", to);

		must_refuse(DOCUMENT_RECORD, text, strlen(text));
		free(text);
		snprintf(to, sizeof(to), "\"s%seq\"", bytes[i]);
		text = replaced(plain[DOCUMENT_RECORD], "\"seq\"", to);
		must_refuse(DOCUMENT_RECORD, text, strlen(text));
		free(text);
	}
}
END_TEST

/* depth levels in all around an extra field. */
static char *nested(size_t depth, char open, char close)
{
	char *inner = calloc(1, depth * 8 + 40);
	char *at = inner + sprintf(inner, "\"seq\":3,\"x\":");

	for (size_t i = 1; i < depth; i++)
		at += open == '{' ? sprintf(at, i + 1 < depth ? "{\"a\":" : "{") : sprintf(at, "[");
	for (size_t i = 1; i < depth; i++)
		*at++ = close;
	if (depth == 1)
		sprintf(at, "0");

	char *text = replaced(plain[DOCUMENT_BOX], "\"seq\":3", inner);

	free(inner);
	return text;
}

START_TEST(depth_is_limited)
{
	for (size_t depth = 1; depth < 600; depth += depth < 20 ? 1 : 97) {
		for (int braces = 0; braces < 2; braces++) {
			struct wire_error error = {{0}};
			union value *v = value_new();
			char *text = nested(depth, braces ? '{' : '[', braces ? '}' : ']');

			if (depth <= WIRE_DEPTH_MAX)
				ck_assert_msg(read_value(DOCUMENT_BOX, text, strlen(text), v, &error),
					      "%s: %s",
					      error.text,
					      text);
			else
				must_refuse(DOCUMENT_BOX, text, strlen(text));
			free(text);
			free(v);
		}
	}
}
END_TEST

START_TEST(brackets_in_texts_are_no_depth)
{
	struct wire_error error = {{0}};
	union value *v = value_new();
	char *text = replaced(plain[DOCUMENT_RECORD], "\"A-1\"", "\"{[{[{[{[{[{[{[\"");

	ck_assert_msg(read_value(DOCUMENT_RECORD, text, strlen(text), v, &error), "%s", error.text);
	free(text);
	free(v);
}
END_TEST

/* Each name is held against every other one: many would take long. */
START_TEST(values_are_limited)
{
	char text[WIRE_TEXT_MAX + 1] = "{\"seq\":3,\"boot\":1,\"command_seq\":4";
	union value *v = value_new();
	struct wire_error error = {{0}};
	int values = 3;

	while (values < WIRE_VALUES_MAX)
		snprintf(text + strlen(text), 16, ",\"x%d\":0", values++);
	strcat(text, "}");
	ck_assert_msg(read_value(DOCUMENT_BOX, text, strlen(text), v, &error), "%s", error.text);
	strcpy(strrchr(text, '}'), ",\"one more\":0}");
	ck_assert(!read_value(DOCUMENT_BOX, text, strlen(text), v, &error));
	ck_assert_str_eq(error.text, "more than 320 values");
	free(v);
}
END_TEST

/* An outlet's snapshot from before there were rates: after the end it is what the records add up to today. */
START_TEST(an_older_snapshot_is_read)
{
	struct outlet_image o, read;
	struct sample s = {77};
	struct wire_error error = {{0}};
	static const char *const newer[] = {"\"rate\":0,", "\"rate_from_ms\":0,"};

	do
		sample_outlet_image(&s, &o);
	while (o.session.phase != PHASE_ENDED);
	char *text = wire_write_outlet_image(&o);
	for (size_t i = 0; i < sizeof(newer) / sizeof(*newer); i++) {
		char *at = strstr(text, newer[i]);
		ck_assert_ptr_nonnull(at);
		memmove(at, at + strlen(newer[i]), strlen(at + strlen(newer[i])) + 1);
	}
	ck_assert_msg(wire_read_outlet_image(text, strlen(text), &read, &error), "%s", error.text);
	ck_assert(sample_same_outlet_image(&o, &read));
	free(text);
}
END_TEST

/* The rate of an open session is one of its tariff's. */
START_TEST(a_snapshot_with_a_foreign_rate)
{
	struct outlet_image o, read;
	struct sample s = {78};
	struct wire_error error = {{0}};

	do
		sample_outlet_image(&s, &o);
	while (o.session.phase != PHASE_STARTED || fee_rates(&o.session.grant.tariff) != 1);
	o.session.rate = 1;
	char *text = wire_write_outlet_image(&o);
	ck_assert(!wire_read_outlet_image(text, strlen(text), &read, &error));
	ck_assert_ptr_nonnull(strstr(error.text, "rate must be"));
	free(text);
}
END_TEST

/* Somebody who makes a tariff must not misspell a price; who reads one may meet a newer program's. */
START_TEST(a_misspelt_price_is_no_price)
{
	static const char misspelt[] = "{\"id\":\"flat\",\"version\":1,\"currency\":\"EUR\",\"energy_price_micros\":1,"
				       "\"service_micros\":1,\"quantum_micros\":1,\"rounding\":\"down\"}";
	struct fee_tariff tariff;
	struct wire_error error;

	ck_assert(wire_read_tariff(misspelt, strlen(misspelt), &tariff, &error));
	ck_assert(!wire_read_tariff_only(misspelt, strlen(misspelt), &tariff, &error));
	ck_assert_ptr_nonnull(strstr(error.text, "service_micros"));
	char *text = wire_write_tariff(&tariff);
	ck_assert(wire_read_tariff_only(text, strlen(text), &tariff, &error));
	free(text);
}
END_TEST

START_TEST(length_is_limited)
{
	size_t size = 4 * WIRE_TEXT_MAX;
	char *text = malloc(size);
	size_t length = strlen(plain[DOCUMENT_RECORD]);
	struct wire_error error = {{0}};
	union value *v = value_new();

	memset(text, ' ', size);
	memcpy(text, plain[DOCUMENT_RECORD], length);
	ck_assert_msg(read_value(DOCUMENT_RECORD, text, WIRE_TEXT_MAX, v, &error), "%s", error.text);
	must_refuse(DOCUMENT_RECORD, text, WIRE_TEXT_MAX + 1);
	must_refuse(DOCUMENT_RECORD, text, size);
	free(text);
	free(v);
}
END_TEST

START_TEST(long_names_and_words_do_not_overflow_the_error)
{
	char *to = malloc(6100);

	for (size_t length = 1; length < 3000; length += 499) {
		char *name = malloc(length + 1);

		memset(name, 'n', length);
		name[length] = '\0';
		snprintf(to, 6100, "\"%s\":1,\"%s\":1,\"id\"", name, name);

		char *text = replaced(plain[DOCUMENT_TARIFF], "\"id\"", to);

		must_refuse(DOCUMENT_TARIFF, text, strlen(text));
		free(text);
		snprintf(to, 6100, "\"%s\"", name);
		text = replaced(plain[DOCUMENT_TARIFF], "\"half_up\"", to);
		must_refuse(DOCUMENT_TARIFF, text, strlen(text));
		free(text);
		free(name);
	}
	free(to);
}
END_TEST

START_TEST(remote_mode_needs_a_lease)
{
	char *remote = replaced(plain[DOCUMENT_COMMAND], "\"local\"", "\"remote\"");
	char *text = replaced(remote, "\"lease_ms\":600000", "\"lease_ms\":0");

	ck_assert_ptr_nonnull(strstr(must_refuse(DOCUMENT_COMMAND, text, strlen(text)), "lease_ms"));
	free(text);
	free(remote);
}
END_TEST

START_TEST(limits_themselves_are_accepted)
{
	static const struct refusal edges[] = {
		{DOCUMENT_RECORD, "\"seq\":3", "\"seq\":9007199254740991", NULL},
		{DOCUMENT_RECORD, "\"boot\":1", "\"boot\":4294967295", NULL},
		{DOCUMENT_RECORD, "\"outlet\":1", "\"outlet\":16", NULL},
		{DOCUMENT_RECORD, "\"register_mwh\":5000000", "\"register_mwh\":1000000000000000", NULL},
		{DOCUMENT_RECORD, "\"register_mwh\":5000000", "\"register_mwh\":0", NULL},
		{DOCUMENT_RECORD, "\"A-1\"", "\"1234567890123456789012345678901234567890\"", NULL},
		{DOCUMENT_RECORD, "\"A-1\"", "\"\\u0041-1\"", NULL},
		{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "1970-01-01T00:00:00.000Z", NULL},
		{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "9999-12-31T23:59:59.999Z", NULL},
		{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2028-02-29T23:59:59.999Z", NULL},
		{DOCUMENT_RECORD, "2026-11-21T01:38:46.123Z", "2000-02-29T23:59:59.999Z", NULL},
		{DOCUMENT_TARIFF, "\"quantum_micros\":10000", "\"quantum_micros\":1000000000", NULL},
		{DOCUMENT_TARIFF, "\"day\"", "\"12345678901234567890123456789012\"", NULL},
	};

	for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
		struct wire_error error = {{0}};
		union value *v = value_new();
		char *text = replaced(plain[edges[i].document], edges[i].from, edges[i].to);

		ck_assert_msg(read_value(edges[i].document, text, strlen(text), v, &error),
			      "%s: %s",
			      edges[i].to,
			      error.text);
		free(text);
		free(v);
	}
}
END_TEST

/* ---- mutations ---- */

#define SEEDS_PER_DOCUMENT 24
#define TEXT_ROOM (WIRE_TEXT_MAX + 200)

struct corpus {
	char *texts[DOCUMENT_COUNT][SEEDS_PER_DOCUMENT];
};

static void corpus_fill(struct corpus *c, struct sample *s)
{
	union value *v = value_new();

	for (int d = 0; d < DOCUMENT_COUNT; d++) {
		for (unsigned i = 0; i < SEEDS_PER_DOCUMENT; i++) {
			sample_value(s, (enum document)d, i, v);
			c->texts[d][i] = i == 0 ? strdup(plain[d]) : write_value((enum document)d, v);
		}
	}
	free(v);
}

static void corpus_free(struct corpus *c)
{
	for (int d = 0; d < DOCUMENT_COUNT; d++) {
		for (size_t i = 0; i < SEEDS_PER_DOCUMENT; i++)
			free(c->texts[d][i]);
	}
}

static const char *any_text(const struct corpus *c, struct sample *s, enum document document)
{
	return c->texts[document][sample_between(s, 0, SEEDS_PER_DOCUMENT - 1)];
}

static size_t place(struct sample *s, size_t length)
{
	return length == 0 ? 0 : (size_t)sample_between(s, 0, (int64_t)length - 1);
}

/* Copies a piece of another document over, or into, this one. */
static size_t splice(struct sample *s, const char *other, char *text, size_t length)
{
	size_t other_length = strlen(other);
	size_t from = place(s, other_length);
	size_t count = place(s, other_length - from < 120 ? other_length - from + 1 : 120);
	size_t at = place(s, length);
	size_t dropped = sample_happens(s, 50) ? place(s, length - at < 120 ? length - at + 1 : 120) : count;

	if (dropped > length - at)
		dropped = length - at;
	if (length - dropped + count > TEXT_ROOM)
		return length;
	memmove(text + at + count, text + at + dropped, length - at - dropped);
	memcpy(text + at, other + from, count);
	return length - dropped + count;
}

static size_t mutate(const struct corpus *c, struct sample *s, enum document document, char *text, size_t length)
{
	static const char tokens[] = "{}[]\",:\\u0-9.eE+ \n\tnulltruefalse\x7f\x80";

	switch (sample_between(s, 0, 5)) {
	case 0:
		text[place(s, length)] ^= (char)(1 << sample_between(s, 0, 7));
		return length;
	case 1:
		text[place(s, length)] = (char)sample_between(s, 0, 255);
		return length;
	case 2:
		text[place(s, length)] = tokens[place(s, sizeof(tokens) - 1)];
		return length;
	case 3:
		text[place(s, length)] = (char)sample_between(s, '0', '9'); /* stays JSON more often */
		return length;
	case 4:
		return sample_happens(s, 20) ? place(s, length + 1) : length;
	default:
		return splice(s, any_text(c, s, document), text, length);
	}
}

/* Whether it was accepted: then the model must find no fault, and (where asked: it takes its time) it must write and
 * read back equal. */
static bool judge(enum document document, const char *text, size_t length, union value *v, union value *back,
		  bool write)
{
	struct wire_error error = {{0}};

	if (!read_value(document, text, length, v, &error)) {
		MUST(error.text[0] != '\0', "no reason for: %.*s", (int)length, text);
		return false;
	}

	const char *fault = model_fault(document, v);

	MUST(fault == NULL, "accepted, but %s: %.*s", fault, (int)length, text);

	if (!write)
		return true;

	char *written = write_value(document, v);

	MUST(read_value(document, written, strlen(written), back, &error), "%s: %s", error.text, written);
	MUST(same_value(document, v, back), "reads back otherwise: %.*s", (int)length, text);
	free(written);
	return true;
}

/* 205,000 in all; fewer of the long documents, which take their time. */
static const unsigned mutations[DOCUMENT_COUNT] = {
	[DOCUMENT_RECORD] = 50000,
	[DOCUMENT_COMMAND] = 35000,
	[DOCUMENT_TARIFF] = 80000,
	[DOCUMENT_PROGRESS] = 30000,
	[DOCUMENT_OUTLET] = 5000,
	[DOCUMENT_BOX] = 5000,
};

START_TEST(mutations_never_crash_and_never_slip_through)
{
	struct corpus c;
	struct sample s = {4711 + (uint64_t)_i};
	union value *v = value_new();
	union value *back = value_new();
	char *text = malloc(TEXT_ROOM);
	unsigned accepted = 0;
	unsigned count = mutations[_i];

	corpus_fill(&c, &s);
	for (unsigned i = 0; i < count; i++) {
		const char *seed = any_text(&c, &s, (enum document)_i);
		size_t length = strlen(seed);

		memcpy(text, seed, length);
		for (int64_t n = sample_between(&s, 1, 3); n > 0 && length > 0; n--)
			length = mutate(&c, &s, (enum document)_i, text, length);
		accepted += judge((enum document)_i, text, length, v, back, i % 4 == 0);
	}
	ck_assert_uint_gt(accepted, count / 100); /* else nothing but the parser was tried */
	ck_assert_uint_lt(accepted, count * 4 / 5);
	corpus_free(&c);
	free(text);
	free(back);
	free(v);
}
END_TEST

/* ---- the suite ---- */

static TCase *case_new(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("wire");
	TCase *trips = case_new(suite, "round trips");
	TCase *refused = case_new(suite, "refusals");
	TCase *mutated = case_new(suite, "mutations");

	tcase_add_loop_test(trips, what_is_written_reads_back_equal, 0, DOCUMENT_COUNT);
	tcase_add_test(trips, the_longest_document_is_within_the_limit);
	tcase_add_test(trips, a_record_looks_like_this);
	tcase_add_test(trips, until_full_is_written_where_it_is);
	tcase_add_test(trips, limits_themselves_are_accepted);
	tcase_add_test(refused, the_plain_documents_are_accepted);
	tcase_add_test(refused, what_is_wrong_is_refused_with_a_reason);
	tcase_add_test(refused, what_is_not_one_json_object_is_refused);
	tcase_add_test(refused, every_shortened_document_is_refused);
	tcase_add_test(refused, nothing_may_follow_but_white_space);
	tcase_add_test(refused, nul_bytes_are_refused);
	tcase_add_test(refused, control_characters_and_broken_utf8_are_refused_where_they_can_be_read);
	tcase_add_test(refused, depth_is_limited);
	tcase_add_test(refused, brackets_in_texts_are_no_depth);
	tcase_add_test(refused, length_is_limited);
	tcase_add_test(refused, values_are_limited);
	tcase_add_test(refused, an_older_snapshot_is_read);
	tcase_add_test(refused, a_snapshot_with_a_foreign_rate);
	tcase_add_test(refused, a_misspelt_price_is_no_price);
	tcase_add_test(refused, long_names_and_words_do_not_overflow_the_error);
	tcase_add_test(refused, remote_mode_needs_a_lease);
	tcase_add_loop_test(mutated, mutations_never_crash_and_never_slip_through, 0, DOCUMENT_COUNT);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);

	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
