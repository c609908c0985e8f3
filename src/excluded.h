/*
 * excluded.h
 *	  What one call of the trigger protect_card() leaves for another.
 *
 * INSERT ... ON CONFLICT DO UPDATE fires BEFORE INSERT on the proposed row and,
 * if it meets another, BEFORE UPDATE on that one. There EXCLUDED.card_number is
 * a mask already: if it is the mask that the row has, nothing tells the new card
 * from the old but what is kept here.
 *
 * A row that goes to another partition is updated in one and inserted into the
 * other. A bare mask, which no INSERT may bring, is known by this to have been
 * there before.
 */
#ifndef OP_EXCLUDED_H
#define OP_EXCLUDED_H

#include "fmgr.h"

#include "protection.h"

/* The card of a row, as it is stored; NULL where it has none. */
typedef struct OpCard
{
	struct varlena *shown[OP_NCARD_PARTS];
	struct varlena *sealed[OP_NCARD_PARTS];
	struct varlena *fingerprint;
	struct varlena *bound_to;
	bool			is_brought[OP_NCARD_PARTS]; /* the INSERT gave it as it is: sealed */
} OpCard;

/*
 * The card of the row that a statement has proposed last for a table; NULL: it
 * has none. The executor calls a trigger for both by one FmgrInfo, which is of
 * that statement and that table alone.
 */
extern void			 op_keep_proposed(FmgrInfo *trigger, const OpCard *card);
extern const OpCard *op_proposed_card(FmgrInfo *trigger);

/* The last row with a bare mask that this transaction has updated, or NULL. */
extern void			 op_keep_bare(const OpCard *card);
extern const OpCard *op_bare_card(void);

extern void op_excluded_init(void);

#endif
