/* Tests tools/ops/core/people.h: codes, passwords, sessions, and what nobody may do. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ops_sides.h"
#include "people.h"

#define MINUTE_MS INT64_C(60000)
#define DAY_MS (24 * 60 * MINUTE_MS)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct ops *ops;
static struct ops_error error;
static uint64_t chance;
static int64_t now_ms;

static void setup(void)
{
	struct ops_options options = {.path = ":memory:", .random = give_random, .ctx = &chance, .command_ms = 60000};

	chance = 1;
	now_ms = INT64_C(1800000000000);
	ck_assert_msg(ops_open(&options, &ops, &error) == 0, "%s", error.text);
}

static void teardown(void)
{
	ops_close(ops);
}

/* --- helpers --- */

static int ask(const char *contact, char code[PEOPLE_CODE_SIZE], int64_t *wait_ms)
{
	char canonical[PEOPLE_CONTACT_SIZE];

	return ops_make_code(ops, contact, now_ms, canonical, code, wait_ms, &error);
}

static enum sign_in enter(const char *contact, const char *code, char token[PEOPLE_TOKEN_SIZE], struct person *person)
{
	enum sign_in outcome;
	int64_t wait_ms;

	ck_assert_msg(ops_sign_in_customer(ops, contact, code, now_ms, token, person, &outcome, &wait_ms, &error) == 0,
		      "%s",
		      error.text);
	return outcome;
}

static void wrong_code(const char *code, char wrong[PEOPLE_CODE_SIZE])
{
	memcpy(wrong, code, PEOPLE_CODE_SIZE);
	wrong[5] = wrong[5] == '9' ? '0' : (char)(wrong[5] + 1);
}

/* A customer who has signed in. */
static struct person customer(const char *contact, char token[PEOPLE_TOKEN_SIZE])
{
	char code[PEOPLE_CODE_SIZE];
	int64_t wait_ms;
	struct person person;

	ck_assert_int_eq(ask(contact, code, &wait_ms), 0);
	ck_assert_int_eq(enter(contact, code, token, &person), SIGN_IN_DONE);
	return person;
}

static enum sign_in pass_from(uint64_t place, const char *name, const char *password, char token[PEOPLE_TOKEN_SIZE],
			      struct person *person)
{
	enum sign_in outcome;
	int64_t wait_ms;

	ck_assert_msg(
		ops_sign_in_staff(ops, name, password, place, now_ms, token, person, &outcome, &wait_ms, &error) == 0,
		"%s",
		error.text);
	ck_assert_int_eq(outcome == SIGN_IN_LATER, wait_ms > 0);
	return outcome;
}

static enum sign_in pass(const char *name, const char *password, char token[PEOPLE_TOKEN_SIZE], struct person *person)
{
	return pass_from(0, name, password, token, person);
}

/* --- contacts --- */

static const struct {
	const char *text;
	const char *canonical; /* NULL: refused */
} contacts[] = {
	{"+49 170 1234567", "+491701234567"},
	{"+49 (170) 123-45.67", "+491701234567"},
	{"0049 170 1234567", "+491701234567"},
	{" +8613800138000", "+8613800138000"},
	{"+123456789012345", "+123456789012345"},
	{"+1234567890123456", NULL},
	{"+123456", NULL},
	{"0170 1234567", NULL},
	{"+0170 1234567", NULL},
	{"+49 170 12345x7", NULL},
	{"", NULL},
	{" ", NULL},
	{"+", NULL},
	{"00", NULL},
	{"Ann@Example.org", "ann@example.org"},
	{"a.b+c@d-e.example", "a.b+c@d-e.example"},
	{"ann@example", NULL},
	{"@example.org", NULL},
	{"ann@ex@ample.org", NULL},
	{"ann @example.org", NULL},
	{"ann@example.org.", NULL},
	{"<ann@example.org>", NULL},
	{"ann@example.org\nBcc: b@example.org", NULL},
	{"a23456789012345678901234567890123456789012345678901@example.orgs",
	 "a23456789012345678901234567890123456789012345678901@example.orgs"},
	{"a234567890123456789012345678901234567890123456789012@example.orgs", NULL},
};

