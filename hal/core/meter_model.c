/* hal/core/meter_model.c: see meter_model.h.
 *
 * Pure room: libc only. Floating-point numbers of meters are taken apart as integers, and numbers of more than 64 bits
 * are avoided: a 32-bit board gives every digit that a 64-bit one does. */
#include "meter_model.h"

#include <assert.h>
#include <string.h>

#include "dlt645.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

#define VALUE_MAX INT64_C(1000000000000000) /* 10^15 */
#define SCALE_MAX INT64_C(1000000000000) /* 10^12 */
#define STEP_MAX_MWH INT64_C(1000000000) /* 1 MWh: no register counts in coarser steps */
#define TURNAROUND_MAX_MS 10000
#define DI_BYTES 4 /* in front of the value in an answer of DL/T 645 */
#define MODBUS_REGISTERS 65536
#define TEXT_DIGITS_MAX (METER_SERIAL_SIZE - 1)

#define DATE_BYTES 4
#define TIME_BYTES 3
#define STATUS_BYTES 2
#define MS_PER_MINUTE INT64_C(60000)

/* ---- names ---- */

static const char *const quantity_names[METER_QUANTITY_COUNT] = {
	[METER_ENERGY] = "energy",	 [METER_POWER] = "power",	  [METER_CURRENT_A] = "current_a",
	[METER_CURRENT_B] = "current_b", [METER_CURRENT_C] = "current_c", [METER_VOLTAGE_A] = "voltage_a",
	[METER_VOLTAGE_B] = "voltage_b", [METER_VOLTAGE_C] = "voltage_c", [METER_FREQUENCY] = "frequency",
	[METER_SERIAL] = "serial",	 [METER_DATE] = "date",		  [METER_TIME] = "time",
	[METER_STATUS_1] = "status_1",	 [METER_STATUS_2] = "status_2",	  [METER_STATUS_3] = "status_3",
	[METER_STATUS_4] = "status_4",	 [METER_STATUS_5] = "status_5",	  [METER_STATUS_6] = "status_6",
	[METER_STATUS_7] = "status_7",
};

static const char *const protocol_names[METER_PROTOCOL_COUNT] = {
	[METER_DLT645_2007] = "dlt645_2007",
	[METER_MODBUS_RTU] = "modbus_rtu",
};

static const char *const parity_names[PARITY_COUNT] = {
	[PARITY_NONE] = "none",
	[PARITY_EVEN] = "even",
	[PARITY_ODD] = "odd",
};

static const char *const encoding_names[ENCODING_COUNT] = {
	[ENCODING_BCD] = "bcd",
	[ENCODING_BCD_SIGNED] = "bcd_signed",
	[ENCODING_BCD_TEXT] = "bcd_text",
	[ENCODING_BITS] = "bits",
	[ENCODING_U16] = "u16",
	[ENCODING_S16] = "s16",
	[ENCODING_U32] = "u32",
	[ENCODING_S32] = "s32",
	[ENCODING_FLOAT32] = "float32",
};

/* The index of name, or count. */
static size_t find_name(const char *const *names, size_t count, const char *name)
{
	size_t i = 0;
	while (i < count && strcmp(names[i], name) != 0)
		i++;
	return i;
}

const char *meter_quantity_name(enum meter_quantity quantity)
{
	assert((size_t)quantity < METER_QUANTITY_COUNT);
	return quantity_names[quantity];
}

const char *meter_protocol_name(enum meter_protocol protocol)
{
	assert((size_t)protocol < METER_PROTOCOL_COUNT);
	return protocol_names[protocol];
}

const char *meter_parity_name(enum meter_parity parity)
{
	assert((size_t)parity < PARITY_COUNT);
	return parity_names[parity];
}

bool meter_quantity_find(const char *name, enum meter_quantity *value)
{
	size_t i = find_name(quantity_names, METER_QUANTITY_COUNT, name);
	if (i < METER_QUANTITY_COUNT)
		*value = (enum meter_quantity)i;
	return i < METER_QUANTITY_COUNT;
}

