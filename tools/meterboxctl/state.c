/* tools/meterboxctl/state.c: see ctl_state.h.
 *
 * Room: meterboxctl; src/wire, cJSON. */
#include "ctl_state.h"

#include <stdio.h>
#include <string.h>

#include "ctl_json.h"
#include "ctl_text.h"
#include "wire.h"

/* Reads field after field; after the first that is wrong the rest is not believed either. */
struct reader {
	bool good;
	struct ctl_state_error *error;
};

static void reject(struct reader *r, const char *name, const char *why)
{
	if (r->good)
		snprintf(r->error->text, sizeof r->error->text, "meterboxd's answer cannot be read: %s: %s", name, why);
	r->good = false;
}

static void need(struct reader *r, bool found, const char *name)
{
	if (!found)
		reject(r, name, "missing or not what it should be");
}

static void take_text(struct reader *r, const cJSON *object, const char *name, char *to, size_t size)
{
	need(r, ctl_json_text(object, name, to, size), name);
}

/* What is not known is absent; what is there must be right. */
static void take_known_text(struct reader *r, const cJSON *object, const char *name, char *to, size_t size)
{
	to[0] = '\0';
	if (cJSON_GetObjectItemCaseSensitive(object, name) != NULL)
		take_text(r, object, name, to, size);
}

static void take_whole(struct reader *r, const cJSON *object, const char *name, int64_t low, int64_t *to)
{
	need(r, ctl_json_whole(object, name, low, CTL_WHOLE_MAX, to), name);
}

/* Returns whether it is known. */
static bool take_known_whole(struct reader *r, const cJSON *object, const char *name, int64_t low, int64_t *to)
{
	*to = -1;
	if (cJSON_GetObjectItemCaseSensitive(object, name) == NULL)
		return false;
	take_whole(r, object, name, low, to);
	return r->good;
}

static unsigned take_word(struct reader *r, const cJSON *object, const char *name, const struct words *words)
{
	char text[CTL_WORD_SIZE] = "";
	unsigned word = 0;
	need(r, ctl_json_text(object, name, text, sizeof text) && word_find(words, text, &word), name);
	return word;
}

static void take_ledger(struct reader *r, const cJSON *answer, struct ctl_ledger_state *ledger)
{
	const cJSON *object = ctl_json_object(answer, "ledger");
	take_text(r, object, "state", ledger->state, sizeof ledger->state);
	take_known_text(r, object, "error", ledger->error, sizeof ledger->error);
	take_known_text(r, object, "id", ledger->id, sizeof ledger->id);
	take_known_whole(r, object, "last_seq", 0, &ledger->last_seq);
	take_known_whole(r, object, "durable_seq", 0, &ledger->durable_seq);
	take_known_whole(r, object, "accepted_seq", 0, &ledger->accepted_seq);
}

static void take_server(struct reader *r, const cJSON *answer, struct ctl_server_state *server)
{
	const cJSON *object = ctl_json_object(answer, "server");
	server->present = object != NULL;
	if (!server->present)
		return;
	take_text(r, object, "url", server->url, sizeof server->url);
	take_text(r, object, "state", server->state, sizeof server->state);
	take_text(r, object, "reason", server->reason, sizeof server->reason);
	take_text(r, object, "detail", server->detail, sizeof server->detail);
	need(r, ctl_json_bool(object, "stream", &server->stream), "stream");
	take_whole(r, object, "waiting", 0, &server->waiting);
	server->heard_ms_ago = -1;
	if (!cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(object, "heard_ms_ago")))
		take_whole(r, object, "heard_ms_ago", 0, &server->heard_ms_ago);
}

static void take_session(struct reader *r, const cJSON *outlet, struct ctl_session_state *session)
{
	const cJSON *object = cJSON_GetObjectItemCaseSensitive(outlet, "session");
	session->present = object != NULL;
	if (!session->present)
		return;
	take_text(r, object, "order", session->order, sizeof session->order);
	take_known_text(r, object, "account", session->account, sizeof session->account);
	take_text(r, object, "kind", session->kind, sizeof session->kind);
	take_text(r, object, "phase", session->phase, sizeof session->phase);
}

static void take_voltages(struct reader *r, const cJSON *meter, struct ctl_meter_state *m)
{
	const cJSON *list = ctl_json_array(meter, "voltage_mv");
	const cJSON *item;
	cJSON_ArrayForEach(item, list)
	{
		bool good = m->voltage_count < METER_PHASES && cJSON_IsNumber(item) && item->valuedouble >= -1 &&
			    item->valuedouble <= (double)CTL_WHOLE_MAX;
		need(r, good, "voltage_mv");
		if (!good)
			return;
		m->voltage_mv[m->voltage_count++] = (int64_t)item->valuedouble;
	}
}

