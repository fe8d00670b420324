/* Tests src/box: who may tell a box what. Refusals, deadlines and order of commands, stops, leases of remote mode,
 * reservations, service sessions and being out of service. */
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

static int64_t ended_energy(int outlet)
{
	return last_record(w, RECORD_ENDED, outlet)->u.ended.energy_mwh;
}

/* ---- commands ---- */

static const struct command_origin verified = {.verified = true}, unverified = {.verified = false},
				   local = {.verified = true, .local = true};

START_TEST(command_refusals)
{
	struct command c = command_for(w, COMMAND_RESERVE, 0), good;

	strcpy(c.u.reserve.account, "someone");
	c.u.reserve.hold_ms = 60000;
	good = c;
	struct command_origin origin = verified;
	enum command_outcome outcome = COMMAND_FOREIGN;
	uint64_t before = box_image(w->box)->command_seq;
	c.seq += 1000;
	if (_i == 0) {
		origin = unverified;
		outcome = COMMAND_UNVERIFIED;
	} else if (_i == 1) {
		strcpy(c.box, "box-2");
	} else if (_i == 2) {
		strcpy(c.ledger, "ffffffffffffffffffffffffffffffff");
	} else {
		c.ledger[0] = '\0'; /* only a local command comes without */
	}
	strcpy(c.id, "bad");
	world_command_from(w, &c, &origin);
	require_outcome(w, &c, outcome);
	require_state(w, 0, OUTLET_AVAILABLE);
	REQUIRE(box_image(w->box)->command_seq == before,
		"the sequence moved to %" PRIu64,
		box_image(w->box)->command_seq);
	world_command(w, &good);
	require_outcome(w, &good, COMMAND_DONE);
	require_state(w, 0, OUTLET_RESERVED);
}
END_TEST

START_TEST(command_replayed)
{
	struct command c = command_for(w, COMMAND_RESERVE, 0), again;

	strcpy(c.u.reserve.account, "someone");
	c.u.reserve.hold_ms = 60000;
	world_command(w, &c);
	again = command_for(w, COMMAND_RELEASE, 0);
	world_command(w, &again);
	require_state(w, 0, OUTLET_AVAILABLE);
	strcpy(c.id, "again");
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_OUT_OF_ORDER);
	require_state(w, 0, OUTLET_AVAILABLE);
	ck_assert_uint_eq(box_image(w->box)->command_seq, again.seq);
	/* nor after a reboot */
	world_reboot(w, 1000, TIME_SYNCHRONISED);
	world_run(w, 100000);
	strcpy(c.id, "again2");
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_OUT_OF_ORDER);
}
END_TEST

static const struct {
	enum time_quality quality;
	int64_t server_ms; /* from now */
	int64_t not_after_ms; /* from now */
	enum command_outcome outcome;
} deadlines[] = {
	{TIME_SYNCHRONISED, 0, 0, COMMAND_DONE},
	{TIME_SYNCHRONISED, 0, -1, COMMAND_EXPIRED},
	{TIME_SYNCHRONISED, 5000, 1000, COMMAND_DONE},
	{TIME_RELATIVE, INT64_MIN, 1000, COMMAND_DONE},
	{TIME_RELATIVE, INT64_MIN, -1000, COMMAND_EXPIRED},
	{TIME_RELATIVE, 5000, 1000, COMMAND_EXPIRED}, /* the server's Date beats the meter's clock */
	{TIME_RELATIVE, -5000, -1000, COMMAND_DONE},
	{TIME_UNKNOWN, INT64_MIN, 1000, COMMAND_NO_CLOCK},
	{TIME_UNKNOWN, INT64_MIN, -1000, COMMAND_NO_CLOCK},
	{TIME_UNKNOWN, 500, 1000, COMMAND_DONE},
	{TIME_UNKNOWN, 500, 499, COMMAND_EXPIRED},
};

