/* tools/ops/server/ops_calls_money.c: the operator's calls about accounts and orders; see ops_calls.h.
 *
 * Room: tools/ops/server; src/wire, tools/ops/core. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "ops_calls.h"
#include "ops_customer_order.h"
#include "ops_who.h"
#include "units.h"

#define KEY_SIZE 129 /* of what the core takes: 128 characters and the NUL */

/* --- accounts --- */

cJSON *ops_account_object(const struct desk_account *account)
{
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "account", account->name);
	cJSON_AddStringToObject(object, "kind", word_name(&ops_account_kind_words, account->kind));
	ops_add_number(object, "limit_micros", account->limit_micros);
	ops_add_number(object, "balance_micros", account->balance_micros);
	ops_add_number(object, "spendable_micros", account->balance_micros + account->limit_micros);
	if (account->contact[0] != '\0')
		cJSON_AddStringToObject(object, "contact", account->contact);
	return object;
}

void ops_call_account(struct ops_request *q)
{
	struct ops_error error;
	struct desk_account account;
	int result = ops_find_account(q->server->ops, q->name, &account, &error);
	if (result < 0)
		ops_refuse_core(q, result, &error);
	else
		ops_answer(q, MHD_HTTP_OK, ops_account_object(&account));
}

/* False: refused. */
static bool find_kind(struct ops_request *q, const char *word, enum ops_account_kind *kind)
{
	unsigned value = 0;
	bool found = word_find(&ops_account_kind_words, word, &value);
	*kind = (enum ops_account_kind)value;
	if (!found)
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "kind must be bound or shared");
	return found;
}

void ops_call_put_account(struct ops_request *q)
{
	struct ops_error error;
	const char *word;
	enum ops_account_kind kind = OPS_BOUND;
	int64_t limit_micros = 0;
	cJSON *object = ops_request_object(q);
	if (object == NULL)
		return;
	static const char *const fields[] = {"kind", "limit_micros", NULL};
	bool valid = ops_take_only(q, object, fields) && ops_take_text(q, object, "kind", &word) &&
		     find_kind(q, word, &kind) &&
		     ops_take_number(q, object, "limit_micros", 0, FEE_MONEY_MAX_MICROS, true, &limit_micros);
	cJSON_Delete(object);
	if (!valid)
		return;
	int result = ops_add_account(q->server->ops, q->name, kind, limit_micros, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	ops_note_detail(q, "%s limit_micros=%" PRId64, word_name(&ops_account_kind_words, kind), limit_micros);
	ops_call_account(q);
}

/* {"micros":N,"key":"..."} for one of the core's calls, with the key copied to `used`; 0 or negative errno, or 1
 * when it was refused already. */
static int move_money(struct ops_request *q, char used[KEY_SIZE], struct ops_error *error,
		      int (*move)(struct ops *ops, const char *name, int64_t micros, const char *key,
				  struct ops_error *error))
{
	const char *key;
	int64_t micros = 0;
	int result = 1;
	cJSON *object = ops_request_object(q);
	if (object == NULL)
		return 1;
	static const char *const fields[] = {"micros", "key", NULL};
	if (ops_take_only(q, object, fields) &&
	    ops_take_number(q, object, "micros", 1, FEE_MONEY_MAX_MICROS, false, &micros) &&
	    ops_take_text(q, object, "key", &key)) {
		word_copy(used, KEY_SIZE, key);
		result = move(q->server->ops, q->name, micros, key, error);
		if (result == 0)
			ops_note_detail(q, "micros=%" PRId64 " key=%s", micros, key);
		if (result == 0)
			log_line(LOG_LEVEL_INFO,
				 "money",
				 "call=%s name=%s micros=%" PRId64 " key=%s",
				 log_text(q->route->pattern).text,
				 log_text(q->name).text,
				 micros,
				 log_text(key).text);
	}
	cJSON_Delete(object);
	return result;
}

static void answer_account(struct ops_request *q, int result, const struct ops_error *error)
{
	if (result < 0)
		ops_refuse_core(q, result, error);
	if (result != 0)
		return;
	ops_account_changed(q->server, q->name);
	ops_call_account(q);
}

void ops_call_recharge(struct ops_request *q)
{
	struct ops_error error;
	char key[KEY_SIZE];
	answer_account(q, move_money(q, key, &error, ops_recharge), &error);
}

void ops_call_refund(struct ops_request *q)
{
	struct ops_error error;
	char key[KEY_SIZE];
	answer_account(q, move_money(q, key, &error, ops_refund), &error);
}

/* --- orders --- */

/* As the wire has it: without the zeros at the end, absent when there is nothing else. */
static void add_rates(cJSON *object, const struct fee_energy *by_rate)
{
	size_t count = FEE_RATES_MAX;
	while (count > 0 && by_rate->mwh[count - 1] == 0)
		count--;
	if (count > 0)
		ops_add_numbers(object, "rates_mwh", by_rate->mwh, count);
}

static cJSON *receipt_object(const struct receipt *r)
{
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "reason", word_name(&end_reason_words, r->reason));
	ops_add_number(object, "start_mwh", r->start_mwh);
	ops_add_number(object, "energy_mwh", r->energy_mwh);
	add_rates(object, &r->by_rate);
	ops_add_number(object, "amount_micros", r->amount_micros);
	ops_add_number(object, "energised_ms", r->energised_ms);
	cJSON_AddBoolToObject(object, "settled", r->settled);
	return object;
}

