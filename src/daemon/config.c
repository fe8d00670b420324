/* src/daemon/config.c: see config.h. Puts the values of each section in their places.
 *
 * Room: src/daemon; hal/io for meter models. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "config_internal.h"
#include "model_file.h"

#define STATE_DIR "/var/lib/meterbox"
#define SOCKET "/run/meterbox/control"
#define MODELS_DIR "/usr/share/meterbox/models"
#define MODEL_SUFFIX ".ini"
#define PINS_SOCKET "socket:"

#define LOCK_PULSE_MS 500
#define LOCK_REST_MS 5000
#define PULSE_MS_MIN 10
#define PULSE_MS_MAX 10000
#define REST_MS_MIN 10
#define REST_MS_MAX 600000
#define METER_SILENT_MS_MAX 600000
_Static_assert(METER_SILENT_MS_MAX < FEE_PERIOD_LEAST_MIN * FEE_MS_PER_MIN,
	       "between two readings the rate changes at most once");
#define ACTUATION_MS 200
#define CURRENT_THRESHOLD_MA 50
#define RATED_W_MIN 100
#define RATED_W_MAX 100000
#define UTC_OFFSET_CHINA 480 /* where DL/T 645 meters are; their clocks keep the country's time */

/* A service session lasts at most a minute; every other limit is wide, what holds between them is checked later. */
const struct config_number config_limits[] = {
	{"metering_grant_ms", offsetof(struct box_config, metering_grant_ms), 1000, 3600000},
	{"input_settle_ms", offsetof(struct box_config, input_settle_ms), 1, 2000},
	{"meter_late_ms", offsetof(struct box_config, meter_late_ms), 100, 120000},
	{"meter_silent_ms", offsetof(struct box_config, meter_silent_ms), 1000, METER_SILENT_MS_MAX},
	{"settle_ms", offsetof(struct box_config, settle_ms), 1000, 600000},
	{"resume_window_ms", offsetof(struct box_config, resume_window_ms), 1000, 86400000},
	{"boot_wait_ms", offsetof(struct box_config, boot_wait_ms), 0, 600000},
	{"mark_ms", offsetof(struct box_config, mark_ms), 10000, 3600000},
	{"service_ms", offsetof(struct box_config, service_ms), 1000, 60000},
	{NULL, 0, 0, 0},
};

static const struct config_number metering_coil[] = {
	{"metering_lock_pulse_ms", offsetof(struct box_config, metering_lock_pulse_ms), PULSE_MS_MIN, PULSE_MS_MAX},
	{"metering_lock_rest_ms", offsetof(struct box_config, metering_lock_rest_ms), REST_MS_MIN, REST_MS_MAX},
	{NULL, 0, 0, 0},
};

static const struct config_number outlet_coil[] = {
	{"lock_pulse_ms", offsetof(struct outlet_config, lock_pulse_ms), PULSE_MS_MIN, PULSE_MS_MAX},
	{"lock_rest_ms", offsetof(struct outlet_config, lock_rest_ms), REST_MS_MIN, REST_MS_MAX},
	{NULL, 0, 0, 0},
};

static const struct config_number outlet_numbers[] = {
	{"breaker_actuation_ms", offsetof(struct outlet_config, breaker.actuation_ms), 10, 10000},
	{"current_threshold_ma", offsetof(struct outlet_config, breaker.current_threshold_ma), 1, 5000},
	{NULL, 0, 0, 0},
};

static const char *const parity_words[] = {"none", "even", "odd"};
_Static_assert(sizeof(parity_words) / sizeof(parity_words[0]) == PARITY_COUNT, "every parity has its word");
static const char *const kind_words[] = {"monostable", "latching"};
static const char *const baud_words[] = {
	"300", "600", "1200", "2400", "4800", "9600", "19200", "38400", "57600", "115200"};

#define COUNT(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))

static bool is_simulated(const struct config_loader *loader)
{
	return loader->config.pins.socket[0] != '\0';
}

