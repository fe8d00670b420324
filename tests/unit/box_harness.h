/* The fake world around src/box for test_box*.c: a disk that the test stops and starts, meters and breakers that obey
 * physics, doors, and a log of all that the heart did. Every step checks what must hold after any event. */
#ifndef BOX_HARNESS_H
#define BOX_HARNESS_H

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "box.h"

#define I64 "%" PRId64
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KWH FEE_MWH_PER_KWH
#define STEP_MWH INT64_C(10000)
#define RATED_MW INT64_C(7000000)
#define WALL_MS INT64_C(1790000000000)
#define LEDGER "00112233445566778899aabbccddeeff"

/* ck_assert() writes to a pipe each time; this one speaks only when something is wrong. */
#define REQUIRE(condition, ...)                                                                                        \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			ck_abort_msg(__VA_ARGS__);                                                                     \
	} while (0)

enum deed {
	DEED_BREAKER,
	DEED_PULSE,
	DEED_RECORD,
};

struct log_entry {
	enum deed deed;
	int64_t at_ms;
	int outlet;
	bool close;
	int64_t pulse_ms;
	struct record record;
};

/* One outlet as physics has it. */
struct plant_outlet {
	int64_t load_mw; /* what is plugged in draws this while the breaker is closed */
	int64_t leak_mw; /* and this flows whatever the breaker does */
	int64_t register_uj; /* exact, since the register was zero */
	int64_t register_offset_mwh; /* what a broken meter adds to its answer */
	char serial[METER_SERIAL_SIZE];
	bool answers;
	bool commanded; /* closed */
	bool closed;
	int64_t moves_at_ms; /* MOMENT_NEVER when it stands still */
	bool stuck; /* it does not obey */
	unsigned closings; /* how often the heart commanded it closed */
};

#define LOG_MAX 20000

struct world {
	struct box *box;
	struct box_config config;
	struct moment now;
	bool taken; /* the last command was */
	bool disk_works; /* what is queued becomes durable at once, as an event of its own */
	struct box_image durable;
	struct record queue[RECORDS_QUEUED_MAX];
	size_t queued;
	unsigned posts; /* that were begun */
	uint64_t posted_through; /* of the last one */
	struct progress told[OUTLETS_MAX]; /* that the last one carried */
	uint64_t accepted;
	struct plant_outlet plant[OUTLETS_MAX];
	bool meters_work; /* every meter is read each reading_ms */
	int64_t reading_ms;
	int64_t next_reading_ms;
	uint64_t command_seq;
	uint64_t random_state;
	struct log_entry *log;
	size_t logged;
	void (*on_breaker)(struct world *w, unsigned outlet, bool close); /* a test's own check; may be NULL */
};

/* A configuration with contacts, doors and two outlets, and a world that is not started yet. The caller may change
 * w->config before world_start(). */
struct world *world_new(void);
void world_free(struct world *w);

/* box_init() from nothing; doors shut, contacts told, meters read for a second. */
void world_start(struct world *w);

/* The process dies and comes back: what was not durable is lost, outage_ms pass on the wall. The monotonic clock starts
 * anew when the board lost its power. */
void world_die(struct world *w);
void world_boot(struct world *w, int64_t outage_ms, enum time_quality quality);
void world_reboot(struct world *w, int64_t outage_ms, enum time_quality quality);

/* Only the process dies: the monotonic clock runs on. */
void world_restart(struct world *w, int64_t outage_ms, enum time_quality quality);
void world_tell_inputs(struct world *w);

/* Lets time pass: readings, contacts and deadlines come as they fall due. */
void world_run(struct world *w, int64_t ms);

/* The clock moves and nobody is told. */
void world_skip(struct world *w, int64_t ms);
void world_until(struct world *w, int64_t mono_ms);

/* One event each. */
void world_read(struct world *w, unsigned outlet);
void world_door(struct world *w, unsigned outlet, bool closed);
void world_metering_door(struct world *w, bool closed);
void world_commit(struct world *w); /* all that is queued is durable */
void world_commit_some(struct world *w, size_t count);
void world_storage(struct world *w, bool failing);
void world_heard(struct world *w, enum uplink_event_type type);
void world_answer(struct world *w); /* the server has taken in what was posted last */

/* Commands: filled in as a verified server's, with the next number, for the next minute. */
struct command command_for(struct world *w, enum command_type type, int outlet);
struct command authorize_for(struct world *w, int outlet, const char *order, int64_t credit_micros);
struct command session_command(struct world *w, enum command_type type, int outlet, const char *order);
struct command technician(struct world *w, enum command_type type, int outlet);
void world_command(struct world *w, const struct command *c);
void world_command_from(struct world *w, const struct command *c, const struct command_origin *origin);
void world_start_order(struct world *w, int outlet, const char *order);
void world_stop_order(struct world *w, int outlet, const char *order);

/* An outlet that supplies order "o<outlet>", with this credit and load. */
void world_supply(struct world *w, int outlet, int64_t credit_micros, int64_t load_mw);

/* What was seen. Outlets may be RECORD_NO_OUTLET. */
enum outlet_state state_of(const struct world *w, unsigned outlet);
struct progress progress_of(const struct world *w, unsigned outlet);
const struct record *last_record(const struct world *w, enum record_kind kind, int outlet);
unsigned count_records(const struct world *w, enum record_kind kind, int outlet);
unsigned count_pulses(const struct world *w, int outlet);
unsigned count_alarms(const struct world *w, enum alarm alarm);
const struct record *result_of(const struct world *w, const struct command *c);
void require_outcome(const struct world *w, const struct command *c, enum command_outcome outcome);
void require_state(const struct world *w, unsigned outlet, enum outlet_state state);
void require_end(const struct world *w, int outlet, enum end_reason reason);
int64_t register_of(const struct world *w, unsigned outlet); /* as the meter shows it */
int64_t exact_of(const struct world *w, unsigned outlet); /* as physics has it, milliwatt-hours */

uint64_t world_random(struct world *w);
int64_t world_below(struct world *w, int64_t limit);

int run_suite(Suite *suite);

#endif
