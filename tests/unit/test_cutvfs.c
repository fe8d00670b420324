/* tests/unit/test_cutvfs.c: the disk of tests/sim/cutvfs.h loses what a power cut may lose, and nothing else. */
#include "cutvfs.h"

#include <check.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DB "ledger.db"
#define WAL "ledger.db-wal"
#define ROWS 30
#define SEEDS 2
#define MIB ((size_t)1 << 20)

static const char *const damage_names[CUT_DAMAGE_COUNT] = {"lost", "torn", "reordered", "garbage"};

/* ---- raw files, without SQLite's library between ---- */

struct raw {
	sqlite3_file *file;
};

static sqlite3_vfs *vfs_of(const char *name)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(name);

	ck_assert_ptr_nonnull(vfs);
	return vfs;
}

static int raw_try_open(struct raw *raw, const char *vfs_name, const char *path, int flags)
{
	sqlite3_vfs *vfs = vfs_of(vfs_name);

	raw->file = calloc(1, (size_t)vfs->szOsFile);
	ck_assert_ptr_nonnull(raw->file);

	int rc = vfs->xOpen(vfs, path, raw->file, flags, NULL);

	if (rc != SQLITE_OK) {
		ck_assert_ptr_null(raw->file->pMethods);
		free(raw->file);
		raw->file = NULL;
	}
	return rc;
}

static struct raw raw_open(const char *vfs_name, const char *path)
{
	struct raw raw;

	ck_assert_int_eq(
		raw_try_open(&raw, vfs_name, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB),
		SQLITE_OK);
	return raw;
}

static void raw_close(struct raw *raw)
{
	ck_assert_int_eq(raw->file->pMethods->xClose(raw->file), SQLITE_OK);
	free(raw->file);
	raw->file = NULL;
}

static int raw_write(struct raw raw, const void *bytes, size_t length, size_t offset)
{
	return raw.file->pMethods->xWrite(raw.file, bytes, (int)length, (sqlite3_int64)offset);
}

static int raw_fill(struct raw raw, int byte, size_t length, size_t offset)
{
	unsigned char *bytes = malloc(length);

	ck_assert_ptr_nonnull(bytes);
	memset(bytes, byte, length);

	int rc = raw_write(raw, bytes, length, offset);

	free(bytes);
	return rc;
}

static int raw_truncate(struct raw raw, size_t size)
{
	return raw.file->pMethods->xTruncate(raw.file, (sqlite3_int64)size);
}

static int raw_sync(struct raw raw)
{
	return raw.file->pMethods->xSync(raw.file, SQLITE_SYNC_NORMAL);
}

static int raw_lock(struct raw raw, int level)
{
	return raw.file->pMethods->xLock(raw.file, level);
}

/* The caller frees; NULL when there is no such file. */
static unsigned char *slurp(struct cutvfs *disk, const char *vfs_name, const char *path, size_t *size)
{
	struct raw raw;
	int64_t there = cutvfs_size(disk, path);

	*size = there > 0 ? (size_t)there : 0;
	if (there < 0)
		return NULL;

	unsigned char *bytes = malloc(*size + 1);

	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(raw_try_open(&raw, vfs_name, path, SQLITE_OPEN_READWRITE), SQLITE_OK);
	ck_assert_int_eq(raw.file->pMethods->xRead(raw.file, bytes, (int)*size, 0), SQLITE_OK);
	raw_close(&raw);
	return bytes;
}

static void assert_all(const unsigned char *bytes, size_t from, size_t to, int value)
{
	for (size_t i = from; i < to; i++) {
		if (bytes[i] != value) /* ck_assert for every byte takes a minute */
			ck_abort_msg("byte %zu is %d, not %d", i, bytes[i], value);
	}
}

/* ---- the small workload: one row a transaction, and a counter that must agree with them ---- */

#define FILLER "printf('%%0*d', 100 + %d %% 700, %d)"

