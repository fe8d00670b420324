/* tools/ops/core/intake.c: records and their effects; see ops_intake() in ops.h.
 *
 * Room: src/model, src/wire; the store only through store.h.
 *
 * A box that lost one record must not lose the rest: a parked record keeps its number, and those behind it are judged one
 * by one against an image that lacks its effect. What does not follow from that image is parked too; but where a record
 * proves that a session is over whose end was parked, that session is settled by the last register taken in, so that one
 * damaged record does not hold a customer's money and an outlet for ever. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "desk.h"
#include "ops_internal.h"

/* Why a record is refused, in a word for programs. */
static const char code_unreadable[] = "unreadable";
static const char code_not_linked[] = "not_linked";
static const char code_does_not_follow[] = "does_not_follow";
static const char code_differs[] = "differs";

struct intake {
	struct ops *ops;
	struct box_row box;
	struct ledger_row ledger;
	struct box_image *image; /* the cached one */
	bool touched[OUTLETS_MAX]; /* outlets whose snapshot must be stored */
	uint64_t last; /* the number of the batch's record before */
	const char *const *records;
	size_t count;
	int64_t now_ms;
	struct ops_intake *answer;
	struct ops_error *error;
};

/* A session that the image had to be told is over. */
struct lost_session {
	char order[ORDER_SIZE]; /* empty: none */
	char meter[METER_SERIAL_SIZE];
	struct receipt receipt;
};

/* --- the image --- */

static int read_part(struct ops *ops, const char *box, int part, struct box_image *image, struct outlet_image *outlet,
		     struct ops_error *error)
{
	struct wire_error wire;
	char *text;
	int found = store_get_image(ops->store, box, part, &text, error);
	if (found <= 0)
		return found;
	bool valid = part == 0 ? wire_read_box_image(text, strlen(text), image, &wire) :
				 wire_read_outlet_image(text, strlen(text), outlet, &wire);
	free(text);
	return valid ? 0 : ops_fail(error, -EBADMSG, "store: a damaged image of %s: %s", box, wire.text);
}

int ops_read_outlet(struct ops *ops, const char *box, int outlet, struct outlet_image *image, struct ops_error *error)
{
	memset(image, 0, sizeof *image);
	return read_part(ops, box, outlet + 1, NULL, image, error);
}

static int load_image(struct intake *in)
{
	int result = 0;
	if (strcmp(in->ops->image_of, in->box.name) == 0 && in->image->seq == in->ledger.accepted)
		return 0;
	in->ops->image_of[0] = '\0';
	image_init(in->image);
	for (int part = 0; result == 0 && part <= OUTLETS_MAX; part++)
		result = read_part(in->ops,
				   in->box.name,
				   part,
				   in->image,
				   part == 0 ? NULL : &in->image->outlets[part - 1],
				   in->error);
	if (result == 0)
		memcpy(in->ops->image_of, in->box.name, sizeof in->ops->image_of);
	return result;
}

static int save_part(struct intake *in, int part)
{
	char *text =
		part == 0 ? wire_write_box_image(in->image) : wire_write_outlet_image(&in->image->outlets[part - 1]);
	if (text == NULL)
		return ops_fail(in->error, -ENOMEM, "out of memory");
	int result = store_put_image(in->ops->store, in->box.name, part, text, in->error);
	free(text);
	return result;
}

static int save(struct intake *in)
{
	int result = save_part(in, 0);
	for (int outlet = 0; result == 0 && outlet < OUTLETS_MAX; outlet++) {
		if (in->touched[outlet])
			result = save_part(in, outlet + 1);
	}
	return result < 0 ? result : store_put_ledger(in->ops->store, &in->ledger, in->error);
}

/* --- sessions whose end never came --- */

/* The receipt of a session by what its records say so far. */
static struct receipt receipt_so_far(const struct outlet_image *o)
{
	const struct session_image *s = &o->session;
	struct receipt receipt = {
		.reason = s->phase == PHASE_STOPPING ? s->reason : END_SERVER,
		.start_mwh = s->started_once ? s->start_mwh : o->register_mwh,
		.energy_mwh = o->session_mwh,
		.energised_ms = s->energised_ms,
	};
	receipt.by_rate = session_by_rate(&s->grant, &s->used);
	if (!end_reason_is_ours(receipt.reason))
		receipt.amount_micros = session_cost_micros(&s->grant, &s->used);
	return receipt;
}

