/* tools/ops/core/ops.h: the operations server without HTTP: intake, accounts, orders, postings, commands.
 *
 * Room: feecontrol, src/model (with hal/core's moment.h), src/wire; the store behind store.h is SQLite. It reads no
 * clock: wall time (Unix ms, UTC) is given with each call. Every call that changes something is one transaction: done
 * and durable, or not at all. Not thread-safe.
 *
 * Money is double entry: every posting moves an amount from one book to another, under an idempotency key that the
 * store holds unique, so the sum over all books is always 0. Books are named by strings:
 *   cash                 what customers paid in (negative: it came from outside)
 *   customer:ACCOUNT     a customer's balance: a bound account's money, a shared-power account's frozen deposit
 *   held:BOX:ACCOUNT     what a box may spend for the account: reserved until its sessions there have ended
 *   revenue              what was sold
 *   writeoff             overdraft_writeoff: consumption above what was held; the operator's loss
 * An account's open orders on one box share one held book, as its sessions there share one pool of credit. */
#ifndef OPS_H
#define OPS_H

#include "command.h"
#include "progress.h"
#include "record.h"
#include "wire.h"

#define OPS_ERROR_SIZE 200
#define OPS_CODE_SIZE 17 /* of what stands on an outlet that is for sale */
#define OPS_REFUSED_MAX 16 /* refusals listed in one answer; more are parked but not listed */

struct ops; /* opaque; owned by whoever opened it */

struct ops_error {
	char text[OPS_ERROR_SIZE];
};

struct ops_order;

enum ops_notice {
	OPS_NOTICE_CLOSED, /* the order is done or cancelled */
	OPS_NOTICE_GRANT_DIFFERS /* the box runs it by another grant than it was sent; it is billed by the order's */
};

struct ops_options {
	const char *path; /* of the database file, ":memory:" for none */
	const char *vfs; /* SQLite's name of it; NULL for the system's own */
	void (*random)(void *ctx, void *bytes, size_t count); /* for ids */
	/* Tells what an operator should see, while a call is at work: it may fail afterwards. NULL: nobody is told. */
	void (*notice)(void *ctx, enum ops_notice what, const struct ops_order *order);
	/* Tells that an order was made or changed, as above. NULL: nobody is told. */
	void (*order_changed)(void *ctx, const char *order);
	void *ctx;
	int64_t command_ms; /* how long a command may be on its way: not_after = now + this */
};

/* Opens or makes the server's state. 0, -EIO, -ENOMEM, -EBADMSG (not our database), -EPROTO (a newer version's). */
int ops_open(const struct ops_options *options, struct ops **ops, struct ops_error *error);
void ops_close(struct ops *ops);

/* All calls below return 0, or: -EINVAL an argument is outside its limits; -ENOENT the thing named does not exist;
 * -EEXIST it exists already and differs; -EAGAIN refused by its present state; -EDQUOT not enough money; -EIO, -ENOMEM.
 * *error says which and why, in words for an operator. A failed call changes nothing. */

/* Until the end all calls see one state, and a long row of them is much faster: the store need not look each time whether
 * somebody else has written. Between the two nothing may be called that changes something. */
int ops_begin_reading(struct ops *ops, struct ops_error *error);
void ops_end_reading(struct ops *ops);

enum ops_account_kind {
	OPS_BOUND, /* a bound electricity account: deducted at the end, negative down to limit_micros */
	OPS_SHARED, /* a shared-power account: a deposit stays frozen, consumption is captured from it */
	OPS_ACCOUNT_KIND_COUNT
};

extern const struct words ops_account_kind_words;

/* limit_micros: how far below 0 a bound account may go, at least 0; 0 for a shared one. The same call again is harmless. */
int ops_add_account(struct ops *ops, const char *account, enum ops_account_kind kind, int64_t limit_micros,
		    struct ops_error *error);

/* A box's name has no colon, which separates the parts of a book's name. The same call again is harmless. */
int ops_add_box(struct ops *ops, const char *box, struct ops_error *error);

/* Makes the box known, if it is not, with the secret by which it shows who it is: 16 to 128 printable characters, of which
 * the store keeps only the hash. A second one replaces the first. -EEXIST for one that another box has. */
int ops_provision(struct ops *ops, const char *box, const char *token, struct ops_error *error);

/* Whose token it is: 1 with *box, 0 when nobody's, or a negative errno. */
int ops_token_box(struct ops *ops, const char *token, char box[BOX_ID_SIZE], struct ops_error *error);

/* Calls `take` with each box's name, ascending. `take` returns false to end early, and calls nothing of this room. */
int ops_each_box(struct ops *ops, bool (*take)(void *ctx, const char *box), void *ctx, struct ops_error *error);

int ops_count_boxes(struct ops *ops, int64_t *count, struct ops_error *error);

