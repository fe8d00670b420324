/* src/daemon/ledger_thread.h: the thread that owns the ledger, because a disk may take its time and the heart may not.
 *
 * Room: src/daemon. What is appended is committed in order, whole groups, one transaction for all that waits. The owner
 * hears of it when ledger_thread_fd() is readable. */
#ifndef LEDGER_THREAD_H
#define LEDGER_THREAD_H

#include <stdbool.h>

#include "batch.h"
#include "control.h"
#include "ledger.h"

/* Whoever asks for records has a share of the questions that may wait; one more is refused. */
enum ledger_asker {
	LEDGER_FOR_CONTROL,
	LEDGER_FOR_UPLINK,
	LEDGER_ASKER_COUNT
};

#define LEDGER_CONTROL_PAGES_MAX CONTROL_CLIENTS_MAX
#define LEDGER_UPLINK_PAGES_MAX 2 /* one that the link has given up may still be under way */
#define LEDGER_PAGES_MAX (LEDGER_CONTROL_PAGES_MAX + LEDGER_UPLINK_PAGES_MAX)
#define LEDGER_PAGE_RECORDS_MAX BATCH_RECORDS_MAX
/* The link's page ends with the record that reaches this: the daemon's thread packs it, and no breaker may wait long. */
#define LEDGER_UPLINK_BYTES 65536
_Static_assert(CONTROL_RECORDS_MAX <= LEDGER_PAGE_RECORDS_MAX, "a page holds what the control socket may ask for");

enum ledger_state {
	LEDGER_UNAVAILABLE, /* it cannot be opened (yet): tried again every few seconds */
	LEDGER_OPEN,
	LEDGER_FAILING, /* the last commit failed: tried again every second */
	LEDGER_DAMAGED, /* found damaged while running and set aside: the process must begin anew */
};

struct ledger_news {
	enum ledger_state state;
	bool tried; /* to open it; false only at the very beginning */
	char error[LEDGER_ERROR_SIZE]; /* of every state but LEDGER_OPEN */
	uint64_t durable_seq;
	uint64_t accepted_seq;
};

/* What a boot starts from. Valid once the state was LEDGER_OPEN. */
struct ledger_start {
	struct box_image image;
	char id[LEDGER_ID_SIZE];
	uint64_t accepted;
	bool set_aside; /* it is new because a damaged one was put aside */
};

/* The answer to one question for records. */
struct ledger_page {
	enum ledger_asker asker;
	uint64_t ticket; /* the asker's own */
	int result; /* 0, or negative errno with error */
	char error[LEDGER_ERROR_SIZE];
	char id[LEDGER_ID_SIZE];
	uint64_t durable_seq;
	uint64_t accepted_seq;
	size_t count;
	char **bodies; /* room for as many as were asked for */
	char tip[RECORD_HASH_SIZE]; /* with image only */
	struct box_image *image; /* of the moment; only when there was nothing left to read */
};

struct ledger_thread; /* opaque; owned by whoever started it */

/* Starts the thread, which opens dir/ledger.db (making dir when it can). dir is copied. 0 or negative errno. */
int ledger_thread_start(const char *dir, struct ledger_thread **thread);

/* Commits what waits, as far as the disk lets it within a few tries, closes the ledger and frees everything. NULL is
 * allowed. */
void ledger_thread_stop(struct ledger_thread *thread);

int ledger_thread_fd(const struct ledger_thread *thread);

/* How things stand now; ledger_thread_fd() is not readable any more until they change. */
void ledger_thread_news(struct ledger_thread *thread, struct ledger_news *news);

const struct ledger_start *ledger_thread_start_image(const struct ledger_thread *thread);

/* Queues a group of records. The heart never has more than RECORDS_QUEUED_MAX outstanding: there is always room. */
void ledger_thread_append(struct ledger_thread *thread, const struct record *records, size_t count);

/* Asks for at most max (up to LEDGER_PAGE_RECORDS_MAX) records from `from` on. False when too many of the asker's questions
 * wait, no ledger is open or memory is short; true: there will be an answer. */
bool ledger_thread_ask(struct ledger_thread *thread, enum ledger_asker asker, uint64_t ticket, uint64_t from,
		       size_t max);

/* The next answer, to be freed with ledger_page_free(), or NULL. */
struct ledger_page *ledger_thread_page(struct ledger_thread *thread);
void ledger_page_free(struct ledger_page *page);

/* The server has accepted everything through this record. Durable with the next commit, because forgetting it only
 * repeats a harmless batch. */
void ledger_thread_accept(struct ledger_thread *thread, uint64_t through);

#endif
