/*
 * operation.c
 *	  Captures, voids, refunds and chargebacks of payments.
 *
 * request		an operation under way (requested, processing, unknown): what it
 *				asks for is reserved
 * done			succeeded: it has happened to the money
 * obligatory	the part of a refund or chargeback that pays back what was due to
 *				the customer; settled when the operation begins to count: when
 *				it is asked for, or becomes known
 *
 * Locks. All rows of a statement are stored before the first of them acts.
 * Nobody waits for a row that is not stored yet, so a new one locks the payments
 * before: what it asks for may depend on them; and before these the row that has
 * its request key already, which it will wait for. A row that changes is locked by
 * the statement itself, and others of it follow, so it locks the payments when
 * it acts. The order is locked when a row acts, be it new or not.
 *
 * A dispute that is opened is a chargeback, reversed if it is won. A void takes
 * the rest of an authorisation, whole. A refund that fails is tried again on the
 * same row, so that it is never paid twice.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "amount.h"
#include "derived.h"
#include "ending.h"
#include "effects.h"
#include "errors.h"
#include "inquiry.h"
#include "link.h"
#include "money.h"
#include "recorder.h"
#include "settings.h"
#include "sibling.h"
#include "status.h"
#include "uuid_v7.h"

typedef enum OperationColumn
{
	OPERATION_ORDER_ID,
	OPERATION_ID,
	OPERATION_PAYMENT_ID,
	OPERATION_KIND,
	OPERATION_AMOUNT,
	OPERATION_CURRENCY,
	OPERATION_FEE,
	OPERATION_OBLIGATORY,
	OPERATION_STATUS,
	OPERATION_REQUEST_KEY,
	OPERATION_REQUEST_HASH,
	OPERATION_CREATED_AT,
	OPERATION_NCOLUMNS
} OperationColumn;

#define KEYS_STAY  "Keys, links, kind and amount of an operation never change: make another one."
#define LEAVE_TIME "Leave it out. To load times, let a superuser set order_payment.restore."

static const OpColumn operation_columns[] = {
	[OPERATION_ORDER_ID] = {"order_id", InvalidOid, KEYS_STAY},
	[OPERATION_ID] = {"operation_id", UUIDOID, KEYS_STAY},
	[OPERATION_PAYMENT_ID] = {"payment_id", UUIDOID, KEYS_STAY},
	[OPERATION_KIND] = {"kind", TEXTOID, KEYS_STAY},
	[OPERATION_AMOUNT] = {"amount", NUMERICOID, KEYS_STAY},
	[OPERATION_CURRENCY] = {"currency", TEXTOID, KEYS_STAY},
	[OPERATION_FEE] = {"fee", NUMERICOID, NULL},
	[OPERATION_OBLIGATORY] = {"obligatory_amount", NUMERICOID,
							  "Leave it out: it follows what is due when the operation is asked for."},
	[OPERATION_STATUS] = {"status", OP_STATUS_TYPE(OP_OPERATION_STATUS), NULL},
	[OPERATION_REQUEST_KEY] = {"request_key", TEXTOID, KEYS_STAY},
	[OPERATION_REQUEST_HASH] = {"request_hash", TEXTOID, KEYS_STAY},
	[OPERATION_CREATED_AT] = {"created_at", TIMESTAMPTZOID, LEAVE_TIME},
};

StaticAssertDecl(lengthof(operation_columns) == OPERATION_NCOLUMNS, "each column is described");
StaticAssertDecl(OPERATION_NCOLUMNS <= OP_ROW_MAX_COLUMNS, "a row has room for them");

/* ---------- kinds and statuses ---------- */

typedef enum OperationKind
{
	KIND_CAPTURE,
	KIND_VOID,
	KIND_REFUND,
	KIND_CHARGEBACK,
	KIND_OTHER /* the CHECK refuses it */
} OperationKind;

