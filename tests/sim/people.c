/* tests/sim/people.c: customers with habits, the technician, the operator. */
#include <stdio.h>
#include <string.h>

#include "world_internal.h"

#define MINUTE_MS INT64_C(60000)
#define FULL_MA INT64_C(500)

static int64_t soon(struct world *w, int64_t low_ms, int64_t high_ms)
{
	return w->options.scripted ? low_ms : chance_between(&w->chance, low_ms, high_ms);
}

static enum outlet_state state_of(struct world *w, unsigned outlet)
{
	struct outlet_view view;
	if (!w->alive)
		return OUTLET_STATE_COUNT;
	box_view(w->box, outlet, &view);
	return view.state;
}

/* --- what a customer does at the server --- */

static void send_command(struct world *w, const struct customer *c, enum command_type type)
{
	struct command command = {.type = type, .outlet = (int)c->outlet, .actor = ACTOR_CUSTOMER};
	struct ops_error error;
	word_copy(command.box, sizeof command.box, WORLD_BOX);
	if (type != COMMAND_UNLOCK)
		memcpy(command.u.session.order, c->order, sizeof c->order);
	if (ops_send(w->ops, &command, world_wall(w), &error) < 0)
		world_trace(w, "%s: %s", c->account, error.text);
	link_push(w);
}

/* A tariff by time of use whose rates change so often that a session sees several. */
static void choose_rates(struct world *w, struct fee_tariff *t)
{
	*t = (struct fee_tariff){
		.id = "periods",
		.version = 2,
		.currency = "CNY",
		.rate_count = 3,
		.rates = {{"valley", 300000}, {"flat", 600000}, {"peak", 1100000}},
		.utc_offset_min = 480,
		.service_price_micros = 50000,
		.quantum_micros = chance_between(&w->chance, 0, 1) ? 10000 : 1,
		.rounding = FEE_ROUND_HALF_UP,
	};
	int64_t each_min = chance_between(&w->chance, 1, 4) * FEE_PERIOD_LEAST_MIN;
	for (int64_t from = 0; from < FEE_DAY_MIN && t->period_count < FEE_PERIODS_MAX; from += each_min)
		t->periods[t->period_count++] = (struct fee_period){.from_min = (uint32_t)from,
								    .rate = (uint32_t)chance_between(&w->chance, 0, 2)};
	for (uint32_t i = 0; i < t->rate_count; i++)
		t->periods[i].rate = i; /* each has a period */
}

static void choose_tariff(struct world *w, struct fee_tariff *t)
{
	static const struct fee_tariff tariffs[] = {
		{.id = "flat-a",
		 .version = 1,
		 .currency = "CNY",
		 .energy_price_micros = 600000,
		 .service_price_micros = 100000,
		 .quantum_micros = 10000,
		 .rounding = FEE_ROUND_HALF_UP},
		{.id = "flat-b",
		 .version = 3,
		 .currency = "CNY",
		 .energy_price_micros = 1234567,
		 .start_fee_micros = 200000,
		 .quantum_micros = 1,
		 .rounding = FEE_ROUND_DOWN},
		{.id = "flat-c",
		 .version = 7,
		 .currency = "EUR",
		 .energy_price_micros = 350000,
		 .service_price_micros = 50001,
		 .start_fee_micros = 100000,
		 .quantum_micros = 10000,
		 .rounding = FEE_ROUND_UP},
	};
	if (w->options.scripted || chance_between(&w->chance, 0, 9) < 7)
		*t = tariffs[w->options.scripted ? 0 : chance_between(&w->chance, 0, 2)];
	else
		choose_rates(w, t);
}

static void choose_grant(struct world *w, struct customer *c, struct grant *g)
{
	bool scripted = w->options.scripted;
	*g = (struct grant){.kind = SESSION_CUSTOMER};
	memcpy(g->account, c->account, sizeof g->account);
	memcpy(g->order, c->order, sizeof g->order);
	choose_tariff(w, &g->tariff);
	g->hold_ms = scripted ? MINUTE_MS : 10 * MINUTE_MS;
	g->mode = w->options.seed % 2 == 1 && (scripted || chance_happens(&w->chance, 500)) ? FEE_REMOTE : FEE_LOCAL;
	g->lease_ms = g->mode == FEE_REMOTE ? 5 * MINUTE_MS : 0;
	g->credit_micros = scripted ? 60000 : chance_between(&w->chance, 50000, 3000000);
	c->until_full = !scripted && chance_happens(&w->chance, 250);
	if (c->until_full) {
		g->full_ma = FULL_MA;
		g->full_ms = chance_between(&w->chance, 1, 10) * MINUTE_MS;
	}
	if (scripted || !chance_happens(&w->chance, 300))
		return;
	switch (chance_between(&w->chance, 0, 2)) {
	case 0:
		g->limit_mwh = chance_between(&w->chance, 10000, 2000000);
		break;
	case 1:
		g->limit_micros = chance_between(&w->chance, 10000, 1000000);
		break;
	default:
		g->limit_ms = chance_between(&w->chance, 1, 30) * MINUTE_MS;
		break;
	}
}

