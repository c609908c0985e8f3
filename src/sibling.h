/*
 * sibling.h
 *	  From a table of a store to its siblings, and statements on them.
 */
#ifndef OP_SIBLING_H
#define OP_SIBLING_H

#include "executor/spi.h"
#include "utils/rel.h"

#define OP_SIBLING_MAX_KEYS 2
#define OP_SIBLING_MAX_ARGS 16 /* parameters of a statement, with those of the key */

/*
 * How a trigger reaches a sibling of its table, and what it does there:
 * a constant, whose address tells it from others.
 */
typedef struct OpSiblingRole
{
	const char *what;	   /* the sibling, for messages */
	bool		is_parent; /* rel references it; else it references rel */
	PGFunction	marker;	   /* the sibling has a trigger of this function */
	int			nkeys;	   /* columns of the foreign key: parameters $1 ... */
	int			nargs;	   /* further parameters */
	Oid			argtypes[OP_SIBLING_MAX_ARGS];
	bool		may_miss; /* no row is no error: the foreign key will tell */

	/*
	 * Writes the statement. keys: the sibling's key columns, for an INSERT;
	 * condition: that they equal the parameters, for the others.
	 */
	void (*write)(StringInfo sql, const char *sibling, const char *keys,
				  const char *condition);
} OpSiblingRole;

extern void op_sibling_init(void);

/*
 * Runs the statement of a role on the sibling of rel that belongs to this row,
 * as the owner of the tables. An error unless it touches exactly one row.
 */
extern void op_sibling_execute(const OpSiblingRole *role, Relation rel, TupleTableSlot *row,
							   const Datum *args, const char *nulls);

/*
 * For a trigger of the sibling: does the statement of this role run now, on
 * this very table? If so, its further parameters, else NULL. Once the trigger has
 * met the row, it says so, and the rows to come are somebody else's.
 */
extern const Datum *op_effect_args(const OpSiblingRole *role, Relation rel);
extern void			op_effect_met(void);

#endif
