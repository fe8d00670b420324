/* tools/boxsim/scenario.c: see boxsim_scenario.h.
 *
 * Room: boxsim; plant, hal/core, libmodbus. */
#include "boxsim_scenario.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boxsim_text.h"

#define SECONDS_DECIMALS 3
#define AT_MAX_MS INT64_C(31536000000) /* a year */

/* Takes "at SECONDS" off the line's front. */
static bool cut_time(char **text, int64_t *at_ms, char error[COMMAND_ERROR_SIZE])
{
	char *rest = *text + strspn(*text, " \t");
	if (strncmp(rest, "at", 2) != 0 || !strchr(" \t", rest[2]))
		return true;
	rest += 2;
	rest += strspn(rest, " \t");
	const char *seconds = strsep(&rest, " \t");
	bool good = rest && text_decimal(seconds, SECONDS_DECIMALS, AT_MAX_MS, at_ms);
	if (good)
		*text = rest;
	else
		snprintf(error, COMMAND_ERROR_SIZE, "wanted: at SECONDS COMMAND, SECONDS such as 12 or 0.250");
	return good;
}

/* Adds a step behind those of the same time or earlier. False when there are too many. */
static bool add_step(struct scenario *scenario, const struct scenario_step *step)
{
	size_t at = scenario->count;
	if (at == SCENARIO_STEPS_MAX)
		return false;
	for (; at > 0 && scenario->steps[at - 1].at_ms > step->at_ms; at--)
		scenario->steps[at] = scenario->steps[at - 1];
	scenario->steps[at] = *step;
	scenario->count++;
	return true;
}

static bool read_line(struct scenario *scenario, char *line, size_t length, unsigned number, int64_t *at_ms,
		      const struct options *options)
{
	char error[COMMAND_ERROR_SIZE] = "";
	struct scenario_step step = {.line = number};
	bool good = length < COMMAND_LINE_MAX && text_is_plain(line, length);
	if (!good)
		snprintf(error, sizeof(error), "a line is text of at most %d characters", COMMAND_LINE_MAX - 1);
	good = good && cut_time(&line, at_ms, error) && command_read(line, options, &step.command, error);
	step.at_ms = *at_ms;
	if (good && step.command.verb != COMMAND_NOTHING && !add_step(scenario, &step)) {
		snprintf(error, sizeof(error), "a scenario has at most %d commands", SCENARIO_STEPS_MAX);
		good = false;
	}
	if (!good)
		fprintf(stderr, "boxsim: %s:%u: %s\n", scenario->path, number, error);
	return good;
}

static enum scenario_outcome read_lines(struct scenario *scenario, FILE *file, const struct options *options)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t length;
	int64_t at_ms = 0;
	bool good = true;
	for (unsigned number = 1; good && (length = getline(&line, &size, file)) >= 0; number++) {
		if (length > 0 && line[length - 1] == '\n')
			line[--length] = '\0';
		good = read_line(scenario, line, (size_t)length, number, &at_ms, options);
	}
	free(line);
	if (good && ferror(file)) {
		fprintf(stderr, "boxsim: %s: %s\n", scenario->path, strerror(errno));
		return SCENARIO_UNREADABLE;
	}
	return good ? SCENARIO_READ : SCENARIO_WRONG;
}

enum scenario_outcome scenario_read(struct scenario *scenario, const char *path, const struct options *options)
{
	*scenario = (struct scenario){.path = path};
	if (!path)
		return SCENARIO_READ;
	FILE *file = fopen(path, "re");
	scenario->steps = calloc(SCENARIO_STEPS_MAX, sizeof(scenario->steps[0]));
	enum scenario_outcome outcome = SCENARIO_UNREADABLE;
	if (!file || !scenario->steps)
		fprintf(stderr, "boxsim: scenario %s: %s\n", path, strerror(errno));
	else
		outcome = read_lines(scenario, file, options);
	if (file)
		fclose(file);
	return outcome;
}

void scenario_free(struct scenario *scenario)
{
	free(scenario->steps);
	*scenario = (struct scenario){.path = NULL};
}

const struct scenario_step *scenario_due(struct scenario *scenario, int64_t now_ms)
{
	return scenario_wake_ms(scenario) <= now_ms ? &scenario->steps[scenario->next++] : NULL;
}

int64_t scenario_wake_ms(const struct scenario *scenario)
{
	return scenario->next < scenario->count ? scenario->steps[scenario->next].at_ms : PLANT_NEVER;
}
