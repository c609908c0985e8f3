/*
 * vectors.c
 *	  Published figures for all but RSA, refusal of whatever was changed, and what
 *	  is left in memory.
 */
#include "check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

#define MAX_VECTOR 256

#define GCM_KEY	  "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
#define GCM_NONCE "cafebabefacedbaddecaf888"

static const OpBytes none = {NULL, 0};
static const uint8	*xaes_nonce = (const uint8 *) "ABCDEFGHIJKLMNOPQRSTUVWX";

/* ---------- AES-256-GCM: McGrew and Viega, cases 13 to 16 ---------- */

static const struct
{
	const char *key;
	const char *nonce;
	const char *associated;
	const char *plain;
	const char *sealed;
} gcm_vectors[] = {
	{"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
	 "530f8afbc74536b9a963b4f1c4cb738b"},
	{"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
	 "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
	{GCM_KEY, GCM_NONCE, "",
	 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
	 "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
	 "b094dac5d93471bdec1a502270e3cc6c"},
	{GCM_KEY, GCM_NONCE, "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	 "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
	 "76fc6ece0f4e1768cddf8853bb2d551b"},
};

static void
test_gcm(void)
{
	for (size_t i = 0; i < lengthof(gcm_vectors); i++)
	{
		uint8	key[OP_KEY_SIZE];
		uint8	nonce[OP_GCM_NONCE_SIZE];
		uint8	associated[MAX_VECTOR];
		uint8	plain[MAX_VECTOR];
		uint8	opened[MAX_VECTOR];
		uint8	sealed[MAX_VECTOR];
		OpBytes a = {associated, unhex(gcm_vectors[i].associated, associated)};
		OpBytes p = {plain, unhex(gcm_vectors[i].plain, plain)};
		OpBytes s = {sealed, p.size + OP_TAG_SIZE};
		int		wrong = 0;

		unhex(gcm_vectors[i].key, key);
		unhex(gcm_vectors[i].nonce, nonce);
		ok(op_gcm_seal(key, nonce, a, p, sealed) && is_hex(sealed, s.size, gcm_vectors[i].sealed),
		   "AES-256-GCM, case %zu, seals", i + 13);
		ok(op_gcm_open(key, nonce, a, s, opened) && memcmp(opened, plain, p.size) == 0,
		   "AES-256-GCM, case %zu, opens", i + 13);
		for (size_t bit = 0; bit < 8 * s.size; bit++)
		{
			memset(opened, FILL, sizeof(opened));
			sealed[bit / 8] ^= (uint8) (1 << bit % 8);
			wrong += op_gcm_open(key, nonce, a, s, opened) || !all_are(opened, p.size, 0) ||
					 opened[p.size] != FILL;
			sealed[bit / 8] ^= (uint8) (1 << bit % 8);
		}
		ok(wrong == 0, "AES-256-GCM, case %zu, every flipped bit is refused", i + 13);
		s.size--;
		ok(!op_gcm_open(key, nonce, a, s, opened), "AES-256-GCM, case %zu, a shorter tag is refused", i + 13);
		s.size = OP_TAG_SIZE - 1;
		ok(!op_gcm_open(key, nonce, a, s, opened), "AES-256-GCM, case %zu, less than a tag is refused", i + 13);
	}
}

/* ---------- XAES-256-GCM: c2sp.org/XAES-256-GCM ---------- */

static OpAead *
aead_of(uint8 key_byte)
{
	uint8 key[OP_KEY_SIZE];

	memset(key, key_byte, sizeof(key));
	return op_aead_new(key);
}

static void
test_xaes_vector(uint8 key_byte, const char *associated, const char *expected)
{
	OpAead *aead = aead_of(key_byte);
	OpBytes plain = text("XAES-256-GCM");
	size_t	size = plain.size + OP_TAG_SIZE;
	uint8  *sealed = room(size);
	uint8  *opened = room(plain.size);

	/* twice, for the contexts are kept */
	for (int i = 0; i < 2; i++)
	{
		memset(sealed, FILL, size);
		ok(op_aead_seal(aead, xaes_nonce, text(associated), plain, sealed) && is_hex(sealed, size, expected),
		   "XAES-256-GCM, key %02x, seals", key_byte);
		memset(opened, FILL, plain.size);
		ok(op_aead_open(aead, xaes_nonce, text(associated), (OpBytes){sealed, size}, opened) &&
			   memcmp(opened, plain.data, plain.size) == 0,
		   "XAES-256-GCM, key %02x, opens", key_byte);
	}
	free(sealed);
	free(opened);
	op_aead_free(aead);
}

/* Rounds whose input is SHAKE128 of nothing; their sealed texts, hashed by SHAKE128. */
static void
test_xaes_accumulated(int rounds, const char *expected)
{
	size_t		most = (size_t) rounds * 330 + 6000; /* 313 a round are used */
	uint8	   *stream = room(most);
	uint8	   *next = stream;
	uint8		hash[32];
	EVP_MD_CTX *source = EVP_MD_CTX_new();
	EVP_MD_CTX *result = EVP_MD_CTX_new();
	int			wrong = 0;

	EVP_DigestInit_ex(source, EVP_shake128(), NULL);
	EVP_DigestFinalXOF(source, stream, most);
	EVP_DigestInit_ex(result, EVP_shake128(), NULL);
	for (int i = 0; i < rounds && next + 1024 < stream + most; i++)
	{
		OpAead		*aead = op_aead_new(next);
		const uint8 *nonce = next + OP_KEY_SIZE;
		OpBytes		 plain = {nonce + OP_NONCE_SIZE + 1, nonce[OP_NONCE_SIZE]};
		OpBytes		 associated = {plain.data + plain.size + 1, plain.data[plain.size]};
		uint8		 sealed[255 + OP_TAG_SIZE];
		uint8		 opened[255];

		wrong += !op_aead_seal(aead, nonce, associated, plain, sealed);
		wrong += !op_aead_open(aead, nonce, associated, (OpBytes){sealed, plain.size + OP_TAG_SIZE}, opened) ||
				 memcmp(opened, plain.data, plain.size) != 0;
		EVP_DigestUpdate(result, sealed, plain.size + OP_TAG_SIZE);
		next += associated.data + associated.size - next;
		op_aead_free(aead);
	}
	EVP_DigestFinalXOF(result, hash, sizeof(hash));
	ok(wrong == 0 && is_hex(hash, sizeof(hash), expected), "XAES-256-GCM, %d accumulated rounds", rounds);
	EVP_MD_CTX_free(source);
	EVP_MD_CTX_free(result);
	free(stream);
}

/* Whether it is refused, and nothing but zeros left; on exact room, for the sanitizer. */
static bool
is_refused(OpAead *aead, const uint8 *nonce, OpBytes associated, OpBytes sealed)
{
	size_t size = sealed.size > OP_TAG_SIZE ? sealed.size - OP_TAG_SIZE : 0;
	uint8 *copy = room(sealed.size);
	uint8 *plain = room(size);
	bool   refused;

	if (sealed.size > 0)
		memcpy(copy, sealed.data, sealed.size);
	refused = !op_aead_open(aead, nonce, associated, (OpBytes){copy, sealed.size}, plain) &&
			  all_are(plain, size, 0);
	free(copy);
	free(plain);
	return refused;
}

static int
count_flips_taken(uint8 *bytes, size_t size, OpAead *aead, const uint8 *nonce, const OpBytes pair[2])
{
	int taken = 0;

	for (size_t bit = 0; bit < 8 * size; bit++)
	{
		bytes[bit / 8] ^= (uint8) (1 << bit % 8);
		taken += !is_refused(aead, nonce, pair[0], pair[1]);
		bytes[bit / 8] ^= (uint8) (1 << bit % 8);
	}
	return taken;
}

static void
test_xaes_refusals(size_t plain_size)
{
	OpAead *aead = aead_of(7);
	OpAead *other = aead_of(8);
	uint8	plain[64];
	uint8	associated[] = "order_payment.card.number";
	uint8	nonce[OP_NONCE_SIZE];
	uint8	sealed[sizeof(plain) + 2 * OP_TAG_SIZE] = {0};
	OpBytes pair[2] = {{associated, sizeof(associated)}, {sealed, plain_size + OP_TAG_SIZE}};
	OpBytes part = pair[1];
	OpBytes less = pair[0];
	int		taken = 0;

	memset(plain, '4', sizeof(plain));
	memcpy(nonce, xaes_nonce, sizeof(nonce));
	ok(op_aead_seal(aead, nonce, pair[0], (OpBytes){plain, plain_size}, sealed), "XAES-256-GCM, %zu bytes", plain_size);
	ok(!is_refused(aead, nonce, pair[0], pair[1]), "opens unchanged");
	ok(count_flips_taken(sealed, pair[1].size, aead, nonce, pair) == 0, "every flipped bit is refused");
	ok(count_flips_taken(associated, sizeof(associated), aead, nonce, pair) == 0, "and of associated data");
	ok(count_flips_taken(nonce, sizeof(nonce), aead, nonce, pair) == 0, "and of the nonce");
	for (part.size = 0; part.size < sizeof(sealed); part.size++)
		taken += part.size != pair[1].size && !is_refused(aead, nonce, pair[0], part);
	for (less.size = 0; less.size < pair[0].size; less.size++)
		taken += !is_refused(aead, nonce, less, pair[1]);
	for (part.data++, part.size = pair[1].size - 1; part.size > 0; part.size--)
		taken += !is_refused(aead, nonce, pair[0], part);
	ok(taken == 0, "every cut and extension is refused");
	ok(is_refused(other, nonce, pair[0], pair[1]), "another key is refused");
	ok(!is_refused(aead, nonce, pair[0], pair[1]), "and it still opens unchanged");
	op_aead_free(aead);
	op_aead_free(other);
}

/* ---------- HMAC: RFC 4231 ---------- */

static const struct
{
	const char *what;
	const char *key;
	const char *data;
	const char *digest;
} hmac_vectors[] = {
	{"case 1", "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
	 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{"case 2", "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{"case 3", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	 "dddddddddddddddddddddddddddddddddddddddddddddddddd"
	 "dddddddddddddddddddddddddddddddddddddddddddddddddd",
	 "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
	{"case 4", "0102030405060708090a0b0c0d0e0f10111213141516171819",
	 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
	 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
	 "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
	{"empty key and text", "", "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
};

static void
check_hmac(const char *what, OpBytes key, OpBytes data, const char *expected)
{
	uint8	digest[OP_DIGEST_SIZE];
	OpHmac *hmac = op_hmac_new(key);

	ok(op_hmac_sha256(key, data, digest) && is_hex(digest, sizeof(digest), expected), "HMAC, %s, once", what);
	for (int i = 0; i < 2; i++)
	{
		ok(op_hmac(hmac, data, digest) && is_hex(digest, sizeof(digest), expected), "HMAC, %s, key kept", what);
		/* another text between */
		op_hmac(hmac, text("between"), digest);
	}
	op_hmac_free(hmac);
}

static void
test_hmac(void)
{
	uint8	large[131];
	OpBytes key = {large, sizeof(large)};

	memset(large, 0xaa, sizeof(large));
	for (size_t i = 0; i < lengthof(hmac_vectors); i++)
	{
		uint8	key_bytes[MAX_VECTOR];
		uint8	data[MAX_VECTOR];
		OpBytes k = {key_bytes, unhex(hmac_vectors[i].key, key_bytes)};
		OpBytes d = {data, unhex(hmac_vectors[i].data, data)};

		check_hmac(hmac_vectors[i].what, k, d, hmac_vectors[i].digest);
	}
	check_hmac("case 6", key, text("Test Using Larger Than Block-Size Key - Hash Key First"),
			   "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	check_hmac("case 7", key,
			   text("This is a test using a larger than block-size key and a larger than block-size data. "
					"The key needs to be hashed before being used by the HMAC algorithm."),
			   "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
	check_hmac("nothing where no bytes are", none, none,
			   "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* ---------- HKDF: RFC 5869 ---------- */

/* The first block, from HMAC alone: the vectors of RFC 5869 have keys of other sizes. */
static void
hkdf_by_hmac(OpBytes key, const char *info, uint8 derived[OP_KEY_SIZE])
{
	uint8  zeros[OP_DIGEST_SIZE] = {0};
	uint8  extracted[OP_DIGEST_SIZE];
	uint8  block[MAX_VECTOR];
	size_t size = strlen(info);

	op_hmac_sha256((OpBytes){zeros, sizeof(zeros)}, key, extracted);
	memcpy(block, info, size);
	block[size] = 1;
	op_hmac_sha256((OpBytes){extracted, sizeof(extracted)}, (OpBytes){block, size + 1}, derived);
}

static void
test_hkdf(void)
{
	static const char *const infos[] = {"", "x", "order_payment/v1/number",
										"a purpose that is longer than a block of SHA-256, which has 64 bytes, and than two of its digests"};
	uint8					 key[OP_KEY_SIZE];
	uint8					 derived[OP_KEY_SIZE];
	uint8					 expected[OP_KEY_SIZE];

	memset(key, 0x0b, sizeof(key));
	hkdf_by_hmac((OpBytes){key, 22}, "", derived);
	ok(is_hex(derived, sizeof(derived), "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"),
	   "HKDF by HMAC, RFC 5869 case 3");
	for (size_t i = 0; i < lengthof(infos); i++)
	{
		hkdf_by_hmac((OpBytes){key, sizeof(key)}, infos[i], expected);
		ok(op_hkdf_sha256(key, infos[i], derived) && memcmp(derived, expected, sizeof(expected)) == 0,
		   "HKDF is HKDF by HMAC, %zu bytes of info", strlen(infos[i]));
	}
	for (int i = 0; i < OP_KEY_SIZE; i++)
		key[i] = (uint8) i;
	ok(op_hkdf_sha256(key, "order_payment/v1/test", derived) &&
		   is_hex(derived, sizeof(derived), "030bb22a4a939d241ef1a793b7a3ad0e222b7e47185ec441430b1b6f3f715084"),
	   "HKDF, as another program derives it");
}

/* ---------- scrypt: RFC 7914 ---------- */

static void
test_scrypt(bool soak)
{
	static const struct
	{
		const char	*secret;
		const char	*salt;
		OpScryptCost cost;
		const char	*derived;
	} vectors[] = {
		{"", "", {4, 1, 1}, "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"},
		{"password", "NaCl", {10, 8, 16}, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"},
		{"pleaseletmein", "SodiumChloride", {14, 8, 1}, "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"},
		/* not of the RFC: more memory than OpenSSL allows unless it is told */
		{"secret", "salt", {15, 8, 2}, "d0b298f6f6f2d451238746c6ee282a48a5920837f4aeafb5ca1266db78c164c1"},
		/* takes 1 GB, so only where there is time */
		{"pleaseletmein", "SodiumChloride", {20, 8, 1}, "2101cb9b6a511aaeaddbbe09cf70f881ec568d574a2ffd4dabe5ee9820adaa47"},
	};
	/* the last is beyond what RFC 7914 defines */
	static const OpScryptCost refused[] = {
		{0, 8, 1},
		{-1, 8, 1},
		{31, 1, 1},
		{64, 8, 1},
		{14, 0, 1},
		{14, -8, 1},
		{14, 8, 0},
		{14, 8, -1},
		{14, 1 << 30, 1},
		{14, 8, 1 << 30},
		{21, 8, 1},
		{16, 1, 1}};
	uint8 derived[OP_KEY_SIZE];

	for (size_t i = 0; i < lengthof(vectors) - !soak; i++)
		ok(op_scrypt(text(vectors[i].secret), text(vectors[i].salt), vectors[i].cost, derived) &&
			   is_hex(derived, sizeof(derived), vectors[i].derived),
		   "scrypt, 2^%d", vectors[i].cost.log2_n);
	for (size_t i = 0; i < lengthof(refused); i++)
	{
		memset(derived, FILL, sizeof(derived));
		ok(!op_scrypt(text("secret"), text("salt"), refused[i], derived) && all_are(derived, sizeof(derived), 0),
		   "scrypt of cost %d, %d, %d is refused", refused[i].log2_n, refused[i].r, refused[i].p);
	}
}

/* ---------- digests: FIPS 180-4, RFC 1321 ---------- */

static void
test_digests(void)
{
	static const struct
	{
		const char *data;
		const char *sha256;
		const char *md5;
	} vectors[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "d41d8cd98f00b204e9800998ecf8427e"},
		{"a", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", "0cc175b9c0f1b6a831c399e269772661"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "900150983cd24fb0d6963f7d28e17f72"},
		{"message digest", "f7846f55cf23e14eebeab5b4e1550cad5b509e3348fbc4efa3a1413d393cb650", "f96b697d7cb7938d525a2f31aaf161d0"},
		{"abcdefghijklmnopqrstuvwxyz", "71c480df93d6ae2f1efad1447c66c9525e316218cf51fc8d9ed832f2daf18b73", "c3fcd3d76192e4007dfb496cca67e13b"},
		{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
		 "db4bfcbd4da0cd85a60c3c37d3fbd8805c77f15fc6b1fdfe614ee0a7c8fdb4c0", "d174ab98d277d9f5a5611c2c9f419d9f"},
		{"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
		 "f371bc4a311f2b009eef952dd83ca80e2b60026c8e935592d0f9c308453c813e", "57edf4a22be3c955ac49da2e2107b67a"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1", "8215ef0796a20bcaaae116d3876c664a"},
	};
	uint8 digest[OP_DIGEST_SIZE];

	for (size_t i = 0; i < lengthof(vectors); i++)
	{
		ok(op_sha256(text(vectors[i].data), digest) && is_hex(digest, OP_DIGEST_SIZE, vectors[i].sha256),
		   "SHA-256 of %zu bytes", strlen(vectors[i].data));
		ok(op_md5(text(vectors[i].data), digest) && is_hex(digest, OP_MD5_SIZE, vectors[i].md5),
		   "MD5 of %zu bytes", strlen(vectors[i].data));
	}
	ok(op_sha256(none, digest) && is_hex(digest, OP_DIGEST_SIZE, vectors[0].sha256), "SHA-256 where no bytes are");
}

/* ---------- base64url: RFC 4648 ---------- */

/* Decodes into exact room and encodes again: whether the text was taken and is the same. */
static bool
is_taken(const char *chars, size_t length, bool *same)
{
	size_t size = length * 3 / 4;
	uint8 *bytes = room(size);
	char   again[MAX_VECTOR];
	bool   taken = op_base64url_decode(chars, length, bytes, &size);

	*same = true;
	if (taken)
	{
		op_base64url_encode((OpBytes){bytes, size}, again);
		*same = OP_BASE64URL_SIZE(size) == length && memcmp(again, chars, length) == 0;
	}
	else
		*same = size == 0;
	free(bytes);
	return taken;
}

/* All strings of two bytes, and all of three of which the first is in the alphabet. */
static void
test_base64url_exhaustively(void)
{
	long taken[2] = {0, 0};
	int	 wrong = 0;
	bool same;

	for (int i = 0; i < 256 * 256; i++)
	{
		const char chars[3] = {(char) (i >> 8), (char) i, 'A'};
		const char three[3] = {'A', (char) (i >> 8), (char) i};

		taken[0] += is_taken(chars, 2, &same);
		wrong += !same;
		taken[1] += is_taken(three, 3, &same);
		wrong += !same;
	}
	ok(wrong == 0, "base64url takes only what it would have written");
	ok(taken[0] == 256, "base64url of two characters: 256 texts");
	ok(taken[1] == 64 * 16, "base64url of A and two characters: 1024 texts");
}

/* Every pair of bytes as the text of one byte: 22 digits, so 22 * 22 texts are taken. */
static void
test_hex(void)
{
	uint8 bytes[3];
	long  taken = 0;
	int	  wrong = 0;

	for (int i = 0; i < 256 * 256; i++)
	{
		const char chars[3] = {(char) (i >> 8), (char) i, 'A'};
		unsigned   value = 0;
		bool	   good = isxdigit(i >> 8) && isxdigit(i & 255);

		bytes[0] = 0xA5;
		if (good)
			sscanf((const char[]){chars[0], chars[1], 0}, "%x", &value);
		wrong += op_hex_decode(chars, 2, bytes, 1) != good || bytes[0] != value;
		taken += good;
	}
	ok(wrong == 0 && taken == 22 * 22, "hexadecimal takes digits alone, and leaves zeros else");
	ok(op_hex_decode("00fFa9", 6, bytes, 3) && memcmp(bytes, "\x00\xff\xa9", 3) == 0,
	   "hexadecimal of three bytes");
	ok(!op_hex_decode("00fFa", 5, bytes, 3) && !op_hex_decode("00fFa9", 6, bytes, 2) &&
		   bytes[0] == 0,
	   "hexadecimal of another size is refused");
}

static void
test_base64url(void)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"f", "Zg"},
		{"fo", "Zm8"},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg"},
		{"fooba", "Zm9vYmE"},
		{"foobar", "Zm9vYmFy"},
		{"\xfb\xff\xfe", "-__-"}};
	static const char *const refused[] = {
		"A", "Zm9vY", "Zg==", "Zg=", "Zm8=", "+__-", "-//-", "Zm9v\n", "\nZm9v", "Zm 9v", " Zm9v", "Zm9vZh", "Zm9vZm9", "Zm9\xc3"};
	uint8  bytes[MAX_VECTOR];
	char   chars[MAX_VECTOR];
	bool   same;
	int	   wrong = 0;
	size_t size;

	for (size_t i = 0; i < lengthof(pairs); i++)
	{
		OpBytes plain = text(pairs[i][0]);

		size = plain.size;
		op_base64url_encode(plain, chars);
		ok(OP_BASE64URL_SIZE(plain.size) == strlen(pairs[i][1]) && memcmp(chars, pairs[i][1], strlen(pairs[i][1])) == 0 &&
			   op_base64url_decode(chars, strlen(pairs[i][1]), bytes, &size) && size == plain.size &&
			   memcmp(bytes, plain.data, size) == 0,
		   "base64url, \"%s\"", pairs[i][1]);
	}
	for (size_t i = 0; i < lengthof(refused); i++)
		wrong += is_taken(refused[i], strlen(refused[i]), &same) || !same;
	wrong += is_taken("Zm9\0", 4, &same) || !same;
	ok(wrong == 0, "base64url refuses padding, blanks, other alphabets and bits left over");

	for (size = 0; size < 100; size++)
	{
		size_t got = size;
		uint8  drawn[100];

		op_random(drawn, size);
		op_base64url_encode((OpBytes){drawn, size}, chars);
		wrong += !op_base64url_decode(chars, OP_BASE64URL_SIZE(size), bytes, &got) || got != size ||
				 memcmp(bytes, drawn, size) != 0;
		if (size == 0)
			continue;
		memset(bytes, FILL, sizeof(bytes));
		got = size - 1;
		wrong += op_base64url_decode(chars, OP_BASE64URL_SIZE(size), bytes, &got) || got != 0 || bytes[size - 1] != FILL;
	}
	ok(wrong == 0, "base64url there and back, and refused if there is no room");
	test_base64url_exhaustively();
	test_hex();
}

/* ---------- base64: RFC 4648, with padding ---------- */

static bool
is_base64(const char *chars, size_t length)
{
	size_t size = length;
	uint8 *bytes = room(size);
	char   again[MAX_VECTOR];
	bool   taken = op_base64_decode(chars, length, bytes, &size);

	if (taken)
	{
		op_base64_encode((OpBytes){bytes, size}, again);
		taken = OP_BASE64_SIZE(size) == length && memcmp(again, chars, length) == 0;
		ok(taken, "base64 of \"%.*s\" is written as it was read", (int) length, chars);
	}
	free(bytes);
	return taken;
}

/* Every other character in each place of a signature: none but the text itself says the same. */
static int
count_synonyms(const uint8 *bytes, size_t size)
{
	char  text[MAX_VECTOR];
	uint8 got[MAX_VECTOR];
	int	  found = 0;

	op_base64_encode((OpBytes){bytes, size}, text);
	for (size_t i = 0; i < OP_BASE64_SIZE(size); i++)
	{
		char kept = text[i];

		for (int c = 0; c < 256; c++)
		{
			size_t got_size = sizeof(got);

			text[i] = (char) c;
			found += (char) c != kept && op_base64_decode(text, OP_BASE64_SIZE(size), got, &got_size) &&
					 got_size == size && memcmp(got, bytes, size) == 0;
		}
		text[i] = kept;
	}
	return found;
}

static void
test_base64(void)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
		{"\xfb\xff\xfe", "+//+"}};
	static const char *const refused[] = {
		"A", "Zg", "Zg=", "Zm8", "Zm9", "=", "==", "===", "====", "Z===", "Zg===", "Zg====", "Zm9v====", "Zg==Zg==", "Z=g=", "=Zg=", "Zh==", "Zm9=", "-__-", "-//+",
		"Zm9v\n", "\nZm9", "Zm 9", "Zg= ", "Zg=\n", "Zm9\xc3", "Zm9vYg=", "Zm9vYg"};
	uint8  drawn[64];
	uint8  bytes[MAX_VECTOR];
	char   chars[MAX_VECTOR];
	int	   wrong = 0;
	int	   synonyms = 0;
	size_t size;

	for (size_t i = 0; i < lengthof(pairs); i++)
	{
		OpBytes plain = text(pairs[i][0]);

		size = plain.size;
		op_base64_encode(plain, chars);
		ok(OP_BASE64_SIZE(plain.size) == strlen(pairs[i][1]) && memcmp(chars, pairs[i][1], strlen(pairs[i][1])) == 0 &&
			   op_base64_decode(chars, strlen(pairs[i][1]), bytes, &size) && size == plain.size &&
			   memcmp(bytes, plain.data, size) == 0,
		   "base64, \"%s\"", pairs[i][1]);
	}
	for (size_t i = 0; i < lengthof(refused); i++)
		wrong += is_base64(refused[i], strlen(refused[i]));
	wrong += is_base64("Zm9\0", 4);
	ok(wrong == 0, "base64 refuses blanks, other alphabets, bits left over, and padding but where it is to be");

	for (size = 1; size <= sizeof(drawn); size++)
	{
		size_t got = size - 1;

		op_random(drawn, size);
		op_base64_encode((OpBytes){drawn, size}, chars);
		memset(bytes, FILL, sizeof(bytes));
		wrong += op_base64_decode(chars, OP_BASE64_SIZE(size), bytes, &got) || got != 0 || bytes[size - 1] != FILL;
		got = size;
		wrong += !op_base64_decode(chars, OP_BASE64_SIZE(size), bytes, &got) || got != size || memcmp(bytes, drawn, size) != 0;
		synonyms += count_synonyms(drawn, size);
	}
	ok(wrong == 0, "base64 there and back, and refused if there is no room");
	ok(synonyms == 0, "no other text is base64 of the same bytes");
}

/* ---------- memory ---------- */

/* All of it once, with secrets that are watched. */
static void
use_secrets(const uint8 *key, OpBytes plain)
{
	uint8	sealed[MAX_VECTOR];
	uint8	opened[MAX_VECTOR];
	uint8	derived[OP_KEY_SIZE];
	OpBytes secret = {key, OP_KEY_SIZE};
	OpBytes whole = {sealed, plain.size + OP_TAG_SIZE};
	OpAead *aead = op_aead_new(key);
	OpHmac *hmac = op_hmac_new(secret);

	op_aead_seal(aead, xaes_nonce, none, plain, sealed);
	op_aead_open(aead, xaes_nonce, none, whole, opened);
	sealed[0] ^= 1;
	op_aead_open(aead, xaes_nonce, none, whole, opened);
	op_gcm_seal(key, xaes_nonce, none, plain, sealed);
	op_gcm_open(key, xaes_nonce, none, whole, opened);
	op_hmac(hmac, plain, derived);
	op_hmac_sha256(secret, plain, derived);
	op_hmac_sha256(secret, secret, derived);
	op_hkdf_sha256(key, "purpose", derived);
	op_sha256(secret, derived);
	op_scrypt(secret, text("salt"), (OpScryptCost){4, 8, 1}, derived);
	op_scrypt(plain, text("salt"), (OpScryptCost){4, 8, 1}, derived);
	op_aead_free(aead);
	op_hmac_free(hmac);
}

static void
test_memory(void)
{
	uint8	key[OP_KEY_SIZE];
	uint8	k1[16];
	uint8	kx[OP_KEY_SIZE];
	uint8	derived[OP_KEY_SIZE];
	OpBytes plain = text("4111111111111111 is a number that must not stay");
	long	before;
	uint8  *block;

	memset(key, 1, sizeof(key));
	unhex("c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b", kx);
	unhex("e531954aca063d5b8d9c47a47d4cc6f0", k1);
	op_hkdf_sha256(key, "purpose", derived);
	use_secrets(key, plain); /* what is kept for the process is made */
	before = live_blocks();
	watch(key, sizeof(key));
	watch(k1, sizeof(k1));
	watch(kx, sizeof(kx));
	watch(plain.data, 16);
	watch(derived, sizeof(derived));
	for (int i = 0; i < 10; i++)
		use_secrets(key, plain);
	ok(left_in_freed() == 0, "no key and no plaintext is left in freed memory");
	ok(live_blocks() == before, "all memory is freed but what is kept for the process");

	block = OPENSSL_malloc(MAX_VECTOR);
	memcpy(block + 5, kx, sizeof(kx));
	OPENSSL_free(block);
	ok(left_in_freed() == 1, "a key left in freed memory would have been noticed");
	forget_watched();
}

/* ---------- comparing, forgetting ---------- */

static void
test_bytes(void)
{
	uint8 a[40];
	uint8 b[40];
	int	  wrong = 0;

	memset(a, 5, sizeof(a));
	memset(b, 5, sizeof(b));
	ok(op_equal(a, b, sizeof(a)), "equal bytes are equal");
	for (size_t bit = 0; bit < 8 * sizeof(a); bit++)
	{
		b[bit / 8] ^= (uint8) (1 << bit % 8);
		wrong += op_equal(a, b, sizeof(a));
		b[bit / 8] ^= (uint8) (1 << bit % 8);
	}
	ok(wrong == 0, "bytes that differ in one bit are not");
	ok(op_equal(a, b, 0), "and no bytes are");
	op_cleanse(a, sizeof(a) - 1);
	ok(all_are(a, sizeof(a) - 1, 0) && a[sizeof(a) - 1] == 5, "cleansing overwrites so many bytes");
}

void
test_symmetric(bool soak)
{
	test_gcm();
	test_xaes_vector(1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271");
	test_xaes_vector(3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d");
	test_xaes_accumulated(10000, "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
	if (soak)
		test_xaes_accumulated(1000000, "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15");
	test_xaes_refusals(0);
	test_xaes_refusals(1);
	test_xaes_refusals(16);
	test_xaes_refusals(20);
	test_xaes_refusals(64);
	test_hmac();
	test_hkdf();
	test_scrypt(soak);
	test_digests();
	test_base64url();
	test_base64();
	test_bytes();
	test_memory();
}
