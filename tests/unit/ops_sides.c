/* See ops_sides.h. */
#include "ops_sides.h"

#include <check.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

void give_random(void *state, void *bytes, size_t count)
{
	unsigned char *to = bytes;
	uint64_t *chance = state;
	for (size_t i = 0; i < count; i++) {
		*chance = *chance * UINT64_C(6364136223846793005) + 1442695040888963407;
		to[i] = (unsigned char)(*chance >> 56);
	}
}

void hash_text(const char *text, char hex[RECORD_HASH_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned length;
	ck_assert_int_eq(EVP_Digest(text, strlen(text), digest, &length, EVP_sha256(), NULL), 1);
	for (size_t i = 0; i < length; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}
