/* tools/ops/server/ops_payment.c: see ops_payment.h.
 *
 * Room: tools/ops/server; libcrypto. */
#include "ops_payment.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"

#define KEY_BYTES 32

static void write_hex(const unsigned char *bytes, size_t count, char *text)
{
	for (size_t i = 0; i < count; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* The sandbox's page asks for nothing but a click. */
static int find_sandbox_page(void *ctx, const struct payment *payment, char url[PAYMENT_URL_SIZE])
{
	(void)ctx;
	snprintf(url, PAYMENT_URL_SIZE, "/sandbox/pay/%s", payment->id);
	return 0;
}

static int make_key(char key[OPS_BEARER_SIZE], struct ops_setup_error *error)
{
	unsigned char bytes[KEY_BYTES];
	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
		snprintf(error->text, sizeof error->text, "no random bytes: %s", strerror(errno));
		return -1;
	}
	memset(key, 0, OPS_BEARER_SIZE);
	write_hex(bytes, sizeof bytes, key);
	return 0;
}

int ops_payments_open(struct ops_payments *payments, const struct ops_server_options *options,
		      struct ops_setup_error *error)
{
	*payments = (struct ops_payments){.open = false};
	if (!options->sandbox_payments)
		return 0;
	int result = options->payment_key != NULL ? ops_setup_token(options->payment_key, payments->key, error) :
						    make_key(payments->key, error);
	if (result < 0)
		return result;
	payments->open = payments->sandbox = true;
	payments->provider.find_page = find_sandbox_page;
	log_line(LOG_LEVEL_WARNING,
		 "sandbox_payments",
		 "hint=%s",
		 log_text("whoever asks for money gets it: for a workshop only").text);
	return 0;
}

bool ops_payments_sign(const struct ops_payments *payments, const char *bytes, size_t length,
		       char signature[PAYMENT_SIGNATURE_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	size_t size = 0;
	if (EVP_Q_mac(NULL,
		      "HMAC",
		      NULL,
		      "SHA256",
		      NULL,
		      payments->key,
		      strlen(payments->key),
		      (const unsigned char *)bytes,
		      length,
		      digest,
		      sizeof digest,
		      &size) == NULL ||
	    size != (PAYMENT_SIGNATURE_SIZE - 1) / 2)
		return false;
	write_hex(digest, size, signature);
	return true;
}

bool ops_payments_verify(const struct ops_payments *payments, const char *bytes, size_t length, const char *signature)
{
	char right[PAYMENT_SIGNATURE_SIZE];
	return signature != NULL && strlen(signature) == sizeof right - 1 &&
	       ops_payments_sign(payments, bytes, length, right) &&
	       CRYPTO_memcmp(right, signature, sizeof right - 1) == 0;
}
