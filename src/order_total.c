/*
 * order_total.c
 *	  The total of an order, and when it may change.
 *
 * total	what the order costs: quantity * price, or, when the order has lines,
 *			the sum of their amounts; NULL while neither is known
 * frozen	total and lines may not change: somebody is paying what they say, or
 *			has paid it. The currency is frozen as soon as there is a payment
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/rel.h"

#include "amount.h"
#include "currency.h"
#include "money.h"
#include "inquiry.h"
#include "order_row.h"

/* quantity * price, NULL if one of them is. */
static NullableDatum
product_total(const OpRow *row)
{
	NullableDatum quantity = row->value[ORDER_QUANTITY];
	NullableDatum price = row->value[ORDER_PRICE];
	NullableDatum result = {0, quantity.isnull || price.isnull};

	if (!result.isnull)
		result.value = DirectFunctionCall2(numeric_mul, quantity.value, price.value);
	return result;
}

/* What no order may have; for currency and total, orders_money_check is the net under it. */
static void
check_price(const OpRow *row)
{
	NullableDatum quantity = row->value[ORDER_QUANTITY];
	NullableDatum price = row->value[ORDER_PRICE];
	NullableDatum currency = row->value[ORDER_CURRENCY];
	NullableDatum total = row->value[ORDER_TOTAL];

	if (!quantity.isnull && (!op_is_finite(DatumGetNumeric(quantity.value)) ||
							 op_sign(DatumGetNumeric(quantity.value)) <= 0))
		op_refuse_value(row, ORDER_QUANTITY, "the quantity of an order must be positive and finite",
						"Leave it out: it is 1 then.");
	if (!price.isnull && (!op_is_finite(DatumGetNumeric(price.value)) ||
						  op_sign(DatumGetNumeric(price.value)) < 0))
		op_refuse_value(row, ORDER_PRICE, "the price of an order must be finite and not negative",
						"A discount is a line of order_items.");
	if (currency.isnull)
		return;
	if (!op_is_payable_in(DatumGetTextPP(currency.value)))
		op_refuse_value(row, ORDER_CURRENCY, "the currency of an order must be one with a minor unit",
						OP_CURRENCY_HINT);
	if (!total.isnull &&
		!op_is_amount_of(DatumGetNumeric(total.value), DatumGetTextPP(currency.value)))
		op_refuse_value(row, ORDER_TOTAL,
						"the total of an order must fit the minor unit of its currency",
						"Amounts are never rounded: round quantity * price before.");
}

/*
 * Why may total and lines not change? NULL: they may. An order that
 * has no event but its birth has no payments: most carts are not looked up.
 */
static const char *
why_frozen(const OpRow *row)
{
	OpMoney money = op_order_money(row);

	if (row->old == NULL)
		return NULL;
	if (op_order_status(op_old_value(row, ORDER_STATUS)) != OP_PENDING)
		return psprintf("it is %s.",
						op_order_label(op_order_status(op_old_value(row, ORDER_STATUS))));
	if (op_sign(op_held(&money)) != 0)
		return psprintf("%s is held for it.", op_amount_text(op_held(&money)));
	if (op_int_of(op_old_value(row, ORDER_VERSION)) > 1 && op_has_live_attempt(row->rel, row->old))
		return "an attempt to pay it is under way.";
	return NULL;
}

static void
require_unfrozen(const OpRow *row)
{
	const char *why = why_frozen(row);

	if (why != NULL)
		op_refuse_for_money(row, ORDER_TOTAL, "total and lines of the order are frozen", why,
							"They may change while the order is pending, nothing is held and no attempt is under way. Otherwise refund, or make another order.");
}

/* One currency in an order and all of its payments, whatever became of them. */
static void
keep_currency(const OpRow *row)
{
	if (row->old != NULL && !op_is_unchanged(row, ORDER_CURRENCY) &&
		op_int_of(op_old_value(row, ORDER_VERSION)) > 1 && op_has_payment(row->rel, row->old))
		op_refuse_for_money(row, ORDER_CURRENCY, "the currency of the order is frozen",
							"it has a payment.", "Make another order.");
}

/*
 * The lines of an order that is frozen must sum to what they did; if its total
 * is unknown, all that there are become known at once, under its lock.
 */
static void
count_all_lines(OpRow *row)
{
	int32		  count;
	NullableDatum total;

	op_sum_lines(row->rel, row->old, &count, &total);
	if (!op_old_value(row, ORDER_TOTAL).isnull &&
		(count != op_int_of(op_old_value(row, ORDER_ITEM_COUNT)) ||
		 !op_is_same(row, ORDER_TOTAL, total, op_old_value(row, ORDER_TOTAL))))
		require_unfrozen(row);
	/* set in any case: a trigger of a user's may have written something else */
	op_set_value(row, ORDER_ITEM_COUNT, op_int_value(count));
	op_set_value(row, ORDER_TOTAL, total);
}

static void
add_line(OpRow *row, const OpLineEffect *effect)
{
	int32		  count = op_int_of(op_old_value(row, ORDER_ITEM_COUNT));
	NullableDatum total = op_old_value(row, ORDER_TOTAL);

	if (count == 0)
		total = op_numeric_value(effect->amount);
	else if (!total.isnull)
		total = op_numeric_value(op_add(DatumGetNumeric(total.value), effect->amount));
	count += effect->count;
	op_set_value(row, ORDER_ITEM_COUNT, op_int_value(count));
	op_set_value(row, ORDER_TOTAL, count == 0 ? product_total(row) : total);
}

void
op_follow_line(OpRow *row, const OpLineEffect *effect)
{
	if (why_frozen(row) != NULL)
		count_all_lines(row);
	else
		add_line(row, effect);
	check_price(row);
	keep_currency(row);
}

/* The total of an order without lines follows its quantity and price. */
void
op_follow_price(OpRow *row)
{
	NullableDatum old_total = {0, true};
	NullableDatum total;

	if (row->old)
		old_total = op_old_value(row, ORDER_TOTAL);
	total = old_total;
	op_derive(row, ORDER_ITEM_COUNT,
			  row->old ? op_old_value(row, ORDER_ITEM_COUNT) : op_int_value(0),
			  row->old ? op_old_value(row, ORDER_ITEM_COUNT) : op_int_value(0));
	if (op_int_of(row->value[ORDER_ITEM_COUNT]) == 0 &&
		!(op_is_unchanged(row, ORDER_QUANTITY) && op_is_unchanged(row, ORDER_PRICE)))
		total = product_total(row);
	op_derive(row, ORDER_TOTAL, total, old_total);
	check_price(row);
	if (row->old != NULL && !old_total.isnull && !op_is_same(row, ORDER_TOTAL, total, old_total))
		require_unfrozen(row);
	keep_currency(row);
}
