/* tools/meterboxctl/show.c: see ctl_show.h.
 *
 * Room: meterboxctl; src/model. */
#include "ctl_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl_server.h"
#include "ctl_text.h"

static void show_server(const struct ctl_server_state *server, FILE *out)
{
	char heard[CTL_NUMBER_SIZE];
	bool failing = strcmp(server->state, "failing") == 0;
	if (!server->present)
		return;
	ctl_span(heard, server->heard_ms_ago);
	fprintf(out, "server %s: %s", server->url, failing ? "FAILING" : server->state);
	if (failing)
		fprintf(out, " (%s)", server->reason);
	fprintf(out,
		", last heard %s%s, %" PRId64 " records wait%s\n",
		server->heard_ms_ago >= 0 ? heard : "never",
		server->heard_ms_ago >= 0 ? " ago" : "",
		server->waiting,
		server->stream ? "" : ", no commands can come");
	if (failing && server->detail[0] != '\0')
		fprintf(out, "        %s\n", server->detail);
	if (failing)
		fprintf(out, "        To do: %s.\n", ctl_server_advice(server->reason));
}

static void show_box(const struct ctl_state *s, FILE *out)
{
	char up[CTL_NUMBER_SIZE];
	const struct ctl_ledger_state *l = &s->ledger;
	ctl_span(up, s->uptime_ms);
	fprintf(out, "box %s, meterboxd %s, up %s\n", s->box, s->version, up);
	fprintf(out,
		"time: %s (%s, by %s)\n",
		s->wall[0] != '\0' ? s->wall : "not known",
		word_name(&time_quality_words, s->quality),
		s->time_source);
	fprintf(out, "ledger: %s", l->state);
	if (l->durable_seq >= 0)
		fprintf(out, ", %" PRId64 " records", l->durable_seq);
	fprintf(out, "%s%s\n", l->error[0] != '\0' ? ": " : "", l->error);
	show_server(&s->server, out);
	fprintf(out, "door of the metering box: %s\n", s->metering_door);
	if (s->local_sessions)
		fputs("local sessions: technicians may authorize and grant credit\n", out);
}

static void show_bus(const struct ctl_bus_state *bus, FILE *out)
{
	fprintf(out, "bus %s: %s %s", bus->name, bus->device, bus->lost ? "LOST" : "open");
	if (bus->error[0] != '\0')
		fprintf(out, " (%s)", bus->error);
	if (bus->cycle_ms >= 0)
		fprintf(out, ", a cycle takes %" PRId64 " ms", bus->cycle_ms);
	fprintf(out, "%s\n", bus->foreign ? ", ANOTHER MASTER is on the line" : "");
}

/* --- outlets --- */

enum outlet_column {
	COLUMN_OUTLET,
	COLUMN_STATE,
	COLUMN_POWER,
	COLUMN_ENERGY,
	COLUMN_TIME,
	COLUMN_COST,
	COLUMN_LEFT,
	COLUMN_BREAKER,
	COLUMN_CONTACT,
	COLUMN_DOOR,
	COLUMN_FAULT,
	COLUMN_ORDER,
	COLUMN_COUNT
};

static const char *const outlet_headings[COLUMN_COUNT] = {
	"outlet",
	"state",
	"power",
	"energy",
	"time",
	"cost",
	"left",
	"breaker",
	"contact",
	"door",
	"fault",
	"order",
};

static void fill_outlet(struct ctl_table *table, unsigned index, const struct ctl_outlet_state *o)
{
	const struct progress *p = &o->progress;
	char text[CTL_NUMBER_SIZE];
	unsigned row = ctl_table_row(table);
	snprintf(text, sizeof text, "%u", index + 1);
	ctl_table_set(table, row, COLUMN_OUTLET, text);
	ctl_table_set(table, row, COLUMN_STATE, o->decided ? word_name(&outlet_state_words, p->state) : "no ledger");
	ctl_power(text, p->power_mw);
	ctl_table_set(table, row, COLUMN_POWER, p->has_register ? text : "-");
	ctl_energy(text, p->energy_mwh);
	ctl_table_set(table, row, COLUMN_ENERGY, o->session.present ? text : "-");
	ctl_span(text, p->energised_ms);
	ctl_table_set(table, row, COLUMN_TIME, o->session.present ? text : "-");
	bool customer = o->session.present && strcmp(o->session.kind, "customer") == 0;
	ctl_money(text, p->cost_micros);
	ctl_table_set(table, row, COLUMN_COST, customer ? text : "-");
	ctl_money(text, p->remaining_micros);
	ctl_table_set(table, row, COLUMN_LEFT, customer ? text : "-");
	ctl_table_set(table, row, COLUMN_BREAKER, o->breaker);
	ctl_table_set(table, row, COLUMN_CONTACT, o->contact);
	ctl_table_set(table, row, COLUMN_DOOR, o->door);
	ctl_table_set(
		table, row, COLUMN_FAULT, o->fault != FAULT_NONE ? word_name(&outlet_fault_words, o->fault) : "-");
	ctl_table_set(table, row, COLUMN_ORDER, o->session.present ? o->session.order : "-");
}

