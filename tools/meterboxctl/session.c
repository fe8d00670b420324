/* tools/meterboxctl/session.c: "meterboxctl session": one command of a technician, signed on by name.
 *
 * Room: meterboxctl; src/control, src/wire, cJSON. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ctl_client.h"
#include "ctl_query.h"
#include "ctl_session.h"
#include "ctl_text.h"
#include "wire.h"

#define MICROS_DECIMALS 6
#define KWH_DECIMALS 6 /* down to a milliwatt-hour */
#define MS_PER_S 1000
#define MS_PER_MINUTE 60000
#define DEFAULT_HOLD_S 300 /* to be started within; a reservation, to be used within */
#define HOLD_MAX_S (INT64_C(366) * 86400)
#define LIMIT_MAX_MINUTES (INT64_C(366) * 1440)
#define AMPS_DECIMALS 3 /* down to a milliampere */

/* --- what may stand on the command line --- */

enum option_bit {
	HAS_ORDER = 1 << 0,
	HAS_ACCOUNT = 1 << 1,
	HAS_CREDIT = 1 << 2,
	HAS_TARIFF = 1 << 3,
	HAS_HOLD = 1 << 4,
	HAS_LIMIT_KWH = 1 << 5,
	HAS_LIMIT_MINUTES = 1 << 6,
	HAS_LIMIT_AMOUNT = 1 << 7,
	HAS_AMOUNT = 1 << 8,
	HAS_WORK_ORDER = 1 << 9,
	HAS_FULL_AMPS = 1 << 10,
	HAS_FULL_MINUTES = 1 << 11,
};

#define HAS_FULL (HAS_FULL_AMPS | HAS_FULL_MINUTES)
#define HAS_LIMITS (HAS_LIMIT_KWH | HAS_LIMIT_MINUTES | HAS_LIMIT_AMOUNT | HAS_FULL)

static const struct option option_table[] = {
	{"order", required_argument, NULL, HAS_ORDER},
	{"account", required_argument, NULL, HAS_ACCOUNT},
	{"credit", required_argument, NULL, HAS_CREDIT},
	{"tariff", required_argument, NULL, HAS_TARIFF},
	{"hold", required_argument, NULL, HAS_HOLD},
	{"limit-kwh", required_argument, NULL, HAS_LIMIT_KWH},
	{"limit-minutes", required_argument, NULL, HAS_LIMIT_MINUTES},
	{"limit-amount", required_argument, NULL, HAS_LIMIT_AMOUNT},
	{"full-amps", required_argument, NULL, HAS_FULL_AMPS},
	{"full-minutes", required_argument, NULL, HAS_FULL_MINUTES},
	{"amount", required_argument, NULL, HAS_AMOUNT},
	{"work-order", required_argument, NULL, HAS_WORK_ORDER},
	{NULL, 0, NULL, 0},
};

struct arguments {
	int outlet; /* RECORD_NO_OUTLET: the metering box */
	unsigned given; /* bits of enum option_bit */
	bool on; /* of on|off */
	char order[ORDER_SIZE];
	char account[ACCOUNT_SIZE];
	char work_order[ORDER_SIZE];
	struct fee_tariff tariff;
	int64_t credit_micros; /* --credit or --amount */
	int64_t hold_ms;
	int64_t limit_mwh;
	int64_t limit_ms;
	int64_t limit_micros;
	int64_t full_ma;
	int64_t full_ms;
};

struct action {
	const char *name;
	enum command_type type;
	unsigned needed; /* options that must be there ... */
	unsigned allowed; /* ... and that may be */
	bool takes_box; /* OUTLET may be "box" */
	bool takes_switch; /* on or off follows */
	const char *done; /* what to say when it is */
};

