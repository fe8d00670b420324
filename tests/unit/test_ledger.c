/* tests/unit/test_ledger.c: the ledger keeps what it called durable through cuts, full and failing disks, and never
 * shows damage as truth. Every file lives on the in-memory disk of tests/sim/cutvfs.h. */
#include <check.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cutvfs.h"
#include "ledger.h"
#include "queue.h"
#include "sample.h"

#define DB "ledger.db"
#define WAL "ledger.db-wal"
#define VFS "bench"
#define LONG_HISTORY 1200
#define OUTLETS 4
#define RENAMES_MAX 4

struct bench {
	struct cutvfs *disk;
	struct ledger_options options;
	struct sample random;
	struct ledger *ledger;
	struct box_image image; /* as ledger_open() gave it */
	struct ledger_error error;
	struct ledger_queue queue;
	char renamed[RENAMES_MAX][600];
	int renames;
	int rename_result; /* what the next rename returns when not 0 */
};

/* A box's life: the records and the image after each, in one block. */
struct history {
	size_t count;
	struct record *records;
	struct box_image *images; /* count + 1 */
};

/* ---- the bench ---- */

static void bench_random(void *ctx, void *bytes, size_t count)
{
	struct bench *b = ctx;
	unsigned char *to = bytes;

	for (size_t i = 0; i < count; i++)
		to[i] = (unsigned char)sample_bits(&b->random);
}

static int bench_rename(void *ctx, const char *from, const char *to)
{
	struct bench *b = ctx;

	if (b->rename_result != 0)
		return b->rename_result;

	int result = cutvfs_rename(b->disk, from, to);

	if (result == 0) {
		ck_assert_int_lt(b->renames, RENAMES_MAX);
		snprintf(b->renamed[b->renames++], sizeof(b->renamed[0]), "%s", to);
	}
	return result;
}

/* There is one bench at a time: its memory is the same again, because a new one each time costs more than the test. */
static struct bench *bench_new(uint64_t seed)
{
	static struct bench bench;
	struct bench *b = &bench;

	memset(b, 0, sizeof(*b));
	b->disk = cutvfs_new(VFS, seed);
	ck_assert_ptr_nonnull(b->disk);
	cutvfs_pin_randomness(b->disk);
	b->random.state = seed;
	b->options = (struct ledger_options){
		.path = DB, .vfs = VFS, .random = bench_random, .rename = bench_rename, .ctx = b};
	ledger_queue_init(&b->queue);
	return b;
}

static void bench_close(struct bench *b)
{
	ledger_close(b->ledger);
	b->ledger = NULL;
}

static void bench_free(struct bench *b)
{
	bench_close(b);
	cutvfs_free(b->disk);
}

static int try_open(struct bench *b)
{
	b->error.text[0] = '\0';
	b->ledger = NULL;
	return ledger_open(&b->options, &b->ledger, &b->image, &b->error);
}

static void must_open(struct bench *b)
{
	int result = try_open(b);

	ck_assert_msg(result == 0, "open: %d: %s", result, b->error.text);
	ck_assert_ptr_nonnull(b->ledger);
}

static int try_commit(struct bench *b)
{
	b->error.text[0] = '\0';
	return ledger_commit(b->ledger, &b->queue, &b->error);
}

static void must_commit(struct bench *b)
{
	int result = try_commit(b);

	ck_assert_msg(result == 0, "commit: %d: %s", result, b->error.text);
	ck_assert_uint_eq(ledger_queue_count(&b->queue), 0);
}

static void push(struct bench *b, const struct history *h, size_t from, size_t count)
{
	ck_assert(ledger_queue_push(&b->queue, h->records + from, count));
}

static void push_and_commit(struct bench *b, const struct history *h, size_t from, size_t count)
{
	push(b, h, from, count);
	must_commit(b);
	ck_assert_uint_eq(ledger_durable_seq(b->ledger), from + count);
}

/* The process dies: what it wrote is there, nothing more is written. */
static void kill_process(struct bench *b)
{
	cutvfs_fail_from(b->disk, 1);
	bench_close(b);
	cutvfs_fail_from(b->disk, 0);
}

static struct history *history_new(uint64_t seed, size_t count)
{
	struct history *h = malloc(sizeof(*h) + (count + 1) * sizeof(*h->images) + count * sizeof(*h->records));
	struct sample s = {seed};

	ck_assert_ptr_nonnull(h);
	h->images = (struct box_image *)(h + 1);
	h->records = (struct record *)(h->images + count + 1);
	image_init(&h->images[0]);
	for (h->count = 0; h->count < count; h->count++) {
		struct box_image *next = &h->images[h->count + 1];

		*next = h->images[h->count];
		sample_next(&s, next, OUTLETS, &h->records[h->count]);

		const char *fault = image_apply(next, &h->records[h->count]);

		ck_assert_msg(fault == NULL, "the sample is no life: record %zu: %s", h->count + 1, fault);
	}
	return h;
}

/* Commits all records of the history in groups of up to 7, each group in its own transaction. */
static void fill(struct bench *b, const struct history *h)
{
	size_t done = (size_t)ledger_durable_seq(b->ledger);

	while (done < h->count) {
		size_t group = 1 + done * 5 % 7;

		if (group > h->count - done)
			group = h->count - done;
		push_and_commit(b, h, done, group);
		done += group;
	}
}

/* ---- looking ---- */

struct walk {
	const struct history *history;
	uint64_t next;
	size_t seen;
	size_t stop_after; /* 0: never */
	bool equal;
};

static bool walk_record(void *ctx, uint64_t seq, const char *body, size_t length)
{
	struct walk *w = ctx;
	struct record record;
	struct record_link link;
	struct wire_error error;

	w->seen++;
	w->equal = w->equal && seq == w->next && seq >= 1 && seq <= w->history->count && strlen(body) == length &&
		   wire_read_record(body, length, &record, &link, &error) &&
		   sample_same_record(&record, &w->history->records[seq - 1]);
	w->next++;
	return w->seen != w->stop_after;
}

static size_t count_read(struct bench *b, const struct history *h, uint64_t from, size_t max, size_t stop_after)
{
	struct walk w = {.history = h, .next = from > 0 ? from : 1, .stop_after = stop_after, .equal = true};
	int result = ledger_read(b->ledger, from, max, walk_record, &w, &b->error);

	ck_assert_msg(result == 0, "read: %d: %s", result, b->error.text);
	ck_assert(w.equal);
	return w.seen;
}

/* Whether the open ledger's records are the history's first count ones; an error of reading is said through *result. */
static bool records_equal(struct bench *b, const struct history *h, size_t count, int *result)
{
	struct walk w = {.history = h, .next = 1, .equal = true};
	size_t before;

	do {
		before = w.seen;
		*result = ledger_read(b->ledger, w.next, LEDGER_BATCH_MAX, walk_record, &w, &b->error);
	} while (*result == 0 && w.equal && w.seen != before);
	return *result == 0 && w.equal && w.seen == count;
}

