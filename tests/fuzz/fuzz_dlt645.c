/* tests/fuzz/fuzz_dlt645.c: hostile bytes on a meter's line. The input is what comes off the line, in pieces whose
 * lengths it says itself. Each frame that comes out must write back and parse to itself, every byte must be accounted
 * for, and it must not matter how the bytes were cut. The same bytes then are BCD, addresses and the values of a model.
 *
 * With clang: -fsanitize=fuzzer,address,undefined; without it, replay.c runs the corpus. */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dlt645.h"
#include "meter_model.h"

#define WAITING_MAX (DLT645_FRAME_MAX - 1) /* bytes that may wait for the rest of a frame */
#define VALUE_MAX INT64_C(1000000000000000)
#define UNTOUCHED INT64_C(-4711)
#define ITEM_BYTES 8 /* of the input, that make up a meter's item */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_dlt645: %s\n", what);
	abort();
}

/* One way of reading the line. */
struct reader {
	struct dlt645_parser parser;
	struct dlt645_frame last;
	uint64_t pushed;
	uint64_t framed; /* bytes of frames, without preamble */
	uint64_t frames;
	uint64_t print; /* of all frames in their order */
};

static void check_round_trip(const struct dlt645_frame *frame, unsigned preamble)
{
	struct dlt645_parser parser;
	struct dlt645_frame back;
	uint8_t bytes[DLT645_FRAME_MAX];
	size_t count = dlt645_frame_write(frame, preamble, bytes);

	require(count == preamble + DLT645_OVERHEAD + (size_t)frame->length, "a frame of another length");
	dlt645_parser_init(&parser);
	dlt645_parser_push(&parser, bytes, count);
	require(dlt645_parser_next(&parser, &back), "a frame that is written is not found");
	require(memcmp(&back, frame, sizeof(back)) == 0, "a frame reads back otherwise");
	require(parser.count == 0 && parser.garbage == 0, "a frame that is written leaves something");
}

static void check_match(const struct dlt645_frame *request, const struct dlt645_frame *reply)
{
	const uint8_t *value = NULL;
	size_t size = 0;
	uint8_t error = 0;
	enum dlt645_answer answer = dlt645_match(request, reply, &value, &size, &error);

	if (answer == DLT645_VALUE || answer == DLT645_VALUE_MORE)
		require(value == reply->data + 4 && size + 4 == reply->length, "a value outside its frame");
	else
		require(value == NULL && size == 0, "a value of no answer");
	require(answer == DLT645_REFUSED || error == 0, "an error without a refusal");
	require(answer == DLT645_NOT_OURS || (reply->control & DLT645_FROM_METER) != 0, "an echo for an answer");
	require(dlt645_error_text(error)[0] != '\0', "no text");
}

/* The frame as an answer to a question for just it, to that for any address, and to the frame before. */
static void check_answers(const struct dlt645_frame *before, const struct dlt645_frame *frame)
{
	static const uint8_t anybody[DLT645_ADDRESS_BYTES] = {0xAA, 0xAA, 0xAA, 0xAA, 0xAA, 0xAA};
	const uint8_t *d = frame->data;
	uint32_t di = (uint32_t)d[3] << 24 | (uint32_t)d[2] << 16 | (uint32_t)d[1] << 8 | d[0];
	struct dlt645_frame request;

	dlt645_read_request(&request, frame->address, di);
	check_match(&request, frame);
	dlt645_read_request(&request, anybody, di);
	check_match(&request, frame);
	if (before->control == DLT645_READ && before->length >= 4)
		check_match(before, frame);
}

static void take_frames(struct reader *r)
{
	struct dlt645_frame frame;

	while (dlt645_parser_next(&r->parser, &frame)) {
		require(frame.length <= DLT645_DATA_MAX, "a frame that is too long");
		check_round_trip(&frame, (unsigned)(r->frames % (DLT645_PREAMBLE + 1)));
		check_answers(&r->last, &frame);
		r->last = frame;
		r->frames++;
		r->framed += DLT645_OVERHEAD + (uint64_t)frame.length;
		for (size_t i = 0; i < frame.length; i++)
			r->print = r->print * 31 + frame.data[i];
		r->print = (r->print * 31 + frame.control) * 31 + frame.length;
	}

	uint64_t counted = r->framed + r->parser.garbage + r->parser.count;

	require(r->parser.count <= WAITING_MAX, "too much waits");
	require(counted <= r->pushed && r->pushed - counted <= r->frames * DLT645_PREAMBLE,
		"bytes are not accounted for");
}

