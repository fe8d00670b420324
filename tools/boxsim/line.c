/* tools/boxsim/line.c: see boxsim_line.h.
 *
 * Room: boxsim; this file needs the plant, hal/core and libmodbus. */
#include "boxsim_line.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define BITS_PER_BYTE 11
#define READ_MAX 256
#define READS_MAX 16 /* before others have their turn */
#define SILENCE_MS 500 /* the longest gap within a frame */
#define FOREIGN_EVERY_MS 3000
#define TERMINAL_NAME_SIZE 64

/* --- making --- */

static int make_raw(const char *name)
{
	struct termios settings;
	int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int rc = tcgetattr(fd, &settings) < 0 ? -errno : 0;
	cfmakeraw(&settings);
	if (rc == 0 && tcsetattr(fd, TCSANOW, &settings) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int make_terminal(struct line *line)
{
	char name[TERMINAL_NAME_SIZE];
	line->terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (line->terminal < 0 || grantpt(line->terminal) < 0 || unlockpt(line->terminal) < 0)
		return -errno;
	int rc = -ptsname_r(line->terminal, name, sizeof(name));
	/* The other side is not kept open: exclusive use and the like end with their owner, as on a real line. */
	if (rc == 0)
		rc = make_raw(name);
	return rc ? rc : place_link(&line->place, name);
}

int line_start(struct line *line, const char *path, unsigned bus, struct meter *meters, unsigned meter_count,
	       const struct plant *plant)
{
	*line = (struct line){
		.terminal = -1,
		.deserted = true,
		.meters = meters,
		.meter_count = meter_count,
		.bus = bus,
		.plant = plant,
	};
	dlt645_parser_init(&line->parser);
	int rc = place_take(&line->place, path);
	if (rc == 0)
		rc = make_terminal(line);
	if (rc < 0)
		line_stop(line);
	return rc;
}

void line_stop(struct line *line)
{
	place_give(&line->place);
	if (line->terminal >= 0)
		close(line->terminal);
	line->terminal = -1;
}

/* --- out --- */

static void log_bytes(struct line *line, const char *event, int outlet, const uint8_t *bytes, size_t count,
		      int64_t now_ms)
{
	if (line->log)
		event_log_bytes(line->log, line->mono_offset_ms + now_ms, event, outlet, bytes, count);
}

static void send_bytes(struct line *line, const uint8_t *bytes, size_t count)
{
	ssize_t written = line->deserted ? 0 : write(line->terminal, bytes, count);
	(void)written; /* a line knows nothing of bytes that nobody takes */
}

static int64_t wire_ms(size_t bytes, unsigned baud)
{
	return ((int64_t)bytes * BITS_PER_BYTE * 1000 + baud - 1) / baud;
}

/* Which byte is garbled goes round through the frame, so that every field of it is hit in its turn. */
static void garble(struct meter *meter, uint8_t *bytes, size_t count)
{
	size_t first = 0;
	while (first < count && meter->spec->kind == METER_KIND_DLT645 && bytes[first] == 0xFE)
		first++;
	bytes[first + meter->garble_next++ % (count - first)] ^= 0x24;
}

/* Puts an answer on its way: bytes of it are in a->bytes. */
static void post_answer(struct line *line, struct meter *meter, struct line_answer *a, size_t question_count,
			int64_t now_ms)
{
	if (meter->half)
		a->count /= 2;
	if (meter->garbled)
		garble(meter, a->bytes, a->count);
	a->outlet = meter->outlet;
	a->sent = 0;
	a->gap_ms = meter->dribble_ms;
	a->due_ms = now_ms + wire_ms(question_count, meter->spec->baud) + wire_ms(a->count, meter->spec->baud) +
		    (meter->slow_ms ? meter->slow_ms : meter->spec->turnaround_ms) + meter->late_ms;
	line->answer_count++;
}

static void end_answer(struct line *line, unsigned index)
{
	memmove(&line->answers[index],
		&line->answers[index + 1],
		(line->answer_count - index - 1) * sizeof(line->answers[0]));
	line->answer_count--;
}

/* The index of the answer that is due first, of equals the older one; answer_count when there is none. */
static unsigned first_due(const struct line *line)
{
	unsigned first = 0;
	for (unsigned i = 1; i < line->answer_count; i++)
		if (line->answers[i].due_ms < line->answers[first].due_ms)
			first = i;
	return line->answer_count ? first : line->answer_count;
}

static void send_due(struct line *line, int64_t now_ms)
{
	unsigned i = first_due(line);
	while (i < line->answer_count && line->answers[i].due_ms <= now_ms) {
		struct line_answer *a = &line->answers[i];
		size_t count = a->gap_ms ? 1 : a->count;
		send_bytes(line, a->bytes + a->sent, count);
		a->sent += count;
		a->due_ms += a->gap_ms;
		if (a->sent >= a->count) {
			log_bytes(line, "reply", (int)a->outlet, a->bytes, a->count, now_ms);
			end_answer(line, i);
		}
		i = first_due(line);
	}
}

/* --- questions --- */

static bool is_here(const struct line *line, const struct meter *meter)
{
	return meter->spec->bus == line->bus;
}

static void ask_dlt645(struct line *line, const struct dlt645_frame *question, int64_t now_ms)
{
	struct meter *meant = NULL;
	unsigned others = 0;
	for (unsigned i = 0; i < line->meter_count; i++) {
		struct meter *meter = &line->meters[i];
		if (!is_here(line, meter) || !meter_dlt645_is_meant(meter, question))
			continue;
		others += meant ? 1 : 0;
		meant = meter;
	}
	if (!meant || line->answer_count == LINE_ANSWERS_MAX)
		return;
	struct line_answer *a = &line->answers[line->answer_count];
	a->count = meter_dlt645_answer(meant, question, others == 0, a->bytes);
	if (a->count)
		post_answer(line, meant, a, DLT645_PREAMBLE + DLT645_OVERHEAD + question->length, now_ms);
}

static void ask_modbus(struct line *line, struct meter *meter, const uint8_t *question, size_t count, int64_t now_ms)
{
	if (line->answer_count == LINE_ANSWERS_MAX)
		return;
	struct line_answer *a = &line->answers[line->answer_count];
	a->count = meter_modbus_answer(meter, question, count, a->bytes);
	if (a->count)
		post_answer(line, meter, a, count, now_ms);
}

static struct meter *find_slave(const struct line *line, uint8_t slave)
{
	struct meter *found = NULL;
	for (unsigned i = 0; !found && i < line->meter_count; i++) {
		struct meter *meter = &line->meters[i];
		if (is_here(line, meter) && meter->spec->kind == METER_KIND_SDM120 && meter->spec->slave == slave)
			found = meter;
	}
	return found;
}

/* Where in the window a whole question to one of the slaves begins that ends with the window; NULL when there is none.
 * The address, the length and the checksum must all be right, whatever stands before it. */
static const uint8_t *find_modbus(const struct line *line, struct meter **meter)
{
	for (size_t i = 0; i + MODBUS_CRC_BYTES < line->window_count; i++) {
		const uint8_t *bytes = line->window + i;
		size_t count = line->window_count - i;
		*meter = find_slave(line, bytes[0]);
		if (*meter && meter_modbus_question_length(bytes, count) == count &&
		    meter_modbus_crc(bytes, count) == 0)
			return bytes;
	}
	return NULL;
}

/* Both protocols may be spoken on one line: each looks for its own frames, and a frame that one has found is none of
 * the other's. */
static void take_byte(struct line *line, uint8_t byte, int64_t now_ms)
{
	struct dlt645_frame frame;
	struct meter *meter = NULL;
	if (line->window_count == sizeof(line->window))
		memmove(line->window, line->window + 1, --line->window_count);
	line->window[line->window_count++] = byte;
	dlt645_parser_push(&line->parser, &byte, 1);
	while (dlt645_parser_next(&line->parser, &frame)) {
		line->window_count = 0;
		ask_dlt645(line, &frame, now_ms);
	}
	const uint8_t *question = find_modbus(line, &meter);
	if (question) {
		ask_modbus(line, meter, question, line->window_count - (size_t)(question - line->window), now_ms);
		line->window_count = 0;
		dlt645_parser_init(&line->parser);
	}
}

/* --- in --- */

static bool look_deserted(struct line *line)
{
	struct pollfd look = {.fd = line->terminal, .events = POLLIN};
	line->deserted = poll(&look, 1, 0) == 1 && look.revents & POLLHUP && !(look.revents & POLLIN);
	return line->deserted;
}

int line_read(struct line *line, int64_t now_ms)
{
	uint8_t bytes[READ_MAX];
	for (int i = 0; i < READS_MAX && !look_deserted(line); i++) {
		ssize_t got = read(line->terminal, bytes, sizeof(bytes));
		if (got < 0 && (errno == EAGAIN || errno == EIO || errno == EINTR))
			return 0;
		if (got <= 0)
			return got < 0 ? -errno : -EPIPE;
		log_bytes(line, "question", BOXSIM_NOBODY, bytes, (size_t)got, now_ms);
		if (line->echo)
			send_bytes(line, bytes, (size_t)got);
		for (ssize_t j = 0; j < got; j++)
			take_byte(line, bytes[j], now_ms);
		line->heard_ms = now_ms;
	}
	return 0;
}

/* After a silence nothing completes what was begun. */
static void end_silence(struct line *line, int64_t now_ms)
{
	struct dlt645_frame frame;
	if (now_ms - line->heard_ms < SILENCE_MS)
		return;
	line->window_count = 0;
	while (line->parser.count) {
		dlt645_parser_expire(&line->parser);
		while (dlt645_parser_next(&line->parser, &frame))
			ask_dlt645(line, &frame, now_ms);
	}
}

/* --- another master --- */

static struct meter *first_meter(const struct line *line)
{
	struct meter *first = NULL;
	for (unsigned i = 0; !first && i < line->meter_count; i++)
		if (is_here(line, &line->meters[i]))
			first = &line->meters[i];
	return first;
}

static void foreign_question(struct line *line, int64_t now_ms)
{
	struct meter *meter = first_meter(line);
	if (meter && meter->spec->kind == METER_KIND_DLT645) {
		struct dlt645_frame question;
		uint8_t bytes[DLT645_FRAME_MAX];
		dlt645_read_request(&question, meter->spec->address, 0x0001FF00);
		send_bytes(line, bytes, dlt645_frame_write(&question, DLT645_PREAMBLE, bytes));
		ask_dlt645(line, &question, now_ms);
	} else if (meter) {
		uint8_t question[8] = {meter->spec->slave, 0x04, 0x00, 0x00, 0x00, 0x02};
		uint16_t crc = meter_modbus_crc(question, 6);
		question[6] = (uint8_t)crc;
		question[7] = (uint8_t)(crc >> 8);
		send_bytes(line, question, sizeof(question));
		ask_modbus(line, meter, question, sizeof(question), now_ms);
	}
}

void line_set_foreign_master(struct line *line, bool present, int64_t now_ms)
{
	if (present && !line->foreign_master)
		line->foreign_next_ms = now_ms;
	line->foreign_master = present;
}

/* --- time --- */

void line_run(struct line *line, int64_t now_ms)
{
	end_silence(line, now_ms);
	if (line->foreign_master && line->foreign_next_ms <= now_ms) {
		line->foreign_next_ms = now_ms + FOREIGN_EVERY_MS;
		if (plant_mains(line->plant))
			foreign_question(line, now_ms);
	}
	send_due(line, now_ms);
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t line_wake_ms(const struct line *line)
{
	unsigned first = first_due(line);
	int64_t wake_ms = PLANT_NEVER;
	if (first < line->answer_count)
		wake_ms = line->answers[first].due_ms;
	if (line->foreign_master)
		wake_ms = smaller(wake_ms, line->foreign_next_ms);
	if (line->parser.count || line->window_count)
		wake_ms = smaller(wake_ms, line->heard_ms + SILENCE_MS);
	return wake_ms;
}

void line_drop_answers(struct line *line)
{
	line->answer_count = 0;
}
