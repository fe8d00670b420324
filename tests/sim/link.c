/* tests/sim/link.c: the link between box and server, which loses, delays, duplicates and reorders. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_internal.h"

#define LINES_MAX (UPLINK_BATCH_MAX + OUTLETS_MAX + 1)

static bool lost(struct world *w)
{
	if (!w->link_up)
		return true;
	return (w->options.faults & WORLD_LINK) && world_is_busy(w) && chance_happens(&w->chance, 20);
}

static int64_t delay(struct world *w)
{
	if (!(w->options.faults & WORLD_LINK))
		return chance_between(&w->chance, 30, 200);
	return chance_between(&w->chance, 30, chance_happens(&w->chance, 50) ? 20000 : 800);
}

static bool twice(struct world *w)
{
	return (w->options.faults & WORLD_LINK) && world_is_busy(w) && chance_happens(&w->chance, 20);
}

/* Sends a message; text is copied. Each message is a boundary. False when it is lost. */
static bool send(struct world *w, enum happening_type type, uint64_t generation, uint64_t id, uint64_t value,
		 const char *text)
{
	world_boundary(w);
	int copies = lost(w) ? 0 : twice(w) ? 2 : 1;
	for (int i = 0; i < copies; i++) {
		struct happening *h = world_plan(w, type, delay(w));
		h->generation = generation;
		h->id = id;
		h->value = value;
		h->text = text == NULL ? NULL : strdup(text);
	}
	return copies > 0;
}

/* --- POST: lines of text, the first character says of what --- */

struct body {
	char *text;
	size_t length;
	size_t size;
};

static void add_line(struct body *b, char kind, const char *text, size_t length)
{
	if (b->length + length + 3 > b->size) {
		b->size = 2 * (b->length + length + 3);
		b->text = realloc(b->text, b->size);
		if (b->text == NULL)
			abort();
	}
	b->text[b->length++] = kind;
	memcpy(b->text + b->length, text, length);
	b->length += length;
	b->text[b->length++] = '\n';
	b->text[b->length] = '\0';
}

static bool add_record(void *ctx, uint64_t seq, const char *text, size_t length)
{
	(void)seq;
	add_line(ctx, 'R', text, length);
	return true;
}

static void post(struct world *w, const struct uplink_request *request)
{
	struct body body = {0};
	struct ledger_error error;
	add_line(&body, 'L', ledger_id(w->ledger), strlen(ledger_id(w->ledger)));
	int result = request->through < request->from ? 0 :
							ledger_read(w->ledger,
								    request->from,
								    (size_t)(request->through - request->from + 1),
								    add_record,
								    &body,
								    &error);
	if (result < 0) {
		free(body.text);
		if (result == -EBADMSG)
			board_damaged(w, error.text);
		return;
	}
	for (unsigned i = 0; i < w->box_config.outlet_count; i++) {
		struct progress p;
		box_progress(w->box, i, &p, world_moment(w));
		char *text = wire_write_progress(&p);
		add_line(&body, 'P', text, strlen(text));
		free(text);
	}
	w->post_id = ++w->ids;
	send(w, HAPPENS_POST, 0, w->post_id, w->generation, body.text);
	free(body.text);
}

static void take_progress(struct world *w, const char *text)
{
	struct progress p;
	struct wire_error wire;
	struct ops_error error;
	if (!wire_read_progress(text, strlen(text), &p, &wire))
		checker_violate(&w->checker, 10, "progress: %s", wire.text);
	else if (ops_progress(w->ops, WORLD_BOX, &p, world_wall(w), &error) < 0)
		world_trace(w, "progress refused: %s", error.text);
}

static void serve_post(struct world *w, const struct happening *h)
{
	const char *records[LINES_MAX];
	const char *progress[OUTLETS_MAX];
	const char *ledger = "";
	size_t record_count = 0, progress_count = 0;
	char *rest = h->text;
	for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
		if (*line == 'L')
			ledger = line + 1;
		else if (*line == 'R' && record_count < LINES_MAX)
			records[record_count++] = line + 1;
		else if (*line == 'P' && progress_count < OUTLETS_MAX)
			progress[progress_count++] = line + 1;
	}
	struct ops_intake answer;
	struct ops_error error;
	int result = ops_intake(w->ops, WORLD_BOX, ledger, records, record_count, world_wall(w), &answer, &error);
	if (result < 0) {
		world_trace(w, "intake refused: %s", error.text);
		if (result != -EAGAIN)
			checker_violate(&w->checker, 5, "intake: %s", error.text);
		return;
	}
	if (answer.refused_count > 0 && !w->rot_struck)
		checker_violate(&w->checker,
				5,
				"the server refused record %llu: %s",
				(unsigned long long)answer.refused[0].seq,
				answer.refused[0].why);
	for (size_t i = 0; i < progress_count; i++)
		take_progress(w, progress[i]);
	send(w, HAPPENS_ANSWER, h->value, h->id, answer.accepted_through, NULL);
	link_push(w);
}

