/* tools/ops/core/books.c: what orders do to the books: holding, capturing, writing off, releasing.
 *
 * Room: feecontrol, src/model; the store only through store.h. Runs inside the caller's transaction. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ops_internal.h"
#include "price.h"

const struct book ops_cash_book = {"cash"};
static const struct book revenue_book = {"revenue"};
static const struct book writeoff_book = {"writeoff"};

struct book ops_customer_book(const char *account)
{
	struct book book;
	snprintf(book.name, sizeof book.name, "customer:%s", account);
	return book;
}

struct book ops_held_book(const char *box, const char *account)
{
	struct book book;
	snprintf(book.name, sizeof book.name, "held:%s:%s", box, account);
	return book;
}

int ops_post(struct ops *ops, const char *prefix, const char *name, const struct book *from, const struct book *to,
	     int64_t micros, const char *order, struct ops_error *error)
{
	struct posting posting = {.micros = micros};
	if (micros == 0)
		return 0;
	snprintf(posting.key, sizeof posting.key, "%s:%s", prefix, name);
	word_copy(posting.from, sizeof posting.from, from->name);
	word_copy(posting.to, sizeof posting.to, to->name);
	word_copy(posting.order, sizeof posting.order, order);
	return store_add_posting(ops->store, &posting, error);
}

int ops_posted_before(struct ops *ops, const struct posting *posting, struct ops_error *error)
{
	struct posting before;
	int found = store_get_posting(ops->store, posting->key, &before, error);
	if (found <= 0)
		return found;
	if (strcmp(before.from, posting->from) == 0 && strcmp(before.to, posting->to) == 0 &&
	    before.micros == posting->micros && strcmp(before.order, posting->order) == 0)
		return 1;
	return ops_fail(error, -EEXIST, "key %s was used for something else", posting->key);
}

int ops_spendable_of(struct ops *ops, const struct account_row *account, int64_t *micros, struct ops_error *error)
{
	struct book book = ops_customer_book(account->name);
	int result = store_get_book(ops->store, book.name, micros, error);
	if (result == 0)
		*micros += account->limit_micros;
	return result;
}

int ops_notify(struct ops *ops, enum ops_notice what, const struct ops_order *order, struct ops_error *error)
{
	if (ops->notice != NULL)
		ops->notice(ops->ctx, what, order);
	return ops_note_order(ops, what, order, error);
}

bool ops_order_is_open(const struct ops_order *order)
{
	return order->state == OPS_ORDER_SENT || order->state == OPS_ORDER_OPEN;
}

/* Whether another open order uses the same held book. 1, 0 or a negative errno. The order itself is closed already. */
static int book_is_shared(struct ops *ops, const struct ops_order *order, struct ops_error *error)
{
	struct ops_order other;
	int found = store_next_open_order(ops->store, order->box, order->grant.account, "", &other, error);
	return found <= 0 ? found : strcmp(other.grant.account, order->grant.account) == 0;
}

/* Gives back what is no longer needed of the held book once the order is closed: all of it, or at most `own` while other
 * orders share it. */
static int release(struct ops *ops, const char *prefix, const struct ops_order *order, int64_t own,
		   struct ops_error *error)
{
	struct book held = ops_held_book(order->box, order->grant.account);
	struct book customer = ops_customer_book(order->grant.account);
	int64_t balance;
	int shared = book_is_shared(ops, order, error);
	int result = shared < 0 ? shared : store_get_book(ops->store, held.name, &balance, error);
	if (result < 0)
		return result;
	int64_t back = shared && own < balance ? own : balance;
	result = ops_post(ops, prefix, order->grant.order, &held, &customer, back, order->grant.order, error);
	if (result < 0 || shared)
		return result;
	return store_forget_credits(ops->store, order->box, order->grant.account, "", error);
}

