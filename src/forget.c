/*
 * forget.c
 *	  Forgetting cards that are no longer needed: what is sealed and the
 *	  fingerprint go, the masks stay.
 *
 * It is for retention, so rows are told by a time alone, and no condition is
 * taken from the caller. Payments of a store that may still want their card are
 * spared, whoever asks.
 *
 * One transaction, but some pages to a statement: the events of AFTER triggers
 * that a statement leaves behind are kept in memory until it ends.
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/itemptr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "payment.h"
#include "protect.h"
#include "protection.h"
#include "reseal_table.h"
#include "trigger_call.h"

#define STATEMENT_PAGES 1024

/* Payments that have not ended, or are to be tried again. */
#define SPARED \
	" AND t.status NOT IN ('created', 'processing', 'requires_action', 'unknown', 'authorized')" \
	" AND NOT (t.status = 'failed' AND t.retry_at IS NOT NULL AND isfinite(t.retry_at))"

typedef struct Forgetting
{
	Oid			target;
	const char *time_column;
	TimestampTz before;
	int64		forgotten;
} Forgetting;

static void
append_is_there(StringInfo sql, Relation rel, AttrNumber column)
{
	if (column != 0)
		appendStringInfo(sql, " OR t.%s IS NOT NULL", op_quoted_column(rel, column));
}

/* $1: the time; $2, $3: where the pages begin, and where they end */
static char *
make_statement(Relation rel, const Forgetting *forgetting)
{
	const OpProtection *protection = op_require_protection(rel);
	const char		   *number = op_quoted_column(rel, protection->sealed[OP_CARD_NUMBER]);
	StringInfoData		sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "UPDATE ONLY %s AS t SET %s = t.%s WHERE t.ctid >= $2 AND t.ctid < $3 AND t.%s < $1 AND (false",
					 op_quoted_table(rel), number, number,
					 quote_identifier(forgetting->time_column));
	for (int part = 0; part < OP_NCARD_PARTS; part++)
		append_is_there(&sql, rel, protection->sealed[part]);
	append_is_there(&sql, rel, protection->fingerprint);
	appendStringInfo(&sql, ")%s", op_has_trigger(rel, op_maintain_payment) ? SPARED : "");
	return sql.data;
}

static Datum
tid(BlockNumber block)
{
	ItemPointer result = palloc(sizeof(ItemPointerData));

	ItemPointerSet(result, block, 0);
	return PointerGetDatum(result);
}

static void
update_pages(Forgetting *forgetting, const char *sql, BlockNumber first, BlockNumber end)
{
	Oid	  types[] = {TIMESTAMPTZOID, TIDOID, TIDOID};
	Datum values[] = {TimestampTzGetDatum(forgetting->before), tid(first), tid(end)};

	op_set_protect_mode(forgetting->target, OP_PROTECT_FORGET);
	PG_TRY();
	{
		if (SPI_execute_with_args(sql, lengthof(types), types, values, NULL, false, 0) !=
			SPI_OK_UPDATE)
			elog(ERROR, "could not forget cards");
	}
	PG_FINALLY();
	{
		op_set_protect_mode(InvalidOid, OP_PROTECT);
	}
	PG_END_TRY();
	forgetting->forgotten += (int64) SPI_processed;
}

static void
forget_in(Forgetting *forgetting, Oid table)
{
	Relation	rel = table_open(table, RowExclusiveLock);
	BlockNumber npages = RelationGetNumberOfBlocks(rel);
	char	   *sql;

	sql = make_statement(rel, forgetting);
	op_require_firing(rel);
	table_close(rel, NoLock);
	for (BlockNumber first = 0; first < npages; first += STATEMENT_PAGES)
		update_pages(forgetting, sql, first, Min(npages, first + STATEMENT_PAGES));
}

PG_FUNCTION_INFO_V1(op_forget_cards_in);

/* (target, time_column, before): how many rows */
Datum
op_forget_cards_in(PG_FUNCTION_ARGS)
{
	Forgetting forgetting = {.target = PG_GETARG_OID(0),
							 .time_column = NameStr(*PG_GETARG_NAME(1)),
							 .before = PG_GETARG_TIMESTAMPTZ(2)};
	ListCell  *cell;
	int64	   before;

	SPI_connect();
	/* until nothing is found: a row that others update moves to other pages */
	do
	{
		before = forgetting.forgotten;
		foreach (cell, op_reseal_tables(forgetting.target))
			forget_in(&forgetting, lfirst_oid(cell));
	} while (forgetting.forgotten > before);
	SPI_finish();
	PG_RETURN_INT64(forgetting.forgotten);
}
