/*
 * graph.c
 *	  Status graphs: their text form and their proof.
 *
 * A graph is written as the argument of a trigger, so that it is dumped,
 * replicated and shown with its table:
 *
 *		births; state: next next; state: next
 *
 * births	where a row may be born: one or more states, the first clause
 * state:	from this state a row may move to each of the next ones
 *
 * Clauses are separated by semicolons, states by white space. A state that
 * has no clause of its own is terminal. To stay is always allowed and is not
 * written. A state may be double-quoted, with "" for a quote inside.
 *
 * A graph is refused, with the place of the fault, unless each of its states
 * can be held by the column, can be reached from a birth, and can reach a
 * terminal state. Places are counted in characters from 1.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "parser/scansup.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "graph.h"

typedef struct GraphParser
{
	const char *text;
	const char *at; /* what is read next */
	OpGraph	   *graph;
	int			place[OP_GRAPH_MAX_STATES]; /* byte where a state first stands */
	uint64		sources;					/* states that have a clause */
} GraphParser;

/* ---------- which types hold a status ---------- */

bool
op_state_type(Oid type, OpStateType *result)
{
	result->type = getBaseType(type);
	result->vocabulary = op_vocabulary_of(result->type);
	if (result->vocabulary != NULL)
		result->kind = OP_STATE_STATUS;
	else if (get_typtype(result->type) == TYPTYPE_ENUM)
		result->kind = OP_STATE_ENUM;
	else if (result->type == TEXTOID || result->type == VARCHAROID)
		result->kind = OP_STATE_TEXT;
	else
		return false;
	return true;
}

OpStateType
op_require_state_type(Oid type)
{
	OpStateType result;

	if (!get_typisdefined(type))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("type with OID %u does not exist", type)));
	if (!op_state_type(type, &result))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("type %s cannot hold a status", format_type_be(type)),
				 errhint("Use order_status, payment_status, operation_status, an enum, text, varchar, or a domain over one of them.")));
	return result;
}

/* ---------- faults ---------- */

/* The one place where a graph is refused; byte is where in the text. */
static void
graph_error(GraphParser *parser, int byte, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
			 errmsg("invalid status graph at character %d",
					pg_mbstrlen_with_len(parser->text, byte) + 1),
			 errdetail_internal("%s", detail),
			 hint ? errhint("%s", hint) : 0));
}

static int
compare_enum_rows(const void *a, const void *b)
{
	float4 x = (*(const Form_pg_enum *) a)->enumsortorder;
	float4 y = (*(const Form_pg_enum *) b)->enumsortorder;

	return x < y ? -1 : (x > y ? 1 : 0);
}

/* The labels of an enum, in its order. */
static char *
enum_labels(Oid type)
{
	StringInfoData buf;
	CatCList	  *list = SearchSysCacheList1(ENUMTYPOIDNAME, ObjectIdGetDatum(type));
	Form_pg_enum  *rows = palloc(list->n_members * sizeof(Form_pg_enum));

	for (int i = 0; i < list->n_members; i++)
		rows[i] = (Form_pg_enum) GETSTRUCT(&list->members[i]->tuple);
	qsort(rows, list->n_members, sizeof(Form_pg_enum), compare_enum_rows);
	initStringInfo(&buf);
	appendStringInfoString(&buf, "Valid labels are ");
	for (int i = 0; i < list->n_members; i++)
		appendStringInfo(&buf, "%s%s", i == 0 ? "" : ", ", NameStr(rows[i]->enumlabel));
	appendStringInfoChar(&buf, '.');
	ReleaseSysCacheList(list);
	return buf.data;
}

/* ---------- states ---------- */

int
op_graph_state_by_label(const OpGraph *graph, const char *label, int length)
{
	for (int i = 0; i < graph->nstates; i++)
	{
		if (graph->length[i] == length && memcmp(graph->label[i], label, length) == 0)
			return i;
	}
	return OP_NO_STATE;
}

int
op_graph_state(const OpGraph *graph, Datum value)
{
	switch (graph->type.kind)
	{
		case OP_STATE_STATUS:
			return graph->state_of_code[DatumGetStatus(value)];
		case OP_STATE_ENUM:
			for (int i = 0; i < graph->nstates; i++)
			{
				if (graph->enum_value[i] == DatumGetObjectId(value))
					return i;
			}
			return OP_NO_STATE;
		case OP_STATE_TEXT:
			{
				text *label = DatumGetTextPP(value);

				return op_graph_state_by_label(graph, VARDATA_ANY(label), VARSIZE_ANY_EXHDR(label));
			}
	}
	return OP_NO_STATE;
}

