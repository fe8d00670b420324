/* Tests meterboxctl's text: what people type, read exactly; what a terminal is shown, escaped and laid out. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UNTOUCHED INT64_C(-77)

/* ---- numbers ---- */

static const struct {
	const char *text;
	unsigned decimals;
	int64_t max;
	int64_t value; /* UNTOUCHED: refused */
} decimals[] = {
	{"0", 6, 1000000, 0},
	{"5", 6, INT64_MAX, 5000000},
	{"5.00", 6, INT64_MAX, 5000000},
	{"0.1", 6, INT64_MAX, 100000},
	{"0.000001", 6, INT64_MAX, 1},
	{"007.5", 1, INT64_MAX, 75},
	{"12.345", 3, INT64_MAX, 12345},
	{"9007199254.740991", 6, INT64_MAX, INT64_C(9007199254740991)}, /* where floating point begins to skip */
	{"9007199254.740993", 6, INT64_MAX, INT64_C(9007199254740993)},
	{"9223372036854.775807", 6, INT64_MAX, INT64_MAX},
	{"1", 6, 1000000, 1000000},
	/* refused: nothing is rounded or guessed */
	{"1.000001", 6, 1000000, UNTOUCHED},
	{"9223372036854.775808", 6, INT64_MAX, UNTOUCHED},
	{"99999999999999999999999", 1, INT64_MAX, UNTOUCHED},
	{"0.0000001", 6, INT64_MAX, UNTOUCHED},
	{"5.", 6, INT64_MAX, UNTOUCHED},
	{".5", 6, INT64_MAX, UNTOUCHED},
	{"", 6, INT64_MAX, UNTOUCHED},
	{".", 6, INT64_MAX, UNTOUCHED},
	{"-5", 6, INT64_MAX, UNTOUCHED},
	{"+5", 6, INT64_MAX, UNTOUCHED},
	{" 5", 6, INT64_MAX, UNTOUCHED},
	{"5 ", 6, INT64_MAX, UNTOUCHED},
	{"5,00", 6, INT64_MAX, UNTOUCHED},
	{"5.0.0", 6, INT64_MAX, UNTOUCHED},
	{"1e3", 6, INT64_MAX, UNTOUCHED},
	{"0x10", 6, INT64_MAX, UNTOUCHED},
	{"5\xc2\xa0", 6, INT64_MAX, UNTOUCHED},
};

START_TEST(decimal)
{
	int64_t value = UNTOUCHED;
	bool read = ctl_read_decimal(decimals[_i].text, decimals[_i].decimals, decimals[_i].max, &value);

	ck_assert_msg(value == decimals[_i].value, "\"%s\" became %lld", decimals[_i].text, (long long)value);
	ck_assert_int_eq(read, decimals[_i].value != UNTOUCHED);
}
END_TEST

static const struct {
	const char *text;
	int64_t min, max;
	int64_t value;
} wholes[] = {
	{"1", 1, 16, 1},
	{"16", 1, 16, 16},
	{"016", 1, 16, 16},
	{"9223372036854775807", 0, INT64_MAX, INT64_MAX},
	{"0", 1, 16, UNTOUCHED},
	{"17", 1, 16, UNTOUCHED},
	{"9223372036854775808", 0, INT64_MAX, UNTOUCHED},
	{"", 0, 16, UNTOUCHED},
	{"-1", 0, 16, UNTOUCHED},
	{"1.0", 0, 16, UNTOUCHED},
	{"one", 0, 16, UNTOUCHED},
};

START_TEST(whole)
{
	int64_t value = UNTOUCHED;
	bool read = ctl_read_whole(wholes[_i].text, wholes[_i].min, wholes[_i].max, &value);

	ck_assert_msg(value == wholes[_i].value, "\"%s\" became %lld", wholes[_i].text, (long long)value);
	ck_assert_int_eq(read, wholes[_i].value != UNTOUCHED);
}
END_TEST

