/* tools/boxsim/boxsim_console.h: commands on standard input, answers on standard output.
 *
 * Room: boxsim; this file needs libc only. */
#ifndef BOXSIM_CONSOLE_H
#define BOXSIM_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

#include "boxsim_command.h"

struct console {
	char in[COMMAND_LINE_MAX];
	size_t count;
	bool ended; /* standard input has ended: do not ask again */
	bool skipping; /* the rest of a line that was too long */
	bool deaf; /* nobody takes what is written */
};

enum console_input {
	CONSOLE_NOTHING,
	CONSOLE_LINE,
	CONSOLE_TOO_LONG, /* the line is dropped */
	CONSOLE_NOT_TEXT, /* control characters or bytes beyond ASCII; the line is dropped */
};

/* Reads what there is, at most one buffer's worth. */
void console_fill(struct console *console);

/* The next whole line, without its newline, ends with a NUL. */
enum console_input console_next(struct console *console, char line[COMMAND_LINE_MAX]);

/* Writes to standard output. Where nobody takes it within a second, or the reader has gone, nothing is written any
 * more, and standard error says so once. */
void console_write(struct console *console, const char *text, size_t count);

#endif