void ctl_show_missing(const struct ctl_outlet_state *outlet, const char *indent, FILE *out)
{
	for (unsigned i = 0; i < MISSING_COUNT; i++) {
		if (outlet->progress.missing & 1U << i)
			fprintf(out, "%s%s\n", indent, missing_sentence(1U << i));
	}
}

/* What a row has no room for. */
static void show_notes(const struct ctl_outlet_state *o, FILE *out)
{
	static const char indent[] = "        ";
	char left[CTL_NUMBER_SIZE];
	if (!o->decided)
		return;
	if (o->progress.remaining_ms >= 0) {
		ctl_span(left, o->progress.remaining_ms);
		fprintf(out, "%sThe credit lasts for %s at this power.\n", indent, left);
	}
	if (o->reserved_for[0] != '\0')
		fprintf(out, "%sReserved for %s.\n", indent, o->reserved_for);
	if (o->out_of_service)
		fprintf(out, "%sOut of service.\n", indent);
	ctl_show_missing(o, indent, out);
}

/* --- meters --- */

enum meter_column {
	METER_COLUMN_OUTLET,
	METER_COLUMN_NAME,
	METER_COLUMN_WHERE,
	METER_COLUMN_SERIAL,
	METER_COLUMN_REGISTER,
	METER_COLUMN_AGE,
	METER_COLUMN_VOLTAGE,
	METER_COLUMN_ANSWERED,
	METER_COLUMN_STATE,
	METER_COLUMN_COUNT
};

static const char *const meter_headings[METER_COLUMN_COUNT] = {
	"outlet",
	"meter",
	"at",
	"serial",
	"register",
	"age",
	"voltage",
	"answered",
	"last answer",
};

static void volts(const struct ctl_meter_state *m, char *text, size_t size)
{
	size_t used = 0;
	text[0] = '\0';
	for (unsigned i = 0; i < m->voltage_count && used < size; i++)
		used += (size_t)snprintf(text + used,
					 size - used,
					 "%s%" PRId64 ".%" PRId64,
					 i > 0 ? "/" : "",
					 m->voltage_mv[i] / 1000,
					 m->voltage_mv[i] % 1000 / 100);
	if (m->voltage_count > 0 && used < size)
		snprintf(text + used, size - used, " V");
}

static void fill_meter(struct ctl_table *table, const struct ctl_state *state, unsigned index)
{
	const struct ctl_meter_state *m = &state->outlets[index].meter;
	char text[CTL_CELL_SIZE];
	char number[CTL_NUMBER_SIZE];
	unsigned row = ctl_table_row(table);
	snprintf(text, sizeof text, "%u", index + 1);
	ctl_table_set(table, row, METER_COLUMN_OUTLET, text);
	ctl_table_set(table, row, METER_COLUMN_NAME, m->name);
	snprintf(text, sizeof text, "%.32s %.13s, bus %.16s", m->model, m->address, m->bus);
	ctl_table_set(table, row, METER_COLUMN_WHERE, text);
	ctl_table_set(table, row, METER_COLUMN_SERIAL, m->serial[0] != '\0' ? m->serial : "-");
	ctl_energy(number, m->register_mwh);
	ctl_table_set(table, row, METER_COLUMN_REGISTER, m->register_mwh >= 0 ? number : "-");
	ctl_span(number, m->age_ms);
	ctl_table_set(table, row, METER_COLUMN_AGE, m->age_ms >= 0 ? number : "never");
	volts(m, text, sizeof text);
	ctl_table_set(table, row, METER_COLUMN_VOLTAGE, m->voltage_count > 0 ? text : "-");
	snprintf(text, sizeof text, "%" PRId64 "/%" PRId64, m->answered, m->asked);
	ctl_table_set(table, row, METER_COLUMN_ANSWERED, m->asked >= 0 && m->answered >= 0 ? text : "-");
	ctl_table_set(table, row, METER_COLUMN_STATE, ctl_meter_is_silent(state, index) ? "SILENT" : m->outcome);
}

static bool is_shown(unsigned index, unsigned wanted)
{
	return wanted == CTL_ALL_OUTLETS || wanted == index;
}

void ctl_show(const struct ctl_state *state, unsigned outlet, FILE *out)
{
	struct ctl_table outlets, meters;
	show_box(state, out);
	for (unsigned i = 0; i < state->bus_count; i++)
		show_bus(&state->buses[i], out);
	ctl_table_init(&outlets, COLUMN_COUNT, outlet_headings);
	ctl_table_init(&meters, METER_COLUMN_COUNT, meter_headings);
	for (unsigned i = 0; i < state->outlet_count; i++) {
		if (is_shown(i, outlet)) {
			fill_outlet(&outlets, i, &state->outlets[i]);
			fill_meter(&meters, state, i);
		}
	}
	fputc('\n', out);
	ctl_table_print(&outlets, 0, out);
	for (unsigned i = 0, row = 1; i < state->outlet_count; i++) {
		if (is_shown(i, outlet)) {
			ctl_table_print(&outlets, row++, out);
			show_notes(&state->outlets[i], out);
		}
	}
	fputc('\n', out);
	for (unsigned row = 0; row < meters.rows; row++)
		ctl_table_print(&meters, row, out);
}
