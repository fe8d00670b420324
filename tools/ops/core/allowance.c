/* tools/ops/core/allowance.c: see allowance.h.
 *
 * Room: tools/ops/core; libc. */
#include "allowance.h"

#include <stddef.h>

int64_t allowance_use(const struct allowance *each, int64_t *until_ms, int64_t now_ms)
{
	int64_t most_ms = now_ms + each->at_once * each->rest_ms; /* later than that is of a clock that was set back */
	int64_t used_until = *until_ms < most_ms ? *until_ms : most_ms;
	if (used_until < now_ms)
		used_until = now_ms;
	int64_t wait_ms = used_until - now_ms - (each->at_once - 1) * each->rest_ms;
	if (wait_ms > 0)
		return wait_ms;
	*until_ms = used_until + each->rest_ms;
	return 0;
}

/* Every bit of the key and of the secret counts: the last steps of SplitMix64. */
static size_t row_of(const struct allowances *all, uint64_t key)
{
	uint64_t x = key ^ all->secret;
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	x = (x ^ x >> 31) + all->secret;
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return (size_t)((x ^ x >> 31) % ALLOWANCE_ROWS);
}

int64_t allowances_use(struct allowances *all, uint64_t key, int64_t now_ms)
{
	size_t row = row_of(all, key), place = 0;
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
	size_t row = row_of(all, key);
	int64_t until_ms = 0;
	for (size_t i = 0; i < ALLOWANCE_ROW; i++) {
		if (all->rows[row][i].key == key)
			until_ms = all->rows[row][i].until_ms;
	}
	return allowance_use(&all->each, &until_ms, now_ms);
}

void allowances_forget(struct allowances *all, uint64_t key)
{
	size_t row = row_of(all, key);
	for (size_t i = 0; i < ALLOWANCE_ROW; i++) {
		if (all->rows[row][i].key == key)
			all->rows[row][i].until_ms = 0;
	}
}
