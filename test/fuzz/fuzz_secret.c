/* needs src/secret_kind.c src/crypto.c src/crypto_digest.c src/crypto_text.c src/crypto_rsa.c -lcrypto */
/*
 * fuzz_secret.c
 *		Any bytes are a secret of each kind, as that kind is kept, or are refused.
 *
 * The first byte tells the kind. What is kept can be used as that kind is: it has
 * the size that the algorithm wants, is text without blanks, or a key that signs
 * or verifies. Line ends around what was given change nothing. But OpenSSL tries
 * a public modulus by chance, and may find out only the second time that it is
 * not made of two primes.
 */
#include "postgres.h"

#include <stdlib.h>

#include "fuzz.h"
#include "secret_kind.h"

static void
must_be_text(const OpSecret *kept)
{
	must(kept->size >= 8);
	for (size_t i = 0; i < kept->size; i++)
		must(kept->data[i] > ' ' && kept->data[i] <= '~');
}

static void
must_be_a_key(OpRsa *rsa, bool is_private)
{
	OpBytes data = {(const uint8 *) "data", 4};
	uint8	signature[OP_RSA_MAX_SIZE];
	size_t	size = sizeof(signature);

	must(rsa != NULL || !is_private);
	if (rsa == NULL)
		return;
	must(op_rsa_sign_sha256(rsa, data, signature, &size) == is_private);
	if (is_private)
		must(op_rsa_verify_sha256(rsa, data, (OpBytes){signature, size}));
	op_rsa_free(rsa);
}

static void
must_be_sound(OpSecretKind kind, const OpSecret *kept)
{
	OpBytes bytes = {kept->data, kept->size};

	must(kept->size > 0 && kept->size <= OP_SECRET_MAX);
	switch (kind)
	{
		case OP_SECRET_API_KEY:
		case OP_SECRET_WEBHOOK:
			must_be_text(kept);
			break;
		case OP_SECRET_APIV3_KEY:
			must_be_text(kept);
			must(kept->size == OP_KEY_SIZE);
			break;
		case OP_SECRET_STANDARD_WEBHOOK:
			must(kept->size >= 24 && kept->size <= 64);
			break;
		case OP_SECRET_AMOUNT_KEY:
			must(kept->size == OP_KEY_SIZE);
			break;
		case OP_SECRET_PRIVATE_KEY:
			must_be_a_key(op_rsa_private_key(bytes), true);
			break;
		case OP_SECRET_PUBLIC_KEY:
			must_be_a_key(op_rsa_public_key(bytes), false);
			break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static OpSecret kept;
	static OpSecret again;
	OpSecretKind	kind;
	OpSecretKind	found;
	uint8		   *padded;
	bool			is_one;

	if (size == 0)
		return 0;
	kind = (OpSecretKind) (data[0] % OP_NSECRET_KINDS);
	must(op_secret_kind_by_name(op_secret_kinds[kind].name, &found) && found == kind);
	data++;
	size--;

	/* in memory of its own, so that a byte too far is noticed */
	padded = malloc(size + 3);
	must(padded != NULL);
	padded[0] = '\n';
	memcpy(padded + 1, data, size);
	memcpy(padded + 1 + size, "\r\n", 2);
	is_one = op_secret_kinds[kind].read((OpBytes){data, size}, &kept);
	must(op_secret_kinds[kind].read((OpBytes){padded, size + 3}, &again) == is_one ||
		 size + 3 > OP_SECRET_MAX || kind == OP_SECRET_PUBLIC_KEY);
	free(padded);
	if (is_one)
		must_be_sound(kind, &kept);
	return 0;
}
