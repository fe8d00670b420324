/* src/daemon/daemon.c: see daemon.h: the loop, and the heart's ports.
 *
 * Everything is put together in daemon_run() and taken down in reverse. */
#include "daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>

#include "control_server.h"
#include "power_boot.h"
#include "uplink_shell.h"

#define SHUT_DOWN_MS INT64_C(5000) /* how long a disk may take to note the pauses */
#define REQUESTS_MAX 4 /* of the heart to the link behind one event; the rest has its turn behind the next */
#define PREFER_MS INT64_C(60000) /* an outlet this near to the end of its credit is read every other turn */
#define TIMER_ACCURACY_US 1000
#define US_PER_MS UINT64_C(1000)

/* What opens a breaker comes before everything else. */
enum {
	PRIORITY_PINS = -100,
	PRIORITY_BUS = -50,
	PRIORITY_TIMER = -40,
	PRIORITY_LEDGER = -30,
};

/* --- the heart's ports --- */

/* Nothing can be driven or seen any more: a new process finds the box as it is. */
static int lose_pins(struct daemon *d, int result)
{
	log_line(LOG_LEVEL_ERROR,
		 "pins_lost",
		 "error=%s action=%s",
		 log_text(strerror(-result)).text,
		 log_text("ending, so that a new process finds the box as it is").text);
	return sd_event_exit(d->event, EXIT_FAILURE);
}

static void port_breaker(void *ctx, unsigned outlet, bool close)
{
	struct daemon *d = ctx;
	int result = pins_breaker(d->pins, outlet, close);
	if (result < 0)
		log_line(LOG_LEVEL_ERROR,
			 "breaker_failed",
			 "outlet=%u wanted=%s error=%s",
			 outlet + 1,
			 close ? "closed" : "open",
			 log_text(strerror(-result)).text);
	if (result < 0 && (!close || result == -ENODEV)) /* one that does not open is tried again by a new process */
		lose_pins(d, result);
	if (result == 0)
		log_line(LOG_LEVEL_DEBUG, "breaker", "outlet=%u wanted=%s", outlet + 1, close ? "closed" : "open");
}

static void port_pulse(void *ctx, int outlet, int64_t pulse_ms)
{
	struct daemon *d = ctx;
	int result = pins_pulse(d->pins, outlet, pulse_ms);
	log_line(result < 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
		 result < 0 ? "pulse_failed" : "pulse",
		 "lock=%d ms=%" PRId64 " error=%s",
		 outlet + 1,
		 pulse_ms,
		 log_text(result < 0 ? strerror(-result) : "").text);
}

static void log_record(const struct record *r)
{
	enum log_level level = r->kind == RECORD_FAULT || r->kind == RECORD_ALARM ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO;
	char detail[3 * LOG_TEXT_SIZE] = "";
	if (r->kind == RECORD_ENDED)
		snprintf(detail,
			 sizeof detail,
			 " reason=%s energy_mwh=%" PRId64 " amount_micros=%" PRId64,
			 word_name(&end_reason_words, r->u.ended.reason),
			 r->u.ended.energy_mwh,
			 r->u.ended.amount_micros);
	else if (r->kind == RECORD_FAULT)
		snprintf(detail, sizeof detail, " fault=%s", word_name(&outlet_fault_words, r->u.fault.fault));
	else if (r->kind == RECORD_ALARM)
		snprintf(detail,
			 sizeof detail,
			 " alarm=%s detail=%s",
			 word_name(&alarm_words, r->u.alarm.alarm),
			 log_text(r->u.alarm.detail).text);
	else if (r->kind == RECORD_COMMAND)
		snprintf(detail,
			 sizeof detail,
			 " command=%s outcome=%s by=%s detail=%s",
			 word_name(&command_type_words, r->u.command.type),
			 word_name(&command_outcome_words, r->u.command.outcome),
			 log_text(r->u.command.name).text,
			 log_text(r->u.command.detail).text);
	else if (r->kind == RECORD_PAUSED)
		snprintf(detail, sizeof detail, " reason=%s", word_name(&end_reason_words, r->u.paused.reason));
	log_line(level,
		 word_name(&record_kind_words, r->kind),
		 "seq=%" PRIu64 " outlet=%d order=%s register_mwh=%" PRId64 "%s",
		 r->seq,
		 r->outlet + 1,
		 log_text(r->order).text,
		 r->has_register ? r->register_mwh : -1,
		 detail);
}

