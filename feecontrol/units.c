/* feecontrol/units.c: see units.h. */
#include "units.h"

#include <assert.h>

/* An unsigned number of 128 bits. The compiler's __int128 does not exist on 32-bit ARM. */
struct wide {
	uint64_t high;
	uint64_t low;
};

static struct wide wide_product(uint64_t a, uint64_t b)
{
	const uint64_t mask = UINT32_MAX;
	uint64_t low = (a & mask) * (b & mask);
	uint64_t cross = (a >> 32) * (b & mask) + (low >> 32);
	uint64_t cross_low = (a & mask) * (b >> 32) + (cross & mask);
	return (struct wide){
		.high = (a >> 32) * (b >> 32) + (cross >> 32) + (cross_low >> 32),
		.low = (cross_low << 32) | (low & mask),
	};
}

/* Schoolbook division, a bit at a time; divisor < 2^63. False when the quotient needs more than 64 bits. */
static bool wide_divide(struct wide dividend, uint64_t divisor, uint64_t *quotient, uint64_t *rest)
{
	if (dividend.high >= divisor)
		return false;
	*quotient = 0;
	*rest = dividend.high;
	for (int bit = 63; bit >= 0; bit--) {
		*rest = (*rest << 1) | ((dividend.low >> bit) & 1);
		*quotient <<= 1;
		if (*rest >= divisor) {
			*rest -= divisor;
			*quotient |= 1;
		}
	}
	return true;
}

bool fee_mul_div(int64_t a, int64_t b, int64_t divisor, enum fee_rounding rounding, int64_t *result)
{
	assert(a >= 0 && b >= 0 && divisor >= 1);
	uint64_t d = (uint64_t)divisor;
	uint64_t product;
	uint64_t quotient;
	uint64_t rest;
	if (!__builtin_mul_overflow((uint64_t)a, (uint64_t)b, &product)) {
		quotient = product / d;
		rest = product % d;
	} else if (!wide_divide(wide_product((uint64_t)a, (uint64_t)b), d, &quotient, &rest)) {
		return false;
	}
	bool up = (rounding == FEE_ROUND_UP && rest != 0) || (rounding == FEE_ROUND_HALF_UP && rest >= d - rest);
	if (quotient > (uint64_t)INT64_MAX - up)
		return false;
	*result = (int64_t)(quotient + up);
	return true;
}

bool fee_round_to(int64_t value, int64_t quantum, enum fee_rounding rounding, int64_t *result)
{
	int64_t multiples;
	int64_t rounded;
	if (!fee_mul_div(value, 1, quantum, rounding, &multiples) ||
	    __builtin_mul_overflow(multiples, quantum, &rounded))
		return false;
	*result = rounded;
	return true;
}