/* The open ledger is whole and holds the first count records of the history, and nothing else. */
static void assert_holds(struct bench *b, const struct history *h, size_t count)
{
	static struct ledger_report report;
	int result = ledger_verify(b->ledger, &report, &b->error);

	ck_assert_msg(result == 0, "verify: %d: %s", result, b->error.text);
	ck_assert_uint_eq(report.records, count);
	ck_assert(sample_same_image(&report.image, &h->images[count]));
	ck_assert(records_equal(b, h, count, &result));
}

static void reopen_and_assert_holds(struct bench *b, const struct history *h, size_t count)
{
	bench_close(b);
	must_open(b);
	ck_assert_uint_eq(ledger_durable_seq(b->ledger), count);
	ck_assert(sample_same_image(&b->image, &h->images[count]));
	assert_holds(b, h, count);
}

static void assert_says(const struct bench *b)
{
	ck_assert_uint_gt(strnlen(b->error.text, sizeof(b->error.text)), 0);
	ck_assert_uint_lt(strnlen(b->error.text, sizeof(b->error.text)), sizeof(b->error.text));
}

/* ---- raw SQL, past the ledger ---- */

static void raw_sql(const char *sql)
{
	sqlite3 *db;
	char *message = NULL;

	ck_assert_int_eq(sqlite3_open_v2(DB, &db, SQLITE_OPEN_READWRITE, VFS), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_exec(db, sql, NULL, NULL, &message);
	ck_assert_msg(message == NULL, "%s: %s", sql, message);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

/* One file's bytes; the caller frees. */
static unsigned char *slurp(struct cutvfs *disk, const char *path, size_t *size)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(VFS);
	sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
	int64_t there = cutvfs_size(disk, path);

	ck_assert_int_gt(there, 0);
	*size = (size_t)there;

	unsigned char *bytes = malloc(*size);

	ck_assert_int_eq(vfs->xOpen(vfs, path, file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MAIN_DB, NULL), SQLITE_OK);
	ck_assert_int_eq(file->pMethods->xRead(file, bytes, (int)*size, 0), SQLITE_OK);
	file->pMethods->xClose(file);
	free(file);
	return bytes;
}

static void spill(const char *path, const unsigned char *bytes, size_t size)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(VFS);
	sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB;

	ck_assert_int_eq(vfs->xOpen(vfs, path, file, flags, NULL), SQLITE_OK);
	ck_assert_int_eq(file->pMethods->xTruncate(file, (sqlite3_int64)size), SQLITE_OK);
	ck_assert_int_eq(file->pMethods->xWrite(file, bytes, (int)size, 0), SQLITE_OK);
	ck_assert_int_eq(file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), SQLITE_OK);
	file->pMethods->xClose(file);
	free(file);
}

/* ---- ordinary days ---- */

START_TEST(a_new_ledger_is_empty)
{
	struct bench *b = bench_new(1);
	struct history *h = history_new(1, 0);

	must_open(b);
	ck_assert_uint_eq(ledger_durable_seq(b->ledger), 0);
	ck_assert_uint_eq(ledger_accepted_seq(b->ledger), 0);
	ck_assert_uint_eq(strlen(ledger_id(b->ledger)), LEDGER_ID_SIZE - 1);
	ck_assert_uint_eq(strspn(ledger_id(b->ledger), "0123456789abcdefABCDEF"), LEDGER_ID_SIZE - 1);
	ck_assert(sample_same_image(&b->image, &h->images[0]));
	assert_holds(b, h, 0);
	reopen_and_assert_holds(b, h, 0);
	must_commit(b); /* of an empty queue */
	free(h);
	bench_free(b);
}
END_TEST

START_TEST(ids_are_random)
{
	char first[LEDGER_ID_SIZE];
	struct bench *b = bench_new(1);

	must_open(b);
	memcpy(first, ledger_id(b->ledger), sizeof(first));
	bench_free(b);
	b = bench_new(2);
	must_open(b);
	ck_assert_str_ne(first, ledger_id(b->ledger));
	bench_free(b);
}
END_TEST

START_TEST(what_was_committed_is_there_after_reopening)
{
	char id[LEDGER_ID_SIZE];
	struct bench *b = bench_new((uint64_t)_i);
	struct history *h = history_new((uint64_t)_i, 150);

	must_open(b);
	memcpy(id, ledger_id(b->ledger), sizeof(id));
	fill(b, h);
	assert_holds(b, h, h->count);
	reopen_and_assert_holds(b, h, h->count);
	ck_assert_str_eq(id, ledger_id(b->ledger));
	free(h);
	bench_free(b);
}
END_TEST

START_TEST(a_killed_process_loses_nothing_committed)
{
	struct bench *b = bench_new(3);
	struct history *h = history_new(3, 60);

	for (size_t done = 0; done < h->count; done += 10) {
		must_open(b);
		ck_assert(sample_same_image(&b->image, &h->images[done]));
		push_and_commit(b, h, done, 10);
		kill_process(b);
	}
	reopen_and_assert_holds(b, h, h->count);
	free(h);
	bench_free(b);
}
END_TEST

START_TEST(a_record_says_its_ledger_and_the_hash_before)
{
	struct record record;
	struct record_link link;
	struct bench *b = bench_new(4);
	struct history *h = history_new(4, 20);

	must_open(b);
	fill(b, h);

	char *body = NULL;
	char sql[] = "SELECT body FROM record WHERE seq = 7";
	char id[LEDGER_ID_SIZE];
	sqlite3 *db;
	sqlite3_stmt *row;

	memcpy(id, ledger_id(b->ledger), sizeof(id));
	bench_close(b);
	ck_assert_int_eq(sqlite3_open_v2(DB, &db, SQLITE_OPEN_READWRITE, VFS), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(row), SQLITE_ROW);
	body = strdup((const char *)sqlite3_column_text(row, 0));
	sqlite3_finalize(row);
	sqlite3_close(db);
	ck_assert(wire_read_record(body, strlen(body), &record, &link, &(struct wire_error){0}));
	ck_assert_str_eq(link.ledger, id);
	ck_assert_uint_eq(strspn(link.prev, "0123456789abcdef"), RECORD_HASH_SIZE - 1);
	free(body);
	free(h);
	bench_free(b);
}
END_TEST

START_TEST(one_at_a_time)
{
	struct ledger *other = NULL;
	struct box_image image;
	struct bench *b = bench_new(5);

	must_open(b);
	ck_assert_int_eq(ledger_open(&b->options, &other, &image, &b->error), -EBUSY);
	assert_says(b);
	ck_assert_int_eq(ledger_inspect(&b->options, &other, &b->error), -EBUSY);
	bench_free(b);
	ledger_close(NULL);
}
END_TEST

/* ---- the queue ---- */

