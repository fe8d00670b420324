/* Tests src/box: the life of a session on a sound box. What must be durable before what, what starts it, what pauses and
 * ends it, and what the customer's leaving does. */
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

static void authorized(const char *order, int64_t credit_micros)
{
	struct command c = authorize_for(w, 0, order, credit_micros);

	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
}

static bool log_has_breaker(size_t from, bool close)
{
	for (size_t i = from; i < w->logged; i++) {
		if (w->log[i].deed == DEED_BREAKER && w->log[i].outlet == 0 && w->log[i].close == close)
			return true;
	}
	return false;
}

/* ---- what waits for the disk ---- */

START_TEST(boot_opens_the_breakers)
{
	world_start(w);
	ck_assert_int_eq(w->log[0].deed, DEED_BREAKER);
	ck_assert(!w->plant[0].commanded && w->plant[0].closings == 0);
	ck_assert_uint_eq(count_records(w, RECORD_BOOT, RECORD_NO_OUTLET), 1);
	ck_assert_uint_eq(count_records(w, RECORD_METER, 0), 1);
	ck_assert_str_eq(last_record(w, RECORD_METER, 1)->u.meter.serial, "meter-1");
	require_state(w, 0, OUTLET_AVAILABLE);
	ck_assert_uint_eq(count_pulses(w, 0), 0);
}
END_TEST

START_TEST(lock_waits_for_the_record)
{
	w->disk_works = false;
	struct command c = authorize_for(w, 0, "o", 5 * KWH);
	world_command(w, &c);
	ck_assert_uint_eq(count_records(w, RECORD_AUTHORIZED, 0), 1);
	world_run(w, 3000);
	ck_assert_uint_eq(count_pulses(w, 0), 0);
	world_commit(w);
	ck_assert_uint_eq(count_pulses(w, 0), 1);
	ck_assert_uint_eq(count_pulses(w, 1), 0);
	world_run(w, 30000);
	ck_assert_uint_eq(count_pulses(w, 0), 1);
}
END_TEST

