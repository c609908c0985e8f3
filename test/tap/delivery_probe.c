/*
 * delivery_probe.c
 *	  What the worker does at each turn, for 028_worker.pl: whatever the function
 *	  probe.turn() of its database says, and then it waits.
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "delivery.h"
#include "https.h"
#include "worker_settings.h"

void
op_deliver(void)
{
	static OpHttps *https = NULL;

	if (https == NULL)
	{
		OpHttpsSettings settings = {.max_body = 1024, .connect_timeout_ms = op_worker_connect_timeout};
		MemoryContext	before = MemoryContextSwitchTo(TopMemoryContext);

		https = op_https_new(&settings);
		MemoryContextSwitchTo(before);
	}
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, "SELECT probe.turn()");
	SPI_connect();
	if (SPI_execute("SELECT probe.turn()", false, 0) != SPI_OK_SELECT)
		elog(ERROR, "probe.turn() is no function");
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
	(void) op_https_turn(https, op_worker_poll_interval);
}

void
op_delivery_reload(void)
{
}
