/*
 * rsa.c
 *	  RSA: figures that a program without OpenSSL computed, what OpenSSL's own
 *	  functions make and read, and refusal of all else.
 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#define BITS	 2048
#define SIZE	 (BITS / 8)
#define MAX_OAEP (SIZE - 2 * OP_DIGEST_SIZE - 2)
#define MAX_TEXT 8192
#define PART	 24 /* of a number, to look for */

/*
 * A key of this test alone. By integer arithmetic in another language: the number
 * below sealed for it with the label and without, and a signature of "a message".
 */
static const char private_key_hex[] =
	"308204be020100300d06092a864886f70d0101010500048204a8308204a40201000282010100b07a4fb57078"
	"1bd1c623152f3a0f6d62133b837c7eab56312eeac409567b6649ce79a7f90f81c39d86e9a664e1c92714080c"
	"aaa1b90b285dd9d5d517c583217a805f39fe74763c979e3b019f530482cf8c94a9ed2bbbd9834c068e72e217"
	"145bf26e5db4ae1f22cfd0d4d559c45247c5adbd38f7c3bf4596fa4089b17726fee1d440e2b9519a37fbb67a"
	"388ad192122a454afee2c31016a20a0aaf114cb85a1d413023f4cf417a48786301b6ccf347b8c66fe290fdd1"
	"5e346c72c5f47aef5aca6e65fb49a60a7121256aada841de290d9a0694e6d04d4ce9add0c7d4b3d50fb34acb"
	"b5300977fb4719b54ef179a1f3523dce8e30fd517f400989585a5e43d0e502030100010282010033836064fb"
	"f1735d6652b34a57ce4d0585cba773dd9db1c92582cdba540e2d2b7a23b4ce54a2723137425899b5f67b7bb3"
	"65cf20e9dcc1e9b33e61b750a6184da3cf28248866430596e06e76cd4ad1cc37a2e57f1f76f3e5097a18769c"
	"5c544b0a9700af4eec33c3299816b6df418d45bc93315fd139b1dc822bf8855edc7925820e6795a1ba4520ea"
	"a603b2d1fb8f551853c7371b85f4387a2efcfaf9a76adaddff9f7e55d7fc485bbfefec57b8f66b1cca727fbc"
	"dcaf021e2022f1c75a0170f2a668632b9531e0b54c254af4de56a01d6713281ad66fd6c75c1904a33af37f18"
	"71270ab5cc4f9c52d5959e4ed405423b00818a41e456754a21fa6e304b50b902818100defd79a704926d7e1d"
	"44814536efd3af17eed01f639b22b801207a005775f638ba380b714696651328ba1b553f990e611928506a3e"
	"88985cdba1acfcdc53d951757f77d6aaa303c73d1f853b373b56dd17332ab16ad9207085471d71cfccd05451"
	"4e4aad1bb19d1cdd8637413f86622fa202cbc190beac6287fadec8c5ebec0b02818100ca9a2f572cac7c973d"
	"d9db3b5b8b9c55a884780effae1fe8aa18a789937520df07752bfface042ff4ced04f12c807eb6e34bb3bcee"
	"1001f19e6fb702e222f2f0b000d5ea59d9a32ce6a64842b9a14d611677dfa93b66618ea927ad36a568cd9f51"
	"0f277ee04c7dcab521ffaeab2ea60fbc7df2d77004a5b80e1420c342845ccf028181008151b0d66a715cec71"
	"9ec3f556f9d8e2c75768fd7b2f8200022f4a719e473be7041ff28adbebe66c29075d48a01c6c5965549ae632"
	"a3d6f0ab32e4f6b3f430a8ec2263666c0923eccd06d5a654cea5fe8c30d14698f798b788a38870f3990d0c89"
	"26856a451049546f28222d45e0f25a3b73b1a4ed0397478122bd46e47980a70281810080a4a83c950c2ccc27"
	"a4c614898b3b48148990660da8f56fd959703fe5d67079cd15744b92ec8efde64d755ee19ff155953b83340a"
	"81358ac2cc328b6d253dd6e01a97b98735aeeb9ac4a88b5dacf3221b8f200027cc5953a94a9d2c5e990e3f03"
	"cc388ad2471f746fd0d7b583d249f521fd630db27df0efce58af78ec2a7977028180521ec856e2fa5c7ff0d8"
	"19045e8b02ddc7d9e366271ccf042859ca259c2676e72577ba18f47931f8077c6d5e312dca27b6d359a584e1"
	"2ce120a02290dede7491c0c1d43b101da82f5f135cd25c8f1ba477ce4adf901667a68f6ff2ee5405601e9bec"
	"f1c3103861d18130d8b50547ff09f227ca62ebf9ce1ab8475ae7c7b93cbf";