cJSON *ops_order_object(const struct ops_order *o, const char *credit_state)
{
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "order", o->grant.order);
	cJSON_AddStringToObject(object, "box", o->box);
	ops_add_number(object, "outlet", o->outlet + 1);
	cJSON_AddStringToObject(object, "account", o->grant.account);
	cJSON_AddStringToObject(object, "mode", word_name(&fee_mode_words, o->grant.mode));
	cJSON_AddStringToObject(object, "state", word_name(&ops_order_state_words, o->state));
	ops_add_time(object, "made", o->made_ms);
	if (o->sale.code[0] != '\0') {
		cJSON_AddStringToObject(object, "code", o->sale.code);
		cJSON_AddStringToObject(object, "until", word_name(&ops_until_words, o->sale.until));
	}
	ops_add_number(object, "held_micros", o->held_micros);
	cJSON_AddBoolToObject(object, "started", o->started);
	ops_add_number(object, "billed_micros", o->billed_micros);
	ops_add_number(object, "captured_micros", o->captured_micros);
	ops_add_number(object, "written_off_micros", o->written_off_micros);
	cJSON_AddBoolToObject(object, "price_differs", o->price_differs);
	cJSON_AddBoolToObject(object, "ledger_lost", o->ledger_lost);
	cJSON_AddBoolToObject(object, "power_off_sent", o->power_off_sent);
	if (o->ended_ms > 0)
		ops_add_time(object, "ended", o->ended_ms);
	if (credit_state != NULL)
		cJSON_AddStringToObject(object, "credit_state", credit_state);
	if (o->state == OPS_ORDER_DONE)
		cJSON_AddItemToObject(object, "receipt", receipt_object(&o->receipt));
	else
		cJSON_AddNullToObject(object, "receipt");
	return object;
}

static void answer_order(struct ops_request *q, unsigned status)
{
	struct ops_error error;
	struct ops_order order;
	int result = ops_get_order(q->server->ops, q->name, &order, &error);
	if (result < 0)
		ops_refuse_core(q, result, &error);
	else
		ops_answer(q, status, ops_order_object(&order, NULL));
}

void ops_call_order(struct ops_request *q)
{
	answer_order(q, MHD_HTTP_OK);
}

/* Moves the body's fields that make a grant into an authorize command's document, which has a reader. */
static cJSON *authorize_document(cJSON *body, const char *order)
{
	static const char *const fields[] = {"account",
					     "mode",
					     "tariff",
					     "credit_micros",
					     "lease_ms",
					     "hold_ms",
					     "limit_mwh",
					     "limit_micros",
					     "limit_ms",
					     "full_ma",
					     "full_ms"};
	static const char *const optional[] = {"lease_ms", "limit_mwh", "limit_micros", "limit_ms"};
	cJSON *document = cJSON_CreateObject();
	cJSON *grant = cJSON_CreateObject();
	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
		cJSON_AddItemToObject(grant, fields[i], cJSON_DetachItemFromObjectCaseSensitive(body, fields[i]));
	for (size_t i = 0; i < sizeof optional / sizeof *optional; i++) {
		if (!cJSON_HasObjectItem(grant, optional[i]))
			ops_add_number(grant, optional[i], 0);
	}
	cJSON_AddStringToObject(grant, "order", order);
	cJSON_AddStringToObject(grant, "session_kind", "customer");
	cJSON_AddItemToObject(document, "grant", grant);
	cJSON_AddItemToObject(document, "box", cJSON_DetachItemFromObjectCaseSensitive(body, "box"));
	cJSON_AddItemToObject(document, "outlet", cJSON_DetachItemFromObjectCaseSensitive(body, "outlet"));
	cJSON_AddStringToObject(document, "id", "new");
	ops_add_number(document, "seq", 1);
	cJSON_AddStringToObject(document, "not_after", "2000-01-01T00:00:00.000Z");
	cJSON_AddStringToObject(document, "type", "authorize");
	cJSON_AddStringToObject(document, "actor", "server");
	return document;
}

