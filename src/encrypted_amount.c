/*
 * encrypted_amount.c
 *	  Amounts that go to a gateway encrypted, and come back.
 *
 * token		"v1." and base64url of nonce (12 bytes), ciphertext and tag (16)
 * plaintext	the amount with all decimals of its currency, a blank, the
 *				currency, and blanks up to a multiple of 32 bytes, so that the
 *				length does not tell how large the amount is: "12.50 EUR       ..."
 * key			the secret amount_key of the gateway, 32 bytes
 *
 * AES-256-GCM under that very key, so that any library opens it. The
 * associated data are "order_payment amount v1", the gateway's name in the
 * store and the number, in UTF-8, each followed by a zero byte, which no text
 * holds: a token opens for no other gateway and no other payment. The nonce is
 * random; of 96 bits, which is good for 2^32 tokens under a key. A gateway
 * that has its own way to derive keys would be safe for longer, and could not
 * be asked to have it.
 *
 * The latest key encrypts, each that is valid decrypts.
 */
#include "postgres.h"

#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "currency.h"
#include "errors.h"
#include "gateway_secret.h"
#include "money.h"
#include "sealed.h"

#define VERSION	   "order_payment amount v1"
#define PREFIX	   "v1."
#define STEP	   32
#define PLAIN_MAX  1024
#define SEALED_MAX (OP_GCM_NONCE_SIZE + PLAIN_MAX + OP_TAG_SIZE)
#define SEALED_MIN (OP_GCM_NONCE_SIZE + 1 + OP_TAG_SIZE) /* others need not fill up */

/* What is made under a key, or of a token. */
typedef struct Exchange
{
	OpBytes associated;
	size_t	plain_size;
	size_t	sealed_size;
	uint8	plain[PLAIN_MAX];
	uint8	sealed[SEALED_MAX]; /* nonce, ciphertext, tag */
} Exchange;

/* ---------- errors ---------- */

op_noreturn static void
refuse_token(void)
{
	ereport(ERROR, (errcode(ERRCODE_OP_CANNOT_OPEN),
					errmsg("an encrypted amount cannot be opened"),
					errhint("It was changed, is for another gateway or number, or its key is no longer valid here."),
					errhidestmt(true)));
}

/* ---------- what both ways share ---------- */

static void
append_associated(StringInfo data, const char *text)
{
	char *utf8 = pg_server_to_any(text, (int) strlen(text), PG_UTF8);

	appendBinaryStringInfo(data, utf8, (int) strlen(utf8) + 1);
}

static OpBytes
associated_data(const char *gateway, const char *number)
{
	StringInfoData data;

	if (number[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the number that an amount is bound to may not be empty"),
						errhint("Give that of the payment or order, as the gateway knows it.")));
	initStringInfo(&data);
	append_associated(&data, VERSION);
	append_associated(&data, gateway);
	append_associated(&data, number);
	return (OpBytes){(const uint8 *) data.data, (size_t) data.len};
}

/* ---------- encrypting ---------- */

/* As it is written by everybody: all decimals, no sign. */
static void
write_plain(Numeric amount, const text *currency, Exchange *exchange)
{
	int	   exponent = op_check_amount(amount, currency, "amount");
	Datum  shown;
	char  *plain;
	size_t size;

	op_check_not_negative(amount, "amount");
	shown = DirectFunctionCall2(numeric_round, NumericGetDatum(amount), Int32GetDatum(exponent));
	plain = psprintf("%s %.*s", DatumGetCString(DirectFunctionCall1(numeric_out, shown)),
					 (int) VARSIZE_ANY_EXHDR(currency), VARDATA_ANY(currency));
	size = strlen(plain);
	exchange->plain_size = TYPEALIGN(STEP, size);
	if (exchange->plain_size > PLAIN_MAX)
		ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
						errmsg("the amount has too many digits to be encrypted")));
	memset(exchange->plain, ' ', exchange->plain_size);
	memcpy(exchange->plain, plain, size);
}

/* An OpSecretUse. */
static bool
encrypt_under(const OpGatewaySecret *key, void *context)
{
	Exchange *exchange = context;
	uint8	 *nonce = exchange->sealed;

	exchange->sealed_size = OP_GCM_NONCE_SIZE + exchange->plain_size + OP_TAG_SIZE;
	if (!op_random(nonce, OP_GCM_NONCE_SIZE) ||
		!op_gcm_seal(key->secret.data, nonce, exchange->associated,
					 (OpBytes){exchange->plain, exchange->plain_size},
					 exchange->sealed + OP_GCM_NONCE_SIZE))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("an amount could not be encrypted")));
	return true;
}

PG_FUNCTION_INFO_V1(op_encrypt_amount);

