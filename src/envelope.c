/*
 * envelope.c
 *	  The layout of a sealed value; see envelope.h.
 */
#include "postgres.h"

#include "envelope.h"

#define VERSION	  1
#define ALGORITHM 1
#define FLAGS	  0

#define AT_FIELD  2
#define AT_KEY_ID 4
#define AT_NONCE  OP_ENVELOPE_HEADER
#define AT_SEALED (OP_ENVELOPE_HEADER + OP_NONCE_SIZE)

/*
 * A card number always takes one step, whatever its length; so does an expiry
 * date. Names come in two or three sizes.
 */
const OpFieldInfo op_fields[OP_NFIELDS] = {
	[OP_FIELD_NUMBER] = {"number", "order_payment/v1/number", 19, 21, OP_REVEALED},
	[OP_FIELD_HOLDER] = {"holder", "order_payment/v1/holder", 96, 33, OP_REVEALED},
	[OP_FIELD_EXPIRY] = {"expiry", "order_payment/v1/expiry", 4, 6, OP_REVEALED},
	[OP_FIELD_PASSWORD] = {"password", "order_payment/v1/password", 128, 64, OP_NEVER_REVEALED},
	[OP_FIELD_SECRET] = {"secret", "order_payment/v1/secret", OP_PLAIN_MAX, 128, OP_NEVER_REVEALED},
	[OP_FIELD_PRIVATE_KEY] = {"private_key", "order_payment/v1/private_key", OP_PLAIN_MAX, 128,
							  OP_NEVER_REVEALED},
	[OP_FIELD_TEXT] = {"text", "order_payment/v1/text", OP_PLAIN_MAX, 32, OP_REVEALED},
	[OP_FIELD_KEY] = {"key", "order_payment/v1/wrap", OP_KEY_SIZE, OP_LENGTH_SIZE + OP_KEY_SIZE,
					  OP_NEVER_REVEALED},
};

OpField
op_field_by_name(const char *name, size_t size)
{
	for (int field = OP_FIELD_FIRST; field <= OP_FIELD_LAST; field++)
	{
		if (strlen(op_fields[field].name) == size && memcmp(op_fields[field].name, name, size) == 0)
			return (OpField) field;
	}
	return (OpField) 0;
}

/* ---------- sizes ---------- */

static size_t
padded_size(const OpFieldInfo *info, size_t plain_size)
{
	size_t steps = (OP_LENGTH_SIZE + plain_size + info->step - 1) / info->step;

	return Min(steps * info->step, OP_LENGTH_SIZE + OP_PLAIN_MAX);
}

size_t
op_envelope_size(OpField field, size_t plain_size)
{
	const OpFieldInfo *info = &op_fields[field];

	if (plain_size > info->max_size)
		return 0;
	return OP_ENVELOPE_OVERHEAD + padded_size(info, plain_size);
}

/* Is it a size that padding makes? */
static bool
is_padded_size(const OpFieldInfo *info, size_t size)
{
	return size > OP_LENGTH_SIZE && size <= padded_size(info, info->max_size) &&
		   size == padded_size(info, size - OP_LENGTH_SIZE);
}

/* ---------- header ---------- */

static void
write_header(OpField field, uint32 key_id, uint8 *header)
{
	header[0] = VERSION;
	header[1] = ALGORITHM;
	header[AT_FIELD] = (uint8) field;
	header[3] = FLAGS;
	for (int i = 0; i < 4; i++)
		header[AT_KEY_ID + i] = (uint8) (key_id >> (24 - 8 * i));
}

static uint32
read_key_id(const uint8 *header)
{
	uint32 key_id = 0;

	for (int i = 0; i < 4; i++)
		key_id = key_id << 8 | header[AT_KEY_ID + i];
	return key_id;
}

bool
op_envelope_parse(OpBytes data, OpEnvelope *envelope)
{
	if (data.size <= OP_ENVELOPE_OVERHEAD || data.size > OP_ENVELOPE_MAX)
		return false;
	if (data.data[0] != VERSION || data.data[1] != ALGORITHM || data.data[3] != FLAGS ||
		data.data[AT_FIELD] < OP_FIELD_FIRST || data.data[AT_FIELD] > OP_FIELD_LAST)
		return false;
	envelope->field = (OpField) data.data[AT_FIELD];
	if (!is_padded_size(&op_fields[envelope->field], data.size - OP_ENVELOPE_OVERHEAD))
		return false;
	envelope->key_id = read_key_id(data.data);
	envelope->header = (OpBytes){data.data, OP_ENVELOPE_HEADER};
	envelope->nonce = data.data + AT_NONCE;
	envelope->sealed = (OpBytes){data.data + AT_SEALED, data.size - AT_SEALED};
	return true;
}

