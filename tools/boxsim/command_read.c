/* tools/boxsim/command_read.c: lines of text into commands; see boxsim_command.h.
 *
 * Room: boxsim; this file needs the plant, hal/core and libc. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "boxsim_command.h"
#include "boxsim_text.h"

#define WORDS_MAX 8
#define WATTS_MAX 70000 /* a DL/T 645 meter shows less than 80 kW */
#define PERMILLE_MAX 100000
#define TIME_MAX_MS 86400000
#define DELAY_MAX_MS 60000
#define KWH_DECIMALS 6

struct reader {
	const struct options *options;
	struct command *command;
	char *words[WORDS_MAX]; /* behind the verb */
	size_t count;
	char *error;
};

__attribute__((format(printf, 2, 3))) static bool wrong(const struct reader *r, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(r->error, COMMAND_ERROR_SIZE, format, arguments);
	va_end(arguments);
	return false;
}

/* --- words --- */

static bool read_outlet(const struct reader *r, size_t index)
{
	int64_t number = 0;
	if (!text_integer(r->words[index], 1, r->options->outlet_count, &number))
		return wrong(r, "no outlet '%s': this box has 1 to %u", r->words[index], r->options->outlet_count);
	r->command->outlet = (int)number - 1;
	return true;
}

static bool read_place(const struct reader *r, size_t index)
{
	r->command->outlet = PLANT_METERING_BOX;
	return strcmp(r->words[index], "box") == 0 || read_outlet(r, index);
}

static bool read_number(const struct reader *r, size_t index, int64_t max, const char *what, int64_t *value)
{
	return text_integer(r->words[index], 0, max, value) ||
	       wrong(r, "'%s': %s is a whole number from 0 to %lld", r->words[index], what, (long long)max);
}

static bool read_switch(const struct reader *r, size_t index)
{
	r->command->on = strcmp(r->words[index], "on") == 0;
	return r->command->on || strcmp(r->words[index], "off") == 0 ||
	       wrong(r, "'%s': on or off is allowed", r->words[index]);
}

/* bus, or bus1 to bus4. */
static bool read_bus(const struct reader *r, size_t index)
{
	const char *word = r->words[index];
	int64_t number = 0;
	if (r->options->bus_count == 0)
		return wrong(r, "this box has no serial line; start it with --bus");
	r->command->bus = COMMAND_EVERY_BUS;
	if (strcmp(word, "bus") == 0)
		return true;
	if (strncmp(word, "bus", 3) != 0 || !text_integer(word + 3, 1, r->options->bus_count, &number))
		return wrong(r, "'%s': bus is allowed, or bus1 to bus%u", word, r->options->bus_count);
	r->command->bus = (int)number - 1;
	return true;
}

/* --- verbs --- */

static bool read_plug(struct reader *r)
{
	struct plant_load *load = &r->command->load;
	int64_t watts = 0;
	load->inrush_permille = 1000;
	if (r->count != 2 && r->count != 4 && r->count != 6)
		return wrong(r, "plug OUTLET WATTS [INRUSH-PERMILLE INRUSH-MS [ON-MS OFF-MS]]");
	bool good = read_outlet(r, 0) && read_number(r, 1, WATTS_MAX, "WATTS", &watts);
	load->power_mw = watts * 1000;
	if (good && r->count >= 4)
		good = read_number(r, 2, PERMILLE_MAX, "INRUSH-PERMILLE", &load->inrush_permille) &&
		       read_number(r, 3, TIME_MAX_MS, "INRUSH-MS", &load->inrush_ms);
	if (good && r->count == 6)
		good = read_number(r, 4, TIME_MAX_MS, "ON-MS", &load->on_ms) &&
		       read_number(r, 5, TIME_MAX_MS, "OFF-MS", &load->off_ms);
	if (good && watts == 0)
		good = wrong(r, "a load has 1 to %d WATTS; to take it out: unplug OUTLET", WATTS_MAX);
	return good;
}

static bool read_outlet_only(struct reader *r)
{
	return read_outlet(r, 0);
}

static bool read_open(struct reader *r)
{
	if (!read_place(r, 0))
		return false;
	r->command->force = r->count == 2;
	return r->count == 1 || strcmp(r->words[1], "force") == 0 ||
	       wrong(r, "'%s': only force is allowed here", r->words[1]);
}

