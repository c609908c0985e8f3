/*
 * crypto.h
 *	  The cryptographic primitives. crypto*.c alone include OpenSSL, and know
 *	  nothing of the server: they raise no error, allocate by OpenSSL's own
 *	  functions, and can be linked into a program without a server.
 *
 * AEAD			authenticated encryption with associated data: what is opened is
 *				what was sealed, under the same key, nonce and associated data
 * nonce		a number used once; random, and never chosen by a caller outside
 * associated data	is not stored, but must be the same to open
 *
 * Every function that can fail returns false or NULL and has then written
 * nothing but zeros to its output. Why it failed is not told: a caller that
 * said so would help to guess. Sizes are in bytes. Output never overlaps input.
 */
#ifndef OP_CRYPTO_H
#define OP_CRYPTO_H

#define OP_KEY_SIZE		  32
#define OP_NONCE_SIZE	  24 /* of XAES-256-GCM */
#define OP_GCM_NONCE_SIZE 12
#define OP_TAG_SIZE		  16
#define OP_DIGEST_SIZE	  32 /* of SHA-256 */
#define OP_MD5_SIZE		  16
#define OP_RSA_MAX_BITS	  4096
#define OP_RSA_MAX_SIZE	  (OP_RSA_MAX_BITS / 8) /* of a signature or a sealed message */
#define OP_RSA_MAX_DER	  2560					/* of a private key, PKCS #8 */

/* Bytes that belong together; neither owned nor ended by a zero. */
typedef struct OpBytes
{
	const uint8 *data;
	size_t		 size;
} OpBytes;

/* ---------- AEAD ---------- */

/*
 * XAES-256-GCM (C2SP, c2sp.org/XAES-256-GCM): AES-256-GCM under a key derived
 * for each message from key and nonce, so that random nonces are safe for 2^80
 * messages. An OpAead is a key made ready; it holds the key and belongs to the
 * process that made it.
 */
typedef struct OpAead OpAead;

extern OpAead *op_aead_new(const uint8 key[OP_KEY_SIZE]);
extern void	   op_aead_free(OpAead *aead);

/* sealed has room for plain.size + OP_TAG_SIZE */
extern bool op_aead_seal(OpAead *aead, const uint8 nonce[OP_NONCE_SIZE], OpBytes associated,
						 OpBytes plain, uint8 *sealed);

/* plain has room for sealed.size - OP_TAG_SIZE */
extern bool op_aead_open(OpAead *aead, const uint8 nonce[OP_NONCE_SIZE], OpBytes associated,
						 OpBytes sealed, uint8 *plain);

/* AES-256-GCM (NIST SP 800-38D) with a nonce of 96 bits, for what others prescribe. */
extern bool op_gcm_seal(const uint8 key[OP_KEY_SIZE], const uint8 nonce[OP_GCM_NONCE_SIZE],
						OpBytes associated, OpBytes plain, uint8 *sealed);
extern bool op_gcm_open(const uint8 key[OP_KEY_SIZE], const uint8 nonce[OP_GCM_NONCE_SIZE],
						OpBytes associated, OpBytes sealed, uint8 *plain);

/* ---------- digests and what is made of them ---------- */

extern bool op_sha256(OpBytes data, uint8 digest[OP_DIGEST_SIZE]);

/* MD5 (RFC 1321), only to verify signatures of gateways that know nothing better */
extern bool op_md5(OpBytes data, uint8 digest[OP_MD5_SIZE]);

/* HMAC-SHA256 (RFC 2104), once, or many times under a key made ready */
typedef struct OpHmac OpHmac;

extern bool	   op_hmac_sha256(OpBytes key, OpBytes data, uint8 digest[OP_DIGEST_SIZE]);
extern OpHmac *op_hmac_new(OpBytes key);
extern void	   op_hmac_free(OpHmac *hmac);
extern bool	   op_hmac(OpHmac *hmac, OpBytes data, uint8 digest[OP_DIGEST_SIZE]);

/* HKDF-SHA256 (RFC 5869) without salt: a key for one purpose, which info names */
extern bool op_hkdf_sha256(const uint8 key[OP_KEY_SIZE], const char *info,
						   uint8 derived[OP_KEY_SIZE]);

