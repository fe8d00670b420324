/* hal/core/pin_line.c: see pin_line.h.
 *
 * Pure room: libc only. */
#include "pin_line.h"

#include <assert.h>
#include <string.h>

#define OUTLETS_ON_WIRE_MAX 16
#define PULSE_MS_MAX 60000
#define NUMBER_DIGITS_MAX 5 /* of PULSE_MS_MAX */

/* What may follow each word. The metering box has a lock and a door, but no breaker. */
static const struct grammar {
	const char *name;
	bool has_numbers; /* outlet and value */
	int64_t outlet_min, value_min, value_max;
} grammars[PIN_WORD_COUNT] = {
	[PIN_BREAKER] = {.name = "breaker", .has_numbers = true, .outlet_min = 1, .value_min = 0, .value_max = 1},
	[PIN_PULSE] = {.name = "pulse", .has_numbers = true, .value_min = 1, .value_max = PULSE_MS_MAX},
	[PIN_CONTACT] = {.name = "contact", .has_numbers = true, .outlet_min = 1, .value_min = 0, .value_max = 1},
	[PIN_DOOR] = {.name = "door", .has_numbers = true, .value_min = 0, .value_max = 1},
	[PIN_READY] = {.name = "ready"},
};

/* Takes " NUMBER" off the front of *text: one space, decimal digits without a leading zero, min to max. */
static bool take_number(const char **text, size_t *length, int64_t min, int64_t max, int64_t *number)
{
	const char *digits = *text + 1;
	size_t count = 0;
	int64_t read = 0;

	if (*length < 2 || **text != ' ')
		return false;
	for (; count < *length - 1 && digits[count] >= '0' && digits[count] <= '9'; count++) {
		if (count == NUMBER_DIGITS_MAX)
			return false;
		read = read * 10 + (digits[count] - '0');
	}
	if (count == 0 || (count > 1 && digits[0] == '0') || read < min || read > max)
		return false;
	*text += 1 + count;
	*length -= 1 + count;
	*number = read;
	return true;
}

static bool find_word(const char *text, size_t length, enum pin_word *word)
{
	for (int i = 0; i < PIN_WORD_COUNT; i++) {
		if (strlen(grammars[i].name) == length && memcmp(grammars[i].name, text, length) == 0) {
			*word = (enum pin_word)i;
			return true;
		}
	}
	return false;
}

bool pin_line_read(const char *text, size_t length, struct pin_line *line)
{
	struct pin_line read = {.outlet = 0};
	int64_t outlet;

	if (length == 0 || length >= PIN_LINE_MAX)
		return false;
	const char *space = memchr(text, ' ', length);
	size_t word_length = space != NULL ? (size_t)(space - text) : length;
	if (!find_word(text, word_length, &read.word))
		return false;
	text += word_length;
	length -= word_length;
	const struct grammar *g = &grammars[read.word];
	if (g->has_numbers) {
		if (!take_number(&text, &length, g->outlet_min, OUTLETS_ON_WIRE_MAX, &outlet) ||
		    !take_number(&text, &length, g->value_min, g->value_max, &read.value))
			return false;
		read.outlet = (int)outlet - 1;
	}
	if (length > 0)
		return false;
	*line = read;
	return true;
}

/* Appends " NUMBER" at out, without a NUL; returns how many characters. */
static size_t put_number(char *out, int64_t number)
{
	char digits[NUMBER_DIGITS_MAX];
	size_t count = 0;

	do {
		digits[count++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	out[0] = ' ';
	for (size_t i = 0; i < count; i++)
		out[1 + i] = digits[count - 1 - i];
	return 1 + count;
}

size_t pin_line_write(const struct pin_line *line, char text[PIN_LINE_MAX + 1])
{
	assert((size_t)line->word < PIN_WORD_COUNT);
	const struct grammar *g = &grammars[line->word];
	size_t length = strlen(g->name);

	memcpy(text, g->name, length);
	if (g->has_numbers) {
		assert(line->outlet + 1 >= g->outlet_min && line->outlet < OUTLETS_ON_WIRE_MAX);
		assert(line->value >= g->value_min && line->value <= g->value_max);
		length += put_number(text + length, line->outlet + 1);
		length += put_number(text + length, line->value);
	}
	text[length++] = '\n';
	text[length] = '\0';
	return length;
}
