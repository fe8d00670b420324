/* tools/ops/server/ops_calls_operator.c: the operator's calls about boxes and the server; see ops_calls.h.
 *
 * Room: tools/ops/server; src/wire, tools/ops/core. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "log.h"
#include "ops_calls.h"
#include "ops_who.h"

#define TOKEN_BYTES 32 /* of a token that the server makes */
#define RECORDS_AT_ONCE 500

/* --- JSON --- */

bool ops_add_number(cJSON *object, const char *name, int64_t value)
{
	char digits[24];
	snprintf(digits, sizeof digits, "%" PRId64, value); /* cJSON would write 10^15 as 1e+15 */
	return cJSON_AddRawToObject(object, name, digits) != NULL;
}

void ops_add_numbers(cJSON *object, const char *name, const int64_t *values, size_t count)
{
	char digits[24];
	cJSON *list = cJSON_AddArrayToObject(object, name);
	for (size_t i = 0; i < count; i++) {
		snprintf(digits, sizeof digits, "%" PRId64, values[i]);
		cJSON_AddItemToArray(list, cJSON_CreateRaw(digits));
	}
}

bool ops_add_time(cJSON *object, const char *name, int64_t wall_ms)
{
	char seconds[24], text[32];
	struct tm utc;
	time_t unix_s = (time_t)(wall_ms / 1000);
	if (gmtime_r(&unix_s, &utc) == NULL)
		return cJSON_AddNullToObject(object, name) != NULL;
	strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text, sizeof text, "%s.%03dZ", seconds, (int)(wall_ms % 1000));
	return cJSON_AddStringToObject(object, name, text) != NULL;
}

bool ops_add_document(cJSON *object, const char *name, char *text)
{
	bool added = text != NULL && cJSON_AddRawToObject(object, name, text) != NULL;
	free(text);
	return added;
}

bool ops_take_only(struct ops_request *q, const cJSON *object, const char *const fields[])
{
	const cJSON *item;
	cJSON_ArrayForEach(item, object)
	{
		size_t i = 0;
		while (fields[i] != NULL && strcmp(fields[i], item->string) != 0)
			i++;
		if (fields[i] != NULL)
			continue;
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "%.60s is not a field of this call", item->string);
		return false;
	}
	return true;
}

bool ops_take_nothing(struct ops_request *q)
{
	static const char *const fields[] = {NULL};
	cJSON *object = ops_request_object(q);
	bool taken = object != NULL && ops_take_only(q, object, fields);
	cJSON_Delete(object);
	return taken;
}

bool ops_take_number(struct ops_request *q, const cJSON *object, const char *name, int64_t low, int64_t high,
		     bool optional, int64_t *value)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
	if (item == NULL && optional)
		return true;
	/* Within the range first: beyond it, converting would be undefined. */
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= (double)low && item->valuedouble <= (double)high) ||
	    item->valuedouble != (double)(int64_t)item->valuedouble) {
		ops_refuse(q,
			   MHD_HTTP_BAD_REQUEST,
			   "bad_request",
			   "%s must be a whole number from %" PRId64 " to %" PRId64,
			   name,
			   low,
			   high);
		return false;
	}
	*value = (int64_t)item->valuedouble;
	return true;
}

bool ops_take_text(struct ops_request *q, const cJSON *object, const char *name, const char **text)
{
	*text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
	if (*text == NULL)
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "%s must be given, as a text", name);
	return *text != NULL;
}

bool ops_take_time(struct ops_request *q, const cJSON *object, const char *name, int64_t *wall_ms)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
	if (text != NULL && wire_read_time(text, wall_ms))
		return true;
	ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "%s must be a time such as 2026-11-21T01:38:46.123Z", name);
	return false;
}

/* --- the server itself --- */

void ops_call_health(struct ops_request *q)
{
	cJSON *object = cJSON_CreateObject();
	cJSON_AddBoolToObject(object, "ok", true);
	cJSON_AddStringToObject(object, "version", METERBOX_VERSION);
	ops_answer(q, MHD_HTTP_OK, object);
}

