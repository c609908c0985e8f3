/*
 * event.h
 *	  The history of orders, which is the outbox as well.
 */
#ifndef OP_EVENT_H
#define OP_EVENT_H

#include "fmgr.h"

/* The trigger function of order_events, by whose address that table is known. */
extern Datum op_append_only(PG_FUNCTION_ARGS);

#endif