START_TEST(breaker_waits_for_the_record)
{
	authorized("o", 5 * KWH);
	world_run(w, 1000);
	w->disk_works = false;
	world_start_order(w, 0, "o");
	world_run(w, 2000);
	ck_assert_uint_eq(count_records(w, RECORD_STARTED, 0), 1);
	ck_assert_uint_eq(w->plant[0].closings, 0);
	world_commit(w);
	ck_assert_uint_eq(w->plant[0].closings, 1);
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

/* Up to the record before the start is not enough. */
START_TEST(breaker_waits_for_that_very_record)
{
	authorized("o", 5 * KWH);
	world_run(w, 1000);
	w->disk_works = false;
	world_start_order(w, 0, "o");
	world_run(w, 600);
	while (w->queued > 0 && w->queue[0].kind != RECORD_STARTED) {
		world_commit_some(w, 1);
		ck_assert_uint_eq(w->plant[0].closings, 0);
	}
	ck_assert_uint_gt(w->queued, 0);
	world_commit_some(w, 1);
	ck_assert_uint_eq(w->plant[0].closings, 1);
}
END_TEST

START_TEST(door_opens_before_durable)
{
	authorized("o", 5 * KWH);
	world_run(w, 1000);
	w->disk_works = false;
	world_start_order(w, 0, "o");
	world_run(w, 600);
	ck_assert_uint_eq(count_records(w, RECORD_STARTED, 0), 1);
	world_door(w, 0, false);
	world_commit(w);
	world_run(w, 5000);
	world_door(w, 0, true);
	world_commit(w);
	w->disk_works = true;
	world_run(w, 5000);
	ck_assert_uint_eq(w->plant[0].closings, 0);
	/* and a new start goes on */
	world_start_order(w, 0, "o");
	world_run(w, 1000);
	ck_assert_uint_eq(w->plant[0].closings, 1);
}
END_TEST

START_TEST(stop_before_durable)
{
	authorized("o", 5 * KWH);
	world_run(w, 1000);
	w->disk_works = false;
	world_start_order(w, 0, "o");
	world_run(w, 600);
	world_stop_order(w, 0, "o");
	world_commit(w);
	w->disk_works = true;
	world_run(w, 60000);
	ck_assert_uint_eq(w->plant[0].closings, 0);
	require_end(w, 0, END_CUSTOMER);
	ck_assert_int_eq(last_record(w, RECORD_ENDED, 0)->u.ended.energy_mwh, 0);
}
END_TEST

/* ---- ready, and what is missing ---- */

static void without_metering_door(void)
{
	world_metering_door(w, false);
}

static void without_user_door(void)
{
	world_door(w, 0, false);
}

static void without_meter(void)
{
	w->plant[0].answers = false;
	world_run(w, 6000);
}

static void without_plausible(void)
{
	w->plant[0].register_offset_mwh = -50 * KWH;
	world_run(w, 600);
}

static void without_commissioned(void)
{
	strcpy(w->plant[0].serial, "other");
	world_run(w, 5000);
}

static void without_breaker_open(void)
{
	w->plant[0].closed = true;
	box_on_input(w->box, INPUT_CONTACT, 0, true, w->now);
	world_run(w, 100);
}

static void without_storage(void)
{
	world_storage(w, true);
}

static const struct {
	void (*take_away)(void);
	unsigned missing; /* at least this bit */
} lacks[] = {
	{without_metering_door, MISSING_METERING_DOOR},
	{without_user_door, MISSING_USER_DOOR},
	{without_meter, MISSING_METER},
	{without_plausible, MISSING_PLAUSIBLE},
	{without_commissioned, MISSING_COMMISSIONED},
	{without_breaker_open, MISSING_BREAKER_OPEN},
	{without_storage, MISSING_STORAGE},
};

START_TEST(missing_is_named)
{
	authorized("o", 5 * KWH);
	world_run(w, 1000);
	require_state(w, 0, OUTLET_READY);
	ck_assert_uint_eq(progress_of(w, 0).missing, 0);
	lacks[_i].take_away();
	unsigned missing = progress_of(w, 0).missing;
	REQUIRE(missing & lacks[_i].missing, "missing %#x lacks %#x", missing, lacks[_i].missing);
	REQUIRE(state_of(w, 0) != OUTLET_READY, "ready all the same");
	struct command c = session_command(w, COMMAND_START, 0, "o");
	world_command(w, &c);
	world_run(w, 2000);
	ck_assert_uint_eq(w->plant[0].closings, 0);
	if (result_of(w, &c) != NULL) {
		require_outcome(w, &c, COMMAND_REFUSED);
		REQUIRE(result_of(w, &c)->u.command.detail[0] != '\0', "no sentence says why");
	}
}
END_TEST

START_TEST(unlocked_until_the_door_is_shut)
{
	authorized("o", 5 * KWH);
	world_door(w, 0, false);
	world_run(w, 1000);
	require_state(w, 0, OUTLET_UNLOCKED);
	ck_assert_uint_eq(progress_of(w, 0).missing, MISSING_USER_DOOR);
	world_door(w, 0, true);
	require_state(w, 0, OUTLET_READY);
}
END_TEST

START_TEST(doors_not_fitted)
{
	w->config.metering_door_fitted = false;
	w->config.outlets[0].door_fitted = false;
	world_start(w);
	world_supply(w, 0, 5 * KWH, 1000000);
}
END_TEST

START_TEST(nothing_known_of_the_doors)
{
	w->now.mono_ms += 1000;
	world_start(w);
	world_reboot(w, 1000, TIME_SYNCHRONISED);
	world_die(w);
	world_boot(w, 1000, TIME_SYNCHRONISED);
	world_run(w, 6000);
	struct command c = authorize_for(w, 0, "o", 5 * KWH);
	world_command(w, &c);
	world_run(w, 1000);
	REQUIRE(state_of(w, 0) != OUTLET_READY, "ready with doors that nobody has seen");
}
END_TEST

/* ---- only an explicit start ---- */

START_TEST(nothing_else_starts)
{
	authorized("o", 5 * KWH);
	world_run(w, 1000);
	world_door(w, 0, false);
	world_door(w, 0, true);
	world_run(w, 1000);
	struct command c = session_command(w, COMMAND_CREDIT, 0, "o");
	c.u.credit.credit_micros = KWH;
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	c = session_command(w, COMMAND_UNLOCK, 0, "o");
	memset(&c.u, 0, sizeof c.u);
	world_command(w, &c);
	world_run(w, 10000);
	require_state(w, 0, OUTLET_READY);
	ck_assert_uint_eq(w->plant[0].closings, 0);
}
END_TEST

START_TEST(start_before_ready_is_not_kept)
{
	authorized("o", 5 * KWH);
	world_door(w, 0, false);
	struct command c = session_command(w, COMMAND_START, 0, "o");
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	world_door(w, 0, true);
	world_run(w, 10000);
	ck_assert_uint_eq(w->plant[0].closings, 0);
}
END_TEST

/* A start that waits for its reading is forgotten when the door opens in between. */
START_TEST(start_wanted_is_not_kept)
{
	authorized("o", 5 * KWH);
	world_run(w, 1000);
	w->meters_work = false;
	world_start_order(w, 0, "o");
	world_door(w, 0, false);
	world_door(w, 0, true);
	w->meters_work = true;
	world_run(w, 10000);
	ck_assert_uint_eq(w->plant[0].closings, 0);
}
END_TEST

START_TEST(start_reads_the_register_first)
{
	authorized("o", 5 * KWH);
	world_run(w, 1000);
	w->meters_work = false;
	world_start_order(w, 0, "o");
	world_run(w, 300);
	ck_assert_uint_eq(count_records(w, RECORD_STARTED, 0), 0);
	/* an answer that was on its way before the start was asked does not count */
	struct meter_reading old = {.mono_ms = w->now.mono_ms - 400, .register_mwh = register_of(w, 0)};
	memcpy(old.serial, w->plant[0].serial, sizeof old.serial);
	box_on_reading(w->box, 0, &old, w->now);
	ck_assert_uint_eq(count_records(w, RECORD_STARTED, 0), 0);
	world_run(w, 100);
	world_read(w, 0);
	ck_assert_uint_eq(count_records(w, RECORD_STARTED, 0), 1);
	const struct record *r = last_record(w, RECORD_STARTED, 0);
	ck_assert(r->has_register);
	ck_assert_int_eq(r->register_mwh, register_of(w, 0));
}
END_TEST

/* Pressing start again and again does not put it off: a reading that was asked for after the first press is enough. */
START_TEST(impatient_start)
{
	authorized("o", 5 * KWH);
	world_run(w, 1000);
	w->meters_work = false;
	struct meter_reading r = {.asked_ms = w->now.mono_ms + 50, .register_mwh = register_of(w, 0)};
	memcpy(r.serial, w->plant[0].serial, sizeof r.serial);
	world_start_order(w, 0, "o");
	world_run(w, 100);
	world_start_order(w, 0, "o");
	world_run(w, 100);
	world_start_order(w, 0, "o");
	r.mono_ms = w->now.mono_ms;
	box_on_reading(w->box, 0, &r, w->now);
	ck_assert_uint_eq(count_records(w, RECORD_STARTED, 0), 1);
}
END_TEST

START_TEST(start_of_another_session)
{
	authorized("o", 5 * KWH);
	world_run(w, 1000);
	struct command c = session_command(w, COMMAND_START, 0, "p");
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	c = session_command(w, COMMAND_START, 1, "o");
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	world_run(w, 5000);
	ck_assert_uint_eq(w->plant[0].closings + w->plant[1].closings, 0);
}
END_TEST

START_TEST(nothing_starts_an_ended_session)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_stop_order(w, 0, "o0");
	world_run(w, 20000);
	require_end(w, 0, END_CUSTOMER);
	unsigned closings = w->plant[0].closings;
	struct command c = session_command(w, COMMAND_START, 0, "o0");
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	c = session_command(w, COMMAND_CREDIT, 0, "o0");
	c.u.credit.credit_micros = KWH;
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	world_run(w, 20000);
	ck_assert_uint_eq(w->plant[0].closings, closings);
}
END_TEST

