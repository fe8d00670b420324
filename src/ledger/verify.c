/* src/ledger/verify.c: see ledger_verify() in ledger.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_internal.h"

struct verification {
	struct ledger *ledger;
	uint64_t seq; /* of the last record looked at */
	char tip[RECORD_HASH_SIZE]; /* its hash */
	struct ledger_report *report; /* NULL when only the chain is checked */
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

static bool replay(struct verification *v, const struct record *record)
{
	const char *fault = v->report == NULL ? NULL : image_apply(&v->report->image, record);
	if (fault != NULL)
		return reject(v, record->seq, fault);
	if (v->report != NULL)
		v->report->records++;
	return true;
}

static bool verify_record(void *ctx, uint64_t seq, const char *body, size_t length)
{
	struct verification *v = ctx;
	struct record record;
	struct record_link link;
	struct wire_error wire;
	if (!wire_read_record(body, length, &record, &link, &wire))
		return reject(v, seq, wire.text);
	if (record.seq != seq || seq != v->seq + 1)
		return reject(v, seq, "its seq is not the next one");
	if (strcmp(link.ledger, v->ledger->id) != 0)
		return reject(v, seq, "it belongs to another ledger");
	if (strcmp(link.prev, v->tip) != 0)
		return reject(v, seq, "the hash of the record before does not match: one of the two was changed");
	if (!replay(v, &record))
		return false;
	v->seq = seq;
	v->result = ledger_hash(v->ledger, body, length, v->tip);
	return v->result == 0;
}

/* Everything above v->seq. */
static int verify_chain(struct verification *v)
{
	int result = 0;
	uint64_t before = UINT64_MAX;
	while (result == 0 && v->result == 0 && v->seq != before) {
		before = v->seq;
		result = ledger_read(v->ledger, v->seq + 1, LEDGER_BATCH_MAX, verify_record, v, v->error);
	}
	return result == 0 ? v->result : result;
}

static bool take_hash(void *ctx, uint64_t seq, const char *body, size_t length)
{
	struct verification *v = ctx;
	v->seq = seq;
	v->result = ledger_hash(v->ledger, body, length, v->tip);
	return v->result == 0;
}

int ledger_verify_tail(struct ledger *l, struct ledger_error *error)
{
	struct verification v = {.ledger = l, .error = error};
	int result = ledger_hash(l, l->id, strlen(l->id), v.tip);
	if (result == 0 && l->accepted > 0)
		result = ledger_read(l, l->accepted, 1, take_hash, &v, error);
	if (result == 0 && v.result == 0 && v.seq != l->accepted)
		return ledger_fail(error, -EBADMSG, "damaged", "the last accepted record is missing");
	if (result == 0 && v.result == 0)
		result = verify_chain(&v);
	return result == 0 ? v.result : result;
}

/* Whether two parts read the same; their texts are freed. Memory may differ where a name is shorter than its field. */
static int compare_texts(char *stored, char *replayed)
{
	int result = stored == NULL || replayed == NULL ? -ENOMEM : strcmp(stored, replayed) == 0;
	free(stored);
	free(replayed);
	return result;
}

static int compare_images(struct ledger *l, const struct box_image *replayed, struct ledger_error *error)
{
	struct box_image *stored = &l->next_image;
	int result = ledger_read_image(l, stored, error);
	if (result < 0)
		return result;
	int equal = compare_texts(wire_write_box_image(stored), wire_write_box_image(replayed));
	for (int i = 0; equal > 0 && i < OUTLETS_MAX; i++)
		equal = compare_texts(wire_write_outlet_image(&stored->outlets[i]),
				      wire_write_outlet_image(&replayed->outlets[i]));
	if (equal < 0)
		return ledger_fail(error, equal, "comparing snapshots", "out of memory");
	return equal ? 0 : ledger_fail(error, -EBADMSG, "damaged", "the snapshots are not what the records add up to");
}

int ledger_verify(struct ledger *l, struct ledger_report *report, struct ledger_error *error)
{
	struct verification v = {.ledger = l, .report = report, .error = error};
	char tip[RECORD_HASH_SIZE];
	image_init(&report->image);
	report->records = 0;
	int result = ledger_hash(l, l->id, strlen(l->id), v.tip);
	if (result == 0)
		result = verify_chain(&v);
	if (result == 0)
		result = ledger_get_meta(l, "tip", tip, sizeof tip, error);
	if (result == 0 && strcmp(tip, v.tip) != 0)
		result = ledger_fail(error, -EBADMSG, "damaged", "the last record was changed");
	return result < 0 ? result : compare_images(l, &report->image, error);
}
