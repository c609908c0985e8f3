/*
 * line.h
 *	  The lines of orders.
 */
#ifndef OP_LINE_H
#define OP_LINE_H

#include "fmgr.h"

/* The trigger function of order_items, by whose address that table is known. */
extern Datum op_follow_items(PG_FUNCTION_ARGS);

#endif
