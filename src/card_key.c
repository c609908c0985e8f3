/*
 * card_key.c
 *	  The keys that cards are sealed for outside; see card_key.h.
 *
 * A private key that was unsealed by a data key which may not open any more is
 * dropped with it. It is unsealed and parsed, which takes as long as using it,
 * when it is first used.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "card_blob.h"
#include "card_key.h"
#include "compat.h"
#include "errors.h"
#include "key_table.h"
#include "memory.h"
#include "sealed.h"

#define LABEL "order_payment.card_keys" /* what private keys are bound to, beside their id */

/* As card_key.sql makes them. */
typedef enum CardKeysColumn
{
	KID,
	STATE,
	PUBLIC_KEY,
	PRIVATE_KEY,
	RETIRE_AFTER
} CardKeysColumn;

#define NCOLUMNS (RETIRE_AFTER + 1)

typedef struct CardKey
{
	uint32		kid;
	bool		is_active;
	bytea	   *public_key;	 /* DER */
	OpSealed   *private_key; /* NULL: destroyed */
	TimestampTz retire_after;
	OpRsa	   *ready;
} CardKey;

/* ---------- the rows ---------- */

static void
forget_key(void *entry)
{
	op_rsa_free(((CardKey *) entry)->ready);
}

static void
take_row(void *entry, const Datum *values, const bool *isnull)
{
	CardKey *key = entry;

	key->kid = DatumGetUInt32(values[KID]);
	key->is_active = strcmp(TextDatumGetCString(values[STATE]), "active") == 0;
	key->public_key = DatumGetByteaPCopy(values[PUBLIC_KEY]);
	if (!isnull[PRIVATE_KEY])
		key->private_key = (OpSealed *) DatumGetByteaPCopy(values[PRIVATE_KEY]);
	key->retire_after =
		isnull[RETIRE_AFTER] ? DT_NOEND : DatumGetTimestampTz(values[RETIRE_AFTER]);
}

static OpKeyTable card_keys = {
	.name = "card_keys",
	.sealed_by = "data_keys",
	.ncolumns = NCOLUMNS,
	.entry_size = sizeof(CardKey),
	.take = take_row,
	.forget = forget_key,
};

void
op_card_key_init(void)
{
	op_key_table_init(&card_keys);
}

/* The rows, up to date. */
static CardKey *
read_keys(void)
{
	op_key_table_refresh(&card_keys);
	return card_keys.entries;
}

static CardKey *
find_key(uint32 kid)
{
	CardKey *keys = read_keys();

	for (int i = 0; i < card_keys.n; i++)
	{
		if (keys[i].kid == kid)
			return &keys[i];
	}
	return NULL;
}

static CardKey *
find_active(void)
{
	CardKey *keys = read_keys();

	for (int i = 0; i < card_keys.n; i++)
	{
		if (keys[i].is_active)
			return &keys[i];
	}
	return NULL;
}

/* ---------- private keys ---------- */

static OpBytes
binding_of(uint32 kid)
{
	Oid			  type = INT4OID;
	NullableDatum value = {UInt32GetDatum(kid), false};

	return op_varlena_bytes(op_make_binding(LABEL, 1, &type, &value));
}

static OpRsa *
unseal(uint32 kid, const OpSealed *sealed)
{
	uint8  plain[OP_PLAIN_MAX];
	size_t size;
	OpRsa *rsa = NULL;

	if (op_open_sealed(sealed, OP_FIELD_PRIVATE_KEY, binding_of(kid), OP_OPEN_TO_SHOW, plain,
					   &size))
	{
		rsa = op_rsa_private_key((OpBytes){plain, size});
		op_cleanse(plain, size);
	}
	if (rsa == NULL)
		op_refuse_to_open();
	return rsa;
}

OpRsa *
op_card_key(uint32 kid)
{
	CardKey *key = find_key(kid);
	OpRsa	*rsa;

	if (key == NULL || key->private_key == NULL ||
		(!key->is_active && key->retire_after < GetCurrentTimestamp()))
		return NULL;
	if (key->ready != NULL)
		return key->ready;
	op_protect_memory();
	rsa = unseal(kid, key->private_key);
	if (card_keys.is_stale)
	{
		/* unsealing has found that keys have changed: nothing of this is kept */
		op_rsa_free(rsa);
		return op_card_key(kid);
	}
	key->ready = rsa;
	return rsa;
}

/* ---------- making them ---------- */

op_noreturn static void
refuse_to_generate(void)
{
	ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate a card key"),
					errdetail("OpenSSL refused.")));
}

