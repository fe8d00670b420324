/* Tests tools/ops/core/customers.h: orders by a code, buttons, credit, what the customer sees, and what is not theirs.
 *
 * Room: tests/unit; a small box writes records that follow and are linked. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "customers.h"
#include "offers.h"
#include "ops_sides.h"

#define BOX "box-1"
#define NOW INT64_C(1790000000000)
#define KWH INT64_C(1000000)
#define EURO INT64_C(1000000)
#define TEXTS_MAX 128
#define ORDER_1 "c-00000000000000000000000000000001"
#define ORDER_2 "c-00000000000000000000000000000002"
#define OK(call) ck_assert_msg((call) == 0, "%s", error.text)
#define FAILS(call, code) ck_assert_int_eq((call), (code))

static struct ops *ops;
static struct ops_error error;
static uint64_t chance = 1;

/* What the box has written. */
static struct {
	char ledger[LEDGER_ID_SIZE];
	char tip[RECORD_HASH_SIZE];
	struct box_image image;
	char *texts[TEXTS_MAX];
	size_t count, sent;
} box;

/* --- the box's side --- */

static void write_record(struct record r)
{
	struct record_link link;
	r.seq = box.image.seq + 1;
	r.boot = 1;
	r.at = (struct moment){(int64_t)r.seq * 1000, NOW + (int64_t)r.seq, TIME_SYNCHRONISED};
	const char *fault = image_apply(&box.image, &r);
	ck_assert_msg(fault == NULL, "%s", fault);
	memcpy(link.ledger, box.ledger, sizeof link.ledger);
	memcpy(link.prev, box.tip, sizeof link.prev);
	ck_assert_uint_lt(box.count, TEXTS_MAX);
	char *text = wire_write_record(&r, &link);
	ck_assert_ptr_nonnull(text);
	box.texts[box.count++] = text;
	hash_text(text, box.tip);
}

static struct record record(enum record_kind kind, int outlet, const char *order)
{
	struct record r = {.kind = kind, .outlet = outlet};
	word_copy(r.order, sizeof r.order, order);
	return r;
}

static void with_register(struct record r, int64_t register_mwh)
{
	r.has_register = true;
	r.register_mwh = register_mwh;
	write_record(r);
}

static void meter(int outlet, const char *serial, int64_t register_mwh)
{
	struct record r = record(RECORD_METER, outlet, "");
	word_copy(r.u.meter.serial, sizeof r.u.meter.serial, serial);
	with_register(r, register_mwh);
}

static void ended(int outlet, const char *order, enum end_reason reason, int64_t register_mwh)
{
	const struct session_image *s = &box.image.outlets[outlet].session;
	struct record r = record(RECORD_ENDED, outlet, order);
	struct fee_energy used = s->used;
	if (!s->started_once) {
		r.u.ended = (struct receipt){.reason = reason, .start_mwh = register_mwh, .settled = true};
		write_record(r);
		return;
	}
	used.mwh[s->rate] += register_mwh - box.image.outlets[outlet].register_mwh;
	r.u.ended = (struct receipt){.reason = reason, .start_mwh = s->start_mwh, .settled = true};
	r.u.ended.energy_mwh = register_mwh - s->start_mwh;
	r.u.ended.by_rate = session_by_rate(&s->grant, &used);
	if (!end_reason_is_ours(reason))
		r.u.ended.amount_micros = session_cost_micros(&s->grant, &used);
	with_register(r, register_mwh);
}

static void post(void)
{
	struct ops_intake answer;
	OK(ops_intake(ops,
		      BOX,
		      box.ledger,
		      (const char *const *)box.texts + box.sent,
		      box.count - box.sent,
		      NOW,
		      &answer,
		      &error));
	ck_assert_msg(answer.refused_count == 0, "%s", answer.refused[0].why);
	box.sent = box.count;
}

static struct command commands[TEXTS_MAX];
static size_t command_count;

static bool take_command(void *ctx, uint64_t seq, const char *text, size_t length)
{
	struct wire_error wire;
	(void)ctx;
	(void)seq;
	ck_assert_msg(wire_read_command(text, length, &commands[command_count], &wire), "%s", wire.text);
	return ++command_count < TEXTS_MAX;
}

static void list_commands(void)
{
	command_count = 0;
	OK(ops_commands(ops, BOX, 0, false, take_command, NULL, &error));
}

