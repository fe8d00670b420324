/* tools/ops/core/store_desk.c: see store_desk.h. The SQLite backend, its texts in store_sqlite_texts.h.
 *
 * Room: tools/ops/core, sqlite3. */
#include "store_desk.h"

#include <string.h>

#include "store_sql.h"

_Static_assert(DESK_BOOK_SIZE == BOOK_SIZE && DESK_KEY_SIZE == POSTING_KEY_SIZE, "a posting is shown whole");

static const char *const alarm_kind_names[DESK_ALARM_KIND_COUNT] = {
	[DESK_ALARM] = "alarm",
	[DESK_FAULT] = "fault",
	[DESK_CLEARED] = "cleared",
	[DESK_SERVER] = "server",
};
const struct words desk_alarm_kind_words = {alarm_kind_names, DESK_ALARM_KIND_COUNT};

/* --- orders --- */

int store_next_order(struct store *s, enum desk_orders which, int64_t made_ms, const char *number,
		     struct ops_order *order, struct ops_error *error)
{
	static const enum statement statements[DESK_ORDERS_COUNT] = {
		[DESK_ORDERS_ALL] = NEXT_ORDER,
		[DESK_ORDERS_OPEN] = NEXT_OF_OPEN_ORDERS,
		[DESK_ORDERS_CLOSED] = NEXT_OF_CLOSED_ORDERS,
	};
	sqlite3_stmt *r;
	int found = store_look_up(s, statements[which], &r, VALUES(NUMBER(made_ms), TEXT(number)), error);
	return found <= 0 ? found : store_read_order(r, order, error);
}

/* --- accounts and postings --- */

static int read_account(sqlite3_stmt *r, struct desk_account *account, struct ops_error *error)
{
	store_copy_text(r, 0, account->name, sizeof account->name);
	bool known = store_read_word(r, 1, &ops_account_kind_words, &account->kind);
	account->limit_micros = sqlite3_column_int64(r, 2);
	account->balance_micros = sqlite3_column_int64(r, 3);
	store_copy_text(r, 4, account->contact, sizeof account->contact);
	return known ? 1 : store_damaged(error, "account");
}

int store_find_account(struct store *s, const char *name, struct desk_account *account, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, FIND_ACCOUNT, &r, VALUES(TEXT(name)), error);
	if (found <= 0)
		return found;
	found = read_account(r, account, error);
	sqlite3_reset(r);
	return found;
}

int store_each_account(struct store *s, const char *after, bool (*take)(void *ctx, const struct desk_account *account),
		       void *ctx, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, EACH_ACCOUNT, &r, VALUES(TEXT(after)), error);
	while (found > 0) {
		struct desk_account account;
		if ((found = read_account(r, &account, error)) < 0) {
			sqlite3_reset(r);
			return found;
		}
		found = store_next(s, r, take(ctx, &account), error);
	}
	return found;
}

int store_each_posting(struct store *s, const char *book, int64_t before,
		       bool (*take)(void *ctx, const struct desk_posting *posting), void *ctx, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, EACH_POSTING, &r, VALUES(TEXT(book), NUMBER(before)), error);
	while (found > 0) {
		struct desk_posting posting = {
			.number = sqlite3_column_int64(r, 0),
			.micros = sqlite3_column_int64(r, 4),
		};
		store_copy_text(r, 1, posting.key, sizeof posting.key);
		store_copy_text(r, 2, posting.from, sizeof posting.from);
		store_copy_text(r, 3, posting.to, sizeof posting.to);
		store_copy_text(r, 5, posting.order, sizeof posting.order);
		found = store_next(s, r, take(ctx, &posting), error);
	}
	return found;
}

/* --- commands --- */

int store_count_pending(struct store *s, const char *box, int64_t *count, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, COUNT_PENDING, &r, VALUES(TEXT(box)), error);
	if (found <= 0)
		return found;
	*count = sqlite3_column_int64(r, 0);
	sqlite3_reset(r);
	return 0;
}

/* --- alarms --- */

