/* src/daemon/uplink_shell.h: the link between the heart's uplink logic and the operations server.
 *
 * Room: src/daemon. The heart decides when to talk and what counts (src/box/uplink.h); the shell has one POST at a time
 * and one stream of commands, and says what became of them. When the process ends nothing more is sent: all records are
 * durable, and the next process sends them. */
#ifndef UPLINK_SHELL_H
#define UPLINK_SHELL_H

#include "daemon.h"

#define UPLINK_DETAIL_SIZE 200

struct uplink_shell; /* opaque; owned by whoever started it */

/* How the link is, for people. */
struct uplink_report {
	const char *state; /* "starting", "connected" or "failing" */
	const char *reason; /* a word; "none" unless it is failing */
	const char *detail; /* a sentence of printable ASCII, or empty */
	int64_t heard_ms; /* monotonic, of the server's last good word; INT64_MIN: never */
	bool stream; /* commands can come */
};

/* d->config has a server. 0 or negative errno, logged. What is wrong with the token or a key is the report's to tell, and
 * looked at again each time that it is needed. */
int uplink_shell_start(struct daemon *d, struct uplink_shell **shell);

/* Drops what is under way. NULL is allowed. */
void uplink_shell_stop(struct uplink_shell *shell);

/* Does what the heart wants. Not from within a port. */
void uplink_shell_do(struct uplink_shell *shell, const struct uplink_request *request);

/* The ledger's answer; it stays the caller's. */
void uplink_shell_on_page(struct uplink_shell *shell, const struct ledger_page *page);

/* Reads the token and the key of commands again; a file that may not be used changes nothing. */
void uplink_shell_reload(struct uplink_shell *shell);

/* The texts are good until the loop's next event. */
void uplink_shell_report(const struct uplink_shell *shell, struct uplink_report *report);

#endif
