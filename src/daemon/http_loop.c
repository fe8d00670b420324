/* src/daemon/http_loop.c: see http_loop.h.
 *
 * libcurl says which descriptors and which time it waits for; sd-event waits. A descriptor's source is kept by libcurl
 * (curl_multi_assign), so that no table of ours can be full. */
#include "http_loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define TIMER_ACCURACY_US UINT64_C(1000) /* libcurl asks for "at once" by a time of 0: it must not wait for company */
#define US_PER_MS UINT64_C(1000)
#define CONNECTIONS_KEPT_MAX 2L /* records and commands */

struct http_loop {
	sd_event *event;
	int64_t priority;
	sd_event_source *timer;
	CURLM *multi;
	void (*after)(void *ctx);
	void *ctx;
};

/* Takes what has ended. A transfer is removed before its owner hears of it, who may begin it anew. */
static void finish_transfers(struct http_loop *loop)
{
	CURLMsg *message;
	int left;
	while ((message = curl_multi_info_read(loop->multi, &left)) != NULL) {
		char *private = NULL;
		CURLcode code = message->data.result; /* the message is gone with the handle */
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
		struct http_transfer *transfer = (struct http_transfer *)(void *)private;
		curl_multi_remove_handle(loop->multi, transfer->easy);
		transfer->running = false;
		transfer->done(transfer->ctx, code);
	}
}

static void work(struct http_loop *loop, curl_socket_t socket, int what)
{
	int running;
	CURLMcode code = curl_multi_socket_action(loop->multi, socket, what, &running);
	if (code != CURLM_OK)
		log_line(LOG_LEVEL_ERROR, "http_failed", "error=%s", log_text(curl_multi_strerror(code)).text);
	finish_transfers(loop);
	loop->after(loop->ctx);
}

/* ---- what libcurl waits for ---- */

static int on_socket(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	int what = 0;
	(void)source;
	if (events & (EPOLLIN | EPOLLHUP))
		what |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (events & EPOLLERR)
		what |= CURL_CSELECT_ERR;
	work(userdata, fd, what);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source;
	(void)usec;
	work(userdata, CURL_SOCKET_TIMEOUT, 0);
	return 0;
}

/* Without a source the transfer hears nothing, and ends by its time-out or its owner's. */
static void watch_socket(struct http_loop *loop, curl_socket_t socket, uint32_t events, sd_event_source *source)
{
	int result;
	if (source != NULL) {
		result = sd_event_source_set_io_events(source, events);
	} else {
		result = sd_event_add_io(loop->event, &source, socket, events, on_socket, loop);
		if (result >= 0 && (result = sd_event_source_set_priority(source, loop->priority)) >= 0)
			result = curl_multi_assign(loop->multi, socket, source) == CURLM_OK ? 0 : -ENOMEM;
		if (result < 0)
			sd_event_source_disable_unref(source);
	}
	if (result < 0)
		log_line(LOG_LEVEL_ERROR, "http_failed", "error=%s", log_text(strerror(-result)).text);
}

static int on_socket_wanted(CURL *easy, curl_socket_t socket, int what, void *ctx, void *socket_ctx)
{
	struct http_loop *loop = ctx;
	uint32_t events =
		(what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) | (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(socket_ctx);
		curl_multi_assign(loop->multi, socket, NULL);
	} else {
		watch_socket(loop, socket, events, socket_ctx);
	}
	return 0;
}

/* Only sets the clock: libcurl must not be called from here. */
static int on_timer_wanted(CURLM *multi, long timeout_ms, void *ctx)
{
	struct http_loop *loop = ctx;
	(void)multi;
	if (timeout_ms < 0) {
		sd_event_source_set_enabled(loop->timer, SD_EVENT_OFF);
		return 0;
	}
	int result = sd_event_source_set_time_relative(loop->timer, (uint64_t)timeout_ms * US_PER_MS);
	if (result >= 0)
		result = sd_event_source_set_enabled(loop->timer, SD_EVENT_ONESHOT);
	if (result < 0)
		log_line(LOG_LEVEL_ERROR, "http_failed", "error=%s", log_text(strerror(-result)).text);
	return 0;
}

/* ---- beginning and ending ---- */

bool http_loop_begin(struct http_loop *loop, struct http_transfer *transfer)
{
	assert(!transfer->running);
	if (curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer) != CURLE_OK)
		return false;
	transfer->running = curl_multi_add_handle(loop->multi, transfer->easy) == CURLM_OK;
	return transfer->running;
}

void http_loop_drop(struct http_loop *loop, struct http_transfer *transfer)
{
	if (transfer->running)
		curl_multi_remove_handle(loop->multi, transfer->easy);
	transfer->running = false;
}

static int set_up(struct http_loop *loop)
{
	int result = sd_event_add_time(
		loop->event, &loop->timer, CLOCK_MONOTONIC, UINT64_MAX, TIMER_ACCURACY_US, on_timer, loop);
	if (result < 0 || (result = sd_event_source_set_priority(loop->timer, loop->priority)) < 0 ||
	    (result = sd_event_source_set_enabled(loop->timer, SD_EVENT_OFF)) < 0)
		return result;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -ENOMEM;
	loop->multi = curl_multi_init();
	if (loop->multi == NULL ||
	    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted) != CURLM_OK ||
	    curl_multi_setopt(loop->multi, CURLMOPT_SOCKETDATA, loop) != CURLM_OK ||
	    curl_multi_setopt(loop->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted) != CURLM_OK ||
	    curl_multi_setopt(loop->multi, CURLMOPT_TIMERDATA, loop) != CURLM_OK ||
	    curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT_MAX) != CURLM_OK)
		return -ENOMEM;
	return 0;
}

int http_loop_start(sd_event *event, int64_t priority, void (*after)(void *ctx), void *ctx, struct http_loop **loop)
{
	struct http_loop *l = calloc(1, sizeof *l);
	if (l == NULL)
		return -ENOMEM;
	*l = (struct http_loop){.event = sd_event_ref(event), .priority = priority, .after = after, .ctx = ctx};
	int result = set_up(l);
	if (result < 0)
		http_loop_stop(l);
	else
		*loop = l;
	return result;
}

void http_loop_stop(struct http_loop *loop)
{
	if (loop == NULL)
		return;
	curl_multi_cleanup(loop->multi); /* closes what is kept; its sources go with it */
	sd_event_source_disable_unref(loop->timer);
	sd_event_unref(loop->event);
	free(loop);
}
