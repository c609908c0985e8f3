/*
 * crypto_text.c
 *	  Bytes as text: hexadecimal digits, base64, base64url.
 *
 * digit	a character that stands for four or six bits
 *
 * A decoder takes no other text for given bytes than the encoder writes, but for
 * the capitals of hexadecimal digits: so who changes one character of a signature
 * changes the signature.
 */
#include "postgres.h"

#include "crypto_private.h"

#define DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* What the two of them differ in. */
typedef struct Base64
{
	char digits[65];
	bool padded; /* to a multiple of four characters */
} Base64;

static const Base64 base64 = {DIGITS "+/", true};
static const Base64 base64url = {DIGITS "-_", false};

/* ---------- hexadecimal ---------- */

/* The value of a hexadecimal digit, or 16 and more. */
static unsigned
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned) (c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned) (c - 'a' + 10);
	if (c >= 'A' && c <= 'F')
		return (unsigned) (c - 'A' + 10);
	return 16;
}

bool
op_hex_decode(const char *text, size_t length, uint8 *bytes, size_t size)
{
	unsigned bad = 0;

	if (length != 2 * size)
		return op_crypto_end(false, bytes, size);
	for (size_t i = 0; i < size; i++)
	{
		unsigned high = hex_value(text[2 * i]);
		unsigned low = hex_value(text[2 * i + 1]);

		bad |= (high | low) & 16;
		bytes[i] = (uint8) ((high & 15) << 4 | (low & 15));
	}
	return op_crypto_end(bad == 0, bytes, size);
}

/* ---------- base64 and base64url ---------- */

static char *
encode(const Base64 *form, OpBytes bytes, char *text)
{
	uint32 bits = 0;
	int	   pending = 0; /* of these, not yet written */

	for (size_t i = 0; i < bytes.size; i++)
	{
		bits = bits << 8 | bytes.data[i];
		for (pending += 8; pending >= 6; pending -= 6)
			*text++ = form->digits[bits >> (pending - 6) & 63];
	}
	if (pending > 0)
		*text++ = form->digits[bits << (6 - pending) & 63];
	return text;
}

void
op_base64url_encode(OpBytes bytes, char *text)
{
	encode(&base64url, bytes, text);
}

void
op_base64_encode(OpBytes bytes, char *text)
{
	char *end = text + OP_BASE64_SIZE(bytes.size);

	for (text = encode(&base64, bytes, text); text < end; text++)
		*text = '=';
}

/* The value of a digit, or -1. */
static int
digit_value(const Base64 *form, char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == form->digits[62])
		return 62;
	return c == form->digits[63] ? 63 : -1;
}

/* How many digits stand before the padding; 1, too few for a byte, where that is wrong. */
static size_t
length_of_digits(const Base64 *form, const char *text, size_t length)
{
	size_t digits = length;

	if (!form->padded)
		return length;
	while (digits > 0 && length - digits < 2 && text[digits - 1] == '=')
		digits--;
	return length % 4 == 0 ? digits : 1;
}

static bool
decode(const Base64 *form, const char *text, size_t length, uint8 *bytes, size_t *size)
{
	size_t n = length_of_digits(form, text, length);
	size_t room = *size;
	size_t written = 0;
	uint32 bits = 0;
	int	   pending = 0; /* of these, not yet written */
	bool   ok = n % 4 != 1 && n / 4 * 3 + n % 4 * 3 / 4 <= room;

	for (size_t i = 0; ok && i < n; i++)
	{
		int value = digit_value(form, text[i]);

		ok = value >= 0;
		bits = bits << 6 | (uint32) value;
		pending += 6;
		if (ok && pending >= 8)
		{
			pending -= 8;
			bytes[written++] = (uint8) (bits >> pending);
		}
	}
	/* bits that no byte takes up must be zero, or several texts would say the same */
	ok = ok && (bits & ((1U << pending) - 1)) == 0;
	*size = ok ? written : 0;
	return op_crypto_end(ok, bytes, written);
}

bool
op_base64url_decode(const char *text, size_t length, uint8 *bytes, size_t *size)
{
	return decode(&base64url, text, length, bytes, size);
}

bool
op_base64_decode(const char *text, size_t length, uint8 *bytes, size_t *size)
{
	return decode(&base64, text, length, bytes, size);
}
