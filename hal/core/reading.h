/* hal/core/reading.h: one answer of a meter, in the units that every floor above shares.
 *
 * Pure room: libc only. */
#ifndef HAL_CORE_READING_H
#define HAL_CORE_READING_H

#include <stdint.h>

#define METER_SERIAL_SIZE 33 /* 32 characters and the NUL */

struct meter_reading {
	int64_t mono_ms; /* when the register's last byte arrived: the age of the reading counts from here */
	int64_t asked_ms; /* when the first of its questions was sent: nothing in it is older than this */
	int64_t register_mwh; /* forward active energy, in the register's own step */
	int64_t power_mw; /* active power, negative when it flows backwards */
	int64_t current_ma; /* magnitude of the largest phase's current */
	int64_t clock_ms; /* the meter's own clock, Unix time, UTC; 0 when it has none or it is not trusted */
	char serial[METER_SERIAL_SIZE]; /* the meter's identity: where it changes, a new epoch begins */
};

#endif
