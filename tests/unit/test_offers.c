/* Tests tools/ops/core/offers.h: versions of tariffs and of the agreement, outlets for sale, the preview of a bill. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "offers.h"
#include "predict.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
#define MIDNIGHT_MS INT64_C(1800057600000) /* in UTC */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct ops *ops;
static struct ops_error error;
static int64_t now_ms;
static const char *path = ":memory:";

static void give_random(void *ctx, void *bytes, size_t count)
{
	(void)ctx;
	memset(bytes, 7, count);
}

static void open_ops(void)
{
	struct ops_options options = {.path = path, .random = give_random, .command_ms = 60000};

	ck_assert_msg(ops_open(&options, &ops, &error) == 0, "%s", error.text);
}

static void setup(void)
{
	now_ms = MIDNIGHT_MS;
	open_ops();
	ck_assert_int_eq(ops_add_box(ops, "box-1", &error), 0);
	ck_assert_int_eq(ops_add_box(ops, "box-2", &error), 0);
}

static void teardown(void)
{
	ops_close(ops);
}

/* --- helpers --- */

static struct fee_tariff flat(const char *id, int64_t price_micros)
{
	struct fee_tariff tariff = {.energy_price_micros = price_micros,
				    .currency = "EUR",
				    .quantum_micros = 10000,
				    .rounding = FEE_ROUND_HALF_UP};

	word_copy(tariff.id, sizeof tariff.id, id);
	return tariff;
}

/* Valley from 22:00 to 7:00 local time, else peak. */
static struct fee_tariff by_time(int64_t utc_offset_min)
{
	struct fee_tariff tariff = {
		.id = "day",
		.currency = "CNY",
		.rate_count = 2,
		.rates = {{"valley", 300000}, {"peak", 900000}},
		.period_count = 3,
		.periods = {{0, 0}, {420, 1}, {1320, 0}},
		.utc_offset_min = utc_offset_min,
		.service_price_micros = 100000,
		.start_fee_micros = 500000,
		.quantum_micros = 10000,
		.rounding = FEE_ROUND_HALF_UP,
	};

	return tariff;
}

static int put_tariff(struct fee_tariff *tariff, uint32_t replaces)
{
	return ops_put_tariff(ops, tariff, replaces, "eve", now_ms, &error);
}

static void need_tariff(const char *id)
{
	struct fee_tariff tariff = flat(id, 300000);

	ck_assert_msg(put_tariff(&tariff, 0) == 0, "%s", error.text);
}

static struct place place(const char *code, const char *box, int outlet)
{
	struct place p = {.outlet = outlet,
			  .tariff = "flat",
			  .label = "插座 1",
			  .hold_ms = 600000,
			  .lease_ms = 600000,
			  .full_ma = 500,
			  .full_ms = 600000};

	word_copy(p.code, sizeof p.code, code);
	word_copy(p.box, sizeof p.box, box);
	return p;
}

struct names {
	int count;
	int most; /* 0: all */
	char text[1000]; /* each with a space behind it */
};

static bool take_name(struct names *names, const char *name)
{
	strncat(names->text, name, sizeof names->text - strlen(names->text) - 2);
	strcat(names->text, " ");
	return ++names->count != names->most;
}

static bool take_tariff(void *ctx, const struct fee_tariff *tariff)
{
	char name[FEE_TARIFF_ID_SIZE + 12];

	snprintf(name, sizeof name, "%s/%u", tariff->id, tariff->version);
	return take_name(ctx, name);
}

static bool take_place(void *ctx, const struct place *p)
{
	return take_name(ctx, p->code);
}

/* --- tariffs --- */

START_TEST(test_tariffs_have_versions)
{
	struct fee_tariff t = flat("flat", 300000);

	ck_assert_int_eq(put_tariff(&t, 0), 0);
	ck_assert_uint_eq(t.version, 1);
	t.energy_price_micros = 400000;
	t.version = 77; /* ignored */
	ck_assert_int_eq(put_tariff(&t, 1), 0);
	ck_assert_uint_eq(t.version, 2);
	ck_assert_int_eq(ops_get_tariff(ops, "flat", 0, &t, &error), 0);
	ck_assert_uint_eq(t.version, 2);
	ck_assert_int_eq(t.energy_price_micros, 400000);
	ck_assert_int_eq(ops_get_tariff(ops, "flat", 1, &t, &error), 0);
	ck_assert_int_eq(t.energy_price_micros, 300000);
	ck_assert_int_eq(ops_get_tariff(ops, "flat", 3, &t, &error), -ENOENT);
	ck_assert_int_eq(ops_get_tariff(ops, "flats", 0, &t, &error), -ENOENT);
	ck_assert_int_eq(ops_get_tariff(ops, "", 0, &t, &error), -ENOENT);
}
END_TEST

