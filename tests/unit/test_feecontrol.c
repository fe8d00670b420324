/* Tests feecontrol's units, tariff and price: worked examples computed by hand, and properties of random tariffs
 * checked against pencil-and-paper arithmetic on limbs of four decimal digits. */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "price.h"
#include "tariff.h"
#include "units.h"

#define I64 "%" PRId64
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CASES 200000
#define AFFORDABLE_CASES 10000 /* each is some fifty prices */

/* ck_assert() writes to a pipe each time; this one speaks only when something is wrong. */
#define REQUIRE(condition, ...)                                                                                        \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			ck_abort_msg(__VA_ARGS__);                                                                     \
	} while (0)

/* ---- pencil and paper: numbers as limbs of nine decimal digits, the lowest first ---- */

#define LIMBS 5
#define BASE UINT64_C(1000000000)

struct big {
	uint64_t limb[LIMBS];
};

static struct big big_from(uint64_t value)
{
	struct big r = {{value % BASE, value / BASE % BASE, value / BASE / BASE}};

	return r;
}

static void big_add(struct big *a, const struct big *b)
{
	uint64_t carry = 0;

	for (int i = 0; i < LIMBS; i++) {
		uint64_t sum = a->limb[i] + b->limb[i] + carry;

		a->limb[i] = sum % BASE;
		carry = sum / BASE;
	}
	REQUIRE(!carry, "the pencil's paper is too narrow");
}

static struct big big_mul(uint64_t a, uint64_t b)
{
	struct big x = big_from(a), y = big_from(b), r = {{0}};

	for (int i = 0; i < 3; i++) {
		uint64_t carry = 0;

		for (int j = 0; i + j < LIMBS; j++) {
			uint64_t t = r.limb[i + j] + x.limb[i] * y.limb[j] + carry;

			r.limb[i + j] = t % BASE;
			carry = t / BASE;
		}
	}
	return r;
}

static bool big_less(const struct big *a, const struct big *b)
{
	for (int i = LIMBS - 1; i >= 0; i--)
		if (a->limb[i] != b->limb[i])
			return a->limb[i] < b->limb[i];
	return false;
}

/* School's long division, one limb after the other; divisor up to BASE. The remainder is returned. */
static uint64_t big_divide(struct big *a, uint64_t divisor)
{
	uint64_t rest = 0;

	for (int i = LIMBS - 1; i >= 0; i--) {
		rest = rest * BASE + a->limb[i];
		a->limb[i] = rest / divisor;
		rest %= divisor;
	}
	return rest;
}

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

/* 0 to max: any size equally likely, and often the very ends. */
static int64_t random_sized(int64_t max)
{
	int64_t value;

	switch (random_below(8)) {
	case 0:
		return random_below(max < 4 ? max + 1 : 4);
	case 1:
		return max - random_below(max < 4 ? max + 1 : 4);
	default:
		value = (int64_t)(random_u64() >> (1 + random_below(63)));
		return max == INT64_MAX ? value : value % (max + 1);
	}
}

/* ---- units ---- */

static const struct {
	int64_t a, b, divisor;
	int64_t down, half_up, up;
} products[] = {
	{0, 0, 1, 0, 0, 0},
	{0, INT64_MAX, INT64_MAX, 0, 0, 0},
	{7, 1, 2, 3, 4, 4},
	{10, 10, 3, 33, 33, 34},
	{10, 20, 3, 66, 67, 67},
	{1, 1, 3, 0, 0, 1},
	{1, 1, 2, 0, 1, 1},
	{1, 1, INT64_MAX, 0, 0, 1},
	{6, 7, 1, 42, 42, 42},
	{1234567, 620000, 1000000, 765431, 765432, 765432},
	{INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX},
	{INT64_MAX, INT64_MAX - 1, INT64_MAX, INT64_MAX - 1, INT64_MAX - 1, INT64_MAX - 1},
	{INT64_MAX, 1, 2, INT64_MAX / 2, INT64_MAX / 2 + 1, INT64_MAX / 2 + 1},
	{FEE_ENERGY_MAX_MWH,
	 FEE_MONEY_MAX_MICROS,
	 FEE_MONEY_MAX_MICROS,
	 FEE_ENERGY_MAX_MWH,
	 FEE_ENERGY_MAX_MWH,
	 FEE_ENERGY_MAX_MWH},
};

START_TEST(mul_div_by_hand)
{
	int64_t r = -1;

	ck_assert(fee_mul_div(products[_i].a, products[_i].b, products[_i].divisor, FEE_ROUND_DOWN, &r));
	ck_assert_int_eq(r, products[_i].down);
	ck_assert(fee_mul_div(products[_i].a, products[_i].b, products[_i].divisor, FEE_ROUND_HALF_UP, &r));
	ck_assert_int_eq(r, products[_i].half_up);
	ck_assert(fee_mul_div(products[_i].a, products[_i].b, products[_i].divisor, FEE_ROUND_UP, &r));
	ck_assert_int_eq(r, products[_i].up);
}
END_TEST

