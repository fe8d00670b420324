/* tools/boxsim/options.c: see boxsim_options.h.
 *
 * Room: boxsim; this file needs the plant, hal/core and libc. */
#include "boxsim_options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "boxsim_text.h"

#define SPEC_SIZE 256
#define SLAVE_MAX 247
#define DEFAULT_BAUD 2400
#define DEFAULT_RATES 4
#define DEFAULT_STEP_MWH 10000
#define DEFAULT_DLT645_TURNAROUND_MS 60
#define DEFAULT_MODBUS_TURNAROUND_MS 20
#define MWH_PER_WH 1000
#define KWH_DECIMALS 6 /* down to a milliwatt-hour */

static const char help_text[] =
	"usage: boxsim [options] [SCENARIO]\n"
	"A simulated supply box: meters on serial lines, breakers, locks, doors, loads. Commands on standard input\n"
	"(try 'help') say what people and misfortune do to it; SCENARIO is a file of such commands with their times.\n"
	"  --outlets N        1 to 16 outlets (1)\n"
	"  --pins PATH        the board's pins: a Unix socket to listen on\n"
	"  --bus PATH         a serial line: a symbolic link to it is made here; up to 4 times\n"
	"  --meter SPEC       the next outlet's meter: dlt645:ADDRESS or sdm120:SLAVE, followed by any of\n"
	"                     ,bus=N ,baud=2400 ,serial=TEXT ,step=10Wh ,register=KWH ,turnaround=MS ,rates=0|4\n"
	"                     (dlt645:000000000001 and so on)\n"
	"  --no-door          the user boxes' doors have no switch\n"
	"  --no-contact       the breakers have no auxiliary contact\n"
	"  --latching         the breakers keep their place when unpowered\n"
	"  --lock-rating MS   a lock's coil burns when it is on for longer (0: never)\n"
	"  --state FILE       keeps the meters' registers, for the next boxsim too\n"
	"  --log FILE         appends every change as a JSON line\n"
	"  --log-bus          ... and what goes over the serial lines\n"
	"  --picture          draws the box on the terminal (default when standard output is one)\n"
	"  --quiet            draws nothing\n"
	"  --help, --version\n"
	"Exit: 0 after quit, SIGINT or SIGTERM; 1 when something failed; 2 when an option or the scenario is wrong.\n";

__attribute__((format(printf, 1, 2))) static bool wrong(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("boxsim: ", stderr);
	vfprintf(stderr, format, arguments);
	fputs(" (try --help)\n", stderr);
	va_end(arguments);
	return false;
}

/* --- meters --- */

static void meter_default(struct meter_spec *meter, unsigned outlet)
{
	*meter = (struct meter_spec){
		.kind = METER_KIND_DLT645,
		.baud = DEFAULT_BAUD,
		.rates = DEFAULT_RATES,
		.turnaround_ms = DEFAULT_DLT645_TURNAROUND_MS,
		.step_mwh = DEFAULT_STEP_MWH,
	};
	snprintf(meter->serial, sizeof(meter->serial), "%012u", outlet + 1);
	dlt645_address_read(meter->serial, meter->address);
}

static bool read_baud(const char *value, unsigned *baud)
{
	static const unsigned bauds[] = {300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200};
	int64_t number = 0;
	bool found = false;
	if (text_integer(value, 1, INT32_MAX, &number))
		for (size_t i = 0; !found && i < sizeof(bauds) / sizeof(bauds[0]); i++)
			found = bauds[i] == number;
	if (found)
		*baud = (unsigned)number;
	return found || wrong("baud=%s: allowed are 300, 600, 1200 and so on to 115200", value);
}

static bool read_step(char *value, int64_t *step_mwh)
{
	size_t length = strlen(value);
	int64_t wh = 0;
	bool good = length > 2 && strcmp(value + length - 2, "Wh") == 0;
	if (good) {
		value[length - 2] = '\0';
		good = text_integer(value, 1, BOXSIM_STEP_MAX_WH, &wh);
	}
	*step_mwh = wh * MWH_PER_WH;
	return good || wrong("step= takes whole watt-hours, 1Wh to %dWh", BOXSIM_STEP_MAX_WH);
}

static bool read_serial(const char *value, struct meter_spec *meter)
{
	int64_t number = 0;
	if (meter->kind == METER_KIND_SDM120 && !text_integer(value, 1, UINT32_MAX, &number))
		return wrong("serial=%s: an sdm120's is a number from 1 to 4294967295", value);
	if (!text_is_serial(value, METER_SERIAL_SIZE - 1))
		return wrong("serial=%s: allowed are 1 to 32 of A-Z a-z 0-9 . _ - with a digit among them", value);
	strcpy(meter->serial, value);
	return true;
}

