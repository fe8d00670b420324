/* tools/ops/core/store_offers.c: see store_offers.h. The SQLite backend, its texts in store_sqlite_texts.h.
 *
 * Room: tools/ops/core, sqlite3. */
#include "store_offers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store_sql.h"

/* --- tariffs --- */

static bool read_tariff(sqlite3_stmt *r, struct fee_tariff *tariff)
{
	struct wire_error wire;
	const char *body = (const char *)sqlite3_column_text(r, 0);
	return body != NULL && wire_read_tariff(body, strlen(body), tariff, &wire);
}

int store_get_tariff(struct store *s, const char *id, uint32_t version, struct fee_tariff *tariff,
		     struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_TARIFF, &r, VALUES(TEXT(id), NUMBER(version)), error);
	if (found <= 0)
		return found;
	bool known = read_tariff(r, tariff);
	sqlite3_reset(r);
	return known ? 1 : store_damaged(error, "tariff");
}

int store_add_tariff(struct store *s, const struct fee_tariff *tariff, int64_t made_ms, const char *who,
		     struct ops_error *error)
{
	char *body = wire_write_tariff(tariff);
	if (body == NULL)
		return ops_fail(error, -ENOMEM, "out of memory");
	int result =
		store_run(s,
			  ADD_TARIFF,
			  VALUES(TEXT(tariff->id), NUMBER(tariff->version), TEXT(body), NUMBER(made_ms), TEXT(who)),
			  error);
	free(body);
	return result;
}

int store_each_tariff(struct store *s, bool (*take)(void *ctx, const struct fee_tariff *tariff), void *ctx,
		      struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, EACH_TARIFF, &r, NULL, 0, error);
	while (found > 0) {
		struct fee_tariff tariff;
		if (!read_tariff(r, &tariff)) {
			sqlite3_reset(r);
			return store_damaged(error, "tariff");
		}
		found = store_next(s, r, take(ctx, &tariff), error);
	}
	return found;
}

int store_count_tariffs(struct store *s, int64_t *count, struct ops_error *error)
{
	return store_read_number(s, "SELECT count(DISTINCT id) FROM tariff", count, error);
}

/* --- outlets for sale --- */

static bool read_place(sqlite3_stmt *r, struct place *p)
{
	store_copy_text(r, 0, p->code, sizeof p->code);
	store_copy_text(r, 1, p->box, sizeof p->box);
	p->outlet = sqlite3_column_int(r, 2);
	store_copy_text(r, 3, p->tariff, sizeof p->tariff);
	store_copy_text(r, 4, p->label, sizeof p->label);
	p->hold_ms = sqlite3_column_int64(r, 6);
	p->lease_ms = sqlite3_column_int64(r, 7);
	p->full_ma = sqlite3_column_int64(r, 8);
	p->full_ms = sqlite3_column_int64(r, 9);
	return store_read_word(r, 5, &fee_mode_words, &p->mode);
}

static int take_place(sqlite3_stmt *r, int found, struct place *place, struct ops_error *error)
{
	if (found <= 0)
		return found;
	bool known = read_place(r, place);
	sqlite3_reset(r);
	return known ? 1 : store_damaged(error, "place");
}

int store_get_place(struct store *s, const char *code, struct place *place, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_PLACE, &r, VALUES(TEXT(code)), error);
	return take_place(r, found, place, error);
}

int store_find_place(struct store *s, const char *box, int outlet, struct place *place, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, FIND_PLACE, &r, VALUES(TEXT(box), NUMBER(outlet)), error);
	return take_place(r, found, place, error);
}

int store_put_place(struct store *s, const struct place *p, struct ops_error *error)
{
	return store_run(s,
			 PUT_PLACE,
			 VALUES(TEXT(p->code),
				TEXT(p->box),
				NUMBER(p->outlet),
				TEXT(p->tariff),
				TEXT(p->label),
				WORD(fee_mode_words, p->mode),
				NUMBER(p->hold_ms),
				NUMBER(p->lease_ms),
				NUMBER(p->full_ma),
				NUMBER(p->full_ms)),
			 error);
}

int store_drop_place(struct store *s, const char *code, struct ops_error *error)
{
	return store_run(s, DROP_PLACE, VALUES(TEXT(code)), error);
}

int store_each_place(struct store *s, const char *after, bool (*take)(void *ctx, const struct place *place), void *ctx,
		     struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, EACH_PLACE, &r, VALUES(TEXT(after)), error);
	while (found > 0) {
		struct place place;
		if (!read_place(r, &place)) {
			sqlite3_reset(r);
			return store_damaged(error, "place");
		}
		found = store_next(s, r, take(ctx, &place), error);
	}
	return found;
}

/* --- the agreement --- */

int store_newest_agreement(struct store *s, uint32_t *version, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, NEWEST_AGREEMENT, &r, NULL, 0, error);
	if (found <= 0)
		return found;
	*version = (uint32_t)sqlite3_column_int64(r, 0);
	sqlite3_reset(r);
	return 1;
}

int store_get_agreement(struct store *s, uint32_t version, struct agreement *agreement, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, GET_AGREEMENT, &r, VALUES(NUMBER(version)), error);
	if (found <= 0)
		return found;
	agreement->version = (uint32_t)sqlite3_column_int64(r, 0);
	agreement->made_ms = sqlite3_column_int64(r, 1);
	store_copy_text(r, 2, agreement->who, sizeof agreement->who);
	store_copy_text(r, 3, agreement->en, sizeof agreement->en);
	store_copy_text(r, 4, agreement->zh, sizeof agreement->zh);
	sqlite3_reset(r);
	return 1;
}

int store_add_agreement(struct store *s, const struct agreement *a, struct ops_error *error)
{
	return store_run(s,
			 ADD_AGREEMENT,
			 VALUES(NUMBER(a->version), NUMBER(a->made_ms), TEXT(a->who), TEXT(a->en), TEXT(a->zh)),
			 error);
}