static void note_result(struct daemon_result *result, const struct record *r)
{
	if (result->id[0] == '\0' || r->kind != RECORD_COMMAND || strcmp(r->u.command.id, result->id) != 0)
		return;
	result->found = true;
	result->outcome = r->u.command.outcome;
	memcpy(result->detail, r->u.command.detail, sizeof result->detail);
	result->seq = r->seq;
}

static void port_append(void *ctx, const struct record *records, size_t count)
{
	struct daemon *d = ctx;
	for (size_t i = 0; i < count; i++) {
		log_record(&records[i]);
		note_result(&d->result, &records[i]);
	}
	ledger_thread_append(d->ledger, records, count);
}

static uint64_t port_random(void *ctx)
{
	(void)ctx;
	uint64_t value = 0;
	if (getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value)
		value = (uint64_t)monotonic_now_ms(); /* before the kernel's pool is filled: it is for jitter only */
	return value;
}

/* --- after each event --- */

static void arm(struct daemon *d)
{
	int64_t next_ms = d->box == NULL || d->stopping ? MOMENT_NEVER : box_next_deadline(d->box);
	if (next_ms == MOMENT_NEVER) {
		sd_event_source_set_enabled(d->timer, SD_EVENT_OFF);
		return;
	}
	int64_t soonest_ms = monotonic_now_ms() + 1; /* whatever the heart wants, others have their turn in between */
	next_ms = next_ms > soonest_ms ? next_ms : soonest_ms;
	sd_event_source_set_time(d->timer, (uint64_t)next_ms * US_PER_MS);
	sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT);
}

/* Outlets near their end get the bus first. */
static void prefer(struct daemon *d)
{
	uint32_t wanted[CONFIG_BUSES_MAX] = {0};
	struct moment now = wall_clock_now(&d->clock);
	for (unsigned i = 0; i < d->config.box.outlet_count; i++) {
		struct progress p;
		box_progress(d->box, i, &p, now);
		if (p.state == OUTLET_SUPPLYING && p.remaining_ms >= 0 && p.remaining_ms < PREFER_MS)
			wanted[d->config.meters[i].bus] |= UINT32_C(1) << d->config.meters[i].index;
	}
	for (unsigned i = 0; i < d->config.bus_count; i++) {
		if (wanted[i] != d->buses[i].preferred)
			bus_prefer(d->buses[i].bus, wanted[i]);
		d->buses[i].preferred = wanted[i];
	}
}

static bool heart_beats(const struct daemon *d)
{
	return d->box != NULL && !d->stopping;
}

static void pump_uplink(struct daemon *d)
{
	struct uplink_request request;
	for (unsigned i = 0; i < REQUESTS_MAX; i++) {
		if (!box_uplink_next(d->box, &request, wall_clock_now(&d->clock)))
			return;
		uplink_shell_do(d->uplink, &request);
	}
}

void daemon_after(struct daemon *d)
{
	d->changes++;
	if (d->box != NULL)
		prefer(d);
	if (heart_beats(d) && d->uplink != NULL)
		pump_uplink(d);
	arm(d);
}

/* --- events --- */

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *d = userdata;
	(void)source;
	(void)usec;
	if (heart_beats(d))
		box_on_deadline(d->box, wall_clock_now(&d->clock));
	daemon_after(d);
	return 0;
}

static void tell_input(struct daemon *d, enum pin_input input, unsigned outlet)
{
	static const enum box_input inputs[] = {
		[PIN_INPUT_METERING_DOOR] = INPUT_METERING_DOOR,
		[PIN_INPUT_USER_DOOR] = INPUT_USER_DOOR,
		[PIN_INPUT_CONTACT] = INPUT_CONTACT,
	};
	box_on_input(d->box, inputs[input], outlet, d->level[input][outlet], wall_clock_now(&d->clock));
}