bool meter_protocol_find(const char *name, enum meter_protocol *value)
{
	size_t i = find_name(protocol_names, METER_PROTOCOL_COUNT, name);
	if (i < METER_PROTOCOL_COUNT)
		*value = (enum meter_protocol)i;
	return i < METER_PROTOCOL_COUNT;
}

bool meter_parity_find(const char *name, enum meter_parity *value)
{
	size_t i = find_name(parity_names, PARITY_COUNT, name);
	if (i < PARITY_COUNT)
		*value = (enum meter_parity)i;
	return i < PARITY_COUNT;
}

bool meter_encoding_find(const char *name, enum meter_encoding *value)
{
	size_t i = find_name(encoding_names, ENCODING_COUNT, name);
	if (i < ENCODING_COUNT)
		*value = (enum meter_encoding)i;
	return i < ENCODING_COUNT;
}

/* ---- decoding ---- */

/* A number as a meter sends it: sign, magnitude x 2^exponent. */
struct raw {
	bool negative;
	uint64_t magnitude; /* below 2^24 where exponent is negative */
	int exponent;
};

/* Bytes of each encoding; BCD and bits may be shorter. */
static const struct {
	uint8_t min, max;
} encoding_sizes[ENCODING_COUNT] = {
	[ENCODING_BCD] = {1, 8},
	[ENCODING_BCD_SIGNED] = {1, 8},
	[ENCODING_BCD_TEXT] = {1, TEXT_DIGITS_MAX / 2},
	[ENCODING_BITS] = {1, 4},
	[ENCODING_U16] = {2, 2},
	[ENCODING_S16] = {2, 2},
	[ENCODING_U32] = {4, 4},
	[ENCODING_S32] = {4, 4},
	[ENCODING_FLOAT32] = {4, 4},
};

static bool size_fits_encoding(const struct meter_item *item)
{
	return item->size >= encoding_sizes[item->encoding].min && item->size <= encoding_sizes[item->encoding].max;
}

/* The item's own bytes in an answer of count bytes, or NULL. */
static const uint8_t *find_bytes(const struct meter_item *item, const uint8_t *bytes, size_t count)
{
	bool fits = size_fits_encoding(item) && (size_t)item->offset + item->size <= count;
	return fits ? bytes + item->offset : NULL;
}

static bool all_bytes_set(const uint8_t *bytes, size_t count)
{
	size_t set = 0;
	while (set < count && bytes[set] == 0xFF)
		set++;
	return set == count;
}

static uint32_t read_bits(const uint8_t *bytes, size_t count)
{
	uint32_t bits = 0;
	for (size_t i = count; i-- > 0;)
		bits = bits << 8 | bytes[i];
	return bits;
}

/* One or two registers. */
static uint32_t read_registers(const uint8_t *bytes, size_t count, bool low_word_first)
{
	uint32_t first = (uint32_t)bytes[0] << 8 | bytes[1], second;

	if (count == 2)
		return first;
	second = (uint32_t)bytes[2] << 8 | bytes[3];
	return low_word_first ? second << 16 | first : first << 16 | second;
}

/* All bits set says "not available" where they cannot be a number of the meter's: -1 is one. */
static enum meter_value raw_of_bits(uint32_t bits, bool none, struct raw *raw)
{
	raw->magnitude = bits;
	return none ? METER_ABSENT : METER_VALUE;
}

static enum meter_value raw_of_signed(int64_t value, struct raw *raw)
{
	raw->negative = value < 0;
	raw->magnitude = (uint64_t)(value < 0 ? -value : value);
	return METER_VALUE;
}

static enum meter_value raw_of_bcd(const uint8_t *bytes, size_t count, bool with_sign, struct raw *raw)
{
	int64_t value;

	switch (dlt645_bcd_read(bytes, count, with_sign, &value)) {
	case DLT645_NUMBER:
		return raw_of_signed(value, raw);
	case DLT645_NOT_AVAILABLE:
		return METER_ABSENT;
	case DLT645_NOT_BCD:
		break;
	}
	return METER_UNREADABLE;
}

