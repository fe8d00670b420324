/* Tests src/box: sessions whose price depends on the time of day. The rate changes at noon and at one by the tariff's own
 * clock, which each test sets to where it wants noon to be. */
#include "box_harness.h"

static struct world *w;
static int64_t noon_ms; /* monotonic */

enum {
	MORNING, /* 0.50 */
	NOON, /* 1.00 */
	EVENING, /* 0.20, the cheapest */
};

static void setup(void)
{
	w = world_new();
	world_start(w);
}

static void teardown(void)
{
	world_free(w);
}

/* Noon is the first full minute that is at least so far away. */
static struct fee_tariff noon_in(int64_t ms)
{
	struct fee_tariff t = {
		.id = "noon",
		.version = 1,
		.currency = "EUR",
		.rate_count = 3,
		.rates = {{"morning", 500000}, {"noon", 1000000}, {"evening", 200000}},
		.period_count = 3,
		.periods = {{0, MORNING}, {720, NOON}, {780, EVENING}},
		.quantum_micros = 1,
		.rounding = FEE_ROUND_HALF_UP,
	};
	int64_t minute = (w->now.wall_ms + ms + 59999) / 60000;
	noon_ms = w->now.mono_ms + minute * 60000 - w->now.wall_ms;
	t.utc_offset_min = 720 - minute % 1440;
	return t;
}

static void supply(int64_t noon_in_ms, int64_t credit_micros, int64_t load_mw)
{
	struct command c = authorize_for(w, 0, "o0", credit_micros);
	c.u.authorize.tariff = noon_in(noon_in_ms);
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	world_run(w, 3000);
	w->plant[0].load_mw = load_mw;
	world_start_order(w, 0, "o0");
	world_run(w, 3000);
	require_state(w, 0, OUTLET_SUPPLYING);
}

static const struct receipt *receipt(void)
{
	return &last_record(w, RECORD_ENDED, 0)->u.ended;
}

static void require_near(int64_t value, int64_t wanted, int64_t within)
{
	REQUIRE(value >= wanted - within && value <= wanted + within, I64 ", not about " I64, value, wanted);
}

static void require_receipt_adds_up(void)
{
	const struct receipt *r = receipt();
	int64_t price = 0;
	static const int64_t prices[] = {500000, 1000000, 200000};
	for (size_t i = 0; i < 3; i++)
		price += (r->by_rate.mwh[i] * prices[i] + KWH / 2) / KWH;
	ck_assert_int_eq(r->by_rate.mwh[0] + r->by_rate.mwh[1] + r->by_rate.mwh[2], r->energy_mwh);
	ck_assert_int_eq(r->amount_micros, price);
}

START_TEST(each_rate_gets_what_was_used_at_it)
{
	supply(60000, 5000000, 3600000); /* 1 Wh a second */
	int64_t start = last_record(w, RECORD_STARTED, 0)->register_mwh;
	world_until(w, noon_ms);
	int64_t at_noon = exact_of(w, 0);
	world_until(w, noon_ms + 3600000);
	int64_t at_one = exact_of(w, 0);
	world_run(w, 100000);
	world_stop_order(w, 0, "o0");
	world_run(w, 20000);
	require_end(w, 0, END_CUSTOMER);
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 2);
	require_receipt_adds_up();
	require_near(receipt()->by_rate.mwh[MORNING], at_noon - start, STEP_MWH + 600);
	require_near(receipt()->by_rate.mwh[NOON], at_one - at_noon, STEP_MWH + 600);
	require_near(receipt()->by_rate.mwh[EVENING], exact_of(w, 0) - at_one, STEP_MWH + 600);
	ck_assert_int_eq(progress_of(w, 0).by_rate.mwh[NOON], 0); /* the session is over */
}
END_TEST

START_TEST(progress_tells_the_rates)
{
	supply(60000, 5000000, 3600000);
	world_until(w, noon_ms + 60000);
	struct progress p = progress_of(w, 0);
	ck_assert_int_eq(p.by_rate.mwh[MORNING] + p.by_rate.mwh[NOON], p.energy_mwh);
	ck_assert_int_gt(p.by_rate.mwh[NOON], 40000);
	ck_assert_int_eq(p.cost_micros,
			 (p.by_rate.mwh[MORNING] * 500000 + p.by_rate.mwh[NOON] * 1000000 + 500000) / KWH);
}
END_TEST

