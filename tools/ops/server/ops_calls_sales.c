/* tools/ops/server/ops_calls_sales.c: what is for sale: tariffs, outlets, the agreement, and an offer as a customer sees it;
 * see ops_calls.h.
 *
 * Room: tools/ops/server; src/wire, tools/ops/core. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "offers.h"
#include "ops_calls.h"
#include "ops_qr.h"
#include "ops_who.h"

#define PLACES_AT_ONCE 1000 /* outlets of one answer */
#define HOLD_DEFAULT_MS 600000
#define LEASE_DEFAULT_MS 600000
#define FULL_DEFAULT_MA 500
#define FULL_DEFAULT_MS 600000

/* A text that fits into size bytes, the NUL included: cut, it would name something else. False: refused. */
static bool take_short(struct ops_request *q, const cJSON *object, const char *name, size_t size, char *to)
{
	const char *text;
	if (!ops_take_text(q, object, name, &text))
		return false;
	word_copy(to, size, text);
	if (strlen(text) < size)
		return true;
	ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "%s must be at most %zu bytes", name, size - 1);
	return false;
}

/* --- tariffs --- */

static bool add_tariff(cJSON *array, const struct fee_tariff *tariff)
{
	char *text = wire_write_tariff(tariff);
	cJSON *item = text == NULL ? NULL : cJSON_CreateRaw(text);
	free(text);
	if (item != NULL && cJSON_AddItemToArray(array, item))
		return true;
	cJSON_Delete(item);
	return false;
}

struct tariff_list {
	cJSON *array;
	bool short_of_memory;
};

static bool take_tariff(void *ctx, const struct fee_tariff *tariff)
{
	struct tariff_list *list = ctx;
	list->short_of_memory = !add_tariff(list->array, tariff);
	return !list->short_of_memory;
}

void ops_call_tariffs(struct ops_request *q)
{
	struct ops_error error;
	cJSON *object = cJSON_CreateObject();
	struct tariff_list list = {cJSON_AddArrayToObject(object, "tariffs"), false};
	int result = ops_each_tariff(q->server->ops, take_tariff, &list, &error);
	if (result == 0 && !list.short_of_memory) {
		ops_answer(q, MHD_HTTP_OK, object);
		return;
	}
	cJSON_Delete(object);
	if (result < 0)
		ops_refuse_core(q, result, &error);
	else
		ops_refuse_memory(q);
}

/* Takes the tariff out of the body: its fields but id and version, which are given here. False: refused. */
static bool take_new_tariff(struct ops_request *q, cJSON *body, const char *id, struct fee_tariff *tariff)
{
	struct wire_error error;
	cJSON *object = cJSON_DetachItemFromObjectCaseSensitive(body, "tariff");
	if (!cJSON_IsObject(object) || cJSON_HasObjectItem(object, "id") || cJSON_HasObjectItem(object, "version")) {
		cJSON_Delete(object);
		ops_refuse(
			q,
			MHD_HTTP_BAD_REQUEST,
			"bad_request",
			"tariff must be an object: a tariff without id and version, which are not the body's to say");
		return false;
	}
	cJSON_AddStringToObject(object, "id", id);
	ops_add_number(object, "version", 1);
	char *text = json_print_and_delete(object);
	if (text == NULL) {
		ops_refuse_memory(q);
		return false;
	}
	bool valid = wire_read_tariff_only(text, strlen(text), tariff, &error);
	free(text);
	if (!valid)
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "%s", error.text);
	return valid;
}

