/* src/daemon/wall_clock.h: what time it is, and how far that can be believed.
 *
 * Room: src/daemon. The only place of the daemon that reads a clock for the heart. */
#ifndef WALL_CLOCK_H
#define WALL_CLOCK_H

#include <stdbool.h>

#include "moment.h"

struct wall_clock {
	bool trust_system; /* the system's clock counts as synchronised, whatever the kernel says */
	int64_t floor_ms; /* no clock that is behind this is believed, but one that NTP has set */
	int64_t checked_ms; /* when the kernel was asked last whether its clock is synchronised; INT64_MIN: never */
	bool synchronised;
	bool by_ntp; /* the kernel says so, and not only the configuration */
	bool meter_known;
	int64_t meter_offset_ms; /* the meter's wall time minus monotonic time */
	bool server_known;
	int64_t server_offset_ms; /* likewise */
};

void wall_clock_init(struct wall_clock *c, bool trust_system);

/* Some time of a synchronised clock, from the ledger: now is later. */
void wall_clock_floor(struct wall_clock *c, int64_t wall_ms);

/* A meter's clock showed clock_ms (Unix time) at mono_ms. The first believable one counts until the process ends, so that
 * several meters do not make time jump. */
void wall_clock_meter(struct wall_clock *c, int64_t clock_ms, int64_t mono_ms);

/* The authenticated server said that it was wall_ms (Unix time) at mono_ms. It counts before a meter's clock and behind a
 * synchronised one. A believable one stays as it is until the server's differs by more than a few seconds: each small
 * delay of a network would make time jump. */
void wall_clock_server(struct wall_clock *c, int64_t wall_ms, int64_t mono_ms);

/* Now. */
struct moment wall_clock_now(struct wall_clock *c);

/* Who says so: "ntp", "system", "server", "meter", or "nobody". */
const char *wall_clock_source(struct wall_clock *c);

/* Monotonic milliseconds. */
int64_t monotonic_now_ms(void);

#endif
