/* src/ledger/queue.h: the bounded queue between the heart, which may not wait, and the ledger, which may.
 *
 * Room: src/wire, sqlite3. A ring of records; a ticket is the seq of a group's last record. Whoever uses it from two
 * threads holds a lock around every call. */
#ifndef LEDGER_QUEUE_H
#define LEDGER_QUEUE_H

#include "record.h"

struct ledger_queue {
	struct record records[RECORDS_QUEUED_MAX];
	uint64_t pushed; /* how many ever */
	uint64_t dropped;
};

void ledger_queue_init(struct ledger_queue *queue);

/* Adds a group of records, all or none: a commit takes whole groups. False when they do not fit. */
bool ledger_queue_push(struct ledger_queue *queue, const struct record *records, size_t count);

/* How many wait. */
size_t ledger_queue_count(const struct ledger_queue *queue);

/* The index-th that waits, oldest first; owned by the queue until dropped. */
const struct record *ledger_queue_at(const struct ledger_queue *queue, size_t index);

/* Removes the count oldest. */
void ledger_queue_drop(struct ledger_queue *queue, size_t count);

#endif
