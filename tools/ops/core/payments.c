/* tools/ops/core/payments.c: see payments.h.
 *
 * Room: tools/ops/core. */
#include "payments.h"

#include <errno.h>
#include <string.h>

#include "ops_internal.h"
#include "store_payments.h"

#define UNPAID_WAIT_MS INT64_C(60000) /* until one that was refused may try again */

static bool currency_is_valid(const char *currency)
{
	return strspn(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == FEE_CURRENCY_SIZE - 1 &&
	       currency[FEE_CURRENCY_SIZE - 1] == '\0';
}

static int add_payment(struct ops *ops, struct payment *payment, struct ops_error *error)
{
	unsigned char random[(PAYMENT_ID_SIZE - 1) / 2];
	int result = store_begin(ops->store, error);
	ops->random(ops->ctx, random, sizeof random);
	ops_write_hex(random, sizeof random, payment->id);
	if (result == 0)
		result = store_add_payment(ops->store, payment, error);
	return ops_finish(ops, result, error);
}

int ops_make_payment(struct ops *ops, const char *account, int64_t micros, const char *currency, const char *key,
		     int64_t now_ms, struct payment *payment, int64_t *wait_ms, struct ops_error *error)
{
	struct payment made = {.micros = micros, .made_ms = now_ms};
	struct account_row row;
	int64_t unpaid;
	int result = ops_check_time(now_ms, error);
	if (result < 0 || (result = ops_check_name(key, PAYMENT_KEY_SIZE, "key", error)) < 0 ||
	    (result = ops_need_account(ops, account, &row, error)) < 0)
		return result;
	if (micros < PAYMENT_LEAST_MICROS || micros > PAYMENT_MOST_MICROS)
		return ops_fail(error, -EINVAL, "micros must be 10000 to 1000000000");
	if (!currency_is_valid(currency))
		return ops_fail(error, -EINVAL, "currency must be three capital letters");
	int found = store_find_payment(ops->store, account, key, payment, error);
	if (found < 0 || (found > 0 && payment->micros == micros))
		return found < 0 ? found : 0;
	if (found > 0)
		return ops_fail(error, -EEXIST, "the key was used for another amount");
	result = store_count_payments(ops->store, account, now_ms - PAYMENTS_UNPAID_MS, &unpaid, error);
	if (result < 0)
		return result;
	*wait_ms = unpaid < PAYMENTS_UNPAID_MAX ? 0 : UNPAID_WAIT_MS;
	if (*wait_ms > 0)
		return ops_fail(error, 1, "%d payments of the last hour are not paid", (int)unpaid);
	word_copy(made.account, sizeof made.account, account);
	word_copy(made.key, sizeof made.key, key);
	word_copy(made.currency, sizeof made.currency, currency);
	result = add_payment(ops, &made, error);
	if (result == 0)
		*payment = made;
	return result;
}

int ops_get_payment(struct ops *ops, const char *id, struct payment *payment, struct ops_error *error)
{
	int result = ops_check_name(id, PAYMENT_ID_SIZE, "payment", error);
	int found = result < 0 ? result : store_get_payment(ops->store, id, payment, error);
	if (found == 0)
		return ops_fail(error, -ENOENT, "no payment %s", id);
	return found < 0 ? found : 0;
}

int ops_own_payment(struct ops *ops, const char *account, const char *id, struct payment *payment,
		    struct ops_error *error)
{
	int result = ops_get_payment(ops, id, payment, error);
	if (result == 0 && strcmp(payment->account, account) != 0)
		return ops_fail(error, -ENOENT, "no payment %s", id);
	return result;
}

static int end_payment(struct ops *ops, const struct payment *payment, struct ops_error *error)
{
	struct book customer = ops_customer_book(payment->account);
	int result = store_begin(ops->store, error);
	if (result == 0)
		result = store_end_payment(ops->store, payment, error);
	if (result == 0 && payment->state == PAYMENT_PAID)
		result = ops_post(ops, "pay", payment->id, &ops_cash_book, &customer, payment->micros, "", error);
	return ops_finish(ops, result, error);
}

int ops_end_payment(struct ops *ops, const char *id, const char *reference, int64_t micros, enum payment_state state,
		    int64_t now_ms, struct payment *payment, struct ops_error *error)
{
	int64_t balance;
	int result = ops_check_time(now_ms, error);
	if (result < 0 || (result = ops_check_name(reference, PAYMENT_REFERENCE_SIZE, "reference", error)) < 0 ||
	    (result = ops_get_payment(ops, id, payment, error)) < 0)
		return result;
	if (state != PAYMENT_PAID && state != PAYMENT_FAILED)
		return ops_fail(error, -EINVAL, "state must be paid or failed");
	if (payment->micros != micros)
		return ops_fail(error, -EEXIST, "payment %s is of another amount", id);
	if (payment->state != PAYMENT_PENDING) {
		if (payment->state == state && strcmp(payment->reference, reference) == 0)
			return 0;
		return ops_fail(error, -EEXIST, "payment %s has had another outcome, or reference, before", id);
	}
	if ((result = ops_balance(ops, payment->account, &balance, error)) < 0)
		return result;
	if (state == PAYMENT_PAID && balance > FEE_MONEY_MAX_MICROS - micros)
		return ops_fail(error, -EAGAIN, "the balance would pass 10^15 micros");
	payment->state = state;
	payment->ended_ms = now_ms;
	word_copy(payment->reference, sizeof payment->reference, reference);
	return end_payment(ops, payment, error);
}
