/* feecontrol/price.h: from energy to a bill, and from credit to energy.
 *
 * Pure room: libc only. The box and the server price with these same functions. */
#ifndef FEECONTROL_PRICE_H
#define FEECONTROL_PRICE_H

#include <stddef.h>

#include "tariff.h"

enum fee_line_kind {
	FEE_LINE_ENERGY,
	FEE_LINE_SERVICE,
	FEE_LINE_START,
};

#define FEE_BILL_LINES_MAX (FEE_RATES_MAX + 2)

struct fee_line {
	enum fee_line_kind kind;
	uint32_t rate; /* of an energy line */
	int64_t quantity; /* milliwatt-hours; 1 for a start fee */
	int64_t price_micros; /* per kWh; the fee itself for a start fee */
	int64_t amount_micros; /* rounded once, to the tariff's quantum */
};

struct fee_bill {
	struct fee_line lines[FEE_BILL_LINES_MAX]; /* only lines whose price is above 0 */
	size_t line_count;
	int64_t total_micros; /* the sum of the lines, exactly */
};

/* The line's name as receipts write it ("energy", "service", "start"). Never NULL. */
const char *fee_line_name(enum fee_line_kind kind);

/* Prices energy (each part and the total 0 to FEE_ENERGY_MAX_MWH) by a tariff that fee_tariff_fault() accepts. One energy
 * line for each rate that was used. Zero energy costs nothing, the start fee included: such a bill has no lines.
 * The total never falls when the energy grows. False, with *bill unchanged, when an amount would pass
 * FEE_MONEY_MAX_MICROS, or when some of the energy is of a rate that the tariff does not have. */
bool fee_price(const struct fee_tariff *tariff, const struct fee_energy *energy, struct fee_bill *bill);

/* The largest total energy, in milliwatt-hours, whose bill is not above credit_micros when what is in `used` of other
 * rates stays and all the rest is used at `rate`; at most FEE_ENERGY_MAX_MWH. The total of the other rates alone, or less,
 * when the credit does not pay for any of this one. */
int64_t fee_affordable_mwh(const struct fee_tariff *tariff, const struct fee_energy *used, uint32_t rate,
			   int64_t credit_micros);

/* The most that more_mwh on top of energy_mwh can add to a bill, whatever the rate and the rounding; saturates at
 * FEE_MONEY_MAX_MICROS. */
int64_t fee_headroom_micros(const struct fee_tariff *tariff, int64_t energy_mwh, int64_t more_mwh);

#endif
