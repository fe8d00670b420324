/* src/ledger/ledger.c: see ledger.h. Opening, committing, reading. */
#include "ledger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_internal.h"

#define SCHEMA_VERSION 1

static const char pragmas[] = "PRAGMA page_size=1024;"
			      "PRAGMA locking_mode=EXCLUSIVE;"
			      "PRAGMA journal_mode=WAL;"
			      "PRAGMA synchronous=FULL;"
			      "PRAGMA temp_store=MEMORY;"
			      "PRAGMA cell_size_check=ON;"
			      "PRAGMA trusted_schema=OFF;";

static const char schema[] = "CREATE TABLE meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
			     "CREATE TABLE record(seq INTEGER PRIMARY KEY, body TEXT NOT NULL);"
			     /* part 0 is the box, part n is outlet n */
			     "CREATE TABLE snapshot(part INTEGER PRIMARY KEY, body TEXT NOT NULL, hash TEXT NOT NULL);";

static const char *const statement_texts[STATEMENT_COUNT] = {
	[STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
	[STATEMENT_COMMIT] = "COMMIT",
	[STATEMENT_ADD_RECORD] = "INSERT INTO record(seq, body) VALUES(?1, ?2)",
	[STATEMENT_SET_SNAPSHOT] = "INSERT OR REPLACE INTO snapshot(part, body, hash) VALUES(?1, ?2, ?3)",
	[STATEMENT_SET_META] = "INSERT OR REPLACE INTO meta(name, value) VALUES(?1, ?2)",
	[STATEMENT_GET_META] = "SELECT value FROM meta WHERE name = ?1",
	[STATEMENT_GET_SNAPSHOT] = "SELECT body, hash FROM snapshot WHERE part = ?1",
	[STATEMENT_GET_RECORDS] = "SELECT seq, body FROM record WHERE seq >= ?1 ORDER BY seq LIMIT ?2",
	[STATEMENT_LAST_RECORD] = "SELECT seq, body FROM record ORDER BY seq DESC LIMIT 1",
};

int ledger_fail(struct ledger_error *error, int result, const char *what, const char *detail)
{
	snprintf(error->text, sizeof error->text, "ledger: %s: %s", what, detail);
	return result;
}

int ledger_sqlite_error(struct ledger *l, int code, const char *what, struct ledger_error *error)
{
	static const struct {
		int sqlite;
		int result;
	} map[] = {
		{SQLITE_CORRUPT, -EBADMSG},
		{SQLITE_NOTADB, -EBADMSG},
		{SQLITE_ERROR, -EBADMSG}, /* our statements are right: a table or the file's format is not */
		{SQLITE_FULL, -ENOSPC},
		{SQLITE_NOMEM, -ENOMEM},
		{SQLITE_BUSY, -EBUSY},
		{SQLITE_LOCKED, -EBUSY},
		{SQLITE_READONLY, -EROFS},
	};
	int result = -EIO;
	for (size_t i = 0; i < sizeof map / sizeof *map; i++) {
		if (map[i].sqlite == (code & 0xff))
			result = map[i].result;
	}
	return ledger_fail(error, result, what, l->db != NULL ? sqlite3_errmsg(l->db) : sqlite3_errstr(code));
}

int ledger_hash(struct ledger *l, const char *text, size_t length, char hash[RECORD_HASH_SIZE])
{
	return ledger_hash_text(l->sha256, text, length, hash);
}

int ledger_hash_equals(struct ledger *l, const char *text, size_t length, const char *expected)
{
	char hash[RECORD_HASH_SIZE];
	int result = ledger_hash(l, text, length, hash);
	return result < 0 ? result : strcmp(hash, expected) == 0;
}

sqlite3_stmt *ledger_statement(struct ledger *l, enum statement which)
{
	if (l->statements[which] == NULL)
		sqlite3_prepare_v3(
			l->db, statement_texts[which], -1, SQLITE_PREPARE_PERSISTENT, &l->statements[which], NULL);
	return l->statements[which];
}

/* Runs a statement that returns no row, its parameters bound before. */
static int run(struct ledger *l, sqlite3_stmt *statement, const char *what, struct ledger_error *error)
{
	if (statement == NULL)
		return ledger_sqlite_error(l, sqlite3_errcode(l->db), what, error);
	int code = sqlite3_step(statement);
	if (code != SQLITE_DONE) {
		int result = ledger_sqlite_error(l, code, what, error);
		sqlite3_reset(statement);
		return result;
	}
	sqlite3_reset(statement);
	return 0;
}

static int set_meta(struct ledger *l, const char *name, const char *value, struct ledger_error *error)
{
	sqlite3_stmt *statement = ledger_statement(l, STATEMENT_SET_META);
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 2, value, -1, SQLITE_STATIC);
	return run(l, statement, "writing", error);
}

