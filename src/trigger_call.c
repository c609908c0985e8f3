/*
 * trigger_call.c
 *	  What every trigger function asks first: how was I called, on which table?
 *
 * Anybody may attach a trigger function to a table of his own, at any event,
 * or call it by SELECT. So nothing is believed before it was looked at here.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/partition.h"
#include "catalog/pg_trigger.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "trigger_call.h"

TriggerEvent
op_firing(const TriggerData *trigdata)
{
	return trigdata->tg_event &
		   (TRIGGER_EVENT_TIMINGMASK | TRIGGER_EVENT_ROW | TRIGGER_EVENT_OPMASK);
}

TriggerData *
op_trigger_data(FunctionCallInfo fcinfo, const char *function, const TriggerEvent *firings,
				const char *description)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", function)));

	for (; *firings != OP_FIRINGS_END; firings++)
	{
		if (*firings == op_firing(trigdata))
			return trigdata;
	}
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("function \"%s\" must be fired %s", function, description),
			 errdetail("Trigger \"%s\" of table \"%s\" fires otherwise.",
					   trigdata->tg_trigger->tgname,
					   RelationGetRelationName(trigdata->tg_relation))));
	return NULL;
}

/*
 * As heap_modify_tuple_by_cols(), but from the slot, whose columns the trigger
 * has read already.
 */
Datum
op_changed(const TriggerData *trigdata, const OpChange *changes, int n)
{
	TupleTableSlot *row = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newslot
																	  : trigdata->tg_trigslot;
	HeapTuple		given = (HeapTuple) DatumGetPointer(op_unchanged(trigdata));
	TupleDesc		tupdesc = RelationGetDescr(trigdata->tg_relation);
	Datum			values[MaxHeapAttributeNumber];
	bool			isnull[MaxHeapAttributeNumber];
	HeapTuple		result;

	if (n == 0)
		return op_unchanged(trigdata);
	slot_getallattrs(row);
	memcpy(values, row->tts_values, tupdesc->natts * sizeof(Datum));
	memcpy(isnull, row->tts_isnull, tupdesc->natts * sizeof(bool));
	for (int i = 0; i < n; i++)
	{
		values[changes[i].column - 1] = changes[i].value.value;
		isnull[changes[i].column - 1] = changes[i].value.isnull;
	}
	result = heap_form_tuple(tupdesc, values, isnull);
	result->t_data->t_ctid = given->t_data->t_ctid;
	result->t_self = given->t_self;
	result->t_tableOid = given->t_tableOid;
	return PointerGetDatum(result);
}

/* Has this transaction stored a later version of the row? */
static bool
is_superseded(HeapTuple row)
{
	HeapTupleHeader header = row->t_data;

	return (header->t_infomask & HEAP_XMAX_INVALID) == 0 &&
		   !HEAP_XMAX_IS_LOCKED_ONLY(header->t_infomask) &&
		   TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetUpdateXid(header)) &&
		   !ItemPointerEquals(&header->t_ctid, &row->t_self);
}

void
op_require_latest(const TriggerData *trigdata, AttrNumber column)
{
	Relation		  rel = trigdata->tg_relation;
	HeapTuple		  row = (HeapTuple) DatumGetPointer(op_unchanged(trigdata));
	Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(rel), column - 1);
	TupleTableSlot	 *slot;
	Datum			  ours;
	Datum			  latest;
	bool			  isnull[2];
	bool			  is_same;

	if (!is_superseded(row))
		return;
	ours = heap_getattr(row, column, RelationGetDescr(rel), &isnull[0]);
	slot = table_slot_create(rel, NULL);
	do
	{
		ItemPointerData next = row->t_data->t_ctid;

		if (!table_tuple_fetch_row_version(rel, &next, SnapshotAny, slot))
			elog(ERROR, "failed to fetch a row version of table \"%s\"",
				 RelationGetRelationName(rel));
		row = ExecFetchSlotHeapTuple(slot, false, NULL);
	} while (is_superseded(row));
	latest = slot_getattr(slot, column, &isnull[1]);
	is_same = isnull[0] == isnull[1] &&
			  (isnull[0] || datum_image_eq(ours, latest, attr->attbyval, attr->attlen));
	ExecDropSingleTupleTableSlot(slot);
	if (!is_same)
		ereport(ERROR,
				(errcode(ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION),
				 errmsg("column \"%s\" of a row of table \"%s\" was changed again before its first change had taken effect",
						NameStr(attr->attname), RelationGetRelationName(rel)),
				 errdetail("A row takes effect when all rows of its statement are stored; a trigger, or a function that the statement calls, came to it before."),
				 errhint("Change it again by a statement that comes after."),
				 errtablecol(rel, column)));
}

bool
op_is_function(Oid function, PGFunction address)
{
	FmgrInfo flinfo;

	fmgr_info(function, &flinfo);
	return flinfo.fn_addr == address;
}

/* Does this trigger fire in a session like this one? */
static bool
trigger_fires(const Trigger *trigger)
{
	if (trigger->tgenabled == TRIGGER_FIRES_ALWAYS)
		return true;
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return trigger->tgenabled == TRIGGER_FIRES_ON_REPLICA;
	return trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN;
}

