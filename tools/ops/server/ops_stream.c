/* tools/ops/server/ops_stream.c: see ops_stream.h.
 *
 * Room: tools/ops/server; libmicrohttpd, src/jws, tools/ops/core. */
#include "ops_stream.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "ops_server.h"

#define BEAT_TOGETHER_MS 200 /* heartbeats so near to each other are sent in one go */
#define UNACKNOWLEDGED_MS 60000U /* then the peer is taken for gone */
#define SEND_BUFFER (32 * 1024) /* the kernel's, for one that does not read; events are small and rare */
#define BLOCK_SIZE 128 /* the library's own buffer of a response; chunks do not go through it */
#define HANGUPS_AT_ONCE 64

static const char opening[] = ": open\n\n";
static const char heartbeat[] = ": heartbeat\n\n";

struct ops_stream {
	struct ops_server *server;
	struct ops_live_box *box; /* NULL when a newer one took its place */
	struct MHD_Connection *connection;
	struct ops_stream *next, *previous;
	int fd;
	bool suspended;
	bool ended; /* said by us */
	bool gone; /* the peer is */
	bool check; /* the core may have commands */
	bool stops; /* those at or before `after` that act late are still being sent */
	uint64_t after; /* as the box said */
	uint64_t stop_cursor; /* the last of those that was sent */
	uint64_t cursor; /* the last command that was sent */
	int64_t heartbeat_ms;
	int64_t due_ms; /* the next heartbeat, monotonic */
	const char *text; /* what is being sent; NULL: nothing */
	char *owned; /* the same, when it is ours to free */
	size_t length;
	size_t sent;
};

int ops_streams_open(struct ops_streams *streams, unsigned max)
{
	*streams = (struct ops_streams){.max = max, .beat_ms = INT64_MAX};
	streams->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
	return streams->hangup_fd < 0 ? -errno : 0;
}

void ops_streams_close(struct ops_streams *streams)
{
	if (streams->hangup_fd >= 0)
		close(streams->hangup_fd);
	streams->hangup_fd = -1;
}

/* --- what is sent --- */

static void set_text(struct ops_stream *s, const char *text, size_t length, char *owned)
{
	s->text = text;
	s->owned = owned;
	s->length = length;
	s->sent = 0;
	s->due_ms = ops_monotonic_now_ms() + s->heartbeat_ms;
}

static void clear_text(struct ops_stream *s)
{
	free(s->owned);
	s->owned = NULL;
	s->text = NULL;
}

/* The next command for the stream, as the core's callback finds it. */
struct next_command {
	struct ops_stream *stream;
	bool found;
	uint64_t seq;
	char *text;
};

static bool take_command(void *ctx, uint64_t seq, const char *text, size_t length)
{
	struct next_command *next = ctx;
	struct ops_stream *s = next->stream;
	if (s->stops && seq <= s->stop_cursor)
		return true; /* a stop that was sent already */
	next->found = true;
	next->seq = seq;
	next->text =
		s->server->command_key != NULL ? jws_sign(s->server->command_key, text, length) : strndup(text, length);
	return false;
}

/* Makes an event of the command. -ENOMEM when memory is short. */
static int set_event(struct ops_stream *s, const struct next_command *next)
{
	char *event = NULL;
	int length = -1;
	if (next->text != NULL)
		length = asprintf(&event, "id: %" PRIu64 "\nevent: command\ndata: %s\n\n", next->seq, next->text);
	if (length < 0)
		return -ENOMEM;
	set_text(s, event, (size_t)length, event);
	s->stops = s->stops && next->seq <= s->after;
	if (s->stops)
		s->stop_cursor = next->seq;
	else
		s->cursor = next->seq;
	log_line(LOG_LEVEL_INFO, "command_sent", "box=%s seq=%" PRIu64, log_text(s->box->name).text, next->seq);
	return 0;
}

/* Asks the core for the next command, and sets it as the text. 1, 0 when there is none, or negative errno. */
static int fetch(struct ops_stream *s)
{
	struct next_command next = {.stream = s};
	struct ops_error error;
	int result = ops_commands(s->server->ops, s->box->name, s->cursor, s->stops, take_command, &next, &error);
	if (result == 0 && next.found && (result = set_event(s, &next)) < 0)
		snprintf(error.text, sizeof error.text, "out of memory");
	free(next.text);
	if (result < 0) {
		log_line(LOG_LEVEL_ERROR,
			 "stream_failed",
			 "box=%s error=%s",
			 log_text(s->box->name).text,
			 log_text(error.text).text);
		return result;
	}
	s->check = next.found;
	s->stops = s->stops && next.found;
	return next.found;
}

