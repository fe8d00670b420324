/* src/box/box.c: the heart's entrances: each takes an event, lets every outlet come to rest, and writes one group.
 *
 * Pure room: src/model and what lies below. */
#include <assert.h>
#include <string.h>

#include "box_internal.h"

/* One alarm about refused records in this time. */
#define REFUSED_REST_MS INT64_C(3600000)

size_t box_size(void)
{
	return sizeof(struct box);
}

void box_config_defaults(struct box_config *config)
{
	*config = (struct box_config){
		.metering_lock_pulse_ms = 500,
		.metering_lock_rest_ms = 5000,
		.metering_grant_ms = 60000,
		.input_settle_ms = 50,
		.reading_age_ms = 500,
		.meter_late_ms = 5000,
		.meter_silent_ms = 60000,
		.settle_ms = 30000,
		.resume_window_ms = 600000,
		.boot_wait_ms = 30000,
		.mark_ms = 300000,
		.service_ms = 60000,
		.uplink = {.heartbeat_ms = 60000,
			   .backoff_min_ms = 1000,
			   .backoff_max_ms = 300000,
			   .post_timeout_ms = 30000,
			   .progress_ms = 2000},
	};
}

int64_t box_overdraft_bound_mwh(const struct box_config *config, unsigned outlet)
{
	const struct outlet_config *o = &config->outlets[outlet];
	return fee_overdraft_bound_mwh(
		o->breaker.step_mwh, o->rated_mw, config->reading_age_ms, o->breaker.actuation_ms);
}

const struct box_image *box_image(const struct box *box)
{
	return &box->image;
}

const struct outlet_config *box_outlet_config(const struct box *box, const struct outlet *o)
{
	return &box->config.outlets[o->index];
}

/* --- records --- */

static bool shows_register(enum record_kind kind)
{
	return kind == RECORD_STARTED || kind == RECORD_PAUSED || kind == RECORD_RESUMED || kind == RECORD_MARK ||
	       kind == RECORD_BOUNDARY || kind == RECORD_STOPPING || kind == RECORD_ENDED;
}

struct record box_record(const struct box *box, enum record_kind kind, int outlet)
{
	struct record r;
	memset(&r, 0, sizeof r);
	r.boot = box->image.boot + (kind == RECORD_BOOT);
	r.at = box->now;
	r.kind = kind;
	r.outlet = outlet;
	if (outlet == RECORD_NO_OUTLET)
		return r;
	const struct outlet *o = &box->outlets[outlet];
	const struct outlet_image *image = &box->image.outlets[outlet];
	if (record_is_of_session(kind))
		memcpy(r.order, image->session.grant.order, sizeof r.order);
	if (shows_register(kind) && o->has_reading && strcmp(o->reading.serial, image->serial) == 0) {
		r.has_register = true;
		r.register_mwh = o->reading.register_mwh;
	}
	return r;
}

void box_write(struct box *box, struct record *record)
{
	assert(box->group_count < BOX_GROUP_MAX);
	record->seq = box->image.seq + 1;
	const char *fault = image_apply(&box->image, record);
	assert(fault == NULL); /* the image is ours and so is the record */
	(void)fault;
	box->group[box->group_count++] = *record;
}

bool box_has_room(const struct box *box)
{
	return box->image.seq - box->durable_seq < RECORDS_ORDINARY_MAX;
}

bool box_takes_commands(const struct box *box)
{
	return box->image.seq - box->durable_seq < RECORDS_COMMANDS_MAX;
}

bool box_storage_is_sound(const struct box *box)
{
	return !box->storage_failing && box_has_room(box);
}

void box_alarm(struct box *box, int outlet, enum alarm alarm, const char *detail)
{
	if (!box_has_room(box))
		return;
	struct record r = box_record(box, RECORD_ALARM, outlet);
	r.u.alarm.alarm = alarm;
	word_copy(r.u.alarm.detail, sizeof r.u.alarm.detail, detail);
	box_write(box, &r);
}

/* --- one event --- */

static void begin(struct box *box, struct moment now)
{
	assert(now.mono_ms >= box->now.mono_ms);
	box->now = now;
}

static void run_metering_box(struct box *box)
{
	const struct debounce *door = &box->metering_door;
	bool open = door->known && !door->stable;
	if (open && box->now.mono_ms <= box->metering_granted_until_ms)
		box->metering_granted = true;
	if (!open && box->metering_granted) {
		box->metering_granted = false;
		box->metering_granted_until_ms = INT64_MIN;
	}
	if (!open)
		box->tamper_told = false;
	if (open && !box->metering_granted) {
		/* Told for itself: behind a graver fault no outlet would show it. */
		if (!box->tamper_told)
			box_alarm(box, RECORD_NO_OUTLET, ALARM_TAMPER, "the metering box was opened without leave");
		box->tamper_told = true;
		for (unsigned i = 0; i < box->config.outlet_count; i++)
			outlet_raise_fault(box, &box->outlets[i], FAULT_TAMPER);
	}
	if (box->metering_pulse_after_seq == 0 || box->durable_seq < box->metering_pulse_after_seq)
		return;
	if (box->now.mono_ms >= box->metering_pulse_until_ms) {
		box->metering_pulse_after_seq = 0;
		return;
	}
	int64_t pulse_ms = lock_pulse(&box->metering_lock, box->now.mono_ms);
	if (pulse_ms == 0)
		return;
	box->metering_pulse_after_seq = 0;
	box->metering_granted_until_ms = box->now.mono_ms + box->config.metering_grant_ms;
	box->ports.pulse(box->ports.ctx, RECORD_NO_OUTLET, pulse_ms);
}

