/* tools/meterboxctl/doctor.c: "meterboxctl doctor": what is wrong, in sentences, and what to do about it.
 *
 * Room: meterboxctl; src/control, src/model, cJSON. It looks and says; it changes nothing. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "ctl_client.h"
#include "ctl_findings.h"
#include "ctl_query.h"
#include "ctl_server.h"
#include "ctl_text.h"

#define DEFAULT_CONFIG "/etc/meterbox/meterboxd.conf"
#define DEFAULT_STATE_DIR "/var/lib/meterbox"
#define SUBJECT_SIZE 80

#define SPACE_LOW_BYTES (INT64_C(16) << 20) /* below: the ledger may not grow any more */
#define SPACE_SCARCE_BYTES (INT64_C(256) << 20)
#define UNSENT_MANY 1000 /* records: a day's link failure on a busy box */
#define ASKED_ENOUGH 50 /* questions before a rate says anything */
#define UNANSWERED_PERCENT 5
#define CLOCK_DRIFT_MS INT64_C(300000) /* a meter's clock is read now and then only */

/* --- the board --- */

static void look_at_config(struct ctl_findings *f, const char *path)
{
	char advice[SUBJECT_SIZE * 4];
	char shown[SUBJECT_SIZE * 2];
	ctl_escape(shown, sizeof shown, path);
	snprintf(advice, sizeof advice, "to check what is in it: meterboxd --check-config --config %s", shown);
	if (access(path, R_OK) == 0)
		ctl_find(f, CTL_FINDING_OK, "configuration", advice, "%s can be read.", path);
	else if (errno == EACCES)
		ctl_find(f,
			 CTL_FINDING_NOTE,
			 "configuration",
			 "use sudo, or say --config FILE",
			 "%s may not be read by you.",
			 path);
	else
		ctl_find(f,
			 CTL_FINDING_WARNING,
			 "configuration",
			 "say where it is with --config FILE; meterboxd does not start without one",
			 "%s: %s.",
			 path,
			 strerror(errno));
}

static void look_at_space(struct ctl_findings *f, const char *directory)
{
	struct statvfs space;
	if (access(directory, F_OK) < 0 || statvfs(directory, &space) < 0) {
		ctl_find(f,
			 CTL_FINDING_NOTE,
			 "disk",
			 "say where the ledger lives with --state-dir DIR (state_dir in meterboxd.conf)",
			 "%s cannot be looked at: %s.",
			 directory,
			 strerror(errno));
		return;
	}
	uint64_t bytes = (uint64_t)space.f_bavail * space.f_frsize;
	unsigned long mib = (unsigned long)(bytes >> 20);
	if (space.f_flag & ST_RDONLY)
		ctl_find(f,
			 CTL_FINDING_ERROR,
			 "disk",
			 "look for disk errors (dmesg), then: mount -o remount,rw",
			 "%s is read-only: nothing can be kept, and no session is allowed.",
			 directory);
	else if (bytes < (uint64_t)SPACE_LOW_BYTES)
		ctl_find(f, CTL_FINDING_ERROR, "disk", "make room", "only %lu MiB are free at %s.", mib, directory);
	else if (bytes < (uint64_t)SPACE_SCARCE_BYTES)
		ctl_find(f, CTL_FINDING_WARNING, "disk", "make room", "only %lu MiB are free at %s.", mib, directory);
	else
		ctl_find(f, CTL_FINDING_OK, "disk", "", "%lu MiB are free at %s.", mib, directory);
}

/* --- the box --- */

static void look_at_ledger(struct ctl_findings *f, const struct ctl_state *s)
{
	const struct ctl_ledger_state *l = &s->ledger;
	if (strcmp(l->state, "open") != 0)
		ctl_find(f,
			 CTL_FINDING_ERROR,
			 "ledger",
			 "see to the disk first (dmesg, df); no session is allowed until the ledger can be written",
			 "it is %s: %s.",
			 l->state,
			 l->error[0] != '\0' ? l->error : "the daemon does not say why");
	else if (l->durable_seq >= 0)
		ctl_find(f, CTL_FINDING_OK, "ledger", "", "open, %" PRId64 " records.", l->durable_seq);
}