static const struct {
	int64_t a, b, divisor;
	bool fits[3]; /* down, half up, up */
} overflows[] = {
	{INT64_MAX, INT64_MAX, 1, {false, false, false}},
	{INT64_MAX, 2, 1, {false, false, false}},
	{INT64_C(1) << 32, INT64_C(1) << 31, 1, {false, false, false}},
	{INT64_C(1) << 32, INT64_C(1) << 32, 2, {false, false, false}},
	/* (2^63 - 1) (2^62 + 1) / 2^62 = 2^63 + 1 - 2^-62 */
	{INT64_MAX, (INT64_C(1) << 62) + 1, INT64_C(1) << 62, {false, false, false}},
	/* 2^63 - 2; 2^63 + 1 */
	{5, INT64_MAX - 1, 5, {true, true, true}},
	{INT64_C(3074457345618258603), 9, 3, {false, false, false}},
	{INT64_MAX, INT64_MAX, INT64_MAX - 1, {false, false, false}},
	/* 2^63 - 1/2, twice */
	{INT64_C(6148914691236517205), 3, 2, {true, false, false}},
	{INT64_C(3689348814741910323), 5, 2, {true, false, false}},
	/* 2^63 - 1 + 1/3 */
	{INT64_C(2515465100960393402), 11, 3, {true, true, false}},
	/* 2^63 + 1/3, 2^63 - 4/3, 2^63 + 2, 2^63 - 1 */
	{INT64_C(5534023222112865485), 5, 3, {false, false, false}},
	{INT64_C(5534023222112865484), 5, 3, {true, true, true}},
	{INT64_C(2767011611056432743), 10, 3, {false, false, false}},
	{INT64_C(3952873730080618203), 7, 3, {true, true, true}},
};

START_TEST(mul_div_overflow)
{
	for (int rounding = FEE_ROUND_DOWN; rounding <= FEE_ROUND_UP; rounding++) {
		int64_t r = -77;
		bool fits = fee_mul_div(
			overflows[_i].a, overflows[_i].b, overflows[_i].divisor, (enum fee_rounding)rounding, &r);

		ck_assert_int_eq(fits, overflows[_i].fits[rounding]);
		ck_assert(fits || r == -77);
	}
}
END_TEST

/* The definition of rounding, without a division: 0 when quotient is what product / divisor rounds to, 1 when quotient
 * is above that, -1 when it is below. */
static int rounding_says(const struct big *product, uint64_t divisor, enum fee_rounding rounding, uint64_t quotient)
{
	struct big low = big_mul(divisor, quotient), high = low;
	struct big n = *product, d = big_from(divisor);

	big_add(&high, &d);
	if (rounding == FEE_ROUND_UP) {
		if (big_less(&low, &n))
			return -1;
		big_add(&n, &d);
		return big_less(&low, &n) ? 0 : 1;
	}
	if (rounding == FEE_ROUND_HALF_UP) { /* everything twice, and half a divisor more */
		big_add(&n, &n);
		big_add(&n, &d);
		big_add(&low, &low);
		big_add(&high, &high);
	}
	if (big_less(&n, &low))
		return 1;
	return big_less(&n, &high) ? 0 : -1;
}

START_TEST(mul_div_random)
{
	random_state = 1;
	for (int i = 0; i < CASES; i++) {
		int64_t a = random_sized(INT64_MAX), b = random_sized(INT64_MAX);
		int64_t divisor = random_sized(INT64_MAX - 1) + 1, r = -77;
		enum fee_rounding rounding = (enum fee_rounding)random_below(3);
		struct big product = big_mul((uint64_t)a, (uint64_t)b);
		bool fits = fee_mul_div(a, b, divisor, rounding, &r);
		bool should = rounding_says(&product, (uint64_t)divisor, rounding, INT64_MAX) >= 0;

		REQUIRE(fits == should, I64 " * " I64 " / " I64 ", %d: fits %d", a, b, divisor, (int)rounding, fits);
		if (!fits) {
			REQUIRE(r == -77, "result touched");
			continue;
		}
		REQUIRE(r >= 0, "negative result");
		REQUIRE(!rounding_says(&product, (uint64_t)divisor, rounding, (uint64_t)r),
			I64 " * " I64 " / " I64 ", %d: " I64,
			a,
			b,
			divisor,
			(int)rounding,
			r);
	}
}
END_TEST

