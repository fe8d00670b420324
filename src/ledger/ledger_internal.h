/* src/ledger/ledger_internal.h: what the files of this room share, and nobody else sees. */
#ifndef LEDGER_INTERNAL_H
#define LEDGER_INTERNAL_H

#include <openssl/evp.h>
#include <sqlite3.h>

#include "ledger.h"

enum statement {
	STATEMENT_BEGIN,
	STATEMENT_COMMIT,
	STATEMENT_ADD_RECORD,
	STATEMENT_SET_SNAPSHOT,
	STATEMENT_SET_META,
	STATEMENT_GET_META,
	STATEMENT_GET_SNAPSHOT,
	STATEMENT_GET_RECORDS,
	STATEMENT_LAST_RECORD,
	STATEMENT_COUNT
};

struct ledger {
	sqlite3 *db;
	EVP_MD *sha256;
	sqlite3_stmt *statements[STATEMENT_COUNT]; /* prepared when first used */
	char id[LEDGER_ID_SIZE];
	struct box_image image; /* durable */
	char tip[RECORD_HASH_SIZE]; /* hash of the last durable record */
	struct box_image next_image; /* during a commit */
	char next_tip[RECORD_HASH_SIZE];
	uint64_t accepted;
	uint64_t accepted_stored;
};

/* Fills *error and returns result. */
int ledger_fail(struct ledger_error *error, int result, const char *what, const char *detail);

/* Fills *error from SQLite and returns the negative errno that stands for its code. */
int ledger_sqlite_error(struct ledger *ledger, int code, const char *what, struct ledger_error *error);

/* SHA-256 in hexadecimal digits. 0 or -ENOMEM. */
int ledger_hash_text(EVP_MD *sha256, const char *text, size_t length, char hash[RECORD_HASH_SIZE]);
int ledger_hash(struct ledger *ledger, const char *text, size_t length, char hash[RECORD_HASH_SIZE]);

/* 1 when text hashes to expected, 0 when not, -ENOMEM. */
int ledger_hash_equals(struct ledger *ledger, const char *text, size_t length, const char *expected);

/* The prepared statement, or NULL when preparing failed: sqlite3_errcode() says why. */
sqlite3_stmt *ledger_statement(struct ledger *ledger, enum statement which);

/* Reads the stored image. 0, -EBADMSG when a snapshot is damaged, or an error of reading. */
int ledger_read_image(struct ledger *ledger, struct box_image *image, struct ledger_error *error);

/* Checks the chain of hashes from the last accepted record on. 0, -EBADMSG, or an error of reading. */
int ledger_verify_tail(struct ledger *ledger, struct ledger_error *error);

/* Reads one meta value. 0; -EBADMSG when it is not there or does not fit; or an error of reading. */
int ledger_get_meta(struct ledger *ledger, const char *name, char *value, size_t size, struct ledger_error *error);

#endif