START_TEST(test_tariff_by_time_is_kept_whole)
{
	struct fee_tariff given = by_time(480), t;

	ck_assert_int_eq(put_tariff(&given, 0), 0);
	ck_assert_int_eq(ops_get_tariff(ops, "day", 0, &t, &error), 0);
	ck_assert_str_eq(t.currency, "CNY");
	ck_assert_uint_eq(t.rate_count, 2);
	ck_assert_str_eq(t.rates[1].name, "peak");
	ck_assert_int_eq(t.rates[1].price_micros, 900000);
	ck_assert_uint_eq(t.period_count, 3);
	ck_assert_uint_eq(t.periods[2].from_min, 1320);
	ck_assert_int_eq(t.utc_offset_min, 480);
	ck_assert_int_eq(t.service_price_micros, 100000);
	ck_assert_int_eq(t.start_fee_micros, 500000);
	ck_assert_int_eq(t.rounding, FEE_ROUND_HALF_UP);
}
END_TEST

START_TEST(test_two_who_edit_one_tariff_notice)
{
	struct fee_tariff mine = flat("flat", 300000), hers;

	ck_assert_int_eq(put_tariff(&mine, 1), -EEXIST); /* there is none yet */
	ck_assert_int_eq(put_tariff(&mine, 0), 0);
	hers = flat("flat", 500000);
	ck_assert_int_eq(put_tariff(&hers, 0), -EEXIST); /* hers was meant to be the first */
	ck_assert_ptr_nonnull(strstr(error.text, "version 1"));
	ck_assert_int_eq(put_tariff(&hers, 1), 0);
	mine.energy_price_micros = 400000;
	ck_assert_int_eq(put_tariff(&mine, 1), -EEXIST);
	ck_assert_int_eq(put_tariff(&mine, 3), -EEXIST);
	ck_assert_int_eq(put_tariff(&mine, UINT32_MAX), -EINVAL);
	ck_assert_int_eq(ops_get_tariff(ops, "flat", 0, &mine, &error), 0);
	ck_assert_uint_eq(mine.version, 2);
	ck_assert_int_eq(mine.energy_price_micros, 500000);
}
END_TEST

START_TEST(test_repeated_tariff_is_one_version)
{
	struct fee_tariff t = flat("flat", 300000);

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(put_tariff(&t, 0), 0);
		ck_assert_uint_eq(t.version, 1);
	}
	t.energy_price_micros = 400000;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(put_tariff(&t, 1), 0);
		ck_assert_uint_eq(t.version, 2);
	}
	/* Back to what it was is a new version, not a repetition of the first. */
	t.energy_price_micros = 300000;
	ck_assert_int_eq(put_tariff(&t, 0), -EEXIST);
	ck_assert_int_eq(put_tariff(&t, 2), 0);
	ck_assert_uint_eq(t.version, 3);
}
END_TEST

START_TEST(test_tariff_that_no_box_would_take)
{
	struct fee_tariff t = flat("flat", -1);

	ck_assert_int_eq(put_tariff(&t, 0), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "energy_price_micros"));
	t = flat("", 1);
	ck_assert_int_eq(put_tariff(&t, 0), -EINVAL);
	t = flat("a\"b", 1);
	ck_assert_int_eq(put_tariff(&t, 0), -EINVAL);
	t = by_time(0);
	word_copy(t.rates[0].name, sizeof t.rates[0].name, "谷");
	ck_assert_int_eq(put_tariff(&t, 0), -EINVAL);
	t = by_time(0);
	t.periods[1].from_min = 1320;
	ck_assert_int_eq(put_tariff(&t, 0), -EINVAL);
	ck_assert_int_eq(ops_get_tariff(ops, "flat", 0, &t, &error), -ENOENT);
	ck_assert_int_eq(ops_get_tariff(ops, "day", 0, &t, &error), -ENOENT);
}
END_TEST

