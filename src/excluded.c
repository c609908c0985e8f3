/*
 * excluded.c
 *	  What one call of the trigger protect_card() leaves for another; see
 *	  excluded.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "excluded.h"

/* A card in a memory context of its own, which is reset when another one comes. */
typedef struct KeptCard
{
	MemoryContext context;
	bool		  is_there;
	OpCard		  card;
} KeptCard;

static struct varlena *
copy_value(MemoryContext context, const struct varlena *value)
{
	struct varlena *copy;

	if (value == NULL)
		return NULL;
	copy = MemoryContextAlloc(context, VARSIZE_ANY(value));
	memcpy(copy, value, VARSIZE_ANY(value));
	return copy;
}

static void
keep(KeptCard *kept, const OpCard *card)
{
	MemoryContextReset(kept->context);
	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		kept->card.shown[part] = copy_value(kept->context, card->shown[part]);
		kept->card.sealed[part] = copy_value(kept->context, card->sealed[part]);
		kept->card.is_brought[part] = card->is_brought[part];
	}
	kept->card.fingerprint = copy_value(kept->context, card->fingerprint);
	kept->card.bound_to = copy_value(kept->context, card->bound_to);
	kept->is_there = true;
}

/* ---------- upserts ---------- */

void
op_keep_proposed(FmgrInfo *trigger, const OpCard *card)
{
	KeptCard *kept = trigger->fn_extra;

	if (card == NULL)
	{
		if (kept != NULL)
			kept->is_there = false;
		return;
	}
	if (kept == NULL)
	{
		kept = MemoryContextAllocZero(trigger->fn_mcxt, sizeof(KeptCard));
		kept->context = AllocSetContextCreate(trigger->fn_mcxt, "order_payment proposed card",
											  ALLOCSET_SMALL_SIZES);
		trigger->fn_extra = kept;
	}
	keep(kept, card);
}

const OpCard *
op_proposed_card(FmgrInfo *trigger)
{
	const KeptCard *kept = trigger->fn_extra;

	return kept != NULL && kept->is_there ? &kept->card : NULL;
}

/* ---------- moves ---------- */

static KeptCard bare; /* of the transaction */

static void
forget_bare(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			if (bare.is_there)
				MemoryContextReset(bare.context);
			bare.is_there = false;
			break;
		default:
			break;
	}
}

void
op_excluded_init(void)
{
	RegisterXactCallback(forget_bare, NULL);
}

void
op_keep_bare(const OpCard *card)
{
	if (bare.context == NULL)
		bare.context = AllocSetContextCreate(TopMemoryContext, "order_payment bare card",
											 ALLOCSET_SMALL_SIZES);
	keep(&bare, card);
}

const OpCard *
op_bare_card(void)
{
	return bare.is_there ? &bare.card : NULL;
}
