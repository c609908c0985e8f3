/*
 * crypto.c
 *	  AEAD, random bytes, comparing, forgetting. Digests and what is made of them are
 *	  in crypto_digest.c, RSA is in crypto_rsa.c, texts of bytes are in crypto_text.c.
 *
 * K			the key of an OpAead
 * K1			the first subkey of AES-CMAC under K (NIST SP 800-38B): made once a key
 * Kx			the key of one message, AES-CMAC of half of the nonce under K
 * context		OpenSSL's state of an operation, with the key prepared for it
 *
 * To look up an algorithm costs OpenSSL as much as to seal a card number, and so
 * does a fresh context: the former is done once a process, and the contexts of a
 * key live as long as the key.
 */
#include "postgres.h"

#include <limits.h>
#include <sys/mman.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "crypto_private.h"

#define BLOCK_SIZE	  16										  /* of AES */
#define MAX_SIZE	  (INT_MAX - OP_TAG_SIZE)					  /* OpenSSL counts in int */
#define KX_NONCE_SIZE (OP_NONCE_SIZE - OP_GCM_NONCE_SIZE)		  /* what of the nonce makes Kx */
#define CMAC_CONSTANT 0x87										  /* x^128 in AES-CMAC's field */
#define POOL_SIZE	  (4096 - 2 * sizeof(size_t) - OP_NONCE_SIZE) /* with the rest, one page */
#define NONCES_IN_ROW 256										  /* counted on from a random one */

struct OpAead
{
	EVP_CIPHER_CTX *ecb; /* AES-256 under K */
	EVP_CIPHER_CTX *gcm; /* takes Kx and nonce of each message */
	uint8			k1[BLOCK_SIZE];
	bool			has_kx;					 /* gcm has it from the last message */
	uint8			kx_nonce[KX_NONCE_SIZE]; /* what made it */
};

/* Random bytes in stock. All is zero in a child: it finds the stock used up. */
typedef struct Pool
{
	size_t nonces_left;
	uint8  nonce[OP_NONCE_SIZE]; /* the last one */
	size_t left;
	uint8  bytes[POOL_SIZE];
} Pool;

/* ---------- algorithms, looked up once a process ---------- */

static const EVP_CIPHER *
aes_256_gcm(void)
{
	static EVP_CIPHER *cipher = NULL;

	if (cipher == NULL)
		cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	return cipher;
}

static const EVP_CIPHER *
aes_256_ecb(void)
{
	static EVP_CIPHER *cipher = NULL;

	if (cipher == NULL)
		cipher = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
	return cipher;
}

/* ---------- AES-256-GCM ---------- */

static EVP_CIPHER_CTX *
new_context(const EVP_CIPHER *cipher, const uint8 *key)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	if (cipher != NULL && context != NULL &&
		EVP_EncryptInit_ex2(context, cipher, key, NULL, NULL) == 1)
		return context;
	EVP_CIPHER_CTX_free(context);
	return NULL;
}

/* Key, nonce and associated data; the algorithm the context has already. */
static bool
gcm_start(EVP_CIPHER_CTX *context, const uint8 *key, const uint8 *nonce, bool sealing,
		  OpBytes associated)
{
	int written;

	if (associated.size > MAX_SIZE ||
		EVP_CipherInit_ex2(context, NULL, key, nonce, sealing, NULL) != 1)
		return false;
	return associated.size == 0 ||
		   EVP_CipherUpdate(context, NULL, &written, associated.data, (int) associated.size) == 1;
}

/* EVP_CIPHER_CTX_ctrl() would only make this parameter of the tag, on a longer way. */
static bool
gcm_seal(EVP_CIPHER_CTX *context, OpBytes plain, uint8 *sealed)
{
	uint8	  *tag = sealed + plain.size;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, OP_TAG_SIZE),
		OSSL_PARAM_construct_end()};
	int written;

	if (plain.size > 0 &&
		EVP_EncryptUpdate(context, sealed, &written, plain.data, (int) plain.size) != 1)
		return false;
	return EVP_EncryptFinal_ex(context, tag, &written) == 1 &&
		   EVP_CIPHER_CTX_get_params(context, params) == 1;
}

/*
 * The plaintext is there before the tag was looked at: the caller overwrites it if
 * this fails. The tag's size is ours to say; OpenSSL would take four bytes for one.
 */
static bool
gcm_open(EVP_CIPHER_CTX *context, OpBytes sealed, uint8 *plain)
{
	size_t size = sealed.size - OP_TAG_SIZE;
	uint8  tag[OP_TAG_SIZE]; /* OpenSSL wants it writable */
	uint8  nothing[BLOCK_SIZE];
	int	   written;

	memcpy(tag, sealed.data + size, OP_TAG_SIZE);
	if (size > 0 &&
		EVP_DecryptUpdate(context, plain, &written, sealed.data, (int) size) != 1)
		return false;
	return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, OP_TAG_SIZE, tag) == 1 &&
		   EVP_DecryptFinal_ex(context, nothing, &written) == 1;
}

