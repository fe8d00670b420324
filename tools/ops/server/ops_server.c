/* tools/ops/server/ops_server.c: see ops_server.h. All is put together here in a visible order, and taken down in
 * reverse.
 *
 * Room: tools/ops/server; libmicrohttpd, sd-event. The library has no thread of its own: it is given the loop's time
 * when its epoll descriptor is readable, when it asked for time, and after a stream was resumed. */
#include "ops_server.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "ops_calls.h"

#define CONNECTION_MEMORY (16 * 1024) /* for headers and what is being sent, of each connection */
#define IDLE_TIMEOUT_S 30U /* a connection that neither sends nor takes anything; streams that wait are exempt */
#define HEADER_PATIENCE_MS 10000 /* until the first request's header is there */
#define STOP_PATIENCE_MS 5000
#define TIMER_ACCURACY_US 1000
#define CONNECTIONS_KEPT_LEAST 8 /* for everything but streams; else a sixteenth */
#define URL_SIZE 80

int64_t ops_wall_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

int64_t ops_monotonic_now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* --- the loop --- */

static int lose_http(struct ops_server *s)
{
	log_line(LOG_LEVEL_ERROR, "http_failed", "action=%s", log_text("ending").text);
	return sd_event_exit(s->event, EXIT_FAILURE);
}

static int run_http(struct ops_server *s)
{
	s->streams.resumed = false;
	s->peers.closed = false;
	return MHD_run(s->http) == MHD_YES ? 0 : lose_http(s);
}

static int on_http(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	return run_http(userdata);
}

static int on_hangup(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	(void)source;
	(void)fd;
	(void)events;
	ops_streams_take_hangups(userdata);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct ops_server *s = userdata;
	(void)source;
	(void)usec;
	ops_streams_beat(s, ops_monotonic_now_ms());
	ops_peers_sweep(&s->peers, ops_monotonic_now_ms());
	return run_http(s);
}

/* When the loop must go on even if nothing happens: monotonic ms, INT64_MAX for never. */
static int64_t next_ms(struct ops_server *s, int64_t now_ms)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;
	int64_t next = s->streams.beat_ms;
	/* The library stops listening when it has all the connections that it may have, perhaps for a moment within one run,
	 * and looks whether it has room again only when it begins to run: so it must run once more behind each that ended. */
	if (s->streams.resumed || s->peers.closed)
		return now_ms;
	if (ops_peers_next_ms(&s->peers) < next)
		next = ops_peers_next_ms(&s->peers);
	if (s->stopping && s->deadline_ms < next)
		next = s->deadline_ms;
	if (MHD_get_timeout(s->http, &wait_ms) == MHD_YES && (int64_t)wait_ms < next - now_ms)
		next = now_ms + (int64_t)wait_ms;
	return next;
}

/* After whatever happened. */
static int on_post(sd_event_source *source, void *userdata)
{
	struct ops_server *s = userdata;
	int64_t now_ms = ops_monotonic_now_ms();
	(void)source;
	if (s->stopping && (s->requests == 0 || now_ms >= s->deadline_ms))
		return sd_event_exit(s->event, EXIT_SUCCESS);
	int64_t next = next_ms(s, now_ms);
	if (next == INT64_MAX)
		return sd_event_source_set_enabled(s->timer, SD_EVENT_OFF);
	sd_event_source_set_time(s->timer, (uint64_t)next * US_PER_MS);
	return sd_event_source_set_enabled(s->timer, SD_EVENT_ONESHOT);
}

/* No new connections; streams end, and what runs has some seconds. */
static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata)
{
	struct ops_server *s = userdata;
	(void)source;
	if (s->stopping)
		return 0;
	s->stopping = true;
	s->deadline_ms = ops_monotonic_now_ms() + STOP_PATIENCE_MS;
	log_line(LOG_LEVEL_INFO,
		 "stopping",
		 "signal=%u streams=%u requests=%u",
		 info->ssi_signo,
		 s->streams.count,
		 s->requests);
	sd_notify(0, "STOPPING=1");
	int listen_fd = MHD_quiesce_daemon(s->http); /* ours again; closed, so that nobody waits in its queue */
	if (listen_fd >= 0)
		close(listen_fd);
	ops_streams_end_all(s);
	return 0;
}

