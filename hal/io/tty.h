/* hal/io/tty.h: a serial port that one process owns.
 *
 * Room: hal/core, libc, termios. */
#ifndef HAL_IO_TTY_H
#define HAL_IO_TTY_H

#include <stddef.h>
#include <stdint.h>

#include "meter_model.h"

/* Opens device for this process alone (flock before anything is touched, then TIOCEXCL), raw, not blocking. Returns the
 * descriptor; -EBUSY when another program has it, -ENOTTY when it is no serial port, or open()'s negative errno. */
int tty_open(const char *device);

/* Sets the line as wanted and drops what it has received. 0; -EINVAL for a baud rate that it cannot do; or negative
 * errno, after which the port is to be closed. */
int tty_configure(int fd, const struct line_settings *line);

/* Writes all of it and waits until deadline_ms (monotonic) for the driver to take it. 0, -ETIMEDOUT or negative errno. */
int tty_write(int fd, const uint8_t *bytes, size_t count, int64_t deadline_ms);

/* Waits for bytes until deadline_ms. Their number, 0 at the deadline, -EIO when the port is gone, or negative errno. */
int tty_read(int fd, uint8_t *bytes, size_t size, int64_t deadline_ms);

/* A negative fd is allowed. */
void tty_close(int fd);

/* Monotonic milliseconds, which the deadlines here are in. */
int64_t tty_now_ms(void);

/* How long count bytes take on the line, in milliseconds, rounded up. */
int64_t tty_wire_ms(const struct line_settings *line, size_t count);

#endif