/* Find what the column will hold for this label, or refuse the label. */
static void
resolve_state(GraphParser *parser, int state)
{
	OpGraph	   *graph = parser->graph;
	const char *label = graph->label[state];
	char	   *hint = NULL;

	if (graph->type.kind == OP_STATE_STATUS)
	{
		const OpStatusLabel *found =
			op_label_by_name(graph->type.vocabulary, label, graph->length[state]);

		if (found != NULL)
		{
			graph->state_of_code[found->code] = state;
			return;
		}
		hint = op_valid_labels(graph->type.vocabulary);
	}
	else if (graph->type.kind == OP_STATE_ENUM)
	{
		graph->enum_value[state] =
			GetSysCacheOid2(ENUMTYPOIDNAME, Anum_pg_enum_oid, ObjectIdGetDatum(graph->type.type),
							CStringGetDatum(label));
		if (OidIsValid(graph->enum_value[state]))
			return;
		hint = enum_labels(graph->type.type);
	}
	else
		return;

	graph_error(parser, parser->place[state],
				psprintf("\"%s\" is not a label of type %s.", label,
						 format_type_be(graph->type.type)),
				hint);
}

/* The state of this label, which is added if it is new. */
static int
state_of(GraphParser *parser, const char *label, int byte)
{
	OpGraph *graph = parser->graph;
	int		 length = strlen(label);
	int		 state = op_graph_state_by_label(graph, label, length);

	if (state != OP_NO_STATE)
		return state;
	if (graph->nstates == OP_GRAPH_MAX_STATES)
		graph_error(parser, byte, psprintf("A graph has at most %d states.", OP_GRAPH_MAX_STATES),
					NULL);
	state = graph->nstates++;
	strlcpy(graph->label[state], label, NAMEDATALEN);
	graph->length[state] = length;
	parser->place[state] = byte;
	resolve_state(parser, state);
	return state;
}

/* ---------- reading the text ---------- */

static void
skip_white_space(GraphParser *parser)
{
	while (scanner_isspace(*parser->at))
		parser->at++;
}

/*
 * Reads a label, quoted or not. Returns false at a colon, at a semicolon and
 * at the end.
 */
static bool
read_label(GraphParser *parser, StringInfo label, int *byte)
{
	bool quoted;

	skip_white_space(parser);
	*byte = parser->at - parser->text;
	resetStringInfo(label);
	quoted = *parser->at == '"';
	if (quoted)
	{
		for (parser->at++; *parser->at != '"' || parser->at[1] == '"'; parser->at++)
		{
			if (*parser->at == '\0')
				graph_error(parser, *byte, "A quoted state has no closing quote.", NULL);
			if (*parser->at == '"')
				parser->at++;
			appendStringInfoChar(label, *parser->at);
		}
		parser->at++;
	}
	else
	{
		for (; *parser->at && !scanner_isspace(*parser->at) && !strchr(":;\"", *parser->at);
			 parser->at++)
			appendStringInfoChar(label, *parser->at);
		if (label->len == 0 && *parser->at != '"')
			return false;
	}
	if (label->len == 0)
		graph_error(parser, *byte, "A state has an empty name.", NULL);
	if (label->len >= NAMEDATALEN)
		graph_error(parser, *byte,
					psprintf("The name of a state is longer than %d bytes.", NAMEDATALEN - 1),
					NULL);
	return true;
}

/* Adds a state to a set; a state that is there already is a slip. */
static void
add_state(GraphParser *parser, uint64 *states, int state, int byte)
{
	if (*states & op_state_bit(state))
		graph_error(parser, byte,
					psprintf("State \"%s\" is listed twice.", parser->graph->label[state]), NULL);
	*states |= op_state_bit(state);
}

/* Reads "next next" after "state:". */
static void
read_targets(GraphParser *parser, int source, StringInfo label)
{
	OpGraph *graph = parser->graph;
	int		 byte;

	while (read_label(parser, label, &byte))
	{
		int target = state_of(parser, label->data, byte);

		if (target == source)
			graph_error(parser, byte,
						psprintf("State \"%s\" leads to itself.", graph->label[source]),
						"Leave it out: to stay is always allowed.");
		add_state(parser, &graph->next[source], target, byte);
	}
	if (*parser->at == ':')
		graph_error(parser, parser->at - parser->text,
					"A colon stands where a state or a semicolon is expected.",
					"Separate the clauses by semicolons.");
}