/* The box decides the one command of that type that is pending; authorize writes its session. */
static void decide(enum command_type type, enum command_outcome outcome, const char *why)
{
	struct command *c = commands;
	list_commands();
	while (c < commands + command_count && c->type != type)
		c++;
	ck_assert_msg(c < commands + command_count, "no %s is pending", word_name(&command_type_words, type));
	if (type == COMMAND_AUTHORIZE && outcome == COMMAND_DONE) {
		struct record r = record(RECORD_AUTHORIZED, c->outlet, c->u.authorize.order);
		r.u.authorized = c->u.authorize;
		write_record(r);
	}
	struct record r = record(RECORD_COMMAND, c->outlet, "");
	memcpy(r.u.command.id, c->id, sizeof r.u.command.id);
	r.u.command.seq = command_is_stop(type) ? 0 : c->seq;
	r.u.command.type = type;
	r.u.command.actor = c->actor;
	r.u.command.outcome = outcome;
	word_copy(r.u.command.detail, sizeof r.u.command.detail, why);
	write_record(r);
	post();
}

/* --- the server's side --- */

static struct fee_tariff flat = {.id = "flat",
				 .currency = "EUR",
				 .energy_price_micros = EURO,
				 .start_fee_micros = 100000,
				 .quantum_micros = 10000,
				 .rounding = FEE_ROUND_HALF_UP};

static void new_box(void)
{
	struct record r = record(RECORD_BOOT, RECORD_NO_OUTLET, "");
	memset(&box, 0, sizeof box);
	word_copy(box.ledger, sizeof box.ledger, "00000000000000000000000000000abc");
	hash_text(box.ledger, box.tip);
	write_record(r);
	meter(0, "m-1", 7 * KWH);
	meter(1, "m-2", 0);
	post();
}

static void put_place(const char *code, int outlet, enum fee_mode mode)
{
	struct place place = {.outlet = outlet,
			      .mode = mode,
			      .hold_ms = 600000,
			      .lease_ms = 60000,
			      .full_ma = 500,
			      .full_ms = 600000,
			      .box = BOX,
			      .tariff = "flat",
			      .label = "By the door"};
	word_copy(place.code, sizeof place.code, code);
	OK(ops_put_place(ops, &place, &error));
}

static void setup(void)
{
	struct ops_options options = {.path = ":memory:", .random = give_random, .ctx = &chance, .command_ms = 60000};
	OK(ops_open(&options, &ops, &error));
	OK(ops_add_box(ops, BOX, &error));
	new_box();
	OK(ops_put_tariff(ops, &flat, 0, "test", NOW, &error));
	put_place("A1", 0, FEE_LOCAL);
	put_place("A2", 1, FEE_LOCAL);
	OK(ops_add_account(ops, "ann", OPS_SHARED, 0, &error));
	OK(ops_add_account(ops, "bob", OPS_SHARED, 0, &error));
	OK(ops_recharge(ops, "ann", 5 * EURO, "ann", &error));
	OK(ops_recharge(ops, "bob", 5 * EURO, "bob", &error));
}

static void teardown(void)
{
	OK(ops_check(ops, &error));
	ops_close(ops);
	while (box.count > 0)
		free(box.texts[--box.count]);
}

static struct order_wish wish(const char *number)
{
	return (struct order_wish){.number = number,
				   .account = "ann",
				   .code = "A1",
				   .agreement = 1,
				   .until = OPS_UNTIL_CREDIT,
				   .connected = true};
}

static enum wish_outcome make(const struct order_wish *w)
{
	enum wish_outcome outcome;
	OK(ops_make_order(ops, w, NOW, &outcome, &error));
	OK(ops_check(ops, &error));
	return outcome;
}

static int refused(const struct order_wish *w)
{
	enum wish_outcome outcome;
	return ops_make_order(ops, w, NOW, &outcome, &error);
}

static struct ops_order mine(const char *number)
{
	struct ops_order order;
	OK(ops_own_order(ops, "ann", number, &order, &error));
	return order;
}

static struct order_trace trace(const char *number)
{
	struct ops_order order = mine(number);
	struct order_trace t;
	OK(ops_trace_order(ops, &order, &t, &error));
	return t;
}

static bool press(const char *number, enum command_type type)
{
	bool queued;
	OK(ops_press(ops, "ann", number, type, NOW, &queued, &error));
	OK(ops_check(ops, &error));
	return queued;
}

static int press_fails(const char *account, const char *number, enum command_type type)
{
	bool queued;
	int result = ops_press(ops, account, number, type, NOW, &queued, &error);
	ck_assert(!queued);
	return result;
}

static int64_t balance(const char *account)
{
	int64_t micros;
	OK(ops_balance(ops, account, &micros, &error));
	return micros;
}

