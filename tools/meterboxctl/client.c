/* tools/meterboxctl/client.c: see ctl_client.h.
 *
 * Room: meterboxctl; src/control, cJSON. */
#include "ctl_client.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "ctl_json.h"
#include "ctl_text.h"

__attribute__((format(printf, 2, 3))) static enum ctl_exit unreachable(struct ctl_client *client, const char *format,
								       ...)
{
	char text[CTL_ERROR_SIZE];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	ctl_escape(client->error, sizeof client->error, text);
	return CTL_UNREACHABLE;
}

/* --- connecting --- */

/* The socket's group is who may speak; where even that cannot be seen, its directory's. */
static void group_of(const char *path, char *group, size_t size)
{
	char directory[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	struct stat file;
	snprintf(directory, sizeof directory, "%s", path);
	char *slash = strrchr(directory, '/');
	if (slash != NULL)
		*slash = '\0';
	bool known = stat(path, &file) == 0 || (slash != NULL && stat(directory, &file) == 0);
	const struct group *entry = known ? getgrgid(file.st_gid) : NULL;
	if (entry != NULL)
		snprintf(group, size, "\"%s\"", entry->gr_name);
	else
		snprintf(group, size, "that control_group in meterboxd.conf names");
}

static enum ctl_exit not_connected(struct ctl_client *client, const char *path, int error)
{
	char group[64];
	switch (error) {
	case ENOENT:
		return unreachable(client,
				   "%s is not there: meterboxd does not run (see: systemctl status meterboxd), or it "
				   "listens elsewhere (--socket PATH)",
				   path);
	case ECONNREFUSED:
		return unreachable(
			client, "nobody listens at %s: meterboxd has stopped (see: systemctl status meterboxd)", path);
	case EACCES:
	case EPERM:
		group_of(path, group, sizeof group);
		return unreachable(client,
				   "%s may not be opened: only root and the members of the group %s may speak with "
				   "meterboxd (add yourself and log in again, or use sudo)",
				   path,
				   group);
	case EAGAIN:
		return unreachable(client, "meterboxd does not take another connection at %s now: try again", path);
	}
	return unreachable(client, "%s: %s", path, strerror(error));
}

static enum ctl_exit connect_to(struct ctl_client *client, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (path[0] == '\0' || strlen(path) >= sizeof address.sun_path)
		return unreachable(
			client, "a socket's path has 1 to %zu characters: %s", sizeof address.sun_path - 1, path);
	strcpy(address.sun_path, path);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->fd < 0)
		return unreachable(client, "making a socket: %s", strerror(errno));
	if (connect(client->fd, (const struct sockaddr *)&address, sizeof address) == 0)
		return CTL_GOOD;
	return not_connected(client, path, errno);
}

static enum ctl_exit say_hello(struct ctl_client *client, const char *path)
{
	cJSON *answer = NULL;
	int64_t protocol = 0;
	char program[32];
	enum ctl_exit result = ctl_client_call(client, "hello", NULL, &answer, NULL);
	if (result != CTL_GOOD)
		return CTL_UNREACHABLE;
	if (!ctl_json_text(answer, "program", program, sizeof program) || strcmp(program, "meterboxd") != 0)
		result = unreachable(client, "what listens at %s is not meterboxd", path);
	else if (!ctl_json_whole(answer, "protocol", 0, CTL_WHOLE_MAX, &protocol) || protocol != CONTROL_PROTOCOL)
		result = unreachable(
			client,
			"meterboxd speaks version %lld of the control protocol, this meterboxctl %d: install "
			"both from the same release",
			(long long)protocol,
			CONTROL_PROTOCOL);
	else if (!ctl_json_text(answer, "box", client->box, sizeof client->box) ||
		 !ctl_json_text(answer, "version", client->version, sizeof client->version))
		result = unreachable(client, "meterboxd did not say its box and version");
	cJSON_Delete(answer);
	return result;
}

enum ctl_exit ctl_client_open(struct ctl_client *client, const char *path)
{
	memset(client, 0, sizeof *client);
	client->fd = -1;
	client->buffer = malloc(CONTROL_ANSWER_MAX + 1);
	enum ctl_exit result = client->buffer != NULL ? connect_to(client, path) : unreachable(client, "out of memory");
	if (result == CTL_GOOD)
		result = say_hello(client, path);
	if (result != CTL_GOOD)
		ctl_client_close(client);
	return result;
}

void ctl_client_close(struct ctl_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	free(client->buffer);
	client->fd = -1;
	client->buffer = NULL;
}

/* --- lines --- */

static int64_t mono_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* False, with the error filled, when nothing happens in time. A signal does not end the wait: whoever wants to be
 * interrupted polls by itself. */
static bool wait_for(struct ctl_client *client, short events, int64_t until_ms)
{
	struct pollfd watched = {.fd = client->fd, .events = events};
	int count = 0;
	do {
		int64_t left_ms = until_ms - mono_ms();
		count = left_ms > 0 ? poll(&watched, 1, (int)left_ms) : 0;
	} while (count < 0 && errno == EINTR);
	if (count > 0)
		return true;
	unreachable(client,
		    "meterboxd has not answered for %d s: see its log (journalctl -u meterboxd)",
		    CTL_ANSWER_MS / 1000);
	return false;
}

