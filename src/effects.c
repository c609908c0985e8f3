/*
 * effects.c
 *	  What a row of one table of a store does to its siblings: every statement
 *	  that a trigger runs, but for those that write the history.
 *
 * effect	what a row has done, in figures, handed to the trigger of the
 *			sibling by the statement that brings it there. The statement itself
 *			says nothing but which row is meant: what becomes of that row is
 *			decided by the sibling's own trigger, under the lock of the row
 *
 * Locks are taken from child to parent: operations, the payments of the order
 * by their keys, the order. So no two statements on one order wait for each
 * other, however many of its operations they meet. Once a transaction has
 * written the order, its operations lock their own payments only.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/rel.h"

#include "effects.h"
#include "line.h"
#include "order.h"
#include "payment.h"
#include "sibling.h"

/* ---------- is there such a row at all? ---------- */

static void
write_exists(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql, "SELECT true FROM %s WHERE %s", names->sibling, names->condition);
}

static const OpSiblingRole existing_order = {
	.what = "the order",
	.path = OP_PARENT,
	.marker = op_maintain_order,
	.nkeys = 1,
	.write = write_exists,
};

static const OpSiblingRole existing_payment = {
	.what = "the payment",
	.path = OP_PARENT,
	.marker = op_maintain_payment,
	.nkeys = 2,
	.write = write_exists,
};

/* As the foreign key would say it, had it been asked before. */
static void
refuse_orphan(Relation rel, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
			 errmsg("%s of a row of table \"%s\" does not exist", what,
					RelationGetRelationName(rel)),
			 errhint("Insert %s first.", what),
			 errtable(rel)));
}

/* ---------- a line acts on its order ---------- */

static void
write_touch_order(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql, "UPDATE %s SET version = version WHERE %s", names->sibling,
					 names->condition);
}

static const OpSiblingRole order_of_line = {
	.what = "the order",
	.path = OP_PARENT,
	.marker = op_maintain_order,
	.nkeys = 1,
	.if_missed = &existing_order,
	.write = write_touch_order,
};

void
op_affect_order_by_line(Relation rel, TupleTableSlot *line, OpLineEffect *effect)
{
	/* a line that is deleted may have lost its order in the same statement */
	if (!op_sibling_affect(&order_of_line, rel, line, NULL, NULL, effect) && effect->count >= 0)
		refuse_orphan(rel, "the order");
}

const OpLineEffect *
op_line_effect(const TriggerData *trigdata)
{
	return op_effect_coming(&order_of_line, trigdata);
}

/* ---------- a payment, or an operation, acts on its order ---------- */

static const OpSiblingRole order_of_payment = {
	.what = "the order",
	.path = OP_PARENT,
	.marker = op_maintain_order,
	.nkeys = 1,
	.has_after = true,
	.if_missed = &existing_order,
	.write = write_touch_order,
};

void
op_affect_order(Relation rel, TupleTableSlot *row, OpOrderEffect *effect)
{
	if (!op_sibling_affect(&order_of_payment, rel, row, NULL, NULL, effect))
		refuse_orphan(rel, "the order");
}

const OpOrderEffect *
op_order_effect(const TriggerData *trigdata)
{
	return op_effect_coming(&order_of_payment, trigdata);
}

const OpOrderEffect *
op_past_order_effect(const TriggerData *trigdata)
{
	return op_effect_past(&order_of_payment, trigdata);
}

/* ---------- an operation acts on its payment ---------- */

static void
write_touch_payment(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql, "UPDATE %s SET attempt_no = attempt_no WHERE %s", names->sibling,
					 names->condition);
}

static const OpSiblingRole payment_of_operation = {
	.what = "the payment",
	.path = OP_PARENT,
	.marker = op_maintain_payment,
	.nkeys = 2,
	.has_after = true,
	.if_missed = &existing_payment,
	.write = write_touch_payment,
};

void
op_affect_payment(Relation rel, TupleTableSlot *operation, OpPaymentEffect *effect)
{
	if (!op_sibling_affect(&payment_of_operation, rel, operation, NULL, NULL, effect))
		refuse_orphan(rel, "the payment");
}

const OpPaymentEffect *
op_payment_effect(const TriggerData *trigdata)
{
	return op_effect_coming(&payment_of_operation, trigdata);
}

const OpPaymentEffect *
op_past_payment_effect(const TriggerData *trigdata)
{
	return op_effect_past(&payment_of_operation, trigdata);
}

/* ---------- an operation settles what of it pays the due ---------- */

static void
write_touch_operation(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "UPDATE %s SET obligatory_amount = obligatory_amount"
					 " WHERE %s AND operation_id OPERATOR(pg_catalog.=) $2",
					 names->sibling, names->condition);
}

static const OpSiblingRole operation_itself = {
	.what = "the operation",
	.path = OP_SELF,
	.column = "order_id",
	.nkeys = 1,
	.nargs = 1,
	.argtypes = {UUIDOID},
	.write = write_touch_operation,
};

void
op_settle_operation(Relation rel, TupleTableSlot *operation, Datum operation_id, Numeric obligatory)
{
	op_sibling_affect(&operation_itself, rel, operation, &operation_id, " ", obligatory);
}

Numeric
op_settled_obligatory(const TriggerData *trigdata)
{
	return op_effect_coming(&operation_itself, trigdata);
}

/* ---------- an order that is settled by hand books a payment ---------- */

/* All that has a default is named: on a node of a distributed engine the table may have none. */
static void
write_manual_payment(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "INSERT INTO %s (%s, gateway, amount, currency, split, status, fee_final, attempt_no)"
					 " VALUES ($1, 'manual', $2, $3, false, 'succeeded', false, 1)",
					 names->sibling, names->keys);
}

static const OpSiblingRole manual_payment_of_order = {
	.what = "the payments",
	.path = OP_CHILD,
	.marker = op_maintain_payment,
	.nkeys = 1,
	.nargs = 2,
	.argtypes = {NUMERICOID, TEXTOID},
	.has_after = true,
	.write = write_manual_payment,
};

void
op_book_manual_payment(Relation rel, TupleTableSlot *order, Numeric amount, Datum currency)
{
	Datum			args[] = {NumericGetDatum(amount), currency};
	OpManualPayment effect;

	op_sibling_affect(&manual_payment_of_order, rel, order, args, "  ", &effect);
}

OpManualPayment *
op_manual_payment(const TriggerData *trigdata)
{
	return op_effect_coming(&manual_payment_of_order, trigdata);
}

OpManualPayment *
op_past_manual_payment(const TriggerData *trigdata)
{
	return op_effect_past(&manual_payment_of_order, trigdata);
}

Oid
op_payments_of(Relation orders)
{
	return op_sibling_table(&manual_payment_of_order, orders);
}
