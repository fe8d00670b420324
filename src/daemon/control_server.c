/* src/daemon/control_server.c: see control_server.h.
 *
 * A client is served one request after the other: while an answer is owed, or still on its way, nothing more is read from
 * it. So nobody can make the daemon collect anything. */
#include "control_server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "json.h"

#define WATCH_MIN_MS 200
#define WATCH_MAX_MS 60000
#define WATCH_DEFAULT_MS 1000
#define WATCH_QUIET_MS INT64_C(10000)
#define US_PER_MS UINT64_C(1000)
#define SOCKET_MODE 0660
#define PASSWD_PATH "/etc/passwd"
#define NO_DEADLINE "2099-12-31T23:59:59.000Z" /* a local command has none, and none is judged */

enum waiting {
	WAITING_NOT,
	WAITING_DURABLE, /* a command's result is on its way to the disk */
	WAITING_PAGE, /* the ledger thread reads */
	WAITING_WATCH, /* this client only listens from now on */
};

struct client {
	struct control_server *server; /* NULL: a free slot */
	int fd;
	uid_t uid;
	uint64_t ticket; /* of this connection's last question: answers to an earlier one are nobody's */
	sd_event_source *source;
	sd_event_source *timer; /* of a watcher */
	char name[NAME_SIZE]; /* signed on; empty: not */
	char in[CONTROL_REQUEST_MAX];
	size_t in_count;
	char *out; /* owned; what is still to be written */
	size_t out_sent;
	size_t out_length;
	enum waiting waiting;
	struct daemon_result result; /* WAITING_DURABLE */
	int64_t watch_ms;
	int64_t watched_ms; /* when the last status went out */
	uint64_t watched_changes;
	int service_outlet; /* of the service session that ends with this connection; RECORD_NO_OUTLET: none */
	char service_order[ORDER_SIZE];
};

struct control_server {
	struct daemon *d;
	int fd;
	int lock_fd;
	sd_event_source *source;
	uint64_t tickets;
	uint64_t commands; /* made here so far, for their ids */
	struct client clients[CONTROL_CLIENTS_MAX];
};

static void refuse(struct client *c, const char *code, const char *why);

/* --- a connection's end --- */

static void make_id(struct control_server *s, char id[COMMAND_ID_SIZE])
{
	snprintf(id, COMMAND_ID_SIZE, "control-%" PRIu32 "-%" PRIu64, box_image(s->d->box)->boot, ++s->commands);
}

/* Whether this connection's service session has not ended yet. */
static bool service_is_open(const struct client *c)
{
	const struct box *box = c->server->d->box;
	if (c->service_outlet == RECORD_NO_OUTLET || box == NULL)
		return false;
	const struct session_image *session = &box_image(box)->outlets[c->service_outlet].session;
	return session_is_open(session) && strcmp(session->grant.order, c->service_order) == 0;
}

/* The terminal went away: nobody stands there any more who could see what is live. */
static void end_service(struct client *c)
{
	struct daemon *d = c->server->d;
	if (!service_is_open(c))
		return; /* there is none, or it has ended before */
	struct command command = {.type = COMMAND_STOP, .outlet = c->service_outlet, .actor = ACTOR_TECHNICIAN};
	struct daemon_result result;
	word_copy(command.box, sizeof command.box, d->config.box.box);
	make_id(c->server, command.id);
	memcpy(command.name, c->name, sizeof command.name);
	memcpy(command.u.session.order, c->service_order, sizeof command.u.session.order);
	c->service_outlet = RECORD_NO_OUTLET;
	log_line(LOG_LEVEL_INFO, "terminal_gone", "outlet=%d name=%s", command.outlet + 1, log_text(c->name).text);
	daemon_command(d, &command, &result); /* without room for its result it has stopped all the same */
}

static void close_client(struct client *c)
{
	end_service(c);
	sd_event_source_unref(c->source);
	sd_event_source_disable_unref(c->timer);
	close(c->fd);
	free(c->out);
	memset(c, 0, sizeof *c);
}

