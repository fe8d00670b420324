/* tools/ops/server/ops_routes.c: the table of calls, and who may make them; see ops_request.h.
 *
 * Room: tools/ops/server; libmicrohttpd. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "ops_calls.h"

static const struct ops_route routes[] = {
	{"POST", "/v1/boxes/{}/records", ops_call_records, OPS_BOX, REQUEST_BOX_BODY_MAX, .gzip = true},
	{"GET", "/v1/boxes/{}/commands", ops_call_commands, OPS_BOX},
	{"GET", "/v1/health", ops_call_health, OPS_ANYONE},
	{"GET", "/v1/operator/boxes", ops_call_boxes, OPS_OPERATOR},
	{"GET", "/v1/operator/boxes/{}", ops_call_box, OPS_OPERATOR},
	{"PUT", "/v1/operator/boxes/{}", ops_call_put_box, OPS_OPERATOR, REQUEST_OPERATOR_BODY_MAX},
	{"GET", "/v1/operator/boxes/{}/records", ops_call_box_records, OPS_OPERATOR},
	{"POST", "/v1/operator/boxes/{}/commands", ops_call_send, OPS_OPERATOR, REQUEST_OPERATOR_BODY_MAX},
	{"GET", "/v1/operator/accounts/{}", ops_call_account, OPS_OPERATOR},
	{"PUT", "/v1/operator/accounts/{}", ops_call_put_account, OPS_OPERATOR, REQUEST_OPERATOR_BODY_MAX},
	{"POST", "/v1/operator/accounts/{}/recharges", ops_call_recharge, OPS_OPERATOR, REQUEST_OPERATOR_BODY_MAX},
	{"POST", "/v1/operator/accounts/{}/refunds", ops_call_refund, OPS_OPERATOR, REQUEST_OPERATOR_BODY_MAX},
	{"GET", "/v1/operator/orders/{}", ops_call_order, OPS_OPERATOR},
	{"PUT", "/v1/operator/orders/{}", ops_call_put_order, OPS_OPERATOR, REQUEST_OPERATOR_BODY_MAX},
	{"POST", "/v1/operator/orders/{}/credit", ops_call_credit, OPS_OPERATOR, REQUEST_OPERATOR_BODY_MAX},
	{"GET", "/v1/operator/check", ops_call_check, OPS_OPERATOR},
	{"GET", "/v1/operator/server", ops_call_server, OPS_OPERATOR},
};

/* --- paths --- */

static int hexadecimal(char c)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c == '\0' ? NULL : strchr(digits, c);
	return at == NULL ? -1 : (int)(at - digits) & 15;
}

/* Decodes one segment. False when it is empty, too long, hides a NUL or is no escape. */
static bool decode_segment(const char *text, size_t length, char name[REQUEST_NAME_SIZE])
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
		if (c == '\0' || used == REQUEST_NAME_SIZE - 1)
			return false;
		name[used++] = c;
	}
	name[used] = '\0';
	return used > 0;
}

static bool matches(const char *pattern, const char *url, char name[REQUEST_NAME_SIZE])
{
	size_t fixed = strcspn(pattern, "{");
	name[0] = '\0';
	if (pattern[fixed] == '\0')
		return strcmp(pattern, url) == 0;
	if (strncmp(pattern, url, fixed) != 0)
		return false;
	size_t length = strcspn(url + fixed, "/");
	return strcmp(pattern + fixed + strlen("{}"), url + fixed + length) == 0 &&
	       decode_segment(url + fixed, length, name);
}

static void find_route(struct ops_request *q, const char *method, const char *url)
{
	char name[REQUEST_NAME_SIZE];
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		size_t used = strlen(q->allow);
		if (!matches(routes[i].pattern, url, name))
			continue;
		memcpy(q->name, name, sizeof q->name);
		if (strcmp(routes[i].method, method) == 0) {
			q->route = &routes[i];
			q->allow[0] = '\0';
			return;
		}
		snprintf(q->allow + used, sizeof q->allow - used, "%s%s", used > 0 ? ", " : "", routes[i].method);
	}
	if (q->allow[0] != '\0')
		ops_refuse(q, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes %s", q->allow);
	else
		ops_refuse(q, MHD_HTTP_NOT_FOUND, "not_found", "no such path");
}

/* --- who asks --- */

/* The bearer token, zero-padded. False when there is none that could be one. */
static bool read_bearer(struct ops_request *q, char token[OPS_BEARER_SIZE])
{
	static const char scheme[] = "Bearer ";
	const char *text = MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
	memset(token, 0, OPS_BEARER_SIZE);
	if (text == NULL || strncasecmp(text, scheme, sizeof scheme - 1) != 0)
		return false;
	text += sizeof scheme - 1;
	text += strspn(text, " ");
	if (!word_is_printable(text, OPS_BEARER_SIZE))
		return false;
	memcpy(token, text, strlen(text));
	return true;
}

/* Takes as long wherever they differ. */
bool ops_is_operators(const struct ops_server *server, const char token[OPS_BEARER_SIZE])
{
	const char *a = server->operator_token;
	volatile unsigned char difference = 0;
	for (size_t i = 0; i < OPS_BEARER_SIZE; i++)
		difference |= (unsigned char)(a[i] ^ token[i]);
	return difference == 0;
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

char (*ops_box_names(struct ops_server *server, size_t *count, int *result, struct ops_error *error))[BOX_ID_SIZE]
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

static void refuse_token(struct ops_request *q, const char *why)
{
	ops_refuse(q, MHD_HTTP_UNAUTHORIZED, "unauthorized", "%s", why);
}

static bool box_name_is_valid(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t length = strlen(name);
	return length > 0 && length < BOX_ID_SIZE && strspn(name, allowed) == length;
}

static void judge_box(struct ops_request *q, const char *token)
{
	struct ops_error error;
	char name[BOX_ID_SIZE];
	int found = ops_token_box(q->server->ops, token, name, &error);
	if (found < 0) {
		ops_refuse_core(q, found, &error);
		return;
	}
	/* Whether a box exists is nobody's business without a token. */
	if (found == 0) {
		refuse_token(q, "the token is not this box's");
		return;
	}
	if (strcmp(name, q->name) != 0) { /* a technician who mixed them up must see it */
		ops_refuse(q, MHD_HTTP_FORBIDDEN, "forbidden", "the token is another box's");
		return;
	}
	q->box = ops_live_get(q->server->live, q->name);
	if (q->box == NULL)
		ops_refuse_memory(q);
	else
		q->box->heard_ms = ops_wall_now_ms();
}

static void judge_who(struct ops_request *q)
{
	char token[OPS_BEARER_SIZE];
	if (q->route->who == OPS_ANYONE)
		return;
	if (!read_bearer(q, token))
		refuse_token(q, "Authorization must be Bearer and a token of at most 128 printable characters");
	else if (q->route->who == OPS_BOX)
		judge_box(q, token);
	else if (!ops_is_operators(q->server, token))
		refuse_token(q, "the token is not the operator's");
}

void ops_route(struct ops_request *q, const char *method, const char *url)
{
	find_route(q, method, url);
	if (q->status == 0)
		judge_who(q);
	if (q->status != 0 || strstr(q->route->pattern, "/boxes/{}") == NULL || box_name_is_valid(q->name))
		return;
	ops_refuse(q,
		   MHD_HTTP_BAD_REQUEST,
		   "bad_request",
		   "a box's name must be 1 to %d of the characters A-Z a-z 0-9 . _ -",
		   BOX_ID_SIZE - 1);
}
