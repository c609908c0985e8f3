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
#include "access/sysattr.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "data_key.h"
#include "fingerprint.h"
#include "sealed.h"
#include "trigger_call.h"

#define LOCK_MS 3000 /* how long a lock is waited for */

/* ---------- counting ---------- */

typedef struct KeyUse
{
	struct
	{
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

/* What becomes of the keys that are met: all are counted, or one is looked for. */
typedef struct KeySink
{
	HTAB  *counts; /* NULL: one is looked for */
	uint32 wanted;
	bool   is_found;
} KeySink;

static void
meet_key(KeySink *sink, uint32 id, uint32 field)
{
	KeyUse	which = {.by = {id, field}};
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

/* For each row of a table, in memory of its own; of a value that is not null. */
typedef void (*RowFunction)(Relation rel, TupleTableSlot *row, NullableDatum value, void *context);

static void
scan_column(Relation rel, AttrNumber column, Snapshot snapshot, RowFunction function, void *context)
{
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc	scan = table_beginscan(rel, snapshot, 0, NULL);
	MemoryContext	each =
		AllocSetContextCreate(CurrentMemoryContext, "order_payment value", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(each);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		NullableDatum value = op_value_in(slot, column);

		CHECK_FOR_INTERRUPTS();
		if (value.isnull)
			continue;
		function(rel, slot, value, context);
		MemoryContextReset(each);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(each);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
}

typedef struct ColumnScan
{
	KeySink			 sink;
	ColumnKind		 kind;
	Oid				 type;
	const Bitmapset *key; /* the columns by which a row is named; empty: by its place */
	ReturnSetInfo	*result;
} ColumnScan;

static void
count_row(Relation rel, TupleTableSlot *row, NullableDatum value, void *context)
{
	ColumnScan *scan = context;

	meet_value(&scan->sink, scan->kind, scan->type, value.value);
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
count_column(Relation rel, const char *column, Snapshot snapshot, HTAB *counts)
{
	ColumnScan		  scan = {.sink = {.counts = counts}};
	Form_pg_attribute attr = column_to_scan(rel, column);

	if (attr == NULL)
		return;
	scan.kind = kind_of(attr->atttypid);
	scan.type = attr->atttypid;
	scan_column(rel, attr->attnum, snapshot, count_row, &scan);
}

static void
return_counts(HTAB *counts, int place, const ReturnSetInfo *result)
{
	HASH_SEQ_STATUS seq;
	KeyUse		   *use;

	hash_seq_init(&seq, counts);
	while ((use = hash_seq_search(&seq)) != NULL)
	{
		const char *field = name_of_field(use->by.field);
		Datum		values[] = {Int64GetDatum(place), UInt32GetDatum(use->by.id),
								CStringGetTextDatum(field), Int64GetDatum(use->values)};
		bool		isnull[] = {false, false, false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
	}
}

PG_FUNCTION_INFO_V1(op_keys_used);

/*
 * (relations, columns): (place, key_id, field, stored_values)
 *
 * All by one snapshot, or a value that goes from a table to one before it, as a
 * row does from partition to partition, would be seen in neither. It is taken
 * when no table can be rewritten any more.
 */
Datum
op_keys_used(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum		  *relations;
	Datum		  *columns;
	int			   n;
	int			   ncolumns;
	Relation	  *rels;
	Snapshot	   snapshot;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT,
					  &relations, NULL, &n);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &columns, NULL, &ncolumns);
	if (n != ncolumns)
		elog(ERROR, "%d tables and %d columns are no pairs", n, ncolumns);
	InitMaterializedSRF(fcinfo, 0);
	rels = palloc((n + 1) * sizeof(Relation));
	for (int i = 0; i < n; i++)
		rels[i] = open_to_scan(DatumGetObjectId(relations[i]));
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	for (int i = 0; i < n; i++)
	{
		HTAB *counts = new_counts();

		if (rels[i] != NULL)
		{
			count_column(rels[i], NameStr(*DatumGetName(columns[i])), snapshot, counts);
			relation_close(rels[i], NoLock);
		}
		return_counts(counts, i + 1, result);
		hash_destroy(counts);
	}
	UnregisterSnapshot(snapshot);
	return (Datum) 0;
}

/* ---------- which rows ---------- */

static JsonbValue
text_value(const char *text)
{
	JsonbValue result = {.type = jbvString};

	result.val.string.val = unconstify(char *, text);
	result.val.string.len = (int) strlen(text);
	return result;
}

/* Integers as numbers, all else as it is written. */
static JsonbValue
key_value(Oid type, Datum value)
{
	Oid		   output;
	bool	   is_varlena;
	JsonbValue result;
	char	  *text;

	getTypeOutputInfo(type, &output, &is_varlena);
	text = OidOutputFunctionCall(output, value);
	type = getBaseType(type);
	if (type != INT2OID && type != INT4OID && type != INT8OID)
		return text_value(text);
	result.type = jbvNumeric;
	result.val.numeric = DatumGetNumeric(
		DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid),
							Int32GetDatum(-1)));
	return result;
}

static Datum
name_of_row(Relation rel, TupleTableSlot *row, const Bitmapset *key)
{
	JsonbParseState *state = NULL;
	JsonbValue		 name;
	JsonbValue		 value;
	int				 column = -1;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	while ((column = bms_next_member(key, column)) >= 0)
	{
		Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(rel), column - 1);
		NullableDatum	  part = op_value_in(row, (AttrNumber) column);

		name = text_value(NameStr(attr->attname));
		pushJsonbValue(&state, WJB_KEY, &name);
		value = key_value(attr->atttypid, part.value); /* of a primary key: not null */
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	if (bms_is_empty(key))
	{
		name = text_value("ctid");
		pushJsonbValue(&state, WJB_KEY, &name);
		value = key_value(TIDOID, PointerGetDatum(&row->tts_tid));
		pushJsonbValue(&state, WJB_VALUE, &value);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

static void
return_row(Relation rel, TupleTableSlot *row, NullableDatum value, void *context)
{
	ColumnScan *scan = context;
	Datum		name;
	bool		isnull = false;

	scan->sink.is_found = false;
	meet_value(&scan->sink, scan->kind, scan->type, value.value);
	if (!scan->sink.is_found)
		return;
	name = name_of_row(rel, row, scan->key);
	tuplestore_putvalues(scan->result->setResult, scan->result->setDesc, &name, &isnull);
}

static Bitmapset *
primary_key(Relation rel)
{
	Bitmapset *offset = RelationGetIndexAttrBitmap(rel, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	Bitmapset *result = NULL;
	int		   column = -1;

	while ((column = bms_next_member(offset, column)) >= 0)
		result = bms_add_member(result, column + FirstLowInvalidHeapAttributeNumber);
	return result;
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

PG_FUNCTION_INFO_V1(op_rows_made_by);

/* (relation, column, key_id): the keys of rows, as jsonb */
Datum
op_rows_made_by(PG_FUNCTION_ARGS)
{
	ColumnScan scan = {
		.sink = {.wanted = PG_GETARG_UINT32(2)},
		.result = (ReturnSetInfo *) fcinfo->resultinfo};
	Relation		  rel = open_to_scan(PG_GETARG_OID(0));
	Form_pg_attribute attr;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	if (rel == NULL)
		return (Datum) 0;
	attr = column_to_scan(rel, NameStr(*PG_GETARG_NAME(1)));
	if (attr != NULL)
	{
		Bitmapset *key = primary_key(rel);
		Snapshot   snapshot;

		require_readable(rel, bms_add_member(bms_copy(key), attr->attnum));
		scan.kind = kind_of(attr->atttypid);
		scan.type = attr->atttypid;
		scan.key = key;
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		scan_column(rel, attr->attnum, snapshot, return_row, &scan);
		UnregisterSnapshot(snapshot);
	}
	relation_close(rel, attr != NULL ? NoLock : AccessShareLock);
	return (Datum) 0;
}
