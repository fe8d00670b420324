/* tools/ops/server/ops_setup.h: what the server needs before it can listen: files, keys, the socket, descriptors.
 *
 * Room: tools/ops/server. */
#ifndef OPS_SETUP_H
#define OPS_SETUP_H

#include <stdbool.h>
#include <stdint.h>

#include "jws.h"

#define OPS_BEARER_LEAST 16
#define OPS_BEARER_SIZE 129 /* 128 printable characters and the NUL */
#define OPS_SETUP_ERROR_SIZE 400
#define OPS_CONNECTIONS_LEAST 16
#define OPS_CONNECTIONS_MAX 65000

/* The command line, as it was given; texts are NULL where nothing was. */
struct ops_server_options {
	const char *db;
	const char *listen; /* ADDRESS:PORT */
	const char *port_file;
	const char *cert; /* with key: TLS */
	const char *key;
	bool behind_proxy;
	const char *public_url; /* where customers find the server; NULL: wherever it is asked for it */
	const char *operator_token_file;
	const char *currency; /* of payments */
	const char *payment_key; /* the file of the key that is shared with the payment provider; NULL: one is made */
	bool sandbox_payments;
	const char *command_key; /* NULL: commands are sent unsigned */
	int64_t command_ms;
	int64_t request_ms; /* how long a request may take */
	unsigned connections_max;
	unsigned address_max; /* connections of one address; 0: as many as there may be */
	bool address_given; /* else there is no such limit where all come from one address anyway */
};

struct ops_setup_error {
	char text[OPS_SETUP_ERROR_SIZE]; /* which file or option, what is wrong, what is wanted */
};

/* All below return 0, or -1 with *error filled. */

/* Reads the operator's token, zero-padded: one line of a file that others may not read. */
int ops_setup_token(const char *path, char token[OPS_BEARER_SIZE], struct ops_setup_error *error);

/* Reads a PEM file as a text, which the caller frees. secret: others may not read it. */
int ops_setup_pem(const char *path, bool secret, char **text, struct ops_setup_error *error);

/* Loads the key that signs commands, or makes it, together with PATH.pub, when there is none; others may not
 * read it. A missing PATH.pub is written again. */
int ops_setup_command_key(const char *path, struct jws_key **key, bool *made, struct ops_setup_error *error);

/* Locks the database against a second server, by PATH-lock; *fd stays open as long as it is used. */
int ops_setup_lock(const char *path, int *fd, struct ops_setup_error *error);

/* Whether no other address than this machine's own can reach the socket. */
bool ops_setup_is_local(int fd);

/* Opens the listening socket. Plain HTTP is refused on an address that others can reach, unless a proxy is in front. */
int ops_setup_listen(const struct ops_server_options *options, int *fd, struct ops_setup_error *error);

/* Where the socket listens, as an URL without a path, and its port. */
int ops_setup_url(int fd, bool tls, char *url, unsigned size, unsigned *port, struct ops_setup_error *error);

/* Raises the limit of open files to what so many connections need. */
int ops_setup_files(unsigned connections, struct ops_setup_error *error);

/* Writes the port into a file, at once or not at all. */
int ops_setup_port_file(const char *path, unsigned port, struct ops_setup_error *error);

#endif
