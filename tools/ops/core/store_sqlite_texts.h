/* tools/ops/core/store_sqlite_texts.h: all SQL of the store; store_sql.c alone includes it.
 *
 * Room: nothing. */
#ifndef OPS_STORE_SQLITE_TEXTS_H
#define OPS_STORE_SQLITE_TEXTS_H

#define APPLICATION_ID 0x6d626f70 /* "mbop": tells our files from others */
#define SCHEMA_VERSION 3

static const char pragmas[] = "PRAGMA journal_mode=WAL;"
			      "PRAGMA synchronous=FULL;"
			      "PRAGMA temp_store=MEMORY;"
			      "PRAGMA cell_size_check=ON;"
			      "PRAGMA trusted_schema=OFF;";

/* Enums are stored as their words, so that a new word in a list changes no old row. */
static const char schema[] =
	"CREATE TABLE account(name TEXT PRIMARY KEY, kind TEXT NOT NULL, limit_micros INTEGER NOT NULL)"
	" STRICT, WITHOUT ROWID;"
	"CREATE TABLE box(name TEXT PRIMARY KEY, ledger TEXT NOT NULL, command_seq INTEGER NOT NULL,"
	" token_hash TEXT NOT NULL DEFAULT '')"
	" STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX token ON box(token_hash) WHERE token_hash != '';"
	"CREATE TABLE ledger(number INTEGER PRIMARY KEY, box TEXT NOT NULL, id TEXT NOT NULL,"
	" accepted INTEGER NOT NULL, tip TEXT NOT NULL, holed INTEGER NOT NULL, UNIQUE(box, id)) STRICT;"
	"CREATE TABLE record(ledger INTEGER NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, why TEXT,"
	" PRIMARY KEY(ledger, seq)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE image(box TEXT NOT NULL, part INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY(box, part))"
	" STRICT, WITHOUT ROWID;"
	"CREATE TABLE orders(number TEXT PRIMARY KEY, box TEXT NOT NULL, outlet INTEGER NOT NULL,"
	" account TEXT NOT NULL, mode TEXT NOT NULL, tariff TEXT NOT NULL, credit_micros INTEGER NOT NULL,"
	" lease_ms INTEGER NOT NULL, hold_ms INTEGER NOT NULL, limit_mwh INTEGER NOT NULL,"
	" limit_micros INTEGER NOT NULL, limit_ms INTEGER NOT NULL,"
	" state TEXT NOT NULL DEFAULT 'sent', held_micros INTEGER NOT NULL DEFAULT 0,"
	" started INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT 'customer',"
	" start_mwh INTEGER NOT NULL DEFAULT 0, energy_mwh INTEGER NOT NULL DEFAULT 0,"
	" amount_micros INTEGER NOT NULL DEFAULT 0, energised_ms INTEGER NOT NULL DEFAULT 0,"
	" settled INTEGER NOT NULL DEFAULT 0, billed_micros INTEGER NOT NULL DEFAULT 0,"
	" captured_micros INTEGER NOT NULL DEFAULT 0, written_off_micros INTEGER NOT NULL DEFAULT 0,"
	" price_differs INTEGER NOT NULL DEFAULT 0, ledger_lost INTEGER NOT NULL DEFAULT 0,"
	" priced_mwh INTEGER NOT NULL DEFAULT 0, priced_micros INTEGER NOT NULL DEFAULT 0,"
	" rates_mwh TEXT NOT NULL DEFAULT '', power_off_sent INTEGER NOT NULL DEFAULT 0,"
	" lease_micros INTEGER NOT NULL DEFAULT 0, full_ma INTEGER NOT NULL, full_ms INTEGER NOT NULL,"
	" code TEXT NOT NULL DEFAULT '', until TEXT NOT NULL DEFAULT 'credit',"
	" agreement INTEGER NOT NULL DEFAULT 0, agreed_ms INTEGER NOT NULL DEFAULT 0,"
	" made_ms INTEGER NOT NULL DEFAULT 0, ended_ms INTEGER NOT NULL DEFAULT 0,"
	" meter TEXT NOT NULL DEFAULT '') STRICT, WITHOUT ROWID;"
	"CREATE INDEX customers_order ON orders(account, made_ms, number) WHERE code != '';"
	"CREATE INDEX open_order ON orders(box, account, number) WHERE state IN ('sent', 'open');"
	"CREATE TABLE command(box TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,"
	" order_number TEXT NOT NULL, account TEXT NOT NULL, micros INTEGER NOT NULL, body TEXT NOT NULL, result TEXT,"
	" key TEXT NOT NULL DEFAULT '', pressed TEXT NOT NULL DEFAULT '', why TEXT NOT NULL DEFAULT '',"
	" PRIMARY KEY(box, seq)) STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX credit_key ON command(key) WHERE key != '';"
	"CREATE INDEX pending_command ON command(box, seq) WHERE result IS NULL;"
	"CREATE INDEX pressed_command ON command(pressed, seq) WHERE pressed != '';"
	"CREATE TABLE posting(number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, from_book TEXT NOT NULL,"
	" to_book TEXT NOT NULL, micros INTEGER NOT NULL CHECK(micros > 0), order_number TEXT NOT NULL) STRICT;"
	"CREATE TABLE book(name TEXT PRIMARY KEY, micros INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE tariff(id TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, made_ms INTEGER NOT NULL,"
	" who TEXT NOT NULL, PRIMARY KEY(id, version)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE place(code TEXT PRIMARY KEY, box TEXT NOT NULL, outlet INTEGER NOT NULL, tariff TEXT NOT NULL,"
	" label TEXT NOT NULL, mode TEXT NOT NULL, hold_ms INTEGER NOT NULL, lease_ms INTEGER NOT NULL,"
	" full_ma INTEGER NOT NULL, full_ms INTEGER NOT NULL, UNIQUE(box, outlet)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE agreement(version INTEGER PRIMARY KEY, made_ms INTEGER NOT NULL, who TEXT NOT NULL,"
	" en TEXT NOT NULL, zh TEXT NOT NULL) STRICT;"
	"CREATE TABLE customer(contact TEXT PRIMARY KEY, account TEXT NOT NULL, code_hash TEXT NOT NULL,"
	" code_until_ms INTEGER NOT NULL, wrong INTEGER NOT NULL, codes_until_ms INTEGER NOT NULL)"
	" STRICT, WITHOUT ROWID;"
	"CREATE TABLE staff(name TEXT PRIMARY KEY, role TEXT NOT NULL, secret TEXT NOT NULL)"
	" STRICT, WITHOUT ROWID;"
	"CREATE TABLE session(token_hash TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,"
	" until_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX session_of ON session(kind, name, until_ms);"
	"CREATE TABLE act(number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL,"
	" subject TEXT NOT NULL, detail TEXT NOT NULL) STRICT;"
	"CREATE INDEX order_made ON orders(made_ms, number);"
	"CREATE INDEX open_order_made ON orders(made_ms, number) WHERE state IN ('sent', 'open');"
	"CREATE INDEX posting_from ON posting(from_book, number);"
	"CREATE INDEX posting_to ON posting(to_book, number);"
	"CREATE INDEX customer_account ON customer(account) WHERE account != '';"
	"CREATE TABLE alarm(number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, box TEXT NOT NULL,"
	" outlet INTEGER NOT NULL, kind TEXT NOT NULL, word TEXT NOT NULL, detail TEXT NOT NULL) STRICT;"
	"CREATE TABLE sample(box TEXT NOT NULL, outlet INTEGER NOT NULL, at_ms INTEGER NOT NULL,"
	" register_mwh INTEGER NOT NULL, total_mwh INTEGER NOT NULL, unplaced_mwh INTEGER NOT NULL, PRIMARY KEY(box, outlet, at_ms))"
	" STRICT, WITHOUT ROWID;"
	"CREATE TABLE payment(id TEXT PRIMARY KEY, account TEXT NOT NULL, key TEXT NOT NULL, micros INTEGER NOT NULL,"
	" currency TEXT NOT NULL, state TEXT NOT NULL, reference TEXT NOT NULL, made_ms INTEGER NOT NULL,"
	" ended_ms INTEGER NOT NULL, UNIQUE(account, key)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX payment_of ON payment(account, made_ms);";

