/* src/ledger/verify.c: see ledger_verify() in ledger.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ledger_internal.h"

struct verification {
	struct ledger *ledger;
	struct ledger_report *report;
	char tip[RECORD_HASH_SIZE];
	int result;
	struct ledger_error *error;
};

static bool reject(struct verification *v, uint64_t seq, const char *why)
{
	snprintf(v->error->text,
		 sizeof v->error->text,
		 "ledger: damaged: record %llu: %s",
		 (unsigned long long)seq,
		 why);
	v->result = -EBADMSG;
	return false;
}

static bool verify_record(void *ctx, uint64_t seq, const char *body, size_t length)
{
	struct verification *v = ctx;
	struct record record;
	struct record_link link;
	struct wire_error wire;
	if (!wire_read_record(body, length, &record, &link, &wire))
		return reject(v, seq, wire.text);
	if (record.seq != seq)
		return reject(v, seq, "its seq is not its place in the table");
	if (strcmp(link.ledger, v->ledger->id) != 0)
		return reject(v, seq, "it belongs to another ledger");
	if (strcmp(link.prev, v->tip) != 0)
		return reject(v, seq, "the hash of the record before does not match: one of the two was changed");
	const char *fault = image_apply(&v->report->image, &record);
	if (fault != NULL)
		return reject(v, seq, fault);
	v->report->records++;
	v->result = ledger_hash(v->ledger, body, length, v->tip);
	return v->result == 0;
}

static int compare_images(struct ledger *l, const struct box_image *replayed, struct ledger_error *error)
{
	struct box_image *stored = &l->next_image;
	int result = ledger_read_image(l, stored, error);
	if (result < 0)
		return result;
	if (memcmp(stored, replayed, sizeof *stored) != 0)
		return ledger_fail(error, -EBADMSG, "damaged", "the snapshots are not what the records add up to");
	return 0;
}

int ledger_verify(struct ledger *l, struct ledger_report *report, struct ledger_error *error)
{
	struct verification v = {.ledger = l, .report = report, .error = error};
	image_init(&report->image);
	report->records = 0;
	int result = ledger_hash(l, l->id, strlen(l->id), v.tip);
	uint64_t before = UINT64_MAX;
	while (result == 0 && v.result == 0 && report->records != before) {
		before = report->records;
		result = ledger_read(l, report->records + 1, LEDGER_BATCH_MAX, verify_record, &v, error);
	}
	if (result == 0)
		result = v.result;
	return result < 0 ? result : compare_images(l, &report->image, error);
}
