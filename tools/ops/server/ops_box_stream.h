/* tools/ops/server/ops_box_stream.h: a box's command stream; see ops_stream.h.
 *
 * Room: tools/ops/server; src/jws, tools/ops/core. A box has one stream, in its ops_live_box. What is sent is asked of
 * the core each time, so that no command can be lost here. */
#ifndef OPS_BOX_STREAM_H
#define OPS_BOX_STREAM_H

#include <stdint.h>

struct MHD_Connection;
struct MHD_Response;
struct ops_live_box;
struct ops_server;

/* Begins a stream of the box, after the command with that seq; ends the one that the box had. The response is the
 * caller's to queue. NULL when memory is short. */
struct MHD_Response *ops_box_stream_begin(struct ops_server *server, struct ops_live_box *box,
					  struct MHD_Connection *connection, int64_t heartbeat_ms, uint64_t after);

/* There may be a command for the box. */
void ops_box_stream_wake(struct ops_live_box *box);

/* Ends the box's stream, if it has one: the box will come back. */
void ops_box_stream_end(struct ops_live_box *box);

#endif
