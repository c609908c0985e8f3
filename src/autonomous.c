/*
 * autonomous.c
 *	  Runs a function of the extension in a transaction of its own.
 *
 * task		a function that may be run so: one of a fixed list, never SQL that
 *			somebody writes
 * caller	the backend that wants it done before it goes on
 * worker	a dynamic background worker that does it: it lives for one task
 * call		the task and its arguments, in a segment of shared memory that also
 *			holds the queue on which the worker answers
 *
 * What the caller learns is committed and on disk: a ROLLBACK, a cancel or the
 * end of the caller does not undo it. It fails closed: where there is no
 * worker, no answer in time, or a worker that died, the caller is refused. A
 * caller that is cancelled does not stop the worker; the record of what it
 * has not seen then stands, which is right that way round.
 *
 * Neither side waits for ever: the caller has a deadline, and the worker ends
 * itself soon after, so nothing is left behind whichever of them dies.
 * A lock that the caller's own transaction holds is seen by no deadlock
 * detector, hence the timeout of locks.
 *
 * The worker connects as the bootstrap superuser, so that no role needs rights
 * for it, and acts as the owner of the table that is written: a trigger
 * that this owner has put there runs with its rights, not with a superuser's.
 *
 * Arguments hold no secret: shared memory is not wiped, and an error may show them.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "libpq/pqformat.h"
#include "libpq/pqmq.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "parser/parse_func.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "autonomous.h"
#include "compat.h"
#include "errors.h"

#define DEADLINE_MS	  10000 /* how long the caller waits */
#define LIFE_MS		  12000 /* how long the worker lives, if nobody ends it before */
#define SLOT_MS		  2000	/* how long the caller waits for a slot of max_worker_processes */
#define SLOT_PAUSE_MS 10	/* and how often it asks */
#define LOCK_MS		  2000	/* how long the worker waits for a lock */
#define FUNCTION_MS	  5000	/* how long the function may take */
#define QUEUE_SIZE	  8192	/* longer answers go through it in pieces */
#define ANSWER		  'D'	/* the type of the message that is no error or notice */
#define ERROR_MESSAGE 'E'

typedef struct Task
{
	const char *function; /* in schema order_payment; the only one of its name */
	int			sqlstate; /* of a refusal */
	const char *refusal;
} Task;

static const Task tasks[] = {
	[OP_TASK_RECORD_REVEAL] = {"record_reveal", ERRCODE_OP_MAY_NOT_REVEAL,
							   "nothing is revealed, for it could not be recorded"},
	[OP_TASK_CHARGE_PASSWORD] = {"charge_password_attempt", ERRCODE_OP_PASSWORD,
								 "the payment password is not checked, for the attempt could not be charged"},
	[OP_TASK_CLEAR_PASSWORD] = {"clear_password_attempts", ERRCODE_OP_PASSWORD,
								"the payment password does not count, for its attempts could not be cleared"},
};

StaticAssertDecl(lengthof(tasks) == OP_NTASKS, "each task is described");

/* In shared memory, behind the queue. */
typedef struct Call
{
	OpAutonomousTask task;
	Oid				 database;
	Oid				 table;
	int				 nargs;
	char			 args[FLEXIBLE_ARRAY_MEMBER]; /* each: NO_VALUE, or A_VALUE and a string */
} Call;

#define NO_VALUE '-'
#define A_VALUE	 '='

static Call *
call_in(dsm_segment *segment)
{
	return (Call *) ((char *) dsm_segment_address(segment) + QUEUE_SIZE);
}

/* ---------- the caller: refusals ---------- */

/* The statement is hidden from the log: it may hold what was to be looked up. */
op_noreturn static void refuse(const Task *task, int sqlstate, const char *detail,
							   const char *hint);

static void
refuse(const Task *task, int sqlstate, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("%s", task->refusal),
			 detail ? errdetail("%s", detail) : 0,
			 hint ? errhint("%s", hint) : 0,
			 errhidestmt(true),
			 errhidecontext(true)));
	pg_unreachable();
}

