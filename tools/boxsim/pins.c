/* tools/boxsim/pins.c: see boxsim_pins.h.
 *
 * Room: boxsim; this file needs hal/core and libc. */
#include "boxsim_pins.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4

static int listen_at(struct pins *pins, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int rc = place_clear_socket(&pins->place);
	if (rc < 0)
		return rc;
	pins->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (pins->listener < 0)
		return -errno;
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (bind(pins->listener, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	pins->place.made = true;
	return listen(pins->listener, BACKLOG) < 0 ? -errno : 0;
}

int pins_start(struct pins *pins, const char *path)
{
	pins->place = (struct place){.lock = -1};
	pins->listener = -1;
	pins->board = -1;
	pins->in_count = 0;
	pins->out_count = 0;
	if (!path)
		return 0;
	int rc = place_take(&pins->place, path);
	if (rc < 0)
		return rc;
	rc = listen_at(pins, path);
	if (rc < 0)
		pins_stop(pins);
	return rc;
}

void pins_stop(struct pins *pins)
{
	pins_disconnect(pins);
	place_give(&pins->place);
	if (pins->listener >= 0)
		close(pins->listener);
	pins->listener = -1;
}

bool pins_accept(struct pins *pins, bool refuse)
{
	int fd = accept4(pins->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	bool taken = fd >= 0 && pins->board < 0 && !refuse;
	if (taken)
		pins->board = fd;
	else if (fd >= 0)
		close(fd);
	return taken;
}

void pins_disconnect(struct pins *pins)
{
	if (pins->board >= 0)
		close(pins->board);
	pins->board = -1;
	pins->in_count = 0;
	pins->out_count = 0;
}

bool pins_say(struct pins *pins, enum pin_word word, int outlet, int64_t value)
{
	char text[PIN_LINE_MAX + 1];
	struct pin_line line = {.word = word, .outlet = outlet, .value = value};
	if (pins->board < 0)
		return true;
	size_t length = pin_line_write(&line, text);
	if (length > sizeof(pins->out) - pins->out_count)
		return false;
	memcpy(pins->out + pins->out_count, text, length);
	pins->out_count += length;
	return true;
}

bool pins_flush(struct pins *pins)
{
	if (pins->board < 0 || pins->out_count == 0)
		return true;
	ssize_t sent = send(pins->board, pins->out, pins->out_count, MSG_NOSIGNAL);
	if (sent < 0)
		return errno == EAGAIN || errno == EINTR;
	pins->out_count -= (size_t)sent;
	memmove(pins->out, pins->out + sent, pins->out_count);
	return true;
}

bool pins_has_line(const struct pins *pins)
{
	return memchr(pins->in, '\n', pins->in_count) != NULL;
}

/* Takes the first line out of what has come. */
static enum pins_input cut_line(struct pins *pins, struct pin_line *line)
{
	const char *end = memchr(pins->in, '\n', pins->in_count);
	if (!end)
		return pins->in_count < sizeof(pins->in) ? PINS_NOTHING : PINS_MALFORMED;
	size_t length = (size_t)(end - pins->in);
	bool good = pin_line_read(pins->in, length, line);
	pins->in_count -= length + 1;
	memmove(pins->in, end + 1, pins->in_count);
	return good ? PINS_LINE : PINS_MALFORMED;
}

enum pins_input pins_next(struct pins *pins, struct pin_line *line)
{
	enum pins_input found = cut_line(pins, line);
	if (found != PINS_NOTHING)
		return found;
	ssize_t got = recv(pins->board, pins->in + pins->in_count, sizeof(pins->in) - pins->in_count, 0);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? PINS_NOTHING : PINS_GONE;
	if (got == 0)
		return PINS_GONE;
	pins->in_count += (size_t)got;
	return cut_line(pins, line);
}
