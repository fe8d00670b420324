/* hal/core/meter_model.h: where each quantity of a meter stands, and how its bytes are read.
 *
 * Pure room: libc only. A model comes from a file in etc/models (hal/io/model_file.h). Values are integers in the units
 * of reading.h: mWh, mW, mA, mV, mHz. */
#ifndef HAL_CORE_METER_MODEL_H
#define HAL_CORE_METER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reading.h"

#define METER_NAME_SIZE 41
#define METER_SOURCE_SIZE 161
#define METER_ITEM_MAX 32 /* bytes of one quantity */

enum meter_protocol {
	METER_DLT645_2007,
	METER_MODBUS_RTU,
	METER_PROTOCOL_COUNT
};

enum meter_parity {
	PARITY_NONE,
	PARITY_EVEN,
	PARITY_ODD,
	PARITY_COUNT
};

struct line_settings {
	unsigned baud; /* 300 to 115200, one of termios's */
	enum meter_parity parity;
	unsigned data_bits; /* 7 or 8 */
	unsigned stop_bits; /* 1 or 2 */
};

enum meter_quantity {
	METER_ENERGY, /* forward active, mWh */
	METER_POWER, /* active, mW */
	METER_CURRENT_A, /* mA */
	METER_CURRENT_B,
	METER_CURRENT_C,
	METER_VOLTAGE_A, /* mV */
	METER_VOLTAGE_B,
	METER_VOLTAGE_C,
	METER_FREQUENCY, /* mHz */
	METER_SERIAL, /* text */
	METER_DATE, /* WW DD MM YY as DL/T 645 04000101 */
	METER_TIME, /* ss mm hh as 04000102 */
	METER_STATUS_1, /* running-status words 1 to 7, bits */
	METER_STATUS_2,
	METER_STATUS_3,
	METER_STATUS_4,
	METER_STATUS_5,
	METER_STATUS_6,
	METER_STATUS_7,
	METER_QUANTITY_COUNT
};

enum meter_encoding {
	ENCODING_BCD, /* DL/T 645: low byte first */
	ENCODING_BCD_SIGNED, /* sign in the top bit */
	ENCODING_BCD_TEXT, /* digits as text, high digit first: serial numbers, dates */
	ENCODING_BITS, /* low byte first */
	ENCODING_U16, /* Modbus: high byte first */
	ENCODING_S16,
	ENCODING_U32,
	ENCODING_S32,
	ENCODING_FLOAT32, /* IEEE 754 */
	ENCODING_COUNT
};

struct meter_item {
	bool present;
	uint32_t di; /* DL/T 645: the identifier */
	uint8_t function; /* Modbus: 3 or 4 */
	uint16_t address; /* Modbus: of the first register, as on the wire, from 0 */
	uint8_t offset; /* of the item's first byte within the answer to di (a block) */
	uint8_t size; /* bytes; at most METER_ITEM_MAX */
	enum meter_encoding encoding;
	bool low_word_first; /* of 32-bit values */
	int64_t multiplier; /* raw x multiplier / divisor is the value in its unit; both 1 to 10^12 */
	int64_t divisor;
};

struct meter_model {
	char name[METER_NAME_SIZE];
	char source[METER_SOURCE_SIZE]; /* where these facts come from */
	enum meter_protocol protocol;
	struct line_settings line; /* as delivered */
	int64_t turnaround_ms; /* the longest time from the last byte of a question to the first of the answer */
	int64_t typical_ms; /* the usual one, for planning */
	int64_t step_mwh; /* of the energy register */
	struct meter_item items[METER_QUANTITY_COUNT];
};

enum meter_value {
	METER_VALUE,
	METER_ABSENT, /* the meter has no such value: all FF (of s16 and s32 that is -1), a float that is not finite */
	METER_UNREADABLE, /* not in the encoding, too short, or beyond +-10^15 */
};

/* Decodes a numeric item from the answer's bytes (Modbus: registers, high byte first). Floats are read exactly, scaled,
 * and rounded to the nearest, half away from zero. *value untouched unless METER_VALUE. */
enum meter_value meter_decode(const struct meter_item *item, const uint8_t *bytes, size_t count, int64_t *value);

/* Decodes a text item (ENCODING_BCD_TEXT; the integer encodings as their decimal digits) to 1..32 printable characters
 * and a NUL, without leading zeros unless that would leave nothing. */
enum meter_value meter_decode_text(const struct meter_item *item, const uint8_t *bytes, size_t count,
				   char text[METER_SERIAL_SIZE]);

/* The meter's own clock from its date (WW DD MM YY) and time (ss mm hh) bytes in wire order, as Unix time at
 * utc_offset_minutes. False when it is no date of 2000 to 2099 or no time of day. */
bool meter_clock(const uint8_t date[4], const uint8_t time[3], int utc_offset_minutes, int64_t *clock_ms);

/* The register's value on its own grid: the nearest multiple of the model's step. */
int64_t meter_on_step(const struct meter_model *model, int64_t mwh);

/* NULL for settings that a port can have, else a sentence that says what is allowed. */
const char *line_settings_fault(const struct line_settings *line);

/* NULL for a model whose fields are within the limits above, complete (energy and power, and one current) and fit for
 * its protocol; else a sentence that says which quantity is wrong and what is allowed. */
const char *meter_model_fault(const struct meter_model *model);

/* Names as files and status write them; never NULL. The finders return false, *value unchanged, for an unknown name. */
const char *meter_quantity_name(enum meter_quantity quantity);
const char *meter_protocol_name(enum meter_protocol protocol);
const char *meter_parity_name(enum meter_parity parity);
bool meter_quantity_find(const char *name, enum meter_quantity *value);
bool meter_protocol_find(const char *name, enum meter_protocol *value);
bool meter_parity_find(const char *name, enum meter_parity *value);
bool meter_encoding_find(const char *name, enum meter_encoding *value);

#endif
