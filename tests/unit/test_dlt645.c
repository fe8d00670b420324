/* Tests hal/core's DL/T 645 codec on the frames of tests/frames that real peers produced (the folder is argv[1]), by
 * conversations, and on random and damaged bytes. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlt645.h"

#define I64 "%" PRId64
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

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

static size_t random_below(size_t limit)
{
	return (size_t)(random_u64() % limit);
}

/* Often one of the bytes that mean something to a parser. */
static uint8_t random_byte(void)
{
	static const uint8_t meaningful[] = {0x68, 0x68, 0xFE, 0x16, 0x00, 0xFF, 200, 201};
	uint64_t r = random_u64();

	return r & 1 ? meaningful[(r >> 8) % COUNT(meaningful)] : (uint8_t)(r >> 16);
}

/* ---- the golden frames ---- */

#define GOLDEN_MAX 256
#define LINE_SIZE 2048
#define MEANING_SIZE 128

struct golden {
	bool is_request;
	bool is_1997;
	uint8_t bytes[DLT645_FRAME_MAX];
	size_t count;
	char meaning[MEANING_SIZE];
};

static struct golden goldens[GOLDEN_MAX];
static size_t golden_count;

static void give_up(const char *path, unsigned line, const char *what)
{
	fprintf(stderr, "%s:%u: %s\n", path, line, what);
	exit(EXIT_FAILURE);
}

/* "68 1A .." to bytes; the number of them, or 0. */
static size_t read_hex(const char *text, uint8_t *bytes, size_t size)
{
	size_t count = 0;
	char *end;

	while (*text != '\0' && count < size) {
		unsigned long byte = strtoul(text, &end, 16);

		if (end != text + 2 || byte > 0xFF || (*end != ' ' && *end != '\0'))
			return 0;
		bytes[count++] = (uint8_t)byte;
		text = *end == ' ' ? end + 1 : end;
	}
	return *text == '\0' ? count : 0;
}

/* direction, frame, meaning, source; parted by tabs. */
static bool read_golden(char *line, struct golden *golden)
{
	char *rest = line;
	const char *direction = strsep(&rest, "\t"), *frame = strsep(&rest, "\t"), *meaning = strsep(&rest, "\t");

	if (meaning == NULL || strlen(meaning) >= sizeof(golden->meaning))
		return false;
	golden->is_request = strcmp(direction, "request") == 0;
	golden->count = read_hex(frame, golden->bytes, sizeof(golden->bytes));
	strcpy(golden->meaning, meaning);
	return golden->count > 0 && (golden->is_request || strcmp(direction, "reply") == 0);
}

static void load_goldens(const char *folder, const char *name, bool is_1997)
{
	char path[4096], line[LINE_SIZE];
	unsigned number = 0;
	size_t before = golden_count;

	snprintf(path, sizeof(path), "%s/%s", folder, name);

	FILE *file = fopen(path, "r");

	if (file == NULL)
		give_up(path, 0, "cannot be opened");
	while (fgets(line, sizeof(line), file) != NULL) {
		number++;
		if (line[0] == '#')
			continue;
		if (golden_count == GOLDEN_MAX)
			give_up(path, number, "more frames than this test takes");
		line[strcspn(line, "\n")] = '\0';
		if (!read_golden(line, &goldens[golden_count]))
			give_up(path, number, "is no frame");
		goldens[golden_count++].is_1997 = is_1997;
	}
	fclose(file);
	if (golden_count == before)
		give_up(path, number, "has no frame");
}

/* The one frame of 2007 in that direction whose meaning begins so. */
static const struct golden *find_golden(bool is_request, const char *meaning)
{
	const struct golden *found = NULL;

	for (size_t i = 0; i < golden_count; i++) {
		const struct golden *g = &goldens[i];

		if (g->is_1997 || g->is_request != is_request || strncmp(g->meaning, meaning, strlen(meaning)) != 0)
			continue;
		REQUIRE(found == NULL || memcmp(found->bytes, g->bytes, g->count) == 0, "'%s': two frames", meaning);
		found = g;
	}
	REQUIRE(found != NULL, "'%s': no such frame in the files", meaning);
	return found;
}

/* ---- feeding a parser ---- */

/* Pushes from a block of exactly that length, so that a byte read too far is seen. */
static void push(struct dlt645_parser *p, const uint8_t *bytes, size_t count)
{
	uint8_t *block = malloc(count > 0 ? count : 1);

	REQUIRE(block != NULL, "out of memory");
	if (count > 0)
		memcpy(block, bytes, count);
	dlt645_parser_push(p, block, count);
	free(block);
}

/* Whether frame is the one that these bytes, from 68 to 16, say. */
static bool frame_is(const struct dlt645_frame *frame, const uint8_t *bytes, size_t count)
{
	uint8_t *out = malloc(DLT645_FRAME_MAX);

	REQUIRE(out != NULL, "out of memory");

	bool same = dlt645_frame_write(frame, 0, out) == count && memcmp(out, bytes, count) == 0;

	free(out);
	return same;
}

static struct dlt645_frame parse_golden(const struct golden *g)
{
	struct dlt645_parser p;
	struct dlt645_frame frame;

	dlt645_parser_init(&p);
	push(&p, g->bytes, g->count);
	REQUIRE(dlt645_parser_next(&p, &frame), "'%s': not found", g->meaning);
	REQUIRE(p.count == 0 && p.garbage == 0,
		"'%s': %zu bytes left, %" PRIu64 " garbage",
		g->meaning,
		p.count,
		p.garbage);
	return frame;
}

/* After silence: whether a frame comes that is the golden one. */
static bool found_after_silence(struct dlt645_parser *p, const struct golden *g)
{
	struct dlt645_frame frame;
	bool found = false;

	while (p->count > 0 && !found) {
		while (dlt645_parser_next(p, &frame))
			found = found || frame_is(&frame, g->bytes, g->count);
		dlt645_parser_expire(p);
	}
	return found;
}

START_TEST(golden_whole)
{
	for (size_t i = 0; i < golden_count; i++) {
		struct dlt645_frame frame = parse_golden(&goldens[i]);

		REQUIRE(frame_is(&frame, goldens[i].bytes, goldens[i].count),
			"'%s': written otherwise",
			goldens[i].meaning);
	}
}
END_TEST