/* An order that the box has taken. */
static void open_order(const char *number)
{
	struct order_wish w = wish(number);
	ck_assert_int_eq(make(&w), WISH_MADE);
	decide(COMMAND_AUTHORIZE, COMMAND_DONE, "");
}

/* --- what is held --- */

START_TEST(credit_of_each_kind)
{
	static const struct {
		enum ops_until until;
		int64_t limit_mwh, limit_ms, limit_micros, credit_micros, held_micros;
	} rows[] = {
		{OPS_UNTIL_CREDIT, .held_micros = 5 * EURO},
		{OPS_UNTIL_FULL, .held_micros = 5 * EURO},
		{OPS_UNTIL_TIME, .limit_ms = 60000, .held_micros = 5 * EURO},
		{OPS_UNTIL_TIME, .limit_ms = 60000, .credit_micros = EURO, .held_micros = EURO},
		{OPS_UNTIL_CREDIT, .credit_micros = 9 * EURO, .held_micros = 5 * EURO},
		{OPS_UNTIL_AMOUNT, .limit_micros = 2 * EURO, .held_micros = 2 * EURO},
		{OPS_UNTIL_AMOUNT, .limit_micros = 5 * EURO, .held_micros = 5 * EURO},
		{OPS_UNTIL_AMOUNT, .limit_micros = 2 * EURO, .credit_micros = EURO, .held_micros = EURO},
		/* the price, the fee, and a quantum for the rounding of each */
		{OPS_UNTIL_ENERGY, .limit_mwh = 2 * KWH, .held_micros = 2 * EURO + 100000 + 2 * 10000},
		{OPS_UNTIL_ENERGY, .limit_mwh = 2 * KWH, .credit_micros = EURO, .held_micros = EURO},
		{OPS_UNTIL_ENERGY, .limit_mwh = FEE_ENERGY_MAX_MWH, .held_micros = 5 * EURO},
	};
	struct order_wish w = wish(ORDER_1);
	w.until = rows[_i].until;
	w.limit_mwh = rows[_i].limit_mwh;
	w.limit_ms = rows[_i].limit_ms;
	w.limit_micros = rows[_i].limit_micros;
	w.credit_micros = rows[_i].credit_micros;
	ck_assert_int_eq(make(&w), WISH_MADE);
	struct ops_order order = mine(ORDER_1);
	ck_assert_int_eq(order.held_micros, rows[_i].held_micros);
	ck_assert_int_eq(balance("ann"), 5 * EURO - rows[_i].held_micros);
	list_commands();
	ck_assert_uint_eq(command_count, 1);
	const struct grant *g = &commands[0].u.authorize;
	ck_assert_int_eq(g->credit_micros, rows[_i].held_micros);
	ck_assert_int_eq(g->limit_mwh, w.limit_mwh);
	ck_assert_int_eq(g->limit_ms, w.limit_ms);
	ck_assert_int_eq(g->limit_micros, w.limit_micros);
	ck_assert_int_eq(g->full_ma, w.until == OPS_UNTIL_FULL ? 500 : 0);
	ck_assert_int_eq(g->full_ms, w.until == OPS_UNTIL_FULL ? 600000 : 0);
	ck_assert_int_eq(order.sale.until, w.until);
}
END_TEST
#define CREDIT_ROWS 11

START_TEST(what_an_order_keeps)
{
	struct order_wish w = wish(ORDER_1);
	ck_assert_int_eq(make(&w), WISH_MADE);
	struct ops_order order = mine(ORDER_1);
	ck_assert_str_eq(order.sale.code, "A1");
	ck_assert_uint_eq(order.sale.agreement, 1);
	ck_assert_int_eq(order.sale.agreed_ms, NOW);
	ck_assert_int_eq(order.made_ms, NOW);
	ck_assert_int_eq(order.ended_ms, 0);
	ck_assert_uint_eq(order.grant.tariff.version, 1);
	struct fee_tariff dearer = flat;
	dearer.energy_price_micros = 2 * EURO;
	OK(ops_put_tariff(ops, &dearer, 1, "test", NOW, &error));
	ck_assert_int_eq(mine(ORDER_1).grant.tariff.energy_price_micros, EURO); /* what was agreed on */
	w = wish(ORDER_2);
	w.account = "bob";
	w.code = "A2";
	ck_assert_int_eq(make(&w), WISH_MADE);
	OK(ops_own_order(ops, "bob", ORDER_2, &order, &error));
	ck_assert_uint_eq(order.grant.tariff.version, 2);
}
END_TEST

