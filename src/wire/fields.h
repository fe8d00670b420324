/* src/wire/fields.h: a C struct and a JSON object, described once for both directions.
 *
 * Room: src/model, cJSON. Internal to src/wire. Each table names the fields of one struct with their limits; writing and
 * reading walk the same table, so that they cannot drift apart. */
#ifndef WIRE_FIELDS_H
#define WIRE_FIELDS_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "json.h"
#include "words.h"

enum field_type {
	FIELD_INT64,
	FIELD_UINT64,
	FIELD_UINT32,
	FIELD_OUTLET, /* int, 0-based; on the wire from 1, absent for RECORD_NO_OUTLET */
	FIELD_BOOL,
	FIELD_TEXT, /* char[size]; absent when empty */
	FIELD_WORD, /* an enum, by its list of names */
	FIELD_TIME, /* int64_t wall time in ms; RFC 3339 on the wire */
	FIELD_OBJECT, /* a struct, by its own table */
	FIELD_INT64S, /* int64_t[], without the zeros at its end; absent when all are */
	FIELD_LIST, /* structs by their table, and how many of them; absent when none, never empty */
};

struct field {
	const char *name;
	enum field_type type;
	size_t offset;
	size_t size; /* of a text, its NUL included */
	bool optional; /* may be absent: then the struct's field stays zero; an optional object begins with a text, and is
			  left out when that is empty */
	bool sparse; /* of an int64, beside optional: left out when 0, so that older readers need not know it */
	const struct words *words;
	const struct field *fields; /* of an object or a list's element; ends with a NULL name */
	size_t element; /* of a list: the size of one, ... */
	size_t count; /* ... and the offset of the uint32_t that says how many */
	const char *unless; /* it must be there unless this other field is */
};

#define FIELD_AT(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)

/* Adds every field of the struct at `from` to object. False when memory is short. */
bool fields_write(const struct field *fields, const void *from, cJSON *object);

/* Reads every field into the struct at `to`, whose fields are zero before. False, with *error filled, at the first that
 * is missing, of the wrong type or out of its limits. */
bool fields_read(const struct field *fields, const cJSON *object, void *to, struct wire_error *error);

/* Whether every field of the object, and of what lies in it, stands in the table. False, with *error naming the first that
 * does not, and what it was found in. */
bool fields_are_all(const struct field *fields, const char *where, const cJSON *object, struct wire_error *error);

/* Fills the error with printf's arguments, cut to its size. Always false. */
bool wire_fail(struct wire_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