/* Ends the outlet's open session in the image, by the way that its end record would have gone. */
static void end_session(struct box_image *image, int outlet, struct lost_session *lost)
{
	const struct outlet_image *o = &image->outlets[outlet];
	struct record end = {
		.seq = image->seq + 1,
		.boot = image->boot,
		.kind = RECORD_ENDED,
		.outlet = outlet,
	};
	memcpy(end.order, o->session.grant.order, sizeof end.order);
	end.u.ended = receipt_so_far(o);
	if (image_apply(image, &end) != NULL)
		return;
	image->seq--;
	memcpy(lost->order, end.order, sizeof lost->order);
	memcpy(lost->meter, o->serial, sizeof lost->meter);
	lost->receipt = end.u.ended;
}

/* Brings the image as far as the record proves that the parked ones had brought it. */
static void bridge(struct box_image *image, const struct record *r, struct lost_session *lost)
{
	if (r->boot > image->boot)
		image->boot = r->boot - (r->kind == RECORD_BOOT);
	if (r->outlet == RECORD_NO_OUTLET)
		return;
	struct outlet_image *o = &image->outlets[r->outlet];
	bool anew = r->kind == RECORD_AUTHORIZED || r->kind == RECORD_RESERVED || r->kind == RECORD_METER;
	bool gone = r->kind == RECORD_AVAILABLE && strcmp(o->session.grant.order, r->order) == 0;
	if ((anew || gone) && session_is_open(&o->session))
		end_session(image, r->outlet, lost);
	if (r->kind == RECORD_AUTHORIZED || r->kind == RECORD_RESERVED) {
		if (!session_is_open(&o->session))
			o->session = (struct session_image){.phase = PHASE_NONE};
		o->reserved_for[0] = '\0';
	}
	if (r->kind == RECORD_FAULT)
		o->fault = FAULT_NONE;
}

/* Applies the record. NULL, or why it does not follow, with the image unchanged. */
static const char *follow(struct intake *in, const struct record *r, struct lost_session *lost)
{
	const char *fault = image_apply(in->image, r);
	if (fault == NULL || !in->ledger.holed || record_fault(r) != NULL)
		return fault;
	struct box_image kept = *in->image;
	bridge(in->image, r, lost);
	if (image_apply(in->image, r) == NULL)
		return NULL;
	*in->image = kept;
	lost->order[0] = '\0';
	return fault;
}

static int settle_lost(struct intake *in, const struct lost_session *lost)
{
	struct ops_order order;
	if (lost->order[0] == '\0')
		return 0;
	int found = store_get_order(in->ops->store, lost->order, &order, in->error);
	if (found <= 0 || !ops_order_is_open(&order) || strcmp(order.box, in->box.name) != 0)
		return found < 0 ? found : 0;
	order.ended_ms = in->now_ms;
	memcpy(order.meter, lost->meter, sizeof order.meter);
	return ops_settle(in->ops, &order, &lost->receipt, in->error);
}

/* When an order ended, and by which meter. The record's time counts where it was known. */
static void note_end(const struct intake *in, const struct record *r, struct ops_order *order)
{
	bool told = r != NULL && r->at.quality > TIME_UNKNOWN;
	order->ended_ms = told ? r->at.wall_ms : in->now_ms;
	memcpy(order->meter, in->image->outlets[order->outlet].serial, sizeof order->meter);
}

/* --- a new ledger --- */

/* Closes one open order of the ledger that the box has lost. */
static int close_lost_order(struct intake *in, struct ops_order *order)
{
	const struct outlet_image *o = &in->image->outlets[order->outlet];
	bool known = session_is_open(&o->session) && strcmp(o->session.grant.order, order->grant.order) == 0;
	struct receipt receipt = {.reason = END_SERVER};
	order->ledger_lost = true;
	note_end(in, NULL, order);
	if (order->state == OPS_ORDER_SENT)
		return ops_cancel(in->ops, order, in->error);
	if (known)
		receipt = receipt_so_far(o);
	return ops_settle(in->ops, order, &receipt, in->error);
}

static int close_lost_ledger(struct intake *in)
{
	struct ops_order order;
	int found;
	int result = load_image(in);
	while (result == 0 &&
	       (found = store_next_open_order(in->ops->store, in->box.name, "", "", &order, in->error)) != 0)
		result = found < 0 ? found : close_lost_order(in, &order);
	return result < 0 ? result : store_close_commands(in->ops->store, in->box.name, "void", in->error);
}

