/*
 * status.c
 *	  The types order_status, payment_status and operation_status.
 *
 * A status is one byte, passed by value: the code of a label. A vocabulary is
 * the table of one type's labels. Codes are spaced, so that a later release
 * can put a label between two others, and frozen for ever, because they are
 * in the heap of every store. Labels, not codes, are what text and binary I/O
 * carry, so that a dump, a replica and a driver never see a code.
 *
 * Equality, order and hash all read the same byte and need no vocabulary:
 * their functions are shared by the three types.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/sortsupport.h"

#include "compat.h"
#include "status.h"

/*
 * The order of order_status is the order of display. "Was paid" is not
 * status >= 'paid' but paid_at IS NOT NULL: an order may be refunded unpaid.
 */
static const OpStatusLabel order_status_labels[] = {
	{OP_EXPIRED, "expired"},
	{OP_CANCELLED, "cancelled"},
	{OP_PENDING, "pending"},
	{OP_AUTHORIZED, "authorized"},
	{OP_PAID, "paid"},
	{OP_SHIPPED, "shipped"},
	{OP_COMPLETED, "completed"},
	{OP_REFUNDED, "refunded"},
};

static const OpStatusLabel payment_status_labels[] = {
	{OP_PAYMENT_CREATED, "created"},
	{OP_PAYMENT_PROCESSING, "processing"},
	{OP_PAYMENT_REQUIRES_ACTION, "requires_action"},
	{OP_PAYMENT_UNKNOWN, "unknown"},
	{OP_PAYMENT_AUTHORIZED, "authorized"},
	{OP_PAYMENT_SUCCEEDED, "succeeded"},
	{OP_PAYMENT_FAILED, "failed"},
	{OP_PAYMENT_REVOKED, "revoked"},
};

static const OpStatusLabel operation_status_labels[] = {
	{OP_OPERATION_REQUESTED, "requested"},
	{OP_OPERATION_PROCESSING, "processing"},
	{OP_OPERATION_UNKNOWN, "unknown"},
	{OP_OPERATION_SUCCEEDED, "succeeded"},
	{OP_OPERATION_FAILED, "failed"},
	{OP_OPERATION_CANCELLED, "cancelled"},
	{OP_OPERATION_REVERSED, "reversed"},
};

/*
 * The functions that need the vocabulary of their type are the same code with
 * another table.
 */
