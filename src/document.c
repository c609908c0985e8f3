/*
 * document.c
 *	  Verification codes of cards in columns of json and jsonb, and of arrays of
 *	  them; see document.h.
 *
 * What a gateway or a page sends is often stored as it came, and may hold what
 * must not be stored. An error does not show the document.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/jsonapi.h"
#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/jsonfuncs.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "document.h"
#include "verification_code.h"

/* The type of the elements of an array, or the type itself; of domains, what they are over. */
static Oid
document_type(Oid type)
{
	Oid base = getBaseType(type);
	Oid element = get_element_type(base);

	return OidIsValid(element) ? getBaseType(element) : base;
}

bool
op_is_document(Oid type)
{
	Oid document = document_type(type);

	return document == JSONOID || document == JSONBOID;
}

/* The name of a verification code among the keys, or NULL. */
static const char *
code_in_jsonb(Jsonb *document)
{
	JsonbIterator	  *it = JsonbIteratorInit(&document->root);
	JsonbValue		   value;
	const char		  *found = NULL;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&it, &value, false)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			found = op_names_verification_code(value.val.string.val, value.val.string.len);
		else if (found != NULL && !(token == WJB_VALUE && value.type == jbvNull))
			return found;
		else
			found = NULL;
	}
	return NULL;
}

static OP_JSON_ACTION
look_at_key(void *state, char *key, bool is_null)
{
	const char **found = state;

	if (*found == NULL && !is_null)
		*found = op_names_verification_code(key, strlen(key));
	OP_JSON_PROCEED;
}

static const char *
code_in_json(text *document)
{
	const char	 *found = NULL;
	JsonSemAction actions = {.semstate = (void *) &found, .object_field_start = look_at_key};

	pg_parse_json_or_ereport(op_json_lexer(document), &actions);
	return found;
}

static const char *
code_in_one(Oid type, Datum document)
{
	return type == JSONBOID ? code_in_jsonb(DatumGetJsonbP(document))
							: code_in_json(DatumGetTextPP(document));
}

static const char *
code_in_array(Oid type, ArrayType *documents)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;
	const char *found = NULL;

	deconstruct_array(documents, type, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	for (int i = 0; i < n && found == NULL; i++)
	{
		if (!nulls[i])
			found = code_in_one(type, values[i]);
	}
	return found;
}

static const char *
code_in(Oid type, Datum value)
{
	if (OidIsValid(get_element_type(getBaseType(type))))
		return code_in_array(document_type(type), DatumGetArrayTypeP(value));
	return code_in_one(document_type(type), value);
}

/* As it was, to the byte? A value out of line is not fetched for that. */
static bool
is_untouched(NullableDatum value, NullableDatum was)
{
	const struct varlena *a = (const struct varlena *) DatumGetPointer(value.value);
	const struct varlena *b = (const struct varlena *) DatumGetPointer(was.value);

	return !was.isnull && VARSIZE_ANY(a) == VARSIZE_ANY(b) && memcmp(a, b, VARSIZE_ANY(a)) == 0;
}

static void
refuse_code(Relation rel, AttrNumber column, const char *code)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("column \"%s\" of table \"%s\" may not hold the verification code of a card",
					NameStr(TupleDescAttr(RelationGetDescr(rel), column - 1)->attname),
					RelationGetRelationName(rel)),
			 errdetail("A key in it names one (\"%s\"): verification code, PIN or track of a card may not be stored, not even sealed (PCI DSS 3.3.1).",
					   code),
			 errhint("Take it out before the document is stored, or set it to null."),
			 errtablecol(rel, column), errhidestmt(true), errhidecontext(true)));
}

void
op_refuse_codes(Relation rel, const OpProtection *protection, TupleTableSlot *row,
				TupleTableSlot *old)
{
	for (int i = 0; i < protection->ndocuments; i++)
	{
		AttrNumber	  column = protection->document[i];
		Oid			  type = TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypid;
		NullableDatum value = op_value_in(row, column);
		const char	 *code;

		if (value.isnull || (old != NULL && is_untouched(value, op_value_in(old, column))))
			continue;
		code = code_in(type, value.value);
		if (code != NULL)
			refuse_code(rel, column, code);
	}
}
