/* src/daemon/control_server.h: the control socket's server.
 *
 * Room: src/daemon. The protocol is src/control/control.h. */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

#include "daemon.h"

/* Listens on the configured socket. A dead predecessor's socket is replaced; a living one is not. 0 or negative errno,
 * logged. */
int control_server_start(struct daemon *d, struct control_server **server);

/* Closes every connection and removes the socket. NULL is allowed. */
void control_server_stop(struct control_server *server);

/* The ledger has news: answers that waited for the disk go out. */
void control_server_on_ledger(struct control_server *server);

/* The answer to some client's question for records; it stays the caller's. */
void control_server_on_page(struct control_server *server, const struct ledger_page *page);

#endif
