/* Tests src/box: what goes wrong. Doors, breakers, meters and the disk. */
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

static enum outlet_fault fault_of(unsigned outlet)
{
	return box_image(w->box)->outlets[outlet].fault;
}

static void require_fault(unsigned outlet, enum outlet_fault fault)
{
	REQUIRE(fault_of(outlet) == fault,
		"fault %s, not %s",
		word_name(&outlet_fault_words, fault_of(outlet)),
		word_name(&outlet_fault_words, fault));
}

static void require_sum(unsigned outlet)
{
	const struct outlet_image *o = &box_image(w->box)->outlets[outlet];
	int64_t sum = o->billed_mwh + o->service_mwh + o->outside_mwh + o->session_mwh;

	REQUIRE(sum == o->register_mwh, "booked " I64 " of " I64, sum, o->register_mwh);
}

static struct command clear_by(enum actor actor, int outlet)
{
	struct command c = command_for(w, COMMAND_CLEAR_FAULT, outlet);

	c.actor = actor;
	strcpy(c.name, "Ada");
	world_command(w, &c);
	return c;
}

/* ---- the metering box ---- */

START_TEST(tamper)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_supply(w, 1, 5 * KWH, 1000000);
	world_metering_door(w, false);
	ck_assert(!w->plant[0].commanded && !w->plant[1].commanded);
	world_run(w, 10000);
	for (int i = 0; i < 2; i++) {
		require_fault((unsigned)i, FAULT_TAMPER);
		require_end(w, i, END_TAMPER);
		require_state(w, (unsigned)i, OUTLET_FAULTED);
	}
	struct command c = clear_by(ACTOR_TECHNICIAN, 0);
	require_outcome(w, &c, COMMAND_REFUSED); /* the door is open */
	world_metering_door(w, true);
	world_run(w, 1000);
	require_fault(0, FAULT_TAMPER);
	static const enum actor others[] = {ACTOR_SERVER, ACTOR_CUSTOMER, ACTOR_OPERATOR};
	for (size_t i = 0; i < COUNT(others); i++) {
		c = clear_by(others[i], 0);
		require_outcome(w, &c, COMMAND_REFUSED);
	}
	c = clear_by(ACTOR_TECHNICIAN, 0);
	require_outcome(w, &c, COMMAND_DONE);
	ck_assert_str_eq(last_record(w, RECORD_CLEARED, 0)->u.cleared.name, "Ada");
	require_fault(0, FAULT_NONE);
	require_fault(1, FAULT_TAMPER);
	world_run(w, 60000);
	ck_assert_uint_eq(w->plant[0].closings, 1);
}
END_TEST

static void unlock_metering_box(void)
{
	struct command c = technician(w, COMMAND_UNLOCK, RECORD_NO_OUTLET);

	memset(&c.u, 0, sizeof c.u);
	strcpy(c.u.unlock.work_order, "work-1");
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
}

START_TEST(authorised_opening)
{
	w->disk_works = false;
	unlock_metering_box();
	world_run(w, 1000);
	ck_assert_uint_eq(count_pulses(w, RECORD_NO_OUTLET), 0);
	world_commit(w);
	ck_assert_uint_eq(count_pulses(w, RECORD_NO_OUTLET), 1);
	w->disk_works = true;
	world_run(w, 10000);
	world_metering_door(w, false);
	world_run(w, 3600000); /* work takes its time */
	require_fault(0, FAULT_NONE);
	world_metering_door(w, true);
	world_run(w, 1000);
	require_fault(0, FAULT_NONE);
	/* one opening for one unlock */
	world_metering_door(w, false);
	require_fault(0, FAULT_TAMPER);
}
END_TEST

START_TEST(grant_runs_out)
{
	unlock_metering_box();
	world_run(w, w->config.metering_grant_ms + 1000);
	world_metering_door(w, false);
	require_fault(0, FAULT_TAMPER);
}
END_TEST

START_TEST(authorised_opening_pauses)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	unlock_metering_box();
	world_metering_door(w, false);
	require_state(w, 0, OUTLET_PAUSED);
	world_metering_door(w, true);
	world_run(w, 10000);
	require_state(w, 0, OUTLET_PAUSED);
	world_start_order(w, 0, "o0");
	world_run(w, 1000);
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

