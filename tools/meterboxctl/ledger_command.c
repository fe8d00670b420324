/* tools/meterboxctl/ledger_command.c: "meterboxctl ledger": checks and copies what the box remembers.
 *
 * Room: meterboxctl; src/control, src/ledger, cJSON. Verifying trusts nobody: the records are read one by one and added
 * up here, and the sum is compared with what the ledger has stored. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_json.h"
#include "ctl_records.h"
#include "ctl_text.h"

/* --- export --- */

struct export
{
	uint64_t wrong; /* a record that is no line of text; 0: none */
};

static bool export_record(void *ctx, uint64_t seq, const char *body, size_t length)
{
	struct export *export = ctx;
	if (!ctl_is_plain(body, length))
		export->wrong = seq;
	else
		printf("%.*s\n", (int)length, body);
	return export->wrong == 0 && !ferror(stdout);
}

static enum ctl_exit export_ledger(struct ctl_records *records, uint64_t from, uint64_t max)
{
	struct export export = {0};
	enum ctl_exit result = ctl_records_read(records, from, max, export_record, &export);
	if (result == CTL_GOOD && export.wrong != 0) {
		snprintf(records->error,
			 sizeof records->error,
			 "record %" PRIu64 " is damaged: it is not a line of text",
			 export.wrong);
		result = CTL_WRONG;
	}
	return result;
}

/* --- verify --- */

struct verification {
	struct ledger_chain chain;
	int result; /* of the chain */
	struct ledger_error error;
	unsigned long sessions; /* authorized ever */
	unsigned long service_sessions;
};

static bool verify_record(void *ctx, uint64_t seq, const char *body, size_t length)
{
	struct verification *v = ctx;
	struct record record;
	struct record_link link;
	struct wire_error wire;
	v->result = ledger_chain_take(&v->chain, seq, body, length, &v->error);
	if (v->result == 0 && wire_read_record(body, length, &record, &link, &wire) &&
	    record.kind == RECORD_AUTHORIZED) {
		bool service = record.u.authorized.kind == SESSION_SERVICE;
		v->sessions += !service;
		v->service_sessions += service;
	}
	return v->result == 0;
}

/* Whether a stored text is what `replayed`, which is freed, says. */
static bool same_text(const cJSON *stored, char *replayed)
{
	bool same = cJSON_IsString(stored) && replayed != NULL && strcmp(stored->valuestring, replayed) == 0;
	free(replayed);
	return same;
}

/* Compares with what the daemon says that its ledger has stored. Outlets that it does not name must be untouched. */
static const char *compare_stored(const cJSON *last, const struct box_image *image, const char *tip)
{
	char stored_tip[RECORD_HASH_SIZE];
	const cJSON *outlets = ctl_json_array(last, "outlet_images");
	int named = cJSON_GetArraySize(outlets);
	if (!ctl_json_text(last, "tip", stored_tip, sizeof stored_tip) || strcmp(stored_tip, tip) != 0)
		return "the hash of the last record is not the stored one";
	if (!same_text(cJSON_GetObjectItemCaseSensitive(last, "image"), wire_write_box_image(image)))
		return "the box's snapshot is not what the records add up to";
	struct box_image untouched;
	image_init(&untouched);
	for (int i = 0; i < OUTLETS_MAX; i++) {
		cJSON *blank = NULL;
		const cJSON *stored = cJSON_GetArrayItem(outlets, i);
		char *empty = i >= named ? wire_write_outlet_image(&untouched.outlets[i]) : NULL;
		if (empty != NULL)
			stored = blank = cJSON_CreateString(empty);
		free(empty);
		bool same = same_text(stored, wire_write_outlet_image(&image->outlets[i]));
		cJSON_Delete(blank);
		if (!same)
			return "an outlet's snapshot is not what its records add up to";
	}
	return NULL;
}

