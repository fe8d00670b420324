/* tools/ops/server/ops_who.c: see ops_who.h.
 *
 * Room: tools/ops/server; libmicrohttpd. */
#include "ops_who.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

/* How the pages keep who is signed in: not for scripts, not for other sites, not for other paths. */
static const struct {
	const char *name, *path;
	int64_t life_ms;
} cookies[PERSON_KIND_COUNT] = {
	[PERSON_CUSTOMER] = {"meterbox_customer", "/v1/customer", PEOPLE_CUSTOMER_SESSION_MS},
	[PERSON_STAFF] = {"meterbox_staff", "/v1/operator", PEOPLE_STAFF_SESSION_MS},
};

static const char *header(struct ops_request *q, const char *name)
{
	return MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, name);
}

static bool is_secure(const struct ops_server *server)
{
	return server->options->cert != NULL || server->options->behind_proxy;
}

/* --- tokens --- */

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

static void refuse_token(struct ops_request *q, const char *why)
{
	ops_refuse(q, MHD_HTTP_UNAUTHORIZED, "unauthorized", "%s", why);
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

/* --- cookies --- */

void ops_set_cookie(struct ops_request *q, enum person_kind kind, const char *token)
{
	snprintf(q->cookie,
		 sizeof q->cookie,
		 "%s=%s; Path=%s; Max-Age=%d; HttpOnly; SameSite=Strict%s",
		 cookies[kind].name,
		 token,
		 cookies[kind].path,
		 token[0] == '\0' ? 0 : (int)(cookies[kind].life_ms / 1000),
		 is_secure(q->server) ? "; Secure" : "");
}

bool ops_find_cookie(struct ops_request *q, enum person_kind kind)
{
	struct ops_error error;
	struct person person;
	const char *token = MHD_lookup_connection_value(q->connection, MHD_COOKIE_KIND, cookies[kind].name);
	if (token == NULL)
		return false;
	int found = ops_find_session(q->server->ops, token, ops_wall_now_ms(), &person, &error);
	if (found < 0)
		ops_refuse_core(q, found, &error);
	if (found <= 0 || person.kind != kind)
		return false;
	q->person = person;
	word_copy(q->session, sizeof q->session, token);
	return true;
}

/* --- pages --- */

void ops_own_origin(struct ops_request *q, char origin[OPS_ORIGIN_SIZE])
{
	const char *host = header(q, MHD_HTTP_HEADER_HOST);
	snprintf(origin, OPS_ORIGIN_SIZE, "http%s://%s", is_secure(q->server) ? "s" : "", host == NULL ? "" : host);
}

/* Whether the origin is that of the URL under which the server is known outside, where a proxy may have changed Host. */
static bool is_public(const struct ops_server *server, const char *origin)
{
	const char *url = server->options->public_url;
	const char *host = url == NULL ? NULL : strstr(url, "://");
	if (host == NULL)
		return false;
	host += strlen("://");
	size_t length = (size_t)(host - url) + strcspn(host, "/");
	return strlen(origin) == length && strncasecmp(url, origin, length) == 0;
}

/* A page of another site may make a browser send a request, though not without these headers and not of this type. */
static bool is_own_page(struct ops_request *q)
{
	char own[OPS_ORIGIN_SIZE];
	const char *origin = header(q, MHD_HTTP_HEADER_ORIGIN);
	const char *site = header(q, "Sec-Fetch-Site");
	ops_own_origin(q, own);
	return (origin == NULL || strcasecmp(origin, own) == 0 || is_public(q->server, origin)) &&
	       (site == NULL || strcmp(site, "same-origin") == 0 || strcmp(site, "none") == 0);
}

/* Of whatever has neither a box's nor the operator's token. */
static void judge_page(struct ops_request *q)
{
	if (q->status != 0 || strcmp(q->route->method, "GET") == 0)
		return;
	q->must_be_json = true;
	if (!is_own_page(q))
		ops_refuse(q, MHD_HTTP_FORBIDDEN, "bad_origin", "only this server's own pages may ask this");
}

static void judge_customer(struct ops_request *q)
{
	if (!ops_find_cookie(q, PERSON_CUSTOMER) && q->status == 0)
		refuse_token(q, "sign in first: nobody is, or it was too long ago");
}

static void judge_staff(struct ops_request *q)
{
	if (!ops_find_cookie(q, PERSON_STAFF)) {
		if (q->status == 0)
			refuse_token(q,
				     "sign in, or send Authorization: Bearer and the operator's token, at most 128 "
				     "printable characters");
		return;
	}
	if (q->person.role < q->route->role)
		ops_refuse(q,
			   MHD_HTTP_FORBIDDEN,
			   "forbidden",
			   "this takes the role %s; yours is %s",
			   word_name(&staff_role_words, q->route->role),
			   word_name(&staff_role_words, q->person.role));
}

/* --- all of them --- */

static void judge_token(struct ops_request *q)
{
	char token[OPS_BEARER_SIZE];
	if (!read_bearer(q, token))
		refuse_token(q, "Authorization must be Bearer and a token of at most 128 printable characters");
	else if (q->route->who == OPS_BOX)
		judge_box(q, token);
	else if (!ops_is_operators(q->server, token))
		refuse_token(q, "the token is not the operator's");
	else
		q->by_token = true;
	if (q->by_token)
		q->person = (struct person){.kind = PERSON_STAFF, .name = OPS_PROGRAM, .role = STAFF_MANAGER};
}

void ops_judge_who(struct ops_request *q)
{
	bool token = header(q, MHD_HTTP_HEADER_AUTHORIZATION) != NULL;
	if (q->route->who == OPS_BOX || (q->route->who == OPS_OPERATOR && token)) {
		judge_token(q);
		return;
	}
	if (q->route->who == OPS_CUSTOMER)
		judge_customer(q);
	else if (q->route->who == OPS_OPERATOR)
		judge_staff(q);
	judge_page(q);
}

/* --- acts --- */

void ops_note_detail(struct ops_request *q, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(q->detail, sizeof q->detail, format, arguments);
	va_end(arguments);
}

void ops_note(struct ops_request *q)
{
	struct ops_error error;
	struct act act = {.at_ms = ops_wall_now_ms()};
	if (q->route->act == NULL || q->code != NULL || q->person.name[0] == '\0')
		return;
	word_copy(act.who, sizeof act.who, q->person.name);
	word_copy(act.what, sizeof act.what, q->route->act);
	word_copy(act.subject, sizeof act.subject, q->name);
	word_copy(act.detail, sizeof act.detail, q->detail);
	if (ops_note_act(q->server->ops, &act, &error) == 0)
		return;
	log_line(LOG_LEVEL_ERROR, /* it is done, and cannot be taken back: the log has it */
		 "act_not_noted",
		 "who=%s what=%s subject=%s detail=%s error=%s",
		 log_text(act.who).text,
		 act.what,
		 log_text(act.subject).text,
		 log_text(act.detail).text,
		 log_text(error.text).text);
}
