/* src/daemon/config_document.c: a configuration file's sections and keys, with their lines. See config_internal.h.
 *
 * Room: src/daemon; inih. inih cuts long lines and section names, joins indented lines, and says nothing of sections
 * without keys; so each line is looked at before it is handed over. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_internal.h"

#define SHOWN "%.40s" /* what is quoted from a file is cut to this */
#define HINT_MAX 16 /* longer words are not compared */
#define HINT_DISTANCE 3
#define NAME_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

static const struct config_key box_keys[] = {
	{"id", true, "the name by which the server knows this box"},
	{"state_dir", false, NULL},
	{"control_socket", false, NULL},
	{"control_group", false, NULL},
	{"log_level", false, NULL},
	{"local_sessions", false, NULL},
	{"trust_system_clock", false, NULL},
	{"insecure_commands", false, NULL},
	{"models_dir", false, NULL},
	{"metering_door", false, NULL},
	{"metering_lock", false, NULL},
	{"metering_lock_pulse_ms", false, NULL},
	{"metering_lock_rest_ms", false, NULL},
	{"pins", false, NULL},
	{NULL, false, NULL},
};

static const struct config_key limits_keys[] = {
	{"metering_grant_ms", false, NULL},
	{"input_settle_ms", false, NULL},
	{"meter_late_ms", false, NULL},
	{"meter_silent_ms", false, NULL},
	{"settle_ms", false, NULL},
	{"resume_window_ms", false, NULL},
	{"boot_wait_ms", false, NULL},
	{"mark_ms", false, NULL},
	{"service_ms", false, NULL},
	{NULL, false, NULL},
};

static const struct config_key server_keys[] = {
	{"url", true, "the operations server, like https://ops.example.org"},
	{"token_file", true, "the file with this box's own token"},
	{"ca_file", false, NULL},
	{"command_key_file", false, NULL},
	{"heartbeat_s", false, NULL},
	{"backoff_min_ms", false, NULL},
	{"backoff_max_ms", false, NULL},
	{"post_timeout_ms", false, NULL},
	{"progress_ms", false, NULL},
	{NULL, false, NULL},
};

static const struct config_key bus_keys[] = {
	{"device", true, "the serial port, best as a path in /dev/serial/by-id"},
	{"echo", false, NULL},
	{NULL, false, NULL},
};

static const struct config_key meter_keys[] = {
	{"bus", true, "the name of the [bus NAME] that it is wired to"},
	{"model", true, "the name of a file in models_dir without .ini, or a path from the root"},
	{"address", true, "the meter's address on its bus"},
	{"baud", false, NULL},
	{"parity", false, NULL},
	{"data_bits", false, NULL},
	{"stop_bits", false, NULL},
	{"serial", false, NULL},
	{"utc_offset", false, NULL},
	{NULL, false, NULL},
};

static const struct config_key outlet_keys[] = {
	{"meter", true, "the name of the [meter NAME] that measures it"},
	{"rated_w", true, "what the breaker carries, in watts"},
	{"breaker_kind", true, "monostable (opens without power) or latching (keeps its place)"},
	{"undervoltage_release", false, NULL},
	{"breaker_pin", true, "the output that drives the breaker, as CHIP:LINE; yes on a simulated box"},
	{"contact_pin", false, NULL},
	{"breaker_actuation_ms", false, NULL},
	{"current_threshold_ma", false, NULL},
	{"door_pin", false, NULL},
	{"lock", false, NULL},
	{"lock_pulse_ms", false, NULL},
	{"lock_rest_ms", false, NULL},
	{NULL, false, NULL},
};

#define FITS(keys) _Static_assert(sizeof(keys) / sizeof((keys)[0]) - 1 <= CONFIG_KEYS_MAX, "a section's table has room")
FITS(box_keys);
FITS(limits_keys);
FITS(server_keys);
FITS(bus_keys);
FITS(meter_keys);
FITS(outlet_keys);

