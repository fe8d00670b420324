/* tools/meterboxctl/ctl_text.c: see ctl_text.h.
 *
 * Room: meterboxctl; this file needs libc only. */
#include "ctl_text.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define MICROS_PER_UNIT 1000000U
#define MWH_PER_WH 1000
#define MS_PER_S 1000
#define S_PER_MINUTE 60
#define S_PER_HOUR 3600
#define S_PER_DAY 86400
#define FIRST_YEAR 1970

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* --- out of what people type --- */

/* Appends a digit; false when the number passes max. */
static bool append(int64_t *number, char digit, int64_t max)
{
	return !__builtin_mul_overflow(*number, 10, number) && !__builtin_add_overflow(*number, digit - '0', number) &&
	       *number <= max;
}

bool ctl_read_whole(const char *text, int64_t min, int64_t max, int64_t *value)
{
	int64_t number = 0;
	bool good = *text != '\0';
	for (const char *c = text; good && *c != '\0'; c++)
		good = is_digit(*c) && append(&number, *c, max);
	good = good && number >= min && number <= max;
	if (good)
		*value = number;
	return good;
}

bool ctl_read_decimal(const char *text, unsigned decimals, int64_t max, int64_t *value)
{
	int64_t number = 0;
	const char *c = text;
	unsigned behind = 0;
	bool good = is_digit(*c);
	for (; good && is_digit(*c); c++)
		good = append(&number, *c, max);
	if (good && *c == '.') {
		good = is_digit(*++c);
		for (; good && is_digit(*c); c++, behind++)
			good = behind < decimals && append(&number, *c, max);
	}
	good = good && *c == '\0';
	for (; good && behind < decimals; behind++)
		good = append(&number, '0', max);
	if (good)
		*value = number;
	return good;
}

static bool leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in(int64_t year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	return month == 2 && leap(year) ? 29 : days[month - 1];
}

static int64_t days_before(int64_t year, int month)
{
	int64_t before = year - 1;
	int64_t days =
		(before * 365 + before / 4 - before / 100 + before / 400) -
		((FIRST_YEAR - 1) * 365 + (FIRST_YEAR - 1) / 4 - (FIRST_YEAR - 1) / 100 + (FIRST_YEAR - 1) / 400);
	for (int m = 1; m < month; m++)
		days += days_in(year, m);
	return days;
}

static int digits(const char *text, int count)
{
	int number = 0;
	for (int i = 0; i < count; i++)
		number = number * 10 + (text[i] - '0');
	return number;
}

/* Behind the seconds: nothing or .d to .ddddddddd, then Z. */
static bool read_parts(const char *text, int *ms)
{
	static const int weights[] = {100, 10, 1};
	size_t count = 0;
	*ms = 0;
	if (*text == '.') {
		for (text++; is_digit(*text) && count <= 9; text++, count++)
			*ms += count < 3 ? (*text - '0') * weights[count] : 0;
		if (count == 0 || count > 9)
			return false;
	}
	return strcmp(text, "Z") == 0;
}

bool ctl_read_time(const char *text, int64_t *wall_ms)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd";
	int ms = 0;
	for (size_t i = 0; i < sizeof form - 1; i++) {
		if (form[i] == 'd' ? !is_digit(text[i]) : text[i] != form[i])
			return false;
	}
	if (!read_parts(text + sizeof form - 1, &ms))
		return false;
	int year = digits(text, 4), month = digits(text + 5, 2), day = digits(text + 8, 2);
	int hour = digits(text + 11, 2), minute = digits(text + 14, 2), second = digits(text + 17, 2);
	if (year < FIRST_YEAR || month < 1 || month > 12 || day < 1 || day > days_in(year, month) || hour > 23 ||
	    minute > 59 || second > 59)
		return false;
	int64_t days = days_before(year, month) + day - 1;
	*wall_ms = ((days * S_PER_DAY) + hour * S_PER_HOUR + minute * S_PER_MINUTE + second) * MS_PER_S + ms;
	return true;
}

/* --- what the terminal is shown --- */

void ctl_escape(char *to, size_t size, const char *text)
{
	size_t used = 0;
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;
		bool printable = byte >= 0x20 && byte <= 0x7e;
		size_t wanted = printable ? 1 : 4;
		if (used + wanted >= size)
			break;
		if (printable)
			to[used] = (char)byte;
		else
			snprintf(to + used, size - used, "\\x%02x", byte);
		used += wanted;
	}
	to[used] = '\0';
}

/* How many bytes the UTF-8 sequence at text has, *code its character; 0 when it is none. */
static size_t sequence(const unsigned char *text, size_t length, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t count = text[0] < 0x80		? 1 :
		       (text[0] & 0xe0) == 0xc0 ? 2 :
		       (text[0] & 0xf0) == 0xe0 ? 3 :
		       (text[0] & 0xf8) == 0xf0 ? 4 :
						  0;
	if (count == 0 || count > length)
		return 0;
	*code = count == 1 ? text[0] : text[0] & (0xffU >> (count + 1));
	for (size_t i = 1; i < count; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (text[i] & 0x3fU);
	}
	bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
	return *code < least[count] || *code > 0x10ffff || surrogate ? 0 : count;
}

