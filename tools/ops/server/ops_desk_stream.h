/* tools/ops/server/ops_desk_stream.h: what changes, as the operator's desk sees it go on; see ops_stream.h.
 *
 * Room: tools/ops/server; libmicrohttpd, cJSON, tools/ops/core. Events are the documents as they are when they are sent:
 * what changed twice meanwhile is sent once. */
#ifndef OPS_DESK_STREAM_H
#define OPS_DESK_STREAM_H

#include <stdint.h>

#include "record.h"

#define DESK_CHANGES_MAX 1024 /* orders that have changed and were not sent; a stream that is further behind ends */

struct ops_server;

/* The orders that have changed lately, by their numbers. Kept only while somebody looks on. */
struct ops_desk {
	char orders[DESK_CHANGES_MAX][ORDER_SIZE];
	uint64_t count; /* of all changes; number n is at n % DESK_CHANGES_MAX */
};

/* The order was made or changed: the core's order_changed. */
void ops_desk_note(struct ops_server *server, const char *order);

#endif
