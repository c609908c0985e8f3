/*
 * payment.h
 *	  The rules of a payment's row.
 */
#ifndef OP_PAYMENT_H
#define OP_PAYMENT_H

#include "fmgr.h"

/* The trigger function of payments, by whose address that table is known. */
extern Datum op_maintain_payment(PG_FUNCTION_ARGS);

#endif
