/*
 * trigger_call.c
 *	  What every trigger function asks first: how was I called, on which table?
 *
 * Anybody may attach a trigger function to a table of his own, at any event,
 * or call it by SELECT. So nothing is believed before it was looked at here.
 */
#include "postgres.h"

#include "catalog/pg_trigger.h"
#include "utils/builtins.h"

#include "trigger_call.h"

TriggerEvent
op_firing(const TriggerData *trigdata)
{
	return trigdata->tg_event &
		   (TRIGGER_EVENT_TIMINGMASK | TRIGGER_EVENT_ROW | TRIGGER_EVENT_OPMASK);
}

TriggerData *
op_trigger_data(FunctionCallInfo fcinfo, const char *function, const TriggerEvent *firings,
				const char *description)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", function)));

	for (; *firings != OP_FIRINGS_END; firings++)
	{
		if (*firings == op_firing(trigdata))
			return trigdata;
	}
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("function \"%s\" must be fired %s", function, description),
			 errdetail("Trigger \"%s\" of table \"%s\" fires otherwise.",
					   trigdata->tg_trigger->tgname,
					   RelationGetRelationName(trigdata->tg_relation))));
	return NULL;
}

bool
op_trigger_calls(const Trigger *trigger, PGFunction function)
{
	FmgrInfo flinfo;

	fmgr_info(trigger->tgfoid, &flinfo);
	return flinfo.fn_addr == function;
}

bool
op_trigger_fires(const Trigger *trigger)
{
	if (trigger->tgenabled == TRIGGER_FIRES_ALWAYS)
		return true;
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		return trigger->tgenabled == TRIGGER_FIRES_ON_REPLICA;
	return trigger->tgenabled == TRIGGER_FIRES_ON_ORIGIN;
}

bool
op_has_trigger(Relation rel, PGFunction function)
{
	TriggerDesc *trigdesc = rel->trigdesc;

	for (int i = 0; trigdesc != NULL && i < trigdesc->numtriggers; i++)
	{
		if (op_trigger_calls(&trigdesc->triggers[i], function))
			return true;
	}
	return false;
}

Form_pg_attribute
op_find_column(Relation rel, const char *name)
{
	TupleDesc tupdesc = RelationGetDescr(rel);

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(tupdesc, i);

		if (!attr->attisdropped && namestrcmp(&attr->attname, name) == 0)
			return attr;
	}
	return NULL;
}

AttrNumber
op_require_column(Relation rel, const char *name, Oid type)
{
	Form_pg_attribute attr = op_find_column(rel, name);

	if (attr == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table \"%s\" does not exist", name,
						RelationGetRelationName(rel)),
				 errhint("This table is no part of a store made by order_payment.create_store(), or was altered since."),
				 errtable(rel)));
	if (OidIsValid(type) && attr->atttypid != type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table \"%s\" must be of type %s, not %s", name,
						RelationGetRelationName(rel), format_type_be(type),
						format_type_be(attr->atttypid)),
				 errtablecol(rel, attr->attnum)));
	return attr->attnum;
}

void
op_require_last(const TriggerData *trigdata, PGFunction allowed)
{
	const TriggerDesc *trigdesc = trigdata->tg_relation->trigdesc;
	const Trigger	  *self = trigdata->tg_trigger;
	int16			   event = TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) ? TRIGGER_TYPE_INSERT
																		   : TRIGGER_TYPE_UPDATE;
	bool			   after = false;

	for (int i = 0; trigdesc != NULL && i < trigdesc->numtriggers; i++)
	{
		const Trigger *trigger = &trigdesc->triggers[i];

		if (trigger->tgoid == self->tgoid)
			after = true;
		else if (after && op_trigger_fires(trigger) &&
				 TRIGGER_TYPE_MATCHES(trigger->tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE,
									  event) &&
				 !op_trigger_calls(trigger, allowed))
			ereport(ERROR,
					(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
					 errmsg("trigger \"%s\" of table \"%s\" must be the last BEFORE ROW trigger",
							self->tgname, RelationGetRelationName(trigdata->tg_relation)),
					 errdetail("Trigger \"%s\" fires after it and could change what it checked.",
							   trigger->tgname),
					 errhint("Triggers fire in the order of their names: rename \"%s\".",
							 trigger->tgname),
					 errtable(trigdata->tg_relation)));
	}
}