START_TEST(test_tariffs_are_listed_by_their_newest)
{
	struct names all = {.count = 0}, first = {.most = 1};
	struct fee_tariff t = flat("b", 300000);

	need_tariff("c");
	need_tariff("b");
	need_tariff("a");
	t.energy_price_micros = 400000;
	ck_assert_int_eq(put_tariff(&t, 1), 0);
	ck_assert_int_eq(ops_each_tariff(ops, take_tariff, &all, &error), 0);
	ck_assert_str_eq(all.text, "a/1 b/2 c/1 ");
	ck_assert_int_eq(ops_each_tariff(ops, take_tariff, &first, &error), 0);
	ck_assert_str_eq(first.text, "a/1 ");
}
END_TEST

START_TEST(test_tariffs_have_a_limit)
{
	struct fee_tariff t;
	char id[FEE_TARIFF_ID_SIZE];

	for (int i = 0; i < OFFERS_TARIFFS_MAX; i++) {
		snprintf(id, sizeof id, "t-%d", i);
		need_tariff(id);
	}
	t = flat("one-more", 300000);
	ck_assert_int_eq(put_tariff(&t, 0), -EAGAIN);
	t = flat("t-0", 400000); /* versions are no more tariffs */
	ck_assert_int_eq(put_tariff(&t, 1), 0);
}
END_TEST

/* --- the preview --- */

START_TEST(test_preview_of_a_flat_tariff)
{
	struct fee_tariff t = flat("flat", 300000);
	struct fee_energy energy;
	struct fee_bill bill;

	ck_assert_int_eq(ops_preview(&t, 2000000, MIDNIGHT_MS, HOUR_MS, &energy, &bill, &error), 0);
	ck_assert_int_eq(energy.mwh[0], 2000000);
	ck_assert_uint_eq(bill.line_count, 1);
	ck_assert_int_eq(bill.total_micros, 600000);
}
END_TEST

START_TEST(test_preview_goes_over_the_rates)
{
	struct fee_tariff t = by_time(480);
	struct fee_energy energy;
	struct fee_bill bill;
	int64_t from_ms = MIDNIGHT_MS - 2 * HOUR_MS; /* 6:00 local time: an hour of valley, one of peak */

	ck_assert_int_eq(ops_preview(&t, 1000000, from_ms, 2 * HOUR_MS, &energy, &bill, &error), 0);
	ck_assert_int_eq(energy.mwh[0], 1000000);
	ck_assert_int_eq(energy.mwh[1], 1000000);
	ck_assert_uint_eq(bill.line_count, 4);
	ck_assert_int_eq(bill.lines[2].quantity, 2000000); /* service */
	ck_assert_int_eq(bill.total_micros, 300000 + 900000 + 200000 + 500000);
	/* From a change on, it is the next rate's. */
	ck_assert_int_eq(ops_preview(&t, 1000000, from_ms + HOUR_MS, HOUR_MS, &energy, &bill, &error), 0);
	ck_assert_int_eq(energy.mwh[0], 0);
	ck_assert_int_eq(energy.mwh[1], 1000000);
	/* And until a millisecond before. */
	ck_assert_int_eq(ops_preview(&t, 1000000, from_ms, HOUR_MS, &energy, &bill, &error), 0);
	ck_assert_int_eq(energy.mwh[0], 1000000);
	ck_assert_int_eq(energy.mwh[1], 0);
}
END_TEST

/* Powers and durations that no rate divides: what is rounded at each change would be seen in the sum. */
START_TEST(test_preview_parts_add_up)
{
	static const int64_t powers[] = {0, 1, 7, 999, 1234567, 3680001, FEE_POWER_MAX_MW};
	static const int64_t durations[] = {1, 999, HOUR_MS + 1, 7 * DAY_MS - 1, 100 * DAY_MS + 12345, 366 * DAY_MS};
	struct fee_tariff t = by_time(-330);
	struct fee_energy energy;
	struct fee_bill bill;

	for (size_t p = 0; p < COUNT(powers); p++) {
		for (size_t d = 0; d < COUNT(durations); d++) {
			int64_t sum = 0, from_ms = MIDNIGHT_MS + 4321 * (int64_t)d;
			ck_assert_int_eq(ops_preview(&t, powers[p], from_ms, durations[d], &energy, &bill, &error), 0);
			ck_assert_int_eq(fee_energy_total(&energy), fee_energy_mwh(powers[p], durations[d]));
			for (size_t i = 0; i < bill.line_count; i++)
				sum += bill.lines[i].amount_micros;
			ck_assert_int_eq(sum, bill.total_micros);
			ck_assert_int_eq(bill.line_count == 0, powers[p] == 0);
		}
	}
	/* A year's days, each with 9 hours of valley and 15 of peak. */
	ck_assert_int_eq(ops_preview(&t, 1000000, MIDNIGHT_MS, 366 * DAY_MS, &energy, &bill, &error), 0);
	ck_assert_int_eq(energy.mwh[0], INT64_C(366) * 9 * 1000000);
	ck_assert_int_eq(energy.mwh[1], INT64_C(366) * 15 * 1000000);
}
END_TEST

