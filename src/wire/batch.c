/* src/wire/batch.c: see batch.h. */
#include "batch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"
#include "utf8.h"

/* Values in one text, as many as a full batch has and a few hundred more for what a newer program may add. It bounds
 * the parser's memory and the comparing of names, each with each, whatever the text's length. */
#define BATCH_VALUES_MAX 1536

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define REPLACEMENT_SIZE (sizeof REPLACEMENT - 1)

/* What batch_write() writes is never longer than may be read: well_formed() leaves no character that a JSON string
 * needs more than twice the room for. */
#define PROGRESS_ROOM 2048 /* of one report; the longest that the model can fill is about 700 */
_Static_assert(BATCH_RECORDS_MAX *(2 * WIRE_TEXT_MAX + 3) + OUTLETS_MAX * PROGRESS_ROOM + 256 <= BATCH_TEXT_MAX,
	       "the longest records do not fit into a batch");

typedef __typeof__(((struct batch_answer *)0)->refused[0]) refusal;

#define FIELDS_END                                                                                                     \
	{                                                                                                              \
		0                                                                                                      \
	}

static const struct field batch_fields[] = {
	{"ledger", FIELD_TEXT, FIELD_AT(struct batch, ledger)},
	{"newest", FIELD_UINT64, FIELD_AT(struct batch, newest), .optional = true},
	FIELDS_END,
};

static const struct field answer_fields[] = {
	{"accepted_through", FIELD_UINT64, FIELD_AT(struct batch_answer, accepted_through)},
	FIELDS_END,
};

static const struct field refusal_fields[] = {
	{"seq", FIELD_UINT64, FIELD_AT(refusal, seq)},
	{"code", FIELD_TEXT, FIELD_AT(refusal, code)},
	FIELDS_END,
};

/* --- texts --- */

/* Control characters that no JSON text holds, neither between its tokens nor within its strings. */
static bool is_control(char c)
{
	return c > 0 && c < ' ' && strchr("\t\r\n", c) == NULL;
}

/* Copies text as UTF-8 of at most max bytes: bytes that are no UTF-8, and control characters, become U+FFFD, and what is
 * longer is cut. A record that loses something by it was no record: its reader refuses it in its place, and the others
 * of the batch stay readable, also for those who read JSON strictly. `to` has room for max + 1 bytes. */
static void well_formed(const char *text, char *to, size_t max)
{
	size_t length = strnlen(text, max + 1); /* one more, so that a character at the limit is seen whole or as cut */
	size_t used = 0;
	for (size_t i = 0; i < length;) {
		size_t size = utf8_character(text + i, length - i);
		bool kept = size > 0 && !is_control(text[i]);
		size_t needed = kept ? size : REPLACEMENT_SIZE;
		if (used + needed > max)
			break;
		memcpy(to + used, kept ? text + i : REPLACEMENT, needed);
		used += needed;
		i += size > 0 ? size : 1;
	}
	to[used] = '\0';
}

/* --- writing --- */

static bool add_item(cJSON *array, cJSON *item)
{
	if (item != NULL && cJSON_AddItemToArray(array, item))
		return true;
	cJSON_Delete(item);
	return false;
}

static bool add_records(const struct batch *batch, cJSON *array)
{
	char text[WIRE_TEXT_MAX + 1];
	bool whole = array != NULL;
	for (size_t i = 0; whole && i < batch->record_count; i++) {
		well_formed(batch->records[i], text, WIRE_TEXT_MAX);
		whole = add_item(array, cJSON_CreateString(text));
	}
	return whole;
}

static bool add_progress(const struct batch *batch, cJSON *array)
{
	bool whole = array != NULL;
	for (size_t i = 0; whole && i < batch->progress_count; i++) {
		char *text = wire_write_progress(&batch->progress[i]);
		whole = text != NULL && add_item(array, cJSON_CreateRaw(text));
		free(text);
	}
	return whole;
}

char *batch_write(const struct batch *batch)
{
	assert(batch->record_count <= BATCH_RECORDS_MAX && batch->progress_count <= OUTLETS_MAX);
	cJSON *object = cJSON_CreateObject();
	if (object != NULL && fields_write(batch_fields, batch, object) &&
	    add_records(batch, cJSON_AddArrayToObject(object, "records")) &&
	    add_progress(batch, cJSON_AddArrayToObject(object, "progress")))
		return json_print_and_delete(object);
	cJSON_Delete(object);
	return NULL;
}