START_TEST(the_queue_is_bounded_and_takes_whole_groups)
{
	struct history *h = history_new(6, RECORDS_QUEUED_MAX);
	struct ledger_queue *q = calloc(1, sizeof(*q));

	ledger_queue_init(q);
	ck_assert_uint_eq(ledger_queue_count(q), 0);
	ck_assert(ledger_queue_push(q, h->records, RECORDS_QUEUED_MAX - 2));
	ck_assert(!ledger_queue_push(q, h->records + RECORDS_QUEUED_MAX - 2, 3));
	ck_assert_uint_eq(ledger_queue_count(q), RECORDS_QUEUED_MAX - 2);
	ck_assert(ledger_queue_push(q, h->records + RECORDS_QUEUED_MAX - 2, 2));
	ck_assert(!ledger_queue_push(q, h->records, 1));
	ck_assert(ledger_queue_push(q, h->records, 0));
	ck_assert(!ledger_queue_push(q, h->records, SIZE_MAX));
	ck_assert_uint_eq(ledger_queue_count(q), RECORDS_QUEUED_MAX);
	for (size_t i = 0; i < RECORDS_QUEUED_MAX; i++)
		ck_assert(sample_same_record(ledger_queue_at(q, i), &h->records[i]));
	free(q);
	free(h);
}
END_TEST

START_TEST(the_queue_goes_round)
{
	struct history *h = history_new(7, LONG_HISTORY);
	struct ledger_queue *q = calloc(1, sizeof(*q));
	struct sample s = {7};
	size_t pushed = 0;
	size_t dropped = 0;

	ledger_queue_init(q);
	while (dropped < h->count) {
		size_t group = (size_t)sample_between(&s, 0, 40);

		group = group > h->count - pushed ? h->count - pushed : group;
		if (ledger_queue_push(q, h->records + pushed, group))
			pushed += group;
		else
			ck_assert_uint_gt(pushed - dropped + group, RECORDS_QUEUED_MAX);
		ck_assert_uint_eq(ledger_queue_count(q), pushed - dropped);
		for (size_t i = 0; i < pushed - dropped; i++)
			ck_assert_uint_eq(ledger_queue_at(q, i)->seq, dropped + i + 1);

		size_t gone = (size_t)sample_between(&s, 0, (int64_t)(pushed - dropped));

		ledger_queue_drop(q, gone);
		dropped += gone;
	}
	free(q);
	free(h);
}
END_TEST

START_TEST(a_whole_queue_commits)
{
	struct bench *b = bench_new(8);
	struct history *h = history_new(8, RECORDS_QUEUED_MAX);

	must_open(b);
	push_and_commit(b, h, 0, h->count);
	reopen_and_assert_holds(b, h, h->count);
	free(h);
	bench_free(b);
}
END_TEST

/* A server may charge less than the tariff says; the box's own ledger may not hold such an end. */
START_TEST(an_end_with_a_wrong_amount_is_refused)
{
	struct bench *b = bench_new(9);
	struct history *h = history_new(9, 400);
	size_t end = 0;

	while (end < 400 && (h->records[end].kind != RECORD_ENDED || h->records[end].u.ended.amount_micros == 0))
		end++;
	ck_assert_uint_lt(end, 400);
	struct record wrong = h->records[end];
	wrong.u.ended.amount_micros--;
	must_open(b);
	for (size_t from = 0; from < end; from++)
		push_and_commit(b, h, from, 1);
	ck_assert(ledger_queue_push(&b->queue, &wrong, 1));
	ck_assert_int_eq(try_commit(b), -EPROTO);
	assert_says(b);
	ck_assert_uint_eq(ledger_durable_seq(b->ledger), end);
	free(h);
	bench_free(b);
}
END_TEST

START_TEST(a_record_that_does_not_follow_takes_its_transaction_with_it)
{
	struct bench *b = bench_new(9);
	struct history *h = history_new(9, 40);
	struct record gap = h->records[25];

	must_open(b);
	push_and_commit(b, h, 0, 20);
	push(b, h, 20, 3);
	ck_assert(ledger_queue_push(&b->queue, &gap, 1)); /* number 26 after 23 */
	ck_assert_int_eq(try_commit(b), -EPROTO);
	assert_says(b);
	ck_assert_uint_eq(ledger_queue_count(&b->queue), 4);
	ck_assert_uint_eq(ledger_durable_seq(b->ledger), 20);
	assert_holds(b, h, 20);
	ck_assert_int_eq(try_commit(b), -EPROTO); /* and again the same */
	ledger_queue_init(&b->queue);
	push_and_commit(b, h, 20, 20);
	reopen_and_assert_holds(b, h, 40);
	free(h);
	bench_free(b);
}
END_TEST

/* ---- accepted and read ---- */

START_TEST(what_was_accepted_is_durable_with_the_next_commit)
{
	struct bench *b = bench_new(10);
	struct history *h = history_new(10, 40);

	must_open(b);
	push_and_commit(b, h, 0, 20);
	ledger_accept(b->ledger, 15);
	ck_assert_uint_eq(ledger_accepted_seq(b->ledger), 15);
	ledger_accept(b->ledger, 9); /* late */
	ck_assert_uint_eq(ledger_accepted_seq(b->ledger), 15);
	ledger_accept(b->ledger, 21); /* the server cannot have what is not there */
	ck_assert_uint_le(ledger_accepted_seq(b->ledger), 20);
	push_and_commit(b, h, 20, 5);
	bench_close(b);
	must_open(b);
	ck_assert_uint_eq(ledger_accepted_seq(b->ledger), 15);
	ledger_accept(b->ledger, 25);
	kill_process(b);
	must_open(b);
	ck_assert_uint_eq(ledger_accepted_seq(b->ledger), 15); /* forgotten: a harmless repetition */
	ledger_accept(b->ledger, 25);
	push_and_commit(b, h, 25, 1);
	push_and_commit(b, h, 26, 1);
	kill_process(b);
	must_open(b);
	ck_assert_uint_eq(ledger_accepted_seq(b->ledger), 25);
	assert_holds(b, h, 27);
	free(h);
	bench_free(b);
}
END_TEST

START_TEST(a_failed_commit_does_not_forget_what_was_accepted)
{
	struct bench *b = bench_new(11);
	struct history *h = history_new(11, 30);

	must_open(b);
	push_and_commit(b, h, 0, 20);
	ledger_accept(b->ledger, 20);
	push(b, h, 20, 10);
	cutvfs_fail_from(b->disk, 1);
	ck_assert_int_lt(try_commit(b), 0);
	cutvfs_fail_from(b->disk, 0);
	ck_assert_uint_eq(ledger_accepted_seq(b->ledger), 20);
	must_commit(b);
	kill_process(b);
	must_open(b);
	ck_assert_uint_eq(ledger_accepted_seq(b->ledger), 20);
	assert_holds(b, h, 30);
	free(h);
	bench_free(b);
}
END_TEST

