/*
 * derived.c
 *	  A row of a store's table, as its BEFORE trigger keeps it.
 *
 * derived	a column that follows from others: totals, counters, times. A
 *			statement may leave it out, or give NULL, its default or the value
 *			that it has; anything else is refused (OP003), so that programs
 *			that name every column work and forgers do not
 * kept		a column that an INSERT gives and no UPDATE changes: keys and links
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/datum.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "amount.h"
#include "compat.h"
#include "derived.h"
#include "errors.h"
#include "guard.h"

/* ---------- the row ---------- */

/*
 * Where the columns of a table are, kept for the life of the backend: they are
 * looked up once, not by every statement. Whatever changes the table, or its
 * triggers, marks the entry invalid.
 */
typedef struct RowKey
{
	uint64			relation;
	const OpColumn *columns;
} RowKey;

typedef struct RowMap
{
	RowKey	   key; /* must be first */
	bool	   valid;
	Oid		   last_trigger; /* that passed op_require_last(), in this replication role */
	int		   last_role;
	AttrNumber attnum[OP_ROW_MAX_COLUMNS];
} RowMap;

static HTAB *row_maps = NULL;

static void
invalidate_row_maps(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS seq;
	RowMap		   *map;

	hash_seq_init(&seq, row_maps);
	while ((map = hash_seq_search(&seq)) != NULL)
	{
		if (relation == InvalidOid || map->key.relation == relation)
			map->valid = false;
	}
}

void
op_derived_init(void)
{
	HASHCTL ctl = {.keysize = sizeof(RowKey), .entrysize = sizeof(RowMap)};

	row_maps = hash_create("order_payment rows", 16, &ctl, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(invalidate_row_maps, (Datum) 0);
}

/* Forgets every invalid map, so that dropped tables leave nothing behind. */
static void
sweep_row_maps(void)
{
	HASH_SEQ_STATUS seq;
	RowMap		   *map;

	hash_seq_init(&seq, row_maps);
	while ((map = hash_seq_search(&seq)) != NULL)
	{
		if (!map->valid)
			hash_search(row_maps, &map->key, HASH_REMOVE, NULL);
	}
}

static void
require_status(Relation rel, AttrNumber column, const OpVocabulary *vocabulary)
{
	Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(rel), column - 1);

	if (op_vocabulary_of(getBaseType(attr->atttypid)) != vocabulary)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table \"%s\" must be of type %s", NameStr(attr->attname),
						RelationGetRelationName(rel), vocabulary->type_name),
				 errtablecol(rel, column)));
}

/* The map is the caller's until SQL runs. */
static RowMap *
row_map(Relation rel, const OpColumn *columns, int ncolumns)
{
	RowKey	   key;
	RowMap	  *map;
	AttrNumber attnum[OP_ROW_MAX_COLUMNS];

	memset(&key, 0, sizeof(key));
	key.relation = RelationGetRelid(rel);
	key.columns = columns;
	map = hash_search(row_maps, &key, HASH_FIND, NULL);
	if (map != NULL && map->valid)
		return map;
	for (int i = 0; i < ncolumns; i++)
	{
		bool is_status = columns[i].type >= OP_STATUS_TYPE(0) &&
						 columns[i].type < OP_STATUS_TYPE(OP_NUM_STATUS_TYPES);

		attnum[i] = op_require_column(rel, columns[i].name,
									  is_status ? InvalidOid : columns[i].type);
		if (is_status)
			require_status(rel, attnum[i], &op_vocabularies[columns[i].type - OP_STATUS_TYPE(0)]);
	}
	sweep_row_maps();
	map = hash_search(row_maps, &key, HASH_ENTER, NULL);
	memcpy(map->attnum, attnum, ncolumns * sizeof(AttrNumber));
	map->last_trigger = InvalidOid;
	map->valid = true;
	return map;
}

void
op_row_columns(Relation rel, const OpColumn *columns, int ncolumns, AttrNumber *attnum)
{
	memcpy(attnum, row_map(rel, columns, ncolumns)->attnum, ncolumns * sizeof(AttrNumber));
}

/* Only the guard of the status may fire after a trigger that keeps a row. */
static void
require_last(const TriggerData *trigdata, RowMap *map)
{
	Oid trigger = trigdata->tg_trigger->tgoid;

	if (map->last_trigger == trigger && map->last_role == SessionReplicationRole)
		return;
	op_require_last(trigdata, op_enforce_transition);
	map->last_trigger = trigger;
	map->last_role = SessionReplicationRole;
}

void
op_open_row(OpRow *row, const TriggerData *trigdata, const OpColumn *columns, int ncolumns)
{
	bool			is_update = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event);
	TupleTableSlot *given = is_update ? trigdata->tg_newslot : trigdata->tg_trigslot;

	RowMap *map = row_map(trigdata->tg_relation, columns, ncolumns);

	Assert(ncolumns <= OP_ROW_MAX_COLUMNS);
	require_last(trigdata, map);
	row->rel = trigdata->tg_relation;
	row->columns = columns;
	row->ncolumns = ncolumns;
	memcpy(row->attnum, map->attnum, ncolumns * sizeof(AttrNumber));
	row->old = is_update ? trigdata->tg_trigslot : NULL;
	row->is_excluded = false;
	for (int i = 0; i < ncolumns; i++)
	{
		row->value[i] = op_value_in(given, row->attnum[i]);
		row->changed[i] = false;
	}
}

