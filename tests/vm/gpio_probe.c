/* tests/vm/gpio_probe.c: a program that does with the pins what it is told, for the test on real GPIO lines.
 *
 * Room: hal/io.
 *
 * usage: gpio_probe WORD ...
 *   outlet                                   the next outlet begins; at least one
 *   breaker=PIN  contact=PIN  door=PIN       its lines; PIN: CHIP/LINE[,low][,latching]
 *   lock=LED                                 its lock
 *   metering-door=PIN  metering-lock=LED
 * Commands come on standard input, a line each, outlets counted from 1, 0 for the metering box; each is answered with
 * "ok" or "failed ERROR":
 *   breaker OUTLET 0|1      pulse OUTLET MS      close (as does the end of the input)
 * It says "open" or "error ERROR TEXT", then each level as it is told ("contact 1 0", "door 0 1"), "lost ERROR" when
 * the lines are lost, and "closed". Exit 0; 1 when something was refused or lost; 2 for wrong usage. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pins.h"

#define COMMAND_SIZE 128

struct commands {
	char text[COMMAND_SIZE]; /* what was read and is not yet a line */
	size_t length;
};

static bool copy(char *to, size_t size, const char *from, size_t length)
{
	if (length == 0 || length >= size)
		return false;
	memcpy(to, from, length);
	to[length] = '\0';
	return true;
}

static bool read_pin(const char *text, struct pin_spec *pin, bool *latching)
{
	size_t chip = strcspn(text, "/");
	if (!copy(pin->chip, sizeof(pin->chip), text, chip) || text[chip] != '/')
		return false;
	text += chip + 1;
	size_t line = strcspn(text, ",");
	if (!copy(pin->line, sizeof(pin->line), text, line))
		return false;
	text += line;
	if (latching && strlen(text) >= strlen(",latching") &&
	    strcmp(text + strlen(text) - strlen(",latching"), ",latching") == 0)
		*latching = true;
	size_t rest = strlen(text) - (latching && *latching ? strlen(",latching") : 0);
	pin->active_low = rest == strlen(",low") && strncmp(text, ",low", rest) == 0;
	return rest == 0 || pin->active_low;
}

static bool read_word(const char *word, struct pins_config *config)
{
	size_t name = strcspn(word, "=");
	const char *value = word + name + (word[name] == '=');
	struct pins_outlet *outlet = config->outlet_count ? &config->outlets[config->outlet_count - 1] : NULL;
	if (strcmp(word, "outlet") == 0)
		return config->outlet_count++ < PINS_OUTLETS_MAX;
	if (strncmp(word, "metering-door=", name + 1) == 0)
		return read_pin(value, &config->metering_door, NULL);
	if (strncmp(word, "metering-lock=", name + 1) == 0)
		return copy(config->metering_lock, sizeof(config->metering_lock), value, strlen(value));
	if (!outlet)
		return false;
	if (strncmp(word, "breaker=", name + 1) == 0)
		return read_pin(value, &outlet->breaker, &outlet->latching);
	if (strncmp(word, "contact=", name + 1) == 0)
		return read_pin(value, &outlet->contact, NULL);
	if (strncmp(word, "door=", name + 1) == 0)
		return read_pin(value, &outlet->door, NULL);
	if (strncmp(word, "lock=", name + 1) == 0)
		return copy(outlet->lock, sizeof(outlet->lock), value, strlen(value));
	return false;
}

/* Says all that changed. False when the lines are lost. */
static bool say_events(struct pins *pins)
{
	struct pin_event event;
	int result;
	while ((result = pins_next(pins, &event)) > 0) {
		const char *what = event.input == PIN_INPUT_CONTACT ? "contact" : "door";
		unsigned outlet = event.input == PIN_INPUT_METERING_DOOR ? 0 : event.outlet + 1;
		printf("%s %u %d\n", what, outlet, event.level);
	}
	if (result < 0)
		printf("lost %s\n", strerrorname_np(-result));
	return result == 0;
}

static void obey(struct pins *pins, const char *command)
{
	int outlet, end = 0;
	long value;
	int result = -EINVAL;
	if (sscanf(command, "breaker %d %ld%n", &outlet, &value, &end) == 2 && !command[end])
		result = pins_breaker(pins, (unsigned)outlet - 1, value == 1);
	else if (sscanf(command, "pulse %d %ld%n", &outlet, &value, &end) == 2 && !command[end])
		result = pins_pulse(pins, outlet - 1, value);
	if (result < 0)
		printf("failed %s\n", strerrorname_np(-result));
	else
		printf("ok\n");
}

/* Reads what there is and obeys each whole line. False at the end of the commands. */
static bool obey_all(struct pins *pins, struct commands *c)
{
	ssize_t got = read(STDIN_FILENO, c->text + c->length, sizeof(c->text) - c->length);
	if (got <= 0)
		return false;
	c->length += (size_t)got;
	for (char *end; (end = memchr(c->text, '\n', c->length)) != NULL;) {
		*end++ = '\0';
		if (strcmp(c->text, "close") == 0)
			return false;
		obey(pins, c->text);
		c->length -= (size_t)(end - c->text);
		memmove(c->text, end, c->length);
	}
	return c->length < sizeof(c->text);
}

static int run(struct pins *pins)
{
	struct commands commands = {.length = 0};
	struct pollfd fds[] = {
		{.fd = STDIN_FILENO, .events = POLLIN},
		{.fd = pins_fd(pins), .events = POLLIN},
	};
	while (poll(fds, 2, -1) > 0) {
		if (fds[1].revents && !say_events(pins))
			return EXIT_FAILURE;
		if (fds[0].revents && !obey_all(pins, &commands))
			return EXIT_SUCCESS;
	}
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static struct pins_config config;
	struct pins_error error;
	struct pins *pins = NULL;
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++) {
		if (!read_word(argv[i], &config)) {
			fprintf(stderr, "gpio_probe: '%s' is not understood\n", argv[i]);
			return 2;
		}
	}
	if (config.outlet_count == 0) {
		fprintf(stderr, "gpio_probe: at least one 'outlet' is needed\n");
		return 2;
	}
	int result = pins_open(&config, &pins, &error);
	if (result < 0) {
		printf("error %s %s\n", strerrorname_np(-result), error.text);
		return EXIT_FAILURE;
	}
	printf("open\n");
	int status = run(pins);
	pins_close(pins);
	printf("closed\n");
	return status;
}