static bool add_refusals(const struct batch_answer *answer, cJSON *array)
{
	char why[WIRE_ERROR_SIZE];
	bool whole = array != NULL;
	for (size_t i = 0; whole && i < answer->refused_count; i++) {
		cJSON *item = cJSON_CreateObject();
		whole = add_item(array, item);
		well_formed(answer->refused[i].why, why, sizeof why - 1);
		whole = whole && fields_write(refusal_fields, &answer->refused[i], item) &&
			cJSON_AddStringToObject(item, "why", why) != NULL;
	}
	return whole;
}

char *batch_answer_write(const struct batch_answer *answer)
{
	assert(answer->refused_count <= BATCH_REFUSED_MAX);
	cJSON *object = cJSON_CreateObject();
	if (object != NULL && fields_write(answer_fields, answer, object) &&
	    add_refusals(answer, cJSON_AddArrayToObject(object, "refused")))
		return json_print_and_delete(object);
	cJSON_Delete(object);
	return NULL;
}

/* --- reading --- */

/* UTF-8, and no more values than BATCH_VALUES_MAX, before anything is allocated. */
static bool text_is_bounded(const char *text, size_t length, struct wire_error *error)
{
	bool quoted = false;
	size_t values = 1;
	for (size_t i = 0; i < length;) {
		size_t size = utf8_character(text + i, length - i);
		if (size == 0)
			return wire_fail(error, "not UTF-8, from position %zu", i);
		if (text[i] == '"')
			quoted = !quoted;
		else if (!quoted && text[i] == ',')
			values++;
		if (values > BATCH_VALUES_MAX)
			return wire_fail(error, "more than %d values", BATCH_VALUES_MAX);
		if (quoted && text[i] == '\\' && i + 1 < length && (unsigned char)text[i + 1] < 0x80)
			i++; /* with what it escapes */
		i += size;
	}
	return true;
}

static cJSON *parse(const char *text, size_t length, size_t max, struct wire_error *error)
{
	if (length > max) {
		wire_fail(error, "longer than %zu bytes", max);
		return NULL;
	}
	return text_is_bounded(text, length, error) ? json_parse_object(text, length, max, error) : NULL;
}

static bool read_head(const cJSON *object, struct batch *batch, struct wire_error *error)
{
	if (!fields_read(batch_fields, object, batch, error))
		return false;
	return strspn(batch->ledger, "0123456789abcdef") == LEDGER_ID_SIZE - 1 ||
	       wire_fail(error, "ledger must have 32 hexadecimal digits");
}

static bool read_records(const cJSON *array, struct batch *batch, struct wire_error *error)
{
	if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > BATCH_RECORDS_MAX)
		return wire_fail(error, "records must be a list of at most %d texts", BATCH_RECORDS_MAX);
	if (array->child == NULL)
		return true;
	batch->records = calloc((size_t)cJSON_GetArraySize(array), sizeof *batch->records);
	if (batch->records == NULL)
		return wire_fail(error, "no memory for the records");
	const cJSON *item;
	cJSON_ArrayForEach(item, array)
	{
		if (!cJSON_IsString(item) || strlen(item->valuestring) > WIRE_TEXT_MAX)
			return wire_fail(error,
					 "records[%zu] must be a text of at most %d bytes",
					 batch->record_count,
					 WIRE_TEXT_MAX);
		char *copy = strdup(item->valuestring);
		if (copy == NULL)
			return wire_fail(error, "no memory for the records");
		batch->records[batch->record_count++] = copy;
	}
	return true;
}

/* Puts text in the place of an item. */
static bool replace_raw(cJSON *parent, cJSON *item, const char *text)
{
	cJSON *raw = cJSON_CreateRaw(text);
	bool done = raw != NULL &&
		    (item->string != NULL ? cJSON_ReplaceItemInObjectCaseSensitive(parent, item->string, raw) :
					    cJSON_ReplaceItemViaPointer(parent, item, raw));
	if (!done)
		cJSON_Delete(raw);
	return done;
}

/* cJSON prints a number with 15 digits when it thinks that enough; as raw text of 17 it comes through as it was. What is
 * out of every field's limits anyway stays. As deep as the parser allows: WIRE_DEPTH_MAX. */