/* Takes every change of the inputs. 0, or negative errno when the lines are lost. */
static int take_inputs(struct daemon *d)
{
	struct pin_event e;
	int got;
	while ((got = pins_next(d->pins, &e)) == 1) {
		d->level_known[e.input][e.outlet] = true;
		d->level[e.input][e.outlet] = e.level;
		if (heart_beats(d))
			tell_input(d, e.input, e.outlet);
	}
	return got;
}

static int on_pins(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *d = userdata;
	(void)fd;
	(void)events;
	int result = take_inputs(d);
	daemon_after(d);
	if (result == 0)
		return 0;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	return lose_pins(d, result);
}

static void take_reading(struct daemon *d, unsigned outlet, const struct meter_reading *reading)
{
	struct daemon_meter *m = &d->meters[outlet];
	m->read = true;
	m->silent = false;
	m->reading = *reading;
	if (reading->clock_ms != 0)
		wall_clock_meter(&d->clock, reading->clock_ms, reading->mono_ms);
	if (heart_beats(d))
		box_on_reading(d->box, outlet, reading, wall_clock_now(&d->clock));
}

static void port_changed(struct daemon *d, struct daemon_bus *b, const struct bus_message *m)
{
	const struct bus_config *config = &d->config.buses[b->index];
	b->open = m->event == BUS_PORT_OPENED;
	b->error = b->open ? 0 : m->error;
	log_line(b->open ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
		 b->open ? "port_opened" : "port_lost",
		 "bus=%s device=%s error=%s",
		 log_text(config->name).text,
		 log_text(config->device).text,
		 log_text(b->open ? "" : strerror(-m->error)).text);
}

static void take_message(struct daemon *d, struct daemon_bus *b, const struct bus_message *m)
{
	unsigned outlet = b->outlets[m->meter];
	const char *name = d->config.meters[outlet].name;
	switch (m->event) {
	case BUS_PORT_OPENED:
	case BUS_PORT_LOST:
		port_changed(d, b, m);
		break;
	case BUS_READING:
		if (d->meters[outlet].silent)
			log_line(LOG_LEVEL_INFO, "meter_answers", "meter=%s", log_text(name).text);
		take_reading(d, outlet, &m->reading);
		break;
	case BUS_STATE:
		d->meters[outlet].state = m->state;
		break;
	case BUS_METER_SILENT:
		d->meters[outlet].state = m->state;
		d->meters[outlet].silent = true;
		log_line(LOG_LEVEL_WARNING,
			 "meter_silent",
			 "meter=%s outlet=%u last=%s",
			 log_text(name).text,
			 outlet + 1,
			 meter_outcome_name(m->state.last));
		break;
	case BUS_FOREIGN:
		b->foreign_ms = monotonic_now_ms();
		log_line(LOG_LEVEL_WARNING, "foreign_master", "bus=%s", log_text(d->config.buses[b->index].name).text);
		break;
	}
}

static int on_bus(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon_bus *b = userdata;
	struct bus_message m;
	(void)source;
	(void)fd;
	(void)events;
	while (bus_next(b->bus, &m))
		take_message(b->daemon, b, &m);
	daemon_after(b->daemon);
	return 0;
}

/* --- the ledger, and the heart's beginning --- */