/* ---- [box] and [limits] ---- */

static void read_pins(struct config_loader *loader, const struct config_section *section)
{
	struct config_document *doc = &loader->doc;
	const struct config_entry *entry = config_entry(section, "pins");
	const size_t prefix = strlen(PINS_SOCKET);
	if (!entry || strcmp(entry->value, "gpio") == 0)
		return;
	const char *path = entry->value + prefix;
	if (strncmp(entry->value, PINS_SOCKET, prefix) != 0 || path[0] != '/')
		config_fail(doc,
			    section,
			    "pins",
			    "'%.40s' is neither gpio nor socket:PATH, the path from the root",
			    entry->value);
	else if (strlen(path) >= sizeof(loader->config.pins.socket))
		config_fail(doc,
			    section,
			    "pins",
			    "the socket's path is too long; at most %zu bytes",
			    sizeof(loader->config.pins.socket) - 1);
	else
		word_copy(loader->config.pins.socket, sizeof(loader->config.pins.socket), path);
}

static void read_coil(struct config_document *doc, const struct config_section *section, const char *lock, bool fitted,
		      const struct config_number *numbers, void *base)
{
	for (const struct config_number *n = numbers; n->key; n++)
		if (!fitted && config_entry(section, n->key))
			config_fail(doc,
				    section,
				    n->key,
				    "there is no %s that it could be of; name it or leave this out",
				    lock);
	config_numbers(doc, section, numbers, base);
}

/* "./x" and "../x" stand beside the configuration: a tree that is tried out before it is installed. */
static void read_models_dir(struct config_loader *loader, const struct config_section *section)
{
	const struct config_entry *entry = config_entry(section, "models_dir");
	const char *path = loader->doc.path;
	const char *slash = strrchr(path, '/');
	bool beside = entry && (strncmp(entry->value, "./", 2) == 0 || strncmp(entry->value, "../", 3) == 0);
	if (!beside) {
		config_path(&loader->doc, section, "models_dir", loader->models_dir, sizeof(loader->models_dir));
		return;
	}
	int length = snprintf(loader->models_dir,
			      sizeof(loader->models_dir),
			      "%.*s%s",
			      slash ? (int)(slash - path) + 1 : 0,
			      path,
			      entry->value);
	if (length < 0 || (size_t)length >= sizeof(loader->models_dir))
		config_fail(&loader->doc,
			    section,
			    "models_dir",
			    "the path is too long; at most %zu bytes",
			    sizeof(loader->models_dir) - 1);
}

static void read_box(struct config_loader *loader)
{
	struct config_document *doc = &loader->doc;
	struct config *config = &loader->config;
	const struct config_section *s = config_only(doc, SECTION_BOX);
	unsigned level = LOG_LEVEL_INFO;
	word_copy(config->state_dir, sizeof(config->state_dir), STATE_DIR);
	word_copy(config->control_socket, sizeof(config->control_socket), SOCKET);
	word_copy(loader->models_dir, sizeof(loader->models_dir), MODELS_DIR);
	config_word(doc, s, "id", config->box.box, sizeof(config->box.box));
	config_path(doc, s, "state_dir", config->state_dir, sizeof(config->state_dir));
	config_path(doc, s, "control_socket", config->control_socket, sizeof(config->control_socket));
	config_word(doc, s, "control_group", config->control_group, sizeof(config->control_group));
	config_choice(doc, s, "log_level", log_level_words, LOG_LEVEL_COUNT, &level);
	config_flag(doc, s, "local_sessions", &config->local_sessions);
	config_flag(doc, s, "trust_system_clock", &config->trust_system_clock);
	config_flag(doc, s, "insecure_commands", &config->box.insecure_commands);
	read_models_dir(loader, s);
	read_pins(loader, s);
	config_pin(doc, s, "metering_door", is_simulated(loader), &config->pins.metering_door);
	config_lock(doc, s, "metering_lock", is_simulated(loader), config->pins.metering_lock);
	config->box.metering_door_fitted = config->pins.metering_door.chip[0] != '\0';
	read_coil(doc, s, "metering_lock", config->pins.metering_lock[0] != '\0', metering_coil, &config->box);
	config->log_level = (enum log_level)level;
	config_numbers(doc, config_only(doc, SECTION_LIMITS), config_limits, &config->box);
}

