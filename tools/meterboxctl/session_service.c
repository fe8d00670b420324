/* tools/meterboxctl/session_service.c: "meterboxctl session service": power for a technician's own work.
 *
 * Room: meterboxctl; src/control, src/wire, cJSON. The connection stays open all the time: when the terminal goes away,
 * the daemon ends the session by itself. */
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "ctl_client.h"
#include "ctl_query.h"
#include "ctl_session.h"
#include "ctl_show.h"
#include "ctl_terminal.h"
#include "ctl_text.h"
#include "wire.h"

#define ASK_EVERY_MS 500
#define END_WAIT_MS 120000 /* an end waits for a stable register; beyond this the ledger will tell */
#define START_TRIES_MAX 5 /* each refusal is a record */
#define LOOKS_BETWEEN_TRIES 4
#define PAGES_MAX 1000 /* of records read for the receipt: far more than a minute of any box */
#define SHOWN_SIZE 200

struct service {
	struct ctl_client *client;
	const struct ctl_options *options;
	unsigned outlet;
	char order[ORDER_SIZE];
	int64_t from_seq; /* its records stand from here on */
	struct ctl_terminal terminal;
	bool redraws; /* on a terminal that can: the line is drawn over itself */
	bool started;
	bool stopping;
	int start_tries;
	int looks_to_wait; /* before the next try */
	int waited_ms; /* since it was asked to end */
	unsigned missing; /* as said last */
	char shown[SHOWN_SIZE]; /* the line as printed last */
};

static enum ctl_exit send_command(struct service *s, enum command_type type)
{
	struct command command = {.type = type, .outlet = (int)s->outlet};
	/* Both names stand where the union has its first bytes; each type has its own member all the same. */
	if (type == COMMAND_SERVICE)
		word_copy(command.u.service.order, sizeof command.u.service.order, s->order);
	else
		word_copy(command.u.session.order, sizeof command.u.session.order, s->order);
	return ctl_query_command(s->client, s->options, &command, NULL);
}

/* --- showing it --- */

/* One line, drawn over itself on a terminal, printed anew elsewhere; JSON has its result only. */
static void show_line(struct service *s, const char *text)
{
	if (s->options->json || strcmp(text, s->shown) == 0)
		return;
	snprintf(s->shown, sizeof s->shown, "%s", text);
	if (s->redraws)
		printf("\r%s\033[K", text);
	else
		puts(text);
	fflush(stdout);
}

static void end_line(struct service *s)
{
	if (s->redraws && s->shown[0] != '\0' && !s->options->json)
		puts("");
	s->shown[0] = '\0';
}

static void show_waiting(struct service *s, const struct ctl_outlet_state *o)
{
	if (o->progress.missing == s->missing || s->options->json)
		return;
	s->missing = o->progress.missing;
	end_line(s);
	printf("outlet %u waits:\n", s->outlet + 1);
	ctl_show_missing(o, "  ", stdout);
	fflush(stdout);
}

static void show_supply(struct service *s, const struct ctl_outlet_state *o)
{
	char power[CTL_NUMBER_SIZE], energy[CTL_NUMBER_SIZE], text[SHOWN_SIZE];
	ctl_power(power, o->progress.power_mw);
	ctl_energy(energy, o->progress.energy_mwh);
	snprintf(text,
		 sizeof text,
		 "outlet %u: %s, %s, %s, breaker %s%s",
		 s->outlet + 1,
		 word_name(&outlet_state_words, o->progress.state),
		 power,
		 energy,
		 o->breaker,
		 s->stopping ? "" : " - Enter ends it");
	show_line(s, text);
}

/* --- its receipt --- */

/* Finds the end record of the session. 1 when found, 0 when the page has none. */
static int find_end(const struct service *s, const cJSON *records, struct record *end, int64_t *next)
{
	const cJSON *item;
	struct record_link link;
	struct wire_error error;
	cJSON_ArrayForEach(item, records)
	{
		++*next;
		if (cJSON_IsString(item) &&
		    wire_read_record(item->valuestring, strlen(item->valuestring), end, &link, &error) &&
		    end->kind == RECORD_ENDED && strcmp(end->order, s->order) == 0)
			return 1;
	}
	return 0;
}

static enum ctl_exit read_end(struct service *s, struct record *end)
{
	int64_t from = s->from_seq;
	for (int page = 0; page < PAGES_MAX; page++) {
		int64_t next = from;
		cJSON *answer = NULL;
		cJSON *arguments = cJSON_CreateObject();
		cJSON_AddNumberToObject(arguments, "from", (double)from);
		cJSON_AddNumberToObject(arguments, "max", CONTROL_RECORDS_MAX);
		enum ctl_exit result = ctl_client_call(s->client, "ledger", arguments, &answer, NULL);
		if (result != CTL_GOOD)
			return result;
		int found = find_end(s, cJSON_GetObjectItemCaseSensitive(answer, "records"), end, &next);
		cJSON_Delete(answer);
		if (found)
			return CTL_GOOD;
		if (next == from)
			break;
		from = next;
	}
	snprintf(s->client->error, sizeof s->client->error, "the session's end is not in the ledger yet: see status");
	return CTL_WRONG;
}

