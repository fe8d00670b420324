/* feecontrol/tariff.c: see tariff.h. */
#include "tariff.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static bool price_allowed(int64_t micros)
{
	return micros >= 0 && micros <= FEE_MONEY_MAX_MICROS;
}

static bool currency_allowed(const char currency[FEE_CURRENCY_SIZE])
{
	for (size_t i = 0; i < FEE_CURRENCY_SIZE - 1; i++) {
		if (currency[i] < 'A' || currency[i] > 'Z')
			return false;
	}
	return currency[FEE_CURRENCY_SIZE - 1] == '\0';
}

static const char *periods_fault(const struct fee_tariff *tariff)
{
	uint32_t count = tariff->period_count;
	if (count < 1 || count > FEE_PERIODS_MAX)
		return "periods must be 1 to 24";
	for (uint32_t i = 0; i < count; i++) {
		const struct fee_period *p = &tariff->periods[i];
		uint32_t end = i + 1 < count ? p[1].from_min : FEE_DAY_MIN;
		if (p->rate >= tariff->rate_count)
			return "a period's rate must be the index of one of rates";
		if (i == 0 && p->from_min != 0)
			return "the first period's from_min must be 0";
		if (p->from_min >= FEE_DAY_MIN || end > FEE_DAY_MIN || end < p->from_min + FEE_PERIOD_LEAST_MIN)
			return "from_min must ascend by at least 15, to at most 1425";
	}
	return NULL;
}

static bool rate_is_used(const struct fee_tariff *tariff, uint32_t rate)
{
	for (uint32_t i = 0; i < tariff->period_count; i++) {
		if (tariff->periods[i].rate == rate)
			return true;
	}
	return false;
}

/* Each rate has a name and a price of its own, and applies at some time of the day. */
static const char *rate_fault(const struct fee_tariff *tariff, uint32_t rate)
{
	const struct fee_rate *r = &tariff->rates[rate];
	if (r->name[0] == '\0' || memchr(r->name, '\0', sizeof r->name) == NULL)
		return "a rate's name must have 1 to 16 characters";
	for (uint32_t i = 0; i < rate; i++) {
		if (strcmp(r->name, tariff->rates[i].name) == 0)
			return "a rate's name must be no other rate's";
	}
	if (!price_allowed(r->price_micros))
		return "a rate's price_micros must be 0 to 10^15";
	return rate_is_used(tariff, rate) ? NULL :
					    "each of rates must be the rate of a period: leave out what none has";
}

static const char *rates_fault(const struct fee_tariff *tariff)
{
	if (tariff->rate_count > FEE_RATES_MAX)
		return "rates must be at most 8";
	if (tariff->energy_price_micros != 0)
		return "energy_price_micros must be 0 beside rates";
	if (tariff->utc_offset_min < -FEE_DAY_MIN || tariff->utc_offset_min > FEE_DAY_MIN)
		return "utc_offset_min must be -1440 to 1440";
	const char *fault = periods_fault(tariff);
	for (uint32_t i = 0; fault == NULL && i < tariff->rate_count; i++)
		fault = rate_fault(tariff, i);
	return fault;
}

const char *fee_tariff_fault(const struct fee_tariff *tariff)
{
	if (tariff->id[0] == '\0' || memchr(tariff->id, '\0', sizeof tariff->id) == NULL)
		return "id must have 1 to 32 characters";
	if (!currency_allowed(tariff->currency))
		return "currency must be three capital letters (ISO 4217)";
	if (!price_allowed(tariff->energy_price_micros))
		return "energy_price_micros must be 0 to 10^15";
	const char *fault = tariff->rate_count > 0 ? rates_fault(tariff) : NULL;
	if (fault != NULL)
		return fault;
	if (tariff->rate_count == 0 && (tariff->period_count != 0 || tariff->utc_offset_min != 0))
		return "periods and utc_offset_min belong to rates";
	if (!price_allowed(tariff->service_price_micros))
		return "service_price_micros must be 0 to 10^15";
	if (!price_allowed(tariff->start_fee_micros))
		return "start_fee_micros must be 0 to 10^15";
	if (tariff->quantum_micros < 1 || tariff->quantum_micros > FEE_QUANTUM_MAX_MICROS)
		return "quantum_micros must be 1 to 10^9";
	if (tariff->rounding != FEE_ROUND_DOWN && tariff->rounding != FEE_ROUND_HALF_UP &&
	    tariff->rounding != FEE_ROUND_UP)
		return "rounding must be down, half_up or up";
	return NULL;
}

