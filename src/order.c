/*
 * order.c
 *	  The rules of an order's row.
 *
 * counters	authorized_amount, paid_amount, refunded_amount,
 *			charged_back_amount, refund_due_amount: they follow the payments
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
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "amount.h"
#include "derived.h"
#include "effects.h"
#include "errors.h"
#include "inquiry.h"
#include "guard.h"
#include "identity.h"
#include "order.h"
#include "order_row.h"
#include "recorder.h"
#include "rules.h"
#include "settings.h"
#include "sibling.h"
#include "status.h"
#include "transition.h"

#define FOLLOWS_LINES	 "Set quantity and price, or the rows of order_items: it follows them."
#define FOLLOWS_PAYMENTS "Write to payments or payment_operations: it follows them."
#define LEAVE_TIME		 "Leave it out. To load times, let a superuser set order_payment.restore."

const OpColumn op_order_columns[ORDER_NCOLUMNS] = {
	[ORDER_ID] = {"order_id", InvalidOid, "The key of an order never changes."},
	[ORDER_STATUS] = {"status", OP_STATUS_TYPE(OP_ORDER_STATUS), NULL},
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
	[ORDER_CUSTOMER] = {"customer_id", InvalidOid, NULL},
};

StaticAssertDecl(ORDER_NCOLUMNS <= OP_ROW_MAX_COLUMNS, "a row has room for them");

/* ---------- the order as the rules see it ---------- */

OpOrderStatus
op_order_status(NullableDatum value)
{
	return value.isnull ? OP_PENDING : (OpOrderStatus) DatumGetStatus(value.value);
}

OpMoney
op_order_money(const OpRow *row)
{
	OpMoney money = {
		.status = op_order_status(row->value[ORDER_STATUS]),
		.total = row->value[ORDER_TOTAL].isnull ? NULL
												: DatumGetNumeric(row->value[ORDER_TOTAL].value),
		.authorized = op_old_numeric(row, ORDER_AUTHORIZED),
		.paid = op_old_numeric(row, ORDER_PAID),
		.refunded = op_old_numeric(row, ORDER_REFUNDED),
		.charged_back = op_old_numeric(row, ORDER_CHARGED_BACK),
		.due = op_old_numeric(row, ORDER_DUE),
		.covered = row->old != NULL && !op_old_value(row, ORDER_PAID_AT).isnull,
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

void
op_refuse_for_money(const OpRow *row, int column, const char *what, const char *detail,
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
	pg_unreachable();
}

void
op_refuse_value(const OpRow *row, int column, const char *what, const char *hint)
{
	bool is_in_check = column == ORDER_CURRENCY || column == ORDER_TOTAL;

	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("%s", what),
			 errhint("%s", hint),
			 errtablecol(row->rel, row->attnum[column]),
			 is_in_check ? errtableconstraint(row->rel, "orders_money_check") : 0));
	pg_unreachable();
}

const char *
op_order_label(OpOrderStatus status)
{
	const OpStatusLabel *label = op_label_by_code(&op_vocabularies[OP_ORDER_STATUS], status);

	return label ? label->name : "";
}

/* An illegal move is for the guard to refuse, which says where the order may go. */
static bool
is_for_the_guard(const OpRow *row)
{
	return !op_guard_allows(row->rel, op_order_columns[ORDER_STATUS].name,
							op_old_value(row, ORDER_STATUS).value,
							row->value[ORDER_STATUS].value);
}

/* ---------- what a statement wants of the status ---------- */

/* Money recorded by hand is recorded by who may record it. */
static void
require_recorder(const OpRow *row, Numeric outstanding)
{
	Oid payments = op_payments_of(row->rel);

	if (op_may_record(payments) || is_for_the_guard(row))
		return;
	op_refuse_record(row->rel, row->attnum[ORDER_STATUS],
					 psprintf("%s is outstanding, and the role may not record a payment of it",
							  op_amount_text(outstanding)),
					 psprintf("Insert a payment: INSERT INTO %s (order_id, gateway, amount) VALUES (...). The order is paid when the gateway's role records its success.",
							  get_rel_name(payments)));
}

