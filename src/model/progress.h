/* src/model/progress.h: an outlet as it is now. Telemetry: the latest wins, nothing is owed.
 *
 * Pure room: libc, feecontrol, hal/core. */
#ifndef MODEL_PROGRESS_H
#define MODEL_PROGRESS_H

#include "record.h"

struct progress {
	int outlet; /* 0-based */
	struct moment at;
	enum outlet_state state;
	unsigned missing; /* bits of enum missing; 0 when ready */
	char order[ORDER_SIZE]; /* empty outside of a session */
	bool has_register;
	int64_t register_mwh; /* trusted */
	int64_t reading_age_ms; /* -1: never read */
	int64_t power_mw;
	int64_t energy_mwh; /* of the session */
	struct fee_energy by_rate; /* it again, by the tariff's rates; all 0 with a flat tariff */
	int64_t energised_ms; /* how long the session has been supplied, so far */
	int64_t cost_micros; /* of the session, so far */
	int64_t remaining_micros; /* of the account's pool */
	int64_t remaining_ms; /* until the credit ends at the present power; -1: not known */
	bool low_credit;
};

#endif
