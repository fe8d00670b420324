/* tests/sim/world.c: the simulated clock, and the end of a world. See world.h. */
#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_internal.h"

/* After the busy part everything must have come to rest within this time. */
#define REST_MS INT64_C(14400000)

/* Steps without time going on: more than that many are a busy loop. */
#define STANDSTILL_MAX 10000

static const char *const fault_names[WORLD_FAULT_COUNT] = {
	"power",
	"crash",
	"link",
	"meter",
	"breaker",
	"door",
	"disk",
	"rot",
};

const char *world_fault_name(unsigned index)
{
	return index < WORLD_FAULT_COUNT ? fault_names[index] : NULL;
}

int64_t world_wall(const struct world *w)
{
	return WORLD_EPOCH_MS + w->now_ms;
}

struct moment world_moment(const struct world *w)
{
	struct moment m = {.mono_ms = w->now_ms - w->mono_base_ms, .quality = w->quality};
	/* A board without a clock believes that it is 1970. */
	m.wall_ms = w->quality == TIME_UNKNOWN ? m.mono_ms : world_wall(w);
	return m;
}

bool world_is_busy(const struct world *w)
{
	bool script_played = w->options.scripted && w->customers[0].orders > 0;
	return w->now_ms < w->busy_until_ms && !script_played;
}

/* --- what happened, for people and for comparing two runs --- */

void world_fold(struct world *w, const void *bytes, size_t count)
{
	const unsigned char *from = bytes;
	uint64_t hash = w->result->hash;
	for (size_t i = 0; i < count; i++)
		hash = (hash ^ from[i]) * UINT64_C(1099511628211);
	w->result->hash = hash;
}

