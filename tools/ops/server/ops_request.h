/* tools/ops/server/ops_request.h: one request from its first header to its answer.
 *
 * Room: tools/ops/server; libmicrohttpd, cJSON. A request is judged as soon as its headers are there; only one that may
 * go on has its body kept. A body that will be refused is read and thrown away, within limits, as a client that is
 * still sending would not see the answer. */
#ifndef OPS_REQUEST_H
#define OPS_REQUEST_H

#include "json.h"
#include "ops_server.h"
#include "people.h"

#define REQUEST_NAME_SIZE 64 /* of what a path names */
#define REQUEST_BOX_BODY_MAX (2 * 1024 * 1024) /* of a batch, as it travels */
#define REQUEST_OPERATOR_BODY_MAX (64 * 1024)
#define REQUEST_CUSTOMER_BODY_MAX (4 * 1024)
#define REQUEST_CALLBACK_BODY_MAX (4 * 1024)
#define REQUEST_TEXTS_BODY_MAX (256 * 1024) /* both texts of an agreement, all of it escaped */
#define REQUEST_BODIES_MAX (64 * 1024 * 1024) /* of all requests together; beyond it: 503 */
#define REQUEST_DRAIN_MAX (16 * 1024 * 1024) /* thrown away for one request; beyond it the connection is closed */
#define REQUEST_MESSAGE_SIZE 256
#define REQUEST_COOKIE_SIZE 200
#define REQUEST_RETRY_S 10
#define REQUEST_STREAMS_RETRY_S 60
#define REQUEST_EXACT_MAX ((INT64_C(1) << 53) - 1) /* numbers beyond it are nobody's */

struct ops_request;

enum ops_who {
	OPS_ANYONE,
	OPS_BOX, /* the one that the path names */
	OPS_CUSTOMER, /* by a cookie */
	OPS_OPERATOR /* a program by the operator's token, or staff by a cookie */
};

struct ops_route {
	const char *method;
	const char *pattern; /* of the path; {} is the name */
	void (*handle)(struct ops_request *request); /* gives the answer */
	enum ops_who who;
	size_t body_max;
	bool gzip; /* the body may be packed */
	bool head; /* HEAD is allowed, too; of GET */
	enum staff_role role; /* of an operator's call: the least that it takes */
	const char *act; /* the word for what it does; NULL: nothing is noted */
};

struct ops_request {
	struct ops_server *server;
	struct MHD_Connection *connection;
	const struct ops_route *route; /* NULL when there is none */
	char name[REQUEST_NAME_SIZE]; /* from the path; empty when it names nothing */
	struct ops_live_box *box; /* of a box's call */
	struct person person; /* of a customer's or operator's call; for a program's one of the staff, OPS_PROGRAM */
	bool by_token; /* a program's */
	char session[PEOPLE_TOKEN_SIZE]; /* the cookie's token; empty for none */
	bool must_be_json; /* also when the body is empty */
	bool gzip; /* the body is packed */
	char *body; /* NUL-terminated; NULL when there is none */
	size_t size, capacity;
	size_t drained;
	/* The answer; nothing is answered yet while status is 0. */
	unsigned status;
	struct MHD_Response *response;
	const char *code; /* of an error, as below */
	char message[REQUEST_MESSAGE_SIZE];
	unsigned retry_s; /* Retry-After; 0: none */
	char allow[32]; /* the methods that would do, of a 405 */
	char cookie[REQUEST_COOKIE_SIZE]; /* Set-Cookie; empty: none */
	char detail[PEOPLE_DETAIL_SIZE]; /* of what was done */
};

/* --- libmicrohttpd's callbacks; cls is the server --- */

enum MHD_Result ops_request_take(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
				 const char *version, const char *data, size_t *size, void **context);
void ops_request_completed(void *cls, struct MHD_Connection *connection, void **context,
			   enum MHD_RequestTerminationCode why);
/* Leaves everything as it was: paths are decoded segment by segment, and nothing may hide in them. */
size_t ops_request_unescape(void *cls, struct MHD_Connection *connection, char *text);

/* --- for handlers: each of these gives the answer --- */

/* The object becomes the body; it is deleted. NULL: memory was short. */
void ops_answer(struct ops_request *q, unsigned status, cJSON *object);

/* The text, from malloc(), becomes the body. NULL: memory was short. */
void ops_answer_text(struct ops_request *q, unsigned status, char *text);

/* As above, of another Content-Type than application/json. */
void ops_answer_as(struct ops_request *q, unsigned status, const char *type, char *text);

/* {"error":{"code":...,"message":...}} */
void ops_refuse(struct ops_request *q, unsigned status, const char *code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void ops_refuse_memory(struct ops_request *q);

/* Whether a stream may begin; else it is refused, with 429 when there is no room. */
bool ops_may_stream(struct ops_request *q, bool room);

/* 429: it was asked too often, and may be asked again after wait_ms. */
void ops_refuse_often(struct ops_request *q, int64_t wait_ms, const char *what);

/* What the core's negative errno means. */
void ops_refuse_core(struct ops_request *q, int result, const struct ops_error *error);

/* --- what a request says --- */

/* The body as a JSON object, which the caller deletes; an empty body is an empty object. NULL: refused. */
cJSON *ops_request_object(struct ops_request *q);

/* A number of the query; *value stays when it is absent. False: refused. */
bool ops_request_number(struct ops_request *q, const char *name, uint64_t low, uint64_t high, uint64_t *value);

/* A text of the query, unescaped; empty when it is absent. False: refused. */
bool ops_request_text(struct ops_request *q, const char *name, char *text, size_t size);

/* A time of the query, which must be there. False: refused. */
bool ops_request_time(struct ops_request *q, const char *name, int64_t *wall_ms);

/* Undoes the escapes of a part of an URL. False when it does not fit, hides a NUL or has a wrong escape. */
bool ops_decode(const char *text, size_t length, char *decoded, size_t size);

/* Digits only, from low to high. */
bool ops_parse_number(const char *text, uint64_t low, uint64_t high, uint64_t *value);

/* --- routes --- */

/* Finds the route and judges who asks, by headers alone: fills route, name and what ops_who.h says, or refuses. */
void ops_route(struct ops_request *q, const char *method, const char *url);

#endif