bool
op_gcm_seal(const uint8 key[OP_KEY_SIZE], const uint8 nonce[OP_GCM_NONCE_SIZE],
			OpBytes associated, OpBytes plain, uint8 *sealed)
{
	EVP_CIPHER_CTX *context;
	bool			ok;

	if (plain.size > MAX_SIZE)
		return false;
	context = new_context(aes_256_gcm(), NULL);
	ok = context != NULL && gcm_start(context, key, nonce, true, associated) &&
		 gcm_seal(context, plain, sealed);
	EVP_CIPHER_CTX_free(context);
	return op_crypto_end(ok, sealed, plain.size + OP_TAG_SIZE);
}

bool
op_gcm_open(const uint8 key[OP_KEY_SIZE], const uint8 nonce[OP_GCM_NONCE_SIZE],
			OpBytes associated, OpBytes sealed, uint8 *plain)
{
	EVP_CIPHER_CTX *context;
	bool			ok;

	if (sealed.size < OP_TAG_SIZE || sealed.size > MAX_SIZE)
		return false;
	context = new_context(aes_256_gcm(), NULL);
	ok = context != NULL && gcm_start(context, key, nonce, false, associated) &&
		 gcm_open(context, sealed, plain);
	EVP_CIPHER_CTX_free(context);
	return op_crypto_end(ok, plain, sealed.size - OP_TAG_SIZE);
}

/* ---------- XAES-256-GCM ---------- */

/* K1 is AES(K, 0) times x; in a time that does not depend on it */
static bool
make_k1(OpAead *aead)
{
	uint8 zeros[BLOCK_SIZE] = {0};
	uint8 l[BLOCK_SIZE];
	int	  written;
	bool  ok = EVP_EncryptUpdate(aead->ecb, l, &written, zeros, BLOCK_SIZE) == 1;

	for (int i = 0; i < BLOCK_SIZE - 1; i++)
		aead->k1[i] = (uint8) (l[i] << 1 | l[i + 1] >> 7);
	aead->k1[BLOCK_SIZE - 1] = (uint8) (l[BLOCK_SIZE - 1] << 1 ^ (CMAC_CONSTANT & -(l[0] >> 7)));
	OPENSSL_cleanse(l, sizeof(l));
	return ok;
}

OpAead *
op_aead_new(const uint8 key[OP_KEY_SIZE])
{
	OpAead *aead = OPENSSL_zalloc(sizeof(OpAead));

	if (aead != NULL)
	{
		aead->ecb = new_context(aes_256_ecb(), key);
		aead->gcm = new_context(aes_256_gcm(), NULL);
		if (aead->ecb != NULL && aead->gcm != NULL &&
			EVP_CIPHER_CTX_set_padding(aead->ecb, 0) == 1 && make_k1(aead))
			return aead;
	}
	op_aead_free(aead);
	ERR_clear_error();
	return NULL;
}

void
op_aead_free(OpAead *aead)
{
	if (aead == NULL)
		return;
	EVP_CIPHER_CTX_free(aead->ecb);
	EVP_CIPHER_CTX_free(aead->gcm);
	OPENSSL_clear_free(aead, sizeof(OpAead));
}

/* Kx: two blocks of AES-CMAC in counter mode, each of one block. */
static bool
make_kx(OpAead *aead, const uint8 *nonce, uint8 kx[OP_KEY_SIZE])
{
	uint8 blocks[OP_KEY_SIZE];
	int	  written;
	bool  ok;

	for (size_t i = 0; i < OP_KEY_SIZE / BLOCK_SIZE; i++)
	{
		uint8	   *block = blocks + i * BLOCK_SIZE;
		const uint8 prefix[] = {0, (uint8) (i + 1), 'X', 0};

		memcpy(block, prefix, sizeof(prefix));
		memcpy(block + sizeof(prefix), nonce, KX_NONCE_SIZE);
		for (int j = 0; j < BLOCK_SIZE; j++)
			block[j] ^= aead->k1[j];
	}
	ok = EVP_EncryptUpdate(aead->ecb, kx, &written, blocks, sizeof(blocks)) == 1;
	OPENSSL_cleanse(blocks, sizeof(blocks));
	return ok;
}

