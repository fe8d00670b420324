/* tests/sim/chance.c: see chance.h. */
#include "chance.h"

#include <string.h>

static uint64_t splitmix(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void chance_init(struct chance *c, uint64_t seed)
{
	for (size_t i = 0; i < 4; i++)
		c->s[i] = splitmix(&seed);
}

static uint64_t rotate(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t chance_bits(struct chance *c)
{
	uint64_t result = rotate(c->s[1] * 5, 7) * 9;
	uint64_t t = c->s[1] << 17;
	c->s[2] ^= c->s[0];
	c->s[3] ^= c->s[1];
	c->s[1] ^= c->s[2];
	c->s[0] ^= c->s[3];
	c->s[2] ^= t;
	c->s[3] = rotate(c->s[3], 45);
	return result;
}

int64_t chance_between(struct chance *c, int64_t low, int64_t high)
{
	return low + (int64_t)(chance_bits(c) % (uint64_t)(high - low + 1));
}

bool chance_happens(struct chance *c, int permille)
{
	return chance_between(c, 0, 999) < permille;
}

void chance_fill(struct chance *c, void *bytes, size_t count)
{
	unsigned char *to = bytes;
	while (count > 0) {
		uint64_t bits = chance_bits(c);
		size_t part = count < sizeof bits ? count : sizeof bits;
		memcpy(to, &bits, part);
		to += part;
		count -= part;
	}
}
