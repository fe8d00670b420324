/* src/box/until_full.h: whether a session that is to end when its load is full has come to that.
 *
 * Pure room: src/model and what lies below. A load that has drawn at least the threshold for a minute in one go is
 * being charged: from then on a current below the threshold, for the grant's time in one go, means that it is full.
 * It is known of readings alone, and what two of them in a row say holds between them too: a gap that is too long for
 * that is a silent meter's, which ends the session by itself. Nothing of it outlives an opening of the breaker: then
 * the load has its minute again, and nobody is cut off by what was before. */
#ifndef BOX_UNTIL_FULL_H
#define BOX_UNTIL_FULL_H

#include <stdbool.h>
#include <stdint.h>

#include "reading.h"

struct until_full {
	bool known; /* a reading has come since the breaker closed */
	bool drawing; /* at the threshold or above, ... */
	int64_t since_ms; /* ... or below it, since the reading of this moment */
	bool armed;
};

/* The breaker closes: nothing is known. */
void until_full_begin(struct until_full *f);

/* A trusted reading, while the breaker is commanded closed. */
void until_full_on_reading(struct until_full *f, int64_t full_ma, const struct meter_reading *reading);

/* When it will be full, monotonic ms, if the current stays as it was; MOMENT_NEVER when that is not armed or drawing. */
int64_t until_full_reached_ms(const struct until_full *f, int64_t full_ms);

#endif
