/* src/model/record.c: see record.h. */
#include "record.h"

#include <string.h>

/* Beyond this, JSON's numbers skip integers. */
#define EXACT_MAX ((UINT64_C(1) << 53) - 1)

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static const char *const record_kind_names[RECORD_KIND_COUNT] = {
	[RECORD_BOOT] = "boot",
	[RECORD_METER] = "meter",
	[RECORD_RESERVED] = "reserved",
	[RECORD_RELEASED] = "released",
	[RECORD_AUTHORIZED] = "authorized",
	[RECORD_STARTED] = "started",
	[RECORD_PAUSED] = "paused",
	[RECORD_RESUMED] = "resumed",
	[RECORD_MARK] = "mark",
	[RECORD_BOUNDARY] = "boundary",
	[RECORD_CREDIT] = "credit",
	[RECORD_STOPPING] = "stopping",
	[RECORD_ENDED] = "ended",
	[RECORD_AVAILABLE] = "available",
	[RECORD_FAULT] = "fault",
	[RECORD_CLEARED] = "cleared",
	[RECORD_SERVICE_MODE] = "service_mode",
	[RECORD_ALARM] = "alarm",
	[RECORD_COMMAND] = "command",
};

static const char *const session_kind_names[SESSION_KIND_COUNT] = {
	[SESSION_CUSTOMER] = "customer",
	[SESSION_SERVICE] = "service",
};

static const char *const command_type_names[COMMAND_TYPE_COUNT] = {
	[COMMAND_AUTHORIZE] = "authorize",
	[COMMAND_START] = "start",
	[COMMAND_STOP] = "stop",
	[COMMAND_POWER_OFF] = "power_off",
	[COMMAND_CREDIT] = "credit",
	[COMMAND_UNLOCK] = "unlock",
	[COMMAND_RESERVE] = "reserve",
	[COMMAND_RELEASE] = "release",
	[COMMAND_CLEAR_FAULT] = "clear_fault",
	[COMMAND_OUT_OF_SERVICE] = "out_of_service",
	[COMMAND_SERVICE] = "service",
	[COMMAND_DEPARTED] = "departed",
};

static const char *const command_outcome_names[COMMAND_OUTCOME_COUNT] = {
	[COMMAND_DONE] = "done",
	[COMMAND_REFUSED] = "refused",
	[COMMAND_EXPIRED] = "expired",
	[COMMAND_OUT_OF_ORDER] = "out_of_order",
	[COMMAND_UNVERIFIED] = "unverified",
	[COMMAND_FOREIGN] = "foreign",
	[COMMAND_NO_CLOCK] = "no_clock",
};

static const char *const alarm_names[ALARM_COUNT] = {
	[ALARM_METER_SILENT] = "meter_silent",
	[ALARM_METER_IMPLAUSIBLE] = "meter_implausible",
	[ALARM_METER_REPLACED] = "meter_replaced",
	[ALARM_LEDGER_SET_ASIDE] = "ledger_set_aside",
	[ALARM_STORAGE] = "storage",
	[ALARM_RECORD_REFUSED] = "record_refused",
	[ALARM_INSECURE_COMMANDS] = "insecure_commands",
	[ALARM_TAMPER] = "tamper",
};

const struct words record_kind_words = {record_kind_names, COUNT_OF(record_kind_names)};
const struct words session_kind_words = {session_kind_names, COUNT_OF(session_kind_names)};
const struct words command_type_words = {command_type_names, COUNT_OF(command_type_names)};
const struct words command_outcome_words = {command_outcome_names, COUNT_OF(command_outcome_names)};
const struct words alarm_words = {alarm_names, COUNT_OF(alarm_names)};

bool word_is_printable(const char *word, size_t size)
{
	size_t length = strnlen(word, size);
	if (length == 0 || length == size)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (word[i] < ' ' || word[i] > '~' || word[i] == '"' || word[i] == '\\')
			return false;
	}
	return true;
}

void word_copy(char *dest, size_t size, const char *src)
{
	size_t length = strnlen(src, size - 1);
	memset(dest, 0, size);
	memcpy(dest, src, length);
}

static bool text_fits(const char *text, size_t size)
{
	return text[0] == '\0' || word_is_printable(text, size);
}

static bool money_fits(int64_t micros)
{
	return micros >= 0 && micros <= FEE_MONEY_MAX_MICROS;
}

static bool energy_fits(int64_t mwh)
{
	return mwh >= 0 && mwh <= FEE_ENERGY_MAX_MWH;
}

bool duration_fits(int64_t ms)
{
	return ms >= 0 && ms <= INT64_C(100) * 366 * 24 * FEE_MS_PER_HOUR;
}

static bool has(const struct words *words, unsigned value)
{
	return value < words->count;
}

