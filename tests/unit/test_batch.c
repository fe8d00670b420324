/* tests/unit/test_batch.c: the batch of records, its answer, and their gzip. What is written reads back equal; a damaged
 * record keeps its place and harms no other; what is hostile is refused with a reason, in bounded time, and changes
 * nothing. Every text is read from a block of exactly its length, so that a byte read too far is seen. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "gzip.h"
#include "sample.h"

#define LEDGER "00112233445566778899aabbccddeeff"

/* ---- help ---- */

static char *block_of(const char *text, size_t length)
{
	char *block = malloc(length > 0 ? length : 1);
	if (block == NULL)
		ck_abort_msg("no memory");
	memcpy(block, text, length);
	return block;
}

/* As ck_assert_msg(), which tells Check of every success too: most of the time of a long loop. */
#define MUST(condition, ...)                                                                                           \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			ck_abort_msg(__VA_ARGS__);                                                                     \
	} while (0)

static bool read_batch(const char *text, size_t length, struct batch *batch, struct wire_error *error)
{
	char *block = block_of(text, length);
	bool valid = batch_read(block, length, batch, error);
	free(block);
	return valid;
}

static bool read_answer(const char *text, struct batch_answer *answer, struct wire_error *error)
{
	char *block = block_of(text, strlen(text));
	bool valid = batch_answer_read(block, strlen(text), answer, error);
	free(block);
	return valid;
}

/* Refused, with a reason that has this in it, and with *batch as it was. */
static void assert_batch_refused(const char *text, size_t length, const char *reason)
{
	static struct batch batch, before;
	struct wire_error error = {{0}};
	memset(&batch, 0xa5, sizeof batch);
	memset(&before, 0xa5, sizeof before);
	ck_assert_msg(!read_batch(text, length, &batch, &error), "accepted: %.200s", text);
	ck_assert_msg(strstr(error.text, reason) != NULL, "\"%s\" says nothing of \"%s\"", error.text, reason);
	ck_assert_mem_eq(&batch, &before, sizeof batch);
}

static void assert_answer_refused(const char *text, const char *reason)
{
	static struct batch_answer answer, before;
	struct wire_error error = {{0}};
	memset(&answer, 0xa5, sizeof answer);
	memset(&before, 0xa5, sizeof before);
	ck_assert_msg(!read_answer(text, &answer, &error), "accepted: %.200s", text);
	ck_assert_msg(strstr(error.text, reason) != NULL, "\"%s\" says nothing of \"%s\"", error.text, reason);
	ck_assert_mem_eq(&answer, &before, sizeof answer);
}

/* Writes the batch and reads it again. */
static void send_batch(const struct batch *batch, struct batch *back)
{
	struct wire_error error = {{0}};
	char *text = batch_write(batch);
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_le(strlen(text), BATCH_TEXT_MAX);
	ck_assert_msg(read_batch(text, strlen(text), back, &error), "%s", error.text);
	free(text);
}

static struct batch batch_of(char **records, size_t count)
{
	return (struct batch){.ledger = LEDGER, .records = records, .record_count = count};
}

/* Text of `count` times the same, within the two others. The caller frees it. */
static char *many(const char *before, const char *piece, size_t count, const char *after)
{
	size_t length = strlen(piece);
	char *text = malloc(strlen(before) + count * length + strlen(after) + 1);
	ck_assert_ptr_nonnull(text);
	char *end = stpcpy(text, before);
	for (size_t i = 0; i < count; i++)
		end = stpcpy(end, piece);
	strcpy(end, after);
	return text;
}

/* ---- the batch ---- */

START_TEST(what_is_written_reads_back_equal)
{
	struct sample chance = {.state = (uint64_t)_i + 1};
	static struct batch batch, back;
	struct record record;
	struct record_link link;
	char *records[24];
	batch = batch_of(records, (size_t)sample_between(&chance, 0, 24));
	batch.newest = (uint64_t)sample_edgy(&chance, 0, (INT64_C(1) << 53) - 1);
	for (size_t i = 0; i < batch.record_count; i++) {
		sample_link(&chance, &link);
		sample_record(&chance, (enum record_kind)sample_between(&chance, 0, RECORD_KIND_COUNT - 1), &record);
		records[i] = wire_write_record(&record, &link);
		ck_assert_ptr_nonnull(records[i]);
	}
	batch.progress_count = (size_t)sample_between(&chance, 0, OUTLETS_MAX);
	for (size_t i = 0; i < batch.progress_count; i++) {
		sample_progress(&chance, &batch.progress[i]);
		batch.progress[i].outlet = (int)i;
	}
	send_batch(&batch, &back);
	ck_assert_str_eq(back.ledger, LEDGER);
	ck_assert_uint_eq(back.newest, batch.newest);
	ck_assert_uint_eq(back.record_count, batch.record_count);
	for (size_t i = 0; i < batch.record_count; i++) {
		ck_assert_str_eq(back.records[i], records[i]);
		free(records[i]);
	}
	ck_assert_uint_eq(back.progress_count, batch.progress_count);
	for (size_t i = 0; i < batch.progress_count; i++)
		ck_assert(sample_same_progress(&back.progress[i], &batch.progress[i]));
	batch_free(&back);
}
END_TEST