/* A link that fails harms nobody at once: it becomes a loss when the disk is full or a lease runs out. */
static void look_at_link(struct ctl_findings *f, const struct ctl_server_state *server)
{
	char heard[CTL_NUMBER_SIZE];
	ctl_span(heard, server->heard_ms_ago);
	if (strcmp(server->state, "failing") == 0)
		ctl_find(f,
			 CTL_FINDING_WARNING,
			 "server",
			 ctl_server_advice(server->reason),
			 "%s: %s%s%s; last heard %s%s.",
			 server->url,
			 server->reason,
			 server->detail[0] != '\0' ? ": " : "",
			 server->detail,
			 server->heard_ms_ago >= 0 ? heard : "never",
			 server->heard_ms_ago >= 0 ? " ago" : "");
	else
		ctl_find(f,
			 strcmp(server->state, "connected") == 0 ? CTL_FINDING_OK : CTL_FINDING_NOTE,
			 "server",
			 "",
			 "%s: %s.",
			 server->url,
			 server->state);
	if (server->waiting >= UNSENT_MANY)
		ctl_find(f,
			 CTL_FINDING_WARNING,
			 "records",
			 "check the network and the server; nothing is lost as long as the disk has room",
			 "%" PRId64 " records have not been accepted by the server.",
			 server->waiting);
	else
		ctl_find(f, CTL_FINDING_OK, "records", "", "%" PRId64 " wait for the server.", server->waiting);
}

static void look_at_server(struct ctl_findings *f, const struct ctl_state *s)
{
	if (s->server.present)
		look_at_link(f, &s->server);
	if (s->local_sessions)
		ctl_find(f,
			 CTL_FINDING_NOTE,
			 "sessions",
			 "",
			 "local_sessions is on: technicians may grant credit on this box.");
	else if (!s->server.present)
		ctl_find(f,
			 CTL_FINDING_WARNING,
			 "sessions",
			 "give it a [server] in meterboxd.conf, or set local_sessions = yes in [box]",
			 "the box has no server, and technicians may not grant credit: nobody can use it.");
}

static void look_at_time(struct ctl_findings *f, const struct ctl_state *s)
{
	switch (s->quality) {
	case TIME_SYNCHRONISED:
		ctl_find(f, CTL_FINDING_OK, "time", "", "synchronised: %s.", s->wall);
		break;
	case TIME_RELATIVE:
		ctl_find(f,
			 CTL_FINDING_NOTE,
			 "time",
			 "it becomes synchronised with NTP's",
			 "taken from the %s's clock: %s.",
			 s->time_source,
			 s->wall);
		break;
	case TIME_UNKNOWN:
		ctl_find(f,
			 CTL_FINDING_WARNING,
			 "time",
			 "connect the network (NTP), or set trust_system_clock where the clock is known to be right",
			 "nobody has told the time since the start; sessions by time of use cannot begin.");
		break;
	}
}

static void look_at_bus(struct ctl_findings *f, const struct ctl_bus_state *bus)
{
	char subject[SUBJECT_SIZE];
	snprintf(subject, sizeof subject, "bus %s", bus->name);
	if (bus->lost)
		ctl_find(f,
			 CTL_FINDING_ERROR,
			 subject,
			 "plug the adapter in; ls -l /dev/serial/by-id shows those that are there",
			 "%s is lost: %s.",
			 bus->device,
			 bus->error[0] != '\0' ? bus->error : "the daemon does not say why");
	if (bus->foreign)
		ctl_find(f,
			 CTL_FINDING_WARNING,
			 subject,
			 "connect the box to the meter's second port; two masters on one line disturb each other",
			 "another master is asking meters on this line.");
	if (!bus->lost && !bus->foreign)
		ctl_find(f, CTL_FINDING_OK, subject, "", "%s is open.", bus->device);
}

/* A door is wrong here only where nothing explains it: a technician at work has opened the metering box himself. */
static void look_at_door(struct ctl_findings *f, const char *subject, const char *door)
{
	if (strcmp(door, "open") == 0)
		ctl_find(f,
			 CTL_FINDING_NOTE,
			 subject,
			 "close it when your work is done: no outlet is ready before",
			 "its door is open.");
	else if (strcmp(door, "unknown") == 0)
		ctl_find(f,
			 CTL_FINDING_WARNING,
			 subject,
			 "check the switch and its pin in meterboxd.conf",
			 "its door switch has not been read.");
}

/* --- outlets --- */

static const char *const fault_advice[FAULT_COUNT] = {
	[FAULT_NONE] = "",
	[FAULT_WILL_NOT_CLOSE] = "check the breaker's drive, its contact and its supply",
	[FAULT_TRIPPED] = "find what tripped it (overload, short circuit, leakage) and reset the device by hand",
	[FAULT_TAMPER] = "inspect the metering box and its seals",
	[FAULT_BYPASSED] = "find what draws power past the open breaker, and the breaker's wiring",
	[FAULT_WELDED] = "the socket may be live: switch off upstream and replace the breaker",
};

