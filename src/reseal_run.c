/*
 * reseal_run.c
 *	  How far a call of reseal() has come; see reseal_run.h.
 *
 * Whoever reseals has rights on his table, not on reseal_runs: that is written
 * as its owner. It is written with each batch, and its row stays small enough to
 * be updated in place.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "reseal_run.h"

#define STORE_EVERY_MS 1000
#define TELL_EVERY_MS  5000

static Oid
owner_of_runs(void)
{
	Oid		  schema = get_namespace_oid("order_payment", false);
	Oid		  table = get_relname_relid("reseal_runs", schema);
	HeapTuple row = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid		  owner;

	if (!HeapTupleIsValid(row))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("table order_payment.reseal_runs does not exist"),
						errhint("CREATE EXTENSION order_payment in this database.")));
	owner = ((Form_pg_class) GETSTRUCT(row))->relowner;
	ReleaseSysCache(row);
	return owner;
}

static void
execute_as_owner(const char *sql, int n, Oid *types, Datum *values, int expected)
{
	Oid userid;
	int context;

	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(owner_of_runs(),
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	if (SPI_execute_with_args(sql, n, types, values, NULL, false, 0) != expected)
		elog(ERROR, "could not write order_payment.reseal_runs: %s",
			 SPI_result_code_string(expected));
	SetUserIdAndSecContext(userid, context);
}

void
op_reseal_run_begin(OpResealRun *run, uint32 key_id)
{
	char *role = GetUserNameFromId(GetUserId(), false);
	Oid	  types[] = {TEXTOID, INT4OID, NAMEOID, INT4OID, TIMESTAMPTZOID};
	Datum values[] = {
		CStringGetTextDatum(run->relation),
		UInt32GetDatum(key_id),
		DirectFunctionCall1(namein, CStringGetDatum(role)),
		Int32GetDatum(MyProcPid),
		TimestampTzGetDatum(MyStartTimestamp),
	};
	bool isnull;

	execute_as_owner("INSERT INTO order_payment.reseal_runs (relation, key_id, role, backend_pid, backend_start)"
					 " VALUES ($1, $2, $3, $4, $5) RETURNING run_id",
					 lengthof(types), types, values, SPI_OK_INSERT_RETURNING);
	run->id = *DatumGetUUIDP(
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	run->told_at = run->stored_at = GetCurrentTimestamp();
}

static void
store(OpResealRun *run, bool is_end)
{
	Oid	  types[] = {UUIDOID, INT4OID, INT8OID, INT8OID, INT8OID, INT8OID, INT8OID, BOOLOID};
	Datum values[] = {
		UUIDPGetDatum(&run->id),
		Int32GetDatum(run->pass),
		Int64GetDatum(run->pages_done),
		Int64GetDatum(run->pages_total),
		Int64GetDatum(run->resealed),
		Int64GetDatum(run->skipped),
		Int64GetDatum(run->not_openable),
		BoolGetDatum(is_end),
	};

	execute_as_owner("UPDATE order_payment.reseal_runs SET pass = $2, pages_done = $3, pages_total = $4,"
					 " resealed = $5, skipped = $6, not_openable = $7,"
					 " updated_at = pg_catalog.clock_timestamp(),"
					 " finished_at = CASE WHEN $8 THEN pg_catalog.clock_timestamp() END"
					 " WHERE run_id OPERATOR(pg_catalog.=) $1",
					 lengthof(types), types, values, SPI_OK_UPDATE);
	run->stored_at = GetCurrentTimestamp();
}

void
op_reseal_run_store(OpResealRun *run, bool has_resealed)
{
	if (has_resealed ||
		TimestampDifferenceExceeds(run->stored_at, GetCurrentTimestamp(), STORE_EVERY_MS))
		store(run, false);
}

void
op_reseal_run_tell(OpResealRun *run)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!TimestampDifferenceExceeds(run->told_at, now, TELL_EVERY_MS))
		return;
	run->told_at = now;
	ereport(NOTICE, (errmsg("reseal of %s: pass %d, " INT64_FORMAT " of " INT64_FORMAT
							" pages, rows resealed: " INT64_FORMAT,
							run->relation, run->pass, run->pages_done, run->pages_total,
							run->resealed)));
}

void
op_reseal_run_end(OpResealRun *run)
{
	store(run, true);
	ereport(NOTICE, (errmsg("reseal of %s is done: rows resealed: " INT64_FORMAT, run->relation,
							run->resealed)));
	if (run->skipped > 0)
		ereport(WARNING,
				(errmsg("reseal of %s: rows left, for others held them locked: " INT64_FORMAT,
						run->relation, run->skipped),
				 errhint("End the transactions that hold them, prepared ones too, and call it again.")));
	if (run->not_openable > 0)
		ereport(WARNING,
				(errmsg("reseal of %s: rows left, for they hold values that do not open: " INT64_FORMAT,
						run->relation, run->not_openable),
				 errdetail("They stay as they are."),
				 errhint("Their keys are not here, or the values were changed or moved from another row; SELECT * FROM order_payment.key_status() shows the keys that are wanted.")));
}
