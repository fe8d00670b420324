/* hal/core/plausibility.h: which readings a bill may see.
 *
 * Pure room: libc only. A doubtful reading is held until others confirm it; the register that is trusted never falls
 * and, over any time, never rises by more than twice what the breaker's rating carries plus one tolerance: two steps and
 * 5 s of that. */
#ifndef HAL_CORE_PLAUSIBILITY_H
#define HAL_CORE_PLAUSIBILITY_H

#include <stdbool.h>
#include <stdint.h>

#include "reading.h"

/* So many readings in a row that agree with one another, and not with the trusted register, confirm a doubt. */
#define PLAUSIBILITY_CONFIRMATIONS 3

enum plausibility {
	READING_TRUSTED,
	READING_HELD, /* doubtful: use the last trusted one, ask again */
	READING_IMPLAUSIBLE, /* the doubt is confirmed: the register fell or jumped */
	READING_OTHER_METER, /* the serial number is confirmed to be another one */
};

struct plausibility_gate {
	int64_t rated_mw; /* the breaker's rating */
	int64_t step_mwh;
	bool primed; /* a trusted register is known */
	int64_t trusted_mwh;
	int64_t trusted_ms;
	char serial[METER_SERIAL_SIZE]; /* of the trusted register's meter */
	int64_t ahead_uj; /* by how much, in microjoules, the register ran ahead of twice the rating */
	int64_t doubtful_mwh;
	int64_t doubtful_ms;
	char doubtful_serial[METER_SERIAL_SIZE];
	int doubts;
};

/* Starts a gate. Trusts nothing yet: the first reading primes it, unless plausibility_prime() did. */
void plausibility_init(struct plausibility_gate *g, int64_t rated_mw, int64_t step_mwh);

/* Says which meter and register are trusted, from the ledger at boot or after a meter was replaced. The time since
 * then is unknown: the first reading may lie above register_mwh by what twice the rating carries in a day. */
void plausibility_prime(struct plausibility_gate *g, const char *serial, int64_t register_mwh);

/* Judges one reading. Only after READING_TRUSTED does the trusted register move. */
enum plausibility plausibility_judge(struct plausibility_gate *g, const struct meter_reading *reading);

#endif