/* --- writing --- */

static void listen_for(struct client *c, uint32_t events)
{
	sd_event_source_set_io_events(c->source, events);
}

/* Writes what is left. False when the client is gone. */
static bool flush(struct client *c)
{
	while (c->out_sent < c->out_length) {
		ssize_t sent =
			send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			listen_for(c, EPOLLOUT);
			return true;
		}
		if (sent < 0)
			return false;
		c->out_sent += (size_t)sent;
	}
	free(c->out);
	c->out = NULL;
	listen_for(c, c->waiting == WAITING_NOT || c->waiting == WAITING_WATCH ? EPOLLIN : 0);
	return true;
}

/* Sends one line; text is freed. What goes wrong with the connection shows at its next event. */
static void answer_text(struct client *c, char *text)
{
	static const char memory[] = "{\"ok\":false,\"code\":\"unavailable\",\"error\":\"out of memory: try again\"}";
	if (text == NULL)
		text = strdup(memory);
	if (text == NULL)
		return;
	size_t length = strlen(text);
	if (length + 1 > CONTROL_ANSWER_MAX) {
		free(text);
		refuse(c, "unavailable", "the answer is too long: ask for less");
		return;
	}
	char *line = realloc(text, length + 2);
	if (line == NULL) {
		free(text);
		return;
	}
	memcpy(line + length, "\n", 2);
	free(c->out);
	c->out = line;
	c->out_sent = 0;
	c->out_length = length + 1;
	if (c->waiting != WAITING_WATCH)
		c->waiting = WAITING_NOT;
	flush(c);
}

static void answer(struct client *c, cJSON *object)
{
	char *text = object == NULL ? NULL : cJSON_PrintUnformatted(object);
	cJSON_Delete(object);
	answer_text(c, text);
}

static void refuse(struct client *c, const char *code, const char *why)
{
	cJSON *o = cJSON_CreateObject();
	cJSON_AddFalseToObject(o, "ok");
	cJSON_AddStringToObject(o, "code", code);
	cJSON_AddStringToObject(o, "error", why);
	answer(c, o);
}

/* --- the calls --- */

static void call_hello(struct client *c, const cJSON *request)
{
	const struct config *config = &c->server->d->config;
	(void)request;
	cJSON *o = cJSON_CreateObject();
	cJSON_AddTrueToObject(o, "ok");
	cJSON_AddStringToObject(o, "program", "meterboxd");
	cJSON_AddStringToObject(o, "version", config->box.version);
	cJSON_AddNumberToObject(o, "protocol", CONTROL_PROTOCOL);
	cJSON_AddStringToObject(o, "box", config->box.box);
	cJSON_AddNumberToObject(o, "outlets", config->box.outlet_count);
	answer(c, o);
}

static void call_status(struct client *c, const cJSON *request)
{
	(void)request;
	answer_text(c, daemon_status(c->server->d));
}

static void send_status(struct client *c)
{
	c->watched_ms = monotonic_now_ms();
	c->watched_changes = c->server->d->changes;
	answer_text(c, daemon_status(c->server->d));
}

static int on_watch_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct client *c = userdata;
	bool changed = c->watched_changes != c->server->d->changes;
	bool quiet_long = monotonic_now_ms() - c->watched_ms >= WATCH_QUIET_MS;
	sd_event_source_set_time(source, usec + (uint64_t)c->watch_ms * US_PER_MS);
	sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
	if (c->out == NULL && (changed || quiet_long)) /* a slow reader gets fewer of them */
		send_status(c);
	return 0;
}

/* An integer argument; absent: fallback. False when it is no integer within the limits. */
static bool read_integer(const cJSON *request, const char *name, int64_t least, int64_t most, int64_t fallback,
			 int64_t *value)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(request, name);
	*value = fallback;
	if (item == NULL)
		return true;
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= (double)least && item->valuedouble <= (double)most))
		return false;
	*value = (int64_t)item->valuedouble;
	return (double)*value == item->valuedouble;
}

