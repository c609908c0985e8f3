/*
 * message_fields.c
 *	  Bodies of notifications that are no JSON, as jsonb: objects of strings.
 *
 * Two names that differ as bytes may be the same character in another charset, so
 * the members of what was made are counted.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/jsonb.h"

#include "flat_xml.h"
#include "form.h"
#include "sealed.h"

/* What a form calls its charset, in small letters, and what the server does. */
static const struct
{
	const char *name;
	pg_enc		encoding;
} charsets[] = {
	{"utf-8", PG_UTF8},
	{"utf8", PG_UTF8},
	{"gbk", PG_GBK},
	{"gb2312", PG_EUC_CN},
	{"gb18030", PG_GB18030},
};

/* ---------- errors ---------- */

static const char *const form_faults[] = {
	[OP_FORM_GOOD] = "",
	[OP_FORM_PERCENT] = "A percent sign is not followed by two hexadecimal digits.",
	[OP_FORM_ZERO] = "It has a byte that is zero.",
	[OP_FORM_NAME] = "A field has no name, or no value.",
	[OP_FORM_TWICE] = "A name is there twice.",
	[OP_FORM_MANY] = "It has more than 1000 fields.",
};

StaticAssertDecl(lengthof(form_faults) == OP_FORM_MANY + 1, "every fault is told");
StaticAssertDecl(OP_FIELDS_MAX == 1000, "as the fault says");

#define FORM_REFUSAL "this is no body of the type application/x-www-form-urlencoded"
#define XML_REFUSAL	 "this is no body of flat XML"

static void
refuse(const char *refusal, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s", refusal),
					errdetail_internal("%s", detail),
					errhint("Give the body as it came, undecoded."), errhidestmt(true)));
}

/* The server's own error would show some of the bytes. */
static void
require_charset(OpBytes bytes, pg_enc encoding)
{
	if (!pg_verify_mbstr(encoding, (const char *) bytes.data, (int) bytes.size, true))
		ereport(ERROR, (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
						errmsg("the body of a message has bytes that are none of its charset"),
						errhint("Give the body as it came, undecoded."), errhidestmt(true)));
}

/* ---------- text ---------- */

/*
 * By way of UTF-8, for between the charsets of a form and that of the database
 * there need not be a conversion. What has no equivalent is the server's own
 * error, 22P05.
 */
static void
to_server(OpBytes bytes, pg_enc encoding, JsonbValue *value)
{
	char *text;
	char *utf8;

	require_charset(bytes, encoding);
	text = pnstrdup((const char *) bytes.data, bytes.size); /* none is zero */
	utf8 = (char *) pg_do_encoding_conversion((unsigned char *) text, (int) bytes.size, encoding,
											  PG_UTF8);
	value->type = jbvString;
	value->val.string.val = pg_any_to_server(utf8, (int) strlen(utf8), PG_UTF8);
	value->val.string.len = (int) strlen(value->val.string.val);
}

static Datum
make_jsonb(const OpFields *fields, pg_enc encoding, const char *refusal)
{
	JsonbParseState *state = NULL;
	JsonbValue		*object;
	Jsonb			*result;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (size_t i = 0; i < fields->n; i++)
	{
		JsonbValue value;

		to_server(fields->field[i].name, encoding, &value);
		pushJsonbValue(&state, WJB_KEY, &value);
		to_server(fields->field[i].value, encoding, &value);
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	result = JsonbValueToJsonb(object);
	if (JB_ROOT_COUNT(result) != fields->n)
		refuse(refusal, form_faults[OP_FORM_TWICE]);
	PG_RETURN_JSONB_P(result);
}

/* ---------- forms ---------- */

static bool
is_charset(OpBytes given, const char *name)
{
	if (given.size != strlen(name))
		return false;
	for (size_t i = 0; i < given.size; i++)
	{
		if (pg_ascii_tolower(given.data[i]) != (unsigned char) name[i])
			return false;
	}
	return true;
}

static pg_enc
charset_of(const OpFields *fields)
{
	const OpMessageField *charset = op_fields_find(fields, "charset");

	if (charset == NULL)
		return PG_UTF8;
	for (size_t i = 0; i < lengthof(charsets); i++)
	{
		if (is_charset(charset->value, charsets[i].name))
			return charsets[i].encoding;
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg(FORM_REFUSAL),
					errdetail("It names a charset that is not known."),
					errhint("Known are UTF-8, GBK, GB2312 and GB18030."), errhidestmt(true)));
	pg_unreachable();
}

PG_FUNCTION_INFO_V1(op_form_fields);

/* (body) */
Datum
op_form_fields(PG_FUNCTION_ARGS)
{
	OpBytes		body = op_varlena_bytes(PG_GETARG_BYTEA_PP(0));
	OpFields   *fields = palloc(sizeof(OpFields));
	OpFormFault fault = op_form_read(body, palloc(body.size + 1), fields);

	if (fault != OP_FORM_GOOD)
		refuse(FORM_REFUSAL, form_faults[fault]);
	return make_jsonb(fields, charset_of(fields), FORM_REFUSAL);
}

/* ---------- XML ---------- */

PG_FUNCTION_INFO_V1(op_flat_xml_fields);

/* (body) */
Datum
op_flat_xml_fields(PG_FUNCTION_ARGS)
{
	OpBytes	  body = op_varlena_bytes(PG_GETARG_BYTEA_PP(0));
	OpFields *fields = palloc(sizeof(OpFields));

	require_charset(body, PG_UTF8);
	if (!op_flat_xml_read(body, palloc(body.size + 1), fields))
		refuse(XML_REFUSAL, "It is to be one element xml of elements that hold text or CDATA and nothing else.");
	return make_jsonb(fields, PG_UTF8, XML_REFUSAL);
}
