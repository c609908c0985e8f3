/*
 * reseal.c
 *	  CALL reseal(table): all rows of a table under the keys that are active
 *	  now, while the shop runs.
 *
 * batch	the rows of a few pages, resealed and committed together
 * pass		once through all pages, batch by batch
 * wanted	has a value whose key opens and seals no more, or a fingerprint of
 *			another key than the active one
 *
 * A batch asks for rows by their pages (a TID range scan, which needs no index)
 * and by what stands in them, so nothing has to be remembered: whoever is killed
 * is called again, and two at once take what the other has left. A row that is
 * locked is skipped and comes in the next pass; no lock is ever waited for with
 * row locks in hand, but for a second at most, and a batch that comes into the
 * way of another transaction is given up and comes in the next pass as well.
 *
 * A row that somebody else updates may move to pages that this pass has left
 * behind. So after each pass the rows that are still wanted are counted in one
 * snapshot, and that count says whether it is done.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/bufmgr.h"
#include "storage/itemptr.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "errors.h"
#include "keyring.h"
#include "protect.h"
#include "reseal_run.h"
#include "reseal_table.h"
#include "reseal_value.h"
#include "settings.h"

#define LOCK_TIMEOUT_MS 1000
#define IDLE_PASSES_MAX 3
#define IDLE_PASS_MS	1000

typedef struct Reseal
{
	OpResealWhat what;
	int			 batch_pages;
	double		 max_rate; /* rows a second; 0: as fast as it goes */
	TimestampTz	 started_at;
	Datum		 keys[OP_RESEAL_NKEYS];
	int64		 shut; /* rows of this pass that do not open */
	OpResealRun	 run;
} Reseal;

/* ---------- a batch ---------- */

static Datum
tid(BlockNumber block)
{
	ItemPointer result = palloc(sizeof(ItemPointerData));

	ItemPointerSet(result, block, 0);
	return PointerGetDatum(result);
}

