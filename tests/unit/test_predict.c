/* Tests feecontrol's predictor: the estimate between two steps of the register, the moment at which it reaches a
 * target (against brute force), and the overdraft bound with known numbers. */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>

#include "predict.h"

#define I64 "%" PRId64
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UJ_PER_MWH INT64_C(3600000)
#define STEP_MAX_MWH (INT64_MAX / UJ_PER_MWH) /* what the predictor can hold: 2.5 million kWh */
#define KILOWATT INT64_C(1000000) /* in mW */

/* ck_assert() writes to a pipe each time; this one speaks only when something is wrong. */
#define REQUIRE(condition, ...)                                                                                        \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			ck_abort_msg(__VA_ARGS__);                                                                     \
	} while (0)

/* ---- a generator that says the same thing every time ---- */

static uint64_t random_state;

static uint64_t random_u64(void)
{
	uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static int64_t random_below(int64_t limit)
{
	return (int64_t)(random_u64() % (uint64_t)limit);
}

/* 0 to max, any size equally likely. max is below INT64_MAX. */
static int64_t random_sized(int64_t max)
{
	if (!random_below(8))
		return max;
	return (int64_t)(random_u64() >> (1 + random_below(63))) % (max + 1);
}

/* ---- the estimate ---- */

START_TEST(estimate_by_hand)
{
	struct fee_predictor p;

	/* 3.6 kW are 1 mWh per ms */
	fee_predictor_start(&p, 10000, 500000, 3600000, 1000);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 1000), 500000);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 1001), 500001);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 1500), 500500);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 10999), 509999);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 11000), 510000);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 11001), 510000);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 3600000000), 510000);
}
END_TEST

START_TEST(estimate_integrates)
{
	struct fee_predictor p;

	fee_predictor_start(&p, 10000, 500000, 3600000, 0);
	fee_predictor_reading(&p, 500000, 7200000, 1000); /* 1000 mWh so far */
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 1000), 501000);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 1500), 502000);
	fee_predictor_reading(&p, 500000, 0, 2000); /* 3000 mWh so far */
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 9000), 503000);
	fee_predictor_reading(&p, 500000, 3600000, 9000);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 10000), 504000);
	fee_predictor_reading(&p, 510000, 3600000, 15000); /* a step: begins anew */
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 15000), 510000);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 15250), 510250);
	fee_predictor_reading(&p, 530000, 3600000, 16000); /* two steps */
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 16000), 530000);
}
END_TEST

/* Parts of a milliwatt-hour must not get lost between readings: 1 W is 1/3600 mWh per ms. */
START_TEST(estimate_keeps_fractions)
{
	struct fee_predictor p;

	fee_predictor_start(&p, 10000, 0, 1000, 0);
	for (int64_t t = 1; t <= 36000; t++)
		fee_predictor_reading(&p, 0, 1000, t);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 36000), 10);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 39599), 10);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 39600), 11);
}
END_TEST

START_TEST(older_readings_ignored)
{
	struct fee_predictor p, before;

	fee_predictor_start(&p, 10000, 500000, 3600000, 1000);
	fee_predictor_reading(&p, 500000, 3600000, 2000);
	before = p;
	fee_predictor_reading(&p, 500000, 7200000, 1999);
	fee_predictor_reading(&p, 510000, 3600000, 1500);
	fee_predictor_reading(&p, 490000, 0, 0);
	ck_assert_int_eq(p.register_mwh, before.register_mwh);
	ck_assert_int_eq(p.power_mw, before.power_mw);
	ck_assert_int_eq(p.at_ms, before.at_ms);
	ck_assert_int_eq(p.since_step_uj, before.since_step_uj);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 3000), 502000);
}
END_TEST

START_TEST(power_clamped)
{
	struct fee_predictor p;

	fee_predictor_start(&p, 10000, 0, -3600000, 0);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 1000000), 0);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 1), FEE_NEVER_MS);
	fee_predictor_start(&p, 1000000, 0, INT64_MAX, 0);
	/* 1 GW in mW: 10^9 mW for 36 ms are 10^4 mWh */
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 36), 10000);
	fee_predictor_reading(&p, 0, INT64_MIN, 36);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 1000000), 10000);
	fee_predictor_reading(&p, 0, INT64_MAX, 72);
	ck_assert_int_eq(fee_predictor_estimate_mwh(&p, 108), 20000);
}
END_TEST

