/*
 * order.h
 *	  The rules of an order's row.
 */
#ifndef OP_ORDER_H
#define OP_ORDER_H

#include "fmgr.h"

/* The trigger function of orders, by whose address that table is known. */
extern Datum op_maintain_order(PG_FUNCTION_ARGS);

#endif