static bool read_meter_field(struct meter_spec *meter, const char *key, char *value)
{
	int64_t number = 0;
	if (strcmp(key, "serial") == 0)
		return read_serial(value, meter);
	if (strcmp(key, "baud") == 0)
		return read_baud(value, &meter->baud);
	if (strcmp(key, "step") == 0)
		return read_step(value, &meter->step_mwh);
	if (strcmp(key, "register") == 0)
		return text_decimal(value, KWH_DECIMALS, BOXSIM_REGISTER_MAX_MWH, &meter->register_mwh) ||
		       wrong("register=%s: kilowatt-hours from 0 to 999999.99 are allowed", value);
	if (strcmp(key, "turnaround") == 0)
		return text_integer(value, 0, BOXSIM_TURNAROUND_MAX_MS, &meter->turnaround_ms) ||
		       wrong("turnaround=%s: milliseconds from 0 to %d are allowed", value, BOXSIM_TURNAROUND_MAX_MS);
	if (strcmp(key, "bus") == 0) {
		bool good = text_integer(value, 1, BOXSIM_BUSES_MAX, &number);
		meter->bus = good ? (unsigned)number - 1 : 0;
		return good || wrong("bus=%s: 1 to %d are allowed", value, BOXSIM_BUSES_MAX);
	}
	if (strcmp(key, "rates") == 0 && meter->kind == METER_KIND_DLT645) {
		bool good = strcmp(value, "0") == 0 || strcmp(value, "4") == 0;
		meter->rates = value[0] == '0' ? 0 : 4;
		return good || wrong("rates=%s: 0 or 4 are allowed", value);
	}
	return wrong("'%s': a meter has bus=, baud=, serial=, step=, register=, turnaround= and rates= (DL/T 645)",
		     key);
}

static bool read_meter_address(struct meter_spec *meter, const char *address)
{
	int64_t slave = 0;
	if (meter->kind == METER_KIND_SDM120) {
		if (!text_integer(address, 1, SLAVE_MAX, &slave))
			return wrong("sdm120:%s: a slave's address is 1 to %d", address, SLAVE_MAX);
		meter->slave = (uint8_t)slave;
		meter->turnaround_ms = DEFAULT_MODBUS_TURNAROUND_MS;
		snprintf(meter->serial, sizeof(meter->serial), "%d", 20000000 + (int)slave);
		return true;
	}
	if (strspn(address, "0123456789") != strlen(address) || !dlt645_address_read(address, meter->address))
		return wrong("dlt645:%s: an address is 1 to 12 digits", address);
	char text[DLT645_ADDRESS_SIZE];
	dlt645_address_write(meter->address, text);
	strcpy(meter->serial, text);
	return true;
}

static bool read_meter(const char *spec, struct meter_spec *meter)
{
	char text[SPEC_SIZE];
	if (strlen(spec) >= sizeof(text))
		return wrong("--meter: a specification has at most %d characters", SPEC_SIZE - 1);
	strcpy(text, spec);
	char *rest = text;
	char *address = strsep(&rest, ",");
	const char *kind = strsep(&address, ":");
	if (!address || (strcmp(kind, "dlt645") != 0 && strcmp(kind, "sdm120") != 0))
		return wrong("--meter %s: allowed are dlt645:ADDRESS and sdm120:SLAVE", spec);
	meter->kind = strcmp(kind, "dlt645") == 0 ? METER_KIND_DLT645 : METER_KIND_SDM120;
	bool good = read_meter_address(meter, address);
	while (good && rest) {
		char *value = strsep(&rest, ",");
		const char *key = strsep(&value, "=");
		good = value ? read_meter_field(meter, key, value) : wrong("--meter %s: '%s' has no value", spec, key);
	}
	return good;
}