/* The far corners: nothing overflows, and the estimate stops one step above the register. */
START_TEST(estimate_saturates)
{
	static const int64_t steps[] = {1, 10000, STEP_MAX_MWH};
	struct fee_predictor p;

	for (size_t i = 0; i < COUNT(steps); i++) {
		fee_predictor_start(&p, steps[i], FEE_ENERGY_MAX_MWH, FEE_POWER_MAX_MW, 0);
		ck_assert_int_eq(fee_predictor_estimate_mwh(&p, INT64_MAX), FEE_ENERGY_MAX_MWH + steps[i]);
		for (int k = 1; k <= 4; k++) {
			fee_predictor_reading(&p, FEE_ENERGY_MAX_MWH, FEE_POWER_MAX_MW, INT64_MAX / 4 * k);
			ck_assert_int_eq(fee_predictor_estimate_mwh(&p, INT64_MAX), FEE_ENERGY_MAX_MWH + steps[i]);
			ck_assert_int_eq(fee_predictor_estimate_mwh(&p, p.at_ms), FEE_ENERGY_MAX_MWH + steps[i]);
		}
		ck_assert_int_ge(fee_predictor_reach_ms(&p, FEE_ENERGY_MAX_MWH + steps[i]), p.at_ms);
		ck_assert_int_eq(fee_predictor_reach_ms(&p, INT64_MAX), FEE_NEVER_MS);
	}
}
END_TEST

static void require_near(const struct fee_predictor *p, int64_t now_ms)
{
	int64_t estimate = fee_predictor_estimate_mwh(p, now_ms);

	REQUIRE(estimate >= p->register_mwh && estimate <= p->register_mwh + p->step_mwh,
		"estimate " I64 ", register " I64 ", step " I64,
		estimate,
		p->register_mwh,
		p->step_mwh);
}

/* Any readings in any order: never below the register, never more than one step above it, never falling. */
START_TEST(estimate_random)
{
	struct fee_predictor p;

	random_state = 1;
	for (int i = 0; i < 20000; i++) {
		int64_t reg = random_sized(FEE_ENERGY_MAX_MWH), now = random_sized(INT64_C(1) << 45);

		fee_predictor_start(&p, 1 + random_sized(1000000), reg, random_sized(FEE_POWER_MAX_MW), now);
		for (int k = 0; k < 10; k++) {
			int64_t low = p.at_ms + random_sized(1 << 20), high = low + random_sized(1 << 20);

			require_near(&p, random_sized(INT64_C(1) << 46));
			require_near(&p, low);
			REQUIRE(fee_predictor_estimate_mwh(&p, low) <= fee_predictor_estimate_mwh(&p, high), "falls");
			if (!random_below(3))
				reg += random_below(3) * p.step_mwh;
			now += random_sized(1 << 16) - (1 << 8);
			fee_predictor_reading(&p, reg, random_sized(FEE_POWER_MAX_MW) - 1000, now);
		}
	}
}
END_TEST

/* A true load at constant power, a register that counts in steps, a reading every 500 ms: the estimate is never above
 * the truth, and never further below it than one reading interval's energy. */
START_TEST(estimate_follows_truth)
{
	static const int64_t powers[] = {1000, 100 * 1000, KILOWATT, 7 * KILOWATT, 22 * KILOWATT, 250 * KILOWATT};

	for (size_t i = 0; i < COUNT(powers); i++) {
		const int64_t step = 10000, interval = 500;
		struct fee_predictor p;

		fee_predictor_start(&p, step, 0, powers[i], 0);
		for (int64_t t = 1; t < 200000; t++) {
			int64_t truth = powers[i] * t / UJ_PER_MWH;
			int64_t estimate = fee_predictor_estimate_mwh(&p, t);

			REQUIRE(estimate <= truth, "above the truth at " I64, t);
			/* past the step the register would have said so at the next reading */
			REQUIRE(truth - estimate <= powers[i] * interval / UJ_PER_MWH + 1, "behind at " I64, t);
			if (t % interval == 0)
				fee_predictor_reading(&p, truth / step * step, powers[i], t);
		}
	}
}
END_TEST

