/* tests/unit/test_desk.c: tests tools/ops/core/desk.h: lists, alarms, and that series of energy are exact.
 *
 * Room: tests/unit; a small box of its own writes records that follow and are linked, as src/ledger does. */
#include <check.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "desk.h"
#include "ops_sides.h"
#include "price.h"
#include "sample.h"

#define BOX "box-1"
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define START_MS INT64_C(1800000000000)
#define OK(call) ck_assert_msg((call) == 0, "%s", error.text)

__extension__ typedef __int128 wide;

static struct ops *ops;
static struct ops_error error;
static struct ops_intake answer;
static uint64_t chance;
static int64_t now_ms;
static char path[] = "/tmp/test_desk.XXXXXX";

static struct {
	char ledger[LEDGER_ID_SIZE];
	char tip[RECORD_HASH_SIZE];
	struct box_image image;
} box;

/* --- the box's side --- */

static void post_text(const char *text)
{
	hash_text(text, box.tip);
	ck_assert_msg(ops_intake(ops, BOX, box.ledger, &text, 1, now_ms, &answer, &error) == 0, "%s", error.text);
}

/* Writes the record, and sends it. */
static void post(const struct record *r)
{
	struct record_link link;
	const char *fault = image_apply(&box.image, r);
	ck_assert_msg(fault == NULL, "%s", fault);
	memcpy(link.ledger, box.ledger, sizeof link.ledger);
	memcpy(link.prev, box.tip, sizeof link.prev);
	char *text = wire_write_record(r, &link);
	ck_assert_ptr_nonnull(text);
	post_text(text);
	free(text);
	ck_assert_msg(answer.refused_count == 0, "%s", answer.refused[0].why);
}

static struct record next_record(enum record_kind kind, int outlet)
{
	struct record r = {.seq = box.image.seq + 1, .boot = box.image.boot, .kind = kind, .outlet = outlet};
	r.at = (struct moment){(int64_t)r.seq * 1000, now_ms, TIME_SYNCHRONISED};
	return r;
}

static void new_ledger(const char *id)
{
	memset(&box, 0, sizeof box);
	word_copy(box.ledger, sizeof box.ledger, id);
	hash_text(id, box.tip);
	struct record r = next_record(RECORD_BOOT, RECORD_NO_OUTLET);
	r.boot = 1;
	post(&r);
}

static void meter_at(int outlet, int64_t register_mwh)
{
	struct record r = next_record(RECORD_METER, outlet);
	r.has_register = true;
	r.register_mwh = register_mwh;
	word_copy(r.u.meter.serial, sizeof r.u.meter.serial, "m-1");
	post(&r);
}

static void session_record(enum record_kind kind, int outlet, const char *order, int64_t register_mwh)
{
	struct record r = next_record(kind, outlet);
	r.has_register = true;
	r.register_mwh = register_mwh;
	word_copy(r.order, sizeof r.order, order);
	post(&r);
}

static struct ops_order draft(const char *number, int outlet)
{
	struct ops_order o = {.outlet = outlet};
	word_copy(o.box, sizeof o.box, BOX);
	word_copy(o.grant.order, sizeof o.grant.order, number);
	word_copy(o.grant.account, sizeof o.grant.account, "ann");
	o.grant.tariff = (struct fee_tariff){
		.id = "flat", .version = 1, .currency = "EUR", .energy_price_micros = 1000000, .quantum_micros = 1};
	o.grant.credit_micros = 1000000;
	o.grant.hold_ms = 600000;
	return o;
}

static void create(const char *number, int outlet)
{
	struct ops_order o = draft(number, outlet);
	OK(ops_create_order(ops, &o, now_ms, &error));
}

static void authorized(const struct ops_order *o)
{
	struct record r = next_record(RECORD_AUTHORIZED, o->outlet);
	memcpy(r.order, o->grant.order, sizeof r.order);
	r.u.authorized = o->grant;
	post(&r);
}

/* A session that supplies on the outlet. */
static void supplying(const char *number, int outlet, int64_t register_mwh)
{
	struct ops_order o = draft(number, outlet);
	create(number, outlet);
	authorized(&o);
	session_record(RECORD_STARTED, outlet, number, register_mwh);
}

