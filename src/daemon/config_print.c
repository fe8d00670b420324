/* src/daemon/config_print.c: the configuration as it was understood, for people and for programs. See config.h.
 *
 * Room: src/daemon; cJSON. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "config_internal.h"

#define PIN_TEXT_SIZE (2 * PIN_NAME_SIZE + 2)
#define MILLI_TEXT_SIZE 24

/* ---- pieces ---- */

struct milli_text {
	char text[MILLI_TEXT_SIZE];
};

struct pin_text {
	char text[PIN_TEXT_SIZE];
};

/* Thousandths, at least 0, as a decimal number without idle zeros. */
static struct milli_text milli(int64_t thousandths)
{
	struct milli_text milli;
	int length = snprintf(
		milli.text, sizeof(milli.text), "%" PRId64 ".%03" PRId64, thousandths / 1000, thousandths % 1000);
	while (milli.text[length - 1] == '0')
		milli.text[--length] = '\0';
	if (milli.text[length - 1] == '.')
		milli.text[--length] = '\0';
	return milli;
}

static struct pin_text pin(const struct config *config, const struct pin_spec *spec)
{
	struct pin_text pin;
	if (spec->chip[0] == '\0')
		snprintf(pin.text, sizeof(pin.text), "not fitted");
	else if (config->pins.socket[0] != '\0')
		snprintf(pin.text, sizeof(pin.text), "fitted");
	else
		snprintf(pin.text, sizeof(pin.text), "%s%s:%s", spec->active_low ? "!" : "", spec->chip, spec->line);
	return pin;
}

static const char *lock_name(const struct config *config, const char *lock)
{
	if (lock[0] == '\0')
		return "not fitted";
	return config->pins.socket[0] != '\0' ? "fitted" : lock;
}

static const char *yes_or_no(bool yes)
{
	return yes ? "yes" : "no";
}

static const char *kind_name(enum breaker_kind kind)
{
	return kind == BREAKER_LATCHING ? "latching" : "monostable";
}

static const struct bus_meter *meter_of(const struct config *config, unsigned outlet)
{
	return &config->buses[config->meters[outlet].bus].meters[config->meters[outlet].index];
}

static int64_t limit(const struct config *config, const struct config_number *number)
{
	return *(const int64_t *)((const char *)&config->box + number->offset);
}

static int64_t server_time(const struct config *config, const struct config_number *number)
{
	return *(const int64_t *)((const char *)&config->box.uplink + number->offset);
}

/* ---- for people ---- */

static void print_lock(FILE *out, const char *name, int64_t pulse_ms, int64_t rest_ms)
{
	fprintf(out, "lock %s, pulse %" PRId64 " ms, rest %" PRId64 " ms\n", name, pulse_ms, rest_ms);
}

static void print_box(FILE *out, const struct config *c)
{
	fprintf(out, "%s\n\nbox %s\n", c->path, c->box.box);
	fprintf(out, "  state in %s\n", c->state_dir);
	fprintf(out,
		"  control socket %s, for root%s%s\n",
		c->control_socket,
		c->control_group[0] ? " and group " : "",
		c->control_group);
	fprintf(out, "  log level %s\n", log_level_words[c->log_level]);
	fprintf(out, "  local sessions: %s\n", yes_or_no(c->local_sessions));
	fprintf(out, "  the system's clock is trusted as it is: %s\n", yes_or_no(c->trust_system_clock));
	fprintf(out,
		"  insecure commands: %s\n",
		c->box.insecure_commands ? "yes: unverified commands act; only for a workshop" : "no");
	if (c->pins.socket[0] != '\0')
		fprintf(out, "  pins of a simulated box at %s\n", c->pins.socket);
	else
		fprintf(out, "  pins of the kernel's GPIO lines\n");
	fprintf(out, "  metering box: door %s\n  metering box: ", pin(c, &c->pins.metering_door).text);
	if (c->pins.metering_lock[0] == '\0')
		fprintf(out, "lock not fitted\n");
	else
		print_lock(out,
			   lock_name(c, c->pins.metering_lock),
			   c->box.metering_lock_pulse_ms,
			   c->box.metering_lock_rest_ms);
	fprintf(out, "\nlimits\n");
	for (const struct config_number *n = config_limits; n->key; n++)
		fprintf(out, "  %s %" PRId64 "\n", n->key, limit(c, n));
}

