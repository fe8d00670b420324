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
	bool screen; /* standard output is a terminal that is drawn on */
	bool listens; /* standard input can still say something */
	struct termios before; /* how the terminal was, when keys */
};

/* From here on Ctrl-C, SIGTERM and SIGHUP only set what ctl_terminal_stopped() counts, and a reader of standard output
 * that goes away is an error of writing. With `screen` the terminal, where
 * standard output is one, is cleared for drawing; with `keys` standard input, where it is one, says each key. */
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
};

/* Waits for the daemon (client may be NULL), a key, a signal or the time. */
enum ctl_woken ctl_terminal_wait(struct ctl_terminal *terminal, const struct ctl_client *client, int timeout_ms,
				 char *key);

/* Draws text over what was drawn before, as many lines as the terminal has. */
void ctl_terminal_draw(const struct ctl_terminal *terminal, const char *text);

#endif