static int adopt_ledger(struct intake *in)
{
	int result = in->box.ledger[0] == '\0' ? 0 : close_lost_ledger(in);
	memcpy(in->box.ledger, in->ledger.id, sizeof in->box.ledger);
	if (result < 0 || (result = store_put_box(in->ops->store, &in->box, in->error)) < 0 ||
	    (result = store_add_ledger(in->ops->store, &in->ledger, in->error)) < 0 ||
	    (result = store_drop_image(in->ops->store, in->box.name, in->error)) < 0)
		return result;
	image_init(in->image);
	memcpy(in->ops->image_of, in->box.name, sizeof in->ops->image_of);
	return 0;
}

/* --- effects --- */

/* The box has decided commands up to seq that this store does not know: it was restored from a copy. Numbers up to it
 * are used, and what is owed under one of them gets a new one, or the box would take it for an old command. */
static int renumber(struct ops *ops, struct box_row *box, uint64_t seq, struct ops_error *error)
{
	struct command_row command = {.seq = 0};
	int found;
	int result = 0;
	if (seq > OPS_COMMAND_SEQ_MAX)
		return 0;
	if (seq > box->command_seq)
		box->command_seq = seq;
	while (result == 0 && (found = store_next_pending(ops->store, box->name, command.seq, &command, error)) != 0) {
		if (found < 0)
			return found;
		if (command.seq > seq)
			break;
		if (!command_is_stop(command.type)) /* they act late */
			result = store_renumber_command(ops->store, box->name, command.seq, ++box->command_seq, error);
	}
	return result < 0 ? result : store_put_box(ops->store, box, error);
}

/* Whether something is owed under a number that the box has decided though all its results up to there are here. 1, 0 or
 * a negative errno. */
static int is_stuck(struct ops *ops, const char *box, uint64_t seq, struct ops_error *error)
{
	struct command_row command = {.seq = 0};
	struct box_image image;
	int found;
	while ((found = store_next_pending(ops->store, box, command.seq, &command, error)) > 0 && command.seq <= seq) {
		if (command_is_stop(command.type))
			continue;
		image_init(&image);
		int result = read_part(ops, box, 0, &image, NULL, error);
		return result < 0 ? result : image.command_seq >= seq;
	}
	return found < 0 ? found : 0;
}

int ops_decided(struct ops *ops, const char *box, uint64_t seq, struct ops_error *error)
{
	struct box_row row;
	int result = ops_need_box(ops, box, &row, error);
	if (result < 0)
		return result;
	if (seq > OPS_COMMAND_SEQ_MAX)
		return ops_fail(error, -EINVAL, "seq must be at most 2^53 - 2^32");
	int stuck = is_stuck(ops, box, seq, error);
	if (stuck < 0 || (!stuck && seq <= row.command_seq))
		return stuck < 0 ? stuck : 0;
	/* What the box has decided of the rest is told by the records that it sends again: it must not act twice. */
	uint64_t used = row.command_seq < seq ? seq : row.command_seq;
	if ((result = store_begin(ops->store, error)) == 0) {
		row.command_seq = used;
		result = stuck ? renumber(ops, &row, seq, error) : store_put_box(ops->store, &row, error);
	}
	return ops_finish(ops, result, error);
}

/* The order that a session's record is about. 1, or 0 when it is none of this box and outlet: a technician's. */
static int find_order(struct intake *in, const struct record *r, struct ops_order *order)
{
	int found = store_get_order(in->ops->store, r->order, order, in->error);
	return found <= 0 ? found : strcmp(order->box, in->box.name) == 0 && order->outlet == r->outlet;
}

/* The box has done what the oldest such command of the order asks: the command's own result may have been parked. */
static int close_done(struct intake *in, const struct record *r, enum command_type type, int64_t micros)
{
	struct command_row command = {.seq = 0};
	int found;
	while ((found = store_next_pending(in->ops->store, in->box.name, command.seq, &command, in->error)) > 0) {
		if (command.type == type && strcmp(command.order, r->order) == 0 && command.micros == micros)
			return store_close_command(in->ops->store,
						   command.box,
						   command.seq,
						   word_name(&command_outcome_words, COMMAND_DONE),
						   in->error);
	}
	return found;
}

