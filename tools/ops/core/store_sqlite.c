/* tools/ops/core/store_sqlite.c: see store.h. The SQLite backend: the only file with SQL, its texts in
 * store_sqlite_texts.h.
 *
 * Room: src/model, src/wire, sqlite3. */
#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops_internal.h"
#include "store_sqlite_texts.h"

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
static const struct words account_kind_words = {account_kind_names, OPS_ACCOUNT_KIND_COUNT};
static const struct words order_state_words = {order_state_names, OPS_ORDER_STATE_COUNT};

struct store {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENT_COUNT]; /* prepared when first used */
};

/* --- running statements --- */

static int store_fail(struct store *s, int code, const char *what, struct ops_error *error)
{
	int result = -EIO;
	if ((code & 0xff) == SQLITE_NOMEM)
		result = -ENOMEM;
	else if ((code & 0xff) == SQLITE_NOTADB || (code & 0xff) == SQLITE_CORRUPT)
		result = -EBADMSG;
	const char *why = s->db != NULL ? sqlite3_errmsg(s->db) : sqlite3_errstr(code);
	return ops_fail(error, result, "store: %s: %s", what, why);
}

/* A statement's parameter. */
struct value {
	enum {
		VALUE_NUMBER,
		VALUE_TEXT, /* NULL is SQL's */
	} type;
	int64_t number;
	const char *text;
	int length; /* -1: up to the NUL */
};

#define NUMBER(n) ((struct value){.type = VALUE_NUMBER, .number = (int64_t)(n)})
#define TEXT(t) ((struct value){.type = VALUE_TEXT, .text = (t), .length = -1})
#define BYTES(t, l) ((struct value){.type = VALUE_TEXT, .text = (t), .length = (int)(l)})
#define WORD(w, v) TEXT(word_name(&(w), (unsigned)(v)))
#define VALUES(...)                                                                                                    \
	(const struct value[]){__VA_ARGS__}, sizeof((const struct value[]){__VA_ARGS__}) / sizeof(struct value)

