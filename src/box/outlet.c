/* src/box/outlet.c: an outlet's life: its states, and every change from one to another.
 *
 * Pure room: src/model and what lies below. */
#include <assert.h>
#include <string.h>

#include "box_internal.h"

#define BIT(state) (1u << (state))
#define POWER_NOTICED_MW INT64_C(20000)

/* Every permitted transition. */
static const unsigned permitted[OUTLET_STATE_COUNT] = {
	[OUTLET_AVAILABLE] =
		BIT(OUTLET_RESERVED) | BIT(OUTLET_UNLOCKED) | BIT(OUTLET_FAULTED) | BIT(OUTLET_OUT_OF_SERVICE),
	[OUTLET_RESERVED] =
		BIT(OUTLET_AVAILABLE) | BIT(OUTLET_UNLOCKED) | BIT(OUTLET_FAULTED) | BIT(OUTLET_OUT_OF_SERVICE),
	[OUTLET_UNLOCKED] = BIT(OUTLET_READY) | BIT(OUTLET_ENDING),
	[OUTLET_READY] = BIT(OUTLET_UNLOCKED) | BIT(OUTLET_SUPPLYING) | BIT(OUTLET_ENDING),
	[OUTLET_SUPPLYING] = BIT(OUTLET_PAUSED) | BIT(OUTLET_ENDING),
	[OUTLET_PAUSED] = BIT(OUTLET_SUPPLYING) | BIT(OUTLET_ENDING),
	[OUTLET_ENDING] = BIT(OUTLET_FINISHING) | BIT(OUTLET_FAULTED) | BIT(OUTLET_AVAILABLE) | BIT(OUTLET_RESERVED) |
			  BIT(OUTLET_OUT_OF_SERVICE),
	[OUTLET_FINISHING] = BIT(OUTLET_AVAILABLE) | BIT(OUTLET_FAULTED) | BIT(OUTLET_OUT_OF_SERVICE),
	[OUTLET_FAULTED] =
		BIT(OUTLET_AVAILABLE) | BIT(OUTLET_RESERVED) | BIT(OUTLET_FINISHING) | BIT(OUTLET_OUT_OF_SERVICE),
	[OUTLET_OUT_OF_SERVICE] = BIT(OUTLET_AVAILABLE) | BIT(OUTLET_RESERVED) | BIT(OUTLET_FINISHING) |
				  BIT(OUTLET_UNLOCKED) | BIT(OUTLET_FAULTED),
};

static void change_state(struct box *box, struct outlet *o, enum outlet_state state)
{
	if (o->state == state)
		return;
	assert(permitted[o->state] & BIT(state));
	o->state = state;
	o->door_cycled = false;
	uplink_on_progress(&box->uplink);
}

/* --- conditions --- */

static bool door_is_shut(const struct debounce *door, bool fitted)
{
	return !fitted || (door->known && door->stable);
}

static bool meter_is_fresh(const struct box *box, const struct outlet *o)
{
	return o->has_reading && box->now.mono_ms - o->answered_ms < box->config.meter_late_ms;
}

static bool meter_is_commissioned(const struct box *box, const struct outlet *o)
{
	const char *serial = box_outlet_config(box, o)->serial;
	const char *known = box->image.outlets[o->index].serial;
	return known[0] != '\0' && (serial[0] == '\0' || strcmp(serial, known) == 0);
}