void ops_call_check(struct ops_request *q)
{
	struct ops_error error;
	int result = ops_check(q->server->ops, &error);
	if (result < 0 && result != -EBADMSG) {
		ops_refuse_core(q, result, &error);
		return;
	}
	if (result < 0)
		log_line(LOG_LEVEL_ERROR, "books_wrong", "error=%s", log_text(error.text).text);
	cJSON *object = cJSON_CreateObject();
	cJSON_AddBoolToObject(object, "ok", result == 0);
	if (result < 0)
		cJSON_AddStringToObject(object, "why", error.text);
	ops_answer(q, MHD_HTTP_OK, object);
}

void ops_call_server(struct ops_request *q)
{
	const struct ops_server *s = q->server;
	struct ops_error error;
	int64_t count = 0;
	int result = ops_count_boxes(s->ops, &count, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "version", METERBOX_VERSION);
	ops_add_number(object, "uptime_s", (ops_monotonic_now_ms() - s->started_ms) / 1000);
	ops_add_number(object, "boxes", count);
	ops_add_number(object, "streams", s->streams.count);
	ops_add_number(object, "records_accepted", (int64_t)s->records_accepted);
	ops_add_number(object, "batches", (int64_t)s->batches);
	ops_answer(q, MHD_HTTP_OK, object);
}

/* --- boxes --- */

void ops_call_box(struct ops_request *q)
{
	struct ops_error error;
	cJSON *object = cJSON_CreateObject();
	int result = ops_fill_box_status(q->server, q->name, object, &error);
	if (result == 0) {
		ops_answer(q, MHD_HTTP_OK, object);
		return;
	}
	cJSON_Delete(object);
	ops_refuse_core(q, result, &error);
}

struct box_names {
	char (*names)[BOX_ID_SIZE];
	size_t count, capacity;
	bool short_of_memory;
};

static bool take_box(void *ctx, const char *box)
{
	struct box_names *all = ctx;
	if (all->count == all->capacity) {
		size_t capacity = all->capacity == 0 ? 64 : 2 * all->capacity;
		void *names = reallocarray(all->names, capacity, sizeof *all->names);
		all->short_of_memory = names == NULL;
		if (names == NULL)
			return false;
		all->names = names;
		all->capacity = capacity;
	}
	word_copy(all->names[all->count++], sizeof *all->names, box);
	return true;
}

/* The names of all boxes, which the caller frees; NULL when there are none or with *result below 0. */
static char (*all_box_names(struct ops_server *server, size_t *count, int *result,
			    struct ops_error *error))[BOX_ID_SIZE]
{
	struct box_names all = {.count = 0};
	*result = ops_each_box(server->ops, take_box, &all, error);
	if (*result == 0 && all.short_of_memory) {
		snprintf(error->text, sizeof error->text, "out of memory");
		*result = -ENOMEM;
	}
	*count = *result < 0 ? 0 : all.count;
	if (*result == 0)
		return all.names;
	free(all.names);
	return NULL;
}

void ops_call_boxes(struct ops_request *q)
{
	struct ops_error error;
	size_t count;
	int result;
	char(*names)[BOX_ID_SIZE] = all_box_names(q->server, &count, &result, &error);
	cJSON *object = cJSON_CreateObject();
	cJSON *boxes = cJSON_AddArrayToObject(object, "boxes");
	for (size_t i = 0; result == 0 && i < count; i++) {
		cJSON *box = cJSON_CreateObject();
		cJSON_AddItemToArray(boxes, box);
		result = ops_fill_box_status(q->server, names[i], box, &error);
	}
	free(names);
	if (result == 0) {
		ops_answer(q, MHD_HTTP_OK, object);
		return;
	}
	cJSON_Delete(object);
	ops_refuse_core(q, result, &error);
}

