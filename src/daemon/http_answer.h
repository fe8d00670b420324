/* src/daemon/http_answer.h: what a server answers, taken in within limits.
 *
 * Room: src/daemon; libc. Its functions are libcurl's callbacks; they keep the few fields of the header that count and,
 * where somebody wants it, the body. */
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_HEADER_MAX 16384 /* bytes of all lines; no honest server needs a tenth */
#define HTTP_FIELD_SIZE 64

struct http_answer {
	size_t header_length;
	char content_type[HTTP_FIELD_SIZE];
	char retry_after[HTTP_FIELD_SIZE];
	char date[HTTP_FIELD_SIZE];
	int64_t date_mono_ms; /* when `date` came in */
	char *body; /* not NUL-terminated; owned */
	size_t length;
	size_t max; /* bytes of body that are taken */
	bool too_long; /* header or body: the rest was refused */
	bool short_of_memory;
};

/* Ready for a new answer of at most max bytes; frees the one before. Zeroed is ready as well. */
void http_answer_begin(struct http_answer *answer, size_t max);

/* CURLOPT_HEADERFUNCTION and CURLOPT_WRITEFUNCTION; ctx is the answer. 0 ends the transfer. */
size_t http_answer_on_header(char *line, size_t size, size_t count, void *ctx);
size_t http_answer_on_body(char *bytes, size_t size, size_t count, void *ctx);

/* Whether a line of the header ends it. */
bool http_header_ends(const char *line, size_t length);

/* Whether the body is of a media type, whatever its parameters. */
bool http_answer_is(const struct http_answer *answer, const char *type);

/* The answer's Date as Unix time, advanced to mono_ms; 0 when there is none. */
int64_t http_answer_date_ms(const struct http_answer *answer, int64_t mono_ms);

/* For how long the server wants to be left alone, at most a day; 0 when it does not say. A date counts from the answer's
 * own Date: our clock may know nothing. */
int64_t http_answer_retry_after_ms(const struct http_answer *answer);

#endif
