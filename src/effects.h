/*
 * effects.h
 *	  What one row of a store does to another, and the rules of an order's row.
 */
#ifndef OP_EFFECTS_H
#define OP_EFFECTS_H

#include "fmgr.h"

/* The trigger function of orders, by whose address that table is known. */
extern Datum op_maintain_order(PG_FUNCTION_ARGS);

#endif
