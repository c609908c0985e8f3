/*
 * sibling.c
 *	  From a table of a store to its siblings, and statements on them.
 *
 * Siblings are found by foreign keys, never by name, so that renamed tables,
 * partitions and shards keep working: the parent through the foreign keys of
 * the table that fired, a child through the tables that reference it. The
 * sibling meant is the one that has a trigger of ours for that role; two of
 * them are an error.
 *
 * A statement on a sibling runs as the owner of the tables, as the checks of
 * foreign keys do, so a role needs no right to write what it may not write
 * by itself. Both tables must have the same owner: otherwise somebody who may
 * reference a table could make its owner act.
 *
 * A link is kept by table and role for the life of the backend. Whatever
 * changes one of the two tables marks it invalid; its next use builds it anew,
 * text included, because the names in it may have changed. A plan is freed only while none runs,
 * because a statement may fire triggers that come back here.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/partition.h"
#include "commands/trigger.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/ruleutils.h"

#include "sibling.h"
#include "trigger_call.h"

typedef struct LinkKey
{
	uint64				 relation;
	const OpSiblingRole *role;
} LinkKey;

typedef struct Link
{
	LinkKey	   key; /* must be first */
	bool	   valid;
	Oid		   sibling;
	Oid		   owner;						 /* of both tables */
	AttrNumber columns[OP_SIBLING_MAX_KEYS]; /* of the relation */
	SPIPlanPtr plan;
} Link;

static HTAB *links = NULL;
static int	 running = 0;	/* statements on siblings that run now */
static List *retired = NIL; /* plans to be freed when none runs */

/* ---------- the cache ---------- */

static void
invalidate_links(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS seq;
	Link		   *link;

	hash_seq_init(&seq, links);
	while ((link = hash_seq_search(&seq)) != NULL)
	{
		if (relation == InvalidOid || link->key.relation == relation || link->sibling == relation)
			link->valid = false;
	}
}

void
op_sibling_init(void)
{
	HASHCTL ctl = {.keysize = sizeof(LinkKey), .entrysize = sizeof(Link)};

	links = hash_create("order_payment siblings", 16, &ctl, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(invalidate_links, (Datum) 0);
}

/* Forgets every invalid link, so that dropped tables leave nothing behind. */
static void
sweep_links(void)
{
	HASH_SEQ_STATUS seq;
	Link		   *link;
	ListCell	   *cell;
	MemoryContext	caller = MemoryContextSwitchTo(TopMemoryContext);

	hash_seq_init(&seq, links);
	while ((link = hash_seq_search(&seq)) != NULL)
	{
		if (!link->valid)
		{
			if (link->plan)
				retired = lappend(retired, link->plan);
			hash_search(links, &link->key, HASH_REMOVE, NULL);
		}
	}
	MemoryContextSwitchTo(caller);

	if (running > 0)
		return;
	foreach (cell, retired)
		SPI_freeplan((SPIPlanPtr) lfirst(cell));
	list_free(retired);
	retired = NIL;
}

/* ---------- finding the sibling ---------- */

static void
refuse_sibling(const OpSiblingRole *role, Relation rel, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot find %s of table \"%s\"", role->what, RelationGetRelationName(rel)),
			 errdetail_internal("%s", detail),
			 errhint("Tables of a store are made by order_payment.create_store() and linked by its foreign keys."),
			 errtable(rel)));
}

/*
 * Is this the table that the role means? A partition is not: its root is. A
 * child of another owner is not: who may reference a table must not stop it.
 */
static bool
plays_role(const OpSiblingRole *role, Relation rel, Oid candidate)
{
	Relation sibling = table_open(candidate, AccessShareLock);
	bool	 result = !sibling->rd_rel->relispartition && op_has_trigger(sibling, role->marker) &&
				  (role->is_parent || sibling->rd_rel->relowner == rel->rd_rel->relowner);

	table_close(sibling, NoLock);
	return result;
}

static List *
referenced_tables(Relation rel)
{
	List	 *result = NIL;
	ListCell *cell;

	foreach (cell, RelationGetFKeyList(rel))
		result = list_append_unique_oid(result, ((ForeignKeyCacheInfo *) lfirst(cell))->confrelid);
	return result;
}

