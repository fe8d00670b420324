/* Tests src/box: how credit and limits end a session, by reading and by prediction, alone and with a shared account; and
 * what is told of it meanwhile. */
#include "box_harness.h"

static struct world *w;

static void setup(void)
{
	w = world_new();
}

static void setup_started(void)
{
	setup();
	world_start(w);
}

static void teardown(void)
{
	world_free(w);
}

/* ---- credit and limits ---- */

static int64_t ended_energy(int outlet)
{
	return last_record(w, RECORD_ENDED, outlet)->u.ended.energy_mwh;
}

static const struct {
	int64_t load_mw;
	int64_t credit_mwh;
	int64_t reading_ms;
} credits[] = {
	{7000000, KWH, 500},
	{7000000, KWH + 5000, 500},
	{3333333, 50000, 500},
	{200000, 30001, 500},
	{7000000, 12345, 500},
	{7000000, KWH, 4000}, /* slow bus: the timer must come before the reading */
	{1000000, 77777, 3000},
};

START_TEST(credit_ends)
{
	w->config.reading_age_ms = w->reading_ms = credits[_i].reading_ms;
	world_start(w);
	int64_t credit = credits[_i].credit_mwh;
	struct command c = authorize_for(w, 0, "o", credit);
	world_command(w, &c);
	world_run(w, 5000);
	w->plant[0].load_mw = credits[_i].load_mw;
	world_start_order(w, 0, "o");
	int64_t exact = exact_of(w, 0);
	for (int n = 0; n < 4000 && state_of(w, 0) != OUTLET_ENDING; n++)
		world_run(w, 500);
	world_run(w, 30000);
	require_end(w, 0, END_CREDIT_EXHAUSTED);
	int64_t used = exact_of(w, 0) - exact, bound = box_overdraft_bound_mwh(&w->config, 0);
	REQUIRE(used <= credit + bound, "used " I64 " of " I64 ", bound " I64, used, credit, bound);
	REQUIRE(ended_energy(0) <= credit + bound, "billed " I64 " of " I64, ended_energy(0), credit);
	int64_t left = credit - ended_energy(0);
	if (credits[_i].reading_ms == 500)
		REQUIRE(left <= STEP_MWH, "cut with " I64 " left", left);
}
END_TEST

/* The prediction alone, between two readings, opens the breaker. */
START_TEST(credit_ends_by_prediction)
{
	w->config.meter_late_ms = 60000;
	w->config.meter_silent_ms = 600000;
	world_start(w);
	world_supply(w, 0, 3 * STEP_MWH, 7000000);
	for (int n = 0; n < 1000 && register_of(w, 0) < last_record(w, RECORD_STARTED, 0)->register_mwh + 2 * STEP_MWH;
	     n++)
		world_run(w, 100);
	world_run(w, 500);
	w->meters_work = false;
	require_state(w, 0, OUTLET_SUPPLYING);
	/* 10 Wh at 7 kW take 5143 ms */
	world_run(w, 6000);
	REQUIRE(!w->plant[0].commanded, "no reading came, and nothing opened");
	w->meters_work = true;
	world_run(w, 5000);
	require_end(w, 0, END_CREDIT_EXHAUSTED);
}
END_TEST

START_TEST(credit_does_not_pay)
{
	struct command c = authorize_for(w, 0, "o", 0);

	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	c = authorize_for(w, 0, "o", 1000);
	c.u.authorize.tariff.start_fee_micros = 1000;
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	require_state(w, 0, OUTLET_AVAILABLE);
	ck_assert_uint_eq(count_pulses(w, 0), 0);
}
END_TEST

START_TEST(top_up_goes_on)
{
	world_supply(w, 0, 2 * STEP_MWH, 3600000);
	struct command c = session_command(w, COMMAND_CREDIT, 0, "o0");
	c.u.credit.credit_micros = 3 * STEP_MWH;
	world_command(w, &c);
	world_run(w, 35000); /* 1 Wh a second */
	require_state(w, 0, OUTLET_SUPPLYING);
	world_run(w, 40000);
	require_end(w, 0, END_CREDIT_EXHAUSTED);
	REQUIRE(ended_energy(0) >= 4 * STEP_MWH, "only " I64, ended_energy(0));
}
END_TEST

