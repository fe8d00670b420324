/* hal/io/tty.c: see tty.h.
 *
 * Room: hal/core, libc, termios. */
#include "tty.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define POLL_MAX_MS 60000 /* of one poll(); a longer wait takes several */

int64_t tty_now_ms(void)
{
	struct timespec t = {0};
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* A pty keeps TIOCEXCL when its last user is gone: after a crash nobody but root could open it again. */
static bool keeps_exclusive(int fd)
{
	char name[sizeof "/dev/pts/" + 10];
	return ttyname_r(fd, name, sizeof name) == 0 && strncmp(name, "/dev/pts/", strlen("/dev/pts/")) == 0;
}

/* The lock comes before anything that another program's port would feel; TIOCEXCL does not stop root. Raw at once: a line
 * that echoes would talk to the meters. */
static int claim(int fd)
{
	struct termios t;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (!isatty(fd))
		return -ENOTTY;
	if ((!keeps_exclusive(fd) && ioctl(fd, TIOCEXCL) < 0) || tcgetattr(fd, &t) < 0)
		return -errno;
	cfmakeraw(&t);
	return tcsetattr(fd, TCSANOW, &t) == 0 ? 0 : -errno;
}

int tty_open(const char *device)
{
	int fd = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int result = claim(fd);
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

void tty_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

static int speed_of(unsigned baud, speed_t *speed)
{
	static const struct {
		unsigned baud;
		speed_t speed;
	} speeds[] = {
		{300, B300},
		{600, B600},
		{1200, B1200},
		{2400, B2400},
		{4800, B4800},
		{9600, B9600},
		{19200, B19200},
		{38400, B38400},
		{57600, B57600},
		{115200, B115200},
	};
	for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++) {
		if (speeds[i].baud == baud) {
			*speed = speeds[i].speed;
			return 0;
		}
	}
	return -EINVAL;
}

int tty_configure(int fd, const struct line_settings *line)
{
	struct termios t;
	speed_t speed;
	if (speed_of(line->baud, &speed) < 0 || line_settings_fault(line) != NULL)
		return -EINVAL;
	if (tcgetattr(fd, &t) < 0)
		return -errno;
	cfmakeraw(&t);
	t.c_cflag &= (tcflag_t) ~(CSIZE | CSTOPB | PARENB | PARODD | CRTSCTS);
	t.c_cflag |= CLOCAL | CREAD | (line->data_bits == 7 ? CS7 : CS8);
	if (line->stop_bits == 2)
		t.c_cflag |= CSTOPB;
	if (line->parity != PARITY_NONE)
		t.c_cflag |= PARENB;
	if (line->parity == PARITY_ODD)
		t.c_cflag |= PARODD;
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 0;
	cfsetispeed(&t, speed);
	cfsetospeed(&t, speed);
	return tcsetattr(fd, TCSAFLUSH, &t) == 0 ? 0 : -errno;
}

/* Waits for events until deadline_ms. 1, 0 at the deadline, or negative errno. */
static int wait_for(int fd, short events, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		int64_t left = deadline_ms - tty_now_ms();
		int ready = poll(&p, 1, left <= 0 ? 0 : left < POLL_MAX_MS ? (int)left : POLL_MAX_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready < 0)
			return -errno;
		if (ready > 0)
			return (p.revents & events) != 0 ? 1 : -EIO; /* hung up: the adapter is gone */
		if (left <= 0)
			return 0;
	}
}

int tty_write(int fd, const uint8_t *bytes, size_t count, int64_t deadline_ms)
{
	while (count > 0) {
		ssize_t written = write(fd, bytes, count);
		if (written < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (written > 0) {
			bytes += written;
			count -= (size_t)written;
			continue;
		}
		int ready = wait_for(fd, POLLOUT, deadline_ms);
		if (ready <= 0)
			return ready < 0 ? ready : -ETIMEDOUT;
	}
	return 0;
}

int tty_read(int fd, uint8_t *bytes, size_t size, int64_t deadline_ms)
{
	for (;;) {
		int ready = wait_for(fd, POLLIN, deadline_ms);
		if (ready <= 0)
			return ready;
		ssize_t got = read(fd, bytes, size);
		if (got > 0)
			return (int)got;
		if (got == 0)
			return -EIO;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}

int64_t tty_wire_ms(const struct line_settings *line, size_t count)
{
	unsigned bits = 1 + line->data_bits + (line->parity != PARITY_NONE) + line->stop_bits;
	return ((int64_t)count * bits * 1000 + line->baud - 1) / line->baud;
}
