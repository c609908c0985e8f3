/*
 * link.c
 *	  From a table of a store to its siblings.
 *
 * Siblings are found by foreign keys, never by name, so that renamed tables,
 * partitions and shards keep working: the parent through the foreign keys of
 * the table that fired, a child through the tables that reference it. The
 * sibling meant is the one that has a trigger of ours for that role; two of
 * them are an error.
 *
 * Both tables must have the same owner: otherwise somebody who may reference a
 * table could make its owner act.
 *
 * A link is kept by table and role for the life of the backend. Whatever
 * changes one of the two tables marks it invalid; its next use builds it anew,
 * text included, because the names in it may have changed. A plan is freed only while none runs,
 * because a statement may fire triggers that come back here.
 */
#include "postgres.h"

#include "access/table.h"
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
#include "utils/typcache.h"

#include "link.h"
#include "trigger_call.h"

static HTAB *links = NULL;
static int	 running = 0;	/* statements on siblings that run now */
static List *retired = NIL; /* plans to be freed when none runs */

/* ---------- the cache ---------- */

static void
invalidate_links(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS seq;
	OpLink		   *link;

	hash_seq_init(&seq, links);
	while ((link = hash_seq_search(&seq)) != NULL)
	{
		if (relation == InvalidOid || link->key.relation == relation || link->sibling == relation)
			link->valid = false;
	}
}

void
op_link_init(void)
{
	HASHCTL ctl = {.keysize = sizeof(OpLinkKey), .entrysize = sizeof(OpLink)};

	links = hash_create("order_payment siblings", 16, &ctl, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(invalidate_links, (Datum) 0);
}

/* Forgets every invalid link, so that dropped tables leave nothing behind. */
static void
sweep_links(void)
{
	HASH_SEQ_STATUS seq;
	OpLink		   *link;
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

void
op_link_begin(void)
{
	running++;
}

void
op_link_end(void)
{
	running--;
}

/* ---------- finding the sibling ---------- */

void
op_refuse_sibling(const OpSiblingRole *role, Relation rel, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot find %s of table \"%s\"", role->what, RelationGetRelationName(rel)),
			 errdetail_internal("%s", detail),
			 errhint("Tables of a store are made by order_payment.create_store() and linked by its foreign keys; order_payment.upgrade_store() brings one of an earlier release up to date."),
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
	bool	 result =
		!sibling->rd_rel->relispartition &&
		(role->marker ? op_has_trigger(sibling, role->marker)
					  : op_find_column(sibling, role->column) != NULL) &&
		(role->path == OP_PARENT || sibling->rd_rel->relowner == rel->rd_rel->relowner);

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

static char *
qualified_name(Oid table)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(table)),
									  get_rel_name(table));
}

/* In an order of their own: that of the candidates depends on OIDs. */
op_noreturn static void
refuse_both(const OpSiblingRole *role, Relation rel, Oid first, Oid second)
{
	char *a = qualified_name(first);
	char *b = qualified_name(second);
	bool  swap = strcmp(a, b) > 0;

	op_refuse_sibling(role, rel,
					  psprintf("Both %s and %s could be meant.", swap ? b : a, swap ? a : b));
}

static Oid
find_sibling(const OpSiblingRole *role, Relation rel)
{
	List	 *candidates;
	ListCell *cell;
	Oid		  result = InvalidOid;

	if (role->path == OP_SELF)
		return op_root_of(rel);
	candidates = role->path == OP_PARENT ? referenced_tables(rel) : referencing_tables(rel);
	foreach (cell, candidates)
	{
		if (!plays_role(role, rel, lfirst_oid(cell)))
			continue;
		if (OidIsValid(result))
			refuse_both(role, rel, result, lfirst_oid(cell));
		result = lfirst_oid(cell);
	}
	if (!OidIsValid(result))
		op_refuse_sibling(role, rel, "No foreign key leads to such a table.");
	return result;
}

/* order_id references order_id, as create_store() made it. */
static bool
is_same_by_name(const ForeignKeyCacheInfo *fk)
{
	for (int i = 0; i < fk->nkeys; i++)
	{
		if (strcmp(get_attname(fk->conrelid, fk->conkey[i], false),
				   get_attname(fk->confrelid, fk->confkey[i], false)) != 0)
			return false;
	}
	return true;
}

/*
 * The foreign key from child to parent. Users may add others, to orders that a
 * row has to do with but does not belong to: then names tell which is meant.
 */
static ForeignKeyCacheInfo *
find_foreign_key(const OpSiblingRole *role, Relation rel, Relation child, Oid parent)
{
	ForeignKeyCacheInfo *result = NULL;
	int					 n = 0;
	ListCell			*cell;

	foreach (cell, copyObject(RelationGetFKeyList(child))) /* names are looked up meanwhile */
	{
		ForeignKeyCacheInfo *fk = lfirst(cell);

		if (fk->confrelid != parent || fk->nkeys != role->nkeys)
			continue;
		if (is_same_by_name(fk))
			return fk;
		result = fk;
		n++;
	}
	if (n == 0)
		op_refuse_sibling(role, rel,
						  psprintf("Its foreign key must have %d columns.", role->nkeys));
	if (n > 1)
		op_refuse_sibling(role, rel,
						  "Several foreign keys lead there, none of them between columns of the same names.");
	return result;
}