static void begin_heart(struct daemon *d)
{
	const struct ledger_start *start = ledger_thread_start_image(d->ledger);
	struct box_ports ports = {
		.ctx = d, .breaker = port_breaker, .pulse = port_pulse, .append = port_append, .random = port_random};
	for (unsigned i = 0; i < OUTLETS_MAX; i++)
		if (start->image.outlets[i].at.quality == TIME_SYNCHRONISED)
			wall_clock_floor(&d->clock, start->image.outlets[i].at.wall_ms);
	d->config.box.ledger_set_aside = start->set_aside;
	d->config.box.power_boot = power_boot(d->config.control_socket, start->id, start->image.boot + 1);
	d->box = malloc(box_size());
	if (d->box == NULL) {
		sd_event_exit(d->event, EXIT_FAILURE);
		return;
	}
	struct moment now = wall_clock_now(&d->clock);
	box_init(d->box, &d->config.box, &ports, &start->image, start->id, start->accepted, now);
	for (unsigned input = 0; input < 3; input++)
		for (unsigned i = 0; i < OUTLETS_MAX; i++)
			if (d->level_known[input][i])
				tell_input(d, (enum pin_input)input, i);
	sd_notify(0, "STATUS=The box decides.");
}

/* Without a ledger nobody decides: a latching breaker that is still closed from before would stay so. */
static void open_all(struct daemon *d)
{
	for (unsigned i = 0; i < d->config.box.outlet_count; i++)
		port_breaker(d, i, false);
}

static void take_news(struct daemon *d)
{
	struct ledger_news before = d->news;
	ledger_thread_news(d->ledger, &d->news);
	bool open = d->news.state == LEDGER_OPEN;
	if (d->box == NULL && d->news.tried && !open)
		open_all(d);
	if (!open && strcmp(before.error, d->news.error) != 0)
		log_line(LOG_LEVEL_ERROR, "ledger", "error=%s", log_text(d->news.error).text);
	if (d->news.state == LEDGER_DAMAGED) {
		sd_event_exit(d->event, EXIT_FAILURE);
		return;
	}
	if (open && d->box == NULL && !d->stopping)
		begin_heart(d);
	if (d->box == NULL)
		return;
	/* While stopping the heart hears of the disk only: nothing of it closes a breaker. */
	if (d->news.state != before.state)
		box_on_storage(d->box, !open, wall_clock_now(&d->clock));
	if (d->news.durable_seq != before.durable_seq)
		box_on_durable(d->box, d->news.durable_seq, wall_clock_now(&d->clock));
}

static void take_pages(struct daemon *d)
{
	struct ledger_page *page;
	while ((page = ledger_thread_page(d->ledger)) != NULL) {
		if (page->asker == LEDGER_FOR_CONTROL && d->control != NULL)
			control_server_on_page(d->control, page);
		if (page->asker == LEDGER_FOR_UPLINK && d->uplink != NULL)
			uplink_shell_on_page(d->uplink, page);
		ledger_page_free(page);
	}
}

static bool all_is_durable(const struct daemon *d)
{
	return d->box == NULL || d->news.durable_seq >= box_image(d->box)->seq;
}

static int on_ledger(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct daemon *d = userdata;
	(void)source;
	(void)fd;
	(void)events;
	take_news(d);
	if (d->control != NULL)
		control_server_on_ledger(d->control);
	take_pages(d);
	if (d->stopping && all_is_durable(d))
		return sd_event_exit(d->event, EXIT_SUCCESS);
	daemon_after(d);
	return 0;
}

/* --- commands of the control socket --- */

bool daemon_command(struct daemon *d, const struct command *command, struct daemon_result *result)
{
	struct command_origin origin = {.verified = true, .local = true};
	if (!heart_beats(d))
		return false;
	d->result = (struct daemon_result){0};
	memcpy(d->result.id, command->id, sizeof d->result.id);
	(void)box_on_command(d->box, command, &origin, wall_clock_now(&d->clock)); /* without room: no result */
	*result = d->result;
	d->result.id[0] = '\0';
	daemon_after(d);
	return result->found;
}

/* --- the link --- */

void daemon_uplink_event(struct daemon *d, const struct uplink_event *event)
{
	if (heart_beats(d))
		box_on_uplink(d->box, event, wall_clock_now(&d->clock));
}

bool daemon_server_command(struct daemon *d, const struct command *command, const struct command_origin *origin)
{
	return heart_beats(d) && box_on_command(d->box, command, origin, wall_clock_now(&d->clock));
}

/* --- signals --- */