#define ORDER_COLUMNS                                                                                                  \
	"number, box, outlet, account, mode, tariff, credit_micros, lease_ms, hold_ms, limit_mwh, limit_micros, "      \
	"limit_ms, state, held_micros, started, reason, start_mwh, energy_mwh, amount_micros, energised_ms, settled, " \
	"billed_micros, captured_micros, written_off_micros, price_differs, ledger_lost, priced_mwh, "                 \
	"power_off_sent, priced_micros, rates_mwh, lease_micros, full_ma, full_ms, code, until, agreement, "           \
	"agreed_ms, made_ms, ended_ms, meter"
#define PAYMENT_COLUMNS "id, account, key, micros, currency, state, reference, made_ms, ended_ms"
#define PLACE_COLUMNS "code, box, outlet, tariff, label, mode, hold_ms, lease_ms, full_ma, full_ms"
#define ACCOUNT_COLUMNS                                                                                                \
	"a.name, a.kind, a.limit_micros, coalesce((SELECT micros FROM book WHERE name = 'customer:' || a.name), 0), "  \
	"(SELECT contact FROM customer WHERE account = a.name AND account != '')"
#define POSTING_COLUMNS "number, key, from_book, to_book, micros, order_number"
#define ALARM_COLUMNS "number, at_ms, box, outlet, kind, word, detail"
#define SAMPLE_COLUMNS "at_ms, register_mwh, total_mwh, unplaced_mwh"
#define COMMAND_COLUMNS "box, seq, id, type, order_number, account, micros, result IS NULL"

