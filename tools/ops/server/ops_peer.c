/* tools/ops/server/ops_peer.c: see ops_peer.h.
 *
 * Room: tools/ops/server; libmicrohttpd. */
#include "ops_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "ops_server.h"

struct ops_peer {
	struct ops_peer *next, *previous;
	struct MHD_Connection *connection;
	int64_t since_ms; /* monotonic */
	struct ops_peer_list *list; /* NULL: it has all the time that it wants */
};

static void unlink_peer(struct ops_peer *p)
{
	struct ops_peer_list *all = p->list;
	if (all == NULL)
		return;
	*(p->previous != NULL ? &p->previous->next : &all->first) = p->next;
	*(p->next != NULL ? &p->next->previous : &all->last) = p->previous;
	p->next = p->previous = NULL;
	p->list = NULL;
}

/* All of a list have the same patience, so the newest is the last. */
static void append_peer(struct ops_peer_list *all, struct ops_peer *p)
{
	p->since_ms = ops_monotonic_now_ms();
	p->previous = all->last;
	*(all->last != NULL ? &all->last->next : &all->first) = p;
	all->last = p;
	p->list = all;
}

static struct ops_peer *peer_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	return info == NULL ? NULL : info->socket_context;
}

void ops_peer_notify(void *cls, struct MHD_Connection *connection, void **context,
		     enum MHD_ConnectionNotificationCode code)
{
	struct ops_peers *all = cls;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		struct ops_peer *p = calloc(1, sizeof *p);
		*context = p;
		if (p == NULL) /* then only the library's patience counts */
			return;
		p->connection = connection;
		append_peer(&all->fresh, p);
		return;
	}
	all->closed = true;
	if (*context != NULL) {
		unlink_peer(*context);
		free(*context);
		*context = NULL;
	}
}

void ops_peer_renew(struct ops_peers *peers, struct MHD_Connection *connection)
{
	struct ops_peer *p = peer_of(connection);
	if (p == NULL || p->list == NULL)
		return;
	unlink_peer(p);
	append_peer(&peers->busy, p);
}

void ops_peer_exempt(struct MHD_Connection *connection)
{
	struct ops_peer *p = peer_of(connection);
	if (p != NULL)
		unlink_peer(p);
}

#define IS_IPV4 (UINT64_C(1) << 32) /* no network of IPv6 has such a number */

static uint64_t number_v4(const struct in_addr *v4)
{
	return IS_IPV4 | ntohl(v4->s_addr);
}

static uint64_t number_v6(const struct in6_addr *v6)
{
	struct in_addr v4;
	uint64_t network = 0;
	if (IN6_IS_ADDR_V4MAPPED(v6)) {
		memcpy(&v4, &v6->s6_addr[12], sizeof v4);
		return number_v4(&v4);
	}
	for (size_t i = 0; i < sizeof network; i++)
		network = network << 8 | v6->s6_addr[i];
	return network;
}

bool ops_peer_address(struct MHD_Connection *connection, uint64_t *address)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	if (info == NULL || info->client_addr == NULL)
		return false;
	if (info->client_addr->sa_family == AF_INET) {
		memcpy(&v4, info->client_addr, sizeof v4);
		*address = number_v4(&v4.sin_addr);
		return true;
	}
	if (info->client_addr->sa_family != AF_INET6)
		return false;
	memcpy(&v6, info->client_addr, sizeof v6);
	*address = number_v6(&v6.sin6_addr);
	return true;
}

/* An address as proxies write it: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1], [2001:db8::1]:80. */
static bool read_address(const char *text, size_t length, uint64_t *address)
{
	char plain[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;
	bool bracket = length > 0 && text[0] == '[';
	const char *end = memchr(text, bracket ? ']' : ':', length);
	if (bracket && end == NULL)
		return false;
	if (end != NULL && (bracket || memchr(end + 1, ':', length - (size_t)(end + 1 - text)) == NULL))
		length = (size_t)(end - text); /* what follows is a port */
	text += bracket;
	length -= bracket;
	if (length >= sizeof plain)
		return false;
	memcpy(plain, text, length);
	plain[length] = '\0';
	if (inet_pton(AF_INET, plain, &v4) == 1) {
		*address = number_v4(&v4);
		return true;
	}
	if (inet_pton(AF_INET6, plain, &v6) != 1)
		return false;
	*address = number_v6(&v6);
	return true;
}

/* The last header of that name: whoever asks may have sent others. */
static enum MHD_Result take_forwarded(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	const char **last = cls;
	(void)kind;
	if (strcasecmp(name, "X-Forwarded-For") == 0 && value != NULL)
		*last = value;
	return MHD_YES;
}

bool ops_peer_forwarded(struct MHD_Connection *connection, uint64_t *address)
{
	static const char between[] = ", \t";
	const char *list = NULL;
	MHD_get_connection_values(connection, MHD_HEADER_KIND, take_forwarded, &list);
	size_t end = list == NULL ? 0 : strlen(list);
	while (end > 0 && strchr(between, list[end - 1]) != NULL)
		end--;
	size_t begin = end;
	while (begin > 0 && strchr(between, list[begin - 1]) == NULL)
		begin--;
	return end > begin && read_address(list + begin, end - begin, address);
}

static void sweep(struct ops_peer_list *peers, int64_t now_ms)
{
	while (peers->first != NULL && now_ms - peers->first->since_ms >= peers->patience_ms) {
		struct ops_peer *p = peers->first;
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(p->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		unlink_peer(p);
		log_line(LOG_LEVEL_DEBUG, "too_slow", "patience_ms=%lld", (long long)peers->patience_ms);
		if (info != NULL)
			shutdown(info->connect_fd, SHUT_RDWR); /* fails when the peer has gone already */
	}
}

void ops_peers_sweep(struct ops_peers *peers, int64_t now_ms)
{
	sweep(&peers->fresh, now_ms);
	sweep(&peers->busy, now_ms);
}

static int64_t next_ms(const struct ops_peer_list *peers)
{
	return peers->first == NULL ? INT64_MAX : peers->first->since_ms + peers->patience_ms;
}

int64_t ops_peers_next_ms(const struct ops_peers *peers)
{
	int64_t fresh = next_ms(&peers->fresh);
	int64_t busy = next_ms(&peers->busy);
	return fresh < busy ? fresh : busy;
}
