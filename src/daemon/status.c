/* src/daemon/status.c: the box as it is, as the control protocol's status line (src/control/control.h).
 *
 * Room: src/daemon. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "uplink_shell.h"

#define FOREIGN_MS INT64_C(120000) /* a foreign master is told for so long after its last frame */

/* Numbers stay exact: what the heart holds is below 2^53. False when memory is short, as for every function here. */
static bool add_number(cJSON *o, const char *name, int64_t value)
{
	return cJSON_AddNumberToObject(o, name, (double)value) != NULL;
}

static bool add_text(cJSON *o, const char *name, const char *value)
{
	return cJSON_AddStringToObject(o, name, value) != NULL;
}

static bool add_bool(cJSON *o, const char *name, bool value)
{
	return cJSON_AddBoolToObject(o, name, value) != NULL;
}

static bool add_time(cJSON *o, const char *name, int64_t wall_ms)
{
	char text[40];
	struct tm tm;
	time_t seconds = (time_t)(wall_ms / 1000);
	if (gmtime_r(&seconds, &tm) == NULL)
		return true; /* no time that can be written: left out */
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return add_text(o, name, text);
}

/* Adds a text that is JSON itself, and frees it. */
static bool add_json(cJSON *o, const char *name, char *text)
{
	cJSON *item = text == NULL ? NULL : cJSON_Parse(text);
	free(text);
	if (item != NULL && cJSON_AddItemToObject(o, name, item))
		return true;
	cJSON_Delete(item);
	return false;
}

static const char *switch_name(bool fitted, bool known, bool closed)
{
	if (!fitted)
		return "not fitted";
	return !known ? "unknown" : closed ? "closed" : "open";
}

static bool add_ledger(cJSON *root, const struct daemon *d)
{
	static const char *const names[] = {
		[LEDGER_UNAVAILABLE] = "unavailable",
		[LEDGER_OPEN] = "open",
		[LEDGER_FAILING] = "failing",
		[LEDGER_DAMAGED] = "unavailable",
	};
	cJSON *o = cJSON_AddObjectToObject(root, "ledger");
	bool done = o != NULL && add_text(o, "state", names[d->news.state]);
	if (done && d->news.error[0] != '\0')
		done = add_text(o, "error", d->news.error);
	if (!done || d->box == NULL)
		return done;
	return add_text(o, "id", ledger_thread_start_image(d->ledger)->id) &&
	       add_number(o, "last_seq", (int64_t)box_image(d->box)->seq) &&
	       add_number(o, "durable_seq", (int64_t)d->news.durable_seq) &&
	       add_number(o, "accepted_seq", (int64_t)d->news.accepted_seq);
}

static bool add_session(cJSON *o, const struct session_image *session)
{
	if (session->phase == PHASE_NONE)
		return true;
	cJSON *s = cJSON_AddObjectToObject(o, "session");
	return s != NULL && add_text(s, "order", session->grant.order) &&
	       add_text(s, "account", session->grant.account) &&
	       add_text(s, "kind", word_name(&session_kind_words, session->grant.kind)) &&
	       add_text(s, "phase", word_name(&session_phase_words, session->phase));
}

static bool add_status_words(cJSON *o, const struct meter_state *state)
{
	cJSON *words = cJSON_AddArrayToObject(o, "status");
	for (unsigned w = 0; words != NULL && w < METER_STATUS_WORDS; w++) {
		if ((state->known & UINT32_C(1) << (METER_STATUS_1 + w)) == 0)
			continue;
		char bits[8];
		snprintf(bits, sizeof bits, "0x%04x", state->status[w]);
		cJSON *word = cJSON_CreateObject();
		if (!cJSON_AddItemToArray(words, word) || !add_number(word, "word", w + 1) ||
		    !add_text(word, "bits", bits))
			return false;
		cJSON *texts = cJSON_AddArrayToObject(word, "text");
		for (unsigned b = 0; texts != NULL && b < 16; b++) {
			const char *text = meter_status_text(w + 1, b);
			if ((state->status[w] >> b & 1) != 0 && text != NULL)
				cJSON_AddItemToArray(texts, cJSON_CreateString(text));
		}
	}
	return words != NULL;
}

