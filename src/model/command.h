/* src/model/command.h: what a box can be asked to do.
 *
 * Pure room: libc, feecontrol, hal/core. */
#ifndef MODEL_COMMAND_H
#define MODEL_COMMAND_H

#include "record.h"

#define BOX_ID_SIZE 33

struct command {
	char box[BOX_ID_SIZE];
	char ledger[LEDGER_ID_SIZE]; /* the ledger that the server knew: after a lost database old commands are void.
					Empty in a local command */
	char id[COMMAND_ID_SIZE];
	uint64_t seq; /* ascending, the server's, per box */
	int64_t not_after_ms; /* wall time */
	enum command_type type;
	int outlet; /* 0-based; RECORD_NO_OUTLET only for the metering box's door */
	enum actor actor;
	char name[NAME_SIZE]; /* the acting person; a technician always has one */
	union {
		struct grant authorize; /* kind is SESSION_CUSTOMER */
		struct {
			char order[ORDER_SIZE];
		} session; /* start, stop, power_off */
		struct {
			char order[ORDER_SIZE];
			int64_t credit_micros;
			int64_t lease_ms;
		} credit;
		struct {
			char work_order[ORDER_SIZE]; /* metering box only */
		} unlock;
		struct {
			char account[ACCOUNT_SIZE];
			int64_t hold_ms;
		} reserve;
		struct {
			bool out;
		} out_of_service;
		struct {
			char order[ORDER_SIZE]; /* the service session's own name */
		} service;
	} u;
};

/* How the command came in. */
struct command_origin {
	bool verified; /* its signature was checked, or a signed-on technician typed it on the box itself */
	bool local; /* from the box's own control socket: no server sequence, no wall-clock deadline */
	int64_t server_ms; /* the authenticated server's Date on the same connection, advanced to now; 0 when none */
};

/* NULL for a command whose fields are within their limits, else a sentence that names the field. */
const char *command_fault(const struct command *command);

/* Whether a command acts late, out of order and repeatedly, as long as the session that it names is open. */
bool command_is_stop(enum command_type type);

#endif
