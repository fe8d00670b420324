/* tools/ops/core/customers.c: see customers.h.
 *
 * Room: tools/ops/core. */
#include "customers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "offers.h"
#include "ops_internal.h"
#include "store_customers.h"

_Static_assert(OPS_CODE_SIZE == PLACE_CODE_SIZE, "an order must hold the code of its place");

/* What a command's result says when nobody has refused it: see books.c. */
static const char result_over[] = "over";

/* --- whose --- */

int ops_own_order(struct ops *ops, const char *account, const char *number, struct ops_order *order,
		  struct ops_error *error)
{
	int result = ops_need_order(ops, number, order, error);
	if (result < 0)
		return result;
	if (order->sale.code[0] == '\0' || strcmp(order->grant.account, account) != 0)
		return ops_fail(error, -ENOENT, "no order %s", number);
	return 0;
}

int ops_next_own_order(struct ops *ops, const char *account, struct order_cursor *cursor, struct ops_order *order,
		       struct ops_error *error)
{
	int64_t before_ms = cursor->made_ms > 0 ? cursor->made_ms : INT64_MAX;
	int found = store_next_customers_order(ops->store, account, before_ms, cursor->number, order, error);
	if (found > 0) {
		cursor->made_ms = order->made_ms;
		memcpy(cursor->number, order->grant.order, sizeof cursor->number);
	}
	return found;
}

/* --- a new order --- */

static bool number_is_valid(const char *number)
{
	return number != NULL && strncmp(number, "c-", 2) == 0 &&
	       strspn(number + 2, "0123456789abcdef") == CUSTOMERS_NUMBER_DIGITS &&
	       number[2 + CUSTOMERS_NUMBER_DIGITS] == '\0';
}

/* The limit that belongs to what the wish ends at; NULL for none. */
static const int64_t *limit_of(const struct order_wish *wish)
{
	switch (wish->until) {
	case OPS_UNTIL_ENERGY:
		return &wish->limit_mwh;
	case OPS_UNTIL_TIME:
		return &wish->limit_ms;
	case OPS_UNTIL_AMOUNT:
		return &wish->limit_micros;
	case OPS_UNTIL_CREDIT:
	case OPS_UNTIL_FULL:
	case OPS_UNTIL_COUNT:
		break;
	}
	return NULL;
}

static int check_wish(const struct order_wish *wish, struct ops_error *error)
{
	const int64_t *const limits[] = {&wish->limit_mwh, &wish->limit_ms, &wish->limit_micros};
	if (!number_is_valid(wish->number))
		return ops_fail(error,
				-EINVAL,
				"order must be c- and %d lower-case hexadecimal digits",
				CUSTOMERS_NUMBER_DIGITS);
	if ((unsigned)wish->until >= OPS_UNTIL_COUNT)
		return ops_fail(error, -EINVAL, "until must be energy, time, amount, full or credit");
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		bool wanted = limits[i] == limit_of(wish);
		if (wanted ? *limits[i] <= 0 : *limits[i] != 0)
			return ops_fail(error, -EINVAL, "give the limit of until, above 0, and no other");
	}
	if (wish->credit_micros < 0 || wish->credit_micros > FEE_MONEY_MAX_MICROS)
		return ops_fail(error, -EINVAL, "credit_micros must be at most 10^15");
	return 0;
}

static bool same_wish(const struct order_wish *wish, const struct ops_order *order)
{
	const struct grant *g = &order->grant;
	return strcmp(g->account, wish->account) == 0 && strcmp(order->sale.code, wish->code) == 0 &&
	       order->sale.until == wish->until && order->sale.agreement == wish->agreement &&
	       g->limit_mwh == wish->limit_mwh && g->limit_ms == wish->limit_ms &&
	       g->limit_micros == wish->limit_micros;
}