START_TEST(huge_credit)
{
	world_supply(w, 0, FEE_MONEY_MAX_MICROS, 3600000);
	for (int n = 0; n < 3; n++) {
		struct command c = session_command(w, COMMAND_CREDIT, 0, "o0");
		c.u.credit.credit_micros = FEE_MONEY_MAX_MICROS;
		c.u.credit.lease_ms = FEE_MONEY_MAX_MICROS;
		if (command_fault(&c) == NULL)
			world_command(w, &c);
		world_run(w, 1000);
	}
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

START_TEST(huge_reservation)
{
	struct command c = command_for(w, COMMAND_RESERVE, 0);

	strcpy(c.u.reserve.account, "someone");
	c.u.reserve.hold_ms = FEE_MONEY_MAX_MICROS;
	if (command_fault(&c) == NULL)
		world_command(w, &c);
	world_run(w, 1000);
}
END_TEST

enum limit {
	BY_ENERGY,
	BY_AMOUNT,
	BY_TIME,
};

START_TEST(limits_end)
{
	static const enum end_reason reasons[] = {END_LIMIT_ENERGY, END_LIMIT_AMOUNT, END_LIMIT_TIME};
	struct command c = authorize_for(w, 0, "o", 5 * KWH);

	if (_i == BY_ENERGY)
		c.u.authorize.limit_mwh = 5 * STEP_MWH;
	else if (_i == BY_AMOUNT)
		c.u.authorize.limit_micros = 5 * STEP_MWH;
	else
		c.u.authorize.limit_ms = 50000;
	world_command(w, &c);
	world_run(w, 1000);
	w->plant[0].load_mw = 3600000; /* 1 Wh a second: 50 s */
	world_start_order(w, 0, "o");
	world_run(w, 35000);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_run(w, 40000);
	require_end(w, 0, reasons[_i]);
	int64_t bound = box_overdraft_bound_mwh(&w->config, 0);
	REQUIRE(ended_energy(0) >= 4 * STEP_MWH && ended_energy(0) <= 5 * STEP_MWH + bound,
		"used " I64,
		ended_energy(0));
	if (_i == BY_TIME)
		REQUIRE(llabs(last_record(w, RECORD_ENDED, 0)->u.ended.energised_ms - 50000) <= 1000,
			"energised " I64,
			last_record(w, RECORD_ENDED, 0)->u.ended.energised_ms);
}
END_TEST

/* Who chooses an amount holds just that: its end says what was chosen. */
START_TEST(the_whole_credit_is_the_limit)
{
	struct command c = authorize_for(w, 0, "o", 5 * STEP_MWH);

	c.u.authorize.limit_micros = 5 * STEP_MWH;
	world_command(w, &c);
	world_run(w, 1000);
	w->plant[0].load_mw = 3600000;
	world_start_order(w, 0, "o");
	world_run(w, 75000);
	require_end(w, 0, END_LIMIT_AMOUNT);
}
END_TEST

/* Time stands still while paused. */
START_TEST(time_stands_still)
{
	struct command c = authorize_for(w, 0, "o", 5 * KWH);

	c.u.authorize.limit_ms = 50000;
	world_command(w, &c);
	world_run(w, 1000);
	world_start_order(w, 0, "o");
	world_run(w, 30000);
	world_door(w, 0, false);
	world_door(w, 0, true);
	world_run(w, 100000);
	world_start_order(w, 0, "o");
	world_run(w, 15000);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_run(w, 15000);
	require_end(w, 0, END_LIMIT_TIME);
}
END_TEST

START_TEST(shared_account)
{
	static const int64_t loads[][2] = {{7000000, 7000000}, {7000000, 500000}, {3600000, 0}};
	int64_t credit = 400000, exact[2];

	for (int i = 0; i < 2; i++) {
		char order[2] = {(char)('a' + i), 0};
		struct command c = authorize_for(w, i, order, i == 0 ? credit : 0);
		strcpy(c.u.authorize.account, "shared");
		world_command(w, &c);
		require_outcome(w, &c, COMMAND_DONE);
		world_run(w, 2000);
		exact[i] = exact_of(w, (unsigned)i);
		w->plant[i].load_mw = loads[_i][i];
		world_start_order(w, i, order);
	}
	for (int n = 0;
	     n < 2000 && (state_of(w, 0) == OUTLET_SUPPLYING || (n < 5 || state_of(w, 1) == OUTLET_SUPPLYING));
	     n++) {
		world_run(w, 1000);
		if (loads[_i][1] == 0 && state_of(w, 0) == OUTLET_FINISHING)
			break;
	}
	world_run(w, 60000);
	require_end(w, 0, END_CREDIT_EXHAUSTED);
	int64_t used = exact_of(w, 0) - exact[0] + exact_of(w, 1) - exact[1];
	/* whoever is the last to go on is alone, and may overdraw by one bound */
	int64_t bound = box_overdraft_bound_mwh(&w->config, 0);
	REQUIRE(used <= credit + bound, "used " I64 " of " I64, used, credit);
	REQUIRE(used > credit / 2, "used only " I64 " of " I64, used, credit);
}
END_TEST

START_TEST(pool_outlives_one_session)
{
	world_supply(w, 0, 400000, 3600000);
	struct command c = authorize_for(w, 1, "b", 0);
	strcpy(c.u.authorize.account, "account-0");
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	world_run(w, 100000);
	world_stop_order(w, 0, "o0");
	world_run(w, 5000);
	int64_t first = ended_energy(0);
	REQUIRE(first > 9 * STEP_MWH, "used " I64, first);
	w->plant[1].load_mw = 3600000;
	world_start_order(w, 1, "b");
	world_run(w, 400000);
	require_end(w, 1, END_CREDIT_EXHAUSTED);
	int64_t sum = first + ended_energy(1), bound = box_overdraft_bound_mwh(&w->config, 1);
	REQUIRE(sum <= 400000 + bound && sum >= 400000 - 2 * STEP_MWH - bound, "used " I64, sum);
}
END_TEST

/* ---- marks and progress ---- */

START_TEST(marks)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_run(w, 3 * w->config.mark_ms + 5000);
	ck_assert_uint_eq(count_records(w, RECORD_MARK, 0), 3);
	ck_assert_uint_eq(count_records(w, RECORD_MARK, 1), 0);
	world_stop_order(w, 0, "o0");
	world_run(w, 2 * w->config.mark_ms);
	ck_assert_uint_eq(count_records(w, RECORD_MARK, 0), 3);
}
END_TEST