/* ---- buses and meters ---- */

static void read_buses(struct config_loader *loader)
{
	struct config_document *doc = &loader->doc;
	for (struct config_section *s = config_next(doc, SECTION_BUS, NULL); s; s = config_next(doc, SECTION_BUS, s)) {
		struct bus_config *bus = &loader->config.buses[loader->config.bus_count];
		loader->buses[loader->config.bus_count++] = s;
		word_copy(bus->name, sizeof(bus->name), s->argument);
		config_path(doc, s, "device", bus->device, sizeof(bus->device));
		config_flag(doc, s, "echo", &bus->echo);
	}
}

static void read_model(struct config_loader *loader, const struct config_section *section, char path[CONFIG_PATH_SIZE],
		       struct meter_model *model)
{
	struct model_error error = {.text = ""};
	const char *value = config_entry(section, "model")->value;
	int length;
	if (value[0] == '/')
		length = snprintf(path, CONFIG_PATH_SIZE, "%s", value);
	else
		length = snprintf(path, CONFIG_PATH_SIZE, "%s/%s" MODEL_SUFFIX, loader->models_dir, value);
	if (value[0] != '/' && (strchr(value, '/') || value[0] == '.'))
		config_fail(&loader->doc,
			    section,
			    "model",
			    "'%.40s' is neither the name of a file in models_dir without " MODEL_SUFFIX
			    " nor a path from the root",
			    value);
	else if (length < 0 || length >= CONFIG_PATH_SIZE)
		config_fail(
			&loader->doc, section, "model", "the path is too long; at most %d bytes", CONFIG_PATH_SIZE - 1);
	else if (model_load(path, model, &error) != 0)
		config_fail(&loader->doc, section, "model", "%s", error.text);
}

static void read_line(struct config_document *doc, const struct config_section *section, struct line_settings *line)
{
	unsigned parity = line->parity, baud = COUNT(baud_words);
	config_choice(doc, section, "baud", baud_words, COUNT(baud_words), &baud);
	if (baud < COUNT(baud_words))
		line->baud = (unsigned)atoi(baud_words[baud]);
	config_choice(doc, section, "parity", parity_words, PARITY_COUNT, &parity);
	line->parity = (enum meter_parity)parity;
	config_unsigned(doc, section, "data_bits", 7, 8, &line->data_bits);
	if (line->data_bits != 8)
		config_fail(doc, section, "data_bits", "DL/T 645 and Modbus RTU send whole bytes; only 8 works");
	config_unsigned(doc, section, "stop_bits", 1, 2, &line->stop_bits);
}

static void read_address(struct config_document *doc, const struct config_section *section, struct bus_meter *meter)
{
	const char *value = config_entry(section, "address")->value;
	size_t length = strlen(value);
	bool digits = length > 0 && length < sizeof(meter->address) && strspn(value, "0123456789") == length;
	bool modbus = meter->model.protocol == METER_MODBUS_RTU;
	if (modbus && (!digits || length > 3 || value[0] == '0' || atoi(value) > 247))
		config_fail(doc, section, "address", "'%.40s' is not a Modbus address, 1 to 247", value);
	else if (!digits)
		config_fail(doc, section, "address", "'%.40s' is not a DL/T 645 address, 1 to 12 digits", value);
	else
		word_copy(meter->address, sizeof(meter->address), value);
}

