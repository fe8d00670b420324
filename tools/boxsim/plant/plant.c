/* tools/boxsim/plant/plant.c: see plant.h.
 *
 * Only contacts and loads are stepped through their changes. Doors, locks and clocks are computed from the moment at
 * which something was done to them, so that it cannot matter in how many steps the world came here. */
#include "plant.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define UJ_PER_MWH INT64_C(3600000)
#define UNLOCKED_MS 10000
#define BOUNCE_MS 5
#define METER_FAULTS (PLANT_METER_SILENT | PLANT_METER_ZERO | PLANT_METER_STUCK)
#define ALL_FAULTS (PLANT_WELDED | PLANT_STUCK_OPEN | PLANT_BYPASSED | METER_FAULTS)

/* A lock with its coil, and the door that it holds. */
struct gate {
	bool fitted; /* the door has a switch */
	bool open;
	int64_t rating_ms;
	int64_t coil_since_ms; /* the last stretch of the coil: on from here ... */
	int64_t coil_until_ms; /* ... to here */
	int64_t coil_longest_ms; /* of the stretches before */
	int64_t unlocked_until_ms; /* PLANT_NEVER: until the door is closed */
	int64_t bounce_since_ms;
	int64_t bounce_until_ms;
};

struct outlet {
	struct plant_breaker_config breaker;
	bool driven; /* monostable: the coil; latching: the last impulse */
	bool latched; /* latching: where the mechanism rests, or goes to */
	bool tripped;
	bool contact;
	int64_t move_at_ms; /* when the contact goes to its other place; PLANT_NEVER: it stays */
	unsigned faults;

	struct plant_load load;
	bool fed;
	int64_t fed_since_ms; /* the load's inrush and duty cycle count from here */
	int64_t power_mw;
	int64_t power_since_ms;
	int64_t power_until_ms; /* the load's next phase */

	struct plant_meter_config meter;
	int64_t energy_uj; /* at power_since_ms */
	int64_t stuck_mwh; /* what a stuck meter shows */
	int64_t stuck_mw;
};

struct plant {
	int64_t now_ms;
	int64_t next_ms;
	bool mains;
	bool alive; /* the board */
	int64_t voltage_mv;
	int64_t wall_ms;
	unsigned outlet_count;
	struct outlet outlets[PLANT_OUTLETS_MAX];
	struct gate gates[PLANT_OUTLETS_MAX + 1]; /* the metering box's first */
};

/* --- numbers: what does not fit stays at the edge, PLANT_NEVER stays never --- */

static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;
	if (__builtin_add_overflow(a, b, &sum))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

