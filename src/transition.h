/*
 * transition.h
 *	  How another trigger of the extension goes past the guard of a status.
 */
#ifndef OP_TRANSITION_H
#define OP_TRANSITION_H

#include "access/attnum.h"
#include "commands/trigger.h"

/*
 * For a BEFORE UPDATE trigger that fires before the guard, on this row: the
 * status column has a value that facts force, whatever the graph says; and a
 * stamp is given. Either may be InvalidAttrNumber.
 */
extern void op_force_move(const TriggerData *trigdata, AttrNumber column, AttrNumber stamp);

#endif
