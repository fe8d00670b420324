/* tools/ops/core/offers.c: see offers.h.
 *
 * Room: tools/ops/core, feecontrol, src/wire. */
#include "offers.h"

#include <errno.h>
#include <string.h>

#include "agreement_texts.h"
#include "ops_internal.h"
#include "predict.h"
#include "store_offers.h"
#include "utf8.h"

/* --- tariffs --- */

/* Within what a box takes: what is checked of a grant's tariff. NULL, or what is wrong. */
static const char *tariff_fault(const struct fee_tariff *tariff)
{
	const struct grant grant = {.order = "-", .account = "-", .tariff = *tariff};
	return grant_fault(&grant);
}

/* Inside the caller's transaction; tariff->version is the new one. */
static int add_version(struct ops *ops, const struct fee_tariff *tariff, uint32_t replaces, const char *who,
		       int64_t now_ms, struct ops_error *error)
{
	struct fee_tariff newest = {.version = 0};
	int64_t count = 0;
	int found = store_get_tariff(ops->store, tariff->id, 0, &newest, error);
	if (found < 0)
		return found;
	if (found > 0 && ops_same_tariff(&newest, tariff))
		return 0; /* the same call, again */
	if (newest.version != replaces)
		return ops_fail(error,
				-EEXIST,
				"tariff %s is at version %u (0: there is none), not %u: look at that one first",
				tariff->id,
				newest.version,
				replaces);
	int result = found > 0 ? 0 : store_count_tariffs(ops->store, &count, error);
	if (result == 0 && count >= OFFERS_TARIFFS_MAX)
		result = ops_fail(error,
				  -EAGAIN,
				  "there are %d tariffs, which is all there may be: change one of them",
				  OFFERS_TARIFFS_MAX);
	return result < 0 ? result : store_add_tariff(ops->store, tariff, now_ms, who, error);
}

int ops_put_tariff(struct ops *ops, struct fee_tariff *tariff, uint32_t replaces, const char *who, int64_t now_ms,
		   struct ops_error *error)
{
	struct fee_tariff made = *tariff;
	const char *fault = tariff_fault(&made);
	if (fault != NULL)
		return ops_fail(error, -EINVAL, "%s", fault);
	if (replaces == UINT32_MAX)
		return ops_fail(error, -EINVAL, "replaces must be 0 to %u", UINT32_MAX - 1);
	made.version = replaces + 1;
	int result = store_begin(ops->store, error);
	if (result < 0)
		return result;
	result = ops_finish(ops, add_version(ops, &made, replaces, who, now_ms, error), error);
	if (result == 0)
		*tariff = made;
	return result;
}

int ops_get_tariff(struct ops *ops, const char *id, uint32_t version, struct fee_tariff *tariff,
		   struct ops_error *error)
{
	int found = store_get_tariff(ops->store, id, version, tariff, error);
	if (found == 0 && version == 0)
		return ops_fail(error, -ENOENT, "no tariff %.32s", id);
	if (found == 0)
		return ops_fail(error, -ENOENT, "no version %u of tariff %.32s", version, id);
	return found < 0 ? found : 0;
}

int ops_each_tariff(struct ops *ops, bool (*take)(void *ctx, const struct fee_tariff *tariff), void *ctx,
		    struct ops_error *error)
{
	return store_each_tariff(ops->store, take, ctx, error);
}

int ops_preview(const struct fee_tariff *tariff, int64_t power_mw, int64_t from_ms, int64_t duration_ms,
		struct fee_energy *energy, struct fee_bill *bill, struct ops_error *error)
{
	const char *fault = tariff_fault(tariff);
	if (fault != NULL)
		return ops_fail(error, -EINVAL, "%s", fault);
	if (power_mw < 0 || power_mw > FEE_POWER_MAX_MW || from_ms < 0 || from_ms > OPS_TIME_MAX_MS ||
	    duration_ms < 1 || duration_ms > OFFERS_PREVIEW_MAX_MS)
		return ops_fail(
			error, -EINVAL, "power_mw must be 0 to 10^9, from 1970 to 9999, duration_ms 1 to 366 days");
	*energy = (struct fee_energy){0};
	/* Each part is the difference of two totals, so that the parts lose nothing between them. */
	int64_t used_mwh = 0;
	for (int64_t past_ms = 0; past_ms < duration_ms;) {
		uint32_t rate = fee_rate_at(tariff, from_ms + past_ms);
		int64_t change_ms = fee_next_change_ms(tariff, from_ms + past_ms);
		past_ms = change_ms >= from_ms + duration_ms ? duration_ms : change_ms - from_ms;
		int64_t total_mwh = fee_energy_mwh(power_mw, past_ms);
		energy->mwh[rate] += total_mwh - used_mwh;
		used_mwh = total_mwh;
	}
	if (fee_price(tariff, energy, bill))
		return 0;
	return ops_fail(error, -EINVAL, "the bill would be above 10^15 micros");
}

