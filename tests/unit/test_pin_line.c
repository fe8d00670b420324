/* Tests hal/core's pin lines: every line there is goes round, and nothing else is read. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pin_line.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ck_assert() writes to a pipe each time; this one speaks only when something is wrong. */
#define REQUIRE(condition, ...)                                                                                        \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			ck_abort_msg(__VA_ARGS__);                                                                     \
	} while (0)

static bool same(const struct pin_line *a, const struct pin_line *b)
{
	return a->word == b->word && a->outlet == b->outlet && a->value == b->value;
}

/* From a block of exactly that length, so that a byte read too far is seen. */
static bool read_block(const char *text, size_t length, struct pin_line *line)
{
	char *block = malloc(length > 0 ? length : 1);

	REQUIRE(block != NULL, "out of memory");
	memcpy(block, text, length);

	bool accepted = pin_line_read(block, length, line);

	free(block);
	return accepted;
}

static const struct {
	struct pin_line line;
	const char *text;
} samples[] = {
	{{PIN_BREAKER, 0, 0}, "breaker 1 0\n"},
	{{PIN_BREAKER, 15, 1}, "breaker 16 1\n"},
	{{PIN_PULSE, -1, 1}, "pulse 0 1\n"},
	{{PIN_PULSE, 9, 60000}, "pulse 10 60000\n"},
	{{PIN_PULSE, 2, 500}, "pulse 3 500\n"},
	{{PIN_CONTACT, 0, 1}, "contact 1 1\n"},
	{{PIN_CONTACT, 15, 0}, "contact 16 0\n"},
	{{PIN_DOOR, -1, 0}, "door 0 0\n"},
	{{PIN_DOOR, 8, 1}, "door 9 1\n"},
	{{PIN_READY, 0, 0}, "ready\n"},
};

START_TEST(sample_lines)
{
	struct pin_line back = {.word = PIN_WORD_COUNT};
	char text[PIN_LINE_MAX + 1];
	size_t length = pin_line_write(&samples[_i].line, text);

	ck_assert_str_eq(text, samples[_i].text);
	ck_assert_uint_eq(length, strlen(text));
	ck_assert(read_block(text, length - 1, &back));
	ck_assert(same(&back, &samples[_i].line));
}
END_TEST

/* Writes and reads back; counts the line. */
static void go_round(enum pin_word word, int outlet, int64_t value, unsigned *count)
{
	struct pin_line line = {word, outlet, value}, back = {.word = PIN_WORD_COUNT};
	char text[PIN_LINE_MAX + 1];
	size_t length = pin_line_write(&line, text);

	REQUIRE(length <= PIN_LINE_MAX && text[length] == '\0' && text[length - 1] == '\n', "'%s'", text);
	REQUIRE(memchr(text, '\n', length - 1) == NULL && strlen(text) == length, "'%s': two lines", text);
	REQUIRE(pin_line_read(text, length - 1, &back) && same(&line, &back), "'%s' read otherwise", text);
	++*count;
}

START_TEST(every_line)
{
	unsigned count = 0;

	for (int outlet = -1; outlet < 16; outlet++) {
		for (int64_t level = 0; level <= 1; level++) {
			go_round(PIN_DOOR, outlet, level, &count);
			if (outlet >= 0) {
				go_round(PIN_BREAKER, outlet, level, &count);
				go_round(PIN_CONTACT, outlet, level, &count);
			}
		}
		/* All short ones, then steps that still meet every number of digits, and the longest. */
		for (int64_t ms = 1; ms <= 60000; ms += ms < 1100 ? 1 : 97)
			go_round(PIN_PULSE, outlet, ms, &count);
		go_round(PIN_PULSE, outlet, 60000, &count);
	}
	go_round(PIN_READY, 0, 0, &count);
	ck_assert_uint_gt(count, 17 * 1700);
}
END_TEST

