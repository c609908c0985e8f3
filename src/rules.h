/*
 * rules.h
 *	  The rules of money of one order, R1 to R5. The vocabulary is in rules.c.
 */
#ifndef OP_RULES_H
#define OP_RULES_H

#include "utils/numeric.h"

#include "amount.h"
#include "status.h"

/* What an order says about its money. */
typedef struct OpMoney
{
	OpOrderStatus status;
	Numeric		  total; /* NULL while unknown */
	Numeric		  authorized;
	Numeric		  paid;
	Numeric		  refunded;
	Numeric		  charged_back;
	Numeric		  due;
	bool		  covered; /* nothing was outstanding once: paid_at is stamped */
} OpMoney;

/* What happens to the money of an order. Amounts are never negative. */
typedef struct OpMovement
{
	Numeric authorized;	 /* authorised and not yet captured, before ... */
	Numeric authorized2; /* ... and after */
	Numeric captured;
	Numeric refunded;	   /* paid back */
	Numeric charged_back;  /* taken back */
	Numeric returned;	   /* of refunds that were reversed */
	Numeric won;		   /* of chargebacks that were reversed */
	Numeric due_paid;	   /* the part of the last four that is of what was due */
	bool	total_was_set; /* the total has got a value */
} OpMovement;

#define OP_NO_MOVEMENT \
	{ \
		op_zero(), op_zero(), op_zero(), op_zero(), op_zero(), op_zero(), op_zero(), op_zero(), \
			false \
	}

extern bool op_is_dead(OpOrderStatus status);

/* What holds for every order: the net under the triggers, see soundness.c. */
extern bool op_is_sound(const OpMoney *money);
extern bool op_keeps_enough(const OpMoney *money);

/* R1: what is still to be paid; NULL if the total is unknown. */
extern Numeric op_outstanding(const OpMoney *money);

/* R1, R2: does what the movement says, and moves the order where that forces it. */
extern void op_move_money(OpMoney *money, const OpMovement *movement);

/* R2: what is due when nothing is kept. */
extern void op_keep_nothing(OpMoney *money);

/* Paid less what went back to the customer, either way. */
extern Numeric op_held(const OpMoney *money);

/*
 * R5: why a statement may not move this order to that status, for a person, or NULL.
 * covered: unexpired authorisations; looked at only for shipped.
 */
extern const char *op_obstacle(const OpMoney *money, OpOrderStatus to, Numeric covered);

#endif
