/* src/wire/fields.c: see fields.h. */
#include "fields.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "record.h"

/* Beyond this a double, which is what JSON's numbers are to most programs, skips integers. */
#define EXACT_MAX INT64_C(9007199254740991)

#define NUMBERS_MAX 8 /* of one FIELD_INT64S */

#define COLLECTION_VALUES_MAX 2048 /* of a text longer than one document: a batch has at most about 1500 */

#define TIME_TEXT_SIZE 25 /* 2026-11-21T01:38:46.123Z */
#define TIME_MAX_MS INT64_C(253402300799999) /* the end of the year 9999 */

_Static_assert(sizeof(enum outlet_state) == sizeof(unsigned), "words are read and written as unsigned");

bool wire_fail(struct wire_error *error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof error->text, format, arguments);
	va_end(arguments);
	return false;
}

/* --- writing --- */

static bool add_number(cJSON *object, const char *name, int64_t value)
{
	char digits[24];
	assert(value <= EXACT_MAX && value >= -EXACT_MAX);
	snprintf(digits, sizeof digits, "%" PRId64, value); /* cJSON would write 10^15 as 1e+15 */
	return cJSON_AddRawToObject(object, name, digits) != NULL;
}

static bool add_time(cJSON *object, const char *name, int64_t wall_ms)
{
	char text[TIME_TEXT_SIZE];
	char seconds[20];
	int64_t within = wall_ms < 0 ? 0 : wall_ms > TIME_MAX_MS ? TIME_MAX_MS : wall_ms;
	time_t unix_s = (time_t)(within / 1000);
	struct tm utc;
	gmtime_r(&unix_s, &utc);
	strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, sizeof text, "%s.%03dZ", seconds, (int)(within % 1000));
	return cJSON_AddStringToObject(object, name, text) != NULL;
}

static bool add_numbers(const struct field *f, const char *at, cJSON *object)
{
	int64_t numbers[NUMBERS_MAX];
	size_t count = f->size / sizeof *numbers;
	char text[NUMBERS_MAX * 18] = "[";
	assert(count <= NUMBERS_MAX);
	memcpy(numbers, at, f->size);
	while (count > 0 && numbers[count - 1] == 0)
		count--;
	if (count == 0)
		return true;
	for (size_t i = 0; i < count; i++) {
		size_t used = strlen(text);
		assert(numbers[i] <= EXACT_MAX && numbers[i] >= -EXACT_MAX);
		snprintf(text + used,
			 sizeof text - used,
			 "%" PRId64 "%c",
			 numbers[i],
			 i + 1 < count ? ',' : ']'); /* raw, as add_number() */
	}
	return cJSON_AddRawToObject(object, f->name, text) != NULL;
}

static bool add_field(const struct field *f, const char *at, cJSON *object)
{
	int outlet;
	unsigned word;
	int64_t number;
	switch (f->type) {
	case FIELD_INT64:
		memcpy(&number, at, sizeof number);
		return (f->sparse && number == 0) || add_number(object, f->name, number);
	case FIELD_UINT64:
		memcpy(&number, at, sizeof number);
		return add_number(object, f->name, number);
	case FIELD_UINT32:
		number = *(const uint32_t *)(const void *)at;
		return add_number(object, f->name, number);
	case FIELD_OUTLET:
		memcpy(&outlet, at, sizeof outlet);
		return outlet == RECORD_NO_OUTLET || add_number(object, f->name, outlet + 1);
	case FIELD_BOOL:
		return cJSON_AddBoolToObject(object, f->name, *(const bool *)at) != NULL;
	case FIELD_TEXT:
		return *at == '\0' || cJSON_AddStringToObject(object, f->name, at) != NULL;
	case FIELD_WORD:
		memcpy(&word, at, sizeof word);
		return cJSON_AddStringToObject(object, f->name, word_name(f->words, word)) != NULL;
	case FIELD_TIME:
		memcpy(&number, at, sizeof number);
		return add_time(object, f->name, number);
	case FIELD_OBJECT: {
		if (f->optional && at[f->fields[0].offset] == '\0')
			return true;
		cJSON *inner = cJSON_AddObjectToObject(object, f->name);
		return inner != NULL && fields_write(f->fields, at, inner);
	}
	case FIELD_INT64S:
		return add_numbers(f, at, object);
	case FIELD_LIST:
		break; /* fields_write() knows where its count stands */
	}
	return false;
}