/* Where no worker can be. */
static void
require_place(const Task *task)
{
	if (RecoveryInProgress())
		refuse(task, ERRCODE_READ_ONLY_SQL_TRANSACTION, "This server is a standby.",
			   "Ask the primary.");
	if (!IsUnderPostmaster || IsBinaryUpgrade)
		refuse(task, task->sqlstate, "This server runs no background workers.",
			   "Start it as usual, not in single-user mode or for an upgrade.");
	if (IsInParallelMode())
		refuse(task, task->sqlstate, "This is a parallel query.",
			   "Do not call it in a function that is marked PARALLEL SAFE or RESTRICTED.");
}

/* What the worker said before it died. */
static void
raise_error_of_worker(const Task *task, StringInfo message)
{
	ErrorData	error = {0};
	const char *sqlstate;

	pq_parse_errornotice(message, &error);
	sqlstate = unpack_sql_state(error.sqlerrcode);
	if (strncmp(sqlstate, "OP", 2) != 0)
		refuse(task, task->sqlstate, psprintf("%s: %s", sqlstate, error.message), error.hint);
	ereport(ERROR,
			(errcode(error.sqlerrcode),
			 errmsg_internal("%s", error.message),
			 error.detail ? errdetail_internal("%s", error.detail) : 0,
			 error.hint ? errhint("%s", error.hint) : 0,
			 errhidestmt(true),
			 errhidecontext(true)));
}

/* ---------- the caller: the call ---------- */

static Size
size_of_args(const char *const *args, int nargs)
{
	Size result = 0;

	for (int i = 0; i < nargs; i++)
		result = add_size(result, args[i] ? strlen(args[i]) + 2 : 1);
	return result;
}

static void
write_args(char *to, const char *const *args, int nargs)
{
	for (int i = 0; i < nargs; i++)
	{
		*to++ = args[i] ? A_VALUE : NO_VALUE;
		if (args[i])
		{
			strcpy(to, args[i]);
			to += strlen(args[i]) + 1;
		}
	}
}

static dsm_segment *
make_call(OpAutonomousTask task, Oid table, const char *const *args, int nargs)
{
	Size		 size = add_size(QUEUE_SIZE + offsetof(Call, args), size_of_args(args, nargs));
	dsm_segment *segment = dsm_create(size, DSM_CREATE_NULL_IF_MAXSEGMENTS);
	Call		*call;

	if (segment == NULL)
		refuse(&tasks[task], tasks[task].sqlstate, "There is no free segment of shared memory.",
			   "Try again, or raise max_connections, which their number follows.");
	call = call_in(segment);
	call->task = task;
	call->database = MyDatabaseId;
	call->table = table;
	call->nargs = nargs;
	write_args(call->args, args, nargs);
	return segment;
}

static void
pause_for(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms,
					 PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Slots are free again in a moment: who has just been served leaves one. */
static BackgroundWorkerHandle *
start_worker(const Task *task, dsm_segment *segment)
{
	BackgroundWorker		worker = {.bgw_flags = BGWORKER_SHMEM_ACCESS |
												   BGWORKER_BACKEND_DATABASE_CONNECTION,
									  .bgw_start_time = BgWorkerStart_RecoveryFinished,
									  .bgw_restart_time = BGW_NEVER_RESTART,
									  .bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment)),
									  .bgw_notify_pid = MyProcPid};
	TimestampTz				until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SLOT_MS);
	BackgroundWorkerHandle *handle;

	strlcpy(worker.bgw_library_name, "$libdir/order_payment", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "op_autonomous_main", BGW_MAXLEN);
	strlcpy(worker.bgw_type, "order_payment", BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "order_payment %s for PID %d", task->function, MyProcPid);
	while (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		if (max_worker_processes == 0 || GetCurrentTimestamp() >= until)
			refuse(task, task->sqlstate,
				   psprintf("All background workers that the server may run (max_worker_processes = %d) are taken.",
							max_worker_processes),
				   "Raise max_worker_processes and restart the server.");
		pause_for(SLOT_PAUSE_MS);
	}
	return handle;
}

