/* src/box/box_internal.h: the heart's inside: what the files of this room share, and nobody else sees. */
#ifndef BOX_INTERNAL_H
#define BOX_INTERNAL_H

#include "box.h"
#include "until_full.h"

/* What an outlet knows beyond its records: gone with the process, and rebuilt from image, meter and inputs. */
struct outlet {
	unsigned index;
	enum outlet_state state;
	struct breaker breaker;
	struct lock lock;
	struct debounce door;
	struct debounce contact;
	struct plausibility_gate gate;

	/* the meter */
	bool has_reading; /* since boot */
	struct meter_reading reading; /* the last trusted one */
	int64_t answered_ms; /* of the last trusted one; of the boot while there is none */
	enum plausibility verdict; /* on the last answer */
	bool silent_told; /* this silence has had its alarm */
	int64_t alarm_ms[ALARM_COUNT]; /* when the last of each kind was raised; INT64_MIN when never */

	/* the session */
	struct moment seen; /* the last known moment before this boot */
	uint32_t seen_boot; /* of the session's last record before this boot */
	int64_t seen_mono_ms;
	bool boot_pending; /* how long the outage was is not known yet */
	bool readback_pending; /* a latching breaker's place is being read back after a boot */
	int64_t deadline_ms; /* of the state: start by, resume by, settled by */
	int64_t reserved_until_ms;
	bool reservation_pending; /* since a boot: how much of it is left is not known yet */
	bool start_wanted; /* an explicit start waits for a fresh reading */
	int64_t start_wanted_ms;
	uint64_t close_after_seq; /* the breaker closes when this record is durable; 0 when none waits */
	int64_t close_until_ms; /* or not at all: nobody waits for ever */
	bool resuming; /* what waits is a resume, not the first start */
	bool driven; /* the breaker is commanded closed */
	int64_t driven_since_ms;
	struct fee_predictor predictor;
	struct until_full until_full;
	int64_t affordable_for_micros; /* what affordable_mwh was computed for; -1: nothing */
	int64_t affordable_mwh;
	int64_t closed_ms; /* when the breaker was commanded closed and open last */
	int64_t opened_ms;
	int64_t wall_offset_ms; /* wall minus monotonic time at the last start: no later jump of the clock moves a price */
	int64_t rate_change_ms; /* when another rate of the tariff begins to apply; MOMENT_NEVER when none does */
	bool rate_pending; /* since a boot: what was used meanwhile has no rate yet */
	bool time_lost; /* driven on without a clock: everything has the cheapest rate until one is known */
	int64_t lease_from_ms; /* the lease's time counts from here, or from the server's last word if that is later */
	int64_t told_mw; /* the power when progress was last told of a reading */
	unsigned told_missing; /* what was missing when a report was asked for last because of it */
	int64_t mark_ms; /* when the next register mark is due */
	int64_t settle_register_mwh; /* of the reading before, while ending; -1 when there was none */
	bool door_cycled; /* while finishing: the door was opened */

	/* the lock */
	int64_t pulse_until_ms; /* or not at all */
	bool customer_pulse; /* the pulse that waits is not a technician's */
	uint64_t pulse_after_seq; /* the lock is pulsed when this record is durable; 0 when no pulse waits */
};

/* What waits for the disk or a coil's rest longer than this is not done any more: whoever asked has gone. */
#define BOX_WAIT_MS INT64_C(10000)

struct box {
	struct box_config config;
	struct box_ports ports;
	struct box_image image; /* with every record written, durable or not */
	char ledger[LEDGER_ID_SIZE];
	struct moment now; /* of the event being handled */
	struct record group[BOX_GROUP_MAX];
	size_t group_count;
	uint64_t durable_seq;
	bool storage_failing;
	int64_t boot_ms;
	struct uplink uplink;
	int64_t rejected_ms; /* when the last rejected command was recorded; INT64_MIN when never */
	int64_t stops_until_ms; /* the results of stops have used up their burst until then */
	struct debounce metering_door;
	struct lock metering_lock;
	uint64_t metering_pulse_after_seq;
	int64_t metering_pulse_until_ms;
	bool tamper_told; /* this opening has had its alarm */
	int64_t refused_ms; /* when the last refused record was told; INT64_MIN when never */
	int64_t metering_granted_until_ms; /* an unlocked box may be opened until then */
	bool metering_granted; /* it was opened within the grant, and is not shut yet */
	struct outlet outlets[OUTLETS_MAX];
};