static bool add_list(const struct field *f, const char *from, cJSON *object)
{
	uint32_t count = *(const uint32_t *)(const void *)(from + f->count);
	assert(count * f->element <= f->size);
	if (count == 0)
		return true;
	cJSON *list = cJSON_AddArrayToObject(object, f->name);
	for (uint32_t i = 0; list != NULL && i < count; i++) {
		cJSON *inner = cJSON_CreateObject();
		if (inner == NULL || !cJSON_AddItemToArray(list, inner) ||
		    !fields_write(f->fields, from + f->offset + i * f->element, inner))
			return false;
	}
	return list != NULL;
}

bool fields_write(const struct field *fields, const void *from, cJSON *object)
{
	for (const struct field *f = fields; f->name != NULL; f++) {
		bool added = f->type == FIELD_LIST ? add_list(f, from, object) :
						     add_field(f, (const char *)from + f->offset, object);
		if (!added)
			return false;
	}
	return true;
}

char *json_print_and_delete(cJSON *object)
{
	char *text = cJSON_PrintUnformatted(object);
	cJSON_Delete(object);
	return text;
}

/* --- reading --- */

static bool read_number(const cJSON *item, const char *name, int64_t low, int64_t high, int64_t *value,
			struct wire_error *error)
{
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= (double)low && item->valuedouble <= (double)high) ||
	    item->valuedouble != (double)(int64_t)item->valuedouble)
		return wire_fail(error, "%s must be a whole number from %" PRId64 " to %" PRId64, name, low, high);
	*value = (int64_t)item->valuedouble;
	return true;
}

static bool two_digits(const char *text, int low, int high, int *value)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return false;
	*value = (text[0] - '0') * 10 + (text[1] - '0');
	return *value >= low && *value <= high;
}

/* Exactly the form that add_time() writes: 2026-11-21T01:38:46.123Z. */
bool wire_read_time(const char *text, int64_t *wall_ms)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	int century, year, ms_high;
	struct tm utc = {0};
	for (size_t i = 0; i < sizeof form; i++) {
		bool digit = text[i] >= '0' && text[i] <= '9';
		if (form[i] == 'd' ? !digit : text[i] != form[i])
			return false;
	}
	if (!two_digits(text, 19, 99, &century) || !two_digits(text + 2, 0, 99, &year) ||
	    !two_digits(text + 5, 1, 12, &utc.tm_mon) || !two_digits(text + 8, 1, 31, &utc.tm_mday) ||
	    !two_digits(text + 11, 0, 23, &utc.tm_hour) || !two_digits(text + 14, 0, 59, &utc.tm_min) ||
	    !two_digits(text + 17, 0, 59, &utc.tm_sec) || !two_digits(text + 20, 0, 99, &ms_high))
		return false;
	utc.tm_year = century * 100 + year - 1900;
	utc.tm_mon -= 1;
	struct tm normal = utc;
	int64_t seconds = timegm(&normal);
	if (seconds < 0 || normal.tm_mday != utc.tm_mday) /* before 1970, or the 31st of a shorter month */
		return false;
	*wall_ms = seconds * 1000 + ms_high * 10 + (text[22] - '0');
	return true;
}

static bool read_text(const struct field *f, const cJSON *item, char *to, struct wire_error *error)
{
	if (!cJSON_IsString(item) || !word_is_printable(item->valuestring, f->size))
		return wire_fail(error, "%s must be a text of 1 to %zu printable characters", f->name, f->size - 1);
	memcpy(to, item->valuestring, strlen(item->valuestring) + 1);
	return true;
}