START_TEST(progress)
{
	struct progress p = progress_of(w, 0);

	ck_assert_str_eq(p.order, "");
	ck_assert(p.has_register && p.register_mwh == register_of(w, 0));
	world_supply(w, 0, KWH, 3600000);
	world_run(w, 100000);
	p = progress_of(w, 0);
	ck_assert_str_eq(p.order, "o0");
	ck_assert_int_eq(p.power_mw, 3600000);
	ck_assert_int_eq(p.energy_mwh, p.register_mwh - last_record(w, RECORD_STARTED, 0)->register_mwh);
	ck_assert_int_eq(p.cost_micros, p.energy_mwh);
	ck_assert_int_eq(p.remaining_micros, KWH - p.cost_micros);
	REQUIRE(llabs(p.remaining_ms - 899000) < 12000, "remaining " I64 " ms", p.remaining_ms);
	REQUIRE(p.reading_age_ms >= 0 && p.reading_age_ms <= 500, "age " I64, p.reading_age_ms);
	ck_assert(!p.low_credit);
	bool low = false;
	for (int n = 0; n < 950 && state_of(w, 0) == OUTLET_SUPPLYING; n++) {
		low = progress_of(w, 0).low_credit;
		world_run(w, 1000);
	}
	REQUIRE(low, "no warning before the end");
}
END_TEST

static unsigned posts_in(int seconds)
{
	unsigned before = w->posts;
	for (int n = 0; n < seconds; n++) {
		world_run(w, 1000);
		world_answer(w);
	}
	return w->posts - before;
}

