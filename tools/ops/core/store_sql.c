/* tools/ops/core/store_sql.c: see store_sql.h, and store.h for opening and transactions.
 *
 * Room: tools/ops/core, sqlite3. */
#include "store_sql.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops_internal.h"
#include "store_sqlite_texts.h"

/* --- running statements --- */

/* What SQLite's code means as an errno, with its words. */
static int fail(struct store *s, int code, const char *what, struct ops_error *error)
{
	int result = -EIO;
	if ((code & 0xff) == SQLITE_NOMEM)
		result = -ENOMEM;
	else if ((code & 0xff) == SQLITE_NOTADB || (code & 0xff) == SQLITE_CORRUPT)
		result = -EBADMSG;
	const char *why = s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(code);
	return ops_fail(error, result, "store: %s: %s", what, why);
}

static sqlite3_stmt *bound(struct store *s, enum statement which, const struct value *values, size_t count, int *result,
			   struct ops_error *error)
{
	sqlite3_stmt **statement = &s->statements[which];
	int code = SQLITE_OK;
	if (*statement == NULL)
		code = sqlite3_prepare_v3(
			s->db, statement_texts[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
	for (size_t i = 0; code == SQLITE_OK && i < count; i++) {
		const struct value *v = &values[i];
		code = v->type == VALUE_NUMBER ?
			       sqlite3_bind_int64(*statement, (int)i + 1, v->number) :
			       sqlite3_bind_text(*statement, (int)i + 1, v->text, v->length, SQLITE_STATIC);
	}
	if (code == SQLITE_OK)
		return *statement;
	*result = fail(s, code, "preparing", error);
	return NULL;
}

int store_run(struct store *s, enum statement which, const struct value *values, size_t count, struct ops_error *error)
{
	int result = 0;
	sqlite3_stmt *statement = bound(s, which, values, count, &result, error);
	if (statement == NULL)
		return result;
	int code = sqlite3_step(statement);
	if (code != SQLITE_DONE)
		result = fail(s, code, "writing", error);
	sqlite3_reset(statement);
	return result;
}

int store_look_up(struct store *s, enum statement which, sqlite3_stmt **row, const struct value *values, size_t count,
		  struct ops_error *error)
{
	int result = 0;
	*row = bound(s, which, values, count, &result, error);
	if (*row == NULL)
		return result;
	int code = sqlite3_step(*row);
	if (code == SQLITE_ROW)
		return 1;
	if (code != SQLITE_DONE)
		result = fail(s, code, "reading", error);
	sqlite3_reset(*row);
	return result;
}

int store_next(struct store *s, sqlite3_stmt *row, bool wanted, struct ops_error *error)
{
	int code = wanted ? sqlite3_step(row) : SQLITE_DONE;
	if (code == SQLITE_ROW)
		return 1;
	int result = code == SQLITE_DONE ? 0 : fail(s, code, "reading", error);
	sqlite3_reset(row);
	return result;
}

void store_copy_text(sqlite3_stmt *row, int column, char *to, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(row, column);
	word_copy(to, size, text != NULL ? text : "");
}

bool store_read_word(sqlite3_stmt *row, int column, const struct words *words, void *to)
{
	const char *text = (const char *)sqlite3_column_text(row, column);
	unsigned value;
	if (text == NULL || !word_find(words, text, &value))
		return false;
	memcpy(to, &value, sizeof value);
	return true;
}

int store_damaged(struct ops_error *error, const char *what)
{
	return ops_fail(error, -EBADMSG, "store: a damaged row of %s", what);
}

int store_begin(struct store *s, struct ops_error *error)
{
	return store_run(s, BEGIN, NULL, 0, error);
}

int store_begin_reading(struct store *s, struct ops_error *error)
{
	return store_run(s, BEGIN_READING, NULL, 0, error);
}

int store_commit(struct store *s, struct ops_error *error)
{
	return store_run(s, COMMIT, NULL, 0, error);
}

void store_rollback(struct store *s)
{
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

/* --- opening --- */

int store_read_number(struct store *s, const char *sql, int64_t *number, struct ops_error *error)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL);
	if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
		*number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return code == SQLITE_ROW ? 0 : fail(s, code, "reading", error);
}

static int execute(struct store *s, const char *sql, struct ops_error *error)
{
	int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : fail(s, code, "preparing the database", error);
}

static int create(struct store *s, struct ops_error *error)
{
	char marks[80];
	int result = store_begin(s, error);
	snprintf(marks,
		 sizeof marks,
		 "PRAGMA application_id=%d; PRAGMA user_version=%d;",
		 APPLICATION_ID,
		 SCHEMA_VERSION);
	if (result == 0 && (result = execute(s, schema, error)) == 0 && (result = execute(s, marks, error)) == 0)
		result = store_commit(s, error);
	return result;
}

static int prepare(struct store *s, const char *path, struct ops_error *error)
{
	int64_t id = 0, version = 0, tables = 0;
	int result;
	/* Nothing is written, the journal mode included, before the file is known to be ours. */
	if ((result = store_read_number(s, "PRAGMA application_id", &id, error)) < 0 ||
	    (result = store_read_number(s, "PRAGMA user_version", &version, error)) < 0 ||
	    (result = store_read_number(s, "SELECT count(*) FROM sqlite_master", &tables, error)) < 0)
		return result;
	bool empty = id == 0 && version == 0 && tables == 0;
	if (!empty && id != APPLICATION_ID)
		return ops_fail(error, -EBADMSG, "%s is not a database of meterbox-ops", path);
	if (!empty && version < SCHEMA_VERSION)
		return ops_fail(error, -EPROTO, "%s is from before the first release; begin with a new one", path);
	if (version > SCHEMA_VERSION)
		return ops_fail(error, -EPROTO, "%s was written by a newer meterbox-ops; install that version", path);
	if ((result = execute(s, pragmas, error)) < 0)
		return result;
	return empty ? create(s, error) : 0;
}

int store_open(const char *path, const char *vfs, struct store **store, struct ops_error *error)
{
	struct store *s = calloc(1, sizeof *s);
	if (s == NULL)
		return ops_fail(error, -ENOMEM, "out of memory");
	int code = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, vfs);
	int result = code == SQLITE_OK ? prepare(s, path, error) : fail(s, code, path, error);
	if (result < 0) {
		store_close(s);
		return result;
	}
	*store = s;
	return 0;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_close(s->db);
	free(s);
}

/* --- checking --- */

static int check_rule(struct store *s, size_t rule, struct ops_error *error)
{
	sqlite3_stmt *statement = NULL;
	int result = 0;
	int code = sqlite3_prepare_v2(s->db, rules[rule].sql, -1, &statement, NULL);
	if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
		result = ops_fail(error,
				  -EBADMSG,
				  "%s: %.100s",
				  rules[rule].rule,
				  (const char *)sqlite3_column_text(statement, 0));
	else if (code != SQLITE_DONE)
		result = fail(s, code, "checking", error);
	sqlite3_finalize(statement);
	return result;
}

int store_check(struct store *s, struct ops_error *error)
{
	int result = 0;
	for (size_t i = 0; result == 0 && i < sizeof rules / sizeof *rules; i++)
		result = check_rule(s, i, error);
	return result;
}