unsigned outlet_missing(const struct box *box, const struct outlet *o)
{
	const struct outlet_image *image = &box->image.outlets[o->index];
	unsigned missing = 0;
	if (!door_is_shut(&box->metering_door, box->config.metering_door_fitted))
		missing |= MISSING_METERING_DOOR;
	if (!door_is_shut(&o->door, box_outlet_config(box, o)->door_fitted))
		missing |= MISSING_USER_DOOR;
	if (!meter_is_fresh(box, o))
		missing |= MISSING_METER;
	if (o->has_reading && o->verdict != READING_TRUSTED)
		missing |= MISSING_PLAUSIBLE;
	if (!meter_is_commissioned(box, o) || o->verdict == READING_OTHER_METER)
		missing |= MISSING_COMMISSIONED;
	if (!o->driven && !breaker_is_open(&o->breaker))
		missing |= MISSING_BREAKER_OPEN;
	if (image->fault != FAULT_NONE)
		missing |= MISSING_NO_FAULT;
	if (!box_storage_is_sound(box))
		missing |= MISSING_STORAGE;
	if (image->session.grant.kind == SESSION_CUSTOMER && session_is_open(&image->session) &&
	    account_available_micros(box, o) <= account_session_cost(box, o))
		missing |= MISSING_CREDIT;
	if (session_is_open(&image->session) && fee_by_time(&image->session.grant.tariff) &&
	    box->now.quality == TIME_UNKNOWN)
		missing |= MISSING_CLOCK;
	return missing;
}

/* --- rest --- */

static enum outlet_state state_of_image(const struct outlet_image *image, const struct outlet *o)
{
	switch (image->session.phase) {
	case PHASE_AUTHORIZED:
		return o->state == OUTLET_READY ? OUTLET_READY : OUTLET_UNLOCKED;
	case PHASE_STARTED:
		return OUTLET_SUPPLYING;
	case PHASE_PAUSED:
		return OUTLET_PAUSED;
	case PHASE_STOPPING:
		return OUTLET_ENDING;
	case PHASE_NONE:
	case PHASE_ENDED:
	case SESSION_PHASE_COUNT:
		break;
	}
	if (image->fault != FAULT_NONE)
		return OUTLET_FAULTED;
	if (image->session.phase == PHASE_ENDED)
		return OUTLET_FINISHING;
	if (image->out_of_service)
		return OUTLET_OUT_OF_SERVICE;
	return image->reserved_for[0] != '\0' ? OUTLET_RESERVED : OUTLET_AVAILABLE;
}

void outlet_rest(struct box *box, struct outlet *o)
{
	change_state(box, o, state_of_image(&box->image.outlets[o->index], o));
}

void outlet_pulse_after(struct box *box, struct outlet *o, uint64_t seq, bool customer)
{
	o->pulse_after_seq = seq;
	o->pulse_until_ms = box->now.mono_ms + BOX_WAIT_MS;
	o->customer_pulse = customer;
}

void outlet_unlocked(struct box *box, struct outlet *o)
{
	o->start_wanted = false;
	o->deadline_ms = box->now.mono_ms + box->image.outlets[o->index].session.grant.hold_ms;
	outlet_rest(box, o);
}

void outlet_raise_fault(struct box *box, struct outlet *o, enum outlet_fault fault)
{
	if (box->image.outlets[o->index].fault >= fault)
		return;
	struct record r = box_record(box, RECORD_FAULT, (int)o->index);
	r.u.fault.fault = fault;
	box_write(box, &r);
	if (!session_is_open(&box->image.outlets[o->index].session))
		outlet_rest(box, o);
}

bool outlet_clear_fault(struct box *box, struct outlet *o)
{
	if (!door_is_shut(&box->metering_door, box->config.metering_door_fitted))
		return false;
	return breaker_clear(&o->breaker, box->now.mono_ms) && breaker_is_open(&o->breaker);
}

/* --- the meter --- */

static void settle(struct box *box, struct outlet *o, const struct meter_reading *reading);

#define ALARM_REST_MS INT64_C(3600000)

/* At most one of a kind an hour: a loose wire must not fill the ledger. */
static void meter_alarm(struct box *box, struct outlet *o, enum alarm alarm)
{
	int64_t *last_ms = &o->alarm_ms[alarm];
	if ((*last_ms != INT64_MIN && box->now.mono_ms - *last_ms < ALARM_REST_MS) || !box_has_room(box))
		return;
	*last_ms = box->now.mono_ms;
	box_alarm(box, (int)o->index, alarm, o->reading.serial);
}