/* The answer, with its type in front. */
static StringInfoData
await_answer(const Task *task, shm_mq_handle *queue, BackgroundWorkerHandle *handle)
{
	TimestampTz	   until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), DEADLINE_MS);
	StringInfoData answer = {0};
	Size		   size;
	void		  *data;

	for (;;)
	{
		shm_mq_result result = shm_mq_receive(queue, &size, &data, true);

		if (result == SHM_MQ_SUCCESS && size > 0 &&
			(*(char *) data == ANSWER || *(char *) data == ERROR_MESSAGE))
			break;
		if (result == SHM_MQ_DETACHED)
			refuse(task, task->sqlstate, "The background worker has died.",
				   "See the server log, and try again.");
		if (result == SHM_MQ_SUCCESS)
			continue; /* a notice */
		if (GetCurrentTimestamp() >= until)
		{
			TerminateBackgroundWorker(handle);
			refuse(task, task->sqlstate,
				   psprintf("The background worker has not answered for %d s.", DEADLINE_MS / 1000),
				   "See the server log. If a synchronous standby is missed, bring it back.");
		}
		pause_for(TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until) + 1);
	}
	initStringInfo(&answer);
	appendBinaryStringInfo(&answer, data, size);
	return answer;
}

char *
op_autonomous(OpAutonomousTask task, Oid table, const char *const *args, int nargs)
{
	dsm_segment			   *segment;
	shm_mq				   *queue;
	BackgroundWorkerHandle *handle;
	StringInfoData			answer;

	require_place(&tasks[task]);
	segment = make_call(task, table, args, nargs);
	queue = shm_mq_create(dsm_segment_address(segment), QUEUE_SIZE);
	shm_mq_set_receiver(queue, MyProc);
	handle = start_worker(&tasks[task], segment);
	answer = await_answer(&tasks[task], shm_mq_attach(queue, segment, handle), handle);
	dsm_detach(segment);
	if (pq_getmsgbyte(&answer) == ERROR_MESSAGE)
		raise_error_of_worker(&tasks[task], &answer);
	if (pq_getmsgbyte(&answer) == NO_VALUE)
		return NULL;
	return pstrdup(pq_getmsgrawstring(&answer));
}

/* ---------- the worker ---------- */

/* Like pg_terminate_backend() on ourselves, also while waiting for a lock or a standby. */
static void
end_myself(void)
{
	kill(MyProcPid, SIGTERM);
}

static void
set(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/* What ALTER DATABASE or ALTER ROLE say must not come between. */
static void
set_settings(void)
{
	set("application_name", "order_payment");
	set("search_path", "pg_catalog, pg_temp");
	set("lock_timeout", CppAsString2(LOCK_MS));
	set("default_transaction_isolation", "read committed");
	set("default_transaction_read_only", "off");
	set("default_transaction_deferrable", "off");
	set("session_replication_role", "origin");
	set("client_min_messages", "error");
}

/* A standby's word is waited for as the server says, but the disk of this server always. */
static void
require_sync(void)
{
	if (synchronous_commit < SYNCHRONOUS_COMMIT_ON)
		set("synchronous_commit", "on");
}

/* Its lock is held until the end, so that the owner stays the same. */
static Oid
lock_and_find_owner(Oid table)
{
	HeapTuple tuple;
	Oid		  result;

	LockRelationOid(table, AccessShareLock);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the table that is to be written is not there"),
				 errhint("Commit the transaction that makes it first.")));
	result = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return result;
}

