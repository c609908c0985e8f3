/*
 * append.c
 *	  Rows appended to a plain table without a statement.
 *
 * An INSERT by SPI starts an executor, looks up triggers and checks foreign
 * keys, for every row anew. Where all that is known to change nothing, the row
 * is stored and indexed by the functions that an INSERT would call in the end:
 * it is logged, decoded, counted and found as any other.
 *
 * plain	a table whose INSERT would do no more than that: no partitions, rules,
 *			CHECKs, defaults, generated columns, no trigger but ours, and no
 *			foreign key but the one to the parent, whose row is there and locked
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "append.h"
#include "compat.h"
#include "trigger_call.h"

/*
 * Does an INSERT fire ours, and nothing else but the checks of foreign keys? A
 * deferrable key has a trigger as well. If ours is missing, the INSERT is the one
 * to complain.
 */
static bool
has_plain_triggers(Relation rel, PGFunction marker)
{
	TriggerDesc *trigdesc = CopyTriggerDesc(rel->trigdesc); /* see op_has_trigger() */
	bool		 is_marked = false;

	for (int i = 0; trigdesc != NULL && i < trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &trigdesc->triggers[i];

		if (!TRIGGER_FOR_INSERT(trigger->tgtype))
			continue;
		if (trigger->tgisinternal && RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_FK)
			continue;
		if (trigger->tgisinternal || !TRIGGER_FOR_ROW(trigger->tgtype) ||
			!TRIGGER_FOR_BEFORE(trigger->tgtype) || trigger->tgqual != NULL ||
			trigger->tgenabled != TRIGGER_FIRES_ON_ORIGIN ||
			!op_is_function(trigger->tgfoid, marker))
			return false;
		is_marked = true;
	}
	return is_marked;
}

/* Is there no foreign key but that from this column to the parent's? */
static bool
has_plain_keys(Relation rel, AttrNumber column, Relation parent, AttrNumber referenced)
{
	ListCell *cell;

	foreach (cell, RelationGetFKeyList(rel))
	{
		ForeignKeyCacheInfo *fk = lfirst(cell);

		if (fk->confrelid != RelationGetRelid(parent) || fk->nkeys != 1 ||
			fk->conkey[0] != column || fk->confkey[0] != referenced)
			return false;
	}
	return true;
}

static bool
find_columns(Relation rel, const OpColumn *columns, int ncolumns, AttrNumber *attnum)
{
	for (int i = 0; i < ncolumns; i++)
	{
		Form_pg_attribute attr = op_find_column(rel, columns[i].name);

		if (attr == NULL || attr->atttypid != columns[i].type || attr->atttypmod >= 0)
			return false;
		attnum[i] = attr->attnum;
	}
	return true;
}

/* A type may have a default as well, and a domain may refuse NULL, from now on too. */
static bool
is_plain_type(Oid type)
{
	return get_typtype(type) != TYPTYPE_DOMAIN && get_typdefault(type) == NULL;
}

/*
 * The other columns are content with NULL. A generated column among those given
 * is refused when the INSERT is planned.
 */
static bool
has_plain_columns(Relation rel, const AttrNumber *given, int ngiven)
{
	TupleDesc tupdesc = RelationGetDescr(rel);

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(tupdesc, i);
		bool			  is_given = attr->attisdropped;

		for (int j = 0; j < ngiven; j++)
			is_given = is_given || given[j] == attr->attnum;
		if (!is_given && (attr->attnotnull || attr->atthasdef || attr->attidentity ||
						  !is_plain_type(attr->atttypid)))
			return false;
	}
	return tupdesc->constr == NULL || tupdesc->constr->num_check == 0;
}

/* Policies do not matter: rows are written with the owner's rights, as by a foreign key. */
static bool
is_plain_table(Relation rel, PGFunction marker)
{
	return rel->rd_rel->relkind == RELKIND_RELATION && !rel->rd_rel->relispartition &&
		   rel->rd_rules == NULL && has_plain_triggers(rel, marker);
}

/* What an INSERT would do besides: whatever changes that marks the link invalid. */
static void
examine(OpLink *link, Relation rel, Relation parent, const OpColumn *columns, int ncolumns)
{
	OpColumn	all[OP_PLAIN_MAX_COLUMNS] = {{link->names[0], link->types[0], NULL}};
	AttrNumber *attnum = link->plain_columns;

	memcpy(&all[1], columns, ncolumns * sizeof(OpColumn));
	ncolumns++;
	link->is_plain = is_plain_table(rel, link->key.role->marker) &&
					 find_columns(rel, all, ncolumns, attnum) &&
					 has_plain_keys(rel, attnum[0], parent, link->columns[0]) &&
					 has_plain_columns(rel, attnum, ncolumns);
	link->is_examined = true;
}

