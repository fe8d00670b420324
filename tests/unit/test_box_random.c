/* Tests src/box: what must hold in any world. Random boxes, commands, doors, meters, disks, crashes; after every event:
 * no assertion, no deadline in the past, no queue too long (the harness looks), power only in a started durable session,
 * every unit on the register booked to somebody; and in the end every session has ended. */
#include "box_harness.h"

#define WORLDS 40
#define EVENTS 5000 /* in each */
#define ORDERS 64

static struct world *w;
static bool metering_shut, user_shut[OUTLETS_MAX];
static int64_t door_moved_ms[OUTLETS_MAX + 1]; /* the last is the metering box's */
static unsigned orders;
static struct command history[ORDERS];
static unsigned remembered;
static int64_t calm; /* one event in so many is a customer's */

static bool one_in(int64_t n)
{
	return world_below(w, n) == 0;
}

static int some_outlet(void)
{
	return (int)world_below(w, w->config.outlet_count);
}

/* ---- what must hold ---- */

static bool stood_open(bool shut, int64_t moved_ms)
{
	return !shut && w->now.mono_ms - moved_ms > w->config.input_settle_ms;
}

static void on_breaker(struct world *v, unsigned outlet, bool close)
{
	if (!close)
		return;
	enum session_phase durable = v->durable.outlets[outlet].session.phase;
	enum session_phase present = box_image(v->box)->outlets[outlet].session.phase;
	REQUIRE(durable == PHASE_STARTED, "closed while the disk says %s", word_name(&session_phase_words, durable));
	REQUIRE(present == PHASE_STARTED, "closed while %s", word_name(&session_phase_words, present));
	REQUIRE(box_image(v->box)->outlets[outlet].fault == FAULT_NONE, "closed with a fault");
	REQUIRE(!v->config.metering_door_fitted || !stood_open(metering_shut, door_moved_ms[OUTLETS_MAX]),
		"closed with the metering box open");
	REQUIRE(!v->config.outlets[outlet].door_fitted || !stood_open(user_shut[outlet], door_moved_ms[outlet]),
		"closed with the user box open");
}

static void require_booked(const struct box_image *image, unsigned outlet)
{
	const struct outlet_image *o = &image->outlets[outlet];
	int64_t sum = o->billed_mwh + o->service_mwh + o->outside_mwh + o->session_mwh;

	REQUIRE(sum == o->register_mwh, "outlet %u: " I64 " of " I64 " are booked", outlet, sum, o->register_mwh);
	REQUIRE(o->session_mwh == 0 || session_is_open(&o->session), "energy of no session");
}

static void require_sound(void)
{
	for (unsigned i = 0; i < w->config.outlet_count; i++) {
		enum session_phase phase = box_image(w->box)->outlets[i].session.phase;

		require_booked(&w->durable, i);
		require_booked(box_image(w->box), i);
		REQUIRE(!w->plant[i].commanded || phase == PHASE_STARTED,
			"outlet %u has power while %s",
			i,
			word_name(&session_phase_words, phase));
	}
	w->logged = 0;
}

/* ---- commands ---- */

static const char *order_of(int outlet)
{
	static const char nobody[] = "nobody";
	const char *order = box_image(w->box)->outlets[outlet].session.grant.order;

	return order[0] == '\0' || one_in(20) ? nobody : order;
}

static struct command random_authorize(int outlet)
{
	char order[ORDER_SIZE];
	struct command c;

	snprintf(order, sizeof order, "r%u", ++orders);
	c = authorize_for(w, outlet, order, world_below(w, one_in(2) ? 100000 : 5 * KWH));
	struct grant *g = &c.u.authorize;
	if (one_in(3))
		strcpy(g->account, "shared");
	if (one_in(3)) {
		g->mode = FEE_REMOTE;
		g->lease_ms = 1 + world_below(w, 600000);
	}
	g->tariff.start_fee_micros = one_in(3) ? world_below(w, 50000) : 0;
	g->tariff.quantum_micros = one_in(3) ? 10000 : 1;
	g->tariff.energy_price_micros = one_in(9) ? 0 : world_below(w, 3000000);
	g->limit_mwh = one_in(5) ? world_below(w, 100000) : 0;
	g->limit_micros = one_in(5) ? world_below(w, 100000) : 0;
	g->limit_ms = one_in(5) ? world_below(w, 600000) : 0;
	g->full_ma = one_in(3) ? 1 + world_below(w, 20000) : 0;
	g->full_ms = g->full_ma > 0 ? 1 + world_below(w, 300000) : 0;
	g->hold_ms = one_in(9) ? 0 : world_below(w, 600000);
	return c;
}