START_TEST(metering_door_of_any_outlet)
{
	box_on_input(w->box, INPUT_METERING_DOOR, OUTLETS_MAX, true, w->now); /* "outlet is ignored" */
	require_fault(0, FAULT_NONE);
}
END_TEST

START_TEST(tamper_over_reboot)
{
	world_metering_door(w, false);
	world_metering_door(w, true);
	world_reboot(w, 1000, TIME_SYNCHRONISED);
	require_state(w, 0, OUTLET_FAULTED);
	require_fault(0, FAULT_TAMPER);
}
END_TEST

/* ---- breakers ---- */

static void move_contact(bool closed)
{
	w->plant[0].closed = closed;
	box_on_input(w->box, INPUT_CONTACT, 0, closed, w->now);
	world_run(w, 500);
}

START_TEST(tripped)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_run(w, 10000);
	move_contact(false);
	require_fault(0, FAULT_TRIPPED);
	ck_assert(!w->plant[0].commanded);
	world_run(w, 10000);
	require_end(w, 0, END_TRIPPED);
	struct command c = clear_by(ACTOR_OPERATOR, 0);
	require_outcome(w, &c, COMMAND_REFUSED);
	c = clear_by(ACTOR_TECHNICIAN, 0);
	require_outcome(w, &c, COMMAND_DONE);
	world_run(w, 10000);
	ck_assert_uint_eq(w->plant[0].closings, 1);
}
END_TEST

START_TEST(welded)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_run(w, 10000);
	w->plant[0].stuck = true;
	world_stop_order(w, 0, "o0");
	world_run(w, 2000);
	require_fault(0, FAULT_WELDED);
	world_run(w, 60000);
	ck_assert_uint_eq(count_records(w, RECORD_ENDED, 0), 1);
	require_state(w, 0, OUTLET_FAULTED);
	unsigned pulses = count_pulses(w, 0);
	struct command c = command_for(w, COMMAND_UNLOCK, 0);
	world_command(w, &c);
	world_run(w, 5000);
	REQUIRE(count_pulses(w, 0) == pulses, "a live box was unlocked");
	c = clear_by(ACTOR_TECHNICIAN, 0);
	require_outcome(w, &c, COMMAND_REFUSED);
	w->plant[0].stuck = false;
	move_contact(false);
	world_run(w, 5000);
	c = clear_by(ACTOR_OPERATOR, 0);
	require_outcome(w, &c, COMMAND_REFUSED);
	c = clear_by(ACTOR_TECHNICIAN, 0);
	require_outcome(w, &c, COMMAND_DONE);
	require_sum(0);
}
END_TEST

/* The metering box is opened, and the breaker does not let go: the socket is live, whatever the first fault was. */
START_TEST(welded_behind_tamper)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_run(w, 10000);
	w->plant[0].stuck = true;
	world_metering_door(w, false);
	world_metering_door(w, true);
	world_run(w, 60000);
	unsigned pulses = count_pulses(w, 0);
	struct command c = command_for(w, COMMAND_UNLOCK, 0);
	world_command(w, &c);
	world_run(w, 5000);
	REQUIRE(count_pulses(w, 0) == pulses, "a live box was unlocked");
}
END_TEST

START_TEST(will_not_close)
{
	struct command c = authorize_for(w, 0, "o", KWH);

	world_command(w, &c);
	world_run(w, 1000);
	w->plant[0].stuck = true;
	world_start_order(w, 0, "o");
	world_run(w, 2000);
	require_fault(0, FAULT_WILL_NOT_CLOSE);
	ck_assert(!w->plant[0].commanded);
	world_run(w, 5000);
	require_end(w, 0, END_BREAKER_FAULT);
	ck_assert_int_eq(last_record(w, RECORD_ENDED, 0)->u.ended.amount_micros, 0);
	c = clear_by(ACTOR_CUSTOMER, 0);
	require_outcome(w, &c, COMMAND_REFUSED);
	c = clear_by(ACTOR_OPERATOR, 0);
	require_outcome(w, &c, COMMAND_DONE);
	require_fault(0, FAULT_NONE);
}
END_TEST

/* An operator's clearing of a lesser fault does not make a tampered box whole. */
START_TEST(tamper_behind_will_not_close)
{
	struct command c = authorize_for(w, 0, "o", KWH);

	world_command(w, &c);
	world_run(w, 1000);
	w->plant[0].stuck = true;
	world_start_order(w, 0, "o");
	world_run(w, 5000);
	require_fault(0, FAULT_WILL_NOT_CLOSE);
	world_metering_door(w, false);
	world_metering_door(w, true);
	clear_by(ACTOR_OPERATOR, 0);
	world_run(w, 1000);
	REQUIRE(fault_of(0) != FAULT_NONE, "an operator cleared a tampered box");
}
END_TEST