static int take_authorized(struct intake *in, const struct record *r)
{
	struct ops_order order;
	int found = find_order(in, r, &order);
	if (found <= 0)
		return found;
	int result = close_done(in, r, COMMAND_AUTHORIZE, 0);
	if (result == 0 && !ops_same_grant(&r->u.authorized, &order.grant))
		result = ops_notify(in->ops, OPS_NOTICE_GRANT_DIFFERS, &order, in->error);
	if (result < 0)
		return result;
	/* What the box runs is open, even when its refusal was believed before. */
	bool cancelled = order.state == OPS_ORDER_CANCELLED && !order.ledger_lost;
	if (order.state != OPS_ORDER_SENT && !cancelled)
		return 0;
	order.state = OPS_ORDER_OPEN;
	order.ended_ms = 0;
	return store_put_order(in->ops->store, &order, in->error);
}

static int take_credit(struct intake *in, const struct record *r)
{
	struct ops_order order;
	int found = find_order(in, r, &order);
	return found <= 0 ? found : close_done(in, r, COMMAND_CREDIT, r->u.credit.credit_micros);
}

static int take_started(struct intake *in, const struct record *r)
{
	struct ops_order order;
	int found = find_order(in, r, &order);
	if (found <= 0 || !ops_order_is_open(&order))
		return found < 0 ? found : 0;
	order.started = true;
	return store_put_order(in->ops->store, &order, in->error);
}

static int take_ended(struct intake *in, const struct record *r)
{
	struct ops_order order;
	int found = find_order(in, r, &order);
	if (found <= 0 || !ops_order_is_open(&order))
		return found < 0 ? found : 0;
	note_end(in, r, &order);
	return ops_settle(in->ops, &order, &r->u.ended, in->error);
}

/* Closes a command with its result, and undoes what it held when it was not done. */
static int resolve(struct intake *in, const struct command_row *command, enum command_outcome outcome)
{
	struct ops_order order;
	const char *word = word_name(&command_outcome_words, outcome);
	int result = store_close_command(in->ops->store, command->box, command->seq, word, in->error);
	if (result < 0)
		return result;
	if (command->type == COMMAND_CREDIT)
		return outcome == COMMAND_DONE ? 0 : ops_give_back(in->ops, command, in->error);
	if (command->type != COMMAND_AUTHORIZE)
		return 0;
	int found = store_get_order(in->ops->store, command->order, &order, in->error);
	if (found <= 0 || order.state != OPS_ORDER_SENT)
		return found < 0 ? found : 0;
	if (outcome != COMMAND_DONE) {
		note_end(in, NULL, &order);
		return ops_cancel(in->ops, &order, in->error);
	}
	order.state = OPS_ORDER_OPEN; /* its authorized record was parked */
	return store_put_order(in->ops->store, &order, in->error);
}

/* Whether the box has decided the command. Of one that it could not trust, or that came again, anybody may have sent a
 * copy: the command itself is still owed. */
static bool counts(enum command_outcome outcome)
{
	return outcome == COMMAND_DONE || outcome == COMMAND_REFUSED || outcome == COMMAND_EXPIRED ||
	       outcome == COMMAND_NO_CLOCK;
}

/* The box has decided a later command: what it has not decided of the earlier ones it will refuse, stops excepted. */
static int resolve_overtaken(struct intake *in, uint64_t seq)
{
	struct command_row command = {.seq = 0};
	int found;
	while ((found = store_next_pending(in->ops->store, in->box.name, command.seq, &command, in->error)) > 0 &&
	       command.seq < seq) {
		int result = command_is_stop(command.type) ? 0 : resolve(in, &command, COMMAND_OUT_OF_ORDER);
		if (result < 0)
			return result;
	}
	return found < 0 ? found : 0;
}

static int take_command(struct intake *in, const struct record *r)
{
	struct command_row command;
	uint64_t seq = r->u.command.seq; /* 0 for a stop: it overtakes nothing */
	if (!counts(r->u.command.outcome))
		return 0;
	int found = store_get_command(in->ops->store, r->u.command.id, &command, in->error);
	if (found < 0)
		return found;
	if (found == 0 || strcmp(command.box, in->box.name) != 0)
		return seq == 0 ? 0 : renumber(in->ops, &in->box, seq, in->error);
	int result = command.pending ? resolve(in, &command, r->u.command.outcome) : 0;
	if (result == 0 && command.pending && r->u.command.outcome != COMMAND_DONE)
		result =
			store_explain_command(in->ops->store, command.box, command.seq, r->u.command.detail, in->error);
	/* Its number may have been another one when the box decided it. */
	return result < 0 ? result : resolve_overtaken(in, seq < command.seq ? seq : command.seq);
}