/* Begins the epoch of a meter that the configuration allows. */
static void adopt(struct box *box, struct outlet *o, const struct meter_reading *reading)
{
	const char *commissioned = box_outlet_config(box, o)->serial;
	if (!box_has_room(box) || session_is_open(&box->image.outlets[o->index].session) ||
	    (commissioned[0] != '\0' && strcmp(commissioned, reading->serial) != 0))
		return;
	plausibility_prime(&o->gate, reading->serial, reading->register_mwh);
	o->verdict = plausibility_judge(&o->gate, reading);
	o->reading = *reading;
	o->has_reading = true;
	o->answered_ms = reading->mono_ms;
	struct record r = box_record(box, RECORD_METER, (int)o->index);
	r.has_register = true;
	r.register_mwh = reading->register_mwh;
	word_copy(r.u.meter.serial, sizeof r.u.meter.serial, reading->serial);
	box_write(box, &r);
}

/* Outside a session a confirmed doubt has consequences for the register's owner: nobody. */
static void resolve_doubt(struct box *box, struct outlet *o, const struct meter_reading *reading)
{
	const struct outlet_image *image = &box->image.outlets[o->index];
	bool other = o->verdict == READING_OTHER_METER;
	meter_alarm(box, o, other ? ALARM_METER_REPLACED : ALARM_METER_IMPLAUSIBLE);
	if (session_is_open(&image->session))
		return;
	if (other)
		adopt(box, o, reading);
	else if (reading->register_mwh > o->gate.trusted_mwh)
		plausibility_prime(&o->gate, image->serial, reading->register_mwh);
}

/* Whether somebody who looks should see it: by more than a tenth, and more than a lamp. */
static bool power_moved(const struct outlet *o)
{
	int64_t margin = o->told_mw / 10 > POWER_NOTICED_MW ? o->told_mw / 10 : POWER_NOTICED_MW;
	return o->reading.power_mw > o->told_mw + margin || o->reading.power_mw < o->told_mw - margin;
}

static void take_trusted(struct box *box, struct outlet *o, const struct meter_reading *reading)
{
	const struct outlet_image *image = &box->image.outlets[o->index];
	supply_split(box, o, reading);
	bool stepped = !o->has_reading || reading->register_mwh != o->reading.register_mwh;
	o->reading = *reading;
	o->has_reading = true;
	o->silent_told = false;
	o->answered_ms = reading->mono_ms;
	if (image->serial[0] == '\0')
		adopt(box, o, reading);
	if (o->driven) {
		fee_predictor_reading(&o->predictor, reading->register_mwh, reading->power_mw, reading->mono_ms);
		until_full_on_reading(&o->until_full, image->session.grant.full_ma, reading);
	}
	breaker_on_reading(&o->breaker, reading->current_ma, reading->register_mwh, reading->asked_ms);
	if (o->state == OUTLET_SUPPLYING && (stepped || power_moved(o))) {
		o->told_mw = reading->power_mw;
		uplink_on_progress(&box->uplink);
	}
}

/* What no meter says: nothing of it may reach a record. */
static bool is_readable(const struct meter_reading *reading)
{
	return word_is_printable(reading->serial, sizeof reading->serial) && reading->register_mwh >= 0 &&
	       reading->register_mwh <= FEE_ENERGY_MAX_MWH;
}

void outlet_on_reading(struct box *box, struct outlet *o, const struct meter_reading *reading)
{
	o->verdict = is_readable(reading) ? plausibility_judge(&o->gate, reading) : READING_HELD;
	if (o->verdict == READING_OTHER_METER || o->verdict == READING_IMPLAUSIBLE)
		resolve_doubt(box, o, reading);
	if (o->verdict != READING_TRUSTED)
		return;
	take_trusted(box, o, reading);
	if (o->state == OUTLET_ENDING)
		settle(box, o, reading);
	/* A start needs a register that was read after it was asked for. */
	bool startable = o->state == OUTLET_READY || (o->state == OUTLET_PAUSED && !o->boot_pending);
	if (startable && o->start_wanted && reading->asked_ms >= o->start_wanted_ms && outlet_missing(box, o) == 0)
		supply_begin(box, o);
}