void world_trace(struct world *w, const char *format, ...)
{
	va_list arguments;
	if (!w->options.trace)
		return;
	printf("%12.3f #%llu ", (double)w->now_ms / 1000, (unsigned long long)w->result->steps);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

void world_boundary(struct world *w)
{
	w->result->boundaries++;
	if (w->result->boundaries != w->options.cut_at_boundary || !w->mains)
		return;
	world_trace(w, "power cut at boundary %llu", (unsigned long long)w->result->boundaries);
	w->dying = true;
	plant_set_board(w->plant, false);
	plant_set_mains(w->plant, false);
	cutvfs_cut(w->disk, w->options.damage);
}

/* --- the heap of what is to happen --- */

static bool comes_first(const struct happening *a, const struct happening *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

struct happening *world_plan(struct world *w, enum happening_type type, int64_t in_ms)
{
	struct happening *h = calloc(1, sizeof *h);
	if (h == NULL || w->happening_count == HAPPENINGS_MAX) {
		fprintf(stderr, "meterbox-sim: out of memory, or more than %d things planned\n", HAPPENINGS_MAX);
		abort();
	}
	*h = (struct happening){.at_ms = w->now_ms + in_ms, .order = w->happening_order++, .type = type};
	size_t at = w->happening_count++;
	while (at > 0 && comes_first(h, w->happenings[(at - 1) / 2])) {
		w->happenings[at] = w->happenings[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	w->happenings[at] = h;
	return h;
}

static struct happening *take_first(struct world *w)
{
	struct happening *first = w->happenings[0];
	struct happening *last = w->happenings[--w->happening_count];
	size_t at = 0;
	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= w->happening_count)
			break;
		if (child + 1 < w->happening_count && comes_first(w->happenings[child + 1], w->happenings[child]))
			child++;
		if (!comes_first(w->happenings[child], last))
			break;
		w->happenings[at] = w->happenings[child];
		at = child;
	}
	if (w->happening_count > 0)
		w->happenings[at] = last;
	return first;
}

/* --- one world --- */

static void config_outlet(struct world *w, unsigned i)
{
	static const int64_t ratings[] = {2200000, 3500000, 7000000, 22000000, 40000000};
	static const int64_t steps[] = {1000, 10000, 10000, 100000};
	struct chance *c = &w->chance;
	struct outlet_config *o = &w->box_config.outlets[i];
	struct plant_outlet_config *p = &w->plant_config.outlets[i];
	o->rated_mw = ratings[chance_between(c, 0, 4)];
	o->breaker.step_mwh = w->options.scripted ? 1000 : steps[chance_between(c, 0, 3)];
	o->breaker.kind = chance_happens(c, 200) ? BREAKER_LATCHING : BREAKER_MONOSTABLE;
	o->breaker.contact_fitted = o->breaker.kind == BREAKER_LATCHING || chance_happens(c, 700);
	o->breaker.actuation_ms = 200;
	o->breaker.current_threshold_ma = 50;
	o->door_fitted = chance_happens(c, 600);
	o->lock_pulse_ms = 300;
	o->lock_rest_ms = 2000;
	p->meter.step_mwh = o->breaker.step_mwh;
	p->meter.initial_mwh = chance_between(c, 0, 90000000000);
	p->meter.has_clock = chance_happens(c, 700);
	snprintf(p->meter.serial, sizeof p->meter.serial, "%012lld", (long long)chance_between(c, 1, 999999999999));
	p->breaker.kind = o->breaker.kind;
	p->breaker.close_ms = chance_between(c, 10, 80);
	p->breaker.open_ms = chance_between(c, 5, 60);
	p->user_door_fitted = o->door_fitted;
	p->lock_rating_ms = 300;
}

static void configure(struct world *w)
{
	struct box_config *b = &w->box_config;
	struct plant_config *p = &w->plant_config;
	box_config_defaults(b);
	word_copy(b->box, sizeof b->box, WORLD_BOX);
	word_copy(b->version, sizeof b->version, "simulated");
	b->outlet_count = (unsigned)chance_between(&w->chance, 1, 3);
	b->metering_door_fitted = true;
	b->reading_age_ms = 1000;
	b->resume_window_ms = w->options.scripted ? 60000 : 600000;
	b->boot_wait_ms = w->options.scripted ? 5000 : 30000;
	b->settle_ms = w->options.scripted ? 10000 : 30000;
	p->outlet_count = b->outlet_count;
	p->metering_door_fitted = true;
	p->lock_rating_ms = b->metering_lock_pulse_ms;
	p->voltage_mv = 230000;
	p->wall_ms = WORLD_EPOCH_MS;
	for (unsigned i = 0; i < b->outlet_count; i++)
		config_outlet(w, i);
}

static void ops_random(void *ctx, void *bytes, size_t count)
{
	chance_fill(ctx, bytes, count);
}

static int begin(struct world *w)
{
	struct ops_error error;
	chance_init(&w->chance, w->options.seed);
	chance_init(&w->box_chance, w->options.seed ^ UINT64_C(0x626f78));
	configure(w);
	w->result->hash = UINT64_C(14695981039346656037);
	w->mains = true;
	w->link_up = true;
	w->busy_until_ms = w->options.duration_ms;
	snprintf(w->disk_name, sizeof w->disk_name, "cut-%016llx", (unsigned long long)w->options.seed);
	w->disk = cutvfs_new(w->disk_name, w->options.seed);
	if (w->disk == NULL)
		return -ENOMEM;
	cutvfs_pin_randomness(w->disk);
	w->plant = plant_new(&w->plant_config);
	w->box = calloc(1, box_size());
	struct ops_options options = {
		.path = ":memory:", .random = ops_random, .ctx = &w->chance, .command_ms = 120000};
	if (w->plant == NULL || w->box == NULL ||
	    checker_init(&w->checker, &w->box_config, w->plant_config.voltage_mv, WORLD_EPOCH_MS) < 0 ||
	    ops_open(&options, &w->ops, &error) < 0 || ops_add_box(w->ops, WORLD_BOX, &error) < 0)
		return -ENOMEM;
	cutvfs_cut_at(w->disk, w->options.cut_at_operation, w->options.damage);
	plant_set_board(w->plant, true);
	board_boot(w);
	people_begin(w);
	misfortune_begin(w);
	return 0;
}

static void end(struct world *w)
{
	board_forget(w);
	while (w->happening_count > 0) {
		struct happening *h = take_first(w);
		free(h->text);
		free(h);
	}
	ops_close(w->ops);
	free(w->box);
	plant_free(w->plant);
	checker_free(&w->checker);
	if (w->disk != NULL)
		cutvfs_free(w->disk);
}

static void happen(struct world *w, struct happening *h)
{
	world_fold(w, &h->at_ms, sizeof h->at_ms);
	world_fold(w, &h->type, sizeof h->type);
	switch (h->type) {
	case HAPPENS_BUS:
	case HAPPENS_COMMIT:
	case HAPPENS_MAINS:
	case HAPPENS_BOOT:
		board_happens(w, h);
		break;
	case HAPPENS_POST:
	case HAPPENS_ANSWER:
	case HAPPENS_STREAM_OPEN:
	case HAPPENS_STREAM_LINE:
	case HAPPENS_HEARTBEAT:
		link_happens(w, h);
		break;
	case HAPPENS_CUSTOMER:
	case HAPPENS_TECHNICIAN:
	case HAPPENS_OPERATOR:
		people_happen(w, h);
		break;
	case HAPPENS_MISFORTUNE:
	case HAPPENS_MEND:
		misfortune_happens(w, h);
		break;
	}
}

static void states_of(struct world *w, enum outlet_state states[OUTLETS_MAX])
{
	struct outlet_view view;
	for (unsigned i = 0; i < w->box_config.outlet_count; i++) {
		box_view(w->box, i, &view);
		states[i] = view.state;
		if (view.state == OUTLET_FAULTED)
			people_call_technician(w, i);
	}
}

static void judge(struct world *w)
{
	enum outlet_state states[OUTLETS_MAX];
	if (w->alive)
		states_of(w, states);
	checker_step(&w->checker, &w->box_config, w->plant, w->alive ? states : NULL, w->now_ms);
}

/* Time moves to the next thing that happens: by plan, in the plant, or because the heart wants to be woken. */
static void step(struct world *w)
{
	int64_t planned = w->happening_count > 0 ? w->happenings[0]->at_ms : NEVER;
	int64_t wake = w->alive ? box_next_deadline(w->box) : NEVER;
	if (wake != NEVER) {
		wake += w->mono_base_ms;
		wake = wake > w->now_ms ? wake : w->now_ms;
	}
	int64_t change = plant_next_change(w->plant);
	int64_t next = planned < wake ? planned : wake;
	next = change < next ? change : next;
	w->standstill = next > w->now_ms ? 0 : w->standstill + 1;
	if (w->standstill > STANDSTILL_MAX)
		checker_violate(&w->checker, 10, "a busy loop: %d steps in the same millisecond", STANDSTILL_MAX);
	w->now_ms = next > w->now_ms ? next : w->now_ms;
	w->result->steps++;
	plant_advance(w->plant, w->now_ms);
	board_inputs(w);
	if (planned == w->now_ms) {
		struct happening *h = take_first(w);
		happen(w, h);
		free(h->text);
		free(h);
	} else if (w->alive && wake == w->now_ms) {
		box_on_deadline(w->box, world_moment(w));
		board_after(w);
	}
	board_inputs(w);
	judge(w);
}

/* --- rest --- */

static bool server_has_all(struct world *w)
{
	char ledger[LEDGER_ID_SIZE];
	uint64_t accepted;
	struct ops_error error;
	const struct box_image *image = box_image(w->box);
	return w->ledger != NULL && ledger_durable_seq(w->ledger) == image->seq &&
	       ops_ledger(w->ops, WORLD_BOX, ledger, &accepted, &error) == 0 &&
	       strcmp(ledger, ledger_id(w->ledger)) == 0 && accepted == image->seq &&
	       ledger_accepted_seq(w->ledger) == image->seq;
}

/* What keeps the world from being at rest, or NULL. */
static const char *unrest(struct world *w)
{
	if (world_is_busy(w))
		return "busy";
	if (!w->alive)
		return "the box is dead";
	if (!people_are_done(w))
		return "somebody is still at the box";
	const struct box_image *image = box_image(w->box);
	for (unsigned i = 0; i < w->box_config.outlet_count; i++) {
		if (image->outlets[i].session.phase != PHASE_NONE)
			return "a session is still there";
	}
	return server_has_all(w) ? NULL : "the server has not all records";
}

struct comparison {
	struct world *w;
	uint64_t seq;
	char *texts; /* of all records, one after another */
	size_t length;
	size_t at;
};

static bool gather(void *ctx, uint64_t seq, const char *body, size_t length)
{
	struct comparison *c = ctx;
	char *grown = realloc(c->texts, c->length + length);
	if (grown == NULL)
		return false;
	c->texts = grown;
	memcpy(grown + c->length, body, length);
	c->length += length;
	c->seq = seq;
	return true;
}

static bool compare(void *ctx, uint64_t seq, const char *text, size_t length, bool refused)
{
	struct comparison *c = ctx;
	if (refused)
		checker_violate(&c->w->checker, 5, "the server refused record %llu", (unsigned long long)seq);
	else if (c->at + length > c->length || memcmp(c->texts + c->at, text, length) != 0)
		checker_violate(
			&c->w->checker, 5, "the server's record %llu is not the box's", (unsigned long long)seq);
	c->at += length;
	return c->w->checker.rule == 0;
}

/* Every record is at the server, once, to the letter. */
static void compare_records(struct world *w)
{
	struct comparison c = {.w = w};
	struct ledger_error ledger_error;
	struct ops_error error;
	uint64_t from = 1;
	do {
		c.seq = 0;
		if (ledger_read(w->ledger, from, LEDGER_BATCH_MAX, gather, &c, &ledger_error) < 0)
			checker_violate(&w->checker, 5, "%s", ledger_error.text);
		from = c.seq + 1;
	} while (c.seq > 0);
	if (ops_records(w->ops, WORLD_BOX, ledger_id(w->ledger), 0, compare, &c, &error) < 0)
		checker_violate(&w->checker, 5, "%s", error.text);
	if (c.at != c.length)
		checker_violate(&w->checker, 5, "the server has %zu bytes of records, the box %zu", c.at, c.length);
	free(c.texts);
}

static void compare_bill(struct world *w, const struct checked_bill *bill)
{
	struct checker *c = &w->checker;
	struct ops_order o;
	struct ops_error error;
	const struct receipt *ours = &bill->receipt;
	if (ops_get_order(w->ops, bill->order, &o, &error) < 0) {
		checker_violate(c, 5, "order %s: %s", bill->order, error.text);
		return;
	}
	if (o.state != OPS_ORDER_DONE || o.receipt.reason != ours->reason || o.receipt.energy_mwh != ours->energy_mwh ||
	    o.receipt.amount_micros != ours->amount_micros)
		checker_violate(c, 5, "order %s: the server's end is not the box's", bill->order);
	if (o.billed_micros != ours->amount_micros || o.price_differs)
		checker_violate(c,
				5,
				"order %s: billed %lld micros, the box says %lld",
				bill->order,
				(long long)o.billed_micros,
				(long long)ours->amount_micros);
	if (bill->calm && o.written_off_micros > bill->bound_micros)
		checker_violate(c,
				5,
				"order %s: %lld micros written off, the bound is %lld",
				bill->order,
				(long long)o.written_off_micros,
				(long long)bill->bound_micros);
}

/* What customers have is what they paid in, less what was captured from them: nothing else moves their money. */
static void compare_balances(struct world *w)
{
	struct ops_error error;
	for (int i = 0; i < WORLD_ACCOUNTS; i++) {
		int64_t expected = w->recharged_micros[i];
		int64_t balance = 0;
		char account[ACCOUNT_SIZE];
		snprintf(account, sizeof account, "account-%d", i);
		for (size_t b = 0; b < w->checker.bill_count; b++) {
			struct ops_order o = {.captured_micros = 0};
			if (strcmp(w->checker.bills[b].account, account) == 0 &&
			    ops_get_order(w->ops, w->checker.bills[b].order, &o, &error) == 0)
				expected -= o.captured_micros;
		}
		if (ops_balance(w->ops, account, &balance, &error) == 0 && balance != expected)
			checker_violate(&w->checker,
					5,
					"%s has %lld micros, its payments and bills make %lld",
					account,
					(long long)balance,
					(long long)expected);
	}
}

static void check_rest(struct world *w)
{
	struct checker *c = &w->checker;
	struct ledger_error ledger_error;
	struct ops_error error;
	struct ledger_report *report = calloc(1, sizeof *report);
	for (unsigned i = 0; i < c->outlet_count; i++) {
		if (c->outlets[i].session.open)
			checker_violate(c, 3, "session %s has no end record", c->outlets[i].session.order);
	}
	if (c->sessions != c->ends)
		checker_violate(
			c, 3, "%llu sessions, %llu ends", (unsigned long long)c->sessions, (unsigned long long)c->ends);
	for (unsigned i = 0; i < c->outlet_count; i++) {
		const struct outlet_image *o = &box_image(w->box)->outlets[i];
		const struct checked_outlet *checked = &c->outlets[i];
		if (o->register_mwh != checked->register_mwh || o->billed_mwh != checked->billed_mwh ||
		    o->service_mwh != checked->service_mwh || o->outside_mwh != checked->outside_mwh)
			checker_violate(c, 4, "outlet %u: the box's account of its register is not the records'", i);
	}
	for (size_t i = 0; i < c->bill_count; i++)
		compare_bill(w, &c->bills[i]);
	if (w->rotten == 0)
		compare_balances(w);
	if (ops_check(w->ops, &error) < 0)
		checker_violate(c, 5, "%s", error.text);
	/* What rots after it was sent is found by verify, and may differ from what the server has. */
	int verified = report == NULL ? -ENOMEM : ledger_verify(w->ledger, report, &ledger_error);
	if (verified < 0 && !w->rot_struck)
		checker_violate(c, 5, "%s", report == NULL ? "out of memory" : ledger_error.text);
	if (verified == 0)
		compare_records(w);
	free(report);
}

static void report(struct world *w)
{
	struct world_result *r = w->result;
	r->sessions = w->checker.sessions;
	r->records = w->checker.records;
	r->operations = cutvfs_operations(w->disk);
	r->simulated_ms = w->now_ms;
	r->violated = w->checker.rule != 0;
	if (r->violated)
		snprintf(r->violation,
			 sizeof r->violation,
			 "seed %llu, step %llu, %.3f s: rule %d: %s",
			 (unsigned long long)w->options.seed,
			 (unsigned long long)r->steps,
			 (double)w->now_ms / 1000,
			 w->checker.rule,
			 w->checker.text);
}

int world_run(const struct world_options *options, struct world_result *result)
{
	struct world *w = calloc(1, sizeof *w);
	if (w == NULL)
		return -ENOMEM;
	memset(result, 0, sizeof *result);
	w->options = *options;
	w->result = result;
	int failed = begin(w);
	bool ceased = false;
	while (failed == 0 && w->checker.rule == 0 && unrest(w) != NULL) {
		if (!ceased && !world_is_busy(w)) {
			misfortune_ceases(w);
			ceased = true;
		}
		if (w->now_ms > w->busy_until_ms + REST_MS) {
			checker_violate(&w->checker,
					3,
					"no rest %lld s after all faults ceased: %s",
					(long long)REST_MS / 1000,
					unrest(w));
			break;
		}
		step(w);
	}
	if (failed == 0 && w->checker.rule == 0)
		check_rest(w);
	if (failed == 0)
		report(w);
	end(w);
	free(w);
	return failed;
}
