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
 *			policies, CHECKs, defaults, generated columns, and no trigger but ours
 *			and the check of the one foreign key whose parent the caller holds
 *			locked
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/inval.h"

#include "append.h"
#include "compat.h"
#include "trigger_call.h"

/*
 * Does an INSERT fire ours, and nothing else but the check of a key of that
 * parent? If ours is missing, the INSERT is the one to complain.
 */
static bool
has_plain_triggers(Relation rel, Relation parent, PGFunction marker)
{
	TriggerDesc *trigdesc = CopyTriggerDesc(rel->trigdesc); /* see op_has_trigger() */
	bool		 is_marked = false;

	for (int i = 0; trigdesc != NULL && i < trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &trigdesc->triggers[i];

		if (!TRIGGER_FOR_INSERT(trigger->tgtype))
			continue;
		if (trigger->tgisinternal && RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_FK &&
			trigger->tgconstrrelid == RelationGetRelid(parent))
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

/* The other columns are content with NULL. */
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
		if (!is_given && (attr->attnotnull || attr->atthasdef || attr->attidentity))
			return false;
	}
	return tupdesc->constr == NULL ||
		   (tupdesc->constr->num_check == 0 && !tupdesc->constr->has_generated_stored);
}

static bool
has_plain_indexes(Relation rel)
{
	List	 *indexes = RelationGetIndexList(rel);
	ListCell *cell;
	bool	  result = true;

	foreach (cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		if (!index->rd_index->indimmediate || index->rd_index->indisexclusion)
			result = false;
		index_close(index, AccessShareLock);
	}
	list_free(indexes);
	return result;
}

static bool
is_plain(Relation rel, Relation parent, PGFunction marker)
{
	return rel->rd_rel->relkind == RELKIND_RELATION && !rel->rd_rel->relispartition &&
		   !rel->rd_rel->relrowsecurity && rel->rd_rules == NULL &&
		   has_plain_triggers(rel, parent, marker) && has_plain_indexes(rel);
}

/* What was found out, by table and parent; whatever changes one of them forgets it. */
typedef struct PlainKey
{
	Oid relation;
	Oid parent;
} PlainKey;

typedef struct Plain
{
	PlainKey   key; /* must be first */
	bool	   valid;
	bool	   is_plain;
	AttrNumber attnum[OP_ROW_MAX_COLUMNS];
} Plain;

static HTAB *plains = NULL;

static void
invalidate_plains(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS seq;
	Plain		   *plain;

	hash_seq_init(&seq, plains);
	while ((plain = hash_seq_search(&seq)) != NULL)
	{
		if (relation == InvalidOid || plain->key.relation == relation || plain->key.parent == relation)
			plain->valid = false;
	}
}

void
op_append_init(void)
{
	HASHCTL ctl = {.keysize = sizeof(PlainKey), .entrysize = sizeof(Plain)};

	plains = hash_create("order_payment plain tables", 16, &ctl, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(invalidate_plains, (Datum) 0);
}

bool
op_can_append(Relation rel, Relation parent, PGFunction marker, const OpColumn *columns,
			  int ncolumns, AttrNumber *attnum)
{
	PlainKey key = {RelationGetRelid(rel), RelationGetRelid(parent)};
	Plain	*plain = hash_search(plains, &key, HASH_FIND, NULL);
	bool	 result;

	Assert(ncolumns <= OP_ROW_MAX_COLUMNS);
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return false;
	if (plain == NULL || !plain->valid)
	{
		result = is_plain(rel, parent, marker) && find_columns(rel, columns, ncolumns, attnum) &&
				 has_plain_columns(rel, attnum, ncolumns);
		plain = hash_search(plains, &key, HASH_ENTER, NULL);
		plain->is_plain = result;
		if (result)
			memcpy(plain->attnum, attnum, ncolumns * sizeof(AttrNumber));
		plain->valid = true;
	}
	if (plain->is_plain)
		memcpy(attnum, plain->attnum, ncolumns * sizeof(AttrNumber));
	return plain->is_plain;
}

/* An INSERT would say which NULL is refused. */
static bool
has_forbidden_null(TupleDesc tupdesc, const bool *isnull)
{
	for (int i = 0; i < tupdesc->natts; i++)
	{
		if (isnull[i] && TupleDescAttr(tupdesc, i)->attnotnull &&
			!TupleDescAttr(tupdesc, i)->attisdropped)
			return true;
	}
	return false;
}

static void
store_row(EState *estate, ResultRelInfo *result, TupleTableSlot *slot, const OpNewRow *row)
{
	int natts = slot->tts_tupleDescriptor->natts;

	ExecClearTuple(slot);
	memcpy(slot->tts_values, row->values, natts * sizeof(Datum));
	memcpy(slot->tts_isnull, row->isnull, natts * sizeof(bool));
	ExecStoreVirtualTuple(slot);
	table_tuple_insert(result->ri_RelationDesc, slot, GetCurrentCommandId(true), 0, NULL);
	if (result->ri_NumIndices > 0)
		op_insert_index_tuples(result, slot, estate);
}

bool
op_append(Relation rel, const OpNewRow *rows, int nrows)
{
	EState		   *estate;
	ResultRelInfo  *result;
	TupleTableSlot *slot;
	Oid				userid;
	int				context;

	for (int i = 0; i < nrows; i++)
	{
		if (has_forbidden_null(RelationGetDescr(rel), rows[i].isnull))
			return false;
	}
	estate = CreateExecutorState();
	result = makeNode(ResultRelInfo);
	slot = table_slot_create(rel, NULL);
	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(RelationGetForm(rel)->relowner,
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	InitResultRelInfo(result, rel, 0, NULL, 0);
	ExecOpenIndices(result, false);
	for (int i = 0; i < nrows; i++)
		store_row(estate, result, slot, &rows[i]);
	ExecCloseIndices(result);
	SetUserIdAndSecContext(userid, context);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
	CommandCounterIncrement(); /* as after an INSERT: the triggers to come see the rows */
	return true;
}