static void ended(const char *number, int outlet, int64_t register_mwh, int64_t amount_micros)
{
	const struct outlet_image *o = &box.image.outlets[outlet];
	struct record r = next_record(RECORD_ENDED, outlet);
	word_copy(r.order, sizeof r.order, number);
	r.has_register = true;
	r.register_mwh = register_mwh;
	r.u.ended = (struct receipt){
		.start_mwh = o->session.start_mwh,
		.energy_mwh = o->session_mwh + register_mwh - o->register_mwh,
		.amount_micros = amount_micros,
		.settled = true,
	};
	post(&r);
}

static void open_at(const char *file)
{
	struct ops_options options = {.path = file, .random = give_random, .ctx = &chance, .command_ms = 120000};
	OK(ops_open(&options, &ops, &error));
	OK(ops_add_box(ops, BOX, &error));
	OK(ops_add_account(ops, "ann", OPS_SHARED, 0, &error));
	OK(ops_recharge(ops, "ann", 100000000, "pay-1", &error));
	new_ledger("0123456789abcdef0123456789abcdef");
}

static void setup(void)
{
	chance = 1;
	now_ms = START_MS;
	open_at(":memory:");
	meter_at(0, 0);
	meter_at(1, 0);
}

static void teardown(void)
{
	ops_close(ops);
}

/* --- lists --- */

struct names {
	char text[200];
	size_t most, count;
};

static bool add_name(struct names *names, const char *name)
{
	size_t used = strlen(names->text);
	snprintf(names->text + used, sizeof names->text - used, "%s%s", used > 0 ? " " : "", name);
	return ++names->count != names->most;
}

static bool take_order(void *ctx, const struct ops_order *order)
{
	return add_name(ctx, order->grant.order);
}

static void assert_orders(enum desk_orders which, const char *before, size_t most, const char *expected)
{
	struct names names = {.most = most};
	OK(ops_each_order(ops, which, before, take_order, &names, &error));
	ck_assert_str_eq(names.text, expected);
}

START_TEST(orders)
{
	struct names names = {.count = 0};
	assert_orders(DESK_ORDERS_ALL, "", 0, "");
	supplying("o-2", 0, 0);
	supplying("o-1", 1, 0);
	now_ms++;
	create("o-0", 2);
	ended("o-2", 0, 500000, 500000);
	assert_orders(DESK_ORDERS_ALL, "", 0, "o-0 o-2 o-1");
	assert_orders(DESK_ORDERS_ALL, "", 2, "o-0 o-2");
	assert_orders(DESK_ORDERS_ALL, "o-2", 2, "o-1");
	assert_orders(DESK_ORDERS_ALL, "o-1", 0, "");
	assert_orders(DESK_ORDERS_OPEN, "", 0, "o-0 o-1");
	assert_orders(DESK_ORDERS_OPEN, "o-2", 0, "o-1"); /* which is no such order any more */
	assert_orders(DESK_ORDERS_CLOSED, "", 0, "o-2");
	ck_assert_int_eq(ops_each_order(ops, DESK_ORDERS_ALL, "o-9", take_order, &names, &error), -ENOENT);
}
END_TEST

static bool take_account(void *ctx, const struct desk_account *account)
{
	return add_name(ctx, account->name);
}

