/* tools/ops/server/ops_setup.c: see ops_setup.h.
 *
 * Room: tools/ops/server; POSIX, src/jws. */
#include "ops_setup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record.h"

#define FILE_MAX 65536 /* of a token or PEM file */
#define FILES_RESERVE 64 /* descriptors beside the connections: the database, the loop, what libraries hold */
#define BACKLOG 1024
#define OTHERS 007

static int fail(struct ops_setup_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct ops_setup_error *error, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof error->text, format, arguments);
	va_end(arguments);
	return -1;
}

/* --- files --- */

static int check_file(int fd, const char *path, bool secret, struct ops_setup_error *error)
{
	struct stat status;
	if (fstat(fd, &status) < 0)
		return fail(error, "%s: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return fail(error, "%s: not a file", path);
	if (secret && (status.st_mode & OTHERS) != 0)
		return fail(error, "%s: others may read or change it; chmod o= it, and make a new secret", path);
	return status.st_size <= FILE_MAX ? 0 : fail(error, "%s: longer than %d bytes", path, FILE_MAX);
}

/* Reads to the end, or as far as *text has room. */
static int read_all(int fd, const char *path, char *text, struct ops_setup_error *error)
{
	size_t used = 0;
	ssize_t got;
	while (used < FILE_MAX && (got = read(fd, text + used, FILE_MAX - used)) != 0) {
		if (got < 0 && errno != EINTR)
			return fail(error, "%s: %s", path, strerror(errno));
		used += got < 0 ? 0 : (size_t)got;
	}
	text[used] = '\0';
	return strlen(text) == used ? 0 : fail(error, "%s: not a text", path);
}

int ops_setup_pem(const char *path, bool secret, char **text, struct ops_setup_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail(error, "%s: %s", path, strerror(errno));
	*text = calloc(1, FILE_MAX + 1);
	int result = *text == NULL ? fail(error, "out of memory") : check_file(fd, path, secret, error);
	if (result == 0)
		result = read_all(fd, path, *text, error);
	close(fd);
	if (result < 0) {
		free(*text);
		*text = NULL;
	}
	return result;
}

int ops_setup_token(const char *path, char token[OPS_BEARER_SIZE], struct ops_setup_error *error)
{
	char *text;
	if (ops_setup_pem(path, true, &text, error) < 0)
		return -1;
	text[strcspn(text, "\r\n")] = '\0';
	bool valid = strlen(text) >= OPS_BEARER_LEAST && word_is_printable(text, OPS_BEARER_SIZE);
	memset(token, 0, OPS_BEARER_SIZE);
	if (valid)
		memcpy(token, text, strlen(text));
	explicit_bzero(text, strlen(text));
	free(text);
	if (valid)
		return 0;
	return fail(error,
		    "%s: its first line must be the token, %d to %d printable characters",
		    path,
		    OPS_BEARER_LEAST,
		    OPS_BEARER_SIZE - 1);
}

int ops_setup_command_key(const char *path, struct jws_key **key, bool *made, struct ops_setup_error *error)
{
	struct jws_error jws;
	char public_path[PATH_MAX];
	*made = false;
	if ((size_t)snprintf(public_path, sizeof public_path, "%s.pub", path) >= sizeof public_path)
		return fail(error, "--command-key: the path is too long");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int checked = fd < 0 ? 0 : check_file(fd, path, true, error);
	if (fd >= 0)
		close(fd);
	if (checked < 0)
		return checked;
	int result = jws_load_private(path, key, &jws);
	if (result == -ENOENT) {
		*made = true;
		result = jws_make_key(path, public_path, key, &jws);
	} else if (result == 0 && access(public_path, F_OK) < 0 && errno == ENOENT) {
		result = jws_write_public(*key, public_path, &jws);
	}
	return result < 0 ? fail(error, "--command-key: %s", jws.text) : 0;
}

int ops_setup_lock(const char *path, int *fd, struct ops_setup_error *error)
{
	char name[PATH_MAX];
	if (strcmp(path, ":memory:") == 0)
		return 0;
	if ((size_t)snprintf(name, sizeof name, "%s-lock", path) >= sizeof name)
		return fail(error, "--db: the path is too long");
	*fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*fd < 0)
		return fail(error, "%s: %s", name, strerror(errno));
	if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return fail(error, "--db %s: another meterbox-ops uses it; end that one first", path);
	return fail(error, "%s: %s", name, strerror(errno));
}

