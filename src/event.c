/*
 * event.c
 *	  The triggers of order_events: the history of orders, which is the outbox as
 *	  well. The vocabulary is in history.c.
 *
 * The table is append-only, and only record_event() appends: a row that comes
 * from anybody else, its owner included, is refused.
 *
 * No NOTIFY here: it would serialise commits and forbid PREPARE TRANSACTION.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/rel.h"

#include "derived.h"
#include "effects.h"
#include "errors.h"
#include "event.h"
#include "history.h"
#include "order.h"
#include "settings.h"
#include "sibling.h"
#include "status.h"
#include "trigger_call.h"

/* What the history needs to know of an order; other columns are not its business. */
enum
{
	TOLD_STATUS,
	TOLD_VERSION,
	TOLD_NCOLUMNS
};

static const OpColumn told_columns[] = {
	[TOLD_STATUS] = {"status", OP_STATUS_TYPE(OP_ORDER_STATUS), NULL},
	[TOLD_VERSION] = {"version", INT4OID, NULL},
};

StaticAssertDecl(lengthof(told_columns) == TOLD_NCOLUMNS, "each column is described");

static const char *
label_in(TupleTableSlot *row, const AttrNumber *column)
{
	NullableDatum		 value = op_value_in(row, column[TOLD_STATUS]);
	const OpStatusLabel *label = NULL;

	if (!value.isnull)
		label = op_label_by_code(&op_vocabularies[OP_ORDER_STATUS], DatumGetStatus(value.value));
	return label ? label->name : NULL;
}

/* The order's own event, if it was born or its status has changed. */
static void
add_own_event(OpHistory *history, TupleTableSlot *old, TupleTableSlot *row,
			  const AttrNumber *column)
{
	OpCause own = {.entity = "order", .to = label_in(row, column)};

	if (old != NULL)
	{
		own.from = label_in(old, column);
		if (own.from == own.to) /* labels are constants */
			return;
	}
	op_history_add(history, &own);
}

/*
 * AFTER INSERT OR UPDATE of orders: writes the events that maintain_order() has
 * counted: what has happened to a payment or an operation, then what that
 * made of the order. The time is taken now, under the row's lock, so that within an
 * order it follows the versions (unless the clock is set back).
 */
PG_FUNCTION_INFO_V1(op_record_event);
Datum
op_record_event(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_AFTER_INSERT, OP_AFTER_UPDATE, OP_FIRINGS_END};
	TriggerData				 *trigdata = op_trigger_data(fcinfo, "record_event", firings,
														 "AFTER INSERT OR UPDATE, for each row");
	Relation				  rel = trigdata->tg_relation;
	bool					  is_update = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event);
	TupleTableSlot			 *old = is_update ? trigdata->tg_trigslot : NULL;
	TupleTableSlot			 *row = is_update ? trigdata->tg_newslot : trigdata->tg_trigslot;
	AttrNumber				  column[TOLD_NCOLUMNS];
	const OpOrderEffect		 *effect;
	OpHistory				  history;

	if (op_restore)
		return PointerGetDatum(NULL);
	op_row_columns(rel, told_columns, TOLD_NCOLUMNS, column);
	effect = is_update ? op_past_order_effect(trigdata) : NULL;
	op_history_begin(&history, is_update ? op_int_of(op_value_in(old, column[TOLD_VERSION])) : 0);
	for (int i = 0; effect != NULL && i < effect->ncauses; i++)
		op_history_add(&history, &effect->causes[i]);
	add_own_event(&history, old, row, column);
	op_history_write(&history, rel, row);
	if (is_update && effect == NULL)
		op_book_settlement(trigdata);
	return PointerGetDatum(NULL);
}

/* ---------- append-only ---------- */

/*
 * BEFORE INSERT, UPDATE, DELETE and TRUNCATE of order_events. It is the first
 * trigger of its table, so no other code runs between record_event() and it.
 */
PG_FUNCTION_INFO_V1(op_append_only);
Datum
op_append_only(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_BEFORE_INSERT, OP_BEFORE_UPDATE, OP_BEFORE_DELETE,
										   OP_BEFORE_TRUNCATE, OP_FIRINGS_END};
	TriggerData				 *trigdata =
		op_trigger_data(fcinfo, "append_only", firings,
						"BEFORE INSERT OR UPDATE OR DELETE for each row, or BEFORE TRUNCATE");
	Relation rel = trigdata->tg_relation;

	if (TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
	{
		if (op_is_history_coming(trigdata))
			op_effect_met();
		else if (!op_restore)
			ereport(ERROR,
					(errcode(ERRCODE_OP_COLUMN_NOT_WRITABLE),
					 errmsg("table \"%s\" is written by the server only",
							RelationGetRelationName(rel)),
					 errhint("Change the status of an order; its event is written with it. To load events, let a superuser set order_payment.restore."),
					 errtable(rel)));
	}
	else if (!op_allow_history_change)
		ereport(ERROR,
				(errcode(ERRCODE_OP_COLUMN_NOT_WRITABLE),
				 errmsg("table \"%s\" is append-only", RelationGetRelationName(rel)),
				 errhint("For retention, a superuser may set order_payment.allow_history_change."),
				 errtable(rel)));
	return op_unchanged(trigdata);
}

/* BEFORE DELETE of rows about money: they stay, but for retention. */
PG_FUNCTION_INFO_V1(op_refuse_delete);
Datum
op_refuse_delete(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_BEFORE_DELETE, OP_FIRINGS_END};
	TriggerData				 *trigdata =
		op_trigger_data(fcinfo, "refuse_delete", firings, "BEFORE DELETE, for each row");

	if (!op_allow_history_change)
		ereport(ERROR,
				(errcode(ERRCODE_OP_COLUMN_NOT_WRITABLE),
				 errmsg("rows of table \"%s\" are not deleted",
						RelationGetRelationName(trigdata->tg_relation)),
				 errhint("Revoke the payment, or cancel the operation. For retention, a superuser may set order_payment.allow_history_change."),
				 errtable(trigdata->tg_relation)));
	return op_unchanged(trigdata);
}

/* BEFORE TRUNCATE of the other tables of a store: rows go one by one. */
PG_FUNCTION_INFO_V1(op_refuse_truncate);
Datum
op_refuse_truncate(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_BEFORE_TRUNCATE, OP_FIRINGS_END};
	TriggerData				 *trigdata = op_trigger_data(fcinfo, "refuse_truncate", firings, "BEFORE TRUNCATE");

	if (!op_allow_history_change)
		ereport(ERROR,
				(errcode(ERRCODE_OP_COLUMN_NOT_WRITABLE),
				 errmsg("table \"%s\" may not be truncated",
						RelationGetRelationName(trigdata->tg_relation)),
				 errdetail("TRUNCATE fires no row triggers, so totals and history would go wrong."),
				 errhint("For retention, a superuser may set order_payment.allow_history_change."),
				 errtable(trigdata->tg_relation)));
	return PointerGetDatum(NULL);
}
