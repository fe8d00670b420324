/* tools/ops/server/ops_customer_order.c: see ops_customer_order.h.
 *
 * Room: tools/ops/server; src/wire, tools/ops/core. */
#include "ops_customer_order.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "offers.h"
#include "ops_calls.h"

/* --- the parts of an order --- */

/* The limit that the order was made with; absent when there is none. */
static void add_limit(cJSON *object, const char *name, int64_t limit)
{
	if (limit > 0)
		ops_add_number(object, name, limit);
}

/* What the customer calls the outlet; its code when it is not for sale any more. */
static int add_place(struct ops_server *server, const struct ops_order *order, cJSON *object, struct ops_error *error)
{
	struct place place;
	int result = ops_get_place(server->ops, order->sale.code, &place, error);
	if (result < 0 && result != -ENOENT)
		return result;
	cJSON_AddStringToObject(object, "code", order->sale.code);
	cJSON_AddStringToObject(object, "label", result == 0 ? place.label : order->sale.code);
	return 0;
}

static void add_wish(cJSON *object, const struct ops_order *order)
{
	const struct grant *grant = &order->grant;
	ops_add_time(object, "made", order->made_ms);
	cJSON_AddStringToObject(object, "until", word_name(&ops_until_words, order->sale.until));
	add_limit(object, "limit_mwh", grant->limit_mwh);
	add_limit(object, "limit_ms", grant->limit_ms);
	add_limit(object, "limit_micros", grant->limit_micros);
	cJSON *agreement = cJSON_AddObjectToObject(object, "agreement");
	ops_add_number(agreement, "version", order->sale.agreement);
	ops_add_time(agreement, "accepted", order->sale.agreed_ms);
	ops_add_document(object, "tariff", wire_write_tariff(&grant->tariff));
	ops_add_number(object, "held_micros", order->held_micros);
	cJSON_AddBoolToObject(object, "started", order->started);
}

static void add_trace(cJSON *object, const struct order_trace *trace)
{
	cJSON *pending = cJSON_AddArrayToObject(object, "pending");
	for (unsigned type = 0; type < COMMAND_TYPE_COUNT; type++) {
		if (trace->pending[type])
			cJSON_AddItemToArray(pending, cJSON_CreateString(word_name(&command_type_words, type)));
	}
	cJSON_AddBoolToObject(object, "mine", trace->mine);
	if (!trace->refused) {
		cJSON_AddNullToObject(object, "refused");
		return;
	}
	cJSON *refused = cJSON_AddObjectToObject(object, "refused");
	cJSON_AddStringToObject(refused, "type", word_name(&command_type_words, trace->refused_type));
	cJSON_AddStringToObject(refused, "why", trace->why);
}

static void add_missing(cJSON *live, unsigned missing)
{
	cJSON *words = cJSON_AddArrayToObject(live, "missing");
	for (unsigned i = 0; i < MISSING_COUNT; i++) {
		if ((missing & 1U << i) != 0)
			cJSON_AddItemToArray(words, cJSON_CreateString(missing_name(1U << i)));
	}
}

/* How old what the progress says of the meter is by now. */
static int64_t age_ms(const struct ops_live_box *live, const struct progress *p)
{
	int64_t reading_ms = p->reading_age_ms > 0 ? p->reading_age_ms : 0;
	int64_t age = ops_monotonic_now_ms() - live->progress_ms[p->outlet];
	return reading_ms < REQUEST_EXACT_MAX - age ? age + reading_ms : REQUEST_EXACT_MAX;
}

/* The outlet as the box has last told, if that was in this order's session. */
static void add_live(struct ops_server *server, cJSON *object, const struct ops_order *order)
{
	const struct ops_live_box *live = ops_live_find(server->live, order->box);
	const struct progress *p = live == NULL ? NULL : live->progress[order->outlet];
	cJSON_AddBoolToObject(object, "connected", live != NULL && live->stream != NULL);
	if (p == NULL || strcmp(p->order, order->grant.order) != 0) {
		cJSON_AddNullToObject(object, "live");
		return;
	}
	cJSON *now = cJSON_AddObjectToObject(object, "live");
	cJSON_AddStringToObject(now, "state", word_name(&outlet_state_words, p->state));
	add_missing(now, p->missing);
	ops_add_number(now, "energy_mwh", p->energy_mwh);
	ops_add_number(now, "power_mw", p->power_mw);
	ops_add_number(now, "energised_ms", p->energised_ms);
	ops_add_number(now, "cost_micros", p->cost_micros);
	ops_add_number(now, "remaining_micros", p->remaining_micros);
	ops_add_number(now, "remaining_ms", p->remaining_ms);
	cJSON_AddBoolToObject(now, "low_credit", p->low_credit);
	ops_add_number(now, "age_ms", age_ms(live, p));
}