int store_add_alarm(struct store *s, const struct desk_alarm *alarm, struct ops_error *error)
{
	return store_run(s,
			 ADD_ALARM,
			 VALUES(NUMBER(alarm->at_ms),
				TEXT(alarm->box),
				NUMBER(alarm->outlet),
				WORD(desk_alarm_kind_words, alarm->kind),
				TEXT(alarm->word),
				TEXT(alarm->detail)),
			 error);
}

static int each_alarm(struct store *s, enum statement which, int64_t number,
		      bool (*take)(void *ctx, const struct desk_alarm *alarm), void *ctx, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, which, &r, VALUES(NUMBER(number)), error);
	while (found > 0) {
		struct desk_alarm alarm = {
			.number = sqlite3_column_int64(r, 0),
			.at_ms = sqlite3_column_int64(r, 1),
			.outlet = sqlite3_column_int(r, 3),
		};
		store_copy_text(r, 2, alarm.box, sizeof alarm.box);
		bool known = store_read_word(r, 4, &desk_alarm_kind_words, &alarm.kind);
		store_copy_text(r, 5, alarm.word, sizeof alarm.word);
		store_copy_text(r, 6, alarm.detail, sizeof alarm.detail);
		if (!known) {
			sqlite3_reset(r);
			return store_damaged(error, "alarm");
		}
		found = store_next(s, r, take(ctx, &alarm), error);
	}
	return found;
}

int store_each_alarm(struct store *s, int64_t before, bool (*take)(void *ctx, const struct desk_alarm *alarm),
		     void *ctx, struct ops_error *error)
{
	return each_alarm(s, EACH_ALARM, before, take, ctx, error);
}

int store_alarms_after(struct store *s, int64_t after, bool (*take)(void *ctx, const struct desk_alarm *alarm),
		       void *ctx, struct ops_error *error)
{
	return each_alarm(s, ALARMS_AFTER, after, take, ctx, error);
}

/* --- samples --- */

static int look_up_sample(struct store *s, enum statement which, const char *box, int outlet, int64_t at_ms,
			  struct sample_row *row, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, which, &r, VALUES(TEXT(box), NUMBER(outlet), NUMBER(at_ms)), error);
	if (found <= 0)
		return found;
	row->at_ms = sqlite3_column_int64(r, 0);
	row->register_mwh = sqlite3_column_int64(r, 1);
	row->total_mwh = sqlite3_column_int64(r, 2);
	row->unplaced_mwh = sqlite3_column_int64(r, 3);
	sqlite3_reset(r);
	return 1;
}

int store_sample_until(struct store *s, const char *box, int outlet, int64_t at_ms, struct sample_row *row,
		       struct ops_error *error)
{
	return look_up_sample(s, SAMPLE_UNTIL, box, outlet, at_ms, row, error);
}

int store_sample_after(struct store *s, const char *box, int outlet, int64_t at_ms, struct sample_row *row,
		       struct ops_error *error)
{
	return look_up_sample(s, SAMPLE_AFTER, box, outlet, at_ms, row, error);
}

int store_add_sample(struct store *s, const char *box, int outlet, const struct sample_row *row,
		     struct ops_error *error)
{
	return store_run(s,
			 ADD_SAMPLE,
			 VALUES(TEXT(box),
				NUMBER(outlet),
				NUMBER(row->at_ms),
				NUMBER(row->register_mwh),
				NUMBER(row->total_mwh),
				NUMBER(row->unplaced_mwh)),
			 error);
}

int store_drop_sample(struct store *s, const char *box, int outlet, int64_t at_ms, struct ops_error *error)
{
	return store_run(s, DROP_SAMPLE, VALUES(TEXT(box), NUMBER(outlet), NUMBER(at_ms)), error);
}

int store_prune_samples(struct store *s, const char *box, int outlet, int64_t at_ms, struct ops_error *error)
{
	return store_run(s, PRUNE_SAMPLES, VALUES(TEXT(box), NUMBER(outlet), NUMBER(at_ms)), error);
}
