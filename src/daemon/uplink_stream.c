/* src/daemon/uplink_stream.c: the stream of commands from the server. See uplink_internal.h.
 *
 * Room: src/daemon; libcurl. Whether the stream lives is the heart's to judge, by what is heard of it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uplink_internal.h"

#define STATUS_OK 200
#define ERROR_BODY_MAX 4096 /* of an answer that is no stream */
#define EVENT_STREAM "text/event-stream"
#define RESUME_PRIORITY 100 /* behind everything: a flood of commands is taken a few at a time */

static const char no_command_now[] = "commands cannot be taken now; those that are open come again";

static void give_back(struct uplink_stream *stream)
{
	uplink_call_clear(&stream->call);
	sse_free(stream->sse);
	stream->sse = NULL;
	stream->opened = stream->full = stream->paused = false;
	stream->stopped = LINK_FINE;
	sd_event_source_set_enabled(stream->resume, SD_EVENT_OFF);
}

static void closed(struct uplink_shell *shell, enum link_fault fault, const char *detail, int64_t retry_after_ms)
{
	struct uplink_event event = {.type = UPLINK_STREAM_CLOSED, .retry_after_ms = retry_after_ms};
	uplink_call_judged(shell, fault);
	give_back(&shell->stream);
	link_note(shell, LINK_COMMANDS, fault, detail);
	daemon_uplink_event(shell->d, &event);
}

/* ---- what comes in: called by libcurl, so nothing here ends or begins a transfer ---- */

/* The header's end says whether this is the stream; what is not is read as an answer of the ordinary kind, but for a good
 * one of another type, which nobody sends who knows what was asked. */
static size_t on_header(char *line, size_t size, size_t count, void *ctx)
{
	struct uplink_shell *shell = ctx;
	struct uplink_stream *stream = &shell->stream;
	struct uplink_event event = {.type = UPLINK_STREAM_OPENED};
	long status = 0;
	size_t taken = http_answer_on_header(line, size, count, &stream->call.answer);
	if (taken == 0 || stream->opened || !http_header_ends(line, taken))
		return taken;
	curl_easy_getinfo(stream->call.transfer.easy, CURLINFO_RESPONSE_CODE, &status);
	if (status != STATUS_OK)
		return taken;
	if (!http_answer_is(&stream->call.answer, EVENT_STREAM))
		return 0;
	stream->opened = true;
	daemon_uplink_event(shell->d, &event);
	return taken;
}

