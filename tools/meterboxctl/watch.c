/* tools/meterboxctl/watch.c: "meterboxctl watch": the box live, until q or Ctrl-C.
 *
 * Room: meterboxctl; src/control, src/model, cJSON. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_client.h"
#include "ctl_show.h"
#include "ctl_terminal.h"
#include "ctl_text.h"

#define DEFAULT_INTERVAL_MS 1000
#define MIN_INTERVAL_MS 200
#define MAX_INTERVAL_MS 60000
/* The daemon speaks every 10 s at least, or once in its interval. */
#define SILENCE_MS (MAX_INTERVAL_MS + 15000)

struct watch {
	struct ctl_client client;
	struct ctl_terminal terminal;
	const struct ctl_options *options;
	unsigned outlet;
	char *picture; /* the last one, for a window that changes its size; NULL before the first */
};

static void draw(const struct watch *w)
{
	if (w->picture != NULL)
		ctl_terminal_draw(&w->terminal, w->picture, w->terminal.keys ? "q ends" : "Ctrl-C ends");
}

static void show_block(struct watch *w, const struct ctl_state *state)
{
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	if (out == NULL)
		return; /* short of memory: the next picture may succeed */
	ctl_show(state, w->outlet, out);
	if (fclose(out) != 0) {
		free(text);
		return;
	}
	free(w->picture);
	w->picture = text;
	if (w->terminal.screen)
		draw(w);
	else
		puts(text); /* with an empty line behind it */
	fflush(stdout);
}

/* One line of the daemon. CTL_GOOD to go on. */
static enum ctl_exit take_line(struct watch *w, const char *line)
{
	struct ctl_state state;
	struct ctl_state_error error;
	cJSON *answer = NULL;
	enum ctl_exit result = ctl_client_parse(&w->client, line, &answer);
	if (result != CTL_GOOD)
		return result;
	result = ctl_state_read(answer, &state, &error);
	cJSON_Delete(answer);
	if (result != CTL_GOOD) {
		snprintf(w->client.error, sizeof w->client.error, "%s", error.text);
		return result;
	}
	if (w->outlet != CTL_ALL_OUTLETS && w->outlet >= state.outlet_count) {
		snprintf(w->client.error, sizeof w->client.error, "this box has outlets 1 to %u", state.outlet_count);
		return CTL_USAGE;
	}
	if (!w->options->json) {
		show_block(w, &state);
	} else {
		puts(line);
		fflush(stdout);
	}
	if (ferror(stdout))
		snprintf(w->client.error, sizeof w->client.error, "the output cannot be written");
	return ferror(stdout) ? CTL_WRONG : CTL_GOOD;
}

static enum ctl_exit take_lines(struct watch *w)
{
	bool broken = false;
	const char *line;
	enum ctl_exit result = ctl_client_fill(&w->client) ? CTL_GOOD : CTL_UNREACHABLE;
	while (result == CTL_GOOD && (line = ctl_client_next(&w->client, &broken)) != NULL)
		result = take_line(w, line);
	return broken ? CTL_UNREACHABLE : result;
}

static enum ctl_exit follow(struct watch *w)
{
	enum ctl_exit result = CTL_GOOD;
	bool on = true;
	while (on && result == CTL_GOOD) {
		char key = '\0';
		switch (ctl_terminal_wait(&w->terminal, &w->client, SILENCE_MS, &key)) {
		case CTL_WOKEN_CLIENT:
			result = take_lines(w);
			break;
		case CTL_WOKEN_KEY:
			on = key != 'q' && key != 'Q';
			break;
		case CTL_WOKEN_STOP:
			on = false;
			break;
		case CTL_WOKEN_SIZE:
			draw(w);
			break;
		case CTL_WOKEN_TIME:
			snprintf(w->client.error,
				 sizeof w->client.error,
				 "meterboxd has said nothing for %d s: see its log (journalctl -u meterboxd)",
				 SILENCE_MS / 1000);
			result = CTL_UNREACHABLE;
			break;
		}
	}
	return result;
}

static bool read_arguments(int argc, char *argv[], unsigned *outlet, int64_t *interval_ms)
{
	static const struct option table[] = {{"interval", required_argument, NULL, 'i'}, {NULL, 0, NULL, 0}};
	for (int code; (code = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		if (code != 'i')
			return false;
		if (!ctl_read_decimal(optarg, 3, MAX_INTERVAL_MS, interval_ms) || *interval_ms < MIN_INTERVAL_MS)
			return ctl_usage("--interval %s: seconds from 0.2 to 60 are allowed", optarg) == CTL_GOOD;
	}
	if (argc - optind > 1)
		return ctl_usage("watch takes one outlet at most") == CTL_GOOD;
	return optind == argc || ctl_read_outlet(argv[optind], outlet);
}

enum ctl_exit ctl_watch_command(const struct ctl_options *options, int argc, char *argv[])
{
	struct watch w = {.options = options, .outlet = CTL_ALL_OUTLETS};
	int64_t interval_ms = DEFAULT_INTERVAL_MS;
	if (!read_arguments(argc, argv, &w.outlet, &interval_ms))
		return CTL_USAGE;
	enum ctl_exit result = ctl_client_open(&w.client, options->socket);
	if (result == CTL_GOOD) {
		cJSON *arguments = cJSON_CreateObject();
		cJSON_AddNumberToObject(arguments, "interval_ms", (double)interval_ms);
		result = ctl_client_send(&w.client, "watch", arguments) ? CTL_GOOD : CTL_UNREACHABLE;
	}
	if (result == CTL_GOOD) {
		ctl_terminal_begin(&w.terminal, true, !options->json);
		result = follow(&w);
		ctl_terminal_end(&w.terminal);
		free(w.picture);
	}
	if (result != CTL_GOOD)
		ctl_fail(result, "%s", w.client.error);
	ctl_client_close(&w.client);
	return result;
}
