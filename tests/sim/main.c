/* tests/sim/main.c: meterbox-sim, the command line around the simulated world. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "world.h"

#define EXIT_USAGE 2
#define DAY_MS INT64_C(86400000)
#define DAYS_MAX 36600
#define SCRIPT_MS INT64_C(240000)

static const char usage[] =
	"usage: meterbox-sim [--seeds A..B | --seed N] [--days N] [--faults LIST] [--trace]\n"
	"       meterbox-sim --cuts [--every N] [--seeds A..B] [--trace]\n"
	"\n"
	"Runs a box (heart, ledger, physics), its server and its people in simulated time and checks after every step\n"
	"what must always hold. The same seed gives the same world.\n"
	"\n"
	"  --seeds A..B    worlds to run (default 1..10)\n"
	"  --seed N        one world; with --trace it prints what happens\n"
	"  --days N        simulated days of each world (default 1)\n"
	"  --faults LIST   what may go wrong: all, none, or some of power,crash,link,meter,breaker,door,disk,rot\n"
	"                  separated by commas (default: all)\n"
	"  --cuts          one short session per seed, run again for each disk operation, pin change and message, with\n"
	"                  the power cut there, under each of four kinds of damage\n"
	"  --every N       with --cuts: only each Nth boundary (default 1)\n"
	"  --trace         print each event (best with --seed)\n"
	"  --help, --version\n"
	"\n"
	"The last line is one JSON object. Exit status: 0, 1 a rule was violated, 2 wrong usage, 3 out of memory.\n";

struct arguments {
	uint64_t first;
	uint64_t last;
	int64_t days;
	unsigned faults;
	bool cuts;
	uint64_t every;
	bool trace;
};

struct totals {
	struct world_result sum;
	uint64_t worlds;
	uint64_t violations;
};

static bool fail_usage(const char *why, const char *what)
{
	fprintf(stderr, "meterbox-sim: %s '%s' (see --help)\n", why, what);
	return false;
}

static bool parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *value, const char **end)
{
	char *stop;
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	unsigned long long number = strtoull(text, &stop, 10);
	*end = stop;
	*value = number;
	return errno == 0 && number >= low && number <= high;
}

static bool parse_whole(const char *name, const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
	const char *end;
	if (parse_number(text, low, high, value, &end) && *end == '\0')
		return true;
	fprintf(stderr,
		"meterbox-sim: %s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'\n",
		name,
		low,
		high,
		text);
	return false;
}

static bool parse_seeds(const char *text, struct arguments *a)
{
	const char *end;
	if (parse_number(text, 0, INT64_MAX, &a->first, &end) && strncmp(end, "..", 2) == 0 &&
	    parse_number(end + 2, a->first, INT64_MAX, &a->last, &end) && *end == '\0')
		return true;
	return fail_usage("--seeds takes A..B with A not above B, not", text);
}

static bool parse_fault(const char *word, size_t length, unsigned *faults)
{
	for (unsigned i = 0; i < WORLD_FAULT_COUNT; i++) {
		const char *name = world_fault_name(i);
		if (strlen(name) == length && strncmp(name, word, length) == 0) {
			*faults |= 1u << i;
			return true;
		}
	}
	return false;
}

static bool parse_faults(const char *text, unsigned *faults)
{
	*faults = strcmp(text, "all") == 0 ? WORLD_ALL_FAULTS : 0;
	if (strcmp(text, "all") == 0 || strcmp(text, "none") == 0)
		return true;
	for (const char *word = text;; word++) {
		size_t length = strcspn(word, ",");
		if (!parse_fault(word, length, faults))
			return fail_usage("--faults takes all, none, or names separated by commas, not", text);
		word += length;
		if (*word == '\0')
			return true;
	}
}

/* 0 to go on, 1 to end well (help, version), -1 wrong usage. */
static int parse(int argc, char **argv, struct arguments *a)
{
	enum {
		SEEDS = 1,
		SEED,
		DAYS,
		FAULTS,
		CUTS,
		EVERY,
		TRACE,
		HELP,
		VERSION
	};
	static const struct option options[] = {
		{"seeds", required_argument, NULL, SEEDS},
		{"seed", required_argument, NULL, SEED},
		{"days", required_argument, NULL, DAYS},
		{"faults", required_argument, NULL, FAULTS},
		{"cuts", no_argument, NULL, CUTS},
		{"every", required_argument, NULL, EVERY},
		{"trace", no_argument, NULL, TRACE},
		{"help", no_argument, NULL, HELP},
		{"version", no_argument, NULL, VERSION},
		{0},
	};
	uint64_t days;
	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		bool valid = true;
		switch (option) {
		case SEEDS:
			valid = parse_seeds(optarg, a);
			break;
		case SEED:
			valid = parse_whole("--seed", optarg, 0, INT64_MAX, &a->first);
			a->last = a->first;
			break;
		case DAYS:
			valid = parse_whole("--days", optarg, 1, DAYS_MAX, &days);
			a->days = valid ? (int64_t)days : 0;
			break;
		case FAULTS:
			valid = parse_faults(optarg, &a->faults);
			break;
		case CUTS:
			a->cuts = true;
			break;
		case EVERY:
			valid = parse_whole("--every", optarg, 1, 1000000, &a->every);
			break;
		case TRACE:
			a->trace = true;
			break;
		case HELP:
			fputs(usage, stdout);
			return 1;
		case VERSION:
			puts("meterbox-sim " METERBOX_VERSION);
			return 1;
		default:
			return -1; /* getopt has said what is wrong */
		}
		if (!valid)
			return -1;
	}
	if (optind < argc) {
		fail_usage("unexpected argument", argv[optind]);
		return -1;
	}
	return 0;
}

