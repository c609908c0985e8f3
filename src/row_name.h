/*
 * row_name.h
 *	  What a row of any table is called: its primary key, as jsonb.
 */
#ifndef OP_ROW_NAME_H
#define OP_ROW_NAME_H

#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "utils/relcache.h"

/* The columns of the primary key, by attribute number; none: a row is named by its place. */
extern Bitmapset *op_primary_key(Relation rel);

/* {"column": value, ...}, or {"ctid": "(0,1)"} */
extern Datum op_name_row(Relation rel, TupleTableSlot *row, const Bitmapset *key);

#endif
