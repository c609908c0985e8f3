/*
 * wake.h
 *	  Who sends to gateways is woken when there may be something to send.
 */
#ifndef OP_WAKE_H
#define OP_WAKE_H

/* What the second library puts there, when it is loaded; find_rendezvous_variable(). */
#define OP_WAKE_VARIABLE "order_payment_wake"

/* Wakes who serves a database. Called after COMMIT: it may raise no error. */
typedef void (*OpWakeFunction)(Oid database);

/* Once for each transaction, however often it is called; costs nothing where nobody sends. */
extern void op_wake_at_commit(void);

#endif
