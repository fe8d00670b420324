/* src/daemon/config_value.c: one value of the configuration file, by its type. See config_internal.h.
 *
 * Room: src/daemon. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config_internal.h"

#define SHOWN "'%.40s'" /* what is quoted from a file is cut to this */
#define DIGITS "0123456789"
#define NUMBER_DIGITS_MAX 15
#define OFFSET_MIN_MINUTES (-12 * 60)
#define OFFSET_MAX_MINUTES (14 * 60)
#define CHOICES_SIZE 128

static bool read_number(const char *text, int64_t *number)
{
	size_t length = strlen(text);
	if (length == 0 || length > NUMBER_DIGITS_MAX || strspn(text, DIGITS) != length)
		return false;
	*number = 0;
	for (; *text; text++)
		*number = *number * 10 + (*text - '0');
	return true;
}

void config_flag(struct config_document *doc, const struct config_section *section, const char *key, bool *value)
{
	const struct config_entry *entry = config_entry(section, key);
	if (!entry)
		return;
	bool yes = strcmp(entry->value, "yes") == 0;
	if (yes || strcmp(entry->value, "no") == 0)
		*value = yes;
	else
		config_fail(doc, section, key, SHOWN " is neither yes nor no", entry->value);
}

void config_integer(struct config_document *doc, const struct config_section *section, const char *key, int64_t min,
		    int64_t max, int64_t *value)
{
	const struct config_entry *entry = config_entry(section, key);
	int64_t number;
	if (!entry)
		return;
	if (!read_number(entry->value, &number) || number < min || number > max)
		config_fail(doc,
			    section,
			    key,
			    SHOWN " is not a whole number from %" PRId64 " to %" PRId64,
			    entry->value,
			    min,
			    max);
	else
		*value = number;
}

void config_unsigned(struct config_document *doc, const struct config_section *section, const char *key, unsigned min,
		     unsigned max, unsigned *value)
{
	int64_t number = *value;
	config_integer(doc, section, key, min, max, &number);
	*value = (unsigned)number;
}

void config_numbers(struct config_document *doc, const struct config_section *section,
		    const struct config_number *numbers, void *base)
{
	for (; numbers->key; numbers++)
		config_integer(doc,
			       section,
			       numbers->key,
			       numbers->min,
			       numbers->max,
			       (int64_t *)((char *)base + numbers->offset));
}

void config_choice(struct config_document *doc, const struct config_section *section, const char *key,
		   const char *const *words, unsigned count, unsigned *value)
{
	const struct config_entry *entry = config_entry(section, key);
	char choices[CHOICES_SIZE] = "";
	size_t used = 0;
	if (!entry)
		return;
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(entry->value, words[i]) == 0) {
			*value = i;
			return;
		}
		if (used < sizeof(choices))
			used += (size_t)snprintf(
				choices + used, sizeof(choices) - used, "%s%s", i > 0 ? ", " : "", words[i]);
	}
	config_fail(doc, section, key, SHOWN " is not one of: %s", entry->value, choices);
}

void config_word(struct config_document *doc, const struct config_section *section, const char *key, char *value,
		 size_t size)
{
	const struct config_entry *entry = config_entry(section, key);
	if (!entry)
		return;
	if (word_is_printable(entry->value, size))
		word_copy(value, size, entry->value);
	else
		config_fail(doc,
			    section,
			    key,
			    SHOWN " is not 1 to %zu printable characters without quotes and backslashes",
			    entry->value,
			    size - 1);
}

void config_path(struct config_document *doc, const struct config_section *section, const char *key, char *value,
		 size_t size)
{
	const struct config_entry *entry = config_entry(section, key);
	if (!entry)
		return;
	if (entry->value[0] != '/')
		config_fail(doc, section, key, SHOWN " is not a path from the root; begin with '/'", entry->value);
	else if (strlen(entry->value) >= size)
		config_fail(doc, section, key, "the path is too long; at most %zu bytes", size - 1);
	else
		word_copy(value, size, entry->value);
}

