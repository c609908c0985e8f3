/*
 * data_key.c
 *	  Rows of order_payment.data_keys; see data_key.h.
 *
 * A data key is wrapped as any value is sealed (envelope.h): in an envelope of
 * the field "key", under a key derived from the root key, bound to its own id
 * and purpose. So one that was put into another row does not unwrap.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

#include "compat.h"
#include "data_key.h"
#include "errors.h"
#include "memory.h"
#include "root_key.h"
#include "trigger_call.h"

#define WRAPPED_SIZE (OP_ENVELOPE_OVERHEAD + OP_LENGTH_SIZE + OP_KEY_SIZE)

static const char *const purposes[OP_NPURPOSES] = {
	[OP_PURPOSE_DATA] = "data",
	[OP_PURPOSE_FINGERPRINT] = "fingerprint",
	[OP_PURPOSE_PEPPER] = "pepper",
};

static const char *const hmac_purposes[OP_NPURPOSES] = {
	[OP_PURPOSE_DATA] = "order_payment/v1/card_token",
	[OP_PURPOSE_FINGERPRINT] = "order_payment/v1/fingerprint",
	[OP_PURPOSE_PEPPER] = "order_payment/v1/pepper",
};

static const char *const states[OP_NKEY_STATES] = {
	[OP_KEY_PRE_ACTIVE] = "pre_active",
	[OP_KEY_ACTIVE] = "active",
	[OP_KEY_DECRYPT_ONLY] = "decrypt_only",
	[OP_KEY_COMPROMISED] = "compromised",
	[OP_KEY_DESTROYED] = "destroyed",
};

/* ---------- words ---------- */

const char *
op_purpose_name(OpKeyPurpose purpose)
{
	return purposes[purpose];
}

const char *
op_hmac_purpose(OpKeyPurpose purpose)
{
	return hmac_purposes[purpose];
}

static int
index_of(const char *const *names, int n, const char *name, const char *what)
{
	for (int i = 0; i < n; i++)
	{
		if (strcmp(names[i], name) == 0)
			return i;
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("there is no %s \"%s\" of data keys", what, name)));
	return 0;
}

OpKeyPurpose
op_purpose_by_name(const char *name)
{
	return (OpKeyPurpose) index_of(purposes, OP_NPURPOSES, name, "purpose");
}

OpKeyState
op_key_state_by_name(const char *name)
{
	return (OpKeyState) index_of(states, OP_NKEY_STATES, name, "state");
}

/* ---------- the table ---------- */

Oid
op_data_keys_table(void)
{
	Oid schema = get_namespace_oid("order_payment", true);
	Oid table = OidIsValid(schema) ? get_relname_relid("data_keys", schema) : InvalidOid;

	if (!OidIsValid(table))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("table order_payment.data_keys does not exist"),
						errhint("CREATE EXTENSION order_payment in this database.")));
	return table;
}

PG_FUNCTION_INFO_V1(op_announce_keys);

/* The trigger of data_keys and card_keys: tells every session that rows have changed. */
Datum
op_announce_keys(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("function \"announce_keys\" was not called by trigger manager")));
	CacheInvalidateRelcache(trigdata->tg_relation);
	return PointerGetDatum(NULL);
}

/* ---------- wrapping ---------- */

static void
refuse_root_key(uint32 id, uint32 root_id, const char *fault)
{
	ereport(ERROR,
			(errcode(ERRCODE_OP_NO_KEY), errmsg("data key %u cannot be unwrapped", id),
			 errdetail("It was wrapped by root key %u, %s", root_id, fault),
			 errhint("Bring that root key back to its source; order_payment.key_status() shows which keys are wanted, and their check values."),
			 errhidestmt(true), errhidecontext(true)));
}

static OpAead *
wrapping_key(const OpRootKey *root)
{
	uint8	derived[OP_KEY_SIZE];
	OpAead *aead = NULL;

	if (op_hkdf_sha256(root->key, op_fields[OP_FIELD_KEY].purpose, derived))
		aead = op_aead_new(derived);
	op_cleanse(derived, sizeof(derived));
	return aead;
}

/* purpose and id, which the key is bound to */
static OpBytes
binding_of(uint32 id, OpKeyPurpose purpose)
{
	char *text = psprintf("order_payment.data_keys %s %u", purposes[purpose], id);

	return (OpBytes){(const uint8 *) text, strlen(text)};
}

static bool
open_wrapped(const OpRootKey *root, const OpEnvelope *envelope, OpBytes bound_to,
			 uint8 raw[OP_KEY_SIZE])
{
	OpAead *aead = wrapping_key(root);
	uint8	plain[OP_PLAIN_MAX];
	size_t	size = 0;
	bool	done;

	done = aead != NULL && op_envelope_open(aead, envelope, bound_to, plain, &size) &&
		   size == OP_KEY_SIZE;
	if (done)
		memcpy(raw, plain, OP_KEY_SIZE);
	op_cleanse(plain, sizeof(plain));
	op_aead_free(aead);
	return done;
}