/* IEEE 754, single precision: 1 bit sign, 8 bits exponent, 23 bits fraction. */
static enum meter_value raw_of_float(uint32_t bits, struct raw *raw)
{
	uint32_t fraction = bits & UINT32_C(0x7FFFFF);
	int exponent = (int)(bits >> 23 & 0xFF);

	if (exponent == 0xFF)
		return METER_ABSENT; /* not a number, or infinite */
	raw->negative = bits >> 31 != 0;
	raw->magnitude = exponent > 0 ? fraction | UINT32_C(1) << 23 : fraction;
	raw->exponent = (exponent > 0 ? exponent : 1) - 127 - 23;
	return METER_VALUE;
}

static enum meter_value read_raw(const struct meter_item *item, const uint8_t *bytes, struct raw *raw)
{
	bool none = all_bytes_set(bytes, item->size);

	*raw = (struct raw){.exponent = 0};
	switch (item->encoding) {
	case ENCODING_BCD:
	case ENCODING_BCD_SIGNED:
		return raw_of_bcd(bytes, item->size, item->encoding == ENCODING_BCD_SIGNED, raw);
	case ENCODING_BITS:
		return raw_of_bits(read_bits(bytes, item->size), none, raw);
	case ENCODING_U16:
	case ENCODING_U32:
		return raw_of_bits(read_registers(bytes, item->size, item->low_word_first), none, raw);
	case ENCODING_S16:
		return raw_of_signed((int16_t)read_registers(bytes, item->size, false), raw);
	case ENCODING_S32:
		return raw_of_signed((int32_t)read_registers(bytes, item->size, item->low_word_first), raw);
	case ENCODING_FLOAT32:
		return raw_of_float(read_registers(bytes, item->size, item->low_word_first), raw);
	case ENCODING_BCD_TEXT:
	case ENCODING_COUNT:
		break;
	}
	return METER_UNREADABLE;
}

/* magnitude x 2^exponent x multiplier / divisor to the nearest, halves up; above VALUE_MAX where the true value is.
 * Long multiplication, one bit of the magnitude after the other, each step divided at once: rest stays below divisor. */
static uint64_t scale_up(const struct raw *raw, uint64_t multiplier, uint64_t divisor)
{
	uint64_t whole = 0, rest = 0;

	for (int bit = 63; bit >= -raw->exponent && whole <= (uint64_t)VALUE_MAX; bit--) {
		whole *= 2;
		rest *= 2;
		if (bit >= 0 && (raw->magnitude >> bit & 1) != 0) {
			whole += multiplier / divisor;
			rest += multiplier % divisor;
		}
		whole += rest / divisor;
		rest %= divisor;
	}
	return whole + (2 * rest >= divisor);
}

/* The same for a negative exponent, where magnitude x multiplier is below 2^64. */
static uint64_t scale_down(const struct raw *raw, uint64_t multiplier, uint64_t divisor)
{
	uint64_t whole = raw->magnitude * multiplier / divisor;
	int places = -raw->exponent;

	/* The bit behind the last place says whether what is cut off is a half at least. */
	if (places > 64)
		return 0;
	return (places < 64 ? whole >> places : 0) + (whole >> (places - 1) & 1);
}

enum meter_value meter_decode(const struct meter_item *item, const uint8_t *bytes, size_t count, int64_t *value)
{
	const uint8_t *own = find_bytes(item, bytes, count);
	struct raw raw;
	uint64_t scaled;

	assert(item->multiplier >= 1 && item->multiplier <= SCALE_MAX);
	assert(item->divisor >= 1 && item->divisor <= SCALE_MAX);
	enum meter_value result = own != NULL ? read_raw(item, own, &raw) : METER_UNREADABLE;
	if (result != METER_VALUE)
		return result;
	if (raw.exponent < 0)
		scaled = scale_down(&raw, (uint64_t)item->multiplier, (uint64_t)item->divisor);
	else
		scaled = scale_up(&raw, (uint64_t)item->multiplier, (uint64_t)item->divisor);
	if (scaled > (uint64_t)VALUE_MAX)
		return METER_UNREADABLE;
	*value = raw.negative ? -(int64_t)scaled : (int64_t)scaled;
	return METER_VALUE;
}

