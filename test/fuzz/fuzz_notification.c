/* needs src/form.c src/flat_xml.c src/json_member.c src/signature_header.c src/fields.c src/crypto.c src/crypto_digest.c src/crypto_text.c -lcrypto */
/*
 * fuzz_notification.c
 *		Any bytes are what a gateway sends: a form, flat XML, a reply, a header; or
 *		are refused.
 *
 * The first byte tells which. What was read lies within what was given or within
 * the room for it, and says the same when it is written and read again: a form
 * from its fields, XML likewise, a member of JSON on its own, a time from its
 * number, a digest from its bytes. No field is there twice, and all are in order.
 */
#include "postgres.h"

#include <stdio.h>

#include "flat_xml.h"
#include "form.h"
#include "fuzz.h"
#include "json_member.h"
#include "signature_header.h"

/* the server's own are in the server */
#undef qsort
#undef sprintf

extern void pg_qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *));

void
pg_qsort(void *base, size_t n, size_t size, int (*compare)(const void *, const void *))
{
	qsort(base, n, size, compare);
}

static OpFields fields;
static OpFields again;

/* ---------- what every reader of fields promises ---------- */

static bool
is_within(OpBytes part, const uint8 *start, size_t size)
{
	return part.data >= start && part.data + part.size <= start + size;
}

static void
must_be_sorted(void)
{
	for (size_t i = 1; i < fields.n; i++)
	{
		OpBytes a = fields.field[i - 1].name;
		OpBytes b = fields.field[i].name;
		int		order = memcmp(a.data, b.data, Min(a.size, b.size));

		must(order < 0 || (order == 0 && a.size < b.size));
	}
}

static bool
is_any(const OpMessageField *field)
{
	return true;
}

/* Whatever is joined has room, and each of its fields. */
static void
must_join(void)
{
	size_t size = op_fields_size(&fields);
	uint8 *text = malloc(size + 1);
	size_t used;

	must(text != NULL);
	used = op_fields_join(&fields, is_any, text);
	must(used == (fields.n == 0 ? 0 : size - 1));
	free(text);
}

static void
must_be_again(void)
{
	must(again.n == fields.n);
	for (size_t i = 0; i < fields.n; i++)
	{
		OpMessageField *a = &fields.field[i];
		OpMessageField *b = &again.field[i];

		must(a->name.size == b->name.size && memcmp(a->name.data, b->name.data, a->name.size) == 0);
		must(a->value.size == b->value.size &&
			 memcmp(a->value.data, b->value.data, a->value.size) == 0);
	}
}

/* ---------- forms ---------- */

static char *
write_escaped(char *to, OpBytes bytes)
{
	for (size_t i = 0; i < bytes.size; i++)
		to += sprintf(to, "%%%02x", bytes.data[i]);
	return to;
}

static void
try_form(OpBytes body)
{
	uint8 *room = malloc(body.size + 1);
	char  *text;
	char  *to;
	uint8 *room_again;

	must(room != NULL);
	if (op_form_read(body, room, &fields) == OP_FORM_GOOD)
	{
		must_be_sorted();
		must_join();
		text = to = malloc(6 * body.size + 16);
		room_again = malloc(6 * body.size + 16);
		must(text != NULL && room_again != NULL);
		for (size_t i = 0; i < fields.n; i++)
		{
			OpMessageField *field = &fields.field[i];

			must(field->name.size > 0 && is_within(field->name, room, body.size) &&
				 is_within(field->value, room, body.size));
			must(memchr(field->value.data, '\0', field->value.size) == NULL);
			if (i > 0)
				*to++ = '&';
			to = write_escaped(to, field->name);
			*to++ = '=';
			to = write_escaped(to, field->value);
		}
		must(op_form_read((OpBytes){(uint8 *) text, (size_t) (to - text)}, room_again, &again) ==
			 OP_FORM_GOOD);
		must_be_again();
		free(text);
		free(room_again);
	}
	free(room);
}

/* ---------- XML ---------- */

static char *
write_text(char *to, OpBytes bytes)
{
	for (size_t i = 0; i < bytes.size; i++)
	{
		if (bytes.data[i] == '<')
			to += sprintf(to, "&lt;");
		else if (bytes.data[i] == '&')
			to += sprintf(to, "&amp;");
		else if (bytes.data[i] == '>')
			to += sprintf(to, "&gt;");
		else
			*to++ = (char) bytes.data[i];
	}
	return to;
}

