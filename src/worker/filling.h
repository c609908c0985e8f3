/*
 * filling.h
 *	  What stands for a secret in a request, filled in by the core library.
 */
#ifndef OP_FILLING_H
#define OP_FILLING_H

#include "claimed.h"

/* Is there anything to fill in? */
extern bool op_needs_filling(const OpClaimed *claimed);

/* Within a transaction and SPI; an error if a secret is not to be had. */
extern void op_fill_in(OpClaimed *claimed);

/* What is sent, or never will be. */
extern void op_wipe(OpClaimed *claimed);

#endif
