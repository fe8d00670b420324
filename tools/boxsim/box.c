/* tools/boxsim/box.c: see boxsim_box.h.
 *
 * Room: boxsim; plant, hal/core, libmodbus. */
#include "boxsim_box.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLOSE_MS 30
#define OPEN_MS 20
#define ENERGISED_WAKE_MS 100 /* the state file is never older while energy flows */
#define BOARD_LINES_MAX 64 /* before others have their turn */
#define MS_PER_S 1000
#define NS_PER_MS 1000000

static int64_t clock_read_ms(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
}

int64_t box_clock_ms(const struct box *box)
{
	return clock_read_ms(CLOCK_MONOTONIC) - box->start_mono_ms;
}

int64_t box_mono_ms(const struct box *box)
{
	return box->start_mono_ms + box->now_ms;
}

int64_t box_true_uj(const struct box *box, unsigned outlet)
{
	return plant_true_uj(box->plant, outlet) + box->outlets[outlet].carry_uj;
}

static int64_t true_register_mwh(const struct box *box, unsigned outlet)
{
	int64_t step_mwh = box->outlets[outlet].step_mwh;
	return plant_true_uj(box->plant, outlet) / UJ_PER_MWH / step_mwh * step_mwh;
}

/* --- building --- */

/* Says what failed, at which path ("": none); returns rc. */
static int failed(int rc, const char *what, const char *path)
{
	const char *reason = strerror(-rc);
	if (rc == -EBUSY)
		reason = "another boxsim is using it";
	else if (rc == -EEXIST)
		reason = "something is there that no boxsim left behind; remove it or choose another path";
	else if (rc == -EPROTO)
		reason = "it is no state file of a boxsim; it is left as it is";
	fprintf(stderr, "boxsim: %s%s%s: %s\n", what, *path ? " " : "", path, reason);
	return rc;
}

/* A meter goes on with what the state file knows of it, else it begins as the options say. */
static void config_outlet(struct box *box, unsigned outlet, struct plant_outlet_config *config)
{
	const struct meter_spec *spec = &box->options->meters[outlet];
	struct outlet_truth *o = &box->outlets[outlet];
	int64_t uj = spec->register_mwh * UJ_PER_MWH;
	memcpy(o->serial, spec->serial, sizeof(o->serial));
	if (!state_read(&box->state, outlet, o->serial, &uj))
		state_set_meter(&box->state, outlet, o->serial, uj);
	o->carry_uj = uj % UJ_PER_MWH;
	o->step_mwh = spec->step_mwh;
	config->meter = (struct plant_meter_config){
		.step_mwh = spec->step_mwh,
		.initial_mwh = uj / UJ_PER_MWH,
		.has_clock = spec->kind == METER_KIND_DLT645,
	};
	memcpy(config->meter.serial, o->serial, sizeof(config->meter.serial));
	config->breaker = (struct plant_breaker_config){
		.kind = box->options->latching ? BREAKER_LATCHING : BREAKER_MONOSTABLE,
		.close_ms = CLOSE_MS,
		.open_ms = OPEN_MS,
	};
	config->user_door_fitted = !box->options->no_door;
	config->lock_rating_ms = box->options->lock_rating_ms;
}

static int start_plant(struct box *box)
{
	struct plant_config config = {
		.outlet_count = box->options->outlet_count,
		.metering_door_fitted = true,
		.lock_rating_ms = box->options->lock_rating_ms,
		.voltage_mv = METER_VOLTAGE_MV,
		.wall_ms = clock_read_ms(CLOCK_REALTIME),
	};
	for (unsigned i = 0; i < config.outlet_count; i++)
		config_outlet(box, i, &config.outlets[i]);
	box->plant = plant_new(&config);
	if (!box->plant)
		return failed(-ENOMEM, "the box", "");
	plant_set_board(box->plant, false);
	box->start_mono_ms = clock_read_ms(CLOCK_MONOTONIC);
	box->mains = true;
	box->box_door = plant_door(box->plant, PLANT_METERING_BOX);
	for (unsigned i = 0; i < config.outlet_count; i++) {
		box->outlets[i].door = plant_door(box->plant, (int)i);
		box->outlets[i].register_mwh = true_register_mwh(box, i);
	}
	return 0;
}

static int start_meters(struct box *box)
{
	int rc = 0;
	for (unsigned i = 0; rc == 0 && i < box->options->outlet_count; i++)
		rc = meter_start(&box->meters[i], &box->options->meters[i], box->plant, i);
	return rc < 0 ? failed(rc, "the meters", "") : 0;
}

