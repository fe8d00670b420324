/* Tests src/daemon's configuration and log: the shipped sample, every refusal with its place in the file, what is
 * printed, what needs a restart, thousands of damaged files, and the lines of the log. argv[1]: the folder etc. */
#include <check.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "config_internal.h"
#include "log.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TEXT_SIZE (CONFIG_FILE_MAX + 4096)
#define MARK '@' /* in a case's text: the line that must be told */
#define MUTATIONS 10000

/* ck_assert() writes to a pipe each time; this one speaks only when something is wrong. */
#define REQUIRE(condition, ...)                                                                                        \
	do {                                                                                                           \
		if (!(condition))                                                                                      \
			ck_abort_msg(__VA_ARGS__);                                                                     \
	} while (0)

static char folder[] = "/tmp/test_config.XXXXXX"; /* with box.conf, and models: a link */
static char path[64], models[64];
static char sample[TEXT_SIZE]; /* etc/meterboxd.conf, with the models of this checkout */
static char manual[TEXT_SIZE]; /* meterboxd.conf(5) */
static struct config config, other;
static struct config_error error;

static const char base[] = "# a site with two of everything\n"
			   "[box]\n"
			   "id = box-1\n"
			   "state_dir = /var/lib/here\n"
			   "models_dir = MODELS\n"
			   "metering_door = !chip:1\n"
			   "metering_lock = metering\n"
			   "metering_lock_pulse_ms = 400\n"
			   "metering_lock_rest_ms = 4000\n"
			   "\n"
			   "[limits]\n"
			   "meter_late_ms = 20000\n"
			   "meter_silent_ms = 50000\n"
			   "[bus a]\n"
			   "device = /dev/ttyS0\n"
			   "[bus b]\n"
			   "device = /dev/ttyS1\n"
			   "[meter one]\n"
			   "bus = a\n"
			   "model = dlt645-2007\n"
			   "address = 001234\n"
			   "serial = 1234\n"
			   "[meter two]\n"
			   "bus = b\n"
			   "model = sdm120\n"
			   "address = 7\n"
			   "[outlet 1]\n"
			   "meter = one\n"
			   "rated_w = 7000\n"
			   "breaker_kind = monostable\n"
			   "breaker_pin = chip:2\n"
			   "lock = lock-1\n"
			   "lock_pulse_ms = 300\n"
			   "lock_rest_ms = 3000\n"
			   "[outlet 2]\n"
			   "meter = two\n"
			   "rated_w = 3500\n"
			   "breaker_kind = latching\n"
			   "undervoltage_release = yes\n"
			   "breaker_pin = other:chip:3\n"
			   "contact_pin = !chip:4\n"
			   "breaker_actuation_ms = 80\n"
			   "door_pin = chip:5\n"
			   "lock = lock-2\n";

/* ---- files ---- */

/* A new file each time: a file system may make a truncated one wait for the disk. */
static void write_bytes(const char *bytes, size_t size)
{
	REQUIRE(unlink(path) == 0 || errno == ENOENT, "cannot remove %s", path);
	FILE *file = fopen(path, "w");
	REQUIRE(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0, "cannot write %s", path);
}

static int load_text(const char *text, struct config *loaded)
{
	write_bytes(text, strlen(text));
	memset(&error, 0, sizeof(error));
	return config_load(path, loaded, &error);
}

/* text with the first find replaced; find must be there. */
static void replace(char *text, size_t size, const char *find, const char *with)
{
	char *at = strstr(text, find);
	REQUIRE(at, "'%s' is not in the file", find);
	size_t tail = strlen(at + strlen(find)) + 1;
	REQUIRE((size_t)(at - text) + strlen(with) + tail <= size, "the file grows too long");
	memmove(at + strlen(with), at + strlen(find), tail);
	memcpy(at, with, strlen(with));
}

static char *base_text(void)
{
	static char text[TEXT_SIZE];
	memcpy(text, base, sizeof(base));
	replace(text, sizeof(text), "MODELS", models);
	return text;
}

static void load_base(struct config *loaded)
{
	REQUIRE(load_text(base_text(), loaded) == 0, "%s", error.text);
}

static void load_changed(struct config *loaded, const char *find, const char *with)
{
	char *text = base_text();
	replace(text, TEXT_SIZE, find, with);
	REQUIRE(load_text(text, loaded) == 0, "%s", error.text);
}

static void read_whole(const char *etc, const char *file, char text[TEXT_SIZE])
{
	char name[4096];
	snprintf(name, sizeof(name), "%s/%s", etc, file);
	FILE *from = fopen(name, "r");
	size_t size = from ? fread(text, 1, TEXT_SIZE - 1, from) : 0;
	if (from)
		fclose(from);
	REQUIRE(size > 0 && size < TEXT_SIZE - 1, "cannot read %s", name);
	text[size] = '\0';
}

static void read_etc(const char *etc)
{
	char line[256];
	snprintf(line, sizeof(line), "models_dir = %s", models);
	read_whole(etc, "meterboxd.conf", sample);
	read_whole(etc, "man/meterboxd.conf.5", manual);
	replace(sample, sizeof(sample), "#models_dir = /usr/share/meterbox/models", line);
}

/* ---- what is accepted ---- */

START_TEST(sample_loads)
{
	REQUIRE(load_text(sample, &config) == 0, "%s", error.text);
	ck_assert_str_eq(config.path, path);
	ck_assert_str_eq(config.box.box, "box-1");
	ck_assert_uint_eq(config.box.outlet_count, 2);
	ck_assert_uint_eq(config.bus_count, 1);
	ck_assert_uint_eq(config.buses[0].meter_count, 2);
	ck_assert_int_eq(config.buses[0].meters[0].model.protocol, METER_DLT645_2007);
	ck_assert_int_eq(config.buses[0].meters[1].model.protocol, METER_MODBUS_RTU);
	ck_assert_int_eq(config.box.outlets[0].breaker.kind, BREAKER_MONOSTABLE);
	ck_assert_int_eq(config.box.outlets[1].breaker.kind, BREAKER_LATCHING);
	ck_assert(config.box.outlets[0].door_fitted && !config.box.outlets[1].door_fitted);
	ck_assert(config.box.metering_door_fitted);
	ck_assert_str_eq(config.server.url, "https://ops.example.org");
	ck_assert(config.server.secure && !config.box.uplink.disabled);
}
END_TEST

/* The plate shows leading zeros, the meter's answer is told without them. */
START_TEST(serial_as_on_the_plate)
{
	load_changed(&config, "serial = 1234", "serial = 000000001234");
	ck_assert_str_eq(config.box.outlets[0].serial, "1234");
	load_changed(&config, "serial = 1234", "serial = 0000");
	ck_assert_str_eq(config.box.outlets[0].serial, "0");
	load_changed(&config, "serial = 1234", "serial = 00A1");
	ck_assert_str_eq(config.box.outlets[0].serial, "00A1");
}
END_TEST

/* Its models stand beside it in the tree, wherever that is. */
START_TEST(simulated_box_loads)
{
	char name[4096];
	snprintf(name, sizeof(name), "%s/../boxsim/box.conf", models);
	REQUIRE(config_load(name, &config, &error) == 0, "%s", error.text);
	ck_assert_uint_eq(config.box.outlet_count, 2);
	ck_assert_str_ne(config.pins.socket, "");
}
END_TEST

/* Every line that the sample shows behind '#' is its default: taken in, it changes nothing. */
START_TEST(sample_shows_defaults)
{
	static const char *const not_defaults[] = {"#control_group", "#serial", "#undervoltage_release"};
	static char text[TEXT_SIZE];
	REQUIRE(load_text(sample, &config) == 0, "%s", error.text);
	memcpy(text, sample, sizeof(text));
	unsigned taken = 0;
	for (char *at = strstr(text, "\n#"); at; at = strstr(at + 1, "\n#")) {
		bool assignment = at[2] >= 'a' && at[2] <= 'z';
		for (size_t i = 0; i < COUNT(not_defaults); i++)
			assignment = assignment && strncmp(at + 1, not_defaults[i], strlen(not_defaults[i])) != 0;
		if (assignment) {
			at[1] = ' ';
			taken++;
		}
	}
	REQUIRE(taken >= 20, "only %u defaults were found", taken);
	REQUIRE(load_text(text, &other) == 0, "%s", error.text);
	REQUIRE(!config_needs_restart(&config, &other), "%s", config_needs_restart(&config, &other));
	ck_assert_int_eq(config.box.meter_late_ms, other.box.meter_late_ms);
	ck_assert_int_eq(config.box.meter_silent_ms, other.box.meter_silent_ms);
	ck_assert_int_eq(config.box.metering_grant_ms, other.box.metering_grant_ms);
	ck_assert_int_eq(config.box.input_settle_ms, other.box.input_settle_ms);
	ck_assert_int_eq(config.box.settle_ms, other.box.settle_ms);
	ck_assert_int_eq(config.box.resume_window_ms, other.box.resume_window_ms);
	ck_assert_int_eq(config.box.boot_wait_ms, other.box.boot_wait_ms);
	ck_assert_int_eq(config.box.mark_ms, other.box.mark_ms);
	ck_assert_int_eq(config.box.service_ms, other.box.service_ms);
	ck_assert_int_eq(config.log_level, other.log_level);
	ck_assert_int_eq(config.local_sessions, other.local_sessions);
	ck_assert_int_eq(config.trust_system_clock, other.trust_system_clock);
	ck_assert_mem_eq(&config.box.uplink, &other.box.uplink, sizeof(config.box.uplink));
}
END_TEST

