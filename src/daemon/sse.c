/* src/daemon/sse.c: see sse.h. */
#include "sse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* A line of the longest data with its name, behind a byte order mark. Whatever else a line is, it is no longer. */
#define LINE_MAX_SIZE (sizeof BYTE_ORDER_MARK - 1 + sizeof "data: " - 1 + SSE_DATA_MAX)

struct sse {
	bool begun; /* the first line is through */
	bool after_cr; /* a line feed now belongs to the line's end before */
	bool broken; /* longer than allowed: nothing more is taken */
	char type[SSE_NAME_SIZE]; /* of the event that is being read; empty: none given */
	char id[SSE_ID_SIZE]; /* outlives the event */
	size_t line_length;
	size_t data_length; /* a line feed behind each line of data */
	char line[LINE_MAX_SIZE];
	char data[SSE_DATA_MAX + 1];
};

/* What became of a line or of bytes. */
enum progress_of_stream {
	STREAM_GOES_ON,
	STREAM_ENDED, /* by whoever takes the events; the parser may be freed already */
	STREAM_BROKEN,
};

struct sse *sse_new(void)
{
	return calloc(1, sizeof(struct sse));
}

void sse_free(struct sse *sse)
{
	free(sse);
}

static bool span_is(const char *bytes, size_t length, const char *text)
{
	return length == strlen(text) && memcmp(bytes, text, length) == 0;
}

/* Keeps a value as a text. One that does not fit, or with a NUL inside, is passed over as if its line were not there: cut,
 * it would be another value. */
static void keep(char *to, size_t size, const char *value, size_t length)
{
	if (length >= size || memchr(value, '\0', length) != NULL)
		return;
	memcpy(to, value, length);
	to[length] = '\0';
}

static enum progress_of_stream add_data(struct sse *sse, const char *value, size_t length)
{
	if (length + 1 > sizeof sse->data - sse->data_length)
		return STREAM_BROKEN;
	memcpy(sse->data + sse->data_length, value, length);
	sse->data_length += length;
	sse->data[sse->data_length++] = '\n';
	return STREAM_GOES_ON;
}

/* An empty line: the event is complete, if it has data. */
static enum progress_of_stream dispatch(struct sse *sse, bool (*take)(void *ctx, const struct sse_event *event),
					void *ctx)
{
	struct sse_event event = {.type = "message", .data = sse->data};
	size_t length = sse->data_length;
	if (sse->type[0] != '\0')
		memcpy(event.type, sse->type, sizeof event.type);
	sse->type[0] = '\0';
	sse->data_length = 0;
	if (length == 0)
		return STREAM_GOES_ON;
	memcpy(event.id, sse->id, sizeof event.id);
	event.length = length - 1;
	sse->data[event.length] = '\0';
	return take(ctx, &event) ? STREAM_GOES_ON : STREAM_ENDED;
}

/* `retry` is unknown here: when to try again is the uplink's own decision. */
static enum progress_of_stream take_field(struct sse *sse, const char *line, size_t length)
{
	const char *colon = memchr(line, ':', length);
	size_t name_length = colon == NULL ? length : (size_t)(colon - line);
	const char *value = colon == NULL ? line + length : colon + 1;
	size_t value_length = (size_t)(line + length - value);
	if (value_length > 0 && *value == ' ') {
		value++;
		value_length--;
	}
	if (span_is(line, name_length, "data"))
		return add_data(sse, value, value_length);
	if (span_is(line, name_length, "event"))
		keep(sse->type, sizeof sse->type, value, value_length);
	else if (span_is(line, name_length, "id"))
		keep(sse->id, sizeof sse->id, value, value_length);
	return STREAM_GOES_ON;
}

static enum progress_of_stream end_line(struct sse *sse, bool (*take)(void *ctx, const struct sse_event *event),
					void *ctx)
{
	const char *line = sse->line;
	size_t length = sse->line_length;
	size_t mark = sizeof BYTE_ORDER_MARK - 1;
	if (!sse->begun && length >= mark && memcmp(line, BYTE_ORDER_MARK, mark) == 0) {
		line += mark;
		length -= mark;
	}
	sse->begun = true;
	sse->line_length = 0;
	return length == 0 ? dispatch(sse, take, ctx) : take_field(sse, line, length);
}

/* A line ends with CR, LF or both; at a CR it ends at once, for what is sent last must not wait for the next byte. */
static enum progress_of_stream take_byte(struct sse *sse, char byte,
					 bool (*take)(void *ctx, const struct sse_event *event), void *ctx)
{
	bool within_end = sse->after_cr && byte == '\n';
	sse->after_cr = byte == '\r';
	if (within_end)
		return STREAM_GOES_ON;
	if (byte == '\r' || byte == '\n')
		return end_line(sse, take, ctx);
	if (sse->line_length == sizeof sse->line)
		return STREAM_BROKEN;
	sse->line[sse->line_length++] = byte;
	return STREAM_GOES_ON;
}

int sse_feed(struct sse *sse, const char *bytes, size_t count, bool (*take)(void *ctx, const struct sse_event *event),
	     void *ctx)
{
	if (sse->broken)
		return -EMSGSIZE;
	for (size_t i = 0; i < count; i++) {
		switch (take_byte(sse, bytes[i], take, ctx)) {
		case STREAM_GOES_ON:
			break;
		case STREAM_ENDED:
			return 0;
		case STREAM_BROKEN:
			sse->broken = true;
			return -EMSGSIZE;
		}
	}
	return 0;
}
