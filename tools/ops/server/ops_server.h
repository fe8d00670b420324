/* tools/ops/server/ops_server.h: the server as its files share it: one process, one thread, one loop.
 *
 * Room: tools/ops/server; libmicrohttpd, sd-event. */
#ifndef OPS_SERVER_H
#define OPS_SERVER_H

#include <microhttpd.h>
#include <systemd/sd-event.h>

#include "allowance.h"
#include "ops.h"
#include "ops_box_stream.h"
#include "ops_desk_stream.h"
#include "ops_live.h"
#include "ops_message.h"
#include "ops_payment.h"
#include "ops_peer.h"
#include "ops_setup.h"
#include "ops_stream.h"

#define US_PER_MS UINT64_C(1000)

/* How often codes may be asked for and doors tried: by address, and codes by all; and how often customers' pages may send
 * something to a box: by account. Monotonic. */
struct ops_doors {
	struct allowances codes, customers, staff;
	int64_t codes_until_ms;
	struct allowances orders;
};

struct ops_server {
	const struct ops_server_options *options;
	struct ops *ops;
	struct jws_key *command_key; /* NULL: commands are sent unsigned */
	char operator_token[OPS_BEARER_SIZE]; /* zero-padded */
	char *cert, *key; /* PEM texts, or NULL */
	int lock_fd; /* of the database; -1 for none */
	int listen_fd; /* -1 when the library has it */
	struct sd_event *event;
	sd_event_source *timer;
	struct MHD_Daemon *http;
	struct ops_live *live;
	struct ops_streams streams;
	struct ops_desk desk;
	struct ops_peers peers;
	struct ops_doors doors;
	bool addresses_differ; /* else they tell nothing about who asks: they are this machine's own */
	struct ops_message_provider message;
	struct ops_messages messages; /* of the embedded provider */
	size_t body_bytes; /* of all requests together */
	struct ops_payments payments;
	unsigned requests; /* that have begun and not ended; streams are among them */
	uint64_t records_accepted; /* since the start, as below */
	uint64_t batches;
	int64_t started_ms; /* monotonic */
	int64_t deadline_ms; /* while stopping: when patience ends */
	bool stopping;
};

/* Runs until a signal ends it. The process's exit code. */
int ops_server_run(const struct ops_server_options *options);

int64_t ops_wall_now_ms(void);
int64_t ops_monotonic_now_ms(void);

#endif
