/*
 * coming.c
 *	  Operations of a statement whose effects are still to come.
 *
 * All rows of a statement are stored before the first of them acts. So one that
 * acts meets others that are stored, and have done nothing yet:
 *
 * new		What it pays of the due depends on what those before it have done.
 *			If that cannot be told when it is stored, it is left open till it acts.
 * ending	a request that stood for a part of the due, and is one no more; until
 *			it acts, it still stands for it
 *
 * This is known of one transaction at a time, and forgotten with it. A row that
 * was counted and never acts (ON CONFLICT, a trigger of a user, an error that was
 * caught) does no harm: a new one, more is left open than need be; a request, it
 * is one still.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "coming.h"

static struct
{
	TransactionId xid;
	int			  nnew;
	bool		  is_open;
	HTAB		 *ending; /* in the transaction's memory; NULL: none */
} coming;

static void
begin(void)
{
	TransactionId xid = GetTopTransactionId();

	if (coming.xid == xid)
		return;
	memset(&coming, 0, sizeof(coming));
	coming.xid = xid;
}

bool
op_new_comes(void)
{
	begin();
	return coming.nnew++ > 0;
}

void
op_new_is_open(void)
{
	coming.is_open = true;
}

bool
op_new_acts(void)
{
	bool result;

	begin();
	result = coming.is_open;
	if (coming.nnew > 0 && --coming.nnew == 0)
		coming.is_open = false;
	return result;
}

void
op_request_ends(const pg_uuid_t *operation_id)
{
	begin();
	if (coming.ending == NULL)
	{
		HASHCTL ctl = {.keysize = sizeof(pg_uuid_t),
					   .entrysize = sizeof(pg_uuid_t),
					   .hcxt = TopTransactionContext};

		coming.ending = hash_create("order_payment requests that end", 16, &ctl,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	hash_search(coming.ending, operation_id, HASH_ENTER, NULL);
}

void
op_request_acts(const pg_uuid_t *operation_id)
{
	begin();
	if (coming.ending != NULL)
		hash_search(coming.ending, operation_id, HASH_REMOVE, NULL);
}

Datum
op_ending_requests(void)
{
	ArrayBuildState *result = initArrayResult(UUIDOID, CurrentMemoryContext, false);
	HASH_SEQ_STATUS	 seq;
	pg_uuid_t		*id;

	begin();
	if (coming.ending != NULL)
	{
		hash_seq_init(&seq, coming.ending);
		while ((id = hash_seq_search(&seq)) != NULL)
			accumArrayResult(result, UUIDPGetDatum(id), false, UUIDOID, CurrentMemoryContext);
	}
	return makeArrayResult(result, CurrentMemoryContext);
}
