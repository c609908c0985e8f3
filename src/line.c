/*
 * line.c
 *	  The lines of orders: what they do to the total.
 *
 * line		a row of order_items; item_count of its order says how many there are
 *
 * The total follows the lines by differences, in the UPDATE that locks the
 * order: a sum() in a trigger would lose lines of concurrent sessions.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/rel.h"

#include "amount.h"
#include "derived.h"
#include "effects.h"
#include "errors.h"
#include "line.h"
#include "settings.h"

enum
{
	LINE_ORDER_ID,
	LINE_AMOUNT,
	LINE_NCOLUMNS
};

static const OpColumn line_columns[] = {
	[LINE_ORDER_ID] = {"order_id", InvalidOid, NULL},
	[LINE_AMOUNT] = {"amount", NUMERICOID, NULL},
};

StaticAssertDecl(lengthof(line_columns) == LINE_NCOLUMNS, "each column is described");

/* A line stays with its order: the foreign key says which it is. */
static void
check_line_key(Relation rel, TupleTableSlot *before, TupleTableSlot *after, AttrNumber key)
{
	Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(rel), key - 1);
	NullableDatum	  old_key = op_value_in(before, key);
	NullableDatum	  new_key = op_value_in(after, key);

	if (old_key.isnull != new_key.isnull ||
		(!old_key.isnull &&
		 !datum_image_eq(old_key.value, new_key.value, attr->attbyval, attr->attlen)))
		ereport(ERROR,
				(errcode(ERRCODE_OP_COLUMN_NOT_WRITABLE),
				 errmsg("a line stays with its order"),
				 errhint("DELETE the line and INSERT it under the other order."),
				 errtablecol(rel, key)));
}

PG_FUNCTION_INFO_V1(op_follow_items);
Datum
op_follow_items(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_AFTER_INSERT, OP_AFTER_UPDATE, OP_AFTER_DELETE,
										   OP_FIRINGS_END};
	TriggerData				 *trigdata = op_trigger_data(fcinfo, "follow_items", firings,
														 "AFTER INSERT OR UPDATE OR DELETE, for each row");
	Relation				  rel = trigdata->tg_relation;
	bool					  is_insert = TRIGGER_FIRED_BY_INSERT(trigdata->tg_event);
	bool					  is_update = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event);
	TupleTableSlot			 *line = is_update ? trigdata->tg_newslot : trigdata->tg_trigslot;
	AttrNumber				  column[LINE_NCOLUMNS];
	OpLineEffect			  effect;
	Numeric					  gone = op_zero();
	Numeric					  come = op_zero();

	/* retention takes whole orders, lines before orders */
	if (op_restore || (op_allow_history_change && TRIGGER_FIRED_BY_DELETE(trigdata->tg_event)))
		return PointerGetDatum(NULL);
	op_row_columns(rel, line_columns, LINE_NCOLUMNS, column);
	if (is_update)
		check_line_key(rel, trigdata->tg_trigslot, line, column[LINE_ORDER_ID]);
	if (!is_insert)
		gone = op_numeric_of(op_value_in(trigdata->tg_trigslot, column[LINE_AMOUNT]));
	if (is_insert || is_update)
		come = op_numeric_of(op_value_in(line, column[LINE_AMOUNT]));
	effect.count = is_update ? 0 : is_insert ? 1
											 : -1;
	effect.amount = op_sub(come, gone);
	op_affect_order_by_line(rel, line, &effect);
	return PointerGetDatum(NULL);
}
