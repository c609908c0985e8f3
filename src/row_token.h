/*
 * row_token.h
 *	  Cards that were sealed outside, in tables: which order a row is of, and
 *	  which row has used a token.
 *
 * The arguments of the table's trigger (protection.h) say it:
 *
 *		order=column	the row's order: several rows may be of one
 *		tokens=table	beside this one; remembers which row has used a token
 *		request=column	idempotency key: rows that have the same are the same row
 *						to a token, for they are attempts to insert one
 *
 * Without order= and tokens=, a token is good for the row of one key, which must
 * then be known before, and has one column; nothing is to be remembered then.
 */
#ifndef OP_ROW_TOKEN_H
#define OP_ROW_TOKEN_H

#include "card_token.h"
#include "protection.h"

/* The scope that a token must have to be good for the row. */
extern OpTokenScope op_row_scope(const OpProtection *protection, Relation rel,
								 TupleTableSlot *row);

/*
 * Records, as the owner of the table, that the row has used the token; waits for
 * another session that is about to. OP016 if another row has.
 */
extern void op_use_token(const OpProtection *protection, Relation rel, TupleTableSlot *row,
						 const OpToken *token);

#endif