START_TEST(accounts)
{
	struct names names = {.count = 0};
	struct names behind = {.most = 1};
	struct desk_account account;
	char code[PEOPLE_CODE_SIZE], canonical[PEOPLE_CONTACT_SIZE], token[PEOPLE_TOKEN_SIZE];
	struct person person;
	enum sign_in outcome;
	int64_t wait_ms;
	OK(ops_add_account(ops, "bob", OPS_BOUND, 5000000, &error));
	OK(ops_add_account(ops, "carl", OPS_SHARED, 0, &error));
	OK(ops_each_account(ops, "", take_account, &names, &error));
	ck_assert_str_eq(names.text, "ann bob carl");
	OK(ops_each_account(ops, "ann", take_account, &behind, &error));
	ck_assert_str_eq(behind.text, "bob");
	create("o-1", 0);
	OK(ops_find_account(ops, "ann", &account, &error));
	ck_assert_int_eq(account.balance_micros, 99000000);
	ck_assert_int_eq(account.kind, OPS_SHARED);
	ck_assert_str_eq(account.contact, "");
	OK(ops_find_account(ops, "bob", &account, &error));
	ck_assert_int_eq(account.balance_micros, 0);
	ck_assert_int_eq(account.limit_micros, 5000000);
	ck_assert_int_eq(ops_find_account(ops, "dora", &account, &error), -ENOENT);
	OK(ops_make_code(ops, "+49 170 1234567", now_ms, canonical, code, &wait_ms, &error));
	OK(ops_sign_in_customer(ops, canonical, code, now_ms, token, &person, &outcome, &wait_ms, &error));
	OK(ops_find_account(ops, person.account, &account, &error));
	ck_assert_str_eq(account.contact, "+491701234567");
}
END_TEST

static bool take_posting(void *ctx, const struct desk_posting *p)
{
	char line[DESK_KEY_SIZE + 40];
	bool out = strcmp(p->from, "customer:ann") == 0;
	snprintf(line, sizeof line, "%s%s%ld", p->key, out ? "-" : "+", (long)p->micros);
	if (p->order[0] != '\0')
		ck_assert_str_eq(p->order, "o-1");
	return add_name(ctx, line);
}

static bool take_posting_number(void *ctx, const struct desk_posting *p)
{
	*(int64_t *)ctx = p->number;
	return false;
}

START_TEST(postings)
{
	struct names all = {.count = 0}, first = {.most = 1}, behind = {.count = 0};
	int64_t number = 0;
	supplying("o-1", 0, 0);
	ended("o-1", 0, 400000, 400000);
	OK(ops_add_account(ops, "bob", OPS_SHARED, 0, &error));
	OK(ops_recharge(ops, "bob", 7, "pay-2", &error));
	OK(ops_each_posting(ops, "ann", 0, take_posting, &all, &error));
	ck_assert_str_eq(all.text, "release:o-1+600000 hold:o-1-1000000 recharge:pay-1+100000000");
	OK(ops_each_posting(ops, "ann", 0, take_posting, &first, &error));
	ck_assert_str_eq(first.text, "release:o-1+600000");
	OK(ops_each_posting(ops, "ann", 0, take_posting_number, &number, &error));
	OK(ops_each_posting(ops, "ann", number, take_posting, &behind, &error));
	ck_assert_str_eq(behind.text, "hold:o-1-1000000 recharge:pay-1+100000000");
	ck_assert_int_eq(ops_each_posting(ops, "dora", 0, take_posting, &all, &error), -ENOENT);
}
END_TEST

START_TEST(undecided_commands)
{
	int64_t count = -1;
	OK(ops_count_commands(ops, BOX, &count, &error));
	ck_assert_int_eq(count, 0);
	create("o-1", 0);
	create("o-2", 1);
	OK(ops_count_commands(ops, BOX, &count, &error));
	ck_assert_int_eq(count, 2);
	struct ops_order o = draft("o-1", 0);
	authorized(&o);
	OK(ops_count_commands(ops, BOX, &count, &error));
	ck_assert_int_eq(count, 1);
	ck_assert_int_eq(ops_count_commands(ops, "box-9", &count, &error), -ENOENT);
}
END_TEST

/* --- alarms --- */

struct alarms {
	struct desk_alarm list[16];
	size_t count;
};

static bool take_alarm(void *ctx, const struct desk_alarm *alarm)
{
	struct alarms *alarms = ctx;
	alarms->list[alarms->count++] = *alarm;
	return alarms->count < sizeof alarms->list / sizeof *alarms->list;
}

static void assert_alarm(const struct desk_alarm *alarm, enum desk_alarm_kind kind, int outlet, const char *word,
			 const char *detail)
{
	ck_assert_str_eq(word_name(&desk_alarm_kind_words, alarm->kind), word_name(&desk_alarm_kind_words, kind));
	ck_assert_str_eq(alarm->word, word);
	ck_assert_str_eq(alarm->detail, detail);
	ck_assert_str_eq(alarm->box, BOX);
	ck_assert_int_eq(alarm->outlet, outlet);
}

