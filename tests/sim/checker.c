/* tests/sim/checker.c: see checker.h. */
#include "checker.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "price.h"

/* A door's contact settles, is told and handled; the checker looks with the same eyes only a moment later. */
#define DOOR_GRACE_MS 200

/* A session's begin is seen here when its record is durable: so much later at most than the heart began it. */
#define DURABLE_GRACE_MS 10000

/* A load that draws its threshold for so long in one go is being charged. */
#define CHARGES_MS 60000

void checker_violate(struct checker *c, int rule, const char *format, ...)
{
	va_list arguments;
	if (c->rule != 0)
		return;
	c->rule = rule;
	va_start(arguments, format);
	vsnprintf(c->text, sizeof c->text, format, arguments);
	va_end(arguments);
}

int checker_init(struct checker *c, const struct box_config *config, int64_t voltage_mv, int64_t wall_offset_ms)
{
	memset(c, 0, sizeof *c);
	c->wall_offset_ms = wall_offset_ms;
	c->voltage_mv = voltage_mv;
	c->late_ms = config->meter_late_ms;
	c->ended_orders = calloc(CHECKED_ORDERS, sizeof *c->ended_orders);
	c->bills = calloc(CHECKED_BILLS, sizeof *c->bills);
	if (c->ended_orders == NULL || c->bills == NULL)
		return -ENOMEM;
	c->outlet_count = config->outlet_count;
	c->metering_door_open_since_ms = -1;
	for (unsigned i = 0; i < config->outlet_count; i++) {
		c->outlets[i].door_open_since_ms = -1;
		for (unsigned bit = 0; bit < CAUSE_COUNT; bit++)
			c->outlets[i].cause_ms[bit] = -1;
		c->outlets[i].bound_mwh = box_overdraft_bound_mwh(config, i);
		c->outlets[i].silent_mwh =
			config->outlets[i].rated_mw * (config->meter_silent_ms + 1000) / FEE_MS_PER_HOUR;
	}
	return 0;
}

void checker_free(struct checker *c)
{
	free(c->bills);
	c->bills = NULL;
	free(c->ended_orders);
	c->ended_orders = NULL;
}

static uint64_t name_hash(const char *name)
{
	uint64_t hash = UINT64_C(14695981039346656037);
	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
	return hash;
}

/* --- money, on its own path: price by 128-bit arithmetic of the compiler, line by line --- */

__extension__ typedef __int128 wide;

static int64_t line_micros(const struct fee_tariff *t, wide quantity, wide price, wide per)
{
	wide exact = quantity * price;
	wide quantum = (wide)t->quantum_micros * per;
	wide multiples = exact / quantum;
	wide rest = exact % quantum;
	if ((t->rounding == FEE_ROUND_UP && rest > 0) || (t->rounding == FEE_ROUND_HALF_UP && 2 * rest >= quantum))
		multiples++;
	return (int64_t)(multiples * t->quantum_micros);
}

static int64_t price_of(const struct fee_tariff *t, uint32_t rate)
{
	return t->rate_count == 0 ? t->energy_price_micros : t->rates[rate].price_micros;
}

static int64_t cost_micros(const struct grant *g, const struct fee_energy *used)
{
	const struct fee_tariff *t = &g->tariff;
	int64_t total = 0, energy_mwh = 0;
	for (uint32_t i = 0; i < FEE_RATES_MAX; i++) {
		energy_mwh += used->mwh[i];
		if (g->kind == SESSION_CUSTOMER && used->mwh[i] > 0)
			total += line_micros(t, used->mwh[i], price_of(t, i), FEE_MWH_PER_KWH);
	}
	if (g->kind == SESSION_SERVICE || energy_mwh == 0)
		return 0;
	return total + line_micros(t, energy_mwh, t->service_price_micros, FEE_MWH_PER_KWH) +
	       line_micros(t, 1, t->start_fee_micros, 1);
}

/* What it would cost at most with so much more: at whatever rate, for rounding may hide a little at a dearer one. */
static int64_t cost_with_more(const struct grant *g, const struct fee_energy *used, int64_t more_mwh)
{
	int64_t most = 0;
	for (uint32_t i = 0; i < fee_rates(&g->tariff); i++) {
		struct fee_energy e = *used;
		e.mwh[i] += more_mwh;
		if (cost_micros(g, &e) > most)
			most = cost_micros(g, &e);
	}
	return most;
}

