/*
 * notification.c
 *	  Are notifications of gateways, and their replies, what the gateway sent?
 *
 * A message that is not verified is no error: anybody can send one. It is told
 * from others by a code, which says what is wrong with it and never what it holds,
 * so that nobody writes into our log. Errors are for what is ours: no such gateway,
 * no right, a secret that does not open.
 *
 * The time of a signature is looked at before the signature: that a message is old
 * is no secret, and most of the work is saved.
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "scheme.h"
#include "sealed.h"

#define BODY_MAX ((size_t) 1024 * 1024)

/* seconds from the epoch of Unix to that of PostgreSQL */
#define UNIX_EPOCH ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

static const struct
{
	const char *code;
	bool		is_verified;
} reasons[] = {
	[OP_REASON_VERIFIED] = {"verified", true},
	[OP_REASON_UNSIGNED] = {"unsigned", true},
	[OP_REASON_HEADER_MISSING] = {"header_missing", false},
	[OP_REASON_HEADER_MALFORMED] = {"header_malformed", false},
	[OP_REASON_SIGNATURE_MISSING] = {"signature_missing", false},
	[OP_REASON_ALGORITHM_REFUSED] = {"algorithm_refused", false},
	[OP_REASON_TOO_OLD] = {"too_old", false},
	[OP_REASON_TOO_NEW] = {"too_new", false},
	[OP_REASON_NO_SECRET] = {"no_secret", false},
	[OP_REASON_UNKNOWN_KEY] = {"unknown_key", false},
	[OP_REASON_SIGNATURE_MISMATCH] = {"signature_mismatch", false},
	[OP_REASON_PROBE] = {"probe", false},
	[OP_REASON_BODY_TOO_LARGE] = {"body_too_large", false},
	[OP_REASON_BODY_MALFORMED] = {"body_malformed", false},
	[OP_REASON_NOT_VERIFIABLE] = {"not_verifiable", false},
};

StaticAssertDecl(lengthof(reasons) == OP_NREASONS, "every reason has a code");

/* ---------- headers ---------- */

static bool
is_name(const JsonbValue *key, const char *name)
{
	if ((size_t) key->val.string.len != strlen(name))
		return false;
	for (int i = 0; name[i] != '\0'; i++)
	{
		if (pg_ascii_tolower((unsigned char) key->val.string.val[i]) != (unsigned char) name[i])
			return false;
	}
	return true;
}

/* A string, or the one in an array. */
static bool
string_of(JsonbValue *value, OpBytes *text)
{
	if (value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data) &&
		JsonContainerSize(value->val.binary.data) == 1)
		value = getIthJsonbValueFromContainer(value->val.binary.data, 0);
	if (value->type != jbvString)
		return false;
	*text = (OpBytes){(const uint8 *) value->val.string.val, (size_t) value->val.string.len};
	return true;
}

static bool
is_header_text(OpBytes text)
{
	for (size_t i = 0; i < text.size; i++)
	{
		if (text.data[i] < ' ' || text.data[i] > '~')
			return false;
	}
	return text.size > 0 && text.size <= OP_HEADER_MAX;
}

OpReason
op_find_header(const Jsonb *headers, const char *name, OpBytes *value)
{
	JsonbIterator *iterator;
	JsonbValue	   token;
	int			   found = 0;
	bool		   is_text = true;

	if (!JB_ROOT_IS_OBJECT(headers))
		return OP_REASON_HEADER_MALFORMED;
	iterator = JsonbIteratorInit((JsonbContainer *) &headers->root);
	/* arrays and objects within come as one value each */
	for (JsonbIteratorToken what = JsonbIteratorNext(&iterator, &token, true); what != WJB_DONE;
		 what = JsonbIteratorNext(&iterator, &token, true))
	{
		if (what != WJB_KEY || !is_name(&token, name))
			continue;
		found++;
		(void) JsonbIteratorNext(&iterator, &token, true);
		is_text = is_text && string_of(&token, value) && is_header_text(*value);
	}
	if (found == 0)
		return OP_REASON_HEADER_MISSING;
	return found == 1 && is_text ? OP_REASON_VERIFIED : OP_REASON_HEADER_MALFORMED;
}

/* ---------- judging ---------- */