void ops_call_put_tariff(struct ops_request *q)
{
	static const char *const fields[] = {"replaces", "tariff", NULL};
	struct ops_error error;
	struct fee_tariff tariff;
	int64_t replaces = 0;
	cJSON *body = ops_request_object(q);
	if (body == NULL)
		return;
	bool valid = ops_take_only(q, body, fields) &&
		     ops_take_number(q, body, "replaces", 0, UINT32_MAX - 1, false, &replaces) &&
		     take_new_tariff(q, body, q->name, &tariff);
	cJSON_Delete(body);
	if (!valid)
		return;
	int result =
		ops_put_tariff(q->server->ops, &tariff, (uint32_t)replaces, q->person.name, ops_wall_now_ms(), &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	log_line(LOG_LEVEL_INFO,
		 "tariff",
		 "tariff=%s version=%u by=%s",
		 log_text(tariff.id).text,
		 tariff.version,
		 log_text(q->person.name).text);
	ops_note_detail(q, "version=%u", tariff.version);
	ops_answer_text(q, MHD_HTTP_OK, wire_write_tariff(&tariff));
}

void ops_add_lines(cJSON *object, const char *name, const struct fee_tariff *tariff, const struct fee_bill *bill)
{
	cJSON *lines = cJSON_AddArrayToObject(object, name);
	for (size_t i = 0; i < bill->line_count; i++) {
		const struct fee_line *line = &bill->lines[i];
		cJSON *item = cJSON_CreateObject();
		cJSON_AddItemToArray(lines, item);
		cJSON_AddStringToObject(item, "kind", fee_line_name(line->kind));
		if (line->kind == FEE_LINE_ENERGY && fee_by_time(tariff))
			cJSON_AddStringToObject(item, "rate", tariff->rates[line->rate].name);
		ops_add_number(item, "quantity", line->quantity);
		ops_add_number(item, "price_micros", line->price_micros);
		ops_add_number(item, "amount_micros", line->amount_micros);
	}
}

void ops_call_preview(struct ops_request *q)
{
	static const char *const fields[] = {"tariff", "power_mw", "from", "duration_ms", NULL};
	struct ops_error error;
	struct fee_tariff tariff;
	struct fee_energy energy;
	struct fee_bill bill;
	int64_t power_mw = 0, from_ms = 0, duration_ms = 0;
	cJSON *body = ops_request_object(q);
	if (body == NULL)
		return;
	bool valid = ops_take_only(q, body, fields) &&
		     ops_take_number(q, body, "power_mw", 0, FEE_POWER_MAX_MW, false, &power_mw) &&
		     ops_take_time(q, body, "from", &from_ms) &&
		     ops_take_number(q, body, "duration_ms", 1, OFFERS_PREVIEW_MAX_MS, false, &duration_ms) &&
		     take_new_tariff(q, body, "preview", &tariff);
	cJSON_Delete(body);
	if (!valid)
		return;
	int result = ops_preview(&tariff, power_mw, from_ms, duration_ms, &energy, &bill, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	cJSON *object = cJSON_CreateObject();
	ops_add_number(object, "energy_mwh", fee_energy_total(&energy));
	ops_add_lines(object, "lines", &tariff, &bill);
	ops_add_number(object, "total_micros", bill.total_micros);
	ops_answer(q, MHD_HTTP_OK, object);
}

/* --- outlets for sale --- */

static cJSON *place_object(const struct place *p)
{
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "code", p->code);
	cJSON_AddStringToObject(object, "box", p->box);
	ops_add_number(object, "outlet", p->outlet + 1);
	cJSON_AddStringToObject(object, "tariff", p->tariff);
	cJSON_AddStringToObject(object, "label", p->label);
	cJSON_AddStringToObject(object, "mode", word_name(&fee_mode_words, p->mode));
	ops_add_number(object, "hold_ms", p->hold_ms);
	ops_add_number(object, "lease_ms", p->lease_ms);
	ops_add_number(object, "full_ma", p->full_ma);
	ops_add_number(object, "full_ms", p->full_ms);
	return object;
}

struct place_list {
	cJSON *array;
	int count;
	char last[PLACE_CODE_SIZE];
	bool more;
};

static bool take_place(void *ctx, const struct place *place)
{
	struct place_list *list = ctx;
	list->more = list->count == PLACES_AT_ONCE;
	if (list->more)
		return false;
	cJSON_AddItemToArray(list->array, place_object(place));
	memcpy(list->last, place->code, sizeof list->last);
	list->count++;
	return true;
}

void ops_call_places(struct ops_request *q)
{
	struct ops_error error;
	const char *after = MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, "after");
	cJSON *object = cJSON_CreateObject();
	struct place_list list = {.array = cJSON_AddArrayToObject(object, "outlets")};
	int result = ops_each_place(q->server->ops, after == NULL ? "" : after, take_place, &list, &error);
	if (result < 0) {
		cJSON_Delete(object);
		ops_refuse_core(q, result, &error);
		return;
	}
	if (list.more)
		cJSON_AddStringToObject(object, "next", list.last);
	else
		cJSON_AddNullToObject(object, "next");
	ops_answer(q, MHD_HTTP_OK, object);
}

/* The mode stays when it is absent. False: refused. */
static bool take_mode(struct ops_request *q, const cJSON *body, enum fee_mode *mode)
{
	const char *word;
	unsigned value = *mode;
	if (!cJSON_HasObjectItem(body, "mode"))
		return true;
	if (!ops_take_text(q, body, "mode", &word))
		return false;
	bool found = word_find(&fee_mode_words, word, &value);
	*mode = (enum fee_mode)value;
	if (!found)
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "mode must be local or remote");
	return found;
}

