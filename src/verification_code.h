/*
 * verification_code.h
 *	  Names of what may never be stored once a payment is authorised, not even
 *	  sealed (PCI DSS 3.3.1): verification code, PIN and track of a card. A
 *	  "payment password" of the shop is none of these.
 */
#ifndef OP_VERIFICATION_CODE_H
#define OP_VERIFICATION_CODE_H

/*
 * Is it the name of a column, or the key of a member, that holds one? Then what
 * it was known by, which may be told; else NULL.
 */
extern const char *op_names_verification_code(const char *name, size_t size);

#endif