static bool make_numbers_exact(cJSON *parent)
{
	bool whole = true;
	for (cJSON *item = parent->child, *next; whole && item != NULL; item = next) {
		char digits[32];
		next = item->next;
		if (cJSON_IsNumber(item) && item->valuedouble >= -1e18 && item->valuedouble <= 1e18) {
			snprintf(digits, sizeof digits, "%.17g", item->valuedouble);
			whole = replace_raw(parent, item, digits);
		} else {
			whole = make_numbers_exact(item);
		}
	}
	return whole;
}

/* Reads an item of the list as the document that it is on its own, so that it passes the same checks. */
static bool read_report(cJSON *item, struct progress *progress, struct wire_error *error)
{
	if (!cJSON_IsObject(item))
		return wire_fail(error, "not a JSON object");
	char *text = make_numbers_exact(item) ? cJSON_PrintUnformatted(item) : NULL;
	if (text == NULL)
		return wire_fail(error, "no memory for a progress report");
	bool valid = wire_read_progress(text, strlen(text), progress, error);
	cJSON_free(text);
	return valid;
}

static bool read_progress(const cJSON *array, struct batch *batch, struct wire_error *error)
{
	bool seen[OUTLETS_MAX] = {false};
	if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > OUTLETS_MAX)
		return wire_fail(error, "progress must be a list of at most %d objects", OUTLETS_MAX);
	cJSON *item;
	cJSON_ArrayForEach(item, array)
	{
		struct wire_error inner;
		struct progress *progress = &batch->progress[batch->progress_count];
		bool valid = read_report(item, progress, &inner);
		if (valid && seen[progress->outlet])
			valid = wire_fail(&inner, "outlet %d twice", progress->outlet + 1);
		if (valid) {
			seen[progress->outlet] = true;
			batch->progress_count++;
		} else {
			batch->progress_skipped++;
			batch->skipped = inner;
		}
	}
	return true;
}

bool batch_read(const char *text, size_t length, struct batch *batch, struct wire_error *error)
{
	struct batch read = {0};
	cJSON *object = parse(text, length, BATCH_TEXT_MAX, error);
	if (object == NULL)
		return false;
	bool valid = read_head(object, &read, error) &&
		     read_records(cJSON_GetObjectItemCaseSensitive(object, "records"), &read, error) &&
		     read_progress(cJSON_GetObjectItemCaseSensitive(object, "progress"), &read, error);
	cJSON_Delete(object);
	if (valid)
		*batch = read;
	else
		batch_free(&read);
	return valid;
}

void batch_free(struct batch *batch)
{
	for (size_t i = 0; i < batch->record_count; i++)
		free(batch->records[i]);
	free(batch->records);
	batch->records = NULL;
	batch->record_count = 0;
}

/* `why` is for people, who read it in a log: whatever it is, it does not make an answer useless. */
static void read_why(const cJSON *item, char *why, size_t size)
{
	well_formed(cJSON_IsString(item) ? item->valuestring : "", why, size - 1);
	for (char *c = why; *c != '\0'; c++) {
		if ((*c > 0 && *c < ' ') || *c == 0x7f)
			*c = ' ';
	}
}

static bool read_refusals(const cJSON *array, struct batch_answer *answer, struct wire_error *error)
{
	if (!cJSON_IsArray(array))
		return wire_fail(error, "refused must be a list");
	const cJSON *item;
	cJSON_ArrayForEach(item, array)
	{
		refusal *to = &answer->refused[answer->refused_count];
		if (answer->refused_count == BATCH_REFUSED_MAX)
			break;
		if (!cJSON_IsObject(item))
			return wire_fail(error, "refused[%zu] must be an object", answer->refused_count);
		if (!fields_read(refusal_fields, item, to, error))
			return false;
		if (to->code[0] == '\0')
			return wire_fail(error, "refused[%zu]: code is missing", answer->refused_count);
		read_why(cJSON_GetObjectItemCaseSensitive(item, "why"), to->why, sizeof to->why);
		answer->refused_count++;
	}
	return true;
}

bool batch_answer_read(const char *text, size_t length, struct batch_answer *answer, struct wire_error *error)
{
	struct batch_answer read = {0};
	cJSON *object = parse(text, length, BATCH_ANSWER_MAX, error);
	if (object == NULL)
		return false;
	bool valid = fields_read(answer_fields, object, &read, error) &&
		     read_refusals(cJSON_GetObjectItemCaseSensitive(object, "refused"), &read, error);
	cJSON_Delete(object);
	if (valid)
		*answer = read;
	return valid;
}
