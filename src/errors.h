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

/* a sealed value cannot be opened: changed, cut, moved, or sealed under a key that is not here */
#define ERRCODE_OP_CANNOT_OPEN MAKE_SQLSTATE('O', 'P', '0', '1', '0')

/* card data in clear, where statements may reach a log */
#define ERRCODE_OP_CLEAR_CARD MAKE_SQLSTATE('O', 'P', '0', '1', '1')

/* too many payment passwords are being checked at once */
#define ERRCODE_OP_TOO_BUSY MAKE_SQLSTATE('O', 'P', '0', '1', '2')

/* no root key, no data key that may seal, or a key that was destroyed */
#define ERRCODE_OP_NO_KEY MAKE_SQLSTATE('O', 'P', '0', '1', '3')

/* a secret is not shown: that could not be recorded, or the role has seen too many */
#define ERRCODE_OP_MAY_NOT_REVEAL MAKE_SQLSTATE('O', 'P', '0', '1', '4')

/* a payment password is wrong or locked */
#define ERRCODE_OP_PASSWORD MAKE_SQLSTATE('O', 'P', '0', '1', '5')

/* a card that was sealed outside the database is not taken */
#define ERRCODE_OP_SEALED_CARD MAKE_SQLSTATE('O', 'P', '0', '1', '6')

/* a gateway tells another payee, amount, currency or number than what was asked for */
#define ERRCODE_OP_GATEWAY_CONFLICT MAKE_SQLSTATE('O', 'P', '0', '1', '7')

/* a gateway tells of a payment or operation that is not known */
#define ERRCODE_OP_GATEWAY_ORPHAN MAKE_SQLSTATE('O', 'P', '0', '1', '8')

/* what a gateway tells builds on something that is not known yet */
#define ERRCODE_OP_GATEWAY_DEFERRED MAKE_SQLSTATE('O', 'P', '0', '1', '9')

#endif
