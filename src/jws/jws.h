/* src/jws/jws.h: JSON Web Signatures in their compact form, ES256 only (RFC 7515, RFC 7518 section 3.4).
 *
 * Room: libcrypto. One algorithm and one key that the caller chose: nothing in a token decides how it is checked. */
#ifndef JWS_H
#define JWS_H

#include <stddef.h>

#define JWS_TEXT_MAX 16384 /* bytes of one token */
#define JWS_ERROR_SIZE 160

struct jws_key; /* opaque; a P-256 key, private or public */

struct jws_error {
	char text[JWS_ERROR_SIZE]; /* what is wrong, and what is wanted */
};

/* Reads a PEM file: a private key (for signing; it can verify, too) or a public one. The caller frees it with
 * jws_key_free(). 0; -EINVAL when the file holds no such P-256 key; -ENOMEM; or open()'s negative errno. */
int jws_load_private(const char *path, struct jws_key **key, struct jws_error *error);
int jws_load_public(const char *path, struct jws_key **key, struct jws_error *error);

/* Makes a new private key and writes it to path (mode 0600, never over an existing file), and its public half to
 * public_path (mode 0644). Errors as above, -EEXIST. */
int jws_make_key(const char *path, const char *public_path, struct jws_key **key, struct jws_error *error);

/* Writes the public half of a key to path (mode 0644, never over an existing file). Errors as above. */
int jws_write_public(const struct jws_key *key, const char *path, struct jws_error *error);

void jws_key_free(struct jws_key *key); /* NULL is allowed */

/* The token over length bytes of payload, or NULL when memory is short. The caller frees it. */
char *jws_sign(const struct jws_key *key, const char *payload, size_t length);

/* Checks length bytes of token and gives its payload, NUL-terminated beyond *payload_length; the caller frees it.
 * 0; -EBADMSG when it is not a compact JWS with alg ES256 and no crit; -EKEYREJECTED when the signature is not the
 * key's; -ENOMEM. */
int jws_verify(const struct jws_key *key, const char *token, size_t length, char **payload, size_t *payload_length,
	       struct jws_error *error);

#endif