/* False when the kernel gives no random bytes. */
static bool make_token(char token[OPS_BEARER_SIZE])
{
	unsigned char bytes[TOKEN_BYTES];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		return false;
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(token + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

/* The token of the body, or a new one. False: refused. */
static bool read_token(struct ops_request *q, char token[OPS_BEARER_SIZE])
{
	const char *given;
	cJSON *object = ops_request_object(q);
	if (object == NULL)
		return false;
	static const char *const fields[] = {"token", NULL};
	if (!ops_take_only(q, object, fields)) {
		cJSON_Delete(object);
		return false;
	}
	bool valid = !cJSON_HasObjectItem(object, "token");
	if (valid && !make_token(token)) {
		valid = false;
		ops_refuse(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal", "no random bytes: %s", strerror(errno));
	} else if (!valid && (valid = ops_take_text(q, object, "token", &given))) {
		valid = word_is_printable(given, OPS_BEARER_SIZE) && strlen(given) >= OPS_BEARER_LEAST;
		word_copy(token, OPS_BEARER_SIZE, given);
		if (!valid)
			ops_refuse(q,
				   MHD_HTTP_BAD_REQUEST,
				   "bad_request",
				   "token must be %d to %d printable characters",
				   OPS_BEARER_LEAST,
				   OPS_BEARER_SIZE - 1);
	}
	cJSON_Delete(object);
	return valid;
}

void ops_call_put_box(struct ops_request *q)
{
	struct ops_error error;
	char token[OPS_BEARER_SIZE] = "";
	if (!read_token(q, token))
		return;
	if (ops_is_operators(q->server, token)) {
		ops_refuse(q, MHD_HTTP_CONFLICT, "conflict", "the token is the operator's");
		return;
	}
	int result = ops_provision(q->server->ops, q->name, token, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	log_line(LOG_LEVEL_INFO, "box_provisioned", "box=%s", log_text(q->name).text);
	struct ops_live_box *live = ops_live_find(q->server->live, q->name);
	if (live != NULL) /* whoever had the old token is not heard any more */
		ops_box_stream_end(live);
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "box", q->name);
	cJSON_AddStringToObject(object, "token", token);
	ops_answer(q, MHD_HTTP_OK, object);
}

struct record_list {
	cJSON *array;
	size_t count;
	uint64_t refused[RECORDS_AT_ONCE]; /* seqs */
	size_t refused_count;
	bool short_of_memory;
};

static bool take_record(void *ctx, uint64_t seq, const char *text, size_t length, bool refused)
{
	struct record_list *list = ctx;
	(void)length;
	if (refused)
		list->refused[list->refused_count++] = seq;
	cJSON *item = cJSON_CreateString(text);
	if (item == NULL || !cJSON_AddItemToArray(list->array, item)) {
		cJSON_Delete(item);
		list->short_of_memory = true;
		return false;
	}
	return ++list->count < RECORDS_AT_ONCE;
}

/* Fills an array of Refusal. 0 or negative errno. */
static int list_refusals(struct ops_request *q, const char *ledger, const struct record_list *list, cJSON *array,
			 struct ops_error *error)
{
	struct ops_refusal refusal;
	for (size_t i = 0; i < list->refused_count; i++) {
		int result = ops_refusal(q->server->ops, q->name, ledger, list->refused[i], &refusal, error);
		if (result < 0)
			return result;
		cJSON *item = cJSON_CreateObject();
		cJSON_AddItemToArray(array, item);
		ops_add_number(item, "seq", (int64_t)refusal.seq);
		cJSON_AddStringToObject(item, "code", refusal.code);
		cJSON_AddStringToObject(item, "why", refusal.why);
	}
	return 0;
}

void ops_call_box_records(struct ops_request *q)
{
	struct ops_error error;
	struct record_list list = {.count = 0};
	char newest[LEDGER_ID_SIZE];
	const char *ledger = newest;
	uint64_t accepted, from = 1;
	if (!ops_request_number(q, "from", 0, REQUEST_EXACT_MAX, &from))
		return;
	int result = ops_ledger(q->server->ops, q->name, newest, &accepted, &error);
	const char *wanted = MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, "ledger");
	if (wanted != NULL)
		ledger = wanted;
	cJSON *object = cJSON_CreateObject();
	list.array = cJSON_CreateArray();
	if (result == 0 && ledger[0] != '\0')
		result = ops_records(q->server->ops, q->name, ledger, from, take_record, &list, &error);
	if (result == 0)
		result = list_refusals(q, ledger, &list, cJSON_AddArrayToObject(object, "refused"), &error);
	bool whole = result == 0 && !list.short_of_memory &&
		     cJSON_AddStringToObject(object, "ledger", ledger) != NULL &&
		     cJSON_AddItemToObject(object, "records", list.array);
	if (whole) {
		ops_answer(q, MHD_HTTP_OK, object);
		return;
	}
	cJSON_Delete(object);
	cJSON_Delete(list.array);
	if (result < 0)
		ops_refuse_core(q, result, &error);
	else
		ops_refuse_memory(q);
}

/* --- commands --- */

void ops_wake_box(struct ops_server *server, const char *name)
{
	struct ops_live_box *live = ops_live_get(server->live, name);
	if (live == NULL) /* memory is short, and the box has no stream */
		return;
	ops_box_stream_wake(live);
	ops_box_changed(server, live);
}

/* Makes a command's document of the body: what the core fills in later stands there as a placeholder. */
static void complete_command(cJSON *object, const char *box)
{
	cJSON_AddStringToObject(object, "box", box);
	cJSON_AddStringToObject(object, "id", "new");
	ops_add_number(object, "seq", 1);
	cJSON_AddStringToObject(object, "not_after", "2000-01-01T00:00:00.000Z");
	if (!cJSON_HasObjectItem(object, "actor"))
		cJSON_AddStringToObject(object, "actor", "operator");
}

/* One of the staff acts as nobody else. */
static void sign_command(cJSON *object, const char *name)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, "actor");
	cJSON_DeleteItemFromObjectCaseSensitive(object, "name");
	cJSON_AddStringToObject(object, "actor", word_name(&actor_words, ACTOR_OPERATOR));
	cJSON_AddStringToObject(object, "name", name);
}