/* Every key is in the sample and in the manual, there in its own section. */
START_TEST(keys_are_documented)
{
	static const char *const headings[SECTION_KIND_COUNT] = {"\n.SH [box]\n",
								 "\n.SH [limits]\n",
								 "\n.SH [server]\n",
								 "\n.SH [bus NAME]\n",
								 "\n.SH [meter NAME]\n",
								 "\n.SH [outlet N]\n"};
	char wanted[64];
	for (unsigned kind = 0; kind < SECTION_KIND_COUNT; kind++) {
		const char *section = strstr(manual, headings[kind]);
		REQUIRE(section, "the manual has no%s", headings[kind]);
		const char *end = strstr(section + 1, "\n.SH ");
		for (const struct config_key *key = config_keys((enum config_kind)kind); key->name; key++) {
			snprintf(wanted, sizeof(wanted), "\n.TP\n.B %s\n", key->name);
			const char *at = strstr(section, wanted);
			REQUIRE(at && at < end, "the manual does not tell of %s", key->name);
			snprintf(wanted, sizeof(wanted), "\n%s = ", key->name);
			bool shown = strstr(sample, wanted);
			snprintf(wanted, sizeof(wanted), "\n#%s = ", key->name);
			REQUIRE(shown || strstr(sample, wanted), "the sample does not show %s", key->name);
		}
	}
}
END_TEST

START_TEST(values_in_their_places)
{
	load_base(&config);
	ck_assert_str_eq(config.state_dir, "/var/lib/here");
	ck_assert_int_eq(config.box.meter_late_ms, 20000);
	ck_assert_int_eq(config.box.metering_lock_pulse_ms, 400);
	ck_assert_int_eq(config.box.metering_lock_rest_ms, 4000);
	ck_assert_str_eq(config.pins.metering_door.chip, "chip");
	ck_assert_str_eq(config.pins.metering_door.line, "1");
	ck_assert(config.pins.metering_door.active_low);
	ck_assert_str_eq(config.pins.metering_lock, "metering");
	ck_assert_uint_eq(config.pins.outlet_count, 2);
	ck_assert_str_eq(config.pins.outlets[1].breaker.chip, "other:chip");
	ck_assert_str_eq(config.pins.outlets[1].breaker.line, "3");
	ck_assert(!config.pins.outlets[1].breaker.active_low && config.pins.outlets[1].contact.active_low);
	ck_assert(!config.pins.outlets[0].latching && config.pins.outlets[1].latching);
	ck_assert_str_eq(config.pins.outlets[1].lock, "lock-2");
	const struct outlet_config *first = &config.box.outlets[0], *second = &config.box.outlets[1];
	ck_assert_int_eq(first->rated_mw, 7000000);
	ck_assert(!first->breaker.contact_fitted && !first->door_fitted);
	ck_assert(second->breaker.contact_fitted && second->door_fitted);
	ck_assert_int_eq(first->lock_pulse_ms, 300);
	ck_assert_int_eq(first->lock_rest_ms, 3000);
	ck_assert_int_eq(second->breaker.actuation_ms, 80);
	ck_assert_str_eq(first->serial, "1234");
	ck_assert_str_eq(second->serial, "");
	ck_assert_int_eq(first->breaker.step_mwh, config.buses[0].meters[0].model.step_mwh);
	ck_assert_int_eq(second->breaker.step_mwh, config.buses[1].meters[0].model.step_mwh);
	ck_assert_str_eq(config.meters[1].name, "two");
	ck_assert_uint_eq(config.meters[1].bus, 1);
	ck_assert_uint_eq(config.meters[1].index, 0);
	ck_assert_str_eq(config.buses[1].name, "b");
	ck_assert_str_eq(config.buses[1].device, "/dev/ttyS1");
	ck_assert_str_eq(config.buses[0].meters[0].address, "001234");
	int64_t a_ms = bus_cycle_ms(&config.buses[0]), b_ms = bus_cycle_ms(&config.buses[1]);
	ck_assert_int_eq(config.box.reading_age_ms, a_ms > b_ms ? a_ms : b_ms);
}
END_TEST

START_TEST(defaults)
{
	struct box_config wanted;
	box_config_defaults(&wanted);
	load_base(&config);
	ck_assert_str_eq(config.control_socket, "/run/meterbox/control");
	ck_assert_str_eq(config.control_group, "");
	ck_assert_str_eq(config.pins.socket, "");
	ck_assert_str_eq(config.box.version, "");
	ck_assert_int_eq(config.log_level, LOG_LEVEL_INFO);
	ck_assert(!config.local_sessions && !config.trust_system_clock && !config.box.insecure_commands);
	ck_assert_int_eq(config.box.metering_grant_ms, wanted.metering_grant_ms);
	ck_assert_int_eq(config.box.input_settle_ms, wanted.input_settle_ms);
	ck_assert_int_eq(config.box.settle_ms, wanted.settle_ms);
	ck_assert_int_eq(config.box.resume_window_ms, wanted.resume_window_ms);
	ck_assert_int_eq(config.box.boot_wait_ms, wanted.boot_wait_ms);
	ck_assert_int_eq(config.box.mark_ms, wanted.mark_ms);
	ck_assert_int_eq(config.box.service_ms, wanted.service_ms);
	ck_assert(config.box.uplink.disabled);
	ck_assert_str_eq(config.server.url, "");
	ck_assert_int_eq(config.box.outlets[0].breaker.actuation_ms, 200);
	ck_assert_int_eq(config.box.outlets[0].breaker.current_threshold_ma, 50);
	ck_assert_int_eq(config.box.outlets[1].lock_pulse_ms, 500);
	ck_assert_int_eq(config.box.outlets[1].lock_rest_ms, 5000);
	ck_assert_int_eq(config.buses[0].meters[0].utc_offset_minutes, 480);
	ck_assert_int_eq(config.buses[1].meters[0].utc_offset_minutes, 0);
	ck_assert_uint_eq(config.buses[0].meters[0].line.baud, config.buses[0].meters[0].model.line.baud);
	ck_assert(!config.buses[0].echo);
}
END_TEST

START_TEST(choices)
{
	load_changed(&config,
		     "[limits]",
		     "control_socket = /run/c\ncontrol_group = technicians\nlog_level = debug\nlocal_sessions = yes\n"
		     "trust_system_clock = yes\ninsecure_commands = yes\n[limits]");
	ck_assert_str_eq(config.control_socket, "/run/c");
	ck_assert_str_eq(config.control_group, "technicians");
	ck_assert_int_eq(config.log_level, LOG_LEVEL_DEBUG);
	ck_assert(config.local_sessions && config.trust_system_clock && config.box.insecure_commands);
	load_changed(&config,
		     "address = 7\n",
		     "address = 7\nbaud = 4800\nparity = odd\ndata_bits = 8\nstop_bits = 2\nutc_offset = -03:30\n");
	const struct bus_meter *meter = &config.buses[1].meters[0];
	ck_assert_uint_eq(meter->line.baud, 4800);
	ck_assert_int_eq(meter->line.parity, PARITY_ODD);
	ck_assert_uint_eq(meter->line.data_bits, 8);
	ck_assert_uint_eq(meter->line.stop_bits, 2);
	ck_assert_int_eq(meter->utc_offset_minutes, -210);
	load_changed(&config, "device = /dev/ttyS1", "device = /dev/ttyS1\necho = yes");
	ck_assert(!config.buses[0].echo && config.buses[1].echo);
}
END_TEST

#define SERVER                                                                                                         \
	"[server]\n"                                                                                                   \
	"url = https://ops.example.org:8443/box/\n"                                                                    \
	"token_file = /etc/token\n"                                                                                    \
	"ca_file = /etc/ca.pem\n"                                                                                      \
	"command_key_file = /etc/key.pem\n"

START_TEST(server)
{
	struct box_config wanted;
	box_config_defaults(&wanted);
	load_changed(&config, "[limits]", SERVER "[limits]");
	ck_assert(config.server.secure && !config.box.uplink.disabled);
	ck_assert_str_eq(config.server.url, "https://ops.example.org:8443/box");
	ck_assert_str_eq(config.server.token_file, "/etc/token");
	ck_assert_str_eq(config.server.ca_file, "/etc/ca.pem");
	ck_assert_str_eq(config.server.command_key_file, "/etc/key.pem");
	ck_assert_int_eq(config.box.uplink.heartbeat_ms, 240000);
	ck_assert_int_eq(config.box.uplink.backoff_min_ms, wanted.uplink.backoff_min_ms);
	ck_assert_int_eq(config.box.uplink.backoff_max_ms, wanted.uplink.backoff_max_ms);
	ck_assert_int_eq(config.box.uplink.post_timeout_ms, wanted.uplink.post_timeout_ms);
	ck_assert_int_eq(config.box.uplink.progress_ms, wanted.uplink.progress_ms);
	load_changed(&config,
		     "[limits]",
		     SERVER "heartbeat_s = 10\nbackoff_min_ms = 100\nbackoff_max_ms = 1000\npost_timeout_ms = 1001\n"
			    "progress_ms = 500\n[limits]");
	ck_assert_int_eq(config.box.uplink.heartbeat_ms, 10000);
	ck_assert_int_eq(config.box.uplink.backoff_min_ms, 100);
	ck_assert_int_eq(config.box.uplink.backoff_max_ms, 1000);
	ck_assert_int_eq(config.box.uplink.post_timeout_ms, 1001);
	ck_assert_int_eq(config.box.uplink.progress_ms, 500);
}
END_TEST

