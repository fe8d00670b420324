/* The fake world of box_harness.h. Tests nothing by itself but what must hold after every event of the heart: no
 * deadline in the past, no queue beyond its bound, no record that the ledger would refuse. */
#include "box_harness.h"

#define UJ_PER_MWH INT64_C(3600000)
#define DRAIN_MAX 64

/* ---- ports ---- */

static struct log_entry *note(struct world *w, enum deed deed, int outlet)
{
	if (w->logged == LOG_MAX)
		w->logged = 0;
	struct log_entry *entry = &w->log[w->logged++];
	*entry = (struct log_entry){.deed = deed, .at_ms = w->now.mono_ms, .outlet = outlet};
	return entry;
}

static void port_breaker(void *ctx, unsigned outlet, bool close)
{
	struct world *w = ctx;
	struct plant_outlet *p = &w->plant[outlet];

	REQUIRE(outlet < w->config.outlet_count, "breaker of outlet %u", outlet);
	if (w->on_breaker != NULL)
		w->on_breaker(w, outlet, close);
	note(w, DEED_BREAKER, (int)outlet)->close = close;
	p->commanded = close;
	p->closings += close;
	if (!p->stuck && p->closed != close)
		p->moves_at_ms = w->now.mono_ms + w->config.outlets[outlet].breaker.actuation_ms / 2;
	else
		p->moves_at_ms = MOMENT_NEVER;
}

static void port_pulse(void *ctx, int outlet, int64_t pulse_ms)
{
	struct world *w = ctx;
	int64_t rated =
		outlet == RECORD_NO_OUTLET ? w->config.metering_lock_pulse_ms : w->config.outlets[outlet].lock_pulse_ms;

	REQUIRE(pulse_ms > 0 && pulse_ms <= rated, "a pulse of " I64 " ms", pulse_ms);
	note(w, DEED_PULSE, outlet)->pulse_ms = pulse_ms;
}

static void port_append(void *ctx, const struct record *records, size_t count)
{
	struct world *w = ctx;

	REQUIRE(count > 0 && w->queued + count <= RECORDS_QUEUED_MAX,
		"%zu records more than %zu queued",
		count,
		w->queued);
	for (size_t i = 0; i < count; i++) {
		const struct record *r = &records[i];
		const char *fault = record_fault(r);
		uint64_t before = w->queued ? w->queue[w->queued - 1].seq : w->durable.seq;

		REQUIRE(fault == NULL, "%s record: %s", word_name(&record_kind_words, r->kind), fault);
		REQUIRE(r->seq == before + 1, "record %" PRIu64 " after %" PRIu64, r->seq, before);
		w->queue[w->queued++] = *r;
		note(w, DEED_RECORD, r->outlet)->record = *r;
	}
}

static uint64_t port_random(void *ctx)
{
	return world_random(ctx);
}