static int on_shut_down_late(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct daemon *d = userdata;
	(void)source;
	(void)usec;
	log_line(LOG_LEVEL_ERROR,
		 "shut_down_late",
		 "error=%s",
		 log_text("the disk does not take the last records").text);
	return sd_event_exit(d->event, EXIT_FAILURE);
}

static int on_stop_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct daemon *d = userdata;
	(void)source;
	if (d->stopping)
		return 0;
	log_line(LOG_LEVEL_INFO, "stopping", "signal=%u", info->ssi_signo);
	sd_notify(0, "STOPPING=1");
	control_server_stop(d->control); /* ends the service sessions of its terminals */
	d->control = NULL;
	uplink_shell_stop(d->uplink); /* what is durable then is sent by the next process */
	d->uplink = NULL;
	if (d->box != NULL)
		box_shut_down(d->box, wall_clock_now(&d->clock));
	d->stopping = true;
	arm(d);
	if (all_is_durable(d))
		return sd_event_exit(d->event, EXIT_SUCCESS);
	return sd_event_add_time_relative(
		d->event, NULL, CLOCK_MONOTONIC, SHUT_DOWN_MS * US_PER_MS, 0, on_shut_down_late, d);
}

static void reload(struct daemon *d)
{
	static struct config wanted; /* too large for the stack */
	struct config_error error;
	if (config_load(d->config.path, &wanted, &error) < 0) {
		log_line(LOG_LEVEL_ERROR,
			 "reload_refused",
			 "error=%s action=%s",
			 log_text(error.text).text,
			 log_text("going on with the configuration as it was").text);
		return;
	}
	const char *difference = config_needs_restart(&d->config, &wanted);
	if (difference != NULL)
		log_line(LOG_LEVEL_WARNING,
			 "reload_partial",
			 "key=%s action=%s",
			 log_text(difference).text,
			 log_text("this and the times of [limits], which were checked with it, wait for a restart")
				 .text);
	d->config.log_level = wanted.log_level;
	d->config.local_sessions = wanted.local_sessions;
	d->config.trust_system_clock = wanted.trust_system_clock;
	d->clock.trust_system = wanted.trust_system_clock;
	d->clock.checked_ms = INT64_MIN;
	log_set_level(wanted.log_level);
	if (d->uplink != NULL)
		uplink_shell_reload(d->uplink);
	if (difference == NULL && heart_beats(d))
		box_reconfigure(d->box, &wanted.box, wall_clock_now(&d->clock));
	log_line(LOG_LEVEL_INFO, "reloaded", "file=%s", log_text(d->config.path).text);
}

static int on_reload_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct daemon *d = userdata;
	(void)source;
	(void)info;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, (uint64_t)monotonic_now_ms() * US_PER_MS);
	reload(d);
	sd_notify(0, "READY=1");
	daemon_after(d);
	return 0;
}

/* --- putting together and taking down --- */

static int fail(const char *what, int result)
{
	log_line(LOG_LEVEL_ERROR,
		 "start_failed",
		 "what=%s error=%s",
		 log_text(what).text,
		 log_text(strerror(-result)).text);
	return result;
}

static int watch(struct daemon *d, int fd, sd_event_io_handler_t handler, void *userdata, int64_t priority)
{
	sd_event_source *source;
	int result = sd_event_add_io(d->event, &source, fd, EPOLLIN, handler, userdata);
	if (result < 0)
		return result;
	sd_event_source_set_floating(source, true);
	sd_event_source_unref(source);
	return sd_event_source_set_priority(source, priority);
}

static int start_loop(struct daemon *d)
{
	int result;
	if ((result = sd_event_new(&d->event)) < 0 ||
	    (result = sd_event_add_signal(d->event, NULL, SIGTERM, on_stop_signal, d)) < 0 ||
	    (result = sd_event_add_signal(d->event, NULL, SIGINT, on_stop_signal, d)) < 0 ||
	    (result = sd_event_add_signal(d->event, NULL, SIGHUP, on_reload_signal, d)) < 0 ||
	    (result = sd_event_add_time(
		     d->event, &d->timer, CLOCK_MONOTONIC, UINT64_MAX, TIMER_ACCURACY_US, on_timer, d)) < 0 ||
	    (result = sd_event_source_set_priority(d->timer, PRIORITY_TIMER)) < 0 ||
	    (result = sd_event_source_set_enabled(d->timer, SD_EVENT_OFF)) < 0 ||
	    (result = sd_event_set_watchdog(d->event, true)) < 0)
		return fail("event loop", result);
	return 0;
}

