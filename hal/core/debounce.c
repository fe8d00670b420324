/* hal/core/debounce.c: see debounce.h. */
#include "debounce.h"

#include "moment.h"

void debounce_init(struct debounce *d, int64_t settle_ms)
{
	*d = (struct debounce){.settle_ms = settle_ms};
}

static bool pending(const struct debounce *d)
{
	return d->started && (!d->known || d->raw != d->stable);
}

bool debounce_tick(struct debounce *d, int64_t now_ms)
{
	if (!pending(d) || now_ms - d->raw_since_ms < d->settle_ms)
		return false;
	d->stable = d->raw;
	d->known = true;
	return true;
}

bool debounce_input(struct debounce *d, bool level, int64_t now_ms)
{
	/* A level that had already stood long enough counts before the new one replaces it. */
	bool changed = debounce_tick(d, now_ms);
	if (!d->started || level != d->raw) {
		d->started = true;
		d->raw = level;
		d->raw_since_ms = now_ms;
	}
	return debounce_tick(d, now_ms) || changed;
}

int64_t debounce_deadline(const struct debounce *d)
{
	return pending(d) ? d->raw_since_ms + d->settle_ms : MOMENT_NEVER;
}
