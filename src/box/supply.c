/* src/box/supply.c: while power may flow: closing, limits, credit, lease, silence, opening.
 *
 * Pure room: src/model and what lies below. */
#include <assert.h>
#include <string.h>

#include "box_internal.h"
#include "price.h"

static const struct session_image *session_of(const struct box *box, const struct outlet *o)
{
	return &box->image.outlets[o->index].session;
}

/* --- the breaker --- */

static void drive(struct box *box, struct outlet *o, bool close)
{
	box->ports.breaker(box->ports.ctx, o->index, close);
	breaker_on_command(&o->breaker, close, box->now.mono_ms);
	if (close)
		o->closed_ms = box->now.mono_ms;
	else if (o->driven)
		o->opened_ms = box->now.mono_ms;
	o->driven = close;
}

void supply_open(struct box *box, struct outlet *o)
{
	o->close_after_seq = 0;
	o->readback_pending = false;
	o->time_lost = false; /* nothing flows that could need it */
	drive(box, o, false);
}

/* The last register that may be believed: of this boot's readings, or of the ledger before the first. */
static int64_t trusted_register(const struct box *box, const struct outlet *o)
{
	return o->has_reading ? o->reading.register_mwh : box->image.outlets[o->index].register_mwh;
}

static void close_breaker(struct box *box, struct outlet *o)
{
	o->close_after_seq = 0;
	o->driven_since_ms = box->now.mono_ms;
	o->mark_ms = box->now.mono_ms + box->config.mark_ms;
	fee_predictor_start(&o->predictor, o->breaker.config.step_mwh, trusted_register(box, o), 0, box->now.mono_ms);
	until_full_begin(&o->until_full);
	drive(box, o, true);
}

/* --- the rates of a tariff by time of use --- */

static bool has_rates(const struct box *box, const struct outlet *o)
{
	const struct session_image *session = session_of(box, o);
	return session_is_open(session) && session->started_once && session->grant.kind == SESSION_CUSTOMER &&
	       fee_by_time(&session->grant.tariff);
}

/* The session's time: what the clock said when the breaker closed, run on by the monotonic one. */
static int64_t latched_wall_ms(const struct box *box, const struct outlet *o)
{
	return box->now.mono_ms + o->wall_offset_ms;
}

static void await_change_after(const struct box *box, struct outlet *o, int64_t wall_ms)
{
	const struct grant *grant = &session_of(box, o)->grant;
	bool by_time = grant->kind == SESSION_CUSTOMER && fee_by_time(&grant->tariff);
	int64_t change_ms = by_time ? fee_next_change_ms(&grant->tariff, wall_ms) : FEE_NEVER_MS;
	o->rate_change_ms = change_ms == FEE_NEVER_MS ? MOMENT_NEVER : change_ms - o->wall_offset_ms;
}

/* From now on the tariff's changes are counted by the monotonic clock. */
static void latch_rate(struct box *box, struct outlet *o)
{
	o->wall_offset_ms = box->now.wall_ms - box->now.mono_ms;
	o->time_lost = false;
	await_change_after(box, o, box->now.wall_ms);
}

/* The rate of what is used from now on: past a change that no reading has shown yet, the next one's. */
static uint32_t rate_now(const struct box *box, const struct outlet *o)
{
	const struct session_image *session = session_of(box, o);
	if (box->now.mono_ms < o->rate_change_ms)
		return session->rate;
	return fee_rate_at(&session->grant.tariff, o->rate_change_ms + o->wall_offset_ms);
}

/* What the register moves above register_mwh is used at another rate. */
static void write_boundary(struct box *box, struct outlet *o, int64_t register_mwh, uint32_t rate, int64_t wall_ms,
			   bool unknown_time)
{
	struct record r = box_record(box, RECORD_BOUNDARY, (int)o->index);
	r.has_register = true;
	r.register_mwh = register_mwh;
	r.u.boundary.rate = rate;
	r.u.boundary.wall_ms = wall_ms;
	r.u.boundary.unknown_time = unknown_time;
	box_write(box, &r);
	o->affordable_for_micros = -1; /* what was used at other rates is not what it was */
}

