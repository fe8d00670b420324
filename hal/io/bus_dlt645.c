/* hal/io/bus_dlt645.c: one question in DL/T 645, and what else is heard on such a line.
 *
 * Room: hal/core. */
#include <errno.h>
#include <string.h>
#include <termios.h>

#include "bus_internal.h"

#define DI_BYTES 4
#define LISTEN_MAX                                                                                                     \
	8192 /* bytes taken at a time, twice what the kernel holds: a line that never rests holds nobody up */

static size_t question_bytes(void)
{
	return DLT645_PREAMBLE + DLT645_OVERHEAD + DI_BYTES;
}

static size_t answer_bytes(size_t size)
{
	return DLT645_PREAMBLE + DLT645_OVERHEAD + DI_BYTES + size;
}

size_t bus_dlt645_bytes(size_t size)
{
	return question_bytes() + answer_bytes(size);
}

static bool is_ours(const struct port *port, const struct dlt645_frame *frame)
{
	for (unsigned i = 0; i < port->address_count; i++)
		if (memcmp(port->addresses[i], frame->address, sizeof frame->address) == 0)
			return true;
	return false;
}

static bool is_echo(const struct port *port, const struct dlt645_frame *frame)
{
	const struct dlt645_frame *sent = &port->sent;
	return frame->control == sent->control && frame->length == sent->length &&
	       memcmp(frame->address, sent->address, sizeof frame->address) == 0 &&
	       memcmp(frame->data, sent->data, frame->length) == 0;
}

/* A question that is not ours, or an answer of a meter that we never ask: somebody else is master here. A late answer of
 * one of our meters is not. */
static void note_foreign(struct port *port, const struct dlt645_frame *frame)
{
	bool question = (frame->control & DLT645_FROM_METER) == 0;
	if (question ? !is_echo(port, frame) : !is_ours(port, frame))
		port->foreign = true;
}

int bus_listen(struct port *port)
{
	uint8_t bytes[DLT645_FRAME_MAX];
	struct dlt645_frame frame;
	size_t heard = 0;
	int got = 0;
	while (heard < LISTEN_MAX && (got = tty_read(port->fd, bytes, sizeof bytes, 0)) > 0) {
		heard += (size_t)got;
		dlt645_parser_push(&port->parser, bytes, (size_t)got);
		while (dlt645_parser_next(&port->parser, &frame))
			note_foreign(port, &frame);
	}
	return got < 0 ? got : 0;
}

int bus_prepare(struct port *port, const struct bus_meter *meter)
{
	int result = bus_listen(port);
	if (result < 0)
		return result;
	dlt645_parser_init(&port->parser);
	const struct line_settings *now = &port->line;
	const struct line_settings *line = &meter->line;
	if (port->configured && now->baud == line->baud && now->parity == line->parity &&
	    now->data_bits == line->data_bits && now->stop_bits == line->stop_bits)
		return tcflush(port->fd, TCIFLUSH) == 0 ? 0 : -errno;
	result = tty_configure(port->fd, line);
	port->configured = result == 0;
	port->line = *line;
	return result;
}

/* Looks through the frames that have come. True when the question is decided. */
static bool look(struct port *port, struct answer *answer, int *outcome)
{
	struct dlt645_frame frame;
	const uint8_t *value;
	size_t size;
	uint8_t error;
	while (dlt645_parser_next(&port->parser, &frame)) {
		switch (dlt645_match(&port->sent, &frame, &value, &size, &error)) {
		case DLT645_VALUE:
		case DLT645_VALUE_MORE:
			memcpy(answer->bytes, value, size);
			answer->size = size;
			*outcome = METER_ANSWERED;
			return true;
		case DLT645_REFUSED:
			answer->error = error;
			*outcome = METER_REFUSED;
			return true;
		case DLT645_NOT_OURS:
			note_foreign(port, &frame);
			break;
		}
	}
	return false;
}

/* At the deadline: a whole answer may stand behind a false start. */
static int look_last(struct port *port, struct answer *answer, bool heard)
{
	int outcome = METER_TIMED_OUT;
	while (port->parser.count > 0) {
		dlt645_parser_expire(&port->parser);
		if (look(port, answer, &outcome))
			return outcome;
	}
	return heard ? METER_GARBLED : METER_TIMED_OUT;
}

static int listen_for_answer(struct port *port, struct answer *answer, int64_t deadline_ms)
{
	uint8_t bytes[DLT645_FRAME_MAX];
	size_t heard = 0;
	int outcome = METER_TIMED_OUT;
	int got = 1;
	/* The deadline counts for a line that never rests, too. */
	while ((heard == 0 || tty_now_ms() < deadline_ms) &&
	       (got = tty_read(port->fd, bytes, sizeof bytes, deadline_ms)) > 0) {
		answer->arrived_ms = tty_now_ms();
		heard += (size_t)got;
		dlt645_parser_push(&port->parser, bytes, (size_t)got);
		if (look(port, answer, &outcome))
			return outcome;
	}
	/* Its own echo alone is no sign of the meter. */
	return got < 0 ? got : look_last(port, answer, heard > (port->echo ? question_bytes() : 0));
}

int bus_ask_dlt645(struct port *port, const struct bus_meter *meter, uint32_t di, size_t size, struct answer *answer)
{
	uint8_t address[DLT645_ADDRESS_BYTES] = {0};
	uint8_t bytes[DLT645_FRAME_MAX];
	dlt645_address_read(meter->address, address); /* bus_config_fault() has seen that it is one */
	int result = bus_prepare(port, meter);
	if (result < 0)
		return result;
	dlt645_read_request(&port->sent, address, di);
	size_t count = dlt645_frame_write(&port->sent, DLT645_PREAMBLE, bytes);
	int64_t deadline_ms = tty_now_ms() + tty_wire_ms(&meter->line, question_bytes() + answer_bytes(size)) +
			      meter->model.turnaround_ms + BUS_MARGIN_MS;
	result = tty_write(port->fd, bytes, count, deadline_ms);
	if (result < 0)
		return result;
	return listen_for_answer(port, answer, deadline_ms);
}