uint64_t world_random(struct world *w)
{
	uint64_t z = (w->random_state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

int64_t world_below(struct world *w, int64_t limit)
{
	return (int64_t)(world_random(w) % (uint64_t)limit);
}

/* ---- after every event ---- */

static void note_post(struct world *w, const struct uplink_request *request)
{
	w->posts++;
	w->posted_through = request->through;
	for (unsigned i = 0; i < w->config.outlet_count; i++)
		box_progress(w->box, i, &w->told[i], w->now);
}

static void drain_uplink(struct world *w)
{
	struct uplink_request request;
	int n = 0;

	while (box_uplink_next(w->box, &request, w->now)) {
		REQUIRE(++n < DRAIN_MAX, "the uplink never has enough");
		if (request.action == UPLINK_POST)
			note_post(w, &request);
		if (request.action == UPLINK_POST && request.through >= request.from)
			REQUIRE(request.through <= w->durable.seq,
				"record %" PRIu64 " is sent before it is durable",
				request.through);
	}
}

static void make_durable(struct world *w, size_t count)
{
	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++) {
		const char *fault = image_apply(&w->durable, &w->queue[i]);
		REQUIRE(fault == NULL, "record %" PRIu64 ": %s", w->queue[i].seq, fault);
	}
	w->queued -= count;
	memmove(w->queue, w->queue + count, w->queued * sizeof *w->queue);
	box_on_durable(w->box, w->durable.seq, w->now);
}

/* The disk, the link and what is due at once, until nothing is left to do: then the deadline lies ahead. */
static void after(struct world *w)
{
	for (int n = 0; w->disk_works && w->queued > 0; n++) {
		REQUIRE(n < DRAIN_MAX, "every commit writes more records");
		make_durable(w, w->queued);
	}
	drain_uplink(w);
	if (box_next_deadline(w->box) <= w->now.mono_ms) {
		box_on_deadline(w->box, w->now);
		if (w->disk_works)
			make_durable(w, w->queued);
		drain_uplink(w);
	}
	int64_t next = box_next_deadline(w->box);
	REQUIRE(next > w->now.mono_ms,
		"a busy loop: deadline " I64 " at " I64 ", outlet 0 is %s",
		next,
		w->now.mono_ms,
		word_name(&outlet_state_words, state_of(w, 0)));
}

/* ---- time and physics ---- */

static int64_t flow_mw(const struct plant_outlet *p)
{
	return (p->closed ? p->load_mw : 0) + p->leak_mw;
}

void world_skip(struct world *w, int64_t ms)
{
	for (unsigned i = 0; i < w->config.outlet_count; i++)
		w->plant[i].register_uj += flow_mw(&w->plant[i]) * ms;
	w->now.mono_ms += ms;
	w->now.wall_ms += ms;
}

int64_t exact_of(const struct world *w, unsigned outlet)
{
	return w->plant[outlet].register_uj / UJ_PER_MWH;
}

int64_t register_of(const struct world *w, unsigned outlet)
{
	int64_t step = w->config.outlets[outlet].breaker.step_mwh;
	return exact_of(w, outlet) / step * step + w->plant[outlet].register_offset_mwh;
}

void world_read(struct world *w, unsigned outlet)
{
	const struct plant_outlet *p = &w->plant[outlet];
	struct meter_reading r = {.mono_ms = w->now.mono_ms,
				  .asked_ms = w->now.mono_ms,
				  .power_mw = flow_mw(p),
				  .current_ma = flow_mw(p) / 230};

	r.register_mwh = register_of(w, outlet);
	memcpy(r.serial, p->serial, sizeof r.serial);
	box_on_reading(w->box, outlet, &r, w->now);
	after(w);
}

static void tell_contact(struct world *w, unsigned outlet)
{
	if (!w->config.outlets[outlet].breaker.contact_fitted)
		return;
	box_on_input(w->box, INPUT_CONTACT, outlet, w->plant[outlet].closed, w->now);
	after(w);
}

static void move_breakers(struct world *w)
{
	for (unsigned i = 0; i < w->config.outlet_count; i++) {
		struct plant_outlet *p = &w->plant[i];

		if (p->moves_at_ms > w->now.mono_ms)
			continue;
		p->moves_at_ms = MOMENT_NEVER;
		p->closed = p->commanded;
		tell_contact(w, i);
	}
}

static int64_t next_event(const struct world *w)
{
	int64_t next = box_next_deadline(w->box);

	for (unsigned i = 0; i < w->config.outlet_count; i++)
		next = w->plant[i].moves_at_ms < next ? w->plant[i].moves_at_ms : next;
	return w->meters_work && w->next_reading_ms < next ? w->next_reading_ms : next;
}

static void read_meters(struct world *w)
{
	if (!w->meters_work || w->next_reading_ms > w->now.mono_ms)
		return;
	w->next_reading_ms = w->now.mono_ms + w->reading_ms;
	for (unsigned i = 0; i < w->config.outlet_count; i++) {
		if (w->plant[i].answers)
			world_read(w, i);
	}
}

void world_until(struct world *w, int64_t mono_ms)
{
	while (w->now.mono_ms < mono_ms) {
		int64_t next = next_event(w);

		next = next < w->now.mono_ms ? w->now.mono_ms : next;
		world_skip(w, (next < mono_ms ? next : mono_ms) - w->now.mono_ms);
		move_breakers(w);
		read_meters(w);
		if (box_next_deadline(w->box) <= w->now.mono_ms) {
			box_on_deadline(w->box, w->now);
			after(w);
		}
	}
}

void world_run(struct world *w, int64_t ms)
{
	world_until(w, w->now.mono_ms + ms);
}

/* ---- the world's beginning, end and new beginning ---- */

struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof *w);

	w->box = calloc(1, box_size());
	w->log = calloc(LOG_MAX, sizeof *w->log);
	w->now = (struct moment){.mono_ms = 10000, .wall_ms = WALL_MS, .quality = TIME_SYNCHRONISED};
	w->disk_works = true;
	w->meters_work = true;
	w->reading_ms = 500;
	image_init(&w->durable);
	box_config_defaults(&w->config);
	strcpy(w->config.box, "box-1");
	strcpy(w->config.version, "test");
	w->config.outlet_count = 2;
	w->config.metering_door_fitted = true;
	for (unsigned i = 0; i < OUTLETS_MAX; i++) {
		struct outlet_config *o = &w->config.outlets[i];

		o->rated_mw = RATED_MW;
		o->breaker = (struct breaker_config){
			.contact_fitted = true, .actuation_ms = 200, .current_threshold_ma = 100, .step_mwh = STEP_MWH};
		o->door_fitted = true;
		o->lock_pulse_ms = 300;
		o->lock_rest_ms = 2000;
		snprintf(o->serial, sizeof o->serial, "meter-%u", i);
		memcpy(w->plant[i].serial, o->serial, sizeof o->serial);
		w->plant[i].register_uj = (123 + i) * KWH * UJ_PER_MWH;
		w->plant[i].answers = true;
		w->plant[i].moves_at_ms = MOMENT_NEVER;
	}
	return w;
}