START_TEST(alarms_of_a_box)
{
	struct alarms alarms = {.count = 0}, behind = {.count = 0};
	int64_t newest = -1;
	OK(ops_newest_alarm(ops, &newest, &error));
	ck_assert_int_eq(newest, 0);
	struct record r = next_record(RECORD_ALARM, RECORD_NO_OUTLET);
	r.u.alarm.alarm = ALARM_STORAGE;
	word_copy(r.u.alarm.detail, sizeof r.u.alarm.detail, "slow disk");
	r.at.quality = TIME_UNKNOWN;
	r.at.wall_ms = 0;
	now_ms += 5;
	post(&r);
	r = next_record(RECORD_FAULT, 1);
	r.u.fault.fault = FAULT_WELDED;
	r.at.wall_ms = START_MS - DAY_MS;
	post(&r);
	r = next_record(RECORD_CLEARED, 1);
	r.u.cleared.actor = ACTOR_TECHNICIAN;
	word_copy(r.u.cleared.name, sizeof r.u.cleared.name, "tom");
	post(&r);
	OK(ops_alarms_after(ops, 0, take_alarm, &alarms, &error));
	ck_assert_uint_eq(alarms.count, 3);
	assert_alarm(&alarms.list[0], DESK_ALARM, RECORD_NO_OUTLET, "storage", "slow disk");
	assert_alarm(&alarms.list[1], DESK_FAULT, 1, "welded", "");
	assert_alarm(&alarms.list[2], DESK_CLEARED, 1, "technician", "tom");
	ck_assert_int_eq(alarms.list[0].at_ms, START_MS + 5);
	ck_assert_int_eq(alarms.list[1].at_ms, START_MS - DAY_MS);
	OK(ops_newest_alarm(ops, &newest, &error));
	ck_assert_int_eq(newest, alarms.list[2].number);
	OK(ops_each_alarm(ops, newest, take_alarm, &behind, &error));
	ck_assert_uint_eq(behind.count, 2);
	ck_assert_int_eq(behind.list[0].number, alarms.list[1].number);
	OK(ops_alarms_after(ops, newest, take_alarm, &behind, &error));
	ck_assert_uint_eq(behind.count, 2);
}
END_TEST

START_TEST(alarms_of_the_server)
{
	struct alarms alarms = {.count = 0};
	struct ops_order o = draft("o-1", 0);
	create("o-1", 0);
	o.grant.limit_mwh = 5; /* not as it was sent */
	authorized(&o);
	session_record(RECORD_STARTED, 0, "o-1", 0);
	ended("o-1", 0, 1500000, 1600000); /* at 1.5, of which 1 was held */
	supplying("o-2", 1, 0);
	post_text("garbage");
	ck_assert_uint_eq(answer.refused_count, 1);
	new_ledger("fedcba9876543210fedcba9876543210");
	OK(ops_alarms_after(ops, 0, take_alarm, &alarms, &error));
	ck_assert_uint_eq(alarms.count, 5);
	assert_alarm(&alarms.list[0], DESK_SERVER, 0, "grant_differs", "o-1");
	assert_alarm(&alarms.list[1], DESK_SERVER, 0, "price_differs", "o-1");
	assert_alarm(&alarms.list[2], DESK_SERVER, 0, "written_off", "o-1");
	assert_alarm(&alarms.list[3],
		     DESK_SERVER,
		     RECORD_NO_OUTLET,
		     "record_parked",
		     "seq 9: unreadable: not JSON, from position 0");
	assert_alarm(&alarms.list[4], DESK_SERVER, 1, "ledger_lost", "o-2");
	ck_assert_int_eq(alarms.list[0].at_ms, now_ms);
}
END_TEST

/* --- what is told of orders --- */

struct told {
	uint64_t chance; /* first: give_random()'s */
	struct names names;
};

static void on_order(void *ctx, const char *order)
{
	struct told *told = ctx;
	add_name(&told->names, order);
}

