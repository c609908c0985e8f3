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
 * other. What it brings there, which no other INSERT may bring, is known by this
 * to have been in the table before.
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
	bool			is_made[OP_NCARD_PARTS]; /* sealed by this call, not brought by the statement */
} OpCard;

/*
 * The card of the row that a statement has proposed last for a table; NULL: it
 * has none. The executor calls a trigger for both by one FmgrInfo, which is of
 * that statement and that table alone.
 */
extern void			 op_keep_proposed(FmgrInfo *trigger, Relation rel, const OpCard *card);
extern const OpCard *op_proposed_card(FmgrInfo *trigger);

/*
 * Was a row stored in the table since? Then it is the one that was proposed, by
 * MERGE, whose UPDATE is of another row. It can be known only where the server
 * counts rows: track_counts.
 */
extern bool op_are_rows_counted(Relation rel);
extern bool op_is_stored_since(FmgrInfo *trigger, Relation rel);

/*
 * The card of the last row in a partition that this transaction has updated, if
 * that is one of the table root; or NULL.
 */
extern void			 op_keep_leaving(Oid root, const OpCard *card);
extern const OpCard *op_leaving_card(Oid root);

extern void op_excluded_init(void);

#endif
