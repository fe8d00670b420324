/* tools/ops/server/ops_log.c: see ops_log.h.
 *
 * Room: tools/ops/server; libc only. */
#include "ops_log.h"

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE 2048 /* with its newline; a longer line is cut */
#define HEAD_SIZE 64
#define MS_IN_NS 1000000

static const struct {
	const char *word;
	const char *priority; /* as syslog counts them, in the form that the journal reads */
} levels[OPS_LOG_LEVEL_COUNT] = {
	[OPS_LOG_ERROR] = {"error", "<3>"},
	[OPS_LOG_WARNING] = {"warning", "<4>"},
	[OPS_LOG_INFO] = {"info", "<6>"},
	[OPS_LOG_DEBUG] = {"debug", "<7>"},
};

static enum ops_log_level least_grave = OPS_LOG_INFO;
static unsigned lost; /* lines since the last that was written */

void ops_log_set_level(enum ops_log_level level)
{
	least_grave = level;
}

bool ops_log_find_level(const char *word, enum ops_log_level *level)
{
	for (unsigned i = 0; i < OPS_LOG_LEVEL_COUNT; i++) {
		if (strcmp(levels[i].word, word) == 0) {
			*level = (enum ops_log_level)i;
			return true;
		}
	}
	return false;
}

/* As systemd.exec(5) tells: $JOURNAL_STREAM names the journal's socket by device and inode. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char own[HEAD_SIZE];
	if (stream == NULL || fstat(STDERR_FILENO, &status) < 0)
		return false;
	snprintf(own, sizeof own, "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	return strcmp(own, stream) == 0;
}

/* "2026-01-31T23:59:59.123Z level=info ". */
static int write_time(char *line, size_t size, enum ops_log_level level)
{
	struct timespec now;
	struct tm utc;
	char time[HEAD_SIZE] = "-"; /* a clock beyond the calendar */
	clock_gettime(CLOCK_REALTIME, &now);
	if (gmtime_r(&now.tv_sec, &utc) != NULL)
		strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &utc);
	return snprintf(line, size, "%s.%03ldZ level=%s ", time, now.tv_nsec / MS_IN_NS, levels[level].word);
}

/* There is no second place to say that the first one does not take a line, and no line is worth the boxes' time: what
 * cannot be written at once is lost, and how much is said later. */
static void write_line(const char *line, size_t length)
{
	struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
	char told[HEAD_SIZE];
	if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) {
		lost++;
		return;
	}
	if (lost > 0) {
		int size = snprintf(told, sizeof told, "event=log_lost lines=%u\n", lost);
		ssize_t written = write(STDERR_FILENO, told, (size_t)size);
		(void)written;
	}
	lost = 0;
	ssize_t written = write(STDERR_FILENO, line, length);
	(void)written;
}

void ops_log(enum ops_log_level level, const char *event, const char *format, ...)
{
	char line[LINE_SIZE];
	size_t size = sizeof line - 1; /* the newline's place is kept */
	va_list arguments;
	if (level > least_grave)
		return;
	size_t used = (size_t)(is_journal() ? snprintf(line, size, "%s", levels[level].priority) :
					      write_time(line, size, level));
	used += (size_t)snprintf(line + used, size - used, "event=%s%s", event, format[0] != '\0' ? " " : "");
	va_start(arguments, format);
	int length = vsnprintf(line + used, size - used, format, arguments);
	va_end(arguments);
	used += length < 0 ? 0 : (size_t)length;
	if (used > size - 1)
		used = size - 1;
	for (size_t i = 0; i < used; i++) /* a line stays a line */
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
	line[used++] = '\n';
	write_line(line, used);
}

/* How one byte is written within quotes. */
static size_t escape(unsigned char byte, char escaped[5])
{
	if (byte == '"' || byte == '\\')
		return (size_t)snprintf(escaped, 5, "\\%c", byte);
	if (byte < ' ' || byte > '~')
		return (size_t)snprintf(escaped, 5, "\\x%02x", byte);
	escaped[0] = (char)byte;
	return 1;
}

struct ops_log_text ops_log_text(const char *value)
{
	struct ops_log_text text;
	char escaped[5];
	size_t used = 0;
	size_t room = sizeof text.text - sizeof "...\"";
	text.text[used++] = '"';
	for (; *value != '\0'; value++) {
		size_t length = escape((unsigned char)*value, escaped);
		if (used + length > room)
			break;
		memcpy(text.text + used, escaped, length);
		used += length;
	}
	snprintf(text.text + used, sizeof text.text - used, "%s\"", *value == '\0' ? "" : "...");
	return text;
}
