/* hal/io/bus.c: see bus.h: the thread, its rounds, and the mailbox.
 *
 * Room: hal/core, libmodbus (behind bus_internal.h). */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bus_internal.h"

#define REOPEN_MS 1000
#define IDLE_MS 200 /* a round in which nobody was asked */
#define FOREIGN_REST_MS INT64_C(60000) /* between two words about a foreign master */
#define FOREIGN_BACKOFF_MS 500
#define FOREIGN_GIVE_WAY_MS INT64_C(2500) /* between two back-offs: a busy other master costs a fifth of the line */
#define SILENT_TURNS 3 /* failed in a row */
#define SKIP_MAX 16 /* rounds that a silent meter is left out */
#define SKIP_MS INT64_C(10000) /* but never longer than this */
#define IDENTITY_MS INT64_C(60000)
#define CLOCK_MS INT64_C(600000)
#define REFUSED_MS INT64_C(600000) /* a slow quantity that the meter does not have */
#define GAP_CHARS 4 /* silence between two frames */
#define TRIES 2 /* of one question */
#define INTER_BYTE_MS 500 /* DL/T 645: bytes of one frame are not further apart */
#define SETTLE_MORE_MS 1000 /* a line that does not come to rest is waited for no longer */

/* Slow quantities in their turn; the date stands for the whole clock, which comes first: after an outage the box waits
 * for it. */
static const enum meter_quantity slow[] = {
	METER_DATE,
	METER_VOLTAGE_A,
	METER_VOLTAGE_B,
	METER_VOLTAGE_C,
	METER_FREQUENCY,
	METER_STATUS_1,
	METER_STATUS_2,
	METER_STATUS_3,
	METER_STATUS_4,
	METER_STATUS_5,
	METER_STATUS_6,
	METER_STATUS_7,
};
#define SLOW_COUNT (sizeof slow / sizeof *slow)

/* Before the energy: its answer is the moment of the set. */
static const enum meter_quantity fast[] = {METER_CURRENT_A, METER_CURRENT_B, METER_CURRENT_C, METER_POWER};
#define FAST_COUNT (sizeof fast / sizeof *fast)

/* What the thread knows of one meter. */
struct run {
	struct meter_state state;
	char serial[METER_SERIAL_SIZE]; /* valid while identified */
	bool identified; /* and no question has failed since */
	bool numbered; /* it told the number itself */
	int64_t identified_ms;
	unsigned failed_turns;
	bool silent;
	unsigned skip; /* rounds between two tries while silent */
	unsigned skip_left;
	int64_t tried_ms;
	size_t next_slow;
	int64_t slow_after_ms[SLOW_COUNT]; /* not before */
	bool clock_known; /* since the last silence */
	/* the last answer of this turn, for items that share a block */
	bool block_known;
	uint32_t block_di;
	struct answer block;
};

struct bus {
	struct bus_config config;
	pthread_t thread;
	int owner_fd; /* readable for the owner: messages wait */
	int wake_fd; /* readable for the thread: it shall end */
	atomic_bool stopping;
	atomic_uint preferred;

	pthread_mutex_t mutex; /* of the mailbox */
	struct bus_message mailbox[BUS_MAILBOX_MAX];
	size_t first;
	size_t count;

	/* the thread's own */
	struct port port;
	bool lost_told;
	unsigned last_preferred; /* who had the last turn between the others' */
	int64_t foreign_ms; /* when a foreign master was told last; INT64_MIN: never */
	int64_t backed_off_ms; /* when the line was left to it last */
	struct run runs[BUS_METERS_MAX];
};

/* --- the mailbox --- */

static void post(struct bus *bus, const struct bus_message *message)
{
	uint64_t one = 1;
	pthread_mutex_lock(&bus->mutex);
	if (bus->count == BUS_MAILBOX_MAX) {
		bus->first = (bus->first + 1) % BUS_MAILBOX_MAX;
		bus->count--;
	}
	bus->mailbox[(bus->first + bus->count) % BUS_MAILBOX_MAX] = *message;
	bus->count++;
	pthread_mutex_unlock(&bus->mutex);
	ssize_t written = write(bus->owner_fd, &one, sizeof one);
	(void)written; /* it fails only when it is readable anyway */
}

