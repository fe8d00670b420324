/* tools/boxsim/text.c: see boxsim_text.h.
 *
 * Room: boxsim; this file needs libc only. */
#include "boxsim_text.h"

#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Appends a digit; false when the number passes max. */
static bool append(int64_t *number, char digit, int64_t max)
{
	return !__builtin_mul_overflow(*number, 10, number) && !__builtin_add_overflow(*number, digit - '0', number) &&
	       *number <= max;
}

bool text_integer(const char *text, int64_t min, int64_t max, int64_t *value)
{
	int64_t number = 0;
	bool good = *text != '\0';
	for (const char *c = text; good && *c; c++)
		good = is_digit(*c) && append(&number, *c, max);
	good = good && number >= min;
	if (good)
		*value = number;
	return good;
}

bool text_decimal(const char *text, unsigned decimals, int64_t max, int64_t *value)
{
	int64_t number = 0;
	const char *c = text;
	bool good = is_digit(*c);
	for (; good && is_digit(*c); c++)
		good = append(&number, *c, max);
	unsigned behind = 0;
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

bool text_is_serial(const char *text, size_t max)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t length = strlen(text);
	return length >= 1 && length <= max && strspn(text, allowed) == length && strpbrk(text, "0123456789");
}

bool text_is_plain(const char *text, size_t length)
{
	bool good = true;
	for (size_t i = 0; good && i < length; i++)
		good = text[i] == '\t' || (text[i] >= ' ' && text[i] <= '~');
	return good;
}

size_t text_split(char *text, char *words[], size_t max)
{
	size_t count = 0;
	char *rest = NULL;
	for (char *word = strtok_r(text, " \t", &rest); word && count <= max; word = strtok_r(NULL, " \t", &rest)) {
		if (count < max)
			words[count] = word;
		count++;
	}
	return count;
}