static bool add_meter_values(cJSON *o, const struct daemon_meter *m, int64_t now_ms)
{
	const struct meter_state *s = &m->state;
	bool done = add_number(o, "age_ms", m->read ? now_ms - m->reading.mono_ms : -1);
	if (m->read)
		done = done && add_text(o, "serial", m->reading.serial) &&
		       add_number(o, "register_mwh", m->reading.register_mwh) &&
		       add_number(o, "power_mw", m->reading.power_mw) &&
		       add_number(o, "current_ma", m->reading.current_ma);
	cJSON *volts = cJSON_AddArrayToObject(o, "voltage_mv");
	for (unsigned i = 0; volts != NULL && i < METER_PHASES; i++)
		if (s->known & UINT32_C(1) << (METER_VOLTAGE_A + i))
			cJSON_AddItemToArray(volts, cJSON_CreateNumber((double)s->voltage_mv[i]));
	if (s->known & UINT32_C(1) << METER_FREQUENCY)
		done = done && add_number(o, "frequency_mhz", s->frequency_mhz);
	if (s->known & UINT32_C(1) << METER_TIME)
		done = done && add_time(o, "clock", s->clock_ms + (now_ms - s->clock_read_ms));
	return done && volts != NULL && add_status_words(o, s);
}

static bool add_meter(cJSON *o, const struct daemon *d, unsigned outlet, int64_t now_ms)
{
	const struct config_meter *config = &d->config.meters[outlet];
	const struct bus_config *bus = &d->config.buses[config->bus];
	const struct bus_meter *meter = &bus->meters[config->index];
	const struct daemon_meter *m = &d->meters[outlet];
	cJSON *j = cJSON_AddObjectToObject(o, "meter");
	return j != NULL && add_text(j, "name", config->name) && add_text(j, "bus", bus->name) &&
	       add_text(j, "protocol", meter_protocol_name(meter->model.protocol)) &&
	       add_text(j, "model", meter->model.name) && add_text(j, "address", meter->address) &&
	       add_bool(j, "silent", m->silent) && add_text(j, "outcome", meter_outcome_name(m->state.last)) &&
	       add_number(j, "asked", (int64_t)m->state.asked) &&
	       add_number(j, "answered", (int64_t)m->state.answered) && add_meter_values(j, m, now_ms);
}

static bool add_heart(cJSON *o, const struct daemon *d, unsigned i, struct moment now)
{
	const struct outlet_config *config = &d->config.box.outlets[i];
	const struct outlet_image *image = &box_image(d->box)->outlets[i];
	struct progress progress;
	struct outlet_view view;
	box_progress(d->box, i, &progress, now);
	box_view(d->box, i, &view);
	return add_json(o, "progress", wire_write_progress(&progress)) &&
	       add_text(o, "fault", word_name(&outlet_fault_words, image->fault)) &&
	       add_bool(o, "out_of_service", image->out_of_service) &&
	       add_text(o, "reserved_for", image->reserved_for) && add_session(o, &image->session) &&
	       add_text(o, "breaker", breaker_state_name(view.breaker)) &&
	       add_text(o,
			"contact",
			switch_name(config->breaker.contact_fitted, view.contact_known, view.contact_closed)) &&
	       add_text(o, "door", switch_name(config->door_fitted, view.door_known, view.door_closed));
}

static bool add_outlets(cJSON *root, const struct daemon *d, struct moment now)
{
	cJSON *list = cJSON_AddArrayToObject(root, "outlets");
	bool done = list != NULL;
	for (unsigned i = 0; done && i < d->config.box.outlet_count; i++) {
		cJSON *o = cJSON_CreateObject();
		done = cJSON_AddItemToArray(list, o) && add_number(o, "outlet", i + 1) &&
		       (d->box == NULL || add_heart(o, d, i, now)) &&
		       add_number(o, "rated_mw", d->config.box.outlets[i].rated_mw) &&
		       add_number(o, "overdraft_bound_mwh", box_overdraft_bound_mwh(&d->config.box, i)) &&
		       add_meter(o, d, i, now.mono_ms);
	}
	return done;
}