START_TEST(ranges_are_read_as_asked)
{
	struct bench *b = bench_new(12);
	struct history *h = history_new(12, LONG_HISTORY);

	must_open(b);
	for (size_t done = 0; done < h->count; done += 200)
		push_and_commit(b, h, done, 200);
	ck_assert_uint_eq(count_read(b, h, 1, 10, 0), 10);
	ck_assert_uint_eq(count_read(b, h, 500, 3, 0), 3);
	ck_assert_uint_eq(count_read(b, h, h->count, 10, 0), 1);
	ck_assert_uint_eq(count_read(b, h, h->count + 1, 10, 0), 0);
	ck_assert_uint_eq(count_read(b, h, 1, 0, 0), 0);
	ck_assert_uint_eq(count_read(b, h, 0, 2, 0), 2); /* "from on": the first there is */
	ck_assert_uint_eq(count_read(b, h, 1, SIZE_MAX, 0), LEDGER_BATCH_MAX);
	ck_assert_uint_eq(count_read(b, h, 1100, SIZE_MAX, 0), 101);
	ck_assert_uint_eq(count_read(b, h, 20, 100, 7), 7); /* `take` has enough */
	ck_assert_uint_eq(count_read(b, h, INT64_MAX, 10, 0), 0);
	ck_assert_uint_eq(count_read(b, h, 1, 5, 0), 5); /* nothing of the above is left behind */
	assert_holds(b, h, h->count);
	free(h);
	bench_free(b);
}
END_TEST

/* ---- inspecting ---- */

START_TEST(inspecting_takes_an_existing_file)
{
	struct ledger *ledger = NULL;
	struct bench *b = bench_new(13);

	ck_assert_int_eq(ledger_inspect(&b->options, &ledger, &b->error), -ENOENT);
	assert_says(b);
	ck_assert_int_eq(cutvfs_size(b->disk, DB), -1);
	bench_free(b);
}
END_TEST

START_TEST(inspecting_finds_what_is_there)
{
	struct bench *b = bench_new(14);
	struct history *h = history_new(14, 50);
	char id[LEDGER_ID_SIZE];

	must_open(b);
	memcpy(id, ledger_id(b->ledger), sizeof(id));
	fill(b, h);
	bench_close(b);
	ck_assert_int_eq(ledger_inspect(&b->options, &b->ledger, &b->error), 0);
	ck_assert_str_eq(ledger_id(b->ledger), id);
	assert_holds(b, h, h->count);
	reopen_and_assert_holds(b, h, h->count);
	free(h);
	bench_free(b);
}
END_TEST

/* Evidence stays as it was found, the log that a killed process left behind included. */
START_TEST(inspecting_writes_nothing)
{
	struct bench *b = bench_new(15);
	struct history *h = history_new(15, 50);
	size_t size, size_after;

	must_open(b);
	fill(b, h);
	kill_process(b);

	unsigned char *before = slurp(b->disk, DB, &size);
	int64_t wal = cutvfs_size(b->disk, WAL);

	ck_assert_int_gt(wal, 0);
	ck_assert_int_eq(ledger_inspect(&b->options, &b->ledger, &b->error), 0);
	assert_holds(b, h, h->count);
	bench_close(b);

	unsigned char *after = slurp(b->disk, DB, &size_after);

	ck_assert_uint_eq(size, size_after);
	ck_assert_mem_eq(before, after, size);
	ck_assert_int_eq(cutvfs_size(b->disk, WAL), wal);
	free(before);
	free(after);
	free(h);
	bench_free(b);
}
END_TEST

/* ---- damage ---- */

#define DAMAGE_RECORDS 40

/* Each leaves a sound SQLite file that is no sound ledger. :id is another ledger's record. */
static const char *const tamperings[] = {
	/* a changed byte in a body, even one that means nothing */
	"UPDATE record SET body = replace(body, '\"seq\":5,', '\"seq\": 5,') WHERE seq = 5",
	"UPDATE record SET body = body || ' ' WHERE seq = 1",
	"UPDATE record SET body = replace(body, '\"mono_ms\":', '\"mono_ms\":1') WHERE seq = 20",
	"UPDATE record SET body = replace(body, '\"schema\":1', '\"schema\":2') WHERE seq = 20",
	"UPDATE record SET body = body || ' ' WHERE seq = 40",
	"UPDATE record SET body = replace(body, '\"mono_ms\":', '\"mono_ms\":1') WHERE seq = 40",
	"UPDATE record SET body = '' WHERE seq = 12",
	"UPDATE record SET body = x'00' WHERE seq = 12",
	"UPDATE record SET body = CAST(body AS BLOB) || x'00ff' WHERE seq = 40",
	"UPDATE record SET body = substr(body, 1, 100) WHERE seq = 3",
	"UPDATE record SET body = 17 WHERE seq = 3",
	"UPDATE record SET body = printf('%.*c', 100000, 'x') WHERE seq = 30",
	/* removed */
	"DELETE FROM record WHERE seq = 1",
	"DELETE FROM record WHERE seq = 17",
	"DELETE FROM record WHERE seq = 40",
	"DELETE FROM record WHERE seq > 30",
	"DELETE FROM record",
	"DROP TABLE record",
	/* reordered, renumbered, added */
	"UPDATE record SET seq = 1000 WHERE seq = 8; UPDATE record SET seq = 8 WHERE seq = 9;"
	"UPDATE record SET seq = 9 WHERE seq = 1000",
	"UPDATE record SET body = (SELECT body FROM record WHERE seq = 9) WHERE seq = 8",
	"UPDATE record SET seq = 41 WHERE seq = 40",
	"UPDATE record SET seq = -seq WHERE seq = 40",
	"UPDATE record SET seq = -seq",
	"DELETE FROM record WHERE seq = 1; UPDATE record SET seq = seq - 1",
	"INSERT INTO record SELECT 41, body FROM record WHERE seq = 40",
	"INSERT INTO record SELECT 9223372036854775807, body FROM record WHERE seq = 40",
	/* snapshots */
	"UPDATE snapshot SET body = body || ' ' WHERE part = 0",
	"UPDATE snapshot SET body = replace(body, '\"register_mwh\":', '\"register_mwh\":1') WHERE part = 1",
	"UPDATE snapshot SET hash = substr(hash, 2) || 'f' WHERE part = 2",
	"UPDATE snapshot SET hash = x'' WHERE part = 2",
	"UPDATE snapshot SET hash = (SELECT hash FROM snapshot WHERE part = 2),"
	" body = (SELECT body FROM snapshot WHERE part = 2) WHERE part = 1",
	"DELETE FROM snapshot WHERE part = 0",
	"DELETE FROM snapshot WHERE part = 1",
	"DELETE FROM snapshot",
	"INSERT INTO snapshot SELECT 16, body, hash FROM snapshot WHERE part = 1",
	"DROP TABLE snapshot",
	/* meta */
	"UPDATE meta SET value = '0123456789abcdef0123456789abcdef' WHERE name = 'id'",
	"UPDATE meta SET value = 'short' WHERE name = 'id'",
	"UPDATE meta SET value = value || '0' WHERE name = 'id'",
	"UPDATE meta SET value = upper(replace(value, '0', 'z')) WHERE name = 'id'",
	"DELETE FROM meta WHERE name = 'id'",
	"DELETE FROM meta WHERE name = 'accepted'",
	"UPDATE meta SET value = '41' WHERE name = 'accepted'",
	"UPDATE meta SET value = '99999999999999999999999' WHERE name = 'accepted'",
	"UPDATE meta SET value = '-1' WHERE name = 'accepted'",
	"UPDATE meta SET value = 'x' WHERE name = 'accepted'",
	"UPDATE meta SET value = '' WHERE name = 'accepted'",
	"UPDATE meta SET value = '3x' WHERE name = 'accepted'",
	"DROP TABLE meta",
};
#define TAMPERINGS (sizeof(tamperings) / sizeof(*tamperings))

