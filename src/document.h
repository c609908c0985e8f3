/*
 * document.h
 *	  Verification codes of cards in columns of json and jsonb.
 */
#ifndef OP_DOCUMENT_H
#define OP_DOCUMENT_H

#include "protection.h"

/* Is it json or jsonb, or a domain over one? */
extern bool op_is_document(Oid type);

/*
 * An error if a document in the row has, at any depth, a key that names a
 * verification code (verification_code.h), with any value but null. old: the
 * row as it is stored, NULL for a new one; documents that stay are not read.
 */
extern void op_refuse_codes(Relation rel, const OpProtection *protection, TupleTableSlot *row,
							TupleTableSlot *old);

#endif