#define STATUS_TYPE_FUNCTIONS(type, index) \
	PG_FUNCTION_INFO_V1(op_##type##_in); \
	Datum op_##type##_in(PG_FUNCTION_ARGS) \
	{ \
		return status_in(fcinfo, &op_vocabularies[index]); \
	} \
	PG_FUNCTION_INFO_V1(op_##type##_out); \
	Datum op_##type##_out(PG_FUNCTION_ARGS) \
	{ \
		PG_RETURN_CSTRING(pstrdup(status_label(fcinfo, &op_vocabularies[index]))); \
	} \
	PG_FUNCTION_INFO_V1(op_##type##_recv); \
	Datum op_##type##_recv(PG_FUNCTION_ARGS) \
	{ \
		return status_recv(fcinfo, &op_vocabularies[index]); \
	} \
	PG_FUNCTION_INFO_V1(op_##type##_send); \
	Datum op_##type##_send(PG_FUNCTION_ARGS) \
	{ \
		return status_send(status_label(fcinfo, &op_vocabularies[index])); \
	}

static Datum	   status_in(FunctionCallInfo fcinfo, const OpVocabulary *vocabulary);
static Datum	   status_recv(FunctionCallInfo fcinfo, const OpVocabulary *vocabulary);
static Datum	   status_send(const char *label);
static const char *status_label(FunctionCallInfo fcinfo, const OpVocabulary *vocabulary);

STATUS_TYPE_FUNCTIONS(order_status, OP_ORDER_STATUS)
STATUS_TYPE_FUNCTIONS(payment_status, OP_PAYMENT_STATUS)
STATUS_TYPE_FUNCTIONS(operation_status, OP_OPERATION_STATUS)

const OpVocabulary op_vocabularies[] = {
	[OP_ORDER_STATUS] = {"order_status", op_order_status_in, lengthof(order_status_labels),
						 order_status_labels},
	[OP_PAYMENT_STATUS] = {"payment_status", op_payment_status_in, lengthof(payment_status_labels),
						   payment_status_labels},
	[OP_OPERATION_STATUS] = {"operation_status", op_operation_status_in,
							 lengthof(operation_status_labels), operation_status_labels},
};

StaticAssertDecl(lengthof(op_vocabularies) == OP_NUM_STATUS_TYPES,
				 "each status type has a vocabulary");

/* ---------- vocabularies ---------- */

/*
 * A type is known by the address of its input function, which needs neither
 * its name nor its schema.
 */
const OpVocabulary *
op_vocabulary_of(Oid type)
{
	Oid		 input;
	Oid		 param;
	FmgrInfo flinfo;

	getTypeInputInfo(type, &input, &param);
	fmgr_info(input, &flinfo);
	for (int i = 0; i < OP_NUM_STATUS_TYPES; i++)
	{
		if (op_vocabularies[i].input == flinfo.fn_addr)
			return &op_vocabularies[i];
	}
	return NULL;
}

const OpStatusLabel *
op_label_by_name(const OpVocabulary *vocabulary, const char *name, size_t length)
{
	for (int i = 0; i < vocabulary->size; i++)
	{
		const OpStatusLabel *label = &vocabulary->labels[i];

		if (strlen(label->name) == length && memcmp(label->name, name, length) == 0)
			return label;
	}
	return NULL;
}

const OpStatusLabel *
op_label_by_code(const OpVocabulary *vocabulary, uint8 code)
{
	for (int i = 0; i < vocabulary->size; i++)
	{
		if (vocabulary->labels[i].code == code)
			return &vocabulary->labels[i];
	}
	return NULL;
}

char *
op_valid_labels(const OpVocabulary *vocabulary)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "Valid labels are ");
	for (int i = 0; i < vocabulary->size; i++)
		appendStringInfo(&buf, "%s%s", i == 0 ? "" : ", ", vocabulary->labels[i].name);
	appendStringInfoChar(&buf, '.');
	return buf.data;
}

/* ---------- text and binary I/O ---------- */

/*
 * The one place where an unknown label is refused, in text as in binary form.
 * context: where a soft error goes to, or NULL.
 */
static Datum
status_from_label(const OpVocabulary *vocabulary, const char *name, size_t length, Node *context)
{
	const OpStatusLabel *label = op_label_by_name(vocabulary, name, length);

	if (label == NULL)
		op_ereturn(context, (Datum) 0,
				   (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
					errmsg("invalid input value for %s: \"%s\"", vocabulary->type_name, name),
					errhint("%s", op_valid_labels(vocabulary))));
	PG_RETURN_STATUS(label->code);
}

static Datum
status_in(FunctionCallInfo fcinfo, const OpVocabulary *vocabulary)
{
	const char *name = PG_GETARG_CSTRING(0);

	return status_from_label(vocabulary, name, strlen(name), fcinfo->context);
}

/* The message is the label, as an enum's: all of it, and nothing after it. */
static Datum
status_recv(FunctionCallInfo fcinfo, const OpVocabulary *vocabulary)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int			length;
	const char *name = pq_getmsgtext(buf, buf->len - buf->cursor, &length);

	return status_from_label(vocabulary, name, length, NULL);
}

static Datum
status_send(const char *label)
{
	StringInfoData buf;

	pq_begintypsend(&buf);
	pq_sendtext(&buf, label, strlen(label));
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* A stored code without a label means a corrupt page or an older library. */
static const char *
status_label(FunctionCallInfo fcinfo, const OpVocabulary *vocabulary)
{
	uint8				 code = PG_GETARG_STATUS(0);
	const OpStatusLabel *label = op_label_by_code(vocabulary, code);

	if (label != NULL)
		return label->name;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("invalid internal value for %s: %d", vocabulary->type_name, code)));
	pg_unreachable();
}

/* ---------- comparison, sorting, hashing ---------- */

static inline int
status_cmp(uint8 a, uint8 b)
{
	return (int) a - (int) b;
}

#define STATUS_COMPARISON(name, op) \
	PG_FUNCTION_INFO_V1(op_status_##name); \
	Datum op_status_##name(PG_FUNCTION_ARGS) \
	{ \
		PG_RETURN_BOOL(status_cmp(PG_GETARG_STATUS(0), PG_GETARG_STATUS(1)) op 0); \
	}

STATUS_COMPARISON(lt, <)
STATUS_COMPARISON(le, <=)
STATUS_COMPARISON(eq, ==)
STATUS_COMPARISON(ne, !=)
STATUS_COMPARISON(ge, >=)
STATUS_COMPARISON(gt, >)

PG_FUNCTION_INFO_V1(op_status_cmp);
Datum
op_status_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(status_cmp(PG_GETARG_STATUS(0), PG_GETARG_STATUS(1)));
}

static int
status_fastcmp(Datum a, Datum b, SortSupport ssup)
{
	return status_cmp(DatumGetStatus(a), DatumGetStatus(b));
}

PG_FUNCTION_INFO_V1(op_status_sortsupport);
Datum
op_status_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);

	ssup->comparator = status_fastcmp;
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(op_status_hash);
Datum
op_status_hash(PG_FUNCTION_ARGS)
{
	return hash_uint32(PG_GETARG_STATUS(0));
}

PG_FUNCTION_INFO_V1(op_status_hash_extended);
Datum
op_status_hash_extended(PG_FUNCTION_ARGS)
{
	return hash_uint32_extended(PG_GETARG_STATUS(0), PG_GETARG_INT64(1));
}

PG_FUNCTION_INFO_V1(op_status_smaller);
Datum
op_status_smaller(PG_FUNCTION_ARGS)
{
	PG_RETURN_STATUS(Min(PG_GETARG_STATUS(0), PG_GETARG_STATUS(1)));
}

PG_FUNCTION_INFO_V1(op_status_larger);
Datum
op_status_larger(PG_FUNCTION_ARGS)
{
	PG_RETURN_STATUS(Max(PG_GETARG_STATUS(0), PG_GETARG_STATUS(1)));
}
