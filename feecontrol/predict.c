/* feecontrol/predict.c: see predict.h. */
#include "predict.h"

#include <assert.h>

#define UJ_PER_MWH INT64_C(3600000) /* 1 mWh = 3.6 J */

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

/* Microjoules of a power over a time. Saturates: a predictor caps at one step long before. */
static int64_t energy_uj(int64_t power_mw, int64_t duration_ms)
{
	int64_t uj;
	return __builtin_mul_overflow(power_mw, duration_ms, &uj) ? INT64_MAX : uj;
}

static int64_t step_uj(const struct fee_predictor *p)
{
	return p->step_mwh * UJ_PER_MWH;
}

/* Energy since the last step at now_ms, at most one step. */
static int64_t integrated_uj(const struct fee_predictor *p, int64_t now_ms)
{
	int64_t more = now_ms > p->at_ms ? energy_uj(p->power_mw, now_ms - p->at_ms) : 0;
	int64_t room = step_uj(p) - p->since_step_uj;
	return p->since_step_uj + (more < room ? more : room);
}

void fee_predictor_start(struct fee_predictor *p, int64_t step_mwh, int64_t register_mwh, int64_t power_mw,
			 int64_t at_ms)
{
	assert(step_mwh >= 1 && step_mwh <= INT64_MAX / UJ_PER_MWH);
	*p = (struct fee_predictor){
		.step_mwh = step_mwh,
		.register_mwh = register_mwh,
		.power_mw = clamp(power_mw, 0, FEE_POWER_MAX_MW),
		.at_ms = at_ms,
	};
}

void fee_predictor_reading(struct fee_predictor *p, int64_t register_mwh, int64_t power_mw, int64_t at_ms)
{
	if (at_ms < p->at_ms)
		return;
	p->since_step_uj = register_mwh == p->register_mwh ? integrated_uj(p, at_ms) : 0;
	p->register_mwh = register_mwh;
	p->power_mw = clamp(power_mw, 0, FEE_POWER_MAX_MW);
	p->at_ms = at_ms;
}

int64_t fee_predictor_estimate_mwh(const struct fee_predictor *p, int64_t now_ms)
{
	return p->register_mwh + integrated_uj(p, now_ms) / UJ_PER_MWH;
}

int64_t fee_predictor_reach_ms(const struct fee_predictor *p, int64_t target_mwh)
{
	int64_t reach_ms;
	if (target_mwh <= p->register_mwh)
		return p->at_ms;
	if (target_mwh - p->register_mwh > p->step_mwh)
		return FEE_NEVER_MS;
	int64_t missing_uj = (target_mwh - p->register_mwh) * UJ_PER_MWH - p->since_step_uj;
	if (missing_uj <= 0)
		return p->at_ms;
	if (p->power_mw == 0)
		return FEE_NEVER_MS;
	int64_t needed_ms = missing_uj / p->power_mw + (missing_uj % p->power_mw != 0);
	return __builtin_add_overflow(p->at_ms, needed_ms, &reach_ms) ? FEE_NEVER_MS : reach_ms;
}

int64_t fee_energy_mwh(int64_t power_mw, int64_t duration_ms)
{
	int64_t mwh;
	if (!fee_mul_div(power_mw, duration_ms, FEE_MS_PER_HOUR, FEE_ROUND_UP, &mwh))
		return FEE_ENERGY_MAX_MWH;
	return clamp(mwh, 0, FEE_ENERGY_MAX_MWH);
}

int64_t fee_duration_ms(int64_t energy_mwh, int64_t power_mw)
{
	int64_t ms;
	if (power_mw <= 0 || !fee_mul_div(energy_mwh, FEE_MS_PER_HOUR, power_mw, FEE_ROUND_DOWN, &ms))
		return FEE_NEVER_MS;
	return ms;
}

int64_t fee_overdraft_bound_mwh(int64_t step_mwh, int64_t rated_mw, int64_t age_ms, int64_t opening_ms)
{
	int64_t duration_ms;
	if (__builtin_add_overflow(age_ms, opening_ms, &duration_ms))
		duration_ms = INT64_MAX;
	return step_mwh + fee_energy_mwh(rated_mw, duration_ms);
}
