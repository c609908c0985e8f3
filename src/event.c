/*
 * event.c
 *	  order_events: the history of orders, which is the outbox as well.
 *
 * event	a row of order_events: one birth or change of status of an order, a
 *			payment or an operation, written in the transaction that made it
 * version	the number of an event within its order, 1, 2, 3 ... without gaps.
 *			maintain_order() counts it in the order's row, under the lock of
 *			that row, so that two sessions never get the same one
 * actor	who did it, as the session says (order_payment.actor)
 * session_role	who did it, as the server knows: the role that logged in
 *
 * The table is append-only, and only record_event() appends: a row that comes
 * from anybody else, its owner included, is refused.
 *
 * No NOTIFY here: it would serialise commits and forbid PREPARE TRANSACTION.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "append.h"
#include "derived.h"
#include "effects.h"
#include "errors.h"
#include "event.h"
#include "order.h"
#include "settings.h"
#include "sibling.h"
#include "status.h"
#include "trigger_call.h"

/* ---------- writing events ---------- */

/* Parameters that all events of a statement share ... */
typedef enum CommonArg
{
	EVENT_ACTOR,
	EVENT_SESSION_ROLE,
	EVENT_REASON,
	EVENT_RECORDED_AT,
	EVENT_NCOMMON
} CommonArg;

/* ... and those of each. */
typedef enum EventArg
{
	EVENT_VERSION,
	EVENT_ENTITY,
	EVENT_ENTITY_ID,
	EVENT_FROM,
	EVENT_TO,
	EVENT_AMOUNT,
	EVENT_DETAIL,
	EVENT_NARGS
} EventArg;

#define MAX_EVENTS (OP_MAX_CAUSES + 1) /* of one statement: an order's own, and its causes */
#define MAX_ARGS   (EVENT_NCOMMON + MAX_EVENTS * EVENT_NARGS)

StaticAssertDecl(1 + MAX_ARGS <= OP_SIBLING_MAX_ARGS, "a statement has room for the parameters");

static void
write_events(StringInfo sql, const OpSiblingNames *names, int nevents)
{
	appendStringInfo(sql,
					 "INSERT INTO %s (%s, version, entity, entity_id, from_status, to_status, amount, detail,"
					 " event_id, actor, session_role, reason, recorded_at, xid) VALUES ",
					 names->sibling, names->keys);
	for (int i = 0; i < nevents; i++)
	{
		appendStringInfoString(sql, i == 0 ? "($1" : ", ($1");
		for (int arg = 0; arg < EVENT_NARGS; arg++)
			appendStringInfo(sql, ", $%d", 2 + EVENT_NCOMMON + i * EVENT_NARGS + arg);
		appendStringInfoString(sql, ", pg_catalog.gen_random_uuid(), $2, $3, $4, $5, pg_catalog.pg_current_xact_id())");
	}
}

static void
write_one_event(StringInfo sql, const OpSiblingNames *names)
{
	write_events(sql, names, 1);
}

static void
write_two_events(StringInfo sql, const OpSiblingNames *names)
{
	write_events(sql, names, 2);
}

static void
write_three_events(StringInfo sql, const OpSiblingNames *names)
{
	write_events(sql, names, 3);
}

#define COMMON_TYPES TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID
#define EVENT_TYPES	 INT4OID, TEXTOID, UUIDOID, TEXTOID, TEXTOID, NUMERICOID, JSONBOID

/* clang-format off */
#define EVENTS_OF_ORDER(n, writer, ...) \
	{ \
		.what = "the events", \
		.path = OP_CHILD, \
		.marker = op_append_only, \
		.nkeys = 1, \
		.nargs = EVENT_NCOMMON + (n) * EVENT_NARGS, \
		.argtypes = {COMMON_TYPES, __VA_ARGS__}, \
		.nrows = (n), \
		.write = writer, \
	}
/* clang-format on */

/* By the number of events, less one: one statement writes them all. */
static const OpSiblingRole events_of_order[] = {
	EVENTS_OF_ORDER(1, write_one_event, EVENT_TYPES),
	EVENTS_OF_ORDER(2, write_two_events, EVENT_TYPES, EVENT_TYPES),
	EVENTS_OF_ORDER(3, write_three_events, EVENT_TYPES, EVENT_TYPES, EVENT_TYPES),
};

StaticAssertDecl(lengthof(events_of_order) == MAX_EVENTS, "each number of events has a role");

/* The events of one statement, as parameters. */
typedef struct Events
{
	int	  n;
	int32 version; /* of the last one before them */
	Datum args[MAX_ARGS];
	char  nulls[MAX_ARGS];
} Events;

