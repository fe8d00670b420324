/* tools/ops/core/people.c: see people.h.
 *
 * Room: tools/ops/core, libcrypto. */
#include "people.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops_internal.h"
#include "store_people.h"

#define MINUTE_MS INT64_C(60000)
#define CODE_LIFE_MS (PEOPLE_CODE_MIN * MINUTE_MS)
#define CODE_ATTEMPTS 5
#define SESSIONS_MAX 10 /* of one person; the oldest goes */

/* One of the least that OWASP calls enough (Password Storage Cheat Sheet): 32 MB for some tenths of a second. */
#define SCRYPT_LOG_N 15
#define SCRYPT_R 8
#define SCRYPT_P 3
#define SCRYPT_MEMORY (UINT64_C(64) << 20)
#define SALT_BYTES 16
#define SECRET_BYTES 32

static const struct allowance codes_allowed = {5, 12 * MINUTE_MS}; /* one that got lost is asked for again at once */
static const struct allowance hashes_allowed = {10, 2000}; /* each takes the only thread for some tenths of a second */

static const char *const role_names[STAFF_ROLE_COUNT] = {
	[STAFF_VIEWER] = "viewer",
	[STAFF_OPERATOR] = "operator",
	[STAFF_MANAGER] = "manager",
};
const struct words staff_role_words = {role_names, STAFF_ROLE_COUNT};

/* --- contacts --- */

static bool read_phone(const char *text, char canonical[PEOPLE_CONTACT_SIZE])
{
	enum {
		DIGITS_LEAST = 7,
		DIGITS_MOST = 15
	}; /* E.164 */
	size_t used = 0;
	if (text[0] != '+' && strncmp(text, "00", 2) != 0)
		return false; /* whose country? */
	canonical[used++] = '+';
	for (const char *at = text + (text[0] == '+' ? 1 : 2); *at != '\0'; at++) {
		if (isdigit((unsigned char)*at) && used <= DIGITS_MOST)
			canonical[used++] = *at;
		else if (strchr(" -.()/", *at) == NULL)
			return false;
	}
	canonical[used] = '\0';
	return used > DIGITS_LEAST && canonical[1] != '0';
}

/* What can be an address; whether it is one, the code shows. */
static bool read_email(const char *text, char canonical[PEOPLE_CONTACT_SIZE])
{
	const char *at = strchr(text, '@');
	size_t length = strlen(text);
	if (at == NULL || at == text || strchr(at + 1, '@') != NULL || strchr(at + 1, '.') == NULL ||
	    length >= PEOPLE_CONTACT_SIZE || text[length - 1] == '.')
		return false;
	for (size_t i = 0; i <= length; i++) {
		if (text[i] != '\0' && (!isgraph((unsigned char)text[i]) || strchr("\"(),:;<>[\\]", text[i]) != NULL))
			return false;
		canonical[i] = (char)tolower((unsigned char)text[i]);
	}
	return true;
}

static int read_contact(const char *text, char canonical[PEOPLE_CONTACT_SIZE], struct ops_error *error)
{
	while (text != NULL && *text == ' ')
		text++;
	if (text != NULL && strlen(text) < PEOPLE_CONTACT_SIZE &&
	    (strchr(text, '@') != NULL ? read_email(text, canonical) : read_phone(text, canonical)))
		return 0;
	return ops_fail(
		error,
		-EINVAL,
		"contact must be a phone number with its country's code (+49 170 1234567) or an e-mail address");
}

/* --- secrets --- */

static void hex_of(struct ops *ops, size_t bytes, char *text)
{
	unsigned char random[SECRET_BYTES];
	ops->random(ops->ctx, random, bytes);
	for (size_t i = 0; i < bytes; i++)
		snprintf(text + 2 * i, 3, "%02x", random[i]);
	OPENSSL_cleanse(random, sizeof random);
}

