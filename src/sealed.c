/*
 * sealed.c
 *	  The type sealed; sealing, opening and binding.
 *
 * A value of the type is an envelope (envelope.h), never a plaintext: its input
 * takes only what its output gives, so that dumps, COPY and replication carry
 * it as it is. What cannot be opened is told in one way, whatever is the
 * matter with it, and so is input that is no envelope; neither shows it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/uuid.h"

#include "errors.h"
#include "sealed.h"

/* ---------- errors, each said once ---------- */

void
op_refuse_to_open(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OP_CANNOT_OPEN), errmsg("a sealed value cannot be opened"),
			 errhint("It was changed, cut, or moved to another row, or its key is not here; order_payment.key_status() shows the keys."),
			 errhidestmt(true), errhidecontext(true)));
}

#define NOT_SEALED		"invalid input for type sealed"
#define NOT_SEALED_HINT "A sealed value is made by order_payment.seal(), or by the trigger protect_card(); clear text is never taken."

/* ---------- input and output ---------- */

PG_FUNCTION_INFO_V1(op_sealed_in);

Datum
op_sealed_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	uint8		data[OP_ENVELOPE_MAX];
	size_t		size = sizeof(data);
	bytea	   *result;

	if (!op_envelope_from_text(text, strlen(text), data, &size))
		op_ereturn(fcinfo->context, (Datum) 0,
				   (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION), errmsg(NOT_SEALED),
					errhint(NOT_SEALED_HINT), errhidestmt(true), errhidecontext(true)));
	result = palloc(VARHDRSZ + size);
	SET_VARSIZE(result, VARHDRSZ + size);
	memcpy(VARDATA(result), data, size);
	PG_RETURN_SEALED_P(result);
}

PG_FUNCTION_INFO_V1(op_sealed_out);

Datum
op_sealed_out(PG_FUNCTION_ARGS)
{
	OpBytes envelope = op_varlena_bytes(PG_GETARG_SEALED_P(0));
	size_t	size = op_envelope_text_size(envelope.size);
	char   *text = palloc(size + 1);

	op_envelope_to_text(envelope, text);
	text[size] = '\0';
	PG_RETURN_CSTRING(text);
}

PG_FUNCTION_INFO_V1(op_sealed_recv);

Datum
op_sealed_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	int		   size = message->len - message->cursor;
	bytea	  *result = palloc(VARHDRSZ + size);
	OpEnvelope envelope;

	SET_VARSIZE(result, VARHDRSZ + size);
	pq_copymsgbytes(message, VARDATA(result), size);
	if (!op_sealed_parse(result, &envelope))
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg(NOT_SEALED),
						errhint(NOT_SEALED_HINT), errhidestmt(true), errhidecontext(true)));
	PG_RETURN_SEALED_P(result);
}

PG_FUNCTION_INFO_V1(op_sealed_send);

Datum
op_sealed_send(PG_FUNCTION_ARGS)
{
	OpBytes		   envelope = op_varlena_bytes(PG_GETARG_SEALED_P(0));
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbytes(&message, (const char *) envelope.data, (int) envelope.size);
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

PG_FUNCTION_INFO_V1(op_key_id);

Datum
op_key_id(PG_FUNCTION_ARGS)
{
	OpEnvelope envelope;

	if (!op_sealed_parse(PG_GETARG_SEALED_P(0), &envelope))
		op_refuse_to_open();
	PG_RETURN_UINT32(envelope.key_id);
}

/* ---------- sealing and opening ---------- */

OpSealed *
op_seal_bytes(OpField field, OpBytes bound_to, OpBytes plain)
{
	size_t	size = op_envelope_size(field, plain.size);
	uint32	key_id;
	OpAead *aead;
	bytea  *result;

	if (size == 0)
		ereport(ERROR, (errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
						errmsg("the value is too long to be sealed"),
						errdetail("A field \"%s\" holds at most %zu bytes.", op_fields[field].name,
								  op_fields[field].max_size),
						errhidestmt(true), errhidecontext(true)));
	result = palloc(VARHDRSZ + size);
	SET_VARSIZE(result, VARHDRSZ + size);
	aead = op_sealing_key(field, &key_id);
	if (!op_envelope_seal(aead, field, key_id, bound_to, plain, (uint8 *) VARDATA(result)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a value could not be sealed"),
						errhidestmt(true), errhidecontext(true)));
	return result;
}

bool
op_open_sealed(const OpSealed *sealed, OpField field, OpBytes bound_to, OpOpening opening,
			   uint8 *plain, size_t *size)
{
	OpEnvelope envelope;
	OpAead	  *aead;

	if (!op_sealed_parse(sealed, &envelope) || envelope.field != field)
		return false;
	aead = op_opening_key(field, envelope.key_id, opening);
	return aead != NULL && op_envelope_open(aead, &envelope, bound_to, plain, size);
}

/* ---------- binding ---------- */

/* What a key column is bound by: the class of its type stands before the bytes. */
typedef enum KeyClass
{
	KEY_NONE = 0,
	KEY_INTEGER = 'i',
	KEY_UUID = 'u',
	KEY_TEXT = 't'
} KeyClass;

static KeyClass
class_of(Oid type)
{
	switch (getBaseType(type))
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return KEY_INTEGER;
		case UUIDOID:
			return KEY_UUID;
		case TEXTOID:
		case VARCHAROID:
			return KEY_TEXT;
		default:
			return KEY_NONE;
	}
}

