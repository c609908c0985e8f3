/*
 * card_blob.h
 *	  The form of a card that was sealed outside of the database. Knows nothing
 *	  of the server.
 *
 *		ops1.<kid>.<base64url of the ciphertext, without padding>
 *
 * kid			the id of a card key: decimal, 1 to 2147483647
 * ciphertext	RSA-OAEP with SHA-256 for digest and mask, under that key, of the
 *				plaintext; the label is "order_payment/card/v1|<kid>"
 * plaintext	a JSON object (RFC 8259) in UTF-8, of at most 318 bytes, whose
 *				members are texts: number, and as wanted holder, expiry, order_id
 *				and token
 *
 * Nothing but that is taken: no other member, none twice, none that is empty, no
 * nesting, no number for a text. So there is no room for a verification code,
 * whatever it is called.
 */
#ifndef OP_CARD_BLOB_H
#define OP_CARD_BLOB_H

#include "crypto.h"

#define OP_BLOB_PREFIX	  "ops1."
#define OP_BLOB_LABEL	  "order_payment/card/v1|" /* then the kid */
#define OP_BLOB_LABEL_MAX (sizeof(OP_BLOB_LABEL) + 10)
#define OP_BLOB_RSA_BITS  3072
#define OP_BLOB_PLAIN_MAX (OP_BLOB_RSA_BITS / 8 - 2 * OP_DIGEST_SIZE - 2)

typedef struct OpBlob
{
	uint32 kid;
	size_t size;
	uint8  sealed[OP_BLOB_RSA_BITS / 8];
} OpBlob;

/* What the plaintext may hold: number, holder and expiry in the order of the parts of a card. */
typedef enum OpBlobMember
{
	OP_BLOB_NUMBER,
	OP_BLOB_HOLDER,
	OP_BLOB_EXPIRY,
	OP_BLOB_ORDER_ID,
	OP_BLOB_TOKEN
} OpBlobMember;

#define OP_NBLOB_MEMBERS (OP_BLOB_TOKEN + 1)

/* In UTF-8, ended by a zero, and without others. Size 0: not given. */
typedef struct OpBlobText
{
	size_t size;
	char   data[OP_BLOB_PLAIN_MAX + 1];
} OpBlobText;

typedef struct OpBlobCard
{
	OpBlobText members[OP_NBLOB_MEMBERS];
} OpBlobCard;

/* Is it meant to be one? */
extern bool op_is_blob(const char *text, size_t size);

extern bool op_blob_parse(const char *text, size_t size, OpBlob *blob);

/* label has room for OP_BLOB_LABEL_MAX; what is returned points into it. */
extern OpBytes op_blob_label(uint32 kid, char *label);

/* The caller cleanses the card; when it is false, nothing is in it. */
extern bool op_blob_read_card(OpBytes plain, OpBlobCard *card);

#endif
