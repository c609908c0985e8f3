/*
 * card.c
 *	  Card data in clear, and the functions seal() and reveal().
 *
 * Clear text exists in the statement that brings it, in buffers here that are
 * cleansed before a function returns, and in what reveal() gives to its caller.
 * An error on the way tells neither the value nor the statement.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "compat.h"
#include "card.h"
#include "card_text.h"
#include "errors.h"
#include "log_guard.h"
#include "reveal_log.h"
#include "sealed.h"
#include "sealed_card.h"
#include "settings.h"

/* ---------- reading ---------- */

static void
read_number(const char *text, size_t size, OpClear *clear)
{
	char	   digits[OP_PAN_MAX + 1];
	int		   n = op_pan_digits(text, size, digits);
	OpPanFault fault = n == 0 ? OP_PAN_NOT_DIGITS : op_pan_check(digits, n);

	if (fault == OP_PAN_GOOD)
	{
		memcpy(clear->data, digits, n);
		clear->size = n;
		op_pan_mask(digits, n, clear->mask);
	}
	op_cleanse(digits, sizeof(digits));
	if (fault != OP_PAN_GOOD)
		op_refuse_card_number(fault);
}

static void
refuse_holder(const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid card holder"),
					errdetail_internal("%s", detail), errhidestmt(true), errhidecontext(true)));
}

static void
read_holder(const char *utf8, size_t size, OpClear *clear)
{
	char *mask;

	if (size == 0 || size > OP_HOLDER_MAX)
		refuse_holder("It has 1 to 96 bytes in UTF-8.");
	if (memchr(utf8, '*', size) != NULL)
		refuse_holder("Stars are for masks, and this is none that the row had before.");
	memcpy(clear->data, utf8, size);
	clear->size = size;
	op_holder_mask(utf8, size, clear->mask);
	mask = pg_any_to_server(clear->mask, (int) strlen(clear->mask), PG_UTF8);
	if (mask != clear->mask)
		strlcpy(clear->mask, mask, sizeof(clear->mask));
}

static void
read_expiry(const char *text, size_t size, OpClear *clear)
{
	char yymm[OP_EXPIRY_SIZE];

	if (!op_expiry(text, size, yymm))
		ereport(ERROR, (errcode(ERRCODE_INVALID_DATETIME_FORMAT), errmsg("invalid card expiry"),
						errhint("Write month and year as MM/YY."), errhidestmt(true),
						errhidecontext(true)));
	memcpy(clear->data, yymm, OP_EXPIRY_SIZE);
	clear->size = OP_EXPIRY_SIZE;
	strlcpy(clear->mask, OP_EXPIRY_MASK, sizeof(clear->mask));
	op_cleanse(yymm, sizeof(yymm));
}

static void
read_text(const char *utf8, size_t size, OpClear *clear)
{
	if (size > OP_PLAIN_MAX)
		ereport(ERROR, (errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
						errmsg("the value is too long to be sealed"),
						errdetail("A field \"text\" holds at most %d bytes.", OP_PLAIN_MAX),
						errhidestmt(true), errhidecontext(true)));
	memcpy(clear->data, utf8, size);
	clear->size = size;
	clear->mask[0] = '\0';
}

typedef void (*ReadFunction)(const char *utf8, size_t size, OpClear *clear);

/* Fields that never come in clear are not here. */
static const ReadFunction readers[OP_NFIELDS] = {
	[OP_FIELD_NUMBER] = read_number,
	[OP_FIELD_HOLDER] = read_holder,
	[OP_FIELD_EXPIRY] = read_expiry,
	[OP_FIELD_TEXT] = read_text,
};

void
op_read_clear(OpField field, const char *text, size_t size, OpClear *clear)
{
	char *utf8;

	op_require_log_guard("clear card data", ", or send the card sealed");
	utf8 = pg_server_to_any(text, (int) size, PG_UTF8);
	readers[field](utf8, utf8 == text ? size : strlen(utf8), clear);
	if (utf8 != text)
		op_cleanse(utf8, strlen(utf8));
}

void
op_read_opened(OpField field, const char *utf8, size_t size, OpClear *clear)
{
	readers[field](utf8, size, clear);
}

static bool
is_holder_mask(const char *text, size_t size)
{
	char *utf8 = pg_server_to_any(text, (int) size, PG_UTF8);

	return op_is_holder_mask(utf8, utf8 == text ? size : strlen(utf8));
}

bool
op_is_mask(OpField field, const char *text, size_t size)
{
	switch (field)
	{
		case OP_FIELD_NUMBER:
			return op_is_pan_mask(text, size);
		case OP_FIELD_HOLDER:
			return is_holder_mask(text, size);
		case OP_FIELD_EXPIRY:
			return size == strlen(OP_EXPIRY_MASK) && memcmp(text, OP_EXPIRY_MASK, size) == 0;
		default:
			return false;
	}
}

/* ---------- showing ---------- */

text *
op_show_plain(OpField field, const uint8 *plain, size_t size)
{
	const char *utf8 = (const char *) plain;
	char	   *shown;
	text	   *result;

	if (field == OP_FIELD_EXPIRY && size == OP_EXPIRY_SIZE)
	{
		char expiry[sizeof(OP_EXPIRY_MASK)] = {utf8[2], utf8[3], '/', utf8[0], utf8[1]};

		result = cstring_to_text(expiry);
		op_cleanse(expiry, sizeof(expiry));
		return result;
	}
	/* what was sealed by somebody else's key holder may be no text at all */
	if (!pg_verify_mbstr(PG_UTF8, utf8, (int) size, true))
		op_refuse_to_open();
	shown = pg_any_to_server(utf8, (int) size, PG_UTF8);
	result = cstring_to_text_with_len(shown, shown == utf8 ? (int) size : (int) strlen(shown));
	if (shown != utf8)
		op_cleanse(shown, strlen(shown));
	return result;
}

