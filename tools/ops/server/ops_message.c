/* tools/ops/server/ops_message.c: see ops_message.h.
 *
 * Room: tools/ops/server; src/log. */
#include "ops_message.h"

#include "log.h"

static int keep(void *ctx, const char *contact, const char *text, int64_t now_ms)
{
	struct ops_messages *messages = ctx;
	struct ops_message *message = &messages->kept[messages->count++ % OPS_MESSAGES_KEPT];
	message->at_ms = now_ms;
	word_copy(message->contact, sizeof message->contact, contact);
	word_copy(message->text, sizeof message->text, text);
	log_line(LOG_LEVEL_INFO, "message", "contact=%s text=%s", log_text(contact).text, log_text(text).text);
	return 0;
}

struct ops_message_provider ops_messages_provider(struct ops_messages *messages)
{
	return (struct ops_message_provider){.send = keep, .ctx = messages};
}

const struct ops_message *ops_messages_get(const struct ops_messages *messages, uint64_t n)
{
	if (n >= messages->count || n >= OPS_MESSAGES_KEPT)
		return NULL;
	return &messages->kept[(messages->count - 1 - n) % OPS_MESSAGES_KEPT];
}
