/* Tests hal/io/bus.c on a pty: a small line of meters stands on the master side and answers in DL/T 645 (hal/core's codec)
 * and in Modbus (libmodbus as the slave), or misbehaves. argv[1]: the folder of the meter models.
 *
 * Nothing here measures time: the tests wait for messages, or for what the meters have seen. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <modbus/modbus.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "bus.h"
#include "dlt645.h"
#include "model_file.h"
#include "tty.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LIMIT_MS 40000 /* for what must come; nothing is concluded from how long it took */
#define PATIENT_MS 3000 /* turn-around where no time-out is wanted */
#define HASTY_MS 150 /* where some are */
#define METERS_MAX 3
#define LOG_MAX 4096
#define BYTES_MAX 512
#define SERIAL_REGISTER 0xFC00
#define BUSY 6 /* Modbus exception: slave device busy */

#define DI_ENERGY 0x00010000
#define DI_POWER 0x02030000
#define DI_FREQUENCY 0x02800002
#define DI_CURRENTS 0x0202FF00
#define DI_VOLTAGES 0x0201FF00
#define DI_SERIAL 0x04000402
#define DI_DATE 0x04000101
#define DI_TIME 0x04000102
#define NO_SUCH_DATA 0x02

#define ANOTHER_ENERGY 1000000 /* 0.01 kWh that one meter shows more than the one before it */

/* For the line's thread, where Check cannot be asked. */
#define MUST(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static const char *models;

/* ---- the meters on the line ---- */

/* Guarded by the line's mutex. */
struct meter {
	bool modbus;
	uint8_t address[DLT645_ADDRESS_BYTES];
	int slave;
	int64_t serial;
	int64_t energy; /* 0.01 kWh */
	int64_t power; /* 0.1 W */
	int64_t current[3]; /* mA; negative is a direction */
	unsigned phases; /* the others are absent */
	uint32_t refused; /* a DI that it does not have */
	bool busy; /* Modbus: refuses its serial number with "busy" */

	/* misbehaviour */
	bool mute;
	bool dribbles; /* a byte every 20 ms */
	bool babbles; /* instead of an answer, without end */
	int garbles; /* so many answers have a wrong checksum */
	bool holds_back; /* each answer comes right before that to the next question */
	int late_ms;
	int drops; /* so many questions get no answer */
	bool swapped; /* and with the next of those it is another meter */
};

struct line {
	int master;
	int slave; /* kept open, so that the master is not hung up while the bus is away */
	int wake;
	bool echo;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t seen;
	unsigned count;
	struct meter meters[METERS_MAX];
	/* each question: the meter, and DI or register */
	size_t logged;
	struct {
		unsigned meter;
		uint32_t what;
	} log[LOG_MAX];

	struct dlt645_parser parser;
	uint8_t pending[BYTES_MAX];
	size_t pending_count;
	uint8_t held[BYTES_MAX];
	size_t held_count;
	modbus_t *modbus; /* the slave; it speaks through a pair of sockets */
	int near, far;
	modbus_mapping_t *registers;
};

static struct line line;
static struct bus *bus;
static struct bus_config config;
static char folder[] = "/tmp/test_bus-XXXXXX";
static char device[sizeof folder + 8];

static void send_bytes(const uint8_t *bytes, size_t count)
{
	ssize_t sent = count > 0 ? write(line.master, bytes, count) : 0;

	MUST(sent == (ssize_t)count);
}

/* Rests, unless the line is to end. */
static void meter_rest(int ms)
{
	struct pollfd p = {.fd = line.wake, .events = POLLIN};

	MUST(poll(&p, 1, ms) >= 0);
}

/* Some bytes of noise, as fast as the line takes them. Called with the mutex held. */
static void babble(void)
{
	static const uint8_t noise[64];
	struct pollfd p[] = {{.fd = line.wake, .events = POLLIN}, {.fd = line.master, .events = POLLOUT}};

	pthread_mutex_unlock(&line.mutex);
	MUST(poll(p, 2, -1) > 0);
	if (p[0].revents == 0)
		send_bytes(noise, sizeof noise);
	pthread_mutex_lock(&line.mutex);
	for (unsigned i = 0; i < line.count && p[0].revents != 0; i++)
		line.meters[i].babbles = false;
}

/* Sends an answer in the way that the meter has. Called with the mutex held; gives it back while it rests. */
static void deliver(struct meter *m, uint8_t *bytes, size_t count)
{
	bool dribbles = m->dribbles;
	int late_ms = m->late_ms;

	if (m->drops > 0) {
		m->drops--;
		m->serial += m->swapped;
		m->energy += m->swapped * ANOTHER_ENERGY;
		m->swapped = false;
		return;
	}
	if (m->mute)
		return;
	if (m->garbles > 0) {
		m->garbles--;
		bytes[count - 2] ^= 0x55; /* the checksum, or half of the CRC */
	}
	if (m->holds_back) {
		send_bytes(line.held, line.held_count);
		memcpy(line.held, bytes, count);
		line.held_count = count;
		return;
	}
	while (m->babbles)
		babble();
	pthread_mutex_unlock(&line.mutex);
	if (late_ms > 0)
		meter_rest(late_ms);
	for (size_t i = 0; i < count && dribbles; i++) {
		send_bytes(bytes + i, 1);
		meter_rest(20);
	}
	if (!dribbles)
		send_bytes(bytes, count);
	pthread_mutex_lock(&line.mutex);
}

static void note(unsigned meter, uint32_t what)
{
	if (line.logged < LOG_MAX) {
		line.log[line.logged].meter = meter;
		line.log[line.logged].what = what;
	}
	line.logged++;
	pthread_cond_broadcast(&line.seen);
}

static void put_currents(const struct meter *m, struct dlt645_frame *answer)
{
	for (unsigned i = 0; i < 3; i++) {
		uint8_t *at = answer->data + answer->length;
		memset(at, 0xFF, 3);
		if (i < m->phases)
			MUST(dlt645_bcd_write(m->current[i], true, at, 3));
		answer->length += 3;
	}
}

