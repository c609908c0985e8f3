/*
 * excluded.c
 *	  What one call of the trigger protect_card() leaves for another; see
 *	  excluded.h.
 */
#include "postgres.h"

#include "access/xact.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "excluded.h"

/* A card in a memory context of its own, which is reset when another one comes. */
typedef struct KeptCard
{
	MemoryContext context;
	bool		  is_there;
	int64		  ninserted; /* into the table, until then */
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
		kept->card.is_made[part] = card->is_made[part];
	}
	kept->card.fingerprint = copy_value(kept->context, card->fingerprint);
	kept->card.bound_to = copy_value(kept->context, card->bound_to);
	kept->is_there = true;
}

/* ---------- upserts ---------- */

/* Rows that this transaction has stored in the table so far, as the server counts them. */
static int64
inserted_rows(Relation rel)
{
	int64 n = 0;

	if (rel->pgstat_info == NULL)
		return 0;
	for (PgStat_TableXactStatus *level = rel->pgstat_info->trans; level; level = level->upper)
		n += level->tuples_inserted;
	return n;
}

void
op_keep_proposed(FmgrInfo *trigger, Relation rel, const OpCard *card)
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
	kept->ninserted = inserted_rows(rel);
}

bool
op_are_rows_counted(Relation rel)
{
	return rel->pgstat_enabled;
}

bool
op_is_stored_since(FmgrInfo *trigger, Relation rel)
{
	const KeptCard *kept = trigger->fn_extra;

	return inserted_rows(rel) != kept->ninserted;
}

const OpCard *
op_proposed_card(FmgrInfo *trigger)
{
	const KeptCard *kept = trigger->fn_extra;

	return kept != NULL && kept->is_there ? &kept->card : NULL;
}

/* ---------- moves ---------- */

static KeptCard leaving; /* of the transaction */
static Oid		leaving_root = InvalidOid;

static void
forget_leaving(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			if (leaving.is_there)
				MemoryContextReset(leaving.context);
			leaving.is_there = false;
			break;
		default:
			break;
	}
}

void
op_excluded_init(void)
{
	RegisterXactCallback(forget_leaving, NULL);
}

void
op_keep_leaving(Oid root, const OpCard *card)
{
	leaving_root = root;
	if (leaving.context == NULL)
		leaving.context = AllocSetContextCreate(TopMemoryContext, "order_payment leaving card",
												ALLOCSET_SMALL_SIZES);
	keep(&leaving, card);
}

const OpCard *
op_leaving_card(Oid root)
{
	return leaving.is_there && leaving_root == root ? &leaving.card : NULL;
}