static const struct {
	int64_t value, quantum;
	int64_t down, half_up, up; /* -1: does not fit */
} rounds[] = {
	{0, 1, 0, 0, 0},
	{0, 10000, 0, 0, 0},
	{1, 10000, 0, 0, 10000},
	{4999, 10000, 0, 0, 10000},
	{5000, 10000, 0, 10000, 10000},
	{9999, 10000, 0, 10000, 10000},
	{10000, 10000, 10000, 10000, 10000},
	{10001, 10000, 10000, 10000, 20000},
	{3, 7, 0, 0, 7},
	{4, 7, 0, 7, 7},
	{123456789, 1, 123456789, 123456789, 123456789},
	{INT64_MAX, 1, INT64_MAX, INT64_MAX, INT64_MAX},
	{INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX},
	/* 2^63 - 1 ends in 807 */
	{INT64_MAX, 10, INT64_MAX - 7, -1, -1},
	{INT64_MAX, 100, INT64_MAX - 7, INT64_MAX - 7, -1},
	{INT64_MAX - 1, INT64_MAX, 0, INT64_MAX, INT64_MAX},
	{1, INT64_MAX, 0, 0, INT64_MAX},
};

START_TEST(round_to_by_hand)
{
	const int64_t want[] = {rounds[_i].down, rounds[_i].half_up, rounds[_i].up};

	for (int rounding = FEE_ROUND_DOWN; rounding <= FEE_ROUND_UP; rounding++) {
		int64_t r = -1;
		bool fits = fee_round_to(rounds[_i].value, rounds[_i].quantum, (enum fee_rounding)rounding, &r);

		ck_assert_int_eq(fits, want[rounding] != -1);
		ck_assert_int_eq(r, want[rounding]);
	}
}
END_TEST

/* ---- tariff ---- */

static struct fee_tariff plain_tariff(void)
{
	return (struct fee_tariff){
		.id = "plain",
		.version = 1,
		.currency = "CNY",
		.energy_price_micros = 620000,
		.quantum_micros = 10000,
		.rounding = FEE_ROUND_HALF_UP,
	};
}

START_TEST(tariff_accepted)
{
	struct fee_tariff t = plain_tariff();

	ck_assert_ptr_null(fee_tariff_fault(&t));
	t.energy_price_micros = t.service_price_micros = t.start_fee_micros = FEE_MONEY_MAX_MICROS;
	t.quantum_micros = FEE_QUANTUM_MAX_MICROS;
	ck_assert_ptr_null(fee_tariff_fault(&t));
	t.energy_price_micros = t.service_price_micros = t.start_fee_micros = 0;
	t.quantum_micros = 1;
	ck_assert_ptr_null(fee_tariff_fault(&t));
	memset(t.id, 'x', FEE_TARIFF_ID_SIZE - 1);
	ck_assert_ptr_null(fee_tariff_fault(&t));
}
END_TEST

enum tariff_field {
	FIELD_ENERGY,
	FIELD_SERVICE,
	FIELD_START,
	FIELD_QUANTUM,
	FIELD_ROUNDING,
};

static const struct {
	enum tariff_field field;
	int64_t value;
	const char *says;
} bad_numbers[] = {
	{FIELD_ENERGY, -1, "energy"},
	{FIELD_ENERGY, INT64_MIN, "energy"},
	{FIELD_ENERGY, FEE_MONEY_MAX_MICROS + 1, "energy"},
	{FIELD_ENERGY, INT64_MAX, "energy"},
	{FIELD_SERVICE, -1, "service"},
	{FIELD_SERVICE, FEE_MONEY_MAX_MICROS + 1, "service"},
	{FIELD_START, -1, "start"},
	{FIELD_START, FEE_MONEY_MAX_MICROS + 1, "start"},
	{FIELD_QUANTUM, 0, "quantum"},
	{FIELD_QUANTUM, -10000, "quantum"},
	{FIELD_QUANTUM, FEE_QUANTUM_MAX_MICROS + 1, "quantum"},
	{FIELD_QUANTUM, INT64_MAX, "quantum"},
	{FIELD_ROUNDING, 3, "rounding"},
	{FIELD_ROUNDING, 99, "rounding"},
};

static void set_field(struct fee_tariff *t, enum tariff_field field, int64_t value)
{
	switch (field) {
	case FIELD_ENERGY:
		t->energy_price_micros = value;
		break;
	case FIELD_SERVICE:
		t->service_price_micros = value;
		break;
	case FIELD_START:
		t->start_fee_micros = value;
		break;
	case FIELD_QUANTUM:
		t->quantum_micros = value;
		break;
	case FIELD_ROUNDING:
		t->rounding = (enum fee_rounding)value;
		break;
	}
}

