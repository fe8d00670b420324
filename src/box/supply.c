/* src/box/supply.c: while power may flow: closing, limits, credit, lease, silence, opening.
 *
 * Pure room: src/model and what lies below. */
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
	drive(box, o, true);
}

/* --- the rates of a tariff by time of use --- */

/* From now on the tariff's changes are counted by the monotonic clock. */
static void latch_rate(struct box *box, struct outlet *o)
{
	const struct grant *grant = &session_of(box, o)->grant;
	bool by_time = grant->kind == SESSION_CUSTOMER && fee_by_time(&grant->tariff);
	int64_t change_ms = by_time ? fee_next_change_ms(&grant->tariff, box->now.wall_ms) : FEE_NEVER_MS;
	o->wall_offset_ms = box->now.wall_ms - box->now.mono_ms;
	o->rate_change_ms = change_ms == FEE_NEVER_MS ? MOMENT_NEVER : change_ms - o->wall_offset_ms;
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
}

/* Brings the session to the rate of now, from this register on. */
static void catch_up(struct box *box, struct outlet *o, int64_t register_mwh)
{
	uint32_t rate = fee_rate_at(&session_of(box, o)->grant.tariff, box->now.wall_ms);
	if (rate != session_of(box, o)->rate)
		write_boundary(box, o, register_mwh, rate, box->now.wall_ms, false);
}

/* The first reading after a boot: when what was used since the last record was used is known only if the rate did not
 * change meanwhile; else it gets the cheapest. */
static void split_at_boot(struct box *box, struct outlet *o, const struct meter_reading *reading)
{
	const struct fee_tariff *tariff = &session_of(box, o)->grant.tariff;
	bool known = box->now.quality > TIME_UNKNOWN && o->seen.quality > TIME_UNKNOWN &&
		     box->now.wall_ms >= o->seen.wall_ms &&
		     fee_next_change_ms(tariff, o->seen.wall_ms) > box->now.wall_ms;
	if (!known)
		write_boundary(box,
			       o,
			       box->image.outlets[o->index].register_mwh,
			       fee_cheapest_rate(tariff),
			       box->now.wall_ms,
			       true);
	if (o->driven)
		catch_up(box, o, reading->register_mwh);
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
	if (change_ms > from_ms && !fee_mul_div(reading->register_mwh - o->reading.register_mwh,
						change_ms - from_ms,
						to_ms - from_ms,
						FEE_ROUND_DOWN,
						&before_mwh))
		before_mwh = 0; /* cannot be: it is a part of the whole */
	int64_t wall_ms = change_ms + o->wall_offset_ms;
	write_boundary(box, o, o->reading.register_mwh + before_mwh, fee_rate_at(tariff, wall_ms), wall_ms, false);
	int64_t next_ms = fee_next_change_ms(tariff, wall_ms);
	o->rate_change_ms = next_ms == FEE_NEVER_MS ? MOMENT_NEVER : next_ms - o->wall_offset_ms;
}

void supply_split(struct box *box, struct outlet *o, const struct meter_reading *reading)
{
	const struct outlet_image *image = &box->image.outlets[o->index];
	const struct session_image *session = &image->session;
	if (!session_is_open(session) || !session->started_once || session->grant.kind != SESSION_CUSTOMER ||
	    !fee_by_time(&session->grant.tariff) || strcmp(reading->serial, image->serial) != 0)
		return;
	if (o->rate_pending)
		split_at_boot(box, o, reading);
	else if (o->has_reading)
		split_at_change(box, o, reading);
	o->rate_pending = false;
}

int64_t supply_energised_ms(const struct box *box, const struct outlet *o)
{
	int64_t before = session_of(box, o)->energised_ms;
	return o->driven ? before + (box->now.mono_ms - o->driven_since_ms) : before;
}

int64_t supply_bound_mwh(const struct box *box, const struct outlet *o)
{
	return box_overdraft_bound_mwh(&box->config, o->index);
}

/* --- limits --- */

/* The largest energy of the session that a price limit allows. */
static int64_t affordable(const struct box *box, struct outlet *o, const struct grant *grant, int64_t micros)
{
	uint32_t rate = rate_now(box, o);
	if (micros != o->affordable_for_micros || micros < 0 || rate != o->affordable_rate) {
		/* What was used at other rates does not change while this one applies, unless the last reading is still
		 * to be split. */
		struct fee_energy used = account_session_energy(box, o);
		o->affordable_for_micros = rate == session_of(box, o)->rate ? micros : -1;
		o->affordable_rate = rate;
		o->affordable_mwh = fee_affordable_mwh(&grant->tariff, &used, rate, micros);
	}
	return o->affordable_mwh;
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
	int64_t micros = account_available_micros(box, o);
	bool by_amount = grant->limit_micros > 0 && grant->limit_micros < micros;
	int64_t paid_mwh = affordable(box, o, grant, by_amount ? grant->limit_micros : micros);
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
	int64_t energised_ms = supply_energised_ms(box, o);
	supply_open(box, o);
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
	return END_REASON_COUNT;
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
	} else if (missing & MISSING_CLOCK) {
		pause(box, o, END_CLOCK);
	} else {
		o->readback_pending = false;
		latch_rate(box, o);
		if (o->has_reading)
			catch_up(box, o, trusted_register(box, o));
		close_breaker(box, o);
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
	r.u.mark.energised_ms = supply_energised_ms(box, o);
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

/* The start record waits for the disk: nothing that changes meanwhile may be overlooked. */
static void await_durable(struct box *box, struct outlet *o, unsigned missing)
{
	/* Nothing flowed: a pause that was to end goes on as it was, and for its own reason. */
	enum end_reason reason = o->resuming ? session_of(box, o)->reason : END_METER_SILENT;
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
	if (o->rate_change_ms > box->now.mono_ms)
		next = moment_earlier(next, o->rate_change_ms);
	if (target != INT64_MAX)
		next = moment_earlier(next, fee_predictor_reach_ms(&o->predictor, target));
	return moment_earlier(next, o->mark_ms);
}

/* Below this much time a customer is warned. */
#define LOW_CREDIT_MS INT64_C(300000)

void supply_forecast(const struct box *box, const struct outlet *o, struct progress *p)
{
	enum end_reason ignored;
	struct outlet scratch = *o;
	if (o->state != OUTLET_SUPPLYING)
		return;
	int64_t target = register_at(box, o, energy_target(box, &scratch, &ignored));
	int64_t left_mwh = target - trusted_register(box, o);
	int64_t left_ms =
		target == INT64_MAX ? FEE_NEVER_MS : fee_duration_ms(left_mwh > 0 ? left_mwh : 0, p->power_mw);
	if (left_ms == FEE_NEVER_MS)
		return;
	p->remaining_ms = left_ms;
	p->low_credit = left_ms < LOW_CREDIT_MS;
}