static const struct {
	const char *word; /* the first of the section's name */
	const char *form; /* as people write it */
	const struct config_key *keys;
	bool required;
	bool once;
	unsigned most;
	size_t argument_size; /* with its NUL */
} kinds[SECTION_KIND_COUNT] = {
	[SECTION_BOX] = {"box", "[box]", box_keys, true, true, 1, 1},
	[SECTION_LIMITS] = {"limits", "[limits]", limits_keys, false, true, 1, 1},
	[SECTION_SERVER] = {"server", "[server]", server_keys, false, true, 1, 1},
	[SECTION_BUS] = {"bus", "[bus NAME]", bus_keys, true, false, CONFIG_BUSES_MAX, BUS_NAME_SIZE},
	[SECTION_METER] = {"meter", "[meter NAME]", meter_keys, true, false, OUTLETS_MAX, METER_NAME_SIZE},
	[SECTION_OUTLET] = {"outlet", "[outlet N]", outlet_keys, true, false, OUTLETS_MAX, 3},
};

/* ---- saying what is wrong ---- */

__attribute__((format(printf, 5, 0))) static int fail_at(struct config_document *doc, int line, const char *section,
							 const char *key, const char *format, va_list arguments)
{
	char *text = doc->error->text;
	size_t used = 0, size = sizeof(doc->error->text);
	if (doc->result != 0)
		return doc->result;
	doc->result = -EINVAL;
	doc->failed_line = line;
	used += (size_t)snprintf(text, size, "%s:%d: ", doc->path, line > 0 ? line : 1); /* an empty file has no line */
	if (section && used < size)
		used += (size_t)snprintf(text + used, size - used, "[" SHOWN "]%s", section, key ? " " : ": ");
	if (key && used < size)
		used += (size_t)snprintf(text + used, size - used, SHOWN ": ", key);
	if (used < size)
		vsnprintf(text + used, size - used, format, arguments);
	return doc->result;
}

int config_fail(struct config_document *doc, const struct config_section *section, const char *key, const char *format,
		...)
{
	const struct config_entry *entry = key ? config_entry(section, key) : NULL;
	va_list arguments;
	va_start(arguments, format);
	int result = fail_at(doc, entry ? entry->line : section->line, section->name, key, format, arguments);
	va_end(arguments);
	return result;
}

/* What is wrong with the line that was read last. */
__attribute__((format(printf, 4, 5))) static int fail_line(struct config_document *doc, const char *section,
							   const char *key, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int result = fail_at(doc, doc->lines, section, key, format, arguments);
	va_end(arguments);
	return result;
}

__attribute__((format(printf, 3, 4))) static int fail_file(struct config_document *doc, int result, const char *format,
							   ...)
{
	va_list arguments;
	va_start(arguments, format);
	int used = snprintf(doc->error->text, sizeof(doc->error->text), "%s: ", doc->path);
	if (used >= 0 && (size_t)used < sizeof(doc->error->text))
		vsnprintf(doc->error->text + used, sizeof(doc->error->text) - (size_t)used, format, arguments);
	va_end(arguments);
	doc->result = result;
	return result;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters must be put in, left out or changed to make b of a; HINT_MAX when one of them is long. */
static size_t distance(const char *a, const char *b)
{
	size_t row[HINT_MAX * 2 + 1];
	size_t a_length = strlen(a), b_length = strlen(b);
	if (a_length >= HINT_MAX * 2 || b_length >= HINT_MAX * 2)
		return HINT_MAX;
	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t changed = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			row[j] = least(changed, least(row[j], row[j - 1]) + 1);
		}
	}
	return row[b_length];
}

static int fail_key(struct config_document *doc, const struct config_section *section, const char *name)
{
	const char *nearest = NULL;
	size_t nearest_distance = HINT_DISTANCE + 1;
	for (const struct config_key *key = kinds[section->kind].keys; key->name; key++) {
		size_t d = distance(name, key->name);
		if (d < nearest_distance) {
			nearest_distance = d;
			nearest = key->name;
		}
	}
	if (nearest)
		return fail_line(doc, section->name, name, "unknown key; did you mean %s?", nearest);
	return fail_line(doc, section->name, name, "unknown key; meterboxd.conf(5) lists them");
}

