/*
 * transition.c
 *	  enforce_transition(): no statement moves a row against its graph.
 *
 * birth	a row comes to be by INSERT or COPY, in a state of graph->births
 * edge		a row goes from one state to another by UPDATE
 * move		an UPDATE that changes a row's partition: to triggers, a DELETE from
 *			one partition and an INSERT into another
 * stamp	a column <state>_at: the time when the state was first entered
 *
 * The edge is checked BEFORE UPDATE, by the last BEFORE ROW trigger, so that
 * what is checked is what is stored: the guard refuses to run if another
 * trigger could change the row after it.
 *
 * The birth is checked AFTER INSERT, because an INSERT ... ON CONFLICT that
 * ends as a legal UPDATE must pass. The inserted half of a move is no birth
 * but an edge, from the state of the deleted half (move.c).
 *
 * Stamps are written BEFORE and, for births, judged AFTER. A statement need
 * not know of them: NULL, and the value that is stored, mean "not given".
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "errors.h"
#include "guard.h"
#include "move.h"
#include "settings.h"
#include "transition.h"
#include "trigger_call.h"

/*
 * The last stamp given to a new row. ON CONFLICT DO UPDATE sees it in
 * EXCLUDED, where it is our own value and no forgery.
 */
static NullableDatum birth_stamp = {0, true};

/* ---------- refusals ---------- */

/* The label of a value of the guarded column, which may be in no graph. */
static char *
label_of(const OpGuard *guard, Datum value)
{
	Oid	 output;
	bool is_varlena;

	getTypeOutputInfo(guard->graph->type.type, &output, &is_varlena);
	return OidOutputFunctionCall(output, value);
}

static char *
describe_next(const OpGraph *graph, const char *from, uint64 allowed)
{
	if (allowed != 0)
		return psprintf("From \"%s\" it may go to %s.", from, op_graph_list(graph, allowed));
	if (op_graph_state_by_label(graph, from, strlen(from)) == OP_NO_STATE)
		return psprintf("\"%s\" is not in the graph of this column.", from);
	return psprintf("\"%s\" is final: nothing follows it.", from);
}

/*
 * The one place where a move is refused. slot: the row, for its key; from:
 * label of the old state, NULL for a birth; allowed: states it may have gone to.
 */
static void
refuse_transition(const OpGuard *guard, Relation rel, TupleTableSlot *slot, const char *from,
				  const char *to, uint64 allowed)
{
	char *key = op_describe_key(rel, slot);
	char *where = psprintf("Column \"%s\" of table \"%s\"%s%s", guard->column,
						   RelationGetRelationName(rel), key ? ", key " : "", key ? key : "");

	if (from == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OP_ILLEGAL_TRANSITION),
				 errmsg("a new row may not be \"%s\"", to),
				 errdetail("%s: born \"%s\".", where, to),
				 errhint("It may be born %s.", op_graph_list(guard->graph, allowed)),
				 errtablecol(rel, guard->attnum)));
	ereport(ERROR,
			(errcode(ERRCODE_OP_ILLEGAL_TRANSITION),
			 errmsg("\"%s\" may not become \"%s\"", from, to),
			 errdetail("%s: from \"%s\" to \"%s\".", where, from, to),
			 errhint("%s", describe_next(guard->graph, from, allowed)),
			 errtablecol(rel, guard->attnum)));
}

static void
refuse_null(const OpGuard *guard, Relation rel)
{
	ereport(ERROR,
			(errcode(ERRCODE_NOT_NULL_VIOLATION),
			 errmsg("column \"%s\" of table \"%s\" is guarded and may not be null", guard->column,
					RelationGetRelationName(rel)),
			 errtablecol(rel, guard->attnum)));
}

static void
refuse_stamp(Relation rel, AttrNumber attnum)
{
	ereport(ERROR,
			(errcode(ERRCODE_OP_COLUMN_NOT_WRITABLE),
			 errmsg("column \"%s\" of table \"%s\" is stamped by the server",
					NameStr(TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attname),
					RelationGetRelationName(rel)),
			 errhint("Leave it out. To load rows with their times, let a superuser set order_payment.restore."),
			 errtablecol(rel, attnum)));
}

/* ---------- states ---------- */

/* The state of a row, OP_NO_STATE if null or in no graph. */
static int
state_in(const OpGuard *guard, TupleTableSlot *slot, Datum *value, bool *isnull)
{
	*value = slot_getattr(slot, guard->attnum, isnull);
	return *isnull ? OP_NO_STATE : op_graph_state(guard->graph, *value);
}

static bool
is_birth(const OpGraph *graph, int state)
{
	return state != OP_NO_STATE && (graph->births & op_state_bit(state)) != 0;
}

/* A state and its label, which is NULL for null. */
typedef struct NamedState
{
	int			state;
	const char *label;
} NamedState;