static bool read_word(const struct field *f, const cJSON *item, char *to, struct wire_error *error)
{
	unsigned word;
	if (!cJSON_IsString(item) || !word_find(f->words, item->valuestring, &word))
		return wire_fail(error,
				 "%s must be one of the %zu words from \"%s\" to \"%s\"",
				 f->name,
				 f->words->count,
				 f->words->names[0],
				 f->words->names[f->words->count - 1]);
	memcpy(to, &word, sizeof word);
	return true;
}

static bool read_numbers(const struct field *f, const cJSON *item, char *to, struct wire_error *error)
{
	size_t most = f->size / sizeof(int64_t);
	size_t count = 0;
	const cJSON *inner;
	if (!cJSON_IsArray(item))
		return wire_fail(error, "%s must be a list of numbers", f->name);
	cJSON_ArrayForEach(inner, item)
	{
		int64_t number = 0;
		if (count == most)
			return wire_fail(error, "%s must have at most %zu entries", f->name, most);
		if (!read_number(inner, f->name, -EXACT_MAX, EXACT_MAX, &number, error))
			return false;
		memcpy(to + count * sizeof number, &number, sizeof number);
		count++;
	}
	return true;
}

static bool read_field(const struct field *f, const cJSON *item, char *to, struct wire_error *error)
{
	int64_t number = 0;
	switch (f->type) {
	case FIELD_INT64:
		if (!read_number(item, f->name, -EXACT_MAX, EXACT_MAX, &number, error))
			return false;
		memcpy(to, &number, sizeof number);
		return true;
	case FIELD_UINT64:
		if (!read_number(item, f->name, 0, EXACT_MAX, &number, error))
			return false;
		memcpy(to, &number, sizeof number);
		return true;
	case FIELD_UINT32:
		if (!read_number(item, f->name, 0, UINT32_MAX, &number, error))
			return false;
		*(uint32_t *)(void *)to = (uint32_t)number;
		return true;
	case FIELD_OUTLET:
		if (!read_number(item, f->name, 1, OUTLETS_MAX, &number, error))
			return false;
		*(int *)(void *)to = (int)number - 1;
		return true;
	case FIELD_BOOL:
		if (!cJSON_IsBool(item))
			return wire_fail(error, "%s must be true or false", f->name);
		*(bool *)to = cJSON_IsTrue(item);
		return true;
	case FIELD_TEXT:
		return read_text(f, item, to, error);
	case FIELD_WORD:
		return read_word(f, item, to, error);
	case FIELD_TIME:
		if (!cJSON_IsString(item) || !wire_read_time(item->valuestring, &number))
			return wire_fail(error, "%s must be a time such as 2026-11-21T01:38:46.123Z", f->name);
		memcpy(to, &number, sizeof number);
		return true;
	case FIELD_OBJECT:
		if (!cJSON_IsObject(item))
			return wire_fail(error, "%s must be an object", f->name);
		return fields_read(f->fields, item, to, error);
	case FIELD_INT64S:
		return read_numbers(f, item, to, error);
	case FIELD_LIST:
		break; /* fields_read() knows where its count stands */
	}
	return false;
}

static bool read_list(const struct field *f, const cJSON *item, char *to, struct wire_error *error)
{
	uint32_t count = 0;
	const cJSON *inner;
	if (!cJSON_IsArray(item))
		return wire_fail(error, "%s must be a list", f->name);
	cJSON_ArrayForEach(inner, item)
	{
		if ((count + 1) * f->element > f->size)
			return wire_fail(error, "%s must have at most %zu entries", f->name, f->size / f->element);
		if (!cJSON_IsObject(inner))
			return wire_fail(error, "%s must be a list of objects", f->name);
		if (!fields_read(f->fields, inner, to + f->offset + count * f->element, error))
			return false;
		count++;
	}
	if (count == 0)
		return wire_fail(error, "%s must have at least one entry, or be left out", f->name);
	*(uint32_t *)(void *)(to + f->count) = count;
	return true;
}

/* What writing leaves out when there is nothing to say. */
static bool may_be_absent(const struct field *f, const cJSON *object)
{
	return f->optional || f->type == FIELD_TEXT || f->type == FIELD_OUTLET ||
	       (f->unless != NULL && cJSON_GetObjectItemCaseSensitive(object, f->unless) != NULL);
}

