/* src/box/command_run.c: what a command may do, and what it does.
 *
 * Pure room: src/model and what lies below. Whoever sends a command is checked before anything else; a command acts at
 * most once; only stop and power_off act late, out of order and again. */
#include <assert.h>
#include <string.h>

#include "box_internal.h"
#include "price.h"

/* Rejected commands are reported, but no flood of them may fill the ledger. */
#define REJECTED_REST_MS INT64_C(60000)

/* So are stops, which act late and again, and which whoever has seen one can send again: so many at once, then one in a
 * while. They act all the same, and a server that has no result asks again. */
#define STOPS_AT_ONCE 16
#define STOP_REST_MS INT64_C(60000)

static const char no_session[] = "no such session on this outlet";

static struct session_image *session_of(struct box *box, struct outlet *o)
{
	return &box->image.outlets[o->index].session;
}

/* The session that the order names, if it is this outlet's and its end record is not written. */
static bool names_open_session(struct box *box, struct outlet *o, const char *order)
{
	const struct session_image *session = session_of(box, o);
	return session_is_open(session) && strcmp(session->grant.order, order) == 0;
}

/* The sentence for the first condition that is missing. */
static const char *first_missing(unsigned missing)
{
	return missing_sentence(missing & -missing);
}

/* --- one function per command: NULL when done, else why not --- */

static const char *occupied(const struct outlet *o)
{
	switch (o->state) {
	case OUTLET_AVAILABLE:
		return NULL;
	case OUTLET_RESERVED:
		return "the outlet is reserved";
	case OUTLET_FAULTED:
		return "the outlet has a fault";
	case OUTLET_OUT_OF_SERVICE:
		return "the outlet is out of service";
	case OUTLET_UNLOCKED:
	case OUTLET_READY:
	case OUTLET_SUPPLYING:
	case OUTLET_PAUSED:
	case OUTLET_ENDING:
	case OUTLET_FINISHING:
	case OUTLET_STATE_COUNT:
		break;
	}
	return "the outlet is in use";
}

/* What forbids any new session, a service one included. */
static const char *unfit(struct box *box, struct outlet *o)
{
	unsigned missing = outlet_missing(box, o) & (MISSING_STORAGE | MISSING_COMMISSIONED);
	if ((missing & MISSING_COMMISSIONED) && box->image.outlets[o->index].serial[0] == '\0' && !o->has_reading)
		return missing_sentence(MISSING_METER); /* nobody knows yet which one it is */
	return missing == 0 ? NULL : first_missing(missing);
}

static const char *write_grant(struct box *box, struct outlet *o, const struct grant *grant)
{
	struct record r = box_record(box, RECORD_AUTHORIZED, (int)o->index);
	memcpy(r.order, grant->order, sizeof r.order);
	r.u.authorized = *grant;
	box_write(box, &r);
	outlet_unlocked(box, o);
	return NULL;
}

static bool order_is_known(const struct box *box, const char *order)
{
	for (unsigned i = 0; i < box->config.outlet_count; i++) {
		const struct session_image *session = &box->image.outlets[i].session;
		if (session->phase != PHASE_NONE && strcmp(session->grant.order, order) == 0)
			return true;
	}
	return false;
}

static const char *run_authorize(struct box *box, struct outlet *o, const struct command *c,
				 const struct command_origin *origin)
{
	(void)origin;
	const struct grant *grant = &c->u.authorize;
	const char *reserved_for = box->image.outlets[o->index].reserved_for;
	bool theirs = o->state == OUTLET_RESERVED && strcmp(reserved_for, grant->account) == 0;
	const char *why = theirs ? NULL : occupied(o);
	if (why != NULL)
		return why;
	if ((why = unfit(box, o)) != NULL)
		return why;
	if (order_is_known(box, grant->order))
		return "a session with this order number is there already";
	const struct account_image *account = image_account(&box->image, grant->account);
	int64_t credit = grant->credit_micros;
	if (account != NULL)
		credit += account->granted_micros - account->spent_micros;
	if (fee_by_time(&grant->tariff) && box->now.quality == TIME_UNKNOWN)
		return "the price depends on the time of day, and the box does not know the time";
	const struct fee_energy none = {{0}};
	uint32_t rate = fee_rate_at(&grant->tariff, box->now.wall_ms);
	if (fee_affordable_mwh(&grant->tariff, &none, rate, credit) == 0)
		return "the credit does not pay for any energy";
	write_grant(box, o, grant);
	o->lease_from_ms = box->now.mono_ms;
	outlet_pulse_after(box, o, box->image.seq, true);
	return NULL;
}