/* 0 in both is no such limit; 0 in one of them would be none, or an end at once. */
static bool full_fits(const struct grant *g)
{
	return g->full_ma >= 0 && g->full_ma <= GRANT_FULL_MAX_MA && g->full_ms >= 0 &&
	       g->full_ms <= GRANT_FULL_MAX_MS && (g->full_ma > 0) == (g->full_ms > 0);
}

const char *grant_fault(const struct grant *g)
{
	if (!word_is_printable(g->order, sizeof g->order))
		return "order must be 1 to 40 printable characters";
	if (!has(&session_kind_words, g->kind))
		return "kind must be customer or service";
	if (!duration_fits(g->hold_ms) || !duration_fits(g->lease_ms) || !duration_fits(g->limit_ms))
		return "hold_ms, lease_ms and limit_ms must be 0 to a century";
	if (!energy_fits(g->limit_mwh) || !money_fits(g->limit_micros) || !money_fits(g->credit_micros))
		return "limit_mwh, limit_micros and credit_micros must be 0 to 10^15";
	if (!full_fits(g))
		return "full_ma must be 1 to 10^6 and full_ms 1 to a day, or both 0";
	if (!has(&fee_mode_words, g->mode))
		return "mode must be local or remote";
	if (g->kind == SESSION_SERVICE)
		return text_fits(g->account, sizeof g->account) ? NULL : "account is not printable";
	if (!word_is_printable(g->account, sizeof g->account))
		return "account must be 1 to 40 printable characters";
	if (g->mode == FEE_REMOTE && g->lease_ms == 0)
		return "lease_ms must be above 0 in remote mode";
	if (g->tariff.id[0] != '\0' && !word_is_printable(g->tariff.id, sizeof g->tariff.id))
		return "the tariff's id must be 1 to 32 printable characters";
	const char *fault = fee_tariff_fault(&g->tariff);
	for (uint32_t i = 0; fault == NULL && i < g->tariff.rate_count; i++) {
		if (!word_is_printable(g->tariff.rates[i].name, sizeof g->tariff.rates[i].name))
			fault = "a rate's name must be 1 to 16 printable characters";
	}
	return fault;
}

static const char *receipt_fault(const struct receipt *r)
{
	if (!has(&end_reason_words, r->reason))
		return "reason is not in the list of end reasons";
	if (!energy_fits(r->start_mwh) || !energy_fits(r->energy_mwh))
		return "start_mwh and energy_mwh must be 0 to 10^15";
	for (size_t i = 0; i < FEE_RATES_MAX; i++) {
		if (!energy_fits(r->by_rate.mwh[i]))
			return "rates_mwh must be 0 to 10^15";
	}
	if (!money_fits(r->amount_micros))
		return "amount_micros must be 0 to 10^15";
	if (!duration_fits(r->energised_ms))
		return "energised_ms must be 0 to a century";
	return NULL;
}

static const char *session_record_fault(const struct record *r)
{
	switch (r->kind) {
	case RECORD_AUTHORIZED:
		return strcmp(r->order, r->u.authorized.order) != 0 ? "order must be the session's" :
								      grant_fault(&r->u.authorized);
	case RECORD_STARTED:
	case RECORD_RESUMED:
		if (!r->has_register)
			return "register_mwh is missing";
		return r->u.started.rate < FEE_RATES_MAX ? NULL : "rate must be 0 to 7";
	case RECORD_BOUNDARY:
		if (!r->has_register)
			return "register_mwh is missing";
		return r->u.boundary.rate < FEE_RATES_MAX ? NULL : "rate must be 0 to 7";
	case RECORD_PAUSED:
		if (!has(&end_reason_words, r->u.paused.reason))
			return "reason is not in the list of end reasons";
		return duration_fits(r->u.paused.energised_ms) ? NULL : "energised_ms must be 0 to a century";
	case RECORD_MARK:
		if (!r->has_register)
			return "register_mwh is missing";
		return duration_fits(r->u.mark.energised_ms) ? NULL : "energised_ms must be 0 to a century";
	case RECORD_CREDIT:
		return money_fits(r->u.credit.credit_micros) && duration_fits(r->u.credit.lease_ms) ?
			       NULL :
			       "credit_micros must be 0 to 10^15, lease_ms 0 to a century";
	case RECORD_STOPPING:
		if (!has(&end_reason_words, r->u.stopping.reason))
			return "reason is not in the list of end reasons";
		return duration_fits(r->u.stopping.energised_ms) ? NULL : "energised_ms must be 0 to a century";
	case RECORD_ENDED:
		return receipt_fault(&r->u.ended);
	case RECORD_AVAILABLE:
		return NULL;
	case RECORD_BOOT:
	case RECORD_METER:
	case RECORD_RESERVED:
	case RECORD_RELEASED:
	case RECORD_FAULT:
	case RECORD_CLEARED:
	case RECORD_SERVICE_MODE:
	case RECORD_ALARM:
	case RECORD_COMMAND:
	case RECORD_KIND_COUNT:
		break;
	}
	return "kind is not a session's";
}

