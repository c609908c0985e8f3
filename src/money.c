/*
 * money.c
 *		Arithmetic on amounts: net, fee, and a gateway's units.
 *
 * Vocabulary.  An amount is a numeric in major units (10.50 is ten dollars and
 * fifty cents) that is finite and needs no more decimals than its currency
 * has; trailing zeros do not count.  Its sign is free where a function does not
 * say otherwise, for a discount is negative.  A unit is the currency's minor
 * unit (cent), and an amount in units is a whole number.  The exponents of a
 * gateway are those that it uses instead of the currencies'.
 *
 * Exactness.  Nothing passes through a float.  Whatever is divided or rounded
 * is first brought to units, where products are whole or keep every decimal of
 * the other factor, so that numeric never has to shorten one; then it is
 * rounded once.
 *
 * Errors.  An argument that makes no sense is 22023, a result that does not fit
 * its type is 22003 and mostly PostgreSQL's own.  No message shows a figure: it
 * may be a card number that was bound to the wrong parameter, or be 131072
 * digits long.  A code is shown once it is known to be one.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/jsonb.h"

#include "compat.h"
#include "currency.h"
#include "money.h"

#define MAX_GATEWAY_EXPONENT OP_CURRENCY_MAX_EXPONENT /* wei are the finest */

StaticAssertDecl(OP_CURRENCY_MAX_EXPONENT <= OP_INT64_DIGITS,
				 "the factor between units and amounts must fit in an int64");

Numeric
op_zero(void)
{
	static Numeric zero = NULL;

	if (zero == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);

		zero = int64_to_numeric(0);
		MemoryContextSwitchTo(caller);
	}
	return zero;
}

PG_FUNCTION_INFO_V1(op_is_amount);
PG_FUNCTION_INFO_V1(op_net_amount);
PG_FUNCTION_INFO_V1(op_payment_fee);
PG_FUNCTION_INFO_V1(op_to_minor_units);
PG_FUNCTION_INFO_V1(op_from_minor_units);

/* ---------- what an argument may be ---------- */

/*
 * The display scale is a field of the number's header, so it is asked first;
 * only a number written with too many decimals needs its digits looked at for
 * trailing zeros. Both functions return NULL for what is not finite, which a
 * direct call forbids.
 */
static bool
fits_scale(Numeric value, int decimals)
{
	Datum datum = NumericGetDatum(value);

	return op_scale(value) <= decimals ||
		   DatumGetInt32(DirectFunctionCall1(numeric_min_scale, datum)) <= decimals;
}

static void
check_finite(Numeric value, const char *what)
{
	if (!op_is_finite(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be finite", what),
				 errhint("NaN and infinity are no figures; for one that is not known, give NULL.")));
}

void
op_check_not_negative(Numeric value, const char *what)
{
	check_finite(value, what);
	if (op_sign(value) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", what),
				 errhint("Give it without its sign; the function knows which way it counts.")));
}

int
op_check_amount(Numeric amount, const text *currency, const char *what)
{
	int exponent = op_required_exponent(VARDATA_ANY(currency), VARSIZE_ANY_EXHDR(currency));

	check_finite(amount, what);
	if (!fits_scale(amount, exponent))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has more decimals than its currency", what),
				 errdetail("Decimals of %.*s: %d.", (int) VARSIZE_ANY_EXHDR(currency), VARDATA_ANY(currency), exponent),
				 errhint("Round it first; amounts are never rounded silently.")));

	return exponent;
}

bool
op_is_amount_of(Numeric amount, const text *currency)
{
	int exponent = op_exponent_of(VARDATA_ANY(currency), VARSIZE_ANY_EXHDR(currency));

	return exponent >= 0 && op_is_finite(amount) && fits_scale(amount, exponent);
}

Datum
op_is_amount(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(op_is_amount_of(PG_GETARG_NUMERIC(0), PG_GETARG_TEXT_PP(1)));
}

/* ---------- units ---------- */

Numeric
op_to_units(Numeric amount, int exponent)
{
	Numeric units = op_mul(amount, int64_to_numeric(op_power_of_ten(exponent)));

	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(units)));
}

/* as exact */
static Numeric
from_units(Numeric units, int exponent)
{
	return op_mul(units, int64_div_fast_to_numeric(1, exponent));
}

/* ---------- net and fee ---------- */

/*
 * With two arguments what is expected, with four what was achieved; one C
 * function, because the two have one name.
 */
Datum
op_net_amount(PG_FUNCTION_ARGS)
{
	Numeric net = PG_GETARG_NUMERIC(0);
	Numeric fee = PG_GETARG_NUMERIC(PG_NARGS() - 1);

	check_finite(fee, "fee");
	if (PG_NARGS() == 2)
		op_check_not_negative(net, "amount");
	else
	{
		Numeric refunded = PG_GETARG_NUMERIC(1);
		Numeric charged_back = PG_GETARG_NUMERIC(2);

		op_check_not_negative(net, "captured");
		op_check_not_negative(refunded, "refunded");
		op_check_not_negative(charged_back, "charged_back");
		if (op_sign(net) == 0)
			PG_RETURN_NUMERIC(net);
		net = op_sub(op_sub(net, refunded), charged_back);
	}

	PG_RETURN_NUMERIC(op_sub(net, fee));
}

