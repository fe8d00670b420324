/* src/daemon/server_tls.c: see server_tls.h. */
#include "server_tls.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <stdbool.h>
#include <time.h>

#define MS_PER_S 1000

/* False when it cannot be read. Not by way of the library's time_t, which has 32 bits on 32-bit boards. */
static bool time_of(const ASN1_TIME *time, int64_t *ms)
{
	struct tm tm;
	if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1)
		return false;
	*ms = (int64_t)timegm(&tm) * MS_PER_S;
	return true;
}

static int judge_times(const X509 *certificate, int64_t now_ms, bool trusted)
{
	int64_t from_ms, until_ms;
	if (!time_of(X509_get0_notBefore(certificate), &from_ms))
		return X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD;
	if (!time_of(X509_get0_notAfter(certificate), &until_ms))
		return X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD;
	if (now_ms > until_ms)
		return X509_V_ERR_CERT_HAS_EXPIRED;
	return trusted && now_ms < from_ms ? X509_V_ERR_CERT_NOT_YET_VALID : X509_V_OK;
}

/* In place of the library's own verification: all of it but the times, and then these. */
static int verify(X509_STORE_CTX *store, void *ctx)
{
	struct wall_clock *clock = ctx;
	X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(store), X509_V_FLAG_NO_CHECK_TIME);
	int result = X509_verify_cert(store);
	if (result <= 0)
		return result;
	struct moment now = wall_clock_now(clock);
	bool trusted = now.quality == TIME_SYNCHRONISED;
	/* A clock that nobody vouches for may be years ahead: it must not lock the box out of what would set it right. */
	int64_t now_ms = trusted ? now.wall_ms : clock->floor_ms;
	const STACK_OF(X509) *chain = X509_STORE_CTX_get0_chain(store);
	for (int i = 0; i < sk_X509_num(chain); i++) {
		int fault = judge_times(sk_X509_value(chain, i), now_ms, trusted);
		if (fault == X509_V_OK)
			continue;
		X509_STORE_CTX_set_error(store, fault);
		X509_STORE_CTX_set_error_depth(store, i);
		return 0;
	}
	return 1;
}

CURLcode server_tls_prepare(CURL *easy, void *ssl_ctx, void *ctx)
{
	(void)easy;
	SSL_CTX_set_cert_verify_callback(ssl_ctx, verify, ctx);
	return CURLE_OK;
}
