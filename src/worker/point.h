/*
 * point.h
 *	  Where tests stop a worker, to see what becomes of it when it dies there.
 *	  Built with OP_TESTING only; else a point is nothing at all.
 *
 * point	a name, and a place in the worker. While the setting
 *			order_payment_worker.stop_at is that name, the worker waits there
 *
 *	before claim	requests are claimed, and the claim is not committed
 *	after claim		it is, and nothing has been sent
 *	request sent	all that is on its way has left, to the last byte
 *	response read	an answer is here, or none will come
 *	before ack		it is settled, and that is not committed
 *	result stored	it is
 */
#ifndef OP_POINT_H
#define OP_POINT_H

#ifdef OP_TESTING
extern void op_point_init(void);
extern void op_point(const char *name);
#define OP_POINT_INIT()				 op_point_init()
#define OP_POINT(name)				 op_point(name)
#define OP_POINT_IF(condition, name) ((condition) ? op_point(name) : (void) 0)
#else
#define OP_POINT_INIT()				 ((void) 0)
#define OP_POINT(name)				 ((void) 0)
#define OP_POINT_IF(condition, name) ((void) 0)
#endif

#endif