/* What it would cost at least with so much less. */
static int64_t cost_with_less(const struct grant *g, const struct fee_energy *used, int64_t less_mwh)
{
	struct fee_energy e = *used;
	while (less_mwh > 0) {
		uint32_t from = FEE_RATES_MAX;
		for (uint32_t i = 0; i < fee_rates(&g->tariff); i++) {
			bool dearer = from == FEE_RATES_MAX || price_of(&g->tariff, i) > price_of(&g->tariff, from);
			if (e.mwh[i] > 0 && dearer)
				from = i;
		}
		if (from == FEE_RATES_MAX)
			break;
		int64_t part = e.mwh[from] < less_mwh ? e.mwh[from] : less_mwh;
		e.mwh[from] -= part;
		less_mwh -= part;
	}
	return cost_micros(g, &e);
}

/* What a bound in energy is worth at most: its price, and a rounding of each line at each end. */
static int64_t bound_micros(const struct grant *g, int64_t bound_mwh)
{
	wide price = (wide)price_of(&g->tariff, fee_dearest_rate(&g->tariff)) + g->tariff.service_price_micros;
	return (int64_t)(price * bound_mwh / FEE_MWH_PER_KWH) + 1 + 5 * g->tariff.quantum_micros;
}

/* --- pools --- */

static struct checked_pool *pool_of(struct checker *c, const char *account)
{
	struct checked_pool *free_pool = NULL;
	for (size_t i = 0; i < OUTLETS_MAX; i++) {
		if (strcmp(c->pools[i].account, account) == 0)
			return &c->pools[i];
		if (free_pool == NULL && c->pools[i].account[0] == '\0')
			free_pool = &c->pools[i];
	}
	*free_pool = (struct checked_pool){0};
	word_copy(free_pool->account, sizeof free_pool->account, account);
	return free_pool;
}

static bool pool_in_use(const struct checker *c, const char *account)
{
	for (unsigned i = 0; i < c->outlet_count; i++) {
		const struct checked_session *s = &c->outlets[i].session;
		if (s->open && s->grant.kind == SESSION_CUSTOMER && strcmp(s->grant.account, account) == 0)
			return true;
	}
	return false;
}

/* --- records --- */

static void check_register(struct checker *c, struct checked_outlet *o, const struct record *r,
			   const struct plant *plant)
{
	if (!r->has_register || r->kind == RECORD_METER)
		return;
	int64_t moved = r->register_mwh - o->register_mwh;
	int64_t truth = plant_true_uj(plant, (unsigned)r->outlet) / 3600000;
	if (moved < 0)
		checker_violate(
			c, 4, "record %llu: register falls by %lld mWh", (unsigned long long)r->seq, (long long)-moved);
	if (!(o->session.causes & CAUSE_METER) && r->register_mwh > truth)
		checker_violate(c,
				4,
				"record %llu: register %lld is above the truth %lld",
				(unsigned long long)r->seq,
				(long long)r->register_mwh,
				(long long)truth);
	if (!o->session.open || !o->session.started)
		o->outside_mwh += moved;
	else
		o->session.used.mwh[o->session.rate] += moved;
	o->register_mwh = r->register_mwh;
}

/* What is there now, or was at some time since. */
static unsigned causes_since(const struct checked_outlet *o, int64_t since_ms)
{
	unsigned causes = o->present;
	for (unsigned i = 0; i < CAUSE_COUNT; i++) {
		if (o->cause_ms[i] >= since_ms && o->cause_ms[i] >= 0)
			causes |= 1u << i;
	}
	return causes;
}

