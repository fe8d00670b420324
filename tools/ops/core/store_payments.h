/* tools/ops/core/store_payments.h: payments in the store; see store.h, whose conventions hold.
 *
 * Room: tools/ops/core. */
#ifndef OPS_STORE_PAYMENTS_H
#define OPS_STORE_PAYMENTS_H

#include "payments.h"
#include "store.h"

/* A pending one. */
int store_add_payment(struct store *store, const struct payment *payment, struct ops_error *error);

/* State, reference and ended_ms. */
int store_end_payment(struct store *store, const struct payment *payment, struct ops_error *error);

int store_get_payment(struct store *store, const char *id, struct payment *payment, struct ops_error *error);
int store_find_payment(struct store *store, const char *account, const char *key, struct payment *payment,
		       struct ops_error *error);

/* The account's that were made after that time and are not paid. */
int store_count_payments(struct store *store, const char *account, int64_t after_ms, int64_t *count,
			 struct ops_error *error);

#endif