/* What stands in the parser behind its last byte must not matter. */
static void golden_bytes(const struct golden *g, uint8_t stale)
{
	struct dlt645_parser p;
	struct dlt645_frame frame;

	dlt645_parser_init(&p);
	for (size_t i = 0; i < g->count; i++) {
		memset(p.bytes + p.count, stale, sizeof(p.bytes) - p.count);
		push(&p, g->bytes + i, 1);

		bool found = dlt645_parser_next(&p, &frame);

		REQUIRE(found == (i + 1 == g->count),
			"'%s': %s at byte %zu",
			g->meaning,
			found ? "found" : "not found",
			i);
	}
	REQUIRE(frame_is(&frame, g->bytes, g->count), "'%s': written otherwise", g->meaning);
	REQUIRE(p.count == 0 && p.garbage == 0, "'%s': something left", g->meaning);
}

START_TEST(golden_byte_by_byte)
{
	for (size_t i = 0; i < golden_count; i++) {
		golden_bytes(&goldens[i], 0x00);
		golden_bytes(&goldens[i], 0x68);
		golden_bytes(&goldens[i], 0x16);
	}
}
END_TEST

/* Noise in which nothing starts a frame: no silence is needed to find what follows. */
static const struct {
	uint8_t bytes[16];
	size_t count;
	uint64_t garbage;
} noises[] = {
	{{0x00}, 1, 1},
	{{0x00, 0x00, 0x00}, 3, 3},
	{{0xFE}, 1, 0},
	{{0xFE, 0xFE, 0xFE, 0xFE}, 4, 0},
	{{0xFE, 0xFE, 0xFE, 0xFE, 0xFE, 0xFE, 0xFE}, 7, 3},
	{{0xFE, 0xFE, 0x00, 0xFE, 0xFE}, 5, 3},
	{{0x16}, 1, 1},
	{{0x12, 0x90, 0x78, 0x56, 0x34, 0x12}, 6, 6},
	{{0x33, 0x33, 0x16, 0xFE, 0x00, 0xFF, 0xAA, 0x99}, 8, 8},
	{{0x68, 1, 2, 3, 4, 5, 6, 0x69}, 8, 8}, /* no second 68 */
	{{0x68, 1, 2, 3, 4, 5, 6, 0x68, 0x91, 201}, 10, 10}, /* no such length */
	{{0x68, 1, 2, 3, 4, 5, 6, 0x68, 0x91, 255, 0x00}, 11, 11},
	{{0x68, 1, 2, 3, 4, 5, 6, 0x68, 0x91, 0, 0x00, 0x16}, 12, 12}, /* a wrong checksum */
	{{0x68, 0, 0, 0, 0, 0, 0, 0x68, 0x91, 0, 0x61, 0x17}, 12, 12}, /* no 16 */
};

START_TEST(golden_after_noise)
{
	struct dlt645_parser p;
	struct dlt645_frame frame;

	for (size_t i = 0; i < golden_count; i++) {
		const struct golden *g = &goldens[i];

		dlt645_parser_init(&p);
		push(&p, noises[_i].bytes, noises[_i].count);
		REQUIRE(!dlt645_parser_next(&p, &frame), "a frame in noise %d", _i);
		push(&p, g->bytes, g->count);
		/* The noise that starts like a frame may want more bytes than a short frame has. */
		while (p.count > 0 && !dlt645_parser_next(&p, &frame))
			dlt645_parser_expire(&p);
		REQUIRE(frame_is(&frame, g->bytes, g->count), "noise %d, '%s': not found", _i, g->meaning);
		REQUIRE(p.count == 0 && p.garbage == noises[_i].garbage,
			"noise %d, '%s': %" PRIu64 " garbage",
			_i,
			g->meaning,
			p.garbage);
	}
}
END_TEST

/* Each beginning of a frame, cut off there, then the whole frame. */
START_TEST(golden_after_half_frame)
{
	struct dlt645_parser p;

	for (size_t i = 0; i < golden_count; i++) {
		const struct golden *g = &goldens[i];

		for (size_t cut = 0; cut < g->count; cut++) {
			dlt645_parser_init(&p);
			push(&p, g->bytes, cut);
			push(&p, g->bytes, g->count);
			REQUIRE(found_after_silence(&p, g), "'%s': lost after %zu bytes of it", g->meaning, cut);
		}
	}
}
END_TEST

START_TEST(golden_after_echo)
{
	struct dlt645_parser p;
	struct dlt645_frame first, second;

	for (size_t i = 0; i + 1 < golden_count; i++) {
		const struct golden *echo = &goldens[i], *answer = &goldens[i + 1];
		static const uint8_t turnaround[] = {0x00, 0xFE, 0xFE};

		dlt645_parser_init(&p);
		push(&p, echo->bytes, echo->count);
		push(&p, turnaround, sizeof(turnaround));
		push(&p, answer->bytes, answer->count);
		REQUIRE(dlt645_parser_next(&p, &first), "'%s': no echo", echo->meaning);
		REQUIRE(frame_is(&first, echo->bytes, echo->count), "'%s': another echo", echo->meaning);
		REQUIRE(dlt645_parser_next(&p, &second), "'%s': no answer", answer->meaning);
		REQUIRE(frame_is(&second, answer->bytes, answer->count), "'%s': another answer", answer->meaning);
		REQUIRE(p.garbage == 1, "%" PRIu64 " garbage", p.garbage);
	}
}
END_TEST

START_TEST(golden_read_requests)
{
	size_t checked = 0;

	for (size_t i = 0; i < golden_count; i++) {
		const struct golden *g = &goldens[i];
		struct dlt645_frame frame = parse_golden(g), built;

		if (g->is_1997 || frame.control != DLT645_READ)
			continue;
		REQUIRE(frame.length == 4, "'%s': length", g->meaning);

		uint32_t di = (uint32_t)frame.data[3] << 24 | (uint32_t)frame.data[2] << 16 |
			      (uint32_t)frame.data[1] << 8 | frame.data[0];

		dlt645_read_request(&built, frame.address, di);
		REQUIRE(frame_is(&built, g->bytes, g->count), "'%s': built otherwise", g->meaning);
		checked++;
	}
	REQUIRE(checked >= 40, "only %zu requests", checked);
}
END_TEST

