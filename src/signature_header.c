/*
 * signature_header.c
 *	  What headers of HTTP say of signatures; see signature_header.h.
 */
#include "postgres.h"

#include "fields.h"
#include "signature_header.h"

#define SCHEME "v1"

bool
op_header_time(OpBytes text, int64 *seconds)
{
	*seconds = 0;
	if (text.size == 0 || text.size > OP_TIME_DIGITS_MAX || text.data[0] == '0')
		return false;
	for (size_t i = 0; i < text.size; i++)
	{
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		*seconds = *seconds * 10 + (text.data[i] - '0');
	}
	return true;
}

/* Takes what stands before the separator, or all that is left; false if nothing is. */
static bool
take_item(OpBytes *rest, char separator, OpBytes *item)
{
	const uint8 *found;

	if (rest->data == NULL)
		return false;
	found = rest->size > 0 ? memchr(rest->data, separator, rest->size) : NULL;
	*item = (OpBytes){rest->data, found ? (size_t) (found - rest->data) : rest->size};
	*rest = found ? (OpBytes){found + 1, rest->size - item->size - 1} : (OpBytes){NULL, 0};
	return true;
}

/* Small letters alone: a text that differs is another one. */
static bool
add_hex(OpBytes text, OpDigests *digests)
{
	for (size_t i = 0; i < text.size; i++)
	{
		if (text.data[i] >= 'A' && text.data[i] <= 'Z')
			return false;
	}
	return digests->n < OP_HEADER_DIGESTS &&
		   op_hex_decode((const char *) text.data, text.size, digests->digest[digests->n++],
						 OP_DIGEST_SIZE);
}

static bool
add_base64(OpBytes text, OpDigests *digests)
{
	size_t size = OP_DIGEST_SIZE;

	return digests->n < OP_HEADER_DIGESTS &&
		   op_base64_decode((const char *) text.data, text.size, digests->digest[digests->n++],
							&size) &&
		   size == OP_DIGEST_SIZE;
}

bool
op_stripe_header(OpBytes header, OpBytes *time, OpDigests *digests)
{
	OpBytes item;

	*time = (OpBytes){NULL, 0};
	digests->n = 0;
	while (take_item(&header, ',', &item))
	{
		OpBytes value = item;
		OpBytes name;

		take_item(&value, '=', &name);
		if (value.data == NULL)
			return false;
		if (op_bytes_are(name, "t"))
		{
			if (time->data != NULL)
				return false;
			*time = value;
		}
		else if (op_bytes_are(name, SCHEME) && !add_hex(value, digests))
			return false;
	}
	return time->data != NULL && digests->n > 0;
}

bool
op_webhook_header(OpBytes header, OpDigests *digests)
{
	OpBytes item;

	digests->n = 0;
	while (take_item(&header, ' ', &item))
	{
		OpBytes value = item;
		OpBytes name;

		take_item(&value, ',', &name);
		if (value.data == NULL)
			return false;
		if (op_bytes_are(name, SCHEME) && !add_base64(value, digests))
			return false;
	}
	return digests->n > 0;
}
