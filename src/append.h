/*
 * append.h
 *	  Rows appended to a plain table without a statement.
 */
#ifndef OP_APPEND_H
#define OP_APPEND_H

#include "fmgr.h"
#include "utils/rel.h"

#include "derived.h"

/* A row: as many values as the table has columns. */
typedef struct OpNewRow
{
	Datum *values;
	bool  *isnull;
} OpNewRow;

extern void op_append_init(void);

/*
 * May rows with these columns be appended to a table by op_append()? If so, where
 * they are: as many numbers. The caller holds the row of the parent locked that
 * they reference. marker: the trigger function that an INSERT meets there, and
 * that has nothing to say to the caller.
 */
extern bool op_can_append(Relation rel, Relation parent, PGFunction marker,
						  const OpColumn *columns, int ncolumns, AttrNumber *attnum);

/* Appends rows, as the owner of the table; false: an INSERT would refuse one of them. */
extern bool op_append(Relation rel, const OpNewRow *rows, int nrows);

#endif
