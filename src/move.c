/*
 * move.c
 *	  Rows that go from one partition to another.
 *
 * An UPDATE that changes a row's partition is, to triggers, a DELETE from one
 * partition and an INSERT into another. The two halves are told from others
 * by their tuple headers, which no statement can forge: the deleted tuple is
 * marked as moved, and both carry the same transaction and command. In the
 * queue of AFTER triggers the one stands just before the other.
 *
 * A trigger of the target partition may swallow the inserted half, and another
 * INSERT of the same statement might pass for it. So the halves must be the same
 * row as well: equal in the columns of the primary key that do not
 * choose the partition. A table without such columns has rows without identity:
 * there, one that leaves and one that comes are a move by any measure.
 */
#include "postgres.h"

#include "access/xact.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/combocid.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "move.h"
#include "trigger_call.h"

/*
 * Halves that wait, in TopMemoryContext: one, or as many as commands are nested.
 * One whose transaction is over is worth nothing and is reused.
 */
static OpMove *moves = NULL;

/* The identity of a row as text: its values, each with its length before it. */
static char *
identity_of(const OpGuard *guard, Relation rel, TupleTableSlot *row)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < guard->nidentity; i++)
	{
		Oid	  output;
		bool  is_varlena;
		bool  isnull;
		Datum value = slot_getattr(row, guard->identity[i], &isnull);
		char *text;

		getTypeOutputInfo(TupleDescAttr(RelationGetDescr(rel), guard->identity[i] - 1)->atttypid,
						  &output, &is_varlena);
		text = isnull ? "" : OidOutputFunctionCall(output, value);
		appendStringInfo(&buf, "%zu:%s", strlen(text), text);
	}
	return buf.data;
}

void
op_remember_move(const OpGuard *guard, const TriggerData *trigdata, const char *label)
{
	HeapTupleHeader header = trigdata->tg_trigtuple->t_data;
	TransactionId	xid = HeapTupleHeaderGetUpdateXid(header);
	CommandId		cid = HeapTupleHeaderGetCmax(header);
	OpMove		   *move = moves;
	char		   *identity = identity_of(guard, trigdata->tg_relation, trigdata->tg_trigslot);

	while (move != NULL && TransactionIdIsCurrentTransactionId(move->xid) &&
		   (move->xid != xid || move->cid != cid || strcmp(move->column, guard->column) != 0))
		move = move->next;
	if (move == NULL)
	{
		move = MemoryContextAllocZero(TopMemoryContext, sizeof(OpMove));
		move->next = moves;
		moves = move;
	}
	move->xid = InvalidTransactionId; /* until all is there */
	if (move->identity != NULL)
		pfree(move->identity);
	move->identity = NULL;
	move->identity = MemoryContextStrdup(TopMemoryContext, identity);
	move->isnull = label == NULL;
	strlcpy(move->label, label ? label : "", NAMEDATALEN);
	strlcpy(move->column, guard->column, NAMEDATALEN);
	move->nstamps = guard->nstamps;
	for (int i = 0; i < guard->nstamps; i++)
		move->stamps[i] = op_value_in(trigdata->tg_trigslot, guard->stamps[i].attnum);
	move->cid = cid;
	move->xid = xid;
}

const OpMove *
op_take_move(const OpGuard *guard, const TriggerData *trigdata)
{
	HeapTupleHeader header = trigdata->tg_trigtuple->t_data;
	const char	   *identity = NULL;

	for (OpMove *move = moves; move != NULL; move = move->next)
	{
		if (!TransactionIdIsValid(move->xid) || move->xid != HeapTupleHeaderGetXmin(header) ||
			move->cid != HeapTupleHeaderGetCmin(header) || strcmp(move->column, guard->column) != 0)
			continue;
		if (identity == NULL)
			identity = identity_of(guard, trigdata->tg_relation, trigdata->tg_trigslot);
		if (strcmp(move->identity, identity) == 0)
		{
			move->xid = InvalidTransactionId;
			return move;
		}
	}
	return NULL;
}
