/*
 * card_blob.c
 *	  The form of a card that was sealed outside; see card_blob.h.
 *
 * The reader of JSON is one of its own: an object of texts is all there is to
 * read, and PostgreSQL's reader would bring the server's memory and encodings,
 * and leave copies of the number in both.
 */
#include "postgres.h"

#include "card_blob.h"

#define KID_MAX_DIGITS 10

/* ---------- the blob ---------- */

bool
op_is_blob(const char *text, size_t size)
{
	return size >= strlen(OP_BLOB_PREFIX) &&
		   memcmp(text, OP_BLOB_PREFIX, strlen(OP_BLOB_PREFIX)) == 0;
}

/* A kid and the point after it; the number of its digits, or 0. */
static size_t
parse_kid(const char *text, size_t size, uint32 *kid)
{
	uint64 value = 0;
	size_t n = 0;

	while (n < size && n < KID_MAX_DIGITS && text[n] >= '0' && text[n] <= '9')
		value = value * 10 + (uint64) (text[n++] - '0');
	if (n == 0 || n == size || text[n] != '.' || text[0] == '0' || value > PG_INT32_MAX)
		return 0;
	*kid = (uint32) value;
	return n;
}

bool
op_blob_parse(const char *text, size_t size, OpBlob *blob)
{
	size_t prefix = strlen(OP_BLOB_PREFIX);
	size_t digits;

	if (!op_is_blob(text, size))
		return false;
	digits = parse_kid(text + prefix, size - prefix, &blob->kid);
	if (digits == 0)
		return false;
	prefix += digits + 1;
	blob->size = sizeof(blob->sealed);
	return op_base64url_decode(text + prefix, size - prefix, blob->sealed, &blob->size);
}

OpBytes
op_blob_label(uint32 kid, char *label)
{
	char   digits[KID_MAX_DIGITS];
	size_t n = 0;
	size_t size = sizeof(OP_BLOB_LABEL) - 1;

	memcpy(label, OP_BLOB_LABEL, sizeof(OP_BLOB_LABEL)); /* its zero is overwritten */
	do
		digits[n++] = (char) ('0' + kid % 10);
	while ((kid /= 10) > 0);
	while (n > 0)
		label[size++] = digits[--n];
	return (OpBytes){(const uint8 *) label, size};
}

/* ---------- the plaintext ---------- */

static const char *const names[OP_NBLOB_MEMBERS] = {
	[OP_BLOB_NUMBER] = "number",
	[OP_BLOB_HOLDER] = "holder",
	[OP_BLOB_EXPIRY] = "expiry",
	[OP_BLOB_ORDER_ID] = "order_id",
	[OP_BLOB_TOKEN] = "token",
};

typedef struct Reader
{
	const uint8 *next;
	const uint8 *end;
} Reader;

static void
skip_blanks(Reader *reader)
{
	while (reader->next < reader->end &&
		   (*reader->next == ' ' || *reader->next == '\t' || *reader->next == '\n' ||
			*reader->next == '\r'))
		reader->next++;
}

static bool
take(Reader *reader, uint8 c)
{
	if (reader->next == reader->end || *reader->next != c)
		return false;
	reader->next++;
	return true;
}

/* Bytes of the character in UTF-8 (RFC 3629) that stands next, or 0 if none does. */
static size_t
utf8_size(const Reader *reader)
{
	const uint8 *c = reader->next;
	size_t		 left = (size_t) (reader->end - c);
	size_t		 size = c[0] < 0x80 ? 1 : c[0] < 0xE0 ? 2
									  : c[0] < 0xF0	  ? 3
													  : 4;

	if ((c[0] >= 0x80 && c[0] < 0xC2) || c[0] > 0xF4 || size > left)
		return 0;
	for (size_t i = 1; i < size; i++)
	{
		if ((c[i] & 0xC0) != 0x80)
			return 0;
	}
	/* longer than need be, half of a surrogate pair, beyond U+10FFFF */
	if ((c[0] == 0xE0 && c[1] < 0xA0) || (c[0] == 0xED && c[1] > 0x9F) ||
		(c[0] == 0xF0 && c[1] < 0x90) || (c[0] == 0xF4 && c[1] > 0x8F))
		return 0;
	return size;
}