/* Both halves, the private one sealed. */
static void
seal_pair(const OpRsa *pair, uint32 kid, bytea **public_key, OpSealed **private_key)
{
	uint8  der[OP_RSA_MAX_DER];
	size_t size = sizeof(der);

	if (pair == NULL || !op_rsa_public_der(pair, der, &size))
		refuse_to_generate();
	*public_key = palloc(VARHDRSZ + size);
	SET_VARSIZE(*public_key, VARHDRSZ + size);
	memcpy(VARDATA(*public_key), der, size);

	size = sizeof(der);
	if (!op_rsa_private_der(pair, der, &size))
		refuse_to_generate();
	PG_TRY();
	{
		*private_key = op_seal_bytes(OP_FIELD_PRIVATE_KEY, binding_of(kid), (OpBytes){der, size});
	}
	PG_FINALLY();
	{
		op_cleanse(der, sizeof(der));
	}
	PG_END_TRY();
}

PG_FUNCTION_INFO_V1(op_new_card_key);

/* (kid): a new pair, its private half sealed for that id */
Datum
op_new_card_key(PG_FUNCTION_ARGS)
{
	uint32	  kid = PG_GETARG_UINT32(0);
	OpRsa	 *pair;
	TupleDesc tupdesc;
	bytea	 *public_key = NULL;
	OpSealed *private_key = NULL;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	op_protect_memory();
	pair = op_rsa_generate(OP_BLOB_RSA_BITS);
	PG_TRY();
	{
		seal_pair(pair, kid, &public_key, &private_key);
	}
	PG_FINALLY();
	{
		op_rsa_free(pair);
	}
	PG_END_TRY();
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(tupdesc),
						(Datum[]){PointerGetDatum(public_key), PointerGetDatum(private_key)},
						(bool[]){false, false})));
}

/* ---------- public keys ---------- */

#define PEM_LINE 64

static void
append_base64(StringInfo text, OpBytes bytes)
{
	size_t size = OP_BASE64_SIZE(bytes.size);
	char  *base64 = palloc(size);

	op_base64_encode(bytes, base64);
	for (size_t i = 0; i < size; i++)
	{
		if (i > 0 && i % PEM_LINE == 0)
			appendStringInfoChar(text, '\n');
		appendStringInfoChar(text, base64[i]);
	}
}

/* SubjectPublicKeyInfo, as RFC 7468 has it */
static void
append_pem(StringInfo text, const CardKey *key)
{
	appendStringInfoString(text, "-----BEGIN PUBLIC KEY-----\n");
	append_base64(text, op_varlena_bytes(key->public_key));
	appendStringInfoString(text, "\n-----END PUBLIC KEY-----\n");
}

typedef bool (*NumberFunction)(const OpRsa *rsa, uint8 *bytes, size_t *size);

static void
append_number(StringInfo text, const char *name, const OpRsa *rsa, NumberFunction number)
{
	uint8  bytes[OP_RSA_MAX_SIZE];
	size_t size = sizeof(bytes);
	char   base64[OP_BASE64URL_SIZE(OP_RSA_MAX_SIZE)];

	if (!number(rsa, bytes, &size))
		elog(ERROR, "could not take a public key apart");
	op_base64url_encode((OpBytes){bytes, size}, base64);
	appendStringInfo(text, ",\"%s\":\"%.*s\"", name, (int) OP_BASE64URL_SIZE(size), base64);
}

/* RFC 7517, with the names of RFC 7518 */
static void
append_jwk(StringInfo text, const CardKey *key)
{
	OpRsa *rsa = op_rsa_public_key(op_varlena_bytes(key->public_key));

	if (rsa == NULL)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("the public half of card key %u is none", key->kid)));
	PG_TRY();
	{
		appendStringInfo(text,
						 "{\"kty\":\"RSA\",\"use\":\"enc\",\"alg\":\"RSA-OAEP-256\",\"kid\":\"%u\"",
						 key->kid);
		append_number(text, "n", rsa, op_rsa_modulus);
		append_number(text, "e", rsa, op_rsa_exponent);
		appendStringInfoChar(text, '}');
	}
	PG_FINALLY();
	{
		op_rsa_free(rsa);
	}
	PG_END_TRY();
}

PG_FUNCTION_INFO_V1(op_card_public_key);

/* (format, kid) */
Datum
op_card_public_key(PG_FUNCTION_ARGS)
{
	char		  *format;
	StringInfoData result;
	CardKey		  *key;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	format = text_to_cstring(PG_GETARG_TEXT_PP(0));
	key = PG_ARGISNULL(1) ? find_active() : find_key(PG_GETARG_UINT32(1));
	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OP_NO_KEY),
				 PG_ARGISNULL(1) ? errmsg("there is no card key that cards could be sealed for")
								 : errmsg("there is no card key %d", PG_GETARG_INT32(1)),
				 errhint("Make one: SELECT order_payment.create_card_key().")));
	initStringInfo(&result);
	if (strcmp(format, "pem") == 0)
		append_pem(&result, key);
	else if (strcmp(format, "jwk") == 0)
		append_jwk(&result, key);
	else
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a public key has no format \"%s\"", format),
						errhint("The formats are \"pem\" and \"jwk\".")));
	PG_RETURN_TEXT_P(cstring_to_text_with_len(result.data, result.len));
}
