/* hal/io/model_file.c: see model_file.h.
 *
 * Room: hal/core, inih. inih splits the lines; what they may say stands in the tables below. */
#include "model_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES (64 * 1024)
#define PATH_SHOWN_MAX 100 /* of a long path the end is shown */
#define VALUE_MAX (INT64_C(1000000000000)) /* of multiplier and divisor */

/* Keys of [model], and of a quantity. */
enum key {
	KEY_NAME,
	KEY_SOURCE,
	KEY_PROTOCOL,
	KEY_BAUD,
	KEY_PARITY,
	KEY_DATA_BITS,
	KEY_STOP_BITS,
	KEY_TURNAROUND_MS,
	KEY_TYPICAL_MS,
	KEY_STEP_WH,
	KEY_DI,
	KEY_OFFSET,
	KEY_BYTES,
	KEY_FUNCTION,
	KEY_REGISTER,
	KEY_ENCODING,
	KEY_WORD_ORDER,
	KEY_UNIT,
	KEY_SCALE,
	KEY_COUNT
};

#define FIRST_ITEM_KEY KEY_DI
#define SECTION_MODEL METER_QUANTITY_COUNT
#define NO_SECTION (METER_QUANTITY_COUNT + 1)

static const char *const key_names[KEY_COUNT] = {
	"name",		 "source",     "protocol",   "baud", "parity", "data_bits", "stop_bits",
	"turnaround_ms", "typical_ms", "step_wh",    "di",   "offset", "bytes",	    "function",
	"register",	 "encoding",   "word_order", "unit", "scale",
};

struct reader {
	const char *path;
	char *next; /* what of the text is not read yet */
	int line;
	unsigned section;
	bool seen[METER_QUANTITY_COUNT + 1];
	uint32_t given[METER_QUANTITY_COUNT + 1]; /* bits of enum key */
	int64_t unit[METER_QUANTITY_COUNT]; /* base units in one of it */
	int64_t scale_multiplier[METER_QUANTITY_COUNT];
	int64_t scale_divisor[METER_QUANTITY_COUNT];
	struct meter_model model;
	struct model_error *error;
	bool failed;
};

static const char *section_name(unsigned section)
{
	return section == SECTION_MODEL ? "model" :
	       section == NO_SECTION	? "" :
					  meter_quantity_name((enum meter_quantity)section);
}

/* Says what is wrong, the first time. Always 0, which is what inih wants then. */
static int fail(struct reader *r, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(struct reader *r, const char *key, const char *format, ...)
{
	va_list arguments;
	char what[MODEL_ERROR_SIZE];
	if (r->failed)
		return 0;
	r->failed = true;
	va_start(arguments, format);
	vsnprintf(what, sizeof what, format, arguments);
	va_end(arguments);
	size_t length = strlen(r->path);
	snprintf(r->error->text,
		 sizeof r->error->text,
		 "%s:%d: [%s] %.24s: %.150s",
		 r->path + (length > PATH_SHOWN_MAX ? length - PATH_SHOWN_MAX : 0),
		 r->line,
		 section_name(r->section),
		 key,
		 what);
	for (char *c = r->error->text; *c != '\0'; c++) /* keys come from the file */
		if ((unsigned char)*c < ' ' || *c == 0x7F)
			*c = '?';
	return 0;
}

/* --- values --- */

/* A whole number in decimal or, behind 0x, hexadecimal digits; nothing else. */
static bool read_whole(const char *text, int64_t least, int64_t most, int64_t *value)
{
	bool hexadecimal = strncmp(text, "0x", 2) == 0;
	const char *digits = hexadecimal ? text + 2 : text;
	size_t length = strspn(digits, hexadecimal ? "0123456789abcdefABCDEF" : "0123456789");
	if (length == 0 || length > 12 || digits[length] != '\0')
		return false;
	*value = strtoll(digits, NULL, hexadecimal ? 16 : 10);
	return *value >= least && *value <= most;
}

/* A positive decimal such as 0.01 as multiplier and a divisor that is a power of ten. */
static bool read_decimal(const char *text, int64_t *multiplier, int64_t *divisor)
{
	size_t whole = strspn(text, "0123456789");
	size_t fraction = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;
	if (whole == 0 || whole + fraction > 12 || (text[whole] == '.' && fraction == 0) ||
	    text[whole + (fraction > 0 ? 1 + fraction : 0)] != '\0')
		return false;
	*multiplier = 0;
	*divisor = 1;
	for (const char *c = text; *c != '\0'; c++)
		if (*c != '.')
			*multiplier = *multiplier * 10 + (*c - '0');
	for (size_t i = 0; i < fraction; i++)
		*divisor *= 10;
	return *multiplier > 0;
}

static bool read_unit(enum meter_quantity quantity, const char *text, int64_t *unit)
{
	static const struct {
		const char *name;
		enum meter_quantity first;
		enum meter_quantity last;
		int64_t base;
	} units[] = {
		{"kWh", METER_ENERGY, METER_ENERGY, 1000000},
		{"Wh", METER_ENERGY, METER_ENERGY, 1000},
		{"kW", METER_POWER, METER_POWER, 1000000},
		{"W", METER_POWER, METER_POWER, 1000},
		{"A", METER_CURRENT_A, METER_CURRENT_C, 1000},
		{"mA", METER_CURRENT_A, METER_CURRENT_C, 1},
		{"V", METER_VOLTAGE_A, METER_VOLTAGE_C, 1000},
		{"mV", METER_VOLTAGE_A, METER_VOLTAGE_C, 1},
		{"Hz", METER_FREQUENCY, METER_FREQUENCY, 1000},
	};
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strcmp(units[i].name, text) == 0 && quantity >= units[i].first && quantity <= units[i].last) {
			*unit = units[i].base;
			return true;
		}
	}
	return false;
}