static void add_receipt(cJSON *object, const struct ops_order *order)
{
	const struct receipt *r = &order->receipt;
	struct fee_bill bill;
	if (order->state != OPS_ORDER_DONE) {
		cJSON_AddNullToObject(object, "receipt");
		return;
	}
	cJSON *receipt = cJSON_AddObjectToObject(object, "receipt");
	cJSON_AddStringToObject(receipt, "reason", word_name(&end_reason_words, r->reason));
	ops_add_number(receipt, "start_mwh", r->start_mwh);
	ops_add_number(receipt, "end_mwh", r->start_mwh + r->energy_mwh);
	ops_add_number(receipt, "energy_mwh", r->energy_mwh);
	ops_add_number(receipt, "energised_ms", r->energised_ms);
	ops_order_bill(order, &bill);
	ops_add_lines(receipt, "lines", &order->grant.tariff, &bill);
	ops_add_number(receipt, "amount_micros", order->billed_micros);
	ops_add_number(receipt, "captured_micros", order->captured_micros);
	ops_add_number(receipt, "written_off_micros", order->written_off_micros);
	cJSON_AddStringToObject(receipt, "meter", order->meter);
	cJSON_AddBoolToObject(receipt, "settled", r->settled);
	ops_add_time(receipt, "ended", order->ended_ms);
}

int ops_customer_order(struct ops_server *server, const struct ops_order *order, cJSON **object,
		       struct ops_error *error)
{
	const char *account = order->grant.account;
	struct order_trace trace;
	int64_t balance, spendable;
	int result = ops_trace_order(server->ops, order, &trace, error);
	if (result < 0 || (result = ops_balance(server->ops, account, &balance, error)) < 0 ||
	    (result = ops_spendable(server->ops, account, &spendable, error)) < 0)
		return result;
	*object = cJSON_CreateObject();
	cJSON_AddStringToObject(*object, "order", order->grant.order);
	if ((result = add_place(server, order, *object, error)) < 0) {
		cJSON_Delete(*object);
		return result;
	}
	cJSON_AddStringToObject(*object, "state", word_name(&ops_order_state_words, order->state));
	add_wish(*object, order);
	add_trace(*object, &trace);
	add_live(server, *object, order);
	add_receipt(*object, order);
	ops_add_number(*object, "balance_micros", balance);
	ops_add_number(*object, "spendable_micros", spendable);
	return 0;
}

/* --- its stream --- */

struct order_stream {
	struct ops_server *server;
	struct ops_stream *stream;
	char session[PEOPLE_TOKEN_SIZE]; /* of whoever looks on */
	char account[ACCOUNT_SIZE];
	char order[ORDER_SIZE];
	char *said; /* the last event's object, without what changes all the time; NULL: nothing yet */
};

/* Whether whoever looks on still may: 1, 0 or a negative errno. */
static int may_look(struct order_stream *s, struct ops_error *error)
{
	struct person person;
	int found = ops_find_session(s->server->ops, s->session, ops_wall_now_ms(), &person, error);
	return found <= 0 ? found : person.kind == PERSON_CUSTOMER && strcmp(person.account, s->account) == 0;
}

