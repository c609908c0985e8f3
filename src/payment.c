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
 * maintain_payment() keeps the row; what an operation does to its payment
 * arrives here as well. What that makes of the order is in payment_effect.c.
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
#include "inquiry.h"
#include "money.h"
#include "payment.h"
#include "payment_row.h"
#include "payment_rules.h"
#include "recorder.h"
#include "settings.h"
#include "sibling.h"
#include "status.h"
#include "transition.h"
#include "uuid_v7.h"

#define KEYS_STAY		   "Keys, links and amounts of a payment never change: make another one."
#define FOLLOWS_OPERATIONS "It follows the status of the payment and the rows of payment_operations."
#define LEAVE_TIME		   "Leave it out. To load times, let a superuser set order_payment.restore."

const OpColumn op_payment_columns[PAYMENT_NCOLUMNS] = {
	[PAYMENT_ORDER_ID] = {"order_id", InvalidOid, KEYS_STAY},
	[PAYMENT_ID] = {"payment_id", UUIDOID, KEYS_STAY},
	[PAYMENT_GATEWAY] = {"gateway", TEXTOID, KEYS_STAY},
	[PAYMENT_METHOD] = {"method", TEXTOID, NULL},
	[PAYMENT_AMOUNT] = {"amount", NUMERICOID, KEYS_STAY},
	[PAYMENT_CURRENCY] = {"currency", TEXTOID, KEYS_STAY},
	[PAYMENT_STATUS] = {"status", OP_STATUS_TYPE(OP_PAYMENT_STATUS), NULL},
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
	[PAYMENT_ATTEMPT_NO] = {"attempt_no", INT4OID, NULL},
	[PAYMENT_RETRY_OF] = {"retry_of", UUIDOID, KEYS_STAY},
	[PAYMENT_FAILURE_CLASS] = {"failure_class", InvalidOid, NULL},
	[PAYMENT_RETRY_AT] = {"retry_at", TIMESTAMPTZOID, NULL},
	[PAYMENT_CAPTURE_BEFORE] = {"capture_before", TIMESTAMPTZOID, NULL},
	[PAYMENT_CONTACT_NEEDED_AT] = {"contact_needed_at", TIMESTAMPTZOID, NULL},
	[PAYMENT_CREATED_AT] = {"created_at", TIMESTAMPTZOID, LEAVE_TIME},
};

StaticAssertDecl(PAYMENT_NCOLUMNS <= OP_ROW_MAX_COLUMNS, "a row has room for them");

/* ---------- the statuses ---------- */

OpPaymentStatus
op_payment_status(NullableDatum value)
{
	return value.isnull ? OP_PAYMENT_CREATED : (OpPaymentStatus) DatumGetStatus(value.value);
}

const char *
op_payment_label(OpPaymentStatus status)
{
	const OpStatusLabel *label = op_label_by_code(&op_vocabularies[OP_PAYMENT_STATUS], status);

	return label ? label->name : "";
}

bool
op_is_in_flight(OpPaymentStatus status)
{
	return status == OP_PAYMENT_CREATED || status == OP_PAYMENT_PROCESSING ||
		   status == OP_PAYMENT_REQUIRES_ACTION;
}

/* What an application may say of its own attempt; the rest is an outcome. */
static bool
is_outcome(const OpRow *row, OpPaymentStatus from, OpPaymentStatus to)
{
	if (row->old == NULL)
		return !op_is_in_flight(to);
	return from != to && !(op_is_in_flight(from) && op_is_in_flight(to)) &&
		   !(from == OP_PAYMENT_CREATED && to == OP_PAYMENT_REVOKED);
}

/* Figures that the gateway tells. A fee may come with the payment, but as a cost. */
static bool
is_told(const OpRow *row, OpPaymentColumn column)
{
	if (row->old != NULL)
		return !op_is_unchanged(row, column);
	switch (column)
	{
		case PAYMENT_FEE:
			return op_sign(op_numeric_of(row->value[column])) < 0;
		case PAYMENT_FEE_FINAL:
			return !row->value[column].isnull && DatumGetBool(row->value[column].value);
		case PAYMENT_AUTHORIZED:
			return op_sign(op_numeric_of(row->value[column])) != 0;
		default:
			return !row->value[column].isnull;
	}
}

