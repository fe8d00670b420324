/* hal/core/meter_state.h: what is known of a meter beside its last reading.
 *
 * Pure room: libc only. */
#ifndef HAL_CORE_METER_STATE_H
#define HAL_CORE_METER_STATE_H

#include <stdint.h>

#include "reading.h"

#define METER_PHASES 3
#define METER_STATUS_WORDS 7

/* How a question to a meter ended. */
enum meter_outcome {
	METER_ANSWERED,
	METER_TIMED_OUT, /* nothing came */
	METER_GARBLED, /* bytes came, but no whole answer to the question in time */
	METER_REFUSED, /* it answered that it will not: error bits (DL/T 645) or exception code (Modbus) */
	METER_NOT_READABLE, /* it answered, with a value that cannot be read */
	METER_OUTCOME_COUNT
};

struct meter_state {
	uint32_t known; /* bits 1 << enum meter_quantity of what is below */
	int64_t voltage_mv[METER_PHASES];
	int64_t frequency_mhz;
	int64_t clock_ms; /* Unix time by the meter's own clock, when it was read ... */
	int64_t clock_read_ms; /* ... monotonic */
	uint16_t status[METER_STATUS_WORDS];
	char serial[METER_SERIAL_SIZE];
	enum meter_outcome last;
	unsigned error; /* with METER_REFUSED */
	uint64_t asked; /* questions ever */
	uint64_t answered;
};

/* The name in status and log. Never NULL. */
const char *meter_outcome_name(enum meter_outcome outcome);

/* Bit of a status word (1 to 7) in words, or NULL where the bit has no meaning of its own. */
const char *meter_status_text(unsigned word, unsigned bit);

#endif
