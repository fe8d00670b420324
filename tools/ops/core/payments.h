/* tools/ops/core/payments.h: payments that customers make by a payment provider, until they are on their account.
 *
 * Room: tools/ops/core. Errors and times as in ops.h. */
#ifndef OPS_PAYMENTS_H
#define OPS_PAYMENTS_H

#include "ops.h"

#define PAYMENT_ID_SIZE 33 /* 128 random bits in hexadecimal digits */
#define PAYMENT_KEY_SIZE 65
#define PAYMENT_REFERENCE_SIZE 65
#define PAYMENT_LEAST_MICROS INT64_C(10000)
#define PAYMENT_MOST_MICROS INT64_C(1000000000)
#define PAYMENTS_UNPAID_MAX 20 /* of an account, made within PAYMENTS_UNPAID_MS */
#define PAYMENTS_UNPAID_MS INT64_C(3600000)

enum payment_state {
	PAYMENT_PENDING,
	PAYMENT_PAID, /* it is on the account */
	PAYMENT_FAILED,
	PAYMENT_STATE_COUNT
};

extern const struct words payment_state_words;

struct payment {
	char id[PAYMENT_ID_SIZE];
	char account[ACCOUNT_SIZE];
	char key[PAYMENT_KEY_SIZE]; /* the customer's */
	int64_t micros;
	char currency[FEE_CURRENCY_SIZE];
	enum payment_state state;
	char reference[PAYMENT_REFERENCE_SIZE]; /* the provider's; empty while pending */
	int64_t made_ms;
	int64_t ended_ms; /* 0 while pending */
};

/* Makes a payment of `micros` (PAYMENT_LEAST_MICROS to PAYMENT_MOST_MICROS). 0 with *payment, which is the one from before
 * when the account has used the key for the same; 1 when too many are unpaid: *wait_ms says for how long. -EEXIST when
 * the key was used for another amount. */
int ops_make_payment(struct ops *ops, const char *account, int64_t micros, const char *currency, const char *key,
		     int64_t now_ms, struct payment *payment, int64_t *wait_ms, struct ops_error *error);

int ops_get_payment(struct ops *ops, const char *id, struct payment *payment, struct ops_error *error);

/* The account's payment; somebody else's is -ENOENT, exactly as one that does not exist. */
int ops_own_payment(struct ops *ops, const char *account, const char *id, struct payment *payment,
		    struct ops_error *error);

/* What the provider says became of it: paid (cash -> customer under the key pay:ID, in the same transaction) or failed.
 * The same again is harmless; -EEXIST for another amount, outcome or reference than it has. */
int ops_end_payment(struct ops *ops, const char *id, const char *reference, int64_t micros, enum payment_state state,
		    int64_t now_ms, struct payment *payment, struct ops_error *error);

#endif