START_TEST(tariff_bad_numbers)
{
	struct fee_tariff t = plain_tariff();
	const char *fault;

	set_field(&t, bad_numbers[_i].field, bad_numbers[_i].value);
	fault = fee_tariff_fault(&t);
	ck_assert_ptr_nonnull(fault);
	ck_assert_msg(strstr(fault, bad_numbers[_i].says), "does not name the field: %s", fault);
}
END_TEST

START_TEST(tariff_bad_words)
{
	static const char *const currencies[] = {"", "C", "CN"};
	struct fee_tariff t = plain_tariff();

	t.id[0] = '\0';
	ck_assert_ptr_nonnull(fee_tariff_fault(&t));
	t = plain_tariff();
	memset(t.id, 'x', sizeof(t.id)); /* no NUL: must not be read past its end */
	ck_assert_ptr_nonnull(fee_tariff_fault(&t));
	for (size_t i = 0; i < COUNT(currencies); i++) {
		t = plain_tariff();
		strcpy(t.currency, currencies[i]);
		ck_assert_ptr_nonnull(fee_tariff_fault(&t));
		ck_assert_ptr_nonnull(strstr(fee_tariff_fault(&t), "currency"));
	}
	t = plain_tariff();
	memset(t.currency, 'X', sizeof(t.currency));
	ck_assert_ptr_nonnull(fee_tariff_fault(&t));
}
END_TEST

/* ---- price ---- */

#define NO_LINE INT64_C(-1)
#define MAX_E FEE_ENERGY_MAX_MWH
#define MAX_M FEE_MONEY_MAX_MICROS

static const struct worked {
	const char *what;
	int64_t energy_price, service_price, start_fee, quantum;
	enum fee_rounding rounding;
	int64_t energy_mwh;
	int64_t energy, service, start, total; /* amounts; NO_LINE where the bill has none */
} worked[] = {
	/* 1.234567 kWh * 0.62 = 0.76543154; * 0.05 = 0.06172835 */
	{"cents, half up", 620000, 50000, 505000, 10000, FEE_ROUND_HALF_UP, 1234567, 770000, 60000, 510000, 1340000},
	{"cents, down", 620000, 50000, 505000, 10000, FEE_ROUND_DOWN, 1234567, 760000, 60000, 500000, 1320000},
	{"cents, up", 620000, 50000, 505000, 10000, FEE_ROUND_UP, 1234567, 770000, 70000, 510000, 1350000},
	{"micros, half up", 620000, 50000, 505000, 1, FEE_ROUND_HALF_UP, 1234567, 765432, 61728, 505000, 1332160},
	{"micros, down", 620000, 50000, 505000, 1, FEE_ROUND_DOWN, 1234567, 765431, 61728, 505000, 1332159},
	{"micros, up", 620000, 50000, 505000, 1, FEE_ROUND_UP, 1234567, 765432, 61729, 505000, 1332161},
	{"energy alone", 620000, 0, 0, 10000, FEE_ROUND_HALF_UP, 10000000, 6200000, NO_LINE, NO_LINE, 6200000},
	{"service alone", 0, 620000, 0, 10000, FEE_ROUND_HALF_UP, 10000000, NO_LINE, 6200000, NO_LINE, 6200000},
	{"start fee alone", 0, 0, 1500000, 10000, FEE_ROUND_HALF_UP, 1, NO_LINE, NO_LINE, 1500000, 1500000},
	{"free", 0, 0, 0, 1, FEE_ROUND_UP, MAX_E, NO_LINE, NO_LINE, NO_LINE, 0},
	{"no energy", 620000, 50000, 500000, 10000, FEE_ROUND_UP, 0, NO_LINE, NO_LINE, NO_LINE, 0},
	/* 0.01 kWh * 0.5 = half a cent */
	{"tie, half up", 500000, 0, 0, 10000, FEE_ROUND_HALF_UP, 10000, 10000, NO_LINE, NO_LINE, 10000},
	{"tie, down", 500000, 0, 0, 10000, FEE_ROUND_DOWN, 10000, 0, NO_LINE, NO_LINE, 0},
	{"tie, up", 500000, 0, 0, 10000, FEE_ROUND_UP, 10000, 10000, NO_LINE, NO_LINE, 10000},
	/* 0.009999 kWh * 0.5 = 4999.5 micros: rounded twice it would be a cent */
	{"rounded once", 500000, 0, 0, 10000, FEE_ROUND_HALF_UP, 9999, 0, NO_LINE, NO_LINE, 0},
	/* each line 0.4 cent: a rounded sum would be a cent */
	{"line by line", 400000, 400000, 4000, 10000, FEE_ROUND_HALF_UP, 10000, 0, 0, 0, 0},
	/* 1 mWh at 1 micro per kWh is a millionth of a micro */
	{"least, up", 1, 0, 0, 1, FEE_ROUND_UP, 1, 1, NO_LINE, NO_LINE, 1},
	{"least, to 1000 units",
	 1,
	 0,
	 0,
	 FEE_QUANTUM_MAX_MICROS,
	 FEE_ROUND_UP,
	 1,
	 1000000000,
	 NO_LINE,
	 NO_LINE,
	 1000000000},
	{"least, half up", 1, 0, 0, 1, FEE_ROUND_HALF_UP, 1, 0, NO_LINE, NO_LINE, 0},
	{"half a micro", 1, 0, 0, 1, FEE_ROUND_HALF_UP, 500000, 1, NO_LINE, NO_LINE, 1},
	{"below half a micro", 1, 0, 0, 1, FEE_ROUND_HALF_UP, 499999, 0, NO_LINE, NO_LINE, 0},
	{"all energy, all money", 1000000, 0, 0, 1, FEE_ROUND_UP, MAX_E, MAX_M, NO_LINE, NO_LINE, MAX_M},
	{"dearest kWh", MAX_M, 0, 0, 1, FEE_ROUND_UP, 1000000, MAX_M, NO_LINE, NO_LINE, MAX_M},
	{"dearest mWh", MAX_M, 0, 0, 1, FEE_ROUND_UP, 1, 1000000000, NO_LINE, NO_LINE, 1000000000},
	{"dearest start", 0, 0, MAX_M, 1, FEE_ROUND_UP, 1, NO_LINE, NO_LINE, MAX_M, MAX_M},
	/* 10^15 / (7 * 10^8) = 1428571.43 */
	{"half up just below",
	 1000000,
	 0,
	 0,
	 700000000,
	 FEE_ROUND_HALF_UP,
	 MAX_E,
	 INT64_C(999999700000000),
	 NO_LINE,
	 NO_LINE,
	 INT64_C(999999700000000)},
};