/* The stored side of a file is the ledger's own affair. */
static enum ctl_exit compare(struct ctl_records *records, struct verification *v)
{
	struct ledger_report report;
	struct ledger_error error;
	const char *fault = NULL;
	if (records->file != NULL) {
		int result = ledger_verify(records->file, &report, &error);
		if (result < 0)
			ctl_escape(records->error, sizeof records->error, error.text);
		return result < 0 ? CTL_WRONG : CTL_GOOD;
	}
	fault = compare_stored(records->last, &v->chain.image, v->chain.tip);
	if (fault != NULL)
		snprintf(records->error, sizeof records->error, "ledger: damaged: %s", fault);
	return fault != NULL ? CTL_WRONG : CTL_GOOD;
}

static bool take_none(void *ctx, uint64_t seq, const char *body, size_t length)
{
	(void)ctx, (void)seq, (void)body, (void)length;
	return false;
}

/* Everything; v is filled as far as it came. */
static enum ctl_exit verify(struct ctl_records *records, struct verification *v)
{
	/* The daemon's ledger says its id with its first page. */
	enum ctl_exit result = CTL_GOOD;
	if (records->file == NULL)
		result = ctl_records_read(records, 1, 1, take_none, NULL);
	if (result != CTL_GOOD)
		return result;
	if (ledger_chain_begin(&v->chain, records->id, &v->error) < 0) {
		ctl_escape(records->error, sizeof records->error, v->error.text);
		return CTL_WRONG;
	}
	result = ctl_records_read(records, 1, UINT64_MAX, verify_record, v);
	if (result == CTL_GOOD && v->result < 0) {
		ctl_escape(records->error, sizeof records->error, v->error.text);
		result = CTL_WRONG;
	}
	if (result == CTL_GOOD)
		result = compare(records, v);
	ledger_chain_end(&v->chain);
	return result;
}

/* --- what it adds up to --- */

static void print_outlet(unsigned index, const struct outlet_image *o)
{
	char billed[CTL_NUMBER_SIZE], service[CTL_NUMBER_SIZE], outside[CTL_NUMBER_SIZE], total[CTL_NUMBER_SIZE];
	if (o->serial[0] == '\0')
		return;
	ctl_energy(billed, o->billed_mwh);
	ctl_energy(service, o->service_mwh);
	ctl_energy(outside, o->outside_mwh);
	ctl_energy(total, o->register_mwh);
	printf("outlet %u: meter %s: %s billed, %s service, %s outside any session; register %s\n",
	       index + 1,
	       o->serial,
	       billed,
	       service,
	       outside,
	       total);
	if (session_is_open(&o->session))
		printf("  open: order %s, %s session, %s\n",
		       o->session.grant.order,
		       word_name(&session_kind_words, o->session.grant.kind),
		       word_name(&session_phase_words, o->session.phase));
	if (o->fault != FAULT_NONE)
		printf("  fault: %s\n", word_name(&outlet_fault_words, o->fault));
}

static void print_people(const struct ctl_records *records, const struct verification *v, bool sound)
{
	const struct box_image *image = &v->chain.image;
	printf("ledger %s: %s\n", records->id, sound ? "sound" : "DAMAGED");
	printf("%" PRIu64 " records%s, %u boots, %lu sessions, %lu service sessions\n",
	       v->chain.seq,
	       sound ? "" : " are sound",
	       image->boot,
	       v->sessions,
	       v->service_sessions);
	for (unsigned i = 0; i < OUTLETS_MAX; i++)
		print_outlet(i, &image->outlets[i]);
}

static bool add_open(cJSON *list, unsigned index, const struct session_image *session)
{
	cJSON *object = cJSON_CreateObject();
	bool whole =
		cJSON_AddNumberToObject(object, "outlet", index + 1) != NULL &&
		cJSON_AddStringToObject(object, "order", session->grant.order) != NULL &&
		cJSON_AddStringToObject(object, "phase", word_name(&session_phase_words, session->phase)) != NULL &&
		cJSON_AddItemToArray(list, object);
	if (!whole)
		cJSON_Delete(object);
	return whole;
}

