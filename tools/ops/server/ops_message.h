/* tools/ops/server/ops_message.h: what is told to customers, where they are: codes.
 *
 * Room: tools/ops/server. A provider carries texts to telephones and mailboxes. The embedded one writes them into the
 * log and keeps the last for the operator, who reads them out. */
#ifndef OPS_MESSAGE_H
#define OPS_MESSAGE_H

#include <stdint.h>

#include "people.h"

#define OPS_MESSAGES_KEPT 50
#define OPS_MESSAGE_TEXT_SIZE 256

struct ops_message_provider {
	/* Takes a text (UTF-8) over for a contact in canonical form, and returns at once: the server has one thread. 0, or
	 * negative errno when it will not be sent. */
	int (*send)(void *ctx, const char *contact, const char *text, int64_t now_ms);
	void *ctx;
};

/* --- the embedded provider --- */

struct ops_message {
	int64_t at_ms; /* wall clock */
	char contact[PEOPLE_CONTACT_SIZE];
	char text[OPS_MESSAGE_TEXT_SIZE];
};

struct ops_messages {
	struct ops_message kept[OPS_MESSAGES_KEPT];
	uint64_t count; /* that were ever sent; the next goes to count % OPS_MESSAGES_KEPT */
};

/* The provider that keeps in *messages, which the caller has zeroed and keeps as long. */
struct ops_message_provider ops_messages_provider(struct ops_messages *messages);

/* The n-th latest from 0, or NULL when so many are not kept. */
const struct ops_message *ops_messages_get(const struct ops_messages *messages, uint64_t n);

#endif
