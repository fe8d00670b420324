/* tools/boxsim/main.c: boxsim, a simulated supply box: its loop.
 *
 * Room: boxsim; plant, hal/core, libmodbus. One thread, one poll(); nothing in here waits for anybody. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "boxsim_box.h"
#include "boxsim_command.h"
#include "boxsim_console.h"
#include "boxsim_options.h"
#include "boxsim_picture.h"
#include "boxsim_scenario.h"
#include "boxsim_truth.h"

#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define MS_PER_S 1000
#define NS_PER_MS 1000000

struct program {
	struct options options;
	struct box box;
	struct scenario scenario;
	struct console console;
	struct picture picture;
};

/* Where each descriptor stands in the poll() set. */
enum watched {
	WATCH_INPUT,
	WATCH_LISTENER,
	WATCH_BOARD,
	WATCH_LINES,
	WATCH_COUNT = WATCH_LINES + BOXSIM_BUSES_MAX
};

static volatile sig_atomic_t stop_asked;

static void ask_stop(int signal_number)
{
	(void)signal_number;
	stop_asked = 1;
}

/* --- commands --- */

static void say(struct program *p, const char *text)
{
	console_write(&p->console, text, strlen(text));
}

static void say_error(struct program *p, const char *error)
{
	say(p, "error: ");
	say(p, error);
	say(p, "\n");
}

/* False, with a sentence in error: the box did not let it be done. text is what the log says. */
static bool run_command(struct program *p, const struct command *command, const char *text,
			char error[COMMAND_ERROR_SIZE])
{
	char truth[TRUTH_MAX];
	event_log_text(&p->box.log, box_mono_ms(&p->box), "command", BOXSIM_NOBODY, "text", text);
	if (!command_run(&p->box, command, error)) {
		event_log_text(&p->box.log, box_mono_ms(&p->box), "refused", BOXSIM_NOBODY, "text", error);
		return false;
	}
	if (command->verb == COMMAND_STATE)
		console_write(&p->console, truth, truth_write(&p->box, truth));
	if (command->verb == COMMAND_HELP)
		say(p, command_help());
	return true;
}

static void obey(struct program *p, char *line)
{
	char text[COMMAND_LINE_MAX];
	char error[COMMAND_ERROR_SIZE] = "";
	struct command command;
	strcpy(text, line);
	if (!command_read(line, &p->options, &command, error))
		say_error(p, error);
	else if (command.verb != COMMAND_NOTHING)
		run_command(p, &command, text, error) ? say(p, "ok\n") : say_error(p, error);
}

static void hear_console(struct program *p)
{
	char line[COMMAND_LINE_MAX];
	enum console_input found = CONSOLE_LINE;
	console_fill(&p->console);
	while (found != CONSOLE_NOTHING && !p->box.quit) {
		found = console_next(&p->console, line);
		if (found == CONSOLE_LINE)
			obey(p, line);
		else if (found == CONSOLE_TOO_LONG)
			say_error(p, "a line is too long");
		else if (found == CONSOLE_NOT_TEXT)
			say_error(p, "a line holds something else than text");
	}
}

static void run_scenario(struct program *p)
{
	const struct scenario_step *step;
	while (!p->box.quit && (step = scenario_due(&p->scenario, p->box.now_ms))) {
		char text[64];
		char error[COMMAND_ERROR_SIZE] = "";
		snprintf(text, sizeof(text), "line %u of the scenario", step->line);
		if (!run_command(p, &step->command, text, error))
			fprintf(stderr, "boxsim: %s:%u: %s\n", p->scenario.path, step->line, error);
	}
}

/* --- the loop --- */

