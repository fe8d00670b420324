/* src/daemon/config_restart.c: what a running daemon cannot take over. See config.h.
 *
 * Room: src/daemon. */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "config_internal.h"

#define PLACE_SIZE (CONFIG_SECTION_NAME_SIZE + 32)

/* What differs first: the name of a key, or NULL. */
static const char *first(const char *a, const char *b)
{
	return a ? a : b;
}

static const char *differs(const char *key, bool different)
{
	return different ? key : NULL;
}

static const char *text_differs(const char *key, const char *a, const char *b)
{
	return differs(key, strcmp(a, b) != 0);
}

static const char *pin_differs(const char *key, const struct pin_spec *a, const struct pin_spec *b)
{
	return differs(
		key, strcmp(a->chip, b->chip) != 0 || strcmp(a->line, b->line) != 0 || a->active_low != b->active_low);
}

static const char *box_differs(const struct config *a, const struct config *b)
{
	const char *key = text_differs("id", a->box.box, b->box.box);
	key = first(key, text_differs("state_dir", a->state_dir, b->state_dir));
	key = first(key, text_differs("control_socket", a->control_socket, b->control_socket));
	key = first(key, text_differs("control_group", a->control_group, b->control_group));
	key = first(key, differs("insecure_commands", a->box.insecure_commands != b->box.insecure_commands));
	key = first(key, text_differs("pins", a->pins.socket, b->pins.socket));
	key = first(key, pin_differs("metering_door", &a->pins.metering_door, &b->pins.metering_door));
	key = first(key, text_differs("metering_lock", a->pins.metering_lock, b->pins.metering_lock));
	key = first(key,
		    differs("metering_lock_pulse_ms", a->box.metering_lock_pulse_ms != b->box.metering_lock_pulse_ms));
	return first(key,
		     differs("metering_lock_rest_ms", a->box.metering_lock_rest_ms != b->box.metering_lock_rest_ms));
}

static const char *server_differs(const struct config *a, const struct config *b)
{
	const char *times_a = (const char *)&a->box.uplink, *times_b = (const char *)&b->box.uplink;
	const char *key = text_differs("url", a->server.url, b->server.url);
	key = first(key, text_differs("token_file", a->server.token_file, b->server.token_file));
	key = first(key, text_differs("ca_file", a->server.ca_file, b->server.ca_file));
	key = first(key, text_differs("command_key_file", a->server.command_key_file, b->server.command_key_file));
	key = first(key, differs("heartbeat_s", a->box.uplink.heartbeat_ms != b->box.uplink.heartbeat_ms));
	for (const struct config_number *n = config_server_times; n->key && !key; n++)
		key = differs(n->key, memcmp(times_a + n->offset, times_b + n->offset, sizeof(int64_t)) != 0);
	return key;
}

static const char *bus_differs(const struct bus_config *a, const struct bus_config *b)
{
	const char *key = text_differs("device", a->device, b->device);
	return first(key, differs("echo", a->echo != b->echo));
}

static bool item_differs(const struct meter_item *a, const struct meter_item *b)
{
	return a->present != b->present || a->di != b->di || a->function != b->function || a->address != b->address ||
	       a->offset != b->offset || a->size != b->size || a->encoding != b->encoding ||
	       a->low_word_first != b->low_word_first || a->multiplier != b->multiplier || a->divisor != b->divisor;
}

/* The file's contents: the path may have stayed. Line settings are compared as the meter has them. */
static bool model_differs(const struct meter_model *a, const struct meter_model *b)
{
	bool different = strcmp(a->name, b->name) != 0 || a->protocol != b->protocol ||
			 a->turnaround_ms != b->turnaround_ms || a->typical_ms != b->typical_ms ||
			 a->step_mwh != b->step_mwh;
	for (unsigned i = 0; i < METER_QUANTITY_COUNT; i++)
		different |= (a->items[i].present || b->items[i].present) && item_differs(&a->items[i], &b->items[i]);
	return different;
}

