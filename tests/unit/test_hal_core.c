/* Tests hal/core's pure machines: debounce, lock and breaker as tables of conversations, the plausibility gate by
 * conversations and by random sequences of readings. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "breaker.h"
#include "debounce.h"
#include "lock.h"
#include "moment.h"
#include "plausibility.h"

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

static int64_t random_below(int64_t limit)
{
	return (int64_t)(random_u64() % (uint64_t)limit);
}

/* ---- debounce: settles in 50 ms ---- */

enum debounce_op {
	INPUT_LOW,
	INPUT_HIGH,
	TIME,
};

static const struct {
	enum debounce_op op;
	int64_t at_ms;
	bool changed; /* what the call says */
	bool known, stable;
	int64_t deadline;
} bounces[] = {
	{TIME, 0, false, false, false, MOMENT_NEVER},
	/* the first level has to settle too */
	{INPUT_HIGH, 100, false, false, false, 150},
	{TIME, 149, false, false, false, 150},
	{TIME, 150, true, true, true, MOMENT_NEVER},
	{TIME, 151, false, true, true, MOMENT_NEVER},
	/* a bounce that comes back */
	{INPUT_LOW, 200, false, true, true, 250},
	{INPUT_HIGH, 220, false, true, true, MOMENT_NEVER},
	{TIME, 300, false, true, true, MOMENT_NEVER},
	/* bouncing, then still: counts from the last change */
	{INPUT_LOW, 400, false, true, true, 450},
	{INPUT_HIGH, 410, false, true, true, MOMENT_NEVER},
	{INPUT_LOW, 430, false, true, true, 480},
	{TIME, 479, false, true, true, 480},
	{TIME, 480, true, true, false, MOMENT_NEVER},
	/* the same level again is no change; the input itself may settle it */
	{INPUT_HIGH, 500, false, true, false, 550},
	{INPUT_HIGH, 530, false, true, false, 550},
	{INPUT_HIGH, 550, true, true, true, MOMENT_NEVER},
	{INPUT_HIGH, 900, false, true, true, MOMENT_NEVER},
	/* a late tick */
	{INPUT_LOW, 1000, false, true, true, 1050},
	{TIME, 5000, true, true, false, MOMENT_NEVER},
};

START_TEST(debounce_conversation)
{
	struct debounce d;

	debounce_init(&d, 50);
	ck_assert_int_eq(debounce_deadline(&d), MOMENT_NEVER);
	for (size_t i = 0; i < COUNT(bounces); i++) {
		bool changed = bounces[i].op == TIME ?
				       debounce_tick(&d, bounces[i].at_ms) :
				       debounce_input(&d, bounces[i].op == INPUT_HIGH, bounces[i].at_ms);

		ck_assert_msg(changed == bounces[i].changed, "at " I64 ": %d", bounces[i].at_ms, changed);
		ck_assert_msg(d.known == bounces[i].known, "known at " I64, bounces[i].at_ms);
		ck_assert_msg(!d.known || d.stable == bounces[i].stable, "level at " I64, bounces[i].at_ms);
		ck_assert_msg(debounce_deadline(&d) == bounces[i].deadline,
			      "deadline at " I64 ": " I64,
			      bounces[i].at_ms,
			      debounce_deadline(&d));
	}
}
END_TEST

START_TEST(debounce_first_level_low)
{
	struct debounce d;

	debounce_init(&d, 50);
	ck_assert(!debounce_input(&d, false, 10));
	ck_assert_int_eq(debounce_deadline(&d), 60);
	ck_assert(debounce_tick(&d, 60));
	ck_assert(d.known && !d.stable);
}
END_TEST

START_TEST(debounce_at_once)
{
	struct debounce d;

	debounce_init(&d, 0);
	ck_assert(debounce_input(&d, false, 10));
	ck_assert(!debounce_input(&d, false, 11));
	ck_assert(debounce_input(&d, true, 11));
	ck_assert(d.known && d.stable);
	ck_assert_int_eq(debounce_deadline(&d), MOMENT_NEVER);
}
END_TEST

/* Sampled every millisecond: the stable level is the last one that held for the whole settling time. */
START_TEST(debounce_random)
{
	int64_t since = 0;
	bool raw = false, known = false, stable = false;
	struct debounce d;

	random_state = 1;
	debounce_init(&d, 20);
	for (int64_t t = 0; t < 200000; t++) {
		bool level = random_below(25) ? raw : !raw, was_known = known, was = stable, said;

		if (t > 0 && t - since >= 20) { /* the level until now has stood long enough */
			known = true;
			stable = raw;
		}
		if (level != raw || t == 0)
			since = t;
		raw = level;
		said = debounce_input(&d, level, t);
		REQUIRE(d.known == known && (!known || d.stable == stable), "wrong level at " I64, t);
		REQUIRE(said == (known != was_known || stable != was), "wrong answer at " I64, t);
	}
}
END_TEST

/* ---- lock ---- */

START_TEST(lock_conversation)
{
	struct lock l;

	lock_init(&l, 500, 2000, 1000);
	ck_assert_int_eq(lock_ready_at(&l), 3000); /* nobody knows when the coil was last on */
	ck_assert_int_eq(lock_pulse(&l, 1000), 0);
	ck_assert_int_eq(lock_pulse(&l, 2999), 0);
	ck_assert_int_eq(lock_pulse(&l, 3000), 500);
	ck_assert_int_eq(lock_ready_at(&l), 5500);
	ck_assert_int_eq(lock_pulse(&l, 3000), 0);
	ck_assert_int_eq(lock_pulse(&l, 3499), 0);
	ck_assert_int_eq(lock_pulse(&l, 5499), 0);
	ck_assert_int_eq(lock_ready_at(&l), 5500); /* a refused pulse does not prolong the rest */
	ck_assert_int_eq(lock_pulse(&l, 5500), 500);
	ck_assert_int_eq(lock_pulse(&l, 9000), 500);
	ck_assert_int_eq(lock_ready_at(&l), 11500);
}
END_TEST

