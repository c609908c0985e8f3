/*
 * payment.c
 *	  Payments: one row is one attempt to pay an order.
 *
 * authorised	what the gateway holds for us: at first the whole amount
 * captured		what it has taken; a payment that succeeds without ever having
 *				been authorised captures its amount by itself, one that was
 *				captures by operations, and the rest when it is set to succeeded
 * live			authorised and not yet captured, while the status is authorized
 * outcome		what only the gateway can know; recorder.c says who records it
 *
 * maintain_payment() keeps the row, apply_payment() tells the order what the
 * row has done. What an operation does to its payment arrives here as well.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "amount.h"
#include "derived.h"
#include "effects.h"
#include "errors.h"
#include "money.h"
#include "payment.h"
#include "payment_rules.h"
#include "recorder.h"
#include "settings.h"
#include "sibling.h"
#include "status.h"
#include "transition.h"
#include "uuid_v7.h"

typedef enum PaymentColumn
{
	PAYMENT_ORDER_ID,
	PAYMENT_ID,
	PAYMENT_GATEWAY,
	PAYMENT_METHOD,
	PAYMENT_AMOUNT,
	PAYMENT_CURRENCY,
	PAYMENT_STATUS,
	PAYMENT_REQUEST_KEY,
	PAYMENT_REQUEST_HASH,
	PAYMENT_AUTHORIZED,
	PAYMENT_CAPTURE_PENDING,
	PAYMENT_CAPTURED,
	PAYMENT_REFUND_PENDING,
	PAYMENT_REFUNDED,
	PAYMENT_CHARGED_BACK,
	PAYMENT_FEE,
	PAYMENT_FEE_FINAL,
	PAYMENT_RETRY_OF,
	PAYMENT_CONTACT_NEEDED_AT,
	PAYMENT_CREATED_AT,
	PAYMENT_NCOLUMNS
} PaymentColumn;

#define KEYS_STAY		   "Keys, links and amounts of a payment never change: make another one."
#define FOLLOWS_OPERATIONS "It follows the status of the payment and the rows of payment_operations."
#define LEAVE_TIME		   "Leave it out. To load times, let a superuser set order_payment.restore."

static const OpColumn payment_columns[] = {
	[PAYMENT_ORDER_ID] = {"order_id", InvalidOid, KEYS_STAY},
	[PAYMENT_ID] = {"payment_id", UUIDOID, KEYS_STAY},
	[PAYMENT_GATEWAY] = {"gateway", TEXTOID, KEYS_STAY},
	[PAYMENT_METHOD] = {"method", TEXTOID, NULL},
	[PAYMENT_AMOUNT] = {"amount", NUMERICOID, KEYS_STAY},
	[PAYMENT_CURRENCY] = {"currency", TEXTOID, KEYS_STAY},
	[PAYMENT_STATUS] = {"status", InvalidOid, NULL},
	[PAYMENT_REQUEST_KEY] = {"request_key", TEXTOID, KEYS_STAY},
	[PAYMENT_REQUEST_HASH] = {"request_hash", TEXTOID, KEYS_STAY},
	[PAYMENT_AUTHORIZED] = {"authorized_amount", NUMERICOID,
							"It is given with the status authorized, or while that lasts."},
	[PAYMENT_CAPTURE_PENDING] = {"capture_pending_amount", NUMERICOID, FOLLOWS_OPERATIONS},
	[PAYMENT_CAPTURED] = {"captured_amount", NUMERICOID, FOLLOWS_OPERATIONS},
	[PAYMENT_REFUND_PENDING] = {"refund_pending_amount", NUMERICOID, FOLLOWS_OPERATIONS},
	[PAYMENT_REFUNDED] = {"refunded_amount", NUMERICOID, FOLLOWS_OPERATIONS},
	[PAYMENT_CHARGED_BACK] = {"charged_back_amount", NUMERICOID, FOLLOWS_OPERATIONS},
	[PAYMENT_FEE] = {"fee", NUMERICOID, NULL},
	[PAYMENT_FEE_FINAL] = {"fee_final", BOOLOID, NULL},
	[PAYMENT_RETRY_OF] = {"retry_of", UUIDOID, KEYS_STAY},
	[PAYMENT_CONTACT_NEEDED_AT] = {"contact_needed_at", TIMESTAMPTZOID, NULL},
	[PAYMENT_CREATED_AT] = {"created_at", TIMESTAMPTZOID, LEAVE_TIME},
};

StaticAssertDecl(lengthof(payment_columns) == PAYMENT_NCOLUMNS, "each column is described");
StaticAssertDecl(PAYMENT_NCOLUMNS <= OP_ROW_MAX_COLUMNS, "a row has room for them");

/* ---------- the statuses ---------- */

