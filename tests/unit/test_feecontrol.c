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

/* A flat tariff's energy is all at one rate. */
static bool price_flat(const struct fee_tariff *t, int64_t energy_mwh, struct fee_bill *bill)
{
	struct fee_energy energy = {{energy_mwh}};

	return fee_price(t, &energy, bill);
}

static int64_t affordable_flat(const struct fee_tariff *t, int64_t credit)
{
	struct fee_energy none = {{0}};

	return fee_affordable_mwh(t, &none, 0, credit);
}

START_TEST(price_by_hand)
{
	const struct worked *w = &worked[_i];
	struct fee_tariff t = worked_tariff(w);
	struct fee_bill bill;

	ck_assert_ptr_null(fee_tariff_fault(&t));
	ck_assert_msg(price_flat(&t, w->energy_mwh, &bill), "%s", w->what);
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
	ck_assert_msg(!price_flat(&t, too_much[_i].energy_mwh, &bill), "%s", too_much[_i].what);
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
		if (price_flat(&t, energy, &bill))
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

	return price_flat(t, energy_mwh, &bill) ? bill.total_micros : INT64_MAX;
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
	energy = affordable_flat(&t, affordables[_i].credit);
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
		int64_t credit = random_credit(&t), energy = affordable_flat(&t, credit);

		REQUIRE(energy >= 0 && energy <= MAX_E, "out of range: " I64, energy);
		REQUIRE(pencil_total(&t, energy) <= credit, I64 " mWh cost more than " I64, energy, credit);
		if (energy < MAX_E)
			REQUIRE(pencil_total(&t, energy + 1) > credit, I64 " pays for more than " I64, credit, energy);
	}
}
END_TEST

/* ---- tariffs by time of use ---- */

/* UTC+8: valley 23:00-07:00 (across midnight), peak 08:00-11:30, flat otherwise. */
static struct fee_tariff day_tariff(void)
{
	struct fee_tariff t = plain_tariff();

	t.energy_price_micros = 0;
	t.utc_offset_min = 480;
	t.rate_count = 3;
	t.rates[0] = (struct fee_rate){"valley", 300000};
	t.rates[1] = (struct fee_rate){"flat", 600000};
	t.rates[2] = (struct fee_rate){"peak", 1000000};
	t.period_count = 5;
	t.periods[0] = (struct fee_period){0, 0};
	t.periods[1] = (struct fee_period){420, 1};
	t.periods[2] = (struct fee_period){480, 2};
	t.periods[3] = (struct fee_period){690, 1};
	t.periods[4] = (struct fee_period){1380, 0};
	t.service_price_micros = 0;
	t.start_fee_micros = 0;
	t.quantum_micros = 1;
	t.rounding = FEE_ROUND_HALF_UP;
	return t;
}

#define MIN_MS INT64_C(60000)
#define DAY_MS (1440 * MIN_MS)
#define MIDNIGHT_UTC_MS (INT64_C(1800000000000) / DAY_MS * DAY_MS) /* a midnight in UTC: 08:00 on the local clock */

static const struct {
	int64_t local_min; /* of the day; -1 is a minute before it */
	uint32_t rate;
	int64_t change_min; /* the next change, from the same midnight */
} times[] = {
	{-1, 0, 420},
	{0, 0, 420},
	{419, 0, 420},
	{420, 1, 480},
	{479, 1, 480},
	{480, 2, 690},
	{689, 2, 690},
	{690, 1, 1380},
	{1379, 1, 1380},
	{1380, 0, 1860},
	{1439, 0, 1860},
};

START_TEST(rate_by_time)
{
	struct fee_tariff t = day_tariff();
	int64_t midnight = MIDNIGHT_UTC_MS - 480 * MIN_MS; /* of the local clock */
	int64_t wall = midnight + times[_i].local_min * MIN_MS;

	ck_assert_ptr_null(fee_tariff_fault(&t));
	ck_assert(fee_by_time(&t));
	ck_assert_uint_eq(fee_rate_at(&t, wall), times[_i].rate);
	ck_assert_uint_eq(fee_rate_at(&t, wall + MIN_MS - 1), times[_i].rate);
	ck_assert_int_eq(fee_next_change_ms(&t, wall), midnight + times[_i].change_min * MIN_MS);
	ck_assert_int_eq(fee_next_change_ms(&t, wall - 400 * DAY_MS),
			 midnight + times[_i].change_min * MIN_MS - 400 * DAY_MS);
}
END_TEST

START_TEST(rates_that_never_change)
{
	struct fee_tariff t = day_tariff();

	ck_assert_uint_eq(fee_cheapest_rate(&t), 0);
	ck_assert_uint_eq(fee_dearest_rate(&t), 2);
	for (uint32_t i = 0; i < t.period_count; i++)
		t.periods[i].rate = 1;
	ck_assert_int_eq(fee_next_change_ms(&t, MIDNIGHT_UTC_MS), FEE_NEVER_MS);
	ck_assert_uint_eq(fee_cheapest_rate(&t), 1); /* what never applies is nobody's cheapest */
	ck_assert_uint_eq(fee_dearest_rate(&t), 1);
	t = plain_tariff();
	ck_assert(!fee_by_time(&t));
	ck_assert_uint_eq(fee_rate_at(&t, MIDNIGHT_UTC_MS), 0);
	ck_assert_int_eq(fee_next_change_ms(&t, MIDNIGHT_UTC_MS), FEE_NEVER_MS);
	ck_assert_uint_eq(fee_rates(&t), 1);
	ck_assert_int_eq(fee_rate_price(&t, 0), t.energy_price_micros);
}
END_TEST

