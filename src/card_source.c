/*
 * card_source.c
 *	  The row whose card another one of the table takes over; see card_source.h.
 *
 * A statement that inserts a row brings the sealed value itself, and its mask, as
 * it has read them. Only what stands in the row that is named is sealed anew: else whoever may
 * insert rows would have any value that he can read sealed for a row of his.
 * Neither a foreign key nor a constraint could forbid that, for they are looked
 * at when the value has been made, and shown to triggers and to RETURNING.
 */
#include "postgres.h"

#include "catalog/pg_operator.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "card_source.h"
#include "link.h"
#include "sealed.h"

bytea *
op_source_binding(const OpCardRow *row)
{
	const OpProtection *protection = row->protection;
	NullableDatum		key;

	if (protection->from == 0)
		return NULL;
	key = op_value_in(row->row, protection->from);
	if (key.isnull)
		return NULL;
	return op_make_binding(protection->label, 1, protection->key_type, &key);
}

static const char *
quoted_column(Relation rel, AttrNumber column)
{
	return quote_identifier(NameStr(TupleDescAttr(RelationGetDescr(rel), column - 1)->attname));
}

/* "t.column = $n", by the operator that the type's index would use */
static void
append_condition(StringInfo sql, Relation rel, AttrNumber column, int parameter)
{
	Oid				 type = TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypid;
	Oid				 equals = lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
	HeapTuple		 tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(equals));
	Form_pg_operator is;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
						errmsg("could not identify an equality operator for type %s",
							   format_type_be(type)),
						errtablecol(rel, column)));
	is = (Form_pg_operator) GETSTRUCT(tuple);
	appendStringInfo(sql, "t.%s OPERATOR(%s.%s) $%d", quoted_column(rel, column),
					 quote_identifier(get_namespace_name(is->oprnamespace)), NameStr(is->oprname),
					 parameter);
	ReleaseSysCache(tuple);
}

static char *
statement_for(const OpCardRow *row, OpCardPart part)
{
	const OpProtection *protection = row->protection;
	Relation			rel = row->trigdata->tg_relation;
	Oid					root = op_root_of(rel);
	StringInfoData		sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT t.%s, t.%s FROM %s AS t WHERE ",
					 quoted_column(rel, protection->sealed[part]),
					 quoted_column(rel, protection->shown[part]),
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(root)),
												get_rel_name(root)));
	append_condition(&sql, rel, protection->key[0], 1);
	if (protection->order != 0)
	{
		appendStringInfoString(&sql, " AND ");
		append_condition(&sql, rel, protection->order, 2);
	}
	return sql.data;
}

static bool
is_stored(HeapTuple row, int column, const struct varlena *value)
{
	bool  isnull;
	Datum stored = SPI_getbinval(row, SPI_tuptable->tupdesc, column, &isnull);

	return !isnull && op_is_same_value(PG_DETOAST_DATUM_PACKED(stored), value);
}

static bool
is_among_rows(const struct varlena *sealed, const struct varlena *shown)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		if (is_stored(SPI_tuptable->vals[i], 1, sealed) &&
			is_stored(SPI_tuptable->vals[i], 2, shown))
			return true;
	}
	return false;
}

/* As the owner, for whom the row is there whatever the policies of the table are. */
bool
op_source_holds(const OpCardRow *row, OpCardPart part)
{
	const OpProtection *protection = row->protection;
	Relation			rel = row->trigdata->tg_relation;
	int					nargs = protection->order != 0 ? 2 : 1;
	Oid					types[] = {protection->key_type[0], InvalidOid};
	NullableDatum		order = {0, true};
	Datum				values[2];
	bool				result;
	Oid					userid;
	int					context;

	values[0] = op_value_in(row->row, protection->from).value;
	if (nargs == 2)
	{
		types[1] = TupleDescAttr(RelationGetDescr(rel), protection->order - 1)->atttypid;
		order = op_value_in(row->row, protection->order);
		values[1] = order.value;
		if (order.isnull)
			return false;
	}
	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(rel->rd_rel->relowner,
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	SPI_connect();
	if (SPI_execute_with_args(statement_for(row, part), nargs, types, values, NULL, false, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args did not select");
	result = is_among_rows(row->given.sealed[part], row->given.shown[part]);
	SPI_finish();
	SetUserIdAndSecContext(userid, context);
	return result;
}