/* --- ends --- */

static void become_available(struct box *box, struct outlet *o)
{
	struct record r = box_record(box, RECORD_AVAILABLE, (int)o->index);
	box_write(box, &r);
	o->pulse_after_seq = 0;
	outlet_rest(box, o);
}

/* Writes the session's one end record, with its receipt. settled: the register was read after the breaker opened. */
static void end(struct box *box, struct outlet *o, enum end_reason reason, bool settled)
{
	const struct outlet_image *image = &box->image.outlets[o->index];
	supply_split_now(box, o);
	struct record r = box_record(box, RECORD_ENDED, (int)o->index);
	struct receipt *receipt = &r.u.ended;
	*receipt = (struct receipt){
		.reason = reason,
		.energised_ms = image->session.energised_ms,
		.settled = settled,
		.start_mwh = image->register_mwh,
	};
	if (image->session.started_once) {
		receipt->start_mwh = image->session.start_mwh;
		receipt->energy_mwh = account_session_mwh(box, o);
	}
	struct fee_energy energy = account_session_energy(box, o);
	receipt->by_rate = session_by_rate(&image->session.grant, &energy);
	if (!end_reason_is_ours(reason))
		receipt->amount_micros = session_cost_micros(&image->session.grant, &energy);
	bool service = image->session.grant.kind == SESSION_SERVICE;
	assert(image_amount_fault(&box->image, &r) == NULL);
	box_write(box, &r);
	if (service)
		become_available(box, o); /* the technician stands there */
	else
		outlet_rest(box, o);
}

void outlet_stop(struct box *box, struct outlet *o, enum end_reason reason)
{
	const struct session_image *session = &box->image.outlets[o->index].session;
	int64_t energised_ms = supply_energised_ms(box, o, box->now.mono_ms);
	supply_open(box, o);
	o->start_wanted = false;
	o->boot_pending = false;
	supply_split_now(box, o);
	struct record r = box_record(box, RECORD_STOPPING, (int)o->index);
	r.u.stopping.reason = reason;
	r.u.stopping.energised_ms = energised_ms;
	box_write(box, &r);
	o->settle_register_mwh = -1;
	o->deadline_ms = box->now.mono_ms + box->config.settle_ms;
	outlet_rest(box, o);
	if (!session->started_once)
		end(box, o, reason, true);
}

/* Zero current and the same register twice: what flows after that is not this customer's. */
static void settle(struct box *box, struct outlet *o, const struct meter_reading *reading)
{
	bool quiet = breaker_is_open(&o->breaker) && reading->current_ma < o->breaker.config.current_threshold_ma &&
		     reading->asked_ms >= o->breaker.commanded_at_ms;
	if (quiet && o->settle_register_mwh == reading->register_mwh)
		end(box, o, box->image.outlets[o->index].session.reason, true);
	else
		o->settle_register_mwh = quiet ? reading->register_mwh : -1;
}

void outlet_departed(struct box *box, struct outlet *o)
{
	become_available(box, o);
}

/* --- running --- */

static void run_waiting(struct box *box, struct outlet *o)
{
	if (o->boot_pending)
		return;
	if (box->now.mono_ms >= o->deadline_ms) {
		outlet_stop(box, o, END_NOT_STARTED);
		return;
	}
	unsigned missing = outlet_missing(box, o);
	if (missing != 0)
		o->start_wanted = false;
	change_state(box, o, missing == 0 ? OUTLET_READY : OUTLET_UNLOCKED);
}

