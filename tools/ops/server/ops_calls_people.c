/* tools/ops/server/ops_calls_people.c: calls about who may come in: customers' codes, sessions, staff, and what staff did;
 * see ops_calls.h.
 *
 * Room: tools/ops/server; tools/ops/core. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"
#include "ops_calls.h"
#include "ops_who.h"

#define ACTS_AT_ONCE 100

/* All contacts together: a stranger's loop shall not send the world messages at the operator's cost. */
static const struct allowance all_codes = {60, 1000};

bool ops_doors_open(struct ops_doors *doors)
{
	struct allowances *const all[] = {&doors->codes, &doors->customers, &doors->orders, &doors->staff};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		if (getrandom(&all[i]->secret, sizeof all[i]->secret, 0) != sizeof all[i]->secret)
			return false;
	}
	doors->codes.each = (struct allowance){20, 10000}; /* a whole mobile network may have one address */
	doors->customers.each = (struct allowance){30, 5000};
	doors->orders.each = (struct allowance){30, 5000}; /* each is a command and some records on a box's flash */
	doors->staff.each = (struct allowance){5, 5000}; /* less than the core has for all together */
	return true;
}

/* Behind a proxy it is what that says; where all have one address there is none that tells anything. */
static bool find_address(struct ops_request *q, uint64_t *address)
{
	if (q->server->options->behind_proxy)
		return ops_peer_forwarded(q->connection, address);
	return q->server->addresses_differ && ops_peer_address(q->connection, address);
}

/* False: refused, as the address has asked too often. Where it is not known there is no such limit. */
static bool enter(struct ops_request *q, struct allowances *door)
{
	uint64_t address;
	if (!find_address(q, &address))
		return true;
	int64_t wait_ms = allowances_use(door, address, ops_monotonic_now_ms());
	if (wait_ms > 0)
		ops_refuse_often(q, wait_ms, "too many attempts from this address");
	return wait_ms == 0;
}

static void answer_ok(struct ops_request *q)
{
	cJSON *object = cJSON_CreateObject();
	cJSON_AddBoolToObject(object, "ok", true);
	ops_answer(q, MHD_HTTP_OK, object);
}

/* Two texts of the body, which has no other fields; the object is the caller's to delete. NULL: refused. */
static cJSON *take_two(struct ops_request *q, const char *const names[], const char *texts[2])
{
	cJSON *object = ops_request_object(q);
	if (object == NULL)
		return NULL;
	if (ops_take_only(q, object, names) && ops_take_text(q, object, names[0], &texts[0]) &&
	    ops_take_text(q, object, names[1], &texts[1]))
		return object;
	cJSON_Delete(object);
	return NULL;
}

/* --- customers --- */