START_TEST(test_preview_has_limits)
{
	static const struct {
		int64_t power_mw, from_ms, duration_ms;
	} wrong[] = {
		{-1, MIDNIGHT_MS, HOUR_MS},
		{FEE_POWER_MAX_MW + 1, MIDNIGHT_MS, HOUR_MS},
		{1000, -1, HOUR_MS},
		{1000, INT64_MAX, HOUR_MS},
		{1000, MIDNIGHT_MS, 0},
		{1000, MIDNIGHT_MS, 366 * DAY_MS + 1},
		{1000, MIDNIGHT_MS, INT64_MAX},
	};
	struct fee_tariff t = flat("flat", 300000);
	struct fee_energy energy;
	struct fee_bill bill;

	for (size_t i = 0; i < COUNT(wrong); i++) {
		int result = ops_preview(
			&t, wrong[i].power_mw, wrong[i].from_ms, wrong[i].duration_ms, &energy, &bill, &error);
		ck_assert_int_eq(result, -EINVAL);
	}
	t.energy_price_micros = FEE_MONEY_MAX_MICROS; /* 10 kWh of it are too much for one bill */
	ck_assert_int_eq(ops_preview(&t, 10000000, MIDNIGHT_MS, HOUR_MS, &energy, &bill, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "bill"));
	t.quantum_micros = 0;
	ck_assert_int_eq(ops_preview(&t, 1000, MIDNIGHT_MS, HOUR_MS, &energy, &bill, &error), -EINVAL);
}
END_TEST

/* --- outlets for sale --- */

START_TEST(test_place_is_kept)
{
	struct place p = place("A1", "box-1", 15), got;

	need_tariff("flat");
	p.mode = FEE_REMOTE;
	p.hold_ms = 1000;
	p.lease_ms = 2000;
	p.full_ma = 1;
	p.full_ms = 86400000;
	ck_assert_msg(ops_put_place(ops, &p, &error) == 0, "%s", error.text);
	ck_assert_int_eq(ops_get_place(ops, "A1", &got, &error), 0);
	ck_assert_str_eq(got.code, "A1");
	ck_assert_str_eq(got.box, "box-1");
	ck_assert_int_eq(got.outlet, 15);
	ck_assert_str_eq(got.tariff, "flat");
	ck_assert_str_eq(got.label, "插座 1");
	ck_assert_int_eq(got.mode, FEE_REMOTE);
	ck_assert_int_eq(got.hold_ms, 1000);
	ck_assert_int_eq(got.lease_ms, 2000);
	ck_assert_int_eq(got.full_ma, 1);
	ck_assert_int_eq(got.full_ms, 86400000);
	ck_assert_int_eq(ops_find_place(ops, "box-1", 15, &got, &error), 1);
	ck_assert_str_eq(got.code, "A1");
	ck_assert_int_eq(ops_find_place(ops, "box-1", 0, &got, &error), 0);
	ck_assert_int_eq(ops_find_place(ops, "box-2", 15, &got, &error), 0);
}
END_TEST

