/*
 * point.h
 *	  Where tests stop a worker, to see what becomes of it when it dies there.
 *	  Built with OP_TESTING only; else a point is nothing at all.
 */
#ifndef OP_POINT_H
#define OP_POINT_H

#ifdef OP_TESTING
extern void op_point(const char *name);
#define OP_POINT(name) op_point(name)
#else
#define OP_POINT(name) ((void) 0)
#endif

#endif
