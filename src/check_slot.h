/*
 * check_slot.h
 *	  How many payment passwords the whole server checks at once.
 */
#ifndef OP_CHECK_SLOT_H
#define OP_CHECK_SLOT_H

/* A slot, which an error gives back; an error, OP012, if all are taken. */
extern int	op_take_check_slot(void);
extern void op_release_check_slot(int slot);

#endif
