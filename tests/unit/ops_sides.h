/* What every test of tools/ops/core needs of the world: bytes by chance that are the same in each run, and the hash by which
 * a box links its records. */
#ifndef OPS_SIDES_H
#define OPS_SIDES_H

#include <stddef.h>

#include "wire.h"

/* For struct ops_options, whose ctx is a uint64_t of the test's. */
void give_random(void *state, void *bytes, size_t count);

void hash_text(const char *text, char hex[RECORD_HASH_SIZE]);

#endif