static void
bind(Events *events, int arg, Datum value, bool isnull)
{
	events->args[arg] = value;
	events->nulls[arg] = isnull ? 'n' : ' ';
}

/* NULL if it is empty or absent. */
static void
bind_text(Events *events, int arg, const char *value)
{
	bool isnull = value == NULL || value[0] == '\0';

	bind(events, arg, isnull ? (Datum) 0 : CStringGetTextDatum(value), isnull);
}

static void
add_event(Events *events, const OpCause *cause)
{
	int	  first = EVENT_NCOMMON + events->n * EVENT_NARGS;
	Datum detail = (Datum) 0;

	if (cause->late)
		detail = DirectFunctionCall1(jsonb_in, CStringGetDatum("{\"late\": true}"));
	events->n++;
	bind(events, first + EVENT_VERSION, Int32GetDatum(events->version + events->n), false);
	bind_text(events, first + EVENT_ENTITY, cause->entity);
	bind(events, first + EVENT_ENTITY_ID, cause->entity_id, cause->entity_id == (Datum) 0);
	bind_text(events, first + EVENT_FROM, cause->from);
	bind_text(events, first + EVENT_TO, cause->to);
	bind(events, first + EVENT_AMOUNT, NumericGetDatum(cause->amount), cause->amount == NULL);
	bind(events, first + EVENT_DETAIL, detail, !cause->late);
}

/* ---------- storing events without a statement ---------- */

typedef enum EventColumn
{
	COLUMN_VERSION, /* in the order of EventArg */
	COLUMN_ENTITY,
	COLUMN_ENTITY_ID,
	COLUMN_FROM,
	COLUMN_TO,
	COLUMN_AMOUNT,
	COLUMN_DETAIL,
	COLUMN_ACTOR, /* in the order of CommonArg */
	COLUMN_SESSION_ROLE,
	COLUMN_REASON,
	COLUMN_RECORDED_AT,
	COLUMN_EVENT_ID,
	COLUMN_XID,
	COLUMN_ORDER, /* the key, by the name and type that it has here */
	EVENT_NCOLUMNS
} EventColumn;

static const OpColumn event_columns[] = {
	[COLUMN_VERSION] = {"version", INT4OID},
	[COLUMN_ENTITY] = {"entity", TEXTOID},
	[COLUMN_ENTITY_ID] = {"entity_id", UUIDOID},
	[COLUMN_FROM] = {"from_status", TEXTOID},
	[COLUMN_TO] = {"to_status", TEXTOID},
	[COLUMN_AMOUNT] = {"amount", NUMERICOID},
	[COLUMN_DETAIL] = {"detail", JSONBOID},
	[COLUMN_ACTOR] = {"actor", TEXTOID},
	[COLUMN_SESSION_ROLE] = {"session_role", TEXTOID},
	[COLUMN_REASON] = {"reason", TEXTOID},
	[COLUMN_RECORDED_AT] = {"recorded_at", TIMESTAMPTZOID},
	[COLUMN_EVENT_ID] = {"event_id", UUIDOID},
	[COLUMN_XID] = {"xid", XID8OID},
	[COLUMN_ORDER] = {NULL, InvalidOid},
};

StaticAssertDecl(lengthof(event_columns) == EVENT_NCOLUMNS, "each column is described");

static OpNewRow
form_event(const Events *events, int n, int natts, const AttrNumber *column,
		   NullableDatum order_id)
{
	OpNewRow	  row = {palloc0(sizeof(Datum) * natts), palloc(sizeof(bool) * natts)};
	NullableDatum value[EVENT_NCOLUMNS];
	int			  first = EVENT_NCOMMON + n * EVENT_NARGS;

	memset(value, 0, sizeof(value));
	for (int i = 0; i < EVENT_NARGS + EVENT_NCOMMON; i++)
	{
		int arg = i < EVENT_NARGS ? first + i : i - EVENT_NARGS;

		value[i].value = events->args[arg];
		value[i].isnull = events->nulls[arg] == 'n';
	}
	value[COLUMN_EVENT_ID].value = DirectFunctionCall1(gen_random_uuid, (Datum) 0);
	value[COLUMN_XID].value = FullTransactionIdGetDatum(GetTopFullTransactionId());
	value[COLUMN_ORDER] = order_id;

	memset(row.isnull, true, sizeof(bool) * natts);
	for (int i = 0; i < EVENT_NCOLUMNS; i++)
	{
		row.values[column[i] - 1] = value[i].value;
		row.isnull[column[i] - 1] = value[i].isnull;
	}
	return row;
}

