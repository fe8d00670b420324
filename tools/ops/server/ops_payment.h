/* tools/ops/server/ops_payment.h: where customers pay: the interface of payment providers, and the sandbox that is one.
 *
 * Room: tools/ops/server; libcrypto, tools/ops/core. A provider takes the customer's money on a page of its own and tells
 * by a callback what became of it, signed with a key that it shares with this server. The callback may come at any
 * time and any number of times. */
#ifndef OPS_PAYMENT_H
#define OPS_PAYMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "ops_setup.h"
#include "payments.h"

#define PAYMENT_URL_SIZE 200
#define PAYMENT_SIGNATURE_SIZE 65 /* of HMAC-SHA256, in hexadecimal digits */

struct ops_payment_provider {
	/* Where the customer pays: an address of this server or another's. Asked again it says the same. 0 or a negative
	 * errno. */
	int (*find_page)(void *ctx, const struct payment *payment, char url[PAYMENT_URL_SIZE]);
	void *ctx;
};

struct ops_payments {
	bool open; /* customers can recharge */
	bool sandbox; /* the provider is the embedded one */
	struct ops_payment_provider provider;
	char key[OPS_BEARER_SIZE]; /* shared with the provider; zero-padded */
};

/* Takes the options: without --sandbox-payments nothing is open. A key is made when no file has it. 0, or -1 with *error
 * filled. */
int ops_payments_open(struct ops_payments *payments, const struct ops_server_options *options,
		      struct ops_setup_error *error);

/* HMAC-SHA256 of the bytes with the shared key. False when memory is short. */
bool ops_payments_sign(const struct ops_payments *payments, const char *bytes, size_t length,
		       char signature[PAYMENT_SIGNATURE_SIZE]);

/* Whether it is that; NULL is none. Takes as long wherever they differ. */
bool ops_payments_verify(const struct ops_payments *payments, const char *bytes, size_t length, const char *signature);

#endif