/*
 * numeric rounds half away from zero, which is half-up here, for nothing is
 * negative.
 */
Numeric
op_fee(Numeric amount, Numeric rate, Numeric fixed, const text *currency)
{
	int		exponent = op_check_amount(amount, currency, "amount");
	Numeric units;

	op_check_not_negative(amount, "amount");
	op_check_not_negative(rate, "rate");
	op_check_not_negative(fixed, "fixed");
	if (op_cmp(rate, int64_to_numeric(1)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rate must not be more than 1"),
				 errhint("Give a fraction: 2.9 percent is 0.029.")));

	units = op_add(op_mul(op_to_units(amount, exponent), rate),
				   op_to_units(fixed, exponent));

	return from_units(op_round(units, 0), exponent);
}

Datum
op_payment_fee(PG_FUNCTION_ARGS)
{
	PG_RETURN_NUMERIC(op_fee(PG_GETARG_NUMERIC(0), PG_GETARG_NUMERIC(1), PG_GETARG_NUMERIC(2),
							 PG_GETARG_TEXT_PP(3)));
}

/* ---------- the units of a gateway ---------- */

static void
report_exceptions(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid exponents of a gateway"),
			 errdetail("%s", problem),
			 errhint("Give an object of currency codes and integers from 0 to %d, for example {\"ISK\": 2}.", MAX_GATEWAY_EXPONENT)));
}

static int
read_exception(const JsonbValue *value)
{
	Numeric number;

	if (value->type != jbvNumeric)
		report_exceptions("An exponent is not a number.");
	number = value->val.numeric;
	if (!fits_scale(number, 0) || op_sign(number) < 0 ||
		op_cmp(number, int64_to_numeric(MAX_GATEWAY_EXPONENT)) > 0)
		report_exceptions("An exponent is out of range.");

	return (int) op_to_int64(number);
}

/*
 * Every entry is looked at, not only that of the currency: a misspelt code
 * that is passed over means a hundred times the money.
 */
static int
gateway_exponent(const text *currency, int exponent, Jsonb *exceptions)
{
	JsonbIterator	  *iterator = JsonbIteratorInit(&exceptions->root);
	JsonbIteratorToken token;
	JsonbValue		   value;
	bool			   wanted = false;

	if (!JB_ROOT_IS_OBJECT(exceptions))
		report_exceptions("They are not a JSON object.");

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			(void) op_required_exponent(value.val.string.val, value.val.string.len);
			wanted = value.val.string.len == (int) VARSIZE_ANY_EXHDR(currency) &&
					 memcmp(value.val.string.val, VARDATA_ANY(currency), value.val.string.len) == 0;
		}
		else if (token == WJB_VALUE)
		{
			int exception = read_exception(&value);

			if (wanted)
				exponent = exception;
		}
	}

	return exponent;
}

Datum
op_to_minor_units(PG_FUNCTION_ARGS)
{
	Numeric		amount = PG_GETARG_NUMERIC(0);
	const text *currency = PG_GETARG_TEXT_PP(1);
	int			exponent = op_check_amount(amount, currency, "amount");
	int			theirs = gateway_exponent(currency, exponent, PG_GETARG_JSONB_P(2));

	if (!fits_scale(amount, theirs))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("amount has more decimals than the gateway can take"),
				 errdetail("Decimals of %.*s at the gateway: %d.", (int) VARSIZE_ANY_EXHDR(currency), VARDATA_ANY(currency), theirs),
				 errhint("Charge a rounder amount; amounts are never rounded silently.")));

	PG_RETURN_INT64(op_to_int64(op_to_units(amount, theirs)));
}

Datum
op_from_minor_units(PG_FUNCTION_ARGS)
{
	int64		minor = PG_GETARG_INT64(0);
	const text *currency = PG_GETARG_TEXT_PP(1);
	int			exponent = op_required_exponent(VARDATA_ANY(currency), VARSIZE_ANY_EXHDR(currency));
	int			theirs = gateway_exponent(currency, exponent, PG_GETARG_JSONB_P(2));
	Numeric		amount = int64_div_fast_to_numeric(minor, theirs);

	if (!fits_scale(amount, exponent))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("figure of the gateway is no amount in its currency"),
				 errdetail("Decimals of %.*s: %d, at the gateway: %d.", (int) VARSIZE_ANY_EXHDR(currency), VARDATA_ANY(currency), exponent, theirs),
				 errhint("Compare the gateway's exponents with its documentation.")));

	/* exact: it only sets how many decimals are shown */
	PG_RETURN_NUMERIC(op_round(amount, exponent));
}