static void take_answer(struct world *w, const struct happening *h)
{
	if (!w->alive || h->generation != w->generation || h->id != w->post_id)
		return; /* the connection that it belongs to is gone */
	struct uplink_event event = {.type = UPLINK_POSTED, .accepted_through = h->value};
	w->post_id = 0;
	w->quality = TIME_SYNCHRONISED;
	ledger_accept(w->ledger, h->value);
	box_on_uplink(w->box, &event, world_moment(w));
	board_after(w);
}

/* --- the command stream --- */

/* A stream is a TCP connection: what is lost ends it, silently, for everything that would follow. */
static void send_line(struct world *w, uint64_t seq, const char *text)
{
	if (w->broken_stream_id == w->server_stream_id)
		return;
	if (!send(w, HAPPENS_STREAM_LINE, 0, w->server_stream_id, seq, text))
		w->broken_stream_id = w->server_stream_id;
}

static bool push_command(void *ctx, uint64_t seq, const char *text, size_t length)
{
	struct world *w = ctx;
	(void)length;
	send_line(w, seq, text);
	if (seq > w->server_sent)
		w->server_sent = seq;
	return true;
}

static void push_from(struct world *w, bool stops)
{
	struct ops_error error;
	if (w->server_stream_id == 0)
		return;
	if (ops_commands(w->ops, WORLD_BOX, w->server_sent, stops, push_command, w, &error) < 0)
		checker_violate(&w->checker, 5, "commands: %s", error.text);
}

void link_push(struct world *w)
{
	push_from(w, false);
}

static void serve_stream(struct world *w, const struct happening *h)
{
	if (h->id < w->server_stream_id)
		return; /* an old request that took long */
	w->server_stream_id = h->id;
	w->server_sent = h->value;
	send_line(w, 0, NULL);
	push_from(w, true);
	world_plan(w, HAPPENS_HEARTBEAT, w->box_config.uplink.heartbeat_ms)->id = h->id;
}

static void serve_heartbeat(struct world *w, const struct happening *h)
{
	if (h->id != w->server_stream_id)
		return;
	send_line(w, 0, NULL);
	world_plan(w, HAPPENS_HEARTBEAT, w->box_config.uplink.heartbeat_ms)->id = h->id;
}

/* The box's end of it. */
static void end_stream(struct world *w)
{
	struct uplink_event event = {.type = UPLINK_STREAM_CLOSED};
	w->stream_id = 0;
	box_on_uplink(w->box, &event, world_moment(w));
	board_after(w);
}

static void take_line(struct world *w, const struct happening *h)
{
	if (!w->alive || h->id != w->stream_id)
		return;
	struct uplink_event event = {.type = UPLINK_STREAM_HEARD};
	w->quality = TIME_SYNCHRONISED;
	box_on_uplink(w->box, &event, world_moment(w));
	board_after(w);
	if (h->text == NULL || !w->alive)
		return;
	struct command command;
	struct wire_error error;
	struct command_origin origin = {.verified = true, .server_ms = world_wall(w)};
	if (!wire_read_command(h->text, strlen(h->text), &command, &error))
		checker_violate(&w->checker, 10, "command: %s", error.text);
	else if (!board_command(w, &command, &origin))
		end_stream(w); /* the next one begins with this command again */
}

/* --- both --- */

void link_request(struct world *w, const struct uplink_request *request)
{
	switch (request->action) {
	case UPLINK_POST:
		post(w, request);
		break;
	case UPLINK_OPEN_STREAM:
		w->stream_id = ++w->ids;
		send(w, HAPPENS_STREAM_OPEN, 0, w->stream_id, request->after, NULL);
		break;
	case UPLINK_CLOSE_STREAM:
		w->stream_id = 0;
		break;
	}
}

void link_happens(struct world *w, const struct happening *h)
{
	if (h->type == HAPPENS_POST)
		serve_post(w, h);
	else if (h->type == HAPPENS_ANSWER)
		take_answer(w, h);
	else if (h->type == HAPPENS_STREAM_OPEN)
		serve_stream(w, h);
	else if (h->type == HAPPENS_STREAM_LINE)
		take_line(w, h);
	else
		serve_heartbeat(w, h);
}
