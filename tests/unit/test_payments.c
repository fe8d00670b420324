/* Tests tools/ops/core/payments.h: a payment is made once, ends once, and is on the account exactly when it is paid. */
#include <check.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cutvfs.h"
#include "ops_sides.h"
#include "payments.h"

#define NOW INT64_C(1800000000000)
#define EURO INT64_C(1000000)
#define OK(call) ck_assert_msg((call) == 0, "%s", error.text)
#define FAILS(call, code) ck_assert_int_eq((call), (code))

static struct ops *ops;
static struct ops_error error;
static uint64_t chance;
static char path[] = "/tmp/test-payments-XXXXXX";

static void open_at(const char *where)
{
	struct ops_options options = {.path = where, .random = give_random, .ctx = &chance, .command_ms = 60000};

	OK(ops_open(&options, &ops, &error));
}

static void setup(void)
{
	chance = 1;
	open_at(":memory:");
	OK(ops_add_account(ops, "ann", OPS_SHARED, 0, &error));
	OK(ops_add_account(ops, "bob", OPS_SHARED, 0, &error));
}

static void teardown(void)
{
	OK(ops_check(ops, &error));
	ops_close(ops);
}

static int make(const char *account, int64_t micros, const char *key, struct payment *payment)
{
	int64_t wait_ms;

	return ops_make_payment(ops, account, micros, "EUR", key, NOW, payment, &wait_ms, &error);
}

static int end(const struct payment *payment, const char *reference, int64_t micros, enum payment_state state)
{
	struct payment ended;

	return ops_end_payment(ops, payment->id, reference, micros, state, NOW + 1, &ended, &error);
}

static int64_t balance(const char *account)
{
	int64_t micros;

	OK(ops_balance(ops, account, &micros, &error));
	return micros;
}

static enum payment_state state_of(const char *id)
{
	struct payment payment;

	OK(ops_get_payment(ops, id, &payment, &error));
	return payment.state;
}

/* --- making one --- */

START_TEST(is_made_once)
{
	struct payment first, again, other;

	OK(make("ann", 5 * EURO, "k", &first));
	ck_assert_uint_eq(strspn(first.id, "0123456789abcdef"), PAYMENT_ID_SIZE - 1);
	ck_assert_int_eq(first.state, PAYMENT_PENDING);
	ck_assert_str_eq(first.currency, "EUR");
	ck_assert_int_eq(balance("ann"), 0);
	OK(make("ann", 5 * EURO, "k", &again));
	ck_assert_str_eq(again.id, first.id);
	ck_assert_int_eq(again.made_ms, NOW);
	FAILS(make("ann", 6 * EURO, "k", &other), -EEXIST);
	OK(make("bob", 6 * EURO, "k", &other)); /* a key is its account's */
	ck_assert_str_ne(other.id, first.id);
}
END_TEST

START_TEST(limits)
{
	struct payment payment;
	int64_t wait_ms;
	char key[PAYMENT_KEY_SIZE + 1];

	FAILS(make("ann", PAYMENT_LEAST_MICROS - 1, "a", &payment), -EINVAL);
	FAILS(make("ann", PAYMENT_MOST_MICROS + 1, "a", &payment), -EINVAL);
	FAILS(make("ann", INT64_MIN, "a", &payment), -EINVAL);
	OK(make("ann", PAYMENT_LEAST_MICROS, "a", &payment));
	OK(make("ann", PAYMENT_MOST_MICROS, "b", &payment));
	FAILS(make("ann", EURO, "", &payment), -EINVAL);
	FAILS(make("ann", EURO, "a\"b", &payment), -EINVAL);
	memset(key, 'x', sizeof key);
	key[PAYMENT_KEY_SIZE] = '\0';
	FAILS(make("ann", EURO, key, &payment), -EINVAL);
	key[PAYMENT_KEY_SIZE - 1] = '\0';
	OK(make("ann", EURO, key, &payment));
	FAILS(make("nobody", EURO, "k", &payment), -ENOENT);
	FAILS(ops_make_payment(ops, "ann", EURO, "eur", "k", NOW, &payment, &wait_ms, &error), -EINVAL);
	FAILS(ops_make_payment(ops, "ann", EURO, "EURO", "k", NOW, &payment, &wait_ms, &error), -EINVAL);
	FAILS(ops_make_payment(ops, "ann", EURO, "EUR", "k", -1, &payment, &wait_ms, &error), -EINVAL);
}
END_TEST

