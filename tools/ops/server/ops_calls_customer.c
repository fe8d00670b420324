/* tools/ops/server/ops_calls_customer.c: what a customer's page asks about its orders; see ops_calls.h.
 *
 * Room: tools/ops/server; tools/ops/core. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "offers.h"
#include "ops_calls.h"
#include "ops_customer_order.h"

#define ORDERS_AT_ONCE 20
#define CURSOR_SIZE 64
#define LIMIT_MAX_MS (INT64_C(100) * 366 * 24 * FEE_MS_PER_HOUR) /* a century, as of every grant */

/* --- answers --- */

static void answer_with(struct ops_request *q, unsigned status, const struct ops_order *order)
{
	struct ops_error error;
	cJSON *object;
	int result = ops_customer_order(q->server, order, &object, &error);
	if (result < 0)
		ops_refuse_core(q, result, &error);
	else
		ops_answer(q, status, object);
}

/* The customer's order that the path names. False: refused. */
static bool take_order(struct ops_request *q, struct ops_order *order)
{
	struct ops_error error;
	int result = ops_own_order(q->server->ops, q->person.account, q->name, order, &error);
	if (result < 0)
		ops_refuse_core(q, result, &error);
	return result == 0;
}

static void answer_order(struct ops_request *q, unsigned status)
{
	struct ops_order order;
	if (take_order(q, &order))
		answer_with(q, status, &order);
}

void ops_call_own_order(struct ops_request *q)
{
	answer_order(q, MHD_HTTP_OK);
}

void ops_call_order_events(struct ops_request *q)
{
	struct ops_order order;
	if (take_order(q, &order))
		ops_answer_order_events(q, &order);
}

/* --- how often --- */

static uint64_t key_of(const char *account)
{
	uint64_t key = UINT64_C(14695981039346656037); /* FNV-1a */
	for (; *account != '\0'; account++)
		key = (key ^ (unsigned char)*account) * UINT64_C(1099511628211);
	return key;
}

/* Whether the customer may send a box something more. False: refused. */
static bool may_send(struct ops_request *q)
{
	int64_t wait_ms = allowances_wait(&q->server->doors.orders, key_of(q->person.account), ops_monotonic_now_ms());
	if (wait_ms > 0)
		ops_refuse_often(q, wait_ms, "too much was asked for in a short time");
	return wait_ms == 0;
}

static void count_sent(struct ops_request *q)
{
	allowances_use(&q->server->doors.orders, key_of(q->person.account), ops_monotonic_now_ms());
}

/* --- a list of them --- */

/* "MADE_MS.NUMBER", as an answer gave it. False: refused. */
static bool read_cursor(struct ops_request *q, struct order_cursor *cursor)
{
	const char *text = MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, "before");
	char digits[20];
	uint64_t made_ms = 0;
	*cursor = (struct order_cursor){.made_ms = 0};
	if (text == NULL)
		return true;
	size_t length = strcspn(text, ".");
	if (length < sizeof digits && text[length] == '.' && word_is_printable(text + length + 1, ORDER_SIZE)) {
		word_copy(digits, sizeof digits, text);
		digits[length] = '\0';
		word_copy(cursor->number, sizeof cursor->number, text + length + 1);
		if (ops_parse_number(digits, 1, REQUEST_EXACT_MAX, &made_ms)) {
			cursor->made_ms = (int64_t)made_ms;
			return true;
		}
	}
	ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "before must be what an answer gave as next");
	return false;
}

/* Where the list goes on behind the cursor; null when it does not. */
static int add_next(struct ops_request *q, const struct order_cursor *cursor, cJSON *object, struct ops_error *error)
{
	struct order_cursor ahead = *cursor;
	struct ops_order order;
	char text[CURSOR_SIZE];
	int found = ops_next_own_order(q->server->ops, q->person.account, &ahead, &order, error);
	if (found < 0)
		return found;
	snprintf(text, sizeof text, "%" PRId64 ".%s", cursor->made_ms, cursor->number);
	if (found > 0)
		cJSON_AddStringToObject(object, "next", text);
	else
		cJSON_AddNullToObject(object, "next");
	return 0;
}

static int list_orders(struct ops_request *q, struct order_cursor *cursor, cJSON *object, struct ops_error *error)
{
	cJSON *orders = cJSON_AddArrayToObject(object, "orders");
	for (int i = 0; i < ORDERS_AT_ONCE; i++) {
		struct ops_order order;
		cJSON *item;
		int found = ops_next_own_order(q->server->ops, q->person.account, cursor, &order, error);
		if (found < 0)
			return found;
		if (found == 0)
			break;
		int result = ops_customer_order(q->server, &order, &item, error);
		if (result < 0)
			return result;
		cJSON_AddItemToArray(orders, item);
	}
	return add_next(q, cursor, object, error);
}