static bool read_place_only(struct reader *r)
{
	return read_place(r, 0);
}

static bool read_mains(struct reader *r)
{
	if (!read_switch(r, 0))
		return false;
	r->command->hard = r->count == 2;
	return r->count == 1 || (!r->command->on && strcmp(r->words[1], "hard") == 0) ||
	       wrong(r, "'%s': mains on, mains off and mains off hard are allowed", r->words[1]);
}

static bool read_replace(struct reader *r)
{
	int64_t number = 0;
	if (!read_outlet(r, 0))
		return false;
	if (!text_is_serial(r->words[1], METER_SERIAL_SIZE - 1))
		return wrong(r, "'%s': SERIAL is 1 to 32 of A-Z a-z 0-9 . _ - with a digit among them", r->words[1]);
	if (r->options->meters[r->command->outlet].kind == METER_KIND_SDM120 &&
	    !text_integer(r->words[1], 1, UINT32_MAX, &number))
		return wrong(r, "'%s': the SERIAL of an sdm120 is a number from 1 to 4294967295", r->words[1]);
	if (r->count == 3 &&
	    !text_decimal(r->words[2], KWH_DECIMALS, BOXSIM_REGISTER_MAX_MWH, &r->command->register_mwh))
		return wrong(r, "'%s': REGISTER is kilowatt-hours from 0 to 999999.99", r->words[2]);
	strcpy(r->command->serial, r->words[1]);
	return true;
}

static bool read_bounce(struct reader *r)
{
	return read_place(r, 0) && read_number(r, 1, DELAY_MAX_MS, "MS", &r->command->ms);
}

static const char *const fault_names[FAULT_COUNT] = {
	[FAULT_WELDED] = "welded",
	[FAULT_STUCK_OPEN] = "stuck-open",
	[FAULT_BYPASSED] = "bypassed",
	[FAULT_SILENT] = "silent",
	[FAULT_ZERO] = "zero",
	[FAULT_STUCK] = "stuck",
	[FAULT_GARBLED] = "garbled",
	[FAULT_FOREIGN] = "foreign",
	[FAULT_HALF] = "half",
	[FAULT_SLOW] = "slow",
	[FAULT_DRIBBLE] = "dribble",
	[FAULT_LATE] = "late",
};

const char *command_fault_name(enum command_fault fault)
{
	return fault < FAULT_COUNT ? fault_names[fault] : "unknown";
}

static bool read_fault_name(struct reader *r)
{
	unsigned i = 0;
	while (i < FAULT_COUNT && strcmp(r->words[1], fault_names[i]) != 0)
		i++;
	r->command->fault = (enum command_fault)i;
	return i < FAULT_COUNT ||
	       wrong(r,
		     "no fault '%s': welded, stuck-open, bypassed, silent, zero, stuck, garbled, foreign, half "
		     "(on|off), slow, dribble, late (MS|off)",
		     r->words[1]);
}

static bool read_fault(struct reader *r)
{
	struct command *c = r->command;
	if (strncmp(r->words[0], "bus", 3) == 0) {
		c->verb = COMMAND_ECHO;
		return read_bus(r, 0) && (strcmp(r->words[1], "echo") == 0 || wrong(r, "a line's fault is echo")) &&
		       read_switch(r, 2);
	}
	if (!read_outlet(r, 0) || !read_fault_name(r))
		return false;
	if (c->fault < FAULT_SLOW)
		return read_switch(r, 2);
	return strcmp(r->words[2], "off") == 0 || text_integer(r->words[2], 1, DELAY_MAX_MS, &c->ms) ||
	       wrong(r, "'%s': %s takes milliseconds from 1 to %d, or off", r->words[2], r->words[1], DELAY_MAX_MS);
}

static bool read_foreign_master(struct reader *r)
{
	static char every[] = "bus";
	if (r->count == 1)
		r->words[1] = every;
	return read_switch(r, 0) && read_bus(r, 1);
}

