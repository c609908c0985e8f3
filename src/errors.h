/*
 * errors.h
 *	  The extension's own SQLSTATEs, class OP. They are a contract: programs
 *	  test them, so a code is never reused and never changes its meaning.
 */
#ifndef OP_ERRORS_H
#define OP_ERRORS_H

/* a row may not be born in, or move to, that state */
#define ERRCODE_OP_ILLEGAL_TRANSITION MAKE_SQLSTATE('O', 'P', '0', '0', '1')

/* a column that only the extension writes, or a key that never changes */
#define ERRCODE_OP_COLUMN_NOT_WRITABLE MAKE_SQLSTATE('O', 'P', '0', '0', '3')

#endif
