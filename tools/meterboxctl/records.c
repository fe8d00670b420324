/* tools/meterboxctl/records.c: see ctl_records.h.
 *
 * Room: meterboxctl; src/control, src/ledger, cJSON. */
#include "ctl_records.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "ctl_json.h"
#include "ctl_text.h"

static enum ctl_exit ledger_failed(struct ctl_records *r, const struct ledger_error *error)
{
	ctl_escape(r->error, sizeof r->error, error->text);
	return CTL_WRONG;
}

static enum ctl_exit open_file(struct ctl_records *r, const char *path)
{
	struct ledger_error error;
	struct ledger_options options = {.path = path};
	char shown[CTL_ERROR_SIZE / 2];
	ctl_escape(shown, sizeof shown, path);
	int result = ledger_inspect(&options, &r->file, &error);
	if (result == 0) {
		word_copy(r->id, sizeof r->id, ledger_id(r->file));
		return CTL_GOOD;
	}
	r->file = NULL;
	if (result == -EBUSY)
		snprintf(r->error,
			 sizeof r->error,
			 "%s is in use: meterboxd has it open; without FILE it is asked itself",
			 shown);
	else if (result == -ENOENT)
		snprintf(
			r->error, sizeof r->error, "%s cannot be opened: no such file, or not permitted to you", shown);
	else
		ledger_failed(r, &error);
	return CTL_WRONG;
}

enum ctl_exit ctl_records_open(struct ctl_records *r, const struct ctl_options *options, const char *path)
{
	memset(r, 0, sizeof *r);
	r->client.fd = -1;
	if (path != NULL)
		return open_file(r, path);
	enum ctl_exit result = ctl_client_open(&r->client, options->socket);
	if (result != CTL_GOOD)
		snprintf(r->error, sizeof r->error, "%s", r->client.error);
	return result;
}

void ctl_records_close(struct ctl_records *r)
{
	ledger_close(r->file);
	r->file = NULL;
	ctl_client_close(&r->client);
	cJSON_Delete(r->last);
	r->last = NULL;
}

struct reading {
	ctl_take_record *take;
	void *ctx;
	uint64_t next;
	uint64_t left;
	bool ended; /* take said so */
};

static bool take_next(void *ctx, uint64_t seq, const char *body, size_t length)
{
	struct reading *reading = ctx;
	reading->next = seq + 1;
	reading->left--;
	reading->ended = !reading->take(reading->ctx, seq, body, length);
	return !reading->ended;
}

/* --- a file --- */

static enum ctl_exit read_file(struct ctl_records *r, struct reading *reading)
{
	struct ledger_error error;
	uint64_t before = UINT64_MAX;
	while (!reading->ended && reading->left > 0 && reading->next != before) {
		before = reading->next;
		size_t max = reading->left < LEDGER_BATCH_MAX ? (size_t)reading->left : LEDGER_BATCH_MAX;
		if (ledger_read(r->file, before, max, take_next, reading, &error) < 0)
			return ledger_failed(r, &error);
	}
	return CTL_GOOD;
}

/* --- the running box --- */

static enum ctl_exit not_understood(struct ctl_records *r, const char *what)
{
	snprintf(r->error, sizeof r->error, "meterboxd's answer cannot be read: %s", what);
	return CTL_UNREACHABLE;
}

/* One page. */
static enum ctl_exit ask(struct ctl_records *r, uint64_t from, uint64_t max, cJSON **answer)
{
	char id[LEDGER_ID_SIZE];
	cJSON *arguments = cJSON_CreateObject();
	cJSON_AddNumberToObject(arguments, "from", (double)from);
	cJSON_AddNumberToObject(arguments, "max", max < CONTROL_RECORDS_MAX ? (double)max : CONTROL_RECORDS_MAX);
	enum ctl_exit result = ctl_client_call(&r->client, "ledger", arguments, answer, NULL);
	if (result != CTL_GOOD) {
		snprintf(r->error, sizeof r->error, "%s", r->client.error);
		return result;
	}
	if (!ctl_json_text(*answer, "id", id, sizeof id) || ctl_json_array(*answer, "records") == NULL)
		result = not_understood(r, "id or records");
	else if (r->id[0] == '\0')
		word_copy(r->id, sizeof r->id, id);
	else if (strcmp(r->id, id) != 0)
		result = not_understood(r, "the ledger was replaced while it was read");
	if (result != CTL_GOOD) {
		cJSON_Delete(*answer);
		*answer = NULL;
	}
	return result;
}

static enum ctl_exit take_page(struct ctl_records *r, const cJSON *answer, struct reading *reading)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, ctl_json_array(answer, "records"))
	{
		if (!cJSON_IsString(item))
			return not_understood(r, "a record is not a text");
		if (reading->ended || reading->left == 0)
			return CTL_GOOD;
		take_next(reading, reading->next, item->valuestring, strlen(item->valuestring));
	}
	return CTL_GOOD;
}

static enum ctl_exit read_daemon(struct ctl_records *r, struct reading *reading)
{
	enum ctl_exit result = CTL_GOOD;
	bool last = false;
	while (result == CTL_GOOD && !last && !reading->ended && reading->left > 0) {
		cJSON *answer = NULL;
		result = ask(r, reading->next, reading->left, &answer);
		if (result != CTL_GOOD)
			break;
		last = cJSON_GetArraySize(ctl_json_array(answer, "records")) == 0;
		result = take_page(r, answer, reading);
		cJSON_Delete(last ? r->last : answer);
		if (last)
			r->last = answer;
	}
	return result;
}

enum ctl_exit ctl_records_read(struct ctl_records *r, uint64_t from, uint64_t max, ctl_take_record *take, void *ctx)
{
	struct reading reading = {.take = take, .ctx = ctx, .next = from, .left = max};
	return r->file != NULL ? read_file(r, &reading) : read_daemon(r, &reading);
}
