/* tools/ops/server/ops_calls_box.c: what boxes call; see ops_calls.h.
 *
 * Room: tools/ops/server; src/wire, tools/ops/core. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "gzip.h"
#include "log.h"
#include "ops_calls.h"

#define HEARTBEAT_DEFAULT_S 60
#define HEARTBEAT_MAX_S 3600

_Static_assert(OPS_REFUSED_MAX <= BATCH_REFUSED_MAX, "an answer must hold all refusals that the core lists");

/* --- records --- */

/* Reads the body, packed or not. False: refused. */
static bool read_batch(struct ops_request *q, struct batch *batch)
{
	struct wire_error error;
	char *text = q->body;
	size_t length = q->size;
	if (q->gzip) {
		int result = gzip_unpack(q->body, q->size, BATCH_TEXT_MAX, &text, &length);
		if (result == -EMSGSIZE)
			ops_refuse(q,
				   MHD_HTTP_CONTENT_TOO_LARGE,
				   "too_large",
				   "the body is longer than %d bytes when unpacked",
				   BATCH_TEXT_MAX);
		else if (result == -ENOMEM)
			ops_refuse_memory(q);
		else if (result < 0)
			ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "the body is not one whole gzip member");
		if (result < 0)
			return false;
	}
	bool valid = length > 0 && batch_read(text, length, batch, &error);
	if (q->gzip)
		free(text);
	if (!valid)
		ops_refuse(q,
			   MHD_HTTP_BAD_REQUEST,
			   "bad_request",
			   "the body: %s",
			   length > 0 ? error.text : "there is none");
	return valid;
}

/* What the server had of the ledger before, for the count of accepted records only. */
static uint64_t accepted_before(struct ops_request *q, const char *ledger)
{
	char newest[LEDGER_ID_SIZE] = "";
	uint64_t accepted = 0;
	struct ops_error error;
	if (ops_ledger(q->server->ops, q->name, newest, &accepted, &error) < 0 || strcmp(newest, ledger) != 0)
		return 0;
	return accepted;
}

static void log_intake(const struct ops_request *q, const struct batch *batch, const struct ops_intake *intake,
		       uint64_t before)
{
	if (intake->accepted_through > before)
		log_line(LOG_LEVEL_INFO,
			 "records",
			 "box=%s ledger=%s accepted_through=%" PRIu64,
			 log_text(q->name).text,
			 batch->ledger,
			 intake->accepted_through);
	for (size_t i = 0; i < intake->refused_count; i++)
		log_line(LOG_LEVEL_WARNING,
			 "record_parked",
			 "box=%s seq=%" PRIu64 " code=%s why=%s",
			 log_text(q->name).text,
			 intake->refused[i].seq,
			 intake->refused[i].code,
			 log_text(intake->refused[i].why).text);
}

static void log_skipped(const struct ops_request *q, const char *why)
{
	log_line(LOG_LEVEL_WARNING, "progress_skipped", "box=%s why=%s", log_text(q->name).text, log_text(why).text);
}

/* Nothing is owed of it, so that nothing that is wrong with it stands in the way of records. */
static void take_progress(struct ops_request *q, const struct batch *batch)
{
	struct ops_error error;
	if (batch->progress_skipped > 0)
		log_skipped(q, batch->skipped.text);
	for (size_t i = 0; i < batch->progress_count; i++) {
		const struct progress *p = &batch->progress[i];
		if (ops_progress(q->server->ops, q->name, p, ops_wall_now_ms(), &error) < 0)
			log_skipped(q, error.text);
		else if (!ops_live_keep(q->box, p, ops_monotonic_now_ms()))
			log_skipped(q, "out of memory");
	}
}

static int take_batch(struct ops_request *q, const struct batch *batch, struct ops_intake *intake,
		      struct ops_error *error)
{
	uint64_t before = accepted_before(q, batch->ledger);
	int result = ops_intake(q->server->ops,
				q->name,
				batch->ledger,
				(const char *const *)batch->records,
				batch->record_count,
				ops_wall_now_ms(),
				intake,
				error);
	if (result < 0)
		return result;
	q->box->newest = batch->newest;
	q->server->batches++;
	q->server->records_accepted += intake->accepted_through - before;
	log_intake(q, batch, intake, before);
	take_progress(q, batch);
	return 0;
}

static void answer_batch(struct ops_request *q, const struct ops_intake *intake)
{
	struct batch_answer answer = {
		.accepted_through = intake->accepted_through,
		.refused_count = intake->refused_count,
	};
	for (size_t i = 0; i < intake->refused_count; i++) {
		answer.refused[i].seq = intake->refused[i].seq;
		word_copy(answer.refused[i].code, sizeof answer.refused[i].code, intake->refused[i].code);
		word_copy(answer.refused[i].why, sizeof answer.refused[i].why, intake->refused[i].why);
	}
	ops_answer_text(q, MHD_HTTP_OK, batch_answer_write(&answer));
}

void ops_call_records(struct ops_request *q)
{
	struct batch batch;
	struct ops_intake intake;
	struct ops_error error;
	if (!read_batch(q, &batch))
		return;
	int result = take_batch(q, &batch, &intake, &error);
	batch_free(&batch);
	ops_box_stream_wake(q->box); /* whatever was taken in may have made commands */
	ops_box_changed(q->server, q->box);
	if (result == -EAGAIN)
		ops_refuse(q, MHD_HTTP_CONFLICT, "old_ledger", "%s", error.text);
	else if (result < 0)
		ops_refuse_core(q, result, &error);
	else
		answer_batch(q, &intake);
}

/* --- commands --- */

static void answer_stream(struct ops_request *q, uint64_t heartbeat_s, uint64_t after)
{
	q->response = ops_box_stream_begin(q->server, q->box, q->connection, (int64_t)heartbeat_s * 1000, after);
	if (q->response == NULL)
		ops_refuse_memory(q);
	else
		q->status = MHD_HTTP_OK;
}

void ops_call_commands(struct ops_request *q)
{
	const struct ops_streams *streams = &q->server->streams;
	const char *last = MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, "Last-Event-ID");
	uint64_t heartbeat_s = HEARTBEAT_DEFAULT_S, after = 0;
	struct ops_error error;
	if (!ops_request_number(q, "heartbeat_s", 1, HEARTBEAT_MAX_S, &heartbeat_s))
		return;
	if (last != NULL && !ops_parse_number(last, 0, REQUEST_EXACT_MAX, &after)) {
		ops_refuse(q,
			   MHD_HTTP_BAD_REQUEST,
			   "bad_request",
			   "Last-Event-ID must be a whole number from 0 to 2^53 - 1");
		return;
	}
	int result = ops_decided(q->server->ops, q->name, after, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	if (ops_may_stream(q, streams->count < streams->max || q->box->stream != NULL))
		answer_stream(q, heartbeat_s, after);
}