static int fail_start(const char *what, int result)
{
	log_line(LOG_LEVEL_ERROR, "start_failed", "what=%s error=%s", what, log_text(strerror(-result)).text);
	return EXIT_FAILURE;
}

/* The exit code, or -1 to go on. */
static int open_loop(struct ops_server *s)
{
	const union MHD_DaemonInfo *http = MHD_get_daemon_info(s->http, MHD_DAEMON_INFO_EPOLL_FD);
	int result = sd_event_new(&s->event);
	if (http == NULL)
		return fail_start("epoll", -EBADF);
	if (result < 0 || (result = sd_event_set_watchdog(s->event, true)) < 0 ||
	    (result = sd_event_add_signal(s->event, NULL, SIGTERM, on_signal, s)) < 0 ||
	    (result = sd_event_add_signal(s->event, NULL, SIGINT, on_signal, s)) < 0 ||
	    (result = sd_event_add_io(s->event, NULL, http->epoll_fd, EPOLLIN, on_http, s)) < 0 ||
	    (result = sd_event_add_io(s->event, NULL, s->streams.hangup_fd, EPOLLIN, on_hangup, s)) < 0 ||
	    (result = sd_event_add_time(s->event, &s->timer, CLOCK_MONOTONIC, 0, TIMER_ACCURACY_US, on_timer, s)) < 0 ||
	    (result = sd_event_add_post(s->event, NULL, on_post, s)) < 0)
		return fail_start("loop", result);
	return -1;
}

/* --- the library --- */

static void on_library_message(void *cls, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));

/* It complains of what strangers send, which is no news. */
static void on_library_message(void *cls, const char *format, va_list arguments)
{
	char text[LOG_TEXT_SIZE];
	(void)cls;
	vsnprintf(text, sizeof text, format, arguments);
	text[strcspn(text, "\n")] = '\0';
	log_line(LOG_LEVEL_DEBUG, "http", "message=%s", log_text(text).text);
}

/* A proxy, and this machine itself, have one address for everybody. 0: no limit. */
static unsigned address_max(const struct ops_server *s)
{
	const struct ops_server_options *o = s->options;
	return o->address_given || (!o->behind_proxy && !ops_setup_is_local(s->listen_fd)) ? o->address_max : 0;
}

static int open_http(struct ops_server *s)
{
	unsigned flags =
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (s->cert != NULL ? MHD_USE_TLS : 0);
	static char tls_versions[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, s->cert},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, s->key},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, tls_versions},
		{MHD_OPTION_END, 0, NULL},
	};
	struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
	s->http =
		MHD_start_daemon(flags,
				 0,
				 NULL,
				 NULL,
				 ops_request_take,
				 s,
				 MHD_OPTION_EXTERNAL_LOGGER,
				 on_library_message,
				 NULL,
				 MHD_OPTION_LISTEN_SOCKET,
				 s->listen_fd,
				 MHD_OPTION_CONNECTION_LIMIT,
				 s->options->connections_max,
				 MHD_OPTION_PER_IP_CONNECTION_LIMIT,
				 address_max(s),
				 MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				 (size_t)CONNECTION_MEMORY,
				 MHD_OPTION_CONNECTION_TIMEOUT,
				 IDLE_TIMEOUT_S,
				 MHD_OPTION_NOTIFY_COMPLETED,
				 ops_request_completed,
				 s,
				 MHD_OPTION_NOTIFY_CONNECTION,
				 ops_peer_notify,
				 &s->peers,
				 MHD_OPTION_UNESCAPE_CALLBACK,
				 ops_request_unescape,
				 NULL,
				 MHD_OPTION_SIGPIPE_HANDLED_BY_APP,
				 1,
				 MHD_OPTION_STRICT_FOR_CLIENT, /* a proxy in front may read sloppy requests otherwise */
				 1,
				 MHD_OPTION_ARRAY,
				 s->cert != NULL ? tls : plain,
				 MHD_OPTION_END);
	if (s->http == NULL && s->cert != NULL) {
		log_line(LOG_LEVEL_ERROR,
			 "start_failed",
			 "what=http hint=%s",
			 log_text("--cert or --key may be wrong").text);
		return EX_CONFIG;
	}
	if (s->http == NULL)
		return fail_start("http", -EIO);
	s->listen_fd = -1;
	return -1;
}

