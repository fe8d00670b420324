/* tools/ops/core/store_sqlite.c: see store.h. The SQLite backend: accounts, boxes, records, orders, commands, postings.
 *
 * Room: src/model, src/wire, sqlite3. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_sql.h"

static const char *const account_kind_names[OPS_ACCOUNT_KIND_COUNT] = {
	[OPS_BOUND] = "bound",
	[OPS_SHARED] = "shared",
};
static const char *const order_state_names[OPS_ORDER_STATE_COUNT] = {
	[OPS_ORDER_SENT] = "sent",
	[OPS_ORDER_OPEN] = "open",
	[OPS_ORDER_DONE] = "done",
	[OPS_ORDER_CANCELLED] = "cancelled",
};
static const char *const until_names[OPS_UNTIL_COUNT] = {
	[OPS_UNTIL_CREDIT] = "credit",
	[OPS_UNTIL_ENERGY] = "energy",
	[OPS_UNTIL_TIME] = "time",
	[OPS_UNTIL_AMOUNT] = "amount",
	[OPS_UNTIL_FULL] = "full",
};
const struct words ops_until_words = {until_names, OPS_UNTIL_COUNT};
const struct words ops_account_kind_words = {account_kind_names, OPS_ACCOUNT_KIND_COUNT};
const struct words ops_order_state_words = {order_state_names, OPS_ORDER_STATE_COUNT};

/* --- accounts, boxes, ledgers --- */

int store_get_account(struct store *s, const char *name, struct account_row *row, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_ACCOUNT, &r, VALUES(TEXT(name)), error);
	if (found <= 0)
		return found;
	store_copy_text(r, 0, row->name, sizeof row->name);
	bool known = store_read_word(r, 1, &ops_account_kind_words, &row->kind);
	row->limit_micros = sqlite3_column_int64(r, 2);
	sqlite3_reset(r);
	return known ? 1 : store_damaged(error, "account");
}

int store_add_account(struct store *s, const struct account_row *row, struct ops_error *error)
{
	return store_run(s,
			 ADD_ACCOUNT,
			 VALUES(TEXT(row->name), WORD(ops_account_kind_words, row->kind), NUMBER(row->limit_micros)),
			 error);
}

int store_get_box(struct store *s, const char *name, struct box_row *row, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_BOX, &r, VALUES(TEXT(name)), error);
	if (found <= 0)
		return found;
	store_copy_text(r, 0, row->name, sizeof row->name);
	store_copy_text(r, 1, row->ledger, sizeof row->ledger);
	row->command_seq = (uint64_t)sqlite3_column_int64(r, 2);
	sqlite3_reset(r);
	return 1;
}

int store_put_box(struct store *s, const struct box_row *row, struct ops_error *error)
{
	return store_run(s, PUT_BOX, VALUES(TEXT(row->name), TEXT(row->ledger), NUMBER(row->command_seq)), error);
}

int store_find_token(struct store *s, const char *hash, char box[BOX_ID_SIZE], struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, FIND_TOKEN, &r, VALUES(TEXT(hash)), error);
	if (found <= 0)
		return found;
	store_copy_text(r, 0, box, BOX_ID_SIZE);
	sqlite3_reset(r);
	return 1;
}

int store_set_token(struct store *s, const char *box, const char *hash, struct ops_error *error)
{
	return store_run(s, SET_TOKEN, VALUES(TEXT(box), TEXT(hash)), error);
}

int store_each_box(struct store *s, bool (*take)(void *ctx, const char *box), void *ctx, struct ops_error *error)
{
	char name[BOX_ID_SIZE];
	sqlite3_stmt *r;
	int found = store_look_up(s, EACH_BOX, &r, NULL, 0, error);
	while (found > 0) {
		store_copy_text(r, 0, name, sizeof name);
		found = store_next(s, r, take(ctx, name), error);
	}
	return found;
}

int store_count_boxes(struct store *s, int64_t *count, struct ops_error *error)
{
	return store_read_number(s, "SELECT count(*) FROM box", count, error);
}

