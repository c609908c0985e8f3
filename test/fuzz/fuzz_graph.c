/* needs src/graph.c src/status.c test/fuzz/server_stubs.c */
/*
 * fuzz_graph.c
 *		Any text is a status graph that is sound, or is refused at a place in it.
 *
 * The first byte of the input chooses the type of the column: text, or one of
 * the status types. A graph that is taken is written out anew and read again,
 * which must give the same graph.
 */
#include "postgres.h"

#include <stdio.h>
#include <stdlib.h>

#include "catalog/pg_type.h"

#include "fuzz.h"
#include "graph.h"
#include "server_stubs.h"

#undef sscanf

typedef struct Parse
{
	const char *text;
	OpStateType type;
	OpGraph	   *graph;
} Parse;

static void
parse(void *argument)
{
	Parse *p = argument;

	p->graph = op_graph_parse(p->text, p->type);
}

/* ---------- what holds for every graph ---------- */

static void
check_graph(const OpGraph *graph)
{
	uint64 all = graph->nstates == OP_GRAPH_MAX_STATES ? ~UINT64CONST(0) : op_state_bit(graph->nstates) - 1;
	uint64 reached = graph->births;
	uint64 ending = 0;

	must(graph->nstates >= 1 && graph->nstates <= OP_GRAPH_MAX_STATES);
	must(graph->births != 0 && (graph->births & ~all) == 0);
	for (int i = 0; i < graph->nstates; i++)
	{
		must(graph->length[i] >= 1 && graph->length[i] < NAMEDATALEN);
		must(strlen(graph->label[i]) == (size_t) graph->length[i]);
		must(op_graph_state_by_label(graph, graph->label[i], graph->length[i]) == i);
		must((graph->next[i] & ~all) == 0 && !(graph->next[i] & op_state_bit(i)));
		if (graph->next[i] == 0)
			ending |= op_state_bit(i);
		if (graph->type.kind == OP_STATE_STATUS)
		{
			const OpStatusLabel *label = op_label_by_name(graph->type.vocabulary, graph->label[i], graph->length[i]);

			must(label != NULL && op_graph_state(graph, StatusGetDatum(label->code)) == i);
		}
	}
	/* every state is reached from a birth, and leads to an end: at most as many rounds as there are states */
	for (int round = 0; round < graph->nstates; round++)
	{
		for (int i = 0; i < graph->nstates; i++)
		{
			if (reached & op_state_bit(i))
				reached |= graph->next[i];
			if (graph->next[i] & ending)
				ending |= op_state_bit(i);
		}
	}
	must(reached == all && ending == all);
}

static void
append_states(char **at, const OpGraph *graph, uint64 states)
{
	for (int i = 0; i < graph->nstates; i++)
	{
		if (!(states & op_state_bit(i)))
			continue;
		*(*at)++ = ' ';
		*(*at)++ = '"';
		for (const char *c = graph->label[i]; *c != '\0'; c++)
		{
			*(*at)++ = *c;
			if (*c == '"')
				*(*at)++ = *c;
		}
		*(*at)++ = '"';
	}
}

/*
 * Written with the births in the order of the states, so that the states have
 * the same numbers again; which they have not if a birth comes after others.
 */
static void
check_round_trip(const OpGraph *graph, const OpStateType *type)
{
	/* every state at most once in every clause, each byte doubled, quoted, and a blank */
	size_t room = (size_t) (graph->nstates + 1) * (graph->nstates + 1) * (NAMEDATALEN * 2 + 3) + 1;
	char  *text = malloc(room);
	char  *at = text;
	Parse  again = {.text = text, .type = *type};

	must(text != NULL);
	append_states(&at, graph, graph->births);
	for (int i = 0; i < graph->nstates; i++)
	{
		if (graph->next[i] == 0)
			continue;
		*at++ = ';';
		append_states(&at, graph, op_state_bit(i));
		*at++ = ':';
		append_states(&at, graph, graph->next[i]);
	}
	*at = '\0';
	must((size_t) (at - text) < room);
	if (at - text <= OP_GRAPH_MAX_LENGTH)
	{
		must(fuzz_try(parse, &again));
		must(again.graph->nstates == graph->nstates);
		for (int i = 0; i < graph->nstates; i++)
		{
			int j = op_graph_state_by_label(again.graph, graph->label[i], graph->length[i]);

			must(j != OP_NO_STATE);
			must(!(graph->births & op_state_bit(i)) == !(again.graph->births & op_state_bit(j)));
			for (int k = 0; k < graph->nstates; k++)
			{
				int l = op_graph_state_by_label(again.graph, graph->label[k], graph->length[k]);

				must(!(graph->next[i] & op_state_bit(k)) == !(again.graph->next[j] & op_state_bit(l)));
			}
		}
	}
	free(text);
}

/* ---------- refusals ---------- */

static void
check_error(const char *text)
{
	int place = 0;

	must(fuzz_error.code == ERRCODE_INVALID_OBJECT_DEFINITION);
	must(sscanf(fuzz_error.message, "invalid status graph at character %d", &place) == 1);
	must(place >= 1 && (size_t) place <= strlen(text) + 1);
	must(fuzz_error.detail[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	char *text;
	Parse p = {.type = {.kind = OP_STATE_TEXT, .type = TEXTOID}};

	if (size == 0)
		return 0;
	text = malloc(size);
	must(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	p.text = text;
	if (data[0] % (OP_NUM_STATUS_TYPES + 1) != 0)
	{
		p.type.kind = OP_STATE_STATUS;
		p.type.vocabulary = &op_vocabularies[data[0] % (OP_NUM_STATUS_TYPES + 1) - 1];
	}

	if (fuzz_try(parse, &p))
	{
		check_graph(p.graph);
		check_round_trip(p.graph, &p.type);
	}
	else
		check_error(text);
	fuzz_free();
	free(text);
	return 0;
}
