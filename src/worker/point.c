/*
 * point.c
 *	  Where tests stop a worker; see point.h. In no build but that with OP_TESTING.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "utils/guc.h"

#include "compat.h"
#include "point.h"

static char *stop_at;

/* A test must know that the worker has read it, not only the postmaster. */
static void
tell(const char *name, void *extra)
{
	if (MyBgworkerEntry != NULL && name[0] != '\0')
		ereport(LOG, (errmsg("the worker will stop at point \"%s\"", name)));
}

void
op_point_init(void)
{
	DefineCustomStringVariable("order_payment_worker.stop_at",
							   "Point at which the worker waits, until this names another.",
							   "Empty: none.",
							   &stop_at,
							   "",
							   PGC_SIGHUP,
							   GUC_DISALLOW_IN_AUTO_FILE,
							   NULL, tell, NULL);
}

/* What woke it meanwhile is for the main loop, and so is the changed configuration. */
void
op_point(const char *name)
{
	bool is_reloaded = false;

	if (strcmp(stop_at, name) != 0)
		return;
	ereport(LOG, (errmsg("the worker stops at point \"%s\"", name)));
	while (strcmp(stop_at, name) == 0)
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			is_reloaded = true;
		}
	}
	ConfigReloadPending = is_reloaded;
	SetLatch(MyLatch);
}
