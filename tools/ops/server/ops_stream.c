/* tools/ops/server/ops_stream.c: see ops_stream.h.
 *
 * Room: tools/ops/server; libmicrohttpd. */
#include "ops_stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

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
	const struct ops_stream_source *source;
	void *ctx;
	struct MHD_Connection *connection;
	struct ops_stream *next, *previous;
	struct ops_stream **watchers; /* the list that it is in; NULL: it watches nothing */
	struct ops_stream *next_watcher, *previous_watcher;
	int fd;
	bool suspended;
	bool ended; /* said by us */
	bool gone; /* the peer is */
	bool ask; /* the source may have something */
	int64_t not_before_ms; /* the source wants to be asked then, monotonic; 0: at any time */
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

bool ops_streams_have_room(const struct ops_streams *streams, bool staff)
{
	unsigned room = streams->max / WATCHERS_SHARE;
	if (!staff && room > 1)
		room -= (room + WATCHERS_STAFF_SHARE - 1) / WATCHERS_STAFF_SHARE;
	return streams->count < streams->max && streams->watcher_count < room;
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

/* Asks the source, when there is a reason to, and sets what it gives as the text. */
static enum ops_stream_next ask(struct ops_stream *s, int64_t now_ms)
{
	struct ops_stream_text next = {.text = NULL};
	if (!s->ask || now_ms < s->not_before_ms)
		return OPS_STREAM_NOTHING;
	enum ops_stream_next what = s->source->next(s->ctx, &next);
	if (what == OPS_STREAM_TEXT)
		set_text(s, next.text, next.length, next.text);
	s->not_before_ms = what == OPS_STREAM_NOTHING ? next.not_before_ms : 0;
	s->ask = what == OPS_STREAM_TEXT || s->not_before_ms > 0;
	return what;
}

/* Finds something to send. 1, 0 when there is nothing, or what the library wants to be told instead. */
static ssize_t find_text(struct ops_stream *s)
{
	int64_t now_ms = ops_monotonic_now_ms();
	if (s->text != NULL)
		return 1;
	if (s->gone)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (s->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	bool due = s->due_ms <= now_ms + BEAT_TOGETHER_MS;
	if (due && s->watchers != NULL)
		s->ask = true;
	switch (ask(s, now_ms)) {
	case OPS_STREAM_TEXT:
		return 1;
	case OPS_STREAM_OVER:
		s->ended = true;
		return MHD_CONTENT_READER_END_OF_STREAM;
	case OPS_STREAM_FAILED:
		return MHD_CONTENT_READER_END_WITH_ERROR;
	case OPS_STREAM_NOTHING:
		break;
	}
	if (due)
		set_text(s, heartbeat, sizeof heartbeat - 1, NULL);
	return due;
}

/* When a stream that waits must be woken, monotonic. */
static int64_t wake_ms(const struct ops_stream *s)
{
	bool sooner = s->ask && s->not_before_ms < s->due_ms;
	return sooner ? s->not_before_ms : s->due_ms;
}

/* Nothing to say until the stream is woken or the heartbeat is due. */
static void rest(struct ops_stream *s)
{
	struct ops_streams *all = &s->server->streams;
	if (wake_ms(s) + BEAT_TOGETHER_MS < all->beat_ms)
		all->beat_ms = wake_ms(s) + BEAT_TOGETHER_MS;
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

static void unlink_watcher(struct ops_stream *s)
{
	if (s->watchers == NULL)
		return;
	*(s->previous_watcher != NULL ? &s->previous_watcher->next_watcher : s->watchers) = s->next_watcher;
	if (s->next_watcher != NULL)
		s->next_watcher->previous_watcher = s->previous_watcher;
	s->watchers = NULL;
	s->server->streams.watcher_count--;
}

/* The library is done with the answer: its connection is closed next. */
static void free_stream(void *cls)
{
	struct ops_stream *s = cls;
	struct ops_streams *all = &s->server->streams;
	epoll_ctl(all->hangup_fd, EPOLL_CTL_DEL, s->fd, NULL); /* fails only when it was never added */
	unlink_watcher(s);
	if (s->previous != NULL)
		s->previous->next = s->next;
	else
		all->first = s->next;
	if (s->next != NULL)
		s->next->previous = s->previous;
	all->count--;
	s->source->close(s->ctx, s->ended);
	clear_text(s);
	free(s);
}

/* Watches the peer of a connection that may be suspended for an hour. */
static int watch_peer(struct ops_stream *s)
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

struct MHD_Response *ops_stream_begin(struct ops_server *server, struct MHD_Connection *connection,
				      const struct ops_stream_source *source, void *ctx, int64_t heartbeat_ms,
				      struct ops_stream **stream)
{
	struct ops_stream *s = calloc(1, sizeof *s);
	if (s == NULL)
		return NULL;
	*s = (struct ops_stream){
		.server = server,
		.source = source,
		.ctx = ctx,
		.connection = connection,
		.ask = true,
		.heartbeat_ms = heartbeat_ms,
	};
	struct MHD_Response *response = NULL;
	if (watch_peer(s) == 0)
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_SIZE, read_stream, s, free_stream);
	if (response == NULL) {
		epoll_ctl(server->streams.hangup_fd, EPOLL_CTL_DEL, s->fd, NULL);
		free(s);
		return NULL;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	ops_peer_exempt(connection);
	set_text(s, opening, sizeof opening - 1, NULL);
	link_stream(s);
	*stream = s;
	return response;
}

void ops_stream_watch(struct ops_stream *s, struct ops_live_box *box)
{
	s->watchers = box != NULL ? &box->watchers : &s->server->streams.watchers;
	s->next_watcher = *s->watchers;
	if (*s->watchers != NULL)
		(*s->watchers)->previous_watcher = s;
	*s->watchers = s;
	s->server->streams.watcher_count++;
}

static void resume(struct ops_stream *s)
{
	if (!s->suspended)
		return;
	s->suspended = false;
	s->server->streams.resumed = true;
	MHD_resume_connection(s->connection);
}

void ops_stream_wake(struct ops_stream *s)
{
	s->ask = true;
	if (s->not_before_ms == 0) /* else the time wakes it */
		resume(s);
}

void ops_stream_end(struct ops_stream *s)
{
	s->ended = true;
	resume(s);
}

void ops_streams_end_all(struct ops_server *server)
{
	for (struct ops_stream *s = server->streams.first; s != NULL; s = s->next)
		ops_stream_end(s);
}

/* --- watchers --- */

void ops_box_changed(struct ops_server *server, struct ops_live_box *box)
{
	for (struct ops_stream *s = box->watchers; s != NULL; s = s->next_watcher)
		ops_stream_wake(s);
	if (server->streams.watchers != NULL)
		ops_live_touch(server->live, box);
	for (struct ops_stream *s = server->streams.watchers; s != NULL; s = s->next_watcher)
		ops_stream_wake(s);
}

void ops_streams_wake_watchers(struct ops_server *server)
{
	for (struct ops_stream *s = server->streams.first; s != NULL; s = s->next) {
		if (s->watchers == NULL)
			continue;
		s->not_before_ms = 0;
		ops_stream_wake(s);
	}
}

void ops_streams_each(struct ops_server *server, const struct ops_stream_source *source,
		      bool (*visit)(void *arg, void *ctx), void *arg)
{
	for (struct ops_stream *s = server->streams.first; s != NULL; s = s->next) {
		if (s->source == source && !s->ended && !s->gone && !visit(arg, s->ctx))
			return;
	}
}

/* --- the loop's part --- */

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
		if (s->suspended && wake_ms(s) <= now_ms)
			resume(s);
		else if (s->suspended && wake_ms(s) < next_ms)
			next_ms = wake_ms(s);
	}
	server->streams.beat_ms = next_ms == INT64_MAX ? next_ms : next_ms + BEAT_TOGETHER_MS;
}
