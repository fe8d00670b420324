/* src/daemon/server_tls.h: how the server's certificate is judged by a box that may not know the time.
 *
 * Room: src/daemon; libcurl, OpenSSL. Who signed it is never in question: only the configured CA is trusted. */
#ifndef SERVER_TLS_H
#define SERVER_TLS_H

#include <curl/curl.h>

#include "wall_clock.h"

/* CURLOPT_SSL_CTX_FUNCTION; ctx is the daemon's struct wall_clock, which must outlive the connection. With a synchronised
 * clock a certificate must be valid now. Without, now is later than the last synchronised time of the ledger and the
 * program's own making: what was expired by then is refused, what is not valid yet may be newer than our clock and is taken. */
CURLcode server_tls_prepare(CURL *easy, void *ssl_ctx, void *ctx);

#endif
