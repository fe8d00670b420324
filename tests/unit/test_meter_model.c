/* Tests hal/core's meter models: each encoding by a table and by numbers that the test computes in another way, the
 * meter's clock, and every contradiction that a model may have. The bytes of Modbus meters are those of
 * tests/frames/modbus-rtu.tsv. */
#include <check.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "meter_model.h"
#include "meter_state.h"

#define I64 "%" PRId64
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UNTOUCHED INT64_C(-4711)

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

/* 1 to 10^12, of every length. */
static int64_t random_scale(void)
{
	int64_t limit = 1;

	for (uint64_t digits = random_u64() % 13; digits > 0; digits--)
		limit *= 10;
	return 1 + (int64_t)(random_u64() % (uint64_t)limit);
}

/* From a block of exactly that length, so that a byte read too far is seen. */
static enum meter_value decode(const struct meter_item *item, const uint8_t *bytes, size_t count, int64_t *value)
{
	uint8_t *block = malloc(count > 0 ? count : 1);

	REQUIRE(block != NULL, "out of memory");
	memcpy(block, bytes, count);

	enum meter_value kind = meter_decode(item, block, count, value);

	free(block);
	return kind;
}

/* ---- decoding ---- */

static const struct {
	struct meter_item item;
	uint8_t bytes[16];
	size_t count;
	enum meter_value kind;
	int64_t value;
} decodings[] = {
#define BCD(size, multiplier, divisor)                                                                                 \
	{                                                                                                              \
		true, 0, 0, 0, 0, size, ENCODING_BCD, false, multiplier, divisor                                       \
	}
#define SIGNED_BCD(offset, size, multiplier, divisor)                                                                  \
	{                                                                                                              \
		true, 0, 0, 0, offset, size, ENCODING_BCD_SIGNED, false, multiplier, divisor                           \
	}
#define BITS(size)                                                                                                     \
	{                                                                                                              \
		true, 0, 0, 0, 0, size, ENCODING_BITS, false, 1, 1                                                     \
	}
#define REGISTERS(encoding, size, multiplier, divisor)                                                                 \
	{                                                                                                              \
		true, 0, 3, 0, 0, size, encoding, false, multiplier, divisor                                           \
	}
#define SWAPPED(encoding, multiplier, divisor)                                                                         \
	{                                                                                                              \
		true, 0, 3, 0, 0, 4, encoding, true, multiplier, divisor                                               \
	}
#define FLOAT(multiplier, divisor) REGISTERS(ENCODING_FLOAT32, 4, multiplier, divisor)
	/* DL/T 645: 123456.78 kWh, 230.5 V, 49.98 Hz, an absent phase, no BCD, too short */
	{BCD(4, 10000, 1), {0x78, 0x56, 0x34, 0x12}, 4, METER_VALUE, INT64_C(123456780000)},
	{BCD(2, 100, 1), {0x05, 0x23}, 2, METER_VALUE, 230500},
	{BCD(2, 10, 1), {0x98, 0x49}, 2, METER_VALUE, 49980},
	{BCD(2, 100, 1), {0xFF, 0xFF}, 2, METER_ABSENT, 0},
	{BCD(2, 100, 1), {0xFF, 0x23}, 2, METER_UNREADABLE, 0},
	{BCD(2, 100, 1), {0x0A, 0x23}, 2, METER_UNREADABLE, 0},
	{BCD(4, 10000, 1), {0x78, 0x56, 0x34}, 3, METER_UNREADABLE, 0},
	{BCD(4, 10000, 1), {0}, 0, METER_UNREADABLE, 0},
	{BCD(1, 1, 1), {0x07}, 1, METER_VALUE, 7},
	{BCD(9, 1, 1), {0}, 9, METER_UNREADABLE, 0},
	{BCD(0, 1, 1), {0}, 4, METER_UNREADABLE, 0},
	/* -1.2345 kW, -5.123 A, -123.45 kWh, and what lies behind others in a block */
	{SIGNED_BCD(0, 3, 100, 1), {0x45, 0x23, 0x81}, 3, METER_VALUE, -1234500},
	{SIGNED_BCD(0, 3, 1, 1), {0x23, 0x51, 0x80}, 3, METER_VALUE, -5123},
	{SIGNED_BCD(0, 4, 10000, 1), {0x45, 0x23, 0x01, 0x80}, 4, METER_VALUE, -123450000},
	{SIGNED_BCD(0, 3, 1, 1), {0xFF, 0xFF, 0xFF}, 3, METER_ABSENT, 0},
	{SIGNED_BCD(3, 3, 1, 1), {0xFF, 0xFF, 0xFF, 0x23, 0x51, 0x00}, 6, METER_VALUE, 5123},
	{SIGNED_BCD(3, 3, 1, 1), {0x23, 0x51, 0x00, 0xFF, 0xFF, 0xFF}, 6, METER_ABSENT, 0},
	{SIGNED_BCD(3, 3, 1, 1), {0x23, 0x51, 0x00, 0x23, 0x51}, 5, METER_UNREADABLE, 0},
	{SIGNED_BCD(255, 3, 1, 1), {0x23, 0x51, 0x00}, 3, METER_UNREADABLE, 0},
	/* beyond 10^15, and just not */
	{BCD(8, 1, 1), {0, 0, 0, 0, 0, 0, 0, 0x10}, 8, METER_VALUE, INT64_C(1000000000000000)},
	{BCD(8, 1, 1), {1, 0, 0, 0, 0, 0, 0, 0x10}, 8, METER_UNREADABLE, 0},
	{SIGNED_BCD(0, 8, 1, 1), {0, 0, 0, 0, 0, 0, 0, 0x90}, 8, METER_VALUE, -INT64_C(1000000000000000)},
	{SIGNED_BCD(0, 8, 1, 1), {1, 0, 0, 0, 0, 0, 0, 0x90}, 8, METER_UNREADABLE, 0},
	{BCD(8, 1, 100), {0x49, 0, 0, 0, 0, 0, 0, 0x10}, 8, METER_VALUE, INT64_C(10000000000000)},
	{BCD(8, 1, 100), {0x50, 0, 0, 0, 0, 0, 0, 0x10}, 8, METER_VALUE, INT64_C(10000000000001)},
	{BCD(8, INT64_C(1000000000000), 1), {1, 0, 0, 0, 0, 0, 0, 0}, 8, METER_VALUE, INT64_C(1000000000000)},
	{BCD(8, INT64_C(1000000000000), 1), {0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99}, 8, METER_UNREADABLE, 0},
	{BCD(8, INT64_C(1000000000000), INT64_C(1000000000000)),
	 {0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x09},
	 8,
	 METER_VALUE,
	 INT64_C(999999999999999)},
	/* halves go away from zero */
	{BCD(1, 1, 2), {0x03}, 1, METER_VALUE, 2},
	{BCD(1, 1, 4), {0x05}, 1, METER_VALUE, 1},
	{BCD(1, 1, 4), {0x06}, 1, METER_VALUE, 2},
	{SIGNED_BCD(0, 1, 1, 2), {0x83}, 1, METER_VALUE, -2},
	{SIGNED_BCD(0, 1, 1, 2), {0x81}, 1, METER_VALUE, -1},
	{SIGNED_BCD(0, 1, 1, 4), {0x85}, 1, METER_VALUE, -1},
	{SIGNED_BCD(0, 1, 1, 3), {0x82}, 1, METER_VALUE, -1},
	{SIGNED_BCD(0, 1, 1, 3), {0x81}, 1, METER_VALUE, 0},
	{BCD(1, 1, INT64_C(1000000000000)), {0x99}, 1, METER_VALUE, 0},
	/* status word 3: 0050H */
	{BITS(2), {0x50, 0x00}, 2, METER_VALUE, 0x0050},
	{BITS(2), {0x01, 0x80}, 2, METER_VALUE, 0x8001},
	{BITS(4), {0x01, 0x02, 0x03, 0xFF}, 4, METER_VALUE, INT64_C(0xFF030201)},
	{BITS(1), {0xFE}, 1, METER_VALUE, 0xFE},
	{BITS(2), {0xFF, 0xFF}, 2, METER_ABSENT, 0},
	{BITS(2), {0x50}, 1, METER_UNREADABLE, 0},
	/* registers; Acrel: 230.2 V, 5.12 A, -1.179 kW, 1234.56 kWh */
	{REGISTERS(ENCODING_U16, 2, 100, 1), {0x08, 0xFE}, 2, METER_VALUE, 230200},
	{REGISTERS(ENCODING_U16, 2, 10, 1), {0x02, 0x00}, 2, METER_VALUE, 5120},
	{REGISTERS(ENCODING_S16, 2, 1000, 1), {0xFB, 0x65}, 2, METER_VALUE, -1179000},
	{REGISTERS(ENCODING_U32, 4, 10000, 1), {0x00, 0x01, 0xE2, 0x40}, 4, METER_VALUE, 1234560000},
	{REGISTERS(ENCODING_U16, 2, 1, 1), {0xFF, 0xFE}, 2, METER_VALUE, 65534},
	{REGISTERS(ENCODING_U16, 2, 1, 1), {0xFF, 0xFF}, 2, METER_ABSENT, 0},
	{REGISTERS(ENCODING_S16, 2, 1, 1), {0xFF, 0xFF}, 2, METER_VALUE, -1},
	{REGISTERS(ENCODING_S16, 2, 1, 1), {0x80, 0x00}, 2, METER_VALUE, -32768},
	{REGISTERS(ENCODING_U32, 4, 1, 1), {0xFF, 0xFF, 0xFF, 0xFE}, 4, METER_VALUE, INT64_C(4294967294)},
	{REGISTERS(ENCODING_U32, 4, 1, 1), {0xFF, 0xFF, 0xFF, 0xFF}, 4, METER_ABSENT, 0},
	{REGISTERS(ENCODING_S32, 4, 1, 1), {0xFF, 0xFF, 0xFF, 0xFF}, 4, METER_VALUE, -1},
	{REGISTERS(ENCODING_S32, 4, 1, 1), {0x80, 0x00, 0x00, 0x00}, 4, METER_VALUE, INT64_C(-2147483648)},
	{REGISTERS(ENCODING_S32, 4, 1, 1), {0x7F, 0xFF, 0xFF, 0xFF}, 4, METER_VALUE, 2147483647},
	{REGISTERS(ENCODING_S32, 4, 1, 2), {0xFF, 0xFF, 0xFF, 0xFD}, 4, METER_VALUE, -2},
	{REGISTERS(ENCODING_U32, 4, 1, 1), {0x00, 0x01, 0xE2}, 3, METER_UNREADABLE, 0},
	{REGISTERS(ENCODING_U16, 4, 1, 1), {0x00, 0x01, 0xE2, 0x40}, 4, METER_UNREADABLE, 0},
	{REGISTERS(ENCODING_U32, 2, 1, 1), {0x00, 0x01, 0xE2, 0x40}, 4, METER_UNREADABLE, 0},
	{SWAPPED(ENCODING_U32, 1, 1), {0xE2, 0x40, 0x00, 0x01}, 4, METER_VALUE, 123456},
	{SWAPPED(ENCODING_S32, 1, 1), {0xFF, 0xFE, 0xFF, 0xFF}, 4, METER_VALUE, -2},
	{SWAPPED(ENCODING_FLOAT32, 1000, 1), {0x33, 0x33, 0x43, 0x66}, 4, METER_VALUE, 230200},
	/* SDM120: 230.2 V, -1179.3 W, 49.98 Hz, 1242.06 kWh as near as a float comes */
	{FLOAT(1000, 1), {0x43, 0x66, 0x33, 0x33}, 4, METER_VALUE, 230200},
	{FLOAT(1000, 1), {0xC4, 0x93, 0x69, 0x9A}, 4, METER_VALUE, -1179300},
	{FLOAT(1000, 1), {0x42, 0x47, 0xEB, 0x85}, 4, METER_VALUE, 49980},
	{FLOAT(1000000, 1), {0x44, 0x9B, 0x41, 0xEC}, 4, METER_VALUE, 1242060059},
	/* 0.5, 1.5, 2.5, -0.5, -2.5, the float below 0.5 */
	{FLOAT(1, 1), {0x3F, 0x00, 0, 0}, 4, METER_VALUE, 1},
	{FLOAT(1, 1), {0x3F, 0xC0, 0, 0}, 4, METER_VALUE, 2},
	{FLOAT(1, 1), {0x40, 0x20, 0, 0}, 4, METER_VALUE, 3},
	{FLOAT(1, 1), {0xBF, 0x00, 0, 0}, 4, METER_VALUE, -1},
	{FLOAT(1, 1), {0xC0, 0x20, 0, 0}, 4, METER_VALUE, -3},
	{FLOAT(1, 1), {0x3E, 0xFF, 0xFF, 0xFF}, 4, METER_VALUE, 0},
	{FLOAT(1, 1), {0xBE, 0xFF, 0xFF, 0xFF}, 4, METER_VALUE, 0},
	/* zero, its negative, the smallest of all, the largest subnormal, 2^-40 x 10^12 = 0.909... */
	{FLOAT(1, 1), {0, 0, 0, 0}, 4, METER_VALUE, 0},
	{FLOAT(1000, 1), {0x80, 0, 0, 0}, 4, METER_VALUE, 0},
	{FLOAT(INT64_C(1000000000000), 1), {0, 0, 0, 1}, 4, METER_VALUE, 0},
	{FLOAT(INT64_C(1000000000000), 1), {0x80, 0x7F, 0xFF, 0xFF}, 4, METER_VALUE, 0},
	{FLOAT(INT64_C(1000000000000), 1), {0x2B, 0x80, 0, 0}, 4, METER_VALUE, 1},
	/* not a number (quiet, signalling, all bits), infinite */
	{FLOAT(1000, 1), {0x7F, 0xC0, 0, 0}, 4, METER_ABSENT, 0},
	{FLOAT(1000, 1), {0x7F, 0x80, 0, 1}, 4, METER_ABSENT, 0},
	{FLOAT(1000, 1), {0xFF, 0xFF, 0xFF, 0xFF}, 4, METER_ABSENT, 0},
	{FLOAT(1000, 1), {0x7F, 0x80, 0, 0}, 4, METER_ABSENT, 0},
	{FLOAT(1000, 1), {0xFF, 0x80, 0, 0}, 4, METER_ABSENT, 0},
	/* 2^49, 2^50 (above 10^15), the largest of all, alone and divided; 2^84 / 10^12 */
	{FLOAT(1, 1), {0x58, 0, 0, 0}, 4, METER_VALUE, INT64_C(562949953421312)},
	{FLOAT(1, 1), {0x58, 0x80, 0, 0}, 4, METER_UNREADABLE, 0},
	{FLOAT(1, 1), {0xD8, 0x80, 0, 0}, 4, METER_UNREADABLE, 0},
	{FLOAT(INT64_C(1000000000000), 1), {0x7F, 0x7F, 0xFF, 0xFF}, 4, METER_UNREADABLE, 0},
	{FLOAT(1, INT64_C(1000000000000)), {0x7F, 0x7F, 0xFF, 0xFF}, 4, METER_UNREADABLE, 0},
	{FLOAT(1, INT64_C(1000000000000)), {0x69, 0x80, 0, 0}, 4, METER_VALUE, INT64_C(19342813113834)},
	{FLOAT(1, 1), {0x43, 0x66, 0x33}, 3, METER_UNREADABLE, 0},
	/* no number at all */
	{{true, 0, 0, 0, 0, 4, ENCODING_BCD_TEXT, false, 1, 1}, {1, 2, 3, 4}, 4, METER_UNREADABLE, 0},
};

