/*
 * payment_rules.h
 *	  The rules of money of one payment, R3 and R4. The vocabulary is in payment_rules.c.
 */
#ifndef OP_PAYMENT_RULES_H
#define OP_PAYMENT_RULES_H

#include "amount.h"
#include "status.h"

/* What a payment says about its money. */
typedef struct OpFigures
{
	OpPaymentStatus status;
	Numeric			amount;
	Numeric			authorized;
	Numeric			capture_pending;
	Numeric			captured;
	Numeric			refund_pending;
	Numeric			refunded;
	Numeric			charged_back;
} OpFigures;

/* What an operation makes of these figures: differences, of either sign. */
typedef struct OpDemand
{
	bool	is_void;
	bool	is_done;	/* it has succeeded now */
	bool	is_request; /* it is asked for now: there must be enough left */
	Numeric capture_pending;
	Numeric captured;
	Numeric refund_pending;
	Numeric refunded;
	Numeric charged_back;
} OpDemand;

/* R3: all that was authorised is captured, or the amount if nothing ever was. */
extern void op_capture_rest(OpFigures *figures);

/* R4: what is left, if that is not enough for a request; else NULL. */
extern Numeric op_left_for(const OpFigures *figures, const OpDemand *demand);

/* Does what the operation says, and moves the payment where that forces it. */
extern void op_take_demand(OpFigures *figures, const OpDemand *demand);

#endif
