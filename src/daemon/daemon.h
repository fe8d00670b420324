/* src/daemon/daemon.h: the shell around the heart: what the files of the daemon share.
 *
 * Room: src/daemon. One thread decides (sd-event); the ledger and each bus have their own, reached through mailboxes. */
#ifndef DAEMON_H
#define DAEMON_H

#include <systemd/sd-event.h>

#include "bus.h"
#include "config.h"
#include "ledger_thread.h"
#include "wall_clock.h"

struct control_server;
struct uplink_shell;

/* What is known of an outlet's meter beside what the heart knows. */
struct daemon_meter {
	bool read; /* ever */
	struct meter_reading reading; /* the last, believed or not */
	bool silent;
	struct meter_state state;
};

struct daemon_bus {
	struct daemon *daemon;
	struct bus *bus;
	unsigned index;
	bool open;
	int error; /* negative errno while it is not open */
	int64_t foreign_ms; /* when a foreign frame was heard last; INT64_MIN: never */
	uint32_t preferred;
	unsigned outlets[BUS_METERS_MAX]; /* which outlet a meter belongs to */
};

/* The result of the command that the heart is being asked, as it passes on its way to the ledger. */
struct daemon_result {
	char id[COMMAND_ID_SIZE]; /* awaited; empty: none */
	bool found;
	enum command_outcome outcome;
	char detail[DETAIL_SIZE];
	uint64_t seq; /* of its record */
};

struct daemon {
	struct config config;
	sd_event *event;
	sd_event_source *timer; /* the heart's next deadline */
	struct wall_clock clock;
	int64_t started_ms;
	struct pins *pins;
	bool level_known[3][OUTLETS_MAX]; /* by enum pin_input: told to the heart when it begins */
	bool level[3][OUTLETS_MAX];
	struct daemon_bus buses[CONFIG_BUSES_MAX];
	struct daemon_meter meters[OUTLETS_MAX]; /* by outlet */
	struct ledger_thread *ledger;
	struct ledger_news news;
	struct box *box; /* NULL until the ledger is open */
	struct daemon_result result;
	struct control_server *control;
	struct uplink_shell *uplink; /* NULL without a server */
	bool stopping; /* only the disk is waited for */
	uint64_t changes; /* counts what may have changed for a watcher */
};

/* Runs until SIGTERM, SIGINT or a failure that a new process mends better. config is copied. Returns the exit code. */
int daemon_run(const struct config *config);

/* Asks the heart. False when its ledger has no room for the result now, or no heart beats yet: nothing happened. */
bool daemon_command(struct daemon *d, const struct command *command, struct daemon_result *result);

/* For the uplink's shell: tells the heart what happened on the link, or that the server commands something. What follows
 * from it waits for daemon_after(), so these may be called where libcurl does not like to be called back. The command is
 * answered with false when it cannot be taken now (box_on_command()). */
void daemon_uplink_event(struct daemon *d, const struct uplink_event *event);
bool daemon_server_command(struct daemon *d, const struct command *command, const struct command_origin *origin);

/* Ends every event: lets the link do what the heart now wants, and sets the heart's clock. */
void daemon_after(struct daemon *d);

/* The status line of the control protocol, "ok" included, without a newline; the caller frees it. NULL: out of memory. */
char *daemon_status(struct daemon *d);

#endif
