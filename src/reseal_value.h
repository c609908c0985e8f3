/*
 * reseal_value.h
 *	  The function reseal_value(), which seals one value anew.
 */
#ifndef OP_RESEAL_VALUE_H
#define OP_RESEAL_VALUE_H

/* Is a value that does not open left as it is, and counted, instead of being an error? */
extern void op_set_reseal_leaves(bool leaves);

/* How many were left since that was set. */
extern int64 op_left_by_reseal(void);

#endif