/* ---- the moment ---- */

START_TEST(reach_by_hand)
{
	struct fee_predictor p;

	fee_predictor_start(&p, 10000, 500000, 3600000, 1000);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 0), 1000);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 499999), 1000);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 500000), 1000);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 500001), 1001);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 505000), 6000);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 510000), 11000);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 510001), FEE_NEVER_MS);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, INT64_MAX), FEE_NEVER_MS);
	fee_predictor_reading(&p, 500000, 7200000, 3000); /* 2000 mWh so far */
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 501000), 3000);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 502000), 3000);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 502001), 3001); /* half a ms, rounded up */
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 510000), 7000);
	fee_predictor_reading(&p, 500000, 0, 4000); /* 4000 mWh so far, and no more */
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 504001), FEE_NEVER_MS);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 510000), FEE_NEVER_MS);
}
END_TEST

/* Credit that is already used up must be seen even when nothing flows any more. */
START_TEST(reach_already_there_without_power)
{
	struct fee_predictor p;

	fee_predictor_start(&p, 10000, 500000, 0, 1000);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 500001), FEE_NEVER_MS);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 500000), 1000);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 400000), 1000);
}
END_TEST

START_TEST(reach_far_corners)
{
	struct fee_predictor p;

	/* a target far behind the register */
	fee_predictor_start(&p, 10000, FEE_ENERGY_MAX_MWH, KILOWATT, 1000);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, 0), 1000);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, -FEE_ENERGY_MAX_MWH), 1000);
	/* 2562047788015 * 3600000 = 2^63 - 1 - 775807: the slowest way through the largest step */
	fee_predictor_start(&p, STEP_MAX_MWH, 0, 1, 0);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, STEP_MAX_MWH), INT64_MAX - 775807);
	fee_predictor_start(&p, STEP_MAX_MWH, 0, 1, 775807);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, STEP_MAX_MWH), FEE_NEVER_MS);
	fee_predictor_start(&p, STEP_MAX_MWH, 0, 1, 1000000);
	ck_assert_int_eq(fee_predictor_reach_ms(&p, STEP_MAX_MWH), FEE_NEVER_MS);
	fee_predictor_start(&p, STEP_MAX_MWH, 0, FEE_POWER_MAX_MW, 0); /* 9223372036854000000 / 10^9 */
	ck_assert_int_eq(fee_predictor_reach_ms(&p, STEP_MAX_MWH), INT64_C(9223372037));
}
END_TEST

/* A predictor with some history, whose step takes at most about two seconds. */
static struct fee_predictor random_predictor(void)
{
	struct fee_predictor p;
	int64_t step = 1 + random_below(10000);
	int64_t power = step * 1800 + random_below(FEE_POWER_MAX_MW / 10);

	fee_predictor_start(&p, step, random_sized(FEE_ENERGY_MAX_MWH), power, random_sized(INT64_C(1) << 40));
	for (int64_t k = random_below(3); k > 0; k--)
		fee_predictor_reading(&p, p.register_mwh, power + random_below(1000), p.at_ms + random_below(300));
	return p;
}

static int64_t reach_by_brute_force(const struct fee_predictor *p, int64_t target_mwh)
{
	for (int64_t t = p->at_ms; t <= p->at_ms + 2100; t++)
		if (fee_predictor_estimate_mwh(p, t) >= target_mwh)
			return t;
	return FEE_NEVER_MS;
}

START_TEST(reach_brute_force)
{
	random_state = 2;
	for (int i = 0; i < 10000; i++) {
		struct fee_predictor p = random_predictor();
		int64_t target = p.register_mwh + random_below(p.step_mwh + 4) - 1;
		int64_t brute = reach_by_brute_force(&p, target), reach = fee_predictor_reach_ms(&p, target);

		REQUIRE(reach == brute,
			"step " I64 ", power " I64 ", target +" I64 ": " I64 ", not " I64,
			p.step_mwh,
			p.power_mw,
			target - p.register_mwh,
			reach,
			brute);
	}
}
END_TEST

