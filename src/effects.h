/*
 * effects.h
 *	  What a row of one table of a store does to its siblings.
 */
#ifndef OP_EFFECTS_H
#define OP_EFFECTS_H

#include "commands/trigger.h"
#include "utils/numeric.h"
#include "utils/uuid.h"

#include "payment_rules.h"
#include "rules.h"

/* ---------- a line acts on its order ---------- */

typedef struct OpLineEffect
{
	int32	count;	/* lines more, or less */
	Numeric amount; /* amount more, or less */
} OpLineEffect;

extern void				   op_affect_order_by_line(Relation rel, TupleTableSlot *line,
												   OpLineEffect *effect);
extern const OpLineEffect *op_line_effect(const TriggerData *trigdata);

/* ---------- a payment, or an operation, acts on its order ---------- */

/* What has happened: one event of the history, besides the order's own. */
typedef struct OpCause
{
	const char *entity; /* "payment", "operation" */
	Datum		entity_id;
	const char *from; /* NULL: it was born */
	const char *to;
	Numeric		amount;
	bool		late; /* success after it had failed */
} OpCause;

#define OP_MAX_CAUSES 2 /* an operation and the payment that it moves; or twice a payment */

typedef struct OpOrderEffect
{
	OpMovement	movement;
	const char *currency;
	bool		is_booked; /* the order's own statement has booked it already */
	int			ncauses;
	OpCause		causes[OP_MAX_CAUSES];
} OpOrderEffect;

extern void op_affect_order(Relation rel, TupleTableSlot *row, OpOrderEffect *effect);

/* For a BEFORE trigger of orders: the effect that comes with this row, or NULL. */
extern const OpOrderEffect *op_order_effect(const TriggerData *trigdata);

/* For an AFTER trigger of orders: the effect that has changed this row, or NULL. */
extern const OpOrderEffect *op_past_order_effect(const TriggerData *trigdata);

/* ---------- an operation acts on its payment ---------- */

typedef struct OpPaymentEffect
{
	bool		presupposes_capture; /* nothing else: what it has authorised is captured */
	OpDemand	demand;
	const char *currency;
	Numeric		due_paid; /* what of it pays the due of the order */
	int			ncauses;
	OpCause		cause; /* the operation's event */
} OpPaymentEffect;

extern void					  op_affect_payment(Relation rel, TupleTableSlot *operation,
												OpPaymentEffect *effect);
extern const OpPaymentEffect *op_payment_effect(const TriggerData *trigdata);
extern const OpPaymentEffect *op_past_payment_effect(const TriggerData *trigdata);

/* ---------- an operation settles what of it pays the due ---------- */

extern void	   op_settle_operation(Relation rel, TupleTableSlot *operation, Datum operation_id,
								   Numeric obligatory);
extern Numeric op_settled_obligatory(const TriggerData *trigdata); /* NULL: none comes */

/* ---------- an order that is settled by hand books a payment ---------- */

typedef struct OpManualPayment
{
	pg_uuid_t payment_id; /* as the payment's own trigger made it */
} OpManualPayment;

extern void				op_book_manual_payment(Relation rel, TupleTableSlot *order, Numeric amount,
											   Datum currency);
extern OpManualPayment *op_manual_payment(const TriggerData *trigdata);
extern OpManualPayment *op_past_manual_payment(const TriggerData *trigdata);

/* The table of payments of an order's table. */
extern Oid op_payments_of(Relation orders);

#endif
