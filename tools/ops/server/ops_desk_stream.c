/* tools/ops/server/ops_desk_stream.c: see ops_desk_stream.h.
 *
 * Room: tools/ops/server; libmicrohttpd, cJSON, tools/ops/core. */
#include "ops_desk_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "desk.h"
#include "log.h"
#include "ops_calls.h"

#define DESK_REST_MS 1000 /* between two events of one box */
#define STAFF_STREAMS_MAX 16 /* of one of the staff: each tells all that changes */
#define EVENTS_AT_ONCE 16 /* of each kind, in one text */
#define REPEATS_SEEN 8 /* so far back a change of the same order is found */

struct desk_stream {
	struct ops_server *server;
	struct ops_stream *stream;
	char session[PEOPLE_TOKEN_SIZE]; /* of whoever looks on; empty: a program */
	char name[PEOPLE_CONTACT_SIZE]; /* of the same */
	uint64_t change; /* of the last box that was sent */
	uint64_t until; /* the last change of this round; 0: between two rounds */
	uint64_t orders; /* how many changes of orders were sent */
	int64_t alarm; /* the last that was sent */
	int64_t next_round_ms; /* monotonic */
};

void ops_desk_note(struct ops_server *server, const char *order)
{
	struct ops_desk *desk = &server->desk;
	if (server->streams.watchers == NULL)
		return;
	word_copy(desk->orders[desk->count % DESK_CHANGES_MAX], ORDER_SIZE, order);
	desk->count++;
}

/* --- a text of many events --- */

struct events {
	struct desk_stream *stream;
	FILE *file;
	int count; /* of the kind that is being added */
	bool found; /* of any kind */
	bool failed; /* memory is short */
};

/* Writes an event; the object is deleted. False when there are enough of its kind. */
static bool add_event(struct events *events, const char *name, cJSON *object)
{
	char *data = json_print_and_delete(object);
	if (data == NULL || fprintf(events->file, "event: %s\ndata: %s\n\n", name, data) < 0)
		events->failed = true;
	free(data);
	events->found = true;
	return ++events->count < EVENTS_AT_ONCE;
}

static int add_boxes(struct events *events, struct ops_error *error)
{
	struct desk_stream *s = events->stream;
	struct ops_live_box *box = ops_live_changed(s->server->live, s->change);
	bool more = true;
	int result = 0;
	for (events->count = 0; result == 0 && more && box != NULL && box->change <= s->until; box = box->newer) {
		cJSON *object = cJSON_CreateObject();
		result = ops_fill_box_status(s->server, box->name, object, error);
		s->change = box->change;
		more = add_event(events, "box", object);
	}
	return result;
}

/* Whether the same order changed again, a little later. */
static bool changes_again(const struct ops_desk *desk, uint64_t number)
{
	const char *order = desk->orders[number % DESK_CHANGES_MAX];
	for (uint64_t later = number + 1; later < desk->count && later <= number + REPEATS_SEEN; later++) {
		if (strcmp(desk->orders[later % DESK_CHANGES_MAX], order) == 0)
			return true;
	}
	return false;
}

static int add_orders(struct events *events, struct ops_error *error)
{
	struct desk_stream *s = events->stream;
	const struct ops_desk *desk = &s->server->desk;
	bool more = true;
	for (events->count = 0; more && s->orders < desk->count; s->orders++) {
		struct ops_order order;
		if (changes_again(desk, s->orders))
			continue;
		int result = ops_get_order(s->server->ops, desk->orders[s->orders % DESK_CHANGES_MAX], &order, error);
		if (result == -ENOENT) /* the call that made it failed in the end */
			continue;
		if (result < 0)
			return result;
		more = add_event(events, "order", ops_order_object(&order, NULL));
	}
	return 0;
}

static bool take_alarm(void *ctx, const struct desk_alarm *alarm)
{
	struct events *events = ctx;
	events->stream->alarm = alarm->number;
	return add_event(events, "alarm", ops_alarm_object(alarm));
}

static int add_alarms(struct events *events, struct ops_error *error)
{
	events->count = 0;
	return ops_alarms_after(events->stream->server->ops, events->stream->alarm, take_alarm, events, error);
}

/* --- the source --- */

/* Whether whoever looks on still may: 1, 0 or a negative errno. */
static int may_look(const struct desk_stream *s, struct ops_error *error)
{
	struct person person;
	if (s->session[0] == '\0')
		return 1;
	int found = ops_find_session(s->server->ops, s->session, ops_wall_now_ms(), &person, error);
	return found <= 0 ? found : person.kind == PERSON_STAFF;
}

