/* tools/ops/server/ops_request.c: see ops_request.h.
 *
 * Room: tools/ops/server; libmicrohttpd, cJSON. */
#include "ops_request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "ops_who.h"

#define BODY_FIRST 4096 /* bytes that are taken for a body at first */

static const char json_type[] = "application/json";

/* --- answers --- */

static void set_response(struct ops_request *q, unsigned status, const char *type, char *text)
{
	q->response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (q->response == NULL) {
		free(text);
		return;
	}
	MHD_add_response_header(q->response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(q->response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(q->response, "X-Content-Type-Options", "nosniff");
	if (q->cookie[0] != '\0')
		MHD_add_response_header(q->response, MHD_HTTP_HEADER_SET_COOKIE, q->cookie);
	q->status = status;
}

void ops_answer_as(struct ops_request *q, unsigned status, const char *type, char *text)
{
	if (text == NULL)
		ops_refuse_memory(q);
	else
		set_response(q, status, type, text);
}

void ops_answer_text(struct ops_request *q, unsigned status, char *text)
{
	ops_answer_as(q, status, json_type, text);
}

void ops_answer(struct ops_request *q, unsigned status, cJSON *object)
{
	ops_answer_text(q, status, object == NULL ? NULL : json_print_and_delete(object));
}

static cJSON *error_object(const char *code, const char *message)
{
	cJSON *object = cJSON_CreateObject();
	cJSON *error = object == NULL ? NULL : cJSON_AddObjectToObject(object, "error");
	if (error != NULL && cJSON_AddStringToObject(error, "code", code) != NULL &&
	    cJSON_AddStringToObject(error, "message", message) != NULL)
		return object;
	cJSON_Delete(object);
	return NULL;
}

void ops_refuse(struct ops_request *q, unsigned status, const char *code, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(q->message, sizeof q->message, format, arguments);
	va_end(arguments);
	for (char *c = q->message; *c != '\0'; c++) /* it may quote a body, which nobody has promised to be text */
		*c = *c >= ' ' && *c <= '~' ? *c : '?';
	q->code = code;
	q->status = status; /* the body is made when it is sent */
}

void ops_refuse_memory(struct ops_request *q)
{
	q->retry_s = REQUEST_RETRY_S;
	ops_refuse(q, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable", "memory is short; try again later");
}

void ops_refuse_often(struct ops_request *q, int64_t wait_ms, const char *what)
{
	q->retry_s = (unsigned)((wait_ms + 999) / 1000);
	ops_refuse(q, MHD_HTTP_TOO_MANY_REQUESTS, "too_many", "%s; try again in %u s", what, q->retry_s);
}

void ops_refuse_core(struct ops_request *q, int result, const struct ops_error *error)
{
	static const struct {
		int result;
		unsigned status;
		const char *code;
	} meanings[] = {
		{-EINVAL, MHD_HTTP_BAD_REQUEST, "bad_request"},
		{-ENOENT, MHD_HTTP_NOT_FOUND, "not_found"},
		{-EEXIST, MHD_HTTP_CONFLICT, "conflict"},
		{-EAGAIN, MHD_HTTP_CONFLICT, "conflict"},
		{-EDQUOT, MHD_HTTP_PAYMENT_REQUIRED, "insufficient_funds"},
		{-EIO, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable"},
		{-ENOMEM, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable"},
	};
	for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
		if (meanings[i].result != result)
			continue;
		if (meanings[i].status == MHD_HTTP_SERVICE_UNAVAILABLE)
			q->retry_s = REQUEST_RETRY_S;
		ops_refuse(q, meanings[i].status, meanings[i].code, "%s", error->text);
		return;
	}
	ops_refuse(q, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal", "%s", error->text);
}

bool ops_may_stream(struct ops_request *q, bool room)
{
	if (q->server->stopping) {
		q->retry_s = REQUEST_RETRY_S;
		ops_refuse(q, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable", "the server is stopping");
		return false;
	}
	if (room)
		return true;
	q->retry_s = REQUEST_STREAMS_RETRY_S;
	ops_refuse(q,
		   MHD_HTTP_TOO_MANY_REQUESTS,
		   "too_many_streams",
		   "%u streams are open; come back later",
		   q->server->streams.count);
	return false;
}

static void add_number_header(struct MHD_Response *response, const char *name, unsigned value)
{
	char digits[12];
	snprintf(digits, sizeof digits, "%u", value);
	MHD_add_response_header(response, name, digits);
}

static bool takes_token(const struct ops_request *q)
{
	return q->route != NULL && (q->route->who == OPS_BOX || q->route->who == OPS_OPERATOR);
}

/* Gives a refusal its body. */
static void make_refusal(struct ops_request *q)
{
	unsigned status = q->status;
	cJSON *object = error_object(q->code, q->message);
	char *text = object == NULL ? NULL : json_print_and_delete(object);
	if (text == NULL)
		return;
	set_response(q, status, json_type, text);
	if (q->response == NULL)
		return;
	if (q->retry_s > 0)
		add_number_header(q->response, MHD_HTTP_HEADER_RETRY_AFTER, q->retry_s);
	if (status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(
			q->response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, takes_token(q) ? "Bearer" : "Cookie");
	if (q->allow[0] != '\0')
		MHD_add_response_header(q->response, MHD_HTTP_HEADER_ALLOW, q->allow);
}

static void log_answer(const struct ops_request *q)
{
	const char *pattern = q->route == NULL ? "" : q->route->pattern;
	const char *method = q->route == NULL ? "" : q->route->method;
	if (q->code != NULL)
		log_line(LOG_LEVEL_WARNING,
			 "refused",
			 "method=%s path=%s name=%s status=%u code=%s message=%s",
			 method,
			 log_text(pattern).text,
			 log_text(q->name).text,
			 q->status,
			 q->code,
			 log_text(q->message).text);
	else
		log_line(LOG_LEVEL_DEBUG,
			 "request",
			 "method=%s path=%s name=%s status=%u",
			 method,
			 log_text(pattern).text,
			 log_text(q->name).text,
			 q->status);
}

/* MHD_NO closes the connection: nothing can be said any more. */
static enum MHD_Result send_answer(struct ops_request *q)
{
	if (q->code != NULL)
		make_refusal(q);
	log_answer(q);
	if (q->response == NULL)
		return MHD_NO;
	enum MHD_Result result = MHD_queue_response(q->connection, q->status, q->response);
	MHD_destroy_response(q->response); /* the library holds its own reference */
	q->response = NULL;
	return result;
}

/* --- the body --- */

static void keep(struct ops_request *q, const char *data, size_t size)
{
	size_t needed = q->size + size + 1;
	if (needed > q->capacity) {
		size_t capacity = q->capacity == 0 ? BODY_FIRST : q->capacity;
		while (capacity < needed)
			capacity *= 2;
		size_t more = capacity - q->capacity;
		char *body = q->server->body_bytes + more > REQUEST_BODIES_MAX ? NULL : realloc(q->body, capacity);
		if (body == NULL) {
			ops_refuse_memory(q);
			return;
		}
		q->server->body_bytes += more;
		q->body = body;
		q->capacity = capacity;
	}
	memcpy(q->body + q->size, data, size);
	q->size += size;
	q->body[q->size] = '\0';
}

static void drop_body(struct ops_request *q)
{
	free(q->body);
	q->server->body_bytes -= q->capacity;
	q->body = NULL;
	q->size = q->capacity = 0;
}

static enum MHD_Result take_part(struct ops_request *q, const char *data, size_t size)
{
	size_t max = q->route == NULL ? 0 : q->route->body_max;
	if (q->status == 0 && size > max - q->size)
		ops_refuse(q, MHD_HTTP_CONTENT_TOO_LARGE, "too_large", "the body is longer than %zu bytes", max);
	if (q->status == 0)
		keep(q, data, size);
	if (q->status == 0)
		return MHD_YES;
	drop_body(q);
	q->drained += size;
	return q->drained <= REQUEST_DRAIN_MAX ? MHD_YES : MHD_NO;
}

/* --- headers --- */

static const char *header(struct ops_request *q, const char *name)
{
	return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

static bool is_json(const char *type)
{
	size_t length = sizeof json_type - 1;
	return strncasecmp(type, json_type, length) == 0 && strchr("; \t", type[length]) != NULL;
}

static void judge_encoding(struct ops_request *q)
{
	const char *type = header(q, MHD_HTTP_HEADER_CONTENT_TYPE);
	const char *encoding = header(q, MHD_HTTP_HEADER_CONTENT_ENCODING);
	if (type == NULL ? q->must_be_json : q->route->body_max > 0 && !is_json(type)) {
		ops_refuse(q,
			   MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			   "unsupported_media_type",
			   "Content-Type must be application/json");
		return;
	}
	if (encoding == NULL || strcasecmp(encoding, "identity") == 0)
		return;
	q->gzip = q->route->gzip && strcasecmp(encoding, "gzip") == 0;
	if (!q->gzip)
		ops_refuse(q,
			   MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
			   "unsupported_media_type",
			   "Content-Encoding must be %s",
			   q->route->gzip ? "gzip or absent" : "absent");
}

/* Whether the answer goes out before the body is there: the client waits for leave to send it, or would send more than
 * we throw away. */
static bool answers_at_once(struct ops_request *q, uint64_t length)
{
	return q->status != 0 && (header(q, MHD_HTTP_HEADER_EXPECT) != NULL || length > REQUEST_DRAIN_MAX);
}

static enum MHD_Result begin(struct ops_request *q, const char *method, const char *url)
{
	const char *text = header(q, MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t length = 0;
	if (text != NULL && !ops_parse_number(text, 0, UINT64_MAX / 10, &length))
		length = UINT64_MAX; /* the library refuses nonsense itself; what is left is only too long */
	ops_route(q, method, url);
	if (q->status == 0)
		judge_encoding(q);
	if (q->status == 0 && length > q->route->body_max)
		ops_refuse(q,
			   MHD_HTTP_CONTENT_TOO_LARGE,
			   "too_large",
			   "the body is longer than %zu bytes",
			   q->route->body_max);
	return answers_at_once(q, length) ? send_answer(q) : MHD_YES;
}

/* All of the request is there. Whoever asks may have lost the right to since its head came: a body can take a minute. */
static void finish(struct ops_request *q)
{
	struct ops_error error;
	if (q->status == 0)
		ops_judge_who(q);
	if (q->status != 0)
		return;
	bool reads = strcmp(q->route->method, "GET") == 0 && q->route->who != OPS_BOX; /* a box tells something by it */
	int result = reads ? ops_begin_reading(q->server->ops, &error) : 0;
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	q->route->handle(q);
	if (reads)
		ops_end_reading(q->server->ops);
	ops_note(q);
}

/* --- callbacks --- */

enum MHD_Result ops_request_take(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
				 const char *version, const char *data, size_t *size, void **context)
{
	struct ops_server *server = cls;
	struct ops_request *q = *context;
	(void)version;
	if (q == NULL) {
		if ((q = calloc(1, sizeof *q)) == NULL)
			return MHD_NO;
		q->server = server;
		q->connection = connection;
		*context = q;
		ops_peer_renew(&server->peers, connection);
		server->requests++;
		return begin(q, method, url);
	}
	if (*size > 0) {
		enum MHD_Result result = take_part(q, data, *size);
		*size = 0;
		return result;
	}
	finish(q);
	drop_body(q);
	return send_answer(q);
}

void ops_request_completed(void *cls, struct MHD_Connection *connection, void **context,
			   enum MHD_RequestTerminationCode why)
{
	struct ops_server *server = cls;
	struct ops_request *q = *context;
	(void)why;
	if (q == NULL)
		return;
	drop_body(q);
	ops_peer_renew(&server->peers, connection);
	server->requests--;
	free(q);
	*context = NULL;
}

size_t ops_request_unescape(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls;
	(void)connection;
	return strlen(text);
}

/* --- what a request says --- */

cJSON *ops_request_object(struct ops_request *q)
{
	struct wire_error error;
	cJSON *object =
		q->size == 0 ? cJSON_CreateObject() : json_parse_object(q->body, q->size, q->route->body_max, &error);
	if (object == NULL && q->size == 0)
		ops_refuse_memory(q);
	else if (object == NULL)
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "the body: %s", error.text);
	return object;
}

bool ops_parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
	uint64_t number = 0;
	if (text[0] == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9' || number > (UINT64_MAX - 9) / 10)
			return false;
		number = number * 10 + (uint64_t)(*text - '0');
	}
	if (number < low || number > high)
		return false;
	*value = number;
	return true;
}

bool ops_request_number(struct ops_request *q, const char *name, uint64_t low, uint64_t high, uint64_t *value)
{
	const char *text = NULL;
	if (MHD_lookup_connection_value_n(q->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &text, NULL) !=
	    MHD_YES)
		return true;
	if (text != NULL && ops_parse_number(text, low, high, value))
		return true;
	ops_refuse(q,
		   MHD_HTTP_BAD_REQUEST,
		   "bad_request",
		   "%s must be a whole number from %ju to %ju",
		   name,
		   (uintmax_t)low,
		   (uintmax_t)high);
	return false;
}

static int hexadecimal(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c == '\0' ? NULL : strchr(digits, c);
	return at == NULL ? -1 : (int)(at - digits) & 15;
}

bool ops_decode(const char *text, size_t length, char *decoded, size_t size)
{
	size_t used = 0;
	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		if (c == '%') {
			int high = i + 2 < length ? hexadecimal(text[i + 1]) : -1;
			int low = i + 2 < length ? hexadecimal(text[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0' || used == size - 1)
			return false;
		decoded[used++] = c;
	}
	decoded[used] = '\0';
	return true;
}

bool ops_request_text(struct ops_request *q, const char *name, char *text, size_t size)
{
	const char *given = MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, name);
	text[0] = '\0';
	if (given == NULL || ops_decode(given, strlen(given), text, size))
		return true;
	ops_refuse(q,
		   MHD_HTTP_BAD_REQUEST,
		   "bad_request",
		   "%s must be at most %zu characters, escaped where that is needed",
		   name,
		   size - 1);
	return false;
}

bool ops_request_time(struct ops_request *q, const char *name, int64_t *wall_ms)
{
	char text[REQUEST_NAME_SIZE];
	if (!ops_request_text(q, name, text, sizeof text))
		return false;
	if (wire_read_time(text, wall_ms))
		return true;
	ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "%s must be a time such as 2026-11-21T01:38:46.123Z", name);
	return false;
}
