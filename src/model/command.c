/* src/model/command.c: see command.h. */
#include "command.h"

bool command_is_stop(enum command_type type)
{
	return type == COMMAND_STOP || type == COMMAND_POWER_OFF;
}

static const char *order_fault(const char *order)
{
	return word_is_printable(order, ORDER_SIZE) ? NULL : "order must be 1 to 40 printable characters";
}

static bool amounts_fit(int64_t micros, int64_t ms)
{
	/* A century, as in a record: what is accepted here is written there. */
	return micros >= 0 && micros <= FEE_MONEY_MAX_MICROS && ms >= 0 &&
	       ms <= INT64_C(100) * 366 * 24 * FEE_MS_PER_HOUR;
}

static const char *arguments_fault(const struct command *c)
{
	switch (c->type) {
	case COMMAND_AUTHORIZE:
		if (c->u.authorize.kind != SESSION_CUSTOMER)
			return "kind must be customer";
		return grant_fault(&c->u.authorize);
	case COMMAND_START:
	case COMMAND_STOP:
	case COMMAND_POWER_OFF:
	case COMMAND_DEPARTED:
		return order_fault(c->u.session.order);
	case COMMAND_CREDIT:
		return amounts_fit(c->u.credit.credit_micros, c->u.credit.lease_ms) ?
			       order_fault(c->u.credit.order) :
			       "credit_micros must be 0 to 10^15, lease_ms 0 to a century";
	case COMMAND_UNLOCK:
		if (c->outlet != RECORD_NO_OUTLET)
			return c->u.unlock.work_order[0] == '\0' || !order_fault(c->u.unlock.work_order) ?
				       NULL :
				       "work_order must be at most 40 printable characters";
		if (c->actor != ACTOR_TECHNICIAN)
			return "the metering box is unlocked for a technician only";
		return order_fault(c->u.unlock.work_order) ? "work_order must be 1 to 40 printable characters" : NULL;
	case COMMAND_RESERVE:
		if (!word_is_printable(c->u.reserve.account, ACCOUNT_SIZE))
			return "account must be 1 to 40 printable characters";
		return amounts_fit(0, c->u.reserve.hold_ms) ? NULL : "hold_ms must be 0 to a century";
	case COMMAND_SERVICE:
		return c->actor == ACTOR_TECHNICIAN ? order_fault(c->u.service.order) :
						      "a service session takes a technician";
	case COMMAND_RELEASE:
	case COMMAND_CLEAR_FAULT:
	case COMMAND_OUT_OF_SERVICE:
		return NULL;
	case COMMAND_TYPE_COUNT:
		break;
	}
	return "type is not in the list of commands";
}

const char *command_fault(const struct command *c)
{
	if (!word_is_printable(c->box, sizeof c->box))
		return "box must be 1 to 32 printable characters";
	if (c->ledger[0] != '\0' && !word_is_printable(c->ledger, sizeof c->ledger))
		return "ledger must be at most 32 printable characters";
	if (!word_is_printable(c->id, sizeof c->id))
		return "id must be 1 to 40 printable characters";
	if ((unsigned)c->actor >= ACTOR_COUNT)
		return "actor must be server, customer, operator or technician";
	if (c->name[0] != '\0' && !word_is_printable(c->name, sizeof c->name))
		return "name must be at most 40 printable characters";
	if (c->actor == ACTOR_TECHNICIAN && c->name[0] == '\0')
		return "a technician has a name";
	bool metering_door = c->type == COMMAND_UNLOCK && c->outlet == RECORD_NO_OUTLET;
	if (!metering_door && (c->outlet < 0 || c->outlet >= OUTLETS_MAX))
		return "outlet must be one of the 16 that a box can have";
	return arguments_fault(c);
}