/* --- texts --- */

/* Counts the characters of a plain text in UTF-8: -1 when it is none. lines: it may have more than one. */
static int count_characters(const char *text, bool lines)
{
	int count = 0;
	for (size_t left = strlen(text); left > 0; count++) {
		const unsigned char *c = (const unsigned char *)text;
		size_t size = utf8_character(text, left);
		bool control = *c == 0x7f || (*c < ' ' && !(lines && *c == '\n')) || (*c == 0xc2 && c[1] < 0xa0);
		if (size == 0 || control)
			return -1;
		text += size;
		left -= size;
	}
	return count;
}

/* --- outlets for sale --- */

static bool code_is_valid(const char *code)
{
	size_t length = strnlen(code, PLACE_CODE_SIZE);
	return length > 0 && length < PLACE_CODE_SIZE &&
	       strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == length;
}

static bool time_fits(int64_t ms)
{
	return ms >= PLACE_TIME_LEAST_MS && ms <= PLACE_TIME_MAX_MS;
}

/* NULL, or what is wrong. */
static const char *place_fault(const struct place *p)
{
	int characters = count_characters(p->label, false);
	if (!code_is_valid(p->code))
		return "an outlet's code must be 1 to 16 of the characters A-Z 0-9 -";
	if (p->outlet < 0 || p->outlet >= OUTLETS_MAX)
		return "outlet must be 1 to 16";
	if (characters < 1 || characters > PLACE_LABEL_CHARACTERS)
		return "label must be 1 to 40 characters of plain text";
	if ((unsigned)p->mode >= FEE_MODE_COUNT)
		return "mode must be local or remote";
	if (!time_fits(p->hold_ms) || !time_fits(p->lease_ms) || !time_fits(p->full_ms))
		return "hold_ms, lease_ms and full_ms must be 1000 to 86400000, a second to a day";
	if (p->full_ma < 1 || p->full_ma > PLACE_FULL_MA_MAX)
		return "full_ma must be 1 to 1000000";
	return NULL;
}

/* Inside the caller's transaction. */
static int put_place(struct ops *ops, const struct place *place, struct ops_error *error)
{
	struct box_row box;
	struct fee_tariff tariff;
	struct place other;
	int result = ops_need_box(ops, place->box, &box, error);
	if (result < 0 || (result = ops_get_tariff(ops, place->tariff, 0, &tariff, error)) < 0)
		return result;
	int found = store_find_place(ops->store, place->box, place->outlet, &other, error);
	if (found < 0)
		return found;
	if (found > 0 && strcmp(other.code, place->code) != 0)
		return ops_fail(error,
				-EEXIST,
				"outlet %d of box %s is for sale under code %s: take that one away first",
				place->outlet + 1,
				place->box,
				other.code);
	return store_put_place(ops->store, place, error);
}

int ops_put_place(struct ops *ops, const struct place *place, struct ops_error *error)
{
	const char *fault = place_fault(place);
	if (fault != NULL)
		return ops_fail(error, -EINVAL, "%s", fault);
	int result = store_begin(ops->store, error);
	return result < 0 ? result : ops_finish(ops, put_place(ops, place, error), error);
}

int ops_get_place(struct ops *ops, const char *code, struct place *place, struct ops_error *error)
{
	/* What cannot be a code is none that is for sale. */
	int found = code_is_valid(code) ? store_get_place(ops->store, code, place, error) : 0;
	if (found == 0)
		return ops_fail(error, -ENOENT, "no outlet is for sale under this code");
	return found < 0 ? found : 0;
}

