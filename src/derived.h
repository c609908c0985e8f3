/*
 * derived.h
 *	  A row of a store's table, as its BEFORE trigger keeps it.
 */
#ifndef OP_DERIVED_H
#define OP_DERIVED_H

#include "commands/trigger.h"
#include "utils/numeric.h"

#include "compat.h"
#include "status.h"
#include "trigger_call.h"

#define OP_ROW_MAX_COLUMNS 32

/* Stands for the type of a status, whose OID is not known before: no type has an OID so low. */
#define OP_STATUS_TYPE(status_type) ((Oid) (1 + (status_type)))

/* A column that a trigger reads or keeps. */
typedef struct OpColumn
{
	const char *name;
	Oid			type; /* InvalidOid: any, or of the vocabulary */
	const char *hint; /* where a write is refused */
} OpColumn;

/* A row: what a statement gives, and what it becomes. */
typedef struct OpRow
{
	Relation		rel;
	const OpColumn *columns;
	int				ncolumns;
	AttrNumber		attnum[OP_ROW_MAX_COLUMNS]; /* by column */
	TupleTableSlot *old;						/* NULL for a new row */
	NullableDatum	value[OP_ROW_MAX_COLUMNS];
	bool			changed[OP_ROW_MAX_COLUMNS];

	/*
	 * The values are those that a new row got here: INSERT ... ON CONFLICT DO
	 * UPDATE has put EXCLUDED into an old row. They are nobody's forgery.
	 */
	bool is_excluded;
} OpRow;

extern void op_derived_init(void);

/*
 * The row of a BEFORE INSERT or UPDATE trigger that only the guard of the
 * status may follow. The names and types of the columns are checked.
 */
extern void	 op_open_row(OpRow *row, const TriggerData *trigdata, const OpColumn *columns,
						 int ncolumns);
extern Datum op_close_row(const OpRow *row, const TriggerData *trigdata);

/* Where the columns are, for a trigger that changes nothing. */
extern void op_row_columns(Relation rel, const OpColumn *columns, int ncolumns,
						   AttrNumber *attnum);

static inline NullableDatum
op_old_value(const OpRow *row, int column)
{
	return op_value_in(row->old, row->attnum[column]);
}

static inline void
op_set_value(OpRow *row, int column, NullableDatum value)
{
	row->value[column] = value;
	row->changed[column] = true;
}

/* The same value: 4.4 and 4.40 are. */
extern bool op_is_same(const OpRow *row, int column, NullableDatum a, NullableDatum b);

/* Does the column say what it said before? A new row says nothing yet. */
extern bool op_is_unchanged(const OpRow *row, int column);

/*
 * Makes a derived column what it must be. A given value is refused unless it
 * is NULL, that result, the stored value or the default, which is 0.
 */
extern void op_derive(OpRow *row, int column, NullableDatum result, NullableDatum stored);

/* OP003: a statement has written a column that is not for it. */
op_noreturn extern void op_refuse_write(Relation rel, AttrNumber column, const char *hint);

/* A column that an UPDATE may not change. */
extern void op_keep(const OpRow *row, int column);

/*
 * created_at: the time of the INSERT. It tells as well whether an UPDATE has
 * the values of EXCLUDED: no other has the time that the last new row got.
 * last: where that time is kept, one for each table.
 */
extern void op_maintain_created_at(OpRow *row, int column, NullableDatum *last);

/* ---------- amounts in columns ---------- */

static inline NullableDatum
op_numeric_value(Numeric amount)
{
	NullableDatum result = {NumericGetDatum(amount), false};

	return result;
}

/* A value that must be there: 23502 if it is not, as in a table of somebody else's making. */
extern Datum op_require_value(Relation rel, TupleTableSlot *row, AttrNumber column);

/* The amount in a value, 0 if null. */
extern Numeric op_numeric_of(NullableDatum value);

/* The amount that is stored in a column, 0 for a new row. */
extern Numeric op_old_numeric(const OpRow *row, int column);

/* Makes a derived amount what it must be; a statement may not write it. */
extern void op_derive_numeric(OpRow *row, int column, Numeric result);

static inline NullableDatum
op_int_value(int32 number)
{
	NullableDatum result = {Int32GetDatum(number), false};

	return result;
}

static inline int32
op_int_of(NullableDatum value)
{
	return value.isnull ? 0 : DatumGetInt32(value.value);
}

#endif