static void look_at_fault(struct ctl_findings *f, const char *subject, unsigned index, const struct ctl_outlet_state *o)
{
	char advice[SUBJECT_SIZE * 4];
	if (o->fault == FAULT_NONE)
		return;
	bool operators = outlet_fault_clearable(o->fault, ACTOR_OPERATOR);
	snprintf(advice,
		 sizeof advice,
		 "%s; then: meterboxctl session clear-fault %u (%s)",
		 fault_advice[o->fault],
		 index + 1,
		 operators ? "an operator may clear it, too" : "only a technician on site may clear it");
	ctl_find(f, CTL_FINDING_ERROR, subject, advice, "fault \"%s\".", word_name(&outlet_fault_words, o->fault));
}

static void look_at_silence(struct ctl_findings *f, const char *subject, const struct ctl_meter_state *m)
{
	static const struct {
		const char *outcome;
		const char *advice;
	} advices[] = {
		{"timed_out",
		 "check its supply, A and B of the line, the address, and the line settings (baud, parity)"},
		{"garbled",
		 "check the line settings, the termination, echo (in meterboxd.conf), and that nothing else answers at its address"},
		{"refused", "it answers but refuses: check that its model in meterboxd.conf is the right one"},
		{"not_readable",
		 "it answers what cannot be read: check that its model in meterboxd.conf is the right one"},
	};
	const char *advice = "check its supply, the line and the address";
	char age[CTL_NUMBER_SIZE];
	for (size_t i = 0; i < sizeof advices / sizeof *advices; i++) {
		if (strcmp(m->outcome, advices[i].outcome) == 0)
			advice = advices[i].advice;
	}
	ctl_span(age, m->age_ms);
	ctl_find(f,
		 CTL_FINDING_ERROR,
		 subject,
		 advice,
		 "meter %s (%s, %s on bus %s) is silent; last answer %s%s.",
		 m->name,
		 m->model,
		 m->address,
		 m->bus,
		 m->age_ms >= 0 ? age : "never",
		 m->age_ms >= 0 ? " ago" : "");
}

static void look_at_answers(struct ctl_findings *f, const char *subject, const struct ctl_meter_state *m)
{
	if (m->asked >= ASKED_ENOUGH && m->answered >= 0 && m->answered <= m->asked) {
		int64_t lost = m->asked - m->answered;
		if (lost > m->asked / 100 * UNANSWERED_PERCENT)
			ctl_find(f,
				 CTL_FINDING_WARNING,
				 subject,
				 "check the line: length, termination, screen, a second master",
				 "meter %s left %" PRId64 " of %" PRId64 " questions without a good answer.",
				 m->name,
				 lost,
				 m->asked);
	}
	if (!m->silent && (strcmp(m->outcome, "refused") == 0 || strcmp(m->outcome, "not_readable") == 0))
		ctl_find(f,
			 CTL_FINDING_WARNING,
			 subject,
			 "check that its model in meterboxd.conf is the right one",
			 "meter %s: the last question was %s.",
			 m->name,
			 strcmp(m->outcome, "refused") == 0 ? "refused" : "answered with a value that cannot be read");
}

static void look_at_clock(struct ctl_findings *f, const char *subject, const struct ctl_state *s,
			  const struct ctl_meter_state *m)
{
	char span[CTL_NUMBER_SIZE];
	if (!m->has_clock || s->quality != TIME_SYNCHRONISED || s->wall_ms == 0)
		return;
	int64_t drift_ms = m->clock_ms - s->wall_ms;
	if (drift_ms >= -CLOCK_DRIFT_MS && drift_ms <= CLOCK_DRIFT_MS)
		return;
	ctl_span(span, drift_ms < 0 ? -drift_ms : drift_ms);
	ctl_find(f,
		 CTL_FINDING_WARNING,
		 subject,
		 "have its owner set the clock; check utc_offset in meterboxd.conf",
		 "the clock of meter %s is %s %s.",
		 m->name,
		 span,
		 drift_ms < 0 ? "behind" : "ahead");
}

/* What the meter says of itself; how it is switched and billed is its own affair. */
static void look_at_status(struct ctl_findings *f, const char *subject, const struct ctl_meter_state *m)
{
	static const struct {
		const char *part;
		enum ctl_severity severity;
		const char *advice;
	} meanings[] = {
		{"clock battery low",
		 CTL_FINDING_WARNING,
		 "have the battery changed: its clock is lost with the mains"},
		{"battery low", CTL_FINDING_NOTE, "have the battery changed"},
		{"clock fault", CTL_FINDING_WARNING, "have the meter checked"},
		{"error", CTL_FINDING_WARNING, "have the meter checked"},
		{"cover open", CTL_FINDING_WARNING, "inspect the meter and its seals"},
		{"active power reversed", CTL_FINDING_WARNING, "check the wiring: line and load may be exchanged"},
		{"loss of", CTL_FINDING_WARNING, "check the wiring and the fuses"},
		{"break", CTL_FINDING_WARNING, "check the wiring and the fuses"},
	};
	for (unsigned i = 0; i < m->text_count; i++) {
		for (size_t j = 0; j < sizeof meanings / sizeof *meanings; j++) {
			if (strstr(m->texts[i], meanings[j].part) == NULL)
				continue;
			ctl_find(f,
				 meanings[j].severity,
				 subject,
				 meanings[j].advice,
				 "meter %s says: %s.",
				 m->name,
				 m->texts[i]);
			break;
		}
	}
}