/* ---- the values that the files name ---- */

static const struct {
	const char *meaning; /* of the reply, its beginning */
	uint32_t di;
	size_t offset, size;
	bool with_sign;
	int64_t value; /* in the format's last digit */
} values[] = {
	{"read 00010000 fwd active total = 123456.78", 0x00010000, 0, 4, false, 12345678},
	{"read 00000000 combined total = -123.45", 0x00000000, 0, 4, true, -12345},
	{"rate 1 00010100 = 10000.01", 0x00010100, 0, 4, false, 1000001},
	{"rate 2 00010200 = 20000.02", 0x00010200, 0, 4, false, 2000002},
	{"rate 3 00010300 = 30000.03", 0x00010300, 0, 4, false, 3000003},
	{"rate 4 00010400 = 63456.72", 0x00010400, 0, 4, false, 6345672},
	{"reverse active 00020000 = 1.00", 0x00020000, 0, 4, false, 100},
	{"voltage A 02010100 = 230.5", 0x02010100, 0, 2, false, 2305},
	{"current A 02020100 = -5.123", 0x02020100, 0, 3, true, -5123},
	{"active power 02030000 = -1.2345", 0x02030000, 0, 3, true, -12345},
	{"reactive 02040000 = 0.0678", 0x02040000, 0, 3, true, 678},
	{"apparent 02050000 = 1.2363", 0x02050000, 0, 3, true, 12363},
	{"power factor 02060000 = -0.999", 0x02060000, 0, 2, true, -999},
	{"neutral current 02800001 = 0.012", 0x02800001, 0, 3, false, 12},
	{"frequency 02800002 = 49.98", 0x02800002, 0, 2, false, 4998},
	{"temperature 02800007 = -10.5", 0x02800007, 0, 2, true, -105},
	{"clock battery 02800008 = 3.65", 0x02800008, 0, 2, false, 365},
	{"date 04000101 = 2026-11-21 wk 6", 0x04000101, 0, 4, false, 26112106},
	{"time 04000102 = 23:59:58", 0x04000102, 0, 3, false, 235958},
	{"number of rates 04000204 = 4", 0x04000204, 0, 1, false, 4},
	{"block 0001FF00 total+4 rates", 0x0001FF00, 0, 4, false, 12345678},
	{"block 0001FF00 total+4 rates", 0x0001FF00, 4, 4, false, 1000001},
	{"block 0001FF00 total+4 rates", 0x0001FF00, 16, 4, false, 6345672},
	{"block 0201FF00 230.5/229.8/231.2 V", 0x0201FF00, 0, 2, false, 2305},
	{"block 0201FF00 230.5/229.8/231.2 V", 0x0201FF00, 2, 2, false, 2298},
	{"block 0201FF00 230.5/229.8/231.2 V", 0x0201FF00, 4, 2, false, 2312},
	{"remaining money 00900200 = 198.56", 0x00900200, 0, 4, false, 19856},
	{"remaining energy 00900100 = 500.00", 0x00900100, 0, 4, false, 50000},
	{"cover-open count 03300D00 = 27", 0x03300D00, 0, 3, false, 27},
	{"power-down count 03110000 = 7", 0x03110000, 0, 3, false, 7},
	{"0001FF00 -> 1.29/0.62/0.60/0.03/0.02", 0x0001FF00, 0, 4, false, 129},
	{"0001FF00 -> 1.29/0.62/0.60/0.03/0.02", 0x0001FF00, 4, 4, false, 62},
	{"0001FF00 -> 1.29/0.62/0.60/0.03/0.02", 0x0001FF00, 8, 4, false, 60},
	{"0001FF00 -> 1.29/0.62/0.60/0.03/0.02", 0x0001FF00, 12, 4, false, 3},
	{"0001FF00 -> 1.29/0.62/0.60/0.03/0.02", 0x0001FF00, 16, 4, false, 2},
	{"0201FF00 -> 225.6 V, B and C = FFFF", 0x0201FF00, 0, 2, false, 2256},
	{"date 16-01-11 week 1", 0x04000101, 0, 4, false, 16011101},
	{"time 21:53:55", 0x04000102, 0, 3, false, 215355},
	{"00900200 = 198.56", 0x00900200, 0, 4, false, 19856},
	{"03300D00 = 27", 0x03300D00, 0, 3, false, 27},
	{"1D000001 trip count = 0", 0x1D000001, 0, 3, false, 0},
	{"05060001 freeze time 15-10-09 00:00", 0x05060001, 0, 5, false, 1510090000},
	{"time 18:53:32", 0x04000102, 0, 3, false, 185332},
	{"04000402", 0x04000402, 0, 6, false, 6605518},
	{"00010000 = 230.93", 0x00010000, 0, 4, false, 23093},
	{"rate1 = 0", 0x00010100, 0, 4, false, 0},
	{"rate2 = 0", 0x00010200, 0, 4, false, 0},
	{"rate3 = 221.76", 0x00010300, 0, 4, false, 22176},
	{"rate4 = 9.17", 0x00010400, 0, 4, false, 917},
	{"04000409 = 1200 imp", 0x04000409, 0, 3, false, 1200},
	{"00010000 = 0.26", 0x00010000, 0, 4, false, 26},
	{"02010100 = 100.1 V", 0x02010100, 0, 2, false, 1001},
	{"02020100 = 4.999 A", 0x02020100, 0, 3, true, 4999},
	{"02030000 = 0.2512 kW", 0x02030000, 0, 3, true, 2512},
	{"02040000 = 0.4331 kvar", 0x02040000, 0, 3, true, 4331},
	{"02050000 = 0.5006 kVA", 0x02050000, 0, 3, true, 5006},
	{"02060000 = 0.501", 0x02060000, 0, 2, true, 501},
	{"00010000 = 1234.56", 0x00010000, 0, 4, false, 123456},
	{"00000000 = 7502.64", 0x00000000, 0, 4, true, 750264},
	{"02010100 = 229.7 V", 0x02010100, 0, 2, false, 2297},
};

