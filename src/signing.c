/*
 * signing.c
 *	  Signatures under what we sent to a gateway.
 *
 * The latest secret of the kind signs: one that is to be valid later, or no longer
 * is, does not. What is signed is for the caller to say, who may record what the
 * gateway did, and so may pay and refund; the key he never sees.
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"

#include "gateway_secret.h"
#include "sealed.h"
#include "signing.h"

/* While it is made. */
typedef struct Signature
{
	OpBytes message;
	uint8	bytes[OP_RSA_MAX_SIZE];
	size_t	size;
	char   *key_name; /* NULL: it has none */
} Signature;

typedef bool (*SignFunction)(OpBytes key, Signature *signature);

static bool
sign_rsa(OpBytes key, Signature *signature)
{
	OpRsa *rsa = op_rsa_private_key(key);
	bool   done;

	signature->size = sizeof(signature->bytes);
	done = rsa != NULL &&
		   op_rsa_sign_sha256(rsa, signature->message, signature->bytes, &signature->size);
	op_rsa_free(rsa);
	return done;
}

static bool
sign_hmac(OpBytes key, Signature *signature)
{
	signature->size = OP_DIGEST_SIZE;
	return op_hmac_sha256(key, signature->message, signature->bytes);
}

/* By the kind of secret; NULL: it signs nothing that we send. */
static const SignFunction signers[OP_NSECRET_KINDS] = {
	[OP_SECRET_PRIVATE_KEY] = sign_rsa,
	[OP_SECRET_STANDARD_WEBHOOK] = sign_hmac,
};

typedef struct Task
{
	SignFunction sign;
	Signature	 signature;
} Task;

/* An OpSecretUse. */
static bool
sign_under(const OpGatewaySecret *secret, void *context)
{
	Task *task = context;

	if (!task->sign(secret->secret, &task->signature))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a message to a gateway could not be signed")));
	task->signature.key_name = secret->key_name ? pstrdup(secret->key_name) : NULL;
	return true;
}

static OpSecretKind
signing_kind(const char *name)
{
	OpSecretKind kind;

	if (!op_secret_kind_by_name(name, &kind) || signers[kind] == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("no message is signed by a secret of that kind"),
						errhint("The kinds that sign are: %s, %s.",
								op_secret_kinds[OP_SECRET_PRIVATE_KEY].name,
								op_secret_kinds[OP_SECRET_STANDARD_WEBHOOK].name),
						errhidestmt(true)));
	return kind;
}

static void
sign(const char *store, const char *gateway, OpSecretKind kind, Task *task)
{
	int n;

	task->sign = signers[kind];
	if (!op_use_gateway_secrets(store, gateway, kind, sign_under, task, &n))
		op_refuse_without_secret(kind);
}

static char *
in_base64(const Signature *signature)
{
	size_t size = OP_BASE64_SIZE(signature->size);
	char  *result = palloc(size + 1);

	op_base64_encode((OpBytes){signature->bytes, signature->size}, result);
	result[size] = '\0';
	return result;
}

char *
op_sign_message(const char *store, const char *gateway, OpSecretKind kind, OpBytes message)
{
	Task task = {.signature = {.message = message}};

	sign(store, gateway, kind, &task);
	return in_base64(&task.signature);
}

PG_FUNCTION_INFO_V1(op_sign_for_gateway);

/* (gateway, kind, message, store): signature, key_name */
Datum
op_sign_for_gateway(PG_FUNCTION_ARGS)
{
	char		*gateway = text_to_cstring(PG_GETARG_TEXT_PP(0));
	OpSecretKind kind = signing_kind(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	Task		 task = {.signature = {.message = op_varlena_bytes(PG_GETARG_BYTEA_PP(2))}};
	TupleDesc	 desc;
	Datum		 values[2] = {0};
	bool		 nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	sign(NameStr(*PG_GETARG_NAME(3)), gateway, kind, &task);
	values[0] = CStringGetTextDatum(in_base64(&task.signature));
	nulls[1] = task.signature.key_name == NULL;
	if (!nulls[1])
		values[1] = CStringGetTextDatum(task.signature.key_name);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
