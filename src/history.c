/*
 * history.c
 *	  Writes order_events, the history of orders.
 *
 * event	a row of order_events: one birth or change of status of an order, a
 *			payment or an operation, written in the transaction that made it
 * version	the number of an event within its order, 1, 2, 3 ... without gaps.
 *			maintain_order() counts it in the order's row, under the lock of
 *			that row, so that two sessions never get the same one
 * actor	who did it, as the session says (order_payment.actor)
 * session_role	who did it, as the server knows: the role that logged in
 *
 * The events of one statement on an order are written together: appended
 * where the table is plain (append.c), else by one INSERT.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "append.h"
#include "derived.h"
#include "event.h"
#include "history.h"
#include "settings.h"
#include "sibling.h"
#include "wake.h"

/* A column of an event, besides the key of the order: its place, name and type. */
/* clang-format off */
#define EVENT_COLUMNS(column) \
	column(EVENT_VERSION, "version", INT4OID) \
	column(EVENT_ID, "event_id", UUIDOID) \
	column(EVENT_ENTITY, "entity", TEXTOID) \
	column(EVENT_ENTITY_ID, "entity_id", UUIDOID) \
	column(EVENT_FROM, "from_status", TEXTOID) \
	column(EVENT_TO, "to_status", TEXTOID) \
	column(EVENT_AMOUNT, "amount", NUMERICOID) \
	column(EVENT_ACTOR, "actor", TEXTOID) \
	column(EVENT_SESSION_ROLE, "session_role", TEXTOID) \
	column(EVENT_REASON, "reason", TEXTOID) \
	column(EVENT_DETAIL, "detail", JSONBOID) \
	column(EVENT_RECORDED_AT, "recorded_at", TIMESTAMPTZOID) \
	column(EVENT_XID, "xid", XID8OID)

#define AS_PLACE(place, name, type)	 place,
#define AS_COLUMN(place, name, type) [place] = {name, type, NULL},
#define AS_TYPE(place, name, type)	 type,

enum { EVENT_COLUMNS(AS_PLACE) EVENT_NCOLUMNS };
static const OpColumn event_columns[] = { EVENT_COLUMNS(AS_COLUMN) };

StaticAssertDecl(1 + EVENT_NCOLUMNS <= OP_PLAIN_MAX_COLUMNS, "an event can be appended");
StaticAssertDecl(EVENT_NCOLUMNS == OP_EVENT_NCOLUMNS, "an event has room for its columns");
StaticAssertDecl(1 + OP_MAX_EVENTS * EVENT_NCOLUMNS <= OP_SIBLING_MAX_ARGS,
				 "a statement has room for the parameters");
StaticAssertDecl(OP_MAX_EVENTS <= OP_APPEND_MAX_ROWS, "they can be appended together");

/* ---------- the statement ---------- */

static void
write_events(StringInfo sql, const OpSiblingNames *names, int nevents)
{
	appendStringInfo(sql, "INSERT INTO %s (%s", names->sibling, names->keys);
	for (int i = 0; i < EVENT_NCOLUMNS; i++)
		appendStringInfo(sql, ", %s", event_columns[i].name);
	appendStringInfoString(sql, ") VALUES ");
	for (int event = 0; event < nevents; event++)
	{
		appendStringInfoString(sql, event == 0 ? "($1" : ", ($1");
		for (int i = 0; i < EVENT_NCOLUMNS; i++)
			appendStringInfo(sql, ", $%d", 2 + event * EVENT_NCOLUMNS + i);
		appendStringInfoChar(sql, ')');
	}
}

static void
write_one_event(StringInfo sql, const OpSiblingNames *names)
{
	write_events(sql, names, 1);
}

static void
write_two_events(StringInfo sql, const OpSiblingNames *names)
{
	write_events(sql, names, 2);
}

static void
write_three_events(StringInfo sql, const OpSiblingNames *names)
{
	write_events(sql, names, 3);
}

