/*
 * graph.h
 *	  A status graph: what a status column may hold, and how it may change.
 */
#ifndef OP_GRAPH_H
#define OP_GRAPH_H

#include "status.h"

#define OP_GRAPH_MAX_STATES 64	 /* sets of states are bits of a uint64 */
#define OP_GRAPH_MAX_LENGTH 8192 /* bytes of text */
#define OP_NO_STATE			(-1) /* not a state of this graph */

/* How the column holds its states. */
typedef enum OpStateKind
{
	OP_STATE_STATUS, /* one of our types: by code */
	OP_STATE_ENUM,	 /* an enum: by the OID of the label */
	OP_STATE_TEXT,	 /* text or varchar: by the label itself */
} OpStateKind;

typedef struct OpStateType
{
	OpStateKind			kind;
	Oid					type;		/* base type */
	const OpVocabulary *vocabulary; /* of OP_STATE_STATUS */
} OpStateType;

typedef struct OpGraph
{
	OpStateType type;
	int			nstates;
	uint64		births;					   /* states in which a row may be born */
	uint64		next[OP_GRAPH_MAX_STATES]; /* states that may follow */
	char		label[OP_GRAPH_MAX_STATES][NAMEDATALEN];
	int			length[OP_GRAPH_MAX_STATES];	 /* of the label */
	Oid			enum_value[OP_GRAPH_MAX_STATES]; /* of OP_STATE_ENUM */
	int16		state_of_code[256];				 /* of OP_STATE_STATUS, or OP_NO_STATE */
} OpGraph;

static inline uint64
op_state_bit(int state)
{
	Assert(state >= 0 && state < OP_GRAPH_MAX_STATES);
	return UINT64CONST(1) << (state & (OP_GRAPH_MAX_STATES - 1));
}

/* Can this type, or the base type of this domain, hold a status? */
extern bool op_state_type(Oid type, OpStateType *result);

/* The same, or an error that says which types can. */
extern OpStateType op_require_state_type(Oid type);

/* The graph that a text describes; an error at the place of the first fault. */
extern OpGraph *op_graph_parse(const char *text, OpStateType type);

/* The state that a label or a value of the column stands for, or OP_NO_STATE. */
extern int op_graph_state(const OpGraph *graph, Datum value);
extern int op_graph_state_by_label(const OpGraph *graph, const char *label, int length);

/* "a", "b" and so on, for messages; "" for the empty set */
extern char *op_graph_list(const OpGraph *graph, uint64 states);

#endif
