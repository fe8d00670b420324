/* tests/unit/test_ops.c: tests tools/ops/core: accounts, orders, commands, intake of records, remote mode, ops_check.
 *
 * Room: tests/unit; a small box of its own writes records that follow and are linked, as src/ledger does. */
#include <check.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ops.h"
#include "ops_sides.h"
#include "price.h"

#define BOX "box-1"
#define NOW INT64_C(1790000000000)
#define KWH INT64_C(1000000)
#define TEXTS_MAX 64

static struct ops *ops;
static struct ops_error error;
static struct ops_intake answer;
static uint64_t chance = 1;

/* What the box has written; texts[i] is seq i + 1. */
static struct {
	char ledger[LEDGER_ID_SIZE];
	char tip[RECORD_HASH_SIZE];
	struct box_image image;
	char *texts[TEXTS_MAX];
	size_t count;
	size_t sent;
} box;

static const struct fee_tariff flat = {.id = "flat",
				       .version = 1,
				       .currency = "CNY",
				       .energy_price_micros = 1000000,
				       .quantum_micros = 1,
				       .rounding = FEE_ROUND_HALF_UP};

/* --- the box's side --- */

static struct record next_record(enum record_kind kind, int outlet, const char *order)
{
	struct record r = {.seq = box.image.seq + 1, .boot = box.image.boot, .kind = kind, .outlet = outlet};
	r.at = (struct moment){(int64_t)r.seq * 1000, NOW, TIME_SYNCHRONISED};
	word_copy(r.order, sizeof r.order, order);
	return r;
}

static void keep_text(char *text)
{
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_lt(box.count, TEXTS_MAX);
	box.texts[box.count++] = text;
	hash_text(text, box.tip);
}

static void write_record(struct record r)
{
	struct record_link link;
	const char *fault = image_apply(&box.image, &r);
	ck_assert_msg(fault == NULL, "%s", fault);
	memcpy(link.ledger, box.ledger, sizeof link.ledger);
	memcpy(link.prev, box.tip, sizeof link.prev);
	keep_text(wire_write_record(&r, &link));
}

static void new_ledger(const char *id)
{
	while (box.count > 0)
		free(box.texts[--box.count]);
	memset(&box, 0, sizeof box);
	word_copy(box.ledger, sizeof box.ledger, id);
	hash_text(id, box.tip);
	struct record r = next_record(RECORD_BOOT, RECORD_NO_OUTLET, "");
	r.boot = 1;
	write_record(r);
}

static void meter(int outlet)
{
	struct record r = next_record(RECORD_METER, outlet, "");
	r.has_register = true;
	word_copy(r.u.meter.serial, sizeof r.u.meter.serial, "m-1");
	write_record(r);
}

static void authorized(int outlet, const struct grant *grant)
{
	struct record r = next_record(RECORD_AUTHORIZED, outlet, grant->order);
	r.u.authorized = *grant;
	write_record(r);
}

static void mark(enum record_kind kind, int outlet, const char *order, int64_t register_mwh)
{
	struct record r = next_record(kind, outlet, order);
	r.has_register = true;
	r.register_mwh = register_mwh;
	write_record(r);
}

static void ended(int outlet, const char *order, enum end_reason reason, int64_t register_mwh)
{
	const struct outlet_image *o = &box.image.outlets[outlet];
	struct record r = next_record(RECORD_ENDED, outlet, order);
	r.has_register = o->session.started_once;
	r.register_mwh = register_mwh;
	r.u.ended.reason = reason;
	r.u.ended.start_mwh = o->session.start_mwh;
	if (r.has_register)
		r.u.ended.energy_mwh = o->session_mwh + register_mwh - o->register_mwh;
	struct fee_energy used = o->session.used;
	if (r.has_register)
		used.mwh[o->session.rate] += register_mwh - o->register_mwh;
	r.u.ended.by_rate = session_by_rate(&o->session.grant, &used);
	if (!end_reason_is_ours(reason))
		r.u.ended.amount_micros = session_cost_micros(&o->session.grant, &used);
	r.u.ended.settled = true;
	write_record(r);
}

static void available(int outlet, const char *order)
{
	write_record(next_record(RECORD_AVAILABLE, outlet, order));
}

static void result_of(const char *id, uint64_t seq, enum command_outcome outcome)
{
	struct record r = next_record(RECORD_COMMAND, 0, "");
	word_copy(r.u.command.id, sizeof r.u.command.id, id);
	r.u.command.seq = seq;
	r.u.command.outcome = outcome;
	write_record(r);
}

static void post_from(size_t from)
{
	int result = ops_intake(
		ops, BOX, box.ledger, (const char *const *)box.texts + from, box.count - from, NOW, &answer, &error);
	ck_assert_msg(result == 0, "%s", error.text);
	box.sent = box.count;
}

/* Sends what is new; all of it must be taken in. */
static void post(void)
{
	post_from(box.sent);
	ck_assert_msg(answer.refused_count == 0, "%s", answer.refused[0].why);
	ck_assert_uint_eq(answer.accepted_through, box.count);
}

/* Damages the last text in place: the box goes on as if nothing had happened to its image, linked to what is sent. */
static void damage(size_t i, const char *from, const char *to)
{
	char *at = strstr(box.texts[i], from);
	ck_assert_ptr_nonnull(at);
	ck_assert_uint_eq(strlen(from), strlen(to));
	memcpy(at, to, strlen(to));
	hash_text(box.texts[i], box.tip);
}

/* --- the server's side --- */

#define OK(call) ck_assert_msg((call) == 0, "%s", error.text)
#define FAILS(call, code) ck_assert_int_eq((call), (code))

static int64_t book(const char *name)
{
	int64_t micros = -1;
	OK(ops_book(ops, name, &micros, &error));
	return micros;
}

static struct ops_order order_of(const char *number)
{
	struct ops_order o;
	OK(ops_get_order(ops, number, &o, &error));
	return o;
}

static struct ops_order draft(const char *number, const char *account, int outlet, int64_t credit)
{
	struct ops_order o = {.outlet = outlet};
	word_copy(o.box, sizeof o.box, BOX);
	word_copy(o.grant.order, sizeof o.grant.order, number);
	word_copy(o.grant.account, sizeof o.grant.account, account);
	o.grant.tariff = flat;
	o.grant.credit_micros = credit;
	o.grant.hold_ms = 600000;
	return o;
}

static void create(const struct ops_order *o)
{
	OK(ops_create_order(ops, o, NOW, &error));
}

static struct command commands[TEXTS_MAX];
static size_t command_count;

static bool take_command(void *ctx, uint64_t seq, const char *text, size_t length)
{
	struct wire_error wire;
	(void)ctx;
	ck_assert_msg(wire_read_command(text, length, &commands[command_count], &wire), "%s", wire.text);
	ck_assert_uint_eq(commands[command_count].seq, seq);
	command_count++;
	return command_count < TEXTS_MAX;
}

/* Fills commands[] with what is pending. */
static void list_commands(uint64_t after)
{
	command_count = 0;
	OK(ops_commands(ops, BOX, after, false, take_command, NULL, &error));
}

/* The box has done everything that is pending; commands that write records of their own do so in the test. */
static void answer_all(enum command_outcome outcome)
{
	list_commands(0);
	for (size_t i = 0; i < command_count; i++)
		result_of(commands[i].id, commands[i].seq, outcome);
}

static struct ops_options options(const char *path)
{
	return (struct ops_options){.path = path, .random = give_random, .ctx = &chance, .command_ms = 120000};
}

static void setup_empty(void)
{
	struct ops_options o = options(":memory:");
	OK(ops_open(&o, &ops, &error));
	OK(ops_add_box(ops, BOX, &error));
	OK(ops_add_account(ops, "ann", OPS_SHARED, 0, &error));
	OK(ops_add_account(ops, "bob", OPS_BOUND, 2000000, &error));
	OK(ops_recharge(ops, "ann", 10000000, "pay-1", &error));
	new_ledger("0123456789abcdef0123456789abcdef");
}

static void setup(void)
{
	setup_empty();
	meter(0);
	meter(1);
	post();
}

static void teardown(void)
{
	OK(ops_check(ops, &error));
	ops_close(ops);
	while (box.count > 0)
		free(box.texts[--box.count]);
}

/* An order as far as its session being open on the box. */
static void open_order(const struct ops_order *o)
{
	create(o);
	authorized(o->outlet, &o->grant);
	answer_all(COMMAND_DONE);
	post();
}

/* --- accounts and money --- */

START_TEST(accounts)
{
	int64_t micros;
	OK(ops_add_account(ops, "ann", OPS_SHARED, 0, &error));
	FAILS(ops_add_account(ops, "ann", OPS_BOUND, 0, &error), -EEXIST);
	FAILS(ops_add_account(ops, "bob", OPS_BOUND, 1, &error), -EEXIST);
	FAILS(ops_add_account(ops, "x", OPS_SHARED, 1, &error), -EINVAL);
	FAILS(ops_add_account(ops, "x", OPS_BOUND, -1, &error), -EINVAL);
	FAILS(ops_add_account(ops, "x", (enum ops_account_kind)7, 0, &error), -EINVAL);
	FAILS(ops_add_account(ops, "", OPS_BOUND, 0, &error), -EINVAL);
	FAILS(ops_add_account(ops, "\x01", OPS_BOUND, 0, &error), -EINVAL);
	FAILS(ops_add_account(ops, "12345678901234567890123456789012345678901", OPS_BOUND, 0, &error), -EINVAL);
	FAILS(ops_balance(ops, "nobody", &micros, &error), -ENOENT);
	OK(ops_spendable(ops, "ann", &micros, &error));
	ck_assert_int_eq(micros, 10000000);
	OK(ops_spendable(ops, "bob", &micros, &error));
	ck_assert_int_eq(micros, 2000000);
	OK(ops_add_box(ops, BOX, &error));
	FAILS(ops_add_box(ops, "a:b", &error), -EINVAL);
	FAILS(ops_add_box(ops, NULL, &error), -EINVAL);
}
END_TEST

