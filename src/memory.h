/*
 * memory.h
 *	  Memory for keys: pages that no core dump holds, in a process that nobody
 *	  looks into.
 */
#ifndef OP_MEMORY_H
#define OP_MEMORY_H

/* Call it before the first secret is held; costs nothing afterwards. */
extern void op_protect_memory(void);

/*
 * Zeroed pages of at least that size, for as long as the process lives. Their
 * user cleanses what is in them when it is no longer needed.
 */
extern void *op_secret_page(size_t size);

#endif
