/* tools/ops/core/store_payments.c: see store_payments.h. The SQLite backend, its texts in store_sqlite_texts.h.
 *
 * Room: tools/ops/core, sqlite3. */
#include "store_payments.h"

#include "store_sql.h"

static const char *const payment_state_names[PAYMENT_STATE_COUNT] = {
	[PAYMENT_PENDING] = "pending",
	[PAYMENT_PAID] = "paid",
	[PAYMENT_FAILED] = "failed",
};
const struct words payment_state_words = {payment_state_names, PAYMENT_STATE_COUNT};

int store_add_payment(struct store *s, const struct payment *p, struct ops_error *error)
{
	return store_run(s,
			 ADD_PAYMENT,
			 VALUES(TEXT(p->id),
				TEXT(p->account),
				TEXT(p->key),
				NUMBER(p->micros),
				TEXT(p->currency),
				NUMBER(p->made_ms)),
			 error);
}

int store_end_payment(struct store *s, const struct payment *p, struct ops_error *error)
{
	return store_run(
		s,
		END_PAYMENT,
		VALUES(TEXT(p->id), WORD(payment_state_words, p->state), TEXT(p->reference), NUMBER(p->ended_ms)),
		error);
}

static int read_payment(sqlite3_stmt *r, struct payment *p, struct ops_error *error)
{
	*p = (struct payment){.micros = sqlite3_column_int64(r, 3)};
	store_copy_text(r, 0, p->id, sizeof p->id);
	store_copy_text(r, 1, p->account, sizeof p->account);
	store_copy_text(r, 2, p->key, sizeof p->key);
	store_copy_text(r, 4, p->currency, sizeof p->currency);
	bool known = store_read_word(r, 5, &payment_state_words, &p->state);
	store_copy_text(r, 6, p->reference, sizeof p->reference);
	p->made_ms = sqlite3_column_int64(r, 7);
	p->ended_ms = sqlite3_column_int64(r, 8);
	sqlite3_reset(r);
	return known ? 1 : store_damaged(error, "payment");
}

int store_get_payment(struct store *s, const char *id, struct payment *payment, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_PAYMENT, &r, VALUES(TEXT(id)), error);
	return found <= 0 ? found : read_payment(r, payment, error);
}

int store_find_payment(struct store *s, const char *account, const char *key, struct payment *payment,
		       struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, FIND_PAYMENT, &r, VALUES(TEXT(account), TEXT(key)), error);
	return found <= 0 ? found : read_payment(r, payment, error);
}

int store_count_payments(struct store *s, const char *account, int64_t after_ms, int64_t *count,
			 struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, COUNT_PAYMENTS, &r, VALUES(TEXT(account), NUMBER(after_ms)), error);
	if (found <= 0)
		return found < 0 ? found : store_damaged(error, "payment");
	*count = sqlite3_column_int64(r, 0);
	sqlite3_reset(r);
	return 0;
}
