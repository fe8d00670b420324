/* tests/sim/checker.h: what must always hold (behaviour.md, rules 1 to 8 and 9), judged from outside.
 *
 * The checker believes durable records, what the ports did, and the plant's truth. It shares no logic with the heart:
 * sums, phases and prices are its own. */
#ifndef CHECKER_H
#define CHECKER_H

#include "box.h"
#include "plant.h"
#include "record.h"

/* Why a session may end or pause, as the world knows it; bits of a set. */
enum cause {
	CAUSE_STOP = 1 << 0, /* a stop or power_off, or taking out of service, was delivered */
	CAUSE_POWER = 1 << 1, /* the board died */
	CAUSE_DOOR = 1 << 2,
	CAUSE_TAMPER = 1 << 3,
	CAUSE_BREAKER = 1 << 4, /* a breaker fault was put in */
	CAUSE_METER = 1 << 5, /* a meter fault was put in */
	CAUSE_DISK = 1 << 6,
};
#define CAUSE_COUNT 7

struct checked_session {
	char order[ORDER_SIZE];
	bool open;
	bool started;
	bool closable; /* the durable records say that the breaker may be closed */
	struct grant grant;
	int64_t start_mwh;
	bool paused;
	int64_t authorized_ms; /* world time at which the heart wrote it */
	unsigned causes;
	/* by the tariff's rates: what the records say, and what the plant knows */
	uint32_t rate;
	struct fee_energy used;
	int64_t true_uj[FEE_RATES_MAX];
	int64_t true_last_uj;
	unsigned boundaries;
	int64_t rate_from_ms; /* wall time since which the records say that it applies; 0: they do not know */
	bool unknown_time; /* a part was given the cheapest rate because nobody knew when it was used */
	bool truth_lost; /* another meter: what the plant counted is not this session's */
};

/* What the load of a session until full truly does since the breaker closed. */
struct checked_full {
	bool closed;
	bool drawing; /* at the threshold or above */
	int64_t since_ms; /* world time; since then it draws, or does not */
	bool armed; /* it has drawn for a minute in one go */
	int64_t lull_ms; /* how long the last lull was that ended, ... */
	int64_t lull_end_ms; /* ... and when */
	bool full; /* it was when the breaker was opened */
};

struct checked_outlet {
	unsigned present; /* causes that last until mended */
	int64_t cause_ms[CAUSE_COUNT]; /* world time at which each was last there; -1 when never */
	bool start_told; /* an explicit start reached the box, and has not closed the breaker yet */
	bool start_taken; /* and its durable result says that it was not refused */
	char start_order[ORDER_SIZE];
	struct checked_session session;
	int64_t register_mwh; /* of the last durable record */
	int64_t outside_mwh;
	int64_t billed_mwh;
	int64_t service_mwh;
	int64_t door_open_since_ms; /* world time; -1 when shut */
	int64_t bound_mwh;
	int64_t silent_mwh; /* the most that may be used while its meter is silent */
	struct checked_full full;
	uint64_t pulses; /* of the lock */
	uint64_t pulses_allowed; /* by durable records */
};

struct checked_pool {
	char account[ACCOUNT_SIZE];
	int64_t granted_micros;
	int64_t spent_micros;
	int64_t waived_micros; /* by sessions that ended through a fault of ours: it was gone while they were open */
	int64_t bound_micros; /* what the overdraft bounds of its ended sessions are worth */
};

/* An end as the box wrote it, for comparing with what the server made of it. */
struct checked_bill {
	char order[ORDER_SIZE];
	char account[ACCOUNT_SIZE];
	struct receipt receipt;
	int64_t bound_micros;
	bool calm; /* neither the meter nor the breaker had a fault: the overdraft bound holds */
};

#define CHECKED_BILLS 8192
#define CHECKED_COMMANDS 4096
#define CHECKED_ORDERS 65536

struct checker {
	struct checked_outlet outlets[OUTLETS_MAX];
	struct checked_pool pools[OUTLETS_MAX];
	unsigned outlet_count;
	uint64_t seq; /* of the last durable record in the present ledger */
	uint32_t boot;
	uint64_t sessions;
	uint64_t ends;
	uint64_t records;
	uint64_t unlocks[CHECKED_COMMANDS]; /* hashes of unlock commands' ids, in a ring */
	size_t unlock_count;
	uint64_t done_commands[CHECKED_COMMANDS]; /* hashes of the ids, in a ring */
	size_t done_count;
	struct checked_bill *bills; /* of the present ledger, CHECKED_BILLS of them, owned */
	size_t bill_count;
	uint64_t *ended_orders; /* hashes, CHECKED_ORDERS of them, owned */
	size_t ended_count;
	int64_t now_ms; /* world time */
	int64_t wall_offset_ms; /* wall time minus world time */
	int64_t voltage_mv;
	int64_t late_ms; /* a reading older than this is not fresh */
	int64_t metering_door_open_since_ms;
	uint64_t metering_pulses;
	uint64_t metering_pulses_allowed;
	/* the verdict: the first violation stands */
	int rule; /* 0: none */
	char text[240];
};

/* Begins. 0 or -ENOMEM. config gives the bounds; voltage_mv is the mains'. */
int checker_init(struct checker *c, const struct box_config *config, int64_t voltage_mv, int64_t wall_offset_ms);
void checker_free(struct checker *c);

/* A record has become durable, written by the heart at world time written_ms, with the plant as it is now. */
void checker_record(struct checker *c, const struct record *record, const struct plant *plant, int64_t written_ms);

/* The box has a new ledger because the old one was damaged: its open sessions are the server's to close. */
void checker_new_ledger(struct checker *c);

/* The heart drives a breaker. already_closed: a latching one whose contact is closed is told again what it is. */
void checker_breaker(struct checker *c, unsigned outlet, bool close, bool already_closed, int64_t now_ms);
void checker_pulse(struct checker *c, int outlet);

/* An unlock command reaches the box: its lock may be pulsed once for it, however often it comes. */
void checker_unlock(struct checker *c, int outlet, const char *id);

/* Something that passes at once happens to one outlet, or to all (RECORD_NO_OUTLET). */
void checker_cause(struct checker *c, int outlet, unsigned causes);

/* Something begins that lasts, and ends. */
void checker_cause_begins(struct checker *c, int outlet, unsigned causes);
void checker_cause_ends(struct checker *c, int outlet, unsigned causes);

/* An explicit start reaches the box. */
void checker_start(struct checker *c, int outlet, const char *order);

/* After every step: breakers, doors and coils as the plant has them. states: the heart's, NULL while it is dead. */
void checker_step(struct checker *c, const struct box_config *config, const struct plant *plant,
		  const enum outlet_state *states, int64_t now_ms);

/* Notes a violation, unless there is one already. */
void checker_violate(struct checker *c, int rule, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
