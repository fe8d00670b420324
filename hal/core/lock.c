/* hal/core/lock.c: see lock.h. */
#include "lock.h"

void lock_init(struct lock *l, int64_t pulse_ms, int64_t rest_ms, int64_t now_ms)
{
	*l = (struct lock){.pulse_ms = pulse_ms, .rest_ms = rest_ms, .ready_at_ms = now_ms + rest_ms};
}

int64_t lock_pulse(struct lock *l, int64_t now_ms)
{
	if (now_ms < l->ready_at_ms)
		return 0;
	l->ready_at_ms = now_ms + l->pulse_ms + l->rest_ms;
	return l->pulse_ms;
}

int64_t lock_ready_at(const struct lock *l)
{
	return l->ready_at_ms;
}