/* Why nobody, or not this account, can have the outlet now; NULL when it can. */
static const char *judge_outlet(const struct outlet_image *outlet, const struct order_wish *wish)
{
	if (!wish->connected)
		return "the outlet cannot be reached at the moment";
	if (outlet->out_of_service)
		return "the outlet is out of service";
	if (outlet->fault != FAULT_NONE)
		return "the outlet has a fault";
	if (outlet->session.phase != PHASE_NONE)
		return "the outlet is in use";
	if (outlet->reserved_for[0] != '\0' && strcmp(outlet->reserved_for, wish->account) != 0)
		return "the outlet is reserved for somebody else";
	return NULL;
}

/* Whether an order that is not over, perhaps still on its way, is for the outlet. 1, 0 or a negative errno. */
static int is_ordered(struct ops *ops, const struct place *place, struct ops_error *error)
{
	struct ops_order order = {.outlet = -1};
	int found;
	do {
		found = store_next_open_order(
			ops->store, place->box, order.grant.account, order.grant.order, &order, error);
	} while (found > 0 && order.outlet != place->outlet);
	return found;
}

/* Whether it would be sold as the customer has seen it. False with the outcome and *error. */
static bool judge_terms(const struct order_wish *wish, uint32_t agreement, const struct fee_tariff *tariff,
			enum wish_outcome *outcome, struct ops_error *error)
{
	*outcome = WISH_AGREEMENT_CHANGED;
	if (wish->agreement != agreement)
		return ops_fail(
			error, false, "the agreement has changed: read and accept version %u", (unsigned)agreement);
	*outcome = WISH_TARIFF_CHANGED;
	if (wish->tariff != NULL && (strcmp(wish->tariff, tariff->id) != 0 || wish->tariff_version != tariff->version))
		return ops_fail(error,
				false,
				"the price has changed: it is tariff %s, version %u now",
				tariff->id,
				(unsigned)tariff->version);
	*outcome = WISH_UNAVAILABLE;
	if (wish->currency != NULL && strcmp(wish->currency, tariff->currency) != 0)
		return ops_fail(error,
				false,
				"the outlet's price is in %s, the account in %s",
				tariff->currency,
				wish->currency);
	return true;
}

/* Sets the outcome, WISH_MADE when nothing is in the way. */
static int judge_wish(struct ops *ops, const struct order_wish *wish, const struct place *place,
		      const struct fee_tariff *tariff, enum wish_outcome *outcome, struct ops_error *error)
{
	struct outlet_image outlet;
	uint32_t agreement;
	int64_t open;
	int result = ops_agreement_version(ops, &agreement, error);
	if (result < 0 || !judge_terms(wish, agreement, tariff, outcome, error))
		return result;
	*outcome = WISH_UNAVAILABLE;
	if ((result = ops_outlet(ops, place->box, place->outlet, &outlet, error)) < 0)
		return result;
	const char *why = judge_outlet(&outlet, wish);
	if (why != NULL)
		return ops_fail(error, 0, "%s", why);
	int ordered = is_ordered(ops, place, error);
	if (ordered != 0)
		return ordered < 0 ? ordered : ops_fail(error, 0, "somebody has just ordered the outlet");
	if ((result = store_count_open_orders(ops->store, wish->account, &open, error)) < 0)
		return result;
	if (open >= CUSTOMERS_ORDERS_MAX)
		return ops_fail(error, 0, "you have %d orders that are not over; end one first", (int)open);
	*outcome = WISH_MADE;
	return 0;
}

/* How much is held for it. -EDQUOT when that is too little. */
static int choose_credit(struct ops *ops, const struct order_wish *wish, const struct place *place, struct grant *grant,
			 struct ops_error *error)
{
	struct ops_order other;
	int64_t spendable;
	int result = ops_spendable(ops, wish->account, &spendable, error);
	if (result < 0)
		return result;
	if (wish->until == OPS_UNTIL_AMOUNT && wish->limit_micros > spendable)
		return ops_fail(error, -EDQUOT, "the account has less than that amount: recharge first");
	int64_t most = spendable > 0 ? spendable : 0;
	if (wish->credit_micros > 0 && wish->credit_micros < most)
		most = wish->credit_micros;
	int64_t need = most;
	if (wish->until == OPS_UNTIL_AMOUNT)
		need = wish->limit_micros;
	else if (wish->until == OPS_UNTIL_ENERGY)
		need = fee_headroom_micros(&grant->tariff, 0, wish->limit_mwh);
	grant->credit_micros = need < most ? need : most;
	if (grant->credit_micros > 0)
		return 0;
	/* It may share what the account's other sessions on the box hold. */
	int found = store_next_open_order(ops->store, place->box, wish->account, "", &other, error);
	if (found < 0 || (found > 0 && strcmp(other.grant.account, wish->account) == 0))
		return found < 0 ? found : 0;
	return ops_fail(error, -EDQUOT, "there is no money on the account: recharge first");
}