START_TEST(a_batch_looks_like_this)
{
	char first[] = "{\"seq\":1}";
	char second[] = "a\\b\n/";
	char *records[] = {first, second};
	struct batch batch = batch_of(records, 2);
	batch.newest = INT64_C(9007199254740991);
	batch.progress_count = 1;
	batch.progress[0] = (struct progress){.outlet = 2, .cost_micros = INT64_C(1000000000000000)};
	char *text = batch_write(&batch);
	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(
		text,
		"{\"ledger\":\"" LEDGER
		"\",\"newest\":9007199254740991,\"records\":[\"{\\\"seq\\\":1}\",\"a\\\\b\\n/\"],\"progress\":"
		"[{\"outlet\":3,\"mono_ms\":0,\"time\":\"1970-01-01T00:00:00.000Z\",\"time_quality\":\"unknown\","
		"\"state\":\"available\",\"missing\":0,\"has_register\":false,\"register_mwh\":0,"
		"\"reading_age_ms\":0,\"power_mw\":0,\"energy_mwh\":0,\"energised_ms\":0,\"cost_micros\":1000000000000000,"
		"\"remaining_micros\":0,\"remaining_ms\":0,\"low_credit\":false}]}");
	free(text);
}
END_TEST

START_TEST(an_empty_batch_is_a_batch)
{
	struct batch batch = batch_of(NULL, 0), back;
	char *text = batch_write(&batch);
	ck_assert_str_eq(text, "{\"ledger\":\"" LEDGER "\",\"newest\":0,\"records\":[],\"progress\":[]}");
	free(text);
	send_batch(&batch, &back);
	ck_assert_uint_eq(back.record_count, 0);
	ck_assert_uint_eq(back.progress_count, 0);
	batch_free(&back);
	batch_free(&back); /* harmless */
}
END_TEST

/* Quotation marks need the most room of all that a record's text may hold. */
START_TEST(the_longest_batch_is_within_the_limit)
{
	static struct batch batch, back;
	struct sample chance = {.state = 1};
	char *longest = many("", "\"", WIRE_TEXT_MAX, "");
	char *records[BATCH_RECORDS_MAX];
	for (size_t i = 0; i < BATCH_RECORDS_MAX; i++)
		records[i] = longest;
	batch = batch_of(records, BATCH_RECORDS_MAX);
	batch.progress_count = OUTLETS_MAX;
	for (size_t i = 0; i < OUTLETS_MAX; i++) {
		sample_progress(&chance, &batch.progress[i]);
		batch.progress[i].outlet = (int)i;
	}
	send_batch(&batch, &back);
	ck_assert_uint_eq(back.record_count, BATCH_RECORDS_MAX);
	ck_assert_str_eq(back.records[BATCH_RECORDS_MAX - 1], longest);
	batch_free(&back);
	free(longest);
}
END_TEST

/* ---- damaged records ---- */

#define LOST "\xef\xbf\xbd"

static const struct {
	const char *damaged, *sent;
} damages[] = {
	{"caf\xc3\xa9 \xe7\x94\xb5 \xf0\x9f\x94\x8c",
	 "caf\xc3\xa9 \xe7\x94\xb5 \xf0\x9f\x94\x8c"}, /* not damaged at all */
	{"\xf4\x8f\xbf\xbf \xed\x9f\xbf \xee\x80\x80 \xe0\xa0\x80",
	 "\xf4\x8f\xbf\xbf \xed\x9f\xbf \xee\x80\x80 \xe0\xa0\x80"},
	{"tab\t feed\n return\r delete\x7f", "tab\t feed\n return\r delete\x7f"},
	{"a\xff"
	 "b",
	 "a" LOST "b"},
	{"\x80", LOST},
	{"\xc3", LOST},
	{"\xc3(", LOST "("},
	{"\xe7\x94", LOST LOST},
	{"\xf0\x9f\x94", LOST LOST LOST},
	{"\xc0\x80", LOST LOST}, /* a NUL, longer than need be */
	{"\xc1\xbf", LOST LOST},
	{"\xe0\x9f\xbf", LOST LOST LOST},
	{"\xf0\x8f\xbf\xbf", LOST LOST LOST LOST},
	{"\xed\xa0\x80", LOST LOST LOST}, /* a surrogate */
	{"\xf4\x90\x80\x80", LOST LOST LOST LOST}, /* beyond U+10FFFF */
	{"\xf5\x80\x80\x80", LOST LOST LOST LOST},
	{"a\x01\x08\x0c\x1f"
	 "b",
	 "a" LOST LOST LOST LOST "b"},
};