static const char oaep_hex[] =
	"1547bccb9f245bb2fd49e3067a3e09aaedf80f3d98eff107d0501fc37fd0b0270d0b75b86e7120cc96ce7b4e"
	"1dfc253d8963ce185069dc242179d084b6bc8821ebada1130c760f18679d56fd554b5c2cba3ec4adcf0a24c1"
	"145439c264400393dd076d7fd636ecea5688375ffd0c94da7844bcda63192c57d41a35dbc432db7adc8fd8a7"
	"5ea468504af9db7e563e3398ef656ca3cfa938de59ef539d3458a390a59410f19b5f687ef7962f7a3b1efb27"
	"c7b3c3d584e3466b2c305ba7c0dd4200e072ab8f3b3ddcacaec45a6644e1503a583383008be1aa75ac6328d1"
	"0ba1e7536d4939a652a8c56b1473085a00f9040a8fd408c4f834a7f3258742ce840026a5";

static const char oaep_no_label_hex[] =
	"853c211f65711052ed43ca9cea4eb05ca87d0b1fd070a1b8f0e04bc54813dc33246116e5de2cccc08630c492"
	"01b4f5f18b1a6f1767c9ca2802ff7e97a2af67d27337749bc2500234fb9b44ce576fdad30ad3dd7ece0b0ecd"
	"e514d8190f57429c9a81564c562e807a9cc4207bb49421693993c982883611300758c7e5adf830dc9ca8bb24"
	"eea5b9f06a2d541f7a5bc230de06750dc408d39eb863bb678a5aa3d5472802e7883b13476c21c46301199e66"
	"3ab995bab96261067442ec5ea7492c34262d5f6115710ca5b689a4a4f6ebb73d36bc05f9e3a2320ac48af64c"
	"99da43b133da47ed30c5742cc16119902f7e9bf36588fabb7172ea1a791ac412c28bb814";

static const char signature_hex[] =
	"59872dac984b65e7911eb96f27037d7c51dc56f6340d807b9f277cc1ba23caef3bd0aaa208d968e772cda021"
	"0e8164782e16b1b3589810368a8aea71309c2be41b0d2f8badeb457d9d464169212d66c10c5a8d99280eb584"
	"a71a2b48bfb2b50ec28ada146eead5ba7dbe2820e6f9edc08aa107191317092a4dcec01c9b5b9d2b9b386a77"
	"9b4951ce4afeca8429176dfb88d31dab668ce1dfafeced4c52089226ee74b5289c0957ecac20e7ef4cdd8856"
	"e9340acb114d8d843e3bbc2a8ef2f43141cb3ab4067d94047de7b7eeecff977869f8631f9da86e61b704c0d2"
	"a31b61902f64ceb75675049148c9836a8c6879dd1a12804b134f3e43af1d8fe57537fe66";

static const OpBytes none = {NULL, 0};
static const char	 number[] = "4111111111111111";
static const char	 label[] = "order_payment/test";

static uint8   private_der[OP_RSA_MAX_DER];
static uint8   public_der[OP_RSA_MAX_DER];
static OpBytes private_bytes;
static OpBytes public_bytes;
static OpRsa  *private_key;
static OpRsa  *public_key;

static bool
is_refused(OpRsa *rsa)
{
	op_rsa_free(rsa);
	return rsa == NULL;
}

/* ---------- OpenSSL's own functions ---------- */

static EVP_PKEY *
openssl_public(void)
{
	const uint8 *next = public_bytes.data;
	EVP_PKEY	*key = d2i_PUBKEY(NULL, &next, (long) public_bytes.size);

	ERR_clear_error();
	return key;
}

static EVP_PKEY *
openssl_private(void)
{
	const uint8 *next = private_bytes.data;
	EVP_PKEY	*key = d2i_AutoPrivateKey(NULL, &next, (long) private_bytes.size);

	ERR_clear_error();
	return key;
}

static void
set_oaep(EVP_PKEY_CTX *context, const EVP_MD *digest, const EVP_MD *mask, const char *with_label)
{
	EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING);
	EVP_PKEY_CTX_set_rsa_oaep_md(context, digest);
	EVP_PKEY_CTX_set_rsa_mgf1_md(context, mask);
	if (with_label != NULL)
		EVP_PKEY_CTX_set0_rsa_oaep_label(context, OPENSSL_strdup(with_label), (int) strlen(with_label));
}

