/* hal/core/breaker.c: see breaker.h. */
#include "breaker.h"

#include <assert.h>
#include <stddef.h>

#include "moment.h"

/* Meters show a mean over the last second or so: the first reading after an opening may still show what was. */
#define CURRENT_PROVES_WELDED 2

static const char *const state_names[BREAKER_STATE_COUNT] = {
	[BREAKER_UNKNOWN] = "unknown",
	[BREAKER_OPENING] = "opening",
	[BREAKER_OPEN] = "open",
	[BREAKER_PRESUMED_OPEN] = "presumed_open",
	[BREAKER_CLOSING] = "closing",
	[BREAKER_CLOSED] = "closed",
	[BREAKER_PRESUMED_CLOSED] = "presumed_closed",
};

static const char *const fault_names[BREAKER_FAULT_COUNT] = {
	[BREAKER_SOUND] = "sound",
	[BREAKER_WELDED] = "welded",
	[BREAKER_WILL_NOT_CLOSE] = "will_not_close",
	[BREAKER_TRIPPED] = "tripped",
	[BREAKER_BYPASSED] = "bypassed",
};

const char *breaker_state_name(enum breaker_state state)
{
	assert((size_t)state < BREAKER_STATE_COUNT);
	return state_names[state];
}

const char *breaker_fault_name(enum breaker_fault fault)
{
	assert((size_t)fault < BREAKER_FAULT_COUNT);
	return fault_names[fault];
}

void breaker_init(struct breaker *b, const struct breaker_config *config)
{
	*b = (struct breaker){.config = *config};
}

/* The first fault stays: what follows from it (a bypass behind a weld) would only hide it. */
static void latch(struct breaker *b, enum breaker_fault fault)
{
	if (b->fault == BREAKER_SOUND)
		b->fault = fault;
}

static bool had_its_time(const struct breaker *b, int64_t now_ms)
{
	return now_ms - b->commanded_at_ms >= b->config.actuation_ms;
}

static enum breaker_state judge_closing(struct breaker *b, int64_t now_ms)
{
	if (b->contact_known && b->contact) {
		b->was_closed = true;
		return BREAKER_CLOSED;
	}
	if (b->contact_known && b->was_closed) {
		latch(b, BREAKER_TRIPPED);
		return b->current_readings > 0 ? BREAKER_CLOSED : BREAKER_OPEN;
	}
	if (!had_its_time(b, now_ms))
		return BREAKER_CLOSING;
	if (b->config.contact_fitted) {
		latch(b, BREAKER_WILL_NOT_CLOSE);
		return b->current_readings > 0 ? BREAKER_CLOSED : BREAKER_OPEN;
	}
	return b->current_readings > 0 ? BREAKER_CLOSED : BREAKER_PRESUMED_CLOSED;
}

static enum breaker_state judge_opening(struct breaker *b, int64_t now_ms)
{
	bool contact_closed = b->contact_known && b->contact;
	if (had_its_time(b, now_ms) && (contact_closed || b->current_readings >= CURRENT_PROVES_WELDED)) {
		latch(b, BREAKER_WELDED);
		return BREAKER_CLOSED;
	}
	if (b->current_readings > 0)
		return BREAKER_OPENING; /* the next reading tells */
	if (b->contact_known && !b->contact)
		return BREAKER_OPEN;
	if (!had_its_time(b, now_ms) || b->config.contact_fitted)
		return BREAKER_OPENING;
	return BREAKER_PRESUMED_OPEN;
}

/* Nothing commanded yet: what is seen. Zero current proves nothing. */
static enum breaker_state judge_uncommanded(const struct breaker *b)
{
	if (b->current_readings > 0 || (b->contact_known && b->contact))
		return BREAKER_CLOSED;
	return b->contact_known ? BREAKER_OPEN : b->state;
}

static void judge(struct breaker *b, int64_t now_ms)
{
	if (!b->command_given)
		b->state = judge_uncommanded(b);
	else
		b->state = b->commanded ? judge_closing(b, now_ms) : judge_opening(b, now_ms);
	if (!breaker_is_open(b))
		b->settled_register_known = false;
}

void breaker_on_command(struct breaker *b, bool closed, int64_t now_ms)
{
	if (b->command_given && b->commanded == closed)
		return; /* repeating a command starts no new actuation time */
	b->command_given = true;
	b->commanded = closed;
	b->commanded_at_ms = now_ms;
	b->was_closed = false;
	b->current_readings = 0;
	judge(b, now_ms);
}

void breaker_on_contact(struct breaker *b, bool closed, int64_t now_ms)
{
	if (!b->config.contact_fitted)
		return;
	if (b->commanded && b->contact && !closed)
		b->current_readings = 0; /* measured before the contact opened */
	b->contact_known = true;
	b->contact = closed;
	judge(b, now_ms);
}

void breaker_on_reading(struct breaker *b, int64_t current_ma, int64_t register_mwh, int64_t reading_ms)
{
	if (current_ma < b->config.current_threshold_ma)
		b->current_readings = 0;
	else if ((!b->command_given || had_its_time(b, reading_ms)) && b->current_readings < CURRENT_PROVES_WELDED)
		b->current_readings++;
	judge(b, reading_ms);
	if (!breaker_is_open(b) || !had_its_time(b, reading_ms))
		return;
	if (!b->settled_register_known) {
		b->settled_register_known = true;
		b->settled_register_mwh = register_mwh;
	} else if (register_mwh - b->settled_register_mwh > b->config.step_mwh) {
		latch(b, BREAKER_BYPASSED);
	}
}

void breaker_on_tick(struct breaker *b, int64_t now_ms)
{
	judge(b, now_ms);
}

int64_t breaker_deadline(const struct breaker *b)
{
	if (b->state != BREAKER_OPENING && b->state != BREAKER_CLOSING)
		return MOMENT_NEVER;
	if (b->state == BREAKER_OPENING && b->current_readings > 0)
		return MOMENT_NEVER; /* a reading is awaited */
	/* With a contact fitted whose level was never told, the deadline has passed and only an input can help. */
	if (b->state == BREAKER_OPENING && b->config.contact_fitted && !b->contact_known)
		return MOMENT_NEVER;
	return b->commanded_at_ms + b->config.actuation_ms;
}

bool breaker_is_open(const struct breaker *b)
{
	return b->state == BREAKER_OPEN || b->state == BREAKER_PRESUMED_OPEN;
}

bool breaker_is_closed(const struct breaker *b)
{
	return b->state == BREAKER_CLOSED || b->state == BREAKER_PRESUMED_CLOSED;
}

bool breaker_clear(struct breaker *b, int64_t now_ms)
{
	if (b->commanded)
		return false; /* nothing is cleared under a closing command: clearing never closes a breaker */
	enum breaker_fault before = b->fault;
	b->fault = BREAKER_SOUND;
	b->settled_register_known = false;
	judge(b, now_ms);
	if (b->fault == BREAKER_SOUND)
		return true;
	b->fault = before;
	return false;
}