static OpPaymentStatus
status_of(NullableDatum value)
{
	return value.isnull ? OP_PAYMENT_CREATED : (OpPaymentStatus) DatumGetStatus(value.value);
}

static const char *
label_of(OpPaymentStatus status)
{
	const OpStatusLabel *label = op_label_by_code(&op_vocabularies[OP_PAYMENT_STATUS], status);

	return label ? label->name : "";
}

/* Asked for by the shop itself, and not yet answered. */
static bool
is_in_flight(OpPaymentStatus status)
{
	return status == OP_PAYMENT_CREATED || status == OP_PAYMENT_PROCESSING || status == OP_PAYMENT_REQUIRES_ACTION;
}

/* What an application may say of its own attempt; the rest is an outcome. */
static bool
is_outcome(const OpRow *row, OpPaymentStatus from, OpPaymentStatus to)
{
	if (row->old == NULL)
		return !is_in_flight(to);
	return from != to && !(is_in_flight(from) && is_in_flight(to)) &&
		   !(from == OP_PAYMENT_CREATED && to == OP_PAYMENT_REVOKED);
}

static void
require_recorder(const OpRow *row, OpPaymentStatus from, OpPaymentStatus to)
{
	static const PaymentColumn figures[] = {PAYMENT_FEE, PAYMENT_FEE_FINAL, PAYMENT_AUTHORIZED};
	const char				  *what = NULL;

	if (is_outcome(row, from, to))
		what = psprintf("the role may not record that a payment is \"%s\"", label_of(to));
	for (int i = 0; row->old != NULL && i < lengthof(figures); i++)
	{
		if (!op_is_unchanged(row, figures[i]))
			what = psprintf("the role may not record the column \"%s\" of a payment",
							payment_columns[figures[i]].name);
	}
	if (what != NULL && !op_may_record(op_root_of(row->rel)))
		op_refuse_record(row->rel, what,
						 "An application inserts payments that are created; the role of the gateway records what becomes of them.");
}

/* ---------- the row as figures ---------- */

/* As stored; the status is the statement's. */
static OpFigures
figures_of(const OpRow *row)
{
	OpFigures figures = {
		.status = status_of(row->value[PAYMENT_STATUS]),
		.amount = op_numeric_of(row->value[PAYMENT_AMOUNT]),
		.authorized = op_old_numeric(row, PAYMENT_AUTHORIZED),
		.capture_pending = op_old_numeric(row, PAYMENT_CAPTURE_PENDING),
		.captured = op_old_numeric(row, PAYMENT_CAPTURED),
		.refund_pending = op_old_numeric(row, PAYMENT_REFUND_PENDING),
		.refunded = op_old_numeric(row, PAYMENT_REFUNDED),
		.charged_back = op_old_numeric(row, PAYMENT_CHARGED_BACK),
	};

	return figures;
}

static void
put_figures(OpRow *row, const OpFigures *figures)
{
	op_derive_numeric(row, PAYMENT_AUTHORIZED, figures->authorized);
	op_derive_numeric(row, PAYMENT_CAPTURE_PENDING, figures->capture_pending);
	op_derive_numeric(row, PAYMENT_CAPTURED, figures->captured);
	op_derive_numeric(row, PAYMENT_REFUND_PENDING, figures->refund_pending);
	op_derive_numeric(row, PAYMENT_REFUNDED, figures->refunded);
	op_derive_numeric(row, PAYMENT_CHARGED_BACK, figures->charged_back);
}

/* ---------- what an operation does to its payment ---------- */

