/* tools/boxsim/plant/plant.h: the physics of a box: what meters, breakers, locks, doors, loads and the mains do.
 *
 * Pure library: libc, and hal/core for its vocabulary. Time is the caller's (milliseconds from the world's beginning,
 * never backwards); all arithmetic is integer, so that the same calls give the same world everywhere. It knows
 * nothing of sessions, money or protocols. */
#ifndef PLANT_H
#define PLANT_H

#include <stdbool.h>
#include <stdint.h>

#include "breaker.h"
#include "reading.h"

#define PLANT_OUTLETS_MAX 16
#define PLANT_NEVER INT64_MAX
#define PLANT_METERING_BOX (-1) /* the lock and door that belong to no outlet */

/* Larger loads are cut to this; plant_new() refuses larger configurations. */
#define PLANT_POWER_MAX_MW INT64_C(1000000000)
#define PLANT_INRUSH_MAX_PERMILLE INT64_C(100000)
#define PLANT_VOLTAGE_MAX_MV INT64_C(1000000000)
#define PLANT_CURRENT_MAX_MA INT64_C(1000000000)

/* What is plugged into a socket. Power is the inrush's, then steady, and nothing in the off phases of the duty cycle.
 * Both count from the moment that the load becomes energised, or is plugged into an energised socket. Negative values
 * count as 0. */
struct plant_load {
	int64_t power_mw; /* steady, at nominal voltage; 0: nothing plugged in */
	int64_t inrush_permille; /* of steady power while inrush_ms lasts, rounded down to a milliwatt; 1000: none */
	int64_t inrush_ms; /* once after becoming energised, not in each on phase */
	int64_t on_ms; /* duty cycle: on_ms on, then off_ms off; off_ms 0: always on; else on_ms 0: always off */
	int64_t off_ms;
};

struct plant_breaker_config {
	enum breaker_kind kind;
	int64_t close_ms; /* from whatever closes it (coil, mains' return, reset trip, ended fault) to the contact */
	int64_t open_ms; /* likewise: coil, lost mains or board, trip, ended fault. 0 is at once */
};

struct plant_meter_config {
	char serial[METER_SERIAL_SIZE]; /* NUL-terminated */
	int64_t step_mwh; /* the register shows whole steps only; at least 1 */
	int64_t initial_mwh; /* true energy at the beginning, at least 0 */
	bool has_clock;
	int64_t clock_offset_ms; /* the meter's clock minus true wall time */
	int64_t standby_ma; /* current that the meter shows with nothing flowing: its noise */
};

struct plant_outlet_config {
	struct plant_meter_config meter;
	struct plant_breaker_config breaker;
	bool user_door_fitted; /* with a switch */
	int64_t lock_rating_ms; /* on for longer without a break, the coil burns and unlocks no more; 0: never */
};

struct plant_config {
	unsigned outlet_count; /* 1 to PLANT_OUTLETS_MAX */
	struct plant_outlet_config outlets[PLANT_OUTLETS_MAX];
	bool metering_door_fitted;
	int64_t lock_rating_ms; /* of the metering box's lock */
	int64_t voltage_mv; /* nominal */
	int64_t wall_ms; /* true wall time at plant time 0 */
};

/* Faults that can be put into an outlet; bits of a set. */
enum plant_fault {
	PLANT_WELDED = 1 << 0, /* the main contact stays closed (once it is), the auxiliary contact tells the truth */
	PLANT_STUCK_OPEN = 1 << 1, /* the main contact does not close */
	PLANT_BYPASSED = 1 << 2, /* somebody bridged the breaker: the load is fed whatever the contact does */
	PLANT_METER_SILENT = 1 << 3, /* no answer; it keeps counting */
	PLANT_METER_ZERO = 1 << 4, /* answers with a register of 0; it keeps counting */
	PLANT_METER_STUCK = 1 << 5, /* the shown register, power and current do not change; it keeps counting inside */
};

struct plant; /* opaque; owned by whoever made it */

/* Makes a box at time 0: mains on, doors closed, breakers open, nothing plugged in, no fault.
 * NULL when memory is short or the configuration is outside the limits above: no duration, rating or current may be
 * negative, and the voltage must be positive. All calls below want an outlet of the configuration. */
struct plant *plant_new(const struct plant_config *config);
void plant_free(struct plant *plant);

/* Lets the world run to now_ms, through every change on the way. Every other call acts at the moment reached, and what
 * takes no time has happened when it returns. Going backwards is ignored. */
void plant_advance(struct plant *plant, int64_t now_ms);

