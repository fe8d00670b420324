/* tools/boxsim/boxsim_pins.h: the board's pins as a Unix socket (pin_line.h), for one board at a time.
 *
 * Room: boxsim; this file needs hal/core and libc. */
#ifndef BOXSIM_PINS_H
#define BOXSIM_PINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boxsim_place.h"
#include "pin_line.h"

#define PINS_OUT_MAX 16384 /* bytes that the board has not taken yet; a board that lets more wait is disconnected */

struct pins {
	struct place place;
	int listener; /* -1: no pins asked for */
	int board; /* -1: nobody is connected */
	char in[PIN_LINE_MAX];
	size_t in_count;
	char out[PINS_OUT_MAX];
	size_t out_count;
};

enum pins_input {
	PINS_NOTHING, /* no whole line (yet) */
	PINS_LINE,
	PINS_GONE, /* the board closed the connection */
	PINS_MALFORMED, /* a line that is none, or too long: disconnect */
};

/* Listens at path; NULL: no pins. 0; -EBUSY: another boxsim has the path; -EEXIST: something else is there; another
 * negative errno. */
int pins_start(struct pins *pins, const char *path);
void pins_stop(struct pins *pins);

/* Takes a connection, if there is one: true when a board is connected now that was not before. While one is connected,
 * or when refuse is set, others are closed at once. */
bool pins_accept(struct pins *pins, bool refuse);
void pins_disconnect(struct pins *pins);

/* Says a line to the board, if it is connected. False when it lets too much wait. */
bool pins_say(struct pins *pins, enum pin_word word, int outlet, int64_t value);

/* Sends what waits. False when the board has gone. */
bool pins_flush(struct pins *pins);

/* Whether a whole line has come already: nothing more will tell that it waits. */
bool pins_has_line(const struct pins *pins);

/* The next line of the board. */
enum pins_input pins_next(struct pins *pins, struct pin_line *line);

#endif