/* False: refused. */
static bool send_code(struct ops_request *q, const char *contact, const char *code)
{
	const struct ops_message_provider *provider = &q->server->message;
	char text[OPS_MESSAGE_TEXT_SIZE];
	snprintf(text,
		 sizeof text,
		 "Your code: %s. It is good for %d minutes. Tell it to nobody. "
		 "您的验证码：%s，%d分钟内有效，请勿告诉他人。",
		 code,
		 PEOPLE_CODE_MIN,
		 code,
		 PEOPLE_CODE_MIN);
	int result = provider->send(provider->ctx, contact, text, ops_wall_now_ms());
	if (result == 0)
		return true;
	log_line(LOG_LEVEL_ERROR,
		 "message_failed",
		 "contact=%s error=%s",
		 log_text(contact).text,
		 log_text(strerror(-result)).text);
	q->retry_s = REQUEST_RETRY_S;
	ops_refuse(q, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable", "the code cannot be sent; try again later");
	return false;
}

/* Makes a code and sends it. */
static void make_code(struct ops_request *q, const char *contact)
{
	struct ops_doors *doors = &q->server->doors;
	struct ops_error error;
	char canonical[PEOPLE_CONTACT_SIZE], code[PEOPLE_CODE_SIZE];
	int64_t until_ms = doors->codes_until_ms, wait_ms;
	if (!enter(q, &doors->codes))
		return;
	if ((wait_ms = allowance_use(&all_codes, &until_ms, ops_monotonic_now_ms())) > 0) {
		ops_refuse_often(q, wait_ms, "too many codes are asked for");
		return;
	}
	int result = ops_make_code(q->server->ops, contact, ops_wall_now_ms(), canonical, code, &wait_ms, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	if (result > 0) {
		ops_refuse_often(q, wait_ms, "too many codes for this contact");
		return;
	}
	doors->codes_until_ms = until_ms; /* only one that is sent counts for everybody */
	if (!send_code(q, canonical, code))
		return;
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "contact", canonical);
	ops_answer(q, MHD_HTTP_ACCEPTED, object);
}

void ops_call_codes(struct ops_request *q)
{
	static const char *const fields[] = {"contact", NULL};
	const char *contact;
	cJSON *object = ops_request_object(q);
	if (object == NULL)
		return;
	if (ops_take_only(q, object, fields) && ops_take_text(q, object, "contact", &contact))
		make_code(q, contact);
	cJSON_Delete(object);
}

void ops_call_me(struct ops_request *q)
{
	struct ops_error error;
	int64_t balance_micros, spendable_micros;
	int result = ops_balance(q->server->ops, q->person.account, &balance_micros, &error);
	if (result == 0)
		result = ops_spendable(q->server->ops, q->person.account, &spendable_micros, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "contact", q->person.name);
	cJSON_AddStringToObject(object, "account", q->person.account);
	ops_add_number(object, "balance_micros", balance_micros);
	ops_add_number(object, "spendable_micros", spendable_micros);
	ops_answer(q, MHD_HTTP_OK, object);
}

/* --- sessions --- */

struct door {
	enum person_kind kind;
	const char *fields[3]; /* who, the secret, NULL */
	const char *code, *why; /* of a wrong secret */
};

static void refuse_entry(struct ops_request *q, const struct door *door, enum sign_in outcome, int64_t wait_ms)
{
	if (outcome == SIGN_IN_LATER)
		ops_refuse_often(q, wait_ms, "too many attempts");
	else if (outcome == SIGN_IN_VOID)
		ops_refuse(
			q, MHD_HTTP_UNAUTHORIZED, "code_void", "no code is open for this contact: ask for a new one");
	else
		ops_refuse(q, MHD_HTTP_UNAUTHORIZED, door->code, "%s", door->why);
}

/* texts: who, and the secret. */
static int ask_core(struct ops_request *q, enum person_kind kind, const char *const texts[2],
		    char token[PEOPLE_TOKEN_SIZE], enum sign_in *outcome, int64_t *wait_ms, struct ops_error *error)
{
	struct ops *ops = q->server->ops;
	uint64_t place = 0;
	int64_t now_ms = ops_wall_now_ms();
	if (kind == PERSON_CUSTOMER)
		return ops_sign_in_customer(
			ops, texts[0], texts[1], now_ms, token, &q->person, outcome, wait_ms, error);
	if (!find_address(q, &place))
		place = 0;
	return ops_sign_in_staff(ops, texts[0], texts[1], place, now_ms, token, &q->person, outcome, wait_ms, error);
}

/* False: refused. */
static bool sign_in(struct ops_request *q, const struct door *door, struct allowances *allowed)
{
	struct ops_error error;
	char token[PEOPLE_TOKEN_SIZE];
	const char *texts[2];
	enum sign_in outcome;
	int64_t wait_ms;
	cJSON *object = take_two(q, door->fields, texts);
	if (object == NULL || !enter(q, allowed)) {
		cJSON_Delete(object);
		return false;
	}
	int result = ask_core(q, door->kind, texts, token, &outcome, &wait_ms, &error);
	cJSON_Delete(object);
	if (result < 0)
		ops_refuse_core(q, result, &error);
	else if (outcome != SIGN_IN_DONE)
		refuse_entry(q, door, outcome, wait_ms);
	else
		ops_set_cookie(q, door->kind, token);
	return q->status == 0;
}

void ops_call_customer_in(struct ops_request *q)
{
	static const struct door door = {
		PERSON_CUSTOMER, {"contact", "code", NULL}, "wrong_code", "this is not the code that was sent last"};
	if (sign_in(q, &door, &q->server->doors.customers))
		ops_call_me(q);
}

void ops_call_staff_in(struct ops_request *q)
{
	static const struct door door = {
		PERSON_STAFF, {"name", "password", NULL}, "wrong_password", "the name or the password is wrong"};
	if (sign_in(q, &door, &q->server->doors.staff))
		ops_call_staff_me(q);
}

static void sign_out(struct ops_request *q, enum person_kind kind)
{
	struct ops_error error;
	if (!ops_take_nothing(q))
		return;
	bool found = ops_find_cookie(q, kind);
	int result = found ? ops_end_session(q->server->ops, q->session, &error) : 0;
	if (result < 0)
		ops_refuse_core(q, result, &error);
	if (q->status != 0)
		return;
	if (found) /* what this session looks on at ends; nobody else makes all others look */
		ops_streams_wake_watchers(q->server);
	ops_set_cookie(q, kind, "");
	answer_ok(q);
}

void ops_call_customer_out(struct ops_request *q)
{
	sign_out(q, PERSON_CUSTOMER);
}

static void answer_staff(struct ops_request *q, const char *name, enum staff_role role)
{
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "name", name);
	cJSON_AddStringToObject(object, "role", word_name(&staff_role_words, role));
	ops_answer(q, MHD_HTTP_OK, object);
}