int store_get_ledger(struct store *s, const char *box, const char *id, struct ledger_row *row, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_LEDGER, &r, VALUES(TEXT(box), TEXT(id)), error);
	if (found <= 0)
		return found;
	row->number = sqlite3_column_int64(r, 0);
	store_copy_text(r, 1, row->box, sizeof row->box);
	store_copy_text(r, 2, row->id, sizeof row->id);
	row->accepted = (uint64_t)sqlite3_column_int64(r, 3);
	store_copy_text(r, 4, row->tip, sizeof row->tip);
	row->holed = sqlite3_column_int(r, 5) != 0;
	sqlite3_reset(r);
	return 1;
}

int store_add_ledger(struct store *s, struct ledger_row *row, struct ops_error *error)
{
	int result = store_run(
		s,
		ADD_LEDGER,
		VALUES(TEXT(row->box), TEXT(row->id), NUMBER(row->accepted), TEXT(row->tip), NUMBER(row->holed)),
		error);
	row->number = sqlite3_last_insert_rowid(s->db);
	return result;
}

int store_put_ledger(struct store *s, const struct ledger_row *row, struct ops_error *error)
{
	return store_run(s,
			 PUT_LEDGER,
			 VALUES(NUMBER(row->number), NUMBER(row->accepted), TEXT(row->tip), NUMBER(row->holed)),
			 error);
}

/* --- records and images --- */

int store_add_record(struct store *s, int64_t ledger, uint64_t seq, const char *text, size_t length, const char *why,
		     struct ops_error *error)
{
	return store_run(s, ADD_RECORD, VALUES(NUMBER(ledger), NUMBER(seq), BYTES(text, length), TEXT(why)), error);
}

int store_match_record(struct store *s, int64_t ledger, uint64_t seq, const char *text, size_t length, bool *same,
		       char why[WIRE_ERROR_SIZE], struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_RECORD, &r, VALUES(NUMBER(ledger), NUMBER(seq)), error);
	if (found <= 0)
		return found;
	const char *body = (const char *)sqlite3_column_text(r, 0);
	*same = body != NULL && (size_t)sqlite3_column_bytes(r, 0) == length && memcmp(body, text, length) == 0;
	store_copy_text(r, 1, why, WIRE_ERROR_SIZE);
	sqlite3_reset(r);
	return 1;
}

int store_each_record(struct store *s, int64_t ledger, uint64_t from,
		      bool (*take)(void *ctx, uint64_t seq, const char *text, size_t length, bool refused), void *ctx,
		      struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, EACH_RECORD, &r, VALUES(NUMBER(ledger), NUMBER(from)), error);
	while (found > 0) {
		const char *body = (const char *)sqlite3_column_text(r, 1);
		bool more = take(ctx,
				 (uint64_t)sqlite3_column_int64(r, 0),
				 body != NULL ? body : "",
				 (size_t)sqlite3_column_bytes(r, 1),
				 sqlite3_column_int(r, 2) != 0);
		found = store_next(s, r, more, error);
	}
	return found;
}

int store_get_image(struct store *s, const char *box, int part, char **text, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_IMAGE, &r, VALUES(TEXT(box), NUMBER(part)), error);
	if (found <= 0)
		return found;
	const char *body = (const char *)sqlite3_column_text(r, 0);
	*text = body == NULL ? NULL : strdup(body);
	sqlite3_reset(r);
	return *text != NULL ? 1 : ops_fail(error, -ENOMEM, "out of memory");
}

int store_put_image(struct store *s, const char *box, int part, const char *text, struct ops_error *error)
{
	return store_run(s, PUT_IMAGE, VALUES(TEXT(box), NUMBER(part), TEXT(text)), error);
}

int store_drop_image(struct store *s, const char *box, struct ops_error *error)
{
	return store_run(s, DROP_IMAGE, VALUES(TEXT(box)), error);
}

/* --- orders --- */

static bool read_grant(sqlite3_stmt *r, struct grant *g)
{
	struct wire_error wire;
	const char *tariff = (const char *)sqlite3_column_text(r, 5);
	store_copy_text(r, 0, g->order, sizeof g->order);
	store_copy_text(r, 3, g->account, sizeof g->account);
	g->kind = SESSION_CUSTOMER;
	g->credit_micros = sqlite3_column_int64(r, 6);
	g->lease_ms = sqlite3_column_int64(r, 7);
	g->hold_ms = sqlite3_column_int64(r, 8);
	g->limit_mwh = sqlite3_column_int64(r, 9);
	g->limit_micros = sqlite3_column_int64(r, 10);
	g->limit_ms = sqlite3_column_int64(r, 11);
	g->full_ma = sqlite3_column_int64(r, 31);
	g->full_ms = sqlite3_column_int64(r, 32);
	return store_read_word(r, 4, &fee_mode_words, &g->mode) && tariff != NULL &&
	       wire_read_tariff(tariff, strlen(tariff), &g->tariff, &wire);
}