/* Nobody knows when what the register moved since the last record was used. */
static void lose_time(struct box *box, struct outlet *o)
{
	const struct session_image *session = session_of(box, o);
	uint32_t rate = fee_cheapest_rate(&session->grant.tariff);
	if (session->rate != rate || session->rate_from_ms != 0)
		write_boundary(box, o, box->image.outlets[o->index].register_mwh, rate, box->now.wall_ms, true);
}

/* Brings the session to the rate of now, from this register on. */
static void catch_up(struct box *box, struct outlet *o, int64_t register_mwh)
{
	const struct session_image *session = session_of(box, o);
	int64_t wall_ms = latched_wall_ms(box, o);
	uint32_t rate = fee_rate_at(&session->grant.tariff, wall_ms);
	bool found_again = session->rate_from_ms == 0 && register_mwh > box->image.outlets[o->index].register_mwh;
	if (has_rates(box, o) && (rate != session->rate || found_again))
		write_boundary(box, o, register_mwh, rate, wall_ms, false);
	await_change_after(box, o, wall_ms);
}

/* After a boot: when what was used since the last record was used is known only if the rate has not changed since it began
 * to apply; else it gets the cheapest. Where the register did not move, nothing was used. */
static void split_at_boot(struct box *box, struct outlet *o, int64_t register_mwh)
{
	const struct session_image *session = session_of(box, o);
	bool told = o->driven || box->now.quality > TIME_UNKNOWN;
	int64_t wall_ms = o->driven ? latched_wall_ms(box, o) : box->now.wall_ms;
	bool known = told && session->rate_from_ms != 0 && wall_ms >= session->rate_from_ms &&
		     fee_next_change_ms(&session->grant.tariff, session->rate_from_ms) > wall_ms;
	o->rate_pending = false;
	if (!known && register_mwh > box->image.outlets[o->index].register_mwh)
		lose_time(box, o);
	if (o->driven)
		catch_up(box, o, register_mwh);
}

/* A change of the rate lies between two readings: it splits what was used by energised time. No two changes can: they are
 * further apart than a meter may be silent. */
static void split_at_change(struct box *box, struct outlet *o, const struct meter_reading *reading)
{
	const struct fee_tariff *tariff = &session_of(box, o)->grant.tariff;
	int64_t from_ms = o->reading.mono_ms > o->closed_ms ? o->reading.mono_ms : o->closed_ms;
	int64_t to_ms = o->driven || reading->mono_ms < o->opened_ms ? reading->mono_ms : o->opened_ms;
	int64_t change_ms = o->rate_change_ms;
	int64_t before_mwh = 0;
	if (change_ms >= to_ms)
		return;
	if (change_ms > from_ms) {
		int64_t moved_mwh = reading->register_mwh - o->reading.register_mwh;
		bool split = fee_mul_div(moved_mwh, change_ms - from_ms, to_ms - from_ms, FEE_ROUND_DOWN, &before_mwh);
		assert(split); /* a part of the whole */
		(void)split;
	}
	int64_t wall_ms = change_ms + o->wall_offset_ms;
	write_boundary(box, o, o->reading.register_mwh + before_mwh, fee_rate_at(tariff, wall_ms), wall_ms, false);
	await_change_after(box, o, wall_ms);
}

/* A clock that nobody has told yet may still come: as long as nothing flows, the rate can wait for it. */
static bool awaits_clock(const struct box *box, const struct outlet *o)
{
	return box->now.quality == TIME_UNKNOWN && !o->driven &&
	       box->now.mono_ms < box->boot_ms + box->config.boot_wait_ms;
}

void supply_split(struct box *box, struct outlet *o, const struct meter_reading *reading)
{
	if (!has_rates(box, o) || strcmp(reading->serial, box->image.outlets[o->index].serial) != 0)
		return;
	if (o->time_lost && box->now.quality > TIME_UNKNOWN) {
		latch_rate(box, o);
		catch_up(box, o, reading->register_mwh);
	} else if (o->rate_pending && !awaits_clock(box, o)) {
		split_at_boot(box, o, reading->register_mwh);
	} else if (!o->rate_pending && o->has_reading) {
		split_at_change(box, o, reading);
	}
}