/* --- keys --- */

static int take_whole(struct reader *r, enum key key, const char *text, int64_t least, int64_t most, int64_t *value)
{
	if (read_whole(text, least, most, value))
		return 1;
	return fail(r, key_names[key], "must be a whole number of %lld to %lld", (long long)least, (long long)most);
}

static int take_text(struct reader *r, enum key key, const char *text, char *to, size_t size)
{
	size_t length = strlen(text);
	bool printable = length > 0 && length < size;
	for (size_t i = 0; i < length; i++)
		printable = printable && text[i] >= ' ' && text[i] <= '~' && text[i] != '"' && text[i] != '\\';
	if (!printable)
		return fail(r, key_names[key], "must be 1 to %zu printable characters", size - 1);
	memcpy(to, text, length + 1);
	return 1;
}

static int take_model_key(struct reader *r, enum key key, const char *text)
{
	struct meter_model *m = &r->model;
	int64_t value = 0;
	int64_t divisor = 1;
	int done = 1;
	if (key == KEY_NAME)
		return take_text(r, key, text, m->name, sizeof m->name);
	if (key == KEY_SOURCE)
		return take_text(r, key, text, m->source, sizeof m->source);
	if (key == KEY_PROTOCOL)
		return meter_protocol_find(text, &m->protocol) ?
			       1 :
			       fail(r, "protocol", "must be dlt645_2007 or modbus_rtu");
	if (key == KEY_PARITY)
		return meter_parity_find(text, &m->line.parity) ? 1 : fail(r, "parity", "must be none, even or odd");
	if (key == KEY_STEP_WH) {
		if (!read_decimal(text, &value, &divisor) || value * 1000 % divisor != 0)
			return fail(r, "step_wh", "must be a positive decimal such as 10 or 0.5, in watt-hours");
		m->step_mwh = value * 1000 / divisor;
		return 1;
	}
	if (key == KEY_TURNAROUND_MS || key == KEY_TYPICAL_MS) {
		done = take_whole(r, key, text, 1, 10000, &value);
		*(key == KEY_TYPICAL_MS ? &m->typical_ms : &m->turnaround_ms) = value;
		return done;
	}
	done = take_whole(r, key, text, 1, 115200, &value);
	*(key == KEY_BAUD      ? &m->line.baud :
	  key == KEY_DATA_BITS ? &m->line.data_bits :
				 &m->line.stop_bits) = (unsigned)value;
	return done;
}

static int take_di(struct reader *r, const char *text, struct meter_item *item)
{
	if (strlen(text) != 8 || strspn(text, "0123456789abcdefABCDEF") != 8)
		return fail(r, "di", "must be the 8 hexadecimal digits DI3 DI2 DI1 DI0, such as 00010000");
	item->di = (uint32_t)strtoul(text, NULL, 16);
	return 1;
}