/* False: refused. */
static bool read_place(struct ops_request *q, const cJSON *body, struct place *p)
{
	static const char *const fields[] = {
		"box", "outlet", "tariff", "label", "mode", "hold_ms", "lease_ms", "full_ma", "full_ms", NULL};
	const int64_t least = PLACE_TIME_LEAST_MS, most = PLACE_TIME_MAX_MS;
	int64_t outlet = 0;
	*p = (struct place){
		.mode = FEE_LOCAL,
		.hold_ms = HOLD_DEFAULT_MS,
		.lease_ms = LEASE_DEFAULT_MS,
		.full_ma = FULL_DEFAULT_MA,
		.full_ms = FULL_DEFAULT_MS,
	};
	bool valid = ops_take_only(q, body, fields) && take_short(q, body, "box", sizeof p->box, p->box) &&
		     ops_take_number(q, body, "outlet", 1, OUTLETS_MAX, false, &outlet) &&
		     take_short(q, body, "tariff", sizeof p->tariff, p->tariff) &&
		     take_short(q, body, "label", sizeof p->label, p->label) && take_mode(q, body, &p->mode) &&
		     ops_take_number(q, body, "hold_ms", least, most, true, &p->hold_ms) &&
		     ops_take_number(q, body, "lease_ms", least, most, true, &p->lease_ms) &&
		     ops_take_number(q, body, "full_ma", 1, PLACE_FULL_MA_MAX, true, &p->full_ma) &&
		     ops_take_number(q, body, "full_ms", least, most, true, &p->full_ms);
	p->outlet = (int)outlet - 1;
	if (valid && strlen(q->name) >= sizeof p->code) {
		valid = false;
		ops_refuse(q, MHD_HTTP_BAD_REQUEST, "bad_request", "an outlet's code has at most 16 characters");
	}
	word_copy(p->code, sizeof p->code, q->name);
	return valid;
}