static const struct action actions[] = {
	{"authorize",
	 COMMAND_AUTHORIZE,
	 HAS_ORDER | HAS_ACCOUNT | HAS_CREDIT | HAS_TARIFF,
	 HAS_HOLD | HAS_LIMITS,
	 .done = "authorized; its lock opens, and it can be started when it is ready"},
	{"start", COMMAND_START, 0, HAS_ORDER, .done = "starting"},
	{"stop", COMMAND_STOP, 0, HAS_ORDER, .done = "stopping"},
	{"power-off", COMMAND_POWER_OFF, 0, HAS_ORDER, .done = "stopping"},
	{"departed", COMMAND_DEPARTED, 0, HAS_ORDER, .done = "its user has left"},
	{"credit", COMMAND_CREDIT, HAS_AMOUNT, HAS_ORDER, .done = "credit added"},
	{"unlock", COMMAND_UNLOCK, 0, HAS_WORK_ORDER, .takes_box = true, .done = "its lock opens"},
	{"reserve", COMMAND_RESERVE, HAS_ACCOUNT, HAS_HOLD, .done = "reserved"},
	{"release", COMMAND_RELEASE, 0, 0, .done = "its reservation is released"},
	{"clear-fault", COMMAND_CLEAR_FAULT, 0, 0, .done = "its fault is cleared"},
	{"out-of-service", COMMAND_OUT_OF_SERVICE, 0, 0, .takes_switch = true, .done = "its service state is set"},
};

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
		if (strcmp(actions[i].name, name) == 0)
			return &actions[i];
	}
	return NULL;
}

/* --- reading them --- */

static const char *option_name(unsigned bit)
{
	for (const struct option *o = option_table; o->name != NULL; o++) {
		if ((unsigned)o->val == bit)
			return o->name;
	}
	return "";
}

static bool read_name(const char *text, enum option_bit bit, char *to, size_t size)
{
	if (!word_is_printable(text, size))
		return ctl_usage("--%s %s: 1 to %zu printable characters without quotes are allowed",
				 option_name(bit),
				 text,
				 size - 1) == CTL_GOOD;
	word_copy(to, size, text);
	return true;
}

static bool read_money(const char *text, enum option_bit bit, int64_t *micros)
{
	return ctl_read_decimal(text, MICROS_DECIMALS, FEE_MONEY_MAX_MICROS, micros) ||
	       ctl_usage("--%s %s: an amount such as 5 or 5.00, with at most 6 decimals, is allowed",
			 option_name(bit),
			 text) == CTL_GOOD;
}

static bool read_amps(const char *text, enum option_bit bit, int64_t *ma)
{
	int64_t number = 0;
	if (!ctl_read_decimal(text, AMPS_DECIMALS, GRANT_FULL_MAX_MA, &number) || number == 0)
		return ctl_usage("--%s %s: a current such as 0.5, above 0 and with at most 3 decimals, is allowed",
				 option_name(bit),
				 text) == CTL_GOOD;
	*ma = number;
	return true;
}

static bool read_span(const char *text, enum option_bit bit, int64_t max, int64_t unit_ms, int64_t *ms)
{
	int64_t number = 0;
	if (!ctl_read_whole(text, 1, max, &number))
		return ctl_usage("--%s %s: a whole number from 1 to %lld is allowed",
				 option_name(bit),
				 text,
				 (long long)max) == CTL_GOOD;
	*ms = number * unit_ms;
	return true;
}

static bool read_tariff(const char *path, struct fee_tariff *tariff)
{
	char text[WIRE_TEXT_MAX + 1];
	struct wire_error error;
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return ctl_fail(CTL_USAGE, "--tariff %s: %s", path, strerror(errno)) == CTL_GOOD;
	size_t length = fread(text, 1, sizeof text, file);
	bool whole = !ferror(file);
	fclose(file);
	if (!whole)
		return ctl_fail(CTL_USAGE, "--tariff %s: it cannot be read", path) == CTL_GOOD;
	return wire_read_tariff(text, length, tariff, &error) ||
	       ctl_fail(CTL_USAGE, "--tariff %s: %s", path, error.text) == CTL_GOOD;
}