static void feed(struct reader *r, const uint8_t *data, size_t count)
{
	dlt645_parser_push(&r->parser, data, count);
	r->pushed += count;
	take_frames(r);
}

static void fall_silent(struct reader *r)
{
	while (r->parser.count > 0) {
		size_t before = r->parser.count;

		dlt645_parser_expire(&r->parser);
		require(r->parser.count < before, "silence drops nothing");
		take_frames(r);
	}
}

static void check_line(const uint8_t *data, size_t size)
{
	static struct reader cut, single;
	size_t at = 0;

	memset(&cut, 0, sizeof(cut));
	dlt645_parser_init(&cut.parser);
	single = cut;
	while (at < size) {
		size_t piece = 1 + data[at] % DLT645_FRAME_MAX;

		piece = piece < size - at ? piece : size - at;
		feed(&cut, data + at, piece);
		at += piece;
	}
	for (at = 0; at < size; at++)
		feed(&single, data + at, 1);
	fall_silent(&cut);
	fall_silent(&single);
	require(cut.frames == single.frames && cut.print == single.print, "other frames when cut otherwise");
	require(cut.parser.garbage == single.parser.garbage, "other garbage when cut otherwise");
}

static void check_bcd(const uint8_t *data, size_t size, bool with_sign)
{
	int64_t value = UNTOUCHED, back = UNTOUCHED;
	uint8_t bytes[8];

	if (dlt645_bcd_read(data, size, with_sign, &value) != DLT645_NUMBER) {
		require(value == UNTOUCHED, "no number, but a value");
		return;
	}
	require(with_sign || value >= 0, "negative without a sign");
	require(dlt645_bcd_write(value, with_sign, bytes, size), "a number that cannot be written");
	require(dlt645_bcd_read(bytes, size, with_sign, &back) == DLT645_NUMBER && back == value, "another number");
	require(value == 0 || memcmp(bytes, data, size) == 0, "a number is written otherwise");
}

static void check_address(const uint8_t *data, size_t size)
{
	char text[16] = "", written[DLT645_ADDRESS_SIZE];
	uint8_t address[DLT645_ADDRESS_BYTES], back[DLT645_ADDRESS_BYTES];

	memcpy(text, data, size < sizeof(text) - 1 ? size : sizeof(text) - 1);
	if (!dlt645_address_read(text, address))
		return;
	dlt645_address_write(address, written);
	require(dlt645_address_read(written, back) && memcmp(address, back, sizeof(back)) == 0, "another address");
}

static void check_text(const struct meter_item *item, const uint8_t *data, size_t size)
{
	char text[METER_SERIAL_SIZE] = "";

	if (meter_decode_text(item, data, size, text) != METER_VALUE) {
		require(text[0] == '\0', "no text, but one is written");
		return;
	}

	size_t length = strnlen(text, sizeof(text));

	require(length >= 1 && length < sizeof(text), "a text that does not end");
	require(strspn(text, "0123456789") == length, "a text that is no number");
	require(length == 1 || text[0] != '0', "a leading zero");
}

/* The first bytes are an item, the rest its answer. */
static void check_item(const uint8_t *data, size_t size)
{
	static const int64_t scales[] = {1, 10, 1000, 10000, 3, 999999999999, 1000000000000, 7};
	struct meter_item item = {.present = true};
	int64_t value = UNTOUCHED;

	if (size < ITEM_BYTES)
		return;
	item.encoding = (enum meter_encoding)(data[0] % ENCODING_COUNT);
	item.low_word_first = data[1] & 1;
	item.size = data[2] & 0x20 ? data[2] : data[2] & 0x07;
	item.offset = data[3] & 0x80 ? data[3] : data[3] & 0x03;
	item.multiplier = scales[data[4] % (sizeof(scales) / sizeof(*scales))];
	item.divisor = scales[data[5] % (sizeof(scales) / sizeof(*scales))];
	data += ITEM_BYTES;
	size -= ITEM_BYTES;
	if (meter_decode(&item, data, size, &value) == METER_VALUE)
		require(value >= -VALUE_MAX && value <= VALUE_MAX, "a value beyond the limit");
	else
		require(value == UNTOUCHED, "no value, but one is written");
	check_text(&item, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_line(data, size);
	for (size_t count = 1; count <= 8 && count <= size; count++) {
		/* At the input's end: a byte read too far lies outside its block. */
		check_bcd(data + size - count, count, false);
		check_bcd(data + size - count, count, true);
	}
	check_address(data, size);
	check_item(data, size);
	return 0;
}
