/*
 * append.h
 *	  Rows appended to a plain table without a statement.
 */
#ifndef OP_APPEND_H
#define OP_APPEND_H

#include "derived.h"
#include "link.h"

#define OP_APPEND_MAX_ROWS 3

/*
 * Appends nrows rows to the children of a row of rel, as their owner: the
 * values of one after those of the other, in the order of the columns. The
 * parent is the row of an AFTER trigger, whose statement holds it locked; the
 * trigger by which the role knows the table, and which an INSERT would meet,
 * has nothing to say to the caller. False, and nothing is done, where the table
 * is not plain, or the parent is not what it was: that wants an INSERT.
 */
extern bool op_append(const OpSiblingRole *role, Relation rel, TupleTableSlot *parent,
					  const OpColumn *columns, int ncolumns, const NullableDatum *values,
					  int nrows);

#endif
