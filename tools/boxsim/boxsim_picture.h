/* tools/boxsim/boxsim_picture.h: the box drawn on a terminal, a few times a second.
 *
 * Room: boxsim; plant, hal/core, libmodbus. The picture has the upper lines; what is typed and answered scrolls below. */
#ifndef BOXSIM_PICTURE_H
#define BOXSIM_PICTURE_H

#include "boxsim_box.h"
#include "boxsim_console.h"

#define PICTURE_EVERY_MS 250
#define PICTURE_MAX 8192

struct picture {
	bool on;
	int64_t next_ms;
	char shown[PICTURE_MAX]; /* what stands on the terminal, so that only changes are drawn */
};

void picture_start(struct picture *picture, const struct box *box, struct console *console);

/* Draws the box if it is time. */
void picture_run(struct picture *picture, const struct box *box, struct console *console);

/* When it is time again; PLANT_NEVER when nothing is drawn. */
int64_t picture_wake_ms(const struct picture *picture);

/* Gives the whole terminal back. */
void picture_stop(struct picture *picture, const struct box *box, struct console *console);

#endif