void world_free(struct world *w)
{
	free(w->box);
	free(w->log);
	free(w);
}

static void init_box(struct world *w)
{
	struct box_ports ports = {w, port_breaker, port_pulse, port_append, port_random};
	struct box_image image = w->durable;

	w->queued = 0;
	w->next_reading_ms = w->now.mono_ms;
	box_init(w->box, &w->config, &ports, &image, LEDGER, w->accepted, w->now);
	after(w);
}

void world_tell_inputs(struct world *w)
{
	world_metering_door(w, true);
	for (unsigned i = 0; i < w->config.outlet_count; i++) {
		if (w->config.outlets[i].door_fitted)
			world_door(w, i, true);
		tell_contact(w, i);
	}
}

void world_start(struct world *w)
{
	init_box(w);
	world_tell_inputs(w);
	world_run(w, 6000);
}

/* A monostable breaker drops; a latching one stays where it is. */
void world_die(struct world *w)
{
	w->queued = 0;
	for (unsigned i = 0; i < w->config.outlet_count; i++) {
		struct plant_outlet *p = &w->plant[i];

		p->moves_at_ms = MOMENT_NEVER;
		p->commanded = p->closed;
		if (w->config.outlets[i].breaker.kind == BREAKER_MONOSTABLE && !p->stuck)
			p->closed = p->commanded = false;
	}
}

void world_boot(struct world *w, int64_t outage_ms, enum time_quality quality)
{
	world_skip(w, outage_ms);
	w->now.mono_ms = 10000;
	w->now.quality = quality;
	init_box(w);
}

void world_restart(struct world *w, int64_t outage_ms, enum time_quality quality)
{
	int64_t mono_ms = w->now.mono_ms;
	world_die(w);
	world_skip(w, outage_ms);
	w->now.mono_ms = mono_ms + outage_ms;
	w->now.quality = quality;
	init_box(w);
	world_tell_inputs(w);
	world_run(w, 6000);
}

void world_reboot(struct world *w, int64_t outage_ms, enum time_quality quality)
{
	world_die(w);
	world_boot(w, outage_ms, quality);
	world_tell_inputs(w);
	world_run(w, 6000);
}

/* ---- single events ---- */