/* By name, and it must be the extension's own. */
static Oid
find_function(const char *name)
{
	List *qualified = list_make2(makeString("order_payment"), makeString(pstrdup(name)));
	Oid	  result = LookupFuncName(qualified, -1, NULL, false);

	if (getExtensionOfObject(ProcedureRelationId, result) !=
		get_extension_oid("order_payment", false))
		elog(ERROR, "function %u is not of the extension", result);
	return result;
}

static void
read_args(const Call *call, const Oid *types, NullableDatum *values)
{
	const char *arg = call->args;

	for (int i = 0; i < call->nargs; i++)
	{
		Oid input;
		Oid typioparam;

		values[i].isnull = *arg++ == NO_VALUE;
		if (values[i].isnull)
			continue;
		getTypeInputInfo(types[i], &input, &typioparam);
		values[i].value = OidInputFunctionCall(input, unconstify(char *, arg), typioparam, -1);
		arg += strlen(arg) + 1;
	}
}

/* The result outlives the transaction. */
static char *
call_function(const Call *call, Oid function)
{
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
	FmgrInfo flinfo;
	Oid		*types;
	int		 nargs;
	Oid		 output;
	bool	 is_varlena;
	Datum	 result;

	getTypeOutputInfo(get_func_signature(function, &types, &nargs), &output, &is_varlena);
	if (nargs != call->nargs)
		elog(ERROR, "function %u takes %d arguments, not %d", function, nargs, call->nargs);
	fmgr_info(function, &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, nargs, DEFAULT_COLLATION_OID, NULL, NULL);
	read_args(call, types, fcinfo->args);
	result = FunctionCallInvoke(fcinfo);
	if (fcinfo->isnull)
		return NULL;
	return MemoryContextStrdup(TopMemoryContext, OidOutputFunctionCall(output, result));
}

/*
 * The commit is not under the timeout of the function, which would end the wait
 * for a standby as if that had answered. What ends the worker ends that wait as
 * well: it does not count.
 */
static char *
run_task(const Call *call)
{
	const Task *task = &tasks[call->task];
	char	   *result;
	Oid			function;

	SetCurrentStatementStartTimestamp();
	pgstat_report_activity(STATE_RUNNING, task->function);
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	enable_timeout_after(STATEMENT_TIMEOUT, FUNCTION_MS);
	function = find_function(task->function);
	SetUserIdAndSecContext(lock_and_find_owner(call->table), SECURITY_LOCAL_USERID_CHANGE |
																 SECURITY_RESTRICTED_OPERATION |
																 SECURITY_NOFORCE_RLS);
	result = call_function(call, function);
	disable_timeout(STATEMENT_TIMEOUT, false);
	PopActiveSnapshot();
	CommitTransactionCommand();
	CHECK_FOR_INTERRUPTS();
	return result;
}

static void
send_answer(const char *result)
{
	StringInfoData answer;

	pq_beginmessage(&answer, ANSWER);
	pq_sendbyte(&answer, result ? A_VALUE : NO_VALUE);
	if (result)
		pq_sendstring(&answer, result);
	pq_endmessage(&answer);
}

void
op_autonomous_main(Datum handle)
{
	dsm_segment *segment;
	shm_mq		*queue;

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	enable_timeout_after(RegisterTimeout(USER_TIMEOUT, end_myself), LIFE_MS);
	segment = dsm_attach(DatumGetUInt32(handle));
	if (segment == NULL)
		return; /* the caller has gone */
	queue = dsm_segment_address(segment);
	shm_mq_set_sender(queue, MyProc);
	/* an error reaches the caller as one of a server reaches its client */
	pq_redirect_to_shm_mq(segment, shm_mq_attach(queue, segment, NULL));
	set_settings();
	BackgroundWorkerInitializeConnectionByOid(call_in(segment)->database, InvalidOid,
											  BGWORKER_BYPASS_ALLOWCONN);
	SetClientEncoding(GetDatabaseEncoding()); /* the caller takes the answer as it is */
	require_sync();
	send_answer(run_task(call_in(segment)));
}