START_TEST(money_in_and_out)
{
	int64_t micros;
	OK(ops_recharge(ops, "ann", 10000000, "pay-1", &error));
	FAILS(ops_recharge(ops, "ann", 10000001, "pay-1", &error), -EEXIST);
	FAILS(ops_recharge(ops, "bob", 10000000, "pay-1", &error), -EEXIST);
	FAILS(ops_recharge(ops, "eve", 1, "pay-2", &error), -ENOENT);
	FAILS(ops_recharge(ops, "ann", 0, "pay-2", &error), -EINVAL);
	FAILS(ops_recharge(ops, "ann", -5, "pay-2", &error), -EINVAL);
	FAILS(ops_recharge(ops, "ann", INT64_MAX, "pay-2", &error), -EINVAL);
	FAILS(ops_recharge(ops, "ann", FEE_MONEY_MAX_MICROS, "pay-2", &error), -EINVAL);
	FAILS(ops_recharge(ops, "ann", 5, "", &error), -EINVAL);
	FAILS(ops_refund(ops, "ann", 10000001, "back-1", &error), -EDQUOT);
	FAILS(ops_refund(ops, "bob", 1, "back-1", &error), -EDQUOT);
	OK(ops_refund(ops, "ann", 4000000, "back-1", &error));
	OK(ops_refund(ops, "ann", 4000000, "back-1", &error));
	FAILS(ops_refund(ops, "ann", 1, "back-1", &error), -EEXIST);
	OK(ops_balance(ops, "ann", &micros, &error));
	ck_assert_int_eq(micros, 6000000);
	ck_assert_int_eq(book("cash"), -6000000);
	ck_assert_int_eq(book("never"), 0);
	FAILS(ops_book(ops, "", &micros, &error), -EINVAL);
}
END_TEST

/* --- boxes --- */

static bool note_box(void *ctx, const char *name)
{
	char *all = ctx;
	ck_assert_uint_lt(strlen(all) + strlen(name) + 2, 80);
	strcat(all, name);
	strcat(all, " ");
	return strcmp(name, "c") != 0;
}

START_TEST(tokens)
{
	static const char first[] = "0123456789abcdef";
	static const char second[] = "another-token-of-the-box";
	char long_one[140] = "";
	char name[BOX_ID_SIZE] = "";
	char ledger[LEDGER_ID_SIZE];
	uint64_t accepted;
	memset(long_one, 'x', sizeof long_one - 1);
	ck_assert_int_eq(ops_token_box(ops, "", name, &error), 0); /* no box has one yet */
	FAILS(ops_provision(ops, BOX, "too-short-token", &error), -EINVAL);
	FAILS(ops_provision(ops, BOX, long_one, &error), -EINVAL);
	FAILS(ops_provision(ops, BOX, "with a \n line end in it", &error), -EINVAL);
	FAILS(ops_provision(ops, "a:b", first, &error), -EINVAL);
	OK(ops_provision(ops, BOX, first, &error));
	OK(ops_provision(ops, BOX, first, &error));
	ck_assert_int_eq(ops_token_box(ops, first, name, &error), 1);
	ck_assert_str_eq(name, BOX);
	ck_assert_int_eq(ops_token_box(ops, second, name, &error), 0);
	OK(ops_provision(ops, BOX, second, &error));
	ck_assert_int_eq(ops_token_box(ops, first, name, &error), 0);
	ck_assert_int_eq(ops_token_box(ops, long_one, name, &error), 0);
	ck_assert_int_eq(ops_token_box(ops, second, name, &error), 1);
	FAILS(ops_provision(ops, "box-2", second, &error), -EEXIST);
	FAILS(ops_ledger(ops, "box-2", ledger, &accepted, &error), -ENOENT); /* nothing was made */
	OK(ops_provision(ops, "box-2", first, &error));
	ck_assert_int_eq(ops_token_box(ops, first, name, &error), 1);
	ck_assert_str_eq(name, "box-2");
}
END_TEST

START_TEST(boxes_are_listed)
{
	char all[80] = "";
	OK(ops_add_box(ops, "c", &error));
	OK(ops_add_box(ops, "d", &error));
	OK(ops_add_box(ops, "a", &error));
	OK(ops_each_box(ops, note_box, all, &error));
	ck_assert_str_eq(all, "a " BOX " c ");
}
END_TEST

START_TEST(a_reserved_outlet_is_kept)
{
	struct outlet_image image;
	struct record r = next_record(RECORD_RESERVED, 0, "");
	word_copy(r.u.reserved.account, sizeof r.u.reserved.account, "bob");
	r.u.reserved.hold_ms = 60000;
	write_record(r);
	post();
	OK(ops_outlet(ops, BOX, 0, &image, &error));
	ck_assert_str_eq(image.reserved_for, "bob");
	OK(ops_outlet(ops, BOX, 7, &image, &error));
	ck_assert_str_eq(image.reserved_for, "");
	FAILS(ops_outlet(ops, BOX, OUTLETS_MAX, &image, &error), -EINVAL);
	FAILS(ops_outlet(ops, "box-9", 0, &image, &error), -ENOENT);
	struct ops_order hers = draft("o-1", "ann", 0, 1000000);
	struct ops_order his = draft("o-2", "bob", 0, 1000000);
	FAILS(ops_create_order(ops, &hers, NOW, &error), -EAGAIN);
	ck_assert_int_eq(book("customer:ann"), 10000000);
	create(&his);
	write_record(next_record(RECORD_RELEASED, 0, ""));
	post();
	create(&hers);
}
END_TEST

static void send_stop(const char *order)
{
	struct command c = {.type = COMMAND_STOP, .actor = ACTOR_OPERATOR};
	word_copy(c.box, sizeof c.box, BOX);
	word_copy(c.u.session.order, sizeof c.u.session.order, order);
	OK(ops_send(ops, &c, NOW, &error));
}

/* A box that decided a later command may have lost a stop on the way. */
START_TEST(stops_are_sent_again)
{
	struct ops_order o = draft("o-1", "ann", 0, 1000000);
	open_order(&o);
	send_stop("o-1");
	struct command later = {.type = COMMAND_UNLOCK, .actor = ACTOR_OPERATOR};
	word_copy(later.box, sizeof later.box, BOX);
	OK(ops_send(ops, &later, NOW, &error));
	list_commands(0);
	ck_assert_uint_eq(command_count, 2);
	result_of(commands[1].id, commands[1].seq, COMMAND_DONE);
	post();
	list_commands(later.seq);
	ck_assert_uint_eq(command_count, 0);
	command_count = 0;
	OK(ops_commands(ops, BOX, later.seq, true, take_command, NULL, &error));
	ck_assert_uint_eq(command_count, 1);
	ck_assert_int_eq(commands[0].type, COMMAND_STOP);
	result_of(commands[0].id, 0, COMMAND_DONE);
	post();
	command_count = 0;
	OK(ops_commands(ops, BOX, later.seq, true, take_command, NULL, &error));
	ck_assert_uint_eq(command_count, 0);
}
END_TEST

/* --- orders --- */

START_TEST(order_needs_a_reporting_box)
{
	struct ops_order o = draft("o-1", "ann", 0, 3000000);
	struct command c = {.type = COMMAND_RELEASE};
	word_copy(c.box, sizeof c.box, BOX);
	FAILS(ops_create_order(ops, &o, NOW, &error), -EAGAIN);
	FAILS(ops_send(ops, &c, NOW, &error), -EAGAIN);
	ck_assert_int_eq(book("customer:ann"), 10000000);
	FAILS(ops_get_order(ops, "o-1", &o, &error), -ENOENT);
	post();
	create(&o);
}
END_TEST

START_TEST(order_arguments)
{
	struct ops_order o = draft("o-1", "ann", 0, 3000000), p;
	create(&o);
	create(&o);
	ck_assert_int_eq(book("customer:ann"), 7000000);
	ck_assert_int_eq(book("held:" BOX ":ann"), 3000000);
	list_commands(0);
	ck_assert_uint_eq(command_count, 1);
	ck_assert_int_eq(commands[0].type, COMMAND_AUTHORIZE);
	ck_assert_str_eq(commands[0].ledger, box.ledger);
	ck_assert_int_eq(commands[0].not_after_ms, NOW + 120000);
	ck_assert_uint_eq(commands[0].seq, 1);
	p = o;
	p.grant.hold_ms++;
	FAILS(ops_create_order(ops, &p, NOW, &error), -EEXIST);
	p = draft("o-2", "ann", 16, 1);
	FAILS(ops_create_order(ops, &p, NOW, &error), -EINVAL);
	p = draft("o-2", "eve", 0, 1);
	FAILS(ops_create_order(ops, &p, NOW, &error), -ENOENT);
	p = draft("o-2", "ann", 0, 7000001);
	FAILS(ops_create_order(ops, &p, NOW, &error), -EDQUOT);
	p = draft("o-2", "bob", 0, 0);
	FAILS(ops_create_order(ops, &p, NOW, &error), -EINVAL);
	p = draft("o-2", "ann", 0, 1);
	p.grant.kind = SESSION_SERVICE;
	FAILS(ops_create_order(ops, &p, NOW, &error), -EINVAL);
	p = draft("o-2", "ann", 0, 1);
	memset(p.box, 'x', sizeof p.box);
	FAILS(ops_create_order(ops, &p, NOW, &error), -EINVAL);
	p = draft("o-2", "ann", 0, 1);
	FAILS(ops_create_order(ops, &p, INT64_MAX, &error), -EINVAL);
	FAILS(ops_get_order(ops, "o-2", &p, &error), -ENOENT);
	list_commands(1);
	ck_assert_uint_eq(command_count, 0);
}
END_TEST

START_TEST(order_until_full)
{
	struct ops_order o = draft("o-1", "ann", 0, 3000000), p;
	o.grant.full_ma = 500;
	o.grant.full_ms = 600000;
	open_order(&o);
	create(&o);
	p = order_of("o-1");
	ck_assert_int_eq(p.grant.full_ma, 500);
	ck_assert_int_eq(p.grant.full_ms, 600000);
	p = o;
	p.grant.full_ma = 501;
	FAILS(ops_create_order(ops, &p, NOW, &error), -EEXIST);
	p = o;
	p.grant.full_ms = 600001;
	FAILS(ops_create_order(ops, &p, NOW, &error), -EEXIST);
	p.grant.full_ma = p.grant.full_ms = 0;
	FAILS(ops_create_order(ops, &p, NOW, &error), -EEXIST);
	p = draft("o-2", "ann", 1, 1);
	p.grant.full_ma = 500;
	FAILS(ops_create_order(ops, &p, NOW, &error), -EINVAL);
	mark(RECORD_STARTED, 0, "o-1", 0);
	ended(0, "o-1", END_FULL, KWH);
	post();
	ck_assert_int_eq(order_of("o-1").receipt.reason, END_FULL);
	ck_assert_int_eq(order_of("o-1").billed_micros, 1000000);
}
END_TEST