START_TEST(contact)
{
	char canonical[PEOPLE_CONTACT_SIZE], code[PEOPLE_CODE_SIZE];
	int64_t wait_ms;
	int result = ops_make_code(ops, contacts[_i].text, now_ms, canonical, code, &wait_ms, &error);

	if (contacts[_i].canonical == NULL) {
		ck_assert_msg(result == -EINVAL, "\"%s\" is taken", contacts[_i].text);
		return;
	}
	ck_assert_msg(result == 0, "\"%s\": %s", contacts[_i].text, error.text);
	ck_assert_str_eq(canonical, contacts[_i].canonical);
	ck_assert_uint_eq(strspn(code, "0123456789"), PEOPLE_CODE_SIZE - 1);
}
END_TEST

/* --- customers --- */

START_TEST(a_customer)
{
	char token[PEOPLE_TOKEN_SIZE], again[PEOPLE_TOKEN_SIZE];
	struct person ann = customer("+49 170 1234567", token), found;
	int64_t micros;

	ck_assert_int_eq(ann.kind, PERSON_CUSTOMER);
	ck_assert_str_eq(ann.name, "+491701234567");
	ck_assert_int_eq(ops_balance(ops, ann.account, &micros, &error), 0);
	ck_assert_int_eq(micros, 0);
	ck_assert_int_eq(ops_find_session(ops, token, now_ms, &found, &error), 1);
	ck_assert_str_eq(found.account, ann.account);
	ck_assert_str_eq(found.name, ann.name);
	/* the same person, another day and another way of writing: the same account */
	now_ms += DAY_MS;
	struct person later = customer("0049-170-1234567", again);
	ck_assert_str_eq(later.account, ann.account);
	ck_assert_str_ne(token, again);
	/* somebody else's is another */
	struct person bob = customer("bob@example.org", again);
	ck_assert_str_ne(bob.account, ann.account);
}
END_TEST

START_TEST(a_code_opens_once)
{
	char code[PEOPLE_CODE_SIZE], token[PEOPLE_TOKEN_SIZE];
	int64_t wait_ms;
	struct person person;

	ck_assert_int_eq(enter("+491701234567", "123456", token, &person), SIGN_IN_VOID);
	ck_assert_int_eq(ask("+491701234567", code, &wait_ms), 0);
	ck_assert_int_eq(enter("+491701234568", code, token, &person), SIGN_IN_VOID);
	ck_assert_int_eq(enter("+491701234567", code, token, &person), SIGN_IN_DONE);
	ck_assert_int_eq(enter("+491701234567", code, token, &person), SIGN_IN_VOID);
}
END_TEST

START_TEST(a_code_is_guessed)
{
	char code[PEOPLE_CODE_SIZE], wrong[PEOPLE_CODE_SIZE], token[PEOPLE_TOKEN_SIZE];
	int64_t wait_ms;
	struct person person;

	ck_assert_int_eq(ask("+491701234567", code, &wait_ms), 0);
	wrong_code(code, wrong);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(enter("+491701234567",
				       i == 0 ? "12345678901" :
				       i == 1 ? "" :
						wrong,
				       token,
				       &person),
				 SIGN_IN_WRONG);
	ck_assert_int_eq(enter("+491701234567", code, token, &person), SIGN_IN_VOID);
}
END_TEST

