/* tools/ops/server/ops_stream.h: command streams: thousands of open answers that mostly wait.
 *
 * Room: tools/ops/server; libmicrohttpd. A stream is one connection, suspended while there is nothing to say, and one
 * small structure with at most one event in it. What it has to send is asked of the core each time, so nothing is
 * queued here and nothing can be lost here. The library does not notice that a suspended connection's peer has gone: an
 * epoll descriptor of our own does. */
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

struct ops_streams {
	struct ops_stream *first; /* all that are open, in no order */
	unsigned count;
	unsigned max; /* some connections are kept for everything else */
	int hangup_fd; /* epoll: whose peer has gone */
	int64_t beat_ms; /* when the next heartbeats are due, monotonic; INT64_MAX for never */
	bool resumed; /* the library must run before the loop waits again */
};

/* 0 or negative errno. */
int ops_streams_open(struct ops_streams *streams, unsigned max);
void ops_streams_close(struct ops_streams *streams); /* when all are gone */

/* Begins a stream of the box, after the command with that seq; ends the one that the box had. The response is the
 * caller's to queue. NULL when memory is short. */
struct MHD_Response *ops_stream_begin(struct ops_server *server, struct ops_live_box *box,
				      struct MHD_Connection *connection, int64_t heartbeat_ms, uint64_t after);

/* There may be a command for the box. */
void ops_stream_wake(struct ops_live_box *box);

/* Ends the box's stream, if it has one: the box will come back. */
void ops_stream_end(struct ops_live_box *box);
void ops_streams_end_all(struct ops_server *server);

/* Ends the streams whose peer has gone, after hangup_fd was readable. */
void ops_streams_take_hangups(struct ops_server *server);

/* Wakes the streams whose heartbeat is due, when beat_ms has come. */
void ops_streams_beat(struct ops_server *server, int64_t now_ms);

#endif
