/*
 * card_key.h
 *	  The keys that cards are sealed for outside of the database.
 *
 * They are rows of order_payment.card_keys, RSA pairs known by a random id (kid).
 * The public half is for everybody; the private half is sealed under the data
 * key, bound to its id, and leaves the database by no way. A pair is in one state:
 *
 *		active			is given out, and opens; one at a time
 *		decrypt_only	opens until its time is over
 *		destroyed		the private half is gone
 */
#ifndef OP_CARD_KEY_H
#define OP_CARD_KEY_H

#include "crypto.h"

/*
 * The private key of an id, if it may open now, else NULL. Good until the next
 * call of this function. An error, OP010 or OP013, if it is here but cannot be
 * unsealed.
 */
extern OpRsa *op_card_key(uint32 kid);

extern void op_card_key_init(void);

#endif
