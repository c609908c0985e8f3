/*
 * crypto_rsa.c
 *	  RSA: keys and their encodings, OAEP, signatures.
 *
 * Keys are read from the one encoding that is asked for, step by step, rather than
 * by OpenSSL's readers of any encoding: those look for further ones, take what
 * follows for a part of something, ask for a password on the terminal, and leave
 * copies of a private key in memory they free.
 *
 * Padding and digests are always named: OpenSSL's own choice for OAEP is SHA-1, and
 * for its mask again, whatever the digest is.
 *
 * An operation takes some hundred microseconds, so contexts are made for each, and
 * OpenSSL's queue of errors is emptied after each: reading may fill it even when it
 * succeeds.
 */
#include "postgres.h"

#include <openssl/asn1t.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "crypto_private.h"

#define MIN_BITS  2048
#define NUMBERS	  8 /* that a private key consists of */
#define MAX_PEM	  ((size_t) 2 * OP_RSA_MAX_DER)
#define PEM_BEGIN "-----BEGIN " PEM_STRING_PUBLIC "-----"
#define BLANKS	  " \t\r\n"

struct OpRsa
{
	EVP_PKEY *key;
	bool	  is_private;
};

/* RSAPrivateKey (RFC 8017, A.1.2) of two primes: numbers in the order of its names */
typedef struct PrivateNumbers
{
	int32	version;
	BIGNUM *number[NUMBERS];
} PrivateNumbers;

static const char *const number_names[NUMBERS] = {
	OSSL_PKEY_PARAM_RSA_N,
	OSSL_PKEY_PARAM_RSA_E,
	OSSL_PKEY_PARAM_RSA_D,
	OSSL_PKEY_PARAM_RSA_FACTOR1,
	OSSL_PKEY_PARAM_RSA_FACTOR2,
	OSSL_PKEY_PARAM_RSA_EXPONENT1,
	OSSL_PKEY_PARAM_RSA_EXPONENT2,
	OSSL_PKEY_PARAM_RSA_COEFFICIENT1};

/* CBIGNUM: OpenSSL overwrites it before it frees it, and so all that is made of it */
/* clang-format off */
ASN1_SEQUENCE(PrivateNumbers) = {
	ASN1_EMBED(PrivateNumbers, version, INT32),
	ASN1_SIMPLE(PrivateNumbers, number[0], BIGNUM),
	ASN1_SIMPLE(PrivateNumbers, number[1], BIGNUM),
	ASN1_SIMPLE(PrivateNumbers, number[2], CBIGNUM),
	ASN1_SIMPLE(PrivateNumbers, number[3], CBIGNUM),
	ASN1_SIMPLE(PrivateNumbers, number[4], CBIGNUM),
	ASN1_SIMPLE(PrivateNumbers, number[5], CBIGNUM),
	ASN1_SIMPLE(PrivateNumbers, number[6], CBIGNUM),
	ASN1_SIMPLE(PrivateNumbers, number[7], CBIGNUM)
} static_ASN1_SEQUENCE_END(PrivateNumbers)
	/* clang-format on */

	/* prepares a context for an operation: EVP_PKEY_encrypt_init_ex and its like */
	typedef int(*InitFunction)(EVP_PKEY_CTX * context, const OSSL_PARAM params[]);

/* ---------- how every operation ends ---------- */

static bool
end(bool ok, uint8 *output, size_t *size)
{
	if (!ok)
	{
		OPENSSL_cleanse(output, *size);
		*size = 0;
	}
	ERR_clear_error();
	return ok;
}

/* Takes the key over, or frees it. */
static OpRsa *
adopt(EVP_PKEY *key, bool is_private)
{
	OpRsa *rsa = NULL;

	if (key != NULL && EVP_PKEY_is_a(key, "RSA") &&
		EVP_PKEY_get_bits(key) >= MIN_BITS && EVP_PKEY_get_bits(key) <= OP_RSA_MAX_BITS)
		rsa = OPENSSL_zalloc(sizeof(OpRsa));
	if (rsa != NULL)
	{
		rsa->key = key;
		rsa->is_private = is_private;
	}
	else
		EVP_PKEY_free(key);
	ERR_clear_error();
	return rsa;
}

/* ---------- keys ---------- */