/* The value of a golden reply to a question for di to whoever answered. */
static const uint8_t *golden_value(const char *meaning, uint32_t di, struct dlt645_frame *reply, size_t *size)
{
	struct dlt645_frame request;
	const uint8_t *value = NULL;
	uint8_t error;

	*reply = parse_golden(find_golden(false, meaning));
	dlt645_read_request(&request, reply->address, di);
	REQUIRE(dlt645_match(&request, reply, &value, size, &error) == DLT645_VALUE,
		"'%s': no answer to %08" PRIX32,
		meaning,
		di);
	return value;
}

START_TEST(golden_values)
{
	struct dlt645_frame reply;
	size_t size;
	int64_t number = 0;
	const uint8_t *value = golden_value(values[_i].meaning, values[_i].di, &reply, &size);

	REQUIRE(size >= values[_i].offset + values[_i].size, "'%s': only %zu bytes", values[_i].meaning, size);
	REQUIRE(dlt645_bcd_read(value + values[_i].offset, values[_i].size, values[_i].with_sign, &number) ==
			DLT645_NUMBER,
		"'%s': no number",
		values[_i].meaning);
	REQUIRE(number == values[_i].value, "'%s': " I64 ", not " I64, values[_i].meaning, number, values[_i].value);
}
END_TEST

START_TEST(golden_absent_phases)
{
	struct dlt645_frame reply;
	size_t size;
	int64_t number = 77;
	const uint8_t *value = golden_value("0201FF00 -> 225.6 V, B and C = FFFF", 0x0201FF00, &reply, &size);

	ck_assert_uint_eq(size, 6);
	ck_assert_int_eq(dlt645_bcd_read(value + 2, 2, false, &number), DLT645_NOT_AVAILABLE);
	ck_assert_int_eq(dlt645_bcd_read(value + 4, 2, true, &number), DLT645_NOT_AVAILABLE);
	ck_assert_int_eq(number, 77);
}
END_TEST

static const struct {
	const char *meaning;
	uint32_t di;
	uint16_t word;
} words[] = {
	{"status word 3 04000503 = 0050H", 0x04000503, 0x0050},
	{"status word 1 04000501 = 000CH", 0x04000501, 0x000C},
	{"after trip = 0050H", 0x04000503, 0x0050},
	{"after close = 0000H", 0x04000503, 0x0000},
};

START_TEST(golden_status_words)
{
	struct dlt645_frame reply;
	size_t size;
	const uint8_t *value = golden_value(words[_i].meaning, words[_i].di, &reply, &size);

	ck_assert_uint_eq(size, 2);
	ck_assert_uint_eq((unsigned)(value[0] | value[1] << 8), words[_i].word);
}
END_TEST

static const struct {
	const char *meaning;
	uint8_t error;
	const char *text;
} errors[] = {
	{"ERROR no such data", 0x02, "no such data"},
	{"ERROR other (01)", 0x01, "another error"},
	{"03010000 -> D1 02", 0x02, "no such data"},
	{"D1 02", 0x02, "no such data"},
	{"D1 06 (bits 1+2)", 0x06, "no such data"},
	{"D1 04", 0x04, "wrong password or not authorized"},
};

START_TEST(golden_errors)
{
	struct dlt645_frame request, reply = parse_golden(find_golden(false, errors[_i].meaning));
	const uint8_t *value = NULL;
	size_t size = 0;
	uint8_t error = 0;

	dlt645_read_request(&request, reply.address, 0x00010000);
	ck_assert_int_eq(dlt645_match(&request, &reply, &value, &size, &error), DLT645_REFUSED);
	ck_assert_uint_eq(error, errors[_i].error);
	ck_assert_str_eq(dlt645_error_text(error), errors[_i].text);
}
END_TEST

/* Questions and answers of the files, by their meanings. */
static const struct {
	const char *request, *reply;
	enum dlt645_answer answer;
} talks[] = {
	{"read 00010000 fwd", "read 00010000 fwd", DLT645_VALUE},
	{"read 00010000 fwd", "read 00000000 combined", DLT645_NOT_OURS}, /* a late answer */
	{"read 00010000 fwd", "00010000 = 0.26", DLT645_NOT_OURS}, /* another meter's */
	{"AAx6 read of 02010100", "answered with real address", DLT645_VALUE},
	{"AAx6 read of 02010100", "QUIRK: a peer that echoes the AA address", DLT645_VALUE},
	{"voltage A 02010100", "QUIRK: a peer that echoes the AA address", DLT645_NOT_OURS},
	{"contracted address 9012", "answered with real address", DLT645_VALUE},
	{"contracted address 9012", "QUIRK: a peer that echoes the AA address", DLT645_NOT_OURS},
	{"contracted address 9012", "02010100 = 100.1 V", DLT645_NOT_OURS},
	{"other address: silence", "answered with real address", DLT645_NOT_OURS},
	{"FOLLOW-UP small: 11 ->", "FOLLOW-UP small: 11 ->", DLT645_VALUE_MORE},
	{"FOLLOW-UP small: 11 ->", "FOLLOW-UP small: 12 SEQ=1 ->", DLT645_NOT_OURS}, /* B2 answers 12H */
	{"FOLLOW-UP small: 11 ->", "FOLLOW-UP small: 12 SEQ=2 ->", DLT645_NOT_OURS},
	{"FOLLOW-UP small: 11 ->", "ERROR on 12H", DLT645_NOT_OURS},
	{"FOLLOW-UP 260 B from DI 05060001: request", "B1 L=C8H", DLT645_VALUE_MORE},
	{"ERROR no such data", "ERROR no such data", DLT645_REFUSED},
	{"date 04000101", "14H write date", DLT645_NOT_OURS}, /* 94H */
	{"date 04000101", "14H wrong password", DLT645_NOT_OURS}, /* D4H */
};

START_TEST(golden_talks)
{
	struct dlt645_frame request = parse_golden(find_golden(true, talks[_i].request));
	struct dlt645_frame reply = parse_golden(find_golden(false, talks[_i].reply));
	const uint8_t *value = NULL;
	size_t size = 0;
	uint8_t error = 0;
	enum dlt645_answer answer = dlt645_match(&request, &reply, &value, &size, &error);

	REQUIRE(answer == talks[_i].answer,
		"'%s', '%s': %d, not %d",
		talks[_i].request,
		talks[_i].reply,
		answer,
		talks[_i].answer);
	if (answer == DLT645_VALUE || answer == DLT645_VALUE_MORE)
		REQUIRE(value == reply.data + 4 && size == reply.length - 4U, "'%s': value", talks[_i].reply);
	else
		REQUIRE(value == NULL && size == 0, "'%s': a value", talks[_i].reply);
	REQUIRE((error != 0) == (answer == DLT645_REFUSED), "'%s': error %u", talks[_i].reply, error);
}
END_TEST