START_TEST(too_many_unpaid)
{
	struct payment payments[PAYMENTS_UNPAID_MAX], payment;
	int64_t wait_ms = 0;
	char key[8];

	for (int i = 0; i < PAYMENTS_UNPAID_MAX; i++) {
		snprintf(key, sizeof key, "%d", i);
		OK(make("ann", EURO, key, &payments[i]));
	}
	FAILS(ops_make_payment(ops, "ann", EURO, "EUR", "k", NOW, &payment, &wait_ms, &error), 1);
	ck_assert_int_gt(wait_ms, 0);
	OK(make("ann", EURO, "3", &payment)); /* it is there already */
	OK(make("bob", EURO, "k", &payment));
	OK(end(&payments[0], "r", EURO, PAYMENT_FAILED)); /* makes no room: else failing were the way round */
	FAILS(make("ann", EURO, "k", &payment), 1);
	OK(end(&payments[1], "r", EURO, PAYMENT_PAID));
	OK(make("ann", EURO, "k", &payment));
	FAILS(make("ann", EURO, "l", &payment), 1);
	OK(ops_make_payment(ops, "ann", EURO, "EUR", "l", NOW + PAYMENTS_UNPAID_MS, &payment, &wait_ms, &error));
}
END_TEST

START_TEST(somebody_elses)
{
	struct payment payment, seen;
	struct ops_error none;

	OK(make("ann", EURO, "k", &payment));
	OK(ops_own_payment(ops, "ann", payment.id, &seen, &error));
	ck_assert_str_eq(seen.id, payment.id);
	FAILS(ops_own_payment(ops, "bob", payment.id, &seen, &error), -ENOENT);
	payment.id[0] = payment.id[0] == '0' ? '1' : '0';
	FAILS(ops_own_payment(ops, "bob", payment.id, &seen, &none), -ENOENT);
	error.text[strlen("no payment ")] = none.text[strlen("no payment ")];
	ck_assert_str_eq(error.text, none.text); /* nothing tells one from the other */
	FAILS(ops_own_payment(ops, "ann", "", &seen, &error), -EINVAL);
}
END_TEST

/* --- its end --- */

START_TEST(is_paid_once)
{
	struct payment payment;

	OK(make("ann", 5 * EURO, "k", &payment));
	for (int i = 0; i < 3; i++) {
		OK(end(&payment, "ref-1", 5 * EURO, PAYMENT_PAID));
		ck_assert_int_eq(balance("ann"), 5 * EURO);
	}
	ck_assert_int_eq(state_of(payment.id), PAYMENT_PAID);
	FAILS(end(&payment, "ref-2", 5 * EURO, PAYMENT_PAID), -EEXIST);
	FAILS(end(&payment, "ref-1", 5 * EURO, PAYMENT_FAILED), -EEXIST);
	FAILS(end(&payment, "ref-1", 4 * EURO, PAYMENT_PAID), -EEXIST);
	ck_assert_int_eq(balance("ann"), 5 * EURO);
	OK(ops_get_payment(ops, payment.id, &payment, &error));
	ck_assert_str_eq(payment.reference, "ref-1");
	ck_assert_int_eq(payment.ended_ms, NOW + 1);
}
END_TEST

START_TEST(failed_stays_failed)
{
	struct payment payment;

	OK(make("ann", EURO, "k", &payment));
	OK(end(&payment, "r", EURO, PAYMENT_FAILED));
	OK(end(&payment, "r", EURO, PAYMENT_FAILED));
	FAILS(end(&payment, "r", EURO, PAYMENT_PAID), -EEXIST);
	ck_assert_int_eq(state_of(payment.id), PAYMENT_FAILED);
	ck_assert_int_eq(balance("ann"), 0);
}
END_TEST

START_TEST(wrong_ends)
{
	struct payment payment, ended;

	OK(make("ann", EURO, "k", &payment));
	FAILS(end(&payment, "r", EURO + 1, PAYMENT_PAID), -EEXIST);
	FAILS(end(&payment, "r", EURO, PAYMENT_PENDING), -EINVAL);
	FAILS(end(&payment, "r", EURO, (enum payment_state)77), -EINVAL);
	FAILS(end(&payment, "", EURO, PAYMENT_PAID), -EINVAL);
	FAILS(ops_end_payment(ops, "unknown", "r", EURO, PAYMENT_PAID, NOW, &ended, &error), -ENOENT);
	FAILS(ops_end_payment(ops, payment.id, "r", EURO, PAYMENT_PAID, -1, &ended, &error), -EINVAL);
	ck_assert_int_eq(state_of(payment.id), PAYMENT_PENDING);
	ck_assert_int_eq(balance("ann"), 0);
}
END_TEST

START_TEST(full_account)
{
	struct payment payment;

	OK(ops_recharge(ops, "ann", FEE_MONEY_MAX_MICROS, "all", &error));
	OK(make("ann", EURO, "k", &payment));
	FAILS(end(&payment, "r", EURO, PAYMENT_PAID), -EAGAIN);
	ck_assert_int_eq(state_of(payment.id), PAYMENT_PENDING);
	OK(ops_refund(ops, "ann", EURO, "back", &error));
	OK(end(&payment, "r", EURO, PAYMENT_PAID));
}
END_TEST

/* --- the file --- */

static void sql(const char *text)
{
	sqlite3 *db;
	char *why = NULL;

	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_msg(sqlite3_exec(db, text, NULL, NULL, &why) == SQLITE_OK, "%s", why);
	sqlite3_close(db);
}

