/* tools/ops/server/ops_calls_desk.c: what the operator's desk asks: lists, alarms, energy over time; see ops_calls.h.
 *
 * Room: tools/ops/server; tools/ops/core. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "desk.h"
#include "ops_calls.h"

#define ROWS_AT_ONCE 100
#define STEP_LEAST_S 60
#define STEP_MAX_S 86400
#define MS_PER_S 1000

/* --- lists that are read in parts --- */

/* One more row than is answered is looked at, to know whether there are more. */
struct part {
	cJSON *rows;
	int count;
	bool more;
};

/* Whether there is room for one more row. */
static bool has_room(struct part *part)
{
	part->more = part->count == ROWS_AT_ONCE;
	return !part->more;
}

static bool add_row(struct part *part, cJSON *row)
{
	cJSON_AddItemToArray(part->rows, row);
	part->count++;
	return true;
}

/* Answers with the part. `next` is a field of the last row, which goes on where it ends; NULL: none. */
static void answer_part(struct ops_request *q, cJSON *object, struct part *part, const char *next, int result,
			const struct ops_error *error)
{
	if (result < 0) {
		cJSON_Delete(object);
		ops_refuse_core(q, result, error);
		return;
	}
	cJSON *last = cJSON_GetArrayItem(part->rows, part->count - 1);
	if (next != NULL && part->more)
		cJSON_AddItemToObject(
			object, "next", cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(last, next), true));
	else if (next != NULL)
		cJSON_AddNullToObject(object, "next");
	ops_answer(q, MHD_HTTP_OK, object);
}

/* --- orders --- */

static bool take_order(void *ctx, const struct ops_order *order)
{
	return has_room(ctx) && add_row(ctx, ops_order_object(order, NULL));
}

void ops_call_orders(struct ops_request *q)
{
	struct ops_error error;
	char before[ORDER_SIZE];
	uint64_t open = 0;
	bool all = MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, "open") == NULL;
	if (!ops_request_number(q, "open", 0, 1, &open) || !ops_request_text(q, "before", before, sizeof before))
		return;
	enum desk_orders which = open > 0 ? DESK_ORDERS_OPEN : DESK_ORDERS_CLOSED;
	cJSON *object = cJSON_CreateObject();
	struct part part = {.rows = cJSON_AddArrayToObject(object, "orders")};
	int result = ops_each_order(q->server->ops, all ? DESK_ORDERS_ALL : which, before, take_order, &part, &error);
	answer_part(q, object, &part, "order", result, &error);
}

/* --- accounts --- */

static bool take_account(void *ctx, const struct desk_account *account)
{
	return has_room(ctx) && add_row(ctx, ops_account_object(account));
}

void ops_call_accounts(struct ops_request *q)
{
	struct ops_error error;
	char after[ACCOUNT_SIZE];
	if (!ops_request_text(q, "after", after, sizeof after))
		return;
	cJSON *object = cJSON_CreateObject();
	struct part part = {.rows = cJSON_AddArrayToObject(object, "accounts")};
	int result = ops_each_account(q->server->ops, after, take_account, &part, &error);
	answer_part(q, object, &part, "account", result, &error);
}

static bool take_posting(void *ctx, const struct desk_posting *posting)
{
	if (!has_room(ctx))
		return false;
	cJSON *row = cJSON_CreateObject();
	ops_add_number(row, "number", posting->number);
	cJSON_AddStringToObject(row, "from", posting->from);
	cJSON_AddStringToObject(row, "to", posting->to);
	ops_add_number(row, "micros", posting->micros);
	if (posting->order[0] != '\0')
		cJSON_AddStringToObject(row, "order", posting->order);
	cJSON_AddStringToObject(row, "key", posting->key);
	return add_row(ctx, row);
}