/* ---------- the rows ---------- */

/* False: an INSERT would say which NULL is refused. */
static bool
fill_slot(TupleTableSlot *slot, const AttrNumber *attnum, int ncolumns, const NullableDatum *value)
{
	TupleDesc tupdesc = slot->tts_tupleDescriptor;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, tupdesc->natts * sizeof(bool));
	for (int i = 0; i < ncolumns; i++)
	{
		if (value[i].isnull && TupleDescAttr(tupdesc, attnum[i] - 1)->attnotnull)
			return false;
		slot->tts_values[attnum[i] - 1] = value[i].value;
		slot->tts_isnull[attnum[i] - 1] = value[i].isnull;
	}
	ExecStoreVirtualTuple(slot);
	return true;
}

static void
store_rows(Relation rel, TupleTableSlot **slots, int nrows)
{
	EState		  *estate = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);

	InitResultRelInfo(result, rel, 0, NULL, 0);
	ExecOpenIndices(result, false);
	for (int i = 0; i < nrows; i++)
	{
		table_tuple_insert(rel, slots[i], GetCurrentCommandId(true), 0, NULL);
		if (result->ri_NumIndices > 0)
			op_insert_index_tuples(result, slots[i], estate);
	}
	ExecCloseIndices(result);
	FreeExecutorState(estate);
	CommandCounterIncrement(); /* as after an INSERT: the triggers to come see the rows */
}

/* The key, then the columns of each row, into as many slots. */
static bool
append_rows(Relation rel, const AttrNumber *attnum, int ncolumns, NullableDatum key,
			const NullableDatum *values, int nrows)
{
	TupleTableSlot *slots[OP_APPEND_MAX_ROWS];
	NullableDatum	row[OP_PLAIN_MAX_COLUMNS];
	bool			result = true;

	row[0] = key;
	for (int i = 0; i < nrows; i++)
	{
		slots[i] = table_slot_create(rel, NULL);
		memcpy(&row[1], values, ncolumns * sizeof(NullableDatum));
		result = fill_slot(slots[i], attnum, 1 + ncolumns, row) && result;
		values += ncolumns;
	}
	if (result)
		store_rows(rel, slots, nrows);
	for (int i = 0; i < nrows; i++)
		ExecDropSingleTupleTableSlot(slots[i]);
	return result;
}

/*
 * What an INSERT would ask each time: may the owner insert, and is the parent's
 * row still there? A trigger may have deleted it since; if it has changed it, the
 * INSERT finds the new one.
 */
static bool
may_append(Relation table, Oid owner, Relation rel, TupleTableSlot *parent)
{
	return !XactReadOnly &&
		   pg_class_aclcheck(RelationGetRelid(table), owner, ACL_INSERT) == ACLCHECK_OK &&
		   table_tuple_satisfies_snapshot(rel, parent, SnapshotSelf);
}

bool
op_append(const OpSiblingRole *role, Relation rel, TupleTableSlot *parent, const OpColumn *columns,
		  int ncolumns, const NullableDatum *values, int nrows)
{
	OpLink		 *found;
	OpLink		  link;
	NullableDatum key;
	Relation	  table;
	Oid			  userid;
	int			  context;
	bool		  result = false;

	Assert(role->path == OP_CHILD && role->nkeys == 1);
	Assert(ncolumns < OP_PLAIN_MAX_COLUMNS && nrows <= OP_APPEND_MAX_ROWS);
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return false;
	SPI_connect();
	found = op_link_of(role, rel);
	table = table_open(found->sibling, NoLock);
	if (!found->is_examined)
		examine(found, table, rel, columns, ncolumns);
	link = *found; /* indexes may run code of users, and the cache drop its own */
	SPI_finish();
	key = op_value_in(parent, link.columns[0]);
	if (link.is_plain && !key.isnull && may_append(table, link.owner, rel, parent))
	{
		GetUserIdAndSecContext(&userid, &context);
		SetUserIdAndSecContext(link.owner,
							   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
		result = append_rows(table, link.plain_columns, ncolumns, key, values, nrows);
		SetUserIdAndSecContext(userid, context);
	}
	table_close(table, NoLock);
	return result;
}
