/*
 * identity.h
 *	  An explicit key in the way of a generated one.
 */
#ifndef OP_IDENTITY_H
#define OP_IDENTITY_H

#include "utils/rel.h"

extern void op_identity_init(void);

/*
 * Warns, with the statement that helps, if the value of an identity column is
 * about to collide with a row that was inserted with an explicit value.
 */
extern void op_warn_of_collision(Relation rel, AttrNumber column, Datum value);

#endif