START_TEST(a_damaged_record_keeps_its_place_and_harms_no_other)
{
	char first[] = "{\"seq\":1}", last[] = "{\"seq\":3}";
	char *damaged = strdup(damages[_i].damaged);
	char *records[] = {first, damaged, last};
	struct batch batch = batch_of(records, 3), back;
	send_batch(&batch, &back);
	ck_assert_uint_eq(back.record_count, 3);
	ck_assert_str_eq(back.records[0], first);
	ck_assert_str_eq(back.records[1], damages[_i].sent);
	ck_assert_str_eq(back.records[2], last);
	batch_free(&back);
	free(damaged);
}
END_TEST

/* Every beginning of a long text of characters of all four lengths and of damage, around the limit. */
START_TEST(an_overlong_record_is_cut_between_characters)
{
	static const char *const pieces[] = {"a", "\xc3\xa9", "\xe7\x94\xb5", "\xf0\x9f\x94\x8c", "\xff", "\x01"};
	for (size_t lead = 0; lead < 4; lead++) {
		char *text = many(&"aaaa"[4 - lead], pieces[_i], WIRE_TEXT_MAX, "");
		struct batch batch = batch_of(&text, 1), back;
		send_batch(&batch, &back);
		size_t length = strlen(back.records[0]);
		ck_assert_uint_le(length, WIRE_TEXT_MAX);
		ck_assert_uint_gt(length, WIRE_TEXT_MAX - 4);
		const char *piece = (unsigned char)pieces[_i][0] == 0xff || pieces[_i][0] == 1 ? LOST : pieces[_i];
		ck_assert_str_eq(back.records[0] + length - strlen(piece), piece);
		batch_free(&back);
		free(text);
	}
}
END_TEST

START_TEST(whatever_bytes_a_record_has_the_batch_can_be_read)
{
	struct sample chance = {.state = (uint64_t)_i + 77};
	char text[600];
	size_t length = (size_t)sample_between(&chance, 0, sizeof text - 1);
	for (size_t i = 0; i < length; i++)
		text[i] = (char)sample_between(&chance, 1, 255);
	text[length] = '\0';
	char *records[] = {text, text};
	struct batch batch = batch_of(records, 2), back;
	send_batch(&batch, &back);
	ck_assert_uint_eq(back.record_count, 2);
	ck_assert_str_eq(back.records[0], back.records[1]);
	/* What was sent once is sent the same again. */
	struct batch again;
	send_batch(&back, &again);
	ck_assert_str_eq(again.records[0], back.records[0]);
	batch_free(&again);
	batch_free(&back);
}
END_TEST

/* ---- refusals ---- */

#define HEAD "{\"ledger\":\"" LEDGER "\",\"records\":"
#define TAIL ",\"progress\":[]}"
#define REPORT(outlet, state)                                                                                          \
	"{\"outlet\":" outlet ",\"mono_ms\":0,\"time\":\"1970-01-01T00:00:00.000Z\",\"time_quality\":\"unknown\","     \
	"\"state\":\"" state "\",\"missing\":0,\"has_register\":false,\"register_mwh\":0,\"reading_age_ms\":0,"        \
	"\"power_mw\":0,\"energy_mwh\":0,\"cost_micros\":0,\"remaining_micros\":0,\"remaining_ms\":0,"                 \
	"\"low_credit\":false}"

static const struct {
	const char *text, *reason;
} wrong_batches[] = {
	{"", "not JSON"},
	{"[]", "object"},
	{"null", "object"},
	{"{\"records\":[],\"progress\":[]}", "ledger"},
	{"{\"ledger\":7,\"records\":[],\"progress\":[]}", "ledger"},
	{"{\"ledger\":\"0011\",\"records\":[],\"progress\":[]}", "32 hexadecimal"},
	{"{\"ledger\":\"00112233445566778899AABBCCDDEEFF\",\"records\":[],\"progress\":[]}", "32 hexadecimal"},
	{"{\"ledger\":\"" LEDGER "0\",\"records\":[],\"progress\":[]}", "ledger"},
	{"{\"ledger\":\"" LEDGER "\",\"newest\":-1,\"records\":[],\"progress\":[]}", "newest"},
	{"{\"ledger\":\"" LEDGER "\",\"newest\":9007199254740992,\"records\":[],\"progress\":[]}", "newest"},
	{"{\"ledger\":\"" LEDGER "\",\"newest\":\"1\",\"records\":[],\"progress\":[]}", "newest"},
	{"{\"ledger\":\"" LEDGER "\",\"progress\":[]}", "records"},
	{HEAD "{}" TAIL, "records"},
	{HEAD "\"{}\"" TAIL, "records"},
	{HEAD "[\"a\",{}]" TAIL, "records[1]"},
	{HEAD "[\"a\",null]" TAIL, "records[1]"},
	{HEAD "[1]" TAIL, "records[0]"},
	{HEAD "[]}", "progress"},
	{HEAD "[],\"progress\":{}}", "progress"},
	{HEAD "[\"a\"],\"records\":[]" TAIL, "twice"},
	{HEAD "[\"a\"]" TAIL "x", "follows"},
	{HEAD "[\"a\"]" TAIL "{}", "follows"},
	{HEAD "[\"a\\u0000b\"]" TAIL, "NUL"},
	{HEAD "[\"a\xff\"]" TAIL, "UTF-8"},
	{HEAD "[\"\xed\xa0\x80\"]" TAIL, "UTF-8"},
	{HEAD "[\"\\ud800\"]" TAIL, "not JSON"},
	{HEAD "[\"\\udc00\"]" TAIL, "not JSON"},
	{HEAD "[\"\\x\"]" TAIL, "not JSON"},
	{HEAD "[[[[[[[[]]]]]]]]" TAIL, "deeper"},
};

