/* tools/ops/core/ops.c: see ops.h. Accounts, orders, commands, progress.
 *
 * Room: feecontrol, src/model, src/wire, libcrypto; the store only through store.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops_internal.h"
#include "price.h"

int ops_fail(struct ops_error *error, int result, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof error->text, format, arguments);
	va_end(arguments);
	return result;
}

int ops_finish(struct ops *ops, int result, struct ops_error *error)
{
	if (result == 0)
		result = store_commit(ops->store, error);
	if (result < 0) {
		store_rollback(ops->store);
		ops->image_of[0] = '\0'; /* it may be ahead of what is stored */
	}
	return result;
}

void ops_write_hex(const unsigned char *bytes, size_t count, char *text)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < count; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * count] = '\0';
}

int ops_hash(struct ops *ops, const char *text, size_t length, char hash[RECORD_HASH_SIZE], struct ops_error *error)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned digest_length;
	if (EVP_Digest(text, length, digest, &digest_length, ops->sha256, NULL) != 1)
		return ops_fail(error, -ENOMEM, "out of memory");
	ops_write_hex(digest, RECORD_HASH_SIZE / 2, hash);
	return 0;
}

int ops_open(const struct ops_options *options, struct ops **ops, struct ops_error *error)
{
	if (options->path == NULL || options->random == NULL || options->command_ms <= 0 ||
	    options->command_ms > OPS_TIME_MAX_MS)
		return ops_fail(error, -EINVAL, "path, random and command_ms must be given");
	struct ops *o = calloc(1, sizeof *o);
	if (o == NULL || (o->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL)) == NULL) {
		free(o);
		return ops_fail(error, -ENOMEM, "out of memory");
	}
	o->random = options->random;
	o->ctx = options->ctx;
	o->notice = options->notice;
	o->command_ms = options->command_ms;
	ops_people_begin(o);
	int result = store_open(options->path, options->vfs, &o->store, error);
	if (result == 0)
		store_on_order(o->store, options->order_changed, options->ctx);
	if (result == 0)
		result = ops_begin_agreement(o, error);
	if (result < 0) {
		ops_close(o);
		return result;
	}
	*ops = o;
	return 0;
}

int ops_begin_reading(struct ops *ops, struct ops_error *error)
{
	return store_begin_reading(ops->store, error);
}

void ops_end_reading(struct ops *ops)
{
	store_rollback(ops->store);
}

void ops_close(struct ops *ops)
{
	if (ops == NULL)
		return;
	store_close(ops->store);
	EVP_MD_free(ops->sha256);
	free(ops);
}

/* --- accounts --- */

static bool money_fits(int64_t micros, int64_t least)
{
	return micros >= least && micros <= FEE_MONEY_MAX_MICROS;
}

int ops_check_name(const char *name, size_t size, const char *what, struct ops_error *error)
{
	if (name != NULL && word_is_printable(name, size))
		return 0;
	return ops_fail(error, -EINVAL, "%s must be 1 to %zu printable characters", what, size - 1);
}

int ops_need_account(struct ops *ops, const char *name, struct account_row *row, struct ops_error *error)
{
	int result = ops_check_name(name, ACCOUNT_SIZE, "account", error);
	int found = result < 0 ? result : store_get_account(ops->store, name, row, error);
	if (found == 0)
		return ops_fail(error, -ENOENT, "no account %s", name);
	return found < 0 ? found : 0;
}

int ops_need_box(struct ops *ops, const char *name, struct box_row *row, struct ops_error *error)
{
	int result = ops_check_name(name, BOX_ID_SIZE, "box", error);
	int found = result < 0 ? result : store_get_box(ops->store, name, row, error);
	if (found == 0)
		return ops_fail(error, -ENOENT, "no box %s", name);
	return found < 0 ? found : 0;
}

int ops_need_order(struct ops *ops, const char *number, struct ops_order *order, struct ops_error *error)
{
	int result = ops_check_name(number, ORDER_SIZE, "order", error);
	int found = result < 0 ? result : store_get_order(ops->store, number, order, error);
	if (found == 0)
		return ops_fail(error, -ENOENT, "no order %s", number);
	return found < 0 ? found : 0;
}