static int set_accepted(struct ledger *l, struct ledger_error *error)
{
	char text[24];
	snprintf(text, sizeof text, "%llu", (unsigned long long)l->accepted);
	return set_meta(l, "accepted", text, error);
}

int ledger_get_meta(struct ledger *l, const char *name, char *value, size_t size, struct ledger_error *error)
{
	sqlite3_stmt *statement = ledger_statement(l, STATEMENT_GET_META);
	int result = 0;
	if (statement == NULL)
		return ledger_sqlite_error(l, sqlite3_errcode(l->db), "reading", error);
	sqlite3_bind_text(statement, 1, name, -1, SQLITE_STATIC);
	int code = sqlite3_step(statement);
	if (code == SQLITE_ROW && (size_t)sqlite3_column_bytes(statement, 0) < size)
		snprintf(value, size, "%s", (const char *)sqlite3_column_text(statement, 0));
	else if (code == SQLITE_ROW || code == SQLITE_DONE)
		result = ledger_fail(error, -EBADMSG, "damaged: meta value", name);
	else
		result = ledger_sqlite_error(l, code, "reading", error);
	sqlite3_reset(statement);
	return result;
}

/* --- snapshots --- */

static int write_snapshot(struct ledger *l, int part, char *body, struct ledger_error *error)
{
	char hash[RECORD_HASH_SIZE];
	sqlite3_stmt *statement = ledger_statement(l, STATEMENT_SET_SNAPSHOT);
	int result = body == NULL ? -ENOMEM : ledger_hash(l, body, strlen(body), hash);
	if (result == 0) {
		sqlite3_bind_int(statement, 1, part);
		sqlite3_bind_text(statement, 2, body, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 3, hash, -1, SQLITE_STATIC);
		result = run(l, statement, "writing a snapshot", error);
	} else {
		ledger_fail(error, result, "writing a snapshot", "out of memory");
	}
	free(body);
	return result;
}

static int parse_snapshot(struct ledger *l, int part, sqlite3_stmt *row, struct box_image *image,
			  struct ledger_error *error)
{
	const char *body = (const char *)sqlite3_column_text(row, 0);
	const char *hash = (const char *)sqlite3_column_text(row, 1);
	size_t length = (size_t)sqlite3_column_bytes(row, 0);
	struct wire_error wire = {"hash does not match"};
	int equal = body == NULL || hash == NULL ? 0 : ledger_hash_equals(l, body, length, hash);
	if (equal < 0)
		return ledger_fail(error, equal, "reading a snapshot", "out of memory");
	if (equal && part == 0 && wire_read_box_image(body, length, image, &wire))
		return 0;
	if (equal && part > 0 && wire_read_outlet_image(body, length, &image->outlets[part - 1], &wire))
		return 0;
	return ledger_fail(error, -EBADMSG, "damaged: snapshot", wire.text);
}

/* A part without a row is as image_init() leaves it. */
static int read_snapshot(struct ledger *l, int part, struct box_image *image, struct ledger_error *error)
{
	sqlite3_stmt *statement = ledger_statement(l, STATEMENT_GET_SNAPSHOT);
	int result = 0;
	if (statement == NULL)
		return ledger_sqlite_error(l, sqlite3_errcode(l->db), "reading a snapshot", error);
	sqlite3_bind_int(statement, 1, part);
	int code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		result = parse_snapshot(l, part, statement, image, error);
	else if (code != SQLITE_DONE)
		result = ledger_sqlite_error(l, code, "reading a snapshot", error);
	sqlite3_reset(statement);
	return result;
}