START_TEST(a_code_grows_old)
{
	char code[PEOPLE_CODE_SIZE], second[PEOPLE_CODE_SIZE], token[PEOPLE_TOKEN_SIZE];
	int64_t wait_ms;
	struct person person;

	ck_assert_int_eq(ask("+491701234567", code, &wait_ms), 0);
	now_ms += 10 * MINUTE_MS;
	ck_assert_int_eq(enter("+491701234567", code, token, &person), SIGN_IN_VOID);
	ck_assert_int_eq(ask("+491701234567", code, &wait_ms), 0);
	ck_assert_int_eq(ask("+491701234567", second, &wait_ms), 0);
	ck_assert_int_eq(enter("+491701234567", code, token, &person), SIGN_IN_WRONG);
	ck_assert_int_eq(enter("+491701234567", second, token, &person), SIGN_IN_DONE);
}
END_TEST

/* Nobody's telephone is made to ring all day, and no code is guessed by asking for ever new ones. */
START_TEST(codes_are_rationed)
{
	char code[PEOPLE_CODE_SIZE];
	int64_t wait_ms;
	int sent = 0;

	for (int64_t end = now_ms + DAY_MS; now_ms < end; now_ms += 10000)
		sent += ask("+491701234567", code, &wait_ms) == 0;
	ck_assert_int_ge(sent, 5);
	ck_assert_int_le(sent, 5 + 24 * 5);
	while (ask("+491701234567", code, &wait_ms) == 0)
		sent++;
	ck_assert_int_gt(wait_ms, 0);
	ck_assert_int_eq(ask("+491701234568", code, &wait_ms), 0);
	now_ms += 12 * MINUTE_MS;
	ck_assert_int_eq(ask("+491701234567", code, &wait_ms), 0);
}
END_TEST

/* --- sessions --- */

START_TEST(a_session_ends)
{
	char token[PEOPLE_TOKEN_SIZE], other[PEOPLE_TOKEN_SIZE];
	struct person person;

	customer("+491701234567", token);
	customer("bob@example.org", other);
	ck_assert_int_eq(ops_find_session(ops, token, now_ms + 30 * DAY_MS - 1, &person, &error), 1);
	ck_assert_int_eq(ops_find_session(ops, token, now_ms + 30 * DAY_MS, &person, &error), 0);
	ck_assert_int_eq(ops_end_session(ops, token, &error), 0);
	ck_assert_int_eq(ops_find_session(ops, token, now_ms, &person, &error), 0);
	ck_assert_int_eq(ops_find_session(ops, other, now_ms, &person, &error), 1);
	ck_assert_int_eq(ops_end_session(ops, "nobody's", &error), 0);
	ck_assert_int_eq(ops_find_session(ops, "", now_ms, &person, &error), 0);
	other[0] ^= 1;
	ck_assert_int_eq(ops_find_session(ops, other, now_ms, &person, &error), 0);
}
END_TEST

START_TEST(the_oldest_session_goes)
{
	char tokens[12][PEOPLE_TOKEN_SIZE];
	struct person person;

	for (size_t i = 0; i < COUNT(tokens); i++) {
		customer("+491701234567", tokens[i]);
		now_ms += 20 * MINUTE_MS;
	}
	for (size_t i = 0; i < COUNT(tokens); i++)
		ck_assert_int_eq(ops_find_session(ops, tokens[i], now_ms, &person, &error), i >= 2);
}
END_TEST

/* --- staff --- */

static const char password[] = "correct horse battery";