static int open_and_verify(struct bench *b)
{
	static struct ledger_report report;
	int result = try_open(b);

	if (result == 0)
		result = ledger_verify(b->ledger, &report, &b->error);
	return result;
}

static int inspect_and_verify(struct bench *b)
{
	static struct ledger_report report;
	int result = ledger_inspect(&b->options, &b->ledger, &b->error);

	if (result == 0)
		result = ledger_verify(b->ledger, &report, &b->error);
	else
		b->ledger = NULL;
	return result;
}

/* What open and verify, or inspect and verify, say of a tampered ledger. */
static int tamper(const struct history *h, const char *sql, int (*look)(struct bench *))
{
	struct bench *b = bench_new(16);

	must_open(b);
	fill(b, h);
	bench_close(b);
	raw_sql(sql);

	int result = look(b);

	ck_assert(result == 0 || b->error.text[0] != '\0');
	bench_free(b);
	return result;
}

/* Says every tampering that is missed, not only the first. */
START_TEST(tampering_is_found)
{
	struct history *h = history_new(16, DAMAGE_RECORDS);
	int missed = 0;

	for (size_t i = 0; i < TAMPERINGS; i++) {
		int result = tamper(h, tamperings[i], open_and_verify);

		if (result != -EBADMSG)
			fprintf(stderr, "missed (%d): %s\n", result, tamperings[i]);
		missed += result != -EBADMSG;
	}
	ck_assert_int_eq(missed, 0);
	free(h);
}
END_TEST

/* "damaged or not": the tool must be able to look at what the daemon refuses. Inspecting sees records and snapshots,
 * but needs an id; it is for ledger_open() to see that 'accepted' is wrong. */
START_TEST(inspecting_finds_tampering_too)
{
	struct history *h = history_new(16, DAMAGE_RECORDS);
	int missed = 0;

	for (size_t i = 0; i < TAMPERINGS; i++) {
		int result = tamper(h, tamperings[i], inspect_and_verify);
		bool found = result == -EBADMSG || (result == 0 && strstr(tamperings[i], "accepted") != NULL);

		if (!found)
			fprintf(stderr, "missed (%d): %s\n", result, tamperings[i]);
		missed += !found;
	}
	ck_assert_int_eq(missed, 0);
	free(h);
}
END_TEST

START_TEST(a_record_of_another_ledger_is_found)
{
	size_t size;
	struct bench *b = bench_new(18);
	struct history *h = history_new(18, DAMAGE_RECORDS);

	must_open(b); /* the other one: the same life under another id */
	fill(b, h);
	bench_close(b);

	unsigned char *other = slurp(b->disk, DB, &size);

	spill("other.db", other, size);
	free(other);
	ck_assert_int_eq(cutvfs_rename(b->disk, DB, "moved.db"), 0);
	must_open(b);
	fill(b, h);
	bench_close(b);

	/* Two sound ledgers; one record of the first into the second. */
	raw_sql(_i == 0 ?
			"ATTACH 'other.db' AS other;"
			"UPDATE main.record SET body = (SELECT body FROM other.record WHERE seq = 9) WHERE seq = 9" :
			"ATTACH 'other.db' AS other;"
			"UPDATE main.record SET body = (SELECT body FROM other.record WHERE seq = 40) WHERE seq = 40");
	ck_assert_int_eq(open_and_verify(b), -EBADMSG);
	assert_says(b);
	free(h);
	bench_free(b);
}
END_TEST

START_TEST(stale_snapshots_are_found)
{
	struct bench *b = bench_new(19);
	struct history *h = history_new(19, DAMAGE_RECORDS);

	must_open(b);
	push_and_commit(b, h, 0, DAMAGE_RECORDS - 10);
	bench_close(b);
	raw_sql("CREATE TABLE old AS SELECT * FROM snapshot");
	must_open(b);
	fill(b, h);
	bench_close(b);
	raw_sql(_i == 0 ? "INSERT OR REPLACE INTO snapshot SELECT * FROM old" :
			  "INSERT OR REPLACE INTO snapshot SELECT * FROM old WHERE part > 0");
	ck_assert_int_eq(open_and_verify(b), -EBADMSG);
	assert_says(b);
	free(h);
	bench_free(b);
}
END_TEST

/* A file with one flipped byte: damage is said, or all is as it was. */
static void check_flip(const struct history *h, const char *id, const unsigned char *bytes, size_t size, size_t at,
		       unsigned char bits)
{
	struct bench *b = bench_new(at);
	int read = 0;
	bool newer = at >= 60 && at < 64; /* the schema's version: such a file may be sound, but a newer one's */

	spill(DB, bytes, size);
	ck_assert(cutvfs_flip(b->disk, DB, at, bits));

	int result = open_and_verify(b);

	if (result == 0) {
		ck_assert_msg(strcmp(ledger_id(b->ledger), id) == 0, "byte %zu ^ %02x changes the id", at, bits);
		ck_assert_msg(sample_same_image(&b->image, &h->images[h->count]),
			      "byte %zu ^ %02x changes the image",
			      at,
			      bits);
		ck_assert_msg(records_equal(b, h, h->count, &read), "byte %zu ^ %02x changes records", at, bits);
		ck_assert_msg(ledger_accepted_seq(b->ledger) == 13, "byte %zu ^ %02x changes accepted", at, bits);
	} else {
		ck_assert_msg(result == -EBADMSG || (newer && result < 0),
			      "byte %zu ^ %02x: %d: %s",
			      at,
			      bits,
			      result,
			      b->error.text);
		assert_says(b);
		bench_close(b);
		result = inspect_and_verify(b);
		ck_assert_msg(result == 0 || result == -EBADMSG,
			      "byte %zu ^ %02x: inspecting: %d: %s",
			      at,
			      bits,
			      result,
			      b->error.text);
	}
	bench_free(b);
}

struct flips {
	size_t from, step, end;
	unsigned char bits;
};

static const struct flips flips[] = {
	{0, 97, SIZE_MAX, 0xff},
	{50, 194, SIZE_MAX, 0x01},
	{0, 1, 130, 0x01}, /* the whole header of the file, and of its first page */
	{0, 3, 130, 0x80},
};

START_TEST(a_flipped_byte_is_found_or_harmless)
{
	size_t size;
	char id[LEDGER_ID_SIZE];
	const struct flips *f = &flips[_i];
	struct bench *b = bench_new(20);
	struct history *h = history_new(20, 20);

	must_open(b);
	memcpy(id, ledger_id(b->ledger), sizeof(id));
	push_and_commit(b, h, 0, 13);
	ledger_accept(b->ledger, 13);
	fill(b, h);
	bench_close(b);

	unsigned char *bytes = slurp(b->disk, DB, &size);

	bench_free(b);
	for (size_t at = f->from; at < size && at < f->end; at += f->step)
		check_flip(h, id, bytes, size, at, f->bits);
	free(bytes);
	free(h);
}
END_TEST

