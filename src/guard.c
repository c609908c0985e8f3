/*
 * guard.c
 *	  The cache of guards, and finding the guard of a column.
 *
 * A guard is a trigger with enforce_transition() as its function. Its
 * arguments are
 *
 *		column		the status column
 *		graph		its status graph; absent or empty: the default graph of its type
 *		'stamp'		the columns <state>_at are stamped, where the table has them
 *
 * A guard is parsed once in a backend and kept by the OID of its trigger.
 * Whatever changes the table or its triggers (relcache invalidation), or an
 * enum (syscache invalidation: ALTER TYPE ... RENAME VALUE), marks it invalid,
 * and its next use parses it anew. A callback only marks, because the guard may
 * be in use; memory is freed when the next guard is built. While nothing at
 * all is invalidated, the rows of one statement share what the first one found.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "compat.h"
#include "default_graph.h"
#include "guard.h"
#include "trigger_call.h"

#define STAMP_OPTION "stamp"
#define STAMP_SUFFIX "_at"

static HTAB	 *guards = NULL;
static uint64 invalidations = 1; /* counts them; 0 is never the count */

/* ---------- the cache ---------- */

static void
invalidate_relation(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS seq;
	OpGuard		   *guard;

	invalidations++;
	hash_seq_init(&seq, guards);
	while ((guard = hash_seq_search(&seq)) != NULL)
	{
		if (relation == InvalidOid || guard->relation == relation)
			guard->valid = false;
	}
}

static void
invalidate_enums(Datum arg, int cacheid, uint32 hashvalue)
{
	HASH_SEQ_STATUS seq;
	OpGuard		   *guard;

	invalidations++;
	hash_seq_init(&seq, guards);
	while ((guard = hash_seq_search(&seq)) != NULL)
	{
		if (guard->valid && guard->graph->type.kind == OP_STATE_ENUM)
			guard->valid = false;
	}
}

void
op_guard_init(void)
{
	HASHCTL ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(OpGuard)};

	guards = hash_create("order_payment guards", 16, &ctl, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(invalidate_relation, (Datum) 0);
	CacheRegisterSyscacheCallback(ENUMOID, invalidate_enums, (Datum) 0);
}

/* Drops every invalid guard, so that dropped tables leave nothing behind. */
static void
sweep_guards(void)
{
	HASH_SEQ_STATUS seq;
	OpGuard		   *guard;

	hash_seq_init(&seq, guards);
	while ((guard = hash_seq_search(&seq)) != NULL)
	{
		if (!guard->valid)
		{
			if (guard->context)
				MemoryContextDelete(guard->context);
			hash_search(guards, &guard->trigger, HASH_REMOVE, NULL);
		}
	}
}

/* ---------- reading the arguments ---------- */

/* The one place where the arguments of a guard are refused. */
static void
bad_argument(Relation rel, const Trigger *trigger, int code, const char *detail)
{
	ereport(ERROR,
			(errcode(code),
			 errmsg("trigger \"%s\" of table \"%s\" cannot guard a status", trigger->tgname,
					RelationGetRelationName(rel)),
			 errdetail_internal("%s", detail),
			 errhint("Make the trigger by order_payment.guard_column(table, column, graph)."),
			 errtable(rel)));
}

static void
read_column(OpGuard *guard, Relation rel, const Trigger *trigger, OpStateType *type)
{
	Form_pg_attribute attr;

	if (trigger->tgnargs < 1 || trigger->tgnargs > 3)
		bad_argument(rel, trigger, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
					 "Its arguments are a column, optionally a graph, optionally 'stamp'.");
	guard->column = MemoryContextStrdup(guard->context, trigger->tgargs[0]);
	attr = op_find_column(rel, guard->column);
	if (attr == NULL)
		bad_argument(rel, trigger, ERRCODE_UNDEFINED_COLUMN,
					 psprintf("Column \"%s\" does not exist.", guard->column));
	if (attr->attgenerated)
		bad_argument(rel, trigger, ERRCODE_DATATYPE_MISMATCH,
					 psprintf("Column \"%s\" is generated.", guard->column));
	guard->attnum = attr->attnum;
	if (!op_state_type(attr->atttypid, type))
		bad_argument(rel, trigger, ERRCODE_DATATYPE_MISMATCH,
					 psprintf("Column \"%s\" is of type %s, which cannot hold a status.",
							  guard->column, format_type_be(attr->atttypid)));
}