START_TEST(changes_are_told)
{
	struct told told = {.chance = 1};
	const struct names *names = &told.names;
	struct ops_options options = {
		.path = ":memory:",
		.random = give_random,
		.command_ms = 120000,
		.order_changed = on_order,
		.ctx = &told,
	};
	ops_close(ops);
	OK(ops_open(&options, &ops, &error));
	OK(ops_add_box(ops, BOX, &error));
	OK(ops_add_account(ops, "ann", OPS_SHARED, 0, &error));
	OK(ops_recharge(ops, "ann", 100000000, "pay-1", &error));
	new_ledger("0123456789abcdef0123456789abcdef");
	meter_at(0, 0);
	ck_assert_str_eq(names->text, "");
	create("o-1", 0);
	ck_assert_str_eq(names->text, "o-1");
	struct ops_order o = draft("o-1", 0);
	authorized(&o);
	ck_assert_str_eq(names->text, "o-1 o-1");
	session_record(RECORD_STARTED, 0, "o-1", 0);
	ck_assert_str_eq(names->text, "o-1 o-1 o-1");
	session_record(RECORD_MARK, 0, "o-1", 0);
	ck_assert_str_eq(names->text, "o-1 o-1 o-1");
}
END_TEST

/* --- energy over time --- */

static int64_t sum(int outlet, int64_t from_ms, int64_t to_ms, int64_t step_ms, size_t steps)
{
	int64_t energy[DESK_STEPS_MAX];
	int64_t total_mwh = 0;
	size_t count = 0;
	int found = ops_series(ops, BOX, outlet, from_ms, to_ms, step_ms, energy, &count, &error);
	ck_assert_msg(found == 1, "%d %s", found, error.text);
	ck_assert_uint_eq(count, steps);
	for (size_t i = 0; i < count; i++) {
		ck_assert_int_ge(energy[i], 0);
		total_mwh += energy[i];
	}
	return total_mwh;
}

START_TEST(a_series)
{
	int64_t energy[DESK_STEPS_MAX];
	size_t count;
	ck_assert_int_eq(ops_series(ops, BOX, 2, 0, 1, 1, energy, &count, &error), 0);
	supplying("o-1", 0, 0);
	now_ms += 10 * MINUTE_MS;
	session_record(RECORD_MARK, 0, "o-1", 1000);
	now_ms += 10 * MINUTE_MS;
	session_record(RECORD_MARK, 0, "o-1", 1000);
	now_ms += 30 * MINUTE_MS;
	session_record(RECORD_MARK, 0, "o-1", 1007);
	/* From 5 minutes before on: 15 minutes are 2/3 after 5, 1/3 ..., and the last one is cut. */
	int found = ops_series(ops,
			       BOX,
			       0,
			       START_MS - 5 * MINUTE_MS,
			       START_MS + 41 * MINUTE_MS,
			       10 * MINUTE_MS,
			       energy,
			       &count,
			       &error);
	ck_assert_int_eq(found, 1);
	ck_assert_uint_eq(count, 5);
	const int64_t expected[] = {500, 500, 1, 2, 1};
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(energy[i], expected[i]);
	ck_assert_int_eq(sum(0, START_MS - DAY_MS, START_MS + DAY_MS, DAY_MS, 2), 1007);
	ck_assert_int_eq(sum(0, START_MS - DAY_MS, START_MS, DAY_MS, 1), 0);
	ck_assert_int_eq(sum(0, now_ms, now_ms + DAY_MS, DAY_MS, 1), 0);
}
END_TEST

START_TEST(a_new_meter)
{
	supplying("o-1", 0, 100);
	now_ms += HOUR_MS;
	ended("o-1", 0, 700, 600);
	struct record r = next_record(RECORD_AVAILABLE, 0);
	word_copy(r.order, sizeof r.order, "o-1");
	post(&r);
	now_ms += HOUR_MS;
	meter_at(0, 5000000);
	supplying("o-2", 0, 5000000);
	now_ms += HOUR_MS;
	session_record(RECORD_MARK, 0, "o-2", 5000050);
	ck_assert_int_eq(sum(0, START_MS, START_MS + HOUR_MS, HOUR_MS, 1), 700);
	ck_assert_int_eq(sum(0, START_MS + HOUR_MS, START_MS + 2 * HOUR_MS, HOUR_MS, 1), 0);
	ck_assert_int_eq(sum(0, START_MS + 2 * HOUR_MS, START_MS + 3 * HOUR_MS, MINUTE_MS, 60), 50);
}
END_TEST