bool fields_read(const struct field *fields, const cJSON *object, void *to, struct wire_error *error)
{
	for (const struct field *f = fields; f->name != NULL; f++) {
		const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, f->name);
		char *at = (char *)to + f->offset;
		if (item == NULL && f->type == FIELD_OUTLET)
			*(int *)(void *)at = RECORD_NO_OUTLET;
		else if (item == NULL && !may_be_absent(f, object))
			return wire_fail(error, "%s is missing", f->name);
		else if (item != NULL &&
			 !(f->type == FIELD_LIST ? read_list(f, item, to, error) : read_field(f, item, at, error)))
			return false;
	}
	return true;
}

bool fields_are_all(const struct field *fields, const char *where, const cJSON *object, struct wire_error *error)
{
	const cJSON *item, *inner;
	cJSON_ArrayForEach(item, object)
	{
		const struct field *f = fields;
		while (f->name != NULL && strcmp(f->name, item->string) != 0)
			f++;
		if (f->name == NULL)
			return wire_fail(
				error, "%s has \"%.40s\", which this version does not know", where, item->string);
		if (f->type == FIELD_OBJECT && !fields_are_all(f->fields, f->name, item, error))
			return false;
		if (f->type != FIELD_LIST)
			continue;
		cJSON_ArrayForEach(inner, item)
		{
			if (!fields_are_all(f->fields, f->name, inner, error))
				return false;
		}
	}
	return true;
}

/* Depth, the number of values, and NULs, also escaped ones, which would cut a text short, before the recursive parser sees
 * a byte. */
static bool shape_is_bounded(const char *text, size_t length, size_t values_max, struct wire_error *error)
{
	int depth = 0;
	size_t values = 0; /* each begins behind one of these */
	bool quoted = false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\0')
			return wire_fail(error, "a NUL byte at position %zu", i);
		if (quoted && length - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
			return wire_fail(error, "an escaped NUL at position %zu", i);
		if (quoted && text[i] == '\\')
			i++;
		else if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (text[i] == '{' || text[i] == '['))
			depth++;
		else if (!quoted && (text[i] == '}' || text[i] == ']'))
			depth--;
		if (!quoted && (text[i] == '{' || text[i] == '[' || text[i] == ','))
			values++;
		if (depth > WIRE_DEPTH_MAX)
			return wire_fail(error, "nested deeper than %d levels", WIRE_DEPTH_MAX);
		if (values > values_max)
			return wire_fail(error, "more than %zu values", values_max);
	}
	return true;
}

/* A name that stands twice is read differently by different programs: refused at every level. */
static bool names_are_unique(const cJSON *object, struct wire_error *error)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, object)
	{
		for (const cJSON *other = item->next; item->string != NULL && other != NULL; other = other->next) {
			if (strcmp(item->string, other->string) == 0)
				return wire_fail(error, "\"%.40s\" stands twice", item->string);
		}
		if (!names_are_unique(item, error))
			return false;
	}
	return true;
}

cJSON *json_parse_object(const char *text, size_t length, size_t max, struct wire_error *error)
{
	const char *end = NULL;
	if (length > max) {
		wire_fail(error, "longer than %zu bytes", max);
		return NULL;
	}
	/* Looking for names that stand twice takes time by their square. */
	if (!shape_is_bounded(text, length, max <= WIRE_TEXT_MAX ? WIRE_VALUES_MAX : COLLECTION_VALUES_MAX, error))
		return NULL;
	cJSON *object = cJSON_ParseWithLengthOpts(text, length, &end, false);
	if (object == NULL) {
		wire_fail(error, "not JSON, from position %td", end == NULL ? 0 : end - text);
		return NULL;
	}
	while (end < text + length && strchr(" \t\r\n", *end) != NULL)
		end++;
	if (!cJSON_IsObject(object))
		wire_fail(error, "not a JSON object");
	else if (end != text + length)
		wire_fail(error, "something follows the object at position %td", end - text);
	else if (names_are_unique(object, error))
		return object;
	cJSON_Delete(object);
	return NULL;
}