/* A peer that closes at once may have said why: what cannot be sent is not an error before its last word is read. */
static bool send_all(struct ctl_client *client, const char *text, size_t length)
{
	int64_t until_ms = mono_ms() + CTL_ANSWER_MS;
	while (length > 0) {
		ssize_t count = send(client->fd, text, length, MSG_NOSIGNAL);
		if (count < 0 && (errno == EPIPE || errno == ECONNRESET))
			return true;
		if (count < 0 && errno != EAGAIN && errno != EINTR) {
			unreachable(client, "writing to meterboxd: %s", strerror(errno));
			return false;
		}
		if (count < 0 && errno == EAGAIN && !wait_for(client, POLLOUT, until_ms))
			return false;
		if (count > 0) {
			text += count;
			length -= (size_t)count;
		}
	}
	return true;
}

bool ctl_client_send(struct ctl_client *client, const char *name, cJSON *arguments)
{
	cJSON *request = arguments != NULL ? arguments : cJSON_CreateObject();
	char *text = cJSON_AddStringToObject(request, "call", name) != NULL ? cJSON_PrintUnformatted(request) : NULL;
	size_t length = text != NULL ? strlen(text) : 0;
	bool good = text != NULL && length + 1 <= CONTROL_REQUEST_MAX;
	cJSON_Delete(request);
	if (good) {
		text[length] = '\n'; /* in the place of the NUL */
		good = send_all(client, text, length + 1);
	} else {
		unreachable(client, text == NULL ? "out of memory" : "the request is too long");
	}
	cJSON_free(text);
	return good;
}

bool ctl_client_fill(struct ctl_client *client)
{
	memmove(client->buffer, client->buffer + client->taken, client->have - client->taken);
	client->have -= client->taken;
	client->taken = 0;
	ssize_t count = recv(client->fd, client->buffer + client->have, CONTROL_ANSWER_MAX - client->have, 0);
	if (count > 0) {
		client->have += (size_t)count;
		return true;
	}
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (count < 0)
		unreachable(client, "reading from meterboxd: %s", strerror(errno));
	else
		unreachable(client, "meterboxd has closed the connection: see its log (journalctl -u meterboxd)");
	return false;
}

const char *ctl_client_next(struct ctl_client *client, bool *broken)
{
	char *line = client->buffer + client->taken;
	size_t waiting = client->have - client->taken;
	char *end = memchr(line, '\n', waiting);
	*broken = end == NULL ? waiting == CONTROL_ANSWER_MAX : !ctl_is_plain(line, (size_t)(end - line));
	if (*broken)
		unreachable(client, "what came is not an answer of meterboxd: too long, or not plain text");
	if (end == NULL || *broken)
		return NULL;
	*end = '\0';
	client->taken += (size_t)(end - line) + 1;
	return line;
}

/* --- answers --- */

enum ctl_exit ctl_client_parse(struct ctl_client *client, const char *line, cJSON **answer)
{
	static const char *const later[] = {"not_ready", "unavailable", "too_many"};
	char why[CTL_ERROR_SIZE - 64];
	const char *end = NULL;
	cJSON *object = cJSON_ParseWithLengthOpts(line, strlen(line), &end, false);
	bool ok = false;
	bool answered = cJSON_IsObject(object) && *end == '\0' && ctl_json_bool(object, "ok", &ok);
	if (answered && ok) {
		*answer = object;
		return CTL_GOOD;
	}
	if (!answered || !ctl_json_text(object, "code", client->code, sizeof client->code) ||
	    !ctl_json_text(object, "error", why, sizeof why)) {
		cJSON_Delete(object);
		return unreachable(client, "what came is not an answer of meterboxd");
	}
	cJSON_Delete(object);
	bool plain = strcmp(client->code, "refused") == 0;
	unreachable(client, "refused%s%s%s: %s", plain ? "" : " (", plain ? "" : client->code, plain ? "" : ")", why);
	for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
		if (strcmp(client->code, later[i]) == 0)
			return CTL_UNREACHABLE;
	}
	return CTL_REFUSED;
}

static const char *wait_line(struct ctl_client *client)
{
	int64_t until_ms = mono_ms() + CTL_ANSWER_MS;
	bool broken = false;
	const char *line = NULL;
	while ((line = ctl_client_next(client, &broken)) == NULL && !broken) {
		if (!wait_for(client, POLLIN, until_ms) || !ctl_client_fill(client))
			break;
	}
	return line;
}

enum ctl_exit ctl_client_call(struct ctl_client *client, const char *name, cJSON *arguments, cJSON **answer,
			      const char **line)
{
	*answer = NULL;
	client->code[0] = '\0';
	const char *came = ctl_client_send(client, name, arguments) ? wait_line(client) : NULL;
	if (line != NULL)
		*line = came;
	return came != NULL ? ctl_client_parse(client, came, answer) : CTL_UNREACHABLE;
}
