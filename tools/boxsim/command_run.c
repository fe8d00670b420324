/* tools/boxsim/command_run.c: does commands to the box; see boxsim_command.h.
 *
 * Room: boxsim; plant, hal/core, libmodbus. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "boxsim_command.h"

static const unsigned plant_faults[FAULT_COUNT] = {
	[FAULT_WELDED] = PLANT_WELDED,
	[FAULT_STUCK_OPEN] = PLANT_STUCK_OPEN,
	[FAULT_BYPASSED] = PLANT_BYPASSED,
	[FAULT_SILENT] = PLANT_METER_SILENT,
	[FAULT_ZERO] = PLANT_METER_ZERO,
	[FAULT_STUCK] = PLANT_METER_STUCK,
};

#define METER_FAULTS (PLANT_METER_SILENT | PLANT_METER_ZERO | PLANT_METER_STUCK)

__attribute__((format(printf, 2, 3))) static bool refused(char *error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error, COMMAND_ERROR_SIZE, format, arguments);
	va_end(arguments);
	return false;
}

/* --- faults --- */

/* A fault of a meter's answers: its flag, or its milliseconds. One of both is NULL. */
static void answer_fault(struct meter *meter, enum command_fault fault, bool **flag, int64_t **ms)
{
	*flag = NULL;
	*ms = NULL;
	switch ((int)fault) {
	case FAULT_GARBLED:
		*flag = &meter->garbled;
		break;
	case FAULT_FOREIGN:
		*flag = &meter->foreign;
		break;
	case FAULT_HALF:
		*flag = &meter->half;
		break;
	case FAULT_SLOW:
		*ms = &meter->slow_ms;
		break;
	case FAULT_DRIBBLE:
		*ms = &meter->dribble_ms;
		break;
	case FAULT_LATE:
		*ms = &meter->late_ms;
		break;
	}
}

int64_t command_fault_value(const struct box *box, unsigned outlet, enum command_fault fault)
{
	struct meter meter = box->meters[outlet];
	bool *flag;
	int64_t *ms;
	answer_fault(&meter, fault, &flag, &ms);
	if (flag)
		return *flag;
	return ms ? *ms : (box->outlets[outlet].faults & plant_faults[fault]) != 0;
}

static void run_fault(struct box *box, const struct command *c)
{
	struct outlet_truth *o = &box->outlets[c->outlet];
	bool *flag;
	int64_t *ms;
	answer_fault(&box->meters[c->outlet], c->fault, &flag, &ms);
	if (flag) {
		*flag = c->on;
	} else if (ms) {
		*ms = c->ms;
	} else {
		unsigned bits = plant_faults[c->fault];
		plant_set_fault(box->plant, (unsigned)c->outlet, bits, c->on);
		o->faults = c->on ? o->faults | bits : o->faults & ~bits;
	}
	event_log_named(&box->log,
			box_mono_ms(box),
			"fault",
			c->outlet,
			command_fault_name(c->fault),
			command_fault_value(box, (unsigned)c->outlet, c->fault));
}

static void run_lines(struct box *box, const struct command *c)
{
	bool echo = c->verb == COMMAND_ECHO;
	for (unsigned i = 0; i < box->options->bus_count; i++) {
		if (c->bus != COMMAND_EVERY_BUS && c->bus != (int)i)
			continue;
		if (echo)
			box->lines[i].echo = c->on;
		else
			line_set_foreign_master(&box->lines[i], c->on, box->now_ms);
	}
	event_log_named(&box->log, box_mono_ms(box), "fault", BOXSIM_NOBODY, echo ? "echo" : "foreign-master", c->on);
}

/* --- people, mains, meters --- */

static void run_plug(struct box *box, const struct command *c)
{
	box->outlets[c->outlet].load_mw = c->load.power_mw;
	plant_plug(box->plant, (unsigned)c->outlet, &c->load);
	event_log_number(&box->log, box_mono_ms(box), "plug", c->outlet, "value", c->load.power_mw / 1000);
}

