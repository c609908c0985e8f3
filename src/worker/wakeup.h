/*
 * wakeup.h
 *	  A worker is woken by the transactions of its database that commit.
 */
#ifndef OP_WAKEUP_H
#define OP_WAKEUP_H

/* While shared_preload_libraries are loaded: room for n workers. */
extern void op_wakeup_init(int n);

/* The worker of the current database is this process, until it ends. */
extern void op_wakeup_me(void);

#endif
