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
 * INSERT of the same statement might pass for it. So both halves must belong to
 * one partition tree, be guarded alike, and be the same row: equal in the
 * columns of the primary key that do not choose the partition. A table without
 * such columns has rows without identity: there, one that leaves and one that
 * comes are a move by any measure.
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
 * Halves that wait: one, or as many as commands are nested. One whose
 * transaction is over is worth nothing. If there are more than fit, the oldest is
 * forgotten, and its row, if it comes, is judged as a new one.
 */
#define MAX_MOVES 16

static OpMove moves[MAX_MOVES];
static int	  next_move = 0;

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

static bool
is_same_command(const OpMove *move, const OpGuard *guard, TransactionId xid, CommandId cid)
{
	return TransactionIdIsValid(move->xid) && move->xid == xid && move->cid == cid &&
		   strcmp(move->column, guard->column) == 0;
}

/* A place for a new half: that of the same command, one that is over, or the oldest. */
static OpMove *
place_for_move(const OpGuard *guard, TransactionId xid, CommandId cid)
{
	for (int i = 0; i < MAX_MOVES; i++)
	{
		if (is_same_command(&moves[i], guard, xid, cid))
			return &moves[i];
	}
	for (int i = 0; i < MAX_MOVES; i++)
	{
		if (!TransactionIdIsValid(moves[i].xid) ||
			!TransactionIdIsCurrentTransactionId(moves[i].xid))
			return &moves[i];
	}
	next_move = (next_move + 1) % MAX_MOVES;
	return &moves[next_move];
}

void
op_remember_move(const OpGuard *guard, const TriggerData *trigdata, const char *label)
{
	HeapTupleHeader header = trigdata->tg_trigtuple->t_data;
	TransactionId	xid = HeapTupleHeaderGetUpdateXid(header);
	CommandId		cid = HeapTupleHeaderGetCmax(header);
	OpMove		   *move = place_for_move(guard, xid, cid);
	char		   *identity = identity_of(guard, trigdata->tg_relation, trigdata->tg_trigslot);

	move->xid = InvalidTransactionId; /* until all is there */
	if (move->identity != NULL)
		pfree(move->identity);
	move->identity = NULL;
	move->identity = MemoryContextStrdup(TopMemoryContext, identity);
	move->isnull = label == NULL;
	strlcpy(move->label, label ? label : "", NAMEDATALEN);
	strlcpy(move->column, guard->column, NAMEDATALEN);
	move->root = guard->root;
	move->signature = guard->signature;
	for (int i = 0; i < guard->nstamps; i++)
		move->stamps[i] = op_value_in(trigdata->tg_trigslot, guard->stamps[i].attnum);
	move->cid = cid;
	move->xid = xid;
}

const OpMove *
op_take_move(const OpGuard *guard, const TriggerData *trigdata)
{
	HeapTupleHeader header = trigdata->tg_trigtuple->t_data;

	if (!OidIsValid(guard->root))
		return NULL;
	for (int i = 0; i < MAX_MOVES; i++)
	{
		OpMove *move = &moves[i];

		if (TransactionIdIsValid(move->xid) && move->root == guard->root &&
			move->signature == guard->signature && move->xid == HeapTupleHeaderGetXmin(header) &&
			is_same_command(move, guard, move->xid, HeapTupleHeaderGetCmin(header)) &&
			strcmp(move->identity,
				   identity_of(guard, trigdata->tg_relation, trigdata->tg_trigslot)) == 0)
		{
			move->xid = InvalidTransactionId;
			return move;
		}
	}
	return NULL;
}