/* R4: a request needs enough left, under the lock of the payment. */
static void
check_request(const OpRow *row, const OpFigures *figures, const OpDemand *demand)
{
	Numeric left = op_left_for(figures, demand);

	if (left == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OP_NOT_ENOUGH_LEFT),
			 errmsg("%s", demand->is_void ? "a void must be of all that is left of an authorisation"
										  : "capture or refund asks for more than is left"),
			 errdetail("Payment %s: %s is left, %s is asked for.",
					   DatumGetCString(DirectFunctionCall1(uuid_out, row->value[PAYMENT_ID].value)),
					   op_amount_text(left),
					   op_amount_text(op_max(demand->capture_pending, demand->refund_pending))),
			 errhint("payment_overview shows what can be captured and refunded; requests that are under way count."),
			 errtable(row->rel)));
}

/* One currency in a payment and its operations. */
static void
check_currency(const OpRow *row, const char *currency)
{
	const char *own = TextDatumGetCString(row->value[PAYMENT_CURRENCY].value);

	if (strcmp(own, currency) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("the currency of an operation must be that of its payment"),
				 errdetail("The operation is in %s, the payment in %s.", currency, own),
				 errhint("Leave out the currency of the operation: it is taken from the payment."),
				 errtablecol(row->rel, row->attnum[PAYMENT_CURRENCY])));
}

static void
take_operation(const OpRow *row, OpFigures *figures, const OpPaymentEffect *effect)
{
	check_currency(row, effect->currency);
	if (effect->presupposes_capture)
	{
		figures->status = OP_PAYMENT_SUCCEEDED;
		op_capture_rest(figures);
		return;
	}
	check_request(row, figures, &effect->demand);
	op_take_demand(figures, &effect->demand);
}

/* ---------- what a statement does to a payment ---------- */

/* What the gateway authorised comes with that status; later it may be corrected. */
static void
take_authorization(OpRow *row, OpPaymentStatus from, OpFigures *figures)
{
	bool given = row->old == NULL ? op_sign(op_numeric_of(row->value[PAYMENT_AUTHORIZED])) > 0
								  : !op_is_unchanged(row, PAYMENT_AUTHORIZED);

	if (figures->status != OP_PAYMENT_AUTHORIZED)
		return;
	if (given && !row->is_excluded)
		figures->authorized = op_numeric_of(row->value[PAYMENT_AUTHORIZED]);
	else if (from != OP_PAYMENT_AUTHORIZED && op_sign(figures->authorized) == 0)
		figures->authorized = figures->amount;
}

static void
take_statement(OpRow *row, OpFigures *figures)
{
	OpPaymentStatus from = row->old ? status_of(op_old_value(row, PAYMENT_STATUS)) : OP_PAYMENT_CREATED;

	require_recorder(row, from, figures->status);
	take_authorization(row, from, figures);
	if (figures->status == OP_PAYMENT_SUCCEEDED && (row->old == NULL || from != OP_PAYMENT_SUCCEEDED))
		op_capture_rest(figures);
}

/* ---------- what a new payment is given ---------- */

static Numeric
op_fee(Numeric amount, Numeric rate, Numeric fixed, const text *currency)
{
	Datum exact = DirectFunctionCall2(numeric_add, DirectFunctionCall2(numeric_mul, NumericGetDatum(amount), NumericGetDatum(rate)), NumericGetDatum(fixed));

	return DatumGetNumeric(DirectFunctionCall2(numeric_round, exact, Int32GetDatum(op_exponent_of(VARDATA_ANY(currency), VARSIZE_ANY_EXHDR(currency)))));
}

/* The gateway's fee, half-up once; 0 if none is known. */
static Numeric
find_fee(const OpRow *row)
{
	Numeric rate;
	Numeric fixed;

	if (row->value[PAYMENT_GATEWAY].isnull || row->value[PAYMENT_AMOUNT].isnull ||
		row->value[PAYMENT_CURRENCY].isnull ||
		!op_find_fee(row->rel, row->value[PAYMENT_GATEWAY].value, row->value[PAYMENT_METHOD],
					 row->value[PAYMENT_CURRENCY].value, &rate, &fixed))
		return op_zero();
	return op_fee(DatumGetNumeric(row->value[PAYMENT_AMOUNT].value), rate, fixed,
				  DatumGetTextPP(row->value[PAYMENT_CURRENCY].value));
}

