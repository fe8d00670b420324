/* tools/ops/core/ops_internal.h: what the files of this room share, and nobody else sees.
 *
 * Room: src/model, src/wire, libcrypto; the store only through store.h. */
#ifndef OPS_INTERNAL_H
#define OPS_INTERNAL_H

#include <openssl/evp.h>

#include "allowance.h"
#include "ops.h"
#include "store.h"

#define OPS_KEY_SIZE 129 /* of an idempotency key from outside: 128 characters and the NUL */
#define OPS_COMMAND_SEQ_MAX ((UINT64_C(1) << 53) - (UINT64_C(1) << 32)) /* that a box may say; there is room behind */
#define OPS_TOKEN_LEAST 16
#define OPS_TOKEN_SIZE 129
#define OPS_BATCH_MAX 10000 /* records in one call of ops_intake() */
#define OPS_TIME_MAX_MS INT64_C(253402300799999) /* the end of the year 9999 */

#define PLACES_KNOWN 64

struct ops {
	struct store *store;
	EVP_MD *sha256;
	void (*random)(void *ctx, void *bytes, size_t count);
	void (*notice)(void *ctx, enum ops_notice what, const struct ops_order *order);
	void *ctx;
	int64_t command_ms;
	int64_t intake_ms; /* when the batch that is being taken in came */
	int64_t hashes_until_ms; /* passwords tried for all names have used up their allowance until then */
	struct allowances passwords; /* wrong ones, by name, whether anybody has it or not */
	struct {
		uint64_t key; /* of a name and a place from where it has signed in; 0: empty */
		int64_t until_ms; /* its passwords have used up their allowance until then */
	} places[PLACES_KNOWN];
	unsigned places_count; /* that were ever known; the next goes to places_count % PLACES_KNOWN */
	/* The image of the box that reported last, as it is stored: most calls need no reading. */
	char image_of[BOX_ID_SIZE]; /* empty: of none */
	struct box_image image;
};

struct book {
	char name[BOOK_SIZE];
};

/* Fills *error with printf's arguments, cut to its size, and returns result. */
int ops_fail(struct ops_error *error, int result, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Ends a call's transaction: commits when result is 0, else takes everything back. Returns what the call returns. */
int ops_finish(struct ops *ops, int result, struct ops_error *error);

/* SHA-256 in hexadecimal digits. 0 or -ENOMEM. */
int ops_hash(struct ops *ops, const char *text, size_t length, char hash[RECORD_HASH_SIZE], struct ops_error *error);

/* Like store_get_*(), but what is not there is -ENOENT, and a name outside its limits -EINVAL. */
int ops_need_box(struct ops *ops, const char *name, struct box_row *row, struct ops_error *error);
int ops_need_account(struct ops *ops, const char *name, struct account_row *row, struct ops_error *error);

/* Makes a command's id, seq, ledger and not_after, and stores it. row carries what a money-moving command is about; its
 * other fields are filled. -EAGAIN when the box has no ledger yet, -EINVAL for a command outside its limits. */
int ops_queue(struct ops *ops, struct command *command, struct command_row *row, int64_t now_ms,
	      struct ops_error *error);

/* As ops_send(), of a customer's order by whose page it is made (empty: none), which is remembered with it. */
int ops_send_for(struct ops *ops, struct command *command, const char *pressed, int64_t now_ms,
		 struct ops_error *error);

int ops_need_order(struct ops *ops, const char *number, struct ops_order *order, struct ops_error *error);
int ops_check_name(const char *name, size_t size, const char *what, struct ops_error *error);
int ops_check_time(int64_t now_ms, struct ops_error *error);
void ops_write_hex(const unsigned char *bytes, size_t count, char *text);

/* --- intake.c --- */

/* The outlet as the stored image has it; an empty one when no record named it. */
int ops_read_outlet(struct ops *ops, const char *box, int outlet, struct outlet_image *image, struct ops_error *error);

/* --- people.c --- */

/* How often doors may be tried; *ops is zeroed. */
void ops_people_begin(struct ops *ops);

/* --- offers.c --- */

/* A new store gets the agreement that comes with the program. */
int ops_begin_agreement(struct ops *ops, struct ops_error *error);

/* --- desk.c; inside the caller's transaction, during an intake --- */

/* An alarm of the server's own; a word, and a detail for people. */
int ops_note_finding(struct ops *ops, const char *box, int outlet, const char *word, const char *detail,
		     struct ops_error *error);
int ops_note_order(struct ops *ops, enum ops_notice what, const struct ops_order *order, struct ops_error *error);

/* What the desk keeps of a record that has taken effect: an alarm, a sample. */
int ops_note_record(struct ops *ops, const char *box, const struct record *record, struct ops_error *error);

/* --- books.c --- */

extern const struct book ops_cash_book;

struct book ops_customer_book(const char *account);
struct book ops_held_book(const char *box, const char *account);

/* Moves micros (nothing when 0) from one book to the other under the key PREFIX:NAME. order may be empty. */
int ops_post(struct ops *ops, const char *prefix, const char *name, const struct book *from, const struct book *to,
	     int64_t micros, const char *order, struct ops_error *error);

/* Moves money under a key from outside. 1 when the same was moved before, -EEXIST when something else was. */
int ops_posted_before(struct ops *ops, const struct posting *posting, struct ops_error *error);

int ops_spendable_of(struct ops *ops, const struct account_row *account, int64_t *micros, struct ops_error *error);

bool ops_same_tariff(const struct fee_tariff *a, const struct fee_tariff *b);
bool ops_same_grant(const struct grant *g, const struct grant *h);

/* Tells what an operator should see of the order, and keeps it as an alarm. */
int ops_notify(struct ops *ops, enum ops_notice what, const struct ops_order *order, struct ops_error *error);

bool ops_order_is_open(const struct ops_order *order);

/* What the order's tariff makes of the receipt; 0 for a fault of ours. */
int64_t ops_price(const struct ops_order *order, const struct receipt *receipt);

/* Settles an open order by a receipt: prices, captures, writes off, releases. */
int ops_settle(struct ops *ops, struct ops_order *order, const struct receipt *receipt, struct ops_error *error);

/* Cancels an order that the box never had: what was held for it goes back. */
int ops_cancel(struct ops *ops, struct ops_order *order, struct ops_error *error);

/* Gives back what a credit command held. */
int ops_give_back(struct ops *ops, const struct command_row *command, struct ops_error *error);

#endif