START_TEST(wrong_series)
{
	static const struct {
		int outlet;
		int64_t from_ms, to_ms, step_ms;
	} wrong[] = {
		{-1, 0, 1, 1},
		{OUTLETS_MAX, 0, 1, 1},
		{0, 1, 1, 1},
		{0, 2, 1, 1},
		{0, -1, 1, 1},
		{0, 0, 1, 0},
		{0, 0, 401, 1},
		{0, 0, 4001, 10},
		{0, 0, INT64_MAX, INT64_MAX},
	};
	int64_t energy[DESK_STEPS_MAX];
	size_t count;
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_int_eq(ops_series(ops,
					    BOX,
					    wrong[i].outlet,
					    wrong[i].from_ms,
					    wrong[i].to_ms,
					    wrong[i].step_ms,
					    energy,
					    &count,
					    &error),
				 -EINVAL);
	ck_assert_int_eq(ops_series(ops, "box-9", 0, 0, 1, 1, energy, &count, &error), -ENOENT);
	ck_assert_int_eq(ops_series(ops, BOX, 0, 0, 4000, 10, energy, &count, &error), 1);
}
END_TEST

/* What the registers of a box's life by chance say. */
struct tally {
	bool seen;
	int64_t register_mwh;
	int64_t total_mwh;
	int64_t unplaced_mwh; /* since the last record whose time was known */
};

static void count_record(struct tally *tally, const struct record *r)
{
	bool timed = r->at.quality > TIME_UNKNOWN;
	if (!r->has_register || r->outlet == RECORD_NO_OUTLET || (!tally->seen && !timed))
		return;
	if (tally->seen && r->kind != RECORD_METER)
		tally->unplaced_mwh += r->register_mwh - tally->register_mwh;
	tally->seen = true;
	tally->register_mwh = r->register_mwh;
	if (!timed)
		return;
	tally->total_mwh += tally->unplaced_mwh;
	tally->unplaced_mwh = 0;
}

/* A clock that mostly goes on, sometimes jumps, and sometimes is not known. */
static void move_clock(struct sample *s, struct record *r, int64_t *clock_ms)
{
	*clock_ms += sample_happens(s, 50) ? sample_between(s, 0, 2000) : sample_between(s, 0, 20 * MINUTE_MS);
	now_ms = *clock_ms + sample_between(s, 0, 1000);
	r->at.wall_ms = *clock_ms;
	r->at.quality = sample_happens(s, 10) ? TIME_UNKNOWN : TIME_RELATIVE;
	if (sample_happens(s, 5))
		r->at.wall_ms += sample_between(s, -HOUR_MS, HOUR_MS);
	if (r->at.quality == TIME_UNKNOWN)
		r->at.wall_ms = 0;
}

/* A record that follows at its new time, too: rates depend on it. */
static void next_of_life(struct sample *s, struct record *r, int64_t *clock_ms)
{
	static struct box_image trial;
	do {
		sample_next(s, &box.image, 3, r);
		move_clock(s, r, clock_ms);
		const struct fee_tariff *tariff =
			&box.image.outlets[r->outlet < 0 ? 0 : r->outlet].session.grant.tariff;
		if ((r->kind == RECORD_STARTED || r->kind == RECORD_RESUMED) && fee_by_time(tariff))
			r->u.started.rate = fee_rate_at(tariff, r->at.wall_ms);
		trial = box.image;
	} while (image_apply(&trial, r) != NULL);
}