static int exec(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int try_open(sqlite3 **db, const char *vfs_name, const char *synchronous)
{
	char pragmas[256];

	snprintf(pragmas,
		 sizeof(pragmas),
		 "PRAGMA locking_mode=EXCLUSIVE; PRAGMA page_size=1024; PRAGMA journal_mode=WAL;"
		 "PRAGMA synchronous=%s; PRAGMA wal_autocheckpoint=10;",
		 synchronous);

	int rc = sqlite3_open_v2(DB, db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs_name);

	return rc == SQLITE_OK ? exec(*db, pragmas) : rc;
}

static sqlite3 *must_open(const char *vfs_name)
{
	sqlite3 *db;
	int rc = try_open(&db, vfs_name, "FULL");

	ck_assert_msg(rc == SQLITE_OK, "open: %s", sqlite3_errmsg(db));
	return db;
}

static void close_db(sqlite3 *db)
{
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static void kill_process(struct cutvfs *disk, sqlite3 *db)
{
	cutvfs_fail_from(disk, 1);
	close_db(db);
	cutvfs_fail_from(disk, 0);
}

static int create_schema(sqlite3 *db)
{
	return exec(db,
		    "BEGIN; CREATE TABLE row(n INTEGER PRIMARY KEY, filler TEXT);"
		    "CREATE TABLE counter(n INTEGER); INSERT INTO counter VALUES(0); COMMIT;");
}

static int insert_row(sqlite3 *db, int n)
{
	char sql[256];

	snprintf(sql,
		 sizeof(sql),
		 "BEGIN; INSERT INTO row VALUES(%d, " FILLER "); UPDATE counter SET n=%d; COMMIT;",
		 n,
		 n,
		 n,
		 n);
	return exec(db, sql);
}

/* The number of transactions whose COMMIT returned SQLITE_OK, the schema being the first. Stops at the first error. */
static int run_workload(const char *vfs_name, const char *synchronous)
{
	sqlite3 *db;
	int committed = 0;
	int rc = try_open(&db, vfs_name, synchronous);

	if (rc == SQLITE_OK)
		rc = create_schema(db);
	while (rc == SQLITE_OK && committed++ < ROWS)
		rc = insert_row(db, committed);
	close_db(db);
	return committed;
}

static bool query_is(sqlite3 *db, const char *sql, const char *expected)
{
	sqlite3_stmt *statement = NULL;
	bool same = false;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
		same = strcmp((const char *)sqlite3_column_text(statement, 0), expected) == 0;
	sqlite3_finalize(statement);
	return same;
}

/* -1 when there is none. */
static int query_int(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int value = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
		value = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

static bool is_sound(sqlite3 *db)
{
	return query_is(db, "PRAGMA integrity_check", "ok");
}

/* The transactions that can be seen, the schema being the first; -1 when they contradict each other. */
static int visible_transactions(sqlite3 *db)
{
	if (query_int(db, "SELECT count(*) FROM sqlite_master") == 0)
		return 0;

	int rows = query_int(db, "SELECT count(*) FROM row WHERE filler = printf('%0*d', 100 + n % 700, n)");
	bool agree = rows == query_int(db, "SELECT count(*) FROM row") &&
		     rows == query_int(db, "SELECT coalesce(max(n), 0) FROM row") &&
		     rows == query_int(db, "SELECT n FROM counter");

	return agree && rows >= 0 ? rows + 1 : -1;
}

static void assert_nothing_lost(sqlite3 *db, int committed, const char *where)
{
	int visible = visible_transactions(db);

	ck_assert_msg(is_sound(db), "%s: integrity_check", where);
	ck_assert_msg(visible == committed || visible == committed + 1,
		      "%s: %d committed, %d visible",
		      where,
		      committed,
		      visible);
}

/* How many operations the workload takes undisturbed. */
static uint64_t workload_operations(uint64_t seed, const char *synchronous)
{
	struct cutvfs *disk = cutvfs_new("dry", seed);

	ck_assert_ptr_nonnull(disk);
	ck_assert_int_eq(run_workload("dry", synchronous), ROWS + 1);

	uint64_t operations = cutvfs_operations(disk);

	cutvfs_free(disk);
	return operations;
}

/* ---- SQLite on the disk ---- */

START_TEST(the_setup_is_what_the_ledger_uses)
{
	struct cutvfs *disk = cutvfs_new("disk", 1);
	sqlite3 *db = must_open("disk");

	ck_assert(query_is(db, "PRAGMA journal_mode", "wal"));
	ck_assert(query_is(db, "PRAGMA locking_mode", "exclusive"));
	ck_assert_int_eq(query_int(db, "PRAGMA synchronous"), 2);
	ck_assert_int_eq(create_schema(db), SQLITE_OK);
	ck_assert_int_eq(query_int(db, "PRAGMA page_size"), 1024);
	ck_assert_int_gt(cutvfs_size(disk, WAL), 0);
	ck_assert(query_is(db, "SELECT datetime('now')", "2025-01-01 00:00:00"));
	close_db(db);
	ck_assert_int_eq(cutvfs_size(disk, WAL), -1);
	cutvfs_free(disk);
}
END_TEST

static void cut_once(uint64_t seed, uint64_t at, enum cut_damage damage)
{
	char where[64];
	struct cutvfs *disk = cutvfs_new("disk", seed * 100003 + at);

	ck_assert_ptr_nonnull(disk);
	snprintf(where, sizeof(where), "%s, operation %d", damage_names[damage], (int)at);
	cutvfs_cut_at(disk, at, damage);

	int committed = run_workload("disk", "FULL");

	ck_assert(cutvfs_is_cut(disk));
	ck_assert_uint_eq(cutvfs_operations(disk), at);
	cutvfs_restore(disk);
	ck_assert(!cutvfs_is_cut(disk));

	sqlite3 *db = must_open("disk");

	assert_nothing_lost(db, committed, where);
	close_db(db);
	cutvfs_free(disk);
}

START_TEST(full_loses_no_commit_at_any_cut)
{
	enum cut_damage damage = (enum cut_damage)_i;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t operations = workload_operations(seed, "FULL");

		ck_assert_uint_gt(operations, 150);
		for (uint64_t at = 1; at <= operations; at++)
			cut_once(seed, at, damage);
	}
}
END_TEST

/* The power goes again while SQLite recovers, in the middle of it or just after. */
static void cut_twice(uint64_t at, uint64_t again, enum cut_damage damage)
{
	sqlite3 *db;
	struct cutvfs *disk = cutvfs_new("disk", at * 31 + again);

	ck_assert_ptr_nonnull(disk);
	cutvfs_cut_at(disk, at, damage);

	int committed = run_workload("disk", "FULL");

	cutvfs_cut_at(disk, at + again, CUT_GARBAGE);
	cutvfs_restore(disk);
	if (try_open(&db, "disk", "FULL") == SQLITE_OK)
		(void)exec(db, "PRAGMA wal_checkpoint(TRUNCATE)");
	close_db(db);
	cutvfs_cut_at(disk, 0, CUT_LOST);
	cutvfs_restore(disk);
	db = must_open("disk");
	assert_nothing_lost(db, committed, "second cut");
	close_db(db);
	cutvfs_free(disk);
}

START_TEST(a_cut_during_recovery_loses_nothing_either)
{
	uint64_t operations = workload_operations(1, "FULL");

	for (uint64_t at = 1; at <= operations; at += 3) {
		for (uint64_t again = 1; again <= 13; again += 4)
			cut_twice(at, again, (enum cut_damage)_i);
	}
}
END_TEST

/* How many of the cuts lost a committed row; *unsound: how many left a database that is not one. */
static int count_losses(const char *synchronous, enum cut_damage damage, int *unsound)
{
	int losses = 0;
	uint64_t operations = workload_operations(1, synchronous);

	*unsound = 0;
	for (uint64_t at = 1; at <= operations; at++) {
		sqlite3 *db;
		struct cutvfs *disk = cutvfs_new("disk", at);

		ck_assert_ptr_nonnull(disk);
		cutvfs_cut_at(disk, at, damage);

		int committed = run_workload("disk", synchronous);

		cutvfs_restore(disk);
		if (try_open(&db, "disk", "FULL") != SQLITE_OK || !is_sound(db))
			++*unsound;
		else
			losses += visible_transactions(db) < committed;
		close_db(db);
		cutvfs_free(disk);
	}
	return losses;
}

START_TEST(the_disk_has_teeth)
{
	int unsound;

	ck_assert_int_gt(count_losses("NORMAL", (enum cut_damage)_i, &unsound), 0);
	ck_assert_int_eq(unsound, 0);
	if (_i == CUT_TORN)
		return; /* with no sync to cut, the torn write is always one of the transaction that failed */

	int losses = count_losses("OFF", (enum cut_damage)_i, &unsound);

	ck_assert_int_gt(losses + unsound, 0);
	if (_i == CUT_REORDERED || _i == CUT_GARBAGE)
		ck_assert_int_gt(unsound, 0);
}
END_TEST

START_TEST(a_killed_process_loses_nothing_written)
{
	struct cutvfs *disk = cutvfs_new("disk", 3);
	sqlite3 *db;

	ck_assert_int_eq(try_open(&db, "disk", "OFF"), SQLITE_OK);
	ck_assert_int_eq(create_schema(db), SQLITE_OK);
	for (int n = 1; n <= ROWS; n++)
		ck_assert_int_eq(insert_row(db, n), SQLITE_OK);
	ck_assert_int_eq(exec(db, "BEGIN; UPDATE counter SET n = 1000"), SQLITE_OK);
	kill_process(disk, db);
	ck_assert(!cutvfs_is_cut(disk));
	ck_assert_int_gt(cutvfs_size(disk, WAL), 0);
	cutvfs_restore(disk);
	db = must_open("disk");
	ck_assert(is_sound(db));
	ck_assert_int_eq(visible_transactions(db), ROWS + 1);
	close_db(db);
	cutvfs_free(disk);
}
END_TEST

START_TEST(a_full_disk_refuses_and_keeps_what_is_there)
{
	struct cutvfs *disk = cutvfs_new("disk", 4);
	sqlite3 *db = must_open("disk");
	int n = 1;
	int rc;

	ck_assert_int_eq(create_schema(db), SQLITE_OK);
	ck_assert_int_eq(insert_row(db, n), SQLITE_OK);
	cutvfs_set_full(disk, true);
	do {
		rc = insert_row(db, ++n);
	} while (rc == SQLITE_OK && n < ROWS);
	ck_assert_int_eq(rc, SQLITE_FULL);
	(void)exec(db, "ROLLBACK"); /* an error where SQLite has done it already */
	ck_assert_int_eq(visible_transactions(db), n);
	cutvfs_set_full(disk, false);
	ck_assert_int_eq(insert_row(db, n), SQLITE_OK);
	kill_process(disk, db);
	db = must_open("disk");
	assert_nothing_lost(db, n + 1, "after full");
	close_db(db);
	cutvfs_free(disk);
}
END_TEST

START_TEST(operations_fail_from_a_number_on)
{
	struct cutvfs *disk = cutvfs_new("disk", 5);
	sqlite3 *db = must_open("disk");
	int n = 0;
	int rc;

	ck_assert_int_eq(create_schema(db), SQLITE_OK);
	cutvfs_fail_from(disk, cutvfs_operations(disk) + 20);
	do {
		rc = insert_row(db, ++n);
	} while (rc == SQLITE_OK && n < ROWS);
	ck_assert_int_eq(rc, SQLITE_IOERR);
	ck_assert_int_gt(n, 1);
	ck_assert(!cutvfs_is_cut(disk));
	close_db(db);
	cutvfs_fail_from(disk, 0);
	db = must_open("disk");
	assert_nothing_lost(db, n, "after failures");
	ck_assert_int_eq(insert_row(db, visible_transactions(db)), SQLITE_OK);
	close_db(db);
	cutvfs_free(disk);
}
END_TEST

/* Whether reading all of the database after the flip shows that something is wrong. */
static bool flip_is_seen(uint64_t offset, unsigned char bits)
{
	sqlite3 *db;
	struct cutvfs *disk = cutvfs_new("disk", 6);

	ck_assert_int_eq(run_workload("disk", "FULL"), ROWS + 1);
	ck_assert(cutvfs_flip(disk, DB, offset, bits));

	bool seen = try_open(&db, "disk", "FULL") != SQLITE_OK || !is_sound(db) || visible_transactions(db) != ROWS + 1;

	close_db(db);
	cutvfs_free(disk);
	return seen;
}

START_TEST(flipped_bits_are_seen)
{
	struct cutvfs *disk = cutvfs_new("disk", 6);

	ck_assert_int_eq(run_workload("disk", "FULL"), ROWS + 1);

	uint64_t size = (uint64_t)cutvfs_size(disk, DB);

	ck_assert(!cutvfs_flip(disk, "nothing", 0, 1));
	ck_assert(!cutvfs_flip(disk, DB, size, 1));
	cutvfs_free(disk);
	ck_assert(!flip_is_seen(0, 0));
	ck_assert(flip_is_seen(0, 0x80)); /* the magic word */
	ck_assert(flip_is_seen(1024, 0x02)); /* the second page's kind */
	ck_assert(flip_is_seen(size - 1, 0x04)); /* a row's content: cells fill a page from its end */
}
END_TEST

/* A flip in a write that is still pending must outlast both sync and cut. */
START_TEST(rot_outlasts_sync_and_cut)
{
	size_t size;
	struct cutvfs *disk = cutvfs_new("disk", 7);
	struct raw raw = raw_open("disk", "file");

	ck_assert_int_eq(raw_fill(raw, 'a', 100, 0), SQLITE_OK);
	ck_assert_int_eq(raw_truncate(raw, 90), SQLITE_OK);
	ck_assert(!cutvfs_flip(disk, "file", 90, 1));
	ck_assert(cutvfs_flip(disk, "file", 50, 1));
	ck_assert_int_eq(raw_sync(raw), SQLITE_OK);
	raw_close(&raw);
	cutvfs_cut(disk, CUT_LOST);
	cutvfs_restore(disk);

	unsigned char *bytes = slurp(disk, "disk", "file", &size);

	ck_assert_uint_eq(size, 90);
	ck_assert_int_eq(bytes[50], 'a' ^ 1);
	bytes[50] = 'a';
	assert_all(bytes, 0, 90, 'a');
	free(bytes);
	cutvfs_free(disk);
}
END_TEST

/* ---- determinism ---- */

/* SQLite seeds its generator from the default VFS, so the world's must be that for a moment. */
struct outcome {
	uint64_t operations;
	unsigned char *bytes[2];
	size_t size[2];
};

static struct outcome world_outcome(uint64_t seed)
{
	struct outcome outcome;
	struct cutvfs *disk = cutvfs_new("disk", seed);

	cutvfs_pin_randomness(disk);
	cutvfs_cut_at(disk, 140, CUT_GARBAGE);
	(void)run_workload("disk", "NORMAL");
	cutvfs_restore(disk);
	outcome.bytes[0] = slurp(disk, "disk", DB, &outcome.size[0]);
	outcome.bytes[1] = slurp(disk, "disk", WAL, &outcome.size[1]);
	ck_assert_ptr_nonnull(outcome.bytes[1]);
	close_db(must_open("disk"));
	outcome.operations = cutvfs_operations(disk);
	cutvfs_free(disk);
	return outcome;
}

static bool same_outcome(const struct outcome *a, const struct outcome *b)
{
	bool same = a->operations == b->operations;

	for (int i = 0; i < 2; i++)
		same = same && a->size[i] == b->size[i] && memcmp(a->bytes[i], b->bytes[i], a->size[i]) == 0;
	return same;
}

static void free_outcome(struct outcome *outcome)
{
	free(outcome->bytes[0]);
	free(outcome->bytes[1]);
}

START_TEST(one_seed_is_one_world)
{
	struct outcome first = world_outcome(8);
	struct outcome again = world_outcome(8);
	struct outcome other = world_outcome(9);

	ck_assert(same_outcome(&first, &again));
	ck_assert(!same_outcome(&first, &other));
	free_outcome(&first);
	free_outcome(&again);
	free_outcome(&other);
}
END_TEST

START_TEST(randomness_comes_from_the_seed)
{
	char bytes[3][21];

	for (int i = 0; i < 3; i++) {
		struct cutvfs *disk = cutvfs_new("disk", i < 2 ? 10 : 11);
		sqlite3_vfs *vfs = vfs_of("disk");

		ck_assert_int_eq(vfs->xRandomness(vfs, sizeof(bytes[i]), bytes[i]), sizeof(bytes[i]));
		cutvfs_free(disk);
	}
	ck_assert_mem_eq(bytes[0], bytes[1], sizeof(bytes[0]));
	ck_assert_mem_ne(bytes[0], bytes[2], sizeof(bytes[0]));
}
END_TEST

/* ---- the damage, write by write ---- */

/* A synced file of `before` bytes 'o', then one write of 'n', then a cut at it. The caller frees the content. */
static unsigned char *content_after(uint64_t seed, enum cut_damage damage, size_t before, size_t offset, size_t length,
				    size_t *size)
{
	struct cutvfs *disk = cutvfs_new("disk", seed);
	struct raw raw = raw_open("disk", "file");

	ck_assert_int_eq(raw_fill(raw, 'o', before, 0), SQLITE_OK);
	ck_assert_int_eq(raw_sync(raw), SQLITE_OK);
	cutvfs_cut_at(disk, cutvfs_operations(disk) + 1, damage);
	ck_assert_int_eq(raw_fill(raw, 'n', length, offset), SQLITE_IOERR);
	raw_close(&raw);
	cutvfs_restore(disk);

	unsigned char *bytes = slurp(disk, "disk", "file", size);

	cutvfs_free(disk);
	return bytes;
}

/* Written from 700 to 2600 of 4096: the sectors' boundaries are 1024, 1536, 2048, 2560. */
START_TEST(an_overwrite_damages_nothing_beside_it)
{
	static const size_t boundary[] = {700, 1024, 1536, 2048, 2560, 2600};
	int kept[5] = {0};
	size_t size;

	for (uint64_t seed = 0; seed < 200; seed++) {
		unsigned char *bytes = content_after(seed, (enum cut_damage)_i, 4096, 700, 1900, &size);

		ck_assert_uint_eq(size, 4096);
		assert_all(bytes, 0, 700, 'o');
		assert_all(bytes, 2600, 4096, 'o');
		for (int i = 0; i < 5; i++) {
			ck_assert(bytes[boundary[i]] == 'n' || bytes[boundary[i]] == 'o');
			assert_all(bytes, boundary[i], boundary[i + 1], bytes[boundary[i]]);
			kept[i] += bytes[boundary[i]] == 'n';
			if (_i == CUT_TORN && i > 0 && bytes[boundary[i]] == 'n')
				ck_assert_int_eq(bytes[boundary[i - 1]], 'n');
		}
		free(bytes);
	}
	for (int i = 0; i < 5; i++) {
		ck_assert(_i == CUT_LOST ? kept[i] == 0 : kept[i] > 0);
		ck_assert_int_lt(kept[i], 200);
	}
}
END_TEST

/* 1000 bytes there, written from 700 to 2600: noise only from 1000 on. */
START_TEST(noise_only_where_the_file_grew)
{
	int noisy = 0;
	size_t size;

	for (uint64_t seed = 0; seed < 200; seed++) {
		unsigned char *bytes = content_after(seed, (enum cut_damage)_i, 1000, 700, 1900, &size);

		ck_assert(size >= 1000 && size <= 2600);
		assert_all(bytes, 0, 700, 'o');
		assert_all(bytes, 700, 1000, bytes[700] == 'n' ? 'n' : 'o');
		for (size_t i = 1000; i < size; i++)
			noisy += bytes[i] != 'n' && bytes[i] != 0;
		free(bytes);
	}
	if (_i == CUT_GARBAGE)
		ck_assert_int_gt(noisy, 0);
	else
		ck_assert_int_eq(noisy, 0);
}
END_TEST

/* Two files share the order: only the very last write is torn. */
START_TEST(torn_keeps_all_before_the_last)
{
	size_t size;
	bool whole = false;
	bool none = false;

	for (uint64_t seed = 0; seed < 50; seed++) {
		struct cutvfs *disk = cutvfs_new("disk", seed);
		struct raw a = raw_open("disk", "a");
		struct raw b = raw_open("disk", "b");

		ck_assert_int_eq(raw_fill(a, 'a', 2048, 0), SQLITE_OK);
		ck_assert_int_eq(raw_fill(b, 'b', 2048, 0), SQLITE_OK);
		ck_assert_int_eq(raw_fill(a, 'A', 2048, 1024), SQLITE_OK);
		raw_close(&a);
		raw_close(&b);
		cutvfs_cut(disk, CUT_TORN);
		cutvfs_restore(disk);
		ck_assert_int_eq(cutvfs_size(disk, "b"), 2048);

		unsigned char *bytes = slurp(disk, "disk", "a", &size);

		assert_all(bytes, 0, 1024, 'a');
		whole = whole || size == 3072;
		none = none || bytes[1024] == 'a';
		free(bytes);
		cutvfs_free(disk);
	}
	ck_assert(whole && none);
}
END_TEST

/* The sizes that a synced file of 2000 bytes has after a cut with a truncate to 500 pending. */
START_TEST(a_truncate_is_pending_like_a_write)
{
	int kept = 0;
	size_t size;

	for (uint64_t seed = 0; seed < 50; seed++) {
		struct cutvfs *disk = cutvfs_new("disk", seed);
		struct raw raw = raw_open("disk", "file");

		ck_assert_int_eq(raw_fill(raw, 'o', 2000, 0), SQLITE_OK);
		ck_assert_int_eq(raw_sync(raw), SQLITE_OK);
		ck_assert_int_eq(raw_truncate(raw, 500), SQLITE_OK);
		ck_assert_int_eq(cutvfs_size(disk, "file"), 500);
		raw_close(&raw);
		cutvfs_cut(disk, (enum cut_damage)_i);
		cutvfs_restore(disk);

		unsigned char *bytes = slurp(disk, "disk", "file", &size);

		ck_assert(size == 500 || size == 2000);
		assert_all(bytes, 0, size, 'o');
		kept += size == 500;
		free(bytes);
		cutvfs_free(disk);
	}
	ck_assert(_i == CUT_LOST ? kept == 0 : kept > 0);
	ck_assert_int_lt(kept, 50);
}
END_TEST

START_TEST(a_sync_makes_durable_and_a_cut_one_does_not)
{
	struct cutvfs *disk = cutvfs_new("disk", 12);
	struct raw raw = raw_open("disk", "file");

	ck_assert_int_eq(raw_fill(raw, 'a', 3000, 0), SQLITE_OK);
	ck_assert_int_eq(raw_truncate(raw, 1000), SQLITE_OK);
	ck_assert_int_eq(raw_truncate(raw, 1200), SQLITE_OK);
	ck_assert_int_eq(raw_sync(raw), SQLITE_OK);
	ck_assert_int_eq(raw_fill(raw, 'b', 3000, 0), SQLITE_OK);
	cutvfs_cut_at(disk, cutvfs_operations(disk) + 1, CUT_LOST);
	ck_assert_int_eq(raw_sync(raw), SQLITE_IOERR);
	raw_close(&raw);
	cutvfs_restore(disk);

	size_t size;
	unsigned char *bytes = slurp(disk, "disk", "file", &size);

	ck_assert_uint_eq(size, 1200);
	assert_all(bytes, 0, 1000, 'a');
	assert_all(bytes, 1000, 1200, 0);
	free(bytes);
	cutvfs_free(disk);
}
END_TEST

/* ---- names ---- */

static void make_file(const char *path, int byte, size_t size)
{
	struct raw raw = raw_open("disk", path);

	ck_assert_int_eq(raw_fill(raw, byte, size, 0), SQLITE_OK);
	ck_assert_int_eq(raw_sync(raw), SQLITE_OK);
	raw_close(&raw);
}

START_TEST(a_rename_replaces)
{
	size_t size;
	struct cutvfs *disk = cutvfs_new("disk", 13);

	make_file("old", 'o', 100);
	make_file("new", 'n', 200);

	struct raw replaced = raw_open("disk", "old");
	uint64_t before = cutvfs_operations(disk);

	ck_assert_int_eq(cutvfs_rename(disk, "nothing", "old"), -ENOENT);
	ck_assert_int_eq(cutvfs_rename(disk, "new", "old"), 0);
	ck_assert_int_eq(cutvfs_rename(disk, "old", "old"), 0);
	ck_assert_uint_eq(cutvfs_operations(disk), before + 2);
	ck_assert_int_eq(raw_fill(replaced, 'x', 300, 0), SQLITE_OK); /* still open, has no name any more */
	raw_close(&replaced);
	cutvfs_cut(disk, CUT_LOST);
	ck_assert_int_eq(cutvfs_rename(disk, "old", "new"), -EIO);
	cutvfs_restore(disk);
	ck_assert_int_eq(cutvfs_size(disk, "new"), -1);

	unsigned char *bytes = slurp(disk, "disk", "old", &size);

	ck_assert_uint_eq(size, 200);
	assert_all(bytes, 0, 200, 'n');
	free(bytes);
	cutvfs_free(disk);
}
END_TEST

START_TEST(a_rename_does_not_sync_the_content)
{
	struct cutvfs *disk = cutvfs_new("disk", 14);
	struct raw raw = raw_open("disk", "new");

	make_file("old", 'o', 100);
	ck_assert_int_eq(raw_fill(raw, 'n', 200, 0), SQLITE_OK);
	raw_close(&raw);
	ck_assert_int_eq(cutvfs_rename(disk, "new", "old"), 0);
	cutvfs_cut(disk, CUT_LOST);
	cutvfs_restore(disk);
	ck_assert_int_eq(cutvfs_size(disk, "old"), 0);
	cutvfs_free(disk);
}
END_TEST

/* A cut creation, deletion or rename has happened or not; both are seen, CUT_LOST apart. */
static bool name_change_happened(uint64_t seed, int change, enum cut_damage damage)
{
	struct raw raw;
	struct cutvfs *disk = cutvfs_new("disk", seed);
	sqlite3_vfs *vfs = vfs_of("disk");

	make_file("one", '1', 100);
	cutvfs_cut_at(disk, cutvfs_operations(disk) + 1, damage);
	if (change == 0)
		ck_assert_int_eq(raw_try_open(&raw, "disk", "two", SQLITE_OPEN_CREATE), SQLITE_IOERR);
	else if (change == 1)
		ck_assert_int_eq(vfs->xDelete(vfs, "one", 1), SQLITE_IOERR);
	else
		ck_assert_int_eq(cutvfs_rename(disk, "one", "two"), -EIO);
	ck_assert(cutvfs_is_cut(disk));
	cutvfs_restore(disk);

	bool one = cutvfs_size(disk, "one") == 100;
	bool two = cutvfs_size(disk, "two") >= 0;

	ck_assert(change == 0 ? one : change == 1 ? !two : one != two);
	cutvfs_free(disk);
	return change == 0 ? two : !one;
}

START_TEST(a_cut_name_change_is_whole_or_nothing)
{
	for (int change = 0; change < 3; change++) {
		int happened = 0;

		for (uint64_t seed = 0; seed < 50; seed++)
			happened += name_change_happened(seed, change, (enum cut_damage)_i);
		ck_assert(_i == CUT_LOST ? happened == 0 : happened > 0);
		ck_assert_int_lt(happened, 50);
	}
}
END_TEST

START_TEST(a_deletion_is_durable_at_once)
{
	struct cutvfs *disk = cutvfs_new("disk", 15);
	sqlite3_vfs *vfs = vfs_of("disk");

	make_file("file", 'f', 100);

	uint64_t before = cutvfs_operations(disk);

	ck_assert_int_eq(vfs->xDelete(vfs, "file", 0), SQLITE_OK);
	ck_assert_int_eq(vfs->xDelete(vfs, "file", 0), SQLITE_IOERR_DELETE_NOENT);
	ck_assert_uint_eq(cutvfs_operations(disk), before + 1);
	cutvfs_cut(disk, CUT_REORDERED);
	cutvfs_restore(disk);
	ck_assert_int_eq(cutvfs_size(disk, "file"), -1);
	cutvfs_free(disk);
}
END_TEST

/* ---- the VFS's own manners ---- */

START_TEST(names_of_disks_are_unique_and_free_again)
{
	struct cutvfs *disk = cutvfs_new("disk", 16);

	ck_assert_ptr_nonnull(disk);
	ck_assert_ptr_null(cutvfs_new("disk", 17));
	ck_assert_ptr_ne(sqlite3_vfs_find(NULL), sqlite3_vfs_find("disk"));
	cutvfs_free(disk);
	ck_assert_ptr_null(sqlite3_vfs_find("disk"));
	cutvfs_free(NULL);
}
END_TEST

START_TEST(without_power_all_is_refused)
{
	char bytes[4];
	int flag;
	sqlite3_int64 size;
	struct raw other;
	struct cutvfs *disk = cutvfs_new("disk", 18);
	sqlite3_vfs *vfs = vfs_of("disk");
	struct raw raw = raw_open("disk", "file");
	const sqlite3_io_methods *methods = raw.file->pMethods;

	ck_assert_int_eq(raw_fill(raw, 'a', 100, 0), SQLITE_OK);
	cutvfs_cut(disk, CUT_LOST);
	cutvfs_cut(disk, CUT_TORN); /* it is off already: the first cut counts */
	ck_assert_int_eq(raw_fill(raw, 'b', 100, 0), SQLITE_IOERR);
	ck_assert_int_eq(raw_truncate(raw, 0), SQLITE_IOERR);
	ck_assert_int_eq(raw_sync(raw), SQLITE_IOERR);
	ck_assert_int_eq(methods->xRead(raw.file, bytes, 4, 0), SQLITE_IOERR);
	ck_assert_int_eq(methods->xFileSize(raw.file, &size), SQLITE_IOERR);
	ck_assert_int_eq(methods->xCheckReservedLock(raw.file, &flag), SQLITE_IOERR);
	ck_assert_int_eq(raw_lock(raw, SQLITE_LOCK_SHARED), SQLITE_IOERR);
	ck_assert_int_eq(vfs->xAccess(vfs, "file", SQLITE_ACCESS_EXISTS, &flag), SQLITE_IOERR);
	ck_assert_int_eq(vfs->xDelete(vfs, "file", 0), SQLITE_IOERR);
	ck_assert_int_eq(raw_try_open(&other, "disk", "file", SQLITE_OPEN_READWRITE), SQLITE_IOERR);
	ck_assert_uint_eq(cutvfs_operations(disk), 2);
	raw_close(&raw);
	cutvfs_restore(disk);
	ck_assert_int_eq(cutvfs_size(disk, "file"), 0);
	cutvfs_free(disk);
}
END_TEST

START_TEST(a_failing_operation_counts_and_changes_nothing)
{
	struct raw other;
	struct cutvfs *disk = cutvfs_new("disk", 24);
	sqlite3_vfs *vfs = vfs_of("disk");
	struct raw raw = raw_open("disk", "file");

	ck_assert_int_eq(raw_fill(raw, 'a', 100, 0), SQLITE_OK);
	cutvfs_fail_from(disk, 3);
	ck_assert_int_eq(raw_fill(raw, 'b', 200, 0), SQLITE_IOERR);
	ck_assert_int_eq(raw_truncate(raw, 0), SQLITE_IOERR);
	ck_assert_int_eq(raw_sync(raw), SQLITE_IOERR);
	ck_assert_int_eq(vfs->xDelete(vfs, "file", 0), SQLITE_IOERR);
	ck_assert_int_eq(cutvfs_rename(disk, "file", "other"), -EIO);
	ck_assert_int_eq(raw_try_open(&other, "disk", "other", SQLITE_OPEN_CREATE), SQLITE_IOERR);
	ck_assert_uint_eq(cutvfs_operations(disk), 8);
	ck_assert_int_eq(cutvfs_size(disk, "file"), 100);
	ck_assert_int_eq(cutvfs_size(disk, "other"), -1);
	cutvfs_fail_from(disk, 0);
	ck_assert_int_eq(raw_sync(raw), SQLITE_OK); /* must not find the failed ones pending */
	raw_close(&raw);
	cutvfs_cut(disk, CUT_LOST);
	cutvfs_restore(disk);
	ck_assert_int_eq(cutvfs_size(disk, "file"), 100);
	cutvfs_free(disk);
}
END_TEST

START_TEST(reads_past_the_end_are_short_and_zero)
{
	unsigned char bytes[8];
	struct cutvfs *disk = cutvfs_new("disk", 19);
	struct raw raw = raw_open("disk", "file");
	const sqlite3_io_methods *methods = raw.file->pMethods;

	ck_assert_int_eq(raw_fill(raw, 'a', 10, 4), SQLITE_OK);
	memset(bytes, 'x', sizeof(bytes));
	ck_assert_int_eq(methods->xRead(raw.file, bytes, 8, 10), SQLITE_IOERR_SHORT_READ);
	assert_all(bytes, 0, 4, 'a');
	assert_all(bytes, 4, 8, 0);
	ck_assert_int_eq(methods->xRead(raw.file, bytes, 8, 1000), SQLITE_IOERR_SHORT_READ);
	ck_assert_int_eq(methods->xRead(raw.file, bytes, 8, 0), SQLITE_OK);
	assert_all(bytes, 0, 4, 0);
	ck_assert_int_eq(raw_write(raw, "x", 1, 300 * MIB), SQLITE_FULL);
	ck_assert_int_eq(methods->xSectorSize(raw.file), 4096);
	ck_assert_int_eq(methods->xDeviceCharacteristics(raw.file), SQLITE_IOCAP_POWERSAFE_OVERWRITE);
	raw_close(&raw);
	cutvfs_free(disk);
}
END_TEST

START_TEST(opening_and_existing_are_as_on_unix)
{
	int exists;
	struct raw raw;
	char path[8];
	struct cutvfs *disk = cutvfs_new("disk", 20);
	sqlite3_vfs *vfs = vfs_of("disk");

	ck_assert_int_eq(raw_try_open(&raw, "disk", "file", SQLITE_OPEN_READWRITE), SQLITE_CANTOPEN);
	raw = raw_open("disk", "file");
	ck_assert_int_eq(vfs->xAccess(vfs, "file", SQLITE_ACCESS_EXISTS, &exists), SQLITE_OK);
	ck_assert(!exists); /* empty */
	ck_assert_int_eq(raw_fill(raw, 'a', 1, 0), SQLITE_OK);
	ck_assert_int_eq(vfs->xAccess(vfs, "file", SQLITE_ACCESS_EXISTS, &exists), SQLITE_OK);
	ck_assert(exists);
	raw_close(&raw);
	ck_assert_int_eq(raw_try_open(&raw, "disk", "file", SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE),
			 SQLITE_CANTOPEN);
	ck_assert_int_eq(vfs->xFullPathname(vfs, "too long", sizeof(path), path), SQLITE_CANTOPEN);
	ck_assert_int_eq(vfs->xSleep(vfs, 1000000000), 1000000000);
	cutvfs_free(disk);
}
END_TEST

START_TEST(a_nameless_file_lives_as_long_as_its_handle)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_DELETEONCLOSE;
	struct raw raw;
	struct cutvfs *disk = cutvfs_new("disk", 21);

	ck_assert_int_eq(raw_try_open(&raw, "disk", "named", flags), SQLITE_OK);
	ck_assert_int_eq(cutvfs_size(disk, "named"), -1);
	ck_assert_int_eq(raw_fill(raw, 'a', 100, 0), SQLITE_OK);
	ck_assert_int_eq(raw_sync(raw), SQLITE_OK);
	raw_close(&raw);
	for (uint64_t seed = 0; seed < 10; seed++) { /* by chance it would be made and leaked */
		cutvfs_cut_at(disk, cutvfs_operations(disk) + 1, CUT_REORDERED);
		ck_assert_int_eq(raw_try_open(&raw, "disk", NULL, flags), SQLITE_IOERR);
		cutvfs_restore(disk);
	}
	cutvfs_free(disk);
}
END_TEST

START_TEST(locks_exclude)
{
	int reserved;
	struct cutvfs *disk = cutvfs_new("disk", 22);
	struct raw a = raw_open("disk", "file");
	struct raw b = raw_open("disk", "file");

	ck_assert_int_eq(raw_lock(a, SQLITE_LOCK_SHARED), SQLITE_OK);
	ck_assert_int_eq(raw_lock(b, SQLITE_LOCK_SHARED), SQLITE_OK);
	ck_assert_int_eq(raw_lock(a, SQLITE_LOCK_RESERVED), SQLITE_OK);
	ck_assert_int_eq(raw_lock(b, SQLITE_LOCK_RESERVED), SQLITE_BUSY);
	ck_assert_int_eq(b.file->pMethods->xCheckReservedLock(b.file, &reserved), SQLITE_OK);
	ck_assert(reserved);
	ck_assert_int_eq(raw_lock(a, SQLITE_LOCK_EXCLUSIVE), SQLITE_BUSY);
	ck_assert_int_eq(b.file->pMethods->xUnlock(b.file, SQLITE_LOCK_NONE), SQLITE_OK);
	ck_assert_int_eq(raw_lock(b, SQLITE_LOCK_SHARED), SQLITE_BUSY);
	ck_assert_int_eq(raw_lock(a, SQLITE_LOCK_EXCLUSIVE), SQLITE_OK);
	raw_close(&a);
	ck_assert_int_eq(raw_lock(b, SQLITE_LOCK_SHARED), SQLITE_OK);
	ck_assert_int_eq(raw_lock(b, SQLITE_LOCK_EXCLUSIVE), SQLITE_OK);
	raw_close(&b);
	cutvfs_free(disk);
}
END_TEST

START_TEST(an_exclusive_connection_keeps_others_out)
{
	struct cutvfs *disk = cutvfs_new("disk", 23);
	sqlite3 *db = must_open("disk");
	sqlite3 *other;

	ck_assert_int_eq(create_schema(db), SQLITE_OK);
	ck_assert_int_eq(try_open(&other, "disk", "FULL"), SQLITE_BUSY);
	close_db(other);
	close_db(db);
	cutvfs_free(disk);
}
END_TEST

static TCase *sqlite_case(void)
{
	TCase *tcase = tcase_create("sqlite");

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, the_setup_is_what_the_ledger_uses);
	tcase_add_loop_test(tcase, full_loses_no_commit_at_any_cut, 0, CUT_DAMAGE_COUNT);
	tcase_add_loop_test(tcase, a_cut_during_recovery_loses_nothing_either, 0, CUT_DAMAGE_COUNT);
	tcase_add_loop_test(tcase, the_disk_has_teeth, 0, CUT_DAMAGE_COUNT);
	tcase_add_test(tcase, a_killed_process_loses_nothing_written);
	tcase_add_test(tcase, a_full_disk_refuses_and_keeps_what_is_there);
	tcase_add_test(tcase, operations_fail_from_a_number_on);
	tcase_add_test(tcase, flipped_bits_are_seen);
	tcase_add_test(tcase, one_seed_is_one_world);
	tcase_add_test(tcase, an_exclusive_connection_keeps_others_out);
	return tcase;
}