/* --- box.c --- */

/* Begins a record of this outlet (RECORD_NO_OUTLET for none) with everything but its kind's own fields. */
struct record box_record(const struct box *box, enum record_kind kind, int outlet);

/* Takes a finished record: applies it to the image and adds it to the group. Its seq is image.seq afterwards. */
void box_write(struct box *box, struct record *record);

/* Whether an ordinary record may still be written: new things stop here, ends go on. */
bool box_has_room(const struct box *box);
bool box_takes_commands(const struct box *box);
bool box_storage_is_sound(const struct box *box);
void box_alarm(struct box *box, int outlet, enum alarm alarm, const char *detail);
struct outlet_image *box_outlet_image(struct box *box, const struct outlet *o);
const struct outlet_config *box_outlet_config(const struct box *box, const struct outlet *o);

/* --- outlet.c: the states --- */

void outlet_init(struct box *box, struct outlet *o);

/* Brings one outlet to rest at box->now: every condition is looked at, whatever the event was. */
void outlet_run(struct box *box, struct outlet *o);
int64_t outlet_deadline(const struct box *box, const struct outlet *o);
unsigned outlet_missing(const struct box *box, const struct outlet *o);

/* The breaker opens now; then the session's end is owed for this reason. A session that never started ends at once. */
void outlet_stop(struct box *box, struct outlet *o, enum end_reason reason);

/* Where the outlet rests, from its image alone, when no session is open. */
void outlet_rest(struct box *box, struct outlet *o);
void outlet_unlocked(struct box *box, struct outlet *o);

/* Pulses the lock when record seq is durable. customer: not while something live may be behind the door. */
void outlet_pulse_after(struct box *box, struct outlet *o, uint64_t seq, bool customer);
void outlet_raise_fault(struct box *box, struct outlet *o, enum outlet_fault fault);

void outlet_on_reading(struct box *box, struct outlet *o, const struct meter_reading *reading);
bool outlet_clear_fault(struct box *box, struct outlet *o);
void outlet_departed(struct box *box, struct outlet *o);

/* --- supply.c: while power may flow --- */

void supply_begin(struct box *box, struct outlet *o);

/* A session that was supplying when the process or the power died: paused, the breaker is open. */
void supply_interrupted(struct box *box, struct outlet *o);
void supply_run(struct box *box, struct outlet *o);

/* What forbids supply whatever was paid, or END_REASON_COUNT. */
enum end_reason supply_forbidden(const struct box *box, const struct outlet *o);

/* Whether the lease's time has run out since the server's last word; never in local mode. */
bool supply_lease_is_over(const struct box *box, const struct outlet *o);
int64_t supply_deadline(const struct box *box, const struct outlet *o);

/* How long the session has been supplied by this moment, which is not before the last event. */
int64_t supply_energised_ms(const struct box *box, const struct outlet *o, int64_t at_ms);

void supply_open(struct box *box, struct outlet *o);
int64_t supply_bound_mwh(const struct box *box, const struct outlet *o);

/* A trusted reading, while o->reading still is the one before: splits what was used between the two where the rate
 * changed. */
void supply_split(struct box *box, struct outlet *o, const struct meter_reading *reading);

/* Before a record shows the register: what was used since the last record before the boot gets its rate now at the latest,
 * with whatever clock there is. */
void supply_split_now(struct box *box, struct outlet *o);

/* Fills in how long the credit lasts at the present power. */
void supply_forecast(const struct box *box, const struct outlet *o, struct progress *progress);

/* --- command_run.c: what commands do --- */

bool box_take_command(struct box *box, const struct command *command, const struct command_origin *origin);

/* --- account.c: the credit that outlets share --- */

/* What the outlet's session may still cost in all: the account's pool less what other sessions took and what is kept back
 * for the bounds. Below the session's own cost when the credit is over. */
int64_t account_available_micros(const struct box *box, const struct outlet *o);

/* What is left of the account's pool, for people to read. */
int64_t account_remaining_micros(const struct box *box, const struct outlet *o);

/* What the session has cost so far, by the trusted register. */
int64_t account_session_cost(const struct box *box, const struct outlet *o);
int64_t account_session_mwh(const struct box *box, const struct outlet *o);
struct fee_energy account_session_energy(const struct box *box, const struct outlet *o);

#endif