START_TEST(test_an_outlet_has_one_code)
{
	struct place first = place("A1", "box-1", 0), second = place("A2", "box-1", 0);

	need_tariff("flat");
	ck_assert_int_eq(ops_put_place(ops, &first, &error), 0);
	ck_assert_int_eq(ops_put_place(ops, &second, &error), -EEXIST);
	ck_assert_ptr_nonnull(strstr(error.text, "A1"));
	second.outlet = 1;
	ck_assert_int_eq(ops_put_place(ops, &second, &error), 0);
	second.outlet = 0; /* nor by changing one */
	ck_assert_int_eq(ops_put_place(ops, &second, &error), -EEXIST);
	ck_assert_int_eq(ops_put_place(ops, &first, &error), 0); /* the same call again */
	ck_assert_int_eq(ops_drop_place(ops, "A1", &error), 0);
	ck_assert_int_eq(ops_put_place(ops, &second, &error), 0);
	ck_assert_int_eq(ops_find_place(ops, "box-1", 0, &first, &error), 1);
	ck_assert_str_eq(first.code, "A2");
	ck_assert_int_eq(ops_find_place(ops, "box-1", 1, &first, &error), 0);
}
END_TEST

START_TEST(test_place_needs_box_and_tariff)
{
	struct place p = place("A1", "box-3", 0);

	need_tariff("flat");
	ck_assert_int_eq(ops_put_place(ops, &p, &error), -ENOENT);
	ck_assert_str_eq(error.text, "no box box-3");
	p = place("A1", "box-1", 0);
	word_copy(p.tariff, sizeof p.tariff, "none");
	ck_assert_int_eq(ops_put_place(ops, &p, &error), -ENOENT);
	ck_assert_str_eq(error.text, "no tariff none");
	ck_assert_int_eq(ops_get_place(ops, "A1", &p, &error), -ENOENT);
}
END_TEST

START_TEST(test_codes)
{
	static const struct {
		const char *code;
		bool valid;
	} codes[] = {
		{"A", true},
		{"A-1", true},
		{"-", true},
		{"ABCDEFGHIJKLMNOP", true},
		{"", false},
		{"a1", false},
		{"A 1", false},
		{"A/1", false},
		{"A%", false},
		{"\xc3\x84", false},
		{"<B>", false},
	};

	need_tariff("flat");
	for (size_t i = 0; i < COUNT(codes); i++) {
		struct place p = place(codes[i].code, "box-1", 0);
		ck_assert_int_eq(ops_put_place(ops, &p, &error), codes[i].valid ? 0 : -EINVAL);
		ck_assert_int_eq(ops_get_place(ops, codes[i].code, &p, &error), codes[i].valid ? 0 : -ENOENT);
		ck_assert_int_eq(ops_drop_place(ops, codes[i].code, &error), codes[i].valid ? 0 : -ENOENT);
	}
	ck_assert_int_eq(ops_get_place(ops, "ABCDEFGHIJKLMNOPQ", &(struct place){.outlet = 0}, &error), -ENOENT);
}
END_TEST

#define TEN_CHARACTERS "一二三四五六七八九十"

START_TEST(test_labels)
{
	static const struct {
		const char *label;
		bool valid;
	} labels[] = {
		{"Left socket", true},
		{TEN_CHARACTERS TEN_CHARACTERS TEN_CHARACTERS TEN_CHARACTERS, true},
		{TEN_CHARACTERS TEN_CHARACTERS TEN_CHARACTERS TEN_CHARACTERS "x", false},
		{"\xf0\x9f\x94\x8c <b>&\"", true}, /* whoever shows it escapes it */
		{"", false},
		{"a\nb", false},
		{"a\tb", false},
		{"a\x7f", false},
		{"a\xc2\x85", false}, /* a control character beyond ASCII */
		{"a\xff", false},
		{"a\xe4\xb8", false}, /* cut */
		{"a\xed\xa0\x80", false}, /* a surrogate */
	};

	need_tariff("flat");
	for (size_t i = 0; i < COUNT(labels); i++) {
		struct place p = place("A1", "box-1", 0), got;
		word_copy(p.label, sizeof p.label, labels[i].label);
		ck_assert_int_eq(ops_put_place(ops, &p, &error), labels[i].valid ? 0 : -EINVAL);
		if (!labels[i].valid)
			continue;
		ck_assert_int_eq(ops_get_place(ops, "A1", &got, &error), 0);
		ck_assert_str_eq(got.label, labels[i].label);
	}
}
END_TEST