static void call_watch(struct client *c, const cJSON *request)
{
	if (!read_integer(request, "interval_ms", WATCH_MIN_MS, WATCH_MAX_MS, WATCH_DEFAULT_MS, &c->watch_ms)) {
		refuse(c, "bad_request", "interval_ms must be an integer of 200 to 60000");
		return;
	}
	int result = sd_event_add_time_relative(c->server->d->event,
						&c->timer,
						CLOCK_MONOTONIC,
						(uint64_t)c->watch_ms * US_PER_MS,
						US_PER_MS,
						on_watch_timer,
						c);
	if (result < 0) {
		refuse(c, "unavailable", strerror(-result));
		return;
	}
	c->waiting = WAITING_WATCH;
	send_status(c);
}

/* Root may speak for whoever stands there; everybody else is who they logged in as. */
static bool may_sign_on_as(const struct client *c, const char *name)
{
	if (c->uid == 0)
		return true;
	/* The board's own file: a directory service that does not answer would hold up the breakers. */
	FILE *file = fopen(PASSWD_PATH, "re");
	bool same = false;
	for (const struct passwd *user; file != NULL && !same && (user = fgetpwent(file)) != NULL;)
		same = user->pw_uid == c->uid && strcmp(user->pw_name, name) == 0;
	if (file != NULL)
		fclose(file);
	return same;
}

static void call_sign_on(struct client *c, const cJSON *request)
{
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(request, "name"));
	if (name == NULL || strlen(name) >= NAME_SIZE || !word_is_printable(name, NAME_SIZE)) {
		refuse(c, "bad_request", "name must be 1 to 40 printable characters without quotes or backslashes");
		return;
	}
	if (!may_sign_on_as(c, name)) {
		refuse(c, "not_allowed", "sign on by your own login name, or as root");
		return;
	}
	word_copy(c->name, sizeof c->name, name);
	log_line(LOG_LEVEL_INFO, "signed_on", "name=%s uid=%u", log_text(name).text, (unsigned)c->uid);
	cJSON *o = cJSON_CreateObject();
	cJSON_AddTrueToObject(o, "ok");
	cJSON_AddStringToObject(o, "name", name);
	answer(c, o);
}

/* Puts what the daemon knows better in place of what the request says. */
static bool complete_command(struct client *c, cJSON *command, char id[COMMAND_ID_SIZE])
{
	static const char *const own[] = {"box", "ledger", "seq", "not_after", "actor", "name"};
	for (size_t i = 0; i < sizeof own / sizeof *own; i++)
		cJSON_DeleteItemFromObjectCaseSensitive(command, own[i]);
	make_id(c->server, id);
	if (!cJSON_HasObjectItem(command, "id") && cJSON_AddStringToObject(command, "id", id) == NULL)
		return false;
	return cJSON_AddStringToObject(command, "box", c->server->d->config.box.box) != NULL &&
	       cJSON_AddNumberToObject(command, "seq", 1) != NULL &&
	       cJSON_AddStringToObject(command, "not_after", NO_DEADLINE) != NULL &&
	       cJSON_AddStringToObject(command, "actor", "technician") != NULL &&
	       cJSON_AddStringToObject(command, "name", c->name) != NULL;
}

/* Reads the request's command as the wire does. False with *error filled. */
static bool read_command(struct client *c, const cJSON *request, struct command *command, struct wire_error *error)
{
	char id[COMMAND_ID_SIZE];
	const cJSON *given = cJSON_GetObjectItemCaseSensitive(request, "command");
	cJSON *copy = cJSON_IsObject(given) ? cJSON_Duplicate(given, true) : NULL;
	char *text = copy != NULL && complete_command(c, copy, id) ? cJSON_PrintUnformatted(copy) : NULL;
	bool valid = false;
	if (text != NULL)
		valid = wire_read_command(text, strlen(text), command, error);
	else
		word_copy(error->text, sizeof error->text, "command must be an object, as src/control/control.h says");
	cJSON_Delete(copy);
	free(text);
	return valid;
}

