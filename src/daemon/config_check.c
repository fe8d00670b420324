/* src/daemon/config_check.c: what must hold between the values of a configuration. See config_internal.h.
 *
 * Room: src/daemon; hal/io for what a bus can do. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

#define PINS_USED_MAX (1 + 3 * OUTLETS_MAX)
#define LOCKS_USED_MAX (1 + OUTLETS_MAX)
/* A register that steps more rarely at full load shows a customer's use too late to bill or to guard it. */
#define STEP_TIME_MAX_MS INT64_C(300000)
#define SETTLE_CYCLES 2 /* two equal readings are a stable register */

struct used_pin {
	const struct config_section *section;
	const char *key;
	const struct pin_spec *pin;
};

struct used_lock {
	const struct config_section *section;
	const char *key;
	const char *name;
};

/* ---- pins and locks ---- */

static void use_pin(struct config_document *doc, struct used_pin used[], unsigned *count,
		    const struct config_section *section, const char *key, const struct pin_spec *pin)
{
	if (pin->chip[0] == '\0')
		return;
	for (unsigned i = 0; i < *count; i++)
		if (strcmp(used[i].pin->chip, pin->chip) == 0 && strcmp(used[i].pin->line, pin->line) == 0)
			config_fail(doc,
				    section,
				    key,
				    "%.40s:%.40s is in use already, as %s of [%s], line %d; each wire has its own line",
				    pin->chip,
				    pin->line,
				    used[i].key,
				    used[i].section->name,
				    config_entry(used[i].section, used[i].key)->line);
	assert(*count < PINS_USED_MAX);
	used[(*count)++] = (struct used_pin){.section = section, .key = key, .pin = pin};
}

static void check_pins(struct config_loader *loader)
{
	struct config_document *doc = &loader->doc;
	struct used_pin used[PINS_USED_MAX];
	unsigned count = 0;
	use_pin(doc, used, &count, config_only(doc, SECTION_BOX), "metering_door", &loader->config.pins.metering_door);
	for (unsigned i = 0; i < loader->config.box.outlet_count; i++) {
		const struct pins_outlet *pins = &loader->config.pins.outlets[i];
		use_pin(doc, used, &count, loader->outlets[i], "breaker_pin", &pins->breaker);
		use_pin(doc, used, &count, loader->outlets[i], "contact_pin", &pins->contact);
		use_pin(doc, used, &count, loader->outlets[i], "door_pin", &pins->door);
	}
}

static void use_lock(struct config_document *doc, struct used_lock used[], unsigned *count,
		     const struct config_section *section, const char *key, const char *name)
{
	if (name[0] == '\0')
		return;
	for (unsigned i = 0; i < *count; i++)
		if (strcmp(used[i].name, name) == 0)
			config_fail(doc,
				    section,
				    key,
				    "'%s' is in use already, as %s of [%s], line %d; each lock has its own coil",
				    name,
				    used[i].key,
				    used[i].section->name,
				    config_entry(used[i].section, used[i].key)->line);
	assert(*count < LOCKS_USED_MAX);
	used[(*count)++] = (struct used_lock){.section = section, .key = key, .name = name};
}

static void check_locks(struct config_loader *loader)
{
	struct config_document *doc = &loader->doc;
	struct used_lock used[LOCKS_USED_MAX];
	unsigned count = 0;
	use_lock(doc, used, &count, config_only(doc, SECTION_BOX), "metering_lock", loader->config.pins.metering_lock);
	for (unsigned i = 0; i < loader->config.box.outlet_count; i++)
		use_lock(doc, used, &count, loader->outlets[i], "lock", loader->config.pins.outlets[i].lock);
}

/* A coil's rest is what lets it cool: never shorter than the pulse that warmed it. */
static void check_rest(struct config_document *doc, const struct config_section *section, const char *key,
		       int64_t pulse_ms, int64_t rest_ms)
{
	if (rest_ms < pulse_ms)
		config_fail(doc,
			    section,
			    key,
			    "a rest of %" PRId64 " ms is shorter than the pulse of %" PRId64 " ms; at least as long",
			    rest_ms,
			    pulse_ms);
}

static void check_coils(struct config_loader *loader)
{
	const struct box_config *box = &loader->config.box;
	check_rest(&loader->doc,
		   config_only(&loader->doc, SECTION_BOX),
		   "metering_lock_rest_ms",
		   box->metering_lock_pulse_ms,
		   box->metering_lock_rest_ms);
	for (unsigned i = 0; i < box->outlet_count; i++)
		check_rest(&loader->doc,
			   loader->outlets[i],
			   "lock_rest_ms",
			   box->outlets[i].lock_pulse_ms,
			   box->outlets[i].lock_rest_ms);
}

/* ---- buses and meters ---- */

static const struct config_place *place_of(const struct config_loader *loader, unsigned bus, unsigned index)
{
	unsigned i = 0;
	while (i < loader->place_count &&
	       (loader->places[i].meter.bus != bus || loader->places[i].meter.index != index))
		i++;
	assert(i < loader->place_count);
	return &loader->places[i];
}

static const struct bus_meter *meter_of(const struct config_loader *loader, const struct config_place *place)
{
	return &loader->config.buses[place->meter.bus].meters[place->meter.index];
}

/* Leading zeros are only writing: 1 and 000000000001 are one meter. */
static bool same_address(const struct bus_meter *a, const struct bus_meter *b)
{
	return a->model.protocol == b->model.protocol &&
	       strcmp(a->address + strspn(a->address, "0"), b->address + strspn(b->address, "0")) == 0;
}

