/*
 * rules.c
 *	  The rules of money of one order, R1 to R5.
 *
 * total		what the order costs, or unknown
 * paid			all that was captured for it; refunds are not subtracted
 * refunded		paid back by refunds
 * charged back	taken back by the customer's bank, and not won back
 * due			owed to the customer: what was paid above what was outstanding
 * held			paid, less refunded, less charged back
 * outstanding	what the customer has still to pay
 * dead			cancelled, expired, refunded: nothing is kept, all that is held is due
 *
 * These are functions of one order's figures alone: they read no table. What
 * happens to money is never refused here; only what somebody wants may be.
 */
#include "postgres.h"

#include "amount.h"
#include "rules.h"

bool
op_is_dead(OpOrderStatus status)
{
	return status == OP_EXPIRED || status == OP_CANCELLED || status == OP_REFUNDED;
}

bool
op_is_sound(const OpMoney *money)
{
	bool is_dead = op_is_dead(money->status);

	if (op_sign(money->refunded) < 0 || op_sign(money->charged_back) < 0 ||
		op_sign(money->due) < 0 ||
		op_cmp(op_max(money->refunded, money->charged_back), money->paid) > 0 ||
		!op_is_finite(op_add(money->paid, money->due)))
		return false;
	if (is_dead && op_cmp(money->due, op_above_zero(op_held(money))) != 0)
		return false;
	if (money->status <= OP_PENDING)
		return true;
	return money->total != NULL && op_sign(money->total) >= 0;
}

/* R2: what is paid and not dead keeps something, or costs nothing. */
bool
op_keeps_enough(const OpMoney *money)
{
	return (money->status != OP_PAID && money->status != OP_COMPLETED) || money->total == NULL ||
		   op_sign(money->total) == 0 ||
		   op_cmp(op_sub(money->paid, money->refunded), money->due) > 0;
}

Numeric
op_held(const OpMoney *money)
{
	return op_sub(op_sub(money->paid, money->refunded), money->charged_back);
}

/*
 * Until an order was covered once, what went back to the customer has to be
 * paid anew; after that, a refund is a concession and a chargeback a dispute.
 */
Numeric
op_outstanding(const OpMoney *money)
{
	if (money->total == NULL)
		return NULL;
	switch (money->status)
	{
		case OP_PENDING:
		case OP_AUTHORIZED:
			return op_above_zero(op_add(op_sub(money->total, op_held(money)), money->due));
		case OP_SHIPPED:
			if (money->covered)
				return op_above_zero(op_add(op_sub(money->total, money->paid), money->due));
			return op_above_zero(op_add(op_sub(money->total, op_held(money)), money->due));
		default:
			return op_zero();
	}
}

void
op_keep_nothing(OpMoney *money)
{
	if (op_is_dead(money->status))
		money->due = op_above_zero(op_held(money));
}

/* Held above the total and not yet due. */
static Numeric
excess(const OpMoney *money)
{
	return op_above_zero(op_sub(op_sub(op_held(money), money->due), money->total));
}

/*
 * R1: what a capture brings above what is outstanding is due. Nothing is
 * outstanding once an order is covered, but what was charged back since may be
 * paid again.
 */
static void
take_capture(OpMoney *money, Numeric amount)
{
	Numeric wanted = op_outstanding(money);

	if (wanted != NULL && money->status >= OP_PAID && !op_is_dead(money->status) &&
		(money->covered || money->status != OP_SHIPPED))
		wanted = op_above_zero(op_add(op_add(op_sub(money->total, money->paid),
											 money->charged_back),
									  money->due));
	if (wanted != NULL)
		money->due = op_add(money->due, op_above_zero(op_sub(amount, wanted)));
	money->paid = op_add(money->paid, amount);
}

/*
 * Money comes back from a refund that was reversed or a dispute that was won.
 * What it paid of the due is due again, and so is what it brings above the total.
 */
static void
take_back(OpMoney *money, Numeric amount, Numeric due_paid)
{
	money->due = op_add(money->due, due_paid);
	if (money->total != NULL)
		money->due = op_add(money->due, op_min(op_sub(amount, due_paid), excess(money)));
}

/*
 * What is held counts for a pending or authorized order before anything of it is
 * due. A refund that is reversed brings back what it paid of the due, but that
 * was measured by the total of its time: once the refund had left nothing held,
 * the order may have got other lines, or have lost them all. Of a total that is
 * unknown nothing is too much.
 */
