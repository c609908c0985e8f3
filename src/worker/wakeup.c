/*
 * wakeup.c
 *	  A worker is woken by the transactions of its database that commit.
 *
 * place	in shared memory: of one worker, its database and its latch
 *
 * The core calls wake() after COMMIT (../wake.h), in any backend, for any
 * database; most have no worker. A latch is one of the server's own, in shared
 * memory for ever, so that one of a worker that has just ended may be set: it
 * wakes somebody for nothing.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "wake.h"
#include "wakeup.h"

typedef struct Place
{
	Oid	   database; /* InvalidOid: it serves none now */
	Latch *latch;
	int	   beginnings; /* since it served one */
} Place;

typedef struct Places
{
	slock_t lock;
	int		n;
	Place	place[FLEXIBLE_ARRAY_MEMBER];
} Places;

static int					   wanted = 0;
static Places				  *places = NULL;
static shmem_request_hook_type next_request = NULL;
static shmem_startup_hook_type next_startup = NULL;

static Size
places_size(void)
{
	return add_size(offsetof(Places, place), mul_size(wanted, sizeof(Place)));
}

static void
request(void)
{
	if (next_request)
		next_request();
	RequestAddinShmemSpace(places_size());
}

static void
startup(void)
{
	bool found;

	if (next_startup)
		next_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	places = ShmemInitStruct("order_payment_worker", places_size(), &found);
	if (!found)
	{
		MemSet(places, 0, places_size());
		SpinLockInit(&places->lock);
		places->n = wanted;
	}
	LWLockRelease(AddinShmemInitLock);
}

/* After COMMIT: nothing here can fail. */
static void
wake(Oid database)
{
	Latch *latch = NULL;

	if (places == NULL)
		return;
	SpinLockAcquire(&places->lock);
	for (int i = 0; i < places->n && latch == NULL; i++)
	{
		if (places->place[i].database == database)
			latch = places->place[i].latch;
	}
	SpinLockRelease(&places->lock);
	if (latch != NULL)
		SetLatch(latch);
}

void
op_wakeup_init(int n)
{
	wanted = n;
	next_request = shmem_request_hook;
	shmem_request_hook = request;
	next_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
	*find_rendezvous_variable(OP_WAKE_VARIABLE) = (void *) wake;
}

static void
leave(int code, Datum i)
{
	SpinLockAcquire(&places->lock);
	places->place[DatumGetInt32(i)].database = InvalidOid;
	SpinLockRelease(&places->lock);
}

int
op_wakeup_begin(int i)
{
	return ++places->place[i].beginnings; /* nobody else writes it */
}

void
op_wakeup_me(int i)
{
	Place *place = &places->place[i];

	before_shmem_exit(leave, Int32GetDatum(i));
	SpinLockAcquire(&places->lock);
	place->database = MyDatabaseId;
	place->latch = &MyProc->procLatch;
	SpinLockRelease(&places->lock);
	place->beginnings = 0;
}