static void watch(const struct program *p, struct pollfd watched[WATCH_COUNT])
{
	const struct box *box = &p->box;
	for (unsigned i = 0; i < WATCH_COUNT; i++)
		watched[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	if (!p->console.ended)
		watched[WATCH_INPUT].fd = STDIN_FILENO;
	watched[WATCH_LISTENER].fd = box->pins.listener;
	watched[WATCH_BOARD].fd = box->pins.board;
	if (box->pins.out_count)
		watched[WATCH_BOARD].events |= POLLOUT;
	for (unsigned i = 0; i < box->options->bus_count; i++)
		if (!box->lines[i].deserted)
			watched[WATCH_LINES + i].fd = box->lines[i].terminal;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Waits for anything; 0 or a negative errno. */
static int wait_for(struct program *p, struct pollfd watched[WATCH_COUNT], const sigset_t *signals)
{
	int64_t wake_ms = smaller(box_wake_ms(&p->box), scenario_wake_ms(&p->scenario));
	wake_ms = smaller(wake_ms, picture_wake_ms(&p->picture));
	int64_t rest_ms = wake_ms == PLANT_NEVER ? PLANT_NEVER : wake_ms - box_clock_ms(&p->box);
	struct timespec rest = {.tv_sec = 0};
	if (rest_ms > 0) {
		rest.tv_sec = rest_ms / MS_PER_S;
		rest.tv_nsec = rest_ms % MS_PER_S * NS_PER_MS;
	}
	watch(p, watched);
	if (ppoll(watched, WATCH_COUNT, wake_ms == PLANT_NEVER ? NULL : &rest, signals) < 0) {
		for (unsigned i = 0; i < WATCH_COUNT; i++)
			watched[i].revents = 0;
		return errno == EINTR ? 0 : -errno;
	}
	return 0;
}

/* Serves what came, at the moment that the box has reached. 0 or a negative errno. */
static int serve(struct program *p, const struct pollfd watched[WATCH_COUNT])
{
	struct box *box = &p->box;
	int rc = 0;
	if (watched[WATCH_BOARD].revents & ~POLLOUT)
		box_hear_board(box);
	if (watched[WATCH_LISTENER].revents)
		box_accept_board(box);
	if (watched[WATCH_INPUT].revents)
		hear_console(p);
	for (unsigned i = 0; rc == 0 && i < box->options->bus_count; i++)
		if (watched[WATCH_LINES + i].revents || box->lines[i].deserted)
			rc = line_read(&box->lines[i], box->now_ms);
	return rc;
}

static int run_loop(struct program *p, const sigset_t *signals)
{
	struct pollfd watched[WATCH_COUNT] = {{.fd = -1}};
	struct box *box = &p->box;
	int rc = 0;
	while (rc == 0 && !stop_asked && !box->quit) {
		/* First the world comes to the present and the state file with it: nothing is ever answered, logged or
		 * drawn that the file does not know. */
		box_run(box);
		run_scenario(p);
		rc = serve(p, watched);
		for (unsigned i = 0; i < box->options->bus_count; i++)
			line_run(&box->lines[i], box->now_ms);
		if (!pins_flush(&box->pins))
			box_lose_board(box);
		picture_run(&p->picture, box, &p->console);
		if (rc == 0)
			rc = box->log.error;
		if (rc == 0 && !box->quit)
			rc = wait_for(p, watched, signals);
	}
	return rc;
}

/* --- start and end --- */

/* Signals are taken only while waiting; *waiting is the mask for that. */
static void catch_signals(sigset_t *waiting)
{
	static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = ask_stop};
	sigset_t blocked;
	sigemptyset(&blocked);
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
		sigaddset(&blocked, stops[i]);
		sigaction(stops[i], &action, NULL);
	}
	sigprocmask(SIG_BLOCK, &blocked, waiting);
	for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++)
		sigdelset(waiting, stops[i]);
	signal(SIGPIPE, SIG_IGN);
}

/* A file of ours must not become standard output because that was closed. */
static bool have_standard_files(void)
{
	int fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = dup(fd);
	if (fd > STDERR_FILENO)
		close(fd);
	return fd >= 0;
}

static int run_program(struct program *p)
{
	sigset_t waiting;
	enum scenario_outcome outcome = scenario_read(&p->scenario, p->options.scenario, &p->options);
	if (outcome != SCENARIO_READ)
		return outcome == SCENARIO_WRONG ? EXIT_USAGE : EXIT_FAILED;
	catch_signals(&waiting);
	int rc = box_start(&p->box, &p->options);
	if (rc == 0) {
		picture_start(&p->picture, &p->box, &p->console);
		rc = run_loop(p, &waiting);
		picture_stop(&p->picture, &p->box, &p->console);
		if (rc < 0)
			fprintf(stderr, "boxsim: %s%s\n", p->box.log.error ? "log: " : "", strerror(-rc));
	}
	box_stop(&p->box);
	return rc < 0 ? EXIT_FAILED : 0;
}

int main(int argc, char *argv[])
{
	static struct program program;
	if (!have_standard_files())
		return EXIT_FAILED;
	switch (options_read(argc, argv, &program.options)) {
	case OPTIONS_DONE:
		return 0;
	case OPTIONS_WRONG:
		return EXIT_USAGE;
	case OPTIONS_RUN:
		break;
	}
	int status = run_program(&program);
	scenario_free(&program.scenario);
	return status;
}