static void answer_result(struct client *c)
{
	if (c->result.outcome != COMMAND_DONE) {
		bool detail = c->result.detail[0] != '\0';
		refuse(c, "refused", detail ? c->result.detail : word_name(&command_outcome_words, c->result.outcome));
		return;
	}
	cJSON *o = cJSON_CreateObject();
	cJSON_AddTrueToObject(o, "ok");
	cJSON_AddStringToObject(o, "outcome", word_name(&command_outcome_words, c->result.outcome));
	answer(c, o);
}

static void answer_when_durable(struct client *c)
{
	if (c->waiting == WAITING_DURABLE && c->server->d->news.durable_seq >= c->result.seq)
		answer_result(c);
}

static void call_command(struct client *c, const cJSON *request)
{
	struct daemon *d = c->server->d;
	struct command command;
	struct wire_error error;
	if (c->name[0] == '\0') {
		refuse(c, "not_signed_on", "sign on first: every act has a name");
		return;
	}
	if (d->box == NULL || d->stopping) {
		refuse(c, "not_ready", d->news.error[0] != '\0' ? d->news.error : "the daemon is ending");
		return;
	}
	if (!read_command(c, request, &command, &error)) {
		refuse(c, "bad_request", error.text);
		return;
	}
	if (command.type == COMMAND_SERVICE && service_is_open(c)) {
		refuse(c, "refused", "end your other service session first");
		return;
	}
	if ((command.type == COMMAND_AUTHORIZE || command.type == COMMAND_CREDIT) && !d->config.local_sessions) {
		refuse(c,
		       "not_allowed",
		       "the server grants credit on this box; a box without one sets local_sessions = yes in [box]");
		return;
	}
	if (!daemon_command(d, &command, &c->result)) {
		refuse(c, "unavailable", "the ledger has no room for the result now: try again in a moment");
		return;
	}
	if (c->result.outcome == COMMAND_DONE && command.type == COMMAND_SERVICE) {
		c->service_outlet = command.outlet;
		memcpy(c->service_order, command.u.service.order, sizeof c->service_order);
	}
	c->waiting = WAITING_DURABLE;
	answer_when_durable(c);
}

static void call_ledger(struct client *c, const cJSON *request)
{
	struct control_server *s = c->server;
	int64_t from;
	int64_t max;
	if (!read_integer(request, "from", 1, INT64_C(1) << 53, 1, &from) ||
	    !read_integer(request, "max", 1, CONTROL_RECORDS_MAX, CONTROL_RECORDS_MAX, &max)) {
		refuse(c, "bad_request", "from must be an integer of 1 to 2^53, max one of 1 to 50");
		return;
	}
	c->ticket = ++s->tickets;
	if (!ledger_thread_ask(s->d->ledger, LEDGER_FOR_CONTROL, c->ticket, (uint64_t)from, (size_t)max)) {
		refuse(c, s->d->box == NULL ? "not_ready" : "too_many", "the ledger cannot be read now: try again");
		return;
	}
	c->waiting = WAITING_PAGE;
}

/* Adds texts; a wire text is freed. */
static bool add_wire_text(cJSON *array, char *text)
{
	bool added = text != NULL && cJSON_AddItemToArray(array, cJSON_CreateString(text));
	free(text);
	return added;
}

static bool add_image(cJSON *o, const struct ledger_page *page)
{
	char *box = wire_write_box_image(page->image);
	bool done = box != NULL && cJSON_AddStringToObject(o, "image", box) != NULL &&
		    cJSON_AddStringToObject(o, "tip", page->tip) != NULL;
	free(box);
	cJSON *outlets = cJSON_AddArrayToObject(o, "outlet_images");
	for (unsigned i = 0; done && i < OUTLETS_MAX; i++)
		done = add_wire_text(outlets, wire_write_outlet_image(&page->image->outlets[i]));
	return done;
}