/* A door that moved is somebody who is there. */
static void take_door(struct box *box, bool moved)
{
	if (moved)
		uplink_ping(&box->uplink, box->now.mono_ms);
}

static void tick_machines(struct box *box)
{
	int64_t now = box->now.mono_ms;
	take_door(box, debounce_tick(&box->metering_door, now));
	for (unsigned i = 0; i < box->config.outlet_count; i++) {
		struct outlet *o = &box->outlets[i];
		take_door(box, debounce_tick(&o->door, now));
		debounce_tick(&o->contact, now);
		if (o->contact.known)
			breaker_on_contact(&o->breaker, o->contact.stable, now);
		breaker_on_tick(&o->breaker, now);
	}
}

/* Every event ends here: time passes for all machines, every outlet comes to rest, the group is handed over. */
static void finish(struct box *box)
{
	tick_machines(box);
	run_metering_box(box);
	for (unsigned i = 0; i < box->config.outlet_count; i++)
		outlet_run(box, &box->outlets[i]);
	uplink_on_tick(&box->uplink, box->ports.random(box->ports.ctx), box->now.mono_ms);
	if (box->group_count == 0)
		return;
	size_t count = box->group_count;
	box->group_count = 0;
	box->ports.append(box->ports.ctx, box->group, count);
}

void box_init(struct box *box, const struct box_config *config, const struct box_ports *ports,
	      const struct box_image *image, const char *ledger_id, uint64_t accepted, struct moment now)
{
	assert(config->outlet_count >= 1 && config->outlet_count <= OUTLETS_MAX);
	memset(box, 0, sizeof *box);
	box->config = *config;
	box->ports = *ports;
	box->image = *image;
	box->durable_seq = image->seq;
	box->now = now;
	box->boot_ms = now.mono_ms;
	box->metering_granted_until_ms = INT64_MIN;
	box->rejected_ms = INT64_MIN;
	box->refused_ms = INT64_MIN;
	word_copy(box->ledger, sizeof box->ledger, ledger_id);
	uplink_init(&box->uplink, &config->uplink, accepted, image->seq, now.mono_ms);
	debounce_init(&box->metering_door, config->input_settle_ms);
	lock_init(&box->metering_lock, config->metering_lock_pulse_ms, config->metering_lock_rest_ms, now.mono_ms);
	struct record r = box_record(box, RECORD_BOOT, RECORD_NO_OUTLET);
	word_copy(r.u.boot.version, sizeof r.u.boot.version, config->version);
	box_write(box, &r);
	if (config->ledger_set_aside)
		box_alarm(box, RECORD_NO_OUTLET, ALARM_LEDGER_SET_ASIDE, "a damaged ledger was put aside");
	if (config->insecure_commands)
		box_alarm(box, RECORD_NO_OUTLET, ALARM_INSECURE_COMMANDS, "commands act without a signature");
	for (unsigned i = 0; i < config->outlet_count; i++) {
		box->outlets[i].index = i;
		outlet_init(box, &box->outlets[i]);
	}
	finish(box);
}

void box_reconfigure(struct box *box, const struct box_config *config, struct moment now)
{
	begin(box, now);
	box->config.metering_grant_ms = config->metering_grant_ms;
	box->config.meter_late_ms = config->meter_late_ms;
	box->config.meter_silent_ms = config->meter_silent_ms;
	box->config.settle_ms = config->settle_ms;
	box->config.resume_window_ms = config->resume_window_ms;
	box->config.boot_wait_ms = config->boot_wait_ms;
	box->config.mark_ms = config->mark_ms;
	box->config.service_ms = config->service_ms;
	finish(box);
}

void box_shut_down(struct box *box, struct moment now)
{
	begin(box, now);
	for (unsigned i = 0; i < box->config.outlet_count; i++)
		if (box->outlets[i].state == OUTLET_SUPPLYING)
			supply_interrupted(box, &box->outlets[i]);
	finish(box);
}

void box_on_reading(struct box *box, unsigned outlet, const struct meter_reading *reading, struct moment now)
{
	assert(outlet < box->config.outlet_count);
	begin(box, now);
	outlet_on_reading(box, &box->outlets[outlet], reading);
	finish(box);
}

