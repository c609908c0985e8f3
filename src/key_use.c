/*
 * key_use.c
 *	  Which keys do stored values need? Read from the tables themselves, whoever
 *	  owns them, so that no key is destroyed that is wanted still.
 *
 * A table is scanned here and not by SQL: this runs with the rights of the
 * owner of the extension, or of a superuser, and SQL on the table of somebody
 * else could be made to run his code, by casts, policies, and what the planner
 * evaluates of indexes.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "data_key.h"
#include "fingerprint.h"
#include "row_name.h"
#include "sealed.h"
#include "trigger_call.h"

#define LOCK_MS 3000 /* how long a lock is waited for */

/* ---------- counting ---------- */

typedef struct KeyUse
{
	struct
	{
		uint32 place; /* of the column, from 1 on */
		uint32 id;
		uint32 field; /* an OpField, or one of those below */
	} by;			  /* hash key */
	int64 values;
} KeyUse;

/* What is made by a key and is no sealed value. */
#define FIELD_FINGERPRINT 0
#define FIELD_PEPPER	  OP_NFIELDS

static const char *
name_of_field(uint32 field)
{
	switch (field)
	{
		case FIELD_FINGERPRINT:
			return "fingerprint";
		case FIELD_PEPPER:
			return "pepper";
		default:
			return op_fields[field].name;
	}
}

static HTAB *
new_counts(void)
{
	HASHCTL ctl = {
		.keysize = sizeof(((KeyUse *) NULL)->by),
		.entrysize = sizeof(KeyUse),
		.hcxt = CurrentMemoryContext};

	return hash_create("order_payment key use", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* What becomes of the keys that are met in a column: all are counted, or one is looked for. */
typedef struct KeySink
{
	uint32 place;
	HTAB  *counts; /* NULL: one is looked for */
	uint32 wanted;
	bool   is_found;
} KeySink;

static void
meet_key(KeySink *sink, uint32 id, uint32 field)
{
	KeyUse	which = {.by = {sink->place, id, field}};
	bool	found;
	KeyUse *use;

	if (sink->counts == NULL)
	{
		sink->is_found = sink->is_found || id == sink->wanted;
		return;
	}
	use = hash_search(sink->counts, &which.by, HASH_ENTER, &found);
	use->values = found ? use->values + 1 : 1;
}

static void
meet_sealed(KeySink *sink, const struct varlena *value)
{
	OpEnvelope envelope;

	if (op_sealed_parse(value, &envelope))
		meet_key(sink, envelope.key_id, envelope.field);
}

static bool
is_base64url(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		   c == '-' || c == '_';
}

/* An array, or a row with sealed columns: what it looks like as text has them as text. */
static void
meet_in_text(KeySink *sink, const char *text)
{
	const size_t prefix = strlen(OP_ENVELOPE_PREFIX);

	while ((text = strstr(text, OP_ENVELOPE_PREFIX)) != NULL)
	{
		uint8	   data[OP_ENVELOPE_MAX];
		size_t	   size = sizeof(data);
		size_t	   length = prefix;
		OpEnvelope envelope;

		while (is_base64url(text[length]))
			length++;
		if (op_envelope_from_text(text, length, data, &size) &&
			op_envelope_parse((OpBytes){data, size}, &envelope))
			meet_key(sink, envelope.key_id, envelope.field);
		text += length;
	}
}

typedef enum ColumnKind
{
	COLUMN_SEALED,		/* or a domain over it */
	COLUMN_FINGERPRINT, /* bytea */
	COLUMN_PEPPER,		/* integer: the id itself */
	COLUMN_OTHER		/* something that is made of sealed values */
} ColumnKind;

static ColumnKind
kind_of(Oid type)
{
	Oid base = getBaseType(type);
	Oid input;
	Oid io_param;

	if (base == BYTEAOID)
		return COLUMN_FINGERPRINT;
	if (base == INT4OID)
		return COLUMN_PEPPER;
	getTypeInputInfo(base, &input, &io_param);
	return op_is_function(input, op_sealed_in) ? COLUMN_SEALED : COLUMN_OTHER;
}

static void
meet_value(KeySink *sink, ColumnKind kind, Oid type, Datum value)
{
	uint32 id;
	Oid	   output;
	bool   is_varlena;

	switch (kind)
	{
		case COLUMN_SEALED:
			meet_sealed(sink, PG_DETOAST_DATUM_PACKED(value));
			break;
		case COLUMN_FINGERPRINT:
			id = op_fingerprint_key(DatumGetByteaPP(value));
			if (id != 0)
				meet_key(sink, id, FIELD_FINGERPRINT);
			break;
		case COLUMN_PEPPER:
			meet_key(sink, DatumGetUInt32(value), FIELD_PEPPER);
			break;
		case COLUMN_OTHER:
			getTypeOutputInfo(type, &output, &is_varlena);
			meet_in_text(sink, OidOutputFunctionCall(output, value));
			break;
	}
}

/*
 * Whoever locks a table of his own must not keep those waiting who keep the
 * keys. NULL: dropped since the caller saw it.
 */
static Relation
open_to_scan(Oid relation)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOCK_MS);

	while (!ConditionalLockRelationOid(relation, AccessShareLock))
	{
		if (GetCurrentTimestamp() >= until)
			ereport(ERROR,
					(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
					 errmsg("table \"%s\", which has sealed values, is locked by another session",
							get_rel_name(relation) ? get_rel_name(relation) : "?"),
					 errhint("pg_locks shows who it is; try again.")));
		CHECK_FOR_INTERRUPTS();
		pg_usleep(10000L);
	}
	return try_relation_open(relation, NoLock);
}

