/*
 * sealed_card.h
 *	  Opening a card that was sealed outside of the database.
 */
#ifndef OP_SEALED_CARD_H
#define OP_SEALED_CARD_H

#include "card_blob.h"
#include "card_token.h"
#include "compat.h"

/*
 * Opens a blob (card_blob.h) whose token is good for the scope. The caller
 * cleanses the card. If there is anything that is wrong with it, the error of
 * op_refuse_sealed_card(). OP013 if the root key is not here.
 */
extern void op_open_sealed_card(const char *text, size_t size, const OpTokenScope *scope,
								OpBlobCard *card, OpToken *token);

/* The one error, OP016, for a card that was sealed outside and is not taken. */
op_noreturn extern void op_refuse_sealed_card(void);

#endif