/* scrypt (RFC 7914); takes 128 * r * 2^log2_n bytes of memory while it runs */
typedef struct OpScryptCost
{
	int log2_n;
	int r;
	int p;
} OpScryptCost;

extern bool op_scrypt(OpBytes secret, OpBytes salt, OpScryptCost cost, uint8 derived[OP_KEY_SIZE]);

/* ---------- RSA ---------- */

/*
 * A key, private or public, of 2048 to OP_RSA_MAX_BITS bits. DER is PKCS #8 for
 * a private key, SubjectPublicKeyInfo for a public one; PEM is of a public one.
 * Others, and trailing bytes, are refused; nothing is ever asked for on a
 * terminal.
 */
typedef struct OpRsa OpRsa;

extern OpRsa *op_rsa_generate(int bits);
extern OpRsa *op_rsa_private_key(OpBytes der);
extern OpRsa *op_rsa_public_key(OpBytes der);

/* One that op_rsa_public_key() took before: milliseconds sooner. */
extern OpRsa *op_rsa_checked_public_key(OpBytes der);
extern OpRsa *op_rsa_public_key_pem(OpBytes pem);
extern void	  op_rsa_free(OpRsa *rsa);
extern int	  op_rsa_bits(const OpRsa *rsa);

/* Do the numbers of a private key belong together? It takes longer than a signature to tell. */
extern bool op_rsa_is_consistent(const OpRsa *rsa);

/* *size: the room in the buffer, then what is used of it; zero after a failure */
extern bool op_rsa_private_der(const OpRsa *rsa, uint8 *der, size_t *size);
extern bool op_rsa_public_der(const OpRsa *rsa, uint8 *der, size_t *size);

/* modulus and exponent, big-endian without leading zeros, as a JWK has them */
extern bool op_rsa_modulus(const OpRsa *rsa, uint8 *modulus, size_t *size);
extern bool op_rsa_exponent(const OpRsa *rsa, uint8 *exponent, size_t *size);

/* RSAES-OAEP (RFC 8017) with SHA-256 for digest and mask. *size as above. */
extern bool op_rsa_oaep_seal(OpRsa *rsa, OpBytes label, OpBytes plain, uint8 *sealed, size_t *size);
extern bool op_rsa_oaep_open(OpRsa *rsa, OpBytes label, OpBytes sealed, uint8 *plain, size_t *size);

/* RSASSA-PKCS1-v1_5 (RFC 8017) with SHA-256 */
extern bool op_rsa_sign_sha256(OpRsa *rsa, OpBytes data, uint8 *signature, size_t *size);
extern bool op_rsa_verify_sha256(OpRsa *rsa, OpBytes data, OpBytes signature);

/* ---------- random bytes, comparing, forgetting ---------- */

/* For nonces and salts: from a buffer of this process, which a fork does not inherit. */
extern bool op_random(uint8 *bytes, size_t size);

/* For sealing: never the same twice, in any process. */
extern bool op_next_nonce(uint8 nonce[OP_NONCE_SIZE]);

/* For keys: straight from OpenSSL's generator for what is never shown. */
extern bool op_random_key(uint8 *bytes, size_t size);

/* Compares in a time that depends on the size alone. */
extern bool op_equal(const void *a, const void *b, size_t size);

/* Overwrites with zeros, and no compiler leaves it out. */
extern void op_cleanse(void *bytes, size_t size);

/* ---------- texts of bytes ---------- */

/* Exactly size bytes, in 2 * size hexadecimal digits, small or capital. */
extern bool op_hex_decode(const char *text, size_t length, uint8 *bytes, size_t size);

/* base64url: RFC 4648 section 5, without padding */

#define OP_BASE64URL_SIZE(n) (((n) *4 + 2) / 3)

/* text has room for OP_BASE64URL_SIZE(bytes.size); no zero is added */
extern void op_base64url_encode(OpBytes bytes, char *text);

/* Refuses all that encode would not have written. *size: the room, then what is used of it. */
extern bool op_base64url_decode(const char *text, size_t length, uint8 *bytes, size_t *size);

/* base64: RFC 4648 section 4, with padding, without blanks and line ends; as above */

#define OP_BASE64_SIZE(n) (((n) + 2) / 3 * 4)

extern void op_base64_encode(OpBytes bytes, char *text);
extern bool op_base64_decode(const char *text, size_t length, uint8 *bytes, size_t *size);

#endif