static const char *const kinds[] = {
	[KIND_CAPTURE] = "capture",
	[KIND_VOID] = "void",
	[KIND_REFUND] = "refund",
	[KIND_CHARGEBACK] = "chargeback",
};

StaticAssertDecl(lengthof(kinds) == KIND_OTHER, "each kind has a name");

static OperationKind
kind_of(NullableDatum value)
{
	const text *name = value.isnull ? NULL : DatumGetTextPP(value.value);

	for (int i = 0; name != NULL && i < KIND_OTHER; i++)
	{
		if (VARSIZE_ANY_EXHDR(name) == strlen(kinds[i]) &&
			memcmp(VARDATA_ANY(name), kinds[i], strlen(kinds[i])) == 0)
			return (OperationKind) i;
	}
	return KIND_OTHER;
}

static OpOperationStatus
status_of(NullableDatum value)
{
	return value.isnull ? OP_OPERATION_REQUESTED
						: (OpOperationStatus) DatumGetStatus(value.value);
}

static const char *
label_of(OpOperationStatus status)
{
	const OpStatusLabel *label = op_label_by_code(&op_vocabularies[OP_OPERATION_STATUS], status);

	return label ? label->name : "";
}

static bool
is_request(OpOperationStatus status)
{
	return status <= OP_OPERATION_UNKNOWN;
}

/* Does it count, reserved or done? Failed, cancelled and reversed do not. */
static bool
counts(OpOperationStatus status)
{
	return status <= OP_OPERATION_SUCCEEDED;
}

/* ---------- the row ---------- */

static bool
is_outcome(const OpRow *row, OpOperationStatus to)
{
	OpOperationStatus from;

	if (row->old == NULL)
		return to != OP_OPERATION_REQUESTED ||
			   kind_of(row->value[OPERATION_KIND]) == KIND_CHARGEBACK;
	from = status_of(op_old_value(row, OPERATION_STATUS));
	return from != to && !(from == OP_OPERATION_REQUESTED && to == OP_OPERATION_CANCELLED);
}

static void
require_recorder(const OpRow *row, OpOperationStatus to)
{
	OperationColumn column = OPERATION_STATUS;
	const char	   *what = NULL;

	if (is_outcome(row, to))
		what = psprintf("the role may not record that a %s is \"%s\"",
						kinds[Min(kind_of(row->value[OPERATION_KIND]), KIND_CHARGEBACK)],
						label_of(to));
	else if (row->old == NULL ? op_sign(op_numeric_of(row->value[OPERATION_FEE])) != 0
							  : !op_is_unchanged(row, OPERATION_FEE))
	{
		column = OPERATION_FEE;
		what = "the role may not record the column \"fee\" of an operation";
	}
	if (what != NULL && !op_may_record(op_root_of(row->rel)))
		op_refuse_record(row->rel, row->attnum[column], what,
						 "An application requests captures, voids and refunds; the role of the gateway records what becomes of them.");
}

static void
keep_links(const OpRow *row)
{
	static const OperationColumn kept[] = {
		OPERATION_ORDER_ID, OPERATION_ID, OPERATION_PAYMENT_ID, OPERATION_KIND,
		OPERATION_AMOUNT, OPERATION_CURRENCY, OPERATION_REQUEST_KEY, OPERATION_REQUEST_HASH};

	for (int i = 0; i < (int) lengthof(kept); i++)
		op_keep(row, kept[i]);
}

/* A void is of all that is left. One that is known to have happened may come late. */
static void
fill_void(OpRow *row, const OpLockedPayment *payment)
{
	if (row->value[OPERATION_AMOUNT].isnull)
		op_set_value(row, OPERATION_AMOUNT,
					 op_numeric_value(op_sign(payment->rest) > 0 ? payment->rest
																 : payment->amount));
}

static void
require_payment(const OpRow *row, bool found)
{
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
				 errmsg("the payment of the operation does not exist"),
				 errhint("order_id and payment_id name a row of payments: insert that first."),
				 errtablecol(row->rel, row->attnum[OPERATION_PAYMENT_ID])));
}