static void keep_account_funded(struct world *w, struct customer *c)
{
	struct ops_error error;
	int64_t balance = 0;
	char key[64];
	if (ops_balance(w->ops, c->account, &balance, &error) < 0 || balance > 5000000)
		return;
	snprintf(key, sizeof key, "%s-recharge-%llu", c->account, (unsigned long long)++w->recharges);
	if (ops_recharge(w->ops, c->account, 20000000, key, &error) < 0)
		checker_violate(&w->checker, 5, "recharge: %s", error.text);
	else
		w->recharged_micros[c - w->customers < WORLD_ACCOUNTS ? c - w->customers : WORLD_ACCOUNTS - 1] +=
			20000000;
}

static void order(struct world *w, struct customer *c)
{
	struct ops_order o = {.outlet = 0};
	struct ops_error error;
	if (!world_is_busy(w) || (w->options.scripted && c->orders > 0))
		return;
	keep_account_funded(w, c);
	c->outlet = (unsigned)chance_between(&w->chance, 0, w->box_config.outlet_count - 1);
	snprintf(c->order, sizeof c->order, "%.20s-%llu", c->account, (unsigned long long)c->orders + 1);
	word_copy(o.box, sizeof o.box, WORLD_BOX);
	o.outlet = (int)c->outlet;
	choose_grant(w, c, &o.grant);
	enum outlet_state state = state_of(w, c->outlet);
	if (state != OUTLET_AVAILABLE && state != OUTLET_RESERVED)
		return;
	if (ops_create_order(w->ops, &o, world_wall(w), &error) < 0) {
		world_trace(w, "%s cannot order: %s", c->account, error.text);
		return;
	}
	c->orders++;
	c->phase = CUSTOMER_ORDERED;
	c->leaves_ms = w->now_ms + 15 * MINUTE_MS;
	link_push(w);
}

/* --- what a customer does at the box --- */

static bool enter(struct world *w, struct customer *c)
{
	return !w->plant_config.outlets[c->outlet].user_door_fitted || plant_open_door(w->plant, (int)c->outlet, false);
}

static void leave(struct world *w, struct customer *c)
{
	if (w->plant_config.outlets[c->outlet].user_door_fitted)
		plant_close_door(w->plant, (int)c->outlet);
}

/* A battery: it charges for a while, some too short for being charged at all, and then draws next to nothing. */
static void plug_battery(struct world *w, struct customer *c)
{
	int64_t rated = w->box_config.outlets[c->outlet].rated_mw;
	int64_t trickle_mw = chance_between(&w->chance, 20000, 100000);
	int64_t permille = rated * chance_between(&w->chance, 10, 100) / 100 * 1000 / trickle_mw;
	struct plant_load load = {
		.power_mw = trickle_mw,
		.inrush_permille = permille < PLANT_INRUSH_MAX_PERMILLE ? permille : PLANT_INRUSH_MAX_PERMILLE,
		.inrush_ms = chance_between(&w->chance, 20000, 20 * MINUTE_MS),
	};
	plant_plug(w->plant, c->outlet, &load);
}

static void plug(struct world *w, struct customer *c)
{
	struct plant_load load = {.inrush_permille = 1000};
	int64_t rated = w->box_config.outlets[c->outlet].rated_mw;
	if (c->until_full && chance_happens(&w->chance, 700)) {
		plug_battery(w, c);
		return;
	}
	load.power_mw = w->options.scripted ? rated : rated * chance_between(&w->chance, 5, 100) / 100;
	if (!w->options.scripted && chance_happens(&w->chance, 300)) {
		load.on_ms = chance_between(&w->chance, 10000, 300000);
		load.off_ms = chance_between(&w->chance, 5000, 300000);
	}
	plant_plug(w->plant, c->outlet, &load);
}