static bool
read_hex(Reader *reader, uint32 *value)
{
	*value = 0;
	for (int i = 0; i < 4; i++)
	{
		uint8 c = reader->next < reader->end ? *reader->next++ : 0;

		if (c >= '0' && c <= '9')
			*value = *value << 4 | (uint32) (c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*value = *value << 4 | (uint32) ((c | 0x20) - 'a' + 10);
		else
			return false;
	}
	return true;
}

/* After \u: four digits, or eight with another \u between if it is a surrogate pair. */
static bool
read_code_point(Reader *reader, uint32 *code)
{
	uint32 low;

	if (!read_hex(reader, code) || *code == 0 || (*code >= 0xDC00 && *code <= 0xDFFF))
		return false;
	if (*code < 0xD800 || *code > 0xDBFF)
		return true;
	if (!take(reader, '\\') || !take(reader, 'u') || !read_hex(reader, &low) || low < 0xDC00 ||
		low > 0xDFFF)
		return false;
	*code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
	return true;
}

/* Takes at least as many bytes of the plaintext as it writes. */
static void
append_code_point(OpBlobText *text, uint32 code)
{
	char *to = text->data + text->size;

	if (code < 0x80)
		to[0] = (char) code;
	else if (code < 0x800)
		to[0] = (char) (0xC0 | code >> 6);
	else if (code < 0x10000)
	{
		to[0] = (char) (0xE0 | code >> 12);
		to[1] = (char) (0x80 | (code >> 6 & 0x3F));
	}
	else
	{
		to[0] = (char) (0xF0 | code >> 18);
		to[1] = (char) (0x80 | (code >> 12 & 0x3F));
		to[2] = (char) (0x80 | (code >> 6 & 0x3F));
	}
	text->size += code < 0x80 ? 1 : code < 0x800 ? 2
								: code < 0x10000 ? 3
												 : 4;
	if (code >= 0x80)
		text->data[text->size - 1] = (char) (0x80 | (code & 0x3F));
}

static bool
read_escape(Reader *reader, OpBlobText *text)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char		 *escape;
	uint32			  code;

	if (take(reader, 'u'))
	{
		if (!read_code_point(reader, &code))
			return false;
		append_code_point(text, code);
		return true;
	}
	if (reader->next == reader->end || *reader->next == '\0')
		return false;
	escape = strchr(escapes, *reader->next++);
	if (escape == NULL)
		return false;
	text->data[text->size++] = meanings[escape - escapes];
	return true;
}

static bool
read_text(Reader *reader, OpBlobText *text)
{
	text->size = 0;
	if (!take(reader, '"'))
		return false;
	while (reader->next < reader->end && *reader->next != '"')
	{
		size_t size;

		if (take(reader, '\\'))
		{
			if (!read_escape(reader, text))
				return false;
			continue;
		}
		size = utf8_size(reader);
		if (size == 0 || *reader->next < ' ')
			return false;
		memcpy(text->data + text->size, reader->next, size);
		text->size += size;
		reader->next += size;
	}
	text->data[text->size] = '\0';
	return take(reader, '"');
}

static OpBlobText *
member_named(OpBlobCard *card, const OpBlobText *name)
{
	for (int i = 0; i < OP_NBLOB_MEMBERS; i++)
	{
		if (strcmp(name->data, names[i]) == 0)
			return &card->members[i];
	}
	return NULL;
}

static bool
read_member(Reader *reader, OpBlobCard *card)
{
	OpBlobText	name;
	OpBlobText *member;

	skip_blanks(reader);
	if (!read_text(reader, &name))
		return false;
	member = member_named(card, &name);
	if (member == NULL || member->size > 0)
		return false;
	skip_blanks(reader);
	if (!take(reader, ':'))
		return false;
	skip_blanks(reader);
	if (!read_text(reader, member) || member->size == 0)
		return false;
	skip_blanks(reader);
	return true;
}

static bool
read_object(Reader *reader, OpBlobCard *card)
{
	skip_blanks(reader);
	if (!take(reader, '{'))
		return false;
	do
	{
		if (!read_member(reader, card))
			return false;
	} while (take(reader, ','));
	if (!take(reader, '}'))
		return false;
	skip_blanks(reader);
	return reader->next == reader->end;
}

bool
op_blob_read_card(OpBytes plain, OpBlobCard *card)
{
	Reader reader = {plain.data, plain.data + plain.size};

	memset(card, 0, sizeof(*card));
	if (plain.size <= OP_BLOB_PLAIN_MAX && read_object(&reader, card) &&
		card->members[OP_BLOB_NUMBER].size > 0)
		return true;
	op_cleanse(card, sizeof(*card));
	return false;
}
