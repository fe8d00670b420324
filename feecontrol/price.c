/* feecontrol/price.c: see price.h. */
#include "price.h"

#include <assert.h>

static const char *const line_names[] = {
	[FEE_LINE_ENERGY] = "energy",
	[FEE_LINE_SERVICE] = "service",
	[FEE_LINE_START] = "start",
};

const char *fee_line_name(enum fee_line_kind kind)
{
	assert((size_t)kind < sizeof line_names / sizeof *line_names);
	return line_names[kind];
}

/* Adds one line of quantity * price / per. Rounding straight from the exact product to the quantum is the line's only
 * rounding: first to micros and then to the quantum would round twice. */
static bool add_line(struct fee_bill *bill, const struct fee_tariff *tariff, struct fee_line line, int64_t per)
{
	int64_t multiples;
	if (line.price_micros == 0)
		return true;
	if (!fee_mul_div(
		    line.quantity, line.price_micros, per * tariff->quantum_micros, tariff->rounding, &multiples) ||
	    __builtin_mul_overflow(multiples, tariff->quantum_micros, &line.amount_micros) ||
	    line.amount_micros > FEE_MONEY_MAX_MICROS - bill->total_micros)
		return false;
	bill->lines[bill->line_count++] = line;
	bill->total_micros += line.amount_micros;
	return true;
}

bool fee_price(const struct fee_tariff *tariff, int64_t energy_mwh, struct fee_bill *bill)
{
	assert(fee_tariff_fault(tariff) == NULL);
	assert(energy_mwh >= 0 && energy_mwh <= FEE_ENERGY_MAX_MWH);
	struct fee_bill sum = {0};
	struct fee_line energy = {
		.kind = FEE_LINE_ENERGY, .quantity = energy_mwh, .price_micros = tariff->energy_price_micros};
	struct fee_line service = {
		.kind = FEE_LINE_SERVICE, .quantity = energy_mwh, .price_micros = tariff->service_price_micros};
	struct fee_line start = {.kind = FEE_LINE_START, .quantity = 1, .price_micros = tariff->start_fee_micros};
	if (energy_mwh > 0 && (!add_line(&sum, tariff, energy, FEE_MWH_PER_KWH) ||
			       !add_line(&sum, tariff, service, FEE_MWH_PER_KWH) || !add_line(&sum, tariff, start, 1)))
		return false;
	*bill = sum;
	return true;
}

int64_t fee_affordable_mwh(const struct fee_tariff *tariff, int64_t credit_micros)
{
	struct fee_bill bill;
	int64_t low = 0; /* always affordable */
	int64_t high = FEE_ENERGY_MAX_MWH + 1; /* never considered affordable */
	if (credit_micros < 0)
		return 0;
	/* The total never falls with the energy, so bisection finds the last affordable value for any rounding. */
	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;
		if (fee_price(tariff, middle, &bill) && bill.total_micros <= credit_micros)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int64_t fee_headroom_micros(const struct fee_tariff *tariff, int64_t energy_mwh, int64_t more_mwh)
{
	const int64_t prices[] = {tariff->energy_price_micros, tariff->service_price_micros};
	int64_t sum = energy_mwh == 0 ? tariff->start_fee_micros + tariff->quantum_micros : 0;
	for (size_t i = 0; i < sizeof prices / sizeof *prices; i++) {
		int64_t more;
		/* A line rounded at both ends may move by one quantum more than its exact amount. */
		if (!fee_mul_div(more_mwh, prices[i], FEE_MWH_PER_KWH, FEE_ROUND_UP, &more) ||
		    more > FEE_MONEY_MAX_MICROS - sum)
			return FEE_MONEY_MAX_MICROS;
		sum += more + (prices[i] > 0 ? tariff->quantum_micros : 0);
	}
	return sum < FEE_MONEY_MAX_MICROS ? sum : FEE_MONEY_MAX_MICROS;
}
