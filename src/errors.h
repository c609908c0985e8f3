/*
 * errors.h
 *	  The extension's own SQLSTATEs, class OP. They are a contract: programs
 *	  test them, so a code is never reused and never changes its meaning.
 */
#ifndef OP_ERRORS_H
#define OP_ERRORS_H

/* a row may not be born in, or move to, that state */
#define ERRCODE_OP_ILLEGAL_TRANSITION MAKE_SQLSTATE('O', 'P', '0', '0', '1')

/* the same idempotency key, but another request */
#define ERRCODE_OP_KEY_REUSED MAKE_SQLSTATE('O', 'P', '0', '0', '2')

/* a column that only the extension writes, or a key that never changes */
#define ERRCODE_OP_COLUMN_NOT_WRITABLE MAKE_SQLSTATE('O', 'P', '0', '0', '3')

/* a role that may not record what a gateway or a bank has done */
#define ERRCODE_OP_MAY_NOT_RECORD MAKE_SQLSTATE('O', 'P', '0', '0', '4')

/* a capture, void or refund asks for more than there is */
#define ERRCODE_OP_NOT_ENOUGH_LEFT MAKE_SQLSTATE('O', 'P', '0', '0', '5')

/* the money of an order forbids what a statement wants */
#define ERRCODE_OP_MONEY_FORBIDS MAKE_SQLSTATE('O', 'P', '0', '0', '6')

#endif