static int create(struct ops *ops, const struct order_wish *wish, const struct place *place,
		  const struct fee_tariff *tariff, int64_t now_ms, struct ops_error *error)
{
	struct ops_order order = {.outlet = place->outlet};
	struct grant *grant = &order.grant;
	grant->tariff = *tariff;
	int result = choose_credit(ops, wish, place, grant, error);
	if (result < 0)
		return result;
	memcpy(order.box, place->box, sizeof order.box);
	word_copy(grant->order, sizeof grant->order, wish->number);
	word_copy(grant->account, sizeof grant->account, wish->account);
	grant->kind = SESSION_CUSTOMER;
	grant->mode = place->mode;
	grant->lease_ms = place->mode == FEE_REMOTE ? place->lease_ms : 0;
	grant->hold_ms = place->hold_ms;
	grant->limit_mwh = wish->limit_mwh;
	grant->limit_ms = wish->limit_ms;
	grant->limit_micros = wish->limit_micros;
	if (wish->until == OPS_UNTIL_FULL) {
		grant->full_ma = place->full_ma;
		grant->full_ms = place->full_ms;
	}
	order.sale = (struct ops_sale){.until = wish->until, .agreement = wish->agreement, .agreed_ms = now_ms};
	memcpy(order.sale.code, place->code, sizeof order.sale.code);
	return ops_create_order(ops, &order, now_ms, error);
}

int ops_make_order(struct ops *ops, const struct order_wish *wish, int64_t now_ms, enum wish_outcome *outcome,
		   struct ops_error *error)
{
	struct ops_order before;
	struct place place;
	struct fee_tariff tariff;
	int result = check_wish(wish, error);
	if (result < 0 || (result = ops_check_time(now_ms, error)) < 0)
		return result;
	int found = store_get_order(ops->store, wish->number, &before, error);
	*outcome = WISH_KNOWN;
	if (found < 0 || (found > 0 && same_wish(wish, &before)))
		return found < 0 ? found : 0;
	if (found > 0)
		return ops_fail(error, -EEXIST, "the number %s stands for another order", wish->number);
	*outcome = WISH_NOT_OFFERED;
	result = ops_get_place(ops, wish->code, &place, error);
	if (result == -ENOENT || result == -EINVAL)
		return ops_fail(error, 0, "no outlet with this code is for sale");
	if (result == 0)
		result = ops_get_tariff(ops, place.tariff, 0, &tariff, error);
	if (result == 0)
		result = judge_wish(ops, wish, &place, &tariff, outcome, error);
	return result < 0 || *outcome != WISH_MADE ? result : create(ops, wish, &place, &tariff, now_ms, error);
}

/* --- buttons --- */

/* Why the button does nothing in the order's state, or NULL. */
static const char *judge_press(const struct ops_order *order, const struct order_trace *trace, enum command_type type)
{
	bool open = order->state == OPS_ORDER_OPEN;
	if (type == COMMAND_START)
		return open ? NULL : "the order is not open at the outlet";
	if (type == COMMAND_STOP) /* it acts late, too: one may give up before the box has answered */
		return ops_order_is_open(order) ? NULL : "the order is over";
	if (type == COMMAND_UNLOCK)
		return open || trace->finishing ? NULL : "the order is not at the outlet";
	if (type == COMMAND_DEPARTED)
		return trace->finishing ? NULL : "the order does not wait for its plug to be taken";
	return "no customer's button";
}

