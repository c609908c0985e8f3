/*
 * default_graph.c
 *	  The graphs of the three status types, and what SQL asks about them.
 *
 * A default graph is a proposal: guard_column() and create_store() write it
 * out as the argument of the trigger that they make. So a table keeps the graph
 * it was made with, and the operator ->? and next_states() speak of
 * the default graph, not of any table's.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "default_graph.h"

/* By type. */
static const char *const default_graphs[] = {
	[OP_ORDER_STATUS] =
		"pending; "
		"pending: authorized paid cancelled expired; "
		"authorized: pending paid shipped cancelled; "
		"paid: shipped completed cancelled refunded; "
		"shipped: completed cancelled refunded; "
		"completed: refunded",
	[OP_PAYMENT_STATUS] =
		"created processing requires_action authorized succeeded; "
		"created: processing requires_action authorized succeeded failed revoked; "
		"processing: requires_action unknown authorized succeeded failed revoked; "
		"requires_action: processing unknown authorized succeeded failed revoked; "
		"unknown: processing requires_action authorized succeeded failed revoked; "
		"authorized: succeeded revoked; "
		"failed: authorized succeeded; "
		"revoked: authorized succeeded",
	[OP_OPERATION_STATUS] =
		"requested processing succeeded; "
		"requested: processing succeeded failed unknown cancelled; "
		"processing: succeeded failed unknown cancelled; "
		"unknown: processing succeeded failed; "
		"failed: processing succeeded; "
		"cancelled: succeeded; "
		"succeeded: reversed",
};

StaticAssertDecl(lengthof(default_graphs) == OP_NUM_STATUS_TYPES,
				 "each status type has a default graph");

const char *
op_default_graph_text(OpStateType type)
{
	return type.kind == OP_STATE_STATUS ? default_graphs[type.vocabulary - op_vocabularies] : NULL;
}

/* The parsed default graph of a type, kept for the life of the backend. */
static const OpGraph *
default_graph(OpStatusType index)
{
	static OpGraph *graphs[OP_NUM_STATUS_TYPES];

	if (graphs[index] == NULL)
	{
		OpStateType type = {OP_STATE_STATUS, InvalidOid, &op_vocabularies[index]};
		OpGraph	   *graph = op_graph_parse(default_graphs[index], type);

		graphs[index] = MemoryContextAlloc(TopMemoryContext, sizeof(OpGraph));
		memcpy(graphs[index], graph, sizeof(OpGraph));
		pfree(graph);
	}
	return graphs[index];
}

PG_FUNCTION_INFO_V1(op_default_graph);
Datum
op_default_graph(PG_FUNCTION_ARGS)
{
	const char *graph = op_default_graph_text(op_require_state_type(PG_GETARG_OID(0)));

	if (graph == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(graph));
}

static bool
may_become(FunctionCallInfo fcinfo, OpStatusType index)
{
	const OpGraph *graph = default_graph(index);
	int			   from = op_graph_state(graph, PG_GETARG_DATUM(0));
	int			   to = op_graph_state(graph, PG_GETARG_DATUM(1));

	return from != OP_NO_STATE && to != OP_NO_STATE && (graph->next[from] & op_state_bit(to)) != 0;
}

PG_FUNCTION_INFO_V1(op_order_status_may_become);
Datum
op_order_status_may_become(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(may_become(fcinfo, OP_ORDER_STATUS));
}

PG_FUNCTION_INFO_V1(op_payment_status_may_become);
Datum
op_payment_status_may_become(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(may_become(fcinfo, OP_PAYMENT_STATUS));
}

PG_FUNCTION_INFO_V1(op_operation_status_may_become);
Datum
op_operation_status_may_become(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(may_become(fcinfo, OP_OPERATION_STATUS));
}

/* One function for the three types: it learns its type from the call. */
PG_FUNCTION_INFO_V1(op_next_states);
Datum
op_next_states(PG_FUNCTION_ARGS)
{
	Oid					type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	const OpVocabulary *vocabulary = op_vocabulary_of(type);
	const OpGraph	   *graph;
	Datum				states[OP_GRAPH_MAX_STATES];
	int					nstates = 0;
	int					from;

	if (vocabulary == NULL)
		elog(ERROR, "next_states called with type %u", type);
	graph = default_graph((OpStatusType) (vocabulary - op_vocabularies));
	from = op_graph_state(graph, PG_GETARG_DATUM(0));
	for (int i = 0; i < vocabulary->size; i++)
	{
		uint8 code = vocabulary->labels[i].code;
		int	  to = graph->state_of_code[code];

		if (from != OP_NO_STATE && to != OP_NO_STATE && (graph->next[from] & op_state_bit(to)) != 0)
			states[nstates++] = StatusGetDatum(code);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(states, nstates, type, sizeof(uint8), true,
										  TYPALIGN_CHAR));
}