/* A dearer rate lets the credit end sooner: not too late, and with no more than a step left. */
START_TEST(credit_ends_at_the_rate_of_then)
{
	supply(60000, 200000, 7000000);
	for (int n = 0; n < 4000 && state_of(w, 0) == OUTLET_SUPPLYING; n++)
		world_run(w, 500);
	ck_assert_int_gt(w->now.mono_ms, noon_ms);
	world_run(w, 20000);
	require_end(w, 0, END_CREDIT_EXHAUSTED);
	require_receipt_adds_up();
	int64_t bound = box_overdraft_bound_mwh(&w->config, 0);
	REQUIRE(receipt()->amount_micros <= 200000 + bound, "overdrawn: " I64, receipt()->amount_micros);
	REQUIRE(receipt()->amount_micros >= 200000 - STEP_MWH, "cut off at " I64, receipt()->amount_micros);
}
END_TEST

/* Nothing was read around noon: what was used meanwhile is split by time. */
START_TEST(a_silent_meter_at_noon)
{
	w->config.meter_silent_ms = 600000;
	supply(60000, 50000000, 3600000);
	int64_t start = last_record(w, RECORD_STARTED, 0)->register_mwh;
	world_until(w, noon_ms - 20000);
	w->meters_work = false;
	world_until(w, noon_ms);
	int64_t at_noon = exact_of(w, 0);
	world_until(w, noon_ms + 30000);
	require_state(w, 0, OUTLET_SUPPLYING);
	w->meters_work = true;
	world_run(w, 30000);
	world_stop_order(w, 0, "o0");
	world_run(w, 20000);
	require_receipt_adds_up();
	require_near(receipt()->by_rate.mwh[MORNING], at_noon - start, 2 * STEP_MWH);
}
END_TEST

/* The breaker opens shortly after noon, and only then the meter is read. */
START_TEST(opened_before_the_next_reading)
{
	w->config.meter_silent_ms = 600000;
	supply(60000, 50000000, 7000000);
	world_until(w, noon_ms - 10000);
	w->meters_work = false;
	int64_t before = exact_of(w, 0);
	world_until(w, noon_ms + 10000);
	int64_t between = exact_of(w, 0) - before;
	world_stop_order(w, 0, "o0");
	world_run(w, 10000);
	w->meters_work = true;
	world_run(w, 20000);
	require_end(w, 0, END_CUSTOMER);
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 1);
	require_receipt_adds_up();
	require_near(receipt()->by_rate.mwh[NOON], between / 2, STEP_MWH + 1000);
}
END_TEST

/* A pause lies over noon: what was used before it is the morning's. */
START_TEST(a_pause_over_noon)
{
	supply(60000, 50000000, 7000000);
	world_until(w, noon_ms - 20000);
	world_door(w, 0, false);
	world_until(w, noon_ms + 20000);
	require_state(w, 0, OUTLET_PAUSED);
	world_door(w, 0, true);
	world_run(w, 3000);
	int64_t paused_at = exact_of(w, 0);
	int64_t start = last_record(w, RECORD_STARTED, 0)->register_mwh;
	world_start_order(w, 0, "o0");
	world_run(w, 60000);
	require_state(w, 0, OUTLET_SUPPLYING);
	ck_assert_uint_eq(last_record(w, RECORD_RESUMED, 0)->u.started.rate, NOON);
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 0);
	world_stop_order(w, 0, "o0");
	world_run(w, 20000);
	require_receipt_adds_up();
	require_near(receipt()->by_rate.mwh[MORNING], paused_at - start, STEP_MWH + 100);
}
END_TEST

/* Nobody knows when what was used after the last record was used: it gets the cheapest rate, and a mark. */
START_TEST(power_cut_over_noon)
{
	supply(60000, 50000000, 7000000);
	world_until(w, noon_ms - 20000);
	int64_t start = last_record(w, RECORD_STARTED, 0)->register_mwh;
	world_reboot(w, 60000, TIME_SYNCHRONISED);
	world_run(w, 10000);
	require_state(w, 0, OUTLET_PAUSED);
	const struct record *b = last_record(w, RECORD_BOUNDARY, 0);
	ck_assert(b->u.boundary.unknown_time);
	ck_assert_uint_eq(b->u.boundary.rate, EVENING);
	ck_assert_int_eq(b->register_mwh, start); /* the last record's */
	world_stop_order(w, 0, "o0");
	world_run(w, 20000);
	require_receipt_adds_up();
	ck_assert_int_eq(receipt()->by_rate.mwh[MORNING], 0);
	ck_assert_int_gt(receipt()->by_rate.mwh[EVENING], 50000);
}
END_TEST

