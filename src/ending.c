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
 * was counted and never acts (its statement failed, and the error was caught)
 * does no harm: it is a request still.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "ending.h"

static TransactionId known_xid = InvalidTransactionId;
static HTAB			*ending = NULL; /* in the memory of that transaction */

/* What an earlier transaction has left is gone with its memory. */
static void
forget_others(void)
{
	TransactionId xid = GetTopTransactionId();

	if (known_xid != xid)
		ending = NULL;
	known_xid = xid;
}

void
op_request_ends(const pg_uuid_t *operation_id)
{
	forget_others();
	if (ending == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(pg_uuid_t),
					   .entrysize = sizeof(pg_uuid_t),
					   .hcxt = TopTransactionContext};

		ending = hash_create("order_payment requests that end", 16, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	hash_search(ending, operation_id, HASH_ENTER, NULL);
}

void
op_request_acts(const pg_uuid_t *operation_id)
{
	forget_others();
	if (ending != NULL)
		hash_search(ending, operation_id, HASH_REMOVE, NULL);
}

Datum
op_ending_requests(void)
{
	ArrayBuildState *result = initArrayResult(UUIDOID, CurrentMemoryContext, false);
	HASH_SEQ_STATUS	 seq;
	pg_uuid_t		*id;

	forget_others();
	if (ending != NULL)
	{
		hash_seq_init(&seq, ending);
		while ((id = hash_seq_search(&seq)) != NULL)
			accumArrayResult(result, UUIDPGetDatum(id), false, UUIDOID, CurrentMemoryContext);
	}
	return makeArrayResult(result, CurrentMemoryContext);
}
