/* src/wire/wire.c: see wire.h. The tables below are the JSON format. */
#include "wire.h"

#include <assert.h>
#include <string.h>

#include "fields.h"

#define FIELDS_END                                                                                                     \
	{                                                                                                              \
		0                                                                                                      \
	}

static const struct field rate_fields[] = {
	{"name", FIELD_TEXT, FIELD_AT(struct fee_rate, name)},
	{"price_micros", FIELD_INT64, FIELD_AT(struct fee_rate, price_micros)},
	FIELDS_END,
};

static const struct field period_fields[] = {
	{"from_min", FIELD_UINT32, FIELD_AT(struct fee_period, from_min)},
	{"rate", FIELD_UINT32, FIELD_AT(struct fee_period, rate)},
	FIELDS_END,
};

static const struct field tariff_fields[] = {
	{"id", FIELD_TEXT, FIELD_AT(struct fee_tariff, id)},
	{"version", FIELD_UINT32, FIELD_AT(struct fee_tariff, version)},
	{"currency", FIELD_TEXT, FIELD_AT(struct fee_tariff, currency)},
	{"energy_price_micros", FIELD_INT64, FIELD_AT(struct fee_tariff, energy_price_micros), .unless = "rates"},
	{"rates",
	 FIELD_LIST,
	 FIELD_AT(struct fee_tariff, rates),
	 .optional = true,
	 .fields = rate_fields,
	 .element = sizeof(struct fee_rate),
	 .count = offsetof(struct fee_tariff, rate_count)},
	{"periods",
	 FIELD_LIST,
	 FIELD_AT(struct fee_tariff, periods),
	 .optional = true,
	 .fields = period_fields,
	 .element = sizeof(struct fee_period),
	 .count = offsetof(struct fee_tariff, period_count)},
	{"utc_offset_min", FIELD_INT64, FIELD_AT(struct fee_tariff, utc_offset_min), .optional = true},
	{"service_price_micros", FIELD_INT64, FIELD_AT(struct fee_tariff, service_price_micros), .optional = true},
	{"start_fee_micros", FIELD_INT64, FIELD_AT(struct fee_tariff, start_fee_micros), .optional = true},
	{"quantum_micros", FIELD_INT64, FIELD_AT(struct fee_tariff, quantum_micros)},
	{"rounding", FIELD_WORD, FIELD_AT(struct fee_tariff, rounding), .words = &rounding_words},
	FIELDS_END,
};

static const struct field grant_fields[] = {
	{"order", FIELD_TEXT, FIELD_AT(struct grant, order)},
	{"account", FIELD_TEXT, FIELD_AT(struct grant, account)},
	{"session_kind", FIELD_WORD, FIELD_AT(struct grant, kind), .words = &session_kind_words},
	{"mode", FIELD_WORD, FIELD_AT(struct grant, mode), .words = &fee_mode_words},
	{"tariff", FIELD_OBJECT, FIELD_AT(struct grant, tariff), .optional = true, .fields = tariff_fields},
	{"credit_micros", FIELD_INT64, FIELD_AT(struct grant, credit_micros)},
	{"lease_ms", FIELD_INT64, FIELD_AT(struct grant, lease_ms)},
	{"hold_ms", FIELD_INT64, FIELD_AT(struct grant, hold_ms)},
	{"limit_mwh", FIELD_INT64, FIELD_AT(struct grant, limit_mwh)},
	{"limit_micros", FIELD_INT64, FIELD_AT(struct grant, limit_micros)},
	{"limit_ms", FIELD_INT64, FIELD_AT(struct grant, limit_ms)},
	{"full_ma", FIELD_INT64, FIELD_AT(struct grant, full_ma), .optional = true, .sparse = true},
	{"full_ms", FIELD_INT64, FIELD_AT(struct grant, full_ms), .optional = true, .sparse = true},
	FIELDS_END,
};

