/*
 * verifier.h
 *	  What is kept of a payment password, to tell whether another one is the same.
 */
#ifndef OP_VERIFIER_H
#define OP_VERIFIER_H

#include "sealed.h"

/* Characters of a payment password. */
#define OP_PASSWORD_MIN 4
#define OP_PASSWORD_MAX 256

/*
 * A new verifier under the keys and the cost of today, and the id of its pepper;
 * OP013 without keys. Takes its time, and memory.
 */
extern OpSealed *op_make_verifier(const text *password, OpBytes bound_to, uint32 *pepper_id);

/*
 * An error, OP010 or OP013, if op_is_password() could not tell: to be asked
 * before anything is charged for the answer. NULL: of nobody.
 */
extern void op_require_verifiable(const OpSealed *verifier, OpBytes bound_to);

/*
 * Is it the password? Takes its time, and memory; as long for the verifier of
 * nobody, which no password fits.
 */
extern bool op_is_password(const OpSealed *verifier, OpBytes bound_to, const text *password);

/* Are keys or cost of the verifier no longer those of today? */
extern bool op_is_verifier_outdated(const OpSealed *verifier, OpBytes bound_to);

/* The same verifier, sealed anew and bound to something else; OP010 if it does not open. */
extern OpSealed *op_bind_verifier(const OpSealed *verifier, OpBytes bound_to, OpBytes new_bound_to);

#endif
