/* src/daemon/uplink_fault.c: what is wrong with the link, in a word and a sentence. See uplink_internal.h.
 *
 * Room: src/daemon; libcurl, cJSON. */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "uplink_internal.h"

#define DETAIL_REST_MS INT64_C(60000) /* between two lines of the log for one fault */
#define STATUS_OK 200
#define STATUS_REDIRECT 300
#define STATUS_REFUSED 400
#define STATUS_SERVER_ERROR 500

static const char *const names[LINK_FAULT_COUNT] = {
	[LINK_FINE] = "none",
	[LINK_NO_TOKEN] = "no_token",
	[LINK_NO_KEY] = "no_command_key",
	[LINK_NO_RECORDS] = "ledger",
	[LINK_NO_MEMORY] = "no_memory",
	[LINK_UNREACHABLE] = "unreachable",
	[LINK_TIMED_OUT] = "timed_out",
	[LINK_TLS] = "tls",
	[LINK_BROKEN] = "broken",
	[LINK_CAPTIVE_PORTAL] = "captive_portal",
	[LINK_REFUSED] = "refused",
	[LINK_SERVER_ERROR] = "server_error",
	[LINK_TOO_LONG] = "too_long",
	[LINK_UNREADABLE] = "unreadable",
	[LINK_NOT_ACCEPTED] = "not_accepted",
	[LINK_BUSY] = "ledger_busy",
	[LINK_SILENT] = "silent",
	[LINK_CLOSED] = "closed",
};

const char *link_fault_name(enum link_fault fault)
{
	return names[fault];
}

/* What a server says is shown to people: no byte of it may do more than that. */
static void copy_printable(char to[UPLINK_DETAIL_SIZE], const char *text)
{
	size_t length = 0;
	for (; text[length] != '\0' && length < UPLINK_DETAIL_SIZE - 1; length++)
		to[length] = text[length] >= ' ' && text[length] <= '~' ? text[length] : '?';
	to[length] = '\0';
}

void link_note(struct uplink_shell *shell, enum link_part part, enum link_fault fault, const char *detail)
{
	static const char *const parts[LINK_PART_COUNT] = {[LINK_RECORDS] = "records", [LINK_COMMANDS] = "commands"};
	struct link_health *health = &shell->health[part];
	char before[UPLINK_DETAIL_SIZE];
	int64_t now_ms = monotonic_now_ms();
	memcpy(before, health->detail, sizeof before);
	copy_printable(health->detail, detail);
	bool changed = !health->tried || health->fault != fault ||
		       (strcmp(before, health->detail) != 0 && now_ms - health->logged_ms >= DETAIL_REST_MS);
	health->tried = true;
	health->fault = fault;
	if (changed)
		health->logged_ms = now_ms;
	if (changed && fault == LINK_FINE)
		log_line(LOG_LEVEL_INFO, "link", "part=%s state=working", parts[part]);
	else if (changed)
		log_line(LOG_LEVEL_WARNING,
			 "link",
			 "part=%s state=failing reason=%s detail=%s",
			 parts[part],
			 link_fault_name(fault),
			 log_text(health->detail).text);
}

/* ---- what a call came to ---- */

static enum link_fault fault_of_code(CURLcode code)
{
	static const struct {
		CURLcode code;
		enum link_fault fault;
	} map[] = {
		{CURLE_COULDNT_RESOLVE_HOST, LINK_UNREACHABLE},
		{CURLE_COULDNT_CONNECT, LINK_UNREACHABLE},
		{CURLE_OPERATION_TIMEDOUT, LINK_TIMED_OUT},
		{CURLE_SSL_CONNECT_ERROR, LINK_TLS},
		{CURLE_SSL_ENGINE_NOTFOUND, LINK_TLS},
		{CURLE_SSL_ENGINE_SETFAILED, LINK_TLS},
		{CURLE_SSL_CERTPROBLEM, LINK_TLS},
		{CURLE_SSL_CIPHER, LINK_TLS},
		{CURLE_PEER_FAILED_VERIFICATION, LINK_TLS},
		{CURLE_SSL_CACERT_BADFILE, LINK_TLS},
		{CURLE_SSL_ISSUER_ERROR, LINK_TLS},
		{CURLE_SSL_INVALIDCERTSTATUS, LINK_TLS},
		{CURLE_OUT_OF_MEMORY, LINK_TOO_LONG}, /* libcurl's own limit of one line of a header ends so, too */
	};
	for (size_t i = 0; i < sizeof map / sizeof *map; i++)
		if (map[i].code == code)
			return map[i].fault;
	return LINK_BROKEN;
}