OpRsa *
op_rsa_generate(int bits)
{
	EVP_PKEY_CTX *context;
	EVP_PKEY	 *key = NULL;

	if (bits < MIN_BITS || bits > OP_RSA_MAX_BITS)
		return NULL;
	context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	if (context == NULL || EVP_PKEY_keygen_init(context) != 1 ||
		EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits) != 1 ||
		EVP_PKEY_generate(context, &key) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(context);
	return adopt(key, true);
}

static EVP_PKEY *
key_of(const PrivateNumbers *numbers)
{
	EVP_PKEY	   *key = NULL;
	EVP_PKEY_CTX   *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	OSSL_PARAM	   *params = NULL;
	bool			ok = context != NULL && builder != NULL;

	for (int i = 0; i < NUMBERS; i++)
		ok = ok && OSSL_PARAM_BLD_push_BN(builder, number_names[i], numbers->number[i]) == 1;
	if (ok)
		params = OSSL_PARAM_BLD_to_param(builder);
	if (params == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
		EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(context);
	return key;
}

static PrivateNumbers *
read_numbers(const PKCS8_PRIV_KEY_INFO *info)
{
	const ASN1_OBJECT *algorithm;
	const uint8		  *next;
	const uint8		  *last;
	int				   size;
	PrivateNumbers	  *numbers;

	if (PKCS8_pkey_get0(&algorithm, &next, &size, NULL, info) != 1 ||
		OBJ_obj2nid(algorithm) != NID_rsaEncryption)
		return NULL;
	last = next + size;
	numbers = (PrivateNumbers *) ASN1_item_d2i(NULL, &next, size, ASN1_ITEM_rptr(PrivateNumbers));
	if (numbers != NULL && next == last && numbers->version == 0)
		return numbers;
	ASN1_item_free((ASN1_VALUE *) numbers, ASN1_ITEM_rptr(PrivateNumbers));
	return NULL;
}

OpRsa *
op_rsa_private_key(OpBytes der)
{
	const uint8			*next = der.data;
	PKCS8_PRIV_KEY_INFO *info = NULL;
	PrivateNumbers		*numbers = NULL;
	EVP_PKEY			*key = NULL;

	if (der.size <= OP_RSA_MAX_DER)
		info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &next, (long) der.size);
	if (info != NULL && next == der.data + der.size)
		numbers = read_numbers(info);
	if (numbers != NULL)
		key = key_of(numbers);
	ASN1_item_free((ASN1_VALUE *) numbers, ASN1_ITEM_rptr(PrivateNumbers));
	PKCS8_PRIV_KEY_INFO_free(info);
	return adopt(key, true);
}

static bool
passes(EVP_PKEY *key, int (*check)(EVP_PKEY_CTX *context))
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	bool		  ok = context != NULL && check(context) == 1;

	EVP_PKEY_CTX_free(context);
	ERR_clear_error();
	return ok;
}

bool
op_rsa_is_consistent(const OpRsa *rsa)
{
	return passes(rsa->key, EVP_PKEY_pairwise_check);
}

OpRsa *
op_rsa_checked_public_key(OpBytes der)
{
	const uint8 *next = der.data;
	EVP_PKEY	*key = NULL;

	if (der.size <= OP_RSA_MAX_DER)
		key = d2i_PUBKEY(NULL, &next, (long) der.size);
	if (next == der.data + der.size)
		return adopt(key, false);
	EVP_PKEY_free(key);
	return adopt(NULL, false);
}

OpRsa *
op_rsa_public_key(OpBytes der)
{
	OpRsa *rsa = op_rsa_checked_public_key(der);

	/* an even modulus or an exponent of one would verify anything */
	if (rsa == NULL || passes(rsa->key, EVP_PKEY_public_check))
		return rsa;
	op_rsa_free(rsa);
	return NULL;
}

static bool
is_blank(const char *text, size_t size)
{
	while (size > 0 && text[size - 1] != '\0' && strchr(BLANKS, text[size - 1]) != NULL)
		size--;
	return size == 0;
}

OpRsa *
op_rsa_public_key_pem(OpBytes pem)
{
	BIO	  *bio = NULL;
	char  *name = NULL;
	char  *header = NULL; /* of RFC 1421, where the text is encrypted */
	char  *rest = NULL;
	uint8 *data = NULL;
	long   size;
	OpRsa *rsa = NULL;

	while (pem.size > 0 && is_blank((const char *) pem.data, 1))
	{
		pem.data++;
		pem.size--;
	}
	/* OpenSSL would skip what stands before it */
	if (pem.size >= strlen(PEM_BEGIN) && pem.size <= MAX_PEM &&
		memcmp(pem.data, PEM_BEGIN, strlen(PEM_BEGIN)) == 0)
		bio = BIO_new_mem_buf(pem.data, (int) pem.size);
	if (bio != NULL && PEM_read_bio(bio, &name, &header, &data, &size) == 1)
	{
		long left = BIO_get_mem_data(bio, &rest);

		if (header[0] == '\0' && is_blank(rest, (size_t) left))
			rsa = op_rsa_public_key((OpBytes){data, (size_t) size});
	}
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(data);
	BIO_free(bio);
	ERR_clear_error();
	return rsa;
}