static const struct {
	const char *text;
	int64_t wall_ms;
} times[] = {
	{"1970-01-01T00:00:00Z", 0},
	{"1970-01-01T00:00:00.001Z", 1},
	{"2000-02-29T00:00:00Z", INT64_C(951782400000)},
	{"2000-03-01T00:00:00Z", INT64_C(951868800000)},
	{"2026-11-21T01:38:46.123Z", INT64_C(1795225126123)},
	{"2026-11-21T01:38:46.1Z", INT64_C(1795225126100)},
	{"2026-11-21T01:38:46.123456789Z", INT64_C(1795225126123)},
	{"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)},
	{"1969-12-31T23:59:59Z", UNTOUCHED},
	{"2025-02-29T00:00:00Z", UNTOUCHED},
	{"2100-02-29T00:00:00Z", UNTOUCHED},
	{"2026-04-31T00:00:00Z", UNTOUCHED},
	{"2026-13-01T00:00:00Z", UNTOUCHED},
	{"2026-00-01T00:00:00Z", UNTOUCHED},
	{"2026-11-21T24:00:00Z", UNTOUCHED},
	{"2026-11-21T01:60:46Z", UNTOUCHED},
	{"2026-11-21T01:38:46", UNTOUCHED},
	{"2026-11-21T01:38:46.Z", UNTOUCHED},
	{"2026-11-21T01:38:46.1234567890Z", UNTOUCHED},
	{"2026-11-21T01:38:46+08:00", UNTOUCHED},
	{"2026-11-21", UNTOUCHED},
	{"", UNTOUCHED},
};

START_TEST(time_of_day)
{
	int64_t wall_ms = UNTOUCHED;
	bool read = ctl_read_time(times[_i].text, &wall_ms);

	ck_assert_msg(wall_ms == times[_i].wall_ms, "\"%s\" became %lld", times[_i].text, (long long)wall_ms);
	ck_assert_int_eq(read, times[_i].wall_ms != UNTOUCHED);
}
END_TEST

/* ---- what is shown ---- */

enum formatter {
	ENERGY,
	POWER,
	MONEY,
	SPAN,
};

static void (*const formatters[])(char *, int64_t) = {ctl_energy, ctl_power, ctl_money, ctl_span};

static const struct {
	enum formatter formatter;
	int64_t value;
	const char *text;
} shown[] = {
	{ENERGY, 0, "0.000 kWh"},
	{ENERGY, 1234567, "1.234 kWh"}, /* never more than the register shows */
	{ENERGY, 999, "0.000 kWh"},
	{ENERGY, -1500000, "-1.500 kWh"},
	{ENERGY, -999, "0.000 kWh"},
	{ENERGY, INT64_MIN, "-9223372036854.775 kWh"},
	{POWER, 3512000, "3512 W"},
	{POWER, -3512999, "-3512 W"},
	{POWER, -1, "0 W"},
	{MONEY, 0, "0.00"},
	{MONEY, 5000000, "5.00"},
	{MONEY, 4567900, "4.5679"},
	{MONEY, 1, "0.000001"},
	{MONEY, -10000, "-0.01"},
	{MONEY, 1000000000000000, "1000000000.00"},
	{MONEY, INT64_MIN, "-9223372036854.775808"},
	{SPAN, 0, "0.0 s"},
	{SPAN, 449, "0.4 s"},
	{SPAN, 9999, "9.9 s"},
	{SPAN, 10000, "10 s"},
	{SPAN, 59999, "59 s"},
	{SPAN, 243000, "4:03 min"},
	{SPAN, 8100000, "2:15 h"},
	{SPAN, 86400000, "1 d 0 h"},
	{SPAN, -1000, "-1.0 s"},
	{SPAN, INT64_MAX, "106751991167 d 7 h"},
};

START_TEST(number_shown)
{
	char text[CTL_NUMBER_SIZE];

	formatters[shown[_i].formatter](text, shown[_i].value);
	ck_assert_str_eq(text, shown[_i].text);
}
END_TEST

START_TEST(escape)
{
	char text[64], small[6];

	ctl_escape(text, sizeof text, "plain ~ text");
	ck_assert_str_eq(text, "plain ~ text");
	ctl_escape(text, sizeof text, "\033[31m\r\n\t\177\xc2\x9b");
	ck_assert_str_eq(text, "\\x1b[31m\\x0d\\x0a\\x09\\x7f\\xc2\\x9b");
	/* cut where a whole character ends */
	ctl_escape(small, sizeof small, "abcdefg");
	ck_assert_str_eq(small, "abcde");
	ctl_escape(small, sizeof small, "a\nb");
	ck_assert_str_eq(small, "a\\x0a");
	ctl_escape(small, sizeof small, "ab\nc");
	ck_assert_str_eq(small, "ab");
	ctl_escape(small, 1, "a");
	ck_assert_str_eq(small, "");
}
END_TEST

/* Every byte, alone, between others and cut: whatever comes out is printable and within its size. */
START_TEST(escape_every_byte)
{
	for (int byte = 1; byte < 256; byte++) {
		const char in[] = {'x', (char)byte, (char)byte, 'y', '\0'};

		for (size_t size = 1; size < 12; size++) {
			char out[16];
			memset(out, '\001', sizeof out);
			ctl_escape(out, size, in);
			ck_assert_uint_lt(strlen(out), size);
			ck_assert_int_eq(out[size], '\001');
			for (const char *c = out; *c != '\0'; c++)
				ck_assert(*c >= 0x20 && *c <= 0x7e);
		}
	}
}
END_TEST

static const struct {
	const char *line;
	bool plain;
} lines[] = {
	{"", true},
	{"{\"ok\":true}", true},
	{"M\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x94\x8c", true},
	{"a\nb", false},
	{"\033[2J", false},
	{"a\177", false},
	{"\xc2\x9b", false}, /* C1: a terminal's CSI */
	{"\xc2\xa0", true}, /* the first behind them */
	{"\x9b", false},
	{"\xc3", false}, /* cut */
	{"\xc0\x9b", false}, /* overlong */
	{"\xe0\x80\x9b", false},
	{"\xf0\x80\x80\x9b", false},
	{"\xed\xa0\x80", false}, /* a surrogate */
	{"\xf4\x90\x80\x80", false}, /* beyond Unicode */
	{"\xff", false},
};

START_TEST(plain)
{
	ck_assert_int_eq(ctl_is_plain(lines[_i].line, strlen(lines[_i].line)), lines[_i].plain);
}
END_TEST

START_TEST(plain_has_no_nul)
{
	ck_assert(!ctl_is_plain("a\0b", 3));
}
END_TEST

/* ---- tables ---- */

/* The rows of a table as text, which the caller frees. */
static char *print(const struct ctl_table *table)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);

	ck_assert_ptr_nonnull(out);
	for (unsigned row = 0; row < table->rows; row++)
		ctl_table_print(table, row, out);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