/* ---- answers, made up ---- */

static const struct {
	const char *request, *reply; /* addresses */
	uint8_t control, length;
	uint8_t data[8];
	enum dlt645_answer answer;
	size_t size;
	uint8_t error;
} matches[] = {
	{"123456789012", "123456789012", 0x91, 6, {0, 1, 1, 2, 5, 0x23}, DLT645_VALUE, 2, 0},
	{"123456789012", "123456789012", 0x91, 4, {0, 1, 1, 2}, DLT645_VALUE, 0, 0},
	{"123456789012", "123456789012", 0xB1, 5, {0, 1, 1, 2, 9}, DLT645_VALUE_MORE, 1, 0},
	/* too short for its identifier, another identifier in each of its bytes */
	{"123456789012", "123456789012", 0x91, 3, {0, 1, 1}, DLT645_NOT_OURS, 0, 0},
	{"123456789012", "123456789012", 0x91, 0, {0}, DLT645_NOT_OURS, 0, 0},
	{"123456789012", "123456789012", 0x91, 6, {1, 1, 1, 2, 5, 0x23}, DLT645_NOT_OURS, 0, 0},
	{"123456789012", "123456789012", 0x91, 6, {0, 0, 1, 2, 5, 0x23}, DLT645_NOT_OURS, 0, 0},
	{"123456789012", "123456789012", 0x91, 6, {0, 1, 2, 2, 5, 0x23}, DLT645_NOT_OURS, 0, 0},
	{"123456789012", "123456789012", 0x91, 6, {0, 1, 1, 3, 5, 0x23}, DLT645_NOT_OURS, 0, 0},
	/* the echo, other functions, bits that no answer has */
	{"123456789012", "123456789012", 0x11, 4, {0, 1, 1, 2}, DLT645_NOT_OURS, 0, 0},
	{"123456789012", "123456789012", 0x31, 4, {0, 1, 1, 2}, DLT645_NOT_OURS, 0, 0},
	{"123456789012", "123456789012", 0x51, 1, {2}, DLT645_NOT_OURS, 0, 0},
	{"123456789012", "123456789012", 0x92, 6, {0, 1, 1, 2, 5, 0x23}, DLT645_NOT_OURS, 0, 0},
	{"123456789012", "123456789012", 0x81, 6, {0, 1, 1, 2, 5, 0x23}, DLT645_NOT_OURS, 0, 0},
	{"123456789012", "123456789012", 0xF1, 1, {2}, DLT645_NOT_OURS, 0, 0},
	/* refusals */
	{"123456789012", "123456789012", 0xD1, 1, {2}, DLT645_REFUSED, 0, 2},
	{"123456789012", "123456789012", 0xD1, 1, {0x40}, DLT645_REFUSED, 0, 0x40},
	{"123456789012", "123456789012", 0xD1, 0, {0}, DLT645_REFUSED, 0, 0},
	{"123456789012", "123456789013", 0xD1, 1, {2}, DLT645_NOT_OURS, 0, 0},
	{"123456789012", "123456789012", 0xD2, 1, {2}, DLT645_NOT_OURS, 0, 0},
	/* addresses */
	{"123456789012", "023456789012", 0x91, 4, {0, 1, 1, 2}, DLT645_NOT_OURS, 0, 0},
	{"123456789012", "AAAAAAAAAAAA", 0x91, 4, {0, 1, 1, 2}, DLT645_NOT_OURS, 0, 0},
	{"123456789012", "AAAAAAAAAAAA", 0xD1, 1, {2}, DLT645_NOT_OURS, 0, 0},
	{"AAAAAAAAAAAA", "AAAAAAAAAAAA", 0x91, 4, {0, 1, 1, 2}, DLT645_VALUE, 0, 0},
	{"AAAAAAAAAAAA", "123456789012", 0x91, 4, {0, 1, 1, 2}, DLT645_VALUE, 0, 0},
	{"AAAAAAAAAAAA", "123456789012", 0x11, 4, {0, 1, 1, 2}, DLT645_NOT_OURS, 0, 0},
	{"AAAAAAAAAAAA", "AAAAAAAAAAAA", 0x11, 4, {0, 1, 1, 2}, DLT645_NOT_OURS, 0, 0},
	{"AAAAAAAA9012", "123456789012", 0x91, 4, {0, 1, 1, 2}, DLT645_VALUE, 0, 0},
	{"AAAAAAAA9012", "AAAAAAAA9012", 0x91, 4, {0, 1, 1, 2}, DLT645_VALUE, 0, 0},
	{"AAAAAAAA9012", "AAAAAAAAAAAA", 0x91, 4, {0, 1, 1, 2}, DLT645_NOT_OURS, 0, 0},
	{"AAAAAAAA9012", "123456789112", 0x91, 4, {0, 1, 1, 2}, DLT645_NOT_OURS, 0, 0},
};

START_TEST(match_conversation)
{
	struct dlt645_frame request, reply = {.control = matches[_i].control, .length = matches[_i].length};
	uint8_t address[DLT645_ADDRESS_BYTES], error = 0;
	const uint8_t *value = NULL;
	size_t size = 0;

	memcpy(reply.data, matches[_i].data, sizeof(matches[_i].data));
	REQUIRE(dlt645_address_read(matches[_i].reply, reply.address), "%d: address", _i);
	REQUIRE(dlt645_address_read(matches[_i].request, address), "%d: address", _i);
	dlt645_read_request(&request, address, 0x02010100);

	enum dlt645_answer answer = dlt645_match(&request, &reply, &value, &size, &error);

	REQUIRE(answer == matches[_i].answer, "%d: answer %d, not %d", _i, answer, matches[_i].answer);
	REQUIRE(size == matches[_i].size && error == matches[_i].error, "%d: %zu bytes, error %u", _i, size, error);
	if (answer == DLT645_VALUE || answer == DLT645_VALUE_MORE)
		REQUIRE(value == reply.data + 4, "%d: value", _i);
}
END_TEST