static void
pay_order_first(OpMoney *money)
{
	if (money->status != OP_PENDING && money->status != OP_AUTHORIZED)
		return;
	if (money->total == NULL)
		money->due = op_zero();
	else if (op_sign(money->total) >= 0)
		money->due =
			op_min(money->due, op_above_zero(op_sub(op_held(money), money->total)));
}

/*
 * A pending or authorized order follows what is paid and authorised. It waits
 * while its total is unknown, or is negative because a discount came first.
 */
static void
follow_coverage(OpMoney *money)
{
	Numeric outstanding = op_outstanding(money);

	if ((money->status != OP_PENDING && money->status != OP_AUTHORIZED) || outstanding == NULL ||
		op_sign(money->total) < 0)
		return;
	if (op_sign(outstanding) > 0)
		money->status =
			op_cmp(money->authorized, outstanding) >= 0 ? OP_AUTHORIZED : OP_PENDING;
	else if (op_sign(money->total) > 0 || op_sign(money->paid) > 0)
		money->status = OP_PAID;
}

/* A covered order ends when the last of its money has gone back, or is due. */
static void
follow_refund(OpMoney *money)
{
	bool covered =
		money->status == OP_PAID || money->status == OP_COMPLETED ||
		(money->status == OP_SHIPPED && op_sign(op_outstanding(money)) == 0);

	if (covered && money->total != NULL && op_sign(money->total) > 0 &&
		op_cmp(op_sub(money->paid, money->refunded), money->due) <= 0)
		money->status = OP_REFUNDED;
}

void
op_move_money(OpMoney *money, const OpMovement *movement)
{
	money->authorized =
		op_add(op_sub(money->authorized, movement->authorized), movement->authorized2);
	if (op_sign(movement->captured) > 0)
		take_capture(money, movement->captured);
	money->refunded =
		op_sub(op_add(money->refunded, movement->refunded), movement->returned);
	money->charged_back =
		op_sub(op_add(money->charged_back, movement->charged_back), movement->won);
	if (op_sign(movement->returned) > 0 || op_sign(movement->won) > 0)
		take_back(money, op_add(movement->returned, movement->won), movement->due_paid);
	else
		money->due = op_above_zero(op_sub(money->due, movement->due_paid));
	if (movement->total_was_set && money->total != NULL)
		money->due = op_add(money->due, excess(money));

	/* what has gone back by another way is not owed once more */
	money->due = op_min(money->due, op_above_zero(op_held(money)));
	pay_order_first(money);
	follow_coverage(money);
	follow_refund(money);
	op_keep_nothing(money);
}

static const char *
obstacle_to_ship(const OpMoney *money, Numeric covered)
{
	if (money->status == OP_PAID)
		return op_sign(op_held(money)) > 0 || op_sign(money->total) == 0
				   ? NULL
				   : "nothing of what was paid is still held.";
	if (op_cmp(covered, op_outstanding(money)) < 0)
		return psprintf("%s is outstanding, and unexpired authorisations cover %s.",
						op_amount_text(op_outstanding(money)), op_amount_text(covered));
	return NULL;
}

const char *
op_obstacle(const OpMoney *money, OpOrderStatus to, Numeric covered)
{
	Numeric outstanding = op_outstanding(money);

	if (to > OP_PENDING && outstanding == NULL)
		return "its total is unknown.";
	if (to > OP_PENDING && op_sign(money->total) < 0)
		return "its total is negative.";
	switch (to)
	{
		case OP_AUTHORIZED:
			if (op_sign(outstanding) == 0 || op_cmp(money->authorized, outstanding) < 0)
				return psprintf("%s is outstanding, and %s is authorised.",
								op_amount_text(outstanding), op_amount_text(money->authorized));
			return NULL;
		case OP_SHIPPED:
			return obstacle_to_ship(money, covered);
		case OP_COMPLETED:
			if (op_sign(outstanding) > 0)
				return psprintf("%s is outstanding.", op_amount_text(outstanding));
			return NULL;
		case OP_REFUNDED:
			if (op_sign(op_held(money)) != 0)
				return psprintf("%s was paid, %s refunded and %s charged back.",
								op_amount_text(money->paid), op_amount_text(money->refunded),
								op_amount_text(money->charged_back));
			return NULL;
		default:
			return NULL;
	}
}
