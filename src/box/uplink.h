/* src/box/uplink.h: when to talk to the server, what to send, and when to believe that it is gone.
 *
 * Pure room: src/model and what lies below. The logic of the link without the link. */
#ifndef BOX_UPLINK_H
#define BOX_UPLINK_H

#include <stdbool.h>
#include <stdint.h>

#define UPLINK_BATCH_MAX 500 /* records in one POST */
#define UPLINK_RETRY_AFTER_MAX_MS INT64_C(3600000) /* no server can silence a box for longer */

struct uplink_config {
	bool disabled; /* the box has no server: nothing is asked of the shell */
	int64_t heartbeat_ms; /* what the box asks of the command stream; dead after 1.5 of them */
	int64_t backoff_min_ms; /* ceiling of the first delay after a failure; doubles each time */
	int64_t backoff_max_ms;
	int64_t post_timeout_ms; /* a POST without an answer has failed */
	int64_t progress_ms; /* at most one progress report per this time; of figures that move, one in five of them */
};

enum uplink_action {
	UPLINK_POST, /* records from..through (none when through < from) and the latest progress of each outlet */
	UPLINK_OPEN_STREAM, /* commands after `after` */
	UPLINK_CLOSE_STREAM, /* it is dead: forget it */
};

struct uplink_request {
	enum uplink_action action;
	uint64_t from;
	uint64_t through;
	uint64_t newest; /* of the records that are durable, those that this POST leaves behind included */
	uint64_t after;
};

enum uplink_event_type {
	UPLINK_POSTED, /* 200: accepted_through counts */
	UPLINK_POST_FAILED,
	UPLINK_STREAM_OPENED,
	UPLINK_STREAM_HEARD, /* any byte, a heartbeat included */
	UPLINK_STREAM_CLOSED, /* or could not be opened */
};

struct uplink_event {
	enum uplink_event_type type;
	uint64_t accepted_through;
	unsigned refused; /* records that the server refuses for good, among those accepted */
	int64_t retry_after_ms; /* what the server asked for; 0 when nothing */
};

/* One direction's patience: full-jitter, capped, doubling. */
struct uplink_backoff {
	unsigned failures; /* since it last worked for good */
	bool failing; /* the last attempt has */
	bool asked; /* next_ms is what the server asked for: nothing shortens it */
	int64_t next_ms; /* not before */
};

struct uplink {
	struct uplink_config config;
	uint64_t durable; /* the last record that may be sent */
	uint64_t accepted;
	bool posting;
	int64_t posted_ms; /* when the POST under way began */
	uint64_t posted_through;
	bool progress_due;
	bool figures_due;
	int64_t progress_sent_ms;
	int64_t figures_until_ms; /* the share of the line that posts for figures alone have used, as a time: one more adds its part */
	int64_t pinged_ms;
	struct uplink_backoff post_backoff;
	bool streaming; /* open or being opened */
	bool stream_dead; /* to be closed by the shell */
	int64_t stream_begun_ms;
	int64_t stream_heard_ms;
	struct uplink_backoff stream_backoff;
	int64_t server_heard_ms; /* monotonic, of any authenticated answer; INT64_MIN when never */
};

void uplink_init(struct uplink *u, const struct uplink_config *config, uint64_t accepted, uint64_t durable,
		 int64_t now_ms);

/* Records up to seq are durable. */
void uplink_on_durable(struct uplink *u, uint64_t seq);

/* Some outlet's progress is worth telling: what its people or its money wait for. */
void uplink_on_progress(struct uplink *u);

/* Some outlet's figures have moved, for whoever looks on. The first are told as fast as any progress; what moves all the
 * time has a fixed share of the line, so that a restless load does not fill it. */
void uplink_on_figures(struct uplink *u);

/* random: any 64 random bits, for the jitter. */
void uplink_on_event(struct uplink *u, const struct uplink_event *event, uint64_t random, int64_t now_ms);

/* Notices what has taken too long. */
void uplink_on_tick(struct uplink *u, uint64_t random, int64_t now_ms);

/* A door moved or someone is near: report as soon as back-off allows, the radio takes its time to wake. A second one within
 * a few seconds is an ordinary progress: a loose door switch must not fill the line. */
void uplink_ping(struct uplink *u, int64_t now_ms);

/* The next thing to do now, which then counts as begun. `after` is the last command decided. */
bool uplink_next(struct uplink *u, uint64_t after, struct uplink_request *request, int64_t now_ms);

/* When uplink_on_tick() or uplink_next() has something to do, monotonic; MOMENT_NEVER when nothing. */
int64_t uplink_deadline(const struct uplink *u);

#endif