#define EVENTS_OF_ORDER(n, writer, ...) \
	{ \
		.what = "the events", \
		.path = OP_CHILD, \
		.marker = op_append_only, \
		.nkeys = 1, \
		.nargs = (n) * EVENT_NCOLUMNS, \
		.argtypes = {__VA_ARGS__}, \
		.nrows = (n), \
		.write = writer, \
	}
#define TYPES EVENT_COLUMNS(AS_TYPE)

/* By the number of events, less one: one statement writes them all. */
static const OpSiblingRole events_of_order[] = {
	EVENTS_OF_ORDER(1, write_one_event, TYPES),
	EVENTS_OF_ORDER(2, write_two_events, TYPES TYPES),
	EVENTS_OF_ORDER(3, write_three_events, TYPES TYPES TYPES),
};
/* clang-format on */

StaticAssertDecl(lengthof(events_of_order) == OP_MAX_EVENTS, "each number of events has a role");

bool
op_is_history_coming(const TriggerData *trigdata)
{
	for (int i = 0; i < (int) lengthof(events_of_order); i++)
	{
		if (op_effect_coming(&events_of_order[i], trigdata) != NULL)
			return true;
	}
	return false;
}

/* ---------- the events of one statement on an order ---------- */

static NullableDatum
not_null(Datum value)
{
	NullableDatum result = {value, false};

	return result;
}

/* NULL if it is empty or absent. */
static NullableDatum
text_value(const char *value)
{
	NullableDatum result = {0, value == NULL || value[0] == '\0'};

	if (!result.isnull)
		result.value = CStringGetTextDatum(value);
	return result;
}

void
op_history_begin(OpHistory *history, int32 version)
{
	const char	  *session_role = GetUserNameFromId(GetSessionUserId(), false);
	NullableDatum *common = history->common;

	history->n = 0;
	history->version = version;
	memset(common, 0, sizeof(history->common));
	common[EVENT_ACTOR] = text_value(op_actor && op_actor[0] ? op_actor : session_role);
	common[EVENT_SESSION_ROLE] = text_value(session_role);
	common[EVENT_REASON] = text_value(op_reason);
	common[EVENT_RECORDED_AT] = not_null(TimestampTzGetDatum(GetCurrentTimestamp()));
	common[EVENT_XID] = not_null(FullTransactionIdGetDatum(GetTopFullTransactionId()));
}

void
op_history_add(OpHistory *history, const OpCause *cause)
{
	NullableDatum *event = history->events[history->n++];
	NullableDatum  null = {0, true};

	memcpy(event, history->common, sizeof(history->common));
	event[EVENT_VERSION] = not_null(Int32GetDatum(history->version + history->n));
	event[EVENT_ID] = not_null(DirectFunctionCall1(gen_random_uuid, (Datum) 0));
	event[EVENT_ENTITY] = text_value(cause->entity);
	event[EVENT_ENTITY_ID] = cause->entity_id ? not_null(cause->entity_id) : null;
	event[EVENT_FROM] = text_value(cause->from);
	event[EVENT_TO] = text_value(cause->to);
	event[EVENT_AMOUNT] = cause->amount ? not_null(NumericGetDatum(cause->amount)) : null;
	event[EVENT_DETAIL] = null;
	if (cause->late)
		event[EVENT_DETAIL] =
			not_null(DirectFunctionCall1(jsonb_in, CStringGetDatum("{\"late\": true}")));
}

void
op_history_write(const OpHistory *history, Relation orders, TupleTableSlot *order)
{
	const NullableDatum *values = &history->events[0][0];
	const OpSiblingRole *role;
	Datum				 args[OP_SIBLING_MAX_ARGS];
	char				 nulls[OP_SIBLING_MAX_ARGS];
	int					 met; /* the history's trigger needs no more than to be met */

	if (history->n == 0)
		return;
	op_wake_at_commit();
	role = &events_of_order[history->n - 1];
	if (op_append(role, orders, order, event_columns, EVENT_NCOLUMNS, values, history->n))
		return;
	for (int i = 0; i < role->nargs; i++)
	{
		args[i] = values[i].value;
		nulls[i] = values[i].isnull ? 'n' : ' ';
	}
	op_sibling_affect(role, orders, order, args, nulls, &met);
}
