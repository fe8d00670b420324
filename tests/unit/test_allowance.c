/* tests/unit/test_allowance.c: so many at once, then one in a while; of one and of many. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>

#include "allowance.h"

static const struct allowance three = {3, 1000};

START_TEST(test_at_once_then_one_in_a_while)
{
	int64_t until_ms = 0, now_ms = INT64_C(1800000000000);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(allowance_use(&three, &until_ms, now_ms), 0);
	ck_assert_int_eq(allowance_use(&three, &until_ms, now_ms), 1000);
	ck_assert_int_eq(allowance_use(&three, &until_ms, now_ms + 999), 1); /* being refused costs nothing */
	ck_assert_int_eq(allowance_use(&three, &until_ms, now_ms + 1000), 0);
	ck_assert_int_eq(allowance_use(&three, &until_ms, now_ms + 1000), 1000);
	for (int i = 0; i < 3; i++) /* all that was used has come back; no more than that */
		ck_assert_int_eq(allowance_use(&three, &until_ms, now_ms + 100000), 0);
	ck_assert_int_eq(allowance_use(&three, &until_ms, now_ms + 100000), 1000);
}
END_TEST

/* A wall clock that was wrong for a while keeps nobody out for longer than usual. */
START_TEST(test_a_clock_that_is_set_back)
{
	const int64_t year_ms = INT64_C(366) * 24 * 3600 * 1000;
	int64_t until_ms = 0, now_ms = INT64_C(1800000000000);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(allowance_use(&three, &until_ms, now_ms + year_ms), 0);
	ck_assert_int_eq(allowance_use(&three, &until_ms, now_ms), 1000);
	until_ms = now_ms + year_ms;
	ck_assert_int_eq(allowance_use(&three, &until_ms, now_ms), 1000);
	ck_assert_int_eq(allowance_use(&three, &until_ms, now_ms + year_ms), 0);
}
END_TEST

START_TEST(test_each_has_its_own)
{
	struct allowances *all = calloc(1, sizeof *all);
	ck_assert_ptr_nonnull(all);
	all->each = three;
	for (uint64_t key = 0; key < 100; key++) {
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(allowances_use(all, key, 5000), 0);
		ck_assert_int_eq(allowances_use(all, key, 5000), 1000);
	}
	ck_assert_int_eq(allowances_wait(all, 99, 5000), 1000);
	ck_assert_int_eq(allowances_wait(all, 99, 6000), 0);
	ck_assert_int_eq(allowances_wait(all, 99, 6000), 0); /* nothing was used */
	ck_assert_int_eq(allowances_wait(all, 100, 5000), 0);
	for (uint64_t key = 0; key < 100; key++) /* others were refused meanwhile, and nobody forgotten */
		ck_assert_int_eq(allowances_use(all, key, 5000), 1000);
	free(all);
}
END_TEST

/* Far more than there is room for: whoever is least in debt is forgotten, so that the worst stays known. */
START_TEST(test_a_full_table)
{
	struct allowances *all = calloc(1, sizeof *all);
	ck_assert_ptr_nonnull(all);
	all->each = three;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(allowances_use(all, 7, 5000), 0);
	for (uint64_t key = 1000; key < 1000 + 100 * ALLOWANCE_ROWS * ALLOWANCE_ROW; key++)
		ck_assert_int_eq(allowances_use(all, key, 5000), 0);
	ck_assert_int_eq(allowances_use(all, 7, 5000), 1000);
	free(all);
}
END_TEST

/* Keys of one row, for whoever knows how rows are found without a secret. */
START_TEST(test_a_row_that_is_filled_on_purpose)
{
	uint64_t keys[ALLOWANCE_ROW + 1];
	size_t count = 0;
	int allowed = 0;
	struct allowances *all = calloc(1, sizeof *all);
	ck_assert_ptr_nonnull(all);
	all->each = three;
	for (uint64_t key = 1; count < sizeof keys / sizeof *keys; key++) {
		if ((key * UINT64_C(0x9e3779b97f4a7c15) >> 32) % ALLOWANCE_ROWS == 5)
			keys[count++] = key;
	}
	for (size_t i = 2; i < count;
	     i++) { /* all but the one that is attacked, and the one that makes it be forgotten */
		for (int n = 0; n < 3; n++)
			ck_assert_int_eq(allowances_use(all, keys[i], 5000), 0);
	}
	for (int i = 0; i < 100; i++) {
		for (int n = 0; n < 2; n++)
			allowed += allowances_use(all, keys[0], 5000) == 0;
		allowances_use(all, keys[1], 5000);
	}
	ck_assert_int_eq(allowed, 3);
	free(all);
}
END_TEST

/* Where a key's row is depends on the secret, all of it. */
START_TEST(test_the_secret)
{
	struct allowances *all = calloc(2, sizeof *all);
	ck_assert_ptr_nonnull(all);
	int moved = 0;
	for (int bit = 0; bit < 64; bit++) {
		for (int table = 0; table < 2; table++) {
			all[table] = (struct allowances){.each = three};
			all[table].secret = table == 0 ? 0 : UINT64_C(1) << bit;
			allowances_use(&all[table], 77, 5000);
		}
		for (int row = 0; row < ALLOWANCE_ROWS; row++)
			moved += all[0].rows[row][0].key == 77 && all[1].rows[row][0].key != 77;
	}
	ck_assert_int_ge(moved, 62);
	free(all);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("allowance");
	TCase *all = tcase_create("all");
	tcase_add_test(all, test_at_once_then_one_in_a_while);
	tcase_add_test(all, test_each_has_its_own);
	tcase_add_test(all, test_a_full_table);
	tcase_add_test(all, test_a_clock_that_is_set_back);
	tcase_add_test(all, test_a_row_that_is_filled_on_purpose);
	tcase_add_test(all, test_the_secret);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