/* --- what is needed before --- */

static int refuse_setup(const struct ops_setup_error *error)
{
	log_line(LOG_LEVEL_ERROR, "wrong_configuration", "error=%s", log_text(error->text).text);
	return EX_CONFIG;
}

static int open_files(struct ops_server *s)
{
	const struct ops_server_options *o = s->options;
	struct ops_setup_error error;
	bool made = false;
	if (ops_setup_lock(o->db, &s->lock_fd, &error) < 0 ||
	    ops_setup_token(o->operator_token_file, s->operator_token, &error) < 0 ||
	    (o->cert != NULL && (ops_setup_pem(o->cert, false, &s->cert, &error) < 0 ||
				 ops_setup_pem(o->key, true, &s->key, &error) < 0)) ||
	    (o->command_key != NULL && ops_setup_command_key(o->command_key, &s->command_key, &made, &error) < 0) ||
	    ops_payments_open(&s->payments, o, &error) < 0 || ops_setup_files(o->connections_max, &error) < 0 ||
	    ops_setup_listen(o, &s->listen_fd, &error) < 0)
		return refuse_setup(&error);
	if (made)
		log_line(LOG_LEVEL_INFO, "command_key_made", "file=%s", log_text(o->command_key).text);
	if (o->command_key == NULL)
		log_line(LOG_LEVEL_WARNING,
			 "insecure_commands",
			 "hint=%s",
			 log_text("commands are sent unsigned: for a workshop only").text);
	return -1;
}

static void take_random(void *ctx, void *bytes, size_t count)
{
	(void)ctx;
	if (getrandom(bytes, count, 0) == (ssize_t)count)
		return;
	log_line(LOG_LEVEL_ERROR, "no_random", "error=%s", log_text(strerror(errno)).text);
	abort(); /* ids that somebody can guess are worse than no server */
}

/* The core tells what an operator should see. */
static void on_notice(void *ctx, enum ops_notice what, const struct ops_order *order)
{
	bool differs = what == OPS_NOTICE_GRANT_DIFFERS;
	bool grave = differs || order->price_differs || order->ledger_lost || order->written_off_micros > 0;
	(void)ctx;
	log_line(grave ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
		 differs ? "grant_differs" : "order_closed",
		 "order=%s box=%s reason=%s energy_mwh=%" PRId64 " billed_micros=%" PRId64 " box_micros=%" PRId64
		 " written_off_micros=%" PRId64 "%s%s",
		 log_text(order->grant.order).text,
		 log_text(order->box).text,
		 order->state == OPS_ORDER_DONE ? word_name(&end_reason_words, order->receipt.reason) : "none",
		 order->receipt.energy_mwh,
		 order->billed_micros,
		 order->receipt.amount_micros,
		 order->written_off_micros,
		 order->price_differs ? " price_differs=yes" : "",
		 order->ledger_lost ? " ledger_lost=yes" : "");
}

static void on_order(void *ctx, const char *order)
{
	ops_desk_note(ctx, order);
}