static void run_paused(struct box *box, struct outlet *o)
{
	const struct outlet_image *image = &box->image.outlets[o->index];
	if (o->boot_pending)
		return;
	enum end_reason forbidden = supply_forbidden(box, o);
	if (forbidden != END_REASON_COUNT && forbidden != END_STORAGE)
		outlet_stop(box, o, forbidden);
	else if (box->now.mono_ms >= o->deadline_ms)
		outlet_stop(box, o, image->session.reason);
	else if (outlet_missing(box, o) != 0)
		o->start_wanted = false;
}

static void run_ending(struct box *box, struct outlet *o)
{
	if (box->now.mono_ms >= o->deadline_ms)
		end(box, o, box->image.outlets[o->index].session.reason, false);
}

static void run_reserved(struct box *box, struct outlet *o)
{
	if (box->now.mono_ms < o->reserved_until_ms || !box_has_room(box))
		return;
	struct record r = box_record(box, RECORD_RELEASED, (int)o->index);
	box_write(box, &r);
	outlet_rest(box, o);
}

static void run_finishing(struct box *box, struct outlet *o)
{
	const struct debounce *door = &o->door;
	if (!door->known || !box_has_room(box))
		return;
	if (!door->stable)
		o->door_cycled = true;
	else if (o->door_cycled)
		become_available(box, o);
}

static enum outlet_fault fault_of_breaker(enum breaker_fault fault)
{
	static const enum outlet_fault map[BREAKER_FAULT_COUNT] = {
		[BREAKER_SOUND] = FAULT_NONE,
		[BREAKER_WELDED] = FAULT_WELDED,
		[BREAKER_WILL_NOT_CLOSE] = FAULT_WILL_NOT_CLOSE,
		[BREAKER_TRIPPED] = FAULT_TRIPPED,
		[BREAKER_BYPASSED] = FAULT_BYPASSED,
	};
	return map[fault];
}

/* A lock is pulsed when the record that allows it is durable and its coil has rested. */
static void run_lock(struct box *box, struct outlet *o)
{
	if (o->pulse_after_seq == 0 || box->durable_seq < o->pulse_after_seq)
		return;
	if (box->now.mono_ms >= o->pulse_until_ms) {
		o->pulse_after_seq = 0; /* nobody stands there any more */
		return;
	}
	bool welded = box->image.outlets[o->index].fault == FAULT_WELDED;
	if (o->customer_pulse && (welded || o->state == OUTLET_SUPPLYING)) {
		o->pulse_after_seq = 0; /* while the pulse waited, what is behind the door became live */
		return;
	}
	int64_t pulse_ms = lock_pulse(&o->lock, box->now.mono_ms);
	if (pulse_ms == 0 && lock_ready_at(&o->lock) > box->now.mono_ms)
		return;
	o->pulse_after_seq = 0;
	if (pulse_ms > 0)
		box->ports.pulse(box->ports.ctx, (int)o->index, pulse_ms);
}

/* How long the box did not decide, or INT64_MAX where no clock can tell. */
static int64_t outage_ms(const struct box *box, const struct outlet *o)
{
	bool runs_on = box->config.power_boot != 0 && o->seen_boot >= box->config.power_boot &&
		       box->now.mono_ms >= o->seen_mono_ms;
	if (runs_on)
		return box->now.mono_ms - o->seen_mono_ms;
	bool known = box->now.quality > TIME_UNKNOWN && o->seen.quality > TIME_UNKNOWN &&
		     box->now.wall_ms >= o->seen.wall_ms;
	return known ? box->now.wall_ms - o->seen.wall_ms : INT64_MAX;
}

