/* Tests src/box: crashes and power cuts. What becomes of sessions by the length of the outage, that each ends once, and
 * how a latching breaker is read back. */
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

static void require_sum(unsigned outlet)
{
	const struct outlet_image *o = &box_image(w->box)->outlets[outlet];
	int64_t sum = o->billed_mwh + o->service_mwh + o->outside_mwh + o->session_mwh;

	REQUIRE(sum == o->register_mwh, "booked " I64 " of " I64, sum, o->register_mwh);
}

/* ---- crashes and power cuts ---- */

static const struct {
	int64_t outage_ms;
	enum time_quality quality;
	bool resumable;
} outages[] = {
	{2000, TIME_SYNCHRONISED, true},
	{200000, TIME_RELATIVE, true},
	{560000, TIME_SYNCHRONISED, true},
	{620000, TIME_SYNCHRONISED, false},
	{86400000, TIME_SYNCHRONISED, false},
	{2000, TIME_UNKNOWN, false},
};

START_TEST(session_over_reboot)
{
	world_supply(w, 0, 5 * KWH, 3600000);
	world_run(w, 20000);
	int64_t start = last_record(w, RECORD_STARTED, 0)->register_mwh;
	world_reboot(w, outages[_i].outage_ms, outages[_i].quality);
	ck_assert(!w->plant[0].commanded);
	ck_assert_uint_eq(w->plant[0].closings, 1);
	if (!outages[_i].resumable) {
		world_run(w, w->config.boot_wait_ms + w->config.settle_ms);
		require_end(w, 0, END_POWER_LOST);
		ck_assert_uint_eq(count_records(w, RECORD_ENDED, 0), 1);
		const struct record *r = last_record(w, RECORD_ENDED, 0);
		ck_assert_int_eq(r->u.ended.start_mwh, start);
		ck_assert_int_eq(start + r->u.ended.energy_mwh, register_of(w, 0));
		require_sum(0);
		return;
	}
	require_state(w, 0, OUTLET_PAUSED);
	ck_assert_int_eq(last_record(w, RECORD_PAUSED, 0)->u.paused.reason, END_POWER_LOST);
	world_start_order(w, 0, "o0");
	world_run(w, 1000);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_stop_order(w, 0, "o0");
	world_run(w, 10000);
	ck_assert_int_eq(start + last_record(w, RECORD_ENDED, 0)->u.ended.energy_mwh, register_of(w, 0));
	require_sum(0);
}
END_TEST

