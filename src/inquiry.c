/*
 * inquiry.c
 *	  What a trigger of a store asks the siblings of its row: every query that a
 *	  trigger runs, but for those of admission.c.
 *
 * A row that is asked for a decision is locked by its own statement already,
 * or locked here; what has changed an order's payments has changed the order
 * as well, so under its lock they stay as they are seen.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "amount.h"
#include "derived.h"
#include "ending.h"
#include "inquiry.h"
#include "line.h"
#include "order.h"
#include "payment.h"
#include "rules.h"
#include "sibling.h"

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

static void
write_any_payment(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql, "SELECT true FROM %s WHERE %s LIMIT 1", names->sibling, names->condition);
}

static const OpSiblingRole payments_of_order = {
	.what = "the payments",
	.path = OP_CHILD,
	.marker = op_maintain_payment,
	.nkeys = 1,
	.write = write_any_payment,
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
					 "SELECT pg_catalog.sum(GREATEST(0, authorized_amount OPERATOR(pg_catalog.-) captured_amount)) FROM %s WHERE %s"
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

/*
 * As the foreign key would lock it, but before the order: who records what has
 * become of that payment, with a reference of the gateway, comes to its order
 * with a lock that the foreign key has to wait for.
 */
static void
write_lock_retried(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT true FROM %s WHERE %s AND payment_id OPERATOR(pg_catalog.=) $2 FOR KEY SHARE",
					 names->sibling, names->condition);
}

static const OpSiblingRole retried_payment = {
	.what = "the payment",
	.path = OP_SELF,
	.column = "order_id",
	.nkeys = 1,
	.nargs = 1,
	.argtypes = {UUIDOID},
	.write = write_lock_retried,
};

bool
op_lock_retried(Relation payments, TupleTableSlot *payment, Datum retry_of)
{
	NullableDatum found;

	return op_sibling_fetch(&retried_payment, payments, payment, &retry_of, " ", &found, 1);
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

static void
write_next_retry(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT order_payment.next_retry(retry_schedule, $2, $3, $4) FROM %s WHERE %s",
					 names->sibling, names->condition);
}

static const OpSiblingRole schedule_of_gateway = {
	.what = "the gateway",
	.path = OP_PARENT,
	.column = "retry_schedule",
	.nkeys = 1,
	.nargs = 3,
	.argtypes = {TEXTOID, INT4OID, TIMESTAMPTZOID},
	.write = write_next_retry,
};

NullableDatum
op_next_retry(Relation payments, TupleTableSlot *payment, NullableDatum failure_class,
			  int32 attempt)
{
	NullableDatum result = {0, true};
	Datum		  args[] = {failure_class.value, Int32GetDatum(attempt),
							TimestampTzGetDatum(GetCurrentTimestamp())};

	if (!failure_class.isnull)
		op_sibling_fetch(&schedule_of_gateway, payments, payment, args, "   ", &result, 1);
	return result;
}

/* ---------- what the trigger of an operation asks ---------- */

static void
write_order_xmin(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql, "SELECT xmin FROM %s WHERE %s", names->sibling, names->condition);
}

static const OpSiblingRole xmin_of_order = {
	.what = "the order",
	.path = OP_PARENT,
	.marker = op_maintain_order,
	.nkeys = 1,
	.write = write_order_xmin,
};

/* Has this transaction written the order, so that others wait for it? */
static bool
holds_order(Relation operations, TupleTableSlot *operation)
{
	NullableDatum xmin;

	return op_sibling_fetch(&xmin_of_order, operations, operation, NULL, NULL, &xmin, 1) &&
		   TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin.value));
}

static void
write_lock_payments(StringInfo sql, const OpSiblingNames *names, const char *which)
{
	appendStringInfo(sql,
					 "SELECT %s, currency, amount, authorized_amount, captured_amount, CASE WHEN status OPERATOR(pg_catalog.=) 'authorized'"
					 " THEN authorized_amount OPERATOR(pg_catalog.-) captured_amount"
					 " OPERATOR(pg_catalog.-) capture_pending_amount ELSE 0 END"
					 " FROM %s WHERE %s ORDER BY %s FOR NO KEY UPDATE",
					 names->condition, names->sibling, which, names->keys);
}

static void
write_lock_own_payment(StringInfo sql, const OpSiblingNames *names)
{
	write_lock_payments(sql, names, names->condition);
}

static void
write_lock_all_payments(StringInfo sql, const OpSiblingNames *names)
{
	write_lock_payments(sql, names, names->family);
}

#define PAYMENTS_TO_LOCK(writer) \
	{ \
		.what = "the payment", .path = OP_PARENT, .marker = op_maintain_payment, .nkeys = 2, \
		.tells = true, .write = writer, \
	}

static const OpSiblingRole own_payment = PAYMENTS_TO_LOCK(write_lock_own_payment);
static const OpSiblingRole all_payments = PAYMENTS_TO_LOCK(write_lock_all_payments);

