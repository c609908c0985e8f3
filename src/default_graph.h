/*
 * default_graph.h
 *	  The default graphs of the status types.
 */
#ifndef OP_DEFAULT_GRAPH_H
#define OP_DEFAULT_GRAPH_H

#include "graph.h"

/* The default graph of a type as text, or NULL if it has none. */
extern const char *op_default_graph_text(OpStateType type);

#endif