/* Refuses what the graph does not allow; called when may_follow() says no. */
static void
judge_edge(const OpGuard *guard, Relation rel, TupleTableSlot *row, NamedState from, NamedState to)
{
	const OpGraph *graph = guard->graph;

	/* A row that was there before the guard may stay as it is. */
	if (from.label == NULL && to.label == NULL)
		return;
	if (from.label != NULL && to.label != NULL && from.state == OP_NO_STATE &&
		to.state == OP_NO_STATE && strcmp(from.label, to.label) == 0)
		return;

	if (to.label == NULL)
		refuse_null(guard, rel);
	if (from.label != NULL)
		refuse_transition(guard, rel, row, from.label, to.label,
						  from.state == OP_NO_STATE ? 0 : graph->next[from.state]);
	if (!is_birth(graph, to.state))
		refuse_transition(guard, rel, row, NULL, to.label, graph->births);
}

/* ---------- moves that are forced ---------- */

/* The row whose move, or stamp, another trigger of ours has forced. */
static struct
{
	Oid				relation;
	ItemPointerData row; /* as it was before */
	AttrNumber		column;
	AttrNumber		stamp;
} forced;

void
op_force_move(const TriggerData *trigdata, AttrNumber column, AttrNumber stamp)
{
	forced.relation = RelationGetRelid(trigdata->tg_relation);
	forced.row = trigdata->tg_trigtuple->t_self;
	forced.column = column;
	forced.stamp = stamp;
}

static bool
is_forced(const TriggerData *trigdata)
{
	return forced.relation == RelationGetRelid(trigdata->tg_relation) &&
		   ItemPointerEquals(&forced.row, &trigdata->tg_trigtuple->t_self);
}

/* BEFORE UPDATE: the edge. */
static void
check_edge(const OpGuard *guard, const TriggerData *trigdata, int *from, int *to)
{
	NamedState before;
	NamedState after;
	Datum	   old_value;
	Datum	   new_value;
	bool	   old_null;
	bool	   new_null;

	*from = state_in(guard, trigdata->tg_trigslot, &old_value, &old_null);
	*to = state_in(guard, trigdata->tg_newslot, &new_value, &new_null);
	if (op_may_follow(guard->graph, *from, *to) ||
		(is_forced(trigdata) && forced.column == guard->attnum))
		return;
	before.state = *from;
	before.label = old_null ? NULL : label_of(guard, old_value);
	after.state = *to;
	after.label = new_null ? NULL : label_of(guard, new_value);
	judge_edge(guard, trigdata->tg_relation, trigdata->tg_newslot, before, after);
}

/* ---------- stamps ---------- */

static NullableDatum
current_time(void)
{
	NullableDatum result = {TimestampTzGetDatum(GetCurrentTimestamp()), false};

	return result;
}

static bool
is_same_stamp(NullableDatum a, NullableDatum b)
{
	if (a.isnull || b.isnull)
		return a.isnull && b.isnull;
	return DatumGetTimestampTz(a.value) == DatumGetTimestampTz(b.value);
}

/*
 * Stamps the state that an UPDATE enters for the first time, and keeps the
 * other stamps as they are.
 */
static Datum
stamp_update(const OpGuard *guard, const TriggerData *trigdata, int from, int to)
{
	OpChange changes[OP_GRAPH_MAX_STATES];
	int		 n = 0;

	for (int i = 0; i < guard->nstamps; i++)
	{
		const OpStamp *stamp = &guard->stamps[i];
		NullableDatum  stored = op_value_in(trigdata->tg_trigslot, stamp->attnum);
		NullableDatum  given = op_value_in(trigdata->tg_newslot, stamp->attnum);
		bool		   entered = stored.isnull && to == stamp->state && from != to;

		if (is_forced(trigdata) && forced.stamp == stamp->attnum)
			continue;
		if (!given.isnull && !is_same_stamp(given, stored) && !is_same_stamp(given, birth_stamp))
			refuse_stamp(trigdata->tg_relation, stamp->attnum);
		if (!entered && is_same_stamp(given, stored))
			continue;
		changes[n].column = stamp->attnum;
		changes[n].value = entered ? current_time() : stored;
		n++;
	}
	return op_changed(trigdata, changes, n);
}

/* Stamps the state in which a row is born, if nothing is given. */
static Datum
stamp_birth(const OpGuard *guard, const TriggerData *trigdata)
{
	OpChange change;
	Datum	 value;
	bool	 isnull;
	int		 state = state_in(guard, trigdata->tg_trigslot, &value, &isnull);

	for (int i = 0; i < guard->nstamps; i++)
	{
		const OpStamp *stamp = &guard->stamps[i];

		if (stamp->state != state || !op_value_in(trigdata->tg_trigslot, stamp->attnum).isnull)
			continue;
		birth_stamp = current_time();
		change.column = stamp->attnum;
		change.value = birth_stamp;
		return op_changed(trigdata, &change, 1);
	}
	return op_unchanged(trigdata);
}