static int hash_code(struct ops *ops, const char *contact, const char *code, char hash[RECORD_HASH_SIZE],
		     struct ops_error *error)
{
	char text[PEOPLE_CONTACT_SIZE + PEOPLE_CODE_SIZE];
	size_t length = strlen(contact);
	memcpy(text, contact, length);
	text[length++] = ' ';
	memcpy(text + length, code, strlen(code));
	return ops_hash(ops, text, length + strlen(code), hash, error);
}

/* scrypt$LOGN$R$P$SALT$HASH, so that costs can rise later. */
static int hash_password(const char *password, int log_n, int r, int p, const char *salt, char secret[SECRET_SIZE],
			 struct ops_error *error)
{
	unsigned char key[SECRET_BYTES];
	int used = snprintf(secret, SECRET_SIZE, "scrypt$%d$%d$%d$%s$", log_n, r, p, salt);
	if (EVP_PBE_scrypt(password,
			   strlen(password),
			   (const unsigned char *)salt,
			   strlen(salt),
			   UINT64_C(1) << log_n,
			   (uint64_t)r,
			   (uint64_t)p,
			   SCRYPT_MEMORY,
			   key,
			   sizeof key) != 1)
		return ops_fail(error, -ENOMEM, "no memory for a password's hash");
	for (size_t i = 0; i < sizeof key; i++)
		snprintf(secret + used + 2 * i, SECRET_SIZE - (size_t)used - 2 * i, "%02x", key[i]);
	OPENSSL_cleanse(key, sizeof key);
	return 0;
}

static int check_password(const char *password, const char *secret, bool *right, struct ops_error *error)
{
	char salt[2 * SALT_BYTES + 1], again[SECRET_SIZE] = "";
	int log_n, r, p;
	if (sscanf(secret, "scrypt$%d$%d$%d$%32[0-9a-f]$", &log_n, &r, &p, salt) != 4 || log_n < 1 ||
	    log_n > SCRYPT_LOG_N || r < 1 || r > SCRYPT_R || p < 1 || p > SCRYPT_P)
		return ops_fail(error, -EIO, "store: a damaged row of staff");
	int result = hash_password(password, log_n, r, p, salt, again, error);
	*right = result == 0 && strlen(again) == strlen(secret) && CRYPTO_memcmp(again, secret, strlen(secret)) == 0;
	return result;
}

/* --- sessions --- */

static int begin_session(struct ops *ops, const struct person *person, int64_t now_ms, char token[PEOPLE_TOKEN_SIZE],
			 struct ops_error *error)
{
	struct session_row row = {.kind = person->kind};
	hex_of(ops, SECRET_BYTES, token);
	memcpy(row.name, person->name, sizeof row.name);
	row.until_ms = now_ms + (person->kind == PERSON_STAFF ? PEOPLE_STAFF_SESSION_MS : PEOPLE_CUSTOMER_SESSION_MS);
	int result = ops_hash(ops, token, strlen(token), row.token_hash, error);
	if (result == 0)
		result = store_add_session(ops->store, &row, error);
	if (result == 0)
		result = store_prune_sessions(ops->store, row.kind, row.name, SESSIONS_MAX, now_ms, error);
	return result;
}

int ops_find_session(struct ops *ops, const char *token, int64_t now_ms, struct person *person, struct ops_error *error)
{
	char hash[RECORD_HASH_SIZE];
	struct session_row row;
	if (strlen(token) != PEOPLE_TOKEN_SIZE - 1)
		return 0;
	int result = ops_hash(ops, token, strlen(token), hash, error);
	if (result == 0)
		result = store_get_session(ops->store, hash, &row, error);
	if (result <= 0 || row.until_ms <= now_ms)
		return result < 0 ? result : 0;
	*person = (struct person){.kind = row.kind};
	memcpy(person->name, row.name, sizeof person->name);
	if (row.kind == PERSON_STAFF) {
		struct staff_row staff;
		result = store_get_staff(ops->store, row.name, &staff, error);
		person->role = result > 0 ? staff.role : STAFF_VIEWER;
	} else {
		struct customer_row customer;
		result = store_get_customer(ops->store, row.name, &customer, error);
		if (result > 0)
			memcpy(person->account, customer.account, sizeof person->account);
	}
	return result;
}