static void put_voltages(const struct meter *m, struct dlt645_frame *answer)
{
	for (unsigned i = 0; i < 3; i++) {
		uint8_t *at = answer->data + answer->length;
		memset(at, 0xFF, 2);
		if (i < m->phases)
			MUST(dlt645_bcd_write(2300 + i, false, at, 2));
		answer->length += 2;
	}
}

static void put_bcd(struct dlt645_frame *answer, int64_t value, uint8_t count)
{
	MUST(dlt645_bcd_write(value, true, answer->data + answer->length, count));
	answer->length = (uint8_t)(answer->length + count);
}

static void put_bytes(struct dlt645_frame *answer, const uint8_t *bytes, uint8_t count)
{
	memcpy(answer->data + answer->length, bytes, count);
	answer->length = (uint8_t)(answer->length + count);
}

/* The value behind a DI. False when the meter has none. */
static bool put_value(const struct meter *m, uint32_t di, struct dlt645_frame *answer)
{
	static const uint8_t date[] = {0x04, 0x29, 0x02, 0x24}, time[] = {0x56, 0x34, 0x12}; /* 2024-02-29 12:34:56 */
	static const uint8_t status[] = {0x50, 0x00};

	if (di == m->refused)
		return false;
	if (di == DI_ENERGY)
		put_bcd(answer, m->energy, 4);
	else if (di == DI_POWER)
		put_bcd(answer, m->power, 3);
	else if (di == DI_SERIAL)
		put_bcd(answer, m->serial, 6);
	else if (di == 0x02020100)
		put_bcd(answer, m->current[0], 3);
	else if (di == DI_CURRENTS)
		put_currents(m, answer);
	else if (di == DI_VOLTAGES)
		put_voltages(m, answer);
	else if (di == 0x02010100)
		put_bcd(answer, 2305, 2);
	else if (di == DI_FREQUENCY)
		put_bcd(answer, 4998, 2);
	else if (di == DI_DATE)
		put_bytes(answer, date, sizeof date);
	else if (di == DI_TIME)
		put_bytes(answer, time, sizeof time);
	else if (di >> 8 == 0x040005)
		put_bytes(answer, status, sizeof status);
	else
		return false;
	return true;
}

static void answer_dlt645(const struct dlt645_frame *question)
{
	struct dlt645_frame answer = {.control = DLT645_READ | DLT645_FROM_METER, .length = 4};
	uint8_t bytes[DLT645_FRAME_MAX];
	uint32_t di = 0;

	if (question->control != DLT645_READ || question->length != 4)
		return;
	for (unsigned i = 0; i < 4; i++)
		di |= (uint32_t)question->data[i] << (8 * i);
	memcpy(answer.address, question->address, sizeof answer.address);
	memcpy(answer.data, question->data, 4);
	for (unsigned i = 0; i < line.count; i++) {
		struct meter *m = &line.meters[i];
		if (m->modbus || memcmp(m->address, question->address, sizeof m->address) != 0)
			continue;
		note(i, di);
		if (!put_value(m, di, &answer)) {
			answer.control |= DLT645_ERROR;
			answer.length = 1;
			answer.data[0] = NO_SUCH_DATA;
		}
		deliver(m, bytes, dlt645_frame_write(&answer, 0, bytes));
	}
}

/* High word first. modbus_set_float_abcd() of libmodbus 3.1.6 swaps the bytes of each word on a little-endian machine. */
static void put_float(uint16_t *registers, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof bits);
	registers[0] = (uint16_t)(bits >> 16);
	registers[1] = (uint16_t)bits;
}

static void fill_registers(const struct meter *m)
{
	uint16_t *in = line.registers->tab_input_registers;

	put_float(in + 0x00, 230.2f);
	put_float(in + 0x06, (float)m->current[0] / 1000.0f);
	put_float(in + 0x0C, (float)m->power / 10.0f);
	put_float(in + 0x46, 49.98f);
	put_float(in + 0x48, (float)m->energy / 100.0f);
	line.registers->tab_registers[0] = (uint16_t)(m->serial >> 16);
	line.registers->tab_registers[1] = (uint16_t)m->serial;
}

static void answer_modbus(const uint8_t *question, size_t count)
{
	uint8_t request[MODBUS_RTU_MAX_ADU_LENGTH], reply[MODBUS_RTU_MAX_ADU_LENGTH];
	uint32_t address = (uint32_t)question[2] << 8 | question[3];

	for (unsigned i = 0; i < line.count; i++) {
		struct meter *m = &line.meters[i];
		if (!m->modbus || m->slave != question[0])
			continue;
		note(i, address);
		fill_registers(m);
		MUST(modbus_set_slave(line.modbus, m->slave) == 0);
		MUST(write(line.near, question, count) == (ssize_t)count);
		int length = modbus_receive(line.modbus, request);
		if (length < 0) /* no question after all: a wrong CRC */
			return;
		if (m->busy && address == SERIAL_REGISTER)
			MUST(modbus_reply_exception(line.modbus, request, BUSY) > 0);
		else
			MUST(modbus_reply(line.modbus, request, length, line.registers) > 0);
		ssize_t got = read(line.near, reply, sizeof reply);
		MUST(got > 0);
		deliver(m, reply, (size_t)got);
	}
}

/* A question begins with FE or 68 in DL/T 645, with the slave's number in Modbus, and has 8 bytes there. */
static void take_bytes(const uint8_t *bytes, size_t count)
{
	struct dlt645_frame question;

	if (line.echo)
		send_bytes(bytes, count);
	if (line.pending_count == 0 && (bytes[0] == 0xFE || bytes[0] == 0x68 || line.parser.count > 0)) {
		dlt645_parser_push(&line.parser, bytes, count);
		while (dlt645_parser_next(&line.parser, &question))
			answer_dlt645(&question);
		return;
	}
	MUST(line.pending_count + count <= sizeof line.pending);
	memcpy(line.pending + line.pending_count, bytes, count);
	line.pending_count += count;
	if (line.pending_count >= 8) {
		answer_modbus(line.pending, 8);
		line.pending_count = 0;
	}
}

