/*
 * money.h
 *		Arithmetic on amounts, to C: numeric in, numeric out.
 *
 * The vocabulary is in money.c.
 */
#ifndef OP_MONEY_H
#define OP_MONEY_H

#include "fmgr.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

static inline Numeric
op_numeric_call(PGFunction function, Numeric a, Numeric b)
{
	return DatumGetNumeric(DirectFunctionCall2(function, NumericGetDatum(a), NumericGetDatum(b)));
}

static inline Numeric
op_numeric_add(Numeric a, Numeric b)
{
	return op_numeric_call(numeric_add, a, b);
}

static inline Numeric
op_numeric_sub(Numeric a, Numeric b)
{
	return op_numeric_call(numeric_sub, a, b);
}

static inline Numeric
op_numeric_mul(Numeric a, Numeric b)
{
	return op_numeric_call(numeric_mul, a, b);
}

/* negative, zero or positive; NaN is above everything */
static inline int
op_numeric_cmp(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

static inline int
op_numeric_sign(Numeric a)
{
	return op_numeric_cmp(a, int64_to_numeric(0));
}

static inline bool
op_numeric_is_zero(Numeric a)
{
	return op_numeric_sign(a) == 0;
}

static inline Numeric
op_numeric_round(Numeric a, int decimals)
{
	return DatumGetNumeric(DirectFunctionCall2(numeric_round, NumericGetDatum(a),
											   Int32GetDatum(decimals)));
}

/* how many decimals are shown, zeros too; not of NaN and infinity */
static inline int
op_numeric_scale(Numeric a)
{
	return DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(a)));
}

static inline int64
op_numeric_int64(Numeric a)
{
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(a)));
}

#define OP_INT64_DIGITS 18 /* a number of that many digits fits in an int64 */

static inline int64
op_power_of_ten(int exponent)
{
	int64 power = 1;

	Assert(exponent >= 0 && exponent <= OP_INT64_DIGITS);
	while (exponent-- > 0)
		power *= 10;

	return power;
}

/* error 22023 if it is not finite, or is negative; what: the argument's name */
extern void op_check_not_negative(Numeric value, const char *what);

/* the exponent of the currency, or error 22023 if this is no amount in it */
extern int op_check_amount(Numeric amount, const text *currency, const char *what);

/* amount * 10 ^ exponent, exact, without decimals that are zero */
extern Numeric op_to_units(Numeric amount, int exponent);

/* what payment_fee() returns, with its errors */
extern Numeric op_fee(Numeric amount, Numeric rate, Numeric fixed, const text *currency);

#endif /* OP_MONEY_H */
