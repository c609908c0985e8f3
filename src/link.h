/*
 * link.h
 *	  From a table of a store to its siblings.
 */
#ifndef OP_LINK_H
#define OP_LINK_H

#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/rel.h"

#include "compat.h"

#define OP_SIBLING_MAX_KEYS	 2
#define OP_SIBLING_MAX_ARGS	 40 /* parameters of a statement, with those of the key */
#define OP_PLAIN_MAX_COLUMNS 16 /* of a row that is appended, with that of the key */

/* Where a sibling is, seen from the table that fired. */
typedef enum OpSiblingPath
{
	OP_PARENT, /* the table references it */
	OP_CHILD,  /* it references the table */
	OP_SELF	   /* the table itself: rows with the same value of a column */
} OpSiblingPath;

/* What a statement may call things; all are quoted. */
typedef struct OpSiblingNames
{
	const char *sibling;   /* its name, with its schema */
	const char *keys;	   /* its key columns, for an INSERT */
	const char *condition; /* that they equal the parameters, for the others */
	const char *family;	   /* that the first of them does: all rows of the order */
} OpSiblingNames;

/*
 * How a trigger reaches a sibling of its table, and what it does there:
 * a constant, whose address tells it from others.
 */
typedef struct OpSiblingRole
{
	const char	 *what; /* the sibling, for messages */
	OpSiblingPath path;
	PGFunction	  marker; /* the sibling has a trigger of this function ... */
	const char	 *column; /* ... or, if it has none, this column */
	int			  nkeys;  /* columns of the foreign key: parameters $1 ... */
	int			  nargs;  /* further parameters */
	Oid			  argtypes[OP_SIBLING_MAX_ARGS];
	int			  nrows;	 /* that an INSERT writes; 0 means 1 */
	bool		  has_after; /* an AFTER trigger of the sibling asks for the effect too */
	bool		  tells;	 /* the first column of a query says which row is meant */

	/* how to see, when no row was touched, whether there is one; NULL: that is an error */
	const struct OpSiblingRole *if_missed;
	void (*write)(StringInfo sql, const OpSiblingNames *names);
} OpSiblingRole;

/* A role on one table: the sibling it means, and the plan of its statement. */
typedef struct OpLinkKey
{
	uint64				 relation;
	const OpSiblingRole *role;
} OpLinkKey;

typedef struct OpLink
{
	OpLinkKey  key; /* must be first */
	bool	   valid;
	Oid		   sibling;
	Oid		   owner;									/* of both tables */
	AttrNumber columns[OP_SIBLING_MAX_KEYS];			/* of the relation */
	char	   names[OP_SIBLING_MAX_KEYS][NAMEDATALEN]; /* of the sibling's own */
	Oid		   types[OP_SIBLING_MAX_KEYS];				/* of the relation's */
	Oid		   equals[OP_SIBLING_MAX_KEYS];				/* parent's column = child's column */
	SPIPlanPtr plan;

	/* of append.c: may rows be stored without that plan, and in which columns? */
	bool	   is_examined;
	bool	   is_plain;
	AttrNumber plain_columns[OP_PLAIN_MAX_COLUMNS];
} OpLink;

extern void op_link_init(void);

/* The link of a role, its sibling locked, its plan valid. Within SPI. */
extern OpLink *op_link_of(const OpSiblingRole *role, Relation rel);

/*
 * Counts statements on siblings that run: while there are any, no plan is
 * freed, because such a statement may fire triggers that come back here.
 */
extern void op_link_begin(void);
extern void op_link_end(void);

/* The one place that tells what is wrong with a sibling. */
op_noreturn extern void op_refuse_sibling(const OpSiblingRole *role, Relation rel,
										  const char *detail);

/* The table that a column of this one references, by a foreign key of its own. */
extern Oid op_referenced_by(Relation rel, const char *column);

#endif