/* On both sides: what is signed for later could be kept and sent then. */
static OpReason
judge_time(const OpMessage *message, TimestampTz at)
{
	TimestampTz time = (message->time - UNIX_EPOCH) * USECS_PER_SEC;
	int64		tolerance = message->gateway->tolerance * USECS_PER_SEC;

	if (time + tolerance < at)
		return OP_REASON_TOO_OLD;
	return time - tolerance > at ? OP_REASON_TOO_NEW : OP_REASON_VERIFIED;
}

static OpReason
judge_signature(OpMessage *message, const OpScheme *scheme)
{
	const OpGateway *gateway = message->gateway;
	int				 n;

	if (op_use_gateway_secrets(gateway->store, gateway->name, scheme->kind, scheme->check, message,
							   &n))
		return OP_REASON_VERIFIED;
	if (n == 0)
		return OP_REASON_NO_SECRET;
	if (message->key_name.data != NULL && !message->key_is_known)
		return OP_REASON_UNKNOWN_KEY;
	return OP_REASON_SIGNATURE_MISMATCH;
}

static OpReason
judge(OpMessage *message, bool is_reply, TimestampTz at)
{
	const OpScheme *scheme = &op_schemes[message->gateway->protocol];
	OpReason		reason;

	if (message->body.size > BODY_MAX)
		return OP_REASON_BODY_TOO_LARGE;
	reason = is_reply ? scheme->read_reply(message) : scheme->read_notification(message);
	if (reason == OP_REASON_VERIFIED && message->has_time)
		reason = judge_time(message, at);
	return reason == OP_REASON_VERIFIED ? judge_signature(message, scheme) : reason;
}

/* ---------- functions ---------- */

/* The arguments of both. */
enum
{
	ARG_GATEWAY,
	ARG_HEADERS,
	ARG_BODY,
	ARG_AT,
	ARG_STORE
};

static void
require_arguments(FunctionCallInfo fcinfo)
{
	for (int i = 0; i <= ARG_STORE; i++)
	{
		if (PG_ARGISNULL(i) && i != ARG_AT)
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("gateway, headers, body and store of a message may not be null"),
							errhint("A message without a body has an empty one; the store that is left out is the one that the search_path finds."), errhidestmt(true)));
	}
	if (!PG_ARGISNULL(ARG_AT) && TIMESTAMP_NOT_FINITE(PG_GETARG_TIMESTAMPTZ(ARG_AT)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the time at which a message is verified must be finite"),
						errhint("Leave it out to take the clock's."), errhidestmt(true)));
}

static Datum
verify(FunctionCallInfo fcinfo, bool is_reply)
{
	OpGateway	gateway;
	OpMessage  *message;
	TupleDesc	desc;
	OpReason	reason;
	TimestampTz at;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	require_arguments(fcinfo);
	at = PG_ARGISNULL(ARG_AT) ? GetCurrentTimestamp() : PG_GETARG_TIMESTAMPTZ(ARG_AT);
	op_require_recorder(NameStr(*PG_GETARG_NAME(ARG_STORE)));
	op_read_gateway(NameStr(*PG_GETARG_NAME(ARG_STORE)),
					text_to_cstring(PG_GETARG_TEXT_PP(ARG_GATEWAY)), &gateway);

	message = palloc0(sizeof(OpMessage));
	message->gateway = &gateway;
	message->headers = PG_GETARG_JSONB_P(ARG_HEADERS);
	message->body = op_varlena_bytes(PG_GETARG_BYTEA_PP(ARG_BODY));
	reason = judge(message, is_reply, at);
	values[0] = BoolGetDatum(reasons[reason].is_verified);
	values[1] = CStringGetTextDatum(reasons[reason].code);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

PG_FUNCTION_INFO_V1(op_verify_notification);

/* (gateway, headers, body, at, store): verified, reason */
Datum
op_verify_notification(PG_FUNCTION_ARGS)
{
	return verify(fcinfo, false);
}

PG_FUNCTION_INFO_V1(op_verify_reply);

/* (gateway, headers, body, at, store): verified, reason */
Datum
op_verify_reply(PG_FUNCTION_ARGS)
{
	return verify(fcinfo, true);
}
