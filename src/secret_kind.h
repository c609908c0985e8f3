/*
 * secret_kind.h
 *	  The kinds of secrets that are shared with a gateway, and how they are read.
 *	  Knows nothing of the server.
 *
 * given	what the gateway's pages show, or openssl has made: a file, a line
 * kept		what its algorithm takes: bytes of a key, or an RSA key as DER
 */
#ifndef OP_SECRET_KIND_H
#define OP_SECRET_KIND_H

#include "crypto.h"

#define OP_SECRET_MAX 4094 /* bytes, given or kept */

typedef enum OpSecretKind
{
	OP_SECRET_API_KEY,			/* sent along, or the key of a signature: as it is */
	OP_SECRET_WEBHOOK,			/* HMAC key of notifications: as it is (Stripe) */
	OP_SECRET_STANDARD_WEBHOOK, /* the same by Standard Webhooks: decoded */
	OP_SECRET_APIV3_KEY,		/* AES-256 key of resources (WeChat Pay v3) */
	OP_SECRET_PRIVATE_KEY,		/* ours, which signs; PKCS #8 */
	OP_SECRET_PUBLIC_KEY,		/* the gateway's, which verifies; SubjectPublicKeyInfo */
	OP_SECRET_AMOUNT_KEY		/* AES-256 key of encrypt_amount() */
} OpSecretKind;

#define OP_NSECRET_KINDS (OP_SECRET_AMOUNT_KEY + 1)

/* A secret, in one form or the other. Cleanse it after use. */
typedef struct OpSecret
{
	size_t size;
	uint8  data[OP_SECRET_MAX];
} OpSecret;

typedef bool (*OpSecretReader)(OpBytes given, OpSecret *kept);

typedef struct OpSecretKindInfo
{
	const char	  *name; /* in SQL */
	OpSecretReader read; /* false if it is none; the caller cleanses it in either case */
	const char	  *rule; /* what it is to be: a sentence */
} OpSecretKindInfo;

extern const OpSecretKindInfo op_secret_kinds[OP_NSECRET_KINDS];

/* False if there is no kind of that name. */
extern bool op_secret_kind_by_name(const char *name, OpSecretKind *kind);

#endif
