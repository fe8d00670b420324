/* hal/core/breaker.h: what is known of a breaker, and what is wrong with it.
 *
 * Pure room: libc only. The machine says; it decides nothing and drives nothing.
 *
 * Three witnesses: the command given; the contact (auxiliary contact or load-side voltage), where one is fitted; the
 * measured current and energy. Zero current proves nothing (nothing may be plugged in), current proves closed; against an
 * opening command it takes two readings in a row, for meters show a mean over the last second.
 * Without a contact input a closed breaker is only presumed, and "will not close" cannot be told. */
#ifndef HAL_CORE_BREAKER_H
#define HAL_CORE_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum breaker_kind {
	BREAKER_MONOSTABLE, /* releases when unpowered */
	BREAKER_LATCHING, /* keeps its place; needs an under-voltage release in hardware */
};

enum breaker_state {
	BREAKER_UNKNOWN, /* after boot, until commanded or seen */
	BREAKER_OPENING,
	BREAKER_OPEN, /* confirmed by the contact */
	BREAKER_PRESUMED_OPEN, /* commanded long enough ago, no contact fitted, no current */
	BREAKER_CLOSING,
	BREAKER_CLOSED, /* confirmed by the contact or by current */
	BREAKER_PRESUMED_CLOSED,
	BREAKER_STATE_COUNT
};

enum breaker_fault {
	BREAKER_SOUND,
	BREAKER_WELDED, /* open commanded, yet contact closed or current */
	BREAKER_WILL_NOT_CLOSE, /* closed commanded, contact never closed */
	BREAKER_TRIPPED, /* closed commanded and seen, then contact open: a protective device acted */
	BREAKER_BYPASSED, /* the register moves more than a step although the breaker is open and settled */
	BREAKER_FAULT_COUNT
};

struct breaker_config {
	enum breaker_kind kind;
	bool contact_fitted;
	int64_t actuation_ms; /* the longest time from command to contact */
	int64_t current_threshold_ma; /* below: the meter's noise */
	int64_t step_mwh; /* the register's resolution */
};

struct breaker {
	struct breaker_config config;
	enum breaker_state state;
	enum breaker_fault fault; /* latched until breaker_clear() */
	bool command_given;
	bool commanded; /* true: closed */
	bool contact_known;
	bool contact; /* true: closed; debounced by the caller */
	bool was_closed; /* seen closed since the last closing command */
	int64_t commanded_at_ms;
	int current_readings; /* in a row with current, taken after the command had had its time */
	bool settled_register_known;
	int64_t settled_register_mwh; /* at the first reading after the breaker settled open */
};

/* Starts with nothing known and no command given. */
void breaker_init(struct breaker *b, const struct breaker_config *config);

/* Says that a command was given at now_ms. */
void breaker_on_command(struct breaker *b, bool closed, int64_t now_ms);

/* Says what the contact input shows (stable level). */
void breaker_on_contact(struct breaker *b, bool closed, int64_t now_ms);

/* Says what the meter shows: magnitude of current in mA, register in mWh; neither older than reading_ms. */
void breaker_on_reading(struct breaker *b, int64_t current_ma, int64_t register_mwh, int64_t reading_ms);

/* Lets time pass. */
void breaker_on_tick(struct breaker *b, int64_t now_ms);

/* When breaker_on_tick() has something to do next, monotonic; MOMENT_NEVER when nothing. */
int64_t breaker_deadline(const struct breaker *b);

/* True when nothing speaks against the breaker being open: confirmed or presumed. */
bool breaker_is_open(const struct breaker *b);

/* True when it is confirmed or presumed closed. */
bool breaker_is_closed(const struct breaker *b);

/* Forgets the latched fault if its cause is gone. False when the cause is still there. */
bool breaker_clear(struct breaker *b, int64_t now_ms);

/* Names as records and status write them. Never NULL. */
const char *breaker_state_name(enum breaker_state state);
const char *breaker_fault_name(enum breaker_fault fault);

#endif
