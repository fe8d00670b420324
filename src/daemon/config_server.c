/* src/daemon/config_server.c: the section [server]: where the operations server is, and what proves it. See
 * config_internal.h.
 *
 * Room: src/daemon. Without TLS nothing proves anything: http only reaches a server on the same machine. */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

#define HTTP "http://"
#define HTTPS "https://"
#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define NAME_LETTERS LETTERS DIGITS ".-"
#define ADDRESS_LETTERS "ABCDEFabcdef" DIGITS ":."
#define PATH_LETTERS LETTERS DIGITS "._~/-"
#define BOX_LETTERS LETTERS DIGITS "._-"
#define HOST_SIZE 128
#define PORT_DIGITS_MAX 5
#define PORT_MAX 65535
#define LOOPBACK_NET 127

#define HEARTBEAT_S 240 /* a byte in four minutes keeps most mobile networks' NAT open, for 1 MB a month */
#define HEARTBEAT_S_MIN 10
#define HEARTBEAT_S_MAX 3600
#define MS_PER_S 1000

const struct config_number config_server_times[] = {
	{"backoff_min_ms", offsetof(struct uplink_config, backoff_min_ms), 100, 60000},
	{"backoff_max_ms", offsetof(struct uplink_config, backoff_max_ms), 1000, 3600000},
	{"post_timeout_ms", offsetof(struct uplink_config, post_timeout_ms), 1000, 300000},
	{"progress_ms", offsetof(struct uplink_config, progress_ms), 500, 600000},
	{NULL, 0, 0, 0},
};

/* Takes the host off the front of a URL behind its scheme: a name, an IPv4 address, or an IPv6 address in brackets, which
 * stay. NULL when there is none, else what follows. */
static const char *take_host(const char *text, char host[HOST_SIZE])
{
	size_t length;
	if (text[0] == '[') {
		length = 1 + strspn(text + 1, ADDRESS_LETTERS);
		if (text[length] != ']' || length < 3)
			return NULL;
		length++;
	} else {
		length = strspn(text, NAME_LETTERS);
	}
	if (length == 0 || length >= HOST_SIZE || text[0] == '-' || text[0] == '.')
		return NULL;
	memcpy(host, text, length);
	host[length] = '\0';
	return text + length;
}

/* Behind the host: a port or none, a path or none. */
static bool rest_is_formed(const char *text)
{
	if (*text == ':') {
		size_t length = strspn(++text, DIGITS);
		if (length == 0 || length > PORT_DIGITS_MAX || atoi(text) < 1 || atoi(text) > PORT_MAX)
			return false;
		text += length;
	}
	return *text == '\0' || (*text == '/' && strspn(text, PATH_LETTERS) == strlen(text) && !strstr(text, "//") &&
				 !strstr(text, "/."));
}

/* A name that only begins like an address is somebody else's. */
static bool is_loopback(const char *host)
{
	struct in_addr address;
	if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
		return true;
	return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == LOOPBACK_NET;
}

static void read_url(struct config_document *doc, const struct config_section *section, struct config_server *server)
{
	const char *value = config_entry(section, "url")->value;
	char host[HOST_SIZE] = "";
	server->secure = strncmp(value, HTTPS, strlen(HTTPS)) == 0;
	bool plain = strncmp(value, HTTP, strlen(HTTP)) == 0;
	const char *rest = NULL;
	if (server->secure || plain)
		rest = take_host(value + strlen(plain ? HTTP : HTTPS), host);
	if (!rest || !rest_is_formed(rest) || strlen(value) >= sizeof(server->url))
		config_fail(doc,
			    section,
			    "url",
			    "'%.80s' is not https://HOST, https://HOST:PORT or one of them with a /PREFIX",
			    value);
	else if (plain && !is_loopback(host))
		config_fail(
			doc,
			section,
			"url",
			"http:// carries the token to whoever listens; use https://, but for a server on this machine "
			"(127.0.0.1, [::1], localhost)");
	else
		word_copy(server->url, sizeof(server->url), value);
	size_t length = strlen(server->url);
	if (length > 0 && server->url[length - 1] == '/')
		server->url[length - 1] = '\0';
}

/* What must hold between the server and the rest. */
static void check_server(struct config_loader *loader, const struct config_section *section)
{
	struct config_document *doc = &loader->doc;
	const struct config *config = &loader->config;
	const struct uplink_config *times = &config->box.uplink;
	if (config->server.secure && config->server.ca_file[0] == '\0')
		config_fail(doc,
			    section,
			    "ca_file",
			    "is missing; it gives the CA that signed the server's certificate, the only one trusted");
	if (config->server.command_key_file[0] == '\0' && !config->box.insecure_commands)
		config_fail(doc,
			    section,
			    "command_key_file",
			    "is missing; it gives the public key that signs the server's commands");
	if (times->backoff_max_ms < times->backoff_min_ms)
		config_fail(doc,
			    section,
			    "backoff_max_ms",
			    "%" PRId64 " is less than backoff_min_ms, %" PRId64,
			    times->backoff_max_ms,
			    times->backoff_min_ms);
	if (strspn(config->box.box, BOX_LETTERS) != strlen(config->box.box))
		config_fail(doc,
			    config_only(doc, SECTION_BOX),
			    "id",
			    "'%s' is no name for a server; only letters, digits, '.', '_' and '-'",
			    config->box.box);
}

void config_read_server(struct config_loader *loader)
{
	struct config_document *doc = &loader->doc;
	struct config_server *server = &loader->config.server;
	struct uplink_config *times = &loader->config.box.uplink;
	const struct config_section *section = config_next(doc, SECTION_SERVER, NULL);
	int64_t heartbeat_s = HEARTBEAT_S;
	times->disabled = !section;
	if (!section)
		return;
	read_url(doc, section, server);
	config_path(doc, section, "token_file", server->token_file, sizeof(server->token_file));
	config_path(doc, section, "ca_file", server->ca_file, sizeof(server->ca_file));
	config_path(doc, section, "command_key_file", server->command_key_file, sizeof(server->command_key_file));
	config_integer(doc, section, "heartbeat_s", HEARTBEAT_S_MIN, HEARTBEAT_S_MAX, &heartbeat_s);
	times->heartbeat_ms = heartbeat_s * MS_PER_S;
	config_numbers(doc, section, config_server_times, times);
	check_server(loader, section);
}