START_TEST(command_deadline)
{
	struct command c = command_for(w, COMMAND_RESERVE, 0);
	struct command_origin origin = {.verified = true};

	w->now.quality = deadlines[_i].quality;
	if (w->now.quality == TIME_UNKNOWN)
		w->now.wall_ms = 12345; /* 1970 */
	int64_t base_ms = w->now.quality == TIME_UNKNOWN ? WALL_MS : w->now.wall_ms;
	origin.server_ms = deadlines[_i].server_ms == INT64_MIN ? 0 : base_ms + deadlines[_i].server_ms;
	c.not_after_ms = base_ms + deadlines[_i].not_after_ms;
	strcpy(c.u.reserve.account, "someone");
	c.u.reserve.hold_ms = 60000;
	world_command_from(w, &c, &origin);
	require_outcome(w, &c, deadlines[_i].outcome);
	require_state(w, 0, deadlines[_i].outcome == COMMAND_DONE ? OUTLET_RESERVED : OUTLET_AVAILABLE);
}
END_TEST

START_TEST(command_local)
{
	struct command c = technician(w, COMMAND_OUT_OF_SERVICE, 0);

	w->now.quality = TIME_UNKNOWN;
	memset(&c.u, 0, sizeof c.u);
	c.u.out_of_service.out = true;
	c.ledger[0] = '\0';
	c.seq = 0;
	c.not_after_ms = 0;
	world_command_from(w, &c, &local);
	require_outcome(w, &c, COMMAND_DONE);
	require_state(w, 0, OUTLET_OUT_OF_SERVICE);
	/* not even on the box itself may nobody in particular give orders */
	c.u.out_of_service.out = false;
	strcpy(c.id, "l2");
	struct command_origin stranger = {.local = true};
	world_command_from(w, &c, &stranger);
	require_state(w, 0, OUTLET_OUT_OF_SERVICE);
}
END_TEST

/* stop and power_off: late, out of order, twice, without a clock; but their own session only. */
START_TEST(stop_acts_late)
{
	enum command_type type = _i % 2 ? COMMAND_POWER_OFF : COMMAND_STOP;
	struct command c = session_command(w, type, 0, "o0");

	world_supply(w, 0, 5 * KWH, 1000000);
	world_run(w, 100000);
	if (_i >= 2)
		w->now.quality = TIME_UNKNOWN;
	c.not_after_ms = 1;
	REQUIRE(c.seq < box_image(w->box)->command_seq, "the test is wrong");
	uint64_t seq = box_image(w->box)->command_seq;
	struct command other = c;
	strcpy(other.id, "other");
	strcpy(other.u.session.order, "o1");
	world_command(w, &other);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	REQUIRE(!w->plant[0].commanded, "not opened in the same call");
	REQUIRE(box_image(w->box)->command_seq >= seq, "the sequence fell");
	for (int n = 0; n < 3; n++) {
		world_run(w, 10000);
		snprintf(c.id, sizeof c.id, "again%d", n);
		world_command(w, &c);
		require_outcome(w, &c, COMMAND_DONE);
	}
	ck_assert_uint_eq(count_records(w, RECORD_STOPPING, 0), 1);
	ck_assert_uint_eq(count_records(w, RECORD_ENDED, 0), 1);
	require_end(w, 0, END_CUSTOMER);
}
END_TEST

/* Somebody sends one that he has seen, again and again: it acts, and fills no ledger. */
START_TEST(stop_again_and_again)
{
	struct command c = session_command(w, COMMAND_STOP, 0, "o0");

	world_supply(w, 0, 5 * KWH, 1000000);
	for (int n = 0; n < 5000; n++) {
		world_run(w, 100);
		world_command(w, &c);
		REQUIRE(w->taken, "a stop is always taken");
	}
	require_end(w, 0, END_CUSTOMER);
	unsigned noted = count_records(w, RECORD_COMMAND, 0);
	REQUIRE(noted >= 16 && noted <= 32, "%u results of 5000 stops in 500 s", noted);
	world_run(w, 1200000);
	world_command(w, &c);
	ck_assert_uint_eq(count_records(w, RECORD_COMMAND, 0), noted + 1);
}
END_TEST

