/*
 * scheme.c
 *	  How messages of gateways are signed; see scheme.h.
 *
 * Every signature is compared as bytes, decoded by decoders that take one text for
 * given bytes, and in constant time; so a change of any byte that counts is
 * refused, and nothing is learnt from how long that takes.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "flat_xml.h"
#include "form.h"
#include "json_member.h"
#include "scheme.h"

#define WECHAT_TYPE	 "WECHATPAY2-SHA256-RSA2048"
#define WECHAT_PROBE "WECHATPAY/SIGNTEST/"
#define WECHAT_KEY	 "&key="
#define ALIPAY_TYPE	 "RSA2"

#define STARTS(bytes, s) ((bytes).size >= strlen(s) && memcmp((bytes).data, s, strlen(s)) == 0)

/* ---------- pieces ---------- */

/* The parts one after the other, with what is written after each. */
static OpBytes
concatenate(int n, const OpBytes *parts, const char *after)
{
	size_t size = 0;
	uint8 *bytes;
	uint8 *to;

	for (int i = 0; i < n; i++)
		size += parts[i].size + 1;
	bytes = to = palloc(size);
	for (int i = 0; i < n; i++)
	{
		memcpy(to, parts[i].data, parts[i].size);
		to += parts[i].size;
		if (after[i] != '\0')
			*to++ = (uint8) after[i];
	}
	return (OpBytes){bytes, (size_t) (to - bytes)};
}

static bool
is_utf8(OpBytes body)
{
	return pg_verify_mbstr(PG_UTF8, (const char *) body.data, (int) body.size, true);
}

static OpReason
find_time(OpMessage *message, const char *name, OpBytes *text)
{
	OpReason reason = op_find_header(message->headers, name, text);

	if (reason == OP_REASON_VERIFIED && !op_header_time(*text, &message->time))
		reason = OP_REASON_HEADER_MALFORMED;
	message->has_time = true;
	return reason;
}

static bool
decode_signature(OpMessage *message, OpBytes text)
{
	message->signature_size = sizeof(message->signature);
	return op_base64_decode((const char *) text.data, text.size, message->signature,
							&message->signature_size);
}

static void
add_content(OpMessage *message, OpBytes content)
{
	message->contents[message->ncontents++] = content;
}

static void
add_fields(OpMessage *message, const OpFields *fields, OpFieldFilter is_signed)
{
	uint8 *text = palloc(op_fields_size(fields) + 1);

	add_content(message, (OpBytes){text, op_fields_join(fields, is_signed, text)});
}

/* ---------- checking: each is an OpSecretUse ---------- */

static bool
check_hmac(const OpGatewaySecret *secret, void *context)
{
	OpMessage *message = context;
	uint8	   digest[OP_DIGEST_SIZE];
	bool	   found = false;

	if (!op_hmac_sha256(secret->secret, message->contents[0], digest))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a signature could not be checked")));
	for (size_t i = 0; i < message->digests.n; i++)
		found |= op_equal(digest, message->digests.digest[i], OP_DIGEST_SIZE);
	op_cleanse(digest, sizeof(digest));
	return found;
}

static bool
check_rsa(const OpGatewaySecret *secret, void *context)
{
	OpMessage *message = context;
	OpBytes	   signature = {message->signature, message->signature_size};
	OpRsa	  *key;
	bool	   found = false;

	if (message->key_name.data != NULL)
	{
		if (secret->key_name == NULL || !op_bytes_are(message->key_name, secret->key_name))
			return false;
		message->key_is_known = true;
	}
	/* checked when it was brought in, and kept sealed since */
	key = op_rsa_checked_public_key(secret->secret);
	if (key == NULL)
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a public key of a gateway could not be read")));
	for (int i = 0; i < message->ncontents && !found; i++)
		found = op_rsa_verify_sha256(key, message->contents[i], signature);
	op_rsa_free(key);
	return found;
}

/* What WeChat Pay v2 calls the string to sign, digested: it ends with the key. */
static bool
digest_with_key(const OpGatewaySecret *secret, const OpMessage *message, uint8 *digest)
{
	OpBytes content = message->contents[0];
	OpBytes key = secret->secret;
	size_t	size = content.size + strlen(WECHAT_KEY) + key.size;
	uint8  *text = palloc(size + 1);
	bool	done;

	memcpy(text, content.data, content.size);
	memcpy(text + content.size, WECHAT_KEY, sizeof(WECHAT_KEY)); /* its zero is overwritten */
	memcpy(text + content.size + strlen(WECHAT_KEY), key.data, key.size);
	done = message->gateway->is_md5 ? op_md5((OpBytes){text, size}, digest)
									: op_hmac_sha256(key, (OpBytes){text, size}, digest);
	op_cleanse(text, size);
	pfree(text);
	return done;
}