void ops_call_own_orders(struct ops_request *q)
{
	struct ops_error error;
	struct order_cursor cursor;
	if (!read_cursor(q, &cursor))
		return;
	cJSON *object = cJSON_CreateObject();
	int result = list_orders(q, &cursor, object, &error);
	if (result == 0) {
		ops_answer(q, MHD_HTTP_OK, object);
		return;
	}
	cJSON_Delete(object);
	ops_refuse_core(q, result, &error);
}

/* --- a new one --- */

/* The tariff that the page has shown; none when it is absent. False: refused. */
static bool read_seen_tariff(struct ops_request *q, const cJSON *body, struct order_wish *wish)
{
	static const char *const fields[] = {"id", "version", NULL};
	const cJSON *tariff = cJSON_GetObjectItemCaseSensitive(body, "tariff");
	int64_t version = 0;
	if (tariff == NULL)
		return true;
	if (!cJSON_IsObject(tariff)) {
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "tariff must be an object with id and version");
		return false;
	}
	bool taken = ops_take_only(q, tariff, fields) && ops_take_text(q, tariff, "id", &wish->tariff) &&
		     ops_take_number(q, tariff, "version", 1, UINT32_MAX, false, &version);
	wish->tariff_version = (uint32_t)version;
	return taken;
}

/* Fills the wish but for `connected` and `currency`; its texts live as long as the body. False: refused. */
static bool read_wish(struct ops_request *q, const cJSON *body, struct order_wish *wish)
{
	static const char *const fields[] = {
		"code", "agreement", "tariff", "until", "limit_mwh", "limit_ms", "limit_micros", "credit_micros", NULL};
	const char *until;
	unsigned value = 0;
	int64_t agreement = 0;
	if (!ops_take_only(q, body, fields) || !ops_take_text(q, body, "code", &wish->code) ||
	    !ops_take_number(q, body, "agreement", 1, UINT32_MAX, false, &agreement) ||
	    !read_seen_tariff(q, body, wish) || !ops_take_text(q, body, "until", &until) ||
	    !ops_take_number(q, body, "limit_mwh", 1, FEE_ENERGY_MAX_MWH, true, &wish->limit_mwh) ||
	    !ops_take_number(q, body, "limit_ms", 1, LIMIT_MAX_MS, true, &wish->limit_ms) ||
	    !ops_take_number(q, body, "limit_micros", 1, FEE_MONEY_MAX_MICROS, true, &wish->limit_micros) ||
	    !ops_take_number(q, body, "credit_micros", 1, FEE_MONEY_MAX_MICROS, true, &wish->credit_micros))
		return false;
	if (!word_find(&ops_until_words, until, &value)) {
		ops_refuse(
			q, MHD_HTTP_BAD_REQUEST, "bad_request", "until must be energy, time, amount, full or credit");
		return false;
	}
	wish->until = (enum ops_until)value;
	wish->agreement = (uint32_t)agreement;
	return true;
}

/* Whether the box of the place can be reached. False also when there is none such: the core says why. */
static bool is_connected(struct ops_request *q, const char *code)
{
	struct ops_error error;
	struct place place;
	if (ops_get_place(q->server->ops, code, &place, &error) < 0)
		return false;
	const struct ops_live_box *live = ops_live_find(q->server->live, place.box);
	return live != NULL && live->stream != NULL;
}

static void answer_wish(struct ops_request *q, enum wish_outcome outcome, const struct ops_error *error)
{
	struct ops_order order;
	switch (outcome) {
	case WISH_NOT_OFFERED:
		ops_refuse(q, MHD_HTTP_NOT_FOUND, "not_offered", "%s", error->text);
		return;
	case WISH_AGREEMENT_CHANGED:
		ops_refuse(q, MHD_HTTP_CONFLICT, "agreement_changed", "%s", error->text);
		return;
	case WISH_TARIFF_CHANGED:
		ops_refuse(q, MHD_HTTP_CONFLICT, "tariff_changed", "%s", error->text);
		return;
	case WISH_UNAVAILABLE:
		ops_refuse(q, MHD_HTTP_CONFLICT, "outlet_unavailable", "%s", error->text);
		return;
	case WISH_MADE:
	case WISH_KNOWN:
		break;
	}
	if (!take_order(q, &order))
		return;
	if (outcome == WISH_MADE) {
		count_sent(q);
		ops_account_changed(q->server,
				    q->person.account); /* there is less to spend for an order on another box */
		log_line(LOG_LEVEL_INFO,
			 "order",
			 "order=%s box=%s outlet=%d account=%s credit_micros=%" PRId64 " code=%s until=%s",
			 log_text(order.grant.order).text,
			 log_text(order.box).text,
			 order.outlet + 1,
			 log_text(order.grant.account).text,
			 order.grant.credit_micros,
			 order.sale.code,
			 word_name(&ops_until_words, order.sale.until));
	}
	ops_wake_box(q->server, order.box);
	answer_with(q, outcome == WISH_MADE ? MHD_HTTP_CREATED : MHD_HTTP_OK, &order);
}