/* SQLite reads its log up to the first frame whose sum is wrong: rot in the log loses the newest commits, but whole
 * ones. */
START_TEST(a_flipped_byte_of_the_log_leaves_whole_commits)
{
	size_t size, wal_size;
	struct bench *b = bench_new(21);
	struct history *h = history_new(21, 18);

	must_open(b);
	for (size_t done = 0; done < h->count; done += 6)
		push_and_commit(b, h, done, 6);
	kill_process(b);

	unsigned char *bytes = slurp(b->disk, DB, &size);
	unsigned char *wal = slurp(b->disk, WAL, &wal_size);

	bench_free(b);
	for (size_t at = 0; at < wal_size; at += 509) {
		b = bench_new(at);
		spill(DB, bytes, size);
		spill(WAL, wal, wal_size);
		ck_assert(cutvfs_flip(b->disk, WAL, at, 0x10));

		int result = open_and_verify(b);

		if (result == 0) {
			ck_assert_uint_eq(ledger_durable_seq(b->ledger) % 6, 0);
			assert_holds(b, h, (size_t)ledger_durable_seq(b->ledger));
		} else {
			ck_assert_msg(result == -EBADMSG, "byte %zu: %d: %s", at, result, b->error.text);
		}
		bench_free(b);
	}
	free(bytes);
	free(wal);
	free(h);
}
END_TEST

START_TEST(a_cut_off_file_is_found)
{
	size_t size;
	struct bench *b = bench_new(22);
	struct history *h = history_new(22, 30);

	must_open(b);
	fill(b, h);
	bench_close(b);

	unsigned char *bytes = slurp(b->disk, DB, &size);

	for (size_t length = 1; length < size; length += 511) {
		spill(DB, bytes, length);

		int result = open_and_verify(b);

		if (result == 0) { /* only a free page at the file's end was cut off */
			ck_assert_uint_ge(length, size - 2 * 1024);
			assert_holds(b, h, 30);
			bench_close(b);
			continue;
		}
		ck_assert_msg(result == -EBADMSG, "%zu bytes: %d: %s", length, result, b->error.text);
		assert_says(b);
		bench_close(b);
	}
	free(bytes);
	free(h);
	bench_free(b);
}
END_TEST

START_TEST(another_file_is_no_ledger)
{
	unsigned char noise[5000];
	struct bench *b = bench_new(23);

	bench_random(b, noise, sizeof(noise));
	spill(DB, noise, sizeof(noise));
	ck_assert_int_eq(try_open(b), -EBADMSG);
	assert_says(b);
	ck_assert_int_eq(cutvfs_size(b->disk, DB), sizeof(noise));
	bench_free(b);
}
END_TEST

/* A newer program's ledger is not damaged: it must not be set aside. */
START_TEST(a_newer_schema_is_refused)
{
	size_t size, size_after;
	struct bench *b = bench_new(24);
	struct history *h = history_new(24, 10);

	must_open(b);
	fill(b, h);
	bench_close(b);
	raw_sql("PRAGMA user_version = 2");

	unsigned char *before = slurp(b->disk, DB, &size);
	int result = try_open(b);

	ck_assert_int_lt(result, 0);
	ck_assert_int_ne(result, -EBADMSG);
	assert_says(b);
	ck_assert_ptr_nonnull(strstr(b->error.text, "newer"));

	unsigned char *after = slurp(b->disk, DB, &size_after);

	ck_assert_uint_eq(size, size_after);
	ck_assert_mem_eq(before, after, size);
	free(before);
	free(after);
	raw_sql("PRAGMA user_version = 1");
	reopen_and_assert_holds(b, h, 10);
	free(h);
	bench_free(b);
}
END_TEST

START_TEST(a_senseless_schema_version_is_damage)
{
	struct bench *b = bench_new(25);
	struct history *h = history_new(25, 10);

	must_open(b);
	fill(b, h);
	bench_close(b);
	raw_sql(_i == 0 ? "PRAGMA user_version = 0" : "PRAGMA user_version = -7");
	ck_assert_int_eq(try_open(b), -EBADMSG);
	assert_says(b);
	free(h);
	bench_free(b);
}
END_TEST

/* ---- set aside ---- */

static void damage_one(struct bench *b, const struct history *h, bool with_log)
{
	must_open(b);
	fill(b, h);
	bench_close(b);
	raw_sql("DELETE FROM snapshot WHERE part = 0");
	if (with_log) {
		unsigned char noise[700];

		ck_assert_int_eq(try_open(b), -EBADMSG); /* SQLite deletes such a log when it closes the file */
		bench_random(b, noise, sizeof(noise));
		spill(WAL, noise, sizeof(noise));
	}
}

START_TEST(a_damaged_ledger_is_set_aside)
{
	char id[LEDGER_ID_SIZE];
	size_t size, size_after;
	struct bench *b = bench_new(26);
	struct history *h = history_new(26, 20);

	must_open(b);
	memcpy(id, ledger_id(b->ledger), sizeof(id));
	bench_close(b);
	damage_one(b, h, _i != 0);

	unsigned char *before = slurp(b->disk, DB, &size);

	ck_assert_int_eq(cutvfs_size(b->disk, WAL), _i == 0 ? -1 : 700);
	ck_assert_int_eq(ledger_set_aside(&b->options, &b->error), 0);
	ck_assert_int_eq(cutvfs_size(b->disk, DB), -1);
	ck_assert_int_eq(cutvfs_size(b->disk, WAL), -1);
	ck_assert_int_eq(b->renames, _i == 0 ? 1 : 2);
	ck_assert_ptr_nonnull(strstr(b->renamed[0], "damaged"));
	if (_i != 0)
		ck_assert_int_eq(cutvfs_size(b->disk, b->renamed[1]), 700);
	must_open(b);
	ck_assert_str_ne(ledger_id(b->ledger), id);
	ck_assert_uint_eq(ledger_durable_seq(b->ledger), 0);
	ck_assert_uint_eq(b->image.seq, 0);
	fill(b, h);
	reopen_and_assert_holds(b, h, h->count);

	unsigned char *after = slurp(b->disk, b->renamed[0], &size_after);

	ck_assert_uint_eq(size, size_after);
	ck_assert_mem_eq(before, after, size);
	free(before);
	free(after);
	free(h);
	bench_free(b);
}
END_TEST

START_TEST(setting_aside_twice_keeps_both)
{
	struct bench *b = bench_new(27);
	struct history *h = history_new(27, 10);

	for (int i = 0; i < 2; i++) {
		damage_one(b, h, false);
		ck_assert_int_eq(try_open(b), -EBADMSG);
		ck_assert_int_eq(ledger_set_aside(&b->options, &b->error), 0);
	}
	ck_assert_str_ne(b->renamed[0], b->renamed[b->renames - 1]);
	ck_assert_int_gt(cutvfs_size(b->disk, b->renamed[0]), 0);
	ck_assert_int_gt(cutvfs_size(b->disk, b->renamed[b->renames - 1]), 0);
	free(h);
	bench_free(b);
}
END_TEST