START_TEST(test_place_has_limits)
{
	struct place p;
	int64_t *const times[] = {&p.hold_ms, &p.lease_ms, &p.full_ms};

	need_tariff("flat");
	for (size_t i = 0; i < COUNT(times); i++) {
		p = place("A1", "box-1", 0);
		*times[i] = 999;
		ck_assert_int_eq(ops_put_place(ops, &p, &error), -EINVAL);
		*times[i] = 86400001;
		ck_assert_int_eq(ops_put_place(ops, &p, &error), -EINVAL);
		*times[i] = 1000;
		ck_assert_int_eq(ops_put_place(ops, &p, &error), 0);
	}
	p = place("A1", "box-1", 16);
	ck_assert_int_eq(ops_put_place(ops, &p, &error), -EINVAL);
	p = place("A1", "box-1", -1);
	ck_assert_int_eq(ops_put_place(ops, &p, &error), -EINVAL);
	p = place("A1", "box-1", 0);
	p.full_ma = 0;
	ck_assert_int_eq(ops_put_place(ops, &p, &error), -EINVAL);
	p.full_ma = PLACE_FULL_MA_MAX + 1;
	ck_assert_int_eq(ops_put_place(ops, &p, &error), -EINVAL);
	p.full_ma = PLACE_FULL_MA_MAX;
	p.mode = FEE_MODE_COUNT;
	ck_assert_int_eq(ops_put_place(ops, &p, &error), -EINVAL);
}
END_TEST

START_TEST(test_places_are_listed_by_code)
{
	static const char *const codes[] = {"B2", "A1", "C3"};
	struct names all = {.count = 0}, behind = {.count = 0}, two = {.most = 2};

	need_tariff("flat");
	for (size_t i = 0; i < COUNT(codes); i++) {
		struct place p = place(codes[i], "box-1", (int)i);
		ck_assert_int_eq(ops_put_place(ops, &p, &error), 0);
	}
	ck_assert_int_eq(ops_each_place(ops, "", take_place, &all, &error), 0);
	ck_assert_str_eq(all.text, "A1 B2 C3 ");
	ck_assert_int_eq(ops_each_place(ops, "A1", take_place, &behind, &error), 0);
	ck_assert_str_eq(behind.text, "B2 C3 ");
	ck_assert_int_eq(ops_each_place(ops, "", take_place, &two, &error), 0);
	ck_assert_str_eq(two.text, "A1 B2 ");
}
END_TEST

/* --- the agreement --- */

START_TEST(test_there_is_an_agreement_from_the_beginning)
{
	struct agreement a;
	uint32_t version;

	ck_assert_int_eq(ops_get_agreement(ops, 0, &a, &error), 0);
	ck_assert_uint_eq(a.version, 1);
	ck_assert_int_eq(a.made_ms, 0);
	ck_assert_ptr_nonnull(strstr(a.en, "outlet"));
	ck_assert_ptr_nonnull(strstr(a.zh, "插座"));
	ck_assert_int_eq(ops_agreement_version(ops, &version, &error), 0);
	ck_assert_uint_eq(version, 1);
}
END_TEST

static int put_agreement(const char *en, const char *zh, uint32_t replaces, uint32_t *version)
{
	return ops_put_agreement(ops, en, zh, replaces, "eve", now_ms, version, &error);
}

START_TEST(test_agreement_has_versions)
{
	struct agreement a;
	uint32_t version;

	ck_assert_int_eq(put_agreement("Pay.\nUnplug.\n", "付款。", 1, &version), 0);
	ck_assert_uint_eq(version, 2);
	ck_assert_int_eq(put_agreement("Pay.\nUnplug.\n", "付款。", 1, &version), 0); /* again */
	ck_assert_uint_eq(version, 2);
	ck_assert_int_eq(put_agreement("Pay more.", "付款。", 1, &version), -EEXIST);
	ck_assert_int_eq(put_agreement("Pay.\nUnplug.\n", "多付款。", 1, &version), -EEXIST);
	ck_assert_int_eq(put_agreement("Pay more.", "付款。", 3, &version), -EEXIST);
	ck_assert_int_eq(put_agreement("Pay more.", "付款。", 0, &version), -EEXIST);
	ck_assert_int_eq(put_agreement("Pay more.", "付款。", UINT32_MAX, &version), -EINVAL);
	ck_assert_int_eq(ops_get_agreement(ops, 0, &a, &error), 0);
	ck_assert_uint_eq(a.version, 2);
	ck_assert_str_eq(a.en, "Pay.\nUnplug.\n");
	ck_assert_str_eq(a.zh, "付款。");
	ck_assert_str_eq(a.who, "eve");
	ck_assert_int_eq(a.made_ms, now_ms);
	ck_assert_int_eq(ops_get_agreement(ops, 1, &a, &error), 0);
	ck_assert_ptr_nonnull(strstr(a.en, "outlet"));
	ck_assert_int_eq(ops_get_agreement(ops, 3, &a, &error), -ENOENT);
}
END_TEST