/*
 * Reads one clause up to its semicolon: the births if it is the first one and
 * has no colon, else the moves from one state.
 */
static void
read_clause(GraphParser *parser, bool first)
{
	OpGraph		  *graph = parser->graph;
	StringInfoData label;
	uint64		   listed = 0;
	int			   nlisted = 0;
	int			   start = -1;
	int			   last = OP_NO_STATE;
	int			   byte;

	initStringInfo(&label);
	while (read_label(parser, &label, &byte))
	{
		if (start < 0)
			start = byte;
		last = state_of(parser, label.data, byte);
		add_state(parser, &listed, last, byte);
		nlisted++;
	}
	if (*parser->at != ':')
	{
		if (first && nlisted > 0)
			graph->births = listed;
		else if (nlisted > 0)
			graph_error(parser, start, "A clause after the first one has no colon.",
						"Only the first clause lists births; write the others as \"state: next next\".");
	}
	else
	{
		if (nlisted != 1 || last == OP_NO_STATE)
			graph_error(parser, parser->at - parser->text,
						"Exactly one state stands before a colon.", NULL);
		parser->at++;
		add_state(parser, &parser->sources, last, start);
		read_targets(parser, last, &label);
	}
	if (*parser->at == ';')
		parser->at++;
}

/* ---------- proof ---------- */

/* All states that can be reached from these, these included. */
static uint64
reachable(const OpGraph *graph, uint64 states)
{
	uint64 before;

	do
	{
		before = states;
		for (int i = 0; i < graph->nstates; i++)
		{
			if (states & op_state_bit(i))
				states |= graph->next[i];
		}
	} while (states != before);
	return states;
}

static void
prove_graph(GraphParser *parser)
{
	OpGraph *graph = parser->graph;
	uint64	 terminal = 0;
	uint64	 born;

	if (graph->births == 0)
		graph_error(parser, 0, "The graph does not say where a row may be born.",
					"Begin it with the states of a new row and a semicolon, as in \"pending; pending: paid\".");

	for (int i = 0; i < graph->nstates; i++)
	{
		if (graph->next[i] == 0)
			terminal |= op_state_bit(i);
	}
	born = reachable(graph, graph->births);
	for (int i = 0; i < graph->nstates; i++)
	{
		if (!(born & op_state_bit(i)))
			graph_error(parser, parser->place[i],
						psprintf("State \"%s\" cannot be reached from any birth.", graph->label[i]),
						NULL);
		if (!(reachable(graph, op_state_bit(i)) & terminal))
			graph_error(parser, parser->place[i],
						psprintf("From state \"%s\" no terminal state can be reached.",
								 graph->label[i]),
						"A state is terminal when nothing follows it.");
	}
}

OpGraph *
op_graph_parse(const char *text, OpStateType type)
{
	GraphParser parser = {.text = text, .at = text};
	bool		first = true;

	parser.graph = palloc0(sizeof(OpGraph));
	parser.graph->type = type;
	for (size_t i = 0; i < lengthof(parser.graph->state_of_code); i++)
		parser.graph->state_of_code[i] = OP_NO_STATE;

	if (strlen(text) > OP_GRAPH_MAX_LENGTH)
		graph_error(&parser, pg_mbcliplen(text, strlen(text), OP_GRAPH_MAX_LENGTH),
					psprintf("A graph is at most %d bytes long.", OP_GRAPH_MAX_LENGTH), NULL);
	while (*parser.at != '\0')
	{
		read_clause(&parser, first);
		first = false;
	}
	prove_graph(&parser);
	return parser.graph;
}

char *
op_graph_list(const OpGraph *graph, uint64 states)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < graph->nstates; i++)
	{
		if (states & op_state_bit(i))
			appendStringInfo(&buf, "%s\"%s\"", buf.len == 0 ? "" : ", ", graph->label[i]);
	}
	return buf.data;
}

PG_FUNCTION_INFO_V1(op_check_graph);
Datum
op_check_graph(PG_FUNCTION_ARGS)
{
	OpStateType type = op_require_state_type(PG_GETARG_OID(0));

	op_graph_parse(text_to_cstring(PG_GETARG_TEXT_PP(1)), type);
	PG_RETURN_VOID();
}