Oid
op_referenced_by(Relation rel, const char *column)
{
	AttrNumber attnum = op_require_column(rel, column, InvalidOid);
	ListCell  *cell;

	foreach (cell, RelationGetFKeyList(rel))
	{
		ForeignKeyCacheInfo *fk = lfirst(cell);

		if (fk->nkeys == 1 && fk->conkey[0] == attnum)
			return fk->confrelid;
	}
	return InvalidOid;
}

/* ---------- building a link ---------- */

/* One column of the key: the sibling's, and the operator by which it equals ours. */
typedef struct KeyColumn
{
	AttrNumber theirs;
	AttrNumber ours;
	Oid		   equals; /* parent's column = child's column */
} KeyColumn;

static void
find_key(const OpSiblingRole *role, Relation rel, Relation sibling, KeyColumn *key)
{
	bool				 is_parent = role->path == OP_PARENT;
	ForeignKeyCacheInfo *fk;

	if (role->path == OP_SELF)
	{
		key->ours = op_require_column(rel, role->column, InvalidOid);
		key->theirs = op_require_column(sibling, role->column, InvalidOid);
		key->equals =
			lookup_type_cache(TupleDescAttr(RelationGetDescr(rel), key->ours - 1)->atttypid,
							  TYPECACHE_EQ_OPR)
				->eq_opr;
		return;
	}
	fk = find_foreign_key(role, rel, is_parent ? rel : sibling,
						  is_parent ? RelationGetRelid(sibling) : RelationGetRelid(rel));
	for (int i = 0; i < role->nkeys; i++)
	{
		key[i].theirs = is_parent ? fk->confkey[i] : fk->conkey[i];
		key[i].ours = is_parent ? fk->conkey[i] : fk->confkey[i];
		key[i].equals = fk->conpfeqop[i];
	}
}

/* "column = $1", with the operator of the foreign key. */
static void
write_condition(StringInfo sql, OpSiblingPath path, const KeyColumn *key, const char *column,
				Oid theirs, const char *parameter, Oid ours)
{
	if (path == OP_CHILD)
		generate_operator_clause(sql, parameter, ours, key->equals, column, theirs);
	else
		generate_operator_clause(sql, column, theirs, key->equals, parameter, ours);
}

/* Writes and plans the statement. sibling: the table acted on. */
static void
plan_statement(OpLink *link, Relation rel, Relation sibling)
{
	const OpSiblingRole *role = link->key.role;
	KeyColumn			 key[OP_SIBLING_MAX_KEYS] = {{0}};
	Oid					 types[OP_SIBLING_MAX_ARGS];
	StringInfoData		 sql;
	StringInfoData		 keys;
	StringInfoData		 condition;
	OpSiblingNames		 names;

	initStringInfo(&sql);
	initStringInfo(&keys);
	initStringInfo(&condition);
	find_key(role, rel, sibling, key);
	for (int i = 0; i < role->nkeys; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(sibling), key[i].theirs - 1);
		const char		 *column = quote_identifier(NameStr(attr->attname));

		link->columns[i] = key[i].ours;
		strlcpy(link->names[i], NameStr(attr->attname), NAMEDATALEN);
		types[i] = TupleDescAttr(RelationGetDescr(rel), key[i].ours - 1)->atttypid;
		link->types[i] = types[i];
		link->equals[i] = key[i].equals;
		appendStringInfo(&keys, "%s%s", i == 0 ? "" : ", ", column);
		appendStringInfoString(&condition, i == 0 ? "" : " AND ");
		write_condition(&condition, role->path, &key[i], column, attr->atttypid,
						psprintf("$%d", i + 1), types[i]);
		if (i == 0)
			names.family = pstrdup(condition.data);
	}
	memcpy(types + role->nkeys, role->argtypes, role->nargs * sizeof(Oid));
	names.sibling = qualified_name(RelationGetRelid(sibling));
	names.keys = keys.data;
	names.condition = condition.data;
	role->write(&sql, &names);
	link->plan = SPI_prepare(sql.data, role->nkeys + role->nargs, types);
	if (link->plan == NULL)
		elog(ERROR, "SPI_prepare returned %s for %s", SPI_result_code_string(SPI_result), sql.data);
	SPI_keepplan(link->plan);
}

/* Fills a new link; it becomes valid when all is done. Needs SPI. */
static void
build_link(OpLink *link, Relation rel)
{
	const OpSiblingRole *role = link->key.role;
	Relation			 sibling;
	Oid					 userid;
	int					 context;

	link->sibling = find_sibling(role, rel);
	sibling = table_open(link->sibling, RowExclusiveLock);
	link->owner = RelationGetForm(sibling)->relowner;
	if (link->owner != RelationGetForm(rel)->relowner)
		op_refuse_sibling(role, rel,
						  psprintf("Table %s has another owner.", qualified_name(link->sibling)));

	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(link->owner,
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	plan_statement(link, rel, sibling);
	SetUserIdAndSecContext(userid, context);
	table_close(sibling, NoLock);
	link->valid = true;
}

/*
 * The link, with its sibling locked: a plan that waited for the lock later
 * would be made anew by names that may mean another table by then.
 */
OpLink *
op_link_of(const OpSiblingRole *role, Relation rel)
{
	OpLinkKey key;
	OpLink	 *link;

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
	memset((char *) link + sizeof(OpLinkKey), 0, sizeof(OpLink) - sizeof(OpLinkKey));
	build_link(link, rel);
	return link;
}
