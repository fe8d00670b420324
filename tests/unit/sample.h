/* tests/unit/sample.h: made-up values of the model for tests: all within the limits, chosen by chance from one seed,
 * often exactly at a limit; and comparisons field by field, which share no code with what they test. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "command.h"
#include "image.h"
#include "progress.h"
#include "record.h"
#include "wire.h"

#define SAMPLE_EXACT_MAX INT64_C(9007199254740991) /* 2^53 - 1 */
#define SAMPLE_CENTURY_MS (INT64_C(100) * 366 * 24 * 3600000)
#define SAMPLE_WALL_MAX_MS INT64_C(253402300799999) /* the end of the year 9999 */

struct sample {
	uint64_t state; /* the seed */
};

uint64_t sample_bits(struct sample *s);

/* low to high, both included. */
int64_t sample_between(struct sample *s, int64_t low, int64_t high);
bool sample_happens(struct sample *s, int percent);

/* low to high; often one of the two, or next to it, or small. */
int64_t sample_edgy(struct sample *s, int64_t low, int64_t high);

/* 1 to size-1 printable characters, zeros behind. */
void sample_word(struct sample *s, char *to, size_t size);

void sample_moment(struct sample *s, struct moment *moment);
void sample_tariff(struct sample *s, struct fee_tariff *tariff);
void sample_grant(struct sample *s, enum session_kind kind, struct grant *grant);
void sample_record(struct sample *s, enum record_kind kind, struct record *record);
void sample_link(struct sample *s, struct record_link *link);
void sample_command(struct sample *s, enum command_type type, struct command *command);
void sample_progress(struct sample *s, struct progress *progress);
void sample_outlet_image(struct sample *s, struct outlet_image *outlet);
void sample_box_image(struct sample *s, struct box_image *box); /* outlets included */

bool sample_same_tariff(const struct fee_tariff *a, const struct fee_tariff *b);
bool sample_same_grant(const struct grant *a, const struct grant *b);
bool sample_same_record(const struct record *a, const struct record *b);
bool sample_same_command(const struct command *a, const struct command *b);
bool sample_same_progress(const struct progress *a, const struct progress *b);
bool sample_same_outlet_image(const struct outlet_image *a, const struct outlet_image *b);
bool sample_same_box(const struct box_image *a, const struct box_image *b); /* without outlets */
bool sample_same_image(const struct box_image *a, const struct box_image *b);

/* A record that follows from the image, on one of the first `outlets` outlets or on none: a box's life by chance. */
void sample_next(struct sample *s, const struct box_image *image, int outlets, struct record *record);

/* A record of the kind that follows from the image's last one, on this outlet, with the outlet's order and with the
 * register moved on by moved_mwh where moved_mwh >= 0; the kind need not be allowed there. */
void sample_follow(struct sample *s, const struct box_image *image, enum record_kind kind, int outlet,
		   int64_t moved_mwh, struct record *record);

#endif