START_TEST(restart_within_a_rate)
{
	supply(600000, 50000000, 7000000);
	world_run(w, 60000);
	world_restart(w, 2000, TIME_SYNCHRONISED);
	world_run(w, 10000);
	require_state(w, 0, OUTLET_PAUSED);
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 0);
	world_start_order(w, 0, "o0");
	world_run(w, 60000);
	world_stop_order(w, 0, "o0");
	world_run(w, 20000);
	require_receipt_adds_up();
	ck_assert_int_eq(receipt()->by_rate.mwh[MORNING], receipt()->energy_mwh);
}
END_TEST

START_TEST(no_clock_no_session)
{
	w->now.quality = TIME_UNKNOWN;
	struct command c = authorize_for(w, 0, "o0", 1000000);
	c.u.authorize.tariff = noon_in(60000);
	struct command_origin origin = {.verified = true, .server_ms = w->now.wall_ms};
	world_command_from(w, &c, &origin);
	require_outcome(w, &c, COMMAND_REFUSED);
	REQUIRE(strstr(result_of(w, &c)->u.command.detail, "time") != NULL, "it must say why");
	w->now.quality = TIME_RELATIVE;
	c = authorize_for(w, 0, "o1", 1000000);
	c.u.authorize.tariff = noon_in(60000);
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	world_run(w, 3000);
	require_state(w, 0, OUTLET_READY);
	w->now.quality = TIME_UNKNOWN;
	world_run(w, 1000);
	require_state(w, 0, OUTLET_UNLOCKED);
	ck_assert_uint_eq(progress_of(w, 0).missing, MISSING_CLOCK);
	w->now.quality = TIME_RELATIVE;
	world_run(w, 1000);
	require_state(w, 0, OUTLET_READY);
}
END_TEST

/* A jump of the wall clock while supplying changes no bill. */
START_TEST(the_clock_jumps)
{
	supply(60000, 50000000, 3600000);
	int64_t start = last_record(w, RECORD_STARTED, 0)->register_mwh;
	world_run(w, 5000);
	w->now.wall_ms += INT64_C(3) * 365 * 24 * 3600000 + 7 * 3600000;
	w->now.quality = _i == 0 ? TIME_SYNCHRONISED : TIME_UNKNOWN;
	world_until(w, noon_ms);
	int64_t at_noon = exact_of(w, 0);
	world_run(w, 60000);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_stop_order(w, 0, "o0");
	world_run(w, 20000);
	require_end(w, 0, END_CUSTOMER);
	require_receipt_adds_up();
	require_near(receipt()->by_rate.mwh[MORNING], at_noon - start, STEP_MWH + 600);
}
END_TEST

/* A latching breaker stays closed while the daemon is away over noon: what was used then has no known time, what comes
 * after has noon's rate. */
START_TEST(latching_over_noon)
{
	world_free(w);
	w = world_new();
	w->config.outlets[0].breaker.kind = BREAKER_LATCHING;
	world_start(w);
	supply(60000, 50000000, 7000000);
	world_until(w, noon_ms - 10000);
	world_restart(w, 20000, TIME_SYNCHRONISED);
	world_run(w, 30000);
	require_state(w, 0, OUTLET_SUPPLYING);
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 2);
	ck_assert(!last_record(w, RECORD_BOUNDARY, 0)->u.boundary.unknown_time);
	ck_assert_uint_eq(last_record(w, RECORD_BOUNDARY, 0)->u.boundary.rate, NOON);
	world_stop_order(w, 0, "o0");
	world_run(w, 20000);
	require_receipt_adds_up();
	ck_assert_int_gt(receipt()->by_rate.mwh[NOON], 40000);
	ck_assert_int_gt(receipt()->by_rate.mwh[EVENING], 40000);
}
END_TEST