int ops_add_account(struct ops *ops, const char *account, enum ops_account_kind kind, int64_t limit_micros,
		    struct ops_error *error)
{
	struct account_row row = {.kind = kind, .limit_micros = limit_micros};
	struct account_row before;
	int result = ops_check_name(account, ACCOUNT_SIZE, "account", error);
	if (result < 0)
		return result;
	if ((unsigned)kind >= OPS_ACCOUNT_KIND_COUNT || !money_fits(limit_micros, 0) ||
	    (kind == OPS_SHARED && limit_micros != 0))
		return ops_fail(error, -EINVAL, "kind must be bound or shared, limit_micros 0 to 10^15, 0 when shared");
	word_copy(row.name, sizeof row.name, account);
	int found = store_get_account(ops->store, account, &before, error);
	if (found < 0)
		return found;
	if (found && before.kind == kind && before.limit_micros == limit_micros)
		return 0;
	if (found)
		return ops_fail(error, -EEXIST, "account %s exists with another kind or limit", account);
	result = store_begin(ops->store, error);
	if (result == 0)
		result = store_add_account(ops->store, &row, error);
	return ops_finish(ops, result, error);
}

static int check_box_name(const char *box, struct ops_error *error)
{
	int result = ops_check_name(box, BOX_ID_SIZE, "box", error);
	if (result == 0 && strchr(box, ':') != NULL) /* it would make held:BOX:ACCOUNT ambiguous */
		result = ops_fail(error, -EINVAL, "box must not have a colon");
	return result;
}

int ops_add_box(struct ops *ops, const char *box, struct ops_error *error)
{
	struct box_row row = {.command_seq = 0};
	int result = check_box_name(box, error);
	if (result < 0)
		return result;
	int found = store_get_box(ops->store, box, &row, error);
	if (found != 0)
		return found < 0 ? found : 0;
	word_copy(row.name, sizeof row.name, box);
	result = store_begin(ops->store, error);
	if (result == 0)
		result = store_put_box(ops->store, &row, error);
	return ops_finish(ops, result, error);
}

/* Inside the caller's transaction. */
static int put_token(struct ops *ops, const char *box, const char *hash, struct ops_error *error)
{
	struct box_row row = {.command_seq = 0};
	int found = store_get_box(ops->store, box, &row, error);
	int result = found < 0 ? found : 0;
	word_copy(row.name, sizeof row.name, box);
	if (found == 0)
		result = store_put_box(ops->store, &row, error);
	return result < 0 ? result : store_set_token(ops->store, box, hash, error);
}

int ops_provision(struct ops *ops, const char *box, const char *token, struct ops_error *error)
{
	char hash[RECORD_HASH_SIZE];
	char other[BOX_ID_SIZE];
	int result = check_box_name(box, error);
	if (result < 0)
		return result;
	if (!word_is_printable(token, OPS_TOKEN_SIZE) || strlen(token) < OPS_TOKEN_LEAST)
		return ops_fail(error,
				-EINVAL,
				"token must be %d to %d printable characters",
				OPS_TOKEN_LEAST,
				OPS_TOKEN_SIZE - 1);
	if ((result = ops_hash(ops, token, strlen(token), hash, error)) < 0)
		return result;
	int found = store_find_token(ops->store, hash, other, error);
	if (found < 0 || (found > 0 && strcmp(other, box) == 0))
		return found < 0 ? found : 0;
	if (found > 0)
		return ops_fail(error, -EEXIST, "another box has this token");
	if ((result = store_begin(ops->store, error)) < 0)
		return result;
	return ops_finish(ops, put_token(ops, box, hash, error), error);
}

int ops_token_box(struct ops *ops, const char *token, char box[BOX_ID_SIZE], struct ops_error *error)
{
	char hash[RECORD_HASH_SIZE];
	int result = ops_hash(ops, token, strlen(token), hash, error);
	return result < 0 ? result : store_find_token(ops->store, hash, box, error);
}

int ops_each_box(struct ops *ops, bool (*take)(void *ctx, const char *box), void *ctx, struct ops_error *error)
{
	return store_each_box(ops->store, take, ctx, error);
}