Datum
op_close_row(const OpRow *row, const TriggerData *trigdata)
{
	OpChange changes[OP_ROW_MAX_COLUMNS];
	int		 n = 0;

	for (int i = 0; i < row->ncolumns; i++)
	{
		if (!row->changed[i])
			continue;
		changes[n].column = row->attnum[i];
		changes[n].value = row->value[i];
		n++;
	}
	return op_changed(trigdata, changes, n);
}

static Form_pg_attribute
column_of(const OpRow *row, int column)
{
	return TupleDescAttr(RelationGetDescr(row->rel), row->attnum[column] - 1);
}

/* The same to the byte, so that nothing needs to be stored. */
static bool
is_identical(const OpRow *row, int column, NullableDatum a, NullableDatum b)
{
	Form_pg_attribute attr = column_of(row, column);

	if (a.isnull || b.isnull)
		return a.isnull && b.isnull;
	return datum_image_eq(a.value, b.value, attr->attbyval, attr->attlen);
}

bool
op_is_same(const OpRow *row, int column, NullableDatum a, NullableDatum b)
{
	if (is_identical(row, column, a, b))
		return true;
	return !a.isnull && !b.isnull && column_of(row, column)->atttypid == NUMERICOID &&
		   op_cmp(DatumGetNumeric(a.value), DatumGetNumeric(b.value)) == 0;
}

bool
op_is_unchanged(const OpRow *row, int column)
{
	return row->old != NULL &&
		   op_is_same(row, column, row->value[column], op_old_value(row, column));
}

/* ---------- columns that are not written ---------- */

/* The one place where a write to a column is refused. */
void
op_refuse_write(Relation rel, AttrNumber column, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OP_COLUMN_NOT_WRITABLE),
			 errmsg("column \"%s\" of table \"%s\" is kept by the server",
					NameStr(TupleDescAttr(RelationGetDescr(rel), column - 1)->attname),
					RelationGetRelationName(rel)),
			 errhint("%s", hint), errtablecol(rel, column)));
	pg_unreachable();
}

op_noreturn static void
refuse_write(const OpRow *row, int column)
{
	op_refuse_write(row->rel, row->attnum[column], row->columns[column].hint);
}

/*
 * The default of a derived column, which programs write that name every
 * column: 0, or NULL of a nullable one.
 */
static bool
is_default(const OpRow *row, int column, NullableDatum value)
{
	switch (row->columns[column].type)
	{
		case INT4OID:
			return DatumGetInt32(value.value) == 0;
		case NUMERICOID:
			return column_of(row, column)->attnotnull &&
				   op_sign(DatumGetNumeric(value.value)) == 0;
		default:
			return false;
	}
}

void
op_derive(OpRow *row, int column, NullableDatum result, NullableDatum stored)
{
	NullableDatum given = row->value[column];

	if (is_identical(row, column, given, result))
		return;
	if (!given.isnull && !row->is_excluded && !op_is_same(row, column, given, result) &&
		!op_is_same(row, column, given, stored) && !is_default(row, column, given))
		refuse_write(row, column);
	op_set_value(row, column, result);
}

void
op_keep(const OpRow *row, int column)
{
	if (!op_is_unchanged(row, column))
		refuse_write(row, column);
}

void
op_maintain_created_at(OpRow *row, int column, NullableDatum *last)
{
	NullableDatum stored = {0, true};

	if (row->old == NULL)
	{
		last->value = TimestampTzGetDatum(GetCurrentTimestamp());
		last->isnull = false;
		op_derive(row, column, *last, stored);
		return;
	}
	stored = op_old_value(row, column);
	row->is_excluded = !last->isnull && op_is_same(row, column, row->value[column], *last) &&
					   !op_is_same(row, column, stored, *last);
	op_derive(row, column, stored, stored);
}

/* ---------- amounts in columns ---------- */

Datum
op_require_value(Relation rel, TupleTableSlot *row, AttrNumber column)
{
	NullableDatum value = op_value_in(row, column);

	if (value.isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("column \"%s\" of table \"%s\" may not be null",
						NameStr(TupleDescAttr(RelationGetDescr(rel), column - 1)->attname),
						RelationGetRelationName(rel)),
				 errtablecol(rel, column)));
	return value.value;
}

Numeric
op_numeric_of(NullableDatum value)
{
	return value.isnull ? op_zero() : DatumGetNumeric(value.value);
}

Numeric
op_old_numeric(const OpRow *row, int column)
{
	return row->old ? op_numeric_of(op_old_value(row, column)) : op_zero();
}

void
op_derive_numeric(OpRow *row, int column, Numeric result)
{
	op_derive(row, column, op_numeric_value(result),
			  op_numeric_value(op_old_numeric(row, column)));
}
