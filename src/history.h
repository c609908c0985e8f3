/*
 * history.h
 *	  Writes order_events, the history of orders.
 */
#ifndef OP_HISTORY_H
#define OP_HISTORY_H

#include "commands/trigger.h"

#include "effects.h"

#define OP_MAX_EVENTS	  (OP_MAX_CAUSES + 1) /* of one statement: an order's own, and its causes */
#define OP_EVENT_NCOLUMNS 13

/* The events of one statement on one order. */
typedef struct OpHistory
{
	int			  n;
	int32		  version;					 /* of the last event before them */
	NullableDatum common[OP_EVENT_NCOLUMNS]; /* what they share */
	NullableDatum events[OP_MAX_EVENTS][OP_EVENT_NCOLUMNS];
} OpHistory;

extern void op_history_begin(OpHistory *history, int32 version);
extern void op_history_add(OpHistory *history, const OpCause *cause);

/* For the AFTER trigger of orders, whose row its statement holds locked. */
extern void op_history_write(const OpHistory *history, Relation orders, TupleTableSlot *order);

/* For the BEFORE trigger of order_events: is it op_history_write() that inserts? */
extern bool op_is_history_coming(const TriggerData *trigdata);

#endif