/* 1.234 kWh valley, 2 kWh flat, nothing at peak; each line is rounded by itself. */
START_TEST(price_by_rate)
{
	struct fee_tariff t = day_tariff();
	struct fee_energy energy = {{1234000, 2000000}};
	struct fee_bill bill;

	t.quantum_micros = 10000;
	t.service_price_micros = 50000;
	t.start_fee_micros = 100000;
	ck_assert(fee_price(&t, &energy, &bill));
	ck_assert_uint_eq(bill.line_count, 4);
	ck_assert_uint_eq(bill.lines[0].rate, 0);
	ck_assert_int_eq(bill.lines[0].quantity, 1234000);
	ck_assert_int_eq(bill.lines[0].amount_micros, 370000); /* 0.3702 */
	ck_assert_uint_eq(bill.lines[1].rate, 1);
	ck_assert_int_eq(bill.lines[1].amount_micros, 1200000);
	ck_assert_int_eq(bill.lines[2].kind, FEE_LINE_SERVICE);
	ck_assert_int_eq(bill.lines[2].amount_micros, 160000); /* 3.234 * 0.05 = 0.1617 */
	ck_assert_int_eq(bill.lines[3].kind, FEE_LINE_START);
	ck_assert_int_eq(bill.total_micros, 1830000);
	ck_assert_int_eq(fee_energy_total(&energy), 3234000);
}
END_TEST

/* With 1 kWh of valley behind it, 0.90 pay for 0.6 kWh at peak, 1 kWh flat or 2 kWh more of valley. */
START_TEST(affordable_by_rate)
{
	struct fee_tariff t = day_tariff();
	struct fee_energy used = {{1000000}};

	ck_assert_int_eq(fee_affordable_mwh(&t, &used, 0, 900000), 3000001); /* half a micro is still paid */
	ck_assert_int_eq(fee_affordable_mwh(&t, &used, 1, 900000), 2000000);
	ck_assert_int_eq(fee_affordable_mwh(&t, &used, 2, 900000), 1600000);
	ck_assert_int_eq(fee_affordable_mwh(&t, &used, 2, 300000), 1000000);
	ck_assert_int_le(fee_affordable_mwh(&t, &used, 2, 299999), 1000000);
	ck_assert_int_eq(fee_affordable_mwh(&t, &used, 2, -1), 0);
}
END_TEST

/* Whatever flows next at whatever rate, what is affordable costs no more than the credit, and a little more does. */
START_TEST(affordable_by_rate_random)
{
	random_state = 5;
	for (int i = 0; i < AFFORDABLE_CASES; i++) {
		struct fee_tariff t = day_tariff();
		struct fee_energy used = {{(int64_t)random_below(3000000), (int64_t)random_below(3000000)}};
		uint32_t rate = (uint32_t)random_below(3);
		int64_t credit = (int64_t)random_below(9000000);
		struct fee_bill bill;
		struct fee_energy then = used;

		t.quantum_micros = random_below(2) ? 10000 : 1;
		int64_t total = fee_affordable_mwh(&t, &used, rate, credit);
		int64_t others = fee_energy_total(&used) - used.mwh[rate];
		REQUIRE(total >= others, "less than is used already");
		then.mwh[rate] = total - others;
		REQUIRE(fee_price(&t, &then, &bill), "cannot be priced");
		REQUIRE(bill.total_micros <= credit || total == others, I64 " costs more than " I64, total, credit);
		then.mwh[rate]++;
		REQUIRE(fee_price(&t, &then, &bill) && bill.total_micros > credit, "more than " I64 " is paid", total);
	}
}
END_TEST

/* The headroom covers a change of the rate within what nobody sees. */
START_TEST(headroom_covers_a_change)
{
	random_state = 6;
	for (int i = 0; i < CASES / 10; i++) {
		struct fee_tariff t = day_tariff();
		struct fee_energy used = {{(int64_t)random_below(3000000), (int64_t)random_below(3) * 400000}};
		struct fee_bill before, after;
		int64_t more = (int64_t)random_below(50000), part = (int64_t)random_below((uint64_t)more + 1);

		t.quantum_micros = random_below(2) ? 10000 : 1;
		t.start_fee_micros = (int64_t)random_below(100000);
		t.service_price_micros = (int64_t)random_below(100000);
		t.rounding = (enum fee_rounding)random_below(3);
		int64_t headroom = fee_headroom_micros(&t, fee_energy_total(&used), more);
		REQUIRE(fee_price(&t, &used, &before), "cannot be priced");
		uint32_t from = (uint32_t)random_below(3), to = (uint32_t)random_below(3);
		used.mwh[from] += part;
		used.mwh[to] += more - part;
		REQUIRE(fee_price(&t, &used, &after), "cannot be priced");
		REQUIRE(after.total_micros - before.total_micros <= headroom, "it costs more than " I64, headroom);
	}
}
END_TEST

