/* tests/unit/test_sse.c: a stream of server-sent events, whole and split anywhere, gives the same events; what is too long
 * ends it. Every piece is fed from a block of exactly its length, so that a byte read too far is seen. */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sse.h"

/* As ck_assert_msg(), which tells Check of every success too: most of the time of a long loop. */
#define MUST(condition, ...)                                                                                           \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			ck_abort_msg(__VA_ARGS__);                                                                     \
	} while (0)

#define HEARD_MAX (SSE_DATA_MAX * 2)

/* The events as one text: type, id and data of each, as "type/id/data;". A NUL in the data shows as it is. */
struct heard {
	char text[HEARD_MAX];
	size_t length;
	unsigned count;
	unsigned last; /* the event at which the taker wants no more; 0: none */
};

static void hear(struct heard *heard, const char *text, size_t length)
{
	MUST(length <= sizeof heard->text - heard->length, "more heard than was said");
	memcpy(heard->text + heard->length, text, length);
	heard->length += length;
}

static bool take(void *ctx, const struct sse_event *event)
{
	struct heard *heard = ctx;
	MUST(event->data[event->length] == '\0', "data without its NUL");
	hear(heard, event->type, strlen(event->type));
	hear(heard, "/", 1);
	hear(heard, event->id, strlen(event->id));
	hear(heard, "/", 1);
	hear(heard, event->data, event->length);
	hear(heard, ";", 1);
	heard->count++;
	return heard->count != heard->last;
}

static int feed(struct sse *sse, const char *bytes, size_t count, struct heard *heard)
{
	char *block = malloc(count > 0 ? count : 1);
	MUST(block != NULL, "no memory");
	memcpy(block, bytes, count);
	int code = sse_feed(sse, block, count, take, heard);
	free(block);
	return code;
}

static struct sse *sse_made(void)
{
	struct sse *sse = sse_new();
	MUST(sse != NULL, "no memory");
	return sse;
}

/* ---- what the format means ---- */

#define WITH_NUL(literal) literal, sizeof(literal) - 1

