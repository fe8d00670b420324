/* tools/ops/core/desk.c: see desk.h.
 *
 * Room: feecontrol, src/model; the store only through store.h and store_desk.h. */
#include "desk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ops_internal.h"
#include "store_desk.h"
#include "units.h"

/* --- lists --- */

int ops_each_order(struct ops *ops, enum desk_orders which, const char *before,
		   bool (*take)(void *ctx, const struct ops_order *order), void *ctx, struct ops_error *error)
{
	struct ops_order order = {.made_ms = INT64_MAX};
	int result = before[0] == '\0' ? 0 : ops_get_order(ops, before, &order, error);
	int found = result < 0 ? result : 1;
	while (found > 0) {
		found = store_next_order(ops->store, which, order.made_ms, order.grant.order, &order, error);
		if (found > 0 && !take(ctx, &order))
			return 0;
	}
	return found;
}

int ops_find_account(struct ops *ops, const char *name, struct desk_account *account, struct ops_error *error)
{
	struct account_row row;
	int result = ops_need_account(ops, name, &row, error);
	int found = result < 0 ? result : store_find_account(ops->store, name, account, error);
	return found < 0 ? found : 0;
}

int ops_each_account(struct ops *ops, const char *after, bool (*take)(void *ctx, const struct desk_account *account),
		     void *ctx, struct ops_error *error)
{
	return store_each_account(ops->store, after, take, ctx, error);
}

int ops_each_posting(struct ops *ops, const char *account, int64_t before,
		     bool (*take)(void *ctx, const struct desk_posting *posting), void *ctx, struct ops_error *error)
{
	struct account_row row;
	int result = ops_need_account(ops, account, &row, error);
	if (result < 0)
		return result;
	struct book book = ops_customer_book(account);
	return store_each_posting(ops->store, book.name, before > 0 ? before : INT64_MAX, take, ctx, error);
}

int ops_count_commands(struct ops *ops, const char *box, int64_t *count, struct ops_error *error)
{
	struct box_row row;
	int result = ops_need_box(ops, box, &row, error);
	return result < 0 ? result : store_count_pending(ops->store, box, count, error);
}

/* --- alarms --- */

int ops_each_alarm(struct ops *ops, int64_t before, bool (*take)(void *ctx, const struct desk_alarm *alarm), void *ctx,
		   struct ops_error *error)
{
	return store_each_alarm(ops->store, before > 0 ? before : INT64_MAX, take, ctx, error);
}

int ops_alarms_after(struct ops *ops, int64_t after, bool (*take)(void *ctx, const struct desk_alarm *alarm), void *ctx,
		     struct ops_error *error)
{
	return store_alarms_after(ops->store, after, take, ctx, error);
}

static bool take_number(void *ctx, const struct desk_alarm *alarm)
{
	*(int64_t *)ctx = alarm->number;
	return false;
}

int ops_newest_alarm(struct ops *ops, int64_t *number, struct ops_error *error)
{
	*number = 0;
	return ops_each_alarm(ops, 0, take_number, number, error);
}

int ops_note_finding(struct ops *ops, const char *box, int outlet, const char *word, const char *detail,
		     struct ops_error *error)
{
	struct desk_alarm alarm = {.at_ms = ops->intake_ms, .outlet = outlet, .kind = DESK_SERVER};
	word_copy(alarm.box, sizeof alarm.box, box);
	word_copy(alarm.word, sizeof alarm.word, word);
	word_copy(alarm.detail, sizeof alarm.detail, detail);
	return store_add_alarm(ops->store, &alarm, error);
}

int ops_note_order(struct ops *ops, enum ops_notice what, const struct ops_order *order, struct ops_error *error)
{
	const struct {
		bool found;
		const char *word;
	} findings[] = {
		{what == OPS_NOTICE_GRANT_DIFFERS, "grant_differs"},
		{what == OPS_NOTICE_CLOSED && order->price_differs, "price_differs"},
		{what == OPS_NOTICE_CLOSED && order->written_off_micros > 0, "written_off"},
		{what == OPS_NOTICE_CLOSED && order->ledger_lost, "ledger_lost"},
	};
	int result = 0;
	for (size_t i = 0; result == 0 && i < sizeof findings / sizeof *findings; i++) {
		if (findings[i].found)
			result = ops_note_finding(
				ops, order->box, order->outlet, findings[i].word, order->grant.order, error);
	}
	return result;
}

