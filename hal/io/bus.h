/* hal/io/bus.h: one RS-485 port and the thread that asks its meters.
 *
 * Room: hal/core, libmodbus. The thread owns the port and libmodbus's context. What it learns goes into a bounded
 * mailbox; the owner drains it when bus_fd() is readable. Nothing else is shared. Every transaction ends by its own
 * deadline: turn-around + wire time + margin, whatever the line does. */
#ifndef HAL_IO_BUS_H
#define HAL_IO_BUS_H

#include <stdbool.h>

#include "meter_model.h"
#include "meter_state.h"

#define BUS_METERS_MAX 16
#define BUS_NAME_SIZE 33
#define BUS_DEVICE_SIZE 256
#define BUS_MAILBOX_MAX 64 /* messages that wait; when it is full the oldest is dropped: newer ones say more */

struct bus_meter {
	struct meter_model model;
	struct line_settings line; /* the model's, or the site's own */
	char address[13]; /* DL/T 645: up to 12 digits; Modbus: 1 to 247 */
	int utc_offset_minutes; /* of the meter's clock */
};

struct bus_config {
	char name[BUS_NAME_SIZE];
	char device[BUS_DEVICE_SIZE]; /* by-id paths survive another order of adapters */
	bool echo; /* the adapter hears itself: strip the echo of each question */
	unsigned meter_count; /* 1 to BUS_METERS_MAX */
	struct bus_meter meters[BUS_METERS_MAX];
};

enum bus_event {
	BUS_PORT_OPENED,
	BUS_PORT_LOST, /* error: negative errno. Said once; the port is opened again when it returns */
	BUS_READING, /* a trusted set: energy, power, current, and the serial number of whoever answered */
	BUS_STATE, /* slow quantities and counters have changed */
	BUS_METER_SILENT, /* a meter that answered does not any more (state.last says how); said once per silence */
	BUS_FOREIGN, /* a frame that nobody here asked for: another master is on the line; at most once a minute */
};

struct bus_message {
	enum bus_event event;
	unsigned meter; /* index into the configuration */
	int error;
	struct meter_reading reading; /* BUS_READING; clock_ms is 0 unless the clock was read since the last silence */
	struct meter_state state; /* BUS_STATE, BUS_METER_SILENT */
};

struct bus; /* opaque; owned by whoever started it */

/* Starts the thread; a port that cannot be opened yet is tried again, at most every second. config is copied. 0 or
 * negative errno. */
int bus_start(const struct bus_config *config, struct bus **bus);

/* Ends the thread, within one transaction's deadline, and frees everything. NULL is allowed. */
void bus_stop(struct bus *bus);

/* Readable when messages wait. Owned by the bus. */
int bus_fd(const struct bus *bus);

/* Takes the next message. False when none waits; then bus_fd() is not readable any more. */
bool bus_next(struct bus *bus, struct bus_message *message);

/* The meters (bit i: meter i) that are near their end: they are asked every other turn. */
void bus_prefer(struct bus *bus, uint32_t meters);

/* How long a cycle over all meters takes when all answer as usual, in milliseconds: the age that a reading may reach. */
int64_t bus_cycle_ms(const struct bus_config *config);

/* NULL for a usable configuration, else a sentence: which meter, what is wrong, what is allowed. */
const char *bus_config_fault(const struct bus_config *config, unsigned *meter);

#endif
