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
	tcase_set_timeout(t, 60);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	return run_suite(box_time_suite());
}