/* Only what cannot leave this machine may go without TLS. */
START_TEST(server_urls)
{
	static const struct {
		const char *url;
		bool good;
		bool secure;
	} urls[] = {
		{"https://a", true, true},
		{"https://a.b-c.example:1", true, true},
		{"https://10.1.2.3:65535/x/y_z~", true, true},
		{"https://[fe80::1]:443", true, true},
		{"http://127.0.0.1", true, false},
		{"http://127.9.8.7:80/x", true, false},
		{"http://localhost:8080/", true, false},
		{"http://[::1]:8080", true, false},
		{"http://127.0.0.1.example.org", false, false},
		{"http://128.0.0.1", false, false},
		{"http://127.1", false, false},
		{"http://0x7f000001", false, false},
		{"http://localhost.example.org", false, false},
		{"http://[::2]", false, false},
		{"http://[::ffff:127.0.0.1]", false, false},
		{"http://10.0.0.1", false, false},
		{"http://ops.example.org", false, false},
		{"https://", false, true},
		{"https:///x", false, true},
		{"https://a:0", false, true},
		{"https://a:65536", false, true},
		{"https://a:", false, true},
		{"https://a:1x", false, true},
		{"https://a?b", false, true},
		{"https://a/x?b=c", false, true},
		{"https://a/#x", false, true},
		{"https://a//x", false, true},
		{"https://a/../x", false, true},
		{"https://user@a", false, true},
		{"https://user:password@a", false, true},
		{"https://a\\b", false, true},
		{"https://a b", false, true},
		{"https://[::1", false, true},
		{"https://[]", false, true},
		{"https://-a", false, true},
		{"ftp://a", false, false},
		{"HTTPS://a", false, false},
		{"a.example.org", false, false},
		{"//a", false, false},
	};
	char with[512];
	for (size_t i = 0; i < COUNT(urls); i++) {
		char *text = base_text();
		snprintf(with,
			 sizeof(with),
			 "[server]\nurl = %s\ntoken_file = /t\nca_file = /c\ncommand_key_file = /k\n[limits]",
			 urls[i].url);
		replace(text, TEXT_SIZE, "[limits]", with);
		int result = load_text(text, &config);
		REQUIRE((result == 0) == urls[i].good, "%s: %s", urls[i].url, error.text);
		if (result == 0)
			REQUIRE(config.server.secure == urls[i].secure, "%s", urls[i].url);
		else
			REQUIRE(strstr(error.text, ":12: [server] url: "), "%s: %s", urls[i].url, error.text);
	}
}
END_TEST

/* Its name is part of what is called. */
START_TEST(server_knows_the_box)
{
	char *text = base_text();
	replace(text, TEXT_SIZE, "id = box-1", "id = box 1");
	REQUIRE(load_text(text, &config) == 0, "%s", error.text);
	replace(text, TEXT_SIZE, "[limits]", SERVER "[limits]");
	ck_assert_int_eq(load_text(text, &config), -EINVAL);
	REQUIRE(strstr(error.text, ":3: [box] id: 'box 1' is no name for a server; only letters"), "%s", error.text);
}
END_TEST

/* What proves the server and its commands may be left out where nothing is to be proved. */
START_TEST(server_without_proofs)
{
	load_changed(&config,
		     "[limits]",
		     "insecure_commands = yes\n[server]\nurl = http://localhost:8080\ntoken_file = /t\n[limits]");
	ck_assert(!config.server.secure && !config.box.uplink.disabled);
	ck_assert_str_eq(config.server.ca_file, "");
	ck_assert_str_eq(config.server.command_key_file, "");
}
END_TEST

static void socket_text(char *text)
{
	replace(text, TEXT_SIZE, "!chip:1\n", "yes\npins = socket:/run/sim/pins\n");
	replace(text, TEXT_SIZE, "metering_lock = metering", "metering_lock = yes");
	replace(text, TEXT_SIZE, "= chip:2", "= yes");
	replace(text, TEXT_SIZE, "= other:chip:3", "= yes");
	replace(text, TEXT_SIZE, "= !chip:4", "= yes");
	replace(text, TEXT_SIZE, "= chip:5", "= no");
	replace(text, TEXT_SIZE, "= lock-1", "= yes");
	replace(text, TEXT_SIZE, "lock = lock-2", "lock = no");
}

START_TEST(simulated_box)
{
	char *text = base_text();
	socket_text(text);
	REQUIRE(load_text(text, &config) == 0, "%s", error.text);
	ck_assert_str_eq(config.pins.socket, "/run/sim/pins");
	ck_assert_str_eq(config.pins.metering_door.chip, "socket");
	ck_assert_str_eq(config.pins.metering_door.line, "-");
	ck_assert(config.box.metering_door_fitted);
	ck_assert_str_ne(config.pins.metering_lock, "");
	ck_assert_str_eq(config.pins.outlets[1].contact.chip, "socket");
	ck_assert(config.box.outlets[1].breaker.contact_fitted && !config.box.outlets[0].breaker.contact_fitted);
	ck_assert(!config.box.outlets[1].door_fitted);
	ck_assert_str_eq(config.pins.outlets[1].door.chip, "");
	ck_assert_str_ne(config.pins.outlets[0].lock, "");
	ck_assert_str_eq(config.pins.outlets[1].lock, "");
}
END_TEST

START_TEST(simulated_box_has_no_chips)
{
	char *text = base_text();
	socket_text(text);
	replace(text, TEXT_SIZE, "breaker_pin = yes", "breaker_pin = chip:2");
	ck_assert_int_eq(load_text(text, &config), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, "[outlet 1] breaker_pin: 'chip:2' is neither yes nor no"));
}
END_TEST

START_TEST(sockets_apart)
{
	char *text = base_text();
	socket_text(text);
	replace(text, TEXT_SIZE, "pins = ", "control_socket = /run/sim/pins\npins = ");
	ck_assert_int_eq(load_text(text, &config), -EINVAL);
	REQUIRE(strstr(error.text, ":7: [box] control_socket: the simulated box's pins have the same path"),
		"%s",
		error.text);
}
END_TEST

START_TEST(sections_in_any_order)
{
	char *text = base_text();
	replace(text, TEXT_SIZE, "[outlet 1]", "[outlet X]");
	replace(text, TEXT_SIZE, "[outlet 2]", "[outlet 1]");
	replace(text, TEXT_SIZE, "[outlet X]", "[outlet 2]");
	REQUIRE(load_text(text, &config) == 0, "%s", error.text);
	ck_assert_str_eq(config.meters[0].name, "two");
	ck_assert_int_eq(config.box.outlets[0].rated_mw, 3500000);
	ck_assert_str_eq(config.box.outlets[0].serial, "");
	ck_assert_str_eq(config.box.outlets[1].serial, "1234");
}
END_TEST

START_TEST(model_by_path)
{
	char with[128], wanted[96];
	snprintf(wanted, sizeof(wanted), "%s/sdm120.ini", models);
	snprintf(with, sizeof(with), "model = %s", wanted);
	load_changed(&config, "model = sdm120", with);
	ck_assert_str_eq(config.meters[1].model_path, wanted);
}
END_TEST

START_TEST(model_path_too_long)
{
	char with[256], *text = base_text();
	size_t used = (size_t)sprintf(with, "models_dir = /");
	for (; used < 190; used += 2)
		memcpy(with + used, "./", 3);
	memmove(strstr(text, models),
		strchr(strstr(text, models), '\n'),
		strlen(strchr(strstr(text, models), '\n')) + 1);
	replace(text, TEXT_SIZE, "models_dir = ", with);
	memset(with, 'x', 150);
	memcpy(with, "model = ", strlen("model = "));
	with[150] = '\0';
	replace(text, TEXT_SIZE, "model = dlt645-2007", with);
	ck_assert_int_eq(load_text(text, &config), -EINVAL);
	REQUIRE(strstr(error.text, ":20: [meter one] model: the path is too long; at most 255 bytes"),
		"%s",
		error.text);
}
END_TEST

/* What editors leave in files: a mark of the byte order, other line ends, indentation, no newline at the end. */
START_TEST(editors)
{
	static char text[TEXT_SIZE];
	size_t used = (size_t)sprintf(text, "\xef\xbb\xbf");
	const char *from = base_text();
	for (; from[0] != '\0' && from[1] != '\0'; from++) {
		if (*from == '\n')
			text[used++] = '\r';
		text[used++] = *from;
		if (*from == '\n' && from[1] != '[')
			used += (size_t)sprintf(text + used, " \t");
	}
	text[used] = '\0';
	REQUIRE(load_text(text, &config) == 0, "%s", error.text);
	ck_assert_str_eq(config.pins.outlets[1].lock, "lock-2");
	load_changed(&config, "id = box-1", "id = box-1 ; \xe4\xb8\x80\xe5\x8f\xb7");
	ck_assert_str_eq(config.box.box, "box-1");
}
END_TEST

/* ---- what is refused ---- */

#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10
#define X110 X50 X50 X10

