/* src/daemon/main.c: meterboxd's command line.
 *
 * Room: src/daemon. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "daemon.h"

#define CONFIG_PATH "/etc/meterbox/meterboxd.conf"

static const char usage[] =
	"usage: meterboxd [--config FILE]\n"
	"       meterboxd --check-config [--json] [--config FILE]\n"
	"The controller of a shared power supply box.\n"
	"  -c, --config FILE   the configuration (default " CONFIG_PATH ")\n"
	"      --check-config  reads the configuration, prints what was understood, and ends\n"
	"      --json          prints it as one JSON object\n"
	"  -h, --help\n"
	"      --version\n"
	"Signals: SIGTERM and SIGINT end it in order, SIGHUP reads the configuration again.\n"
	"Exit codes: 0 ended in order; 1 failure; 64 wrong usage; 78 wrong configuration. See meterboxd(8).\n";

struct arguments {
	const char *config_path;
	bool check;
	bool json;
};

enum {
	OPTION_CHECK = 256,
	OPTION_JSON,
	OPTION_VERSION
};

static int misuse(const char *what)
{
	fprintf(stderr, "meterboxd: %s (try --help)\n", what);
	return EX_USAGE;
}

/* -1 to go on, or the exit code. */
static int read_arguments(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check-config", no_argument, NULL, OPTION_CHECK},
		{"json", no_argument, NULL, OPTION_JSON},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, OPTION_VERSION},
		{0},
	};
	for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
		if (option == 'c')
			a->config_path = optarg;
		else if (option == OPTION_CHECK)
			a->check = true;
		else if (option == OPTION_JSON)
			a->json = true;
		else if (option == 'h')
			return fputs(usage, stdout) < 0 ? EX_IOERR : 0;
		else if (option == OPTION_VERSION)
			return puts("meterboxd " METERBOX_VERSION) < 0 ? EX_IOERR : 0;
		else
			return misuse("wrong usage");
	}
	if (optind != argc)
		return misuse("it takes no arguments beside options");
	if (a->json && !a->check)
		return misuse("--json goes with --check-config");
	return -1;
}

static int check(const struct config *config, bool json)
{
	bool printed = config_print(stdout, config, json);
	if (fflush(stdout) != 0 || !printed) {
		fprintf(stderr, "meterboxd: standard output: %s\n", strerror(errno));
		return EX_IOERR;
	}
	return 0;
}

/* Signals come through the loop; the threads, which start later, hear of none. */
static void block_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* What asks for it later (a reload, the doctor) may stand in another folder. */
static void make_absolute(char *path, size_t size)
{
	char *absolute = realpath(path, NULL);
	if (absolute != NULL && strlen(absolute) < size)
		word_copy(path, size, absolute);
	free(absolute);
}

int main(int argc, char **argv)
{
	static struct config config; /* too large for the stack */
	struct arguments arguments = {.config_path = CONFIG_PATH};
	struct config_error error;
	int code = read_arguments(argc, argv, &arguments);
	if (code >= 0)
		return code;
	block_signals();
	if (config_load(arguments.config_path, &config, &error) < 0) {
		fprintf(stderr, "meterboxd: %s\n", error.text);
		return EX_CONFIG;
	}
	make_absolute(config.path, sizeof config.path);
	word_copy(config.box.version, sizeof config.box.version, METERBOX_VERSION);
	return arguments.check ? check(&config, arguments.json) : daemon_run(&config);
}