START_TEST(what_is_wrong_is_refused_with_a_reason)
{
	assert_batch_refused(wrong_batches[_i].text, strlen(wrong_batches[_i].text), wrong_batches[_i].reason);
}
END_TEST

static const struct {
	const char *reports, *reason;
} wrong_reports[] = {
	{"7", "object"},
	{"{}", "missing"},
	{REPORT("17", "ready"), "outlet"},
	{REPORT("1", "charging"), "state"}, /* a newer box's word */
	{REPORT("1e999", "ready"), "outlet"},
	{REPORT("1.5", "ready"), "outlet"},
	{REPORT("2", "ready"), "outlet 2 twice"},
	{REPORT("1.0000000000000002", "ready"), "outlet"},
};

/* Telemetry that cannot be read does not hold up the records that it comes with, nor the other reports. */
START_TEST(a_wrong_report_is_skipped)
{
	char text[4096];
	struct batch batch;
	struct wire_error error = {{0}};
	snprintf(text,
		 sizeof text,
		 "%s[\"a\"],\"progress\":[%s,%s,%s]}",
		 HEAD,
		 REPORT("2", "ready"),
		 wrong_reports[_i].reports,
		 REPORT("3", "ready"));
	ck_assert_msg(read_batch(text, strlen(text), &batch, &error), "%s", error.text);
	ck_assert_uint_eq(batch.record_count, 1);
	ck_assert_uint_eq(batch.progress_count, 2);
	ck_assert_int_eq(batch.progress[0].outlet, 1);
	ck_assert_int_eq(batch.progress[1].outlet, 2);
	ck_assert_uint_eq(batch.progress_skipped, 1);
	ck_assert_msg(strstr(batch.skipped.text, wrong_reports[_i].reason) != NULL, "%s", batch.skipped.text);
	batch_free(&batch);
}
END_TEST

START_TEST(nul_bytes_are_refused)
{
	static const char text[] = HEAD "[\"a\0b\"]" TAIL;
	static const char behind[] = HEAD "[]" TAIL "\0";
	assert_batch_refused(text, sizeof text - 1, "NUL");
	assert_batch_refused(behind, sizeof behind - 1, "NUL");
}
END_TEST

/* Within a record's text an escaped NUL is six harmless characters: its reader refuses the record then. */
START_TEST(an_escaped_nul_within_a_record_travels_as_it_is)
{
	char text[] = "{\"order\":\"\\u0000\"}";
	char *records[] = {text};
	struct batch batch = batch_of(records, 1), back;
	send_batch(&batch, &back);
	ck_assert_str_eq(back.records[0], text);
	batch_free(&back);
}
END_TEST

START_TEST(every_shortened_batch_is_refused)
{
	static const char text[] = HEAD "[\"{\\\"seq\\\":1}\"],\"progress\":[" REPORT("1", "ready") "]}";
	struct batch batch;
	struct wire_error error;
	for (size_t length = 0; length < sizeof text - 1; length++)
		assert_batch_refused(text, length, "");
	ck_assert(read_batch(text, sizeof text - 1, &batch, &error));
	batch_free(&batch);
}
END_TEST

START_TEST(unknown_fields_are_ignored)
{
	static const char text[] =
		"{\"new\":{\"deep\":[1,2]},\"ledger\":\"" LEDGER "\",\"records\":[\"a\"],\"progress\":[" REPORT(
			"2,\"new\":[9007199254740991,1e999,{\"\":1.5,\"b\":[2]}]", "ready") "],\"more\":null}";
	struct batch batch;
	struct wire_error error = {{0}};
	ck_assert_msg(read_batch(text, strlen(text), &batch, &error), "%s", error.text);
	ck_assert_uint_eq(batch.record_count, 1);
	ck_assert_uint_eq(batch.progress_count, 1);
	ck_assert_int_eq(batch.progress[0].outlet, 1);
	batch_free(&batch);
}
END_TEST