int ops_outlet(struct ops *ops, const char *box, int outlet, struct outlet_image *image, struct ops_error *error)
{
	struct box_row row;
	int result = ops_need_box(ops, box, &row, error);
	if (result < 0)
		return result;
	if (outlet < 0 || outlet >= OUTLETS_MAX)
		return ops_fail(error, -EINVAL, "outlet must be one of the %d that a box can have", OUTLETS_MAX);
	return ops_read_outlet(ops, box, outlet, image, error);
}

/* A posting under a key from outside. */
static int make_posting(const char *prefix, const char *key, int64_t micros, struct posting *posting,
			struct ops_error *error)
{
	int result = ops_check_name(key, OPS_KEY_SIZE, "key", error);
	if (result < 0)
		return result;
	if (!money_fits(micros, 1))
		return ops_fail(error, -EINVAL, "micros must be 1 to 10^15");
	*posting = (struct posting){.micros = micros};
	snprintf(posting->key, sizeof posting->key, "%s:%s", prefix, key);
	return 0;
}

static int add_posting(struct ops *ops, const struct posting *posting, struct ops_error *error)
{
	int result = store_begin(ops->store, error);
	if (result == 0)
		result = store_add_posting(ops->store, posting, error);
	return ops_finish(ops, result, error);
}

int ops_recharge(struct ops *ops, const char *account, int64_t micros, const char *key, struct ops_error *error)
{
	struct posting posting;
	struct account_row row;
	int64_t balance;
	int result = make_posting("recharge", key, micros, &posting, error);
	if (result < 0 || (result = ops_need_account(ops, account, &row, error)) < 0)
		return result;
	struct book customer = ops_customer_book(account);
	word_copy(posting.from, sizeof posting.from, ops_cash_book.name);
	word_copy(posting.to, sizeof posting.to, customer.name);
	int before = ops_posted_before(ops, &posting, error);
	if (before != 0)
		return before < 0 ? before : 0;
	if ((result = store_get_book(ops->store, customer.name, &balance, error)) < 0)
		return result;
	if (balance > FEE_MONEY_MAX_MICROS - micros)
		return ops_fail(error, -EINVAL, "the balance of %s would pass 10^15 micros", account);
	return add_posting(ops, &posting, error);
}

int ops_refund(struct ops *ops, const char *account, int64_t micros, const char *key, struct ops_error *error)
{
	struct posting posting;
	struct account_row row;
	int64_t balance;
	int result = make_posting("refund", key, micros, &posting, error);
	if (result < 0 || (result = ops_need_account(ops, account, &row, error)) < 0)
		return result;
	struct book customer = ops_customer_book(account);
	word_copy(posting.from, sizeof posting.from, customer.name);
	word_copy(posting.to, sizeof posting.to, ops_cash_book.name);
	int before = ops_posted_before(ops, &posting, error);
	if (before != 0)
		return before < 0 ? before : 0;
	if ((result = store_get_book(ops->store, customer.name, &balance, error)) < 0)
		return result;
	if (balance < micros)
		return ops_fail(error, -EDQUOT, "the balance of %s is less than that", account);
	return add_posting(ops, &posting, error);
}

int ops_balance(struct ops *ops, const char *account, int64_t *micros, struct ops_error *error)
{
	struct account_row row;
	int result = ops_need_account(ops, account, &row, error);
	if (result < 0)
		return result;
	struct book customer = ops_customer_book(account);
	return store_get_book(ops->store, customer.name, micros, error);
}

int ops_spendable(struct ops *ops, const char *account, int64_t *micros, struct ops_error *error)
{
	struct account_row row;
	int result = ops_need_account(ops, account, &row, error);
	return result < 0 ? result : ops_spendable_of(ops, &row, micros, error);
}

int ops_book(struct ops *ops, const char *book, int64_t *micros, struct ops_error *error)
{
	int result = ops_check_name(book, BOOK_SIZE, "book", error);
	return result < 0 ? result : store_get_book(ops->store, book, micros, error);
}

int ops_count_boxes(struct ops *ops, int64_t *count, struct ops_error *error)
{
	return store_count_boxes(ops->store, count, error);
}

