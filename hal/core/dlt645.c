/* hal/core/dlt645.c: see dlt645.h.
 *
 * Pure room: libc only. */
#include "dlt645.h"

#include <assert.h>
#include <string.h>

#define START 0x68
#define END 0x16
#define PREAMBLE_BYTE 0xFE
#define OFFSET 0x33 /* added to each DATA byte on the line */
#define WILDCARD_BYTE 0xAA
#define NOT_AVAILABLE_BYTE 0xFF
#define SIGN_BIT 0x80

#define DI_BYTES 4
#define BCD_BYTES_MAX 8

/* Places within a frame, from its first 68. */
enum place {
	AT_ADDRESS = 1,
	AT_SECOND_START = 7,
	AT_CONTROL = 8,
	AT_LENGTH = 9,
	AT_DATA = 10,
};

/* ---- addresses ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A pair of characters, high one first, as one byte: two digits or AA. */
static bool read_pair(const char *pair, uint8_t *byte)
{
	if (pair[0] == 'A' && pair[1] == 'A')
		*byte = WILDCARD_BYTE;
	else if (is_digit(pair[0]) && is_digit(pair[1]))
		*byte = (uint8_t)((pair[0] - '0') << 4 | (pair[1] - '0'));
	else
		return false;
	return true;
}

bool dlt645_address_read(const char *text, uint8_t address[DLT645_ADDRESS_BYTES])
{
	char digits[2 * DLT645_ADDRESS_BYTES];
	uint8_t read[DLT645_ADDRESS_BYTES];
	size_t length = strnlen(text, sizeof digits + 1);

	if (length == 0 || length > sizeof digits)
		return false;
	memset(digits, '0', sizeof digits);
	memcpy(digits + sizeof digits - length, text, length);
	for (size_t i = 0; i < sizeof read; i++) { /* i: from the low end */
		if (!read_pair(digits + sizeof digits - 2 * (i + 1), &read[i]))
			return false;
		/* AA stands for the digits that nobody gave, and those are the high ones. */
		if (i > 0 && read[i - 1] == WILDCARD_BYTE && read[i] != WILDCARD_BYTE)
			return false;
	}
	memcpy(address, read, sizeof read);
	return true;
}

void dlt645_address_write(const uint8_t address[DLT645_ADDRESS_BYTES], char text[DLT645_ADDRESS_SIZE])
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < DLT645_ADDRESS_BYTES; i++) {
		uint8_t byte = address[DLT645_ADDRESS_BYTES - 1 - i];
		text[2 * i] = hex[byte >> 4];
		text[2 * i + 1] = hex[byte & 0x0F];
	}
	text[DLT645_ADDRESS_SIZE - 1] = '\0';
}

/* ---- frames ---- */

static uint8_t checksum(const uint8_t *bytes, size_t count)
{
	unsigned sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += bytes[i];
	return (uint8_t)sum;
}

size_t dlt645_frame_write(const struct dlt645_frame *frame, unsigned preamble, uint8_t out[DLT645_FRAME_MAX])
{
	assert(frame->length <= DLT645_DATA_MAX && preamble <= DLT645_PREAMBLE);
	uint8_t *start = out + preamble, *after;

	memset(out, PREAMBLE_BYTE, preamble);
	start[0] = START;
	memcpy(start + AT_ADDRESS, frame->address, DLT645_ADDRESS_BYTES);
	start[AT_SECOND_START] = START;
	start[AT_CONTROL] = frame->control;
	start[AT_LENGTH] = frame->length;
	for (size_t i = 0; i < frame->length; i++)
		start[AT_DATA + i] = (uint8_t)(frame->data[i] + OFFSET);
	after = start + AT_DATA + frame->length;
	after[0] = checksum(start, AT_DATA + (size_t)frame->length);
	after[1] = END;
	return preamble + DLT645_OVERHEAD + (size_t)frame->length;
}

