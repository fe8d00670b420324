/* tools/ops/core/store_customers.c: see store_customers.h. The SQLite backend, its texts in store_sqlite_texts.h.
 *
 * Room: tools/ops/core, sqlite3. */
#include "store_customers.h"

#include "store_sql.h"

int store_next_customers_order(struct store *s, const char *account, int64_t made_ms, const char *number,
			       struct ops_order *order, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found =
		store_look_up(s, NEXT_CUSTOMERS_ORDER, &r, VALUES(TEXT(account), NUMBER(made_ms), TEXT(number)), error);
	return found <= 0 ? found : store_read_order(r, order, error);
}

int store_count_open_orders(struct store *s, const char *account, int64_t *count, struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, COUNT_OPEN_ORDERS, &r, VALUES(TEXT(account)), error);
	if (found <= 0)
		return found < 0 ? found : store_damaged(error, "orders");
	*count = sqlite3_column_int64(r, 0);
	sqlite3_reset(r);
	return 0;
}

int store_count_pressed(struct store *s, const char *order, int64_t counts[COMMAND_TYPE_COUNT], struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, EACH_PRESSED, &r, VALUES(TEXT(order)), error);
	for (int i = 0; i < COMMAND_TYPE_COUNT; i++)
		counts[i] = 0;
	while (found > 0) {
		enum command_type type;
		if (!store_read_word(r, 0, &command_type_words, &type)) {
			sqlite3_reset(r);
			return store_damaged(error, "command");
		}
		counts[type]++;
		found = store_next(s, r, true, error);
	}
	return found;
}

int store_latest_pressed(struct store *s, const char *order, enum command_type *type, char result[COMMAND_RESULT_SIZE],
			 char why[DETAIL_SIZE], struct ops_error *error)
{
	sqlite3_stmt *r;
	int found = store_look_up(s, LATEST_PRESSED, &r, VALUES(TEXT(order)), error);
	if (found <= 0)
		return found;
	bool known = store_read_word(r, 0, &command_type_words, type);
	store_copy_text(r, 1, result, COMMAND_RESULT_SIZE);
	store_copy_text(r, 2, why, DETAIL_SIZE);
	sqlite3_reset(r);
	return known ? 1 : store_damaged(error, "command");
}
