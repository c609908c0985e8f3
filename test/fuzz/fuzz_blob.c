/* needs src/card_blob.c src/crypto.c src/crypto_digest.c src/crypto_text.c -lcrypto */
/*
 * fuzz_blob.c
 *		Any bytes are a card sealed outside, or the plaintext of one, that is
 *		sound, or are refused and leave nothing behind.
 *
 * A plaintext that is taken is written out anew, in the plainest way, and read
 * again, which must give the same card; so must the same with every character
 * escaped. A blob that is taken is written out anew, and must be the input.
 */
#include "postgres.h"

#include <stdio.h>

#include "mb/pg_wchar.h"

#include "card_blob.h"
#include "fuzz.h"

#undef sprintf
#undef snprintf

#define ROOM (12 * OP_BLOB_PLAIN_MAX + 100)

static const char *const names[] = {"number", "holder", "expiry", "order_id", "token"};

/* The code point of sound UTF-8, by a way of its own, and its size. */
static uint32
code_point(const char *text, size_t *size)
{
	const uint8 *c = (const uint8 *) text;
	uint32		 code;

	*size = c[0] < 0x80 ? 1 : c[0] < 0xE0 ? 2 : c[0] < 0xF0 ? 3 : 4;
	code = *size == 1 ? c[0] : c[0] & (0x7F >> *size);
	for (size_t i = 1; i < *size; i++)
	{
		must((c[i] & 0xC0) == 0x80);
		code = code << 6 | (c[i] & 0x3F);
	}
	must(code > 0 && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF));
	must(*size == (code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4));
	return code;
}

static char *
write_text(char *to, const OpBlobText *text, bool escaped)
{
	size_t size;

	*to++ = '"';
	for (size_t at = 0; at < text->size; at += size)
	{
		uint32 code = code_point(text->data + at, &size);

		if (code >= 0x10000 && escaped)
			to += sprintf(to, "\\u%04x\\u%04X", 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + (code & 0x3FF));
		else if (escaped || code < ' ' || code == '"' || code == '\\')
			to += sprintf(to, "\\u%04x", code);
		else
		{
			memcpy(to, text->data + at, size);
			to += size;
		}
	}
	*to++ = '"';
	return to;
}

static size_t
write_card(char *to, const OpBlobCard *card, bool escaped)
{
	char *start = to;

	*to++ = '{';
	for (int i = 0; i < OP_NBLOB_MEMBERS; i++)
	{
		if (card->members[i].size == 0)
			continue;
		must(card->members[i].size == strlen(card->members[i].data));
		if (to > start + 1)
			*to++ = ',';
		to += sprintf(to, "\"%s\":", names[i]);
		to = write_text(to, &card->members[i], escaped);
	}
	*to++ = '}';
	return (size_t) (to - start);
}

static void
must_read_as(const char *plain, size_t size, const OpBlobCard *card)
{
	OpBlobCard again;

	if (size > OP_BLOB_PLAIN_MAX)
		return;
	must(op_blob_read_card((OpBytes){(const uint8 *) plain, size}, &again));
	for (int i = 0; i < OP_NBLOB_MEMBERS; i++)
		must(strcmp(again.members[i].data, card->members[i].data) == 0);
}

static void
try_plaintext(const uint8 *data, size_t size)
{
	OpBlobCard card;
	char	   text[ROOM];

	if (op_blob_read_card((OpBytes){data, size}, &card))
	{
		must(size <= OP_BLOB_PLAIN_MAX && card.members[OP_BLOB_NUMBER].size > 0);
		must_read_as(text, write_card(text, &card, false), &card);
		must_read_as(text, write_card(text, &card, true), &card);
		return;
	}
	for (size_t i = 0; i < sizeof(card); i++)
		must(((const char *) &card)[i] == '\0');
}

static void
try_blob(const char *data, size_t size)
{
	OpBlob blob;
	char   text[ROOM];
	char   label[OP_BLOB_LABEL_MAX];
	int	   n;

	if (!op_blob_parse(data, size, &blob))
		return;
	must(blob.kid > 0 && blob.kid <= PG_INT32_MAX && blob.size <= sizeof(blob.sealed));
	n = sprintf(text, "ops1.%u.", blob.kid);
	op_base64url_encode((OpBytes){blob.sealed, blob.size}, text + n);
	must(size == n + OP_BASE64URL_SIZE(blob.size) && memcmp(text, data, size) == 0);
	n = sprintf(text, "order_payment/card/v1|%u", blob.kid);
	must(op_blob_label(blob.kid, label).size == (size_t) n && memcmp(label, text, n) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	try_plaintext(data, size);
	try_blob((const char *) data, size);
	return 0;
}