static void add(struct totals *t, const struct world_result *r, uint64_t seed)
{
	t->worlds++;
	t->violations += r->violated;
	t->sum.sessions += r->sessions;
	t->sum.power_cuts += r->power_cuts;
	t->sum.commands += r->commands;
	t->sum.records += r->records;
	t->sum.simulated_ms += r->simulated_ms;
	t->sum.hash = (t->sum.hash ^ r->hash ^ seed) * UINT64_C(1099511628211);
	if (r->violated)
		fprintf(stderr, "violation: %s\n", r->violation);
}

static int run(const struct world_options *options, struct totals *totals, struct world_result *result)
{
	int failed = world_run(options, result);
	if (failed == 0)
		add(totals, result, options->seed);
	return failed;
}

static void print_replay(const struct world_options *o)
{
	fprintf(stderr,
		"the cut: seed %" PRIu64 ", disk operation %" PRIu64 ", boundary %" PRIu64 ", damage %d\n",
		o->seed,
		o->cut_at_operation,
		o->cut_at_boundary,
		(int)o->damage);
}

/* One scripted session, then again for each boundary and damage. */
static int run_cuts(const struct arguments *a, uint64_t seed, struct totals *totals)
{
	struct world_options options = {.seed = seed, .duration_ms = SCRIPT_MS, .scripted = true, .trace = a->trace};
	struct world_result whole;
	struct world_result result;
	int failed = run(&options, totals, &whole);
	options.trace = false;
	for (uint64_t k = 1; failed == 0 && k <= whole.operations + whole.boundaries; k += a->every) {
		bool on_disk = k <= whole.operations;
		options.cut_at_operation = on_disk ? k : 0;
		options.cut_at_boundary = on_disk ? 0 : k - whole.operations;
		for (int damage = 0; failed == 0 && damage < CUT_DAMAGE_COUNT; damage++) {
			options.damage = (enum cut_damage)damage;
			failed = run(&options, totals, &result);
			if (result.violated)
				print_replay(&options);
		}
	}
	return failed;
}

static void print_totals(const struct arguments *a, const struct totals *t, int64_t elapsed_ms)
{
	int64_t seconds = t->sum.simulated_ms / 1000;
	printf("{\"seeds\":\"%" PRIu64 "..%" PRIu64 "\",\"box_days\":%.2f,\"sessions\":%" PRIu64
	       ",\"power_cuts\":%" PRIu64 ",\"commands\":%" PRIu64 ",\"records\":%" PRIu64 ",\"violations\":%" PRIu64
	       ",\"sim_seconds_per_second\":%" PRId64 ",\"final_hash\":\"%016" PRIx64 "\"}\n",
	       a->first,
	       a->last,
	       (double)t->sum.simulated_ms / (double)DAY_MS,
	       t->sum.sessions,
	       t->sum.power_cuts,
	       t->sum.commands,
	       t->sum.records,
	       t->violations,
	       elapsed_ms > 0 ? seconds * 1000 / elapsed_ms : seconds,
	       t->sum.hash);
}

static int64_t stopwatch_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	struct arguments a = {.first = 1, .last = 10, .days = 1, .faults = WORLD_ALL_FAULTS, .every = 1};
	struct totals totals = {0};
	int parsed = parse(argc, argv, &a);
	if (parsed != 0)
		return parsed > 0 ? 0 : EXIT_USAGE;
	int64_t began_ms = stopwatch_ms();
	int failed = 0;
	for (uint64_t seed = a.first; failed == 0 && seed <= a.last; seed++) {
		struct world_result result;
		struct world_options options = {
			.seed = seed, .duration_ms = a.days * DAY_MS, .faults = a.faults, .trace = a.trace};
		failed = a.cuts ? run_cuts(&a, seed, &totals) : run(&options, &totals, &result);
	}
	if (failed != 0) {
		fprintf(stderr, "meterbox-sim: %s\n", strerror(-failed));
		return 3;
	}
	print_totals(&a, &totals, stopwatch_ms() - began_ms);
	return totals.violations > 0;
}