static void *run_line(void *argument)
{
	struct pollfd p[] = {{.fd = line.wake, .events = POLLIN}, {.fd = line.master, .events = POLLIN}};
	uint8_t bytes[DLT645_FRAME_MAX];

	while (poll(p, 2, -1) > 0 && p[0].revents == 0) {
		ssize_t got = read(line.master, bytes, sizeof bytes);
		MUST(got > 0);
		pthread_mutex_lock(&line.mutex);
		take_bytes(bytes, (size_t)got);
		pthread_mutex_unlock(&line.mutex);
	}
	return argument;
}

/* ---- the line's life ---- */

static void plug_in(void)
{
	char name[64], other[sizeof device + 4];
	struct termios raw = {0};

	cfmakeraw(&raw);
	ck_assert_int_eq(openpty(&line.master, &line.slave, name, &raw, NULL), 0);
	snprintf(other, sizeof other, "%s.new", device);
	ck_assert_int_eq(symlink(name, other), 0);
	ck_assert_int_eq(rename(other, device), 0);
	line.wake = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_ge(line.wake, 0);
	dlt645_parser_init(&line.parser);
	line.pending_count = 0;
	ck_assert_int_eq(pthread_create(&line.thread, NULL, run_line, NULL), 0);
}

static void pull_out(void)
{
	uint64_t one = 1;

	ck_assert_int_eq(write(line.wake, &one, sizeof one), sizeof one);
	ck_assert_int_eq(pthread_join(line.thread, NULL), 0);
	close(line.wake);
	close(line.slave);
	close(line.master);
	line.master = -1;
	ck_assert_int_eq(unlink(device), 0);
}

static void set_up(void)
{
	int pair[2];

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(device, sizeof device, "%s/bus", folder);
	config = (struct bus_config){.name = "main"};
	snprintf(config.device, sizeof config.device, "%s", device);
	pthread_mutex_init(&line.mutex, NULL);
	pthread_cond_init(&line.seen, NULL);
	line.master = -1;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	line.near = pair[0];
	line.far = pair[1];
	line.modbus = modbus_new_rtu("none", 9600, 'N', 8, 1);
	ck_assert_ptr_nonnull(line.modbus);
	ck_assert_int_eq(modbus_set_slave(line.modbus, 1), 0); /* it wants one before its socket */
	ck_assert_int_eq(modbus_set_socket(line.modbus, line.far), 0);
	line.registers = modbus_mapping_new_start_address(0, 0, 0, 0, SERIAL_REGISTER, 2, 0, 0x58);
	ck_assert_ptr_nonnull(line.registers);
}

static void tear_down(void)
{
	bus_stop(bus);
	bus = NULL;
	if (line.master >= 0)
		pull_out();
	modbus_set_socket(line.modbus, -1);
	modbus_free(line.modbus);
	modbus_mapping_free(line.registers);
	close(line.near);
	close(line.far);
	pthread_cond_destroy(&line.seen);
	pthread_mutex_destroy(&line.mutex);
	ck_assert_int_eq(rmdir(folder), 0);
}

/* Adds a meter to the line and to the configuration. Its numbers differ from everybody's. */
static struct meter *add_meter(const char *model, const char *address, int64_t turnaround_ms)
{
	unsigned i = config.meter_count++;
	struct bus_meter *b = &config.meters[i];
	struct meter *m = &line.meters[line.count++];
	struct model_error error = {""};
	char file[512];

	ck_assert_uint_lt(i, METERS_MAX);
	snprintf(file, sizeof file, "%s/%s", models, model);
	ck_assert_msg(model_load(file, &b->model, &error) == 0, "%s", error.text);
	b->line = (struct line_settings){.baud = 115200, .parity = PARITY_NONE, .data_bits = 8, .stop_bits = 1};
	b->model.turnaround_ms = turnaround_ms;
	b->model.typical_ms = 10;
	b->utc_offset_minutes = 480;
	snprintf(b->address, sizeof b->address, "%s", address);
	*m = (struct meter){.modbus = b->model.protocol == METER_MODBUS_RTU,
			    .slave = atoi(address),
			    .serial = 201000000012 + i,
			    .energy = 1234567 + 1000 * (int64_t)i,
			    .power = 11500 + i,
			    .current = {5000 + i, 1000, 2000},
			    .phases = 3};
	if (m->modbus)
		m->serial = 19000000 + i;
	else
		ck_assert(dlt645_address_read(address, m->address));
	return m;
}

#define DLT645_MODEL "dlt645-2007.ini"
#define PHASES_MODEL "dlt645-2007-3p.ini"
#define MODBUS_MODEL "sdm120.ini"

/* ---- what the tests say and ask ---- */

static void start_bus(void)
{
	unsigned meter;
	const char *fault = bus_config_fault(&config, &meter);

	ck_assert_msg(fault == NULL, "meter %u: %s", meter, fault);
	ck_assert_int_eq(bus_start(&config, &bus), 0);
}

static void start(void)
{
	plug_in();
	start_bus();
}

/* What the meters do changes only while none of them answers. */
static void lock(void)
{
	pthread_mutex_lock(&line.mutex);
}

static void unlock(void)
{
	pthread_mutex_unlock(&line.mutex);
}

static struct bus_message next_message(void)
{
	struct bus_message m;
	struct pollfd p = {.fd = bus_fd(bus), .events = POLLIN};

	while (!bus_next(bus, &m))
		ck_assert_msg(poll(&p, 1, LIMIT_MS) == 1, "no message");
	return m;
}

