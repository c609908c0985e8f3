/*
 * order.c
 *	  The rules of an order's row.
 *
 * total	what the order costs: quantity * price, or, when the order has lines,
 *			the sum of their amounts; NULL while neither is known
 * counters	authorized_amount, paid_amount, refunded_amount,
 *			charged_back_amount, refund_due_amount: they follow the payments
 * frozen	total, lines and currency may not change: somebody is paying what
 *			they say, or has paid it
 * settled by hand	a statement sets the status to paid while something is
 *			outstanding: the rest is booked as a payment of the gateway manual
 *
 * maintain_order() runs after the triggers of users (which may set a price, or
 * a status) and before the guard of the status. What a statement wants is
 * judged here; what has happened to money (effects.c) is not refused, and
 * moves the order as rules.c says, whatever graph the table has.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "amount.h"
#include "derived.h"
#include "effects.h"
#include "errors.h"
#include "guard.h"
#include "identity.h"
#include "order.h"
#include "recorder.h"
#include "rules.h"
#include "settings.h"
#include "sibling.h"
#include "status.h"
#include "transition.h"

typedef enum OrderColumn
{
	ORDER_ID,
	ORDER_STATUS,
	ORDER_VERSION,
	ORDER_ITEM_COUNT,
	ORDER_QUANTITY,
	ORDER_PRICE,
	ORDER_CURRENCY,
	ORDER_TOTAL,
	ORDER_AUTHORIZED,
	ORDER_PAID,
	ORDER_REFUNDED,
	ORDER_CHARGED_BACK,
	ORDER_DUE,
	ORDER_CREATED_AT,
	ORDER_PAID_AT,
	ORDER_NCOLUMNS
} OrderColumn;

#define FOLLOWS_LINES	 "Set quantity and price, or the rows of order_items: it follows them."
#define FOLLOWS_PAYMENTS "Write to payments or payment_operations: it follows them."
#define LEAVE_TIME		 "Leave it out. To load times, let a superuser set order_payment.restore."

static const OpColumn order_columns[] = {
	[ORDER_ID] = {"order_id", InvalidOid, "The key of an order never changes."},
	[ORDER_STATUS] = {"status", InvalidOid, NULL},
	[ORDER_VERSION] = {"version", INT4OID, "Leave it out: it counts the events of the order."},
	[ORDER_ITEM_COUNT] = {"item_count", INT4OID, FOLLOWS_LINES},
	[ORDER_QUANTITY] = {"quantity", NUMERICOID, NULL},
	[ORDER_PRICE] = {"price", NUMERICOID, NULL},
	[ORDER_CURRENCY] = {"currency", TEXTOID, NULL},
	[ORDER_TOTAL] = {"total_amount", NUMERICOID, FOLLOWS_LINES},
	[ORDER_AUTHORIZED] = {"authorized_amount", NUMERICOID, FOLLOWS_PAYMENTS},
	[ORDER_PAID] = {"paid_amount", NUMERICOID, FOLLOWS_PAYMENTS},
	[ORDER_REFUNDED] = {"refunded_amount", NUMERICOID, FOLLOWS_PAYMENTS},
	[ORDER_CHARGED_BACK] = {"charged_back_amount", NUMERICOID, FOLLOWS_PAYMENTS},
	[ORDER_DUE] = {"refund_due_amount", NUMERICOID, FOLLOWS_PAYMENTS},
	[ORDER_CREATED_AT] = {"created_at", TIMESTAMPTZOID, LEAVE_TIME},
	[ORDER_PAID_AT] = {"paid_at", TIMESTAMPTZOID, LEAVE_TIME},
};

StaticAssertDecl(lengthof(order_columns) == ORDER_NCOLUMNS, "each column is described");
StaticAssertDecl(ORDER_NCOLUMNS <= OP_ROW_MAX_COLUMNS, "a row has room for them");

/* ---------- the order as the rules see it ---------- */

static OpOrderStatus
status_of(NullableDatum value)
{
	return value.isnull ? OP_PENDING : (OpOrderStatus) DatumGetStatus(value.value);
}

/* The counters as they are stored; status and total as the statement gives them. */
static OpMoney
money_of(const OpRow *row)
{
	OpMoney money = {
		.status = status_of(row->value[ORDER_STATUS]),
		.total = row->value[ORDER_TOTAL].isnull ? NULL
												: DatumGetNumeric(row->value[ORDER_TOTAL].value),
		.authorized = op_old_numeric(row, ORDER_AUTHORIZED),
		.paid = op_old_numeric(row, ORDER_PAID),
		.refunded = op_old_numeric(row, ORDER_REFUNDED),
		.charged_back = op_old_numeric(row, ORDER_CHARGED_BACK),
		.due = op_old_numeric(row, ORDER_DUE),
	};

	return money;
}