START_TEST(a_failing_rename_is_said)
{
	struct bench *b = bench_new(28);
	struct history *h = history_new(28, 10);

	damage_one(b, h, false);
	b->rename_result = -EROFS;
	ck_assert_int_eq(ledger_set_aside(&b->options, &b->error), -EROFS);
	assert_says(b);
	ck_assert_int_gt(cutvfs_size(b->disk, DB), 0);
	free(h);
	bench_free(b);
}
END_TEST

/* Power goes while setting aside: afterwards the damaged ledger is still refused, or a new one begins; the old records
 * never come back as an older, sound-looking ledger. */
START_TEST(a_cut_while_setting_aside)
{
	for (uint64_t cut = 1; cut <= 3; cut++) {
		for (uint64_t seed = 0; seed < 5; seed++) {
			struct bench *b = bench_new(seed);
			struct history *h = history_new(29, 10);

			damage_one(b, h, true);
			ck_assert_int_eq(try_open(b), -EBADMSG);
			cutvfs_cut_at(b->disk, cutvfs_operations(b->disk) + cut, (enum cut_damage)_i);
			ledger_set_aside(&b->options, &b->error);
			cutvfs_cut_at(b->disk, 0, CUT_LOST);
			cutvfs_restore(b->disk);
			if (try_open(b) != -EBADMSG) {
				ck_assert_ptr_nonnull(b->ledger);
				assert_holds(b, h, 0);
			}
			free(h);
			bench_free(b);
		}
	}
}
END_TEST

/* ---- full and failing disks ---- */

static void assert_queue_waits(const struct bench *b, const struct history *h, size_t from, size_t count)
{
	ck_assert_uint_eq(ledger_queue_count(&b->queue), count);
	for (size_t i = 0; i < count; i++)
		ck_assert(sample_same_record(ledger_queue_at(&b->queue, i), &h->records[from + i]));
	ck_assert_uint_eq(ledger_durable_seq(b->ledger), from);
}

START_TEST(a_full_disk_refuses_and_later_takes_all)
{
	struct bench *b = bench_new(30);
	struct history *h = history_new(30, 60);

	must_open(b);
	for (size_t done = 0; done < h->count; done += 6) {
		push(b, h, done, 6);
		cutvfs_set_full(b->disk, true);

		int result = try_commit(b);

		if (result != 0) { /* the log may have room from before a checkpoint */
			ck_assert_int_eq(result, -ENOSPC);
			assert_says(b);
			assert_queue_waits(b, h, done, 6);
			ck_assert_int_eq(try_commit(b), -ENOSPC);
			assert_queue_waits(b, h, done, 6);
			assert_holds(b, h, done);
		}
		ck_assert(done != 0 || result != 0);
		cutvfs_set_full(b->disk, false);
		must_commit(b);
	}
	reopen_and_assert_holds(b, h, h->count);
	free(h);
	bench_free(b);
}
END_TEST

START_TEST(no_ledger_is_made_on_a_full_disk)
{
	struct bench *b = bench_new(31);
	struct history *h = history_new(31, 10);

	cutvfs_set_full(b->disk, true);
	ck_assert_int_eq(try_open(b), -ENOSPC);
	assert_says(b);
	cutvfs_set_full(b->disk, false);
	must_open(b);
	fill(b, h);
	reopen_and_assert_holds(b, h, h->count);
	free(h);
	bench_free(b);
}
END_TEST

/* The disk fails from the nth operation of a commit on, then works again. */
START_TEST(a_failing_disk_loses_nothing_and_doubles_nothing)
{
	bool failed = true;

	for (uint64_t nth = 1; failed; nth++) {
		struct bench *b = bench_new(nth);
		struct history *h = history_new(32, 30);

		ck_assert_uint_lt(nth, 200);
		must_open(b);
		push_and_commit(b, h, 0, 10);
		push(b, h, 10, 10);
		cutvfs_fail_from(b->disk, cutvfs_operations(b->disk) + nth);

		int result = try_commit(b);

		failed = result != 0;
		if (failed) {
			ck_assert_int_eq(result, -EIO);
			assert_says(b);
			assert_queue_waits(b, h, 10, 10);
			ck_assert_int_eq(try_commit(b), -EIO);
			assert_queue_waits(b, h, 10, 10);
		}
		cutvfs_fail_from(b->disk, 0);
		must_commit(b);
		assert_holds(b, h, 20);
		push_and_commit(b, h, 20, 10);
		reopen_and_assert_holds(b, h, 30);
		free(h);
		bench_free(b);
	}
}
END_TEST

/* As above, but the process dies instead of trying again: the group is there as a whole, or not at all. */
START_TEST(a_group_that_failed_is_whole_or_absent_after_a_restart)
{
	bool failed = true;

	for (uint64_t nth = 1; failed; nth++) {
		struct bench *b = bench_new(nth);
		struct history *h = history_new(33, 30);

		must_open(b);
		push_and_commit(b, h, 0, 10);
		push(b, h, 10, 10);
		cutvfs_fail_from(b->disk, cutvfs_operations(b->disk) + nth);
		failed = try_commit(b) != 0;
		kill_process(b);
		ledger_queue_init(&b->queue);
		must_open(b);

		size_t durable = (size_t)ledger_durable_seq(b->ledger);

		ck_assert(durable == 20 || (failed && durable == 10));
		assert_holds(b, h, durable);
		push_and_commit(b, h, durable, 30 - durable);
		reopen_and_assert_holds(b, h, 30);
		free(h);
		bench_free(b);
	}
}
END_TEST

START_TEST(opening_on_a_failing_disk_is_no_damage)
{
	int result = -1;

	for (uint64_t nth = 1; result != 0; nth++) {
		struct bench *b = bench_new(nth);
		struct history *h = history_new(34, 20);

		ck_assert_uint_lt(nth, 100);
		if (_i != 0) {
			must_open(b);
			fill(b, h);
			kill_process(b);
		}
		cutvfs_fail_from(b->disk, cutvfs_operations(b->disk) + nth);
		result = try_open(b);
		ck_assert_msg(result == 0 || result == -EIO,
			      "operation %llu: %d: %s",
			      (unsigned long long)nth,
			      result,
			      b->error.text);
		cutvfs_fail_from(b->disk, 0);
		bench_close(b);
		must_open(b);
		fill(b, h);
		reopen_and_assert_holds(b, h, 20);
		free(h);
		bench_free(b);
	}
}
END_TEST

/* ---- power cuts ---- */

#define CUT_RECORDS 9
#define CUT_GROUP 3

struct promise {
	bool opened; /* ledger_open() returned 0, so that the id is known to others */
	char id[LEDGER_ID_SIZE];
	size_t durable;
	uint64_t accepted; /* that was committed */
};

/* Open, commit groups, accept, close: as far as the power reaches. */
static void cut_workload(struct bench *b, const struct history *h, struct promise *p)
{
	if (try_open(b) != 0)
		return;
	p->opened = true;
	memcpy(p->id, ledger_id(b->ledger), sizeof(p->id));
	for (size_t done = (size_t)ledger_durable_seq(b->ledger); done < h->count; done += CUT_GROUP) {
		uint64_t accepted = ledger_accepted_seq(b->ledger);

		push(b, h, done, CUT_GROUP);
		if (try_commit(b) != 0)
			break;
		p->durable = done + CUT_GROUP;
		p->accepted = accepted;
		ledger_accept(b->ledger, done + 1);
	}
	bench_close(b);
	ledger_queue_init(&b->queue);
}

