/*
 * guard.h
 *	  What is known of one guard: a trigger enforce_transition() on a table.
 */
#ifndef OP_GUARD_H
#define OP_GUARD_H

#include "commands/trigger.h"
#include "executor/tuptable.h"

#include "graph.h"

/* One <state>_at column of the table. */
typedef struct OpStamp
{
	int		   state; /* of the graph */
	AttrNumber attnum;
} OpStamp;

typedef struct OpGuard
{
	Oid			   trigger; /* hash key, must be first */
	Oid			   relation;
	bool		   valid;
	int			   role_of_last; /* the replication role for which it was the last trigger, or -1 */
	MemoryContext  context;		 /* holds all below */
	const char	  *column;
	AttrNumber	   attnum; /* of the column */
	const OpGraph *graph;
	int			   nstamps;
	OpStamp		   stamps[OP_GRAPH_MAX_STATES];
	int			   nidentity;
	AttrNumber	   identity[INDEX_MAX_KEYS]; /* key columns that choose no partition */
	Oid			   root;					 /* of its partition tree, or InvalidOid */
	uint32		   signature;				 /* of the arguments: alike only for alike guards */
} OpGuard;

/* The trigger function, by whose address a guard is known. */
extern Datum op_enforce_transition(PG_FUNCTION_ARGS);

extern void op_guard_init(void);

/*
 * The guard that a trigger is, parsed or from the cache; an error if its
 * arguments do not fit the table. It stays valid until SQL runs.
 */
extern const OpGuard *op_guard_of(const Trigger *trigger, Relation rel);

/*
 * The same for a call of the trigger. At the first call of a statement, an
 * error if another BEFORE ROW trigger could change the row after it.
 */
extern const OpGuard *op_guard_of_call(FunctionCallInfo fcinfo, const TriggerData *trigdata);

/*
 * Would the guard of a column, if there is one, let a row go from that value to
 * the other?
 */
extern bool op_guard_allows(Relation rel, const char *column, Datum from, Datum to);

/* A copy of the trigger of this table that guards updates of a column, or an error. */
extern const Trigger *op_guard_trigger(Relation rel, const char *column);

/* May a row in this state move to that one? To stay is always allowed. */
static inline bool
op_may_follow(const OpGraph *graph, int from, int to)
{
	return from != OP_NO_STATE && to != OP_NO_STATE &&
		   (from == to || (graph->next[from] & op_state_bit(to)) != 0);
}

#endif