static void
fill_new(OpRow *row, TupleTableSlot *given)
{
	NullableDatum value;

	if (row->value[PAYMENT_ID].isnull)
	{
		value.value = UUIDPGetDatum(op_make_uuid_v7());
		value.isnull = false;
		op_set_value(row, PAYMENT_ID, value);
	}
	if (row->value[PAYMENT_CURRENCY].isnull)
	{
		if (!op_currency_of_order(row->rel, given, &value))
			ereport(ERROR,
					(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
					 errmsg("the order of the payment does not exist"),
					 errhint("Insert the order first."),
					 errtablecol(row->rel, row->attnum[PAYMENT_ORDER_ID])));
		op_set_value(row, PAYMENT_CURRENCY, value);
	}
	if (row->value[PAYMENT_FEE].isnull)
		op_set_value(row, PAYMENT_FEE, op_numeric_value(find_fee(row)));
}

static void
keep_links(const OpRow *row)
{
	static const PaymentColumn kept[] = {PAYMENT_ORDER_ID, PAYMENT_ID, PAYMENT_GATEWAY,
										 PAYMENT_AMOUNT, PAYMENT_CURRENCY, PAYMENT_REQUEST_KEY,
										 PAYMENT_REQUEST_HASH, PAYMENT_RETRY_OF};

	for (int i = 0; i < lengthof(kept); i++)
		op_keep(row, kept[i]);
}

/* ---------- the triggers ---------- */

PG_FUNCTION_INFO_V1(op_maintain_payment);
Datum
op_maintain_payment(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_BEFORE_INSERT, OP_BEFORE_UPDATE, OP_FIRINGS_END};
	static NullableDatum	  last_created_at = {0, true};
	TriggerData				 *trigdata = op_trigger_data(fcinfo, "maintain_payment", firings,
														 "BEFORE INSERT OR UPDATE, for each row");
	const OpPaymentEffect	 *effect;
	OpManualPayment			 *manual;
	OpRow					  row;
	OpFigures				  figures;
	bool					  moved;

	if (op_restore)
		return op_unchanged(trigdata);
	op_open_row(&row, fcinfo, trigdata, payment_columns, PAYMENT_NCOLUMNS);
	effect = row.old ? op_payment_effect(trigdata) : NULL;
	manual = row.old ? NULL : op_manual_payment(trigdata);
	op_maintain_created_at(&row, PAYMENT_CREATED_AT, &last_created_at);
	if (row.old)
		keep_links(&row);
	else
		fill_new(&row, trigdata->tg_trigslot);
	figures = figures_of(&row);
	if (effect)
		take_operation(&row, &figures, effect);
	else
		take_statement(&row, &figures);
	put_figures(&row, &figures);
	moved = figures.status != status_of(row.value[PAYMENT_STATUS]);
	if (moved)
	{
		NullableDatum status = {StatusGetDatum((uint8) figures.status), false};

		op_set_value(&row, PAYMENT_STATUS, status);
	}
	if (row.old)
		op_force_move(trigdata, moved ? row.attnum[PAYMENT_STATUS] : InvalidAttrNumber,
					  InvalidAttrNumber);
	if (manual)
		manual->payment_id = *DatumGetUUIDP(row.value[PAYMENT_ID].value);
	if (effect || manual)
		op_effect_met(trigdata);
	return op_close_row(&row, trigdata);
}

/* Authorised, not yet captured, and still to be had. */
static Numeric
live_authorization(OpPaymentStatus status, TupleTableSlot *row, const AttrNumber *column)
{
	if (status != OP_PAYMENT_AUTHORIZED)
		return op_zero();
	return op_above_zero(op_sub(op_numeric_of(op_value_in(row, column[PAYMENT_AUTHORIZED])),
								op_numeric_of(op_value_in(row, column[PAYMENT_CAPTURED]))));
}

/* What has become of the payment, seen from its order. */
static OpMovement
movement_of(TupleTableSlot *old, TupleTableSlot *row, const AttrNumber *column)
{
	OpMovement movement = OP_NO_MOVEMENT;
	Numeric	   difference[3];

	for (int i = 0; i < 3; i++)
	{
		static const PaymentColumn counters[] = {PAYMENT_CAPTURED, PAYMENT_REFUNDED,
												 PAYMENT_CHARGED_BACK};
		Numeric					   before =
			   old ? op_numeric_of(op_value_in(old, column[counters[i]])) : op_zero();

		difference[i] = op_sub(op_numeric_of(op_value_in(row, column[counters[i]])), before);
	}
	if (old)
		movement.authorized =
			live_authorization(status_of(op_value_in(old, column[PAYMENT_STATUS])), old, column);
	movement.authorized2 =
		live_authorization(status_of(op_value_in(row, column[PAYMENT_STATUS])), row, column);
	movement.captured = op_above_zero(difference[0]);
	movement.refunded = op_above_zero(difference[1]);
	movement.returned = op_above_zero(op_sub(op_zero(), difference[1]));
	movement.charged_back = op_above_zero(difference[2]);
	movement.won = op_above_zero(op_sub(op_zero(), difference[2]));
	return movement;
}

