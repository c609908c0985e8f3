/*
 * admission.c
 *	  Payments that ask for the customer's payment password.
 *
 * asking		a payment that is being requested, by a gateway and a method for
 *				which gateways.password_methods wants the password
 * admission	the right password of the order's customer was given for one payment
 *				of the order, by a gateway and a method; known to this transaction
 *				only, and only here
 *
 * The trigger of payments looks whether a row that asks is admitted, so nobody
 * goes around it by an INSERT. An admission is for one row. If that row is rolled
 * back it is free again, for create_payment() tries more than once.
 *
 * Not asked for: what has happened already (money facts are never refused), and
 * a retry of a payment that failed, with the same gateway and method and no
 * more money: the customer has consented to that.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "admission.h"
#include "compat.h"
#include "errors.h"
#include "order.h"
#include "password.h"
#include "payment_row.h"
#include "recorder.h"
#include "sibling.h"

typedef struct Admission
{
	Oid				 payments; /* InvalidOid: there is none */
	char			*order_id;
	char			*gateway;
	char			*method; /* NULL: of none */
	char			*customer;
	SubTransactionId used_in;
} Admission;

static Admission admission;

/* ---------- its life ---------- */

static void
forget(XactEvent event, void *arg)
{
	/* its texts end with the transaction */
	admission.payments = InvalidOid;
}

static void
follow_subtransaction(SubXactEvent event, SubTransactionId subxact, SubTransactionId parent,
					  void *arg)
{
	if (!OidIsValid(admission.payments) || admission.used_in != subxact)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		admission.used_in = InvalidSubTransactionId;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		admission.used_in = parent;
}

void
op_admission_init(void)
{
	RegisterXactCallback(forget, NULL);
	RegisterSubXactCallback(follow_subtransaction, NULL);
}

/* A text, or NULL, is another. */
static bool
differs(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a != b : strcmp(a, b) != 0;
}

static bool
is_admitted(Oid payments, const char *order_id, const char *gateway, const char *method)
{
	return OidIsValid(admission.payments) && admission.payments == payments &&
		   admission.used_in == InvalidSubTransactionId && !differs(admission.order_id, order_id) &&
		   !differs(admission.gateway, gateway) && !differs(admission.method, method);
}

static void
admit(Oid payments, const char *order_id, const char *gateway, const char *method,
	  const char *customer)
{
	MemoryContext context = TopTransactionContext;

	admission.payments = InvalidOid;
	admission.order_id = MemoryContextStrdup(context, order_id);
	admission.gateway = MemoryContextStrdup(context, gateway);
	admission.method = method ? MemoryContextStrdup(context, method) : NULL;
	admission.customer = MemoryContextStrdup(context, customer);
	admission.used_in = InvalidSubTransactionId;
	admission.payments = payments;
}

/* ---------- what the trigger asks siblings ---------- */

static void
write_wants_password(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT '*' OPERATOR(pg_catalog.=) ANY (password_methods) OR $2 OPERATOR(pg_catalog.=) ANY (password_methods)"
					 " FROM %s WHERE %s",
					 names->sibling, names->condition);
}

static const OpSiblingRole password_methods_of_gateway = {
	.what = "the gateway",
	.path = OP_PARENT,
	.column = "password_methods",
	.nkeys = 1,
	.nargs = 1,
	.argtypes = {TEXTOID},
	.write = write_wants_password,
};

static bool
wants_password(Relation payments, TupleTableSlot *payment, NullableDatum method)
{
	NullableDatum result;

	return op_sibling_fetch(&password_methods_of_gateway, payments, payment, &method.value,
							method.isnull ? "n" : " ", &result, 1) &&
		   !result.isnull && DatumGetBool(result.value);
}

static void
write_is_retry(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT pg_catalog.bool_or(payment_id OPERATOR(pg_catalog.=) $2 AND status OPERATOR(pg_catalog.>=) 'failed'"
					 " AND (failure_class IS NULL OR failure_class OPERATOR(pg_catalog.<>) 'hard_decline')"
					 " AND gateway OPERATOR(pg_catalog.=) $4 AND (method OPERATOR(pg_catalog.=) $5 OR method IS NULL AND $5 IS NULL)"
					 " AND amount OPERATOR(pg_catalog.>=) $6) AND pg_catalog.count(*) FILTER (WHERE"
					 " retry_of OPERATOR(pg_catalog.=) $2 AND payment_id OPERATOR(pg_catalog.<>) $3) OPERATOR(pg_catalog.=) 0"
					 " FROM %s WHERE %s",
					 names->sibling, names->condition);
}

static const OpSiblingRole retry_of_payment = {
	.what = "the payments",
	.path = OP_SELF,
	.column = "order_id",
	.nkeys = 1,
	.nargs = 5,
	.argtypes = {UUIDOID, UUIDOID, TEXTOID, TEXTOID, NUMERICOID},
	.write = write_is_retry,
};

/* The first retry of a payment that failed or was revoked, of no more money. */
static bool
is_retry(Relation payments, TupleTableSlot *payment, const AttrNumber *columns)
{
	static const OpPaymentColumn asked[] = {PAYMENT_RETRY_OF, PAYMENT_ID, PAYMENT_GATEWAY,
											PAYMENT_METHOD, PAYMENT_AMOUNT};
	Datum						 args[lengthof(asked)];
	char						 nulls[lengthof(asked)];
	NullableDatum				 result;

	if (op_value_in(payment, columns[PAYMENT_RETRY_OF]).isnull)
		return false;
	for (int i = 0; i < (int) lengthof(asked); i++)
	{
		NullableDatum value = op_value_in(payment, columns[asked[i]]);

		args[i] = value.value;
		nulls[i] = value.isnull ? 'n' : ' ';
	}
	return op_sibling_fetch(&retry_of_payment, payments, payment, args, nulls, &result, 1) &&
		   !result.isnull && DatumGetBool(result.value);
}

