/* src/box/uplink.c: see uplink.h. */
#include "uplink.h"

#include "moment.h"

#define PING_REST_MS INT64_C(5000)
#define FIGURES_SHARE 5 /* of figures that move, one report for so many that there could be... */
#define FIGURES_AT_ONCE 6 /* ... but so many as fast as there can be, after a while without */
#define STEADY_MS INT64_C(30000) /* a stream that has lived so long works; one that opens and closes does not */

void uplink_init(struct uplink *u, const struct uplink_config *config, uint64_t accepted, uint64_t durable,
		 int64_t now_ms)
{
	*u = (struct uplink){
		.config = *config,
		.durable = durable,
		.accepted = accepted,
		.progress_due = true,
		.progress_sent_ms = now_ms - config->progress_ms,
		.figures_until_ms = now_ms,
		.pinged_ms = now_ms - PING_REST_MS,
		.post_backoff = {.next_ms = now_ms},
		.stream_backoff = {.next_ms = now_ms},
		.server_heard_ms = INT64_MIN,
	};
}

void uplink_on_durable(struct uplink *u, uint64_t seq)
{
	u->durable = seq;
}

void uplink_on_progress(struct uplink *u)
{
	u->progress_due = true;
}

void uplink_on_figures(struct uplink *u)
{
	u->figures_due = true;
}

/* What one direction has just found, a network that is there again, the other need not wait to find. */
static void hurry(const struct uplink *u, struct uplink_backoff *b, uint64_t random, int64_t now_ms)
{
	int64_t soon_ms = now_ms + (int64_t)(random % (uint64_t)(u->config.backoff_min_ms + 1));
	if (b->failing && !b->asked && b->next_ms > soon_ms)
		b->next_ms = soon_ms;
}

static int64_t asked_for(int64_t retry_after_ms)
{
	return retry_after_ms > UPLINK_RETRY_AFTER_MAX_MS ? UPLINK_RETRY_AFTER_MAX_MS : retry_after_ms;
}

static void post_succeeded(struct uplink *u, int64_t retry_after_ms, uint64_t random, int64_t now_ms)
{
	if (u->post_backoff.failing)
		hurry(u, &u->stream_backoff, random, now_ms);
	u->post_backoff =
		(struct uplink_backoff){.asked = retry_after_ms > 0, .next_ms = now_ms + asked_for(retry_after_ms)};
}

static void failed(const struct uplink *u, struct uplink_backoff *b, int64_t retry_after_ms, uint64_t random,
		   int64_t now_ms)
{
	int64_t ceiling = u->config.backoff_min_ms;
	for (unsigned i = 0; i < b->failures && ceiling < u->config.backoff_max_ms; i++)
		ceiling *= 2;
	if (ceiling > u->config.backoff_max_ms)
		ceiling = u->config.backoff_max_ms;
	int64_t delay = (int64_t)(random % (uint64_t)(ceiling + 1));
	b->failures++;
	b->failing = true;
	b->asked = retry_after_ms > delay;
	b->next_ms = now_ms + (b->asked ? asked_for(retry_after_ms) : delay);
}

/* The progress that it carried is told as soon as back-off allows. */
static void post_failed(struct uplink *u, int64_t retry_after_ms, uint64_t random, int64_t now_ms)
{
	u->posting = false;
	u->progress_due = true;
	u->progress_sent_ms = now_ms - u->config.progress_ms;
	failed(u, &u->post_backoff, retry_after_ms, random, now_ms);
}

/* Never beyond what was sent in this batch: a server that is honestly ahead, because its last answer was lost, gets the
 * rest again. One that takes nothing wants us to wait; one that has less than it said once, restored from a copy, gets
 * again what it lacks. */
static void take_answer(struct uplink *u, const struct uplink_event *event, uint64_t random, int64_t now_ms)
{
	bool sent_any = u->posted_through > u->accepted;
	uint64_t through = event->accepted_through < u->posted_through ? event->accepted_through : u->posted_through;
	bool took_any = through > u->accepted;
	u->posting = false;
	u->server_heard_ms = now_ms;
	if (took_any || (!sent_any && through == u->accepted))
		post_succeeded(u, event->retry_after_ms, random, now_ms);
	else
		failed(u, &u->post_backoff, event->retry_after_ms, random, now_ms);
	u->accepted = through;
}

/* A proxy that opens and closes at once, or two boxes with one name, must not reset the back-off. */
static void stream_failed(struct uplink *u, int64_t lived_ms, int64_t retry_after_ms, uint64_t random, int64_t now_ms)
{
	u->streaming = false;
	if (lived_ms >= STEADY_MS)
		u->stream_backoff.failures = 0;
	failed(u, &u->stream_backoff, retry_after_ms, random, now_ms);
}