static TCase *damage_case(void)
{
	TCase *tcase = tcase_create("damage");

	tcase_add_loop_test(tcase, an_overwrite_damages_nothing_beside_it, 0, CUT_DAMAGE_COUNT);
	tcase_add_loop_test(tcase, noise_only_where_the_file_grew, 0, CUT_DAMAGE_COUNT);
	tcase_add_test(tcase, torn_keeps_all_before_the_last);
	tcase_add_loop_test(tcase, a_truncate_is_pending_like_a_write, 0, CUT_DAMAGE_COUNT);
	tcase_add_test(tcase, a_sync_makes_durable_and_a_cut_one_does_not);
	tcase_add_test(tcase, rot_outlasts_sync_and_cut);
	tcase_add_test(tcase, a_rename_replaces);
	tcase_add_test(tcase, a_rename_does_not_sync_the_content);
	tcase_add_loop_test(tcase, a_cut_name_change_is_whole_or_nothing, 0, CUT_DAMAGE_COUNT);
	tcase_add_test(tcase, a_deletion_is_durable_at_once);
	return tcase;
}

static TCase *manners_case(void)
{
	TCase *tcase = tcase_create("manners");

	tcase_add_test(tcase, names_of_disks_are_unique_and_free_again);
	tcase_add_test(tcase, randomness_comes_from_the_seed);
	tcase_add_test(tcase, without_power_all_is_refused);
	tcase_add_test(tcase, a_failing_operation_counts_and_changes_nothing);
	tcase_add_test(tcase, reads_past_the_end_are_short_and_zero);
	tcase_add_test(tcase, opening_and_existing_are_as_on_unix);
	tcase_add_test(tcase, a_nameless_file_lives_as_long_as_its_handle);
	tcase_add_test(tcase, locks_exclude);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("cutvfs");

	suite_add_tcase(suite, sqlite_case());
	suite_add_tcase(suite, damage_case());
	suite_add_tcase(suite, manners_case());

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);

	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
