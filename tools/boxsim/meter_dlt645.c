/* tools/boxsim/meter_dlt645.c: a single-phase meter that speaks DL/T 645-2007.
 *
 * Room: boxsim; this file needs the plant and hal/core. */
#include <string.h>
#include <time.h>

#include "boxsim_meter.h"

#define UTC_OFFSET_S (8 * 3600)
#define ANY 0xAA
#define ALL_RATES 0xFF
#define RATES 4
#define RATE_OF_ALL 3 /* the tariff in which everything is counted */
#define SERIAL_DIGITS 12
#define STATUS_WORDS 7
#define VALUE_MAX (DLT645_DATA_MAX - 4)
#define REGISTER_WRAP INT64_C(100000000) /* eight digits of 10 Wh */
#define MWH_PER_UNIT 10000

#define ERROR_OTHER 0x01
#define ERROR_NO_SUCH_DATA 0x02
#define ERROR_UNAUTHORIZED 0x04

/* The bytes of a value being put together. */
struct value {
	uint8_t bytes[VALUE_MAX];
	size_t count;
};

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Appends number in count BCD bytes; what does not fit shows as the largest that does. */
static bool put_bcd(struct value *v, int64_t number, bool with_sign, size_t count)
{
	int64_t limit = with_sign ? 8 : 10;
	for (size_t digit = 1; digit < 2 * count; digit++)
		limit *= 10;
	dlt645_bcd_write(smaller(number, limit - 1), with_sign, v->bytes + v->count, count);
	v->count += count;
	return true;
}

static bool put_absent(struct value *v, size_t count)
{
	memset(v->bytes + v->count, 0xFF, count);
	v->count += count;
	return true;
}

/* --- what the identifiers hold; each returns false for one that the meter does not have --- */

static bool put_energy(const struct meter *meter, const struct meter_reading *reading, uint32_t di, struct value *v)
{
	unsigned rate = di >> 8 & 0xFF;
	int64_t units = reading->register_mwh / MWH_PER_UNIT % REGISTER_WRAP;
	unsigned rates = meter->spec->rates;
	if (rate != ALL_RATES && rate > rates)
		return false;
	if (rate != ALL_RATES)
		return put_bcd(v, rate == 0 || rate == RATE_OF_ALL ? units : 0, false, 4);
	for (unsigned i = 0; i <= rates; i++)
		put_bcd(v, i == 0 || i == RATE_OF_ALL ? units : 0, false, 4);
	return true;
}

/* A quantity of the three phases, of which this meter has the first. phase 0 is the sum where there is one. */
static bool put_phases(struct value *v, uint32_t di, bool with_sum, int64_t number, bool with_sign, size_t count)
{
	unsigned phase = di >> 8 & 0xFF;
	if (phase == 0xFF) {
		for (unsigned i = with_sum ? 0 : 1; i <= 3; i++)
			i <= 1 ? put_bcd(v, number, with_sign, count) : put_absent(v, count);
		return true;
	}
	if (phase > 3 || (phase == 0 && !with_sum))
		return false;
	return phase <= 1 ? put_bcd(v, number, with_sign, count) : put_absent(v, count);
}

static bool put_instant(const struct meter_reading *reading, uint32_t di, struct value *v)
{
	switch (di >> 16) {
	case 0x0201:
		return put_phases(v, di, false, METER_VOLTAGE_MV / 100, false, 2);
	case 0x0202:
		return put_phases(v, di, false, reading->current_ma, true, 3);
	case 0x0203:
		return put_phases(v, di, true, reading->power_mw / 100, true, 3);
	case 0x0206:
		return put_phases(v, di, true, 1000, true, 2);
	}
	return di == 0x02800002 && put_bcd(v, METER_FREQUENCY_MHZ / 10, false, 2);
}

static bool put_clock(const struct meter_reading *reading, uint32_t di, struct value *v)
{
	time_t local = (time_t)(reading->clock_ms / 1000 + UTC_OFFSET_S);
	struct tm parts;
	if (!gmtime_r(&local, &parts))
		return false;
	if (di == 0x04000101) {
		put_bcd(v, parts.tm_wday, false, 1);
		put_bcd(v, parts.tm_mday, false, 1);
		put_bcd(v, parts.tm_mon + 1, false, 1);
		return put_bcd(v, parts.tm_year % 100, false, 1);
	}
	put_bcd(v, smaller(parts.tm_sec, 59), false, 1);
	put_bcd(v, parts.tm_min, false, 1);
	return put_bcd(v, parts.tm_hour, false, 1);
}

void meter_serial_digits(const char *serial, char digits[SERIAL_DIGITS + 1])
{
	size_t at = SERIAL_DIGITS;
	memset(digits, '0', SERIAL_DIGITS);
	digits[SERIAL_DIGITS] = '\0';
	for (size_t i = strlen(serial); i > 0 && at > 0; i--)
		if (serial[i - 1] >= '0' && serial[i - 1] <= '9')
			digits[--at] = serial[i - 1];
}

