/* tools/boxsim/boxsim_state.h: the meters' true energy in a file that outlives the process.
 *
 * Room: boxsim; this file needs the plant and libc. The file is mapped and shared: what was written into it is kept by
 * the kernel when the process is killed. A meter has two places, and a changed meter is written into the other one
 * before it becomes valid. */
#ifndef BOXSIM_STATE_H
#define BOXSIM_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "plant.h"

struct state_map;

struct state_file {
	int fd;
	struct state_map *map; /* NULL: nothing is kept */
};

/* Opens or makes the file; NULL keeps nothing. -EBUSY: another process holds it; -EPROTO: it is no state file of a
 * boxsim (left as it is); another negative errno. */
int state_open(struct state_file *state, const char *path);
void state_close(struct state_file *state);

/* What the file knows of an outlet's meter; false when it knows none. *uj is its true energy in microjoules. */
bool state_read(const struct state_file *state, unsigned outlet, char serial[METER_SERIAL_SIZE], int64_t *uj);

/* Another meter is in the place. */
void state_set_meter(struct state_file *state, unsigned outlet, const char *serial, int64_t uj);

/* The same meter has counted. */
void state_set_energy(struct state_file *state, unsigned outlet, int64_t uj);

#endif