START_TEST(decode_table)
{
	int64_t value = UNTOUCHED;
	enum meter_value kind = decode(&decodings[_i].item, decodings[_i].bytes, decodings[_i].count, &value);

	REQUIRE(kind == decodings[_i].kind, "%d: %d, not %d (" I64 ")", _i, kind, decodings[_i].kind, value);
	REQUIRE(value == (kind == METER_VALUE ? decodings[_i].value : UNTOUCHED), "%d: " I64, _i, value);
}
END_TEST

/* What meter_decode() must say of raw x multiplier / divisor, where the product fits into 62 bits. */
static enum meter_value expect_scaled(int64_t raw, int64_t multiplier, int64_t divisor, int64_t *value)
{
	bool negative = raw < 0;
	uint64_t product = (uint64_t)(negative ? -raw : raw) * (uint64_t)multiplier;
	uint64_t rounded = (2 * product + (uint64_t)divisor) / (2 * (uint64_t)divisor);

	if (rounded > UINT64_C(1000000000000000))
		return METER_UNREADABLE;
	*value = negative ? -(int64_t)rounded : (int64_t)rounded;
	return METER_VALUE;
}

START_TEST(decode_random_integers)
{
	unsigned in_range = 0;

	random_state = 16;
	for (unsigned round = 0; round < 200000; round++) {
		struct meter_item item = {true, 0, 3, 0, 0, 4, ENCODING_S32, false, random_scale(), random_scale()};
		int32_t raw = (int32_t)((uint32_t)random_u64() >> random_u64() % 32);

		item.multiplier = 1 + item.multiplier % INT64_C(1000000000);

		int64_t wanted = UNTOUCHED, value = UNTOUCHED;

		raw = raw != INT32_MIN && random_u64() & 1 ? -raw : raw;

		uint32_t bits = (uint32_t)raw;
		const uint8_t bytes[] = {
			(uint8_t)(bits >> 24), (uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
		enum meter_value kind = expect_scaled(raw, item.multiplier, item.divisor, &wanted);

		REQUIRE(meter_decode(&item, bytes, sizeof(bytes), &value) == kind && value == wanted,
			"%" PRId32 " x " I64 " / " I64 " is " I64 ", not " I64,
			raw,
			item.multiplier,
			item.divisor,
			value,
			wanted);
		in_range += kind == METER_VALUE;
	}
	ck_assert_uint_gt(in_range, 100000);
}
END_TEST

static void put_float(float number, uint8_t bytes[4])
{
	uint32_t bits;

	memcpy(&bits, &number, sizeof(bits));
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(bits >> (24 - 8 * i));
}

/* By how much a product and a quotient of long doubles may be wrong; how precise those are depends on the machine. */
static long double slack_of(long double truth)
{
	return (truth < 0 ? -truth : truth) * 4 * __LDBL_EPSILON__;
}

/* Whether value is the true quotient's nearest integer. */
static bool is_near(long double truth, int64_t value)
{
	long double apart = truth - (long double)value;

	return (apart < 0 ? -apart : apart) <= 0.5L + slack_of(truth);
}

START_TEST(decode_random_floats)
{
	unsigned in_range = 0;

	random_state = 754;
	for (unsigned round = 0; round < 400000; round++) {
		struct meter_item item = {true, 0, 4, 0, 0, 4, ENCODING_FLOAT32, false, random_scale(), random_scale()};
		uint32_t bits = (uint32_t)random_u64();
		int64_t value = UNTOUCHED;
		float number;

		if (round % 2 == 0) /* the meters' range: 2^-40 to 2^60 */
			bits = (bits & UINT32_C(0x807FFFFF)) | (uint32_t)(87 + random_u64() % 100) << 23;
		memcpy(&number, &bits, sizeof(number));

		const uint8_t bytes[] = {
			(uint8_t)(bits >> 24), (uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
		enum meter_value kind = meter_decode(&item, bytes, sizeof(bytes), &value);

		if ((bits >> 23 & 0xFF) == 0xFF) {
			REQUIRE(kind == METER_ABSENT && value == UNTOUCHED, "%08" PRIX32 ": %d", bits, kind);
			continue;
		}

		long double truth = (long double)number * (long double)item.multiplier / (long double)item.divisor;

		if (kind == METER_VALUE)
			REQUIRE(is_near(truth, value),
				"%08" PRIX32 " x " I64 " / " I64 " is not " I64,
				bits,
				item.multiplier,
				item.divisor,
				value);
		else
			REQUIRE(kind == METER_UNREADABLE && value == UNTOUCHED &&
					(truth < 0 ? -truth : truth) >= 1e15L + 0.5L - slack_of(truth),
				"%08" PRIX32 " x " I64 " / " I64 ": %d",
				bits,
				item.multiplier,
				item.divisor,
				kind);
		in_range += kind == METER_VALUE;
	}
	ck_assert_uint_gt(in_range, 150000);
}
END_TEST

/* Every half of a range that floats say exactly, and its neighbours. */
START_TEST(decode_float_halves)
{
	const struct meter_item item = {true, 0, 4, 0, 0, 4, ENCODING_FLOAT32, false, 1, 1};

	for (int64_t n = 0; n < 4000; n++) {
		int64_t value = UNTOUCHED;
		uint8_t bytes[4];

		put_float((float)n + 0.5f, bytes);
		REQUIRE(meter_decode(&item, bytes, 4, &value) == METER_VALUE && value == n + 1,
			I64 ".5: " I64,
			n,
			value);
		put_float(-((float)n + 0.5f), bytes);
		REQUIRE(meter_decode(&item, bytes, 4, &value) == METER_VALUE && value == -n - 1,
			"-" I64 ".5: " I64,
			n,
			value);
		put_float((float)n + 0.499f, bytes);
		REQUIRE(meter_decode(&item, bytes, 4, &value) == METER_VALUE && value == n, I64 ".499: " I64, n, value);
		put_float(-((float)n + 0.501f), bytes);
		REQUIRE(meter_decode(&item, bytes, 4, &value) == METER_VALUE && value == -n - 1,
			"-" I64 ".501: " I64,
			n,
			value);
	}
}
END_TEST

/* ---- text ---- */

static const struct {
	enum meter_encoding encoding;
	uint8_t offset, size;
	bool low_word_first;
	uint8_t bytes[20];
	size_t count;
	enum meter_value kind;
	const char *text;
} texts[] = {
	/* 04000402 of tests/frames: 000006605518 */
	{ENCODING_BCD_TEXT, 0, 6, false, {0x18, 0x55, 0x60, 0x06, 0, 0}, 6, METER_VALUE, "6605518"},
	{ENCODING_BCD_TEXT, 0, 6, false, {0x12, 0x90, 0x78, 0x56, 0x34, 0x12}, 6, METER_VALUE, "123456789012"},
	{ENCODING_BCD_TEXT, 0, 6, false, {0}, 6, METER_VALUE, "0"},
	{ENCODING_BCD_TEXT, 0, 1, false, {0x07}, 1, METER_VALUE, "7"},
	{ENCODING_BCD_TEXT, 2, 2, false, {0xFF, 0xFF, 0x40, 0x12}, 4, METER_VALUE, "1240"},
	{ENCODING_BCD_TEXT,
	 0,
	 16,
	 false,
	 {1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 0, 0, 0, 0x98},
	 16,
	 METER_VALUE,
	 "98000000000000090807060504030201"},
	{ENCODING_BCD_TEXT, 0, 6, false, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, 6, METER_ABSENT, NULL},
	{ENCODING_BCD_TEXT, 0, 6, false, {0x18, 0x55, 0x60, 0x06, 0, 0x0A}, 6, METER_UNREADABLE, NULL},
	{ENCODING_BCD_TEXT, 0, 6, false, {0xA8, 0x55, 0x60, 0x06, 0, 0}, 6, METER_UNREADABLE, NULL},
	{ENCODING_BCD_TEXT, 0, 6, false, {0x18, 0x55, 0x60, 0x06, 0}, 5, METER_UNREADABLE, NULL},
	{ENCODING_BCD_TEXT, 0, 17, false, {0}, 17, METER_UNREADABLE, NULL},
	{ENCODING_BCD_TEXT, 0, 0, false, {0}, 4, METER_UNREADABLE, NULL},
	{ENCODING_BCD, 0, 4, false, {0x78, 0x56, 0x34, 0x00}, 4, METER_VALUE, "345678"},
	{ENCODING_U16, 0, 2, false, {0x30, 0x39}, 2, METER_VALUE, "12345"},
	{ENCODING_U16, 0, 2, false, {0xFF, 0xFF}, 2, METER_ABSENT, NULL},
	{ENCODING_U32, 0, 4, false, {0xFF, 0xFF, 0xFF, 0xFE}, 4, METER_VALUE, "4294967294"},
	{ENCODING_U32, 0, 4, true, {0xE2, 0x40, 0x00, 0x01}, 4, METER_VALUE, "123456"},
	{ENCODING_U32, 0, 4, false, {0}, 4, METER_VALUE, "0"},
	{ENCODING_S32, 0, 4, false, {0, 0, 0, 9}, 4, METER_VALUE, "9"},
	{ENCODING_S32, 0, 4, false, {0xFF, 0xFF, 0xFF, 0xFE}, 4, METER_UNREADABLE, NULL},
	{ENCODING_FLOAT32, 0, 4, false, {0x43, 0x66, 0x33, 0x33}, 4, METER_UNREADABLE, NULL},
};

START_TEST(text_table)
{
	const struct meter_item item = {
		true, 0, 0, 0, texts[_i].offset, texts[_i].size, texts[_i].encoding, texts[_i].low_word_first, 1, 1};
	char *text = malloc(METER_SERIAL_SIZE);
	uint8_t *block = malloc(texts[_i].count);

	REQUIRE(text != NULL && block != NULL, "out of memory");
	memcpy(block, texts[_i].bytes, texts[_i].count);
	strcpy(text, "as before");

	enum meter_value kind = meter_decode_text(&item, block, texts[_i].count, text);

	REQUIRE(kind == texts[_i].kind, "%d: %d, not %d", _i, kind, texts[_i].kind);
	ck_assert_str_eq(text, kind == METER_VALUE ? texts[_i].text : "as before");
	free(block);
	free(text);
}
END_TEST

/* ---- the clock ---- */

static const struct {
	uint8_t date[4], time[3];
	int offset_minutes;
	bool valid;
	int64_t clock_s;
} clocks[] = {
	/* 2026-11-21 23:59:58 at UTC, at UTC+8, at UTC-5:30 */
	{{0x06, 0x21, 0x11, 0x26}, {0x58, 0x59, 0x23}, 0, true, 1795305598},
	{{0x06, 0x21, 0x11, 0x26}, {0x58, 0x59, 0x23}, 480, true, 1795305598 - 28800},
	{{0x06, 0x21, 0x11, 0x26}, {0x58, 0x59, 0x23}, -330, true, 1795305598 + 19800},
	/* the ends of the range, leap days, days that do not exist */
	{{0x06, 0x01, 0x01, 0x00}, {0x00, 0x00, 0x00}, 0, true, 946684800},
	{{0x06, 0x01, 0x01, 0x00}, {0x00, 0x00, 0x00}, 480, true, 946656000},
	{{0x04, 0x31, 0x12, 0x99}, {0x59, 0x59, 0x23}, 0, true, INT64_C(4102444799)},
	{{0x02, 0x29, 0x02, 0x00}, {0, 0, 0}, 0, true, 951782400},
	{{0x03, 0x01, 0x03, 0x00}, {0, 0, 0}, 0, true, 951868800},
	{{0x04, 0x29, 0x02, 0x24}, {0, 0, 0}, 0, true, 1709164800},
	{{0x05, 0x01, 0x03, 0x24}, {0, 0, 0}, 0, true, 1709251200},
	{{0x05, 0x28, 0x02, 0x25}, {0, 0, 0}, 0, true, 1740700800},
	{{0x06, 0x01, 0x03, 0x25}, {0, 0, 0}, 0, true, 1740787200},
	{{0x06, 0x29, 0x02, 0x25}, {0, 0, 0}, 0, false, 0},
	{{0x06, 0x30, 0x02, 0x24}, {0, 0, 0}, 0, false, 0},
	{{0x06, 0x31, 0x04, 0x26}, {0, 0, 0}, 0, false, 0},
	{{0x06, 0x31, 0x11, 0x26}, {0, 0, 0}, 0, false, 0},
	{{0x06, 0x32, 0x12, 0x26}, {0, 0, 0}, 0, false, 0},
	{{0x06, 0x00, 0x11, 0x26}, {0, 0, 0}, 0, false, 0},
	{{0x06, 0x21, 0x00, 0x26}, {0, 0, 0}, 0, false, 0},
	{{0x06, 0x21, 0x13, 0x26}, {0, 0, 0}, 0, false, 0},
	/* times that do not exist */
	{{0x06, 0x21, 0x11, 0x26}, {0x60, 0x59, 0x23}, 0, false, 0},
	{{0x06, 0x21, 0x11, 0x26}, {0x58, 0x60, 0x23}, 0, false, 0},
	{{0x06, 0x21, 0x11, 0x26}, {0x00, 0x00, 0x24}, 0, false, 0},
	/* no BCD; 0x1A would count as 20 */
	{{0x06, 0x1A, 0x11, 0x26}, {0, 0, 0}, 0, false, 0},
	{{0x06, 0x21, 0x0B, 0x26}, {0, 0, 0}, 0, false, 0},
	{{0x06, 0x21, 0x11, 0x9A}, {0, 0, 0}, 0, false, 0},
	{{0x06, 0x21, 0x11, 0xA0}, {0, 0, 0}, 0, false, 0},
	{{0x06, 0x21, 0x11, 0x26}, {0x0A, 0, 0}, 0, false, 0},
	{{0x06, 0x21, 0x11, 0x26}, {0, 0x0F, 0}, 0, false, 0},
	{{0x06, 0x21, 0x11, 0x26}, {0, 0, 0x1F}, 0, false, 0},
	{{0xFF, 0xFF, 0xFF, 0xFF}, {0xFF, 0xFF, 0xFF}, 0, false, 0},
	/* the day of the week says nothing */
	{{0xFF, 0x21, 0x11, 0x26}, {0x58, 0x59, 0x23}, 0, true, 1795305598},
	{{0x00, 0x21, 0x11, 0x26}, {0x58, 0x59, 0x23}, 0, true, 1795305598},
};

START_TEST(clock_table)
{
	int64_t clock_ms = UNTOUCHED;
	bool valid = meter_clock(clocks[_i].date, clocks[_i].time, clocks[_i].offset_minutes, &clock_ms);

	REQUIRE(valid == clocks[_i].valid, "%d", _i);
	REQUIRE(clock_ms == (valid ? clocks[_i].clock_s * 1000 : UNTOUCHED), "%d: " I64, _i, clock_ms);
}
END_TEST

static uint8_t bcd(int value)
{
	return (uint8_t)(value / 10 << 4 | value % 10);
}

/* A hundred years, day by day: each is 86,400 s after the one before, and there are 36,525 of them. */
START_TEST(clock_every_day)
{
	static const uint8_t noon[3] = {0x00, 0x00, 0x12};
	int64_t expected_ms = (INT64_C(946684800) + 43200) * 1000;
	unsigned days = 0;

	for (int year = 0; year < 100; year++) {
		for (int month = 0; month <= 13; month++) {
			for (int day = 0; day <= 32; day++) {
				const uint8_t date[4] = {0, bcd(day), bcd(month), bcd(year)};
				int64_t clock_ms;

				if (!meter_clock(date, noon, 0, &clock_ms))
					continue;
				REQUIRE(clock_ms == expected_ms, "20%02d-%02d-%02d: " I64, year, month, day, clock_ms);
				expected_ms += INT64_C(86400000);
				days++;
			}
		}
	}
	ck_assert_uint_eq(days, 36525);
}
END_TEST

/* ---- the register's grid ---- */

static const struct {
	int64_t step_mwh, mwh, on_step;
} grids[] = {
	{10000, 1242060059, 1242060000}, /* the SDM120's float */
	{10000, 1242059941, 1242060000},
	{10000, 4999, 0},
	{10000, 5000, 10000},
	{10000, -4999, 0},
	{10000, -5000, -10000},
	{10000, -123450000, -123450000},
	{3, 4, 3},
	{3, 5, 6},
	{3, -4, -3},
	{3, -5, -6},
	{1, 7, 7},
	{1, -7, -7},
	{1, 0, 0},
	{1000000000, 500000000, 1000000000},
	{1000000000, INT64_C(1000000000000000), INT64_C(1000000000000000)},
	{1000000000, INT64_C(999999999999999), INT64_C(1000000000000000)},
	{1000000000, -INT64_C(999999999999999), -INT64_C(1000000000000000)},
};

START_TEST(grid_table)
{
	const struct meter_model model = {.step_mwh = grids[_i].step_mwh};

	ck_assert_int_eq(meter_on_step(&model, grids[_i].mwh), grids[_i].on_step);
}
END_TEST

/* ---- contradictions ---- */

static const struct meter_item dlt645_energy = {true, 0x00010000, 0, 0, 0, 4, ENCODING_BCD, false, 10000, 1};
static const struct meter_item dlt645_power = {true, 0x02030000, 0, 0, 0, 3, ENCODING_BCD_SIGNED, false, 100, 1};
static const struct meter_item dlt645_current = {true, 0x02020100, 0, 0, 0, 3, ENCODING_BCD_SIGNED, false, 1, 1};
static const struct meter_item dlt645_voltage = {true, 0x0201FF00, 0, 0, 2, 2, ENCODING_BCD, false, 100, 1};
static const struct meter_item dlt645_serial = {true, 0x04000402, 0, 0, 0, 6, ENCODING_BCD_TEXT, false, 1, 1};
static const struct meter_item dlt645_date = {true, 0x04000101, 0, 0, 0, 4, ENCODING_BCD_TEXT, false, 1, 1};
static const struct meter_item dlt645_time = {true, 0x04000102, 0, 0, 0, 3, ENCODING_BCD_TEXT, false, 1, 1};
static const struct meter_item dlt645_status = {true, 0x04000503, 0, 0, 0, 2, ENCODING_BITS, false, 1, 1};

static struct meter_model sound_dlt645(void)
{
	struct meter_model model = {
		.name = "a meter",
		.source = "this test",
		.protocol = METER_DLT645_2007,
		.line = {2400, PARITY_EVEN, 8, 1},
		.turnaround_ms = 500,
		.typical_ms = 100,
		.step_mwh = 10000,
	};

	model.items[METER_ENERGY] = dlt645_energy;
	model.items[METER_POWER] = dlt645_power;
	model.items[METER_CURRENT_A] = dlt645_current;
	model.items[METER_VOLTAGE_B] = dlt645_voltage;
	model.items[METER_SERIAL] = dlt645_serial;
	model.items[METER_DATE] = dlt645_date;
	model.items[METER_TIME] = dlt645_time;
	model.items[METER_STATUS_3] = dlt645_status;
	return model;
}

static struct meter_model sound_modbus(void)
{
	struct meter_model model = sound_dlt645();
	const struct meter_item number = {true, 0, 4, 0x0156, 0, 4, ENCODING_FLOAT32, false, 1000, 1};

	memset(model.items, 0, sizeof(model.items));
	model.protocol = METER_MODBUS_RTU;
	model.line = (struct line_settings){9600, PARITY_NONE, 8, 1};
	model.items[METER_ENERGY] = number;
	model.items[METER_POWER] = number;
	model.items[METER_CURRENT_B] = number;
	model.items[METER_SERIAL] = number;
	model.items[METER_SERIAL].encoding = ENCODING_U32;
	model.items[METER_SERIAL].multiplier = 1;
	return model;
}

#define DLT645_CASES(CASE)                                                                                             \
	CASE(name_empty, "name:", m->name[0] = '\0')                                                                   \
	CASE(name_endless, "name:", memset(m->name, 'x', sizeof(m->name)))                                             \
	CASE(name_control, "name:", m->name[1] = '\n')                                                                 \
	CASE(source_empty, "source:", m->source[0] = '\0')                                                             \
	CASE(source_endless, "source:", memset(m->source, 'x', sizeof(m->source)))                                     \
	CASE(protocol, "protocol:", m->protocol = METER_PROTOCOL_COUNT)                                                \
	CASE(baud_none, "line: the baud", m->line.baud = 0)                                                            \
	CASE(baud_odd, "line: the baud", m->line.baud = 2401)                                                          \
	CASE(baud_high, "line: the baud", m->line.baud = 230400)                                                       \
	CASE(parity, "line: the parity", m->line.parity = PARITY_COUNT)                                                \
	CASE(data_bits, "line: the data bits", m->line.data_bits = 9)                                                  \
	CASE(data_bits_7, "line: both protocols", m->line.data_bits = 7)                                               \
	CASE(stop_bits, "line: the stop bits", m->line.stop_bits = 0)                                                  \
	CASE(stop_bits_3, "line: the stop bits", m->line.stop_bits = 3)                                                \
	CASE(turnaround_none, "turnaround:", m->turnaround_ms = 0)                                                     \
	CASE(turnaround_long, "turnaround:", m->turnaround_ms = 10001)                                                 \
	CASE(typical_none, "typical:", m->typical_ms = 0)                                                              \
	CASE(typical_long, "typical:", m->typical_ms = 501)                                                            \
	CASE(step_none, "step:", m->step_mwh = 0)                                                                      \
	CASE(step_negative, "step:", m->step_mwh = -10000)                                                             \
	CASE(step_large, "step:", m->step_mwh = 1000000001)                                                            \
	CASE(no_energy, "energy: is missing", m->items[METER_ENERGY].present = false)                                  \
	CASE(no_power, "power: is missing", m->items[METER_POWER].present = false)                                     \
	CASE(no_current, "current_a: is missing", m->items[METER_CURRENT_A].present = false)                           \
	CASE(no_date, "date: date and time", m->items[METER_DATE].present = false)                                     \
	CASE(no_time, "date: date and time", m->items[METER_TIME].present = false)                                     \
	CASE(encoding_unknown, "power: the encoding is none", m->items[METER_POWER].encoding = ENCODING_COUNT)         \
	CASE(encoding_modbus, "energy: the encoding is one of Modbus", m->items[METER_ENERGY].encoding = ENCODING_U32) \
	CASE(encoding_float, "serial: the encoding is one of", m->items[METER_SERIAL].encoding = ENCODING_FLOAT32)     \
	CASE(encoding_text, "voltage_b: a number", m->items[METER_VOLTAGE_B].encoding = ENCODING_BCD_TEXT)             \
	CASE(encoding_bits, "current_a: a number", m->items[METER_CURRENT_A].encoding = ENCODING_BITS)                 \
	CASE(serial_bits, "serial: the encoding must", m->items[METER_SERIAL].encoding = ENCODING_BITS)                \
	CASE(serial_signed, "serial: the encoding must", m->items[METER_SERIAL].encoding = ENCODING_BCD_SIGNED)        \
	CASE(date_number, "date: must be bcd_text of 4", m->items[METER_DATE].encoding = ENCODING_BCD)                 \
	CASE(date_short, "date: must be bcd_text of 4", m->items[METER_DATE].size = 3)                                 \
	CASE(time_long, "time: must be bcd_text of 3", m->items[METER_TIME].size = 4)                                  \
	CASE(status_number, "status_3: must be bits of 2", m->items[METER_STATUS_3].encoding = ENCODING_BCD)           \
	CASE(status_long, "status_3: must be bits of 2", m->items[METER_STATUS_3].size = 3)                            \
	CASE(size_none, "energy: the size", m->items[METER_ENERGY].size = 0)                                           \
	CASE(size_bcd, "energy: the size", m->items[METER_ENERGY].size = 9)                                            \
	CASE(size_serial, "serial: the size", m->items[METER_SERIAL].size = 17)                                        \
	CASE(function, "power: DL/T 645 has an identifier", m->items[METER_POWER].function = 3)                        \
	CASE(address, "power: DL/T 645 has an identifier", m->items[METER_POWER].address = 1)                          \
	CASE(word_order, "power: DL/T 645 has an identifier", m->items[METER_POWER].low_word_first = true)             \
	CASE(block, "voltage_b: offset and size", m->items[METER_VOLTAGE_B].offset = 195)                              \
	CASE(block_far, "voltage_b: offset and size", m->items[METER_VOLTAGE_B].offset = 255)                          \
	CASE(multiplier_none, "energy: multiplier", m->items[METER_ENERGY].multiplier = 0)                             \
	CASE(multiplier_negative, "energy: multiplier", m->items[METER_ENERGY].multiplier = -1)                        \
	CASE(multiplier_large, "energy: multiplier", m->items[METER_ENERGY].multiplier = INT64_C(1000000000001))       \
	CASE(divisor_none, "energy: multiplier", m->items[METER_ENERGY].divisor = 0)                                   \
	CASE(divisor_large, "energy: multiplier", m->items[METER_ENERGY].divisor = INT64_MAX)                          \
	CASE(serial_scaled, "serial: it is no number", m->items[METER_SERIAL].multiplier = 10)                         \
	CASE(status_scaled, "status_3: it is no number", m->items[METER_STATUS_3].divisor = 10)

#define MODBUS_CASES(CASE)                                                                                             \
	CASE(modbus_bcd, "energy: the encoding is one of DL/T 645", m->items[METER_ENERGY].encoding = ENCODING_BCD)    \
	CASE(modbus_text, "serial: the encoding is one of", m->items[METER_SERIAL].encoding = ENCODING_BCD_TEXT)       \
	CASE(modbus_serial, "serial: the encoding must", m->items[METER_SERIAL].encoding = ENCODING_S32)               \
	CASE(modbus_di, "power: Modbus has", m->items[METER_POWER].di = 0x02030000)                                    \
	CASE(modbus_offset, "power: Modbus has", m->items[METER_POWER].offset = 4)                                     \
	CASE(modbus_function, "power: the function", m->items[METER_POWER].function = 6)                               \
	CASE(modbus_function_none, "power: the function", m->items[METER_POWER].function = 0)                          \
	CASE(modbus_address, "power: its registers", m->items[METER_POWER].address = 0xFFFF)                           \
	CASE(modbus_size_u16, "current_b: the size", m->items[METER_CURRENT_B].encoding = ENCODING_U16)                \
	CASE(modbus_size_u32, "current_b: the size", m->items[METER_CURRENT_B].size = 2)                               \
	CASE(modbus_no_current, "current_a: is missing", m->items[METER_CURRENT_B].present = false)                    \
	CASE(modbus_status, "status_1: only DL/T 645", m->items[METER_STATUS_1] = dlt645_status)                       \
	CASE(modbus_clock,                                                                                             \
	     "date: only DL/T 645",                                                                                    \
	     (m->items[METER_DATE] = dlt645_date, m->items[METER_TIME] = dlt645_time))                                 \
	CASE(modbus_word_order,                                                                                        \
	     "current_b: a word order",                                                                                \
	     (m->items[METER_CURRENT_B].size = 2, m->items[METER_CURRENT_B].low_word_first = true))

#define DEFINE_CASE(name, begin, change)                                                                               \
	static void make_##name(struct meter_model *m)                                                                 \
	{                                                                                                              \
		(void)(change);                                                                                        \
	}
DLT645_CASES(DEFINE_CASE)
MODBUS_CASES(DEFINE_CASE)

static const struct {
	const char *what, *begin;
	bool modbus;
	void (*make)(struct meter_model *model);
} faults[] = {
#define LIST_DLT645(name, begin, change) {#name, begin, false, make_##name},
#define LIST_MODBUS(name, begin, change) {#name, begin, true, make_##name},
	DLT645_CASES(LIST_DLT645) MODBUS_CASES(LIST_MODBUS)};

START_TEST(model_faults)
{
	struct meter_model model = faults[_i].modbus ? sound_modbus() : sound_dlt645();

	ck_assert_ptr_null(meter_model_fault(&model));
	faults[_i].make(&model);

	const char *fault = meter_model_fault(&model);

	REQUIRE(fault != NULL, "%s: no fault", faults[_i].what);
	REQUIRE(strncmp(fault, faults[_i].begin, strlen(faults[_i].begin)) == 0, "%s: '%s'", faults[_i].what, fault);
}
END_TEST

/* At the limits, and with what is not present in any state, a model is sound. */
START_TEST(model_limits)
{
	struct meter_model model = sound_dlt645();

	memset(model.name, 'x', sizeof(model.name) - 1);
	memset(model.source, 'x', sizeof(model.source) - 1);
	model.turnaround_ms = model.typical_ms = 10000;
	model.step_mwh = 1000000000;
	model.line = (struct line_settings){115200, PARITY_ODD, 8, 2};
	model.items[METER_VOLTAGE_B].offset = 194;
	model.items[METER_ENERGY].multiplier = model.items[METER_ENERGY].divisor = INT64_C(1000000000000);
	model.items[METER_ENERGY].size = 8;
	model.items[METER_SERIAL].size = 16;
	memset(&model.items[METER_CURRENT_C], 0x7F, sizeof(model.items[METER_CURRENT_C]));
	model.items[METER_CURRENT_C].present = false;
	ck_assert_ptr_null(meter_model_fault(&model));
	model = sound_modbus();
	model.items[METER_POWER].address = 0xFFFE;
	model.items[METER_POWER].low_word_first = true;
	model.items[METER_CURRENT_B].encoding = ENCODING_S16;
	model.items[METER_CURRENT_B].size = 2;
	model.items[METER_CURRENT_B].address = 0xFFFF;
	model.items[METER_CURRENT_B].function = 3;
	model.items[METER_SERIAL].present = false;
	ck_assert_ptr_null(meter_model_fault(&model));
}
END_TEST

/* A fault of each quantity names it. */
START_TEST(model_faults_name_quantities)
{
	for (int i = 0; i < METER_QUANTITY_COUNT; i++) {
		const char *name = meter_quantity_name((enum meter_quantity)i);
		struct meter_model model = sound_dlt645();

		model.items[METER_DATE] = dlt645_date;
		model.items[i] = dlt645_energy;
		model.items[i].encoding = ENCODING_COUNT;

		const char *fault = meter_model_fault(&model);

		REQUIRE(fault != NULL, "%s: no fault", name);
		REQUIRE(strncmp(fault, name, strlen(name)) == 0 && fault[strlen(name)] == ':', "%s: '%s'", name, fault);
	}
}
END_TEST

START_TEST(line_faults)
{
	static const unsigned bauds[] = {300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200};

	for (size_t i = 0; i < COUNT(bauds); i++) {
		const struct line_settings line = {bauds[i], PARITY_EVEN, 7, 2};
		const struct line_settings near = {bauds[i] + 1, PARITY_EVEN, 7, 2};

		ck_assert_ptr_null(line_settings_fault(&line));
		ck_assert_ptr_nonnull(line_settings_fault(&near));
	}
}
END_TEST

/* ---- names ---- */

static const char *const encodings[] = {
	"bcd",
	"bcd_signed",
	"bcd_text",
	"bits",
	"u16",
	"s16",
	"u32",
	"s32",
	"float32",
};

START_TEST(names_go_round)
{
	for (int i = 0; i < METER_QUANTITY_COUNT; i++) {
		enum meter_quantity value = METER_QUANTITY_COUNT;

		ck_assert(meter_quantity_find(meter_quantity_name((enum meter_quantity)i), &value));
		ck_assert_int_eq(value, i);
	}
	for (int i = 0; i < METER_PROTOCOL_COUNT; i++) {
		enum meter_protocol value = METER_PROTOCOL_COUNT;

		ck_assert(meter_protocol_find(meter_protocol_name((enum meter_protocol)i), &value));
		ck_assert_int_eq(value, i);
	}
	for (int i = 0; i < PARITY_COUNT; i++) {
		enum meter_parity value = PARITY_COUNT;

		ck_assert(meter_parity_find(meter_parity_name((enum meter_parity)i), &value));
		ck_assert_int_eq(value, i);
	}
	ck_assert_uint_eq(COUNT(encodings), ENCODING_COUNT);
	for (int i = 0; i < ENCODING_COUNT; i++) {
		enum meter_encoding value = ENCODING_COUNT;

		ck_assert(meter_encoding_find(encodings[i], &value));
		ck_assert_int_eq(value, i);
	}
}
END_TEST

START_TEST(names_unknown)
{
	static const char *const unknown[] = {
		"", "energ", "energy ", "ENERGY", "nonesuch", "even.", "u1", "u160", "bcd-text"};

	for (size_t i = 0; i < COUNT(unknown); i++) {
		enum meter_quantity quantity = METER_QUANTITY_COUNT;
		enum meter_protocol protocol = METER_PROTOCOL_COUNT;
		enum meter_parity parity = PARITY_COUNT;
		enum meter_encoding encoding = ENCODING_COUNT;

		ck_assert(!meter_quantity_find(unknown[i], &quantity) && quantity == METER_QUANTITY_COUNT);
		ck_assert(!meter_protocol_find(unknown[i], &protocol) && protocol == METER_PROTOCOL_COUNT);
		ck_assert(!meter_parity_find(unknown[i], &parity) && parity == PARITY_COUNT);
		ck_assert(!meter_encoding_find(unknown[i], &encoding) && encoding == ENCODING_COUNT);
	}
}
END_TEST

START_TEST(state_names)
{
	for (int i = 0; i < METER_OUTCOME_COUNT; i++) {
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(meter_outcome_name((enum meter_outcome)i),
					 meter_outcome_name((enum meter_outcome)j));
	}
}
END_TEST

/* The bits that have a text, of each word. */
static const uint16_t spoken[METER_STATUS_WORDS] = {0xF33E, 0x0077, 0xF0F9, 0x01FF, 0x01FF, 0x01FF, 0x07FF};

START_TEST(status_texts)
{
	for (unsigned word = 0; word <= METER_STATUS_WORDS + 1; word++) {
		for (unsigned bit = 0; bit <= 16; bit++) {
			const char *text = meter_status_text(word, bit);
			bool wanted = word >= 1 && word <= METER_STATUS_WORDS && bit < 16 &&
				      (spoken[word - 1] >> bit & 1) != 0;

			REQUIRE((text != NULL) == wanted,
				"word %u, bit %u: %s",
				word,
				bit,
				text != NULL ? text : "none");
		}
	}
	ck_assert_ptr_null(meter_status_text(UINT_MAX, 0));
	ck_assert_ptr_null(meter_status_text(1, UINT_MAX));
	ck_assert_str_eq(meter_status_text(1, 2), "clock battery low");
	ck_assert_str_eq(meter_status_text(1, 3), "reading battery low");
	ck_assert_str_eq(meter_status_text(3, 4), "relay open");
	ck_assert_str_eq(meter_status_text(3, 6), "relay commanded open");
	ck_assert_str_eq(meter_status_text(5, 0), "phase B: loss of voltage");
	ck_assert_str_eq(meter_status_text(7, 9), "cover open");
}
END_TEST

static Suite *meter_model_suite(void)
{
	Suite *suite = suite_create("meter_model");
	TCase *values = tcase_create("values"), *clock = tcase_create("clock"), *models = tcase_create("models");

	tcase_set_timeout(values, 60);
	tcase_add_loop_test(values, decode_table, 0, (int)COUNT(decodings));
	tcase_add_test(values, decode_random_integers);
	tcase_add_test(values, decode_random_floats);
	tcase_add_test(values, decode_float_halves);
	tcase_add_loop_test(values, text_table, 0, (int)COUNT(texts));
	tcase_add_loop_test(values, grid_table, 0, (int)COUNT(grids));
	tcase_set_timeout(clock, 60);
	tcase_add_loop_test(clock, clock_table, 0, (int)COUNT(clocks));
	tcase_add_test(clock, clock_every_day);
	tcase_add_loop_test(models, model_faults, 0, (int)COUNT(faults));
	tcase_add_test(models, model_limits);
	tcase_add_test(models, model_faults_name_quantities);
	tcase_add_test(models, line_faults);
	tcase_add_test(models, names_go_round);
	tcase_add_test(models, names_unknown);
	tcase_add_test(models, state_names);
	tcase_add_test(models, status_texts);
	suite_add_tcase(suite, values);
	suite_add_tcase(suite, clock);
	suite_add_tcase(suite, models);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(meter_model_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