static bool same_address(const struct meter_spec *a, const struct meter_spec *b)
{
	if (a->kind != b->kind || a->bus != b->bus)
		return false;
	return a->kind == METER_KIND_SDM120 ? a->slave == b->slave :
					      memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

static bool meters_fit(const struct options *options)
{
	if (options->meter_count > options->outlet_count)
		return wrong(
			"%u meters for %u outlets: say --outlets too", options->meter_count, options->outlet_count);
	for (unsigned i = 0; i < options->outlet_count; i++) {
		const struct meter_spec *meter = &options->meters[i];
		if (meter->bus > 0 && meter->bus >= options->bus_count)
			return wrong("the meter of outlet %u is on bus %u, but there are only %u",
				     i + 1,
				     meter->bus + 1,
				     options->bus_count);
		for (unsigned j = 0; j < i; j++)
			if (same_address(meter, &options->meters[j]))
				return wrong("the meters of outlets %u and %u have the same address on one bus",
					     j + 1,
					     i + 1);
	}
	return true;
}

/* --- options --- */

enum option_code {
	OPTION_OUTLETS = 256,
	OPTION_PINS,
	OPTION_BUS,
	OPTION_METER,
	OPTION_NO_DOOR,
	OPTION_NO_CONTACT,
	OPTION_LATCHING,
	OPTION_LOCK_RATING,
	OPTION_STATE,
	OPTION_LOG,
	OPTION_LOG_BUS,
	OPTION_PICTURE,
	OPTION_QUIET,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option option_table[] = {
	{"outlets", required_argument, NULL, OPTION_OUTLETS},
	{"pins", required_argument, NULL, OPTION_PINS},
	{"bus", required_argument, NULL, OPTION_BUS},
	{"meter", required_argument, NULL, OPTION_METER},
	{"no-door", no_argument, NULL, OPTION_NO_DOOR},
	{"no-contact", no_argument, NULL, OPTION_NO_CONTACT},
	{"latching", no_argument, NULL, OPTION_LATCHING},
	{"lock-rating", required_argument, NULL, OPTION_LOCK_RATING},
	{"state", required_argument, NULL, OPTION_STATE},
	{"log", required_argument, NULL, OPTION_LOG},
	{"log-bus", no_argument, NULL, OPTION_LOG_BUS},
	{"picture", no_argument, NULL, OPTION_PICTURE},
	{"quiet", no_argument, NULL, OPTION_QUIET},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{NULL, 0, NULL, 0},
};

static bool read_outlets(const char *value, struct options *options)
{
	int64_t number = 0;
	bool good = text_integer(value, 1, PLANT_OUTLETS_MAX, &number);
	options->outlet_count = (unsigned)number;
	return good || wrong("--outlets %s: 1 to %d are allowed", value, PLANT_OUTLETS_MAX);
}

static bool read_pins(const char *value, struct options *options)
{
	options->pins = value;
	return (value[0] && strlen(value) < sizeof(((struct sockaddr_un *)NULL)->sun_path)) ||
	       wrong("--pins: a socket's path has 1 to %zu characters",
		     sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
}

static bool read_bus(const char *value, struct options *options)
{
	if (options->bus_count == BOXSIM_BUSES_MAX)
		return wrong("--bus: %d lines at most", BOXSIM_BUSES_MAX);
	options->buses[options->bus_count++] = value;
	return value[0] || wrong("--bus: a path is needed");
}

/* One option with a value. */
static bool read_option(enum option_code code, const char *value, struct options *options)
{
	switch ((int)code) {
	case OPTION_OUTLETS:
		return read_outlets(value, options);
	case OPTION_PINS:
		return read_pins(value, options);
	case OPTION_BUS:
		return read_bus(value, options);
	case OPTION_METER:
		if (options->meter_count == PLANT_OUTLETS_MAX)
			return wrong("--meter: %d at most", PLANT_OUTLETS_MAX);
		return read_meter(value, &options->meters[options->meter_count++]);
	case OPTION_LOCK_RATING:
		return text_integer(value, 0, BOXSIM_RATING_MAX_MS, &options->lock_rating_ms) ||
		       wrong("--lock-rating %s: milliseconds from 0 to %d are allowed", value, BOXSIM_RATING_MAX_MS);
	case OPTION_STATE:
		options->state = value;
		return true;
	case OPTION_LOG:
		options->log = value;
		return true;
	}
	return wrong("an unknown option");
}

/* One option without a value; false: it has one. */
static bool set_flag(enum option_code code, struct options *options)
{
	switch ((int)code) {
	case OPTION_NO_DOOR:
		options->no_door = true;
		return true;
	case OPTION_NO_CONTACT:
		options->no_contact = true;
		return true;
	case OPTION_LATCHING:
		options->latching = true;
		return true;
	case OPTION_LOG_BUS:
		options->log_bus = true;
		return true;
	case OPTION_PICTURE:
		options->picture = true;
		return true;
	case OPTION_QUIET:
		options->picture = false;
		return true;
	}
	return false;
}

static void options_default(struct options *options)
{
	*options = (struct options){.outlet_count = 1, .picture = isatty(STDOUT_FILENO)};
	for (unsigned i = 0; i < PLANT_OUTLETS_MAX; i++)
		meter_default(&options->meters[i], i);
}

enum options_outcome options_read(int argc, char *argv[], struct options *options)
{
	options_default(options);
	bool good = true;
	for (int code; good && (code = getopt_long(argc, argv, "h", option_table, NULL)) != -1;) {
		if (code == OPTION_HELP || code == 'h') {
			fputs(help_text, stdout);
			return OPTIONS_DONE;
		}
		if (code == OPTION_VERSION) {
			puts("boxsim " METERBOX_VERSION);
			return OPTIONS_DONE;
		}
		if (code == '?')
			return OPTIONS_WRONG;
		if (!set_flag((enum option_code)code, options))
			good = read_option((enum option_code)code, optarg, options);
	}
	if (good && optind < argc)
		options->scenario = argv[optind++];
	if (good && optind < argc)
		good = wrong("'%s': one scenario file is allowed", argv[optind]);
	if (good && options->log_bus && !options->log)
		good = wrong("--log-bus needs --log FILE");
	return good && meters_fit(options) ? OPTIONS_RUN : OPTIONS_WRONG;
}