static void answer_page(struct client *c, const struct ledger_page *page)
{
	if (page->result < 0) {
		refuse(c, "unavailable", page->error);
		return;
	}
	cJSON *o = cJSON_CreateObject();
	cJSON_AddTrueToObject(o, "ok");
	cJSON_AddStringToObject(o, "id", page->id);
	cJSON_AddNumberToObject(o, "durable_seq", (double)page->durable_seq);
	cJSON_AddNumberToObject(o, "accepted_seq", (double)page->accepted_seq);
	cJSON *records = cJSON_AddArrayToObject(o, "records");
	bool done = records != NULL;
	for (size_t i = 0; done && i < page->count; i++)
		done = cJSON_AddItemToArray(records, cJSON_CreateString(page->bodies[i]));
	if (done && page->image != NULL)
		done = add_image(o, page);
	if (!done) {
		cJSON_Delete(o);
		o = NULL;
	}
	answer(c, o);
}

/* --- requests --- */

static const struct {
	const char *name;
	void (*call)(struct client *c, const cJSON *request);
} calls[] = {
	{"hello", call_hello},
	{"status", call_status},
	{"watch", call_watch},
	{"sign_on", call_sign_on},
	{"command", call_command},
	{"ledger", call_ledger},
};

static void dispatch(struct client *c, const cJSON *request)
{
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(request, "call"));
	if (name == NULL) {
		refuse(c, "bad_request", "a request is one line of JSON: an object with \"call\"");
		return;
	}
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		if (strcmp(calls[i].name, name) == 0) {
			calls[i].call(c, request);
			return;
		}
	}
	refuse(c, "unknown_call", "calls are hello, status, watch, sign_on, command and ledger");
}

static void take_line(struct client *c, size_t length)
{
	struct wire_error error;
	cJSON *request = json_parse_object(c->in, length, CONTROL_REQUEST_MAX, &error);
	if (request == NULL)
		refuse(c, "bad_request", error.text);
	else
		dispatch(c, request);
	cJSON_Delete(request);
}

/* Takes whole lines as long as no answer is under way. */
static void serve(struct client *c)
{
	while (c->waiting == WAITING_NOT && c->out == NULL) {
		const char *end = memchr(c->in, '\n', c->in_count);
		if (end == NULL)
			break;
		size_t length = (size_t)(end - c->in);
		take_line(c, length);
		c->in_count -= length + 1;
		memmove(c->in, end + 1, c->in_count);
	}
	if (c->waiting != WAITING_NOT && c->waiting != WAITING_WATCH && c->out == NULL)
		listen_for(c, 0);
}

/* False when the client is gone, or cannot be served any more. */
static bool receive(struct client *c)
{
	if (c->in_count == sizeof c->in) {
		refuse(c, "bad_request", "the line is longer than 8192 bytes");
		return false;
	}
	ssize_t got = recv(c->fd, c->in + c->in_count, sizeof c->in - c->in_count, MSG_DONTWAIT);
	if (got <= 0)
		return got < 0 && (errno == EAGAIN || errno == EINTR);
	if (c->waiting == WAITING_WATCH)
		return true; /* a watcher has nothing more to say */
	c->in_count += (size_t)got;
	return true;
}

static int on_client(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct client *c = userdata;
	(void)source;
	(void)fd;
	bool alive = (events & (EPOLLHUP | EPOLLERR)) == 0;
	if (alive && c->out != NULL && (events & EPOLLOUT) != 0)
		alive = flush(c);
	if (alive && (events & EPOLLIN) != 0)
		alive = receive(c);
	if (!alive)
		close_client(c);
	else
		serve(c);
	return 0;
}

/* --- connections --- */

static struct client *free_slot(struct control_server *s)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (s->clients[i].server == NULL)
			return &s->clients[i];
	return NULL;
}

