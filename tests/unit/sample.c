/* tests/unit/sample.c: see sample.h. */
#include "sample.h"

#include <stdio.h>
#include <string.h>

#include "price.h"

#define SAME(field) ((a)->field == (b)->field)
#define SAME_TEXT(field) (strncmp((a)->field, (b)->field, sizeof((a)->field)) == 0)

/* ---- chance ---- */

uint64_t sample_bits(struct sample *s)
{
	uint64_t z = s->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

int64_t sample_between(struct sample *s, int64_t low, int64_t high)
{
	uint64_t span = (uint64_t)high - (uint64_t)low + 1;
	uint64_t bits = sample_bits(s);

	return (int64_t)((uint64_t)low + (span == 0 ? bits : bits % span));
}

bool sample_happens(struct sample *s, int percent)
{
	return sample_between(s, 0, 99) < percent;
}

int64_t sample_edgy(struct sample *s, int64_t low, int64_t high)
{
	switch (sample_between(s, 0, 7)) {
	case 0:
		return low;
	case 1:
		return high;
	case 2:
		return high - sample_between(s, 0, high - low < 3 ? high - low : 3);
	case 3:
	case 4:
		return sample_between(s, low, high - low < 100000 ? high : low + 100000);
	default:
		return sample_between(s, low, high);
	}
}

static unsigned sample_index(struct sample *s, size_t count)
{
	return (unsigned)sample_between(s, 0, (int64_t)count - 1);
}

void sample_word(struct sample *s, char *to, size_t size)
{
	static const char ordinary[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:{}[],' ~!";
	size_t length = (size_t)sample_edgy(s, 1, (int64_t)size - 1);

	memset(to, 0, size);
	for (size_t i = 0; i < length; i++)
		to[i] = ordinary[sample_index(s, sizeof(ordinary) - 1)];
}

static void sample_text(struct sample *s, char *to, size_t size)
{
	memset(to, 0, size);
	if (sample_happens(s, 70))
		sample_word(s, to, size);
}

static int64_t duration(struct sample *s)
{
	return sample_edgy(s, 0, SAMPLE_CENTURY_MS);
}

static int64_t energy(struct sample *s)
{
	return sample_edgy(s, 0, FEE_ENERGY_MAX_MWH);
}

static int64_t money(struct sample *s)
{
	return sample_edgy(s, 0, FEE_MONEY_MAX_MICROS);
}

/* ---- values ---- */

void sample_moment(struct sample *s, struct moment *moment)
{
	moment->mono_ms = sample_edgy(s, 0, SAMPLE_EXACT_MAX);
	moment->wall_ms = sample_edgy(s, 0, SAMPLE_WALL_MAX_MS);
	moment->quality = (enum time_quality)sample_index(s, time_quality_words.count);
}

/* Makes it a tariff by time of use: each rate has its own name and a period. */
static void sample_rates(struct sample *s, struct fee_tariff *tariff)
{
	int64_t last_min = 0;
	uint32_t turn = (uint32_t)sample_index(s, FEE_RATES_MAX);

	tariff->energy_price_micros = 0;
	tariff->utc_offset_min = sample_edgy(s, -FEE_DAY_MIN, FEE_DAY_MIN);
	while (tariff->period_count < FEE_PERIODS_MAX && last_min <= FEE_DAY_MIN - FEE_PERIOD_LEAST_MIN) {
		struct fee_period *p = &tariff->periods[tariff->period_count++];
		p->from_min = (uint32_t)last_min;
		last_min += sample_edgy(s, FEE_PERIOD_LEAST_MIN, FEE_DAY_MIN);
	}
	uint32_t most = tariff->period_count < FEE_RATES_MAX ? tariff->period_count : FEE_RATES_MAX;
	tariff->rate_count = (uint32_t)sample_between(s, 1, most);
	for (uint32_t i = 0; i < tariff->rate_count; i++) {
		sample_word(s, tariff->rates[i].name, sizeof(tariff->rates[i].name));
		tariff->rates[i].name[0] = (char)('a' + i);
		tariff->rates[i].price_micros = sample_happens(s, 80) ? sample_between(s, 0, 2000000) : money(s);
	}
	for (uint32_t i = 0; i < tariff->period_count; i++) {
		bool first = i < tariff->rate_count;
		tariff->periods[i].rate =
			first ? (i + turn) % tariff->rate_count : (uint32_t)sample_index(s, tariff->rate_count);
	}
}

static void sample_energies(struct sample *s, struct fee_energy *e)
{
	for (size_t i = 0; i < FEE_RATES_MAX; i++)
		e->mwh[i] = sample_happens(s, 50) ? energy(s) : 0;
}

void sample_tariff(struct sample *s, struct fee_tariff *tariff)
{
	memset(tariff, 0, sizeof(*tariff));
	sample_word(s, tariff->id, sizeof(tariff->id));
	tariff->version = (uint32_t)sample_edgy(s, 0, UINT32_MAX);
	for (size_t i = 0; i < FEE_CURRENCY_SIZE - 1; i++)
		tariff->currency[i] = (char)sample_between(s, 'A', 'Z');
	if (sample_happens(s, 40))
		sample_rates(s, tariff);
	else
		tariff->energy_price_micros = money(s);
	tariff->service_price_micros = money(s);
	tariff->start_fee_micros = money(s);
	tariff->quantum_micros = sample_edgy(s, 1, FEE_QUANTUM_MAX_MICROS);
	tariff->rounding = (enum fee_rounding)sample_index(s, rounding_words.count);
}

void sample_grant(struct sample *s, enum session_kind kind, struct grant *grant)
{
	memset(grant, 0, sizeof(*grant));
	sample_word(s, grant->order, sizeof(grant->order));
	grant->kind = kind;
	grant->credit_micros = money(s);
	grant->lease_ms = sample_edgy(s, 1, SAMPLE_CENTURY_MS);
	grant->hold_ms = duration(s);
	grant->limit_mwh = energy(s);
	grant->limit_micros = money(s);
	grant->limit_ms = duration(s);
	if (sample_happens(s, 50)) {
		grant->full_ma = sample_edgy(s, 1, GRANT_FULL_MAX_MA);
		grant->full_ms = sample_edgy(s, 1, GRANT_FULL_MAX_MS);
	}
	if (kind == SESSION_SERVICE)
		return;
	sample_word(s, grant->account, sizeof(grant->account));
	grant->mode = (enum fee_mode)sample_index(s, FEE_MODE_COUNT);
	sample_tariff(s, &grant->tariff);
}

static enum end_reason any_reason(struct sample *s)
{
	return (enum end_reason)sample_index(s, END_REASON_COUNT);
}

static void sample_receipt(struct sample *s, struct receipt *receipt)
{
	receipt->reason = any_reason(s);
	receipt->start_mwh = energy(s);
	receipt->energy_mwh = energy(s);
	sample_energies(s, &receipt->by_rate);
	receipt->amount_micros = money(s);
	receipt->energised_ms = duration(s);
	receipt->settled = sample_happens(s, 50);
}

static void details(struct sample *s, struct record *r)
{
	switch (r->kind) {
	case RECORD_AUTHORIZED:
		sample_grant(s, (enum session_kind)sample_index(s, SESSION_KIND_COUNT), &r->u.authorized);
		memcpy(r->u.authorized.order, r->order, sizeof(r->order));
		break;
	case RECORD_PAUSED:
		r->u.paused.reason = any_reason(s);
		r->u.paused.energised_ms = duration(s);
		break;
	case RECORD_MARK:
		r->u.mark.energised_ms = duration(s);
		break;
	case RECORD_STARTED:
	case RECORD_RESUMED:
		r->u.started.rate = (uint32_t)sample_index(s, FEE_RATES_MAX);
		break;
	case RECORD_BOUNDARY:
		r->u.boundary.rate = (uint32_t)sample_index(s, FEE_RATES_MAX);
		r->u.boundary.wall_ms = sample_edgy(s, 0, SAMPLE_WALL_MAX_MS);
		r->u.boundary.unknown_time = sample_happens(s, 50);
		break;
	case RECORD_CREDIT:
		r->u.credit.credit_micros = money(s);
		r->u.credit.lease_ms = duration(s);
		break;
	case RECORD_STOPPING:
		r->u.stopping.reason = any_reason(s);
		r->u.stopping.energised_ms = duration(s);
		break;
	case RECORD_ENDED:
		sample_receipt(s, &r->u.ended);
		break;
	case RECORD_BOOT:
		sample_text(s, r->u.boot.version, sizeof(r->u.boot.version));
		break;
	case RECORD_METER:
		sample_word(s, r->u.meter.serial, sizeof(r->u.meter.serial));
		break;
	case RECORD_RESERVED:
		sample_word(s, r->u.reserved.account, sizeof(r->u.reserved.account));
		r->u.reserved.hold_ms = duration(s);
		break;
	case RECORD_FAULT:
		r->u.fault.fault = (enum outlet_fault)sample_between(s, FAULT_NONE + 1, FAULT_COUNT - 1);
		break;
	case RECORD_CLEARED:
		r->u.cleared.actor = (enum actor)sample_index(s, ACTOR_COUNT);
		sample_word(s, r->u.cleared.name, sizeof(r->u.cleared.name));
		break;
	case RECORD_SERVICE_MODE:
		r->u.service_mode.out = sample_happens(s, 50);
		break;
	case RECORD_ALARM:
		r->u.alarm.alarm = (enum alarm)sample_index(s, ALARM_COUNT);
		sample_text(s, r->u.alarm.detail, sizeof(r->u.alarm.detail));
		break;
	case RECORD_COMMAND:
		sample_word(s, r->u.command.id, sizeof(r->u.command.id));
		r->u.command.seq = (uint64_t)sample_edgy(s, 0, SAMPLE_EXACT_MAX);
		r->u.command.type = (enum command_type)sample_index(s, COMMAND_TYPE_COUNT);
		r->u.command.outcome = (enum command_outcome)sample_index(s, COMMAND_OUTCOME_COUNT);
		sample_text(s, r->u.command.detail, sizeof(r->u.command.detail));
		break;
	case RECORD_RELEASED:
	case RECORD_AVAILABLE:
	case RECORD_KIND_COUNT:
		break;
	}
}

static bool is_session_kind(enum record_kind kind)
{
	return (kind >= RECORD_AUTHORIZED && kind <= RECORD_AVAILABLE);
}

static bool needs_register(enum record_kind kind)
{
	return kind == RECORD_METER || kind == RECORD_STARTED || kind == RECORD_RESUMED || kind == RECORD_MARK ||
	       kind == RECORD_BOUNDARY;
}

static bool may_be_without_outlet(enum record_kind kind)
{
	return kind == RECORD_ALARM || kind == RECORD_COMMAND;
}

void sample_record(struct sample *s, enum record_kind kind, struct record *r)
{
	memset(r, 0, sizeof(*r));
	r->seq = (uint64_t)sample_edgy(s, 1, SAMPLE_EXACT_MAX);
	r->boot = (uint32_t)sample_edgy(s, 1, UINT32_MAX);
	sample_moment(s, &r->at);
	r->kind = kind;
	r->outlet = (int)sample_between(s, 0, OUTLETS_MAX - 1);
	if (kind == RECORD_BOOT || (may_be_without_outlet(kind) && sample_happens(s, 50)))
		r->outlet = RECORD_NO_OUTLET;
	if (is_session_kind(kind))
		sample_word(s, r->order, sizeof(r->order));
	else
		sample_text(s, r->order, sizeof(r->order));
	r->has_register = r->outlet != RECORD_NO_OUTLET && (needs_register(kind) || sample_happens(s, 50));
	if (r->has_register)
		r->register_mwh = energy(s);
	details(s, r);
}

static void sample_hexadecimal(struct sample *s, char *to, size_t size)
{
	for (size_t i = 0; i + 1 < size; i++)
		to[i] = "0123456789abcdef"[sample_bits(s) & 15];
	to[size - 1] = '\0';
}

void sample_link(struct sample *s, struct record_link *link)
{
	sample_hexadecimal(s, link->ledger, sizeof(link->ledger));
	sample_hexadecimal(s, link->prev, sizeof(link->prev));
}

static void command_arguments(struct sample *s, struct command *c)
{
	switch (c->type) {
	case COMMAND_AUTHORIZE:
		sample_grant(s, SESSION_CUSTOMER, &c->u.authorize);
		break;
	case COMMAND_START:
	case COMMAND_STOP:
	case COMMAND_POWER_OFF:
	case COMMAND_DEPARTED:
		sample_word(s, c->u.session.order, ORDER_SIZE);
		break;
	case COMMAND_CREDIT:
		sample_word(s, c->u.credit.order, ORDER_SIZE);
		c->u.credit.credit_micros = money(s);
		c->u.credit.lease_ms = duration(s);
		break;
	case COMMAND_UNLOCK:
		sample_word(s, c->u.unlock.work_order, ORDER_SIZE);
		if (c->actor == ACTOR_TECHNICIAN && sample_happens(s, 50))
			c->outlet = RECORD_NO_OUTLET;
		break;
	case COMMAND_RESERVE:
		sample_word(s, c->u.reserve.account, ACCOUNT_SIZE);
		c->u.reserve.hold_ms = duration(s);
		break;
	case COMMAND_OUT_OF_SERVICE:
		c->u.out_of_service.out = sample_happens(s, 50);
		break;
	case COMMAND_SERVICE:
		sample_word(s, c->u.service.order, ORDER_SIZE);
		break;
	case COMMAND_RELEASE:
	case COMMAND_CLEAR_FAULT:
	case COMMAND_TYPE_COUNT:
		break;
	}
}

void sample_command(struct sample *s, enum command_type type, struct command *c)
{
	memset(c, 0, sizeof(*c));
	sample_word(s, c->box, sizeof(c->box));
	if (sample_happens(s, 70))
		sample_hexadecimal(s, c->ledger, sizeof(c->ledger));
	sample_word(s, c->id, sizeof(c->id));
	c->seq = (uint64_t)sample_edgy(s, 0, SAMPLE_EXACT_MAX);
	c->not_after_ms = sample_edgy(s, 0, SAMPLE_WALL_MAX_MS);
	c->type = type;
	c->outlet = (int)sample_between(s, 0, OUTLETS_MAX - 1);
	c->actor = type == COMMAND_SERVICE ? ACTOR_TECHNICIAN : (enum actor)sample_index(s, ACTOR_COUNT);
	if (c->actor == ACTOR_TECHNICIAN)
		sample_word(s, c->name, sizeof(c->name));
	else
		sample_text(s, c->name, sizeof(c->name));
	command_arguments(s, c);
}

void sample_progress(struct sample *s, struct progress *p)
{
	memset(p, 0, sizeof(*p));
	p->outlet = (int)sample_between(s, 0, OUTLETS_MAX - 1);
	sample_moment(s, &p->at);
	p->state = (enum outlet_state)sample_index(s, OUTLET_STATE_COUNT);
	p->missing = (unsigned)sample_between(s, 0, (1 << MISSING_COUNT) - 1);
	sample_text(s, p->order, sizeof(p->order));
	p->has_register = sample_happens(s, 70);
	p->register_mwh = p->has_register ? energy(s) : 0;
	p->reading_age_ms = sample_edgy(s, -1, SAMPLE_CENTURY_MS);
	p->power_mw = sample_edgy(s, -FEE_POWER_MAX_MW, FEE_POWER_MAX_MW);
	p->energy_mwh = energy(s);
	sample_energies(s, &p->by_rate);
	p->energised_ms = duration(s);
	p->cost_micros = money(s);
	p->remaining_micros = money(s);
	p->remaining_ms = sample_edgy(s, -1, SAMPLE_CENTURY_MS);
	p->low_credit = sample_happens(s, 50);
}

static void sample_session_image(struct sample *s, struct session_image *session)
{
	session->phase = (enum session_phase)sample_index(s, SESSION_PHASE_COUNT);
	if (session->phase == PHASE_NONE)
		return;
	sample_grant(s, (enum session_kind)sample_index(s, SESSION_KIND_COUNT), &session->grant);
	session->started_once = session->phase != PHASE_AUTHORIZED;
	session->start_mwh = session->started_once ? energy(s) : 0;
	if (session->started_once && session_is_open(session)) {
		session->rate = (uint32_t)sample_index(s, fee_rates(&session->grant.tariff));
		session->rate_from_ms = sample_edgy(s, 0, SAMPLE_WALL_MAX_MS);
	}
	session->energised_ms = duration(s);
	session->reason = any_reason(s);
}

void sample_outlet_image(struct sample *s, struct outlet_image *o)
{
	memset(o, 0, sizeof(*o));
	sample_text(s, o->serial, sizeof(o->serial));
	o->billed_mwh = energy(s) / 4;
	o->service_mwh = energy(s) / 4;
	o->outside_mwh = energy(s) / 4;
	sample_session_image(s, &o->session);
	o->session_mwh = session_is_open(&o->session) ? energy(s) / 4 : 0;
	if (session_is_open(&o->session))
		o->session.used.mwh[o->session.rate] = o->session_mwh;
	o->register_mwh = o->billed_mwh + o->service_mwh + o->outside_mwh + o->session_mwh;
	sample_text(s, o->reserved_for, sizeof(o->reserved_for));
	o->reserved_ms = duration(s);
	sample_moment(s, &o->reserved_at);
	o->fault = (enum outlet_fault)sample_index(s, FAULT_COUNT);
	o->out_of_service = sample_happens(s, 50);
	o->seen_boot = (uint32_t)sample_edgy(s, 0, UINT32_MAX);
	o->seen_mono_ms = sample_edgy(s, 0, SAMPLE_EXACT_MAX);
	sample_moment(s, &o->at);
}

void sample_box_image(struct sample *s, struct box_image *box)
{
	memset(box, 0, sizeof(*box));
	box->seq = (uint64_t)sample_edgy(s, 0, SAMPLE_EXACT_MAX);
	box->boot = (uint32_t)sample_edgy(s, 0, UINT32_MAX);
	box->command_seq = (uint64_t)sample_edgy(s, 0, SAMPLE_EXACT_MAX);
	for (size_t i = 0; i < OUTLETS_MAX; i++) {
		if (sample_happens(s, 50)) {
			sample_word(s, box->accounts[i].account, ACCOUNT_SIZE);
			box->accounts[i].granted_micros = money(s);
			box->accounts[i].spent_micros = money(s);
		}
		sample_outlet_image(s, &box->outlets[i]);
	}
}

/* ---- comparisons ---- */

static bool same_moment(const struct moment *a, const struct moment *b)
{
	return SAME(mono_ms) && SAME(wall_ms) && SAME(quality);
}

bool sample_same_tariff(const struct fee_tariff *a, const struct fee_tariff *b)
{
	bool rates = SAME(rate_count) && SAME(period_count) && SAME(utc_offset_min) &&
		     memcmp(a->periods, b->periods, sizeof(a->periods)) == 0;
	for (uint32_t i = 0; rates && i < a->rate_count; i++)
		rates = SAME_TEXT(rates[i].name) && SAME(rates[i].price_micros);
	return rates && SAME_TEXT(id) && SAME(version) && SAME_TEXT(currency) && SAME(energy_price_micros) &&
	       SAME(service_price_micros) && SAME(start_fee_micros) && SAME(quantum_micros) && SAME(rounding);
}

bool sample_same_grant(const struct grant *a, const struct grant *b)
{
	return SAME_TEXT(order) && SAME_TEXT(account) && SAME(kind) && SAME(mode) &&
	       (a->kind == SESSION_SERVICE || sample_same_tariff(&a->tariff, &b->tariff)) && SAME(credit_micros) &&
	       SAME(lease_ms) && SAME(hold_ms) && SAME(limit_mwh) && SAME(limit_micros) && SAME(limit_ms) &&
	       SAME(full_ma) && SAME(full_ms);
}

static bool same_energy(const struct fee_energy *a, const struct fee_energy *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static bool same_receipt(const struct receipt *a, const struct receipt *b)
{
	return SAME(reason) && SAME(start_mwh) && SAME(energy_mwh) && same_energy(&a->by_rate, &b->by_rate) &&
	       SAME(amount_micros) && SAME(energised_ms) && SAME(settled);
}

static bool same_details(const struct record *a, const struct record *b)
{
	switch (a->kind) {
	case RECORD_BOOT:
		return SAME_TEXT(u.boot.version);
	case RECORD_METER:
		return SAME_TEXT(u.meter.serial);
	case RECORD_RESERVED:
		return SAME_TEXT(u.reserved.account) && SAME(u.reserved.hold_ms);
	case RECORD_AUTHORIZED:
		return sample_same_grant(&a->u.authorized, &b->u.authorized);
	case RECORD_PAUSED:
		return SAME(u.paused.reason) && SAME(u.paused.energised_ms);
	case RECORD_MARK:
		return SAME(u.mark.energised_ms);
	case RECORD_CREDIT:
		return SAME(u.credit.credit_micros) && SAME(u.credit.lease_ms);
	case RECORD_STOPPING:
		return SAME(u.stopping.reason) && SAME(u.stopping.energised_ms);
	case RECORD_ENDED:
		return same_receipt(&a->u.ended, &b->u.ended);
	case RECORD_FAULT:
		return SAME(u.fault.fault);
	case RECORD_CLEARED:
		return SAME(u.cleared.actor) && SAME_TEXT(u.cleared.name);
	case RECORD_SERVICE_MODE:
		return SAME(u.service_mode.out);
	case RECORD_ALARM:
		return SAME(u.alarm.alarm) && SAME_TEXT(u.alarm.detail);
	case RECORD_COMMAND:
		return SAME_TEXT(u.command.id) && SAME(u.command.seq) && SAME(u.command.type) &&
		       SAME(u.command.outcome) && SAME_TEXT(u.command.detail);
	case RECORD_STARTED:
	case RECORD_RESUMED:
		return SAME(u.started.rate);
	case RECORD_BOUNDARY:
		return SAME(u.boundary.rate) && SAME(u.boundary.wall_ms) && SAME(u.boundary.unknown_time);
	case RECORD_RELEASED:
	case RECORD_AVAILABLE:
		return true;
	case RECORD_KIND_COUNT:
		break;
	}
	return false;
}

bool sample_same_record(const struct record *a, const struct record *b)
{
	return SAME(seq) && SAME(boot) && same_moment(&a->at, &b->at) && SAME(kind) && SAME(outlet) &&
	       SAME_TEXT(order) && SAME(has_register) && (!a->has_register || SAME(register_mwh)) && same_details(a, b);
}

static bool same_arguments(const struct command *a, const struct command *b)
{
	switch (a->type) {
	case COMMAND_AUTHORIZE:
		return sample_same_grant(&a->u.authorize, &b->u.authorize);
	case COMMAND_START:
	case COMMAND_STOP:
	case COMMAND_POWER_OFF:
	case COMMAND_DEPARTED:
		return SAME_TEXT(u.session.order);
	case COMMAND_CREDIT:
		return SAME_TEXT(u.credit.order) && SAME(u.credit.credit_micros) && SAME(u.credit.lease_ms);
	case COMMAND_UNLOCK:
		return SAME_TEXT(u.unlock.work_order);
	case COMMAND_RESERVE:
		return SAME_TEXT(u.reserve.account) && SAME(u.reserve.hold_ms);
	case COMMAND_OUT_OF_SERVICE:
		return SAME(u.out_of_service.out);
	case COMMAND_SERVICE:
		return SAME_TEXT(u.service.order);
	case COMMAND_RELEASE:
	case COMMAND_CLEAR_FAULT:
		return true;
	case COMMAND_TYPE_COUNT:
		break;
	}
	return false;
}

bool sample_same_command(const struct command *a, const struct command *b)
{
	return SAME_TEXT(box) && SAME_TEXT(ledger) && SAME_TEXT(id) && SAME(seq) && SAME(not_after_ms) && SAME(type) &&
	       SAME(outlet) && SAME(actor) && SAME_TEXT(name) && same_arguments(a, b);
}

bool sample_same_progress(const struct progress *a, const struct progress *b)
{
	return SAME(outlet) && same_moment(&a->at, &b->at) && SAME(state) && SAME(missing) && SAME_TEXT(order) &&
	       SAME(has_register) && SAME(register_mwh) && SAME(reading_age_ms) && SAME(power_mw) && SAME(energy_mwh) &&
	       same_energy(&a->by_rate, &b->by_rate) && SAME(energised_ms) && SAME(cost_micros) &&
	       SAME(remaining_micros) && SAME(remaining_ms) && SAME(low_credit);
}

static bool same_session(const struct session_image *a, const struct session_image *b)
{
	return SAME(phase) && sample_same_grant(&a->grant, &b->grant) && SAME(start_mwh) && SAME(started_once) &&
	       SAME(rate) && SAME(rate_from_ms) && same_energy(&a->used, &b->used) && SAME(energised_ms) &&
	       SAME(reason);
}

bool sample_same_outlet_image(const struct outlet_image *a, const struct outlet_image *b)
{
	return SAME_TEXT(serial) && SAME(register_mwh) && SAME(billed_mwh) && SAME(service_mwh) && SAME(outside_mwh) &&
	       SAME(session_mwh) && same_session(&a->session, &b->session) && SAME_TEXT(reserved_for) &&
	       SAME(reserved_ms) && same_moment(&a->reserved_at, &b->reserved_at) && SAME(fault) &&
	       SAME(out_of_service) && SAME(seen_boot) && SAME(seen_mono_ms) && same_moment(&a->at, &b->at);
}

bool sample_same_box(const struct box_image *a, const struct box_image *b)
{
	for (size_t i = 0; i < OUTLETS_MAX; i++) {
		if (!SAME_TEXT(accounts[i].account) || !SAME(accounts[i].granted_micros) ||
		    !SAME(accounts[i].spent_micros))
			return false;
	}
	return SAME(seq) && SAME(boot) && SAME(command_seq);
}

bool sample_same_image(const struct box_image *a, const struct box_image *b)
{
	for (size_t i = 0; i < OUTLETS_MAX; i++) {
		if (!sample_same_outlet_image(&a->outlets[i], &b->outlets[i]))
			return false;
	}
	return sample_same_box(a, b);
}

/* ---- a box's life ---- */

static void follow_moment(struct sample *s, const struct box_image *image, struct moment *at)
{
	at->mono_ms = (int64_t)image->seq * 1000 + sample_between(s, 0, 999);
	at->wall_ms = INT64_C(1767225600000) + at->mono_ms;
	at->quality = (enum time_quality)sample_index(s, time_quality_words.count);
}

static void follow_receipt(struct sample *s, const struct outlet_image *o, struct record *r)
{
	const struct session_image *session = &o->session;
	struct receipt *receipt = &r->u.ended;
	struct fee_bill bill = {0};
	bool known = true;

	receipt->start_mwh = session->started_once ? session->start_mwh : o->register_mwh;
	struct fee_energy used = session->used;
	receipt->energy_mwh = o->session_mwh;
	if (r->has_register && session->started_once) {
		receipt->energy_mwh += r->register_mwh - o->register_mwh;
		used.mwh[session->rate] += r->register_mwh - o->register_mwh;
	}
	receipt->by_rate = session_by_rate(&session->grant, &used);
	if (session_is_open(session) && session->grant.kind == SESSION_CUSTOMER && !end_reason_is_ours(receipt->reason))
		known = fee_price(&session->grant.tariff, &used, &bill);
	receipt->amount_micros = known ? bill.total_micros : FEE_MONEY_MAX_MICROS;
	receipt->settled = r->has_register && sample_happens(s, 80);
}

static void follow_rate(struct sample *s, const struct session_image *session, struct record *r)
{
	const struct fee_tariff *t = &session->grant.tariff;

	if (fee_by_time(t) && r->at.quality == TIME_UNKNOWN)
		r->at.quality = TIME_RELATIVE;
	if (r->kind != RECORD_BOUNDARY) {
		r->u.started.rate = fee_rate_at(t, r->at.wall_ms);
		return;
	}
	r->u.boundary.unknown_time = sample_happens(s, 20);
	r->u.boundary.wall_ms = r->at.wall_ms - sample_between(s, 0, 100000);
	r->u.boundary.rate = r->u.boundary.unknown_time ? fee_cheapest_rate(t) : fee_rate_at(t, r->u.boundary.wall_ms);
}

static void follow_grant(struct sample *s, const struct box_image *image, const struct outlet_image *o,
			 struct record *r)
{
	struct grant *grant = &r->u.authorized;

	snprintf(r->order, sizeof(r->order), "order-%llu", (unsigned long long)image->seq);
	memcpy(grant->order, r->order, sizeof(r->order));
	if (o->reserved_for[0] != '\0')
		grant->kind = SESSION_CUSTOMER;
	if (grant->kind == SESSION_SERVICE) {
		memset(grant->account, 0, sizeof(grant->account));
		return;
	}
	if (sample_happens(s, 80)) { /* an ordinary one, so that amounts are not always at their limit */
		grant->credit_micros = sample_between(s, 0, 50000000);
		grant->tariff.energy_price_micros = grant->tariff.rate_count > 0 ? 0 : sample_between(s, 0, 900000);
		grant->tariff.service_price_micros = sample_between(s, 0, 90000);
		grant->tariff.start_fee_micros = sample_between(s, 0, 900000);
		grant->tariff.quantum_micros = 10000;
	}
	if (grant->tariff.id[0] == '\0')
		sample_tariff(s, &grant->tariff);
	word_copy(grant->account, sizeof(grant->account), sample_happens(s, 60) ? "alice" : "bob");
	if (o->reserved_for[0] != '\0')
		memcpy(grant->account, o->reserved_for, sizeof(grant->account));
}

void sample_follow(struct sample *s, const struct box_image *image, enum record_kind kind, int outlet,
		   int64_t moved_mwh, struct record *r)
{
	const struct outlet_image *o = outlet == RECORD_NO_OUTLET ? NULL : &image->outlets[outlet];

	sample_record(s, kind, r);
	r->seq = image->seq + 1;
	r->boot = image->boot + (kind == RECORD_BOOT);
	follow_moment(s, image, &r->at);
	r->outlet = outlet;
	r->has_register = o != NULL && moved_mwh >= 0;
	r->register_mwh = r->has_register ? o->register_mwh + moved_mwh : 0;
	if (kind == RECORD_COMMAND)
		r->u.command.seq = image->command_seq + (uint64_t)sample_between(s, 0, 1);
	if (o == NULL)
		return;
	if (kind == RECORD_RESERVED)
		word_copy(r->u.reserved.account, ACCOUNT_SIZE, sample_happens(s, 50) ? "alice" : "bob");
	if (kind == RECORD_AUTHORIZED)
		follow_grant(s, image, o, r);
	else if (is_session_kind(kind))
		memcpy(r->order, o->session.grant.order, sizeof(r->order));
	if (kind == RECORD_STARTED || kind == RECORD_RESUMED || kind == RECORD_BOUNDARY)
		follow_rate(s, &o->session, r);
	if (kind == RECORD_ENDED)
		follow_receipt(s, o, r);
}

/* What may come next in a session; what stands twice comes more often. */
static const enum record_kind *session_choices(const struct outlet_image *o, size_t *count)
{
	static const enum record_kind none[] = {RECORD_AUTHORIZED, RECORD_RESERVED, RECORD_AUTHORIZED};
	static const enum record_kind authorized[] = {
		RECORD_STARTED, RECORD_STARTED, RECORD_CREDIT, RECORD_STOPPING, RECORD_ENDED};
	static const enum record_kind started[] = {
		RECORD_MARK, RECORD_BOUNDARY, RECORD_PAUSED, RECORD_CREDIT, RECORD_STOPPING, RECORD_ENDED};
	static const enum record_kind paused[] = {
		RECORD_RESUMED, RECORD_RESUMED, RECORD_CREDIT, RECORD_STOPPING, RECORD_ENDED};
	static const enum record_kind stopping[] = {RECORD_ENDED, RECORD_ENDED, RECORD_CREDIT};
	static const enum record_kind ended[] = {RECORD_AVAILABLE, RECORD_AVAILABLE, RECORD_METER};
	static const struct {
		const enum record_kind *kinds;
		size_t count;
	} choices[SESSION_PHASE_COUNT] = {
		[PHASE_NONE] = {none, sizeof(none) / sizeof(*none)},
		[PHASE_AUTHORIZED] = {authorized, sizeof(authorized) / sizeof(*authorized)},
		[PHASE_STARTED] = {started, sizeof(started) / sizeof(*started)},
		[PHASE_PAUSED] = {paused, sizeof(paused) / sizeof(*paused)},
		[PHASE_STOPPING] = {stopping, sizeof(stopping) / sizeof(*stopping)},
		[PHASE_ENDED] = {ended, sizeof(ended) / sizeof(*ended)},
	};

	*count = choices[o->session.phase].count;
	return choices[o->session.phase].kinds;
}

static enum record_kind choose_kind(struct sample *s, const struct outlet_image *o)
{
	static const enum record_kind anywhere[] = {
		RECORD_FAULT, RECORD_CLEARED, RECORD_SERVICE_MODE, RECORD_ALARM, RECORD_COMMAND, RECORD_RELEASED};
	size_t count;
	const enum record_kind *kinds = session_choices(o, &count);

	if (o->serial[0] == '\0' || (o->session.phase == PHASE_NONE && sample_happens(s, 3)))
		return RECORD_METER;
	if (sample_happens(s, 70))
		return kinds[sample_index(s, count)];
	if (sample_happens(s, 30))
		return o->fault == FAULT_NONE ? RECORD_FAULT : RECORD_CLEARED;
	return anywhere[sample_between(s, 1, 5)];
}

void sample_next(struct sample *s, const struct box_image *image, int outlets, struct record *r)
{
	int outlet = (int)sample_between(s, 0, outlets - 1);
	const struct outlet_image *o = &image->outlets[outlet];

	if (image->seq == 0 || sample_happens(s, 2)) {
		sample_follow(s, image, RECORD_BOOT, RECORD_NO_OUTLET, -1, r);
		return;
	}
	if (sample_happens(s, 5)) {
		sample_follow(s, image, sample_happens(s, 50) ? RECORD_ALARM : RECORD_COMMAND, RECORD_NO_OUTLET, -1, r);
		return;
	}

	enum record_kind kind = choose_kind(s, o);
	if (kind == RECORD_BOUNDARY && !fee_by_time(&o->session.grant.tariff))
		kind = RECORD_MARK;
	bool with = needs_register(kind) || (o->serial[0] != '\0' && sample_happens(s, 60));

	if (kind == RECORD_CREDIT && o->session.grant.kind == SESSION_SERVICE)
		kind = RECORD_ENDED;
	sample_follow(s, image, kind, outlet, with ? sample_between(s, 0, 40) * 250000 : -1, r);
	if (kind == RECORD_METER)
		r->register_mwh = sample_between(s, 0, INT64_C(100000000000));
}
