/* Tests src/box: a session until full. What arms it and what does not, what a lull is, what disarms it, and how it ends
 * where readings come rarely. */
#include "box_harness.h"

#define FULL_MA INT64_C(500)
#define FULL_MS INT64_C(120000)
#define AT_MW (FULL_MA * 230) /* exactly the threshold */
#define CHARGING_MW INT64_C(2000000)
#define TRICKLE_MW INT64_C(50000)

static struct world *w;

static void setup(void)
{
	w = world_new();
}

static void teardown(void)
{
	world_free(w);
}

/* ---- help ---- */

/* An outlet that supplies order "o" until full, from its first reading on. */
static void supply(int64_t load_mw)
{
	world_start(w);
	struct command c = authorize_for(w, 0, "o", 100 * KWH);
	c.u.authorize.full_ma = FULL_MA;
	c.u.authorize.full_ms = FULL_MS;
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	world_run(w, 1000);
	w->plant[0].load_mw = load_mw;
	world_start_order(w, 0, "o");
	world_run(w, 1000);
	require_state(w, 0, OUTLET_SUPPLYING);
}

/* The load draws this for so long. */
static void draw(int64_t load_mw, int64_t ms)
{
	w->plant[0].load_mw = load_mw;
	world_run(w, ms);
}

static void supply_armed(void)
{
	supply(CHARGING_MW);
	world_run(w, 62000);
}

/* From now on the test reads the meter itself. */
static void read_by_hand(void)
{
	w->meters_work = false;
}

static void read_at(int64_t load_mw, int64_t after_ms)
{
	draw(load_mw, after_ms);
	world_read(w, 0);
}

/* Ended as full, once, with the register of its end; the breaker opened at this moment and not again. */
static void require_full(int64_t at_ms)
{
	int64_t opened_ms = -1;
	require_state(w, 0, OUTLET_ENDING);
	for (size_t i = 0; i < w->logged; i++) {
		const struct log_entry *e = &w->log[i];
		if (e->deed == DEED_BREAKER && e->outlet == 0 && !e->close)
			opened_ms = e->at_ms;
	}
	ck_assert_int_eq(opened_ms, at_ms);
	w->meters_work = true;
	w->reading_ms = 500;
	w->next_reading_ms = w->now.mono_ms;
	world_run(w, 5000);
	require_end(w, 0, END_FULL);
	const struct record *ended = last_record(w, RECORD_ENDED, 0);
	ck_assert_uint_eq(count_records(w, RECORD_ENDED, 0), 1);
	ck_assert_uint_eq(count_records(w, RECORD_STOPPING, 0), 1);
	ck_assert_int_eq(last_record(w, RECORD_STOPPING, 0)->u.stopping.reason, END_FULL);
	ck_assert(ended->has_register && ended->u.ended.settled);
	ck_assert_int_eq(ended->register_mwh, register_of(w, 0));
	ck_assert_int_eq(ended->u.ended.start_mwh, last_record(w, RECORD_STARTED, 0)->register_mwh);
	ck_assert_int_eq(ended->u.ended.energy_mwh, ended->register_mwh - ended->u.ended.start_mwh);
	ck_assert_int_gt(ended->u.ended.amount_micros, 0);
	world_run(w, 2 * FULL_MS);
	ck_assert_uint_eq(count_records(w, RECORD_ENDED, 0), 1);
	require_state(w, 0, OUTLET_FINISHING);
}

/* ---- arming, and the lull ---- */

START_TEST(ends_when_full)
{
	supply_armed();
	draw(TRICKLE_MW, 0);
	int64_t first_ms = w->next_reading_ms; /* the first that shows it */
	world_run(w, FULL_MS - 1000);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_run(w, 1500);
	require_full(first_ms + FULL_MS);
}
END_TEST

