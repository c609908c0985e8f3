/* needs src/crypto.c src/crypto_digest.c src/crypto_rsa.c -lcrypto */
/*
 * fuzz_pem.c
 *		Any bytes are an RSA key that is sound, or are refused.
 *
 * They are taken for a public key in DER and in PEM. A key that is taken seals,
 * and verifies no signature of zeros; written out and read again, it is the same
 * key, or none: OpenSSL tries a modulus by chance, and may find out only then
 * that it is not made of two primes.
 */
#include "postgres.h"

#include "crypto.h"
#include "fuzz.h"

static void
must_be_a_key(OpRsa *rsa)
{
	uint8	der[OP_RSA_MAX_DER];
	uint8	again[OP_RSA_MAX_DER];
	uint8	sealed[OP_RSA_MAX_SIZE] = {0};
	size_t	size = sizeof(der);
	size_t	size_again = sizeof(again);
	size_t	sealed_size = sizeof(sealed);
	OpBytes label = {(const uint8 *) "label", 5};
	OpRsa  *copy;

	must(op_rsa_bits(rsa) >= 2048 && op_rsa_bits(rsa) <= OP_RSA_MAX_BITS);
	must(!op_rsa_verify_sha256(rsa, label, (OpBytes){sealed, (size_t) op_rsa_bits(rsa) / 8}));
	must(op_rsa_oaep_seal(rsa, label, label, sealed, &sealed_size));
	must(sealed_size == (size_t) (op_rsa_bits(rsa) + 7) / 8);
	must(op_rsa_public_der(rsa, der, &size));
	copy = op_rsa_public_key((OpBytes){der, size});
	if (copy != NULL)
	{
		must(op_rsa_bits(copy) == op_rsa_bits(rsa));
		must(op_rsa_public_der(copy, again, &size_again));
		must(size == size_again && memcmp(der, again, size) == 0);
		op_rsa_free(copy);
	}
	size_again = sizeof(again);
	must(!op_rsa_private_der(rsa, again, &size_again));
	op_rsa_free(rsa);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	OpRsa *rsa = op_rsa_public_key((OpBytes){data, size});

	if (rsa != NULL)
		must_be_a_key(rsa);
	rsa = op_rsa_public_key_pem((OpBytes){data, size});
	if (rsa != NULL)
		must_be_a_key(rsa);
	return 0;
}