static struct fee_tariff worked_tariff(const struct worked *w)
{
	struct fee_tariff t = plain_tariff();

	t.energy_price_micros = w->energy_price;
	t.service_price_micros = w->service_price;
	t.start_fee_micros = w->start_fee;
	t.quantum_micros = w->quantum;
	t.rounding = w->rounding;
	return t;
}

static const struct fee_line *find_line(const struct fee_bill *bill, enum fee_line_kind kind)
{
	const struct fee_line *found = NULL;

	for (size_t i = 0; i < bill->line_count; i++) {
		if (bill->lines[i].kind != kind)
			continue;
		REQUIRE(!found, "two lines of one kind");
		found = &bill->lines[i];
	}
	return found;
}

static void require_line(const struct fee_bill *bill, enum fee_line_kind kind, int64_t quantity, int64_t price,
			 int64_t amount)
{
	const struct fee_line *line = find_line(bill, kind);

	if (amount == NO_LINE) {
		REQUIRE(!line, "%s: a line too many", fee_line_name(kind));
		return;
	}
	REQUIRE(line, "%s: line missing", fee_line_name(kind));
	REQUIRE(line->amount_micros == amount,
		"%s: amount " I64 ", not " I64,
		fee_line_name(kind),
		line->amount_micros,
		amount);
	REQUIRE(line->quantity == quantity, "%s: quantity " I64, fee_line_name(kind), line->quantity);
	REQUIRE(line->price_micros == price, "%s: price " I64, fee_line_name(kind), line->price_micros);
}

START_TEST(price_by_hand)
{
	const struct worked *w = &worked[_i];
	struct fee_tariff t = worked_tariff(w);
	struct fee_bill bill;

	ck_assert_ptr_null(fee_tariff_fault(&t));
	ck_assert_msg(fee_price(&t, w->energy_mwh, &bill), "%s", w->what);
	require_line(&bill, FEE_LINE_ENERGY, w->energy_mwh, w->energy_price, w->energy);
	require_line(&bill, FEE_LINE_SERVICE, w->energy_mwh, w->service_price, w->service);
	require_line(&bill, FEE_LINE_START, 1, w->start_fee, w->start);
	ck_assert_int_eq(bill.total_micros, w->total);
	ck_assert_uint_eq(bill.line_count,
			  (size_t)((w->energy != NO_LINE) + (w->service != NO_LINE) + (w->start != NO_LINE)));
}
END_TEST

static const struct worked too_much[] = {
	{"a micro more per kWh", 1000001, 0, 0, 1, FEE_ROUND_DOWN, MAX_E, 0, 0, 0, 0},
	{"service on top", 1000000, 1, 0, 1, FEE_ROUND_DOWN, MAX_E, 0, 0, 0, 0},
	{"start on top", 1000000, 0, 1, 1, FEE_ROUND_DOWN, MAX_E, 0, 0, 0, 0},
	{"dearest of all", MAX_M, MAX_M, MAX_M, 1, FEE_ROUND_DOWN, MAX_E, 0, 0, 0, 0},
	{"dearest energy", MAX_M, 0, 0, 1, FEE_ROUND_DOWN, 1000001, 0, 0, 0, 0},
	{"rounded above", 1000000, 0, 0, 700000000, FEE_ROUND_UP, MAX_E, 0, 0, 0, 0},
	{"start rounded above", 0, 0, MAX_M, 700000000, FEE_ROUND_UP, 1, 0, 0, 0, 0},
	{"sum of two", 600000, 600000, 0, 1, FEE_ROUND_DOWN, MAX_E, 0, 0, 0, 0},
};

