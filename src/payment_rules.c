/*
 * payment_rules.c
 *	  The rules of money of one payment, R3 and R4.
 *
 * authorized	what the gateway holds for us
 * captured		what it has taken; refunds are not subtracted
 * pending		asked for and not yet decided: reserved
 *
 * Constraints bound what we ask for, never what has happened: a request needs
 * enough left, a fact is taken as it is.
 */
#include "postgres.h"

#include "payment_rules.h"

void
op_capture_rest(OpFigures *figures)
{
	figures->captured =
		op_max(figures->captured,
			   op_sign(figures->authorized) > 0 ? figures->authorized : figures->amount);
}

static Numeric
left_to_refund(const OpFigures *figures)
{
	return op_above_zero(
		op_sub(op_sub(op_sub(figures->captured, figures->refund_pending), figures->refunded),
			   figures->charged_back));
}

static Numeric
left_to_capture(const OpFigures *figures)
{
	if (figures->status != OP_PAYMENT_AUTHORIZED)
		return op_zero();
	return op_above_zero(
		op_sub(op_sub(figures->authorized, figures->captured), figures->capture_pending));
}

Numeric
op_left_for(const OpFigures *figures, const OpDemand *demand)
{
	Numeric left = NULL;
	bool	enough = true;

	if (!demand->is_request)
		return NULL;
	if (op_sign(demand->refund_pending) > 0)
	{
		left = left_to_refund(figures);
		enough = op_cmp(demand->refund_pending, left) <= 0;
	}
	else if (op_sign(demand->capture_pending) > 0)
	{
		left = left_to_capture(figures);
		enough = demand->is_void ? op_cmp(demand->capture_pending, left) == 0
								 : op_cmp(demand->capture_pending, left) <= 0;
	}
	return enough ? NULL : left;
}

/* A capture makes an authorisation, if none was known, and uses it up. */
static void
follow_capture(OpFigures *figures)
{
	if (op_sign(figures->authorized) == 0)
		figures->authorized = figures->amount;
	if (figures->status == OP_PAYMENT_SUCCEEDED)
		return;
	if (figures->status == OP_PAYMENT_FAILED || figures->status == OP_PAYMENT_REVOKED ||
		op_cmp(figures->captured, figures->authorized) >= 0)
		figures->status = OP_PAYMENT_SUCCEEDED;
	else
		figures->status = OP_PAYMENT_AUTHORIZED;
}

/* A void releases the rest. */
static void
follow_void(OpFigures *figures)
{
	if (figures->status == OP_PAYMENT_SUCCEEDED || figures->status == OP_PAYMENT_FAILED ||
		figures->status == OP_PAYMENT_REVOKED)
		return;
	figures->status =
		op_sign(figures->captured) > 0 ? OP_PAYMENT_SUCCEEDED : OP_PAYMENT_REVOKED;
}

void
op_take_demand(OpFigures *figures, const OpDemand *demand)
{
	figures->capture_pending = op_add(figures->capture_pending, demand->capture_pending);
	figures->captured = op_add(figures->captured, demand->captured);
	figures->refund_pending = op_add(figures->refund_pending, demand->refund_pending);
	figures->refunded = op_add(figures->refunded, demand->refunded);
	figures->charged_back = op_add(figures->charged_back, demand->charged_back);
	if (op_sign(demand->captured) > 0)
		follow_capture(figures);
	if (demand->is_void && demand->is_done)
		follow_void(figures);
}
