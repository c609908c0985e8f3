/*
 * wakeup.h
 *	  A worker is woken by the transactions of its database that commit.
 */
#ifndef OP_WAKEUP_H
#define OP_WAKEUP_H

/* While shared_preload_libraries are loaded: room for n workers. */
extern void op_wakeup_init(int n);

/*
 * How often worker i of them has begun, and not come to op_wakeup_me(): 1 if it
 * is well.
 */
extern int op_wakeup_begin(int i);

/* Worker i is this process, and serves the current database, until it ends. */
extern void op_wakeup_me(int i);

#endif