/* An outlet as its records have left it. */
int ops_outlet(struct ops *ops, const char *box, int outlet, struct outlet_image *image, struct ops_error *error);

/* cash -> customer. key: the payment provider's own reference; the same key again is harmless, with another amount or
 * account -EEXIST. */
int ops_recharge(struct ops *ops, const char *account, int64_t micros, const char *key, struct ops_error *error);

/* customer -> cash, the original way, when the customer asks for it: at most the balance. Idempotent by key. */
int ops_refund(struct ops *ops, const char *account, int64_t micros, const char *key, struct ops_error *error);

/* The customer's balance; what is held is not in it. */
int ops_balance(struct ops *ops, const char *account, int64_t *micros, struct ops_error *error);

/* Any book's balance; 0 for one that was never posted to. */
int ops_book(struct ops *ops, const char *book, int64_t *micros, struct ops_error *error);

enum ops_order_state {
	OPS_ORDER_SENT, /* the authorize command is on its way */
	OPS_ORDER_OPEN, /* the box has it */
	OPS_ORDER_DONE, /* ended and settled */
	OPS_ORDER_CANCELLED, /* the box refused it; everything was released */
	OPS_ORDER_STATE_COUNT
};

extern const struct words ops_order_state_words;

/* What a customer wants power until; the grant's limits are what holds. */
enum ops_until {
	OPS_UNTIL_CREDIT,
	OPS_UNTIL_ENERGY,
	OPS_UNTIL_TIME,
	OPS_UNTIL_AMOUNT,
	OPS_UNTIL_FULL,
	OPS_UNTIL_COUNT
};

extern const struct words ops_until_words;

/* How a customer made an order, by the code on the outlet. */
struct ops_sale {
	char code[OPS_CODE_SIZE]; /* empty: an operator made the order, and the rest means nothing */
	enum ops_until until;
	uint32_t agreement; /* the version that was accepted, ... */
	int64_t agreed_ms; /* ... and when */
};

struct ops_order {
	char box[BOX_ID_SIZE];
	int outlet;
	struct grant grant; /* grant.credit_micros: what is moved from customer to held (may be 0 when the account has
			       an open order on this box); in remote mode the first lease */
	struct ops_sale sale;
	int64_t made_ms;
	enum ops_order_state state;
	int64_t lease_micros; /* by which it grows in remote mode: its credit, or without any the largest of its companions' */
	int64_t held_micros; /* moved to the held book for this order, top-ups included */
	bool started;
	/* of the end */
	int64_t ended_ms; /* as the box says, or when the server heard of it; 0 before */
	char meter[METER_SERIAL_SIZE]; /* whose register the receipt is of */
	struct receipt receipt; /* as the box wrote it */
	int64_t billed_micros; /* the lower of the box's and our own price */
	int64_t captured_micros; /* min(billed, what was held) */
	int64_t written_off_micros; /* billed - captured */
	bool price_differs; /* box and server disagree: an alarm */
	bool ledger_lost; /* closed because the box came back with a new ledger */
	/* remote mode */
	int64_t priced_mwh; /* energy of the last progress, ... */
	int64_t priced_micros; /* ... and what we say that it costs */
	bool power_off_sent;
};

/* Creates an order from its box, outlet, grant and sale (the rest is ignored): holds the credit and queues the authorize
 * command. The order's number is grant.order: the same call again is harmless, another with that number -EEXIST.
 * -EAGAIN while the box has not reported: a command names the ledger that it is for; and while the outlet is reserved for
 * another account. */
int ops_create_order(struct ops *ops, const struct ops_order *order, int64_t now_ms, struct ops_error *error);

/* Reads an order by its number. */
int ops_get_order(struct ops *ops, const char *number, struct ops_order *order, struct ops_error *error);

/* Holds more credit for a sent or open order and queues the credit command. Idempotent by key, also when the order is
 * over by then. */
int ops_add_credit(struct ops *ops, const char *number, int64_t micros, const char *key, int64_t now_ms,
		   struct ops_error *error);

/* What became of the credit that was held under that key: queued, done, or given_back. */
int ops_credit_state(struct ops *ops, const char *key, const char **state, struct ops_error *error);

/* Queues any other command. Fills its box's ledger, id, seq and not_after; box, type, outlet, actor, name and arguments
 * are the caller's. authorize and credit are -EINVAL here: they move money. -EAGAIN while the box has not reported. */
int ops_send(struct ops *ops, struct command *command, int64_t now_ms, struct ops_error *error);

/* Calls `take` with each command for the box whose seq is above `after` and whose result has not been taken in,
 * ascending, as JSON; with `stops` before them those at or below `after` that stop a session, which act late too. `take`
 * returns false to end early, and calls nothing of this room. text is valid during the call. */
