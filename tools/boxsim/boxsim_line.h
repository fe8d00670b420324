/* tools/boxsim/boxsim_line.h: a serial line with meters on it: a pseudo-terminal, and what real lines do to bytes.
 *
 * Room: boxsim; this file needs the plant, hal/core and libmodbus. A pseudo-terminal carries bytes at once; here an
 * answer leaves when question, turn-around and answer would have taken their time at the meter's baud rate. Questions
 * are not held up by answers that are still to come: that is how late answers happen. */
#ifndef BOXSIM_LINE_H
#define BOXSIM_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boxsim_log.h"
#include "boxsim_meter.h"
#include "boxsim_place.h"
#include "dlt645.h"
#include "plant.h"

#define LINE_ANSWERS_MAX 32 /* under way; a question is lost while there are as many */
#define LINE_DESERTED_MS 20 /* how often a deserted line wants to be read */
#define LINE_WINDOW 264 /* the longest Modbus question has 9 + 255 bytes */

struct line_answer {
	int64_t due_ms; /* when the next bytes leave */
	int64_t gap_ms; /* between bytes; 0: all at once */
	unsigned outlet;
	size_t count;
	size_t sent;
	uint8_t bytes[METER_ANSWER_MAX];
};

struct line {
	struct place place;
	int terminal; /* the pseudo-terminal's master; -1: no such line */
	bool deserted; /* nobody has the other side open: poll() would say so without a pause; call line_read() instead */
	struct meter *meters; /* all of the box, the caller's */
	unsigned meter_count;
	unsigned bus;
	const struct plant *plant;
	struct event_log *log; /* NULL: the line's bytes are not logged */
	int64_t mono_offset_ms; /* of the plant's time to the log's */
	struct dlt645_parser parser;
	uint8_t window[LINE_WINDOW]; /* the latest bytes, for Modbus */
	size_t window_count;
	int64_t heard_ms;
	bool echo; /* fault: the adapter hears what the master sends */
	bool foreign_master; /* another master asks the first meter now and then, and it answers */
	int64_t foreign_next_ms;
	struct line_answer answers[LINE_ANSWERS_MAX];
	unsigned answer_count;
};

/* Makes the pseudo-terminal and its symbolic link. Of meters, those with this bus are on the line; they, plant and log
 * outlive it. 0; -EBUSY: another boxsim has the path; -EEXIST: something else is there; another negative errno. */
int line_start(struct line *line, const char *path, unsigned bus, struct meter *meters, unsigned meter_count,
	       const struct plant *plant);
void line_stop(struct line *line);

/* Takes what the master has sent. 0 or a negative errno when the line is broken. */
int line_read(struct line *line, int64_t now_ms);

/* Sends what is due. Bytes that nobody takes are lost, as on any line. */
void line_run(struct line *line, int64_t now_ms);

/* When line_run() has something to do next; PLANT_NEVER when nothing. */
int64_t line_wake_ms(const struct line *line);

void line_set_foreign_master(struct line *line, bool present, int64_t now_ms);

/* The mains are gone, and with them every answer under way. */
void line_drop_answers(struct line *line);

#endif
