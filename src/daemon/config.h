/* src/daemon/config.h: the configuration file, checked.
 *
 * Room: src/daemon. INI as inih reads it; etc/meterboxd.conf is the commented sample, meterboxd.conf(5) the reference.
 * Whatever is loaded is complete and free of contradictions: nobody checks it again. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdio.h>

#include "box.h"
#include "bus.h"
#include "log.h"
#include "pins.h"

#define CONFIG_BUSES_MAX 4
#define CONFIG_PATH_SIZE 256
#define CONFIG_ERROR_SIZE 400
#define CONFIG_FILE_MAX (256 * 1024)

struct config_error {
	char text[CONFIG_ERROR_SIZE]; /* "FILE:LINE: [section] key: what is wrong; what is allowed" */
};

struct config_meter {
	char name[METER_NAME_SIZE]; /* of its section */
	char model_path[CONFIG_PATH_SIZE];
	unsigned bus; /* index into buses */
	unsigned index; /* in that bus */
};

/* The operations server. */
struct config_server {
	char url[CONFIG_PATH_SIZE]; /* without a slash at its end; empty: the box has no server */
	bool secure; /* https */
	char token_file[CONFIG_PATH_SIZE];
	char ca_file[CONFIG_PATH_SIZE]; /* empty with http only */
	char command_key_file[CONFIG_PATH_SIZE]; /* empty with insecure_commands only */
};

struct config {
	char path[CONFIG_PATH_SIZE]; /* where it was read */
	char state_dir[CONFIG_PATH_SIZE];
	char control_socket[PINS_PATH_SIZE];
	char control_group[33]; /* who may open it beside root; empty: nobody */
	enum log_level log_level;
	bool local_sessions; /* a box without a server: technicians may authorize and grant credit */
	bool trust_system_clock; /* it is kept right by something that the kernel does not know of */
	struct config_server server; /* its times are in box.uplink, which is disabled without one */
	struct box_config box; /* the heart's, complete with reading_age_ms of the slowest bus */
	struct pins_config pins;
	unsigned bus_count;
	struct bus_config buses[CONFIG_BUSES_MAX];
	struct config_meter meters[OUTLETS_MAX]; /* of each outlet */
};

/* Reads and checks a file. 0; -EINVAL when it is wrong; -EFBIG; -ENOMEM; or open()'s negative errno. *config is
 * filled only with 0. */
int config_load(const char *path, struct config *config, struct config_error *error);

/* Prints what was understood, defaults included, with each outlet's overdraft bound and each bus's cycle; as text for
 * people or as one JSON object. False when writing failed. */
bool config_print(FILE *out, const struct config *config, bool json);

/* The first difference that a running daemon cannot take over, as "[section] key", or NULL. What it can: log_level,
 * local_sessions, trust_system_clock, and the times of [limits] but input_settle_ms. The text is good until the next
 * call. */
const char *config_needs_restart(const struct config *running, const struct config *wanted);

#endif