static bool
xaes_start(OpAead *aead, const uint8 *nonce, bool sealing, OpBytes associated)
{
	uint8 kx[OP_KEY_SIZE];
	bool  ok;

	if (aead->has_kx && memcmp(aead->kx_nonce, nonce, KX_NONCE_SIZE) == 0)
		return gcm_start(aead->gcm, NULL, nonce + KX_NONCE_SIZE, sealing, associated);
	aead->has_kx = false;
	ok = make_kx(aead, nonce, kx) &&
		 gcm_start(aead->gcm, kx, nonce + KX_NONCE_SIZE, sealing, associated);
	OPENSSL_cleanse(kx, sizeof(kx));
	memcpy(aead->kx_nonce, nonce, KX_NONCE_SIZE);
	aead->has_kx = ok;
	return ok;
}

bool
op_aead_seal(OpAead *aead, const uint8 nonce[OP_NONCE_SIZE], OpBytes associated,
			 OpBytes plain, uint8 *sealed)
{
	if (plain.size > MAX_SIZE)
		return false;
	return op_crypto_end(xaes_start(aead, nonce, true, associated) &&
							 gcm_seal(aead->gcm, plain, sealed),
						 sealed, plain.size + OP_TAG_SIZE);
}

bool
op_aead_open(OpAead *aead, const uint8 nonce[OP_NONCE_SIZE], OpBytes associated,
			 OpBytes sealed, uint8 *plain)
{
	if (sealed.size < OP_TAG_SIZE || sealed.size > MAX_SIZE)
		return false;
	return op_crypto_end(xaes_start(aead, nonce, false, associated) &&
							 gcm_open(aead->gcm, sealed, plain),
						 plain, sealed.size - OP_TAG_SIZE);
}

/* ---------- random bytes, comparing, forgetting ---------- */

/*
 * A page of its own: empty in a child after fork, so that no two processes ever draw
 * the same bytes, and not in a core dump. NULL where the system has no such pages.
 */
static Pool *
make_pool(void)
{
#ifdef MADV_WIPEONFORK
	Pool *pool = mmap(NULL, sizeof(Pool), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
					  -1, 0);

	if (pool == MAP_FAILED)
		return NULL;
	if (madvise(pool, sizeof(Pool), MADV_WIPEONFORK) == 0 &&
		madvise(pool, sizeof(Pool), MADV_DONTDUMP) == 0)
		return pool;
	munmap(pool, sizeof(Pool));
#endif
	return NULL;
}

static Pool *
the_pool(void)
{
	static Pool *pool = NULL;
	static bool	 tried = false;

	if (!tried)
		pool = make_pool();
	tried = true;
	return pool;
}

/*
 * OpenSSL's generator takes as long for one byte as for a hundred, and longer than
 * sealing; so it is asked for many at once. What was handed out is overwritten.
 */
bool
op_random(uint8 *bytes, size_t size)
{
	Pool *pool = the_pool();

	if (pool == NULL || size > POOL_SIZE)
		return op_crypto_end(size <= INT_MAX && RAND_bytes(bytes, (int) size) == 1, bytes, size);
	if (pool->left < size)
	{
		pool->left = 0;
		if (RAND_bytes(pool->bytes, POOL_SIZE) != 1)
			return op_crypto_end(false, bytes, size);
		pool->left = POOL_SIZE;
	}
	pool->left -= size;
	memcpy(bytes, pool->bytes + pool->left, size);
	OPENSSL_cleanse(pool->bytes + pool->left, size);
	return true;
}

/*
 * The first is random, all 24 bytes of it, and the next ones count on from it: so Kx, which
 * the first half makes, serves them all. Two rows of nonces meet only if their halves are equal
 * and their counters next to each other, which is as rare as that two random nonces are equal.
 */
bool
op_next_nonce(uint8 nonce[OP_NONCE_SIZE])
{
	Pool  *pool = the_pool();
	uint64 counter;

	if (pool == NULL)
		return op_random(nonce, OP_NONCE_SIZE);
	if (pool->nonces_left == 0)
	{
		if (!op_random(pool->nonce, OP_NONCE_SIZE))
			return op_crypto_end(false, nonce, OP_NONCE_SIZE);
		pool->nonces_left = NONCES_IN_ROW;
	}
	else
	{
		memcpy(&counter, pool->nonce + OP_NONCE_SIZE - sizeof(counter), sizeof(counter));
		counter++;
		memcpy(pool->nonce + OP_NONCE_SIZE - sizeof(counter), &counter, sizeof(counter));
	}
	pool->nonces_left--;
	memcpy(nonce, pool->nonce, OP_NONCE_SIZE);
	return true;
}

bool
op_random_key(uint8 *bytes, size_t size)
{
	return op_crypto_end(size <= INT_MAX && RAND_priv_bytes(bytes, (int) size) == 1, bytes, size);
}

bool
op_equal(const void *a, const void *b, size_t size)
{
	return CRYPTO_memcmp(a, b, size) == 0;
}

void
op_cleanse(void *bytes, size_t size)
{
	OPENSSL_cleanse(bytes, size);
}
