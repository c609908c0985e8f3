/*
 * card_source.c
 *	  The row whose card a new row takes over; see card_source.h.
 *
 * That the value opens under the key of that row is not enough: whoever keeps a
 * protected table of his own could have it made there, from a value that he may
 * read but not open, and pay with somebody else's card. So it must stand in the
 * row itself, where statements cannot write it.
 */
#include "postgres.h"

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "card_source.h"
#include "link.h"
#include "sealed.h"

/* SELECT the twin of the row with that key; the table is that of all partitions. */
static char *
query_for(const OpCardRow *row, OpCardPart part)
{
	Relation  rel = row->trigdata->tg_relation;
	TupleDesc tupdesc = RelationGetDescr(rel);
	Oid		  root = op_root_of(rel);

	return psprintf(
		"SELECT %s FROM %s WHERE %s OPERATOR(pg_catalog.=) $1",
		quote_identifier(
			NameStr(TupleDescAttr(tupdesc, row->protection->sealed[part] - 1)->attname)),
		quote_qualified_identifier(get_namespace_name(get_rel_namespace(root)),
								   get_rel_name(root)),
		quote_identifier(NameStr(TupleDescAttr(tupdesc, row->protection->key[0] - 1)->attname)));
}

/* Does the row with that key hold the value? As the owner, who may read all of it. */
static bool
is_stored(const OpCardRow *row, OpCardPart part, NullableDatum key)
{
	Oid	  type = getBaseType(row->protection->key_type[0]);
	char *query = query_for(row, part);
	bool  found = false;
	bool  isnull;
	Datum value;
	Oid	  userid;
	int	  context;

	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(row->trigdata->tg_relation->rd_rel->relowner,
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	SPI_connect();
	if (SPI_execute_with_args(query, 1, &type, &key.value, NULL, false, 2) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute_with_args did not select");
	if (SPI_processed == 1)
	{
		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		found = !isnull && op_is_same_value(DatumGetSealedPP(value), row->given.sealed[part]);
	}
	SPI_finish();
	SetUserIdAndSecContext(userid, context);
	return found;
}

bytea *
op_card_source(const OpCardRow *row, OpCardPart part)
{
	const OpProtection *protection = row->protection;
	NullableDatum		key;

	if (protection->from == 0)
		return NULL;
	key = op_value_in(row->row, protection->from);
	if (key.isnull || !is_stored(row, part, key))
		return NULL;
	return op_make_binding(protection->label, 1, protection->key_type, &key);
}