START_TEST(price_too_much)
{
	struct fee_tariff t = worked_tariff(&too_much[_i]);
	struct fee_bill bill, before;

	memset(&bill, 0x5a, sizeof(bill));
	before = bill;
	ck_assert_ptr_null(fee_tariff_fault(&t));
	ck_assert_msg(!fee_price(&t, too_much[_i].energy_mwh, &bill), "%s", too_much[_i].what);
	ck_assert_int_eq(memcmp(&bill, &before, sizeof(bill)), 0);
}
END_TEST

START_TEST(line_names)
{
	ck_assert_str_eq(fee_line_name(FEE_LINE_ENERGY), "energy");
	ck_assert_str_eq(fee_line_name(FEE_LINE_SERVICE), "service");
	ck_assert_str_eq(fee_line_name(FEE_LINE_START), "start");
}
END_TEST

/* ---- random tariffs against the pencil ---- */

static int64_t random_price(void)
{
	switch (random_below(4)) {
	case 0:
		return 0;
	case 1:
		return random_sized(MAX_M);
	default:
		return random_sized(10000000); /* up to 10 units */
	}
}

static struct fee_tariff random_tariff(void)
{
	static const int64_t quanta[] = {1, 2, 3, 7, 1000, 10000, 50000, 1000000, FEE_QUANTUM_MAX_MICROS};
	struct fee_tariff t = plain_tariff();

	t.energy_price_micros = random_price();
	t.service_price_micros = random_price();
	t.start_fee_micros = random_price();
	t.quantum_micros = quanta[random_below(COUNT(quanta))];
	if (!random_below(4))
		t.quantum_micros = 1 + random_sized(FEE_QUANTUM_MAX_MICROS - 1);
	t.rounding = (enum fee_rounding)random_below(3);
	return t;
}

/* Half of the time near an energy whose amount lies at a half or whole quantum, where rounding is decided. */
static int64_t random_energy(const struct fee_tariff *t)
{
	int64_t price = t->energy_price_micros, energy;

	if (!price || random_below(2))
		return random_sized(random_below(2) ? MAX_E : 100 * FEE_MWH_PER_KWH);
	energy = random_below(2000) * (t->quantum_micros * FEE_MWH_PER_KWH / price / 2) + random_below(3) - 1;
	return energy < 0 || energy > MAX_E ? random_sized(MAX_E) : energy;
}

/* One line by long division: price * quantity / per / quantum, rounded once. MAX_M + 1 for anything above MAX_M. */
static int64_t pencil_line(int64_t price, int64_t quantity, int64_t per, const struct fee_tariff *t)
{
	struct big n = big_mul((uint64_t)price, (uint64_t)quantity);
	uint64_t divisor = (uint64_t)per * (uint64_t)t->quantum_micros;
	uint64_t rest = big_divide(&n, (uint64_t)per), multiples;

	rest += big_divide(&n, (uint64_t)t->quantum_micros) * (uint64_t)per;
	if (n.limb[2] || n.limb[3] || n.limb[4])
		return MAX_M + 1;
	multiples = n.limb[1] * BASE + n.limb[0];
	if (t->rounding == FEE_ROUND_UP && rest > 0)
		multiples++;
	if (t->rounding == FEE_ROUND_HALF_UP && 2 * rest >= divisor)
		multiples++;
	return multiples > (uint64_t)(MAX_M / t->quantum_micros) ? MAX_M + 1 : (int64_t)multiples * t->quantum_micros;
}

struct pencil_bill {
	int64_t energy, service, start, total;
	bool too_much;
};

static int64_t pencil_amount(struct pencil_bill *p, int64_t price, int64_t quantity, int64_t per,
			     const struct fee_tariff *t)
{
	int64_t amount;

	if (!price)
		return NO_LINE;
	amount = pencil_line(price, quantity, per, t);
	p->total += amount;
	p->too_much = p->total > MAX_M;
	return amount;
}

static struct pencil_bill pencil_price(const struct fee_tariff *t, int64_t energy_mwh)
{
	struct pencil_bill p = {NO_LINE, NO_LINE, NO_LINE, 0, false};