static bool put_serial(const struct meter_reading *reading, struct value *v)
{
	char digits[SERIAL_DIGITS + 1];
	meter_serial_digits(reading->serial, digits);
	for (size_t i = SERIAL_DIGITS; i > 0; i -= 2)
		v->bytes[v->count++] = (uint8_t)((digits[i - 2] - '0') << 4 | (digits[i - 1] - '0'));
	return true;
}

/* Nothing is wrong with this meter: its relay is closed, its batteries and its covers are in order. */
static bool put_status(uint32_t di, struct value *v)
{
	unsigned word = di & 0xFF;
	if (word != 0xFF && (word < 1 || word > STATUS_WORDS))
		return false;
	size_t count = 2 * (word == 0xFF ? STATUS_WORDS : 1);
	memset(v->bytes + v->count, 0, count);
	v->count += count;
	return true;
}

static bool put_identifier(const struct meter *meter, const struct meter_reading *reading, uint32_t di, struct value *v)
{
	if ((di & 0xFFFF00FF) == 0x00000000 || (di & 0xFFFF00FF) == 0x00010000)
		return put_energy(meter, reading, di, v);
	if (di >> 24 == 0x02)
		return ((di & 0xFF) == 0 || di == 0x02800002) && put_instant(reading, di, v);
	if (di == 0x04000101 || di == 0x04000102)
		return put_clock(reading, di, v);
	if (di == 0x04000401) {
		memcpy(v->bytes, meter->spec->address, DLT645_ADDRESS_BYTES);
		v->count = DLT645_ADDRESS_BYTES;
		return true;
	}
	if (di == 0x04000402)
		return put_serial(reading, v);
	return (di & 0xFFFFFF00) == 0x04000500 && put_status(di, v);
}

/* --- frames --- */

static void refuse(struct dlt645_frame *answer, uint8_t error)
{
	answer->control |= DLT645_ERROR;
	answer->length = 1;
	answer->data[0] = error;
}

static void answer_read(const struct meter *meter, const struct meter_reading *reading,
			const struct dlt645_frame *question, struct dlt645_frame *answer)
{
	struct value v = {.count = 0};
	const uint8_t *d = question->data;
	uint32_t di = (uint32_t)d[0] | (uint32_t)d[1] << 8 | (uint32_t)d[2] << 16 | (uint32_t)d[3] << 24;
	if (question->length != 4) {
		refuse(answer, ERROR_OTHER);
	} else if (!put_identifier(meter, reading, di, &v)) {
		refuse(answer, ERROR_NO_SUCH_DATA);
	} else {
		memcpy(answer->data, question->data, 4);
		memcpy(answer->data + 4, v.bytes, v.count);
		answer->length = (uint8_t)(4 + v.count);
	}
}

/* False: such a question is not answered. */
static bool put_answer(const struct meter *meter, const struct meter_reading *reading,
		       const struct dlt645_frame *question, struct dlt645_frame *answer)
{
	switch (question->control) {
	case DLT645_READ:
		answer_read(meter, reading, question, answer);
		return true;
	case DLT645_READ_MORE:
		refuse(answer, ERROR_OTHER);
		return true;
	case DLT645_READ_ADDRESS:
		memcpy(answer->data, meter->spec->address, DLT645_ADDRESS_BYTES);
		answer->length = DLT645_ADDRESS_BYTES;
		return question->length == 0;
	case DLT645_WRITE:
	case DLT645_RELAY:
		refuse(answer, ERROR_UNAUTHORIZED);
		return true;
	}
	return false;
}

bool meter_dlt645_is_meant(const struct meter *meter, const struct dlt645_frame *question)
{
	bool meant = meter->spec->kind == METER_KIND_DLT645;
	for (size_t i = 0; meant && i < DLT645_ADDRESS_BYTES; i++)
		meant = question->address[i] == ANY || question->address[i] == meter->spec->address[i];
	return meant;
}

static bool has_wildcard(const struct dlt645_frame *question)
{
	return memchr(question->address, ANY, DLT645_ADDRESS_BYTES) != NULL;
}

size_t meter_dlt645_answer(const struct meter *meter, const struct dlt645_frame *question, bool alone,
			   uint8_t out[METER_ANSWER_MAX])
{
	struct meter_reading reading;
	struct dlt645_frame answer = {.control = question->control | DLT645_FROM_METER};
	if (question->control == DLT645_READ_ADDRESS && !alone)
		return 0;
	if (has_wildcard(question) && (!alone || question->control >= DLT645_WRITE))
		return 0;
	if (!plant_read_meter(meter->plant, meter->outlet, &reading))
		return 0;
	memcpy(answer.address, meter->spec->address, DLT645_ADDRESS_BYTES);
	if (meter->foreign)
		answer.address[0] ^= 0x01; /* of 0 to 9 only 8 and 9 could leave BCD, and they swap */
	if (!put_answer(meter, &reading, question, &answer))
		return 0;
	return dlt645_frame_write(&answer, DLT645_PREAMBLE, out);
}