START_TEST(remote_mode_has_a_lease)
{
	struct order_wish w = wish(ORDER_1);
	put_place("A1", 0, FEE_REMOTE);
	ck_assert_int_eq(make(&w), WISH_MADE);
	ck_assert_int_eq(mine(ORDER_1).grant.mode, FEE_REMOTE);
	ck_assert_int_eq(mine(ORDER_1).grant.lease_ms, 60000);
}
END_TEST

START_TEST(money_is_needed)
{
	struct order_wish w = wish(ORDER_1);
	w.until = OPS_UNTIL_AMOUNT;
	w.limit_micros = 5 * EURO + 1;
	FAILS(refused(&w), -EDQUOT);
	OK(ops_refund(ops, "ann", 5 * EURO, "all", &error));
	w = wish(ORDER_1);
	FAILS(refused(&w), -EDQUOT);
	w.until = OPS_UNTIL_ENERGY;
	w.limit_mwh = KWH;
	FAILS(refused(&w), -EDQUOT);
	list_commands();
	ck_assert_uint_eq(command_count, 0);
	FAILS(ops_own_order(ops, "ann", ORDER_1, &(struct ops_order){0}, &error), -ENOENT);
}
END_TEST

START_TEST(a_second_order_shares)
{
	struct order_wish w = wish(ORDER_2);
	open_order(ORDER_1);
	ck_assert_int_eq(balance("ann"), 0);
	w.code = "A2";
	ck_assert_int_eq(make(&w), WISH_MADE);
	ck_assert_int_eq(mine(ORDER_2).held_micros, 0);
	w = wish("c-00000000000000000000000000000003");
	w.account = "bob";
	w.code = "A2";
	ck_assert_int_eq(make(&w), WISH_UNAVAILABLE);
}
END_TEST

/* --- what is refused --- */

START_TEST(the_same_again)
{
	struct order_wish w = wish(ORDER_1);
	ck_assert_int_eq(make(&w), WISH_MADE);
	w.connected = false; /* it is made already, whatever has happened since */
	ck_assert_int_eq(make(&w), WISH_KNOWN);
	OK(ops_drop_place(ops, "A1", &error));
	ck_assert_int_eq(make(&w), WISH_KNOWN);
	ck_assert_int_eq(balance("ann"), 0);
	list_commands();
	ck_assert_uint_eq(command_count, 1);
	w.until = OPS_UNTIL_FULL;
	FAILS(refused(&w), -EEXIST);
	w = wish(ORDER_1);
	w.account = "bob";
	FAILS(refused(&w), -EEXIST);
	w = wish(ORDER_1);
	w.code = "A2";
	FAILS(refused(&w), -EEXIST);
}
END_TEST

START_TEST(wrong_wishes)
{
	static const char *const numbers[] = {NULL,
					      "",
					      "c-",
					      "o-00000000000000000000000000000001",
					      "c-0000000000000000000000000000001",
					      "c-000000000000000000000000000000001",
					      "c-0000000000000000000000000000000G",
					      "c-0000000000000000000000000000000A"};
	struct order_wish w = wish(ORDER_1);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		w.number = numbers[i];
		FAILS(refused(&w), -EINVAL);
	}
	w = wish(ORDER_1);
	w.limit_ms = 1;
	FAILS(refused(&w), -EINVAL);
	w.until = OPS_UNTIL_ENERGY;
	FAILS(refused(&w), -EINVAL);
	w.limit_mwh = 1;
	FAILS(refused(&w), -EINVAL);
	w.limit_ms = 0;
	w.limit_mwh = -1;
	FAILS(refused(&w), -EINVAL);
	w.limit_mwh = INT64_MAX;
	FAILS(refused(&w), -EINVAL);
	w = wish(ORDER_1);
	w.credit_micros = -1;
	FAILS(refused(&w), -EINVAL);
	w = wish(ORDER_1);
	w.until = (enum ops_until)77;
	FAILS(refused(&w), -EINVAL);
	w = wish(ORDER_1);
	w.account = "nobody";
	FAILS(refused(&w), -ENOENT);
	ck_assert_int_eq(balance("ann"), 5 * EURO);
}
END_TEST

START_TEST(not_offered_or_not_agreed)
{
	struct order_wish w = wish(ORDER_1);
	uint32_t version;
	static const char *const codes[] = {"", "A3", "a1", "A1'", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		w.code = codes[i];
		ck_assert_int_eq(make(&w), WISH_NOT_OFFERED);
	}
	w = wish(ORDER_1);
	OK(ops_put_agreement(ops, "New.", "New.", 1, "test", NOW, &version, &error));
	ck_assert_int_eq(make(&w), WISH_AGREEMENT_CHANGED);
	w.agreement = 3;
	ck_assert_int_eq(make(&w), WISH_AGREEMENT_CHANGED);
	w.agreement = 2;
	ck_assert_int_eq(make(&w), WISH_MADE);
	ck_assert_uint_eq(mine(ORDER_1).sale.agreement, 2);
}
END_TEST