/* the number, sealed; with PKCS #1 v1.5 padding if no digest is given */
static void
openssl_seal(const EVP_MD *digest, const EVP_MD *mask, const char *with_label, uint8 sealed[SIZE])
{
	EVP_PKEY	 *key = openssl_public();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	size_t		  size = SIZE;

	EVP_PKEY_encrypt_init(context);
	if (digest != NULL)
		set_oaep(context, digest, mask, with_label);
	else
		EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING);
	if (EVP_PKEY_encrypt(context, sealed, &size, (const uint8 *) number, strlen(number)) != 1 || size != SIZE)
		abort();
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(key);
	ERR_clear_error();
}

static bool
openssl_opens(const uint8 sealed[SIZE], const char *with_label)
{
	EVP_PKEY	 *key = openssl_private();
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	uint8		  plain[SIZE];
	size_t		  size = SIZE;
	bool		  good;

	EVP_PKEY_decrypt_init(context);
	set_oaep(context, EVP_sha256(), EVP_sha256(), with_label);
	good = EVP_PKEY_decrypt(context, plain, &size, sealed, SIZE) == 1 && size == strlen(number) &&
		   memcmp(plain, number, size) == 0;
	EVP_PKEY_CTX_free(context);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return good;
}

static void
openssl_sign(const EVP_MD *digest, int padding, const char *data, uint8 signature[SIZE])
{
	EVP_PKEY	 *key = openssl_private();
	EVP_MD_CTX	 *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *settings;
	size_t		  size = SIZE;

	EVP_DigestSignInit(context, &settings, digest, NULL, key);
	EVP_PKEY_CTX_set_rsa_padding(settings, padding);
	if (EVP_DigestSign(context, signature, &size, (const uint8 *) data, strlen(data)) != 1 || size != SIZE)
		abort();
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	ERR_clear_error();
}

/* SubjectPublicKeyInfo of any numbers, sound or not */
static OpBytes
openssl_encoded(const BIGNUM *modulus, unsigned long exponent, uint8 *der)
{
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX   *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM		   *e = BN_new();
	OSSL_PARAM	   *params;
	EVP_PKEY	   *key = NULL;
	uint8		   *next = der;
	OpBytes			encoded = {der, 0};

	BN_set_word(e, exponent);
	OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus);
	OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e);
	params = OSSL_PARAM_BLD_to_param(builder);
	if (EVP_PKEY_fromdata_init(context) != 1 || EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		abort();
	encoded.size = (size_t) i2d_PUBKEY(key, &next);
	EVP_PKEY_free(key);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(builder);
	EVP_PKEY_CTX_free(context);
	BN_free(e);
	ERR_clear_error();
	return encoded;
}

static EVP_PKEY *
pss_key(void)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	EVP_PKEY	 *key = NULL;

	EVP_PKEY_keygen_init(context);
	EVP_PKEY_CTX_set_rsa_keygen_bits(context, BITS);
	if (EVP_PKEY_generate(context, &key) != 1)
		abort();
	EVP_PKEY_CTX_free(context);
	return key;
}

/* PKCS #8 and SubjectPublicKeyInfo of a fresh key of any kind */
static void
openssl_made(EVP_PKEY *key, OpBytes *as_private, OpBytes *as_public, uint8 *buffers)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	uint8				*next = buffers;

	as_private->data = next;
	as_private->size = (size_t) i2d_PKCS8_PRIV_KEY_INFO(info, &next);
	as_public->data = next;
	as_public->size = (size_t) i2d_PUBKEY(key, &next);
	PKCS8_PRIV_KEY_INFO_free(info);
	EVP_PKEY_free(key);
	ERR_clear_error();
}

/* ---------- keys ---------- */

