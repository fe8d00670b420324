/* hal/core/lock.h: when an electric lock may be pulsed, and for how long.
 *
 * Pure room: libc only. The coil's own protection against staying on lives in the driver; this machine keeps the pulse
 * within its rating and the rest between two pulses. */
#ifndef HAL_CORE_LOCK_H
#define HAL_CORE_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct lock {
	int64_t pulse_ms; /* the coil's rated time */
	int64_t rest_ms; /* from the end of one pulse to the start of the next */
	int64_t ready_at_ms; /* monotonic: the next pulse may start here */
};

/* Both times at least 0. A coil whose history is unknown (now_ms is just after boot) rests first. */
void lock_init(struct lock *l, int64_t pulse_ms, int64_t rest_ms, int64_t now_ms);

/* The time to pulse the coil for, in milliseconds, and the rest begins; 0 when the coil still rests. */
int64_t lock_pulse(struct lock *l, int64_t now_ms);

/* When lock_pulse() will next be granted, monotonic; in the past when it would be granted now. */
int64_t lock_ready_at(const struct lock *l);

#endif