static bool find_bus(struct config_loader *loader, const struct config_section *section, unsigned *bus)
{
	const char *name = config_entry(section, "bus")->value;
	for (*bus = 0; *bus < loader->config.bus_count; (*bus)++)
		if (strcmp(loader->config.buses[*bus].name, name) == 0)
			return true;
	config_fail(&loader->doc, section, "bus", "there is no section [bus %.40s]", name);
	return false;
}

/* A number as it stands on the plate, with its leading zeros, is the one that the meter tells without them. */
static void strip_zeros(char *serial)
{
	size_t length = strlen(serial);
	size_t zeros = strspn(serial, "0");
	if (length == 0 || strspn(serial, "0123456789") != length)
		return;
	if (zeros == length)
		zeros--;
	memmove(serial, serial + zeros, length - zeros + 1);
}

static void read_meters(struct config_loader *loader)
{
	struct config_document *doc = &loader->doc;
	for (struct config_section *s = config_next(doc, SECTION_METER, NULL); s;
	     s = config_next(doc, SECTION_METER, s)) {
		struct config_place *place = &loader->places[loader->place_count];
		unsigned bus;
		if (!find_bus(loader, s, &bus))
			return;
		assert(loader->place_count < OUTLETS_MAX && loader->config.buses[bus].meter_count < BUS_METERS_MAX);
		loader->place_count++;
		place->section = s;
		place->meter.bus = bus;
		place->meter.index = loader->config.buses[bus].meter_count++;
		word_copy(place->meter.name, sizeof(place->meter.name), s->argument);
		config_word(doc, s, "serial", place->serial, sizeof(place->serial));
		strip_zeros(place->serial);
		struct bus_meter *meter = &loader->config.buses[bus].meters[place->meter.index];
		read_model(loader, s, place->meter.model_path, &meter->model);
		if (doc->result != 0)
			return;
		meter->line = meter->model.line;
		meter->utc_offset_minutes = meter->model.protocol == METER_DLT645_2007 ? UTC_OFFSET_CHINA : 0;
		read_line(doc, s, &meter->line);
		read_address(doc, s, meter);
		config_utc_offset(doc, s, "utc_offset", &meter->utc_offset_minutes);
	}
}

/* ---- outlets ---- */

static struct config_place *find_meter(struct config_loader *loader, const struct config_section *section)
{
	const char *name = config_entry(section, "meter")->value;
	for (unsigned i = 0; i < loader->place_count; i++) {
		struct config_place *place = &loader->places[i];
		if (strcmp(place->meter.name, name) != 0)
			continue;
		if (place->outlet)
			config_fail(&loader->doc,
				    section,
				    "meter",
				    "meter '%.40s' is used by [%s], line %d, already; each outlet has its own",
				    name,
				    place->outlet->name,
				    place->outlet->line);
		place->outlet = section;
		return place;
	}
	config_fail(&loader->doc, section, "meter", "there is no section [meter %.40s]", name);
	return NULL;
}

static void read_breaker(struct config_loader *loader, const struct config_section *s, struct outlet_config *outlet,
			 struct pins_outlet *pins)
{
	struct config_document *doc = &loader->doc;
	unsigned kind = BREAKER_MONOSTABLE;
	bool release = false;
	config_choice(doc, s, "breaker_kind", kind_words, COUNT(kind_words), &kind);
	config_flag(doc, s, "undervoltage_release", &release);
	config_pin(doc, s, "breaker_pin", is_simulated(loader), &pins->breaker);
	config_pin(doc, s, "contact_pin", is_simulated(loader), &pins->contact);
	outlet->breaker.kind = (enum breaker_kind)kind;
	outlet->breaker.contact_fitted = pins->contact.chip[0] != '\0';
	pins->latching = kind == BREAKER_LATCHING;
	if (pins->breaker.chip[0] == '\0')
		config_fail(doc, s, "breaker_pin", "no outlet is without a breaker; say which output drives it");
	if (!pins->latching)
		return;
	if (!release)
		config_fail(doc,
			    s,
			    "undervoltage_release",
			    "a latching breaker stays closed without power; it needs a release in hardware that opens "
			    "it then: fit one and say yes");
	if (!outlet->breaker.contact_fitted)
		config_fail(doc,
			    s,
			    "contact_pin",
			    "a latching breaker needs its contact: without it nobody can tell after a restart whether "
			    "it is closed");
}