static bool run_open(struct box *box, const struct command *c, char *error)
{
	if (plant_open_door(box->plant, c->outlet, c->force))
		return true;
	if (c->outlet == PLANT_METERING_BOX)
		return refused(error, "the metering box is locked; with force: open box force");
	return refused(error, "outlet %d is locked; with force: open %d force", c->outlet + 1, c->outlet + 1);
}

static void run_mains(struct box *box, const struct command *c)
{
	if (c->hard) {
		box->hard_off = true;
		box_lose_board(box);
	}
	if (c->on)
		box->hard_off = false;
	plant_set_mains(box->plant, c->on);
	for (unsigned i = 0; !c->on && i < box->options->bus_count; i++)
		line_drop_answers(&box->lines[i]);
}

static void run_replace(struct box *box, const struct command *c)
{
	unsigned outlet = (unsigned)c->outlet;
	struct outlet_truth *o = &box->outlets[outlet];
	struct plant_meter_config meter = {
		.step_mwh = o->step_mwh,
		.initial_mwh = c->register_mwh,
		.has_clock = box->options->meters[outlet].kind == METER_KIND_DLT645,
	};
	memcpy(meter.serial, c->serial, sizeof(meter.serial));
	memcpy(o->serial, c->serial, sizeof(o->serial));
	state_set_meter(&box->state, outlet, c->serial, c->register_mwh * UJ_PER_MWH);
	plant_replace_meter(box->plant, outlet, &meter);
	o->carry_uj = 0;
	o->faults &= ~(unsigned)METER_FAULTS;
	/* The new register's place is no step. */
	o->register_mwh = c->register_mwh / o->step_mwh * o->step_mwh;
	event_log_text(&box->log, box_mono_ms(box), "meter", c->outlet, "serial", o->serial);
	event_log_number(&box->log, box_mono_ms(box), "register", c->outlet, "mwh", o->register_mwh);
}

static bool run_bounce(struct box *box, const struct command *c, char *error)
{
	if (c->outlet != PLANT_METERING_BOX && box->options->no_door)
		return refused(error, "the user boxes of this box have no door switch (--no-door)");
	plant_tick_bounce(box->plant, c->outlet, c->ms);
	return true;
}

static void run_trip(struct box *box, const struct command *c)
{
	bool trip = c->verb == COMMAND_TRIP;
	box->outlets[c->outlet].tripped = trip;
	if (trip)
		plant_trip(box->plant, (unsigned)c->outlet);
	else
		plant_reset_trip(box->plant, (unsigned)c->outlet);
}

bool command_run(struct box *box, const struct command *c, char error[COMMAND_ERROR_SIZE])
{
	bool good = true;
	switch (c->verb) {
	case COMMAND_NOTHING:
	case COMMAND_HELP:
	case COMMAND_STATE:
		break;
	case COMMAND_PLUG:
	case COMMAND_UNPLUG:
		run_plug(box, c);
		break;
	case COMMAND_OPEN:
		good = run_open(box, c, error);
		break;
	case COMMAND_CLOSE:
		plant_close_door(box->plant, c->outlet);
		break;
	case COMMAND_MAINS:
		run_mains(box, c);
		break;
	case COMMAND_TRIP:
	case COMMAND_RESET:
		run_trip(box, c);
		break;
	case COMMAND_REPLACE:
		run_replace(box, c);
		break;
	case COMMAND_BOUNCE:
		good = run_bounce(box, c, error);
		break;
	case COMMAND_FAULT:
		run_fault(box, c);
		break;
	case COMMAND_ECHO:
	case COMMAND_FOREIGN_MASTER:
		run_lines(box, c);
		break;
	case COMMAND_QUIT:
		box->quit = true;
		break;
	}
	box_observe(box);
	return good;
}
