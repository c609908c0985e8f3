/*
 * key_use.c
 *	  Which keys do stored values need? Read from the tables themselves, whoever
 *	  owns them, so that no key is destroyed that is wanted still.
 *
 * A table is scanned here and not by SQL: this runs with the rights of the
 * owner of the extension, and SQL on the table of somebody else could be made
 * to run his code.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "data_key.h"
#include "fingerprint.h"
#include "sealed.h"
#include "trigger_call.h"

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

static void
count_key(HTAB *counts, uint32 id, uint32 field)
{
	KeyUse	which = {.by = {id, field}};
	bool	found;
	KeyUse *use = hash_search(counts, &which.by, HASH_ENTER, &found);

	use->values = found ? use->values + 1 : 1;
}

static void
count_sealed(HTAB *counts, const struct varlena *value)
{
	OpEnvelope envelope;

	if (op_sealed_parse(value, &envelope))
		count_key(counts, envelope.key_id, envelope.field);
}

static bool
is_base64url(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		   c == '-' || c == '_';
}

/* An array, or a row with sealed columns: what it looks like as text has them as text. */
static void
count_in_text(HTAB *counts, const char *text)
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
			count_key(counts, envelope.key_id, envelope.field);
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
count_value(HTAB *counts, ColumnKind kind, Oid type, Datum value)
{
	uint32 id;
	Oid	   output;
	bool   is_varlena;

	switch (kind)
	{
		case COLUMN_SEALED:
			count_sealed(counts, PG_DETOAST_DATUM_PACKED(value));
			break;
		case COLUMN_FINGERPRINT:
			id = op_fingerprint_key(DatumGetByteaPP(value));
			if (id != 0)
				count_key(counts, id, FIELD_FINGERPRINT);
			break;
		case COLUMN_PEPPER:
			count_key(counts, DatumGetUInt32(value), FIELD_PEPPER);
			break;
		case COLUMN_OTHER:
			getTypeOutputInfo(type, &output, &is_varlena);
			count_in_text(counts, OidOutputFunctionCall(output, value));
			break;
	}
}

static void
count_column(HTAB *counts, Relation rel, AttrNumber column, Oid type)
{
	ColumnKind		kind = kind_of(type);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	Snapshot		snapshot = RegisterSnapshot(GetLatestSnapshot());
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
		count_value(counts, kind, type, value.value);
		MemoryContextReset(each);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(each);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
}

PG_FUNCTION_INFO_V1(op_keys_used);

/* (relation, column): (key_id, field, stored_values) */
Datum
op_keys_used(PG_FUNCTION_ARGS)
{
	ReturnSetInfo	 *result = (ReturnSetInfo *) fcinfo->resultinfo;
	HTAB			 *counts = new_counts();
	Relation		  rel = try_relation_open(PG_GETARG_OID(0), AccessShareLock);
	Form_pg_attribute attr;
	HASH_SEQ_STATUS	  seq;
	KeyUse			 *use;

	InitMaterializedSRF(fcinfo, 0);
	if (rel == NULL) /* dropped since the caller saw it */
		return (Datum) 0;
	attr = op_find_column(rel, NameStr(*PG_GETARG_NAME(1)));
	if (attr != NULL && RELKIND_HAS_TABLE_AM(rel->rd_rel->relkind) && !RELATION_IS_OTHER_TEMP(rel))
		count_column(counts, rel, attr->attnum, attr->atttypid);
	relation_close(rel, NoLock);
	hash_seq_init(&seq, counts);
	while ((use = hash_seq_search(&seq)) != NULL)
	{
		const char *field = name_of_field(use->by.field);
		Datum		values[] = {UInt32GetDatum(use->by.id), CStringGetTextDatum(field),
								Int64GetDatum(use->values)};
		bool		isnull[] = {false, false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
	}
	hash_destroy(counts);
	return (Datum) 0;
}

/* ---------- what else is asked ---------- */

PG_FUNCTION_INFO_V1(op_trigger_argument);

/* (tgargs, name): the value of the argument name=value, null if there is none */
Datum
op_trigger_argument(PG_FUNCTION_ARGS)
{
	bytea	   *arguments = PG_GETARG_BYTEA_PP(0);
	char	   *name = psprintf("%s=", text_to_cstring(PG_GETARG_TEXT_PP(1)));
	const char *at = VARDATA_ANY(arguments);
	const char *end = at + VARSIZE_ANY_EXHDR(arguments);

	/* each ends with a zero */
	for (; at < end; at += strnlen(at, end - at) + 1)
	{
		size_t size = strnlen(at, end - at);

		if (size >= strlen(name) && memcmp(at, name, strlen(name)) == 0)
			PG_RETURN_TEXT_P(
				cstring_to_text_with_len(at + strlen(name), (int) (size - strlen(name))));
	}
	PG_RETURN_NULL();
}

PG_FUNCTION_INFO_V1(op_check_data_key);

/* (key_id, purpose, wrapped): an error that says why, if the root key does not unwrap it */
Datum
op_check_data_key(PG_FUNCTION_ARGS)
{
	uint8 raw[OP_KEY_SIZE];

	op_unwrap_key(PG_GETARG_UINT32(0), op_purpose_by_name(text_to_cstring(PG_GETARG_TEXT_PP(1))),
				  PG_GETARG_BYTEA_PP(2), raw);
	op_cleanse(raw, sizeof(raw));
	PG_RETURN_VOID();
}