static void take_status_texts(struct reader *r, const cJSON *meter, struct ctl_meter_state *m)
{
	const cJSON *word, *text;
	cJSON_ArrayForEach(word, ctl_json_array(meter, "status"))
	{
		cJSON_ArrayForEach(text, ctl_json_array(word, "text"))
		{
			bool good = m->text_count < CTL_STATUS_TEXTS_MAX && cJSON_IsString(text);
			need(r, good, "status");
			if (!good)
				return;
			ctl_escape(m->texts[m->text_count++], CTL_NAME_SIZE, text->valuestring);
		}
	}
}

static void take_meter(struct reader *r, const cJSON *outlet, struct ctl_meter_state *m)
{
	const cJSON *object = ctl_json_object(outlet, "meter");
	need(r, object != NULL, "meter");
	take_text(r, object, "name", m->name, sizeof m->name);
	take_text(r, object, "bus", m->bus, sizeof m->bus);
	take_known_text(r, object, "protocol", m->protocol, sizeof m->protocol);
	take_known_text(r, object, "model", m->model, sizeof m->model);
	take_known_text(r, object, "address", m->address, sizeof m->address);
	take_known_text(r, object, "serial", m->serial, sizeof m->serial);
	need(r, ctl_json_bool(object, "silent", &m->silent), "silent");
	take_known_text(r, object, "outcome", m->outcome, sizeof m->outcome);
	take_known_whole(r, object, "asked", 0, &m->asked);
	take_known_whole(r, object, "answered", 0, &m->answered);
	take_known_whole(r, object, "age_ms", -1, &m->age_ms);
	take_known_whole(r, object, "register_mwh", 0, &m->register_mwh);
	m->has_power = take_known_whole(r, object, "power_mw", -CTL_WHOLE_MAX, &m->power_mw);
	take_known_whole(r, object, "current_ma", 0, &m->current_ma);
	take_voltages(r, object, m);
	take_known_whole(r, object, "frequency_mhz", 0, &m->frequency_mhz);
	take_known_text(r, object, "clock", m->clock, sizeof m->clock);
	m->has_clock = ctl_read_time(m->clock, &m->clock_ms);
	need(r, m->has_clock || m->clock[0] == '\0', "clock");
	take_status_texts(r, object, m);
}

static void take_progress(struct reader *r, const cJSON *outlet, unsigned index, struct progress *progress)
{
	struct wire_error wire = {"missing"};
	char *text = cJSON_PrintUnformatted(ctl_json_object(outlet, "progress"));
	bool good = text != NULL && wire_read_progress(text, strlen(text), progress, &wire);
	if (!good)
		reject(r, "progress", wire.text);
	else if (progress->outlet != (int)index)
		reject(r, "progress", "it is another outlet's");
	cJSON_free(text);
}

/* What the box has decided, once it has a ledger. */
static void take_decided(struct reader *r, const cJSON *object, unsigned index, struct ctl_outlet_state *o)
{
	o->decided = cJSON_GetObjectItemCaseSensitive(object, "progress") != NULL;
	if (!o->decided)
		return;
	take_progress(r, object, index, &o->progress);
	o->fault = (enum outlet_fault)take_word(r, object, "fault", &outlet_fault_words);
	need(r, ctl_json_bool(object, "out_of_service", &o->out_of_service), "out_of_service");
	take_known_text(r, object, "reserved_for", o->reserved_for, sizeof o->reserved_for);
	take_session(r, object, &o->session);
	take_text(r, object, "breaker", o->breaker, sizeof o->breaker);
	take_text(r, object, "contact", o->contact, sizeof o->contact);
	take_text(r, object, "door", o->door, sizeof o->door);
}

static void take_outlet(struct reader *r, const cJSON *object, unsigned index, struct ctl_outlet_state *o)
{
	int64_t number = 0;
	take_whole(r, object, "outlet", 1, &number);
	if (number != (int64_t)index + 1)
		reject(r, "outlet", "outlets must be numbered from 1 without gaps");
	take_decided(r, object, index, o);
	take_known_whole(r, object, "rated_mw", 0, &o->rated_mw);
	take_known_whole(r, object, "overdraft_bound_mwh", 0, &o->overdraft_bound_mwh);
	take_meter(r, object, &o->meter);
}

