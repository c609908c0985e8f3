/*
 * effects.c
 *	  The rules of an order's row, and what its lines do to it.
 *
 * total	what the order costs: quantity * price, or, when the order has lines,
 *			the sum of their amounts; NULL while neither is known
 * line		a row of order_items; item_count says how many there are
 * derived	a column that follows from others: total_amount, item_count,
 *			version, created_at. A statement may leave it out, or give NULL,
 *			its default or the value that it has; anything else is refused, so
 *			that programs that name every column work and forgers do not
 *
 * The total follows the lines by differences, in the UPDATE that locks the
 * order: a sum() in a trigger would lose lines of concurrent sessions.
 *
 * maintain_order() runs after the triggers of users (which may set a price, or
 * a status) and before the guard of the status.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "effects.h"
#include "errors.h"
#include "guard.h"
#include "identity.h"
#include "settings.h"
#include "sibling.h"
#include "trigger_call.h"

/* ---------- the columns of an order that matter here ---------- */

typedef enum OrderColumn
{
	ORDER_ID,
	ORDER_STATUS,
	ORDER_VERSION,
	ORDER_ITEM_COUNT,
	ORDER_QUANTITY,
	ORDER_PRICE,
	ORDER_TOTAL_AMOUNT,
	ORDER_CREATED_AT,
	ORDER_NCOLUMNS
} OrderColumn;

#define FOLLOWS_HINT "Set quantity and price, or the rows of order_items: it follows them."

static const struct
{
	const char *name;
	Oid			type; /* InvalidOid: any */
	const char *hint; /* where a write is refused */
} order_columns[] = {
	[ORDER_ID] = {"order_id", InvalidOid, "The key of an order never changes."},
	[ORDER_STATUS] = {"status", InvalidOid, NULL},
	[ORDER_VERSION] = {"version", INT4OID, "Leave it out: it counts the events of the order."},
	[ORDER_ITEM_COUNT] = {"item_count", INT4OID, FOLLOWS_HINT},
	[ORDER_QUANTITY] = {"quantity", NUMERICOID, NULL},
	[ORDER_PRICE] = {"price", NUMERICOID, NULL},
	[ORDER_TOTAL_AMOUNT] = {"total_amount", NUMERICOID, FOLLOWS_HINT},
	[ORDER_CREATED_AT] = {"created_at", TIMESTAMPTZOID,
						  "Leave it out. To load times, let a superuser set order_payment.restore."},
};

StaticAssertDecl(lengthof(order_columns) == ORDER_NCOLUMNS, "each column is described");

/* An order's row: what a statement gives, and what it becomes. */
typedef struct OrderRow
{
	Relation		rel;
	AttrNumber	   *attnum; /* by OrderColumn */
	TupleTableSlot *old;	/* NULL for a new row */
	NullableDatum	value[ORDER_NCOLUMNS];
	bool			changed[ORDER_NCOLUMNS];

	/*
	 * The values are those that a new row got here: INSERT ... ON CONFLICT DO
	 * UPDATE has put EXCLUDED into an old row. They are nobody's forgery.
	 */
	bool is_excluded;
} OrderRow;

static Form_pg_attribute
column_of(const OrderRow *row, OrderColumn column)
{
	return TupleDescAttr(RelationGetDescr(row->rel), row->attnum[column] - 1);
}

static NullableDatum
old_value(const OrderRow *row, OrderColumn column)
{
	return op_value_in(row->old, row->attnum[column]);
}

/* The same to the byte, so that nothing needs to be stored. */
static bool
is_identical(const OrderRow *row, OrderColumn column, NullableDatum a, NullableDatum b)
{
	Form_pg_attribute attr = column_of(row, column);

	if (a.isnull || b.isnull)
		return a.isnull && b.isnull;
	return datum_image_eq(a.value, b.value, attr->attbyval, attr->attlen);
}

/* The same value: 4.4 and 4.40 are. */
static bool
is_same(const OrderRow *row, OrderColumn column, NullableDatum a, NullableDatum b)
{
	if (is_identical(row, column, a, b))
		return true;
	return !a.isnull && !b.isnull && column_of(row, column)->atttypid == NUMERICOID &&
		   DatumGetBool(DirectFunctionCall2(numeric_eq, a.value, b.value));
}

static void
set_value(OrderRow *row, OrderColumn column, NullableDatum value)
{
	row->value[column] = value;
	row->changed[column] = true;
}

static NullableDatum
int_value(int32 number)
{
	NullableDatum result = {Int32GetDatum(number), false};

	return result;
}

/* The number in a column, 0 if null. */
static int32
int_of(NullableDatum value)
{
	return value.isnull ? 0 : DatumGetInt32(value.value);
}

/* The one place where a write to a derived column is refused. */
static void
refuse_write(const OrderRow *row, OrderColumn column)
{
	ereport(ERROR,
			(errcode(ERRCODE_OP_COLUMN_NOT_WRITABLE),
			 errmsg("column \"%s\" of table \"%s\" is kept by the server", order_columns[column].name,
					RelationGetRelationName(row->rel)),
			 errhint("%s", order_columns[column].hint),
			 errtablecol(row->rel, row->attnum[column])));
}

