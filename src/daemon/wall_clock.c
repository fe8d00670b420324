/* src/daemon/wall_clock.c: see wall_clock.h. */
#include "wall_clock.h"

#include <sys/timex.h>
#include <time.h>

/* 2026-11-01T00:00:00Z, about when this program was written: no true clock is behind it. Moved on at each release. */
#define BUILD_FLOOR_MS INT64_C(1793491200000)

/* A board does not run longer than this on one program: a meter's clock ahead of it is set wrong. */
#define CEILING_MS (INT64_C(30) * 366 * 24 * 3600 * 1000)

#define SERVER_APART_MS INT64_C(10000) /* a second of a Date's grain, and a slow network's delay */

#define CHECK_MS INT64_C(10000) /* between two questions to the kernel */

static int64_t read_ms(clockid_t clock)
{
	struct timespec t = {0};
	clock_gettime(clock, &t); /* these clocks always exist on Linux */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t monotonic_now_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

void wall_clock_init(struct wall_clock *c, bool trust_system)
{
	*c = (struct wall_clock){.trust_system = trust_system, .floor_ms = BUILD_FLOOR_MS, .checked_ms = INT64_MIN};
}

void wall_clock_floor(struct wall_clock *c, int64_t wall_ms)
{
	if (wall_ms > c->floor_ms)
		c->floor_ms = wall_ms;
	if (c->meter_known && monotonic_now_ms() + c->meter_offset_ms < c->floor_ms)
		c->meter_known = false; /* it was believed before this was known */
	if (c->server_known && monotonic_now_ms() + c->server_offset_ms < c->floor_ms)
		c->server_known = false;
}

static bool is_believable(const struct wall_clock *c, int64_t wall_ms)
{
	return wall_ms >= c->floor_ms && wall_ms <= BUILD_FLOOR_MS + CEILING_MS;
}

void wall_clock_meter(struct wall_clock *c, int64_t clock_ms, int64_t mono_ms)
{
	if (c->meter_known || !is_believable(c, clock_ms))
		return;
	c->meter_known = true;
	c->meter_offset_ms = clock_ms - mono_ms;
}

void wall_clock_server(struct wall_clock *c, int64_t wall_ms, int64_t mono_ms)
{
	int64_t offset_ms = wall_ms - mono_ms;
	int64_t apart_ms = offset_ms - c->server_offset_ms;
	bool same = c->server_known && apart_ms >= -SERVER_APART_MS && apart_ms <= SERVER_APART_MS;
	if (same || !is_believable(c, wall_ms))
		return;
	c->server_known = true;
	c->server_offset_ms = offset_ms;
}

/* What the kernel has been told by an NTP client: not more than a few seconds wrong. */
static bool kernel_is_synchronised(void)
{
	struct timex t = {0};
	return adjtimex(&t) >= 0 && (t.status & STA_UNSYNC) == 0;
}

struct moment wall_clock_now(struct wall_clock *c)
{
	struct moment now = {
		.mono_ms = monotonic_now_ms(), .wall_ms = read_ms(CLOCK_REALTIME), .quality = TIME_UNKNOWN};
	if (c->checked_ms == INT64_MIN || now.mono_ms - c->checked_ms >= CHECK_MS) {
		c->checked_ms = now.mono_ms;
		c->by_ntp = kernel_is_synchronised();
		c->synchronised = c->trust_system || c->by_ntp;
	}
	/* A clock that was wrong once, and counted, must not make the true one wrong for ever. */
	if (c->by_ntp && now.wall_ms >= BUILD_FLOOR_MS && now.wall_ms < c->floor_ms)
		c->floor_ms = BUILD_FLOOR_MS;
	if (c->synchronised && now.wall_ms >= c->floor_ms) {
		now.quality = TIME_SYNCHRONISED;
	} else if (c->server_known) {
		now.wall_ms = now.mono_ms + c->server_offset_ms;
		now.quality = TIME_RELATIVE;
	} else if (c->meter_known) {
		now.wall_ms = now.mono_ms + c->meter_offset_ms;
		now.quality = TIME_RELATIVE;
	}
	return now;
}

const char *wall_clock_source(struct wall_clock *c)
{
	enum time_quality quality = wall_clock_now(c).quality;
	if (quality == TIME_SYNCHRONISED)
		return c->by_ntp ? "ntp" : "system";
	if (quality == TIME_UNKNOWN)
		return "nobody";
	return c->server_known ? "server" : "meter";
}