START_TEST(error_texts)
{
	for (unsigned error = 0; error <= 0xFF; error++) {
		const char *text = dlt645_error_text((uint8_t)error);
		unsigned first = error & (0 - error);

		REQUIRE(text != NULL && text[0] != '\0', "%02X: no text", error);
		REQUIRE(text == dlt645_error_text((uint8_t)first), "%02X: not that of its first bit", error);
		for (unsigned other = 1; other <= 0x80; other <<= 1)
			REQUIRE((strcmp(text, dlt645_error_text((uint8_t)other)) == 0) == (other == first),
				"%02X and %02X",
				error,
				other);
	}
}
END_TEST

/* ---- addresses ---- */

static const struct {
	const char *text;
	uint8_t address[DLT645_ADDRESS_BYTES];
	const char *back;
} addresses[] = {
	{"123456789012", {0x12, 0x90, 0x78, 0x56, 0x34, 0x12}, "123456789012"},
	{"1", {0x01, 0, 0, 0, 0, 0}, "000000000001"},
	{"6605518", {0x18, 0x55, 0x60, 0x06, 0, 0}, "000006605518"},
	{"000000000000", {0, 0, 0, 0, 0, 0}, "000000000000"},
	{"999999999999", {0x99, 0x99, 0x99, 0x99, 0x99, 0x99}, "999999999999"},
	{DLT645_WILDCARD, {0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA}, DLT645_WILDCARD},
	{"AAAAAAAA9012", {0x12, 0x90, 0xAA, 0xAA, 0xAA, 0xAA}, "AAAAAAAA9012"},
};

START_TEST(address_round_trip)
{
	uint8_t address[DLT645_ADDRESS_BYTES];
	char text[DLT645_ADDRESS_SIZE];

	REQUIRE(dlt645_address_read(addresses[_i].text, address), "%s", addresses[_i].text);
	ck_assert_mem_eq(address, addresses[_i].address, sizeof(address));
	dlt645_address_write(address, text);
	ck_assert_str_eq(text, addresses[_i].back);
}
END_TEST

static const char *const no_addresses[] = {
	"",
	"1234567890123",
	"12345678901234567890",
	" 1",
	"1 ",
	"-1",
	"+1",
	"1A",
	"A1",
	"aaaaaaaaaaaa",
	"AAAAAAAAAAA",
	"AAAAAAAAAAAAA",
	"AA",
	"AA9012",
	"0AA901",
	"BB",
	"12:4",
	"AAAA12AAAAAA",
	"12AAAAAAAAAA",
	"1AAAAAAAAAA2",
	"0x12",
};

START_TEST(address_refused)
{
	uint8_t address[DLT645_ADDRESS_BYTES] = {1, 2, 3, 4, 5, 6};
	static const uint8_t before[DLT645_ADDRESS_BYTES] = {1, 2, 3, 4, 5, 6};

	REQUIRE(!dlt645_address_read(no_addresses[_i], address), "'%s' was accepted", no_addresses[_i]);
	ck_assert_mem_eq(address, before, sizeof(before));
}
END_TEST

/* ---- the parser ---- */

static void random_frame(struct dlt645_frame *frame, size_t length)
{
	*frame = (struct dlt645_frame){.control = random_byte(), .length = (uint8_t)length};
	for (size_t i = 0; i < DLT645_ADDRESS_BYTES; i++)
		frame->address[i] = random_byte();
	for (size_t i = 0; i < length; i++)
		frame->data[i] = random_byte();
}

/* Every length, every preamble. */
START_TEST(parser_lengths)
{
	struct dlt645_parser p;
	struct dlt645_frame frame, back;
	uint8_t bytes[DLT645_FRAME_MAX];

	random_state = 645;
	for (size_t length = 0; length <= DLT645_DATA_MAX; length++) {
		for (unsigned preamble = 0; preamble <= DLT645_PREAMBLE; preamble++) {
			random_frame(&frame, length);

			size_t count = dlt645_frame_write(&frame, preamble, bytes);

			REQUIRE(count == preamble + DLT645_OVERHEAD + length, "%zu bytes", count);
			dlt645_parser_init(&p);
			push(&p, bytes, count - 1);
			REQUIRE(!dlt645_parser_next(&p, &back) || back.length < length, "%zu: too early", length);
			dlt645_parser_init(&p);
			push(&p, bytes, count);
			REQUIRE(dlt645_parser_next(&p, &back), "%zu: not found", length);
			REQUIRE(memcmp(&frame, &back, sizeof(frame)) == 0, "%zu: another frame", length);
			REQUIRE(p.count == 0 && p.garbage == 0, "%zu: something left", length);
		}
	}
}
END_TEST

/* A full buffer drops the oldest. */
START_TEST(parser_overflow)
{
	struct dlt645_parser p;
	struct dlt645_frame frame, back;
	uint8_t block[3 * DLT645_FRAME_MAX], bytes[DLT645_FRAME_MAX];

	memset(block, 0x68, sizeof(block));
	dlt645_read_request(&frame, (const uint8_t[]){1, 2, 3, 4, 5, 6}, 0x00010000);

	size_t length = dlt645_frame_write(&frame, 0, bytes);

	memcpy(block + sizeof(block) - length, bytes, length);
	dlt645_parser_init(&p);
	push(&p, block, sizeof(block));
	ck_assert_uint_eq(p.count, sizeof(p.bytes));
	ck_assert_uint_eq(p.garbage, sizeof(block) - sizeof(p.bytes));
	push(&p, NULL, 0);
	push(&p, block + sizeof(block) - 1, 1);
	ck_assert_uint_eq(p.count, sizeof(p.bytes));
	ck_assert_uint_eq(p.garbage, sizeof(block) - sizeof(p.bytes) + 1);

	bool found = false;

	while (p.count > 0 && !found) {
		found = dlt645_parser_next(&p, &back);
		if (!found)
			dlt645_parser_expire(&p);
	}
	REQUIRE(found && memcmp(&frame, &back, sizeof(frame)) == 0, "not found");
}
END_TEST

