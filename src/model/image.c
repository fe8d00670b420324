/* src/model/image.c: see image.h. */
#include "image.h"

#include <string.h>

#include "price.h"

static const char *const session_phase_names[SESSION_PHASE_COUNT] = {
	[PHASE_NONE] = "none",
	[PHASE_AUTHORIZED] = "authorized",
	[PHASE_STARTED] = "started",
	[PHASE_PAUSED] = "paused",
	[PHASE_STOPPING] = "stopping",
	[PHASE_ENDED] = "ended",
};

const struct words session_phase_words = {session_phase_names, SESSION_PHASE_COUNT};

void image_init(struct box_image *image)
{
	memset(image, 0, sizeof *image);
}

bool session_is_open(const struct session_image *session)
{
	return session->phase != PHASE_NONE && session->phase != PHASE_ENDED;
}

int64_t session_cost_micros(const struct grant *grant, const struct fee_energy *energy)
{
	struct fee_bill bill;
	if (grant->kind == SESSION_SERVICE)
		return 0;
	return fee_price(&grant->tariff, energy, &bill) ? bill.total_micros : FEE_MONEY_MAX_MICROS;
}

struct fee_energy session_by_rate(const struct grant *grant, const struct fee_energy *used)
{
	return fee_by_time(&grant->tariff) ? *used : (struct fee_energy){{0}};
}

const struct account_image *image_account(const struct box_image *image, const char *account)
{
	for (size_t i = 0; account[0] != '\0' && i < OUTLETS_MAX; i++) {
		if (strcmp(image->accounts[i].account, account) == 0)
			return &image->accounts[i];
	}
	return NULL;
}

/* There are as many slots as outlets, so an account with an open session always has one. */
static struct account_image *account_slot(struct box_image *image, const char *account)
{
	struct account_image *free_slot = NULL;
	for (size_t i = 0; i < OUTLETS_MAX; i++) {
		struct account_image *slot = &image->accounts[i];
		if (strcmp(slot->account, account) == 0)
			return slot;
		if (free_slot == NULL && slot->account[0] == '\0')
			free_slot = slot;
	}
	word_copy(free_slot->account, sizeof free_slot->account, account);
	return free_slot;
}

static bool account_has_session(const struct box_image *image, const char *account)
{
	for (size_t i = 0; i < OUTLETS_MAX; i++) {
		const struct session_image *session = &image->outlets[i].session;
		if (session_is_open(session) && session->grant.kind == SESSION_CUSTOMER &&
		    strcmp(session->grant.account, account) == 0)
			return true;
	}
	return false;
}

/* Sums of money saturate: no account gets near, and a sum that wrapped would be worse than one that stops. */
static void add_money(int64_t *sum, int64_t micros)
{
	*sum = micros > FEE_MONEY_MAX_MICROS - *sum ? FEE_MONEY_MAX_MICROS : *sum + micros;
}

/* Books the register's movement since the last record to whom it belongs. */
static const char *take_register(struct outlet_image *o, int64_t register_mwh)
{
	if (o->serial[0] == '\0')
		return "a register before any meter";
	if (register_mwh < o->register_mwh)
		return "the register falls";
	int64_t moved = register_mwh - o->register_mwh;
	if (session_is_open(&o->session) && o->session.started_once) {
		o->session_mwh += moved;
		o->session.used.mwh[o->session.rate] += moved;
	} else {
		o->outside_mwh += moved;
	}
	o->register_mwh = register_mwh;
	return NULL;
}

static const char *apply_meter(struct outlet_image *o, const struct record *r)
{
	if (session_is_open(&o->session))
		return "a meter's epoch begins inside a session";
	memcpy(o->serial, r->u.meter.serial, sizeof o->serial);
	o->register_mwh = r->register_mwh;
	o->outside_mwh = r->register_mwh;
	o->billed_mwh = 0;
	o->service_mwh = 0;
	o->session_mwh = 0;
	return NULL;
}

static const char *apply_authorized(struct box_image *image, struct outlet_image *o, const struct record *r)
{
	const struct grant *grant = &r->u.authorized;
	if (o->session.phase != PHASE_NONE)
		return "authorized while another session is there";
	bool customer = grant->kind == SESSION_CUSTOMER;
	if (customer && o->reserved_for[0] != '\0' && strcmp(o->reserved_for, grant->account) != 0)
		return "authorized although reserved for another account";
	o->session = (struct session_image){.phase = PHASE_AUTHORIZED, .grant = *grant};
	o->session_mwh = 0;
	if (!customer)
		return NULL; /* a technician's work leaves a reservation as it is */
	o->reserved_for[0] = '\0';
	add_money(&account_slot(image, grant->account)->granted_micros, grant->credit_micros);
	return NULL;
}