START_TEST(order_runs_and_is_settled)
{
	struct ops_order o = draft("o-1", "ann", 0, 3000000);
	open_order(&o);
	ck_assert_int_eq(order_of("o-1").state, OPS_ORDER_OPEN);
	ck_assert(!order_of("o-1").started);
	mark(RECORD_STARTED, 0, "o-1", 0);
	mark(RECORD_MARK, 0, "o-1", KWH);
	post();
	ck_assert(order_of("o-1").started);
	ended(0, "o-1", END_CUSTOMER, 2 * KWH);
	available(0, "o-1");
	post();
	o = order_of("o-1");
	ck_assert_int_eq(o.state, OPS_ORDER_DONE);
	ck_assert_int_eq(o.receipt.energy_mwh, 2 * KWH);
	ck_assert_int_eq(o.receipt.reason, END_CUSTOMER);
	ck_assert(o.receipt.settled && !o.price_differs && !o.ledger_lost);
	ck_assert_int_eq(o.billed_micros, 2000000);
	ck_assert_int_eq(o.captured_micros, 2000000);
	ck_assert_int_eq(o.written_off_micros, 0);
	ck_assert_int_eq(o.held_micros, 3000000);
	ck_assert_int_eq(book("customer:ann"), 8000000);
	ck_assert_int_eq(book("held:" BOX ":ann"), 0);
	ck_assert_int_eq(book("revenue"), 2000000);
	FAILS(ops_add_credit(ops, "o-1", 5, "k", NOW, &error), -EAGAIN);
}
END_TEST

START_TEST(bound_account_goes_negative)
{
	struct ops_order o = draft("o-1", "bob", 0, 1500000);
	int64_t micros;
	open_order(&o);
	ck_assert_int_eq(book("customer:bob"), -1500000);
	OK(ops_spendable(ops, "bob", &micros, &error));
	ck_assert_int_eq(micros, 500000);
	o = draft("o-2", "bob", 1, 500001);
	FAILS(ops_create_order(ops, &o, NOW, &error), -EDQUOT);
	mark(RECORD_STARTED, 0, "o-1", 0);
	ended(0, "o-1", END_CREDIT_EXHAUSTED, 1600000);
	post();
	o = order_of("o-1");
	ck_assert_int_eq(o.captured_micros, 1500000);
	ck_assert_int_eq(o.written_off_micros, 100000);
	ck_assert_int_eq(book("writeoff"), -100000);
	ck_assert_int_eq(book("revenue"), 1600000);
	ck_assert_int_eq(book("customer:bob"), -1500000);
}
END_TEST

START_TEST(two_orders_share_a_held_book)
{
	struct ops_order a = draft("o-1", "ann", 0, 1000000), b = draft("o-2", "ann", 1, 0);
	open_order(&a);
	open_order(&b);
	mark(RECORD_STARTED, 0, "o-1", 0);
	mark(RECORD_STARTED, 1, "o-2", 0);
	ended(0, "o-1", END_CUSTOMER, KWH / 2);
	post();
	ck_assert_int_eq(book("held:" BOX ":ann"), 500000);
	ck_assert_int_eq(book("customer:ann"), 9000000);
	ended(1, "o-2", END_CREDIT_EXHAUSTED, KWH * 6 / 10);
	post();
	b = order_of("o-2");
	ck_assert_int_eq(b.captured_micros, 500000);
	ck_assert_int_eq(b.written_off_micros, 100000);
	ck_assert_int_eq(book("held:" BOX ":ann"), 0);
	ck_assert_int_eq(book("customer:ann"), 9000000);
}
END_TEST

START_TEST(refused_authorize_releases)
{
	struct ops_order a = draft("o-1", "ann", 0, 1000000), b = draft("o-2", "ann", 1, 2000000);
	open_order(&a);
	create(&b);
	OK(ops_add_credit(ops, "o-2", 300000, "top", NOW, &error));
	ck_assert_int_eq(book("held:" BOX ":ann"), 3300000);
	answer_all(COMMAND_REFUSED);
	post();
	ck_assert_int_eq(order_of("o-2").state, OPS_ORDER_CANCELLED);
	ck_assert_int_eq(order_of("o-2").held_micros, 0);
	ck_assert_int_eq(book("held:" BOX ":ann"), 1000000); /* the top-up went back once, not twice */
	ck_assert_int_eq(order_of("o-1").state, OPS_ORDER_OPEN);
	list_commands(0);
	ck_assert_uint_eq(command_count, 0);
	ended(0, "o-1", END_NOT_STARTED, 0);
	post();
	ck_assert_int_eq(book("customer:ann"), 10000000);
	ck_assert_int_eq(order_of("o-1").billed_micros, 0);
}
END_TEST

START_TEST(overtaken_authorize_releases)
{
	struct ops_order a = draft("o-1", "ann", 0, 1000000), b = draft("o-2", "ann", 1, 2000000);
	create(&a);
	create(&b);
	list_commands(0);
	authorized(1, &b.grant);
	result_of(commands[1].id, commands[1].seq, COMMAND_DONE); /* the first was lost on the way */
	post();
	ck_assert_int_eq(order_of("o-1").state, OPS_ORDER_CANCELLED);
	ck_assert_int_eq(order_of("o-2").state, OPS_ORDER_OPEN);
	ck_assert_int_eq(book("held:" BOX ":ann"), 2000000);
	result_of(commands[1].id, 0, COMMAND_OUT_OF_ORDER); /* a replay of what was done changes nothing */
	result_of("no-such-id", 99, COMMAND_DONE);
	post();
	ck_assert_int_eq(order_of("o-2").state, OPS_ORDER_OPEN);
}
END_TEST

START_TEST(top_up)
{
	struct ops_order o = draft("o-1", "ann", 0, 1000000);
	open_order(&o);
	OK(ops_add_credit(ops, "o-1", 500000, "top-1", NOW, &error));
	OK(ops_add_credit(ops, "o-1", 500000, "top-1", NOW, &error));
	FAILS(ops_add_credit(ops, "o-1", 500001, "top-1", NOW, &error), -EEXIST);
	FAILS(ops_add_credit(ops, "o-1", 0, "top-2", NOW, &error), -EINVAL);
	FAILS(ops_add_credit(ops, "o-1", 9000000, "top-2", NOW, &error), -EDQUOT);
	FAILS(ops_add_credit(ops, "o-9", 1, "top-2", NOW, &error), -ENOENT);
	ck_assert_int_eq(order_of("o-1").held_micros, 1500000);
	list_commands(0);
	ck_assert_uint_eq(command_count, 1);
	ck_assert_int_eq(commands[0].type, COMMAND_CREDIT);
	ck_assert_int_eq(commands[0].u.credit.credit_micros, 500000);
	answer_all(COMMAND_EXPIRED);
	post();
	ck_assert_int_eq(order_of("o-1").held_micros, 1000000);
	ck_assert_int_eq(book("customer:ann"), 9000000);
	OK(ops_add_credit(ops, "o-1", 500000, "top-3", NOW, &error));
	answer_all(COMMAND_DONE);
	post();
	ck_assert_int_eq(order_of("o-1").held_micros, 1500000);
}
END_TEST

START_TEST(late_refusal_of_a_top_up_gives_nothing_twice)
{
	struct ops_order o = draft("o-1", "ann", 0, 1000000);
	open_order(&o);
	OK(ops_add_credit(ops, "o-1", 500000, "top-1", NOW, &error));
	list_commands(0);
	struct command top = commands[0];
	ended(0, "o-1", END_CUSTOMER, 0);
	available(0, "o-1");
	post();
	ck_assert_int_eq(book("customer:ann"), 10000000);
	o = draft("o-2", "ann", 1, 1000000);
	create(&o);
	result_of(top.id, top.seq, COMMAND_REFUSED);
	list_commands(0);
	ck_assert_uint_eq(command_count, 1); /* the end of its order has settled it */
	post();
	ck_assert_int_eq(book("held:" BOX ":ann"), 1000000);
	ck_assert_int_eq(order_of("o-2").state, OPS_ORDER_SENT);
}
END_TEST

static void credited(const struct command *c)
{
	struct record r = next_record(RECORD_CREDIT, c->outlet, c->u.credit.order);
	r.u.credit.credit_micros = c->u.credit.credit_micros;
	r.u.credit.lease_ms = c->u.credit.lease_ms;
	write_record(r);
}

/* Anybody may have sent the box a badly signed copy, or a real one twice: the command is owed all the same. */
START_TEST(a_result_that_does_not_count_changes_nothing)
{
	static const enum command_outcome outcomes[] = {COMMAND_UNVERIFIED, COMMAND_FOREIGN, COMMAND_OUT_OF_ORDER};
	struct ops_order o = draft("o-1", "ann", 0, 1000000);
	struct command c = {.type = COMMAND_POWER_OFF, .actor = ACTOR_SERVER};
	create(&o);
	for (size_t i = 0; i < 3; i++) {
		answer_all(outcomes[i]);
		list_commands(0);
		result_of(commands[0].id, 0, outcomes[i]);
		post();
		list_commands(0);
		ck_assert_uint_eq(command_count, 1);
		ck_assert_int_eq(order_of("o-1").state, OPS_ORDER_SENT);
		ck_assert_int_eq(book("held:" BOX ":ann"), 1000000);
	}
	authorized(0, &o.grant);
	answer_all(COMMAND_DONE);
	post();
	OK(ops_add_credit(ops, "o-1", 500000, "top-1", NOW, &error));
	word_copy(c.box, sizeof c.box, BOX);
	word_copy(c.u.session.order, ORDER_SIZE, "o-1");
	OK(ops_send(ops, &c, NOW, &error));
	for (size_t i = 0; i < 3; i++) {
		list_commands(0);
		result_of(commands[0].id, 0, outcomes[i]);
		result_of(commands[1].id, 0, outcomes[i]);
		post();
		list_commands(0);
		ck_assert_uint_eq(command_count, 2);
		ck_assert_int_eq(order_of("o-1").held_micros, 1500000);
		ck_assert_int_eq(book("customer:ann"), 8500000);
	}
	credited(&commands[0]);
	result_of(commands[0].id, commands[0].seq, COMMAND_DONE);
	result_of(commands[1].id, 0, COMMAND_DONE);
	post();
	list_commands(0);
	ck_assert_uint_eq(command_count, 0);
	ck_assert_int_eq(book("held:" BOX ":ann"), 1500000);
}
END_TEST