static const struct field receipt_fields[] = {
	{"reason", FIELD_WORD, FIELD_AT(struct receipt, reason), .words = &end_reason_words},
	{"start_mwh", FIELD_INT64, FIELD_AT(struct receipt, start_mwh)},
	{"energy_mwh", FIELD_INT64, FIELD_AT(struct receipt, energy_mwh)},
	{"rates_mwh", FIELD_INT64S, FIELD_AT(struct receipt, by_rate), .optional = true},
	{"amount_micros", FIELD_INT64, FIELD_AT(struct receipt, amount_micros)},
	{"energised_ms", FIELD_INT64, FIELD_AT(struct receipt, energised_ms)},
	{"settled", FIELD_BOOL, FIELD_AT(struct receipt, settled)},
	FIELDS_END,
};

/* The fields of a moment, flat in the object of whatever struct holds it: member is "at." or, of a moment itself, nothing. */
#define MOMENT_FIELDS(type, member)                                                                                    \
	{"mono_ms", FIELD_INT64, FIELD_AT(type, member mono_ms)},                                                      \
		{"time", FIELD_TIME, FIELD_AT(type, member wall_ms)},                                                  \
	{                                                                                                              \
		"time_quality", FIELD_WORD, FIELD_AT(type, member quality), .words = &time_quality_words               \
	}

static const struct field moment_fields[] = {
	MOMENT_FIELDS(struct moment, ),
	FIELDS_END,
};

/* --- record --- */

static const struct field record_fields[] = {
	{"seq", FIELD_UINT64, FIELD_AT(struct record, seq)},
	{"boot", FIELD_UINT32, FIELD_AT(struct record, boot)},
	MOMENT_FIELDS(struct record, at.),
	{"kind", FIELD_WORD, FIELD_AT(struct record, kind), .words = &record_kind_words},
	{"outlet", FIELD_OUTLET, FIELD_AT(struct record, outlet)},
	{"order", FIELD_TEXT, FIELD_AT(struct record, order)},
	FIELDS_END,
};

static const struct field register_field[] = {
	{"register_mwh", FIELD_INT64, FIELD_AT(struct record, register_mwh)},
	FIELDS_END,
};

#define DETAIL(name, type, member, ...)                                                                                \
	{                                                                                                              \
		name, type, FIELD_AT(struct record, u.member), ##__VA_ARGS__                                           \
	}

/* What each kind says beside the common fields. */
static const struct field record_details[RECORD_KIND_COUNT][8] = {
	[RECORD_BOOT] = {DETAIL("version", FIELD_TEXT, boot.version)},
	[RECORD_METER] = {DETAIL("serial", FIELD_TEXT, meter.serial)},
	[RECORD_RESERVED] = {DETAIL("account", FIELD_TEXT, reserved.account),
			     DETAIL("hold_ms", FIELD_INT64, reserved.hold_ms)},
	[RECORD_AUTHORIZED] = {DETAIL("grant", FIELD_OBJECT, authorized, .fields = grant_fields)},
	[RECORD_PAUSED] = {DETAIL("reason", FIELD_WORD, paused.reason, .words = &end_reason_words),
			   DETAIL("energised_ms", FIELD_INT64, paused.energised_ms)},
	[RECORD_STARTED] = {DETAIL("rate", FIELD_UINT32, started.rate, .optional = true)},
	[RECORD_RESUMED] = {DETAIL("rate", FIELD_UINT32, started.rate, .optional = true)},
	[RECORD_BOUNDARY] = {DETAIL("rate", FIELD_UINT32, boundary.rate),
			     DETAIL("rate_from", FIELD_TIME, boundary.wall_ms),
			     DETAIL("unknown_time", FIELD_BOOL, boundary.unknown_time)},
	[RECORD_MARK] = {DETAIL("energised_ms", FIELD_INT64, mark.energised_ms)},
	[RECORD_CREDIT] = {DETAIL("credit_micros", FIELD_INT64, credit.credit_micros),
			   DETAIL("lease_ms", FIELD_INT64, credit.lease_ms)},
	[RECORD_STOPPING] = {DETAIL("reason", FIELD_WORD, stopping.reason, .words = &end_reason_words),
			     DETAIL("energised_ms", FIELD_INT64, stopping.energised_ms)},
	[RECORD_ENDED] = {DETAIL("receipt", FIELD_OBJECT, ended, .fields = receipt_fields)},
	[RECORD_FAULT] = {DETAIL("fault", FIELD_WORD, fault.fault, .words = &outlet_fault_words)},
	[RECORD_CLEARED] = {DETAIL("actor", FIELD_WORD, cleared.actor, .words = &actor_words),
			    DETAIL("name", FIELD_TEXT, cleared.name)},
	[RECORD_SERVICE_MODE] = {DETAIL("out", FIELD_BOOL, service_mode.out)},
	[RECORD_ALARM] = {DETAIL("alarm", FIELD_WORD, alarm.alarm, .words = &alarm_words),
			  DETAIL("detail", FIELD_TEXT, alarm.detail)},
	[RECORD_COMMAND] = {DETAIL("id", FIELD_TEXT, command.id),
			    DETAIL("command_seq", FIELD_UINT64, command.seq),
			    DETAIL("type", FIELD_WORD, command.type, .words = &command_type_words),
			    DETAIL("actor", FIELD_WORD, command.actor, .words = &actor_words),
			    DETAIL("name", FIELD_TEXT, command.name),
			    DETAIL("outcome", FIELD_WORD, command.outcome, .words = &command_outcome_words),
			    DETAIL("detail", FIELD_TEXT, command.detail)},
};

