/*
 * beta.c
 *		Quantiles of the beta distribution.
 *
 * The distribution function I_x(a, b) is the continued fraction 26.5.8 of
 * Abramowitz and Stegun, Handbook of Mathematical Functions (1964), evaluated
 * by Lentz's method as modified by Thompson and Barnett (J. Comput. Phys. 64,
 * 1986). It needs some sqrt(min(a, b)) terms; so where both parameters are very
 * large, the first two terms of Temme's uniform expansion take its place (SIAM
 * J. Math. Anal. 13, 1982), whose error is some 1 / min(a, b) of a standard
 * deviation.
 *
 * The factor x^a (1-x)^b / B(a, b) is written around its maximum, as in
 * DiDonato and Morris (ACM TOMS 18, 1992), so that no large logarithms cancel;
 * what is left of the gamma functions is Abramowitz and Stegun 6.1.41.
 *
 * The inverse is Newton's method on the logarithm of the tail over the
 * logarithm of x, kept inside a bracket that every step narrows. Results are
 * exact to 1e-13 and better for a and b from 0.3 to 1e15. No loop is without a
 * bound.
 */
#include "postgres.h"

#include <float.h>
#include <math.h>

#include "miscadmin.h"

#include "beta.h"

#define LARGE		   1e8	  /* of both parameters: the expansion is exact enough */
#define STIRLING	   20.0	  /* from here on the series has full precision */
#define NEARLY_MEAN	   1e-5	  /* closer, the limit is more exact than the difference */
#define MAX_TERMS	   100000 /* 3000 are needed */
#define MAX_STEPS	   100	  /* bisection alone has all digits in 53 */
#define DESCENT		   1e-4	  /* MAX_STEPS of it end below every float8 */
#define STEP_TOLERANCE 1e-11  /* Newton's next step would be the square of it */
#define TERM_TOLERANCE 1e-15

/* a distribution, with what does not depend on the place in it */
typedef struct Beta
{
	double a;
	double b;
	double mean;	   /* a / (a + b) */
	double complement; /* b / (a + b) */
	double log_peak;   /* logarithm of x^a (1-x)^b / B(a, b) at the mean */
} Beta;

/*
 * What Stirling's formula leaves of ln(gamma(z)): ln(gamma(z)) minus
 * (z - 1/2) ln(z) - z + ln(2 pi) / 2. The recurrence brings a small argument to
 * where the series is exact.
 */
static double
stirling_rest(double z)
{
	static const double series[] = {1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680};
	double				rest = 0;
	double				sum = 0;

	while (z < STIRLING)
	{
		rest += (z + 0.5) * log1p(1 / z) - 1;
		z += 1;
	}
	for (int i = (int) lengthof(series) - 1; i >= 0; i--)
		sum = sum / (z * z) + series[i];

	return rest + sum / z;
}

static Beta
make_beta(double a, double b)
{
	double n = a + b;
	Beta   beta = {.a = a, .b = b, .mean = a / n, .complement = b / n};

	beta.log_peak = 0.5 * log(a / (2 * M_PI) * beta.complement) +
					stirling_rest(n) - stirling_rest(a) - stirling_rest(b);

	return beta;
}

/* ln(x / mean) - (x / mean - 1), with the difference x - mean; each where it is exact */
static double
log_excess(double x, double mean, double difference)
{
	double excess = difference / mean;

	return (fabs(excess) < 0.5 ? log1p(excess) : log(x / mean)) - excess;
}

/* the logarithm of x^a (1-x)^b / B(a, b), relative to that at the mean */
static double
log_below_peak(const Beta *beta, double x)
{
	double difference = x - beta->mean;

	return beta->a * log_excess(x, beta->mean, difference) +
		   beta->b * log_excess(1 - x, beta->complement, -difference);
}

static inline double
not_zero(double value)
{
	return fabs(value) < DBL_MIN ? DBL_MIN : value;
}

/*
 * The fraction of 26.5.8, without the factor before it. Each turn takes an even
 * and an odd term of it.
 */