static const struct {
	const char *name;
	enum command_verb verb;
	size_t words_min;
	size_t words_max;
	bool (*read)(struct reader *r);
	const char *usage;
} verbs[] = {
	{"help", COMMAND_HELP, 0, 0, NULL, "help"},
	{"plug", COMMAND_PLUG, 2, 6, read_plug, "plug OUTLET WATTS [INRUSH-PERMILLE INRUSH-MS [ON-MS OFF-MS]]"},
	{"unplug", COMMAND_UNPLUG, 1, 1, read_outlet_only, "unplug OUTLET"},
	{"open", COMMAND_OPEN, 1, 2, read_open, "open OUTLET|box [force]"},
	{"close", COMMAND_CLOSE, 1, 1, read_place_only, "close OUTLET|box"},
	{"mains", COMMAND_MAINS, 1, 2, read_mains, "mains on|off [hard]"},
	{"trip", COMMAND_TRIP, 1, 1, read_outlet_only, "trip OUTLET"},
	{"reset", COMMAND_RESET, 1, 1, read_outlet_only, "reset OUTLET"},
	{"replace", COMMAND_REPLACE, 2, 3, read_replace, "replace OUTLET SERIAL [REGISTER-KWH]"},
	{"bounce", COMMAND_BOUNCE, 2, 2, read_bounce, "bounce OUTLET|box MS"},
	{"fault", COMMAND_FAULT, 3, 3, read_fault, "fault OUTLET NAME on|off|MS, fault bus[N] echo on|off"},
	{"foreign-master", COMMAND_FOREIGN_MASTER, 1, 2, read_foreign_master, "foreign-master on|off [busN]"},
	{"state", COMMAND_STATE, 0, 0, NULL, "state"},
	{"quit", COMMAND_QUIT, 0, 0, NULL, "quit"},
};

const char *command_help(void)
{
	return "plug OUTLET WATTS [INRUSH-PERMILLE INRUSH-MS [ON-MS OFF-MS]]\n"
	       "                        plugs a load in; its inrush once, its duty cycle for ever\n"
	       "unplug OUTLET           takes it out\n"
	       "open OUTLET|box [force] opens a door; force: without the lock's leave\n"
	       "close OUTLET|box        closes it\n"
	       "mains on|off [hard]     hard: the board is dead too\n"
	       "trip OUTLET             a protective device opens the breaker\n"
	       "reset OUTLET            somebody resets it\n"
	       "replace OUTLET SERIAL [REGISTER-KWH]\n"
	       "                        another meter in the same place, at the same address\n"
	       "bounce OUTLET|box MS    the door's switch bounces\n"
	       "fault OUTLET NAME on|off  welded, stuck-open, bypassed (breaker); silent, zero, stuck (meter);\n"
	       "                        garbled, foreign, half (its answers)\n"
	       "fault OUTLET NAME MS|off  slow (turn-around), dribble (per byte), late (on top)\n"
	       "fault bus[N] echo on|off  the master hears itself\n"
	       "foreign-master on|off [busN]  another master asks now and then\n"
	       "state                   the whole truth as one line of JSON\n"
	       "help, quit\n";
}

bool command_read(char *text, const struct options *options, struct command *command, char error[COMMAND_ERROR_SIZE])
{
	char *words[WORDS_MAX + 1];
	struct reader r = {.options = options, .command = command, .error = error};
	*command = (struct command){.verb = COMMAND_NOTHING};
	char *comment = strchr(text, '#');
	if (comment)
		*comment = '\0';
	size_t count = text_split(text, words, WORDS_MAX + 1);
	if (count == 0)
		return true;
	size_t v = 0;
	while (v < sizeof(verbs) / sizeof(verbs[0]) && strcmp(words[0], verbs[v].name) != 0)
		v++;
	if (v == sizeof(verbs) / sizeof(verbs[0]))
		return wrong(&r,
			     "no command '%s': plug, unplug, open, close, mains, trip, reset, replace, bounce, fault, "
			     "foreign-master, state, help, quit",
			     words[0]);
	r.count = count - 1;
	if (r.count < verbs[v].words_min || r.count > verbs[v].words_max)
		return wrong(&r, "wanted: %s", verbs[v].usage);
	memcpy(r.words, words + 1, r.count * sizeof(words[0]));
	command->verb = verbs[v].verb;
	return !verbs[v].read || verbs[v].read(&r);
}
