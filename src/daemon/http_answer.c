/* src/daemon/http_answer.c: see http_answer.h. */
#include "http_answer.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wall_clock.h"

#define BODY_FIRST 1024
#define DATE_LENGTH 29 /* of "Sun, 06 Nov 1994 08:49:37 GMT" */
#define SECONDS_DIGITS_MAX 9
#define WAIT_MAX_MS INT64_C(86400000)
#define MS_PER_S 1000
#define DIGITS "0123456789"

void http_answer_begin(struct http_answer *answer, size_t max)
{
	free(answer->body);
	*answer = (struct http_answer){.max = max};
}

/* ---- the header ---- */

bool http_header_ends(const char *line, size_t length)
{
	return length == 0 || line[0] == '\r' || line[0] == '\n';
}

/* Keeps a field's value when the line has this name; one that does not fit is as if it were not there. */
static bool keep(char value[HTTP_FIELD_SIZE], const char *name, const char *line, size_t length)
{
	size_t name_length = strlen(name);
	if (length <= name_length || strncasecmp(line, name, name_length) != 0 || line[name_length] != ':')
		return false;
	const char *from = line + name_length + 1;
	const char *end = line + length;
	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (end > from && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
		end--;
	size_t value_length = (size_t)(end - from);
	if (value_length >= HTTP_FIELD_SIZE || memchr(from, '\0', value_length) != NULL)
		return false;
	memcpy(value, from, value_length);
	value[value_length] = '\0';
	return true;
}

size_t http_answer_on_header(char *line, size_t size, size_t count, void *ctx)
{
	struct http_answer *answer = ctx;
	size_t length = size * count;
	answer->header_length += length;
	if (answer->header_length > HTTP_HEADER_MAX) {
		answer->too_long = true;
		return 0;
	}
	if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) { /* what came before was only on the way */
		answer->content_type[0] = '\0';
		answer->retry_after[0] = '\0';
		answer->date[0] = '\0';
	}
	keep(answer->content_type, "Content-Type", line, length);
	keep(answer->retry_after, "Retry-After", line, length);
	if (keep(answer->date, "Date", line, length))
		answer->date_mono_ms = monotonic_now_ms();
	return length;
}

bool http_answer_is(const struct http_answer *answer, const char *type)
{
	size_t length = strcspn(answer->content_type, "; \t");
	return length == strlen(type) && strncasecmp(answer->content_type, type, length) == 0;
}

/* The one form that servers may send (RFC 9110, 5.6.7). 0 when it is not that. libcurl's own reader has a time_t of its
 * own on 32-bit boards. */
static int64_t read_date_ms(const char *text)
{
	struct tm tm = {0};
	const char *end = strlen(text) == DATE_LENGTH ? strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;
	if (end == NULL || *end != '\0')
		return 0;
	time_t seconds = timegm(&tm);
	return seconds > 0 ? (int64_t)seconds * MS_PER_S : 0;
}

int64_t http_answer_date_ms(const struct http_answer *answer, int64_t mono_ms)
{
	int64_t date_ms = read_date_ms(answer->date);
	return date_ms == 0 ? 0 : date_ms + (mono_ms - answer->date_mono_ms);
}

int64_t http_answer_retry_after_ms(const struct http_answer *answer)
{
	const char *text = answer->retry_after;
	size_t length = strlen(text);
	int64_t wait_ms;
	if (length > 0 && strspn(text, DIGITS) == length) {
		wait_ms = length > SECONDS_DIGITS_MAX ? WAIT_MAX_MS : strtoll(text, NULL, 10) * MS_PER_S;
	} else {
		int64_t until_ms = read_date_ms(text);
		int64_t date_ms = read_date_ms(answer->date);
		wait_ms = until_ms != 0 && date_ms != 0 && until_ms > date_ms ? until_ms - date_ms : 0;
	}
	return wait_ms < WAIT_MAX_MS ? wait_ms : WAIT_MAX_MS;
}

/* ---- the body ---- */

/* Doubles, up to max. */
static bool make_room(struct http_answer *answer, size_t wanted)
{
	size_t size = BODY_FIRST;
	while (size < answer->length)
		size *= 2;
	if (answer->body != NULL && wanted <= size)
		return true;
	while (size < wanted)
		size *= 2;
	char *body = realloc(answer->body, size);
	if (body != NULL)
		answer->body = body;
	return body != NULL;
}

size_t http_answer_on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	struct http_answer *answer = ctx;
	size_t length = size * count;
	answer->too_long = length > answer->max - answer->length;
	if (answer->too_long)
		return 0;
	answer->short_of_memory = !make_room(answer, answer->length + length);
	if (answer->short_of_memory)
		return 0;
	memcpy(answer->body + answer->length, bytes, length);
	answer->length += length;
	return length;
}
