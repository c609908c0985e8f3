/*
 * card_token.c
 *	  Tokens; see card_token.h.
 */
#include "postgres.h"

#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "card_token.h"
#include "keyring.h"
#include "sealed.h"

#define VERSION		  1
#define AT_KEY_ID	  1
#define AT_EXPIRES_AT 5
#define AT_ID		  13
#define AT_MAC		  25
#define TOKEN_SIZE	  (AT_MAC + OP_DIGEST_SIZE)

/* A day, in microseconds: a token is for one visit of a page */
#define MAX_LIFETIME USECS_PER_DAY

/* The HMAC of all that stands before it, and of the scope */
static bool
prove(OpHmac *key, const uint8 *token, const OpTokenScope *scope, uint8 mac[OP_DIGEST_SIZE])
{
	uint32 table = pg_hton32(scope->table);
	size_t size = AT_MAC + sizeof(table) + scope->subject.size;
	uint8 *data = palloc(size);
	bool   done;

	memcpy(data, token, AT_MAC);
	memcpy(data + AT_MAC, &table, sizeof(table));
	if (scope->subject.size > 0)
		memcpy(data + AT_MAC + sizeof(table), scope->subject.data, scope->subject.size);
	done = op_hmac(key, (OpBytes){data, size}, mac);
	pfree(data);
	return done;
}

static TimestampTz
end_of(Interval *lifetime)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz end =
		DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now),
												IntervalPGetDatum(lifetime)));

	if (TIMESTAMP_NOT_FINITE(end) || end <= now || end > now + MAX_LIFETIME)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the lifetime of a token must be above zero and at most one day")));
	return end;
}

char *
op_make_token(const OpTokenScope *scope, Interval *lifetime)
{
	uint64	expires_at = pg_hton64((uint64) end_of(lifetime));
	uint8	token[TOKEN_SIZE] = {VERSION};
	char   *text = palloc(OP_BASE64URL_SIZE(TOKEN_SIZE) + 1);
	uint32	key_id;
	OpHmac *key = op_active_hmac_key(OP_PURPOSE_DATA, &key_id);

	key_id = pg_hton32(key_id);
	memcpy(token + AT_KEY_ID, &key_id, sizeof(key_id));
	memcpy(token + AT_EXPIRES_AT, &expires_at, sizeof(expires_at));
	if (!op_random(token + AT_ID, OP_TOKEN_ID_SIZE) || !prove(key, token, scope, token + AT_MAC))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a token could not be made"),
						errdetail("OpenSSL refused.")));
	op_base64url_encode((OpBytes){token, TOKEN_SIZE}, text);
	text[OP_BASE64URL_SIZE(TOKEN_SIZE)] = '\0';
	return text;
}

bool
op_check_token(const char *text, size_t size, const OpTokenScope *scope, OpToken *token)
{
	uint8	data[TOKEN_SIZE];
	uint8	mac[OP_DIGEST_SIZE];
	size_t	data_size = sizeof(data);
	uint32	key_id;
	uint64	expires_at;
	OpHmac *key;

	if (!op_base64url_decode(text, size, data, &data_size) || data_size != TOKEN_SIZE ||
		data[0] != VERSION)
		return false;
	memcpy(&key_id, data + AT_KEY_ID, sizeof(key_id));
	memcpy(&expires_at, data + AT_EXPIRES_AT, sizeof(expires_at));
	key = op_hmac_key(OP_PURPOSE_DATA, pg_ntoh32(key_id));
	if (key == NULL || !prove(key, data, scope, mac) ||
		!op_equal(mac, data + AT_MAC, OP_DIGEST_SIZE))
		return false;
	memcpy(token->id, data + AT_ID, OP_TOKEN_ID_SIZE);
	token->expires_at = (TimestampTz) pg_ntoh64(expires_at);
	return token->expires_at > GetCurrentTimestamp();
}

PG_FUNCTION_INFO_V1(op_sealing_token);

/* (bound_to, lifetime) */
Datum
op_sealing_token(PG_FUNCTION_ARGS)
{
	OpTokenScope scope = {InvalidOid, op_varlena_bytes(PG_GETARG_BYTEA_PP(0))};

	PG_RETURN_TEXT_P(cstring_to_text(op_make_token(&scope, PG_GETARG_INTERVAL_P(1))));
}