int ops_commands(struct ops *ops, const char *box, uint64_t after, bool stops,
		 bool (*take)(void *ctx, uint64_t seq, const char *text, size_t length), void *ctx,
		 struct ops_error *error);

/* The box says that it has decided commands up to seq. When that is more than were made, the store was restored from a
 * copy: later commands get numbers above it. -EINVAL above 2^53 - 2^32. */
int ops_decided(struct ops *ops, const char *box, uint64_t seq, struct ops_error *error);

struct ops_refusal {
	uint64_t seq;
	const char *code; /* a word for programs: unreadable, not_linked, does_not_follow, differs */
	char why[WIRE_ERROR_SIZE];
};

struct ops_intake {
	uint64_t accepted_through; /* of the ledger that the batch came from */
	size_t refused_count;
	struct ops_refusal refused[OPS_REFUSED_MAX];
};

/* Takes in a batch of records (JSON, any order of calls, ascending within a batch). Records at or below what was
 * accepted are skipped, so repeating a batch gives the same answer and no second effect. A gap ends the batch there. A
 * record that cannot be read, is not linked by hash to the one before, or does not follow from it (image_apply) is
 * refused for good: parked with its text and the reason, without effect, and the queue goes on.
 * A parked record keeps its number: that of its text where it can be read, else that of its place. Those behind it are
 * judged one by one; what depends on its effect is parked too. A session whose end was parked is settled by the last
 * register taken in as soon as a later record proves that it is over. A repeated batch lists its refusals again, and any
 * record that is not the one that was taken in under its number.
 * A ledger id that is new for the box closes the old ledger's open orders as ledger_lost, billed by the last register
 * that its records reported (telemetry does not count; an order that the box never had is cancelled), and voids the
 * commands that were made for it. It takes a batch from record 1 on in which one record can be read and names that
 * ledger; else nothing is accepted. Records of a ledger that is not the box's newest are refused with -EAGAIN.
 * Effects: authorized -> order open; started; ended -> settled: priced again from its energy by the order's tariff, the
 * lower of both prices is billed, captured from the held book, excess to writeoff; what is left in the held book goes
 * back to the customer when the account has no other open order on that box. Nothing is billed for a fault of ours.
 * command -> its command is resolved, unless it was not decided (unverified, foreign, out of order: that may have been
 * a copy, and the command is still owed); an authorize that was not done cancels the order and releases; a credit that was
 * not done gives its amount back. A result settles earlier commands without one as not done: the box takes them in order.
 * authorized and credit resolve their commands as well; the end of an order those that are about it.
 * Records of sessions that are no order of this box and outlet (a technician's) are taken in without effect. */
int ops_intake(struct ops *ops, const char *box, const char *ledger, const char *const *records, size_t count,
	       int64_t now_ms, struct ops_intake *answer, struct ops_error *error);

/* Takes in an outlet's latest progress. In remote mode prices it: when the cost has used half of what is held, holds as
 * much again as the first lease (or what is left, when the account cannot pay all of it, or of the grant's limit_micros)
 * and queues a credit command
 * (with the grant's lease_ms); when the cost has reached what is held and nothing more can be held, queues power_off,
 * once. Cost and what is held are those of all the account's open orders on the box. */
int ops_progress(struct ops *ops, const char *box, const struct progress *progress, int64_t now_ms,
		 struct ops_error *error);

/* How much a customer can still have held: balance (plus a bound account's limit). */
int ops_spendable(struct ops *ops, const char *account, int64_t *micros, struct ops_error *error);

/* 0 when every book's stored balance is the sum of its postings, all books add up to 0, no held or shared customer book
 * is negative, no bound one below its limit, each done order's billed = captured + written off, no held book has a
 * balance without an open order, and no done order's energy has a price and was billed nothing, unless it ended by a fault
 * of ours; else -EBADMSG with the first fault. */
int ops_check(struct ops *ops, struct ops_error *error);

/* What the server has of a box's newest ledger: its id (empty when none) and how far. For tests and status pages. */
int ops_ledger(struct ops *ops, const char *box, char ledger[LEDGER_ID_SIZE], uint64_t *accepted,
	       struct ops_error *error);

/* Calls `take` with the text of each record taken in from that ledger from seq `from` on, ascending, refused ones
 * included. `take` returns false to end early, and calls nothing of this room. */
int ops_records(struct ops *ops, const char *box, const char *ledger, uint64_t from,
		bool (*take)(void *ctx, uint64_t seq, const char *text, size_t length, bool refused), void *ctx,
		struct ops_error *error);

/* Why a record of that ledger was refused; -ENOENT when it was not. */
int ops_refusal(struct ops *ops, const char *box, const char *ledger, uint64_t seq, struct ops_refusal *refusal,
		struct ops_error *error);

#endif