void supply_split_now(struct box *box, struct outlet *o)
{
	bool ours = o->has_reading && strcmp(o->reading.serial, box->image.outlets[o->index].serial) == 0;
	if (o->rate_pending && ours && has_rates(box, o))
		split_at_boot(box, o, o->reading.register_mwh);
}

int64_t supply_energised_ms(const struct box *box, const struct outlet *o, int64_t at_ms)
{
	int64_t before = session_of(box, o)->energised_ms;
	return o->driven ? before + (at_ms - o->driven_since_ms) : before;
}

int64_t supply_bound_mwh(const struct box *box, const struct outlet *o)
{
	return box_overdraft_bound_mwh(&box->config, o->index);
}

/* --- limits --- */

/* The largest energy of the session that a price limit allows. */
static int64_t affordable(const struct box *box, struct outlet *o, const struct grant *grant, int64_t micros)
{
	uint32_t rate = session_of(box, o)->rate;
	/* What was used at other rates does not change while this one applies. */
	if (micros != o->affordable_for_micros || micros < 0) {
		struct fee_energy used = account_session_energy(box, o);
		o->affordable_for_micros = micros;
		o->affordable_mwh = fee_affordable_mwh(&grant->tariff, &used, rate, micros);
	}
	if (rate_now(box, o) == rate)
		return o->affordable_mwh;
	/* The change has passed and no reading has shown it: how much of what nobody has seen yet is used at which of the
	 * two is not known, so the dearer one counts. */
	struct fee_energy used = account_session_energy(box, o);
	int64_t next_mwh = fee_affordable_mwh(&grant->tariff, &used, rate_now(box, o), micros);
	return next_mwh < o->affordable_mwh ? next_mwh : o->affordable_mwh;
}

/* What the session may cost in all, and whether that is its own limit. */
static int64_t allowed_micros(const struct box *box, const struct outlet *o, bool *by_amount)
{
	int64_t limit = session_of(box, o)->grant.limit_micros;
	int64_t micros = account_available_micros(box, o);
	*by_amount = limit > 0 && limit <= micros; /* where both end at once, what was chosen is the reason */
	return *by_amount ? limit : micros;
}

/* The session's energy at which supply must stop, and why. INT64_MAX when nothing limits it. */
static int64_t energy_target(const struct box *box, struct outlet *o, enum end_reason *reason)
{
	const struct grant *grant = &session_of(box, o)->grant;
	int64_t target = INT64_MAX;
	if (grant->limit_mwh > 0) {
		target = grant->limit_mwh;
		*reason = END_LIMIT_ENERGY;
	}
	if (grant->kind == SESSION_SERVICE)
		return target;
	bool by_amount;
	int64_t micros = allowed_micros(box, o, &by_amount);
	int64_t paid_mwh = affordable(box, o, grant, micros);
	if (paid_mwh < target) {
		target = paid_mwh;
		*reason = by_amount		    ? END_LIMIT_AMOUNT :
			  grant->mode == FEE_REMOTE ? END_LEASE_EXPIRED :
						      END_CREDIT_EXHAUSTED;
	}
	return target;
}

/* The register that goes with an energy of the session. */
static int64_t register_at(const struct box *box, const struct outlet *o, int64_t energy_mwh)
{
	int64_t start = session_of(box, o)->start_mwh;
	return energy_mwh > FEE_ENERGY_MAX_MWH ? INT64_MAX : start + energy_mwh;
}

static int64_t lease_deadline(const struct box *box, const struct outlet *o)
{
	const struct grant *grant = &session_of(box, o)->grant;
	if (grant->mode != FEE_REMOTE || grant->kind == SESSION_SERVICE)
		return MOMENT_NEVER;
	int64_t heard = box->uplink.server_heard_ms;
	return (heard > o->lease_from_ms ? heard : o->lease_from_ms) + grant->lease_ms;
}