/* The register tells which meter it is: after each swap it is higher by a known amount. */
static void check_reading(const struct bus_message *m)
{
	const struct meter_reading *r = &m->reading;
	struct meter meter;
	char serial[METER_SERIAL_SIZE];

	lock();
	meter = line.meters[m->meter];
	unlock();
	int64_t before = (meter.energy - r->register_mwh / 10000) / ANOTHER_ENERGY; /* swaps since it was read */
	int64_t current = meter.current[0];
	for (unsigned i = 1; i < meter.phases && config.meters[m->meter].model.items[METER_CURRENT_B].present; i++)
		if (llabs(meter.current[i]) > llabs(current))
			current = meter.current[i];
	ck_assert_int_eq(r->register_mwh, (meter.energy - before * ANOTHER_ENERGY) * 10000);
	ck_assert_int_eq(r->power_mw, meter.power * 100);
	ck_assert_int_eq(r->current_ma, llabs(current));
	ck_assert_int_le(r->asked_ms, r->mono_ms);
	snprintf(serial, sizeof serial, "%" PRId64, meter.serial - before);
	if (meter.refused != DI_SERIAL)
		ck_assert_str_eq(r->serial, serial);
}

/* The next message of this kind about this meter. Every reading on the way has to be right. */
static struct bus_message await(enum bus_event event, unsigned meter)
{
	int64_t limit_ms = tty_now_ms() + LIMIT_MS;

	while (tty_now_ms() < limit_ms) {
		struct bus_message m = next_message();
		if (m.event == BUS_READING)
			check_reading(&m);
		if (m.event == event && m.meter == meter)
			return m;
	}
	ck_abort_msg("event %d of meter %u does not come", event, meter);
}

/* The same, and none of the other kind about the meter comes before it. */
static struct bus_message await_without(enum bus_event event, enum bus_event other, unsigned meter)
{
	struct bus_message m;

	do {
		m = next_message();
		ck_assert_msg(m.event != other || m.meter != meter, "event %d of meter %u", other, meter);
		if (m.event == BUS_READING)
			check_reading(&m);
	} while (m.event != event || m.meter != meter);
	return m;
}

/* The first state that knows all of these. */
static struct meter_state await_known(unsigned meter, uint32_t bits)
{
	struct bus_message m;

	do {
		m = await(BUS_STATE, meter);
	} while ((m.state.known & bits) != bits);
	return m.state;
}

/* Waits until the meters have heard so many questions. */
static void await_questions(size_t count)
{
	struct timespec limit;

	clock_gettime(CLOCK_REALTIME, &limit);
	limit.tv_sec += LIMIT_MS / 1000;
	lock();
	int result = 0;
	while (line.logged < count && result == 0)
		result = pthread_cond_timedwait(&line.seen, &line.mutex, &limit);
	unlock();
	ck_assert_msg(result == 0, "fewer than %zu questions", count);
}

static size_t questions(void)
{
	lock();
	size_t logged = line.logged;
	unlock();
	ck_assert_uint_le(logged, LOG_MAX);
	return logged;
}

static size_t count_questions(unsigned meter, uint32_t what)
{
	size_t logged = questions(), count = 0;

	for (size_t i = 0; i < logged; i++)
		count += line.log[i].meter == meter && line.log[i].what == what;
	return count;
}

#define BIT(quantity) (UINT32_C(1) << (quantity))

/* ---- values ---- */

START_TEST(values_in_dlt645)
{
	struct meter *m = add_meter(DLT645_MODEL, "201000000012", PATIENT_MS);
	const int64_t clock_ms = INT64_C(1709181296000); /* 2024-02-29 12:34:56 at UTC+8 */

	m->power = -1234;
	m->current[0] = -5001;
	start();
	ck_assert_int_eq(next_message().event, BUS_PORT_OPENED);
	struct bus_message r = await(BUS_READING, 0);
	ck_assert_str_eq(r.reading.serial, "201000000012");
	struct meter_state s = await_known(0,
					   BIT(METER_VOLTAGE_A) | BIT(METER_FREQUENCY) | BIT(METER_DATE) |
						   BIT(METER_TIME) | BIT(METER_STATUS_3));
	ck_assert_int_eq(s.voltage_mv[0], 230500);
	ck_assert_int_eq(s.frequency_mhz, 49980);
	ck_assert_int_eq(s.clock_ms, clock_ms);
	ck_assert_uint_eq(s.status[2], 0x50);
	ck_assert_str_eq(s.serial, "201000000012");
	ck_assert_int_eq(s.last, METER_ANSWERED);
	ck_assert_uint_eq(s.asked, s.answered);
	/* the meter's clock runs on with ours */
	r = await(BUS_READING, 0);
	ck_assert_int_eq(r.reading.clock_ms - clock_ms, r.reading.mono_ms - s.clock_read_ms);
}
END_TEST

START_TEST(values_of_three_phases)
{
	struct meter *m = add_meter(PHASES_MODEL, "1", PATIENT_MS);

	m->current[1] = -9000;
	start();
	struct bus_message r = await(BUS_READING, 0);
	ck_assert_int_eq(r.reading.current_ma, 9000);
	struct meter_state s = await_known(0, BIT(METER_VOLTAGE_A));
	/* one question told them all */
	ck_assert_uint_eq(s.known & (BIT(METER_VOLTAGE_B) | BIT(METER_VOLTAGE_C)),
			  BIT(METER_VOLTAGE_B) | BIT(METER_VOLTAGE_C));
	ck_assert_int_eq(s.voltage_mv[2], 230200);
	await(BUS_READING, 0);
	size_t sets = count_questions(0, DI_POWER);
	ck_assert_uint_le(count_questions(0, DI_CURRENTS), sets + 1);
}
END_TEST

START_TEST(absent_phases_are_left_out)
{
	struct meter *m = add_meter(PHASES_MODEL, "1", PATIENT_MS);

	m->phases = 1;
	start();
	ck_assert_int_eq(await(BUS_READING, 0).reading.current_ma, 5000);
	struct meter_state s = await_known(0, BIT(METER_VOLTAGE_A) | BIT(METER_FREQUENCY));
	ck_assert_uint_eq(s.known & (BIT(METER_VOLTAGE_B) | BIT(METER_VOLTAGE_C)), 0);
	ck_assert_int_eq(s.voltage_mv[0], 230000);
}
END_TEST

