/* hal/io/pins.h: breakers, locks, doors and contacts, behind one small table of functions.
 *
 * Room: hal/core, libgpiod. Two backends, a file each: the kernel's GPIO lines (with leds-gpio for the locks' coils), and
 * the socket of a simulated box (hal/core/pin_line.h). No call blocks. */
#ifndef HAL_IO_PINS_H
#define HAL_IO_PINS_H

#include <stdbool.h>
#include <stdint.h>

#define PINS_OUTLETS_MAX 16
#define PIN_NAME_SIZE 64
#define PINS_PATH_SIZE 108
#define PINS_ERROR_SIZE 240
#define PINS_METERING_BOX (-1)

struct pins_error {
	char text[PINS_ERROR_SIZE];
};

/* One line of a chip. An empty chip: not fitted. */
struct pin_spec {
	char chip[PIN_NAME_SIZE]; /* label, name or number of the chip: labels survive another order of probing */
	char line[PIN_NAME_SIZE]; /* name or offset */
	bool active_low;
};

struct pins_outlet {
	struct pin_spec breaker; /* output; active: closed */
	bool latching; /* the breaker keeps its place: its line is left as it is until the first command */
	struct pin_spec contact; /* input; active: closed */
	struct pin_spec door; /* input; active: closed */
	char lock[PIN_NAME_SIZE]; /* an LED of the kernel with the transient trigger: its coil cannot stay on */
};

struct pins_config {
	char socket[PINS_PATH_SIZE]; /* of a simulated box; empty: the kernel's lines */
	unsigned outlet_count;
	struct pins_outlet outlets[PINS_OUTLETS_MAX];
	struct pin_spec metering_door;
	char metering_lock[PIN_NAME_SIZE];
};

enum pin_input {
	PIN_INPUT_METERING_DOOR, /* outlet is 0 */
	PIN_INPUT_USER_DOOR,
	PIN_INPUT_CONTACT,
};

struct pin_event {
	enum pin_input input;
	unsigned outlet;
	bool level; /* true: closed */
};

struct pins {
	const struct pins_ops *ops;
};

struct pins_ops {
	const char *name;
	void (*close)(struct pins *pins);
	int (*breaker)(struct pins *pins, unsigned outlet, bool close);
	int (*pulse)(struct pins *pins, int outlet, int64_t pulse_ms);
	int (*fd)(const struct pins *pins);
	int (*next)(struct pins *pins, struct pin_event *event);
};

/* Opens the backend that the configuration asks for. Monostable breakers are driven open, latching ones are left as they
 * are. Every fitted input's level is then the first to come out of pins_next(). 0 or negative errno, *error says which
 * chip, line, LED or socket, and what may be done. */
int pins_open(const struct pins_config *config, struct pins **pins, struct pins_error *error);

/* Drives every breaker open and gives everything back. NULL is allowed. */
void pins_close(struct pins *pins);

/* Drives a breaker. 0 or negative errno; -ENODEV: the line is gone, or none is fitted. */
int pins_breaker(struct pins *pins, unsigned outlet, bool close);

/* Energises a lock's coil for pulse_ms; the hardware's own timer ends it, whatever happens to this process. outlet or
 * PINS_METERING_BOX. 0, -ENODEV where no lock is fitted, -EBUSY within another pulse, or negative errno. */
int pins_pulse(struct pins *pins, int outlet, int64_t pulse_ms);

/* Readable when an input has changed. Owned by pins. */
int pins_fd(const struct pins *pins);

/* The next change of an input. 1; 0 when there is none; negative errno when the lines are lost: nothing can be driven or
 * seen any more. A chip that vanishes wakes nobody on Linux 6.1: there the next pins_breaker() tells. */
int pins_next(struct pins *pins, struct pin_event *event);

/* The backends. */
int pins_gpiod_open(const struct pins_config *config, struct pins **pins, struct pins_error *error);
int pins_socket_open(const struct pins_config *config, struct pins **pins, struct pins_error *error);

/* Fills *error and returns result. For the backends. */
int pins_fail(struct pins_error *error, int result, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
