/* tools/boxsim/boxsim_log.h: what happened in the box, as JSON lines with monotonic times.
 *
 * Room: boxsim; this file needs libc only. Each line is one write: nothing is kept back in this process, and a
 * killed one has told everything. */
#ifndef BOXSIM_LOG_H
#define BOXSIM_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOXSIM_NOBODY (-2) /* an event that belongs to no outlet and not to the metering box either */

struct event_log {
	int fd; /* -1: nothing is logged */
	int error; /* negative errno of the first write that failed; 0 */
};

/* Opens path for appending; NULL logs nothing. 0 or a negative errno. */
int event_log_open(struct event_log *log, const char *path);
void event_log_close(struct event_log *log);

/* One event with a number; key is "value", or "mwh" and the like. outlet is 0-based, -1 the metering box (written as
 * 0), BOXSIM_NOBODY none. mono_ms is CLOCK_MONOTONIC. Failures are kept in log->error. */
void event_log_number(struct event_log *log, int64_t mono_ms, const char *event, int outlet, const char *key,
		      int64_t value);

/* One event with a name and a number ("name" and "value"), or a text under any key. */
void event_log_named(struct event_log *log, int64_t mono_ms, const char *event, int outlet, const char *name,
		     int64_t value);
void event_log_text(struct event_log *log, int64_t mono_ms, const char *event, int outlet, const char *key,
		    const char *text);

/* Bytes of a line ("bytes", in hexadecimal); at most 260 are written. */
void event_log_bytes(struct event_log *log, int64_t mono_ms, const char *event, int outlet, const uint8_t *bytes,
		     size_t count);

#endif