void world_door(struct world *w, unsigned outlet, bool closed)
{
	box_on_input(w->box, INPUT_USER_DOOR, outlet, closed, w->now);
	after(w);
	world_run(w, w->config.input_settle_ms);
}

void world_metering_door(struct world *w, bool closed)
{
	if (!w->config.metering_door_fitted)
		return;
	box_on_input(w->box, INPUT_METERING_DOOR, 0, closed, w->now);
	after(w);
	world_run(w, w->config.input_settle_ms);
}

void world_commit_some(struct world *w, size_t count)
{
	if (count == 0 || w->queued == 0)
		return;
	make_durable(w, count < w->queued ? count : w->queued);
	after(w);
}

void world_commit(struct world *w)
{
	world_commit_some(w, w->queued);
}

void world_storage(struct world *w, bool failing)
{
	box_on_storage(w->box, failing, w->now);
	after(w);
}

void world_heard(struct world *w, enum uplink_event_type type)
{
	struct uplink_event event = {.type = type};

	box_on_uplink(w->box, &event, w->now);
	after(w);
}

void world_answer(struct world *w)
{
	struct uplink_event event = {.type = UPLINK_POSTED, .accepted_through = w->posted_through};

	box_on_uplink(w->box, &event, w->now);
	after(w);
}

/* ---- commands ---- */

struct command command_for(struct world *w, enum command_type type, int outlet)
{
	struct command c;

	memset(&c, 0, sizeof c);
	strcpy(c.box, w->config.box);
	strcpy(c.ledger, LEDGER);
	c.seq = ++w->command_seq;
	snprintf(c.id, sizeof c.id, "c%" PRIu64, c.seq);
	c.not_after_ms = w->now.wall_ms + 60000;
	c.type = type;
	c.outlet = outlet;
	c.actor = ACTOR_CUSTOMER;
	return c;
}

struct command authorize_for(struct world *w, int outlet, const char *order, int64_t credit_micros)
{
	struct command c = command_for(w, COMMAND_AUTHORIZE, outlet);
	struct grant *g = &c.u.authorize;

	snprintf(g->order, sizeof g->order, "%s", order);
	snprintf(g->account, sizeof g->account, "account-%d", outlet);
	/* one currency unit a kilowatt-hour: a micro is a milliwatt-hour */
	g->tariff = (struct fee_tariff){.id = "flat",
					.version = 1,
					.currency = "EUR",
					.energy_price_micros = 1000000,
					.quantum_micros = 1,
					.rounding = FEE_ROUND_HALF_UP};
	g->credit_micros = credit_micros;
	g->hold_ms = 120000;
	return c;
}

struct command session_command(struct world *w, enum command_type type, int outlet, const char *order)
{
	struct command c = command_for(w, type, outlet);

	if (type == COMMAND_CREDIT)
		snprintf(c.u.credit.order, sizeof c.u.credit.order, "%s", order);
	else if (type == COMMAND_SERVICE)
		snprintf(c.u.service.order, sizeof c.u.service.order, "%s", order);
	else
		snprintf(c.u.session.order, sizeof c.u.session.order, "%s", order);
	return c;
}

struct command technician(struct world *w, enum command_type type, int outlet)
{
	struct command c = session_command(w, type, outlet, "work-1");

	c.actor = ACTOR_TECHNICIAN;
	strcpy(c.name, "Ada");
	return c;
}

void world_command_from(struct world *w, const struct command *c, const struct command_origin *origin)
{
	const char *fault = command_fault(c);

	REQUIRE(fault == NULL, "the test's own command: %s", fault);
	w->taken = box_on_command(w->box, c, origin, w->now);
	after(w);
}

void world_command(struct world *w, const struct command *c)
{
	/* A technician stands at the box; only the metering box's work order comes from the server. */
	bool local = c->actor == ACTOR_TECHNICIAN && c->outlet != RECORD_NO_OUTLET;
	struct command_origin origin = {.verified = true, .local = local};

	world_command_from(w, c, &origin);
}

void world_start_order(struct world *w, int outlet, const char *order)
{
	struct command c = session_command(w, COMMAND_START, outlet, order);

	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
}