struct schema {
	uint32_t schema;
};

static const struct field schema_fields[] = {
	{"schema", FIELD_UINT32, FIELD_AT(struct schema, schema)},
	FIELDS_END,
};

static const struct field link_fields[] = {
	{"ledger", FIELD_TEXT, FIELD_AT(struct record_link, ledger)},
	{"prev", FIELD_TEXT, FIELD_AT(struct record_link, prev)},
	FIELDS_END,
};

/* Writes one struct after another into one object. */
struct part {
	const struct field *fields;
	const void *from;
};

static char *write_parts(const struct part *parts, size_t count)
{
	cJSON *object = cJSON_CreateObject();
	bool whole = object != NULL;
	for (size_t i = 0; whole && i < count; i++)
		whole = fields_write(parts[i].fields, parts[i].from, object);
	if (whole)
		return json_print_and_delete(object);
	cJSON_Delete(object);
	return NULL;
}

#define WRITE_PARTS(...)                                                                                               \
	write_parts((const struct part[]){__VA_ARGS__},                                                                \
		    sizeof((const struct part[]){__VA_ARGS__}) / sizeof(struct part))

char *wire_write_record(const struct record *record, const struct record_link *link)
{
	const struct schema schema = {RECORD_SCHEMA};
	static const struct field none[] = {FIELDS_END};
	assert(record_fault(record) == NULL);
	return WRITE_PARTS({schema_fields, &schema},
			   {link_fields, link},
			   {record_fields, record},
			   {record->has_register ? register_field : none, record},
			   {record_details[record->kind], record});
}

static bool is_hexadecimal(const char *text, size_t size)
{
	return strlen(text) == size - 1 && strspn(text, "0123456789abcdef") == size - 1;
}

static bool read_record_object(const cJSON *object, struct record *record, struct record_link *link,
			       struct wire_error *error)
{
	struct schema schema = {0};
	if (!fields_read(schema_fields, object, &schema, error))
		return false;
	if (schema.schema != RECORD_SCHEMA)
		return wire_fail(error, "schema must be %d: a newer program wrote this record", RECORD_SCHEMA);
	if (!fields_read(link_fields, object, link, error) || !fields_read(record_fields, object, record, error) ||
	    !fields_read(record_details[record->kind], object, record, error))
		return false;
	if (!is_hexadecimal(link->ledger, sizeof link->ledger) || !is_hexadecimal(link->prev, sizeof link->prev))
		return wire_fail(error, "ledger must have 32 and prev 64 hexadecimal digits");
	record->has_register = cJSON_GetObjectItemCaseSensitive(object, "register_mwh") != NULL;
	if (record->has_register && !fields_read(register_field, object, record, error))
		return false;
	const char *fault = record_fault(record);
	return fault == NULL || wire_fail(error, "%s", fault);
}