START_TEST(counts_and_lengths_are_limited)
{
	char *records = many(HEAD "[\"\"", ",\"\"", BATCH_RECORDS_MAX, "]" TAIL);
	assert_batch_refused(records, strlen(records), "at most 500");
	char *reports = many(HEAD "[],\"progress\":[{}", ",{}", OUTLETS_MAX, "]}");
	assert_batch_refused(reports, strlen(reports), "at most 16");
	char *record = many(HEAD "[\"", "a", WIRE_TEXT_MAX + 1, "\"]" TAIL);
	assert_batch_refused(record, strlen(record), "8192");
	char *text = many(HEAD "[]", " ", BATCH_TEXT_MAX, TAIL);
	assert_batch_refused(text, strlen(text), "longer than");
	free(text);
	free(record);
	free(reports);
	free(records);
}
END_TEST

/* The parser compares names each with each and makes a node of each value: eight megabytes of either would keep it busy
 * for an hour, or fill the memory. */
START_TEST(many_names_and_many_values_are_refused_before_they_are_parsed)
{
	char *text = many("{\"a\":1", ",\"a\":1", 1000000, "}");
	assert_batch_refused(text, strlen(text), "values");
	free(text);
	text = many(HEAD "[1", ",1", 4000000, "]" TAIL);
	assert_batch_refused(text, strlen(text), "values");
	free(text);
	/* Commas in texts are no values. */
	struct batch batch;
	struct wire_error error = {{0}};
	text = many(HEAD "[\"\\\"", ",", 8000, "\\\\\"]" TAIL);
	ck_assert_msg(read_batch(text, strlen(text), &batch, &error), "%s", error.text);
	batch_free(&batch);
	free(text);
}
END_TEST

START_TEST(mutations_never_crash_and_never_slip_through)
{
	static const char text[] =
		HEAD "[\"{\\\"seq\\\":1}\",\"caf\xc3\xa9\"],\"progress\":[" REPORT("1", "ready") "]}";
	struct sample chance = {.state = (uint64_t)_i + 1};
	for (int round = 0; round < 2000; round++) {
		char mutated[sizeof text];
		struct batch batch, back;
		struct wire_error error = {{0}};
		memcpy(mutated, text, sizeof text);
		for (int64_t i = sample_between(&chance, 1, 3); i > 0; i--)
			mutated[sample_between(&chance, 0, sizeof text - 2)] = (char)sample_between(&chance, 0, 255);
		if (!read_batch(mutated, sizeof text - 1, &batch, &error)) {
			MUST(error.text[0] != '\0', "refused without a reason");
			continue;
		}
		send_batch(&batch, &back);
		ck_assert_uint_eq(back.record_count, batch.record_count);
		batch_free(&back);
		batch_free(&batch);
	}
}
END_TEST

/* ---- the answer ---- */

START_TEST(an_answer_looks_like_this_and_reads_back)
{
	static struct batch_answer answer, back;
	struct wire_error error = {{0}};
	answer = (struct batch_answer){.accepted_through = SAMPLE_EXACT_MAX,
				       .refused_count = 2,
				       .refused = {{INT64_C(1000000000000000), "not_linked", "it says \"no\" \xc3\xa9"},
						   {7, "unreadable", ""}}};
	char *text = batch_answer_write(&answer);
	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(text,
			 "{\"accepted_through\":9007199254740991,\"refused\":[{\"seq\":1000000000000000,"
			 "\"code\":\"not_linked\",\"why\":\"it says \\\"no\\\" \xc3\xa9\"},"
			 "{\"seq\":7,\"code\":\"unreadable\",\"why\":\"\"}]}");
	ck_assert_msg(read_answer(text, &back, &error), "%s", error.text);
	ck_assert_mem_eq(&back, &answer, sizeof answer);
	free(text);
}
END_TEST

START_TEST(the_longest_answer_is_within_the_limit)
{
	static struct batch_answer answer, back;
	struct wire_error error = {{0}};
	answer.refused_count = BATCH_REFUSED_MAX;
	for (size_t i = 0; i < BATCH_REFUSED_MAX; i++) {
		answer.refused[i].seq = SAMPLE_EXACT_MAX;
		memset(answer.refused[i].code, 'c', BATCH_CODE_SIZE - 1);
		memset(answer.refused[i].why, '"', WIRE_ERROR_SIZE - 1);
	}
	char *text = batch_answer_write(&answer);
	ck_assert_uint_le(strlen(text), BATCH_ANSWER_MAX);
	ck_assert_msg(read_answer(text, &back, &error), "%s", error.text);
	ck_assert_mem_eq(&back, &answer, sizeof answer);
	free(text);
}
END_TEST

