/* tools/ops/core/customers.h: what a customer does: orders the outlet whose code it has read, presses the buttons of
 * its own order, and sees what became of it.
 *
 * Room: tools/ops/core. Errors and times as in ops.h. Whose order it is is judged here: somebody else's is -ENOENT,
 * exactly as one that does not exist. */
#ifndef OPS_CUSTOMERS_H
#define OPS_CUSTOMERS_H

#include "ops.h"
#include "price.h"

#define CUSTOMERS_NUMBER_DIGITS 32 /* hexadecimal, behind "c-" */
#define CUSTOMERS_ORDERS_MAX 4 /* open at once; one more is refused */
#define CUSTOMERS_CREDITS_MAX 4 /* of an order, on their way at once; one more is -EAGAIN */
#define CUSTOMERS_KEY_SIZE 65
#define CUSTOMERS_WHY_SIZE DETAIL_SIZE

struct order_wish {
	const char *number; /* made by the customer's page: "c-" and random digits */
	const char *account; /* the customer's */
	const char *code; /* of the outlet */
	uint32_t agreement; /* the version that the customer has accepted */
	const char *tariff; /* the price that it has seen; NULL: it takes any */
	uint32_t tariff_version; /* ... and its version */
	const char *currency; /* what its account is in; NULL: nobody has said */
	enum ops_until until;
	int64_t limit_mwh, limit_ms, limit_micros; /* that of `until` is above 0, the others are 0 */
	int64_t credit_micros; /* hold at most so much; 0: no such wish */
	bool connected; /* whether the box can be reached now, which this room does not know */
};

enum wish_outcome {
	WISH_MADE,
	WISH_KNOWN, /* the same order was made before */
	WISH_NOT_OFFERED,
	WISH_AGREEMENT_CHANGED,
	WISH_TARIFF_CHANGED, /* what it would cost is not what the customer has seen */
	WISH_UNAVAILABLE /* the outlet, now */
};

/* Makes an order of the place's newest tariff by ops_create_order(). What it holds: the amount, where it ends at one; the
 * most that so much energy can cost, where it ends at an energy; else all that the account can spend; never more than
 * it can spend or than the wish's credit_micros (in remote mode this is the first lease). 0 with the outcome, *error saying
 * why for the last four; -EEXIST when the number stands for another order, -EDQUOT when there is not enough money. An
 * order that needs more than there is for its energy is made all the same: it ends when the credit does. */
int ops_make_order(struct ops *ops, const struct order_wish *wish, int64_t now_ms, enum wish_outcome *outcome,
		   struct ops_error *error);

/* The customer's order, or -ENOENT. One that an operator made for the account is none. */
int ops_own_order(struct ops *ops, const char *account, const char *number, struct ops_order *order,
		  struct ops_error *error);

struct order_cursor {
	int64_t made_ms; /* 0: from the newest on */
	char number[ORDER_SIZE];
};

/* The account's next older order behind the cursor, which moves to it: 1, 0 when there is none, or a negative errno. */
int ops_next_own_order(struct ops *ops, const char *account, struct order_cursor *cursor, struct ops_order *order,
		       struct ops_error *error);

/* Queues start, stop, unlock or departed for the customer's order. *queued is false when one of that type is on its way
 * already. -EAGAIN when the order's state does not allow it, also while the box has not reported. */
int ops_press(struct ops *ops, const char *account, const char *number, enum command_type type, int64_t now_ms,
	      bool *queued, struct ops_error *error);

/* ops_add_credit() for the customer's order, under the key NUMBER:KEY. */
int ops_add_own_credit(struct ops *ops, const char *account, const char *number, int64_t micros, const char *key,
		       int64_t now_ms, struct ops_error *error);

/* What became of what the customer asked for. */
struct order_trace {
	bool pending
		[COMMAND_TYPE_COUNT]; /* on its way to the box; the order's own authorize and credit are among them */
	bool refused; /* the latest of them was not done */
	enum command_type refused_type;
	char why[CUSTOMERS_WHY_SIZE]; /* in the box's words, or the outcome's */
	bool mine; /* the outlet is in this order's session, or its plug is still there */
	bool finishing; /* the latter */
};

int ops_trace_order(struct ops *ops, const struct ops_order *order, struct order_trace *trace, struct ops_error *error);

/* The lines that add up to what was billed. None when nothing was, or when the box's lower price was. */
void ops_order_bill(const struct ops_order *order, struct fee_bill *bill);

#endif