static void
test_key(void)
{
	uint8  der[OP_RSA_MAX_DER];
	uint8  part[OP_RSA_MAX_SIZE];
	size_t size = sizeof(der);
	OpRsa *again;

	private_bytes = (OpBytes){private_der, unhex(private_key_hex, private_der)};
	private_key = op_rsa_private_key(private_bytes);
	ok(private_key != NULL && op_rsa_bits(private_key) == BITS, "a private key is read");
	ok(op_rsa_private_der(private_key, der, &size) && size == private_bytes.size && memcmp(der, private_der, size) == 0,
	   "and written as it was");

	public_bytes = (OpBytes){public_der, sizeof(public_der)};
	ok(op_rsa_public_der(private_key, public_der, &public_bytes.size) && public_bytes.size == 294, "its public part is written");
	public_key = op_rsa_public_key(public_bytes);
	ok(public_key != NULL && op_rsa_bits(public_key) == BITS, "and read");
	size = sizeof(der);
	ok(op_rsa_public_der(public_key, der, &size) && size == public_bytes.size && memcmp(der, public_der, size) == 0,
	   "and written as it was");
	size = sizeof(der);
	memset(der, FILL, sizeof(der));
	ok(!op_rsa_private_der(public_key, der, &size) && size == 0 && all_are(der, sizeof(der), 0), "a public key has no private part");
	for (size_t i = 0; i < public_bytes.size; i += public_bytes.size - 1)
	{
		size = i;
		memset(der, FILL, sizeof(der));
		ok(!op_rsa_public_der(public_key, der, &size) && size == 0 && all_are(der, i, 0) && der[i] == FILL,
		   "and %zu bytes are no room for it", i);
	}

	size = sizeof(part);
	ok(op_rsa_modulus(public_key, part, &size) && size == SIZE && memmem(public_der, public_bytes.size, part, size) != NULL,
	   "modulus");
	size = SIZE - 1;
	ok(!op_rsa_modulus(public_key, part, &size) && size == 0, "modulus, too large for the room");
	size = sizeof(part);
	ok(op_rsa_exponent(public_key, part, &size) && is_hex(part, size, "010001"), "exponent");

	again = op_rsa_generate(BITS);
	size = sizeof(der);
	ok(again != NULL && op_rsa_bits(again) == BITS && op_rsa_private_der(again, der, &size), "a key is made");
	op_rsa_free(again);
	again = op_rsa_private_key((OpBytes){der, size});
	ok(again != NULL && size < OP_RSA_MAX_DER && memcmp(der, private_der, size) != 0, "and is another one");
	op_rsa_free(again);
	ok(is_refused(op_rsa_generate(BITS - 1)) && is_refused(op_rsa_generate(OP_RSA_MAX_BITS + 1)) &&
		   is_refused(op_rsa_generate(0)) && is_refused(op_rsa_generate(-BITS)),
	   "keys of other sizes are not made");
}

/* All cuts, an extension, and the other kind of key, on exact room. */
static int
count_wrong(OpBytes der, OpRsa *(*read)(OpBytes der))
{
	int wrong = 0;

	for (size_t size = 0; size < der.size + 2; size++)
	{
		uint8 *copy = room(size);

		if (size > 0)
			memcpy(copy, der.data, size < der.size ? size : der.size);
		wrong += size != der.size && !is_refused(read((OpBytes){copy, size}));
		free(copy);
	}
	return wrong;
}

/* PKCS #8 with the key inside changed: one byte of it, and its size */
static bool
is_refused_inside(EVP_PKEY *key, int place, uint8 change, int longer)
{
	PKCS8_PRIV_KEY_INFO *info = PKCS8_PRIV_KEY_INFO_new();
	uint8				 der[OP_RSA_MAX_DER];
	uint8				*inside = OPENSSL_zalloc(OP_RSA_MAX_DER);
	uint8				*next = inside;
	int					 size = i2d_PrivateKey(key, &next);

	inside[place] ^= change;
	PKCS8_pkey_set0(info, OBJ_nid2obj(NID_rsaEncryption), 0, V_ASN1_NULL, NULL, inside, size + longer);
	next = der;
	size = i2d_PKCS8_PRIV_KEY_INFO(info, &next);
	PKCS8_PRIV_KEY_INFO_free(info);
	ERR_clear_error();
	return size > 0 && is_refused(op_rsa_private_key((OpBytes){der, (size_t) size}));
}