START_TEST(table)
{
	static const char *const headings[] = {"a", "heading", "c"};
	struct ctl_table t;
	char *text;

	ctl_table_init(&t, COUNT(headings), headings);
	unsigned row = ctl_table_row(&t);
	ctl_table_set(&t, row, 0, "long cell");
	ctl_table_set(&t, row, 1, "b\033");
	ctl_table_set(&t, row, 2, "c");
	row = ctl_table_row(&t); /* gaps, and nothing at the end */
	ctl_table_set(&t, row, 2, "far");
	row = ctl_table_row(&t);
	ctl_table_set(&t, row, 1, "x");
	text = print(&t);
	ck_assert_str_eq(text,
			 "a          heading  c\n"
			 "long cell  b\\x1b    c\n"
			 "                    far\n"
			 "           x\n");
	free(text);
}
END_TEST

START_TEST(table_cuts)
{
	static const char *const headings[] = {"a"};
	struct ctl_table t;
	char wide[CTL_CELL_SIZE * 2];
	char *text;

	memset(wide, 'w', sizeof wide - 1);
	wide[sizeof wide - 1] = '\0';
	ctl_table_init(&t, 1, headings);
	ctl_table_set(&t, 0, 0, wide);
	while (t.rows < CTL_ROWS_MAX)
		ctl_table_set(&t, ctl_table_row(&t), 0, "r");
	text = print(&t);
	ck_assert_uint_eq(strcspn(text, "\n"), CTL_CELL_SIZE - 1);
	ck_assert_uint_eq(strlen(text), CTL_CELL_SIZE + (CTL_ROWS_MAX - 1) * 2);
	free(text);
}
END_TEST

static Suite *ctl_text_suite(void)
{
	Suite *suite = suite_create("ctl_text");
	TCase *read = tcase_create("read"), *show = tcase_create("show");

	tcase_add_loop_test(read, decimal, 0, (int)COUNT(decimals));
	tcase_add_loop_test(read, whole, 0, (int)COUNT(wholes));
	tcase_add_loop_test(read, time_of_day, 0, (int)COUNT(times));
	tcase_add_loop_test(show, number_shown, 0, (int)COUNT(shown));
	tcase_add_test(show, escape);
	tcase_add_test(show, escape_every_byte);
	tcase_add_loop_test(show, plain, 0, (int)COUNT(lines));
	tcase_add_test(show, plain_has_no_nul);
	tcase_add_test(show, table);
	tcase_add_test(show, table_cuts);
	suite_add_tcase(suite, read);
	suite_add_tcase(suite, show);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(ctl_text_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