static void print_server(FILE *out, const struct config *c)
{
	const struct config_server *s = &c->server;
	if (s->url[0] == '\0') {
		fprintf(out, "\nno server: records stay on this box\n");
		return;
	}
	fprintf(out, "\nserver %s\n  token in %s\n", s->url, s->token_file);
	if (s->secure)
		fprintf(out, "  trusted by the CA in %s alone\n", s->ca_file);
	else
		fprintf(out, "  without TLS, on this machine only\n");
	if (s->command_key_file[0] != '\0')
		fprintf(out, "  commands are signed by the key in %s\n", s->command_key_file);
	fprintf(out, "  heartbeat_s %" PRId64 "\n", c->box.uplink.heartbeat_ms / 1000);
	for (const struct config_number *n = config_server_times; n->key; n++)
		fprintf(out, "  %s %" PRId64 "\n", n->key, server_time(c, n));
}

static void print_bus(FILE *out, const struct config *c, unsigned index)
{
	const struct bus_config *bus = &c->buses[index];
	fprintf(out, "\nbus %s\n  device %s%s\n", bus->name, bus->device, bus->echo ? ", with echo" : "");
	fprintf(out, "  cycle over %u meter(s): %s s\n", bus->meter_count, milli(bus_cycle_ms(bus)).text);
	for (unsigned i = 0; i < c->box.outlet_count; i++) {
		const struct bus_meter *m = meter_of(c, i);
		int offset = m->utc_offset_minutes, distance = abs(offset);
		if (c->meters[i].bus != index)
			continue;
		fprintf(out,
			"  meter %s: %s, address %s, %u baud, %u data bits, parity %s, %u stop bit(s)\n",
			c->meters[i].name,
			m->model.name,
			m->address,
			m->line.baud,
			m->line.data_bits,
			meter_parity_name(m->line.parity),
			m->line.stop_bits);
		fprintf(out,
			"    model %s, clock at UTC%c%02d:%02d, serial number %s\n",
			c->meters[i].model_path,
			offset < 0 ? '-' : '+',
			distance / 60,
			distance % 60,
			c->box.outlets[i].serial[0] ? c->box.outlets[i].serial : "of whichever answers first");
	}
}

static void print_outlet(FILE *out, const struct config *c, unsigned index)
{
	const struct outlet_config *o = &c->box.outlets[index];
	const struct pins_outlet *p = &c->pins.outlets[index];
	struct milli_text rated_kw = milli(o->rated_mw / 1000);
	fprintf(out, "\noutlet %u\n  meter %s, rated %s kW\n", index + 1, c->meters[index].name, rated_kw.text);
	fprintf(out,
		"  %s breaker %s, contact %s, actuation %" PRId64 " ms, current from %" PRId64 " mA\n",
		kind_name(o->breaker.kind),
		pin(c, &p->breaker).text,
		pin(c, &p->contact).text,
		o->breaker.actuation_ms,
		o->breaker.current_threshold_ma);
	fprintf(out, "  door %s\n  ", pin(c, &p->door).text);
	if (p->lock[0] == '\0')
		fprintf(out, "lock not fitted\n");
	else
		print_lock(out, lock_name(c, p->lock), o->lock_pulse_ms, o->lock_rest_ms);
	fprintf(out,
		"  overdraft bound: %s Wh (one step %s Wh + %s kW x (%s s + %s s))\n",
		milli(box_overdraft_bound_mwh(&c->box, index)).text,
		milli(o->breaker.step_mwh).text,
		rated_kw.text,
		milli(c->box.reading_age_ms).text,
		milli(o->breaker.actuation_ms).text);
}

static bool print_text(FILE *out, const struct config *config)
{
	print_box(out, config);
	print_server(out, config);
	for (unsigned i = 0; i < config->bus_count; i++)
		print_bus(out, config, i);
	for (unsigned i = 0; i < config->box.outlet_count; i++)
		print_outlet(out, config, i);
	return fflush(out) == 0 && !ferror(out);
}