static const struct {
	const char *find, *with; /* in the base; MARK stands on the line that must be told, and is taken out */
	const char *place;
	const char *says;
} refusals[] = {
	/* sections and keys */
	{"[limits]", "[limit]@", "[limit]: ", "did you mean [limits]?"},
	{"[outlet 2]", "[outlet2]@", "[outlet2]: ", "did you mean [outlet N]?"},
	{"[limits]", "[weather]@\n[limits]", "[weather]: ", "unknown section; known are [box]"},
	{"[limits]", "[box]@\n[limits]", "[box]: ", "there already, in line 2"},
	{"[limits]", "[limits]\n[limits]@", "[limits]: ", "there already, in line 11"},
	{"[bus b]", "[bus  a]@", "[bus  a]: ", "there already, in line 14"},
	{"[outlet 2]", "[outlet 1]@", "[outlet 1]: ", "there already"},
	{"[box]\n", "[box] id = 1@\n", "", "after [NAME] nothing but a comment"},
	{"[box]\n", "[box@\n", "", "']' is missing"},
	{"[bus b]", "[bus " X50 "]@", "", "name is too long; at most 48"},
	{"[bus b]", "[bus xxx" X10 X10 X10 "]@", "[bus x", "1 to 32 letters"},
	{"[bus b]", "[bus b c]@", "[bus b c]: ", "letters, digits"},
	{"[bus b]", "[bus]@", "[bus]: ", "[bus NAME]"},
	{"[bus b]", "[bus \x80]@", "", "printable ASCII"},
	{"[outlet 2]", "[outlet 17]@", "[outlet 17]: ", "N from 1 to 16"},
	{"[outlet 2]", "[outlet 0]@", "[outlet 0]: ", "N from 1 to 16"},
	{"[outlet 2]", "[outlet 02]@", "[outlet 02]: ", "N from 1 to 16"},
	{"[outlet 2]", "[outlet 3]@", "[outlet 3]: ", "gap; with 2 of them they are 1 to 2"},
	{"[bus a]", "[bus c]\n[bus d]\n[bus e]\n[bus f]\n[bus g]@\n[bus a]", "[bus g]: ", "at most 4"},
	{"rated_w = 7000", "rated_kw = 7@", "[outlet 1] rated_kw: ", "unknown key; did you mean rated_w?"},
	{"rated_w = 7000", "colour = red@", "[outlet 1] colour: ", "unknown key; meterboxd.conf(5)"},
	{"rated_w = 7000", "rated_w = 7000\nrated_w = 7000@", "[outlet 1] rated_w: ", "given twice, first in line 29"},
	{"rated_w = 7000", "rated_w =@", "[outlet 1] rated_w: ", "has no value"},
	{"rated_w = 7000", "rated_w@", "", "KEY = VALUE"},
	{"[limits]\n", "[limits]\nonly words@\nfoo = 1\n", "", "KEY = VALUE"},
	{"# a site with two of everything", "id = 1@", "", "before the first section"},
	{"id = box-1", "id = box\x01@", "", "control character (code 1)"},
	{"id = box-1", "id = \xe4\xb8\x80@", "[box] id: ", "printable ASCII"},
	{"id = box-1", "\xe4\xb8\x80 = box@", "", "printable ASCII"},
	{"state_dir = /var/lib/here", "state_dir = /" X110 X50 X50 "@", "", "line is too long; at most 198"},
	{"[limits]", "[serve]@\n[limits]", "[serve]: ", "did you mean [server]?"},
	{"[limits]", SERVER "urls = x@\n[limits]", "[server] urls: ", "did you mean url?"},
	/* what must be there */
	{"[limits]", "[server]@\ntoken_file = /t\n[limits]", "[server] url: ", "is missing"},
	{"[limits]", "[server]@\nurl = http://localhost\n[limits]", "[server] token_file: ", "is missing"},
	{"[limits]",
	 "[server]@\nurl = https://a\ntoken_file = /t\ncommand_key_file = /k\n[limits]",
	 "[server] ca_file: ",
	 "is missing; it gives the CA"},
	{"[limits]",
	 "[server]@\nurl = https://a\ntoken_file = /t\nca_file = /c\n[limits]",
	 "[server] command_key_file: ",
	 "is missing; it gives the public key"},
	{"[box]\nid = box-1\n", "[box]@\n", "[box] id: ", "is missing"},
	{"[bus a]\ndevice = /dev/ttyS0\n", "[bus a]@\n", "[bus a] device: ", "is missing"},
	{"[meter one]\nbus = a\n", "[meter one]@\n", "[meter one] bus: ", "is missing"},
	{"[meter two]\nbus = b\nmodel = sdm120\n", "[meter two]@\nbus = b\n", "[meter two] model: ", "is missing"},
	{"[meter two]\nbus = b\nmodel = sdm120\naddress = 7\n",
	 "[meter two]@\nbus = b\nmodel = sdm120\n",
	 "[meter two] address: ",
	 "is missing"},
	{"[outlet 1]\nmeter = one\n", "[outlet 1]@\n", "[outlet 1] meter: ", "is missing"},
	{"[outlet 1]\nmeter = one\nrated_w = 7000\n",
	 "[outlet 1]@\nmeter = one\n",
	 "[outlet 1] rated_w: ",
	 "is missing"},
	{"[outlet 2]\nmeter = two\nrated_w = 3500\nbreaker_kind = latching\n",
	 "[outlet 2]@\nmeter = two\nrated_w = 3500\n",
	 "[outlet 2] breaker_kind: ",
	 "is missing"},
	{"[outlet 2]\nmeter = two\nrated_w = 3500\nbreaker_kind = latching\nundervoltage_release = yes\n"
	 "breaker_pin = other:chip:3\n",
	 "[outlet 2]@\nmeter = two\nrated_w = 3500\nbreaker_kind = latching\nundervoltage_release = yes\n",
	 "[outlet 2] breaker_pin: ",
	 "is missing"},
	/* values */
	{"[limits]", "[server]\nurl = http://a@\ntoken_file = /t\n[limits]", "[server] url: ", "use https://"},
	{"[limits]", "[server]\nurl = x@\ntoken_file = /t\n[limits]", "[server] url: ", "'x' is not https://HOST"},
	{"[limits]",
	 "[server]\nurl = https://a\ntoken_file = t@\n[limits]",
	 "[server] token_file: ",
	 "not a path from the root"},
	{"[limits]", SERVER "heartbeat_s = 9@\n[limits]", "[server] heartbeat_s: ", "from 10 to 3600"},
	{"[limits]", SERVER "heartbeat_s = 3601@\n[limits]", "[server] heartbeat_s: ", "from 10 to 3600"},
	{"[limits]", SERVER "backoff_min_ms = 99@\n[limits]", "[server] backoff_min_ms: ", "from 100 to 60000"},
	{"[limits]", SERVER "backoff_max_ms = 999@\n[limits]", "[server] backoff_max_ms: ", "from 1000 to 3600000"},
	{"[limits]", SERVER "post_timeout_ms = 999@\n[limits]", "[server] post_timeout_ms: ", "from 1000 to 300000"},
	{"[limits]", SERVER "progress_ms = 499@\n[limits]", "[server] progress_ms: ", "from 500 to 600000"},
	{"[limits]",
	 SERVER "backoff_min_ms = 5000\nbackoff_max_ms = 4000@\n[limits]",
	 "[server] backoff_max_ms: ",
	 "less than backoff_min_ms, 5000"},
	{"id = box-1", "id = a\"b@", "[box] id: ", "1 to 32 printable characters"},
	{"id = box-1", "id = xxx" X10 X10 X10 "@", "[box] id: ", "1 to 32 printable characters"},
	{"state_dir = /var", "state_dir = var@", "[box] state_dir: ", "not a path from the root"},
	{"[limits]", "control_socket = /" X50 X50 "xxxxxxx@\n[limits]", "[box] control_socket: ", "at most 107 bytes"},
	{"[limits]", "control_socket = run@\n[limits]", "[box] control_socket: ", "not a path from the root"},
	{"[limits]", "control_group = xxx" X10 X10 X10 "@\n[limits]", "[box] control_group: ", "1 to 32"},
	{"[limits]", "log_level = loud@\n[limits]", "[box] log_level: ", "error, warning, info, debug"},
	{"[limits]", "local_sessions = true@\n[limits]", "[box] local_sessions: ", "neither yes nor no"},
	{"[limits]", "trust_system_clock = 1@\n[limits]", "[box] trust_system_clock: ", "neither yes nor no"},
	{"[limits]", "insecure_commands = Yes@\n[limits]", "[box] insecure_commands: ", "neither yes nor no"},
	{"models_dir = /", "models_dir = @", "[box] models_dir: ", "not a path from the root"},
	{"metering_lock = metering\nmetering_lock_pulse_ms = 400",
	 "metering_lock = no\nmetering_lock_pulse_ms = 400@",
	 "[box] metering_lock_pulse_ms: ",
	 "there is no metering_lock"},
	{"metering_lock_pulse_ms = 400",
	 "metering_lock_pulse_ms = 9@",
	 "[box] metering_lock_pulse_ms: ",
	 "10 to 10000"},
	{"metering_lock_rest_ms = 4000",
	 "metering_lock_rest_ms = 399@",
	 "[box] metering_lock_rest_ms: ",
	 "shorter than"},
	{"[limits]", "pins = spi@\n[limits]", "[box] pins: ", "neither gpio nor socket:PATH"},
	{"[limits]", "pins = socket:run@\n[limits]", "[box] pins: ", "neither gpio nor socket:PATH"},
	{"[limits]", "pins = socket:/" X50 X50 "xxxxxxx@\n[limits]", "[box] pins: ", "at most 107 bytes"},
	{"= !chip:1", "= yes@", "[box] metering_door: ", "name the line as CHIP:LINE"},
	{"= !chip:1", "= chip@", "[box] metering_door: ", "not CHIP:LINE"},
	{"= !chip:1", "= chip:@", "[box] metering_door: ", "not CHIP:LINE"},
	{"= !chip:1", "= !:1@", "[box] metering_door: ", "not CHIP:LINE"},
	{"= !chip:1", "= chip:" X50 X10 "xxxx@", "[box] metering_door: ", "at most 63 characters"},
	{"metering_lock = metering", "metering_lock = yes@", "[box] metering_lock: ", "name the coil's LED"},
	{"metering_lock = metering",
	 "metering_lock = a/b@",
	 "[box] metering_lock: ",
	 "neither a name in /sys/class/leds"},
	{"metering_lock = metering",
	 "metering_lock = ..@",
	 "[box] metering_lock: ",
	 "neither a name in /sys/class/leds"},
	{"metering_lock = metering", "metering_lock = " X50 X10 "xxxx@", "[box] metering_lock: ", "at most 63"},
	{"/dev/ttyS0", "ttyS0@", "[bus a] device: ", "not a path from the root"},
	{"/dev/ttyS0", "/dev/ttyS0\necho = 2@", "[bus a] echo: ", "neither yes nor no"},
	{"bus = a", "bus = c@", "[meter one] bus: ", "no section [bus c]"},
	{"model = dlt645-2007", "model = none@", "[meter one] model: ", "none.ini"},
	{"model = dlt645-2007", "model = ../x@", "[meter one] model: ", "neither the name of a file in models_dir"},
	{"model = dlt645-2007", "model = /nowhere/none.ini@", "[meter one] model: ", "/nowhere/none.ini"},
	{"address = 001234", "address = 1234567890123@", "[meter one] address: ", "1 to 12 digits"},
	{"address = 001234", "address = 12A4@", "[meter one] address: ", "1 to 12 digits"},
	{"address = 7", "address = 0@", "[meter two] address: ", "1 to 247"},
	{"address = 7", "address = 248@", "[meter two] address: ", "1 to 247"},
	{"address = 7", "address = 07@", "[meter two] address: ", "1 to 247"},
	{"address = 7", "address = 7\nbaud = 9601@", "[meter two] baud: ", "300, 600"},
	{"address = 7", "address = 7\nparity = mark@", "[meter two] parity: ", "none, even, odd"},
	{"address = 7", "address = 7\ndata_bits = 9@", "[meter two] data_bits: ", "from 7 to 8"},
	{"address = 7", "address = 7\ndata_bits = 7@", "[meter two] data_bits: ", "only 8 works"},
	{"address = 7", "address = 7\nstop_bits = 0@", "[meter two] stop_bits: ", "from 1 to 2"},
	{"address = 7", "address = 7\nserial = a\\b@", "[meter two] serial: ", "1 to 32"},
	{"address = 7", "address = 7\nutc_offset = 8@", "[meter two] utc_offset: ", "like +08:00"},
	{"address = 7", "address = 7\nutc_offset = +14:01@", "[meter two] utc_offset: ", "like +08:00"},
	{"address = 7", "address = 7\nutc_offset = -12:01@", "[meter two] utc_offset: ", "like +08:00"},
	{"address = 7", "address = 7\nutc_offset = +08:60@", "[meter two] utc_offset: ", "like +08:00"},
	{"address = 7", "address = 7\nutc_offset = +08-00@", "[meter two] utc_offset: ", "like +08:00"},
	{"rated_w = 7000", "rated_w = 99@", "[outlet 1] rated_w: ", "from 100 to 100000"},
	{"rated_w = 7000", "rated_w = 100001@", "[outlet 1] rated_w: ", "from 100 to 100000"},
	{"rated_w = 7000", "rated_w = 7.0@", "[outlet 1] rated_w: ", "not a whole number"},
	{"rated_w = 7000", "rated_w = -7000@", "[outlet 1] rated_w: ", "not a whole number"},
	{"rated_w = 7000", "rated_w = 18446744073709551716@", "[outlet 1] rated_w: ", "not a whole number"},
	{"rated_w = 7000", "rated_w = 7000 # W@", "[outlet 1] rated_w: ", "not a whole number"},
	{"= monostable", "= bistable@", "[outlet 1] breaker_kind: ", "monostable, latching"},
	{"undervoltage_release = yes", "undervoltage_release = maybe@", "[outlet 2] undervoltage_release: ", "neither"},
	{"undervoltage_release = yes",
	 "undervoltage_release = no@",
	 "[outlet 2] undervoltage_release: ",
	 "in hardware"},
	{"[outlet 2]\nmeter = two\nrated_w = 3500\nbreaker_kind = latching\nundervoltage_release = yes\n",
	 "[outlet 2]@\nmeter = two\nrated_w = 3500\nbreaker_kind = latching\n",
	 "[outlet 2] undervoltage_release: ",
	 "in hardware"},
	{"contact_pin = !chip:4", "contact_pin = no@", "[outlet 2] contact_pin: ", "needs its contact"},
	{"breaker_pin = chip:2", "breaker_pin = no@", "[outlet 1] breaker_pin: ", "no outlet is without a breaker"},
	{"breaker_pin = chip:2", "breaker_pin = yes@", "[outlet 1] breaker_pin: ", "name the line as CHIP:LINE"},
	{"door_pin = chip:5", "door_pin = yes@", "[outlet 2] door_pin: ", "name the line as CHIP:LINE"},
	{"actuation_ms = 80", "actuation_ms = 9@", "[outlet 2] breaker_actuation_ms: ", "from 10 to 10000"},
	{"actuation_ms = 80", "actuation_ms = 10001@", "[outlet 2] breaker_actuation_ms: ", "from 10 to 10000"},
	{"lock = lock-2", "lock = l\ncurrent_threshold_ma = 0@", "[outlet 2] current_threshold_ma: ", "from 1 to 5000"},
	{"lock_pulse_ms = 300", "lock_pulse_ms = 10001@", "[outlet 1] lock_pulse_ms: ", "from 10 to 10000"},
	{"lock_rest_ms = 3000", "lock_rest_ms = 299@", "[outlet 1] lock_rest_ms: ", "shorter than the pulse of 300"},
	{"lock = lock-1\nlock_pulse_ms = 300",
	 "lock_pulse_ms = 300@",
	 "[outlet 1] lock_pulse_ms: ",
	 "there is no lock"},
	{"lock = lock-2", "lock_rest_ms = 3000@", "[outlet 2] lock_rest_ms: ", "there is no lock"},
	/* times */
	{"[limits]", "[limits]\nmetering_grant_ms = 999@", "[limits] metering_grant_ms: ", "1000 to 3600000"},
	{"[limits]", "[limits]\ninput_settle_ms = 0@", "[limits] input_settle_ms: ", "1 to 2000"},
	{"meter_late_ms = 20000", "meter_late_ms = 99@", "[limits] meter_late_ms: ", "100 to 120000"},
	{"meter_silent_ms = 50000", "meter_silent_ms = 999@", "[limits] meter_silent_ms: ", "1000 to 600000"},
	{"[limits]", "[limits]\nsettle_ms = 999@", "[limits] settle_ms: ", "1000 to 600000"},
	{"[limits]", "[limits]\nresume_window_ms = 86400001@", "[limits] resume_window_ms: ", "1000 to 86400000"},
	{"[limits]", "[limits]\nboot_wait_ms = 600001@", "[limits] boot_wait_ms: ", "0 to 600000"},
	{"[limits]", "[limits]\nmark_ms = 9999@", "[limits] mark_ms: ", "10000 to 3600000"},
	{"[limits]", "[limits]\nservice_ms = 60001@", "[limits] service_ms: ", "1000 to 60000"},
	{"meter_silent_ms = 50000",
	 "meter_silent_ms = 20000@",
	 "[limits] meter_silent_ms: ",
	 "20000 is not greater than meter_late_ms, 20000"},
	{"meter_late_ms = 20000", "meter_late_ms = 100@", "[limits] meter_late_ms: ", "100 is not greater than "},
	{"[limits]",
	 "[limits]\nresume_window_ms = 20000@\nboot_wait_ms = 20000",
	 "[limits] resume_window_ms: ",
	 "20000 is not greater than boot_wait_ms, 20000"},
	{"[limits]",
	 "[limits]@\nboot_wait_ms = 600000",
	 "[limits] resume_window_ms: ",
	 "600000 is not greater than boot_wait_ms, 600000"},
	/* At 300 baud a cycle takes seconds. */
	{"[limits]\nmeter_late_ms = 20000\nmeter_silent_ms = 50000\n[bus a]\ndevice = /dev/ttyS0\n[bus b]\n"
	 "device = /dev/ttyS1\n[meter one]\nbus = a\n",
	 "[limits]\nsettle_ms = 1000@\nmeter_late_ms = 20000\nmeter_silent_ms = 50000\n[bus a]\ndevice = /dev/ttyS0\n[bus b]\n"
	 "device = /dev/ttyS1\n[meter one]\nbus = a\nbaud = 300\n",
	 "[limits] settle_ms: ",
	 "two cycles of bus 'a'"},
	/* twice the same */
	{"meter = two", "meter = one@", "[outlet 2] meter: ", "used by [outlet 1], line 27"},
	{"meter = two", "meter = three@", "[outlet 2] meter: ", "no section [meter three]"},
	{"contact_pin = !chip:4",
	 "contact_pin = !chip:2@",
	 "[outlet 2] contact_pin: ",
	 "as breaker_pin of [outlet 1], line 31"},
	{"contact_pin = !chip:4",
	 "contact_pin = chip:1@",
	 "[outlet 2] contact_pin: ",
	 "metering_door of [box], line 6"},
	{"door_pin = chip:5", "door_pin = chip:4@", "[outlet 2] door_pin: ", "as contact_pin of [outlet 2]"},
	{"= other:chip:3", "= chip:2@", "[outlet 2] breaker_pin: ", "as breaker_pin of [outlet 1], line 31"},
	{"lock = lock-2", "lock = lock-1@", "[outlet 2] lock: ", "as lock of [outlet 1], line 32"},
	{"lock = lock-2", "lock = metering@", "[outlet 2] lock: ", "as metering_lock of [box], line 7"},
	{"/dev/ttyS1", "/dev/ttyS0@", "[bus b] device: ", "[bus a], line 14, has the same port"},
	{"bus = b\nmodel = sdm120\naddress = 7",
	 "bus = a\nmodel = dlt645-2007\naddress = 1234@",
	 "[meter two] address: ",
	 "[meter one], line 18, has the same"},
	{"address = 7", "address = 7\nserial = 1234@", "[meter two] serial: ", "[meter one], line 18, has the same"},
	{"[bus a]", "[bus c]@\ndevice = /dev/ttyS2\n[bus a]", "[bus c]: ", "no meter is on this bus"},
	{"[outlet 1]",
	 "[meter three]@\nbus = a\nmodel = dlt645-2007\naddress = 3\n[outlet 1]",
	 "[meter three]: ",
	 "no outlet uses this meter"},
	/* A register of 10 Wh takes six minutes at 100 W. */
	{"rated_w = 7000", "rated_w = 100@", "[outlet 1] rated_w: ", "more rarely than every 300 s"},
};