/* Energy of a rate that the tariff does not have is nobody's gift. */
START_TEST(energy_of_no_rate_has_no_price)
{
	struct fee_tariff t = day_tariff();
	struct fee_energy energy = {{1000000, 0, 0, 1}};
	struct fee_bill bill = {.total_micros = -7};

	ck_assert(!fee_price(&t, &energy, &bill));
	ck_assert_int_eq(bill.total_micros, -7);
	energy.mwh[3] = 0;
	ck_assert(fee_price(&t, &energy, &bill));
	t = plain_tariff();
	energy.mwh[FEE_RATES_MAX - 1] = 1;
	ck_assert(!fee_price(&t, &energy, &bill));
}
END_TEST

static void no_rates(struct fee_tariff *t)
{
	t->rate_count = 0;
}
static void flat_price_too(struct fee_tariff *t)
{
	t->energy_price_micros = 1;
}
static void too_many_rates(struct fee_tariff *t)
{
	t->rate_count = FEE_RATES_MAX + 1;
}
static void nameless(struct fee_tariff *t)
{
	t->rates[1].name[0] = '\0';
}
static void endless_name(struct fee_tariff *t)
{
	memset(t->rates[2].name, 'x', sizeof t->rates[2].name);
}
static void same_name(struct fee_tariff *t)
{
	memcpy(t->rates[2].name, t->rates[0].name, sizeof t->rates[2].name);
}
static void unused_rate(struct fee_tariff *t)
{
	t->periods[2].rate = 1;
}
static void negative(struct fee_tariff *t)
{
	t->rates[2].price_micros = -1;
}
static void dear(struct fee_tariff *t)
{
	t->rates[0].price_micros = FEE_MONEY_MAX_MICROS + 1;
}
static void far_away(struct fee_tariff *t)
{
	t->utc_offset_min = 1441;
}
static void no_periods(struct fee_tariff *t)
{
	t->period_count = 0;
}
static void too_many_periods(struct fee_tariff *t)
{
	t->period_count = FEE_PERIODS_MAX + 1;
}
static void late_first(struct fee_tariff *t)
{
	t->periods[0].from_min = 1;
}
static void no_such_rate(struct fee_tariff *t)
{
	t->periods[3].rate = 3;
}
static void backwards(struct fee_tariff *t)
{
	t->periods[3].from_min = 400;
}
static void too_near(struct fee_tariff *t)
{
	t->periods[3].from_min = 494;
}
static void too_near_the_end(struct fee_tariff *t)
{
	t->periods[4].from_min = 1426;
}
static void next_day(struct fee_tariff *t)
{
	t->periods[4].from_min = 1440;
}
static void huge(struct fee_tariff *t)
{
	t->periods[2].from_min = UINT32_MAX;
}

static const struct {
	void (*spoil)(struct fee_tariff *t);
	const char *field;
} bad_rates[] = {
	{no_rates, "rates"},
	{flat_price_too, "energy_price"},
	{too_many_rates, "rates"},
	{nameless, "name"},
	{endless_name, "name"},
	{same_name, "no other rate's"},
	{unused_rate, "rate of a period"},
	{negative, "price_micros"},
	{dear, "price_micros"},
	{far_away, "utc_offset"},
	{no_periods, "periods"},
	{too_many_periods, "periods"},
	{late_first, "from_min"},
	{no_such_rate, "rate"},
	{backwards, "from_min"},
	{too_near, "from_min"},
	{too_near_the_end, "from_min"},
	{next_day, "from_min"},
	{huge, "from_min"},
};

START_TEST(tariff_bad_rates)
{
	struct fee_tariff t = day_tariff();
	const char *fault;

	bad_rates[_i].spoil(&t);
	fault = fee_tariff_fault(&t);
	ck_assert_ptr_nonnull(fault);
	ck_assert_msg(strstr(fault, bad_rates[_i].field) != NULL, "%s", fault);
}
END_TEST

static Suite *feecontrol_suite(void)
{
	TCase *times_case = tcase_create("time of use");
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
	tcase_add_loop_test(times_case, rate_by_time, 0, (int)COUNT(times));
	tcase_add_test(times_case, rates_that_never_change);
	tcase_add_test(times_case, price_by_rate);
	tcase_add_test(times_case, affordable_by_rate);
	tcase_add_test(times_case, affordable_by_rate_random);
	tcase_add_test(times_case, headroom_covers_a_change);
	tcase_add_test(times_case, energy_of_no_rate_has_no_price);
	tcase_add_loop_test(times_case, tariff_bad_rates, 0, (int)COUNT(bad_rates));
	tcase_set_timeout(times_case, 60);
	suite_add_tcase(suite, times_case);
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