static void take_outlets(struct reader *r, const cJSON *answer, struct ctl_state *state)
{
	const cJSON *list = ctl_json_array(answer, "outlets");
	const cJSON *item;
	need(r, list != NULL, "outlets");
	cJSON_ArrayForEach(item, list)
	{
		if (state->outlet_count == OUTLETS_MAX)
			reject(r, "outlets", "more than 16");
		if (!r->good)
			return;
		take_outlet(r, item, state->outlet_count, &state->outlets[state->outlet_count]);
		state->outlet_count++;
	}
}

static void take_bus(struct reader *r, const cJSON *object, struct ctl_bus_state *bus)
{
	char state[CTL_WORD_SIZE] = "";
	take_text(r, object, "name", bus->name, sizeof bus->name);
	take_known_text(r, object, "device", bus->device, sizeof bus->device);
	take_text(r, object, "state", state, sizeof state);
	bus->lost = strcmp(state, "open") != 0;
	take_known_text(r, object, "error", bus->error, sizeof bus->error);
	take_known_whole(r, object, "cycle_ms", 0, &bus->cycle_ms);
	need(r, ctl_json_bool(object, "foreign", &bus->foreign), "foreign");
}

static void take_buses(struct reader *r, const cJSON *answer, struct ctl_state *state)
{
	const cJSON *list = ctl_json_array(answer, "buses");
	const cJSON *item;
	need(r, list != NULL, "buses");
	cJSON_ArrayForEach(item, list)
	{
		if (state->bus_count == CTL_BUSES_MAX)
			reject(r, "buses", "more than 16");
		if (!r->good)
			return;
		take_bus(r, item, &state->buses[state->bus_count++]);
	}
}

enum ctl_exit ctl_state_read(const cJSON *answer, struct ctl_state *state, struct ctl_state_error *error)
{
	struct reader r = {.good = true, .error = error};
	memset(state, 0, sizeof *state);
	take_text(&r, answer, "box", state->box, sizeof state->box);
	take_text(&r, answer, "version", state->version, sizeof state->version);
	take_known_text(&r, answer, "config", state->config, sizeof state->config);
	take_known_text(&r, answer, "state_dir", state->state_dir, sizeof state->state_dir);
	take_whole(&r, answer, "uptime_ms", 0, &state->uptime_ms);
	const cJSON *when = ctl_json_object(answer, "time");
	take_known_text(&r, when, "wall", state->wall, sizeof state->wall);
	need(&r, state->wall[0] == '\0' || ctl_read_time(state->wall, &state->wall_ms), "wall");
	state->quality = (enum time_quality)take_word(&r, when, "quality", &time_quality_words);
	take_text(&r, when, "source", state->time_source, sizeof state->time_source);
	take_ledger(&r, answer, &state->ledger);
	take_server(&r, answer, &state->server);
	take_text(&r, answer, "metering_door", state->metering_door, sizeof state->metering_door);
	need(&r, ctl_json_bool(answer, "local_sessions", &state->local_sessions), "local_sessions");
	take_outlets(&r, answer, state);
	take_buses(&r, answer, state);
	return r.good ? CTL_GOOD : CTL_UNREACHABLE;
}

/* --- what is wrong --- */

const struct ctl_bus_state *ctl_state_bus(const struct ctl_state *state, const char *name)
{
	for (unsigned i = 0; i < state->bus_count; i++) {
		if (strcmp(state->buses[i].name, name) == 0)
			return &state->buses[i];
	}
	return NULL;
}

bool ctl_meter_is_silent(const struct ctl_state *state, unsigned outlet)
{
	const struct ctl_meter_state *m = &state->outlets[outlet].meter;
	return m->silent || (m->age_ms < 0 && state->uptime_ms >= CTL_FIRST_ANSWER_MS);
}

bool ctl_outlet_is_wrong(const struct ctl_state *state, unsigned outlet)
{
	const struct ctl_outlet_state *o = &state->outlets[outlet];
	const struct ctl_bus_state *bus = ctl_state_bus(state, o->meter.bus);
	return o->fault != FAULT_NONE || ctl_meter_is_silent(state, outlet) || (bus != NULL && bus->lost);
}

bool ctl_box_is_wrong(const struct ctl_state *state)
{
	if (strcmp(state->ledger.state, "open") != 0)
		return true;
	for (unsigned i = 0; i < state->bus_count; i++) {
		if (state->buses[i].lost)
			return true;
	}
	return false;
}