static int take_item_key(struct reader *r, enum key key, const char *text)
{
	enum meter_quantity quantity = (enum meter_quantity)r->section;
	struct meter_item *item = &r->model.items[quantity];
	int64_t value = 0;
	int done = 1;
	switch (key) {
	case KEY_DI:
		return take_di(r, text, item);
	case KEY_OFFSET:
		done = take_whole(r, key, text, 0, 195, &value);
		item->offset = (uint8_t)value;
		return done;
	case KEY_BYTES:
		done = take_whole(r, key, text, 1, METER_ITEM_MAX, &value);
		item->size = (uint8_t)value;
		return done;
	case KEY_FUNCTION:
		done = take_whole(r, key, text, 3, 4, &value);
		item->function = (uint8_t)value;
		return done;
	case KEY_REGISTER:
		done = take_whole(r, key, text, 0, UINT16_MAX, &value);
		item->address = (uint16_t)value;
		return done;
	case KEY_ENCODING:
		return meter_encoding_find(text, &item->encoding) ?
			       1 :
			       fail(r,
				    "encoding",
				    "must be bcd, bcd_signed, bcd_text, bits, u16, s16, u32, s32 or float32");
	case KEY_WORD_ORDER:
		item->low_word_first = strcmp(text, "low_first") == 0;
		return item->low_word_first || strcmp(text, "high_first") == 0 ?
			       1 :
			       fail(r, "word_order", "must be high_first or low_first");
	case KEY_UNIT:
		return read_unit(quantity, text, &r->unit[quantity]) ?
			       1 :
			       fail(r, "unit", "must be kWh, Wh, kW, W, A, mA, V, mV or Hz, as the quantity wants");
	case KEY_SCALE:
		return read_decimal(text, &r->scale_multiplier[quantity], &r->scale_divisor[quantity]) ?
			       1 :
			       fail(r, "scale", "must be a positive decimal such as 0.01");
	case KEY_NAME:
	case KEY_SOURCE:
	case KEY_PROTOCOL:
	case KEY_BAUD:
	case KEY_PARITY:
	case KEY_DATA_BITS:
	case KEY_STOP_BITS:
	case KEY_TURNAROUND_MS:
	case KEY_TYPICAL_MS:
	case KEY_STEP_WH:
	case KEY_COUNT:
		break;
	}
	return 0;
}

/* --- lines --- */

static enum key find_key(const char *name, bool of_model)
{
	for (unsigned k = of_model ? 0 : FIRST_ITEM_KEY; k < (of_model ? FIRST_ITEM_KEY : KEY_COUNT); k++)
		if (strcmp(key_names[k], name) == 0)
			return (enum key)k;
	return KEY_COUNT;
}

/* Enters a section. False, with the error told, for an unknown or a second one. */
static bool enter(struct reader *r, const char *name)
{
	enum meter_quantity quantity = METER_QUANTITY_COUNT;
	r->section = NO_SECTION;
	if (strcmp(name, "model") == 0)
		quantity = (enum meter_quantity)SECTION_MODEL;
	else if (!meter_quantity_find(name, &quantity))
		return fail(r, name, "an unknown section: [model], or a quantity such as [energy]") != 0;
	if (r->seen[quantity])
		return fail(r, name, "the section is there twice") != 0;
	r->section = quantity;
	r->seen[quantity] = true;
	return true;
}

static int take_entry(void *user, const char *section, const char *name, const char *value)
{
	struct reader *r = user;
	if (r->failed || r->section == NO_SECTION)
		return fail(r, name, "stands in no section%s", section);
	bool of_model = r->section == SECTION_MODEL;
	enum key key = find_key(name, of_model);
	if (key == KEY_COUNT)
		return fail(r, name, "an unknown key");
	uint32_t bit = UINT32_C(1) << key;
	if (r->given[r->section] & bit)
		return fail(r, name, "is given twice");
	r->given[r->section] |= bit;
	return of_model ? take_model_key(r, key, value) : take_item_key(r, key, value);
}

/* inih's reader, in the manner of fgets: what inih would split or join without a word is refused here. */
static char *read_line(char *line, int size, void *stream)
{
	struct reader *r = stream;
	if (r->failed || *r->next == '\0')
		return NULL;
	char *start = r->next + strspn(r->next, " \t"); /* an indented line would continue the one before */
	size_t length = strcspn(start, "\n");
	r->next = start + length + (start[length] == '\n');
	r->line++;
	if (length > (size_t)size - 2) {
		fail(r, "line", "is longer than %d characters", size - 2);
		return NULL;
	}
	memcpy(line, start, length);
	while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	memcpy(line + length, "\n", 2);
	if (line[0] == '[' && line[length - 1] != ']') {
		fail(r, "section", "must stand alone on its line, as [NAME]");
		return NULL;
	}
	if (line[0] == '[') {
		char name[METER_NAME_SIZE];
		snprintf(name, sizeof name, "%.*s", (int)length - 2, line + 1);
		if (!enter(r, name))
			return NULL;
	}
	return line;
}

/* --- the whole --- */

