/* src/daemon/uplink_shell.c: see uplink_shell.h. */
#include "uplink_shell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uplink_internal.h"

#define PRIORITY_LINK 50 /* behind breakers, pins, buses, the timer, the ledger and the control socket */

static void after_work(void *ctx)
{
	struct uplink_shell *shell = ctx;
	daemon_after(shell->d);
}

/* Whether the CA is another one now. */
static bool read_secrets(struct uplink_shell *shell)
{
	uplink_read_token(shell);
	uplink_read_key(shell);
	bool changed = uplink_read_ca(shell);
	if (shell->ca_error[0] != '\0')
		log_line(LOG_LEVEL_ERROR, "ca_refused", "error=%s", log_text(shell->ca_error).text);
	if (shell->token_error[0] != '\0')
		log_line(LOG_LEVEL_ERROR, "token_refused", "error=%s", log_text(shell->token_error).text);
	if (shell->key_error[0] != '\0')
		log_line(LOG_LEVEL_ERROR, "command_key_refused", "error=%s", log_text(shell->key_error).text);
	return changed;
}

int uplink_shell_start(struct daemon *d, struct uplink_shell **shell)
{
	struct uplink_shell *s = calloc(1, sizeof *s);
	int result = s == NULL ? -ENOMEM : 0;
	if (result == 0) {
		s->d = d;
		s->heard_ms = INT64_MIN;
		s->rejected_ms = INT64_MIN;
		s->post.records_max = s->post.records_most = BATCH_RECORDS_MAX;
		result = http_loop_start(d->event, PRIORITY_LINK, after_work, s, &s->loop);
	}
	if (result == 0)
		result = uplink_stream_start(s);
	if (result < 0) {
		log_line(LOG_LEVEL_ERROR, "start_failed", "what=uplink error=%s", log_text(strerror(-result)).text);
		uplink_shell_stop(s);
		return result;
	}
	(void)read_secrets(s);
	*shell = s;
	return 0;
}

void uplink_shell_stop(struct uplink_shell *shell)
{
	if (shell == NULL)
		return;
	struct uplink_call *calls[] = {&shell->post.call, &shell->stream.call};
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		http_loop_drop(shell->loop, &calls[i]->transfer);
		curl_easy_cleanup(calls[i]->transfer.easy);
		uplink_call_clear(calls[i]);
	}
	free(shell->post.packed);
	sse_free(shell->stream.sse);
	sd_event_source_disable_unref(shell->stream.resume);
	http_loop_stop(shell->loop);
	jws_key_free(shell->key);
	free(shell->ca.data);
	explicit_bzero(shell->token, sizeof shell->token);
	free(shell);
}

void uplink_shell_do(struct uplink_shell *shell, const struct uplink_request *request)
{
	switch (request->action) {
	case UPLINK_POST:
		uplink_post_begin(shell, request);
		break;
	case UPLINK_OPEN_STREAM:
		uplink_stream_begin(shell, request->after);
		break;
	case UPLINK_CLOSE_STREAM:
		uplink_stream_drop(shell);
		break;
	}
}

void uplink_shell_on_page(struct uplink_shell *shell, const struct ledger_page *page)
{
	uplink_post_on_page(shell, page);
}

void uplink_shell_reload(struct uplink_shell *shell)
{
	if (read_secrets(shell))
		uplink_stream_renew(shell);
}

void uplink_shell_report(const struct uplink_shell *shell, struct uplink_report *report)
{
	const struct link_health *records = &shell->health[LINK_RECORDS], *commands = &shell->health[LINK_COMMANDS];
	const struct link_health *worse = records->fault != LINK_FINE ? records : commands;
	bool both = records->tried && commands->tried;
	*report = (struct uplink_report){
		.state = worse->fault != LINK_FINE ? "failing" :
			 both			   ? "connected" :
						     "starting",
		.reason = link_fault_name(worse->fault),
		.detail = worse->detail,
		.heard_ms = shell->heard_ms,
		.stream = shell->stream.opened,
	};
}