/* The order is locked: whoever gives it to another customer comes before or after this payment. */
static void
write_is_of_customer(StringInfo sql, const OpSiblingNames *names)
{
	appendStringInfo(sql,
					 "SELECT customer_id::pg_catalog.text OPERATOR(pg_catalog.=) $2 FROM %s WHERE %s FOR NO KEY UPDATE",
					 names->sibling, names->condition);
}

static const OpSiblingRole customer_of_order = {
	.what = "the order",
	.path = OP_PARENT,
	.marker = op_maintain_order,
	.nkeys = 1,
	.nargs = 1,
	.argtypes = {TEXTOID},
	.write = write_is_of_customer,
};

/* Is the order still the admitted customer's? Nobody pays for another by his own password. */
static bool
is_of_customer(Relation payments, TupleTableSlot *payment)
{
	Datum		  customer = CStringGetTextDatum(admission.customer);
	NullableDatum result;

	return op_sibling_fetch(&customer_of_order, payments, payment, &customer, " ", &result, 1) &&
		   !result.isnull && DatumGetBool(result.value);
}

/* ---------- the trigger's question ---------- */

static char *
text_in(TupleTableSlot *row, AttrNumber column)
{
	NullableDatum value = op_value_in(row, column);
	Oid			  function;
	bool		  is_varlena;

	if (value.isnull)
		return NULL;
	getTypeOutputInfo(TupleDescAttr(row->tts_tupleDescriptor, column - 1)->atttypid, &function,
					  &is_varlena);
	return OidOutputFunctionCall(function, value.value);
}

/* A payment that is there asks when its method becomes another, unless a gateway tells so. */
static bool
is_asking(Relation payments, TupleTableSlot *old, TupleTableSlot *row, const AttrNumber *columns)
{
	AttrNumber method = columns[PAYMENT_METHOD];

	if (!op_is_in_flight(op_payment_status(op_value_in(row, columns[PAYMENT_STATUS]))))
		return false;
	if (old != NULL && (!differs(text_in(old, method), text_in(row, method)) ||
						op_may_record(op_root_of(payments))))
		return false;
	return wants_password(payments, row, op_value_in(row, method));
}

void
op_require_admission(Relation payments, TupleTableSlot *old, TupleTableSlot *row,
					 const AttrNumber *columns)
{
	const char *method;

	if (!is_asking(payments, old, row, columns) ||
		(old == NULL && is_retry(payments, row, columns)))
		return;
	method = text_in(row, columns[PAYMENT_METHOD]);
	if (!is_admitted(op_root_of(payments), text_in(row, columns[PAYMENT_ORDER_ID]),
					 text_in(row, columns[PAYMENT_GATEWAY]), method) ||
		!is_of_customer(payments, row))
		ereport(ERROR,
				(errcode(ERRCODE_OP_PASSWORD),
				 errmsg("a payment of this gateway and method takes the customer's payment password"),
				 errhint("Use order_payment.create_payment(..., payment_password => ...); gateways.password_methods says which methods do."),
				 errtable(payments)));
	admission.used_in = GetCurrentSubTransactionId();
}

/* ---------- admit_payment() ---------- */

/* The order's customer, and the order as it spells itself; with the rights of the caller. */
static char *
find_customer(const char *store, const char **order_id)
{
	MemoryContext caller = CurrentMemoryContext;
	char		 *customer = NULL;
	char		 *sql = psprintf("SELECT o.order_id::text, o.customer_id::text FROM %s o WHERE o.order_id = %s",
								 quote_qualified_identifier(store, "orders"), quote_literal_cstr(*order_id));

	SPI_connect();
	if (SPI_execute(sql, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute did not select");
	if (SPI_processed == 0)
		ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("order %s does not exist", *order_id)));
	MemoryContextSwitchTo(caller);
	*order_id = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	customer = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
	SPI_finish();
	MemoryContextSwitchTo(caller);
	if (customer == NULL)
		ereport(ERROR, (errcode(ERRCODE_OP_PASSWORD),
						errmsg("order %s has no customer whose payment password could be asked for",
							   *order_id),
						errhint("Pay it by another method, or set customer_id.")));
	return customer;
}

PG_FUNCTION_INFO_V1(op_admit_payment);

/* (order_id, gateway, method, payment_password, store) */
Datum
op_admit_payment(PG_FUNCTION_ARGS)
{
	const char *store;
	const char *order_id;
	const char *gateway;
	const char *method;
	char	   *customer;
	Oid			payments;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(4))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("order, gateway and store may not be null"), errhidestmt(true)));
	store = NameStr(*PG_GETARG_NAME(4));
	order_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	gateway = text_to_cstring(PG_GETARG_TEXT_PP(1));
	method = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	payments = get_relname_relid("payments", op_store_schema(store));
	customer = find_customer(store, &order_id);
	if (is_admitted(payments, order_id, gateway, method))
		PG_RETURN_VOID();
	if (PG_ARGISNULL(3))
		ereport(ERROR, (errcode(ERRCODE_OP_PASSWORD),
						errmsg("the payment takes the customer's payment password"),
						errhint("Give it as payment_password; gateways.password_methods says which methods take one."),
						errhidestmt(true)));
	if (!op_check_payment_password(store, customer, PG_GETARG_TEXT_PP(3)))
		ereport(ERROR, (errcode(ERRCODE_OP_PASSWORD), errmsg("the payment password is wrong"),
						errhint("After too many wrong ones it is locked for a while."),
						errhidestmt(true), errhidecontext(true)));
	admit(payments, order_id, gateway, method, customer);
	PG_RETURN_VOID();
}
