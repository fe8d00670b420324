/* hal/core/moment.h: one instant, as every event carries it.
 *
 * Pure room: libc only. Nothing here reads a clock: the two shells (daemon, simulator) do, and inject the moment. */
#ifndef HAL_CORE_MOMENT_H
#define HAL_CORE_MOMENT_H

#include <stdint.h>

/* A monotonic moment that never comes. */
#define MOMENT_NEVER INT64_MAX

enum time_quality {
	TIME_UNKNOWN, /* nobody has told the time since boot */
	TIME_RELATIVE, /* somebody's who may be wrong: the server's Date, a meter's clock */
	TIME_SYNCHRONISED, /* NTP's, or a system clock that the configuration trusts */
};

struct moment {
	int64_t mono_ms; /* CLOCK_MONOTONIC: durations; starts anew at each boot */
	int64_t wall_ms; /* Unix time, UTC; means something only with a quality above TIME_UNKNOWN */
	enum time_quality quality;
};

static inline int64_t moment_earlier(int64_t a_ms, int64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

#endif
