/* tools/meterboxctl/ctl_text.h: what people type and what they are shown.
 *
 * Room: meterboxctl; this file needs libc only. Integers throughout: no amount passes through floating point. */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CTL_NUMBER_SIZE 32 /* any formatted number, its unit and the NUL included */

/* --- out of what people type --- */

/* Reads a whole number, digits only, from min (at least 0) to max. False, *value untouched, when text is none. */
bool ctl_read_whole(const char *text, int64_t min, int64_t max, int64_t *value);

/* Reads a decimal such as 12 or 12.5 with at most `decimals` (1 to 9) digits behind its point; *value is the number times
 * 10^decimals, 0 to max. False, *value untouched, when text is none: nothing is rounded. */
bool ctl_read_decimal(const char *text, unsigned decimals, int64_t max, int64_t *value);

/* Reads 2026-11-21T01:38:46Z, or with 1 to 9 digits of a second's parts, as Unix time. False, *wall_ms untouched, when
 * text is none. */
bool ctl_read_time(const char *text, int64_t *wall_ms);

/* --- what the terminal is shown --- */

/* Copies text so that a terminal shows it and does nothing else: each byte but the printable ASCII becomes \xNN. Cut to
 * size. */
void ctl_escape(char *to, size_t size, const char *text);

/* Whether a line can be shown as it is: valid UTF-8 without control characters (C0, DEL, C1). */
bool ctl_is_plain(const char *line, size_t length);

/* Milliwatt-hours as "1.234 kWh", milliwatts as "3512 W", micros as "4.57" (two digits at least, six at most),
 * milliseconds as "0.4 s", "12 s", "4:03 min", "2:15 h" or "3 d 4 h". Negative values have their sign. */
void ctl_energy(char to[CTL_NUMBER_SIZE], int64_t mwh);
void ctl_power(char to[CTL_NUMBER_SIZE], int64_t mw);
void ctl_money(char to[CTL_NUMBER_SIZE], int64_t micros);
void ctl_span(char to[CTL_NUMBER_SIZE], int64_t ms);

/* --- tables --- */

#define CTL_COLUMNS_MAX 12
#define CTL_ROWS_MAX 32
#define CTL_CELL_SIZE 72

/* Cells of printable ASCII; a cell that is too long is cut, a row too many is our own bug. */
struct ctl_table {
	unsigned columns;
	unsigned rows; /* the first is the heading */
	char cells[CTL_ROWS_MAX][CTL_COLUMNS_MAX][CTL_CELL_SIZE];
};

void ctl_table_init(struct ctl_table *table, unsigned columns, const char *const headings[]);

/* Adds an empty row and returns its index. */
unsigned ctl_table_row(struct ctl_table *table);

void ctl_table_set(struct ctl_table *table, unsigned row, unsigned column, const char *text);

/* Prints one row with every column as wide as its widest cell, two blanks between them, none at the end. */
void ctl_table_print(const struct ctl_table *table, unsigned row, FILE *out);

#endif