START_TEST(not_started_in_time)
{
	authorized("o", 5 * KWH);
	world_run(w, 119000);
	ck_assert_ptr_null(last_record(w, RECORD_ENDED, 0));
	world_run(w, 1500);
	require_end(w, 0, END_NOT_STARTED);
	ck_assert_int_eq(last_record(w, RECORD_ENDED, 0)->u.ended.amount_micros, 0);
	ck_assert_int_eq(last_record(w, RECORD_ENDED, 0)->u.ended.energy_mwh, 0);
}
END_TEST

/* ---- the end ---- */

START_TEST(end_has_a_receipt)
{
	world_supply(w, 0, 5 * KWH, 3600000);
	world_run(w, 600000);
	int64_t started = last_record(w, RECORD_STARTED, 0)->register_mwh;
	size_t from = w->logged;
	world_stop_order(w, 0, "o0");
	ck_assert(log_has_breaker(from, false));
	ck_assert_ptr_null(last_record(w, RECORD_ENDED, 0));
	require_state(w, 0, OUTLET_ENDING);
	world_run(w, 20000);
	const struct record *r = last_record(w, RECORD_ENDED, 0);
	require_end(w, 0, END_CUSTOMER);
	ck_assert_str_eq(r->order, "o0");
	ck_assert_int_eq(r->u.ended.start_mwh, started);
	ck_assert_int_eq(r->register_mwh, register_of(w, 0));
	ck_assert_int_eq(r->u.ended.energy_mwh, r->register_mwh - started);
	ck_assert_int_eq(r->u.ended.amount_micros, r->u.ended.energy_mwh);
	ck_assert(r->u.ended.settled);
	REQUIRE(llabs(r->u.ended.energised_ms - 601000) < 1000, "energised for " I64, r->u.ended.energised_ms);
	require_state(w, 0, OUTLET_FINISHING);
	ck_assert_uint_eq(count_records(w, RECORD_ENDED, 0), 1);
	ck_assert_uint_eq(count_pulses(w, 0), 1); /* the authorization's: an end unlocks nothing unasked */
}
END_TEST