bool supply_lease_is_over(const struct box *box, const struct outlet *o)
{
	return box->now.mono_ms >= lease_deadline(box, o);
}

static int64_t time_deadline(const struct box *box, const struct outlet *o)
{
	const struct session_image *session = session_of(box, o);
	if (session->grant.limit_ms == 0)
		return MOMENT_NEVER;
	return o->driven_since_ms + session->grant.limit_ms - session->energised_ms;
}

/* When the load is full. The reading that says so is a fresh one: where readings come rarely, it waits for the next. */
static int64_t full_deadline(const struct box *box, const struct outlet *o)
{
	int64_t full_ms = session_of(box, o)->grant.full_ms;
	bool late = box->now.mono_ms >= o->answered_ms + box->config.meter_late_ms;
	return full_ms == 0 || late ? MOMENT_NEVER : until_full_reached_ms(&o->until_full, full_ms);
}

/* The moment at which worst-case use since the last reading passes the target: rated power all the time, on top of a
 * whole step that the register did not show. */
static int64_t worst_case_deadline(const struct box *box, const struct outlet *o, int64_t target_mwh)
{
	const struct outlet_config *config = box_outlet_config(box, o);
	int64_t left = target_mwh - trusted_register(box, o) - config->breaker.step_mwh;
	if (target_mwh == INT64_MAX)
		return MOMENT_NEVER;
	int64_t late = o->answered_ms + box->config.meter_late_ms;
	int64_t reached = left <= 0 ? o->answered_ms : o->answered_ms + fee_duration_ms(left, config->rated_mw);
	return reached > late ? reached : late;
}

/* --- running --- */

static void pause(struct box *box, struct outlet *o, enum end_reason reason)
{
	int64_t energised_ms = supply_energised_ms(box, o, box->now.mono_ms);
	supply_open(box, o);
	supply_split_now(box, o);
	struct record r = box_record(box, RECORD_PAUSED, (int)o->index);
	r.u.paused.reason = reason;
	r.u.paused.energised_ms = energised_ms;
	box_write(box, &r);
	o->start_wanted = false;
	o->deadline_ms = box->now.mono_ms + box->config.resume_window_ms;
	outlet_rest(box, o);
}

void supply_interrupted(struct box *box, struct outlet *o)
{
	pause(box, o, END_POWER_LOST);
}

enum end_reason supply_forbidden(const struct box *box, const struct outlet *o)
{
	switch (box->image.outlets[o->index].fault) {
	case FAULT_TRIPPED:
		return END_TRIPPED;
	case FAULT_TAMPER:
		return END_TAMPER;
	case FAULT_WELDED:
	case FAULT_WILL_NOT_CLOSE:
	case FAULT_BYPASSED:
		return END_BREAKER_FAULT;
	case FAULT_NONE:
	case FAULT_COUNT:
		break;
	}
	if (!box_storage_is_sound(box))
		return END_STORAGE;
	if (o->verdict == READING_OTHER_METER)
		return END_METER_REPLACED;
	if (o->verdict == READING_IMPLAUSIBLE)
		return END_METER_IMPLAUSIBLE;
	return END_REASON_COUNT;
}

/* Which limit has been reached, or END_REASON_COUNT. */
static enum end_reason limiting_reason(const struct box *box, struct outlet *o)
{
	int64_t now = box->now.mono_ms;
	enum end_reason reason = END_REASON_COUNT;
	int64_t target = register_at(box, o, energy_target(box, o, &reason));
	if (fee_predictor_estimate_mwh(&o->predictor, now) >= target)
		return reason;
	if (now >= o->answered_ms + box->config.meter_silent_ms || now >= worst_case_deadline(box, o, target))
		return END_METER_SILENT;
	if (now >= time_deadline(box, o))
		return END_LIMIT_TIME;
	if (now >= lease_deadline(box, o))
		return END_LEASE_EXPIRED;
	if (now >= full_deadline(box, o))
		return END_FULL;
	return END_REASON_COUNT;
}