/*
 * All payments of the order, in the order of their keys, and before the order
 * itself: the statement, or the transaction, may come to another one of them
 * later, and then holds the order. If it holds that already, it is too late:
 * whoever has one of the others may be waiting for the order.
 */
bool
op_lock_payment(Relation operations, TupleTableSlot *operation, OpLockedPayment *result)
{
	bool		  is_late = holds_order(operations, operation);
	NullableDatum fetched[6];

	if (!op_sibling_fetch(is_late ? &own_payment : &all_payments, operations, operation, NULL, NULL,
						  fetched, 6))
		return false;
	result->currency = fetched[1];
	result->amount = op_numeric_of(fetched[2]);
	result->authorized = op_numeric_of(fetched[3]);
	result->captured = op_numeric_of(fetched[4]);
	result->rest = op_numeric_of(fetched[5]);
	return true;
}

/*
 * A request that comes again meets the first one in the index, and waits for
 * whoever changes it, also to do nothing then. Whoever changes it comes to the
 * payments with it; so the request has to wait before it has them itself. Others
 * that come again may do so at the same time.
 */
static void
write_lock_same_request(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT true FROM %s WHERE %s AND request_key OPERATOR(pg_catalog.=) $2 FOR SHARE",
					 names->sibling, names->condition);
}

static const OpSiblingRole same_request = {
	.what = "the operations",
	.path = OP_SELF,
	.column = "order_id",
	.nkeys = 1,
	.nargs = 1,
	.argtypes = {TEXTOID},
	.write = write_lock_same_request,
};

void
op_lock_same_request(Relation operations, TupleTableSlot *operation, Datum request_key)
{
	NullableDatum found;

	op_sibling_fetch(&same_request, operations, operation, &request_key, " ", &found, 1);
}

static void
write_lock_order(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT status, total_amount, authorized_amount, paid_amount, refunded_amount,"
					 " charged_back_amount, refund_due_amount, paid_at IS NOT NULL FROM %s WHERE %s FOR NO KEY UPDATE",
					 names->sibling, names->condition);
}

static const OpSiblingRole locked_order_of_operation = {
	.what = "the order",
	.path = OP_PARENT,
	.marker = op_maintain_order,
	.nkeys = 1,
	.write = write_lock_order,
};

/* The due that refunds under way stand for; those as well that end, and have not acted yet. */
static void
write_standing_refunds(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT pg_catalog.sum(obligatory_amount) FROM %s"
					 " WHERE %s AND operation_id OPERATOR(pg_catalog.<>) $2"
					 " AND (kind OPERATOR(pg_catalog.=) 'refund' AND status OPERATOR(pg_catalog.<=) 'unknown'"
					 " OR operation_id OPERATOR(pg_catalog.=) ANY ($3))",
					 names->sibling, names->condition);
}

static const OpSiblingRole standing_refunds = {
	.what = "the operations",
	.path = OP_SELF,
	.column = "order_id",
	.nkeys = 1,
	.nargs = 2,
	.argtypes = {UUIDOID, UUIDARRAYOID},
	.write = write_standing_refunds,
};

/*
 * Whole, those that have acted on their payments already. $2, which belongs to
 * the key as well, has no use here, but a statement must name its parameters.
 */
static void
write_reserved_refunds(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT pg_catalog.sum(refund_pending_amount) FROM %s WHERE %s AND $2 IS NOT NULL",
					 names->sibling, names->family);
}

static const OpSiblingRole reserved_refunds = {
	.what = "the payments",
	.path = OP_PARENT,
	.marker = op_maintain_payment,
	.nkeys = 2,
	.write = write_reserved_refunds,
};

static bool
lock_order(Relation operations, TupleTableSlot *operation, OpMoney *money)
{
	NullableDatum order[8];

	if (!op_sibling_fetch(&locked_order_of_operation, operations, operation, NULL, NULL, order, 8))
		return false;
	money->status = order[0].isnull ? OP_PENDING : (OpOrderStatus) DatumGetStatus(order[0].value);
	money->total = order[1].isnull ? NULL : DatumGetNumeric(order[1].value);
	money->authorized = op_numeric_of(order[2]);
	money->paid = op_numeric_of(order[3]);
	money->refunded = op_numeric_of(order[4]);
	money->charged_back = op_numeric_of(order[5]);
	money->due = op_numeric_of(order[6]);
	money->covered = DatumGetBool(order[7].value);
	return true;
}

Numeric
op_uncovered_due(Relation operations, TupleTableSlot *operation, Datum operation_id)
{
	Datum		  args[] = {operation_id, op_ending_requests()};
	NullableDatum covered;
	OpMoney		  money;

	if (!lock_order(operations, operation, &money) || op_sign(money.due) == 0)
		return op_zero();
	if (op_is_dead(money.status))
		op_sibling_fetch(&reserved_refunds, operations, operation, NULL, NULL, &covered, 1);
	else
		op_sibling_fetch(&standing_refunds, operations, operation, args, "  ", &covered, 1);
	return op_above_zero(op_sub(money.due, op_numeric_of(covered)));
}
