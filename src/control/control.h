/* src/control/control.h: how meterboxctl and others on the board talk to meterboxd: the control socket's protocol.
 *
 * Header only. A SOCK_STREAM Unix socket; who may open it may speak (root and the socket's group). One JSON object per
 * line each way, UTF-8, "\n" at the end, no line longer than below. A client sends one request at a time and reads its
 * answer before it sends the next one.
 *
 * Request: {"call":"NAME", ...arguments}. Answer: one line, {"ok":true, ...} or
 * {"ok":false,"code":"CODE","error":"a sentence that says what to do"}. Codes: bad_request (the line is not a request),
 * unknown_call, not_signed_on, not_allowed, refused (understood, but not possible now), not_ready (no ledger yet),
 * unavailable, too_many.
 *
 *   hello    -> "program":"meterboxd","version":TEXT,"protocol":1,"box":TEXT,"outlets":N
 *   status   -> the box as it is:
 *               "box","version","config" and "state_dir" (paths),"uptime_ms","mono_ms","time":{"wall":RFC3339,"quality":WORD},
 *               "ledger":{"state":"open"|"failing"|"unavailable","error":TEXT,"id","last_seq","durable_seq","accepted_seq"},
 *               "server":{"url","state":"starting"|"connected"|"failing","reason":WORD ("none" unless failing),"detail":TEXT,
 *                 "stream":BOOL (commands can come),"heard_ms_ago":N|null (never),"accepted_seq","waiting" (records that the
 *                 server has not accepted)} (absent on a box without a server); the reasons: no_token, no_command_key,
 *                 ledger, no_memory, unreachable, timed_out, tls, broken, captive_portal, refused, server_error, too_long,
 *                 unreadable, not_accepted, silent, closed,
 *               "metering_door":"closed"|"open"|"unknown"|"not fitted","local_sessions":BOOL,
 *               "outlets":[{"outlet":1.., "progress":{as on the uplink}, "fault":WORD, "out_of_service":BOOL,
 *                 "reserved_for":TEXT, "session":{"order","account","kind","phase"} (absent outside of one),
 *                 "breaker":WORD, "contact":"closed"|"open"|"unknown"|"not fitted", "door": likewise,
 *                 "rated_mw","overdraft_bound_mwh",
 *                 "meter":{"name","bus","protocol","model","address","serial","silent":BOOL,"outcome":WORD,"asked","answered",
 *                   "age_ms" (-1: never), "register_mwh","power_mw","current_ma","voltage_mv":[..],"frequency_mhz",
 *                   "clock":RFC3339 (advanced to now), "status":[{"word":1,"bits":"0x0000","text":[..]}], what is not known is absent}}],
 *                 (before the ledger is open, "progress" to "door" and the ledger's "id" and seqs are absent)
 *               "buses":[{"name","device","state":"open"|"lost","error":TEXT,"cycle_ms","foreign":BOOL}]
 *   watch    -> the same line again and again, whenever something has changed, at most once in "interval_ms" (argument,
 *               200 to 60000, default 1000) and at least every 10 s, until the client closes the connection
 *   sign_on  {"name":TEXT}: whose acts the following are, 1 to 40 printable characters. A peer that is not root signs on
 *               by its own login name only. -> {"ok":true,"name":TEXT}
 *   command  {"command":{...}}: one command as the server sends it (docs of src/wire), without box, ledger, seq, not_after:
 *               its id, type, outlet (from 1), arguments. Wants sign_on; the actor is technician and the name the signed-on
 *               one, whatever it says. authorize and credit are not_allowed unless the configuration has local_sessions.
 *               -> {"ok":true,"outcome":"done"} or ok:false, code refused, error: the reason. The answer comes when the
 *               result is durable. A service session ends when the connection that asked for it goes away.
 *   ledger   {"from":SEQ,"max":1..CONTROL_RECORDS_MAX} -> "id":TEXT,"durable_seq":N,"accepted_seq":N,
 *               "records":["the record's text, as hashed",..]; at or past the end (from > durable_seq, nothing new):
 *               "records":[] and "tip":HASH,"image":TEXT,"outlet_images":[TEXT,..]: what the ledger has stored, as texts
 */
#ifndef CONTROL_H
#define CONTROL_H

#define CONTROL_PROTOCOL 1
#define CONTROL_SOCKET "/run/meterbox/control" /* where nothing else is said */
#define CONTROL_REQUEST_MAX 8192 /* bytes of a request's line, newline included */
#define CONTROL_ANSWER_MAX (256 * 1024)
#define CONTROL_RECORDS_MAX 50
#define CONTROL_CLIENTS_MAX 16

#endif
