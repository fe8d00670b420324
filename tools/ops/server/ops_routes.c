/* tools/ops/server/ops_routes.c: the table of calls, and how a path finds its own; see ops_request.h.
 *
 * Room: tools/ops/server; libmicrohttpd. */
#include <stdio.h>
#include <string.h>

#include "ops_calls.h"
#include "ops_pages.h"
#include "ops_who.h"

/* What the operator's side may ask, and what it may do: then it is noted who did it. */
#define SEES(pattern, handle, least)                                                                                   \
	{                                                                                                              \
		"GET", pattern, handle, OPS_OPERATOR, .role = least                                                    \
	}
#define ACTS(method, pattern, handle, least, word)                                                                     \
	{                                                                                                              \
		method, pattern, handle, OPS_OPERATOR, REQUEST_OPERATOR_BODY_MAX, .role = least, .act = word           \
	}

#define SHOWS(pattern, handle)                                                                                         \
	{                                                                                                              \
		"GET", pattern, handle, OPS_ANYONE, .head = true                                                       \
	}

static const struct ops_route routes[] = {
	SHOWS("/", ops_page_customer),
	SHOWS("/o/{}", ops_page_customer),
	SHOWS("/desk", ops_page_desk),
	SHOWS("/sandbox/pay/{}", ops_page_sandbox),
	SHOWS("/pages/{}", ops_page_part),
	{"POST", "/v1/boxes/{}/records", ops_call_records, OPS_BOX, REQUEST_BOX_BODY_MAX, .gzip = true},
	{"GET", "/v1/boxes/{}/commands", ops_call_commands, OPS_BOX},
	{"GET", "/v1/health", ops_call_health, OPS_ANYONE},
	{"POST", "/v1/customer/codes", ops_call_codes, OPS_ANYONE, REQUEST_OPERATOR_BODY_MAX},
	{"POST", "/v1/customer/session", ops_call_customer_in, OPS_ANYONE, REQUEST_OPERATOR_BODY_MAX},
	{"GET", "/v1/customer/session", ops_call_me, OPS_CUSTOMER},
	{"DELETE", "/v1/customer/session", ops_call_customer_out, OPS_ANYONE, REQUEST_OPERATOR_BODY_MAX},
	{"POST", "/v1/operator/session", ops_call_staff_in, OPS_ANYONE, REQUEST_OPERATOR_BODY_MAX, .act = "sign_in"},
	SEES("/v1/operator/session", ops_call_staff_me, STAFF_VIEWER),
	{"DELETE",
	 "/v1/operator/session",
	 ops_call_staff_out,
	 OPS_ANYONE,
	 REQUEST_OPERATOR_BODY_MAX,
	 .act = "sign_out"},
	SEES("/v1/operator/staff", ops_call_staff, STAFF_MANAGER),
	ACTS("PUT", "/v1/operator/staff/{}", ops_call_put_staff, STAFF_MANAGER, "staff"),
	ACTS("DELETE", "/v1/operator/staff/{}", ops_call_drop_staff, STAFF_MANAGER, "staff_removed"),
	SEES("/v1/operator/acts", ops_call_acts, STAFF_VIEWER),
	SEES("/v1/operator/messages", ops_call_messages, STAFF_MANAGER),
	SEES("/v1/operator/boxes", ops_call_boxes, STAFF_VIEWER),
	SEES("/v1/operator/boxes/{}", ops_call_box, STAFF_VIEWER),
	ACTS("PUT", "/v1/operator/boxes/{}", ops_call_put_box, STAFF_MANAGER, "box"),
	SEES("/v1/operator/boxes/{}/records", ops_call_box_records, STAFF_VIEWER),
	ACTS("POST", "/v1/operator/boxes/{}/commands", ops_call_send, STAFF_OPERATOR, "command"),
	SEES("/v1/operator/accounts/{}", ops_call_account, STAFF_VIEWER),
	ACTS("PUT", "/v1/operator/accounts/{}", ops_call_put_account, STAFF_MANAGER, "account"),
	ACTS("POST", "/v1/operator/accounts/{}/recharges", ops_call_recharge, STAFF_MANAGER, "recharge"),
	ACTS("POST", "/v1/operator/accounts/{}/refunds", ops_call_refund, STAFF_MANAGER, "refund"),
	SEES("/v1/operator/orders/{}", ops_call_order, STAFF_VIEWER),
	ACTS("PUT", "/v1/operator/orders/{}", ops_call_put_order, STAFF_OPERATOR, "order"),
	ACTS("POST", "/v1/operator/orders/{}/credit", ops_call_credit, STAFF_OPERATOR, "credit"),
	SEES("/v1/operator/tariffs", ops_call_tariffs, STAFF_VIEWER),
	ACTS("PUT", "/v1/operator/tariffs/{}", ops_call_put_tariff, STAFF_MANAGER, "tariff"),
	{"POST", "/v1/operator/preview", ops_call_preview, OPS_OPERATOR, REQUEST_OPERATOR_BODY_MAX},
	SEES("/v1/operator/outlets", ops_call_places, STAFF_VIEWER),
	ACTS("PUT", "/v1/operator/outlets/{}", ops_call_put_place, STAFF_MANAGER, "outlet"),
	ACTS("DELETE", "/v1/operator/outlets/{}", ops_call_drop_place, STAFF_MANAGER, "outlet_removed"),
	SEES("/v1/operator/outlets/{}/qr", ops_call_place_qr, STAFF_VIEWER),
	SEES("/v1/operator/agreement", ops_call_agreement, STAFF_VIEWER),
	{"PUT",
	 "/v1/operator/agreement",
	 ops_call_put_agreement,
	 OPS_OPERATOR,
	 REQUEST_TEXTS_BODY_MAX,
	 .role = STAFF_MANAGER,
	 .act = "agreement"},
	{"GET", "/v1/customer/outlets/{}", ops_call_offer, OPS_ANYONE},
	{"GET", "/v1/customer/orders", ops_call_own_orders, OPS_CUSTOMER},
	{"GET", "/v1/customer/orders/{}", ops_call_own_order, OPS_CUSTOMER},
	{"PUT", "/v1/customer/orders/{}", ops_call_put_own_order, OPS_CUSTOMER, REQUEST_CUSTOMER_BODY_MAX},
	{"GET", "/v1/customer/orders/{}/events", ops_call_order_events, OPS_CUSTOMER},
	{"POST", "/v1/customer/orders/{}/start", ops_call_start, OPS_CUSTOMER, REQUEST_CUSTOMER_BODY_MAX},
	{"POST", "/v1/customer/orders/{}/stop", ops_call_stop, OPS_CUSTOMER, REQUEST_CUSTOMER_BODY_MAX},
	{"POST", "/v1/customer/orders/{}/unlock", ops_call_unlock, OPS_CUSTOMER, REQUEST_CUSTOMER_BODY_MAX},
	{"POST", "/v1/customer/orders/{}/departed", ops_call_departed, OPS_CUSTOMER, REQUEST_CUSTOMER_BODY_MAX},
	{"POST", "/v1/customer/orders/{}/credit", ops_call_own_credit, OPS_CUSTOMER, REQUEST_CUSTOMER_BODY_MAX},
	{"POST", "/v1/customer/payments", ops_call_make_payment, OPS_CUSTOMER, REQUEST_CUSTOMER_BODY_MAX},
	{"GET", "/v1/customer/payments/{}", ops_call_payment, OPS_CUSTOMER},
	{"POST", "/v1/payments/callback", ops_call_callback, OPS_ANYONE, REQUEST_CALLBACK_BODY_MAX},
	{"GET", "/v1/sandbox/payments/{}", ops_call_sandbox_payment, OPS_ANYONE},
	{"POST", "/v1/sandbox/payments/{}", ops_call_sandbox_pay, OPS_ANYONE, REQUEST_CUSTOMER_BODY_MAX},
	SEES("/v1/operator/orders", ops_call_orders, STAFF_VIEWER),
	SEES("/v1/operator/accounts", ops_call_accounts, STAFF_VIEWER),
	SEES("/v1/operator/accounts/{}/postings", ops_call_postings, STAFF_VIEWER),
	SEES("/v1/operator/alarms", ops_call_alarms, STAFF_VIEWER),
	SEES("/v1/operator/boxes/{}/series", ops_call_series, STAFF_VIEWER),
	SEES("/v1/operator/events", ops_call_desk_events, STAFF_VIEWER),
	SEES("/v1/operator/check", ops_call_check, STAFF_VIEWER),
	SEES("/v1/operator/server", ops_call_server, STAFF_VIEWER),
};

