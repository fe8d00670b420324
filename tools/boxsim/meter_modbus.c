/* tools/boxsim/meter_modbus.c: an Eastron SDM120: libmodbus is the slave.
 *
 * Room: boxsim; this file needs the plant and libmodbus. The slave hangs on one end of a socket pair: the line puts a
 * question into the other and takes the answer out, so that the line's faults act on it too. */
#include <errno.h>
#include <fcntl.h>
#include <modbus/modbus.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "boxsim_meter.h"

/* libmodbus waits this long for bytes that are there already, and before it refuses a nonsensical count. */
#define PATIENCE_US 1000
#define SERIAL_REGISTER 0xFC00
#define QUESTION_SHORT 8
#define QUESTION_LONG 9 /* and its bytes */

enum block {
	BLOCK_VOLTAGE,
	BLOCK_CURRENT,
	BLOCK_POWER,
	BLOCK_POWER_FACTOR,
	BLOCK_FREQUENCY_IMPORT,
	BLOCK_TOTAL,
	BLOCK_COUNT
};

/* Input registers that lie together. What is in none of these the meter refuses as an illegal address. */
static const struct {
	uint16_t first;
	uint16_t count;
} blocks[BLOCK_COUNT] = {
	[BLOCK_VOLTAGE] = {0x0000, 2},
	[BLOCK_CURRENT] = {0x0006, 2},
	[BLOCK_POWER] = {0x000C, 2},
	[BLOCK_POWER_FACTOR] = {0x001E, 2},
	[BLOCK_FREQUENCY_IMPORT] = {0x0046, 4},
	[BLOCK_TOTAL] = {0x0156, 2},
};

struct meter_modbus {
	modbus_t *slave;
	int near; /* the line's end */
	int far; /* the slave's */
	modbus_mapping_t *inputs[BLOCK_COUNT];
	modbus_mapping_t *serial;
	modbus_mapping_t *nothing;
};

/* --- the slave --- */

static int start_slave(struct meter_modbus *m, const struct meter_spec *spec)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	m->near = ends[0];
	m->far = ends[1];
	if (fcntl(m->near, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	m->slave = modbus_new_rtu("none", (int)spec->baud, 'N', 8, 1); /* never opened */
	if (!m->slave)
		return -errno;
	if (modbus_set_slave(m->slave, spec->slave) < 0 || modbus_set_socket(m->slave, m->far) < 0 ||
	    modbus_set_response_timeout(m->slave, 0, PATIENCE_US) < 0 ||
	    modbus_set_byte_timeout(m->slave, 0, PATIENCE_US) < 0 ||
	    modbus_set_indication_timeout(m->slave, 0, PATIENCE_US) < 0)
		return -errno;
	return 0;
}

static int start_mappings(struct meter_modbus *m)
{
	bool good = true;
	for (unsigned i = 0; i < BLOCK_COUNT; i++) {
		m->inputs[i] = modbus_mapping_new_start_address(0, 0, 0, 0, 0, 0, blocks[i].first, blocks[i].count);
		good = good && m->inputs[i];
	}
	m->serial = modbus_mapping_new_start_address(0, 0, 0, 0, SERIAL_REGISTER, 2, 0, 0);
	m->nothing = modbus_mapping_new_start_address(0, 0, 0, 0, 0, 0, 0, 0);
	return good && m->serial && m->nothing ? 0 : -ENOMEM;
}

int meter_modbus_start(struct meter *meter)
{
	struct meter_modbus *m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->near = -1;
	m->far = -1;
	meter->modbus = m;
	int rc = start_slave(m, meter->spec);
	if (rc == 0)
		rc = start_mappings(m);
	if (rc < 0)
		meter_modbus_stop(meter);
	return rc;
}

static void free_mapping(modbus_mapping_t *mapping)
{
	if (mapping)
		modbus_mapping_free(mapping);
}

void meter_modbus_stop(struct meter *meter)
{
	struct meter_modbus *m = meter->modbus;
	if (!m)
		return;
	for (unsigned i = 0; i < BLOCK_COUNT; i++)
		free_mapping(m->inputs[i]);
	free_mapping(m->serial);
	free_mapping(m->nothing);
	if (m->slave) {
		modbus_set_socket(m->slave, -1);
		modbus_free(m->slave);
	}
	if (m->near >= 0)
		close(m->near);
	if (m->far >= 0)
		close(m->far);
	free(m);
	meter->modbus = NULL;
}

/* --- registers --- */

static void put_u32(uint16_t *registers, uint32_t bits)
{
	registers[0] = (uint16_t)(bits >> 16);
	registers[1] = (uint16_t)bits;
}

static void put_float(uint16_t *registers, double number)
{
	float single = (float)number;
	uint32_t bits;
	_Static_assert(sizeof(bits) == sizeof(single), "an IEEE 754 single");
	memcpy(&bits, &single, sizeof(bits));
	put_u32(registers, bits);
}

static void fill(const struct meter_modbus *m, const struct meter_reading *reading)
{
	double kwh = (double)reading->register_mwh / 1e6;
	char digits[13];
	put_float(m->inputs[BLOCK_VOLTAGE]->tab_input_registers, METER_VOLTAGE_MV / 1e3);
	put_float(m->inputs[BLOCK_CURRENT]->tab_input_registers, (double)reading->current_ma / 1e3);
	put_float(m->inputs[BLOCK_POWER]->tab_input_registers, (double)reading->power_mw / 1e3);
	put_float(m->inputs[BLOCK_POWER_FACTOR]->tab_input_registers, 1.0);
	put_float(m->inputs[BLOCK_FREQUENCY_IMPORT]->tab_input_registers, METER_FREQUENCY_MHZ / 1e3);
	put_float(m->inputs[BLOCK_FREQUENCY_IMPORT]->tab_input_registers + 2, kwh);
	put_float(m->inputs[BLOCK_TOTAL]->tab_input_registers, kwh);
	meter_serial_digits(reading->serial, digits);
	put_u32(m->serial->tab_registers, (uint32_t)strtoull(digits, NULL, 10));
}

static modbus_mapping_t *mapping_for(const struct meter_modbus *m, const uint8_t *question)
{
	unsigned first = (unsigned)question[2] << 8 | question[3];
	modbus_mapping_t *mapping = m->nothing;
	if (question[1] == MODBUS_FC_READ_HOLDING_REGISTERS)
		mapping = m->serial;
	for (unsigned i = 0; i < BLOCK_COUNT && question[1] == MODBUS_FC_READ_INPUT_REGISTERS; i++)
		if (first >= blocks[i].first && first < (unsigned)blocks[i].first + blocks[i].count)
			mapping = m->inputs[i];
	return mapping;
}

/* --- frames --- */

uint16_t meter_modbus_crc(const uint8_t *bytes, size_t count)
{
	uint16_t crc = 0xFFFF;
	for (size_t i = 0; i < count; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc & 1 ? crc >> 1 ^ 0xA001 : crc >> 1);
	}
	return crc;
}

