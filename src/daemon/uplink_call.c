/* src/daemon/uplink_call.c: what every call to the server has in common. See uplink_internal.h.
 *
 * Room: src/daemon; libcurl. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server_tls.h"
#include "uplink_internal.h"

#define CONNECT_TIMEOUT_MS 15000L
#define IDLE_CONNECTION_S 60L /* an older one may have been forgotten on its way */
#define RECEIVE_BUFFER 4096L
#define URL_SIZE (CONFIG_PATH_SIZE + UPLINK_PATH_SIZE + BOX_ID_SIZE + 16)
#define TOKEN_FILE_MAX (UPLINK_TOKEN_SIZE + 2) /* with a line's end */
#define OTHERS 07 /* of a file's mode */
#define CA_FILE_MAX 65536

/* ---- the token and the key ---- */

/* NULL with the file's first bytes in text, or why it may not be used. */
static const char *read_private(const char *path, char text[TOKEN_FILE_MAX])
{
	struct stat status;
	const char *why = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return strerror(errno);
	memset(text, 0, TOKEN_FILE_MAX);
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		why = "it is not a regular file";
	else if (status.st_mode & OTHERS)
		why = "everybody on this machine may open it: chmod o= takes that away";
	else if (read(fd, text, TOKEN_FILE_MAX - 1) < 0)
		why = strerror(errno);
	close(fd);
	return why;
}

void uplink_read_token(struct uplink_shell *shell)
{
	char text[TOKEN_FILE_MAX];
	const char *path = shell->d->config.server.token_file;
	const char *why = read_private(path, text);
	size_t length = why == NULL ? strcspn(text, "\r\n") : 0;
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			why = "it is not one line of printable characters";
	if (why == NULL && (length == 0 || length >= UPLINK_TOKEN_SIZE))
		why = "its first line is not a token of 1 to 128 characters";
	shell->token_error[0] = '\0';
	if (why != NULL)
		snprintf(shell->token_error, sizeof shell->token_error, "%.100s: %s", path, why);
	else
		snprintf(shell->token, sizeof shell->token, "%.*s", (int)length, text);
	explicit_bzero(text, sizeof text);
}

void uplink_read_key(struct uplink_shell *shell)
{
	const char *path = shell->d->config.server.command_key_file;
	struct jws_error error = {.text = ""};
	struct jws_key *key = NULL;
	shell->key_error[0] = '\0';
	int result = path[0] == '\0' ? -ENOENT : jws_load_public(path, &key, &error);
	if (result == 0) {
		jws_key_free(shell->key);
		shell->key = key;
	} else if (path[0] != '\0') {
		snprintf(shell->key_error,
			 sizeof shell->key_error,
			 "%.100s: %.90s",
			 path,
			 error.text[0] != '\0' ? error.text : strerror(-result));
	}
}

/* NULL with the file's bytes, which the caller frees, or why it may not be used. */
static const char *read_all(const char *path, char **bytes, size_t *size)
{
	const char *why = NULL;
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return strerror(errno);
	char *text = malloc(CA_FILE_MAX + 1);
	*size = text == NULL ? 0 : fread(text, 1, CA_FILE_MAX + 1, file);
	if (text == NULL || ferror(file))
		why = strerror(text == NULL ? ENOMEM : errno);
	else if (*size == 0 || *size > CA_FILE_MAX)
		why = "it is not a file of 1 to 65536 bytes";
	fclose(file);
	if (why != NULL)
		free(text);
	else
		*bytes = text;
	return why;
}

bool uplink_read_ca(struct uplink_shell *shell)
{
	const struct config_server *server = &shell->d->config.server;
	char *bytes = NULL;
	size_t size = 0;
	shell->ca_error[0] = '\0';
	if (!server->secure)
		return false;
	const char *why = read_all(server->ca_file, &bytes, &size);
	if (why != NULL) {
		snprintf(shell->ca_error, sizeof shell->ca_error, "%.100s: %.90s", server->ca_file, why);
		return false;
	}
	bool changed = size != shell->ca.len || memcmp(bytes, shell->ca.data, size) != 0;
	free(shell->ca.data);
	shell->ca = (struct curl_blob){.data = bytes, .len = size, .flags = CURL_BLOB_COPY};
	return changed;
}

/* ---- a call ---- */