/* Nobody buys at a price that was not shown, nor in another currency than the account's. */
START_TEST(only_what_was_shown)
{
	struct fee_tariff dearer = flat;
	struct order_wish w = wish(ORDER_1);
	dearer.energy_price_micros = 100 * EURO;
	w.tariff = "flat";
	w.tariff_version = 1;
	OK(ops_put_tariff(ops, &dearer, 1, "test", NOW, &error));
	ck_assert_int_eq(make(&w), WISH_TARIFF_CHANGED);
	w.tariff_version = 2;
	w.tariff = "fla";
	ck_assert_int_eq(make(&w), WISH_TARIFF_CHANGED);
	w.tariff = "flat";
	w.currency = "USD";
	ck_assert_int_eq(make(&w), WISH_UNAVAILABLE);
	w.currency = "EUR";
	ck_assert_int_eq(make(&w), WISH_MADE);
	OK(ops_put_tariff(ops, &flat, 2, "test", NOW, &error));
	ck_assert_int_eq(make(&w), WISH_KNOWN); /* as it was sold */
}
END_TEST

static void unavailable(const char *why)
{
	struct order_wish w = wish(ORDER_2);
	ck_assert_int_eq(make(&w), WISH_UNAVAILABLE);
	ck_assert_msg(strstr(error.text, why) != NULL, "%s", error.text);
}

START_TEST(not_connected)
{
	struct order_wish w = wish(ORDER_1);
	w.connected = false;
	ck_assert_int_eq(make(&w), WISH_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(error.text, "reached"));
}
END_TEST

START_TEST(out_of_service)
{
	struct record r = record(RECORD_SERVICE_MODE, 0, "");
	r.u.service_mode.out = true;
	write_record(r);
	post();
	unavailable("service");
}
END_TEST

START_TEST(faulted)
{
	struct record r = record(RECORD_FAULT, 0, "");
	r.u.fault.fault = FAULT_TRIPPED;
	write_record(r);
	post();
	unavailable("fault");
}
END_TEST

START_TEST(reserved)
{
	struct record r = record(RECORD_RESERVED, 0, "");
	word_copy(r.u.reserved.account, sizeof r.u.reserved.account, "bob");
	r.u.reserved.hold_ms = 60000;
	write_record(r);
	post();
	unavailable("reserved");
	struct order_wish w = wish(ORDER_2);
	w.account = "bob";
	ck_assert_int_eq(make(&w), WISH_MADE);
}
END_TEST

START_TEST(in_use_until_the_plug_is_out)
{
	struct order_wish w = wish(ORDER_1);
	w.account = "bob";
	ck_assert_int_eq(make(&w), WISH_MADE);
	unavailable("ordered");
	decide(COMMAND_AUTHORIZE, COMMAND_DONE, "");
	unavailable("in use");
	ended(0, ORDER_1, END_CUSTOMER, 7 * KWH);
	post();
	unavailable("in use");
	write_record(record(RECORD_AVAILABLE, 0, ORDER_1));
	post();
	w = wish(ORDER_2);
	ck_assert_int_eq(make(&w), WISH_MADE);
}
END_TEST

/* Orders that the box has not answered yet. */
START_TEST(so_many_at_once)
{
	static const char *const codes[] = {"A1", "A2", "A3", "A4", "A5"};
	char number[ORDER_SIZE];
	for (int i = 2; i < CUSTOMERS_ORDERS_MAX + 1; i++)
		put_place(codes[i], i, FEE_LOCAL);
	for (int i = 0; i <= CUSTOMERS_ORDERS_MAX; i++) {
		struct order_wish w = wish(number);
		snprintf(number, sizeof number, "c-%032x", i + 1);
		w.code = codes[i];
		ck_assert_int_eq(make(&w), i < CUSTOMERS_ORDERS_MAX ? WISH_MADE : WISH_UNAVAILABLE);
	}
}
END_TEST

/* --- buttons --- */