static void
put_money(OpRow *row, const OpMoney *money)
{
	op_derive_numeric(row, ORDER_AUTHORIZED, money->authorized);
	op_derive_numeric(row, ORDER_PAID, money->paid);
	op_derive_numeric(row, ORDER_REFUNDED, money->refunded);
	op_derive_numeric(row, ORDER_CHARGED_BACK, money->charged_back);
	op_derive_numeric(row, ORDER_DUE, money->due);
}

/* ---------- refusals ---------- */

/* The one place where the money of an order forbids what a statement wants. */
static void
refuse_for_money(const OpRow *row, int column, const char *what, const char *detail,
				 const char *hint)
{
	char *key = op_describe_key(row->rel, row->old);

	ereport(ERROR,
			(errcode(ERRCODE_OP_MONEY_FORBIDS),
			 errmsg("%s", what),
			 errdetail("Table \"%s\"%s%s: %s", RelationGetRelationName(row->rel),
					   key ? ", key " : "", key ? key : "", detail),
			 errhint("%s", hint),
			 errtablecol(row->rel, row->attnum[column])));
}

static const char *
label_of(OpOrderStatus status)
{
	return op_label_by_code(&op_vocabularies[OP_ORDER_STATUS], status)->name;
}

/* An illegal move is for the guard to refuse, which says where the order may go. */
static bool
is_for_the_guard(const OpRow *row)
{
	return !op_guard_allows(row->rel, order_columns[ORDER_STATUS].name,
							op_old_value(row, ORDER_STATUS).value,
							row->value[ORDER_STATUS].value);
}

/* ---------- the total ---------- */

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

/*
 * Why may total, lines and currency not change? NULL: they may. An order that
 * has no event but its birth has no payments: most carts are not looked up.
 */
static const char *
why_frozen(const OpRow *row)
{
	OpMoney money = money_of(row);

	if (row->old == NULL)
		return NULL;
	if (status_of(op_old_value(row, ORDER_STATUS)) != OP_PENDING)
		return psprintf("it is %s.",
						label_of(status_of(op_old_value(row, ORDER_STATUS))));
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
		refuse_for_money(row, ORDER_TOTAL, "total and lines of the order are frozen", why,
						 "They may change while the order is pending, nothing is held and no attempt is under way. Otherwise refund, or make another order.");
}

/* One currency in an order and all of its payments, whatever became of them. */
static void
require_no_payment(const OpRow *row)
{
	if (op_int_of(op_old_value(row, ORDER_VERSION)) > 1 && op_has_payment(row->rel, row->old))
		refuse_for_money(row, ORDER_CURRENCY, "the currency of the order is frozen",
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
	if (op_old_value(row, ORDER_TOTAL).isnull)
	{
		op_set_value(row, ORDER_ITEM_COUNT, op_int_value(count));
		op_set_value(row, ORDER_TOTAL, total);
	}
	else if (count != op_int_of(op_old_value(row, ORDER_ITEM_COUNT)) ||
			 !op_is_same(row, ORDER_TOTAL, total, op_old_value(row, ORDER_TOTAL)))
		require_unfrozen(row);
}

static void
follow_line(OpRow *row, const OpLineEffect *effect)
{
	int32		  count = op_int_of(op_old_value(row, ORDER_ITEM_COUNT));
	NullableDatum total = op_old_value(row, ORDER_TOTAL);

	if (why_frozen(row) != NULL)
	{
		count_all_lines(row);
		return;
	}
	if (count == 0)
		total = op_numeric_value(effect->amount);
	else if (!total.isnull)
		total = op_numeric_value(op_add(DatumGetNumeric(total.value), effect->amount));
	count += effect->count;
	op_set_value(row, ORDER_ITEM_COUNT, op_int_value(count));
	op_set_value(row, ORDER_TOTAL, count == 0 ? product_total(row) : total);
}

/* The total of an order without lines follows its quantity and price. */
static void
follow_price(OpRow *row)
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
	if (row->old != NULL && !old_total.isnull && !op_is_same(row, ORDER_TOTAL, total, old_total))
		require_unfrozen(row);
	if (row->old != NULL && !op_is_unchanged(row, ORDER_CURRENCY))
		require_no_payment(row);
}