/*
 * Makes a derived column what it must be. A given value is refused unless it
 * is NULL, that result, the stored value or the default.
 */
static void
derive(OrderRow *row, OrderColumn column, NullableDatum result, NullableDatum stored)
{
	NullableDatum given = row->value[column];

	if (is_identical(row, column, given, result))
		return;
	if (!given.isnull && !row->is_excluded && !is_same(row, column, given, result) &&
		!is_same(row, column, given, stored) &&
		!(order_columns[column].type == INT4OID && DatumGetInt32(given.value) == 0))
		refuse_write(row, column);
	set_value(row, column, result);
}

/* Looks the columns up once a statement: they are kept with the trigger call. */
static OrderRow
open_row(FunctionCallInfo fcinfo, TriggerData *trigdata)
{
	bool			is_update = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event);
	TupleTableSlot *given = is_update ? trigdata->tg_newslot : trigdata->tg_trigslot;
	OrderRow		row = {.rel = trigdata->tg_relation, .attnum = fcinfo->flinfo->fn_extra};

	if (row.attnum == NULL)
	{
		op_require_last(trigdata, op_enforce_transition);
		row.attnum =
			MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(AttrNumber) * ORDER_NCOLUMNS);
		for (int i = 0; i < ORDER_NCOLUMNS; i++)
			row.attnum[i] =
				op_require_column(row.rel, order_columns[i].name, order_columns[i].type);
		fcinfo->flinfo->fn_extra = row.attnum;
	}
	row.old = is_update ? trigdata->tg_trigslot : NULL;
	for (int i = 0; i < ORDER_NCOLUMNS; i++)
		row.value[i] = op_value_in(given, row.attnum[i]);
	return row;
}

/* What the trigger returns: the row with what was changed. */
static Datum
close_row(const OrderRow *row, const TriggerData *trigdata)
{
	OpChange changes[ORDER_NCOLUMNS];
	int		 n = 0;

	for (int i = 0; i < ORDER_NCOLUMNS; i++)
	{
		if (!row->changed[i])
			continue;
		changes[n].column = row->attnum[i];
		changes[n].value = row->value[i];
		n++;
	}
	return op_changed(trigdata, changes, n);
}

/* ---------- lines ---------- */

enum
{
	LINE_COUNT,
	LINE_AMOUNT,
	LINE_NARGS
};

static void
write_line_update(StringInfo sql, const char *sibling, const char *keys, const char *condition)
{
	appendStringInfo(sql,
					 "UPDATE %s SET item_count = item_count OPERATOR(pg_catalog.+) $2, total_amount ="
					 " CASE WHEN item_count OPERATOR(pg_catalog.=) 0 THEN $3"
					 " ELSE total_amount OPERATOR(pg_catalog.+) $3 END WHERE %s",
					 sibling, condition);
}

static const OpSiblingRole order_of_line = {
	.what = "the order",
	.is_parent = true,
	.marker = op_maintain_order,
	.nkeys = 1,
	.nargs = LINE_NARGS,
	.argtypes = {[LINE_COUNT] = INT4OID, [LINE_AMOUNT] = NUMERICOID},
	.may_miss = true,
	.write = write_line_update,
};

/*
 * Is this UPDATE of an order the one that a line makes? Then the count and the
 * total change by just what the line says.
 */
static bool
is_line_effect(const OrderRow *row)
{
	const Datum	 *args = op_effect_args(&order_of_line, row->rel);
	int32		  old_count;
	NullableDatum total;

	if (args == NULL || row->old == NULL)
		return false;
	old_count = int_of(old_value(row, ORDER_ITEM_COUNT));
	total.value = args[LINE_AMOUNT];
	total.isnull = false;
	if (old_count != 0)
	{
		total = old_value(row, ORDER_TOTAL_AMOUNT);
		if (!total.isnull)
			total.value = DirectFunctionCall2(numeric_add, total.value, args[LINE_AMOUNT]);
	}
	if (int_of(row->value[ORDER_ITEM_COUNT]) != old_count + DatumGetInt32(args[LINE_COUNT]) ||
		!is_same(row, ORDER_TOTAL_AMOUNT, row->value[ORDER_TOTAL_AMOUNT], total))
		return false;
	op_effect_met();
	return true;
}

static Datum
zero_amount(void)
{
	return NumericGetDatum(int64_to_numeric(0));
}

/* The amount of a line; null only if the table was altered. */
static Datum
line_amount(TupleTableSlot *line, AttrNumber attnum)
{
	bool  isnull;
	Datum amount = slot_getattr(line, attnum, &isnull);

	return isnull ? zero_amount() : amount;
}