START_TEST(a_member_of_staff)
{
	char token[PEOPLE_TOKEN_SIZE];
	struct person person;

	ck_assert_int_eq(ops_put_staff(ops, "olga", STAFF_OPERATOR, password, &error), 0);
	ck_assert_int_eq(pass("olga", "correct horse batterx", token, &person), SIGN_IN_WRONG);
	ck_assert_int_eq(pass("olga", "short", token, &person), SIGN_IN_WRONG);
	ck_assert_int_eq(pass("nobody", password, token, &person), SIGN_IN_WRONG);
	ck_assert_int_eq(pass("olga", password, token, &person), SIGN_IN_DONE);
	ck_assert_int_eq(person.kind, PERSON_STAFF);
	ck_assert_int_eq(person.role, STAFF_OPERATOR);
	ck_assert_str_eq(person.name, "olga");
	ck_assert_int_eq(ops_find_session(ops, token, now_ms + DAY_MS / 2 - 1, &person, &error), 1);
	ck_assert_int_eq(person.role, STAFF_OPERATOR);
	ck_assert_int_eq(ops_find_session(ops, token, now_ms + DAY_MS / 2, &person, &error), 0);
	/* a new password: who has the old one is out */
	ck_assert_int_eq(ops_put_staff(ops, "olga", STAFF_VIEWER, "another password", &error), 0);
	ck_assert_int_eq(ops_find_session(ops, token, now_ms, &person, &error), 0);
	ck_assert_int_eq(pass("olga", password, token, &person), SIGN_IN_WRONG);
	ck_assert_int_eq(pass("olga", "another password", token, &person), SIGN_IN_DONE);
	ck_assert_int_eq(person.role, STAFF_VIEWER);
	ck_assert_int_eq(ops_remove_staff(ops, "olga", &error), 0);
	ck_assert_int_eq(ops_find_session(ops, token, now_ms, &person, &error), 0);
	ck_assert_int_eq(pass("olga", "another password", token, &person), SIGN_IN_WRONG);
	ck_assert_int_eq(ops_remove_staff(ops, "olga", &error), -ENOENT);
}
END_TEST

