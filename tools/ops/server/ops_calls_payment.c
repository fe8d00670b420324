/* tools/ops/server/ops_calls_payment.c: customers' payments, the provider's callback, and the sandbox's page; see
 * ops_calls.h.
 *
 * Room: tools/ops/server; tools/ops/core. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "ops_calls.h"
#include "ops_customer_order.h"
#include "payments.h"

static void refuse_closed(struct ops_request *q)
{
	ops_refuse(q, MHD_HTTP_NOT_FOUND, "not_offered", "this server takes no payments");
}

/* --- the customer's --- */

static void answer_payment(struct ops_request *q, unsigned status, const struct payment *payment)
{
	const struct ops_payment_provider *provider = &q->server->payments.provider;
	char url[PAYMENT_URL_SIZE];
	int result = provider->find_page(provider->ctx, payment, url);
	if (result < 0) {
		q->retry_s = REQUEST_RETRY_S;
		ops_refuse(q,
			   MHD_HTTP_SERVICE_UNAVAILABLE,
			   "unavailable",
			   "the payment provider cannot be reached: %s",
			   strerror(-result));
		return;
	}
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "payment", payment->id);
	ops_add_number(object, "micros", payment->micros);
	cJSON_AddStringToObject(object, "currency", payment->currency);
	cJSON_AddStringToObject(object, "state", word_name(&payment_state_words, payment->state));
	cJSON_AddStringToObject(object, "pay_url", url);
	ops_answer(q, status, object);
}

static void make_payment(struct ops_request *q, int64_t micros, const char *key)
{
	struct ops_server *s = q->server;
	struct ops_error error;
	struct payment payment;
	int64_t wait_ms;
	int result = ops_make_payment(s->ops,
				      q->person.account,
				      micros,
				      s->options->currency,
				      key,
				      ops_wall_now_ms(),
				      &payment,
				      &wait_ms,
				      &error);
	if (result < 0)
		ops_refuse_core(q, result, &error);
	else if (result > 0)
		ops_refuse_often(q, wait_ms, error.text);
	else
		answer_payment(q, MHD_HTTP_CREATED, &payment);
}

void ops_call_make_payment(struct ops_request *q)
{
	static const char *const fields[] = {"micros", "key", NULL};
	const char *key;
	int64_t micros = 0;
	if (!q->server->payments.open) {
		refuse_closed(q);
		return;
	}
	cJSON *body = ops_request_object(q);
	if (body == NULL)
		return;
	if (ops_take_only(q, body, fields) &&
	    ops_take_number(q, body, "micros", PAYMENT_LEAST_MICROS, PAYMENT_MOST_MICROS, false, &micros) &&
	    ops_take_text(q, body, "key", &key))
		make_payment(q, micros, key);
	cJSON_Delete(body);
}

void ops_call_payment(struct ops_request *q)
{
	struct ops_error error;
	struct payment payment;
	if (!q->server->payments.open) {
		refuse_closed(q);
		return;
	}
	int result = ops_own_payment(q->server->ops, q->person.account, q->name, &payment, &error);
	if (result < 0)
		ops_refuse_core(q, result, &error);
	else
		answer_payment(q, MHD_HTTP_OK, &payment);
}

/* --- the provider's callback --- */

/* What a callback says. */
struct outcome {
	const char *payment, *reference; /* live as long as the body */
	int64_t micros;
	enum payment_state state;
};

/* False: refused. */
static bool read_outcome(struct ops_request *q, const cJSON *body, struct outcome *outcome)
{
	static const char *const fields[] = {"payment", "reference", "micros", "state", NULL};
	const char *state;
	unsigned value = 0;
	if (!ops_take_only(q, body, fields) || !ops_take_text(q, body, "payment", &outcome->payment) ||
	    !ops_take_text(q, body, "reference", &outcome->reference) ||
	    !ops_take_number(q, body, "micros", 1, FEE_MONEY_MAX_MICROS, false, &outcome->micros) ||
	    !ops_take_text(q, body, "state", &state))
		return false;
	bool known = word_find(&payment_state_words, state, &value) && value != PAYMENT_PENDING;
	outcome->state = (enum payment_state)value;
	if (!known)
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "state must be paid or failed");
	return known;
}