	if (!energy_mwh)
		return p;
	p.energy = pencil_amount(&p, t->energy_price_micros, energy_mwh, FEE_MWH_PER_KWH, t);
	p.service = pencil_amount(&p, t->service_price_micros, energy_mwh, FEE_MWH_PER_KWH, t);
	p.start = pencil_amount(&p, t->start_fee_micros, 1, 1, t);
	return p;
}

static void require_bill(const struct fee_tariff *t, int64_t energy_mwh, const struct fee_bill *bill)
{
	struct pencil_bill p = pencil_price(t, energy_mwh);
	int64_t sum = 0;

	REQUIRE(!p.too_much, "priced although above the limit: " I64 " mWh", energy_mwh);
	require_line(bill, FEE_LINE_ENERGY, energy_mwh, t->energy_price_micros, p.energy);
	require_line(bill, FEE_LINE_SERVICE, energy_mwh, t->service_price_micros, p.service);
	require_line(bill, FEE_LINE_START, 1, t->start_fee_micros, p.start);
	for (size_t i = 0; i < bill->line_count; i++) {
		REQUIRE(bill->lines[i].amount_micros % t->quantum_micros == 0, "not a multiple of the quantum");
		sum += bill->lines[i].amount_micros;
	}
	REQUIRE(sum == bill->total_micros && sum == p.total,
		"lines " I64 ", total " I64 ", pencil " I64,
		sum,
		bill->total_micros,
		p.total);
}

START_TEST(price_random)
{
	random_state = 2;
	for (int i = 0; i < CASES; i++) {
		struct fee_tariff t = random_tariff();
		int64_t energy = random_energy(&t);
		struct fee_bill bill;

		REQUIRE(!fee_tariff_fault(&t), "%s", fee_tariff_fault(&t));
		if (fee_price(&t, energy, &bill))
			require_bill(&t, energy, &bill);
		else
			REQUIRE(pencil_price(&t, energy).too_much, "refused " I64 " mWh", energy);
	}
}
END_TEST

/* What cannot be priced counts as dearer than everything. */
static int64_t total_or_more(const struct fee_tariff *t, int64_t energy_mwh)
{
	struct fee_bill bill;

	return fee_price(t, energy_mwh, &bill) ? bill.total_micros : INT64_MAX;
}

START_TEST(price_never_falls)
{
	random_state = 3;
	for (int i = 0; i < CASES; i++) {
		struct fee_tariff t = random_tariff();
		int64_t low = random_energy(&t), high = low + random_sized(MAX_E - low);
		int64_t low_total = total_or_more(&t, low);

		REQUIRE(low_total <= total_or_more(&t, high), "falls between " I64 " and " I64 " mWh", low, high);
		if (low < MAX_E)
			REQUIRE(low_total <= total_or_more(&t, low + 1), "falls after " I64 " mWh", low);
	}
}
END_TEST

static const struct {
	const char *what;
	int64_t energy_price, service_price, start_fee, quantum;
	enum fee_rounding rounding;
	int64_t credit, affordable;
} affordables[] = {
	/* 1 / 0.62 = 1.61290322...; 1.000001 / 0.62 = 1.61290483...; 1.0000005 / 0.62 = 1.612904032... */
	{"micros, up", 620000, 0, 0, 1, FEE_ROUND_UP, 1000000, 1612903},
	{"micros, half up", 620000, 0, 0, 1, FEE_ROUND_HALF_UP, 1000000, 1612904},
	{"micros, down", 620000, 0, 0, 1, FEE_ROUND_DOWN, 1000000, 1612904},
	/* 1.00 / 0.62; below 1.005 / 0.62 = 1.62096774...; below 1.01 / 0.62 = 1.62903225... */
	{"cents, up", 620000, 0, 0, 10000, FEE_ROUND_UP, 1000000, 1612903},
	{"cents, half up", 620000, 0, 0, 10000, FEE_ROUND_HALF_UP, 1000000, 1620967},
	{"cents, down", 620000, 0, 0, 10000, FEE_ROUND_DOWN, 1000000, 1629032},
	/* 0.70 / 0.62 = 1.12903225... */
	{"with start fee", 620000, 0, 300000, 1, FEE_ROUND_UP, 1000000, 1129032},
	/* 1.000001 kWh: 0.62000062 and 0.38000038, down to 1; 1.000002 kWh: 0.62000124 is a micro more */
	{"with service", 620000, 380000, 0, 1, FEE_ROUND_DOWN, 1000000, 1000001},
	{"start fee too dear", 620000, 0, 1000001, 1, FEE_ROUND_UP, 1000000, 0},
	{"start fee and nothing", 620000, 0, 1000000, 1, FEE_ROUND_UP, 1000000, 0},
	/* below a micro: 1 / 0.62 = 1.6 */
	{"start fee and a free mWh", 620000, 0, 1000000, 1, FEE_ROUND_DOWN, 1000000, 1},
	{"no credit, up", 620000, 0, 0, 1, FEE_ROUND_UP, 0, 0},
	{"no credit, down", 620000, 0, 0, 10000, FEE_ROUND_DOWN, 0, 16129},
	{"debt", 620000, 0, 0, 10000, FEE_ROUND_DOWN, -1, 0},
	{"deep debt", 620000, 0, 0, 10000, FEE_ROUND_DOWN, INT64_MIN, 0},
	{"free", 0, 0, 0, 1, FEE_ROUND_UP, 0, MAX_E},
	{"start fee alone", 0, 0, 1000000, 1, FEE_ROUND_UP, 1000000, MAX_E},
	{"all for all", 1000000, 0, 0, 1, FEE_ROUND_UP, MAX_M, MAX_E},
	{"a micro short of all", 1000000, 0, 0, 1, FEE_ROUND_UP, MAX_M - 1, MAX_E - 1},
	{"more credit than money", 2000000, 0, 0, 1, FEE_ROUND_UP, INT64_MAX, MAX_E / 2},
	{"cheapest", 1, 0, 0, 1, FEE_ROUND_UP, 1, 1000000},
	{"dearest", MAX_M, 0, 0, 1, FEE_ROUND_UP, MAX_M, 1000000},
};