static int fail_section(struct config_document *doc, const char *name, const char *word)
{
	size_t nearest_distance = HINT_DISTANCE;
	const char *nearest = NULL;
	for (unsigned kind = 0; kind < SECTION_KIND_COUNT; kind++) {
		size_t d = distance(word, kinds[kind].word);
		if (d < nearest_distance) {
			nearest_distance = d;
			nearest = kinds[kind].form;
		}
	}
	if (nearest)
		return fail_line(doc, name, NULL, "unknown section; did you mean %s?", nearest);
	return fail_line(
		doc,
		name,
		NULL,
		"unknown section; known are [box], [limits], [server], [bus NAME], [meter NAME] and [outlet N]");
}

/* ---- sections ---- */

const struct config_key *config_keys(enum config_kind kind)
{
	return kinds[kind].keys;
}

struct config_section *config_next(struct config_document *doc, enum config_kind kind,
				   const struct config_section *after)
{
	for (size_t i = after ? (size_t)(after - doc->sections) + 1 : 0; i < doc->section_count; i++)
		if (doc->sections[i].kind == kind)
			return &doc->sections[i];
	return NULL;
}

struct config_section *config_only(struct config_document *doc, enum config_kind kind)
{
	struct config_section *section = config_next(doc, kind, NULL);
	assert(section);
	return section;
}

const struct config_entry *config_entry(const struct config_section *section, const char *key)
{
	const struct config_key *keys = kinds[section->kind].keys;
	unsigned i = 0;
	while (keys[i].name && strcmp(keys[i].name, key) != 0)
		i++;
	assert(keys[i].name); /* only keys of the tables are asked for */
	return section->entries[i].line > 0 ? &section->entries[i] : NULL;
}

static int check_argument(struct config_document *doc, const char *name, enum config_kind kind, const char *argument)
{
	size_t length = strlen(argument);
	if (kinds[kind].once)
		return 0;
	if (kind == SECTION_OUTLET) {
		bool number = length > 0 && strspn(argument, "0123456789") == length && argument[0] != '0';
		if (!number || length >= kinds[kind].argument_size || atoi(argument) > OUTLETS_MAX)
			return fail_line(
				doc, name, NULL, "an outlet's section is [outlet N], N from 1 to %d", OUTLETS_MAX);
		return 0;
	}
	if (length == 0 || length >= kinds[kind].argument_size || strspn(argument, NAME_LETTERS) != length)
		return fail_line(doc,
				 name,
				 NULL,
				 "the section is %s, the name 1 to %zu letters, digits, '_', '.' or '-'",
				 kinds[kind].form,
				 kinds[kind].argument_size - 1);
	return 0;
}

/* Finds the kind that a section's name means. SECTION_KIND_COUNT, and told, when it means none. */
static enum config_kind find_kind(struct config_document *doc, const char *name, const char **argument)
{
	char word[CONFIG_SECTION_NAME_SIZE];
	size_t length = strcspn(name, " \t");
	enum config_kind kind = SECTION_BOX;
	snprintf(word, sizeof(word), "%.*s", (int)length, name);
	*argument = name + length + strspn(name + length, " \t");
	while (kind < SECTION_KIND_COUNT && strcmp(kinds[kind].word, word) != 0)
		kind++;
	if (kind == SECTION_KIND_COUNT || (kinds[kind].once && **argument != '\0')) {
		fail_section(doc, name, word);
		return SECTION_KIND_COUNT;
	}
	return check_argument(doc, name, kind, *argument) == 0 ? kind : SECTION_KIND_COUNT;
}

static int add_section(struct config_document *doc, const char *name)
{
	const char *argument;
	unsigned count = 0;
	enum config_kind kind = find_kind(doc, name, &argument);
	if (kind == SECTION_KIND_COUNT)
		return doc->result;
	for (struct config_section *s = config_next(doc, kind, NULL); s; s = config_next(doc, kind, s)) {
		if (strcmp(s->argument, argument) == 0)
			return fail_line(
				doc, name, NULL, "this section is there already, in line %d; join the two", s->line);
		count++;
	}
	if (count == kinds[kind].most)
		return fail_line(
			doc, name, NULL, "too many sections %s; at most %u", kinds[kind].form, kinds[kind].most);
	assert(doc->section_count < CONFIG_SECTIONS_MAX);
	struct config_section *section = &doc->sections[doc->section_count++];
	section->kind = kind;
	section->line = doc->lines;
	snprintf(section->name, sizeof(section->name), "%s", name);
	section->argument = section->name + (argument - name);
	return 0;
}

