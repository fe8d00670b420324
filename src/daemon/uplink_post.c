/* src/daemon/uplink_post.c: a batch of records, and how each outlet is, to the server. See uplink_internal.h.
 *
 * Room: src/daemon; libcurl. First the ledger's thread is asked for the records, then they are sent; the heart's deadline
 * is over both. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gzip.h"
#include "uplink_internal.h"

#define LOG_REFUSED_MAX 4 /* of one answer */
#define STATUS_TOO_LARGE 413

static void give_back(struct uplink_post *post)
{
	uplink_call_clear(&post->call);
	free(post->packed);
	post->packed = NULL;
	post->reading = false;
}

static void fail(struct uplink_shell *shell, enum link_fault fault, const char *detail, int64_t retry_after_ms)
{
	struct uplink_event event = {.type = UPLINK_POST_FAILED, .retry_after_ms = retry_after_ms};
	uplink_call_judged(shell, fault);
	give_back(&shell->post);
	link_note(shell, LINK_RECORDS, fault, detail);
	daemon_uplink_event(shell->d, &event);
}

/* ---- what came back ---- */

/* A batch that was too much, for the line within its time or for the server, is tried again in halves. */
static void size_batches(struct uplink_post *post, enum link_fault fault, long status)
{
	bool too_large = status == STATUS_TOO_LARGE;
	bool too_much = too_large || fault == LINK_TIMED_OUT || fault == LINK_BROKEN;
	if (fault == LINK_FINE && post->records_most < BATCH_RECORDS_MAX)
		post->records_most++; /* its limit may have been somebody's mistake */
	if (fault == LINK_FINE && post->records_max * 2 <= post->records_most)
		post->records_max *= 2;
	else if (fault == LINK_FINE)
		post->records_max = post->records_most;
	else if (too_much && post->records_max > 1 && post->through >= post->from)
		post->records_max /= 2;
	if (too_large)
		post->records_most = post->records_max;
}

static void log_refused(const struct batch_answer *answer)
{
	for (size_t i = 0; i < answer->refused_count && i < LOG_REFUSED_MAX; i++)
		log_line(LOG_LEVEL_WARNING,
			 "record_refused",
			 "seq=%" PRIu64 " code=%s why=%s",
			 answer->refused[i].seq,
			 log_text(answer->refused[i].code).text,
			 log_text(answer->refused[i].why).text);
}

/* What the server says that it has beyond what was sent now is not believed: it gets the rest again. */
static void take_answer(struct uplink_shell *shell, const struct batch_answer *answer, int64_t retry_after_ms)
{
	struct uplink_post *post = &shell->post;
	uint64_t through = answer->accepted_through < post->through ? answer->accepted_through : post->through;
	bool nothing = post->through >= post->from && through < post->from;
	char detail[UPLINK_DETAIL_SIZE] = "";
	struct uplink_event event = {
		.type = UPLINK_POSTED,
		.accepted_through = through,
		.refused = (unsigned)answer->refused_count,
		.retry_after_ms = retry_after_ms,
	};
	log_refused(answer);
	if (nothing)
		snprintf(detail,
			 sizeof detail,
			 "it has records through %" PRIu64 " and does not take those from %" PRIu64 " on",
			 answer->accepted_through,
			 post->from);
	link_note(shell, LINK_RECORDS, nothing ? LINK_NOT_ACCEPTED : LINK_FINE, detail);
	daemon_uplink_event(shell->d, &event);
	ledger_thread_accept(shell->d->ledger, through);
}