/* Prepares and binds. NULL with *result set when that fails. The texts live until the statement is reset. */
static sqlite3_stmt *bound(struct store *s, enum statement which, const struct value *values, size_t count, int *result,
			   struct ops_error *error)
{
	sqlite3_stmt **statement = &s->statements[which];
	int code = SQLITE_OK;
	if (*statement == NULL)
		code = sqlite3_prepare_v3(
			s->db, statement_texts[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
	for (size_t i = 0; code == SQLITE_OK && i < count; i++) {
		const struct value *v = &values[i];
		code = v->type == VALUE_NUMBER ?
			       sqlite3_bind_int64(*statement, (int)i + 1, v->number) :
			       sqlite3_bind_text(*statement, (int)i + 1, v->text, v->length, SQLITE_STATIC);
	}
	if (code == SQLITE_OK)
		return *statement;
	*result = store_fail(s, code, "preparing", error);
	return NULL;
}

/* Runs a statement without rows. */
static int run(struct store *s, enum statement which, const struct value *values, size_t count, struct ops_error *error)
{
	int result = 0;
	sqlite3_stmt *statement = bound(s, which, values, count, &result, error);
	if (statement == NULL)
		return result;
	int code = sqlite3_step(statement);
	if (code != SQLITE_DONE)
		result = store_fail(s, code, "writing", error);
	sqlite3_reset(statement);
	return result;
}

/* Steps to the first row: 1 with *row to be reset by the caller, 0 when there is none. */
static int look_up(struct store *s, enum statement which, sqlite3_stmt **row, const struct value *values, size_t count,
		   struct ops_error *error)
{
	int result = 0;
	*row = bound(s, which, values, count, &result, error);
	if (*row == NULL)
		return result;
	int code = sqlite3_step(*row);
	if (code == SQLITE_ROW)
		return 1;
	if (code != SQLITE_DONE)
		result = store_fail(s, code, "reading", error);
	sqlite3_reset(*row);
	return result;
}

static void copy_text(sqlite3_stmt *row, int column, char *to, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(row, column);
	word_copy(to, size, text != NULL ? text : "");
}

/* A word that the list lacks is a newer program's, or damage. */
static bool read_word(sqlite3_stmt *row, int column, const struct words *words, void *to)
{
	const char *text = (const char *)sqlite3_column_text(row, column);
	unsigned value;
	if (text == NULL || !word_find(words, text, &value))
		return false;
	memcpy(to, &value, sizeof value);
	return true;
}

static int damaged(struct ops_error *error, const char *what)
{
	return ops_fail(error, -EIO, "store: a damaged row of %s", what);
}

int store_begin(struct store *s, struct ops_error *error)
{
	return run(s, BEGIN, NULL, 0, error);
}

int store_commit(struct store *s, struct ops_error *error)
{
	return run(s, COMMIT, NULL, 0, error);
}

void store_rollback(struct store *s)
{
	if (!sqlite3_get_autocommit(s->db))
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

/* --- opening --- */

static int read_number(struct store *s, const char *sql, int64_t *number, struct ops_error *error)
{
	sqlite3_stmt *statement = NULL;
	int code = sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL);
	if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
		*number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return code == SQLITE_ROW ? 0 : store_fail(s, code, "reading", error);
}

static int execute(struct store *s, const char *sql, struct ops_error *error)
{
	int code = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : store_fail(s, code, "preparing the database", error);
}

static int create(struct store *s, struct ops_error *error)
{
	char marks[80];
	int result = store_begin(s, error);
	snprintf(marks,
		 sizeof marks,
		 "PRAGMA application_id=%d; PRAGMA user_version=%d;",
		 APPLICATION_ID,
		 SCHEMA_VERSION);
	if (result == 0 && (result = execute(s, schema, error)) == 0 && (result = execute(s, marks, error)) == 0)
		result = store_commit(s, error);
	return result;
}

static int prepare(struct store *s, const char *path, struct ops_error *error)
{
	int64_t id = 0, version = 0, tables = 0;
	int result;
	/* Nothing is written, the journal mode included, before the file is known to be ours. */
	if ((result = read_number(s, "PRAGMA application_id", &id, error)) < 0 ||
	    (result = read_number(s, "PRAGMA user_version", &version, error)) < 0 ||
	    (result = read_number(s, "SELECT count(*) FROM sqlite_master", &tables, error)) < 0)
		return result;
	bool empty = id == 0 && version == 0 && tables == 0;
	if (!empty && id != APPLICATION_ID)
		return ops_fail(error, -EBADMSG, "%s is not a database of meterbox-ops", path);
	if (version > SCHEMA_VERSION)
		return ops_fail(error, -EPROTO, "%s was written by a newer meterbox-ops; install that version", path);
	if ((result = execute(s, pragmas, error)) < 0)
		return result;
	return empty ? create(s, error) : 0;
}

int store_open(const char *path, const char *vfs, struct store **store, struct ops_error *error)
{
	struct store *s = calloc(1, sizeof *s);
	if (s == NULL)
		return ops_fail(error, -ENOMEM, "out of memory");
	int code = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, vfs);
	int result = code == SQLITE_OK ? prepare(s, path, error) : store_fail(s, code, path, error);
	if (result < 0) {
		store_close(s);
		return result;
	}
	*store = s;
	return 0;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(s->statements[i]);
	sqlite3_close(s->db);
	free(s);
}

/* --- accounts, boxes, ledgers --- */

int store_get_account(struct store *s, const char *name, struct account_row *row, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = look_up(s, GET_ACCOUNT, &r, VALUES(TEXT(name)), error);
	if (found <= 0)
		return found;
	copy_text(r, 0, row->name, sizeof row->name);
	bool known = read_word(r, 1, &account_kind_words, &row->kind);
	row->limit_micros = sqlite3_column_int64(r, 2);
	sqlite3_reset(r);
	return known ? 1 : damaged(error, "account");
}

int store_add_account(struct store *s, const struct account_row *row, struct ops_error *error)
{
	return run(s,
		   ADD_ACCOUNT,
		   VALUES(TEXT(row->name), WORD(account_kind_words, row->kind), NUMBER(row->limit_micros)),
		   error);
}

int store_get_box(struct store *s, const char *name, struct box_row *row, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = look_up(s, GET_BOX, &r, VALUES(TEXT(name)), error);
	if (found <= 0)
		return found;
	copy_text(r, 0, row->name, sizeof row->name);
	copy_text(r, 1, row->ledger, sizeof row->ledger);
	row->command_seq = (uint64_t)sqlite3_column_int64(r, 2);
	sqlite3_reset(r);
	return 1;
}

int store_put_box(struct store *s, const struct box_row *row, struct ops_error *error)
{
	return run(s, PUT_BOX, VALUES(TEXT(row->name), TEXT(row->ledger), NUMBER(row->command_seq)), error);
}

int store_find_token(struct store *s, const char *hash, char box[BOX_ID_SIZE], struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = look_up(s, FIND_TOKEN, &r, VALUES(TEXT(hash)), error);
	if (found <= 0)
		return found;
	copy_text(r, 0, box, BOX_ID_SIZE);
	sqlite3_reset(r);
	return 1;
}

int store_set_token(struct store *s, const char *box, const char *hash, struct ops_error *error)
{
	return run(s, SET_TOKEN, VALUES(TEXT(box), TEXT(hash)), error);
}

int store_each_box(struct store *s, bool (*take)(void *ctx, const char *box), void *ctx, struct ops_error *error)
{
	char name[BOX_ID_SIZE];
	int result = 0;
	int code = SQLITE_DONE;
	sqlite3_stmt *r = bound(s, EACH_BOX, NULL, 0, &result, error);
	if (r == NULL)
		return result;
	while ((code = sqlite3_step(r)) == SQLITE_ROW) {
		copy_text(r, 0, name, sizeof name);
		if (!take(ctx, name))
			break;
	}
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		result = store_fail(s, code, "reading boxes", error);
	sqlite3_reset(r);
	return result;
}

int store_get_ledger(struct store *s, const char *box, const char *id, struct ledger_row *row, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = look_up(s, GET_LEDGER, &r, VALUES(TEXT(box), TEXT(id)), error);
	if (found <= 0)
		return found;
	row->number = sqlite3_column_int64(r, 0);
	copy_text(r, 1, row->box, sizeof row->box);
	copy_text(r, 2, row->id, sizeof row->id);
	row->accepted = (uint64_t)sqlite3_column_int64(r, 3);
	copy_text(r, 4, row->tip, sizeof row->tip);
	row->holed = sqlite3_column_int(r, 5) != 0;
	sqlite3_reset(r);
	return 1;
}

int store_add_ledger(struct store *s, struct ledger_row *row, struct ops_error *error)
{
	int result =
		run(s,
		    ADD_LEDGER,
		    VALUES(TEXT(row->box), TEXT(row->id), NUMBER(row->accepted), TEXT(row->tip), NUMBER(row->holed)),
		    error);
	row->number = sqlite3_last_insert_rowid(s->db);
	return result;
}

int store_put_ledger(struct store *s, const struct ledger_row *row, struct ops_error *error)
{
	return run(s,
		   PUT_LEDGER,
		   VALUES(NUMBER(row->number), NUMBER(row->accepted), TEXT(row->tip), NUMBER(row->holed)),
		   error);
}

/* --- records and images --- */

int store_add_record(struct store *s, int64_t ledger, uint64_t seq, const char *text, size_t length, const char *why,
		     struct ops_error *error)
{
	return run(s, ADD_RECORD, VALUES(NUMBER(ledger), NUMBER(seq), BYTES(text, length), TEXT(why)), error);
}

int store_match_record(struct store *s, int64_t ledger, uint64_t seq, const char *text, size_t length, bool *same,
		       char why[WIRE_ERROR_SIZE], struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = look_up(s, GET_RECORD, &r, VALUES(NUMBER(ledger), NUMBER(seq)), error);
	if (found <= 0)
		return found;
	const char *body = (const char *)sqlite3_column_text(r, 0);
	*same = body != NULL && (size_t)sqlite3_column_bytes(r, 0) == length && memcmp(body, text, length) == 0;
	copy_text(r, 1, why, WIRE_ERROR_SIZE);
	sqlite3_reset(r);
	return 1;
}

int store_each_record(struct store *s, int64_t ledger, uint64_t from,
		      bool (*take)(void *ctx, uint64_t seq, const char *text, size_t length, bool refused), void *ctx,
		      struct ops_error *error)
{
	int result = 0;
	int code = SQLITE_DONE;
	sqlite3_stmt *r = bound(s, EACH_RECORD, VALUES(NUMBER(ledger), NUMBER(from)), &result, error);
	if (r == NULL)
		return result;
	while ((code = sqlite3_step(r)) == SQLITE_ROW) {
		const char *body = (const char *)sqlite3_column_text(r, 1);
		if (!take(ctx,
			  (uint64_t)sqlite3_column_int64(r, 0),
			  body != NULL ? body : "",
			  (size_t)sqlite3_column_bytes(r, 1),
			  sqlite3_column_int(r, 2) != 0))
			break;
	}
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		result = store_fail(s, code, "reading records", error);
	sqlite3_reset(r);
	return result;
}

int store_get_image(struct store *s, const char *box, int part, char **text, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = look_up(s, GET_IMAGE, &r, VALUES(TEXT(box), NUMBER(part)), error);
	if (found <= 0)
		return found;
	const char *body = (const char *)sqlite3_column_text(r, 0);
	*text = body == NULL ? NULL : strdup(body);
	sqlite3_reset(r);
	return *text != NULL ? 1 : ops_fail(error, -ENOMEM, "out of memory");
}

int store_put_image(struct store *s, const char *box, int part, const char *text, struct ops_error *error)
{
	return run(s, PUT_IMAGE, VALUES(TEXT(box), NUMBER(part), TEXT(text)), error);
}

int store_drop_image(struct store *s, const char *box, struct ops_error *error)
{
	return run(s, DROP_IMAGE, VALUES(TEXT(box)), error);
}

/* --- orders --- */

static bool read_grant(sqlite3_stmt *r, struct grant *g)
{
	struct wire_error wire;
	const char *tariff = (const char *)sqlite3_column_text(r, 5);
	copy_text(r, 0, g->order, sizeof g->order);
	copy_text(r, 3, g->account, sizeof g->account);
	g->kind = SESSION_CUSTOMER;
	g->credit_micros = sqlite3_column_int64(r, 6);
	g->lease_ms = sqlite3_column_int64(r, 7);
	g->hold_ms = sqlite3_column_int64(r, 8);
	g->limit_mwh = sqlite3_column_int64(r, 9);
	g->limit_micros = sqlite3_column_int64(r, 10);
	g->limit_ms = sqlite3_column_int64(r, 11);
	return read_word(r, 4, &fee_mode_words, &g->mode) && tariff != NULL &&
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

static int read_order(sqlite3_stmt *r, struct ops_order *order, struct ops_error *error)
{
	struct ops_order o = {.outlet = sqlite3_column_int(r, 2)};
	bool known = read_grant(r, &o.grant) && read_word(r, 12, &order_state_words, &o.state) &&
		     read_word(r, 15, &end_reason_words, &o.receipt.reason) && read_rates(r, 29, &o.receipt.by_rate);
	copy_text(r, 1, o.box, sizeof o.box);
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
	sqlite3_reset(r);
	*order = o;
	return known ? 1 : damaged(error, "orders");
}

int store_get_order(struct store *s, const char *number, struct ops_order *order, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = look_up(s, GET_ORDER, &r, VALUES(TEXT(number)), error);
	return found <= 0 ? found : read_order(r, order, error);
}

int store_next_open_order(struct store *s, const char *box, const char *account, const char *number,
			  struct ops_order *order, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = look_up(s, NEXT_OPEN_ORDER, &r, VALUES(TEXT(box), TEXT(account), TEXT(number)), error);
	return found <= 0 ? found : read_order(r, order, error);
}

int store_add_order(struct store *s, const struct ops_order *o, struct ops_error *error)
{
	const struct grant *g = &o->grant;
	char *tariff = wire_write_tariff(&g->tariff);
	if (tariff == NULL)
		return ops_fail(error, -ENOMEM, "out of memory");
	int result = run(s,
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
				NUMBER(g->limit_ms)),
			 error);
	free(tariff);
	return result;
}

int store_put_order(struct store *s, const struct ops_order *o, struct ops_error *error)
{
	char rates[RATES_TEXT_SIZE];
	write_rates(&o->receipt.by_rate, rates);
	return run(s,
		   PUT_ORDER,
		   VALUES(TEXT(o->grant.order),
			  WORD(order_state_words, o->state),
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
			  TEXT(rates)),
		   error);
}

/* --- commands --- */

int store_add_command(struct store *s, const struct command_row *row, const char *text, struct ops_error *error)
{
	return run(s,
		   ADD_COMMAND,
		   VALUES(TEXT(row->box),
			  NUMBER(row->seq),
			  TEXT(row->id),
			  WORD(command_type_words, row->type),
			  TEXT(row->order),
			  TEXT(row->account),
			  NUMBER(row->micros),
			  TEXT(text)),
		   error);
}

static int read_command(sqlite3_stmt *r, struct command_row *row, struct ops_error *error)
{
	copy_text(r, 0, row->box, sizeof row->box);
	row->seq = (uint64_t)sqlite3_column_int64(r, 1);
	copy_text(r, 2, row->id, sizeof row->id);
	bool known = read_word(r, 3, &command_type_words, &row->type);
	copy_text(r, 4, row->order, sizeof row->order);
	copy_text(r, 5, row->account, sizeof row->account);
	row->micros = sqlite3_column_int64(r, 6);
	row->pending = sqlite3_column_int(r, 7) != 0;
	sqlite3_reset(r);
	return known ? 1 : damaged(error, "command");
}

int store_get_command(struct store *s, const char *id, struct command_row *row, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = look_up(s, GET_COMMAND, &r, VALUES(TEXT(id)), error);
	return found <= 0 ? found : read_command(r, row, error);
}

int store_next_pending(struct store *s, const char *box, uint64_t after, struct command_row *row,
		       struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = look_up(s, NEXT_PENDING, &r, VALUES(TEXT(box), NUMBER(after)), error);
	return found <= 0 ? found : read_command(r, row, error);
}

int store_each_pending(struct store *s, const char *box, uint64_t after, bool stops,
		       bool (*take)(void *ctx, uint64_t seq, const char *text, size_t length), void *ctx,
		       struct ops_error *error)
{
	int result = 0;
	int code = SQLITE_DONE;
	sqlite3_stmt *r = bound(s, EACH_PENDING, VALUES(TEXT(box), NUMBER(after), NUMBER(stops)), &result, error);
	if (r == NULL)
		return result;
	while ((code = sqlite3_step(r)) == SQLITE_ROW) {
		const char *body = (const char *)sqlite3_column_text(r, 1);
		if (!take(ctx,
			  (uint64_t)sqlite3_column_int64(r, 0),
			  body != NULL ? body : "",
			  (size_t)sqlite3_column_bytes(r, 1)))
			break;
	}
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		result = store_fail(s, code, "reading commands", error);
	sqlite3_reset(r);
	return result;
}

int store_close_command(struct store *s, const char *box, uint64_t seq, const char *result, struct ops_error *error)
{
	return run(s, CLOSE_COMMAND, VALUES(TEXT(box), NUMBER(seq), TEXT(result)), error);
}

int store_close_commands(struct store *s, const char *box, const char *result, struct ops_error *error)
{
	return run(s, CLOSE_COMMANDS, VALUES(TEXT(box), TEXT(result)), error);
}

int store_forget_credits(struct store *s, const char *box, const char *account, const char *order,
			 struct ops_error *error)
{
	return run(s, FORGET_CREDITS, VALUES(TEXT(box), TEXT(account), TEXT(order)), error);
}

/* --- books --- */

int store_get_posting(struct store *s, const char *key, struct posting *posting, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = look_up(s, GET_POSTING, &r, VALUES(TEXT(key)), error);
	if (found <= 0)
		return found;
	copy_text(r, 0, posting->key, sizeof posting->key);
	copy_text(r, 1, posting->from, sizeof posting->from);
	copy_text(r, 2, posting->to, sizeof posting->to);
	posting->micros = sqlite3_column_int64(r, 3);
	copy_text(r, 4, posting->order, sizeof posting->order);
	sqlite3_reset(r);
	return 1;
}

int store_add_posting(struct store *s, const struct posting *p, struct ops_error *error)
{
	int result = run(s,
			 ADD_POSTING,
			 VALUES(TEXT(p->key), TEXT(p->from), TEXT(p->to), NUMBER(p->micros), TEXT(p->order)),
			 error);
	if (result == 0)
		result = run(s, MOVE_BOOK, VALUES(TEXT(p->from), NUMBER(-p->micros)), error);
	return result < 0 ? result : run(s, MOVE_BOOK, VALUES(TEXT(p->to), NUMBER(p->micros)), error);
}

int store_get_book(struct store *s, const char *name, int64_t *micros, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = look_up(s, GET_BOOK, &r, VALUES(TEXT(name)), error);
	*micros = found == 1 ? sqlite3_column_int64(r, 0) : 0;
	if (found == 1)
		sqlite3_reset(r);
	return found < 0 ? found : 0;
}

static int check_rule(struct store *s, size_t rule, struct ops_error *error)
{
	sqlite3_stmt *statement = NULL;
	int result = 0;
	int code = sqlite3_prepare_v2(s->db, rules[rule].sql, -1, &statement, NULL);
	if (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
		result = ops_fail(error,
				  -EBADMSG,
				  "%s: %.100s",
				  rules[rule].rule,
				  (const char *)sqlite3_column_text(statement, 0));
	else if (code != SQLITE_DONE)
		result = store_fail(s, code, "checking", error);
	sqlite3_finalize(statement);
	return result;
}

int store_check(struct store *s, struct ops_error *error)
{
	int result = 0;
	for (size_t i = 0; result == 0 && i < sizeof rules / sizeof *rules; i++)
		result = check_rule(s, i, error);
	return result;
}