/* Large and slow as well: reached at the moment said, not yet a millisecond before. */
START_TEST(reach_random)
{
	random_state = 3;
	for (int i = 0; i < 200000; i++) {
		struct fee_predictor p;
		int64_t target, reach;

		fee_predictor_start(&p,
				    1 + random_sized(STEP_MAX_MWH - 1),
				    random_sized(FEE_ENERGY_MAX_MWH),
				    random_sized(FEE_POWER_MAX_MW),
				    random_sized(INT64_C(1) << 45));
		fee_predictor_reading(
			&p, p.register_mwh, random_sized(FEE_POWER_MAX_MW), p.at_ms + random_sized(1000000));
		target = p.register_mwh + random_sized(p.step_mwh + p.step_mwh / 8 + 1);
		reach = fee_predictor_reach_ms(&p, target);
		REQUIRE(reach >= p.at_ms, "before the reading");
		if (reach == FEE_NEVER_MS)
			REQUIRE(fee_predictor_estimate_mwh(&p, INT64_MAX - 1) < target, "reached, yet never");
		else
			REQUIRE(fee_predictor_estimate_mwh(&p, reach) >= target, "not reached at " I64, reach);
		if (reach > p.at_ms && reach < FEE_NEVER_MS)
			REQUIRE(fee_predictor_estimate_mwh(&p, reach - 1) < target, "reached before " I64, reach);
	}
}
END_TEST

/* ---- energy, duration, bound ---- */

static const struct {
	int64_t power_mw, duration_ms, energy_mwh;
} energies[] = {
	{0, 0, 0},
	{0, INT64_MAX, 0},
	{INT64_MAX, 0, 0},
	{1, 1, 1},
	{1, 3600000, 1},
	{1, 3600001, 2},
	{3600000, 1, 1},
	{7000000, 600, 1167}, /* 1166.67 */
	{7000000, 3600000, 7000000},
	{FEE_POWER_MAX_MW, 1, 278}, /* 277.78 */
	{FEE_POWER_MAX_MW, INT64_C(3600000000000), FEE_ENERGY_MAX_MWH},
	{FEE_POWER_MAX_MW, INT64_C(3599999999999), INT64_C(999999999999723)}, /* 277.78 less, rounded up */
	{FEE_POWER_MAX_MW, INT64_C(3600000000001), FEE_ENERGY_MAX_MWH},
	{FEE_POWER_MAX_MW, INT64_MAX, FEE_ENERGY_MAX_MWH},
	{INT64_MAX, INT64_MAX, FEE_ENERGY_MAX_MWH},
	{1, INT64_MAX, INT64_C(2562047788016)}, /* 2562047788015.2 */
};

START_TEST(energy_by_hand)
{
	ck_assert_int_eq(fee_energy_mwh(energies[_i].power_mw, energies[_i].duration_ms), energies[_i].energy_mwh);
}
END_TEST

static const struct {
	int64_t energy_mwh, power_mw, duration_ms;
} durations[] = {
	{1, 0, FEE_NEVER_MS},
	{FEE_ENERGY_MAX_MWH, 0, FEE_NEVER_MS},
	{1, -1, FEE_NEVER_MS},
	{0, 1, 0},
	{1, 1, 3600000},
	{1, 3600000, 1},
	{1, 3600001, 0},
	{10000, 7000000, 5142}, /* 5142.86 */
	{7000000, 7000000, 3600000},
	{FEE_ENERGY_MAX_MWH, FEE_POWER_MAX_MW, INT64_C(3600000000000)},
	{FEE_ENERGY_MAX_MWH, 1000, INT64_C(3600000000000000000)},
	{FEE_ENERGY_MAX_MWH, 1, FEE_NEVER_MS}, /* 3.6 * 10^21: later than any clock shows */
};

START_TEST(duration_by_hand)
{
	ck_assert_int_eq(fee_duration_ms(durations[_i].energy_mwh, durations[_i].power_mw), durations[_i].duration_ms);
}
END_TEST