/* Whoever looks at a page sees each step of the register, and what is plugged in or out between two of them. */
START_TEST(progress_is_told_as_it_moves)
{
	world_supply(w, 0, KWH, 3600000);
	posts_in(5);
	int64_t before_mwh = register_of(w, 0);
	unsigned told = posts_in(100);
	int64_t steps = (register_of(w, 0) - before_mwh) / w->config.outlets[0].breaker.step_mwh;
	REQUIRE(steps >= 9 && told + 1 >= steps && told <= steps + 2, "%u posts for " I64 " steps", told, steps);
	w->plant[0].load_mw = 0;
	ck_assert_uint_ge(posts_in(5), 1);
	ck_assert_uint_eq(posts_in(60), 0);
	w->plant[0].load_mw = 1000000; /* 36 s to the next step */
	ck_assert_uint_ge(posts_in(5), 1);
}
END_TEST

/* A cooker that goes on and off every two seconds, a large load whose steps come faster than that: the line has a fixed
 * share of it, and the first changes are told at once all the same. */
START_TEST(a_restless_load_does_not_fill_the_line)
{
	const int64_t share = 3600000 / (5 * w->config.uplink.progress_ms);
	unsigned told = 0;
	world_supply(w, 0, 1000 * KWH, _i == 0 ? 0 : 7000000);
	posts_in(60);
	for (int n = 0; n < 4 && _i == 0; n++) { /* who plugs in and out sees it */
		w->plant[0].load_mw = n % 2 == 0 ? 2000000 : 0;
		posts_in(3);
		ck_assert_int_eq(w->told[0].power_mw, w->plant[0].load_mw);
	}
	for (int n = 0; n < 1800; n++) {
		if (_i == 0)
			w->plant[0].load_mw = n % 2 == 0 ? 2000000 : 0;
		told += posts_in(2);
	}
	REQUIRE((int64_t)told <= share + share / 10, "%u posts in an hour", told);
	REQUIRE((int64_t)told >= share - share / 10, "%u posts in an hour", told);
}
END_TEST

/* Where nobody is, nothing is told, whatever the meter says of others' power. */
START_TEST(an_idle_box_says_nothing)
{
	world_start(w);
	posts_in(60);
	for (int n = 0; n < 60; n++) {
		w->plant[0].leak_mw = n % 2 == 0 ? 3000 : 0;
		ck_assert_uint_eq(posts_in(60), 0);
	}
}
END_TEST

/* What is not supplied any more is not shown as if it were. */
START_TEST(a_pause_shows_no_power)
{
	world_supply(w, 0, KWH, 2000000);
	posts_in(5);
	ck_assert_int_eq(w->told[0].power_mw, 2000000);
	world_door(w, 0, false);
	posts_in(15);
	require_state(w, 0, OUTLET_PAUSED);
	ck_assert_int_eq(w->told[0].power_mw, 0);
	ck_assert_uint_eq(posts_in(60), 0);
}
END_TEST

/* What a start lacks is told as it changes, also where the state stays. So is a meter that does not answer while power
 * flows. */
START_TEST(what_is_missing_is_told)
{
	world_supply(w, 0, KWH, 2000000);
	posts_in(5);
	w->meters_work = false;
	posts_in((int)(w->config.meter_late_ms / 1000) + 2);
	require_state(w, 0, OUTLET_SUPPLYING);
	ck_assert_uint_eq(w->told[0].missing, MISSING_METER);
	ck_assert_int_ge(w->told[0].reading_age_ms, w->config.meter_late_ms);
	w->meters_work = true;
	posts_in(5);
	ck_assert_uint_eq(w->told[0].missing, 0);
	world_door(w, 0, false);
	posts_in(5);
	world_door(w, 0, true);
	posts_in(5);
	require_state(w, 0, OUTLET_PAUSED);
	ck_assert_uint_eq(w->told[0].missing, 0);
	w->meters_work = false;
	posts_in((int)(w->config.meter_late_ms / 1000) + 5);
	ck_assert_uint_eq(w->told[0].missing, MISSING_METER);
	w->meters_work = true;
	posts_in(5);
	require_state(w, 0, OUTLET_PAUSED);
	ck_assert_uint_eq(w->told[0].missing, 0);
	world_reboot(w, 1000, TIME_SYNCHRONISED);
	posts_in(15);
	require_state(w, 0, OUTLET_PAUSED);
	ck_assert_uint_eq(w->told[0].missing, progress_of(w, 0).missing);
	ck_assert_uint_eq(w->told[0].missing, 0);
}
END_TEST

