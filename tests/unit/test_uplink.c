/* Tests src/box/uplink.h: what is sent and when, batches, acknowledgement, back-off, dead streams, answers that are late
 * or lie, and that a deadline always has something behind it. */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>

#include "moment.h"
#include "uplink.h"

#define I64 "%" PRId64
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DRAIN_MAX 16

#define REQUIRE(condition, ...)                                                                                        \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			ck_abort_msg(__VA_ARGS__);                                                                     \
	} while (0)

static const struct uplink_config config = {
	.heartbeat_ms = 60000,
	.backoff_min_ms = 1000,
	.backoff_max_ms = 300000,
	.post_timeout_ms = 30000,
	.progress_ms = 2000,
};

static struct uplink u;
static int64_t now_ms;
static uint64_t random_state;
static uint64_t last_command;

static uint64_t random_u64(void)
{
	uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* ---- helpers ---- */

struct heap {
	int posts, opens, closes;
	struct uplink_request post, open;
};

/* All that is to be done now. */
static struct heap take(void)
{
	struct heap h = {0};
	struct uplink_request r;

	while (uplink_next(&u, last_command, &r, now_ms)) {
		REQUIRE(h.posts + h.opens + h.closes < DRAIN_MAX, "never enough");
		if (r.action == UPLINK_POST) {
			h.posts++;
			h.post = r;
		} else if (r.action == UPLINK_OPEN_STREAM) {
			h.opens++;
			h.open = r;
		} else {
			h.closes++;
		}
	}
	REQUIRE(h.posts <= 1, "%d posts at once", h.posts);
	REQUIRE(uplink_deadline(&u) > now_ms,
		"a deadline at " I64 " at " I64 " with nothing to do",
		uplink_deadline(&u),
		now_ms);
	return h;
}

static struct heap take_at(int64_t at_ms)
{
	now_ms = at_ms;
	uplink_on_tick(&u, random_u64(), now_ms);
	return take();
}

static void event_random(enum uplink_event_type type, uint64_t accepted, int64_t retry_after_ms, uint64_t random)
{
	struct uplink_event event = {.type = type, .accepted_through = accepted, .retry_after_ms = retry_after_ms};

	uplink_on_event(&u, &event, random, now_ms);
}

static void event(enum uplink_event_type type, uint64_t accepted)
{
	event_random(type, accepted, 0, random_u64());
}

/* A link whose stream is open at 1000. */
static void setup(uint64_t accepted, uint64_t durable)
{
	now_ms = 1000;
	last_command = 0;
	random_state = 1;
	uplink_init(&u, &config, accepted, durable, now_ms);
}

static void setup_streaming(uint64_t accepted, uint64_t durable)
{
	setup(accepted, durable);
	struct heap h = take();
	REQUIRE(h.opens == 1, "no stream wanted at first");
	event(UPLINK_STREAM_OPENED, 0);
	if (h.posts)
		event(UPLINK_POSTED, h.post.through);
}

static void require_post(struct heap h, uint64_t from, uint64_t through)
{
	REQUIRE(h.posts == 1, "%d posts", h.posts);
	REQUIRE(h.post.from == from && h.post.through == through,
		"posts %" PRIu64 "..%" PRIu64 ", not %" PRIu64 "..%" PRIu64,
		h.post.from,
		h.post.through,
		from,
		through);
	REQUIRE(h.post.newest == u.durable, "newest is %" PRIu64 ", not %" PRIu64, h.post.newest, u.durable);
}

/* ---- posts ---- */

START_TEST(at_first)
{
	setup(0, 0);
	last_command = 17;
	struct heap h = take();
	ck_assert_int_eq(h.opens, 1);
	ck_assert_uint_eq(h.open.after, 17);
	ck_assert_int_eq(h.closes, 0);
	ck_assert_int_eq(take().opens, 0);
}
END_TEST

START_TEST(boot_sends_what_was_left)
{
	setup(10, 25);
	require_post(take(), 11, 25);
}
END_TEST

START_TEST(only_durable_records)
{
	setup_streaming(3, 3);
	take();
	uplink_on_durable(&u, 5);
	require_post(take(), 4, 5);
	uplink_on_durable(&u, 9);
	ck_assert_int_eq(take().posts, 0); /* one at a time */
	event(UPLINK_POSTED, 5);
	require_post(take(), 6, 9);
	event(UPLINK_POSTED, 9);
	ck_assert_int_eq(take().posts, 0);
}
END_TEST

START_TEST(batches)
{
	uint64_t next = 1;

	setup(0, 2 * UPLINK_BATCH_MAX + 7);
	for (int n = 0; n < 3; n++) {
		struct heap h = take();
		uint64_t through = n < 2 ? next + UPLINK_BATCH_MAX - 1 : 2 * UPLINK_BATCH_MAX + 7;
		require_post(h, next, through);
		event(UPLINK_POSTED, through);
		next = through + 1;
	}
	ck_assert_int_eq(take().posts, 0);
}
END_TEST

START_TEST(partial_acceptance)
{
	setup(0, 10);
	require_post(take(), 1, 10);
	event(UPLINK_POSTED, 4);
	require_post(take_at(uplink_deadline(&u) <= now_ms + 1000 ? now_ms + 1000 : now_ms), 5, 10);
}
END_TEST

/* A server that says 2xx and takes nothing is not asked again in the same moment for ever. */
START_TEST(nothing_accepted)
{
	int posts = 0;

	setup(0, 10);
	for (int n = 0; n < 100; n++) {
		struct heap h = take_at(now_ms);
		posts += h.posts;
		if (h.posts) {
			REQUIRE(h.post.from == 1, "from %" PRIu64, h.post.from);
			event_random(UPLINK_POSTED, 0, 0, UINT64_MAX);
		}
	}
	REQUIRE(posts < 10, "%d posts within one millisecond", posts);
}
END_TEST

/* And its patience doubles, as with any other failure: a batch is not sent twice a second for ever. */
START_TEST(nothing_accepted_for_an_hour)
{
	int posts = 0;

	setup(0, 10);
	for (int64_t end = now_ms + 3600000; now_ms < end;) {
		struct heap h = take_at(now_ms);
		posts += h.posts;
		if (h.posts)
			event(UPLINK_POSTED, 0);
		take();
		now_ms = uplink_deadline(&u) < end ? uplink_deadline(&u) : end;
	}
	REQUIRE(posts < 200, "%d posts within an hour", posts);
}
END_TEST

static const struct {
	uint64_t claimed;
	uint64_t next_from; /* what must still be sent */
} lies[] = {
	{11, 11},
	{20, 11},
	{21, 11},
	{1000000, 11},
	{UINT64_MAX, 11},
};

/* 1..10 were sent, 20 are durable when the answer comes. */
START_TEST(server_claims_more)
{
	setup(0, 10);
	require_post(take(), 1, 10);
	uplink_on_durable(&u, 20);
	event(UPLINK_POSTED, lies[_i].claimed);
	struct heap h = take_at(now_ms + config.backoff_max_ms + 1);
	REQUIRE(h.posts == 1, "nothing is sent any more after %" PRIu64 " was claimed", lies[_i].claimed);
	REQUIRE(h.post.from <= lies[_i].next_from && h.post.from >= 1 && h.post.through == 20,
		"%" PRIu64 "..%" PRIu64 " after %" PRIu64,
		h.post.from,
		h.post.through,
		lies[_i].claimed);
}
END_TEST

/* A server that was restored from a copy: it gets again what it lacks, records or only progress told it; and it is not
 * asked without a pause. */
START_TEST(server_has_less)
{
	for (int records = 0; records < 2; records++) {
		setup(50, 60);
		require_post(take(), 51, 60);
		event(UPLINK_POSTED, 60);
		take();
		if (records)
			uplink_on_durable(&u, 61);
		else
			uplink_ping(&u, now_ms);
		ck_assert_int_eq(take().posts, 1);
		event_random(UPLINK_POSTED, 12, 0, config.backoff_min_ms);
		ck_assert_int_eq(take().posts, 0);
		require_post(take_at(now_ms + config.backoff_min_ms), 13, records ? 61 : 60);
		event(UPLINK_POSTED, records ? 61 : 60);
		ck_assert_int_eq(take().posts, 0);
	}
}
END_TEST

/* Fewer than were sent: the rest follows at once, for the server has taken some. */
START_TEST(some_accepted)
{
	setup(0, 10);
	require_post(take(), 1, 10);
	event_random(UPLINK_POSTED, 4, 0, UINT64_MAX);
	require_post(take(), 5, 10);
}
END_TEST

/* Retry-After counts on a good answer, too. */
START_TEST(accepted_but_later)
{
	setup(0, 10);
	require_post(take(), 1, 10);
	event_random(UPLINK_POSTED, 4, 7000, 0);
	ck_assert_int_eq(take_at(now_ms + 6999).posts, 0);
	require_post(take_at(now_ms + 1), 5, 10);
}
END_TEST

/* ---- progress ---- */

START_TEST(progress_by_itself)
{
	setup_streaming(5, 5);
	take_at(10000);
	uplink_on_progress(&u);
	struct heap h = take();
	ck_assert_int_eq(h.posts, 1);
	REQUIRE(h.post.through < h.post.from, "records %" PRIu64 "..%" PRIu64, h.post.from, h.post.through);
	event(UPLINK_POSTED, 5);
	REQUIRE(take().posts == 0, "progress again");
}
END_TEST

START_TEST(progress_at_most)
{
	int posts = 0;

	setup_streaming(0, 0);
	take_at(10000);
	for (int64_t t = 10000; t < 20000; t += 100) {
		now_ms = t;
		event(UPLINK_STREAM_HEARD, 0);
		uplink_on_progress(&u);
		struct heap h = take_at(t);
		posts += h.posts;
		if (h.posts)
			event(UPLINK_POSTED, 0);
		take();
	}
	REQUIRE(posts >= 4 && posts <= 5, "%d reports in 10 s", posts);
}
END_TEST

START_TEST(progress_has_its_deadline)
{
	setup_streaming(0, 0);
	take_at(10000);
	uplink_on_progress(&u);
	ck_assert_int_eq(take().posts, 1);
	event(UPLINK_POSTED, 0);
	now_ms = 10500;
	uplink_on_progress(&u);
	ck_assert_int_eq(take().posts, 0);
	ck_assert_int_eq(uplink_deadline(&u), 12000);
	ck_assert_int_eq(take_at(11999).posts, 0);
	ck_assert_int_eq(take_at(12000).posts, 1);
}
END_TEST

/* Figures that move all the time: some at once, then their share; each time with its deadline. */
START_TEST(figures_have_their_share)
{
	setup_streaming(0, 0);
	take_at(1000);
	for (int n = 0; n < 12; n++) { /* what is told anyway takes nothing of it */
		now_ms += 2000;
		event(UPLINK_STREAM_HEARD, 0);
		uplink_on_progress(&u);
		ck_assert_int_eq(take().posts, 1);
		event(UPLINK_POSTED, 0);
	}
	take_at(30000);
	for (int64_t n = 0; n < 10; n++) {
		int64_t due_ms = n < 7 ? 30000 + n * 2000 : 30000 + (n - 5) * 10000;
		now_ms = n == 0 ? due_ms : now_ms + 1;
		event(UPLINK_STREAM_HEARD, 0);
		uplink_on_figures(&u);
		if (n > 0) {
			ck_assert_int_eq(uplink_deadline(&u), due_ms);
			ck_assert_int_eq(take_at(due_ms - 1).posts, 0);
		}
		ck_assert_int_eq(take_at(due_ms).posts, 1);
		event(UPLINK_POSTED, 0);
		ck_assert_int_eq(take().posts, 0);
	}
	now_ms++;
	uplink_on_figures(&u);
	uplink_on_progress(&u); /* what is waited for does not wait for a share */
	ck_assert_int_eq(take_at(72000).posts, 1);
}
END_TEST

/* Records do not wait for progress. */
START_TEST(records_do_not_wait)
{
	setup_streaming(0, 0);
	take_at(10000);
	uplink_on_progress(&u);
	take();
	event(UPLINK_POSTED, 0);
	now_ms = 10010;
	uplink_on_durable(&u, 1);
	require_post(take(), 1, 1);
}
END_TEST

START_TEST(ping)
{
	setup_streaming(0, 0);
	take_at(10000);
	uplink_ping(&u, now_ms);
	ck_assert_int_eq(take().posts, 1);
	event(UPLINK_POST_FAILED, 0);
	take();
	int64_t next = u.post_backoff.next_ms;
	if (next > now_ms) {
		uplink_ping(&u, now_ms);
		REQUIRE(take().posts == 0, "a ping does not wait for the back-off");
		take_at(next - 1);
		uplink_ping(&u, now_ms);
		REQUIRE(take().posts == 0, "a ping does not wait for the back-off");
	}
	now_ms = next;
	uplink_ping(&u, now_ms);
	REQUIRE(take_at(next).posts == 1, "no report after a ping and the back-off");
}
END_TEST

/* A door whose switch is loose. */
START_TEST(pings)
{
	int posts = 0;

	setup_streaming(0, 0);
	for (int64_t t = 10000; t < 20000; t += 20) {
		now_ms = t;
		event(UPLINK_STREAM_HEARD, 0);
		uplink_ping(&u, now_ms);
		struct heap h = take_at(t);
		posts += h.posts;
		if (h.posts)
			event(UPLINK_POSTED, 0);
		take();
	}
	REQUIRE(posts >= 5 && posts <= 7, "%d reports in 10 s", posts);
}
END_TEST

/* ---- back-off ---- */

static int64_t ceiling_of(int failures)
{
	int64_t ceiling = config.backoff_min_ms;

	for (int i = 1; i < failures && ceiling < config.backoff_max_ms; i++)
		ceiling *= 2;
	return ceiling < config.backoff_max_ms ? ceiling : config.backoff_max_ms;
}

/* Fails the post `failures` times in a row, each as soon as it may be sent; the last with this random number. The delay
 * that follows. */
static int64_t post_delay(int failures, uint64_t random, int64_t retry_after_ms)
{
	setup(0, 1);
	for (int i = 1; i <= failures; i++) {
		struct heap h = take_at(i == 1 ? now_ms : u.post_backoff.next_ms);
		REQUIRE(h.posts == 1, "attempt %d is not made", i);
		if (i == failures)
			event_random(UPLINK_POST_FAILED, 0, retry_after_ms, random);
		else
			event(UPLINK_POST_FAILED, 0);
	}
	return u.post_backoff.next_ms > now_ms ? u.post_backoff.next_ms - now_ms : 0;
}

START_TEST(full_jitter)
{
	int64_t ceiling = ceiling_of(_i);
	int low = 0, high = 0;

	for (uint64_t i = 0; i < 400; i++) {
		random_state = i;
		int64_t delay = post_delay(_i, random_u64() ^ i << 32 ^ random_u64() << 1, 0);
		REQUIRE(delay <= ceiling, "a delay of " I64 " after %d failures", delay, _i);
		low += delay < ceiling / 4;
		high += delay > ceiling - ceiling / 4;
	}
	REQUIRE(low > 40 && high > 40,
		"%d failures: %d of 400 in the lowest quarter, %d in the highest",
		_i,
		low,
		high);
}
END_TEST

START_TEST(jitter_at_the_edges)
{
	static const uint64_t edges[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63, INT64_MAX};

	for (size_t i = 0; i < COUNT(edges); i++) {
		int64_t delay = post_delay(3, edges[i], 0);
		REQUIRE(delay >= 0 && delay <= ceiling_of(3), "a delay of " I64, delay);
		delay = post_delay(80, edges[i], 0);
		REQUIRE(delay >= 0 && delay <= config.backoff_max_ms, "a delay of " I64 " after 80 failures", delay);
	}
}
END_TEST

START_TEST(retry_after)
{
	int64_t delay = post_delay(1, 7, 90000);

	REQUIRE(delay >= 90000 && delay <= 90000 + config.backoff_max_ms, "a delay of " I64, delay);
	ck_assert_int_eq(take_at(now_ms + 89999).posts, 0);
	ck_assert_int_eq(take_at(u.post_backoff.next_ms).posts, 1);
	/* 0 asks for nothing */
	REQUIRE(post_delay(1, 7, 0) <= config.backoff_min_ms, "too long");
}
END_TEST

START_TEST(retry_after_cannot_silence)
{
	int64_t delay = post_delay(1, 7, INT64_MAX);

	REQUIRE(delay >= 0, "overflow");
	REQUIRE(delay < INT64_C(7) * 24 * 3600 * 1000, "one bad header silences the box for " I64 " ms", delay);
}
END_TEST

START_TEST(success_forgets_failures)
{
	post_delay(6, UINT64_MAX - 3, 0);
	take_at(u.post_backoff.next_ms);
	event(UPLINK_POSTED, 1);
	uplink_on_durable(&u, 2);
	ck_assert_int_eq(take().posts, 1);
	event_random(UPLINK_POST_FAILED, 0, 0, 12345);
	REQUIRE(u.post_backoff.next_ms - now_ms <= config.backoff_min_ms,
		"still patient: " I64,
		u.post_backoff.next_ms - now_ms);
}
END_TEST

START_TEST(failure_resends_all)
{
	setup(4, 9);
	require_post(take(), 5, 9);
	event(UPLINK_POST_FAILED, 0);
	uplink_on_durable(&u, 12);
	require_post(take_at(now_ms + config.backoff_min_ms), 5, 12);
}
END_TEST

/* ---- time-outs and late answers ---- */

START_TEST(post_timeout)
{
	setup(0, 3);
	require_post(take(), 1, 3);
	REQUIRE(uplink_deadline(&u) <= now_ms + config.post_timeout_ms, "nothing looks after the post");
	int64_t began = now_ms;
	ck_assert_int_eq(take_at(began + config.post_timeout_ms - 1).posts, 0);
	take_at(began + config.post_timeout_ms);
	struct heap h = take_at(began + config.post_timeout_ms + config.backoff_min_ms + 1);
	REQUIRE(h.posts == 1 || !u.posting || u.posted_ms > began, "the post hangs");
	REQUIRE(u.posting, "not sent again");
}
END_TEST

static const enum uplink_event_type late[] = {UPLINK_POSTED, UPLINK_POST_FAILED};

/* The answer to a post that was given up: alone, and while the next one is under way. */
START_TEST(late_answer)
{
	for (int again = 0; again < 2; again++) {
		setup(0, 3);
		take();
		take_at(now_ms + config.post_timeout_ms);
		if (again)
			take_at(now_ms + config.backoff_min_ms + 1);
		event(late[_i], 3);
		take();
		event(late[_i], 3);
		take();
		uplink_on_durable(&u, 8);
		for (int n = 0; n < 10 && u.accepted < 8; n++) {
			struct heap h = take_at(now_ms + config.post_timeout_ms + config.backoff_max_ms);
			if (h.posts)
				event(UPLINK_POSTED, h.post.through);
		}
		REQUIRE(u.accepted == 8, "accepted %" PRIu64, u.accepted);
	}
}
END_TEST

/* An answer that nobody waits for. */
START_TEST(unasked_answer)
{
	setup(5, 5);
	take();
	event(UPLINK_POSTED, 9);
	take();
	uplink_on_durable(&u, 9);
	struct heap h = take_at(now_ms + config.backoff_max_ms + config.post_timeout_ms);
	REQUIRE(u.posting && u.posted_through == 9, "6..9 are not sent (%d posts)", h.posts);
}
END_TEST

/* ---- the stream ---- */

START_TEST(stream_dies_of_silence)
{
	setup_streaming(0, 0);
	take();
	int64_t heard = now_ms;
	REQUIRE(uplink_deadline(&u) == heard + 90000, "deadline " I64, uplink_deadline(&u));
	ck_assert_int_eq(take_at(heard + 89999).closes, 0);
	struct heap h = take_at(heard + 90000);
	ck_assert_int_eq(h.closes, 1);
	ck_assert_int_eq(take().closes, 0);
	h.opens += take_at(now_ms + config.backoff_min_ms).opens;
	REQUIRE(h.opens == 1, "%d streams opened", h.opens);
}
END_TEST

START_TEST(stream_lives_by_heartbeats)
{
	setup_streaming(0, 0);
	take();
	for (int i = 1; i <= 10; i++) {
		struct heap h = take_at(now_ms + 60000);
		REQUIRE(h.closes == 0 && h.opens == 0, "heartbeat %d", i);
		event(UPLINK_STREAM_HEARD, 0);
	}
	ck_assert_int_eq(take_at(now_ms + 89999).closes, 0);
	ck_assert_int_eq(take_at(now_ms + 1).closes, 1);
}
END_TEST

/* Opening that never comes to anything is dead too. */
START_TEST(stream_never_opens)
{
	setup(0, 0);
	ck_assert_int_eq(take().opens, 1);
	ck_assert_int_eq(take_at(now_ms + 90000).closes, 1);
}
END_TEST

START_TEST(stream_backoff)
{
	setup(0, 0);
	take();
	for (int i = 1; i <= 12; i++) {
		event(UPLINK_STREAM_CLOSED, 0);
		int64_t closed = now_ms, next = u.stream_backoff.next_ms;
		REQUIRE(next - closed <= ceiling_of(i), "failure %d: " I64, i, next - closed);
		if (next > closed) {
			REQUIRE(take_at(next - 1).opens == 0, "opened in the back-off");
			REQUIRE(uplink_deadline(&u) == next, "no deadline");
		}
		REQUIRE(take_at(next > closed ? next : closed).opens == 1, "not opened after failure %d", i);
	}
	event(UPLINK_STREAM_OPENED, 0);
	event(UPLINK_STREAM_HEARD, 0);
	take_at(now_ms + 60000);
	event_random(UPLINK_STREAM_CLOSED, 0, 0, 12345678);
	REQUIRE(u.stream_backoff.next_ms - now_ms <= config.backoff_min_ms, "a good stream forgets failures");
}
END_TEST

/* What one direction has found, the other need not wait for; but for what the server has asked for. */
START_TEST(both_recover_together)
{
	for (int asked = 0; asked < 2; asked++) {
		setup(0, 1);
		ck_assert_int_eq(take().opens, 1);
		for (int i = 0; i < 8; i++) {
			event_random(UPLINK_STREAM_CLOSED, 0, 0, UINT64_MAX);
			event_random(UPLINK_POST_FAILED, 0, 0, UINT64_MAX);
			int64_t post = u.post_backoff.next_ms, stream = u.stream_backoff.next_ms;
			take_at(post > stream ? post : stream);
			REQUIRE(u.posting && u.streaming, "not tried again after %d failures", i + 1);
		}
		event_random(UPLINK_STREAM_CLOSED, 0, asked ? 600000 : 0, config.backoff_max_ms - 1);
		event(UPLINK_POSTED, 1);
		REQUIRE((u.stream_backoff.next_ms - now_ms <= config.backoff_min_ms) == !asked,
			"the stream waits " I64 " ms behind a working post",
			u.stream_backoff.next_ms - now_ms);
	}
}
END_TEST

/* A post that works while the stream keeps failing does not hurry it again and again. */
START_TEST(no_hurry_without_recovery)
{
	setup_streaming(0, 1);
	for (int i = 0; i < 8; i++) {
		event_random(UPLINK_STREAM_CLOSED, 0, 0, UINT64_MAX);
		take_at(u.stream_backoff.next_ms);
	}
	event_random(UPLINK_STREAM_CLOSED, 0, 0, config.backoff_max_ms - 1);
	int64_t next = u.stream_backoff.next_ms;
	uplink_on_durable(&u, 2);
	ck_assert_int_eq(take().posts, 1);
	event(UPLINK_POSTED, 2);
	ck_assert_int_eq(u.stream_backoff.next_ms, next);
}
END_TEST

/* A server that opens and closes at once is not asked in a tight loop. */
START_TEST(stream_opened_and_closed)
{
	int opens = 0;

	setup(0, 0);
	for (int64_t end = now_ms + 60000; now_ms < end;) {
		struct heap h = take_at(now_ms);
		opens += h.opens;
		if (h.opens) {
			event(UPLINK_STREAM_OPENED, 0);
			event(UPLINK_STREAM_HEARD, 0);
			event(UPLINK_STREAM_CLOSED, 0);
			take();
		}
		now_ms = uplink_deadline(&u) < end ? uplink_deadline(&u) : end;
	}
	REQUIRE(opens < 30, "%d streams within a minute", opens);
}
END_TEST

START_TEST(stream_names_the_last_command)
{
	setup(0, 0);
	take();
	event(UPLINK_STREAM_CLOSED, 0);
	last_command = 44;
	struct heap h = take_at(now_ms + config.backoff_min_ms);
	ck_assert_int_eq(h.opens, 1);
	ck_assert_uint_eq(h.open.after, 44);
}
END_TEST

START_TEST(server_heard)
{
	setup(0, 3);
	ck_assert_int_eq(u.server_heard_ms, INT64_MIN);
	take();
	now_ms = 2000;
	event(UPLINK_POST_FAILED, 0);
	ck_assert_int_eq(u.server_heard_ms, INT64_MIN);
	take_at(5000);
	now_ms = 5500;
	event(UPLINK_POSTED, 3);
	ck_assert_int_eq(u.server_heard_ms, 5500);
	event(UPLINK_STREAM_OPENED, 0);
	now_ms = 7000;
	event(UPLINK_STREAM_HEARD, 0);
	ck_assert_int_eq(u.server_heard_ms, 7000);
	now_ms = 8000;
	event(UPLINK_STREAM_CLOSED, 0);
	ck_assert_int_eq(u.server_heard_ms, 7000);
}
END_TEST

/* ---- any sequence ---- */

static uint64_t durable, sent;

static void random_step(void)
{
	switch (random_u64() % 10) {
	case 0:
		durable += random_u64() % 700;
		uplink_on_durable(&u, durable);
		break;
	case 1:
		if (random_u64() % 2)
			uplink_on_progress(&u);
		else
			uplink_on_figures(&u);
		break;
	case 2:
		uplink_ping(&u, now_ms);
		break;
	case 3:
		event_random(UPLINK_POSTED, random_u64() % (durable + 100), 0, random_u64());
		break;
	case 4:
		event_random(
			UPLINK_POST_FAILED, 0, random_u64() % 3 ? 0 : (int64_t)(random_u64() % 100000), random_u64());
		break;
	case 5:
		event(UPLINK_STREAM_OPENED, 0);
		break;
	case 6:
		event(UPLINK_STREAM_HEARD, 0);
		break;
	case 7:
		event(UPLINK_STREAM_CLOSED, 0);
		break;
	case 8:
		now_ms = uplink_deadline(&u) < now_ms + 1000000 ? uplink_deadline(&u) : now_ms + 1;
		break;
	default:
		now_ms += (int64_t)(random_u64() % 20000);
		break;
	}
}

/* Nothing is counted as accepted that was not sent, batches are bounded, and no deadline is idle; in the end an honest
 * server gets everything. */
START_TEST(any_sequence)
{
	setup(0, 0);
	random_state = (uint64_t)_i;
	durable = sent = 0;
	for (int n = 0; n < 100000; n++) {
		random_step();
		struct heap h = take_at(now_ms);
		REQUIRE(h.posts == 0 || h.post.newest == durable, "newest is %" PRIu64, h.post.newest);
		if (h.posts && h.post.through >= h.post.from) {
			REQUIRE(h.post.through <= durable, "not durable yet");
			REQUIRE(h.post.through - h.post.from < UPLINK_BATCH_MAX, "too large a batch");
			REQUIRE(h.post.from <= sent + 1, "a gap before %" PRIu64, h.post.from);
			sent = h.post.through > sent ? h.post.through : sent;
		}
		REQUIRE(u.accepted <= sent, "%" PRIu64 " accepted, %" PRIu64 " sent", u.accepted, sent);
	}
	/* whatever was under way is given up; from then on the server is honest */
	for (uint64_t n = 0; u.accepted < durable; n++) {
		REQUIRE(n < durable, "the rest is never sent");
		struct heap h = take_at(now_ms + config.backoff_max_ms + config.post_timeout_ms);
		if (h.posts)
			event(UPLINK_POSTED, h.post.through);
	}
}
END_TEST

static Suite *uplink_suite(void)
{
	Suite *suite = suite_create("uplink");
	TCase *posts = tcase_create("posts"), *patience = tcase_create("patience"), *stream = tcase_create("stream");

	tcase_add_test(posts, at_first);
	tcase_add_test(posts, boot_sends_what_was_left);
	tcase_add_test(posts, only_durable_records);
	tcase_add_test(posts, batches);
	tcase_add_test(posts, partial_acceptance);
	tcase_add_test(posts, nothing_accepted);
	tcase_add_test(posts, nothing_accepted_for_an_hour);
	tcase_add_loop_test(posts, server_claims_more, 0, (int)COUNT(lies));
	tcase_add_test(posts, server_has_less);
	tcase_add_test(posts, some_accepted);
	tcase_add_test(posts, accepted_but_later);
	tcase_add_test(posts, progress_by_itself);
	tcase_add_test(posts, progress_at_most);
	tcase_add_test(posts, progress_has_its_deadline);
	tcase_add_test(posts, figures_have_their_share);
	tcase_add_test(posts, records_do_not_wait);
	tcase_add_test(posts, ping);
	tcase_add_test(posts, pings);
	tcase_add_loop_test(patience, full_jitter, 1, 12);
	tcase_add_test(patience, jitter_at_the_edges);
	tcase_add_test(patience, retry_after);
	tcase_add_test(patience, retry_after_cannot_silence);
	tcase_add_test(patience, success_forgets_failures);
	tcase_add_test(patience, failure_resends_all);
	tcase_add_test(patience, post_timeout);
	tcase_add_loop_test(patience, late_answer, 0, (int)COUNT(late));
	tcase_add_test(patience, unasked_answer);
	tcase_add_test(stream, stream_dies_of_silence);
	tcase_add_test(stream, stream_lives_by_heartbeats);
	tcase_add_test(stream, stream_never_opens);
	tcase_add_test(stream, stream_backoff);
	tcase_add_test(stream, both_recover_together);
	tcase_add_test(stream, no_hurry_without_recovery);
	tcase_add_test(stream, stream_opened_and_closed);
	tcase_add_test(stream, stream_names_the_last_command);
	tcase_add_test(stream, server_heard);
	tcase_add_loop_test(stream, any_sequence, 0, 5);
	tcase_set_timeout(stream, 60);
	suite_add_tcase(suite, posts);
	suite_add_tcase(suite, patience);
	suite_add_tcase(suite, stream);
	return suite;
}

int main(void)
{
	SRunner *runner = srunner_create(uplink_suite());

	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