static void check_authorized(struct checker *c, struct checked_outlet *o, const struct record *r, int64_t written_ms)
{
	struct checked_session *s = &o->session;
	if (s->open)
		checker_violate(c, 3, "session %s begins before %s has ended", r->order, s->order);
	for (size_t i = 0; i < c->ended_count; i++) {
		if (c->ended_orders[i] == name_hash(r->order))
			checker_violate(c, 6, "session %s begins again after its end", r->order);
	}
	unsigned causes = causes_since(o, written_ms - DURABLE_GRACE_MS);
	*s = (struct checked_session){
		.open = true, .grant = r->u.authorized, .authorized_ms = written_ms, .causes = causes};
	memcpy(s->order, r->order, sizeof s->order);
	c->sessions++;
	if (s->grant.kind == SESSION_SERVICE)
		return;
	o->pulses_allowed++;
	pool_of(c, s->grant.account)->granted_micros += s->grant.credit_micros;
}

static void check_end_energy(struct checker *c, struct checked_outlet *o, const struct record *r,
			     const struct plant *plant)
{
	const struct receipt *receipt = &r->u.ended;
	const struct checked_session *s = &o->session;
	int64_t energy = s->started ? o->register_mwh - s->start_mwh : 0;
	if (receipt->energy_mwh != energy)
		checker_violate(c,
				4,
				"session %s: receipt has %lld mWh, the registers differ by %lld",
				r->order,
				(long long)receipt->energy_mwh,
				(long long)energy);
	if (s->grant.kind == SESSION_SERVICE)
		o->service_mwh += energy;
	else
		o->billed_mwh += energy;
	if (o->billed_mwh + o->service_mwh + o->outside_mwh != o->register_mwh)
		checker_violate(c,
				4,
				"outlet %d: billed %lld + service %lld + outside %lld != register %lld",
				r->outlet,
				(long long)o->billed_mwh,
				(long long)o->service_mwh,
				(long long)o->outside_mwh,
				(long long)o->register_mwh);
	int64_t truth = plant_true_uj(plant, (unsigned)r->outlet) / 3600000;
	int64_t step = o->bound_mwh;
	bool calm = !(s->causes & (CAUSE_METER | CAUSE_BREAKER));
	if (receipt->settled && s->started && calm && truth - o->register_mwh > step)
		checker_violate(c,
				4,
				"session %s: settled at %lld, the meter had counted %lld",
				r->order,
				(long long)o->register_mwh,
				(long long)truth);
}

/* Each rate is billed what was used while it applied: but for what lies in a reading's age and a step around each change, or
 * in a silence of the meter. What was used at an unknown time may be missing everywhere but at the cheapest rate; what a
 * breaker that does not open lets through is nobody's, and missing, too. */
static void check_rates(struct checker *c, const struct checked_outlet *o, const struct record *r)
{
	const struct checked_session *s = &o->session;
	const struct receipt *receipt = &r->u.ended;
	struct fee_energy said = fee_by_time(&s->grant.tariff) ? s->used : (struct fee_energy){{0}};
	if (memcmp(&receipt->by_rate, &said, sizeof said) != 0)
		checker_violate(c, 4, "session %s: the receipt's rates are not those of its records", r->order);
	if (!fee_by_time(&s->grant.tariff) || s->truth_lost)
		return;
	for (uint32_t i = 0; i < fee_rates(&s->grant.tariff); i++) {
		int64_t off = s->used.mwh[i] - s->true_uj[i] / 3600000;
		int64_t each = o->bound_mwh + ((s->causes & CAUSE_METER) ? o->silent_mwh : 0);
		int64_t allowed = (s->boundaries + 2) * each;
		bool cheapest = i == fee_cheapest_rate(&s->grant.tariff);
		bool may_lack = (s->unknown_time && !cheapest) || (s->causes & CAUSE_BREAKER);
		bool may_exceed = s->unknown_time && cheapest;
		if ((off > allowed && !may_exceed) || (off < -allowed && !may_lack))
			checker_violate(c,
					4,
					"session %s: rate %u is billed %lld mWh, %lld were used",
					r->order,
					i,
					(long long)s->used.mwh[i],
					(long long)(s->true_uj[i] / 3600000));
	}
}

/* What was left of the credit, in energy, when the session ended: no more than a step, and in a shared pool no more
 * than what all that share it keep back. */
