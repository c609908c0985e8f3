/*
 * amount.h
 *	  Arithmetic on amounts, so that rules read as they are written.
 *
 * An amount is a numeric in major units. All of it is exact; nothing here
 * rounds.
 */
#ifndef OP_AMOUNT_H
#define OP_AMOUNT_H

#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

static inline Numeric
op_zero(void)
{
	return int64_to_numeric(0);
}

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