static void
read_graph(OpGuard *guard, Relation rel, const Trigger *trigger, OpStateType type)
{
	const char	 *text = trigger->tgnargs > 1 ? trigger->tgargs[1] : "";
	MemoryContext caller;

	if (text[0] == '\0')
		text = op_default_graph_text(type);
	if (text == NULL)
		bad_argument(rel, trigger, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
					 psprintf("Type %s has no default graph and none is given.",
							  format_type_be(type.type)));
	caller = MemoryContextSwitchTo(guard->context);
	guard->graph = op_graph_parse(text, type);
	MemoryContextSwitchTo(caller);
}

static void
read_stamps(OpGuard *guard, Relation rel, const Trigger *trigger)
{
	const OpGraph *graph = guard->graph;

	if (trigger->tgnargs < 3)
		return;
	if (strcmp(trigger->tgargs[2], STAMP_OPTION) != 0)
		bad_argument(rel, trigger, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
					 "Its third argument can only be 'stamp'.");
	for (int state = 0; state < graph->nstates; state++)
	{
		char			 *name = psprintf("%s" STAMP_SUFFIX, graph->label[state]);
		Form_pg_attribute attr = op_find_column(rel, name);

		/* what is never null cannot wait for its state to be entered */
		if (attr == NULL || attr->attnotnull)
			continue;
		if (attr->atttypid != TIMESTAMPTZOID || attr->attgenerated)
			bad_argument(rel, trigger, ERRCODE_DATATYPE_MISMATCH,
						 psprintf("Column \"%s\" is not a plain column of type timestamptz.", name));
		guard->stamps[guard->nstamps].state = state;
		guard->stamps[guard->nstamps].attnum = attr->attnum;
		guard->nstamps++;
	}
}

/* Does this column choose the partition, in a table above this one? */
static bool
chooses_partition(Relation rel, const char *column)
{
	bool	  result = false;
	ListCell *cell;

	if (!rel->rd_rel->relispartition)
		return false;
	foreach (cell, get_partition_ancestors(RelationGetRelid(rel)))
	{
		Relation		  parent = table_open(lfirst_oid(cell), AccessShareLock);
		PartitionKey	  key = RelationGetPartitionKey(parent);
		Form_pg_attribute attr = op_find_column(parent, column);

		for (int i = 0; key != NULL && attr != NULL && i < key->partnatts; i++)
		{
			if (key->partattrs[i] == attr->attnum)
				result = true;
		}
		table_close(parent, AccessShareLock);
	}
	return result;
}

static void
read_identity(OpGuard *guard, Relation rel)
{
	Oid		   index = op_primary_key_index(rel);
	Relation   index_rel;
	AttrNumber columns[INDEX_MAX_KEYS];
	int		   n;

	if (!OidIsValid(index))
		return;
	index_rel = index_open(index, AccessShareLock);
	n = index_rel->rd_index->indnkeyatts;
	for (int i = 0; i < n; i++)
		columns[i] = index_rel->rd_index->indkey.values[i];
	index_close(index_rel, AccessShareLock);
	for (int i = 0; i < n; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(rel), columns[i] - 1);

		if (!chooses_partition(rel, NameStr(attr->attname)))
			guard->identity[guard->nidentity++] = columns[i];
	}
}

/* What two partitions must have in common for rows to move between them. */
static void
read_family(OpGuard *guard, Relation rel, const Trigger *trigger)
{
	if (rel->rd_rel->relispartition)
		guard->root = op_root_of(rel);
	guard->signature = trigger->tgnargs;
	for (int i = 0; i < trigger->tgnargs; i++)
		guard->signature =
			hash_combine(guard->signature, hash_bytes((const unsigned char *) trigger->tgargs[i],
													  strlen(trigger->tgargs[i])));
}