static enum ctl_exit print_receipt(struct service *s)
{
	struct record end;
	char energy[CTL_NUMBER_SIZE], span[CTL_NUMBER_SIZE];
	s->client->error[0] = '\0';
	enum ctl_exit result = read_end(s, &end);
	if (result != CTL_GOOD)
		return result;
	const struct receipt *r = &end.u.ended;
	bool usual = r->reason == END_TECHNICIAN || r->reason == END_LIMIT_TIME;
	if (s->options->json) {
		printf("{\"ok\":true,\"order\":\"%s\",\"outlet\":%u,\"reason\":\"%s\",\"energy_mwh\":%lld,\"energised_ms\":%lld,"
		       "\"settled\":%s}\n",
		       s->order,
		       s->outlet + 1,
		       word_name(&end_reason_words, r->reason),
		       (long long)r->energy_mwh,
		       (long long)r->energised_ms,
		       r->settled ? "true" : "false");
		return usual ? CTL_GOOD : CTL_WRONG;
	}
	ctl_energy(energy, r->energy_mwh);
	ctl_span(span, r->energised_ms);
	printf("outlet %u: ended (%s): %s in %s, booked to service%s. Order %s.\n",
	       s->outlet + 1,
	       word_name(&end_reason_words, r->reason),
	       energy,
	       span,
	       r->settled ? "" : "; the register was not read again after the end",
	       s->order);
	return usual ? CTL_GOOD : CTL_WRONG;
}

/* --- its life --- */

static bool is_ours(const struct service *s, const struct ctl_outlet_state *o)
{
	return o->session.present && strcmp(o->session.order, s->order) == 0 && strcmp(o->session.phase, "ended") != 0;
}

/* The outlet is ready. A condition may have gone between looking and asking: what was refused is tried again, seldom. */
static enum ctl_exit start(struct service *s)
{
	if (s->looks_to_wait > 0) {
		s->looks_to_wait--;
		return CTL_GOOD;
	}
	enum ctl_exit result = send_command(s, COMMAND_START);
	s->started = result == CTL_GOOD;
	if (result != CTL_REFUSED || ++s->start_tries == START_TRIES_MAX)
		return result;
	s->looks_to_wait = LOOKS_BETWEEN_TRIES;
	show_line(s, s->client->error);
	return CTL_GOOD;
}

/* Looks once and does what is due. *over: the session has ended. */
static enum ctl_exit step(struct service *s, bool *over)
{
	struct ctl_state state;
	enum ctl_exit result = ctl_query_state(s->client, &state, NULL);
	*over = result == CTL_GOOD && (s->outlet >= state.outlet_count || !is_ours(s, &state.outlets[s->outlet]));
	if (result != CTL_GOOD || *over)
		return result;
	const struct ctl_outlet_state *o = &state.outlets[s->outlet];
	bool waits = o->progress.state == OUTLET_UNLOCKED || o->progress.state == OUTLET_READY;
	if (!waits || s->started || s->stopping)
		show_supply(s, o);
	else if (o->progress.missing != 0)
		show_waiting(s, o);
	else
		result = start(s);
	return result;
}

/* Until the next look, or until somebody wants it to end. */
static enum ctl_exit rest(struct service *s)
{
	char key = '\0';
	enum ctl_woken woken = ctl_terminal_wait(&s->terminal, NULL, ASK_EVERY_MS, &key);
	if (s->stopping) {
		s->waited_ms += woken == CTL_WOKEN_TIME ? ASK_EVERY_MS : 0;
		return CTL_GOOD;
	}
	/* Nobody looks any more when the output has no reader. */
	if (woken != CTL_WOKEN_STOP && !(woken == CTL_WOKEN_KEY && key == '\n') && !ferror(stdout))
		return CTL_GOOD;
	s->stopping = true;
	return send_command(s, COMMAND_STOP);
}

static enum ctl_exit live(struct service *s)
{
	bool over = false;
	enum ctl_exit result = step(s, &over);
	while (result == CTL_GOOD && !over && ctl_terminal_stopped() < 2 && s->waited_ms < END_WAIT_MS) {
		result = rest(s);
		if (result == CTL_GOOD)
			result = step(s, &over);
	}
	end_line(s);
	if (result != CTL_GOOD)
		return result;
	if (over)
		return print_receipt(s);
	snprintf(s->client->error,
		 sizeof s->client->error,
		 "left before the end was written: see status and the ledger");
	return CTL_WRONG;
}

/* Asks for the session; from here on records may be its own. */
static enum ctl_exit begin(struct service *s)
{
	struct ctl_state state;
	char order[CTL_RANDOM_NAME_SIZE];
	if (!ctl_random_name(order, "svc-")) {
		snprintf(s->client->error, sizeof s->client->error, "the session needs a name of its own");
		return CTL_WRONG;
	}
	word_copy(s->order, sizeof s->order, order);
	enum ctl_exit result = ctl_query_sign_on(s->client, s->options);
	if (result == CTL_GOOD)
		result = ctl_query_state(s->client, &state, NULL);
	if (result != CTL_GOOD)
		return result;
	s->from_seq = state.ledger.durable_seq >= 0 ? state.ledger.durable_seq + 1 : 1;
	return send_command(s, COMMAND_SERVICE);
}

enum ctl_exit ctl_session_service(const struct ctl_options *options, unsigned outlet)
{
	struct ctl_client client;
	struct service service = {
		.client = &client, .options = options, .outlet = outlet, .redraws = ctl_terminal_can_draw()};
	enum ctl_exit result = ctl_client_open(&client, options->socket);
	if (result == CTL_GOOD)
		result = begin(&service);
	if (result == CTL_GOOD) {
		ctl_terminal_begin(&service.terminal, false, false);
		result = live(&service);
		ctl_terminal_end(&service.terminal);
	}
	if (result != CTL_GOOD && client.error[0] != '\0')
		ctl_fail(result, "%s", client.error);
	ctl_client_close(&client);
	return result;
}
