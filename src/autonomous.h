/*
 * autonomous.h
 *	  Runs a function of the extension in a transaction of its own, committed
 *	  before the caller goes on, whatever becomes of the caller's.
 */
#ifndef OP_AUTONOMOUS_H
#define OP_AUTONOMOUS_H

#include "fmgr.h"

/* What may be run so: see the table in autonomous.c. */
typedef enum OpAutonomousTask
{
	OP_TASK_RECORD_REVEAL,
	OP_TASK_CHARGE_PASSWORD,
	OP_TASK_CLEAR_PASSWORD,
	OP_NTASKS
} OpAutonomousTask;

/*
 * Runs the task's function with text arguments, each of which may be NULL, as
 * the owner of the table that it writes. Returns its text, which may be NULL,
 * when it is committed and on disk. An error of class OP is raised as the
 * function raised it; whatever else goes wrong is told as the refusal of the task.
 */
extern char *op_autonomous(OpAutonomousTask task, Oid table, const char *const *args, int nargs);

/* Where the background worker begins. */
extern PGDLLEXPORT void op_autonomous_main(Datum handle);

#endif