START_TEST(test_agreement_is_plain_text)
{
	static const char *const wrong[] = {"", "a\rb", "a\tb", "a\x01", "a\xff", "a\xc2\x9f", "a\x7f"};
	char longest[AGREEMENT_SIZE + 1];
	struct agreement a;
	uint32_t version;

	for (size_t i = 0; i < COUNT(wrong); i++) {
		ck_assert_int_eq(put_agreement(wrong[i], "好", 1, &version), -EINVAL);
		ck_assert_int_eq(put_agreement("Good", wrong[i], 1, &version), -EINVAL);
	}
	memset(longest, 'x', sizeof longest);
	longest[AGREEMENT_SIZE] = '\0';
	ck_assert_int_eq(put_agreement(longest, "好", 1, &version), -EINVAL);
	longest[AGREEMENT_SIZE - 1] = '\0';
	ck_assert_int_eq(put_agreement(longest, longest, 1, &version), 0);
	ck_assert_int_eq(ops_get_agreement(ops, 0, &a, &error), 0);
	ck_assert_str_eq(a.en, longest);
	ck_assert_str_eq(a.zh, longest);
}
END_TEST

/* What is for sale outlives the process, and the built-in agreement does not come back. */
START_TEST(test_offers_are_durable)
{
	static char file[] = "/tmp/test-offers-XXXXXX";
	char name[sizeof file + 4];
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	struct place p = place("A1", "box-1", 0);
	uint32_t version;
	int fd = mkstemp(file);

	ck_assert_int_ge(fd, 0);
	close(fd);
	ops_close(ops);
	path = file;
	setup();
	need_tariff("flat");
	ck_assert_int_eq(ops_put_place(ops, &p, &error), 0);
	ck_assert_int_eq(put_agreement("Mine.", "我的。", 1, &version), 0);
	ops_close(ops);
	open_ops();
	ck_assert_int_eq(ops_get_place(ops, "A1", &p, &error), 0);
	ck_assert_int_eq(ops_agreement_version(ops, &version, &error), 0);
	ck_assert_uint_eq(version, 2);
	for (size_t i = 0; i < COUNT(suffixes); i++) {
		snprintf(name, sizeof name, "%s%s", file, suffixes[i]);
		unlink(name);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("offers");
	TCase *tests = tcase_create("offers");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_set_timeout(tests, 30);
	tcase_add_test(tests, test_tariffs_have_versions);
	tcase_add_test(tests, test_tariff_by_time_is_kept_whole);
	tcase_add_test(tests, test_two_who_edit_one_tariff_notice);
	tcase_add_test(tests, test_repeated_tariff_is_one_version);
	tcase_add_test(tests, test_tariff_that_no_box_would_take);
	tcase_add_test(tests, test_tariffs_are_listed_by_their_newest);
	tcase_add_test(tests, test_tariffs_have_a_limit);
	tcase_add_test(tests, test_preview_of_a_flat_tariff);
	tcase_add_test(tests, test_preview_goes_over_the_rates);
	tcase_add_test(tests, test_preview_parts_add_up);
	tcase_add_test(tests, test_preview_has_limits);
	tcase_add_test(tests, test_place_is_kept);
	tcase_add_test(tests, test_an_outlet_has_one_code);
	tcase_add_test(tests, test_place_needs_box_and_tariff);
	tcase_add_test(tests, test_codes);
	tcase_add_test(tests, test_labels);
	tcase_add_test(tests, test_place_has_limits);
	tcase_add_test(tests, test_places_are_listed_by_code);
	tcase_add_test(tests, test_there_is_an_agreement_from_the_beginning);
	tcase_add_test(tests, test_agreement_has_versions);
	tcase_add_test(tests, test_agreement_is_plain_text);
	tcase_add_test(tests, test_offers_are_durable);
	suite_add_tcase(suite, tests);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
