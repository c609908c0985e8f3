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

#define OP_CURRENCY_MAX_EXPONENT 18

/* what op_exponent_of() returns besides an exponent, 0 to OP_CURRENCY_MAX_EXPONENT */
#define OP_CURRENCY_NO_MINOR (-1) /* known, but has no minor unit */
#define OP_CURRENCY_UNKNOWN	 (-2) /* neither a code of the table nor a private one */

/* what to write instead of a code that is none */
#define OP_CURRENCY_HINT "Use an upper-case ISO 4217 code, which order_payment.currencies() lists, or a code of your own: " \
						 "2 to 12 upper-case letters and digits, a letter first, then a dot and the number of decimals, 0 to 18, such as \"POINTS.0\"."

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