/* ---------- seal() and reveal() ---------- */

/* One part of a card that was sealed outside; false if it has none. */
static bool
read_sealed_card(OpField field, const text *given, OpBytes bound_to, OpClear *clear)
{
	OpTokenScope scope = {InvalidOid, bound_to};
	OpBlobText	*value;
	OpBlobCard	 card;
	OpToken		 token;

	op_open_sealed_card(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), &scope, &card, &token);
	value = &card.members[field - OP_FIELD_NUMBER];
	clear->size = 0;
	PG_TRY();
	{
		if (value->size > 0)
			op_read_opened(field, value->data, value->size, clear);
	}
	PG_FINALLY();
	{
		op_cleanse(&card, sizeof(card));
	}
	PG_END_TRY();
	return clear->size > 0;
}

PG_FUNCTION_INFO_V1(op_seal);

/* (plaintext, field, bound_to) */
Datum
op_seal(PG_FUNCTION_ARGS)
{
	text   *given = PG_GETARG_TEXT_PP(0);
	text   *name = PG_GETARG_TEXT_PP(1);
	bytea  *bound_to = PG_GETARG_BYTEA_PP(2);
	OpField field = op_field_by_name(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
	OpClear clear;
	OpSealed *volatile result = NULL;

	if (field == 0 || readers[field] == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("there is no such field to be sealed"),
						errhint("The fields are \"number\", \"holder\", \"expiry\" and \"text\"."),
						errhidestmt(true), errhidecontext(true)));
	if (field <= OP_FIELD_EXPIRY && op_is_blob(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given)))
	{
		if (!read_sealed_card(field, given, op_varlena_bytes(bound_to), &clear))
			PG_RETURN_NULL();
	}
	else
		op_read_clear(field, VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), &clear);
	PG_TRY();
	{
		result =
			op_seal_bytes(field, op_varlena_bytes(bound_to), (OpBytes){clear.data, clear.size});
	}
	PG_FINALLY();
	{
		op_cleanse(clear.data, clear.size);
	}
	PG_END_TRY();
	PG_RETURN_SEALED_P(result);
}

PG_FUNCTION_INFO_V1(op_reveal);

/* (value, bound_to) */
Datum
op_reveal(PG_FUNCTION_ARGS)
{
	OpSealed  *value = PG_GETARG_SEALED_P(0);
	bytea	  *bound_to = PG_GETARG_BYTEA_PP(1);
	OpEnvelope envelope;
	uint8	   plain[OP_PLAIN_MAX];
	size_t	   size;
	text *volatile result = NULL;

	if (!op_sealed_parse(value, &envelope))
		op_refuse_to_open();
	if (op_fields[envelope.field].visibility != OP_REVEALED)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("a sealed value of the field \"%s\" is never revealed",
							   op_fields[envelope.field].name)));
	op_record_reveal(&(OpReveal){.what = "reveal",
								 .field = op_fields[envelope.field].name,
								 .key_id = (int) envelope.key_id,
								 .bound_to = VARDATA_ANY(bound_to),
								 .bound_to_size = VARSIZE_ANY_EXHDR(bound_to),
								 .units = 1});
	if (!op_open_sealed(value, envelope.field, op_varlena_bytes(bound_to), OP_OPEN_TO_SHOW, plain,
						&size))
		op_refuse_to_open();
	PG_TRY();
	{
		result = op_show_plain(envelope.field, plain, size);
	}
	PG_FINALLY();
	{
		op_cleanse(plain, size);
	}
	PG_END_TRY();
	PG_RETURN_TEXT_P(result);
}

/* ---------- is a stored card sound? ---------- */

/* What is wrong with a value that opens, or NULL. Compared in UTF-8, as it was sealed. */
static const char *
mask_fault(OpField field, const uint8 *plain, size_t size, const char *shown)
{
	char mask[OP_PAN_MASK_SIZE + 1] = OP_EXPIRY_MASK;

	if (field == OP_FIELD_NUMBER)
		op_pan_mask((const char *) plain, (int) size, mask);
	else if (field == OP_FIELD_HOLDER)
		op_holder_mask((const char *) plain, size, mask);
	return strcmp(mask, shown) == 0 ? NULL : "the mask is of another value";
}

PG_FUNCTION_INFO_V1(op_card_fault);

/* (value, shown, bound_to): NULL if the value opens and is what its mask says */
Datum
op_card_fault(PG_FUNCTION_ARGS)
{
	OpSealed   *value = PG_GETARG_SEALED_P(0);
	char	   *shown = text_to_cstring(PG_GETARG_TEXT_PP(1));
	bytea	   *bound_to = PG_GETARG_BYTEA_PP(2);
	OpEnvelope	envelope;
	uint8		plain[OP_PLAIN_MAX];
	size_t		size;
	const char *fault;

	shown = pg_server_to_any(shown, (int) strlen(shown), PG_UTF8);
	if (!op_sealed_parse(value, &envelope) ||
		!op_open_sealed(value, envelope.field, op_varlena_bytes(bound_to), OP_OPEN_TO_RESEAL, plain,
						&size))
		PG_RETURN_TEXT_P(cstring_to_text("it does not open"));
	fault = mask_fault(envelope.field, plain, size, shown);
	op_cleanse(plain, size);
	if (fault == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(fault));
}
