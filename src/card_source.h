/*
 * card_source.h
 *	  The row whose card a new row takes over, as an attempt to pay takes over
 *	  that of the attempt before: the argument from= of protect_card().
 */
#ifndef OP_CARD_SOURCE_H
#define OP_CARD_SOURCE_H

#include "card_row.h"

/*
 * What the values of that row are bound to, if the part that was given is the
 * one that is stored there; else NULL, also if the row names none.
 */
extern bytea *op_card_source(const OpCardRow *row, OpCardPart part);

#endif