/* ---- for programs ---- */

struct tree {
	bool failed; /* no memory: nothing is printed */
};

static cJSON *add_object(struct tree *tree, cJSON *to, const char *key)
{
	cJSON *object = cJSON_AddObjectToObject(to, key);
	tree->failed |= !object;
	return object;
}

static cJSON *add_array(struct tree *tree, cJSON *to, const char *key)
{
	cJSON *array = cJSON_AddArrayToObject(to, key);
	tree->failed |= !array;
	return array;
}

static cJSON *add_item(struct tree *tree, cJSON *array)
{
	cJSON *item = cJSON_CreateObject();
	if (item && cJSON_AddItemToArray(array, item))
		return item;
	cJSON_Delete(item);
	tree->failed = true;
	return NULL;
}

static void add_text(struct tree *tree, cJSON *to, const char *key, const char *value)
{
	tree->failed |= !cJSON_AddStringToObject(to, key, value);
}

static void add_flag(struct tree *tree, cJSON *to, const char *key, bool value)
{
	tree->failed |= !cJSON_AddBoolToObject(to, key, value);
}

/* All numbers here lie far below 2^53. */
static void add_number(struct tree *tree, cJSON *to, const char *key, int64_t value)
{
	tree->failed |= !cJSON_AddNumberToObject(to, key, (double)value);
}

/* What is not fitted is absent. */
static void add_pin(struct tree *tree, const struct config *config, cJSON *to, const char *key,
		    const struct pin_spec *spec)
{
	if (spec->chip[0] != '\0')
		add_text(tree, to, key, pin(config, spec).text);
}

static void add_lock(struct tree *tree, const struct config *config, cJSON *to, const char *lock, int64_t pulse_ms,
		     int64_t rest_ms)
{
	if (lock[0] == '\0')
		return;
	cJSON *object = add_object(tree, to, "lock");
	add_text(tree, object, "name", lock_name(config, lock));
	add_number(tree, object, "pulse_ms", pulse_ms);
	add_number(tree, object, "rest_ms", rest_ms);
}

static void add_box(struct tree *tree, cJSON *root, const struct config *c)
{
	add_text(tree, root, "path", c->path);
	add_text(tree, root, "box", c->box.box);
	add_text(tree, root, "state_dir", c->state_dir);
	add_text(tree, root, "control_socket", c->control_socket);
	add_text(tree, root, "control_group", c->control_group);
	add_text(tree, root, "log_level", log_level_words[c->log_level]);
	add_flag(tree, root, "local_sessions", c->local_sessions);
	add_flag(tree, root, "trust_system_clock", c->trust_system_clock);
	add_flag(tree, root, "insecure_commands", c->box.insecure_commands);
	add_text(tree, root, "pins", c->pins.socket[0] != '\0' ? "socket" : "gpio");
	if (c->pins.socket[0] != '\0')
		add_text(tree, root, "pins_socket", c->pins.socket);
	cJSON *metering = add_object(tree, root, "metering_box");
	add_pin(tree, c, metering, "door", &c->pins.metering_door);
	add_lock(tree, c, metering, c->pins.metering_lock, c->box.metering_lock_pulse_ms, c->box.metering_lock_rest_ms);
	cJSON *limits = add_object(tree, root, "limits");
	for (const struct config_number *n = config_limits; n->key; n++)
		add_number(tree, limits, n->key, limit(c, n));
	add_number(tree, root, "reading_age_ms", c->box.reading_age_ms);
}

/* null for a box without a server. */
static void add_server(struct tree *tree, cJSON *root, const struct config *c)
{
	if (c->server.url[0] == '\0') {
		tree->failed |= !cJSON_AddNullToObject(root, "server");
		return;
	}
	cJSON *server = add_object(tree, root, "server");
	add_text(tree, server, "url", c->server.url);
	add_text(tree, server, "token_file", c->server.token_file);
	if (c->server.ca_file[0] != '\0')
		add_text(tree, server, "ca_file", c->server.ca_file);
	if (c->server.command_key_file[0] != '\0')
		add_text(tree, server, "command_key_file", c->server.command_key_file);
	add_number(tree, server, "heartbeat_ms", c->box.uplink.heartbeat_ms);
	for (const struct config_number *n = config_server_times; n->key; n++)
		add_number(tree, server, n->key, server_time(c, n));
}