static void look_at_outlet(struct ctl_findings *f, const struct ctl_state *s, unsigned index)
{
	const struct ctl_outlet_state *o = &s->outlets[index];
	char subject[SUBJECT_SIZE];
	const struct ctl_bus_state *bus = ctl_state_bus(s, o->meter.bus);
	unsigned before = f->counts[CTL_FINDING_ERROR] + f->counts[CTL_FINDING_WARNING];
	snprintf(subject, sizeof subject, "outlet %u", index + 1);
	look_at_fault(f, subject, index, o);
	look_at_door(f, subject, o->door);
	/* A lost port explains all its silent meters. */
	if (ctl_meter_is_silent(s, index) && (bus == NULL || !bus->lost))
		look_at_silence(f, subject, &o->meter);
	look_at_answers(f, subject, &o->meter);
	look_at_clock(f, subject, s, &o->meter);
	look_at_status(f, subject, &o->meter);
	if (o->progress.missing & MISSING_COMMISSIONED)
		ctl_find(f,
			 CTL_FINDING_ERROR,
			 subject,
			 "if it was exchanged on purpose, set its serial in meterboxd.conf",
			 "%s",
			 missing_sentence(MISSING_COMMISSIONED));
	if (o->progress.missing & MISSING_PLAUSIBLE)
		ctl_find(f,
			 CTL_FINDING_WARNING,
			 subject,
			 "wait; if it stays, check the meter",
			 "%s",
			 missing_sentence(MISSING_PLAUSIBLE));
	if (o->out_of_service)
		ctl_find(f, CTL_FINDING_NOTE, subject, "", "out of service.");
	if (f->counts[CTL_FINDING_ERROR] + f->counts[CTL_FINDING_WARNING] == before)
		ctl_find(f,
			 CTL_FINDING_OK,
			 subject,
			 "",
			 "%s.",
			 o->decided ? word_name(&outlet_state_words, o->progress.state) :
				      "nothing is known before the ledger is open");
}

/* --- */

static void look_at_box(struct ctl_findings *f, const struct ctl_state *s)
{
	look_at_ledger(f, s);
	look_at_server(f, s);
	look_at_time(f, s);
	for (unsigned i = 0; i < s->bus_count; i++)
		look_at_bus(f, &s->buses[i]);
	if (s->outlet_count > 0 && s->outlets[0].decided)
		look_at_door(f, "metering box", s->metering_door);
	for (unsigned i = 0; i < s->outlet_count; i++)
		look_at_outlet(f, s, i);
}

/* True with *state filled when the daemon answers. */
static bool look_at_daemon(struct ctl_findings *f, const char *path, struct ctl_state *state)
{
	struct ctl_client client;
	enum ctl_exit result = ctl_client_open(&client, path);
	if (result == CTL_GOOD)
		result = ctl_query_state(&client, state, NULL);
	if (result == CTL_GOOD)
		ctl_find(f, CTL_FINDING_OK, "meterboxd", "", "version %s answers.", state->version);
	else
		ctl_find(f, CTL_FINDING_ERROR, "meterboxd", "", "%s.", client.error);
	ctl_client_close(&client);
	return result == CTL_GOOD;
}

enum ctl_exit ctl_doctor_command(const struct ctl_options *options, int argc, char *argv[])
{
	static const struct option table[] = {
		{"config", required_argument, NULL, 'c'},
		{"state-dir", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	const char *config = NULL;
	const char *state_dir = NULL;
	struct ctl_findings findings;
	struct ctl_state state;
	for (int code; (code = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		if (code == '?')
			return CTL_USAGE;
		*(code == 'c' ? &config : &state_dir) = optarg;
	}
	if (optind < argc)
		return ctl_usage("doctor takes no '%s'", argv[optind]);
	ctl_findings_begin(&findings, options->json);
	bool answers = look_at_daemon(&findings, options->socket, &state);
	if (config == NULL)
		config = answers && state.config[0] != '\0' ? state.config : DEFAULT_CONFIG;
	if (state_dir == NULL)
		state_dir = answers && state.state_dir[0] != '\0' ? state.state_dir : DEFAULT_STATE_DIR;
	look_at_config(&findings, config);
	look_at_space(&findings, state_dir);
	if (answers)
		look_at_box(&findings, &state);
	return ctl_findings_end(&findings) ? CTL_GOOD : CTL_WRONG;
}