START_TEST(bypassed)
{
	world_run(w, 5000);
	w->plant[0].leak_mw = 1000; /* below what counts as current, and yet it counts up */
	w->plant[0].leak_mw = 20000;
	world_run(w, 2 * 3600000);
	require_fault(0, FAULT_BYPASSED);
	require_fault(1, FAULT_NONE);
	struct command c = authorize_for(w, 0, "o", KWH);
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	require_state(w, 0, OUTLET_FAULTED);
	require_sum(0);
}
END_TEST

/* A contact input that the configuration does not know proves nothing, and keeps nobody busy. */
START_TEST(contact_not_fitted)
{
	w->config.outlets[0].breaker.contact_fitted = false;
	world_start(w);
	box_on_input(w->box, INPUT_CONTACT, 0, false, w->now);
	world_run(w, 1000);
	world_supply(w, 0, KWH, 1000000);
	world_stop_order(w, 0, "o0");
	world_run(w, 10000);
	require_end(w, 0, END_CUSTOMER);
}
END_TEST

START_TEST(fault_blocks_and_survives)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	move_contact(false);
	world_run(w, 5000);
	require_fault(0, FAULT_TRIPPED);
	world_reboot(w, 5000, TIME_SYNCHRONISED);
	require_state(w, 0, OUTLET_FAULTED);
	struct command c = authorize_for(w, 0, "p", KWH);
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	c = technician(w, COMMAND_SERVICE, 0);
	world_command(w, &c);
	world_run(w, 5000);
	ck_assert_uint_eq(w->plant[0].closings, 1);
}
END_TEST

/* ---- meters ---- */

START_TEST(silence_worst_case)
{
	struct world *v = w;

	world_supply(v, 0, 60000, 1000000);
	world_run(v, 3000);
	int64_t start = last_record(v, RECORD_STARTED, 0)->register_mwh;
	v->plant[0].answers = false;
	v->plant[0].load_mw = RATED_MW;
	world_run(v, v->config.meter_silent_ms - 2000);
	REQUIRE(!v->plant[0].commanded, "60 Wh at 7 kW last 31 s");
	REQUIRE(exact_of(v, 0) - start <= 60000 + box_overdraft_bound_mwh(&v->config, 0),
		"used " I64,
		exact_of(v, 0) - start);
	world_run(v, v->config.settle_ms + 1000);
	require_end(v, 0, END_METER_SILENT);
	require_sum(0);
}
END_TEST

START_TEST(silence_maximum)
{
	world_supply(w, 0, 500 * KWH, 1000000);
	w->plant[0].answers = false;
	world_run(w, w->config.meter_silent_ms - 2000);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_run(w, 3000);
	ck_assert(!w->plant[0].commanded);
	w->plant[0].answers = true;
	world_run(w, 5000);
	require_end(w, 0, END_METER_SILENT);
	ck_assert_int_eq(last_record(w, RECORD_ENDED, 0)->register_mwh, register_of(w, 0));
	ck_assert_uint_ge(count_alarms(w, ALARM_METER_SILENT), 1);
	require_sum(0);
}
END_TEST

START_TEST(silence_does_not_flood)
{
	w->plant[0].answers = false;
	world_run(w, 24 * 3600000);
	REQUIRE(count_alarms(w, ALARM_METER_SILENT) >= 1 && count_alarms(w, ALARM_METER_SILENT) <= 24,
		"%u alarms",
		count_alarms(w, ALARM_METER_SILENT));
}
END_TEST