/* Its result was parked: what came of it is told by the credit record itself. */
START_TEST(a_credit_record_settles_its_command)
{
	struct ops_order o = draft("o-1", "ann", 0, 1000000);
	struct command later = {.type = COMMAND_UNLOCK, .actor = ACTOR_OPERATOR, .outlet = 1};
	open_order(&o);
	OK(ops_add_credit(ops, "o-1", 500000, "top-1", NOW, &error));
	list_commands(0);
	credited(&commands[0]);
	result_of(commands[0].id, commands[0].seq, COMMAND_DONE);
	damage(box.count - 1, "\"command\"", "\"commend\"");
	post_from(box.sent);
	ck_assert_uint_eq(answer.refused_count, 1);
	word_copy(later.box, sizeof later.box, BOX);
	OK(ops_send(ops, &later, NOW, &error));
	result_of(later.id, later.seq, COMMAND_DONE);
	post();
	list_commands(0);
	ck_assert_uint_eq(command_count, 0);
	ck_assert_int_eq(order_of("o-1").held_micros, 1500000);
	ck_assert_int_eq(book("customer:ann"), 8500000);
}
END_TEST

/* A top-up that the end overtook is not left with the account's other sessions. */
START_TEST(an_end_gives_back_an_undecided_top_up)
{
	struct ops_order a = draft("o-1", "ann", 0, 1000000), b = draft("o-2", "ann", 1, 1000000);
	open_order(&a);
	open_order(&b);
	OK(ops_add_credit(ops, "o-1", 500000, "top-1", NOW, &error));
	ended(0, "o-1", END_CUSTOMER, 0);
	post();
	list_commands(0);
	ck_assert_uint_eq(command_count, 0);
	ck_assert_int_eq(book("held:" BOX ":ann"), 2000000);
}
END_TEST

/* The box has decided numbers that a restored server does not know. */
START_TEST(numbers_that_were_used_are_not_used_again)
{
	struct ops_order o = draft("o-1", "ann", 0, 1000000);
	create(&o);
	list_commands(0);
	char id[COMMAND_ID_SIZE];
	memcpy(id, commands[0].id, sizeof id);
	ck_assert_uint_eq(commands[0].seq, 1);
	OK(ops_decided(ops, BOX, 6, &error));
	FAILS(ops_decided(ops, BOX, UINT64_C(1) << 53, &error), -EINVAL);
	FAILS(ops_decided(ops, "box-9", 1, &error), -ENOENT);
	list_commands(6);
	ck_assert_uint_eq(command_count, 0); /* the box may have had it: its records are still to come */
	for (uint64_t seq = 2; seq <= 6; seq++)
		result_of("of-a-later-server", seq, COMMAND_DONE);
	post();
	list_commands(6);
	ck_assert_uint_eq(command_count, 1);
	ck_assert_uint_gt(commands[0].seq, 6);
	ck_assert_str_eq(commands[0].id, id);
	authorized(0, &o.grant);
	answer_all(COMMAND_DONE);
	post();
	ck_assert_int_eq(order_of("o-1").state, OPS_ORDER_OPEN);
	OK(ops_add_credit(ops, "o-1", 1, "top", NOW, &error));
	list_commands(0);
	ck_assert_uint_gt(commands[0].seq, 7);
}
END_TEST

START_TEST(fault_of_ours_costs_nothing)
{
	struct ops_order o = draft("o-1", "ann", 0, 1000000);
	open_order(&o);
	mark(RECORD_STARTED, 0, "o-1", 0);
	ended(0, "o-1", END_METER_SILENT, KWH / 2);
	post();
	o = order_of("o-1");
	ck_assert_int_eq(o.state, OPS_ORDER_DONE);
	ck_assert_int_eq(o.receipt.energy_mwh, KWH / 2);
	ck_assert_int_eq(o.billed_micros, 0);
	ck_assert(!o.price_differs);
	ck_assert_int_eq(book("customer:ann"), 10000000);
}
END_TEST

START_TEST(lower_price_is_billed)
{
	static const int64_t box_prices[] = {900000, 1100000};
	for (int i = 0; i < 2; i++) {
		struct ops_order o = draft(i == 0 ? "o-1" : "o-2", "ann", i, 3000000);
		struct grant grant = o.grant;
		grant.tariff.energy_price_micros = box_prices[i];
		create(&o);
		authorized(i, &grant);
		answer_all(COMMAND_DONE);
		mark(RECORD_STARTED, i, grant.order, 0);
		ended(i, grant.order, END_CUSTOMER, KWH);
		post();
		o = order_of(grant.order);
		ck_assert(o.price_differs);
		ck_assert_int_eq(o.receipt.amount_micros, box_prices[i]);
		ck_assert_int_eq(o.billed_micros, i == 0 ? 900000 : 1000000);
	}
}
END_TEST

/* By one millionth: the lower is charged. */
START_TEST(a_wrong_amount_is_taken_in)
{
	static const char *const amounts[] = {"\"amount_micros\":999999", "\"amount_micros\":1000001"};
	for (int i = 0; i < 2; i++) {
		struct ops_order o = draft(i == 0 ? "o-1" : "o-2", "ann", i, 3000000);
		o.grant.tariff.energy_price_micros = i == 0 ? 999998 : 1000000;
		open_order(&o);
		mark(RECORD_STARTED, i, o.grant.order, 0);
		ended(i, o.grant.order, END_CUSTOMER, KWH);
		damage(box.count - 1, i == 0 ? "\"amount_micros\":999998" : "\"amount_micros\":1000000", amounts[i]);
		post();
		o = order_of(o.grant.order);
		ck_assert_int_eq(o.state, OPS_ORDER_DONE);
		ck_assert(o.price_differs);
		ck_assert_int_eq(o.billed_micros, i == 0 ? 999998 : 1000000);
	}
}
END_TEST

/* --- commands --- */

START_TEST(sending_commands)
{
	struct command c = {.type = COMMAND_STOP, .actor = ACTOR_CUSTOMER, .outlet = 1}, d;
	char first_id[COMMAND_ID_SIZE];
	word_copy(c.box, sizeof c.box, BOX);
	word_copy(c.u.session.order, ORDER_SIZE, "o-1");
	OK(ops_send(ops, &c, NOW, &error));
	ck_assert_uint_eq(c.seq, 1);
	ck_assert_str_eq(c.ledger, box.ledger);
	ck_assert_int_eq(c.not_after_ms, NOW + 120000);
	ck_assert_uint_ge(strlen(c.id), 32);
	memcpy(first_id, c.id, sizeof first_id);
	OK(ops_send(ops, &c, NOW, &error));
	ck_assert_uint_eq(c.seq, 2);
	ck_assert_str_ne(c.id, first_id);
	d = c;
	d.type = COMMAND_AUTHORIZE;
	FAILS(ops_send(ops, &d, NOW, &error), -EINVAL);
	d.type = COMMAND_CREDIT;
	FAILS(ops_send(ops, &d, NOW, &error), -EINVAL);
	d.type = (enum command_type)99;
	FAILS(ops_send(ops, &d, NOW, &error), -EINVAL);
	d = c;
	d.outlet = 99;
	FAILS(ops_send(ops, &d, NOW, &error), -EINVAL);
	word_copy(d.box, sizeof d.box, "box-9");
	FAILS(ops_send(ops, &d, NOW, &error), -ENOENT);
	FAILS(ops_send(ops, &c, -1, &error), -EINVAL);
	list_commands(0);
	ck_assert_uint_eq(command_count, 2);
	list_commands(1);
	ck_assert_uint_eq(command_count, 1);
	list_commands(2);
	ck_assert_uint_eq(command_count, 0);
	result_of(c.id, 2, COMMAND_REFUSED);
	post();
	list_commands(0); /* a stop acts late too: the first one is still owed */
	ck_assert_uint_eq(command_count, 1);
	ck_assert_str_eq(commands[0].id, first_id);
	FAILS(ops_commands(ops, "box-9", 0, false, take_command, NULL, &error), -ENOENT);
}
END_TEST

/* --- intake --- */

START_TEST(batches_repeat_without_effect)
{
	struct ops_order o = draft("o-1", "ann", 0, 3000000);
	open_order(&o);
	mark(RECORD_STARTED, 0, "o-1", 0);
	ended(0, "o-1", END_CUSTOMER, KWH);
	post();
	for (size_t from = 0; from <= box.count; from++) {
		post_from(from);
		ck_assert_uint_eq(answer.accepted_through, box.count);
		ck_assert_uint_eq(answer.refused_count, 0);
	}
	ck_assert_int_eq(book("revenue"), 1000000);
	ck_assert_int_eq(book("customer:ann"), 9000000);
}
END_TEST

static const char *const *texts_at(size_t i)
{
	return (const char *const *)&box.texts[i];
}

START_TEST(gaps_end_a_batch)
{
	const char *mixed[3];
	char ledger[LEDGER_ID_SIZE];
	uint64_t accepted;
	meter(0);
	meter(1);
	mixed[0] = box.texts[0];
	mixed[1] = box.texts[2];
	mixed[2] = box.texts[1];
	OK(ops_intake(ops, BOX, box.ledger, texts_at(1), 2, NOW, &answer, &error));
	ck_assert_uint_eq(answer.accepted_through, 0);
	OK(ops_ledger(ops, BOX, ledger, &accepted, &error));
	ck_assert_str_eq(ledger, ""); /* not even the ledger is known */
	OK(ops_intake(ops, BOX, box.ledger, NULL, 0, NOW, &answer, &error));
	ck_assert_uint_eq(answer.accepted_through, 0);
	for (int i = 0; i < 2; i++) {
		OK(ops_intake(ops, BOX, box.ledger, mixed, 2, NOW, &answer, &error));
		ck_assert_uint_eq(answer.accepted_through, 1);
		ck_assert_uint_eq(answer.refused_count, 0);
	}
	post_from(0);
	ck_assert_uint_eq(answer.accepted_through, 3);
	OK(ops_ledger(ops, BOX, ledger, &accepted, &error));
	ck_assert_str_eq(ledger, box.ledger);
	ck_assert_uint_eq(accepted, 3);
	FAILS(ops_ledger(ops, "box-9", ledger, &accepted, &error), -ENOENT);
}
END_TEST

