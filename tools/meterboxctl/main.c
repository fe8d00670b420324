/* tools/meterboxctl/main.c: meterboxctl, the field technician's tool: its subcommands and common options.
 *
 * Room: meterboxctl; src/control, src/wire, src/ledger, hal. One file per subcommand. */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "control.h"
#include "ctl_program.h"
#include "ctl_text.h"
#include "record.h"

static const struct subcommand {
	const char *name;
	ctl_run *run;
	const char *help;
} subcommands[] = {
	{"status",
	 ctl_status_command,
	 "  status [OUTLET]\n"
	 "      the box, its buses, outlets and meters; ends with 1 when something is wrong\n"},
	{"watch",
	 ctl_watch_command,
	 "  watch [--interval SECONDS] [OUTLET]\n"
	 "      the same live, until q or Ctrl-C; 0.2 to 60 s between pictures (1)\n"},
	{"doctor",
	 ctl_doctor_command,
	 "  doctor [--config FILE] [--state-dir DIR]\n"
	 "      what is wrong and what to do about it; ends with 1 when there are errors or warnings\n"},
	{"session",
	 ctl_session_command,
	 "  session service OUTLET\n"
	 "      power for your own work, live, until Enter, Ctrl-C or its longest time\n"
	 "  session authorize OUTLET --order X --account Y --credit 5.00 --tariff FILE [--hold SECONDS]\n"
	 "          [--limit-kwh N] [--limit-minutes N] [--limit-amount N]\n"
	 "  session start|stop|power-off|departed OUTLET [--order X]\n"
	 "  session credit OUTLET --amount 2.00 [--order X]\n"
	 "  session unlock OUTLET | session unlock box --work-order W\n"
	 "  session reserve OUTLET --account Y [--hold SECONDS] | session release OUTLET\n"
	 "  session clear-fault OUTLET\n"
	 "  session out-of-service OUTLET on|off\n"
	 "      one act of yours, kept in the ledger under your name; --order is the outlet's present one by default\n"},
	{"ledger",
	 ctl_ledger_command,
	 "  ledger verify [FILE]\n"
	 "      checks every record, by itself; of the running box, or of a ledger's file\n"
	 "  ledger export [FILE] [--from SEQ] [--max N]\n"
	 "      the records as stored, one JSON document a line\n"},
};

#define SUBCOMMAND_COUNT (sizeof subcommands / sizeof *subcommands)

static const char help_head[] = "usage: meterboxctl [options] SUBCOMMAND ...\n"
				"The field technician's tool: speaks with meterboxd through its control socket.\n";

static const char help_options[] = "Options, anywhere:\n"
				   "  --socket PATH      of meterboxd (" CONTROL_SOCKET "; METERBOX_SOCKET)\n"
				   "  --as NAME          whose acts these are (your login name; METERBOX_TECHNICIAN)\n"
				   "  --json             for programs\n"
				   "  --help, --version\n"
				   "Exit: 0 all well, 1 something is wrong, 2 usage, 3 meterboxd cannot be reached,"
				   " 4 refused.\n";

