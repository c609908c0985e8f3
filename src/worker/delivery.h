/*
 * delivery.h
 *	  What a worker does: claims requests, sends them, settles what has become of
 *	  them. Knows no TLS.
 */
#ifndef OP_DELIVERY_H
#define OP_DELIVERY_H

/*
 * One turn, outside of any transaction: settles what has come, claims and submits
 * what there is room for, and waits until the latch is set, a socket is ready or
 * the poll interval is over. The latch may be left set.
 *
 * The current memory context is emptied after each turn. An error ends the turn,
 * not the worker: what is claimed by then must be found again by the next one.
 */
extern void op_deliver(void);

/* The configuration was read again. */
extern void op_delivery_reload(void);

#endif