void ops_call_postings(struct ops_request *q)
{
	struct ops_error error;
	uint64_t before = 0;
	if (!ops_request_number(q, "before", 1, REQUEST_EXACT_MAX, &before))
		return;
	cJSON *object = cJSON_CreateObject();
	struct part part = {.rows = cJSON_AddArrayToObject(object, "postings")};
	int result = ops_each_posting(q->server->ops, q->name, (int64_t)before, take_posting, &part, &error);
	answer_part(q, object, &part, "number", result, &error);
}

/* --- alarms --- */

cJSON *ops_alarm_object(const struct desk_alarm *alarm)
{
	cJSON *object = cJSON_CreateObject();
	ops_add_number(object, "number", alarm->number);
	ops_add_time(object, "time", alarm->at_ms);
	cJSON_AddStringToObject(object, "box", alarm->box);
	if (alarm->outlet != RECORD_NO_OUTLET)
		ops_add_number(object, "outlet", alarm->outlet + 1);
	cJSON_AddStringToObject(object, "kind", word_name(&desk_alarm_kind_words, alarm->kind));
	cJSON_AddStringToObject(object, "word", alarm->word);
	cJSON_AddStringToObject(object, "detail", alarm->detail);
	return object;
}

static bool take_alarm(void *ctx, const struct desk_alarm *alarm)
{
	return has_room(ctx) && add_row(ctx, ops_alarm_object(alarm));
}

void ops_call_alarms(struct ops_request *q)
{
	struct ops_error error;
	uint64_t before = 0;
	if (!ops_request_number(q, "before", 1, REQUEST_EXACT_MAX, &before))
		return;
	cJSON *object = cJSON_CreateObject();
	struct part part = {.rows = cJSON_AddArrayToObject(object, "alarms")};
	int result = ops_each_alarm(q->server->ops, (int64_t)before, take_alarm, &part, &error);
	answer_part(q, object, &part, NULL, result, &error);
}

/* --- energy over time --- */

struct period {
	int64_t from_ms, to_ms;
	uint64_t step_s;
};

/* False: refused. */
static bool read_period(struct ops_request *q, struct period *period)
{
	*period = (struct period){.step_s = 0};
	if (!ops_request_time(q, "from", &period->from_ms) || !ops_request_time(q, "to", &period->to_ms) ||
	    !ops_request_number(q, "step_s", STEP_LEAST_S, STEP_MAX_S, &period->step_s))
		return false;
	if (period->step_s > 0)
		return true;
	ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "step_s must be given");
	return false;
}

static int add_series(struct ops_request *q, int outlet, const struct period *period, cJSON *outlets,
		      struct ops_error *error)
{
	int64_t energy_mwh[DESK_STEPS_MAX];
	size_t count;
	int found = ops_series(q->server->ops,
			       q->name,
			       outlet,
			       period->from_ms,
			       period->to_ms,
			       (int64_t)period->step_s * MS_PER_S,
			       energy_mwh,
			       &count,
			       error);
	if (found <= 0)
		return found;
	cJSON *item = cJSON_CreateObject();
	cJSON_AddItemToArray(outlets, item);
	ops_add_number(item, "outlet", outlet + 1);
	ops_add_numbers(item, "energy_mwh", energy_mwh, count);
	return 0;
}

void ops_call_series(struct ops_request *q)
{
	struct ops_error error;
	struct period period;
	int result = 0;
	if (!read_period(q, &period))
		return;
	cJSON *object = cJSON_CreateObject();
	ops_add_time(object, "from", period.from_ms);
	ops_add_number(object, "step_s", (int64_t)period.step_s);
	cJSON *outlets = cJSON_AddArrayToObject(object, "outlets");
	for (int outlet = 0; result == 0 && outlet < OUTLETS_MAX; outlet++)
		result = add_series(q, outlet, &period, outlets, &error);
	if (result == 0) {
		ops_answer(q, MHD_HTTP_OK, object);
		return;
	}
	cJSON_Delete(object);
	ops_refuse_core(q, result, &error);
}
