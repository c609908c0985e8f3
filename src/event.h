/*
 * event.h
 *	  The history of orders, which is the outbox as well.
 */
#ifndef OP_EVENT_H
#define OP_EVENT_H

#include "fmgr.h"

/* The trigger functions, by whose addresses a table of a store is known. */
extern Datum op_append_only(PG_FUNCTION_ARGS);
extern Datum op_record_event(PG_FUNCTION_ARGS);

#endif