/* A session that was open at the last boot, once it is known how long the outage was, or that nobody can tell. */
static void resolve_boot(struct box *box, struct outlet *o)
{
	const struct session_image *session = &box->image.outlets[o->index].session;
	int64_t gone_ms = outage_ms(box, o);
	bool waits = gone_ms == INT64_MAX && box->now.mono_ms < box->boot_ms + box->config.boot_wait_ms;
	if (!o->boot_pending || waits)
		return;
	o->boot_pending = false;
	bool authorized = session->phase == PHASE_AUTHORIZED;
	int64_t allowed_ms = authorized ? session->grant.hold_ms : box->config.resume_window_ms;
	if (gone_ms >= allowed_ms)
		outlet_stop(box, o, authorized ? END_NOT_STARTED : session->reason);
	else
		o->deadline_ms = box->now.mono_ms + allowed_ms - gone_ms;
}

/* A reservation of before the boot: the wall clock, once it is known, tells how much of it is left. */
static void resolve_reservation(struct box *box, struct outlet *o)
{
	const struct outlet_image *image = &box->image.outlets[o->index];
	bool known = box->now.quality > TIME_UNKNOWN && image->reserved_at.quality > TIME_UNKNOWN;
	if (!o->reservation_pending || !known)
		return;
	int64_t gone_ms = box->now.wall_ms - image->reserved_at.wall_ms;
	int64_t left_ms = image->reserved_ms - (gone_ms > 0 ? gone_ms : 0);
	o->reservation_pending = false;
	o->reserved_until_ms = moment_earlier(o->reserved_until_ms, box->now.mono_ms + left_ms);
}

/* Says once per silence, and at most once an hour, that the meter does not answer. */
static void run_silence(struct box *box, struct outlet *o)
{
	if (o->silent_told || box->now.mono_ms < o->answered_ms + box->config.meter_silent_ms)
		return;
	o->silent_told = true;
	meter_alarm(box, o, ALARM_METER_SILENT);
}

/* What a start still lacks is shown to whoever waits for it, also where it changes no state. */
static void run_report(struct box *box, struct outlet *o)
{
	unsigned missing = outlet_missing(box, o);
	if (missing == o->told_missing)
		return;
	o->told_missing = missing;
	uplink_on_progress(&box->uplink);
}

static void run_state(struct box *box, struct outlet *o)
{
	switch (o->state) {
	case OUTLET_UNLOCKED:
	case OUTLET_READY:
		run_waiting(box, o);
		break;
	case OUTLET_SUPPLYING:
		supply_run(box, o);
		break;
	case OUTLET_PAUSED:
		run_paused(box, o);
		break;
	case OUTLET_ENDING:
		run_ending(box, o);
		break;
	case OUTLET_RESERVED:
		run_reserved(box, o);
		break;
	case OUTLET_FINISHING:
		run_finishing(box, o);
		break;
	case OUTLET_AVAILABLE:
	case OUTLET_FAULTED:
	case OUTLET_OUT_OF_SERVICE:
	case OUTLET_STATE_COUNT:
		break;
	}
}

void outlet_run(struct box *box, struct outlet *o)
{
	if (o->breaker.fault != BREAKER_SOUND)
		outlet_raise_fault(box, o, fault_of_breaker(o->breaker.fault));
	run_lock(box, o);
	run_silence(box, o);
	resolve_boot(box, o);
	resolve_reservation(box, o);
	run_state(box, o);
	run_report(box, o);
}

/* --- beginning and waiting --- */

static enum outlet_state state_at_boot(const struct box *box, struct outlet *o)
{
	const struct outlet_image *image = &box->image.outlets[o->index];
	const struct outlet_config *config = box_outlet_config(box, o);
	bool readable = config->breaker.kind == BREAKER_LATCHING && config->breaker.contact_fitted;
	o->readback_pending = readable && image->session.phase == PHASE_STARTED;
	return state_of_image(image, o);
}