static void latching(void)
{
	world_free(w);
	w = world_new();
	w->config.outlets[0].breaker.kind = BREAKER_LATCHING;
	world_start(w);
}

static void stop_and_end(void)
{
	world_stop_order(w, 0, "o0");
	world_run(w, 20000);
	require_end(w, 0, END_CUSTOMER);
	require_receipt_adds_up();
}

/* The same tariff, and the power cut does not lie over a change: all of it is the morning's, and not the cheapest. */
START_TEST(power_cut_in_the_morning)
{
	supply(3000000, 50000000, 7000000);
	world_run(w, 200000);
	world_reboot(w, 60000, TIME_SYNCHRONISED);
	if (_i)
		world_reboot(w, 60000, TIME_SYNCHRONISED);
	world_run(w, 10000);
	stop_and_end();
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 0);
	ck_assert_int_gt(receipt()->energy_mwh, 300000);
	ck_assert_int_eq(receipt()->by_rate.mwh[MORNING], receipt()->energy_mwh);
}
END_TEST

/* The meter falls silent, one o'clock passes, and a record without a fresh register is written: it must not look as if
 * what was used before one had been used after it. */
START_TEST(a_record_between_change_and_crash)
{
	latching();
	supply(60000, 50000000, 7000000);
	world_until(w, noon_ms + 3600000 - 5000);
	w->meters_work = false;
	world_until(w, noon_ms + 3600000 + 3000);
	struct command c = session_command(w, COMMAND_CREDIT, 0, "o0");
	c.u.credit.credit_micros = 1;
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	world_run(w, 500);
	int64_t unknown_from = last_record(w, RECORD_MARK, 0)->register_mwh;
	w->meters_work = true;
	world_restart(w, 2400000, TIME_SYNCHRONISED);
	world_run(w, 10000);
	require_state(w, 0, OUTLET_SUPPLYING);
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 3); /* noon, the unknown time, and known again */
	ck_assert(!last_record(w, RECORD_BOUNDARY, 0)->u.boundary.unknown_time);
	stop_and_end();
	require_near(receipt()->by_rate.mwh[EVENING], exact_of(w, 0) - unknown_from, STEP_MWH);
}
END_TEST

/* Silent over one o'clock (dear before, cheap after), paused by the silence or by a door, then a power cut: what was used
 * before one is not known to be noon's. */
START_TEST(silent_over_a_change_then_a_power_cut)
{
	supply(60000, 50000000, 7000000);
	world_until(w, noon_ms + 3600000 - 1000);
	int64_t last_read = register_of(w, 0);
	w->meters_work = false;
	world_until(w, noon_ms + 3600000 + 55000);
	if (_i) {
		world_door(w, 0, false);
		world_run(w, 1000);
		world_door(w, 0, true);
	}
	w->meters_work = true;
	world_reboot(w, 60000, TIME_SYNCHRONISED);
	world_stop_order(w, 0, "o0");
	world_run(w, 20000);
	require_receipt_adds_up();
	const struct record *b = last_record(w, RECORD_BOUNDARY, 0);
	ck_assert(b->u.boundary.unknown_time);
	ck_assert_int_le(b->register_mwh, last_read);
	ck_assert_int_eq(receipt()->by_rate.mwh[EVENING], register_of(w, 0) - b->register_mwh);
	ck_assert_int_gt(receipt()->by_rate.mwh[EVENING], 100000);
}
END_TEST

/* Away from the morning until the next one: the rate is the same again, but it was not all the time. */
START_TEST(away_for_a_day)
{
	latching();
	struct command c = authorize_for(w, 0, "o0", 50000000);
	c.u.authorize.tariff = noon_in(600000);
	c.u.authorize.tariff.periods[2].rate = MORNING;
	c.u.authorize.tariff.rate_count = 2;
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	world_run(w, 3000);
	w->plant[0].load_mw = 100000;
	world_start_order(w, 0, "o0");
	world_run(w, 60000);
	world_restart(w, 600000 + 3600000 + 60000, TIME_SYNCHRONISED);
	world_run(w, 10000);
	ck_assert_uint_ge(count_records(w, RECORD_BOUNDARY, 0), 1);
	bool unknown = false;
	for (size_t i = 0; i < w->logged; i++) {
		const struct log_entry *e = &w->log[i];
		unknown |= e->deed == DEED_RECORD && e->record.kind == RECORD_BOUNDARY &&
			   e->record.u.boundary.unknown_time;
	}
	ck_assert(unknown);
}
END_TEST