void ops_call_staff_me(struct ops_request *q)
{
	answer_staff(q, q->person.name, q->person.role);
}

void ops_call_staff_out(struct ops_request *q)
{
	sign_out(q, PERSON_STAFF);
}

/* --- staff --- */

static bool take_staff(void *ctx, const char *name, enum staff_role role)
{
	cJSON *item = cJSON_CreateObject();
	cJSON_AddStringToObject(item, "name", name);
	cJSON_AddStringToObject(item, "role", word_name(&staff_role_words, role));
	return cJSON_AddItemToArray(ctx, item);
}

void ops_call_staff(struct ops_request *q)
{
	struct ops_error error;
	cJSON *object = cJSON_CreateObject();
	int result = ops_each_staff(q->server->ops, take_staff, cJSON_AddArrayToObject(object, "staff"), &error);
	if (result == 0) {
		ops_answer(q, MHD_HTTP_OK, object);
		return;
	}
	cJSON_Delete(object);
	ops_refuse_core(q, result, &error);
}

static void put_staff(struct ops_request *q, const char *word, const char *password)
{
	struct ops_error error;
	unsigned role = 0;
	if (!word_find(&staff_role_words, word, &role)) {
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "role must be viewer, operator or manager");
		return;
	}
	if (strcmp(q->name, OPS_PROGRAM) == 0) {
		ops_refuse(q,
			   MHD_HTTP_BAD_REQUEST,
			   "bad_request",
			   OPS_PROGRAM " is what programs are called; take another name");
		return;
	}
	int result = ops_put_staff(q->server->ops, q->name, role, password, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	log_line(LOG_LEVEL_INFO,
		 "staff",
		 "name=%s role=%s by=%s",
		 log_text(q->name).text,
		 word_name(&staff_role_words, role),
		 log_text(q->person.name).text);
	ops_note_detail(q, "%s", word_name(&staff_role_words, role));
	ops_streams_wake_watchers(q->server); /* all sessions of that name have ended */
	answer_staff(q, q->name, role);
}

void ops_call_put_staff(struct ops_request *q)
{
	static const char *const fields[] = {"role", "password", NULL};
	const char *texts[2];
	cJSON *object = take_two(q, fields, texts);
	if (object == NULL)
		return;
	put_staff(q, texts[0], texts[1]);
	cJSON_Delete(object);
}

void ops_call_drop_staff(struct ops_request *q)
{
	struct ops_error error;
	if (!ops_take_nothing(q))
		return;
	int result = ops_remove_staff(q->server->ops, q->name, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	log_line(LOG_LEVEL_INFO,
		 "staff_removed",
		 "name=%s by=%s",
		 log_text(q->name).text,
		 log_text(q->person.name).text);
	ops_streams_wake_watchers(q->server);
	answer_ok(q);
}

/* --- what was done and sent --- */

struct act_list {
	cJSON *array;
	int count;
};

static bool take_act(void *ctx, const struct act *act)
{
	struct act_list *list = ctx;
	cJSON *item = cJSON_CreateObject();
	ops_add_number(item, "number", act->number);
	ops_add_time(item, "time", act->at_ms);
	cJSON_AddStringToObject(item, "who", act->who);
	cJSON_AddStringToObject(item, "what", act->what);
	cJSON_AddStringToObject(item, "subject", act->subject);
	cJSON_AddStringToObject(item, "detail", act->detail);
	cJSON_AddItemToArray(list->array, item);
	return ++list->count < ACTS_AT_ONCE;
}

void ops_call_acts(struct ops_request *q)
{
	struct ops_error error;
	uint64_t before = 0;
	if (!ops_request_number(q, "before", 1, REQUEST_EXACT_MAX, &before))
		return;
	cJSON *object = cJSON_CreateObject();
	struct act_list list = {.array = cJSON_AddArrayToObject(object, "acts")};
	int result = ops_each_act(q->server->ops, (int64_t)before, take_act, &list, &error);
	if (result == 0) {
		ops_answer(q, MHD_HTTP_OK, object);
		return;
	}
	cJSON_Delete(object);
	ops_refuse_core(q, result, &error);
}

void ops_call_messages(struct ops_request *q)
{
	const struct ops_message *message;
	cJSON *object = cJSON_CreateObject();
	cJSON *array = cJSON_AddArrayToObject(object, "messages");
	for (uint64_t n = 0; (message = ops_messages_get(&q->server->messages, n)) != NULL; n++) {
		cJSON *item = cJSON_CreateObject();
		ops_add_time(item, "time", message->at_ms);
		cJSON_AddStringToObject(item, "contact", message->contact);
		cJSON_AddStringToObject(item, "text", message->text);
		cJSON_AddItemToArray(array, item);
	}
	ops_answer(q, MHD_HTTP_OK, object);
}