static const char *run_service(struct box *box, struct outlet *o, const struct command *c,
			       const struct command_origin *origin)
{
	(void)origin;
	struct grant grant = {.kind = SESSION_SERVICE};
	const char *why = o->state == OUTLET_OUT_OF_SERVICE ? NULL : occupied(o);
	if (why != NULL)
		return why;
	if ((why = unfit(box, o)) != NULL)
		return why;
	memcpy(grant.order, c->u.service.order, sizeof grant.order);
	grant.limit_ms = box->config.service_ms;
	grant.hold_ms = box->config.service_ms;
	return write_grant(box, o, &grant);
}

static const char *run_start(struct box *box, struct outlet *o, const struct command *c,
			     const struct command_origin *origin)
{
	if (!names_open_session(box, o, c->u.session.order))
		return no_session;
	if (session_of(box, o)->grant.kind == SESSION_SERVICE && !origin->local)
		return "a service session is started at the box";
	if (o->state == OUTLET_SUPPLYING)
		return "the outlet is supplying already";
	if (o->state == OUTLET_ENDING)
		return "the session is ending";
	if (supply_lease_is_over(box, o))
		return "the server has not been heard from for too long";
	if (o->boot_pending)
		return "the box is still finding out how long the power was away";
	unsigned missing = outlet_missing(box, o);
	if (missing != 0)
		return first_missing(missing);
	if (!o->start_wanted) /* whoever presses again does not wait longer for it */
		o->start_wanted_ms = box->now.mono_ms;
	o->start_wanted = true;
	return NULL;
}

static enum end_reason reason_of(enum actor actor)
{
	static const enum end_reason reasons[ACTOR_COUNT] = {
		[ACTOR_SERVER] = END_SERVER,
		[ACTOR_CUSTOMER] = END_CUSTOMER,
		[ACTOR_OPERATOR] = END_OPERATOR,
		[ACTOR_TECHNICIAN] = END_TECHNICIAN,
	};
	return reasons[actor];
}

static const char *run_stop(struct box *box, struct outlet *o, const struct command *c,
			    const struct command_origin *origin)
{
	(void)origin;
	const struct session_image *session = session_of(box, o);
	if (session->phase == PHASE_NONE || strcmp(session->grant.order, c->u.session.order) != 0)
		return no_session;
	if (session_is_open(session) && session->phase != PHASE_STOPPING)
		outlet_stop(box, o, reason_of(c->actor));
	return NULL;
}

static const char *run_credit(struct box *box, struct outlet *o, const struct command *c,
			      const struct command_origin *origin)
{
	(void)origin;
	if (!names_open_session(box, o, c->u.credit.order))
		return no_session;
	if (session_of(box, o)->phase == PHASE_STOPPING)
		return "the session is ending";
	if (session_of(box, o)->grant.kind != SESSION_CUSTOMER)
		return "a service session has no credit";
	struct record r = box_record(box, RECORD_CREDIT, (int)o->index);
	r.u.credit.credit_micros = c->u.credit.credit_micros;
	r.u.credit.lease_ms = c->u.credit.lease_ms;
	box_write(box, &r);
	o->lease_from_ms = box->now.mono_ms;
	return NULL;
}

static const char *run_unlock(struct box *box, struct outlet *o, const struct command *c,
			      const struct command_origin *origin)
{
	(void)origin;
	bool customer = c->actor == ACTOR_CUSTOMER || c->actor == ACTOR_SERVER;
	bool technician = c->actor == ACTOR_TECHNICIAN;
	/* The command's own record follows in this group: the lock waits until it is durable. */
	uint64_t seq = box->image.seq + 1;
	if (o == NULL) {
		box->metering_pulse_after_seq = seq;
		box->metering_pulse_until_ms = box->now.mono_ms + BOX_WAIT_MS;
		return NULL;
	}
	if (customer && session_of(box, o)->phase == PHASE_NONE)
		return no_session;
	if (!technician && box->image.outlets[o->index].fault == FAULT_WELDED)
		return "the breaker is welded: a technician must come";
	if (!technician && o->state == OUTLET_SUPPLYING)
		return "the outlet is supplying: stop it first";
	outlet_pulse_after(box, o, seq, !technician);
	return NULL;
}

