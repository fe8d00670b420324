/* hal/io/pins_gpiod1.c: see pins.h. The kernel's GPIO lines by libgpiod 1, and its LEDs for the locks' coils.
 *
 * Room: hal/core, libgpiod 1. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <gpiod.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pins.h"

#define INPUTS_MAX (2 * PINS_OUTLETS_MAX + 1)
#define CHIPS_MAX (PINS_OUTLETS_MAX + INPUTS_MAX)
#define LOCKS_MAX (PINS_OUTLETS_MAX + 1)
#define NUMBER_DIGITS_MAX 6 /* of a chip's number and of a line's offset */
#define EDGES_MAX 16 /* as many as the kernel queues for a line */
#define PULSE_MS_MAX 60000
#define LED_PATH_SIZE (PIN_NAME_SIZE + sizeof("/sys/class/leds/"))
#define LED_VALUE_SIZE 24
#define LED_TRIGGERS_SIZE 8192 /* the list of all triggers; cut at this, the one wanted is selected anew */
#define ROLE_SIZE 32

static const char consumer[] = "meterboxd";

struct role {
	char text[ROLE_SIZE]; /* "outlet 1 breaker": outlets count from 1 for people */
};

struct breaker_line {
	struct gpiod_line *line; /* NULL: not fitted */
	int flags;
	bool output; /* a latching one becomes an output with its first command */
	bool commanded;
};

struct input_line {
	struct gpiod_line *line;
	enum pin_input input;
	unsigned outlet;
	bool pending; /* an edge was read, or nothing yet: the level is to be read */
	bool told;
	bool level; /* as told */
};

struct gpiod_pins {
	struct pins base;
	struct gpiod_chip *chips[CHIPS_MAX]; /* each chip once; they own their lines */
	unsigned chip_count;
	struct breaker_line breakers[PINS_OUTLETS_MAX];
	struct input_line inputs[INPUTS_MAX];
	unsigned input_count;
	int locks[LOCKS_MAX]; /* directories of LEDs, or -1; the metering box comes last */
	int epoll;
	int first; /* an eventfd: makes the epoll readable until the first levels are told */
};

static struct gpiod_pins *from_base(struct pins *pins)
{
	return (struct gpiod_pins *)pins;
}

static struct role role_of(int outlet, const char *what)
{
	struct role role;
	if (outlet == PINS_METERING_BOX)
		snprintf(role.text, sizeof(role.text), "metering box %s", what);
	else
		snprintf(role.text, sizeof(role.text), "outlet %d %s", outlet + 1, what);
	return role;
}

/* False when the text is anything but a few digits. */
static bool read_number(const char *text, unsigned *number)
{
	size_t length = strlen(text);
	if (length == 0 || length > NUMBER_DIGITS_MAX || strspn(text, "0123456789") != length)
		return false;
	*number = 0;
	for (const char *digit = text; *digit; digit++)
		*number = *number * 10 + (unsigned)(*digit - '0');
	return true;
}

/* ---- chips and lines ---- */

/* By label, then name, then number. Only a name of a gpiochip is opened: opening another device may have an effect. */
static struct gpiod_chip *look_up_chip(const char *text)
{
	struct gpiod_chip *chip = gpiod_chip_open_by_label(text);
	unsigned number;
	if (chip)
		return chip;
	if (strncmp(text, "gpiochip", strlen("gpiochip")) == 0 && read_number(text + strlen("gpiochip"), &number))
		return gpiod_chip_open_by_name(text);
	return read_number(text, &number) ? gpiod_chip_open_by_number(number) : NULL;
}

static int fail_chip(const struct role *role, const struct pin_spec *spec, int error_number, struct pins_error *error)
{
	const char *advice = strerror(error_number);
	if (error_number == ENOENT)
		advice = "no such chip; give a label, name or number that gpiodetect shows";
	else if (error_number == EACCES || error_number == EPERM)
		advice = "permission denied; give this user read and write access to /dev/gpiochip*";
	return pins_fail(error, -error_number, "%s: chip '%s': %s", role->text, spec->chip, advice);
}