static void
test_other_keys(void)
{
	uint8				 buffers[2 * OP_RSA_MAX_DER];
	OpBytes				 as_private;
	OpBytes				 as_public;
	EVP_PKEY			*key = openssl_private();
	uint8				*next = buffers;
	X509_SIG			*encrypted = NULL;
	int					 size = i2d_PrivateKey(key, &next);
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);

	ERR_clear_error();
	ok(count_wrong(private_bytes, op_rsa_private_key) == 0, "every cut and extension of a private key is refused");
	ok(count_wrong(public_bytes, op_rsa_public_key) == 0, "and of a public one");
	ok(is_refused(op_rsa_private_key(public_bytes)) && is_refused(op_rsa_public_key(private_bytes)), "one is not read for the other");
	ok(is_refused(op_rsa_private_key((OpBytes){buffers, (size_t) size})), "a private key of PKCS #1 is refused");

	ok(!is_refused_inside(key, 0, 0, 0), "PKCS #8 made of parts is read");
	ok(is_refused_inside(key, 0, 0, 1), "but not with a byte after the key inside");
	ok(is_refused_inside(key, 6, 1, 0), "nor with the version of keys of many primes");

	encrypted = PKCS8_encrypt(-1, EVP_aes_256_cbc(), "password", -1, NULL, 0, 10, info);
	next = buffers;
	size = i2d_X509_SIG(encrypted, &next);
	ERR_clear_error();
	ok(size > 0 && is_refused(op_rsa_private_key((OpBytes){buffers, (size_t) size})), "an encrypted one is refused, and no password asked for");
	X509_SIG_free(encrypted);
	PKCS8_PRIV_KEY_INFO_free(info);
	EVP_PKEY_free(key);

	openssl_made(EVP_EC_gen("P-256"), &as_private, &as_public, buffers);
	ok(is_refused(op_rsa_private_key(as_private)) && is_refused(op_rsa_public_key(as_public)), "a key on a curve is refused");
	openssl_made(EVP_RSA_gen(1024), &as_private, &as_public, buffers);
	ok(is_refused(op_rsa_private_key(as_private)) && is_refused(op_rsa_public_key(as_public)), "a key of 1024 bits is refused");
	openssl_made(pss_key(), &as_private, &as_public, buffers);
	ok(is_refused(op_rsa_private_key(as_private)) && is_refused(op_rsa_public_key(as_public)), "a key for PSS alone is refused");
}

static BIGNUM *
modulus_number(void)
{
	uint8  bytes[SIZE];
	size_t size = sizeof(bytes);

	op_rsa_modulus(public_key, bytes, &size);
	return BN_bin2bn(bytes, (int) size, NULL);
}

/* too long, and nothing else is wrong with it */
static OpBytes
cube_of_modulus(uint8 *der)
{
	BIGNUM *modulus = modulus_number();
	BIGNUM *cube = BN_new();
	BN_CTX *context = BN_CTX_new();
	OpBytes encoded;

	BN_sqr(cube, modulus, context);
	BN_mul(cube, cube, modulus, context);
	encoded = openssl_encoded(cube, 65537, der);
	BN_CTX_free(context);
	BN_free(cube);
	BN_free(modulus);
	return encoded;
}

static void
test_unsound_keys(void)
{
	uint8	der[OP_RSA_MAX_DER];
	BIGNUM *modulus = modulus_number();

	ok(!is_refused(op_rsa_public_key(openssl_encoded(modulus, 65537, der))), "a key made of numbers is read");
	ok(!is_refused(op_rsa_public_key(openssl_encoded(modulus, 3, der))), "with exponent 3 too");
	ok(is_refused(op_rsa_public_key(openssl_encoded(modulus, 1, der))), "with exponent 1 it is refused");
	ok(is_refused(op_rsa_public_key(openssl_encoded(modulus, 65536, der))), "with an even exponent too");
	BN_add_word(modulus, 1);
	ok(is_refused(op_rsa_public_key(openssl_encoded(modulus, 65537, der))), "and with an even modulus");
	BN_free(modulus);

	ok(is_refused(op_rsa_public_key(cube_of_modulus(der))), "and with more than %d bits", OP_RSA_MAX_BITS);
}

/* ---------- PEM ---------- */

static OpRsa *
read_pem(const char *before, const char *pem, const char *after)
{
	char   joined[MAX_TEXT];
	size_t size = (size_t) snprintf(joined, sizeof(joined), "%s%s%s", before, pem, after);
	uint8 *copy = room(size); /* without the zero */
	OpRsa *rsa;

	memcpy(copy, joined, size);
	rsa = op_rsa_public_key_pem((OpBytes){copy, size});
	free(copy);
	return rsa;
}

static void
write_pem(const char *name, const char *header, OpBytes der, char *pem)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int	 size;

	PEM_write_bio(bio, name, header, der.data, (long) der.size);
	size = BIO_read(bio, pem, MAX_TEXT - 1);
	pem[size] = '\0';
	BIO_free(bio);
	ERR_clear_error();
}

