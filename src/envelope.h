/*
 * envelope.h
 *	  The layout of a sealed value. Knows nothing of the server.
 *
 *		offset	size	content
 *		0		1		version, 1
 *		1		1		algorithm, 1: XAES-256-GCM
 *		2		1		field: what kind of thing is sealed
 *		3		1		flags, 0
 *		4		4		id of the key, big-endian
 *		8		24		nonce
 *		32		n		ciphertext of the padded plaintext
 *		32 + n	16		tag
 *
 * The associated data are the first eight bytes and what the value is bound to.
 *
 * padded plaintext		length (2, big-endian), the plaintext, zeros up to a
 *						size that only the field, and roughly the length, tell:
 *						a card number's is always the same
 *
 * As text: "op1:" and base64url of all of it, without padding. As text it goes
 * through dumps, COPY and replication.
 */
#ifndef OP_ENVELOPE_H
#define OP_ENVELOPE_H

#include "crypto.h"

/* Stored codes: never renumbered. */
typedef enum OpField
{
	OP_FIELD_NUMBER = 1,
	OP_FIELD_HOLDER = 2,
	OP_FIELD_EXPIRY = 3,
	OP_FIELD_PASSWORD = 4,	  /* the verifier of a payment password */
	OP_FIELD_SECRET = 5,	  /* of a gateway */
	OP_FIELD_PRIVATE_KEY = 6, /* of a pair that cards are sealed for outside */
	OP_FIELD_TEXT = 7,		  /* anything that users seal */
	OP_FIELD_KEY = 8		  /* a data key, wrapped by a root key */
} OpField;

#define OP_FIELD_FIRST OP_FIELD_NUMBER
#define OP_FIELD_LAST  OP_FIELD_KEY
#define OP_NFIELDS	   (OP_FIELD_LAST + 1)

typedef enum OpVisibility
{
	OP_REVEALED,	  /* seal() takes it, reveal() shows it */
	OP_NEVER_REVEALED /* stays inside */
} OpVisibility;

typedef struct OpFieldInfo
{
	const char	*name;	   /* in SQL */
	const char	*purpose;  /* names the key derived for it */
	size_t		 max_size; /* of the plaintext */
	size_t		 step;	   /* padded sizes are multiples of it */
	OpVisibility visibility;
} OpFieldInfo;

extern const OpFieldInfo op_fields[OP_NFIELDS];

/* The field of that name in SQL, or 0. */
extern OpField op_field_by_name(const char *name, size_t size);

#define OP_ENVELOPE_HEADER	 8
#define OP_ENVELOPE_OVERHEAD (OP_ENVELOPE_HEADER + OP_NONCE_SIZE + OP_TAG_SIZE)
#define OP_ENVELOPE_PREFIX	 "op1:"
#define OP_LENGTH_SIZE		 2
#define OP_PLAIN_MAX		 4094
#define OP_ENVELOPE_MAX		 (OP_ENVELOPE_OVERHEAD + OP_LENGTH_SIZE + OP_PLAIN_MAX)

typedef struct OpEnvelope
{
	OpField		 field;
	uint32		 key_id;
	OpBytes		 header;
	const uint8 *nonce;
	OpBytes		 sealed; /* ciphertext and tag */
} OpEnvelope;

/* Size of the envelope of a plaintext, or 0 if the field holds none of that size. */
extern size_t op_envelope_size(OpField field, size_t plain_size);

/* False if it is no envelope that we could have written. The parts point into the data. */
extern bool op_envelope_parse(OpBytes data, OpEnvelope *envelope);

/*
 * Seals into `envelope`, which has room for op_envelope_size(). The key is the
 * one made for the field, and key_id says which. bound_to is at most
 * OP_BINDING_MAX bytes.
 */
#define OP_BINDING_MAX 1024

extern bool op_envelope_seal(OpAead *aead, OpField field, uint32 key_id, OpBytes bound_to,
							 OpBytes plain, uint8 *envelope);

/* plain has room for OP_PLAIN_MAX; *size is set. The caller cleanses it. */
extern bool op_envelope_open(OpAead *aead, const OpEnvelope *envelope, OpBytes bound_to,
							 uint8 *plain, size_t *size);

/* Text has room for op_envelope_text_size(), which counts no zero. */
extern size_t op_envelope_text_size(size_t size);
extern void	  op_envelope_to_text(OpBytes envelope, char *text);

/*
 * *size: the room in data, then what is used. False if it is not what
 * op_envelope_to_text() writes.
 */
extern bool op_envelope_from_text(const char *text, size_t length, uint8 *data, size_t *size);

#endif
