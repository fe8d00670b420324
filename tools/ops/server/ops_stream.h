/* tools/ops/server/ops_stream.h: event streams: thousands of open answers that mostly wait.
 *
 * Room: tools/ops/server; libmicrohttpd. A stream is one connection, suspended while there is nothing to say, and one
 * small structure with at most one text in it. What it has to send is asked of its source each time, so nothing is
 * queued here. The library does not notice that a suspended connection's peer has gone: an epoll descriptor of our own
 * does.
 * A box's command stream (ops_box_stream.h) is woken by name. Watchers are streams of people who look on: each watches
 * one box, or all, and is woken by ops_box_changed(). A box that nobody watches costs nothing. */
#ifndef OPS_STREAM_H
#define OPS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct MHD_Connection;
struct MHD_Response;
struct ops_live_box;
struct ops_server;
struct ops_stream; /* opaque */

#define WATCHERS_SHARE 8 /* at most an eighth of all streams are watchers */
#define WATCHERS_STAFF_SHARE 4 /* a quarter of that is for staff only */
#define WATCHER_HEARTBEAT_MS 20000

enum ops_stream_next {
	OPS_STREAM_TEXT, /* there is something to send */
	OPS_STREAM_NOTHING, /* until the stream is woken */
	OPS_STREAM_OVER, /* the stream ends */
	OPS_STREAM_FAILED /* the same, and the peer sees that it broke off; the source has said why in the log */
};

struct ops_stream_text {
	char *text; /* whole events, from malloc(), the stream's to free */
	size_t length; /* above 0 */
	int64_t not_before_ms; /* monotonic: with NOTHING, the source is asked then, and not before even when woken; 0: when
				  the stream is woken */
};

/* Where a stream's texts come from. Neither may begin or wake a stream of its own kind, nor end any. */
struct ops_stream_source {
	/* What to send next. Asked when the stream begins, after each text, when it is woken, and a watcher's also with each
	 * heartbeat. *next is zeroed before. */
	enum ops_stream_next (*next)(void *ctx, struct ops_stream_text *next);
	/* The stream is gone, and ctx is the source's to free. ended: we ended it, not the peer. */
	void (*close)(void *ctx, bool ended);
};

struct ops_streams {
	struct ops_stream *first; /* all that are open, in no order */
	unsigned count;
	unsigned max; /* some connections are kept for everything else */
	struct ops_stream *watchers; /* of all boxes */
	unsigned watcher_count; /* of one box or of all */
	int hangup_fd; /* epoll: whose peer has gone */
	int64_t beat_ms; /* when the next stream must be woken, monotonic; INT64_MAX for never */
	bool resumed; /* the library must run before the loop waits again */
};

/* 0 or negative errno. */
int ops_streams_open(struct ops_streams *streams, unsigned max);
void ops_streams_close(struct ops_streams *streams); /* when all are gone */

/* Whether there is room for one more watcher. Of their room a quarter is kept for staff. */
bool ops_streams_have_room(const struct ops_streams *streams, bool staff);

/* Begins a stream. The response, which has its headers, is the caller's to queue; *stream lives until the source is
 * closed. NULL when memory is short: then ctx is still the caller's. */
struct MHD_Response *ops_stream_begin(struct ops_server *server, struct MHD_Connection *connection,
				      const struct ops_stream_source *source, void *ctx, int64_t heartbeat_ms,
				      struct ops_stream **stream);

/* Makes the stream a watcher of the box, or of all boxes with NULL; once, when it has begun. */
void ops_stream_watch(struct ops_stream *stream, struct ops_live_box *box);

/* There may be something to send. */
void ops_stream_wake(struct ops_stream *stream);

/* Ends the stream: nothing more is asked of its source, which is closed a little later. */
void ops_stream_end(struct ops_stream *stream);
void ops_streams_end_all(struct ops_server *server);

/* Something about the box changed: records or progress were taken in, a command or an order was made, its stream was
 * opened or closed. Wakes those who watch it. */
void ops_box_changed(struct ops_server *server, struct ops_live_box *box);

/* Somebody has signed out or may do less: all watchers are woken, and each looks whether it may go on. */
void ops_streams_wake_watchers(struct ops_server *server);

/* Calls `visit` with the ctx of each open stream of this source, until it returns false: for counting somebody's. */
void ops_streams_each(struct ops_server *server, const struct ops_stream_source *source,
		      bool (*visit)(void *arg, void *ctx), void *arg);

/* Ends the streams whose peer has gone, after hangup_fd was readable. */
void ops_streams_take_hangups(struct ops_server *server);

/* Wakes the streams whose heartbeat is due, or who wanted to be asked, when beat_ms has come. */
void ops_streams_beat(struct ops_server *server, int64_t now_ms);

#endif
