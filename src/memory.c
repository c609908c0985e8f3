/*
 * memory.c
 *	  Memory for keys: a process that nobody looks into.
 *
 * No key is kept outside of OpenSSL's own contexts, which cleanse what they
 * free; what leads to one lies on the stack and is cleansed there.
 *
 * A process that is not dumpable leaves no core, cannot be traced by others of
 * the server's user, and its /proc/PID/mem opens for root alone, so that
 * pg_read_binary_file('/proc/self/mem', ...) reads no key. That takes its
 * toll: tools that look at /proc/PID of backends as the server's user see
 * less of this one. So it comes with the first use of a key, not with the
 * backend, and order_payment.protect_memory can forbid it.
 */
#include "postgres.h"

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "memory.h"
#include "settings.h"

void
op_protect_memory(void)
{
#ifdef PR_SET_DUMPABLE
	static bool done = false;

	if (done || !op_protect_memory_setting)
		return;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		ereport(WARNING,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("could not protect the memory of this process: %m"),
				 errdetail("Other programs of the server's user may read the keys in it."),
				 errhint("To do without, set \"order_payment.protect_memory\" to off.")));
	done = true;
#endif
}
