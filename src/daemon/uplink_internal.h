/* src/daemon/uplink_internal.h: what the files of the uplink shell share, and nobody else sees.
 *
 * Room: src/daemon; libcurl. */
#ifndef UPLINK_INTERNAL_H
#define UPLINK_INTERNAL_H

#include "batch.h"
#include "http_answer.h"
#include "http_loop.h"
#include "jws.h"
#include "sse.h"
#include "uplink_shell.h"

#define UPLINK_TOKEN_SIZE 129
#define UPLINK_PATH_SIZE 96 /* behind the configured URL */

enum link_part {
	LINK_RECORDS,
	LINK_COMMANDS,
	LINK_PART_COUNT
};

enum link_fault {
	LINK_FINE,
	LINK_NO_TOKEN,
	LINK_NO_KEY,
	LINK_NO_RECORDS, /* the ledger does not give them */
	LINK_NO_MEMORY,
	LINK_UNREACHABLE,
	LINK_TIMED_OUT,
	LINK_TLS,
	LINK_BROKEN, /* the connection, or what came over it is not HTTP */
	LINK_CAPTIVE_PORTAL, /* somebody else answers */
	LINK_REFUSED, /* 4xx */
	LINK_SERVER_ERROR, /* 5xx */
	LINK_TOO_LONG,
	LINK_UNREADABLE,
	LINK_NOT_ACCEPTED, /* it takes no record */
	LINK_BUSY, /* the ledger has no room for the results of commands */
	LINK_SILENT, /* the stream */
	LINK_CLOSED, /* likewise, by the server */
	LINK_FAULT_COUNT
};

struct link_health {
	bool tried;
	int64_t logged_ms;
	enum link_fault fault;
	char detail[UPLINK_DETAIL_SIZE];
};

/* What one call needs of libcurl. */
struct uplink_call {
	struct http_transfer transfer;
	struct curl_slist *headers;
	struct http_answer answer;
	char error[CURL_ERROR_SIZE];
};

struct uplink_post {
	struct uplink_call call;
	bool reading; /* the ledger was asked */
	uint64_t ticket; /* the last that it was asked with */
	uint64_t from;
	uint64_t through; /* of what is sent; below from: progress alone */
	uint64_t newest; /* the ledger's last durable record when the heart asked */
	size_t records_max; /* of one batch: fewer after one that was too much for the line, and then more again */
	size_t records_most; /* what it grows to: fewer after one that was too large for the server, then slowly more */
	int64_t deadline_ms; /* the heart has given up by then */
	void *packed; /* the body; owned */
};

struct uplink_stream {
	struct uplink_call call;
	struct sse *sse;
	bool opened;
	enum link_fault stopped; /* why we take no more of it; LINK_FINE: we do */
	unsigned commands; /* in the bytes that are being taken */
	bool full; /* enough commands for this turn of the loop */
	bool paused; /* libcurl keeps bytes back */
	sd_event_source *resume;
};

struct uplink_shell {
	struct daemon *d;
	struct http_loop *loop;
	char token[UPLINK_TOKEN_SIZE]; /* empty: there is none that may be used */
	bool token_refused; /* it is read again before the next call */
	struct jws_key *key; /* NULL: there is none */
	struct curl_blob ca; /* the certificates of ca_file; no data: none that may be used */
	bool ca_refused; /* likewise: the server was not believed */
	char key_error[UPLINK_DETAIL_SIZE];
	char ca_error[UPLINK_DETAIL_SIZE];
	char token_error[UPLINK_DETAIL_SIZE];
	struct link_health health[LINK_PART_COUNT];
	int64_t heard_ms;
	struct uplink_post post;
	struct uplink_stream stream;
	int64_t rejected_ms; /* when a bad command was logged last; INT64_MIN: never */
	unsigned rejected; /* since then */
};

/* ---- uplink_fault.c ---- */

const char *link_fault_name(enum link_fault fault);

/* Notes how a part of the link is; a change is logged once. detail is made printable and cut. */
void link_note(struct uplink_shell *shell, enum link_part part, enum link_fault fault, const char *detail);

/* What became of a call whose good answer is a 2xx of this type. detail says more, empty when it is fine. */
enum link_fault link_judge(struct uplink_call *call, CURLcode code, const char *type, char detail[UPLINK_DETAIL_SIZE]);

/* ---- uplink_call.c ---- */

/* Reads the token, the key and the CA's certificates; whether those are others now. What may not be used changes nothing
 * but *_error. */
void uplink_read_token(struct uplink_shell *shell);
void uplink_read_key(struct uplink_shell *shell);
bool uplink_read_ca(struct uplink_shell *shell);

/* Before a call: what is missing, or was refused the last time, is read again; so a file that was mended counts, and no
 * disk is read while all is well. LINK_FINE, or what is missing for any call, with *detail. */
enum link_fault uplink_call_ready(struct uplink_shell *shell, const char **detail);

/* After a call: what its fault says of the token and the CA. */
void uplink_call_judged(struct uplink_shell *shell, enum link_fault fault);

/* Makes call->transfer.easy ready for a call of the box: "/v1/boxes/BOX" and path behind the server's URL, the token, and
 * all rules of the line. Its answer is taken up to max bytes. False when memory is short. */
bool uplink_call_prepare(struct uplink_shell *shell, struct uplink_call *call, const char *path, size_t max);

/* One more line of the request's header. False when memory is short. */
bool uplink_call_header(struct uplink_call *call, const char *line);

/* Gives back what an ended or dropped call holds, but its handle. */
void uplink_call_clear(struct uplink_call *call);

/* The server has said something good; its Date is taken. */
void uplink_heard(struct uplink_shell *shell, const struct http_answer *answer);

/* ---- uplink_post.c ---- */

void uplink_post_begin(struct uplink_shell *shell, const struct uplink_request *request);
void uplink_post_on_page(struct uplink_shell *shell, const struct ledger_page *page);
void uplink_post_drop(struct uplink_shell *shell);

/* ---- uplink_stream.c ---- */

void uplink_stream_begin(struct uplink_shell *shell, uint64_t after);
void uplink_stream_drop(struct uplink_shell *shell);

void uplink_stream_renew(struct uplink_shell *shell);

/* 0 or negative errno. */
int uplink_stream_start(struct uplink_shell *shell);

/* ---- uplink_command.c ---- */

/* Judges and passes on what came as a command. server_ms as in struct command_origin. LINK_FINE; else it could not be
 * taken now, and none behind it may be: the stream must begin again. */
enum link_fault uplink_command(struct uplink_shell *shell, const char *data, size_t length, int64_t server_ms);

#endif