START_TEST(values_in_modbus)
{
	struct meter *m = add_meter(MODBUS_MODEL, "247", PATIENT_MS);

	m->power = -11793;
	start();
	struct bus_message r = await(BUS_READING, 0);
	ck_assert_str_eq(r.reading.serial, "19000000");
	ck_assert_int_eq(r.reading.clock_ms, 0);
	struct meter_state s = await_known(0, BIT(METER_VOLTAGE_A) | BIT(METER_FREQUENCY));
	ck_assert_int_eq(s.voltage_mv[0], 230200);
	ck_assert_int_eq(s.frequency_mhz, 49980);
	ck_assert_uint_eq(s.known & (BIT(METER_DATE) | BIT(METER_TIME)), 0);
}
END_TEST

/* Each with its own line settings; energy is what a set ends with. */
START_TEST(two_protocols_share_a_line)
{
	add_meter(DLT645_MODEL, "12", PATIENT_MS);
	add_meter(MODBUS_MODEL, "7", PATIENT_MS);
	config.meters[0].line.baud = 2400;
	config.meters[1].line.baud = 9600;
	config.meters[1].line.stop_bits = 2;
	start();
	for (int i = 0; i < 3; i++) {
		await(BUS_READING, 0);
		await(BUS_READING, 1);
	}
	ck_assert_uint_eq(line.log[0].what, DI_SERIAL);
	ck_assert_uint_eq(line.log[3].what, DI_ENERGY);
	ck_assert_uint_eq(questions() > 3, true);
}
END_TEST

START_TEST(what_a_meter_does_not_have_is_not_asked_again)
{
	struct meter *m = add_meter(DLT645_MODEL, "12", PATIENT_MS);

	m->refused = DI_FREQUENCY;
	start();
	while (count_questions(0, 0x02010100) < 4)
		await(BUS_STATE, 0);
	ck_assert_uint_eq(count_questions(0, DI_FREQUENCY), 1);
	ck_assert_uint_eq(await(BUS_STATE, 0).state.known & BIT(METER_FREQUENCY), 0);
}
END_TEST

/* ---- identity ---- */

START_TEST(without_a_number_model_and_address_tell)
{
	struct meter *m = add_meter(DLT645_MODEL, "12", PATIENT_MS);

	m->refused = DI_SERIAL;
	start();
	ck_assert_str_eq(await(BUS_READING, 0).reading.serial, "DL/T-645-2007-sing-12");
}
END_TEST

START_TEST(a_model_without_a_number_needs_no_question)
{
	add_meter(MODBUS_MODEL, "7", PATIENT_MS);
	config.meters[0].model.items[METER_SERIAL].present = false;
	line.meters[0].refused = DI_SERIAL;
	start();
	ck_assert_str_eq(await(BUS_READING, 0).reading.serial, "Eastron-SDM120-7");
	ck_assert_uint_eq(count_questions(0, SERIAL_REGISTER), 0);
}
END_TEST

/* A meter that has told its number, and then refuses to, is not another one at once. */
START_TEST(a_lost_number_is_doubted)
{
	struct meter *m = add_meter(DLT645_MODEL, "12", HASTY_MS);

	start();
	ck_assert_str_eq(await(BUS_READING, 0).reading.serial, "201000000012");
	lock();
	m->refused = DI_SERIAL;
	m->drops = 1;
	unlock();
	struct bus_message s;
	do { /* sets that were whole before the drop may still come */
		s = next_message();
		if (s.event == BUS_READING)
			ck_assert_str_eq(s.reading.serial, "201000000012");
	} while (s.event != BUS_METER_SILENT);
	ck_assert_int_eq(s.state.last, METER_REFUSED);
	ck_assert_str_eq(await(BUS_READING, 0).reading.serial, "DL/T-645-2007-sing-12");
}
END_TEST

/* "Busy" says nothing about the number: no reading is better than one of a wrong meter. */
START_TEST(a_busy_meter_is_asked_again)
{
	struct meter *m = add_meter(MODBUS_MODEL, "7", PATIENT_MS);

	m->busy = true;
	start();
	struct bus_message s = await_without(BUS_METER_SILENT, BUS_READING, 0);
	ck_assert_int_eq(s.state.last, METER_REFUSED);
	ck_assert_uint_eq(s.state.error, BUSY);
	lock();
	m->busy = false;
	unlock();
	await(BUS_READING, 0);
}
END_TEST

/* Another meter takes its place while one single question fails: no reading mixes the two (check_reading() sees to it). */
START_TEST(a_swapped_meter_is_noticed)
{
	struct meter *m = add_meter(_i == 0 ? DLT645_MODEL : MODBUS_MODEL, "12", HASTY_MS);
	char serial[METER_SERIAL_SIZE];

	start();
	for (int swap = 0; swap < 6; swap++) {
		size_t heard = questions();
		await(BUS_READING, 0);
		await_questions(heard + (size_t)swap + 4); /* another question each time */
		lock();
		m->drops = 1;
		m->swapped = true;
		snprintf(serial, sizeof serial, "%" PRId64, m->serial + 1);
		unlock();
		while (strcmp(await(BUS_READING, 0).reading.serial, serial) != 0)
			;
	}
}
END_TEST

/* ---- trouble ---- */

START_TEST(a_silent_meter_returns)
{
	struct meter *m = add_meter(DLT645_MODEL, "12", HASTY_MS);

	add_meter(DLT645_MODEL, "13", HASTY_MS);
	start();
	for (int i = 0; i < 2; i++) {
		await(BUS_READING, 0);
		lock();
		m->mute = true;
		unlock();
		struct bus_message s = await(BUS_METER_SILENT, 0);
		ck_assert_int_eq(s.state.last, METER_TIMED_OUT);
		ck_assert_uint_lt(s.state.answered, s.state.asked);
		await(BUS_READING, 1); /* the other has its turns */
		await(BUS_READING, 1);
		lock();
		m->mute = false;
		unlock();
		await_without(BUS_READING, BUS_METER_SILENT, 0);
	}
}
END_TEST