/* An error's text is cut at its size, be it in the middle of a character. */
START_TEST(a_reason_that_was_cut_is_still_utf8)
{
	struct batch_answer answer = {.refused_count = 1, .refused = {{1, "unreadable", "caf\xc3"}}}, back;
	struct wire_error error = {{0}};
	char *text = batch_answer_write(&answer);
	ck_assert_msg(read_answer(text, &back, &error), "%s", error.text);
	ck_assert_str_eq(back.refused[0].why, "caf" LOST);
	free(text);
}
END_TEST

START_TEST(a_newer_servers_answer_is_understood)
{
	struct batch_answer answer;
	struct wire_error error = {{0}};
	ck_assert_msg(read_answer("{\"hint\":[1],\"accepted_through\":5,\"refused\":[{\"seq\":3,\"code\":\"too_odd\","
				  "\"severity\":2}]}",
				  &answer,
				  &error),
		      "%s",
		      error.text);
	ck_assert_uint_eq(answer.accepted_through, 5);
	ck_assert_uint_eq(answer.refused_count, 1);
	ck_assert_str_eq(answer.refused[0].code, "too_odd");
	ck_assert_str_eq(answer.refused[0].why, "");
}
END_TEST

START_TEST(more_refusals_than_fit_are_cut)
{
	struct batch_answer answer;
	struct wire_error error = {{0}};
	char *text = many("{\"accepted_through\":0,\"refused\":[{\"seq\":1,\"code\":\"differs\"}",
			  ",{\"seq\":2,\"code\":\"differs\"}",
			  BATCH_REFUSED_MAX,
			  "]}");
	ck_assert_msg(read_answer(text, &answer, &error), "%s", error.text);
	ck_assert_uint_eq(answer.refused_count, BATCH_REFUSED_MAX);
	ck_assert_uint_eq(answer.refused[0].seq, 1);
	ck_assert_uint_eq(answer.refused[BATCH_REFUSED_MAX - 1].seq, 2);
	free(text);
}
END_TEST

START_TEST(a_reason_is_cut_and_made_harmless_for_the_log)
{
	struct batch_answer answer;
	struct wire_error error = {{0}};
	char *text =
		many("{\"accepted_through\":0,\"refused\":[{\"seq\":1,\"code\":\"differs\",\"why\":\"a\\n\\u001bb\x7f",
		     "\xc3\xa9",
		     WIRE_ERROR_SIZE,
		     "\"}]}");
	ck_assert_msg(read_answer(text, &answer, &error), "%s", error.text);
	const char *why = answer.refused[0].why;
	ck_assert_int_eq(strncmp(why, "a " LOST "b \xc3\xa9", 9), 0);
	ck_assert_uint_le(strlen(why), WIRE_ERROR_SIZE - 1);
	ck_assert_str_eq(why + strlen(why) - 2, "\xc3\xa9");
	free(text);
}
END_TEST

static const struct {
	const char *text, *reason;
} wrong_answers[] = {
	{"", "not JSON"},
	{"<html>", "not JSON"},
	{"{}", "accepted_through"},
	{"{\"accepted_through\":1}", "refused"},
	{"{\"accepted_through\":-1,\"refused\":[]}", "accepted_through"},
	{"{\"accepted_through\":1.5,\"refused\":[]}", "accepted_through"},
	{"{\"accepted_through\":\"1\",\"refused\":[]}", "accepted_through"},
	{"{\"accepted_through\":9007199254740992,\"refused\":[]}", "accepted_through"},
	{"{\"accepted_through\":1,\"refused\":{}}", "refused"},
	{"{\"accepted_through\":1,\"refused\":[3]}", "refused[0]"},
	{"{\"accepted_through\":1,\"refused\":[{\"code\":\"differs\"}]}", "seq"},
	{"{\"accepted_through\":1,\"refused\":[{\"seq\":1}]}", "code"},
	{"{\"accepted_through\":1,\"refused\":[{\"seq\":1,\"code\":\"\"}]}", "code"},
	{"{\"accepted_through\":1,\"refused\":[{\"seq\":1,\"code\":\"a\\nb\"}]}", "code"},
	{"{\"accepted_through\":1,\"refused\":[{\"seq\":1,\"code\":\"a23456789b123456789c123456789d123\"}]}", "code"},
	{"{\"accepted_through\":1,\"accepted_through\":2,\"refused\":[]}", "twice"},
	{"{\"accepted_through\":1,\"refused\":[]} 1", "follows"},
	{"{\"accepted_through\":1,\"refused\":[],\"\xff\":1}", "UTF-8"},
};

START_TEST(a_wrong_answer_is_refused_with_a_reason)
{
	assert_answer_refused(wrong_answers[_i].text, wrong_answers[_i].reason);
}
END_TEST

START_TEST(an_overlong_answer_is_refused)
{
	char *text = many("{\"accepted_through\":1,", " ", BATCH_ANSWER_MAX, "\"refused\":[]}");
	assert_answer_refused(text, "longer than");
	free(text);
}
END_TEST

