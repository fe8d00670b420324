/* hal/io/pins.c: see pins.h: which backend, and what all of them share.
 *
 * Room: hal/core. */
#include "pins.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

int pins_fail(struct pins_error *error, int result, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof error->text, format, arguments);
	va_end(arguments);
	return result;
}

int pins_open(const struct pins_config *config, struct pins **pins, struct pins_error *error)
{
	assert(config->outlet_count >= 1 && config->outlet_count <= PINS_OUTLETS_MAX);
	return config->socket[0] != '\0' ? pins_socket_open(config, pins, error) : pins_gpiod_open(config, pins, error);
}

void pins_close(struct pins *pins)
{
	if (pins != NULL)
		pins->ops->close(pins);
}

int pins_breaker(struct pins *pins, unsigned outlet, bool close)
{
	return pins->ops->breaker(pins, outlet, close);
}

int pins_pulse(struct pins *pins, int outlet, int64_t pulse_ms)
{
	return pins->ops->pulse(pins, outlet, pulse_ms);
}

int pins_fd(const struct pins *pins)
{
	return pins->ops->fd(pins);
}

int pins_next(struct pins *pins, struct pin_event *event)
{
	return pins->ops->next(pins, event);
}