static int64_t divisor_of_both(int64_t a, int64_t b)
{
	while (b != 0) {
		int64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

/* Unit and scale as one fraction; the size of what has a fixed one. */
static bool finish_item(struct reader *r, enum meter_quantity quantity)
{
	struct meter_item *item = &r->model.items[quantity];
	item->present = r->seen[quantity];
	if (!item->present)
		return true;
	bool plain = r->unit[quantity] == 0 && r->scale_divisor[quantity] == 0;
	int64_t unit = r->unit[quantity] != 0 ? r->unit[quantity] : 1;
	int64_t multiplier = r->scale_divisor[quantity] != 0 ? r->scale_multiplier[quantity] : 1;
	int64_t divisor = r->scale_divisor[quantity] != 0 ? r->scale_divisor[quantity] : 1;
	bool number = quantity <= METER_FREQUENCY;
	r->section = quantity;
	if (number && r->unit[quantity] == 0)
		return fail(r, "unit", "is missing") != 0;
	if (!number && !plain)
		return fail(r, "unit", "only numbers have a unit and a scale") != 0;
	int64_t common = divisor_of_both(unit, divisor);
	item->divisor = divisor / common;
	unit /= common;
	if (multiplier > VALUE_MAX / unit)
		return fail(r, "scale", "is too large") != 0;
	item->multiplier = unit * multiplier;
	if (item->size == 0 && item->encoding >= ENCODING_U16)
		item->size = item->encoding == ENCODING_U16 || item->encoding == ENCODING_S16 ? 2 : 4;
	return true;
}

static bool require(struct reader *r, enum key key)
{
	bool given = (r->given[r->section] & UINT32_C(1) << key) != 0;
	return given || fail(r, key_names[key], "is missing") != 0;
}

static void finish(struct reader *r)
{
	static const enum key required[] = {KEY_NAME,
					    KEY_SOURCE,
					    KEY_PROTOCOL,
					    KEY_BAUD,
					    KEY_PARITY,
					    KEY_TURNAROUND_MS,
					    KEY_TYPICAL_MS,
					    KEY_STEP_WH};
	r->section = SECTION_MODEL;
	if ((r->given[SECTION_MODEL] & UINT32_C(1) << KEY_DATA_BITS) == 0)
		r->model.line.data_bits = 8;
	if ((r->given[SECTION_MODEL] & UINT32_C(1) << KEY_STOP_BITS) == 0)
		r->model.line.stop_bits = 1;
	for (size_t i = 0; i < sizeof required / sizeof *required; i++)
		if (!require(r, required[i]))
			return;
	for (unsigned q = 0; q < METER_QUANTITY_COUNT; q++) {
		r->section = q;
		if (r->seen[q] && !require(r, KEY_ENCODING))
			return;
		if (!finish_item(r, (enum meter_quantity)q))
			return;
	}
	const char *fault = meter_model_fault(&r->model);
	r->section = SECTION_MODEL;
	if (fault != NULL)
		fail(r, "file", "%s", fault);
}

/* The whole file with a NUL. 0 and *text to be freed, or negative errno. */
static int read_file(const char *path, char **text, struct model_error *error)
{
	char *bytes = malloc(FILE_MAX_BYTES + 2);
	int fd = bytes == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int result = bytes == NULL ? -ENOMEM : fd < 0 ? -errno : 0;
	size_t count = 0;
	while (result == 0 && count <= FILE_MAX_BYTES) {
		ssize_t got = read(fd, bytes + count, FILE_MAX_BYTES + 1 - count);
		if (got == 0)
			break;
		if (got < 0 && errno != EINTR)
			result = -errno;
		count += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	if (result == 0 && count > FILE_MAX_BYTES)
		result = -EFBIG;
	if (result < 0) {
		free(bytes);
		snprintf(error->text, sizeof error->text, "%s: %s", path, strerror(-result));
		return result;
	}
	bytes[count] = '\0';
	*text = bytes;
	return strlen(bytes) == count ? 0 : 1; /* 1: a NUL within */
}

int model_load(const char *path, struct meter_model *model, struct model_error *error)
{
	char *text = NULL;
	struct reader r = {.path = path, .section = NO_SECTION, .error = error};
	int result = read_file(path, &text, error);
	if (result < 0)
		return result;
	r.next = text;
	if (result > 0) {
		fail(&r, "file", "is no text: it has NUL bytes");
	} else {
		int line = ini_parse_stream(read_line, &r, take_entry, &r);
		if (line == -2)
			fail(&r, "file", "no memory to parse it");
		else if (line > 0 && !r.failed) {
			r.line = line;
			fail(&r, "line", "must be [SECTION], KEY = VALUE, or a comment");
		}
		if (!r.failed)
			finish(&r);
	}
	free(text);
	if (r.failed)
		return -EINVAL;
	*model = r.model;
	return 0;
}
