/*
 * protect.h
 *	  The trigger protect_card().
 */
#ifndef OP_PROTECT_H
#define OP_PROTECT_H

#include "fmgr.h"

extern Datum op_protect_card(PG_FUNCTION_ARGS);

/* What the next UPDATEs of a table do to the cards in its rows. */
typedef enum OpProtectMode
{
	OP_PROTECT,		   /* what the statement says */
	OP_PROTECT_RESEAL, /* values that the active keys have not made are made anew */
	OP_PROTECT_FORGET  /* sealed values and fingerprints go, masks stay */
} OpProtectMode;

/*
 * For UPDATEs that the caller runs on a table, or its partitions, right after.
 * It must go back to OP_PROTECT whatever happens: PG_FINALLY.
 */
extern void op_set_protect_mode(Oid table, OpProtectMode mode);

/*
 * How many rows have values that could not be resealed since the mode was set;
 * those were left as they are.
 */
extern int64 op_not_resealed(void);

#endif