bool bus_next(struct bus *bus, struct bus_message *message)
{
	uint64_t count;
	pthread_mutex_lock(&bus->mutex);
	bool waits = bus->count > 0;
	if (waits) {
		*message = bus->mailbox[bus->first];
		bus->first = (bus->first + 1) % BUS_MAILBOX_MAX;
		bus->count--;
	} else {
		ssize_t got = read(bus->owner_fd, &count, sizeof count);
		(void)got; /* it may have been read before */
	}
	pthread_mutex_unlock(&bus->mutex);
	return waits;
}

static void post_state(struct bus *bus, unsigned meter, enum bus_event event)
{
	struct bus_message message = {.event = event, .meter = meter, .state = bus->runs[meter].state};
	post(bus, &message);
}

/* --- waiting --- */

static bool stopping(struct bus *bus)
{
	return atomic_load(&bus->stopping);
}

/* Waits, unless the bus is to end. */
static void rest(struct bus *bus, int64_t ms)
{
	struct pollfd p = {.fd = bus->wake_fd, .events = POLLIN};
	int ready = poll(&p, 1, (int)ms);
	(void)ready; /* whatever ended it, the loop looks around */
}

static int64_t gap_ms(const struct bus_meter *meter)
{
	return tty_wire_ms(&meter->line, GAP_CHARS);
}

/* Lets pass what still comes, until nothing has come for quiet_ms. 0 or negative errno. */
static int settle(struct bus *bus, int64_t quiet_ms)
{
	struct pollfd p[] = {{.fd = bus->wake_fd, .events = POLLIN}, {.fd = bus->port.fd, .events = POLLIN}};
	int64_t quiet_at_ms = tty_now_ms() + quiet_ms;
	int64_t limit_ms = quiet_at_ms + SETTLE_MORE_MS;
	int64_t left_ms = quiet_ms;
	int result = 0;
	while (result == 0 && left_ms > 0 && !stopping(bus)) {
		int ready = poll(p, 2, (int)left_ms);
		if (ready < 0)
			result = -errno;
		if (ready > 0 && p[1].revents != 0) {
			result = bus_listen(&bus->port);
			quiet_at_ms = tty_now_ms() + quiet_ms;
		}
		left_ms = (quiet_at_ms < limit_ms ? quiet_at_ms : limit_ms) - tty_now_ms();
	}
	return result;
}

/* Another master is on the line: said at most once a minute, and given way to. */
static void heed_foreign(struct bus *bus)
{
	int64_t now = tty_now_ms();
	bus->port.foreign = false;
	if (bus->foreign_ms == INT64_MIN || now - bus->foreign_ms >= FOREIGN_REST_MS) {
		struct bus_message message = {.event = BUS_FOREIGN};
		bus->foreign_ms = now;
		post(bus, &message);
	}
	if (bus->backed_off_ms == INT64_MIN || now - bus->backed_off_ms >= FOREIGN_GIVE_WAY_MS) {
		rest(bus, FOREIGN_BACKOFF_MS);
		bus->backed_off_ms = tty_now_ms();
	}
}

/* Before a question: a frame that is under way is let pass, and another master has its time. 0 or negative errno. */
static int await_line(struct bus *bus, const struct bus_meter *m)
{
	rest(bus, gap_ms(m));
	int result = bus_listen(&bus->port);
	if (result == 0 && bus->port.parser.count > 0)
		result = settle(bus, INTER_BYTE_MS);
	if (result == 0 && bus->port.foreign)
		heed_foreign(bus);
	return result;
}

/* --- one question --- */

/* How much of the answer to the item's identifier is asked for: the items of a block come together. */
static size_t block_size(const struct meter_model *model, const struct meter_item *item)
{
	size_t size = (size_t)item->offset + item->size;
	for (unsigned q = 0; q < METER_QUANTITY_COUNT; q++) {
		const struct meter_item *other = &model->items[q];
		if (other->present && other->di == item->di && (size_t)other->offset + other->size > size)
			size = (size_t)other->offset + other->size;
	}
	return size;
}