/* The next moment, always in the future, at which something changes by itself (a contact moves, a lock's coil ends, a
 * door locks again, a door switch bounces, an inrush or a duty phase ends); PLANT_NEVER when nothing is under way.
 * Register steps are not such moments. */
int64_t plant_next_change(const struct plant *plant);

/* --- what the controller does --- */

/* Energises (true) or releases the coil that closes a monostable breaker; for a latching one, gives the closing or
 * opening impulse. While the board is dead nothing happens. A movement under way goes on when commanded again, and is
 * called off by the opposite command. A latching breaker that is tripped or without mains does not take a closing
 * impulse: it needs another one later. */
void plant_drive_breaker(struct plant *plant, unsigned outlet, bool close);

/* Energises a lock's coil for ms; outlet or PLANT_METERING_BOX. The lock is unlocked from the pulse's begin until its
 * door has been opened and closed again (closed, when it stands open already), or for 10 s when it has no door switch
 * or nobody opens it. A pulse within another, or at its very end, makes the coil's time longer, never shorter. Nothing
 * happens while the board is dead, or when ms is not positive. */
void plant_pulse_lock(struct plant *plant, int outlet, int64_t ms);

/* --- what the world does --- */

/* Whether the door could be opened, or stood open: false and nothing happens when it is locked and force is false. */
bool plant_open_door(struct plant *plant, int outlet, bool force);
void plant_close_door(struct plant *plant, int outlet);
void plant_plug(struct plant *plant, unsigned outlet, const struct plant_load *load); /* power 0: unplug */
void plant_set_fault(struct plant *plant, unsigned outlet, unsigned fault, bool present); /* one, or a set */

/* A protective device opens the breaker, after open_ms; it stays so until plant_reset_trip(). Then a monostable one
 * that is still driven closes by itself; a latching one waits for an impulse. */
void plant_trip(struct plant *plant, unsigned outlet);
void plant_reset_trip(struct plant *plant, unsigned outlet);

/* Another meter in the same place; the supply is not interrupted. The old one takes its PLANT_METER_ faults with it.
 * Ignored when the meter is outside the limits above. */
void plant_replace_meter(struct plant *plant, unsigned outlet, const struct plant_meter_config *meter);

/* A door switch bounces: it shows the wrong position from now on, toggles each 5 ms and ends after for_ms at the true
 * one. A later call replaces an earlier one; 0 ends it. */
void plant_tick_bounce(struct plant *plant, int outlet, int64_t for_ms);

/* The mains at the box. While off: no load is energised, meters do not answer and do not count, a monostable breaker
 * drops out, and a latching one is opened by its under-voltage release (for good: it needs an impulse afterwards).
 * Whether the board dies too is the caller's to say (see below): one that lives on from a buffer still drives, so that
 * its monostable breakers close again by themselves when the mains return. */
void plant_set_mains(struct plant *plant, bool on);

/* The board's own power or process: while dead no coil is driven: a monostable breaker drops out, a latching one keeps
 * its place, a lock's pulse under way ends by its own hardware timer (as commanded). A board that comes to life drives
 * nothing until it is told to. */
void plant_set_board(struct plant *plant, bool alive);

/* --- what can be seen --- */

/* The auxiliary contact: true when the main one is closed. */
bool plant_contact(const struct plant *plant, unsigned outlet);

/* The door switch, bouncing and all: true when closed, or when there is no switch. */
bool plant_door(const struct plant *plant, int outlet);

bool plant_mains(const struct plant *plant);

/* Asks the meter. False when it does not answer; *reading is untouched then. Times in the reading are the plant's; the
 * caller adds the bus's. current_ma follows from power and nominal voltage, rounded to nearest, plus the meter's
 * standby_ma. */
bool plant_read_meter(const struct plant *plant, unsigned outlet, struct meter_reading *reading);

/* --- the truth, for a checker; no controller can see it --- */

/* The coil is commanded closed (monostable), or the last impulse given was to close, even if it was lost. */
bool plant_driven(const struct plant *plant, unsigned outlet);

/* Voltage at the socket. */
bool plant_energised(const struct plant *plant, unsigned outlet);

bool plant_unlocked(const struct plant *plant, int outlet);

/* Energy through the present meter since its begin, plus initial_mwh, in microjoules (1 mWh = 3,600,000 uJ); it stays
 * at INT64_MAX when it gets there. */
int64_t plant_true_uj(const struct plant *plant, unsigned outlet);

int64_t plant_power_mw(const struct plant *plant, unsigned outlet);

/* The longest time that the lock's coil has been under voltage without a break, burnt or not, until now. */
int64_t plant_longest_coil_ms(const struct plant *plant, int outlet);

#endif
