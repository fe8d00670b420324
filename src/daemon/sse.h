/* src/daemon/sse.h: server-sent events, taken apart byte by byte as they come (WHATWG HTML, section 9.2).
 *
 * Room: src/daemon; libc only. */
#ifndef SSE_H
#define SSE_H

#include <stdbool.h>
#include <stddef.h>

#define SSE_DATA_MAX 16384 /* bytes of one event's data, and of one line */
#define SSE_NAME_SIZE 33 /* of an event's type */
#define SSE_ID_SIZE 33

struct sse_event {
	char type[SSE_NAME_SIZE]; /* "message" when the stream does not say */
	char id[SSE_ID_SIZE]; /* the last one given, by this event or one before; empty: none */
	const char *data; /* NUL-terminated; valid during the call */
	size_t length;
};

struct sse; /* opaque */

/* NULL when memory is short. */
struct sse *sse_new(void);
void sse_free(struct sse *sse); /* NULL is allowed */

/* Takes count bytes, split anywhere, and calls `take` for each event that they complete; events without data, comments
 * and unknown fields are passed over. `take` returns false to end early; then the parser is not used any more.
 * 0; -EMSGSIZE when a line or an event's data is longer than the limits: the stream is useless then. */
int sse_feed(struct sse *sse, const char *bytes, size_t count, bool (*take)(void *ctx, const struct sse_event *event),
	     void *ctx);

#endif