static void fill_arguments(struct command *c)
{
	switch (c->type) {
	case COMMAND_CREDIT:
		snprintf(c->u.credit.order, ORDER_SIZE, "%s", order_of(c->outlet));
		c->u.credit.credit_micros = one_in(50) ? FEE_MONEY_MAX_MICROS : world_below(w, 50000);
		c->u.credit.lease_ms = one_in(2) ? 0 : world_below(w, one_in(20) ? INT64_C(100000000000) : 600000);
		break;
	case COMMAND_RESERVE:
		snprintf(c->u.reserve.account, ACCOUNT_SIZE, "account-%d", (int)world_below(w, 3));
		c->u.reserve.hold_ms = world_below(w, one_in(20) ? INT64_C(100000000000) : 600000);
		break;
	case COMMAND_OUT_OF_SERVICE:
		c->u.out_of_service.out = one_in(3);
		break;
	case COMMAND_SERVICE:
		snprintf(c->u.service.order, ORDER_SIZE, "s%u", ++orders);
		c->actor = ACTOR_TECHNICIAN;
		break;
	case COMMAND_UNLOCK:
		if (!one_in(4))
			break;
		c->outlet = RECORD_NO_OUTLET;
		c->actor = ACTOR_TECHNICIAN;
		strcpy(c->u.unlock.work_order, "work");
		break;
	case COMMAND_START:
	case COMMAND_STOP:
	case COMMAND_POWER_OFF:
	case COMMAND_DEPARTED:
		snprintf(c->u.session.order, ORDER_SIZE, "%s", order_of(c->outlet));
		break;
	case COMMAND_AUTHORIZE:
	case COMMAND_RELEASE:
	case COMMAND_CLEAR_FAULT:
	case COMMAND_TYPE_COUNT:
		break;
	}
}

static struct command random_command(void)
{
	int outlet = some_outlet();
	enum command_type type = (enum command_type)world_below(w, COMMAND_TYPE_COUNT);
	struct command c;

	if (one_in(3))
		type = COMMAND_START;
	if (type == COMMAND_AUTHORIZE || one_in(6)) {
		c = random_authorize(outlet);
	} else {
		c = command_for(w, type, outlet);
		c.actor = (enum actor)world_below(w, ACTOR_COUNT);
		fill_arguments(&c);
	}
	strcpy(c.name, "Ada");
	if (one_in(30))
		strcpy(c.box, "box-2");
	if (one_in(30))
		strcpy(c.ledger, "other");
	if (one_in(30))
		c.not_after_ms = w->now.wall_ms - 1;
	return c;
}

static void do_command(void)
{
	struct command_origin origin = {.verified = !one_in(20), .local = one_in(10)};
	struct command c = remembered > 0 && one_in(10) ? history[world_below(w, remembered)] : random_command();

	if (one_in(2))
		origin.server_ms = w->now.wall_ms;
	if (remembered < ORDERS)
		history[remembered++] = c;
	else
		history[world_below(w, ORDERS)] = c;
	world_command_from(w, &c, &origin);
}

/* ---- other events ---- */

static void do_time(void)
{
	int64_t ms = one_in(100) ? world_below(w, 100000) : one_in(8) ? world_below(w, 5000) : world_below(w, 300);

	if (one_in(10))
		world_skip(w, ms); /* the shell is late */
	else
		world_run(w, ms);
}

static void set_door(unsigned outlet, bool shut)
{
	user_shut[outlet] = shut;
	door_moved_ms[outlet] = w->now.mono_ms;
	world_door(w, outlet, shut);
}

static void set_metering_door(bool shut)
{
	metering_shut = shut;
	door_moved_ms[OUTLETS_MAX] = w->now.mono_ms;
	world_metering_door(w, shut);
}

static void do_door(void)
{
	unsigned outlet = (unsigned)some_outlet();

	if (one_in(15))
		set_metering_door(!metering_shut);
	else
		set_door(outlet, !user_shut[outlet]);
	if (!metering_shut && one_in(2))
		set_metering_door(true);
	if (!user_shut[outlet] && !one_in(3))
		set_door(outlet, true);
}