/* The base with one change, and the line of the mark. */
static char *refused_text(int i, int *line)
{
	char *text = base_text();
	replace(text, TEXT_SIZE, refusals[i].find, refusals[i].with);
	char *mark = strchr(text, MARK);
	REQUIRE(mark, "no mark in case %d", i);
	memmove(mark, mark + 1, strlen(mark));
	*line = 1;
	for (char *at = text; at < mark; at++)
		*line += *at == '\n';
	return text;
}

START_TEST(refusal)
{
	char start[128];
	int line;
	char *text = refused_text(_i, &line);
	snprintf(start, sizeof(start), "%s:%d: %s", path, line, refusals[_i].place);
	memset(&config, 0x55, sizeof(config));
	memcpy(&other, &config, sizeof(config));
	int result = load_text(text, &config);
	REQUIRE(result == -EINVAL, "case %d: %d; %s", _i, result, refusals[_i].with);
	REQUIRE(strncmp(error.text, start, strlen(start)) == 0, "'%s' does not begin with '%s'", error.text, start);
	REQUIRE(strstr(error.text, refusals[_i].says), "'%s' does not say '%s'", error.text, refusals[_i].says);
	REQUIRE(memcmp(&config, &other, sizeof(config)) == 0, "a refused file has changed the configuration");
}
END_TEST