void
op_rsa_free(OpRsa *rsa)
{
	if (rsa == NULL)
		return;
	EVP_PKEY_free(rsa->key);
	OPENSSL_free(rsa);
}

int
op_rsa_bits(const OpRsa *rsa)
{
	return EVP_PKEY_get_bits(rsa->key);
}

/* ---------- what keys consist of ---------- */

/* Into a buffer of our own: OpenSSL's exports leave copies in memory they free. */
static bool
take_numbers(const OpRsa *rsa, PrivateNumbers *numbers)
{
	uint8	   native[NUMBERS][OP_RSA_MAX_SIZE];
	OSSL_PARAM params[NUMBERS + 1];
	bool	   ok;

	for (int i = 0; i < NUMBERS; i++)
		params[i] = OSSL_PARAM_construct_BN(number_names[i], native[i], sizeof(native[i]));
	params[NUMBERS] = OSSL_PARAM_construct_end();
	ok = EVP_PKEY_get_params(rsa->key, params) == 1;
	for (int i = 0; i < NUMBERS; i++)
		ok = ok && OSSL_PARAM_get_BN(&params[i], &numbers->number[i]) == 1;
	OPENSSL_cleanse(native, sizeof(native));
	return ok;
}

/* RSAPrivateKey; the caller overwrites and frees it. */
static uint8 *
write_numbers(const OpRsa *rsa, int *size)
{
	ASN1_VALUE *numbers = ASN1_item_new(ASN1_ITEM_rptr(PrivateNumbers));
	uint8	   *encoded = NULL;

	if (numbers != NULL && take_numbers(rsa, (PrivateNumbers *) numbers))
		*size = ASN1_item_i2d(numbers, &encoded, ASN1_ITEM_rptr(PrivateNumbers));
	ASN1_item_free(numbers, ASN1_ITEM_rptr(PrivateNumbers));
	return encoded;
}

/* Freeing it overwrites what it holds. */
static PKCS8_PRIV_KEY_INFO *
private_info(const OpRsa *rsa)
{
	int					 size = 0;
	uint8				*encoded = write_numbers(rsa, &size);
	PKCS8_PRIV_KEY_INFO *info = PKCS8_PRIV_KEY_INFO_new();

	if (encoded != NULL && info != NULL &&
		PKCS8_pkey_set0(info, OBJ_nid2obj(NID_rsaEncryption), 0, V_ASN1_NULL, NULL,
						encoded, size) == 1)
		return info;
	OPENSSL_clear_free(encoded, (size_t) size);
	PKCS8_PRIV_KEY_INFO_free(info);
	return NULL;
}

bool
op_rsa_private_der(const OpRsa *rsa, uint8 *der, size_t *size)
{
	PKCS8_PRIV_KEY_INFO *info = rsa->is_private ? private_info(rsa) : NULL;
	int					 needed = info != NULL ? i2d_PKCS8_PRIV_KEY_INFO(info, NULL) : 0;
	uint8				*next = der;
	bool				 ok = needed > 0 && (size_t) needed <= *size &&
			  i2d_PKCS8_PRIV_KEY_INFO(info, &next) == needed;

	PKCS8_PRIV_KEY_INFO_free(info);
	if (ok)
		*size = (size_t) needed;
	return end(ok, der, size);
}

bool
op_rsa_public_der(const OpRsa *rsa, uint8 *der, size_t *size)
{
	int	   needed = i2d_PUBKEY(rsa->key, NULL);
	uint8 *next = der;
	bool   ok = needed > 0 && (size_t) needed <= *size && i2d_PUBKEY(rsa->key, &next) == needed;

	if (ok)
		*size = (size_t) needed;
	return end(ok, der, size);
}

