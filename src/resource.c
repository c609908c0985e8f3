/*
 * resource.c
 *	  What WeChat Pay v3 tells encrypted in its notifications.
 *
 * resource	{"algorithm": "AEAD_AES_256_GCM", "ciphertext": base64 of ciphertext
 *			and tag, "nonce": 12 characters, "associated_data": text, or none}
 * key		the secret apiv3_key of the gateway: 32 characters
 *
 * Notifications are signed as well, so what does not open was changed by nobody:
 * it was made under a key that is not here. There is one error for all that is
 * wrong with a resource, and none that shows a piece of it.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "errors.h"
#include "fields.h"
#include "gateway.h"
#include "gateway_secret.h"
#include "json_member.h"

#define ALGORITHM "AEAD_AES_256_GCM"

/* While it is opened. */
typedef struct Resource
{
	OpBytes nonce;
	OpBytes associated;
	OpBytes sealed;
	char   *plain; /* ended by a zero when it is open */
} Resource;

static void
refuse_resource(void)
{
	ereport(ERROR, (errcode(ERRCODE_OP_CANNOT_OPEN),
					errmsg("the resource of a notification cannot be opened"),
					errhint("It is none of WeChat Pay v3, or was made under a secret apiv3_key that is not valid here; order_payment.set_gateway_secret() brings the right one."),
					errhidestmt(true)));
}

/* ---------- reading it ---------- */

/* In UTF-8. What may be left out is empty then, or null. */
static OpBytes
text_member(const Jsonb *resource, const char *name, bool is_optional)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer((JsonbContainer *) &resource->root, name,
													 (int) strlen(name), &buffer);
	char	   *utf8;
	int			size;

	if (value == NULL || value->type == jbvNull)
	{
		if (!is_optional)
			refuse_resource();
		return (OpBytes){(const uint8 *) "", 0};
	}
	if (value->type != jbvString)
		refuse_resource();
	size = value->val.string.len;
	utf8 = pg_server_to_any(value->val.string.val, size, PG_UTF8);
	return (OpBytes){(const uint8 *) utf8,
					 utf8 == value->val.string.val ? (size_t) size : strlen(utf8)};
}

static OpBytes
decode(OpBytes text)
{
	size_t size = text.size / 4 * 3;
	uint8 *bytes = palloc(size + 1);

	if (!op_base64_decode((const char *) text.data, text.size, bytes, &size))
		refuse_resource();
	return (OpBytes){bytes, size};
}

static void
read_resource(const Jsonb *json, Resource *resource)
{
	if (!JB_ROOT_IS_OBJECT(json) || !op_bytes_are(text_member(json, "algorithm", false), ALGORITHM))
		refuse_resource();
	resource->nonce = text_member(json, "nonce", false);
	resource->associated = text_member(json, "associated_data", true);
	resource->sealed = decode(text_member(json, "ciphertext", false));
	if (resource->nonce.size != OP_GCM_NONCE_SIZE || resource->sealed.size < OP_TAG_SIZE)
		refuse_resource();
	resource->plain = palloc0(resource->sealed.size - OP_TAG_SIZE + 1);
}

/* ---------- opening it ---------- */

/* An OpSecretUse. */
static bool
open_under(const OpGatewaySecret *key, void *context)
{
	Resource *resource = context;

	return op_gcm_open(key->secret.data, resource->nonce.data, resource->associated,
					   resource->sealed, (uint8 *) resource->plain);
}

/* The server's own errors would show where in the text they are, and with it the text. */
static Datum
parse(const char *text)
{
	MemoryContext  memory = CurrentMemoryContext;
	volatile Datum result = (Datum) 0;

	PG_TRY();
	{
		result = DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(memory);
		FlushErrorState();
		refuse_resource();
	}
	PG_END_TRY();
	return result;
}

static Datum
make_jsonb(Resource *resource)
{
	size_t size = resource->sealed.size - OP_TAG_SIZE;
	char  *text;

	/* also a byte zero, at which the text would end */
	if (!pg_verify_mbstr(PG_UTF8, resource->plain, (int) size, true) ||
		!op_json_is_valid((OpBytes){(const uint8 *) resource->plain, size}))
		refuse_resource();
	text = pg_any_to_server(resource->plain, (int) size, PG_UTF8);
	return parse(text);
}

PG_FUNCTION_INFO_V1(op_open_resource);

/* (gateway, resource, store) */
Datum
op_open_resource(PG_FUNCTION_ARGS)
{
	char	*gateway = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Resource resource;
	int		 n;

	op_require_recorder(NameStr(*PG_GETARG_NAME(2)));
	read_resource(PG_GETARG_JSONB_P(1), &resource);
	if (!op_use_gateway_secrets(NameStr(*PG_GETARG_NAME(2)), gateway, OP_SECRET_APIV3_KEY,
								open_under, &resource, &n))
	{
		if (n == 0)
			op_refuse_without_secret(OP_SECRET_APIV3_KEY);
		refuse_resource();
	}
	return make_jsonb(&resource);
}