/* Digits, high one first, to text without leading zeros. */
static void write_digits(const char *digits, size_t count, char text[METER_SERIAL_SIZE])
{
	size_t first = 0;

	assert(count >= 1 && count <= TEXT_DIGITS_MAX);
	while (first < count - 1 && digits[first] == '0')
		first++;
	memcpy(text, digits + first, count - first);
	text[count - first] = '\0';
}

static enum meter_value decode_bcd_text(const uint8_t *bytes, size_t size, char text[METER_SERIAL_SIZE])
{
	char digits[TEXT_DIGITS_MAX];

	if (all_bytes_set(bytes, size))
		return METER_ABSENT;
	for (size_t i = 0; i < size; i++) {
		unsigned byte = bytes[size - 1 - i];
		if (byte >> 4 > 9 || (byte & 0x0F) > 9)
			return METER_UNREADABLE;
		digits[2 * i] = (char)('0' + (byte >> 4));
		digits[2 * i + 1] = (char)('0' + (byte & 0x0F));
	}
	write_digits(digits, 2 * size, text);
	return METER_VALUE;
}

enum meter_value meter_decode_text(const struct meter_item *item, const uint8_t *bytes, size_t count,
				   char text[METER_SERIAL_SIZE])
{
	const uint8_t *own = find_bytes(item, bytes, count);
	char digits[20]; /* of 2^64 */
	struct raw raw;

	if (own == NULL)
		return METER_UNREADABLE;
	if (item->encoding == ENCODING_BCD_TEXT)
		return decode_bcd_text(own, item->size, text);
	enum meter_value result = read_raw(item, own, &raw);
	if (result != METER_VALUE)
		return result;
	if (raw.negative || item->encoding == ENCODING_FLOAT32)
		return METER_UNREADABLE; /* no serial number is negative or has a fraction */
	for (size_t i = sizeof digits; i-- > 0; raw.magnitude /= 10)
		digits[i] = (char)('0' + raw.magnitude % 10);
	write_digits(digits, sizeof digits, text);
	return METER_VALUE;
}

/* ---- the meter's clock ---- */

/* One BCD byte from min to max. */
static bool read_field(uint8_t byte, int min, int max, int *value)
{
	*value = (byte >> 4) * 10 + (byte & 0x0F);
	return byte >> 4 <= 9 && (byte & 0x0F) <= 9 && *value >= min && *value <= max;
}

/* Days from 1970-01-01 to a day of 2000 to 2099, where every fourth year is a leap year. month from 1. */
static int64_t days_since_1970(int year, int month, int day)
{
	static const int days_before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	int years = year - 2000;
	int leap_days = (years + 3) / 4 + (years % 4 == 0 && month > 2);

	return 10957 + years * INT64_C(365) + leap_days + days_before[month - 1] + day - 1;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	return days[month - 1] + (month == 2 && year % 4 == 0);
}

bool meter_clock(const uint8_t date[4], const uint8_t time[3], int utc_offset_minutes, int64_t *clock_ms)
{
	int day, month, year, second, minute, hour;

	/* date[0], the day of the week, counts from 0 or 1 and from any day, by vendor: it says nothing. */
	if (!read_field(date[1], 1, 31, &day) || !read_field(date[2], 1, 12, &month) ||
	    !read_field(date[3], 0, 99, &year) || day > days_in_month(2000 + year, month))
		return false;
	if (!read_field(time[0], 0, 59, &second) || !read_field(time[1], 0, 59, &minute) ||
	    !read_field(time[2], 0, 23, &hour))
		return false;
	int64_t minutes = (days_since_1970(2000 + year, month, day) * 24 + hour) * 60 + minute - utc_offset_minutes;
	*clock_ms = minutes * MS_PER_MINUTE + second * INT64_C(1000);
	return true;
}