/*
 * Judges the stamps of a new row. A stamp that is given while this statement
 * runs, and only that, may be the server's own.
 */
static void
check_birth_stamps(const OpGuard *guard, const TriggerData *trigdata, int state)
{
	for (int i = 0; i < guard->nstamps; i++)
	{
		const OpStamp *stamp = &guard->stamps[i];
		NullableDatum  given = op_value_in(trigdata->tg_trigslot, stamp->attnum);

		if (given.isnull)
			continue;
		if (stamp->state != state ||
			DatumGetTimestampTz(given.value) < GetCurrentStatementStartTimestamp() ||
			DatumGetTimestampTz(given.value) > GetCurrentTimestamp())
			refuse_stamp(trigdata->tg_relation, stamp->attnum);
	}
}

/* ---------- moves between partitions ---------- */

/* AFTER DELETE of a row that leaves for another partition. */
static void
remember_move(const OpGuard *guard, const TriggerData *trigdata)
{
	bool  isnull;
	Datum value = slot_getattr(trigdata->tg_trigslot, guard->attnum, &isnull);

	op_remember_move(guard, trigdata, isnull ? NULL : label_of(guard, value));
}

/* The partition's own triggers may have changed the row since its UPDATE. */
static void
check_move(const OpGuard *guard, const TriggerData *trigdata, const OpMove *move)
{
	NamedState before;
	NamedState after;
	Datum	   value;
	bool	   isnull;

	before.state = op_graph_state_by_label(guard->graph, move->label, strlen(move->label));
	before.label = move->isnull ? NULL : move->label;
	after.state = state_in(guard, trigdata->tg_trigslot, &value, &isnull);
	after.label = isnull ? NULL : label_of(guard, value);
	if (!op_may_follow(guard->graph, before.state, after.state))
		judge_edge(guard, trigdata->tg_relation, trigdata->tg_trigslot, before, after);
	for (int i = 0; i < guard->nstamps; i++)
	{
		const OpStamp *stamp = &guard->stamps[i];
		NullableDatum  given = op_value_in(trigdata->tg_trigslot, stamp->attnum);
		bool		   entered = move->stamps[i].isnull && stamp->state == after.state;

		if (!entered && !is_same_stamp(given, move->stamps[i]))
			refuse_stamp(trigdata->tg_relation, stamp->attnum);
	}
}

/* AFTER INSERT: a new row, or one that came from another partition. */
static void
check_birth(const OpGuard *guard, const TriggerData *trigdata)
{
	Datum		  value;
	bool		  isnull;
	int			  state;
	const OpMove *move = op_take_move(guard, trigdata);

	if (move != NULL)
	{
		check_move(guard, trigdata, move);
		return;
	}
	state = state_in(guard, trigdata->tg_trigslot, &value, &isnull);
	if (isnull)
		refuse_null(guard, trigdata->tg_relation);
	if (!is_birth(guard->graph, state))
		refuse_transition(guard, trigdata->tg_relation, trigdata->tg_trigslot, NULL,
						  label_of(guard, value), guard->graph->births);
	check_birth_stamps(guard, trigdata, state);
}

/* ---------- the trigger function ---------- */

PG_FUNCTION_INFO_V1(op_enforce_transition);
Datum
op_enforce_transition(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_BEFORE_INSERT, OP_BEFORE_UPDATE, OP_AFTER_INSERT,
										   OP_AFTER_DELETE, OP_FIRINGS_END};
	TriggerData				 *trigdata =
		op_trigger_data(fcinfo, "enforce_transition", firings,
						"BEFORE INSERT OR UPDATE or AFTER INSERT OR DELETE, for each row");
	const OpGuard *guard;
	int			   from;
	int			   to;

	if (op_restore)
		return op_unchanged(trigdata);
	if (op_firing(trigdata) == OP_AFTER_DELETE && !op_is_moving(trigdata))
		return PointerGetDatum(NULL); /* the row is gone for good */
	guard = op_guard_of_call(fcinfo, trigdata);
	switch (op_firing(trigdata))
	{
		case OP_BEFORE_UPDATE:
			check_edge(guard, trigdata, &from, &to);
			return stamp_update(guard, trigdata, from, to);
		case OP_BEFORE_INSERT:
			return stamp_birth(guard, trigdata);
		case OP_AFTER_INSERT:
			check_birth(guard, trigdata);
			break;
		case OP_AFTER_DELETE:
			remember_move(guard, trigdata);
			break;
	}
	return PointerGetDatum(NULL);
}
