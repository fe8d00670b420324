/* tests/unit/test_model.c: the limits of records, grants and commands; which record may follow which; and that every
 * unit on a register belongs to somebody, whatever happens. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "image.h"
#include "price.h"
#include "sample.h"

#define LIVES 24
#define LIFE_RECORDS 2000

/* ---- words ---- */

static const struct words *const all_words[] = {
	&end_reason_words,
	&outlet_state_words,
	&fee_mode_words,
	&outlet_fault_words,
	&actor_words,
	&time_quality_words,
	&rounding_words,
	&record_kind_words,
	&session_kind_words,
	&command_outcome_words,
	&alarm_words,
	&command_type_words,
	&session_phase_words,
};
#define ALL_WORDS (sizeof(all_words) / sizeof(*all_words))

START_TEST(every_word_finds_its_value)
{
	for (size_t i = 0; i < ALL_WORDS; i++) {
		for (unsigned value = 0; value < all_words[i]->count; value++) {
			const char *name = word_name(all_words[i], value);
			unsigned found = 99999;

			ck_assert_ptr_nonnull(name);
			ck_assert(word_is_printable(name, 32));
			ck_assert_uint_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
			ck_assert(word_find(all_words[i], name, &found));
			ck_assert_uint_eq(found, value); /* so no name stands twice */
		}
	}
}
END_TEST

START_TEST(unknown_words_change_nothing)
{
	static const char *const unknown[] = {"", " ", "Customer", "customer ", "nothing-like-it", "custome"};

	for (size_t i = 0; i < ALL_WORDS; i++) {
		for (size_t k = 0; k < sizeof(unknown) / sizeof(*unknown); k++) {
			unsigned value = 4711;

			ck_assert(!word_find(all_words[i], unknown[k], &value));
			ck_assert_uint_eq(value, 4711);
		}
	}
}
END_TEST

START_TEST(the_lists_are_those_of_the_design)
{
	static const char *const reasons[] = {"customer",
					      "credit_exhausted",
					      "limit_energy",
					      "limit_time",
					      "limit_amount",
					      "full",
					      "idle",
					      "not_started",
					      "door",
					      "tamper",
					      "overload",
					      "overvoltage",
					      "undervoltage",
					      "phase_loss",
					      "overtemperature",
					      "leakage",
					      "tripped",
					      "emergency_stop",
					      "reverse_energy",
					      "box_limit",
					      "meter_silent",
					      "meter_implausible",
					      "meter_replaced",
					      "breaker_fault",
					      "storage",
					      "clock",
					      "lease_expired",
					      "power_lost",
					      "server",
					      "operator",
					      "technician"};
	static const char *const states[] = {"available",
					     "reserved",
					     "unlocked",
					     "ready",
					     "supplying",
					     "paused",
					     "ending",
					     "finishing",
					     "faulted",
					     "out_of_service"};
	unsigned value;

	ck_assert_uint_eq(end_reason_words.count, sizeof(reasons) / sizeof(*reasons));
	for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		ck_assert_msg(word_find(&end_reason_words, reasons[i], &value), "%s", reasons[i]);
	ck_assert_uint_eq(outlet_state_words.count, sizeof(states) / sizeof(*states));
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		ck_assert_msg(word_find(&outlet_state_words, states[i], &value), "%s", states[i]);
}
END_TEST

START_TEST(what_is_missing_has_a_name_and_a_sentence)
{
	for (unsigned i = 0; i < MISSING_COUNT; i++) {
		ck_assert(word_is_printable(missing_name(1U << i), 40));
		ck_assert_uint_gt(strlen(missing_sentence(1U << i)), 10);
		for (unsigned k = 0; k < i; k++) {
			ck_assert_str_ne(missing_name(1U << i), missing_name(1U << k));
			ck_assert_str_ne(missing_sentence(1U << i), missing_sentence(1U << k));
		}
	}
}
END_TEST

START_TEST(only_faults_of_ours_release)
{
	ck_assert(end_reason_is_ours(END_BREAKER_FAULT));
	ck_assert(end_reason_is_ours(END_STORAGE));
	ck_assert(!end_reason_is_ours(END_CUSTOMER));
	ck_assert(!end_reason_is_ours(END_CREDIT_EXHAUSTED));
	ck_assert(!end_reason_is_ours(END_OVERLOAD));
	ck_assert(!end_reason_is_ours(END_POWER_LOST));
}
END_TEST

START_TEST(who_may_clear_what)
{
	for (unsigned fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++) {
		bool operators = fault == FAULT_WILL_NOT_CLOSE;

		ck_assert(outlet_fault_clearable((enum outlet_fault)fault, ACTOR_TECHNICIAN));
		ck_assert(outlet_fault_clearable((enum outlet_fault)fault, ACTOR_OPERATOR) == operators);
		ck_assert(!outlet_fault_clearable((enum outlet_fault)fault, ACTOR_CUSTOMER));
		ck_assert(!outlet_fault_clearable((enum outlet_fault)fault, ACTOR_SERVER));
	}
}
END_TEST

START_TEST(printable_words)
{
	char full[8];

	memset(full, 'x', sizeof(full));
	ck_assert(!word_is_printable("", 8));
	ck_assert(!word_is_printable(full, sizeof(full))); /* no NUL within */
	full[7] = '\0';
	ck_assert(word_is_printable(full, sizeof(full)));
	for (int c = 1; c < 256; c++) {
		char word[3] = {'a', (char)c, '\0'};
		bool allowed = c >= 32 && c < 127 && c != '"' && c != '\\';

		ck_assert_msg(word_is_printable(word, sizeof(word)) == allowed, "character %d", c);
	}
}
END_TEST

START_TEST(words_are_copied_and_cut)
{
	char to[6];

	memset(to, 'z', sizeof(to));
	word_copy(to, sizeof(to), "ab");
	ck_assert_mem_eq(to, "ab\0\0\0\0", 6);
	word_copy(to, sizeof(to), "abcdefghij");
	ck_assert_mem_eq(to, "abcde\0", 6);
	word_copy(to, sizeof(to), "");
	ck_assert_mem_eq(to, "\0\0\0\0\0\0", 6);
}
END_TEST

/* ---- limits ---- */

static void assert_valid_record(const struct record *r)
{
	const char *fault = record_fault(r);

	if (fault != NULL)
		ck_abort_msg("%s: %s", word_name(&record_kind_words, r->kind), fault);
}

START_TEST(samples_are_within_the_limits)
{
	struct sample s = {1};

	for (unsigned i = 0; i < 5000; i++) {
		struct record r;
		struct command c;
		const char *fault;

		sample_record(&s, (enum record_kind)(i % RECORD_KIND_COUNT), &r);
		assert_valid_record(&r);
		sample_command(&s, (enum command_type)(i % COMMAND_TYPE_COUNT), &c);
		fault = command_fault(&c);
		if (fault != NULL)
			ck_abort_msg("%s: %s", word_name(&command_type_words, c.type), fault);
	}
}
END_TEST

