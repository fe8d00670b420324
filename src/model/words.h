/* src/model/words.h: the closed lists of words that box, server and tools share, and their names on the wire.
 *
 * Pure room: libc, feecontrol, hal/core. */
#ifndef MODEL_WORDS_H
#define MODEL_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Why a session ended. Closed and documented: nobody is cut off for a reason that is not here. */
enum end_reason {
	END_CUSTOMER,
	END_CREDIT_EXHAUSTED,
	END_LIMIT_ENERGY,
	END_LIMIT_TIME,
	END_LIMIT_AMOUNT,
	END_FULL,
	END_IDLE,
	END_NOT_STARTED,
	END_DOOR,
	END_TAMPER,
	END_OVERLOAD,
	END_OVERVOLTAGE,
	END_UNDERVOLTAGE,
	END_PHASE_LOSS,
	END_OVERTEMPERATURE,
	END_LEAKAGE,
	END_TRIPPED,
	END_EMERGENCY_STOP,
	END_REVERSE_ENERGY,
	END_BOX_LIMIT,
	END_METER_SILENT,
	END_METER_IMPLAUSIBLE,
	END_METER_REPLACED,
	END_BREAKER_FAULT,
	END_STORAGE,
	END_CLOCK,
	END_LEASE_EXPIRED,
	END_POWER_LOST,
	END_SERVER,
	END_OPERATOR,
	END_TECHNICIAN,
	END_REASON_COUNT
};

enum outlet_state {
	OUTLET_AVAILABLE,
	OUTLET_RESERVED,
	OUTLET_UNLOCKED,
	OUTLET_READY,
	OUTLET_SUPPLYING,
	OUTLET_PAUSED,
	OUTLET_ENDING,
	OUTLET_FINISHING,
	OUTLET_FAULTED,
	OUTLET_OUT_OF_SERVICE,
	OUTLET_STATE_COUNT
};

/* What is missing before an outlet is ready; bits of a set. */
enum missing {
	MISSING_METERING_DOOR = 1 << 0,
	MISSING_USER_DOOR = 1 << 1,
	MISSING_METER = 1 << 2, /* it does not answer */
	MISSING_PLAUSIBLE = 1 << 3, /* its readings are doubtful */
	MISSING_COMMISSIONED = 1 << 4, /* it is not the meter that was commissioned */
	MISSING_BREAKER_OPEN = 1 << 5,
	MISSING_NO_FAULT = 1 << 6,
	MISSING_STORAGE = 1 << 7,
	MISSING_CREDIT = 1 << 8,
	MISSING_CLOCK = 1 << 9, /* the tariff depends on the time, and nobody knows it */
};
#define MISSING_COUNT 10
#define MISSING_DOORS (MISSING_METERING_DOOR | MISSING_USER_DOOR)

enum fee_mode {
	FEE_LOCAL, /* the server grants credit, the box prices and opens the breaker itself */
	FEE_REMOTE, /* the server prices; the box holds a lease and stops at it when the server is silent */
	FEE_MODE_COUNT
};

/* Faults that stay until somebody clears them, the graver behind the lesser: a graver one takes a lesser one's place. */
enum outlet_fault {
	FAULT_NONE,
	FAULT_WILL_NOT_CLOSE,
	FAULT_TRIPPED,
	FAULT_TAMPER,
	FAULT_BYPASSED,
	FAULT_WELDED, /* the socket may be live: it stays locked */
	FAULT_COUNT
};

/* Who gives a command, and so what it may clear. */
enum actor {
	ACTOR_SERVER,
	ACTOR_CUSTOMER,
	ACTOR_OPERATOR,
	ACTOR_TECHNICIAN,
	ACTOR_COUNT
};

/* A closed list as the wire writes it: names[i] is the name of value i. */
struct words {
	const char *const *names;
	size_t count;
};

extern const struct words end_reason_words;
extern const struct words outlet_state_words;
extern const struct words fee_mode_words;
extern const struct words outlet_fault_words;
extern const struct words actor_words;
extern const struct words time_quality_words;
extern const struct words rounding_words;

/* The name of a value. Never NULL; a value outside the list is our own bug. */
const char *word_name(const struct words *words, unsigned value);

/* Finds a name. False, with *value unchanged, when the list does not have it. */
bool word_find(const struct words *words, const char *name, unsigned *value);

/* What one missing condition (a single bit) is called on the wire, and the sentence that a customer's page can show. */
const char *missing_name(unsigned bit);
const char *missing_sentence(unsigned bit);

/* True when the supply ended through a fault of ours: the customer pays nothing and the frozen amount is released. */
bool end_reason_is_ours(enum end_reason reason);

/* Whether the fault may be cleared by this actor. */
bool outlet_fault_clearable(enum outlet_fault fault, enum actor actor);

#endif