START_TEST(lock_without_rest)
{
	struct lock l;

	lock_init(&l, 300, 0, 50);
	ck_assert_int_eq(lock_pulse(&l, 50), 300);
	ck_assert_int_eq(lock_pulse(&l, 349), 0); /* the coil is still on */
	ck_assert_int_eq(lock_pulse(&l, 350), 300);
}
END_TEST

START_TEST(lock_random)
{
	random_state = 2;
	for (int i = 0; i < 2000; i++) {
		int64_t pulse = 1 + random_below(1000), rest = random_below(5000), now = random_below(1 << 20);
		int64_t allowed = now + rest;
		struct lock l;

		lock_init(&l, pulse, rest, now);
		for (int k = 0; k < 100; k++) {
			int64_t want = now >= allowed ? pulse : 0;

			REQUIRE(lock_ready_at(&l) == allowed, "ready at the wrong time");
			REQUIRE(lock_pulse(&l, now) == want, "pulse of the wrong length");
			if (want)
				allowed = now + pulse + rest;
			now += random_below(2000);
		}
	}
}
END_TEST

/* ---- breaker: 100 ms to act, noise below 50 mA, register in steps of 10 Wh ---- */

enum talk_op {
	THE_END, /* what an unwritten row of a table says */
	OPEN_IT,
	CLOSE_IT,
	SEEN_OPEN,
	SEEN_CLOSED,
	READ,
	TICK,
	CLEAR_YES, /* breaker_clear() must agree */
	CLEAR_NO,
};

#define S(state) (1u << BREAKER_##state)
#define ANY_OPEN (S(OPEN) | S(PRESUMED_OPEN))
#define ANY_CLOSED (S(CLOSED) | S(PRESUMED_CLOSED))
#define ANY 0xffu

struct talk {
	enum talk_op op;
	int64_t at_ms;
	unsigned int states; /* one of these afterwards */
	enum breaker_fault fault; /* afterwards */
	int64_t current_ma, register_mwh; /* READ */
};

#define TALK_MAX 14

