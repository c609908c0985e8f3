/*
 * sibling.c
 *	  Statements on the siblings of a table, and what they hand to its triggers.
 *
 * A statement on a sibling runs as the owner of the tables, as the checks of
 * foreign keys do, so a role needs no right to write what it may not write
 * by itself.
 *
 * effect	what such a statement does, for the sibling's own triggers
 * frame	an effect while its statement runs; an effect may bring about others
 */
#include "postgres.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "sibling.h"
#include "trigger_call.h"

Oid
op_sibling_table(const OpSiblingRole *role, Relation rel)
{
	Oid result;

	SPI_connect();
	result = op_link_of(role, rel)->sibling;
	SPI_finish();
	return result;
}

/* ---------- effects ---------- */

/*
 * A statement that brings an effect to a sibling, while it runs. It is told
 * by role and table: a statement on another table must not pass for it.
 */
typedef struct Frame
{
	const OpSiblingRole *role;
	Oid					 sibling;
	void				*effect;
	OpLink				 link;	/* a copy: the cache may drop its own meanwhile */
	const NullableDatum *keys;	/* of the row that is meant */
	int					 depth; /* of triggers that run on behalf of the statement itself */
	SubTransactionId	 subxact;
	int					 nrows;	  /* that it has not met yet */
	bool				 is_past; /* an AFTER trigger has asked for the effect */
} Frame;

static Frame *running_frame = NULL;

static int
trigger_depth(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

/* The same key, as the foreign key sees it: 1.0 and 1.00 are. */
static bool
is_key(const OpLink *link, int i, Form_pg_attribute attr, Datum theirs, Datum ours)
{
	bool  is_parent = link->key.role->path == OP_PARENT;
	Datum parent = is_parent ? theirs : ours;
	Datum child = is_parent ? ours : theirs;

	if (attr->atttypid == link->types[i] &&
		datum_image_eq(theirs, ours, attr->attbyval, attr->attlen))
		return true;
	return DatumGetBool(OidFunctionCall2Coll(get_opcode(link->equals[i]), attr->attcollation,
											 parent, child));
}

/* Is this the row that the statement was sent to? */
static bool
is_row_meant(const TriggerData *trigdata)
{
	const OpLink *link = &running_frame->link;

	for (int i = 0; i < link->key.role->nkeys; i++)
	{
		Form_pg_attribute attr = op_find_column(trigdata->tg_relation, link->names[i]);
		NullableDatum	  theirs;

		if (attr == NULL)
			return false;
		theirs = op_value_in(trigdata->tg_trigslot, attr->attnum);
		if (theirs.isnull || running_frame->keys[i].isnull ||
			!is_key(link, i, attr, theirs.value, running_frame->keys[i].value))
			return false;
	}
	return true;
}

/*
 * Triggers of users may run statements of their own, on the same tables, while
 * an effect is on its way: those are deeper, on other rows, or in a subtransaction.
 */
static bool
is_frame_of(const OpSiblingRole *role, const TriggerData *trigdata)
{
	Relation rel = trigdata->tg_relation;

	return running_frame != NULL && running_frame->role == role &&
		   (running_frame->sibling == RelationGetRelid(rel) ||
			(rel->rd_rel->relispartition && running_frame->sibling == op_root_of(rel))) &&
		   running_frame->depth == trigger_depth() &&
		   running_frame->subxact == GetCurrentSubTransactionId() && is_row_meant(trigdata);
}

void *
op_effect_coming(const OpSiblingRole *role, const TriggerData *trigdata)
{
	if (!is_frame_of(role, trigdata) || running_frame->nrows == 0)
		return NULL;
	return running_frame->effect;
}

void
op_effect_met(void)
{
	running_frame->nrows--;
}

void *
op_effect_past(const OpSiblingRole *role, const TriggerData *trigdata)
{
	if (!is_frame_of(role, trigdata) || running_frame->nrows > 0)
		return NULL;
	running_frame->is_past = true;
	return running_frame->effect;
}

/* ---------- acting ---------- */

/* Runs the plan of a link with its owner's rights. */
static void
run_as_owner(const OpLink *link, Datum *values, const char *nulls, Frame *frame)
{
	Frame *outer = running_frame;
	Oid	   userid;
	int	   context;

	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(link->owner,
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	frame->role = link->key.role;
	frame->sibling = link->sibling;
	frame->link = *link;
	frame->depth = trigger_depth() + 1;
	frame->subxact = GetCurrentSubTransactionId();
	running_frame = frame;
	op_link_begin();
	PG_TRY();
	{
		int result = SPI_execute_plan(link->plan, values, nulls, false, 0);

		if (result < 0)
			elog(ERROR, "SPI_execute_plan returned %s", SPI_result_code_string(result));
	}
	PG_FINALLY();
	{
		op_link_end();
		running_frame = outer; /* a trigger of the sibling may have come here itself */
	}
	PG_END_TRY();
	SetUserIdAndSecContext(userid, context);
}

/* Runs the statement of a role. Within SPI. keys: as many as the role has. */
static void
run(const OpSiblingRole *role, OpLink *link, const NullableDatum *keys, const Datum *args,
	const char *nulls, Frame *frame)
{
	Datum values[OP_SIBLING_MAX_ARGS];
	char  isnull[OP_SIBLING_MAX_ARGS];

	frame->keys = keys;
	Assert(role->nkeys <= OP_SIBLING_MAX_KEYS && role->nkeys + role->nargs <= OP_SIBLING_MAX_ARGS);
	for (int i = 0; i < role->nkeys; i++)
	{
		values[i] = keys[i].value;
		isnull[i] = keys[i].isnull ? 'n' : ' ';
	}
	for (int i = 0; i < role->nargs; i++)
	{
		values[role->nkeys + i] = args[i];
		isnull[role->nkeys + i] = nulls[i];
	}
	run_as_owner(link, values, isnull, frame);
}

static void
keys_in(const OpSiblingRole *role, const OpLink *link, TupleTableSlot *row, NullableDatum *keys)
{
	for (int i = 0; i < role->nkeys; i++)
		keys[i] = op_value_in(row, link->columns[i]);
}

bool
op_sibling_affect(const OpSiblingRole *role, Relation rel, TupleTableSlot *row, const Datum *args,
				  const char *nulls, void *effect)
{
	int			  nrows = role->nrows ? role->nrows : 1;
	Frame		  frame = {.effect = effect, .nrows = nrows};
	NullableDatum keys[OP_SIBLING_MAX_KEYS] = {{0, true}};
	OpLink		 *link;
	uint64		  processed;

	SPI_connect();
	link = op_link_of(role, rel);
	keys_in(role, link, row, keys);
	run(role, link, keys, args, nulls, &frame);
	processed = SPI_processed;
	if (processed == 0 && role->if_missed != NULL)
	{
		NullableDatum found;

		if (op_sibling_fetch_by_key(role->if_missed, rel, keys, NULL, NULL, &found, 1))
			op_refuse_sibling(role, rel, "A trigger or rule of its own has swallowed the statement.");
		SPI_finish();
		return false;
	}
	if (processed != (uint64) nrows)
		op_refuse_sibling(role, rel,
						  psprintf("The statement on it touched " UINT64_FORMAT " rows, not %d.",
								   processed, nrows));
	if (frame.nrows > 0 || (role->has_after && !frame.is_past))
		op_refuse_sibling(role, rel, "Its own trigger is disabled.");
	SPI_finish();
	return true;
}

/* The first row of a query, or the first one that its first column tells. */
static HeapTuple
row_meant(const OpSiblingRole *role)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		bool	  isnull;

		if (!role->tells || DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull)))
			return row;
	}
	return NULL;
}