START_TEST(meter_replaced)
{
	w->config.outlets[0].serial[0] = '\0'; /* whichever answers */
	world_reboot(w, 1000, TIME_SYNCHRONISED);
	world_supply(w, 0, 5 * KWH, 3600000);
	world_run(w, 100000);
	int64_t trusted = register_of(w, 0);
	strcpy(w->plant[0].serial, "new-1");
	w->plant[0].register_uj = 777 * KWH * 3600000;
	world_run(w, 60000);
	require_end(w, 0, END_METER_REPLACED);
	const struct record *r = last_record(w, RECORD_ENDED, 0);
	REQUIRE(!r->has_register || r->register_mwh == trusted, "ended at " I64, r->register_mwh);
	ck_assert_int_eq(r->u.ended.start_mwh + r->u.ended.energy_mwh, trusted);
	ck_assert_uint_ge(count_alarms(w, ALARM_METER_REPLACED), 1);
	world_run(w, 5000);
	ck_assert_str_eq(last_record(w, RECORD_METER, 0)->u.meter.serial, "new-1");
	const struct outlet_image *o = &box_image(w->box)->outlets[0];
	ck_assert_str_eq(o->serial, "new-1");
	ck_assert_int_eq(o->outside_mwh, o->register_mwh);
	require_sum(0);
}
END_TEST

/* A meter that the configuration does not name is nobody's: no new epoch, no session. */
START_TEST(meter_not_commissioned)
{
	strcpy(w->plant[0].serial, "new-1");
	w->plant[0].register_uj = 777 * KWH * 3600000;
	world_run(w, 60000);
	ck_assert_uint_eq(count_records(w, RECORD_METER, 0), 1);
	struct command c = authorize_for(w, 0, "o", KWH);
	world_command(w, &c);
	world_run(w, 1000);
	REQUIRE(state_of(w, 0) != OUTLET_READY, "ready with a foreign meter");
}
END_TEST

/* A box that has never heard its meter says so, and not that it is a foreign one. */
START_TEST(meter_never_heard)
{
	world_die(w);
	image_init(&w->durable);
	w->meters_work = false;
	world_boot(w, 1000, TIME_SYNCHRONISED);
	struct command c = authorize_for(w, 0, "o", KWH);
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	ck_assert_str_eq(result_of(w, &c)->u.command.detail, missing_sentence(MISSING_METER));
}
END_TEST

/* One wild answer changes nothing. */
START_TEST(fall_held)
{
	world_supply(w, 0, 5 * KWH, 3600000);
	world_run(w, 100000);
	w->plant[0].register_offset_mwh = -3 * KWH;
	world_read(w, 0);
	w->plant[0].register_offset_mwh = 0;
	world_run(w, 60000);
	require_state(w, 0, OUTLET_SUPPLYING);
	w->plant[0].register_offset_mwh = 900 * KWH;
	world_read(w, 0);
	w->plant[0].register_offset_mwh = 0;
	world_run(w, 60000);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_stop_order(w, 0, "o0");
	world_run(w, 5000);
	const struct record *r = last_record(w, RECORD_ENDED, 0);
	ck_assert_int_eq(r->u.ended.energy_mwh, register_of(w, 0) - r->u.ended.start_mwh);
}
END_TEST

START_TEST(fall_confirmed)
{
	world_supply(w, 0, 5 * KWH, 3600000);
	world_run(w, 100000);
	int64_t trusted = register_of(w, 0);
	w->plant[0].register_offset_mwh = -3 * KWH;
	world_run(w, 5000);
	ck_assert(!w->plant[0].commanded);
	world_run(w, 60000);
	require_end(w, 0, END_METER_IMPLAUSIBLE);
	const struct record *r = last_record(w, RECORD_ENDED, 0);
	ck_assert_int_eq(r->u.ended.start_mwh + r->u.ended.energy_mwh, trusted);
	ck_assert_uint_ge(count_alarms(w, ALARM_METER_IMPLAUSIBLE), 1);
	require_sum(0);
}
END_TEST

/* ---- the disk ---- */

START_TEST(storage_fails)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_run(w, 10000);
	w->disk_works = false;
	world_storage(w, true);
	ck_assert(!w->plant[0].commanded);
	struct command c = authorize_for(w, 1, "p", KWH);
	world_command(w, &c);
	world_run(w, 60000);
	ck_assert_uint_eq(count_pulses(w, 1), 0);
	ck_assert_uint_eq(count_records(w, RECORD_AUTHORIZED, 1), 0);
	require_end(w, 0, END_STORAGE);
	world_storage(w, false);
	w->disk_works = true;
	world_commit(w);
	c = authorize_for(w, 1, "p", KWH);
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	ck_assert_uint_eq(count_alarms(w, ALARM_STORAGE), 1);
}
END_TEST