#define REFUSED_RECORD(kind_, change)                                                                                  \
	do {                                                                                                           \
		struct sample s_ = {__LINE__};                                                                         \
		struct record r;                                                                                       \
		do                                                                                                     \
			sample_record(&s_, (kind_), &r);                                                               \
		while (r.outlet < 0 && (kind_) != RECORD_BOOT);                                                        \
		assert_valid_record(&r);                                                                               \
		change;                                                                                                \
		ck_assert_msg(record_fault(&r) != NULL, "not refused: %s", #change);                                   \
	} while (0)

static void unterminate(char *text, size_t size)
{
	memset(text, 'x', size);
}

#define UNTERMINATE(field) unterminate((field), sizeof(field))

START_TEST(records_out_of_their_limits_are_refused)
{
	REFUSED_RECORD(RECORD_MARK, r.kind = RECORD_KIND_COUNT);
	REFUSED_RECORD(RECORD_MARK, r.kind = (enum record_kind)4711);
	REFUSED_RECORD(RECORD_MARK, r.outlet = RECORD_NO_OUTLET);
	REFUSED_RECORD(RECORD_MARK, r.outlet = OUTLETS_MAX);
	REFUSED_RECORD(RECORD_MARK, r.outlet = -2);
	REFUSED_RECORD(RECORD_ALARM, r.outlet = OUTLETS_MAX);
	REFUSED_RECORD(RECORD_ALARM, r.outlet = -2);
	REFUSED_RECORD(RECORD_BOOT, r.outlet = 0);
	REFUSED_RECORD(RECORD_MARK, r.at.quality = (enum time_quality)3);
	REFUSED_RECORD(RECORD_MARK, r.order[0] = '\0');
	REFUSED_RECORD(RECORD_MARK, r.order[0] = '\n');
	REFUSED_RECORD(RECORD_MARK, UNTERMINATE(r.order));
	REFUSED_RECORD(RECORD_ALARM, UNTERMINATE(r.order));
	REFUSED_RECORD(RECORD_MARK, r.has_register = false);
	REFUSED_RECORD(RECORD_STARTED, r.has_register = false);
	REFUSED_RECORD(RECORD_RESUMED, r.has_register = false);
	REFUSED_RECORD(RECORD_METER, r.has_register = false);
	REFUSED_RECORD(RECORD_MARK, r.register_mwh = -1);
	REFUSED_RECORD(RECORD_MARK, r.register_mwh = FEE_ENERGY_MAX_MWH + 1);
	REFUSED_RECORD(RECORD_BOOT, r.has_register = true);
	REFUSED_RECORD(RECORD_BOOT, UNTERMINATE(r.u.boot.version));
	REFUSED_RECORD(RECORD_METER, r.u.meter.serial[0] = '\0');
	REFUSED_RECORD(RECORD_METER, UNTERMINATE(r.u.meter.serial));
	REFUSED_RECORD(RECORD_RESERVED, r.u.reserved.account[0] = '\0');
	REFUSED_RECORD(RECORD_RESERVED, r.u.reserved.hold_ms = -1);
	REFUSED_RECORD(RECORD_RESERVED, r.u.reserved.hold_ms = INT64_MAX);
	REFUSED_RECORD(RECORD_AUTHORIZED, r.order[0] ^= 1);
	REFUSED_RECORD(RECORD_AUTHORIZED, r.u.authorized.kind = SESSION_KIND_COUNT);
	REFUSED_RECORD(RECORD_PAUSED, r.u.paused.reason = END_REASON_COUNT);
	REFUSED_RECORD(RECORD_PAUSED, r.u.paused.energised_ms = -1);
	REFUSED_RECORD(RECORD_MARK, r.u.mark.energised_ms = -1);
	REFUSED_RECORD(RECORD_MARK, r.u.mark.energised_ms = SAMPLE_CENTURY_MS + 1);
	REFUSED_RECORD(RECORD_CREDIT, r.u.credit.credit_micros = -1);
	REFUSED_RECORD(RECORD_CREDIT, r.u.credit.credit_micros = FEE_MONEY_MAX_MICROS + 1);
	REFUSED_RECORD(RECORD_CREDIT, r.u.credit.lease_ms = -1);
	REFUSED_RECORD(RECORD_STOPPING, r.u.stopping.reason = END_REASON_COUNT);
	REFUSED_RECORD(RECORD_STOPPING, r.u.stopping.energised_ms = -1);
	REFUSED_RECORD(RECORD_ENDED, r.u.ended.reason = (enum end_reason) - 1);
	REFUSED_RECORD(RECORD_ENDED, r.u.ended.start_mwh = -1);
	REFUSED_RECORD(RECORD_ENDED, r.u.ended.energy_mwh = FEE_ENERGY_MAX_MWH + 1);
	REFUSED_RECORD(RECORD_ENDED, r.u.ended.amount_micros = -1);
	REFUSED_RECORD(RECORD_ENDED, r.u.ended.energised_ms = -1);
	REFUSED_RECORD(RECORD_FAULT, r.u.fault.fault = FAULT_NONE);
	REFUSED_RECORD(RECORD_FAULT, r.u.fault.fault = FAULT_COUNT);
	REFUSED_RECORD(RECORD_CLEARED, r.u.cleared.actor = ACTOR_COUNT);
	REFUSED_RECORD(RECORD_CLEARED, UNTERMINATE(r.u.cleared.name));
	REFUSED_RECORD(RECORD_ALARM, r.u.alarm.alarm = ALARM_COUNT);
	REFUSED_RECORD(RECORD_ALARM, UNTERMINATE(r.u.alarm.detail));
	REFUSED_RECORD(RECORD_COMMAND, r.u.command.outcome = COMMAND_OUTCOME_COUNT);
	REFUSED_RECORD(RECORD_COMMAND, r.u.command.id[0] = '\0');
	REFUSED_RECORD(RECORD_COMMAND, UNTERMINATE(r.u.command.detail));
}
END_TEST

/* The wire asserts that what it writes is within the model's limits, so these must hold all that JSON cannot carry. */
START_TEST(records_that_json_cannot_carry_are_refused)
{
	REFUSED_RECORD(RECORD_MARK, r.seq = (uint64_t)SAMPLE_EXACT_MAX + 1);
	REFUSED_RECORD(RECORD_MARK, r.at.mono_ms = SAMPLE_EXACT_MAX + 1);
	REFUSED_RECORD(RECORD_COMMAND, r.u.command.seq = (uint64_t)SAMPLE_EXACT_MAX + 1);
}
END_TEST

/* A tariff's id travels as a word: one that cannot be read again makes a durable record that is damaged. */
START_TEST(a_tariff_that_cannot_be_read_again_is_refused)
{
	struct sample s = {2};
	struct grant grant;

	sample_grant(&s, SESSION_CUSTOMER, &grant);
	ck_assert_ptr_null(grant_fault(&grant));
	grant.tariff.id[0] = '\n';
	ck_assert_ptr_nonnull(grant_fault(&grant));
	grant.tariff.id[0] = '"';
	ck_assert_ptr_nonnull(grant_fault(&grant));
}
END_TEST

#define REFUSED_GRANT(kind_, change)                                                                                   \
	do {                                                                                                           \
		struct sample s_ = {__LINE__};                                                                         \
		struct grant g;                                                                                        \
		sample_grant(&s_, (kind_), &g);                                                                        \
		ck_assert_ptr_null(grant_fault(&g));                                                                   \
		change;                                                                                                \
		ck_assert_msg(grant_fault(&g) != NULL, "not refused: %s", #change);                                    \
	} while (0)

START_TEST(grants_out_of_their_limits_are_refused)
{
	REFUSED_GRANT(SESSION_CUSTOMER, g.order[0] = '\0');
	REFUSED_GRANT(SESSION_CUSTOMER, UNTERMINATE(g.order));
	REFUSED_GRANT(SESSION_CUSTOMER, g.account[0] = '\0');
	REFUSED_GRANT(SESSION_CUSTOMER, UNTERMINATE(g.account));
	REFUSED_GRANT(SESSION_CUSTOMER, g.kind = SESSION_KIND_COUNT);
	REFUSED_GRANT(SESSION_CUSTOMER, g.mode = FEE_MODE_COUNT);
	REFUSED_GRANT(SESSION_CUSTOMER, g.tariff.quantum_micros = 0);
	REFUSED_GRANT(SESSION_CUSTOMER, g.tariff.currency[0] = 'e');
	REFUSED_GRANT(SESSION_CUSTOMER, g.credit_micros = -1);
	REFUSED_GRANT(SESSION_CUSTOMER, g.credit_micros = FEE_MONEY_MAX_MICROS + 1);
	REFUSED_GRANT(SESSION_CUSTOMER, g.lease_ms = -1);
	REFUSED_GRANT(SESSION_CUSTOMER, g.hold_ms = -1);
	REFUSED_GRANT(SESSION_CUSTOMER, g.hold_ms = SAMPLE_CENTURY_MS + 1);
	REFUSED_GRANT(SESSION_CUSTOMER, g.limit_mwh = -1);
	REFUSED_GRANT(SESSION_CUSTOMER, g.limit_micros = -1);
	REFUSED_GRANT(SESSION_CUSTOMER, g.limit_ms = -1);
	REFUSED_GRANT(SESSION_CUSTOMER, (g.full_ma = 500, g.full_ms = 0));
	REFUSED_GRANT(SESSION_CUSTOMER, (g.full_ma = 0, g.full_ms = 600000));
	REFUSED_GRANT(SESSION_CUSTOMER, (g.full_ma = -1, g.full_ms = -1));
	REFUSED_GRANT(SESSION_CUSTOMER, (g.full_ma = -1, g.full_ms = 0));
	REFUSED_GRANT(SESSION_CUSTOMER, (g.full_ma = 0, g.full_ms = -1));
	REFUSED_GRANT(SESSION_CUSTOMER, (g.full_ma = GRANT_FULL_MAX_MA + 1, g.full_ms = 1));
	REFUSED_GRANT(SESSION_CUSTOMER, (g.full_ma = 1, g.full_ms = GRANT_FULL_MAX_MS + 1));
	REFUSED_GRANT(SESSION_CUSTOMER, (g.mode = FEE_REMOTE, g.lease_ms = 0));
	REFUSED_GRANT(SESSION_SERVICE, g.order[0] = '\0');
	REFUSED_GRANT(SESSION_SERVICE, g.limit_ms = -1);
}
END_TEST

/* Only the tariff is unused in a service session; account and mode are fields that are written. */
START_TEST(service_grants_out_of_their_limits_are_refused)
{
	REFUSED_GRANT(SESSION_SERVICE, UNTERMINATE(g.account));
	REFUSED_GRANT(SESSION_SERVICE, g.account[0] = '\n');
	REFUSED_GRANT(SESSION_SERVICE, g.mode = FEE_MODE_COUNT);
}
END_TEST

#define REFUSED_COMMAND(type_, change)                                                                                 \
	do {                                                                                                           \
		struct sample s_ = {__LINE__};                                                                         \
		struct command c;                                                                                      \
		sample_command(&s_, (type_), &c);                                                                      \
		ck_assert_ptr_null(command_fault(&c));                                                                 \
		change;                                                                                                \
		ck_assert_msg(command_fault(&c) != NULL, "not refused: %s", #change);                                  \
	} while (0)

START_TEST(commands_out_of_their_limits_are_refused)
{
	REFUSED_COMMAND(COMMAND_START, c.box[0] = '\0');
	REFUSED_COMMAND(COMMAND_START, UNTERMINATE(c.box));
	REFUSED_COMMAND(COMMAND_START, UNTERMINATE(c.ledger));
	REFUSED_COMMAND(COMMAND_START, c.id[0] = '\0');
	REFUSED_COMMAND(COMMAND_START, UNTERMINATE(c.id));
	REFUSED_COMMAND(COMMAND_START, c.type = COMMAND_TYPE_COUNT);
	REFUSED_COMMAND(COMMAND_START, c.actor = ACTOR_COUNT);
	REFUSED_COMMAND(COMMAND_START, (c.actor = ACTOR_TECHNICIAN, c.name[0] = '\0'));
	REFUSED_COMMAND(COMMAND_START, UNTERMINATE(c.name));
	REFUSED_COMMAND(COMMAND_START, c.outlet = RECORD_NO_OUTLET);
	REFUSED_COMMAND(COMMAND_START, c.outlet = OUTLETS_MAX);
	REFUSED_COMMAND(COMMAND_UNLOCK, c.outlet = -2);
	REFUSED_COMMAND(COMMAND_UNLOCK, (c.outlet = RECORD_NO_OUTLET, c.actor = ACTOR_SERVER));
	REFUSED_COMMAND(COMMAND_UNLOCK,
			(c.outlet = RECORD_NO_OUTLET,
			 c.u.unlock.work_order[0] = '\0',
			 c.actor = ACTOR_TECHNICIAN,
			 c.name[0] = 'x',
			 c.name[1] = '\0'));
	REFUSED_COMMAND(COMMAND_SERVICE, c.actor = ACTOR_OPERATOR);
	REFUSED_COMMAND(COMMAND_SERVICE, c.u.service.order[0] = '\0');
	REFUSED_COMMAND(COMMAND_AUTHORIZE, c.u.authorize.kind = SESSION_SERVICE);
	REFUSED_COMMAND(COMMAND_AUTHORIZE, c.u.authorize.hold_ms = -1);
	REFUSED_COMMAND(COMMAND_STOP, c.u.session.order[0] = '\0');
	REFUSED_COMMAND(COMMAND_POWER_OFF, UNTERMINATE(c.u.session.order));
	REFUSED_COMMAND(COMMAND_CREDIT, c.u.credit.credit_micros = -1);
	REFUSED_COMMAND(COMMAND_CREDIT, c.u.credit.lease_ms = -1);
	REFUSED_COMMAND(COMMAND_CREDIT, c.u.credit.order[0] = '\0');
	REFUSED_COMMAND(COMMAND_RESERVE, c.u.reserve.account[0] = '\0');
	REFUSED_COMMAND(COMMAND_RESERVE, c.u.reserve.hold_ms = -1);
}
END_TEST

/* What a command carries is written into a record: the record's limits are the command's too. */
START_TEST(a_command_allows_no_more_than_the_record_that_it_leads_to)
{
	REFUSED_COMMAND(COMMAND_RESERVE, c.u.reserve.hold_ms = SAMPLE_CENTURY_MS + 1);
	REFUSED_COMMAND(COMMAND_CREDIT, c.u.credit.lease_ms = SAMPLE_CENTURY_MS + 1);
}
END_TEST

/* An unlock's work order is for the metering box only, but is written whatever the outlet. */
START_TEST(an_unlock_of_a_user_box_has_a_printable_work_order_too)
{
	REFUSED_COMMAND(COMMAND_UNLOCK, (c.outlet = 0, c.u.unlock.work_order[0] = '\n'));
	REFUSED_COMMAND(COMMAND_UNLOCK, (c.outlet = 0, UNTERMINATE(c.u.unlock.work_order)));
}
END_TEST

START_TEST(only_stops_act_late)
{
	for (unsigned type = 0; type < COMMAND_TYPE_COUNT; type++)
		ck_assert(command_is_stop((enum command_type)type) ==
			  (type == COMMAND_STOP || type == COMMAND_POWER_OFF));
}
END_TEST

/* ---- the image ---- */

static void must_apply(struct box_image *image, const struct record *r)
{
	const char *fault = image_apply(image, r);

	if (fault != NULL)
		ck_abort_msg("record %llu, %s: %s",
			     (unsigned long long)r->seq,
			     word_name(&record_kind_words, r->kind),
			     fault);
}

/* Refused with a sentence, and not a byte of the image is touched. */
static void must_not_apply(struct box_image *image, const struct record *r)
{
	struct box_image before = *image;

	memcpy(&before, image, sizeof(before));

	const char *fault = image_apply(image, r);

	ck_assert_msg(fault != NULL && fault[0] != '\0',
		      "%s is taken in phase %s",
		      word_name(&record_kind_words, r->kind),
		      r->outlet < 0 ? "-" : word_name(&session_phase_words, image->outlets[r->outlet].session.phase));
	ck_assert_mem_eq(&before, image, sizeof(before));
}

static void step(struct box_image *image, struct sample *s, enum record_kind kind, int64_t moved_mwh)
{
	struct record r;

	sample_follow(s, image, kind, 0, moved_mwh, &r);
	must_apply(image, &r);
}

/* Booted, with meter "M-1" at 7 kWh on outlet 0. */
static void commission(struct box_image *image, struct sample *s)
{
	struct record r;

	image_init(image);
	sample_follow(s, image, RECORD_BOOT, RECORD_NO_OUTLET, -1, &r);
	must_apply(image, &r);
	sample_follow(s, image, RECORD_METER, 0, 7000000, &r);
	word_copy(r.u.meter.serial, METER_SERIAL_SIZE, "M-1");
	must_apply(image, &r);
}

/* An ordinary customer: 1 a kWh, a start fee of 0.10, cents rounded up, 10 to spend. */
static void ordinary_grant(const char *order, const char *account, struct record *r)
{
	struct grant *g = &r->u.authorized;

	memset(g, 0, sizeof(*g));
	word_copy(r->order, ORDER_SIZE, order);
	word_copy(g->order, ORDER_SIZE, order);
	word_copy(g->account, ACCOUNT_SIZE, account);
	word_copy(g->tariff.id, FEE_TARIFF_ID_SIZE, "flat");
	word_copy(g->tariff.currency, FEE_CURRENCY_SIZE, "EUR");
	g->tariff.energy_price_micros = 1000000;
	g->tariff.start_fee_micros = 100000;
	g->tariff.quantum_micros = 10000;
	g->tariff.rounding = FEE_ROUND_UP;
	g->credit_micros = 10000000;
	g->hold_ms = 300000;
}

static void authorize(struct box_image *image, struct sample *s, int outlet, const char *order, const char *account)
{
	struct record r;

	sample_follow(s, image, RECORD_AUTHORIZED, outlet, -1, &r);
	ordinary_grant(order, account, &r);
	must_apply(image, &r);
}

static void authorize_service(struct box_image *image, struct sample *s)
{
	struct record r;

	do
		sample_follow(s, image, RECORD_AUTHORIZED, 0, -1, &r);
	while (r.u.authorized.kind != SESSION_SERVICE);
	must_apply(image, &r);
}

static void end_session(struct box_image *image, struct sample *s, int outlet, enum end_reason reason,
			int64_t moved_mwh)
{
	struct record r;

	do
		sample_follow(s, image, RECORD_ENDED, outlet, moved_mwh, &r);
	while (end_reason_is_ours(r.u.ended.reason) != end_reason_is_ours(reason));
	r.u.ended.reason = reason;
	must_apply(image, &r);
}

START_TEST(a_whole_session)
{
	struct sample s = {3};
	struct box_image image;
	const struct outlet_image *o = &image.outlets[0];

	commission(&image, &s);
	ck_assert_str_eq(o->serial, "M-1");
	ck_assert_int_eq(o->outside_mwh, 7000000);
	authorize(&image, &s, 0, "A-1", "alice");
	ck_assert_int_eq(o->session.phase, PHASE_AUTHORIZED);
	ck_assert(session_is_open(&o->session));
	ck_assert_str_eq(o->session.grant.order, "A-1");
	step(&image, &s, RECORD_STARTED, 20000); /* moved before the start: nobody's */
	ck_assert_int_eq(o->session.phase, PHASE_STARTED);
	ck_assert_int_eq(o->session.start_mwh, 7020000);
	ck_assert(o->session.started_once);
	ck_assert_int_eq(o->outside_mwh, 7020000);
	ck_assert_int_eq(o->session_mwh, 0);
	step(&image, &s, RECORD_MARK, 1000000);
	ck_assert_int_eq(o->session_mwh, 1000000);
	step(&image, &s, RECORD_PAUSED, 500000);
	ck_assert_int_eq(o->session.phase, PHASE_PAUSED);
	ck_assert(session_is_open(&o->session));
	step(&image, &s, RECORD_RESUMED, 0);
	ck_assert_int_eq(o->session.phase, PHASE_STARTED);
	ck_assert_int_eq(o->session.start_mwh, 7020000); /* the first start's, still */
	step(&image, &s, RECORD_STOPPING, 500000);
	ck_assert_int_eq(o->session.phase, PHASE_STOPPING);
	end_session(&image, &s, 0, END_CUSTOMER, 3000);
	ck_assert_int_eq(o->session.phase, PHASE_ENDED);
	ck_assert(!session_is_open(&o->session));
	ck_assert_int_eq(o->billed_mwh, 2003000);
	ck_assert_int_eq(o->session_mwh, 0);
	ck_assert_int_eq(o->register_mwh, 9023000);
	step(&image, &s, RECORD_AVAILABLE, 10000);
	ck_assert_int_eq(o->session.phase, PHASE_NONE);
	ck_assert_int_eq(o->outside_mwh, 7030000);
	ck_assert_int_eq(o->billed_mwh + o->service_mwh + o->outside_mwh, o->register_mwh);
}
END_TEST

/* What each phase takes of the kinds of records of a session; all else is refused. */
static const struct {
	enum record_kind kind;
	unsigned phases; /* bits */
} permitted[] = {
	{RECORD_AUTHORIZED, 1 << PHASE_NONE},
	{RECORD_STARTED, 1 << PHASE_AUTHORIZED},
	{RECORD_PAUSED, 1 << PHASE_STARTED},
	{RECORD_RESUMED, 1 << PHASE_PAUSED},
	{RECORD_MARK, 1 << PHASE_STARTED},
	{RECORD_CREDIT, 1 << PHASE_AUTHORIZED | 1 << PHASE_STARTED | 1 << PHASE_PAUSED | 1 << PHASE_STOPPING},
	{RECORD_STOPPING, 1 << PHASE_AUTHORIZED | 1 << PHASE_STARTED | 1 << PHASE_PAUSED},
	{RECORD_ENDED, 1 << PHASE_AUTHORIZED | 1 << PHASE_STARTED | 1 << PHASE_PAUSED | 1 << PHASE_STOPPING},
	{RECORD_AVAILABLE, 1 << PHASE_ENDED},
	{RECORD_RESERVED, 1 << PHASE_NONE},
	{RECORD_METER, 1 << PHASE_NONE | 1 << PHASE_ENDED},
};

static void reach(struct box_image *image, struct sample *s, enum session_phase phase)
{
	commission(image, s);
	if (phase == PHASE_NONE)
		return;
	authorize(image, s, 0, "A-1", "alice");
	if (phase == PHASE_AUTHORIZED)
		return;
	step(image, s, RECORD_STARTED, 0);
	if (phase == PHASE_PAUSED)
		step(image, s, RECORD_PAUSED, 1000);
	if (phase == PHASE_STOPPING)
		step(image, s, RECORD_STOPPING, 1000);
	if (phase == PHASE_ENDED)
		end_session(image, s, 0, END_CUSTOMER, 1000);
}

START_TEST(every_order_of_records_is_permitted_or_refused)
{
	struct sample s = {4};

	for (size_t i = 0; i < sizeof(permitted) / sizeof(*permitted); i++) {
		struct box_image image;
		struct record r;

		reach(&image, &s, (enum session_phase)_i);
		sample_follow(&s, &image, permitted[i].kind, 0, 1000, &r);
		if (permitted[i].kind == RECORD_AUTHORIZED)
			ordinary_grant("A-2", "alice", &r);
		if (_i == PHASE_NONE && permitted[i].kind != RECORD_AUTHORIZED && permitted[i].kind != RECORD_METER)
			word_copy(r.order, ORDER_SIZE, "A-1");
		if (permitted[i].phases & 1U << _i)
			must_apply(&image, &r);
		else
			must_not_apply(&image, &r);
	}
}
END_TEST

/* Kinds that no session's phase forbids. */
START_TEST(what_is_not_of_a_session_may_come_at_any_time)
{
	static const enum record_kind kinds[] = {
		RECORD_FAULT, RECORD_CLEARED, RECORD_SERVICE_MODE, RECORD_ALARM, RECORD_COMMAND};
	struct sample s = {5};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct box_image image;

		reach(&image, &s, (enum session_phase)_i);
		step(&image, &s, kinds[i], 1000);
		ck_assert_int_eq(image.outlets[0].session.phase, _i);
	}
}
END_TEST

START_TEST(the_order_must_be_the_sessions)
{
	struct sample s = {6};

	for (unsigned phase = PHASE_AUTHORIZED; phase < SESSION_PHASE_COUNT; phase++) {
		for (size_t i = 0; i < sizeof(permitted) / sizeof(*permitted); i++) {
			enum record_kind kind = permitted[i].kind;
			struct box_image image;
			struct record r;

			if (!(permitted[i].phases & 1U << phase) || kind == RECORD_METER)
				continue;
			reach(&image, &s, (enum session_phase)phase);
			sample_follow(&s, &image, kind, 0, 1000, &r);
			word_copy(r.order, ORDER_SIZE, "A-2");
			must_not_apply(&image, &r);
		}
	}
}
END_TEST

START_TEST(seq_and_boot_follow_without_gaps)
{
	struct sample s = {7};
	struct box_image image;
	struct record r;

	image_init(&image);
	sample_follow(&s, &image, RECORD_ALARM, RECORD_NO_OUTLET, -1, &r);
	r.boot = 1;
	must_not_apply(&image, &r); /* before any boot */
	commission(&image, &s);
	sample_follow(&s, &image, RECORD_ALARM, RECORD_NO_OUTLET, -1, &r);

	struct record good = r;

	r.seq++;
	must_not_apply(&image, &r);
	r.seq -= 2;
	must_not_apply(&image, &r);
	r.seq = 0;
	must_not_apply(&image, &r);
	r = good;
	r.boot++;
	must_not_apply(&image, &r);
	r.boot = 0;
	must_not_apply(&image, &r);
	sample_follow(&s, &image, RECORD_BOOT, RECORD_NO_OUTLET, -1, &r);
	r.boot--;
	must_not_apply(&image, &r);
	r.boot += 2;
	must_not_apply(&image, &r);
	must_apply(&image, &good);
	ck_assert_uint_eq(image.seq, good.seq);
}
END_TEST

START_TEST(a_register_never_falls)
{
	struct sample s = {8};
	struct box_image image;
	struct record r;

	reach(&image, &s, PHASE_STARTED);
	sample_follow(&s, &image, RECORD_MARK, 0, 0, &r);
	r.register_mwh--;
	must_not_apply(&image, &r);
	sample_follow(&s, &image, RECORD_ALARM, 0, 0, &r);
	r.register_mwh = 0;
	must_not_apply(&image, &r);
}
END_TEST

START_TEST(no_register_before_a_meter)
{
	struct sample s = {9};
	struct box_image image;
	struct record r;

	commission(&image, &s);
	sample_follow(&s, &image, RECORD_ALARM, 1, 0, &r);
	must_not_apply(&image, &r);
	authorize(&image, &s, 1, "B-1", "bob");
	sample_follow(&s, &image, RECORD_STARTED, 1, 0, &r);
	must_not_apply(&image, &r);
}
END_TEST

START_TEST(a_new_meter_begins_a_new_epoch)
{
	struct sample s = {10};
	struct box_image image;
	struct outlet_image *o = &image.outlets[0];
	struct record r;

	reach(&image, &s, PHASE_ENDED);
	ck_assert_int_gt(o->billed_mwh, 0);
	sample_follow(&s, &image, RECORD_METER, 0, 0, &r);
	word_copy(r.u.meter.serial, METER_SERIAL_SIZE, "M-2");
	r.register_mwh = 12345; /* a new meter may show less */
	must_apply(&image, &r);
	ck_assert_str_eq(o->serial, "M-2");
	ck_assert_int_eq(o->register_mwh, 12345);
	ck_assert_int_eq(o->outside_mwh, 12345);
	ck_assert_int_eq(o->billed_mwh + o->service_mwh + o->session_mwh, 0);
}
END_TEST

static void refuse_receipt(const struct box_image *from, const struct record *good, int64_t energy, int64_t start)
{
	struct box_image image = *from;
	struct record r = *good;

	r.u.ended.energy_mwh += energy;
	r.u.ended.start_mwh += start;
	must_not_apply(&image, &r);
}

/* Whoever takes in what another charged takes the amount as it is, and can tell that it is wrong. */
static void doubt_amount(const struct box_image *from, const struct record *good, int64_t amount)
{
	struct box_image image = *from;
	struct record r = *good;

	r.u.ended.amount_micros += amount;
	ck_assert_ptr_nonnull(image_amount_fault(&image, &r));
	must_apply(&image, &r);
	ck_assert_int_eq(image.outlets[0].session.phase, PHASE_ENDED);
}

START_TEST(a_receipt_must_be_right)
{
	struct sample s = {11};
	struct box_image image;
	struct record r;

	reach(&image, &s, PHASE_STOPPING);
	do
		sample_follow(&s, &image, RECORD_ENDED, 0, 1500001, &r);
	while (end_reason_is_ours(r.u.ended.reason));
	ck_assert_int_eq(r.u.ended.energy_mwh, 1501001);
	ck_assert_int_eq(r.u.ended.amount_micros, 1510000 + 100000); /* up to the cent, and the start fee */
	refuse_receipt(&image, &r, 1, 0);
	refuse_receipt(&image, &r, -1, 0);
	refuse_receipt(&image, &r, 0, 1);
	refuse_receipt(&image, &r, 0, -1);
	doubt_amount(&image, &r, 1);
	doubt_amount(&image, &r, -1);
	doubt_amount(&image, &r, -r.u.ended.amount_micros);
	ck_assert_ptr_null(image_amount_fault(&image, &r));
	must_apply(&image, &r);
	ck_assert_ptr_null(image_amount_fault(&image, &r)); /* of no open session: image_apply() refuses it */
}
END_TEST

START_TEST(our_fault_costs_nothing_but_is_booked)
{
	struct sample s = {12};
	struct box_image image;

	reach(&image, &s, PHASE_STARTED);
	end_session(&image, &s, 0, END_BREAKER_FAULT, 2000000);
	ck_assert_int_eq(image.outlets[0].billed_mwh, 2000000);
	ck_assert_int_eq(image.outlets[0].session.reason, END_BREAKER_FAULT);
}
END_TEST

START_TEST(a_session_that_was_never_started_costs_nothing)
{
	struct sample s = {13};
	struct box_image image;

	reach(&image, &s, PHASE_AUTHORIZED);
	end_session(&image, &s, 0, END_NOT_STARTED, 5000); /* moved, but outside */
	ck_assert_int_eq(image.outlets[0].billed_mwh, 0);
	ck_assert_int_eq(image.outlets[0].outside_mwh, 7005000);
}
END_TEST

START_TEST(a_service_session_is_booked_to_service)
{
	struct sample s = {14};
	struct box_image image;
	struct outlet_image *o = &image.outlets[0];
	struct record r;

	commission(&image, &s);
	authorize_service(&image, &s);
	step(&image, &s, RECORD_STARTED, 0);
	sample_follow(&s, &image, RECORD_CREDIT, 0, -1, &r);
	must_not_apply(&image, &r);
	step(&image, &s, RECORD_STOPPING, 40000);
	end_session(&image, &s, 0, END_TECHNICIAN, 2000);
	ck_assert_int_eq(o->service_mwh, 42000);
	ck_assert_int_eq(o->billed_mwh, 0);
	for (size_t i = 0; i < OUTLETS_MAX; i++)
		ck_assert_int_eq(image.accounts[i].account[0], '\0'); /* no pool */
}
END_TEST

static int64_t cost(const struct grant *g, int64_t energy_mwh)
{
	struct fee_energy energy = {{energy_mwh}};

	return session_cost_micros(g, &energy);
}

START_TEST(costs)
{
	struct record r;
	struct grant *g = &r.u.authorized;

	memset(&r, 0, sizeof(r));
	ordinary_grant("A-1", "alice", &r);
	ck_assert_int_eq(cost(g, 0), 0);
	ck_assert_int_eq(cost(g, 1), 110000);
	ck_assert_int_eq(cost(g, 1000000), 1100000);
	g->kind = SESSION_SERVICE;
	ck_assert_int_eq(cost(g, 1000000), 0);
	g->kind = SESSION_CUSTOMER;
	g->tariff.energy_price_micros = FEE_MONEY_MAX_MICROS;
	ck_assert_int_eq(cost(g, FEE_ENERGY_MAX_MWH), FEE_MONEY_MAX_MICROS);
}
END_TEST

/* ---- tariffs by time of use ---- */

#define NOON_MS (INT64_C(20000) * 1440 * 60000 + 720 * 60000)

static void authorize_by_time(struct box_image *image, struct sample *s)
{
	struct record r;

	sample_follow(s, image, RECORD_AUTHORIZED, 0, -1, &r);
	ordinary_grant("A-1", "alice", &r);
	struct fee_tariff *t = &r.u.authorized.tariff;
	t->energy_price_micros = 0;
	t->rate_count = 2;
	t->rates[0] = (struct fee_rate){"day", 500000};
	t->rates[1] = (struct fee_rate){"evening", 200000};
	t->period_count = 2;
	t->periods[1] = (struct fee_period){720, 1};
	must_apply(image, &r);
}

static void at_time(struct box_image *image, struct sample *s, enum record_kind kind, int64_t moved_mwh,
		    int64_t wall_ms, struct record *r)
{
	sample_follow(s, image, kind, 0, moved_mwh, r);
	r->at.wall_ms = wall_ms;
	r->at.quality = TIME_RELATIVE;
	if (kind == RECORD_STARTED || kind == RECORD_RESUMED)
		r->u.started.rate = wall_ms >= NOON_MS;
	if (kind == RECORD_BOUNDARY) {
		r->u.boundary.wall_ms = wall_ms;
		r->u.boundary.rate = wall_ms >= NOON_MS;
		r->u.boundary.unknown_time = false;
	}
}

START_TEST(energy_goes_to_the_rate_of_its_time)
{
	static struct box_image image;
	struct sample s = {51};
	struct record r;

	commission(&image, &s);
	authorize_by_time(&image, &s);
	at_time(&image, &s, RECORD_STARTED, 0, NOON_MS - 1000, &r);
	r.u.started.rate = 1;
	must_not_apply(&image, &r);
	r.u.started.rate = 2;
	must_not_apply(&image, &r);
	r.u.started.rate = 0;
	r.at.quality = TIME_UNKNOWN;
	must_not_apply(&image, &r);
	r.at.quality = TIME_SYNCHRONISED;
	must_apply(&image, &r);
	at_time(&image, &s, RECORD_BOUNDARY, 5000, NOON_MS, &r);
	r.u.boundary.rate = 0;
	must_not_apply(&image, &r);
	r.u.boundary.unknown_time = true; /* not the cheapest */
	must_not_apply(&image, &r);
	r.u.boundary.unknown_time = false;
	r.u.boundary.rate = 1;
	must_apply(&image, &r);
	step(&image, &s, RECORD_MARK, 3000);
	at_time(&image, &s, RECORD_ENDED, 2000, NOON_MS + 1000, &r);
	ck_assert_int_eq(image.outlets[0].session.used.mwh[0], 5000);
	ck_assert_int_eq(image.outlets[0].session.used.mwh[1], 3000);
	r.u.ended.reason = END_CUSTOMER;
	r.u.ended.energy_mwh = 10000;
	r.u.ended.by_rate = (struct fee_energy){{5000, 5000}};
	struct fee_energy used = r.u.ended.by_rate;
	r.u.ended.amount_micros = session_cost_micros(&image.outlets[0].session.grant, &used);
	r.u.ended.by_rate = (struct fee_energy){{5001, 4999}};
	must_not_apply(&image, &r);
	r.u.ended.by_rate = used;
	ck_assert_int_eq(image.outlets[0].session.rate_from_ms, NOON_MS);
	must_apply(&image, &r);
	ck_assert_int_eq(image.outlets[0].billed_mwh, 10000);
	const struct session_image *session = &image.outlets[0].session;
	ck_assert_int_eq(fee_energy_total(&session->used), 0); /* as an older snapshot has it */
	ck_assert_uint_eq(session->rate, 0);
	ck_assert_int_eq(session->rate_from_ms, 0);
}
END_TEST

START_TEST(a_flat_tariff_has_no_boundaries)
{
	static struct box_image image;
	struct sample s = {52};
	struct record r;

	commission(&image, &s);
	authorize(&image, &s, 0, "A-1", "alice");
	at_time(&image, &s, RECORD_STARTED, 0, NOON_MS - 1000, &r);
	must_apply(&image, &r);
	at_time(&image, &s, RECORD_BOUNDARY, 0, NOON_MS - 1000, &r);
	must_not_apply(&image, &r);
}
END_TEST

/* ---- reservations, faults, commands, moments ---- */

static void reserve(struct box_image *image, struct sample *s, const char *account)
{
	struct record r;

	sample_follow(s, image, RECORD_RESERVED, 0, -1, &r);
	word_copy(r.u.reserved.account, ACCOUNT_SIZE, account);
	r.u.reserved.hold_ms = 60000;
	must_apply(image, &r);
}

START_TEST(a_reservation_is_for_one_account)
{
	struct sample s = {15};
	struct box_image image;
	struct record r;

	commission(&image, &s);
	reserve(&image, &s, "alice");
	ck_assert_str_eq(image.outlets[0].reserved_for, "alice");
	ck_assert_int_eq(image.outlets[0].reserved_ms, 60000);
	sample_follow(&s, &image, RECORD_AUTHORIZED, 0, -1, &r);
	ordinary_grant("B-1", "bob", &r);
	must_not_apply(&image, &r);
	authorize(&image, &s, 0, "A-1", "alice");
	ck_assert_str_eq(image.outlets[0].reserved_for, ""); /* used up */
}
END_TEST

START_TEST(a_released_outlet_is_for_all)
{
	struct sample s = {16};
	struct box_image image;

	commission(&image, &s);
	reserve(&image, &s, "alice");
	step(&image, &s, RECORD_RELEASED, -1);
	ck_assert_str_eq(image.outlets[0].reserved_for, "");
	authorize(&image, &s, 0, "B-1", "bob");
}
END_TEST

static struct record fault_record(struct sample *s, struct box_image *image, enum outlet_fault fault)
{
	struct record r;

	sample_follow(s, image, RECORD_FAULT, 0, -1, &r);
	r.u.fault.fault = fault;
	return r;
}

/* The same one again and a lesser one are refused; a graver one takes its place. */
START_TEST(a_fault_stays_until_cleared)
{
	struct sample s = {17};
	struct box_image image;
	struct record r;

	commission(&image, &s);
	r = fault_record(&s, &image, FAULT_TAMPER);
	must_apply(&image, &r);
	r = fault_record(&s, &image, FAULT_TAMPER);
	must_not_apply(&image, &r);
	r = fault_record(&s, &image, FAULT_WILL_NOT_CLOSE);
	must_not_apply(&image, &r);
	ck_assert_int_eq(image.outlets[0].fault, FAULT_TAMPER);
	r = fault_record(&s, &image, FAULT_WELDED);
	must_apply(&image, &r);
	ck_assert_int_eq(image.outlets[0].fault, FAULT_WELDED);
	ck_assert_int_eq(image.outlets[1].fault, FAULT_NONE);
	step(&image, &s, RECORD_CLEARED, -1);
	ck_assert_int_eq(image.outlets[0].fault, FAULT_NONE);
}
END_TEST

START_TEST(out_of_service_and_back)
{
	struct sample s = {18};
	struct box_image image;
	struct record r;

	commission(&image, &s);
	for (int out = 1; out >= 0; out--) {
		sample_follow(&s, &image, RECORD_SERVICE_MODE, 0, -1, &r);
		r.u.service_mode.out = out != 0;
		must_apply(&image, &r);
		ck_assert(image.outlets[0].out_of_service == (out != 0));
	}
}
END_TEST

START_TEST(the_highest_command_is_remembered)
{
	static const struct {
		uint64_t seq, highest;
	} steps[] = {{5, 5}, {0, 5}, {3, 5}, {5, 5}, {17, 17}, {16, 17}};
	struct sample s = {19};
	struct box_image image;
	struct record r;

	commission(&image, &s);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		sample_follow(&s, &image, RECORD_COMMAND, i % 2 ? 0 : RECORD_NO_OUTLET, -1, &r);
		r.u.command.seq = steps[i].seq;
		must_apply(&image, &r);
		ck_assert_uint_eq(image.command_seq, steps[i].highest);
	}
}
END_TEST

START_TEST(an_outlet_remembers_its_last_known_time)
{
	struct sample s = {20};
	struct box_image image;
	struct record r;

	commission(&image, &s);
	sample_follow(&s, &image, RECORD_ALARM, 0, -1, &r);
	r.at = (struct moment){1000, 1700000000000, TIME_RELATIVE};
	must_apply(&image, &r);
	sample_follow(&s, &image, RECORD_ALARM, 0, -1, &r);
	r.at = (struct moment){2000, 0, TIME_UNKNOWN};
	must_apply(&image, &r);
	ck_assert_int_eq(image.outlets[0].at.mono_ms, 1000);
	ck_assert_int_eq(image.outlets[0].at.wall_ms, 1700000000000);
	ck_assert_int_eq(image.outlets[0].at.quality, TIME_RELATIVE);
}
END_TEST

/* ---- account pools ---- */

START_TEST(sessions_of_one_account_share_its_credit)
{
	struct sample s = {21};
	struct box_image image;
	const struct account_image *pool;
	struct record r;

	commission(&image, &s);
	sample_follow(&s, &image, RECORD_METER, 1, 0, &r);
	must_apply(&image, &r);
	ck_assert_ptr_null(image_account(&image, "alice"));
	ck_assert_ptr_null(image_account(&image, ""));
	authorize(&image, &s, 0, "A-1", "alice");
	authorize(&image, &s, 1, "A-2", "alice");
	authorize(&image, &s, 2, "B-1", "bob");
	pool = image_account(&image, "alice");
	ck_assert_ptr_nonnull(pool);
	ck_assert_int_eq(pool->granted_micros, 20000000);
	ck_assert_int_eq(image_account(&image, "bob")->granted_micros, 10000000);
	step(&image, &s, RECORD_STARTED, 0);
	end_session(&image, &s, 0, END_CUSTOMER, 1000000);
	pool = image_account(&image, "alice"); /* A-2 is open: the pool stays, with what A-1 spent */
	ck_assert_int_eq(pool->spent_micros, 1100000);
	ck_assert_int_eq(pool->granted_micros, 20000000);
	sample_follow(&s, &image, RECORD_CREDIT, 1, -1, &r);
	r.u.credit.credit_micros = 7;
	r.u.credit.lease_ms = 0;
	must_apply(&image, &r);
	ck_assert_int_eq(image_account(&image, "alice")->granted_micros, 20000007);
	end_session(&image, &s, 1, END_CUSTOMER, -1);
	ck_assert_ptr_null(image_account(&image, "alice"));
	ck_assert_int_eq(image_account(&image, "bob")->spent_micros, 0);
	end_session(&image, &s, 2, END_CUSTOMER, -1);
	ck_assert_ptr_null(image_account(&image, "bob"));
}
END_TEST

START_TEST(credit_renews_the_lease)
{
	struct sample s = {22};
	struct box_image image;
	struct record r;

	reach(&image, &s, PHASE_STARTED);
	for (int64_t lease_ms = 600000; lease_ms >= 0; lease_ms -= 600000) {
		sample_follow(&s, &image, RECORD_CREDIT, 0, -1, &r);
		r.u.credit.lease_ms = lease_ms;
		must_apply(&image, &r);
		ck_assert_int_eq(image.outlets[0].session.grant.lease_ms, 600000); /* 0: as it was */
	}
}
END_TEST

START_TEST(sixteen_accounts_have_sixteen_pools)
{
	struct sample s = {23};
	struct box_image image;
	char name[ACCOUNT_SIZE];
	char order[ORDER_SIZE];

	commission(&image, &s);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < OUTLETS_MAX; i++) {
			snprintf(name, sizeof(name), "account-%d", i);
			snprintf(order, sizeof(order), "order-%d-%d", round, i);
			authorize(&image, &s, i, order, name);
			ck_assert_int_eq(image_account(&image, name)->granted_micros, 10000000);
		}
		for (int i = 0; i < OUTLETS_MAX; i++) {
			struct record r;

			snprintf(name, sizeof(name), "account-%d", i);
			end_session(&image, &s, i, END_NOT_STARTED, -1);
			ck_assert_ptr_null(image_account(&image, name));
			sample_follow(&s, &image, RECORD_AVAILABLE, i, -1, &r);
			must_apply(&image, &r);
		}
	}
}
END_TEST

