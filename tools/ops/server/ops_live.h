/* tools/ops/server/ops_live.h: what the server knows of boxes only as long as it runs: who was heard when, how far
 * its ledger goes, the latest progress, the open stream, who watches.
 *
 * Room: tools/ops/server. Entries are made for boxes of the store only, so that their number is the store's; they stay
 * until the end. */
#ifndef OPS_LIVE_H
#define OPS_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "command.h"
#include "progress.h"

struct ops_box_stream;
struct ops_stream;

struct ops_live_box {
	char name[BOX_ID_SIZE];
	int64_t heard_ms; /* wall time; 0: not since this process began */
	struct ops_box_stream *stream; /* NULL: none is open */
	uint64_t newest; /* the last durable record of its ledger, as its last batch said; 0: it has not said */
	struct progress *progress[OUTLETS_MAX]; /* the latest; NULL: none */
	int64_t progress_ms[OUTLETS_MAX]; /* when it came in, monotonic */
	struct ops_stream *watchers; /* of this box alone */
	uint64_t change; /* counts the changes of all boxes that somebody watches; 0: none yet */
	struct ops_live_box *newer, *older; /* in the order of their changes */
	struct ops_live_box *next; /* in its bucket */
};

struct ops_live; /* opaque */

/* NULL when memory is short. */
struct ops_live *ops_live_new(void);
void ops_live_free(struct ops_live *live); /* NULL is allowed; its streams are gone by then */

/* The box's entry, or NULL when there is none yet. */
struct ops_live_box *ops_live_find(struct ops_live *live, const char *name);

/* The box's entry, made when there is none; NULL when memory is short. */
struct ops_live_box *ops_live_get(struct ops_live *live, const char *name);

/* The box has changed: it becomes the newest of those that have. */
void ops_live_touch(struct ops_live *live, struct ops_live_box *box);

/* The number of the newest change. */
uint64_t ops_live_change(const struct ops_live *live);

/* The box with the lowest change above `after`, or NULL; the others follow it by `newer`. Takes as long as they are many. */
struct ops_live_box *ops_live_changed(const struct ops_live *live, uint64_t after);

/* Keeps the outlet's latest progress, which came in now (monotonic). False when memory is short. */
bool ops_live_keep(struct ops_live_box *box, const struct progress *progress, int64_t now_ms);

#endif