static void read_outlet(struct config_loader *loader, const struct config_section *s, unsigned index)
{
	struct config_document *doc = &loader->doc;
	struct outlet_config *outlet = &loader->config.box.outlets[index];
	struct pins_outlet *pins = &loader->config.pins.outlets[index];
	int64_t rated_w = RATED_W_MIN;
	struct config_place *place = find_meter(loader, s);
	if (!place)
		return;
	loader->outlets[index] = s;
	loader->config.meters[index] = place->meter;
	*outlet = (struct outlet_config){.lock_pulse_ms = LOCK_PULSE_MS, .lock_rest_ms = LOCK_REST_MS};
	outlet->breaker.actuation_ms = ACTUATION_MS;
	outlet->breaker.current_threshold_ma = CURRENT_THRESHOLD_MA;
	outlet->breaker.step_mwh = loader->config.buses[place->meter.bus].meters[place->meter.index].model.step_mwh;
	word_copy(outlet->serial, sizeof(outlet->serial), place->serial);
	config_integer(doc, s, "rated_w", RATED_W_MIN, RATED_W_MAX, &rated_w);
	outlet->rated_mw = rated_w * 1000;
	read_breaker(loader, s, outlet, pins);
	config_numbers(doc, s, outlet_numbers, outlet);
	config_pin(doc, s, "door_pin", is_simulated(loader), &pins->door);
	outlet->door_fitted = pins->door.chip[0] != '\0';
	config_lock(doc, s, "lock", is_simulated(loader), pins->lock);
	read_coil(doc, s, "lock", pins->lock[0] != '\0', outlet_coil, outlet);
}

static void read_outlets(struct config_loader *loader)
{
	struct config_document *doc = &loader->doc;
	unsigned count = 0;
	for (struct config_section *s = config_next(doc, SECTION_OUTLET, NULL); s;
	     s = config_next(doc, SECTION_OUTLET, s))
		count++;
	for (struct config_section *s = config_next(doc, SECTION_OUTLET, NULL); s;
	     s = config_next(doc, SECTION_OUTLET, s)) {
		unsigned number = (unsigned)atoi(s->argument);
		if (number > count) {
			config_fail(doc,
				    s,
				    NULL,
				    "the outlets' numbers have a gap; with %u of them they are 1 to %u",
				    count,
				    count);
			return;
		}
		read_outlet(loader, s, number - 1);
	}
	loader->config.box.outlet_count = count;
	loader->config.pins.outlet_count = count;
}

/* ---- all of it ---- */

static int load(struct config_loader *loader)
{
	struct config_document *doc = &loader->doc;
	if (config_document_read(doc) != 0)
		return doc->result;
	word_copy(loader->config.path, sizeof(loader->config.path), doc->path);
	box_config_defaults(&loader->config.box);
	read_box(loader);
	config_read_server(loader);
	read_buses(loader);
	if (doc->result == 0)
		read_meters(loader);
	if (doc->result == 0)
		read_outlets(loader);
	return doc->result == 0 ? config_check(loader) : doc->result;
}

int config_load(const char *path, struct config *config, struct config_error *error)
{
	struct config_loader *loader = calloc(1, sizeof(*loader));
	error->text[0] = '\0';
	if (!loader) {
		snprintf(error->text, sizeof(error->text), "%s: no memory to read it", path);
		return -ENOMEM;
	}
	loader->doc.path = path;
	loader->doc.error = error;
	int result = load(loader);
	if (result == 0)
		*config = loader->config;
	config_document_free(&loader->doc);
	free(loader);
	return result;
}
