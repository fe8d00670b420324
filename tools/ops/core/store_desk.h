/* tools/ops/core/store_desk.h: what the store tells the operator's desk; see store.h, whose conventions hold.
 *
 * Room: tools/ops/core. */
#ifndef OPS_STORE_DESK_H
#define OPS_STORE_DESK_H

#include "desk.h"
#include "store.h"

/* The latest order before (made_ms, number), in that order. */
int store_next_order(struct store *store, enum desk_orders which, int64_t made_ms, const char *number,
		     struct ops_order *order, struct ops_error *error);

int store_find_account(struct store *store, const char *name, struct desk_account *account, struct ops_error *error);
int store_each_account(struct store *store, const char *after,
		       bool (*take)(void *ctx, const struct desk_account *account), void *ctx, struct ops_error *error);

/* Those from or to the book, the latest first, below `before`. */
int store_each_posting(struct store *store, const char *book, int64_t before,
		       bool (*take)(void *ctx, const struct desk_posting *posting), void *ctx, struct ops_error *error);

int store_count_pending(struct store *store, const char *box, int64_t *count, struct ops_error *error);

int store_add_alarm(struct store *store, const struct desk_alarm *alarm, struct ops_error *error);
int store_each_alarm(struct store *store, int64_t before, bool (*take)(void *ctx, const struct desk_alarm *alarm),
		     void *ctx, struct ops_error *error);
int store_alarms_after(struct store *store, int64_t after, bool (*take)(void *ctx, const struct desk_alarm *alarm),
		       void *ctx, struct ops_error *error);

/* An outlet's register at a moment. */
struct sample_row {
	int64_t at_ms;
	int64_t register_mwh;
	int64_t total_mwh; /* counted since the first sample, by all meters that the outlet has had */
	int64_t unplaced_mwh; /* counted since, at times that nobody knew; the register is the one behind that */
};

/* The latest at or before at_ms, and the first behind it. */
int store_sample_until(struct store *store, const char *box, int outlet, int64_t at_ms, struct sample_row *row,
		       struct ops_error *error);
int store_sample_after(struct store *store, const char *box, int outlet, int64_t at_ms, struct sample_row *row,
		       struct ops_error *error);
int store_add_sample(struct store *store, const char *box, int outlet, const struct sample_row *row,
		     struct ops_error *error);
int store_drop_sample(struct store *store, const char *box, int outlet, int64_t at_ms, struct ops_error *error);

/* Those at or before at_ms. */
int store_prune_samples(struct store *store, const char *box, int outlet, int64_t at_ms, struct ops_error *error);

#endif