static void assert_promise_kept(struct bench *b, const struct history *h, const struct promise *p)
{
	size_t durable = (size_t)ledger_durable_seq(b->ledger);

	ck_assert_uint_ge(durable, p->durable);
	ck_assert_uint_eq(durable % CUT_GROUP, 0); /* groups are whole */
	ck_assert_uint_ge(ledger_accepted_seq(b->ledger), p->accepted);
	ck_assert(!p->opened || strcmp(p->id, ledger_id(b->ledger)) == 0);
	ck_assert(sample_same_image(&b->image, &h->images[durable]));
	assert_holds(b, h, durable);
}

static uint64_t workload_operations(const struct history *h)
{
	struct promise p = {0};
	struct bench *b = bench_new(35);

	cut_workload(b, h, &p);
	ck_assert_uint_eq(p.durable, h->count);

	uint64_t operations = cutvfs_operations(b->disk);

	bench_free(b);
	return operations;
}

START_TEST(a_cut_at_any_operation_loses_nothing_durable)
{
	struct history *h = history_new(35, CUT_RECORDS);
	uint64_t operations = workload_operations(h);

	for (uint64_t at = 1; at <= operations; at++) {
		struct promise p = {0};
		struct bench *b = bench_new(35);

		cutvfs_cut_at(b->disk, at, (enum cut_damage)_i);
		cut_workload(b, h, &p);
		ck_assert(cutvfs_is_cut(b->disk));
		cutvfs_cut_at(b->disk, 0, CUT_LOST);
		cutvfs_restore(b->disk);
		must_open(b);
		assert_promise_kept(b, h, &p);
		if (at % 4 == 0) { /* and life goes on */
			fill(b, h);
			reopen_and_assert_holds(b, h, CUT_RECORDS);
		}
		bench_free(b);
	}
	free(h);
}
END_TEST

/* The power goes a second time while the ledger opens after the first cut. */
START_TEST(a_cut_while_opening_after_a_cut_loses_nothing_either)
{
	struct history *h = history_new(36, CUT_RECORDS);
	uint64_t operations = workload_operations(h);

	for (uint64_t at = 1; at <= operations; at += 11) {
		for (uint64_t second = 1; second <= 4; second++) {
			struct promise p = {0};
			struct bench *b = bench_new(at * 16 + second);

			cutvfs_cut_at(b->disk, at, (enum cut_damage)_i);
			cut_workload(b, h, &p);
			cutvfs_restore(b->disk);
			cutvfs_cut_at(b->disk, cutvfs_operations(b->disk) + second, (enum cut_damage)_i);
			cut_workload(b, h, &p);
			bench_close(b);
			cutvfs_cut_at(b->disk, 0, CUT_LOST);
			if (cutvfs_is_cut(b->disk))
				cutvfs_restore(b->disk);
			must_open(b);
			assert_promise_kept(b, h, &p);
			bench_free(b);
		}
	}
	free(h);
}
END_TEST

/* ---- the suite ---- */

static TCase *case_new(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_ordinary(Suite *suite)
{
	TCase *tcase = case_new(suite, "ordinary");

	tcase_add_test(tcase, a_new_ledger_is_empty);
	tcase_add_test(tcase, ids_are_random);
	tcase_add_loop_test(tcase, what_was_committed_is_there_after_reopening, 0, 4);
	tcase_add_test(tcase, a_killed_process_loses_nothing_committed);
	tcase_add_test(tcase, a_record_says_its_ledger_and_the_hash_before);
	tcase_add_test(tcase, one_at_a_time);
	tcase_add_test(tcase, the_queue_is_bounded_and_takes_whole_groups);
	tcase_add_test(tcase, the_queue_goes_round);
	tcase_add_test(tcase, a_whole_queue_commits);
	tcase_add_test(tcase, an_end_with_a_wrong_amount_is_refused);
	tcase_add_test(tcase, a_record_that_does_not_follow_takes_its_transaction_with_it);
	tcase_add_test(tcase, what_was_accepted_is_durable_with_the_next_commit);
	tcase_add_test(tcase, a_failed_commit_does_not_forget_what_was_accepted);
	tcase_add_test(tcase, ranges_are_read_as_asked);
	tcase_add_test(tcase, inspecting_takes_an_existing_file);
	tcase_add_test(tcase, inspecting_finds_what_is_there);
	tcase_add_test(tcase, inspecting_writes_nothing);
}

static void add_damage(Suite *suite)
{
	TCase *tcase = case_new(suite, "damage");

	tcase_add_test(tcase, tampering_is_found);
	tcase_add_test(tcase, inspecting_finds_tampering_too);
	tcase_add_loop_test(tcase, a_record_of_another_ledger_is_found, 0, 2);
	tcase_add_loop_test(tcase, stale_snapshots_are_found, 0, 2);
	tcase_add_loop_test(tcase, a_flipped_byte_is_found_or_harmless, 0, (int)(sizeof(flips) / sizeof(*flips)));
	tcase_add_test(tcase, a_flipped_byte_of_the_log_leaves_whole_commits);
	tcase_add_test(tcase, a_cut_off_file_is_found);
	tcase_add_test(tcase, another_file_is_no_ledger);
	tcase_add_test(tcase, a_newer_schema_is_refused);
	tcase_add_loop_test(tcase, a_senseless_schema_version_is_damage, 0, 2);
	tcase_add_loop_test(tcase, a_damaged_ledger_is_set_aside, 0, 2);
	tcase_add_test(tcase, setting_aside_twice_keeps_both);
	tcase_add_test(tcase, a_failing_rename_is_said);
	tcase_add_loop_test(tcase, a_cut_while_setting_aside, 0, CUT_DAMAGE_COUNT);
}

static void add_disks(Suite *suite)
{
	TCase *tcase = case_new(suite, "disks");

	tcase_add_test(tcase, a_full_disk_refuses_and_later_takes_all);
	tcase_add_test(tcase, no_ledger_is_made_on_a_full_disk);
	tcase_add_test(tcase, a_failing_disk_loses_nothing_and_doubles_nothing);
	tcase_add_test(tcase, a_group_that_failed_is_whole_or_absent_after_a_restart);
	tcase_add_loop_test(tcase, opening_on_a_failing_disk_is_no_damage, 0, 2);
	tcase_add_loop_test(tcase, a_cut_at_any_operation_loses_nothing_durable, 0, CUT_DAMAGE_COUNT);
	tcase_add_loop_test(tcase, a_cut_while_opening_after_a_cut_loses_nothing_either, 0, CUT_DAMAGE_COUNT);
}

int main(void)
{
	Suite *suite = suite_create("ledger");

	add_ordinary(suite);
	add_damage(suite);
	add_disks(suite);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);

	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