static const char *const statement_texts[STATEMENT_COUNT] = {
	[BEGIN] = "BEGIN IMMEDIATE",
	[BEGIN_READING] = "BEGIN DEFERRED",
	[COMMIT] = "COMMIT",
	[GET_ACCOUNT] = "SELECT name, kind, limit_micros FROM account WHERE name = ?1",
	[ADD_ACCOUNT] = "INSERT INTO account(name, kind, limit_micros) VALUES(?1, ?2, ?3)",
	[GET_BOX] = "SELECT name, ledger, command_seq FROM box WHERE name = ?1",
	[PUT_BOX] = "INSERT INTO box(name, ledger, command_seq) VALUES(?1, ?2, ?3)"
		    " ON CONFLICT(name) DO UPDATE SET ledger = excluded.ledger, command_seq = excluded.command_seq",
	[EACH_BOX] = "SELECT name FROM box ORDER BY name",
	[FIND_TOKEN] = "SELECT name FROM box WHERE token_hash = ?1 AND token_hash != ''",
	[SET_TOKEN] = "UPDATE box SET token_hash = ?2 WHERE name = ?1",
	[GET_LEDGER] = "SELECT number, box, id, accepted, tip, holed FROM ledger WHERE box = ?1 AND id = ?2",
	[ADD_LEDGER] = "INSERT INTO ledger(box, id, accepted, tip, holed) VALUES(?1, ?2, ?3, ?4, ?5)",
	[PUT_LEDGER] = "UPDATE ledger SET accepted = ?2, tip = ?3, holed = ?4 WHERE number = ?1",
	[ADD_RECORD] = "INSERT INTO record(ledger, seq, body, why) VALUES(?1, ?2, ?3, ?4)",
	[GET_RECORD] = "SELECT body, why FROM record WHERE ledger = ?1 AND seq = ?2",
	[EACH_RECORD] = "SELECT seq, body, why IS NOT NULL FROM record WHERE ledger = ?1 AND seq >= ?2"
			" ORDER BY seq",
	[GET_IMAGE] = "SELECT body FROM image WHERE box = ?1 AND part = ?2",
	[PUT_IMAGE] = "INSERT OR REPLACE INTO image(box, part, body) VALUES(?1, ?2, ?3)",
	[DROP_IMAGE] = "DELETE FROM image WHERE box = ?1",
	[GET_ORDER] = "SELECT " ORDER_COLUMNS " FROM orders WHERE number = ?1",
	[ADD_ORDER] =
		"INSERT INTO orders(number, box, outlet, account, mode, tariff, credit_micros, lease_ms, hold_ms,"
		" limit_mwh, limit_micros, limit_ms, lease_micros, full_ma, full_ms, code, until, agreement,"
		" agreed_ms, made_ms)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
	[PUT_ORDER] = "UPDATE orders SET state = ?2, held_micros = ?3, started = ?4, reason = ?5, start_mwh = ?6,"
		      " energy_mwh = ?7, amount_micros = ?8, energised_ms = ?9, settled = ?10, billed_micros = ?11,"
		      " captured_micros = ?12, written_off_micros = ?13, price_differs = ?14, ledger_lost = ?15,"
		      " priced_mwh = ?16, power_off_sent = ?17, priced_micros = ?18, rates_mwh = ?19,"
		      " ended_ms = ?20, meter = ?21 WHERE number = ?1",
	[NEXT_OPEN_ORDER] = "SELECT " ORDER_COLUMNS " FROM orders WHERE state IN ('sent', 'open') AND box = ?1"
			    " AND (account, number) > (?2, ?3) ORDER BY account, number LIMIT 1",
	[NEXT_UNBILLED] = "SELECT " ORDER_COLUMNS " FROM orders WHERE state = 'done' AND started AND energy_mwh > 0"
			  " AND billed_micros = 0 AND number > ?1 ORDER BY number LIMIT 1",
	[ADD_COMMAND] = "INSERT INTO command(box, seq, id, type, order_number, account, micros, body, key,"
			" pressed) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
	[GET_COMMAND] = "SELECT " COMMAND_COLUMNS " FROM command WHERE id = ?1",
	[FIND_CREDIT] = "SELECT result FROM command WHERE key = ?1 AND key != ''",
	[NEXT_PENDING] = "SELECT " COMMAND_COLUMNS " FROM command WHERE result IS NULL AND box = ?1 AND seq > ?2"
			 " ORDER BY seq LIMIT 1",
	[EACH_PENDING] = "SELECT seq, body FROM command WHERE result IS NULL AND box = ?1"
			 " AND (seq > ?2 OR (?3 AND type IN ('stop', 'power_off'))) ORDER BY seq",
	[RENUMBER_COMMAND] = "UPDATE command SET seq = ?3, body = json_set(body, '$.seq', ?3)"
			     " WHERE box = ?1 AND seq = ?2",
	[CLOSE_COMMAND] = "UPDATE command SET result = ?3 WHERE box = ?1 AND seq = ?2",
	[CLOSE_COMMANDS] = "UPDATE command SET result = ?2 WHERE result IS NULL AND box = ?1",
	[FORGET_CREDITS] = "UPDATE command SET micros = 0 WHERE result IS NULL AND box = ?1 AND account = ?2"
			   " AND (?3 = '' OR order_number = ?3) AND micros > 0",
	[EXPLAIN_COMMAND] = "UPDATE command SET why = ?3 WHERE box = ?1 AND seq = ?2",
	[NEXT_CUSTOMERS_ORDER] = "SELECT " ORDER_COLUMNS " FROM orders WHERE account = ?1 AND code != ''"
				 " AND (made_ms, number) < (?2, ?3) ORDER BY made_ms DESC, number DESC LIMIT 1",
	[COUNT_OPEN_ORDERS] = "SELECT count(*) FROM orders WHERE account = ?1 AND code != ''"
			      " AND state IN ('sent', 'open')",
	[EACH_PRESSED] = "SELECT type FROM command WHERE pressed = ?1 AND pressed != '' AND result IS NULL",
	[LATEST_PRESSED] = "SELECT type, result, why FROM command WHERE pressed = ?1 AND pressed != ''"
			   " ORDER BY seq DESC LIMIT 1",
	[ADD_PAYMENT] = "INSERT INTO payment(id, account, key, micros, currency, state, reference, made_ms, ended_ms)"
			" VALUES(?1, ?2, ?3, ?4, ?5, 'pending', '', ?6, 0)",
	[GET_PAYMENT] = "SELECT " PAYMENT_COLUMNS " FROM payment WHERE id = ?1",
	[FIND_PAYMENT] = "SELECT " PAYMENT_COLUMNS " FROM payment WHERE account = ?1 AND key = ?2",
	[END_PAYMENT] = "UPDATE payment SET state = ?2, reference = ?3, ended_ms = ?4 WHERE id = ?1",
	[COUNT_PAYMENTS] = "SELECT count(*) FROM payment WHERE account = ?1 AND made_ms > ?2 AND state != 'paid'",
	[NEXT_ORDER] = "SELECT " ORDER_COLUMNS " FROM orders WHERE (made_ms, number) < (?1, ?2)"
		       " ORDER BY made_ms DESC, number DESC LIMIT 1",
	[NEXT_OF_OPEN_ORDERS] = "SELECT " ORDER_COLUMNS " FROM orders WHERE state IN ('sent', 'open')"
				" AND (made_ms, number) < (?1, ?2) ORDER BY made_ms DESC, number DESC LIMIT 1",
	[NEXT_OF_CLOSED_ORDERS] = "SELECT " ORDER_COLUMNS " FROM orders WHERE state NOT IN ('sent', 'open')"
				  " AND (made_ms, number) < (?1, ?2) ORDER BY made_ms DESC, number DESC LIMIT 1",
	[FIND_ACCOUNT] = "SELECT " ACCOUNT_COLUMNS " FROM account a WHERE a.name = ?1",
	[EACH_ACCOUNT] = "SELECT " ACCOUNT_COLUMNS " FROM account a WHERE a.name > ?1 ORDER BY a.name",
	[EACH_POSTING] = "SELECT " POSTING_COLUMNS " FROM posting WHERE from_book = ?1 AND number < ?2 UNION ALL"
			 " SELECT " POSTING_COLUMNS " FROM posting WHERE to_book = ?1 AND number < ?2"
			 " ORDER BY number DESC",
	[COUNT_PENDING] = "SELECT count(*) FROM command WHERE result IS NULL AND box = ?1",
	[ADD_ALARM] = "INSERT INTO alarm(at_ms, box, outlet, kind, word, detail) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
	[EACH_ALARM] = "SELECT " ALARM_COLUMNS " FROM alarm WHERE number < ?1 ORDER BY number DESC",
	[ALARMS_AFTER] = "SELECT " ALARM_COLUMNS " FROM alarm WHERE number > ?1 ORDER BY number",
	[SAMPLE_UNTIL] = "SELECT " SAMPLE_COLUMNS " FROM sample WHERE box = ?1 AND outlet = ?2 AND at_ms <= ?3"
			 " ORDER BY at_ms DESC LIMIT 1",
	[SAMPLE_AFTER] = "SELECT " SAMPLE_COLUMNS " FROM sample WHERE box = ?1 AND outlet = ?2 AND at_ms > ?3"
			 " ORDER BY at_ms LIMIT 1",
	[ADD_SAMPLE] = "INSERT INTO sample(box, outlet, at_ms, register_mwh, total_mwh, unplaced_mwh)"
		       " VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
	[DROP_SAMPLE] = "DELETE FROM sample WHERE box = ?1 AND outlet = ?2 AND at_ms = ?3",
	[PRUNE_SAMPLES] = "DELETE FROM sample WHERE box = ?1 AND outlet = ?2 AND at_ms <= ?3",
	[GET_POSTING] = "SELECT key, from_book, to_book, micros, order_number FROM posting WHERE key = ?1",
	[ADD_POSTING] = "INSERT INTO posting(key, from_book, to_book, micros, order_number) VALUES(?1, ?2, ?3, ?4, ?5)",
	[MOVE_BOOK] = "INSERT INTO book(name, micros) VALUES(?1, ?2)"
		      " ON CONFLICT(name) DO UPDATE SET micros = micros + excluded.micros",
	[GET_BOOK] = "SELECT micros FROM book WHERE name = ?1",
	[GET_TARIFF] = "SELECT body FROM tariff WHERE id = ?1 AND (?2 = 0 OR version = ?2)"
		       " ORDER BY version DESC LIMIT 1",
	[ADD_TARIFF] = "INSERT INTO tariff(id, version, body, made_ms, who) VALUES(?1, ?2, ?3, ?4, ?5)",
	[EACH_TARIFF] = "SELECT body FROM tariff AS t WHERE version ="
			" (SELECT max(version) FROM tariff WHERE id = t.id) ORDER BY id",
	[GET_PLACE] = "SELECT " PLACE_COLUMNS " FROM place WHERE code = ?1",
	[FIND_PLACE] = "SELECT " PLACE_COLUMNS " FROM place WHERE box = ?1 AND outlet = ?2",
	[PUT_PLACE] = "INSERT INTO place(" PLACE_COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
		      " ON CONFLICT(code) DO UPDATE SET box = excluded.box, outlet = excluded.outlet,"
		      " tariff = excluded.tariff, label = excluded.label, mode = excluded.mode,"
		      " hold_ms = excluded.hold_ms, lease_ms = excluded.lease_ms, full_ma = excluded.full_ma,"
		      " full_ms = excluded.full_ms",
	[DROP_PLACE] = "DELETE FROM place WHERE code = ?1",
	[EACH_PLACE] = "SELECT " PLACE_COLUMNS " FROM place WHERE code > ?1 ORDER BY code",
	[NEWEST_AGREEMENT] = "SELECT version FROM agreement ORDER BY version DESC LIMIT 1",
	[GET_AGREEMENT] = "SELECT version, made_ms, who, en, zh FROM agreement WHERE version = ?1",
	[ADD_AGREEMENT] = "INSERT INTO agreement(version, made_ms, who, en, zh) VALUES(?1, ?2, ?3, ?4, ?5)",
	[GET_CUSTOMER] = "SELECT contact, account, code_hash, code_until_ms, wrong, codes_until_ms FROM customer"
			 " WHERE contact = ?1",
	[PUT_CUSTOMER] =
		"INSERT INTO customer(contact, account, code_hash, code_until_ms, wrong, codes_until_ms)"
		" VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(contact) DO UPDATE SET account = excluded.account,"
		" code_hash = excluded.code_hash, code_until_ms = excluded.code_until_ms, wrong = excluded.wrong,"
		" codes_until_ms = excluded.codes_until_ms",
	[GET_STAFF] = "SELECT name, role, secret FROM staff WHERE name = ?1",
	[PUT_STAFF] = "INSERT INTO staff(name, role, secret) VALUES(?1, ?2, ?3)"
		      " ON CONFLICT(name) DO UPDATE SET role = excluded.role, secret = excluded.secret",
	[DROP_STAFF] = "DELETE FROM staff WHERE name = ?1",
	[EACH_STAFF] = "SELECT name, role FROM staff ORDER BY name",
	[ADD_SESSION] = "INSERT INTO session(token_hash, kind, name, until_ms) VALUES(?1, ?2, ?3, ?4)",
	[GET_SESSION] = "SELECT token_hash, kind, name, until_ms FROM session WHERE token_hash = ?1",
	[DROP_SESSION] = "DELETE FROM session WHERE token_hash = ?1",
	[PRUNE_SESSIONS] = "DELETE FROM session WHERE kind = ?1 AND name = ?2 AND (until_ms <= ?4 OR token_hash NOT IN"
			   " (SELECT token_hash FROM session WHERE kind = ?1 AND name = ?2"
			   " ORDER BY until_ms DESC LIMIT ?3))",
	[ADD_ACT] = "INSERT INTO act(at_ms, who, what, subject, detail) VALUES(?1, ?2, ?3, ?4, ?5)",
	[EACH_ACT] = "SELECT number, at_ms, who, what, subject, detail FROM act WHERE number < ?1 ORDER BY number DESC",
};