/* A boundary moves what was used to another rate: what is affordable follows. */
START_TEST(credit_after_an_unknown_time)
{
	latching();
	supply(3000000, 1000000, 7000000); /* 2 kWh of the morning's */
	world_run(w, 280000);
	w->now.wall_ms -= 3000000; /* set back behind the start: nobody can tell any more */
	world_restart(w, 1000, TIME_SYNCHRONISED);
	for (int n = 0; n < 8000 && state_of(w, 0) == OUTLET_SUPPLYING; n++)
		world_run(w, 500);
	world_run(w, 20000);
	require_end(w, 0, END_CREDIT_EXHAUSTED);
	require_receipt_adds_up();
	ck_assert_int_gt(receipt()->by_rate.mwh[EVENING], 500000);
	REQUIRE(receipt()->amount_micros >= 1000000 - STEP_MWH, "cut off at " I64, receipt()->amount_micros);
}
END_TEST

/* The clock comes a second after the meter: the rate waits for it. */
START_TEST(a_clock_after_the_first_reading)
{
	supply(3000000, 50000000, 7000000);
	world_run(w, 290000);
	world_reboot(w, 20000, TIME_UNKNOWN);
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 0);
	w->now.quality = TIME_RELATIVE;
	world_run(w, 3000);
	stop_and_end();
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 0);
	ck_assert_int_eq(receipt()->by_rate.mwh[MORNING], receipt()->energy_mwh);
}
END_TEST

/* It never comes, or the end does not wait for it: the cheapest, and marked. */
START_TEST(a_clock_that_does_not_come)
{
	supply(3000000, 50000000, 7000000);
	world_run(w, 290000);
	world_reboot(w, 20000, TIME_UNKNOWN);
	if (_i)
		world_run(w, w->config.boot_wait_ms);
	world_stop_order(w, 0, "o0");
	world_run(w, 20000);
	require_receipt_adds_up();
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 1);
	ck_assert(last_record(w, RECORD_BOUNDARY, 0)->u.boundary.unknown_time);
	ck_assert_int_eq(receipt()->by_rate.mwh[EVENING], receipt()->energy_mwh);
	if (_i)
		ck_assert_int_eq(last_record(w, RECORD_BOUNDARY, 0)->seq + 1, last_record(w, RECORD_STOPPING, 0)->seq);
}
END_TEST

/* Nobody knows the time when a latching breaker is found closed: it supplies on at the cheapest rate until somebody does. */
START_TEST(latching_without_a_clock)
{
	latching();
	supply(3000000, 50000000, 7000000);
	world_run(w, 1200000);
	world_restart(w, 2000, TIME_UNKNOWN);
	world_run(w, 60000);
	require_state(w, 0, OUTLET_SUPPLYING);
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 1);
	ck_assert(last_record(w, RECORD_BOUNDARY, 0)->u.boundary.unknown_time);
	int64_t from = last_record(w, RECORD_BOUNDARY, 0)->register_mwh;
	w->now.quality = TIME_RELATIVE;
	world_run(w, 1000);
	int64_t to = exact_of(w, 0);
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 2);
	ck_assert_uint_eq(last_record(w, RECORD_BOUNDARY, 0)->u.boundary.rate, MORNING);
	world_until(w, noon_ms + 60000);
	stop_and_end();
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 3);
	require_near(receipt()->by_rate.mwh[EVENING], to - from, STEP_MWH + 3000);
	require_near(receipt()->by_rate.mwh[NOON], 116667, STEP_MWH + 3000);
}
END_TEST

/* The clock is known when the breaker is found closed, and lost again before the meter answers: what was known goes on. */
START_TEST(clock_lost_before_the_first_reading)
{
	latching();
	supply(3000000, 50000000, 7000000);
	world_run(w, 10000);
	w->meters_work = false;
	world_restart(w, 1000, TIME_SYNCHRONISED);
	require_state(w, 0, OUTLET_SUPPLYING);
	w->now.quality = TIME_UNKNOWN;
	w->now.wall_ms = 1000000;
	w->meters_work = true;
	world_run(w, 60000);
	stop_and_end();
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 0);
	ck_assert_int_eq(receipt()->by_rate.mwh[MORNING], receipt()->energy_mwh);
}
END_TEST