static void
try_xml(OpBytes body)
{
	uint8 *room = malloc(body.size + 1);
	char  *text;
	char  *to;
	uint8 *room_again;

	must(room != NULL);
	if (op_flat_xml_read(body, room, &fields))
	{
		must_be_sorted();
		must_join();
		text = to = malloc(8 * body.size + 64);
		room_again = malloc(8 * body.size + 64);
		must(text != NULL && room_again != NULL);
		to += sprintf(to, "<xml>");
		for (size_t i = 0; i < fields.n; i++)
		{
			OpMessageField *field = &fields.field[i];

			must(field->name.size > 0 && is_within(field->name, body.data, body.size) &&
				 is_within(field->value, room, body.size));
			to += sprintf(to, "<%.*s>", (int) field->name.size, (const char *) field->name.data);
			to = write_text(to, field->value);
			to += sprintf(to, "</%.*s>", (int) field->name.size, (const char *) field->name.data);
		}
		to += sprintf(to, "</xml>");
		must(op_flat_xml_read((OpBytes){(uint8 *) text, (size_t) (to - text)}, room_again, &again));
		must_be_again();
		free(text);
		free(room_again);
	}
	free(room);
}

/* ---------- JSON ---------- */

static bool
is_blank(uint8 c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
try_json(OpBytes body)
{
	if (!op_json_members(body, &fields))
		return;
	must(op_json_is_valid(body));
	must_be_sorted();
	for (size_t i = 0; i < fields.n; i++)
	{
		OpMessageField *field = &fields.field[i];

		must(is_within(field->name, body.data, body.size) && is_within(field->value, body.data, body.size));
		must(field->name.size > 0 && memchr(field->name.data, '\\', field->name.size) == NULL);
		must(field->name.data[-1] == '"' && field->name.data[field->name.size] == '"');
		must(field->value.size > 0 && op_json_is_valid(field->value));
		must(!is_blank(field->value.data[0]) &&
			 !is_blank(field->value.data[field->value.size - 1]));
	}
}

/* ---------- headers ---------- */

static void
try_time(OpBytes text)
{
	int64 seconds;
	char  written[32];

	if (op_header_time(text, &seconds))
	{
		must(seconds > 0);
		sprintf(written, "%lld", (long long) seconds);
		must(op_bytes_are(text, written));
	}
}

static void
must_be_digests(OpBytes header, const OpDigests *digests)
{
	must(digests->n > 0 && digests->n <= OP_HEADER_DIGESTS);
	must(digests->n * OP_DIGEST_SIZE <= header.size);
}

static void
try_headers(OpBytes header)
{
	static OpDigests digests;
	OpBytes			 time;

	if (header.size > OP_HEADER_MAX)
		return;
	try_time(header);
	if (op_webhook_header(header, &digests))
	{
		char base64[OP_BASE64_SIZE(OP_DIGEST_SIZE) + 1];

		must_be_digests(header, &digests);
		op_base64_encode((OpBytes){digests.digest[0], OP_DIGEST_SIZE}, base64);
		must(memmem(header.data, header.size, base64, OP_BASE64_SIZE(OP_DIGEST_SIZE)) != NULL);
	}
	if (op_stripe_header(header, &time, &digests))
	{
		char hex[2 * OP_DIGEST_SIZE + 1];

		must_be_digests(header, &digests);
		must(is_within(time, header.data, header.size));
		for (int i = 0; i < OP_DIGEST_SIZE; i++)
			sprintf(hex + 2 * i, "%02x", digests.digest[0][i]);
		must(memmem(header.data, header.size, hex, 2 * OP_DIGEST_SIZE) != NULL);
	}
}

/* ---------- base64 ---------- */

static void
try_base64(OpBytes text)
{
	size_t size = text.size;
	uint8 *bytes = malloc(size + 1);
	char  *written = malloc(text.size + 4);

	must(bytes != NULL && written != NULL);
	if (op_base64_decode((const char *) text.data, text.size, bytes, &size))
	{
		must(OP_BASE64_SIZE(size) == text.size);
		op_base64_encode((OpBytes){bytes, size}, written);
		must(memcmp(written, text.data, text.size) == 0);
	}
	free(bytes);
	free(written);
}

static void (*const tries[])(OpBytes) = {try_form, try_xml, try_json, try_headers, try_base64};

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	uint8 *copy;

	if (size == 0)
		return 0;
	/* in memory of its own, so that a byte too far is noticed */
	copy = malloc(size);
	must(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	tries[data[0] % lengthof(tries)]((OpBytes){copy, size - 1});
	free(copy);
	return 0;
}
