/*
 * memory.h
 *	  Memory for keys: a process that nobody looks into.
 */
#ifndef OP_MEMORY_H
#define OP_MEMORY_H

/* Call it before the first secret is held; costs nothing afterwards. */
extern void op_protect_memory(void);

#endif