int ops_setup_port_file(const char *path, unsigned port, struct ops_setup_error *error)
{
	char part[PATH_MAX];
	if ((size_t)snprintf(part, sizeof part, "%s.part", path) >= sizeof part)
		return fail(error, "--port-file: the path is too long");
	FILE *file = fopen(part, "we");
	if (file == NULL)
		return fail(error, "%s: %s", part, strerror(errno));
	bool written = fprintf(file, "%u\n", port) > 0;
	if (fclose(file) != 0 || !written || rename(part, path) < 0)
		return fail(error, "%s: %s", path, strerror(errno));
	return 0;
}

/* --- the socket --- */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool parse_port(const char *text, in_port_t *port)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return false;
	unsigned long value = strtoul(text, &end, 10);
	*port = htons((in_port_t)value);
	return *end == '\0' && value <= UINT16_MAX;
}

/* "127.0.0.1:8080" or "[::1]:8080". */
static bool parse_address(const char *text, union address *address, socklen_t *length)
{
	char host[INET6_ADDRSTRLEN + 2];
	const char *colon = strrchr(text, ':');
	size_t size = colon == NULL ? sizeof host : (size_t)(colon - text);
	memset(address, 0, sizeof *address);
	if (size >= sizeof host)
		return false;
	memcpy(host, text, size);
	host[size] = '\0';
	if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
		host[size - 1] = '\0';
		address->v6.sin6_family = AF_INET6;
		*length = sizeof address->v6;
		return inet_pton(AF_INET6, host + 1, &address->v6.sin6_addr) == 1 &&
		       parse_port(colon + 1, &address->v6.sin6_port);
	}
	address->v4.sin_family = AF_INET;
	*length = sizeof address->v4;
	return inet_pton(AF_INET, host, &address->v4.sin_addr) == 1 && parse_port(colon + 1, &address->v4.sin_port);
}

static bool is_loopback(const union address *address)
{
	if (address->any.sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
	return ntohl(address->v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

bool ops_setup_is_local(int fd)
{
	union address address;
	socklen_t length = sizeof address;
	return getsockname(fd, &address.any, &length) == 0 && is_loopback(&address);
}

int ops_setup_listen(const struct ops_server_options *options, int *fd, struct ops_setup_error *error)
{
	union address address;
	socklen_t length;
	const int on = 1;
	if (!parse_address(options->listen, &address, &length))
		return fail(error,
			    "--listen %s: it must be ADDRESS:PORT with a numeric address, such as 127.0.0.1:8080 or "
			    "[::1]:8080",
			    options->listen);
	if (options->cert == NULL && !options->behind_proxy && !is_loopback(&address))
		return fail(
			error,
			"--listen %s: without TLS only a loopback address is allowed, as tokens would travel in the "
			"clear; give --cert and --key, or --behind-proxy where a TLS proxy stands in front",
			options->listen);
	*fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return fail(error, "--listen %s: %s", options->listen, strerror(errno));
	if (setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && bind(*fd, &address.any, length) == 0 &&
	    listen(*fd, BACKLOG) == 0)
		return 0;
	fail(error, "--listen %s: %s", options->listen, strerror(errno));
	close(*fd);
	*fd = -1;
	return -1;
}

int ops_setup_url(int fd, bool tls, char *url, unsigned size, unsigned *port, struct ops_setup_error *error)
{
	union address address;
	socklen_t length = sizeof address;
	char host[INET6_ADDRSTRLEN] = "";
	if (getsockname(fd, &address.any, &length) < 0)
		return fail(error, "the listening socket: %s", strerror(errno));
	bool v6 = address.any.sa_family == AF_INET6;
	*port = ntohs(v6 ? address.v6.sin6_port : address.v4.sin_port);
	if (v6)
		inet_ntop(AF_INET6, &address.v6.sin6_addr, host, sizeof host);
	else
		inet_ntop(AF_INET, &address.v4.sin_addr, host, sizeof host);
	snprintf(url, size, "http%s://%s%s%s:%u", tls ? "s" : "", v6 ? "[" : "", host, v6 ? "]" : "", *port);
	return 0;
}

int ops_setup_files(unsigned connections, struct ops_setup_error *error)
{
	struct rlimit limit;
	rlim_t needed = (rlim_t)connections + FILES_RESERVE;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return fail(error, "the limit of open files: %s", strerror(errno));
	if (limit.rlim_cur >= needed)
		return 0;
	if (limit.rlim_max < needed)
		return fail(
			error,
			"%u connections need %ju open files, and the hard limit is %ju: raise it (LimitNOFILE= in the "
			"unit, ulimit -Hn) or lower --max-connections",
			connections,
			(uintmax_t)needed,
			(uintmax_t)limit.rlim_max);
	limit.rlim_cur = needed;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? 0 : fail(error, "setrlimit: %s", strerror(errno));
}