static bool
check_keyed_digest(const OpGatewaySecret *secret, void *context)
{
	OpMessage *message = context;
	uint8	   digest[OP_DIGEST_SIZE];
	bool	   found;

	if (!digest_with_key(secret, message, digest))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("a signature could not be checked"),
						errhint("OpenSSL of this server may have no MD5; agree with the gateway on HMAC-SHA256.")));
	found = op_equal(digest, message->signature, message->signature_size);
	op_cleanse(digest, sizeof(digest));
	return found;
}

/* ---------- Stripe ---------- */

static OpReason
read_stripe(OpMessage *message)
{
	OpBytes	 header;
	OpBytes	 time;
	OpReason reason = op_find_header(message->headers, "stripe-signature", &header);

	if (reason != OP_REASON_VERIFIED)
		return reason;
	if (!op_stripe_header(header, &time, &message->digests) ||
		!op_header_time(time, &message->time))
		return OP_REASON_HEADER_MALFORMED;
	message->has_time = true;
	add_content(message, concatenate(2, (OpBytes[]){time, message->body}, ".\0"));
	return OP_REASON_VERIFIED;
}

/* ---------- Standard Webhooks ---------- */

static OpReason
read_webhook(OpMessage *message)
{
	OpBytes	 id;
	OpBytes	 time;
	OpBytes	 header;
	OpReason reason = op_find_header(message->headers, "webhook-id", &id);

	if (reason == OP_REASON_VERIFIED)
		reason = find_time(message, "webhook-timestamp", &time);
	if (reason == OP_REASON_VERIFIED)
		reason = op_find_header(message->headers, "webhook-signature", &header);
	if (reason != OP_REASON_VERIFIED)
		return reason;
	/* or one could move the limit between id and time */
	if (memchr(id.data, '.', id.size) != NULL || !op_webhook_header(header, &message->digests))
		return OP_REASON_HEADER_MALFORMED;
	add_content(message, concatenate(3, (OpBytes[]){id, time, message->body}, "..\0"));
	return OP_REASON_VERIFIED;
}

/* ---------- WeChat Pay v3 ---------- */

static OpReason
read_wechat_key(OpMessage *message)
{
	OpBytes	 type;
	OpReason reason = op_find_header(message->headers, "wechatpay-signature-type", &type);

	if (reason == OP_REASON_VERIFIED && !op_bytes_are(type, WECHAT_TYPE))
		return OP_REASON_ALGORITHM_REFUSED;
	if (reason == OP_REASON_HEADER_MALFORMED)
		return reason;
	return op_find_header(message->headers, "wechatpay-serial", &message->key_name);
}

static OpReason
read_wechat_v3(OpMessage *message)
{
	OpBytes	 time;
	OpBytes	 nonce;
	OpBytes	 signature;
	OpReason reason = find_time(message, "wechatpay-timestamp", &time);

	if (reason == OP_REASON_VERIFIED)
		reason = op_find_header(message->headers, "wechatpay-nonce", &nonce);
	if (reason == OP_REASON_VERIFIED)
		reason = op_find_header(message->headers, "wechatpay-signature", &signature);
	if (reason == OP_REASON_VERIFIED)
		reason = read_wechat_key(message);
	if (reason != OP_REASON_VERIFIED)
		return reason;
	if (STARTS(signature, WECHAT_PROBE))
		return OP_REASON_PROBE;
	if (!decode_signature(message, signature))
		return OP_REASON_HEADER_MALFORMED;
	add_content(message, concatenate(3, (OpBytes[]){time, nonce, message->body}, "\n\n\n"));
	return OP_REASON_VERIFIED;
}

/* ---------- WeChat Pay v2 ---------- */

static bool
is_signed_by_wechat_v2(const OpMessageField *field)
{
	return field->value.size > 0 && !op_bytes_are(field->name, "sign");
}

/* Capital letters alone: a text that differs is another one. */
static bool
decode_capital_hex(OpMessage *message, OpBytes text)
{
	for (size_t i = 0; i < text.size; i++)
	{
		if (text.data[i] >= 'a' && text.data[i] <= 'z')
			return false;
	}
	message->signature_size = message->gateway->is_md5 ? OP_MD5_SIZE : OP_DIGEST_SIZE;
	return op_hex_decode((const char *) text.data, text.size, message->signature,
						 message->signature_size);
}

static OpReason
read_wechat_v2(OpMessage *message)
{
	OpFields			 *fields = palloc(sizeof(OpFields));
	uint8				 *bytes = palloc(message->body.size + 1);
	const OpMessageField *sign;
	const OpMessageField *type;

	if (!is_utf8(message->body) || !op_flat_xml_read(message->body, bytes, fields))
		return OP_REASON_BODY_MALFORMED;
	sign = op_fields_find(fields, "sign");
	type = op_fields_find(fields, "sign_type");
	if (sign == NULL) /* refunds are told encrypted, and not signed */
		return op_fields_find(fields, "req_info") != NULL ? OP_REASON_NOT_VERIFIABLE
														  : OP_REASON_SIGNATURE_MISSING;
	if (type != NULL &&
		!op_bytes_are(type->value, message->gateway->is_md5 ? "MD5" : "HMAC-SHA256"))
		return OP_REASON_ALGORITHM_REFUSED;
	if (!decode_capital_hex(message, sign->value))
		return OP_REASON_SIGNATURE_MISMATCH;
	add_fields(message, fields, is_signed_by_wechat_v2);
	return OP_REASON_VERIFIED;
}

