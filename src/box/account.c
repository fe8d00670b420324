/* src/box/account.c: the pool of credit that the open sessions of one account share on this box.
 *
 * Pure room: src/model and what lies below. */
#include <string.h>

#include "box_internal.h"
#include "price.h"

struct fee_energy account_session_energy(const struct box *box, const struct outlet *o)
{
	const struct outlet_image *image = &box->image.outlets[o->index];
	int64_t beyond = o->has_reading && strcmp(o->reading.serial, image->serial) == 0 ?
				 o->reading.register_mwh - image->register_mwh :
				 0;
	struct fee_energy energy = {{0}};
	if (!session_is_open(&image->session) || !image->session.started_once)
		return energy;
	energy = image->session.used;
	energy.mwh[image->session.rate] += beyond > 0 ? beyond : 0;
	return energy;
}

int64_t account_session_mwh(const struct box *box, const struct outlet *o)
{
	struct fee_energy energy = account_session_energy(box, o);
	return fee_energy_total(&energy);
}

int64_t account_session_cost(const struct box *box, const struct outlet *o)
{
	struct fee_energy energy = account_session_energy(box, o);
	return session_cost_micros(&box->image.outlets[o->index].session.grant, &energy);
}

/* What an outlet may use unseen before its breaker is open, in money. */
static int64_t bound_cost(const struct box *box, const struct outlet *o)
{
	const struct grant *grant = &box->image.outlets[o->index].session.grant;
	return fee_headroom_micros(&grant->tariff, account_session_mwh(box, o), supply_bound_mwh(box, o));
}

static bool shares_account(const struct box *box, const struct outlet *o, unsigned other)
{
	const struct session_image *mine = &box->image.outlets[o->index].session;
	const struct session_image *theirs = &box->image.outlets[other].session;
	return other != o->index && session_is_open(theirs) && theirs->grant.kind == SESSION_CUSTOMER &&
	       strcmp(mine->grant.account, theirs->grant.account) == 0;
}

static int64_t pool(const struct box *box, const struct outlet *o)
{
	const struct account_image *account =
		image_account(&box->image, box->image.outlets[o->index].session.grant.account);
	return account == NULL ? 0 : account->granted_micros - account->spent_micros;
}

int64_t account_available_micros(const struct box *box, const struct outlet *o)
{
	int64_t available = pool(box, o);
	int64_t kept_back = bound_cost(box, o);
	bool alone = true;
	for (unsigned i = 0; i < box->config.outlet_count; i++) {
		const struct outlet *other = &box->outlets[i];
		if (!shares_account(box, o, i))
			continue;
		available -= account_session_cost(box, other);
		if (other->state != OUTLET_SUPPLYING && other->state != OUTLET_ENDING)
			continue;
		alone = false;
		kept_back += bound_cost(box, other);
	}
	/* Alone, the bound is the operator's risk: nobody loses credit to it. Together it would add up. */
	return alone ? available : available - kept_back;
}

int64_t account_remaining_micros(const struct box *box, const struct outlet *o)
{
	int64_t remaining = pool(box, o) - account_session_cost(box, o);
	for (unsigned i = 0; i < box->config.outlet_count; i++) {
		if (shares_account(box, o, i))
			remaining -= account_session_cost(box, &box->outlets[i]);
	}
	return remaining > 0 ? remaining : 0;
}