static void
fill_new(OpRow *row, const OpLockedPayment *payment)
{
	NullableDatum id = {0, false};

	if (row->value[OPERATION_ID].isnull)
	{
		id.value = UUIDPGetDatum(op_make_uuid_v7());
		op_set_value(row, OPERATION_ID, id);
	}
	if (row->value[OPERATION_CURRENCY].isnull)
		op_set_value(row, OPERATION_CURRENCY, payment->currency);
	if (kind_of(row->value[OPERATION_KIND]) == KIND_VOID)
		fill_void(row, payment);
}

/* Does it count against what is due? A refund from when it is asked for. */
static bool
counts_for_due(OperationKind kind, OpOperationStatus status)
{
	return (kind == KIND_REFUND && counts(status)) ||
		   (kind == KIND_CHARGEBACK && status == OP_OPERATION_SUCCEEDED);
}

static bool
begins_to_count(OperationKind kind, OpOperationStatus from, OpOperationStatus to)
{
	return counts_for_due(kind, to) && !counts_for_due(kind, from);
}

static void
maintain_new(OpRow *row, TupleTableSlot *given)
{
	OpLockedPayment payment = {{0, true}, op_zero(), op_zero(), op_zero(), op_zero()};

	if (!row->value[OPERATION_REQUEST_KEY].isnull)
		op_lock_same_request(row->rel, given, row->value[OPERATION_REQUEST_KEY].value);
	require_payment(row, op_lock_payment(row->rel, given, &payment));
	fill_new(row, &payment);
	op_derive_numeric(row, OPERATION_OBLIGATORY, op_zero());
}

static void
refuse_amount(const OpRow *row, OperationColumn column, const char *constraint)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("column \"%s\" of table \"%s\" must be an amount of its currency",
					operation_columns[column].name, RelationGetRelationName(row->rel)),
			 errdetail("Amounts are finite and within the decimals of a currency that has a minor unit; what is asked for, or has happened, is above 0."),
			 errhint("Round before: amounts are never rounded silently. order_payment.currency_exponent() tells how many a currency has."),
			 errtablecol(row->rel, row->attnum[column]),
			 errtableconstraint(row->rel, constraint)));
}

/*
 * The CHECKs are the net under it: they would show the whole row, where an amount
 * or a currency may be a card number that was bound to the wrong parameter.
 */
static void
check_amounts(const OpRow *row)
{
	NullableDatum amount = row->value[OPERATION_AMOUNT];
	NullableDatum fee = row->value[OPERATION_FEE];
	const text	 *currency;

	if (row->value[OPERATION_CURRENCY].isnull)
		return;
	currency = DatumGetTextPP(row->value[OPERATION_CURRENCY].value);
	if (!amount.isnull && (op_sign(DatumGetNumeric(amount.value)) <= 0 ||
						   !op_is_amount_of(DatumGetNumeric(amount.value), currency)))
		refuse_amount(row, OPERATION_AMOUNT, "payment_operations_amount_check");
	if (!fee.isnull && !op_is_amount_of(DatumGetNumeric(fee.value), currency))
		refuse_amount(row, OPERATION_FEE, "payment_operations_fee_check");
}

/* settled: what it pays of the due, as it has just found out itself, or NULL. */
static void
maintain_old(OpRow *row, OpOperationStatus to, Numeric settled)
{
	OpOperationStatus from = status_of(op_old_value(row, OPERATION_STATUS));
	Numeric			  obligatory = op_old_numeric(row, OPERATION_OBLIGATORY);

	if (is_request(from) && !is_request(to) && op_sign(obligatory) > 0)
		op_request_ends(DatumGetUUIDP(op_old_value(row, OPERATION_ID).value));
	if (settled != NULL)
		op_effect_met();
	else if (begins_to_count(kind_of(row->value[OPERATION_KIND]), from, to))
		settled = op_zero(); /* until it acts */
	op_derive_numeric(row, OPERATION_OBLIGATORY, settled ? settled : obligatory);
}