bool fee_by_time(const struct fee_tariff *tariff)
{
	return tariff->rate_count > 0;
}

uint32_t fee_rates(const struct fee_tariff *tariff)
{
	return fee_by_time(tariff) ? tariff->rate_count : 1;
}

int64_t fee_rate_price(const struct fee_tariff *tariff, uint32_t rate)
{
	assert(rate < fee_rates(tariff));
	return fee_by_time(tariff) ? tariff->rates[rate].price_micros : tariff->energy_price_micros;
}

/* Milliseconds since the local day began: 0 to a day less one. */
static int64_t local_day_ms(const struct fee_tariff *tariff, int64_t wall_ms)
{
	const int64_t day_ms = FEE_DAY_MIN * FEE_MS_PER_MIN;
	int64_t since = (wall_ms % day_ms + tariff->utc_offset_min * FEE_MS_PER_MIN) % day_ms;
	return since < 0 ? since + day_ms : since;
}

/* The period that a moment of the local day lies in. */
static uint32_t period_at(const struct fee_tariff *tariff, int64_t day_ms)
{
	uint32_t found = 0;
	for (uint32_t i = 1; i < tariff->period_count; i++)
		if (day_ms >= tariff->periods[i].from_min * FEE_MS_PER_MIN)
			found = i;
	return found;
}

uint32_t fee_rate_at(const struct fee_tariff *tariff, int64_t wall_ms)
{
	if (!fee_by_time(tariff))
		return 0;
	return tariff->periods[period_at(tariff, local_day_ms(tariff, wall_ms))].rate;
}

int64_t fee_next_change_ms(const struct fee_tariff *tariff, int64_t wall_ms)
{
	if (!fee_by_time(tariff))
		return FEE_NEVER_MS;
	int64_t since_ms = local_day_ms(tariff, wall_ms);
	uint32_t now = period_at(tariff, since_ms);
	for (uint32_t i = 1; i <= tariff->period_count; i++) {
		uint32_t next = (now + i) % tariff->period_count;
		int64_t at_ms = tariff->periods[next].from_min * FEE_MS_PER_MIN;
		if (now + i >= tariff->period_count)
			at_ms += FEE_DAY_MIN * FEE_MS_PER_MIN;
		if (tariff->periods[next].rate != tariff->periods[now].rate)
			return wall_ms - since_ms + at_ms;
	}
	return FEE_NEVER_MS;
}

/* A price that never applies is nobody's cheapest: only what some period uses counts. */
uint32_t fee_cheapest_rate(const struct fee_tariff *tariff)
{
	uint32_t found = 0;
	for (uint32_t i = 1; i < fee_rates(tariff); i++) {
		bool cheaper = fee_rate_price(tariff, i) < fee_rate_price(tariff, found);
		if (rate_is_used(tariff, i) && (cheaper || !rate_is_used(tariff, found)))
			found = i;
	}
	return found;
}

uint32_t fee_dearest_rate(const struct fee_tariff *tariff)
{
	uint32_t found = 0;
	for (uint32_t i = 1; i < fee_rates(tariff); i++) {
		bool dearer = fee_rate_price(tariff, i) > fee_rate_price(tariff, found);
		if (rate_is_used(tariff, i) && (dearer || !rate_is_used(tariff, found)))
			found = i;
	}
	return found;
}

int64_t fee_energy_total(const struct fee_energy *energy)
{
	int64_t sum = 0;
	for (size_t i = 0; i < FEE_RATES_MAX; i++)
		sum += energy->mwh[i];
	return sum;
}