/* Each chip is kept once, so that a line which the configuration names twice is seen as such. */
static int open_chip(struct gpiod_pins *p, const struct role *role, const struct pin_spec *spec,
		     struct gpiod_chip **chip, struct pins_error *error)
{
	errno = ENOENT;
	struct gpiod_chip *opened = look_up_chip(spec->chip);
	if (!opened)
		return fail_chip(role, spec, errno, error);
	for (unsigned i = 0; i < p->chip_count; i++) {
		if (strcmp(gpiod_chip_name(p->chips[i]), gpiod_chip_name(opened)) == 0) {
			gpiod_chip_close(opened);
			*chip = p->chips[i];
			return 0;
		}
	}
	assert(p->chip_count < CHIPS_MAX);
	p->chips[p->chip_count++] = *chip = opened;
	return 0;
}

/* By name, then by offset. The kernel allows two lines of one name: *count says how many were found. */
static struct gpiod_line *look_up_line(struct gpiod_chip *chip, const char *text, unsigned *count)
{
	struct gpiod_line *found = NULL;
	unsigned number;
	*count = 0;
	for (unsigned offset = 0; offset < gpiod_chip_num_lines(chip); offset++) {
		struct gpiod_line *line = gpiod_chip_get_line(chip, offset);
		if (!line)
			return NULL;
		const char *name = gpiod_line_name(line);
		if (name && strcmp(name, text) == 0 && (*count)++ == 0)
			found = line;
	}
	if (found)
		return found;
	errno = ENOENT;
	if (!read_number(text, &number) || number >= gpiod_chip_num_lines(chip))
		return NULL;
	*count = 1;
	return gpiod_chip_get_line(chip, number);
}

static int find_line(struct gpiod_pins *p, const struct role *role, const struct pin_spec *spec,
		     struct gpiod_line **line, struct pins_error *error)
{
	struct gpiod_chip *chip = NULL;
	unsigned count;
	int result = open_chip(p, role, spec, &chip, error);
	if (result < 0)
		return result;
	*line = look_up_line(chip, spec->line, &count);
	if (!*line)
		return pins_fail(error,
				 -errno,
				 "%s: line '%s' of chip '%s': %s",
				 role->text,
				 spec->line,
				 spec->chip,
				 errno == ENOENT ? "no such line; give a name or offset that gpioinfo shows" :
						   strerror(errno));
	if (count > 1)
		return pins_fail(error,
				 -ENOTUNIQ,
				 "%s: line '%s' of chip '%s': %u lines have this name; give the offset instead",
				 role->text,
				 spec->line,
				 spec->chip,
				 count);
	if (gpiod_line_is_requested(*line))
		return pins_fail(error,
				 -EINVAL,
				 "%s: line '%s' of chip '%s' is named twice in the configuration; give each its own",
				 role->text,
				 spec->line,
				 spec->chip);
	return 0;
}

static int fail_request(const struct role *role, const struct pin_spec *spec, struct gpiod_line *line, int error_number,
			struct pins_error *error)
{
	const char *holder = gpiod_line_consumer(line);
	if (error_number == EBUSY)
		return pins_fail(error,
				 -EBUSY,
				 "%s: line '%s' of chip '%s': busy: another program holds it (as '%s'); stop that "
				 "program or give another line",
				 role->text,
				 spec->line,
				 spec->chip,
				 holder ? holder : "?");
	const char *advice = strerror(error_number);
	if (error_number == EACCES || error_number == EPERM)
		advice = "permission denied; give this user read and write access to the chip";
	else if (error_number == ENXIO || error_number == EOPNOTSUPP)
		advice = "the chip cannot do this with it (an input needs an interrupt); give another line";
	return pins_fail(
		error, -error_number, "%s: line '%s' of chip '%s': %s", role->text, spec->line, spec->chip, advice);
}

/* Requests the line that *spec names; *line is then owned by its chip. An output starts inactive. */
static int request(struct gpiod_pins *p, const struct role *role, const struct pin_spec *spec, int request_type,
		   struct gpiod_line **line, struct pins_error *error)
{
	struct gpiod_line_request_config config = {
		.consumer = consumer,
		.request_type = request_type,
		.flags = spec->active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0,
	};
	int result = find_line(p, role, spec, line, error);
	if (result < 0)
		return result;
	if (gpiod_line_request(*line, &config, 0) < 0)
		return fail_request(role, spec, *line, errno, error);
	return 0;
}

