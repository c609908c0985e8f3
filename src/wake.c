/*
 * wake.c
 *	  Who sends to gateways is woken when there may be something to send.
 *
 * Every event of an order asks for it, for each may be told to a subscriber, and
 * few come without work for a gateway. It is done once, when the transaction has
 * committed: before, there is nothing to be seen. A transaction that is prepared
 * wakes nobody, for another process commits it; the sender looks by itself every
 * few seconds.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"

#include "wake.h"

static OpWakeFunction *wake = NULL;
static bool			   is_wanted = false;

static void
at_end(XactEvent event, void *arg)
{
	if (is_wanted && event == XACT_EVENT_COMMIT && *wake != NULL)
		(*wake)(MyDatabaseId);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		is_wanted = false;
}

void
op_wake_at_commit(void)
{
	if (wake == NULL)
	{
		OpWakeFunction *found = (OpWakeFunction *) find_rendezvous_variable(OP_WAKE_VARIABLE);

		RegisterXactCallback(at_end, NULL);
		wake = found;
	}
	is_wanted = *wake != NULL;
}
