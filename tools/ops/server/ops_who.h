/* tools/ops/server/ops_who.h: who asks: a box, the operator's programs, one of the staff, a customer; and what staff did.
 *
 * Room: tools/ops/server; libmicrohttpd. Boxes and programs have bearer tokens, people have cookies. What a cookie can
 * be used for must come from this server's own pages. */
#ifndef OPS_WHO_H
#define OPS_WHO_H

#include "ops_request.h"

#define OPS_PROGRAM "program" /* who acts with the operator's token; none of the staff may have this name */
#define OPS_ORIGIN_SIZE 300 /* of a scheme and a host, which has at most 253 characters and a port */

/* Judges by headers alone who asks for the route, as its `who` and `role` want: fills box, or person, by_token and
 * session; or refuses. Asked when the headers are there, and again before the call is carried out. */
void ops_judge_who(struct ops_request *q);

/* Scheme and host as whoever asks has them: the host is what the request says, and nobody has judged it. */
void ops_own_origin(struct ops_request *q, char origin[OPS_ORIGIN_SIZE]);

/* Whether it is the operator's token; zero-padded. */
bool ops_is_operators(const struct ops_server *server, const char token[OPS_BEARER_SIZE]);

/* Fills person and session from the cookie. False when there is none that is valid, or refused. */
bool ops_find_cookie(struct ops_request *q, enum person_kind kind);

/* The answer makes the browser keep the token, or forget it when it is empty. */
void ops_set_cookie(struct ops_request *q, enum person_kind kind, const char *token);

/* What the act is noted with, for people; cut to fit. */
void ops_note_detail(struct ops_request *q, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Notes what the route calls an act, once it is done. */
void ops_note(struct ops_request *q);

#endif