void dlt645_read_request(struct dlt645_frame *frame, const uint8_t address[DLT645_ADDRESS_BYTES], uint32_t di)
{
	*frame = (struct dlt645_frame){.control = DLT645_READ, .length = DI_BYTES};
	memcpy(frame->address, address, DLT645_ADDRESS_BYTES);
	for (size_t i = 0; i < DI_BYTES; i++)
		frame->data[i] = (uint8_t)(di >> (8 * i));
}

/* ---- the parser ---- */

void dlt645_parser_init(struct dlt645_parser *p)
{
	*p = (struct dlt645_parser){.count = 0};
}

static void remove_front(struct dlt645_parser *p, size_t count)
{
	assert(count <= p->count);
	memmove(p->bytes, p->bytes + count, p->count - count);
	p->count -= count;
}

static void discard(struct dlt645_parser *p, size_t count)
{
	remove_front(p, count);
	p->garbage += count;
}

void dlt645_parser_push(struct dlt645_parser *p, const uint8_t *bytes, size_t count)
{
	if (count > sizeof p->bytes) {
		p->garbage += count - sizeof p->bytes;
		bytes += count - sizeof p->bytes;
		count = sizeof p->bytes;
	}
	if (p->count + count > sizeof p->bytes)
		discard(p, p->count + count - sizeof p->bytes);
	if (count > 0)
		memcpy(p->bytes + p->count, bytes, count);
	p->count += count;
}

enum candidate {
	CANDIDATE_WHOLE,
	CANDIDATE_INCOMPLETE, /* nothing speaks against a frame so far */
	CANDIDATE_REFUSED,
};

/* Whether a frame starts at bytes[0]. */
static enum candidate judge(const uint8_t *bytes, size_t count)
{
	if (count > 0 && bytes[0] != START)
		return CANDIDATE_REFUSED;
	if (count > AT_SECOND_START && bytes[AT_SECOND_START] != START)
		return CANDIDATE_REFUSED;
	if (count > AT_LENGTH && bytes[AT_LENGTH] > DLT645_DATA_MAX)
		return CANDIDATE_REFUSED;
	if (count <= AT_LENGTH || count < (size_t)DLT645_OVERHEAD + bytes[AT_LENGTH])
		return CANDIDATE_INCOMPLETE;

	const uint8_t *after = bytes + AT_DATA + bytes[AT_LENGTH];
	bool sound = after[0] == checksum(bytes, (size_t)(after - bytes)) && after[1] == END;
	return sound ? CANDIDATE_WHOLE : CANDIDATE_REFUSED;
}

static void read_frame(const uint8_t *bytes, struct dlt645_frame *frame)
{
	*frame = (struct dlt645_frame){.control = bytes[AT_CONTROL], .length = bytes[AT_LENGTH]};
	memcpy(frame->address, bytes + AT_ADDRESS, DLT645_ADDRESS_BYTES);
	for (size_t i = 0; i < frame->length; i++)
		frame->data[i] = (uint8_t)(bytes[AT_DATA + i] - OFFSET);
}

static size_t preamble_length(const struct dlt645_parser *p)
{
	size_t length = 0;
	while (length < p->count && p->bytes[length] == PREAMBLE_BYTE)
		length++;
	return length;
}

bool dlt645_parser_next(struct dlt645_parser *p, struct dlt645_frame *frame)
{
	enum candidate candidate = CANDIDATE_REFUSED;

	while (candidate == CANDIDATE_REFUSED) {
		size_t preamble = preamble_length(p);
		/* More than a preamble is noise, and would not leave room for the frame behind it. */
		if (preamble > DLT645_PREAMBLE) {
			discard(p, preamble - DLT645_PREAMBLE);
			preamble = DLT645_PREAMBLE;
		}
		candidate = judge(p->bytes + preamble, p->count - preamble);
		if (candidate == CANDIDATE_REFUSED) {
			discard(p, preamble + 1);
		} else if (candidate == CANDIDATE_WHOLE) {
			read_frame(p->bytes + preamble, frame);
			remove_front(p, preamble + DLT645_OVERHEAD + (size_t)frame->length);
		}
	}
	return candidate == CANDIDATE_WHOLE;
}

void dlt645_parser_expire(struct dlt645_parser *p)
{
	if (p->count > 0)
		discard(p, 1);
}