static bool has_order_fields_only(struct ops_request *q, const cJSON *body)
{
	static const char *const of_order[] = {"box",
					       "outlet",
					       "account",
					       "mode",
					       "tariff",
					       "credit_micros",
					       "lease_ms",
					       "hold_ms",
					       "limit_mwh",
					       "limit_micros",
					       "limit_ms",
					       "full_ma",
					       "full_ms",
					       NULL};
	static const char *const of_tariff[] = {"id",
						"version",
						"currency",
						"energy_price_micros",
						"rates",
						"periods",
						"utc_offset_min",
						"service_price_micros",
						"start_fee_micros",
						"quantum_micros",
						"rounding",
						NULL};
	const cJSON *tariff = cJSON_GetObjectItemCaseSensitive(body, "tariff");
	return ops_take_only(q, body, of_order) && (!cJSON_IsObject(tariff) || ops_take_only(q, tariff, of_tariff));
}

/* False: refused. */
static bool read_order(struct ops_request *q, struct ops_order *order)
{
	struct wire_error error;
	struct command command;
	cJSON *body = ops_request_object(q);
	if (body == NULL)
		return false;
	if (!has_order_fields_only(q, body)) {
		cJSON_Delete(body);
		return false;
	}
	char *text = json_print_and_delete(authorize_document(body, q->name));
	cJSON_Delete(body);
	if (text == NULL) {
		ops_refuse_memory(q);
		return false;
	}
	bool valid = wire_read_command(text, strlen(text), &command, &error);
	free(text);
	if (!valid) {
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "%s", error.text);
		return false;
	}
	*order = (struct ops_order){.outlet = command.outlet, .grant = command.u.authorize};
	memcpy(order->box, command.box, sizeof order->box);
	return true;
}

void ops_call_put_order(struct ops_request *q)
{
	struct ops *ops = q->server->ops;
	struct ops_error error;
	struct ops_order order, before;
	if (!read_order(q, &order))
		return;
	int found = ops_get_order(ops, order.grant.order, &before, &error);
	int result = found < 0 && found != -ENOENT ? found : ops_create_order(ops, &order, ops_wall_now_ms(), &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	if (found == -ENOENT)
		log_line(LOG_LEVEL_INFO,
			 "order",
			 "order=%s box=%s outlet=%d account=%s credit_micros=%" PRId64,
			 log_text(order.grant.order).text,
			 log_text(order.box).text,
			 order.outlet + 1,
			 log_text(order.grant.account).text,
			 order.grant.credit_micros);
	ops_note_detail(q,
			"box=%s outlet=%d account=%s credit_micros=%" PRId64,
			order.box,
			order.outlet + 1,
			order.grant.account,
			order.grant.credit_micros);
	ops_wake_box(q->server, order.box);
	answer_order(q, found == -ENOENT ? MHD_HTTP_CREATED : MHD_HTTP_OK);
}

static int add_credit_now(struct ops *ops, const char *number, int64_t micros, const char *key, struct ops_error *error)
{
	return ops_add_credit(ops, number, micros, key, ops_wall_now_ms(), error);
}

void ops_call_credit(struct ops_request *q)
{
	struct ops_error error;
	struct ops_order order;
	char key[KEY_SIZE];
	const char *state;
	int result = move_money(q, key, &error, add_credit_now);
	if (result == 0 && (result = ops_get_order(q->server->ops, q->name, &order, &error)) == 0 &&
	    (result = ops_credit_state(q->server->ops, key, &state, &error)) == 0) {
		ops_wake_box(q->server, order.box);
		ops_answer(q, MHD_HTTP_OK, ops_order_object(&order, state));
	}
	if (result < 0)
		ops_refuse_core(q, result, &error);
}