/*
 * The relcache may throw away a table's triggers whenever a catalog is read.
 * So what is needed of them is copied first, and looked up then.
 */
bool
op_has_trigger(Relation rel, PGFunction function)
{
	TriggerDesc *trigdesc = rel->trigdesc;
	List		*functions = NIL;
	ListCell	*cell;

	for (int i = 0; trigdesc != NULL && i < trigdesc->numtriggers; i++)
		functions = list_append_unique_oid(functions, trigdesc->triggers[i].tgfoid);
	foreach (cell, functions)
	{
		if (op_is_function(lfirst_oid(cell), function))
			return true;
	}
	return false;
}

bool
op_trigger_fires(Relation rel, PGFunction function)
{
	TriggerDesc *trigdesc = CopyTriggerDesc(rel->trigdesc);

	for (int i = 0; trigdesc != NULL && i < trigdesc->numtriggers; i++)
	{
		if (trigger_fires(&trigdesc->triggers[i]) &&
			op_is_function(trigdesc->triggers[i].tgfoid, function))
			return true;
	}
	return false;
}

Form_pg_attribute
op_find_column(Relation rel, const char *name)
{
	TupleDesc tupdesc = RelationGetDescr(rel);

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(tupdesc, i);

		if (!attr->attisdropped && namestrcmp(&attr->attname, name) == 0)
			return attr;
	}
	return NULL;
}

AttrNumber
op_require_column(Relation rel, const char *name, Oid type)
{
	Form_pg_attribute attr = op_find_column(rel, name);

	if (attr == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"%s\" does not exist", name,
						RelationGetRelationName(rel)),
				 errhint("This table is no part of a store made by order_payment.create_store(), or was altered since."),
				 errtable(rel)));
	if (OidIsValid(type) && attr->atttypid != type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table \"%s\" must be of type %s, not %s", name,
						RelationGetRelationName(rel), format_type_be(type),
						format_type_be(attr->atttypid)),
				 errtablecol(rel, attr->attnum)));
	return attr->attnum;
}

void
op_require_last(const TriggerData *trigdata, PGFunction allowed)
{
	TriggerDesc	  *trigdesc = trigdata->tg_relation->trigdesc;
	const Trigger *self = trigdata->tg_trigger; /* the executor's own copy */
	int16		   events = self->tgtype & (TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE);
	bool		   after = false;
	List		  *functions = NIL;
	List		  *names = NIL;
	ListCell	  *function;
	ListCell	  *name;

	for (int i = 0; trigdesc != NULL && i < trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &trigdesc->triggers[i];

		if (trigger->tgoid == self->tgoid)
			after = true;
		else if (after && trigger_fires(trigger) && TRIGGER_FOR_ROW(trigger->tgtype) &&
				 TRIGGER_FOR_BEFORE(trigger->tgtype) && (trigger->tgtype & events) != 0)
		{
			functions = lappend_oid(functions, trigger->tgfoid);
			names = lappend(names, pstrdup(trigger->tgname));
		}
	}
	forboth (function, functions, name, names)
	{
		if (!op_is_function(lfirst_oid(function), allowed))
			ereport(ERROR,
					(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
					 errmsg("trigger \"%s\" of table \"%s\" must be the last BEFORE ROW trigger",
							self->tgname, RelationGetRelationName(trigdata->tg_relation)),
					 errdetail("Trigger \"%s\" fires after it and could change what it checked.",
							   (char *) lfirst(name)),
					 errhint("Triggers fire in the order of their names: rename \"%s\".",
							 (char *) lfirst(name)),
					 errtable(trigdata->tg_relation)));
	}
}

Oid
op_root_of(Relation rel)
{
	return rel->rd_rel->relispartition
			   ? llast_oid(get_partition_ancestors(RelationGetRelid(rel)))
			   : RelationGetRelid(rel);
}

Relation
op_open_named(Oid relation)
{
	Relation result = try_relation_open(relation, AccessShareLock);

	if (result == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relation)));
	return result;
}

/*
 * By the key of the root: its rights are those that a user has, and a partition
 * may have its columns in another order.
 */
char *
op_describe_key(Relation rel, TupleTableSlot *slot)
{
	Relation root = table_open(op_root_of(rel), AccessShareLock);
	Oid		 index = op_primary_key_index(root);
	Relation index_rel;
	Datum	 values[INDEX_MAX_KEYS];
	bool	 isnull[INDEX_MAX_KEYS];
	char	*key = NULL;

	if (OidIsValid(index))
	{
		index_rel = index_open(index, AccessShareLock);
		for (int i = 0; i < index_rel->rd_index->indnkeyatts; i++)
		{
			char *column =
				get_attname(RelationGetRelid(root), index_rel->rd_index->indkey.values[i], false);

			values[i] = slot_getattr(slot, get_attnum(RelationGetRelid(rel), column), &isnull[i]);
		}
		key = BuildIndexValueDescription(index_rel, values, isnull);
		index_close(index_rel, AccessShareLock);
	}
	table_close(root, AccessShareLock);
	return key;
}