static bool print_json(const struct ctl_records *records, const struct verification *v, bool sound)
{
	cJSON *object = cJSON_CreateObject();
	bool whole = cJSON_AddBoolToObject(object, "sound", sound) != NULL &&
		     cJSON_AddStringToObject(object, "ledger", records->id) != NULL &&
		     cJSON_AddNumberToObject(object, "records", (double)v->chain.seq) != NULL &&
		     cJSON_AddNumberToObject(object, "boots", v->chain.image.boot) != NULL &&
		     cJSON_AddNumberToObject(object, "sessions", (double)v->sessions) != NULL &&
		     cJSON_AddNumberToObject(object, "service_sessions", (double)v->service_sessions) != NULL &&
		     (sound || cJSON_AddStringToObject(object, "fault", records->error) != NULL);
	cJSON *open = cJSON_AddArrayToObject(object, "open");
	for (unsigned i = 0; whole && open != NULL && i < OUTLETS_MAX; i++) {
		const struct session_image *session = &v->chain.image.outlets[i].session;
		whole = !session_is_open(session) || add_open(open, i, session);
	}
	char *text = whole && open != NULL ? cJSON_PrintUnformatted(object) : NULL;
	if (text != NULL)
		puts(text);
	cJSON_Delete(object);
	cJSON_free(text);
	return text != NULL;
}

static enum ctl_exit verify_ledger(struct ctl_records *records, const struct ctl_options *options)
{
	struct verification v = {.result = 0};
	enum ctl_exit result = verify(records, &v);
	bool sound = result == CTL_GOOD;
	if (result != CTL_GOOD && result != CTL_WRONG)
		return result;
	if (!options->json)
		print_people(records, &v, sound);
	else if (!print_json(records, &v, sound))
		snprintf(records->error, sizeof records->error, "out of memory");
	return result;
}

/* --- */

struct arguments {
	const char *path;
	int64_t from;
	int64_t max;
};

static bool read_arguments(int argc, char *argv[], bool exports, struct arguments *a)
{
	static const struct option table[] = {
		{"from", required_argument, NULL, 'f'},
		{"max", required_argument, NULL, 'm'},
		{NULL, 0, NULL, 0},
	};
	*a = (struct arguments){.from = 1, .max = INT64_MAX};
	for (int code; (code = getopt_long(argc, argv, "", exports ? table : table + 2, NULL)) != -1;) {
		if (code == '?')
			return false;
		if (!ctl_read_whole(optarg, 1, CTL_WHOLE_MAX, code == 'f' ? &a->from : &a->max))
			return ctl_usage("'%s': a whole number from 1 on is allowed", optarg) == CTL_GOOD;
	}
	if (argc - optind > 1)
		return ctl_usage("one file is allowed") == CTL_GOOD;
	a->path = optind < argc ? argv[optind] : NULL;
	return true;
}

enum ctl_exit ctl_ledger_command(const struct ctl_options *options, int argc, char *argv[])
{
	struct ctl_records records;
	struct arguments arguments;
	bool exports = argc >= 2 && strcmp(argv[1], "export") == 0;
	if (!exports && (argc < 2 || strcmp(argv[1], "verify") != 0))
		return ctl_usage("ledger takes verify or export");
	argv[1] = argv[0];
	if (!read_arguments(argc - 1, argv + 1, exports, &arguments))
		return CTL_USAGE;
	enum ctl_exit result = ctl_records_open(&records, options, arguments.path);
	if (result == CTL_GOOD && exports)
		result = export_ledger(&records, (uint64_t)arguments.from, (uint64_t)arguments.max);
	else if (result == CTL_GOOD)
		result = verify_ledger(&records, options);
	if (result != CTL_GOOD)
		ctl_fail(result, "%s", records.error);
	ctl_records_close(&records);
	return result;
}