/* A command that the ledger has no room for leaves no trace: it comes again, and then it counts. */
START_TEST(no_room_for_a_result)
{
	struct command c;
	unsigned taken = 0;

	w->disk_works = false;
	do {
		c = session_command(w, COMMAND_CLEAR_FAULT, 0, "");
		c.actor = ACTOR_OPERATOR;
		strcpy(c.name, "Ada");
		world_command(w, &c);
		taken += w->taken;
	} while (w->taken && taken < RECORDS_QUEUED_MAX);
	REQUIRE(taken > 0 && taken < RECORDS_QUEUED_MAX, "%u commands were taken", taken);
	uint64_t seq = box_image(w->box)->seq;
	REQUIRE(box_image(w->box)->command_seq < c.seq, "it counts, though it was not taken");
	world_command(w, &c);
	REQUIRE(!w->taken && box_image(w->box)->seq == seq, "it left a trace");
	w->disk_works = true;
	world_run(w, 1000);
	world_command(w, &c);
	REQUIRE(w->taken && box_image(w->box)->command_seq == c.seq, "it does not count now");
}
END_TEST

/* The last command that has room takes it all with a record of its own: its result is written still, for without one it
 * would come again, and act again. */
START_TEST(the_last_room)
{
	struct command c;

	world_supply(w, 0, 5 * KWH, 1000000);
	w->disk_works = false;
	for (uint64_t durable = box_image(w->box)->seq; box_image(w->box)->seq - durable < RECORDS_COMMANDS_MAX - 1;) {
		c = session_command(w, COMMAND_CLEAR_FAULT, 1, "");
		c.actor = ACTOR_OPERATOR;
		strcpy(c.name, "Ada");
		world_command(w, &c);
		REQUIRE(w->taken, "no room too early");
	}
	c = session_command(w, COMMAND_CREDIT, 0, "o0");
	c.u.credit.credit_micros = 1000;
	world_command(w, &c);
	REQUIRE(w->taken, "no room");
	w->disk_works = true;
	world_run(w, 1000);
	world_command(w, &c);
	ck_assert_uint_eq(count_records(w, RECORD_CREDIT, 0), 1);
	REQUIRE(box_image(w->box)->command_seq == c.seq, "it does not count");
}
END_TEST

