/*
 * key_table.c
 *	  A table of keys, as this process keeps it; see key_table.h.
 *
 * Rows are read by the latest snapshot, whatever the isolation level of the
 * transaction. A trigger on the table (announce_keys) sends a relcache
 * invalidation for it, and whoever asks for a key takes in what was sent first;
 * so it is not left to the next statement to notice that a key was retired or
 * destroyed.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "key_table.h"

static void
note_change(Datum arg, Oid relation)
{
	OpKeyTable *table = (OpKeyTable *) DatumGetPointer(arg);

	if (relation == InvalidOid || relation == table->relid || relation == table->sealed_by_relid)
		table->is_stale = true;
}

void
op_key_table_init(OpKeyTable *table)
{
	table->is_stale = true;
	CacheRegisterRelcacheCallback(note_change, PointerGetDatum(table));
}

static Oid
find_table(const char *name)
{
	Oid schema = get_namespace_oid("order_payment", true);
	Oid table = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(table))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("table order_payment.%s does not exist", name),
						errhint("CREATE EXTENSION order_payment in this database.")));
	return table;
}

static void *
entry(const OpKeyTable *table, int i)
{
	return (char *) table->entries + i * table->entry_size;
}

static void
forget_entries(OpKeyTable *table)
{
	for (int i = 0; i < table->n; i++)
		table->forget(entry(table, i));
	table->n = 0;
	table->entries = NULL;
	MemoryContextReset(table->context);
}

static void
take_row(OpKeyTable *table, HeapTuple row, TupleDesc tupdesc)
{
	Datum		 *values = palloc(tupdesc->natts * sizeof(Datum));
	bool		 *isnull = palloc(tupdesc->natts * sizeof(bool));
	MemoryContext caller;

	if (tupdesc->natts < table->ncolumns)
		elog(ERROR, "table order_payment.%s has too few columns", table->name);
	heap_deform_tuple(row, tupdesc, values, isnull);
	caller = MemoryContextSwitchTo(table->context);
	memset(entry(table, table->n), 0, table->entry_size);
	table->take(entry(table, table->n), values, isnull);
	table->n++;
	MemoryContextSwitchTo(caller);
	pfree(values);
	pfree(isnull);
}

static void
read_rows(OpKeyTable *table, Relation rel)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	row;
	int			room = 4;

	table->entries = MemoryContextAlloc(table->context, room * table->entry_size);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		if (table->n == room)
			table->entries = repalloc(table->entries, (room *= 2) * table->entry_size);
		take_row(table, row, RelationGetDescr(rel));
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
}

/* It stays stale if this fails on the way. */
void
op_key_table_refresh(OpKeyTable *table)
{
	Relation rel;

	AcceptInvalidationMessages();
	if (!table->is_stale)
		return;
	if (table->context == NULL)
		table->context = AllocSetContextCreate(CacheMemoryContext, "order_payment keys",
											   ALLOCSET_SMALL_SIZES);
	forget_entries(table);
	if (table->sealed_by != NULL)
		table->sealed_by_relid = find_table(table->sealed_by);
	rel = table_open(find_table(table->name), AccessShareLock);
	table->relid = RelationGetRelid(rel);
	table->is_stale = false; /* a change while the rows are read makes it so again */
	PG_TRY();
	{
		read_rows(table, rel);
	}
	PG_CATCH();
	{
		table->is_stale = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
	table_close(rel, AccessShareLock);
}

PG_FUNCTION_INFO_V1(op_announce_keys);

/* The trigger of such a table: tells every session that rows have changed. */
Datum
op_announce_keys(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function \"announce_keys\" was not called by trigger manager")));
	CacheInvalidateRelcache(trigdata->tg_relation);
	return PointerGetDatum(NULL);
}