/* --- paths --- */

static bool matches(const char *pattern, const char *url, char name[REQUEST_NAME_SIZE])
{
	size_t fixed = strcspn(pattern, "{");
	name[0] = '\0';
	if (pattern[fixed] == '\0')
		return strcmp(pattern, url) == 0;
	if (strncmp(pattern, url, fixed) != 0)
		return false;
	size_t length = strcspn(url + fixed, "/");
	return strcmp(pattern + fixed + strlen("{}"), url + fixed + length) == 0 &&
	       ops_decode(url + fixed, length, name, REQUEST_NAME_SIZE) && name[0] != '\0';
}

static void find_route(struct ops_request *q, const char *method, const char *url)
{
	char name[REQUEST_NAME_SIZE];
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		size_t used = strlen(q->allow);
		if (!matches(routes[i].pattern, url, name))
			continue;
		memcpy(q->name, name, sizeof q->name);
		if (strcmp(routes[i].method, method) == 0 || (routes[i].head && strcmp("HEAD", method) == 0)) {
			q->route = &routes[i];
			q->allow[0] = '\0';
			return;
		}
		snprintf(q->allow + used,
			 sizeof q->allow - used,
			 "%s%s%s",
			 used > 0 ? ", " : "",
			 routes[i].method,
			 routes[i].head ? ", HEAD" : "");
	}
	if (q->allow[0] != '\0')
		ops_refuse(q, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes %s", q->allow);
	else
		ops_refuse(q, MHD_HTTP_NOT_FOUND, "not_found", "no such path");
}

static bool box_name_is_valid(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t length = strlen(name);
	return length > 0 && length < BOX_ID_SIZE && strspn(name, allowed) == length;
}

void ops_route(struct ops_request *q, const char *method, const char *url)
{
	find_route(q, method, url);
	if (q->status == 0)
		ops_judge_who(q);
	if (q->status != 0 || strstr(q->route->pattern, "/boxes/{}") == NULL || box_name_is_valid(q->name))
		return;
	ops_refuse(q,
		   MHD_HTTP_BAD_REQUEST,
		   "bad_request",
		   "a box's name must be 1 to %d of the characters A-Z a-z 0-9 . _ -",
		   BOX_ID_SIZE - 1);
}