bool wire_read_record(const char *text, size_t length, struct record *record, struct record_link *link,
		      struct wire_error *error)
{
	struct record read = {0};
	struct record_link read_link = {0};
	cJSON *object = json_parse_object(text, length, WIRE_TEXT_MAX, error);
	if (object == NULL)
		return false;
	bool valid = read_record_object(object, &read, &read_link, error);
	cJSON_Delete(object);
	if (!valid)
		return false;
	*record = read;
	*link = read_link;
	return true;
}

/* Reads one document into a zeroed struct by its table. */
static bool read_whole(const struct field *fields, const char *text, size_t length, void *to, struct wire_error *error)
{
	cJSON *object = json_parse_object(text, length, WIRE_TEXT_MAX, error);
	if (object == NULL)
		return false;
	bool valid = fields_read(fields, object, to, error);
	cJSON_Delete(object);
	return valid;
}

/* --- tariff --- */

char *wire_write_tariff(const struct fee_tariff *tariff)
{
	return WRITE_PARTS({tariff_fields, tariff});
}

bool wire_read_tariff(const char *text, size_t length, struct fee_tariff *tariff, struct wire_error *error)
{
	struct fee_tariff read = {0};
	if (!read_whole(tariff_fields, text, length, &read, error))
		return false;
	const char *fault = fee_tariff_fault(&read);
	if (fault != NULL)
		return wire_fail(error, "%s", fault);
	*tariff = read;
	return true;
}

bool wire_read_tariff_only(const char *text, size_t length, struct fee_tariff *tariff, struct wire_error *error)
{
	cJSON *object = json_parse_object(text, length, WIRE_TEXT_MAX, error);
	if (object == NULL)
		return false;
	bool valid = fields_are_all(tariff_fields, "tariff", object, error);
	cJSON_Delete(object);
	return valid && wire_read_tariff(text, length, tariff, error);
}

/* --- command --- */

static const struct field command_fields[] = {
	{"box", FIELD_TEXT, FIELD_AT(struct command, box)},
	{"ledger", FIELD_TEXT, FIELD_AT(struct command, ledger)},
	{"id", FIELD_TEXT, FIELD_AT(struct command, id)},
	{"seq", FIELD_UINT64, FIELD_AT(struct command, seq)},
	{"not_after", FIELD_TIME, FIELD_AT(struct command, not_after_ms)},
	{"type", FIELD_WORD, FIELD_AT(struct command, type), .words = &command_type_words},
	{"outlet", FIELD_OUTLET, FIELD_AT(struct command, outlet)},
	{"actor", FIELD_WORD, FIELD_AT(struct command, actor), .words = &actor_words},
	{"name", FIELD_TEXT, FIELD_AT(struct command, name)},
	FIELDS_END,
};

#define ARGUMENT(name, type, member, ...)                                                                              \
	{                                                                                                              \
		name, type, FIELD_AT(struct command, u.member), ##__VA_ARGS__                                          \
	}

static const struct field command_arguments[COMMAND_TYPE_COUNT][4] = {
	[COMMAND_AUTHORIZE] = {ARGUMENT("grant", FIELD_OBJECT, authorize, .fields = grant_fields)},
	[COMMAND_START] = {ARGUMENT("order", FIELD_TEXT, session.order)},
	[COMMAND_STOP] = {ARGUMENT("order", FIELD_TEXT, session.order)},
	[COMMAND_POWER_OFF] = {ARGUMENT("order", FIELD_TEXT, session.order)},
	[COMMAND_DEPARTED] = {ARGUMENT("order", FIELD_TEXT, session.order)},
	[COMMAND_CREDIT] = {ARGUMENT("order", FIELD_TEXT, credit.order),
			    ARGUMENT("credit_micros", FIELD_INT64, credit.credit_micros),
			    ARGUMENT("lease_ms", FIELD_INT64, credit.lease_ms)},
	[COMMAND_UNLOCK] = {ARGUMENT("work_order", FIELD_TEXT, unlock.work_order)},
	[COMMAND_RESERVE] = {ARGUMENT("account", FIELD_TEXT, reserve.account),
			     ARGUMENT("hold_ms", FIELD_INT64, reserve.hold_ms)},
	[COMMAND_OUT_OF_SERVICE] = {ARGUMENT("out", FIELD_BOOL, out_of_service.out)},
	[COMMAND_SERVICE] = {ARGUMENT("order", FIELD_TEXT, service.order)},
};