/* A meter that dribbles for longer than a transaction may take never gets an answer through, and the others get their
 * turns. */
START_TEST(a_dribbling_meter_is_cut_off)
{
	add_meter(_i == 0 ? DLT645_MODEL : MODBUS_MODEL, "12", HASTY_MS);
	add_meter(DLT645_MODEL, "13", PATIENT_MS);
	add_meter(MODBUS_MODEL, "14", PATIENT_MS);
	line.meters[0].dribbles = true;
	config.meters[0].model.turnaround_ms = 20;
	start();
	await(BUS_READING, 1);
	await(BUS_READING, 2);
	struct bus_message s = await_without(BUS_METER_SILENT, BUS_READING, 0);
	ck_assert_uint_eq(s.state.answered, 0);
	/* libmodbus does not tell half an answer from none */
	/* libmodbus cannot tell half an answer from none, unless its rest is in the way of the next one */
	ck_assert(s.state.last == METER_GARBLED || (_i != 0 && s.state.last == METER_TIMED_OUT));
	lock();
	line.meters[0].dribbles = false;
	unlock();
	await(BUS_READING, 0);
}
END_TEST

/* Noise without end and without a pause. */
START_TEST(a_babbling_meter_holds_nobody_up)
{
	struct meter *m = add_meter(_i == 0 ? DLT645_MODEL : MODBUS_MODEL, "12", HASTY_MS);

	m->babbles = true;
	start();
	ck_assert_int_ne(await_without(BUS_STATE, BUS_READING, 0).state.last, METER_ANSWERED);
	lock();
	m->babbles = false;
	unlock();
	await(BUS_READING, 0);
	size_t heard = questions();
	lock();
	m->babbles = true;
	unlock();
	await_questions(heard + 1);
	bus_stop(bus);
	bus = NULL;
}
END_TEST

START_TEST(garbled_answers)
{
	struct meter *m = add_meter(_i == 0 ? DLT645_MODEL : MODBUS_MODEL, "12", HASTY_MS);

	m->garbles = 1; /* the question is asked again */
	start();
	struct meter_state s = await_known(0, BIT(METER_VOLTAGE_A));
	ck_assert_uint_gt(s.asked, s.answered);
	lock();
	m->garbles = 1000;
	unlock();
	ck_assert_int_eq(await(BUS_METER_SILENT, 0).state.last, METER_GARBLED);
	lock();
	m->garbles = 0;
	unlock();
	await(BUS_READING, 0);
}
END_TEST

/* Each answer comes right before that to the next question: it is neither taken for it nor for another master's. */
START_TEST(late_answers_in_dlt645)
{
	struct meter *m = add_meter(DLT645_MODEL, "12", HASTY_MS);

	m->holds_back = true;
	start();
	for (int i = 0; i < 2; i++)
		await_without(BUS_READING, BUS_FOREIGN, 0);
	struct meter_state s = await_known(0, BIT(METER_VOLTAGE_A));
	ck_assert_int_eq(s.voltage_mv[0], 230500);
	ck_assert_uint_lt(s.answered, s.asked);
}
END_TEST

/* In Modbus nothing tells a late answer from the next one's: it has to come before the next question. */
START_TEST(late_answers_in_modbus)
{
	struct meter *m = add_meter(MODBUS_MODEL, "7", 500);

	m->late_ms = 700;
	start();
	ck_assert_int_eq(await_without(BUS_STATE, BUS_READING, 0).state.last, METER_TIMED_OUT);
	lock();
	m->late_ms = 0;
	unlock();
	for (int i = 0; i < 3; i++)
		await(BUS_READING, 0);
	ck_assert_int_eq(await_known(0, BIT(METER_VOLTAGE_A)).voltage_mv[0], 230200);
}
END_TEST

/* ---- other masters, echoes ---- */

/* A question to somebody else, or somebody else's answer. */
static void send_foreign(bool answer)
{
	struct dlt645_frame frame;
	uint8_t bytes[DLT645_FRAME_MAX], address[DLT645_ADDRESS_BYTES];

	ck_assert(dlt645_address_read("999", address));
	dlt645_read_request(&frame, address, DI_ENERGY);
	if (answer)
		frame.control |= DLT645_FROM_METER;
	lock();
	send_bytes(bytes, dlt645_frame_write(&frame, DLT645_PREAMBLE, bytes));
	unlock();
}

START_TEST(another_master_is_noticed)
{
	struct bus_message m;

	add_meter(DLT645_MODEL, "12", PATIENT_MS);
	start();
	await(BUS_READING, 0);
	do {
		send_foreign(_i == 1);
		m = next_message();
	} while (m.event != BUS_FOREIGN);
	/* said once, and work goes on */
	for (int i = 0; i < 3; i++) {
		send_foreign(_i == 1);
		await_without(BUS_READING, BUS_FOREIGN, 0);
	}
}
END_TEST

START_TEST(an_echo_is_stripped)
{
	struct meter *m = add_meter(DLT645_MODEL, "12", PATIENT_MS);

	add_meter(MODBUS_MODEL, "7", PATIENT_MS);
	add_meter(_i == 0 ? DLT645_MODEL : MODBUS_MODEL, "8", HASTY_MS);
	m->power = -500;
	line.echo = true;
	line.meters[2].mute = true;
	config.echo = true;
	start();
	for (int i = 0; i < 2; i++) {
		await_without(BUS_READING, BUS_FOREIGN, 0);
		await_without(BUS_READING, BUS_FOREIGN, 1);
	}
	/* an echo alone is no sign of life */
	ck_assert_int_eq(await(BUS_METER_SILENT, 2).state.last, METER_TIMED_OUT);
}
END_TEST

