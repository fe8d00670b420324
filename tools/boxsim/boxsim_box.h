/* tools/boxsim/boxsim_box.h: the whole box: its physics with its lines, pins, log and state file, in real time.
 *
 * Room: boxsim; plant, hal/core, libmodbus. */
#ifndef BOXSIM_BOX_H
#define BOXSIM_BOX_H

#include <stdbool.h>
#include <stdint.h>

#include "boxsim_line.h"
#include "boxsim_log.h"
#include "boxsim_meter.h"
#include "boxsim_options.h"
#include "boxsim_pins.h"
#include "boxsim_state.h"
#include "plant.h"

#define UJ_PER_MWH INT64_C(3600000)

/* What was last seen of an outlet, and what the plant does not tell. */
struct outlet_truth {
	bool driven;
	bool contact;
	bool energised;
	bool door;
	bool tripped;
	unsigned faults; /* of the plant */
	int64_t register_mwh; /* whole steps of the true energy */
	int64_t step_mwh;
	int64_t load_mw; /* of what is plugged in */
	int64_t carry_uj; /* of energy before this process: less than the milliwatt-hour that the plant begins with */
	char serial[METER_SERIAL_SIZE];
};

struct box {
	const struct options *options;
	struct plant *plant;
	int64_t start_mono_ms; /* the plant's 0 */
	int64_t now_ms; /* the plant's time */
	struct meter meters[PLANT_OUTLETS_MAX];
	struct outlet_truth outlets[PLANT_OUTLETS_MAX];
	bool box_door;
	bool mains;
	bool hard_off; /* without mains, the board is dead too */
	struct line lines[BOXSIM_BUSES_MAX];
	struct pins pins;
	struct event_log log;
	struct state_file state;
	bool quit;
};

/* Builds everything; options outlive it. 0, or a negative errno after saying on standard error what went wrong. */
int box_start(struct box *box, const struct options *options);

/* Takes all down in reverse, half-built too. */
void box_stop(struct box *box);

/* Lets the world run to the present moment, telling the log, the state file and the board of each change on the way. */
void box_run(struct box *box);

/* Tells of what has just been done to the plant. */
void box_observe(struct box *box);

/* When box_run() wants to be called again, in the plant's time. */
int64_t box_wake_ms(const struct box *box);

/* Milliseconds since the box began. */
int64_t box_clock_ms(const struct box *box);

/* CLOCK_MONOTONIC of the moment that the plant has reached. */
int64_t box_mono_ms(const struct box *box);

/* A meter's true energy since its making, in microjoules. */
int64_t box_true_uj(const struct box *box, unsigned outlet);

/* The board's side: takes a connection, and what it says; loses it. */
void box_accept_board(struct box *box);
void box_hear_board(struct box *box);
void box_lose_board(struct box *box);

#endif