/* The breaker is found closed before noon, and the meter answers after it: one unknown part, one change, and no more. */
START_TEST(first_reading_after_a_change)
{
	latching();
	w->config.meter_silent_ms = 600000; /* from the restart on */
	supply(120000, 50000000, 7000000);
	world_until(w, noon_ms - 20000);
	w->meters_work = false;
	world_restart(w, 1000, TIME_SYNCHRONISED);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_until(w, noon_ms + 15000);
	w->meters_work = true;
	world_run(w, 30000);
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 2);
	ck_assert_uint_eq(last_record(w, RECORD_BOUNDARY, 0)->u.boundary.rate, NOON);
	stop_and_end();
}
END_TEST

/* Dear before one, cheap after it, and nothing is read: what is left of the credit must also pay for what may have been used
 * before one. The other way round, the dearer rate counts from the change on. */
START_TEST(silent_over_a_change_with_little_credit)
{
	int64_t change_ms = _i ? 0 : 3600000;
	int64_t cost = 0;
	int64_t worst = 7000000 * INT64_C(40000) / 3600000 + 2 * STEP_MWH + 3000;
	for (int again = 0; again < 2; again++) {
		world_free(w);
		w = world_new();
		world_start(w);
		struct command c = authorize_for(w, 0, "o0", again ? cost + worst : 50000000);
		c.u.authorize.tariff = noon_in(60000);
		c.u.authorize.tariff.rates[EVENING].price_micros = 800000;
		world_command(w, &c);
		world_run(w, 3000);
		w->plant[0].load_mw = RATED_MW;
		world_start_order(w, 0, "o0");
		world_until(w, noon_ms + change_ms - 40000);
		require_state(w, 0, OUTLET_SUPPLYING);
		cost = again ? cost : progress_of(w, 0).cost_micros;
	}
	w->meters_work = false;
	for (int n = 0; n < 40000 && state_of(w, 0) == OUTLET_SUPPLYING; n++)
		world_run(w, 100);
	w->meters_work = true;
	world_run(w, 20000);
	int64_t used = 0;
	static const int64_t prices[] = {500000, 1000000, 800000};
	for (size_t i = 0; i < COUNT(prices); i++)
		used += receipt()->by_rate.mwh[i] * prices[i] / KWH;
	int64_t bound = box_overdraft_bound_mwh(&w->config, 0);
	REQUIRE(used <= cost + worst + bound, I64 " micros were used, " I64 " were paid", used, cost + worst);
}
END_TEST

/* A dearer rate is coming: the time that is left says so before it comes. */
START_TEST(time_left_over_a_change)
{
	supply(600000, 600000, 3600000); /* a watt-hour a second: 0.30 to noon, then 0.30 at 1.00 are 300 s */
	world_until(w, noon_ms - 60000);
	struct progress p = progress_of(w, 0);
	int64_t left = (600000 - p.cost_micros - 30000) / 1000 * 1000 + 60000;
	require_near(p.remaining_ms, left, 15000);
	world_until(w, noon_ms - 1000);
	int64_t before = progress_of(w, 0).remaining_ms;
	world_until(w, noon_ms + 1000);
	require_near(progress_of(w, 0).remaining_ms, before, 25000);
}
END_TEST

/* The change falls on the very millisecond of the start, of a reading, or of the stop. */
START_TEST(a_change_at_that_very_moment)
{
	struct command c = authorize_for(w, 0, "o0", 50000000);
	c.u.authorize.tariff = noon_in(60000);
	world_command(w, &c);
	world_run(w, 3000);
	w->plant[0].load_mw = 7000000;
	if (_i == 0) {
		world_until(w, noon_ms - 1000);
		w->meters_work = false;
		world_start_order(w, 0, "o0");
		world_skip(w, noon_ms - w->now.mono_ms);
		world_read(w, 0);
		w->meters_work = true;
		ck_assert_int_eq(last_record(w, RECORD_STARTED, 0)->at.mono_ms, noon_ms);
		ck_assert_uint_eq(last_record(w, RECORD_STARTED, 0)->u.started.rate, NOON);
		world_run(w, 30000);
		stop_and_end();
		ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 0);
		ck_assert_int_eq(receipt()->by_rate.mwh[NOON], receipt()->energy_mwh);
		return;
	}
	world_start_order(w, 0, "o0");
	world_until(w, noon_ms - 700);
	w->meters_work = false;
	world_until(w, noon_ms);
	int64_t at_noon = exact_of(w, 0);
	int64_t start = last_record(w, RECORD_STARTED, 0)->register_mwh;
	if (_i == 1) {
		world_read(w, 0);
		w->meters_work = true;
		ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 0); /* all of it was used before */
		world_run(w, 30000);
		ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 1);
		stop_and_end();
	} else {
		world_stop_order(w, 0, "o0");
		w->meters_work = true;
		world_run(w, 20000);
		require_receipt_adds_up();
		ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 0);
	}
	require_near(receipt()->by_rate.mwh[MORNING], at_noon - start, STEP_MWH + 600);
}
END_TEST

