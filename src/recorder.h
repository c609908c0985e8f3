/*
 * recorder.h
 *	  Who may record what a gateway or a bank has done.
 */
#ifndef OP_RECORDER_H
#define OP_RECORDER_H

#include "utils/rel.h"

#include "compat.h"

/* May the current role record outcomes in this table of payments or operations? */
extern bool op_may_record(Oid table);

/* Whose table is it? */
extern Oid op_owner_of(Oid table);

/* The one place where a role is refused; for a column of a row of rel. */
op_noreturn extern void op_refuse_record(Relation rel, AttrNumber column, const char *what,
										 const char *hint);

#endif