/* As a query would. A policy is code of the owner, and is not run. */
static void
require_readable(Relation rel, const Bitmapset *columns)
{
	Oid relid = RelationGetRelid(rel);
	int column = -1;

	if (check_enable_rls(relid, InvalidOid, true) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the rows of table \"%s\" are shown by policies", RelationGetRelationName(rel)),
				 errhint("Let a role ask that has BYPASSRLS, or a superuser."), errtable(rel)));
	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
		return;
	while ((column = bms_next_member(columns, column)) >= 0)
	{
		if (pg_attribute_aclcheck(relid, (AttrNumber) column, GetUserId(), ACL_SELECT) !=
			ACLCHECK_OK)
			aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(rel->rd_rel->relkind),
						   RelationGetRelationName(rel));
	}
}

typedef struct ColumnScan ColumnScan;

struct ColumnScan
{
	/* Of a row of a table, in memory of its own; of a value that is not null. */
	void (*row)(ColumnScan *scan, TupleTableSlot *row, NullableDatum value);
	ReturnSetInfo *result;
	KeySink		   sink;

	/* the column where it is */
	Relation		 rel;
	ColumnKind		 kind;
	Oid				 type;
	const Bitmapset *key; /* the columns by which a row is named, if it is to be */
};

static void
scan_rows(ColumnScan *scan, AttrNumber column, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(scan->rel, NULL);
	TableScanDesc	rows = table_beginscan(scan->rel, snapshot, 0, NULL);
	MemoryContext	each =
		AllocSetContextCreate(CurrentMemoryContext, "order_payment value", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(each);

	while (table_scan_getnextslot(rows, ForwardScanDirection, slot))
	{
		NullableDatum value = op_value_in(slot, column);

		CHECK_FOR_INTERRUPTS();
		if (value.isnull)
			continue;
		scan->row(scan, slot, value);
		MemoryContextReset(each);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(each);
	table_endscan(rows);
	ExecDropSingleTupleTableSlot(slot);
}

/* NULL if it is not there any more, or holds no rows that may be read here. */
static Form_pg_attribute
column_to_scan(Relation rel, const char *name)
{
	if (!RELKIND_HAS_TABLE_AM(rel->rd_rel->relkind) || RELATION_IS_OTHER_TEMP(rel))
		return NULL;
	return op_find_column(rel, name);
}

static void
scan_column(ColumnScan *scan, Relation rel, const char *name, Snapshot snapshot)
{
	Form_pg_attribute attr = column_to_scan(rel, name);

	if (attr == NULL)
		return;
	scan->rel = rel;
	scan->kind = kind_of(attr->atttypid);
	scan->type = attr->atttypid;
	if (scan->sink.counts == NULL)
	{
		scan->key = op_primary_key(rel);
		require_readable(rel, bms_add_member(bms_copy(scan->key), attr->attnum));
	}
	scan_rows(scan, attr->attnum, snapshot);
}

/* Nobody locks a table on which he has no right; what he may read of it is looked at then. */
static void
require_some_right(Oid relation)
{
	bool is_missing = false;

	if (pg_class_aclcheck_ext(relation, GetUserId(), ACL_SELECT, &is_missing) != ACLCHECK_OK &&
		!is_missing &&
		pg_attribute_aclcheck_all(relation, GetUserId(), ACL_SELECT, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, get_rel_name(relation));
}

static Relation *
open_all(const ColumnScan *scan, const Datum *relations, int n)
{
	Relation *rels = palloc((n + 1) * sizeof(Relation));

	for (int i = 0; i < n; i++)
	{
		if (scan->sink.counts == NULL)
			require_some_right(DatumGetObjectId(relations[i]));
		rels[i] = open_to_scan(DatumGetObjectId(relations[i]));
	}
	return rels;
}

/*
 * Columns of tables, in two arrays, all by one snapshot, or a value that goes
 * from a table to one before it, as a row does from partition to partition, would
 * be seen in neither. It is taken when no table can be rewritten any more.
 */
static void
scan_columns(ColumnScan *scan, ArrayType *relation_array, ArrayType *column_array)
{
	Datum	 *relations;
	Datum	 *columns;
	int		  n;
	int		  ncolumns;
	Relation *rels;
	Snapshot  snapshot;

	deconstruct_array(relation_array, REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT, &relations,
					  NULL, &n);
	deconstruct_array(column_array, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &columns, NULL,
					  &ncolumns);
	if (n != ncolumns)
		elog(ERROR, "%d tables and %d columns are no pairs", n, ncolumns);
	rels = open_all(scan, relations, n);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	for (int i = 0; i < n; i++)
	{
		if (rels[i] == NULL)
			continue;
		scan->sink.place = i + 1;
		scan_column(scan, rels[i], NameStr(*DatumGetName(columns[i])), snapshot);
		relation_close(rels[i], NoLock);
	}
	UnregisterSnapshot(snapshot);
}

/* ---------- how many values ---------- */

static void
count_keys(ColumnScan *scan, TupleTableSlot *row, NullableDatum value)
{
	meet_value(&scan->sink, scan->kind, scan->type, value.value);
}

static void
return_counts(const ColumnScan *scan)
{
	HASH_SEQ_STATUS seq;
	KeyUse		   *use;

	hash_seq_init(&seq, scan->sink.counts);
	while ((use = hash_seq_search(&seq)) != NULL)
	{
		const char *field = name_of_field(use->by.field);
		Datum		values[] = {Int64GetDatum(use->by.place), UInt32GetDatum(use->by.id),
								CStringGetTextDatum(field), Int64GetDatum(use->values)};
		bool		isnull[] = {false, false, false, false};

		tuplestore_putvalues(scan->result->setResult, scan->result->setDesc, values, isnull);
	}
}

PG_FUNCTION_INFO_V1(op_keys_used);

/* (relations, columns): (place, key_id, field, stored_values) */
Datum
op_keys_used(PG_FUNCTION_ARGS)
{
	ColumnScan scan = {
		.row = count_keys,
		.result = (ReturnSetInfo *) fcinfo->resultinfo,
		.sink = {.counts = new_counts()}};

	InitMaterializedSRF(fcinfo, 0);
	scan_columns(&scan, PG_GETARG_ARRAYTYPE_P(0), PG_GETARG_ARRAYTYPE_P(1));
	return_counts(&scan);
	hash_destroy(scan.sink.counts);
	return (Datum) 0;
}

/* ---------- which rows ---------- */

static void
return_row(ColumnScan *scan, TupleTableSlot *row, NullableDatum value)
{
	Datum values[2];
	bool  isnull[2] = {false, false};

	scan->sink.is_found = false;
	meet_value(&scan->sink, scan->kind, scan->type, value.value);
	if (!scan->sink.is_found)
		return;
	values[0] = Int64GetDatum(scan->sink.place);
	values[1] = op_name_row(scan->rel, row, scan->key);
	tuplestore_putvalues(scan->result->setResult, scan->result->setDesc, values, isnull);
}

PG_FUNCTION_INFO_V1(op_rows_made_by);

/* (relations, columns, key_id): (place, row_key) */
Datum
op_rows_made_by(PG_FUNCTION_ARGS)
{
	ColumnScan scan = {
		.row = return_row,
		.result = (ReturnSetInfo *) fcinfo->resultinfo,
		.sink = {.wanted = PG_GETARG_UINT32(2)}};

	InitMaterializedSRF(fcinfo, 0);
	scan_columns(&scan, PG_GETARG_ARRAYTYPE_P(0), PG_GETARG_ARRAYTYPE_P(1));
	return (Datum) 0;
}