int ops_end_session(struct ops *ops, const char *token, struct ops_error *error)
{
	char hash[RECORD_HASH_SIZE];
	int result = ops_hash(ops, token, strlen(token), hash, error);
	return result < 0 ? result : store_drop_session(ops->store, hash, error);
}

/* --- customers --- */

/* A new one's row is empty but for the contact. */
static int read_customer(struct ops *ops, const char *contact, struct customer_row *row, struct ops_error *error)
{
	int result = store_get_customer(ops->store, contact, row, error);
	if (result == 0) {
		*row = (struct customer_row){0};
		word_copy(row->contact, sizeof row->contact, contact);
	}
	return result < 0 ? result : 0;
}

int ops_make_code(struct ops *ops, const char *contact, int64_t now_ms, char canonical[PEOPLE_CONTACT_SIZE],
		  char code[PEOPLE_CODE_SIZE], int64_t *wait_ms, struct ops_error *error)
{
	struct customer_row row;
	uint64_t random;
	int result = read_contact(contact, canonical, error);
	if (result < 0 || (result = read_customer(ops, canonical, &row, error)) < 0)
		return result;
	*wait_ms = allowance_use(&codes_allowed, &row.codes_until_ms, now_ms);
	if (*wait_ms > 0)
		return 1;
	ops->random(ops->ctx, &random, sizeof random);
	snprintf(code, PEOPLE_CODE_SIZE, "%06u", (unsigned)(random % 1000000)); /* 2^64: no digit is likelier to see */
	row.code_until_ms = now_ms + CODE_LIFE_MS;
	row.wrong = 0;
	if ((result = hash_code(ops, canonical, code, row.code_hash, error)) == 0)
		result = store_put_customer(ops->store, &row, error);
	return result;
}

static int judge_code(struct ops *ops, struct customer_row *row, const char *code, int64_t now_ms,
		      enum sign_in *outcome, struct ops_error *error)
{
	char hash[RECORD_HASH_SIZE];
	int result = 0;
	*outcome = SIGN_IN_VOID;
	if (row->code_hash[0] == '\0' || row->code_until_ms <= now_ms || row->wrong >= CODE_ATTEMPTS)
		return 0;
	if (strlen(code) < PEOPLE_CODE_SIZE)
		result = hash_code(ops, row->contact, code, hash, error);
	if (result < 0)
		return result;
	bool right = strlen(code) == PEOPLE_CODE_SIZE - 1 && CRYPTO_memcmp(hash, row->code_hash, sizeof hash) == 0;
	*outcome = right ? SIGN_IN_DONE : SIGN_IN_WRONG;
	if (right)
		row->code_hash[0] = '\0';
	else
		row->wrong++;
	return 0;
}

static int open_account(struct ops *ops, struct customer_row *row, struct ops_error *error)
{
	struct account_row account = {.kind = OPS_SHARED};
	char random[2 * SALT_BYTES + 1];
	if (row->account[0] != '\0')
		return 0;
	hex_of(ops, SALT_BYTES, random);
	snprintf(row->account, sizeof row->account, "c-%s", random);
	memcpy(account.name, row->account, sizeof account.name);
	return store_add_account(ops->store, &account, error);
}

int ops_sign_in_customer(struct ops *ops, const char *contact, const char *code, int64_t now_ms,
			 char token[PEOPLE_TOKEN_SIZE], struct person *person, enum sign_in *outcome, int64_t *wait_ms,
			 struct ops_error *error)
{
	char canonical[PEOPLE_CONTACT_SIZE];
	struct customer_row row;
	*wait_ms = 0;
	int result = read_contact(contact, canonical, error);
	if (result < 0 || (result = store_begin(ops->store, error)) < 0)
		return result;
	if ((result = read_customer(ops, canonical, &row, error)) == 0)
		result = judge_code(ops, &row, code, now_ms, outcome, error);
	if (result == 0 && *outcome == SIGN_IN_DONE)
		result = open_account(ops, &row, error);
	if (result == 0 && *outcome != SIGN_IN_VOID)
		result = store_put_customer(ops->store, &row, error);
	if (result == 0 && *outcome == SIGN_IN_DONE) {
		*person = (struct person){.kind = PERSON_CUSTOMER};
		memcpy(person->name, canonical, sizeof person->name);
		memcpy(person->account, row.account, sizeof person->account);
		result = begin_session(ops, person, now_ms, token, error);
	}
	return ops_finish(ops, result, error);
}

