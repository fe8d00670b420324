/* src/ledger/queue.c: see queue.h. */
#include "queue.h"

#include <assert.h>

void ledger_queue_init(struct ledger_queue *queue)
{
	queue->pushed = 0;
	queue->dropped = 0;
}

size_t ledger_queue_count(const struct ledger_queue *queue)
{
	return (size_t)(queue->pushed - queue->dropped);
}

bool ledger_queue_push(struct ledger_queue *queue, const struct record *records, size_t count)
{
	if (count > RECORDS_QUEUED_MAX - ledger_queue_count(queue))
		return false;
	for (size_t i = 0; i < count; i++)
		queue->records[queue->pushed++ % RECORDS_QUEUED_MAX] = records[i];
	return true;
}

const struct record *ledger_queue_at(const struct ledger_queue *queue, size_t index)
{
	assert(index < ledger_queue_count(queue));
	return &queue->records[(queue->dropped + index) % RECORDS_QUEUED_MAX];
}

void ledger_queue_drop(struct ledger_queue *queue, size_t count)
{
	assert(count <= ledger_queue_count(queue));
	queue->dropped += count;
}
