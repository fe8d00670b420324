/* src/log/log.c: see log.h.
 *
 * Room: src/log; libc only. No state but the level: any thread may write a line, whole. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define LINE_SIZE 2048 /* with its newline; a longer line is cut and ends with "..." */
#define HEAD_SIZE 64
#define MS_IN_NS 1000000

const char *const log_level_words[LOG_LEVEL_COUNT] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

/* As syslog counts them, in the form that the journal reads. */
static const char *const priorities[LOG_LEVEL_COUNT] = {
	[LOG_LEVEL_ERROR] = "<3>",
	[LOG_LEVEL_WARNING] = "<4>",
	[LOG_LEVEL_INFO] = "<6>",
	[LOG_LEVEL_DEBUG] = "<7>",
};

static _Atomic enum log_level least_grave = LOG_LEVEL_INFO;
static _Atomic unsigned lost; /* lines since the last that was written */

bool log_find_level(const char *word, enum log_level *level)
{
	for (unsigned i = 0; i < LOG_LEVEL_COUNT; i++) {
		if (strcmp(log_level_words[i], word) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

void log_set_level(enum log_level level)
{
	least_grave = level;
}

/* As systemd.exec(5) tells: $JOURNAL_STREAM names the journal's socket by device and inode, and is inherited by children
 * whose standard error may be another. Asked for each line: there is nothing to keep, and nothing to be out of date. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat status;
	char own[HEAD_SIZE];
	if (!stream || fstat(STDERR_FILENO, &status) < 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
	return strcmp(own, stream) == 0;
}

/* "2026-01-31T23:59:59.123+01:00 level=info ". */
static size_t write_time(char *line, size_t size, enum log_level level)
{
	struct timespec now;
	struct tm local;
	char time[HEAD_SIZE] = "-"; /* a clock beyond the calendar */
	clock_gettime(CLOCK_REALTIME, &now);
	if (localtime_r(&now.tv_sec, &local)) {
		long minutes = local.tm_gmtoff / 60;
		long distance = minutes < 0 ? -minutes : minutes;
		size_t used = strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &local);
		snprintf(time + used,
			 sizeof(time) - used,
			 ".%03ld%c%02ld:%02ld",
			 now.tv_nsec / MS_IN_NS,
			 minutes < 0 ? '-' : '+',
			 distance / 60,
			 distance % 60);
	}
	int length = snprintf(line, size, "%s level=%s ", time, log_level_words[level]);
	return length < 0 ? 0 : (size_t)length;
}

/* A line stays a line: what would end it, or move a terminal's cursor, becomes a space. */
static void blank_controls(char *line, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
}

/* There is no second place to say that the first one does not take a line, and no line is worth a breaker's time: what
 * cannot be written at once (a terminal held with Ctrl-S, a reader that hangs) is lost, and how much is said later.
 * A pipe that is ready takes a line of this size without waiting. */
static void write_line(const char *line, size_t length)
{
	struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
	char told[HEAD_SIZE];
	if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) {
		lost++;
		return;
	}
	unsigned count = atomic_exchange(&lost, 0);
	if (count > 0) {
		int size = snprintf(told, sizeof(told), "event=log_lost lines=%u\n", count);
		ssize_t written = write(STDERR_FILENO, told, (size_t)size);
		(void)written;
	}
	ssize_t written = write(STDERR_FILENO, line, length);
	(void)written;
}

void log_line(enum log_level level, const char *event, const char *format, ...)
{
	static const char cut[] = "...";
	char line[LINE_SIZE];
	size_t used = 0, size = sizeof(line) - 1; /* the newline's place is kept */
	va_list arguments;
	if (level > least_grave)
		return;
	if (is_journal())
		used += (size_t)snprintf(line, size, "%s", priorities[level]);
	else
		used += write_time(line, size, level);
	int length = snprintf(line + used, size - used, "event=%s%s", event, format[0] != '\0' ? " " : "");
	used += length < 0 ? 0 : (size_t)length;
	if (used < size) {
		va_start(arguments, format);
		length = vsnprintf(line + used, size - used, format, arguments);
		va_end(arguments);
		used += length < 0 ? 0 : (size_t)length;
	}
	if (used >= size) {
		used = size - 1;
		memcpy(line + used - strlen(cut), cut, strlen(cut));
	}
	blank_controls(line, used);
	line[used++] = '\n';
	int saved = errno;
	write_line(line, used);
	errno = saved;
}

/* How one byte is written within quotes. */
static size_t escape(unsigned char byte, char escaped[5])
{
	if (byte == '"' || byte == '\\')
		return (size_t)snprintf(escaped, 5, "\\%c", byte);
	if (byte == '\n')
		return (size_t)snprintf(escaped, 5, "\\n");
	/* Bytes beyond ASCII, too: nobody has promised that they are text. */
	if (byte < ' ' || byte > '~')
		return (size_t)snprintf(escaped, 5, "\\x%02x", byte);
	escaped[0] = (char)byte;
	return 1;
}

struct log_text log_text(const char *value)
{
	static const char cut[] = "...\"";
	struct log_text text;
	char escaped[5];
	size_t used = 0, whole = 0; /* whole: up to here it can be cut and ended */
	text.text[used++] = '"';
	whole = used;
	for (; *value; value++) {
		size_t length = escape((unsigned char)*value, escaped);
		if (used + length + 2 > sizeof(text.text)) {
			snprintf(text.text + whole, sizeof(text.text) - whole, "%s", cut);
			return text;
		}
		memcpy(text.text + used, escaped, length);
		used += length;
		if (used + sizeof(cut) <= sizeof(text.text))
			whole = used;
	}
	text.text[used++] = '"';
	text.text[used] = '\0';
	return text;
}
