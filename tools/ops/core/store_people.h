/* tools/ops/core/store_people.h: what the server keeps of people; see store.h, whose conventions hold.
 *
 * Room: tools/ops/core. */
#ifndef OPS_STORE_PEOPLE_H
#define OPS_STORE_PEOPLE_H

#include "people.h"
#include "store.h"

#define SECRET_SIZE 160 /* a password's hash with its salt and costs */

struct customer_row {
	char contact[PEOPLE_CONTACT_SIZE];
	char account[ACCOUNT_SIZE]; /* empty until the first sign-in */
	char code_hash[RECORD_HASH_SIZE]; /* empty: no code is open */
	int64_t code_until_ms;
	int64_t wrong; /* attempts at this code */
	int64_t codes_until_ms; /* codes made have used up their allowance until then */
};

struct staff_row {
	char name[NAME_SIZE];
	enum staff_role role;
	char secret[SECRET_SIZE];
};

struct session_row {
	char token_hash[RECORD_HASH_SIZE];
	enum person_kind kind;
	char name[PEOPLE_CONTACT_SIZE];
	int64_t until_ms;
};

int store_get_customer(struct store *store, const char *contact, struct customer_row *row, struct ops_error *error);
int store_put_customer(struct store *store, const struct customer_row *row, struct ops_error *error);

int store_get_staff(struct store *store, const char *name, struct staff_row *row, struct ops_error *error);
int store_put_staff(struct store *store, const struct staff_row *row, struct ops_error *error);
int store_drop_staff(struct store *store, const char *name, struct ops_error *error);
int store_each_staff(struct store *store, bool (*take)(void *ctx, const char *name, enum staff_role role), void *ctx,
		     struct ops_error *error);

int store_add_session(struct store *store, const struct session_row *row, struct ops_error *error);
int store_get_session(struct store *store, const char *token_hash, struct session_row *row, struct ops_error *error);
int store_drop_session(struct store *store, const char *token_hash, struct ops_error *error);

/* Those of this person, but the `keep` latest; and all that had ended by now. */
int store_prune_sessions(struct store *store, enum person_kind kind, const char *name, int keep, int64_t now_ms,
			 struct ops_error *error);

int store_add_act(struct store *store, const struct act *act, struct ops_error *error);
int store_each_act(struct store *store, int64_t before, bool (*take)(void *ctx, const struct act *act), void *ctx,
		   struct ops_error *error);

#endif