START_TEST(stop_wants_to_be_verified)
{
	struct command c = session_command(w, COMMAND_STOP, 0, "o0");

	world_supply(w, 0, 5 * KWH, 1000000);
	world_command_from(w, &c, &unverified);
	require_state(w, 0, OUTLET_SUPPLYING);
	strcpy(c.box, "box-2");
	world_command(w, &c);
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

START_TEST(stop_says_who)
{
	static const enum end_reason reasons[ACTOR_COUNT] = {
		[ACTOR_SERVER] = END_SERVER,
		[ACTOR_CUSTOMER] = END_CUSTOMER,
		[ACTOR_OPERATOR] = END_OPERATOR,
		[ACTOR_TECHNICIAN] = END_TECHNICIAN,
	};
	struct command c;

	world_supply(w, 0, 5 * KWH, 1000000);
	c = session_command(w, COMMAND_STOP, 0, "o0");
	c.actor = (enum actor)_i;
	strcpy(c.name, "Ada");
	world_command(w, &c);
	world_run(w, 10000);
	require_end(w, 0, reasons[_i]);
}
END_TEST

/* Stopping what was only authorized ends it at once, and costs nothing. */
START_TEST(stop_before_start)
{
	authorized("o", 5 * KWH);
	world_stop_order(w, 0, "o");
	world_run(w, 1000);
	require_end(w, 0, END_CUSTOMER);
	ck_assert_int_eq(last_record(w, RECORD_ENDED, 0)->u.ended.amount_micros, 0);
	ck_assert_uint_eq(w->plant[0].closings, 0);
}
END_TEST

START_TEST(command_unknown_outlet)
{
	struct command c = authorize_for(w, 9, "o", KWH);

	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
}
END_TEST

START_TEST(insecure_commands)
{
	w->config.insecure_commands = true;
	world_start(w);
	struct command c = authorize_for(w, 0, "o", KWH);
	world_command_from(w, &c, &unverified);
	require_outcome(w, &c, COMMAND_DONE);
}
END_TEST

/* ---- remote mode ---- */

static void supply_remote(int64_t amount, int64_t lease_ms)
{
	struct command c = authorize_for(w, 0, "o", amount);

	c.u.authorize.mode = FEE_REMOTE;
	c.u.authorize.lease_ms = lease_ms;
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	world_run(w, 1000);
	w->plant[0].load_mw = 3600000; /* 1 Wh a second */
	world_start_order(w, 0, "o");
	world_run(w, 1000);
	require_state(w, 0, OUTLET_SUPPLYING);
}

START_TEST(lease_ends_by_silence)
{
	supply_remote(5 * KWH, 60000);
	world_run(w, 55000);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_run(w, 20000);
	require_end(w, 0, END_LEASE_EXPIRED);
}
END_TEST

START_TEST(lease_ends_by_amount)
{
	supply_remote(5 * STEP_MWH, 10000000);
	world_run(w, 80000);
	REQUIRE(last_record(w, RECORD_ENDED, 0) != NULL, "still supplying");
	enum end_reason reason = last_record(w, RECORD_ENDED, 0)->u.ended.reason;
	REQUIRE(reason == END_CREDIT_EXHAUSTED || reason == END_LEASE_EXPIRED,
		"%s",
		word_name(&end_reason_words, reason));
	int64_t bound = box_overdraft_bound_mwh(&w->config, 0);
	REQUIRE(ended_energy(0) <= 5 * STEP_MWH + bound, "used " I64, ended_energy(0));
}
END_TEST

START_TEST(lease_lives_by_heartbeats)
{
	supply_remote(5 * KWH, 60000);
	world_heard(w, UPLINK_STREAM_OPENED);
	for (int n = 0; n < 10; n++) {
		world_run(w, 50000);
		world_heard(w, UPLINK_STREAM_OPENED);
		world_heard(w, UPLINK_STREAM_HEARD);
	}
	require_state(w, 0, OUTLET_SUPPLYING);
	world_run(w, 80000);
	require_end(w, 0, END_LEASE_EXPIRED);
}
END_TEST

START_TEST(lease_lives_by_credit)
{
	supply_remote(5 * KWH, 60000);
	for (int n = 0; n < 5; n++) {
		world_run(w, 50000);
		struct command c = session_command(w, COMMAND_CREDIT, 0, "o");
		c.u.credit.lease_ms = n == 4 ? 300000 : 0;
		world_command(w, &c);
	}
	require_state(w, 0, OUTLET_SUPPLYING);
	world_run(w, 290000);
	require_state(w, 0, OUTLET_SUPPLYING);
	world_run(w, 30000);
	require_end(w, 0, END_LEASE_EXPIRED);
}
END_TEST

/* Local mode goes on without a link. */
START_TEST(local_mode_needs_no_link)
{
	world_supply(w, 0, 500 * KWH, 1000000);
	world_run(w, 24 * 3600000LL);
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

/* ---- reservation ---- */

static void reserve(int outlet, const char *account, int64_t hold_ms)
{
	struct command c = command_for(w, COMMAND_RESERVE, outlet);

	snprintf(c.u.reserve.account, sizeof c.u.reserve.account, "%s", account);
	c.u.reserve.hold_ms = hold_ms;
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	require_state(w, (unsigned)outlet, OUTLET_RESERVED);
}

START_TEST(reservation)
{
	reserve(0, "account-0", 60000);
	struct command c = authorize_for(w, 0, "p", KWH);
	strcpy(c.u.authorize.account, "account-9");
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	c = command_for(w, COMMAND_RESERVE, 0);
	strcpy(c.u.reserve.account, "account-9");
	c.u.reserve.hold_ms = 60000;
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	authorized("o", KWH);
	world_run(w, 1000);
	require_state(w, 0, OUTLET_READY);
	world_run(w, 200000);
	require_end(w, 0, END_NOT_STARTED);
	REQUIRE(state_of(w, 0) != OUTLET_RESERVED, "reserved again");
}
END_TEST

START_TEST(reservation_expires)
{
	reserve(0, "account-0", 60000);
	world_run(w, 59000);
	require_state(w, 0, OUTLET_RESERVED);
	world_run(w, 1500);
	require_state(w, 0, OUTLET_AVAILABLE);
	ck_assert_uint_eq(count_records(w, RECORD_RELEASED, 0), 1);
}
END_TEST

START_TEST(reservation_over_reboot)
{
	reserve(0, "account-0", 60000);
	world_run(w, 10000);
	world_reboot(w, 20000, TIME_SYNCHRONISED);
	require_state(w, 0, OUTLET_RESERVED);
	struct command c = authorize_for(w, 0, "p", KWH);
	strcpy(c.u.authorize.account, "account-9");
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	world_run(w, 15000);
	require_state(w, 0, OUTLET_RESERVED);
	world_run(w, 15000);
	require_state(w, 0, OUTLET_AVAILABLE);
}
END_TEST

/* ---- service and being out of service ---- */

START_TEST(service_session)
{
	struct command c = technician(w, COMMAND_SERVICE, 0);

	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	world_run(w, 1000);
	w->plant[0].load_mw = 3600000;
	ck_assert_uint_eq(w->plant[0].closings, 0);
	c = technician(w, COMMAND_START, 0);
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	world_run(w, 58000);
	ck_assert(w->plant[0].closed);
	world_run(w, 5000);
	ck_assert(!w->plant[0].closed);
	world_run(w, 10000);
	const struct record *r = last_record(w, RECORD_ENDED, 0);
	ck_assert_ptr_nonnull(r);
	ck_assert_int_eq(r->u.ended.amount_micros, 0);
	const struct outlet_image *o = &box_image(w->box)->outlets[0];
	ck_assert_int_eq(o->billed_mwh, 0);
	ck_assert_int_eq(o->service_mwh, r->u.ended.energy_mwh);
	REQUIRE(o->service_mwh >= 5 * STEP_MWH, "service " I64, o->service_mwh);
	ck_assert_int_eq(o->billed_mwh + o->service_mwh + o->outside_mwh, o->register_mwh);
}
END_TEST

START_TEST(service_without_start)
{
	struct command c = technician(w, COMMAND_SERVICE, 0);

	world_command(w, &c);
	world_run(w, 70000);
	ck_assert_ptr_nonnull(last_record(w, RECORD_ENDED, 0));
	ck_assert_uint_eq(w->plant[0].closings, 0);
	c = technician(w, COMMAND_CREDIT, 0);
	memset(&c.u, 0, sizeof c.u);
	strcpy(c.u.credit.order, "work-1");
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
}
END_TEST

START_TEST(service_not_in_a_customers_session)
{
	struct command c;

	world_supply(w, 0, KWH, 1000000);
	c = technician(w, COMMAND_SERVICE, 0);
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_REFUSED);
	require_state(w, 0, OUTLET_SUPPLYING);
}
END_TEST

/* A customer's order does not start a technician's session, and the other way round nobody does but who names it. */
START_TEST(service_out_of_service)
{
	struct command c = technician(w, COMMAND_OUT_OF_SERVICE, 0);

	memset(&c.u, 0, sizeof c.u);
	c.u.out_of_service.out = true;
	world_command(w, &c);
	require_state(w, 0, OUTLET_OUT_OF_SERVICE);
	struct command a = authorize_for(w, 0, "o", KWH);
	world_command(w, &a);
	require_outcome(w, &a, COMMAND_REFUSED);
	world_reboot(w, 1000, TIME_SYNCHRONISED);
	require_state(w, 0, OUTLET_OUT_OF_SERVICE);
	c = technician(w, COMMAND_OUT_OF_SERVICE, 0);
	memset(&c.u, 0, sizeof c.u);
	world_command(w, &c);
	require_state(w, 0, OUTLET_AVAILABLE);
}
END_TEST

START_TEST(out_of_service_ends)
{
	struct command c;

	world_supply(w, 0, KWH, 1000000);
	c = command_for(w, COMMAND_OUT_OF_SERVICE, 0);
	c.actor = ACTOR_OPERATOR;
	c.u.out_of_service.out = true;
	world_command(w, &c);
	ck_assert(!w->plant[0].commanded);
	world_run(w, 10000);
	require_end(w, 0, END_OPERATOR);
	world_door(w, 0, false);
	world_door(w, 0, true);
	require_state(w, 0, OUTLET_OUT_OF_SERVICE);
}
END_TEST

/* A technician's session on an outlet that was reserved before it was taken out of service. */
START_TEST(service_on_a_reserved_outlet)
{
	reserve(0, "account-0", 600000);
	struct command c = command_for(w, COMMAND_OUT_OF_SERVICE, 0);
	c.u.out_of_service.out = true;
	world_command(w, &c);
	c = technician(w, COMMAND_SERVICE, 0);
	world_command(w, &c);
	world_run(w, 100000);
	c = command_for(w, COMMAND_OUT_OF_SERVICE, 0);
	world_command(w, &c);
	world_run(w, 1000);
	REQUIRE(state_of(w, 0) == OUTLET_RESERVED || state_of(w, 0) == OUTLET_AVAILABLE, "neither free nor reserved");
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

static void add_commands(Suite *suite)
{
	TCase *t = add_case(suite, "commands", setup_started);

	tcase_add_loop_test(t, command_refusals, 0, 4);
	tcase_add_test(t, command_replayed);
	tcase_add_loop_test(t, command_deadline, 0, (int)COUNT(deadlines));
	tcase_add_test(t, command_local);
	tcase_add_loop_test(t, stop_acts_late, 0, 4);
	tcase_add_test(t, stop_again_and_again);
	tcase_add_test(t, no_room_for_a_result);
	tcase_add_test(t, the_last_room);
	tcase_add_test(t, stop_wants_to_be_verified);
	tcase_add_loop_test(t, stop_says_who, 0, ACTOR_COUNT);
	tcase_add_test(t, stop_before_start);
	tcase_add_test(t, command_unknown_outlet);
	t = add_case(suite, "commands", setup);
	tcase_add_test(t, insecure_commands);
}

static void add_remote_mode(Suite *suite)
{
	TCase *t = add_case(suite, "remote mode", setup_started);

	tcase_add_test(t, lease_ends_by_silence);
	tcase_add_test(t, lease_ends_by_amount);
	tcase_add_test(t, lease_lives_by_heartbeats);
	tcase_add_test(t, lease_lives_by_credit);
	tcase_add_test(t, local_mode_needs_no_link);
}

static void add_reservation(Suite *suite)
{
	TCase *t = add_case(suite, "reservation", setup_started);

	tcase_add_test(t, reservation);
	tcase_add_test(t, reservation_expires);
	tcase_add_test(t, reservation_over_reboot);
}

static void add_service_and_being_out_of_service(Suite *suite)
{
	TCase *t = add_case(suite, "service and being out of service", setup_started);

	tcase_add_test(t, service_session);
	tcase_add_test(t, service_without_start);
	tcase_add_test(t, service_not_in_a_customers_session);
	tcase_add_test(t, service_out_of_service);
	tcase_add_test(t, out_of_service_ends);
	tcase_add_test(t, service_on_a_reserved_outlet);
}

int main(void)
{
	Suite *suite = suite_create("box_commands");

	add_commands(suite);
	add_remote_mode(suite);
	add_reservation(suite);
	add_service_and_being_out_of_service(suite);
	return run_suite(suite);
}
