/* hal/io/bus_modbus.c: one question in Modbus RTU, by libmodbus on a port that is ours.
 *
 * Room: hal/core, libmodbus. The context never connects: it borrows the descriptor. byte_timeout 0 makes
 * response_timeout the bound of the whole answer, and nobody may call modbus_close() on it: it would zero the line's
 * settings and close the port. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus_internal.h"

#define QUESTION_BYTES 8
#define CRC_BYTES 2
#define ANSWER_OVERHEAD 5 /* slave, function, count, CRC */
#define ANSWER_HEAD 3
#define FUNCTION_HOLDING 3

size_t bus_modbus_bytes(unsigned registers)
{
	return QUESTION_BYTES + ANSWER_OVERHEAD + 2 * (size_t)registers;
}

/* What libmodbus's errno says about the meter, or negative errno when the port is lost. */
static int outcome_of(int error, struct answer *answer)
{
	if (error == ETIMEDOUT)
		return METER_TIMED_OUT;
	if (error >= MODBUS_ENOBASE && error < EMBBADCRC) {
		answer->error = (unsigned)(error - MODBUS_ENOBASE);
		return METER_REFUSED;
	}
	if (error >= EMBBADCRC || error == EMBBADDATA)
		return METER_GARBLED;
	return error == ECONNRESET || error == 0 ? -EIO : -error;
}

static void take_registers(const uint16_t *registers, unsigned count, struct answer *answer)
{
	for (unsigned i = 0; i < count; i++) {
		answer->bytes[2 * i] = (uint8_t)(registers[i] >> 8);
		answer->bytes[2 * i + 1] = (uint8_t)registers[i];
	}
	answer->size = 2 * (size_t)count;
	answer->arrived_ms = tty_now_ms();
}

/* The adapter hears itself: its echo comes first, with the CRC that libmodbus has added and does not tell. The question's
 * bytes before it are compared. An enum meter_outcome or negative errno. */
static int strip_echo(struct port *port, const uint8_t question[QUESTION_BYTES - CRC_BYTES], int64_t deadline_ms)
{
	uint8_t bytes[QUESTION_BYTES];
	size_t heard = 0;
	while (heard < sizeof bytes) {
		int got = tty_read(port->fd, bytes + heard, sizeof bytes - heard, deadline_ms);
		if (got < 0)
			return got;
		if (got == 0)
			return heard == 0 ? METER_TIMED_OUT : METER_GARBLED;
		heard += (size_t)got;
	}
	return memcmp(bytes, question, QUESTION_BYTES - CRC_BYTES) == 0 ? METER_ANSWERED : METER_GARBLED;
}

static int ask_with_echo(struct port *port, int slave, uint8_t function, uint16_t address, unsigned registers,
			 int64_t deadline_ms, struct answer *answer)
{
	uint8_t question[QUESTION_BYTES - CRC_BYTES] = {
		(uint8_t)slave, function, (uint8_t)(address >> 8), (uint8_t)address, 0, (uint8_t)registers};
	uint8_t reply[MODBUS_RTU_MAX_ADU_LENGTH];
	if (modbus_send_raw_request(port->modbus, question, sizeof question) < 0)
		return outcome_of(errno, answer);
	int result = strip_echo(port, question, deadline_ms);
	if (result != METER_ANSWERED)
		return result;
	int length = modbus_receive_confirmation(port->modbus, reply);
	if (length < 0)
		return outcome_of(errno, answer);
	if (length == ANSWER_OVERHEAD && reply[1] == (function | 0x80)) {
		answer->error = reply[2];
		return METER_REFUSED;
	}
	if (length != (int)(ANSWER_OVERHEAD + 2 * registers) || reply[0] != slave || reply[1] != function ||
	    reply[2] != 2 * registers)
		return METER_GARBLED;
	memcpy(answer->bytes, reply + ANSWER_HEAD, 2 * (size_t)registers);
	answer->size = 2 * (size_t)registers;
	answer->arrived_ms = tty_now_ms();
	return METER_ANSWERED;
}

static int ask(struct port *port, uint8_t function, uint16_t address, unsigned registers, struct answer *answer)
{
	uint16_t values[MODBUS_MAX_READ_REGISTERS];
	int got = function == FUNCTION_HOLDING ?
			  modbus_read_registers(port->modbus, address, (int)registers, values) :
			  modbus_read_input_registers(port->modbus, address, (int)registers, values);
	if (got < 0)
		return outcome_of(errno, answer);
	take_registers(values, registers, answer);
	return METER_ANSWERED;
}

int bus_ask_modbus(struct port *port, const struct bus_meter *meter, uint8_t function, uint16_t address,
		   unsigned registers, struct answer *answer)
{
	int slave = atoi(meter->address); /* bus_config_fault() has seen that it is 1 to 247 */
	int result = bus_prepare(port, meter);
	if (result < 0)
		return result;
	int64_t patience_ms =
		tty_wire_ms(&meter->line, bus_modbus_bytes(registers)) + meter->model.turnaround_ms + BUS_MARGIN_MS;
	modbus_set_slave(port->modbus, slave);
	modbus_set_socket(port->modbus, port->fd);
	modbus_set_response_timeout(
		port->modbus, (uint32_t)(patience_ms / 1000), (uint32_t)(patience_ms % 1000) * 1000);
	modbus_set_byte_timeout(port->modbus, 0, 0);
	result = port->echo ?
			 ask_with_echo(port, slave, function, address, registers, tty_now_ms() + patience_ms, answer) :
			 ask(port, function, address, registers, answer);
	modbus_set_socket(port->modbus, -1);
	return result;
}
