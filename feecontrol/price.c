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

static bool add_energy_lines(struct fee_bill *bill, const struct fee_tariff *tariff, const struct fee_energy *energy)
{
	for (uint32_t rate = 0; rate < fee_rates(tariff); rate++) {
		struct fee_line line = {
			.kind = FEE_LINE_ENERGY,
			.rate = rate,
			.quantity = energy->mwh[rate],
			.price_micros = fee_rate_price(tariff, rate),
		};
		assert(line.quantity >= 0 && line.quantity <= FEE_ENERGY_MAX_MWH);
		if (line.quantity > 0 && !add_line(bill, tariff, line, FEE_MWH_PER_KWH))
			return false;
	}
	return true;
}

/* Whether something was used at a rate that the tariff does not have. */
static bool has_foreign_energy(const struct fee_tariff *tariff, const struct fee_energy *energy)
{
	for (uint32_t rate = fee_rates(tariff); rate < FEE_RATES_MAX; rate++) {
		if (energy->mwh[rate] != 0)
			return true;
	}
	return false;
}

bool fee_price(const struct fee_tariff *tariff, const struct fee_energy *energy, struct fee_bill *bill)
{
	int64_t total_mwh = fee_energy_total(energy);
	assert(tariff->quantum_micros > 0 && tariff->rate_count <= FEE_RATES_MAX); /* judged when it was read */
	assert(total_mwh >= 0 && total_mwh <= FEE_ENERGY_MAX_MWH);
	struct fee_bill sum = {0};
	struct fee_line service = {
		.kind = FEE_LINE_SERVICE, .quantity = total_mwh, .price_micros = tariff->service_price_micros};
	struct fee_line start = {.kind = FEE_LINE_START, .quantity = 1, .price_micros = tariff->start_fee_micros};
	if (has_foreign_energy(tariff, energy))
		return false;
	if (total_mwh > 0 && (!add_energy_lines(&sum, tariff, energy) ||
			      !add_line(&sum, tariff, service, FEE_MWH_PER_KWH) || !add_line(&sum, tariff, start, 1)))
		return false;
	*bill = sum;
	return true;
}

int64_t fee_affordable_mwh(const struct fee_tariff *tariff, const struct fee_energy *used, uint32_t rate,
			   int64_t credit_micros)
{
	struct fee_bill bill;
	struct fee_energy energy = *used;
	assert(rate < fee_rates(tariff));
	int64_t others = fee_energy_total(used) - used->mwh[rate];
	int64_t low = 0; /* as good as affordable: nothing can be done about the others */
	int64_t high = FEE_ENERGY_MAX_MWH - others + 1; /* never considered affordable */
	if (credit_micros < 0)
		return 0;
	/* The total never falls with the energy, so bisection finds the last affordable value for any rounding. */
	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;
		energy.mwh[rate] = middle;
		if (fee_price(tariff, &energy, &bill) && bill.total_micros <= credit_micros)
			low = middle;
		else
			high = middle;
	}
	return others + low;
}

int64_t fee_headroom_micros(const struct fee_tariff *tariff, int64_t energy_mwh, int64_t more_mwh)
{
	const int64_t prices[] = {fee_rate_price(tariff, fee_dearest_rate(tariff)), tariff->service_price_micros};
	int64_t sum = energy_mwh == 0 ? tariff->start_fee_micros + tariff->quantum_micros : 0;
	for (size_t i = 0; i < sizeof prices / sizeof *prices; i++) {
		int64_t more;
		/* A line rounded at both ends may move by one quantum more than its exact amount. */
		if (!fee_mul_div(more_mwh, prices[i], FEE_MWH_PER_KWH, FEE_ROUND_UP, &more) ||
		    more > FEE_MONEY_MAX_MICROS - sum)
			return FEE_MONEY_MAX_MICROS;
		/* One change of the rate at most lies in what nobody sees: it begins a line of its own. */
		int64_t lines = i == 0 && fee_by_time(tariff) ? 2 : 1;
		sum += more + (prices[i] > 0 ? lines * tariff->quantum_micros : 0);
	}
	return sum < FEE_MONEY_MAX_MICROS ? sum : FEE_MONEY_MAX_MICROS;
}