static void check_cut_off(struct checker *c, struct checked_outlet *o, const struct record *r,
			  const struct checked_pool *pool, int64_t cost)
{
	const struct checked_session *s = &o->session;
	int64_t left_micros = pool->granted_micros - pool->spent_micros - pool->waived_micros - cost;
	for (unsigned i = 0; i < c->outlet_count; i++) {
		const struct checked_outlet *other = &c->outlets[i];
		if (other == o || !other->session.open || strcmp(other->session.grant.account, s->grant.account) != 0)
			continue;
		/* The other's cost so far is known by its last record only: what it used since may be all of the rest. */
		return;
	}
	int64_t allowed = cost_with_more(&s->grant, &s->used, o->bound_mwh + 1) - cost;
	/* Sessions that shared the pool and have ended kept their bounds back, and so did this one, beside its step. */
	if (pool->bound_micros > 0)
		allowed = pool->bound_micros + 2 * bound_micros(&s->grant, o->bound_mwh) +
			  (cost == 0 ? s->grant.tariff.start_fee_micros : 0);
	if (left_micros > allowed)
		checker_violate(c,
				8,
				"session %s: %s with %lld micros left",
				r->order,
				word_name(&end_reason_words, r->u.ended.reason),
				(long long)left_micros);
}

static void check_money(struct checker *c, struct checked_outlet *o, const struct record *r)
{
	const struct checked_session *s = &o->session;
	const struct receipt *receipt = &r->u.ended;
	if (s->grant.kind == SESSION_SERVICE)
		return;
	struct checked_pool *pool = pool_of(c, s->grant.account);
	int64_t cost = cost_micros(&s->grant, &s->used);
	int64_t expected = end_reason_is_ours(receipt->reason) ? 0 : cost;
	if (receipt->amount_micros != expected)
		checker_violate(c,
				4,
				"session %s: charged %lld micros, the tariff says %lld",
				r->order,
				(long long)receipt->amount_micros,
				(long long)expected);
	int64_t bound = bound_micros(&s->grant, o->bound_mwh);
	int64_t left = pool->granted_micros - pool->spent_micros;
	bool calm = !(s->causes & (CAUSE_BREAKER | CAUSE_METER));
	int64_t within = receipt->energy_mwh - o->bound_mwh;
	if (calm && within > 0 && cost_with_less(&s->grant, &s->used, o->bound_mwh) > left + pool->bound_micros)
		checker_violate(c,
				7,
				"session %s: cost %lld micros, credit %lld, bound %lld",
				r->order,
				(long long)cost,
				(long long)left,
				(long long)(bound + pool->bound_micros));
	if (c->bill_count < CHECKED_BILLS) {
		struct checked_bill *bill = &c->bills[c->bill_count++];
		*bill = (struct checked_bill){
			.receipt = *receipt, .bound_micros = bound + pool->bound_micros, .calm = calm};
		memcpy(bill->order, s->order, sizeof bill->order);
		memcpy(bill->account, s->grant.account, sizeof bill->account);
	} else {
		checker_violate(c, 5, "more than %d sessions: the checker cannot hold them", CHECKED_BILLS);
	}
	if (receipt->reason == END_CREDIT_EXHAUSTED)
		check_cut_off(c, o, r, pool, cost);
	pool->spent_micros += expected;
	pool->waived_micros += cost - expected;
	pool->bound_micros += bound;
}

