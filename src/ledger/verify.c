/* src/ledger/verify.c: see ledger_verify() in ledger.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "ledger_internal.h"

struct verification {
	struct ledger_chain chain;
	int result;
	struct ledger_error *error;
};

static bool verify_record(void *ctx, uint64_t seq, const char *body, size_t length)
{
	struct verification *v = ctx;
	v->result = ledger_chain_take(&v->chain, seq, body, length, v->error);
	return v->result == 0;
}

/* Everything above the chain's last. */
static int verify_chain(struct verification *v, struct ledger *l)
{
	int result = 0;
	uint64_t before = UINT64_MAX;
	while (result == 0 && v->result == 0 && v->chain.seq != before) {
		before = v->chain.seq;
		result = ledger_read(l, before + 1, LEDGER_BATCH_MAX, verify_record, v, v->error);
	}
	return result == 0 ? v->result : result;
}

static bool take_hash(void *ctx, uint64_t seq, const char *body, size_t length)
{
	struct verification *v = ctx;
	v->chain.seq = seq;
	v->result = ledger_hash_text(v->chain.sha256, body, length, v->chain.tip);
	return v->result == 0;
}

/* The last accepted record is where the tail begins: its hash is taken for granted. */
static int skip_accepted(struct verification *v, struct ledger *l)
{
	if (l->accepted == 0)
		return 0;
	int result = ledger_read(l, l->accepted, 1, take_hash, v, v->error);
	if (result < 0 || v->result < 0)
		return result < 0 ? result : v->result;
	return v->chain.seq == l->accepted ?
		       0 :
		       ledger_fail(v->error, -EBADMSG, "damaged", "the last accepted record is missing");
}

int ledger_verify_tail(struct ledger *l, struct ledger_error *error)
{
	struct verification v = {.error = error};
	int result = ledger_chain_begin(&v.chain, l->id, error);
	if (result < 0)
		return result;
	v.chain.replays = false; /* what came before is not known */
	result = skip_accepted(&v, l);
	if (result == 0)
		result = verify_chain(&v, l);
	ledger_chain_end(&v.chain);
	return result;
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
	struct verification v = {.error = error};
	char tip[RECORD_HASH_SIZE];
	int result = ledger_chain_begin(&v.chain, l->id, error);
	if (result < 0)
		return result;
	result = verify_chain(&v, l);
	ledger_chain_end(&v.chain);
	report->records = v.chain.seq;
	report->image = v.chain.image;
	if (result == 0)
		result = ledger_get_meta(l, "tip", tip, sizeof tip, error);
	if (result == 0 && strcmp(tip, v.chain.tip) != 0)
		result = ledger_fail(error, -EBADMSG, "damaged", "the last record was changed");
	return result < 0 ? result : compare_images(l, &report->image, error);
}
