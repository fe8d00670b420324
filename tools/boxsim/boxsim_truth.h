/* tools/boxsim/boxsim_truth.h: the truth about the box in one line of JSON.
 *
 * Room: boxsim; plant, hal/core, libmodbus. */
#ifndef BOXSIM_TRUTH_H
#define BOXSIM_TRUTH_H

#include <stddef.h>

#include "boxsim_box.h"

#define TRUTH_MAX 16384 /* sixteen outlets with every fault need less than half of it */

/* Writes the line with its newline and a NUL; returns its length without the NUL. */
size_t truth_write(const struct box *box, char text[TRUTH_MAX]);

#endif