static int start_pins(struct daemon *d)
{
	struct pins_error error;
	int result = pins_open(&d->config.pins, &d->pins, &error);
	if (result < 0) {
		log_line(LOG_LEVEL_ERROR, "start_failed", "what=pins error=%s", log_text(error.text).text);
		return result;
	}
	result = take_inputs(d);
	return result < 0 ? fail("pins", result) : watch(d, pins_fd(d->pins), on_pins, d, PRIORITY_PINS);
}

static int start_buses(struct daemon *d)
{
	for (unsigned i = 0; i < d->config.box.outlet_count; i++) {
		const struct config_meter *m = &d->config.meters[i];
		d->buses[m->bus].outlets[m->index] = i;
	}
	for (unsigned i = 0; i < d->config.bus_count; i++) {
		struct daemon_bus *b = &d->buses[i];
		b->daemon = d;
		b->index = i;
		b->error = -ENODEV;
		b->foreign_ms = INT64_MIN;
		int result = bus_start(&d->config.buses[i], &b->bus);
		if (result == 0)
			result = watch(d, bus_fd(b->bus), on_bus, b, PRIORITY_BUS);
		if (result < 0)
			return fail(d->config.buses[i].name, result);
	}
	return 0;
}

static int start_ledger(struct daemon *d)
{
	int result = ledger_thread_start(d->config.state_dir, &d->ledger);
	if (result == 0)
		result = watch(d, ledger_thread_fd(d->ledger), on_ledger, d, PRIORITY_LEDGER);
	return result < 0 ? fail("ledger", result) : 0;
}

/* A box without a server has no link. */
static int start_uplink(struct daemon *d)
{
	return d->config.server.url[0] == '\0' ? 0 : uplink_shell_start(d, &d->uplink);
}

/* In reverse, but for the pins. */
static void take_down(struct daemon *d)
{
	control_server_stop(d->control);
	pins_close(d->pins); /* before anything that may wait: nobody decides any more, so every breaker opens */
	uplink_shell_stop(d->uplink);
	ledger_thread_stop(d->ledger);
	for (unsigned i = 0; i < d->config.bus_count; i++)
		bus_stop(d->buses[i].bus);
	sd_event_source_unref(d->timer);
	sd_event_unref(d->event);
	free(d->box);
	free(d);
}

int daemon_run(const struct config *config)
{
	struct daemon *d = calloc(1, sizeof *d);
	if (d == NULL) {
		fail("memory", -ENOMEM);
		return EXIT_FAILURE;
	}
	d->config = *config;
	d->started_ms = monotonic_now_ms();
	wall_clock_init(&d->clock, config->trust_system_clock);
	log_set_level(config->log_level);
	int code = EXIT_FAILURE;
	/* The socket before the ledger's thread: the umask of its making is the whole process's. */
	if (start_loop(d) == 0 && start_pins(d) == 0 && start_buses(d) == 0 &&
	    control_server_start(d, &d->control) == 0 && start_ledger(d) == 0 && start_uplink(d) == 0) {
		log_line(LOG_LEVEL_INFO,
			 "started",
			 "box=%s version=%s outlets=%u",
			 log_text(config->box.box).text,
			 config->box.version,
			 config->box.outlet_count);
		sd_notify(0, "READY=1\nSTATUS=Waiting for the ledger.");
		code = sd_event_loop(d->event);
		if (code < 0) {
			fail("event loop", code);
			code = EXIT_FAILURE;
		}
	}
	take_down(d);
	log_line(LOG_LEVEL_INFO, "stopped", "code=%d", code);
	return code;
}
