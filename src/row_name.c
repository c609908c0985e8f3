/*
 * row_name.c
 *	  What a row of any table is called; see row_name.h.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "row_name.h"
#include "trigger_call.h"

Bitmapset *
op_primary_key(Relation rel)
{
	Bitmapset *offset = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	Bitmapset *result = NULL;
	int		   column = -1;

	while ((column = bms_next_member(offset, column)) >= 0)
		result = bms_add_member(result, column + FirstLowInvalidHeapAttributeNumber);
	return result;
}

static JsonbValue
text_value(const char *text)
{
	JsonbValue result = {.type = jbvString};

	result.val.string.val = unconstify(char *, text);
	result.val.string.len = (int) strlen(text);
	return result;
}

/* Integers as numbers, all else as it is written. */
static JsonbValue
key_value(Oid type, Datum value)
{
	Oid		   output;
	bool	   is_varlena;
	JsonbValue result;
	char	  *text;

	getTypeOutputInfo(type, &output, &is_varlena);
	text = OidOutputFunctionCall(output, value);
	type = getBaseType(type);
	if (type != INT2OID && type != INT4OID && type != INT8OID)
		return text_value(text);
	result.type = jbvNumeric;
	result.val.numeric = DatumGetNumeric(
		DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
							Int32GetDatum(-1)));
	return result;
}

Datum
op_name_row(Relation rel, TupleTableSlot *row, const Bitmapset *key)
{
	JsonbParseState *state = NULL;
	JsonbValue		 name;
	JsonbValue		 value;
	int				 column = -1;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((column = bms_next_member(key, column)) >= 0)
	{
		Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(rel), column - 1);
		NullableDatum	  part = op_value_in(row, (AttrNumber) column);

		name = text_value(NameStr(attr->attname));
		pushJsonbValue(&state, WJB_KEY, &name);
		value = key_value(attr->atttypid, part.value); /* of a primary key: not null */
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	if (bms_is_empty(key))
	{
		name = text_value("ctid");
		pushJsonbValue(&state, WJB_KEY, &name);
		value = key_value(TIDOID, PointerGetDatum(&row->tts_tid));
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}