static const struct {
	const char *stream;
	size_t length;
	const char *events;
	size_t events_length;
} streams[] = {
	{WITH_NUL(""), WITH_NUL("")},
	{WITH_NUL("\n\n\r\r\r\n\n"), WITH_NUL("")},
	{WITH_NUL(": open\n\n"), WITH_NUL("")},
	{WITH_NUL("id: 7\nevent: command\ndata: abc.def\n\n"), WITH_NUL("command/7/abc.def;")},
	{WITH_NUL("data: a\n\ndata: b\n\n"), WITH_NUL("message//a;message//b;")},
	{WITH_NUL("data: not ended\n"), WITH_NUL("")}, /* what the stream's end cuts off is no event */
	{WITH_NUL("data: not ended"), WITH_NUL("")},
	/* the three ends of a line, mixed */
	{WITH_NUL("data: a\r\rdata: b\r\n\r\ndata: c\n\n"), WITH_NUL("message//a;message//b;message//c;")},
	{WITH_NUL("data: a\r\n\ndata: b\r\r\ndata: c\n\r"), WITH_NUL("message//a;message//b;message//c;")},
	{WITH_NUL("data: a\n\r\ndata: b\n\n"), WITH_NUL("message//a;message//b;")},
	/* lines of data */
	{WITH_NUL("data: a\ndata: b\ndata\ndata:\ndata:c\n\n"), WITH_NUL("message//a\nb\n\n\nc;")},
	{WITH_NUL("data\n\n"), WITH_NUL("message//;")},
	{WITH_NUL("data:\n\n"), WITH_NUL("message//;")},
	{WITH_NUL("data\ndata\n\n"), WITH_NUL("message//\n;")},
	{WITH_NUL("data:  two spaces: one goes \n\n"), WITH_NUL("message// two spaces: one goes ;")},
	{WITH_NUL("data: a\0b\n\n"), WITH_NUL("message//a\0b;")},
	{WITH_NUL("data: caf\xc3\xa9 \xff\n\n"), WITH_NUL("message//caf\xc3\xa9 \xff;")},
	/* what is no field */
	{WITH_NUL("data : a\n data: b\nDATA: c\ndatax: d\ndat: e\n: f\n:\nx\n\n"), WITH_NUL("")},
	{WITH_NUL("retry: 5\ndata: a\n\n"), WITH_NUL("message//a;")},
	{WITH_NUL("retry: 5\n\n"), WITH_NUL("")},
	/* events without data are no events, and leave no type behind; their id stays */
	{WITH_NUL("event: lost\n\ndata: a\n\n"), WITH_NUL("message//a;")},
	{WITH_NUL("id: 4\n\ndata: a\n\n"), WITH_NUL("message/4/a;")},
	{WITH_NUL("event: e\ndata: a\n\ndata: b\n\n"), WITH_NUL("e//a;message//b;")},
	{WITH_NUL("event: e\nevent: f\ndata: a\n\n"), WITH_NUL("f//a;")},
	{WITH_NUL("event: e\nevent:\ndata: a\n\n"), WITH_NUL("message//a;")},
	{WITH_NUL("event: e\nevent\ndata: a\n\n"), WITH_NUL("message//a;")},
	/* ids */
	{WITH_NUL("id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: c\n\n"), WITH_NUL("message/1/a;message/1/b;message/2/c;")},
	{WITH_NUL("id: 1\ndata: a\n\nid\ndata: b\n\n"), WITH_NUL("message/1/a;message//b;")},
	{WITH_NUL("id: 1\nid: 2\0003\ndata: a\n\n"), WITH_NUL("message/1/a;")},
	{WITH_NUL("id: 1\nid: \0\ndata: a\n\n"), WITH_NUL("message/1/a;")},
	{WITH_NUL("id: 12345678901234567890123456789012\ndata: a\n\n"),
	 WITH_NUL("message/12345678901234567890123456789012/a;")},
	{WITH_NUL("id: 1\nid: 123456789012345678901234567890123\ndata: a\n\n"), WITH_NUL("message/1/a;")},
	{WITH_NUL("event: e2345678901234567890123456789012\ndata: a\n\n"),
	 WITH_NUL("e2345678901234567890123456789012//a;")},
	{WITH_NUL("event: e23456789012345678901234567890123\ndata: a\n\n"), WITH_NUL("message//a;")},
	{WITH_NUL("event: command\0x\ndata: a\n\n"), WITH_NUL("message//a;")},
	/* a byte order mark, at the very beginning only */
	{WITH_NUL("\xef\xbb\xbf"
		  "data: a\n\n"),
	 WITH_NUL("message//a;")},
	{WITH_NUL("\xef\xbb\xbf\ndata: a\n\n"), WITH_NUL("message//a;")},
	{WITH_NUL("\xef\xbb\xbf\xef\xbb\xbf"
		  "data: a\n\ndata: b\n\n"),
	 WITH_NUL("message//b;")},
	{WITH_NUL("\n\xef\xbb\xbf"
		  "data: a\n\ndata: b\n\n"),
	 WITH_NUL("message//b;")},
	{WITH_NUL("\xef\xbb"
		  "data: a\n\ndata: b\n\n"),
	 WITH_NUL("message//b;")},
	/* the specification's own */
	{WITH_NUL("data: YHOO\ndata: +2\ndata: 10\n\n"), WITH_NUL("message//YHOO\n+2\n10;")},
	{WITH_NUL(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"),
	 WITH_NUL("message/1/first event;message//second event;message// third event;")},
	{WITH_NUL("data\n\ndata\ndata\n\ndata:"), WITH_NUL("message//;message//\n;")},
	{WITH_NUL("data:test\n\ndata: test\n\n"), WITH_NUL("message//test;message//test;")},
};
#define STREAM_COUNT ((int)(sizeof streams / sizeof *streams))

static void assert_heard(const struct heard *heard, int number)
{
	MUST(heard->length == streams[number].events_length &&
		     memcmp(heard->text, streams[number].events, heard->length) == 0,
	     "stream %d gave \"%.*s\", not \"%s\"",
	     number,
	     (int)heard->length,
	     heard->text,
	     streams[number].events);
}

START_TEST(a_stream_gives_its_events)
{
	static struct heard heard;
	struct sse *sse = sse_made();
	ck_assert_int_eq(feed(sse, streams[_i].stream, streams[_i].length, &heard), 0);
	assert_heard(&heard, _i);
	sse_free(sse);
}
END_TEST

START_TEST(byte_by_byte_it_gives_the_same)
{
	static struct heard heard;
	struct sse *sse = sse_made();
	for (size_t i = 0; i < streams[_i].length; i++) {
		ck_assert_int_eq(feed(sse, streams[_i].stream + i, 1, &heard), 0);
		ck_assert_int_eq(feed(sse, "", 0, &heard), 0);
	}
	assert_heard(&heard, _i);
	sse_free(sse);
}
END_TEST

START_TEST(split_at_any_two_places_it_gives_the_same)
{
	static struct heard heard;
	const char *stream = streams[_i].stream;
	for (size_t first = 0; first <= streams[_i].length; first++) {
		for (size_t second = first; second <= streams[_i].length; second++) {
			struct sse *sse = sse_made();
			heard.length = 0;
			MUST(feed(sse, stream, first, &heard) == 0, "refused");
			MUST(feed(sse, stream + first, second - first, &heard) == 0, "refused");
			MUST(feed(sse, stream + second, streams[_i].length - second, &heard) == 0, "refused");
			assert_heard(&heard, _i);
			sse_free(sse);
		}
	}
}
END_TEST

static uint64_t chance(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

/* Streams of anything, made of what matters. */
START_TEST(any_stream_gives_the_same_however_it_is_split)
{
	static const char *const pieces[] = {"data",
					     "event",
					     "id",
					     ":",
					     ": ",
					     " ",
					     "\n",
					     "\r",
					     "\r\n",
					     "\n\n",
					     "a",
					     "\xef\xbb\xbf",
					     "\xef",
					     "command",
					     "12345678"};
	static struct heard whole, split;
	uint64_t state = (uint64_t)_i + 1;
	char stream[1000];
	size_t length = 0;
	struct sse *sse = sse_made();
	while (length < sizeof stream - 16) {
		const char *piece = pieces[chance(&state) % (sizeof pieces / sizeof *pieces)];
		memcpy(stream + length, piece, strlen(piece));
		length += strlen(piece);
		if (chance(&state) % 40 == 0)
			stream[length++] = '\0';
	}
	ck_assert_int_eq(feed(sse, stream, length, &whole), 0);
	sse_free(sse);
	sse = sse_made();
	for (size_t i = 0; i < length;) {
		size_t count = chance(&state) % 12;
		count = count > length - i ? length - i : count;
		ck_assert_int_eq(feed(sse, stream + i, count, &split), 0);
		i += count;
	}
	sse_free(sse);
	ck_assert_uint_eq(split.count, whole.count);
	ck_assert_uint_eq(split.length, whole.length);
	ck_assert_int_eq(memcmp(split.text, whole.text, whole.length), 0);
}
END_TEST

/* What the sender sends last must not wait for the byte behind it. */
START_TEST(an_event_comes_with_its_last_byte)
{
	static const char *const ends[] = {"\n\n", "\r\r", "\r\n\r", "\n\r"};
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		static struct heard heard;
		struct sse *sse = sse_made();
		heard.count = 0;
		heard.length = 0;
		ck_assert_int_eq(feed(sse, "data: a", 7, &heard), 0);
		ck_assert_int_eq(feed(sse, ends[i], strlen(ends[i]) - 1, &heard), 0);
		ck_assert_uint_eq(heard.count, 0);
		ck_assert_int_eq(feed(sse, ends[i] + strlen(ends[i]) - 1, 1, &heard), 0);
		ck_assert_uint_eq(heard.count, 1);
		ck_assert_int_eq(feed(sse, "\n", 1, &heard), 0);
		ck_assert_uint_eq(heard.count, 1);
		sse_free(sse);
	}
}
END_TEST

/* ---- an early end ---- */

START_TEST(the_taker_ends_it_early)
{
	static struct heard heard;
	struct sse *sse = sse_made();
	heard.last = 2;
	ck_assert_int_eq(feed(sse, "data: a\n\ndata: b\n\ndata: c\n\n", 27, &heard), 0);
	ck_assert_uint_eq(heard.count, 2);
	sse_free(sse);
	sse_free(NULL);
}
END_TEST

static bool free_it(void *ctx, const struct sse_event *event)
{
	(void)event;
	sse_free(*(struct sse **)ctx);
	return false;
}

/* Whoever ends the stream at an event may do away with the parser at once. */
START_TEST(the_taker_may_free_the_parser)
{
	struct sse *sse = sse_made();
	ck_assert_int_eq(sse_feed(sse, "data: a\n\ndata: b\n\n", 18, free_it, &sse), 0);
}
END_TEST

/* ---- limits ---- */

static int feed_many(struct sse *sse, char byte, size_t count, struct heard *heard)
{
	char bytes[100];
	int code = 0;
	memset(bytes, byte, sizeof bytes);
	for (size_t part; code == 0 && count > 0; count -= part) {
		part = count < sizeof bytes ? count : sizeof bytes;
		code = feed(sse, bytes, part, heard);
	}
	return code;
}

START_TEST(the_longest_data_is_taken_whole)
{
	static struct heard heard;
	struct sse *sse = sse_made();
	ck_assert_int_eq(feed(sse,
			      "\xef\xbb\xbf"
			      "data: ",
			      9,
			      &heard),
			 0);
	ck_assert_int_eq(feed_many(sse, 'x', SSE_DATA_MAX, &heard), 0);
	ck_assert_int_eq(feed(sse, "\n\n", 2, &heard), 0);
	ck_assert_uint_eq(heard.count, 1);
	ck_assert_uint_eq(heard.length, strlen("message//;") + SSE_DATA_MAX);
	sse_free(sse);
}
END_TEST

START_TEST(longer_data_ends_the_stream)
{
	static struct heard heard;
	struct sse *sse = sse_made();
	ck_assert_int_eq(feed(sse, "data:", 5, &heard), 0);
	ck_assert_int_eq(feed_many(sse, 'x', SSE_DATA_MAX + 1, &heard), 0);
	ck_assert_int_eq(feed(sse, "\n\ndata: b\n\n", 11, &heard), -EMSGSIZE);
	/* and nothing makes it sound again */
	ck_assert_int_eq(feed(sse, "\n\ndata: b\n\n", 11, &heard), -EMSGSIZE);
	ck_assert_uint_eq(heard.count, 0);
	sse_free(sse);
}
END_TEST

START_TEST(lines_of_data_add_up_to_the_limit)
{
	static struct heard heard;
	struct sse *sse = sse_made();
	for (int line = 0; line < SSE_DATA_MAX / 64; line++) { /* 63 and a line feed, each */
		ck_assert_int_eq(feed(sse, "data: ", 6, &heard), 0);
		ck_assert_int_eq(feed_many(sse, 'x', 63, &heard), 0);
		ck_assert_int_eq(feed(sse, "\n", 1, &heard), 0);
	}
	ck_assert_int_eq(feed(sse, "data\n", 5, &heard),
			 0); /* an empty one still has room: its line feed is not data */
	ck_assert_int_eq(feed(sse, _i == 0 ? "\n" : "data\n", _i == 0 ? 1 : 5, &heard), _i == 0 ? 0 : -EMSGSIZE);
	ck_assert_uint_eq(heard.count, _i == 0 ? 1 : 0);
	sse_free(sse);
}
END_TEST

START_TEST(a_line_without_end_ends_the_stream)
{
	static const char *const begins[] = {"", ":", "data: ", "id: ", "\xef\xbb\xbf", "unknown: "};
	for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
		static struct heard heard;
		struct sse *sse = sse_made();
		ck_assert_int_eq(feed(sse, begins[i], strlen(begins[i]), &heard), 0);
		ck_assert_int_eq(feed_many(sse, 'x', SSE_DATA_MAX + 100, &heard), -EMSGSIZE);
		ck_assert_int_eq(feed(sse, "\n", 1, &heard), -EMSGSIZE);
		ck_assert_uint_eq(heard.count, 0);
		sse_free(sse);
	}
}
END_TEST