int ops_check(struct ops *ops, struct ops_error *error)
{
	struct ops_order order = {.outlet = 0};
	int found;
	int result = store_check(ops->store, error);
	if (result < 0)
		return result;
	while ((found = store_next_unbilled(ops->store, order.grant.order, &order, error)) > 0) {
		if (ops_price(&order, &order.receipt) > 0)
			return ops_fail(error, -EBADMSG, "energy was billed nothing: %s", order.grant.order);
	}
	return found;
}

/* --- commands --- */

static void make_id(struct ops *ops, char id[COMMAND_ID_SIZE])
{
	unsigned char bytes[16];
	ops->random(ops->ctx, bytes, sizeof bytes);
	memset(id, 0, COMMAND_ID_SIZE);
	ops_write_hex(bytes, sizeof bytes, id);
}

int ops_check_time(int64_t now_ms, struct ops_error *error)
{
	if (now_ms >= 0 && now_ms <= OPS_TIME_MAX_MS)
		return 0;
	return ops_fail(error, -EINVAL, "now_ms must be a wall time up to the year 9999");
}

int ops_queue(struct ops *ops, struct command *command, struct command_row *row, int64_t now_ms,
	      struct ops_error *error)
{
	struct box_row box;
	int result = ops_check_time(now_ms, error);
	if (result < 0 || (result = ops_need_box(ops, command->box, &box, error)) < 0)
		return result;
	if (box.ledger[0] == '\0')
		return ops_fail(error, -EAGAIN, "box %s has not reported yet", box.name);
	word_copy(command->ledger, sizeof command->ledger, box.ledger);
	make_id(ops, command->id);
	command->seq = ++box.command_seq;
	command->not_after_ms = now_ms + ops->command_ms;
	const char *fault = command_fault(command);
	if (fault != NULL)
		return ops_fail(error, -EINVAL, "%s", fault);
	memcpy(row->box, box.name, sizeof row->box);
	memcpy(row->id, command->id, sizeof row->id);
	row->seq = command->seq;
	row->type = command->type;
	char *text = wire_write_command(command);
	if (text == NULL)
		return ops_fail(error, -ENOMEM, "out of memory");
	result = store_add_command(ops->store, row, text, error);
	free(text);
	return result < 0 ? result : store_put_box(ops->store, &box, error);
}

int ops_send_for(struct ops *ops, struct command *command, const char *pressed, int64_t now_ms, struct ops_error *error)
{
	struct command sent = *command;
	struct command_row row = {.pending = true};
	if (command->type == COMMAND_AUTHORIZE || command->type == COMMAND_CREDIT)
		return ops_fail(error, -EINVAL, "authorize and credit move money: they belong to an order");
	if (command->type == COMMAND_START || command_is_stop(command->type))
		memcpy(row.order, command->u.session.order, sizeof row.order);
	word_copy(row.pressed, sizeof row.pressed, pressed);
	int result = store_begin(ops->store, error);
	if (result == 0)
		result = ops_queue(ops, &sent, &row, now_ms, error);
	result = ops_finish(ops, result, error);
	if (result == 0)
		*command = sent;
	return result;
}

int ops_send(struct ops *ops, struct command *command, int64_t now_ms, struct ops_error *error)
{
	return ops_send_for(ops, command, "", now_ms, error);
}

int ops_commands(struct ops *ops, const char *box, uint64_t after, bool stops,
		 bool (*take)(void *ctx, uint64_t seq, const char *text, size_t length), void *ctx,
		 struct ops_error *error)
{
	struct box_row row;
	int result = ops_need_box(ops, box, &row, error);
	if (result < 0 || (after >= row.command_seq && !stops))
		return result;
	return store_each_pending(ops->store, box, after, stops, take, ctx, error);
}

/* --- orders --- */

static bool same_rates(const struct fee_tariff *a, const struct fee_tariff *b)
{
	bool same = a->rate_count == b->rate_count && a->period_count == b->period_count;
	for (size_t i = 0; same && i < a->rate_count; i++)
		same = strcmp(a->rates[i].name, b->rates[i].name) == 0 &&
		       a->rates[i].price_micros == b->rates[i].price_micros;
	for (size_t i = 0; same && i < a->period_count; i++)
		same = a->periods[i].from_min == b->periods[i].from_min && a->periods[i].rate == b->periods[i].rate;
	return same;
}