static void do_plant(void)
{
	struct plant_outlet *p = &w->plant[some_outlet()];

	switch (world_below(w, 9)) {
	case 0:
		p->answers = !p->answers || one_in(2);
		break;
	case 1:
		p->stuck = one_in(10);
		break;
	case 2:
		p->leak_mw = one_in(20) ? world_below(w, 100000) : 0;
		break;
	case 3:
		p->register_offset_mwh = one_in(10) ? world_below(w, 100 * KWH) - 50 * KWH : 0;
		break;
	case 4:
		if (one_in(20)) {
			snprintf(p->serial, sizeof p->serial, "new-%u", ++orders);
			p->register_uj = world_below(w, 1000 * KWH) * 3600000;
		}
		break;
	case 5:
		if (one_in(10))
			p->closed = !p->closed;
		break;
	default:
		p->load_mw = one_in(4) ? 0 : world_below(w, RATED_MW);
		break;
	}
}

static void do_contact(void)
{
	unsigned outlet = (unsigned)some_outlet();
	bool level = w->plant[outlet].closed;

	if (!w->config.outlets[outlet].breaker.contact_fitted)
		return;
	box_on_input(w->box, INPUT_CONTACT, outlet, one_in(10) ? !level : level, w->now);
	world_run(w, 1 + world_below(w, 100));
}

static void do_disk(void)
{
	if (one_in(10))
		w->disk_works = !w->disk_works;
	else if (one_in(10))
		world_storage(w, one_in(2));
	else if (w->queued > 0)
		world_commit_some(w, 1 + (size_t)world_below(w, (int64_t)w->queued));
}

static void do_uplink(void)
{
	struct uplink_event event = {.type = (enum uplink_event_type)world_below(w, 5)};

	event.accepted_through = (uint64_t)world_below(w, (int64_t)w->durable.seq + 10);
	event.refused = one_in(20);
	event.retry_after_ms = one_in(10) ? world_below(w, 100000) : 0;
	box_on_uplink(w->box, &event, w->now);
	world_run(w, 1);
}

static void do_clock(void)
{
	w->now.quality = one_in(4) ? (enum time_quality)world_below(w, 3) : TIME_SYNCHRONISED;
	if (one_in(20))
		w->now.wall_ms += world_below(w, 1000000000) - 500000000;
}

static void do_reboot(void)
{
	if (one_in(2))
		world_commit_some(w, w->queued / 2);
	world_die(w);
	if (one_in(2))
		w->accepted = w->durable.seq;
	w->disk_works = w->disk_works || one_in(2);
	int64_t before = w->now.mono_ms;
	world_boot(w, one_in(10) ? world_below(w, 2000000) : world_below(w, 20000), w->now.quality);
	for (size_t i = 0; i <= OUTLETS_MAX; i++)
		door_moved_ms[i] -= before - w->now.mono_ms;
	/* what the box was told of the doors counts, not what they were before */
	for (unsigned i = 0; i < w->config.outlet_count; i++) {
		set_door(i, user_shut[i]);
		do_contact();
	}
	set_metering_door(metering_shut);
}

/* ---- somebody who means well, so that there is power to be cut ---- */

static void repair(unsigned outlet)
{
	struct plant_outlet *p = &w->plant[outlet];
	struct command c = technician(w, COMMAND_CLEAR_FAULT, (int)outlet);

	w->disk_works = true;
	w->now.quality = TIME_SYNCHRONISED;
	world_commit(w);
	world_storage(w, false);
	set_metering_door(true);
	set_door(outlet, true);
	p->stuck = false;
	p->answers = true;
	p->leak_mw = 0;
	p->closed = p->commanded;
	if (w->config.outlets[outlet].breaker.contact_fitted)
		box_on_input(w->box, INPUT_CONTACT, outlet, p->closed, w->now);
	world_run(w, 3 * w->reading_ms);
	if (box_image(w->box)->outlets[outlet].fault != FAULT_NONE)
		world_command(w, &c);
}