/* ---------- sealing and opening ---------- */

/* header and binding, one after the other; the header's size is fixed */
static OpBytes
associated_data(const uint8 *header, OpBytes bound_to, uint8 *buffer)
{
	memcpy(buffer, header, OP_ENVELOPE_HEADER);
	if (bound_to.size > 0)
		memcpy(buffer + OP_ENVELOPE_HEADER, bound_to.data, bound_to.size);
	return (OpBytes){buffer, OP_ENVELOPE_HEADER + bound_to.size};
}

bool
op_envelope_seal(OpAead *aead, OpField field, uint32 key_id, OpBytes bound_to, OpBytes plain,
				 uint8 *envelope)
{
	uint8  associated[OP_ENVELOPE_HEADER + OP_BINDING_MAX];
	uint8  padded[OP_LENGTH_SIZE + OP_PLAIN_MAX];
	size_t size;
	bool   done;

	if (plain.size > op_fields[field].max_size || bound_to.size > OP_BINDING_MAX)
		return false;
	size = padded_size(&op_fields[field], plain.size);
	write_header(field, key_id, envelope);
	if (!op_next_nonce(envelope + AT_NONCE))
		return false;
	padded[0] = (uint8) (plain.size >> 8);
	padded[1] = (uint8) plain.size;
	memcpy(padded + OP_LENGTH_SIZE, plain.data, plain.size);
	memset(padded + OP_LENGTH_SIZE + plain.size, 0, size - OP_LENGTH_SIZE - plain.size);
	done =
		op_aead_seal(aead, envelope + AT_NONCE, associated_data(envelope, bound_to, associated),
					 (OpBytes){padded, size}, envelope + AT_SEALED);
	op_cleanse(padded, size);
	return done;
}

/* The plaintext in its padding: false if the padding is none of ours. */
static bool
unpad(const OpFieldInfo *info, const uint8 *padded, size_t padded_bytes, uint8 *plain, size_t *size)
{
	size_t length = (size_t) padded[0] << 8 | padded[1];
	uint8  rest = 0;

	if (length > info->max_size || padded_size(info, length) != padded_bytes)
		return false;
	for (size_t i = OP_LENGTH_SIZE + length; i < padded_bytes; i++)
		rest |= padded[i];
	if (rest != 0)
		return false;
	memcpy(plain, padded + OP_LENGTH_SIZE, length);
	*size = length;
	return true;
}

bool
op_envelope_open(OpAead *aead, const OpEnvelope *envelope, OpBytes bound_to, uint8 *plain,
				 size_t *size)
{
	uint8  associated[OP_ENVELOPE_HEADER + OP_BINDING_MAX];
	uint8  padded[OP_LENGTH_SIZE + OP_PLAIN_MAX];
	size_t padded_bytes = envelope->sealed.size - OP_TAG_SIZE;
	bool   done;

	if (bound_to.size > OP_BINDING_MAX)
		return false;
	done = op_aead_open(aead, envelope->nonce,
						associated_data(envelope->header.data, bound_to, associated),
						envelope->sealed, padded) &&
		   unpad(&op_fields[envelope->field], padded, padded_bytes, plain, size);
	op_cleanse(padded, padded_bytes);
	return done;
}

/* ---------- as text ---------- */

#define PREFIX_SIZE (sizeof(OP_ENVELOPE_PREFIX) - 1)

size_t
op_envelope_text_size(size_t size)
{
	return PREFIX_SIZE + OP_BASE64URL_SIZE(size);
}

void
op_envelope_to_text(OpBytes envelope, char *text)
{
	memcpy(text, OP_ENVELOPE_PREFIX, PREFIX_SIZE);
	op_base64url_encode(envelope, text + PREFIX_SIZE);
}

bool
op_envelope_from_text(const char *text, size_t length, uint8 *data, size_t *size)
{
	OpEnvelope envelope;

	return length > PREFIX_SIZE && memcmp(text, OP_ENVELOPE_PREFIX, PREFIX_SIZE) == 0 &&
		   op_base64url_decode(text + PREFIX_SIZE, length - PREFIX_SIZE, data, size) &&
		   op_envelope_parse((OpBytes){data, *size}, &envelope);
}
