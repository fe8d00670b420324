/* tools/meterboxctl/ctl_show.h: the box's state for people.
 *
 * Room: meterboxctl. */
#ifndef CTL_SHOW_H
#define CTL_SHOW_H

#include <stdio.h>

#include "ctl_state.h"

#define CTL_ALL_OUTLETS OUTLETS_MAX

/* Prints the box, its buses, and one outlet (0-based) or, with CTL_ALL_OUTLETS, all of them. */
void ctl_show(const struct ctl_state *state, unsigned outlet, FILE *out);

/* Prints what an outlet still waits for, a sentence a line, each behind `indent`; nothing when nothing is missing. */
void ctl_show_missing(const struct ctl_outlet_state *outlet, const char *indent, FILE *out);

#endif