static bool add_buses(cJSON *root, const struct daemon *d, int64_t now_ms)
{
	cJSON *list = cJSON_AddArrayToObject(root, "buses");
	bool done = list != NULL;
	for (unsigned i = 0; done && i < d->config.bus_count; i++) {
		const struct daemon_bus *b = &d->buses[i];
		bool foreign = b->foreign_ms != INT64_MIN && now_ms - b->foreign_ms < FOREIGN_MS;
		cJSON *o = cJSON_CreateObject();
		done = cJSON_AddItemToArray(list, o) && add_text(o, "name", d->config.buses[i].name) &&
		       add_text(o, "device", d->config.buses[i].device) &&
		       add_text(o, "state", b->open ? "open" : "lost") &&
		       (b->open || add_text(o, "error", strerror(-b->error))) &&
		       add_number(o, "cycle_ms", bus_cycle_ms(&d->config.buses[i])) && add_bool(o, "foreign", foreign);
	}
	return done;
}

/* Absent on a box without one. */
static bool add_server(cJSON *root, const struct daemon *d, int64_t now_ms)
{
	struct uplink_report report;
	if (d->uplink == NULL)
		return true;
	uplink_shell_report(d->uplink, &report);
	cJSON *o = cJSON_AddObjectToObject(root, "server");
	bool done = o != NULL && add_text(o, "url", d->config.server.url) && add_text(o, "state", report.state) &&
		    add_text(o, "reason", report.reason) && add_text(o, "detail", report.detail) &&
		    add_bool(o, "stream", report.stream);
	if (!done || report.heard_ms == INT64_MIN)
		done = done && cJSON_AddNullToObject(o, "heard_ms_ago") != NULL;
	else
		done = add_number(o, "heard_ms_ago", now_ms - report.heard_ms);
	return done && add_number(o, "accepted_seq", (int64_t)d->news.accepted_seq) &&
	       add_number(o, "waiting", (int64_t)(d->news.durable_seq - d->news.accepted_seq));
}

static const char *metering_door_name(const struct daemon *d)
{
	bool closed = false;
	bool known = d->box != NULL && box_metering_door(d->box, &closed);
	return switch_name(d->config.box.metering_door_fitted, known, closed);
}

char *daemon_status(struct daemon *d)
{
	struct moment now = wall_clock_now(&d->clock);
	cJSON *root = cJSON_CreateObject();
	bool done = root != NULL && add_bool(root, "ok", true) && add_text(root, "box", d->config.box.box) &&
		    add_text(root, "version", d->config.box.version) && add_text(root, "config", d->config.path) &&
		    add_text(root, "state_dir", d->config.state_dir) &&
		    add_number(root, "uptime_ms", now.mono_ms - d->started_ms) &&
		    add_number(root, "mono_ms", now.mono_ms);
	cJSON *clock = done ? cJSON_AddObjectToObject(root, "time") : NULL;
	done = clock != NULL && add_time(clock, "wall", now.wall_ms) &&
	       add_text(clock, "quality", word_name(&time_quality_words, now.quality)) &&
	       add_text(clock, "source", wall_clock_source(&d->clock)) && add_ledger(root, d) &&
	       add_text(root, "metering_door", metering_door_name(d)) && add_server(root, d, now.mono_ms) &&
	       add_bool(root, "local_sessions", d->config.local_sessions) && add_outlets(root, d, now) &&
	       add_buses(root, d, now.mono_ms);
	char *text = done ? cJSON_PrintUnformatted(root) : NULL;
	cJSON_Delete(root);
	return text;
}