/* The register lags behind: what flowed before the breaker opened is in the bill. */
START_TEST(end_waits_for_a_stable_register)
{
	world_supply(w, 0, 5 * KWH, 7000000);
	world_run(w, 600000);
	w->meters_work = false;
	world_stop_order(w, 0, "o0");
	world_run(w, 2000);
	ck_assert_ptr_null(last_record(w, RECORD_ENDED, 0));
	w->plant[0].register_uj += 2 * STEP_MWH * 3600000; /* a slow meter */
	w->meters_work = true;
	world_run(w, 5000);
	ck_assert_int_eq(last_record(w, RECORD_ENDED, 0)->register_mwh, register_of(w, 0));
}
END_TEST

START_TEST(end_without_a_meter)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_run(w, 100000);
	w->plant[0].answers = false;
	world_stop_order(w, 0, "o0");
	world_run(w, w->config.settle_ms + 1000);
	require_end(w, 0, END_CUSTOMER);
	ck_assert(!last_record(w, RECORD_ENDED, 0)->u.ended.settled);
}
END_TEST

START_TEST(energy_after_the_end_is_outside)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_run(w, 100000);
	world_stop_order(w, 0, "o0");
	world_run(w, 5000);
	const struct outlet_image *o = &box_image(w->box)->outlets[0];
	ck_assert_int_eq(o->billed_mwh, last_record(w, RECORD_ENDED, 0)->u.ended.energy_mwh);
	ck_assert_int_eq(o->billed_mwh + o->service_mwh + o->outside_mwh, o->register_mwh);
}
END_TEST

/* ---- finishing ---- */

static void stopped(void)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_stop_order(w, 0, "o0");
	world_run(w, 5000);
	require_state(w, 0, OUTLET_FINISHING);
}

