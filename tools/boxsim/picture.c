/* tools/boxsim/picture.c: see boxsim_picture.h.
 *
 * Room: boxsim; plant, hal/core, libmodbus. Escape sequences are those of ECMA-48 and DEC that every terminal knows. */
#include "boxsim_picture.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "boxsim_command.h"

#define HEAD_LINES 2
#define FOOT_LINES 1
#define END_OF_LINE "\033[K\r\n"
#define FRAME_MAX (PICTURE_MAX + 64)
#define FAULTS_SIZE 192

struct drawing {
	char text[PICTURE_MAX];
	size_t count;
};

/* What does not fit is not drawn. */
__attribute__((format(printf, 2, 3))) static void draw(struct drawing *d, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(d->text + d->count, sizeof(d->text) - d->count, format, arguments);
	va_end(arguments);
	if (length > 0 && (size_t)length < sizeof(d->text) - d->count)
		d->count += (size_t)length;
	d->text[d->count] = '\0';
}

static void list_faults(const struct box *box, unsigned outlet, char text[FAULTS_SIZE])
{
	size_t count = 0;
	text[0] = '\0';
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		int64_t value = command_fault_value(box, outlet, (enum command_fault)i);
		const char *name = command_fault_name((enum command_fault)i);
		if (value && i < FAULT_SLOW)
			count += (size_t)snprintf(text + count, FAULTS_SIZE - count, " %s", name);
		else if (value)
			count += (size_t)snprintf(text + count, FAULTS_SIZE - count, " %s=%" PRId64, name, value);
	}
}

static const char *breaker_word(const struct box *box, unsigned outlet)
{
	bool driven = plant_driven(box->plant, outlet);
	if (box->outlets[outlet].tripped)
		return "tripped";
	if (plant_contact(box->plant, outlet))
		return driven ? "closed" : "closed!";
	return driven ? "open!" : "open";
}

static void draw_outlet(struct drawing *d, const struct box *box, unsigned outlet)
{
	struct meter_reading reading = {.register_mwh = 0};
	char faults[FAULTS_SIZE];
	char shown[32] = "-";
	if (plant_read_meter(box->plant, outlet, &reading))
		snprintf(shown,
			 sizeof(shown),
			 "%" PRId64 ".%03" PRId64,
			 reading.register_mwh / 1000000,
			 reading.register_mwh / 1000 % 1000);
	list_faults(box, outlet, faults);
	draw(d,
	     "%3u  %6" PRId64 "  %-7s  %-4s  %-8s  %-6s  %11s  %6" PRId64 " %s" END_OF_LINE,
	     outlet + 1,
	     box->outlets[outlet].load_mw / 1000,
	     breaker_word(box, outlet),
	     plant_energised(box->plant, outlet) ? "live" : "dead",
	     plant_unlocked(box->plant, (int)outlet) ? "unlocked" : "locked",
	     plant_door(box->plant, (int)outlet) ? "closed" : "OPEN",
	     shown,
	     plant_power_mw(box->plant, outlet) / 1000,
	     faults);
}

static void draw_box(struct drawing *d, const struct box *box)
{
	d->count = 0;
	draw(d,
	     "boxsim %s  mains %s  board %s  metering box %s, door %s" END_OF_LINE,
	     METERBOX_VERSION,
	     plant_mains(box->plant) ? "on" : "OFF",
	     box->pins.board >= 0 ? "connected" : "away",
	     plant_unlocked(box->plant, PLANT_METERING_BOX) ? "unlocked" : "locked",
	     plant_door(box->plant, PLANT_METERING_BOX) ? "closed" : "OPEN");
	draw(d, "  #  load W  breaker  sock  lock      door          kWh       W  faults" END_OF_LINE);
	for (unsigned i = 0; i < box->options->outlet_count; i++)
		draw_outlet(d, box, i);
	draw(d, "------------------------------------------------------------ help, quit" END_OF_LINE);
}

static unsigned picture_lines(const struct box *box)
{
	return HEAD_LINES + box->options->outlet_count + FOOT_LINES;
}

void picture_start(struct picture *picture, const struct box *box, struct console *console)
{
	char text[64];
	*picture = (struct picture){.on = box->options->picture};
	if (!picture->on)
		return;
	/* Clear; what is typed and answered scrolls in the lines below the picture. */
	int length = snprintf(
		text, sizeof(text), "\033[2J\033[%ur\033[%u;1H", picture_lines(box) + 1, picture_lines(box) + 1);
	console_write(console, text, (size_t)length);
}

void picture_run(struct picture *picture, const struct box *box, struct console *console)
{
	struct drawing d;
	char frame[FRAME_MAX];
	if (!picture->on || box->now_ms < picture->next_ms)
		return;
	picture->next_ms = box->now_ms + PICTURE_EVERY_MS;
	draw_box(&d, box);
	if (strcmp(d.text, picture->shown) == 0)
		return;
	memcpy(picture->shown, d.text, d.count + 1);
	int length = snprintf(frame, sizeof(frame), "\0337\033[1;1H%s\0338", d.text);
	console_write(console, frame, (size_t)length);
}

int64_t picture_wake_ms(const struct picture *picture)
{
	return picture->on ? picture->next_ms : PLANT_NEVER;
}

void picture_stop(struct picture *picture, const struct box *box, struct console *console)
{
	static const char whole[] = "\033[r";
	char text[32];
	if (!picture->on)
		return;
	int length = snprintf(text, sizeof(text), "%s\033[%u;1H\033[J", whole, picture_lines(box) + 1);
	console_write(console, text, (size_t)length);
	picture->on = false;
}