/* Any number of lines and events goes through: only what one of them holds is limited. */
START_TEST(a_stream_has_no_end)
{
	static struct heard heard;
	struct sse *sse = sse_made();
	for (int i = 0; i < 20000; i++) {
		heard.length = 0;
		MUST(feed(sse, ": heartbeat\n\nid: 1\ndata: abcdefgh\n\n", 36, &heard) == 0, "refused");
	}
	ck_assert_uint_eq(heard.count, 20000);
	sse_free(sse);
}
END_TEST

/* ---- the suite ---- */

static TCase *case_new(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);
	tcase_set_timeout(tcase, 30);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("sse");
	TCase *events = case_new(suite, "events");
	TCase *limits = case_new(suite, "limits");
	tcase_add_loop_test(events, a_stream_gives_its_events, 0, STREAM_COUNT);
	tcase_add_loop_test(events, byte_by_byte_it_gives_the_same, 0, STREAM_COUNT);
	tcase_add_loop_test(events, split_at_any_two_places_it_gives_the_same, 0, STREAM_COUNT);
	tcase_add_loop_test(events, any_stream_gives_the_same_however_it_is_split, 0, 200);
	tcase_add_test(events, an_event_comes_with_its_last_byte);
	tcase_add_test(events, the_taker_ends_it_early);
	tcase_add_test(events, the_taker_may_free_the_parser);
	tcase_add_test(limits, the_longest_data_is_taken_whole);
	tcase_add_test(limits, longer_data_ends_the_stream);
	tcase_add_loop_test(limits, lines_of_data_add_up_to_the_limit, 0, 2);
	tcase_add_test(limits, a_line_without_end_ends_the_stream);
	tcase_add_test(limits, a_stream_has_no_end);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
