/*
 * reseal_table.h
 *	  What of a table is to be resealed, as SQL.
 */
#ifndef OP_RESEAL_TABLE_H
#define OP_RESEAL_TABLE_H

#include "nodes/pg_list.h"
#include "utils/relcache.h"

#include "protection.h"

/* What a caller asks for. */
typedef struct OpResealWhat
{
	Oid			target;
	const char *column; /* NULL: all that the trigger of the table protects */
	const char *label;	/* with a column: what its values are bound to */
	List	   *key;	/* likewise: columns, or constants in single quotes; char * */
} OpResealWhat;

/* Parameters of the statements below, in this order. */
typedef enum OpResealParameter
{
	OP_RESEAL_OLD,		   /* integer[]: keys that open, and seal no more */
	OP_RESEAL_OPENING,	   /* integer[]: all keys that open */
	OP_RESEAL_FINGERPRINT, /* integer: the fingerprint key in use */
	OP_RESEAL_FIRST,	   /* tid: a batch begins here */
	OP_RESEAL_END		   /* tid: and ends before here */
} OpResealParameter;

#define OP_RESEAL_NPARAMETERS (OP_RESEAL_END + 1)
#define OP_RESEAL_NKEYS		  (OP_RESEAL_FINGERPRINT + 1)

/*
 * Reseals the rows of a batch that are locked by nobody, and touches no other.
 * An error if there is nothing sealed in the table that could be resealed.
 */
extern char *op_reseal_update(Relation rel, const OpResealWhat *what);

/*
 * Of the first OP_RESEAL_NKEYS parameters: (rows that want to be resealed, rows
 * that were sealed under keys that are not here)
 */
extern char *op_reseal_count(Relation rel, const OpResealWhat *what);

/* As SQL names them, whatever the search_path. */
extern char		  *op_quoted_table(Relation rel);
extern const char *op_quoted_column(Relation rel, AttrNumber column);

/* Of a table with the trigger protect_card(); an error if it has none. */
extern const OpProtection *op_require_protection(Relation rel);

/* An error if the trigger is there and does not fire. */
extern void op_require_firing(Relation rel);

/* The OIDs of the tables that hold the rows: the target itself, or its partitions. */
extern List *op_reseal_tables(Oid target);

#endif
