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
 * Locks are taken from child to parent: an operation, its payment, its order.
 * So no two statements wait for each other, whatever they do.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "amount.h"
#include "derived.h"
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

/* ---------- an order that is settled by hand books a payment ---------- */

static void
write_manual_payment(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "INSERT INTO %s (%s, gateway, amount, currency, status)"
					 " VALUES ($1, 'manual', $2, $3, 'succeeded')",
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

/* ---------- what the trigger of an order asks ---------- */

static void
write_sum_lines(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql, "SELECT pg_catalog.count(*)::pg_catalog.int4, pg_catalog.sum(amount) FROM %s WHERE %s",
					 names->sibling, names->condition);
}

static const OpSiblingRole lines_of_order = {
	.what = "the lines",
	.path = OP_CHILD,
	.marker = op_follow_items,
	.nkeys = 1,
	.write = write_sum_lines,
};

void
op_sum_lines(Relation orders, TupleTableSlot *order, int32 *count, NullableDatum *amount)
{
	NullableDatum result[2];

	op_sibling_fetch(&lines_of_order, orders, order, NULL, NULL, result, 2);
	*count = DatumGetInt32(result[0].value);
	*amount = result[1];
}

static void
write_live_attempts(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT true FROM %s WHERE %s AND status OPERATOR(pg_catalog.<=) 'authorized' LIMIT 1",
					 names->sibling, names->condition);
}

static const OpSiblingRole live_attempts_of_order = {
	.what = "the payments",
	.path = OP_CHILD,
	.marker = op_maintain_payment,
	.nkeys = 1,
	.write = write_live_attempts,
};

bool
op_has_live_attempt(Relation orders, TupleTableSlot *order)
{
	NullableDatum found;

	return op_sibling_fetch(&live_attempts_of_order, orders, order, NULL, NULL, &found, 1);
}

static const OpSiblingRole payments_of_order = {
	.what = "the payments",
	.path = OP_CHILD,
	.marker = op_maintain_payment,
	.nkeys = 1,
	.write = write_exists,
};

bool
op_has_payment(Relation orders, TupleTableSlot *order)
{
	NullableDatum found;

	return op_sibling_fetch(&payments_of_order, orders, order, NULL, NULL, &found, 1);
}

static void
write_unexpired(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT pg_catalog.sum(authorized_amount OPERATOR(pg_catalog.-) captured_amount) FROM %s WHERE %s"
					 " AND status OPERATOR(pg_catalog.=) 'authorized' AND (capture_before IS NULL"
					 " OR capture_before OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp())",
					 names->sibling, names->condition);
}

static const OpSiblingRole unexpired_of_order = {
	.what = "the payments",
	.path = OP_CHILD,
	.marker = op_maintain_payment,
	.nkeys = 1,
	.write = write_unexpired,
};

Numeric
op_unexpired_authorizations(Relation orders, TupleTableSlot *order)
{
	NullableDatum sum;

	op_sibling_fetch(&unexpired_of_order, orders, order, NULL, NULL, &sum, 1);
	return op_numeric_of(sum);
}

/* ---------- what the trigger of a payment asks ---------- */

static void
write_currency(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql, "SELECT currency FROM %s WHERE %s", names->sibling, names->condition);
}

static const OpSiblingRole currency_of_order = {
	.what = "the order",
	.path = OP_PARENT,
	.marker = op_maintain_order,
	.nkeys = 1,
	.write = write_currency,
};

bool
op_currency_of_order(Relation payments, TupleTableSlot *payment, NullableDatum *result)
{
	return op_sibling_fetch(&currency_of_order, payments, payment, NULL, NULL, result, 1);
}

/* The payment's own method goes before any, the latest fee before older ones. */
static void
write_fee(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT rate, fixed FROM %s WHERE %s AND currency OPERATOR(pg_catalog.=) $2"
					 " AND (method OPERATOR(pg_catalog.=) $3 OR method OPERATOR(pg_catalog.=) '*')"
					 " AND valid_from OPERATOR(pg_catalog.<=) pg_catalog.clock_timestamp()"
					 " ORDER BY method OPERATOR(pg_catalog.=) '*', valid_from DESC LIMIT 1",
					 names->sibling, names->condition);
}

static const OpSiblingRole fees_of_gateway = {
	.what = "the fees",
	.path = OP_CHILD,
	.column = "rate",
	.nkeys = 1,
	.nargs = 2,
	.argtypes = {TEXTOID, TEXTOID},
	.write = write_fee,
};