static bool order_is_over(struct world *w, const struct customer *c)
{
	struct ops_order o;
	struct ops_error error;
	return ops_get_order(w->ops, c->order, &o, &error) == 0 &&
	       (o.state == OPS_ORDER_DONE || o.state == OPS_ORDER_CANCELLED);
}

/* The session is gone from the box: nothing is left to do there. */
static bool has_left(struct world *w, const struct customer *c)
{
	if (!w->alive)
		return false;
	const struct session_image *s = &box_image(w->box)->outlets[c->outlet].session;
	return strcmp(s->grant.order, c->order) != 0;
}

static void open_and(struct world *w, struct customer *c, void (*act)(struct world *, struct customer *),
		     enum customer_phase next)
{
	if (c->door_held) {
		act(w, c);
		leave(w, c);
		c->door_held = false;
		c->phase = next;
	} else if (enter(w, c)) {
		c->door_held = true; /* the door is open until the next turn */
	}
}

static void unplug(struct world *w, struct customer *c)
{
	static const struct plant_load nothing = {.inrush_permille = 1000};
	plant_plug(w->plant, c->outlet, &nothing);
}

static void supplied(struct world *w, struct customer *c)
{
	struct ops_error error;
	char key[64];
	if (order_is_over(w, c)) {
		c->phase = CUSTOMER_COLLECTS;
	} else if (w->now_ms >= c->leaves_ms) {
		send_command(w, c, COMMAND_STOP);
	} else if (!plant_energised(w->plant, c->outlet)) {
		send_command(w, c, COMMAND_START);
	} else if (c->tops_up_ms != 0 && w->now_ms >= c->tops_up_ms) {
		snprintf(key, sizeof key, "%s-top-up", c->order);
		if (ops_add_credit(w->ops, c->order, 100000, key, world_wall(w), &error) < 0)
			world_trace(w, "%s cannot top up: %s", c->account, error.text);
		c->tops_up_ms = 0;
		link_push(w);
	}
}

static void collect(struct world *w, struct customer *c)
{
	if (c->door_held || plant_unlocked(w->plant, (int)c->outlet) ||
	    !w->plant_config.outlets[c->outlet].user_door_fitted) {
		open_and(w, c, unplug, CUSTOMER_COLLECTS);
		if (!c->door_held)
			send_command(w, c, COMMAND_DEPARTED);
	} else {
		send_command(w, c, COMMAND_UNLOCK);
	}
}

static void pressing_start(struct world *w, struct customer *c)
{
	if (order_is_over(w, c)) {
		c->phase = CUSTOMER_COLLECTS;
	} else if (plant_energised(w->plant, c->outlet)) {
		c->phase = CUSTOMER_SUPPLIED;
		c->leaves_ms = w->now_ms + (w->options.scripted ? MINUTE_MS : soon(w, 3 * MINUTE_MS, 90 * MINUTE_MS));
		c->tops_up_ms = chance_happens(&w->chance, 300) ? w->now_ms + soon(w, 5000, 10 * MINUTE_MS) : 0;
	} else if (w->now_ms >= c->leaves_ms) {
		send_command(w, c, COMMAND_STOP);
	} else if (state_of(w, c->outlet) == OUTLET_READY) {
		send_command(w, c, COMMAND_START);
	}
}

static void customer_turn(struct world *w, struct customer *c)
{
	bool gone = c->phase != CUSTOMER_AWAY && has_left(w, c);
	if (gone && c->phase >= CUSTOMER_SUPPLIED && !order_is_over(w, c))
		return; /* only the server does not know yet */
	if (gone && order_is_over(w, c)) {
		unplug(w, c);
		leave(w, c);
		c->door_held = false;
		c->phase = CUSTOMER_AWAY;
		return;
	}
	switch (c->phase) {
	case CUSTOMER_AWAY:
		order(w, c);
		break;
	case CUSTOMER_ORDERED:
		if (order_is_over(w, c))
			c->phase = CUSTOMER_COLLECTS;
		else if (state_of(w, c->outlet) == OUTLET_UNLOCKED || state_of(w, c->outlet) == OUTLET_READY)
			open_and(w, c, plug, CUSTOMER_PLUGGED);
		break;
	case CUSTOMER_PLUGGED:
		pressing_start(w, c);
		break;
	case CUSTOMER_SUPPLIED:
		supplied(w, c);
		break;
	case CUSTOMER_COLLECTS:
		collect(w, c);
		break;
	}
}