bool
op_sibling_fetch_by_key(const OpSiblingRole *role, Relation rel, const NullableDatum *keys,
						const Datum *args, const char *nulls, NullableDatum *result, int ncolumns)
{
	Frame	  frame = {.effect = NULL, .nrows = 0};
	HeapTuple found;

	SPI_connect();
	run(role, op_link_of(role, rel), keys, args, nulls, &frame);
	found = row_meant(role);
	for (int i = 0; i < ncolumns; i++)
	{
		TupleDesc tupdesc = SPI_tuptable->tupdesc;

		result[i].isnull = true;
		if (found == NULL)
			continue;
		result[i].value = SPI_getbinval(found, tupdesc, i + 1, &result[i].isnull);
		if (!result[i].isnull)
			result[i].value = SPI_datumTransfer(result[i].value,
												TupleDescAttr(tupdesc, i)->attbyval,
												TupleDescAttr(tupdesc, i)->attlen);
	}
	SPI_finish();
	return found != NULL;
}

bool
op_sibling_fetch(const OpSiblingRole *role, Relation rel, TupleTableSlot *row, const Datum *args,
				 const char *nulls, NullableDatum *result, int ncolumns)
{
	NullableDatum keys[OP_SIBLING_MAX_KEYS] = {{0, true}};

	SPI_connect();
	keys_in(role, op_link_of(role, rel), row, keys);
	SPI_finish();
	return op_sibling_fetch_by_key(role, rel, keys, args, nulls, result, ncolumns);
}