/* DL/T 645 tells questions from answers: an echo that nobody spoke of does no harm there, and is no other master. */
START_TEST(an_unexpected_echo_is_no_master)
{
	add_meter(DLT645_MODEL, "12", PATIENT_MS);
	line.echo = true;
	start();
	for (int i = 0; i < 4; i++)
		await_without(BUS_READING, BUS_FOREIGN, 0);
}
END_TEST

/* ---- the port ---- */

START_TEST(a_port_vanishes_and_returns)
{
	add_meter(DLT645_MODEL, "12", PATIENT_MS);
	add_meter(MODBUS_MODEL, "7", PATIENT_MS);
	start();
	for (int i = 0; i < 2; i++) {
		await(BUS_PORT_OPENED, 0);
		await(BUS_READING, 0);
		await(BUS_READING, 1);
		pull_out();
		ck_assert_int_lt(await(BUS_PORT_LOST, 0).error, 0);
		plug_in();
	}
	await_without(BUS_PORT_OPENED, BUS_PORT_LOST, 0);
	await(BUS_READING, 0);
}
END_TEST

START_TEST(a_missing_port_is_told_once)
{
	struct bus_message m;

	add_meter(DLT645_MODEL, "12", PATIENT_MS);
	start_bus();
	m = next_message();
	ck_assert_int_eq(m.event, BUS_PORT_LOST);
	ck_assert_int_eq(m.error, -ENOENT);
	plug_in();
	ck_assert_int_eq(next_message().event, BUS_PORT_OPENED);
	await(BUS_READING, 0);
}
END_TEST

START_TEST(a_port_in_use_is_left_alone)
{
	struct bus_message m;

	add_meter(DLT645_MODEL, "12", PATIENT_MS);
	plug_in();
	int other = tty_open(device);
	ck_assert_int_ge(other, 0);
	start_bus();
	m = next_message();
	ck_assert_int_eq(m.event, BUS_PORT_LOST);
	ck_assert_int_eq(m.error, -EBUSY);
	ck_assert_uint_eq(questions(), 0);
	tty_close(other);
	ck_assert_int_eq(next_message().event, BUS_PORT_OPENED);
	await(BUS_READING, 0);
}
END_TEST

/* The question that is under way is the last one. */
START_TEST(stopping_while_waiting)
{
	struct meter *m = add_meter(_i == 0 ? DLT645_MODEL : MODBUS_MODEL, "12", 1000);

	m->mute = true;
	start();
	await_questions(1);
	bus_stop(bus);
	bus = NULL;
	ck_assert_uint_eq(questions(), 1);
}
END_TEST

START_TEST(stopping_without_a_port)
{
	add_meter(DLT645_MODEL, "12", PATIENT_MS);
	start_bus();
	ck_assert_int_eq(next_message().event, BUS_PORT_LOST);
	bus_stop(bus);
	bus = NULL;
	bus_stop(NULL);
}
END_TEST

/* ---- the mailbox, and whose turn it is ---- */

START_TEST(a_full_mailbox_drops_the_oldest)
{
	struct meter *m = add_meter(DLT645_MODEL, "12", PATIENT_MS);
	struct bus_message message;
	int64_t before_ms = 0;
	unsigned count = 0;

	start();
	await_questions(12 * BUS_MAILBOX_MAX); /* nobody takes what the bus says meanwhile */
	lock();
	m->mute = true;
	size_t heard = line.logged;
	unlock();
	await_questions(heard + 1); /* now the bus waits for an answer, and says nothing */
	while (bus_next(bus, &message)) {
		count++;
		ck_assert_int_ne(message.event, BUS_PORT_OPENED); /* it was the oldest */
		if (message.event != BUS_READING)
			continue;
		check_reading(&message);
		ck_assert_int_gt(message.reading.mono_ms, before_ms);
		before_ms = message.reading.mono_ms;
	}
	ck_assert_uint_eq(count, BUS_MAILBOX_MAX);
	struct pollfd p = {.fd = bus_fd(bus), .events = POLLIN};
	ck_assert_int_eq(poll(&p, 1, 0), 0);
}
END_TEST

/* How often each meter's energy was asked for from the log's entry on; checks that every other turn is a preferred one. */
static void count_turns(size_t from, uint32_t preferred, size_t turns[METERS_MAX])
{
	size_t logged = questions();
	bool last = true;

	for (size_t i = from; i < logged; i++) {
		if (line.log[i].what != DI_ENERGY)
			continue;
		bool now = (preferred >> line.log[i].meter & 1) != 0;
		ck_assert_msg(now || last, "question %zu: two turns in a row for others", i);
		last = now;
		turns[line.log[i].meter]++;
	}
}

START_TEST(preferred_meters_have_every_other_turn)
{
	size_t turns[METERS_MAX] = {0};
	uint32_t preferred = _i == 0 ? 4 : 6;

	for (unsigned i = 0; i < METERS_MAX; i++)
		add_meter(DLT645_MODEL, i == 0 ? "12" : i == 1 ? "13" : "14", PATIENT_MS);
	start();
	await(BUS_READING, 2);
	bus_prefer(bus, preferred);
	size_t from = questions() + 60; /* some rounds later it holds */
	await_questions(from + 400);
	count_turns(from, preferred, turns);
	/* A p B p C (p): the others are not starved either, however many are preferred */
	ck_assert_uint_ge(turns[2], _i == 0 ? 2 * turns[0] : turns[0]);
	ck_assert_uint_gt(7 * turns[0], turns[0] + turns[1] + turns[2]);
	ck_assert_uint_gt(turns[1], 0);
}
END_TEST

/* ---- the configuration ---- */

