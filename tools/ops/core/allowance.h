/* tools/ops/core/allowance.h: how often somebody may do something: so many at once, then one in a while (the generic
 * cell rate algorithm).
 *
 * Room: tools/ops/core; libc. Times in milliseconds, of any clock that is the same for one allowance. */
#ifndef OPS_ALLOWANCE_H
#define OPS_ALLOWANCE_H

#include <stdint.h>

struct allowance {
	int at_once;
	int64_t rest_ms; /* one more in this time */
};

/* 0 when one more is allowed, which then counts in *until_ms (0 at first), else how long to wait: at most rest_ms, also
 * when the clock was set back. */
int64_t allowance_use(const struct allowance *each, int64_t *until_ms, int64_t now_ms);

/* --- of many, known by a number, such as their address --- */

#define ALLOWANCE_ROWS 512
#define ALLOWANCE_ROW 8

/* When a row is full, whoever in it is nearest to having all allowed again is forgotten. Which row is whose must be
 * nobody's to know: who fills the row of another's key makes that be forgotten, and counted anew. */
struct allowances {
	struct allowance each;
	uint64_t secret; /* at random */
	struct {
		uint64_t key;
		int64_t until_ms; /* 0: empty */
	} rows[ALLOWANCE_ROWS][ALLOWANCE_ROW];
};

/* As allowance_use(). */
int64_t allowances_use(struct allowances *all, uint64_t key, int64_t now_ms);

/* How long until one more is allowed, which does not count yet; 0: it is. */
int64_t allowances_wait(const struct allowances *all, uint64_t key, int64_t now_ms);

/* It has all allowed again. */
void allowances_forget(struct allowances *all, uint64_t key);

#endif