static int take_effect(struct intake *in, const struct record *r)
{
	if (r->kind == RECORD_AUTHORIZED)
		return take_authorized(in, r);
	if (r->kind == RECORD_STARTED)
		return take_started(in, r);
	if (r->kind == RECORD_CREDIT)
		return take_credit(in, r);
	if (r->kind == RECORD_ENDED)
		return take_ended(in, r);
	return r->kind == RECORD_COMMAND ? take_command(in, r) : 0;
}

/* --- one record --- */

static size_t kept_length(const char *text)
{
	return strnlen(text, WIRE_TEXT_MAX);
}

/* A refusal is stored as "CODE: why". */
static struct ops_refusal read_refusal(uint64_t seq, const char *stored)
{
	static const char *const codes[] = {code_unreadable, code_not_linked, code_does_not_follow, code_differs};
	struct ops_refusal refusal = {.seq = seq, .code = code_unreadable};
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
		size_t length = strlen(codes[i]);
		if (strncmp(stored, codes[i], length) != 0 || strncmp(stored + length, ": ", 2) != 0)
			continue;
		refusal.code = codes[i];
		stored += length + 2;
		break;
	}
	snprintf(refusal.why, sizeof refusal.why, "%s", stored);
	return refusal;
}

/* False when the list is full. */
static bool list_refusal(struct intake *in, uint64_t seq, const char *stored)
{
	struct ops_intake *a = in->answer;
	if (a->refused_count == OPS_REFUSED_MAX)
		return false;
	a->refused[a->refused_count++] = read_refusal(seq, stored);
	return true;
}

/* A record is parked: whoever asks is told, and the operator, of as many as are listed. */
static int tell_refusal(struct intake *in, uint64_t seq, const char *stored)
{
	char detail[DESK_DETAIL_SIZE];
	if (!list_refusal(in, seq, stored))
		return 0;
	snprintf(detail, sizeof detail, "seq %" PRIu64 ": %s", seq, stored);
	return ops_note_finding(in->ops, in->box.name, RECORD_NO_OUTLET, "record_parked", detail, in->error);
}

int ops_refusal(struct ops *ops, const char *box, const char *ledger, uint64_t seq, struct ops_refusal *refusal,
		struct ops_error *error)
{
	struct ledger_row row;
	char why[WIRE_ERROR_SIZE] = "";
	bool same;
	int found = store_get_ledger(ops->store, box, ledger, &row, error);
	if (found > 0)
		found = store_match_record(ops->store, row.number, seq, "", 0, &same, why, error);
	if (found < 0)
		return found;
	if (why[0] == '\0')
		return ops_fail(error, -ENOENT, "no such record was refused");
	*refusal = read_refusal(seq, why);
	return 0;
}

/* Takes the record into the image. NULL, or why it must be parked, with *code. */
static const char *judge(struct intake *in, const char *text, size_t length, struct record *r,
			 struct lost_session *lost, struct wire_error *wire, const char **code)
{
	struct record_link link;
	*code = code_unreadable;
	if (!wire_read_record(text, length, r, &link, wire))
		return wire->text;
	*code = code_not_linked;
	if (strcmp(link.ledger, in->ledger.id) != 0)
		return "it belongs to another ledger";
	if (r->seq != in->ledger.accepted + 1)
		return "its seq is not the one of its place";
	if (strcmp(link.prev, in->ledger.tip) != 0)
		return "prev is not the hash of the record before";
	*code = code_does_not_follow;
	return follow(in, r, lost);
}

