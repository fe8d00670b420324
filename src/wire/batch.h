/* src/wire/batch.h: what a POST of records carries, both ways, as etc/ops-api.yaml has it.
 *
 * Room: src/model, cJSON. A record travels as a JSON string that holds its text, because its hash is over exactly these
 * bytes, and because one damaged record must not make the batch unreadable. */
#ifndef WIRE_BATCH_H
#define WIRE_BATCH_H

#include "wire.h"

#define BATCH_RECORDS_MAX 500
#define BATCH_TEXT_MAX (8 * 1024 * 1024) /* of the JSON text, unpacked; more than BATCH_RECORDS_MAX records can fill */
#define BATCH_ANSWER_MAX 65536
#define BATCH_REFUSED_MAX 16 /* refusals listed in one answer */
#define BATCH_CODE_SIZE 33

struct batch {
	char ledger[LEDGER_ID_SIZE];
	uint64_t newest; /* the ledger's last durable record, sent or not; 0: none, or not said by an older box */
	size_t record_count;
	char **records; /* NUL-terminated texts, ascending */
	size_t progress_count; /* at most one of each outlet */
	struct progress progress[OUTLETS_MAX];
	size_t progress_skipped; /* reports that could not be read, when it was read: telemetry does not hold up records */
	struct wire_error skipped; /* why, of the last one */
};

struct batch_answer {
	uint64_t accepted_through;
	size_t refused_count;
	struct {
		uint64_t seq;
		char code[BATCH_CODE_SIZE];
		char why[WIRE_ERROR_SIZE];
	} refused[BATCH_REFUSED_MAX];
};

/* The JSON text, NUL-terminated; the caller frees it. NULL when memory is short. */
char *batch_write(const struct batch *batch);
char *batch_answer_write(const struct batch_answer *answer);

/* Reads length bytes of text. False, with *error filled and nothing to free, when it is not a batch. A record's text is
 * not judged here, only that it is a string of at most WIRE_TEXT_MAX bytes; a progress report is, and left out. */
bool batch_read(const char *text, size_t length, struct batch *batch, struct wire_error *error);
bool batch_answer_read(const char *text, size_t length, struct batch_answer *answer, struct wire_error *error);

/* Frees what batch_read() allocated, not the batch. */
void batch_free(struct batch *batch);

#endif