/* The next thing that a customer, or an operator for him, would do. */
static void do_customer(void)
{
	int outlet = some_outlet();
	struct command c;

	repair((unsigned)outlet);
	c = session_command(w, COMMAND_START, outlet, box_image(w->box)->outlets[outlet].session.grant.order);
	switch (state_of(w, (unsigned)outlet)) {
	case OUTLET_AVAILABLE:
		c = random_authorize(outlet);
		break;
	case OUTLET_RESERVED:
		c = command_for(w, COMMAND_RELEASE, outlet);
		break;
	case OUTLET_FINISHING:
		c = session_command(w, COMMAND_DEPARTED, outlet, c.u.session.order);
		break;
	case OUTLET_OUT_OF_SERVICE:
		c = command_for(w, COMMAND_OUT_OF_SERVICE, outlet);
		break;
	case OUTLET_UNLOCKED:
	case OUTLET_READY:
	case OUTLET_SUPPLYING:
	case OUTLET_PAUSED:
	case OUTLET_ENDING:
	case OUTLET_FAULTED:
	case OUTLET_STATE_COUNT:
		break;
	}
	if (command_fault(&c) == NULL)
		world_command(w, &c);
	world_run(w, world_below(w, one_in(20) ? 100000 : 3000));
}

static void any_event(void)
{
	if (one_in(calm)) {
		do_customer();
		require_sound();
		return;
	}
	switch (world_below(w, 16)) {
	case 0:
	case 1:
	case 2:
	case 3:
		do_time();
		break;
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
		do_command();
		break;
	case 9:
		if (one_in(4))
			do_door();
		break;
	case 10:
		do_plant();
		break;
	case 11:
		if (one_in(4))
			do_contact();
		break;
	case 12:
		do_disk();
		break;
	case 13:
		do_uplink();
		break;
	case 14:
		world_read(w, (unsigned)some_outlet());
		break;
	default:
		if (one_in(10))
			do_reboot();
		else
			do_clock();
		break;
	}
	require_sound();
}

/* ---- the worlds ---- */

static void random_config(void)
{
	struct box_config *c = &w->config;

	calm = 2 + world_below(w, 20);
	c->outlet_count = 1 + (unsigned)world_below(w, one_in(8) ? OUTLETS_MAX : 4);
	c->metering_door_fitted = !one_in(4);
	c->meter_late_ms = 2000 + world_below(w, 10000);
	c->meter_silent_ms = c->meter_late_ms + world_below(w, 60000);
	c->resume_window_ms = world_below(w, 600000);
	c->mark_ms = 1000 + world_below(w, 300000);
	c->input_settle_ms = world_below(w, 100);
	w->reading_ms = 500 + world_below(w, 2000);
	c->reading_age_ms = w->reading_ms;
	for (unsigned i = 0; i < c->outlet_count; i++) {
		struct outlet_config *o = &c->outlets[i];

		o->breaker.kind = one_in(3) ? BREAKER_LATCHING : BREAKER_MONOSTABLE;
		o->breaker.contact_fitted = !one_in(3);
		o->breaker.step_mwh = one_in(3) ? 1 : one_in(2) ? STEP_MWH : 1000000;
		o->door_fitted = !one_in(3);
		if (one_in(2))
			o->serial[0] = '\0';
	}
}

/* All that was broken is mended, and every session is stopped. */
static void mend(void)
{
	w->disk_works = true;
	w->now.quality = TIME_SYNCHRONISED;
	world_commit(w);
	world_storage(w, false);
	set_metering_door(true);
	for (unsigned i = 0; i < w->config.outlet_count; i++) {
		struct plant_outlet *p = &w->plant[i];
		struct command c;

		p->stuck = false;
		p->answers = true;
		p->leak_mw = 0;
		p->closed = p->commanded;
		set_door(i, true);
		c = session_command(w, COMMAND_STOP, (int)i, box_image(w->box)->outlets[i].session.grant.order);
		if (command_fault(&c) == NULL)
			world_command(w, &c);
	}
	world_run(w, w->config.settle_ms + w->config.meter_silent_ms);
}

START_TEST(any_events)
{
	for (int n = 0; n < 4; n++) {
		w = world_new();
		w->random_state = (uint64_t)(_i * WORLDS + n);
		random_config();
		w->on_breaker = on_breaker;
		orders = remembered = 0;
		metering_shut = true;
		for (unsigned i = 0; i < OUTLETS_MAX; i++)
			user_shut[i] = true;
		memset(door_moved_ms, 0, sizeof door_moved_ms);
		world_start(w);
		for (int e = 0; e < EVENTS; e++)
			any_event();
		mend();
		require_sound();
		for (unsigned i = 0; i < w->config.outlet_count; i++)
			REQUIRE(!session_is_open(&w->durable.outlets[i].session), "a session that never ends");
		world_free(w);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("box_random");
	TCase *t = tcase_create("any events");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, any_events, 0, WORLDS / 4);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}
