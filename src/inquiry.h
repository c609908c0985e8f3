/*
 * inquiry.h
 *	  What a trigger of a store asks the siblings of its row.
 */
#ifndef OP_INQUIRY_H
#define OP_INQUIRY_H

#include "executor/tuptable.h"
#include "utils/numeric.h"
#include "utils/rel.h"

/* How many lines an order has, and their sum. */
extern void op_sum_lines(Relation orders, TupleTableSlot *order, int32 *count,
						 NullableDatum *amount);

/* Is an attempt to pay the order under way, or money authorised? */
extern bool op_has_live_attempt(Relation orders, TupleTableSlot *order);

/* Has anybody ever tried to pay the order? */
extern bool op_has_payment(Relation orders, TupleTableSlot *order);

/* Authorised for the order, unexpired, and not yet captured. */
extern Numeric op_unexpired_authorizations(Relation orders, TupleTableSlot *order);

/* The currency of a payment's order; false if there is no such order. */
extern bool op_currency_of_order(Relation payments, TupleTableSlot *payment, NullableDatum *result);

/* Locks the payment that a new one tries again, so that it keeps its key; false: there is none. */
extern bool op_lock_retried(Relation payments, TupleTableSlot *payment, Datum retry_of);

/* The gateway's fee for a payment: rate and fixed part; false if none is known. */
extern bool op_find_fee(Relation payments, Datum gateway, NullableDatum method, Datum currency,
						Numeric *rate, Numeric *fixed);

/* When a payment that fails now is tried again, by its gateway's schedule; NULL: never. */
extern NullableDatum op_next_retry(Relation payments, TupleTableSlot *payment,
								   NullableDatum failure_class, int32 attempt);

/* An operation's payment, as it is when all payments of the order are locked. */
typedef struct OpLockedPayment
{
	NullableDatum currency;
	Numeric		  amount;
	Numeric		  authorized;
	Numeric		  captured;
	Numeric		  rest; /* authorised, not captured, and no capture or void under way */
} OpLockedPayment;

extern bool op_lock_payment(Relation operations, TupleTableSlot *operation,
							OpLockedPayment *result);

/* The operation that has this request key already, if there is one: before its payments. */
extern void op_lock_same_request(Relation operations, TupleTableSlot *operation,
								 Datum request_key);

/*
 * What is due to the customer of an operation's order and not covered by
 * refunds under way, other than this operation, when it acts: after all that
 * acted before and before all that will act. Locks the order.
 */
extern Numeric op_uncovered_due(Relation operations, TupleTableSlot *operation,
								Datum operation_id);

#endif
