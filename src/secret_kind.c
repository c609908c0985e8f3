/*
 * secret_kind.c
 *	  The kinds of secrets that are shared with a gateway; see secret_kind.h.
 *
 * What is given is checked as far as one can see, for a secret that was pasted
 * with a part missing would show only when the gateway speaks, or not at all.
 * Line ends around it are from the editor and never belong to it.
 */
#include "postgres.h"

#include "secret_kind.h"

#define TEXT_MIN		 8 /* characters; shorter ones are names, not secrets */
#define WEBHOOK_PREFIX	 "whsec_"
#define WEBHOOK_MIN		 24 /* bytes, by Standard Webhooks */
#define WEBHOOK_MAX		 64
#define IS_LINE_END(c)	 ((c) == '\n' || (c) == '\r')
#define IS_BLANK(c)		 (IS_LINE_END(c) || (c) == ' ' || (c) == '\t')
#define STARTS(bytes, s) ((bytes).size >= strlen(s) && memcmp((bytes).data, s, strlen(s)) == 0)

/* ---------- text ---------- */

static OpBytes
without_line_ends(OpBytes given)
{
	while (given.size > 0 && IS_LINE_END(given.data[given.size - 1]))
		given.size--;
	while (given.size > 0 && IS_LINE_END(given.data[0]))
	{
		given.data++;
		given.size--;
	}
	return given;
}

static OpBytes
skip(OpBytes bytes, size_t size)
{
	return (OpBytes){bytes.data + size, bytes.size - size};
}

static bool
keep(OpBytes bytes, OpSecret *kept)
{
	if (bytes.size > OP_SECRET_MAX)
		return false;
	memcpy(kept->data, bytes.data, bytes.size);
	kept->size = bytes.size;
	return true;
}

static bool
read_text(OpBytes given, OpSecret *kept)
{
	given = without_line_ends(given);
	for (size_t i = 0; i < given.size; i++)
	{
		if (given.data[i] <= ' ' || given.data[i] > '~')
			return false;
	}
	return given.size >= TEXT_MIN && keep(given, kept);
}

static bool
read_key_text(OpBytes given, OpSecret *kept)
{
	return without_line_ends(given).size == OP_KEY_SIZE && read_text(given, kept);
}

static bool
read_hex(OpBytes given, OpSecret *kept)
{
	given = without_line_ends(given);
	kept->size = OP_KEY_SIZE;
	return op_hex_decode((const char *) given.data, given.size, kept->data, OP_KEY_SIZE);
}

/* ---------- base64 (RFC 4648 section 4), with blanks anywhere ---------- */

static bool
read_base64(OpBytes given, OpSecret *kept)
{
	char   text[OP_SECRET_MAX];
	size_t size = 0;
	bool   done = given.size <= sizeof(text);

	for (size_t i = 0; done && i < given.size; i++)
	{
		if (!IS_BLANK(given.data[i]))
			text[size++] = (char) given.data[i];
	}
	kept->size = sizeof(kept->data);
	done = done && op_base64_decode(text, size, kept->data, &kept->size);
	op_cleanse(text, sizeof(text));
	return done;
}

static bool
read_webhook(OpBytes given, OpSecret *kept)
{
	given = without_line_ends(given);
	if (STARTS(given, WEBHOOK_PREFIX))
		given = skip(given, strlen(WEBHOOK_PREFIX));
	return read_base64(given, kept) && kept->size >= WEBHOOK_MIN && kept->size <= WEBHOOK_MAX;
}

/* ---------- RSA keys: PEM, or the base64 within it alone ---------- */

#define PEM(name) "-----BEGIN " name "-----", "-----END " name "-----"

static bool
read_der(OpBytes given, const char *begin, const char *end, OpSecret *der)
{
	given = without_line_ends(given);
	if (STARTS(given, begin))
	{
		given = skip(given, strlen(begin));
		if (given.size < strlen(end) ||
			memcmp(given.data + given.size - strlen(end), end, strlen(end)) != 0)
			return false;
		given.size -= strlen(end);
	}
	return read_base64(given, der) && der->size > 0;
}

static bool
read_private_key(OpBytes given, OpSecret *kept)
{
	OpSecret der;
	OpRsa	*rsa = NULL;
	bool	 done;

	if (read_der(given, PEM("PRIVATE KEY"), &der))
		rsa = op_rsa_private_key((OpBytes){der.data, der.size});
	op_cleanse(&der, sizeof(der));
	kept->size = sizeof(kept->data);
	done = rsa != NULL && op_rsa_is_consistent(rsa) &&
		   op_rsa_private_der(rsa, kept->data, &kept->size);
	op_rsa_free(rsa);
	return done;
}

static bool
read_public_key(OpBytes given, OpSecret *kept)
{
	OpSecret der;
	OpRsa	*rsa = NULL;
	bool	 done;

	if (read_der(given, PEM("PUBLIC KEY"), &der))
		rsa = op_rsa_public_key((OpBytes){der.data, der.size});
	kept->size = sizeof(kept->data);
	done = rsa != NULL && op_rsa_public_der(rsa, kept->data, &kept->size);
	op_rsa_free(rsa);
	return done;
}

/* ---------- the kinds ---------- */

#define TEXT_RULE "It is to have 8 to 4094 characters of ASCII, and no blanks."

const OpSecretKindInfo op_secret_kinds[OP_NSECRET_KINDS] = {
	[OP_SECRET_API_KEY] = {"api_key", read_text, TEXT_RULE},
	[OP_SECRET_WEBHOOK] = {"webhook_secret", read_text, TEXT_RULE},
	[OP_SECRET_STANDARD_WEBHOOK] = {"standard_webhook_secret", read_webhook,
									"It is to be base64 of 24 to 64 bytes, with or without \"whsec_\" before it."},
	[OP_SECRET_APIV3_KEY] = {"apiv3_key", read_key_text,
							 "It is to have 32 characters of ASCII, and no blanks."},
	[OP_SECRET_PRIVATE_KEY] = {"private_key", read_private_key,
							   "It is to be an RSA key of 2048 to 4096 bits in PKCS #8, not encrypted, as PEM or as its base64 alone; openssl pkcs8 -topk8 -nocrypt makes it of others."},
	[OP_SECRET_PUBLIC_KEY] = {"public_key", read_public_key,
							  "It is to be an RSA key of 2048 to 4096 bits as PEM (BEGIN PUBLIC KEY) or as its base64 alone; openssl x509 -pubkey -noout takes it out of a certificate."},
	[OP_SECRET_AMOUNT_KEY] = {"amount_key", read_hex,
							  "It is to be 32 bytes in 64 hexadecimal digits, as openssl rand -hex 32 makes them."},
};

bool
op_secret_kind_by_name(const char *name, OpSecretKind *kind)
{
	for (int i = 0; i < OP_NSECRET_KINDS; i++)
	{
		if (strcmp(op_secret_kinds[i].name, name) == 0)
		{
			*kind = (OpSecretKind) i;
			return true;
		}
	}
	return false;
}
