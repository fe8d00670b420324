/* tools/boxsim/console.c: see boxsim_console.h.
 *
 * Room: boxsim; this file needs libc only. */
#include "boxsim_console.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boxsim_text.h"

#define WRITE_PATIENCE_MS 1000

void console_fill(struct console *console)
{
	size_t space = sizeof(console->in) - console->count;
	ssize_t got = space ? read(STDIN_FILENO, console->in + console->count, space) : 0;
	if (space && (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)))
		console->ended = true;
	if (got > 0)
		console->count += (size_t)got;
}

static void drop(struct console *console, size_t count)
{
	console->count -= count;
	memmove(console->in, console->in + count, console->count);
}

enum console_input console_next(struct console *console, char line[COMMAND_LINE_MAX])
{
	const char *end = memchr(console->in, '\n', console->count);
	bool skipped = console->skipping;
	if (!end) {
		if (skipped || console->count == sizeof(console->in)) {
			console->count = 0;
			console->skipping = true;
		}
		return console->skipping && !skipped ? CONSOLE_TOO_LONG : CONSOLE_NOTHING;
	}
	size_t length = (size_t)(end - console->in);
	memcpy(line, console->in, length);
	line[length] = '\0';
	drop(console, length + 1);
	console->skipping = false;
	if (skipped)
		return console_next(console, line); /* at most once: skipping has ended */
	return text_is_plain(line, length) ? CONSOLE_LINE : CONSOLE_NOT_TEXT;
}

void console_write(struct console *console, const char *text, size_t count)
{
	while (count && !console->deaf) {
		struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
		ssize_t written = -1;
		/* A pipe that has room takes PIPE_BUF bytes without blocking. */
		if (poll(&out, 1, WRITE_PATIENCE_MS) == 1)
			written = write(STDOUT_FILENO, text, count < PIPE_BUF ? count : PIPE_BUF);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0) {
			console->deaf = true;
			fputs("boxsim: nobody reads standard output; nothing more is written there\n", stderr);
			return;
		}
		text += written;
		count -= (size_t)written;
	}
}