/* R5, and settlement by hand: the move must be fit for the money of the order. */
static void
judge_move(const OpRow *row, OpMoney *money)
{
	OpOrderStatus from = op_order_status(op_old_value(row, ORDER_STATUS));
	OpOrderStatus to = money->status;
	OpMoney		  before = *money;
	Numeric		  covered = op_zero();
	const char	 *obstacle;

	before.status = from;
	if (to == OP_SHIPPED && from != OP_PAID)
		covered = op_unexpired_authorizations(row->rel, row->old);
	obstacle = op_obstacle(&before, to, covered);
	if (obstacle != NULL && !is_for_the_guard(row))
		op_refuse_for_money(row, ORDER_STATUS,
							psprintf("an order that is \"%s\" may not become \"%s\" with its money as it is",
									 op_order_label(from), op_order_label(to)),
							obstacle,
							"Record the payment or refund that is missing, or set price or lines; order_overview shows what is outstanding.");
	if (to == OP_PAID && obstacle == NULL && op_sign(op_outstanding(&before)) > 0)
	{
		require_recorder(row, op_outstanding(&before));
		money->paid = op_add(money->paid, op_outstanding(&before));
	}
}

/* ---------- the trigger ---------- */

/* One currency in an order, its payments and their operations. */
static void
check_currency(const OpRow *row, const char *currency)
{
	const char *own = row->value[ORDER_CURRENCY].isnull
						  ? ""
						  : TextDatumGetCString(row->value[ORDER_CURRENCY].value);

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
	/* a status that triggers of users want besides would come before the facts */
	if (row->old != NULL)
		money->status = op_order_status(op_old_value(row, ORDER_STATUS));
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

		known.status = op_order_status(op_old_value(row, ORDER_STATUS));
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
	bool		  moved = money->status != op_order_status(row->value[ORDER_STATUS]);
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

/*
 * Who has paid by his password has paid for himself: no role gives the order to
 * somebody else, who would be charged then. The owner may, when two accounts
 * become one, or a customer is forgotten.
 */
static void
maintain_customer(const OpRow *row)
{
	if (row->old == NULL || op_is_unchanged(row, ORDER_CUSTOMER) ||
		op_old_value(row, ORDER_CUSTOMER).isnull ||
		has_privs_of_role(GetUserId(), row->rel->rd_rel->relowner) ||
		!op_has_payment(row->rel, row->old))
		return;
	op_refuse_for_money(row, ORDER_CUSTOMER, "the customer of the order is fixed",
						"It has payments, to which the customer may have consented by a password.",
						"Make another order; the owner of the table may change it.");
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
	op_open_row(&row, trigdata, op_order_columns, ORDER_NCOLUMNS);
	line = op_line_effect(trigdata);
	effect = op_order_effect(trigdata);
	maintain_key(&row);
	maintain_customer(&row);
	op_maintain_created_at(&row, ORDER_CREATED_AT, &last_created_at);
	if (line)
		op_follow_line(&row, line);
	else
		op_follow_price(&row);
	money = op_order_money(&row);
	if (effect)
		take_effect(&row, effect, &money);
	else
		take_statement(&row, &money);
	put_money(&row, &money);
	if (row.old)
		put_status(&row, trigdata, &money);
	count_events(&row, effect);
	if (line || effect)
		op_effect_met();
	return op_close_row(&row, trigdata);
}

/* ---------- settlement by hand ---------- */

void
op_book_settlement(const TriggerData *trigdata)
{
	Relation   rel = trigdata->tg_relation;
	AttrNumber column[ORDER_NCOLUMNS];
	Numeric	   booked;

	op_row_columns(rel, op_order_columns, ORDER_NCOLUMNS, column);
	booked = op_sub(op_numeric_of(op_value_in(trigdata->tg_newslot, column[ORDER_PAID])),
					op_numeric_of(op_value_in(trigdata->tg_trigslot, column[ORDER_PAID])));
	if (op_sign(booked) > 0)
		op_book_manual_payment(rel, trigdata->tg_newslot, booked,
							   op_require_value(rel, trigdata->tg_newslot, column[ORDER_CURRENCY]));
}