START_TEST(door_cycle_makes_available)
{
	stopped();
	world_run(w, 3600000);
	require_state(w, 0, OUTLET_FINISHING);
	world_door(w, 0, false);
	require_state(w, 0, OUTLET_FINISHING);
	world_door(w, 0, true);
	require_state(w, 0, OUTLET_AVAILABLE);
	ck_assert_uint_eq(count_records(w, RECORD_AVAILABLE, 0), 1);
	world_supply(w, 0, 5 * KWH, 1000000);
}
END_TEST

START_TEST(departed_makes_available)
{
	stopped();
	struct command c = session_command(w, COMMAND_DEPARTED, 0, "other");
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	c = session_command(w, COMMAND_DEPARTED, 0, "o0");
	world_command(w, &c);
	require_state(w, 0, OUTLET_AVAILABLE);
}
END_TEST

START_TEST(finishing_refuses_the_next_one)
{
	stopped();
	struct command c = authorize_for(w, 0, "next", KWH);
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	ck_assert_uint_eq(count_pulses(w, 0), 1);
}
END_TEST

START_TEST(lock_on_request)
{
	stopped();
	w->disk_works = false;
	struct command c = command_for(w, COMMAND_UNLOCK, 0);
	world_command(w, &c);
	world_run(w, 100);
	ck_assert_uint_eq(count_pulses(w, 0), 1);
	world_commit(w);
	ck_assert_uint_eq(count_pulses(w, 0), 2);
	/* the coil rests: the second request is granted later */
	w->disk_works = true;
	c = command_for(w, COMMAND_UNLOCK, 0);
	world_command(w, &c);
	ck_assert_uint_eq(count_pulses(w, 0), 2);
	world_run(w, 3000);
	ck_assert_uint_eq(count_pulses(w, 0), 3);
}
END_TEST

/* The coil rests, and meanwhile the customer starts: what is behind the door is live then. */
START_TEST(no_late_unlock_while_supplying)
{
	authorized("o", 5 * KWH);
	world_run(w, 1000);
	ck_assert_uint_eq(count_pulses(w, 0), 1);
	struct command c = command_for(w, COMMAND_UNLOCK, 0);
	world_command(w, &c);
	world_start_order(w, 0, "o");
	world_run(w, 1000);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_run(w, 20000);
	ck_assert_uint_eq(count_pulses(w, 0), 1);
}
END_TEST

/* Nobody's box is opened for a customer who has no session there. */
START_TEST(no_session_no_unlock)
{
	struct command c = command_for(w, COMMAND_UNLOCK, 0);

	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	world_run(w, 5000);
	ck_assert_uint_eq(count_pulses(w, 0), 0);
}
END_TEST

/* ---- pause ---- */

START_TEST(door_pauses)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_run(w, 60000);
	box_on_input(w->box, INPUT_USER_DOOR, 0, false, w->now);
	world_skip(w, w->config.input_settle_ms);
	ck_assert(w->plant[0].commanded);
	box_on_deadline(w->box, w->now);
	REQUIRE(!w->plant[0].commanded, "not opened in the call that saw the door");
	require_state(w, 0, OUTLET_PAUSED);
	const struct record *r = last_record(w, RECORD_PAUSED, 0);
	ck_assert_int_eq(r->u.paused.reason, END_DOOR);
	world_run(w, 1000);
	world_door(w, 0, true);
	world_run(w, 60000);
	require_state(w, 0, OUTLET_PAUSED);
	ck_assert_uint_eq(w->plant[0].closings, 1);
	world_start_order(w, 0, "o0");
	world_run(w, 1000);
	require_state(w, 0, OUTLET_SUPPLYING);
	ck_assert_uint_eq(count_records(w, RECORD_RESUMED, 0), 1);
	ck_assert_uint_eq(count_records(w, RECORD_STARTED, 0), 1);
}
END_TEST