struct listing {
	size_t count;
	size_t refused;
};

static bool take_record(void *ctx, uint64_t seq, const char *text, size_t length, bool refused)
{
	struct listing *l = ctx;
	l->count++;
	l->refused += refused;
	ck_assert_uint_eq(seq, l->count);
	ck_assert_uint_eq(strlen(box.texts[seq - 1]), length);
	ck_assert_mem_eq(text, box.texts[seq - 1], length);
	return true;
}

START_TEST(damaged_records_are_parked)
{
	struct ops_order o = draft("o-1", "ann", 0, 3000000);
	struct listing listing = {0};
	open_order(&o);
	mark(RECORD_STARTED, 0, "o-1", 0);
	mark(RECORD_MARK, 0, "o-1", KWH / 4);
	damage(box.count - 1, "\"mark\"", "\"mork\"");
	size_t first = box.count;
	mark(RECORD_MARK, 0, "o-1", KWH / 2);
	damage(box.count - 1, "{", "!");
	mark(RECORD_MARK, 0, "o-1", KWH * 3 / 4);
	damage(box.count - 1, "\"seq\":", "\"sex\":");
	ended(0, "o-1", END_CUSTOMER, KWH);
	for (int i = 0; i < 2; i++) {
		post_from(first - 2);
		ck_assert_uint_eq(answer.accepted_through, box.count);
		ck_assert_uint_eq(answer.refused_count, 3);
		ck_assert_uint_eq(answer.refused[0].seq, first);
		ck_assert_uint_eq(answer.refused[2].seq, first + 2);
		ck_assert_ptr_nonnull(strstr(answer.refused[2].why, "seq"));
		ck_assert_str_eq(answer.refused[0].code, answer.refused[1].code);
	}
	ck_assert_int_eq(order_of("o-1").billed_micros, 1000000);
	OK(ops_records(ops, BOX, box.ledger, 0, take_record, &listing, &error));
	ck_assert_uint_eq(listing.count, box.count);
	ck_assert_uint_eq(listing.refused, 3);
	FAILS(ops_records(ops, BOX, "nope", 0, take_record, &listing, &error), -ENOENT);
}
END_TEST

START_TEST(unreadable_alone_in_a_batch)
{
	const char *garbage[] = {"garbage", "more garbage"};
	uint64_t before = box.count;
	for (size_t i = 0; i < 4; i++) {
		size_t count = i < 2 ? 1 : 2;
		OK(ops_intake(ops, BOX, box.ledger, garbage, count, NOW, &answer, &error));
		ck_assert_uint_eq(answer.accepted_through, before + count);
		ck_assert_uint_eq(answer.refused_count, count);
	}
	keep_text(strdup(garbage[0]));
	keep_text(strdup(garbage[1]));
	box.sent = box.count;
	box.image.seq += 2;
	meter(2);
	post();
	post_from(before);
	ck_assert_uint_eq(answer.accepted_through, box.count);
	ck_assert_uint_eq(answer.refused_count, 2);
}
END_TEST

START_TEST(number_damaged_in_the_text)
{
	size_t at = box.count;
	meter(2);
	damage(at, "\"seq\":4", "\"seq\":1");
	meter(3);
	meter(4);
	post_from(at);
	ck_assert_uint_eq(answer.accepted_through, box.count);
	ck_assert_uint_eq(answer.refused_count, 1);
	ck_assert_uint_eq(answer.refused[0].seq, at + 1);
	post_from(0);
	ck_assert_uint_eq(answer.accepted_through, box.count);
	ck_assert_uint_eq(answer.refused_count, 1);
}
END_TEST

START_TEST(unlinked_and_not_following_are_parked)
{
	memset(box.tip, 'a', RECORD_HASH_SIZE - 1);
	meter(2);
	struct record r = next_record(RECORD_RELEASED, 3, "");
	struct record_link link = {.prev = ""};
	write_record(r);
	/* Linked, yet the register falls: the box's own image does not let it be written. */
	r = next_record(RECORD_STARTED, 3, "nobody");
	r.has_register = true;
	memcpy(link.ledger, box.ledger, sizeof link.ledger);
	memcpy(link.prev, box.tip, sizeof link.prev);
	keep_text(wire_write_record(&r, &link));
	box.image.seq++;
	post_from(box.sent);
	ck_assert_uint_eq(answer.accepted_through, box.count);
	ck_assert_uint_eq(answer.refused_count, 2);
	ck_assert_uint_eq(answer.refused[0].seq, 4);
	ck_assert_uint_eq(answer.refused[1].seq, 6);
	meter(3);
	post();
}
END_TEST

START_TEST(more_refusals_than_are_listed)
{
	for (int i = 0; i < 2 * OPS_REFUSED_MAX; i++) {
		meter(2);
		damage(box.count - 1, "\"meter\"", "\"motor\"");
	}
	post_from(box.sent);
	ck_assert_uint_eq(answer.accepted_through, box.count);
	ck_assert_uint_eq(answer.refused_count, OPS_REFUSED_MAX);
}
END_TEST

START_TEST(a_parked_end_does_not_hold_money_for_ever)
{
	struct ops_order o = draft("o-1", "ann", 0, 3000000);
	open_order(&o);
	mark(RECORD_STARTED, 0, "o-1", 0);
	mark(RECORD_MARK, 0, "o-1", KWH);
	ended(0, "o-1", END_CUSTOMER, 2 * KWH);
	damage(box.count - 1, "\"ended\"", "\"endet\"");
	post_from(box.sent);
	ck_assert_uint_eq(answer.refused_count, 1);
	ck_assert_int_eq(order_of("o-1").state, OPS_ORDER_OPEN);
	available(0, "o-1");
	post();
	o = order_of("o-1");
	ck_assert_int_eq(o.state, OPS_ORDER_DONE);
	ck_assert_int_eq(o.billed_micros, 1000000);
	ck_assert(!o.receipt.settled);
	ck_assert_int_eq(book("held:" BOX ":ann"), 0);
	o = draft("o-2", "ann", 0, 3000000);
	open_order(&o);
	ck_assert_int_eq(order_of("o-2").state, OPS_ORDER_OPEN);
}
END_TEST

/* The whole way out of a session was parked: the next session proves that it is over. */
START_TEST(next_session_ends_a_forgotten_one)
{
	struct ops_order o = draft("o-1", "ann", 0, 3000000);
	open_order(&o);
	mark(RECORD_STARTED, 0, "o-1", 0);
	mark(RECORD_MARK, 0, "o-1", KWH);
	ended(0, "o-1", END_CUSTOMER, 2 * KWH);
	damage(box.count - 1, "\"ended\"", "\"endet\"");
	available(0, "o-1");
	damage(box.count - 1, "\"available\"", "\"availabel\"");
	post_from(box.sent);
	ck_assert_uint_eq(answer.refused_count, 2);
	o = draft("o-2", "ann", 0, 3000000);
	open_order(&o);
	ck_assert_int_eq(order_of("o-1").state, OPS_ORDER_DONE);
	ck_assert_int_eq(order_of("o-1").billed_micros, 1000000);
	ck_assert_int_eq(order_of("o-2").state, OPS_ORDER_OPEN);
	ck_assert_int_eq(book("held:" BOX ":ann"), 5000000); /* shared while both were open */
}
END_TEST

START_TEST(parked_authorized)
{
	struct ops_order o = draft("o-1", "ann", 0, 3000000);
	create(&o);
	authorized(0, &o.grant);
	damage(box.count - 1, "\"authorized\"", "\"authorised\"");
	answer_all(COMMAND_DONE);
	mark(RECORD_STARTED, 0, "o-1", 0);
	post_from(box.sent);
	ck_assert_uint_eq(answer.refused_count, 2); /* its start depends on it */
	ck_assert_str_eq(answer.refused[0].code, "unreadable");
	ck_assert_str_eq(answer.refused[1].code, "does_not_follow");
	post_from(0);
	ck_assert_uint_eq(answer.refused_count, 2);
	ck_assert_str_eq(answer.refused[0].code, "unreadable");
	ck_assert_str_eq(answer.refused[1].code, "does_not_follow");
	ck_assert_ptr_null(strstr(answer.refused[1].why, "does_not_follow"));
	ck_assert_int_eq(order_of("o-1").state, OPS_ORDER_OPEN);
	ck_assert(!order_of("o-1").started);
}
END_TEST

START_TEST(what_the_box_runs_is_open)
{
	struct ops_order o = draft("o-1", "ann", 0, 1000000);
	create(&o);
	list_commands(0);
	result_of(commands[0].id, commands[0].seq, COMMAND_EXPIRED);
	post();
	ck_assert_int_eq(order_of("o-1").state, OPS_ORDER_CANCELLED);
	authorized(0, &o.grant);
	mark(RECORD_STARTED, 0, "o-1", 0);
	ended(0, "o-1", END_CUSTOMER, KWH);
	available(0, "o-1");
	authorized(0, &o.grant); /* an order that is done stays done */
	post();
	o = order_of("o-1");
	ck_assert_int_eq(o.state, OPS_ORDER_DONE);
	ck_assert_int_eq(o.written_off_micros, 1000000);
}
END_TEST

START_TEST(parked_boot_and_available)
{
	struct ops_order o = draft("o-1", "ann", 0, 3000000);
	open_order(&o);
	ended(0, "o-1", END_NOT_STARTED, 0);
	available(0, "o-1");
	damage(box.count - 1, "\"available\"", "\"availabel\"");
	struct record r = next_record(RECORD_BOOT, RECORD_NO_OUTLET, "");
	r.boot++;
	write_record(r);
	damage(box.count - 1, "\"boot\"", "\"root\"");
	post_from(box.sent);
	ck_assert_uint_eq(answer.refused_count, 2);
	o = draft("o-2", "ann", 0, 3000000);
	open_order(&o);
	ck_assert_int_eq(order_of("o-2").state, OPS_ORDER_OPEN);
}
END_TEST