static const char *const needed[] = {"[box]", "[bus ", "[meter ", "[outlet "};

/* Each kind of section but [limits] and [server] must be there. */
START_TEST(missing_section)
{
	char text[sizeof(base)] = "", wanted[64];
	const char *next;
	size_t used = 0;
	for (const char *at = strchr(base, '['); at; at = next) {
		next = strstr(at, "\n[");
		size_t size = next ? (size_t)(next - at) + 1 : strlen(at);
		next = next ? next + 1 : NULL;
		if (strncmp(at, needed[_i], strlen(needed[_i])) != 0)
			used += (size_t)sprintf(text + used, "%.*s", (int)size, at);
	}
	snprintf(wanted, sizeof(wanted), "the section %.4s", needed[_i]);
	ck_assert_int_eq(load_text(text, &config), -EINVAL);
	REQUIRE(strstr(error.text, wanted) && strstr(error.text, "is missing"), "%s", error.text);
	REQUIRE(strncmp(error.text, path, strlen(path)) == 0, "%s", error.text);
}
END_TEST

START_TEST(whole_files)
{
	char directory[] = "/";
	ck_assert_int_eq(load_text("", &config), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, ":1: [box]: the section [box] is missing"));
	ck_assert_int_eq(config_load(directory, &config, &error), -EINVAL);
	ck_assert_str_eq(error.text, "/: is not a regular file; name a configuration file");
	ck_assert_int_eq(config_load("/nowhere/box.conf", &config, &error), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error.text, "/nowhere/box.conf: cannot be opened"));
	write_bytes("[box]\0id = 1\n", 13);
	ck_assert_int_eq(config_load(path, &config, &error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error.text, ":1: a control character (code 0)"));
	char *name = calloc(1, CONFIG_PATH_SIZE + 1);
	memset(name, '/', CONFIG_PATH_SIZE);
	ck_assert_int_eq(config_load(name, &config, &error), -ENAMETOOLONG);
	ck_assert_uint_gt(strlen(error.text), 0);
	free(name);
}
END_TEST

START_TEST(file_size)
{
	static char text[TEXT_SIZE];
	const char *from = base_text();
	size_t length = strlen(from);
	memcpy(text, from, length);
	memset(text + length, '\n', sizeof(text) - length);
	write_bytes(text, CONFIG_FILE_MAX);
	REQUIRE(config_load(path, &config, &error) == 0, "%s", error.text);
	write_bytes(text, CONFIG_FILE_MAX + 1);
	ck_assert_int_eq(config_load(path, &config, &error), -EFBIG);
	ck_assert_ptr_nonnull(strstr(error.text, "at most 262144 bytes"));
}
END_TEST

/* The longest line is taken whole, and the next is a line of its own. */
START_TEST(line_length)
{
	char with[256];
	size_t length = (size_t)sprintf(with, "state_dir = /");
	memset(with + length, 'x', 198 - length);
	with[198] = '\0';
	load_changed(&config, "state_dir = /var/lib/here", with);
	ck_assert_uint_eq(strlen(config.state_dir), 198 - strlen("state_dir = "));
	ck_assert_str_eq(config.pins.outlets[1].lock, "lock-2");
}
END_TEST

/* The number that a bus's cycle gives is in the message, with the one of the file. */
START_TEST(late_names_the_cycle)
{
	char wanted[64];
	load_base(&config);
	int64_t cycle_ms = config.box.reading_age_ms;
	char *text = base_text();
	snprintf(wanted, sizeof(wanted), "meter_late_ms = %" PRId64, cycle_ms);
	replace(text, TEXT_SIZE, "meter_late_ms = 20000", wanted);
	ck_assert_int_eq(load_text(text, &config), -EINVAL);
	snprintf(wanted, sizeof(wanted), "%" PRId64 " is not greater than %" PRId64, cycle_ms, cycle_ms);
	REQUIRE(strstr(error.text, wanted), "%s", error.text);
}
END_TEST

/* ---- damaged files ---- */

static uint64_t random_state = 1;

static size_t random_below(size_t limit)
{
	uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (size_t)((z ^ (z >> 31)) % limit);
}

static size_t insert(char *text, size_t size, size_t at, const char *what, size_t length)
{
	if (size + length > TEXT_SIZE)
		return size;
	memmove(text + at + length, text + at, size - at);
	memcpy(text + at, what, length);
	return size + length;
}

static size_t mutate(char *text, size_t size)
{
	static const char *const words[] = {"[",	   "]",
					    "=",	   ";",
					    " ;",	   "\n",
					    "\n[",	   "yes",
					    "no",	   "99999999999999999999",
					    "0",	   "-1",
					    ":",	   "!",
					    "/",	   "\n[outlet 3]\n",
					    "\n[bus x]\n", "\n[meter y]\n",
					    "\\",	   "\""};
	char piece[64];
	size_t at = random_below(size), length = random_below(sizeof(piece));
	if (at + length > size)
		length = size - at;
	switch (random_below(5)) {
	case 0:
		text[at] = (char)random_below(256);
		return size;
	case 1:
		if (length == size)
			return size;
		memmove(text + at, text + at + length, size - at - length);
		return size - length;
	case 2:
		memcpy(piece, text + at, length);
		return insert(text, size, random_below(size), piece, length);
	case 3: {
		const char *word = words[random_below(COUNT(words))];
		return insert(text, size, at, word, strlen(word));
	}
	default:
		text[at] = (char)('0' + random_below(10));
		return size;
	}
}

/* Comments left out: most of what changes shall matter. */
static size_t bare_sample(char *text)
{
	size_t size = 0;
	for (const char *line = sample; *line; line += strcspn(line, "\n") + 1) {
		size_t length = strcspn(line, "\n") + 1;
		if (line[0] == '#' || line[0] == '\n')
			continue;
		memcpy(text + size, line, length);
		size += length;
	}
	return size;
}

START_TEST(mutations)
{
	static char bare[TEXT_SIZE], text[TEXT_SIZE];
	size_t bare_size = bare_sample(bare);
	unsigned loaded = 0, refused = 0;
	for (int i = 0; i < MUTATIONS; i++) {
		size_t size = bare_size;
		memcpy(text, bare, bare_size);
		for (size_t n = 1 + random_below(4); n > 0; n--)
			size = mutate(text, size);
		write_bytes(text, size);
		memset(&error, 0, sizeof(error));
		int result = config_load(path, &config, &error);
		REQUIRE(result <= 0, "mutation %d: %d", i, result);
		if (result == 0) {
			loaded++;
			continue;
		}
		refused++;
		REQUIRE(memchr(error.text, '\0', sizeof(error.text)), "mutation %d: the message has no end", i);
		REQUIRE(strncmp(error.text, path, strlen(path)) == 0 && strlen(error.text) > strlen(path) + 2,
			"mutation %d: '%s'",
			i,
			error.text);
	}
	REQUIRE(loaded > MUTATIONS / 100 && refused > MUTATIONS / 2, "%u loaded, %u refused", loaded, refused);
}
END_TEST

/* ---- printing ---- */

/* Good until the next call. */
static const char *print(const struct config *printed, bool json)
{
	static char text[32768];
	FILE *out = fmemopen(text, sizeof(text), "w");
	REQUIRE(out && config_print(out, printed, json) && fclose(out) == 0, "cannot print");
	REQUIRE(strlen(text) < sizeof(text) - 1, "the print is cut");
	return text;
}

START_TEST(prints_text)
{
	char wanted[160];
	load_base(&config);
	config.box.reading_age_ms = 450;
	config.box.outlets[0].breaker.actuation_ms = 50;
	config.box.outlets[0].breaker.step_mwh = 10000;
	const char *text = print(&config, false);
	/* 7 kW in half a second are 972.2 mWh, rounded up. */
	REQUIRE(strstr(text, "overdraft bound: 10.973 Wh (one step 10 Wh + 7 kW x (0.45 s + 0.05 s))\n"), "%s", text);
	snprintf(wanted,
		 sizeof(wanted),
		 "overdraft bound: %" PRId64 ".",
		 box_overdraft_bound_mwh(&config.box, 1) / 1000);
	REQUIRE(strstr(strstr(text, "outlet 2"), wanted), "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "bus a\n"));
	ck_assert_ptr_nonnull(strstr(text, "cycle over 1 meter(s): "));
	ck_assert_ptr_nonnull(strstr(text, "  meter_late_ms 20000\n"));
	ck_assert_ptr_nonnull(strstr(text, "latching breaker other:chip:3, contact !chip:4"));
	ck_assert_ptr_nonnull(strstr(text, "serial number 1234"));
}
END_TEST

static int64_t number_of(const cJSON *object, const char *key)
{
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(object, key);
	REQUIRE(cJSON_IsNumber(number), "%s is no number", key);
	return (int64_t)number->valuedouble;
}

START_TEST(prints_json)
{
	load_base(&config);
	const char *text = print(&config, true);
	cJSON *root = cJSON_ParseWithOpts(text, NULL, true);
	REQUIRE(root, "%s", text);
	const cJSON *outlets = cJSON_GetObjectItemCaseSensitive(root, "outlets");
	const cJSON *buses = cJSON_GetObjectItemCaseSensitive(root, "buses");
	ck_assert_int_eq(cJSON_GetArraySize(outlets), 2);
	ck_assert_int_eq(cJSON_GetArraySize(buses), 2);
	for (int i = 0; i < 2; i++) {
		const cJSON *outlet = cJSON_GetArrayItem(outlets, i);
		ck_assert_int_eq(number_of(outlet, "outlet"), i + 1);
		ck_assert_int_eq(number_of(outlet, "overdraft_bound_mwh"),
				 box_overdraft_bound_mwh(&config.box, (unsigned)i));
		ck_assert_int_eq(number_of(outlet, "rated_mw"), config.box.outlets[i].rated_mw);
		ck_assert_int_eq(number_of(cJSON_GetArrayItem(buses, i), "cycle_ms"), bus_cycle_ms(&config.buses[i]));
	}
	ck_assert_int_eq(number_of(cJSON_GetObjectItemCaseSensitive(root, "limits"), "meter_late_ms"), 20000);
	/* What is not fitted is absent. */
	ck_assert(!cJSON_HasObjectItem(cJSON_GetArrayItem(outlets, 0), "door"));
	ck_assert(cJSON_HasObjectItem(cJSON_GetArrayItem(outlets, 1), "door"));
	cJSON_Delete(root);
}
END_TEST

START_TEST(prints_server)
{
	load_changed(&config, "[limits]", SERVER "[limits]");
	const char *text = print(&config, false);
	REQUIRE(strstr(text, "\nserver https://ops.example.org:8443/box\n  token in /etc/token\n"), "%s", text);
	REQUIRE(strstr(text, "  trusted by the CA in /etc/ca.pem alone\n"), "%s", text);
	REQUIRE(strstr(text, "  heartbeat_s 240\n"), "%s", text);
	text = print(&config, true);
	cJSON *root = cJSON_Parse(text);
	const cJSON *server_item = cJSON_GetObjectItemCaseSensitive(root, "server");
	const cJSON *url = cJSON_GetObjectItemCaseSensitive(server_item, "url");
	REQUIRE(url && strcmp(url->valuestring, "https://ops.example.org:8443/box") == 0, "%s", text);
	ck_assert_int_eq(number_of(server_item, "heartbeat_ms"), 240000);
	ck_assert_int_eq(number_of(server_item, "post_timeout_ms"), 30000);
	cJSON_Delete(root);
	load_base(&config);
	REQUIRE(strstr(print(&config, false), "\nno server: records stay on this box\n"), "%s", print(&config, false));
	root = cJSON_Parse(print(&config, true));
	ck_assert(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(root, "server")));
	cJSON_Delete(root);
}
END_TEST

