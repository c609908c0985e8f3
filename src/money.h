/*
 * money.h
 *		What the rest of the extension may ask about currencies and amounts.
 *
 * The vocabulary is in money.c.
 */
#ifndef OP_MONEY_H
#define OP_MONEY_H

/* what op_exponent_of() returns besides an exponent, 0 to 4 */
#define OP_CURRENCY_NO_MINOR (-1) /* known, but has no minor unit */
#define OP_CURRENCY_UNKNOWN	 (-2) /* not a code of the table */

/* code need not end in a zero byte; never raises an error */
extern int op_exponent_of(const char *code, int len);

#endif /* OP_MONEY_H */