void
op_unwrap_key(uint32 id, OpKeyPurpose purpose, bytea *wrapped, uint8 raw[OP_KEY_SIZE])
{
	OpBytes			 data = {(const uint8 *) VARDATA_ANY(wrapped), VARSIZE_ANY_EXHDR(wrapped)};
	OpBytes			 bound_to = binding_of(id, purpose);
	OpRootKeys		 roots;
	const OpRootKey *root;
	OpEnvelope		 envelope;
	bool			 is_here;
	bool			 done;

	if (!op_envelope_parse(data, &envelope) || envelope.field != OP_FIELD_KEY)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("data key %u is not a wrapped key", id)));
	op_protect_memory();
	op_read_root_keys(&roots);
	root = op_find_root_key(&roots, envelope.key_id);
	is_here = root != NULL;
	done = is_here && open_wrapped(root, &envelope, bound_to, raw);
	op_cleanse(&roots, sizeof(roots));
	if (!done)
		refuse_root_key(id, envelope.key_id,
						is_here ? "but not by the one that is here now."
								: "which is not here.");
}

/* A key as it stands in its row. */
typedef struct Wrapped
{
	uint32 root_id;
	bytea *check; /* of the root key */
	bytea *bytes;
} Wrapped;

static bytea *
new_bytea(Size size)
{
	bytea *result = palloc(VARHDRSZ + size);

	SET_VARSIZE(result, VARHDRSZ + size);
	return result;
}

/* Wraps by the current root key. */
static void
wrap(uint32 id, OpKeyPurpose purpose, const uint8 raw[OP_KEY_SIZE], Wrapped *wrapped)
{
	OpBytes			 bound_to = binding_of(id, purpose);
	OpRootKeys		 roots;
	const OpRootKey *root;
	OpAead			*aead;
	bool			 done;

	wrapped->check = new_bytea(OP_ROOT_CHECK_SIZE);
	wrapped->bytes = new_bytea(WRAPPED_SIZE);
	op_read_root_keys(&roots);
	root = &roots.keys[roots.n - 1];
	wrapped->root_id = root->id;
	aead = wrapping_key(root);
	done = aead != NULL && op_root_key_check(root, (uint8 *) VARDATA(wrapped->check)) &&
		   op_envelope_seal(aead, OP_FIELD_KEY, root->id, bound_to, (OpBytes){raw, OP_KEY_SIZE},
							(uint8 *) VARDATA(wrapped->bytes));
	op_cleanse(&roots, sizeof(roots));
	op_aead_free(aead);
	if (!done)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a data key could not be wrapped"),
						errdetail("OpenSSL refused.")));
}

/* (root_key_id, root_key_check, wrapped) of a key, which is cleansed */
static Datum
wrapped_row(FunctionCallInfo fcinfo, uint32 id, OpKeyPurpose purpose, uint8 raw[OP_KEY_SIZE])
{
	TupleDesc tupdesc;
	Wrapped	  wrapped;
	Datum	  values[3];
	bool	  isnull[3] = {false};

	PG_TRY();
	{
		wrap(id, purpose, raw, &wrapped);
	}
	PG_CATCH();
	{
		op_cleanse(raw, OP_KEY_SIZE);
		PG_RE_THROW();
	}
	PG_END_TRY();
	op_cleanse(raw, OP_KEY_SIZE);
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = UInt32GetDatum(wrapped.root_id);
	values[1] = PointerGetDatum(wrapped.check);
	values[2] = PointerGetDatum(wrapped.bytes);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, isnull));
}

PG_FUNCTION_INFO_V1(op_wrap_new_key);

/* (key_id, purpose): a new random key, wrapped */
Datum
op_wrap_new_key(PG_FUNCTION_ARGS)
{
	uint32		 id = PG_GETARG_UINT32(0);
	OpKeyPurpose purpose = op_purpose_by_name(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	uint8		 raw[OP_KEY_SIZE];

	op_protect_memory();
	if (!op_random_key(raw, sizeof(raw)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate a random key")));
	return wrapped_row(fcinfo, id, purpose, raw);
}

PG_FUNCTION_INFO_V1(op_rewrap_key);

/* (key_id, purpose, wrapped): the same key, wrapped by the current root key */
Datum
op_rewrap_key(PG_FUNCTION_ARGS)
{
	uint32		 id = PG_GETARG_UINT32(0);
	OpKeyPurpose purpose = op_purpose_by_name(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	uint8		 raw[OP_KEY_SIZE];

	op_unwrap_key(id, purpose, PG_GETARG_BYTEA_PP(2), raw);
	return wrapped_row(fcinfo, id, purpose, raw);
}

PG_FUNCTION_INFO_V1(op_root_keys);

/* (root_key_id, root_key_check) of each key in the source */
Datum
op_root_keys(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	OpRootKeys	   roots;

	InitMaterializedSRF(fcinfo, 0);
	op_protect_memory();
	op_read_root_keys(&roots);
	for (int i = 0; i < roots.n; i++)
	{
		bytea *check = new_bytea(OP_ROOT_CHECK_SIZE);
		Datum  values[2];
		bool   isnull[2] = {false};

		op_root_key_check(&roots.keys[i], (uint8 *) VARDATA(check));
		values[0] = UInt32GetDatum(roots.keys[i].id);
		values[1] = PointerGetDatum(check);
		tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
	}
	op_cleanse(&roots, sizeof(roots));
	return (Datum) 0;
}
