/*
 * memory.c
 *	  Memory for keys: pages that no core dump holds, in a process that nobody
 *	  looks into.
 *
 * A secret page is private to the backend, is left out of core dumps, and
 * reads as zeros in any process the backend starts. It is locked into RAM
 * where the limit (RLIMIT_MEMLOCK) allows; where it does not, that is no
 * error: containers often allow next to nothing, and a shop would rather sell
 * on a machine that might swap than not at all.
 *
 * The postmaster holds no secrets: what it held, every backend would inherit.
 *
 * A process that is not dumpable leaves no core, cannot be traced by others of
 * the server's user, and its /proc/PID/mem opens for root alone, so that
 * pg_read_binary_file('/proc/self/mem', ...) reads no key. That takes its
 * toll: tools that look at /proc/PID of backends as the server's user see
 * less of this one. So it comes with the first use of a key, not with the
 * backend, and order_payment.protect_memory can forbid it.
 */
#include "postgres.h"

#include <sys/mman.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "miscadmin.h"

#include "memory.h"
#include "settings.h"

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

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

void *
op_secret_page(size_t size)
{
	size_t page = (size_t) sysconf(_SC_PAGESIZE);
	size_t whole = (size + page - 1) / page * page;
	void  *memory;

	if (IsPostmasterEnvironment && !IsUnderPostmaster)
		elog(ERROR, "the postmaster holds no secrets");

	memory = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Failed to map %zu bytes for keys: %m.", whole)));
#ifdef MADV_DONTDUMP
	(void) madvise(memory, whole, MADV_DONTDUMP);
#endif
#ifdef MADV_WIPEONFORK
	(void) madvise(memory, whole, MADV_WIPEONFORK);
#endif
	(void) mlock(memory, whole);
	return memory;
}