void ops_call_put_place(struct ops_request *q)
{
	struct ops_error error;
	struct place place;
	cJSON *body = ops_request_object(q);
	if (body == NULL)
		return;
	bool valid = read_place(q, body, &place);
	cJSON_Delete(body);
	if (!valid)
		return;
	int result = ops_put_place(q->server->ops, &place, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	log_line(LOG_LEVEL_INFO,
		 "outlet",
		 "code=%s box=%s outlet=%d tariff=%s by=%s",
		 place.code,
		 log_text(place.box).text,
		 place.outlet + 1,
		 log_text(place.tariff).text,
		 log_text(q->person.name).text);
	ops_note_detail(q, "box=%s outlet=%d tariff=%s", place.box, place.outlet + 1, place.tariff);
	ops_answer(q, MHD_HTTP_OK, place_object(&place));
}

void ops_call_drop_place(struct ops_request *q)
{
	struct ops_error error;
	if (!ops_take_nothing(q))
		return;
	int result = ops_drop_place(q->server->ops, q->name, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	log_line(LOG_LEVEL_INFO,
		 "outlet_removed",
		 "code=%s by=%s",
		 log_text(q->name).text,
		 log_text(q->person.name).text);
	cJSON *object = cJSON_CreateObject();
	cJSON_AddBoolToObject(object, "ok", true);
	ops_answer(q, MHD_HTTP_OK, object);
}

void ops_call_place_qr(struct ops_request *q)
{
	struct ops_error error;
	struct place place;
	char origin[OPS_ORIGIN_SIZE];
	const char *url = q->server->options->public_url;
	int result = ops_get_place(q->server->ops, q->name, &place, &error);
	if (result < 0) {
		ops_refuse_core(q, result, &error);
		return;
	}
	if (url == NULL) {
		ops_own_origin(q, origin);
		url = origin;
	}
	if (!ops_qr_url_is_valid(url)) /* then it is from the request's own header: an option was judged before */
		ops_refuse(q,
			   MHD_HTTP_BAD_REQUEST,
			   "bad_request",
			   "Host is not where customers could find this server; start it with --public-url");
	else
		ops_answer_as(q, MHD_HTTP_OK, "image/svg+xml", ops_qr_svg(url, place.code));
	if (q->response != NULL) /* opened by itself it is a document */
		MHD_add_response_header(q->response, "Content-Security-Policy", "default-src 'none'");
}

/* --- the agreement --- */

static cJSON *agreement_object(const struct agreement *agreement)
{
	cJSON *object = cJSON_CreateObject();
	ops_add_number(object, "version", agreement->version);
	cJSON_AddStringToObject(object, "en", agreement->en);
	cJSON_AddStringToObject(object, "zh", agreement->zh);
	return object;
}

void ops_call_agreement(struct ops_request *q)
{
	struct ops_error error;
	struct agreement agreement;
	uint64_t version = 0;
	if (!ops_request_number(q, "version", 1, UINT32_MAX, &version))
		return;
	int result = ops_get_agreement(q->server->ops, (uint32_t)version, &agreement, &error);
	if (result < 0)
		ops_refuse_core(q, result, &error);
	else
		ops_answer(q, MHD_HTTP_OK, agreement_object(&agreement));
}

void ops_call_put_agreement(struct ops_request *q)
{
	static const char *const fields[] = {"replaces", "en", "zh", NULL};
	struct ops_error error;
	struct agreement agreement;
	const char *en, *zh;
	int64_t replaces = 0;
	uint32_t version = 0;
	cJSON *body = ops_request_object(q);
	if (body == NULL)
		return;
	int result = 1; /* refused */
	if (ops_take_only(q, body, fields) &&
	    ops_take_number(q, body, "replaces", 1, UINT32_MAX - 1, false, &replaces) &&
	    ops_take_text(q, body, "en", &en) && ops_take_text(q, body, "zh", &zh))
		result = ops_put_agreement(q->server->ops,
					   en,
					   zh,
					   (uint32_t)replaces,
					   q->person.name,
					   ops_wall_now_ms(),
					   &version,
					   &error);
	cJSON_Delete(body);
	if (result == 0) {
		log_line(LOG_LEVEL_INFO, "agreement", "version=%u by=%s", version, log_text(q->person.name).text);
		ops_note_detail(q, "version=%u", version);
		result = ops_get_agreement(q->server->ops, version, &agreement, &error);
	}
	if (result < 0)
		ops_refuse_core(q, result, &error);
	else if (result == 0)
		ops_answer(q, MHD_HTTP_OK, agreement_object(&agreement));
}

/* --- what a customer sees --- */

/* A word for what the outlet does: as it last said itself, or else what its records are enough for. */
static const char *state_name(const struct progress *progress, const struct outlet_image *image)
{
	if (progress != NULL)
		return word_name(&outlet_state_words, progress->state);
	if (image->fault != FAULT_NONE)
		return word_name(&outlet_state_words, OUTLET_FAULTED);
	return image->out_of_service ? word_name(&outlet_state_words, OUTLET_OUT_OF_SERVICE) : "unknown";
}

static void add_price_now(cJSON *object, const struct fee_tariff *tariff)
{
	uint32_t rate = fee_rate_at(tariff, ops_wall_now_ms());
	if (fee_by_time(tariff))
		cJSON_AddStringToObject(object, "rate", tariff->rates[rate].name);
	ops_add_number(object, "price_now_micros", fee_rate_price(tariff, rate) + tariff->service_price_micros);
}

static cJSON *offer_object(const struct ops_server *server, const struct place *place, const struct outlet_image *image,
			   const struct fee_tariff *tariff, const struct agreement *agreement)
{
	const struct ops_live_box *live = ops_live_find(server->live, place->box);
	cJSON *object = cJSON_CreateObject();
	cJSON_AddStringToObject(object, "code", place->code);
	cJSON_AddStringToObject(object, "label", place->label);
	cJSON_AddStringToObject(
		object, "state", state_name(live == NULL ? NULL : live->progress[place->outlet], image));
	cJSON_AddBoolToObject(object, "connected", live != NULL && live->stream != NULL);
	cJSON_AddBoolToObject(object, "reserved", image->reserved_for[0] != '\0');
	ops_add_document(object, "tariff", wire_write_tariff(tariff));
	add_price_now(object, tariff);
	cJSON_AddItemToObject(object, "agreement", agreement_object(agreement));
	cJSON_AddBoolToObject(object, "payments", server->payments.open);
	return object;
}

void ops_call_offer(struct ops_request *q)
{
	struct ops *ops = q->server->ops;
	struct ops_error error;
	struct place place;
	struct outlet_image image;
	struct fee_tariff tariff;
	struct agreement agreement;
	int result = ops_get_place(ops, q->name, &place, &error);
	if (result == -ENOENT) {
		ops_refuse(q, MHD_HTTP_NOT_FOUND, "not_offered", "%s", error.text);
		return;
	}
	if (result < 0 || (result = ops_outlet(ops, place.box, place.outlet, &image, &error)) < 0 ||
	    (result = ops_get_tariff(ops, place.tariff, 0, &tariff, &error)) < 0 ||
	    (result = ops_get_agreement(ops, 0, &agreement, &error)) < 0)
		ops_refuse_core(q, result, &error);
	else
		ops_answer(q, MHD_HTTP_OK, offer_object(q->server, &place, &image, &tariff, &agreement));
}