static bool
number(const OpRsa *rsa, const char *name, uint8 *bytes, size_t *size)
{
	BIGNUM *value = NULL;
	bool	ok = EVP_PKEY_get_bn_param(rsa->key, name, &value) == 1 &&
			  (size_t) BN_num_bytes(value) <= *size;

	if (ok)
		*size = (size_t) BN_bn2bin(value, bytes);
	BN_free(value);
	return end(ok, bytes, size);
}

bool
op_rsa_modulus(const OpRsa *rsa, uint8 *modulus, size_t *size)
{
	return number(rsa, OSSL_PKEY_PARAM_RSA_N, modulus, size);
}

bool
op_rsa_exponent(const OpRsa *rsa, uint8 *exponent, size_t *size)
{
	return number(rsa, OSSL_PKEY_PARAM_RSA_E, exponent, size);
}

/* ---------- OAEP ---------- */

static EVP_PKEY_CTX *
oaep_context(const OpRsa *rsa, OpBytes label, InitFunction init)
{
	char	   oaep[] = OSSL_PKEY_RSA_PAD_MODE_OAEP;
	char	   digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, oaep, 0),
		OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, digest, 0),
		OSSL_PARAM_construct_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(), /* the label's place, if there is one */
		OSSL_PARAM_construct_end()};
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, rsa->key, NULL);

	if (label.size > 0)
		params[3] = OSSL_PARAM_construct_octet_string(OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL,
													  (void *) label.data, label.size);
	if (context != NULL && init(context, params) == 1)
		return context;
	EVP_PKEY_CTX_free(context);
	return NULL;
}

bool
op_rsa_oaep_seal(OpRsa *rsa, OpBytes label, OpBytes plain, uint8 *sealed, size_t *size)
{
	EVP_PKEY_CTX *context = oaep_context(rsa, label, EVP_PKEY_encrypt_init_ex);
	const uint8	 *data = plain.size > 0 ? plain.data : (const uint8 *) "";
	size_t		  written = *size;
	bool		  ok = context != NULL && *size >= (size_t) EVP_PKEY_get_size(rsa->key) &&
			  EVP_PKEY_encrypt(context, sealed, &written, data, plain.size) == 1;

	EVP_PKEY_CTX_free(context);
	if (ok)
		*size = written;
	return end(ok, sealed, size);
}

/* By way of a buffer of our own: OpenSSL wants room for a whole modulus. */
bool
op_rsa_oaep_open(OpRsa *rsa, OpBytes label, OpBytes sealed, uint8 *plain, size_t *size)
{
	uint8		  opened[OP_RSA_MAX_SIZE];
	size_t		  written = sizeof(opened);
	EVP_PKEY_CTX *context = NULL;
	bool		  ok;

	if (rsa->is_private && sealed.size == (size_t) EVP_PKEY_get_size(rsa->key))
		context = oaep_context(rsa, label, EVP_PKEY_decrypt_init_ex);
	ok = context != NULL &&
		 EVP_PKEY_decrypt(context, opened, &written, sealed.data, sealed.size) == 1 &&
		 written <= *size;
	EVP_PKEY_CTX_free(context);
	if (ok)
	{
		memcpy(plain, opened, written);
		*size = written;
	}
	OPENSSL_cleanse(opened, sizeof(opened));
	return end(ok, plain, size);
}

/* ---------- signatures ---------- */

static const OSSL_PARAM *
pkcs1_padding(void)
{
	static char		  pkcs1[] = OSSL_PKEY_RSA_PAD_MODE_PKCSV15;
	static OSSL_PARAM params[2];

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, pkcs1, 0);
	params[1] = OSSL_PARAM_construct_end();
	return params;
}

bool
op_rsa_sign_sha256(OpRsa *rsa, OpBytes data, uint8 *signature, size_t *size)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	size_t		written = *size;
	bool		ok = context != NULL && rsa->is_private &&
			  *size >= (size_t) EVP_PKEY_get_size(rsa->key) &&
			  EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, rsa->key, pkcs1_padding()) == 1 &&
			  EVP_DigestSign(context, signature, &written, data.data, data.size) == 1;

	EVP_MD_CTX_free(context);
	if (ok)
		*size = written;
	return end(ok, signature, size);
}

bool
op_rsa_verify_sha256(OpRsa *rsa, OpBytes data, OpBytes signature)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool		ok = context != NULL &&
			  EVP_DigestVerifyInit_ex(context, NULL, "SHA256", NULL, NULL, rsa->key, pkcs1_padding()) == 1 &&
			  EVP_DigestVerify(context, signature.data, signature.size, data.data, data.size) == 1;

	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return ok;
}
