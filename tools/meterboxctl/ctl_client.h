/* tools/meterboxctl/ctl_client.h: the control socket, seen from the tool.
 *
 * Room: meterboxctl; src/control, cJSON. What the daemon says is bounded and checked before anything believes it: a line
 * of at most CONTROL_ANSWER_MAX bytes, valid UTF-8 without control characters, one JSON object. */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "command.h"
#include "ctl_program.h"

#define CTL_ERROR_SIZE 400
#define CTL_ANSWER_MS 30000 /* how long an answer may take: a command's waits for the disk */

struct ctl_client {
	int fd; /* -1: not connected */
	char *buffer; /* CONTROL_ANSWER_MAX bytes and a NUL */
	size_t have; /* bytes in buffer */
	size_t taken; /* of them, those of the line that was returned last, its newline included */
	char box[BOX_ID_SIZE]; /* what hello said */
	char version[DETAIL_SIZE];
	char code[32]; /* of the last refusal */
	char error[CTL_ERROR_SIZE]; /* what went wrong, and what to do: printable */
};

/* Connects and says hello. CTL_GOOD, else the error is filled and nothing is to be closed. */
enum ctl_exit ctl_client_open(struct ctl_client *client, const char *path);

/* Allowed after a failed open, too. */
void ctl_client_close(struct ctl_client *client);

/* Sends {"call":name, ...arguments}; arguments is taken over and may be NULL for none. False when it could not be sent. */
bool ctl_client_send(struct ctl_client *client, const char *name, cJSON *arguments);

/* Reads what has come, without waiting. False when the connection is over or broken; the error says which. */
bool ctl_client_fill(struct ctl_client *client);

/* The next whole line that has come, without its newline: owned by the client, valid until the next fill. NULL when none
 * is there yet; NULL and *broken when what came is no line of the protocol. */
const char *ctl_client_next(struct ctl_client *client, bool *broken);

/* The line as an object that the caller frees. CTL_GOOD; CTL_REFUSED or CTL_UNREACHABLE with the error filled and no
 * object. */
enum ctl_exit ctl_client_parse(struct ctl_client *client, const char *line, cJSON **answer);

/* Sends one request and waits for its answer; *line, when not NULL, is the answer as it came, refusals included, or NULL.
 * Results as ctl_client_parse(). */
enum ctl_exit ctl_client_call(struct ctl_client *client, const char *name, cJSON *arguments, cJSON **answer,
			      const char **line);

#endif