START_TEST(sums_of_money_stop_at_the_limit)
{
	struct sample s = {24};
	struct box_image image;
	struct record r;

	reach(&image, &s, PHASE_STARTED);
	for (int i = 0; i < 20; i++) {
		sample_follow(&s, &image, RECORD_CREDIT, 0, -1, &r);
		r.u.credit.credit_micros = FEE_MONEY_MAX_MICROS;
		must_apply(&image, &r);
	}
	ck_assert_int_eq(image_account(&image, "alice")->granted_micros, FEE_MONEY_MAX_MICROS);
}
END_TEST

/* ---- properties of any life ---- */

/* Where the units of one epoch went, counted anew from the records alone. */
struct books {
	int64_t first, last;
	int64_t billed, service;
	bool metered;
};

static void book(struct books *books, const struct box_image *before, const struct record *r)
{
	if (r->outlet == RECORD_NO_OUTLET)
		return;

	struct books *b = &books[r->outlet];

	if (r->kind == RECORD_METER)
		*b = (struct books){.first = r->register_mwh, .metered = true};
	if (r->has_register)
		b->last = r->register_mwh;
	if (r->kind != RECORD_ENDED)
		return;
	if (before->outlets[r->outlet].session.grant.kind == SESSION_SERVICE)
		b->service += r->u.ended.energy_mwh;
	else
		b->billed += r->u.ended.energy_mwh;
}

