/* hal/core/dlt645.h: frames and values of DL/T 645-2007, without any I/O.
 *
 * Pure room: libc only. Facts: DL/T 645-2007; the frames in tests/frames that real peers produced are its tests.
 *
 * A frame on the line: FE x 0..4, 68 A0..A5 68 C L DATA CS 16. Everything here is without the +33H of DATA. */
#ifndef HAL_CORE_DLT645_H
#define HAL_CORE_DLT645_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DLT645_ADDRESS_BYTES 6
#define DLT645_ADDRESS_SIZE 13 /* 12 digits and the NUL */
#define DLT645_DATA_MAX 200
#define DLT645_PREAMBLE 4 /* FE bytes that a master sends */
#define DLT645_OVERHEAD 12 /* bytes of a frame beside DATA, without preamble */
#define DLT645_FRAME_MAX (DLT645_PREAMBLE + DLT645_OVERHEAD + DLT645_DATA_MAX)

#define DLT645_WILDCARD "AAAAAAAAAAAA"

enum dlt645_control { /* of the master; C of the protocol */
	DLT645_BROADCAST_TIME = 0x08,
	DLT645_READ = 0x11,
	DLT645_READ_MORE = 0x12,
	DLT645_READ_ADDRESS = 0x13,
	DLT645_WRITE = 0x14,
	DLT645_RELAY = 0x1C,
};
#define DLT645_FROM_METER 0x80
#define DLT645_ERROR 0x40
#define DLT645_MORE 0x20
#define DLT645_FUNCTION 0x1F

struct dlt645_frame {
	uint8_t address[DLT645_ADDRESS_BYTES]; /* as on the wire: low byte first, BCD */
	uint8_t control;
	uint8_t length; /* of data */
	uint8_t data[DLT645_DATA_MAX];
};

/* 1 to 12 digits (zero-padded at the high end) or AA pairs as text to wire order. False, *address untouched, when it is
 * neither. */
bool dlt645_address_read(const char *text, uint8_t address[DLT645_ADDRESS_BYTES]);
void dlt645_address_write(const uint8_t address[DLT645_ADDRESS_BYTES], char text[DLT645_ADDRESS_SIZE]);

/* Writes preamble FE bytes and the frame; returns the number of bytes. frame->length <= DLT645_DATA_MAX, preamble <=
 * DLT645_PREAMBLE. */
size_t dlt645_frame_write(const struct dlt645_frame *frame, unsigned preamble, uint8_t out[DLT645_FRAME_MAX]);

/* A request to read one identifier. */
void dlt645_read_request(struct dlt645_frame *frame, const uint8_t address[DLT645_ADDRESS_BYTES], uint32_t di);

/* Collects what comes off a line and finds the frames in it, by length: after garbage, half frames, stray 00 and FE
 * bytes and echoes it finds the next whole frame. */
struct dlt645_parser {
	uint8_t bytes[2 * DLT645_FRAME_MAX];
	size_t count;
	uint64_t garbage; /* bytes that belonged to no frame, ever */
};

void dlt645_parser_init(struct dlt645_parser *p);

/* Takes count bytes; where its buffer is full, the oldest are dropped as garbage. Call dlt645_parser_next() until false
 * after each push of at most DLT645_FRAME_MAX bytes, and nothing is lost. */
void dlt645_parser_push(struct dlt645_parser *p, const uint8_t *bytes, size_t count);

/* The next whole frame with the right checksum, removed from the parser. False when there is none (yet). */
bool dlt645_parser_next(struct dlt645_parser *p, struct dlt645_frame *frame);

/* The line was silent for longer than bytes of one frame may be apart: a half frame will not be completed. Drops its
 * first byte as garbage, so that a whole frame behind a false start is found by dlt645_parser_next(). Call both until
 * the parser is empty or a frame comes. */
void dlt645_parser_expire(struct dlt645_parser *p);

enum dlt645_answer {
	DLT645_VALUE, /* the identifier's data */
	DLT645_VALUE_MORE, /* the same, and follow-up frames wait (not needed by any quantity yet) */
	DLT645_REFUSED, /* the meter says why in *error */
	DLT645_NOT_OURS, /* an echo, another meter's, another question's: go on listening */
};

/* What reply is to request, a DLT645_READ. value and size: the data behind the identifier, owned by reply. An AA
 * address in the reply counts only where AA was asked. error: the bits of ERR. */
enum dlt645_answer dlt645_match(const struct dlt645_frame *request, const struct dlt645_frame *reply,
				const uint8_t **value, size_t *size, uint8_t *error);

enum dlt645_number {
	DLT645_NUMBER,
	DLT645_NOT_AVAILABLE, /* all FF: an absent phase, for example */
	DLT645_NOT_BCD,
};

/* BCD, low byte first, count 1 to 8; with_sign: the top bit of the last byte. *value untouched unless DLT645_NUMBER. */
enum dlt645_number dlt645_bcd_read(const uint8_t *bytes, size_t count, bool with_sign, int64_t *value);

/* The reverse, for a meter's side. False when value does not fit into count bytes. */
bool dlt645_bcd_write(int64_t value, bool with_sign, uint8_t *bytes, size_t count);

/* The first set bit of ERR in words. Never NULL. */
const char *dlt645_error_text(uint8_t error);

#endif