START_TEST(affordable_by_hand)
{
	struct fee_tariff t = plain_tariff();
	int64_t energy;

	t.energy_price_micros = affordables[_i].energy_price;
	t.service_price_micros = affordables[_i].service_price;
	t.start_fee_micros = affordables[_i].start_fee;
	t.quantum_micros = affordables[_i].quantum;
	t.rounding = affordables[_i].rounding;
	energy = fee_affordable_mwh(&t, affordables[_i].credit);
	ck_assert_msg(energy == affordables[_i].affordable,
		      "%s: " I64 ", not " I64,
		      affordables[_i].what,
		      energy,
		      affordables[_i].affordable);
}
END_TEST

/* Half of the time exactly some bill's total, or a micro beside it. */
static int64_t random_credit(const struct fee_tariff *t)
{
	int64_t total = total_or_more(t, random_energy(t));

	if (total > MAX_M || random_below(2))
		return random_sized(MAX_M);
	total += random_below(3) - 1;
	return total < 0 ? 0 : total;
}

/* By the pencil, so that a mistake that price and affordable share shows as well. */
static int64_t pencil_total(const struct fee_tariff *t, int64_t energy_mwh)
{
	struct pencil_bill p = pencil_price(t, energy_mwh);

	return p.too_much ? INT64_MAX : p.total;
}

START_TEST(affordable_random)
{
	random_state = 4;
	for (int i = 0; i < AFFORDABLE_CASES; i++) {
		struct fee_tariff t = random_tariff();
		int64_t credit = random_credit(&t), energy = fee_affordable_mwh(&t, credit);

		REQUIRE(energy >= 0 && energy <= MAX_E, "out of range: " I64, energy);
		REQUIRE(pencil_total(&t, energy) <= credit, I64 " mWh cost more than " I64, energy, credit);
		if (energy < MAX_E)
			REQUIRE(pencil_total(&t, energy + 1) > credit, I64 " pays for more than " I64, credit, energy);
	}
}
END_TEST

static Suite *feecontrol_suite(void)
{
	Suite *suite = suite_create("feecontrol");
	TCase *units = tcase_create("units"), *tariff = tcase_create("tariff"), *price = tcase_create("price");

	tcase_set_timeout(units, 60);
	tcase_add_loop_test(units, mul_div_by_hand, 0, (int)COUNT(products));
	tcase_add_loop_test(units, mul_div_overflow, 0, (int)COUNT(overflows));
	tcase_add_test(units, mul_div_random);
	tcase_add_loop_test(units, round_to_by_hand, 0, (int)COUNT(rounds));
	tcase_add_test(tariff, tariff_accepted);
	tcase_add_loop_test(tariff, tariff_bad_numbers, 0, (int)COUNT(bad_numbers));
	tcase_add_test(tariff, tariff_bad_words);
	tcase_set_timeout(price, 60);
	tcase_add_loop_test(price, price_by_hand, 0, (int)COUNT(worked));
	tcase_add_loop_test(price, price_too_much, 0, (int)COUNT(too_much));
	tcase_add_test(price, line_names);
	tcase_add_test(price, price_random);
	tcase_add_test(price, price_never_falls);
	tcase_add_loop_test(price, affordable_by_hand, 0, (int)COUNT(affordables));
	tcase_add_test(price, affordable_random);
	suite_add_tcase(suite, units);
	suite_add_tcase(suite, tariff);
	suite_add_tcase(suite, price);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(feecontrol_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