static void check_books(const struct books *b, const struct outlet_image *o)
{
	int64_t sum = o->billed_mwh + o->service_mwh + o->outside_mwh + o->session_mwh;

	if (!b->metered) {
		ck_assert_int_eq(sum, 0);
		return;
	}
	if (sum != o->register_mwh || o->register_mwh != b->last || o->billed_mwh != b->billed ||
	    o->service_mwh != b->service)
		ck_abort_msg("billed %lld + service %lld + outside %lld + session %lld, register %lld",
			     (long long)o->billed_mwh,
			     (long long)o->service_mwh,
			     (long long)o->outside_mwh,
			     (long long)o->session_mwh,
			     (long long)o->register_mwh);
	if (o->outside_mwh < b->first || o->session_mwh < 0 || (!session_is_open(&o->session) && o->session_mwh != 0))
		ck_abort_msg("outside %lld of at least %lld, session %lld",
			     (long long)o->outside_mwh,
			     (long long)b->first,
			     (long long)o->session_mwh);
}

/* A pool is there exactly for the accounts with an open session. */
static void check_pools(const struct box_image *image)
{
	static const char *const accounts[] = {"alice", "bob"};

	for (size_t a = 0; a < 2; a++) {
		bool open = false;

		for (size_t i = 0; i < OUTLETS_MAX; i++) {
			const struct session_image *session = &image->outlets[i].session;

			open = open || (session_is_open(session) && session->grant.kind == SESSION_CUSTOMER &&
					strcmp(session->grant.account, accounts[a]) == 0);
		}
		if (open != (image_account(image, accounts[a]) != NULL))
			ck_abort_msg("%s: %s", accounts[a], open ? "a session without a pool" : "a pool left behind");
	}
}

