/*
 * amount.h
 *	  Arithmetic on amounts, so that rules read as they are written.
 *
 * An amount is a numeric in major units; all of it is exact.
 */
#ifndef OP_AMOUNT_H
#define OP_AMOUNT_H

#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

/* the one zero of the backend: not to be freed */
extern Numeric op_zero(void);

static inline Numeric
op_add(Numeric a, Numeric b)
{
	return DatumGetNumeric(
		DirectFunctionCall2(numeric_add, NumericGetDatum(a), NumericGetDatum(b)));
}

static inline Numeric
op_sub(Numeric a, Numeric b)
{
	return DatumGetNumeric(
		DirectFunctionCall2(numeric_sub, NumericGetDatum(a), NumericGetDatum(b)));
}

static inline Numeric
op_mul(Numeric a, Numeric b)
{
	return DatumGetNumeric(
		DirectFunctionCall2(numeric_mul, NumericGetDatum(a), NumericGetDatum(b)));
}

/* the quotient without its fraction */
static inline Numeric
op_div_trunc(Numeric a, Numeric b)
{
	return DatumGetNumeric(
		DirectFunctionCall2(numeric_div_trunc, NumericGetDatum(a), NumericGetDatum(b)));
}

/* half away from zero */
static inline Numeric
op_round(Numeric a, int decimals)
{
	return DatumGetNumeric(
		DirectFunctionCall2(numeric_round, NumericGetDatum(a), Int32GetDatum(decimals)));
}

/* how many decimals are shown, zeros too; not of NaN and infinity */
static inline int
op_scale(Numeric a)
{
	return DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(a)));
}

static inline int64
op_to_int64(Numeric a)
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

static inline bool
op_is_finite(Numeric a)
{
	return !numeric_is_nan(a) && !numeric_is_inf(a);
}

/* negative, zero or positive; NaN is above everything */
static inline int
op_cmp(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

/* -1, 0 or 1 */
static inline int
op_sign(Numeric a)
{
	return op_cmp(a, op_zero());
}

static inline Numeric
op_min(Numeric a, Numeric b)
{
	return op_cmp(a, b) < 0 ? a : b;
}

static inline Numeric
op_max(Numeric a, Numeric b)
{
	return op_cmp(a, b) > 0 ? a : b;
}

/* max(0, a): what is left of it, never less than nothing */
static inline Numeric
op_above_zero(Numeric a)
{
	return op_max(a, op_zero());
}

static inline char *
op_amount_text(Numeric a)
{
	return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(a)));
}

#endif