bool ops_same_tariff(const struct fee_tariff *a, const struct fee_tariff *b)
{
	return strcmp(a->id, b->id) == 0 && a->version == b->version && strcmp(a->currency, b->currency) == 0 &&
	       a->energy_price_micros == b->energy_price_micros && same_rates(a, b) &&
	       a->utc_offset_min == b->utc_offset_min && a->service_price_micros == b->service_price_micros &&
	       a->start_fee_micros == b->start_fee_micros && a->quantum_micros == b->quantum_micros &&
	       a->rounding == b->rounding;
}

bool ops_same_grant(const struct grant *g, const struct grant *h)
{
	return strcmp(g->account, h->account) == 0 && g->kind == h->kind && g->mode == h->mode &&
	       ops_same_tariff(&g->tariff, &h->tariff) && g->credit_micros == h->credit_micros &&
	       g->lease_ms == h->lease_ms && g->hold_ms == h->hold_ms && g->limit_mwh == h->limit_mwh &&
	       g->limit_micros == h->limit_micros && g->limit_ms == h->limit_ms && g->full_ma == h->full_ma &&
	       g->full_ms == h->full_ms;
}

static bool same_order(const struct ops_order *a, const struct ops_order *b)
{
	return strcmp(a->box, b->box) == 0 && a->outlet == b->outlet && ops_same_grant(&a->grant, &b->grant);
}

/* Moves credit from the customer to the order's held book; -EDQUOT when the account cannot pay. */
static int hold(struct ops *ops, struct ops_order *order, int64_t micros, const char *prefix, const char *name,
		struct ops_error *error)
{
	struct account_row account;
	struct book customer = ops_customer_book(order->grant.account);
	struct book held = ops_held_book(order->box, order->grant.account);
	int64_t spendable;
	int result = ops_need_account(ops, order->grant.account, &account, error);
	if (result < 0 || (result = ops_spendable_of(ops, &account, &spendable, error)) < 0)
		return result;
	if (micros > spendable)
		return ops_fail(error, -EDQUOT, "account %s cannot pay that", account.name);
	order->held_micros += micros;
	return ops_post(ops, prefix, name, &customer, &held, micros, order->grant.order, error);
}

/* An order without credit lives on what the account's other open orders on the box hold. Its lease grows as theirs. */
static int find_lease(struct ops *ops, struct ops_order *order, struct ops_error *error)
{
	const struct grant *grant = &order->grant;
	struct ops_order other = {.outlet = 0};
	int found = 0;
	order->lease_micros = grant->credit_micros;
	while (grant->credit_micros == 0 &&
	       (found = store_next_open_order(
			ops->store, order->box, grant->account, other.grant.order, &other, error)) > 0 &&
	       strcmp(other.grant.account, grant->account) == 0) {
		if (other.lease_micros > order->lease_micros)
			order->lease_micros = other.lease_micros;
	}
	if (found < 0 || order->lease_micros > 0)
		return found < 0 ? found : 0;
	return ops_fail(error, -EINVAL, "credit_micros may be 0 only beside an open order of the account on the box");
}

static int check_reservation(struct ops *ops, const struct ops_order *order, struct ops_error *error)
{
	struct outlet_image outlet;
	int result = ops_read_outlet(ops, order->box, order->outlet, &outlet, error);
	if (result == 0 && outlet.reserved_for[0] != '\0' && strcmp(outlet.reserved_for, order->grant.account) != 0)
		result = ops_fail(error, -EAGAIN, "outlet %d is reserved for another account", order->outlet + 1);
	return result;
}

static int create_order(struct ops *ops, struct ops_order *order, int64_t now_ms, struct ops_error *error)
{
	struct command command = {.type = COMMAND_AUTHORIZE, .outlet = order->outlet, .actor = ACTOR_SERVER};
	struct command_row row = {.pending = true};
	int result;
	memcpy(command.box, order->box, sizeof command.box);
	memcpy(row.order, order->grant.order, sizeof row.order);
	memcpy(row.account, order->grant.account, sizeof row.account);
	if (order->sale.code[0] != '\0')
		memcpy(row.pressed, order->grant.order, sizeof row.pressed);
	command.u.authorize = order->grant;
	if ((result = check_reservation(ops, order, error)) < 0 || (result = find_lease(ops, order, error)) < 0 ||
	    (result = hold(ops, order, order->grant.credit_micros, "hold", order->grant.order, error)) < 0 ||
	    (result = ops_queue(ops, &command, &row, now_ms, error)) < 0 ||
	    (result = store_add_order(ops->store, order, error)) < 0)
		return result;
	return store_put_order(ops->store, order, error);
}

