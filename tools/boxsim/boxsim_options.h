/* tools/boxsim/boxsim_options.h: what the command line says about the box.
 *
 * Room: boxsim; this file needs the plant and hal/core. */
#ifndef BOXSIM_OPTIONS_H
#define BOXSIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "dlt645.h"
#include "plant.h"

#define BOXSIM_BUSES_MAX 4
#define BOXSIM_REGISTER_MAX_MWH INT64_C(999999990000) /* 999999.99 kWh: what eight digits can show */
#define BOXSIM_STEP_MAX_WH 100000
#define BOXSIM_TURNAROUND_MAX_MS 60000
#define BOXSIM_RATING_MAX_MS 60000

enum meter_kind {
	METER_KIND_DLT645,
	METER_KIND_SDM120,
};

struct meter_spec {
	enum meter_kind kind;
	uint8_t address[DLT645_ADDRESS_BYTES]; /* of a DL/T 645 meter, as on the wire */
	uint8_t slave; /* of a Modbus meter, 1 to 247 */
	unsigned bus; /* from 0 */
	unsigned baud;
	unsigned rates; /* DL/T 645: in the energy block behind its total, 0 or 4 */
	int64_t turnaround_ms;
	int64_t step_mwh;
	int64_t register_mwh; /* at the beginning, unless the state file knows better */
	char serial[METER_SERIAL_SIZE];
};

struct options {
	unsigned outlet_count;
	unsigned bus_count;
	unsigned meter_count; /* given; the others have their defaults */
	const char *pins; /* paths are the argument vector's; NULL: not asked for */
	const char *buses[BOXSIM_BUSES_MAX];
	const char *state;
	const char *log;
	const char *scenario;
	bool no_door; /* user boxes have no door switch */
	bool no_contact; /* breakers have no auxiliary contact that the board could see */
	bool latching;
	bool log_bus;
	bool picture;
	int64_t lock_rating_ms;
	struct meter_spec meters[PLANT_OUTLETS_MAX];
};

enum options_outcome {
	OPTIONS_RUN,
	OPTIONS_DONE, /* help or version was printed */
	OPTIONS_WRONG, /* what is wrong, and what is allowed, was printed on standard error */
};

enum options_outcome options_read(int argc, char *argv[], struct options *options);

#endif
