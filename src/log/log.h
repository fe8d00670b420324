/* src/log/log.h: structured lines on standard error, of every program that runs unattended.
 *
 * Room: src/log. "event=NAME key=value ...", behind the syslog priority where the journal reads, behind a time where a
 * person does. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_COUNT
};

/* error, warning, info, debug. */
extern const char *const log_level_words[LOG_LEVEL_COUNT];

/* Finds a level by its word. */
bool log_find_level(const char *word, enum log_level *level);

/* The least grave level that is written from now on. */
void log_set_level(enum log_level level);

/* One line. event is a word; format gives the rest, as key=value pairs; text values go through log_text(). */
void log_line(enum log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define LOG_TEXT_SIZE 512
struct log_text {
	char text[LOG_TEXT_SIZE];
};

/* A value in quotes, with quotes, backslashes and control characters escaped, cut to fit: log_text(s).text. */
struct log_text log_text(const char *value);

#endif