static void
test_pem(void)
{
	static const char encrypted[] = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,000102030405060708090A0B0C0D0E0F\n";
	char			  pem[MAX_TEXT];
	char			  other[MAX_TEXT];
	char			 *line;
	size_t			  used = 0;
	uint8			  der[OP_RSA_MAX_DER];
	size_t			  size = sizeof(der);
	OpRsa			 *rsa;

	write_pem("PUBLIC KEY", "", public_bytes, pem);
	rsa = read_pem("", pem, "");
	ok(rsa != NULL && op_rsa_public_der(rsa, der, &size) && size == public_bytes.size && memcmp(der, public_der, size) == 0,
	   "a public key in PEM is read");
	op_rsa_free(rsa);
	ok(!is_refused(read_pem("\n\t ", pem, " \r\n\n")), "with blanks around it too");
	for (line = pem; *line != '\0'; line++)
	{
		if (*line == '\n')
			other[used++] = '\r';
		other[used++] = *line;
	}
	other[used] = '\0';
	ok(!is_refused(read_pem("", other, "")), "with the line ends of others too");
	ok(is_refused(read_pem("x", pem, "")) && is_refused(read_pem("x\n", pem, "")), "text before it is refused");
	ok(is_refused(read_pem("", pem, "x")) && is_refused(read_pem("", pem, pem)), "text after it is refused");
	strcpy(other, pem);
	other[strlen(other) - 30] = '\0';
	ok(is_refused(read_pem("", other, "")), "half of it is refused");
	strcpy(other, pem);
	other[100] = '!';
	ok(is_refused(read_pem("", other, "")), "what is not base64 is refused");
	ok(is_refused(read_pem("", "", "")) && is_refused(read_pem("\n", "", "")), "nothing is refused");
	write_pem("PUBLIC KEY", encrypted, public_bytes, other);
	ok(is_refused(read_pem("", other, "")), "a header of encryption is refused, and no password asked for");
	write_pem("RSA PUBLIC KEY", "", public_bytes, other);
	ok(is_refused(read_pem("", other, "")), "another name is refused");
	write_pem("PRIVATE KEY", "", private_bytes, other);
	ok(is_refused(read_pem("", other, "")), "a private key is refused");
	write_pem("PUBLIC KEY", "", private_bytes, other);
	ok(is_refused(read_pem("", other, "")), "under the name of a public one too");
	ok(is_refused(op_rsa_public_key_pem(public_bytes)), "DER is refused");
}

/* ---------- OAEP ---------- */

/* Whether it is refused, and nothing but zeros left. */
static bool
is_not_opened(OpRsa *rsa, OpBytes with_label, OpBytes sealed)
{
	uint8 *plain = room(MAX_OAEP);
	size_t size = MAX_OAEP;
	bool   refused = !op_rsa_oaep_open(rsa, with_label, sealed, plain, &size) && size == 0 &&
				   all_are(plain, MAX_OAEP, 0);

	free(plain);
	return refused;
}

static bool
is_opened(OpBytes with_label, const uint8 *sealed, OpBytes expected)
{
	uint8 *plain = room(expected.size);
	size_t size = expected.size;
	bool   good = op_rsa_oaep_open(private_key, with_label, (OpBytes){sealed, SIZE}, plain, &size) &&
				size == expected.size && (size == 0 || memcmp(plain, expected.data, size) == 0);

	free(plain);
	return good;
}

static void
test_oaep_sizes(void)
{
	static const size_t sizes[] = {0, 1, 16, MAX_OAEP};
	uint8				plain[MAX_OAEP + 1];
	uint8				sealed[SIZE + 1];
	size_t				size;

	memset(plain, '4', sizeof(plain));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
	{
		size = SIZE;
		ok(op_rsa_oaep_seal(public_key, text(label), (OpBytes){plain, sizes[i]}, sealed, &size) && size == SIZE &&
			   is_opened(text(label), sealed, (OpBytes){plain, sizes[i]}),
		   "OAEP of %zu bytes", sizes[i]);
		if (sizes[i] == 0)
			continue;
		size = sizes[i] - 1;
		memset(plain, FILL, sizeof(plain));
		ok(!op_rsa_oaep_open(private_key, text(label), (OpBytes){sealed, SIZE}, plain, &size) && size == 0 &&
			   all_are(plain, sizes[i] - 1, 0) && plain[sizes[i] - 1] == FILL,
		   "OAEP of %zu bytes, with room for one less, is refused", sizes[i]);
		memset(plain, '4', sizeof(plain));
	}
	size = SIZE + 1;
	memset(sealed, FILL, sizeof(sealed));
	ok(!op_rsa_oaep_seal(public_key, text(label), (OpBytes){plain, MAX_OAEP + 1}, sealed, &size) && size == 0 &&
		   all_are(sealed, sizeof(sealed), 0),
	   "OAEP of %d bytes is refused", MAX_OAEP + 1);
	size = SIZE - 1;
	ok(!op_rsa_oaep_seal(public_key, none, (OpBytes){plain, 1}, sealed, &size) && size == 0, "and sealing without room");
}

