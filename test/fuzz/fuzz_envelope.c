/* needs src/crypto.c src/crypto_digest.c src/crypto_text.c src/envelope.c -lcrypto */
/*
 * fuzz_envelope.c
 *		Any bytes, and any text, are an envelope of ours or are refused; none that
 *		was not sealed opens.
 *
 * The same bytes are also sealed, as a plaintext of each field that has room for
 * them: what is sealed opens to them, and to nothing with any one byte changed.
 */
#include "postgres.h"

#include "envelope.h"
#include "fuzz.h"

static OpAead *
the_key(void)
{
	static OpAead	  *key = NULL;
	static const uint8 bytes[OP_KEY_SIZE] = "thirty-two bytes that are no key";

	if (key == NULL)
		key = op_aead_new(bytes);
	must(key != NULL);
	return key;
}

/* What is taken has one text, which is taken again. */
static void
must_be_written_as_read(OpBytes envelope)
{
	char   text[sizeof(OP_ENVELOPE_PREFIX) + OP_BASE64URL_SIZE(OP_ENVELOPE_MAX)];
	uint8  again[OP_ENVELOPE_MAX];
	size_t size = sizeof(again);

	must(op_envelope_text_size(envelope.size) <= sizeof(text));
	op_envelope_to_text(envelope, text);
	must(op_envelope_from_text(text, op_envelope_text_size(envelope.size), again, &size));
	must(size == envelope.size && memcmp(again, envelope.data, size) == 0);
}

static void
read_as_envelope(OpBytes data)
{
	OpEnvelope envelope;
	uint8	   plain[OP_PLAIN_MAX];
	size_t	   size;

	if (!op_envelope_parse(data, &envelope))
		return;
	must(envelope.field >= OP_FIELD_FIRST && envelope.field <= OP_FIELD_LAST);
	must(envelope.sealed.data + envelope.sealed.size == data.data + data.size);
	must(!op_envelope_open(the_key(), &envelope, (OpBytes){NULL, 0}, plain, &size));
	must_be_written_as_read(data);
}

static void
read_as_text(OpBytes data)
{
	uint8  envelope[OP_ENVELOPE_MAX];
	size_t size = sizeof(envelope);
	char   text[sizeof(OP_ENVELOPE_PREFIX) + OP_BASE64URL_SIZE(OP_ENVELOPE_MAX)];

	if (!op_envelope_from_text((const char *) data.data, data.size, envelope, &size))
		return;
	must(op_envelope_text_size(size) == data.size);
	op_envelope_to_text((OpBytes){envelope, size}, text);
	must(memcmp(text, data.data, data.size) == 0);
}

static void
seal_as(OpField field, OpBytes plain)
{
	uint8	   sealed[OP_ENVELOPE_MAX];
	uint8	   opened[OP_PLAIN_MAX];
	size_t	   size = op_envelope_size(field, plain.size);
	size_t	   opened_size;
	size_t	   changed = plain.size > 0 ? plain.data[0] : 0;
	OpEnvelope envelope;
	OpBytes	   bound_to = {plain.data, Min(plain.size, 16)};

	if (size == 0)
		return;
	must(op_envelope_seal(the_key(), field, 7, bound_to, plain, sealed));
	must(op_envelope_parse((OpBytes){sealed, size}, &envelope) && envelope.key_id == 7);
	must(op_envelope_open(the_key(), &envelope, bound_to, opened, &opened_size));
	must(opened_size == plain.size && memcmp(opened, plain.data, plain.size) == 0);
	must_be_written_as_read((OpBytes){sealed, size});

	sealed[changed % size] ^= 1;
	must(!op_envelope_parse((OpBytes){sealed, size}, &envelope) ||
		 !op_envelope_open(the_key(), &envelope, bound_to, opened, &opened_size));
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	OpBytes bytes = {size > 0 ? data : (const uint8 *) "", size};

	read_as_envelope(bytes);
	read_as_text(bytes);
	for (int field = OP_FIELD_FIRST; field <= OP_FIELD_LAST; field++)
		seal_as((OpField) field, bytes);
	return 0;
}