START_TEST(parser_expire_alone)
{
	struct dlt645_parser p;
	static const uint8_t half[] = {0x68, 1, 2};
	struct dlt645_frame frame;

	dlt645_parser_init(&p);
	dlt645_parser_expire(&p);
	ck_assert_uint_eq(p.garbage, 0);
	ck_assert(!dlt645_parser_next(&p, &frame));
	push(&p, half, sizeof(half));
	ck_assert(!dlt645_parser_next(&p, &frame));
	ck_assert_uint_eq(p.count, sizeof(half));
	dlt645_parser_expire(&p);
	ck_assert_uint_eq(p.count, sizeof(half) - 1);
	ck_assert_uint_eq(p.garbage, 1);
	ck_assert(!dlt645_parser_next(&p, &frame));
	ck_assert_uint_eq(p.count, 0);
	ck_assert_uint_eq(p.garbage, sizeof(half));
}
END_TEST

/* A single wrong bit, wherever it is, leaves no frame at all. */
static void refuse_damaged(const struct golden *g, size_t at, unsigned bit)
{
	struct dlt645_parser p;
	struct dlt645_frame frame;
	uint8_t bytes[DLT645_FRAME_MAX];

	memcpy(bytes, g->bytes, g->count);
	bytes[at] ^= (uint8_t)(1U << bit);
	dlt645_parser_init(&p);
	push(&p, bytes, g->count);
	while (p.count > 0) {
		REQUIRE(!dlt645_parser_next(&p, &frame),
			"'%s': accepted with bit %u of byte %zu wrong",
			g->meaning,
			bit,
			at);
		dlt645_parser_expire(&p);
	}
	REQUIRE(p.garbage == g->count, "'%s': %" PRIu64 " garbage", g->meaning, p.garbage);
}

START_TEST(parser_damage)
{
	for (size_t i = 0; i < golden_count; i++) {
		/* All bits where frames are short; of a long one's data, some. */
		size_t stride = goldens[i].count > 40 ? 7 : 1;

		for (size_t at = 0; at < goldens[i].count; at += at < 10 ? 1 : stride) {
			for (unsigned bit = 0; bit < 8; bit++)
				refuse_damaged(&goldens[i], at, bit);
		}
		for (unsigned bit = 0; bit < 8; bit++) {
			refuse_damaged(&goldens[i], goldens[i].count - 2, bit);
			refuse_damaged(&goldens[i], goldens[i].count - 1, bit);
		}
	}
}
END_TEST

/* A stream and what came out of it. */
struct run {
	struct dlt645_parser parser;
	size_t pushed, framed, frames;
	const struct dlt645_frame *wanted;
	size_t wanted_at; /* where it starts in the stream */
	bool found;
	bool covered; /* by a frame that chance made, right checksum and all: no parser can tell */
};

static void take_frames(struct run *run)
{
	struct dlt645_frame frame;

	while (dlt645_parser_next(&run->parser, &frame)) {
		size_t length = DLT645_OVERHEAD + (size_t)frame.length, end = run->pushed - run->parser.count;

		run->frames++;
		run->framed += length;
		if (memcmp(&frame, run->wanted, sizeof(frame)) == 0)
			run->found = true;
		else if (end > run->wanted_at && end - length <= run->wanted_at)
			run->covered = true;
	}
}

static void feed(struct run *run, const uint8_t *bytes, size_t count)
{
	while (count > 0) {
		size_t chunk = 1 + random_below(DLT645_FRAME_MAX);

		chunk = chunk < count ? chunk : count;
		push(&run->parser, bytes, chunk);
		run->pushed += chunk;
		take_frames(run);
		bytes += chunk;
		count -= chunk;
	}
}

/* Random garbage around a frame: it is always found, and every byte is accounted for. */
START_TEST(parser_resynchronises)
{
	unsigned covered = 0;

	random_state = 2007;
	for (unsigned round = 0; round < 20000; round++) {
		struct dlt645_frame wanted;
		struct run run = {.wanted = &wanted};
		uint8_t bytes[400 + DLT645_FRAME_MAX + 400];
		uint8_t framed[DLT645_FRAME_MAX];
		size_t before = random_below(401), after = random_below(401), length;

		for (size_t i = 0; i < before; i++)
			bytes[i] = random_byte();
		random_frame(&wanted, random_below(DLT645_DATA_MAX + 1));

		unsigned preamble = (unsigned)random_below(DLT645_PREAMBLE + 1);

		length = dlt645_frame_write(&wanted, preamble, framed);
		run.wanted_at = before + preamble;
		memcpy(bytes + before, framed, length);
		for (size_t i = 0; i < after; i++)
			bytes[before + length + i] = random_byte();
		dlt645_parser_init(&run.parser);
		feed(&run, bytes, before + length + after);
		while (run.parser.count > 0) {
			dlt645_parser_expire(&run.parser);
			take_frames(&run);
		}
		REQUIRE(run.found || run.covered, "round %u: not found", round);
		covered += !run.found;

		uint64_t counted = run.framed + run.parser.garbage;

		REQUIRE(counted <= run.pushed && run.pushed - counted <= run.frames * DLT645_PREAMBLE,
			"round %u: %zu pushed, %zu in frames, %" PRIu64 " garbage",
			round,
			run.pushed,
			run.framed,
			run.parser.garbage);
	}
	REQUIRE(covered <= 5, "%u frames were covered by others", covered);
}
END_TEST

/* ---- BCD ---- */

static const struct {
	uint8_t bytes[8];
	size_t count;
	bool with_sign;
	enum dlt645_number kind;
	int64_t value;
} numbers[] = {
	{{0x00}, 1, false, DLT645_NUMBER, 0},
	{{0x99}, 1, false, DLT645_NUMBER, 99},
	{{0x79}, 1, true, DLT645_NUMBER, 79},
	{{0xF9}, 1, true, DLT645_NUMBER, -79},
	{{0x80}, 1, true, DLT645_NUMBER, 0}, /* a negative nothing */
	{{0x80}, 1, false, DLT645_NUMBER, 80},
	{{0x9A}, 1, false, DLT645_NOT_BCD, 0},
	{{0xA0}, 1, false, DLT645_NOT_BCD, 0},
	{{0x8A}, 1, true, DLT645_NOT_BCD, 0},
	{{0xFF}, 1, false, DLT645_NOT_AVAILABLE, 0},
	{{0xFF}, 1, true, DLT645_NOT_AVAILABLE, 0},
	{{0xFE}, 1, true, DLT645_NOT_BCD, 0},
	{{0xFF, 0x7F}, 2, true, DLT645_NOT_BCD, 0},
	{{0xFF, 0xFE}, 2, false, DLT645_NOT_BCD, 0},
	{{0x00, 0xFF}, 2, true, DLT645_NOT_BCD, 0},
	{{0xF0, 0x00}, 2, false, DLT645_NOT_BCD, 0},
	{{0x45, 0x23, 0x81}, 3, true, DLT645_NUMBER, -12345},
	{{0x45, 0x23, 0x81}, 3, false, DLT645_NUMBER, 812345},
	{{0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99}, 8, false, DLT645_NUMBER, INT64_C(9999999999999999)},
	{{0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0xF9}, 8, true, DLT645_NUMBER, -INT64_C(7999999999999999)},
	{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, 8, true, DLT645_NOT_AVAILABLE, 0},
};