static bool take_event(void *ctx, const struct sse_event *event)
{
	struct uplink_shell *shell = ctx;
	if (strcmp(event->type, "command") != 0)
		return true;
	shell->stream.commands++;
	shell->stream.stopped = uplink_command(
		shell, event->data, event->length, http_answer_date_ms(&shell->stream.call.answer, monotonic_now_ms()));
	return shell->stream.stopped == LINK_FINE;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
	struct uplink_shell *shell = ctx;
	struct uplink_stream *stream = &shell->stream;
	struct uplink_event event = {.type = UPLINK_STREAM_HEARD};
	size_t length = size * count;
	if (!stream->opened)
		return http_answer_on_body(bytes, size, count, &stream->call.answer);
	if (stream->full) {
		stream->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	uplink_heard(shell, &stream->call.answer);
	link_note(shell, LINK_COMMANDS, LINK_FINE, "");
	daemon_uplink_event(shell->d, &event);
	stream->commands = 0;
	stream->call.answer.too_long = sse_feed(stream->sse, bytes, length, take_event, shell) < 0;
	if (stream->stopped != LINK_FINE)
		return 0;
	if (stream->commands > 0) {
		stream->full = true;
		sd_event_source_set_enabled(stream->resume, SD_EVENT_ONESHOT);
	}
	return stream->call.answer.too_long ? 0 : length;
}

static int on_resume(sd_event_source *source, void *userdata)
{
	struct uplink_shell *shell = userdata;
	struct uplink_stream *stream = &shell->stream;
	(void)source;
	stream->full = false;
	if (!stream->paused)
		return 0;
	stream->paused = false;
	CURLcode code = curl_easy_pause(stream->call.transfer.easy, CURLPAUSE_CONT);
	if (code != CURLE_OK) {
		http_loop_drop(shell->loop, &stream->call.transfer);
		if (stream->stopped != LINK_FINE)
			closed(shell, stream->stopped, no_command_now, 0);
		else if (stream->call.answer.too_long)
			closed(shell, LINK_TOO_LONG, "an event is longer than any command", 0);
		else
			closed(shell, LINK_BROKEN, curl_easy_strerror(code), 0);
	}
	daemon_after(shell->d);
	return 0;
}

/* ---- its beginning and its end ---- */

static void on_done(void *ctx, CURLcode code)
{
	struct uplink_shell *shell = ctx;
	struct uplink_stream *stream = &shell->stream;
	char detail[UPLINK_DETAIL_SIZE];
	enum link_fault fault = link_judge(&stream->call, code, EVENT_STREAM, detail);
	int64_t retry_after_ms = http_answer_retry_after_ms(&stream->call.answer);
	if (stream->stopped != LINK_FINE) {
		fault = stream->stopped;
		snprintf(detail, sizeof detail, "%s", no_command_now);
	} else if (fault == LINK_FINE) {
		fault = stream->opened ? LINK_CLOSED : LINK_BROKEN;
		snprintf(detail, sizeof detail, "the server has ended the stream of commands");
	}
	closed(shell, fault, detail, retry_after_ms);
}

static bool prepare(struct uplink_shell *shell, uint64_t after)
{
	struct uplink_stream *stream = &shell->stream;
	struct uplink_call *call = &stream->call;
	char path[UPLINK_PATH_SIZE], last[UPLINK_PATH_SIZE];
	int64_t heartbeat_s = shell->d->config.box.uplink.heartbeat_ms / 1000;
	snprintf(path, sizeof path, "/commands?heartbeat_s=%" PRId64, heartbeat_s);
	snprintf(last, sizeof last, "Last-Event-ID: %" PRIu64, after);
	stream->sse = sse_new();
	if (stream->sse == NULL || !uplink_call_prepare(shell, call, path, ERROR_BODY_MAX) ||
	    !uplink_call_header(call, "Accept: " EVENT_STREAM) || !uplink_call_header(call, last))
		return false;
	CURL *easy = call->transfer.easy;
	unsigned failed = 0;
	failed |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers);
	/* Its handshakes are rare enough to judge the certificate each time. */
	failed |= curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	failed |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	failed |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, shell);
	failed |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	failed |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, shell);
	return failed == 0;
}

/* Without a token there is no call; without a key no command could be believed. */
void uplink_stream_begin(struct uplink_shell *shell, uint64_t after)
{
	struct uplink_stream *stream = &shell->stream;
	http_loop_drop(shell->loop, &stream->call.transfer);
	give_back(stream);
	const char *missing;
	enum link_fault fault = uplink_call_ready(shell, &missing);
	if (shell->key == NULL)
		uplink_read_key(shell);
	stream->call.transfer.done = on_done;
	stream->call.transfer.ctx = shell;
	if (fault != LINK_FINE)
		closed(shell, fault, missing, 0);
	else if (shell->key == NULL && !shell->d->config.box.insecure_commands)
		closed(shell, LINK_NO_KEY, shell->key_error, 0);
	else if (!prepare(shell, after) || !http_loop_begin(shell->loop, &stream->call.transfer))
		closed(shell, LINK_NO_MEMORY, "no memory for the stream of commands", 0);
}

/* The heart has given it up, and does not want to hear of it. */
void uplink_stream_drop(struct uplink_shell *shell)
{
	struct uplink_stream *stream = &shell->stream;
	if (stream->call.transfer.running)
		link_note(shell, LINK_COMMANDS, LINK_SILENT, "not even a heartbeat came");
	http_loop_drop(shell->loop, &stream->call.transfer);
	give_back(stream);
}

/* Under way with a CA that is not the one any more. */
void uplink_stream_renew(struct uplink_shell *shell)
{
	struct uplink_stream *stream = &shell->stream;
	if (!stream->call.transfer.running)
		return;
	http_loop_drop(shell->loop, &stream->call.transfer);
	closed(shell, LINK_CLOSED, "the configuration was read again", 0);
}

int uplink_stream_start(struct uplink_shell *shell)
{
	sd_event_source **resume = &shell->stream.resume;
	int result = sd_event_add_defer(shell->d->event, resume, on_resume, shell);
	if (result >= 0)
		result = sd_event_source_set_enabled(*resume, SD_EVENT_OFF);
	if (result >= 0)
		result = sd_event_source_set_priority(*resume, RESUME_PRIORITY);
	return result;
}