START_TEST(unknown_and_foreign_orders_have_no_effect)
{
	struct ops_order o = draft("o-1", "ann", 0, 1000000), other;
	struct grant grant = o.grant;
	create(&o);
	authorized(1, &grant); /* another outlet than it was ordered for */
	mark(RECORD_STARTED, 1, "o-1", 0);
	ended(1, "o-1", END_CUSTOMER, KWH);
	available(1, "o-1");
	word_copy(grant.order, sizeof grant.order, "local-7");
	grant.kind = SESSION_SERVICE;
	authorized(1, &grant);
	mark(RECORD_STARTED, 1, "local-7", KWH);
	ended(1, "local-7", END_TECHNICIAN, 2 * KWH);
	post();
	other = order_of("o-1");
	ck_assert_int_eq(other.state, OPS_ORDER_SENT);
	ck_assert_int_eq(book("held:" BOX ":ann"), 1000000);
	ck_assert_int_eq(book("revenue"), 0);
	FAILS(ops_get_order(ops, "local-7", &other, &error), -ENOENT);
}
END_TEST

/* --- a lost ledger --- */

START_TEST(ledger_lost)
{
	struct ops_order a = draft("o-1", "ann", 0, 3000000), b = draft("o-2", "ann", 1, 1000000);
	const char *old[2];
	char old_ledger[LEDGER_ID_SIZE];
	open_order(&a);
	mark(RECORD_STARTED, 0, "o-1", 0);
	mark(RECORD_MARK, 0, "o-1", KWH / 2);
	post();
	create(&b);
	OK(ops_add_credit(ops, "o-1", 100000, "top", NOW, &error));
	old[0] = strdup(box.texts[0]);
	old[1] = "garbage";
	memcpy(old_ledger, box.ledger, sizeof old_ledger);
	/* Garbage under a new name changes nothing. */
	OK(ops_intake(ops, BOX, "ffffffffffffffffffffffffffffffff", &old[1], 1, NOW, &answer, &error));
	OK(ops_intake(ops, BOX, "ffffffffffffffffffffffffffffffff", old, 1, NOW, &answer, &error));
	ck_assert_uint_eq(answer.accepted_through, 0);
	ck_assert_int_eq(order_of("o-1").state, OPS_ORDER_OPEN);

	new_ledger("fedcba9876543210fedcba9876543210");
	meter(0);
	post();
	a = order_of("o-1");
	ck_assert_int_eq(a.state, OPS_ORDER_DONE);
	ck_assert(a.ledger_lost);
	ck_assert_int_eq(a.billed_micros, 500000);
	ck_assert_int_eq(a.receipt.energy_mwh, KWH / 2);
	b = order_of("o-2");
	ck_assert_int_eq(b.state, OPS_ORDER_CANCELLED);
	ck_assert(b.ledger_lost);
	ck_assert_int_eq(book("customer:ann"), 9500000);
	list_commands(0);
	ck_assert_uint_eq(command_count, 0);
	FAILS(ops_intake(ops, BOX, old_ledger, old, 1, NOW, &answer, &error), -EAGAIN);
	b = draft("o-3", "ann", 0, 1000000);
	open_order(&b);
	ck_assert_str_eq(commands[0].ledger, box.ledger);
	free((char *)old[0]);
}
END_TEST

START_TEST(new_ledger_with_a_damaged_first_record)
{
	damage(0, "\"boot\"}", "\"root\"}");
	meter(0);
	OK(ops_intake(ops, BOX, box.ledger, texts_at(0), 1, NOW, &answer, &error));
	ck_assert_uint_eq(answer.accepted_through, 0); /* nothing says yet that it is this ledger's */
	post_from(0);
	ck_assert_uint_eq(answer.accepted_through, 2);
	ck_assert_uint_eq(answer.refused_count, 1);
}
END_TEST

/* --- remote mode --- */

static void report(const char *order, int outlet, int64_t energy_mwh)
{
	struct progress p = {.outlet = outlet, .energy_mwh = energy_mwh};
	word_copy(p.order, sizeof p.order, order);
	OK(ops_progress(ops, BOX, &p, NOW, &error));
}

static struct ops_order remote(const char *number, const char *account, int outlet, int64_t credit)
{
	struct ops_order o = draft(number, account, outlet, credit);
	o.grant.mode = FEE_REMOTE;
	o.grant.lease_ms = 300000;
	return o;
}

/* Cheap at first, five times as dear from where NOW lies on. */
static struct fee_tariff two_rates(void)
{
	struct fee_tariff t = flat;
	t.energy_price_micros = 0;
	t.rate_count = 2;
	t.rates[0] = (struct fee_rate){"valley", 200000};
	t.rates[1] = (struct fee_rate){"peak", 1000000};
	t.period_count = 2;
	t.periods[1] = (struct fee_period){720, 1};
	t.utc_offset_min = 720 - NOW / FEE_MS_PER_MIN % FEE_DAY_MIN; /* noon is the minute of NOW */
	return t;
}

static void boundary(int outlet, const char *order, int64_t register_mwh, uint32_t rate, int64_t wall_ms)
{
	struct record r = next_record(RECORD_BOUNDARY, outlet, order);
	r.has_register = true;
	r.register_mwh = register_mwh;
	r.u.boundary.rate = rate;
	r.u.boundary.wall_ms = wall_ms;
	write_record(r);
}

static void started_at(int outlet, const char *order, int64_t register_mwh, int64_t wall_ms, uint32_t rate)
{
	struct record r = next_record(RECORD_STARTED, outlet, order);
	r.has_register = true;
	r.register_mwh = register_mwh;
	r.at.wall_ms = wall_ms;
	r.u.started.rate = rate;
	write_record(r);
}

/* Both ends price by rates: 2 kWh at 0.20 and 1.5 kWh at 1.00. */
START_TEST(settles_by_rates)
{
	struct ops_order o = draft("o-1", "ann", 0, 3000000);
	o.grant.tariff = two_rates();
	open_order(&o);
	started_at(0, "o-1", 0, NOW - 3600000, 0);
	boundary(0, "o-1", 2 * KWH, 1, NOW);
	ended(0, "o-1", END_CUSTOMER, 3 * KWH + KWH / 2);
	post();
	o = order_of("o-1");
	ck_assert_int_eq(o.state, OPS_ORDER_DONE);
	ck_assert_int_eq(o.billed_micros, 1900000);
	ck_assert(!o.price_differs);
	ck_assert_int_eq(o.receipt.by_rate.mwh[0], 2 * KWH);
	ck_assert_int_eq(o.receipt.by_rate.mwh[1], 3 * KWH / 2);
	ck_assert_int_eq(o.receipt.by_rate.mwh[2], 0);
	ck_assert_int_eq(book("customer:ann"), 8100000);
}
END_TEST

/* A box that says peak while the valley's price applies is not believed. */
START_TEST(a_rate_at_the_wrong_time_is_refused)
{
	struct ops_order o = draft("o-1", "ann", 0, 3000000);
	o.grant.tariff = two_rates();
	open_order(&o);
	started_at(0, "o-1", 0, NOW - 3600000, 0);
	boundary(0, "o-1", 2 * KWH, 1, NOW);
	damage(box.count - 1, "\"rate\":1", "\"rate\":0");
	post_from(box.sent);
	ck_assert_uint_eq(answer.refused_count, 1);
	ck_assert_str_eq(answer.refused[0].code, "does_not_follow");
}
END_TEST

static void report_rates(const char *order, int64_t valley_mwh, int64_t peak_mwh)
{
	struct progress p = {.energy_mwh = valley_mwh + peak_mwh, .by_rate = {{valley_mwh, peak_mwh}}};
	word_copy(p.order, sizeof p.order, order);
	OK(ops_progress(ops, BOX, &p, NOW, &error));
}

START_TEST(remote_progress_is_priced_by_rates)
{
	struct ops_order o = remote("o-1", "ann", 0, 10000000); /* all she has */
	o.grant.tariff = two_rates();
	open_order(&o);
	started_at(0, "o-1", 0, NOW - 3600000, 0);
	post();
	report_rates("o-1", 10 * KWH, 0);
	ck_assert_int_eq(order_of("o-1").priced_micros, 2000000);
	report_rates("o-1", 10 * KWH, 7 * KWH);
	ck_assert_int_eq(order_of("o-1").priced_micros, 9000000);
	ck_assert(!order_of("o-1").power_off_sent);
	report_rates("o-1", 10 * KWH, 8 * KWH);
	ck_assert(order_of("o-1").power_off_sent);
	struct progress lies = {.energy_mwh = 20 * KWH, .by_rate = {{1}}};
	word_copy(lies.order, sizeof lies.order, "o-1");
	OK(ops_progress(ops, BOX, &lies, NOW, &error)); /* rates that do not add up change nothing */
	ck_assert_int_eq(order_of("o-1").priced_mwh, 18 * KWH);
	lies.by_rate = (struct fee_energy){{18 * KWH, 0, 2 * KWH}}; /* nor one that the tariff has not */
	OK(ops_progress(ops, BOX, &lies, NOW, &error));
	ck_assert_int_eq(order_of("o-1").priced_mwh, 18 * KWH);
	lies.by_rate.mwh[0] = -1;
	FAILS(ops_progress(ops, BOX, &lies, NOW, &error), -EINVAL);
}
END_TEST

START_TEST(lease_grows_and_ends)
{
	struct ops_order o = remote("o-1", "ann", 0, 4000000);
	open_order(&o);
	mark(RECORD_STARTED, 0, "o-1", 0);
	post();
	report("o-1", 0, 2 * KWH - 1000);
	list_commands(0);
	ck_assert_uint_eq(command_count, 0);
	report("o-1", 0, 2 * KWH);
	list_commands(0);
	ck_assert_uint_eq(command_count, 1);
	ck_assert_int_eq(commands[0].type, COMMAND_CREDIT);
	ck_assert_int_eq(commands[0].u.credit.credit_micros, 4000000);
	ck_assert_int_eq(commands[0].u.credit.lease_ms, 300000);
	report("o-1", 0, 1 * KWH); /* overtaken telemetry */
	ck_assert_int_eq(order_of("o-1").priced_mwh, 2 * KWH);
	report("o-1", 0, 4 * KWH); /* half of 8: the rest of the account is held */
	ck_assert_int_eq(order_of("o-1").held_micros, 10000000);
	ck_assert_int_eq(book("customer:ann"), 0);
	report("o-1", 0, 9 * KWH);
	list_commands(0);
	ck_assert_uint_eq(command_count, 2);
	report("o-1", 0, 10 * KWH);
	report("o-1", 0, 11 * KWH);
	list_commands(0);
	ck_assert_uint_eq(command_count, 3);
	ck_assert_int_eq(commands[2].type, COMMAND_POWER_OFF);
	ck_assert(order_of("o-1").power_off_sent);
	ended(0, "o-1", END_SERVER, 11 * KWH);
	post();
	ck_assert_int_eq(order_of("o-1").written_off_micros, 1000000);
}
END_TEST