static const char *apply_credit(struct box_image *image, struct outlet_image *o, const struct record *r)
{
	struct grant *grant = &o->session.grant;
	if (grant->kind != SESSION_CUSTOMER)
		return "credit for a service session";
	add_money(&account_slot(image, grant->account)->granted_micros, r->u.credit.credit_micros);
	if (r->u.credit.lease_ms > 0)
		grant->lease_ms = r->u.credit.lease_ms;
	return NULL;
}

static const char *apply_ended(struct box_image *image, struct outlet_image *o, const struct record *r)
{
	struct session_image *session = &o->session;
	const struct receipt *receipt = &r->u.ended;
	struct fee_energy by_rate = session_by_rate(&session->grant, &session->used);
	if (receipt->energy_mwh != o->session_mwh)
		return "the receipt's energy is not what the register moved";
	if (memcmp(&receipt->by_rate, &by_rate, sizeof by_rate) != 0)
		return "the receipt's energy by rate is not what the register moved";
	if (session->started_once && receipt->start_mwh != session->start_mwh)
		return "the receipt's start is not the session's";
	if (session->grant.kind == SESSION_SERVICE)
		o->service_mwh += o->session_mwh;
	else
		o->billed_mwh += o->session_mwh;
	o->session_mwh = 0;
	session->phase = PHASE_ENDED;
	session->rate = 0; /* billed: the parts are the receipt's now */
	session->rate_from_ms = 0;
	session->used = (struct fee_energy){{0}};
	session->reason = receipt->reason;
	session->energised_ms = receipt->energised_ms;
	if (session->grant.kind == SESSION_SERVICE)
		return NULL;
	struct account_image *account = account_slot(image, session->grant.account);
	add_money(&account->spent_micros, receipt->amount_micros);
	if (!account_has_session(image, session->grant.account))
		*account = (struct account_image){0};
	return NULL;
}

/* What follows is used at another rate. The time that a rate is claimed for must be one at which it applies. */
static const char *apply_rate(struct session_image *session, uint32_t rate, const struct moment *at)
{
	const struct fee_tariff *tariff = &session->grant.tariff;
	if (session->grant.kind == SESSION_SERVICE)
		return rate == 0 ? NULL : "a service session has no rates";
	if (rate >= fee_rates(tariff))
		return "rate is not one of the tariff's";
	if (fee_by_time(tariff) && at->quality == TIME_UNKNOWN)
		return "a tariff by time of use, and an unknown time";
	if (rate != fee_rate_at(tariff, at->wall_ms))
		return "rate is not the tariff's at that time";
	session->rate = rate;
	session->rate_from_ms = fee_by_time(tariff) ? at->wall_ms : 0;
	return NULL;
}

static const char *apply_boundary(struct session_image *session, const struct record *r)
{
	const struct fee_tariff *tariff = &session->grant.tariff;
	struct moment at = {.wall_ms = r->u.boundary.wall_ms, .quality = TIME_RELATIVE};
	if (!session_is_open(session) || !session->started_once || session->grant.kind == SESSION_SERVICE ||
	    !fee_by_time(tariff))
		return "a boundary, but no session of a tariff by time of use";
	if (!r->u.boundary.unknown_time)
		return apply_rate(session, r->u.boundary.rate, &at);
	if (r->u.boundary.rate != fee_cheapest_rate(tariff))
		return "what is used at an unknown time is not given the cheapest rate";
	session->rate = r->u.boundary.rate;
	session->rate_from_ms = 0;
	return NULL;
}

/* Moves a session on. Every permitted change of phase stands here, and nowhere else. */
static const char *apply_session(struct box_image *image, struct outlet_image *o, const struct record *r)
{
	struct session_image *session = &o->session;
	enum session_phase phase = session->phase;
	switch (r->kind) {
	case RECORD_STARTED:
		if (phase != PHASE_AUTHORIZED)
			return "started, but not authorized";
		session->phase = PHASE_STARTED;
		session->started_once = true;
		session->start_mwh = r->register_mwh;
		return apply_rate(session, r->u.started.rate, &r->at);
	case RECORD_RESUMED:
		if (phase != PHASE_PAUSED)
			return "resumed, but not paused";
		session->phase = PHASE_STARTED;
		return apply_rate(session, r->u.started.rate, &r->at);
	case RECORD_BOUNDARY:
		return apply_boundary(session, r);
	case RECORD_PAUSED:
		if (phase != PHASE_STARTED)
			return "paused, but not started";
		session->phase = PHASE_PAUSED;
		session->reason = r->u.paused.reason;
		session->energised_ms = r->u.paused.energised_ms;
		return NULL;
	case RECORD_MARK:
		if (phase != PHASE_STARTED)
			return "a mark, but not started";
		session->energised_ms = r->u.mark.energised_ms;
		return NULL;
	case RECORD_CREDIT:
		return session_is_open(session) ? apply_credit(image, o, r) : "credit, but no open session";
	case RECORD_STOPPING:
		if (!session_is_open(session) || phase == PHASE_STOPPING)
			return "stopping, but not running";
		session->phase = PHASE_STOPPING;
		session->reason = r->u.stopping.reason;
		session->energised_ms = r->u.stopping.energised_ms;
		return NULL;
	case RECORD_ENDED:
		return session_is_open(session) ? apply_ended(image, o, r) : "ended, but no open session";
	case RECORD_AVAILABLE:
		if (phase != PHASE_ENDED)
			return "available, but not ended";
		*session = (struct session_image){0};
		return NULL;
	case RECORD_AUTHORIZED:
	case RECORD_BOOT:
	case RECORD_METER:
	case RECORD_RESERVED:
	case RECORD_RELEASED:
	case RECORD_FAULT:
	case RECORD_CLEARED:
	case RECORD_SERVICE_MODE:
	case RECORD_ALARM:
	case RECORD_COMMAND:
	case RECORD_KIND_COUNT:
		break;
	}
	return "kind is not a session's";
}

