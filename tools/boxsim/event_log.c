/* tools/boxsim/event_log.c: see boxsim_log.h.
 *
 * Room: boxsim; this file needs libc only. */
#include "boxsim_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define EVENT_MAX 1024
#define BYTES_MAX 260

int event_log_open(struct event_log *log, const char *path)
{
	*log = (struct event_log){.fd = -1};
	if (path)
		log->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	return path && log->fd < 0 ? -errno : 0;
}

void event_log_close(struct event_log *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

static void write_event(struct event_log *log, int64_t mono_ms, const char *event, int outlet, const char *fields)
{
	char line[EVENT_MAX];
	char place[32] = "";
	if (log->fd < 0 || log->error)
		return;
	if (outlet != BOXSIM_NOBODY)
		snprintf(place, sizeof(place), ",\"outlet\":%d", outlet + 1);
	int length = snprintf(
		line, sizeof(line), "{\"mono_ms\":%" PRId64 ",\"event\":\"%s\"%s%s}\n", mono_ms, event, place, fields);
	ssize_t written = write(log->fd, line, (size_t)length);
	if (written < 0)
		log->error = -errno;
	else if (written < length)
		log->error = -ENOSPC;
}

void event_log_number(struct event_log *log, int64_t mono_ms, const char *event, int outlet, const char *key,
		      int64_t value)
{
	char fields[96];
	snprintf(fields, sizeof(fields), ",\"%s\":%" PRId64, key, value);
	write_event(log, mono_ms, event, outlet, fields);
}

void event_log_named(struct event_log *log, int64_t mono_ms, const char *event, int outlet, const char *name,
		     int64_t value)
{
	char fields[128];
	snprintf(fields, sizeof(fields), ",\"name\":\"%s\",\"value\":%" PRId64, name, value);
	write_event(log, mono_ms, event, outlet, fields);
}

/* Copies text with JSON's escapes; what does not fit is left out. */
static void escape(const char *text, char *out, size_t size)
{
	size_t at = 0;
	for (; *text && at + 8 < size; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\')
			at += (size_t)snprintf(out + at, size - at, "\\%c", c);
		else if (c < 0x20 || c > 0x7e)
			at += (size_t)snprintf(out + at, size - at, "\\u%04x", c);
		else
			out[at++] = (char)c;
	}
	out[at] = '\0';
}

void event_log_text(struct event_log *log, int64_t mono_ms, const char *event, int outlet, const char *key,
		    const char *text)
{
	char escaped[EVENT_MAX / 2];
	char fields[EVENT_MAX / 2 + 64];
	escape(text, escaped, sizeof(escaped));
	snprintf(fields, sizeof(fields), ",\"%s\":\"%s\"", key, escaped);
	write_event(log, mono_ms, event, outlet, fields);
}

void event_log_bytes(struct event_log *log, int64_t mono_ms, const char *event, int outlet, const uint8_t *bytes,
		     size_t count)
{
	char text[2 * BYTES_MAX + 1] = "";
	char fields[sizeof(text) + 16];
	for (size_t i = 0; i < count && i < BYTES_MAX; i++)
		snprintf(text + 2 * i, 3, "%02X", bytes[i]);
	snprintf(fields, sizeof(fields), ",\"bytes\":\"%s\"", text);
	write_event(log, mono_ms, event, outlet, fields);
}
