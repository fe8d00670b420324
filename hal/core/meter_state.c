/* hal/core/meter_state.c: see meter_state.h.
 *
 * Pure room: libc only. */
#include "meter_state.h"

#include <assert.h>
#include <stddef.h>

#define WORD_BITS 16

static const char *const outcome_names[METER_OUTCOME_COUNT] = {
	[METER_ANSWERED] = "answered",
	[METER_TIMED_OUT] = "timed_out",
	[METER_GARBLED] = "garbled",
	[METER_REFUSED] = "refused",
	[METER_NOT_READABLE] = "not_readable",
};

/* Words 4 to 6 say the same of one phase each. */
#define PHASE_BITS(phase)                                                                                              \
	{                                                                                                              \
		[0] = "phase " phase ": loss of voltage", [1] = "phase " phase ": under-voltage",                      \
		[2] = "phase " phase ": over-voltage", [3] = "phase " phase ": loss of current",                       \
		[4] = "phase " phase ": over-current", [5] = "phase " phase ": overload",                              \
		[6] = "phase " phase ": reverse power", [7] = "phase " phase ": phase break",                          \
		[8] = "phase " phase ": current break",                                                                \
	}

/* DL/T 645-2007, with the extensions that State Grid meters set. Bits that only mean something as a pair (word 3: the
 * supply in b1 and b2, the meter's type in b8 and b9) have no text. */
static const char *const status_texts[METER_STATUS_WORDS][WORD_BITS] = {
	{
		[1] = "demand method",
		[2] = "clock battery low",
		[3] = "reading battery low",
		[4] = "active power reversed",
		[5] = "reactive power reversed",
		[8] = "control circuit error",
		[9] = "ESAM error",
		[12] = "program error",
		[13] = "memory error",
		[14] = "overdraft",
		[15] = "clock fault",
	},
	{
		[0] = "phase A: active power reversed",
		[1] = "phase B: active power reversed",
		[2] = "phase C: active power reversed",
		[4] = "phase A: reactive power reversed",
		[5] = "phase B: reactive power reversed",
		[6] = "phase C: reactive power reversed",
	},
	{
		[0] = "second tariff table in use",
		[3] = "programming allowed",
		[4] = "relay open",
		[5] = "second zone table in use",
		[6] = "relay commanded open",
		[7] = "pre-trip alarm",
		[12] = "keep-power",
		[13] = "authentication",
		[14] = "local account",
		[15] = "remote account",
	},
	PHASE_BITS("A"),
	PHASE_BITS("B"),
	PHASE_BITS("C"),
	{
		[0] = "voltage phase sequence reversed",
		[1] = "current phase sequence reversed",
		[2] = "voltage unbalance",
		[3] = "current unbalance",
		[4] = "auxiliary supply lost",
		[5] = "power down",
		[6] = "demand over limit",
		[7] = "low power factor",
		[8] = "severe current unbalance",
		[9] = "cover open",
		[10] = "terminal cover open",
	},
};

const char *meter_outcome_name(enum meter_outcome outcome)
{
	assert((size_t)outcome < METER_OUTCOME_COUNT);
	return outcome_names[outcome];
}

const char *meter_status_text(unsigned word, unsigned bit)
{
	if (word < 1 || word > METER_STATUS_WORDS || bit >= WORD_BITS)
		return NULL;
	return status_texts[word - 1][bit];
}