static void
test_oaep(void)
{
	uint8	sealed[SIZE + 1] = {0};
	OpBytes whole = {sealed, SIZE};
	size_t	size = SIZE;
	int		wrong = 0;

	unhex(oaep_no_label_hex, sealed);
	ok(is_opened(none, sealed, text(number)), "OAEP without a label, computed elsewhere, opens");
	ok(is_not_opened(private_key, text(label), whole), "and with a label it does not");
	unhex(oaep_hex, sealed);
	ok(is_opened(text(label), sealed, text(number)), "OAEP with a label, computed elsewhere, opens");
	ok(is_not_opened(private_key, none, whole) && is_not_opened(private_key, text("order_payment/tesT"), whole) &&
		   is_not_opened(private_key, text("order_payment/test "), whole),
	   "another label is refused");
	for (size_t i = 0; i < SIZE; i++)
	{
		sealed[i] ^= (uint8) (1 << i % 8);
		wrong += !is_not_opened(private_key, text(label), whole);
		sealed[i] ^= (uint8) (1 << i % 8);
	}
	ok(wrong == 0, "a flipped bit of any byte is refused");
	ok(is_not_opened(private_key, text(label), (OpBytes){sealed, SIZE - 1}) &&
		   is_not_opened(private_key, text(label), (OpBytes){sealed, SIZE + 1}) &&
		   is_not_opened(private_key, text(label), none),
	   "cuts and extensions are refused");
	ok(is_not_opened(public_key, text(label), whole), "a public key opens nothing");
	/* as a number it would be the same without its first byte: one of 256 is so */
	do
	{
		size = SIZE;
		op_rsa_oaep_seal(public_key, none, text(number), sealed, &size);
	} while (sealed[0] != 0);
	ok(is_opened(none, sealed, text(number)) && is_not_opened(private_key, none, (OpBytes){sealed + 1, SIZE - 1}),
	   "a zero in front belongs to what is opened");

	openssl_seal(EVP_sha256(), EVP_sha256(), label, sealed);
	ok(is_opened(text(label), sealed, text(number)), "what OpenSSL seals with SHA-256 opens");
	openssl_seal(EVP_sha1(), EVP_sha1(), label, sealed);
	ok(is_not_opened(private_key, text(label), whole), "with SHA-1 it is refused");
	openssl_seal(EVP_sha256(), EVP_sha1(), label, sealed);
	ok(is_not_opened(private_key, text(label), whole), "with SHA-1 in the mask too");
	openssl_seal(NULL, NULL, NULL, sealed);
	ok(is_not_opened(private_key, none, whole), "with the padding of PKCS #1 v1.5 too");

	ok(op_rsa_oaep_seal(private_key, text(label), text(number), sealed, &size) && size == SIZE, "OAEP");
	ok(openssl_opens(sealed, label), "is opened by OpenSSL");
	ok(!openssl_opens(sealed, NULL), "with its label only");
	ok(op_rsa_oaep_seal(public_key, none, text(number), sealed, &size) && openssl_opens(sealed, NULL), "and without one, if there is none");
	test_oaep_sizes();
}

/* ---------- signatures ---------- */

