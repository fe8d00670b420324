/* tools/ops/server/ops_box_status.c: a box as the operator sees it; see ops_calls.h.
 *
 * Room: tools/ops/server; src/wire, tools/ops/core. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "desk.h"
#include "offers.h"
#include "ops_calls.h"

/* Who may clear the outlet's fault, as it is now. */
static void add_clearers(cJSON *object, enum outlet_fault fault)
{
	cJSON *list = cJSON_AddArrayToObject(object, "clearable_by");
	for (unsigned actor = 0; fault != FAULT_NONE && actor < ACTOR_COUNT; actor++) {
		if (outlet_fault_clearable(fault, (enum actor)actor))
			cJSON_AddItemToArray(list, cJSON_CreateString(word_name(&actor_words, actor)));
	}
}

/* What is for sale there, and to whom it is given; nothing where there is neither. 0 or negative errno. */
static int add_use(struct ops_server *server, const char *box, int outlet, const struct session_image *session,
		   cJSON *object, struct ops_error *error)
{
	struct place place;
	int found = ops_find_place(server->ops, box, outlet, &place, error);
	if (session_is_open(session))
		cJSON_AddStringToObject(object, "order", session->grant.order);
	if (found > 0) {
		cJSON_AddStringToObject(object, "code", place.code);
		cJSON_AddStringToObject(object, "label", place.label);
	}
	return found < 0 ? found : 0;
}

/* 0, or negative errno; nothing is added for an outlet without progress. */
static int add_outlet(struct ops_server *server, const char *box, int outlet, const struct progress *progress,
		      cJSON *outlets, struct ops_error *error)
{
	struct outlet_image image;
	if (progress == NULL)
		return 0;
	int result = ops_outlet(server->ops, box, outlet, &image, error);
	if (result < 0)
		return result;
	cJSON *object = cJSON_CreateObject();
	cJSON_AddItemToArray(outlets, object);
	ops_add_number(object, "outlet", outlet + 1);
	cJSON_AddStringToObject(object, "reserved_for", image.reserved_for);
	cJSON_AddStringToObject(object, "fault", word_name(&outlet_fault_words, image.fault));
	add_clearers(object, image.fault);
	cJSON_AddBoolToObject(object, "out_of_service", image.out_of_service);
	if (!ops_add_document(object, "progress", wire_write_progress(progress))) {
		snprintf(error->text, sizeof error->text, "out of memory");
		return -ENOMEM;
	}
	return add_use(server, box, outlet, &image.session, object, error);
}

/* How many records wait on the box, as far as it has said. */
static void add_queue(cJSON *object, const struct ops_live_box *live, uint64_t accepted)
{
	if (live == NULL || live->newest == 0)
		cJSON_AddNullToObject(object, "queue");
	else
		ops_add_number(object, "queue", live->newest > accepted ? (int64_t)(live->newest - accepted) : 0);
}

int ops_fill_box_status(struct ops_server *server, const char *name, cJSON *object, struct ops_error *error)
{
	const struct ops_live_box *live = ops_live_find(server->live, name);
	char ledger[LEDGER_ID_SIZE];
	uint64_t accepted;
	int64_t commands = 0;
	int result = ops_ledger(server->ops, name, ledger, &accepted, error);
	if (result < 0 || (result = ops_count_commands(server->ops, name, &commands, error)) < 0)
		return result;
	cJSON_AddStringToObject(object, "box", name);
	cJSON_AddStringToObject(object, "ledger", ledger);
	ops_add_number(object, "accepted_through", (int64_t)accepted);
	add_queue(object, live, accepted);
	ops_add_number(object, "commands", commands);
	cJSON_AddBoolToObject(object, "connected", live != NULL && live->stream != NULL);
	if (live != NULL && live->heard_ms > 0)
		ops_add_time(object, "heard", live->heard_ms);
	else
		cJSON_AddNullToObject(object, "heard");
	cJSON *outlets = cJSON_AddArrayToObject(object, "outlets");
	for (int i = 0; result == 0 && live != NULL && i < OUTLETS_MAX; i++)
		result = add_outlet(server, name, i, live->progress[i], outlets, error);
	return result;
}