bool
op_binds(Oid type)
{
	return class_of(type) != KEY_NONE;
}

static int64
integer_of(Oid type, Datum value)
{
	switch (getBaseType(type))
	{
		case INT2OID:
			return DatumGetInt16(value);
		case INT4OID:
			return DatumGetInt32(value);
		default:
			return DatumGetInt64(value);
	}
}

static void
append_text(StringInfo bytes, const char *text, int size)
{
	/* in UTF-8, so that a dump may be restored in another encoding */
	char *utf8 = pg_server_to_any(text, size, PG_UTF8);
	int	  utf8_size = utf8 == text ? size : (int) strlen(utf8);

	pq_sendint32(bytes, utf8_size);
	appendBinaryStringInfo(bytes, utf8, utf8_size);
}

static void
append_key(StringInfo bytes, Oid type, NullableDatum key)
{
	KeyClass class = class_of(type);

	if (class == KEY_NONE)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("a value cannot be bound to a key of type %s", format_type_be(type)),
						errhint("Keys are integers, uuid, text or varchar; cast a literal to the type of its column.")));
	if (key.isnull)
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("a value cannot be bound to a key that is null"),
						errhint("Give the row its key, or leave the column out if it has a default."),
						errhidestmt(true)));
	pq_sendbyte(bytes, (uint8) class);
	if (class == KEY_INTEGER)
	{
		pq_sendint32(bytes, sizeof(int64));
		pq_sendint64(bytes, (uint64) integer_of(type, key.value));
	}
	else if (class == KEY_UUID)
	{
		pq_sendint32(bytes, UUID_LEN);
		pq_sendbytes(bytes, (const char *) DatumGetUUIDP(key.value)->data, UUID_LEN);
	}
	else
	{
		text *value = DatumGetTextPP(key.value);

		append_text(bytes, VARDATA_ANY(value), (int) VARSIZE_ANY_EXHDR(value));
	}
}

bytea *
op_make_binding(const char *label, int n, const Oid *types, const NullableDatum *values)
{
	StringInfoData bytes;

	initStringInfo(&bytes);
	appendStringInfoSpaces(&bytes, VARHDRSZ);
	append_text(&bytes, label, (int) strlen(label));
	for (int i = 0; i < n; i++)
		append_key(&bytes, types[i], values[i]);
	if (bytes.len - VARHDRSZ > OP_BINDING_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the key of a row is too long to bind a value to it"),
						errdetail("Label and key take %d bytes, and may take %d.",
								  (int) (bytes.len - VARHDRSZ), OP_BINDING_MAX)));
	SET_VARSIZE(bytes.data, bytes.len);
	return (bytea *) bytes.data;
}

PG_FUNCTION_INFO_V1(op_binding);

/* (label, VARIADIC "any") */
Datum
op_binding(PG_FUNCTION_ARGS)
{
	Oid			  types[FUNC_MAX_ARGS];
	NullableDatum values[FUNC_MAX_ARGS];
	char		 *label;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("the label of a binding may not be null")));
	if (get_fn_expr_variadic(fcinfo->flinfo))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("a binding is of single values, not of an array")));
	label = text_to_cstring(PG_GETARG_TEXT_PP(0));
	for (int i = 1; i < PG_NARGS(); i++)
	{
		types[i] = get_fn_expr_argtype(fcinfo->flinfo, i);
		values[i] = fcinfo->args[i];
		if (types[i] == UNKNOWNOID) /* a bare literal is text */
		{
			types[i] = TEXTOID;
			if (!values[i].isnull)
				values[i].value = CStringGetTextDatum(DatumGetCString(values[i].value));
		}
	}
	PG_RETURN_BYTEA_P(op_make_binding(label, PG_NARGS() - 1, types + 1, values + 1));
}