static void
test_signatures(void)
{
	OpBytes data = text("a message");
	uint8	signature[SIZE + 1] = {0};
	uint8	expected[SIZE];
	OpBytes whole = {signature, SIZE};
	size_t	size = SIZE;
	int		wrong = 0;

	unhex(signature_hex, expected);
	ok(op_rsa_verify_sha256(public_key, data, (OpBytes){expected, SIZE}), "a signature computed elsewhere is verified");
	ok(op_rsa_sign_sha256(private_key, data, signature, &size) && size == SIZE && memcmp(signature, expected, SIZE) == 0,
	   "and made the same");
	ok(op_rsa_verify_sha256(private_key, data, whole), "a private key verifies too");
	ok(!op_rsa_verify_sha256(public_key, text("a messagf"), whole) && !op_rsa_verify_sha256(public_key, text("a message "), whole) &&
		   !op_rsa_verify_sha256(public_key, none, whole),
	   "it is of no other text");
	for (size_t i = 0; i < SIZE; i++)
	{
		signature[i] ^= (uint8) (1 << i % 8);
		wrong += op_rsa_verify_sha256(public_key, data, whole);
		signature[i] ^= (uint8) (1 << i % 8);
	}
	ok(wrong == 0, "a flipped bit of any byte is refused");
	ok(!op_rsa_verify_sha256(public_key, data, (OpBytes){signature, SIZE - 1}) &&
		   !op_rsa_verify_sha256(public_key, data, (OpBytes){signature, SIZE + 1}) &&
		   !op_rsa_verify_sha256(public_key, data, none),
	   "cuts and extensions are refused");

	openssl_sign(EVP_sha256(), RSA_PKCS1_PADDING, "a message", signature);
	ok(op_rsa_verify_sha256(public_key, data, whole), "a signature by OpenSSL is verified");
	openssl_sign(EVP_sha1(), RSA_PKCS1_PADDING, "a message", signature);
	ok(!op_rsa_verify_sha256(public_key, data, whole), "with SHA-1 it is refused");
	openssl_sign(EVP_sha256(), RSA_PKCS1_PSS_PADDING, "a message", signature);
	ok(!op_rsa_verify_sha256(public_key, data, whole), "with PSS too");
	memset(signature, 0, SIZE);
	ok(!op_rsa_verify_sha256(public_key, data, whole), "zeros are refused");
	size = SIZE;
	memset(signature, FILL, SIZE);
	ok(!op_rsa_sign_sha256(public_key, data, signature, &size) && size == 0 && all_are(signature, SIZE, 0), "a public key does not sign");
	size = SIZE - 1;
	ok(!op_rsa_sign_sha256(private_key, data, signature, &size) && size == 0, "nor does one without room");
	size = SIZE;
	ok(op_rsa_sign_sha256(private_key, none, signature, &size) && op_rsa_verify_sha256(public_key, none, whole), "no bytes can be signed");
}

/* ---------- memory ---------- */

static void
use_keys(void)
{
	char   pem[MAX_TEXT];
	uint8  der[OP_RSA_MAX_DER];
	uint8  bytes[SIZE];
	size_t size = sizeof(der);
	OpRsa *key = op_rsa_private_key(private_bytes);
	OpRsa *other = op_rsa_public_key(public_bytes);

	op_rsa_private_der(key, der, &size);
	size = SIZE;
	op_rsa_oaep_seal(other, text(label), text(number), bytes, &size);
	size = MAX_OAEP;
	op_rsa_oaep_open(key, text(label), (OpBytes){bytes, SIZE}, der, &size);
	op_rsa_oaep_open(key, none, (OpBytes){bytes, SIZE}, der, &size);
	size = SIZE;
	op_rsa_sign_sha256(key, text(label), bytes, &size);
	op_rsa_verify_sha256(other, text(label), (OpBytes){bytes, SIZE});
	op_rsa_verify_sha256(other, none, (OpBytes){bytes, SIZE});
	op_rsa_free(key);
	op_rsa_free(other);
	is_refused(op_rsa_private_key((OpBytes){private_bytes.data, private_bytes.size - 1}));
	is_refused(op_rsa_private_key(public_bytes));
	write_pem("PUBLIC KEY", "", public_bytes, pem);
	is_refused(read_pem("", pem, ""));
	is_refused(read_pem("", pem, "x"));
	is_refused(read_pem("", "-----BEGIN PUBLIC KEY-----\n", ""));
}

static void
test_memory(void)
{
	static const size_t places[] = {400, 640, 740, 840, 980, 1140}; /* in d, p, q and what follows */
	static uint8		parts[2 * sizeof(places) / sizeof(places[0])][PART];
	int					count = 0;
	long				before;

	use_keys(); /* what is kept for the process is made */
	before = live_blocks();
	watch((const uint8 *) number, strlen(number));
	/* as it is written, and as it is reckoned with */
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
	{
		for (int byte = 0; byte < PART; byte++)
		{
			parts[count][byte] = private_der[places[i] + (size_t) byte];
			parts[count + 1][byte] = private_der[places[i] + PART - 1 - (size_t) byte];
		}
		watch(parts[count++], PART);
		watch(parts[count++], PART);
	}
	for (int i = 0; i < 10; i++)
		use_keys();
	ok(left_in_freed() == 0, "no private key, and nothing that was sealed, is left in freed memory");
	ok(live_blocks() == before, "all memory is freed");
	forget_watched();
}

void
test_rsa(void)
{
	test_key();
	if (private_key != NULL && public_key != NULL)
	{
		test_other_keys();
		test_unsound_keys();
		test_pem();
		test_oaep();
		test_signatures();
		test_memory();
	}
	op_rsa_free(private_key);
	op_rsa_free(public_key);
}