static int start_lines(struct box *box)
{
	int rc = 0;
	for (unsigned i = 0; rc == 0 && i < box->options->bus_count; i++) {
		rc = line_start(
			&box->lines[i], box->options->buses[i], i, box->meters, box->options->outlet_count, box->plant);
		if (rc < 0)
			return failed(rc, "line", box->options->buses[i]);
		box->lines[i].log = box->options->log_bus ? &box->log : NULL;
		box->lines[i].mono_offset_ms = box->start_mono_ms;
	}
	return rc;
}

int box_start(struct box *box, const struct options *options)
{
	*box = (struct box){.options = options, .log.fd = -1, .state.fd = -1, .pins = {.listener = -1, .board = -1}};
	for (unsigned i = 0; i < BOXSIM_BUSES_MAX; i++)
		box->lines[i].terminal = -1;
	int rc = state_open(&box->state, options->state);
	if (rc < 0)
		return failed(rc, "state file", options->state);
	rc = event_log_open(&box->log, options->log);
	if (rc < 0)
		return failed(rc, "log", options->log);
	rc = start_plant(box);
	if (rc == 0)
		rc = start_meters(box);
	if (rc == 0)
		rc = start_lines(box);
	if (rc < 0)
		return rc;
	rc = pins_start(&box->pins, options->pins);
	return rc < 0 ? failed(rc, "pins", options->pins) : 0;
}

void box_stop(struct box *box)
{
	pins_stop(&box->pins);
	for (unsigned i = BOXSIM_BUSES_MAX; i > 0; i--)
		line_stop(&box->lines[i - 1]);
	for (unsigned i = PLANT_OUTLETS_MAX; i > 0; i--)
		meter_stop(&box->meters[i - 1]);
	plant_free(box->plant);
	box->plant = NULL;
	event_log_close(&box->log);
	state_close(&box->state);
}

/* --- telling --- */

static void log_change(struct box *box, const char *event, int outlet, int64_t value)
{
	event_log_number(&box->log, box_mono_ms(box), event, outlet, "value", value);
}

/* The board hears it, and may be lost over it. */
static void say(struct box *box, enum pin_word word, int outlet, bool value)
{
	if (!pins_say(&box->pins, word, outlet, value)) {
		fputs("boxsim: the board does not read its pins; disconnected\n", stderr);
		box_lose_board(box);
	}
}

/* word: what the board hears of it; PIN_WORD_COUNT: nothing. */
static void observe_flag(struct box *box, bool *seen, bool now, const char *event, int outlet, enum pin_word word)
{
	if (*seen == now)
		return;
	*seen = now;
	log_change(box, event, outlet, now);
	if (word != PIN_WORD_COUNT)
		say(box, word, outlet, now);
}

static void observe_outlet(struct box *box, unsigned outlet)
{
	struct outlet_truth *o = &box->outlets[outlet];
	int index = (int)outlet;
	enum pin_word contact = box->options->no_contact ? PIN_WORD_COUNT : PIN_CONTACT;
	int64_t register_mwh = true_register_mwh(box, outlet);
	state_set_energy(&box->state, outlet, box_true_uj(box, outlet));
	observe_flag(box, &o->driven, plant_driven(box->plant, outlet), "driven", index, PIN_WORD_COUNT);
	observe_flag(box, &o->contact, plant_contact(box->plant, outlet), "contact", index, contact);
	observe_flag(box, &o->energised, plant_energised(box->plant, outlet), "energised", index, PIN_WORD_COUNT);
	observe_flag(box, &o->door, plant_door(box->plant, index), "door", index, PIN_DOOR);
	if (o->register_mwh != register_mwh)
		event_log_number(&box->log, box_mono_ms(box), "step", index, "mwh", register_mwh);
	o->register_mwh = register_mwh;
}

void box_observe(struct box *box)
{
	observe_flag(box, &box->mains, plant_mains(box->plant), "mains", BOXSIM_NOBODY, PIN_WORD_COUNT);
	observe_flag(
		box, &box->box_door, plant_door(box->plant, PLANT_METERING_BOX), "door", PLANT_METERING_BOX, PIN_DOOR);
	for (unsigned i = 0; i < box->options->outlet_count; i++)
		observe_outlet(box, i);
}