/* A receipt's energy by rate is kept as "1,2,3", without the zeros at its end. */
#define RATES_TEXT_SIZE (FEE_RATES_MAX * 18)

static void write_rates(const struct fee_energy *energy, char text[RATES_TEXT_SIZE])
{
	size_t count = FEE_RATES_MAX;
	size_t used = 0;
	while (count > 0 && energy->mwh[count - 1] == 0)
		count--;
	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(
			text + used, RATES_TEXT_SIZE - used, "%s%" PRId64, i > 0 ? "," : "", energy->mwh[i]);
}

static bool read_rates(sqlite3_stmt *r, int column, struct fee_energy *energy)
{
	const char *text = (const char *)sqlite3_column_text(r, column);
	for (size_t i = 0; text != NULL && *text != '\0'; i++) {
		char *end;
		if (i == FEE_RATES_MAX)
			return false;
		energy->mwh[i] = strtoll(text, &end, 10);
		if (end == text || (*end != ',' && *end != '\0') || energy->mwh[i] < 0)
			return false;
		text = *end == ',' ? end + 1 : end;
	}
	return text != NULL;
}

int store_read_order(sqlite3_stmt *r, struct ops_order *order, struct ops_error *error)
{
	struct ops_order o = {.outlet = sqlite3_column_int(r, 2)};
	bool known = read_grant(r, &o.grant) && store_read_word(r, 12, &ops_order_state_words, &o.state) &&
		     store_read_word(r, 15, &end_reason_words, &o.receipt.reason) &&
		     read_rates(r, 29, &o.receipt.by_rate) && store_read_word(r, 34, &ops_until_words, &o.sale.until);
	store_copy_text(r, 1, o.box, sizeof o.box);
	o.held_micros = sqlite3_column_int64(r, 13);
	o.started = sqlite3_column_int(r, 14) != 0;
	o.receipt.start_mwh = sqlite3_column_int64(r, 16);
	o.receipt.energy_mwh = sqlite3_column_int64(r, 17);
	o.receipt.amount_micros = sqlite3_column_int64(r, 18);
	o.receipt.energised_ms = sqlite3_column_int64(r, 19);
	o.receipt.settled = sqlite3_column_int(r, 20) != 0;
	o.billed_micros = sqlite3_column_int64(r, 21);
	o.captured_micros = sqlite3_column_int64(r, 22);
	o.written_off_micros = sqlite3_column_int64(r, 23);
	o.price_differs = sqlite3_column_int(r, 24) != 0;
	o.ledger_lost = sqlite3_column_int(r, 25) != 0;
	o.priced_mwh = sqlite3_column_int64(r, 26);
	o.power_off_sent = sqlite3_column_int(r, 27) != 0;
	o.priced_micros = sqlite3_column_int64(r, 28);
	o.lease_micros = sqlite3_column_int64(r, 30);
	store_copy_text(r, 33, o.sale.code, sizeof o.sale.code);
	o.sale.agreement = (uint32_t)sqlite3_column_int64(r, 35);
	o.sale.agreed_ms = sqlite3_column_int64(r, 36);
	o.made_ms = sqlite3_column_int64(r, 37);
	o.ended_ms = sqlite3_column_int64(r, 38);
	store_copy_text(r, 39, o.meter, sizeof o.meter);
	sqlite3_reset(r);
	*order = o;
	return known ? 1 : store_damaged(error, "orders");
}

int store_get_order(struct store *s, const char *number, struct ops_order *order, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_ORDER, &r, VALUES(TEXT(number)), error);
	return found <= 0 ? found : store_read_order(r, order, error);
}

