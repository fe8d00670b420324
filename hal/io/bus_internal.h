/* hal/io/bus_internal.h: one question on the line, for the files of the bus only.
 *
 * Room: hal/core, libmodbus. */
#ifndef HAL_IO_BUS_INTERNAL_H
#define HAL_IO_BUS_INTERNAL_H

#include <modbus/modbus.h>

#include "bus.h"
#include "dlt645.h"
#include "tty.h"

/* Beside turn-around and wire time, for the adapter's and the kernel's buffers. */
#define BUS_MARGIN_MS 60

struct port {
	int fd; /* negative: closed */
	bool echo;
	bool configured;
	struct line_settings line; /* as configured */
	modbus_t *modbus; /* never connected: it borrows fd for each question */
	struct dlt645_parser parser;
	struct dlt645_frame sent; /* the last question in DL/T 645: its echo is nobody else's */
	bool foreign; /* a frame of another master was seen since this was reset */
	uint8_t addresses[BUS_METERS_MAX][DLT645_ADDRESS_BYTES]; /* of our DL/T 645 meters */
	unsigned address_count;
};

struct answer {
	uint8_t bytes[DLT645_DATA_MAX]; /* Modbus: the registers, high byte first */
	size_t size;
	unsigned error; /* with METER_REFUSED */
	int64_t arrived_ms; /* its last byte */
};

/* Each asks one question and waits for its answer, at most turn-around + wire time + margin. size: the bytes expected.
 * An enum meter_outcome, or negative errno when the port is lost. */
int bus_ask_dlt645(struct port *port, const struct bus_meter *meter, uint32_t di, size_t size, struct answer *answer);
int bus_ask_modbus(struct port *port, const struct bus_meter *meter, uint8_t function, uint16_t address,
		   unsigned registers, struct answer *answer);

/* Takes what came unasked and looks whether another master sent it (port->foreign). While port->parser holds bytes after
 * it, a frame is under way. 0 or negative errno. */
int bus_listen(struct port *port);

/* Listens, sets the line for the meter if the last question wanted another, and drops the rest. 0 or negative errno. */
int bus_prepare(struct port *port, const struct bus_meter *meter);

/* How many bytes question and answer have on the line. */
size_t bus_dlt645_bytes(size_t size);
size_t bus_modbus_bytes(unsigned registers);

#endif
