/* tools/meterboxctl/ctl_terminal.h: keys and signals while something is shown live.
 *
 * Room: meterboxctl. Whatever ends the program by a signal that can be caught finds the terminal restored. */
#ifndef CTL_TERMINAL_H
#define CTL_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

#include "ctl_client.h"

struct ctl_terminal {
	bool keys; /* standard input is a terminal that says each key at once */
	bool screen; /* standard output is a terminal that is drawn on, and not a dumb one */
	bool listens; /* standard input can still say something */
	struct termios before; /* how the terminal was, when keys */
};

/* Whether standard output is a terminal that takes more than lines of text: TERM is set, and not to "dumb". */
bool ctl_terminal_can_draw(void);

/* From here on Ctrl-C, SIGTERM and SIGHUP only set what ctl_terminal_stopped() counts, and a reader of standard output
 * that goes away is an error of writing. With `screen` the terminal, where standard output is one that can be drawn on,
 * is cleared for that: nothing may have been printed before. With `keys` standard input, where it is a terminal, says
 * each key. */
void ctl_terminal_begin(struct ctl_terminal *terminal, bool keys, bool screen);

/* Restores the terminal and the signals. */
void ctl_terminal_end(struct ctl_terminal *terminal);

/* How many times the program was asked to stop: 0, 1, or 2 when again after more than a second. */
int ctl_terminal_stopped(void);

enum ctl_woken {
	CTL_WOKEN_TIME,
	CTL_WOKEN_CLIENT, /* the daemon has said something */
	CTL_WOKEN_KEY, /* key has been pressed; a line's end when the terminal says whole lines */
	CTL_WOKEN_STOP,
	CTL_WOKEN_SIZE, /* the terminal that is drawn on may have another size: draw again */
};

/* Waits for the daemon (client may be NULL), a key, a signal or the time. */
enum ctl_woken ctl_terminal_wait(struct ctl_terminal *terminal, const struct ctl_client *client, int timeout_ms,
				 char *key);

/* Draws text, lines of printable ASCII, over what was drawn before, in one piece and without clearing anything first. Lines
 * are cut to the terminal's width. `hint` stands below them, and in the last row together with the number of lines that
 * the terminal has no room for. */
void ctl_terminal_draw(const struct ctl_terminal *terminal, const char *text, const char *hint);

#endif