/* Each query names what breaks one of the rules of ops_check(). */
static const struct {
	const char *rule;
	const char *sql;
} rules[] = {
	{"the balance is not the sum of the postings",
	 "WITH moved(name, micros) AS (SELECT to_book, micros FROM posting UNION ALL"
	 " SELECT from_book, -micros FROM posting),"
	 " total(name, micros) AS (SELECT name, sum(micros) FROM moved GROUP BY name)"
	 " SELECT coalesce(b.name, t.name) FROM book b FULL JOIN total t ON b.name = t.name"
	 " WHERE coalesce(b.micros, 0) != coalesce(t.micros, 0)"},
	{"the books do not add up to 0", "SELECT 'sum' FROM (SELECT sum(micros) AS total FROM book) WHERE total != 0"},
	{"a held book is negative", "SELECT name FROM book WHERE name GLOB 'held:*' AND micros < 0"},
	{"a customer's book belongs to no account",
	 "SELECT name FROM book WHERE name GLOB 'customer:*' AND NOT EXISTS"
	 " (SELECT 1 FROM account WHERE account.name = substr(book.name, 10))"},
	{"a customer's book is below its limit",
	 "SELECT b.name FROM account a JOIN book b ON b.name = 'customer:' || a.name"
	 " WHERE b.micros < CASE a.kind WHEN 'bound' THEN -a.limit_micros ELSE 0 END"},
	{"billed is not captured and written off",
	 "SELECT number FROM orders WHERE state = 'done' AND billed_micros != captured_micros + written_off_micros"},
	{"a paid payment and its posting differ",
	 "SELECT coalesce(p.id, q.key) FROM (SELECT * FROM payment WHERE state = 'paid') p FULL JOIN"
	 " (SELECT * FROM posting WHERE key GLOB 'pay:*') q ON q.key = 'pay:' || p.id"
	 " WHERE p.id IS NULL OR q.key IS NULL OR q.micros != p.micros OR q.from_book != 'cash'"
	 " OR q.to_book != 'customer:' || p.account"},
	{"a held book without an open order",
	 "SELECT name FROM book WHERE name GLOB 'held:*' AND micros != 0 AND name NOT IN"
	 " (SELECT 'held:' || box || ':' || account FROM orders WHERE state IN ('sent', 'open'))"},
};

#endif
