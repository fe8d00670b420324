/* src/daemon/config_internal.h: the steps between a configuration file and struct config, for config*.c only.
 *
 * Room: src/daemon; inih. First the document: its sections and keys are known ones, each given once, each with its line.
 * Then values, by type. Then what holds between them. Of all that is wrong the first is told. */
#ifndef CONFIG_INTERNAL_H
#define CONFIG_INTERNAL_H

#include <stddef.h>

#include "config.h"

#define CONFIG_KEYS_MAX 24 /* of one kind of section */
#define CONFIG_SECTION_NAME_SIZE 50 /* inih cuts a longer one without a word */
#define CONFIG_SECTIONS_MAX (3 + CONFIG_BUSES_MAX + 2 * OUTLETS_MAX)

#define CONFIG_SOCKET_CHIP "socket" /* in a pin_spec: fitted, on a simulated box */
#define CONFIG_SOCKET_LINE "-"

enum config_kind {
	SECTION_BOX,
	SECTION_LIMITS,
	SECTION_SERVER,
	SECTION_BUS,
	SECTION_METER,
	SECTION_OUTLET,
	SECTION_KIND_COUNT
};

struct config_key {
	const char *name;
	bool required;
	const char *wanted; /* said when it is missing */
};

struct config_entry {
	int line; /* 0: the key is not in the file */
	const char *value; /* in the document's arena */
};

struct config_section {
	enum config_kind kind;
	int line;
	char name[CONFIG_SECTION_NAME_SIZE]; /* "bus NAME" */
	const char *argument; /* within name: "NAME"; empty for those that come once */
	struct config_entry entries[CONFIG_KEYS_MAX]; /* in the order of config_keys() */
};

struct config_document {
	const char *path;
	char *text; /* the file */
	size_t size;
	char *arena; /* all values; as large as they can be together */
	size_t arena_used;
	int lines; /* read so far */
	unsigned section_count;
	struct config_section sections[CONFIG_SECTIONS_MAX];
	struct config_error *error;
	int result; /* 0, or what config_fail() has said first */
	int failed_line;
};

/* A number of the file and its place in a structure. */
struct config_number {
	const char *key;
	size_t offset; /* of an int64_t */
	int64_t min, max;
};

/* The times of [limits], in struct box_config; ends with a NULL key. */
extern const struct config_number config_limits[];

/* The times of [server] in milliseconds, in struct uplink_config; ends with a NULL key. */
extern const struct config_number config_server_times[];

/* ---- config_document.c ---- */

/* Reads the file's text and splits it into sections. The document is zeroed but for path and error. Returns its result. */
int config_document_read(struct config_document *doc);

/* Frees what the document holds, not the document. */
void config_document_free(struct config_document *doc);

/* The keys of a kind of section; ends with a NULL name. */
const struct config_key *config_keys(enum config_kind kind);

/* The one section of a kind that comes once. Never NULL after config_document_read() has returned 0, but for [server],
 * which only config_next() may ask for. */
struct config_section *config_only(struct config_document *doc, enum config_kind kind);

/* The next section of a kind after a given one (NULL: the first), or NULL. */
struct config_section *config_next(struct config_document *doc, enum config_kind kind,
				   const struct config_section *after);

/* What the file says for a key; NULL when it is not there. */
const struct config_entry *config_entry(const struct config_section *section, const char *key);

/* Says what is wrong with a key (NULL: with the section), unless something was wrong before. Returns -EINVAL. */
int config_fail(struct config_document *doc, const struct config_section *section, const char *key, const char *format,
		...) __attribute__((format(printf, 4, 5)));

/* ---- config_value.c: each leaves *value as it is where the key is not there or wrong ---- */

void config_flag(struct config_document *doc, const struct config_section *section, const char *key, bool *value);
void config_integer(struct config_document *doc, const struct config_section *section, const char *key, int64_t min,
		    int64_t max, int64_t *value);
void config_unsigned(struct config_document *doc, const struct config_section *section, const char *key, unsigned min,
		     unsigned max, unsigned *value);
void config_numbers(struct config_document *doc, const struct config_section *section,
		    const struct config_number *numbers, void *base);

/* One of count words; *value is its place among them. */
void config_choice(struct config_document *doc, const struct config_section *section, const char *key,
		   const char *const *words, unsigned count, unsigned *value);

/* Printable text that travels in records: without quotes and backslashes. */
void config_word(struct config_document *doc, const struct config_section *section, const char *key, char *value,
		 size_t size);

/* A path from the root. */
void config_path(struct config_document *doc, const struct config_section *section, const char *key, char *value,
		 size_t size);

/* An LED of the kernel: a name in /sys/class/leds or a directory from the root; on a simulated box yes or no. */
void config_lock(struct config_document *doc, const struct config_section *section, const char *key, bool simulated,
		 char value[PIN_NAME_SIZE]);

/* [!]CHIP:LINE; on a simulated box yes or no. */
void config_pin(struct config_document *doc, const struct config_section *section, const char *key, bool simulated,
		struct pin_spec *value);

/* A clock's distance from UTC: +08:00. */
void config_utc_offset(struct config_document *doc, const struct config_section *section, const char *key,
		       int *minutes);

/* ---- config_server.c ---- */

struct config_loader;

/* Reads [server], if it is there. After [box]. */
void config_read_server(struct config_loader *loader);

/* ---- config_check.c ---- */

/* A meter's section, and where its meter went. */
struct config_place {
	const struct config_section *section;
	struct config_meter meter;
	char serial[METER_SERIAL_SIZE];
	const struct config_section *outlet; /* that uses it; NULL: none yet */
};

struct config_loader {
	struct config_document doc;
	struct config config;
	char models_dir[CONFIG_PATH_SIZE];
	const struct config_section *buses[CONFIG_BUSES_MAX]; /* of each in config */
	const struct config_section *outlets[OUTLETS_MAX];
	unsigned place_count;
	struct config_place places[OUTLETS_MAX];
};

/* What holds between values. Fills in reading_age_ms. Returns the document's result. */
int config_check(struct config_loader *loader);

#endif