/* ---- gzip ---- */

/* Unpacks from a block of exactly this size. */
static int unpack(const void *bytes, size_t size, size_t max, char **text, size_t *length)
{
	char *block = block_of(bytes, size);
	int code = gzip_unpack(block, size, max, text, length);
	free(block);
	return code;
}

START_TEST(what_is_packed_unpacks_equal)
{
	static const size_t sizes[] = {0, 1, 2, 100, 16383, 16384, 16385, 32768, 65536, 300000};
	struct sample chance = {.state = (uint64_t)_i + 1};
	size_t size = sizes[_i / 2];
	char *bytes = malloc(size + 1), *text;
	size_t packed_size, length;
	void *packed;
	for (size_t i = 0; i < size; i++) /* every second time nothing that can be made shorter */
		bytes[i] = (char)(_i % 2 == 0 ? sample_bits(&chance) : i % 7);
	ck_assert_int_eq(gzip_pack(bytes, size, &packed, &packed_size), 0);
	ck_assert_int_eq(unpack(packed, packed_size, size, &text, &length), 0);
	ck_assert_uint_eq(length, size);
	ck_assert_int_eq(memcmp(text, bytes, size), 0);
	ck_assert_int_eq(text[length], '\0');
	free(text);
	ck_assert_int_eq(unpack(packed, packed_size, size + 100000, &text, &length), 0);
	ck_assert_uint_eq(length, size);
	ck_assert_int_eq(text[length], '\0');
	free(text);
	if (size > 0)
		ck_assert_int_eq(unpack(packed, packed_size, size - 1, &text, &length), -EMSGSIZE);
	free(packed);
	free(bytes);
}
END_TEST

START_TEST(a_bomb_is_refused)
{
	size_t size = 10000000, packed_size, length = 77;
	char *zeros = calloc(1, size), *text = NULL;
	void *packed;
	ck_assert_int_eq(gzip_pack(zeros, size, &packed, &packed_size), 0);
	ck_assert_uint_lt(packed_size, 10000);
	ck_assert_int_eq(unpack(packed, packed_size, 0, &text, &length), -EMSGSIZE);
	ck_assert_int_eq(unpack(packed, packed_size, 4096, &text, &length), -EMSGSIZE);
	ck_assert_int_eq(unpack(packed, packed_size, size - 1, &text, &length), -EMSGSIZE);
	ck_assert_ptr_null(text);
	ck_assert_uint_eq(length, 77);
	ck_assert_int_eq(unpack(packed, packed_size, size, &text, &length), 0);
	free(text);
	free(packed);
	free(zeros);
}
END_TEST

static const char small[] = "{\"ledger\":\"" LEDGER "\",\"records\":[\"one\",\"two\",\"one\",\"two\"],\"progress\":[]}";

START_TEST(a_member_that_was_cut_is_refused)
{
	size_t packed_size, length;
	void *packed;
	char *text;
	ck_assert_int_eq(gzip_pack(small, sizeof small, &packed, &packed_size), 0);
	for (size_t size = 0; size < packed_size; size++)
		ck_assert_int_eq(unpack(packed, size, 1000, &text, &length), -EBADMSG);
	free(packed);
}
END_TEST

/* A few bytes of the header (time, system) and a few bits behind the last block mean nothing: then the text is the same. */
START_TEST(a_changed_byte_never_gives_another_text)
{
	size_t packed_size, length, same = 0;
	void *packed;
	char *text;
	ck_assert_int_eq(gzip_pack(small, sizeof small, &packed, &packed_size), 0);
	unsigned char *bytes = packed;
	for (size_t i = 0; i < packed_size; i++) {
		for (unsigned flip = 1; flip < 256; flip++) {
			bytes[i] ^= (unsigned char)flip;
			int code = unpack(packed, packed_size, 1000, &text, &length);
			bytes[i] ^= (unsigned char)flip;
			if (code < 0) {
				MUST(code == -EBADMSG || code == -EMSGSIZE, "byte %zu: error %d", i, code);
				continue;
			}
			MUST(length == sizeof small && memcmp(text, small, sizeof small) == 0,
			     "byte %zu: another text",
			     i);
			same++;
			free(text);
		}
	}
	ck_assert_uint_ge(same, 6 * 255); /* time, extra flags and system at least: so it was really unpacked */
	free(packed);
}
END_TEST

START_TEST(nothing_may_follow_a_member)
{
	size_t packed_size, length;
	void *packed;
	char *text, twice[400] = {0};
	ck_assert_int_eq(gzip_pack(small, sizeof small, &packed, &packed_size), 0);
	ck_assert_uint_le(2 * packed_size, sizeof twice);
	memcpy(twice, packed, packed_size);
	ck_assert_int_eq(unpack(twice, packed_size + 1, 1000, &text, &length), -EBADMSG);
	memcpy(twice + packed_size, packed, packed_size);
	ck_assert_int_eq(unpack(twice, 2 * packed_size, 1000, &text, &length), -EBADMSG);
	free(packed);
}
END_TEST

