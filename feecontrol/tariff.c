/* feecontrol/tariff.c: see tariff.h. */
#include "tariff.h"

#include <stdbool.h>
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

const char *fee_tariff_fault(const struct fee_tariff *tariff)
{
	if (tariff->id[0] == '\0' || memchr(tariff->id, '\0', sizeof tariff->id) == NULL)
		return "id must have 1 to 32 characters";
	if (!currency_allowed(tariff->currency))
		return "currency must be three capital letters (ISO 4217)";
	if (!price_allowed(tariff->energy_price_micros))
		return "energy_price_micros must be 0 to 10^15";
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