static int ask_item(struct bus *bus, unsigned meter, const struct meter_item *item, struct answer *answer)
{
	const struct bus_meter *m = &bus->config.meters[meter];
	if (m->model.protocol == METER_MODBUS_RTU)
		return bus_ask_modbus(&bus->port, m, item->function, item->address, item->size / 2u, answer);
	return bus_ask_dlt645(&bus->port, m, item->di, block_size(&m->model, item), answer);
}

/* One try. After a failed one nobody knows who answers next, and the line has to come to rest: the other half of an answer
 * may follow; a late answer in Modbus could be taken for the next question's. */
static int ask_once(struct bus *bus, unsigned meter, const struct meter_item *item, struct answer *answer)
{
	struct run *run = &bus->runs[meter];
	const struct bus_meter *m = &bus->config.meters[meter];
	int result = await_line(bus, m);
	if (result < 0)
		return result;
	answer->error = 0;
	run->state.asked++;
	int outcome = ask_item(bus, meter, item, answer);
	if (outcome != METER_TIMED_OUT && outcome != METER_GARBLED)
		return outcome;
	run->identified = false;
	if (m->model.protocol == METER_MODBUS_RTU)
		result = settle(bus, m->model.turnaround_ms);
	else if (outcome == METER_GARBLED)
		result = settle(bus, INTER_BYTE_MS);
	return result < 0 ? result : outcome;
}

/* Asks, once more where the line may be to blame. */
static int ask(struct bus *bus, unsigned meter, const struct meter_item *item, struct answer *answer)
{
	struct run *run = &bus->runs[meter];
	int outcome = METER_TIMED_OUT;
	for (int i = 0; i < TRIES && (outcome == METER_TIMED_OUT || outcome == METER_GARBLED) && !stopping(bus); i++)
		outcome = ask_once(bus, meter, item, answer);
	if (outcome < 0)
		return outcome;
	run->state.last = (enum meter_outcome)outcome;
	run->state.error = outcome == METER_REFUSED ? answer->error : 0;
	if (outcome == METER_ANSWERED)
		run->state.answered++;
	return outcome;
}

/* Whether the last answer of this turn holds the item, too. */
static bool in_block(const struct bus *bus, unsigned meter, const struct meter_item *item)
{
	const struct run *run = &bus->runs[meter];
	bool dlt645 = bus->config.meters[meter].model.protocol != METER_MODBUS_RTU;
	return dlt645 && run->block_known && run->block_di == item->di &&
	       run->block.size >= (size_t)item->offset + item->size;
}

/* The item's bytes: from the block that was read last in this turn, or from the meter. */
static int ask_block(struct bus *bus, unsigned meter, const struct meter_item *item, const struct answer **answer)
{
	struct run *run = &bus->runs[meter];
	*answer = &run->block;
	if (in_block(bus, meter, item))
		return METER_ANSWERED;
	int outcome = ask(bus, meter, item, &run->block);
	run->block_known = outcome == METER_ANSWERED;
	run->block_di = item->di;
	return outcome;
}

/* Reads one number. An enum meter_outcome or negative errno; *present false when the meter says that it has none. */
static int ask_number(struct bus *bus, unsigned meter, const struct meter_item *item, int64_t *value, bool *present)
{
	const struct answer *answer;
	int outcome = ask_block(bus, meter, item, &answer);
	if (outcome != METER_ANSWERED)
		return outcome;
	enum meter_value decoded = meter_decode(item, answer->bytes, answer->size, value);
	*present = decoded == METER_VALUE;
	if (decoded != METER_UNREADABLE)
		return METER_ANSWERED;
	bus->runs[meter].state.last = METER_NOT_READABLE;
	return METER_NOT_READABLE;
}

/* --- identity --- */

