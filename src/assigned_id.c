/*
 * assigned_id.c
 *	  Numbers of payments and operations where no index sees all of them.
 *
 * The number is what a gateway knows a payment by. If two orders had a payment
 * of the same number, the gateway would take the second for a repetition of the
 * first and answer with the first one's success. In one table a unique key sees
 * to that. In a store that lies in partitions or on several nodes the number is
 * random and made here, on the node of the row, for a default may be evaluated
 * elsewhere or not at all. A statement may leave it out or give NULL.
 *
 * A role that may record outcomes brings a number that is there already: of a
 * payment that it adopts, or of a store that it imports.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "fmgr.h"

#include "derived.h"
#include "link.h"
#include "recorder.h"
#include "settings.h"
#include "trigger_call.h"
#include "uuid_v7.h"

static AttrNumber
column_argument(const TriggerData *trigdata)
{
	const Trigger *trigger = trigdata->tg_trigger;

	if (trigger->tgnargs != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("trigger function assign_id() takes one argument, not %d",
							   trigger->tgnargs),
						errhint("Name the column."), errtable(trigdata->tg_relation)));
	return op_require_column(trigdata->tg_relation, trigger->tgargs[0], UUIDOID);
}

PG_FUNCTION_INFO_V1(op_assign_id);
Datum
op_assign_id(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_BEFORE_INSERT, OP_FIRINGS_END};
	TriggerData				 *trigdata =
		op_trigger_data(fcinfo, "assign_id", firings, "BEFORE INSERT, for each row");
	OpChange id;

	if (op_restore)
		return op_unchanged(trigdata);
	id.column = column_argument(trigdata);
	id.value = op_value_in(trigdata->tg_trigslot, id.column);
	if (!id.value.isnull)
	{
		if (!op_may_record(op_root_of(trigdata->tg_relation)))
			op_refuse_write(trigdata->tg_relation, id.column,
							"Leave it out, and read it by RETURNING: where a store is in partitions or on several nodes, its numbers are made by the server.");
		return op_unchanged(trigdata);
	}
	id.value.value = UUIDPGetDatum(op_make_uuid_v7());
	id.value.isnull = false;
	return op_changed(trigdata, &id, 1);
}
