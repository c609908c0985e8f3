/*
 * sibling.h
 *	  Statements on the siblings of a table, and what they hand to its triggers.
 */
#ifndef OP_SIBLING_H
#define OP_SIBLING_H

#include "commands/trigger.h"

#include "link.h"

/*
 * Runs the statement of a role on the sibling of rel that belongs to this row,
 * as the owner of the tables, and hands an effect to the sibling's triggers.
 * An error unless it touches just the rows it should, and meets their triggers;
 * false if there is no such row, for a role that allows for that.
 */
extern bool op_sibling_affect(const OpSiblingRole *role, Relation rel, TupleTableSlot *row,
							  const Datum *args, const char *nulls, void *effect);

/*
 * Runs a query, as the owner: its first row, ncolumns of it, in the caller's
 * memory; false (and nulls) if there is none.
 */
extern bool op_sibling_fetch(const OpSiblingRole *role, Relation rel, TupleTableSlot *row,
							 const Datum *args, const char *nulls, NullableDatum *result,
							 int ncolumns);
extern bool op_sibling_fetch_by_key(const OpSiblingRole *role, Relation rel,
									const NullableDatum *keys, const Datum *args,
									const char *nulls, NullableDatum *result, int ncolumns);

/* The sibling itself. */
extern Oid op_sibling_table(const OpSiblingRole *role, Relation rel);

/*
 * For a BEFORE trigger of the sibling: does the statement of this role run now,
 * on this very table? If so, its effect, else NULL. Once the trigger has met
 * the row, it says so, and the rows to come are somebody else's.
 */
extern void *op_effect_coming(const OpSiblingRole *role, const TriggerData *trigdata);
extern void	 op_effect_met(void);

/*
 * For an AFTER trigger of the sibling: the effect of the statement of this role
 * that has changed this very row, else NULL. A new row is for the caller to tell.
 */
extern void *op_effect_past(const OpSiblingRole *role, const TriggerData *trigdata);

#endif
