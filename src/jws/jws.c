/* src/jws/jws.c: see jws.h. Signing, checking, and the compact form; the keys' files are at the end. */
#include "jws.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX 16384 /* bytes; a P-256 key in PEM has about 250 */
#define HALF_SIZE 32 /* r and s of a P-256 signature, each */
#define SIGNATURE_SIZE (2 * HALF_SIZE)
#define SIGNATURE_DER_MAX 72

#define BASE64_LENGTH(bytes) (((bytes)*4 + 2) / 3)
#define WRITTEN_HEADER "{\"alg\":\"ES256\"}"
#define PAYLOAD_MAX                                                                                                    \
	((JWS_TEXT_MAX - 2 - BASE64_LENGTH(sizeof WRITTEN_HEADER - 1) - BASE64_LENGTH(SIGNATURE_SIZE)) / 4 * 3)

/* The only headers that are accepted, byte for byte: what says more might want something that is not done here ("crit"
 * and "b64" above all), and what is not read cannot be read wrongly. */
static const char *const headers[] = {
	WRITTEN_HEADER,
	"{\"alg\":\"ES256\",\"typ\":\"JWT\"}",
	"{\"typ\":\"JWT\",\"alg\":\"ES256\"}",
	"{\"alg\":\"ES256\",\"typ\":\"JWS\"}",
	"{\"typ\":\"JWS\",\"alg\":\"ES256\"}",
	"{\"alg\":\"ES256\",\"typ\":\"JOSE\"}",
	"{\"typ\":\"JOSE\",\"alg\":\"ES256\"}",
};
#define HEADER_MAX 31 /* bytes; longer than each of them */

struct jws_key {
	EVP_PKEY *pkey;
	bool private;
};

static int fail(struct jws_error *error, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

static int fail(struct jws_error *error, int code, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof error->text, format, arguments);
	va_end(arguments);
	ERR_clear_error(); /* what libcrypto noted belongs to no later call */
	return code;
}

/* --- base64url without padding (RFC 4648, section 5) --- */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Writes BASE64_LENGTH(size) characters and gives their end. */
static char *base64_write(char *to, const void *bytes, size_t size)
{
	const unsigned char *from = bytes;
	uint32_t bits = 0;
	unsigned count = 0;
	for (size_t i = 0; i < size; i++) {
		bits = bits << 8 | from[i];
		for (count += 8; count >= 6; count -= 6)
			*to++ = base64_digits[bits >> (count - 6) & 63];
	}
	if (count > 0)
		*to++ = base64_digits[bits << (6 - count) & 63];
	return to;
}

/* Reads all of length characters into at most max bytes. False when there is another character, or when another text
 * would give the same bytes: one that leaves bits over that are not zero. */
static bool base64_read(const char *text, size_t length, void *bytes, size_t max, size_t *size)
{
	unsigned char *to = bytes;
	uint32_t bits = 0;
	unsigned count = 0;
	size_t used = 0;
	if (length % 4 == 1 || length / 4 * 3 + (length % 4 * 3) / 4 > max)
		return false;
	for (size_t i = 0; i < length; i++) {
		const char *digit = memchr(base64_digits, text[i], sizeof base64_digits - 1);
		if (digit == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(digit - base64_digits);
		count += 6;
		if (count >= 8) {
			count -= 8;
			to[used++] = (unsigned char)(bits >> count);
		}
	}
	*size = used;
	return (bits & ((1U << count) - 1)) == 0;
}

/* --- the signature: libcrypto's is DER, the token's is r and s of 32 bytes each --- */

static bool signature_from_der(const unsigned char *der, size_t size, unsigned char raw[SIGNATURE_SIZE])
{
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)size);
	bool whole = pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, HALF_SIZE) == HALF_SIZE &&
		     BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + HALF_SIZE, HALF_SIZE) == HALF_SIZE;
	ECDSA_SIG_free(pair);
	return whole;
}

/* The size of what is written to der, or 0 when memory is short. */
static size_t signature_to_der(const unsigned char raw[SIGNATURE_SIZE], unsigned char der[SIGNATURE_DER_MAX])
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, HALF_SIZE, NULL);
	BIGNUM *s = BN_bin2bn(raw + HALF_SIZE, HALF_SIZE, NULL);
	int size = 0;
	if (pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
		r = s = NULL; /* the pair's now */
		size = i2d_ECDSA_SIG(pair, &der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	return size > 0 ? (size_t)size : 0;
}

static bool sign(const struct jws_key *key, const char *text, size_t length, unsigned char raw[SIGNATURE_SIZE])
{
	unsigned char der[SIGNATURE_DER_MAX];
	size_t size = sizeof der;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool done = context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
		    EVP_DigestSign(context, der, &size, (const unsigned char *)text, length) == 1 &&
		    signature_from_der(der, size, raw);
	EVP_MD_CTX_free(context);
	return done;
}

/* 0, -EKEYREJECTED or -ENOMEM. */
static int check(const struct jws_key *key, const char *text, size_t length, const unsigned char raw[SIGNATURE_SIZE])
{
	unsigned char der[SIGNATURE_DER_MAX];
	size_t size = signature_to_der(raw, der);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	int error = -ENOMEM;
	if (size > 0 && context != NULL && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key->pkey) == 1)
		error = EVP_DigestVerify(context, der, size, (const unsigned char *)text, length) == 1 ? 0 :
													 -EKEYREJECTED;
	EVP_MD_CTX_free(context);
	return error;
}