/* --- staff --- */

void ops_people_begin(struct ops *ops)
{
	ops->passwords.each = (struct allowance){5, MINUTE_MS}; /* wrong ones for a name */
	ops->random(ops->ctx, &ops->passwords.secret, sizeof ops->passwords.secret);
}

static int check_staff(const char *name, const char *password, struct ops_error *error)
{
	if (name == NULL || !word_is_printable(name, NAME_SIZE))
		return ops_fail(error, -EINVAL, "name must be 1 to %d printable characters", NAME_SIZE - 1);
	if (password == NULL || strlen(password) < PEOPLE_PASSWORD_LEAST || strlen(password) >= PEOPLE_PASSWORD_SIZE)
		return ops_fail(error,
				-EINVAL,
				"password must be %d to %d bytes",
				PEOPLE_PASSWORD_LEAST,
				PEOPLE_PASSWORD_SIZE - 1);
	return 0;
}

static int name_key(struct ops *ops, const char *name, uint64_t *key, struct ops_error *error)
{
	enum {
		DIGITS = 16
	};
	char hash[RECORD_HASH_SIZE];
	int result = ops_hash(ops, name, strlen(name), hash, error);
	hash[DIGITS] = '\0';
	*key = result < 0 ? 0 : strtoull(hash, NULL, DIGITS);
	return result;
}

int ops_put_staff(struct ops *ops, const char *name, enum staff_role role, const char *password,
		  struct ops_error *error)
{
	struct staff_row row = {.role = role};
	char salt[2 * SALT_BYTES + 1];
	uint64_t key;
	int result = check_staff(name, password, error);
	if (result < 0 || (result = name_key(ops, name, &key, error)) < 0)
		return result;
	word_copy(row.name, sizeof row.name, name);
	hex_of(ops, SALT_BYTES, salt);
	result = hash_password(password, SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P, salt, row.secret, error);
	if (result < 0 || (result = store_begin(ops->store, error)) < 0)
		return result;
	if ((result = store_put_staff(ops->store, &row, error)) == 0)
		result = store_prune_sessions(ops->store, PERSON_STAFF, name, 0, 0, error);
	if ((result = ops_finish(ops, result, error)) == 0)
		allowances_forget(&ops->passwords, key);
	return result;
}

int ops_remove_staff(struct ops *ops, const char *name, struct ops_error *error)
{
	struct staff_row row;
	int result = store_begin(ops->store, error);
	if (result < 0)
		return result;
	result = store_get_staff(ops->store, name, &row, error);
	if (result == 0)
		result = ops_fail(error, -ENOENT, "no one of the staff is called %s", name);
	if (result > 0)
		result = store_drop_staff(ops->store, name, error);
	if (result == 0)
		result = store_prune_sessions(ops->store, PERSON_STAFF, name, 0, 0, error);
	return ops_finish(ops, result, error);
}

int ops_each_staff(struct ops *ops, bool (*take)(void *ctx, const char *name, enum staff_role role), void *ctx,
		   struct ops_error *error)
{
	return store_each_staff(ops->store, take, ctx, error);
}

/* --- where staff have signed in before --- */

/* 0 when the place is not known. */
static int place_key(struct ops *ops, const char *name, uint64_t place, uint64_t *key, struct ops_error *error)
{
	char text[NAME_SIZE + 17];
	*key = 0;
	if (place == 0)
		return 0;
	snprintf(text, sizeof text, "%s %016" PRIx64, name, place);
	return name_key(ops, text, key, error);
}

