/* tools/ops/core/store_offers.h: what the server keeps of tariffs, outlets for sale and the agreement; see store.h, whose
 * conventions hold.
 *
 * Room: tools/ops/core. */
#ifndef OPS_STORE_OFFERS_H
#define OPS_STORE_OFFERS_H

#include "offers.h"
#include "store.h"

/* version 0: the newest. */
int store_get_tariff(struct store *store, const char *id, uint32_t version, struct fee_tariff *tariff,
		     struct ops_error *error);
int store_add_tariff(struct store *store, const struct fee_tariff *tariff, int64_t made_ms, const char *who,
		     struct ops_error *error);
int store_each_tariff(struct store *store, bool (*take)(void *ctx, const struct fee_tariff *tariff), void *ctx,
		      struct ops_error *error);
/* Without their versions. */
int store_count_tariffs(struct store *store, int64_t *count, struct ops_error *error);

int store_get_place(struct store *store, const char *code, struct place *place, struct ops_error *error);
int store_find_place(struct store *store, const char *box, int outlet, struct place *place, struct ops_error *error);
int store_put_place(struct store *store, const struct place *place, struct ops_error *error);
int store_drop_place(struct store *store, const char *code, struct ops_error *error);
int store_each_place(struct store *store, const char *after, bool (*take)(void *ctx, const struct place *place),
		     void *ctx, struct ops_error *error);

/* 0 when there is none. */
int store_newest_agreement(struct store *store, uint32_t *version, struct ops_error *error);
int store_get_agreement(struct store *store, uint32_t version, struct agreement *agreement, struct ops_error *error);
int store_add_agreement(struct store *store, const struct agreement *agreement, struct ops_error *error);

#endif