char *wire_write_command(const struct command *command)
{
	assert(command_fault(command) == NULL);
	return WRITE_PARTS({command_fields, command}, {command_arguments[command->type], command});
}

/* What a grant says beside what this program knows may change its price: a box that is older than its server must refuse it
 * rather than leave it out. */
static bool grant_is_understood(const cJSON *command, struct wire_error *error)
{
	return fields_are_all(grant_fields, "grant", cJSON_GetObjectItemCaseSensitive(command, "grant"), error);
}

bool wire_read_command(const char *text, size_t length, struct command *command, struct wire_error *error)
{
	struct command read = {0};
	cJSON *object = json_parse_object(text, length, WIRE_TEXT_MAX, error);
	if (object == NULL)
		return false;
	bool valid = fields_read(command_fields, object, &read, error) &&
		     fields_read(command_arguments[read.type], object, &read, error) &&
		     (read.type != COMMAND_AUTHORIZE || grant_is_understood(object, error));
	cJSON_Delete(object);
	if (!valid)
		return false;
	const char *fault = command_fault(&read);
	if (fault != NULL)
		return wire_fail(error, "%s", fault);
	*command = read;
	return true;
}

/* --- progress --- */

static const struct field progress_fields[] = {
	{"outlet", FIELD_OUTLET, FIELD_AT(struct progress, outlet)},
	MOMENT_FIELDS(struct progress, at.),
	{"state", FIELD_WORD, FIELD_AT(struct progress, state), .words = &outlet_state_words},
	{"missing", FIELD_UINT32, FIELD_AT(struct progress, missing)},
	{"order", FIELD_TEXT, FIELD_AT(struct progress, order)},
	{"has_register", FIELD_BOOL, FIELD_AT(struct progress, has_register)},
	{"register_mwh", FIELD_INT64, FIELD_AT(struct progress, register_mwh)},
	{"reading_age_ms", FIELD_INT64, FIELD_AT(struct progress, reading_age_ms)},
	{"power_mw", FIELD_INT64, FIELD_AT(struct progress, power_mw)},
	{"energy_mwh", FIELD_INT64, FIELD_AT(struct progress, energy_mwh)},
	{"rates_mwh", FIELD_INT64S, FIELD_AT(struct progress, by_rate), .optional = true},
	{"energised_ms",
	 FIELD_INT64,
	 FIELD_AT(struct progress, energised_ms),
	 .optional = true}, /* older boxes do not say it */
	{"cost_micros", FIELD_INT64, FIELD_AT(struct progress, cost_micros)},
	{"remaining_micros", FIELD_INT64, FIELD_AT(struct progress, remaining_micros)},
	{"remaining_ms", FIELD_INT64, FIELD_AT(struct progress, remaining_ms)},
	{"low_credit", FIELD_BOOL, FIELD_AT(struct progress, low_credit)},
	FIELDS_END,
};

char *wire_write_progress(const struct progress *progress)
{
	return WRITE_PARTS({progress_fields, progress});
}

bool wire_read_progress(const char *text, size_t length, struct progress *progress, struct wire_error *error)
{
	struct progress read = {0};
	if (!read_whole(progress_fields, text, length, &read, error))
		return false;
	if (read.outlet == RECORD_NO_OUTLET)
		return wire_fail(error, "outlet is missing");
	if (read.register_mwh < 0 || read.register_mwh > FEE_ENERGY_MAX_MWH || read.energy_mwh < 0 ||
	    read.energy_mwh > FEE_ENERGY_MAX_MWH)
		return wire_fail(error, "register_mwh and energy_mwh must be 0 to 10^15");
	for (size_t i = 0; i < FEE_RATES_MAX; i++) {
		if (read.by_rate.mwh[i] < 0 || read.by_rate.mwh[i] > FEE_ENERGY_MAX_MWH)
			return wire_fail(error, "rates_mwh must be 0 to 10^15");
	}
	if (read.missing >> MISSING_COUNT != 0)
		return wire_fail(error, "missing must be 0 to %u", (1U << MISSING_COUNT) - 1);
	if (read.reading_age_ms < -1 || read.remaining_ms < -1)
		return wire_fail(error, "reading_age_ms and remaining_ms must be at least -1");
	if (read.cost_micros < 0 || read.cost_micros > FEE_MONEY_MAX_MICROS)
		return wire_fail(error, "cost_micros must be 0 to 10^15");
	if (!duration_fits(read.energised_ms))
		return wire_fail(error, "energised_ms must be 0 to a century");
	*progress = read;
	return true;
}

