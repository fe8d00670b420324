/* tools/ops/server/ops_peer.h: how long a connection may take for one request.
 *
 * Room: tools/ops/server; libmicrohttpd. The library's own patience begins anew with each byte, so that one byte in
 * half a minute would hold a connection for ever. Streams are exempt. */
#ifndef OPS_PEER_H
#define OPS_PEER_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

struct ops_peer; /* opaque; one for each connection */

struct ops_peer_list {
	struct ops_peer *first, *last; /* the one that is waited for longest is first */
	int64_t patience_ms;
};

struct ops_peers {
	struct ops_peer_list fresh; /* their first request's header is not whole yet */
	struct ops_peer_list busy;
	bool closed; /* one has ended since somebody set this to false */
};

/* libmicrohttpd's callback for connections that begin and end; cls is the struct ops_peers. */
void ops_peer_notify(void *cls, struct MHD_Connection *connection, void **context,
		     enum MHD_ConnectionNotificationCode code);

/* The connection has sent a header, or has ended a request: its time begins anew. */
void ops_peer_renew(struct ops_peers *peers, struct MHD_Connection *connection);

/* Who the other end is: an IPv4 address, or the network (/64) of an IPv6 one. False when it is neither. */
bool ops_peer_address(struct MHD_Connection *connection, uint64_t *address);

/* As above, of whoever the proxy in front speaks for: the last address of X-Forwarded-For, which is the proxy's own word,
 * while those before it are anybody's. False when there is none. */
bool ops_peer_forwarded(struct MHD_Connection *connection, uint64_t *address);

/* The connection has become a stream. */
void ops_peer_exempt(struct MHD_Connection *connection);

/* Shuts the connections down whose time is over; the library closes them. */
void ops_peers_sweep(struct ops_peers *peers, int64_t now_ms);

/* When the next one's time is over (monotonic ms); INT64_MAX for never. */
int64_t ops_peers_next_ms(const struct ops_peers *peers);

#endif
