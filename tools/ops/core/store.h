/* tools/ops/core/store.h: what the operations server keeps, as the rest of the room sees it.
 *
 * Room: src/model, src/wire. One backend implements it: store_sqlite.c; another would be another file. It decides
 * nothing about money or sessions. Functions that look for something return 1 when it is there, 0 when it is not;
 * all return a negative errno with *error filled when the store fails. Changes belong between begin and commit. */
#ifndef OPS_STORE_H
#define OPS_STORE_H

#include "ops.h"

#define BOOK_SIZE 128
#define POSTING_KEY_SIZE 160
#define COMMAND_RESULT_SIZE 33

struct store; /* opaque */

struct account_row {
	char name[ACCOUNT_SIZE];
	enum ops_account_kind kind;
	int64_t limit_micros;
};

struct box_row {
	char name[BOX_ID_SIZE];
	char ledger[LEDGER_ID_SIZE]; /* the newest; empty while none was reported */
	uint64_t command_seq; /* of the last command made for it */
};

struct ledger_row {
	int64_t number; /* the store's own; 0 before it is stored */
	char box[BOX_ID_SIZE];
	char id[LEDGER_ID_SIZE];
	uint64_t accepted;
	char tip[RECORD_HASH_SIZE]; /* hash of the text of the last record, of the id before the first */
	bool holed; /* a record was parked: the image lacks its effect */
};

struct command_row {
	char box[BOX_ID_SIZE];
	uint64_t seq;
	char id[COMMAND_ID_SIZE];
	enum command_type type;
	char order[ORDER_SIZE]; /* that it is about; empty when none */
	char account[ACCOUNT_SIZE]; /* of the commands that move money, else empty */
	int64_t micros; /* what a credit command holds: given back when it is not done */
	char key[POSTING_KEY_SIZE]; /* of what a credit command holds, when somebody outside gave it; not read back */
	char pressed[ORDER_SIZE]; /* the customer's order by whose page it was made, else empty; not read back */
	bool pending; /* its result has not been taken in */
};

struct posting {
	char key[POSTING_KEY_SIZE];
	char from[BOOK_SIZE];
	char to[BOOK_SIZE];
	int64_t micros; /* above 0 */
	char order[ORDER_SIZE]; /* empty when none */
};

int store_open(const char *path, const char *vfs, struct store **store, struct ops_error *error);
void store_close(struct store *store);

int store_begin(struct store *store, struct ops_error *error);
int store_begin_reading(struct store *store, struct ops_error *error); /* ended by store_rollback() */
int store_commit(struct store *store, struct ops_error *error);
void store_rollback(struct store *store); /* harmless outside of a transaction */

int store_get_account(struct store *store, const char *name, struct account_row *row, struct ops_error *error);
int store_add_account(struct store *store, const struct account_row *row, struct ops_error *error);

int store_get_box(struct store *store, const char *name, struct box_row *row, struct ops_error *error);
int store_put_box(struct store *store, const struct box_row *row, struct ops_error *error);

/* The box whose token has this hash: 1, 0 when none has, or a negative errno. */
int store_find_token(struct store *store, const char *hash, char box[BOX_ID_SIZE], struct ops_error *error);
int store_set_token(struct store *store, const char *box, const char *hash, struct ops_error *error);
int store_each_box(struct store *store, bool (*take)(void *ctx, const char *box), void *ctx, struct ops_error *error);

int store_count_boxes(struct store *store, int64_t *count, struct ops_error *error);

int store_get_ledger(struct store *store, const char *box, const char *id, struct ledger_row *row,
		     struct ops_error *error);
int store_add_ledger(struct store *store, struct ledger_row *row, struct ops_error *error); /* sets row->number */
int store_put_ledger(struct store *store, const struct ledger_row *row, struct ops_error *error);

/* why: NULL for a record that was taken in, else why it is parked. */
int store_add_record(struct store *store, int64_t ledger, uint64_t seq, const char *text, size_t length,
		     const char *why, struct ops_error *error);