static const struct {
	const char *text;
	size_t length; /* 0: strlen */
} refused[] = {
	{""},
	{" "},
	{"\0", 1},
	{"\n"},
	{"breaker"},
	{"breaker "},
	{"breaker 1"},
	{"breaker 1 "},
	{"breaker  1 1"},
	{"breaker 1  1"},
	{" breaker 1 1"},
	{"breaker 1 1 "},
	{"breaker 1 1\n"},
	{"breaker 1 1\r"},
	{"breaker 1 1 1"},
	{"breaker 1 1x"},
	{"breaker 1 1\0", 12},
	{"breaker 1\0 1", 12},
	{"breaker\0 1 1", 12},
	{"\0breaker 1 1", 12},
	{"breaker\t1 1"},
	{"breaker 1\t1"},
	{"breaker,1,1"},
	{"Breaker 1 1"},
	{"BREAKER 1 1"},
	{"breake 1 1"},
	{"breakers 1 1"},
	{"b 1 1"},
	{"breaker1 1"},
	{"breaker 11"},
	{"breaker +1 1"},
	{"breaker 1 +1"},
	{"breaker -1 1"},
	{"breaker 1 -1"},
	{"breaker 1 -0"},
	{"breaker 01 1"},
	{"breaker 1 01"},
	{"breaker 1 00"},
	{"breaker 0x1 1"},
	{"breaker 1.0 1"},
	{"breaker a 1"},
	{"breaker 1 on"},
	{"breaker 1 2"},
	{"breaker 17 1"},
	{"breaker 0 1"}, /* the metering box has no breaker */
	{"contact 0 1"},
	{"contact 17 1"},
	{"contact 1 2"},
	{"door 17 0"},
	{"door 0 2"},
	{"door 00 0"},
	{"pulse 1"},
	{"pulse 1 0"},
	{"pulse 1 60001"},
	{"pulse 17 500"},
	{"pulse 1 -500"},
	{"pulse 1 +5"},
	{"pulse 1 5 "},
	{"pulse 1 0500"},
	{"pulse 1 100000"},
	{"pulse 1 4294967297"}, /* 2^32 + 1 */
	{"pulse 1 18446744073709551617"}, /* 2^64 + 1 */
	{"pulse 18446744073709551617 1"},
	{"pulse 4294967297 1"},
	{"pulse 1 500ms"},
	{"ready "},
	{"ready 0"},
	{"ready 0 0"},
	{"ready 1 1"},
	{"ready\0", 6},
	{" ready"},
	{"read"},
	{"readyready"},
	{"open 1 1"},
	{"breaker 1 1111111111111111111111111111111111111111111111111111111"},
	{"breaker 1                                                      1"},
	{"pulse 0000000000000000000000000000000000000000000000000000001 500"},
};

START_TEST(refused_lines)
{
	struct pin_line line = {PIN_CONTACT, 7, 1};
	const struct pin_line before = line;
	size_t length = refused[_i].length > 0 ? refused[_i].length : strlen(refused[_i].text);

	REQUIRE(!read_block(refused[_i].text, length, &line), "'%s' was accepted", refused[_i].text);
	REQUIRE(same(&line, &before), "'%s' was refused, but changed the line", refused[_i].text);
}
END_TEST

/* Lines at the limit and far beyond it, of every kind of byte. */
START_TEST(long_lines)
{
	struct pin_line line = {PIN_CONTACT, 7, 1};
	char text[4 * PIN_LINE_MAX];

	for (int byte = 0; byte <= 0xFF; byte++) {
		memset(text, byte, sizeof(text));
		memcpy(text, "pulse 1 5", 9);
		for (size_t length = 10; length <= sizeof(text); length++) {
			/* Up to five digits are a number. */
			bool number = byte >= '0' && byte <= '9' && length <= 13;

			REQUIRE(read_block(text, length, &line) == number, "%zu bytes %02X", length, (unsigned)byte);
		}
	}
}
END_TEST

/* Whatever is read is written as it was: there is one way to say each line. */
START_TEST(changed_lines)
{
	unsigned accepted = 0;

	for (size_t i = 0; i < COUNT(samples); i++) {
		size_t length = strlen(samples[i].text) - 1;

		for (size_t at = 0; at < length; at++) {
			for (int byte = 0; byte <= 0xFF; byte++) {
				char text[PIN_LINE_MAX + 1], back[PIN_LINE_MAX + 1];
				struct pin_line line;

				memcpy(text, samples[i].text, length);
				text[at] = (char)byte;
				if (!read_block(text, length, &line))
					continue;
				accepted++;
				REQUIRE(pin_line_write(&line, back) == length + 1 && memcmp(text, back, length) == 0,
					"'%.*s' is written as '%s'",
					(int)length,
					text,
					back);
			}
		}
	}
	ck_assert_uint_gt(accepted, 0);
}
END_TEST

static Suite *pin_line_suite(void)
{
	Suite *suite = suite_create("pin_line");
	TCase *lines = tcase_create("lines");

	tcase_set_timeout(lines, 60);
	tcase_add_loop_test(lines, sample_lines, 0, (int)COUNT(samples));
	tcase_add_test(lines, every_line);
	tcase_add_loop_test(lines, refused_lines, 0, (int)COUNT(refused));
	tcase_add_test(lines, long_lines);
	tcase_add_test(lines, changed_lines);
	suite_add_tcase(suite, lines);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(pin_line_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
