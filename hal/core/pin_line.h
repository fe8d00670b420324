/* hal/core/pin_line.h: the lines that the pins' socket of a simulated box carries, both ways.
 *
 * Pure room: libc only. SOCK_STREAM, ASCII, one message per line of at most PIN_LINE_MAX bytes with its newline:
 *   to the box      breaker OUTLET 0|1      pulse OUTLET MS
 *   from the box    contact OUTLET 0|1      door OUTLET 0|1      ready
 * Outlets count from 1; 0 is the metering box (its lock and its door). After connecting, the box says every level and
 * then "ready". While nobody is connected the board is without power: no coil is driven. */
#ifndef HAL_CORE_PIN_LINE_H
#define HAL_CORE_PIN_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIN_LINE_MAX 64

enum pin_word {
	PIN_BREAKER,
	PIN_PULSE,
	PIN_CONTACT,
	PIN_DOOR,
	PIN_READY,
	PIN_WORD_COUNT
};

struct pin_line {
	enum pin_word word;
	int outlet; /* 0-based; -1: the metering box. 0 with PIN_READY */
	int64_t value; /* 0 or 1; milliseconds of a pulse, 1 to 60000; 0 with PIN_READY */
};

/* Reads one line of length bytes without its newline. False, *line untouched, when it is not exactly one of the above. */
bool pin_line_read(const char *text, size_t length, struct pin_line *line);

/* Writes the line with its newline and a NUL; returns its length without the NUL. */
size_t pin_line_write(const struct pin_line *line, char text[PIN_LINE_MAX + 1]);

#endif
