/* src/ledger/chain.c: see chain.h. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "chain.h"
#include "ledger_internal.h"

int ledger_hash_text(EVP_MD *sha256, const char *text, size_t length, char hash[RECORD_HASH_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_length;
	if (EVP_Digest(text, length, digest, &digest_length, sha256, NULL) != 1)
		return -ENOMEM;
	for (size_t i = 0; i < RECORD_HASH_SIZE / 2; i++)
		snprintf(hash + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

int ledger_chain_begin(struct ledger_chain *chain, const char *id, struct ledger_error *error)
{
	memset(chain, 0, sizeof *chain);
	word_copy(chain->id, sizeof chain->id, id);
	chain->replays = true;
	image_init(&chain->image);
	chain->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (chain->sha256 != NULL && ledger_hash_text(chain->sha256, id, strlen(id), chain->tip) == 0)
		return 0;
	ledger_chain_end(chain);
	return ledger_fail(error, -ENOMEM, "verifying", "out of memory");
}

static int reject(struct ledger_error *error, uint64_t seq, const char *why)
{
	snprintf(error->text, sizeof error->text, "ledger: damaged: record %llu: %s", (unsigned long long)seq, why);
	return -EBADMSG;
}

int ledger_chain_take(struct ledger_chain *chain, uint64_t seq, const char *body, size_t length,
		      struct ledger_error *error)
{
	struct record record;
	struct record_link link;
	struct wire_error wire;
	char tip[RECORD_HASH_SIZE];
	if (!wire_read_record(body, length, &record, &link, &wire))
		return reject(error, seq, wire.text);
	if (record.seq != seq || seq != chain->seq + 1)
		return reject(error, seq, "its seq is not the next one");
	if (strcmp(link.ledger, chain->id) != 0)
		return reject(error, seq, "it belongs to another ledger");
	if (strcmp(link.prev, chain->tip) != 0)
		return reject(error, seq, "the hash of the record before does not match: one of the two was changed");
	if (ledger_hash_text(chain->sha256, body, length, tip) < 0)
		return ledger_fail(error, -ENOMEM, "verifying", "out of memory");
	const char *fault = chain->replays ? image_amount_fault(&chain->image, &record) : NULL;
	if (fault == NULL && chain->replays)
		fault = image_apply(&chain->image, &record);
	if (fault != NULL)
		return reject(error, seq, fault);
	chain->seq = seq;
	memcpy(chain->tip, tip, sizeof chain->tip);
	return 0;
}

void ledger_chain_end(struct ledger_chain *chain)
{
	EVP_MD_free(chain->sha256);
	chain->sha256 = NULL;
}