int ops_create_order(struct ops *ops, const struct ops_order *order, int64_t now_ms, struct ops_error *error)
{
	struct ops_order made = {
		.outlet = order->outlet,
		.grant = order->grant,
		.sale = order->sale,
		.made_ms = now_ms,
	};
	struct ops_order before;
	struct box_row box;
	struct account_row account;
	const char *fault = grant_fault(&order->grant);
	int result;
	if (fault != NULL || order->grant.kind != SESSION_CUSTOMER)
		return ops_fail(error, -EINVAL, "%s", fault != NULL ? fault : "kind must be customer");
	if (order->outlet < 0 || order->outlet >= OUTLETS_MAX)
		return ops_fail(error, -EINVAL, "outlet must be one of the %d that a box can have", OUTLETS_MAX);
	if ((result = ops_need_box(ops, order->box, &box, error)) < 0 ||
	    (result = ops_need_account(ops, order->grant.account, &account, error)) < 0)
		return result;
	word_copy(made.box, sizeof made.box, box.name);
	int found = store_get_order(ops->store, order->grant.order, &before, error);
	if (found < 0)
		return found;
	if (found && same_order(&made, &before))
		return 0;
	if (found)
		return ops_fail(error, -EEXIST, "order %s exists and differs", order->grant.order);
	result = store_begin(ops->store, error);
	if (result == 0)
		result = create_order(ops, &made, now_ms, error);
	return ops_finish(ops, result, error);
}

int ops_get_order(struct ops *ops, const char *number, struct ops_order *order, struct ops_error *error)
{
	return ops_need_order(ops, number, order, error);
}

/* key: empty for what the server does by itself. */
static int queue_credit(struct ops *ops, const struct ops_order *order, int64_t micros, const char *key, int64_t now_ms,
			struct ops_error *error)
{
	struct command command = {.type = COMMAND_CREDIT, .outlet = order->outlet, .actor = ACTOR_SERVER};
	struct command_row row = {.pending = true, .micros = micros};
	memcpy(command.box, order->box, sizeof command.box);
	memcpy(command.u.credit.order, order->grant.order, sizeof command.u.credit.order);
	command.u.credit.credit_micros = micros;
	word_copy(row.key, sizeof row.key, key);
	if (order->sale.code[0] != '\0' && key[0] != '\0') /* what the server does by itself nobody has asked for */
		memcpy(row.pressed, order->grant.order, sizeof row.pressed);
	command.u.credit.lease_ms = order->grant.mode == FEE_REMOTE ? order->grant.lease_ms : 0;
	memcpy(row.order, order->grant.order, sizeof row.order);
	memcpy(row.account, order->grant.account, sizeof row.account);
	return ops_queue(ops, &command, &row, now_ms, error);
}

static int add_credit(struct ops *ops, struct ops_order *order, int64_t micros, const char *prefix, const char *key,
		      int64_t now_ms, struct ops_error *error)
{
	int result;
	if ((result = hold(ops, order, micros, prefix, key, error)) < 0 ||
	    (result = queue_credit(ops, order, micros, strcmp(prefix, "credit") == 0 ? key : "", now_ms, error)) < 0)
		return result;
	return store_put_order(ops->store, order, error);
}

int ops_add_credit(struct ops *ops, const char *number, int64_t micros, const char *key, int64_t now_ms,
		   struct ops_error *error)
{
	struct posting posting;
	struct ops_order order;
	int result = make_posting("credit", key, micros, &posting, error);
	if (result < 0 || (result = ops_need_order(ops, number, &order, error)) < 0)
		return result;
	struct book customer = ops_customer_book(order.grant.account);
	struct book held = ops_held_book(order.box, order.grant.account);
	word_copy(posting.from, sizeof posting.from, customer.name);
	word_copy(posting.to, sizeof posting.to, held.name);
	word_copy(posting.order, sizeof posting.order, number);
	int before = ops_posted_before(ops, &posting, error);
	if (before != 0)
		return before < 0 ? before : 0;
	if (!ops_order_is_open(&order))
		return ops_fail(error, -EAGAIN, "order %s is over", number);
	result = store_begin(ops->store, error);
	if (result == 0)
		result = add_credit(ops, &order, micros, "credit", key, now_ms, error);
	return ops_finish(ops, result, error);
}