int64_t meter_on_step(const struct meter_model *model, int64_t mwh)
{
	int64_t rest = mwh % model->step_mwh, below = mwh - rest;

	if (2 * (rest < 0 ? -rest : rest) < model->step_mwh)
		return below;
	return rest < 0 ? below - model->step_mwh : below + model->step_mwh;
}

/* ---- contradictions in a model ---- */

/* A sentence about each quantity. */
#define OF_EACH_QUANTITY(text)                                                                                         \
	{                                                                                                              \
		[METER_ENERGY] = "energy: " text, [METER_POWER] = "power: " text,                                      \
		[METER_CURRENT_A] = "current_a: " text, [METER_CURRENT_B] = "current_b: " text,                        \
		[METER_CURRENT_C] = "current_c: " text, [METER_VOLTAGE_A] = "voltage_a: " text,                        \
		[METER_VOLTAGE_B] = "voltage_b: " text, [METER_VOLTAGE_C] = "voltage_c: " text,                        \
		[METER_FREQUENCY] = "frequency: " text, [METER_SERIAL] = "serial: " text,                              \
		[METER_DATE] = "date: " text, [METER_TIME] = "time: " text, [METER_STATUS_1] = "status_1: " text,      \
		[METER_STATUS_2] = "status_2: " text, [METER_STATUS_3] = "status_3: " text,                            \
		[METER_STATUS_4] = "status_4: " text, [METER_STATUS_5] = "status_5: " text,                            \
		[METER_STATUS_6] = "status_6: " text, [METER_STATUS_7] = "status_7: " text,                            \
	}

enum item_fault {
	ITEM_SOUND,
	ITEM_ENCODING_UNKNOWN,
	ITEM_ENCODING_DLT645,
	ITEM_ENCODING_MODBUS,
	ITEM_ENCODING_NUMBER,
	ITEM_ENCODING_SERIAL,
	ITEM_ENCODING_DATE,
	ITEM_ENCODING_TIME,
	ITEM_ENCODING_STATUS,
	ITEM_NOT_ON_MODBUS,
	ITEM_SIZE,
	ITEM_REGISTERS_ON_DLT645,
	ITEM_BLOCK,
	ITEM_DI_ON_MODBUS,
	ITEM_FUNCTION,
	ITEM_ADDRESS,
	ITEM_WORD_ORDER,
	ITEM_SCALE,
	ITEM_TEXT_SCALE,
	ITEM_FAULT_COUNT
};

static const char *const item_faults[ITEM_FAULT_COUNT][METER_QUANTITY_COUNT] = {
	[ITEM_ENCODING_UNKNOWN] = OF_EACH_QUANTITY("the encoding is none that is known"),
	[ITEM_ENCODING_DLT645] =
		OF_EACH_QUANTITY("the encoding is one of Modbus; DL/T 645 has bcd, bcd_signed, bcd_text and bits"),
	[ITEM_ENCODING_MODBUS] =
		OF_EACH_QUANTITY("the encoding is one of DL/T 645; Modbus has u16, s16, u32, s32 and float32"),
	[ITEM_ENCODING_NUMBER] = OF_EACH_QUANTITY("a number is needed: bcd, bcd_signed, u16, s16, u32, s32 or float32"),
	[ITEM_ENCODING_SERIAL] = OF_EACH_QUANTITY("the encoding must be bcd_text, bcd, u16 or u32"),
	[ITEM_ENCODING_DATE] = OF_EACH_QUANTITY("must be bcd_text of 4 bytes: WW DD MM YY"),
	[ITEM_ENCODING_TIME] = OF_EACH_QUANTITY("must be bcd_text of 3 bytes: ss mm hh"),
	[ITEM_ENCODING_STATUS] = OF_EACH_QUANTITY("must be bits of 2 bytes"),
	[ITEM_NOT_ON_MODBUS] = OF_EACH_QUANTITY("only DL/T 645 has it; leave it out"),
	[ITEM_SIZE] = OF_EACH_QUANTITY("the size does not fit the encoding: bcd and bcd_signed take 1 to 8 bytes, "
				       "bcd_text 1 to 16, bits 1 to 4, u16 and s16 2, u32, s32 and float32 4"),
	[ITEM_REGISTERS_ON_DLT645] =
		OF_EACH_QUANTITY("DL/T 645 has an identifier, but no function, no register and no word order"),
	[ITEM_BLOCK] = OF_EACH_QUANTITY("offset and size must lie within the 196 bytes that an answer carries"),
	[ITEM_DI_ON_MODBUS] = OF_EACH_QUANTITY("Modbus has a function and a register, but no identifier and no offset"),
	[ITEM_FUNCTION] = OF_EACH_QUANTITY("the function must be 3 or 4"),
	[ITEM_ADDRESS] = OF_EACH_QUANTITY("its registers must lie within 0 to 65535"),
	[ITEM_WORD_ORDER] = OF_EACH_QUANTITY("a word order is only for values of 4 bytes"),
	[ITEM_SCALE] = OF_EACH_QUANTITY("multiplier and divisor must be 1 to 1000000000000"),
	[ITEM_TEXT_SCALE] = OF_EACH_QUANTITY("it is no number: multiplier and divisor must be 1"),
};