START_TEST(resume_waits_for_the_record)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_door(w, 0, false);
	world_door(w, 0, true);
	world_run(w, 1000);
	w->disk_works = false;
	world_start_order(w, 0, "o0");
	world_run(w, 2000);
	ck_assert_uint_eq(count_records(w, RECORD_RESUMED, 0), 1);
	ck_assert_uint_eq(w->plant[0].closings, 1);
	world_commit(w);
	ck_assert_uint_eq(w->plant[0].closings, 2);
}
END_TEST

START_TEST(pause_ends)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_door(w, 0, false);
	world_run(w, w->config.resume_window_ms - 1000);
	ck_assert_ptr_null(last_record(w, RECORD_ENDED, 0));
	world_run(w, 10000);
	require_end(w, 0, END_DOOR);
}
END_TEST

START_TEST(credit_in_a_pause_does_not_close)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_door(w, 0, false);
	world_door(w, 0, true);
	struct command c = session_command(w, COMMAND_CREDIT, 0, "o0");
	c.u.credit.credit_micros = KWH;
	world_command(w, &c);
	world_run(w, 10000);
	ck_assert_uint_eq(w->plant[0].closings, 1);
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

static void add_what_waits_for_the_disk(Suite *suite)
{
	TCase *t = add_case(suite, "what waits for the disk", setup_started);

	tcase_add_test(t, lock_waits_for_the_record);
	tcase_add_test(t, breaker_waits_for_the_record);
	tcase_add_test(t, breaker_waits_for_that_very_record);
	tcase_add_test(t, door_opens_before_durable);
	tcase_add_test(t, stop_before_durable);
	t = add_case(suite, "what waits for the disk", setup);
	tcase_add_test(t, boot_opens_the_breakers);
}

static void add_ready_and_what_is_missing(Suite *suite)
{
	TCase *t = add_case(suite, "ready, and what is missing", setup_started);

	tcase_add_loop_test(t, missing_is_named, 0, (int)COUNT(lacks));
	tcase_add_test(t, unlocked_until_the_door_is_shut);
	t = add_case(suite, "ready, and what is missing", setup);
	tcase_add_test(t, doors_not_fitted);
	tcase_add_test(t, nothing_known_of_the_doors);
}

static void add_only_an_explicit_start(Suite *suite)
{
	TCase *t = add_case(suite, "only an explicit start", setup_started);

	tcase_add_test(t, nothing_else_starts);
	tcase_add_test(t, start_before_ready_is_not_kept);
	tcase_add_test(t, start_wanted_is_not_kept);
	tcase_add_test(t, start_reads_the_register_first);
	tcase_add_test(t, impatient_start);
	tcase_add_test(t, start_of_another_session);
	tcase_add_test(t, nothing_starts_an_ended_session);
	tcase_add_test(t, not_started_in_time);
}

static void add_the_end(Suite *suite)
{
	TCase *t = add_case(suite, "the end", setup_started);

	tcase_add_test(t, end_has_a_receipt);
	tcase_add_test(t, end_waits_for_a_stable_register);
	tcase_add_test(t, end_without_a_meter);
	tcase_add_test(t, energy_after_the_end_is_outside);
}

static void add_finishing(Suite *suite)
{
	TCase *t = add_case(suite, "finishing", setup_started);

	tcase_add_test(t, door_cycle_makes_available);
	tcase_add_test(t, departed_makes_available);
	tcase_add_test(t, finishing_refuses_the_next_one);
	tcase_add_test(t, lock_on_request);
	tcase_add_test(t, no_session_no_unlock);
	tcase_add_test(t, no_late_unlock_while_supplying);
}

static void add_pause(Suite *suite)
{
	TCase *t = add_case(suite, "pause", setup_started);

	tcase_add_test(t, door_pauses);
	tcase_add_test(t, resume_waits_for_the_record);
	tcase_add_test(t, pause_ends);
	tcase_add_test(t, credit_in_a_pause_does_not_close);
}

int main(void)
{
	Suite *suite = suite_create("box");

	add_what_waits_for_the_disk(suite);
	add_ready_and_what_is_missing(suite);
	add_only_an_explicit_start(suite);
	add_the_end(suite);
	add_finishing(suite);
	add_pause(suite);
	return run_suite(suite);
}
