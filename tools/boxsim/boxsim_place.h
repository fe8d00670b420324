/* tools/boxsim/boxsim_place.h: a path that one boxsim holds at a time (a socket, a symbolic link).
 *
 * Room: boxsim; this file needs libc only. PATH.lock is locked while it is held: the kernel gives that back when the
 * process is killed, so that whatever else was left behind can be told from what is in use. */
#ifndef BOXSIM_PLACE_H
#define BOXSIM_PLACE_H

#include <stdbool.h>

struct place {
	const char *path; /* the caller's; NULL: nothing is held */
	char *lock_path; /* owned */
	int lock;
	bool made; /* what stands at the path is ours to remove */
};

/* Takes the path: -EBUSY when another process holds it, another negative errno when the lock file cannot be made. */
int place_take(struct place *place, const char *path);

/* Removes a socket left at the path: 0, also when there was none; -EEXIST when something else is there (or somebody
 * listens on it), another negative errno. */
int place_clear_socket(const struct place *place);

/* Makes the path a symbolic link to target, in the place of one that pointed to a pseudo-terminal. -EEXIST when
 * anything else is there. */
int place_link(struct place *place, const char *target);

/* Removes what was made at the path, the lock file too, and gives the path back. */
void place_give(struct place *place);

#endif