/* --- images --- */

static const struct field session_fields[] = {
	{"phase", FIELD_WORD, FIELD_AT(struct session_image, phase), .words = &session_phase_words},
	{"grant", FIELD_OBJECT, FIELD_AT(struct session_image, grant), .fields = grant_fields},
	{"start_mwh", FIELD_INT64, FIELD_AT(struct session_image, start_mwh)},
	{"started_once", FIELD_BOOL, FIELD_AT(struct session_image, started_once)},
	/* Newer than the first snapshots, which knew flat tariffs only. */
	{"rate", FIELD_UINT32, FIELD_AT(struct session_image, rate), .optional = true},
	{"rate_from_ms", FIELD_INT64, FIELD_AT(struct session_image, rate_from_ms), .optional = true},
	{"used_mwh", FIELD_INT64S, FIELD_AT(struct session_image, used), .optional = true},
	{"energised_ms", FIELD_INT64, FIELD_AT(struct session_image, energised_ms)},
	{"reason", FIELD_WORD, FIELD_AT(struct session_image, reason), .words = &end_reason_words},
	FIELDS_END,
};

static const struct field outlet_fields[] = {
	{"serial", FIELD_TEXT, FIELD_AT(struct outlet_image, serial)},
	{"register_mwh", FIELD_INT64, FIELD_AT(struct outlet_image, register_mwh)},
	{"billed_mwh", FIELD_INT64, FIELD_AT(struct outlet_image, billed_mwh)},
	{"service_mwh", FIELD_INT64, FIELD_AT(struct outlet_image, service_mwh)},
	{"outside_mwh", FIELD_INT64, FIELD_AT(struct outlet_image, outside_mwh)},
	{"session_mwh", FIELD_INT64, FIELD_AT(struct outlet_image, session_mwh)},
	{"session", FIELD_OBJECT, FIELD_AT(struct outlet_image, session), .fields = session_fields},
	{"reserved_for", FIELD_TEXT, FIELD_AT(struct outlet_image, reserved_for)},
	{"reserved_ms", FIELD_INT64, FIELD_AT(struct outlet_image, reserved_ms)},
	{"reserved_at", FIELD_OBJECT, FIELD_AT(struct outlet_image, reserved_at), .fields = moment_fields},
	{"fault", FIELD_WORD, FIELD_AT(struct outlet_image, fault), .words = &outlet_fault_words},
	{"out_of_service", FIELD_BOOL, FIELD_AT(struct outlet_image, out_of_service)},
	/* Newer than the first snapshots: an old one without them is as good as one that does not know. */
	{"seen_boot", FIELD_UINT32, FIELD_AT(struct outlet_image, seen_boot), .optional = true},
	{"seen_mono_ms", FIELD_INT64, FIELD_AT(struct outlet_image, seen_mono_ms), .optional = true},
	{"at", FIELD_OBJECT, FIELD_AT(struct outlet_image, at), .fields = moment_fields},
	FIELDS_END,
};

static const struct field account_fields[] = {
	{"account", FIELD_TEXT, FIELD_AT(struct account_image, account)},
	{"granted_micros", FIELD_INT64, FIELD_AT(struct account_image, granted_micros)},
	{"spent_micros", FIELD_INT64, FIELD_AT(struct account_image, spent_micros)},
	FIELDS_END,
};