static int note_alarm(struct ops *ops, const char *box, const struct record *r, struct ops_error *error)
{
	struct desk_alarm alarm = {
		.at_ms = r->at.quality > TIME_UNKNOWN ? r->at.wall_ms : ops->intake_ms,
		.outlet = r->outlet,
	};
	const char *word, *detail;
	word_copy(alarm.box, sizeof alarm.box, box);
	if (r->kind == RECORD_ALARM) {
		alarm.kind = DESK_ALARM;
		word = word_name(&alarm_words, r->u.alarm.alarm);
		detail = r->u.alarm.detail;
	} else if (r->kind == RECORD_FAULT) {
		alarm.kind = DESK_FAULT;
		word = word_name(&outlet_fault_words, r->u.fault.fault);
		detail = r->order;
	} else if (r->kind == RECORD_CLEARED) {
		alarm.kind = DESK_CLEARED;
		word = word_name(&actor_words, r->u.cleared.actor);
		detail = r->u.cleared.name;
	} else {
		return 0;
	}
	word_copy(alarm.word, sizeof alarm.word, word);
	word_copy(alarm.detail, sizeof alarm.detail, detail);
	return store_add_alarm(ops->store, &alarm, error);
}

/* --- samples --- */

/* What the register has counted since the record before. Of a new meter's first register nothing is known. */
static int64_t gained_since(const struct sample_row *last, const struct record *r)
{
	int64_t room_mwh = DESK_ENERGY_MAX_MWH - last->total_mwh - last->unplaced_mwh;
	int64_t gained_mwh = r->register_mwh - last->register_mwh;
	if (r->kind == RECORD_METER || gained_mwh < 0)
		return 0;
	return gained_mwh < room_mwh ? gained_mwh : room_mwh;
}

/* Adds the sample behind the last one, or puts it in its place while that is too near to the one before it. */
static int add_sample(struct ops *ops, const char *box, int outlet, const struct sample_row *last,
		      const struct sample_row *row, struct ops_error *error)
{
	struct sample_row before;
	int found = store_sample_until(ops->store, box, outlet, last->at_ms - 1, &before, error);
	if (found < 0)
		return found;
	bool too_near = row->at_ms == last->at_ms || (found && row->at_ms - before.at_ms < DESK_SAMPLE_REST_MS);
	int result = too_near ? store_drop_sample(ops->store, box, outlet, last->at_ms, error) : 0;
	return result < 0 ? result : store_add_sample(ops->store, box, outlet, row, error);
}

/* The sample that the record makes behind the last one. */
static struct sample_row next_sample(const struct ops *ops, const struct sample_row *last, const struct record *r)
{
	struct sample_row row = {.at_ms = last->at_ms, .register_mwh = r->register_mwh, .total_mwh = last->total_mwh};
	int64_t gained_mwh = last->unplaced_mwh + gained_since(last, r);
	if (r->at.quality == TIME_UNKNOWN) {
		row.unplaced_mwh = gained_mwh;
		return row;
	}
	row.total_mwh += gained_mwh;
	/* A clock that is wrong must not keep what comes later out: nothing was written after it came in. */
	row.at_ms = r->at.wall_ms < ops->intake_ms ? r->at.wall_ms : ops->intake_ms;
	if (row.at_ms <= last->at_ms) /* at once, or the clock went back: no energy may be lost by that */
		row.at_ms = last->at_ms + (gained_mwh > 0);
	return row;
}

