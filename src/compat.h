/*
 * compat.h
 *	  What differs between PostgreSQL 15, 16, 17 and 18. The only file that
 *	  may look at PG_VERSION_NUM; include it after postgres.h.
 */
#ifndef OP_COMPAT_H
#define OP_COMPAT_H

#include "fmgr.h"

#if PG_VERSION_NUM < 150000
#error "order_payment needs PostgreSQL 15 or later"
#endif

/* 16 moved the varlena macros out of postgres.h */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 shows name and version of a loaded library in pg_get_loaded_modules() */
#if PG_VERSION_NUM >= 180000
#define OP_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "order_payment", .version = ORDER_PAYMENT_VERSION)
#else
#define OP_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/*
 * Soft errors (pg_input_is_valid and friends) came with 16. Before, an input
 * function can only raise.
 */
#if PG_VERSION_NUM >= 160000
#define op_ereturn(context, dummy, ...) ereturn(context, dummy, __VA_ARGS__)
#else
#define op_ereturn(context, dummy, ...) \
	do \
	{ \
		(void) (context); \
		ereport(ERROR, __VA_ARGS__); \
		return dummy; \
	} while (0)
#endif

/* 18 wants to know whether a deferrable key counts: it tells rows apart as well */
#if PG_VERSION_NUM >= 180000
#define op_primary_key_index(rel) RelationGetPrimaryKeyIndex(rel, true)
#else
#define op_primary_key_index(rel) RelationGetPrimaryKeyIndex(rel)
#endif

/* 18 spells it anew; either way it stands before the declaration */
#if PG_VERSION_NUM >= 180000
#define op_noreturn pg_noreturn
#else
#define op_noreturn pg_attribute_noreturn()
#endif

/* 18 does not tell any more whether a query runs but once */
#if PG_VERSION_NUM >= 180000
#define OP_EXECUTOR_RUN_PARAMETERS QueryDesc *query, ScanDirection direction, uint64 count
#define OP_EXECUTOR_RUN_ARGUMENTS  query, direction, count
#else
#define OP_EXECUTOR_RUN_PARAMETERS \
	QueryDesc *query, ScanDirection direction, uint64 count, bool execute_once
#define OP_EXECUTOR_RUN_ARGUMENTS query, direction, count, execute_once
#endif

/* Lives until it is freed. 17 would tie it to a resource owner, if it were given one. */
#if PG_VERSION_NUM >= 170000
#define op_create_wait_event_set(n) CreateWaitEventSet(NULL, n)
#else
#define op_create_wait_event_set(n) CreateWaitEventSet(TopMemoryContext, n)
#endif

/* 17 wants the relation, not its OID */
#if PG_VERSION_NUM >= 170000
#define op_identity_sequence(rel, column) getIdentitySequence(rel, column, true)
#else
#define op_identity_sequence(rel, column) getIdentitySequence(RelationGetRelid(rel), column, true)
#endif

/* 16 wants to know whether only summarising indexes get an entry */
#if PG_VERSION_NUM >= 160000
#define op_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL, false)
#else
#define op_insert_index_tuples(result, slot, estate) \
	ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL)
#endif

/* from 16 on, what a parser of json calls says whether to go on */
#if PG_VERSION_NUM >= 160000
#define OP_JSON_ACTION	JsonParseErrorType
#define OP_JSON_PROCEED return JSON_SUCCESS
#else
#define OP_JSON_ACTION	void
#define OP_JSON_PROCEED return
#endif

/* 17 takes the place to make it in */
#if PG_VERSION_NUM >= 170000
#define op_json_lexer(text) makeJsonLexContext(NULL, text, true)
#else
#define op_json_lexer(text) makeJsonLexContext(text, true)
#endif

#endif
