/* src/model/words.c: see words.h. */
#include "words.h"

#include <assert.h>
#include <string.h>

#include "moment.h"
#include "units.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static const char *const end_reason_names[END_REASON_COUNT] = {
	[END_CUSTOMER] = "customer",
	[END_CREDIT_EXHAUSTED] = "credit_exhausted",
	[END_LIMIT_ENERGY] = "limit_energy",
	[END_LIMIT_TIME] = "limit_time",
	[END_LIMIT_AMOUNT] = "limit_amount",
	[END_FULL] = "full",
	[END_IDLE] = "idle",
	[END_NOT_STARTED] = "not_started",
	[END_DOOR] = "door",
	[END_TAMPER] = "tamper",
	[END_OVERLOAD] = "overload",
	[END_OVERVOLTAGE] = "overvoltage",
	[END_UNDERVOLTAGE] = "undervoltage",
	[END_PHASE_LOSS] = "phase_loss",
	[END_OVERTEMPERATURE] = "overtemperature",
	[END_LEAKAGE] = "leakage",
	[END_TRIPPED] = "tripped",
	[END_EMERGENCY_STOP] = "emergency_stop",
	[END_REVERSE_ENERGY] = "reverse_energy",
	[END_BOX_LIMIT] = "box_limit",
	[END_METER_SILENT] = "meter_silent",
	[END_METER_IMPLAUSIBLE] = "meter_implausible",
	[END_METER_REPLACED] = "meter_replaced",
	[END_BREAKER_FAULT] = "breaker_fault",
	[END_STORAGE] = "storage",
	[END_CLOCK] = "clock",
	[END_LEASE_EXPIRED] = "lease_expired",
	[END_POWER_LOST] = "power_lost",
	[END_SERVER] = "server",
	[END_OPERATOR] = "operator",
	[END_TECHNICIAN] = "technician",
};

static const char *const outlet_state_names[OUTLET_STATE_COUNT] = {
	[OUTLET_AVAILABLE] = "available",
	[OUTLET_RESERVED] = "reserved",
	[OUTLET_UNLOCKED] = "unlocked",
	[OUTLET_READY] = "ready",
	[OUTLET_SUPPLYING] = "supplying",
	[OUTLET_PAUSED] = "paused",
	[OUTLET_ENDING] = "ending",
	[OUTLET_FINISHING] = "finishing",
	[OUTLET_FAULTED] = "faulted",
	[OUTLET_OUT_OF_SERVICE] = "out_of_service",
};

static const char *const fee_mode_names[FEE_MODE_COUNT] = {[FEE_LOCAL] = "local", [FEE_REMOTE] = "remote"};

static const char *const outlet_fault_names[FAULT_COUNT] = {
	[FAULT_NONE] = "none",
	[FAULT_WILL_NOT_CLOSE] = "will_not_close",
	[FAULT_TRIPPED] = "tripped",
	[FAULT_TAMPER] = "tamper",
	[FAULT_BYPASSED] = "bypassed",
	[FAULT_WELDED] = "welded",
};

static const char *const actor_names[ACTOR_COUNT] = {
	[ACTOR_SERVER] = "server",
	[ACTOR_CUSTOMER] = "customer",
	[ACTOR_OPERATOR] = "operator",
	[ACTOR_TECHNICIAN] = "technician",
};

static const char *const time_quality_names[] = {
	[TIME_UNKNOWN] = "unknown",
	[TIME_RELATIVE] = "relative",
	[TIME_SYNCHRONISED] = "synchronised",
};

static const char *const rounding_names[] = {
	[FEE_ROUND_DOWN] = "down",
	[FEE_ROUND_HALF_UP] = "half_up",
	[FEE_ROUND_UP] = "up",
};

static const struct {
	const char *name;
	const char *sentence;
} missing_words[MISSING_COUNT] = {
	{"metering_door", "The door of the metering box is open."},
	{"user_door", "Please close the door of the socket."},
	{"meter", "The meter does not answer yet."},
	{"plausible", "The meter's reading is being checked."},
	{"commissioned", "The meter is not the one that was registered for this socket."},
	{"breaker_open", "The breaker has not reported that it is open."},
	{"no_fault", "The socket has a fault and must be checked."},
	{"storage", "The box cannot store your session safely at the moment."},
	{"credit", "The credit is used up."},
	{"clock", "The price depends on the time of day, and the box does not know the time yet."},
};

const struct words end_reason_words = {end_reason_names, COUNT_OF(end_reason_names)};
const struct words outlet_state_words = {outlet_state_names, COUNT_OF(outlet_state_names)};
const struct words fee_mode_words = {fee_mode_names, COUNT_OF(fee_mode_names)};
const struct words outlet_fault_words = {outlet_fault_names, COUNT_OF(outlet_fault_names)};
const struct words actor_words = {actor_names, COUNT_OF(actor_names)};
const struct words time_quality_words = {time_quality_names, COUNT_OF(time_quality_names)};
const struct words rounding_words = {rounding_names, COUNT_OF(rounding_names)};

const char *word_name(const struct words *words, unsigned value)
{
	assert(value < words->count);
	return words->names[value];
}

bool word_find(const struct words *words, const char *name, unsigned *value)
{
	for (unsigned i = 0; i < words->count; i++) {
		if (strcmp(words->names[i], name) == 0) {
			*value = i;
			return true;
		}
	}
	return false;
}

static size_t bit_index(unsigned bit)
{
	assert(bit != 0 && (bit & (bit - 1)) == 0);
	size_t index = (size_t)__builtin_ctz(bit);
	assert(index < MISSING_COUNT);
	return index;
}

const char *missing_name(unsigned bit)
{
	return missing_words[bit_index(bit)].name;
}

const char *missing_sentence(unsigned bit)
{
	return missing_words[bit_index(bit)].sentence;
}

bool end_reason_is_ours(enum end_reason reason)
{
	return reason == END_METER_SILENT || reason == END_METER_IMPLAUSIBLE || reason == END_BREAKER_FAULT ||
	       reason == END_STORAGE || reason == END_CLOCK;
}

bool outlet_fault_clearable(enum outlet_fault fault, enum actor actor)
{
	if (actor == ACTOR_TECHNICIAN)
		return true;
	return actor == ACTOR_OPERATOR && fault == FAULT_WILL_NOT_CLOSE;
}
