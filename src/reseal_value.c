/*
 * reseal_value.c
 *	  The function reseal_value(): the same secret under the key that is active
 *	  now. It shows nothing, and so is not recorded as a reveal is; and it opens
 *	  under a key that is compromised, which nothing else does.
 */
#include "postgres.h"

#include "compat.h"
#include "fingerprint.h"
#include "reseal_value.h"
#include "sealed.h"

static bool	 leaves_shut = false;
static int64 left = 0;

void
op_set_reseal_leaves(bool leaves)
{
	leaves_shut = leaves;
	left = 0;
}

int64
op_left_by_reseal(void)
{
	return left;
}

/* NULL if it does not open. */
static OpSealed *
seal_anew(const OpEnvelope *envelope, OpSealed *value, OpBytes bound_to)
{
	uint8  plain[OP_PLAIN_MAX];
	size_t size;
	OpSealed *volatile result = NULL;

	if (!op_open_sealed(value, envelope->field, bound_to, OP_OPEN_TO_RESEAL, plain, &size))
		return NULL;
	PG_TRY();
	{
		result = op_seal_bytes(envelope->field, bound_to, (OpBytes){plain, size});
	}
	PG_FINALLY();
	{
		op_cleanse(plain, size);
	}
	PG_END_TRY();
	return result;
}

PG_FUNCTION_INFO_V1(op_reseal_value);

/* (value, bound_to) */
Datum
op_reseal_value(PG_FUNCTION_ARGS)
{
	OpSealed  *value = PG_GETARG_SEALED_P(0);
	bytea	  *bound_to = PG_GETARG_BYTEA_PP(1);
	OpSealed  *result = NULL;
	OpEnvelope envelope;

	if (op_sealed_parse(value, &envelope))
	{
		if (envelope.key_id == op_active_key(OP_PURPOSE_DATA))
			PG_RETURN_SEALED_P(value);
		result = seal_anew(&envelope, value, op_varlena_bytes(bound_to));
	}
	if (result != NULL)
		PG_RETURN_SEALED_P(result);
	if (!leaves_shut)
		op_refuse_to_open();
	left++;
	PG_RETURN_SEALED_P(value);
}

PG_FUNCTION_INFO_V1(op_fingerprint_key_of);

/* (fingerprint): the id of its key, null if it is none */
Datum
op_fingerprint_key_of(PG_FUNCTION_ARGS)
{
	uint32 id = op_fingerprint_key(PG_GETARG_BYTEA_PP(0));

	if (id == 0)
		PG_RETURN_NULL();
	PG_RETURN_UINT32(id);
}