/* Whether the stored record has this text; why is empty unless it is parked. */
int store_match_record(struct store *store, int64_t ledger, uint64_t seq, const char *text, size_t length, bool *same,
		       char why[WIRE_ERROR_SIZE], struct ops_error *error);
int store_each_record(struct store *store, int64_t ledger, uint64_t from,
		      bool (*take)(void *ctx, uint64_t seq, const char *text, size_t length, bool refused), void *ctx,
		      struct ops_error *error);

/* A box's image, in parts: 0 is the box, n is outlet n. get: *text is the caller's to free. */
int store_get_image(struct store *store, const char *box, int part, char **text, struct ops_error *error);
int store_put_image(struct store *store, const char *box, int part, const char *text, struct ops_error *error);
int store_drop_image(struct store *store, const char *box, struct ops_error *error);

/* Calls `stored` with the number of each order that is stored from now on. */
void store_on_order(struct store *store, void (*stored)(void *ctx, const char *order), void *ctx);

int store_get_order(struct store *store, const char *number, struct ops_order *order, struct ops_error *error);

/* Box, outlet, grant, sale, made_ms and lease; the rest is as in a new order. */
int store_add_order(struct store *store, const struct ops_order *order, struct ops_error *error);

/* All but what store_add_order() wrote. */
int store_put_order(struct store *store, const struct ops_order *order, struct ops_error *error);

/* The first sent or open order of the box behind (account, number), in that order. */
int store_next_open_order(struct store *store, const char *box, const char *account, const char *number,
			  struct ops_order *order, struct ops_error *error);

/* The first done order behind that number which was started, used energy and was billed nothing. */
int store_next_unbilled(struct store *store, const char *number, struct ops_order *order, struct ops_error *error);

int store_add_command(struct store *store, const struct command_row *row, const char *text, struct ops_error *error);
int store_get_command(struct store *store, const char *id, struct command_row *row, struct ops_error *error);

/* The result of the credit command that was made under this key; empty while it is pending. */
int store_find_credit(struct store *store, const char *key, char result[COMMAND_RESULT_SIZE], struct ops_error *error);

/* The first pending command of the box with a seq above after. */
int store_next_pending(struct store *store, const char *box, uint64_t after, struct command_row *row,
		       struct ops_error *error);
/* Those with a seq above after, and with `stops` also those at or below it that stop a session. */
int store_each_pending(struct store *store, const char *box, uint64_t after, bool stops,
		       bool (*take)(void *ctx, uint64_t seq, const char *text, size_t length), void *ctx,
		       struct ops_error *error);

/* Gives a pending command another number, also in its text. */
int store_renumber_command(struct store *store, const char *box, uint64_t seq, uint64_t to, struct ops_error *error);

/* Pending no more; result is a word for people. */
int store_close_command(struct store *store, const char *box, uint64_t seq, const char *result,
			struct ops_error *error);

/* Why a command was not done, in the box's words. */
int store_explain_command(struct store *store, const char *box, uint64_t seq, const char *why, struct ops_error *error);

int store_close_commands(struct store *store, const char *box, const char *result, struct ops_error *error);

/* Sets micros of the account's pending commands on the box (of one order, or all when it is empty) to 0: what they held
 * is released. */
int store_forget_credits(struct store *store, const char *box, const char *account, const char *order,
			 struct ops_error *error);

int store_get_posting(struct store *store, const char *key, struct posting *posting, struct ops_error *error);

/* Adds it and moves both balances. A key that is there already, or a balance that does not fit, is -EIO. */
int store_add_posting(struct store *store, const struct posting *posting, struct ops_error *error);

/* 0 with *micros 0 for a book that was never posted to. */
int store_get_book(struct store *store, const char *name, int64_t *micros, struct ops_error *error);

/* See ops_check(). */
int store_check(struct store *store, struct ops_error *error);

#endif