START_TEST(every_unit_belongs_to_somebody)
{
	struct sample s = {100 + (uint64_t)_i};
	struct box_image image;
	struct books books[OUTLETS_MAX] = {{0}};
	int outlets = 1 + _i % 5;

	image_init(&image);
	for (unsigned n = 0; n < LIFE_RECORDS; n++) {
		struct record r;

		sample_next(&s, &image, outlets, &r);
		book(books, &image, &r);
		must_apply(&image, &r);
		for (int i = 0; i < outlets; i++)
			check_books(&books[i], &image.outlets[i]);
		check_pools(&image);
	}
	ck_assert_uint_eq(image.seq, LIFE_RECORDS);
}
END_TEST

/* An arbitrary record, at any moment of a life, is taken only where it keeps the books right; else nothing changes. */
START_TEST(arbitrary_records_break_nothing)
{
	struct sample s = {200 + (uint64_t)_i};
	struct box_image image;
	struct box_image before;

	image_init(&image);
	for (unsigned n = 0; n < LIFE_RECORDS; n++) {
		struct record r;

		if (sample_happens(&s, 50))
			sample_next(&s, &image, 3, &r);
		else
			sample_follow(&s,
				      &image,
				      (enum record_kind)sample_between(&s, 0, RECORD_KIND_COUNT - 1),
				      (int)sample_between(&s, RECORD_NO_OUTLET, 2),
				      sample_between(&s, -1, 500000),
				      &r);
		memcpy(&before, &image, sizeof(image));
		if (image_apply(&image, &r) != NULL) {
			if (memcmp(&before, &image, sizeof(image)) != 0)
				ck_abort_msg("a refused %s changes the image", word_name(&record_kind_words, r.kind));
			continue;
		}
		for (int i = 0; i < 3; i++) {
			const struct outlet_image *o = &image.outlets[i];

			if (o->billed_mwh + o->service_mwh + o->outside_mwh + o->session_mwh != o->register_mwh)
				ck_abort_msg("%s breaks the books", word_name(&record_kind_words, r.kind));
		}
		check_pools(&image);
	}
}
END_TEST