const OpGuard *
op_guard_of(const Trigger *trigger, Relation rel)
{
	OpGuard	   *guard = hash_search(guards, &trigger->tgoid, HASH_FIND, NULL);
	OpStateType type;
	uint64		before;

	if (guard != NULL && guard->valid)
		return guard;

	/*
	 * The new entry stays invalid until it is complete, so an error on the
	 * way leaves something for the next sweep; and after, if something was
	 * invalidated while it was built, so that its next use builds it again.
	 */
	before = invalidations;
	sweep_guards();
	guard = hash_search(guards, &trigger->tgoid, HASH_ENTER, NULL);
	memset((char *) guard + sizeof(Oid), 0, sizeof(OpGuard) - sizeof(Oid));
	guard->relation = RelationGetRelid(rel);
	guard->role_of_last = -1;
	guard->context =
		AllocSetContextCreate(CacheMemoryContext, "order_payment guard", ALLOCSET_SMALL_SIZES);
	read_column(guard, rel, trigger, &type);
	read_graph(guard, rel, trigger, type);
	read_stamps(guard, rel, trigger);
	read_identity(guard, rel);
	read_family(guard, rel, trigger);
	guard->valid = before == invalidations;
	return guard;
}

/* What a trigger call keeps for the rows to come of its statement. */
typedef struct GuardMemo
{
	const OpGuard *guard;
	uint64		   invalidations; /* when it was found: since then none, or look again */
} GuardMemo;

/*
 * The guard of a call. What it checks must be what is stored: no other trigger
 * may fire after it. That stays so until the table changes.
 */
static const OpGuard *
require_last(const TriggerData *trigdata)
{
	OpGuard *guard = (OpGuard *) op_guard_of(trigdata->tg_trigger, trigdata->tg_relation);

	if (TRIGGER_FIRED_AFTER(trigdata->tg_event) || guard->role_of_last == SessionReplicationRole)
		return guard;
	op_require_last(trigdata, op_enforce_transition);
	guard = (OpGuard *) op_guard_of(trigdata->tg_trigger, trigdata->tg_relation);
	guard->role_of_last = SessionReplicationRole;
	return guard;
}

const OpGuard *
op_guard_of_call(FunctionCallInfo fcinfo, const TriggerData *trigdata)
{
	GuardMemo *memo = fcinfo->flinfo->fn_extra;

	if (memo != NULL && memo->invalidations == invalidations)
		return memo->guard;
	if (memo == NULL)
		memo = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(GuardMemo));
	memo->guard = require_last(trigdata);
	memo->invalidations = memo->guard->valid ? invalidations : 0;
	fcinfo->flinfo->fn_extra = memo;
	return memo->guard;
}

/* ---------- finding ---------- */

/* A copy of the trigger that guards updates of a column, or NULL. */
static const Trigger *
find_guard(Relation rel, const char *column)
{
	TriggerDesc *trigdesc = CopyTriggerDesc(rel->trigdesc); /* see op_has_trigger() */

	for (int i = 0; trigdesc != NULL && i < trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &trigdesc->triggers[i];

		if (TRIGGER_FOR_UPDATE(trigger->tgtype) && TRIGGER_FOR_BEFORE(trigger->tgtype) &&
			trigger->tgnargs > 0 && strcmp(trigger->tgargs[0], column) == 0 &&
			(trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN ||
			 trigger->tgenabled == TRIGGER_FIRES_ALWAYS) &&
			op_is_function(trigger->tgfoid, op_enforce_transition))
			return trigger;
	}
	return NULL;
}

bool
op_guard_allows(Relation rel, const char *column, Datum from, Datum to)
{
	const Trigger *trigger = find_guard(rel, column);
	const OpGraph *graph;

	if (trigger == NULL)
		return true;
	graph = op_guard_of(trigger, rel)->graph;
	return op_may_follow(graph, op_graph_state(graph, from), op_graph_state(graph, to));
}

const Trigger *
op_guard_trigger(Relation rel, const char *column)
{
	const Trigger *trigger = find_guard(rel, column);

	if (trigger == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("column \"%s\" of table \"%s\" is not guarded", column,
						RelationGetRelationName(rel)),
				 errhint("Guard it by order_payment.guard_column(table, column, graph)."),
				 errtable(rel)));
	return trigger;
}
