/* src/daemon/alive.h: how long the process was away, when only the process died.
 *
 * Room: src/daemon. A page beside the control socket says when the last process was last alive, in monotonic time, and in
 * which boot of the kernel. A process that is killed leaves it as it was; a power cut ends the kernel's boot, and then the
 * page says nothing. */
#ifndef ALIVE_H
#define ALIVE_H

#include <stdbool.h>
#include <stdint.h>

struct alive; /* opaque; owned by whoever opened it */

/* Opens or makes the page; *away_ms is how long nobody kept it, *known whether that can be told. NULL, logged, when it
 * cannot be made: then nothing is known after the next crash either. */
struct alive *alive_open(const char *path, int64_t now_ms, bool *known, int64_t *away_ms);

/* Says that the process is alive. A store to memory; NULL is allowed. */
void alive_mark(struct alive *alive, int64_t now_ms);

/* NULL is allowed. */
void alive_close(struct alive *alive);

#endif
