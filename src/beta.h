/*
 * beta.h
 *		Quantiles of the beta distribution.
 */
#ifndef OP_BETA_H
#define OP_BETA_H

/*
 * The bounds between which Beta(a, b) lies with that probability, with equal
 * tails. a and b from 1e-15 to 1e300, confidence above 0 and below 1.
 */
extern void op_beta_interval(double a, double b, double confidence, double *lower, double *upper);

#endif /* OP_BETA_H */
