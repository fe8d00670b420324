/* src/wire/wire.h: tariff, record, command, progress and image as JSON, for both ends.
 *
 * Room: src/model, cJSON. Whatever is read is hostile: its size and depth are capped before it is parsed, integers are
 * checked against 2^53, and every value against the model's limits. A reader that fails changes nothing but *error. */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "command.h"
#include "image.h"
#include "progress.h"
#include "record.h"

#define WIRE_TEXT_MAX 8192 /* bytes of one document; the longest that the model can fill is about 3000 */
#define WIRE_DEPTH_MAX 6
#define WIRE_VALUES_MAX 320 /* names and entries of one document; the longest has about 180 */
#define WIRE_ERROR_SIZE 160

#define RECORD_HASH_SIZE 65 /* SHA-256 in 64 hexadecimal digits */

struct wire_error {
	char text[WIRE_ERROR_SIZE]; /* which field, what is wrong, what is allowed */
};

/* Where a record stands in its ledger's chain. */
struct record_link {
	char ledger[LEDGER_ID_SIZE];
	char prev[RECORD_HASH_SIZE]; /* the hash of the record before; of the ledger's id for the first */
};

/* Writers return text that the caller frees, or NULL when memory is short. What they write is within the model's
 * limits: anything else is the caller's bug. */
char *wire_write_record(const struct record *record, const struct record_link *link);
char *wire_write_command(const struct command *command);
char *wire_write_tariff(const struct fee_tariff *tariff);
char *wire_write_progress(const struct progress *progress);
char *wire_write_outlet_image(const struct outlet_image *outlet);
char *wire_write_box_image(const struct box_image *box); /* without its outlets */

/* A time as the wire has it, 2026-11-21T01:38:46.123Z, in ms of Unix time. */
bool wire_read_time(const char *text, int64_t *wall_ms);

/* Readers take length bytes of text, which need no NUL. */
bool wire_read_record(const char *text, size_t length, struct record *record, struct record_link *link,
		      struct wire_error *error);
bool wire_read_command(const char *text, size_t length, struct command *command, struct wire_error *error);
bool wire_read_tariff(const char *text, size_t length, struct fee_tariff *tariff, struct wire_error *error);
/* The same of a tariff that somebody makes: refuses any name beside a tariff's own, as a misspelt price is no price. */
bool wire_read_tariff_only(const char *text, size_t length, struct fee_tariff *tariff, struct wire_error *error);
bool wire_read_progress(const char *text, size_t length, struct progress *progress, struct wire_error *error);
bool wire_read_outlet_image(const char *text, size_t length, struct outlet_image *outlet, struct wire_error *error);
bool wire_read_box_image(const char *text, size_t length, struct box_image *box, struct wire_error *error);

#endif