/* When the heart last commanded the breaker this way. */
static int64_t commanded_at(int outlet, bool close)
{
	for (size_t i = w->logged; i-- > 0;) {
		const struct log_entry *e = &w->log[i];
		if (e->deed == DEED_BREAKER && e->outlet == outlet && e->close == close)
			return e->at_ms;
	}
	ck_abort_msg("outlet %d was never commanded", outlet);
}

/* Counts while the breaker is closed and stands still in a pause, over marks, and in the end is the receipt's. */
START_TEST(progress_tells_the_time)
{
	ck_assert_int_eq(progress_of(w, 0).energised_ms, 0);
	world_supply(w, 0, 5 * KWH, 1000000);
	int64_t closed_ms = commanded_at(0, true);
	ck_assert_int_eq(progress_of(w, 0).energised_ms, w->now.mono_ms - closed_ms);
	world_run(w, w->config.mark_ms + 5000);
	ck_assert_uint_eq(count_records(w, RECORD_MARK, 0), 1);
	ck_assert_int_eq(progress_of(w, 0).energised_ms, w->now.mono_ms - closed_ms);
	world_skip(w, 300); /* between two events */
	ck_assert_int_eq(progress_of(w, 0).energised_ms, w->now.mono_ms - closed_ms);
	world_door(w, 0, false);
	int64_t before_ms = commanded_at(0, false) - closed_ms;
	world_door(w, 0, true);
	world_run(w, 20000);
	require_state(w, 0, OUTLET_PAUSED);
	ck_assert_int_eq(progress_of(w, 0).energised_ms, before_ms);
	world_start_order(w, 0, "o0");
	world_run(w, 10000);
	closed_ms = commanded_at(0, true);
	ck_assert_int_eq(progress_of(w, 0).energised_ms, before_ms + w->now.mono_ms - closed_ms);
	world_stop_order(w, 0, "o0");
	before_ms += commanded_at(0, false) - closed_ms;
	world_run(w, 10000);
	require_end(w, 0, END_CUSTOMER);
	ck_assert_int_eq(last_record(w, RECORD_ENDED, 0)->u.ended.energised_ms, before_ms);
	ck_assert_int_eq(progress_of(w, 0).energised_ms, before_ms);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name, void (*before)(void))
{
	TCase *t = tcase_create(name);

	tcase_add_checked_fixture(t, before, teardown);
	tcase_set_timeout(t, 60);
	suite_add_tcase(suite, t);
	return t;
}

static void add_credit_and_limits(Suite *suite)
{
	TCase *t = add_case(suite, "credit and limits", setup_started);

	tcase_add_test(t, credit_does_not_pay);
	tcase_add_test(t, top_up_goes_on);
	tcase_add_test(t, huge_credit);
	tcase_add_test(t, huge_reservation);
	tcase_add_loop_test(t, limits_end, 0, 3);
	tcase_add_test(t, the_whole_credit_is_the_limit);
	tcase_add_test(t, time_stands_still);
	tcase_add_loop_test(t, shared_account, 0, 3);
	tcase_add_test(t, pool_outlives_one_session);
	t = add_case(suite, "credit and limits", setup);
	tcase_add_loop_test(t, credit_ends, 0, (int)COUNT(credits));
	tcase_add_test(t, credit_ends_by_prediction);
}

static void add_marks_and_progress(Suite *suite)
{
	TCase *t = add_case(suite, "marks and progress", setup_started);

	tcase_add_test(t, marks);
	tcase_add_test(t, progress);
	tcase_add_test(t, progress_is_told_as_it_moves);
	tcase_add_loop_test(t, a_restless_load_does_not_fill_the_line, 0, 2);
	tcase_add_test(t, an_idle_box_says_nothing);
	tcase_add_test(t, a_pause_shows_no_power);
	tcase_add_test(t, what_is_missing_is_told);
	tcase_add_test(t, progress_tells_the_time);
}

int main(void)
{
	Suite *suite = suite_create("box_credit");

	add_credit_and_limits(suite);
	add_marks_and_progress(suite);
	return run_suite(suite);
}