void ops_call_put_own_order(struct ops_request *q)
{
	struct order_wish wish = {.number = q->name, .account = q->person.account};
	enum wish_outcome outcome;
	struct ops_error error;
	cJSON *body = ops_request_object(q);
	if (body == NULL)
		return;
	if (!read_wish(q, body, &wish) || !may_send(q)) {
		cJSON_Delete(body);
		return;
	}
	wish.connected = is_connected(q, wish.code);
	if (q->server->payments.open) /* what is on the accounts was paid in this */
		wish.currency = q->server->options->currency;
	int result = ops_make_order(q->server->ops, &wish, ops_wall_now_ms(), &outcome, &error);
	cJSON_Delete(body);
	if (result < 0)
		ops_refuse_core(q, result, &error);
	else
		answer_wish(q, outcome, &error);
}

/* --- its buttons --- */

static void press(struct ops_request *q, enum command_type type)
{
	struct ops_error error;
	struct ops_order order;
	bool queued;
	/* Nothing is in the way of ending it, and it can end only once. */
	if (!ops_take_nothing(q) || !take_order(q, &order) || (type != COMMAND_STOP && !may_send(q)))
		return;
	int result = ops_press(q->server->ops, q->person.account, q->name, type, ops_wall_now_ms(), &queued, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	if (queued) {
		count_sent(q);
		log_line(LOG_LEVEL_INFO,
			 "pressed",
			 "order=%s box=%s type=%s",
			 log_text(q->name).text,
			 log_text(order.box).text,
			 word_name(&command_type_words, type));
		ops_wake_box(q->server, order.box);
	}
	answer_with(q, MHD_HTTP_ACCEPTED, &order);
}

void ops_call_start(struct ops_request *q)
{
	press(q, COMMAND_START);
}

void ops_call_stop(struct ops_request *q)
{
	press(q, COMMAND_STOP);
}

void ops_call_unlock(struct ops_request *q)
{
	press(q, COMMAND_UNLOCK);
}

void ops_call_departed(struct ops_request *q)
{
	press(q, COMMAND_DEPARTED);
}

/* --- its credit --- */

static int add_credit(struct ops_request *q, int64_t micros, const char *key, struct ops_error *error)
{
	struct ops_order order;
	int result =
		ops_add_own_credit(q->server->ops, q->person.account, q->name, micros, key, ops_wall_now_ms(), error);
	if (result < 0 || (result = ops_get_order(q->server->ops, q->name, &order, error)) < 0)
		return result;
	log_line(LOG_LEVEL_INFO,
		 "credit",
		 "order=%s account=%s micros=%" PRId64 " key=%s",
		 log_text(q->name).text,
		 log_text(q->person.account).text,
		 micros,
		 log_text(key).text);
	ops_wake_box(q->server, order.box);
	ops_account_changed(q->server, q->person.account);
	count_sent(q);
	answer_with(q, MHD_HTTP_OK, &order);
	return 0;
}

void ops_call_own_credit(struct ops_request *q)
{
	static const char *const fields[] = {"micros", "key", NULL};
	struct ops_error error;
	struct ops_order order;
	const char *key;
	int64_t micros = 0;
	int result = 0;
	cJSON *body = ops_request_object(q);
	if (body == NULL)
		return;
	if (ops_take_only(q, body, fields) &&
	    ops_take_number(q, body, "micros", 1, FEE_MONEY_MAX_MICROS, false, &micros) &&
	    ops_take_text(q, body, "key", &key) && take_order(q, &order) && may_send(q))
		result = add_credit(q, micros, key, &error);
	cJSON_Delete(body);
	if (result < 0)
		ops_refuse_core(q, result, &error);
}