/* False: refused. */
static bool read_command(struct ops_request *q, struct command *command)
{
	static const char *const fields[] = {
		"type", "outlet", "actor", "name", "order", "work_order", "account", "hold_ms", "out", NULL};
	struct wire_error error;
	cJSON *object = ops_request_object(q);
	if (object == NULL)
		return false;
	if (!ops_take_only(q, object, fields)) {
		cJSON_Delete(object);
		return false;
	}
	if (!q->by_token)
		sign_command(object, q->person.name);
	complete_command(object, q->name);
	char *text = json_print_and_delete(object);
	if (text == NULL) {
		ops_refuse_memory(q);
		return false;
	}
	bool valid = wire_read_command(text, strlen(text), command, &error);
	free(text);
	if (!valid)
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "%s", error.text);
	if (valid && command->actor == ACTOR_TECHNICIAN) {
		valid = false;
		ops_refuse(q,
			   MHD_HTTP_BAD_REQUEST,
			   "bad_request",
			   "actor must be operator, customer or server: a technician acts at the box");
	}
	return valid;
}

void ops_call_send(struct ops_request *q)
{
	struct command command;
	struct ops_error error;
	if (!read_command(q, &command))
		return;
	int result = ops_send(q->server->ops, &command, ops_wall_now_ms(), &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	log_line(LOG_LEVEL_INFO,
		 "command",
		 "box=%s type=%s seq=%" PRIu64 " actor=%s by=%s",
		 log_text(q->name).text,
		 word_name(&command_type_words, command.type),
		 command.seq,
		 word_name(&actor_words, command.actor),
		 log_text(command.name).text);
	ops_wake_box(q->server, q->name);
	ops_note_detail(q,
			"%s outlet=%d by=%s seq=%" PRIu64,
			word_name(&command_type_words, command.type),
			command.outlet + 1,
			command.name,
			command.seq);
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "id", command.id);
	ops_add_number(object, "seq", (int64_t)command.seq);
	ops_answer(q, MHD_HTTP_ACCEPTED, object);
}