START_TEST(faults_of_a_configuration)
{
	unsigned meter = 9;

	ck_assert_ptr_nonnull(strstr(bus_config_fault(&config, &meter), "1 to 16 meters"));
	add_meter(DLT645_MODEL, "12", 500);
	add_meter(MODBUS_MODEL, "12", 500); /* the same number in another protocol is another meter */
	add_meter(DLT645_MODEL, "13", 500);
	ck_assert_ptr_null(bus_config_fault(&config, &meter));

	static const struct {
		unsigned meter;
		const char *address;
		const char *says;
	} addresses[] = {
		{0, "", "1 to 12 digits"},
		{0, "12x", "1 to 12 digits"},
		{0, "AAAAAAAAAAAA", "1 to 12 digits"},
		{0, "AA12", "1 to 12 digits"},
		{0, "-1", "1 to 12 digits"},
		{1, "0", "1 to 247"},
		{1, "248", "1 to 247"},
		{1, "07", "1 to 247"},
		{1, "7 ", "1 to 247"},
		{1, "+7", "1 to 247"},
		{1, "", "1 to 247"},
		{1, "999999999999", "1 to 247"},
		{2, "000000000012", "same address"},
	};
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct bus_config wrong = config;
		strcpy(wrong.meters[addresses[i].meter].address, addresses[i].address);
		const char *fault = bus_config_fault(&wrong, &meter);
		ck_assert_msg(fault != NULL && strstr(fault, addresses[i].says) != NULL, "address %zu: %s", i, fault);
		ck_assert_uint_eq(meter, addresses[i].meter);
	}
}
END_TEST

START_TEST(faults_of_lines_and_models)
{
	unsigned meter = 9;

	add_meter(DLT645_MODEL, "12", 500);
	add_meter(MODBUS_MODEL, "12", 500);
	struct bus_config wrong = config;
	wrong.meters[1].line.baud = 9601;
	ck_assert_ptr_nonnull(strstr(bus_config_fault(&wrong, &meter), "baud rate"));
	ck_assert_uint_eq(meter, 1);
	wrong = config;
	wrong.meters[1].line.data_bits = 7;
	ck_assert_ptr_nonnull(strstr(bus_config_fault(&wrong, &meter), "data_bits"));
	wrong = config;
	wrong.meters[1].line.stop_bits = 0;
	ck_assert_ptr_nonnull(strstr(bus_config_fault(&wrong, &meter), "stop bits"));
	wrong = config;
	wrong.meters[1].model.items[METER_ENERGY].present = false;
	ck_assert_ptr_nonnull(strstr(bus_config_fault(&wrong, &meter), "energy"));
	wrong = config;
	strcpy(wrong.meters[1].address, "13");
	wrong.meters[1] = wrong.meters[0];
	ck_assert_ptr_nonnull(strstr(bus_config_fault(&wrong, &meter), "same address"));
	ck_assert_uint_eq(meter, 1);
	wrong.meter_count = BUS_METERS_MAX + 1;
	ck_assert_ptr_nonnull(strstr(bus_config_fault(&wrong, &meter), "1 to 16"));
}
END_TEST

/* At 2400 baud 8E1 (11 bits a byte), 100 ms until an answer begins, and 4 bytes of silence (19 ms): current and power
 * 20 + 23 bytes (198 ms), energy, and a slow one like it, 20 + 24 bytes (202 ms). */
START_TEST(the_cycle_is_planned)
{
	add_meter(DLT645_MODEL, "12", 500);
	config.meters[0].line = config.meters[0].model.line;
	config.meters[0].model.typical_ms = 100;
	ck_assert_int_eq(bus_cycle_ms(&config), 2 * (198 + 100 + 19) + 2 * (202 + 100 + 19));
	/* three phases: the currents come as one block of 9 bytes: 20 + 29 (225 ms) */
	add_meter(PHASES_MODEL, "13", 500);
	config.meters[1].line = config.meters[1].model.line;
	config.meters[1].model.typical_ms = 100;
	int64_t three = (225 + 100 + 19) + (198 + 100 + 19) + 2 * (202 + 100 + 19);
	ck_assert_int_eq(bus_cycle_ms(&config), 2 * (198 + 100 + 19) + 2 * (202 + 100 + 19) + three);
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, values_in_dlt645);
	tcase_add_test(tc, values_of_three_phases);
	tcase_add_test(tc, absent_phases_are_left_out);
	tcase_add_test(tc, values_in_modbus);
	tcase_add_test(tc, two_protocols_share_a_line);
	tcase_add_test(tc, what_a_meter_does_not_have_is_not_asked_again);
	tcase_add_test(tc, without_a_number_model_and_address_tell);
	tcase_add_test(tc, a_model_without_a_number_needs_no_question);
	tcase_add_test(tc, a_lost_number_is_doubted);
	tcase_add_test(tc, a_busy_meter_is_asked_again);
	tcase_add_loop_test(tc, a_swapped_meter_is_noticed, 0, 2);
	tcase_add_test(tc, a_silent_meter_returns);
	tcase_add_loop_test(tc, a_dribbling_meter_is_cut_off, 0, 2);
	tcase_add_loop_test(tc, a_babbling_meter_holds_nobody_up, 0, 2);
	tcase_add_loop_test(tc, garbled_answers, 0, 2);
	tcase_add_test(tc, late_answers_in_dlt645);
	tcase_add_test(tc, late_answers_in_modbus);
	tcase_add_loop_test(tc, another_master_is_noticed, 0, 2);
	tcase_add_loop_test(tc, an_echo_is_stripped, 0, 2);
	tcase_add_test(tc, an_unexpected_echo_is_no_master);
	tcase_add_test(tc, a_port_vanishes_and_returns);
	tcase_add_test(tc, a_missing_port_is_told_once);
	tcase_add_test(tc, a_port_in_use_is_left_alone);
	tcase_add_loop_test(tc, stopping_while_waiting, 0, 2);
	tcase_add_test(tc, stopping_without_a_port);
	tcase_add_test(tc, a_full_mailbox_drops_the_oldest);
	tcase_add_loop_test(tc, preferred_meters_have_every_other_turn, 0, 2);
	tcase_add_test(tc, faults_of_a_configuration);
	tcase_add_test(tc, faults_of_lines_and_models);
	tcase_add_test(tc, the_cycle_is_planned);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return EXIT_FAILURE;
	models = argv[1];
	Suite *suite = suite_create("bus");
	TCase *tc = tcase_create("bus");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 100);
	add_tests(tc);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
