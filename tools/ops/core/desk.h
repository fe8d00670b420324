/* tools/ops/core/desk.h: what the operator's desk sees: lists of orders, accounts and postings, alarms, and what the
 * outlets' registers have counted.
 *
 * Room: tools/ops/core. Errors and times as in ops.h. `take` returns false to end a list early, and calls nothing of
 * this room. */
#ifndef OPS_DESK_H
#define OPS_DESK_H

#include "ops.h"
#include "people.h"

#define DESK_BOOK_SIZE 128
#define DESK_KEY_SIZE 160
#define DESK_WORD_SIZE 33
#define DESK_DETAIL_SIZE 241
#define DESK_SAMPLES_MS (400 * INT64_C(86400000)) /* older samples are forgotten */
#define DESK_SAMPLE_REST_MS                                                                                            \
	INT64_C(60000) /* of three samples in a row the last is at least so much younger than the first */
#define DESK_STEPS_MAX 400
#define DESK_ENERGY_MAX_MWH                                                                                            \
	((INT64_C(1) << 53) - 1) /* that an outlet counts in all, however often its meter is replaced */

/* --- orders --- */

enum desk_orders {
	DESK_ORDERS_ALL,
	DESK_ORDERS_OPEN, /* sent or open */
	DESK_ORDERS_CLOSED,
	DESK_ORDERS_COUNT
};

/* The latest made first, those behind the order `before` (empty: all). -ENOENT when there is no such order. */
int ops_each_order(struct ops *ops, enum desk_orders which, const char *before,
		   bool (*take)(void *ctx, const struct ops_order *order), void *ctx, struct ops_error *error);

/* --- accounts and postings --- */

struct desk_account {
	char name[ACCOUNT_SIZE];
	enum ops_account_kind kind;
	int64_t limit_micros;
	int64_t balance_micros; /* what is held is not in it */
	char contact[PEOPLE_CONTACT_SIZE]; /* of the customer whose account it is; empty: nobody's who signs in */
};

int ops_find_account(struct ops *ops, const char *name, struct desk_account *account, struct ops_error *error);

/* By name, those behind `after` (empty: all). */
int ops_each_account(struct ops *ops, const char *after, bool (*take)(void *ctx, const struct desk_account *account),
		     void *ctx, struct ops_error *error);

struct desk_posting {
	int64_t number; /* from 1; the store's */
	char key[DESK_KEY_SIZE];
	char from[DESK_BOOK_SIZE];
	char to[DESK_BOOK_SIZE];
	int64_t micros;
	char order[ORDER_SIZE]; /* empty when none */
};

/* Those that moved the account's balance, the latest first, below the number `before` (0: all). */
int ops_each_posting(struct ops *ops, const char *account, int64_t before,
		     bool (*take)(void *ctx, const struct desk_posting *posting), void *ctx, struct ops_error *error);

/* --- boxes --- */

/* How many commands the box has not decided. */
int ops_count_commands(struct ops *ops, const char *box, int64_t *count, struct ops_error *error);

/* --- alarms --- */

enum desk_alarm_kind {
	DESK_ALARM, /* the box raised it; word: the alarm */
	DESK_FAULT, /* word: the outlet's fault */
	DESK_CLEARED, /* word: who did it, detail: the name */
	DESK_SERVER, /* the server found it: price_differs, grant_differs, written_off, ledger_lost, record_parked */
	DESK_ALARM_KIND_COUNT
};

extern const struct words desk_alarm_kind_words;

/* Something that a person should know. They stay as long as the records that they come from. */
struct desk_alarm {
	int64_t number; /* from 1; the store's */
	int64_t at_ms; /* as the record says; when it came in, where that is not known */
	char box[BOX_ID_SIZE];
	int outlet; /* 0-based, or RECORD_NO_OUTLET */
	enum desk_alarm_kind kind;
	char word[DESK_WORD_SIZE];
	char detail[DESK_DETAIL_SIZE]; /* for people; cut to fit */
};

/* The latest first, those below the number `before` (0: all). */
int ops_each_alarm(struct ops *ops, int64_t before, bool (*take)(void *ctx, const struct desk_alarm *alarm), void *ctx,
		   struct ops_error *error);

/* Those above the number `after`, in their order. */
int ops_alarms_after(struct ops *ops, int64_t after, bool (*take)(void *ctx, const struct desk_alarm *alarm), void *ctx,
		     struct ops_error *error);

/* The number of the latest; 0 when there is none. */
int ops_newest_alarm(struct ops *ops, int64_t *number, struct ops_error *error);

/* --- energy over time --- */

/* What the outlet's register counted in each of `count` steps from from_ms on, the last one up to to_ms. Between two
 * samples it is split evenly over the time; before the first and behind the last nothing is known to flow. The steps
 * add up exactly: two series that meet have together what one has over both, and one over all samples has the register's
 * difference (each meter's own, when it was replaced). 1, 0 when there is no sample of the outlet, or a negative errno. */
int ops_series(struct ops *ops, const char *box, int outlet, int64_t from_ms, int64_t to_ms, int64_t step_ms,
	       int64_t energy_mwh[DESK_STEPS_MAX], size_t *count, struct ops_error *error);

#endif