static const char *run_reserve(struct box *box, struct outlet *o, const struct command *c,
			       const struct command_origin *origin)
{
	(void)origin;
	const char *reserved_for = box->image.outlets[o->index].reserved_for;
	bool theirs = o->state == OUTLET_RESERVED && strcmp(reserved_for, c->u.reserve.account) == 0;
	const char *why = theirs ? NULL : occupied(o);
	if (why != NULL)
		return why;
	struct record r = box_record(box, RECORD_RESERVED, (int)o->index);
	memcpy(r.u.reserved.account, c->u.reserve.account, sizeof r.u.reserved.account);
	r.u.reserved.hold_ms = c->u.reserve.hold_ms;
	box_write(box, &r);
	o->reserved_until_ms = box->now.mono_ms + c->u.reserve.hold_ms;
	o->reservation_pending = false;
	outlet_rest(box, o);
	return NULL;
}

static const char *run_release(struct box *box, struct outlet *o, const struct command *c,
			       const struct command_origin *origin)
{
	(void)origin;
	(void)c;
	if (box->image.outlets[o->index].reserved_for[0] == '\0')
		return "the outlet is not reserved";
	struct record r = box_record(box, RECORD_RELEASED, (int)o->index);
	box_write(box, &r);
	outlet_rest(box, o);
	return NULL;
}

static const char *run_clear_fault(struct box *box, struct outlet *o, const struct command *c,
				   const struct command_origin *origin)
{
	enum outlet_fault fault = box->image.outlets[o->index].fault;
	if (fault == FAULT_NONE)
		return "the outlet has no fault";
	/* On site is at the box itself: from afar a technician is an operator. */
	enum actor actor = c->actor == ACTOR_TECHNICIAN && !origin->local ? ACTOR_OPERATOR : c->actor;
	if (!outlet_fault_clearable(fault, actor))
		return "a technician on site must clear this fault";
	if (!outlet_clear_fault(box, o))
		return "the cause of the fault is still there";
	struct record r = box_record(box, RECORD_CLEARED, (int)o->index);
	r.u.cleared.actor = c->actor;
	memcpy(r.u.cleared.name, c->name, sizeof r.u.cleared.name);
	box_write(box, &r);
	if (!session_is_open(session_of(box, o)))
		outlet_rest(box, o);
	return NULL;
}

static const char *run_out_of_service(struct box *box, struct outlet *o, const struct command *c,
				      const struct command_origin *origin)
{
	(void)origin;
	const struct session_image *session = session_of(box, o);
	if (box->image.outlets[o->index].out_of_service == c->u.out_of_service.out)
		return NULL;
	struct record r = box_record(box, RECORD_SERVICE_MODE, (int)o->index);
	r.u.service_mode.out = c->u.out_of_service.out;
	box_write(box, &r);
	if (!session_is_open(session))
		outlet_rest(box, o);
	else if (c->u.out_of_service.out && session->phase != PHASE_STOPPING)
		outlet_stop(box, o, reason_of(c->actor));
	return NULL;
}

static const char *run_departed(struct box *box, struct outlet *o, const struct command *c,
				const struct command_origin *origin)
{
	(void)origin;
	const struct session_image *session = session_of(box, o);
	if (session->phase != PHASE_ENDED || strcmp(session->grant.order, c->u.session.order) != 0)
		return no_session;
	outlet_departed(box, o);
	return NULL;
}

static const char *run(struct box *box, const struct command *c, const struct command_origin *origin)
{
	static const char *(*const runs[COMMAND_TYPE_COUNT])(
		struct box *, struct outlet *, const struct command *, const struct command_origin *) = {
		[COMMAND_AUTHORIZE] = run_authorize,
		[COMMAND_START] = run_start,
		[COMMAND_STOP] = run_stop,
		[COMMAND_POWER_OFF] = run_stop,
		[COMMAND_CREDIT] = run_credit,
		[COMMAND_UNLOCK] = run_unlock,
		[COMMAND_RESERVE] = run_reserve,
		[COMMAND_RELEASE] = run_release,
		[COMMAND_CLEAR_FAULT] = run_clear_fault,
		[COMMAND_OUT_OF_SERVICE] = run_out_of_service,
		[COMMAND_SERVICE] = run_service,
		[COMMAND_DEPARTED] = run_departed,
	};
	if (c->outlet != RECORD_NO_OUTLET && (unsigned)c->outlet >= box->config.outlet_count)
		return "the box has no such outlet";
	struct outlet *o = c->outlet == RECORD_NO_OUTLET ? NULL : &box->outlets[c->outlet];
	return runs[c->type](box, o, c, origin);
}

