/*
 * fingerprint.c
 *	  Fingerprints of card numbers; see fingerprint.h.
 *
 * Who can have fingerprints made of numbers that he guesses can find the number
 * of a card whose BIN and last digits he sees. So applications compare two
 * fingerprints that are stored, and asking for that of a number is recorded and
 * counted as opening one is.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "card.h"
#include "compat.h"
#include "fingerprint.h"
#include "reveal_log.h"
#include "sealed.h"

/* stands before the digits, so that no other use of the key can give the same */
#define DOMAIN		"order_payment card number "
#define DOMAIN_SIZE (sizeof(DOMAIN) - 1)

static bytea *
fingerprint_under(OpHmac *key, uint32 key_id, OpBytes digits)
{
	uint8  data[DOMAIN_SIZE + OP_PAN_MAX];
	bytea *result = palloc(VARHDRSZ + OP_FINGERPRINT_SIZE);
	uint8 *bytes = (uint8 *) VARDATA(result);
	uint32 id = pg_hton32(key_id);
	bool   done;

	SET_VARSIZE(result, VARHDRSZ + OP_FINGERPRINT_SIZE);
	memcpy(data, DOMAIN, DOMAIN_SIZE);
	memcpy(data + DOMAIN_SIZE, digits.data, digits.size);
	memcpy(bytes, &id, sizeof(id));
	done = op_hmac(key, (OpBytes){data, DOMAIN_SIZE + digits.size}, bytes + sizeof(id));
	op_cleanse(data, sizeof(data));
	if (!done)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a fingerprint could not be made"),
						errhidestmt(true), errhidecontext(true)));
	return result;
}

bytea *
op_fingerprint(OpBytes digits)
{
	uint32	key_id;
	OpHmac *key = op_active_hmac_key(OP_PURPOSE_FINGERPRINT, &key_id);

	return fingerprint_under(key, key_id, digits);
}

uint32
op_fingerprint_key(const bytea *fingerprint)
{
	OpBytes bytes = op_varlena_bytes(fingerprint);
	uint32	id;

	if (bytes.size != OP_FINGERPRINT_SIZE)
		return 0;
	memcpy(&id, bytes.data, sizeof(id));
	return pg_ntoh32(id);
}

PG_FUNCTION_INFO_V1(op_same_card);

/* (a, b): NULL if they were made by different keys, and so cannot be compared */
Datum
op_same_card(PG_FUNCTION_ARGS)
{
	bytea *a = PG_GETARG_BYTEA_PP(0);
	bytea *b = PG_GETARG_BYTEA_PP(1);

	if (op_fingerprint_key(a) == 0 || op_fingerprint_key(b) == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("this is no fingerprint of a card"),
						errhint("Compare the columns card_fingerprint of two payments, or those of the table that protect_card() keeps.")));
	if (op_fingerprint_key(a) != op_fingerprint_key(b))
		PG_RETURN_NULL();
	PG_RETURN_BOOL(op_equal(VARDATA_ANY(a), VARDATA_ANY(b), OP_FINGERPRINT_SIZE));
}

static Datum
fingerprints_of(OpBytes digits)
{
	uint32 *ids;
	Datum  *values;
	int		n;
	int		made = 0;

	op_record_reveal(&(OpReveal){.what = "lookup",
								 .field = op_fields[OP_FIELD_NUMBER].name,
								 .key_id = (int) op_active_key(OP_PURPOSE_FINGERPRINT),
								 .units = 1});
	n = op_usable_keys(OP_PURPOSE_FINGERPRINT, &ids);
	values = palloc((n + 1) * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		OpHmac *key = op_hmac_key(OP_PURPOSE_FINGERPRINT, ids[i]);

		if (key != NULL)
			values[made++] = PointerGetDatum(fingerprint_under(key, ids[i], digits));
	}
	return PointerGetDatum(construct_array(values, made, BYTEAOID, -1, false, TYPALIGN_INT));
}

PG_FUNCTION_INFO_V1(op_card_fingerprints);

/* (number): under each key that fingerprints may have been made by */
Datum
op_card_fingerprints(PG_FUNCTION_ARGS)
{
	text		  *number = PG_GETARG_TEXT_PP(0);
	OpClear		   clear;
	volatile Datum result = (Datum) 0;

	op_read_clear(OP_FIELD_NUMBER, VARDATA_ANY(number), VARSIZE_ANY_EXHDR(number), &clear);
	PG_TRY();
	{
		result = fingerprints_of((OpBytes){clear.data, clear.size});
	}
	PG_FINALLY();
	{
		op_cleanse(clear.data, clear.size);
	}
	PG_END_TRY();
	PG_RETURN_DATUM(result);
}

/* ---------- is a stored fingerprint sound? ---------- */

static const char *
fault_of(const bytea *fingerprint, OpBytes digits)
{
	uint32	id = op_fingerprint_key(fingerprint);
	OpHmac *key = id == 0 ? NULL : op_hmac_key(OP_PURPOSE_FINGERPRINT, id);

	if (id == 0)
		return "it is none";
	if (key == NULL)
		return "its key is not here";
	if (!op_equal(VARDATA_ANY(fingerprint), VARDATA(fingerprint_under(key, id, digits)),
				  OP_FINGERPRINT_SIZE))
		return "it is of another number";
	return NULL;
}

PG_FUNCTION_INFO_V1(op_fingerprint_fault);

/*
 * (value, bound_to, fingerprint): NULL if it is that of the number, and if the value is none that
 * opens, which op_card_fault() says
 */
Datum
op_fingerprint_fault(PG_FUNCTION_ARGS)
{
	uint8  plain[OP_PLAIN_MAX];
	size_t size;
	const char *volatile fault = NULL;

	if (!op_open_sealed(PG_GETARG_SEALED_P(0), OP_FIELD_NUMBER,
						op_varlena_bytes(PG_GETARG_BYTEA_PP(1)), OP_OPEN_TO_RESEAL, plain, &size))
		PG_RETURN_NULL();
	PG_TRY();
	{
		fault = fault_of(PG_GETARG_BYTEA_PP(2), (OpBytes){plain, size});
	}
	PG_FINALLY();
	{
		op_cleanse(plain, size);
	}
	PG_END_TRY();
	if (fault == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(fault));
}