/* Every reason needs something in the world that explains it. */
static void check_reason(struct checker *c, struct checked_outlet *o, const struct record *r, int64_t now_ms)
{
	static const unsigned needed[END_REASON_COUNT] = {
		[END_CUSTOMER] = CAUSE_STOP,
		[END_SERVER] = CAUSE_STOP,
		[END_OPERATOR] = CAUSE_STOP,
		[END_TECHNICIAN] = CAUSE_STOP,
		[END_DOOR] = CAUSE_DOOR,
		[END_TAMPER] = CAUSE_TAMPER,
		[END_TRIPPED] = CAUSE_BREAKER,
		[END_BREAKER_FAULT] = CAUSE_BREAKER,
		[END_METER_SILENT] = CAUSE_METER,
		[END_METER_IMPLAUSIBLE] = CAUSE_METER,
		[END_METER_REPLACED] = CAUSE_METER,
		[END_STORAGE] = CAUSE_DISK,
		[END_POWER_LOST] = CAUSE_POWER,
	};
	const struct checked_session *s = &o->session;
	enum end_reason reason = r->u.ended.reason;
	const struct grant *g = &s->grant;
	int64_t energy = r->u.ended.energy_mwh;
	bool explained = (s->causes & needed[reason]) != 0;
	if (reason == END_CREDIT_EXHAUSTED)
		explained = g->mode == FEE_LOCAL;
	else if (reason == END_LEASE_EXPIRED)
		explained = g->mode == FEE_REMOTE;
	else if (reason == END_NOT_STARTED)
		explained = (s->causes & (CAUSE_POWER | CAUSE_DISK)) ||
			    now_ms - s->authorized_ms >= g->hold_ms - DURABLE_GRACE_MS;
	else if (reason == END_LIMIT_ENERGY)
		explained = g->limit_mwh > 0 && energy + o->bound_mwh >= g->limit_mwh;
	else if (reason == END_LIMIT_AMOUNT)
		explained = g->limit_micros > 0 && cost_with_more(g, &s->used, o->bound_mwh) >= g->limit_micros;
	else if (reason == END_LIMIT_TIME)
		explained = g->limit_ms > 0 && r->u.ended.energised_ms >= g->limit_ms;
	else if (reason == END_FULL) /* a meter that is stuck shows what was */
		explained = g->full_ms > 0 && (o->full.full || (s->causes & CAUSE_METER));
	if (!explained)
		checker_violate(c,
				8,
				"session %s ended: %s, but nothing in the world explains it",
				r->order,
				word_name(&end_reason_words, reason));
}

static void check_ended(struct checker *c, struct checked_outlet *o, const struct record *r, const struct plant *plant,
			int64_t now_ms)
{
	struct checked_session *s = &o->session;
	if (!s->open || strcmp(s->order, r->order) != 0) {
		checker_violate(c, 3, "session %s ends, but it is not open", r->order);
		return;
	}
	check_end_energy(c, o, r, plant);
	check_rates(c, o, r);
	check_money(c, o, r);
	check_reason(c, o, r, now_ms);
	s->open = false;
	s->closable = false;
	c->ends++;
	if (c->ended_count < CHECKED_ORDERS)
		c->ended_orders[c->ended_count++] = name_hash(r->order);
	if (s->grant.kind == SESSION_CUSTOMER && !pool_in_use(c, s->grant.account))
		*pool_of(c, s->grant.account) = (struct checked_pool){0};
}

/* Whether the hash stands in a ring of CHECKED_COMMANDS; if not, it does afterwards. */
static bool seen_before(uint64_t *ring, size_t *count, uint64_t hash)
{
	size_t kept = *count < CHECKED_COMMANDS ? *count : CHECKED_COMMANDS;
	for (size_t i = 0; i < kept; i++) {
		if (ring[i] == hash)
			return true;
	}
	ring[(*count)++ % CHECKED_COMMANDS] = hash;
	return false;
}

static void check_command(struct checker *c, const struct record *r)
{
	bool again = r->u.command.type == COMMAND_STOP || r->u.command.type == COMMAND_POWER_OFF;
	if (r->u.command.outcome != COMMAND_DONE || r->u.command.seq == 0 || again)
		return;
	if (seen_before(c->done_commands, &c->done_count, name_hash(r->u.command.id)))
		checker_violate(c, 6, "command %s was done twice", r->u.command.id);
}

static void check_meter(struct checked_outlet *o, const struct record *r)
{
	o->register_mwh = r->register_mwh;
	o->outside_mwh = r->register_mwh;
	o->billed_mwh = 0;
	o->service_mwh = 0;
}

/* The rate of an unknown time needs a time that is unknown: no clock, or a change since the rate began to apply. */
static void check_boundary(struct checker *c, struct checked_session *s, const struct record *r)
{
	int64_t from_ms = s->rate_from_ms;
	s->rate = r->u.boundary.rate;
	s->boundaries++;
	s->rate_from_ms = r->u.boundary.unknown_time ? 0 : r->u.boundary.wall_ms;
	if (!r->u.boundary.unknown_time)
		return;
	s->unknown_time = true;
	bool told = r->at.quality > TIME_UNKNOWN && from_ms != 0;
	if (!(s->causes & CAUSE_POWER))
		checker_violate(c, 4, "session %s: an unknown time, but the board never died", r->order);
	if (told && fee_next_change_ms(&s->grant.tariff, from_ms) > r->at.wall_ms)
		checker_violate(c, 4, "session %s: an unknown time, but the rate did not change", r->order);
}