/* The next record of the ledger: it takes effect, or it is parked; either way it is counted. */
static int take_next(struct intake *in, const char *text)
{
	struct record r;
	struct lost_session lost = {.order = ""};
	struct wire_error wire;
	size_t length = strlen(text);
	uint64_t seq = in->ledger.accepted + 1;
	const char *code;
	char stored[WIRE_ERROR_SIZE + 20];
	const char *why = judge(in, text, length, &r, &lost, &wire, &code);
	int result = ops_hash(in->ops, text, length, in->ledger.tip, in->error);
	if (result < 0)
		return result;
	in->ledger.accepted = seq;
	in->image->seq = seq;
	if (why != NULL) {
		snprintf(stored, sizeof stored, "%s: %s", code, why);
		why = stored;
	}
	result = store_add_record(in->ops->store, in->ledger.number, seq, text, kept_length(text), why, in->error);
	if (why != NULL) {
		in->ledger.holed = true;
		return result < 0 ? result : tell_refusal(in, seq, why);
	}
	if (r.outlet != RECORD_NO_OUTLET)
		in->touched[r.outlet] = true;
	if (result < 0 || (result = settle_lost(in, &lost)) < 0 || (result = take_effect(in, &r)) < 0)
		return result;
	return ops_note_record(in->ops, in->box.name, &r, in->error);
}

/* A record that was counted before: says again what was said about it. */
static int repeat(struct intake *in, uint64_t seq, const char *text)
{
	char why[WIRE_ERROR_SIZE] = "";
	bool same = false;
	int found = store_match_record(
		in->ops->store, in->ledger.number, seq, text, kept_length(text), &same, why, in->error);
	if (found < 0)
		return found;
	if (why[0] != '\0')
		list_refusal(in, seq, why);
	else if (!same) /* a box that was set back to an older copy of its ledger must be noticed */
		list_refusal(in, seq, "differs: another record was taken in under this seq");
	return 0;
}

/* --- the batch: which number each text has --- */

/* The seq that a text claims, found without parsing it whole, so that damage elsewhere does not hide it. 0: none. */
static uint64_t claimed_seq(const char *text)
{
	static const char key[] = "\"seq\":";
	int depth = 0;
	uint64_t seq = 0;
	const char *end = text + kept_length(text);
	const char *p = text;
	for (; p < end; p++) {
		if (depth == 1 && strncmp(p, key, sizeof key - 1) == 0)
			break;
		depth += *p == '{' || *p == '[';
		depth -= *p == '}' || *p == ']';
		if (*p == '"') {
			for (p++; p < end && *p != '"'; p++)
				p += *p == '\\' && p + 1 < end;
		}
	}
	if (p >= end)
		return 0;
	for (p += sizeof key - 1; *p >= '0' && *p <= '9'; p++) {
		if (seq > (UINT64_C(1) << 53) / 10)
			return 0;
		seq = seq * 10 + (uint64_t)(*p - '0');
	}
	return *p == ',' || *p == '}' ? seq : 0;
}

/* The number of a batch's first text when that cannot be read: counted back from the first readable one, else by what is
 * stored already. 0 or a negative errno. */
static int number_first(struct intake *in, uint64_t *number)
{
	for (size_t i = 1; i < in->count; i++) {
		uint64_t seq = claimed_seq(in->records[i]);
		if (seq > i) {
			*number = seq - i;
			return 0;
		}
	}
	uint64_t overlap = in->count < in->ledger.accepted ? in->count : in->ledger.accepted;
	for (; overlap > 0; overlap--) {
		char why[WIRE_ERROR_SIZE];
		bool same = false;
		const char *text = in->records[0];
		*number = in->ledger.accepted - overlap + 1;
		int found = store_match_record(
			in->ops->store, in->ledger.number, *number, text, kept_length(text), &same, why, in->error);
		if (found < 0 || same)
			return found < 0 ? found : 0;
	}
	*number = in->ledger.accepted + 1;
	return 0;
}

/* A number that is damaged in the text itself: the one behind it says which it must be. */
static int number_misplaced(struct intake *in, size_t i, uint64_t claimed, uint64_t *number)
{
	char why[WIRE_ERROR_SIZE];
	bool same = false;
	uint64_t due = in->ledger.accepted + 1;
	uint64_t next = i + 1 < in->count ? claimed_seq(in->records[i + 1]) : 0;
	const char *text = in->records[i];
	*number = claimed;
	if (next != due + 1 || claimed == next)
		return 0;
	if (claimed < due) {
		int found = store_match_record(
			in->ops->store, in->ledger.number, claimed, text, kept_length(text), &same, why, in->error);
		if (found < 0)
			return found;
	}
	if (!same)
		*number = due;
	return 0;
}