/* Where its attempts are counted; NULL when nobody has signed in there by that name. */
static int64_t *find_known(struct ops *ops, uint64_t key)
{
	for (size_t i = 0; key != 0 && i < PLACES_KNOWN; i++) {
		if (ops->places[i].key == key)
			return &ops->places[i].until_ms;
	}
	return NULL;
}

static void remember_place(struct ops *ops, uint64_t key)
{
	unsigned place = ops->places_count % PLACES_KNOWN;
	if (key == 0)
		return;
	ops->places[place].key = key;
	ops->places[place].until_ms = 0;
	ops->places_count++;
}

/* How long to wait until this password may be tried; 0: it counts. */
static int64_t use_attempt(struct ops *ops, uint64_t key, int64_t *known_until_ms, int64_t now_ms)
{
	int64_t until_ms = ops->hashes_until_ms, wait_ms;
	if (known_until_ms != NULL)
		return allowance_use(&ops->passwords.each, known_until_ms, now_ms);
	if ((wait_ms = allowance_use(&hashes_allowed, &until_ms, now_ms)) > 0 ||
	    (wait_ms = allowances_use(&ops->passwords, key, now_ms)) > 0)
		return wait_ms;
	ops->hashes_until_ms = until_ms;
	return 0;
}

/* What a name that nobody has is answered, when, and how often it may be tried, is all as with one that somebody has. */
static int judge_password(struct ops *ops, const char *name, const char *password, uint64_t place, int64_t now_ms,
			  struct staff_row *row, enum sign_in *outcome, int64_t *wait_ms, struct ops_error *error)
{
	static const char nobody[] = "scrypt$15$8$3$00000000000000000000000000000000$"
				     "0000000000000000000000000000000000000000000000000000000000000000";
	uint64_t key, here = 0;
	bool right = false;
	int result = name_key(ops, name, &key, error);
	if (result == 0)
		result = place_key(ops, name, place, &here, error);
	int found = result < 0 ? result : store_get_staff(ops->store, name, row, error);
	if (found < 0)
		return found;
	int64_t *known_until_ms = find_known(ops, here);
	*outcome = SIGN_IN_LATER;
	if ((*wait_ms = use_attempt(ops, key, known_until_ms, now_ms)) > 0)
		return 0;
	result = check_password(password, found > 0 ? row->secret : nobody, &right, error);
	if (result < 0)
		return result;
	*outcome = found > 0 && right ? SIGN_IN_DONE : SIGN_IN_WRONG;
	if (*outcome != SIGN_IN_DONE)
		return 0;
	if (known_until_ms != NULL) {
		*known_until_ms = 0;
		return 0;
	}
	allowances_forget(&ops->passwords, key);
	remember_place(ops, here);
	return 0;
}

int ops_sign_in_staff(struct ops *ops, const char *name, const char *password, uint64_t place, int64_t now_ms,
		      char token[PEOPLE_TOKEN_SIZE], struct person *person, enum sign_in *outcome, int64_t *wait_ms,
		      struct ops_error *error)
{
	struct staff_row row;
	if (check_staff(name, password, error) < 0) {
		*outcome = SIGN_IN_WRONG; /* nobody can have it */
		*wait_ms = 0;
		return 0;
	}
	int result = judge_password(ops, name, password, place, now_ms, &row, outcome, wait_ms, error);
	if (result < 0 || *outcome != SIGN_IN_DONE || (result = store_begin(ops->store, error)) < 0)
		return result;
	*person = (struct person){.kind = PERSON_STAFF, .role = row.role};
	word_copy(person->name, sizeof person->name, row.name);
	return ops_finish(ops, begin_session(ops, person, now_ms, token, error), error);
}

/* --- acts --- */

int ops_note_act(struct ops *ops, const struct act *act, struct ops_error *error)
{
	return store_add_act(ops->store, act, error);
}

int ops_each_act(struct ops *ops, int64_t before, bool (*take)(void *ctx, const struct act *act), void *ctx,
		 struct ops_error *error)
{
	return store_each_act(ops->store, before, take, ctx, error);
}