int ops_press(struct ops *ops, const char *account, const char *number, enum command_type type, int64_t now_ms,
	      bool *queued, struct ops_error *error)
{
	struct command command = {.type = type, .actor = ACTOR_CUSTOMER};
	struct ops_order order;
	struct order_trace trace;
	*queued = false;
	int result = ops_own_order(ops, account, number, &order, error);
	if (result < 0 || (result = ops_trace_order(ops, &order, &trace, error)) < 0)
		return result;
	const char *why = judge_press(&order, &trace, type);
	if (why != NULL)
		return ops_fail(error, -EAGAIN, "%s", why);
	if (trace.pending[type])
		return 0;
	memcpy(command.box, order.box, sizeof command.box);
	command.outlet = order.outlet;
	if (type != COMMAND_UNLOCK)
		memcpy(command.u.session.order, order.grant.order, sizeof command.u.session.order);
	result = ops_send_for(ops, &command, order.grant.order, now_ms, error);
	*queued = result == 0;
	return result;
}

int ops_add_own_credit(struct ops *ops, const char *account, const char *number, int64_t micros, const char *key,
		       int64_t now_ms, struct ops_error *error)
{
	char whole[OPS_KEY_SIZE];
	int64_t pressed[COMMAND_TYPE_COUNT];
	struct ops_order order;
	const char *state;
	int result = ops_own_order(ops, account, number, &order, error);
	if (result < 0 || (result = ops_check_name(key, CUSTOMERS_KEY_SIZE, "key", error)) < 0)
		return result;
	snprintf(whole, sizeof whole, "%s:%s", number, key);
	result = ops_credit_state(ops, whole, &state, error);
	if (result == -ENOENT) {
		if ((result = store_count_pressed(ops->store, number, pressed, error)) < 0)
			return result;
		if (pressed[COMMAND_CREDIT] >= CUSTOMERS_CREDITS_MAX)
			return ops_fail(error, -EAGAIN, "the outlet has not taken the credit from before yet");
	}
	return result < 0 ? result : ops_add_credit(ops, number, micros, whole, now_ms, error);
}

/* --- what became of it --- */

static int trace_latest(struct ops *ops, const char *number, struct order_trace *trace, struct ops_error *error)
{
	char result[COMMAND_RESULT_SIZE];
	int found = store_latest_pressed(ops->store, number, &trace->refused_type, result, trace->why, error);
	if (found <= 0)
		return found;
	trace->refused = result[0] != '\0' && strcmp(result, result_over) != 0 &&
			 strcmp(result, word_name(&command_outcome_words, COMMAND_DONE)) != 0;
	if (trace->why[0] == '\0')
		word_copy(trace->why, sizeof trace->why, result);
	return 0;
}

int ops_trace_order(struct ops *ops, const struct ops_order *order, struct order_trace *trace, struct ops_error *error)
{
	const char *number = order->grant.order;
	int64_t pressed[COMMAND_TYPE_COUNT];
	struct outlet_image outlet;
	*trace = (struct order_trace){.mine = false};
	int result = ops_outlet(ops, order->box, order->outlet, &outlet, error);
	if (result < 0 || (result = store_count_pressed(ops->store, number, pressed, error)) < 0)
		return result;
	for (int i = 0; i < COMMAND_TYPE_COUNT; i++)
		trace->pending[i] = pressed[i] > 0;
	trace->mine = outlet.session.phase != PHASE_NONE && strcmp(outlet.session.grant.order, number) == 0;
	trace->finishing = trace->mine && outlet.session.phase == PHASE_ENDED;
	return trace_latest(ops, number, trace, error);
}

void ops_order_bill(const struct ops_order *order, struct fee_bill *bill)
{
	struct fee_energy energy = order->receipt.by_rate;
	if (!fee_by_time(&order->grant.tariff))
		energy.mwh[0] = order->receipt.energy_mwh;
	if (!fee_price(&order->grant.tariff, &energy, bill) || bill->total_micros != order->billed_micros)
		*bill = (struct fee_bill){.line_count = 0};
}
