/* src/ledger/chain.h: checks records, one after the other, wherever they come from.
 *
 * Room: src/wire, libcrypto. The file itself is not needed: a tool that reads records over a socket or from an export
 * checks them by the same rules. */
#ifndef LEDGER_CHAIN_H
#define LEDGER_CHAIN_H

#include "ledger.h"

struct ledger_chain {
	struct evp_md_st *sha256; /* libcrypto's EVP_MD */
	char id[LEDGER_ID_SIZE];
	uint64_t seq; /* of the last record taken */
	char tip[RECORD_HASH_SIZE]; /* its hash; of the ledger's id before the first */
	bool replays; /* each record must follow from those before it; set by ledger_chain_begin() */
	struct box_image image; /* what the records taken add up to, when it replays */
};

/* Begins at the first record of the ledger. 0 or -ENOMEM. */
int ledger_chain_begin(struct ledger_chain *chain, const char *id, struct ledger_error *error);

/* Takes the next record's text. 0; -EBADMSG when it is not the next record of this chain: *error names it and says why,
 * and the chain stays where it was; -ENOMEM. */
int ledger_chain_take(struct ledger_chain *chain, uint64_t seq, const char *body, size_t length,
		      struct ledger_error *error);

/* Frees what the chain holds; its fields can still be read. */
void ledger_chain_end(struct ledger_chain *chain);

#endif