/* --- the token --- */

char *jws_sign(const struct jws_key *key, const char *payload, size_t length)
{
	unsigned char raw[SIGNATURE_SIZE];
	assert(key->private && length <= PAYLOAD_MAX);
	char *token = malloc(JWS_TEXT_MAX + 1);
	if (token == NULL)
		return NULL;
	char *end = base64_write(token, WRITTEN_HEADER, sizeof WRITTEN_HEADER - 1);
	*end++ = '.';
	end = base64_write(end, payload, length);
	if (!sign(key, token, (size_t)(end - token), raw)) {
		ERR_clear_error();
		free(token);
		return NULL;
	}
	*end++ = '.';
	end = base64_write(end, raw, sizeof raw);
	*end = '\0';
	return token;
}

static bool header_is_ours(const char *text, size_t length)
{
	char header[HEADER_MAX];
	size_t size;
	if (!base64_read(text, length, header, sizeof header, &size))
		return false;
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		if (size == strlen(headers[i]) && memcmp(header, headers[i], size) == 0)
			return true;
	}
	return false;
}

int jws_verify(const struct jws_key *key, const char *token, size_t length, char **payload, size_t *payload_length,
	       struct jws_error *error)
{
	unsigned char raw[SIGNATURE_SIZE];
	size_t size;
	const char *end = token + length;
	if (length > JWS_TEXT_MAX)
		return fail(error, -EBADMSG, "longer than %d bytes", JWS_TEXT_MAX);
	const char *first = memchr(token, '.', length);
	const char *second = first == NULL ? NULL : memchr(first + 1, '.', (size_t)(end - first - 1));
	if (second == NULL)
		return fail(error, -EBADMSG, "not a compact JWS: three parts with points between them are wanted");
	if (!header_is_ours(token, (size_t)(first - token)))
		return fail(error, -EBADMSG, "the header must be %s, with \"typ\" at most", WRITTEN_HEADER);
	if (!base64_read(second + 1, (size_t)(end - second - 1), raw, sizeof raw, &size) || size != sizeof raw)
		return fail(error, -EBADMSG, "the signature must be %d bytes in base64url", SIGNATURE_SIZE);
	char *text = malloc((size_t)(second - first)); /* more than it needs, with a NUL */
	if (text == NULL)
		return fail(error, -ENOMEM, "no memory for the payload");
	int code = 0;
	if (!base64_read(first + 1, (size_t)(second - first - 1), text, (size_t)(second - first - 1), &size))
		code = fail(error, -EBADMSG, "the payload must be base64url without padding");
	else if ((code = check(key, token, (size_t)(second - token), raw)) < 0)
		code = fail(
			error, code, "%s", code == -ENOMEM ? "no memory" : "signed with another key, or changed since");
	if (code < 0) {
		free(text);
		return code;
	}
	text[size] = '\0';
	*payload = text;
	*payload_length = size;
	return 0;
}

/* --- keys --- */