static int64_t multiply(int64_t a, int64_t b)
{
	int64_t product;
	assert(a >= 0 && b >= 0);
	return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t clamp(int64_t value, int64_t max)
{
	return larger(0, smaller(value, max));
}

/* --- who is meant --- */

static struct outlet *outlet_at(struct plant *plant, unsigned outlet)
{
	assert(outlet < plant->outlet_count);
	return &plant->outlets[outlet];
}

static const struct outlet *outlet_seen(const struct plant *plant, unsigned outlet)
{
	assert(outlet < plant->outlet_count);
	return &plant->outlets[outlet];
}

static size_t gate_index(const struct plant *plant, int outlet)
{
	assert(outlet >= PLANT_METERING_BOX && outlet < (int)plant->outlet_count);
	return (size_t)(outlet - PLANT_METERING_BOX);
}

static struct gate *gate_at(struct plant *plant, int outlet)
{
	return &plant->gates[gate_index(plant, outlet)];
}

static const struct gate *gate_seen(const struct plant *plant, int outlet)
{
	return &plant->gates[gate_index(plant, outlet)];
}

/* --- breakers --- */

static bool drawn_closed(const struct plant *plant, const struct outlet *o)
{
	if (o->tripped)
		return false;
	return o->breaker.kind == BREAKER_LATCHING ? o->latched : o->driven && plant->mains;
}

static bool held(const struct outlet *o)
{
	return o->faults & (o->contact ? PLANT_WELDED : PLANT_STUCK_OPEN);
}

/* A movement under way goes on when it is asked for again, and is called off when its reason has gone. */
static void refresh_contact(const struct plant *plant, struct outlet *o)
{
	if (drawn_closed(plant, o) == o->contact || held(o))
		o->move_at_ms = PLANT_NEVER;
	else if (o->move_at_ms == PLANT_NEVER)
		o->move_at_ms = add(plant->now_ms, o->contact ? o->breaker.open_ms : o->breaker.close_ms);
	if (o->move_at_ms <= plant->now_ms) {
		o->contact = !o->contact;
		o->move_at_ms = PLANT_NEVER;
	}
}

/* --- loads and their energy --- */

static int64_t energy_uj(const struct outlet *o, int64_t now_ms)
{
	return add(o->energy_uj, multiply(o->power_mw, now_ms - o->power_since_ms));
}

static bool duty_on(const struct plant_load *load, int64_t age_ms, int64_t *until_ms)
{
	if (!load->off_ms || !load->on_ms) {
		*until_ms = PLANT_NEVER;
		return !load->off_ms;
	}
	int64_t period_ms = add(load->on_ms, load->off_ms);
	int64_t into_ms = age_ms % period_ms;
	bool on = into_ms < load->on_ms;
	*until_ms = add(age_ms - into_ms, on ? load->on_ms : period_ms);
	return on;
}

/* The power of a load that has been energised for age_ms, and the age until which it stays so. */
static int64_t load_power_mw(const struct plant_load *load, int64_t age_ms, int64_t *until_ms)
{
	bool on = duty_on(load, age_ms, until_ms);
	int64_t power_mw = load->power_mw;
	if (load->inrush_permille != 1000 && age_ms < load->inrush_ms) {
		*until_ms = smaller(*until_ms, load->inrush_ms);
		power_mw = power_mw * load->inrush_permille / 1000;
	}
	return on ? power_mw : 0;
}

static void refresh_load(const struct plant *plant, struct outlet *o)
{
	bool fed = plant->mains && (o->contact || o->faults & PLANT_BYPASSED);
	if (fed != o->fed) {
		o->fed = fed;
		o->fed_since_ms = plant->now_ms;
		o->power_until_ms = plant->now_ms;
	}
	if (o->power_until_ms > plant->now_ms)
		return;
	int64_t power_mw = 0, until_ms = PLANT_NEVER;
	if (o->fed && o->load.power_mw)
		power_mw = load_power_mw(&o->load, plant->now_ms - o->fed_since_ms, &until_ms);
	o->energy_uj = energy_uj(o, plant->now_ms);
	o->power_since_ms = plant->now_ms;
	o->power_mw = power_mw;
	o->power_until_ms = add(o->fed_since_ms, until_ms);
}

/* --- time --- */

static int64_t gate_next(const struct gate *g, int64_t now_ms)
{
	int64_t next_ms = PLANT_NEVER;
	if (g->coil_until_ms > now_ms)
		next_ms = g->coil_until_ms;
	if (g->unlocked_until_ms > now_ms)
		next_ms = smaller(next_ms, g->unlocked_until_ms);
	if (g->bounce_until_ms > now_ms) {
		int64_t whole_ms = (now_ms - g->bounce_since_ms) / BOUNCE_MS * BOUNCE_MS;
		int64_t toggle_ms = add(g->bounce_since_ms + whole_ms, BOUNCE_MS);
		next_ms = smaller(next_ms, smaller(toggle_ms, g->bounce_until_ms));
	}
	return next_ms;
}

/* Draws every consequence of what has just changed. Afterwards next_ms lies in the future. */
static void refresh(struct plant *plant)
{
	plant->next_ms = gate_next(&plant->gates[0], plant->now_ms);
	for (unsigned i = 0; i < plant->outlet_count; i++) {
		struct outlet *o = &plant->outlets[i];
		refresh_contact(plant, o);
		refresh_load(plant, o);
		plant->next_ms = smaller(plant->next_ms, smaller(o->move_at_ms, o->power_until_ms));
		plant->next_ms = smaller(plant->next_ms, gate_next(&plant->gates[i + 1], plant->now_ms));
	}
}

void plant_advance(struct plant *plant, int64_t now_ms)
{
	now_ms = smaller(now_ms, PLANT_NEVER - 1); /* else what never happens would be due */
	while (plant->next_ms <= now_ms) {
		plant->now_ms = plant->next_ms;
		refresh(plant);
	}
	plant->now_ms = larger(plant->now_ms, now_ms);
}

int64_t plant_next_change(const struct plant *plant)
{
	return plant->next_ms;
}

/* --- making --- */

static bool meter_fits(const struct plant_meter_config *meter)
{
	return meter->step_mwh >= 1 && meter->initial_mwh >= 0 && meter->initial_mwh <= INT64_MAX / UJ_PER_MWH &&
	       meter->standby_ma >= 0 && meter->standby_ma <= PLANT_CURRENT_MAX_MA &&
	       memchr(meter->serial, '\0', sizeof(meter->serial));
}

static bool outlet_fits(const struct plant_outlet_config *outlet)
{
	const struct plant_breaker_config *breaker = &outlet->breaker;
	return meter_fits(&outlet->meter) &&
	       (breaker->kind == BREAKER_MONOSTABLE || breaker->kind == BREAKER_LATCHING) && breaker->close_ms >= 0 &&
	       breaker->open_ms >= 0 && outlet->lock_rating_ms >= 0;
}

static bool config_fits(const struct plant_config *config)
{
	if (config->outlet_count < 1 || config->outlet_count > PLANT_OUTLETS_MAX)
		return false;
	for (unsigned i = 0; i < config->outlet_count; i++)
		if (!outlet_fits(&config->outlets[i]))
			return false;
	return config->lock_rating_ms >= 0 && config->voltage_mv >= 1 && config->voltage_mv <= PLANT_VOLTAGE_MAX_MV;
}

static void fit_meter(struct outlet *o, const struct plant_meter_config *meter, int64_t now_ms)
{
	o->meter = *meter;
	o->energy_uj = meter->initial_mwh * UJ_PER_MWH;
	o->power_since_ms = now_ms;
}

static void outlet_init(struct outlet *o, const struct plant_outlet_config *config)
{
	*o = (struct outlet){
		.breaker = config->breaker,
		.move_at_ms = PLANT_NEVER,
		.power_until_ms = PLANT_NEVER,
	};
	fit_meter(o, &config->meter, 0);
}

struct plant *plant_new(const struct plant_config *config)
{
	struct plant *plant = config_fits(config) ? calloc(1, sizeof(*plant)) : NULL;
	if (!plant)
		return NULL;
	plant->mains = true;
	plant->alive = true;
	plant->voltage_mv = config->voltage_mv;
	plant->wall_ms = config->wall_ms;
	plant->outlet_count = config->outlet_count;
	plant->gates[0] = (struct gate){.fitted = config->metering_door_fitted, .rating_ms = config->lock_rating_ms};
	for (unsigned i = 0; i < config->outlet_count; i++) {
		const struct plant_outlet_config *outlet = &config->outlets[i];
		outlet_init(&plant->outlets[i], outlet);
		plant->gates[i + 1] =
			(struct gate){.fitted = outlet->user_door_fitted, .rating_ms = outlet->lock_rating_ms};
	}
	refresh(plant);
	return plant;
}

void plant_free(struct plant *plant)
{
	free(plant);
}

/* --- what the controller does --- */

void plant_drive_breaker(struct plant *plant, unsigned outlet, bool close)
{
	struct outlet *o = outlet_at(plant, outlet);
	if (!plant->alive)
		return;
	o->driven = close;
	/* The under-voltage release and a protective device hold the mechanism open: an impulse is lost on it. */
	o->latched = close && plant->mains && !o->tripped;
	refresh(plant);
}

static int64_t coil_longest_ms(const struct gate *g, int64_t now_ms)
{
	return larger(g->coil_longest_ms, smaller(now_ms, g->coil_until_ms) - g->coil_since_ms);
}

static bool burnt(const struct gate *g, int64_t now_ms)
{
	return g->rating_ms && coil_longest_ms(g, now_ms) > g->rating_ms;
}

void plant_pulse_lock(struct plant *plant, int outlet, int64_t ms)
{
	struct gate *g = gate_at(plant, outlet);
	if (!plant->alive || ms <= 0)
		return;
	g->coil_longest_ms = coil_longest_ms(g, plant->now_ms);
	/* A pulse that begins in another, or at its very end, leaves the coil no break. */
	if (plant->now_ms > g->coil_until_ms)
		g->coil_since_ms = plant->now_ms;
	g->coil_until_ms = larger(g->coil_until_ms, add(plant->now_ms, ms));
	if (!burnt(g, plant->now_ms))
		g->unlocked_until_ms = g->fitted && g->open ? PLANT_NEVER : add(plant->now_ms, UNLOCKED_MS);
	refresh(plant);
}

/* --- what the world does --- */

static bool unlocked(const struct gate *g, int64_t now_ms)
{
	return now_ms < g->unlocked_until_ms;
}

bool plant_open_door(struct plant *plant, int outlet, bool force)
{
	struct gate *g = gate_at(plant, outlet);
	if (g->open)
		return true;
	bool free_to_open = unlocked(g, plant->now_ms);
	if (!free_to_open && !force)
		return false;
	g->open = true;
	if (g->fitted && free_to_open)
		g->unlocked_until_ms = PLANT_NEVER;
	refresh(plant);
	return true;
}

void plant_close_door(struct plant *plant, int outlet)
{
	struct gate *g = gate_at(plant, outlet);
	if (g->open && g->fitted)
		g->unlocked_until_ms = plant->now_ms;
	g->open = false;
	refresh(plant);
}

void plant_plug(struct plant *plant, unsigned outlet, const struct plant_load *load)
{
	struct outlet *o = outlet_at(plant, outlet);
	o->load = (struct plant_load){
		.power_mw = clamp(load->power_mw, PLANT_POWER_MAX_MW),
		.inrush_permille = clamp(load->inrush_permille, PLANT_INRUSH_MAX_PERMILLE),
		.inrush_ms = clamp(load->inrush_ms, INT64_MAX),
		.on_ms = clamp(load->on_ms, INT64_MAX),
		.off_ms = clamp(load->off_ms, INT64_MAX),
	};
	o->fed_since_ms = plant->now_ms;
	o->power_until_ms = plant->now_ms;
	refresh(plant);
}

void plant_set_fault(struct plant *plant, unsigned outlet, unsigned fault, bool present)
{
	struct outlet *o = outlet_at(plant, outlet);
	unsigned before = o->faults;
	o->faults = present ? before | (fault & ALL_FAULTS) : before & ~fault;
	if (o->faults & ~before & PLANT_METER_STUCK) {
		o->stuck_mwh = energy_uj(o, plant->now_ms) / UJ_PER_MWH;
		o->stuck_mw = o->power_mw;
	}
	refresh(plant);
}

void plant_trip(struct plant *plant, unsigned outlet)
{
	struct outlet *o = outlet_at(plant, outlet);
	o->tripped = true;
	o->latched = false;
	refresh(plant);
}

void plant_reset_trip(struct plant *plant, unsigned outlet)
{
	outlet_at(plant, outlet)->tripped = false;
	refresh(plant);
}

void plant_replace_meter(struct plant *plant, unsigned outlet, const struct plant_meter_config *meter)
{
	struct outlet *o = outlet_at(plant, outlet);
	if (!meter_fits(meter))
		return;
	fit_meter(o, meter, plant->now_ms);
	o->faults &= ~(unsigned)METER_FAULTS;
}

void plant_tick_bounce(struct plant *plant, int outlet, int64_t for_ms)
{
	struct gate *g = gate_at(plant, outlet);
	if (!g->fitted)
		return;
	g->bounce_since_ms = plant->now_ms;
	g->bounce_until_ms = add(plant->now_ms, larger(for_ms, 0));
	refresh(plant);
}

void plant_set_mains(struct plant *plant, bool on)
{
	plant->mains = on;
	if (!on)
		for (unsigned i = 0; i < plant->outlet_count; i++)
			plant->outlets[i].latched = false;
	refresh(plant);
}

void plant_set_board(struct plant *plant, bool alive)
{
	plant->alive = alive;
	for (unsigned i = 0; i < plant->outlet_count; i++)
		if (!alive && plant->outlets[i].breaker.kind == BREAKER_MONOSTABLE)
			plant->outlets[i].driven = false;
	refresh(plant);
}

/* --- what can be seen --- */

bool plant_contact(const struct plant *plant, unsigned outlet)
{
	return outlet_seen(plant, outlet)->contact;
}

bool plant_door(const struct plant *plant, int outlet)
{
	const struct gate *g = gate_seen(plant, outlet);
	if (!g->fitted)
		return true;
	bool flipped = plant->now_ms < g->bounce_until_ms && (plant->now_ms - g->bounce_since_ms) / BOUNCE_MS % 2 == 0;
	return flipped == g->open;
}

bool plant_mains(const struct plant *plant)
{
	return plant->mains;
}

static int64_t shown_mwh(const struct outlet *o, int64_t now_ms)
{
	if (o->faults & PLANT_METER_ZERO)
		return 0;
	int64_t true_mwh = o->faults & PLANT_METER_STUCK ? o->stuck_mwh : energy_uj(o, now_ms) / UJ_PER_MWH;
	return true_mwh / o->meter.step_mwh * o->meter.step_mwh;
}

bool plant_read_meter(const struct plant *plant, unsigned outlet, struct meter_reading *reading)
{
	const struct outlet *o = outlet_seen(plant, outlet);
	if (!plant->mains || o->faults & PLANT_METER_SILENT)
		return false;
	int64_t power_mw = o->faults & PLANT_METER_STUCK ? o->stuck_mw : o->power_mw;
	int64_t clock_ms = add(add(plant->wall_ms, plant->now_ms), o->meter.clock_offset_ms);
	*reading = (struct meter_reading){
		.mono_ms = plant->now_ms,
		.register_mwh = shown_mwh(o, plant->now_ms),
		.power_mw = power_mw,
		.current_ma = (power_mw * 1000 + plant->voltage_mv / 2) / plant->voltage_mv + o->meter.standby_ma,
		.clock_ms = o->meter.has_clock ? clock_ms : 0,
	};
	memcpy(reading->serial, o->meter.serial, sizeof(reading->serial));
	return true;
}

/* --- the truth --- */

bool plant_driven(const struct plant *plant, unsigned outlet)
{
	return outlet_seen(plant, outlet)->driven;
}

bool plant_energised(const struct plant *plant, unsigned outlet)
{
	return outlet_seen(plant, outlet)->fed;
}

bool plant_unlocked(const struct plant *plant, int outlet)
{
	return unlocked(gate_seen(plant, outlet), plant->now_ms);
}

int64_t plant_true_uj(const struct plant *plant, unsigned outlet)
{
	return energy_uj(outlet_seen(plant, outlet), plant->now_ms);
}

int64_t plant_power_mw(const struct plant *plant, unsigned outlet)
{
	return outlet_seen(plant, outlet)->power_mw;
}

int64_t plant_longest_coil_ms(const struct plant *plant, int outlet)
{
	return coil_longest_ms(gate_seen(plant, outlet), plant->now_ms);
}
