/*
 * empty_trigger.c
 *	  A BEFORE UPDATE trigger that does nothing: what any C trigger costs; a BEFORE
 *	  INSERT trigger that leaves the row out; and the clock of the bench.
 *
 * Built by test/bench/run only, outside of the tree.
 */
#include "postgres.h"

#include <sys/resource.h>

#include "commands/trigger.h"
#include "fmgr.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(empty_trigger);
Datum
empty_trigger(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "empty_trigger was not called by trigger manager");
	return PointerGetDatum(((TriggerData *) fcinfo->context)->tg_newtuple);
}

PG_FUNCTION_INFO_V1(leave_out);
Datum
leave_out(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		elog(ERROR, "leave_out was not called by trigger manager");
	return PointerGetDatum(NULL);
}

/* Processor time of this backend, in seconds: what neighbours do is not in it. */
PG_FUNCTION_INFO_V1(cpu_seconds);
Datum
cpu_seconds(PG_FUNCTION_ARGS)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	PG_RETURN_FLOAT8(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
					 (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}