/* The server's own code and message, where its answer has the form of an error. */
static void tell_status(const struct http_answer *answer, long status, char detail[UPLINK_DETAIL_SIZE])
{
	struct wire_error error;
	cJSON *root = http_answer_is(answer, "application/json") && answer->length > 0 ?
			      json_parse_object(answer->body, answer->length, BATCH_ANSWER_MAX, &error) :
			      NULL;
	const cJSON *object = cJSON_GetObjectItemCaseSensitive(root, "error");
	const char *code = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "code"));
	const char *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "message"));
	if (code != NULL)
		snprintf(detail,
			 UPLINK_DETAIL_SIZE,
			 "HTTP status %ld, %.33s: %.120s",
			 status,
			 code,
			 message != NULL ? message : "");
	else
		snprintf(detail, UPLINK_DETAIL_SIZE, "HTTP status %ld", status);
	cJSON_Delete(root);
}

static enum link_fault judge_status(const struct uplink_call *call, long status, const char *type,
				    char detail[UPLINK_DETAIL_SIZE])
{
	if (status >= STATUS_REFUSED)
		tell_status(&call->answer, status, detail);
	if (status >= STATUS_SERVER_ERROR)
		return LINK_SERVER_ERROR;
	if (status >= STATUS_REFUSED)
		return LINK_REFUSED;
	if (status >= STATUS_REDIRECT) {
		snprintf(detail, UPLINK_DETAIL_SIZE, "it redirects to elsewhere, with HTTP status %ld", status);
		return LINK_CAPTIVE_PORTAL;
	}
	if (status == STATUS_OK && http_answer_is(&call->answer, type))
		return LINK_FINE;
	snprintf(detail,
		 UPLINK_DETAIL_SIZE,
		 "it answers with status %ld and '%.60s' in place of 200 and %s",
		 status,
		 call->answer.content_type,
		 type);
	return LINK_CAPTIVE_PORTAL;
}

/* Whether the request has gone out at all. Looking for a name, and connecting, may take all the time, too. */
static bool was_sent(const struct uplink_call *call)
{
	curl_off_t before_us = 0;
	return curl_easy_getinfo(call->transfer.easy, CURLINFO_PRETRANSFER_TIME_T, &before_us) == CURLE_OK &&
	       before_us > 0;
}

enum link_fault link_judge(struct uplink_call *call, CURLcode code, const char *type, char detail[UPLINK_DETAIL_SIZE])
{
	long status = 0;
	detail[0] = '\0';
	curl_easy_getinfo(call->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
	if (call->answer.short_of_memory) {
		snprintf(detail, UPLINK_DETAIL_SIZE, "no memory for the answer");
		return LINK_NO_MEMORY;
	}
	/* What the server has said counts, even where its connection then broke; what it goes on saying beside does not. */
	bool said = status >= STATUS_REDIRECT || code == CURLE_OK || code == CURLE_WRITE_ERROR;
	bool flood = call->answer.header_length > HTTP_HEADER_MAX;
	if (said && !flood && status > 0) {
		enum link_fault fault = judge_status(call, status, type, detail);
		if (fault != LINK_FINE)
			return fault;
	}
	if (call->answer.too_long) {
		snprintf(detail, UPLINK_DETAIL_SIZE, "it answers with more than any answer has");
		return LINK_TOO_LONG;
	}
	if (code == CURLE_OK)
		return LINK_FINE;
	snprintf(detail, UPLINK_DETAIL_SIZE, "%.180s", call->error[0] != '\0' ? call->error : curl_easy_strerror(code));
	enum link_fault fault = fault_of_code(code);
	return fault == LINK_TIMED_OUT && !was_sent(call) ? LINK_UNREACHABLE : fault;
}