enum ctl_exit ctl_fail(enum ctl_exit result, const char *format, ...)
{
	char text[1024], shown[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	ctl_escape(shown, sizeof shown, text);
	fflush(stdout);
	fprintf(stderr, "meterboxctl: %s\n", shown);
	return result;
}

enum ctl_exit ctl_usage(const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	return ctl_fail(CTL_USAGE, "%s (try --help)", text);
}

bool ctl_read_outlet(const char *text, unsigned *outlet)
{
	int64_t number = 0;
	if (!ctl_read_whole(text, 1, OUTLETS_MAX, &number))
		return ctl_usage("'%s': an outlet is a number from 1 to %d", text, OUTLETS_MAX) == CTL_GOOD;
	*outlet = (unsigned)number - 1;
	return true;
}

bool ctl_random_name(char name[CTL_RANDOM_NAME_SIZE], const char *prefix)
{
	unsigned char bytes[8];
	if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
		return ctl_fail(CTL_WRONG, "no random numbers: %s", strerror(errno)) == CTL_GOOD;
	int length = snprintf(name, CTL_RANDOM_NAME_SIZE, "%.8s", prefix);
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(name + length + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

/* --- common options --- */

enum wanted {
	WANTED_RUN,
	WANTED_HELP,
	WANTED_VERSION,
	WANTED_NOTHING, /* the usage was wrong */
};

/* The value of --name VALUE or --name=VALUE, with *taken words used; NULL when argv[0] is another option, and "" when
 * the value is missing. */
static const char *option_value(const char *name, char *const argv[], int *taken)
{
	size_t length = strlen(name);
	if (strncmp(argv[0], name, length) != 0 || (argv[0][length] != '\0' && argv[0][length] != '='))
		return NULL;
	*taken = argv[0][length] == '=' || argv[1] == NULL ? 1 : 2;
	if (argv[0][length] == '=')
		return argv[0] + length + 1;
	return argv[1] != NULL ? argv[1] : "";
}

/* Takes one common option; *taken is 0 when argv[0] is none. */
static enum wanted take_option(struct ctl_options *options, char *const argv[], int *taken)
{
	const char *value;
	*taken = 0;
	if ((value = option_value("--socket", argv, taken)) != NULL)
		options->socket = value;
	else if ((value = option_value("--as", argv, taken)) != NULL)
		options->name = value;
	if (value != NULL && value[0] == '\0') {
		ctl_usage("%s: a value is needed", argv[0]);
		return WANTED_NOTHING;
	}
	if (*taken > 0)
		return WANTED_RUN;
	*taken = 1;
	if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
		return WANTED_HELP;
	if (strcmp(argv[0], "--version") == 0)
		return WANTED_VERSION;
	if (strcmp(argv[0], "--json") == 0)
		options->json = true;
	else
		*taken = 0;
	return WANTED_RUN;
}

/* Takes the common options out of argv, wherever they stand before "--". */
static enum wanted take_options(struct ctl_options *options, int *argc, char *argv[])
{
	enum wanted wanted = WANTED_RUN;
	int kept = 1;
	bool ended = false;
	for (int i = 1, taken; i < *argc; i += taken) {
		ended = ended || strcmp(argv[i], "--") == 0;
		enum wanted found = ended ? WANTED_RUN : take_option(options, argv + i, &taken);
		if (found == WANTED_NOTHING)
			return found;
		if (found != WANTED_RUN && wanted == WANTED_RUN)
			wanted = found;
		if (ended || taken == 0) {
			argv[kept++] = argv[i];
			taken = 1;
		}
	}
	argv[kept] = NULL;
	*argc = kept;
	return wanted;
}

/* Whoever became root by sudo is still the person who logged in. */
static const char *login_name(void)
{
	const char *before = geteuid() == 0 ? getenv("SUDO_USER") : NULL;
	if (before != NULL && before[0] != '\0')
		return before;
	const struct passwd *user = getpwuid(getuid());
	return user != NULL ? user->pw_name : "";
}

static const char *environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);
	return value != NULL && value[0] != '\0' ? value : otherwise;
}

/* --- */

static void print_help(const char *subcommand)
{
	fputs(help_head, stdout);
	for (size_t i = 0; i < SUBCOMMAND_COUNT; i++) {
		if (subcommand == NULL || strcmp(subcommands[i].name, subcommand) == 0)
			fputs(subcommands[i].help, stdout);
	}
	fputs(help_options, stdout);
}

static const struct subcommand *find_subcommand(const char *name)
{
	for (size_t i = 0; name != NULL && i < SUBCOMMAND_COUNT; i++) {
		if (strcmp(subcommands[i].name, name) == 0)
			return &subcommands[i];
	}
	return NULL;
}

static enum ctl_exit run(const struct ctl_options *options, enum wanted wanted, int argc, char *argv[])
{
	const struct subcommand *found = find_subcommand(argv[1]);
	switch (wanted) {
	case WANTED_NOTHING:
		return CTL_USAGE;
	case WANTED_HELP:
		print_help(found != NULL ? found->name : NULL);
		return CTL_GOOD;
	case WANTED_VERSION:
		puts("meterboxctl " METERBOX_VERSION);
		return CTL_GOOD;
	case WANTED_RUN:
		break;
	}
	if (argc < 2)
		return ctl_usage("a subcommand is needed: status, watch, doctor, session or ledger");
	if (found == NULL)
		return ctl_usage("'%s' is not a subcommand", argv[1]);
	argv[1] = argv[0]; /* getopt names its complaints by it */
	return found->run(options, argc - 1, argv + 1);
}

int main(int argc, char *argv[])
{
	struct ctl_options options = {
		.socket = environment("METERBOX_SOCKET", CONTROL_SOCKET),
		.name = environment("METERBOX_TECHNICIAN", login_name()),
	};
	enum wanted wanted = take_options(&options, &argc, argv);
	enum ctl_exit result = run(&options, wanted, argc, argv);
	if ((fflush(stdout) != 0 || ferror(stdout)) && result != CTL_USAGE)
		result = ctl_fail(CTL_WRONG, "writing the output: %s", strerror(errno));
	return (int)result;
}