/* A latching breaker that a crash left closed supplies on. */
static void go_on(struct box *box, struct outlet *o, bool clock_known)
{
	o->readback_pending = false;
	if (clock_known) {
		latch_rate(box, o);
		supply_split_now(box, o);
		if (o->has_reading)
			catch_up(box, o, trusted_register(box, o));
	} else {
		lose_time(box, o);
		o->rate_pending = false;
		o->time_lost = true;
	}
	close_breaker(box, o);
}

/* A latching breaker after a crash: closed goes on if nothing forbids it, anything else waits for the customer. */
static void read_back(struct box *box, struct outlet *o, enum end_reason forbidden, unsigned missing)
{
	if ((!o->contact.known || (missing & MISSING_CLOCK)) && box->now.mono_ms < o->deadline_ms)
		return;
	if (forbidden != END_REASON_COUNT) {
		outlet_stop(box, o, forbidden);
	} else if (!o->contact.known || !o->contact.stable) {
		pause(box, o, END_POWER_LOST);
		o->boot_pending = true;
	} else if (missing & MISSING_DOORS) {
		pause(box, o, END_DOOR);
	} else {
		go_on(box, o, !(missing & MISSING_CLOCK));
	}
}

static void mark(struct box *box, struct outlet *o)
{
	if (box->now.mono_ms < o->mark_ms)
		return;
	if (!o->has_reading) { /* a latching breaker goes on after a crash, and its meter has not answered yet */
		o->mark_ms = box->now.mono_ms + box->config.mark_ms;
		return;
	}
	struct record r = box_record(box, RECORD_MARK, (int)o->index);
	r.u.mark.energised_ms = supply_energised_ms(box, o, box->now.mono_ms);
	/* The image's count moves to now, and the time since then with it. */
	o->driven_since_ms = box->now.mono_ms;
	o->mark_ms = box->now.mono_ms + box->config.mark_ms;
	box_write(box, &r);
}

void supply_begin(struct box *box, struct outlet *o)
{
	bool resumes = session_of(box, o)->phase == PHASE_PAUSED;
	struct record r = box_record(box, resumes ? RECORD_RESUMED : RECORD_STARTED, (int)o->index);
	r.u.started.rate = fee_rate_at(&session_of(box, o)->grant.tariff, box->now.wall_ms);
	box_write(box, &r);
	latch_rate(box, o);
	o->rate_pending = false;
	o->start_wanted = false;
	o->close_after_seq = box->image.seq;
	o->close_until_ms = box->now.mono_ms + BOX_WAIT_MS;
	o->resuming = resumes;
	o->affordable_for_micros = -1;
	outlet_rest(box, o);
}

/* Why a start that was begun cannot be carried out. */
static enum end_reason reason_of(unsigned missing)
{
	if (missing & MISSING_METER)
		return END_METER_SILENT;
	if (missing & MISSING_PLAUSIBLE)
		return END_METER_IMPLAUSIBLE;
	if (missing & MISSING_COMMISSIONED)
		return END_METER_REPLACED;
	if (missing & (MISSING_BREAKER_OPEN | MISSING_NO_FAULT))
		return END_BREAKER_FAULT;
	return missing & MISSING_CLOCK ? END_CLOCK : END_STORAGE; /* nothing is missing, but the disk takes too long */
}

/* The start record waits for the disk: nothing that changes meanwhile may be overlooked. */
static void await_durable(struct box *box, struct outlet *o, unsigned missing)
{
	/* Nothing flowed: a pause that was to end goes on as it was, and for its own reason. */
	enum end_reason reason = o->resuming ? session_of(box, o)->reason : reason_of(missing);
	if (missing & MISSING_CREDIT)
		outlet_stop(box, o, END_CREDIT_EXHAUSTED);
	else if (missing != 0 || box->now.mono_ms >= o->close_until_ms)
		pause(box, o, reason);
	else if (box->durable_seq >= o->close_after_seq)
		close_breaker(box, o);
}

