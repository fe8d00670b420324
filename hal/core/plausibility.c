/* hal/core/plausibility.c: see plausibility.h. */
#include "plausibility.h"

#include <string.h>

/* The time of the primed register is not known: this mark says so. */
#define TIME_NOT_KNOWN INT64_MIN

/* Over a boot nobody knows how long the register counted on. Up to this much needs no second opinion. */
#define UNSEEN_MS INT64_C(86400000)

#define UJ_PER_MWH INT64_C(3600000)

/* Meters are read at their own pace: a register may show energy of up to this much before the reading before. */
#define TIME_SLACK_MS 5000

void plausibility_init(struct plausibility_gate *g, int64_t rated_mw, int64_t step_mwh)
{
	*g = (struct plausibility_gate){.rated_mw = rated_mw, .step_mwh = step_mwh, .trusted_ms = TIME_NOT_KNOWN};
}

void plausibility_prime(struct plausibility_gate *g, const char *serial, int64_t register_mwh)
{
	g->primed = true;
	g->trusted_mwh = register_mwh;
	g->trusted_ms = TIME_NOT_KNOWN;
	g->doubts = 0;
	strncpy(g->serial, serial, sizeof g->serial - 1);
	g->serial[sizeof g->serial - 1] = '\0';
}

/* Energy in microjoules (milliwatt-milliseconds) that the breaker may carry in a time: twice its rating, because it
 * carries an overload for a while before it acts. Saturates. */
static int64_t carried_uj(const struct plausibility_gate *g, int64_t duration_ms)
{
	int64_t uj;
	return __builtin_mul_overflow(2 * g->rated_mw, duration_ms, &uj) ? INT64_MAX : uj;
}

/* How far the register may run ahead of what the breaker carries: readings out of time by TIME_SLACK_MS, and two
 * steps. */
static int64_t tolerance_uj(const struct plausibility_gate *g)
{
	return carried_uj(g, TIME_SLACK_MS) + 2 * g->step_mwh * UJ_PER_MWH;
}

/* A leaking bucket: what the register rises fills it, what the breaker carries drains it, so that the tolerance counts
 * once and not for every reading. False, with the bucket unchanged, when it would overflow. */
static bool rise_fits(struct plausibility_gate *g, int64_t register_mwh, int64_t now_ms)
{
	int64_t level_uj;
	if (g->trusted_ms == TIME_NOT_KNOWN) {
		g->ahead_uj = 0;
		return register_mwh - g->trusted_mwh <= carried_uj(g, UNSEEN_MS) / UJ_PER_MWH;
	}
	int64_t drained_uj = now_ms > g->trusted_ms ? carried_uj(g, now_ms - g->trusted_ms) : 0;
	if (__builtin_mul_overflow(register_mwh - g->trusted_mwh, UJ_PER_MWH, &level_uj) ||
	    __builtin_add_overflow(level_uj, g->ahead_uj, &level_uj))
		return false;
	level_uj = level_uj > drained_uj ? level_uj - drained_uj : 0;
	if (level_uj > tolerance_uj(g))
		return false;
	g->ahead_uj = level_uj;
	return true;
}

/* Whether two doubtful readings tell the same story: one meter, counting on as a load may make it. */
static bool doubts_agree(const struct plausibility_gate *g, const struct meter_reading *reading)
{
	int64_t carried_mwh = carried_uj(g, reading->mono_ms - g->doubtful_ms) / UJ_PER_MWH;
	return strcmp(g->doubtful_serial, reading->serial) == 0 && reading->register_mwh >= g->doubtful_mwh &&
	       reading->mono_ms >= g->doubtful_ms &&
	       reading->register_mwh - g->doubtful_mwh <= carried_mwh + 2 * g->step_mwh;
}

/* Counts a doubt; doubts only add up while the readings agree with one another. */
static bool doubt_confirmed(struct plausibility_gate *g, const struct meter_reading *reading)
{
	bool agrees = g->doubts > 0 && doubts_agree(g, reading);
	g->doubts = agrees ? g->doubts + 1 : 1;
	g->doubtful_mwh = reading->register_mwh;
	g->doubtful_ms = reading->mono_ms;
	memcpy(g->doubtful_serial, reading->serial, sizeof g->doubtful_serial);
	return g->doubts >= PLAUSIBILITY_CONFIRMATIONS;
}

enum plausibility plausibility_judge(struct plausibility_gate *g, const struct meter_reading *reading)
{
	if (reading->register_mwh < 0)
		return READING_HELD;
	if (!g->primed) {
		g->primed = true;
		memcpy(g->serial, reading->serial, sizeof g->serial);
	} else if (strcmp(g->serial, reading->serial) != 0) {
		return doubt_confirmed(g, reading) ? READING_OTHER_METER : READING_HELD;
	} else if (reading->register_mwh < g->trusted_mwh || !rise_fits(g, reading->register_mwh, reading->mono_ms)) {
		return doubt_confirmed(g, reading) ? READING_IMPLAUSIBLE : READING_HELD;
	}
	g->doubts = 0;
	g->trusted_mwh = reading->register_mwh;
	g->trusted_ms = reading->mono_ms;
	return READING_TRUSTED;
}
