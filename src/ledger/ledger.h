/* src/ledger/ledger.h: the append-only ledger: what a box remembers, on disk.
 *
 * Room: src/wire, sqlite3, libcrypto (SHA-256). One SQLite file holds the records, chained by hash, and the image that
 * they add up to, written in the same transaction. Whoever holds a `struct ledger` is the file's only user. Every
 * function may wait for the disk. */
#ifndef LEDGER_H
#define LEDGER_H

#include <stddef.h>
#include <stdint.h>

#include "image.h"
#include "queue.h"
#include "wire.h"

#define LEDGER_ERROR_SIZE 240
#define LEDGER_BATCH_MAX 1000 /* records of one ledger_read() */

struct ledger; /* opaque; owned by whoever opened it */

struct ledger_error {
	char text[LEDGER_ERROR_SIZE]; /* what went wrong, where, and what may be done */
};

struct ledger_options {
	const char *path; /* of the database file */
	const char *vfs; /* SQLite's name of it; NULL for the system's own */
	void (*random)(void *ctx, void *bytes, size_t count); /* for the ledger's id */
	int (*rename)(void *ctx, const char *from, const char *to); /* 0 or negative errno; for ledger_set_aside() */
	void *ctx;
};

/* Opens the ledger, or makes a new one where no file is. Fills *image with what its records add up to.
 * 0; -EPROTO when a newer program wrote it; -EBADMSG when the file is damaged (then ledger_set_aside() and open again), -ENOSPC, -EROFS, -EIO, -ENOMEM,
 * -EBUSY when another program has it open. *error says more. */
int ledger_open(const struct ledger_options *options, struct ledger **ledger, struct box_image *image,
		struct ledger_error *error);

/* Opens an existing file for reading only, damaged or not, for ledger_verify() and ledger_read(). Errors as above,
 * -ENOENT when there is no file. */
int ledger_inspect(const struct ledger_options *options, struct ledger **ledger, struct ledger_error *error);

/* NULL is allowed. */
void ledger_close(struct ledger *ledger);

/* Moves a closed, damaged ledger's files out of the way, to names that say so. 0 or what rename returned. */
int ledger_set_aside(const struct ledger_options *options, struct ledger_error *error);

/* Commits everything that waits in the queue in one transaction and drops it from the queue. On failure the queue is as
 * it was, and calling again is right: nothing is committed twice. 0, -EPROTO when a record does not follow from those
 * before it (a bug), or errors as for ledger_open(). */
int ledger_commit(struct ledger *ledger, struct ledger_queue *queue, struct ledger_error *error);

/* The ledger's own id: 32 hexadecimal digits, random per file. Owned by the ledger. */
const char *ledger_id(const struct ledger *ledger);

/* The last seq that is durable, 0 for none. */
uint64_t ledger_durable_seq(const struct ledger *ledger);

/* The hash of the last durable record, and what all of them add up to. Owned by the ledger. */
const char *ledger_tip(const struct ledger *ledger);
const struct box_image *ledger_image(const struct ledger *ledger);

/* The last seq that the server has accepted. ledger_accept() notes a higher one; it becomes durable with the next commit,
 * because forgetting it only repeats a harmless batch. */
uint64_t ledger_accepted_seq(const struct ledger *ledger);
void ledger_accept(struct ledger *ledger, uint64_t through);

/* Calls `take` for records from `from` on, ascending, at most max of them (up to LEDGER_BATCH_MAX). `take` returns false
 * to end early. body is owned by the ledger and valid during the call. 0 or errors as for ledger_open(). */
int ledger_read(struct ledger *ledger, uint64_t from, size_t max,
		bool (*take)(void *ctx, uint64_t seq, const char *body, size_t length), void *ctx,
		struct ledger_error *error);

struct ledger_report {
	uint64_t records; /* found in order */
	struct box_image image; /* that they add up to */
};

/* Reads every record from the first, checks form, order, chain of hashes and that each follows, and compares the result
 * with the stored image. 0; -EBADMSG with *error naming the first fault; or an error of reading. */
int ledger_verify(struct ledger *ledger, struct ledger_report *report, struct ledger_error *error);

#endif
