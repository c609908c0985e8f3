/*
 * verifier.c
 *	  What is kept of a payment password, to tell whether another one is the same.
 *
 * password		of the shop's own wallet; never the PIN of a bank card
 * pepper		a data key without which a verifier is worth nothing: six digits
 *				are guessed in no time by who has hash and salt alone
 * verifier		scrypt (RFC 7914) over HMAC-SHA256(pepper, password), sealed under
 *				the data key, bound to the store and the customer:
 *
 *		offset	size	content
 *		0		1		layout, 1
 *		1		1		cost of scrypt: log2 N
 *		2		1		r
 *		3		1		p
 *		4		4		id of the pepper, big-endian
 *		8		16		salt
 *		24		32		what scrypt derived
 *
 * A password is hashed in UTF-8, prepared as PostgreSQL prepares its own
 * (SASLprep, RFC 4013), so that digits of any width and letters that are
 * composed in another way are the same; where that does not allow it, as it is.
 */
#include "postgres.h"

#include "common/saslprep.h"
#include "mb/pg_wchar.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"

#include "errors.h"
#include "verifier.h"

#define LAYOUT	  1
#define SALT_SIZE 16

/* 16 MiB; what OWASP holds equal to N = 2^17, r = 8, p = 1, in an eighth of the memory */
static const OpScryptCost current_cost = {14, 8, 5};

typedef struct Verifier
{
	uint8 layout;
	uint8 log2_n;
	uint8 r;
	uint8 p;
	uint8 pepper_id[sizeof(uint32)];
	uint8 salt[SALT_SIZE];
	uint8 derived[OP_KEY_SIZE];
} Verifier;

StaticAssertDecl(sizeof(Verifier) == 56, "a verifier is its bytes");

static uint32
pepper_of(const Verifier *verifier)
{
	uint32 id;

	memcpy(&id, verifier->pepper_id, sizeof(id));
	return pg_ntoh32(id);
}

static OpScryptCost
cost_of(const Verifier *verifier)
{
	return (OpScryptCost){verifier->log2_n, verifier->r, verifier->p};
}

/* One iteration of scrypt over one block is one. */
static int64
work_of(OpScryptCost cost)
{
	return ((int64) cost.r * cost.p) << cost.log2_n;
}

/* ---------- hashing ---------- */

/* The password in UTF-8 and prepared. The caller cleanses it. */
static char *
prepare(const text *password)
{
	char *given = text_to_cstring(password);
	char *utf8 = given;
	char *prepared;

	if (GetDatabaseEncoding() != PG_SQL_ASCII)
		utf8 = pg_server_to_any(given, (int) strlen(given), PG_UTF8);
	if (pg_saslprep(utf8, &prepared) != SASLPREP_SUCCESS)
		prepared = pstrdup(utf8);
	if (utf8 != given)
		op_cleanse(utf8, strlen(utf8));
	op_cleanse(given, strlen(given));
	return prepared;
}

/* Fills in what follows from the password and the rest of the verifier. */
static bool
derive(Verifier *verifier, OpHmac *pepper, const text *password)
{
	char *prepared = prepare(password);
	uint8 digest[OP_DIGEST_SIZE];
	bool  done = op_hmac(pepper, (OpBytes){(const uint8 *) prepared, strlen(prepared)}, digest) &&
				op_scrypt((OpBytes){digest, sizeof(digest)},
						  (OpBytes){verifier->salt, sizeof(verifier->salt)}, cost_of(verifier),
						  verifier->derived);

	op_cleanse(prepared, strlen(prepared));
	op_cleanse(digest, sizeof(digest));
	pfree(prepared);
	return done;
}

/* The one place that says that it did not work out; the verifier is gone then. */
static void
require_done(bool done, Verifier *verifier)
{
	if (done)
		return;
	op_cleanse(verifier, sizeof(*verifier));
	ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY),
					errmsg("a payment password could not be hashed"),
					errdetail("OpenSSL refused; each check needs 16 MiB."), errhidestmt(true),
					errhidecontext(true)));
}

