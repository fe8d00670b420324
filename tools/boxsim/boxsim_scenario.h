/* tools/boxsim/boxsim_scenario.h: a file of commands with their times.
 *
 * Room: boxsim; plant, hal/core, libmodbus.
 * A line is "[at SECONDS] COMMAND"; SECONDS count from the start, with up to three decimals. Without "at", a command
 * belongs to the moment of the one before it. # begins a comment. */
#ifndef BOXSIM_SCENARIO_H
#define BOXSIM_SCENARIO_H

#include "boxsim_command.h"

#define SCENARIO_STEPS_MAX 1000

struct scenario_step {
	int64_t at_ms;
	unsigned line;
	struct command command;
};

struct scenario {
	const char *path; /* the caller's */
	struct scenario_step *steps; /* owned; in order of their times */
	size_t count;
	size_t next;
};

enum scenario_outcome {
	SCENARIO_READ,
	SCENARIO_WRONG, /* which line is wrong, and what is allowed, was printed on standard error */
	SCENARIO_UNREADABLE, /* likewise, why */
};

/* Reads the whole file and judges every line of it; path NULL: an empty scenario. */
enum scenario_outcome scenario_read(struct scenario *scenario, const char *path, const struct options *options);
void scenario_free(struct scenario *scenario);

/* The next step that is due; NULL when there is none (yet). Owned by the scenario. */
const struct scenario_step *scenario_due(struct scenario *scenario, int64_t now_ms);

/* When the next step is due; PLANT_NEVER when there is none. */
int64_t scenario_wake_ms(const struct scenario *scenario);

#endif
