/*
 * schedule_functions.c
 *	  What batches have to say, said less often by a worker.
 *
 * A batch warns of an order that it leaves as it is. Who calls it by hand is told
 * each time; a background worker comes every few seconds, and would fill the log
 * with one order: it is told once an hour.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "postmaster/bgworker.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"

#include "compat.h"

#define PAUSE_MS (60 * 60 * 1000)
#define MAX_TOLD 1000 /* then all is forgotten, and told once more */

PG_FUNCTION_INFO_V1(op_told_lately);

typedef struct Told
{
	uint64		hash; /* of the text: hash key, must be first */
	TimestampTz at;
} Told;

static HTAB *told = NULL;

static Told *
enter(uint64 hash, bool *found)
{
	HASHCTL control = {.keysize = sizeof(uint64), .entrysize = sizeof(Told)};

	if (told != NULL && hash_get_num_entries(told) >= MAX_TOLD)
	{
		hash_destroy(told);
		told = NULL;
	}
	if (told == NULL)
		told = hash_create("order_payment told lately", 32, &control, HASH_ELEM | HASH_BLOBS);
	return hash_search(told, &hash, HASH_ENTER, found);
}

/* Was a background worker asked this of the same text in the last hour? Others never were. */
Datum
op_told_lately(PG_FUNCTION_ARGS)
{
	text	   *what = PG_GETARG_TEXT_PP(0);
	TimestampTz now = GetCurrentTimestamp();
	uint64		hash;
	Told	   *entry;
	bool		found;

	if (MyBgworkerEntry == NULL)
		PG_RETURN_BOOL(false);
	hash = hash_bytes_extended((uint8 *) VARDATA_ANY(what), VARSIZE_ANY_EXHDR(what), 0);
	entry = enter(hash, &found);
	if (found && !TimestampDifferenceExceeds(entry->at, now, PAUSE_MS))
		PG_RETURN_BOOL(true);
	entry->at = now;
	PG_RETURN_BOOL(false);
}