/* --- the technician --- */

static void act_locally(struct world *w, unsigned outlet, enum command_type type)
{
	struct command command = {.type = type, .outlet = (int)outlet, .actor = ACTOR_TECHNICIAN};
	struct command_origin origin = {.verified = true, .local = true};
	word_copy(command.box, sizeof command.box, WORLD_BOX);
	word_copy(command.name, sizeof command.name, "Ada");
	snprintf(command.id, sizeof command.id, "local-%llu", (unsigned long long)++w->technician_visits);
	if (type == COMMAND_SERVICE || type == COMMAND_START || type == COMMAND_STOP)
		snprintf(command.u.session.order,
			 sizeof command.u.session.order,
			 "service-%llu",
			 (unsigned long long)(type == COMMAND_SERVICE ? w->technician_visits :
					      type == COMMAND_START   ? w->technician_visits - 1 :
									w->technician_visits - 2));
	(void)board_command(w, &command, &origin); /* without room nothing happens: they try again */
}

static void mend(struct world *w, unsigned outlet)
{
	plant_set_fault(w->plant, outlet, PLANT_WELDED | PLANT_STUCK_OPEN | PLANT_BYPASSED, false);
	plant_reset_trip(w->plant, outlet);
	plant_close_door(w->plant, PLANT_METERING_BOX);
	checker_cause_ends(&w->checker, (int)outlet, CAUSE_BREAKER);
}

void people_call_technician(struct world *w, unsigned outlet)
{
	if (w->technician_called[outlet])
		return;
	w->technician_called[outlet] = true;
	world_plan(w, HAPPENS_TECHNICIAN, soon(w, 2 * MINUTE_MS, 30 * MINUTE_MS))->number = (int)outlet;
}

/* value is the stage of the visit: mend, wait until the meter shows it, clear, try it in a service session. */
static void technician_turn(struct world *w, const struct happening *h)
{
	static const int64_t waits_ms[] = {5000, 2000, 2000, 15000};
	unsigned outlet = (unsigned)h->number;
	switch (h->value) {
	case 0:
		mend(w, outlet);
		break;
	case 1:
		act_locally(w, outlet, COMMAND_CLEAR_FAULT);
		break;
	case 2:
		act_locally(w, outlet, COMMAND_SERVICE);
		break;
	case 3:
		act_locally(w, outlet, COMMAND_START);
		break;
	default:
		act_locally(w, outlet, COMMAND_STOP);
		w->technician_called[outlet] = false;
		return;
	}
	struct happening *next = world_plan(w, HAPPENS_TECHNICIAN, waits_ms[h->value]);
	next->number = h->number;
	next->value = h->value + 1;
}

/* --- the operator: reserves, takes out of service, lets a technician into the metering box --- */

enum operator_act {
	OPERATOR_CHOOSES,
	OPERATOR_PUTS_BACK, /* an outlet into service */
	OPERATOR_WATCHES_DOOR, /* the metering box was unlocked: somebody goes in */
	OPERATOR_SHUTS_DOOR,
};

static void operate(struct world *w, unsigned outlet, struct command *command)
{
	struct ops_error error;
	command->outlet = command->type == COMMAND_UNLOCK ? RECORD_NO_OUTLET : (int)outlet;
	word_copy(command->box, sizeof command->box, WORLD_BOX);
	if (ops_send(w->ops, command, world_wall(w), &error) < 0)
		world_trace(w, "operator: %s", error.text);
	link_push(w);
}

static void plan_operator(struct world *w, enum operator_act act, unsigned outlet, int64_t in_ms)
{
	struct happening *h = world_plan(w, HAPPENS_OPERATOR, in_ms);
	h->value = act;
	h->number = (int)outlet;
}

static void set_out_of_service(struct world *w, unsigned outlet, bool out)
{
	struct command c = {.type = COMMAND_OUT_OF_SERVICE, .actor = ACTOR_OPERATOR, .u.out_of_service.out = out};
	operate(w, outlet, &c);
}

static void reserve(struct world *w, unsigned outlet)
{
	struct command c = {.type = COMMAND_RESERVE, .actor = ACTOR_OPERATOR};
	snprintf(c.u.reserve.account, sizeof c.u.reserve.account, "account-%d", (int)chance_between(&w->chance, 0, 2));
	c.u.reserve.hold_ms = chance_between(&w->chance, 1, 60) * MINUTE_MS;
	operate(w, outlet, &c);
}

