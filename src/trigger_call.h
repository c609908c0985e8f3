/*
 * trigger_call.h
 *	  What every trigger function asks first: how was I called, on which table?
 */
#ifndef OP_TRIGGER_CALL_H
#define OP_TRIGGER_CALL_H

#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

/*
 * The trigger data of a call, or an error if the function was not called as a
 * trigger, or not at one of the allowed firings. A firing is the timing, level
 * and event bits of a TriggerEvent; the list ends with OP_FIRINGS_END.
 */
#define OP_BEFORE_INSERT   (TRIGGER_EVENT_BEFORE | TRIGGER_EVENT_ROW | TRIGGER_EVENT_INSERT)
#define OP_BEFORE_UPDATE   (TRIGGER_EVENT_BEFORE | TRIGGER_EVENT_ROW | TRIGGER_EVENT_UPDATE)
#define OP_BEFORE_DELETE   (TRIGGER_EVENT_BEFORE | TRIGGER_EVENT_ROW | TRIGGER_EVENT_DELETE)
#define OP_BEFORE_TRUNCATE (TRIGGER_EVENT_BEFORE | TRIGGER_EVENT_TRUNCATE)
#define OP_AFTER_INSERT	   (TRIGGER_EVENT_AFTER | TRIGGER_EVENT_ROW | TRIGGER_EVENT_INSERT)
#define OP_AFTER_UPDATE	   (TRIGGER_EVENT_AFTER | TRIGGER_EVENT_ROW | TRIGGER_EVENT_UPDATE)
#define OP_AFTER_DELETE	   (TRIGGER_EVENT_AFTER | TRIGGER_EVENT_ROW | TRIGGER_EVENT_DELETE)
#define OP_FIRINGS_END	   0xFFFFFFFF

extern TriggerData *op_trigger_data(FunctionCallInfo fcinfo, const char *function,
									const TriggerEvent *firings, const char *description);

/* The firing of a call, one of the macros above. */
extern TriggerEvent op_firing(const TriggerData *trigdata);

/* What a trigger function returns that leaves the row as it is. */
static inline Datum
op_unchanged(const TriggerData *trigdata)
{
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? trigdata->tg_newtuple
																	   : trigdata->tg_trigtuple);
}

/*
 * An error if a BEFORE ROW trigger fires after this one, at one of its events,
 * that does not call the given function: it could change what this one has
 * done. Once a statement is enough, so callers note it in fn_extra.
 */
extern void op_require_last(const TriggerData *trigdata, PGFunction allowed);

/*
 * In an AFTER trigger: an error if this transaction has given the column of the
 * row another value since. What did so has acted already, before the row itself
 * does, and what follows from the order of things would be wrong.
 */
extern void op_require_latest(const TriggerData *trigdata, AttrNumber column);

static inline NullableDatum
op_value_in(TupleTableSlot *row, AttrNumber column)
{
	NullableDatum result;

	result.value = slot_getattr(row, column, &result.isnull);
	return result;
}

/* One column that a trigger changes in its row. */
typedef struct OpChange
{
	AttrNumber	  column;
	NullableDatum value;
} OpChange;

/* What a BEFORE trigger returns that changes n columns of its row. */
extern Datum op_changed(const TriggerData *trigdata, const OpChange *changes, int n);

/* Is this the function, by the OID that a trigger names it with? */
extern bool op_is_function(Oid function, PGFunction address);

/* Has the table a trigger with that C function? */
extern bool op_has_trigger(Relation rel, PGFunction function);

/* And is it one that fires in a session like this one? */
extern bool op_trigger_fires(Relation rel, PGFunction function);

/* The live column of that name, or NULL. */
extern Form_pg_attribute op_find_column(Relation rel, const char *name);

/* The number of the column of that name and type (any, if InvalidOid), or an error. */
extern AttrNumber op_require_column(Relation rel, const char *name, Oid type);

/* The table, or the root of its partition tree. */
extern Oid op_root_of(Relation rel);

/* A relation that the caller of a function has named, which need not exist. */
extern Relation op_open_named(Oid relation);

/* "(order_id)=(42)" of a row, or NULL if there is no key or the user may not read it. */
extern char *op_describe_key(Relation rel, TupleTableSlot *slot);

#endif