/* Noon passes while the start record waits for the disk. */
START_TEST(a_change_while_the_start_waits)
{
	struct command c = authorize_for(w, 0, "o0", 50000000);
	c.u.authorize.tariff = noon_in(60000);
	world_command(w, &c);
	world_run(w, 3000);
	w->plant[0].load_mw = 7000000;
	world_until(w, noon_ms - 1500);
	world_start_order(w, 0, "o0");
	w->disk_works = false;
	world_until(w, noon_ms + 1500);
	ck_assert_uint_eq(last_record(w, RECORD_STARTED, 0)->u.started.rate, MORNING);
	ck_assert(!w->plant[0].commanded);
	w->disk_works = true;
	world_commit(w);
	world_run(w, 30000);
	require_state(w, 0, OUTLET_SUPPLYING);
	stop_and_end();
	ck_assert_int_gt(receipt()->energy_mwh, 40000);
	ck_assert_int_eq(receipt()->by_rate.mwh[NOON], receipt()->energy_mwh);
}
END_TEST

/* Two power cuts, the second before the meter answered after the first; and the noon boundary never reached the disk. */
START_TEST(two_power_cuts)
{
	supply(60000, 50000000, 7000000);
	int64_t start = last_record(w, RECORD_STARTED, 0)->register_mwh;
	world_until(w, noon_ms - 2000);
	w->disk_works = false;
	world_until(w, noon_ms + 20000);
	w->disk_works = true;
	w->meters_work = false;
	world_die(w);
	world_boot(w, 60000, TIME_SYNCHRONISED);
	world_tell_inputs(w);
	world_run(w, 500);
	world_die(w);
	world_boot(w, 60000, TIME_SYNCHRONISED);
	world_tell_inputs(w);
	w->meters_work = true;
	world_run(w, 6000);
	world_reboot(w, 60000, TIME_SYNCHRONISED); /* and a third, after everything was said */
	stop_and_end();
	require_near(receipt()->by_rate.mwh[EVENING], exact_of(w, 0) - start, STEP_MWH);
	unsigned unknown = 0;
	for (size_t i = 0; i < w->logged; i++) {
		const struct log_entry *e = &w->log[i];
		unknown += e->deed == DEED_RECORD && e->record.kind == RECORD_BOUNDARY &&
			   e->record.u.boundary.unknown_time;
	}
	ck_assert_uint_eq(unknown, 1);
}
END_TEST

/* A lease's amount is used up at the rate of then, and a lease goes on over noon. */
START_TEST(remote_mode_over_noon)
{
	struct command c = authorize_for(w, 0, "o0", 300000);
	c.u.authorize.tariff = noon_in(60000);
	c.u.authorize.mode = FEE_REMOTE;
	c.u.authorize.lease_ms = 3000000;
	world_heard(w, UPLINK_STREAM_HEARD);
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	world_run(w, 3000);
	w->plant[0].load_mw = 7000000;
	world_start_order(w, 0, "o0");
	world_run(w, 2000);
	for (int n = 0; n < 4000 && state_of(w, 0) == OUTLET_SUPPLYING; n++)
		world_run(w, 500);
	ck_assert_int_gt(w->now.mono_ms, noon_ms);
	world_run(w, 20000);
	require_end(w, 0, END_LEASE_EXPIRED);
	require_receipt_adds_up();
	ck_assert_int_gt(receipt()->by_rate.mwh[NOON], 0);
	require_near(receipt()->amount_micros, 300000, STEP_MWH + box_overdraft_bound_mwh(&w->config, 0));
}
END_TEST