/* By multiplication alone; the ranges keep every product below 2^63. */
START_TEST(energy_and_duration_random)
{
	random_state = 4;
	for (int i = 0; i < 200000; i++) {
		int64_t power = 1 + random_sized(FEE_POWER_MAX_MW - 1), ms = random_sized(INT64_C(4000000000));
		int64_t mwh = random_sized(INT64_C(1000000000)), energy = fee_energy_mwh(power, ms);
		int64_t duration = fee_duration_ms(mwh, power);

		REQUIRE(energy * UJ_PER_MWH >= power * ms, "too little energy");
		REQUIRE((energy - 1) * UJ_PER_MWH < power * ms, "too much energy");
		REQUIRE(duration <= mwh * UJ_PER_MWH / power, "too long");
		REQUIRE(duration + 1 > mwh * UJ_PER_MWH / power, "too short");
	}
}
END_TEST

static const struct {
	int64_t step_mwh, rated_mw, age_ms, opening_ms, bound_mwh;
} bounds[] = {
	{10000, 7 * KILOWATT, 500, 100, 11167}, /* 10 Wh + 7 kW * 0.6 s = 10 Wh + 1.16667 Wh */
	{10000, 7 * KILOWATT, 0, 0, 10000},
	{10000, 7 * KILOWATT, 1000, 0, 11945}, /* 1944.44 */
	{10000, 7 * KILOWATT, 0, 1000, 11945},
	{10000, 3600000, 500, 500, 11000},
	{7813, 22 * KILOWATT, 16000, 300, 107425}, /* 7813 + 99611.11 */
	{1, 1, 1, 0, 2},
};

START_TEST(bound_by_hand)
{
	ck_assert_int_eq(fee_overdraft_bound_mwh(
				 bounds[_i].step_mwh, bounds[_i].rated_mw, bounds[_i].age_ms, bounds[_i].opening_ms),
			 bounds[_i].bound_mwh);
}
END_TEST

/* A bound that is out of reach is large, not negative. */
START_TEST(bound_saturates)
{
	ck_assert_int_ge(fee_overdraft_bound_mwh(10000, FEE_POWER_MAX_MW, INT64_MAX, 0), FEE_ENERGY_MAX_MWH);
	ck_assert_int_ge(fee_overdraft_bound_mwh(10000, FEE_POWER_MAX_MW, 0, INT64_MAX), FEE_ENERGY_MAX_MWH);
	ck_assert_int_ge(fee_overdraft_bound_mwh(10000, FEE_POWER_MAX_MW, INT64_MAX, INT64_MAX), FEE_ENERGY_MAX_MWH);
	ck_assert_int_ge(fee_overdraft_bound_mwh(FEE_ENERGY_MAX_MWH, FEE_POWER_MAX_MW, INT64_MAX, 1),
			 FEE_ENERGY_MAX_MWH);
}
END_TEST

static Suite *predict_suite(void)
{
	Suite *suite = suite_create("predict");
	TCase *estimate = tcase_create("estimate"), *reach = tcase_create("reach"), *bound = tcase_create("bound");

	tcase_set_timeout(estimate, 60);
	tcase_add_test(estimate, estimate_by_hand);
	tcase_add_test(estimate, estimate_integrates);
	tcase_add_test(estimate, estimate_keeps_fractions);
	tcase_add_test(estimate, older_readings_ignored);
	tcase_add_test(estimate, power_clamped);
	tcase_add_test(estimate, estimate_saturates);
	tcase_add_test(estimate, estimate_random);
	tcase_add_test(estimate, estimate_follows_truth);
	tcase_set_timeout(reach, 60);
	tcase_add_test(reach, reach_by_hand);
	tcase_add_test(reach, reach_already_there_without_power);
	tcase_add_test(reach, reach_far_corners);
	tcase_add_test(reach, reach_brute_force);
	tcase_add_test(reach, reach_random);
	tcase_set_timeout(bound, 60);
	tcase_add_loop_test(bound, energy_by_hand, 0, (int)COUNT(energies));
	tcase_add_loop_test(bound, duration_by_hand, 0, (int)COUNT(durations));
	tcase_add_test(bound, energy_and_duration_random);
	tcase_add_loop_test(bound, bound_by_hand, 0, (int)COUNT(bounds));
	tcase_add_test(bound, bound_saturates);
	suite_add_tcase(suite, estimate);
	suite_add_tcase(suite, reach);
	suite_add_tcase(suite, bound);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(predict_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
