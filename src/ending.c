/*
 * ending.c
 *	  Requests that a statement ends, and that have not acted yet.
 *
 * All rows of a statement are stored before the first of them acts. So an
 * operation that acts may meet a request that stood for a part of the due, is
 * none any more, and has not taken that part yet: till then it still stands
 * for it.
 *
 * This is known of one transaction at a time, and forgotten with it. A row that
 * was counted and never acts, because its statement failed, is a request still
 * and counts as one anyway. But when that error was caught, the lock of the row
 * has gone with the subtransaction, and another session may end the request: so
 * it is forgotten with the subtransaction, too.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "ending.h"

typedef struct EndingRequest
{
	pg_uuid_t		 operation_id; /* the hash key: first */
	SubTransactionId subxact;	   /* that ends it */
} EndingRequest;

static HTAB *ending = NULL; /* in the memory of the transaction */

/* The memory goes with the transaction, whatever becomes of it. */
static void
forget_all(XactEvent event, void *arg)
{
	ending = NULL;
}

/* What was begun within a subtransaction, and in its own ones, has a higher number. */
static void
forget_subtransaction(SubXactEvent event, SubTransactionId subxact, SubTransactionId parent,
					  void *arg)
{
	HASH_SEQ_STATUS seq;
	EndingRequest  *request;

	if (event != SUBXACT_EVENT_ABORT_SUB || ending == NULL)
		return;
	hash_seq_init(&seq, ending);
	while ((request = hash_seq_search(&seq)) != NULL)
	{
		if (request->subxact >= subxact)
			hash_search(ending, &request->operation_id, HASH_REMOVE, NULL);
	}
}

void
op_ending_init(void)
{
	RegisterXactCallback(forget_all, NULL);
	RegisterSubXactCallback(forget_subtransaction, NULL);
}

void
op_request_ends(const pg_uuid_t *operation_id)
{
	EndingRequest *request;

	if (ending == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(pg_uuid_t),
					   .entrysize = sizeof(EndingRequest),
					   .hcxt = TopTransactionContext};

		ending = hash_create("order_payment requests that end", 16, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	request = hash_search(ending, operation_id, HASH_ENTER, NULL);
	request->subxact = GetCurrentSubTransactionId();
}

void
op_request_acts(const pg_uuid_t *operation_id)
{
	if (ending != NULL)
		hash_search(ending, operation_id, HASH_REMOVE, NULL);
}

Datum
op_ending_requests(void)
{
	ArrayBuildState *result = initArrayResult(UUIDOID, CurrentMemoryContext, false);
	HASH_SEQ_STATUS	 seq;
	EndingRequest	*request;

	if (ending != NULL)
	{
		hash_seq_init(&seq, ending);
		while ((request = hash_seq_search(&seq)) != NULL)
			accumArrayResult(result, UUIDPGetDatum(&request->operation_id), false, UUIDOID,
							 CurrentMemoryContext);
	}
	return makeArrayResult(result, CurrentMemoryContext);
}