START_TEST(outage_unknown_then_known)
{
	world_supply(w, 0, 5 * KWH, 3600000);
	world_run(w, 1000);
	world_reboot(w, 5000, TIME_UNKNOWN);
	require_state(w, 0, OUTLET_PAUSED);
	w->now.quality = TIME_SYNCHRONISED;
	world_run(w, 60000);
	require_state(w, 0, OUTLET_PAUSED);
	world_start_order(w, 0, "o0");
	world_run(w, 1000);
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

/* No clock, but the monotonic one has run on: only the process was away. */
START_TEST(process_away)
{
	bool soon = _i == 0;
	world_supply(w, 0, 5 * KWH, 3600000);
	world_run(w, 1000);
	w->config.power_boot = 1;
	world_restart(w, soon ? 3000 : w->config.resume_window_ms, TIME_UNKNOWN);
	if (!soon) {
		world_run(w, w->config.settle_ms);
		require_end(w, 0, END_POWER_LOST);
		return;
	}
	require_state(w, 0, OUTLET_PAUSED);
	ck_assert_uint_eq(w->plant[0].closings, 1);
	w->now.quality = TIME_SYNCHRONISED; /* the start comes from a server */
	world_start_order(w, 0, "o0");
	world_run(w, 1000);
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

/* However often it restarts, a pause is no longer than it may be. */
START_TEST(restarts_make_no_pause_longer)
{
	world_supply(w, 0, 5 * KWH, 3600000);
	world_run(w, 1000);
	w->config.power_boot = 1;
	for (int i = 0; i < 4; i++) {
		world_restart(w, w->config.resume_window_ms / 3, TIME_UNKNOWN);
		world_run(w, w->config.settle_ms);
	}
	require_end(w, 0, END_POWER_LOST);
}
END_TEST

/* Records of before a power cut say nothing by their monotonic time. */
START_TEST(power_cut_is_no_restart)
{
	world_supply(w, 0, 5 * KWH, 3600000);
	world_run(w, 1000);
	w->config.power_boot = 2;
	world_restart(w, 3000, TIME_UNKNOWN);
	world_run(w, w->config.boot_wait_ms + w->config.settle_ms);
	require_end(w, 0, END_POWER_LOST);
}
END_TEST

static const struct {
	int64_t outage_ms;
	enum time_quality quality;
	bool open;
} holds[] = {
	{2000, TIME_SYNCHRONISED, true},
	{130000, TIME_SYNCHRONISED, false},
	{2000, TIME_UNKNOWN, false},
};

START_TEST(authorized_over_reboot)
{
	struct command c = authorize_for(w, 0, "o", KWH);

	world_command(w, &c);
	world_run(w, 1000);
	world_reboot(w, holds[_i].outage_ms, holds[_i].quality);
	world_run(w, w->config.boot_wait_ms);
	if (!holds[_i].open) {
		require_end(w, 0, END_NOT_STARTED);
		ck_assert_int_eq(last_record(w, RECORD_ENDED, 0)->u.ended.amount_micros, 0);
		return;
	}
	require_state(w, 0, OUTLET_READY);
	ck_assert_uint_eq(count_pulses(w, 0), 1);
	world_start_order(w, 0, "o");
	world_run(w, 1000);
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

/* The start record was queued and lost: no start. */
START_TEST(crash_before_durable)
{
	struct command c = authorize_for(w, 0, "o", KWH);

	world_command(w, &c);
	world_run(w, 1000);
	w->disk_works = false;
	world_start_order(w, 0, "o");
	world_run(w, 1000);
	w->disk_works = true;
	world_reboot(w, 2000, TIME_SYNCHRONISED);
	require_state(w, 0, OUTLET_READY);
	ck_assert_uint_eq(w->plant[0].closings, 0);
}
END_TEST

START_TEST(stopping_over_reboot)
{
	world_supply(w, 0, 5 * KWH, 3600000);
	world_run(w, 60000);
	w->meters_work = false;
	world_stop_order(w, 0, "o0");
	world_run(w, 1000);
	ck_assert_uint_eq(count_records(w, RECORD_ENDED, 0), 0);
	w->meters_work = true;
	world_reboot(w, 2000, TIME_SYNCHRONISED);
	world_run(w, 10000);
	ck_assert_uint_eq(count_records(w, RECORD_ENDED, 0), 1);
	require_end(w, 0, END_CUSTOMER);
	world_reboot(w, 2000, TIME_SYNCHRONISED);
	world_run(w, 100000);
	ck_assert_uint_eq(count_records(w, RECORD_ENDED, 0), 1);
	require_state(w, 0, OUTLET_FINISHING);
	require_sum(0);
}
END_TEST

/* A crash again and again costs no energy and no end. */
START_TEST(many_crashes)
{
	world_supply(w, 0, 5 * KWH, 3600000);
	for (int n = 0; n < 20; n++) {
		world_run(w, 1000 + 700 * n);
		world_reboot(w, 1000, TIME_SYNCHRONISED);
		require_state(w, 0, OUTLET_PAUSED);
		world_start_order(w, 0, "o0");
		world_run(w, 5000);
		require_state(w, 0, OUTLET_SUPPLYING);
		require_sum(0);
	}
	world_stop_order(w, 0, "o0");
	world_run(w, 10000);
	ck_assert_uint_eq(count_records(w, RECORD_ENDED, 0), 1);
	const struct record *r = last_record(w, RECORD_ENDED, 0);
	ck_assert_int_eq(r->u.ended.start_mwh + r->u.ended.energy_mwh, register_of(w, 0));
}
END_TEST

/* ---- latching breakers ---- */

static void latching(void)
{
	w->config.outlets[0].breaker.kind = BREAKER_LATCHING;
	world_start(w);
	world_supply(w, 0, 5 * KWH, 3600000);
	world_run(w, 60000);
	world_die(w);
}

START_TEST(latching_closed)
{
	latching();
	ck_assert(w->plant[0].closed);
	world_boot(w, 2000, TIME_SYNCHRONISED);
	ck_assert(w->plant[0].commanded); /* not opened before it was read */
	world_tell_inputs(w);
	world_run(w, 10000);
	require_state(w, 0, OUTLET_SUPPLYING);
	ck_assert(w->plant[0].closed);
	ck_assert_uint_eq(count_records(w, RECORD_PAUSED, 0), 0);
	world_stop_order(w, 0, "o0");
	world_run(w, 10000);
	const struct record *r = last_record(w, RECORD_ENDED, 0);
	ck_assert_int_eq(r->u.ended.start_mwh + r->u.ended.energy_mwh, register_of(w, 0));
}
END_TEST

START_TEST(latching_open)
{
	latching();
	w->plant[0].closed = w->plant[0].commanded = false;
	world_boot(w, 2000, TIME_SYNCHRONISED);
	world_tell_inputs(w);
	world_run(w, 10000);
	require_state(w, 0, OUTLET_PAUSED);
	ck_assert_int_eq(last_record(w, RECORD_PAUSED, 0)->u.paused.reason, END_POWER_LOST);
	ck_assert_uint_eq(w->plant[0].closings, 1);
	world_start_order(w, 0, "o0");
	world_run(w, 1000);
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

/* Its under-voltage release opened it, and the outage was too long. */
START_TEST(latching_open_too_long)
{
	latching();
	w->plant[0].closed = w->plant[0].commanded = false;
	world_boot(w, 86400000, TIME_SYNCHRONISED);
	world_tell_inputs(w);
	world_run(w, w->config.boot_wait_ms + w->config.settle_ms + 5000);
	require_end(w, 0, END_POWER_LOST);
}
END_TEST

/* Closed, but the user's door stands open: never commanded closed. */
START_TEST(latching_door_open)
{
	latching();
	w->plant[0].closings = 0;
	world_boot(w, 2000, TIME_SYNCHRONISED);
	box_on_input(w->box, INPUT_METERING_DOOR, 0, true, w->now);
	box_on_input(w->box, INPUT_USER_DOOR, 0, false, w->now);
	box_on_input(w->box, INPUT_CONTACT, 0, true, w->now);
	world_run(w, 10000);
	ck_assert(!w->plant[0].closed);
	require_state(w, 0, OUTLET_PAUSED);
	REQUIRE(w->plant[0].closings == 0, "commanded closed with the door open");
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

static void add_crashes_and_power_cuts(Suite *suite)
{
	TCase *t = add_case(suite, "crashes and power cuts", setup_started);

	tcase_add_loop_test(t, session_over_reboot, 0, (int)COUNT(outages));
	tcase_add_test(t, outage_unknown_then_known);
	tcase_add_loop_test(t, process_away, 0, 2);
	tcase_add_test(t, restarts_make_no_pause_longer);
	tcase_add_test(t, power_cut_is_no_restart);
	tcase_add_loop_test(t, authorized_over_reboot, 0, (int)COUNT(holds));
	tcase_add_test(t, crash_before_durable);
	tcase_add_test(t, stopping_over_reboot);
	tcase_add_test(t, many_crashes);
}

static void add_latching_breakers(Suite *suite)
{
	TCase *t = add_case(suite, "latching breakers", setup);

	tcase_add_test(t, latching_closed);
	tcase_add_test(t, latching_open);
	tcase_add_test(t, latching_open_too_long);
	tcase_add_test(t, latching_door_open);
}

int main(void)
{
	Suite *suite = suite_create("box_reboot");

	add_crashes_and_power_cuts(suite);
	add_latching_breakers(suite);
	return run_suite(suite);
}