static void
require_recorder(const OpRow *row, OpPaymentStatus from, OpPaymentStatus to)
{
	static const OpPaymentColumn figures[] = {PAYMENT_FEE, PAYMENT_FEE_FINAL, PAYMENT_AUTHORIZED,
											  PAYMENT_CAPTURE_BEFORE, PAYMENT_FAILURE_CLASS};
	const char					*what = NULL;
	OpPaymentColumn				 column = PAYMENT_STATUS;

	if (is_outcome(row, from, to))
		what = psprintf("the role may not record that a payment is \"%s\"", op_payment_label(to));
	for (int i = 0; i < (int) lengthof(figures); i++)
	{
		if (!is_told(row, figures[i]))
			continue;
		column = figures[i];
		what = psprintf("the role may not record the column \"%s\" of a payment",
						op_payment_columns[column].name);
	}
	if (what != NULL && !op_may_record(op_root_of(row->rel)))
		op_refuse_record(row->rel, row->attnum[column], what,
						 "An application inserts payments that are created; the role of the gateway records what becomes of them.");
}

/* ---------- the row as figures ---------- */

/* As stored; the status is the statement's. */
static OpFigures
figures_of(const OpRow *row)
{
	OpFigures figures = {
		.status = op_payment_status(row->value[PAYMENT_STATUS]),
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
	int		column = op_sign(demand->refund_pending) > 0 ? PAYMENT_REFUND_PENDING
														 : PAYMENT_CAPTURE_PENDING;

	if (left == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OP_NOT_ENOUGH_LEFT),
			 errmsg("%s", demand->is_void ? "a void must be of all that is left of an authorisation"
										  : "capture or refund asks for more than is left"),
			 errdetail("Payment %s: %s is left, %s is asked for.",
					   row->value[PAYMENT_ID].isnull
						   ? ""
						   : DatumGetCString(
								 DirectFunctionCall1(uuid_out, row->value[PAYMENT_ID].value)),
					   op_amount_text(left),
					   op_amount_text(op_max(demand->capture_pending, demand->refund_pending))),
			 errhint("payment_overview shows what can be captured and refunded; requests that are under way count."),
			 errtablecol(row->rel, row->attnum[column])));
}

/* One currency in a payment and its operations. */
static void
check_currency(const OpRow *row, const char *currency)
{
	const char *own = row->value[PAYMENT_CURRENCY].isnull
						  ? ""
						  : TextDatumGetCString(row->value[PAYMENT_CURRENCY].value);

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
	/* a status that triggers of users want besides would come before the facts */
	if (row->old != NULL)
		figures->status = op_payment_status(op_old_value(row, PAYMENT_STATUS));
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
	bool given = op_sign(op_numeric_of(row->value[PAYMENT_AUTHORIZED])) > 0 &&
				 !op_is_unchanged(row, PAYMENT_AUTHORIZED);

	if (figures->status != OP_PAYMENT_AUTHORIZED)
		return;
	if (given)
		figures->authorized = op_numeric_of(row->value[PAYMENT_AUTHORIZED]);
	else if (from != OP_PAYMENT_AUTHORIZED && op_sign(figures->authorized) == 0)
		figures->authorized = figures->amount;
}

static void
take_statement(OpRow *row, OpFigures *figures)
{
	OpPaymentStatus from = row->old ? op_payment_status(op_old_value(row, PAYMENT_STATUS))
									: OP_PAYMENT_CREATED;

	require_recorder(row, from, figures->status);
	take_authorization(row, from, figures);
	if (figures->status == OP_PAYMENT_SUCCEEDED &&
		(row->old == NULL || from != OP_PAYMENT_SUCCEEDED))
		op_capture_rest(figures);
}

static void
check_attempt(const OpRow *row)
{
	NullableDatum attempt = row->value[PAYMENT_ATTEMPT_NO];

	if (!attempt.isnull && DatumGetInt32(attempt.value) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("the number of an attempt begins with 1"),
				 errhint("Leave it out; retry_payment() counts attempts."),
				 errtablecol(row->rel, row->attnum[PAYMENT_ATTEMPT_NO]),
				 errtableconstraint(row->rel, "payments_attempt_no_check")));
}

