/* src/daemon/log.h: structured lines on standard error.
 *
 * Room: src/daemon. "event=NAME key=value ...", behind the syslog priority where the journal reads, behind a time where a
 * person does. */
#ifndef LOG_H
#define LOG_H

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_COUNT
};

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