/* A line stays with its order: the foreign key says which it is. */
static void
check_line_key(Relation rel, TupleTableSlot *before, TupleTableSlot *after, AttrNumber key)
{
	Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(rel), key - 1);
	bool			  old_null;
	bool			  new_null;
	Datum			  old_key = slot_getattr(before, key, &old_null);
	Datum			  new_key = slot_getattr(after, key, &new_null);

	if (old_null != new_null ||
		(!old_null && !datum_image_eq(old_key, new_key, attr->attbyval, attr->attlen)))
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
	Datum					  args[LINE_NARGS];
	AttrNumber				  key;
	AttrNumber				  amount;
	Datum					  gone;
	Datum					  come;

	if (op_restore)
		return PointerGetDatum(NULL);
	key = op_require_column(rel, "order_id", InvalidOid);
	amount = op_require_column(rel, "amount", NUMERICOID);
	if (is_update)
		check_line_key(rel, trigdata->tg_trigslot, line, key);
	gone = is_insert ? zero_amount() : line_amount(trigdata->tg_trigslot, amount);
	come = is_insert || is_update ? line_amount(line, amount) : zero_amount();
	args[LINE_COUNT] = Int32GetDatum(is_update ? 0 : is_insert ? 1
															   : -1);
	args[LINE_AMOUNT] = DirectFunctionCall2(numeric_sub, come, gone);

	op_sibling_execute(&order_of_line, rel, line, args, "  ");
	return PointerGetDatum(NULL);
}

/* ---------- the rules of an order's row ---------- */

/* quantity * price, NULL if one of them is. */
static NullableDatum
product_total(const OrderRow *row)
{
	NullableDatum quantity = row->value[ORDER_QUANTITY];
	NullableDatum price = row->value[ORDER_PRICE];
	NullableDatum result = {0, quantity.isnull || price.isnull};

	if (!result.isnull)
		result.value = DirectFunctionCall2(numeric_mul, quantity.value, price.value);
	return result;
}

/* Does a column say what it said before? */
static bool
is_unchanged(const OrderRow *row, OrderColumn column)
{
	return row->old != NULL && is_same(row, column, row->value[column], old_value(row, column));
}

/*
 * The total, and the count of lines: both change by a line only, but for the
 * total of an order without lines.
 */
static void
maintain_total(OrderRow *row)
{
	bool		  by_line = is_line_effect(row);
	NullableDatum old_count = row->old ? old_value(row, ORDER_ITEM_COUNT) : int_value(0);
	NullableDatum old_total = {0, true};

	if (row->old)
		old_total = old_value(row, ORDER_TOTAL_AMOUNT);
	if (!by_line)
		derive(row, ORDER_ITEM_COUNT, old_count, old_count);
	if (int_of(row->value[ORDER_ITEM_COUNT]) == 0 && by_line)
		set_value(row, ORDER_TOTAL_AMOUNT, product_total(row));
	else if (int_of(row->value[ORDER_ITEM_COUNT]) == 0 &&
			 !(is_unchanged(row, ORDER_QUANTITY) && is_unchanged(row, ORDER_PRICE)))
		derive(row, ORDER_TOTAL_AMOUNT, product_total(row), old_total);
	else if (!by_line)
		derive(row, ORDER_TOTAL_AMOUNT, old_total, old_total);
}

/* Counts the event that record_event() will write after this statement. */
static void
count_event(OrderRow *row)
{
	NullableDatum version = row->old ? old_value(row, ORDER_VERSION) : int_value(0);
	NullableDatum next = version;

	if (!is_unchanged(row, ORDER_STATUS))
		next = int_value(int_of(version) + 1);
	derive(row, ORDER_VERSION, next, version);
}

/*
 * The time of an order. It tells as well whether an UPDATE has the values of
 * EXCLUDED: no other has the time that the last new row of this session got.
 */
static void
maintain_created_at(OrderRow *row)
{
	static NullableDatum last = {0, true};
	NullableDatum		 stored = {0, true};

	if (row->old == NULL)
	{
		last.value = TimestampTzGetDatum(GetCurrentTimestamp());
		last.isnull = false;
		derive(row, ORDER_CREATED_AT, last, stored);
		return;
	}
	stored = old_value(row, ORDER_CREATED_AT);
	row->is_excluded = !last.isnull &&
					   is_same(row, ORDER_CREATED_AT, row->value[ORDER_CREATED_AT], last) &&
					   !is_same(row, ORDER_CREATED_AT, stored, last);
	derive(row, ORDER_CREATED_AT, stored, stored);
}

PG_FUNCTION_INFO_V1(op_maintain_order);
Datum
op_maintain_order(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_BEFORE_INSERT, OP_BEFORE_UPDATE, OP_FIRINGS_END};
	TriggerData				 *trigdata = op_trigger_data(fcinfo, "maintain_order", firings,
														 "BEFORE INSERT OR UPDATE, for each row");
	OrderRow				  row;

	if (op_restore)
		return op_unchanged(trigdata);
	row = open_row(fcinfo, trigdata);
	if (row.old != NULL)
	{
		if (!is_same(&row, ORDER_ID, row.value[ORDER_ID], old_value(&row, ORDER_ID)))
			refuse_write(&row, ORDER_ID);
	}
	else if (!row.value[ORDER_ID].isnull)
		op_warn_of_collision(row.rel, row.attnum[ORDER_ID], row.value[ORDER_ID].value);
	maintain_created_at(&row);
	maintain_total(&row);
	count_event(&row);
	return close_row(&row, trigdata);
}
