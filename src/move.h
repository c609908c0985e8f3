/*
 * move.h
 *	  Rows that go from one partition to another.
 */
#ifndef OP_MOVE_H
#define OP_MOVE_H

#include "access/htup_details.h"
#include "commands/trigger.h"

#include "guard.h"

/* What the deleted half of a move leaves for its inserted half. */
typedef struct OpMove
{
	TransactionId xid; /* of both halves */
	CommandId	  cid;
	char		  column[NAMEDATALEN]; /* of the guard */
	Oid			  root;				   /* of the partition tree */
	uint32		  signature;		   /* of the guard */
	char		 *identity;			   /* of the row */
	bool		  isnull;			   /* the old state was null */
	char		  label[NAMEDATALEN];  /* of the old state */
	NullableDatum stamps[OP_GRAPH_MAX_STATES];
} OpMove;

/* Is the deleted row of this AFTER DELETE on its way to another partition? */
static inline bool
op_is_moving(const TriggerData *trigdata)
{
	return HeapTupleHeaderIndicatesMovedPartitions(trigdata->tg_trigtuple->t_data);
}

/* AFTER DELETE: keeps what the other half needs. label: the state, NULL for null. */
extern void op_remember_move(const OpGuard *guard, const TriggerData *trigdata, const char *label);

/* AFTER INSERT: what the other half of this row left, or NULL if it is a new row. */
extern const OpMove *op_take_move(const OpGuard *guard, const TriggerData *trigdata);

#endif
