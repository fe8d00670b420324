/* tests/sim/world.h: a box, its surroundings and its server under one simulated clock.
 *
 * Real code: the heart, the ledger on SQLite, the server's core. Simulated: time, the disk (cutvfs), the box's physics
 * (plant), the bus, the link, the people. One seed gives one world, always the same. */
#ifndef WORLD_H
#define WORLD_H

#include "box.h"
#include "chance.h"
#include "checker.h"
#include "cutvfs.h"
#include "ledger.h"
#include "ops.h"
#include "plant.h"

#define WORLD_BOX "box-1"
#define WORLD_CUSTOMERS 4
#define WORLD_ACCOUNTS 3 /* the last two customers share one */
#define WORLD_EPOCH_MS INT64_C(1781000000000) /* a day in June 2026 */

/* What may go wrong; bits of a set. */
enum world_fault {
	WORLD_POWER = 1 << 0, /* mains and board lost, at any disk operation or moment */
	WORLD_CRASH = 1 << 1, /* the daemon dies and is restarted */
	WORLD_LINK = 1 << 2, /* loses, delays, duplicates, reorders, is down */
	WORLD_METER = 1 << 3, /* silent, zero flashes, replaced */
	WORLD_BREAKER = 1 << 4, /* welds, sticks, trips, is bypassed */
	WORLD_DOOR = 1 << 5, /* opened while supplying, forced, bouncing */
	WORLD_DISK = 1 << 6, /* slow, full, failing */
	WORLD_ROT = 1 << 7, /* bits of the ledger's file turn while the box is off */
};
#define WORLD_FAULT_COUNT 8
#define WORLD_ALL_FAULTS ((1u << WORLD_FAULT_COUNT) - 1)

/* The fault's name on the command line, for bit 1 << index. */
const char *world_fault_name(unsigned index);

struct world_options {
	uint64_t seed;
	int64_t duration_ms; /* of the busy part; afterwards faults cease and everything must come to rest */
	unsigned faults;
	bool scripted; /* one short session without any chance in what people do: for cuts at every boundary */
	uint64_t cut_at_operation; /* cut the power at this disk operation; 0: not */
	uint64_t cut_at_boundary; /* at this pin change or message; 0: not */
	enum cut_damage damage;
	bool trace;
};

struct world_result {
	bool violated;
	char violation[400]; /* rule, step, time, what */
	uint64_t steps;
	uint64_t sessions;
	uint64_t power_cuts;
	uint64_t commands;
	uint64_t records;
	uint64_t operations; /* of the disk */
	uint64_t boundaries; /* pin changes and messages */
	int64_t simulated_ms;
	uint64_t hash; /* over everything that happened */
};

/* Runs one world from beginning to rest. 0, or -ENOMEM. */
int world_run(const struct world_options *options, struct world_result *result);

#endif
