/* tests/bench/backlog.c: makes the ledger of a box that sold for a month without a link.
 *
 * Room: tests; src/ledger. usage: backlog FILE RECORDS. Three outlets, one session after the other, each record by the
 * rules of the image; the last one is now. Nothing is random but the ledger's id: the same month each time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "ledger.h"

#define OUTLETS 3
#define MONTH_MS (INT64_C(30) * 24 * 3600000)
#define GROUP 100 /* records of one commit */

struct maker {
	struct ledger *ledger;
	struct ledger_queue queue;
	struct box_image image;
	int64_t wall_ms;
	int64_t pace_ms; /* between two records */
	uint64_t sessions;
};

static void fill_random(void *ctx, void *bytes, size_t count)
{
	(void)ctx;
	if (getrandom(bytes, count, 0) != (ssize_t)count)
		abort();
}

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "backlog: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

static void commit(struct maker *m)
{
	struct ledger_error error;
	if (ledger_commit(m->ledger, &m->queue, &error) < 0)
		fail("commit", error.text);
}

static void add(struct maker *m, struct record *r)
{
	r->seq = m->image.seq + 1;
	r->boot = m->image.boot + (r->kind == RECORD_BOOT);
	r->at = (struct moment){
		.mono_ms = (int64_t)m->image.seq * m->pace_ms, .wall_ms = m->wall_ms, .quality = TIME_SYNCHRONISED};
	m->wall_ms += m->pace_ms;
	const char *fault = image_apply(&m->image, r);
	if (fault != NULL)
		fail("the maker's own record", fault);
	if (!ledger_queue_push(&m->queue, r, 1))
		fail("queue", "full");
	if (ledger_queue_count(&m->queue) == GROUP)
		commit(m);
}

static struct record of(const struct maker *m, enum record_kind kind, int outlet, int64_t moved_mwh)
{
	struct record r;
	memset(&r, 0, sizeof r);
	r.kind = kind;
	r.outlet = outlet;
	if (record_is_of_session(kind))
		memcpy(r.order, m->image.outlets[outlet].session.grant.order, sizeof r.order);
	r.has_register = moved_mwh >= 0;
	r.register_mwh = r.has_register ? m->image.outlets[outlet].register_mwh + moved_mwh : 0;
	return r;
}

static void begin(struct maker *m)
{
	struct record boot = of(m, RECORD_BOOT, RECORD_NO_OUTLET, -1);
	word_copy(boot.u.boot.version, sizeof boot.u.boot.version, "backlog");
	add(m, &boot);
	for (int i = 0; i < OUTLETS; i++) {
		struct record r = of(m, RECORD_METER, i, 0);
		r.register_mwh = 1000000 * (i + 1);
		snprintf(r.u.meter.serial, sizeof r.u.meter.serial, "%012d", i + 1);
		add(m, &r);
	}
}

static void authorize(struct maker *m, int outlet)
{
	struct record r = of(m, RECORD_AUTHORIZED, outlet, -1);
	snprintf(r.order, sizeof r.order, "offline-%llu", (unsigned long long)++m->sessions);
	r.u.authorized = (struct grant){.tariff = {.id = "flat",
						   .version = 1,
						   .currency = "EUR",
						   .energy_price_micros = 300000,
						   .quantum_micros = 10000,
						   .rounding = FEE_ROUND_HALF_UP},
					.credit_micros = 5000000,
					.hold_ms = 600000};
	memcpy(r.u.authorized.order, r.order, sizeof r.order);
	snprintf(r.u.authorized.account, ACCOUNT_SIZE, "villager-%llu", (unsigned long long)(m->sessions % 100));
	add(m, &r);
}

static void tell_command(struct maker *m, int outlet, enum command_type type)
{
	struct record r = of(m, RECORD_COMMAND, outlet, -1);
	snprintf(r.u.command.id, sizeof r.u.command.id, "local-%llu", (unsigned long long)m->image.seq);
	r.u.command.type = type;
	r.u.command.actor = ACTOR_TECHNICIAN;
	word_copy(r.u.command.name, sizeof r.u.command.name, "tess");
	add(m, &r);
}

static void end(struct maker *m, int outlet)
{
	const struct session_image *s = &m->image.outlets[outlet].session;
	struct record stop = of(m, RECORD_STOPPING, outlet, 0);
	stop.u.stopping.reason = END_CUSTOMER;
	add(m, &stop);
	struct record r = of(m, RECORD_ENDED, outlet, 0);
	r.u.ended = (struct receipt){.reason = END_CUSTOMER,
				     .start_mwh = s->start_mwh,
				     .energy_mwh = m->image.outlets[outlet].session_mwh,
				     .amount_micros = session_cost_micros(&s->grant, &s->used),
				     .settled = true};
	add(m, &r);
	struct record gone = of(m, RECORD_AVAILABLE, outlet, -1);
	add(m, &gone);
}

static void make(struct maker *m, uint64_t records)
{
	begin(m);
	for (int outlet = 0; m->image.seq + 32 <= records; outlet = (outlet + 1) % OUTLETS) {
		authorize(m, outlet);
		tell_command(m, outlet, COMMAND_AUTHORIZE);
		struct record started = of(m, RECORD_STARTED, outlet, 0);
		add(m, &started);
		tell_command(m, outlet, COMMAND_START);
		for (int i = 0; i < 8; i++) {
			struct record mark = of(m, RECORD_MARK, outlet, 10000 * (i + 1));
			add(m, &mark);
		}
		end(m, outlet);
		tell_command(m, outlet, COMMAND_STOP);
	}
	while (m->image.seq < records)
		tell_command(m, 0, COMMAND_UNLOCK);
	if (ledger_queue_count(&m->queue) > 0)
		commit(m);
}

int main(int argc, char **argv)
{
	static struct maker m;
	struct ledger_error error;
	char *rest = NULL;
	uint64_t records = argc == 3 ? strtoull(argv[2], &rest, 10) : 0;
	if (argc != 3 || records < 10 || records > 10000000 || *rest != '\0') {
		fputs("usage: backlog FILE RECORDS (10 to 10000000)\n", stderr);
		return 64;
	}
	struct ledger_options options = {.path = argv[1], .random = fill_random};
	if (ledger_open(&options, &m.ledger, &m.image, &error) < 0)
		fail(argv[1], error.text);
	if (m.image.seq != 0)
		fail(argv[1], "it is there already");
	ledger_queue_init(&m.queue);
	m.pace_ms = MONTH_MS / (int64_t)records;
	m.wall_ms = (int64_t)time(NULL) * 1000 - m.pace_ms * (int64_t)records;
	make(&m, records);
	ledger_close(m.ledger);
	printf("{\"records\":%llu,\"sessions\":%llu}\n",
	       (unsigned long long)m.image.seq,
	       (unsigned long long)m.sessions);
	return 0;
}