bool
op_find_fee(Relation payments, Datum gateway, NullableDatum method, Datum currency,
			Numeric *rate, Numeric *fixed)
{
	Oid			  table = op_referenced_by(payments, "gateway");
	Relation	  gateways;
	NullableDatum key = {gateway, false};
	Datum		  args[] = {currency, method.isnull ? CStringGetTextDatum("*") : method.value};
	NullableDatum result[2];
	bool		  found;

	if (!OidIsValid(table))
		return false;
	gateways = table_open(table, AccessShareLock);
	found = op_sibling_fetch_by_key(&fees_of_gateway, gateways, &key, args, "  ", result, 2);
	table_close(gateways, NoLock);
	if (!found || result[0].isnull || result[1].isnull)
		return false;
	*rate = DatumGetNumeric(result[0].value);
	*fixed = DatumGetNumeric(result[1].value);
	return true;
}

/* ---------- what the trigger of an operation asks ---------- */

static void
write_lock_payment(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT currency, amount, authorized_amount, captured_amount, CASE WHEN status OPERATOR(pg_catalog.=) 'authorized'"
					 " THEN authorized_amount OPERATOR(pg_catalog.-) captured_amount"
					 " OPERATOR(pg_catalog.-) capture_pending_amount ELSE 0 END"
					 " FROM %s WHERE %s FOR NO KEY UPDATE",
					 names->sibling, names->condition);
}

static const OpSiblingRole locked_payment_of_operation = {
	.what = "the payment",
	.path = OP_PARENT,
	.marker = op_maintain_payment,
	.nkeys = 2,
	.write = write_lock_payment,
};

bool
op_lock_payment(Relation operations, TupleTableSlot *operation, OpLockedPayment *result)
{
	NullableDatum fetched[5];

	if (!op_sibling_fetch(&locked_payment_of_operation, operations, operation, NULL, NULL, fetched,
						  5))
		return false;
	result->currency = fetched[0];
	result->amount = op_numeric_of(fetched[1]);
	result->authorized = op_numeric_of(fetched[2]);
	result->captured = op_numeric_of(fetched[3]);
	result->rest = op_numeric_of(fetched[4]);
	return true;
}

static void
write_lock_order(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT status, total_amount, authorized_amount, paid_amount, refunded_amount,"
					 " charged_back_amount, refund_due_amount FROM %s WHERE %s FOR NO KEY UPDATE",
					 names->sibling, names->condition);
}

static const OpSiblingRole locked_order_of_operation = {
	.what = "the order",
	.path = OP_PARENT,
	.marker = op_maintain_order,
	.nkeys = 1,
	.write = write_lock_order,
};

/* Refunds of the order under way: whole, and of what was due. */
static void
write_pending_refunds(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT coalesce(pg_catalog.sum(amount), 0), coalesce(pg_catalog.sum(obligatory_amount), 0)"
					 " FROM %s WHERE %s AND kind OPERATOR(pg_catalog.=) 'refund'"
					 " AND status OPERATOR(pg_catalog.<=) 'unknown'"
					 " AND operation_id OPERATOR(pg_catalog.<>) $2",
					 names->sibling, names->condition);
}

static const OpSiblingRole pending_refunds = {
	.what = "the operations",
	.path = OP_SELF,
	.column = "order_id",
	.nkeys = 1,
	.nargs = 1,
	.argtypes = {UUIDOID},
	.write = write_pending_refunds,
};

Numeric
op_uncovered_due(Relation operations, TupleTableSlot *operation, Datum operation_id,
				 Numeric captured)
{
	NullableDatum order[7];
	NullableDatum pending[2];
	OpMoney		  money;
	OpMovement	  movement = OP_NO_MOVEMENT;

	if (!op_sibling_fetch(&locked_order_of_operation, operations, operation, NULL, NULL, order, 7))
		return op_zero();
	money.status = order[0].isnull ? OP_PENDING : (OpOrderStatus) DatumGetStatus(order[0].value);
	money.total = order[1].isnull ? NULL : DatumGetNumeric(order[1].value);
	money.authorized = op_numeric_of(order[2]);
	money.paid = op_numeric_of(order[3]);
	money.refunded = op_numeric_of(order[4]);
	money.charged_back = op_numeric_of(order[5]);
	money.due = op_numeric_of(order[6]);
	if (op_sign(captured) > 0)
	{
		movement.captured = captured;
		op_move_money(&money, &movement);
	}
	op_sibling_fetch(&pending_refunds, operations, operation, &operation_id, " ", pending, 2);
	return op_above_zero(
		op_sub(money.due, op_numeric_of(pending[op_is_dead(money.status) ? 0 : 1])));
}
