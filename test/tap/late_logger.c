/*
 * late_logger.c
 *	  Takes the hook of log records and hands them on, for 016_log_guard.pl: as
 *	  a library does that writes records itself.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/elog.h"

PG_MODULE_MAGIC;

static emit_log_hook_type previous = NULL;

static void
hand_on(ErrorData *record)
{
	if (previous != NULL)
		previous(record);
}

void _PG_init(void);

void
_PG_init(void)
{
	previous = emit_log_hook;
	emit_log_hook = hand_on;
}
