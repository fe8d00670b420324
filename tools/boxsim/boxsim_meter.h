/* tools/boxsim/boxsim_meter.h: what a meter answers.
 *
 * Room: boxsim; this file needs the plant, hal/core and libmodbus. The plant knows what the meter would show, the
 * protocols' files put it into bytes; boxsim_line.h carries them. */
#ifndef BOXSIM_METER_H
#define BOXSIM_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boxsim_options.h"
#include "dlt645.h"
#include "plant.h"

#define METER_ANSWER_MAX 260 /* a Modbus frame has 256 bytes, a DL/T 645 frame 216 */
#define METER_VOLTAGE_MV 230000 /* of the simulated mains */
#define METER_FREQUENCY_MHZ 50000
#define MODBUS_CRC_BYTES 2

struct meter_modbus;

struct meter {
	const struct meter_spec *spec;
	const struct plant *plant;
	unsigned outlet;
	struct meter_modbus *modbus; /* NULL: DL/T 645 */
	/* Faults of the line; 0 and false: none. */
	int64_t slow_ms; /* in place of the turn-around */
	int64_t dribble_ms; /* between bytes */
	int64_t late_ms; /* on top of everything */
	bool garbled;
	bool foreign;
	bool half;
	unsigned garble_next; /* which byte is garbled next */
};

/* Prepares the meter; spec and plant outlive it. 0 or a negative errno. */
int meter_start(struct meter *meter, const struct meter_spec *spec, const struct plant *plant, unsigned outlet);
void meter_stop(struct meter *meter);

/* Whether a question is for this DL/T 645 meter: AA in its address stands for any digits. */
bool meter_dlt645_is_meant(const struct meter *meter, const struct dlt645_frame *question);

/* The whole answer with its preamble; 0 when the meter does not answer. alone: no other meter is meant. */
size_t meter_dlt645_answer(const struct meter *meter, const struct dlt645_frame *question, bool alone,
			   uint8_t answer[METER_ANSWER_MAX]);

/* The serial number as 12 digits, high digits first: the last ones of the text's. */
void meter_serial_digits(const char *serial, char digits[13]);

/* Makes and ends a Modbus slave. 0 or a negative errno. */
int meter_modbus_start(struct meter *meter);
void meter_modbus_stop(struct meter *meter);

/* The answer to a whole question with a right checksum; 0 when the meter does not answer. */
size_t meter_modbus_answer(const struct meter *meter, const uint8_t *question, size_t count,
			   uint8_t answer[METER_ANSWER_MAX]);

/* How many bytes a question has that begins with these; 0 when that cannot be said (yet, or of this function). */
size_t meter_modbus_question_length(const uint8_t *bytes, size_t count);

uint16_t meter_modbus_crc(const uint8_t *bytes, size_t count);

#endif