int ledger_read_image(struct ledger *l, struct box_image *image, struct ledger_error *error)
{
	image_init(image);
	for (int part = 0; part <= OUTLETS_MAX; part++) {
		int result = read_snapshot(l, part, image, error);
		if (result < 0)
			return result;
	}
	return 0;
}

/* --- opening --- */

static int open_database(const struct ledger_options *options, int flags, struct ledger **ledger,
			 struct ledger_error *error)
{
	struct ledger *l = calloc(1, sizeof *l);
	if (l == NULL || (l->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL)) == NULL) {
		free(l);
		return ledger_fail(error, -ENOMEM, options->path, "out of memory");
	}
	int code = sqlite3_open_v2(options->path, &l->db, flags | SQLITE_OPEN_NOMUTEX, options->vfs);
	if (code != SQLITE_OK) {
		int result = ledger_sqlite_error(l, code, options->path, error);
		ledger_close(l);
		return (code & 0xff) == SQLITE_CANTOPEN && (flags & SQLITE_OPEN_CREATE) == 0 ? -ENOENT : result;
	}
	*ledger = l;
	return 0;
}

static int execute(struct ledger *l, const char *sql, const char *what, struct ledger_error *error)
{
	int code = sqlite3_exec(l->db, sql, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : ledger_sqlite_error(l, code, what, error);
}

/* user_version is 0 in a file without our schema, which exists only before its first commit. */
static int read_version(struct ledger *l, int *version, struct ledger_error *error)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(l->db, "PRAGMA user_version", -1, &statement, NULL);
	if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		*version = sqlite3_column_int(statement, 0);
		code = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	return code == SQLITE_OK ? 0 : ledger_sqlite_error(l, code, "reading", error);
}

