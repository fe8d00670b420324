/* src/daemon/http_loop.h: libcurl's transfers on the daemon's event loop.
 *
 * Room: src/daemon; libcurl, sd-event. Nothing here waits. What libcurl calls in the middle of its work only takes bytes
 * in; a transfer is begun, ended and dropped outside of it. */
#ifndef HTTP_LOOP_H
#define HTTP_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

struct http_loop; /* opaque; owned by whoever started it */

/* One call to a server. Whoever owns it fills in what it may use of libcurl (not CURLOPT_PRIVATE) before each begin. */
struct http_transfer {
	CURL *easy;
	void (*done)(void *ctx, CURLcode code); /* it has ended; it may be filled in and begun again from here on */
	void *ctx;
	bool running;
};

/* after: called behind each piece of work, outside of libcurl; it may begin and drop transfers. 0 or negative errno. */
int http_loop_start(sd_event *event, int64_t priority, void (*after)(void *ctx), void *ctx, struct http_loop **loop);

/* No transfer may be running. NULL is allowed. */
void http_loop_stop(struct http_loop *loop);

/* Begins a transfer that is not running. False when memory is short: then it has not begun. */
bool http_loop_begin(struct http_loop *loop, struct http_transfer *transfer);

/* Forgets a transfer, running or not, with its connection; done() is not called. Never from within its own callbacks. */
void http_loop_drop(struct http_loop *loop, struct http_transfer *transfer);

#endif
