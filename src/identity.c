/*
 * identity.c
 *	  An explicit key in the way of a generated one.
 *
 * An identity column accepts explicit values, and its sequence does not know
 * of them: later it generates one that is taken, and the INSERT fails with a
 * bare unique violation. The server's error cannot be given a hint from here,
 * so a warning with the hint is sent just before it.
 *
 * A trigger cannot see whether a value was generated. It was, most likely, if
 * it is the sequence's last value and was not so at an INSERT before. In an
 * INSERT ... ON CONFLICT with the newest key of another session the guess is
 * wrong: hence a warning, not an error.
 *
 * Of a partitioned table the sequence is the root's, and the row in the way is
 * in the partition of the new one.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/skey.h"
#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "compat.h"
#include "identity.h"
#include "trigger_call.h"

/* The generated key that this session inserted last, and where. */
static Oid	 last_sequence = InvalidOid;
static int64 last_number = 0;

static bool
as_int64(Oid type, Datum value, int64 *result, RegProcedure *equal)
{
	switch (type)
	{
		case INT2OID:
			*result = DatumGetInt16(value);
			*equal = F_INT2EQ;
			return true;
		case INT4OID:
			*result = DatumGetInt32(value);
			*equal = F_INT4EQ;
			return true;
		case INT8OID:
			*result = DatumGetInt64(value);
			*equal = F_INT8EQ;
			return true;
		default:
			return false;
	}
}

/* An index that does not begin with the column finds it too slowly, or not. */
static bool
leads_index(Oid index, AttrNumber column)
{
	Relation index_rel = index_open(index, AccessShareLock);
	bool	 result = index_rel->rd_index->indkey.values[0] == column;

	index_close(index_rel, AccessShareLock);
	return result;
}

static bool
row_exists(Relation rel, AttrNumber column, Datum value, RegProcedure equal)
{
	Oid			index = op_primary_key_index(rel);
	ScanKeyData key;
	SysScanDesc scan;
	bool		result;

	if (!OidIsValid(index) || !leads_index(index, column))
		return false;
	ScanKeyInit(&key, column, BTEqualStrategyNumber, equal, value);
	scan = systable_beginscan(rel, index, true, SnapshotSelf, 1, &key);
	result = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	return result;
}

/*
 * The sequence behind the column of the table that was asked for last: finding
 * it takes a scan of pg_depend, which every INSERT would pay for.
 */
static Oid known_table = InvalidOid;
static Oid known_sequence = InvalidOid;

static void
forget_sequence(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == known_table || relation == known_sequence)
		known_table = InvalidOid;
}

void
op_identity_init(void)
{
	CacheRegisterRelcacheCallback(forget_sequence, (Datum) 0);
}

static Oid
sequence_of(Relation rel, AttrNumber column)
{
	if (known_table != RelationGetRelid(rel))
	{
		known_sequence = op_identity_sequence(rel, column);
		known_table = RelationGetRelid(rel);
	}
	return known_sequence;
}

/* The last value of the sequence behind a column, as its owner reads it. */
static bool
last_generated(Relation rel, AttrNumber column, Oid *sequence, int64 *last)
{
	LOCAL_FCINFO(fcinfo, 1);
	Oid	  userid;
	int	  context;
	Datum value;

	*sequence = sequence_of(rel, column);
	if (!OidIsValid(*sequence))
		return false;
	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ObjectIdGetDatum(*sequence);
	fcinfo->args[0].isnull = false;
	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(RelationGetForm(rel)->relowner, context | SECURITY_LOCAL_USERID_CHANGE);
	value = pg_sequence_last_value(fcinfo);
	SetUserIdAndSecContext(userid, context);
	*last = fcinfo->isnull ? 0 : DatumGetInt64(value);
	return !fcinfo->isnull;
}

/* Has the number just been generated, and was it not so at the INSERT before? */
static bool
is_newest(Relation root, AttrNumber column, int64 number, Oid *sequence)
{
	int64 last;

	if (!last_generated(root, column, sequence, &last) || last != number ||
		(*sequence == last_sequence && number == last_number))
		return false;
	last_sequence = *sequence;
	last_number = number;
	return true;
}

static void
warn(Relation root, const char *column, Oid sequence, int64 number)
{
	ereport(WARNING,
			(errmsg("generated %s " INT64_FORMAT " is already taken", column, number),
			 errdetail("A row of table \"%s\" was inserted with this %s.",
					   RelationGetRelationName(root), column),
			 errhint("Move the sequence past the explicit values: SELECT setval('%s', max(%s)) FROM %s;",
					 quote_qualified_identifier(get_namespace_name(get_rel_namespace(sequence)),
												get_rel_name(sequence)),
					 quote_identifier(column),
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(root)),
												RelationGetRelationName(root)))));
}

void
op_warn_of_collision(Relation rel, AttrNumber column, Datum value)
{
	const char	*name = NameStr(TupleDescAttr(RelationGetDescr(rel), column - 1)->attname);
	Relation	 root = table_open(op_root_of(rel), AccessShareLock);
	AttrNumber	 generated = get_attnum(RelationGetRelid(root), name);
	RegProcedure equal;
	int64		 number;
	Oid			 sequence;

	if (TupleDescAttr(RelationGetDescr(root), generated - 1)->attidentity &&
		as_int64(TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypid, value, &number,
				 &equal) &&
		is_newest(root, generated, number, &sequence) && row_exists(rel, column, value, equal))
		warn(root, name, sequence, number);
	table_close(root, AccessShareLock);
}