void outlet_init(struct box *box, struct outlet *o)
{
	const struct outlet_image *image = &box->image.outlets[o->index];
	const struct outlet_config *config = box_outlet_config(box, o);
	int64_t now = box->now.mono_ms;
	struct breaker_config breaker = config->breaker;
	breaker.actuation_ms += box->config.input_settle_ms; /* the contact is known that much later */
	breaker_init(&o->breaker, &breaker);
	lock_init(&o->lock, config->lock_pulse_ms, config->lock_rest_ms, now);
	debounce_init(&o->door, box->config.input_settle_ms);
	debounce_init(&o->contact, box->config.input_settle_ms);
	plausibility_init(&o->gate, config->rated_mw, config->breaker.step_mwh);
	if (image->serial[0] != '\0')
		plausibility_prime(&o->gate, image->serial, image->register_mwh);
	o->answered_ms = now;
	for (size_t i = 0; i < ALARM_COUNT; i++)
		o->alarm_ms[i] = INT64_MIN;
	o->lease_from_ms = INT64_MIN / 2;
	o->affordable_for_micros = -1;
	o->rate_change_ms = MOMENT_NEVER;
	o->rate_pending = session_is_open(&image->session) && image->session.started_once;
	o->settle_register_mwh = -1;
	o->seen = image->at;
	o->seen_boot = image->seen_boot;
	o->seen_mono_ms = image->seen_mono_ms;
	o->reserved_until_ms = now + image->reserved_ms;
	o->reservation_pending = image->reserved_for[0] != '\0';
	o->state = state_at_boot(box, o);
	o->boot_pending = image->session.phase == PHASE_AUTHORIZED || image->session.phase == PHASE_STARTED ||
			  image->session.phase == PHASE_PAUSED;
	if (o->readback_pending) {
		int64_t gone_ms = outage_ms(box, o);
		o->boot_pending = false;
		o->lease_from_ms = gone_ms == INT64_MAX ? o->lease_from_ms : now - gone_ms;
		o->deadline_ms = now + 2 * box->config.input_settle_ms + config->breaker.actuation_ms;
		return;
	}
	supply_open(box, o);
	o->deadline_ms = now + box->config.boot_wait_ms + box->config.settle_ms;
	if (o->state == OUTLET_SUPPLYING)
		supply_interrupted(box, o);
}

static int64_t state_deadline(const struct box *box, const struct outlet *o)
{
	switch (o->state) {
	case OUTLET_UNLOCKED:
	case OUTLET_READY:
	case OUTLET_PAUSED:
		/* A meter that falls silent makes a ready outlet unready. */
		return o->boot_pending ? box->boot_ms + box->config.boot_wait_ms :
		       o->has_reading && box->now.mono_ms < o->answered_ms + box->config.meter_late_ms ?
					 moment_earlier(o->deadline_ms, o->answered_ms + box->config.meter_late_ms) :
					 o->deadline_ms;
	case OUTLET_SUPPLYING:
		return supply_deadline(box, o);
	case OUTLET_ENDING:
		return o->deadline_ms;
	case OUTLET_RESERVED:
		/* Past it when the ledger has no room: look again later. */
		return o->reserved_until_ms > box->now.mono_ms ? o->reserved_until_ms : box->now.mono_ms + 1000;
	case OUTLET_AVAILABLE:
	case OUTLET_FINISHING:
	case OUTLET_FAULTED:
	case OUTLET_OUT_OF_SERVICE:
	case OUTLET_STATE_COUNT:
		break;
	}
	return MOMENT_NEVER;
}

int64_t outlet_deadline(const struct box *box, const struct outlet *o)
{
	int64_t next = state_deadline(box, o);
	next = moment_earlier(next, breaker_deadline(&o->breaker));
	next = moment_earlier(next, debounce_deadline(&o->door));
	next = moment_earlier(next, debounce_deadline(&o->contact));
	if (o->pulse_after_seq != 0 && box->durable_seq >= o->pulse_after_seq)
		next = moment_earlier(next, moment_earlier(lock_ready_at(&o->lock), o->pulse_until_ms));
	if (!o->silent_told)
		next = moment_earlier(next, o->answered_ms + box->config.meter_silent_ms);
	return next;
}
