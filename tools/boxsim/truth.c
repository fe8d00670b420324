/* tools/boxsim/truth.c: see boxsim_truth.h.
 *
 * Room: boxsim; plant, hal/core, libmodbus. */
#include "boxsim_truth.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "boxsim_command.h"

struct writer {
	char *text;
	size_t count;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(w->text + w->count, TRUTH_MAX - w->count, format, arguments);
	va_end(arguments);
	assert(length >= 0 && w->count + (size_t)length < TRUTH_MAX);
	w->count += (size_t)length;
}

static const char *yes(bool flag)
{
	return flag ? "true" : "false";
}

static void put_lock(struct writer *w, const struct box *box, int outlet)
{
	put(w,
	    "\"door\":%s,\"unlocked\":%s,\"longest_coil_ms\":%" PRId64,
	    yes(plant_door(box->plant, outlet)),
	    yes(plant_unlocked(box->plant, outlet)),
	    plant_longest_coil_ms(box->plant, outlet));
}

static void put_register(struct writer *w, const struct box *box, unsigned outlet)
{
	struct meter_reading reading;
	if (plant_read_meter(box->plant, outlet, &reading))
		put(w, ",\"register_mwh\":%" PRId64, reading.register_mwh);
	else
		put(w, ",\"register_mwh\":null");
}

static void put_faults(struct writer *w, const struct box *box, unsigned outlet)
{
	const char *comma = "";
	put(w, ",\"faults\":{");
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		int64_t value = command_fault_value(box, outlet, (enum command_fault)i);
		if (!value)
			continue;
		put(w, "%s\"%s\":%" PRId64, comma, command_fault_name((enum command_fault)i), value);
		comma = ",";
	}
	put(w, "}");
}

static void put_outlet(struct writer *w, const struct box *box, unsigned outlet)
{
	const struct outlet_truth *o = &box->outlets[outlet];
	int64_t true_uj = box_true_uj(box, outlet);
	put(w,
	    "{\"outlet\":%u,\"serial\":\"%s\",\"driven\":%s,\"contact\":%s,\"energised\":%s,\"tripped\":%s,",
	    outlet + 1,
	    o->serial,
	    yes(plant_driven(box->plant, outlet)),
	    yes(plant_contact(box->plant, outlet)),
	    yes(plant_energised(box->plant, outlet)),
	    yes(o->tripped));
	put_lock(w, box, (int)outlet);
	put(w, ",\"true_mwh\":%" PRId64 ",\"true_uj\":%" PRId64, true_uj / UJ_PER_MWH, true_uj);
	put_register(w, box, outlet);
	put(w, ",\"power_mw\":%" PRId64 ",\"load_mw\":%" PRId64, plant_power_mw(box->plant, outlet), o->load_mw);
	put_faults(w, box, outlet);
	put(w, "}");
}

static void put_lines(struct writer *w, const struct box *box)
{
	put(w, "\"lines\":[");
	for (unsigned i = 0; i < box->options->bus_count; i++)
		put(w,
		    "%s{\"echo\":%s,\"foreign_master\":%s}",
		    i ? "," : "",
		    yes(box->lines[i].echo),
		    yes(box->lines[i].foreign_master));
	put(w, "]");
}

size_t truth_write(const struct box *box, char text[TRUTH_MAX])
{
	struct writer w = {.text = text};
	put(&w,
	    "{\"mono_ms\":%" PRId64 ",\"mains\":%s,\"connected\":%s,\"box\":{",
	    box_mono_ms(box),
	    yes(plant_mains(box->plant)),
	    yes(box->pins.board >= 0));
	put_lock(&w, box, PLANT_METERING_BOX);
	put(&w, "},");
	put_lines(&w, box);
	put(&w, ",\"outlets\":[");
	for (unsigned i = 0; i < box->options->outlet_count; i++) {
		put(&w, "%s", i ? "," : "");
		put_outlet(&w, box, i);
	}
	put(&w, "]}\n");
	return w.count;
}
