/*
 * card_text.h
 *	  The one error for a text that is no card number.
 *
 * Include compat.h and pan.h before.
 */
#ifndef OP_CARD_TEXT_H
#define OP_CARD_TEXT_H

/*
 * Raises 22023 with what is wrong, for any fault but OP_PAN_GOOD. Neither the
 * text nor the statement is shown: they may hold a number after all.
 */
op_noreturn extern void op_refuse_card_number(OpPanFault fault);

#endif