void jws_key_free(struct jws_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

/* Takes the pkey over, also when it fails. */
static int wrap(EVP_PKEY *pkey, bool private, struct jws_key **key, struct jws_error *error)
{
	struct jws_key *made = malloc(sizeof *made);
	if (made == NULL) {
		EVP_PKEY_free(pkey);
		return fail(error, -ENOMEM, "no memory for a key");
	}
	*made = (struct jws_key){.pkey = pkey, .private = private};
	*key = made;
	return 0;
}

/* On the curve, on no other, and its two halves belonging together. */
static bool is_sound_p256(EVP_PKEY *pkey, bool private)
{
	char group[32];
	size_t length;
	if (!EVP_PKEY_is_a(pkey, "EC") || EVP_PKEY_get_group_name(pkey, group, sizeof group, &length) != 1 ||
	    strcmp(group, SN_X9_62_prime256v1) != 0)
		return false;
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	bool sound = context != NULL && (private ? EVP_PKEY_check(context) : EVP_PKEY_public_check(context)) == 1;
	EVP_PKEY_CTX_free(context);
	return sound;
}

/* Asks nobody: libcrypto's own would ask at the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *ctx)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

/* Reads all of a file into bytes. Its size, or a negative errno; -EINVAL when it is longer than KEY_FILE_MAX. */
static ssize_t read_file(const char *path, char bytes[KEY_FILE_MAX + 1])
{
	size_t used = 0;
	ssize_t got = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not hold us */
	if (fd < 0)
		return -errno;
	while (got > 0 && used <= KEY_FILE_MAX) {
		got = read(fd, bytes + used, KEY_FILE_MAX + 1 - used);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			used += (size_t)got;
	}
	int code = got < 0 ? -errno : used > KEY_FILE_MAX ? -EINVAL : 0;
	close(fd);
	return code < 0 ? code : (ssize_t)used;
}

static int load(const char *path, bool private, struct jws_key **key, struct jws_error *error)
{
	char bytes[KEY_FILE_MAX + 1];
	const char *kind = private ? "private" : "public";
	ssize_t size = read_file(path, bytes);
	if (size < 0 && size != -EINVAL)
		return fail(error, (int)size, "%s: %s", path, strerror((int)-size));
	BIO *source = size < 0 ? NULL : BIO_new_mem_buf(bytes, (int)size);
	EVP_PKEY *pkey = NULL;
	if (source != NULL)
		pkey = private ? PEM_read_bio_PrivateKey(source, NULL, no_passphrase, NULL) :
				 PEM_read_bio_PUBKEY(source, NULL, no_passphrase, NULL);
	BIO_free(source);
	OPENSSL_cleanse(bytes, sizeof bytes);
	if (pkey == NULL || !is_sound_p256(pkey, private)) {
		EVP_PKEY_free(pkey);
		return fail(error, -EINVAL, "%s: a %s P-256 key in PEM, without a passphrase, is wanted", path, kind);
	}
	return wrap(pkey, private, key, error);
}

int jws_load_private(const char *path, struct jws_key **key, struct jws_error *error)
{
	return load(path, true, key, error);
}

int jws_load_public(const char *path, struct jws_key **key, struct jws_error *error)
{
	return load(path, false, key, error);
}

/* Makes the name of a new file durable. */
static int sync_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
	if (folder == NULL)
		return -ENOMEM;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int code = fd < 0 || fsync(fd) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	free(folder);
	return code;
}

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, bytes, size);
		if (written < 0 && errno != EINTR)
			return -errno;
		if (written > 0) {
			bytes += written;
			size -= (size_t)written;
		}
	}
	return 0;
}

/* Writes a new file of exactly this mode, durable, or none. */
static int write_file(const char *path, mode_t mode, const char *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	int code = write_all(fd, bytes, size);
	if (code == 0 && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
		code = -errno;
	if (close(fd) < 0 && code == 0)
		code = -errno;
	if (code == 0)
		code = sync_folder_of(path);
	if (code < 0)
		unlink(path); /* ours: O_EXCL made it */
	return code;
}

/* Writes one half of the key. */
static int write_key(const char *path, EVP_PKEY *pkey, bool private)
{
	char *bytes = NULL;
	BIO *memory = BIO_new(BIO_s_mem());
	int code = -ENOMEM;
	if (memory != NULL && (private ? PEM_write_bio_PKCS8PrivateKey(memory, pkey, NULL, NULL, 0, NULL, NULL) :
					 PEM_write_bio_PUBKEY(memory, pkey)) == 1) {
		long size = BIO_get_mem_data(memory, &bytes);
		code = write_file(path, private ? 0600 : 0644, bytes, (size_t)size);
		OPENSSL_cleanse(bytes, (size_t)size);
	}
	BIO_free(memory);
	return code;
}

int jws_write_public(const struct jws_key *key, const char *path, struct jws_error *error)
{
	int code = write_key(path, key->pkey, false);
	return code < 0 ? fail(error, code, "%s: %s", path, strerror(-code)) : 0;
}

int jws_make_key(const char *path, const char *public_path, struct jws_key **key, struct jws_error *error)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	if (pkey == NULL)
		return fail(error, -ENOMEM, "no memory, or no randomness, for a new key");
	const char *at = path;
	int code = write_key(path, pkey, true);
	if (code == 0) {
		at = public_path;
		code = write_key(public_path, pkey, false);
		if (code < 0)
			unlink(path); /* one half alone would stand in the way of the next attempt */
	}
	if (code < 0) {
		EVP_PKEY_free(pkey);
		return fail(error, code, "%s: %s", at, strerror(-code));
	}
	return wrap(pkey, true, key, error);
}