bool ctl_is_plain(const char *line, size_t length)
{
	const unsigned char *at = (const unsigned char *)line;
	uint32_t code = 0;
	for (size_t i = 0, count; i < length; i += count) {
		count = sequence(at + i, length - i, &code);
		if (count == 0 || code < 0x20 || (code >= 0x7f && code <= 0x9f))
			return false;
	}
	return true;
}

/* The magnitude; INT64_MIN has none of its own type. */
static uint64_t magnitude(int64_t value)
{
	return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

void ctl_energy(char to[CTL_NUMBER_SIZE], int64_t mwh)
{
	uint64_t wh = magnitude(mwh) / MWH_PER_WH;
	snprintf(to,
		 CTL_NUMBER_SIZE,
		 "%s%" PRIu64 ".%03" PRIu64 " kWh",
		 mwh < 0 && wh > 0 ? "-" : "",
		 wh / 1000,
		 wh % 1000);
}

void ctl_power(char to[CTL_NUMBER_SIZE], int64_t mw)
{
	uint64_t watts = magnitude(mw) / 1000;
	snprintf(to, CTL_NUMBER_SIZE, "%s%" PRIu64 " W", mw < 0 && watts > 0 ? "-" : "", watts);
}

void ctl_money(char to[CTL_NUMBER_SIZE], int64_t micros)
{
	uint64_t amount = magnitude(micros);
	unsigned parts = (unsigned)(amount % MICROS_PER_UNIT);
	int length = snprintf(
		to, CTL_NUMBER_SIZE, "%s%" PRIu64 ".%06u", micros < 0 ? "-" : "", amount / MICROS_PER_UNIT, parts);
	for (int i = 0; i < 4 && to[length - 1] == '0'; i++)
		to[--length] = '\0';
}

void ctl_span(char to[CTL_NUMBER_SIZE], int64_t ms)
{
	const char *sign = ms < 0 ? "-" : "";
	uint64_t span_ms = magnitude(ms);
	uint64_t s = span_ms / MS_PER_S;
	if (s < 10)
		snprintf(to, CTL_NUMBER_SIZE, "%s%" PRIu64 ".%" PRIu64 " s", sign, s, span_ms % MS_PER_S / 100);
	else if (s < S_PER_MINUTE)
		snprintf(to, CTL_NUMBER_SIZE, "%s%" PRIu64 " s", sign, s);
	else if (s < S_PER_HOUR)
		snprintf(to,
			 CTL_NUMBER_SIZE,
			 "%s%" PRIu64 ":%02" PRIu64 " min",
			 sign,
			 s / S_PER_MINUTE,
			 s % S_PER_MINUTE);
	else if (s < S_PER_DAY)
		snprintf(to,
			 CTL_NUMBER_SIZE,
			 "%s%" PRIu64 ":%02" PRIu64 " h",
			 sign,
			 s / S_PER_HOUR,
			 s % S_PER_HOUR / S_PER_MINUTE);
	else
		snprintf(to,
			 CTL_NUMBER_SIZE,
			 "%s%" PRIu64 " d %" PRIu64 " h",
			 sign,
			 s / S_PER_DAY,
			 s % S_PER_DAY / S_PER_HOUR);
}

/* --- tables --- */

void ctl_table_init(struct ctl_table *table, unsigned columns, const char *const headings[])
{
	assert(columns <= CTL_COLUMNS_MAX);
	table->columns = columns;
	table->rows = 0;
	unsigned row = ctl_table_row(table);
	for (unsigned i = 0; i < columns; i++)
		ctl_table_set(table, row, i, headings[i]);
}

unsigned ctl_table_row(struct ctl_table *table)
{
	assert(table->rows < CTL_ROWS_MAX);
	for (unsigned i = 0; i < table->columns; i++)
		table->cells[table->rows][i][0] = '\0';
	return table->rows++;
}

void ctl_table_set(struct ctl_table *table, unsigned row, unsigned column, const char *text)
{
	assert(row < table->rows && column < table->columns);
	ctl_escape(table->cells[row][column], CTL_CELL_SIZE, text);
}

static int width_of(const struct ctl_table *table, unsigned column)
{
	size_t width = 0;
	for (unsigned row = 0; row < table->rows; row++) {
		size_t length = strlen(table->cells[row][column]);
		width = length > width ? length : width;
	}
	return (int)width;
}

void ctl_table_print(const struct ctl_table *table, unsigned row, FILE *out)
{
	int blanks = 0;
	assert(row < table->rows);
	for (unsigned i = 0; i < table->columns; i++) {
		const char *cell = table->cells[row][i];
		if (cell[0] != '\0')
			fprintf(out, "%*s%s", blanks, "", cell);
		/* Blanks are owed until something follows them. */
		int owed = width_of(table, i) - (int)strlen(cell) + 2;
		blanks = cell[0] != '\0' ? owed : blanks + owed;
	}
	fputc('\n', out);
}
