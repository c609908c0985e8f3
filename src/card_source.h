/*
 * card_source.h
 *	  The row whose card another one of the table takes over.
 *
 * The arguments of the table's trigger (protection.h) say it:
 *
 *		from=column		the key of that row
 *		order=column	the row's order: both are of one
 */
#ifndef OP_CARD_SOURCE_H
#define OP_CARD_SOURCE_H

#include "card_row.h"

/* What the values of that row are bound to; NULL if the row names none. */
extern bytea *op_source_binding(const OpCardRow *row);

/* Is the value that the row was given, with its mask, stored in that row, of the same order? */
extern bool op_source_holds(const OpCardRow *row, OpCardPart part);

#endif
