/* hal/core/debounce.h: a contact that bounces, seen as one that does not.
 *
 * Pure room: libc only. */
#ifndef HAL_CORE_DEBOUNCE_H
#define HAL_CORE_DEBOUNCE_H

#include <stdbool.h>
#include <stdint.h>

/* A level counts once it has stood still for settle_ms. */
struct debounce {
	int64_t settle_ms;
	int64_t raw_since_ms;
	bool raw;
	bool known; /* no level has counted yet: the first one still has to settle */
	bool stable;
	bool started;
};

/* settle_ms is at least 0. */
void debounce_init(struct debounce *d, int64_t settle_ms);

/* Takes a raw level at now_ms. True when a stable level changed, or became known, in this very call. */
bool debounce_input(struct debounce *d, bool level, int64_t now_ms);

/* Lets time pass. True when the stable level changed, or became known, in this very call. */
bool debounce_tick(struct debounce *d, int64_t now_ms);

/* When debounce_tick() has something to do next; MOMENT_NEVER when nothing is pending. */
int64_t debounce_deadline(const struct debounce *d);

#endif
