/* tools/ops/core/people.h: who may come in: customers by a code that is sent to them, staff by a password; and what
 * staff have done.
 *
 * Room: tools/ops/core. Errors and times as in ops.h. What is kept of codes, passwords and tokens are hashes. */
#ifndef OPS_PEOPLE_H
#define OPS_PEOPLE_H

#include "ops.h"

#define PEOPLE_CONTACT_SIZE 65 /* a phone number in E.164 form, or an e-mail address */
#define PEOPLE_CODE_SIZE 7 /* six digits */
#define PEOPLE_CODE_MIN 10 /* minutes for which a code is good */
#define PEOPLE_TOKEN_SIZE 65 /* 256 random bits in hexadecimal digits */
#define PEOPLE_PASSWORD_LEAST 10
#define PEOPLE_PASSWORD_SIZE 129
#define PEOPLE_CUSTOMER_SESSION_MS (INT64_C(30) * 24 * 3600 * 1000)
#define PEOPLE_STAFF_SESSION_MS (INT64_C(12) * 3600 * 1000)
#define PEOPLE_ACT_SIZE 33
#define PEOPLE_DETAIL_SIZE 201

enum person_kind {
	PERSON_CUSTOMER,
	PERSON_STAFF,
	PERSON_KIND_COUNT
};

enum staff_role {
	STAFF_VIEWER, /* sees */
	STAFF_OPERATOR, /* acts on outlets and orders */
	STAFF_MANAGER, /* and on tariffs, money and staff */
	STAFF_ROLE_COUNT
};

extern const struct words staff_role_words;

struct person {
	enum person_kind kind;
	char name[PEOPLE_CONTACT_SIZE]; /* a customer's contact; the name of one of the staff */
	char account[ACCOUNT_SIZE]; /* a customer's */
	enum staff_role role; /* of one of the staff */
};

enum sign_in {
	SIGN_IN_DONE,
	SIGN_IN_WRONG, /* the code or the password; also when nobody has this name */
	SIGN_IN_VOID, /* no code is open: none was asked for, it is too old, or was tried too often */
	SIGN_IN_LATER /* too many attempts: *wait_ms */
};

/* A code for this contact, to be sent to it, in place of one from before. 0; 1 when it is too soon for another: *wait_ms
 * says for how long. contact may be written with spaces, hyphens, dots, brackets and 00; canonical is what it comes to,
 * and where the code must be sent. */
int ops_make_code(struct ops *ops, const char *contact, int64_t now_ms, char canonical[PEOPLE_CONTACT_SIZE],
		  char code[PEOPLE_CODE_SIZE], int64_t *wait_ms, struct ops_error *error);

/* A new customer's account, of the shared kind, is made on the way. token is the secret of the new session. */
int ops_sign_in_customer(struct ops *ops, const char *contact, const char *code, int64_t now_ms,
			 char token[PEOPLE_TOKEN_SIZE], struct person *person, enum sign_in *outcome, int64_t *wait_ms,
			 struct ops_error *error);

/* Takes some tenths of a second (scrypt), whoever asks; therefore wrong ones are counted for all names together, too.
 * place: a number for where it is asked from, 0 when nobody knows. Where a name has signed in before, since the store was
 * opened, its attempts are counted apart: strangers who try elsewhere do not keep it out. */
int ops_sign_in_staff(struct ops *ops, const char *name, const char *password, uint64_t place, int64_t now_ms,
		      char token[PEOPLE_TOKEN_SIZE], struct person *person, enum sign_in *outcome, int64_t *wait_ms,
		      struct ops_error *error);

/* 1 with *person, or 0 when the token opens no session (any more). */
int ops_find_session(struct ops *ops, const char *token, int64_t now_ms, struct person *person,
		     struct ops_error *error);

/* Harmless when there is no such session. */
int ops_end_session(struct ops *ops, const char *token, struct ops_error *error);

/* Makes one of the staff known, or gives a new password and role; all sessions of that name end. */
int ops_put_staff(struct ops *ops, const char *name, enum staff_role role, const char *password,
		  struct ops_error *error);

/* One of the staff less; all sessions of that name end. -ENOENT when there is none. */
int ops_remove_staff(struct ops *ops, const char *name, struct ops_error *error);

int ops_each_staff(struct ops *ops, bool (*take)(void *ctx, const char *name, enum staff_role role), void *ctx,
		   struct ops_error *error);

/* --- what staff have done --- */

struct act {
	int64_t number; /* from 1; the store's */
	int64_t at_ms;
	char who[PEOPLE_CONTACT_SIZE];
	char what[PEOPLE_ACT_SIZE]; /* a word */
	char subject[PEOPLE_CONTACT_SIZE]; /* a box, an order, an account, a tariff, a name */
	char detail[PEOPLE_DETAIL_SIZE]; /* for people; cut to fit */
};

/* number is ignored. */
int ops_note_act(struct ops *ops, const struct act *act, struct ops_error *error);

/* The latest first, those below `before` (0: all). `take` returns false to end early, and calls nothing of this room. */
int ops_each_act(struct ops *ops, int64_t before, bool (*take)(void *ctx, const struct act *act), void *ctx,
		 struct ops_error *error);

#endif
