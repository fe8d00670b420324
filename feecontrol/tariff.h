/* feecontrol/tariff.h: what a kilowatt-hour costs.
 *
 * Pure room: libc only. A tariff is a value: whoever holds a copy owns it. */
#ifndef FEECONTROL_TARIFF_H
#define FEECONTROL_TARIFF_H

#include "units.h"

#define FEE_TARIFF_ID_SIZE 33 /* 32 characters and the NUL */
#define FEE_CURRENCY_SIZE 4 /* ISO 4217 and the NUL */

/* A flat tariff: the same price at any time of day. */
struct fee_tariff {
	char id[FEE_TARIFF_ID_SIZE];
	uint32_t version;
	char currency[FEE_CURRENCY_SIZE];
	int64_t energy_price_micros; /* per kWh */
	int64_t service_price_micros; /* per kWh, beside the energy price; 0 for none */
	int64_t start_fee_micros; /* once per session that used energy; 0 for none */
	int64_t quantum_micros; /* every receipt line is a multiple of this: 10000 is a cent */
	enum fee_rounding rounding; /* of every receipt line, to the quantum */
};

/* NULL for a tariff that can be billed, else a sentence that says which field is wrong and what is allowed. */
const char *fee_tariff_fault(const struct fee_tariff *tariff);

#endif