static void on_done(void *ctx, CURLcode code)
{
	struct uplink_shell *shell = ctx;
	struct uplink_post *post = &shell->post;
	struct uplink_call *call = &post->call;
	struct batch_answer answer;
	struct wire_error error;
	char detail[UPLINK_DETAIL_SIZE];
	long status = 0;
	enum link_fault fault = link_judge(call, code, "application/json", detail);
	int64_t retry_after_ms = http_answer_retry_after_ms(&call->answer);
	curl_easy_getinfo(call->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
	if (fault == LINK_FINE && monotonic_now_ms() >= post->deadline_ms) {
		fault = LINK_TIMED_OUT; /* the heart has given it up */
		snprintf(detail, sizeof detail, "the answer came too late");
	}
	if (fault == LINK_FINE && !batch_answer_read(call->answer.body, call->answer.length, &answer, &error)) {
		fault = LINK_UNREADABLE;
		snprintf(detail, sizeof detail, "%s", error.text);
	}
	size_batches(post, fault, status);
	if (fault != LINK_FINE) {
		fail(shell, fault, detail, retry_after_ms);
		return;
	}
	uplink_heard(shell, &call->answer);
	take_answer(shell, &answer, retry_after_ms);
	give_back(post);
}

/* ---- what is sent ---- */

/* The packed body, owned by the post from now on. False when memory is short. */
static bool pack(struct uplink_shell *shell, const struct ledger_page *page, size_t *size)
{
	struct daemon *d = shell->d;
	struct batch batch = {.newest = shell->post.newest, .progress_count = d->config.box.outlet_count};
	struct moment now = wall_clock_now(&d->clock);
	word_copy(batch.ledger, sizeof batch.ledger, ledger_thread_start_image(d->ledger)->id);
	if (page != NULL) {
		batch.record_count = page->count;
		batch.records = page->bodies;
	}
	for (unsigned i = 0; i < d->config.box.outlet_count; i++)
		box_progress(d->box, i, &batch.progress[i], now);
	char *text = batch_write(&batch);
	bool packed = text != NULL && gzip_pack(text, strlen(text), &shell->post.packed, size) == 0;
	free(text);
	return packed;
}

/* page: NULL for progress alone. */
static bool prepare(struct uplink_shell *shell, const struct ledger_page *page, int64_t left_ms)
{
	struct uplink_post *post = &shell->post;
	size_t size = 0;
	if (!pack(shell, page, &size) || !uplink_call_prepare(shell, &post->call, "/records", BATCH_ANSWER_MAX) ||
	    !uplink_call_header(&post->call, "Content-Type: application/json") ||
	    !uplink_call_header(&post->call, "Content-Encoding: gzip") ||
	    !uplink_call_header(&post->call, "Accept: application/json"))
		return false;
	CURL *easy = post->call.transfer.easy;
	unsigned failed = 0;
	failed |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, post->call.headers);
	failed |= curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
	failed |= curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post->packed);
	failed |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)left_ms);
	return failed == 0;
}

static void send_batch(struct uplink_shell *shell, const struct ledger_page *page)
{
	struct uplink_post *post = &shell->post;
	int64_t left_ms = post->deadline_ms - monotonic_now_ms();
	post->reading = false;
	post->call.transfer.done = on_done;
	post->call.transfer.ctx = shell;
	if (left_ms <= 0)
		fail(shell, LINK_NO_RECORDS, "the disk has taken all the time", 0);
	else if (!prepare(shell, page, left_ms) || !http_loop_begin(shell->loop, &post->call.transfer))
		fail(shell, LINK_NO_MEMORY, "no memory to send records", 0);
}

void uplink_post_begin(struct uplink_shell *shell, const struct uplink_request *request)
{
	struct uplink_post *post = &shell->post;
	uint64_t from = request->from;
	if (post->call.transfer.running)
		size_batches(post, LINK_TIMED_OUT, 0);
	if (post->call.transfer.running)
		link_note(shell, LINK_RECORDS, LINK_TIMED_OUT, "no answer came in time");
	else if (post->reading)
		link_note(shell, LINK_RECORDS, LINK_NO_RECORDS, "the disk does not give them in time");
	uplink_post_drop(shell); /* the heart gave it up; what still comes of it counts no more */
	post->deadline_ms = monotonic_now_ms() + shell->d->config.box.uplink.post_timeout_ms;
	const char *missing;
	enum link_fault fault = uplink_call_ready(shell, &missing);
	if (fault != LINK_FINE) {
		fail(shell, fault, missing, 0);
		return;
	}
	post->from = from;
	post->newest = request->newest;
	post->through =
		request->through < from + post->records_max - 1 ? request->through : from + post->records_max - 1;
	if (request->through < from) {
		send_batch(shell, NULL);
		return;
	}
	size_t count = (size_t)(post->through - from + 1);
	post->reading = ledger_thread_ask(shell->d->ledger, LEDGER_FOR_UPLINK, ++post->ticket, from, count);
	if (!post->reading)
		fail(shell, LINK_NO_RECORDS, "the ledger cannot be read now", 0);
}

void uplink_post_on_page(struct uplink_shell *shell, const struct ledger_page *page)
{
	struct uplink_post *post = &shell->post;
	if (!post->reading || page->ticket != post->ticket)
		return; /* of a POST that was given up */
	if (page->result < 0)
		fail(shell, LINK_NO_RECORDS, page->error, 0);
	else if (page->count == 0)
		fail(shell, LINK_NO_RECORDS, "the ledger does not have the records that it should", 0);
	else {
		post->through = post->from + page->count - 1; /* as many as fit into a batch */
		send_batch(shell, page);
	}
}

void uplink_post_drop(struct uplink_shell *shell)
{
	http_loop_drop(shell->loop, &shell->post.call.transfer);
	give_back(&shell->post);
}
