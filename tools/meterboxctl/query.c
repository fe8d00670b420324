/* tools/meterboxctl/query.c: see ctl_query.h.
 *
 * Room: meterboxctl; src/control, src/wire, cJSON. */
#include "ctl_query.h"

#include <stdio.h>
#include <string.h>

#include "wire.h"

enum ctl_exit ctl_query_state(struct ctl_client *client, struct ctl_state *state, const char **line)
{
	struct ctl_state_error error;
	cJSON *answer = NULL;
	enum ctl_exit result = ctl_client_call(client, "status", NULL, &answer, line);
	if (result != CTL_GOOD)
		return result;
	result = ctl_state_read(answer, state, &error);
	if (result != CTL_GOOD)
		snprintf(client->error, sizeof client->error, "%s", error.text);
	cJSON_Delete(answer);
	return result;
}

static enum ctl_exit out_of_memory(struct ctl_client *client)
{
	snprintf(client->error, sizeof client->error, "out of memory");
	return CTL_WRONG;
}

enum ctl_exit ctl_query_sign_on(struct ctl_client *client, const struct ctl_options *options)
{
	cJSON *answer = NULL;
	cJSON *arguments = cJSON_CreateObject();
	if (cJSON_AddStringToObject(arguments, "name", options->name) == NULL) {
		cJSON_Delete(arguments);
		return out_of_memory(client);
	}
	enum ctl_exit result = ctl_client_call(client, "sign_on", arguments, &answer, NULL);
	cJSON_Delete(answer);
	return result;
}

/* The wire's own writer knows the names of all fields; what is the server's affair alone is left out. */
static cJSON *command_object(const struct command *command)
{
	static const char *const servers[] = {"box", "ledger", "seq", "not_after", "actor", "name"};
	char *text = wire_write_command(command);
	cJSON *object = text != NULL ? cJSON_Parse(text) : NULL;
	cJSON_free(text);
	for (size_t i = 0; object != NULL && i < sizeof servers / sizeof *servers; i++)
		cJSON_DeleteItemFromObjectCaseSensitive(object, servers[i]);
	return object;
}

static enum ctl_exit complete(struct ctl_client *client, const struct ctl_options *options, struct command *command)
{
	char id[CTL_RANDOM_NAME_SIZE];
	if (!ctl_random_name(id, "cli-")) {
		snprintf(client->error, sizeof client->error, "the command needs a name of its own");
		return CTL_WRONG;
	}
	word_copy(command->id, sizeof command->id, id);
	word_copy(command->box, sizeof command->box, client->box);
	word_copy(command->name, sizeof command->name, options->name);
	command->actor = ACTOR_TECHNICIAN;
	const char *fault = command_fault(command);
	if (fault == NULL)
		return CTL_GOOD;
	snprintf(client->error, sizeof client->error, "%s", fault);
	return CTL_USAGE;
}

enum ctl_exit ctl_query_command(struct ctl_client *client, const struct ctl_options *options, struct command *command,
				const char **line)
{
	cJSON *answer = NULL;
	enum ctl_exit result = complete(client, options, command);
	if (result != CTL_GOOD)
		return result;
	cJSON *arguments = cJSON_CreateObject();
	cJSON *object = command_object(command);
	if (object == NULL || !cJSON_AddItemToObject(arguments, "command", object)) {
		cJSON_Delete(object);
		cJSON_Delete(arguments);
		return out_of_memory(client);
	}
	result = ctl_client_call(client, "command", arguments, &answer, line);
	cJSON_Delete(answer);
	return result;
}