START_TEST(buttons_through_a_session)
{
	struct order_wish w = wish(ORDER_1);
	ck_assert_int_eq(make(&w), WISH_MADE);
	ck_assert(trace(ORDER_1).pending[COMMAND_AUTHORIZE]);
	FAILS(press_fails("ann", ORDER_1, COMMAND_START), -EAGAIN);
	FAILS(press_fails("ann", ORDER_1, COMMAND_UNLOCK), -EAGAIN);
	FAILS(press_fails("ann", ORDER_1, COMMAND_DEPARTED), -EAGAIN);
	decide(COMMAND_AUTHORIZE, COMMAND_DONE, "");
	ck_assert(trace(ORDER_1).mine);
	ck_assert(press(ORDER_1, COMMAND_UNLOCK));
	ck_assert(!press(ORDER_1, COMMAND_UNLOCK));
	ck_assert(press(ORDER_1, COMMAND_START));
	ck_assert(!press(ORDER_1, COMMAND_START));
	list_commands();
	ck_assert_uint_eq(command_count, 2);
	ck_assert_int_eq(commands[1].actor, ACTOR_CUSTOMER);
	ck_assert_str_eq(commands[1].u.session.order, ORDER_1);
	decide(COMMAND_UNLOCK, COMMAND_DONE, "");
	decide(COMMAND_START, COMMAND_REFUSED, "the doors are open");
	struct order_trace t = trace(ORDER_1);
	ck_assert(t.refused);
	ck_assert_int_eq(t.refused_type, COMMAND_START);
	ck_assert_str_eq(t.why, "the doors are open");
	ck_assert(press(ORDER_1, COMMAND_START)); /* decided: a new one */
	ck_assert(!trace(ORDER_1).refused);
	decide(COMMAND_START, COMMAND_DONE, "");
	with_register(record(RECORD_STARTED, 0, ORDER_1), 7 * KWH);
	post();
	FAILS(press_fails("ann", ORDER_1, COMMAND_DEPARTED), -EAGAIN);
	ck_assert(press(ORDER_1, COMMAND_STOP));
	ended(0, ORDER_1, END_CUSTOMER, 8 * KWH);
	post();
	t = trace(ORDER_1);
	ck_assert(t.mine && t.finishing && !t.refused && !t.pending[COMMAND_STOP]);
	FAILS(press_fails("ann", ORDER_1, COMMAND_STOP), -EAGAIN);
	FAILS(press_fails("ann", ORDER_1, COMMAND_START), -EAGAIN);
	ck_assert(press(ORDER_1, COMMAND_UNLOCK));
	ck_assert(press(ORDER_1, COMMAND_DEPARTED));
	ck_assert(trace(ORDER_1).pending[COMMAND_UNLOCK]);
	decide(COMMAND_UNLOCK, COMMAND_DONE, "");
	decide(COMMAND_DEPARTED, COMMAND_DONE, "");
	write_record(record(RECORD_AVAILABLE, 0, ORDER_1));
	post();
	ck_assert(!trace(ORDER_1).mine);
	FAILS(press_fails("ann", ORDER_1, COMMAND_UNLOCK), -EAGAIN);
	FAILS(press_fails("ann", ORDER_1, COMMAND_DEPARTED), -EAGAIN);
}
END_TEST

/* What was asked for at the end of a session is not closed with what was about it. */
START_TEST(an_unlock_outlives_the_end)
{
	open_order(ORDER_1);
	ck_assert(press(ORDER_1, COMMAND_UNLOCK));
	ended(0, ORDER_1, END_NOT_STARTED, 7 * KWH);
	post();
	ck_assert(trace(ORDER_1).pending[COMMAND_UNLOCK]);
}
END_TEST

START_TEST(no_other_buttons)
{
	open_order(ORDER_1);
	for (int type = 0; type < COMMAND_TYPE_COUNT; type++) {
		if (type != COMMAND_START && type != COMMAND_STOP && type != COMMAND_UNLOCK)
			FAILS(press_fails("ann", ORDER_1, (enum command_type)type), -EAGAIN);
	}
	list_commands();
	ck_assert_uint_eq(command_count, 0);
}
END_TEST

START_TEST(a_refused_order_says_why)
{
	struct order_wish w = wish(ORDER_1);
	ck_assert_int_eq(make(&w), WISH_MADE);
	decide(COMMAND_AUTHORIZE, COMMAND_REFUSED, "the outlet is in use");
	ck_assert_int_eq(mine(ORDER_1).state, OPS_ORDER_CANCELLED);
	ck_assert_int_gt(mine(ORDER_1).ended_ms, 0);
	struct order_trace t = trace(ORDER_1);
	ck_assert(t.refused);
	ck_assert_int_eq(t.refused_type, COMMAND_AUTHORIZE);
	ck_assert_str_eq(t.why, "the outlet is in use");
	ck_assert_int_eq(balance("ann"), 5 * EURO);
	w = wish(ORDER_2);
	ck_assert_int_eq(make(&w), WISH_MADE);
	decide(COMMAND_AUTHORIZE, COMMAND_EXPIRED, "");
	ck_assert_str_eq(trace(ORDER_2).why, "expired");
}
END_TEST