START_TEST(bcd_table)
{
	int64_t value = 4711;
	uint8_t *block = malloc(numbers[_i].count); /* exactly as long: a byte read too far is seen */

	REQUIRE(block != NULL, "out of memory");
	memcpy(block, numbers[_i].bytes, numbers[_i].count);

	enum dlt645_number kind = dlt645_bcd_read(block, numbers[_i].count, numbers[_i].with_sign, &value);

	free(block);
	REQUIRE(kind == numbers[_i].kind, "%d: %d, not %d", _i, kind, numbers[_i].kind);
	REQUIRE(value == (kind == DLT645_NUMBER ? numbers[_i].value : 4711), "%d: " I64, _i, value);
}
END_TEST

static const struct {
	int64_t value;
	bool with_sign;
	size_t count;
} no_numbers[] = {
	{100, false, 1},
	{80, true, 1},
	{-80, true, 1},
	{-1, false, 1},
	{-1, false, 8},
	{INT64_C(10000000000000000), false, 8},
	{INT64_C(8000000000000000), true, 8},
	{INT64_MAX, false, 8},
	{INT64_MIN, true, 8},
	{INT64_MIN, false, 8},
};

START_TEST(bcd_write_refused)
{
	uint8_t bytes[8], before[8];

	memset(bytes, 0x5A, sizeof(bytes));
	memset(before, 0x5A, sizeof(before));
	REQUIRE(!dlt645_bcd_write(no_numbers[_i].value, no_numbers[_i].with_sign, bytes, no_numbers[_i].count),
		"%d: written",
		_i);
	ck_assert_mem_eq(bytes, before, sizeof(before));
}
END_TEST

START_TEST(bcd_round_trip)
{
	random_state = 33;
	for (unsigned round = 0; round < 100000; round++) {
		size_t count = 1 + random_below(8);
		bool with_sign = random_u64() & 1;
		int64_t limit = with_sign ? 8 : 10, back = 0;
		uint8_t bytes[9] = {0};

		for (size_t digit = 1; digit < 2 * count; digit++)
			limit *= 10;

		int64_t value = (int64_t)(random_u64() % (uint64_t)limit);

		if (with_sign && random_u64() & 1)
			value = -value;
		bytes[count] = 0x5A;
		REQUIRE(dlt645_bcd_write(value, with_sign, bytes, count), I64 " in %zu bytes", value, count);
		REQUIRE(bytes[count] == 0x5A, I64 ": wrote more than %zu bytes", value, count);
		REQUIRE(dlt645_bcd_read(bytes, count, with_sign, &back) == DLT645_NUMBER && back == value,
			I64 " in %zu bytes came back as " I64,
			value,
			count,
			back);
	}
}
END_TEST

static TCase *golden_case(void)
{
	TCase *golden = tcase_create("golden frames");

	tcase_set_timeout(golden, 60);
	tcase_add_test(golden, golden_whole);
	tcase_add_test(golden, golden_byte_by_byte);
	tcase_add_loop_test(golden, golden_after_noise, 0, (int)COUNT(noises));
	tcase_add_test(golden, golden_after_half_frame);
	tcase_add_test(golden, golden_after_echo);
	tcase_add_test(golden, golden_read_requests);
	tcase_add_loop_test(golden, golden_values, 0, (int)COUNT(values));
	tcase_add_test(golden, golden_absent_phases);
	tcase_add_loop_test(golden, golden_status_words, 0, (int)COUNT(words));
	tcase_add_loop_test(golden, golden_errors, 0, (int)COUNT(errors));
	tcase_add_loop_test(golden, golden_talks, 0, (int)COUNT(talks));
	return golden;
}

static Suite *dlt645_suite(void)
{
	Suite *suite = suite_create("dlt645");
	TCase *answers = tcase_create("answers"), *parser = tcase_create("parser"), *bcd = tcase_create("bcd");

	tcase_add_loop_test(answers, match_conversation, 0, (int)COUNT(matches));
	tcase_add_test(answers, error_texts);
	tcase_add_loop_test(answers, address_round_trip, 0, (int)COUNT(addresses));
	tcase_add_loop_test(answers, address_refused, 0, (int)COUNT(no_addresses));
	tcase_set_timeout(parser, 60);
	tcase_add_test(parser, parser_lengths);
	tcase_add_test(parser, parser_overflow);
	tcase_add_test(parser, parser_expire_alone);
	tcase_add_test(parser, parser_damage);
	tcase_add_test(parser, parser_resynchronises);
	tcase_set_timeout(bcd, 60);
	tcase_add_loop_test(bcd, bcd_table, 0, (int)COUNT(numbers));
	tcase_add_loop_test(bcd, bcd_write_refused, 0, (int)COUNT(no_numbers));
	tcase_add_test(bcd, bcd_round_trip);
	suite_add_tcase(suite, golden_case());
	suite_add_tcase(suite, answers);
	suite_add_tcase(suite, parser);
	suite_add_tcase(suite, bcd);
	return suite;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: test_dlt645 FOLDER (tests/frames)\n");
		return EXIT_FAILURE;
	}
	load_goldens(argv[1], "dlt645-1997.tsv", true);
	load_goldens(argv[1], "dlt645-2007-peers.tsv", false);
	load_goldens(argv[1], "dlt645-2007-recorded.tsv", false);

	SRunner *runner = srunner_create(dlt645_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
