/* tools/ops/server/ops_box_stream.c: see ops_box_stream.h.
 *
 * Room: tools/ops/server; src/jws, tools/ops/core. */
#include "ops_box_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "ops_server.h"

struct ops_box_stream {
	struct ops_server *server;
	struct ops_live_box *box; /* whose stream is another one when a newer took its place */
	struct ops_stream *stream;
	bool stops; /* those at or before `after` that act late are still being sent */
	uint64_t after; /* as the box said */
	uint64_t stop_cursor; /* the last of those that was sent */
	uint64_t cursor; /* the last command that was sent */
};

/* --- what is sent --- */

/* The next command for the stream, as the core's callback finds it. */
struct next_command {
	struct ops_box_stream *stream;
	bool found;
	uint64_t seq;
	char *text;
};

static bool take_command(void *ctx, uint64_t seq, const char *text, size_t length)
{
	struct next_command *next = ctx;
	struct ops_box_stream *c = next->stream;
	if (c->stops && seq <= c->stop_cursor)
		return true; /* a stop that was sent already */
	next->found = true;
	next->seq = seq;
	next->text =
		c->server->command_key != NULL ? jws_sign(c->server->command_key, text, length) : strndup(text, length);
	return false;
}

/* Makes an event of the command. -ENOMEM when memory is short. */
static int make_event(struct ops_box_stream *c, const struct next_command *next, struct ops_stream_text *event)
{
	int length = -1;
	if (next->text != NULL)
		length = asprintf(&event->text, "id: %" PRIu64 "\nevent: command\ndata: %s\n\n", next->seq, next->text);
	if (length < 0)
		return -ENOMEM;
	event->length = (size_t)length;
	c->stops = c->stops && next->seq <= c->after;
	if (c->stops)
		c->stop_cursor = next->seq;
	else
		c->cursor = next->seq;
	log_line(LOG_LEVEL_INFO, "command_sent", "box=%s seq=%" PRIu64, log_text(c->box->name).text, next->seq);
	return 0;
}

static enum ops_stream_next find_command(void *ctx, struct ops_stream_text *event)
{
	struct ops_box_stream *c = ctx;
	struct next_command next = {.stream = c};
	struct ops_error error;
	int result = ops_commands(c->server->ops, c->box->name, c->cursor, c->stops, take_command, &next, &error);
	if (result == 0 && next.found && (result = make_event(c, &next, event)) < 0)
		snprintf(error.text, sizeof error.text, "out of memory");
	free(next.text);
	if (result < 0) {
		log_line(LOG_LEVEL_ERROR,
			 "stream_failed",
			 "box=%s error=%s",
			 log_text(c->box->name).text,
			 log_text(error.text).text);
		return OPS_STREAM_FAILED;
	}
	c->stops = c->stops && next.found;
	return next.found ? OPS_STREAM_TEXT : OPS_STREAM_NOTHING;
}

/* --- begin and end --- */

/* The box has no stream any more. */
static void leave_box(struct ops_box_stream *c, const char *why)
{
	if (c->box->stream != c)
		return;
	log_line(LOG_LEVEL_INFO, "stream_closed", "box=%s why=%s", log_text(c->box->name).text, why);
	c->box->stream = NULL;
	ops_box_changed(c->server, c->box);
}

static void close_stream(void *ctx, bool ended)
{
	leave_box(ctx, ended ? "ended" : "gone");
	free(ctx);
}

static const struct ops_stream_source command_source = {.next = find_command, .close = close_stream};

struct MHD_Response *ops_box_stream_begin(struct ops_server *server, struct ops_live_box *box,
					  struct MHD_Connection *connection, int64_t heartbeat_ms, uint64_t after)
{
	struct ops_box_stream *c = calloc(1, sizeof *c);
	if (c == NULL)
		return NULL;
	*c = (struct ops_box_stream){
		.server = server,
		.box = box,
		.stops = after > 0,
		.after = after,
		.cursor = after,
	};
	struct MHD_Response *response =
		ops_stream_begin(server, connection, &command_source, c, heartbeat_ms, &c->stream);
	if (response == NULL) {
		free(c);
		return NULL;
	}
	ops_box_stream_end(box);
	box->stream = c;
	log_line(LOG_LEVEL_INFO,
		 "stream_opened",
		 "box=%s after=%" PRIu64 " heartbeat_ms=%" PRId64,
		 log_text(box->name).text,
		 after,
		 heartbeat_ms);
	ops_box_changed(server, box);
	return response;
}

void ops_box_stream_wake(struct ops_live_box *box)
{
	if (box->stream != NULL)
		ops_stream_wake(box->stream->stream);
}

void ops_box_stream_end(struct ops_live_box *box)
{
	struct ops_box_stream *c = box->stream;
	if (c == NULL)
		return;
	leave_box(c, "ended");
	ops_stream_end(c->stream);
}
