/* tools/meterboxctl/ctl_state.h: the box as the daemon's status tells it, checked.
 *
 * Room: meterboxctl; src/wire, cJSON. Every text in here is printable ASCII. */
#ifndef CTL_STATE_H
#define CTL_STATE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl_program.h"
#include "image.h"
#include "meter_state.h"
#include "progress.h"
#include "tariff.h"

#define CTL_BUSES_MAX 16 /* more than any box has */
#define CTL_WORD_SIZE 24
#define CTL_NAME_SIZE 65
#define CTL_DETAIL_SIZE 200
#define CTL_PATH_SIZE 256
#define CTL_STATUS_TEXTS_MAX (METER_STATUS_WORDS * 16)

struct ctl_ledger_state {
	char state[CTL_WORD_SIZE]; /* open, failing, unavailable */
	char error[CTL_DETAIL_SIZE];
	char id[CTL_NAME_SIZE];
	int64_t last_seq;
	int64_t durable_seq;
	int64_t accepted_seq;
};

struct ctl_server_state {
	bool present; /* false: the box has no server, and the rest is empty */
	char url[CTL_PATH_SIZE];
	char state[CTL_WORD_SIZE]; /* starting, connected, failing */
	char reason[CTL_WORD_SIZE];
	char detail[CTL_DETAIL_SIZE * 2];
	bool stream; /* commands can come */
	int64_t heard_ms_ago; /* -1: never */
	int64_t waiting; /* records */
};

struct ctl_session_state {
	bool present;
	char order[ORDER_SIZE];
	char account[ACCOUNT_SIZE];
	char kind[CTL_WORD_SIZE];
	char phase[CTL_WORD_SIZE];
};

/* -1 in a number, an empty text: not known. */
struct ctl_meter_state {
	char name[CTL_NAME_SIZE];
	char bus[CTL_NAME_SIZE];
	char protocol[CTL_WORD_SIZE];
	char model[CTL_NAME_SIZE];
	char address[CTL_WORD_SIZE];
	char serial[METER_SERIAL_SIZE];
	bool silent;
	char outcome[CTL_WORD_SIZE];
	int64_t asked;
	int64_t answered;
	int64_t age_ms;
	int64_t register_mwh;
	bool has_power;
	int64_t power_mw;
	int64_t current_ma;
	unsigned voltage_count;
	int64_t voltage_mv[METER_PHASES];
	int64_t frequency_mhz;
	bool has_clock;
	int64_t clock_ms;
	char clock[CTL_WORD_SIZE * 2];
	unsigned text_count; /* of what its status words say */
	char texts[CTL_STATUS_TEXTS_MAX][CTL_NAME_SIZE];
};

struct ctl_outlet_state {
	bool decided; /* false: without a ledger the box decides nothing yet, and all down to door is empty */
	struct progress progress;
	enum outlet_fault fault;
	bool out_of_service;
	char reserved_for[ACCOUNT_SIZE];
	struct ctl_session_state session;
	char breaker[CTL_WORD_SIZE];
	char contact[CTL_WORD_SIZE];
	char door[CTL_WORD_SIZE];
	int64_t rated_mw;
	int64_t overdraft_bound_mwh;
	struct ctl_meter_state meter;
};

struct ctl_bus_state {
	char name[CTL_NAME_SIZE];
	char device[CTL_DETAIL_SIZE];
	bool lost;
	char error[CTL_DETAIL_SIZE];
	int64_t cycle_ms;
	bool foreign;
};

struct ctl_state {
	char box[CTL_NAME_SIZE];
	char version[DETAIL_SIZE];
	char config[CTL_PATH_SIZE]; /* the daemon's, and where its ledger lives */
	char state_dir[CTL_PATH_SIZE];
	int64_t uptime_ms;
	char wall[CTL_WORD_SIZE * 2];
	int64_t wall_ms; /* 0: not known */
	enum time_quality quality;
	char time_source[CTL_WORD_SIZE]; /* who says so: ntp, system, server, meter, nobody */
	struct ctl_ledger_state ledger;
	struct ctl_server_state server;
	char metering_door[CTL_WORD_SIZE];
	bool local_sessions;
	unsigned outlet_count;
	struct ctl_outlet_state outlets[OUTLETS_MAX];
	unsigned bus_count;
	struct ctl_bus_state buses[CTL_BUSES_MAX];
};

struct ctl_state_error {
	char text[CTL_DETAIL_SIZE]; /* which field of the answer is wrong: printable */
};

/* Reads a status or watch answer. CTL_GOOD; CTL_UNREACHABLE with the error filled when it is not what control.h says. */
enum ctl_exit ctl_state_read(const cJSON *answer, struct ctl_state *state, struct ctl_state_error *error);

/* The bus of a meter, or NULL when the answer names none. */
const struct ctl_bus_state *ctl_state_bus(const struct ctl_state *state, const char *name);

/* Whether an outlet's meter is silent, or has never answered although the daemon has long asked. */
#define CTL_FIRST_ANSWER_MS 30000
bool ctl_meter_is_silent(const struct ctl_state *state, unsigned outlet);

/* Whether an outlet (its meter's bus included), or what all outlets share, has a fault that somebody must see to. */
bool ctl_outlet_is_wrong(const struct ctl_state *state, unsigned outlet);
bool ctl_box_is_wrong(const struct ctl_state *state);

#endif