static List *
referencing_tables(Relation rel)
{
	TriggerDesc *trigdesc = rel->trigdesc;
	List		*result = NIL;

	for (int i = 0; trigdesc != NULL && i < trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &trigdesc->triggers[i];

		if (trigger->tgisinternal && RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_PK)
			result = list_append_unique_oid(result, trigger->tgconstrrelid);
	}
	return result;
}

static Oid
find_sibling(const OpSiblingRole *role, Relation rel)
{
	List	 *candidates = role->is_parent ? referenced_tables(rel) : referencing_tables(rel);
	ListCell *cell;
	Oid		  result = InvalidOid;

	foreach (cell, candidates)
	{
		if (!plays_role(role, rel, lfirst_oid(cell)))
			continue;
		if (OidIsValid(result))
			refuse_sibling(role, rel,
						   psprintf("Both \"%s\" and \"%s\" could be meant.", get_rel_name(result),
									get_rel_name(lfirst_oid(cell))));
		result = lfirst_oid(cell);
	}
	if (!OidIsValid(result))
		refuse_sibling(role, rel, "No foreign key leads to such a table.");
	return result;
}

/* The foreign key from child to parent, copied out of the relcache. */
static ForeignKeyCacheInfo
find_foreign_key(const OpSiblingRole *role, Relation rel, Relation child, Oid parent)
{
	ListCell *cell;

	foreach (cell, RelationGetFKeyList(child))
	{
		ForeignKeyCacheInfo *fk = lfirst(cell);

		if (fk->confrelid == parent && fk->nkeys == role->nkeys)
			return *fk;
	}
	refuse_sibling(role, rel, psprintf("Its foreign key must have %d columns.", role->nkeys));
	pg_unreachable();
}

/* ---------- building a link ---------- */

/* Writes and plans the statement. fk: the link; sibling: the table acted on. */
static void
plan_statement(Link *link, Relation rel, Relation sibling, const ForeignKeyCacheInfo *fk)
{
	const OpSiblingRole *role = link->key.role;
	const AttrNumber	*theirs = role->is_parent ? fk->confkey : fk->conkey;
	const AttrNumber	*ours = role->is_parent ? fk->conkey : fk->confkey;
	Oid					 types[OP_SIBLING_MAX_ARGS];
	StringInfoData		 sql;
	StringInfoData		 keys;
	StringInfoData		 condition;

	initStringInfo(&sql);
	initStringInfo(&keys);
	initStringInfo(&condition);
	for (int i = 0; i < role->nkeys; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(sibling), theirs[i] - 1);
		const char		 *column = quote_identifier(NameStr(attr->attname));

		link->columns[i] = ours[i];
		types[i] = TupleDescAttr(RelationGetDescr(rel), ours[i] - 1)->atttypid;
		appendStringInfo(&keys, "%s%s", i == 0 ? "" : ", ", column);
		appendStringInfoString(&condition, i == 0 ? "" : " AND ");
		if (role->is_parent)
			generate_operator_clause(&condition, column, attr->atttypid, fk->conpfeqop[i],
									 psprintf("$%d", i + 1), types[i]);
	}
	memcpy(types + role->nkeys, role->argtypes, role->nargs * sizeof(Oid));
	role->write(&sql,
				quote_qualified_identifier(get_namespace_name(RelationGetNamespace(sibling)),
										   RelationGetRelationName(sibling)),
				keys.data, condition.data);
	link->plan = SPI_prepare(sql.data, role->nkeys + role->nargs, types);
	if (link->plan == NULL)
		elog(ERROR, "SPI_prepare returned %s for %s", SPI_result_code_string(SPI_result), sql.data);
	SPI_keepplan(link->plan);
}

