/* tools/ops/core/store_sql.h: running the store's statements; for its SQLite backend's files only.
 *
 * Room: tools/ops/core, sqlite3. */
#ifndef OPS_STORE_SQL_H
#define OPS_STORE_SQL_H

#include <sqlite3.h>

#include "ops_internal.h"

enum statement {
	BEGIN,
	BEGIN_READING,
	COMMIT,
	GET_ACCOUNT,
	ADD_ACCOUNT,
	GET_BOX,
	PUT_BOX,
	EACH_BOX,
	FIND_TOKEN,
	SET_TOKEN,
	GET_LEDGER,
	ADD_LEDGER,
	PUT_LEDGER,
	ADD_RECORD,
	GET_RECORD,
	EACH_RECORD,
	GET_IMAGE,
	PUT_IMAGE,
	DROP_IMAGE,
	GET_ORDER,
	ADD_ORDER,
	PUT_ORDER,
	NEXT_OPEN_ORDER,
	NEXT_UNBILLED,
	ADD_COMMAND,
	GET_COMMAND,
	FIND_CREDIT,
	NEXT_PENDING,
	EACH_PENDING,
	RENUMBER_COMMAND,
	CLOSE_COMMAND,
	CLOSE_COMMANDS,
	FORGET_CREDITS,
	EXPLAIN_COMMAND,
	NEXT_CUSTOMERS_ORDER,
	COUNT_OPEN_ORDERS,
	EACH_PRESSED,
	LATEST_PRESSED,
	ADD_PAYMENT,
	GET_PAYMENT,
	FIND_PAYMENT,
	END_PAYMENT,
	COUNT_PAYMENTS,
	NEXT_ORDER,
	NEXT_OF_OPEN_ORDERS,
	NEXT_OF_CLOSED_ORDERS,
	FIND_ACCOUNT,
	EACH_ACCOUNT,
	EACH_POSTING,
	COUNT_PENDING,
	ADD_ALARM,
	EACH_ALARM,
	ALARMS_AFTER,
	SAMPLE_UNTIL,
	SAMPLE_AFTER,
	ADD_SAMPLE,
	DROP_SAMPLE,
	PRUNE_SAMPLES,
	GET_POSTING,
	ADD_POSTING,
	MOVE_BOOK,
	GET_BOOK,
	GET_TARIFF,
	ADD_TARIFF,
	EACH_TARIFF,
	GET_PLACE,
	FIND_PLACE,
	PUT_PLACE,
	DROP_PLACE,
	EACH_PLACE,
	NEWEST_AGREEMENT,
	GET_AGREEMENT,
	ADD_AGREEMENT,
	GET_CUSTOMER,
	PUT_CUSTOMER,
	GET_STAFF,
	PUT_STAFF,
	DROP_STAFF,
	EACH_STAFF,
	ADD_SESSION,
	GET_SESSION,
	DROP_SESSION,
	PRUNE_SESSIONS,
	ADD_ACT,
	EACH_ACT,
	STATEMENT_COUNT
};

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENT_COUNT]; /* prepared when first used */
	void (*stored)(void *ctx, const char *order); /* NULL: nobody wants to know */
	void *ctx;
};

/* A statement's parameter. */
struct value {
	enum {
		VALUE_NUMBER,
		VALUE_TEXT, /* NULL is SQL's */
	} type;
	int64_t number;
	const char *text;
	int length; /* -1: up to the NUL */
};

#define NUMBER(n) ((struct value){.type = VALUE_NUMBER, .number = (int64_t)(n)})
#define TEXT(t) ((struct value){.type = VALUE_TEXT, .text = (t), .length = -1})
#define BYTES(t, l) ((struct value){.type = VALUE_TEXT, .text = (t), .length = (int)(l)})
#define WORD(w, v) TEXT(word_name(&(w), (unsigned)(v)))
#define VALUES(...)                                                                                                    \
	(const struct value[]){__VA_ARGS__}, sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value)

/* A row that makes no sense. */
int store_damaged(struct ops_error *error, const char *what);

/* Runs a statement without rows. The texts need live only until it returns. */
int store_run(struct store *store, enum statement which, const struct value *values, size_t count,
	      struct ops_error *error);

/* Steps to the first row: 1 with *row to be reset by the caller, 0 when there is none. The texts live until then. */
int store_look_up(struct store *store, enum statement which, sqlite3_stmt **row, const struct value *values,
		  size_t count, struct ops_error *error);

/* Steps to the next row of one that was looked up: 1; 0 when there is none or none is wanted, or a negative errno: then it
 * is reset. */
int store_next(struct store *store, sqlite3_stmt *row, bool wanted, struct ops_error *error);

/* One number, of a query that gives one. */
int store_read_number(struct store *store, const char *sql, int64_t *number, struct ops_error *error);

void store_copy_text(sqlite3_stmt *row, int column, char *to, size_t size);

/* A word that the list lacks is a newer program's, or damage: false. */
bool store_read_word(sqlite3_stmt *row, int column, const struct words *words, void *to);

/* The order of a row of ORDER_COLUMNS, which is reset: 1, or a negative errno. */
int store_read_order(sqlite3_stmt *row, struct ops_order *order, struct ops_error *error);

#endif