/* ---- the suite ---- */

static TCase *case_new(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_set_timeout(tcase, 60);
	suite_add_tcase(suite, tcase);
	return tcase;
}

static void add_limits(Suite *suite)
{
	TCase *words = case_new(suite, "words");
	TCase *limits = case_new(suite, "limits");

	tcase_add_test(words, every_word_finds_its_value);
	tcase_add_test(words, unknown_words_change_nothing);
	tcase_add_test(words, the_lists_are_those_of_the_design);
	tcase_add_test(words, what_is_missing_has_a_name_and_a_sentence);
	tcase_add_test(words, only_faults_of_ours_release);
	tcase_add_test(words, who_may_clear_what);
	tcase_add_test(words, printable_words);
	tcase_add_test(words, words_are_copied_and_cut);
	tcase_add_test(limits, samples_are_within_the_limits);
	tcase_add_test(limits, records_out_of_their_limits_are_refused);
	tcase_add_test(limits, records_that_json_cannot_carry_are_refused);
	tcase_add_test(limits, a_tariff_that_cannot_be_read_again_is_refused);
	tcase_add_test(limits, grants_out_of_their_limits_are_refused);
	tcase_add_test(limits, service_grants_out_of_their_limits_are_refused);
	tcase_add_test(limits, commands_out_of_their_limits_are_refused);
	tcase_add_test(limits, a_command_allows_no_more_than_the_record_that_it_leads_to);
	tcase_add_test(limits, an_unlock_of_a_user_box_has_a_printable_work_order_too);
	tcase_add_test(limits, only_stops_act_late);
}