static bool encoding_is_bcd_or_bits(enum meter_encoding encoding)
{
	return encoding == ENCODING_BCD || encoding == ENCODING_BCD_SIGNED || encoding == ENCODING_BCD_TEXT ||
	       encoding == ENCODING_BITS;
}

static bool encoding_is_serial(enum meter_encoding encoding)
{
	return encoding == ENCODING_BCD_TEXT || encoding == ENCODING_BCD || encoding == ENCODING_U16 ||
	       encoding == ENCODING_U32;
}

static bool is_number(enum meter_quantity quantity)
{
	return quantity < METER_SERIAL;
}

static enum item_fault judge_encoding(enum meter_quantity quantity, const struct meter_item *item)
{
	bool text = item->encoding == ENCODING_BCD_TEXT, bits = item->encoding == ENCODING_BITS;

	if (is_number(quantity))
		return text || bits ? ITEM_ENCODING_NUMBER : ITEM_SOUND;
	if (quantity == METER_SERIAL)
		return encoding_is_serial(item->encoding) ? ITEM_SOUND : ITEM_ENCODING_SERIAL;
	if (quantity == METER_DATE)
		return text && item->size == DATE_BYTES ? ITEM_SOUND : ITEM_ENCODING_DATE;
	if (quantity == METER_TIME)
		return text && item->size == TIME_BYTES ? ITEM_SOUND : ITEM_ENCODING_TIME;
	return bits && item->size == STATUS_BYTES ? ITEM_SOUND : ITEM_ENCODING_STATUS;
}

static enum item_fault judge_on_dlt645(const struct meter_item *item)
{
	if (!encoding_is_bcd_or_bits(item->encoding))
		return ITEM_ENCODING_DLT645;
	if (item->function != 0 || item->address != 0 || item->low_word_first)
		return ITEM_REGISTERS_ON_DLT645;
	if (item->offset + item->size > DLT645_DATA_MAX - DI_BYTES)
		return ITEM_BLOCK;
	return ITEM_SOUND;
}

static enum item_fault judge_on_modbus(enum meter_quantity quantity, const struct meter_item *item)
{
	if (!is_number(quantity) && quantity != METER_SERIAL)
		return ITEM_NOT_ON_MODBUS;
	if (encoding_is_bcd_or_bits(item->encoding))
		return ITEM_ENCODING_MODBUS;
	if (item->di != 0 || item->offset != 0)
		return ITEM_DI_ON_MODBUS;
	if (item->function != 3 && item->function != 4)
		return ITEM_FUNCTION;
	if (item->address + item->size / 2 > MODBUS_REGISTERS)
		return ITEM_ADDRESS;
	if (item->low_word_first && item->size != 4)
		return ITEM_WORD_ORDER;
	return ITEM_SOUND;
}

static enum item_fault judge_scale(enum meter_quantity quantity, const struct meter_item *item)
{
	if (item->multiplier < 1 || item->multiplier > SCALE_MAX || item->divisor < 1 || item->divisor > SCALE_MAX)
		return ITEM_SCALE;
	if (!is_number(quantity) && (item->multiplier != 1 || item->divisor != 1))
		return ITEM_TEXT_SCALE;
	return ITEM_SOUND;
}

