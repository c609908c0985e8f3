/*
 * status.h
 *	  The types order_status, payment_status and operation_status, to C.
 */
#ifndef OP_STATUS_H
#define OP_STATUS_H

#include "fmgr.h"

/* the three types, in the order of the table of vocabularies */
typedef enum OpStatusType
{
	OP_ORDER_STATUS,
	OP_PAYMENT_STATUS,
	OP_OPERATION_STATUS,
	OP_NUM_STATUS_TYPES
} OpStatusType;

/* The codes that are stored: frozen for ever, spaced so that others fit between. */
typedef enum OpOrderStatus
{
	OP_EXPIRED = 10,
	OP_CANCELLED = 20,
	OP_PENDING = 30,
	OP_AUTHORIZED = 40,
	OP_PAID = 50,
	OP_SHIPPED = 60,
	OP_COMPLETED = 70,
	OP_REFUNDED = 80
} OpOrderStatus;

typedef enum OpPaymentStatus
{
	OP_PAYMENT_CREATED = 10,
	OP_PAYMENT_PROCESSING = 20,
	OP_PAYMENT_REQUIRES_ACTION = 30,
	OP_PAYMENT_UNKNOWN = 40,
	OP_PAYMENT_AUTHORIZED = 50,
	OP_PAYMENT_SUCCEEDED = 60,
	OP_PAYMENT_FAILED = 70,
	OP_PAYMENT_REVOKED = 80
} OpPaymentStatus;

typedef enum OpOperationStatus
{
	OP_OPERATION_REQUESTED = 10,
	OP_OPERATION_PROCESSING = 20,
	OP_OPERATION_UNKNOWN = 30,
	OP_OPERATION_SUCCEEDED = 40,
	OP_OPERATION_FAILED = 50,
	OP_OPERATION_CANCELLED = 60,
	OP_OPERATION_REVERSED = 70
} OpOperationStatus;

typedef struct OpStatusLabel
{
	uint8		code; /* what is stored; its order is the order of the type */
	const char *name; /* what is read and written */
} OpStatusLabel;

typedef struct OpVocabulary
{
	const char			*type_name;
	PGFunction			 input; /* the type's input function, by which it is recognised */
	int					 size;
	const OpStatusLabel *labels; /* in the order of their codes */
} OpVocabulary;

extern const OpVocabulary op_vocabularies[OP_NUM_STATUS_TYPES];

/* the vocabulary of a type, or NULL if it is none of ours */
extern const OpVocabulary *op_vocabulary_of(Oid type);

/* the label of that name or code, or NULL */
extern const OpStatusLabel *op_label_by_name(const OpVocabulary *vocabulary, const char *name,
											 size_t length);
extern const OpStatusLabel *op_label_by_code(const OpVocabulary *vocabulary, uint8 code);

/* "Valid labels are a, b, c." for hints */
extern char *op_valid_labels(const OpVocabulary *vocabulary);

#define DatumGetStatus(X)	DatumGetUInt8(X)
#define StatusGetDatum(X)	UInt8GetDatum(X)
#define PG_GETARG_STATUS(n) DatumGetStatus(PG_GETARG_DATUM(n))
#define PG_RETURN_STATUS(X) return StatusGetDatum(X)

#endif