/* ---- lines, on their way to inih ---- */

static int read_header(struct config_document *doc, const char *line)
{
	char name[CONFIG_SECTION_NAME_SIZE];
	const char *end = strchr(line, ']');
	if (!end)
		return fail_line(doc, NULL, NULL, "a section begins with [NAME]; its ']' is missing");
	size_t length = (size_t)(end - line) - 1;
	const char *rest = end + 1 + strspn(end + 1, " \t\r");
	if (*rest != '\0' && *rest != ';' && *rest != '#')
		return fail_line(doc, NULL, NULL, "after [NAME] nothing but a comment may follow; begin a new line");
	/* inih keeps as many characters as fit; one fewer tells that none was cut. */
	if (length >= sizeof(name) - 1)
		return fail_line(
			doc, NULL, NULL, "the section's name is too long; at most %zu characters", sizeof(name) - 2);
	snprintf(name, sizeof(name), "%.*s", (int)length, line + 1);
	for (const char *c = name; *c; c++)
		if (*c < ' ' || *c > '~')
			return fail_line(doc, NULL, NULL, "a section's name is of printable ASCII characters");
	return add_section(doc, name);
}

/* inih's reader, in the manner of fgets: a line at a time, without what inih would misread. NULL ends the reading. */
static char *read_line(char *line, int size, void *stream)
{
	struct config_document *doc = stream;
	if (doc->result != 0 || doc->size == 0)
		return NULL;
	char *newline = memchr(doc->text, '\n', doc->size);
	size_t length = newline ? (size_t)(newline - doc->text) : doc->size;
	size_t taken = newline ? length + 1 : length;
	size_t blank = 0;
	doc->lines++;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)doc->text[i];
		if ((c < ' ' && c != '\t' && !(c == '\r' && i == length - 1)) || c == 0x7f) {
			fail_line(doc, NULL, NULL, "a control character (code %u); only text is allowed", c);
			return NULL;
		}
	}
	/* An indented line would continue the one before it. */
	while (blank < length && (doc->text[blank] == ' ' || doc->text[blank] == '\t'))
		blank++;
	if (length - blank > (size_t)size - 2) {
		fail_line(doc, NULL, NULL, "the line is too long; at most %d characters", size - 2);
		return NULL;
	}
	memcpy(line, doc->text + blank, length - blank);
	line[length - blank] = '\0';
	doc->text += taken;
	doc->size -= taken;
	if (line[0] == '[' && read_header(doc, line) != 0)
		return NULL;
	return line;
}

/* inih's handler: keeps one value. 0 stops, by way of the result. */
static int take_entry(void *user, const char *inih_section, const char *name, const char *value)
{
	struct config_document *doc = user;
	unsigned i = 0;
	(void)inih_section; /* cut where it is long; the header's own line has told */
	for (const char *c = name; *c; c++)
		if (*c < ' ' || *c > '~')
			return fail_line(doc, NULL, NULL, "a key is of printable ASCII characters") == 0;
	if (doc->section_count == 0)
		return fail_line(doc, NULL, NULL, SHOWN ": a key before the first section; begin with [box]", name) ==
		       0;
	struct config_section *section = &doc->sections[doc->section_count - 1];
	const struct config_key *keys = kinds[section->kind].keys;
	while (keys[i].name && strcmp(keys[i].name, name) != 0)
		i++;
	if (!keys[i].name)
		return fail_key(doc, section, name) == 0;
	struct config_entry *entry = &section->entries[i];
	if (entry->line > 0)
		return fail_line(doc, section->name, name, "given twice, first in line %d; keep one", entry->line) == 0;
	if (value[0] == '\0')
		return fail_line(doc, section->name, name, "has no value; give one or leave the line out") == 0;
	for (const char *c = value; *c; c++)
		if (*c < ' ' || *c > '~')
			return fail_line(doc, section->name, name, "a value is of printable ASCII characters") == 0;
	size_t size = strlen(value) + 1;
	*entry = (struct config_entry){.line = doc->lines, .value = doc->arena + doc->arena_used};
	memcpy(doc->arena + doc->arena_used, value, size);
	doc->arena_used += size;
	return 1;
}