static int create(struct ledger *l, const struct ledger_options *options, struct ledger_error *error)
{
	unsigned char bytes[(LEDGER_ID_SIZE - 1) / 2];
	char version[40];
	int result;
	options->random(options->ctx, bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(l->id + 2 * i, 3, "%02x", bytes[i]);
	snprintf(version, sizeof version, "PRAGMA user_version=%d", SCHEMA_VERSION);
	if ((result = execute(l, "BEGIN IMMEDIATE", "creating", error)) < 0 ||
	    (result = execute(l, schema, "creating", error)) < 0 || (result = set_meta(l, "id", l->id, error)) < 0 ||
	    (result = set_accepted(l, error)) < 0 || (result = ledger_hash(l, l->id, strlen(l->id), l->tip)) < 0 ||
	    (result = set_meta(l, "tip", l->tip, error)) < 0 || (result = execute(l, version, "creating", error)) < 0)
		return result;
	return execute(l, "COMMIT", "creating", error);
}

/* The last record must be the one that the image ends with; its hash is the next one's prev. */
static int read_tip(struct ledger *l, struct ledger_error *error)
{
	sqlite3_stmt *statement = ledger_statement(l, STATEMENT_LAST_RECORD);
	int result = 0;
	if (statement == NULL)
		return ledger_sqlite_error(l, sqlite3_errcode(l->db), "reading the last record", error);
	int code = sqlite3_step(statement);
	uint64_t seq = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		result = ledger_sqlite_error(l, code, "reading the last record", error);
	else if (seq != l->image.seq)
		result =
			ledger_fail(error, -EBADMSG, "damaged", "the last record is not the one that the snapshot has");
	else if (code == SQLITE_ROW && sqlite3_column_text(statement, 1) == NULL)
		result = ledger_fail(error, -EBADMSG, "damaged", "the last record has no body");
	else if (code == SQLITE_ROW)
		result = ledger_hash(l,
				     (const char *)sqlite3_column_text(statement, 1),
				     (size_t)sqlite3_column_bytes(statement, 1),
				     l->tip);
	else
		result = ledger_hash(l, l->id, strlen(l->id), l->tip);
	sqlite3_reset(statement);
	return result;
}

/* What the server has is safe there. What it has not must be sound before it is sent. */
static int load(struct ledger *l, struct ledger_error *error)
{
	char accepted[24];
	char tip[RECORD_HASH_SIZE];
	int result;
	if ((result = ledger_get_meta(l, "id", l->id, sizeof l->id, error)) < 0 ||
	    (result = ledger_get_meta(l, "tip", tip, sizeof tip, error)) < 0 ||
	    (result = ledger_get_meta(l, "accepted", accepted, sizeof accepted, error)) < 0 ||
	    (result = ledger_read_image(l, &l->image, error)) < 0 || (result = read_tip(l, error)) < 0)
		return result;
	l->accepted = strtoull(accepted, NULL, 10);
	if (strlen(l->id) != LEDGER_ID_SIZE - 1 || accepted[0] == '\0' ||
	    strspn(accepted, "0123456789") != strlen(accepted) || l->accepted > l->image.seq)
		return ledger_fail(error, -EBADMSG, "damaged", "meta values are out of range");
	if (strcmp(tip, l->tip) != 0)
		return ledger_fail(error, -EBADMSG, "damaged", "the last record was changed");
	l->accepted_stored = l->accepted;
	return ledger_verify_tail(l, error);
}

static int prepare(struct ledger *l, const struct ledger_options *options, struct ledger_error *error)
{
	int version = 0;
	int result;
	if ((result = execute(l, pragmas, options->path, error)) < 0 || (result = read_version(l, &version, error)) < 0)
		return result;
	if (version == 0 && (result = create(l, options, error)) < 0)
		return result;
	if (version < 0)
		return ledger_fail(error, -EBADMSG, "damaged", "the schema's version is out of range");
	if (version > SCHEMA_VERSION)
		return ledger_fail(error, -EPROTO, options->path, "written by a newer meterbox; install that version");
	return load(l, error);
}

int ledger_open(const struct ledger_options *options, struct ledger **ledger, struct box_image *image,
		struct ledger_error *error)
{
	struct ledger *l = NULL;
	int result = open_database(options, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &l, error);
	if (result < 0)
		return result;
	result = prepare(l, options, error);
	if (result < 0) {
		ledger_close(l);
		return result;
	}
	*image = l->image;
	*ledger = l;
	return 0;
}

int ledger_inspect(const struct ledger_options *options, struct ledger **ledger, struct ledger_error *error)
{
	struct ledger *l = NULL;
	int result = open_database(options, SQLITE_OPEN_READWRITE, &l, error);
	if (result < 0)
		return result;
	sqlite3_db_config(l->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	result = execute(l, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA query_only=ON;", options->path, error);
	if (result == 0)
		result = ledger_get_meta(l, "id", l->id, sizeof l->id, error);
	if (result < 0) {
		ledger_close(l);
		return result;
	}
	*ledger = l;
	return 0;
}

void ledger_close(struct ledger *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(l->statements[i]);
	sqlite3_close(l->db);
	EVP_MD_free(l->sha256);
	free(l);
}

int ledger_set_aside(const struct ledger_options *options, struct ledger_error *error)
{
	/* The database first: a log that is left alone with a new database is deleted by SQLite, but an old database
	 * without its log would be taken for a sound, older ledger. */
	static const char *const suffixes[] = {"", "-wal"};
	unsigned char bytes[4];
	options->random(options->ctx, bytes, sizeof bytes);
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		char from[512];
		char to[544];
		snprintf(from, sizeof from, "%s%s", options->path, suffixes[i]);
		snprintf(to,
			 sizeof to,
			 "%s.damaged-%02x%02x%02x%02x%s",
			 options->path,
			 bytes[0],
			 bytes[1],
			 bytes[2],
			 bytes[3],
			 suffixes[i]);
		int result = options->rename(options->ctx, from, to);
		if (result < 0 && result != -ENOENT)
			return ledger_fail(error, result, "setting aside", strerror(-result));
	}
	return 0;
}

/* --- committing --- */

static int add_record(struct ledger *l, const struct record *record, struct ledger_error *error)
{
	struct record_link link;
	sqlite3_stmt *statement = ledger_statement(l, STATEMENT_ADD_RECORD);
	memcpy(link.ledger, l->id, sizeof link.ledger);
	memcpy(link.prev, l->next_tip, sizeof link.prev);
	char *body = wire_write_record(record, &link);
	if (body == NULL)
		return ledger_fail(error, -ENOMEM, "writing a record", "out of memory");
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)record->seq);
	sqlite3_bind_text(statement, 2, body, -1, SQLITE_STATIC);
	int result = run(l, statement, "writing a record", error);
	if (result == 0)
		result = ledger_hash(l, body, strlen(body), l->next_tip);
	free(body);
	return result;
}