/* --- time --- */

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When the register takes its next step if nothing else changes. */
static int64_t next_step_ms(const struct box *box, unsigned outlet)
{
	int64_t power_mw = plant_power_mw(box->plant, outlet);
	int64_t next_uj, step_mwh = box->outlets[outlet].step_mwh;
	int64_t next_mwh = true_register_mwh(box, outlet) + step_mwh;
	if (power_mw <= 0 || __builtin_mul_overflow(next_mwh, UJ_PER_MWH, &next_uj))
		return PLANT_NEVER;
	int64_t missing_uj = next_uj - plant_true_uj(box->plant, outlet);
	return box->now_ms + (missing_uj + power_mw - 1) / power_mw;
}

/* The next moment at which anything is to be told. */
static int64_t next_event_ms(const struct box *box)
{
	int64_t next_ms = plant_next_change(box->plant);
	for (unsigned i = 0; i < box->options->outlet_count; i++)
		next_ms = smaller(next_ms, next_step_ms(box, i));
	return next_ms;
}

void box_run(struct box *box)
{
	int64_t target_ms = box_clock_ms(box);
	for (int64_t next_ms = next_event_ms(box); next_ms <= target_ms; next_ms = next_event_ms(box)) {
		plant_advance(box->plant, next_ms);
		box->now_ms = next_ms;
		box_observe(box);
	}
	plant_advance(box->plant, target_ms);
	box->now_ms = target_ms;
	box_observe(box);
}

int64_t box_wake_ms(const struct box *box)
{
	int64_t wake_ms = next_event_ms(box);
	for (unsigned i = 0; i < box->options->outlet_count; i++)
		if (plant_energised(box->plant, i))
			wake_ms = smaller(wake_ms, box->now_ms + ENERGISED_WAKE_MS);
	for (unsigned i = 0; i < box->options->bus_count; i++) {
		wake_ms = smaller(wake_ms, line_wake_ms(&box->lines[i]));
		if (box->lines[i].deserted)
			wake_ms = smaller(wake_ms, box->now_ms + LINE_DESERTED_MS);
	}
	return wake_ms;
}

/* --- the board --- */

void box_accept_board(struct box *box)
{
	if (!pins_accept(&box->pins, box->hard_off))
		return;
	event_log_number(&box->log, box_mono_ms(box), "connected", BOXSIM_NOBODY, "value", 1);
	plant_set_board(box->plant, true);
	box_observe(box);
	say(box, PIN_DOOR, PLANT_METERING_BOX, box->box_door);
	for (unsigned i = 0; i < box->options->outlet_count; i++) {
		if (!box->options->no_contact)
			say(box, PIN_CONTACT, (int)i, box->outlets[i].contact);
		if (!box->options->no_door)
			say(box, PIN_DOOR, (int)i, box->outlets[i].door);
	}
	say(box, PIN_READY, 0, 0);
}

void box_lose_board(struct box *box)
{
	if (box->pins.board < 0)
		return;
	pins_disconnect(&box->pins);
	event_log_number(&box->log, box_mono_ms(box), "disconnected", BOXSIM_NOBODY, "value", 1);
	plant_set_board(box->plant, false);
	box_observe(box);
}

/* False: the line is not for this box. */
static bool obey(struct box *box, const struct pin_line *line)
{
	bool is_outlet = line->outlet >= 0 && line->outlet < (int)box->options->outlet_count;
	if (line->word == PIN_BREAKER && is_outlet) {
		plant_drive_breaker(box->plant, (unsigned)line->outlet, line->value != 0);
	} else if (line->word == PIN_PULSE && (is_outlet || line->outlet == PLANT_METERING_BOX)) {
		log_change(box, "pulse", line->outlet, line->value);
		plant_pulse_lock(box->plant, line->outlet, line->value);
	} else {
		return false;
	}
	box_observe(box);
	return true;
}

void box_hear_board(struct box *box)
{
	struct pin_line line;
	enum pins_input found = PINS_LINE;
	for (int i = 0; box->pins.board >= 0 && found == PINS_LINE; i++) {
		if (i >= BOARD_LINES_MAX && !pins_has_line(&box->pins))
			break;
		found = pins_next(&box->pins, &line);
		if (found == PINS_LINE && !obey(box, &line))
			found = PINS_MALFORMED;
	}
	if (found == PINS_MALFORMED)
		fputs("boxsim: the board said a line that is none of pin_line.h; disconnected\n", stderr);
	if (found == PINS_MALFORMED || found == PINS_GONE)
		box_lose_board(box);
}
