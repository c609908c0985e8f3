/*
 * fingerprint.h
 *	  The keyed fingerprint of a card number, by which cards are compared and
 *	  found without being opened: the id of its key, and HMAC-SHA256 over the
 *	  whole number.
 */
#ifndef OP_FINGERPRINT_H
#define OP_FINGERPRINT_H

#include "keyring.h"

/* Under the active key. digits: as op_pan_digits() gives them. */
extern bytea *op_fingerprint(OpBytes digits);

/* The id of the key, or 0 if it is no fingerprint. */
extern uint32 op_fingerprint_key(const bytea *fingerprint);

#endif
