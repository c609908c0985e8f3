/*
 * form.h
 *	  Bodies of the type application/x-www-form-urlencoded. Knows nothing of the
 *	  server.
 *
 *		name=value&name=value
 *
 * Names and values are bytes of whatever charset: a plus sign is a blank, a
 * percent sign and two hexadecimal digits are a byte, all others stand for
 * themselves. Nothing but that is taken: no name without "=", none that is empty,
 * none twice, no byte zero.
 */
#ifndef OP_FORM_H
#define OP_FORM_H

#include "fields.h"

/* Why a body is none. */
typedef enum OpFormFault
{
	OP_FORM_GOOD,
	OP_FORM_PERCENT, /* not followed by two digits */
	OP_FORM_ZERO,	 /* a byte */
	OP_FORM_NAME,	 /* empty, or without a value */
	OP_FORM_TWICE,	 /* a name */
	OP_FORM_MANY	 /* fields */
} OpFormFault;

/*
 * The fields, sorted. What they consist of is written to bytes, which has room for
 * the size of the body. An empty body has none.
 */
extern OpFormFault op_form_read(OpBytes body, uint8 *bytes, OpFields *fields);

#endif