static void check_meters(struct config_loader *loader)
{
	for (unsigned i = 0; i < loader->place_count; i++) {
		const struct config_place *place = &loader->places[i];
		for (unsigned j = 0; j < i; j++) {
			const struct config_place *other = &loader->places[j];
			if (other->meter.bus == place->meter.bus &&
			    same_address(meter_of(loader, other), meter_of(loader, place)))
				config_fail(&loader->doc,
					    place->section,
					    "address",
					    "[%s], line %d, has the same on this bus; give each meter its own",
					    other->section->name,
					    other->section->line);
			if (place->serial[0] != '\0' && strcmp(other->serial, place->serial) == 0)
				config_fail(&loader->doc,
					    place->section,
					    "serial",
					    "[%s], line %d, has the same; no two meters share a number",
					    other->section->name,
					    other->section->line);
		}
		if (!place->outlet)
			config_fail(&loader->doc,
				    place->section,
				    NULL,
				    "no outlet uses this meter; name it in an [outlet N] or leave it out");
	}
}

static void check_buses(struct config_loader *loader)
{
	struct config_document *doc = &loader->doc;
	for (unsigned i = 0; i < loader->config.bus_count; i++) {
		const struct bus_config *bus = &loader->config.buses[i];
		unsigned meter = 0;
		for (unsigned j = 0; j < i; j++)
			if (strcmp(loader->config.buses[j].device, bus->device) == 0)
				config_fail(doc,
					    loader->buses[i],
					    "device",
					    "[%s], line %d, has the same port; put the meters on one bus",
					    loader->buses[j]->name,
					    loader->buses[j]->line);
		if (bus->meter_count == 0) {
			config_fail(doc, loader->buses[i], NULL, "no meter is on this bus; add one or leave it out");
			continue;
		}
		const char *fault = doc->result == 0 ? bus_config_fault(bus, &meter) : NULL;
		if (fault && meter < bus->meter_count)
			config_fail(doc, place_of(loader, i, meter)->section, NULL, "%s", fault);
		else if (fault)
			config_fail(doc, loader->buses[i], NULL, "%s", fault);
	}
}

static void check_steps(struct config_loader *loader)
{
	for (unsigned i = 0; i < loader->config.box.outlet_count; i++) {
		const struct outlet_config *outlet = &loader->config.box.outlets[i];
		int64_t allowed_mwh = fee_energy_mwh(outlet->rated_mw, STEP_TIME_MAX_MS);
		if (outlet->breaker.step_mwh > allowed_mwh)
			config_fail(&loader->doc,
				    loader->outlets[i],
				    "rated_w",
				    "at %" PRId64 " W the register of meter '%s' steps (%" PRId64
				    " mWh) more rarely than every %" PRId64
				    " s; choose a finer meter or correct rated_w",
				    outlet->rated_mw / 1000,
				    loader->config.meters[i].name,
				    outlet->breaker.step_mwh,
				    STEP_TIME_MAX_MS / 1000);
	}
}

/* ---- times ---- */

static void check_times(struct config_loader *loader)
{
	struct config_document *doc = &loader->doc;
	const struct config_section *limits = config_only(doc, SECTION_LIMITS);
	struct box_config *box = &loader->config.box;
	unsigned slowest = 0;
	box->reading_age_ms = 0;
	for (unsigned i = 0; i < loader->config.bus_count; i++) {
		int64_t cycle_ms = bus_cycle_ms(&loader->config.buses[i]);
		if (cycle_ms > box->reading_age_ms) {
			box->reading_age_ms = cycle_ms;
			slowest = i;
		}
	}
	const char *name = loader->config.buses[slowest].name;
	if (box->meter_late_ms <= box->reading_age_ms)
		config_fail(doc,
			    limits,
			    "meter_late_ms",
			    "%" PRId64 " is not greater than %" PRId64
			    ", the cycle of bus '%s': every reading would come late",
			    box->meter_late_ms,
			    box->reading_age_ms,
			    name);
	if (box->meter_silent_ms <= box->meter_late_ms)
		config_fail(doc,
			    limits,
			    "meter_silent_ms",
			    "%" PRId64 " is not greater than meter_late_ms, %" PRId64
			    ": a meter is late before it is silent",
			    box->meter_silent_ms,
			    box->meter_late_ms);
	if (box->settle_ms < SETTLE_CYCLES * box->reading_age_ms)
		config_fail(doc,
			    limits,
			    "settle_ms",
			    "%" PRId64 " is less than %" PRId64
			    ", two cycles of bus '%s': no end would see a stable register",
			    box->settle_ms,
			    SETTLE_CYCLES * box->reading_age_ms,
			    name);
	if (box->resume_window_ms <= box->boot_wait_ms)
		config_fail(doc,
			    limits,
			    "resume_window_ms",
			    "%" PRId64 " is not greater than boot_wait_ms, %" PRId64
			    ": a pause would be over before its length is known",
			    box->resume_window_ms,
			    box->boot_wait_ms);
}

int config_check(struct config_loader *loader)
{
	bool simulated = loader->config.pins.socket[0] != '\0';
	if (strcmp(loader->config.control_socket, loader->config.pins.socket) == 0)
		config_fail(&loader->doc,
			    config_only(&loader->doc, SECTION_BOX),
			    "control_socket",
			    "the simulated box's pins have the same path; give another");
	if (!simulated) {
		check_pins(loader);
		check_locks(loader);
	}
	check_coils(loader);
	check_meters(loader);
	check_buses(loader);
	check_steps(loader);
	if (loader->doc.result == 0)
		check_times(loader);
	return loader->doc.result;
}