int ops_find_place(struct ops *ops, const char *box, int outlet, struct place *place, struct ops_error *error)
{
	return store_find_place(ops->store, box, outlet, place, error);
}

int ops_each_place(struct ops *ops, const char *after, bool (*take)(void *ctx, const struct place *place), void *ctx,
		   struct ops_error *error)
{
	return store_each_place(ops->store, after, take, ctx, error);
}

int ops_drop_place(struct ops *ops, const char *code, struct ops_error *error)
{
	struct place place;
	int result = store_begin(ops->store, error);
	if (result < 0)
		return result;
	result = ops_get_place(ops, code, &place, error);
	if (result == 0)
		result = store_drop_place(ops->store, code, error);
	return ops_finish(ops, result, error);
}

/* --- the agreement --- */

static int check_text(const char *text, const char *what, struct ops_error *error)
{
	if (text != NULL && strnlen(text, AGREEMENT_SIZE) < AGREEMENT_SIZE && count_characters(text, true) > 0)
		return 0;
	return ops_fail(error,
			-EINVAL,
			"%s must be 1 to %d bytes of plain text in UTF-8, without control characters but line feeds",
			what,
			AGREEMENT_SIZE - 1);
}

/* Inside the caller's transaction. */
static int add_agreement(struct ops *ops, const struct agreement *agreement, struct ops_error *error)
{
	struct agreement newest = {.version = 0};
	uint32_t version;
	int found = store_newest_agreement(ops->store, &version, error);
	if (found > 0)
		found = store_get_agreement(ops->store, version, &newest, error);
	if (found < 0)
		return found;
	if (newest.version == agreement->version && strcmp(newest.en, agreement->en) == 0 &&
	    strcmp(newest.zh, agreement->zh) == 0)
		return 0; /* the same call, again */
	if (newest.version + 1 != agreement->version)
		return ops_fail(error,
				-EEXIST,
				"the agreement is at version %u, not %u: look at that one first",
				newest.version,
				agreement->version - 1);
	return store_add_agreement(ops->store, agreement, error);
}

int ops_put_agreement(struct ops *ops, const char *en, const char *zh, uint32_t replaces, const char *who,
		      int64_t now_ms, uint32_t *version, struct ops_error *error)
{
	struct agreement agreement = {.version = replaces + 1, .made_ms = now_ms};
	int result = check_text(en, "en", error);
	if (result < 0 || (result = check_text(zh, "zh", error)) < 0)
		return result;
	if (replaces == UINT32_MAX)
		return ops_fail(error, -EINVAL, "replaces must be 0 to %u", UINT32_MAX - 1);
	word_copy(agreement.who, sizeof agreement.who, who);
	word_copy(agreement.en, sizeof agreement.en, en);
	word_copy(agreement.zh, sizeof agreement.zh, zh);
	if ((result = store_begin(ops->store, error)) < 0)
		return result;
	result = ops_finish(ops, add_agreement(ops, &agreement, error), error);
	if (result == 0)
		*version = agreement.version;
	return result;
}

int ops_get_agreement(struct ops *ops, uint32_t version, struct agreement *agreement, struct ops_error *error)
{
	int result = version != 0 ? 0 : ops_agreement_version(ops, &version, error);
	int found = result < 0 ? result : store_get_agreement(ops->store, version, agreement, error);
	if (found == 0)
		return ops_fail(error, -ENOENT, "no version %u of the agreement", version);
	return found < 0 ? found : 0;
}

int ops_agreement_version(struct ops *ops, uint32_t *version, struct ops_error *error)
{
	int found = store_newest_agreement(ops->store, version, error);
	if (found == 0)
		return ops_fail(error, -EBADMSG, "store: no agreement"); /* opening it made one */
	return found < 0 ? found : 0;
}

int ops_begin_agreement(struct ops *ops, struct ops_error *error)
{
	uint32_t version;
	int found = store_newest_agreement(ops->store, &version, error);
	if (found != 0)
		return found < 0 ? found : 0;
	return ops_put_agreement(ops, built_in_en, built_in_zh, 0, "meterbox-ops", 0, &version, error);
}
