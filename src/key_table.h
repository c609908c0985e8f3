/*
 * key_table.h
 *	  A table of keys, as this process keeps it.
 *
 * Rows are read when a key is asked for, and kept, with what is made of them,
 * until one changes; see key_table.c for when a change counts.
 */
#ifndef OP_KEY_TABLE_H
#define OP_KEY_TABLE_H

#include "utils/palloc.h"

typedef struct OpKeyTable
{
	const char *name;		/* in schema order_payment */
	const char *sealed_by;	/* the table of keys that seal these, or NULL: its changes count too */
	int			ncolumns;	/* the table has at least so many */
	Size		entry_size; /* of what is kept of a row */

	/* Fills an entry, which is all zeroes, from a row; what it allocates lives as long. */
	void (*take)(void *entry, const Datum *values, const bool *isnull);
	/* Frees what memory contexts do not. */
	void (*forget)(void *entry);

	/* The rest is key_table.c's, and read by all: */
	bool  is_stale; /* whoever sets it has everything read anew */
	int	  n;
	void *entries;

	Oid			  relid; /* as it was read */
	Oid			  sealed_by_relid;
	MemoryContext context; /* of the entries */
} OpKeyTable;

/* Once for a process: has it told of changes. */
extern void op_key_table_init(OpKeyTable *table);

/*
 * Brings the entries up to date. An error if the extension is not in this
 * database. Entries, and what was made of them, are good until the next call.
 */
extern void op_key_table_refresh(OpKeyTable *table);

#endif