/* Everything between BEGIN and COMMIT. */
static int write_queue(struct ledger *l, const struct ledger_queue *queue, struct ledger_error *error)
{
	bool touched[OUTLETS_MAX] = {false};
	int result;
	for (size_t i = 0; i < ledger_queue_count(queue); i++) {
		const struct record *record = ledger_queue_at(queue, i);
		const char *fault = image_amount_fault(&l->next_image, record);
		if (fault == NULL)
			fault = image_apply(&l->next_image, record);
		if (fault != NULL)
			return ledger_fail(error, -EPROTO, "a record does not follow", fault);
		if ((result = add_record(l, record, error)) < 0)
			return result;
		if (record->outlet != RECORD_NO_OUTLET)
			touched[record->outlet] = true;
	}
	for (int outlet = 0; outlet < OUTLETS_MAX; outlet++) {
		if (!touched[outlet])
			continue;
		char *body = wire_write_outlet_image(&l->next_image.outlets[outlet]);
		if ((result = write_snapshot(l, outlet + 1, body, error)) < 0)
			return result;
	}
	if ((result = write_snapshot(l, 0, wire_write_box_image(&l->next_image), error)) < 0)
		return result;
	if ((result = set_meta(l, "tip", l->next_tip, error)) < 0)
		return result;
	if (l->accepted != l->accepted_stored)
		return set_accepted(l, error);
	return 0;
}

int ledger_commit(struct ledger *l, struct ledger_queue *queue, struct ledger_error *error)
{
	size_t count = ledger_queue_count(queue);
	uint64_t accepted = l->accepted;
	if (count == 0)
		return 0;
	l->next_image = l->image;
	memcpy(l->next_tip, l->tip, sizeof l->tip);
	int result = run(l, ledger_statement(l, STATEMENT_BEGIN), "beginning", error);
	if (result == 0)
		result = write_queue(l, queue, error);
	if (result == 0)
		result = run(l, ledger_statement(l, STATEMENT_COMMIT), "committing", error);
	if (result < 0) {
		if (!sqlite3_get_autocommit(l->db))
			sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
		return result;
	}
	l->image = l->next_image;
	memcpy(l->tip, l->next_tip, sizeof l->tip);
	l->accepted_stored = accepted;
	ledger_queue_drop(queue, count);
	return 0;
}

/* --- reading --- */

const char *ledger_id(const struct ledger *l)
{
	return l->id;
}

const char *ledger_tip(const struct ledger *l)
{
	return l->tip;
}

const struct box_image *ledger_image(const struct ledger *l)
{
	return &l->image;
}

uint64_t ledger_durable_seq(const struct ledger *l)
{
	return l->image.seq;
}

uint64_t ledger_accepted_seq(const struct ledger *l)
{
	return l->accepted;
}

void ledger_accept(struct ledger *l, uint64_t through)
{
	if (through > l->accepted && through <= l->image.seq)
		l->accepted = through;
}

int ledger_read(struct ledger *l, uint64_t from, size_t max,
		bool (*take)(void *ctx, uint64_t seq, const char *body, size_t length), void *ctx,
		struct ledger_error *error)
{
	sqlite3_stmt *statement = ledger_statement(l, STATEMENT_GET_RECORDS);
	int code = SQLITE_ERROR;
	if (statement == NULL)
		return ledger_sqlite_error(l, sqlite3_errcode(l->db), "reading records", error);
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)from);
	sqlite3_bind_int64(statement, 2, (sqlite3_int64)(max < LEDGER_BATCH_MAX ? max : LEDGER_BATCH_MAX));
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *body = (const char *)sqlite3_column_text(statement, 1);
		size_t length = (size_t)sqlite3_column_bytes(statement, 1);
		if (!take(ctx, (uint64_t)sqlite3_column_int64(statement, 0), body != NULL ? body : "", length))
			break;
	}
	int result =
		code == SQLITE_ROW || code == SQLITE_DONE ? 0 : ledger_sqlite_error(l, code, "reading records", error);
	sqlite3_reset(statement);
	return result;
}