int store_next_open_order(struct store *s, const char *box, const char *account, const char *number,
			  struct ops_order *order, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, NEXT_OPEN_ORDER, &r, VALUES(TEXT(box), TEXT(account), TEXT(number)), error);
	return found <= 0 ? found : store_read_order(r, order, error);
}

int store_next_unbilled(struct store *s, const char *number, struct ops_order *order, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, NEXT_UNBILLED, &r, VALUES(TEXT(number)), error);
	return found <= 0 ? found : store_read_order(r, order, error);
}

int store_add_order(struct store *s, const struct ops_order *o, struct ops_error *error)
{
	const struct grant *g = &o->grant;
	char *tariff = wire_write_tariff(&g->tariff);
	if (tariff == NULL)
		return ops_fail(error, -ENOMEM, "out of memory");
	int result = store_run(s,
			       ADD_ORDER,
			       VALUES(TEXT(g->order),
				      TEXT(o->box),
				      NUMBER(o->outlet),
				      TEXT(g->account),
				      WORD(fee_mode_words, g->mode),
				      TEXT(tariff),
				      NUMBER(g->credit_micros),
				      NUMBER(g->lease_ms),
				      NUMBER(g->hold_ms),
				      NUMBER(g->limit_mwh),
				      NUMBER(g->limit_micros),
				      NUMBER(g->limit_ms),
				      NUMBER(o->lease_micros),
				      NUMBER(g->full_ma),
				      NUMBER(g->full_ms),
				      TEXT(o->sale.code),
				      WORD(ops_until_words, o->sale.until),
				      NUMBER(o->sale.agreement),
				      NUMBER(o->sale.agreed_ms),
				      NUMBER(o->made_ms)),
			       error);
	free(tariff);
	return result;
}

int store_put_order(struct store *s, const struct ops_order *o, struct ops_error *error)
{
	char rates[RATES_TEXT_SIZE];
	write_rates(&o->receipt.by_rate, rates);
	int result = store_run(s,
			       PUT_ORDER,
			       VALUES(TEXT(o->grant.order),
				      WORD(ops_order_state_words, o->state),
				      NUMBER(o->held_micros),
				      NUMBER(o->started),
				      WORD(end_reason_words, o->receipt.reason),
				      NUMBER(o->receipt.start_mwh),
				      NUMBER(o->receipt.energy_mwh),
				      NUMBER(o->receipt.amount_micros),
				      NUMBER(o->receipt.energised_ms),
				      NUMBER(o->receipt.settled),
				      NUMBER(o->billed_micros),
				      NUMBER(o->captured_micros),
				      NUMBER(o->written_off_micros),
				      NUMBER(o->price_differs),
				      NUMBER(o->ledger_lost),
				      NUMBER(o->priced_mwh),
				      NUMBER(o->power_off_sent),
				      NUMBER(o->priced_micros),
				      TEXT(rates),
				      NUMBER(o->ended_ms),
				      TEXT(o->meter)),
			       error);
	if (result == 0 && s->stored != NULL)
		s->stored(s->ctx, o->grant.order);
	return result;
}

void store_on_order(struct store *s, void (*stored)(void *ctx, const char *order), void *ctx)
{
	s->stored = stored;
	s->ctx = ctx;
}

/* --- commands --- */

int store_add_command(struct store *s, const struct command_row *row, const char *text, struct ops_error *error)
{
	return store_run(s,
			 ADD_COMMAND,
			 VALUES(TEXT(row->box),
				NUMBER(row->seq),
				TEXT(row->id),
				WORD(command_type_words, row->type),
				TEXT(row->order),
				TEXT(row->account),
				NUMBER(row->micros),
				TEXT(text),
				TEXT(row->key),
				TEXT(row->pressed)),
			 error);
}

static int read_command(sqlite3_stmt *r, struct command_row *row, struct ops_error *error)
{
	store_copy_text(r, 0, row->box, sizeof row->box);
	row->seq = (uint64_t)sqlite3_column_int64(r, 1);
	store_copy_text(r, 2, row->id, sizeof row->id);
	bool known = store_read_word(r, 3, &command_type_words, &row->type);
	store_copy_text(r, 4, row->order, sizeof row->order);
	store_copy_text(r, 5, row->account, sizeof row->account);
	row->micros = sqlite3_column_int64(r, 6);
	row->pending = sqlite3_column_int(r, 7) != 0;
	sqlite3_reset(r);
	return known ? 1 : store_damaged(error, "command");
}