void supply_run(struct box *box, struct outlet *o)
{
	unsigned missing = outlet_missing(box, o);
	enum end_reason reason = supply_forbidden(box, o);
	if (o->readback_pending)
		read_back(box, o, reason, missing);
	else if (reason != END_REASON_COUNT)
		outlet_stop(box, o, reason);
	else if (missing & MISSING_DOORS)
		pause(box, o, END_DOOR);
	else if (o->close_after_seq != 0)
		await_durable(box, o, missing);
	else if ((reason = limiting_reason(box, o)) != END_REASON_COUNT)
		outlet_stop(box, o, reason);
	else
		mark(box, o);
}

int64_t supply_deadline(const struct box *box, const struct outlet *o)
{
	enum end_reason ignored;
	struct outlet scratch = *o; /* the cache of what is affordable may move: a copy keeps this call pure */
	if (o->readback_pending)
		return o->deadline_ms;
	if (o->close_after_seq != 0)
		return moment_earlier(o->close_until_ms, o->answered_ms + box->config.meter_late_ms);
	int64_t target = register_at(box, o, energy_target(box, &scratch, &ignored));
	int64_t next = o->answered_ms + box->config.meter_silent_ms;
	next = moment_earlier(next, worst_case_deadline(box, o, target));
	next = moment_earlier(next, time_deadline(box, o));
	next = moment_earlier(next, lease_deadline(box, o));
	next = moment_earlier(next, full_deadline(box, o));
	if (o->rate_change_ms > box->now.mono_ms)
		next = moment_earlier(next, o->rate_change_ms);
	if (target != INT64_MAX)
		next = moment_earlier(next, fee_predictor_reach_ms(&o->predictor, target));
	return moment_earlier(next, o->mark_ms);
}

/* Below this much time a customer is warned. */
#define LOW_CREDIT_MS INT64_C(300000)

/* How long the credit lasts at this power. A change of the rate that comes before its end counts, the one after it not. */
static int64_t time_left_ms(const struct box *box, const struct outlet *o, int64_t power_mw)
{
	const struct session_image *session = session_of(box, o);
	enum end_reason ignored;
	bool by_amount;
	struct outlet scratch = *o;
	int64_t target = register_at(box, o, energy_target(box, &scratch, &ignored));
	int64_t left_mwh = target - trusted_register(box, o);
	int64_t left_ms = target == INT64_MAX ? FEE_NEVER_MS : fee_duration_ms(left_mwh > 0 ? left_mwh : 0, power_mw);
	int64_t change_ms = o->rate_change_ms - box->now.mono_ms;
	if (o->rate_change_ms == MOMENT_NEVER || change_ms <= 0 || left_ms <= change_ms || power_mw <= 0)
		return left_ms;
	struct fee_energy used = account_session_energy(box, o);
	used.mwh[session->rate] += fee_energy_mwh(power_mw, change_ms);
	int64_t then_mwh = fee_energy_total(&used);
	uint32_t rate = fee_rate_at(&session->grant.tariff, o->rate_change_ms + o->wall_offset_ms);
	if (then_mwh > FEE_ENERGY_MAX_MWH)
		return left_ms;
	int64_t end_mwh = fee_affordable_mwh(&session->grant.tariff, &used, rate, allowed_micros(box, o, &by_amount));
	if (session->grant.limit_mwh > 0 && session->grant.limit_mwh < end_mwh)
		end_mwh = session->grant.limit_mwh;
	return change_ms + fee_duration_ms(end_mwh > then_mwh ? end_mwh - then_mwh : 0, power_mw);
}

void supply_forecast(const struct box *box, const struct outlet *o, struct progress *p)
{
	if (o->state != OUTLET_SUPPLYING)
		return;
	int64_t left_ms = time_left_ms(box, o, p->power_mw);
	if (left_ms == FEE_NEVER_MS)
		return;
	p->remaining_ms = left_ms;
	p->low_credit = left_ms < LOW_CREDIT_MS;
}