/* What no payment may have; the CHECK payments_money_check is the net under it. */
static void
check_amounts(const OpRow *row)
{
	static const OpPaymentColumn amounts[] = {PAYMENT_AMOUNT, PAYMENT_FEE, PAYMENT_AUTHORIZED};
	NullableDatum				 currency = row->value[PAYMENT_CURRENCY];

	for (int i = 0; i < (int) lengthof(amounts); i++)
	{
		NullableDatum value = row->value[amounts[i]];

		if (value.isnull || currency.isnull ||
			(op_is_amount_of(DatumGetNumeric(value.value), DatumGetTextPP(currency.value)) &&
			 (amounts[i] == PAYMENT_FEE || op_sign(DatumGetNumeric(value.value)) >= 0) &&
			 (amounts[i] != PAYMENT_AMOUNT || op_sign(DatumGetNumeric(value.value)) > 0)))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("column \"%s\" of table \"%s\" must be an amount of its currency",
						op_payment_columns[amounts[i]].name, RelationGetRelationName(row->rel)),
				 errdetail("Amounts are finite and within the decimals of a currency that has a minor unit; what is paid is above 0."),
				 errhint("Round before: amounts are never rounded silently. order_payment.currency_exponent() tells how many a currency has."),
				 errtablecol(row->rel, row->attnum[amounts[i]]),
				 errtableconstraint(row->rel, "payments_money_check")));
	}
}

/* ---------- what a new payment is given ---------- */

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

/*
 * The foreign key would refuse it, too, but not before the row, with a card taken
 * over from a payment of another order, had been seen by RETURNING.
 */
static void
require_retried(OpRow *row, TupleTableSlot *given)
{
	if (!op_lock_retried(row->rel, given, row->value[PAYMENT_RETRY_OF].value))
		ereport(ERROR, (errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
						errmsg("the payment that is tried again is none of this order"),
						errhint("Insert the one that retry_of names first."),
						errtableconstraint(row->rel, "payments_retry_of_fkey")));
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
	if (!row->value[PAYMENT_RETRY_OF].isnull)
		require_retried(row, given);
	if (row->value[PAYMENT_FEE].isnull)
	{
		check_amounts(row);
		op_set_value(row, PAYMENT_FEE, op_numeric_value(find_fee(row)));
	}
}

/*
 * When a payment that has failed is tried again: by the schedule of its
 * gateway, unless the statement says when. One that has not failed is not.
 */
static void
schedule_retry(OpRow *row, OpPaymentStatus to)
{
	bool		  had_failed;
	NullableDatum never = {0, true};
	NullableDatum at;

	if (row->old == NULL || !op_is_unchanged(row, PAYMENT_RETRY_AT))
		return;
	had_failed = op_payment_status(op_old_value(row, PAYMENT_STATUS)) == OP_PAYMENT_FAILED;
	if (to != OP_PAYMENT_FAILED && had_failed && !row->value[PAYMENT_RETRY_AT].isnull)
		op_set_value(row, PAYMENT_RETRY_AT, never);
	if (to != OP_PAYMENT_FAILED || (had_failed && op_is_unchanged(row, PAYMENT_FAILURE_CLASS)))
		return;
	at = op_next_retry(row->rel, row->old, row->value[PAYMENT_FAILURE_CLASS],
					   op_int_of(row->value[PAYMENT_ATTEMPT_NO]));
	op_set_value(row, PAYMENT_RETRY_AT, at);
}

static void
keep_links(const OpRow *row)
{
	static const OpPaymentColumn kept[] = {PAYMENT_ORDER_ID, PAYMENT_ID, PAYMENT_GATEWAY,
										   PAYMENT_AMOUNT, PAYMENT_CURRENCY, PAYMENT_REQUEST_KEY,
										   PAYMENT_REQUEST_HASH, PAYMENT_RETRY_OF};

	for (int i = 0; i < (int) lengthof(kept); i++)
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
	op_open_row(&row, trigdata, op_payment_columns, PAYMENT_NCOLUMNS);
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
	check_amounts(&row);
	check_attempt(&row);
	schedule_retry(&row, figures.status);
	put_figures(&row, &figures);
	moved = figures.status != op_payment_status(row.value[PAYMENT_STATUS]);
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
		op_effect_met();
	return op_close_row(&row, trigdata);
}