/* --- whose --- */

START_TEST(somebody_elses_order)
{
	struct ops_order order;
	struct ops_error none;
	struct order_cursor cursor = {0};
	open_order(ORDER_1);
	FAILS(ops_own_order(ops, "bob", ORDER_1, &order, &error), -ENOENT);
	FAILS(ops_own_order(ops, "bob", ORDER_2, &order, &none), -ENOENT);
	error.text[strlen("no order " ORDER_1) - 1] = '2';
	ck_assert_str_eq(error.text, none.text); /* nothing tells one from the other */
	for (int type = 0; type < COMMAND_TYPE_COUNT; type++)
		FAILS(press_fails("bob", ORDER_1, (enum command_type)type), -ENOENT);
	FAILS(ops_add_own_credit(ops, "bob", ORDER_1, EURO, "k", NOW, &error), -ENOENT);
	ck_assert_int_eq(ops_next_own_order(ops, "bob", &cursor, &order, &error), 0);
	list_commands();
	ck_assert_uint_eq(command_count, 0);
	ck_assert_int_eq(balance("bob"), 5 * EURO);
}
END_TEST

START_TEST(an_operators_order_is_nobodys)
{
	struct ops_order order = {.outlet = 0, .box = BOX};
	word_copy(order.grant.order, sizeof order.grant.order, "op-1");
	word_copy(order.grant.account, sizeof order.grant.account, "ann");
	order.grant.tariff = flat;
	order.grant.credit_micros = EURO;
	order.grant.hold_ms = 60000;
	OK(ops_create_order(ops, &order, NOW, &error));
	FAILS(ops_own_order(ops, "ann", "op-1", &order, &error), -ENOENT);
	OK(ops_get_order(ops, "op-1", &order, &error));
	ck_assert_int_eq(order.made_ms, NOW);
}
END_TEST

START_TEST(my_orders_newest_first)
{
	struct order_cursor cursor = {0};
	struct ops_order order;
	char number[ORDER_SIZE];
	for (int i = 0; i < 5; i++) { /* two of them in the same millisecond */
		struct order_wish w = wish(number);
		enum wish_outcome outcome;
		snprintf(number, sizeof number, "c-%032x", i);
		OK(ops_make_order(ops, &w, NOW + i / 2, &outcome, &error));
		ck_assert_int_eq(outcome, WISH_MADE);
		decide(COMMAND_AUTHORIZE, COMMAND_REFUSED, "");
	}
	for (int i = 4; i >= 0; i--) {
		ck_assert_int_eq(ops_next_own_order(ops, "ann", &cursor, &order, &error), 1);
		snprintf(number, sizeof number, "c-%032x", i);
		ck_assert_str_eq(order.grant.order, number);
	}
	ck_assert_int_eq(ops_next_own_order(ops, "ann", &cursor, &order, &error), 0);
}
END_TEST

/* --- credit --- */

START_TEST(more_credit)
{
	struct order_wish w = wish(ORDER_1);
	char key[CUSTOMERS_KEY_SIZE + 1];
	w.credit_micros = EURO;
	ck_assert_int_eq(make(&w), WISH_MADE);
	decide(COMMAND_AUTHORIZE, COMMAND_DONE, "");
	for (int i = 0; i < 2; i++)
		OK(ops_add_own_credit(ops, "ann", ORDER_1, EURO, "k", NOW, &error));
	ck_assert_int_eq(mine(ORDER_1).held_micros, 2 * EURO);
	ck_assert_int_eq(balance("ann"), 3 * EURO);
	ck_assert(trace(ORDER_1).pending[COMMAND_CREDIT]);
	FAILS(ops_add_own_credit(ops, "ann", ORDER_1, 2 * EURO, "k", NOW, &error), -EEXIST);
	FAILS(ops_add_own_credit(ops, "ann", ORDER_1, 4 * EURO, "l", NOW, &error), -EDQUOT);
	FAILS(ops_add_own_credit(ops, "ann", ORDER_1, 0, "l", NOW, &error), -EINVAL);
	FAILS(ops_add_own_credit(ops, "ann", ORDER_1, EURO, "", NOW, &error), -EINVAL);
	memset(key, 'x', sizeof key);
	key[CUSTOMERS_KEY_SIZE] = '\0';
	FAILS(ops_add_own_credit(ops, "ann", ORDER_1, EURO, key, NOW, &error), -EINVAL);
	key[CUSTOMERS_KEY_SIZE - 1] = '\0';
	OK(ops_add_own_credit(ops, "ann", ORDER_1, 1, key, NOW, &error));
	OK(ops_add_own_credit(ops, "ann", ORDER_1, 1, "m", NOW, &error));
	OK(ops_add_own_credit(ops, "ann", ORDER_1, 1, "n", NOW, &error));
	FAILS(ops_add_own_credit(ops, "ann", ORDER_1, 1, "o", NOW, &error), -EAGAIN); /* too many are on their way */
	OK(ops_add_own_credit(ops, "ann", ORDER_1, 1, "n", NOW, &error));
}
END_TEST