int ops_credit_state(struct ops *ops, const char *key, const char **state, struct ops_error *error)
{
	char result[COMMAND_RESULT_SIZE];
	int found = store_find_credit(ops->store, key, result, error);
	if (found == 0)
		return ops_fail(error, -ENOENT, "no credit was given with this key");
	if (found < 0)
		return found;
	*state = result[0] == '\0' ? "queued" : "given_back";
	if (strcmp(result, word_name(&command_outcome_words, COMMAND_DONE)) == 0)
		*state = "done";
	return 0;
}

/* --- progress in remote mode --- */

/* What the open orders that share a held book have used and may use. */
struct usage {
	int64_t cost_micros;
	bool remote;
};

/* `latest` stands for its stored self. */
static int read_usage(struct ops *ops, const struct ops_order *latest, struct usage *usage, struct ops_error *error)
{
	struct ops_order o = {.outlet = 0};
	int found;
	*usage = (struct usage){0};
	while ((found = store_next_open_order(
			ops->store, latest->box, latest->grant.account, o.grant.order, &o, error)) > 0 &&
	       strcmp(o.grant.account, latest->grant.account) == 0) {
		int64_t cost =
			strcmp(o.grant.order, latest->grant.order) == 0 ? latest->priced_micros : o.priced_micros;
		if (__builtin_add_overflow(usage->cost_micros, cost, &usage->cost_micros))
			usage->cost_micros = INT64_MAX;
		usage->remote = usage->remote || o.grant.mode == FEE_REMOTE;
	}
	return found < 0 ? found : 0;
}

static int power_off(struct ops *ops, struct ops_order *order, int64_t now_ms, struct ops_error *error)
{
	struct command command = {.type = COMMAND_POWER_OFF, .outlet = order->outlet, .actor = ACTOR_SERVER};
	struct command_row row = {.pending = true};
	memcpy(command.box, order->box, sizeof command.box);
	memcpy(command.u.session.order, order->grant.order, sizeof command.u.session.order);
	memcpy(row.order, order->grant.order, sizeof row.order);
	order->power_off_sent = true;
	int result = ops_queue(ops, &command, &row, now_ms, error);
	return result < 0 ? result : store_put_order(ops->store, order, error);
}

/* Lets the order's lease grow or ends it. held_micros: what its held book has. */
static int judge_usage(struct ops *ops, struct ops_order *order, const struct usage *usage, int64_t held_micros,
		       int64_t now_ms, struct ops_error *error)
{
	struct account_row account;
	char id[COMMAND_ID_SIZE];
	int64_t spendable;
	int result;
	if (order->power_off_sent || usage->cost_micros < held_micros - usage->cost_micros)
		return store_put_order(ops->store, order, error);
	if ((result = ops_need_account(ops, order->grant.account, &account, error)) < 0 ||
	    (result = ops_spendable_of(ops, &account, &spendable, error)) < 0)
		return result;
	int64_t more = order->lease_micros < spendable ? order->lease_micros : spendable;
	int64_t limit = order->grant.limit_micros;
	if (limit > 0 && more > limit - order->held_micros)
		more = limit - order->held_micros;
	if (more <= 0 && usage->cost_micros >= held_micros)
		return power_off(ops, order, now_ms, error);
	if (more <= 0)
		return store_put_order(ops->store, order, error);
	make_id(ops, id);
	return add_credit(ops, order, more, "lease", id, now_ms, error);
}

