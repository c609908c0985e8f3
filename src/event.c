/*
 * event.c
 *	  order_events: the history of orders, which is the outbox as well.
 *
 * event	a row of order_events: one birth or change of status, written in the
 *			transaction that made it
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
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "errors.h"
#include "event.h"
#include "settings.h"
#include "sibling.h"
#include "status.h"
#include "trigger_call.h"

/* ---------- writing events ---------- */

typedef enum EventArg
{
	EVENT_VERSION,
	EVENT_FROM,
	EVENT_TO,
	EVENT_ACTOR,
	EVENT_SESSION_ROLE,
	EVENT_REASON,
	EVENT_RECORDED_AT,
	EVENT_NARGS
} EventArg;

static void
write_event_insert(StringInfo sql, const char *sibling, const char *keys, const char *condition)
{
	appendStringInfo(sql,
					 "INSERT INTO %s (%s, version, event_id, entity, from_status, to_status, actor,"
					 " session_role, reason, recorded_at, xid) VALUES ($1, $2,"
					 " pg_catalog.gen_random_uuid(), 'order', $3, $4, $5, $6, $7, $8,"
					 " pg_catalog.pg_current_xact_id())",
					 sibling, keys);
}

static const OpSiblingRole events_of_order = {
	.what = "the events",
	.is_parent = false,
	.marker = op_append_only,
	.nkeys = 1,
	.nargs = EVENT_NARGS,
	.argtypes = {[EVENT_VERSION] = INT4OID,
				 [EVENT_FROM] = TEXTOID,
				 [EVENT_TO] = TEXTOID,
				 [EVENT_ACTOR] = TEXTOID,
				 [EVENT_SESSION_ROLE] = TEXTOID,
				 [EVENT_REASON] = TEXTOID,
				 [EVENT_RECORDED_AT] = TIMESTAMPTZOID},
	.write = write_event_insert,
};

/* A setting as a parameter: NULL if it is empty or absent. */
static void
bind_text(const char *value, Datum *arg, char *null)
{
	*null = value == NULL || value[0] == '\0' ? 'n' : ' ';
	*arg = *null == 'n' ? (Datum) 0 : CStringGetTextDatum(value);
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
	bool				 isnull;
	Datum				 value = slot_getattr(row, orders->status, &isnull);
	const OpStatusLabel *label =
		isnull ? NULL : op_label_by_code(orders->vocabulary, DatumGetStatus(value));

	return label ? label->name : NULL;
}

/* The parameters of the event of a row. old: what it was, NULL for a birth. */
static void
bind_event(const OrdersMemo *orders, TupleTableSlot *old, TupleTableSlot *row, Datum *args,
		   char *nulls)
{
	bool isnull;

	args[EVENT_VERSION] = slot_getattr(row, orders->version, &isnull);
	nulls[EVENT_VERSION] = isnull ? 'n' : ' ';
	bind_text(old ? label_in(orders, old) : NULL, &args[EVENT_FROM], &nulls[EVENT_FROM]);
	bind_text(label_in(orders, row), &args[EVENT_TO], &nulls[EVENT_TO]);
	bind_text(op_actor && op_actor[0] ? op_actor : orders->session_role, &args[EVENT_ACTOR],
			  &nulls[EVENT_ACTOR]);
	bind_text(orders->session_role, &args[EVENT_SESSION_ROLE], &nulls[EVENT_SESSION_ROLE]);
	bind_text(op_reason, &args[EVENT_REASON], &nulls[EVENT_REASON]);
	args[EVENT_RECORDED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	nulls[EVENT_RECORDED_AT] = ' ';
}

/*
 * AFTER INSERT OR UPDATE of orders: writes the event that maintain_order() has
 * counted. The time is taken now, under the row's lock, so that within an
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
	TupleTableSlot			 *row = is_update ? trigdata->tg_newslot : trigdata->tg_trigslot;
	Datum					  args[EVENT_NARGS];
	char					  nulls[EVENT_NARGS];

	if (op_restore)
		return PointerGetDatum(NULL);
	bind_event(open_orders(fcinfo, rel), is_update ? trigdata->tg_trigslot : NULL, row, args,
			   nulls);
	op_sibling_execute(&events_of_order, rel, row, args, nulls);
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
		bool ours = op_effect_args(&events_of_order, rel) != NULL;

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