#define ACCOUNT(number)                                                                                                \
	{                                                                                                              \
		"account" #number, FIELD_OBJECT, FIELD_AT(struct box_image, accounts[number - 1]),                     \
			.optional = true, .fields = account_fields                                                     \
	}

static const struct field box_fields[] = {
	{"seq", FIELD_UINT64, FIELD_AT(struct box_image, seq)},
	{"boot", FIELD_UINT32, FIELD_AT(struct box_image, boot)},
	{"command_seq", FIELD_UINT64, FIELD_AT(struct box_image, command_seq)},
	ACCOUNT(1),
	ACCOUNT(2),
	ACCOUNT(3),
	ACCOUNT(4),
	ACCOUNT(5),
	ACCOUNT(6),
	ACCOUNT(7),
	ACCOUNT(8),
	ACCOUNT(9),
	ACCOUNT(10),
	ACCOUNT(11),
	ACCOUNT(12),
	ACCOUNT(13),
	ACCOUNT(14),
	ACCOUNT(15),
	ACCOUNT(16),
	FIELDS_END,
};

char *wire_write_outlet_image(const struct outlet_image *outlet)
{
	return WRITE_PARTS({outlet_fields, outlet});
}

static bool energy_fits(int64_t mwh)
{
	return mwh >= 0 && mwh <= FEE_ENERGY_MAX_MWH;
}

static const char *outlet_image_fault(const struct outlet_image *o)
{
	const struct session_image *s = &o->session;
	if (!energy_fits(o->register_mwh) || !energy_fits(o->billed_mwh) || !energy_fits(o->service_mwh) ||
	    !energy_fits(o->outside_mwh) || !energy_fits(o->session_mwh) || !energy_fits(s->start_mwh))
		return "register_mwh, billed_mwh, service_mwh, outside_mwh, session_mwh and start_mwh must be 0 to 10^15";
	if (o->reserved_ms < 0 || s->energised_ms < 0)
		return "reserved_ms and energised_ms must not be below 0";
	for (size_t i = 0; i < FEE_RATES_MAX; i++) {
		if (!energy_fits(s->used.mwh[i]))
			return "used_mwh must be 0 to 10^15";
	}
	if (s->rate_from_ms < 0)
		return "rate_from_ms must not be below 0";
	if (s->rate >= FEE_RATES_MAX || (session_is_open(s) && s->rate >= fee_rates(&s->grant.tariff)))
		return "rate must be the index of one of the tariff's rates";
	if (session_is_open(s) && o->session_mwh != fee_energy_total(&s->used))
		return "used_mwh must add up to session_mwh";
	return s->phase == PHASE_NONE ? NULL : grant_fault(&s->grant);
}

bool wire_read_outlet_image(const char *text, size_t length, struct outlet_image *outlet, struct wire_error *error)
{
	struct outlet_image read = {0};
	if (!read_whole(outlet_fields, text, length, &read, error))
		return false;
	if (session_is_open(&read.session) && fee_energy_total(&read.session.used) == 0)
		read.session.used.mwh[0] = read.session_mwh; /* of a snapshot from before there were rates */
	const char *fault = outlet_image_fault(&read);
	if (fault != NULL)
		return wire_fail(error, "%s", fault);
	*outlet = read;
	return true;
}

char *wire_write_box_image(const struct box_image *box)
{
	return WRITE_PARTS({box_fields, box});
}

bool wire_read_box_image(const char *text, size_t length, struct box_image *box, struct wire_error *error)
{
	struct box_image read = {0};
	if (!read_whole(box_fields, text, length, &read, error))
		return false;
	for (size_t i = 0; i < OUTLETS_MAX; i++) {
		const struct account_image *a = &read.accounts[i];
		if (a->granted_micros < 0 || a->granted_micros > FEE_MONEY_MAX_MICROS || a->spent_micros < 0 ||
		    a->spent_micros > FEE_MONEY_MAX_MICROS)
			return wire_fail(error, "granted_micros and spent_micros must be 0 to 10^15");
		if (a->account[0] == '\0' && (a->granted_micros != 0 || a->spent_micros != 0))
			return wire_fail(error, "account is missing");
	}
	*box = read;
	return true;
}
