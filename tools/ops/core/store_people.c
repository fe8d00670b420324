/* tools/ops/core/store_people.c: see store_people.h. The SQLite backend, its texts in store_sqlite_texts.h.
 *
 * Room: tools/ops/core, sqlite3. */
#include "store_people.h"

#include <string.h>

#include "store_sql.h"

static const char *const person_kind_names[PERSON_KIND_COUNT] = {
	[PERSON_CUSTOMER] = "customer",
	[PERSON_STAFF] = "staff",
};
static const struct words person_kind_words = {person_kind_names, PERSON_KIND_COUNT};

/* --- customers --- */

int store_get_customer(struct store *s, const char *contact, struct customer_row *row, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_CUSTOMER, &r, VALUES(TEXT(contact)), error);
	if (found <= 0)
		return found;
	store_copy_text(r, 0, row->contact, sizeof row->contact);
	store_copy_text(r, 1, row->account, sizeof row->account);
	store_copy_text(r, 2, row->code_hash, sizeof row->code_hash);
	row->code_until_ms = sqlite3_column_int64(r, 3);
	row->wrong = sqlite3_column_int64(r, 4);
	row->codes_until_ms = sqlite3_column_int64(r, 5);
	sqlite3_reset(r);
	return 1;
}

int store_put_customer(struct store *s, const struct customer_row *row, struct ops_error *error)
{
	return store_run(s,
			 PUT_CUSTOMER,
			 VALUES(TEXT(row->contact),
				TEXT(row->account),
				TEXT(row->code_hash),
				NUMBER(row->code_until_ms),
				NUMBER(row->wrong),
				NUMBER(row->codes_until_ms)),
			 error);
}

/* --- staff --- */

int store_get_staff(struct store *s, const char *name, struct staff_row *row, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_STAFF, &r, VALUES(TEXT(name)), error);
	if (found <= 0)
		return found;
	store_copy_text(r, 0, row->name, sizeof row->name);
	bool known = store_read_word(r, 1, &staff_role_words, &row->role);
	store_copy_text(r, 2, row->secret, sizeof row->secret);
	sqlite3_reset(r);
	return known ? 1 : store_damaged(error, "staff");
}

int store_put_staff(struct store *s, const struct staff_row *row, struct ops_error *error)
{
	return store_run(
		s, PUT_STAFF, VALUES(TEXT(row->name), WORD(staff_role_words, row->role), TEXT(row->secret)), error);
}

int store_drop_staff(struct store *s, const char *name, struct ops_error *error)
{
	return store_run(s, DROP_STAFF, VALUES(TEXT(name)), error);
}

int store_each_staff(struct store *s, bool (*take)(void *ctx, const char *name, enum staff_role role), void *ctx,
		     struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, EACH_STAFF, &r, NULL, 0, error);
	while (found > 0) {
		char name[NAME_SIZE];
		enum staff_role role;
		store_copy_text(r, 0, name, sizeof name);
		if (!store_read_word(r, 1, &staff_role_words, &role)) {
			sqlite3_reset(r);
			return store_damaged(error, "staff");
		}
		found = store_next(s, r, take(ctx, name, role), error);
	}
	return found;
}

/* --- sessions --- */

int store_add_session(struct store *s, const struct session_row *row, struct ops_error *error)
{
	return store_run(s,
			 ADD_SESSION,
			 VALUES(TEXT(row->token_hash),
				WORD(person_kind_words, row->kind),
				TEXT(row->name),
				NUMBER(row->until_ms)),
			 error);
}

int store_get_session(struct store *s, const char *token_hash, struct session_row *row, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_SESSION, &r, VALUES(TEXT(token_hash)), error);
	if (found <= 0)
		return found;
	store_copy_text(r, 0, row->token_hash, sizeof row->token_hash);
	bool known = store_read_word(r, 1, &person_kind_words, &row->kind);
	store_copy_text(r, 2, row->name, sizeof row->name);
	row->until_ms = sqlite3_column_int64(r, 3);
	sqlite3_reset(r);
	return known ? 1 : store_damaged(error, "session");
}

int store_drop_session(struct store *s, const char *token_hash, struct ops_error *error)
{
	return store_run(s, DROP_SESSION, VALUES(TEXT(token_hash)), error);
}

int store_prune_sessions(struct store *s, enum person_kind kind, const char *name, int keep, int64_t now_ms,
			 struct ops_error *error)
{
	return store_run(s,
			 PRUNE_SESSIONS,
			 VALUES(WORD(person_kind_words, kind), TEXT(name), NUMBER(keep), NUMBER(now_ms)),
			 error);
}

/* --- acts --- */

int store_add_act(struct store *s, const struct act *act, struct ops_error *error)
{
	return store_run(
		s,
		ADD_ACT,
		VALUES(NUMBER(act->at_ms), TEXT(act->who), TEXT(act->what), TEXT(act->subject), TEXT(act->detail)),
		error);
}

int store_each_act(struct store *s, int64_t before, bool (*take)(void *ctx, const struct act *act), void *ctx,
		   struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, EACH_ACT, &r, VALUES(NUMBER(before > 0 ? before : INT64_MAX)), error);
	while (found > 0) {
		struct act act = {.number = sqlite3_column_int64(r, 0), .at_ms = sqlite3_column_int64(r, 1)};
		store_copy_text(r, 2, act.who, sizeof act.who);
		store_copy_text(r, 3, act.what, sizeof act.what);
		store_copy_text(r, 4, act.subject, sizeof act.subject);
		store_copy_text(r, 5, act.detail, sizeof act.detail);
		found = store_next(s, r, take(ctx, &act), error);
	}
	return found;
}