/* ---- the file ---- */

static int read_text(struct config_document *doc, int fd)
{
	struct stat status;
	ssize_t got = 1;
	if (fstat(fd, &status) < 0)
		return fail_file(doc, -errno, "cannot be read: %s", strerror(errno));
	if (!S_ISREG(status.st_mode))
		return fail_file(doc, -EINVAL, "is not a regular file; name a configuration file");
	doc->text = malloc(CONFIG_FILE_MAX + 1);
	if (!doc->text)
		return fail_file(doc, -ENOMEM, "no memory to read it");
	while (got > 0 && doc->size <= CONFIG_FILE_MAX) {
		got = read(fd, doc->text + doc->size, CONFIG_FILE_MAX + 1 - doc->size);
		if (got < 0 && errno != EINTR)
			return fail_file(doc, -errno, "cannot be read: %s", strerror(errno));
		doc->size += got > 0 ? (size_t)got : 0;
		got = got < 0 ? 1 : got;
	}
	if (doc->size > CONFIG_FILE_MAX)
		return fail_file(doc, -EFBIG, "is too long; at most %d bytes", CONFIG_FILE_MAX);
	return 0;
}

/* A syntax error is inih's to find; it goes on, so that a later line may have been told already. */
static int parse(struct config_document *doc)
{
	char *text = doc->text;
	size_t size = doc->size;
	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		doc->text += 3;
		doc->size -= 3;
	}
	int line = ini_parse_stream(read_line, doc, take_entry, doc);
	doc->text = text;
	doc->size = size;
	if (line == -2)
		return fail_file(doc, -ENOMEM, "no memory to parse it");
	if (line > 0 && (doc->result == 0 || line < doc->failed_line)) {
		doc->result = 0;
		doc->lines = line;
		return fail_line(
			doc, NULL, NULL, "a line is [SECTION], KEY = VALUE, or a comment that begins with '#'");
	}
	return doc->result;
}

static int check_required(struct config_document *doc)
{
	for (unsigned kind = 0; kind < SECTION_KIND_COUNT; kind++) {
		if (config_next(doc, kind, NULL))
			continue;
		if (kinds[kind].required)
			return fail_line(doc, kinds[kind].word, NULL, "the section %s is missing", kinds[kind].form);
		if (kind != SECTION_SERVER) /* there as a whole, or not */
			add_section(doc, kinds[kind].word);
	}
	for (unsigned i = 0; i < doc->section_count; i++) {
		const struct config_section *section = &doc->sections[i];
		for (const struct config_key *key = kinds[section->kind].keys; key->name; key++)
			if (key->required && !config_entry(section, key->name))
				return config_fail(doc, section, key->name, "is missing; it gives %s", key->wanted);
	}
	return 0;
}

int config_document_read(struct config_document *doc)
{
	if (strlen(doc->path) >= CONFIG_PATH_SIZE)
		return fail_file(doc, -ENAMETOOLONG, "the path is too long; at most %d bytes", CONFIG_PATH_SIZE - 1);
	/* Neither a FIFO nor a terminal may hold us up. */
	int fd = open(doc->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fail_file(doc, -errno, "cannot be opened: %s", strerror(errno));
	int result = read_text(doc, fd);
	close(fd);
	if (result != 0)
		return result;
	/* Each value stands in the file, with at least one more byte beside it; only the last may have none. */
	doc->arena = malloc(doc->size + 2);
	if (!doc->arena)
		return fail_file(doc, -ENOMEM, "no memory to parse it");
	result = parse(doc);
	return result == 0 ? check_required(doc) : result;
}

void config_document_free(struct config_document *doc)
{
	free(doc->text);
	free(doc->arena);
}
