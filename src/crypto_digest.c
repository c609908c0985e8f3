/*
 * crypto_digest.c
 *	  SHA-256, MD5, HMAC, HKDF and scrypt. Algorithms are looked up once a process.
 */
#include "postgres.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "crypto_private.h"

#define MAX_MEMORY	  (UINT64CONST(1) << 30) /* of scrypt */
#define MAX_LOG2_N	  30
#define MAX_PARAMETER 1024 /* of scrypt: no product of theirs overflows */

struct OpHmac
{
	EVP_MAC_CTX *context;
};

/* ---------- algorithms ---------- */

static const EVP_MD *
sha256_algorithm(void)
{
	static EVP_MD *digest = NULL;

	if (digest == NULL)
		digest = EVP_MD_fetch(NULL, "SHA256", NULL);
	return digest;
}

static const EVP_MD *
md5_algorithm(void)
{
	static EVP_MD *digest = NULL;

	if (digest == NULL)
		digest = EVP_MD_fetch(NULL, "MD5", NULL);
	return digest;
}

static EVP_MAC *
hmac_algorithm(void)
{
	static EVP_MAC *mac = NULL;

	if (mac == NULL)
		mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	return mac;
}

static EVP_KDF *
hkdf_algorithm(void)
{
	static EVP_KDF *kdf = NULL;

	if (kdf == NULL)
		kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	return kdf;
}

/* ---------- digests ---------- */

bool
op_sha256(OpBytes data, uint8 digest[OP_DIGEST_SIZE])
{
	const EVP_MD *sha256 = sha256_algorithm();
	bool		  ok = sha256 != NULL &&
			  EVP_Digest(data.data, data.size, digest, NULL, sha256, NULL) == 1;

	return op_crypto_end(ok, digest, OP_DIGEST_SIZE);
}

bool
op_md5(OpBytes data, uint8 digest[OP_MD5_SIZE])
{
	const EVP_MD *md5 = md5_algorithm();
	bool		  ok = md5 != NULL &&
			  EVP_Digest(data.data, data.size, digest, NULL, md5, NULL) == 1;

	return op_crypto_end(ok, digest, OP_MD5_SIZE);
}

/* ---------- HMAC ---------- */

OpHmac *
op_hmac_new(OpBytes key)
{
	char	   name[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_end()};
	/* a NULL would say to keep the key, not that it is empty */
	const uint8 *data = key.size > 0 ? key.data : (const uint8 *) "";
	EVP_MAC		*algorithm = hmac_algorithm();
	OpHmac		*hmac = OPENSSL_zalloc(sizeof(OpHmac));

	if (algorithm != NULL && hmac != NULL)
	{
		hmac->context = EVP_MAC_CTX_new(algorithm);
		if (hmac->context != NULL && EVP_MAC_init(hmac->context, data, key.size, params) == 1)
			return hmac;
	}
	op_hmac_free(hmac);
	ERR_clear_error();
	return NULL;
}

void
op_hmac_free(OpHmac *hmac)
{
	if (hmac == NULL)
		return;
	EVP_MAC_CTX_free(hmac->context);
	OPENSSL_free(hmac);
}

bool
op_hmac(OpHmac *hmac, OpBytes data, uint8 digest[OP_DIGEST_SIZE])
{
	size_t written;
	bool   ok = EVP_MAC_init(hmac->context, NULL, 0, NULL) == 1 &&
			  EVP_MAC_update(hmac->context, data.data, data.size) == 1 &&
			  EVP_MAC_final(hmac->context, digest, &written, OP_DIGEST_SIZE) == 1;

	return op_crypto_end(ok, digest, OP_DIGEST_SIZE);
}

bool
op_hmac_sha256(OpBytes key, OpBytes data, uint8 digest[OP_DIGEST_SIZE])
{
	OpHmac *hmac = op_hmac_new(key);
	bool	ok = hmac != NULL && op_hmac(hmac, data, digest);

	op_hmac_free(hmac);
	return op_crypto_end(ok, digest, OP_DIGEST_SIZE);
}

/* ---------- derivation of keys ---------- */

bool
op_hkdf_sha256(const uint8 key[OP_KEY_SIZE], const char *info, uint8 derived[OP_KEY_SIZE])
{
	char	   name[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *) key, OP_KEY_SIZE),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *) info, strlen(info)),
		OSSL_PARAM_construct_end()};
	EVP_KDF		*algorithm = hkdf_algorithm();
	EVP_KDF_CTX *context = algorithm != NULL ? EVP_KDF_CTX_new(algorithm) : NULL;
	bool		 ok = context != NULL && EVP_KDF_derive(context, derived, OP_KEY_SIZE, params) == 1;

	EVP_KDF_CTX_free(context);
	return op_crypto_end(ok, derived, OP_KEY_SIZE);
}

bool
op_scrypt(OpBytes secret, OpBytes salt, OpScryptCost cost, uint8 derived[OP_KEY_SIZE])
{
	uint64 n;
	uint64 memory;
	bool   ok;

	if (cost.log2_n < 1 || cost.log2_n > MAX_LOG2_N || cost.r < 1 || cost.r > MAX_PARAMETER ||
		cost.p < 1 || cost.p > MAX_PARAMETER)
		return op_crypto_end(false, derived, OP_KEY_SIZE);
	n = UINT64CONST(1) << cost.log2_n;
	/* as OpenSSL adds it up; without a limit given it would refuse 32 MB */
	memory = 128 * (uint64) cost.r * (n + cost.p + 2);
	ok = 128 * n * cost.r <= MAX_MEMORY &&
		 EVP_PBE_scrypt((const char *) secret.data, secret.size, salt.data, salt.size,
						n, cost.r, cost.p, memory, derived, OP_KEY_SIZE) == 1;
	return op_crypto_end(ok, derived, OP_KEY_SIZE);
}