/* ---------- Alipay ---------- */

static bool
is_signed_by_alipay(const OpMessageField *field)
{
	return !op_bytes_are(field->name, "sign") && !op_bytes_are(field->name, "sign_type");
}

/* Some of its products sign the type as well. */
static bool
is_signed_with_type(const OpMessageField *field)
{
	return !op_bytes_are(field->name, "sign");
}

static OpReason
read_alipay(OpMessage *message)
{
	OpFields			 *fields = palloc(sizeof(OpFields));
	uint8				 *bytes = palloc(message->body.size + 1);
	const OpMessageField *sign;
	const OpMessageField *type;

	if (op_form_read(message->body, bytes, fields) != OP_FORM_GOOD)
		return OP_REASON_BODY_MALFORMED;
	sign = op_fields_find(fields, "sign");
	type = op_fields_find(fields, "sign_type");
	if (sign == NULL)
		return OP_REASON_SIGNATURE_MISSING;
	if (type == NULL || !op_bytes_are(type->value, ALIPAY_TYPE))
		return OP_REASON_ALGORITHM_REFUSED;
	if (!decode_signature(message, sign->value))
		return OP_REASON_SIGNATURE_MISMATCH;
	add_fields(message, fields, is_signed_by_alipay);
	add_fields(message, fields, is_signed_with_type);
	return OP_REASON_VERIFIED;
}

/* The one member of a reply that is signed: ..._response; NULL if there are several, or none. */
static const OpMessageField *
signed_member(const OpFields *members)
{
	static const char	  suffix[] = "_response";
	const size_t		  size = strlen(suffix);
	const OpMessageField *found = NULL;

	for (size_t i = 0; i < members->n; i++)
	{
		const OpMessageField *member = &members->field[i];

		if (member->name.size <= size ||
			memcmp(member->name.data + member->name.size - size, suffix, size) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = member;
	}
	return found;
}

/* The content of a string of JSON; none but a slash has a reason to be escaped in base64. */
static OpBytes
without_escaped_slashes(OpBytes text)
{
	uint8 *bytes = palloc(text.size + 1);
	size_t size = 0;

	for (size_t i = 0; i < text.size; i++)
	{
		if (text.data[i] != '\\' || i + 1 == text.size || text.data[i + 1] != '/')
			bytes[size++] = text.data[i];
	}
	return (OpBytes){bytes, size};
}

static OpReason
read_alipay_reply(OpMessage *message)
{
	OpFields			 *members = palloc(sizeof(OpFields));
	const OpMessageField *content;
	const OpMessageField *sign;
	OpBytes				  text;

	if (!is_utf8(message->body) || !op_json_members(message->body, members))
		return OP_REASON_BODY_MALFORMED;
	content = signed_member(members);
	sign = op_fields_find(members, "sign");
	if (content == NULL)
		return OP_REASON_BODY_MALFORMED;
	if (sign == NULL)
		return OP_REASON_SIGNATURE_MISSING;
	if (sign->value.data[0] != '"')
		return OP_REASON_BODY_MALFORMED;
	text = (OpBytes){sign->value.data + 1, sign->value.size - 2};
	if (!decode_signature(message, without_escaped_slashes(text)))
		return OP_REASON_SIGNATURE_MISMATCH;
	add_content(message, content->value);
	return OP_REASON_VERIFIED;
}

/* ---------- the schemes ---------- */

static OpReason
take_unsigned(OpMessage *message)
{
	return OP_REASON_UNSIGNED;
}

/* No requests are made by this protocol. */
static OpReason
refuse_reply(OpMessage *message)
{
	return OP_REASON_NOT_VERIFIABLE;
}

/* clang-format off */
const OpScheme op_schemes[OP_NPROTOCOLS] = {
	[OP_PROTOCOL_JSON] =
		{OP_SECRET_STANDARD_WEBHOOK, read_webhook, take_unsigned, check_hmac},
	[OP_PROTOCOL_STANDARD_WEBHOOKS] =
		{OP_SECRET_STANDARD_WEBHOOK, read_webhook, take_unsigned, check_hmac},
	[OP_PROTOCOL_STRIPE] =
		{OP_SECRET_WEBHOOK, read_stripe, take_unsigned, check_hmac},
	[OP_PROTOCOL_ALIPAY] =
		{OP_SECRET_PUBLIC_KEY, read_alipay, read_alipay_reply, check_rsa},
	[OP_PROTOCOL_WECHATPAY_V3] =
		{OP_SECRET_PUBLIC_KEY, read_wechat_v3, read_wechat_v3, check_rsa},
	[OP_PROTOCOL_WECHATPAY_V2] =
		{OP_SECRET_API_KEY, read_wechat_v2, refuse_reply, check_keyed_digest},
};
/* clang-format on */
