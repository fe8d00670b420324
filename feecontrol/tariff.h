/* feecontrol/tariff.h: what a kilowatt-hour costs, and when.
 *
 * Pure room: libc only. A tariff is a value: whoever holds a copy owns it. Wall times are Unix milliseconds, given by
 * the caller; the tariff itself says how far its local clock is from UTC. */
#ifndef FEECONTROL_TARIFF_H
#define FEECONTROL_TARIFF_H

#include "units.h"

#define FEE_TARIFF_ID_SIZE 33 /* 32 characters and the NUL */
#define FEE_CURRENCY_SIZE 4 /* ISO 4217 and the NUL */
#define FEE_RATE_NAME_SIZE 17
#define FEE_RATES_MAX 8 /* sharp, peak, flat, valley, deep valley are five */
#define FEE_PERIODS_MAX 24 /* of one day */
#define FEE_PERIOD_LEAST_MIN 15 /* between two changes of the rate: no reading is ever late by more */
#define FEE_DAY_MIN 1440

/* One price of a time-of-use tariff. */
struct fee_rate {
	char name[FEE_RATE_NAME_SIZE]; /* "peak", as receipts write it */
	int64_t price_micros; /* per kWh */
};

/* From this minute of the local day on, until the next period begins. */
struct fee_period {
	uint32_t from_min; /* 0 to 1439 */
	uint32_t rate; /* index of rates */
};

/* Either flat (rate_count is 0): the same price at any time of day; or by time of use. */
struct fee_tariff {
	char id[FEE_TARIFF_ID_SIZE];
	uint32_t version;
	char currency[FEE_CURRENCY_SIZE];
	int64_t energy_price_micros; /* per kWh; 0 beside rates */
	uint32_t rate_count;
	struct fee_rate rates[FEE_RATES_MAX]; /* each has its own name, and a period that uses it */
	uint32_t period_count; /* at least 1 beside rates; the first begins at 0 */
	struct fee_period periods[FEE_PERIODS_MAX];
	int64_t utc_offset_min; /* local clock minus UTC */
	int64_t service_price_micros; /* per kWh, beside the energy price; 0 for none */
	int64_t start_fee_micros; /* once per session that used energy; 0 for none */
	int64_t quantum_micros; /* every receipt line is a multiple of this: 10000 is a cent */
	enum fee_rounding rounding; /* of every receipt line, to the quantum */
};

/* The energy of a session, by rate. A flat tariff's is all at index 0. */
struct fee_energy {
	int64_t mwh[FEE_RATES_MAX];
};

/* NULL for a tariff that can be billed, else a sentence that says which field is wrong and what is allowed. */
const char *fee_tariff_fault(const struct fee_tariff *tariff);

/* Whether the price depends on the time of day. */
bool fee_by_time(const struct fee_tariff *tariff);

/* How many indices of struct fee_energy the tariff uses: 1 for a flat one. */
uint32_t fee_rates(const struct fee_tariff *tariff);

/* The price of a rate, micros per kWh. rate is below fee_rates(). */
int64_t fee_rate_price(const struct fee_tariff *tariff, uint32_t rate);

/* The rate that applies at a wall time. */
uint32_t fee_rate_at(const struct fee_tariff *tariff, int64_t wall_ms);

/* The next wall time above wall_ms at which another rate begins to apply; FEE_NEVER_MS when none does. */
int64_t fee_next_change_ms(const struct fee_tariff *tariff, int64_t wall_ms);

/* The rate with the lowest price, and the one with the highest, of those that some period uses. Of equal ones the
 * first. */
uint32_t fee_cheapest_rate(const struct fee_tariff *tariff);
uint32_t fee_dearest_rate(const struct fee_tariff *tariff);

/* The sum over all rates. */
int64_t fee_energy_total(const struct fee_energy *energy);

#endif