static void unlock_metering_box(struct world *w)
{
	struct command c = {.type = COMMAND_UNLOCK, .actor = ACTOR_TECHNICIAN, .name = "Ada"};
	word_copy(c.u.unlock.work_order, sizeof c.u.unlock.work_order, "work-order-1");
	operate(w, 0, &c);
	plan_operator(w, OPERATOR_WATCHES_DOOR, 0, 5000);
}

static void choose_act(struct world *w)
{
	unsigned outlet = (unsigned)chance_between(&w->chance, 0, w->box_config.outlet_count - 1);
	if (!world_is_busy(w))
		return;
	switch (chance_between(&w->chance, 0, 2)) {
	case 0:
		set_out_of_service(w, outlet, true);
		plan_operator(w, OPERATOR_PUTS_BACK, outlet, chance_between(&w->chance, 10, 60) * MINUTE_MS);
		break;
	case 1:
		reserve(w, outlet);
		break;
	default:
		unlock_metering_box(w);
		break;
	}
	plan_operator(w, OPERATOR_CHOOSES, 0, chance_between(&w->chance, 30, 300) * MINUTE_MS);
}

/* Goes in as soon as the lock gives way, and stays a while: a door that is opened with leave is no tamper. */
static void watch_door(struct world *w)
{
	if (!plant_unlocked(w->plant, PLANT_METERING_BOX) || !plant_open_door(w->plant, PLANT_METERING_BOX, false))
		return;
	checker_cause(&w->checker, RECORD_NO_OUTLET, CAUSE_DOOR);
	plan_operator(w, OPERATOR_SHUTS_DOOR, 0, chance_between(&w->chance, 20000, 5 * MINUTE_MS));
}

static void operator_turn(struct world *w, const struct happening *h)
{
	switch ((enum operator_act)h->value) {
	case OPERATOR_CHOOSES:
		choose_act(w);
		break;
	case OPERATOR_PUTS_BACK:
		set_out_of_service(w, (unsigned)h->number, false);
		break;
	case OPERATOR_WATCHES_DOOR:
		watch_door(w);
		break;
	case OPERATOR_SHUTS_DOOR:
		plant_close_door(w->plant, PLANT_METERING_BOX);
		break;
	}
}

/* --- all --- */

void people_begin(struct world *w)
{
	if (!w->options.scripted)
		plan_operator(w, OPERATOR_CHOOSES, 0, soon(w, 10 * MINUTE_MS, 200 * MINUTE_MS));
	struct ops_error error;
	int customers = w->options.scripted ? 1 : WORLD_CUSTOMERS;
	for (int i = 0; i < customers; i++) {
		struct customer *c = &w->customers[i];
		enum ops_account_kind kind = chance_happens(&w->chance, 500) ? OPS_BOUND : OPS_SHARED;
		/* The last two share an account: one account, several outlets. */
		snprintf(c->account, sizeof c->account, "account-%d", i < 3 ? i : 2);
		if (i == 3)
			c->orders = 1000000;
		if (i < 3 && ops_add_account(w->ops, c->account, kind, kind == OPS_BOUND ? 2000000 : 0, &error) < 0)
			checker_violate(&w->checker, 5, "account: %s", error.text);
		world_plan(w, HAPPENS_CUSTOMER, soon(w, 3000, MINUTE_MS))->number = i;
	}
}

void people_happen(struct world *w, const struct happening *h)
{
	if (h->type == HAPPENS_TECHNICIAN) {
		technician_turn(w, h);
		return;
	}
	if (h->type == HAPPENS_OPERATOR) {
		operator_turn(w, h);
		return;
	}
	struct customer *c = &w->customers[h->number];
	customer_turn(w, c);
	bool away = c->phase == CUSTOMER_AWAY;
	if (away && !world_is_busy(w))
		return;
	int64_t pause_ms = away && !w->options.scripted ? chance_between(&w->chance, MINUTE_MS, 120 * MINUTE_MS) :
							  soon(w, 3000, 15000);
	world_plan(w, HAPPENS_CUSTOMER, pause_ms)->number = h->number;
}

bool people_are_done(const struct world *w)
{
	for (int i = 0; i < WORLD_CUSTOMERS; i++) {
		if (w->customers[i].phase != CUSTOMER_AWAY)
			return false;
	}
	for (unsigned i = 0; i < w->box_config.outlet_count; i++) {
		if (w->technician_called[i])
			return false;
	}
	return true;
}
