/*
 * reseal_table.c
 *	  What of a table is to be resealed; see reseal_table.h.
 *
 * In a table that the trigger protect_card() protects, an UPDATE that sets the
 * sealed number to itself makes the trigger seal all parts of the card anew
 * (protect.h). In any other, the values of one column are resealed by
 * reseal_value(), bound to a label and a key as the caller tells.
 *
 * Functions and operators are named in full, for they are found by the
 * search_path of whoever calls.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "protect.h"
#include "protection.h"
#include "reseal_table.h"
#include "sealed.h"
#include "trigger_call.h"

#define EQ " OPERATOR(pg_catalog.=) "

char *
op_quoted_table(Relation rel)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
									  RelationGetRelationName(rel));
}

const char *
op_quoted_column(Relation rel, AttrNumber column)
{
	return quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(rel), column - 1)->attname));
}

/* ---------- a table with the trigger ---------- */

const OpProtection *
op_require_protection(Relation rel)
{
	const OpProtection *protection = op_protection_of_table(rel);

	if (protection == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has no trigger protect_card()", RelationGetRelationName(rel)),
				 errhint("Name a column of type sealed, and what its values are bound to: sealed_column => ..., label => ..., key => '{...}'."),
				 errtable(rel)));
	return protection;
}

void
op_require_firing(Relation rel)
{
	if (op_trigger_fires(rel, op_protect_card))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the trigger protect_card() of table \"%s\" does not fire",
					RelationGetRelationName(rel)),
			 errdetail("It is disabled, or session_replication_role is \"replica\"."),
			 errhint("Enable it: ALTER TABLE ... ENABLE TRIGGER."), errtable(rel)));
}

/* A fingerprint can be made anew from a number that opens, whichever key made it. */
static void
append_wants_fingerprint(StringInfo sql, Relation rel, const OpProtection *protection)
{
	appendStringInfo(sql,
					 " OR (order_payment.key_id(l.%s)" EQ "ANY ($%d) AND "
					 "coalesce(order_payment.fingerprint_key(l.%s), 0) OPERATOR(pg_catalog.<>) $%d)",
					 op_quoted_column(rel, protection->sealed[OP_CARD_NUMBER]),
					 OP_RESEAL_OPENING + 1, op_quoted_column(rel, protection->fingerprint),
					 OP_RESEAL_FINGERPRINT + 1);
}

/* ---------- both kinds ---------- */

/* The columns of type sealed that are resealed together. */
static List *
sealed_columns(Relation rel, const OpResealWhat *what, const OpProtection *protection)
{
	List *result = NIL;

	if (what->column != NULL)
		return list_make1(unconstify(char *, quote_identifier(what->column)));
	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		if (protection->sealed[part] != 0)
			result = lappend(
				result, unconstify(char *, op_quoted_column(rel, protection->sealed[part])));
	}
	return result;
}

/* "any of the columns is sealed under one of the keys in a parameter", or "not under one" */
static void
append_keys(StringInfo sql, const List *columns, const char *negation, OpResealParameter keys)
{
	const char *separator = "";
	ListCell   *cell;

	foreach (cell, columns)
	{
		appendStringInfo(sql, "%s%s(order_payment.key_id(l.%s)" EQ "ANY ($%d))", separator, negation,
						 (char *) lfirst(cell), keys + 1);
		separator = " OR ";
	}
}

static void
append_wanted(StringInfo sql, Relation rel, const OpResealWhat *what)
{
	const OpProtection *protection = what->column == NULL ? op_require_protection(rel) : NULL;

	appendStringInfoChar(sql, '(');
	append_keys(sql, sealed_columns(rel, what, protection), "", OP_RESEAL_OLD);
	if (protection != NULL && protection->fingerprint != 0)
		append_wants_fingerprint(sql, rel, protection);
	appendStringInfoChar(sql, ')');
}

/* A column, or a constant in quotes, which is taken as it stands between them. */
static void
append_key(StringInfo sql, Relation rel, const char *given)
{
	size_t size = strlen(given);

	if (size >= 2 && given[0] == '\'' && given[size - 1] == '\'')
		appendStringInfo(sql, ", %s::pg_catalog.text",
						 quote_literal_cstr(pnstrdup(given + 1, size - 2)));
	else
	{
		op_require_column(rel, given, InvalidOid);
		appendStringInfo(sql, ", t.%s", quote_identifier(given));
	}
}

static void
append_assignment(StringInfo sql, Relation rel, const OpResealWhat *what)
{
	const char *column;
	ListCell   *cell;

	if (what->column == NULL)
	{
		column = op_quoted_column(rel, op_require_protection(rel)->sealed[OP_CARD_NUMBER]);
		appendStringInfo(sql, "%s = t.%s", column, column);
		return;
	}
	op_require_column(rel, what->column, InvalidOid);
	column = quote_identifier(what->column);
	appendStringInfo(sql, "%s = order_payment.reseal_value(t.%s, order_payment.binding(%s", column,
					 column, quote_literal_cstr(what->label));
	foreach (cell, what->key)
		append_key(sql, rel, lfirst(cell));
	appendStringInfoString(sql, "))");
}

char *
op_reseal_update(Relation rel, const OpResealWhat *what)
{
	char		  *table = op_quoted_table(rel);
	StringInfoData sql;

	if (what->column == NULL)
	{
		op_require_protection(rel);
		op_require_firing(rel);
	}
	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE ONLY %s AS t SET ", table);
	append_assignment(&sql, rel, what);
	appendStringInfo(&sql,
					 " WHERE t.ctid" EQ "ANY (ARRAY(SELECT l.ctid FROM ONLY %s AS l"
					 " WHERE l.ctid OPERATOR(pg_catalog.>=) $%d AND l.ctid OPERATOR(pg_catalog.<) $%d AND ",
					 table, OP_RESEAL_FIRST + 1, OP_RESEAL_END + 1);
	append_wanted(&sql, rel, what);
	appendStringInfoString(&sql, " FOR NO KEY UPDATE SKIP LOCKED))");
	return sql.data;
}

char *
op_reseal_count(Relation rel, const OpResealWhat *what)
{
	const OpProtection *protection = what->column == NULL ? op_require_protection(rel) : NULL;
	List			   *columns = sealed_columns(rel, what, protection);
	bool				is_partitioned = rel->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;
	StringInfoData		sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT pg_catalog.count(*) FILTER (WHERE ");
	append_wanted(&sql, rel, what);
	appendStringInfoString(&sql, "), pg_catalog.count(*) FILTER (WHERE ");
	append_keys(&sql, columns, "NOT ", OP_RESEAL_OPENING);
	appendStringInfo(&sql, ") FROM %s%s AS l", is_partitioned ? "" : "ONLY ", op_quoted_table(rel));
	return sql.data;
}

List *
op_reseal_tables(Oid target)
{
	List	 *all = find_all_inheritors(target, AccessShareLock, NULL);
	List	 *result = NIL;
	ListCell *cell;

	if (get_rel_relkind(target) != RELKIND_PARTITIONED_TABLE)
		return list_make1_oid(target);
	foreach (cell, all)
	{
		if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_RELATION)
			result = lappend_oid(result, lfirst_oid(cell));
	}
	return result;
}