static void add_image(Suite *suite)
{
	TCase *image = case_new(suite, "image");
	TCase *life = case_new(suite, "life");

	tcase_add_test(image, a_whole_session);
	tcase_add_loop_test(image, every_order_of_records_is_permitted_or_refused, 0, SESSION_PHASE_COUNT);
	tcase_add_loop_test(image, what_is_not_of_a_session_may_come_at_any_time, 0, SESSION_PHASE_COUNT);
	tcase_add_test(image, the_order_must_be_the_sessions);
	tcase_add_test(image, seq_and_boot_follow_without_gaps);
	tcase_add_test(image, a_register_never_falls);
	tcase_add_test(image, no_register_before_a_meter);
	tcase_add_test(image, a_new_meter_begins_a_new_epoch);
	tcase_add_test(image, a_receipt_must_be_right);
	tcase_add_test(image, our_fault_costs_nothing_but_is_booked);
	tcase_add_test(image, a_session_that_was_never_started_costs_nothing);
	tcase_add_test(image, a_service_session_is_booked_to_service);
	tcase_add_test(image, costs);
	tcase_add_test(image, energy_goes_to_the_rate_of_its_time);
	tcase_add_test(image, a_flat_tariff_has_no_boundaries);
	tcase_add_test(image, a_reservation_is_for_one_account);
	tcase_add_test(image, a_released_outlet_is_for_all);
	tcase_add_test(image, a_fault_stays_until_cleared);
	tcase_add_test(image, out_of_service_and_back);
	tcase_add_test(image, the_highest_command_is_remembered);
	tcase_add_test(image, an_outlet_remembers_its_last_known_time);
	tcase_add_test(image, sessions_of_one_account_share_its_credit);
	tcase_add_test(image, credit_renews_the_lease);
	tcase_add_test(image, sixteen_accounts_have_sixteen_pools);
	tcase_add_test(image, sums_of_money_stop_at_the_limit);
	tcase_add_loop_test(life, every_unit_belongs_to_somebody, 0, LIVES);
	tcase_add_loop_test(life, arbitrary_records_break_nothing, 0, LIVES);
}

int main(void)
{
	Suite *suite = suite_create("model");

	add_limits(suite);
	add_image(suite);

	SRunner *runner = srunner_create(suite);

	srunner_run_all(runner, CK_ENV);

	int failed = srunner_ntests_failed(runner);

	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