static bool
is_nothing(const OpMovement *movement)
{
	return op_cmp(movement->authorized, movement->authorized2) == 0 &&
		   op_sign(movement->captured) == 0 && op_sign(movement->refunded) == 0 &&
		   op_sign(movement->returned) == 0 && op_sign(movement->charged_back) == 0 &&
		   op_sign(movement->won) == 0;
}

static void
add_cause(OpOrderEffect *effect, TupleTableSlot *row, const AttrNumber *column, const char *from,
		  const char *to)
{
	OpCause *cause = &effect->causes[effect->ncauses++];

	cause->entity = "payment";
	cause->entity_id = op_value_in(row, column[PAYMENT_ID]).value;
	cause->from = from;
	cause->to = to;
	cause->amount = op_numeric_of(op_value_in(row, column[PAYMENT_AMOUNT]));
}

/* The payment's own events: its status has changed, or it needs a human. */
static void
add_own_causes(OpOrderEffect *effect, TupleTableSlot *old, TupleTableSlot *row,
			   const AttrNumber *column)
{
	OpPaymentStatus to = status_of(op_value_in(row, column[PAYMENT_STATUS]));
	OpPaymentStatus from = old ? status_of(op_value_in(old, column[PAYMENT_STATUS])) : to;

	if (old == NULL || from != to)
	{
		add_cause(effect, row, column, old ? label_of(from) : NULL, label_of(to));
		effect->causes[effect->ncauses - 1].late =
			old != NULL && (from == OP_PAYMENT_FAILED || from == OP_PAYMENT_REVOKED);
	}
	if (old != NULL && op_value_in(old, column[PAYMENT_CONTACT_NEEDED_AT]).isnull &&
		!op_value_in(row, column[PAYMENT_CONTACT_NEEDED_AT]).isnull)
		add_cause(effect, row, column, label_of(to), "customer_contact_needed");
}

PG_FUNCTION_INFO_V1(op_apply_payment);
Datum
op_apply_payment(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_AFTER_INSERT, OP_AFTER_UPDATE, OP_FIRINGS_END};
	TriggerData				 *trigdata = op_trigger_data(fcinfo, "apply_payment", firings,
														 "AFTER INSERT OR UPDATE, for each row");
	Relation				  rel = trigdata->tg_relation;
	bool					  is_update = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event);
	TupleTableSlot			 *old = is_update ? trigdata->tg_trigslot : NULL;
	TupleTableSlot			 *row = is_update ? trigdata->tg_newslot : trigdata->tg_trigslot;
	const AttrNumber		 *column;
	const OpPaymentEffect	 *operation;
	const OpManualPayment	 *manual;
	OpOrderEffect			  effect;

	if (op_restore)
		return PointerGetDatum(NULL);
	column = op_row_columns(fcinfo, rel, payment_columns, PAYMENT_NCOLUMNS);
	operation = is_update ? op_past_payment_effect(trigdata) : NULL;
	manual = is_update ? NULL : op_past_manual_payment(trigdata);
	memset(&effect, 0, sizeof(effect));
	effect.movement = movement_of(old, row, column);
	effect.currency = TextDatumGetCString(op_value_in(row, column[PAYMENT_CURRENCY]).value);
	if (operation != NULL)
	{
		effect.movement.due_paid = operation->due_paid;
		if (operation->ncauses > 0)
			effect.causes[effect.ncauses++] = operation->cause;
	}
	if (manual != NULL)
		effect.is_booked =
			memcmp(&manual->payment_id,
				   DatumGetUUIDP(op_value_in(row, column[PAYMENT_ID]).value), UUID_LEN) == 0;
	add_own_causes(&effect, old, row, column);
	if (effect.ncauses > 0 || !is_nothing(&effect.movement))
		op_affect_order(rel, row, &effect);
	return PointerGetDatum(NULL);
}
