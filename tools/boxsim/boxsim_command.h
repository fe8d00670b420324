/* tools/boxsim/boxsim_command.h: what people and misfortune do to the box, as lines of text.
 *
 * Room: boxsim; plant, hal/core, libmodbus. */
#ifndef BOXSIM_COMMAND_H
#define BOXSIM_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "boxsim_box.h"
#include "plant.h"

#define COMMAND_LINE_MAX 256 /* with its newline */
#define COMMAND_ERROR_SIZE 256
#define COMMAND_EVERY_BUS (-1)

enum command_verb {
	COMMAND_NOTHING, /* an empty line, or a comment */
	COMMAND_HELP,
	COMMAND_PLUG,
	COMMAND_UNPLUG,
	COMMAND_OPEN,
	COMMAND_CLOSE,
	COMMAND_MAINS,
	COMMAND_TRIP,
	COMMAND_RESET,
	COMMAND_REPLACE,
	COMMAND_BOUNCE,
	COMMAND_FAULT,
	COMMAND_ECHO,
	COMMAND_FOREIGN_MASTER,
	COMMAND_STATE,
	COMMAND_QUIT,
};

enum command_fault {
	FAULT_WELDED,
	FAULT_STUCK_OPEN,
	FAULT_BYPASSED,
	FAULT_SILENT,
	FAULT_ZERO,
	FAULT_STUCK,
	FAULT_GARBLED,
	FAULT_FOREIGN,
	FAULT_HALF,
	FAULT_SLOW, /* this and those below: with milliseconds */
	FAULT_DRIBBLE,
	FAULT_LATE,
	FAULT_COUNT
};

struct command {
	enum command_verb verb;
	int outlet; /* 0-based; PLANT_METERING_BOX */
	int bus; /* 0-based; COMMAND_EVERY_BUS */
	bool on;
	bool force;
	bool hard; /* mains off, and the board is dead too */
	enum command_fault fault;
	int64_t ms; /* of a bounce, or of a fault that has a time: 0 ends it */
	int64_t register_mwh;
	struct plant_load load;
	char serial[METER_SERIAL_SIZE];
};

/* Reads a line (without its newline; it is taken apart in place). False, with a sentence that says what is allowed in
 * error, when it is not a command for this box. */
bool command_read(char *text, const struct options *options, struct command *command, char error[COMMAND_ERROR_SIZE]);

/* Does it. False, with a sentence in error, when the box does not let it be done; then nothing has changed. help and
 * state are the caller's to print. */
bool command_run(struct box *box, const struct command *command, char error[COMMAND_ERROR_SIZE]);

/* What help prints. */
const char *command_help(void);

/* Fault names as commands and state write them. Never NULL. */
const char *command_fault_name(enum command_fault fault);

/* The fault's value at an outlet: 0 when it is not there, 1 or its milliseconds when it is. */
int64_t command_fault_value(const struct box *box, unsigned outlet, enum command_fault fault);

#endif