PG_FUNCTION_INFO_V1(op_maintain_operation);
Datum
op_maintain_operation(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_BEFORE_INSERT, OP_BEFORE_UPDATE, OP_FIRINGS_END};
	static NullableDatum	  last_created_at = {0, true};
	TriggerData				 *trigdata = op_trigger_data(fcinfo, "maintain_operation", firings,
														 "BEFORE INSERT OR UPDATE, for each row");
	OpOperationStatus		  to;
	OpRow					  row;

	if (op_restore)
		return op_unchanged(trigdata);
	op_open_row(&row, trigdata, operation_columns, OPERATION_NCOLUMNS);
	to = status_of(row.value[OPERATION_STATUS]);
	op_maintain_created_at(&row, OPERATION_CREATED_AT, &last_created_at);
	if (row.old)
		keep_links(&row);
	require_recorder(&row, to);
	if (row.old)
		maintain_old(&row, to, op_settled_obligatory(trigdata));
	else
		maintain_new(&row, trigdata->tg_trigslot);
	check_amounts(&row);
	return op_close_row(&row, trigdata);
}

/* ---------- what becomes of it ---------- */

/* The difference that a change makes to a sum of amounts. */
static Numeric
difference(bool before, bool after, Numeric amount)
{
	if (before == after)
		return op_zero();
	return after ? amount : op_sub(op_zero(), amount);
}

/* from: the status before, reversed (which counts nowhere) for a new row. */
static OpDemand
demand_of(OperationKind kind, OpOperationStatus from, OpOperationStatus to, Numeric amount)
{
	Numeric	 pending = difference(is_request(from), is_request(to), amount);
	bool	 was_done = from == OP_OPERATION_SUCCEEDED;
	Numeric	 done = difference(was_done, to == OP_OPERATION_SUCCEEDED, amount);
	Numeric	 none = op_zero();
	OpDemand demand = {
		.is_void = kind == KIND_VOID,
		.is_done = to == OP_OPERATION_SUCCEEDED && from != to,
		.is_request = is_request(to) && !is_request(from),
		.capture_pending = kind == KIND_CAPTURE || kind == KIND_VOID ? pending : none,
		.captured = kind == KIND_CAPTURE ? done : none,
		.refund_pending = kind == KIND_REFUND ? pending : none,
		.refunded = kind == KIND_REFUND ? done : none,
		.charged_back = kind == KIND_CHARGEBACK ? done : none,
	};

	return demand;
}

/* Money can go back only if it came: what is known of the refund tells of the capture. */
static void
presuppose_capture(Relation rel, TupleTableSlot *row, const char *currency)
{
	OpPaymentEffect presupposed;

	memset(&presupposed, 0, sizeof(presupposed));
	presupposed.presupposes_capture = true;
	presupposed.due_paid = op_zero();
	presupposed.currency = currency;
	op_affect_payment(rel, row, &presupposed);
}

/*
 * What an operation pays of the due. It is known when it acts and not before:
 * operations of the same statement may act first.
 */
static Numeric
settle_obligatory(Relation rel, TupleTableSlot *row, const AttrNumber *column)
{
	Datum	id = op_require_value(rel, row, column[OPERATION_ID]);
	Numeric result = op_min(op_numeric_of(op_value_in(row, column[OPERATION_AMOUNT])),
							op_uncovered_due(rel, row, id));

	if (op_sign(result) > 0)
		op_settle_operation(rel, row, id, result);
	return result;
}

/* Locks the payments, unless that was done before the row was stored. */
static void
prepare_payment(Relation rel, TupleTableSlot *row, bool is_new, const OpPaymentEffect *effect)
{
	bool gives_back =
		op_sign(effect->demand.refunded) > 0 || op_sign(effect->demand.charged_back) > 0;
	OpLockedPayment payment;

	if ((is_new && !gives_back) || !op_lock_payment(rel, row, &payment))
		return;
	if (gives_back && op_sign(payment.captured) == 0)
		presuppose_capture(rel, row, effect->currency);
}