void uplink_on_event(struct uplink *u, const struct uplink_event *event, uint64_t random, int64_t now_ms)
{
	switch (event->type) {
	case UPLINK_POSTED:
		if (u->posting)
			take_answer(u, event, random, now_ms);
		break;
	case UPLINK_POST_FAILED:
		if (u->posting)
			post_failed(u, event->retry_after_ms, random, now_ms);
		break;
	case UPLINK_STREAM_OPENED:
		if (u->streaming)
			u->stream_heard_ms = now_ms;
		break;
	case UPLINK_STREAM_HEARD:
		if (!u->streaming)
			break;
		u->stream_heard_ms = now_ms;
		u->server_heard_ms = now_ms;
		if (u->stream_backoff.failing)
			hurry(u, &u->post_backoff, random, now_ms);
		u->stream_backoff.failing = false;
		break;
	case UPLINK_STREAM_CLOSED:
		if (u->streaming)
			stream_failed(u, now_ms - u->stream_begun_ms, event->retry_after_ms, random, now_ms);
		break;
	}
}

static int64_t stream_dead_ms(const struct uplink *u)
{
	return u->stream_heard_ms + u->config.heartbeat_ms + u->config.heartbeat_ms / 2;
}

void uplink_on_tick(struct uplink *u, uint64_t random, int64_t now_ms)
{
	if (u->posting && now_ms >= u->posted_ms + u->config.post_timeout_ms)
		post_failed(u, 0, random, now_ms);
	if (u->streaming && now_ms >= stream_dead_ms(u)) {
		u->stream_dead = true;
		bool was_heard = u->stream_heard_ms > u->stream_begun_ms;
		stream_failed(u, was_heard ? now_ms - u->stream_begun_ms : 0, 0, random, now_ms);
	}
}

void uplink_ping(struct uplink *u, int64_t now_ms)
{
	u->progress_due = true;
	if (now_ms - u->pinged_ms < PING_REST_MS)
		return;
	u->pinged_ms = now_ms;
	u->progress_sent_ms = now_ms - u->config.progress_ms;
}

static int64_t figures_rest_ms(const struct uplink *u)
{
	return FIGURES_SHARE * u->config.progress_ms;
}

/* When figures may be told. */
static int64_t figures_ms(const struct uplink *u)
{
	int64_t share_ms = u->figures_until_ms - (FIGURES_AT_ONCE - 1) * figures_rest_ms(u);
	int64_t rested_ms = u->progress_sent_ms + u->config.progress_ms;
	return share_ms > rested_ms ? share_ms : rested_ms;
}

/* When a POST is due; MOMENT_NEVER when there is nothing to say. */
static int64_t post_ms(const struct uplink *u)
{
	int64_t wanted;
	if (u->posting)
		return MOMENT_NEVER;
	if (u->durable > u->accepted)
		wanted = u->post_backoff.next_ms;
	else if (u->progress_due)
		wanted = u->progress_sent_ms + u->config.progress_ms;
	else if (u->figures_due)
		wanted = figures_ms(u);
	else
		return MOMENT_NEVER;
	return wanted > u->post_backoff.next_ms ? wanted : u->post_backoff.next_ms;
}

static bool begin_post(struct uplink *u, struct uplink_request *request, int64_t now_ms)
{
	uint64_t waiting = u->durable - u->accepted;
	if (waiting == 0 && !u->progress_due)
		u->figures_until_ms =
			(u->figures_until_ms > now_ms ? u->figures_until_ms : now_ms) + figures_rest_ms(u);
	u->posting = true;
	u->posted_ms = now_ms;
	u->posted_through = u->accepted + (waiting < UPLINK_BATCH_MAX ? waiting : UPLINK_BATCH_MAX);
	u->progress_due = false;
	u->figures_due = false;
	u->progress_sent_ms = now_ms;
	*request = (struct uplink_request){
		.action = UPLINK_POST,
		.from = u->accepted + 1,
		.through = u->posted_through,
		.newest = u->durable,
	};
	return true;
}

bool uplink_next(struct uplink *u, uint64_t after, struct uplink_request *request, int64_t now_ms)
{
	if (u->config.disabled)
		return false;
	if (u->stream_dead) {
		u->stream_dead = false;
		*request = (struct uplink_request){.action = UPLINK_CLOSE_STREAM};
		return true;
	}
	if (post_ms(u) <= now_ms)
		return begin_post(u, request, now_ms);
	if (!u->streaming && u->stream_backoff.next_ms <= now_ms) {
		u->streaming = true;
		u->stream_begun_ms = now_ms;
		u->stream_heard_ms = now_ms;
		*request = (struct uplink_request){.action = UPLINK_OPEN_STREAM, .after = after};
		return true;
	}
	return false;
}

int64_t uplink_deadline(const struct uplink *u)
{
	if (u->config.disabled)
		return MOMENT_NEVER;
	int64_t post = u->posting ? u->posted_ms + u->config.post_timeout_ms : post_ms(u);
	int64_t stream = u->streaming ? stream_dead_ms(u) : u->stream_backoff.next_ms;
	return post < stream ? post : stream;
}