static int open_store(struct ops_server *s)
{
	struct ops_error error;
	struct ops_options options = {
		.path = s->options->db,
		.random = take_random,
		.notice = on_notice,
		.order_changed = on_order,
		.ctx = s,
		.command_ms = s->options->command_ms,
	};
	if (ops_open(&options, &s->ops, &error) == 0)
		return -1;
	log_line(LOG_LEVEL_ERROR,
		 "store_failed",
		 "file=%s error=%s",
		 log_text(s->options->db).text,
		 log_text(error.text).text);
	return EXIT_FAILURE;
}

static int open_memory(struct ops_server *s)
{
	unsigned kept = s->options->connections_max / 16;
	kept = kept > CONNECTIONS_KEPT_LEAST ? kept : CONNECTIONS_KEPT_LEAST;
	if (!ops_doors_open(&s->doors))
		return fail_start("random", -errno);
	s->addresses_differ = (s->options->address_given && address_max(s) > 0) || !ops_setup_is_local(s->listen_fd);
	s->message = ops_messages_provider(&s->messages);
	s->live = ops_live_new();
	if (s->live == NULL)
		return fail_start("memory", -ENOMEM);
	int result = ops_streams_open(&s->streams, s->options->connections_max - kept);
	return result < 0 ? fail_start("epoll", result) : -1;
}

static int announce(struct ops_server *s)
{
	struct ops_setup_error error;
	char url[URL_SIZE];
	unsigned port;
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->http, MHD_DAEMON_INFO_LISTEN_FD);
	if (info == NULL)
		return fail_start("socket", -EBADF);
	if (ops_setup_url(info->listen_fd, s->cert != NULL, url, sizeof url, &port, &error) < 0 ||
	    (s->options->port_file != NULL && ops_setup_port_file(s->options->port_file, port, &error) < 0))
		return refuse_setup(&error);
	log_line(LOG_LEVEL_INFO, "listening", "url=%s version=%s", url, METERBOX_VERSION);
	sd_notifyf(0, "READY=1\nSTATUS=Listening at %s.", url);
	return -1;
}

/* --- begin and end --- */

static void close_all(struct ops_server *s)
{
	ops_streams_end_all(s); /* the library must not stop with suspended connections */
	if (s->http != NULL)
		MHD_stop_daemon(s->http);
	sd_event_source_unref(s->timer);
	sd_event_unref(s->event);
	ops_streams_close(&s->streams);
	ops_live_free(s->live);
	ops_close(s->ops);
	jws_key_free(s->command_key);
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->cert);
	free(s->key);
}

/* Documents are built in many small steps; where one fails, nothing that was answered is lost by ending. */
static void *allocate_or_end(size_t size)
{
	void *memory = malloc(size);
	if (memory != NULL)
		return memory;
	log_line(LOG_LEVEL_ERROR, "out_of_memory", "bytes=%zu", size);
	_exit(EXIT_FAILURE);
}

int ops_server_run(const struct ops_server_options *options)
{
	static int (*const steps[])(struct ops_server *) = {
		open_files, open_store, open_memory, open_http, open_loop, announce};
	struct ops_server *s = calloc(1, sizeof *s);
	cJSON_Hooks hooks = {.malloc_fn = allocate_or_end, .free_fn = free};
	int code = -1;
	if (s == NULL)
		return EXIT_FAILURE;
	cJSON_InitHooks(&hooks);
	s->options = options;
	s->listen_fd = s->lock_fd = -1;
	s->streams.hangup_fd = -1;
	s->peers.busy.patience_ms = options->request_ms;
	s->peers.fresh.patience_ms =
		options->request_ms < HEADER_PATIENCE_MS ? options->request_ms : HEADER_PATIENCE_MS;
	s->started_ms = ops_monotonic_now_ms();
	for (size_t i = 0; code < 0 && i < sizeof steps / sizeof *steps; i++)
		code = steps[i](s);
	if (code < 0) {
		code = sd_event_loop(s->event);
		if (code < 0)
			code = fail_start("loop", code);
		log_line(LOG_LEVEL_INFO, "stopped", "code=%d", code);
	}
	close_all(s);
	free(s);
	return code;
}