/* ---- answers ---- */

/* Where AA was asked, any byte answers, an echoed AA too; elsewhere only the byte itself. */
static bool address_answers(const uint8_t *asked, const uint8_t *answered)
{
	bool matches = true;
	for (size_t i = 0; i < DLT645_ADDRESS_BYTES; i++)
		matches = matches && (asked[i] == WILDCARD_BYTE || asked[i] == answered[i]);
	return matches;
}

enum dlt645_answer dlt645_match(const struct dlt645_frame *request, const struct dlt645_frame *reply,
				const uint8_t **value, size_t *size, uint8_t *error)
{
	assert(request->control == DLT645_READ && request->length >= DI_BYTES);
	if (!address_answers(request->address, reply->address))
		return DLT645_NOT_OURS;
	if (reply->control == (DLT645_FROM_METER | DLT645_ERROR | DLT645_READ)) {
		/* An error names no identifier: the address has to do. */
		*error = reply->length > 0 ? reply->data[0] : 0;
		return DLT645_REFUSED;
	}
	if ((reply->control & ~DLT645_MORE) != (DLT645_FROM_METER | DLT645_READ))
		return DLT645_NOT_OURS;
	if (reply->length < DI_BYTES || memcmp(reply->data, request->data, DI_BYTES) != 0)
		return DLT645_NOT_OURS;
	*value = reply->data + DI_BYTES;
	*size = reply->length - (size_t)DI_BYTES;
	return reply->control & DLT645_MORE ? DLT645_VALUE_MORE : DLT645_VALUE;
}

/* ---- values ---- */

static bool all_bytes_are(const uint8_t *bytes, size_t count, uint8_t value)
{
	size_t same = 0;
	while (same < count && bytes[same] == value)
		same++;
	return same == count;
}

enum dlt645_number dlt645_bcd_read(const uint8_t *bytes, size_t count, bool with_sign, int64_t *value)
{
	assert(count >= 1 && count <= BCD_BYTES_MAX);
	bool negative = with_sign && (bytes[count - 1] & SIGN_BIT) != 0;
	int64_t magnitude = 0;

	if (all_bytes_are(bytes, count, NOT_AVAILABLE_BYTE))
		return DLT645_NOT_AVAILABLE;
	for (size_t i = count; i-- > 0;) {
		unsigned byte = bytes[i];
		if (negative && i == count - 1)
			byte &= ~(unsigned)SIGN_BIT;
		if (byte >> 4 > 9 || (byte & 0x0F) > 9)
			return DLT645_NOT_BCD;
		magnitude = magnitude * 100 + (byte >> 4) * 10 + (byte & 0x0F);
	}
	*value = negative ? -magnitude : magnitude;
	return DLT645_NUMBER;
}

bool dlt645_bcd_write(int64_t value, bool with_sign, uint8_t *bytes, size_t count)
{
	assert(count >= 1 && count <= BCD_BYTES_MAX);
	bool negative = value < 0;
	uint64_t rest = negative ? 0 - (uint64_t)value : (uint64_t)value;
	uint8_t digits[BCD_BYTES_MAX];

	for (size_t i = 0; i < count; i++) {
		digits[i] = (uint8_t)(rest / 10 % 10 << 4 | rest % 10);
		rest /= 100;
	}
	if (rest > 0 || (negative && !with_sign))
		return false;
	if (with_sign && (digits[count - 1] & SIGN_BIT) != 0)
		return false; /* the highest digit shares its bits with the sign: at most 7 */
	if (negative)
		digits[count - 1] |= SIGN_BIT;
	memcpy(bytes, digits, count);
	return true;
}

const char *dlt645_error_text(uint8_t error)
{
	static const char *const texts[] = {
		"another error",
		"no such data",
		"wrong password or not authorized",
		"the baud rate cannot be changed",
		"too many year zones",
		"too many day slots",
		"too many rates",
		"a reserved error bit",
	};
	size_t bit = 0;

	if (error == 0)
		return "no reason given";
	while ((error >> bit & 1) == 0)
		bit++;
	return texts[bit];
}
