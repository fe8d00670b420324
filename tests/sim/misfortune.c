/* tests/sim/misfortune.c: what goes wrong, when, and for how long. */
#include <stdio.h>
#include <string.h>

#include "world_internal.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS INT64_C(60000)

/* What mends by itself; the happening's number. */
enum mending {
	MEND_LINK,
	MEND_METER,
	MEND_DOOR,
	MEND_METERING_DOOR,
	MEND_DISK,
};

static unsigned any_outlet(struct world *w)
{
	return (unsigned)chance_between(&w->chance, 0, w->box_config.outlet_count - 1);
}

static void mend_in(struct world *w, enum mending what, unsigned outlet, int64_t in_ms)
{
	struct happening *h = world_plan(w, HAPPENS_MEND, in_ms);
	h->number = (int)what;
	h->value = outlet;
}

static void power(struct world *w)
{
	if (!w->mains)
		return;
	/* Half of the cuts hit the disk in the middle of something. */
	if (chance_happens(&w->chance, 500))
		cutvfs_cut_at(w->disk,
			      cutvfs_operations(w->disk) + (uint64_t)chance_between(&w->chance, 1, 40),
			      (enum cut_damage)chance_between(&w->chance, 0, CUT_DAMAGE_COUNT - 1));
	else
		board_power_off(w, chance_between(&w->chance, 2000, 20 * MINUTE_MS));
}

static void link_down(struct world *w)
{
	w->link_up = false;
	mend_in(w, MEND_LINK, 0, chance_between(&w->chance, 5 * SECOND_MS, 60 * MINUTE_MS));
}

static void meter(struct world *w)
{
	unsigned outlet = any_outlet(w);
	static unsigned const kinds[] = {PLANT_METER_SILENT, PLANT_METER_SILENT, PLANT_METER_ZERO};
	checker_cause_begins(&w->checker, (int)outlet, CAUSE_METER);
	if (chance_happens(&w->chance, 50)) {
		struct plant_meter_config other = w->plant_config.outlets[outlet].meter;
		snprintf(other.serial,
			 sizeof other.serial,
			 "%012lld",
			 (long long)chance_between(&w->chance, 1, 999999999999));
		other.initial_mwh = chance_between(&w->chance, 0, 50000000);
		plant_replace_meter(w->plant, outlet, &other);
		mend_in(w, MEND_METER, outlet, 5 * MINUTE_MS); /* by then the box has taken it for its own */
		return;
	}
	plant_set_fault(w->plant, outlet, kinds[chance_between(&w->chance, 0, 2)], true);
	mend_in(w, MEND_METER, outlet, chance_between(&w->chance, SECOND_MS, 5 * MINUTE_MS));
}

static void breaker(struct world *w)
{
	unsigned outlet = any_outlet(w);
	checker_cause_begins(&w->checker, (int)outlet, CAUSE_BREAKER);
	switch (chance_between(&w->chance, 0, 3)) {
	case 0:
		plant_set_fault(w->plant, outlet, PLANT_WELDED, true);
		break;
	case 1:
		plant_set_fault(w->plant, outlet, PLANT_STUCK_OPEN, true);
		break;
	case 2:
		plant_set_fault(w->plant, outlet, PLANT_BYPASSED, true);
		break;
	default:
		plant_trip(w->plant, outlet);
		break;
	}
	/* Somebody notices sooner or later, whether the box did or not. */
	world_plan(w, HAPPENS_TECHNICIAN, 60 * MINUTE_MS)->number = (int)outlet;
	w->technician_called[outlet] = true;
}

static void door(struct world *w)
{
	unsigned outlet = any_outlet(w);
	if (chance_happens(&w->chance, 100)) {
		checker_cause_begins(&w->checker, RECORD_NO_OUTLET, CAUSE_TAMPER | CAUSE_DOOR);
		plant_open_door(w->plant, PLANT_METERING_BOX, true);
		mend_in(w, MEND_METERING_DOOR, 0, chance_between(&w->chance, SECOND_MS, 10 * MINUTE_MS));
	} else {
		checker_cause_begins(&w->checker, (int)outlet, CAUSE_DOOR);
		if (chance_happens(&w->chance, 300))
			plant_tick_bounce(w->plant, (int)outlet, chance_between(&w->chance, 5, 200));
		else
			plant_open_door(w->plant, (int)outlet, true);
		mend_in(w, MEND_DOOR, outlet, chance_between(&w->chance, SECOND_MS, 2 * MINUTE_MS));
	}
}