void world_stop_order(struct world *w, int outlet, const char *order)
{
	struct command c = session_command(w, COMMAND_STOP, outlet, order);

	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
}

void world_supply(struct world *w, int outlet, int64_t credit_micros, int64_t load_mw)
{
	char order[ORDER_SIZE];

	snprintf(order, sizeof order, "o%d", outlet);
	struct command c = authorize_for(w, outlet, order, credit_micros);
	world_command(w, &c);
	require_outcome(w, &c, COMMAND_DONE);
	world_run(w, 1000);
	require_state(w, (unsigned)outlet, OUTLET_READY);
	w->plant[outlet].load_mw = load_mw;
	world_start_order(w, outlet, order);
	world_run(w, 1000);
	require_state(w, (unsigned)outlet, OUTLET_SUPPLYING);
	REQUIRE(w->plant[outlet].closed, "supplying, but the breaker is open");
}

/* ---- what was seen ---- */

struct progress progress_of(const struct world *w, unsigned outlet)
{
	struct progress p;

	box_progress(w->box, outlet, &p, w->now);
	return p;
}

enum outlet_state state_of(const struct world *w, unsigned outlet)
{
	return progress_of(w, outlet).state;
}

const struct record *last_record(const struct world *w, enum record_kind kind, int outlet)
{
	for (size_t i = w->logged; i-- > 0;) {
		const struct log_entry *e = &w->log[i];
		if (e->deed == DEED_RECORD && e->record.kind == kind && e->outlet == outlet)
			return &e->record;
	}
	return NULL;
}

unsigned count_records(const struct world *w, enum record_kind kind, int outlet)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->logged; i++) {
		const struct log_entry *e = &w->log[i];
		n += e->deed == DEED_RECORD && e->record.kind == kind && e->outlet == outlet;
	}
	return n;
}

unsigned count_pulses(const struct world *w, int outlet)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->logged; i++)
		n += w->log[i].deed == DEED_PULSE && w->log[i].outlet == outlet;
	return n;
}

unsigned count_alarms(const struct world *w, enum alarm alarm)
{
	unsigned n = 0;

	for (size_t i = 0; i < w->logged; i++) {
		const struct record *r = &w->log[i].record;
		n += w->log[i].deed == DEED_RECORD && r->kind == RECORD_ALARM && r->u.alarm.alarm == alarm;
	}
	return n;
}

const struct record *result_of(const struct world *w, const struct command *c)
{
	for (size_t i = w->logged; i-- > 0;) {
		const struct record *r = &w->log[i].record;
		if (w->log[i].deed == DEED_RECORD && r->kind == RECORD_COMMAND && strcmp(r->u.command.id, c->id) == 0)
			return r;
	}
	return NULL;
}

void require_outcome(const struct world *w, const struct command *c, enum command_outcome outcome)
{
	const struct record *r = result_of(w, c);

	REQUIRE(r != NULL, "command %s left no result", c->id);
	REQUIRE(r->u.command.outcome == outcome,
		"%s: %s (%s), not %s",
		word_name(&command_type_words, c->type),
		word_name(&command_outcome_words, r->u.command.outcome),
		r->u.command.detail,
		word_name(&command_outcome_words, outcome));
}

void require_state(const struct world *w, unsigned outlet, enum outlet_state state)
{
	struct progress p = progress_of(w, outlet);

	REQUIRE(p.state == state,
		"outlet %u is %s (missing %#x), not %s",
		outlet,
		word_name(&outlet_state_words, p.state),
		p.missing,
		word_name(&outlet_state_words, state));
}

void require_end(const struct world *w, int outlet, enum end_reason reason)
{
	const struct record *r = last_record(w, RECORD_ENDED, outlet);

	REQUIRE(r != NULL,
		"outlet %d: no end record; it is %s",
		outlet,
		word_name(&outlet_state_words, state_of(w, (unsigned)outlet)));
	REQUIRE(r->u.ended.reason == reason,
		"ended for %s, not %s",
		word_name(&end_reason_words, r->u.ended.reason),
		word_name(&end_reason_words, reason));
}

int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