static enum item_fault judge_item(enum meter_protocol protocol, enum meter_quantity quantity,
				  const struct meter_item *item)
{
	if ((size_t)item->encoding >= ENCODING_COUNT)
		return ITEM_ENCODING_UNKNOWN;
	enum item_fault fault = protocol == METER_MODBUS_RTU ? judge_on_modbus(quantity, item) : judge_on_dlt645(item);
	if (fault == ITEM_SOUND)
		fault = judge_encoding(quantity, item);
	if (fault == ITEM_SOUND && !size_fits_encoding(item))
		fault = ITEM_SIZE;
	if (fault == ITEM_SOUND)
		fault = judge_scale(quantity, item);
	return fault;
}

static bool is_line(const char *text, size_t size)
{
	size_t length = strnlen(text, size);
	bool printable = length > 0 && length < size;

	for (size_t i = 0; i < length; i++)
		printable = printable && (unsigned char)text[i] >= 0x20 && text[i] != 0x7F;
	return printable;
}

const char *line_settings_fault(const struct line_settings *line)
{
	static const unsigned bauds[] = {300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200};
	size_t i = 0;

	while (i < COUNT_OF(bauds) && bauds[i] != line->baud)
		i++;
	if (i == COUNT_OF(bauds))
		return "line: the baud rate must be 300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600 or 115200";
	if ((size_t)line->parity >= PARITY_COUNT)
		return "line: the parity must be none, even or odd";
	if (line->data_bits != 7 && line->data_bits != 8)
		return "line: the data bits must be 7 or 8";
	if (line->stop_bits != 1 && line->stop_bits != 2)
		return "line: the stop bits must be 1 or 2";
	return NULL;
}

/* What is wrong with all but the items. */
static const char *frame_fault(const struct meter_model *model)
{
	if (!is_line(model->name, sizeof model->name))
		return "name: 1 to 40 printable characters are needed";
	if (!is_line(model->source, sizeof model->source))
		return "source: 1 to 160 printable characters must say where these facts come from";
	if ((size_t)model->protocol >= METER_PROTOCOL_COUNT)
		return "protocol: must be dlt645_2007 or modbus_rtu";
	const char *line = line_settings_fault(&model->line);
	if (line != NULL)
		return line;
	if (model->line.data_bits != 8)
		return "line: both protocols send bytes: the data bits must be 8";
	if (model->turnaround_ms < 1 || model->turnaround_ms > TURNAROUND_MAX_MS)
		return "turnaround: must be 1 to 10000 ms";
	if (model->typical_ms < 1 || model->typical_ms > model->turnaround_ms)
		return "typical: must be 1 ms to the turnaround";
	if (model->step_mwh < 1 || model->step_mwh > STEP_MAX_MWH)
		return "step: must be 1 to 1000000000 mWh (1 MWh)";
	return NULL;
}

static const char *completeness_fault(const struct meter_item items[METER_QUANTITY_COUNT])
{
	if (!items[METER_ENERGY].present)
		return "energy: is missing; nothing can be billed without it";
	if (!items[METER_POWER].present)
		return "power: is missing; every model needs it";
	if (!items[METER_CURRENT_A].present && !items[METER_CURRENT_B].present && !items[METER_CURRENT_C].present)
		return "current_a: is missing; every model needs at least one current";
	if (items[METER_DATE].present != items[METER_TIME].present)
		return "date: date and time make one clock; give both or neither";
	return NULL;
}

const char *meter_model_fault(const struct meter_model *model)
{
	const char *text = frame_fault(model);

	if (text == NULL)
		text = completeness_fault(model->items);
	for (int i = 0; text == NULL && i < METER_QUANTITY_COUNT; i++) {
		enum meter_quantity quantity = (enum meter_quantity)i;
		if (model->items[i].present)
			text = item_faults[judge_item(model->protocol, quantity, &model->items[i])][i];
	}
	return text;
}