static const char *apply_reserved(struct outlet_image *o, const struct record *r)
{
	if (o->session.phase != PHASE_NONE)
		return "reserved while a session is there";
	memcpy(o->reserved_for, r->u.reserved.account, sizeof o->reserved_for);
	o->reserved_ms = r->u.reserved.hold_ms;
	o->reserved_at = r->at;
	return NULL;
}

static const char *apply_outlet(struct box_image *image, struct outlet_image *o, const struct record *r)
{
	switch (r->kind) {
	case RECORD_METER:
		return apply_meter(o, r);
	case RECORD_RESERVED:
		return apply_reserved(o, r);
	case RECORD_RELEASED:
		o->reserved_for[0] = '\0';
		return NULL;
	case RECORD_FAULT:
		if (r->u.fault.fault <= o->fault)
			return "a fault that is there already, or behind a graver one";
		o->fault = r->u.fault.fault;
		return NULL;
	case RECORD_CLEARED:
		o->fault = FAULT_NONE;
		return NULL;
	case RECORD_SERVICE_MODE:
		o->out_of_service = r->u.service_mode.out;
		return NULL;
	case RECORD_AUTHORIZED:
		return apply_authorized(image, o, r);
	case RECORD_ALARM:
	case RECORD_COMMAND:
		return NULL;
	case RECORD_STARTED:
	case RECORD_PAUSED:
	case RECORD_RESUMED:
	case RECORD_MARK:
	case RECORD_BOUNDARY:
	case RECORD_CREDIT:
	case RECORD_STOPPING:
	case RECORD_ENDED:
	case RECORD_AVAILABLE:
		if (strcmp(o->session.grant.order, r->order) != 0)
			return "the order is not that of the outlet's session";
		return apply_session(image, o, r);
	case RECORD_BOOT:
	case RECORD_KIND_COUNT:
		break;
	}
	return "kind does not belong to an outlet";
}

static const char *apply(struct box_image *image, const struct record *r)
{
	if (r->outlet != RECORD_NO_OUTLET) {
		struct outlet_image *o = &image->outlets[r->outlet];
		const char *fault = NULL;
		if (r->has_register && r->kind != RECORD_METER)
			fault = take_register(o, r->register_mwh);
		if (fault == NULL)
			fault = apply_outlet(image, o, r);
		if (r->at.quality > TIME_UNKNOWN)
			o->at = r->at;
		if (record_is_of_session(r->kind) && r->kind != RECORD_CREDIT) {
			o->seen_boot = r->boot;
			o->seen_mono_ms = r->at.mono_ms;
		}
		if (fault != NULL)
			return fault;
	}
	if (r->kind == RECORD_COMMAND && r->u.command.seq > image->command_seq)
		image->command_seq = r->u.command.seq;
	return NULL;
}

const char *image_amount_fault(const struct box_image *image, const struct record *record)
{
	if (record->kind != RECORD_ENDED || record->outlet < 0 || record->outlet >= OUTLETS_MAX)
		return NULL;
	struct outlet_image o = image->outlets[record->outlet];
	const struct session_image *session = &o.session;
	if (!session_is_open(session) || (record->has_register && take_register(&o, record->register_mwh) != NULL))
		return NULL; /* image_apply() refuses it */
	bool ours = end_reason_is_ours(record->u.ended.reason);
	int64_t cost = ours ? 0 : session_cost_micros(&session->grant, &session->used);
	return record->u.ended.amount_micros == cost ? NULL : "the receipt's amount is not the tariff's price";
}

const char *image_apply(struct box_image *image, const struct record *record)
{
	const char *fault = record_fault(record);
	if (fault != NULL)
		return fault;
	if (record->seq != image->seq + 1)
		return "seq does not follow the one before";
	if (record->boot != image->boot + (record->kind == RECORD_BOOT))
		return "boot does not follow the one before";
	struct box_image next = *image;
	fault = apply(&next, record);
	if (fault != NULL)
		return fault;
	next.seq = record->seq;
	next.boot = record->boot;
	*image = next;
	return NULL;
}