/* (gateway, amount, currency, number, store) */
Datum
op_encrypt_amount(PG_FUNCTION_ARGS)
{
	char	*gateway = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	*number = text_to_cstring(PG_GETARG_TEXT_PP(3));
	Exchange exchange;
	size_t	 size;
	text	*token;
	int		 n;

	write_plain(PG_GETARG_NUMERIC(1), PG_GETARG_TEXT_PP(2), &exchange);
	exchange.associated = associated_data(gateway, number);
	if (!op_use_gateway_secrets(NameStr(*PG_GETARG_NAME(4)), gateway, OP_SECRET_AMOUNT_KEY,
								encrypt_under, &exchange, &n))
		op_refuse_without_secret(OP_SECRET_AMOUNT_KEY);
	size = strlen(PREFIX) + OP_BASE64URL_SIZE(exchange.sealed_size);
	token = palloc(VARHDRSZ + size);
	SET_VARSIZE(token, VARHDRSZ + size);
	memcpy(VARDATA(token), PREFIX, strlen(PREFIX));
	op_base64url_encode((OpBytes){exchange.sealed, exchange.sealed_size},
						VARDATA(token) + strlen(PREFIX));
	PG_RETURN_TEXT_P(token);
}

/* ---------- decrypting ---------- */

static bool
read_token(const text *token, Exchange *exchange)
{
	const char *data = VARDATA_ANY(token);
	size_t		size = VARSIZE_ANY_EXHDR(token);
	size_t		prefix = strlen(PREFIX);

	exchange->sealed_size = sizeof(exchange->sealed);
	return size > prefix && memcmp(data, PREFIX, prefix) == 0 &&
		   op_base64url_decode(data + prefix, size - prefix, exchange->sealed,
							   &exchange->sealed_size) &&
		   exchange->sealed_size >= SEALED_MIN;
}

/* An OpSecretUse. */
static bool
decrypt_under(const OpGatewaySecret *key, void *context)
{
	Exchange *exchange = context;

	exchange->plain_size = exchange->sealed_size - OP_GCM_NONCE_SIZE - OP_TAG_SIZE;
	return op_gcm_open(key->secret.data, exchange->sealed, exchange->associated,
					   (OpBytes){exchange->sealed + OP_GCM_NONCE_SIZE,
								 exchange->sealed_size - OP_GCM_NONCE_SIZE},
					   exchange->plain);
}

/* Digits, and a point between some of them: what numeric_in() takes, and nothing else of that. */
static bool
is_figure(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0)
		return false;
	text += digits;
	if (*text == '.')
	{
		digits = strspn(++text, "0123456789");
		text += digits;
	}
	return digits > 0 && *text == '\0';
}

/* What the holder of the key wrote: it may be anything. */
static void
read_plain(const Exchange *exchange, Datum *amount, text **currency)
{
	char  *plain = pnstrdup((const char *) exchange->plain, exchange->plain_size);
	size_t size = strlen(plain);
	char  *blank;

	while (size > 0 && plain[size - 1] == ' ')
		plain[--size] = '\0';
	blank = strchr(plain, ' ');
	if (blank == NULL)
		refuse_token();
	*blank = '\0';
	/* a code is ASCII: what is none has no exponent */
	if (!is_figure(plain) || op_exponent_of(blank + 1, (int) strlen(blank + 1)) < 0)
		refuse_token();
	*currency = cstring_to_text(blank + 1);
	*amount = DirectFunctionCall3(numeric_in, CStringGetDatum(plain), ObjectIdGetDatum(InvalidOid),
								  Int32GetDatum(-1));
	if (!op_is_amount_of(DatumGetNumeric(*amount), *currency))
		refuse_token();
}

PG_FUNCTION_INFO_V1(op_decrypt_amount);

/* (gateway, token, number, store): amount, currency */
Datum
op_decrypt_amount(PG_FUNCTION_ARGS)
{
	char	 *gateway = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	 *number = text_to_cstring(PG_GETARG_TEXT_PP(2));
	Exchange  exchange;
	TupleDesc desc;
	text	 *currency;
	Datum	  values[2];
	bool	  nulls[2] = {false, false};
	int		  n;
	bool	  is_token = read_token(PG_GETARG_TEXT_PP(1), &exchange);

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!is_token)
		refuse_token();
	exchange.associated = associated_data(gateway, number);
	if (!op_use_gateway_secrets(NameStr(*PG_GETARG_NAME(3)), gateway, OP_SECRET_AMOUNT_KEY,
								decrypt_under, &exchange, &n))
	{
		if (n == 0)
			op_refuse_without_secret(OP_SECRET_AMOUNT_KEY);
		refuse_token();
	}
	read_plain(&exchange, &values[0], &currency);
	values[1] = PointerGetDatum(currency);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
