/*
 * card_row.h
 *	  A row with a card on its way through the trigger protect_card().
 *
 * given		what a statement puts into a column: clear text, a card that was
 *				sealed outside, a mask or null
 * shown		the column as it is stored: the mask
 * twin			the column of type sealed beside it
 */
#ifndef OP_CARD_ROW_H
#define OP_CARD_ROW_H

#include "compat.h"
#include "excluded.h"

typedef struct OpCardRow
{
	const TriggerData  *trigdata;
	FmgrInfo		   *trigger; /* the function, as it is called */
	const OpProtection *protection;
	TupleTableSlot	   *row;
	TupleTableSlot	   *old;	 /* NULL: INSERT */
	OpCard				given;	 /* by the statement */
	OpCard				before;	 /* UPDATE: as the row is stored */
	OpCard				result;	 /* as it will be; at first what is given */
	bool				is_shut; /* a value that was to be resealed does not open */
} OpCardRow;

/* ---------- errors, each said once ---------- */

op_noreturn extern void op_refuse_card_write(const OpCardRow *row, AttrNumber column,
											 const char *detail, const char *hint);

/* A twin or a fingerprint, which statements do not write. */
op_noreturn extern void op_refuse_twin(const OpCardRow *row, AttrNumber column);

/* ---------- the values of a row ---------- */

extern void op_read_card(const OpProtection *protection, TupleTableSlot *slot, OpCard *card);
extern bool op_holds_nothing(const OpCard *card);
extern bool op_is_same_value(const struct varlena *a, const struct varlena *b);

/* What the row's values are bound to. */
extern OpBytes op_card_binding(OpCardRow *row);

/* What the trigger returns: the row with what has become of its card. */
extern Datum op_close_card_row(const OpCardRow *row);

/* ---------- sealing ---------- */

/* The twin, and the fingerprint if it is a number, of a plaintext. */
extern void op_seal_plain(OpCardRow *row, OpCardPart part, OpBytes plain);

/* The same, and the mask, of what was given in clear. */
extern void op_seal_clear(OpCardRow *row, OpCardPart part);

/*
 * If the number is a card that was sealed outside, opens it, and seals what is
 * in it for this row. OP016 if it is not taken.
 */
extern void op_open_card_of_row(OpCardRow *row);

/* Has the part come out of such a card? Then no more is to be done for it. */
extern bool op_is_opened(const OpCardRow *row, OpCardPart part);

#endif
