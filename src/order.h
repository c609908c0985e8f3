/*
 * order.h
 *	  The rules of an order's row.
 */
#ifndef OP_ORDER_H
#define OP_ORDER_H

#include "commands/trigger.h"
#include "fmgr.h"

/* The trigger function of orders, by whose address that table is known. */
extern Datum op_maintain_order(PG_FUNCTION_ARGS);

/*
 * AFTER UPDATE of orders by a statement, not an effect: if that has settled the
 * order by hand, books the payment. Its own effect on the order will be no more
 * than to number its event.
 */
extern void op_book_settlement(const TriggerData *trigdata);

#endif