START_TEST(a_password_is_guessed)
{
	char token[PEOPLE_TOKEN_SIZE];
	struct person person;

	ck_assert_int_eq(ops_put_staff(ops, "olga", STAFF_OPERATOR, password, &error), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(pass("olga", "wrong password", token, &person), SIGN_IN_WRONG);
	ck_assert_int_eq(pass("olga", password, token, &person), SIGN_IN_LATER);
	for (int i = 0; i < 5; i++) /* a name that nobody has behaves in the same way */
		ck_assert_int_eq(pass("nobody", password, token, &person), SIGN_IN_WRONG);
	now_ms += MINUTE_MS - 1;
	ck_assert_int_eq(pass("olga", password, token, &person), SIGN_IN_LATER);
	ck_assert_int_eq(pass("nobody", password, token, &person), SIGN_IN_LATER);
	now_ms += 1;
	ck_assert_int_eq(pass("olga", password, token, &person), SIGN_IN_DONE);
	for (int i = 0; i < 5; i++) /* whoever is in begins anew */
		ck_assert_int_eq(pass("olga", "wrong password", token, &person), SIGN_IN_WRONG);
	ck_assert_int_eq(pass("olga", password, token, &person), SIGN_IN_LATER);
	ck_assert_int_eq(ops_put_staff(ops, "olga", STAFF_OPERATOR, "another password", &error), 0);
	ck_assert_int_eq(pass("olga", "another password", token, &person), SIGN_IN_DONE); /* as with a new password */
}
END_TEST

/* Names that nobody has cost the server's time, too. */
START_TEST(passwords_are_rationed)
{
	char token[PEOPLE_TOKEN_SIZE], name[] = "nobody-a";
	struct person person;
	int tried = 0;

	for (int i = 0; i < 12; i++) {
		name[7] = (char)('a' + i);
		tried += pass(name, password, token, &person) == SIGN_IN_WRONG;
	}
	ck_assert_int_eq(tried, 10);
	now_ms += 2000;
	ck_assert_int_eq(pass("olga", password, token, &person), SIGN_IN_WRONG);
}
END_TEST

/* Strangers who try a name, or any, until nobody may keep those out who sign in from elsewhere; not who is at home. */
START_TEST(strangers_keep_nobody_out)
{
	char token[PEOPLE_TOKEN_SIZE];
	struct person person;
	int tried = 0;

	ck_assert_int_eq(ops_put_staff(ops, "ann", STAFF_MANAGER, "correct horse", &error), 0);
	ck_assert_int_eq(ops_put_staff(ops, "bob", STAFF_MANAGER, "battery staple", &error), 0);
	ck_assert_int_eq(pass_from(1, "ann", "correct horse", token, &person), SIGN_IN_DONE);
	while (pass_from(2, "ann", "wrong password", token, &person) == SIGN_IN_WRONG)
		ck_assert_int_lt(++tried, 20);
	while (pass_from(2, "nobody", "wrong password", token, &person) == SIGN_IN_WRONG)
		ck_assert_int_lt(++tried, 20);
	ck_assert_int_eq(pass_from(2, "ann", "correct horse", token, &person), SIGN_IN_LATER);
	ck_assert_int_eq(pass_from(1, "bob", "battery staple", token, &person), SIGN_IN_LATER); /* he never was there */
	ck_assert_int_eq(pass_from(1, "ann", "correct horse", token, &person), SIGN_IN_DONE);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(pass_from(1, "ann", "wrong password", token, &person), SIGN_IN_WRONG);
	ck_assert_int_eq(pass_from(1, "ann", "correct horse", token, &person), SIGN_IN_LATER);
	now_ms += MINUTE_MS;
	ck_assert_int_eq(pass_from(1, "ann", "correct horse", token, &person), SIGN_IN_DONE);
}
END_TEST

START_TEST(bad_staff)
{
	ck_assert_int_eq(ops_put_staff(ops, "", STAFF_VIEWER, password, &error), -EINVAL);
	ck_assert_int_eq(ops_put_staff(ops, "ol\nga", STAFF_VIEWER, password, &error), -EINVAL);
	ck_assert_int_eq(ops_put_staff(ops, "olga", STAFF_VIEWER, "too short", &error), -EINVAL);
}
END_TEST

/* --- acts --- */

struct taken {
	struct act acts[8];
	size_t count, most;
};

static bool take_act(void *ctx, const struct act *act)
{
	struct taken *taken = ctx;

	taken->acts[taken->count++] = *act;
	return taken->count < taken->most;
}

START_TEST(acts)
{
	struct taken taken = {.most = 2};

	for (int i = 0; i < 5; i++) {
		struct act act = {.at_ms = now_ms + i, .who = "olga", .what = "power_off", .subject = "o-1"};
		act.detail[0] = (char)('a' + i);
		ck_assert_int_eq(ops_note_act(ops, &act, &error), 0);
	}
	ck_assert_int_eq(ops_each_act(ops, 0, take_act, &taken, &error), 0);
	ck_assert_uint_eq(taken.count, 2);
	ck_assert_str_eq(taken.acts[0].detail, "e");
	ck_assert_str_eq(taken.acts[1].detail, "d");
	ck_assert_str_eq(taken.acts[0].who, "olga");
	ck_assert_str_eq(taken.acts[0].what, "power_off");
	ck_assert_str_eq(taken.acts[0].subject, "o-1");
	ck_assert_int_eq(taken.acts[0].at_ms, now_ms + 4);
	taken.most = 8;
	ck_assert_int_eq(ops_each_act(ops, taken.acts[1].number, take_act, &taken, &error), 0);
	ck_assert_uint_eq(taken.count, 5);
	ck_assert_str_eq(taken.acts[4].detail, "a");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("people");
	TCase *t = tcase_create("people");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, contact, 0, COUNT(contacts));
	tcase_add_test(t, a_customer);
	tcase_add_test(t, a_code_opens_once);
	tcase_add_test(t, a_code_is_guessed);
	tcase_add_test(t, a_code_grows_old);
	tcase_add_test(t, codes_are_rationed);
	tcase_add_test(t, a_session_ends);
	tcase_add_test(t, the_oldest_session_goes);
	tcase_add_test(t, a_member_of_staff);
	tcase_add_test(t, a_password_is_guessed);
	tcase_add_test(t, passwords_are_rationed);
	tcase_add_test(t, strangers_keep_nobody_out);
	tcase_add_test(t, bad_staff);
	tcase_add_test(t, acts);
	suite_add_tcase(suite, t);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