static const char *meter_differs(const struct bus_meter *a, const struct bus_meter *b)
{
	const char *key = differs("model", model_differs(&a->model, &b->model));
	key = first(key, text_differs("address", a->address, b->address));
	key = first(key, differs("baud", a->line.baud != b->line.baud));
	key = first(key, differs("parity", a->line.parity != b->line.parity));
	key = first(key, differs("data_bits", a->line.data_bits != b->line.data_bits));
	key = first(key, differs("stop_bits", a->line.stop_bits != b->line.stop_bits));
	return first(key, differs("utc_offset", a->utc_offset_minutes != b->utc_offset_minutes));
}

static const char *outlet_differs(const struct config *a, const struct config *b, unsigned i)
{
	const struct outlet_config *x = &a->box.outlets[i], *y = &b->box.outlets[i];
	const struct pins_outlet *p = &a->pins.outlets[i], *q = &b->pins.outlets[i];
	const char *key = text_differs("meter", a->meters[i].name, b->meters[i].name);
	key = first(key, differs("rated_w", x->rated_mw != y->rated_mw));
	key = first(key, differs("breaker_kind", x->breaker.kind != y->breaker.kind));
	key = first(key, pin_differs("breaker_pin", &p->breaker, &q->breaker));
	key = first(key, pin_differs("contact_pin", &p->contact, &q->contact));
	key = first(key, differs("breaker_actuation_ms", x->breaker.actuation_ms != y->breaker.actuation_ms));
	key = first(
		key,
		differs("current_threshold_ma", x->breaker.current_threshold_ma != y->breaker.current_threshold_ma));
	key = first(key, pin_differs("door_pin", &p->door, &q->door));
	key = first(key, text_differs("lock", p->lock, q->lock));
	key = first(key, differs("lock_pulse_ms", x->lock_pulse_ms != y->lock_pulse_ms));
	return first(key, differs("lock_rest_ms", x->lock_rest_ms != y->lock_rest_ms));
}

/* A meter by its outlet: once the outlets' meters have the same names. */
static const char *outlet_meter_differs(const struct config *a, const struct config *b, unsigned i)
{
	const struct config_meter *m = &a->meters[i], *n = &b->meters[i];
	const char *key = text_differs("bus", a->buses[m->bus].name, b->buses[n->bus].name);
	key = first(key, text_differs("model", m->model_path, n->model_path));
	key = first(key, text_differs("serial", a->box.outlets[i].serial, b->box.outlets[i].serial));
	return first(key, meter_differs(&a->buses[m->bus].meters[m->index], &b->buses[n->bus].meters[n->index]));
}

static const char *counts_differ(const struct config *a, const struct config *b)
{
	unsigned i = 0;
	if (a->box.outlet_count != b->box.outlet_count)
		return "[outlet N]";
	while (i < a->bus_count && i < b->bus_count && strcmp(a->buses[i].name, b->buses[i].name) == 0)
		i++;
	return a->bus_count != b->bus_count || i < a->bus_count ? "[bus NAME]" : NULL;
}

const char *config_needs_restart(const struct config *running, const struct config *wanted)
{
	static char place[PLACE_SIZE]; /* until the next call; only the main thread reads configurations */
	const char *section = counts_differ(running, wanted);
	const char *key = box_differs(running, wanted);
	if (key) {
		snprintf(place, sizeof(place), "[box] %s", key);
		return place;
	}
	/* The inputs settle by what they began with. */
	if (running->box.input_settle_ms != wanted->box.input_settle_ms)
		return "[limits] input_settle_ms";
	key = server_differs(running, wanted);
	if (key) {
		snprintf(place, sizeof(place), "[server] %s", key);
		return place;
	}
	if (section)
		return section;
	for (unsigned i = 0; i < running->bus_count && !key; i++) {
		key = bus_differs(&running->buses[i], &wanted->buses[i]);
		snprintf(place, sizeof(place), "[bus %s] %s", running->buses[i].name, first(key, ""));
	}
	for (unsigned i = 0; i < running->box.outlet_count && !key; i++) {
		key = outlet_differs(running, wanted, i);
		snprintf(place, sizeof(place), "[outlet %u] %s", i + 1, first(key, ""));
	}
	for (unsigned i = 0; i < running->box.outlet_count && !key; i++) {
		key = outlet_meter_differs(running, wanted, i);
		snprintf(place, sizeof(place), "[meter %s] %s", running->meters[i].name, first(key, ""));
	}
	return key ? place : NULL;
}