START_TEST(a_load_that_never_draws_is_not_full)
{
	supply(TRICKLE_MW);
	world_run(w, 5 * FULL_MS);
	require_state(w, 0, OUTLET_SUPPLYING);
	draw(0, 5 * FULL_MS);
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

START_TEST(short_peaks_do_not_arm)
{
	supply(CHARGING_MW);
	for (int n = 0; n < 5; n++) {
		draw(CHARGING_MW, 55000);
		draw(TRICKLE_MW, FULL_MS + 30000);
		require_state(w, 0, OUTLET_SUPPLYING);
	}
}
END_TEST

/* A minute between the first reading and the last arms; a millisecond less does not. */
START_TEST(a_minute_to_the_millisecond)
{
	supply(TRICKLE_MW);
	read_by_hand();
	read_at(TRICKLE_MW, 1000);
	read_at(CHARGING_MW, 1000);
	read_at(CHARGING_MW, 30000);
	read_at(CHARGING_MW, _i == 0 ? 29999 : 30000);
	read_at(TRICKLE_MW, 1000);
	int64_t first_ms = w->now.mono_ms;
	for (int n = 0; n < 4; n++)
		read_at(TRICKLE_MW, FULL_MS / 4);
	if (_i == 0)
		require_state(w, 0, OUTLET_SUPPLYING);
	else
		require_full(first_ms + FULL_MS);
}
END_TEST

/* At the threshold a load draws; one milliampere below it does not. */
START_TEST(at_the_threshold)
{
	supply(AT_MW);
	world_run(w, 62000);
	draw(AT_MW, 3 * FULL_MS);
	require_state(w, 0, OUTLET_SUPPLYING);
	draw(AT_MW - 230, 0);
	int64_t first_ms = w->next_reading_ms;
	world_run(w, FULL_MS + 500);
	require_full(first_ms + FULL_MS);
}
END_TEST

START_TEST(below_the_threshold_arms_nothing)
{
	supply(AT_MW - 230);
	world_run(w, 3 * FULL_MS);
	draw(0, 3 * FULL_MS);
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

/* One reading at the threshold is enough to begin the lull anew; armed is armed. */
START_TEST(an_interrupted_lull_begins_anew)
{
	supply_armed();
	for (int n = 0; n < 4; n++) {
		draw(TRICKLE_MW, FULL_MS - 2000);
		require_state(w, 0, OUTLET_SUPPLYING);
		draw(AT_MW, 500);
	}
	draw(TRICKLE_MW, 0);
	int64_t first_ms = w->next_reading_ms;
	world_run(w, FULL_MS + 500);
	require_full(first_ms + FULL_MS);
}
END_TEST

START_TEST(without_it_nothing_is_full)
{
	world_start(w);
	world_supply(w, 0, 100 * KWH, CHARGING_MW);
	world_run(w, 62000);
	draw(-230, 10000); /* a current of -1 mA: below even a threshold of 0 */
	require_state(w, 0, OUTLET_SUPPLYING);
	draw(0, 24 * 3600000);
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

/* ---- what disarms ---- */

START_TEST(a_pause_disarms)
{
	supply_armed();
	draw(TRICKLE_MW, FULL_MS - 5000);
	world_door(w, 0, false);
	world_door(w, 0, true);
	world_run(w, 10000);
	require_state(w, 0, OUTLET_PAUSED);
	world_start_order(w, 0, "o");
	world_run(w, 3 * FULL_MS);
	require_state(w, 0, OUTLET_SUPPLYING);
	draw(CHARGING_MW, 62000); /* its minute again */
	draw(TRICKLE_MW, 0);
	int64_t first_ms = w->next_reading_ms;
	world_run(w, FULL_MS + 500);
	require_full(first_ms + FULL_MS);
}
END_TEST

/* Only the process dies; a latching breaker stays closed and supplies on. */
START_TEST(a_restart_disarms)
{
	if (_i == 1)
		w->config.outlets[0].breaker.kind = BREAKER_LATCHING;
	supply_armed();
	draw(TRICKLE_MW, FULL_MS - 5000);
	world_restart(w, 1000, TIME_SYNCHRONISED);
	require_state(w, 0, _i == 1 ? OUTLET_SUPPLYING : OUTLET_PAUSED);
	if (_i == 0)
		world_start_order(w, 0, "o");
	world_run(w, 3 * FULL_MS);
	require_state(w, 0, OUTLET_SUPPLYING);
	ck_assert_str_eq(progress_of(w, 0).order, "o");
}
END_TEST

/* ---- readings that come rarely ---- */

/* Each is late before the next: it ends all the same, with the first one at which the lull was long enough. */
START_TEST(rare_readings_end_it_too)
{
	w->config.meter_late_ms = 5000;
	supply_armed();
	w->reading_ms = 14000;
	draw(TRICKLE_MW, 0);
	int64_t first_ms = w->next_reading_ms;
	world_until(w, first_ms + 126000 - 1);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_run(w, 1);
	require_full(first_ms + 126000);
}
END_TEST

/* The last reading is fresh when the lull has lasted: no other is waited for. */
START_TEST(a_fresh_reading_is_enough)
{
	supply_armed();
	read_by_hand();
	read_at(TRICKLE_MW, 500);
	int64_t first_ms = w->now.mono_ms;
	for (int n = 0; n < 3; n++)
		read_at(TRICKLE_MW, 39000);
	ck_assert_int_lt(FULL_MS - 3 * 39000, w->config.meter_late_ms);
	world_until(w, first_ms + FULL_MS - 1);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_run(w, 1);
	require_full(first_ms + FULL_MS);
}
END_TEST

/* Nobody is cut off by old news: when the lull has lasted, the last reading is late, and the next shows that the load draws
 * again. */
START_TEST(what_draws_again_in_a_gap_goes_on)
{
	supply_armed();
	read_by_hand();
	read_at(TRICKLE_MW, 500);
	for (int n = 0; n < 3; n++)
		read_at(TRICKLE_MW, 38000);
	ck_assert_int_ge(FULL_MS - 3 * 38000, w->config.meter_late_ms);
	draw(CHARGING_MW, 20000);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_read(w, 0);
	for (int n = 0; n < 3; n++)
		read_at(TRICKLE_MW, 38000);
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

START_TEST(a_silent_meter_has_its_own_end)
{
	supply_armed();
	draw(TRICKLE_MW, 1000);
	read_by_hand();
	world_run(w, FULL_MS + w->config.settle_ms);
	require_end(w, 0, END_METER_SILENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("box: until full");
	TCase *t = tcase_create("until full");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, ends_when_full);
	tcase_add_test(t, a_load_that_never_draws_is_not_full);
	tcase_add_test(t, short_peaks_do_not_arm);
	tcase_add_loop_test(t, a_minute_to_the_millisecond, 0, 2);
	tcase_add_test(t, at_the_threshold);
	tcase_add_test(t, below_the_threshold_arms_nothing);
	tcase_add_test(t, an_interrupted_lull_begins_anew);
	tcase_add_test(t, without_it_nothing_is_full);
	tcase_add_test(t, a_pause_disarms);
	tcase_add_loop_test(t, a_restart_disarms, 0, 2);
	tcase_add_test(t, rare_readings_end_it_too);
	tcase_add_test(t, a_fresh_reading_is_enough);
	tcase_add_test(t, what_draws_again_in_a_gap_goes_on);
	tcase_add_test(t, a_silent_meter_has_its_own_end);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
