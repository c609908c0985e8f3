/*
 * admission.h
 *	  Payments that ask for the customer's payment password.
 */
#ifndef OP_ADMISSION_H
#define OP_ADMISSION_H

#include "executor/tuptable.h"
#include "utils/rel.h"

/*
 * For the AFTER trigger of payments: an error, OP015, if the row asks for a
 * payment password, and none was given for it. old: NULL for a new row;
 * columns: of op_payment_columns.
 */
extern void op_require_admission(Relation payments, TupleTableSlot *old, TupleTableSlot *row,
								 const AttrNumber *columns);

extern void op_admission_init(void);

#endif