static void end_payment(struct ops_request *q, const struct outcome *outcome)
{
	struct ops_error error;
	struct payment payment;
	int result = ops_end_payment(q->server->ops,
				     outcome->payment,
				     outcome->reference,
				     outcome->micros,
				     outcome->state,
				     ops_wall_now_ms(),
				     &payment,
				     &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	log_line(LOG_LEVEL_INFO,
		 "payment",
		 "payment=%s account=%s micros=%" PRId64 " state=%s reference=%s",
		 payment.id,
		 log_text(payment.account).text,
		 payment.micros,
		 word_name(&payment_state_words, payment.state),
		 log_text(payment.reference).text);
	ops_account_changed(q->server, payment.account);
	cJSON *object = cJSON_CreateObject();
	cJSON_AddBoolToObject(object, "ok", true);
	ops_answer(q, MHD_HTTP_OK, object);
}

/* Takes a callback's body, whoever brought it here. */
static void take_callback(struct ops_request *q, const char *text, size_t length, const char *signature)
{
	struct outcome outcome;
	struct wire_error error;
	if (!ops_payments_verify(&q->server->payments, text, length, signature)) {
		ops_refuse(q, MHD_HTTP_UNAUTHORIZED, "unauthorized", "Meterbox-Signature is not the body's");
		return;
	}
	cJSON *body = json_parse_object(text, length, REQUEST_CALLBACK_BODY_MAX, &error);
	if (body == NULL) {
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "the body: %s", error.text);
		return;
	}
	if (read_outcome(q, body, &outcome))
		end_payment(q, &outcome);
	cJSON_Delete(body);
}

void ops_call_callback(struct ops_request *q)
{
	const char *signature = MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, "Meterbox-Signature");
	if (!q->server->payments.open)
		refuse_closed(q);
	else
		take_callback(q, q->body != NULL ? q->body : "", q->size, signature);
}

/* --- the sandbox --- */

/* The payment that the path names. False: refused. */
static bool take_sandbox_payment(struct ops_request *q, struct payment *payment)
{
	struct ops_error error;
	if (!q->server->payments.sandbox) {
		refuse_closed(q);
		return false;
	}
	int result = ops_get_payment(q->server->ops, q->name, payment, &error);
	if (result < 0)
		ops_refuse_core(q, result, &error);
	return result == 0;
}

void ops_call_sandbox_payment(struct ops_request *q)
{
	struct payment payment;
	if (!take_sandbox_payment(q, &payment))
		return;
	cJSON *object = cJSON_CreateObject();
	ops_add_number(object, "micros", payment.micros);
	cJSON_AddStringToObject(object, "currency", payment.currency);
	cJSON_AddStringToObject(object, "state", word_name(&payment_state_words, payment.state));
	ops_answer(q, MHD_HTTP_OK, object);
}

/* Does what a provider would do: it writes its callback, signs it, and sends it here. */
static void call_back(struct ops_request *q, const struct payment *payment, bool pay)
{
	char signature[PAYMENT_SIGNATURE_SIZE], reference[PAYMENT_REFERENCE_SIZE];
	cJSON *callback = cJSON_CreateObject();
	snprintf(reference, sizeof reference, "sandbox-%.32s", payment->id);
	cJSON_AddStringToObject(callback, "payment", payment->id);
	cJSON_AddStringToObject(callback, "reference", reference);
	ops_add_number(callback, "micros", payment->micros);
	cJSON_AddStringToObject(
		callback, "state", word_name(&payment_state_words, pay ? PAYMENT_PAID : PAYMENT_FAILED));
	char *text = json_print_and_delete(callback);
	if (text != NULL && ops_payments_sign(&q->server->payments, text, strlen(text), signature))
		take_callback(q, text, strlen(text), signature);
	else
		ops_refuse_memory(q);
	free(text);
}

void ops_call_sandbox_pay(struct ops_request *q)
{
	static const char *const fields[] = {"pay", NULL};
	struct payment payment;
	if (!take_sandbox_payment(q, &payment))
		return;
	cJSON *body = ops_request_object(q);
	if (body == NULL)
		return;
	const cJSON *pay = cJSON_GetObjectItemCaseSensitive(body, "pay");
	if (ops_take_only(q, body, fields) && !cJSON_IsBool(pay))
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "pay must be true or false");
	if (q->status == 0)
		call_back(q, &payment, cJSON_IsTrue(pay));
	cJSON_Delete(body);
}
