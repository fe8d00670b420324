/* tools/ops/core/allowance.c: see allowance.h.
 *
 * Room: tools/ops/core; libc. */
#include "allowance.h"

#include <stddef.h>

#define SPREAD UINT64_C(0x9e3779b97f4a7c15) /* 2^64 by the golden ratio: neighbours come into different rows */
#define SPREAD_SHIFT 32

int64_t allowance_use(const struct allowance *each, int64_t *until_ms, int64_t now_ms)
{
	int64_t used_until = *until_ms > now_ms ? *until_ms : now_ms;
	int64_t wait_ms = used_until - now_ms - (each->at_once - 1) * each->rest_ms;
	if (wait_ms > 0)
		return wait_ms;
	*until_ms = used_until + each->rest_ms;
	return 0;
}

static size_t row_of(uint64_t key)
{
	return (size_t)(key * SPREAD >> SPREAD_SHIFT) % ALLOWANCE_ROWS;
}

int64_t allowances_use(struct allowances *all, uint64_t key, int64_t now_ms)
{
	size_t row = row_of(key), place = 0;
	for (size_t i = 0; i < ALLOWANCE_ROW; i++) {
		if (all->rows[row][i].key == key)
			return allowance_use(&all->each, &all->rows[row][i].until_ms, now_ms);
		if (all->rows[row][i].until_ms < all->rows[row][place].until_ms)
			place = i;
	}
	all->rows[row][place].key = key;
	all->rows[row][place].until_ms = 0;
	return allowance_use(&all->each, &all->rows[row][place].until_ms, now_ms);
}

int64_t allowances_wait(const struct allowances *all, uint64_t key, int64_t now_ms)
{
	size_t row = row_of(key);
	int64_t until_ms = 0;
	for (size_t i = 0; i < ALLOWANCE_ROW; i++) {
		if (all->rows[row][i].key == key)
			until_ms = all->rows[row][i].until_ms;
	}
	return allowance_use(&all->each, &until_ms, now_ms);
}

void allowances_forget(struct allowances *all, uint64_t key)
{
	size_t row = row_of(key);
	for (size_t i = 0; i < ALLOWANCE_ROW; i++) {
		if (all->rows[row][i].key == key)
			all->rows[row][i].until_ms = 0;
	}
}
