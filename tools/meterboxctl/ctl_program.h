/* tools/meterboxctl/ctl_program.h: what main.c and the subcommands share.
 *
 * Room: meterboxctl; this file needs libc only. One file per subcommand; main.c has the table of them. */
#ifndef CTL_PROGRAM_H
#define CTL_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

/* What the program ends with; meterboxctl(1) documents them. */
enum ctl_exit {
	CTL_GOOD,
	CTL_WRONG, /* something is wrong with the box or the ledger, or the work could not be done */
	CTL_USAGE,
	CTL_UNREACHABLE, /* no meterboxd, not permitted to speak with it, or it is not ready */
	CTL_REFUSED, /* meterboxd understood and refused */
};

/* The options that every subcommand has. */
struct ctl_options {
	const char *socket;
	const char *name; /* the technician */
	bool json;
};

/* A subcommand: argv[0] is the program, argv[1] the first word behind the subcommand; the common options are not in argv
 * any more. */
typedef enum ctl_exit ctl_run(const struct ctl_options *options, int argc, char *argv[]);

ctl_run ctl_status_command;
ctl_run ctl_watch_command;
ctl_run ctl_doctor_command;
ctl_run ctl_session_command;
ctl_run ctl_ledger_command;

/* Prints "meterboxctl: " and printf's text, a line, to standard error. Returns result. */
enum ctl_exit ctl_fail(enum ctl_exit result, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ctl_fail() with CTL_USAGE, and where help is. */
enum ctl_exit ctl_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Reads an outlet's number from 1 to 16. False, said on standard error, when text is none. */
bool ctl_read_outlet(const char *text, unsigned *outlet);

/* Fills a name such as "svc-0123456789abcdef" with 16 random hexadecimal digits behind prefix, which has at most 8
 * characters. False, said on standard error, when the system has no random numbers. */
#define CTL_RANDOM_NAME_SIZE 25
bool ctl_random_name(char name[CTL_RANDOM_NAME_SIZE], const char *prefix);

#endif