START_TEST(prints_simulated_box)
{
	char *text = base_text();
	socket_text(text);
	REQUIRE(load_text(text, &config) == 0, "%s", error.text);
	const char *printed = print(&config, false);
	ck_assert_ptr_nonnull(strstr(printed, "pins of a simulated box at /run/sim/pins\n"));
	ck_assert_ptr_nonnull(strstr(printed, "latching breaker fitted, contact fitted"));
	ck_assert_ptr_nonnull(strstr(strstr(printed, "outlet 1"), "  lock fitted, pulse 300 ms, rest 3000 ms\n"));
	ck_assert_ptr_nonnull(strstr(strstr(printed, "outlet 2"), "  lock not fitted\n"));
	printed = print(&config, true);
	cJSON *root = cJSON_Parse(printed);
	const cJSON *path_item = cJSON_GetObjectItemCaseSensitive(root, "pins_socket");
	ck_assert_str_eq(cJSON_GetStringValue(path_item), "/run/sim/pins");
	const cJSON *outlets = cJSON_GetObjectItemCaseSensitive(root, "outlets");
	ck_assert(cJSON_HasObjectItem(cJSON_GetArrayItem(outlets, 0), "lock"));
	ck_assert(!cJSON_HasObjectItem(cJSON_GetArrayItem(outlets, 1), "lock"));
	cJSON_Delete(root);
}
END_TEST

START_TEST(printing_can_fail)
{
	load_base(&config);
	FILE *full = fopen("/dev/full", "w");
	REQUIRE(full, "there is no /dev/full");
	ck_assert(!config_print(full, &config, _i));
	fclose(full);
}
END_TEST

/* ---- what needs a restart ---- */

static const struct {
	const char *find, *with;
	const char *says; /* NULL: a running daemon takes it over */
} restarts[] = {
	{"# a site", "# the site", NULL},
	{"[limits]", "log_level = debug\n[limits]", NULL},
	{"[limits]", "local_sessions = yes\n[limits]", NULL},
	{"[limits]", "trust_system_clock = yes\n[limits]", NULL},
	{"meter_late_ms = 20000", "meter_late_ms = 21000", NULL},
	{"meter_silent_ms = 50000", "meter_silent_ms = 51000", NULL},
	{"[limits]", "[limits]\nservice_ms = 30000\nmark_ms = 60000\nresume_window_ms = 60000", NULL},
	{"[limits]", "[limits]\nsettle_ms = 31000\nboot_wait_ms = 1000\nmetering_grant_ms = 30000", NULL},
	{"[limits]", "[limits]\ninput_settle_ms = 60", "[limits] input_settle_ms"},
	{"[limits]", SERVER "[limits]", "[server] url"},
	{"id = box-1", "id = box-2", "[box] id"},
	{"state_dir = /var/lib/here", "state_dir = /var/lib/there", "[box] state_dir"},
	{"[limits]", "control_socket = /run/c\n[limits]", "[box] control_socket"},
	{"[limits]", "control_group = g\n[limits]", "[box] control_group"},
	{"[limits]", "insecure_commands = yes\n[limits]", "[box] insecure_commands"},
	{"= !chip:1", "= chip:1", "[box] metering_door"},
	{"= metering\n", "= metering-2\n", "[box] metering_lock"},
	{"metering_lock_pulse_ms = 400", "metering_lock_pulse_ms = 401", "[box] metering_lock_pulse_ms"},
	{"metering_lock_rest_ms = 4000", "metering_lock_rest_ms = 4001", "[box] metering_lock_rest_ms"},
	{"/dev/ttyS1", "/dev/ttyS2", "[bus b] device"},
	{"/dev/ttyS1", "/dev/ttyS1\necho = yes", "[bus b] echo"},
	{"address = 001234", "address = 001235", "[meter one] address"},
	{"serial = 1234", "serial = 1235", "[meter one] serial"},
	{"serial = 1234", "utc_offset = +07:00\nserial = 1234", "[meter one] utc_offset"},
	{"address = 7", "address = 7\nstop_bits = 2", "[meter two] stop_bits"},
	{"rated_w = 7000", "rated_w = 6000", "[outlet 1] rated_w"},
	{"breaker_pin = chip:2", "breaker_pin = !chip:2", "[outlet 1] breaker_pin"},
	{"contact_pin = !chip:4", "contact_pin = !chip:6", "[outlet 2] contact_pin"},
	{"= latching", "= monostable", "[outlet 2] breaker_kind"},
	{"actuation_ms = 80", "actuation_ms = 81", "[outlet 2] breaker_actuation_ms"},
	{"actuation_ms = 80", "actuation_ms = 80\ncurrent_threshold_ma = 51", "[outlet 2] current_threshold_ma"},
	{"door_pin = chip:5\n", "", "[outlet 2] door_pin"},
	{"lock = lock-2", "lock = lock-3", "[outlet 2] lock"},
	{"lock_pulse_ms = 300", "lock_pulse_ms = 301", "[outlet 1] lock_pulse_ms"},
	{"lock_rest_ms = 3000", "lock_rest_ms = 3001", "[outlet 1] lock_rest_ms"},
};

START_TEST(restart)
{
	load_base(&config);
	load_changed(&other, restarts[_i].find, restarts[_i].with);
	const char *says = config_needs_restart(&config, &other);
	if (!restarts[_i].says)
		REQUIRE(!says, "%s", says);
	else
		REQUIRE(says && strcmp(says, restarts[_i].says) == 0,
			"'%s' is not '%s'",
			says ? says : "",
			restarts[_i].says);
}
END_TEST

START_TEST(restart_of_the_server)
{
	static const char *const changes[][3] = {
		{"https://ops.example.org:8443/box/", "https://ops.example.org:8443/box", NULL},
		{"https://ops.example.org:8443/box/", "https://ops.example.com", "[server] url"},
		{"/etc/token", "/etc/token2", "[server] token_file"},
		{"/etc/ca.pem", "/etc/ca2.pem", "[server] ca_file"},
		{"/etc/key.pem", "/etc/key2.pem", "[server] command_key_file"},
		{"[server]\n", "[server]\nheartbeat_s = 241\n", "[server] heartbeat_s"},
		{"[server]\n", "[server]\nheartbeat_s = 240\n", NULL},
		{"[server]\n", "[server]\nbackoff_min_ms = 1001\n", "[server] backoff_min_ms"},
		{"[server]\n", "[server]\nbackoff_max_ms = 300001\n", "[server] backoff_max_ms"},
		{"[server]\n", "[server]\npost_timeout_ms = 30001\n", "[server] post_timeout_ms"},
		{"[server]\n", "[server]\nprogress_ms = 2001\n", "[server] progress_ms"},
	};
	char with[1024];
	load_changed(&config, "[limits]", SERVER "[limits]");
	for (size_t i = 0; i < COUNT(changes); i++) {
		snprintf(with, sizeof(with), SERVER "[limits]");
		replace(with, sizeof(with), changes[i][0], changes[i][1]);
		load_changed(&other, "[limits]", with);
		const char *says = config_needs_restart(&config, &other);
		REQUIRE(changes[i][2] ? says && strcmp(says, changes[i][2]) == 0 : !says,
			"%s: '%s'",
			changes[i][1],
			says ? says : "");
	}
}
END_TEST

/* What one change of the text cannot show. */
START_TEST(restart_of_other_sizes)
{
	load_base(&config);
	load_base(&other);
	ck_assert_ptr_null(config_needs_restart(&config, &other));
	other.box.outlet_count = 1;
	ck_assert_str_eq(config_needs_restart(&config, &other), "[outlet N]");
	load_base(&other);
	other.bus_count = 1;
	ck_assert_str_eq(config_needs_restart(&config, &other), "[bus NAME]");
	load_base(&other);
	strcpy(other.buses[1].name, "c");
	ck_assert_str_eq(config_needs_restart(&config, &other), "[bus NAME]");
	load_base(&other);
	strcpy(other.pins.socket, "/run/pins");
	ck_assert_str_eq(config_needs_restart(&config, &other), "[box] pins");
	load_base(&other);
	other.buses[0].meters[0].model.items[METER_ENERGY].di++;
	ck_assert_str_eq(config_needs_restart(&config, &other), "[meter one] model");
	load_base(&other);
	strcpy(other.meters[1].name, "three");
	ck_assert_str_eq(config_needs_restart(&config, &other), "[outlet 2] meter");
}
END_TEST

