/* src/box/until_full.c: see until_full.h.
 *
 * Pure room: src/model and what lies below. */
#include "until_full.h"

#include "moment.h"

#define ARM_MS INT64_C(60000) /* a motor's start, or a charger that looks at its battery, is shorter */

void until_full_begin(struct until_full *f)
{
	*f = (struct until_full){.known = false};
}

void until_full_on_reading(struct until_full *f, int64_t full_ma, const struct meter_reading *reading)
{
	bool drawing = reading->current_ma >= full_ma;
	if (!f->known || drawing != f->drawing) {
		f->known = true;
		f->drawing = drawing;
		f->since_ms = reading->mono_ms;
	}
	if (drawing && reading->mono_ms - f->since_ms >= ARM_MS)
		f->armed = true;
}

int64_t until_full_reached_ms(const struct until_full *f, int64_t full_ms)
{
	return f->armed && !f->drawing ? f->since_ms + full_ms : MOMENT_NEVER;
}