void box_on_durable(struct box *box, uint64_t seq, struct moment now)
{
	assert(seq <= box->image.seq);
	begin(box, now);
	if (seq > box->durable_seq) {
		box->durable_seq = seq;
		uplink_on_durable(&box->uplink, seq);
	}
	finish(box);
}

void box_on_storage(struct box *box, bool failing, struct moment now)
{
	begin(box, now);
	if (failing && !box->storage_failing)
		box_alarm(box, RECORD_NO_OUTLET, ALARM_STORAGE, "a commit failed");
	box->storage_failing = failing;
	finish(box);
}

void box_on_input(struct box *box, enum box_input input, unsigned outlet, bool level, struct moment now)
{
	assert(input == INPUT_METERING_DOOR || outlet < box->config.outlet_count);
	begin(box, now);
	switch (input) {
	case INPUT_METERING_DOOR:
		take_door(box, debounce_input(&box->metering_door, level, now.mono_ms));
		break;
	case INPUT_USER_DOOR:
		take_door(box, debounce_input(&box->outlets[outlet].door, level, now.mono_ms));
		break;
	case INPUT_CONTACT:
		debounce_input(&box->outlets[outlet].contact, level, now.mono_ms);
		break;
	}
	finish(box);
}

bool box_on_command(struct box *box, const struct command *command, const struct command_origin *origin,
		    struct moment now)
{
	begin(box, now);
	bool taken = box_take_command(box, command, origin);
	finish(box);
	return taken;
}

void box_on_uplink(struct box *box, const struct uplink_event *event, struct moment now)
{
	begin(box, now);
	uplink_on_event(&box->uplink, event, box->ports.random(box->ports.ctx), now.mono_ms);
	bool told = box->refused_ms != INT64_MIN && now.mono_ms - box->refused_ms < REFUSED_REST_MS;
	if (event->type == UPLINK_POSTED && event->refused > 0 && !told) {
		box->refused_ms = now.mono_ms; /* the alarm itself may be what is refused */
		box_alarm(box, RECORD_NO_OUTLET, ALARM_RECORD_REFUSED, "the server refuses a record for good");
	}
	finish(box);
}

void box_on_deadline(struct box *box, struct moment now)
{
	begin(box, now);
	finish(box);
}

int64_t box_next_deadline(const struct box *box)
{
	int64_t next = uplink_deadline(&box->uplink);
	next = moment_earlier(next, debounce_deadline(&box->metering_door));
	if (box->metering_pulse_after_seq != 0 && box->durable_seq >= box->metering_pulse_after_seq)
		next = moment_earlier(next,
				      moment_earlier(lock_ready_at(&box->metering_lock), box->metering_pulse_until_ms));
	for (unsigned i = 0; i < box->config.outlet_count; i++) {
		next = moment_earlier(next, outlet_deadline(box, &box->outlets[i]));
	}
	return next;
}

bool box_uplink_next(struct box *box, struct uplink_request *request, struct moment now)
{
	return uplink_next(&box->uplink, box->image.command_seq, request, now.mono_ms);
}

void box_progress(const struct box *box, unsigned outlet, struct progress *p, struct moment now)
{
	assert(outlet < box->config.outlet_count);
	const struct outlet *o = &box->outlets[outlet];
	const struct session_image *session = &box->image.outlets[outlet].session;
	memset(p, 0, sizeof *p);
	p->outlet = (int)outlet;
	p->at = now;
	p->state = o->state;
	p->missing = outlet_missing(box, o);
	p->has_register = o->has_reading;
	p->reading_age_ms = o->has_reading ? now.mono_ms - o->reading.mono_ms : -1;
	p->remaining_ms = -1;
	if (o->has_reading) {
		p->register_mwh = o->reading.register_mwh;
		p->power_mw = o->reading.power_mw;
	}
	if (session->phase == PHASE_NONE)
		return;
	memcpy(p->order, session->grant.order, sizeof p->order);
	struct fee_energy energy = account_session_energy(box, o);
	p->energy_mwh = fee_energy_total(&energy);
	p->by_rate = session_by_rate(&session->grant, &energy);
	p->energised_ms = supply_energised_ms(box, o, now.mono_ms);
	p->cost_micros = account_session_cost(box, o);
	p->remaining_micros = account_remaining_micros(box, o);
	supply_forecast(box, o, p);
}

void box_view(const struct box *box, unsigned outlet, struct outlet_view *view)
{
	assert(outlet < box->config.outlet_count);
	const struct outlet *o = &box->outlets[outlet];
	*view = (struct outlet_view){
		.state = o->state,
		.breaker = o->breaker.state,
		.door_known = o->door.known,
		.door_closed = o->door.stable,
		.contact_known = o->contact.known,
		.contact_closed = o->contact.stable,
	};
}

bool box_metering_door(const struct box *box, bool *closed)
{
	if (box->metering_door.known)
		*closed = box->metering_door.stable;
	return box->metering_door.known;
}