START_TEST(remote_orders_share_the_book)
{
	struct ops_order a = remote("o-1", "bob", 0, 1000000), b = remote("o-2", "bob", 1, 0);
	open_order(&a);
	open_order(&b);
	report("o-1", 0, KWH * 4 / 10);
	list_commands(0);
	ck_assert_uint_eq(command_count, 0);
	report("o-2", 1, KWH * 2 / 10);
	list_commands(0);
	ck_assert_uint_eq(command_count, 1);
	ck_assert_str_eq(commands[0].u.credit.order, "o-2");
	ck_assert_int_eq(commands[0].u.credit.credit_micros, 1000000);
	report("o-1", 0, KWH);
	report("o-2", 1, KWH);
	list_commands(0);
	ck_assert_uint_eq(command_count, 2);
	ck_assert_int_eq(commands[1].type, COMMAND_POWER_OFF);
	report("o-1", 0, KWH);
	list_commands(0);
	ck_assert_uint_eq(command_count, 3);
}
END_TEST

/* One without credit of its own grows as its companion did, also when that has ended. */
START_TEST(a_lease_is_remembered)
{
	struct ops_order a = remote("o-1", "ann", 0, 1000000), b = remote("o-2", "ann", 1, 0);
	open_order(&a);
	open_order(&b);
	ended(0, "o-1", END_NOT_STARTED, 0);
	post();
	report("o-2", 1, KWH);
	list_commands(0);
	ck_assert_uint_eq(command_count, 1);
	ck_assert_int_eq(commands[0].u.credit.credit_micros, 1000000);
	ck_assert_int_eq(order_of("o-2").held_micros, 1000000);
}
END_TEST

START_TEST(a_lease_does_not_pass_the_limit)
{
	struct ops_order o = remote("o-1", "ann", 0, 1000000);
	o.grant.limit_micros = 1200000;
	open_order(&o);
	mark(RECORD_STARTED, 0, "o-1", 0);
	post();
	report("o-1", 0, KWH / 2);
	ck_assert_int_eq(order_of("o-1").held_micros, 1200000);
	report("o-1", 0, KWH);
	ck_assert_int_eq(order_of("o-1").held_micros, 1200000);
	ck_assert(!order_of("o-1").power_off_sent);
}
END_TEST

START_TEST(local_order_beside_a_remote_one)
{
	struct ops_order a = remote("o-1", "ann", 0, 1000000), b = draft("o-2", "ann", 1, 0);
	open_order(&a);
	open_order(&b);
	report("o-2", 1, KWH * 4 / 10);
	list_commands(0);
	ck_assert_uint_eq(command_count, 0);
	ck_assert_int_eq(order_of("o-2").priced_mwh, KWH * 4 / 10);
	report("o-1", 0, KWH / 10);
	list_commands(0);
	ck_assert_uint_eq(command_count, 1);
	ck_assert_str_eq(commands[0].u.credit.order, "o-1");
}
END_TEST

START_TEST(progress_of_others)
{
	struct ops_order o = draft("o-1", "ann", 0, 1000000);
	struct progress p = {.outlet = 0, .energy_mwh = 5 * KWH};
	open_order(&o);
	report("o-1", 0, 5 * KWH); /* local mode: the box stops by itself */
	report("unknown", 0, 5 * KWH);
	report("o-1", 1, 5 * KWH);
	report("", 0, 0);
	list_commands(0);
	ck_assert_uint_eq(command_count, 0);
	FAILS(ops_progress(ops, "box-9", &p, NOW, &error), -ENOENT);
	p.outlet = -1;
	FAILS(ops_progress(ops, BOX, &p, NOW, &error), -EINVAL);
	p.outlet = 0;
	p.energy_mwh = INT64_MAX;
	FAILS(ops_progress(ops, BOX, &p, NOW, &error), -EINVAL);
	p.energy_mwh = 0;
	memset(p.order, 'x', sizeof p.order);
	FAILS(ops_progress(ops, BOX, &p, NOW, &error), -EINVAL);
}
END_TEST

/* --- hostile input --- */

START_TEST(hostile_records)
{
	static const char *const hostile[] = {
		"",
		"{",
		"[]",
		"null",
		"\"",
		"{\"seq\":",
		"{\"seq\":}",
		"{\"seq\":-4}",
		"{\"seq\":4.5}",
		"{\"seq\":\"4\"}",
		"{\"seq\":4}",
		"{\"seq\":99999999999999999999999999}",
		"{\"a\":{\"seq\":4},\"b\":\"\\\"seq\\\":4\\",
		"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
		"{\"seq\":0,\"seq\":4}",
		"\xff\xfe\"seq\":4",
	};
	for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
		uint64_t before = answer.accepted_through;
		OK(ops_intake(ops, BOX, box.ledger, &hostile[i], 1, NOW, &answer, &error));
		ck_assert_uint_le(answer.accepted_through, before + 1);
		ck_assert_uint_ge(answer.accepted_through, before);
	}
	OK(ops_intake(ops, BOX, box.ledger, hostile, sizeof hostile / sizeof *hostile, NOW, &answer, &error));
	char *huge = malloc(100001);
	memset(huge, ' ', 100000);
	huge[100000] = '\0';
	OK(ops_intake(ops, BOX, box.ledger, (const char *const *)&huge, 1, NOW, &answer, &error));
	free(huge);
}
END_TEST

/* Records of very many values: each is refused, none holds the server up. */
START_TEST(records_of_many_names)
{
	enum {
		COUNT = 500,
		NAMES = 1000
	};
	static const char *texts[COUNT];
	char *text = malloc(WIRE_TEXT_MAX + 1);
	uint64_t before = box.count;
	size_t used = 0;
	for (unsigned i = 0; i < NAMES; i++)
		used += (size_t)snprintf(text + used, WIRE_TEXT_MAX - used, "%c\"%x\":1", i == 0 ? '{' : ',', i);
	ck_assert_uint_lt(used, WIRE_TEXT_MAX - 2);
	memcpy(text + used, "}", 2);
	for (size_t i = 0; i < COUNT; i++)
		texts[i] = text;
	OK(ops_intake(ops, BOX, box.ledger, texts, COUNT, NOW, &answer, &error));
	ck_assert_uint_eq(answer.accepted_through, before + COUNT);
	ck_assert_uint_eq(answer.refused_count, OPS_REFUSED_MAX);
	for (size_t i = 0; i < OPS_REFUSED_MAX; i++)
		ck_assert_str_eq(answer.refused[i].code, "unreadable");
	free(text);
}
END_TEST

START_TEST(hostile_arguments)
{
	const char *none[] = {NULL};
	FAILS(ops_intake(ops, "box-9", box.ledger, texts_at(0), 1, NOW, &answer, &error), -ENOENT);
	FAILS(ops_intake(ops, NULL, box.ledger, texts_at(0), 1, NOW, &answer, &error), -EINVAL);
	FAILS(ops_intake(ops, BOX, "", texts_at(0), 1, NOW, &answer, &error), -EINVAL);
	FAILS(ops_intake(ops, BOX, "ABCDEF", texts_at(0), 1, NOW, &answer, &error), -EINVAL);
	FAILS(ops_intake(ops, BOX, NULL, texts_at(0), 1, NOW, &answer, &error), -EINVAL);
	FAILS(ops_intake(ops, BOX, "123456789012345678901234567890123", texts_at(0), 1, NOW, &answer, &error), -EINVAL);
	FAILS(ops_intake(ops, BOX, box.ledger, none, 1, NOW, &answer, &error), -EINVAL);
	FAILS(ops_intake(ops, BOX, box.ledger, texts_at(0), SIZE_MAX, NOW, &answer, &error), -EINVAL);
}
END_TEST

START_TEST(records_of_another_ledger_or_box)
{
	size_t at = box.count;
	char ledger[LEDGER_ID_SIZE];
	memcpy(ledger, box.ledger, sizeof ledger);
	word_copy(box.ledger, sizeof box.ledger, "ffffffffffffffffffffffffffffffff");
	meter(2);
	memcpy(box.ledger, ledger, sizeof ledger);
	post_from(at);
	ck_assert_uint_eq(answer.refused_count, 1);
	ck_assert_msg(strstr(answer.refused[0].why, "another ledger") != NULL, "%s", answer.refused[0].why);
	ck_assert_str_eq(answer.refused[0].code, "not_linked");

	/* A second box reports the end of the first one's order. */
	struct ops_order o = draft("o-1", "ann", 0, 1000000);
	open_order(&o);
	OK(ops_add_box(ops, "box-2", &error));
	list_commands(0);
	new_ledger("22222222222222222222222222222222");
	meter(0);
	authorized(0, &o.grant);
	mark(RECORD_STARTED, 0, "o-1", 0);
	ended(0, "o-1", END_CUSTOMER, KWH);
	OK(ops_intake(ops, "box-2", box.ledger, texts_at(0), box.count, NOW, &answer, &error));
	ck_assert_uint_eq(answer.refused_count, 0);
	ck_assert_uint_eq(answer.accepted_through, box.count);
	ck_assert_int_eq(order_of("o-1").state, OPS_ORDER_OPEN);
	ck_assert_int_eq(book("held:" BOX ":ann"), 1000000);
}
END_TEST

/* A box that is set back to an older copy of its ledger writes other records under old numbers. */
START_TEST(fork_is_noticed)
{
	char tip[RECORD_HASH_SIZE];
	memcpy(tip, box.tip, sizeof tip);
	struct box_image image = box.image;
	meter(2);
	post();
	memcpy(box.tip, tip, sizeof tip);
	box.image = image;
	free(box.texts[--box.count]);
	meter(3);
	post_from(box.count - 1);
	ck_assert_uint_eq(answer.accepted_through, box.count);
	ck_assert_uint_eq(answer.refused_count, 1);
}
END_TEST