static bool read_option(enum option_bit bit, const char *value, struct arguments *a)
{
	a->given |= bit;
	switch (bit) {
	case HAS_ORDER:
		return read_name(value, bit, a->order, sizeof a->order);
	case HAS_ACCOUNT:
		return read_name(value, bit, a->account, sizeof a->account);
	case HAS_WORK_ORDER:
		return read_name(value, bit, a->work_order, sizeof a->work_order);
	case HAS_CREDIT:
	case HAS_AMOUNT:
		return read_money(value, bit, &a->credit_micros);
	case HAS_LIMIT_AMOUNT:
		return read_money(value, bit, &a->limit_micros);
	case HAS_TARIFF:
		return read_tariff(value, &a->tariff);
	case HAS_HOLD:
		return read_span(value, bit, HOLD_MAX_S, MS_PER_S, &a->hold_ms);
	case HAS_LIMIT_MINUTES:
		return read_span(value, bit, LIMIT_MAX_MINUTES, MS_PER_MINUTE, &a->limit_ms);
	case HAS_FULL_AMPS:
		return read_amps(value, bit, &a->full_ma);
	case HAS_FULL_MINUTES:
		return read_span(value, bit, GRANT_FULL_MAX_MS / MS_PER_MINUTE, MS_PER_MINUTE, &a->full_ms);
	case HAS_LIMIT_KWH:
		return ctl_read_decimal(value, KWH_DECIMALS, FEE_ENERGY_MAX_MWH, &a->limit_mwh) ||
		       ctl_usage("--limit-kwh %s: a number such as 10 or 2.5 is allowed", value) == CTL_GOOD;
	}
	return false;
}

static bool options_fit(const struct action *action, const struct arguments *a)
{
	unsigned needed = action->needed;
	if (action->takes_box && a->outlet == RECORD_NO_OUTLET)
		needed |= HAS_WORK_ORDER;
	unsigned missing = needed & ~a->given;
	unsigned strange = a->given & ~(action->needed | action->allowed);
	if (missing != 0)
		return ctl_usage("session %s needs --%s", action->name, option_name(missing & -missing)) == CTL_GOOD;
	if (strange != 0)
		return ctl_usage("session %s has no --%s", action->name, option_name(strange & -strange)) == CTL_GOOD;
	if ((a->given & HAS_FULL) != 0 && (a->given & HAS_FULL) != HAS_FULL)
		return ctl_usage("--full-amps and --full-minutes need each other") == CTL_GOOD;
	return true;
}

/* What stands behind the action's name: its outlet, and on or off. */
static bool read_words(const struct action *action, int count, char *const words[], struct arguments *a)
{
	unsigned outlet = 0;
	int wanted = action->takes_switch ? 2 : 1;
	if (count != wanted)
		return ctl_usage("session %s takes an outlet%s",
				 action->name,
				 action->takes_switch ? ", and on or off" : "") == CTL_GOOD;
	if (action->takes_switch) {
		a->on = strcmp(words[1], "on") == 0;
		if (!a->on && strcmp(words[1], "off") != 0)
			return ctl_usage("'%s': on or off is allowed", words[1]) == CTL_GOOD;
	}
	if (action->takes_box && strcmp(words[0], "box") == 0) {
		a->outlet = RECORD_NO_OUTLET;
		return true;
	}
	if (!ctl_read_outlet(words[0], &outlet))
		return false;
	a->outlet = (int)outlet;
	return true;
}

/* --- running one --- */

/* Which session is meant when nobody says: the outlet's present one. */
static enum ctl_exit find_order(struct ctl_client *client, struct arguments *a)
{
	struct ctl_state state;
	enum ctl_exit result = ctl_query_state(client, &state, NULL);
	if (result != CTL_GOOD)
		return result;
	const char *order = a->outlet < (int)state.outlet_count ? state.outlets[a->outlet].session.order : "";
	if (order[0] == '\0') {
		snprintf(client->error, sizeof client->error, "outlet %d has no session", a->outlet + 1);
		return CTL_REFUSED;
	}
	word_copy(a->order, sizeof a->order, order);
	return CTL_GOOD;
}

static void fill_grant(struct grant *grant, const struct arguments *a)
{
	*grant = (struct grant){
		.kind = SESSION_CUSTOMER,
		.mode = FEE_LOCAL,
		.tariff = a->tariff,
		.credit_micros = a->credit_micros,
		.hold_ms = a->hold_ms,
		.limit_mwh = a->limit_mwh,
		.limit_micros = a->limit_micros,
		.limit_ms = a->limit_ms,
		.full_ma = a->full_ma,
		.full_ms = a->full_ms,
	};
	word_copy(grant->order, sizeof grant->order, a->order);
	word_copy(grant->account, sizeof grant->account, a->account);
}