static double
continued_fraction(double x, double a, double b)
{
	double numerator = 1;
	double denominator = 1 / not_zero(1 - (a + b) * x / (a + 1));
	double value = denominator;

	for (int m = 1; m <= MAX_TERMS; m++)
	{
		double even = m * ((b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * ((a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
		double ratio;

		denominator = 1 / not_zero(1 + even * denominator);
		numerator = not_zero(1 + even / numerator);
		value *= denominator * numerator;

		denominator = 1 / not_zero(1 + odd * denominator);
		numerator = not_zero(1 + odd / numerator);
		ratio = denominator * numerator;
		value *= ratio;

		if (fabs(ratio - 1) < TERM_TOLERANCE)
			return value;
	}
	elog(ERROR, "continued fraction of beta(%g, %g) at %g does not converge", a, b, x);
}

/* Temme's expansion, for large parameters. */
static double
expansion(const Beta *beta, double x, bool above)
{
	double side = above ? -1 : 1;
	double n = beta->a + beta->b;
	double deviation = sqrt(beta->mean * beta->complement);
	double distance = (x - beta->mean) / deviation;
	double exponent = log_below_peak(beta, x);
	double eta = copysign(sqrt(Max(0, -2 * exponent / n)), distance);
	double correction;

	if (fabs(distance) < NEARLY_MEAN)
		correction = (beta->complement - beta->mean) / (3 * deviation);
	else
		correction = 1 / eta - 1 / distance;

	return 0.5 * erfc(-side * eta * sqrt(n / 2)) +
		   side * correction * exp(exponent) / sqrt(2 * M_PI * n);
}

/* The probability below x, or above it; and the density there. */
static double
tail(const Beta *beta, double x, bool above, double *density)
{
	double factor = exp(beta->log_peak + log_below_peak(beta, x));
	bool   left = x < (beta->a + 1) / (beta->a + beta->b + 2);
	double value;

	*density = factor / (x * (1 - x));
	if (beta->a > LARGE && beta->b > LARGE)
		return expansion(beta, x, above);

	if (left)
		value = factor * continued_fraction(x, beta->a, beta->b) / beta->a;
	else
		value = factor * continued_fraction(1 - x, beta->b, beta->a) / beta->b;

	return left != above ? value : 1 - value;
}

/*
 * Where the probability below, or above, is the one given, if that is not beyond
 * one half. On logarithmic scales the lower tail is nearly a straight line, so
 * few steps are needed, however small the result is.
 */
static double
small_quantile(const Beta *beta, double probability, bool above)
{
	double low = 0;
	double high = 0.5;
	double x = Min(beta->mean, high);

	for (int step = 0; step < MAX_STEPS; step++)
	{
		double density;
		double found = tail(beta, x, above, &density);
		double shift = log(found / probability) * found / (density * x);
		double next = x * exp(above ? shift : -shift);

		CHECK_FOR_INTERRUPTS();
		/* above, 1 - x has been rounded: no step is more exact than that */
		if (fabs(shift) <= STEP_TOLERANCE + (above ? 4 * DBL_EPSILON / x : 0))
			return Min(Max(next, low), high);
		if ((found > probability) != above)
			high = x;
		else
			low = x;
		/* so written that it catches what is not a number */
		if (!(next > low && next < high))
			next = low > 0 ? low + (high - low) / 2 : high * DESCENT;
		x = next;
		if (x < DBL_MIN)
			return 0;
	}

	return x;
}

/* Figures near zero have all their digits, and figures near one have not. */
static double
quantile(double a, double b, double probability, bool above)
{
	Beta   beta = make_beta(a, b);
	double density;

	if ((tail(&beta, 0.5, above, &density) > probability) != above)
		return small_quantile(&beta, probability, above);

	beta = make_beta(b, a);
	return 1 - small_quantile(&beta, probability, !above);
}

void
op_beta_interval(double a, double b, double confidence, double *lower, double *upper)
{
	double probability = (1 - confidence) / 2;

	*lower = quantile(a, b, probability, false);
	*upper = quantile(a, b, probability, true);
}
