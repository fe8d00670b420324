/* feecontrol/units.h: integers for energy and money, and the one multiplication that joins them.
 *
 * Pure room: libc only; no clock, no float, no I/O.
 * Energy is in milliwatt-hours (mwh: never megawatt-hours), power in milliwatts, money in micros: millionths of the
 * currency unit. Durations are in milliseconds. */
#ifndef FEECONTROL_UNITS_H
#define FEECONTROL_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#define FEE_MWH_PER_KWH INT64_C(1000000)
#define FEE_MS_PER_HOUR INT64_C(3600000)
#define FEE_MS_PER_MIN INT64_C(60000)

/* No such moment: later than any clock shows. */
#define FEE_NEVER_MS INT64_MAX

/* Upper limits of every input. Both stay below 2^53, so that JSON carries them exactly. */
#define FEE_ENERGY_MAX_MWH INT64_C(1000000000000000) /* 10^9 kWh: ten digits, more than any register has */
#define FEE_MONEY_MAX_MICROS INT64_C(1000000000000000) /* 10^9 currency units */
#define FEE_QUANTUM_MAX_MICROS INT64_C(1000000000) /* 1000 currency units */
#define FEE_POWER_MAX_MW INT64_C(1000000000) /* 1 MW: far above any outlet */

enum fee_rounding {
	FEE_ROUND_DOWN,
	FEE_ROUND_HALF_UP,
	FEE_ROUND_UP,
};

/* a * b / divisor, computed in 128 bits and rounded once. a and b are at least 0, divisor at least 1.
 * False, with *result unchanged, when the result does not fit into int64_t. */
bool fee_mul_div(int64_t a, int64_t b, int64_t divisor, enum fee_rounding rounding, int64_t *result);

/* value rounded to a multiple of quantum (at least 1). False, with *result unchanged, on overflow. */
bool fee_round_to(int64_t value, int64_t quantum, enum fee_rounding rounding, int64_t *result);

#endif