/* Fills a new link; it becomes valid when all is done. Needs SPI. */
static void
build_link(Link *link, Relation rel)
{
	const OpSiblingRole *role = link->key.role;
	Relation			 sibling;
	ForeignKeyCacheInfo	 fk;
	Oid					 userid;
	int					 context;

	link->sibling = find_sibling(role, rel);
	sibling = table_open(link->sibling, RowExclusiveLock);
	link->owner = RelationGetForm(sibling)->relowner;
	if (link->owner != RelationGetForm(rel)->relowner)
		refuse_sibling(role, rel,
					   psprintf("Table \"%s\" has another owner.", RelationGetRelationName(sibling)));
	fk = find_foreign_key(role, rel, role->is_parent ? rel : sibling,
						  role->is_parent ? link->sibling : RelationGetRelid(rel));

	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(link->owner,
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	plan_statement(link, rel, sibling, &fk);
	SetUserIdAndSecContext(userid, context);
	table_close(sibling, NoLock);
	link->valid = true;
}

/*
 * The link, with its sibling locked: a plan that waited for the lock later
 * would be made anew by names that may mean another table by then.
 */
static Link *
link_of(const OpSiblingRole *role, Relation rel)
{
	LinkKey key;
	Link   *link;

	memset(&key, 0, sizeof(key));
	key.relation = RelationGetRelid(rel);
	key.role = role;
	link = hash_search(links, &key, HASH_FIND, NULL);
	if (link != NULL && link->valid)
	{
		LockRelationOid(link->sibling, RowExclusiveLock);
		if (link->valid && SPI_plan_is_valid(link->plan))
			return link;
		link->valid = false;
	}
	sweep_links();
	link = hash_search(links, &key, HASH_ENTER, NULL);
	memset((char *) link + sizeof(LinkKey), 0, sizeof(Link) - sizeof(LinkKey));
	build_link(link, rel);
	return link;
}

/* ---------- acting ---------- */

/*
 * The statement on a sibling that runs now and has not met its row. It is
 * told by role and table: a statement on another table must not pass for it.
 */
typedef struct Effect
{
	const OpSiblingRole *role;
	Oid					 sibling;
	const Datum			*args;
} Effect;

static Effect effect;

const Datum *
op_effect_args(const OpSiblingRole *role, Relation rel)
{
	Oid table = RelationGetRelid(rel);

	if (effect.role != role)
		return NULL;
	if (table != effect.sibling && rel->rd_rel->relispartition)
		table = llast_oid(get_partition_ancestors(table));
	return table == effect.sibling ? effect.args : NULL;
}

void
op_effect_met(void)
{
	effect.role = NULL;
}

/* Runs the plan of a link with its owner's rights; the result code of SPI. */
static int
run_as_owner(const Link *link, Datum *values, const char *nulls)
{
	const OpSiblingRole *role = link->key.role;
	Effect				 outer = effect;
	Oid					 userid;
	int					 context;
	int					 result;

	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(link->owner,
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	effect.role = role;
	effect.sibling = link->sibling;
	effect.args = values + role->nkeys;
	running++;
	PG_TRY();
	{
		result = SPI_execute_plan(link->plan, values, nulls, false, 0);
	}
	PG_FINALLY();
	{
		running--;
		effect = outer; /* a trigger of the sibling may have come here itself */
	}
	PG_END_TRY();
	SetUserIdAndSecContext(userid, context);
	return result;
}

void
op_sibling_execute(const OpSiblingRole *role, Relation rel, TupleTableSlot *row, const Datum *args,
				   const char *nulls)
{
	Link *link;
	Datum values[OP_SIBLING_MAX_ARGS];
	char  isnull[OP_SIBLING_MAX_ARGS];
	int	  result;

	Assert(role->nkeys <= OP_SIBLING_MAX_KEYS && role->nkeys + role->nargs <= OP_SIBLING_MAX_ARGS);
	SPI_connect();
	link = link_of(role, rel);
	for (int i = 0; i < role->nkeys; i++)
	{
		NullableDatum key = op_value_in(row, link->columns[i]);

		values[i] = key.value;
		isnull[i] = key.isnull ? 'n' : ' ';
	}
	memcpy(values + role->nkeys, args, role->nargs * sizeof(Datum));
	memcpy(isnull + role->nkeys, nulls, role->nargs);

	result = run_as_owner(link, values, isnull);
	if (result < 0)
		elog(ERROR, "SPI_execute_plan returned %s", SPI_result_code_string(result));
	if (SPI_processed != 1 && !(SPI_processed == 0 && role->may_miss))
		refuse_sibling(role, rel,
					   psprintf("The statement on it touched " UINT64_FORMAT " rows, not one.",
								SPI_processed));
	SPI_finish();
}