/* All of it but what is derived. */
static OpHmac *
begin_verifier(Verifier *verifier)
{
	uint32	id;
	OpHmac *pepper = op_active_hmac_key(OP_PURPOSE_PEPPER, &id);

	id = pg_hton32(id);
	memset(verifier, 0, sizeof(*verifier));
	verifier->layout = LAYOUT;
	verifier->log2_n = current_cost.log2_n;
	verifier->r = current_cost.r;
	verifier->p = current_cost.p;
	memcpy(verifier->pepper_id, &id, sizeof(id));
	return pepper;
}

/* ---------- opening ---------- */

/*
 * The verifier and its pepper; an error if it does not open. One that a
 * compromised key has sealed opens: it is not shown, and sealed anew as soon as
 * it is met.
 */
static OpHmac *
open_verifier(const OpSealed *sealed, OpBytes bound_to, Verifier *verifier)
{
	uint8  plain[OP_PLAIN_MAX];
	size_t size;
	bool   opened =
		op_open_sealed(sealed, OP_FIELD_PASSWORD, bound_to, OP_OPEN_TO_RESEAL, plain, &size);
	OpHmac *pepper;

	if (opened && size == sizeof(*verifier))
		memcpy(verifier, plain, sizeof(*verifier));
	op_cleanse(plain, sizeof(plain));
	if (!opened || size != sizeof(*verifier) || verifier->layout != LAYOUT)
		op_refuse_to_open();
	pepper = op_hmac_key(OP_PURPOSE_PEPPER, pepper_of(verifier));
	if (pepper == NULL)
	{
		op_cleanse(verifier, sizeof(*verifier));
		op_refuse_to_open();
	}
	return pepper;
}

void
op_require_verifiable(const OpSealed *sealed, OpBytes bound_to)
{
	Verifier verifier = {0};
	uint32	 id;

	op_active_hmac_key(OP_PURPOSE_PEPPER, &id);
	if (sealed != NULL)
		open_verifier(sealed, bound_to, &verifier);
	op_cleanse(&verifier, sizeof(verifier));
}

/* ---------- what others call ---------- */

OpSealed *
op_make_verifier(const text *password, OpBytes bound_to, uint32 *pepper_id)
{
	Verifier  verifier;
	OpHmac	 *pepper = begin_verifier(&verifier);
	OpSealed *result;

	require_done(op_random(verifier.salt, sizeof(verifier.salt)) &&
					 derive(&verifier, pepper, password),
				 &verifier);
	result = op_seal_bytes(OP_FIELD_PASSWORD, bound_to,
						   (OpBytes){(const uint8 *) &verifier, sizeof(verifier)});
	*pepper_id = pepper_of(&verifier);
	op_cleanse(&verifier, sizeof(verifier));
	return result;
}

bool
op_is_password(const OpSealed *sealed, OpBytes bound_to, const text *password)
{
	Verifier verifier;
	Verifier given;
	OpHmac	*pepper;
	bool	 result;

	if (sealed != NULL)
		pepper = open_verifier(sealed, bound_to, &verifier);
	else
		pepper = begin_verifier(&verifier);
	given = verifier;
	require_done(derive(&given, pepper, password), &verifier);
	result = op_equal(given.derived, verifier.derived, sizeof(given.derived));
	op_cleanse(&given, sizeof(given));
	op_cleanse(&verifier, sizeof(verifier));
	return result && sealed != NULL;
}

bool
op_is_verifier_outdated(const OpSealed *sealed, OpBytes bound_to)
{
	Verifier   verifier;
	OpEnvelope envelope;
	bool	   result;

	open_verifier(sealed, bound_to, &verifier);
	result = pepper_of(&verifier) != op_active_key(OP_PURPOSE_PEPPER) ||
			 work_of(cost_of(&verifier)) < work_of(current_cost) ||
			 !op_sealed_parse(sealed, &envelope) ||
			 envelope.key_id != op_active_key(OP_PURPOSE_DATA);
	op_cleanse(&verifier, sizeof(verifier));
	return result;
}

OpSealed *
op_bind_verifier(const OpSealed *sealed, OpBytes bound_to, OpBytes new_bound_to)
{
	Verifier  verifier;
	OpSealed *result;

	open_verifier(sealed, bound_to, &verifier);
	result = op_seal_bytes(OP_FIELD_PASSWORD, new_bound_to,
						   (OpBytes){(const uint8 *) &verifier, sizeof(verifier)});
	op_cleanse(&verifier, sizeof(verifier));
	return result;
}
