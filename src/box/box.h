/* src/box/box.h: the heart: everything that a box decides.
 *
 * Pure room: src/model and what lies below. It never reads a clock, opens a file or sleeps: it takes events with their
 * moment, calls the ports, and says when it next wants to be woken. The same heart runs in the daemon and in the
 * simulator. No handler may be called from within a port. */
#ifndef BOX_H
#define BOX_H

#include "breaker.h"
#include "command.h"
#include "debounce.h"
#include "image.h"
#include "lock.h"
#include "plausibility.h"
#include "predict.h"
#include "progress.h"
#include "uplink.h"

/* What one handler call writes forms one group, committed whole: at most 6 records for each of 16 outlets. */
#define BOX_GROUP_MAX 128
_Static_assert(BOX_GROUP_MAX <= RECORDS_QUEUED_MAX, "a group fits into the queue");

struct outlet_config {
	int64_t rated_mw; /* what the breaker carries */
	struct breaker_config breaker; /* its step_mwh is the meter's */
	bool door_fitted; /* a switch on the user box's door */
	int64_t lock_pulse_ms;
	int64_t lock_rest_ms;
	char serial[METER_SERIAL_SIZE]; /* of the commissioned meter; empty: whichever answers first */
};

struct box_config {
	char box[BOX_ID_SIZE];
	char version[DETAIL_SIZE]; /* of the program, for the boot record */
	unsigned outlet_count; /* 1 to OUTLETS_MAX */
	struct outlet_config outlets[OUTLETS_MAX];
	bool metering_door_fitted;
	int64_t metering_lock_pulse_ms;
	int64_t metering_lock_rest_ms;
	int64_t metering_grant_ms; /* how long an unlocked metering box may stay shut before opening it is tamper */
	int64_t input_settle_ms; /* debounce of doors and contacts */
	int64_t reading_age_ms; /* between two readings of one meter, as the bus is planned */
	int64_t meter_late_ms; /* a reading older than this is not fresh: no start, and worst-case use is counted */
	int64_t meter_silent_ms; /* supply never goes on longer than this without a reading */
	int64_t settle_ms; /* how long an end waits for a stable register before it takes the last one */
	int64_t resume_window_ms; /* how long a pause may last */
	int64_t boot_wait_ms; /* how long a boot waits for a trusted clock before an outage counts as too long */
	int64_t mark_ms; /* between two register marks */
	int64_t service_ms; /* longest service session */
	bool insecure_commands; /* a workshop's setting: unverified commands act */
	uint32_t
		power_boot; /* the first boot of the daemon since the board has power: the monotonic clock has run on since its
				records; 0: not known */
	bool ledger_set_aside; /* the ledger is new because a damaged one was put aside: an alarm says so */
	struct uplink_config uplink;
};

/* Sensible values for everything but the box's name and its outlets. */
void box_config_defaults(struct box_config *config);

/* All that the heart may do to the world. No call blocks. */
struct box_ports {
	void *ctx;
	void (*breaker)(void *ctx, unsigned outlet, bool close);
	/* Energises a lock's coil for pulse_ms and no longer; outlet or RECORD_NO_OUTLET for the metering box. */
	void (*pulse)(void *ctx, int outlet, int64_t pulse_ms);
	/* Queues a group of records, in order; box_on_durable() tells when they are safe. There is always room: the heart
	 * never has more than RECORDS_QUEUED_MAX outstanding. */
	void (*append)(void *ctx, const struct record *records, size_t count);
	uint64_t (*random)(void *ctx);
};

enum box_input {
	INPUT_METERING_DOOR, /* true: closed */
	INPUT_USER_DOOR, /* true: closed */
	INPUT_CONTACT, /* true: closed */
};

struct box; /* defined in box_internal.h; holders only need its size */

/* The size of struct box, for whoever provides its memory. */
size_t box_size(void);

/* Begins to decide. config and ports are copied. image is what the ledger holds; ledger_id, accepted its name and what
 * the server has of it. Opens every monostable breaker, and every latching one that is not to be read back. The caller
 * then tells every input's level. */
void box_init(struct box *box, const struct box_config *config, const struct box_ports *ports,
	      const struct box_image *image, const char *ledger_id, uint64_t accepted, struct moment now);

/* A meter answered. reading->mono_ms is when its last byte arrived. */
void box_on_reading(struct box *box, unsigned outlet, const struct meter_reading *reading, struct moment now);

/* Everything up to and including seq is on disk. */
void box_on_durable(struct box *box, uint64_t seq, struct moment now);

/* A commit failed (true), or succeeded again (false). */
void box_on_storage(struct box *box, bool failing, struct moment now);

/* An input's raw level; outlet is ignored for the metering box's door. */
void box_on_input(struct box *box, enum box_input input, unsigned outlet, bool level, struct moment now);

/* A command arrived. Its result becomes a record. False when the ledger has no room for it: nothing was done, and those
 * behind it must not come before it does. */
bool box_on_command(struct box *box, const struct command *command, const struct command_origin *origin,
		    struct moment now);

/* Something happened on the link. */
void box_on_uplink(struct box *box, const struct uplink_event *event, struct moment now);

/* Takes over the times of config that may change while the box runs: metering_grant_ms, meter_late_ms, meter_silent_ms,
 * settle_ms, resume_window_ms, boot_wait_ms, mark_ms, service_ms. What already counts goes on by the old ones. */
void box_reconfigure(struct box *box, const struct box_config *config, struct moment now);

/* The process is about to end: every breaker opens, and what was supplying is paused for a new start. Wait for
 * box_on_durable() of all that was appended, and call nothing else any more. */
void box_shut_down(struct box *box, struct moment now);

/* Time has passed, by itself. */
void box_on_deadline(struct box *box, struct moment now);

/* When box_on_deadline() has something to do, monotonic ms, or MOMENT_NEVER. */
int64_t box_next_deadline(const struct box *box);

/* What the shell shall do on the link now. True with *request filled, and the request counts as begun; call again until
 * false. */
bool box_uplink_next(struct box *box, struct uplink_request *request, struct moment now);

/* An outlet as it is. outlet < outlet_count. */
void box_progress(const struct box *box, unsigned outlet, struct progress *progress, struct moment now);

/* What else can be seen of an outlet, for people who look into the box. */
struct outlet_view {
	enum outlet_state state;
	enum breaker_state breaker;
	bool door_known;
	bool door_closed;
	bool contact_known;
	bool contact_closed;
};
void box_view(const struct box *box, unsigned outlet, struct outlet_view *view);

/* The metering box's door: false with *closed untouched while its level is not known. */
bool box_metering_door(const struct box *box, bool *closed);

/* What the records up to the last one written add up to, durable or not. Owned by the box. */
const struct box_image *box_image(const struct box *box);

/* The bound of behaviour.md for one outlet, in milliwatt-hours. */
int64_t box_overdraft_bound_mwh(const struct box_config *config, unsigned outlet);

#endif