int store_get_command(struct store *s, const char *id, struct command_row *row, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_COMMAND, &r, VALUES(TEXT(id)), error);
	return found <= 0 ? found : read_command(r, row, error);
}

int store_find_credit(struct store *s, const char *key, char result[COMMAND_RESULT_SIZE], struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, FIND_CREDIT, &r, VALUES(TEXT(key)), error);
	if (found <= 0)
		return found;
	store_copy_text(r, 0, result, COMMAND_RESULT_SIZE);
	sqlite3_reset(r);
	return 1;
}

int store_next_pending(struct store *s, const char *box, uint64_t after, struct command_row *row,
		       struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, NEXT_PENDING, &r, VALUES(TEXT(box), NUMBER(after)), error);
	return found <= 0 ? found : read_command(r, row, error);
}

int store_each_pending(struct store *s, const char *box, uint64_t after, bool stops,
		       bool (*take)(void *ctx, uint64_t seq, const char *text, size_t length), void *ctx,
		       struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, EACH_PENDING, &r, VALUES(TEXT(box), NUMBER(after), NUMBER(stops)), error);
	while (found > 0) {
		const char *body = (const char *)sqlite3_column_text(r, 1);
		bool more = take(ctx,
				 (uint64_t)sqlite3_column_int64(r, 0),
				 body != NULL ? body : "",
				 (size_t)sqlite3_column_bytes(r, 1));
		found = store_next(s, r, more, error);
	}
	return found;
}

int store_renumber_command(struct store *s, const char *box, uint64_t seq, uint64_t to, struct ops_error *error)
{
	return store_run(s, RENUMBER_COMMAND, VALUES(TEXT(box), NUMBER(seq), NUMBER(to)), error);
}

int store_close_command(struct store *s, const char *box, uint64_t seq, const char *result, struct ops_error *error)
{
	return store_run(s, CLOSE_COMMAND, VALUES(TEXT(box), NUMBER(seq), TEXT(result)), error);
}

int store_explain_command(struct store *s, const char *box, uint64_t seq, const char *why, struct ops_error *error)
{
	return store_run(s, EXPLAIN_COMMAND, VALUES(TEXT(box), NUMBER(seq), TEXT(why)), error);
}

int store_close_commands(struct store *s, const char *box, const char *result, struct ops_error *error)
{
	return store_run(s, CLOSE_COMMANDS, VALUES(TEXT(box), TEXT(result)), error);
}

int store_forget_credits(struct store *s, const char *box, const char *account, const char *order,
			 struct ops_error *error)
{
	return store_run(s, FORGET_CREDITS, VALUES(TEXT(box), TEXT(account), TEXT(order)), error);
}

/* --- books --- */

int store_get_posting(struct store *s, const char *key, struct posting *posting, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_POSTING, &r, VALUES(TEXT(key)), error);
	if (found <= 0)
		return found;
	store_copy_text(r, 0, posting->key, sizeof posting->key);
	store_copy_text(r, 1, posting->from, sizeof posting->from);
	store_copy_text(r, 2, posting->to, sizeof posting->to);
	posting->micros = sqlite3_column_int64(r, 3);
	store_copy_text(r, 4, posting->order, sizeof posting->order);
	sqlite3_reset(r);
	return 1;
}

int store_add_posting(struct store *s, const struct posting *p, struct ops_error *error)
{
	int result = store_run(s,
			       ADD_POSTING,
			       VALUES(TEXT(p->key), TEXT(p->from), TEXT(p->to), NUMBER(p->micros), TEXT(p->order)),
			       error);
	if (result == 0)
		result = store_run(s, MOVE_BOOK, VALUES(TEXT(p->from), NUMBER(-p->micros)), error);
	return result < 0 ? result : store_run(s, MOVE_BOOK, VALUES(TEXT(p->to), NUMBER(p->micros)), error);
}

int store_get_book(struct store *s, const char *name, int64_t *micros, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_BOOK, &r, VALUES(TEXT(name)), error);
	*micros = found == 1 ? sqlite3_column_int64(r, 0) : 0;
	if (found == 1)
		sqlite3_reset(r);
	return found < 0 ? found : 0;
}
