/*
 * secret_blob.c
 *	  Secrets of gateways that were sealed outside of the database.
 *
 * blob		"opsec1." id "." part ["." part ...]
 * id		of the key pair of the database that it was sealed for, in decimal
 * part		base64url of RSAES-OAEP (SHA-256 for digest and mask) of a piece
 * piece	run (16 bytes), index (1), count (1), and 1 to 300 bytes of the secret
 * run		random, the same in all parts of a blob
 * index	0, 1, 2 ...; count: how many parts there are, 1 to 16
 *
 * The label of OAEP is the text "order_payment gateway secret v1", the id, the
 * store, the gateway and the kind, in UTF-8, each followed by a zero byte,
 * which no name holds. So a blob opens for no other of them, and a card's blob,
 * which has another label, is none.
 *
 * A secret may be longer than OAEP holds, and openssl's command line, with which
 * blobs are made, has no authenticated cipher: hence parts. What OAEP sealed
 * cannot be changed, and nobody but its maker knows a run: so parts that are
 * missing, mixed or in another order are noticed, and none can be added.
 *
 * A blob says who it is for, not who it is from: everybody can make one, but
 * only those who may write gateway_secrets can bring it.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "lib/stringinfo.h"

#include "card_key.h"
#include "errors.h"
#include "secret_blob.h"

#define PREFIX	   "opsec1."
#define LABEL	   "order_payment gateway secret v1"
#define RUN_SIZE   16
#define AT_INDEX   RUN_SIZE
#define AT_COUNT   (RUN_SIZE + 1)
#define PIECE_HEAD (RUN_SIZE + 2)
#define PARTS_MAX  16
#define ID_DIGITS  10

/* A blob while it is read. */
typedef struct BlobReader
{
	const char *next;
	const char *end;
	OpRsa	   *key;
	OpBytes		label;
	int			index; /* of the part that comes */
	int			count;
	uint8		run[RUN_SIZE];
} BlobReader;

static void
refuse_blob(void)
{
	ereport(ERROR, (errcode(ERRCODE_OP_CANNOT_OPEN),
					errmsg("a sealed secret of a gateway cannot be opened"),
					errhint("It is no blob of seal_secret.sh, was changed or cut, or was sealed for another store, gateway or kind, or for a key that is no longer taken; seal it anew for what order_payment.card_public_key() gives."),
					errhidestmt(true)));
}

/* ---------- id and label ---------- */

/* The id, as it is written: no zeros in front. False if it is none. */
static bool
read_id(BlobReader *reader, int32 *id)
{
	int64 value = 0;
	int	  digits = 0;

	while (reader->next < reader->end && digits <= ID_DIGITS && *reader->next >= '0' &&
		   *reader->next <= '9')
	{
		value = value * 10 + (*reader->next++ - '0');
		if (value == 0)
			return false;
		digits++;
	}
	*id = (int32) value;
	return digits > 0 && digits <= ID_DIGITS && value <= PG_INT32_MAX;
}

static void
append_name(StringInfo label, const char *name)
{
	char *utf8 = pg_server_to_any(name, (int) strlen(name), PG_UTF8);

	appendBinaryStringInfo(label, utf8, (int) strlen(utf8) + 1);
}

static OpBytes
label_of(const OpSecretPlace *place, int32 id)
{
	StringInfoData label;

	initStringInfo(&label);
	append_name(&label, LABEL);
	append_name(&label, psprintf("%d", id));
	append_name(&label, place->store);
	append_name(&label, place->gateway);
	append_name(&label, place->kind);
	return (OpBytes){(const uint8 *) label.data, (size_t) label.len};
}

/* ---------- parts ---------- */

/* The piece belongs to those before it, and has a byte of the secret at least. */
static bool
add_piece(BlobReader *reader, OpBytes piece, OpSecret *secret)
{
	size_t size = piece.size - PIECE_HEAD;

	if (piece.size <= PIECE_HEAD || piece.data[AT_INDEX] != reader->index)
		return false;
	if (reader->index == 0)
	{
		memcpy(reader->run, piece.data, RUN_SIZE);
		reader->count = piece.data[AT_COUNT];
	}
	if (!op_equal(piece.data, reader->run, RUN_SIZE) || piece.data[AT_COUNT] != reader->count ||
		size > sizeof(secret->data) - secret->size)
		return false;
	memcpy(secret->data + secret->size, piece.data + PIECE_HEAD, size);
	secret->size += size;
	return true;
}

static bool
read_part(BlobReader *reader, OpSecret *secret)
{
	const char *dot = memchr(reader->next, '.', reader->end - reader->next);
	const char *stop = dot ? dot : reader->end;
	uint8		sealed[OP_RSA_MAX_SIZE];
	size_t		sealed_size = sizeof(sealed);
	uint8		piece[OP_RSA_MAX_SIZE];
	size_t		piece_size = sizeof(piece);
	bool		done;

	done = op_base64url_decode(reader->next, stop - reader->next, sealed, &sealed_size) &&
		   op_rsa_oaep_open(reader->key, reader->label, (OpBytes){sealed, sealed_size}, piece,
							&piece_size) &&
		   add_piece(reader, (OpBytes){piece, piece_size}, secret);
	op_cleanse(piece, sizeof(piece));
	reader->next = dot ? dot + 1 : NULL;
	reader->index++;
	return done;
}

/* Every part that was announced, and no other. */
static bool
read_parts(BlobReader *reader, OpSecret *secret)
{
	secret->size = 0;
	reader->index = 0;
	while (reader->next != NULL)
	{
		if (reader->index == PARTS_MAX || !read_part(reader, secret))
			return false;
	}
	return reader->index == reader->count;
}

void
op_open_secret_blob(const OpSecretPlace *place, OpBytes blob, OpSecret *secret)
{
	BlobReader reader = {.next = (const char *) blob.data,
						 .end = (const char *) blob.data + blob.size};
	int32	   id;

	if (blob.size <= strlen(PREFIX) || memcmp(blob.data, PREFIX, strlen(PREFIX)) != 0)
		refuse_blob();
	reader.next += strlen(PREFIX);
	if (!read_id(&reader, &id) || reader.next == reader.end || *reader.next++ != '.')
		refuse_blob();
	reader.label = label_of(place, id);
	reader.key = op_card_key((uint32) id);
	if (reader.key == NULL || !read_parts(&reader, secret))
	{
		op_cleanse(secret, sizeof(*secret));
		refuse_blob();
	}
}
