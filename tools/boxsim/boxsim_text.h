/* tools/boxsim/boxsim_text.h: numbers and words out of options and commands.
 *
 * Room: boxsim; this file needs libc only. */
#ifndef BOXSIM_TEXT_H
#define BOXSIM_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a whole number, digits only, from min to max (min >= 0). False, *value untouched, when text is none. */
bool text_integer(const char *text, int64_t min, int64_t max, int64_t *value);

/* Reads a decimal number such as 12 or 12.5 with at most decimals (1 to 9) digits behind its point; *value is the number
 * times 10^decimals, 0 to max. False, *value untouched, when text is none. */
bool text_decimal(const char *text, unsigned decimals, int64_t max, int64_t *value);

/* Whether text is 1 to max characters of A-Z a-z 0-9 . _ - with at least one digit: what a serial number looks like. */
bool text_is_serial(const char *text, size_t max);

/* Whether length bytes are printable ASCII, blanks and tabs. */
bool text_is_plain(const char *text, size_t length);

/* Splits text in place at blanks and tabs; returns the number of words, or max + 1 when there are more than max. */
size_t text_split(char *text, char *words[], size_t max);

#endif