static void disk(struct world *w)
{
	checker_cause_begins(&w->checker, RECORD_NO_OUTLET, CAUSE_DISK);
	switch (chance_between(&w->chance, 0, 2)) {
	case 0:
		w->disk_slow = true;
		break;
	case 1:
		cutvfs_set_full(w->disk, true);
		break;
	default:
		cutvfs_fail_from(w->disk, cutvfs_operations(w->disk) + 1);
		break;
	}
	mend_in(w, MEND_DISK, 0, chance_between(&w->chance, SECOND_MS, 5 * MINUTE_MS));
}

/* Bits turn while the box is off; the next boot must notice or not care. */
static void rot(struct world *w)
{
	if (!w->mains)
		return;
	board_power_off(w, chance_between(&w->chance, 2000, 5 * MINUTE_MS));
	cutvfs_restore(w->disk);
	int64_t size = cutvfs_size(w->disk, "ledger.db");
	if (size > 0)
		w->rot_struck |= cutvfs_flip(w->disk,
					     "ledger.db",
					     (uint64_t)chance_between(&w->chance, 0, size - 1),
					     (unsigned char)chance_between(&w->chance, 1, 255));
}

static void plan_next(struct world *w)
{
	world_plan(w, HAPPENS_MISFORTUNE, chance_between(&w->chance, 10 * SECOND_MS, 60 * MINUTE_MS));
}

void misfortune_begin(struct world *w)
{
	if (!w->options.scripted && w->options.faults != 0)
		plan_next(w);
}

static void misfortune_strikes(struct world *w)
{
	static void (*const strikes[WORLD_FAULT_COUNT])(struct world *) = {
		power,
		board_crash,
		link_down,
		meter,
		breaker,
		door,
		disk,
		rot,
	};
	unsigned kind = (unsigned)chance_between(&w->chance, 0, WORLD_FAULT_COUNT - 1);
	if (!world_is_busy(w))
		return;
	plan_next(w);
	bool dead = !w->alive && (kind == 0 || kind == 1 || kind == 7);
	if (!(w->options.faults & (1u << kind)) || dead)
		return;
	world_trace(w, "misfortune: %s", world_fault_name(kind));
	strikes[kind](w);
}

static void mend(struct world *w, enum mending what, unsigned outlet)
{
	switch (what) {
	case MEND_LINK:
		w->link_up = true;
		break;
	case MEND_METER:
		plant_set_fault(w->plant, outlet, PLANT_METER_SILENT | PLANT_METER_ZERO, false);
		checker_cause_ends(&w->checker, (int)outlet, CAUSE_METER);
		break;
	case MEND_DOOR:
		plant_close_door(w->plant, (int)outlet);
		checker_cause_ends(&w->checker, (int)outlet, CAUSE_DOOR);
		break;
	case MEND_METERING_DOOR:
		plant_close_door(w->plant, PLANT_METERING_BOX);
		checker_cause_ends(&w->checker, RECORD_NO_OUTLET, CAUSE_TAMPER | CAUSE_DOOR);
		break;
	case MEND_DISK:
		w->disk_slow = false;
		cutvfs_set_full(w->disk, false);
		cutvfs_fail_from(w->disk, 0);
		checker_cause_ends(&w->checker, RECORD_NO_OUTLET, CAUSE_DISK);
		break;
	}
}

void misfortune_happens(struct world *w, const struct happening *h)
{
	if (h->type == HAPPENS_MISFORTUNE)
		misfortune_strikes(w);
	else
		mend(w, (enum mending)h->number, (unsigned)h->value);
}

void misfortune_ceases(struct world *w)
{
	if (w->options.scripted)
		return; /* nothing goes wrong but the one cut that was asked for */
	mend(w, MEND_LINK, 0);
	mend(w, MEND_METERING_DOOR, 0);
	mend(w, MEND_DISK, 0);
	cutvfs_cut_at(w->disk, 0, CUT_LOST);
	for (unsigned i = 0; i < w->box_config.outlet_count; i++) {
		mend(w, MEND_METER, i);
		mend(w, MEND_DOOR, i);
	}
}
