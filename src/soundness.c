/*
 * soundness.c
 *	  What holds for every order and payment, for the CHECK constraints.
 *
 * The triggers see to all of it and say in detail what is wrong; these are the
 * net under them, for rows that come past the triggers (a restore, a replica,
 * a trigger that was disabled). It is one call a table, of the columns that
 * matter most, because a server parses the CHECKs of a table anew for every
 * statement, column by column. verify_store() looks at all of them.
 *
 * A value that is NULL is no violation, as in any CHECK.
 */
#include "postgres.h"

#include "fmgr.h"

#include "amount.h"
#include "currency.h"
#include "money.h"
#include "rules.h"

static Numeric
amount_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? op_zero() : PG_GETARG_NUMERIC(n);
}

/* Of an order whose total is known, the total fits the currency. */
static bool
is_payable(FunctionCallInfo fcinfo, int currency, int total)
{
	const text *code;

	if (PG_ARGISNULL(currency))
		return true;
	code = PG_GETARG_TEXT_PP(currency);
	return PG_ARGISNULL(total) ? op_is_payable_in(code)
							   : op_is_amount_of(PG_GETARG_NUMERIC(total), code);
}

PG_FUNCTION_INFO_V1(op_is_order_money);
Datum
op_is_order_money(PG_FUNCTION_ARGS)
{
	OpMoney money = {
		.status = PG_ARGISNULL(0) ? OP_PENDING : (OpOrderStatus) PG_GETARG_STATUS(0),
		.total = PG_ARGISNULL(2) ? NULL : PG_GETARG_NUMERIC(2),
		.paid = amount_argument(fcinfo, 3),
		.refunded = amount_argument(fcinfo, 4),
		.charged_back = amount_argument(fcinfo, 5),
		.due = amount_argument(fcinfo, 6),
	};
	bool is_birth = !PG_ARGISNULL(7) && PG_GETARG_INT32(7) <= 1;

	/* in which state an order may be born is for the guard to say */
	PG_RETURN_BOOL(is_payable(fcinfo, 1, 2) && op_is_sound(&money) &&
				   (is_birth || op_keeps_enough(&money)));
}

PG_FUNCTION_INFO_V1(op_is_payment_money);
Datum
op_is_payment_money(PG_FUNCTION_ARGS)
{
	const text *currency = PG_GETARG_TEXT_PP(0);
	Numeric		amount = PG_GETARG_NUMERIC(1);
	Numeric		fee = PG_GETARG_NUMERIC(2);
	Numeric		authorized = PG_GETARG_NUMERIC(3);
	Numeric		captured = PG_GETARG_NUMERIC(4);
	Numeric		refunded = PG_GETARG_NUMERIC(5);
	Numeric		charged_back = PG_GETARG_NUMERIC(6);

	PG_RETURN_BOOL(op_sign(amount) > 0 && op_is_amount_of(amount, currency) &&
				   op_is_amount_of(fee, currency) && op_sign(authorized) >= 0 &&
				   op_is_amount_of(authorized, currency) && op_sign(refunded) >= 0 &&
				   op_sign(charged_back) >= 0 &&
				   op_cmp(captured, op_max(amount, authorized)) <= 0 &&
				   op_cmp(op_max(refunded, charged_back), captured) <= 0);
}

PG_FUNCTION_INFO_V1(op_outstanding_amount);
Datum
op_outstanding_amount(PG_FUNCTION_ARGS)
{
	OpMoney money = {
		.status = PG_ARGISNULL(0) ? OP_PENDING : (OpOrderStatus) PG_GETARG_STATUS(0),
		.total = PG_ARGISNULL(1) ? NULL : PG_GETARG_NUMERIC(1),
		.paid = amount_argument(fcinfo, 2),
		.refunded = amount_argument(fcinfo, 3),
		.charged_back = amount_argument(fcinfo, 4),
		.due = amount_argument(fcinfo, 5),
		.covered = PG_ARGISNULL(6) || PG_GETARG_BOOL(6),
	};

	if (PG_ARGISNULL(0) || money.total == NULL)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(op_outstanding(&money));
}