static void setup_file(void)
{
	struct payment payment;
	int fd;

	memcpy(path + sizeof path - 7, "XXXXXX", 6);
	ck_assert_int_ge(fd = mkstemp(path), 0);
	close(fd);
	chance = 1;
	open_at(path);
	OK(ops_add_account(ops, "ann", OPS_SHARED, 0, &error));
	OK(make("ann", EURO, "k", &payment));
	OK(end(&payment, "r", EURO, PAYMENT_PAID));
	OK(make("ann", EURO, "l", &payment));
}

static void teardown_file(void)
{
	char name[sizeof path + 4];

	ops_close(ops);
	unlink(path);
	snprintf(name, sizeof name, "%s-wal", path);
	unlink(name);
	snprintf(name, sizeof name, "%s-shm", path);
	unlink(name);
}

static const char *const plants[] = {
	"UPDATE payment SET micros = micros + 1 WHERE state = 'paid'",
	"UPDATE payment SET state = 'paid' WHERE state = 'pending'",
	"UPDATE payment SET state = 'failed' WHERE state = 'paid'",
	"UPDATE payment SET account = 'bob' WHERE state = 'paid'",
	"DELETE FROM payment",
};

START_TEST(check_finds_what_was_planted)
{
	OK(ops_check(ops, &error));
	sql(plants[_i]);
	ck_assert_msg(ops_check(ops, &error) == -EBADMSG, "%s", plants[_i]);
	ck_assert_ptr_nonnull(strstr(error.text, "payment"));
}
END_TEST

START_TEST(outlives_a_restart)
{
	struct payment payment;

	ops_close(ops);
	open_at(path);
	OK(make("ann", EURO, "k", &payment));
	ck_assert_int_eq(payment.state, PAYMENT_PAID);
	ck_assert_str_eq(payment.reference, "r");
	OK(end(&payment, "r", EURO, PAYMENT_PAID));
	ck_assert_int_eq(balance("ann"), EURO);
}
END_TEST

/* --- power cuts --- */

#define CUTS_MAX 200 /* operations of one payment's end; there are far fewer */

static void open_disk(const char *name)
{
	struct ops_options options = {
		.path = "ops.db", .vfs = name, .random = give_random, .ctx = &chance, .command_ms = 60000};

	OK(ops_open(&options, &ops, &error));
}

/* The power is cut at one of the operations by which a payment ends. False when it ended before. */
static bool cut_at(uint64_t operation, enum cut_damage damage)
{
	struct payment payment;
	struct cutvfs *disk = cutvfs_new("payments", operation);

	ck_assert_ptr_nonnull(disk);
	open_disk("payments");
	OK(ops_add_account(ops, "ann", OPS_SHARED, 0, &error));
	OK(make("ann", EURO, "k", &payment));
	cutvfs_cut_at(disk, cutvfs_operations(disk) + operation, damage);
	bool told = end(&payment, "r", EURO, PAYMENT_PAID) == 0;
	bool cut = cutvfs_is_cut(disk);
	ops_close(ops);
	if (!cutvfs_is_cut(disk)) /* closing has cut it, or nothing */
		cutvfs_cut(disk, damage);
	cutvfs_restore(disk);
	open_disk("payments");
	OK(ops_check(ops, &error));
	bool paid = state_of(payment.id) == PAYMENT_PAID;
	ck_assert_int_eq(balance("ann"), paid ? EURO : 0);
	ck_assert_msg(paid || !told, "operation %d: it was said that it is paid", (int)operation);
	OK(end(&payment, "r", EURO, PAYMENT_PAID)); /* the provider calls again */
	ck_assert_int_eq(balance("ann"), EURO);
	OK(ops_check(ops, &error));
	ops_close(ops);
	cutvfs_free(disk);
	return cut;
}

START_TEST(paid_or_not_after_a_power_cut)
{
	uint64_t operation = 1;

	while (cut_at(operation, (enum cut_damage)_i))
		ck_assert_uint_lt(operation++, CUTS_MAX);
	ck_assert_uint_gt(operation, 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("payments");
	TCase *calls = tcase_create("calls");
	TCase *files = tcase_create("files");
	TCase *cuts = tcase_create("cuts");

	tcase_add_checked_fixture(calls, setup, teardown);
	tcase_add_test(calls, is_made_once);
	tcase_add_test(calls, limits);
	tcase_add_test(calls, too_many_unpaid);
	tcase_add_test(calls, somebody_elses);
	tcase_add_test(calls, is_paid_once);
	tcase_add_test(calls, failed_stays_failed);
	tcase_add_test(calls, wrong_ends);
	tcase_add_test(calls, full_account);
	tcase_add_checked_fixture(files, setup_file, teardown_file);
	tcase_add_loop_test(files, check_finds_what_was_planted, 0, sizeof plants / sizeof *plants);
	tcase_add_test(files, outlives_a_restart);
	tcase_add_loop_test(cuts, paid_or_not_after_a_power_cut, 0, CUT_DAMAGE_COUNT);
	tcase_set_timeout(cuts, 60);
	suite_add_tcase(suite, calls);
	suite_add_tcase(suite, cuts);
	suite_add_tcase(suite, files);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
