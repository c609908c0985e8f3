/*
 * order_row.h
 *	  The columns of an order that the rules speak of, for order.c and order_total.c.
 */
#ifndef OP_ORDER_ROW_H
#define OP_ORDER_ROW_H

#include "derived.h"
#include "effects.h"
#include "rules.h"
#include "compat.h"

typedef enum OpOrderColumn
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
	ORDER_CUSTOMER,
	ORDER_NCOLUMNS
} OpOrderColumn;

extern const OpColumn op_order_columns[ORDER_NCOLUMNS];

/* The counters as they are stored; status and total as the statement gives them. */
extern OpMoney op_order_money(const OpRow *row);

extern OpOrderStatus op_order_status(NullableDatum value);
extern const char	*op_order_label(OpOrderStatus status);

/* The one place where the money of an order forbids what a statement wants. */
op_noreturn extern void op_refuse_for_money(const OpRow *row, int column, const char *what,
											const char *detail, const char *hint);

/* The one place where a value is refused that no order may have. */
op_noreturn extern void op_refuse_value(const OpRow *row, int column, const char *what,
										const char *hint);

/* What a line makes of the total, and what a statement does. */
extern void op_follow_line(OpRow *row, const OpLineEffect *effect);
extern void op_follow_price(OpRow *row);

#endif