/* ---------- what a statement wants of the status ---------- */

/* Money recorded by hand is recorded by who may record it. */
static void
require_recorder(const OpRow *row, Numeric outstanding)
{
	Oid payments = op_payments_of(row->rel);

	if (op_may_record(payments) || is_for_the_guard(row))
		return;
	op_refuse_record(row->rel,
					 psprintf("%s is outstanding, and the role may not record a payment of it",
							  op_amount_text(outstanding)),
					 psprintf("Insert a payment: INSERT INTO %s (order_id, gateway, amount) VALUES (...). The order is paid when the gateway's role records its success.",
							  get_rel_name(payments)));
}

/* R5, and settlement by hand: the move must be fit for the money of the order. */
static void
judge_move(const OpRow *row, OpMoney *money)
{
	OpOrderStatus from = status_of(op_old_value(row, ORDER_STATUS));
	OpOrderStatus to = money->status;
	OpMoney		  before = *money;
	Numeric		  covered = op_zero();
	const char	 *obstacle;

	before.status = from;
	if (to == OP_PAID)
	{
		Numeric outstanding = op_outstanding(&before);

		if (outstanding == NULL || op_sign(outstanding) == 0)
			return; /* the CHECK on the total speaks, or nothing is to be booked */
		require_recorder(row, outstanding);
		money->paid = op_add(money->paid, outstanding);
		return;
	}
	if (to == OP_SHIPPED && from != OP_PAID)
		covered = op_unexpired_authorizations(row->rel, row->old);
	obstacle = op_obstacle(&before, to, covered);
	if (obstacle != NULL && !is_for_the_guard(row))
		refuse_for_money(row, ORDER_STATUS,
						 psprintf("an order that is \"%s\" may not become \"%s\" with its money as it is",
								  label_of(from), label_of(to)),
						 obstacle,
						 "Record the payment or refund that is missing; order_overview shows what is outstanding.");
}

/* ---------- the trigger ---------- */

/* One currency in an order, its payments and their operations. */
static void
check_currency(const OpRow *row, const char *currency)
{
	const char *own = TextDatumGetCString(row->value[ORDER_CURRENCY].value);

	if (strcmp(own, currency) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("the currency of a payment must be that of its order"),
				 errdetail("The payment is in %s, the order in %s.", currency, own),
				 errhint("Leave out the currency of the payment: it is taken from the order."),
				 errtablecol(row->rel, row->attnum[ORDER_CURRENCY])));
}

/* What is known to have happened to the money of the order. */
static void
take_effect(OpRow *row, const OpOrderEffect *effect, OpMoney *money)
{
	check_currency(row, effect->currency);
	if (!effect->is_booked)
		op_move_money(money, &effect->movement);
}

/* What a statement of somebody, or a line, makes of the money of the order. */
static void
take_statement(OpRow *row, OpMoney *money)
{
	OpMovement movement = OP_NO_MOVEMENT;

	if (row->old == NULL)
		return;
	movement.total_was_set = money->total != NULL && op_old_value(row, ORDER_TOTAL).isnull;
	if (movement.total_was_set)
	{
		OpMoney known = *money;

		known.status = status_of(op_old_value(row, ORDER_STATUS));
		op_move_money(&known, &movement);
		money->due = known.due;
		if (op_is_unchanged(row, ORDER_STATUS))
			money->status = known.status;
	}
	if (!op_is_unchanged(row, ORDER_STATUS))
		judge_move(row, money);
	op_keep_nothing(money);
}

/* The status that money forced, past the guard; and paid_at, if it came in another status. */
static void
put_status(OpRow *row, const TriggerData *trigdata, const OpMoney *money)
{
	bool		  moved = money->status != status_of(row->value[ORDER_STATUS]);
	AttrNumber	  stamp = InvalidAttrNumber;
	NullableDatum now = {TimestampTzGetDatum(GetCurrentTimestamp()), false};

	if (moved)
	{
		NullableDatum status = {StatusGetDatum((uint8) money->status), false};

		op_set_value(row, ORDER_STATUS, status);
	}
	if (money->status == OP_SHIPPED && money->total != NULL &&
		op_old_value(row, ORDER_PAID_AT).isnull && op_sign(op_outstanding(money)) == 0)
	{
		op_set_value(row, ORDER_PAID_AT, now);
		stamp = row->attnum[ORDER_PAID_AT];
	}
	op_force_move(trigdata, moved ? row->attnum[ORDER_STATUS] : InvalidAttrNumber, stamp);
}

