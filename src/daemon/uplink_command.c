/* src/daemon/uplink_command.c: what the server's stream carries as a command, on its way to the heart. See
 * uplink_internal.h.
 *
 * Room: src/daemon; src/jws, src/wire, libcrypto. A command is a JWS (src/jws/jws.h) of the configured key, or it is not
 * verified, and then it acts only where the configuration says insecure_commands. The heart notes what it refuses, so that
 * the operator sees a wrong key in the records. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "uplink_internal.h"
#include "wire.h"

#define REJECTED_REST_MS INT64_C(60000) /* a flood of them fills no log */
#define BASE64_GROUP 4
#define BASE64_BYTES 3

static void log_rejected(struct uplink_shell *shell, const char *why)
{
	int64_t now_ms = monotonic_now_ms();
	shell->rejected++;
	if (shell->rejected_ms != INT64_MIN && now_ms - shell->rejected_ms < REJECTED_REST_MS)
		return;
	log_line(LOG_LEVEL_WARNING, "command_rejected", "count=%u why=%s", shell->rejected, log_text(why).text);
	shell->rejected_ms = now_ms;
	shell->rejected = 0;
}

static enum link_fault pass_on(struct uplink_shell *shell, const char *text, size_t length, bool verified,
			       int64_t server_ms)
{
	struct command command;
	struct command_origin origin = {.verified = verified, .server_ms = server_ms};
	struct wire_error error;
	if (wire_read_command(text, length, &command, &error))
		return daemon_server_command(shell->d, &command, &origin) ? LINK_FINE : LINK_BUSY;
	log_rejected(shell, error.text);
	return LINK_FINE;
}

/* The middle part of a token, decoded for a note of its refusal and nothing else. NULL when it cannot be; the caller frees
 * it. */
static char *peek(const char *data, size_t length, size_t *count)
{
	const char *first = memchr(data, '.', length);
	const char *from = first != NULL ? first + 1 : data + length;
	const char *second = memchr(from, '.', (size_t)(data + length - from));
	size_t size = second != NULL ? (size_t)(second - from) : 0;
	size_t groups = (size + BASE64_GROUP - 1) / BASE64_GROUP;
	size_t padding = groups * BASE64_GROUP - size;
	if (size == 0 || size > JWS_TEXT_MAX || padding == BASE64_GROUP - 1)
		return NULL;
	unsigned char *base64 = malloc(groups * BASE64_GROUP);
	unsigned char *text = malloc(groups * BASE64_BYTES);
	int got = -1;
	if (base64 != NULL && text != NULL) {
		memset(base64, '=', groups * BASE64_GROUP);
		for (size_t i = 0; i < size; i++)
			base64[i] = (unsigned char)(from[i] == '-' ? '+' : from[i] == '_' ? '/' : from[i]);
		got = EVP_DecodeBlock(text, base64, (int)(groups * BASE64_GROUP));
	}
	free(base64);
	if (got < 0 || (size_t)got < padding) {
		free(text);
		return NULL;
	}
	*count = (size_t)got - padding;
	return (char *)text;
}

static void reject(struct uplink_shell *shell, const char *data, size_t length, const char *why, int64_t server_ms)
{
	size_t count = 0;
	log_rejected(shell, why);
	if (shell->d->config.box.insecure_commands)
		return; /* to the heart it would be a command: one that says who signed it must be signed by them */
	char *text = peek(data, length, &count);
	if (text != NULL)
		(void)pass_on(shell, text, count, false, server_ms); /* one note of it less does no harm */
	free(text);
}

enum link_fault uplink_command(struct uplink_shell *shell, const char *data, size_t length, int64_t server_ms)
{
	struct jws_error error = {.text = ""};
	char *payload = NULL;
	size_t count = 0;
	if (length > 0 && data[0] == '{') { /* no token begins so */
		if (!shell->d->config.box.insecure_commands)
			log_rejected(shell, "it is not signed");
		return pass_on(shell, data, length, false, server_ms);
	}
	if (shell->key == NULL) {
		log_rejected(shell, "there is no command_key_file to check its signature with");
		return LINK_FINE;
	}
	int result = jws_verify(shell->key, data, length, &payload, &count, &error);
	if (result == -ENOMEM)
		return LINK_NO_MEMORY;
	if (result < 0) {
		reject(shell, data, length, error.text, server_ms);
		return LINK_FINE;
	}
	enum link_fault fault = pass_on(shell, payload, count, true, server_ms);
	free(payload);
	return fault;
}