size_t meter_modbus_question_length(const uint8_t *bytes, size_t count)
{
	if (count < 2)
		return 0;
	if (bytes[1] >= MODBUS_FC_READ_COILS && bytes[1] <= MODBUS_FC_WRITE_SINGLE_REGISTER)
		return QUESTION_SHORT;
	if (bytes[1] != MODBUS_FC_WRITE_MULTIPLE_COILS && bytes[1] != MODBUS_FC_WRITE_MULTIPLE_REGISTERS)
		return 0;
	return count > 6 ? QUESTION_LONG + (size_t)bytes[6] : 0;
}

static void make_foreign(uint8_t *answer, size_t count)
{
	answer[0] = (uint8_t)(answer[0] == 1 ? 2 : answer[0] - 1);
	uint16_t crc = meter_modbus_crc(answer, count - MODBUS_CRC_BYTES);
	answer[count - 2] = (uint8_t)crc;
	answer[count - 1] = (uint8_t)(crc >> 8);
}

size_t meter_modbus_answer(const struct meter *meter, const uint8_t *question, size_t count,
			   uint8_t answer[METER_ANSWER_MAX])
{
	struct meter_modbus *m = meter->modbus;
	struct meter_reading reading;
	uint8_t received[MODBUS_RTU_MAX_ADU_LENGTH];
	if (count < QUESTION_SHORT || count > sizeof(received) ||
	    !plant_read_meter(meter->plant, meter->outlet, &reading))
		return 0;
	while (read(m->near, answer, METER_ANSWER_MAX) > 0)
		; /* nothing of an earlier question may be left */
	fill(m, &reading);
	if (write(m->near, question, count) != (ssize_t)count)
		return 0;
	int length = modbus_receive(m->slave, received);
	if (length <= 0 || modbus_reply(m->slave, received, length, mapping_for(m, question)) < 0)
		return 0;
	ssize_t got = read(m->near, answer, METER_ANSWER_MAX);
	if (got <= MODBUS_CRC_BYTES)
		return 0;
	if (meter->foreign)
		make_foreign(answer, (size_t)got);
	return (size_t)got;
}

/* --- any meter --- */

int meter_start(struct meter *meter, const struct meter_spec *spec, const struct plant *plant, unsigned outlet)
{
	*meter = (struct meter){.spec = spec, .plant = plant, .outlet = outlet};
	return spec->kind == METER_KIND_SDM120 ? meter_modbus_start(meter) : 0;
}

void meter_stop(struct meter *meter)
{
	meter_modbus_stop(meter);
}