/* However a window is cut, its parts add up. */
static void check_windows(struct sample *s, int outlet, int64_t end_ms)
{
	int64_t a_ms = sample_between(s, START_MS - HOUR_MS, end_ms - 2);
	int64_t c_ms = sample_between(s, a_ms + 2, end_ms);
	int64_t b_ms = sample_between(s, a_ms + 1, c_ms - 1);
	size_t steps = (size_t)sample_between(s, 1, DESK_STEPS_MAX);
	int64_t step_ms = (c_ms - a_ms - 1) / (int64_t)steps + 1;
	int64_t whole_mwh = sum(outlet, a_ms, c_ms, step_ms, (size_t)((c_ms - a_ms - 1) / step_ms + 1));
	ck_assert_int_eq(whole_mwh, sum(outlet, a_ms, c_ms, c_ms - a_ms, 1));
	ck_assert_int_eq(whole_mwh, sum(outlet, a_ms, b_ms, b_ms - a_ms, 1) + sum(outlet, b_ms, c_ms, c_ms - b_ms, 1));
	int64_t before_mwh = sum(outlet, START_MS - DAY_MS, a_ms, 400 * DAY_MS, 1);
	int64_t behind_mwh = sum(outlet, c_ms, end_ms + 1, 400 * DAY_MS, 1);
	ck_assert_int_eq(before_mwh + whole_mwh + behind_mwh,
			 sum(outlet, START_MS - DAY_MS, end_ms + 1, 400 * DAY_MS, 1));
}

START_TEST(series_are_exact)
{
	struct sample s = {.state = (uint64_t)_i + 1};
	struct tally tallies[3] = {{.seen = true}, {.seen = true}}; /* the fixture's two meters */
	int64_t clock_ms = START_MS;
	for (int i = 0; i < 400; i++) {
		struct record r;
		next_of_life(&s, &r, &clock_ms);
		post(&r);
		if (r.outlet != RECORD_NO_OUTLET)
			count_record(&tallies[r.outlet], &r);
	}
	int64_t end_ms = now_ms + 1;
	for (int outlet = 0; outlet < 3; outlet++) {
		if (!tallies[outlet].seen)
			continue;
		ck_assert_int_eq(sum(outlet, START_MS - DAY_MS, end_ms, 400 * DAY_MS, 1), tallies[outlet].total_mwh);
		for (int i = 0; i < 20; i++)
			check_windows(&s, outlet, end_ms);
	}
}
END_TEST

#define MARKS 60

/* Against the definition: registers at moments that are far enough apart, and a straight line between each two. */
START_TEST(series_are_even)
{
	struct sample s = {.state = (uint64_t)_i + 1};
	struct {
		int64_t at_ms, register_mwh;
	} marks[MARKS];
	int64_t energy[DESK_STEPS_MAX];
	size_t count;
	supplying("o-1", 0, 0);
	marks[0].at_ms = now_ms;
	marks[0].register_mwh = 0;
	for (int i = 1; i < MARKS; i++) {
		now_ms += sample_between(&s, MINUTE_MS, 30 * MINUTE_MS);
		marks[i].at_ms = now_ms;
		marks[i].register_mwh = marks[i - 1].register_mwh + sample_edgy(&s, 0, 1000000);
		session_record(RECORD_MARK, 0, "o-1", marks[i].register_mwh);
	}
	int64_t step_ms = (now_ms - START_MS) / DESK_STEPS_MAX + 1;
	ck_assert_int_eq(ops_series(ops, BOX, 0, START_MS, now_ms, step_ms, energy, &count, &error), 1);
	int64_t total_mwh = 0;
	int at = 0;
	for (size_t i = 0; i < count; i++) {
		int64_t end_ms = i + 1 == count ? now_ms : START_MS + (int64_t)(i + 1) * step_ms;
		while (at + 2 < MARKS && marks[at + 1].at_ms <= end_ms)
			at++;
		wide gained = (wide)(marks[at + 1].register_mwh - marks[at].register_mwh) * (end_ms - marks[at].at_ms);
		total_mwh += energy[i];
		ck_assert_int_eq(total_mwh,
				 marks[at].register_mwh + (int64_t)(gained / (marks[at + 1].at_ms - marks[at].at_ms)));
	}
}
END_TEST

/* --- what is kept of samples --- */

static int64_t number_of(const char *query)
{
	sqlite3 *db;
	sqlite3_stmt *statement;
	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, query, -1, &statement, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
	int64_t number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return number;
}