static int add_events(struct events *events, struct ops_error *error)
{
	struct ops *ops = events->stream->server->ops;
	int result = ops_begin_reading(ops, error);
	if (result < 0)
		return result;
	result = add_boxes(events, error);
	if (result == 0)
		result = add_orders(events, error);
	if (result == 0)
		result = add_alarms(events, error);
	ops_end_reading(ops);
	return result;
}

/* The next events of this round. 1, 0 when there is nothing more in it, or a negative errno. */
static int make_text(struct desk_stream *s, struct ops_stream_text *text, struct ops_error *error)
{
	struct events events = {.stream = s, .file = open_memstream(&text->text, &text->length)};
	int result = events.file == NULL ? -ENOMEM : add_events(&events, error);
	bool whole = events.file != NULL && fclose(events.file) == 0 && !events.failed;
	if (!whole && (result == 0 || events.file == NULL)) {
		snprintf(error->text, sizeof error->text, "out of memory");
		result = -ENOMEM;
	}
	if (result == 0 && events.found)
		return 1;
	free(text->text);
	text->text = NULL;
	return result;
}

/* A round sends each box that has changed once; the next one begins a second after it. */
static enum ops_stream_next find_events(void *ctx, struct ops_stream_text *text)
{
	struct desk_stream *s = ctx;
	struct ops_error error;
	int64_t now_ms = ops_monotonic_now_ms();
	bool behind = s->server->desk.count - s->orders > DESK_CHANGES_MAX;
	int result = may_look(s, &error);
	if (result == 0 || (result > 0 && behind))
		return OPS_STREAM_OVER;
	if (result > 0 && s->until == 0 && now_ms < s->next_round_ms) {
		text->not_before_ms = s->next_round_ms;
		return OPS_STREAM_NOTHING;
	}
	if (s->until == 0)
		s->until = ops_live_change(s->server->live);
	if (result > 0)
		result = make_text(s, text, &error);
	if (result > 0) {
		s->next_round_ms = now_ms + DESK_REST_MS;
		return OPS_STREAM_TEXT;
	}
	s->until = 0;
	if (result == 0) {
		text->not_before_ms = now_ms < s->next_round_ms ? s->next_round_ms : 0; /* for what came meanwhile */
		return OPS_STREAM_NOTHING;
	}
	log_line(LOG_LEVEL_ERROR, "stream_failed", "desk=yes error=%s", log_text(error.text).text);
	return OPS_STREAM_FAILED;
}

static void close_stream(void *ctx, bool ended)
{
	(void)ended;
	free(ctx);
}

static const struct ops_stream_source desk_source = {.next = find_events, .close = close_stream};

/* --- begin --- */

struct staff_streams {
	const char *name;
	unsigned count;
};

static bool count_stream(void *arg, void *ctx)
{
	struct staff_streams *all = arg;
	const struct desk_stream *s = ctx;
	all->count += strcmp(s->name, all->name) == 0;
	return true;
}

/* Programs have no limit of their own. False: refused. */
static bool has_own_room(struct ops_request *q)
{
	struct staff_streams all = {.name = q->person.name};
	if (q->by_token)
		return true;
	ops_streams_each(q->server, &desk_source, count_stream, &all);
	if (all.count < STAFF_STREAMS_MAX)
		return true;
	q->retry_s = REQUEST_RETRY_S;
	ops_refuse(q, MHD_HTTP_TOO_MANY_REQUESTS, "too_many_streams", "%u pages of yours look on", all.count);
	return false;
}

void ops_call_desk_events(struct ops_request *q)
{
	struct ops_error error;
	int64_t alarm;
	if (!has_own_room(q) || !ops_may_stream(q, ops_streams_have_room(&q->server->streams, true)))
		return;
	int result = ops_newest_alarm(q->server->ops, &alarm, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	struct desk_stream *s = calloc(1, sizeof *s);
	if (s == NULL) {
		ops_refuse_memory(q);
		return;
	}
	*s = (struct desk_stream){
		.server = q->server,
		.change = ops_live_change(q->server->live),
		.orders = q->server->desk.count,
		.alarm = alarm,
	};
	memcpy(s->session, q->session, sizeof s->session);
	memcpy(s->name, q->person.name, sizeof s->name);
	q->response = ops_stream_begin(q->server, q->connection, &desk_source, s, WATCHER_HEARTBEAT_MS, &s->stream);
	if (q->response == NULL) {
		free(s);
		ops_refuse_memory(q);
		return;
	}
	ops_stream_watch(s->stream, NULL);
	q->status = MHD_HTTP_OK;
}