enum link_fault uplink_call_ready(struct uplink_shell *shell, const char **detail)
{
	bool secure = shell->d->config.server.secure;
	if (shell->token[0] == '\0' || shell->token_refused)
		uplink_read_token(shell);
	if (secure && (shell->ca.data == NULL || shell->ca_refused))
		uplink_read_ca(shell);
	shell->token_refused = shell->ca_refused = false;
	*detail = shell->token[0] == '\0' ? shell->token_error : shell->ca_error;
	if (shell->token[0] == '\0')
		return LINK_NO_TOKEN;
	return secure && shell->ca.data == NULL ? LINK_TLS : LINK_FINE;
}

void uplink_call_judged(struct uplink_shell *shell, enum link_fault fault)
{
	shell->token_refused |= fault == LINK_REFUSED;
	shell->ca_refused |= fault == LINK_TLS;
}

bool uplink_call_header(struct uplink_call *call, const char *line)
{
	struct curl_slist *list = curl_slist_append(call->headers, line);
	if (list != NULL)
		call->headers = list;
	return list != NULL;
}

static bool add_token(struct uplink_shell *shell, struct uplink_call *call)
{
	char line[sizeof "Authorization: Bearer " + UPLINK_TOKEN_SIZE];
	snprintf(line, sizeof line, "Authorization: Bearer %s", shell->token);
	bool added = uplink_call_header(call, line);
	explicit_bzero(line, sizeof line);
	return added;
}

/* Only the configured CA vouches for the server, and only for the host that is called. Non-zero when something failed. */
static unsigned set_tls(struct uplink_shell *shell, CURL *easy)
{
	const struct config_server *server = &shell->d->config.server;
	unsigned failed = 0;
	failed |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, server->secure ? "https" : "http");
	if (!server->secure)
		return failed;
	/* libcurl compares it before it uses a connection or a TLS session again: none outlives its CA. */
	failed |= curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &shell->ca);
	failed |= curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
	failed |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	failed |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	failed |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	failed |= curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	failed |= curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, server_tls_prepare);
	failed |= curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, &shell->d->clock);
	return failed;
}

static unsigned set_line(struct uplink_call *call, const char *url)
{
	CURL *easy = call->transfer.easy;
	unsigned failed = 0;
	failed |= curl_easy_setopt(easy, CURLOPT_URL, url);
	failed |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
	failed |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
	failed |= curl_easy_setopt(easy, CURLOPT_USERAGENT, "meterboxd/" METERBOX_VERSION);
	failed |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	failed |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	failed |= curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* whatever the environment says */
	failed |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	failed |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a dead name server holds nobody up */
	failed |= curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 0L); /* the heart's clock says when a line is dead */
	failed |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	failed |= curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, IDLE_CONNECTION_S);
	failed |= curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER);
	failed |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_answer_on_header);
	failed |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, &call->answer);
	failed |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_answer_on_body);
	failed |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, &call->answer);
	return failed;
}

bool uplink_call_prepare(struct uplink_shell *shell, struct uplink_call *call, const char *path, size_t max)
{
	char url[URL_SIZE];
	uplink_call_clear(call);
	if (call->transfer.easy == NULL)
		call->transfer.easy = curl_easy_init();
	if (call->transfer.easy == NULL)
		return false;
	curl_easy_reset(call->transfer.easy); /* keeps connections and TLS sessions */
	http_answer_begin(&call->answer, max);
	call->error[0] = '\0';
	snprintf(url, sizeof url, "%s/v1/boxes/%s%s", shell->d->config.server.url, shell->d->config.box.box, path);
	/* "Expect:" waits for leave to send a body; it costs a round trip and some proxies never answer it. */
	return add_token(shell, call) && uplink_call_header(call, "Expect:") &&
	       (set_line(call, url) | set_tls(shell, call->transfer.easy)) == 0;
}

void uplink_call_clear(struct uplink_call *call)
{
	curl_slist_free_all(call->headers);
	call->headers = NULL;
	http_answer_begin(&call->answer, 0);
}

void uplink_heard(struct uplink_shell *shell, const struct http_answer *answer)
{
	int64_t now_ms = monotonic_now_ms();
	int64_t date_ms = http_answer_date_ms(answer, now_ms);
	shell->heard_ms = now_ms;
	if (date_ms != 0)
		wall_clock_server(&shell->d->clock, date_ms, now_ms);
}
