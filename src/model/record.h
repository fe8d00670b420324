/* src/model/record.h: one entry of the ledger, the only thing that a box remembers and the only thing that it reports.
 *
 * Pure room: libc, feecontrol, hal/core. */
#ifndef MODEL_RECORD_H
#define MODEL_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "moment.h"
#include "reading.h"
#include "tariff.h"
#include "words.h"

#define RECORD_SCHEMA 1 /* the version that this program writes; it reads no other yet */
#define OUTLETS_MAX 16
#define RECORD_NO_OUTLET (-1)

/* Records that may wait for the disk. From RECORDS_ORDINARY_MAX on, the rest is kept for what must not be refused: the
 * pauses, ends and faults of what is running (8 records for each of 16 outlets). */
#define RECORDS_QUEUED_MAX 256
#define RECORDS_ORDINARY_MAX 128
#define RECORDS_COMMANDS_MAX 64 /* from here on no more commands: a burst of them must not look like a failing disk */

#define ORDER_SIZE 41 /* order numbers, which also name the session: 40 characters and the NUL */
#define ACCOUNT_SIZE 41
#define COMMAND_ID_SIZE 41
#define NAME_SIZE 41 /* of a person */
#define DETAIL_SIZE 81
#define LEDGER_ID_SIZE 33 /* 32 hexadecimal digits and the NUL */

enum record_kind {
	RECORD_BOOT, /* the daemon began to decide */
	RECORD_METER, /* a meter's epoch begins: its register up to here belongs to nobody's session */
	RECORD_RESERVED,
	RECORD_RELEASED,
	RECORD_AUTHORIZED,
	RECORD_STARTED,
	RECORD_PAUSED,
	RECORD_RESUMED,
	RECORD_MARK, /* a supplying outlet's register, every few minutes */
	RECORD_BOUNDARY, /* from this register on another rate of the tariff applies */
	RECORD_CREDIT,
	RECORD_STOPPING, /* the end was asked for: nothing may go on with this session after a reboot either */
	RECORD_ENDED,
	RECORD_AVAILABLE, /* the customer has gone: the outlet may be given to the next one */
	RECORD_FAULT,
	RECORD_CLEARED,
	RECORD_SERVICE_MODE, /* out of service, or back */
	RECORD_ALARM, /* something that a person should know; changes nothing */
	RECORD_COMMAND, /* the result of a command */
	RECORD_KIND_COUNT
};

enum session_kind {
	SESSION_CUSTOMER,
	SESSION_SERVICE, /* a technician's: its energy is booked to service */
	SESSION_KIND_COUNT
};

enum command_type {
	COMMAND_AUTHORIZE,
	COMMAND_START, /* the customer's explicit start, or a new start after a pause */
	COMMAND_STOP,
	COMMAND_POWER_OFF,
	COMMAND_CREDIT,
	COMMAND_UNLOCK, /* the user box again, or the metering box for a technician with a work order */
	COMMAND_RESERVE,
	COMMAND_RELEASE,
	COMMAND_CLEAR_FAULT,
	COMMAND_OUT_OF_SERVICE,
	COMMAND_SERVICE, /* a technician's session */
	COMMAND_DEPARTED, /* the customer says that the plug is out */
	COMMAND_TYPE_COUNT
};

enum command_outcome {
	COMMAND_DONE,
	COMMAND_REFUSED, /* understood, but not possible now; detail says why */
	COMMAND_EXPIRED,
	COMMAND_OUT_OF_ORDER, /* replayed or overtaken */
	COMMAND_UNVERIFIED,
	COMMAND_FOREIGN, /* for another box */
	COMMAND_NO_CLOCK, /* its deadline cannot be judged */
	COMMAND_OUTCOME_COUNT
};

enum alarm {
	ALARM_METER_SILENT,
	ALARM_METER_IMPLAUSIBLE,
	ALARM_METER_REPLACED,
	ALARM_LEDGER_SET_ASIDE,
	ALARM_STORAGE,
	ALARM_RECORD_REFUSED, /* the server refuses a record for good: parked, the queue goes on */
	ALARM_INSECURE_COMMANDS,
	ALARM_TAMPER,
	ALARM_COUNT
};

extern const struct words record_kind_words;
extern const struct words session_kind_words;
extern const struct words command_type_words;
extern const struct words command_outcome_words;
extern const struct words alarm_words;

