/* hal/io/pins_socket.c: the pins of a simulated box, over its socket.
 *
 * Room: hal/core. The lines are those of pin_line.h. A box that goes away takes its breakers and locks with it: then
 * every call fails, and nothing is pretended. */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pin_line.h"
#include "pins.h"
#include "tty.h"

/* A box on the same machine says its levels at once; one that does not is no box. */
#define READY_MS INT64_C(2000)

struct socket_pins {
	struct pins pins;
	int fd;
	unsigned outlet_count;
	bool contact_fitted[PINS_OUTLETS_MAX];
	bool door_fitted[PINS_OUTLETS_MAX];
	bool metering_door_fitted;
	char bytes[4096]; /* what has come and is not taken yet */
	size_t count;
};

static struct socket_pins *of(const struct pins *pins)
{
	return (struct socket_pins *)pins;
}

static int say(struct socket_pins *s, const struct pin_line *line)
{
	char text[PIN_LINE_MAX + 1];
	size_t length = pin_line_write(line, text);
	ssize_t sent = send(s->fd, text, length, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent < 0)
		return -errno;
	return (size_t)sent == length ? 0 : -EIO; /* half a line cannot be taken back */
}

static int socket_breaker(struct pins *pins, unsigned outlet, bool close)
{
	return say(of(pins), &(struct pin_line){.word = PIN_BREAKER, .outlet = (int)outlet, .value = close});
}

static int socket_pulse(struct pins *pins, int outlet, int64_t pulse_ms)
{
	return say(of(pins), &(struct pin_line){.word = PIN_PULSE, .outlet = outlet, .value = pulse_ms});
}

static int socket_fd(const struct pins *pins)
{
	return of(pins)->fd;
}

/* Takes the first line of what has come. 1, 0 when there is no whole one, -EPROTO when it is none of a box's. */
static int take_line(struct socket_pins *s, struct pin_line *line)
{
	const char *end = memchr(s->bytes, '\n', s->count);
	if (end == NULL)
		return s->count >= PIN_LINE_MAX ? -EPROTO : 0;
	size_t length = (size_t)(end - s->bytes);
	bool sound = pin_line_read(s->bytes, length, line);
	s->count -= length + 1;
	memmove(s->bytes, end + 1, s->count);
	return sound ? 1 : -EPROTO;
}

/* 1 when bytes came, 0 when there are none now, or negative errno. */
static int receive(struct socket_pins *s)
{
	ssize_t got = recv(s->fd, s->bytes + s->count, sizeof s->bytes - s->count, MSG_DONTWAIT);
	if (got == 0)
		return -EPIPE;
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	s->count += (size_t)got;
	return 1;
}

/* Whether the line is about an input that is fitted; then *event is filled. */
static bool is_event(const struct socket_pins *s, const struct pin_line *line, struct pin_event *event)
{
	bool metering = line->outlet < 0;
	if (!metering && (unsigned)line->outlet >= s->outlet_count)
		return false;
	event->outlet = metering ? 0 : (unsigned)line->outlet;
	event->level = line->value != 0;
	if (line->word == PIN_CONTACT && !metering) {
		event->input = PIN_INPUT_CONTACT;
		return s->contact_fitted[event->outlet];
	}
	if (line->word != PIN_DOOR)
		return false;
	event->input = metering ? PIN_INPUT_METERING_DOOR : PIN_INPUT_USER_DOOR;
	return metering ? s->metering_door_fitted : s->door_fitted[event->outlet];
}

static int socket_next(struct pins *pins, struct pin_event *event)
{
	struct socket_pins *s = of(pins);
	struct pin_line line;
	for (;;) {
		int got = take_line(s, &line);
		if (got == 0 && (got = receive(s)) == 1)
			continue;
		if (got != 1)
			return got;
		if (line.word == PIN_BREAKER || line.word == PIN_PULSE)
			return -EPROTO; /* that is for us to say */
		else if (is_event(s, &line, event))
			return 1;
	}
}

static void socket_close(struct pins *pins)
{
	struct socket_pins *s = of(pins);
	for (unsigned i = 0; i < s->outlet_count; i++)
		socket_breaker(pins, i, false); /* a box that is gone has dropped them already */
	close(s->fd);
	free(s);
}

static const struct pins_ops socket_ops = {
	.name = "socket",
	.close = socket_close,
	.breaker = socket_breaker,
	.pulse = socket_pulse,
	.fd = socket_fd,
	.next = socket_next,
};

/* Waits until the box has said "ready". Its lines stay for socket_next(). 0 or negative errno. */
static int await_ready(struct socket_pins *s)
{
	int64_t deadline = tty_now_ms() + READY_MS;
	while (memmem(s->bytes, s->count, "ready\n", 6) == NULL) {
		struct pollfd poll_fd = {.fd = s->fd, .events = POLLIN};
		int64_t left = deadline - tty_now_ms();
		if (left <= 0 || s->count == sizeof s->bytes)
			return -ETIMEDOUT;
		if (poll(&poll_fd, 1, (int)left) < 0 && errno != EINTR)
			return -errno;
		int got = receive(s);
		if (got < 0)
			return got;
	}
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	assert(strlen(path) < sizeof address.sun_path); /* the configuration's check */
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	int result = -errno;
	close(fd);
	return result;
}

static void note_fitted(struct socket_pins *s, const struct pins_config *config)
{
	s->outlet_count = config->outlet_count;
	s->metering_door_fitted = config->metering_door.chip[0] != '\0';
	for (unsigned i = 0; i < config->outlet_count; i++) {
		s->contact_fitted[i] = config->outlets[i].contact.chip[0] != '\0';
		s->door_fitted[i] = config->outlets[i].door.chip[0] != '\0';
	}
}

int pins_socket_open(const struct pins_config *config, struct pins **pins, struct pins_error *error)
{
	struct socket_pins *s = calloc(1, sizeof *s);
	if (s == NULL)
		return pins_fail(error, -ENOMEM, "out of memory");
	s->pins.ops = &socket_ops;
	note_fitted(s, config);
	s->fd = connect_to(config->socket);
	int result = s->fd < 0 ? s->fd : await_ready(s);
	for (unsigned i = 0; i < config->outlet_count && result == 0; i++)
		if (!config->outlets[i].latching)
			result = socket_breaker(&s->pins, i, false);
	if (result == 0) {
		*pins = &s->pins;
		return 0;
	}
	if (s->fd >= 0)
		close(s->fd);
	free(s);
	return pins_fail(
		error, result, "pins socket %s: %s: is the simulated box running?", config->socket, strerror(-result));
}
