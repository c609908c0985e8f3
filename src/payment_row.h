/*
 * payment_row.h
 *	  The columns of a payment that the rules speak of, for payment.c and payment_effect.c.
 */
#ifndef OP_PAYMENT_ROW_H
#define OP_PAYMENT_ROW_H

#include "derived.h"
#include "status.h"

typedef enum OpPaymentColumn
{
	PAYMENT_ORDER_ID,
	PAYMENT_ID,
	PAYMENT_GATEWAY,
	PAYMENT_METHOD,
	PAYMENT_AMOUNT,
	PAYMENT_CURRENCY,
	PAYMENT_STATUS,
	PAYMENT_REQUEST_KEY,
	PAYMENT_REQUEST_HASH,
	PAYMENT_AUTHORIZED,
	PAYMENT_CAPTURE_PENDING,
	PAYMENT_CAPTURED,
	PAYMENT_REFUND_PENDING,
	PAYMENT_REFUNDED,
	PAYMENT_CHARGED_BACK,
	PAYMENT_FEE,
	PAYMENT_FEE_FINAL,
	PAYMENT_ATTEMPT_NO,
	PAYMENT_RETRY_OF,
	PAYMENT_FAILURE_CLASS,
	PAYMENT_RETRY_AT,
	PAYMENT_CAPTURE_BEFORE,
	PAYMENT_CONTACT_NEEDED_AT,
	PAYMENT_CREATED_AT,
	PAYMENT_NCOLUMNS
} OpPaymentColumn;

extern const OpColumn op_payment_columns[PAYMENT_NCOLUMNS];

extern OpPaymentStatus op_payment_status(NullableDatum value);
extern const char	  *op_payment_label(OpPaymentStatus status);

/* Asked for by the shop itself, and not yet answered. */
extern bool op_is_in_flight(OpPaymentStatus status);

#endif