/* More than any outlet carries; longer than anything rests before it is full. */
#define GRANT_FULL_MAX_MA INT64_C(1000000)
#define GRANT_FULL_MAX_MS (24 * FEE_MS_PER_HOUR)

/* What a customer was granted. 0 in a limit: none. */
struct grant {
	char order[ORDER_SIZE]; /* names the session */
	char account[ACCOUNT_SIZE];
	enum session_kind kind;
	enum fee_mode mode;
	struct fee_tariff tariff; /* unused in a service session */
	int64_t credit_micros; /* added to the account's pool on this box; in remote mode the lease's amount */
	int64_t lease_ms; /* remote mode: how long supply goes on without word from the server */
	int64_t hold_ms; /* to be started within this time */
	int64_t limit_mwh;
	int64_t limit_micros;
	int64_t limit_ms; /* of energised time */
	int64_t full_ma; /* until full: once the load has drawn this much for a minute in one go, ... */
	int64_t full_ms; /* ... the session ends when it draws less for this long; both or neither */
};

struct receipt {
	enum end_reason reason;
	int64_t start_mwh; /* register; equal to the end's when nothing was started */
	int64_t energy_mwh;
	struct fee_energy by_rate; /* it again, by the tariff's rates; all 0 with a flat tariff */
	int64_t amount_micros; /* 0 when released */
	int64_t energised_ms;
	bool settled; /* the end register was read after the breaker had opened, not merely remembered */
};

struct record {
	uint64_t seq; /* from 1, without gaps, per ledger */
	uint32_t boot; /* how many times the daemon has begun to decide, from 1 */
	struct moment at;
	enum record_kind kind;
	int outlet; /* 0-based, or RECORD_NO_OUTLET */
	char order[ORDER_SIZE]; /* the session; empty outside of one */
	bool has_register;
	int64_t register_mwh; /* trusted, when has_register */
	union {
		struct {
			char version[DETAIL_SIZE]; /* of the program */
		} boot;
		struct {
			char serial[METER_SERIAL_SIZE];
		} meter;
		struct {
			char account[ACCOUNT_SIZE];
			int64_t hold_ms;
		} reserved;
		struct grant authorized;
		struct {
			uint32_t rate; /* of the tariff, that applies now; 0 with a flat one */
		} started; /* and resumed */
		struct {
			uint32_t rate;
			int64_t wall_ms; /* when it began to apply; the record's own time when unknown_time */
			bool unknown_time; /* nobody knows when what follows is used: it gets the cheapest rate */
		} boundary;
		struct {
			enum end_reason reason; /* what would be the end's, if nobody goes on */
			int64_t energised_ms; /* so far */
		} paused;
		struct {
			int64_t energised_ms; /* so far */
		} mark;
		struct {
			int64_t credit_micros; /* added */
			int64_t lease_ms; /* replaces the lease's time when above 0 */
		} credit;
		struct {
			enum end_reason reason;
			int64_t energised_ms; /* in all */
		} stopping;
		struct receipt ended;
		struct {
			enum outlet_fault fault;
		} fault;
		struct {
			enum actor actor;
			char name[NAME_SIZE];
		} cleared;
		struct {
			bool out;
		} service_mode;
		struct {
			enum alarm alarm;
			char detail[DETAIL_SIZE];
		} alarm;
		struct {
			char id[COMMAND_ID_SIZE];
			uint64_t seq; /* where it moves the box's sequence to; 0 when it does not (stops, rejections,
					 local ones). Commands below it that have no result never will have one */
			enum command_type type;
			enum actor actor;
			char name[NAME_SIZE]; /* of the person, where known: a technician's acts always have one */
			enum command_outcome outcome;
			char detail[DETAIL_SIZE];
		} command;
	} u;
};

/* True for a word that travels: 1 to size-1 printable ASCII characters without quotes or backslashes, NUL-terminated
 * within size. */
bool word_is_printable(const char *word, size_t size);

/* Copies src into a fixed-size field, cutting what does not fit. */
void word_copy(char *dest, size_t size, const char *src);

/* Whether records of this kind name a session by its order. */
bool record_is_of_session(enum record_kind kind);

/* Whether a time in ms is one of this trade: 0 to a century. */
bool duration_fits(int64_t ms);

/* NULL for a grant whose fields are within their limits, else a sentence that names the field. */
const char *grant_fault(const struct grant *grant);

/* NULL for a record whose fields are within their limits, else a sentence that names the field. */
const char *record_fault(const struct record *record);

#endif
