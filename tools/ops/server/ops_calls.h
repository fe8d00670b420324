/* tools/ops/server/ops_calls.h: one handler for each call of etc/ops-api.yaml.
 *
 * Room: tools/ops/server. */
#ifndef OPS_CALLS_H
#define OPS_CALLS_H

#include "desk.h"
#include "ops_request.h"
#include "price.h"

/* ops_calls_box.c */
void ops_call_records(struct ops_request *q);
void ops_call_commands(struct ops_request *q);

/* ops_calls_operator.c */
void ops_call_health(struct ops_request *q);
void ops_call_boxes(struct ops_request *q);
void ops_call_box(struct ops_request *q);
void ops_call_put_box(struct ops_request *q);
void ops_call_box_records(struct ops_request *q);
void ops_call_send(struct ops_request *q);
void ops_call_check(struct ops_request *q);
void ops_call_server(struct ops_request *q);

/* ops_calls_money.c */
void ops_call_account(struct ops_request *q);
void ops_call_put_account(struct ops_request *q);
void ops_call_recharge(struct ops_request *q);
void ops_call_refund(struct ops_request *q);
void ops_call_order(struct ops_request *q);
void ops_call_put_order(struct ops_request *q);
void ops_call_credit(struct ops_request *q);

/* ops_calls_people.c */
void ops_call_codes(struct ops_request *q);
void ops_call_customer_in(struct ops_request *q);
void ops_call_me(struct ops_request *q);
void ops_call_customer_out(struct ops_request *q);
void ops_call_staff_in(struct ops_request *q);
void ops_call_staff_me(struct ops_request *q);
void ops_call_staff_out(struct ops_request *q);
void ops_call_staff(struct ops_request *q);
void ops_call_put_staff(struct ops_request *q);
void ops_call_drop_staff(struct ops_request *q);
void ops_call_acts(struct ops_request *q);
void ops_call_messages(struct ops_request *q);
/* Sets how often doors may be tried; *doors is zeroed. False when the kernel gives no random bytes. */
bool ops_doors_open(struct ops_doors *doors);

/* ops_calls_customer.c */
void ops_call_own_orders(struct ops_request *q);
void ops_call_own_order(struct ops_request *q);
void ops_call_put_own_order(struct ops_request *q);
void ops_call_order_events(struct ops_request *q);
void ops_call_start(struct ops_request *q);
void ops_call_stop(struct ops_request *q);
void ops_call_unlock(struct ops_request *q);
void ops_call_departed(struct ops_request *q);
void ops_call_own_credit(struct ops_request *q);

/* ops_calls_payment.c */
void ops_call_make_payment(struct ops_request *q);
void ops_call_payment(struct ops_request *q);
void ops_call_callback(struct ops_request *q);
void ops_call_sandbox_payment(struct ops_request *q);
void ops_call_sandbox_pay(struct ops_request *q);

/* ops_calls_sales.c */
void ops_call_tariffs(struct ops_request *q);
void ops_call_put_tariff(struct ops_request *q);
void ops_call_preview(struct ops_request *q);
void ops_call_places(struct ops_request *q);
void ops_call_put_place(struct ops_request *q);
void ops_call_drop_place(struct ops_request *q);
void ops_call_place_qr(struct ops_request *q);
void ops_call_agreement(struct ops_request *q);
void ops_call_put_agreement(struct ops_request *q);
void ops_call_offer(struct ops_request *q);

/* ops_calls_desk.c */
void ops_call_orders(struct ops_request *q);
void ops_call_accounts(struct ops_request *q);
void ops_call_postings(struct ops_request *q);
void ops_call_alarms(struct ops_request *q);
void ops_call_series(struct ops_request *q);

/* ops_desk_stream.c: answers with a stream of events from now on, until the session of whoever asked has ended. */
void ops_call_desk_events(struct ops_request *q);

/* Something was made for the box: there may be a command for it. */
void ops_wake_box(struct ops_server *server, const char *name);

/* --- JSON, as the wire has it; false when memory is short --- */

bool ops_add_number(cJSON *object, const char *name, int64_t value);
/* An array of them. */
void ops_add_numbers(cJSON *object, const char *name, const int64_t *values, size_t count);
bool ops_add_time(cJSON *object, const char *name, int64_t wall_ms);
/* A document of wire.h's writers, from malloc(), which it frees; NULL counts as short memory. */
bool ops_add_document(cJSON *object, const char *name, char *text);

/* A bill's lines, as an array; tariff is the one that it was made by. */
void ops_add_lines(cJSON *object, const char *name, const struct fee_tariff *tariff, const struct fee_bill *bill);

/* --- objects of etc/ops-api.yaml --- */

/* Fills a BoxStatus. 0 or a negative errno. */
int ops_fill_box_status(struct ops_server *server, const char *name, cJSON *object, struct ops_error *error);
/* credit_state: of addCredit; NULL for none. */
cJSON *ops_order_object(const struct ops_order *order, const char *credit_state);
cJSON *ops_account_object(const struct desk_account *account);
cJSON *ops_alarm_object(const struct desk_alarm *alarm);

/* --- the body's fields; false: refused --- */

/* Whether the object has no other fields than these, which end with NULL: a misspelt limit must not be no limit. */
bool ops_take_only(struct ops_request *q, const cJSON *object, const char *const fields[]);
/* Whether the body is empty, or an empty object. */
bool ops_take_nothing(struct ops_request *q);
/* A whole number from low to high; when it is absent, *value stays if optional. */
bool ops_take_number(struct ops_request *q, const cJSON *object, const char *name, int64_t low, int64_t high,
		     bool optional, int64_t *value);
/* Its text, valid as long as the object, judged by whoever uses it. */
bool ops_take_text(struct ops_request *q, const cJSON *object, const char *name, const char **text);
/* A time, in ms of Unix time. */
bool ops_take_time(struct ops_request *q, const cJSON *object, const char *name, int64_t *wall_ms);

#endif