/* 0, or negative errno with the connection still the caller's. */
static int take_client(struct control_server *s, int fd)
{
	static const char busy[] =
		"{\"ok\":false,\"code\":\"too_many\",\"error\":\"16 connections are open: close one\"}\n";
	struct ucred peer;
	socklen_t size = sizeof peer;
	struct client *c = free_slot(s);
	if (c == NULL) {
		ssize_t sent = send(fd, busy, sizeof busy - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		(void)sent; /* it is closed in any case */
		return -EBUSY;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	*c = (struct client){.fd = fd, .uid = peer.uid, .service_outlet = RECORD_NO_OUTLET};
	int result = sd_event_add_io(s->d->event, &c->source, fd, EPOLLIN, on_client, c);
	if (result >= 0)
		c->server = s;
	return result < 0 ? result : 0;
}

static int on_connection(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct control_server *s = userdata;
	(void)source;
	(void)events;
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (client < 0)
		return 0; /* it went away, or comes again */
	int result = take_client(s, client);
	if (result < 0) {
		log_line(LOG_LEVEL_WARNING, "control_refused", "error=%s", log_text(strerror(-result)).text);
		close(client);
	}
	return 0;
}

void control_server_on_ledger(struct control_server *s)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (s->clients[i].server == NULL)
			continue;
		answer_when_durable(&s->clients[i]);
		serve(&s->clients[i]);
	}
}

void control_server_on_page(struct control_server *s, const struct ledger_page *page)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *c = &s->clients[i];
		if (c->server != NULL && c->waiting == WAITING_PAGE && c->ticket == page->ticket) {
			answer_page(c, page);
			serve(c);
		}
	}
}

/* --- the socket --- */

static int fail(const char *path, int result)
{
	log_line(LOG_LEVEL_ERROR,
		 "start_failed",
		 "what=%s error=%s",
		 log_text(path).text,
		 log_text(result == -EBUSY ? "another meterboxd listens there" : strerror(-result)).text);
	return result;
}

/* Who holds the lock file beside the socket owns its name: a dead predecessor's socket may be removed. */
static int take_name(struct control_server *s, const char *path)
{
	char lock[sizeof s->d->config.control_socket + 8];
	snprintf(lock, sizeof lock, "%s.lock", path);
	s->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock_fd < 0)
		return -errno;
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int set_group(const char *path, const char *group)
{
	gid_t gid = (gid_t)-1;
	if (group[0] != '\0') {
		const struct group *found = getgrnam(group);
		if (found == NULL) {
			log_line(LOG_LEVEL_ERROR, "no_such_group", "group=%s", log_text(group).text);
			return -ENOENT;
		}
		gid = found->gr_gid;
	}
	return chown(path, (uid_t)-1, gid) == 0 && chmod(path, SOCKET_MODE) == 0 ? 0 : -errno;
}

static int listen_on(struct control_server *s, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return -errno;
	mode_t before = umask(0177); /* nobody connects before the group is set */
	int result = bind(s->fd, (const struct sockaddr *)&address, sizeof address) < 0 ? -errno : 0;
	umask(before);
	if (result == 0)
		result = set_group(path, s->d->config.control_group);
	if (result == 0 && listen(s->fd, CONTROL_CLIENTS_MAX) < 0)
		result = -errno;
	return result;
}

int control_server_start(struct daemon *d, struct control_server **server)
{
	struct control_server *s = calloc(1, sizeof *s);
	if (s == NULL)
		return fail("memory", -ENOMEM);
	s->d = d;
	s->fd = -1;
	s->lock_fd = -1;
	int result = take_name(s, d->config.control_socket);
	if (result == 0)
		result = listen_on(s, d->config.control_socket);
	if (result == 0)
		result = sd_event_add_io(d->event, &s->source, s->fd, EPOLLIN, on_connection, s);
	if (result >= 0) {
		*server = s;
		return 0;
	}
	fail(d->config.control_socket, result);
	control_server_stop(s);
	return result;
}

void control_server_stop(struct control_server *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (s->clients[i].server != NULL)
			close_client(&s->clients[i]);
	sd_event_source_unref(s->source);
	if (s->fd >= 0) {
		unlink(s->d->config.control_socket); /* still ours: the lock is held */
		close(s->fd);
	}
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s);
}