/* ---- breakers ---- */

static int drive(struct breaker_line *b, bool close)
{
	int result;
	b->commanded = true;
	if (b->output)
		result = gpiod_line_set_value(b->line, close);
	else
		result = gpiod_line_set_config(b->line, GPIOD_LINE_REQUEST_DIRECTION_OUTPUT, b->flags, close);
	if (result < 0)
		return -errno;
	b->output = true;
	return 0;
}

static int open_breaker(struct gpiod_pins *p, const struct pins_outlet *outlet, unsigned index,
			struct pins_error *error)
{
	struct breaker_line *b = &p->breakers[index];
	struct role role = role_of((int)index, "breaker");
	struct gpiod_line *line;
	int type = outlet->latching ? GPIOD_LINE_REQUEST_DIRECTION_AS_IS : GPIOD_LINE_REQUEST_DIRECTION_OUTPUT;
	if (!outlet->breaker.chip[0])
		return 0;
	int result = request(p, &role, &outlet->breaker, type, &line, error);
	if (result < 0)
		return result;
	*b = (struct breaker_line){
		.line = line,
		.flags = outlet->breaker.active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0,
		.output = !outlet->latching,
		.commanded = !outlet->latching,
	};
	return 0;
}

static int gpiod_breaker(struct pins *pins, unsigned outlet, bool close)
{
	struct gpiod_pins *p = from_base(pins);
	if (outlet >= PINS_OUTLETS_MAX || !p->breakers[outlet].line)
		return -ENODEV;
	return drive(&p->breakers[outlet], close);
}

/* ---- inputs ---- */

static int watch(struct gpiod_pins *p, int fd, uint32_t which)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = which};
	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_input(struct gpiod_pins *p, const struct pin_spec *spec, enum pin_input input, int outlet,
		      struct pins_error *error)
{
	struct role role = role_of(outlet, input == PIN_INPUT_CONTACT ? "contact" : "door");
	struct gpiod_line *line;
	if (!spec->chip[0])
		return 0;
	int result = request(p, &role, spec, GPIOD_LINE_REQUEST_EVENT_BOTH_EDGES, &line, error);
	if (result < 0)
		return result;
	assert(p->input_count < INPUTS_MAX);
	result = watch(p, gpiod_line_event_get_fd(line), p->input_count);
	if (result < 0)
		return pins_fail(error, result, "%s: cannot wait for its edges: %s", role.text, strerror(-result));
	p->inputs[p->input_count++] = (struct input_line){
		.line = line,
		.input = input,
		.outlet = outlet == PINS_METERING_BOX ? 0 : (unsigned)outlet,
		.pending = true,
	};
	return 0;
}

/* Reads what the kernel has queued, and marks whose level is to be read after it: an edge that comes later is queued
 * again, one that found the queue full is in the level. 1: something is pending; 0; or negative errno. */
static int collect_edges(struct gpiod_pins *p)
{
	struct epoll_event ready[INPUTS_MAX + 1];
	struct gpiod_line_event edges[EDGES_MAX];
	eventfd_t once;
	int count = epoll_wait(p->epoll, ready, INPUTS_MAX + 1, 0);
	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		uint32_t which = ready[i].data.u32;
		if (which == INPUTS_MAX) {
			if (eventfd_read(p->first, &once) < 0)
				return -errno;
			continue;
		}
		/* Not readable yet ready: the chip is gone, and reading would wait for ever. */
		if (!(ready[i].events & EPOLLIN))
			return -ENODEV;
		if (gpiod_line_event_read_multiple(p->inputs[which].line, edges, EDGES_MAX) < 0)
			return -errno;
		p->inputs[which].pending = true;
	}
	return count > 0;
}

/* 1 when the level is news, 0, or negative errno. */
static int read_level(struct input_line *in, struct pin_event *event)
{
	int level = gpiod_line_get_value(in->line);
	if (level < 0)
		return -errno;
	in->pending = false;
	if (in->told && in->level == (level == 1))
		return 0;
	in->told = true;
	in->level = level == 1;
	*event = (struct pin_event){.input = in->input, .outlet = in->outlet, .level = in->level};
	return 1;
}

