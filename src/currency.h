/*
 * currency.h
 *		What the rest of the extension may ask about currencies.
 *
 * The vocabulary is in currency.c. A code need not end in a zero byte.
 */
#ifndef OP_CURRENCY_H
#define OP_CURRENCY_H

#include "fmgr.h"

#include "compat.h"

/* what op_exponent_of() returns besides an exponent, 0 to 4 */
#define OP_CURRENCY_NO_MINOR (-1) /* known, but has no minor unit */
#define OP_CURRENCY_UNKNOWN	 (-2) /* not a code of the table */

/* never raises an error */
extern int op_exponent_of(const char *code, int len);

/* a code that has a minor unit, so that something can be paid in it */
static inline bool
op_is_payable_in(const text *code)
{
	return op_exponent_of(VARDATA_ANY(code), VARSIZE_ANY_EXHDR(code)) >= 0;
}

/* always an exponent, or error 22023 */
extern int op_required_exponent(const char *code, int len);

#endif /* OP_CURRENCY_H */