START_TEST(another_format_is_refused)
{
	static const unsigned char of_zlib[] = {0x78, 0x9c, 0x4b, 0x04, 0x00, 0x00, 0x62, 0x00, 0x62}; /* "a" */
	static const unsigned char bare[] = {0x4b, 0x04, 0x00};
	static const char plain[] = "{\"ledger\":\"\"}";
	size_t length;
	char *text;
	ck_assert_int_eq(unpack(of_zlib, sizeof of_zlib, 100, &text, &length), -EBADMSG);
	ck_assert_int_eq(unpack(bare, sizeof bare, 100, &text, &length), -EBADMSG);
	ck_assert_int_eq(unpack(plain, sizeof plain, 100, &text, &length), -EBADMSG);
}
END_TEST

/* gzip(1)'s own, with a file name in its header. */
START_TEST(what_gzip_itself_packs_is_read)
{
	static const unsigned char member[] = {0x1f, 0x8b, 0x08, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 'a', 0x00,
					       0x4b, 0x04, 0x00, 0x43, 0xbe, 0xb7, 0xe8, 0x01, 0x00, 0x00, 0x00};
	size_t length;
	char *text;
	ck_assert_int_eq(unpack(member, sizeof member, 1, &text, &length), 0);
	ck_assert_str_eq(text, "a");
	free(text);
}
END_TEST

/* ---- the suite ---- */

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static TCase *case_new(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);
	tcase_set_timeout(tcase, 30);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_batches(Suite *suite)
{
	TCase *trips = case_new(suite, "batches");
	TCase *damaged = case_new(suite, "damaged records");
	TCase *refused = case_new(suite, "refused batches");
	tcase_add_loop_test(trips, what_is_written_reads_back_equal, 0, 40);
	tcase_add_test(trips, a_batch_looks_like_this);
	tcase_add_test(trips, an_empty_batch_is_a_batch);
	tcase_add_test(trips, the_longest_batch_is_within_the_limit);
	tcase_add_test(trips, unknown_fields_are_ignored);
	tcase_add_loop_test(damaged, a_damaged_record_keeps_its_place_and_harms_no_other, 0, COUNT(damages));
	tcase_add_loop_test(damaged, an_overlong_record_is_cut_between_characters, 0, 6);
	tcase_add_loop_test(damaged, whatever_bytes_a_record_has_the_batch_can_be_read, 0, 100);
	tcase_add_test(damaged, an_escaped_nul_within_a_record_travels_as_it_is);
	tcase_add_loop_test(refused, what_is_wrong_is_refused_with_a_reason, 0, COUNT(wrong_batches));
	tcase_add_loop_test(refused, a_wrong_report_is_skipped, 0, sizeof wrong_reports / sizeof *wrong_reports);
	tcase_add_test(refused, nul_bytes_are_refused);
	tcase_add_test(refused, every_shortened_batch_is_refused);
	tcase_add_test(refused, counts_and_lengths_are_limited);
	tcase_add_test(refused, many_names_and_many_values_are_refused_before_they_are_parsed);
	tcase_add_loop_test(refused, mutations_never_crash_and_never_slip_through, 0, 4);
}

static void add_answers(Suite *suite)
{
	TCase *answers = case_new(suite, "answers");
	tcase_add_test(answers, an_answer_looks_like_this_and_reads_back);
	tcase_add_test(answers, the_longest_answer_is_within_the_limit);
	tcase_add_test(answers, a_reason_that_was_cut_is_still_utf8);
	tcase_add_test(answers, a_newer_servers_answer_is_understood);
	tcase_add_test(answers, more_refusals_than_fit_are_cut);
	tcase_add_test(answers, a_reason_is_cut_and_made_harmless_for_the_log);
	tcase_add_loop_test(answers, a_wrong_answer_is_refused_with_a_reason, 0, COUNT(wrong_answers));
	tcase_add_test(answers, an_overlong_answer_is_refused);
}

static void add_gzip(Suite *suite)
{
	TCase *gzip = case_new(suite, "gzip");
	tcase_add_loop_test(gzip, what_is_packed_unpacks_equal, 0, 20);
	tcase_add_test(gzip, a_bomb_is_refused);
	tcase_add_test(gzip, a_member_that_was_cut_is_refused);
	tcase_add_test(gzip, a_changed_byte_never_gives_another_text);
	tcase_add_test(gzip, nothing_may_follow_a_member);
	tcase_add_test(gzip, another_format_is_refused);
	tcase_add_test(gzip, what_gzip_itself_packs_is_read);
}

int main(void)
{
	Suite *suite = suite_create("batch");
	add_batches(suite);
	add_answers(suite);
	add_gzip(suite);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
