/*
 * allocate.c
 *		Splitting an amount in parts that sum exactly to it.
 *
 * Largest remainder (Hamilton's method).  Each part is rounded down to a unit;
 * the units that are left are fewer than the parts that had to be rounded, and
 * go one each to those with the largest remainders, the earlier first.  So a
 * weight of zero gets nothing.  A negative total is split as the positive one,
 * and every part gets its sign: a refund mirrors its payment.
 *
 * The units of the total, the weights and the parts are int64 where everything
 * fits, products included, and numeric where not; both give the same parts.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "money.h"

PG_FUNCTION_INFO_V1(op_allocate);

/* One part of a total while it is split; the numerics if int64 is too small. */
typedef struct Share
{
	int		position; /* in the array of weights */
	int64	weight;
	int64	units;
	int64	remainder; /* what the division left over, of the sum of weights */
	Numeric exact_weight;
	Numeric exact_units;
	Numeric exact_remainder;
} Share;

static int
compare_remainders(const void *a, const void *b)
{
	const Share *left = a;
	const Share *right = b;

	if (left->remainder != right->remainder)
		return left->remainder > right->remainder ? -1 : 1;

	return left->position < right->position ? -1 : 1;
}

static int
compare_exact_remainders(const void *a, const void *b)
{
	const Share *left = a;
	const Share *right = b;
	int			 order = op_cmp(right->exact_remainder, left->exact_remainder);

	if (order != 0)
		return order;

	return left->position < right->position ? -1 : 1;
}

static void
report_weights(int code, const char *problem)
{
	ereport(ERROR,
			(errcode(code),
			 errmsg("%s", problem),
			 errhint("Give one figure for each part in an array of one dimension, at least one of them above zero.")));
}

static Share *
read_weights(ArrayType *array, int *nshares)
{
	Datum *values;
	bool  *nulls;
	Share *shares;
	bool   positive = false;

	if (ARR_NDIM(array) > 1)
		report_weights(ERRCODE_ARRAY_SUBSCRIPT_ERROR, "weights must have one dimension");
	if (ARR_NDIM(array) == 0)
		report_weights(ERRCODE_INVALID_PARAMETER_VALUE, "weights must not be empty");

	deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT, &values, &nulls, nshares);
	shares = palloc0(*nshares * sizeof(Share));
	for (int i = 0; i < *nshares; i++)
	{
		if (nulls[i])
			report_weights(ERRCODE_NULL_VALUE_NOT_ALLOWED, "weights must not contain nulls");
		shares[i].position = i;
		shares[i].exact_weight = DatumGetNumeric(values[i]);
		op_check_not_negative(shares[i].exact_weight, "weight");
		positive = positive || op_sign(shares[i].exact_weight) != 0;
	}
	if (!positive)
		report_weights(ERRCODE_INVALID_PARAMETER_VALUE, "weights must not all be zero");

	return shares;
}

/*
 * Are the weights, brought to a common scale, and their products with the total
 * so small that int64 holds them? That is the usual case, in which the weights
 * are the amounts of a few lines.
 */
static bool
fit_int64(Share *shares, int nshares, Numeric total, int64 *units, int64 *sum)
{
	int		scale = 0;
	int64	product;
	Numeric limit;
	Numeric factor;

	for (int i = 0; i < nshares; i++)
		scale = Max(scale, op_scale(shares[i].exact_weight));
	if (scale > OP_INT64_DIGITS)
		return false;

	limit = int64_to_numeric(op_power_of_ten(OP_INT64_DIGITS - scale));
	factor = int64_to_numeric(op_power_of_ten(scale));
	*sum = 0;
	for (int i = 0; i < nshares; i++)
	{
		if (op_cmp(shares[i].exact_weight, limit) >= 0)
			return false;
		shares[i].weight = op_to_int64(op_mul(shares[i].exact_weight, factor));
		if (pg_add_s64_overflow(*sum, shares[i].weight, sum))
			return false;
	}

	if (op_cmp(total, int64_to_numeric(op_power_of_ten(OP_INT64_DIGITS))) >= 0)
		return false;
	*units = op_to_int64(total);

	return !pg_mul_s64_overflow(*units, *sum, &product);
}

static void
split_int64(Share *shares, int nshares, int64 total, int64 sum)
{
	int64 left = total;

	for (int i = 0; i < nshares; i++)
	{
		int64 product = total * shares[i].weight;

		shares[i].units = product / sum;
		shares[i].remainder = product % sum;
		left -= shares[i].units;
	}
	qsort(shares, nshares, sizeof(Share), compare_remainders);
	for (int i = 0; i < left; i++)
		shares[i].units++;
}

static void
split_exactly(Share *shares, int nshares, Numeric total)
{
	Numeric sum = int64_to_numeric(0);
	Numeric one = int64_to_numeric(1);
	Numeric left = total;
	int		nleft;

	for (int i = 0; i < nshares; i++)
		sum = op_add(sum, shares[i].exact_weight);
	for (int i = 0; i < nshares; i++)
	{
		Share  *share = &shares[i];
		Numeric product = op_mul(total, share->exact_weight);

		CHECK_FOR_INTERRUPTS();
		share->exact_units = op_div_trunc(product, sum);
		share->exact_remainder = op_sub(product, op_mul(share->exact_units, sum));
		left = op_sub(left, share->exact_units);
	}
	qsort(shares, nshares, sizeof(Share), compare_exact_remainders);
	nleft = (int) op_to_int64(left);
	for (int i = 0; i < nleft; i++)
		shares[i].exact_units = op_add(shares[i].exact_units, one);
}

Datum
op_allocate(PG_FUNCTION_ARGS)
{
	Numeric	   total = PG_GETARG_NUMERIC(0);
	ArrayType *weights = PG_GETARG_ARRAYTYPE_P(1);
	int		   exponent = op_check_amount(total, PG_GETARG_TEXT_PP(2), "total");
	int		   sign = op_sign(total) < 0 ? -1 : 1;
	int		   nshares;
	Share	  *shares = read_weights(weights, &nshares);
	Datum	  *parts = palloc(nshares * sizeof(Datum));
	int64	   units;
	int64	   sum;

	total = op_to_units(op_mul(total, int64_to_numeric(sign)), exponent);
	if (fit_int64(shares, nshares, total, &units, &sum))
	{
		split_int64(shares, nshares, units, sum);
		for (int i = 0; i < nshares; i++)
			parts[shares[i].position] =
				NumericGetDatum(int64_div_fast_to_numeric(sign * shares[i].units, exponent));
	}
	else
	{
		Numeric unit = int64_div_fast_to_numeric(sign, exponent);

		split_exactly(shares, nshares, total);
		for (int i = 0; i < nshares; i++)
			parts[shares[i].position] =
				NumericGetDatum(op_mul(shares[i].exact_units, unit));
	}

	/* with the subscripts of the weights */
	PG_RETURN_ARRAYTYPE_P(construct_md_array(parts, NULL, 1, &nshares, ARR_LBOUND(weights),
											 NUMERICOID, -1, false, TYPALIGN_INT));
}