/* False: the table wants an INSERT. */
static bool
append_events(Relation rel, TupleTableSlot *row, const Events *events)
{
	OpLink		 *link;
	Relation	  table;
	OpColumn	  columns[EVENT_NCOLUMNS];
	AttrNumber	  attnum[EVENT_NCOLUMNS];
	OpNewRow	  rows[MAX_EVENTS];
	NullableDatum order_id;
	bool		  result;

	SPI_connect();
	link = op_link_of(&events_of_order[events->n - 1], rel);
	SPI_finish();
	order_id = op_value_in(row, link->columns[0]);
	table = table_open(link->sibling, NoLock);
	memcpy(columns, event_columns, sizeof(columns));
	columns[COLUMN_ORDER].name = link->names[0];
	columns[COLUMN_ORDER].type = link->types[0];
	result = !order_id.isnull &&
			 op_can_append(table, rel, op_append_only, columns, EVENT_NCOLUMNS, attnum);
	if (result)
	{
		for (int i = 0; i < events->n; i++)
			rows[i] = form_event(events, i, RelationGetDescr(table)->natts, attnum, order_id);
		result = op_append(table, rows, events->n);
	}
	table_close(table, NoLock);
	return result;
}

/* What is known of the orders table, kept for the rows of one statement. */
typedef struct OrdersMemo
{
	AttrNumber			status;
	AttrNumber			version;
	const OpVocabulary *vocabulary; /* of the status */
	const char		   *session_role;
} OrdersMemo;

static const OrdersMemo *
open_orders(FunctionCallInfo fcinfo, Relation rel)
{
	OrdersMemo	 *memo = fcinfo->flinfo->fn_extra;
	MemoryContext caller;

	if (memo != NULL)
		return memo;
	caller = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	memo = palloc0(sizeof(OrdersMemo));
	memo->status = op_require_column(rel, "status", InvalidOid);
	memo->version = op_require_column(rel, "version", INT4OID);
	memo->vocabulary = op_vocabulary_of(
		getBaseType(TupleDescAttr(RelationGetDescr(rel), memo->status - 1)->atttypid));
	if (memo->vocabulary != &op_vocabularies[OP_ORDER_STATUS])
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table \"%s\" must be of type order_status", "status",
						RelationGetRelationName(rel)),
				 errtablecol(rel, memo->status)));
	memo->session_role = GetUserNameFromId(GetSessionUserId(), false);
	MemoryContextSwitchTo(caller);
	fcinfo->flinfo->fn_extra = memo;
	return memo;
}

static const char *
label_in(const OrdersMemo *orders, TupleTableSlot *row)
{
	NullableDatum		 value = op_value_in(row, orders->status);
	const OpStatusLabel *label =
		value.isnull ? NULL : op_label_by_code(orders->vocabulary, DatumGetStatus(value.value));

	return label ? label->name : NULL;
}

/* The order's own event, if it was born or its status has changed. */
static void
add_own_event(Events *events, const OrdersMemo *orders, TupleTableSlot *old, TupleTableSlot *row)
{
	OpCause own = {.entity = "order", .to = label_in(orders, row)};

	if (old != NULL)
	{
		own.from = label_in(orders, old);
		if (own.from == own.to) /* labels are constants */
			return;
	}
	add_event(events, &own);
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
	const OrdersMemo		 *orders;
	const OpOrderEffect		 *effect;
	Events					  events;
	int						  met; /* the history's trigger needs no more than to be met */

	if (op_restore)
		return PointerGetDatum(NULL);
	orders = open_orders(fcinfo, rel);
	effect = is_update ? op_past_order_effect(trigdata) : NULL;
	events.n = 0;
	events.version = is_update ? DatumGetInt32(op_value_in(old, orders->version).value) : 0;
	bind_text(&events, EVENT_ACTOR, op_actor && op_actor[0] ? op_actor : orders->session_role);
	bind_text(&events, EVENT_SESSION_ROLE, orders->session_role);
	bind_text(&events, EVENT_REASON, op_reason);
	bind(&events, EVENT_RECORDED_AT, TimestampTzGetDatum(GetCurrentTimestamp()), false);
	for (int i = 0; effect != NULL && i < effect->ncauses; i++)
		add_event(&events, &effect->causes[i]);
	add_own_event(&events, orders, old, row);
	if (events.n > 0 && !append_events(rel, row, &events))
		op_sibling_affect(&events_of_order[events.n - 1], rel, row, events.args, events.nulls,
						  &met);
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
		bool ours = false;

		for (int i = 0; i < (int) lengthof(events_of_order); i++)
			ours = ours || op_effect_coming(&events_of_order[i], trigdata) != NULL;
		if (ours)
			op_effect_met();
		if (!ours && !op_restore)
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
