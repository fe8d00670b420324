/* tests/sim/chance.h: all the chance of a simulated world, from one seed (xoshiro256**, seeded by splitmix64). */
#ifndef CHANCE_H
#define CHANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chance {
	uint64_t s[4];
};

void chance_init(struct chance *c, uint64_t seed);
uint64_t chance_bits(struct chance *c);

/* low to high, both included. */
int64_t chance_between(struct chance *c, int64_t low, int64_t high);

/* True `permille` times in a thousand. */
bool chance_happens(struct chance *c, int permille);

void chance_fill(struct chance *c, void *bytes, size_t count);

#endif