static const struct conversation {
	const char *what;
	bool contact;
	struct talk talk[TALK_MAX];
} conversations[] = {
	{"boot", false, {{TICK, 5000, S(UNKNOWN), BREAKER_SOUND, 0, 0}}},
	{"boot with contact", true, {{TICK, 5000, S(UNKNOWN), BREAKER_SOUND, 0, 0}}},
	{"boot, contact open",
	 true,
	 {{SEEN_OPEN, 10, S(OPEN), BREAKER_SOUND, 0, 0}, {TICK, 5000, S(OPEN), BREAKER_SOUND, 0, 0}}},
	{"boot, a latching one is found closed: no fault, nobody has commanded it open",
	 true,
	 {{SEEN_CLOSED, 10, S(CLOSED), BREAKER_SOUND, 0, 0},
	  {READ, 20, S(CLOSED), BREAKER_SOUND, 9000, 70000},
	  {TICK, 5000, S(CLOSED), BREAKER_SOUND, 0, 0}}},
	{"boot, current proves closed", false, {{READ, 10, S(CLOSED), BREAKER_SOUND, 9000, 70000}}},
	{"boot, zero current proves nothing",
	 false,
	 {{READ, 10, S(UNKNOWN), BREAKER_SOUND, 0, 70000}, {READ, 500, S(UNKNOWN), BREAKER_SOUND, 49, 70000}}},
	{"opens",
	 true,
	 {{OPEN_IT, 0, S(OPENING), BREAKER_SOUND, 0, 0},
	  {TICK, 40, S(OPENING), BREAKER_SOUND, 0, 0},
	  {SEEN_OPEN, 50, S(OPEN), BREAKER_SOUND, 0, 0},
	  {TICK, 100, S(OPEN), BREAKER_SOUND, 0, 0},
	  {TICK, 9999, S(OPEN), BREAKER_SOUND, 0, 0}}},
	{"opens, presumed",
	 false,
	 {{OPEN_IT, 0, S(OPENING), BREAKER_SOUND, 0, 0},
	  {TICK, 99, S(OPENING), BREAKER_SOUND, 0, 0},
	  {TICK, 100, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 500, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 70000},
	  {READ, 900, S(PRESUMED_OPEN), BREAKER_SOUND, 49, 70000}}},
	{"closes",
	 true,
	 {{SEEN_OPEN, 0, S(OPEN), BREAKER_SOUND, 0, 0},
	  {CLOSE_IT, 10, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {SEEN_CLOSED, 60, S(CLOSED), BREAKER_SOUND, 0, 0},
	  {TICK, 110, S(CLOSED), BREAKER_SOUND, 0, 0},
	  {READ, 999, S(CLOSED), BREAKER_SOUND, 0, 70000}, /* nothing plugged in */
	  {READ, 1999, S(CLOSED), BREAKER_SOUND, 9000, 70000},
	  {READ, 2999, S(CLOSED), BREAKER_SOUND, 9000, 990000},
	  {OPEN_IT, 3000, S(OPENING), BREAKER_SOUND, 0, 0},
	  {SEEN_OPEN, 3020, S(OPEN), BREAKER_SOUND, 0, 0},
	  {TICK, 3100, S(OPEN), BREAKER_SOUND, 0, 0}}},
	{"closes, presumed until current is seen",
	 false,
	 {{CLOSE_IT, 0, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {TICK, 99, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {TICK, 100, S(PRESUMED_CLOSED), BREAKER_SOUND, 0, 0},
	  {READ, 500, S(PRESUMED_CLOSED), BREAKER_SOUND, 0, 70000},
	  {READ, 600, S(PRESUMED_CLOSED), BREAKER_SOUND, 49, 70000},
	  {READ, 700, S(CLOSED), BREAKER_SOUND, 50, 70000},
	  {READ, 800, ANY_CLOSED, BREAKER_SOUND, 0, 80000}, /* unplugged: not a trip */
	  {TICK, 9999999, ANY_CLOSED, BREAKER_SOUND, 0, 0}}},
	{"will not close cannot be told without a contact",
	 false,
	 {{CLOSE_IT, 0, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {TICK, 5000, S(PRESUMED_CLOSED), BREAKER_SOUND, 0, 0},
	  {READ, 3600000, S(PRESUMED_CLOSED), BREAKER_SOUND, 0, 70000}}},
	{"will not close",
	 true,
	 {{SEEN_OPEN, 0, S(OPEN), BREAKER_SOUND, 0, 0},
	  {CLOSE_IT, 10, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {SEEN_OPEN, 30, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {TICK, 109, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {TICK, 110, ANY & ~ANY_CLOSED, BREAKER_WILL_NOT_CLOSE, 0, 0},
	  {CLEAR_NO, 120, ANY & ~ANY_CLOSED, BREAKER_WILL_NOT_CLOSE, 0, 0},
	  {OPEN_IT, 200, ANY_OPEN | S(OPENING), BREAKER_WILL_NOT_CLOSE, 0, 0},
	  {TICK, 300, S(OPEN), BREAKER_WILL_NOT_CLOSE, 0, 0},
	  {CLEAR_YES, 400, S(OPEN), BREAKER_SOUND, 0, 0},
	  {TICK, 5000, S(OPEN), BREAKER_SOUND, 0, 0}}},
	{"closes too late: the fault stays until cleared",
	 true,
	 {{SEEN_OPEN, 0, S(OPEN), BREAKER_SOUND, 0, 0},
	  {CLOSE_IT, 0, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {TICK, 100, ANY & ~ANY_CLOSED, BREAKER_WILL_NOT_CLOSE, 0, 0},
	  {SEEN_CLOSED, 150, S(CLOSED), BREAKER_WILL_NOT_CLOSE, 0, 0},
	  {CLEAR_NO, 160, S(CLOSED), BREAKER_WILL_NOT_CLOSE, 0, 0}, /* never under a closing command */
	  {OPEN_IT, 200, S(OPENING), BREAKER_WILL_NOT_CLOSE, 0, 0},
	  {SEEN_OPEN, 250, S(OPEN), BREAKER_WILL_NOT_CLOSE, 0, 0},
	  {CLEAR_YES, 310, S(OPEN), BREAKER_SOUND, 0, 0}}},
	{"current speaks against open: the contact never closed",
	 true,
	 {{SEEN_OPEN, 0, S(OPEN), BREAKER_SOUND, 0, 0},
	  {CLOSE_IT, 0, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {TICK, 100, ANY & ~ANY_CLOSED, BREAKER_WILL_NOT_CLOSE, 0, 0},
	  {READ, 500, S(CLOSED), BREAKER_WILL_NOT_CLOSE, 9000, 70000},
	  {TICK, 600, S(CLOSED), BREAKER_WILL_NOT_CLOSE, 0, 0},
	  {READ, 900, S(OPEN), BREAKER_WILL_NOT_CLOSE, 0, 70000}}},
	{"current speaks against open: the contact says tripped",
	 true,
	 {{CLOSE_IT, 0, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {SEEN_CLOSED, 50, S(CLOSED), BREAKER_SOUND, 0, 0},
	  {READ, 500, S(CLOSED), BREAKER_SOUND, 9000, 70000},
	  {SEEN_OPEN, 600, S(OPEN), BREAKER_TRIPPED, 0, 0}, /* that current was before */
	  {READ, 1000, S(CLOSED), BREAKER_TRIPPED, 9000, 70000},
	  {READ, 1500, S(OPEN), BREAKER_TRIPPED, 0, 70000}}},
	{"boot: closed and opened by hand is no bypass",
	 true,
	 {{SEEN_OPEN, 0, S(OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 500, S(OPEN), BREAKER_SOUND, 0, 70000},
	  {SEEN_CLOSED, 600, S(CLOSED), BREAKER_SOUND, 0, 0},
	  {READ, 1000, S(CLOSED), BREAKER_SOUND, 0, 170000},
	  {SEEN_OPEN, 1100, S(OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 1500, S(OPEN), BREAKER_SOUND, 0, 170000},
	  {READ, 2000, S(OPEN), BREAKER_SOUND, 0, 180000}}},
	{"tripped",
	 true,
	 {{CLOSE_IT, 0, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {SEEN_CLOSED, 50, S(CLOSED), BREAKER_SOUND, 0, 0},
	  {TICK, 100, S(CLOSED), BREAKER_SOUND, 0, 0},
	  {SEEN_OPEN, 5000, S(OPEN), BREAKER_TRIPPED, 0, 0},
	  {CLEAR_NO, 5100, S(OPEN), BREAKER_TRIPPED, 0, 0},
	  {OPEN_IT, 5200, S(OPEN) | S(OPENING), BREAKER_TRIPPED, 0, 0},
	  {TICK, 5300, S(OPEN), BREAKER_TRIPPED, 0, 0},
	  {CLEAR_YES, 5400, S(OPEN), BREAKER_SOUND, 0, 0},
	  {CLOSE_IT, 6000, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {SEEN_CLOSED, 6050, S(CLOSED), BREAKER_SOUND, 0, 0}}},
	{"trips within the actuation time",
	 true,
	 {{CLOSE_IT, 0, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {SEEN_CLOSED, 40, S(CLOSED), BREAKER_SOUND, 0, 0},
	  {SEEN_OPEN, 60, ANY & ~ANY_CLOSED, BREAKER_TRIPPED, 0, 0},
	  {TICK, 200, S(OPEN), BREAKER_TRIPPED, 0, 0}}},
	{"an ordered opening is not a trip",
	 true,
	 {{CLOSE_IT, 0, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {SEEN_CLOSED, 40, S(CLOSED), BREAKER_SOUND, 0, 0},
	  {OPEN_IT, 50, S(OPENING), BREAKER_SOUND, 0, 0},
	  {SEEN_OPEN, 90, S(OPEN), BREAKER_SOUND, 0, 0},
	  {TICK, 150, S(OPEN), BREAKER_SOUND, 0, 0}}},
	{"welded: the contact stays closed",
	 true,
	 {{CLOSE_IT, 0, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {SEEN_CLOSED, 50, S(CLOSED), BREAKER_SOUND, 0, 0},
	  {OPEN_IT, 1000, S(OPENING), BREAKER_SOUND, 0, 0},
	  {TICK, 1099, S(OPENING), BREAKER_SOUND, 0, 0},
	  {TICK, 1100, ANY & ~ANY_OPEN, BREAKER_WELDED, 0, 0},
	  {CLEAR_NO, 1200, ANY & ~ANY_OPEN, BREAKER_WELDED, 0, 0},
	  {SEEN_OPEN, 9000, S(OPEN), BREAKER_WELDED, 0, 0},
	  {CLEAR_YES, 9100, S(OPEN), BREAKER_SOUND, 0, 0}}},
	{"welded: the contact closes by itself",
	 true,
	 {{OPEN_IT, 0, S(OPENING), BREAKER_SOUND, 0, 0},
	  {SEEN_OPEN, 50, S(OPEN), BREAKER_SOUND, 0, 0},
	  {TICK, 100, S(OPEN), BREAKER_SOUND, 0, 0},
	  {SEEN_CLOSED, 5000, ANY & ~ANY_OPEN, BREAKER_WELDED, 0, 0}}},
	{"welded: current, no contact",
	 false,
	 {{OPEN_IT, 0, S(OPENING), BREAKER_SOUND, 0, 0},
	  {TICK, 100, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 500, ANY & ~ANY_OPEN, BREAKER_SOUND, 50, 70000},
	  {READ, 550, ANY & ~ANY_OPEN, BREAKER_WELDED, 50, 70000},
	  {CLEAR_NO, 600, ANY & ~ANY_OPEN, BREAKER_WELDED, 0, 0},
	  {READ, 700, ANY_OPEN, BREAKER_WELDED, 0, 70000},
	  {CLEAR_YES, 800, ANY_OPEN, BREAKER_SOUND, 0, 0},
	  {READ, 900, ANY & ~ANY_OPEN, BREAKER_SOUND, 9000, 70000},
	  {READ, 950, ANY & ~ANY_OPEN, BREAKER_WELDED, 9000, 70000}}},
	{"one lagging reading of current welds nothing",
	 false,
	 {{OPEN_IT, 0, S(OPENING), BREAKER_SOUND, 0, 0},
	  {TICK, 100, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 500, S(OPENING), BREAKER_SOUND, 9000, 70000},
	  {READ, 700, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 70000},
	  {READ, 900, S(OPENING), BREAKER_SOUND, 9000, 70000}}},
	{"welded: current, though the contact says open",
	 true,
	 {{OPEN_IT, 0, S(OPENING), BREAKER_SOUND, 0, 0},
	  {SEEN_OPEN, 50, S(OPEN), BREAKER_SOUND, 0, 0},
	  {TICK, 100, S(OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 500, ANY & ~ANY_OPEN, BREAKER_SOUND, 9000, 70000},
	  {READ, 550, ANY & ~ANY_OPEN, BREAKER_WELDED, 9000, 70000},
	  {CLEAR_NO, 600, ANY & ~ANY_OPEN, BREAKER_WELDED, 0, 0}}},
	{"a reading from before the opening is no witness",
	 true,
	 {{CLOSE_IT, 0, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {SEEN_CLOSED, 50, S(CLOSED), BREAKER_SOUND, 0, 0},
	  {READ, 500, S(CLOSED), BREAKER_SOUND, 9000, 70000},
	  {OPEN_IT, 1000, S(OPENING), BREAKER_SOUND, 0, 0},
	  {READ, 990, S(OPENING), BREAKER_SOUND, 9000, 80000},
	  {SEEN_OPEN, 1050, S(OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 1090, S(OPEN), BREAKER_SOUND, 9000, 80000}, /* within the actuation time */
	  {TICK, 1100, S(OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 1500, S(OPEN), BREAKER_SOUND, 0, 80000}}},
	{"the same without a contact",
	 false,
	 {{CLOSE_IT, 0, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {READ, 500, S(CLOSED), BREAKER_SOUND, 9000, 70000},
	  {OPEN_IT, 1000, S(OPENING), BREAKER_SOUND, 0, 0},
	  {READ, 990, S(OPENING), BREAKER_SOUND, 9000, 80000},
	  {READ, 1050, S(OPENING), BREAKER_SOUND, 9000, 80000},
	  {TICK, 1100, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 1500, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 80000}}},
	{"bypassed",
	 true,
	 {{OPEN_IT, 0, S(OPENING), BREAKER_SOUND, 0, 0},
	  {SEEN_OPEN, 50, S(OPEN), BREAKER_SOUND, 0, 0},
	  {TICK, 100, S(OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 500, S(OPEN), BREAKER_SOUND, 0, 100000},
	  {READ, 1000, S(OPEN), BREAKER_SOUND, 0, 110000}, /* one step: a remainder of the session */
	  {READ, 1500, S(OPEN), BREAKER_SOUND, 0, 110000},
	  {READ, 2000, ANY, BREAKER_BYPASSED, 0, 120000},
	  {TICK, 2500, ANY, BREAKER_BYPASSED, 0, 0}}},
	{"bypassed, no contact",
	 false,
	 {{OPEN_IT, 0, S(OPENING), BREAKER_SOUND, 0, 0},
	  {TICK, 100, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 500, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 100000},
	  {READ, 1000, S(PRESUMED_OPEN), BREAKER_SOUND, 40, 110000},
	  {READ, 2000, ANY, BREAKER_BYPASSED, 40, 120000},
	  {CLEAR_YES, 3000, ANY_OPEN, BREAKER_SOUND, 0, 0},
	  {READ, 3500, ANY_OPEN, BREAKER_SOUND, 0, 120000}, /* measured anew from here */
	  {READ, 4000, ANY_OPEN, BREAKER_SOUND, 0, 130000},
	  {READ, 4500, ANY, BREAKER_BYPASSED, 0, 140000}}},
	{"what the register moves before settling is the session's",
	 true,
	 {{CLOSE_IT, 0, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {SEEN_CLOSED, 50, S(CLOSED), BREAKER_SOUND, 0, 0},
	  {READ, 900, S(CLOSED), BREAKER_SOUND, 9000, 100000},
	  {READ, 990, S(CLOSED), BREAKER_SOUND, 9000, 150000},
	  {OPEN_IT, 1000, S(OPENING), BREAKER_SOUND, 0, 0},
	  {READ, 1040, S(OPENING), BREAKER_SOUND, 9000, 200000},
	  {SEEN_OPEN, 1050, S(OPEN), BREAKER_SOUND, 0, 0},
	  {TICK, 1100, S(OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 1500, S(OPEN), BREAKER_SOUND, 0, 300000},
	  {READ, 2000, S(OPEN), BREAKER_SOUND, 0, 310000},
	  {READ, 2500, ANY, BREAKER_BYPASSED, 0, 320000}}},
	{"each opening settles anew",
	 false,
	 {{OPEN_IT, 0, S(OPENING), BREAKER_SOUND, 0, 0},
	  {TICK, 100, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 500, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 100000},
	  {CLOSE_IT, 1000, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {READ, 1500, S(CLOSED), BREAKER_SOUND, 9000, 900000},
	  {OPEN_IT, 2000, S(OPENING), BREAKER_SOUND, 0, 0},
	  {TICK, 2100, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 0},
	  {READ, 2500, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 950000},
	  {READ, 3000, S(PRESUMED_OPEN), BREAKER_SOUND, 0, 960000}}},
	{"changed mind: opened while closing, closed late",
	 true,
	 {{SEEN_OPEN, 0, S(OPEN), BREAKER_SOUND, 0, 0},
	  {CLOSE_IT, 0, S(CLOSING), BREAKER_SOUND, 0, 0},
	  {OPEN_IT, 50, S(OPENING) | S(OPEN), BREAKER_SOUND, 0, 0},
	  {SEEN_CLOSED, 60, S(OPENING), BREAKER_SOUND, 0, 0},
	  {SEEN_OPEN, 120, S(OPEN), BREAKER_SOUND, 0, 0},
	  {TICK, 150, S(OPEN), BREAKER_SOUND, 0, 0}}},
	{"nothing to clear",
	 true,
	 {{OPEN_IT, 0, S(OPENING), BREAKER_SOUND, 0, 0},
	  {SEEN_OPEN, 50, S(OPEN), BREAKER_SOUND, 0, 0},
	  {TICK, 100, S(OPEN), BREAKER_SOUND, 0, 0},
	  {CLEAR_YES, 200, S(OPEN), BREAKER_SOUND, 0, 0}}},
};

static struct breaker a_breaker(bool contact)
{
	const struct breaker_config config = {
		.kind = BREAKER_MONOSTABLE,
		.contact_fitted = contact,
		.actuation_ms = 100,
		.current_threshold_ma = 50,
		.step_mwh = 10000,
	};
	struct breaker b;

	breaker_init(&b, &config);
	return b;
}

static void say(struct breaker *b, const struct talk *t)
{
	switch (t->op) {
	case OPEN_IT:
	case CLOSE_IT:
		breaker_on_command(b, t->op == CLOSE_IT, t->at_ms);
		break;
	case SEEN_OPEN:
	case SEEN_CLOSED:
		breaker_on_contact(b, t->op == SEEN_CLOSED, t->at_ms);
		break;
	case READ:
		breaker_on_reading(b, t->current_ma, t->register_mwh, t->at_ms);
		break;
	case TICK:
		breaker_on_tick(b, t->at_ms);
		break;
	case CLEAR_YES:
	case CLEAR_NO:
		ck_assert_msg(breaker_clear(b, t->at_ms) == (t->op == CLEAR_YES), "clear at " I64, t->at_ms);
		break;
	case THE_END:
		break;
	}
}

static void check_open_closed(const struct breaker *b)
{
	bool open = b->state == BREAKER_OPEN || b->state == BREAKER_PRESUMED_OPEN;
	bool closed = b->state == BREAKER_CLOSED || b->state == BREAKER_PRESUMED_CLOSED;

	REQUIRE(breaker_is_open(b) == open, "is_open in %s", breaker_state_name(b->state));
	REQUIRE(breaker_is_closed(b) == closed, "is_closed in %s", breaker_state_name(b->state));
}

START_TEST(breaker_conversation)
{
	const struct conversation *c = &conversations[_i];
	struct breaker b = a_breaker(c->contact);

	ck_assert(b.state == BREAKER_UNKNOWN && b.fault == BREAKER_SOUND);
	for (const struct talk *t = c->talk; t->op != THE_END; t++) {
		say(&b, t);
		ck_assert_msg(
			t->states & 1u << b.state, "%s: %s at " I64, c->what, breaker_state_name(b.state), t->at_ms);
		ck_assert_msg(
			b.fault == t->fault, "%s: fault %s at " I64, c->what, breaker_fault_name(b.fault), t->at_ms);
		check_open_closed(&b);
	}
}
END_TEST

START_TEST(breaker_deadlines)
{
	for (int contact = 0; contact <= 1; contact++) {
		struct breaker b = a_breaker(contact);

		ck_assert_int_eq(breaker_deadline(&b), MOMENT_NEVER);
		if (contact)
			breaker_on_contact(&b, true, 900);
		breaker_on_command(&b, false, 1000);
		ck_assert_int_eq(breaker_deadline(&b), 1100);
		breaker_on_tick(&b, 1050);
		ck_assert_int_eq(breaker_deadline(&b), 1100);
		if (contact)
			breaker_on_contact(&b, false, 1060);
		breaker_on_tick(&b, 1100);
		ck_assert_int_eq(breaker_deadline(&b), MOMENT_NEVER);
		breaker_on_command(&b, true, 2000);
		ck_assert_int_eq(breaker_deadline(&b), 2100);
		breaker_on_tick(&b, 2100);
		ck_assert_int_eq(breaker_deadline(&b), MOMENT_NEVER);
	}
}
END_TEST

START_TEST(breaker_names)
{
	for (int i = 0; i < BREAKER_STATE_COUNT; i++)
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(breaker_state_name((enum breaker_state)i),
					 breaker_state_name((enum breaker_state)k));
	for (int i = 0; i < BREAKER_FAULT_COUNT; i++)
		for (int k = 0; k < i; k++)
			ck_assert_str_ne(breaker_fault_name((enum breaker_fault)i),
					 breaker_fault_name((enum breaker_fault)k));
	ck_assert_str_eq(breaker_fault_name(BREAKER_WELDED), "welded");
	ck_assert_str_eq(breaker_fault_name(BREAKER_WILL_NOT_CLOSE), "will_not_close");
	ck_assert_str_eq(breaker_fault_name(BREAKER_TRIPPED), "tripped");
	ck_assert_str_eq(breaker_fault_name(BREAKER_BYPASSED), "bypassed");
}
END_TEST

/* What must hold after any event at all. */
static void check_breaker(const struct breaker *b, enum breaker_fault before, const struct talk *t, int64_t now)
{
	check_open_closed(b);
	REQUIRE(b->config.contact_fitted || b->fault != BREAKER_WILL_NOT_CLOSE, "told without a contact");
	REQUIRE(b->config.contact_fitted || b->fault != BREAKER_TRIPPED, "tripped without a contact");
	if (before != BREAKER_SOUND && t->op != CLEAR_YES)
		REQUIRE(b->fault != BREAKER_SOUND, "a latched fault went away by itself");
	if (t->op == READ && t->current_ma >= 50 && b->command_given && !b->commanded && now > b->commanded_at_ms + 100)
		REQUIRE(!breaker_is_open(b) && (b->fault != BREAKER_SOUND || b->current_readings < 2),
			"current through an open breaker");
	if (t->op == TICK)
		REQUIRE(breaker_deadline(b) > now, "deadline in the past: the loop would spin");
}

START_TEST(breaker_random)
{
	random_state = 3;
	for (int i = 0; i < 10000; i++) {
		struct breaker b = a_breaker(i & 1);
		int64_t now = random_below(1000), reg = random_below(1000000);

		for (int k = 0; k < 25; k++) {
			struct talk t = {.op = (enum talk_op)random_below(CLEAR_NO), .at_ms = now};
			enum breaker_fault before = b.fault;

			if ((t.op == SEEN_OPEN || t.op == SEEN_CLOSED) && !b.config.contact_fitted)
				t.op = TICK;
			t.current_ma = random_below(2) ? 0 : random_below(100);
			t.register_mwh = reg += random_below(2) * 10000;
			if (t.op == CLEAR_YES)
				breaker_clear(&b, now);
			else
				say(&b, &t);
			check_breaker(&b, before, &t, now);
			now += random_below(120);
		}
	}
}
END_TEST

/* ---- plausibility: 7 kW, steps of 10 Wh ---- */

/* The gate's tolerance between two trusted readings: twice the rating, two steps, and readings 5 s out of time. */
#define HIGHEST_RISE(elapsed_ms) (2 * RATED * ((elapsed_ms) + 5000) / HOUR + 2 * STEP)

#define RATED INT64_C(7000000)
#define STEP INT64_C(10000)
#define HOUR INT64_C(3600000)

static struct meter_reading reading(const char *serial, int64_t at_ms, int64_t register_mwh)
{
	struct meter_reading r = {.mono_ms = at_ms, .register_mwh = register_mwh};

	snprintf(r.serial, sizeof(r.serial), "%s", serial);
	return r;
}

struct judgement {
	const char *serial;
	int64_t at_ms, register_mwh;
	enum plausibility verdict;
};

#define JUDGEMENTS_MAX 10

static const struct {
	const char *what;
	const char *primed; /* with register 1000000, or NULL */
	struct judgement judgements[JUDGEMENTS_MAX]; /* up to a NULL serial */
} hearings[] = {
	{"the first primes",
	 NULL,
	 {{"a", 1000, 123456789, READING_TRUSTED},
	  {"a", 2000, 123456789, READING_TRUSTED},
	  {"a", 3000, 123466789, READING_TRUSTED}}},
	{"above what the ledger says by two days at the rating",
	 "a",
	 {{"a", 1000, 1000000 + 48 * RATED, READING_TRUSTED}, {"a", 2000, 1000000 + 48 * RATED, READING_TRUSTED}}},
	{"further above what the ledger says than that: one wrong answer after a boot",
	 "a",
	 {{"a", 1000, 1000001 + 48 * RATED, READING_HELD},
	  {"a", 2000, 1000000, READING_TRUSTED},
	  {"a", 3000, 1010000, READING_TRUSTED}}},
	{"further above, and it stays so",
	 "a",
	 {{"a", 1000, INT64_C(900000000000), READING_HELD},
	  {"a", 2000, INT64_C(900000000000), READING_HELD},
	  {"a", 3000, INT64_C(900000000000), READING_IMPLAUSIBLE}}},
	{"equal to what the ledger says", "a", {{"a", 1000, 1000000, READING_TRUSTED}}},
	{"below what the ledger says",
	 "a",
	 {{"a", 1000, 999999, READING_HELD},
	  {"a", 2000, 999999, READING_HELD},
	  {"a", 3000, 999999, READING_IMPLAUSIBLE}}},
	{"an hour at the rating and a step",
	 "a",
	 {{"a", 0, 1000000, READING_TRUSTED}, {"a", HOUR, 1000000 + RATED + STEP, READING_TRUSTED}}},
	{"far more than the rating",
	 "a",
	 {{"a", 0, 1000000, READING_TRUSTED},
	  {"a", HOUR, 1000000 + 3 * RATED, READING_HELD},
	  {"a", HOUR + 1000, 1000000 + 3 * RATED, READING_HELD},
	  {"a", HOUR + 2000, 1000000 + 3 * RATED, READING_IMPLAUSIBLE}}},
	{"the tolerance exactly",
	 "a",
	 {{"a", 0, 1000000, READING_TRUSTED}, {"a", HOUR, 1000000 + HIGHEST_RISE(HOUR), READING_TRUSTED}}},
	{"the tolerance and one milliwatt-hour",
	 "a",
	 {{"a", 0, 1000000, READING_TRUSTED}, {"a", HOUR, 1000001 + HIGHEST_RISE(HOUR), READING_HELD}}},
	{"registers at the end of all numbers",
	 NULL,
	 {{"a", 0, INT64_MAX - 1, READING_TRUSTED},
	  {"a", 1000, INT64_MAX, READING_TRUSTED},
	  {"a", 2000, INT64_MAX, READING_TRUSTED},
	  {"a", 3000, -1, READING_HELD},
	  {"a", 4000, INT64_MIN, READING_HELD}}},
	{"one wild answer is forgotten",
	 "a",
	 {{"a", 0, 1000000, READING_TRUSTED},
	  {"a", 1000, 99000000, READING_HELD},
	  {"a", 2000, 99000000, READING_HELD},
	  {"a", 3000, 1000000, READING_TRUSTED},
	  {"a", 4000, 99000000, READING_HELD}, /* counts from one again */
	  {"a", 5000, 99000000, READING_HELD},
	  {"a", 6000, 99000000, READING_IMPLAUSIBLE}}},
	{"doubts that do not agree confirm nothing",
	 "a",
	 {{"a", 0, 1000000, READING_TRUSTED},
	  {"a", 1000, 99000000, READING_HELD},
	  {"a", 2000, 5000, READING_HELD},
	  {"a", 3000, INT64_C(700000000000), READING_HELD},
	  {"a", 4000, 99000000, READING_HELD},
	  {"a", 5000, 0, READING_HELD},
	  {"a", 6000, 1010000, READING_TRUSTED}}},
	{"a fallen register",
	 "a",
	 {{"a", 0, 1000000, READING_TRUSTED},
	  {"a", 1000, 0, READING_HELD},
	  {"a", 2000, 0, READING_HELD},
	  {"a", 3000, 0, READING_IMPLAUSIBLE},
	  {"a", 4000, 0, READING_IMPLAUSIBLE},
	  {"a", 5000, 1000000, READING_TRUSTED}}},
	{"another meter",
	 "a",
	 {{"a", 0, 1000000, READING_TRUSTED},
	  {"b", 1000, 1000000, READING_HELD},
	  {"b", 2000, 1000000, READING_HELD},
	  {"b", 3000, 1000000, READING_OTHER_METER},
	  {"a", 4000, 1000000, READING_TRUSTED}}},
	{"another meter from boot on",
	 "a",
	 {{"b", 1000, 5000000, READING_HELD},
	  {"b", 2000, 5000000, READING_HELD},
	  {"b", 3000, 5000000, READING_OTHER_METER}}},
	{"one wrong serial is forgotten",
	 "a",
	 {{"b", 1000, 1000000, READING_HELD},
	  {"b", 2000, 1000000, READING_HELD},
	  {"a", 3000, 1000000, READING_TRUSTED},
	  {"b", 4000, 1000000, READING_HELD}}},
	{"serials that do not agree confirm nothing",
	 "a",
	 {{"b", 1000, 1000000, READING_HELD},
	  {"c", 2000, 1000000, READING_HELD},
	  {"b", 3000, 1000000, READING_HELD},
	  {"d", 4000, 1000000, READING_HELD}}},
	{"serials differ in the 32nd character",
	 "0123456789abcdef0123456789abcdef",
	 {{"0123456789abcdef0123456789abcdef", 0, 1000000, READING_TRUSTED},
	  {"0123456789abcdef0123456789abcdeF", 1000, 1000000, READING_HELD},
	  {"0123456789abcdef0123456789abcde", 2000, 1000000, READING_HELD}}},
};

START_TEST(plausibility_hearing)
{
	struct plausibility_gate g;

	plausibility_init(&g, RATED, STEP);
	if (hearings[_i].primed)
		plausibility_prime(&g, hearings[_i].primed, 1000000);
	for (const struct judgement *j = hearings[_i].judgements; j->serial; j++) {
		struct meter_reading r = reading(j->serial, j->at_ms, j->register_mwh);
		int64_t before = g.trusted_mwh;
		enum plausibility verdict = plausibility_judge(&g, &r);

		ck_assert_msg(verdict == j->verdict, "%s: %d at " I64, hearings[_i].what, (int)verdict, j->at_ms);
		ck_assert_int_eq(g.trusted_mwh, verdict == READING_TRUSTED ? j->register_mwh : before);
	}
}
END_TEST

/* After a replaced meter was primed, the new one is trusted and the old one is not. */
START_TEST(plausibility_replaced)
{
	struct plausibility_gate g;
	struct meter_reading old = reading("old", 2000, 5000000), new = reading("new", 1000, 70);

	plausibility_init(&g, RATED, STEP);
	plausibility_prime(&g, "old", 5000000);
	ck_assert(plausibility_judge(&g, &new) == READING_HELD);
	plausibility_prime(&g, "new", 70);
	ck_assert(plausibility_judge(&g, &new) == READING_TRUSTED);
	ck_assert(plausibility_judge(&g, &old) == READING_HELD);
	ck_assert_int_eq(g.trusted_mwh, 70);
	ck_assert_str_eq(g.serial, "new");
}
END_TEST

/* An honest meter is never doubted: any load up to the rating, a register in steps, readings at any distance. */
START_TEST(plausibility_honest_meter)
{
	random_state = 4;
	for (int i = 0; i < 2000; i++) {
		int64_t now = random_below(1 << 20), uj = random_below(INT64_C(1) << 50);
		struct plausibility_gate g;

		plausibility_init(&g, RATED, STEP);
		for (int k = 0; k < 50; k++) {
			struct meter_reading r = reading("a", now, uj / HOUR / STEP * STEP);
			int64_t ms = random_below(INT64_C(1) << random_below(24));

			REQUIRE(plausibility_judge(&g, &r) == READING_TRUSTED, "an honest meter was doubted");
			now += ms;
			uj += (random_below(3) ? random_below(RATED + 1) : RATED) * ms;
		}
	}
}
END_TEST

/* Mostly sane, often wild, sometimes at the ends of the number range. */
static struct meter_reading random_reading(int64_t trusted_mwh, int64_t *now_ms)
{
	static const int64_t wild[] = {0, -1, 1, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_C(1) << 62};
	static const char *const serials[] = {"a", "a", "a", "a", "b", ""};
	struct meter_reading r = reading(serials[random_below(COUNT(serials))], *now_ms, trusted_mwh);

	switch (random_below(5)) {
	case 0:
		r.register_mwh = wild[random_below(COUNT(wild))];
		break;
	case 1:
		r.register_mwh += random_below(INT64_C(1) << 40) - (INT64_C(1) << 39);
		break;
	default:
		r.register_mwh += random_below(3) * STEP;
		break;
	}
	*now_ms += random_below(INT64_C(1) << random_below(22));
	return r;
}

/* The trusted register never falls, and over any time since the first reading rises by no more than the tolerance. */
START_TEST(plausibility_random)
{
	random_state = 5;
	for (int i = 0; i < 10000; i++) {
		int64_t now = random_below(1 << 20), trusted = 1000000, trusted_ms = -1;
		int64_t anchor = 0, anchor_ms = 0;
		struct plausibility_gate g;

		plausibility_init(&g, RATED, STEP);
		plausibility_prime(&g, "a", trusted);
		for (int k = 0; k < 30; k++) {
			struct meter_reading r = random_reading(trusted > INT64_C(1) << 60 ? 0 : trusted, &now);
			bool yes = plausibility_judge(&g, &r) == READING_TRUSTED;

			REQUIRE(g.trusted_mwh == (yes ? r.register_mwh : trusted), "the register moved by itself");
			if (!yes)
				continue;
			REQUIRE(!strcmp(r.serial, "a"), "another meter was trusted");
			REQUIRE(r.register_mwh >= trusted, "the register fell");
			/* the first reading after priming may lie anywhere above */
			if (trusted_ms >= 0)
				REQUIRE(r.register_mwh - anchor <= HIGHEST_RISE(r.mono_ms - anchor_ms),
					"rose by " I64 " in " I64 " ms",
					r.register_mwh - anchor,
					r.mono_ms - anchor_ms);
			else
				anchor = r.register_mwh, anchor_ms = r.mono_ms;
			trusted = r.register_mwh;
			trusted_ms = r.mono_ms;
		}
	}
}
END_TEST

static Suite *hal_core_suite(void)
{
	Suite *suite = suite_create("hal_core");
	TCase *doors = tcase_create("doors"), *breaker = tcase_create("breaker"), *meter = tcase_create("plausibility");

	tcase_set_timeout(doors, 60);
	tcase_add_test(doors, debounce_conversation);
	tcase_add_test(doors, debounce_first_level_low);
	tcase_add_test(doors, debounce_at_once);
	tcase_add_test(doors, debounce_random);
	tcase_add_test(doors, lock_conversation);
	tcase_add_test(doors, lock_without_rest);
	tcase_add_test(doors, lock_random);
	tcase_set_timeout(breaker, 60);
	tcase_add_loop_test(breaker, breaker_conversation, 0, (int)COUNT(conversations));
	tcase_add_test(breaker, breaker_deadlines);
	tcase_add_test(breaker, breaker_names);
	tcase_add_test(breaker, breaker_random);
	tcase_set_timeout(meter, 60);
	tcase_add_loop_test(meter, plausibility_hearing, 0, (int)COUNT(hearings));
	tcase_add_test(meter, plausibility_replaced);
	tcase_add_test(meter, plausibility_honest_meter);
	tcase_add_test(meter, plausibility_random);
	suite_add_tcase(suite, doors);
	suite_add_tcase(suite, breaker);
	suite_add_tcase(suite, meter);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(hal_core_suite());
	int failed;

	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