static void check_outlet_record(struct checker *c, const struct record *r, const struct plant *plant,
				int64_t written_ms)
{
	struct checked_outlet *o = &c->outlets[r->outlet];
	struct checked_session *s = &o->session;
	bool fits = s->open && strcmp(s->order, r->order) == 0;
	check_register(c, o, r, plant);
	switch (r->kind) {
	case RECORD_METER:
		check_meter(o, r);
		break;
	case RECORD_AUTHORIZED:
		check_authorized(c, o, r, written_ms);
		break;
	case RECORD_STARTED:
		if (!fits || s->started || s->paused)
			checker_violate(c, 1, "session %s starts, but it is not waiting for that", r->order);
		s->started = true;
		s->closable = true;
		s->start_mwh = r->register_mwh;
		s->rate = r->u.started.rate;
		s->rate_from_ms = r->at.wall_ms;
		s->true_last_uj = plant_true_uj(plant, (unsigned)r->outlet);
		break;
	case RECORD_BOUNDARY:
		if (!fits || !s->started)
			checker_violate(c, 4, "session %s has a boundary, but it does not run", r->order);
		check_boundary(c, s, r);
		break;
	case RECORD_RESUMED:
		if (!fits || !s->paused)
			checker_violate(c, 1, "session %s resumes, but it is not paused", r->order);
		s->paused = false;
		s->closable = true;
		s->rate = r->u.started.rate;
		s->rate_from_ms = r->at.wall_ms;
		s->boundaries++;
		break;
	case RECORD_PAUSED:
		if (!fits || !s->closable)
			checker_violate(c, 1, "session %s pauses, but it does not run", r->order);
		s->paused = true;
		s->closable = false;
		break;
	case RECORD_STOPPING:
		s->paused = false;
		s->closable = false;
		break;
	case RECORD_CREDIT:
		pool_of(c, s->grant.account)->granted_micros += r->u.credit.credit_micros;
		break;
	case RECORD_ENDED:
		check_ended(c, o, r, plant, written_ms);
		break;
	case RECORD_MARK:
	case RECORD_AVAILABLE:
	case RECORD_BOOT:
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
}

void checker_record(struct checker *c, const struct record *r, const struct plant *plant, int64_t written_ms)
{
	if (r->seq != c->seq + 1)
		checker_violate(
			c, 5, "record %llu follows %llu", (unsigned long long)r->seq, (unsigned long long)c->seq);
	c->seq = r->seq;
	c->records++;
	if (r->outlet != RECORD_NO_OUTLET)
		check_outlet_record(c, r, plant, written_ms);
	if (r->kind == RECORD_COMMAND)
		check_command(c, r);
	if (r->kind == RECORD_COMMAND && r->u.command.type == COMMAND_START && r->u.command.outcome == COMMAND_DONE &&
	    r->outlet != RECORD_NO_OUTLET)
		c->outlets[r->outlet].start_taken = c->outlets[r->outlet].start_told;
}

void checker_new_ledger(struct checker *c)
{
	c->seq = 0;
	c->bill_count = 0; /* some of them never reached the server: it bills by what it has */
	for (unsigned i = 0; i < c->outlet_count; i++) {
		struct checked_outlet *o = &c->outlets[i];
		if (o->session.open) {
			c->ends++; /* the server closes it, as ledger_lost */
			if (c->ended_count < CHECKED_ORDERS)
				c->ended_orders[c->ended_count++] = name_hash(o->session.order);
		}
		o->session = (struct checked_session){.causes = o->session.causes};
		o->register_mwh = o->outside_mwh = o->billed_mwh = o->service_mwh = 0;
	}
	memset(c->pools, 0, sizeof c->pools);
}

/* --- a load that is full, by what truly flows --- */

static void watch_load(const struct checker *c, struct checked_outlet *o, int64_t power_mw, int64_t now_ms)
{
	struct checked_full *f = &o->full;
	int64_t current_ma = (power_mw * 1000 + c->voltage_mv / 2) / c->voltage_mv;
	bool drawing = current_ma >= o->session.grant.full_ma;
	if (!f->closed || drawing == f->drawing)
		return;
	if (drawing) {
		f->lull_ms = now_ms - f->since_ms;
		f->lull_end_ms = now_ms;
	} else if (now_ms - f->since_ms >= CHARGES_MS) {
		f->armed = true;
	}
	f->drawing = drawing;
	f->since_ms = now_ms;
}

/* What begins to draw again just before the end may not have been read yet. */
static void judge_load(const struct checker *c, struct checked_outlet *o, int64_t now_ms)
{
	struct checked_full *f = &o->full;
	int64_t full_ms = o->session.grant.full_ms;
	if (!f->closed)
		return;
	bool lull = f->drawing ? f->lull_ms >= full_ms - c->late_ms && now_ms - f->lull_end_ms <= c->late_ms :
				 now_ms - f->since_ms >= full_ms;
	f->full = f->armed && lull;
	f->closed = false;
}

/* --- what the ports and the plant do --- */

void checker_breaker(struct checker *c, unsigned outlet, bool close, bool already_closed, int64_t now_ms)
{
	struct checked_outlet *o = &c->outlets[outlet];
	if (!close) {
		judge_load(c, o, now_ms);
		return;
	}
	o->full = (struct checked_full){.closed = true, .since_ms = now_ms, .lull_end_ms = now_ms};
	/* Somebody asked, for this session, since it last closed. A latching breaker that a crash left closed is only
	 * told again what it is. */
	bool asked = o->start_taken && strcmp(o->start_order, o->session.order) == 0;
	if (!asked && !already_closed)
		checker_violate(c, 1, "outlet %u closes without an explicit start", outlet);
	o->start_told = false;
	o->start_taken = false;
	if (!o->session.open || !o->session.closable)
		checker_violate(c, 1, "outlet %u closes without a started, durable session", outlet);
	if (o->door_open_since_ms >= 0 && now_ms - o->door_open_since_ms > DOOR_GRACE_MS)
		checker_violate(c, 1, "outlet %u closes although its door is open", outlet);
	if (c->metering_door_open_since_ms >= 0 && now_ms - c->metering_door_open_since_ms > DOOR_GRACE_MS)
		checker_violate(c, 1, "outlet %u closes although the metering box is open", outlet);
}

void checker_pulse(struct checker *c, int outlet)
{
	if (outlet == RECORD_NO_OUTLET) {
		if (++c->metering_pulses > c->metering_pulses_allowed)
			checker_violate(c, 6, "the metering box is unlocked more often than allowed");
		return;
	}
	struct checked_outlet *o = &c->outlets[outlet];
	if (++o->pulses > o->pulses_allowed)
		checker_violate(c, 6, "outlet %d is unlocked more often than commands allow", outlet);
}

void checker_unlock(struct checker *c, int outlet, const char *id)
{
	if (seen_before(c->unlocks, &c->unlock_count, name_hash(id)))
		return;
	if (outlet == RECORD_NO_OUTLET)
		c->metering_pulses_allowed++;
	else if ((unsigned)outlet < c->outlet_count)
		c->outlets[outlet].pulses_allowed++;
}

static void note_causes(struct checker *c, int outlet, unsigned causes, bool begins, bool ends)
{
	for (unsigned i = 0; i < c->outlet_count; i++) {
		struct checked_outlet *o = &c->outlets[i];
		if (outlet != RECORD_NO_OUTLET && (unsigned)outlet != i)
			continue;
		o->session.causes |= causes;
		o->present = (o->present | (begins ? causes : 0)) & ~(ends ? causes : 0);
		for (unsigned bit = 0; bit < CAUSE_COUNT; bit++) {
			if (causes & (1u << bit))
				o->cause_ms[bit] = c->now_ms;
		}
	}
}

void checker_cause(struct checker *c, int outlet, unsigned causes)
{
	note_causes(c, outlet, causes, false, false);
}

void checker_cause_begins(struct checker *c, int outlet, unsigned causes)
{
	note_causes(c, outlet, causes, true, false);
}

void checker_cause_ends(struct checker *c, int outlet, unsigned causes)
{
	bool there = false;
	for (unsigned i = 0; i < c->outlet_count; i++)
		there |= (outlet == RECORD_NO_OUTLET || (unsigned)outlet == i) && (c->outlets[i].present & causes) != 0;
	if (there)
		note_causes(c, outlet, causes, false, true);
}

void checker_start(struct checker *c, int outlet, const char *order)
{
	if (outlet < 0 || (unsigned)outlet >= c->outlet_count)
		return;
	/* A start for another session, which will be refused, must not hide one that was taken. */
	const struct checked_outlet *o = &c->outlets[outlet];
	if (o->start_taken && o->session.open && strcmp(o->session.order, order) != 0)
		return;
	c->outlets[outlet].start_told = true;
	word_copy(c->outlets[outlet].start_order, ORDER_SIZE, order);
}

static void note_door(int64_t *open_since_ms, bool shut, int64_t now_ms)
{
	if (shut)
		*open_since_ms = -1;
	else if (*open_since_ms < 0)
		*open_since_ms = now_ms;
}

/* What flows now is used at the rate of now. */
static void count_truth(struct checker *c, struct checked_session *s, int64_t true_uj, int64_t since_ms)
{
	if (!s->open || !s->started || !fee_by_time(&s->grant.tariff))
		return;
	s->truth_lost |= true_uj < s->true_last_uj;
	s->true_uj[fee_rate_at(&s->grant.tariff, c->wall_offset_ms + since_ms)] += true_uj - s->true_last_uj;
	s->true_last_uj = true_uj;
}

static void check_outlet_step(struct checker *c, const struct box_config *config, const struct plant *plant,
			      const enum outlet_state *states, unsigned i, int64_t now_ms)
{
	struct checked_outlet *o = &c->outlets[i];
	bool driven = plant_driven(plant, i);
	if (config->outlets[i].door_fitted)
		note_door(&o->door_open_since_ms, plant_door(plant, (int)i), now_ms);
	if (driven && (!o->session.open || !o->session.started))
		checker_violate(c, 1, "outlet %u is closed outside of a started session", i);
	if (plant_longest_coil_ms(plant, (int)i) > config->outlets[i].lock_pulse_ms)
		checker_violate(c, 9, "the lock of outlet %u was on for too long", i);
	watch_load(c, o, plant_power_mw(plant, i), now_ms);
	if (states == NULL || !driven)
		return;
	if (states[i] != OUTLET_SUPPLYING)
		checker_violate(c,
				2,
				"outlet %u is %s, and its breaker is still commanded closed",
				i,
				word_name(&outlet_state_words, states[i]));
	if (o->door_open_since_ms >= 0 && now_ms - o->door_open_since_ms > DOOR_GRACE_MS)
		checker_violate(c, 2, "outlet %u supplies with its door open", i);
	if (c->metering_door_open_since_ms >= 0 && now_ms - c->metering_door_open_since_ms > DOOR_GRACE_MS)
		checker_violate(c, 2, "outlet %u supplies with the metering box open", i);
}

void checker_step(struct checker *c, const struct box_config *config, const struct plant *plant,
		  const enum outlet_state *states, int64_t now_ms)
{
	int64_t since_ms = c->now_ms;
	c->now_ms = now_ms;
	for (unsigned i = 0; i < c->outlet_count; i++)
		count_truth(c, &c->outlets[i].session, plant_true_uj(plant, i), since_ms);
	if (config->metering_door_fitted)
		note_door(&c->metering_door_open_since_ms, plant_door(plant, PLANT_METERING_BOX), now_ms);
	if (plant_longest_coil_ms(plant, PLANT_METERING_BOX) > config->metering_lock_pulse_ms)
		checker_violate(c, 9, "the metering box's lock was on for too long");
	for (unsigned i = 0; i < c->outlet_count; i++)
		check_outlet_step(c, config, plant, states, i, now_ms);
}