bool record_is_of_session(enum record_kind kind)
{
	return kind == RECORD_AUTHORIZED || kind == RECORD_STARTED || kind == RECORD_PAUSED || kind == RECORD_RESUMED ||
	       kind == RECORD_MARK || kind == RECORD_BOUNDARY || kind == RECORD_CREDIT || kind == RECORD_STOPPING ||
	       kind == RECORD_ENDED || kind == RECORD_AVAILABLE;
}

static const char *other_record_fault(const struct record *r)
{
	switch (r->kind) {
	case RECORD_BOOT:
		return text_fits(r->u.boot.version, sizeof r->u.boot.version) ? NULL : "version is not printable";
	case RECORD_METER:
		return r->has_register && word_is_printable(r->u.meter.serial, sizeof r->u.meter.serial) ?
			       NULL :
			       "serial must be 1 to 32 printable characters, with a register_mwh";
	case RECORD_RESERVED:
		return word_is_printable(r->u.reserved.account, sizeof r->u.reserved.account) &&
				       duration_fits(r->u.reserved.hold_ms) ?
			       NULL :
			       "account must be 1 to 40 printable characters, hold_ms 0 to a century";
	case RECORD_FAULT:
		return has(&outlet_fault_words, r->u.fault.fault) && r->u.fault.fault != FAULT_NONE ?
			       NULL :
			       "fault is not in the list of faults";
	case RECORD_CLEARED:
		return has(&actor_words, r->u.cleared.actor) && text_fits(r->u.cleared.name, NAME_SIZE) ?
			       NULL :
			       "actor or name is not valid";
	case RECORD_ALARM:
		return has(&alarm_words, r->u.alarm.alarm) && text_fits(r->u.alarm.detail, DETAIL_SIZE) ?
			       NULL :
			       "alarm or detail is not valid";
	case RECORD_COMMAND:
		return r->u.command.seq <= EXACT_MAX && has(&command_outcome_words, r->u.command.outcome) &&
				       has(&command_type_words, r->u.command.type) &&
				       has(&actor_words, r->u.command.actor) &&
				       text_fits(r->u.command.name, NAME_SIZE) &&
				       text_fits(r->u.command.detail, DETAIL_SIZE) &&
				       word_is_printable(r->u.command.id, COMMAND_ID_SIZE) ?
			       NULL :
			       "id, command_seq, type, outcome or detail of the command is not valid";
	case RECORD_RELEASED:
	case RECORD_SERVICE_MODE:
	case RECORD_AUTHORIZED:
	case RECORD_STARTED:
	case RECORD_PAUSED:
	case RECORD_RESUMED:
	case RECORD_MARK:
	case RECORD_BOUNDARY:
	case RECORD_CREDIT:
	case RECORD_STOPPING:
	case RECORD_ENDED:
	case RECORD_AVAILABLE:
	case RECORD_KIND_COUNT:
		break;
	}
	return NULL;
}

static bool outlet_fits(const struct record *r)
{
	if (r->kind == RECORD_BOOT)
		return r->outlet == RECORD_NO_OUTLET;
	if (r->kind == RECORD_ALARM || r->kind == RECORD_COMMAND)
		return r->outlet >= RECORD_NO_OUTLET && r->outlet < OUTLETS_MAX;
	return r->outlet >= 0 && r->outlet < OUTLETS_MAX;
}

const char *record_fault(const struct record *r)
{
	if (!has(&record_kind_words, r->kind))
		return "kind is not in the list of record kinds";
	if (!outlet_fits(r))
		return "outlet must be one of the 16 that a box can have, or none where the kind allows it";
	if (!has(&time_quality_words, r->at.quality))
		return "time_quality must be unknown, relative or synchronised";
	if (r->seq > EXACT_MAX || r->at.mono_ms > (int64_t)EXACT_MAX)
		return "seq and mono_ms must be below 2^53";
	if (r->has_register && (r->outlet == RECORD_NO_OUTLET || !energy_fits(r->register_mwh)))
		return "register_mwh must be 0 to 10^15, and belongs to an outlet";
	if (!record_is_of_session(r->kind))
		return text_fits(r->order, sizeof r->order) ? other_record_fault(r) : "order is not printable";
	if (!word_is_printable(r->order, sizeof r->order))
		return "order must be 1 to 40 printable characters";
	return session_record_fault(r);
}