/* Midnight of the local clock is a change like any other. */
START_TEST(over_local_midnight)
{
	struct command c = authorize_for(w, 0, "o0", 50000000);
	c.u.authorize.tariff = noon_in(60000);
	c.u.authorize.tariff.utc_offset_min += c.u.authorize.tariff.utc_offset_min > 0 ? -720 : 720;
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	world_run(w, 3000);
	w->plant[0].load_mw = 3600000;
	world_start_order(w, 0, "o0");
	world_run(w, 3000);
	int64_t start = last_record(w, RECORD_STARTED, 0)->register_mwh;
	ck_assert_uint_eq(last_record(w, RECORD_STARTED, 0)->u.started.rate, EVENING);
	world_until(w, noon_ms); /* midnight, here */
	int64_t at_midnight = exact_of(w, 0);
	world_run(w, 60000);
	stop_and_end();
	ck_assert_uint_eq(count_records(w, RECORD_BOUNDARY, 0), 1);
	require_near(receipt()->by_rate.mwh[EVENING], at_midnight - start, STEP_MWH + 600);
	require_near(receipt()->by_rate.mwh[MORNING], exact_of(w, 0) - at_midnight, STEP_MWH + 600);
}
END_TEST

/* A start that cannot be carried out says why: here the disk takes too long, there the clock is gone. */
START_TEST(why_a_start_was_not_carried_out)
{
	struct command c = authorize_for(w, 0, "o0", 50000000);
	c.u.authorize.tariff = noon_in(60000);
	world_command(w, &c);
	world_run(w, 3000);
	world_start_order(w, 0, "o0");
	w->disk_works = false;
	world_run(w, 1000);
	if (_i)
		w->now.quality = TIME_UNKNOWN;
	world_run(w, 11000);
	require_state(w, 0, OUTLET_PAUSED);
	ck_assert_int_eq(last_record(w, RECORD_PAUSED, 0)->u.paused.reason, _i ? END_CLOCK : END_STORAGE);
}
END_TEST

static Suite *box_time_suite(void)
{
	Suite *suite = suite_create("box_time");
	TCase *t = tcase_create("time of use");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, each_rate_gets_what_was_used_at_it);
	tcase_add_test(t, progress_tells_the_rates);
	tcase_add_test(t, credit_ends_at_the_rate_of_then);
	tcase_add_test(t, a_silent_meter_at_noon);
	tcase_add_test(t, opened_before_the_next_reading);
	tcase_add_test(t, a_pause_over_noon);
	tcase_add_test(t, power_cut_over_noon);
	tcase_add_test(t, restart_within_a_rate);
	tcase_add_test(t, no_clock_no_session);
	tcase_add_loop_test(t, the_clock_jumps, 0, 2);
	tcase_add_test(t, latching_over_noon);
	tcase_add_loop_test(t, power_cut_in_the_morning, 0, 2);
	tcase_add_test(t, a_record_between_change_and_crash);
	tcase_add_loop_test(t, silent_over_a_change_then_a_power_cut, 0, 2);
	tcase_add_test(t, away_for_a_day);
	tcase_add_test(t, credit_after_an_unknown_time);
	tcase_add_test(t, a_clock_after_the_first_reading);
	tcase_add_loop_test(t, a_clock_that_does_not_come, 0, 2);
	tcase_add_test(t, latching_without_a_clock);
	tcase_add_test(t, clock_lost_before_the_first_reading);
	tcase_add_test(t, first_reading_after_a_change);
	tcase_add_loop_test(t, silent_over_a_change_with_little_credit, 0, 2);
	tcase_add_test(t, time_left_over_a_change);
	tcase_add_loop_test(t, a_change_at_that_very_moment, 0, 3);
	tcase_add_test(t, a_change_while_the_start_waits);
	tcase_add_test(t, two_power_cuts);
	tcase_add_test(t, remote_mode_over_noon);
	tcase_add_test(t, over_local_midnight);
	tcase_add_loop_test(t, why_a_start_was_not_carried_out, 0, 2);
	tcase_set_timeout(t, 60);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	return run_suite(box_time_suite());
}