static void
set_option(const char *name, const char *value)
{
	set_config_option(name, value, superuser() ? PGC_SUSET : PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
}

static void
set_mode(const Reseal *reseal, bool on)
{
	if (reseal->what.column == NULL)
		op_set_protect_mode(on ? reseal->what.target : InvalidOid,
							on ? OP_PROTECT_RESEAL : OP_PROTECT);
	else
		op_set_reseal_leaves(on);
}

/* Is it an error that goes away when somebody else is done? */
static bool
is_transient(int code)
{
	return code == ERRCODE_LOCK_NOT_AVAILABLE || code == ERRCODE_T_R_DEADLOCK_DETECTED ||
		   code == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

/* Returns how many rows were resealed. */
static int64
update_rows(Reseal *reseal, SPIPlanPtr update, Datum *values)
{
	int	  nest = NewGUCNestLevel();
	int64 updated;
	int64 shut;

	/* nobody is to be kept waiting, and no row left out in silence */
	if (LockTimeout == 0 || LockTimeout > LOCK_TIMEOUT_MS)
		set_option("lock_timeout", CppAsString2(LOCK_TIMEOUT_MS));
	set_option("row_security", "off");
	set_mode(reseal, true);
	if (SPI_execute_plan(update, values, NULL, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "could not reseal rows");
	updated = (int64) SPI_processed;
	shut = reseal->what.column == NULL ? op_not_resealed() : op_left_by_reseal();
	set_mode(reseal, false);
	AtEOXact_GUC(true, nest);
	reseal->shut += shut;
	return updated - shut;
}

/* In a subtransaction, so that a batch that was in the way of others can be given up. */
static int64
try_update_rows(Reseal *reseal, SPIPlanPtr update, Datum *values)
{
	MemoryContext  context = CurrentMemoryContext;
	ResourceOwner  owner = CurrentResourceOwner;
	volatile int64 result = 0;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		result = update_rows(reseal, update, values);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		set_mode(reseal, false);
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!is_transient(error->sqlerrcode))
			ReThrowError(error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return result;
}

static void
sleep_until(TimestampTz end)
{
	for (;;)
	{
		long left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), end);

		CHECK_FOR_INTERRUPTS();
		if (left <= 0)
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 Min(left, 1000), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* No transaction of ours holds anything meanwhile. */
static void
keep_to_rate(const Reseal *reseal)
{
	double seconds;

	if (reseal->max_rate <= 0)
		return;
	seconds = Min((double) reseal->run.resealed / reseal->max_rate, SECS_PER_YEAR);
	sleep_until(reseal->started_at + (TimestampTz) (seconds * USECS_PER_SEC));
}

static void
reseal_pages(Reseal *reseal, SPIPlanPtr update, BlockNumber first, BlockNumber end)
{
	Datum values[OP_RESEAL_NPARAMETERS];
	int64 resealed;

	memcpy(values, reseal->keys, sizeof(reseal->keys));
	values[OP_RESEAL_FIRST] = tid(first);
	values[OP_RESEAL_END] = tid(end);
	resealed = try_update_rows(reseal, update, values);
	reseal->run.pages_done += end - first;
	reseal->run.resealed += resealed;
	op_reseal_run_store(&reseal->run, resealed > 0);
	SPI_commit();
	op_reseal_run_tell(&reseal->run);
	pfree(DatumGetPointer(values[OP_RESEAL_FIRST]));
	pfree(DatumGetPointer(values[OP_RESEAL_END]));
	keep_to_rate(reseal);
}

/* ---------- a pass ---------- */

/* not const: SPI_prepare() wants it so */
static Oid parameter_types[OP_RESEAL_NPARAMETERS] = {
	[OP_RESEAL_OLD] = INT4ARRAYOID,
	[OP_RESEAL_OPENING] = INT4ARRAYOID,
	[OP_RESEAL_FINGERPRINT] = INT4OID,
	[OP_RESEAL_FIRST] = TIDOID,
	[OP_RESEAL_END] = TIDOID,
};

static SPIPlanPtr
prepare(const char *sql, int nparameters)
{
	SPIPlanPtr plan = SPI_prepare(sql, nparameters, parameter_types);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed for \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	return plan;
}

static Datum
int4_array(const uint32 *ids, int n)
{
	Datum *values = palloc((n + 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = UInt32GetDatum(ids[i]);
	return PointerGetDatum(construct_array(values, n, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

/* The keys as they are now. */
static void
read_keys(Reseal *reseal)
{
	uint32	active;
	uint32 *ids;
	int		n;

	(void) op_sealing_key(OP_FIELD_TEXT, &active); /* an error if nothing can be sealed */
	n = op_usable_keys(OP_PURPOSE_DATA, &ids);
	reseal->keys[OP_RESEAL_OPENING] = int4_array(ids, n);
	reseal->keys[OP_RESEAL_OLD] = int4_array(ids + 1, n - 1);
	reseal->keys[OP_RESEAL_FINGERPRINT] = UInt32GetDatum(op_active_key(OP_PURPOSE_FINGERPRINT));
}

/* A partition may have been dropped or detached since; then there is nothing to do in it. */
static BlockNumber
count_pages(Oid table, const OpResealWhat *what, char **update)
{
	Relation	rel = try_relation_open(table, AccessShareLock);
	BlockNumber result;

	if (rel == NULL)
		return 0;
	result = RelationGetNumberOfBlocks(rel);
	if (update != NULL)
		*update = op_reseal_update(rel, what);
	relation_close(rel, AccessShareLock);
	return result;
}

static void
reseal_table(Reseal *reseal, Oid table)
{
	char	   *sql = NULL;
	BlockNumber npages = count_pages(table, &reseal->what, &sql);
	SPIPlanPtr	update;

	if (npages == 0)
		return;
	update = prepare(sql, OP_RESEAL_NPARAMETERS);
	for (BlockNumber first = 0; first < npages;)
	{
		BlockNumber end = npages - first > (BlockNumber) reseal->batch_pages
							  ? first + (BlockNumber) reseal->batch_pages
							  : npages;

		reseal_pages(reseal, update, first, end);
		first = end;
	}
	SPI_freeplan(update);
}

static void
run_pass(Reseal *reseal)
{
	List	 *tables = op_reseal_tables(reseal->what.target);
	ListCell *cell;

	reseal->shut = 0;
	reseal->run.pass++;
	reseal->run.pages_done = reseal->run.pages_total = 0;
	read_keys(reseal);
	foreach (cell, tables)
		reseal->run.pages_total += count_pages(lfirst_oid(cell), &reseal->what, NULL);
	foreach (cell, tables)
		reseal_table(reseal, lfirst_oid(cell));
}

/* In one snapshot: the rows that are still wanted, and those that no key here opens. */
static int64
count_wanted(Reseal *reseal, int64 *unknown)
{
	Relation   rel = table_open(reseal->what.target, AccessShareLock);
	SPIPlanPtr count = prepare(op_reseal_count(rel, &reseal->what), OP_RESEAL_NKEYS);
	int		   nest = NewGUCNestLevel();
	int64	   result;
	bool	   isnull;

	table_close(rel, NoLock);
	read_keys(reseal);
	set_option("row_security", "off");
	if (SPI_execute_plan(count, reseal->keys, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count rows");
	AtEOXact_GUC(true, nest);
	result = DatumGetInt64(
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	*unknown = DatumGetInt64(
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	SPI_freetuptable(SPI_tuptable);
	SPI_freeplan(count);
	SPI_commit();
	return result;
}

static void
run_passes(Reseal *reseal)
{
	int64 wanted;
	int64 unknown;
	int	  idle_passes = 0;

	for (;;)
	{
		int64 before = reseal->run.resealed;

		run_pass(reseal);
		wanted = count_wanted(reseal, &unknown);
		if (wanted <= reseal->shut)
			break;
		if (reseal->run.resealed > before)
			idle_passes = 0;
		else if (++idle_passes == IDLE_PASSES_MAX)
			break;
		else
			sleep_until(GetCurrentTimestamp() + (TimestampTz) IDLE_PASS_MS * 1000);
	}
	reseal->run.skipped = Max(wanted - reseal->shut, 0);
	reseal->run.not_openable = unknown + Min(wanted, reseal->shut);
	op_reseal_run_end(&reseal->run);
}

/* ---------- the procedure ---------- */

static void
refuse_argument(int code, const char *message, const char *hint)
{
	ereport(ERROR, (errcode(code), errmsg("%s", message), errhint("%s", hint)));
}

static List *
names_in(ArrayType *array)
{
	Datum *values;
	bool  *nulls;
	int	   n;
	List  *result = NIL;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		if (!nulls[i])
			result = lappend(result, TextDatumGetCString(values[i]));
	}
	return result;
}

enum
{
	ARG_TARGET,
	ARG_MAX_RATE,
	ARG_BATCH_PAGES,
	ARG_COLUMN,
	ARG_LABEL,
	ARG_KEY
};

static void
read_arguments(FunctionCallInfo fcinfo, Reseal *reseal)
{
	bool has_column = !PG_ARGISNULL(ARG_COLUMN);

	if (PG_ARGISNULL(ARG_TARGET) || PG_ARGISNULL(ARG_BATCH_PAGES))
		refuse_argument(ERRCODE_NULL_VALUE_NOT_ALLOWED,
						"the table and the size of a batch may not be null",
						"CALL order_payment.reseal('table').");
	if (has_column != !PG_ARGISNULL(ARG_LABEL) || has_column != !PG_ARGISNULL(ARG_KEY))
		refuse_argument(ERRCODE_INVALID_PARAMETER_VALUE,
						"sealed_column, label and key go together",
						"The values of the column were sealed by seal(..., binding(label, key columns)): name all three, or none for a table with the trigger protect_card().");
	reseal->what.target = PG_GETARG_OID(ARG_TARGET);
	reseal->batch_pages = PG_GETARG_INT32(ARG_BATCH_PAGES);
	reseal->max_rate = PG_ARGISNULL(ARG_MAX_RATE) ? 0 : PG_GETARG_FLOAT8(ARG_MAX_RATE);
	if (reseal->batch_pages < 1 ||
		(!PG_ARGISNULL(ARG_MAX_RATE) && !(reseal->max_rate > 0)))
		refuse_argument(ERRCODE_INVALID_PARAMETER_VALUE,
						"the size of a batch and the rate must be above 0",
						"batch_pages counts pages of the table, max_rate rows a second; null: as fast as it goes.");
	if (!has_column)
		return;
	reseal->what.column = pstrdup(NameStr(*PG_GETARG_NAME(ARG_COLUMN)));
	reseal->what.label = text_to_cstring(PG_GETARG_TEXT_PP(ARG_LABEL));
	reseal->what.key = names_in(PG_GETARG_ARRAYTYPE_P(ARG_KEY));
}

static void
check_call(FunctionCallInfo fcinfo, const Reseal *reseal)
{
	char kind = get_rel_relkind(reseal->what.target);

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
						errmsg("reseal() commits, and so cannot run inside of a transaction"),
						errhint("CALL it by itself, not after BEGIN and not from a function.")));
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		refuse_argument(ERRCODE_WRONG_OBJECT_TYPE, "only tables can be resealed",
						"Name the table itself.");
	if (op_restore)
		refuse_argument(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
						"nothing can be resealed while order_payment.restore is on",
						"RESET order_payment.restore.");
}

PG_FUNCTION_INFO_V1(op_reseal);

/* (target, max_rate, batch_pages, sealed_column, label, key) */
Datum
op_reseal(PG_FUNCTION_ARGS)
{
	Reseal reseal = {.started_at = GetCurrentTimestamp()};

	/* what is kept over the commits is allocated inside */
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	read_arguments(fcinfo, &reseal);
	check_call(fcinfo, &reseal);
	read_keys(&reseal);
	reseal.run.relation = quote_qualified_identifier(
		get_namespace_name(get_rel_namespace(reseal.what.target)),
		get_rel_name(reseal.what.target));
	op_reseal_run_begin(&reseal.run, op_active_key(OP_PURPOSE_DATA));
	SPI_commit();
	run_passes(&reseal);
	SPI_finish();
	PG_RETURN_VOID();
}