/* What is undecided of a closed order's commands cannot act any more: a top-up among it is not held any longer. */
static int close_commands(struct ops *ops, const struct ops_order *order, struct ops_error *error)
{
	struct command_row command = {.seq = 0};
	int found;
	while ((found = store_next_pending(ops->store, order->box, command.seq, &command, error)) > 0) {
		if (strcmp(command.order, order->grant.order) != 0)
			continue;
		int result = store_close_command(ops->store, command.box, command.seq, "over", error);
		if (result == 0 && command.type == COMMAND_CREDIT)
			result = ops_give_back(ops, &command, error);
		if (result < 0)
			return result;
	}
	return found;
}

int64_t ops_price(const struct ops_order *order, const struct receipt *receipt)
{
	struct fee_bill bill;
	struct fee_energy energy = receipt->by_rate;
	if (end_reason_is_ours(receipt->reason))
		return 0;
	if (!fee_by_time(&order->grant.tariff))
		energy.mwh[0] = receipt->energy_mwh;
	return fee_price(&order->grant.tariff, &energy, &bill) ? bill.total_micros : FEE_MONEY_MAX_MICROS;
}

int ops_settle(struct ops *ops, struct ops_order *order, const struct receipt *receipt, struct ops_error *error)
{
	struct book held = ops_held_book(order->box, order->grant.account);
	const char *number = order->grant.order;
	int64_t ours = ops_price(order, receipt);
	int64_t balance;
	int result = store_get_book(ops->store, held.name, &balance, error);
	if (result < 0)
		return result;
	order->state = OPS_ORDER_DONE;
	order->receipt = *receipt;
	order->price_differs = ours != receipt->amount_micros;
	order->billed_micros = ours < receipt->amount_micros ? ours : receipt->amount_micros;
	order->captured_micros = order->billed_micros < balance ? order->billed_micros : balance;
	order->written_off_micros = order->billed_micros - order->captured_micros;
	result = ops_post(ops, "capture", number, &held, &revenue_book, order->captured_micros, number, error);
	if (result == 0)
		result = ops_post(ops,
				  "writeoff",
				  number,
				  &writeoff_book,
				  &revenue_book,
				  order->written_off_micros,
				  number,
				  error);
	if (result == 0)
		result = store_put_order(ops->store, order, error);
	if (result == 0)
		result = close_commands(ops, order, error);
	if (result == 0)
		result = release(ops, "release", order, 0, error);
	if (result == 0)
		result = ops_notify(ops, OPS_NOTICE_CLOSED, order, error);
	return result;
}

int ops_cancel(struct ops *ops, struct ops_order *order, struct ops_error *error)
{
	int64_t own = order->held_micros;
	order->state = OPS_ORDER_CANCELLED;
	order->held_micros = 0;
	int result = store_put_order(ops->store, order, error);
	if (result == 0) /* its top-ups are in `own` already */
		result = store_forget_credits(ops->store, order->box, order->grant.account, order->grant.order, error);
	if (result == 0)
		result = close_commands(ops, order, error);
	if (result == 0)
		result = release(ops, "cancel", order, own, error);
	if (result == 0)
		result = ops_notify(ops, OPS_NOTICE_CLOSED, order, error);
	return result;
}

int ops_give_back(struct ops *ops, const struct command_row *command, struct ops_error *error)
{
	struct book held = ops_held_book(command->box, command->account);
	struct book customer = ops_customer_book(command->account);
	struct ops_order order;
	int64_t balance;
	int result = store_get_book(ops->store, held.name, &balance, error);
	if (result < 0)
		return result;
	int64_t back = command->micros < balance ? command->micros : balance;
	result = ops_post(ops, "return", command->id, &held, &customer, back, command->order, error);
	int found = result < 0 ? result : store_get_order(ops->store, command->order, &order, error);
	if (found <= 0 || !ops_order_is_open(&order))
		return found < 0 ? found : 0;
	order.held_micros -= back;
	return store_put_order(ops->store, &order, error);
}
