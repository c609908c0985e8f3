/*
 * card_text.c
 *		What can be said of a card number that is given as text.
 *
 * A card number is taken as the trigger protect_card takes it (pan.h): digits,
 * with single spaces or hyphens between them.  card_brand() and card_mask()
 * want that form and no more: a number with a wrong check digit has a brand and
 * a mask as well, which a customer may be shown.
 *
 * Rule.  What was given is never repeated, in no message and in no line of the
 * log: a text that is no card number for a typing error is nearly one.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "compat.h"
#include "pan.h"
#include "card_text.h"

typedef struct FaultText
{
	const char *detail;
	const char *hint;
} FaultText;

static const FaultText fault_texts[] = {
	[OP_PAN_GOOD] = {NULL, NULL},
	[OP_PAN_NOT_DIGITS] = {
		"A card number is 12 to 19 digits, with nothing but single spaces or hyphens between them. The text given is not shown.",
		"Send the whole number as it is printed on the card, in ASCII digits.",
	},
	[OP_PAN_LENGTH] = {
		"No card of that brand has as many digits. The number given is not shown.",
		"Ask for the number again: digits are missing, or there are too many.",
	},
	[OP_PAN_LUHN] = {
		"The check digit is wrong. The number given is not shown.",
		"Ask for the number again: a digit is mistyped, or two are swapped.",
	},
};

StaticAssertDecl(lengthof(fault_texts) == OP_PAN_LUHN + 1, "every fault must be explained");

void
op_refuse_card_number(OpPanFault fault)
{
	Assert(fault != OP_PAN_GOOD);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid card number"),
			 errdetail("%s", fault_texts[fault].detail),
			 errhint("%s", fault_texts[fault].hint),
			 errhidestmt(true),
			 errhidecontext(true)));
	pg_unreachable();
}

/* The digits of the argument, or the error; their number. */
static int
required_digits(const text *number, char digits[OP_PAN_MAX + 1])
{
	int n = op_pan_digits(VARDATA_ANY(number), VARSIZE_ANY_EXHDR(number), digits);

	if (n == 0)
		op_refuse_card_number(OP_PAN_NOT_DIGITS);
	return n;
}

PG_FUNCTION_INFO_V1(op_card_brand);
Datum
op_card_brand(PG_FUNCTION_ARGS)
{
	char		   digits[OP_PAN_MAX + 1];
	int			   n = required_digits(PG_GETARG_TEXT_PP(0), digits);
	const OpBrand *brand = op_pan_brand(digits, n);

	explicit_bzero(digits, sizeof(digits));
	if (brand == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(brand->name));
}

PG_FUNCTION_INFO_V1(op_card_mask);
Datum
op_card_mask(PG_FUNCTION_ARGS)
{
	char digits[OP_PAN_MAX + 1];
	char mask[OP_PAN_MASK_SIZE + 1];
	int	 n = required_digits(PG_GETARG_TEXT_PP(0), digits);

	op_pan_mask(digits, n, mask);
	explicit_bzero(digits, sizeof(digits));
	PG_RETURN_TEXT_P(cstring_to_text(mask));
}

PG_FUNCTION_INFO_V1(op_luhn_valid);
Datum
op_luhn_valid(PG_FUNCTION_ARGS)
{
	const text *number = PG_GETARG_TEXT_PP(0);
	char		digits[OP_PAN_MAX + 1];
	int			n = op_pan_digits(VARDATA_ANY(number), VARSIZE_ANY_EXHDR(number), digits);
	bool		valid = n > 0 && op_pan_luhn(digits, n);

	explicit_bzero(digits, sizeof(digits));
	PG_RETURN_BOOL(valid);
}