/* Counts the events that record_event() will write after this statement. */
static void
count_events(OpRow *row, const OpOrderEffect *effect)
{
	NullableDatum version = row->old ? op_old_value(row, ORDER_VERSION) : op_int_value(0);
	int32		  nevents = effect ? effect->ncauses : 0;

	if (!op_is_unchanged(row, ORDER_STATUS))
		nevents++;
	op_derive(row, ORDER_VERSION,
			  nevents == 0 ? version : op_int_value(op_int_of(version) + nevents), version);
}

static void
maintain_key(const OpRow *row)
{
	if (row->old != NULL)
		op_keep(row, ORDER_ID);
	else if (!row->value[ORDER_ID].isnull)
		op_warn_of_collision(row->rel, row->attnum[ORDER_ID], row->value[ORDER_ID].value);
}

PG_FUNCTION_INFO_V1(op_maintain_order);
Datum
op_maintain_order(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_BEFORE_INSERT, OP_BEFORE_UPDATE, OP_FIRINGS_END};
	static NullableDatum	  last_created_at = {0, true};
	TriggerData				 *trigdata = op_trigger_data(fcinfo, "maintain_order", firings,
														 "BEFORE INSERT OR UPDATE, for each row");
	const OpLineEffect		 *line;
	const OpOrderEffect		 *effect;
	OpRow					  row;
	OpMoney					  money;

	if (op_restore)
		return op_unchanged(trigdata);
	op_open_row(&row, fcinfo, trigdata, order_columns, ORDER_NCOLUMNS);
	line = op_line_effect(trigdata);
	effect = op_order_effect(trigdata);
	maintain_key(&row);
	op_maintain_created_at(&row, ORDER_CREATED_AT, &last_created_at);
	if (line)
		follow_line(&row, line);
	else if (effect == NULL)
		follow_price(&row);
	money = money_of(&row);
	if (effect)
		take_effect(&row, effect, &money);
	else
		take_statement(&row, &money);
	put_money(&row, &money);
	if (row.old)
		put_status(&row, trigdata, &money);
	count_events(&row, effect);
	if (line || effect)
		op_effect_met(trigdata);
	return op_close_row(&row, trigdata);
}

/* ---------- settlement by hand ---------- */

/*
 * AFTER UPDATE of orders, where paid_amount has changed: if no payment has
 * brought that about, it was settled by hand, and the payment is booked now. Its
 * effect on the order will be no more than to number its event.
 */
PG_FUNCTION_INFO_V1(op_book_settlement);
Datum
op_book_settlement(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_AFTER_UPDATE, OP_FIRINGS_END};
	TriggerData				 *trigdata =
		op_trigger_data(fcinfo, "book_settlement", firings, "AFTER UPDATE, for each row");
	const AttrNumber *column;
	Numeric			  before;
	Numeric			  after;

	if (op_restore || op_past_order_effect(trigdata) != NULL)
		return PointerGetDatum(NULL);
	column = op_row_columns(fcinfo, trigdata->tg_relation, order_columns, ORDER_NCOLUMNS);
	before = op_numeric_of(op_value_in(trigdata->tg_trigslot, column[ORDER_PAID]));
	after = op_numeric_of(op_value_in(trigdata->tg_newslot, column[ORDER_PAID]));
	op_book_manual_payment(trigdata->tg_relation, trigdata->tg_newslot, op_sub(after, before),
						   op_value_in(trigdata->tg_newslot, column[ORDER_CURRENCY]).value);
	return PointerGetDatum(NULL);
}

/* ---------- asking ---------- */

static Numeric
numeric_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? op_zero() : PG_GETARG_NUMERIC(n);
}

PG_FUNCTION_INFO_V1(op_outstanding_amount);
Datum
op_outstanding_amount(PG_FUNCTION_ARGS)
{
	OpMoney money = {
		.status = PG_ARGISNULL(0) ? OP_PENDING : (OpOrderStatus) PG_GETARG_STATUS(0),
		.total = PG_ARGISNULL(1) ? NULL : PG_GETARG_NUMERIC(1),
		.paid = numeric_argument(fcinfo, 2),
		.refunded = numeric_argument(fcinfo, 3),
		.charged_back = numeric_argument(fcinfo, 4),
		.due = numeric_argument(fcinfo, 5),
	};

	if (PG_ARGISNULL(0) || money.total == NULL)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(op_outstanding(&money));
}
