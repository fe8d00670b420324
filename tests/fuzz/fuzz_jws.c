/* tests/fuzz/fuzz_jws.c: hostile bytes as a token ('0' as the first byte), and as a payload ('1'), which must come back from
 * its own token, and not from that token with one bit changed. The key is that of RFC 7515, appendix A.3.
 *
 * With clang: -fsanitize=fuzzer,address,undefined; without it, replay.c runs the corpus. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jws.h"

#define PAYLOAD_MAX 12207 /* whose token has JWS_TEXT_MAX bytes */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char key_text[] = "-----BEGIN EC PRIVATE KEY-----\n"
			       "MHcCAQEEII6bEJ5xkJi/mASH3x9dd+nLKWBuvtImO19XwhPfhPSyoAoGCCqGSM49\n"
			       "AwEHoUQDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEXH8UTNG72b\n"
			       "focs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
			       "-----END EC PRIVATE KEY-----\n";

static _Noreturn void fail(const char *what, const char *detail)
{
	fprintf(stderr, "fuzz_jws: %s: %s\n", what, detail);
	abort();
}

static const struct jws_key *the_key(void)
{
	static struct jws_key *key; /* for the program's life */
	char path[] = "/tmp/fuzz_jws-XXXXXX";
	struct jws_error error = {{0}};
	if (key != NULL)
		return key;
	int fd = mkstemp(path);
	if (fd < 0 || write(fd, key_text, sizeof key_text - 1) != (ssize_t)sizeof key_text - 1)
		fail("cannot write", path);
	close(fd);
	if (jws_load_private(path, &key, &error) != 0)
		fail("cannot load the key", error.text);
	unlink(path);
	return key;
}

/* Verifies; what is refused says why and gives nothing. */
static bool accepted(const char *token, size_t length, char **payload, size_t *payload_length)
{
	struct jws_error error = {{0}};
	*payload = NULL;
	int code = jws_verify(the_key(), token, length, payload, payload_length, &error);
	if (code != 0 && code != -EBADMSG && code != -EKEYREJECTED)
		fail("another error", error.text);
	if (code != 0 && (error.text[0] == '\0' || *payload != NULL))
		fail("refused without a reason, or with a payload", error.text);
	return code == 0;
}

/* One of the few tokens of this key that there are: three parts of known lengths, nothing else. */
static void fuzz_token(const char *token, size_t length)
{
	char *payload;
	size_t payload_length;
	if (!accepted(token, length, &payload, &payload_length))
		return;
	if (payload[payload_length] != '\0' || memchr(token, '=', length) != NULL || length < 1 + 1 + 86 ||
	    token[length - 87] != '.')
		fail("accepted, but not compact", "");
	free(payload);
}

static void fuzz_payload(const char *text, size_t length)
{
	char *payload;
	size_t payload_length;
	if (length > PAYLOAD_MAX)
		return;
	char *token = jws_sign(the_key(), text, length);
	if (token == NULL || strlen(token) > JWS_TEXT_MAX)
		fail("nothing signed, or longer than may be read", "");
	if (!accepted(token, strlen(token), &payload, &payload_length))
		fail("its own token is refused", token);
	if (payload_length != length || memcmp(payload, text, length) != 0)
		fail("another payload", token);
	free(payload);
	/* The payload chooses the bit, so that an input replays. */
	size_t sum = length;
	for (size_t i = 0; i < length; i++)
		sum = sum * 31 + (unsigned char)text[i];
	token[sum % strlen(token)] ^= (char)(1 << sum / strlen(token) % 8);
	if (accepted(token, strnlen(token, JWS_TEXT_MAX), &payload, &payload_length))
		fail("changed, but accepted", token);
	free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	if (size == 0)
		return 0;
	if ((data[0] - (unsigned)'0') % 2 == 0)
		fuzz_token(text, size - 1);
	else
		fuzz_payload(text, size - 1);
	return 0;
}