/* A meter that tells no serial number is known by its model and address. */
static void identify_by_address(const struct bus_meter *m, char serial[METER_SERIAL_SIZE])
{
	char text[METER_SERIAL_SIZE];
	snprintf(text, sizeof text, "%.18s-%.12s", m->model.name, m->address);
	memcpy(serial, text, sizeof text);
	for (char *c = serial; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '-';
}

/* Whether a refusal says that the meter has no serial number. A busy one may have it; DL/T 645 knows no busy ones. */
static bool is_lacking(const struct bus_meter *m, unsigned error)
{
	return m->model.protocol != METER_MODBUS_RTU || error == MODBUS_EXCEPTION_ILLEGAL_FUNCTION ||
	       error == MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS || error == MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
}

/* Asks for the serial number. METER_ANSWERED with *told as it was decoded, absent where the meter has none; another
 * outcome; or negative errno. */
static int ask_serial(struct bus *bus, unsigned meter, char serial[METER_SERIAL_SIZE], enum meter_value *told)
{
	struct run *run = &bus->runs[meter];
	const struct bus_meter *m = &bus->config.meters[meter];
	const struct meter_item *item = &m->model.items[METER_SERIAL];
	struct answer answer;
	*told = METER_ABSENT;
	if (!item->present)
		return METER_ANSWERED;
	int outcome = ask(bus, meter, item, &answer);
	if (outcome == METER_REFUSED && is_lacking(m, answer.error))
		outcome = METER_ANSWERED;
	else if (outcome == METER_ANSWERED)
		*told = meter_decode_text(item, answer.bytes, answer.size, serial);
	if (outcome != METER_ANSWERED || *told != METER_UNREADABLE)
		return outcome;
	run->state.last = METER_NOT_READABLE;
	return METER_NOT_READABLE;
}

/* Takes the number as the meter's. What is known of another meter is not true of this one. */
static void take_identity(struct run *run, const char serial[METER_SERIAL_SIZE])
{
	if (strcmp(run->serial, serial) != 0) {
		run->state.known = 0;
		run->clock_known = false;
		memset(run->slow_after_ms, 0, sizeof run->slow_after_ms);
	}
	memcpy(run->serial, serial, sizeof run->serial);
	memcpy(run->state.serial, serial, sizeof run->state.serial);
	run->state.known |= UINT32_C(1) << METER_SERIAL;
	run->identified = true;
	run->identified_ms = tty_now_ms();
}

/* Finds out who answers, where that is not certain. METER_ANSWERED, another outcome, or negative errno. */
static int identify(struct bus *bus, unsigned meter)
{
	struct run *run = &bus->runs[meter];
	char serial[METER_SERIAL_SIZE] = "";
	enum meter_value told;
	if (run->identified && tty_now_ms() - run->identified_ms < IDENTITY_MS)
		return METER_ANSWERED;
	int outcome = ask_serial(bus, meter, serial, &told);
	/* A refusal in DL/T 645 names no question: it may be the late one of another. A meter that has told its number
	 * before is believed to have none only when it keeps saying so. */
	if (outcome == METER_ANSWERED && told != METER_VALUE && run->numbered && run->failed_turns < SILENT_TURNS)
		outcome = METER_REFUSED;
	if (outcome != METER_ANSWERED)
		return outcome;
	if (told != METER_VALUE)
		identify_by_address(&bus->config.meters[meter], serial);
	run->numbered = told == METER_VALUE;
	take_identity(run, serial);
	return METER_ANSWERED;
}

/* --- the fast set --- */

static int64_t magnitude(int64_t value)
{
	return value < 0 ? -value : value;
}

/* Reads current, power and, last, energy. METER_ANSWERED with *reading complete, another outcome, or negative errno. */
static int read_set(struct bus *bus, unsigned meter, struct meter_reading *reading)
{
	struct run *run = &bus->runs[meter];
	const struct meter_model *model = &bus->config.meters[meter].model;
	int64_t value = 0;
	bool present = false;
	int outcome = METER_ANSWERED;
	run->block_known = false;
	reading->asked_ms = tty_now_ms();
	for (size_t i = 0; i < FAST_COUNT && outcome == METER_ANSWERED; i++) {
		const struct meter_item *item = &model->items[fast[i]];
		if (!item->present)
			continue;
		outcome = ask_number(bus, meter, item, &value, &present);
		if (outcome != METER_ANSWERED || !present)
			continue;
		if (fast[i] == METER_POWER)
			reading->power_mw = value;
		else if (magnitude(value) > reading->current_ma)
			reading->current_ma = magnitude(value);
	}
	if (outcome != METER_ANSWERED)
		return outcome;
	outcome = ask_number(bus, meter, &model->items[METER_ENERGY], &value, &present);
	if (outcome == METER_ANSWERED && !present)
		outcome = METER_NOT_READABLE; /* a meter without a register is none */
	reading->register_mwh = meter_on_step(model, value);
	reading->mono_ms = run->block.arrived_ms;
	return outcome;
}

static void post_reading(struct bus *bus, unsigned meter, struct meter_reading *reading)
{
	const struct run *run = &bus->runs[meter];
	struct bus_message message = {.event = BUS_READING, .meter = meter};
	if (run->clock_known)
		reading->clock_ms = run->state.clock_ms + (reading->mono_ms - run->state.clock_read_ms);
	message.reading = *reading;
	post(bus, &message);
}

/* --- slow quantities --- */

/* The meter's clock: date, time, and the date again, because midnight may lie between. */
static int read_clock(struct bus *bus, unsigned meter)
{
	struct run *run = &bus->runs[meter];
	const struct bus_meter *m = &bus->config.meters[meter];
	const struct meter_item *date = &m->model.items[METER_DATE];
	const struct meter_item *time = &m->model.items[METER_TIME];
	struct answer before;
	struct answer of_day;
	struct answer after;
	int outcome;
	if ((outcome = ask(bus, meter, date, &before)) != METER_ANSWERED ||
	    (outcome = ask(bus, meter, time, &of_day)) != METER_ANSWERED ||
	    (outcome = ask(bus, meter, date, &after)) != METER_ANSWERED)
		return outcome;
	bool same_day = before.size == 4 && after.size == 4 && memcmp(before.bytes, after.bytes, 4) == 0;
	run->clock_known = same_day && of_day.size == 3 &&
			   meter_clock(before.bytes, of_day.bytes, m->utc_offset_minutes, &run->state.clock_ms);
	if (!run->clock_known)
		return METER_ANSWERED;
	run->state.clock_read_ms = of_day.arrived_ms;
	run->state.known |= UINT32_C(1) << METER_DATE | UINT32_C(1) << METER_TIME;
	return METER_ANSWERED;
}

static void store_slow(struct meter_state *state, enum meter_quantity quantity, int64_t value)
{
	if (quantity >= METER_VOLTAGE_A && quantity <= METER_VOLTAGE_C)
		state->voltage_mv[quantity - METER_VOLTAGE_A] = value;
	else if (quantity >= METER_STATUS_1 && quantity <= METER_STATUS_7)
		state->status[quantity - METER_STATUS_1] = (uint16_t)value;
	else if (quantity == METER_FREQUENCY)
		state->frequency_mhz = value;
}

static int read_slow(struct bus *bus, unsigned meter, enum meter_quantity quantity)
{
	struct run *run = &bus->runs[meter];
	int64_t value = 0;
	bool present = false;
	if (quantity == METER_DATE)
		return read_clock(bus, meter);
	int outcome = ask_number(bus, meter, &bus->config.meters[meter].model.items[quantity], &value, &present);
	if (outcome == METER_ANSWERED && present) {
		store_slow(&run->state, quantity, value);
		run->state.known |= UINT32_C(1) << quantity;
	}
	return outcome;
}

/* Reads slow quantity k, and notes when it is due again. A failure is told, and no more: the fast set is what counts. */
static int take_slow(struct bus *bus, unsigned meter, size_t k)
{
	struct run *run = &bus->runs[meter];
	int64_t now = tty_now_ms();
	int outcome = read_slow(bus, meter, slow[k]);
	run->next_slow = (k + 1) % SLOW_COUNT;
	if (outcome == METER_REFUSED || outcome == METER_NOT_READABLE)
		run->slow_after_ms[k] = now + REFUSED_MS;
	else if (outcome == METER_ANSWERED && slow[k] == METER_DATE)
		run->slow_after_ms[k] = now + CLOCK_MS;
	return outcome;
}

/* The next slow quantity that is due, and what its answer says beside it. 0, or negative errno. */
static int one_slow(struct bus *bus, unsigned meter)
{
	struct run *run = &bus->runs[meter];
	const struct meter_model *model = &bus->config.meters[meter].model;
	size_t first = run->next_slow;
	bool asked = false;
	for (size_t i = 0; i < SLOW_COUNT; i++) {
		size_t k = (first + i) % SLOW_COUNT;
		const struct meter_item *item = &model->items[slow[k]];
		if (!item->present || tty_now_ms() < run->slow_after_ms[k])
			continue;
		if (asked && !in_block(bus, meter, item))
			break;
		asked = true;
		int outcome = take_slow(bus, meter, k);
		if (outcome < 0)
			return outcome;
	}
	post_state(bus, meter, BUS_STATE);
	return 0;
}

/* --- one meter's turn --- */

static void turn_failed(struct bus *bus, unsigned meter)
{
	struct run *run = &bus->runs[meter];
	run->identified = false; /* who answers next may be another one */
	run->failed_turns++;
	if (run->failed_turns < SILENT_TURNS) {
		post_state(bus, meter, BUS_STATE);
		return;
	}
	if (!run->silent)
		post_state(bus, meter, BUS_METER_SILENT);
	run->silent = true;
	run->clock_known = false;
	run->skip = run->skip == 0 ? 1 : run->skip * 2 > SKIP_MAX ? SKIP_MAX : run->skip * 2;
	run->skip_left = run->skip;
}

static void turn_succeeded(struct run *run)
{
	if (run->silent) /* its clock may have been set meanwhile */
		memset(run->slow_after_ms, 0, sizeof run->slow_after_ms);
	run->failed_turns = 0;
	run->silent = false;
	run->skip = 0;
	run->skip_left = 0;
}

/* 0, or negative errno when the port is lost. */
static int fast_turn(struct bus *bus, unsigned meter)
{
	struct run *run = &bus->runs[meter];
	struct meter_reading reading = {0};
	run->tried_ms = tty_now_ms();
	int outcome = identify(bus, meter);
	memcpy(reading.serial, run->serial, sizeof reading.serial);
	if (outcome == METER_ANSWERED)
		outcome = read_set(bus, meter, &reading);
	/* A question had to be asked twice. In DL/T 645: is it the same meter still? In Modbus nothing tells which question an
	 * answer is to: what was read in this turn is worth nothing. */
	if (outcome == METER_ANSWERED && !run->identified)
		outcome = bus->config.meters[meter].model.protocol == METER_MODBUS_RTU ? METER_GARBLED :
											 identify(bus, meter);
	if (outcome < 0)
		return outcome;
	if (stopping(bus))
		return 0;
	if (outcome != METER_ANSWERED) {
		turn_failed(bus, meter);
		return 0;
	}
	turn_succeeded(run);
	if (strcmp(reading.serial, run->serial) == 0)
		post_reading(bus, meter, &reading);
	return 0;
}

static bool is_due(struct run *run)
{
	if (run->skip_left == 0 || tty_now_ms() - run->tried_ms >= SKIP_MS)
		return true;
	run->skip_left--;
	return false;
}

/* --- a round --- */

/* Every other turn belongs to the preferred ones, one after the other. 0, or negative errno when the port is lost. */
static int preferred_turn(struct bus *bus, unsigned after)
{
	unsigned preferred = atomic_load(&bus->preferred);
	unsigned count = bus->config.meter_count;
	for (unsigned k = 1; k <= count; k++) {
		unsigned i = (bus->last_preferred + k) % count;
		if ((preferred >> i & 1) == 0 || i == after || bus->runs[i].silent)
			continue;
		bus->last_preferred = i;
		return fast_turn(bus, i);
	}
	return 0;
}

/* 0, or negative errno when the port is lost. */
static int do_round(struct bus *bus)
{
	bool asked = false;
	int result = 0;
	for (unsigned i = 0; i < bus->config.meter_count && result == 0 && !stopping(bus); i++) {
		if (!is_due(&bus->runs[i]))
			continue;
		asked = true;
		result = fast_turn(bus, i);
		if (result == 0 && !stopping(bus) && bus->runs[i].failed_turns == 0)
			result = one_slow(bus, i);
		if (result == 0 && !stopping(bus))
			result = preferred_turn(bus, i);
	}
	if (!asked)
		rest(bus, IDLE_MS);
	return result;
}

/* --- the port --- */

static void say_lost(struct bus *bus, int error)
{
	struct bus_message message = {.event = BUS_PORT_LOST, .error = error};
	if (!bus->lost_told)
		post(bus, &message);
	bus->lost_told = true;
}

static void forget_meters(struct bus *bus)
{
	for (unsigned i = 0; i < bus->config.meter_count; i++) {
		bus->runs[i].identified = false;
		bus->runs[i].skip_left = 0;
	}
}

/* 0 when the port is open. */
static int open_port(struct bus *bus)
{
	struct bus_message message = {.event = BUS_PORT_OPENED};
	bus->port.fd = tty_open(bus->config.device);
	if (bus->port.fd < 0)
		return bus->port.fd;
	bus->port.configured = false;
	dlt645_parser_init(&bus->port.parser);
	int result = bus_prepare(&bus->port, &bus->config.meters[0]); /* shows that it is a port that can be set */
	if (result < 0) {
		tty_close(bus->port.fd);
		bus->port.fd = result;
		return result;
	}
	bus->lost_told = false;
	post(bus, &message);
	forget_meters(bus);
	return 0;
}

static void *run_bus(void *argument)
{
	struct bus *bus = argument;
	while (!stopping(bus)) {
		int result = bus->port.fd < 0 ? open_port(bus) : do_round(bus);
		if (result == 0)
			continue;
		tty_close(bus->port.fd);
		bus->port.fd = -1;
		say_lost(bus, result);
		rest(bus, REOPEN_MS);
	}
	tty_close(bus->port.fd);
	return NULL;
}

/* --- the owner's side --- */

static void free_bus(struct bus *bus)
{
	if (bus->port.modbus != NULL) {
		modbus_set_socket(bus->port.modbus, -1);
		modbus_free(bus->port.modbus);
	}
	if (bus->owner_fd >= 0)
		close(bus->owner_fd);
	if (bus->wake_fd >= 0)
		close(bus->wake_fd);
	pthread_mutex_destroy(&bus->mutex);
	free(bus);
}

static void note_addresses(struct bus *bus)
{
	for (unsigned i = 0; i < bus->config.meter_count; i++)
		if (bus->config.meters[i].model.protocol == METER_DLT645_2007 &&
		    dlt645_address_read(bus->config.meters[i].address, bus->port.addresses[bus->port.address_count]))
			bus->port.address_count++;
}

/* No signal belongs to the thread. */
static int start_thread(struct bus *bus)
{
	sigset_t all;
	sigset_t before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int result = -pthread_create(&bus->thread, NULL, run_bus, bus);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return result;
}

int bus_start(const struct bus_config *config, struct bus **bus_out)
{
	struct bus *bus = calloc(1, sizeof *bus);
	if (bus == NULL)
		return -ENOMEM;
	bus->config = *config;
	bus->foreign_ms = INT64_MIN;
	bus->backed_off_ms = INT64_MIN;
	bus->port.fd = -1;
	bus->port.echo = config->echo;
	note_addresses(bus);
	pthread_mutex_init(&bus->mutex, NULL);
	bus->owner_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	bus->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* The settings given here are never used: the line is set by tty_configure(). */
	bus->port.modbus = modbus_new_rtu(config->device, 9600, 'N', 8, 1);
	int result = bus->owner_fd < 0 || bus->wake_fd < 0 || bus->port.modbus == NULL ? -errno : start_thread(bus);
	if (result < 0) {
		free_bus(bus);
		return result;
	}
	*bus_out = bus;
	return 0;
}

void bus_stop(struct bus *bus)
{
	uint64_t one = 1;
	if (bus == NULL)
		return;
	atomic_store(&bus->stopping, true);
	ssize_t written = write(bus->wake_fd, &one, sizeof one);
	(void)written; /* it fails only when it is readable anyway */
	pthread_join(bus->thread, NULL);
	free_bus(bus);
}

int bus_fd(const struct bus *bus)
{
	return bus->owner_fd;
}

void bus_prefer(struct bus *bus, uint32_t meters)
{
	atomic_store(&bus->preferred, meters);
}

/* --- planning --- */

static int64_t item_ms(const struct bus_meter *m, const struct meter_item *item)
{
	size_t bytes = m->model.protocol == METER_MODBUS_RTU ? bus_modbus_bytes(item->size / 2u) :
							       bus_dlt645_bytes(block_size(&m->model, item));
	return tty_wire_ms(&m->line, bytes) + m->model.typical_ms + gap_ms(m);
}

static bool shares_block(const struct meter_model *model, size_t k)
{
	for (size_t i = 0; i < k && model->protocol != METER_MODBUS_RTU; i++)
		if (model->items[fast[i]].present && model->items[fast[i]].di == model->items[fast[k]].di)
			return true;
	return false;
}

static int64_t meter_ms(const struct bus_meter *m)
{
	const struct meter_model *model = &m->model;
	int64_t sum = 2 * item_ms(m, &model->items[METER_ENERGY]); /* and one slow quantity, about as long */
	for (size_t i = 0; i < FAST_COUNT; i++)
		if (model->items[fast[i]].present && !shares_block(model, i))
			sum += item_ms(m, &model->items[fast[i]]);
	return sum;
}

int64_t bus_cycle_ms(const struct bus_config *config)
{
	int64_t sum = 0;
	for (unsigned i = 0; i < config->meter_count; i++)
		sum += meter_ms(&config->meters[i]);
	return sum;
}

static const char *address_fault(const struct bus_meter *m)
{
	uint8_t address[DLT645_ADDRESS_BYTES];
	char *end;
	if (m->model.protocol == METER_DLT645_2007)
		return m->address[0] != 'A' && dlt645_address_read(m->address, address) ?
			       NULL :
			       "address must be 1 to 12 digits";
	unsigned long slave = m->address[0] >= '1' && m->address[0] <= '9' ? strtoul(m->address, &end, 10) : 0;
	return slave >= 1 && slave <= 247 && *end == '\0' ? NULL : "address must be 1 to 247";
}

static bool same_address(const struct bus_meter *a, const struct bus_meter *b)
{
	uint8_t first[DLT645_ADDRESS_BYTES] = {0};
	uint8_t second[DLT645_ADDRESS_BYTES] = {0};
	if (a->model.protocol != b->model.protocol)
		return false;
	if (a->model.protocol != METER_DLT645_2007)
		return strcmp(a->address, b->address) == 0;
	dlt645_address_read(a->address, first);
	dlt645_address_read(b->address, second);
	return memcmp(first, second, sizeof first) == 0;
}

static const char *meter_fault(const struct bus_config *config, unsigned meter)
{
	const struct bus_meter *m = &config->meters[meter];
	const char *fault = meter_model_fault(&m->model);
	if (fault == NULL)
		fault = m->line.data_bits != 8 ? "both protocols send bytes: data_bits must be 8" :
						 line_settings_fault(&m->line);
	if (fault == NULL)
		fault = address_fault(m);
	for (unsigned i = 0; i < meter && fault == NULL; i++)
		if (same_address(&config->meters[i], m))
			fault = "another meter of the bus has the same address";
	return fault;
}

const char *bus_config_fault(const struct bus_config *config, unsigned *meter)
{
	*meter = 0;
	if (config->meter_count < 1 || config->meter_count > BUS_METERS_MAX)
		return "a bus has 1 to 16 meters";
	for (unsigned i = 0; i < config->meter_count; i++) {
		const char *fault = meter_fault(config, i);
		if (fault == NULL)
			continue;
		*meter = i;
		return fault;
	}
	return NULL;
}
