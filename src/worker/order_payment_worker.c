/*
 * order_payment_worker.c
 *	  The second library: a background worker for each database that has gateways
 *	  to speak to. Loaded by shared_preload_libraries alone.
 *
 * turn		what the worker does over and over; see delivery.h
 *
 * It connects as a role that is no superuser, and sees and does what that role may.
 * It runs where there is no recovery and no upgrade by pg_upgrade.
 *
 * It ends by exit code 1 only, after which the postmaster starts it anew; 0 would
 * be the last word. An error within a turn is written to the log, and the next turn
 * comes after a pause, so that one bad row neither ends the worker nor keeps it
 * busy. All that must outlive an end stands in tables.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/value.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "delivery.h"
#include "wakeup.h"
#include "worker_settings.h"

OP_MODULE_MAGIC("order_payment_worker");

#define RESTART_SECONDS 1
#define MAX_WAIT_MS		10000 /* before it tries to connect again */
#define PAUSE_MS		1000  /* after an error */
#define WORKER			"order_payment_worker"

StaticAssertDecl(NAMEDATALEN <= BGW_EXTRALEN, "the name of a database fits");

void _PG_init(void);

extern PGDLLEXPORT void op_worker_main(Datum i);

/* ---------- registration ---------- */

static void
register_worker(const char *database, int i)
{
	BackgroundWorker worker = {.bgw_flags = BGWORKER_SHMEM_ACCESS |
											BGWORKER_BACKEND_DATABASE_CONNECTION,
							   .bgw_start_time = BgWorkerStart_RecoveryFinished,
							   .bgw_restart_time = RESTART_SECONDS,
							   .bgw_main_arg = Int32GetDatum(i)};

	strlcpy(worker.bgw_library_name, WORKER, BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "op_worker_main", BGW_MAXLEN);
	strlcpy(worker.bgw_type, WORKER, BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, WORKER " for database %s", database);
	strlcpy(worker.bgw_extra, database, BGW_EXTRALEN);
	RegisterBackgroundWorker(&worker);
}

void
_PG_init(void)
{
	List	 *names;
	ListCell *name;

	if (!process_shared_preload_libraries_in_progress)
		return;
	op_worker_settings_init();
	if (IsBinaryUpgrade)
		return;
	names = op_worker_database_names();
	op_wakeup_init(list_length(names));
	foreach (name, names)
		register_worker(strVal(lfirst(name)), foreach_current_index(name));
}

/* ---------- the worker ---------- */

/* The role it has connected as; the setting may name another meanwhile. */
static char connected_role[NAMEDATALEN];

static void
refuse_superuser(void)
{
	bool is_superuser;

	StartTransactionCommand();
	is_superuser = superuser();
	CommitTransactionCommand();
	if (is_superuser)
		ereport(FATAL,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the worker does not connect as superuser \"%s\"", connected_role),
				 errhint("Name a role without that right in order_payment_worker.role, and grant it the stores' role of the gateway.")));
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
	set("application_name", WORKER);
	set("search_path", "pg_catalog, pg_temp");
	set("default_transaction_isolation", "read committed");
	set("default_transaction_read_only", "off");
	set("default_transaction_deferrable", "off");
	set("session_replication_role", "origin");
	set("client_min_messages", "error");
}

/* Ended by what we are told, but not by the latch: that has not mended the error. */
static void
pause_for(int ms)
{
	TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
	long		left;

	while (!InterruptPending && !ConfigReloadPending &&
		   (left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until)) > 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, left,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* A database or role that is not there is said to be so, but not each second. */
static void
wait_after_failures(int failures)
{
	pause_for(Min(failures * RESTART_SECONDS * 1000, MAX_WAIT_MS));
	CHECK_FOR_INTERRUPTS();
}

static void
connect_to_database(void)
{
	/* without a name it would be the bootstrap superuser */
	if (op_worker_role[0] == '\0')
		ereport(FATAL,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the worker has no role to connect as"),
				 errhint("Name one in order_payment_worker.role.")));
	strlcpy(connected_role, op_worker_role, sizeof(connected_role));
	BackgroundWorkerInitializeConnection(MyBgworkerEntry->bgw_extra, connected_role, 0);
	refuse_superuser();
	set_settings();
}

static void
say_what_is_served(void)
{
	if (op_worker_stores[0] != '\0')
		ereport(LOG, (errmsg("the worker in database \"%s\" serves: %s", MyBgworkerEntry->bgw_extra,
							 op_worker_stores)));
	else
		ereport(LOG, (errmsg("the worker in database \"%s\" serves no store", MyBgworkerEntry->bgw_extra),
					  errhint("Name them by ALTER DATABASE ... SET order_payment_worker.stores, and end the worker by pg_terminate_backend(): it starts anew.")));
}

static void
reload(void)
{
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	if (strcmp(op_worker_role, connected_role) != 0)
	{
		ereport(LOG,
				(errmsg("the worker starts anew, for order_payment_worker.role has changed")));
		proc_exit(1);
	}
	op_delivery_reload();
}

/* As a backend does after a statement that failed. */
static void
recover(MemoryContext context)
{
	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	QueryCancelPending = false;
	EmitErrorReport();
	AbortCurrentTransaction();
	MemoryContextSwitchTo(context);
	FlushErrorState();
	RESUME_INTERRUPTS();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
}

static void
take_turn(MemoryContext context)
{
	volatile bool failed = false;

	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		/* who cancels it cancels the turn */
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
			reload();
		op_deliver();
		/* else its tables would never be vacuumed by themselves */
		pgstat_report_stat(true);
	}
	PG_CATCH();
	{
		recover(context);
		failed = true;
	}
	PG_END_TRY();
	MemoryContextReset(context);
	if (failed)
		pause_for(PAUSE_MS);
}

void
op_worker_main(Datum i)
{
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	wait_after_failures(op_wakeup_begin(DatumGetInt32(i)) - 1);
	connect_to_database();
	say_what_is_served();
	op_wakeup_me(DatumGetInt32(i));
	context = AllocSetContextCreate(TopMemoryContext, "order_payment_worker turn",
									ALLOCSET_DEFAULT_SIZES);
	pgstat_report_activity(STATE_IDLE, NULL);
	for (;;)
	{
		ResetLatch(MyLatch);
		take_turn(context);
	}
}