static int note_sample(struct ops *ops, const char *box, const struct record *r, struct ops_error *error)
{
	struct sample_row last;
	int64_t oldest_ms = ops->intake_ms - DESK_SAMPLES_MS;
	bool timed = r->at.quality > TIME_UNKNOWN;
	if (!r->has_register || r->outlet == RECORD_NO_OUTLET || (timed && r->at.wall_ms <= oldest_ms))
		return 0;
	int found = store_sample_until(ops->store, box, r->outlet, INT64_MAX, &last, error);
	int result = found < 0 ? found : store_prune_samples(ops->store, box, r->outlet, oldest_ms, error);
	if (result < 0 || (found == 0 && !timed))
		return result;
	if (found == 0)
		last = (struct sample_row){.at_ms = INT64_MIN, .register_mwh = r->register_mwh};
	struct sample_row row = next_sample(ops, &last, r);
	return found == 0 ? store_add_sample(ops->store, box, r->outlet, &row, error) :
			    add_sample(ops, box, r->outlet, &last, &row, error);
}

int ops_note_record(struct ops *ops, const char *box, const struct record *r, struct ops_error *error)
{
	int result = note_alarm(ops, box, r, error);
	return result < 0 ? result : note_sample(ops, box, r, error);
}

/* --- energy over time --- */

/* The samples around a moment, and all others that have none between. */
struct span {
	bool known; /* they were looked for */
	bool has_before, has_after;
	struct sample_row before, after;
};

static int find_span(struct ops *ops, const char *box, int outlet, int64_t at_ms, struct span *span,
		     struct ops_error *error)
{
	if (span->known && (!span->has_before || at_ms >= span->before.at_ms) &&
	    (!span->has_after || at_ms < span->after.at_ms))
		return 0;
	int before = store_sample_until(ops->store, box, outlet, at_ms, &span->before, error);
	int after = before < 0 ? before : store_sample_after(ops->store, box, outlet, at_ms, &span->after, error);
	span->has_before = before > 0;
	span->has_after = after > 0;
	span->known = true;
	return after < 0 ? after : 0;
}

/* What was counted up to a moment within the span. */
static int64_t total_at(const struct span *span, int64_t at_ms)
{
	int64_t gained_mwh;
	if (!span->has_before)
		return span->has_after ? span->after.total_mwh : 0;
	if (!span->has_after)
		return span->before.total_mwh;
	if (!fee_mul_div(span->after.total_mwh - span->before.total_mwh,
			 at_ms - span->before.at_ms,
			 span->after.at_ms - span->before.at_ms,
			 FEE_ROUND_DOWN,
			 &gained_mwh))
		gained_mwh = 0; /* never: it is at most the difference */
	return span->before.total_mwh + gained_mwh;
}

static int check_series(int outlet, int64_t from_ms, int64_t to_ms, int64_t step_ms, struct ops_error *error)
{
	if (outlet < 0 || outlet >= OUTLETS_MAX)
		return ops_fail(error, -EINVAL, "outlet must be one of the %d that a box can have", OUTLETS_MAX);
	if (from_ms < 0 || to_ms <= from_ms || to_ms > OPS_TIME_MAX_MS || step_ms < 1)
		return ops_fail(error, -EINVAL, "to must be later than from, both before the year 10000");
	if ((to_ms - from_ms - 1) / step_ms >= DESK_STEPS_MAX)
		return ops_fail(error, -EINVAL, "from and to must be at most %d steps apart", DESK_STEPS_MAX);
	return 0;
}

int ops_series(struct ops *ops, const char *box, int outlet, int64_t from_ms, int64_t to_ms, int64_t step_ms,
	       int64_t energy_mwh[DESK_STEPS_MAX], size_t *count, struct ops_error *error)
{
	struct box_row row;
	struct span span = {.known = false};
	int result = check_series(outlet, from_ms, to_ms, step_ms, error);
	if (result < 0 || (result = ops_need_box(ops, box, &row, error)) < 0 ||
	    (result = find_span(ops, box, outlet, from_ms, &span, error)) < 0)
		return result;
	if (!span.has_before && !span.has_after)
		return 0;
	int64_t total_mwh = total_at(&span, from_ms);
	*count = 0;
	for (int64_t at_ms = from_ms; at_ms < to_ms;) {
		at_ms = to_ms - at_ms < step_ms ? to_ms : at_ms + step_ms;
		if ((result = find_span(ops, box, outlet, at_ms, &span, error)) < 0)
			return result;
		int64_t next_mwh = total_at(&span, at_ms);
		energy_mwh[(*count)++] = next_mwh - total_mwh;
		total_mwh = next_mwh;
	}
	return 1;
}