/* What it does to its payment, but for what it pays of the due. */
static OpPaymentEffect
effect_of(Relation rel, TupleTableSlot *row, const AttrNumber *column, OpOperationStatus from,
		  bool is_new)
{
	OpOperationStatus to = status_of(op_value_in(row, column[OPERATION_STATUS]));
	Numeric			  amount = op_numeric_of(op_value_in(row, column[OPERATION_AMOUNT]));
	OpPaymentEffect	  effect = {
		  .demand = demand_of(kind_of(op_value_in(row, column[OPERATION_KIND])), from, to, amount),
		  .currency = TextDatumGetCString(op_require_value(rel, row, column[OPERATION_CURRENCY])),
		  .due_paid = op_zero(),
		  .cause = {
			  .entity = "operation",
			  .entity_id = op_require_value(rel, row, column[OPERATION_ID]),
			  .from = is_new ? NULL : label_of(from),
			  .to = label_of(to),
			  .amount = amount,
			  .late = !is_new && to == OP_OPERATION_SUCCEEDED && !counts(from),
		  },
		  .ncauses = 1,
	  };

	return effect;
}

/* Settles what it pays of the due, if it begins to count. That is paid when money moves. */
static Numeric
pay_due(Relation rel, TupleTableSlot *row, const AttrNumber *column, OpOperationStatus from,
		const OpDemand *demand)
{
	OperationKind	  kind = kind_of(op_value_in(row, column[OPERATION_KIND]));
	OpOperationStatus to = status_of(op_value_in(row, column[OPERATION_STATUS]));
	bool			  gives = op_sign(demand->refunded) != 0 || op_sign(demand->charged_back) != 0;
	Numeric			  obligatory;

	if (begins_to_count(kind, from, to))
		obligatory = settle_obligatory(rel, row, column);
	else
		obligatory = op_numeric_of(op_value_in(row, column[OPERATION_OBLIGATORY]));
	return gives ? obligatory : op_zero();
}

PG_FUNCTION_INFO_V1(op_apply_operation);
Datum
op_apply_operation(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_AFTER_INSERT, OP_AFTER_UPDATE, OP_FIRINGS_END};
	TriggerData				 *trigdata = op_trigger_data(fcinfo, "apply_operation", firings,
														 "AFTER INSERT OR UPDATE, for each row");
	Relation				  rel = trigdata->tg_relation;
	bool					  is_new = !TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event);
	TupleTableSlot			 *row = is_new ? trigdata->tg_trigslot : trigdata->tg_newslot;
	AttrNumber				  column[OPERATION_NCOLUMNS];
	OpOperationStatus		  from = OP_OPERATION_REVERSED;
	OpOperationStatus		  to;
	OpPaymentEffect			  effect;

	if (op_restore)
		return PointerGetDatum(NULL);
	op_row_columns(rel, operation_columns, OPERATION_NCOLUMNS, column);
	to = status_of(op_value_in(row, column[OPERATION_STATUS]));
	if (!is_new)
		from = status_of(op_value_in(trigdata->tg_trigslot, column[OPERATION_STATUS]));
	if (!is_new && from == to)
		return PointerGetDatum(NULL);

	op_require_latest(trigdata, column[OPERATION_STATUS]);
	effect = effect_of(rel, row, column, from, is_new);
	prepare_payment(rel, row, is_new, &effect);
	effect.due_paid = pay_due(rel, row, column, from, &effect.demand);
	if (is_request(from) && !is_request(to))
		op_request_acts(DatumGetUUIDP(effect.cause.entity_id));
	op_affect_payment(rel, row, &effect);
	return PointerGetDatum(NULL);
}