static int gpiod_next(struct pins *pins, struct pin_event *event)
{
	struct gpiod_pins *p = from_base(pins);
	int result;
	do {
		for (unsigned i = 0; i < p->input_count; i++) {
			if (!p->inputs[i].pending)
				continue;
			result = read_level(&p->inputs[i], event);
			if (result != 0)
				return result;
		}
		result = collect_edges(p);
	} while (result > 0);
	return result;
}

static int gpiod_fd(const struct pins *pins)
{
	return ((const struct gpiod_pins *)pins)->epoll;
}

/* ---- locks ---- */

/* One write: an attribute of sysfs is taken whole. */
static int led_write(int led, const char *attribute, const char *value)
{
	int fd = openat(led, attribute, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t written = write(fd, value, strlen(value));
	int result = written < 0 ? -errno : 0;
	close(fd);
	return result;
}

static int led_read(int led, const char *attribute, char *value, size_t size)
{
	size_t length = 0;
	ssize_t got = 1;
	int fd = openat(led, attribute, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (got > 0 && length < size - 1) {
		got = read(fd, value + length, size - 1 - length);
		length += got > 0 ? (size_t)got : 0;
	}
	int result = got < 0 ? -errno : 0;
	value[length] = '\0';
	close(fd);
	return result;
}

/* Coil off, trigger selected, its files writable. A trigger that is selected already is not selected anew: that would
 * make its files anew, owned by root, and an ordinary user would lose what udev's rules have given. */
static int prepare_led(int led)
{
	char triggers[LED_TRIGGERS_SIZE], brightness[LED_VALUE_SIZE];
	int result = led_read(led, "trigger", triggers, sizeof(triggers));
	if (result < 0)
		return result;
	bool selected = strstr(triggers, "[transient]") != NULL;
	if (selected)
		result = led_write(led, "activate", "0");
	if (result == 0)
		result = led_read(led, "brightness", brightness, sizeof(brightness));
	if (result == 0 && brightness[0] != '0') {
		/* Left on by somebody else. The kernel drops the trigger with this write. */
		result = led_write(led, "brightness", "0");
		selected = false;
	}
	if (result == 0 && !selected) {
		result = led_write(led, "trigger", "transient");
		if (result == -EINVAL)
			result = -EOPNOTSUPP;
	}
	return result == 0 ? led_write(led, "state", "1") : result;
}

static int fail_lock(const struct role *role, const char *path, int result, struct pins_error *error)
{
	const char *advice = strerror(-result);
	if (result == -ENOENT || result == -ENOTDIR)
		advice = "no such LED; give a name of /sys/class/leds or an LED's directory";
	else if (result == -EACCES || result == -EPERM)
		advice = "permission denied; give this user write access to its files";
	else if (result == -EOPNOTSUPP)
		advice = "the kernel has no trigger 'transient'; load the module ledtrig-transient";
	return pins_fail(error, result, "%s: %s: %s", role->text, path, advice);
}

static int open_lock(struct gpiod_pins *p, const char *name, int outlet, struct pins_error *error)
{
	char path[LED_PATH_SIZE];
	struct role role = role_of(outlet, "lock");
	int *led = &p->locks[outlet == PINS_METERING_BOX ? LOCKS_MAX - 1 : outlet];
	if (!name[0])
		return 0;
	if (name[0] != '/' && strchr(name, '/'))
		return pins_fail(error,
				 -EINVAL,
				 "%s: LED '%s': give a name of /sys/class/leds without '/', or a path from the root",
				 role.text,
				 name);
	snprintf(path, sizeof(path), "%s%s", name[0] == '/' ? "" : "/sys/class/leds/", name);
	*led = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int result = *led < 0 ? -errno : prepare_led(*led);
	return result < 0 ? fail_lock(&role, path, result, error) : 0;
}

static int gpiod_pulse(struct pins *pins, int outlet, int64_t pulse_ms)
{
	struct gpiod_pins *p = from_base(pins);
	char text[LED_VALUE_SIZE];
	if (outlet < PINS_METERING_BOX || outlet >= PINS_OUTLETS_MAX)
		return -ENODEV;
	int led = p->locks[outlet == PINS_METERING_BOX ? LOCKS_MAX - 1 : outlet];
	if (led < 0)
		return -ENODEV;
	if (pulse_ms < 1 || pulse_ms > PULSE_MS_MAX)
		return -EINVAL;
	int result = led_read(led, "activate", text, sizeof(text));
	if (result < 0)
		return result;
	if (text[0] == '1')
		return -EBUSY; /* the kernel would ignore a second pulse within the first */
	snprintf(text, sizeof(text), "%lld", (long long)pulse_ms);
	result = led_write(led, "duration", text);
	if (result == 0)
		result = led_write(led, "state", "1");
	return result == 0 ? led_write(led, "activate", "1") : result;
}

/* ---- opening and closing ---- */

static void gpiod_close(struct pins *pins)
{
	struct gpiod_pins *p = from_base(pins);
	/* A line that is given back may keep its level. Where this fails the chip is gone, and nobody can drive it. */
	for (unsigned i = 0; i < PINS_OUTLETS_MAX; i++)
		if (p->breakers[i].commanded)
			(void)drive(&p->breakers[i], false);
	for (unsigned i = 0; i < p->chip_count; i++)
		gpiod_chip_close(p->chips[i]);
	for (unsigned i = 0; i < LOCKS_MAX; i++)
		if (p->locks[i] >= 0)
			close(p->locks[i]);
	if (p->first >= 0)
		close(p->first);
	if (p->epoll >= 0)
		close(p->epoll);
	free(p);
}

static const struct pins_ops gpiod_ops = {
	.name = "gpiod",
	.close = gpiod_close,
	.breaker = gpiod_breaker,
	.pulse = gpiod_pulse,
	.fd = gpiod_fd,
	.next = gpiod_next,
};

static int open_waiting(struct gpiod_pins *p, struct pins_error *error)
{
	int result = 0;
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	p->first = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->epoll < 0 || p->first < 0)
		result = -errno;
	else
		result = watch(p, p->first, INPUTS_MAX);
	return result < 0 ? pins_fail(error, result, "cannot wait for inputs: %s", strerror(-result)) : 0;
}

/* Breakers first: a wrong input or lock leaves none of them closed. */
static int open_all(struct gpiod_pins *p, const struct pins_config *config, struct pins_error *error)
{
	int result = 0;
	for (unsigned i = 0; i < config->outlet_count && result == 0; i++)
		result = open_breaker(p, &config->outlets[i], i, error);
	if (result == 0)
		result = open_waiting(p, error);
	if (result == 0)
		result = open_input(p, &config->metering_door, PIN_INPUT_METERING_DOOR, PINS_METERING_BOX, error);
	if (result == 0)
		result = open_lock(p, config->metering_lock, PINS_METERING_BOX, error);
	for (unsigned i = 0; i < config->outlet_count && result == 0; i++) {
		const struct pins_outlet *outlet = &config->outlets[i];
		result = open_input(p, &outlet->contact, PIN_INPUT_CONTACT, (int)i, error);
		if (result == 0)
			result = open_input(p, &outlet->door, PIN_INPUT_USER_DOOR, (int)i, error);
		if (result == 0)
			result = open_lock(p, outlet->lock, (int)i, error);
	}
	return result;
}

int pins_gpiod_open(const struct pins_config *config, struct pins **pins, struct pins_error *error)
{
	assert(config->outlet_count <= PINS_OUTLETS_MAX);
	struct gpiod_pins *p = calloc(1, sizeof(*p));
	if (!p)
		return pins_fail(error, -ENOMEM, "no memory for the pins");
	p->base.ops = &gpiod_ops;
	p->epoll = p->first = -1;
	for (unsigned i = 0; i < LOCKS_MAX; i++)
		p->locks[i] = -1;
	int result = open_all(p, config, error);
	if (result < 0) {
		gpiod_close(&p->base);
		return result;
	}
	*pins = &p->base;
	return 0;
}