/* --- who may --- */

static enum command_outcome judge_deadline(const struct box *box, const struct command *c,
					   const struct command_origin *origin)
{
	/* Our own clock when somebody trusted has set it; else the server's Date; else the meter's clock. */
	int64_t own_ms = box->now.quality > TIME_UNKNOWN ? box->now.wall_ms : 0;
	bool servers = box->now.quality != TIME_SYNCHRONISED && origin->server_ms != 0;
	int64_t now_ms = servers ? origin->server_ms : own_ms;
	if (now_ms == 0)
		return COMMAND_NO_CLOCK;
	return now_ms > c->not_after_ms ? COMMAND_EXPIRED : COMMAND_DONE;
}

static enum command_outcome judge(const struct box *box, const struct command *c, const struct command_origin *origin)
{
	if (!origin->verified && !box->config.insecure_commands)
		return COMMAND_UNVERIFIED;
	if (strcmp(c->box, box->config.box) != 0)
		return COMMAND_FOREIGN;
	if (origin->local || command_is_stop(c->type))
		return COMMAND_DONE;
	if (strcmp(c->ledger, box->ledger) != 0)
		return COMMAND_FOREIGN;
	if (c->seq <= box->image.command_seq)
		return COMMAND_OUT_OF_ORDER;
	return judge_deadline(box, c, origin);
}

/* Only a command that counted moves the sequence on: nobody else may make later ones look old. A stop does not: it may
 * overtake a command that is still to come. */
static bool counts(enum command_outcome outcome)
{
	return outcome == COMMAND_DONE || outcome == COMMAND_REFUSED || outcome == COMMAND_EXPIRED ||
	       outcome == COMMAND_NO_CLOCK;
}

static void write_result(struct box *box, const struct command *c, const struct command_origin *origin,
			 enum command_outcome outcome, const char *detail)
{
	bool known_outlet = c->outlet >= 0 && (unsigned)c->outlet < box->config.outlet_count;
	struct record r = box_record(box, RECORD_COMMAND, known_outlet ? c->outlet : RECORD_NO_OUTLET);
	memcpy(r.u.command.id, c->id, sizeof r.u.command.id);
	r.u.command.seq = counts(outcome) && !origin->local && !command_is_stop(c->type) ? c->seq : 0;
	r.u.command.type = c->type;
	r.u.command.actor = c->actor;
	memcpy(r.u.command.name, c->name, sizeof r.u.command.name);
	r.u.command.outcome = outcome;
	if (detail == NULL)
		detail = c->type == COMMAND_UNLOCK && c->outlet == RECORD_NO_OUTLET ? c->u.unlock.work_order : "";
	word_copy(r.u.command.detail, sizeof r.u.command.detail, detail);
	box_write(box, &r);
}

/* The generic cell rate algorithm: one number holds how much of the burst is used. */
static bool may_note_stop(struct box *box)
{
	int64_t now = box->now.mono_ms;
	int64_t used_until = box->stops_until_ms > now ? box->stops_until_ms : now;
	if (used_until - now > (STOPS_AT_ONCE - 1) * STOP_REST_MS)
		return false;
	box->stops_until_ms = used_until + STOP_REST_MS;
	return true;
}

static void take(struct box *box, const struct command *c, const struct command_origin *origin, bool room)
{
	enum command_outcome outcome = judge(box, c, origin);
	const char *detail = NULL;
	if (outcome == COMMAND_DONE && (detail = run(box, c, origin)) != NULL)
		outcome = COMMAND_REFUSED;
	if (!counts(outcome)) {
		int64_t now = box->now.mono_ms;
		if (box->rejected_ms != INT64_MIN && now - box->rejected_ms < REJECTED_REST_MS)
			return;
		box->rejected_ms = now;
	} else if (!origin->local && command_is_stop(c->type) && !may_note_stop(box)) {
		return;
	}
	/* A stop acts even where its result has no room: the server asks again, and acting twice does no harm. What has
	 * acted otherwise has its result, though its own records have used the last of the room that is kept for it. */
	if (room)
		write_result(box, c, origin, outcome, detail);
}

bool box_take_command(struct box *box, const struct command *c, const struct command_origin *origin)
{
	assert(command_fault(c) == NULL);
	bool room = box_takes_commands(box);
	if (room || command_is_stop(c->type))
		take(box, c, origin, room);
	return room || command_is_stop(c->type);
}
