/*
 * payment_effect.c
 *	  What a payment does to its order.
 *
 * movement	how the payment's share of the order's counters has changed
 * cause	an event of the payment, or of the operation that has changed it,
 *			for the history of the order
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "admission.h"
#include "amount.h"
#include "effects.h"
#include "payment_row.h"
#include "settings.h"

/* Authorised, not yet captured, and still to be had. */
static Numeric
live_authorization(TupleTableSlot *row, const AttrNumber *column)
{
	if (op_payment_status(op_value_in(row, column[PAYMENT_STATUS])) != OP_PAYMENT_AUTHORIZED)
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
		static const OpPaymentColumn counters[] = {PAYMENT_CAPTURED, PAYMENT_REFUNDED,
												   PAYMENT_CHARGED_BACK};
		Numeric						 before =
			 old ? op_numeric_of(op_value_in(old, column[counters[i]])) : op_zero();

		difference[i] = op_sub(op_numeric_of(op_value_in(row, column[counters[i]])), before);
	}
	if (old)
		movement.authorized = live_authorization(old, column);
	movement.authorized2 = live_authorization(row, column);
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
	OpPaymentStatus to = op_payment_status(op_value_in(row, column[PAYMENT_STATUS]));
	OpPaymentStatus from = old ? op_payment_status(op_value_in(old, column[PAYMENT_STATUS])) : to;

	if (old == NULL || from != to)
	{
		add_cause(effect, row, column, old ? op_payment_label(from) : NULL, op_payment_label(to));
		effect->causes[effect->ncauses - 1].late =
			old != NULL && (from == OP_PAYMENT_FAILED || from == OP_PAYMENT_REVOKED);
	}
	if (old != NULL && op_value_in(old, column[PAYMENT_CONTACT_NEEDED_AT]).isnull &&
		!op_value_in(row, column[PAYMENT_CONTACT_NEEDED_AT]).isnull)
		add_cause(effect, row, column, op_payment_label(to), "customer_contact_needed");
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
	AttrNumber				  column[PAYMENT_NCOLUMNS];
	const OpPaymentEffect	 *operation;
	const OpManualPayment	 *manual;
	OpOrderEffect			  effect;

	if (op_restore)
		return PointerGetDatum(NULL);
	op_row_columns(rel, op_payment_columns, PAYMENT_NCOLUMNS, column);
	op_require_latest(trigdata, column[PAYMENT_STATUS]);
	operation = is_update ? op_past_payment_effect(trigdata) : NULL;
	manual = is_update ? NULL : op_past_manual_payment(trigdata);
	memset(&effect, 0, sizeof(effect));
	effect.movement = movement_of(old, row, column);
	effect.currency = TextDatumGetCString(op_require_value(rel, row, column[PAYMENT_CURRENCY]));
	if (operation != NULL)
	{
		effect.movement.due_paid = operation->due_paid;
		if (operation->ncauses > 0)
			effect.causes[effect.ncauses++] = operation->cause;
	}
	if (manual != NULL)
		effect.is_booked =
			memcmp(&manual->payment_id,
				   DatumGetUUIDP(op_require_value(rel, row, column[PAYMENT_ID])), UUID_LEN) == 0;
	op_require_admission(rel, old, row, column);
	add_own_causes(&effect, old, row, column);
	if (effect.ncauses > 0 || !is_nothing(&effect.movement))
		op_affect_order(rel, row, &effect);
	return PointerGetDatum(NULL);
}
