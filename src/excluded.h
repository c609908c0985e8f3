/*
 * excluded.h
 *	  What BEFORE INSERT has sealed, for the UPDATE that an upsert may become.
 *
 * INSERT ... ON CONFLICT DO UPDATE fires BEFORE INSERT on the proposed row and,
 * if it meets another, BEFORE UPDATE on that one. There EXCLUDED.card_number is
 * a mask already: if it is the mask that the row has, nothing tells the new card
 * from the old but what is kept here.
 */
#ifndef OP_EXCLUDED_H
#define OP_EXCLUDED_H

#include "access/transam.h"

#include "protection.h"

/* The card of a row, as it is stored; NULL where it has none. */
typedef struct OpCard
{
	struct varlena *shown[OP_NCARD_PARTS];
	struct varlena *sealed[OP_NCARD_PARTS];
	struct varlena *fingerprint;
	struct varlena *bound_to;
} OpCard;

/* Keeps a copy for as long as the running command lasts; NULL: nothing. */
extern void op_keep_card(Oid relation, const OpCard *card);

/* What the running command has kept for a table last, or NULL. */
extern const OpCard *op_kept_card(Oid relation);

extern void op_excluded_init(void);

#endif