static void fill_command(struct command *c, const struct action *action, const struct arguments *a)
{
	*c = (struct command){.type = action->type, .outlet = a->outlet};
	switch (action->type) {
	case COMMAND_AUTHORIZE:
		fill_grant(&c->u.authorize, a);
		break;
	case COMMAND_START:
	case COMMAND_STOP:
	case COMMAND_POWER_OFF:
	case COMMAND_DEPARTED:
		word_copy(c->u.session.order, sizeof c->u.session.order, a->order);
		break;
	case COMMAND_CREDIT:
		word_copy(c->u.credit.order, sizeof c->u.credit.order, a->order);
		c->u.credit.credit_micros = a->credit_micros;
		break;
	case COMMAND_UNLOCK:
		word_copy(c->u.unlock.work_order, sizeof c->u.unlock.work_order, a->work_order);
		break;
	case COMMAND_RESERVE:
		word_copy(c->u.reserve.account, sizeof c->u.reserve.account, a->account);
		c->u.reserve.hold_ms = a->hold_ms;
		break;
	case COMMAND_OUT_OF_SERVICE:
		c->u.out_of_service.out = a->on;
		break;
	case COMMAND_RELEASE:
	case COMMAND_CLEAR_FAULT:
	case COMMAND_SERVICE: /* ctl_session_service() */
	case COMMAND_TYPE_COUNT:
		break;
	}
}

static void say_done(const struct action *action, const struct arguments *a)
{
	if (a->outlet == RECORD_NO_OUTLET)
		printf("metering box: %s.\n", action->done);
	else
		printf("outlet %d%s%s: %s.\n",
		       a->outlet + 1,
		       a->order[0] != '\0' ? ", order " : "",
		       a->order,
		       action->done);
}

static enum ctl_exit act(const struct ctl_options *options, const struct action *action, struct arguments *a)
{
	struct ctl_client client;
	struct command command;
	const char *line = NULL;
	enum ctl_exit result = ctl_client_open(&client, options->socket);
	if (result == CTL_GOOD)
		result = ctl_query_sign_on(&client, options);
	if (result == CTL_GOOD && (action->allowed & HAS_ORDER) && a->order[0] == '\0')
		result = find_order(&client, a);
	if (result == CTL_GOOD) {
		fill_command(&command, action, a);
		result = ctl_query_command(&client, options, &command, &line);
	}
	if (options->json && line != NULL)
		puts(line);
	if (result != CTL_GOOD)
		ctl_fail(result, "%s", client.error);
	else if (!options->json)
		say_done(action, a);
	ctl_client_close(&client);
	return result;
}

static enum ctl_exit run_service(const struct ctl_options *options, int argc, char *argv[])
{
	unsigned outlet = 0;
	if (argc != 3)
		return ctl_usage("session service takes an outlet");
	return ctl_read_outlet(argv[2], &outlet) ? ctl_session_service(options, outlet) : CTL_USAGE;
}

enum ctl_exit ctl_session_command(const struct ctl_options *options, int argc, char *argv[])
{
	struct arguments arguments = {.hold_ms = DEFAULT_HOLD_S * MS_PER_S};
	if (argc >= 2 && strcmp(argv[1], "service") == 0)
		return run_service(options, argc, argv);
	const struct action *action = argc >= 2 ? find_action(argv[1]) : NULL;
	if (action == NULL)
		return ctl_usage("session takes service, authorize, start, stop, power-off, departed, credit, unlock, "
				 "reserve, release, clear-fault or out-of-service");
	argv[1] = argv[0];
	argc--;
	argv++;
	for (int code; (code = getopt_long(argc, argv, "", option_table, NULL)) != -1;) {
		if (code == '?' || !read_option((enum option_bit)code, optarg, &arguments))
			return CTL_USAGE;
	}
	if (!read_words(action, argc - optind, argv + optind, &arguments) || !options_fit(action, &arguments))
		return CTL_USAGE;
	return act(options, action, &arguments);
}