/* --- files --- */

static char folder[64];
static char path[96];

static void setup_file(void)
{
	word_copy(folder, sizeof folder, "/tmp/test-ops-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/ops.db", folder);
}

static void teardown_file(void)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	char name[128];
	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
		unlink(name);
	}
	rmdir(folder);
}

static void sql(const char *text)
{
	sqlite3 *db;
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_msg(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
	sqlite3_close(db);
}

/* A file with one order under way; closed. */
static void make_file(void)
{
	struct ops_options o = options(path);
	struct ops_order order = draft("o-1", "ann", 0, 1000000);
	OK(ops_open(&o, &ops, &error));
	OK(ops_add_box(ops, BOX, &error));
	OK(ops_add_account(ops, "ann", OPS_SHARED, 0, &error));
	OK(ops_recharge(ops, "ann", 10000000, "pay-1", &error));
	new_ledger("0123456789abcdef0123456789abcdef");
	meter(0);
	post();
	open_order(&order);
	mark(RECORD_STARTED, 0, "o-1", 0);
	post();
	ops_close(ops);
}

static void reopen(void)
{
	struct ops_options o = options(path);
	OK(ops_open(&o, &ops, &error));
}

START_TEST(state_survives)
{
	make_file();
	reopen();
	mark(RECORD_MARK, 0, "o-1", KWH / 4);
	post();
	ops_close(ops);
	reopen();
	ended(0, "o-1", END_CUSTOMER, KWH / 2);
	post();
	ck_assert_int_eq(order_of("o-1").billed_micros, 500000);
	post_from(0);
	ck_assert_int_eq(book("revenue"), 500000);
	teardown();
}
END_TEST

START_TEST(failed_call_changes_nothing)
{
	struct ops_order o = draft("o-2", "ann", 1, 1000000);
	uint64_t accepted;
	char ledger[LEDGER_ID_SIZE];
	make_file();
	reopen();
	ended(0, "o-1", END_CUSTOMER, KWH / 2);
	available(0, "o-1");
	sql("CREATE TRIGGER no BEFORE INSERT ON posting BEGIN SELECT RAISE(ABORT, 'no'); END");
	FAILS(ops_intake(ops, BOX, box.ledger, texts_at(box.sent), 2, NOW, &answer, &error), -EIO);
	FAILS(ops_create_order(ops, &o, NOW, &error), -EIO);
	FAILS(ops_recharge(ops, "ann", 5, "pay-2", &error), -EIO);
	OK(ops_ledger(ops, BOX, ledger, &accepted, &error));
	ck_assert_uint_eq(accepted, box.sent);
	ck_assert_int_eq(order_of("o-1").state, OPS_ORDER_OPEN);
	sql("DROP TRIGGER no");
	post();
	ck_assert_int_eq(order_of("o-1").billed_micros, 500000);
	create(&o);
	teardown();
}
END_TEST

START_TEST(planted_imbalance_is_found)
{
	static const char *const plants[] = {
		"UPDATE book SET micros = micros + 1 WHERE name = 'customer:ann'",
		"UPDATE posting SET micros = micros + 1 WHERE number = 1",
		"DELETE FROM posting WHERE number = 1",
		"DELETE FROM book WHERE name = 'cash'",
		"UPDATE orders SET state = 'done'",
		"UPDATE orders SET state = 'done', billed_micros = 5",
		"UPDATE orders SET state = 'done', energy_mwh = 1000000;"
		"INSERT INTO posting(key, from_book, to_book, micros, order_number)"
		" VALUES('x', 'held:box-1:ann', 'customer:ann', 1000000, '');"
		"UPDATE book SET micros = 0 WHERE name = 'held:box-1:ann';"
		"UPDATE book SET micros = micros + 1000000 WHERE name = 'customer:ann'",
		"INSERT INTO posting(key, from_book, to_book, micros, order_number)"
		" VALUES('x', 'customer:ann', 'cash', 9000001, '');"
		"UPDATE book SET micros = micros - 9000001 WHERE name = 'customer:ann';"
		"UPDATE book SET micros = micros + 9000001 WHERE name = 'cash'",
		"INSERT INTO posting(key, from_book, to_book, micros, order_number)"
		" VALUES('x', 'held:box-1:ann', 'cash', 1000001, '');"
		"UPDATE book SET micros = micros - 1000001 WHERE name = 'held:box-1:ann';"
		"UPDATE book SET micros = micros + 1000001 WHERE name = 'cash'",
	};
	for (size_t i = 0; i < sizeof plants / sizeof *plants; i++) {
		make_file();
		reopen();
		OK(ops_check(ops, &error));
		ops_close(ops);
		sql(plants[i]);
		reopen();
		ck_assert_msg(ops_check(ops, &error) == -EBADMSG, "plant %zu: %s", i, error.text);
		ops_close(ops);
		teardown_file();
		setup_file();
	}
}
END_TEST

START_TEST(foreign_files_are_refused)
{
	struct ops_options o = options(path);
	struct ops *other;
	sql("CREATE TABLE x(y)");
	FAILS(ops_open(&o, &other, &error), -EBADMSG);
	teardown_file();
	setup_file();
	o.path = path;
	FILE *f = fopen(path, "w");
	for (int i = 0; i < 4096; i++)
		fputc('x', f);
	fclose(f);
	FAILS(ops_open(&o, &other, &error), -EBADMSG);
	teardown_file();
	setup_file();
	make_file();
	sql("PRAGMA user_version=2"); /* older than this program reads */
	FAILS(ops_open(&o, &other, &error), -EPROTO);
	sql("PRAGMA user_version=1000"); /* a newer program's */
	FAILS(ops_open(&o, &other, &error), -EPROTO);
	o.path = "/nonexistent/folder/x";
	FAILS(ops_open(&o, &other, &error), -EIO);
	o.random = NULL;
	FAILS(ops_open(&o, &other, &error), -EINVAL);
	ops_close(NULL);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name, void (*before)(void), void (*after)(void))
{
	TCase *tcase = tcase_create(name);
	tcase_add_checked_fixture(tcase, before, after);
	tcase_set_timeout(tcase, 30); /* some wait for a busy disk many times */
	suite_add_tcase(suite, tcase);
	return tcase;
}

static Suite *ops_suite(void)
{
	Suite *suite = suite_create("ops");
	TCase *t = add_case(suite, "money and orders", setup, teardown);
	tcase_add_test(t, accounts);
	tcase_add_test(t, money_in_and_out);
	tcase_add_test(t, order_arguments);
	tcase_add_test(t, order_until_full);
	tcase_add_test(t, order_runs_and_is_settled);
	tcase_add_test(t, bound_account_goes_negative);
	tcase_add_test(t, two_orders_share_a_held_book);
	tcase_add_test(t, refused_authorize_releases);
	tcase_add_test(t, overtaken_authorize_releases);
	tcase_add_test(t, top_up);
	tcase_add_test(t, late_refusal_of_a_top_up_gives_nothing_twice);
	tcase_add_test(t, a_result_that_does_not_count_changes_nothing);
	tcase_add_test(t, a_credit_record_settles_its_command);
	tcase_add_test(t, an_end_gives_back_an_undecided_top_up);
	tcase_add_test(t, numbers_that_were_used_are_not_used_again);
	tcase_add_test(t, fault_of_ours_costs_nothing);
	tcase_add_test(t, a_wrong_amount_is_taken_in);
	tcase_add_test(t, lower_price_is_billed);
	tcase_add_test(t, sending_commands);
	t = add_case(suite, "intake", setup, teardown);
	tcase_add_test(t, batches_repeat_without_effect);
	tcase_add_test(t, damaged_records_are_parked);
	tcase_add_test(t, unreadable_alone_in_a_batch);
	tcase_add_test(t, number_damaged_in_the_text);
	tcase_add_test(t, unlinked_and_not_following_are_parked);
	tcase_add_test(t, more_refusals_than_are_listed);
	tcase_add_test(t, a_parked_end_does_not_hold_money_for_ever);
	tcase_add_test(t, next_session_ends_a_forgotten_one);
	tcase_add_test(t, parked_authorized);
	tcase_add_test(t, what_the_box_runs_is_open);
	tcase_add_test(t, parked_boot_and_available);
	tcase_add_test(t, unknown_and_foreign_orders_have_no_effect);
	tcase_add_test(t, ledger_lost);
	tcase_add_test(t, hostile_records);
	tcase_add_test(t, records_of_many_names);
	tcase_add_test(t, hostile_arguments);
	tcase_add_test(t, records_of_another_ledger_or_box);
	tcase_add_test(t, fork_is_noticed);
	t = add_case(suite, "boxes", setup, teardown);
	tcase_add_test(t, tokens);
	tcase_add_test(t, boxes_are_listed);
	tcase_add_test(t, a_reserved_outlet_is_kept);
	tcase_add_test(t, stops_are_sent_again);
	t = add_case(suite, "remote mode", setup, teardown);
	tcase_add_test(t, settles_by_rates);
	tcase_add_test(t, a_rate_at_the_wrong_time_is_refused);
	tcase_add_test(t, remote_progress_is_priced_by_rates);
	tcase_add_test(t, lease_grows_and_ends);
	tcase_add_test(t, remote_orders_share_the_book);
	tcase_add_test(t, a_lease_is_remembered);
	tcase_add_test(t, a_lease_does_not_pass_the_limit);
	tcase_add_test(t, local_order_beside_a_remote_one);
	tcase_add_test(t, progress_of_others);
	t = add_case(suite, "first contact", setup_empty, teardown);
	tcase_add_test(t, order_needs_a_reporting_box);
	tcase_add_test(t, gaps_end_a_batch);
	tcase_add_test(t, new_ledger_with_a_damaged_first_record);
	t = add_case(suite, "files", setup_file, teardown_file);
	tcase_add_test(t, state_survives);
	tcase_add_test(t, failed_call_changes_nothing);
	tcase_add_test(t, planted_imbalance_is_found);
	tcase_add_test(t, foreign_files_are_refused);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(ops_suite());
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