/* On a simulated box a thing is there or not, no more. */
static bool read_fitted(struct config_document *doc, const struct config_section *section, const char *key)
{
	bool fitted = false;
	const struct config_entry *entry = config_entry(section, key);
	if (entry && strcmp(entry->value, "yes") != 0 && strcmp(entry->value, "no") != 0)
		config_fail(doc,
			    section,
			    key,
			    SHOWN " is neither yes nor no; with pins = socket:PATH the simulated box has the wiring",
			    entry->value);
	else
		config_flag(doc, section, key, &fitted);
	return fitted;
}

void config_lock(struct config_document *doc, const struct config_section *section, const char *key, bool simulated,
		 char value[PIN_NAME_SIZE])
{
	const struct config_entry *entry = config_entry(section, key);
	if (simulated) {
		word_copy(value, PIN_NAME_SIZE, read_fitted(doc, section, key) ? CONFIG_SOCKET_CHIP : "");
		return;
	}
	if (!entry || strcmp(entry->value, "no") == 0)
		return;
	if (strcmp(entry->value, "yes") == 0)
		config_fail(doc, section, key, "yes is for a simulated box; name the coil's LED in /sys/class/leds");
	else if (strlen(entry->value) >= PIN_NAME_SIZE)
		config_fail(doc, section, key, "the name is too long; at most %d characters", PIN_NAME_SIZE - 1);
	else if (entry->value[0] == '.' || (entry->value[0] != '/' && strchr(entry->value, '/')))
		config_fail(doc,
			    section,
			    key,
			    SHOWN " is neither a name in /sys/class/leds nor a path from the root",
			    entry->value);
	else
		word_copy(value, PIN_NAME_SIZE, entry->value);
}

/* The last colon parts chip and line: labels of chips have colons, too. False when it is no pin. */
static bool read_pin(const char *text, struct pin_spec *pin)
{
	struct pin_spec spec = {.active_low = text[0] == '!'};
	const char *chip = text + spec.active_low;
	const char *colon = strrchr(chip, ':');
	if (!colon || colon == chip || colon[1] == '\0' || strpbrk(chip, " \t"))
		return false;
	size_t chip_length = (size_t)(colon - chip);
	if (chip_length >= sizeof(spec.chip) || strlen(colon + 1) >= sizeof(spec.line))
		return false;
	memcpy(spec.chip, chip, chip_length);
	word_copy(spec.line, sizeof(spec.line), colon + 1);
	*pin = spec;
	return true;
}

void config_pin(struct config_document *doc, const struct config_section *section, const char *key, bool simulated,
		struct pin_spec *value)
{
	const struct config_entry *entry = config_entry(section, key);
	if (simulated) {
		if (read_fitted(doc, section, key))
			*value = (struct pin_spec){.chip = CONFIG_SOCKET_CHIP, .line = CONFIG_SOCKET_LINE};
		return;
	}
	if (!entry || strcmp(entry->value, "no") == 0)
		return;
	if (strcmp(entry->value, "yes") == 0)
		config_fail(
			doc, section, key, "yes is for a simulated box; name the line as CHIP:LINE, like gpiochip0:17");
	else if (!read_pin(entry->value, value))
		config_fail(doc,
			    section,
			    key,
			    SHOWN " is not CHIP:LINE, or !CHIP:LINE where low is active; each at most %d characters",
			    entry->value,
			    PIN_NAME_SIZE - 1);
}

void config_utc_offset(struct config_document *doc, const struct config_section *section, const char *key, int *minutes)
{
	static const char form[] = "+00:00";
	const struct config_entry *entry = config_entry(section, key);
	if (!entry)
		return;
	const char *text = entry->value;
	bool formed = strlen(text) == strlen(form) && (text[0] == '+' || text[0] == '-');
	for (size_t i = 1; formed && i < strlen(form); i++)
		formed = i == 3 ? text[i] == ':' : strchr(DIGITS, text[i]) != NULL;
	int count = 0;
	if (formed) {
		count = ((text[1] - '0') * 10 + text[2] - '0') * 60 + (text[4] - '0') * 10 + text[5] - '0';
		count = text[0] == '-' ? -count : count;
	}
	if (!formed || text[4] > '5' || count < OFFSET_MIN_MINUTES || count > OFFSET_MAX_MINUTES)
		config_fail(
			doc, section, key, SHOWN " is not a distance from UTC of -12:00 to +14:00, like +08:00", text);
	else
		*minutes = count;
}