static void setup_file(void)
{
	chance = 1;
	now_ms = START_MS;
	strcpy(path + sizeof path - 7, "XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(unlink(path), 0);
	open_at(path);
	meter_at(0, 0);
	meter_at(1, 0);
}

static void teardown_file(void)
{
	char name[sizeof path + 4];
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	ops_close(ops);
	for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
		snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
		unlink(name);
	}
}

START_TEST(samples_are_few)
{
	struct sample s = {.state = 7};
	int64_t register_mwh = 0;
	supplying("o-1", 0, 0);
	for (int i = 0; i < 300; i++) {
		now_ms += sample_between(&s, 0, 30000);
		session_record(RECORD_MARK, 0, "o-1", ++register_mwh);
	}
	ck_assert_int_eq(sum(0, START_MS, now_ms, DAY_MS, 1), 300);
	ck_assert_int_le(number_of("SELECT count(*) FROM sample WHERE outlet = 0"),
			 2 * ((now_ms - START_MS) / MINUTE_MS + 1));
	ck_assert_int_ge(number_of("SELECT min(span) FROM (SELECT at_ms - lag(at_ms, 2) OVER (ORDER BY at_ms) AS span"
				   " FROM sample WHERE outlet = 0)"),
			 DESK_SAMPLE_REST_MS);
	/* The end is there as it was, however soon it came. */
	ended("o-1", 0, 400, 400);
	now_ms += DAY_MS;
	struct record r = next_record(RECORD_AVAILABLE, 0);
	word_copy(r.order, sizeof r.order, "o-1");
	post(&r);
	supplying("o-2", 0, 400);
	ck_assert_int_eq(sum(0, START_MS, now_ms - DAY_MS + 1, DAY_MS, 1), 400);
}
END_TEST

START_TEST(samples_grow_old)
{
	supplying("o-1", 0, 0);
	now_ms += HOUR_MS;
	session_record(RECORD_MARK, 0, "o-1", 10);
	int64_t then_ms = now_ms;
	now_ms += 200 * DAY_MS;
	session_record(RECORD_MARK, 0, "o-1", 20);
	ck_assert_int_eq(number_of("SELECT count(*) FROM sample WHERE outlet = 0"), 3);
	now_ms = then_ms + DESK_SAMPLES_MS;
	session_record(RECORD_MARK, 0, "o-1", 25);
	ck_assert_int_eq(number_of("SELECT count(*) FROM sample WHERE outlet = 0"), 2);
	ck_assert_int_eq(sum(0, START_MS, now_ms, 400 * DAY_MS, 2), 5);
	struct record r = next_record(RECORD_MARK, 0);
	word_copy(r.order, sizeof r.order, "o-1");
	r.has_register = true;
	r.register_mwh = 30;
	r.at.wall_ms = now_ms - DESK_SAMPLES_MS;
	post(&r);
	ck_assert_int_eq(number_of("SELECT max(register_mwh) FROM sample"), 25);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("desk");
	TCase *lists = tcase_create("lists");
	TCase *files = tcase_create("files");
	tcase_add_checked_fixture(lists, setup, teardown);
	tcase_add_test(lists, orders);
	tcase_add_test(lists, accounts);
	tcase_add_test(lists, postings);
	tcase_add_test(lists, undecided_commands);
	tcase_add_test(lists, alarms_of_a_box);
	tcase_add_test(lists, alarms_of_the_server);
	tcase_add_test(lists, changes_are_told);
	tcase_add_test(lists, a_series);
	tcase_add_test(lists, a_new_meter);
	tcase_add_test(lists, wrong_series);
	tcase_add_loop_test(lists, series_are_exact, 0, 20);
	tcase_add_loop_test(lists, series_are_even, 0, 10);
	suite_add_tcase(suite, lists);
	tcase_add_checked_fixture(files, setup_file, teardown_file);
	tcase_set_timeout(files, 30);
	tcase_add_test(files, samples_are_few);
	tcase_add_test(files, samples_grow_old);
	suite_add_tcase(suite, files);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
