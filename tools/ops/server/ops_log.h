/* tools/ops/server/ops_log.h: structured lines on standard error, in the form of the daemon's.
 *
 * Room: tools/ops/server. "event=NAME key=value ...", behind the syslog priority where the journal reads, behind a time
 * where a person does. */
#ifndef OPS_LOG_H
#define OPS_LOG_H

#include <stdarg.h>
#include <stdbool.h>

enum ops_log_level {
	OPS_LOG_ERROR,
	OPS_LOG_WARNING,
	OPS_LOG_INFO,
	OPS_LOG_DEBUG,
	OPS_LOG_LEVEL_COUNT
};

/* The least grave level that is written from now on. */
void ops_log_set_level(enum ops_log_level level);

/* Finds a level by its word: error, warning, info, debug. */
bool ops_log_find_level(const char *word, enum ops_log_level *level);

/* One line. event is a word; format gives the rest, as key=value pairs; text values go through ops_log_text(). */
void ops_log(enum ops_log_level level, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define OPS_LOG_TEXT_SIZE 512
struct ops_log_text {
	char text[OPS_LOG_TEXT_SIZE];
};

/* A value in quotes, with quotes, backslashes, control characters and bytes beyond ASCII escaped, cut to fit:
 * ops_log_text(s).text. */
struct ops_log_text ops_log_text(const char *value);

#endif
