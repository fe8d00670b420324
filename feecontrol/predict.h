/* feecontrol/predict.h: where the register will be, between two steps of a register that counts in steps.
 *
 * Pure room: libc only. Prediction decides when to open a breaker; it never reaches a bill. */
#ifndef FEECONTROL_PREDICT_H
#define FEECONTROL_PREDICT_H

#include "units.h"

/* One outlet's predictor. All fields are its own; start it with fee_predictor_start(). */
struct fee_predictor {
	int64_t step_mwh; /* the register's resolution */
	int64_t register_mwh; /* at the last reading */
	int64_t power_mw; /* at the last reading */
	int64_t at_ms; /* monotonic moment of the last reading */
	int64_t since_step_uj; /* energy since the register last stepped, microjoules (milliwatt-milliseconds) */
};

/* Starts from one reading, with nothing known of the energy since the last step.
 * step_mwh is at least 1; register, power (clamped to 0..FEE_POWER_MAX_MW) in the units of the names. */
void fee_predictor_start(struct fee_predictor *p, int64_t step_mwh, int64_t register_mwh, int64_t power_mw,
			 int64_t at_ms);

/* Takes the next reading: integrates the power since the one before, forgets it when the register has moved.
 * Readings older than the last one are ignored. */
void fee_predictor_reading(struct fee_predictor *p, int64_t register_mwh, int64_t power_mw, int64_t at_ms);

/* The register that exact counting would show at now_ms: the last one plus what was integrated, by at most one step,
 * because a whole step more would have shown on the register. */
int64_t fee_predictor_estimate_mwh(const struct fee_predictor *p, int64_t now_ms);

/* The moment, not before p->at_ms, at which the estimate reaches target_mwh if power stays as it is;
 * FEE_NEVER_MS when it would take more than the current step, or when no power flows. */
int64_t fee_predictor_reach_ms(const struct fee_predictor *p, int64_t target_mwh);

/* Energy of power_mw over duration_ms, both at least 0, rounded up to a milliwatt-hour; saturates at
 * FEE_ENERGY_MAX_MWH. */
int64_t fee_energy_mwh(int64_t power_mw, int64_t duration_ms);

/* Time that power_mw needs for energy_mwh, rounded down to a millisecond; FEE_NEVER_MS when no power flows. */
int64_t fee_duration_ms(int64_t energy_mwh, int64_t power_mw);

/* The bound of behaviour.md: one step + rated power x (age of the reading + opening time), in milliwatt-hours. */
int64_t fee_overdraft_bound_mwh(int64_t step_mwh, int64_t rated_mw, int64_t age_ms, int64_t opening_ms);

#endif