/* --- the end --- */

START_TEST(receipt_of_a_session)
{
	struct fee_bill bill;
	open_order(ORDER_1);
	with_register(record(RECORD_STARTED, 0, ORDER_1), 7 * KWH);
	ended(0, ORDER_1, END_CUSTOMER, 8 * KWH + KWH / 2);
	post();
	struct ops_order order = mine(ORDER_1);
	ck_assert_int_eq(order.state, OPS_ORDER_DONE);
	ck_assert_int_eq(order.receipt.start_mwh, 7 * KWH);
	ck_assert_int_eq(order.receipt.energy_mwh, KWH + KWH / 2);
	ck_assert_int_eq(order.billed_micros, EURO + EURO / 2 + 100000);
	ck_assert_str_eq(order.meter, "m-1");
	ck_assert_int_eq(order.ended_ms, NOW + (int64_t)box.image.seq); /* the record's time */
	ops_order_bill(&order, &bill);
	ck_assert_uint_eq(bill.line_count, 2);
	ck_assert_int_eq(bill.total_micros, order.billed_micros);
	ck_assert_int_eq(balance("ann"), 5 * EURO - order.billed_micros);
	write_record(record(RECORD_AVAILABLE, 0, ORDER_1));
	meter(0, "m-9", 0); /* another meter later is not the receipt's */
	post();
	ck_assert_str_eq(mine(ORDER_1).meter, "m-1");
}
END_TEST

START_TEST(a_fault_of_ours_costs_nothing)
{
	struct fee_bill bill;
	open_order(ORDER_1);
	with_register(record(RECORD_STARTED, 0, ORDER_1), 7 * KWH);
	ended(0, ORDER_1, END_METER_SILENT, 8 * KWH);
	post();
	struct ops_order order = mine(ORDER_1);
	ck_assert_int_eq(order.billed_micros, 0);
	ops_order_bill(&order, &bill);
	ck_assert_uint_eq(bill.line_count, 0);
	ck_assert_int_eq(balance("ann"), 5 * EURO);
}
END_TEST

/* A new ledger: what the box forgot is closed when the server hears of it, by the meter that it knew. */
START_TEST(a_lost_ledger)
{
	open_order(ORDER_1);
	with_register(record(RECORD_STARTED, 0, ORDER_1), 7 * KWH);
	post();
	while (box.count > 0)
		free(box.texts[--box.count]);
	memset(&box, 0, sizeof box);
	word_copy(box.ledger, sizeof box.ledger, "00000000000000000000000000000def");
	hash_text(box.ledger, box.tip);
	write_record(record(RECORD_BOOT, RECORD_NO_OUTLET, ""));
	post();
	struct ops_order order = mine(ORDER_1);
	ck_assert(order.ledger_lost);
	ck_assert_int_eq(order.ended_ms, NOW);
	ck_assert_str_eq(order.meter, "m-1");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_an_order_keeps,
		remote_mode_has_a_lease,
		money_is_needed,
		a_second_order_shares,
		the_same_again,
		wrong_wishes,
		not_offered_or_not_agreed,
		not_connected,
		out_of_service,
		faulted,
		reserved,
		in_use_until_the_plug_is_out,
		so_many_at_once,
		buttons_through_a_session,
		an_unlock_outlives_the_end,
		no_other_buttons,
		a_refused_order_says_why,
		somebody_elses_order,
		an_operators_order_is_nobodys,
		my_orders_newest_first,
		more_credit,
		receipt_of_a_session,
		a_fault_of_ours_costs_nothing,
		a_lost_ledger,
		only_what_was_shown,
	};
	Suite *suite = suite_create("customers");
	TCase *cases = tcase_create("calls");
	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_loop_test(cases, credit_of_each_kind, 0, CREDIT_ROWS);
	for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
