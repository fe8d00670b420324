/* tools/ops/core/offers.h: what is for sale, where, at which price, and what a customer agrees to.
 *
 * Room: tools/ops/core. Errors and times as in ops.h. Tariffs and the agreement have versions, which stay for ever: an
 * order can always be read beside what it was made under. A call that makes a version names the one that it replaces,
 * so that two who edit at once notice: -EEXIST for another than the newest. The same call again, when its answer was
 * lost, is harmless. */
#ifndef OPS_OFFERS_H
#define OPS_OFFERS_H

#include "ops.h"
#include "people.h"
#include "price.h"

#define OFFERS_TARIFFS_MAX 1000 /* beside their versions; one more is -EAGAIN */
#define OFFERS_PREVIEW_MAX_MS (366 * INT64_C(86400000))
#define PLACE_CODE_SIZE 17
#define PLACE_LABEL_CHARACTERS 40
#define PLACE_LABEL_SIZE (4 * PLACE_LABEL_CHARACTERS + 1) /* UTF-8 */
#define PLACE_TIME_LEAST_MS 1000 /* of each of a place's times */
#define PLACE_TIME_MAX_MS 86400000
#define PLACE_FULL_MA_MAX GRANT_FULL_MAX_MA
#define AGREEMENT_SIZE 20001 /* of each language's text, in bytes */

/* --- tariffs --- */

/* Stores a tariff under its id, as the version behind `replaces` (0: there is none yet), which tariff->version becomes;
 * what it was before is ignored. -EINVAL for one that cannot be billed. who: whose act it is. */
int ops_put_tariff(struct ops *ops, struct fee_tariff *tariff, uint32_t replaces, const char *who, int64_t now_ms,
		   struct ops_error *error);

/* version 0: the newest. */
int ops_get_tariff(struct ops *ops, const char *id, uint32_t version, struct fee_tariff *tariff,
		   struct ops_error *error);

/* The newest version of each, by id. `take` returns false to end early, and calls nothing of this room. */
int ops_each_tariff(struct ops *ops, bool (*take)(void *ctx, const struct fee_tariff *tariff), void *ctx,
		    struct ops_error *error);

/* What power_mw (0 to FEE_POWER_MAX_MW), flowing evenly for duration_ms (1 to OFFERS_PREVIEW_MAX_MS) from a wall time on,
 * costs by a tariff that needs not be stored. The parts of *energy add up to all of it, rounded up to a milliwatt-hour. */
int ops_preview(const struct fee_tariff *tariff, int64_t power_mw, int64_t from_ms, int64_t duration_ms,
		struct fee_energy *energy, struct fee_bill *bill, struct ops_error *error);

/* --- outlets for sale --- */

/* An outlet with the code that stands on it. */
struct place {
	char code[PLACE_CODE_SIZE]; /* 1 to 16 of A-Z 0-9 - */
	char box[BOX_ID_SIZE];
	int outlet; /* 0-based */
	char tariff[FEE_TARIFF_ID_SIZE]; /* always its newest version */
	char label[PLACE_LABEL_SIZE]; /* for people: 1 to 40 characters */
	enum fee_mode mode;
	int64_t hold_ms; /* of an order's grant */
	int64_t lease_ms; /* of an order's grant in remote mode; in local mode it means nothing */
	int64_t full_ma; /* an order until full ends once the current has been lower, ... */
	int64_t full_ms; /* ... for so long */
};

/* Puts an outlet up for sale, or changes how; all but the code may change, for new orders. -ENOENT without the box or
 * the tariff, -EEXIST when another code stands for the outlet. */
int ops_put_place(struct ops *ops, const struct place *place, struct ops_error *error);

int ops_get_place(struct ops *ops, const char *code, struct place *place, struct ops_error *error);

/* The place of a box's outlet: 1, 0 when it is not for sale, or a negative errno. */
int ops_find_place(struct ops *ops, const char *box, int outlet, struct place *place, struct ops_error *error);

/* By code, those behind `after` (empty: all). `take` returns false to end early, and calls nothing of this room. */
int ops_each_place(struct ops *ops, const char *after, bool (*take)(void *ctx, const struct place *place), void *ctx,
		   struct ops_error *error);

/* Not for sale any more; orders that run go on. */
int ops_drop_place(struct ops *ops, const char *code, struct ops_error *error);

/* --- the agreement --- */

struct agreement {
	uint32_t version; /* from 1 */
	int64_t made_ms; /* 0: it came with the program */
	char who[PEOPLE_CONTACT_SIZE];
	char en[AGREEMENT_SIZE]; /* plain text in UTF-8, its lines end with LF */
	char zh[AGREEMENT_SIZE];
};

/* As the version behind `replaces`, which *version becomes. Both texts are 1 to 20000 bytes of plain text. */
int ops_put_agreement(struct ops *ops, const char *en, const char *zh, uint32_t replaces, const char *who,
		      int64_t now_ms, uint32_t *version, struct ops_error *error);

/* version 0: the newest. There is one from the beginning. */
int ops_get_agreement(struct ops *ops, uint32_t version, struct agreement *agreement, struct ops_error *error);

/* The newest version alone: what a new order must name. */
int ops_agreement_version(struct ops *ops, uint32_t *version, struct ops_error *error);

#endif
