/*
 * excluded.c
 *	  What BEFORE INSERT has sealed, for the UPDATE of an upsert; see excluded.h.
 *
 * Kept by table, for a trigger of users may insert into another protected table
 * between the two. All of it goes when the transaction ends.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "excluded.h"

typedef struct KeptCard
{
	Oid				 relation; /* hash key */
	bool			 is_there;
	SubTransactionId subxact; /* of the command that kept it */
	CommandId		 command;
	OpCard			 card;
} KeptCard;

static HTAB			*kept_cards = NULL; /* of the transaction; NULL: none yet */
static MemoryContext context = NULL;

static void
forget_all(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			if (context != NULL)
				MemoryContextDelete(context);
			context = NULL;
			kept_cards = NULL;
			break;
		default:
			break;
	}
}

void
op_excluded_init(void)
{
	RegisterXactCallback(forget_all, NULL);
}

static void
make_table(void)
{
	HASHCTL ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(KeptCard)};

	context = AllocSetContextCreate(TopMemoryContext, "order_payment kept cards",
									ALLOCSET_SMALL_SIZES);
	ctl.hcxt = context;
	kept_cards = hash_create("order_payment kept cards", 8, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
free_value(struct varlena *value)
{
	if (value != NULL)
		pfree(value);
}

static struct varlena *
copy_value(const struct varlena *value)
{
	struct varlena *copy;

	if (value == NULL)
		return NULL;
	copy = MemoryContextAlloc(context, VARSIZE_ANY(value));
	memcpy(copy, value, VARSIZE_ANY(value));
	return copy;
}

static void
free_card(OpCard *card)
{
	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		free_value(card->shown[part]);
		free_value(card->sealed[part]);
	}
	free_value(card->fingerprint);
	free_value(card->bound_to);
}

void
op_keep_card(Oid relation, const OpCard *card)
{
	KeptCard *entry;
	bool	  found;

	if (kept_cards == NULL && card == NULL)
		return;
	if (kept_cards == NULL)
		make_table();
	entry = hash_search(kept_cards, &relation, HASH_ENTER, &found);
	if (found && entry->is_there)
		free_card(&entry->card);
	entry->is_there = false;
	if (card == NULL)
		return;
	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		entry->card.shown[part] = copy_value(card->shown[part]);
		entry->card.sealed[part] = copy_value(card->sealed[part]);
	}
	entry->card.fingerprint = copy_value(card->fingerprint);
	entry->card.bound_to = copy_value(card->bound_to);
	entry->subxact = GetCurrentSubTransactionId();
	entry->command = GetCurrentCommandId(false);
	entry->is_there = true;
}

const OpCard *
op_kept_card(Oid relation)
{
	KeptCard *entry;

	if (kept_cards == NULL)
		return NULL;
	entry = hash_search(kept_cards, &relation, HASH_FIND, NULL);
	if (entry == NULL || !entry->is_there || entry->command != GetCurrentCommandId(false) ||
		entry->subxact != GetCurrentSubTransactionId())
		return NULL;
	return &entry->card;
}