/* Makes an event of the object, which is deleted, unless it is what was said last. */
static enum ops_stream_next make_event(struct order_stream *s, cJSON *object, struct ops_stream_text *event)
{
	cJSON *live = cJSON_GetObjectItemCaseSensitive(object, "live");
	cJSON *age = cJSON_DetachItemFromObjectCaseSensitive(live, "age_ms");
	char *text = cJSON_PrintUnformatted(object);
	bool same = text != NULL && s->said != NULL && strcmp(text, s->said) == 0;
	if (age != NULL)
		cJSON_AddItemToObject(live, "age_ms", age);
	free(s->said);
	s->said = text;
	text = json_print_and_delete(object);
	int length = same || text == NULL ? -1 : asprintf(&event->text, "event: order\ndata: %s\n\n", text);
	free(text);
	if (same)
		return OPS_STREAM_NOTHING;
	if (length < 0) {
		log_line(LOG_LEVEL_ERROR, "stream_failed", "order=%s error=out of memory", log_text(s->order).text);
		return OPS_STREAM_FAILED;
	}
	event->length = (size_t)length;
	return OPS_STREAM_TEXT;
}

/* 1 with *object, 0 when whoever looks on may not any more, or a negative errno. */
static int read_order(struct order_stream *s, cJSON **object, struct ops_error *error)
{
	struct ops_order order;
	int result = may_look(s, error);
	if (result <= 0)
		return result;
	if ((result = ops_own_order(s->server->ops, s->account, s->order, &order, error)) == 0)
		result = ops_customer_order(s->server, &order, object, error);
	return result < 0 ? result : 1;
}

static enum ops_stream_next find_event(void *ctx, struct ops_stream_text *event)
{
	struct order_stream *s = ctx;
	struct ops_error error;
	cJSON *object;
	int result = ops_begin_reading(s->server->ops, &error);
	if (result == 0) {
		result = read_order(s, &object, &error);
		ops_end_reading(s->server->ops);
		if (result == 0)
			return OPS_STREAM_OVER;
	}
	if (result > 0)
		return make_event(s, object, event);
	log_line(LOG_LEVEL_ERROR,
		 "stream_failed",
		 "order=%s error=%s",
		 log_text(s->order).text,
		 log_text(error.text).text);
	return OPS_STREAM_FAILED;
}

static void close_stream(void *ctx, bool ended)
{
	struct order_stream *s = ctx;
	(void)ended;
	free(s->said);
	free(s);
}

static const struct ops_stream_source order_source = {.next = find_event, .close = close_stream};

/* --- of an account --- */

struct account_streams {
	const char *account;
	unsigned count;
	bool wake;
};

static bool visit_stream(void *arg, void *ctx)
{
	struct account_streams *all = arg;
	struct order_stream *s = ctx;
	if (strcmp(s->account, all->account) != 0)
		return true;
	all->count++;
	if (all->wake)
		ops_stream_wake(s->stream);
	return true;
}

void ops_account_changed(struct ops_server *server, const char *account)
{
	struct account_streams all = {.account = account, .wake = true};
	ops_streams_each(server, &order_source, visit_stream, &all);
}

/* --- begin --- */

/* False: refused. */
static bool has_room(struct ops_request *q)
{
	struct account_streams all = {.account = q->person.account};
	ops_streams_each(q->server, &order_source, visit_stream, &all);
	if (all.count < CUSTOMER_STREAMS_MAX)
		return ops_may_stream(q, ops_streams_have_room(&q->server->streams, false));
	q->retry_s = REQUEST_RETRY_S;
	ops_refuse(q, MHD_HTTP_TOO_MANY_REQUESTS, "too_many_streams", "%u pages of yours look on", all.count);
	return false;
}

void ops_answer_order_events(struct ops_request *q, const struct ops_order *order)
{
	if (!has_room(q))
		return;
	struct ops_live_box *live = ops_live_get(q->server->live, order->box);
	struct order_stream *s = live == NULL ? NULL : calloc(1, sizeof *s);
	if (s == NULL) {
		ops_refuse_memory(q);
		return;
	}
	s->server = q->server;
	memcpy(s->session, q->session, sizeof s->session);
	memcpy(s->account, q->person.account, sizeof s->account);
	memcpy(s->order, order->grant.order, sizeof s->order);
	q->response = ops_stream_begin(q->server, q->connection, &order_source, s, WATCHER_HEARTBEAT_MS, &s->stream);
	if (q->response == NULL) {
		free(s);
		ops_refuse_memory(q);
		return;
	}
	ops_stream_watch(s->stream, live);
	q->status = MHD_HTTP_OK;
}
