/* tools/ops/core/store_customers.h: what the store tells of customers' orders; see store.h, whose conventions hold.
 *
 * Room: tools/ops/core. */
#ifndef OPS_STORE_CUSTOMERS_H
#define OPS_STORE_CUSTOMERS_H

#include "store.h"

/* The account's latest order of a customer's before (made_ms, number), in that order. */
int store_next_customers_order(struct store *store, const char *account, int64_t made_ms, const char *number,
			       struct ops_order *order, struct ops_error *error);

/* A customer's orders that are sent or open. */
int store_count_open_orders(struct store *store, const char *account, int64_t *count, struct ops_error *error);

/* How many commands of each type were made by the order's page and have no result. */
int store_count_pressed(struct store *store, const char *order, int64_t counts[COMMAND_TYPE_COUNT],
			struct ops_error *error);

/* The latest command that was made by the order's page: its type, its result (empty while there is none), and why. */
int store_latest_pressed(struct store *store, const char *order, enum command_type *type,
			 char result[COMMAND_RESULT_SIZE], char why[DETAIL_SIZE], struct ops_error *error);

#endif