/* Finds something to send. 1, 0 when there is nothing, or what the library wants to be told instead. */
static ssize_t find_text(struct ops_stream *s)
{
	if (s->text != NULL)
		return 1;
	if (s->gone)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (s->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	int fetched = s->check ? fetch(s) : 0;
	if (fetched < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (fetched == 0 && s->due_ms <= ops_monotonic_now_ms() + BEAT_TOGETHER_MS) {
		set_text(s, heartbeat, sizeof heartbeat - 1, NULL);
		return 1;
	}
	return fetched;
}

/* Nothing to say until a command comes or the heartbeat is due. */
static void rest(struct ops_stream *s)
{
	struct ops_streams *all = &s->server->streams;
	if (s->due_ms + BEAT_TOGETHER_MS < all->beat_ms)
		all->beat_ms = s->due_ms + BEAT_TOGETHER_MS;
	s->suspended = true;
	MHD_suspend_connection(s->connection);
}

static ssize_t read_stream(void *cls, uint64_t position, char *buffer, size_t max)
{
	struct ops_stream *s = cls;
	(void)position;
	ssize_t found = find_text(s);
	if (found < 0)
		return found;
	if (found == 0) {
		rest(s);
		return 0;
	}
	size_t size = s->length - s->sent < max ? s->length - s->sent : max;
	memcpy(buffer, s->text + s->sent, size);
	s->sent += size;
	if (s->sent == s->length)
		clear_text(s);
	return (ssize_t)size;
}

/* --- begin and end --- */

static void leave_box(struct ops_stream *s, const char *why)
{
	if (s->box == NULL || s->box->stream != s)
		return;
	log_line(LOG_LEVEL_INFO, "stream_closed", "box=%s why=%s", log_text(s->box->name).text, why);
	s->box->stream = NULL;
}

/* The library is done with the answer: its connection is closed next. */
static void free_stream(void *cls)
{
	struct ops_stream *s = cls;
	struct ops_streams *all = &s->server->streams;
	leave_box(s, s->ended ? "ended" : "gone");
	epoll_ctl(all->hangup_fd, EPOLL_CTL_DEL, s->fd, NULL); /* fails only when it was never added */
	if (s->previous != NULL)
		s->previous->next = s->next;
	else
		all->first = s->next;
	if (s->next != NULL)
		s->next->previous = s->previous;
	all->count--;
	clear_text(s);
	free(s);
}

/* Watches the peer of a connection that may be suspended for an hour. */
static int watch(struct ops_stream *s)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(s->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = s};
	const unsigned patience_ms = UNACKNOWLEDGED_MS;
	const int buffer = SEND_BUFFER;
	if (info == NULL)
		return -EBADF;
	s->fd = info->connect_fd;
	if (setsockopt(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience_ms, sizeof patience_ms) < 0 ||
	    setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer) < 0)
		return -errno;
	return epoll_ctl(s->server->streams.hangup_fd, EPOLL_CTL_ADD, s->fd, &event) < 0 ? -errno : 0;
}

static void link_stream(struct ops_stream *s)
{
	struct ops_streams *all = &s->server->streams;
	s->next = all->first;
	if (all->first != NULL)
		all->first->previous = s;
	all->first = s;
	all->count++;
}

struct MHD_Response *ops_stream_begin(struct ops_server *server, struct ops_live_box *box,
				      struct MHD_Connection *connection, int64_t heartbeat_ms, uint64_t after)
{
	struct ops_stream *s = calloc(1, sizeof *s);
	if (s == NULL)
		return NULL;
	*s = (struct ops_stream){
		.server = server,
		.connection = connection,
		.check = true,
		.stops = after > 0,
		.after = after,
		.cursor = after,
		.heartbeat_ms = heartbeat_ms,
	};
	struct MHD_Response *response = NULL;
	if (watch(s) == 0)
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_stream, s, free_stream);
	if (response == NULL) {
		epoll_ctl(server->streams.hangup_fd, EPOLL_CTL_DEL, s->fd, NULL);
		free(s);
		return NULL;
	}
	ops_stream_end(box);
	set_text(s, opening, sizeof opening - 1, NULL);
	link_stream(s);
	s->box = box;
	box->stream = s;
	log_line(LOG_LEVEL_INFO,
		 "stream_opened",
		 "box=%s after=%" PRIu64 " heartbeat_ms=%" PRId64,
		 log_text(box->name).text,
		 after,
		 heartbeat_ms);
	return response;
}

static void resume(struct ops_stream *s)
{
	if (!s->suspended)
		return;
	s->suspended = false;
	s->server->streams.resumed = true;
	MHD_resume_connection(s->connection);
}

void ops_stream_wake(struct ops_live_box *box)
{
	if (box->stream == NULL)
		return;
	box->stream->check = true;
	resume(box->stream);
}

static void end(struct ops_stream *s)
{
	s->ended = true;
	leave_box(s, "ended");
	resume(s);
}

void ops_stream_end(struct ops_live_box *box)
{
	if (box->stream != NULL)
		end(box->stream);
}

void ops_streams_end_all(struct ops_server *server)
{
	for (struct ops_stream *s = server->streams.first; s != NULL; s = s->next)
		end(s);
}

void ops_streams_take_hangups(struct ops_server *server)
{
	struct epoll_event events[HANGUPS_AT_ONCE];
	int count = epoll_wait(server->streams.hangup_fd, events, HANGUPS_AT_ONCE, 0);
	for (int i = 0; i < count; i++) {
		struct ops_stream *s = events[i].data.ptr;
		s->gone = true;
		resume(s);
	}
}

void ops_streams_beat(struct ops_server *server, int64_t now_ms)
{
	int64_t next_ms = INT64_MAX;
	if (now_ms < server->streams.beat_ms)
		return;
	/* One that is not suspended is being sent to; it says when it waits again. */
	for (struct ops_stream *s = server->streams.first; s != NULL; s = s->next) {
		if (s->suspended && s->due_ms <= now_ms)
			resume(s);
		else if (s->suspended && s->due_ms < next_ms)
			next_ms = s->due_ms;
	}
	server->streams.beat_ms = next_ms == INT64_MAX ? next_ms : next_ms + BEAT_TOGETHER_MS;
}