/* ---- the log ---- */

static int log_pipe[2];
static char logged[8192];

/* Each test runs in its own process: standard error is this test's alone. */
static void log_setup(void)
{
	REQUIRE(pipe(log_pipe) == 0 && dup2(log_pipe[1], STDERR_FILENO) >= 0, "no pipe");
	REQUIRE(fcntl(log_pipe[0], F_SETFL, O_NONBLOCK) == 0, "no pipe");
	unsetenv("JOURNAL_STREAM");
	log_set_level(LOG_LEVEL_INFO);
}

static const char *log_read(void)
{
	ssize_t got = read(log_pipe[0], logged, sizeof(logged) - 1);
	logged[got > 0 ? got : 0] = '\0';
	return logged;
}

START_TEST(log_for_people)
{
	int year, month, day, hour, minute, second, ms, zone_hour, zone_minute, end = 0;
	char sign;
	log_line(LOG_LEVEL_WARNING, "meter-silent", "outlet=%d meter=%s", 2, log_text("left \"one\"").text);
	int found = sscanf(log_read(),
			   "%4d-%2d-%2dT%2d:%2d:%2d.%3d%c%2d:%2d %n",
			   &year,
			   &month,
			   &day,
			   &hour,
			   &minute,
			   &second,
			   &ms,
			   &sign,
			   &zone_hour,
			   &zone_minute,
			   &end);
	REQUIRE(found == 10 && (sign == '+' || sign == '-'), "%s", logged);
	ck_assert_str_eq(logged + end, "level=warning event=meter-silent outlet=2 meter=\"left \\\"one\\\"\"\n");
}
END_TEST

START_TEST(log_for_the_journal)
{
	static const char *const wanted[LOG_LEVEL_COUNT] = {
		"<3>event=e a=1\n", "<4>event=e a=1\n", "<6>event=e a=1\n", "<7>event=e a=1\n"};
	struct stat status;
	char stream[64];
	REQUIRE(fstat(STDERR_FILENO, &status) == 0, "no status");
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_set_level(LOG_LEVEL_DEBUG);
	for (unsigned level = 0; level < LOG_LEVEL_COUNT; level++) {
		log_line((enum log_level)level, "e", "a=%d", 1);
		ck_assert_str_eq(log_read(), wanted[level]);
	}
	/* A child whose standard error is not the journal. */
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino + 1);
	setenv("JOURNAL_STREAM", stream, 1);
	log_line(LOG_LEVEL_ERROR, "e", "a=1");
	ck_assert_ptr_nonnull(strstr(log_read(), " level=error event=e a=1\n"));
}
END_TEST

START_TEST(log_levels)
{
	for (unsigned least = 0; least < LOG_LEVEL_COUNT; least++) {
		log_set_level((enum log_level)least);
		for (unsigned level = 0; level < LOG_LEVEL_COUNT; level++) {
			log_line((enum log_level)level, "e", "a=1");
			ck_assert_int_eq(log_read()[0] != '\0', level <= least);
		}
	}
}
END_TEST

START_TEST(log_one_line)
{
	char *text = malloc(5000);
	log_line(LOG_LEVEL_INFO, "e", "a=%s", "x\ny\x1b[2J\rz");
	ck_assert_ptr_nonnull(strstr(log_read(), " level=info event=e a=x y [2J z\n"));
	memset(text, 'x', 4999);
	text[4999] = '\0';
	log_line(LOG_LEVEL_INFO, "e", "a=%s", text);
	size_t length = strlen(log_read());
	ck_assert_uint_eq(length, 2047);
	ck_assert_str_eq(logged + length - 5, "x...\n");
	log_line(LOG_LEVEL_INFO, text, "a=1");
	ck_assert_uint_eq(strlen(log_read()), 2047);
	log_line(LOG_LEVEL_INFO, "alone", "%s", "");
	ck_assert_ptr_nonnull(strstr(log_read(), "event=alone"));
	free(text);
}
END_TEST

/* Whoever reads the log is gone: the daemon goes on, and errno stays what it was. */
START_TEST(log_without_reader)
{
	close(STDERR_FILENO);
	errno = ENOENT;
	log_line(LOG_LEVEL_ERROR, "e", "a=1");
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

/* A reader that hangs, or a terminal held with Ctrl-S: nobody waits for it, and what was lost is said afterwards. */
START_TEST(log_with_a_hanging_reader)
{
	for (int i = 0; i < 3000; i++)
		log_line(LOG_LEVEL_INFO,
			 "filler",
			 "text=%s",
			 log_text("some forty characters of an ordinary line").text);
	while (strstr(log_read(), "filler"))
		;
	log_line(LOG_LEVEL_INFO, "after", "%s", "");
	unsigned lines = 0;
	const char *told = strstr(log_read(), "event=log_lost lines=");
	ck_assert_ptr_nonnull(told);
	ck_assert_int_eq(sscanf(told, "event=log_lost lines=%u", &lines), 1);
	ck_assert_uint_gt(lines, 0);
	ck_assert_uint_lt(lines, 3000);
	ck_assert_ptr_nonnull(strstr(told, "event=after"));
}
END_TEST

START_TEST(log_texts)
{
	char *text = calloc(1, 2 * LOG_TEXT_SIZE);
	ck_assert_str_eq(log_text("").text, "\"\"");
	ck_assert_str_eq(log_text("a\\b\"c\n\t\xff").text, "\"a\\\\b\\\"c\\n\\x09\\xff\"");
	/* Of every length around the limit: ended by a quote, cut between two escapes, and said to be cut. */
	for (size_t length = LOG_TEXT_SIZE / 5; length < LOG_TEXT_SIZE + 8; length++) {
		memset(text, length % 3 == 0 ? '\x01' : length % 3 == 1 ? '"' : 'x', length);
		text[length] = '\0';
		struct log_text quoted = log_text(text);
		size_t each = length % 3 == 0 ? 4 : length % 3 == 1 ? 2 : 1;
		bool fits = length * each + 3 <= LOG_TEXT_SIZE;
		size_t size = strlen(quoted.text);
		REQUIRE(quoted.text[0] == '"' && quoted.text[size - 1] == '"', "%s", quoted.text);
		REQUIRE(fits == (strcmp(quoted.text + size - 4, "...\"") != 0), "%zu: %s", length, quoted.text);
		REQUIRE((size - (fits ? 2 : 5)) % each == 0, "%zu: %s", length, quoted.text);
		REQUIRE(!fits || size == length * each + 2, "%zu: %s", length, quoted.text);
	}
	free(text);
}
END_TEST

static Suite *config_suite(void)
{
	Suite *suite = suite_create("config");
	TCase *files = tcase_create("files"), *printing = tcase_create("printing"), *log = tcase_create("log");

	tcase_set_timeout(files, 25);
	tcase_add_test(files, sample_loads);
	tcase_add_test(files, simulated_box_loads);
	tcase_add_test(files, serial_as_on_the_plate);
	tcase_add_test(files, sample_shows_defaults);
	tcase_add_test(files, keys_are_documented);
	tcase_add_test(files, values_in_their_places);
	tcase_add_test(files, defaults);
	tcase_add_test(files, choices);
	tcase_add_test(files, server);
	tcase_add_test(files, server_urls);
	tcase_add_test(files, server_knows_the_box);
	tcase_add_test(files, server_without_proofs);
	tcase_add_test(files, simulated_box);
	tcase_add_test(files, simulated_box_has_no_chips);
	tcase_add_test(files, sockets_apart);
	tcase_add_test(files, model_by_path);
	tcase_add_test(files, model_path_too_long);
	tcase_add_test(files, sections_in_any_order);
	tcase_add_test(files, editors);
	tcase_add_loop_test(files, refusal, 0, (int)COUNT(refusals));
	tcase_add_loop_test(files, missing_section, 0, (int)COUNT(needed));
	tcase_add_test(files, whole_files);
	tcase_add_test(files, file_size);
	tcase_add_test(files, line_length);
	tcase_add_test(files, late_names_the_cycle);
	tcase_add_test(files, mutations);
	tcase_add_test(printing, prints_text);
	tcase_add_test(printing, prints_json);
	tcase_add_test(printing, prints_server);
	tcase_add_test(printing, prints_simulated_box);
	tcase_add_loop_test(printing, printing_can_fail, 0, 2);
	tcase_add_loop_test(printing, restart, 0, (int)COUNT(restarts));
	tcase_add_test(printing, restart_of_the_server);
	tcase_add_test(printing, restart_of_other_sizes);
	tcase_add_checked_fixture(log, log_setup, NULL);
	tcase_add_test(log, log_for_people);
	tcase_add_test(log, log_for_the_journal);
	tcase_add_test(log, log_levels);
	tcase_add_test(log, log_one_line);
	tcase_add_test(log, log_without_reader);
	tcase_add_test(log, log_with_a_hanging_reader);
	tcase_add_test(log, log_texts);
	suite_add_tcase(suite, files);
	suite_add_tcase(suite, printing);
	suite_add_tcase(suite, log);
	return suite;
}

/* The models lie behind a link: the checkout's own path may be longer than a line. */
static bool prepare(const char *etc)
{
	char target[4096], *real = realpath(etc, NULL);
	if (!real || !mkdtemp(folder))
		return false;
	snprintf(target, sizeof(target), "%s/models", real);
	snprintf(path, sizeof(path), "%s/box.conf", folder);
	snprintf(models, sizeof(models), "%s/models", folder);
	free(real);
	return symlink(target, models) == 0;
}

int main(int argc, char **argv)
{
	if (argc != 2 || !prepare(argv[1])) {
		fprintf(stderr, "usage: test_config ETC: the project's folder etc\n");
		return EXIT_FAILURE;
	}
	read_etc(argv[1]);
	SRunner *runner = srunner_create(config_suite());
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	unlink(path);
	unlink(models);
	rmdir(folder);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
