/* tools/ops/server/ops_customer_order.h: an order as its customer sees it, at once and as it goes on.
 *
 * Room: tools/ops/server; libmicrohttpd, cJSON, tools/ops/core. */
#ifndef OPS_CUSTOMER_ORDER_H
#define OPS_CUSTOMER_ORDER_H

#include "customers.h"
#include "ops_request.h"

#define CUSTOMER_STREAMS_MAX 4 /* of one customer; one more is refused */

/* Makes a CustomerOrder of etc/ops-api.yaml, the caller's to delete. 0 or a negative errno. */
int ops_customer_order(struct ops_server *server, const struct ops_order *order, cJSON **object,
		       struct ops_error *error);

/* Answers a customer's request with a stream of its order: one event at once, then one whenever it differs, until the
 * session of whoever asked has ended. */
void ops_answer_order_events(struct ops_request *q, const struct ops_order *order);

/* Something about the account changed that is no box's: those who watch its orders are woken. */
void ops_account_changed(struct ops_server *server, const char *account);

#endif
