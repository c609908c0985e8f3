/*
 * check_slot.h
 *	  How many payment passwords the whole server checks at once.
 */
#ifndef OP_CHECK_SLOT_H
#define OP_CHECK_SLOT_H

typedef struct OpCheckSlot
{
	Oid owner;
	int share;
	int slot;
} OpCheckSlot;

/*
 * A slot for a store of that owner, which an error gives back; an error, OP012,
 * if all are taken, or all that one owner may have.
 */
extern OpCheckSlot op_take_check_slot(Oid owner);
extern void		   op_release_check_slot(const OpCheckSlot *slot);

#endif