static void add_bus(struct tree *tree, cJSON *buses, const struct bus_config *bus)
{
	cJSON *object = add_item(tree, buses);
	add_text(tree, object, "name", bus->name);
	add_text(tree, object, "device", bus->device);
	add_flag(tree, object, "echo", bus->echo);
	add_number(tree, object, "meters", bus->meter_count);
	add_number(tree, object, "cycle_ms", bus_cycle_ms(bus));
}

static void add_meter(struct tree *tree, cJSON *outlet, const struct config *c, unsigned index)
{
	const struct bus_meter *m = meter_of(c, index);
	cJSON *object = add_object(tree, outlet, "meter");
	add_text(tree, object, "name", c->meters[index].name);
	add_text(tree, object, "bus", c->buses[c->meters[index].bus].name);
	add_text(tree, object, "model", m->model.name);
	add_text(tree, object, "model_path", c->meters[index].model_path);
	add_text(tree, object, "protocol", meter_protocol_name(m->model.protocol));
	add_text(tree, object, "address", m->address);
	add_text(tree, object, "serial", c->box.outlets[index].serial);
	add_number(tree, object, "baud", m->line.baud);
	add_text(tree, object, "parity", meter_parity_name(m->line.parity));
	add_number(tree, object, "data_bits", m->line.data_bits);
	add_number(tree, object, "stop_bits", m->line.stop_bits);
	add_number(tree, object, "utc_offset_minutes", m->utc_offset_minutes);
	add_number(tree, object, "step_mwh", m->model.step_mwh);
}

static void add_outlet(struct tree *tree, cJSON *outlets, const struct config *c, unsigned index)
{
	const struct outlet_config *o = &c->box.outlets[index];
	const struct pins_outlet *p = &c->pins.outlets[index];
	cJSON *object = add_item(tree, outlets);
	add_number(tree, object, "outlet", index + 1);
	add_number(tree, object, "rated_mw", o->rated_mw);
	add_number(tree, object, "overdraft_bound_mwh", box_overdraft_bound_mwh(&c->box, index));
	cJSON *breaker = add_object(tree, object, "breaker");
	add_text(tree, breaker, "kind", kind_name(o->breaker.kind));
	add_pin(tree, c, breaker, "pin", &p->breaker);
	add_pin(tree, c, breaker, "contact", &p->contact);
	add_number(tree, breaker, "actuation_ms", o->breaker.actuation_ms);
	add_number(tree, breaker, "current_threshold_ma", o->breaker.current_threshold_ma);
	add_pin(tree, c, object, "door", &p->door);
	add_lock(tree, c, object, p->lock, o->lock_pulse_ms, o->lock_rest_ms);
	add_meter(tree, object, c, index);
}

static bool print_json(FILE *out, const struct config *config)
{
	struct tree tree = {.failed = false};
	cJSON *root = cJSON_CreateObject();
	bool printed = false;
	char *text = NULL;
	add_box(&tree, root, config);
	add_server(&tree, root, config);
	cJSON *buses = add_array(&tree, root, "buses");
	for (unsigned i = 0; i < config->bus_count; i++)
		add_bus(&tree, buses, &config->buses[i]);
	cJSON *outlets = add_array(&tree, root, "outlets");
	for (unsigned i = 0; i < config->box.outlet_count; i++)
		add_outlet(&tree, outlets, config, i);
	if (!tree.failed)
		text = cJSON_Print(root);
	if (text)
		printed = fprintf(out, "%s\n", text) >= 0 && fflush(out) == 0 && !ferror(out);
	cJSON_free(text);
	cJSON_Delete(root);
	return printed;
}

bool config_print(FILE *out, const struct config *config, bool json)
{
	return json ? print_json(out, config) : print_text(out, config);
}
