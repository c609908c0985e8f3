/*
 * diagram.c
 *	  The graph that guards a column, as rows and as a picture: Mermaid's
 *	  stateDiagram-v2, Graphviz' DOT.
 *
 * In both, births are entered from nowhere (Mermaid) or drawn bold (DOT), and
 * terminal states lead to nowhere (Mermaid) or have a double border (DOT).
 */
#include "postgres.h"

#include "access/relation.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "guard.h"
#include "trigger_call.h"

typedef struct Format
{
	const char *name;
	void (*draw)(const OpGraph *graph, StringInfo buf);
} Format;

/* A label that is no plain word needs an alias in Mermaid. */
static bool
is_word(const char *label)
{
	return strspn(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
		   strlen(label);
}

static char *
mermaid_name(const OpGraph *graph, int state)
{
	return is_word(graph->label[state]) ? pstrdup(graph->label[state]) : psprintf("s%d", state);
}

/* Mermaid has no escape for a quote in a string but the entity. */
static void
append_mermaid_string(StringInfo buf, const char *label)
{
	for (; *label; label++)
	{
		if (*label == '"')
			appendStringInfoString(buf, "#quot;");
		else
			appendStringInfoChar(buf, *label);
	}
}

static void
draw_mermaid(const OpGraph *graph, StringInfo buf)
{
	appendStringInfoString(buf, "stateDiagram-v2");
	for (int i = 0; i < graph->nstates; i++)
	{
		if (!is_word(graph->label[i]))
		{
			appendStringInfoString(buf, "\n    state \"");
			append_mermaid_string(buf, graph->label[i]);
			appendStringInfo(buf, "\" as s%d", i);
		}
	}
	for (int i = 0; i < graph->nstates; i++)
	{
		if (graph->births & op_state_bit(i))
			appendStringInfo(buf, "\n    [*] --> %s", mermaid_name(graph, i));
	}
	for (int i = 0; i < graph->nstates; i++)
	{
		for (int j = 0; j < graph->nstates; j++)
		{
			if (graph->next[i] & op_state_bit(j))
				appendStringInfo(buf, "\n    %s --> %s", mermaid_name(graph, i),
								 mermaid_name(graph, j));
		}
		if (graph->next[i] == 0)
			appendStringInfo(buf, "\n    %s --> [*]", mermaid_name(graph, i));
	}
}

static void
append_dot_string(StringInfo buf, const char *label)
{
	appendStringInfoChar(buf, '"');
	for (; *label; label++)
	{
		if (*label == '"' || *label == '\\')
			appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, *label);
	}
	appendStringInfoChar(buf, '"');
}

static void
draw_dot(const OpGraph *graph, StringInfo buf)
{
	appendStringInfoString(buf, "digraph status {");
	for (int i = 0; i < graph->nstates; i++)
	{
		appendStringInfoString(buf, "\n    ");
		append_dot_string(buf, graph->label[i]);
		appendStringInfo(buf, " [shape=box%s%s];",
						 graph->births & op_state_bit(i) ? ", style=bold" : "",
						 graph->next[i] == 0 ? ", peripheries=2" : "");
	}
	for (int i = 0; i < graph->nstates; i++)
	{
		for (int j = 0; j < graph->nstates; j++)
		{
			if (graph->next[i] & op_state_bit(j))
			{
				appendStringInfoString(buf, "\n    ");
				append_dot_string(buf, graph->label[i]);
				appendStringInfoString(buf, " -> ");
				append_dot_string(buf, graph->label[j]);
				appendStringInfoChar(buf, ';');
			}
		}
	}
	appendStringInfoString(buf, "\n}");
}

static const Format formats[] = {
	{"mermaid", draw_mermaid},
	{"dot", draw_dot},
};

/* The diagram of a graph, or an error if the format is unknown. */
static char *
draw(const OpGraph *graph, const char *format)
{
	StringInfoData buf;

	for (size_t i = 0; i < lengthof(formats); i++)
	{
		if (strcmp(formats[i].name, format) == 0)
		{
			initStringInfo(&buf);
			formats[i].draw(graph, &buf);
			return buf.data;
		}
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown format \"%s\"", format),
			 errhint("Formats are mermaid and dot; for rows call order_payment.status_edges().")));
	return NULL;
}

/* ---------- SQL functions ---------- */

PG_FUNCTION_INFO_V1(op_status_graph);
Datum
op_status_graph(PG_FUNCTION_ARGS)
{
	Relation	   rel = op_open_named(PG_GETARG_OID(0));
	const Trigger *trigger = op_guard_trigger(rel, NameStr(*PG_GETARG_NAME(1)));
	char		  *diagram =
		draw(op_guard_of(trigger, rel)->graph, text_to_cstring(PG_GETARG_TEXT_PP(2)));

	relation_close(rel, AccessShareLock);
	PG_RETURN_TEXT_P(cstring_to_text(diagram));
}

/* One row a birth (from_status is null), one row an edge. */
PG_FUNCTION_INFO_V1(op_status_edges);
Datum
op_status_edges(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	   rel;
	const OpGraph *graph;

	InitMaterializedSRF(fcinfo, 0);
	rel = op_open_named(PG_GETARG_OID(0));
	graph = op_guard_of(op_guard_trigger(rel, NameStr(*PG_GETARG_NAME(1))), rel)->graph;
	for (int from = -1; from < graph->nstates; from++)
	{
		uint64 next = from < 0 ? graph->births : graph->next[from];

		for (int to = 0; to < graph->nstates; to++)
		{
			Datum values[2] = {0};
			bool  isnull[2] = {from < 0, false};

			if (!(next & op_state_bit(to)))
				continue;
			if (from >= 0)
				values[0] = CStringGetTextDatum(graph->label[from]);
			values[1] = CStringGetTextDatum(graph->label[to]);
			tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
		}
	}
	relation_close(rel, AccessShareLock);
	return (Datum) 0;
}