static int number_of(struct intake *in, size_t i, uint64_t *number)
{
	uint64_t claimed = claimed_seq(in->records[i]);
	*number = claimed;
	if (claimed == in->ledger.accepted + 1)
		return 0;
	if (claimed != 0)
		return number_misplaced(in, i, claimed, number);
	if (i == 0)
		return number_first(in, number);
	*number = in->last + 1;
	return 0;
}

static int take_batch(struct intake *in)
{
	for (size_t i = 0; i < in->count; i++) {
		uint64_t number;
		int result = number_of(in, i, &number);
		if (result < 0 || number > in->ledger.accepted + 1)
			return result;
		result = number <= in->ledger.accepted ? repeat(in, number, in->records[i]) :
							 take_next(in, in->records[i]);
		if (result < 0)
			return result;
		in->last = number;
	}
	return 0;
}

/* Whether a batch from a ledger that nobody knows begins at its first record and has one that names it: a new ledger
 * closes orders, and garbage must not do that. */
static int begins_ledger(struct intake *in, bool *begins)
{
	uint64_t number = 0;
	*begins = false;
	if (in->count == 0)
		return 0;
	int result = number_of(in, 0, &number);
	for (size_t i = 0; result == 0 && number == 1 && !*begins && i < in->count; i++) {
		struct record r;
		struct record_link link;
		struct wire_error wire;
		*begins = wire_read_record(in->records[i], strlen(in->records[i]), &r, &link, &wire) &&
			  strcmp(link.ledger, in->ledger.id) == 0;
	}
	return result;
}

static int find_ledger(struct intake *in, const char *ledger)
{
	int found = store_get_ledger(in->ops->store, in->box.name, ledger, &in->ledger, in->error);
	if (found < 0)
		return found;
	if (found && strcmp(ledger, in->box.ledger) != 0)
		return ops_fail(in->error, -EAGAIN, "ledger %s is not the newest of box %s", ledger, in->box.name);
	if (found)
		return 0;
	in->ledger = (struct ledger_row){.number = 0};
	memcpy(in->ledger.box, in->box.name, sizeof in->ledger.box);
	word_copy(in->ledger.id, sizeof in->ledger.id, ledger);
	return ops_hash(in->ops, ledger, strlen(ledger), in->ledger.tip, in->error);
}

static int take(struct intake *in)
{
	int result = store_begin(in->ops->store, in->error);
	if (result == 0)
		result = in->ledger.number == 0 ? adopt_ledger(in) : load_image(in);
	uint64_t before = in->ledger.accepted;
	if (result == 0)
		result = take_batch(in);
	if (result == 0 && in->ledger.accepted != before)
		result = save(in);
	return ops_finish(in->ops, result, in->error);
}

static int check_batch(const char *ledger, const char *const *records, size_t count, struct ops_error *error)
{
	if (ledger == NULL || strspn(ledger, "0123456789abcdef") != LEDGER_ID_SIZE - 1 ||
	    ledger[LEDGER_ID_SIZE - 1] != '\0')
		return ops_fail(error, -EINVAL, "ledger must be %d hexadecimal digits", LEDGER_ID_SIZE - 1);
	if (count > OPS_BATCH_MAX)
		return ops_fail(error, -EINVAL, "a batch must be at most %d records", OPS_BATCH_MAX);
	for (size_t i = 0; i < count; i++) {
		if (records[i] == NULL)
			return ops_fail(error, -EINVAL, "record %zu of the batch is missing", i);
	}
	return 0;
}

int ops_intake(struct ops *ops, const char *box, const char *ledger, const char *const *records, size_t count,
	       int64_t now_ms, struct ops_intake *answer, struct ops_error *error)
{
	struct ops_intake said = {.accepted_through = 0};
	struct intake in = {
		.ops = ops,
		.image = &ops->image,
		.records = records,
		.count = count,
		.now_ms = now_ms,
		.answer = &said,
		.error = error,
	};
	bool begins = true;
	ops->intake_ms = now_ms;
	int result = check_batch(ledger, records, count, error);
	if (result < 0 || (result = ops_need_box(ops, box, &in.box, error)) < 0 ||
	    (result = find_ledger(&in, ledger)) < 0)
		return result;
	if (in.ledger.number == 0)
		result = begins_ledger(&in, &begins);
	if (result == 0 && begins && count > 0)
		result = take(&in);
	if (result < 0)
		return result;
	said.accepted_through = in.ledger.accepted;
	*answer = said;
	return 0;
}