static int take_progress(struct ops *ops, struct ops_order *order, int64_t now_ms, struct ops_error *error)
{
	struct book held = ops_held_book(order->box, order->grant.account);
	struct usage usage;
	int64_t held_micros;
	int result = read_usage(ops, order, &usage, error);
	if (result < 0 || !usage.remote)
		return result;
	if ((result = store_get_book(ops->store, held.name, &held_micros, error)) < 0 ||
	    (result = store_begin(ops->store, error)) < 0)
		return result;
	if (order->grant.mode == FEE_REMOTE)
		result = judge_usage(ops, order, &usage, held_micros, now_ms, error);
	else /* it spends from the same book as an order that is remote */
		result = store_put_order(ops->store, order, error);
	return ops_finish(ops, result, error);
}

/* Telemetry may overtake itself; the energy of a session never falls. */
static void price_progress(struct ops_order *order, const struct progress *progress)
{
	struct fee_energy energy = progress->by_rate;
	if (!fee_by_time(&order->grant.tariff))
		energy = (struct fee_energy){{progress->energy_mwh}};
	for (size_t i = order->grant.tariff.rate_count; fee_by_time(&order->grant.tariff) && i < FEE_RATES_MAX; i++) {
		if (energy.mwh[i] != 0) /* it has no price */
			return;
	}
	if (progress->energy_mwh <= order->priced_mwh || fee_energy_total(&energy) != progress->energy_mwh)
		return;
	order->priced_mwh = progress->energy_mwh;
	order->priced_micros = session_cost_micros(&order->grant, &energy);
}

int ops_progress(struct ops *ops, const char *box, const struct progress *progress, int64_t now_ms,
		 struct ops_error *error)
{
	struct box_row row;
	struct ops_order order;
	int result = ops_check_time(now_ms, error);
	if (result < 0 || (result = ops_need_box(ops, box, &row, error)) < 0)
		return result;
	if (progress->outlet < 0 || progress->outlet >= OUTLETS_MAX || progress->energy_mwh < 0 ||
	    progress->energy_mwh > FEE_ENERGY_MAX_MWH)
		return ops_fail(
			error, -EINVAL, "outlet must be one of the 16 that a box can have, energy_mwh 0 to 10^15");
	for (size_t i = 0; i < FEE_RATES_MAX; i++) {
		if (progress->by_rate.mwh[i] < 0 || progress->by_rate.mwh[i] > FEE_ENERGY_MAX_MWH)
			return ops_fail(error, -EINVAL, "rates_mwh must be 0 to 10^15");
	}
	if (!word_is_printable(progress->order, sizeof progress->order))
		return progress->order[0] == '\0' ? 0 : ops_fail(error, -EINVAL, "order is not printable");
	int found = store_get_order(ops->store, progress->order, &order, error);
	if (found <= 0) /* a technician's session has no order here */
		return found;
	if (!ops_order_is_open(&order) || strcmp(order.box, box) != 0 || order.outlet != progress->outlet)
		return 0;
	price_progress(&order, progress);
	return take_progress(ops, &order, now_ms, error);
}

/* --- what the server has --- */

int ops_ledger(struct ops *ops, const char *box, char ledger[LEDGER_ID_SIZE], uint64_t *accepted,
	       struct ops_error *error)
{
	struct box_row row;
	struct ledger_row newest = {.accepted = 0};
	int result = ops_need_box(ops, box, &row, error);
	if (result < 0)
		return result;
	int found = row.ledger[0] == '\0' ? 0 : store_get_ledger(ops->store, box, row.ledger, &newest, error);
	if (found < 0)
		return found;
	memcpy(ledger, row.ledger, LEDGER_ID_SIZE);
	*accepted = newest.accepted;
	return 0;
}

int ops_records(struct ops *ops, const char *box, const char *ledger, uint64_t from,
		bool (*take)(void *ctx, uint64_t seq, const char *text, size_t length, bool refused), void *ctx,
		struct ops_error *error)
{
	struct box_row row;
	struct ledger_row stored;
	int result = ops_need_box(ops, box, &row, error);
	if (result < 0 || (result = ops_check_name(ledger, LEDGER_ID_SIZE, "ledger", error)) < 0)
		return result;
	int found = store_get_ledger(ops->store, box, ledger, &stored, error);
	if (found == 0)
		return ops_fail(error, -ENOENT, "box %s has no ledger %s", box, ledger);
	return found < 0 ? found : store_each_record(ops->store, stored.number, from, take, ctx, error);
}