/* The ports of the harness refuse more than RECORDS_QUEUED_MAX. */
START_TEST(flood_without_a_disk)
{
	world_supply(w, 0, 5 * KWH, 1000000);
	world_supply(w, 1, 5 * KWH, 1000000);
	w->disk_works = false;
	for (int n = 0; n < 3000; n++) {
		struct command c = command_for(w, COMMAND_OUT_OF_SERVICE, n % 2);
		c.u.out_of_service.out = n % 4 > 1;
		world_command(w, &c);
		c = session_command(w, COMMAND_STOP, n % 2, n % 2 ? "o1" : "o0");
		if (n > 1000)
			world_command(w, &c);
		if (n % 100 == 0)
			world_metering_door(w, n % 200 == 0);
		world_run(w, 20);
	}
	world_run(w, 60000);
	ck_assert(!w->plant[0].commanded && !w->plant[1].commanded);
	ck_assert_uint_eq(count_records(w, RECORD_ENDED, 0), 1);
	world_commit(w);
	w->disk_works = true;
	world_run(w, 1000);
	struct command c = command_for(w, COMMAND_OUT_OF_SERVICE, 0);
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
}
END_TEST

/* A flood of commands of strangers does not fill the ledger. */
START_TEST(flood_of_strangers)
{
	struct command_origin stranger = {.verified = false};

	for (int n = 0; n < 1000; n++) {
		struct command c = authorize_for(w, 0, "o", KWH);
		world_command_from(w, &c, &stranger);
		world_run(w, 100);
	}
	REQUIRE(count_records(w, RECORD_COMMAND, 0) >= 1 && count_records(w, RECORD_COMMAND, 0) <= 10,
		"%u records",
		count_records(w, RECORD_COMMAND, 0));
}
END_TEST

START_TEST(sixteen_outlets)
{
	w->config.outlet_count = OUTLETS_MAX;
	world_start(w);
	for (int i = 0; i < OUTLETS_MAX; i++)
		world_supply(w, i, 5 * KWH, 1000000);
	w->disk_works = false;
	for (int n = 0; n < 300; n++) {
		struct command c = command_for(w, COMMAND_UNLOCK, n % OUTLETS_MAX);
		world_command(w, &c);
	}
	world_metering_door(w, false);
	world_run(w, 120000);
	for (int i = 0; i < OUTLETS_MAX; i++)
		ck_assert_uint_eq(count_records(w, RECORD_ENDED, i), 1);
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

static void add_the_metering_box(Suite *suite)
{
	TCase *t = add_case(suite, "the metering box", setup_started);

	tcase_add_test(t, tamper);
	tcase_add_test(t, authorised_opening);
	tcase_add_test(t, grant_runs_out);
	tcase_add_test(t, authorised_opening_pauses);
	tcase_add_test(t, metering_door_of_any_outlet);
	tcase_add_test(t, tamper_over_reboot);
}

static void add_breakers(Suite *suite)
{
	TCase *t = add_case(suite, "breakers", setup_started);

	tcase_add_test(t, tripped);
	tcase_add_test(t, welded);
	tcase_add_test(t, welded_behind_tamper);
	tcase_add_test(t, will_not_close);
	tcase_add_test(t, tamper_behind_will_not_close);
	tcase_add_test(t, bypassed);
	tcase_add_test(t, fault_blocks_and_survives);
	t = add_case(suite, "breakers", setup);
	tcase_add_test(t, contact_not_fitted);
}

static void add_meters(Suite *suite)
{
	TCase *t = add_case(suite, "meters", setup_started);

	tcase_add_test(t, silence_worst_case);
	tcase_add_test(t, silence_maximum);
	tcase_add_test(t, silence_does_not_flood);
	tcase_add_test(t, meter_replaced);
	tcase_add_test(t, meter_not_commissioned);
	tcase_add_test(t, meter_never_heard);
	tcase_add_test(t, fall_held);
	tcase_add_test(t, fall_confirmed);
}

static void add_the_disk(Suite *suite)
{
	TCase *t = add_case(suite, "the disk", setup_started);

	tcase_add_test(t, storage_fails);
	tcase_add_test(t, flood_without_a_disk);
	tcase_add_test(t, flood_of_strangers);
	t = add_case(suite, "the disk", setup);
	tcase_add_test(t, sixteen_outlets);
}

int main(void)
{
	Suite *suite = suite_create("box_trouble");

	add_the_metering_box(suite);
	add_breakers(suite);
	add_meters(suite);
	add_the_disk(suite);
	return run_suite(suite);
}
