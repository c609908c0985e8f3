/*
 * money.h
 *		Arithmetic on amounts, to C: numeric in, numeric out.
 *
 * The vocabulary is in money.c.
 */
#ifndef OP_MONEY_H
#define OP_MONEY_H

#include "fmgr.h"

#include "amount.h"

/* error 22023 if it is not finite, or is negative; what: the argument's name */
extern void op_check_not_negative(Numeric value, const char *what);

/* the exponent of the currency, or error 22023 if this is no amount in it */
extern int op_check_amount(Numeric amount, const text *currency, const char *what);

/* amount * 10 ^ exponent, exact, without decimals that are zero */
extern Numeric op_to_units(Numeric amount, int exponent);

/* is it a finite amount of a currency that has a minor unit? never raises */
extern bool op_is_amount_of(Numeric amount, const text *currency);

/* what payment_fee() returns, with its errors */
extern Numeric op_fee(Numeric amount, Numeric rate, Numeric fixed, const text *currency);

#endif /* OP_MONEY_H */
