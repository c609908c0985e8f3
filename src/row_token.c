/*
 * row_token.c
 *	  Cards that were sealed outside, in tables; see row_token.h.
 *
 * The use of a token is a row, stored by the transaction that stores the card:
 * if it is rolled back, the token is as good as before. Its key makes a second
 * session wait for the first, as for any unique key.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "link.h"
#include "row_token.h"
#include "sealed_card.h"
#include "trigger_call.h"

/* ---------- the order of a row ---------- */

/* The column that says which order a row is of. */
static AttrNumber
order_column(const OpProtection *protection, Relation rel)
{
	if (protection->order != 0)
		return protection->order;
	if (protection->nkey == 1)
		return protection->key[0];
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("table \"%s\" takes no cards that were sealed outside",
						   RelationGetRelationName(rel)),
					errdetail("The key of its rows has several columns, and its trigger protect_card() names none as order=."),
					errhint("Protect it by order_payment.protect_card_columns() with order_column and tokens."),
					errhidestmt(true), errtable(rel)));
	return 0;
}

static char *
text_of(Relation rel, AttrNumber column, NullableDatum value)
{
	Oid	 type = TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypid;
	Oid	 output;
	bool is_varlena;

	getTypeOutputInfo(type, &output, &is_varlena);
	return OidOutputFunctionCall(output, value.value);
}

static OpBytes
in_utf8(char *text)
{
	char *utf8 = pg_server_to_any(text, (int) strlen(text), PG_UTF8);

	return (OpBytes){(const uint8 *) utf8, strlen(utf8)};
}

OpTokenScope
op_row_scope(const OpProtection *protection, Relation rel, TupleTableSlot *row)
{
	AttrNumber	  column = order_column(protection, rel);
	NullableDatum value = op_value_in(row, column);

	if (value.isnull)
		op_refuse_sealed_card();
	return (OpTokenScope){op_root_of(rel), in_utf8(text_of(rel, column, value))};
}

/* ---------- using a token ---------- */

op_noreturn static void
refuse_tokens(Relation rel, const char *tokens, int code, const char *detail)
{
	ereport(ERROR,
			(errcode(code),
			 errmsg("the use of a token cannot be recorded in table \"%s\"", tokens),
			 errdetail_internal("%s", detail),
			 errhint("The trigger protect_card() of table \"%s\" names it as tokens=; order_payment.protect_card_columns() makes such a table.",
					 RelationGetRelationName(rel)),
			 errhidestmt(true)));
}

/* The table of used tokens: beside this one, or the root of its partitions, and of its owner. */
static Oid
tokens_table(const OpProtection *protection, Relation rel)
{
	Oid		  root = op_root_of(rel);
	Oid		  tokens = get_relname_relid(protection->tokens, get_rel_namespace(root));
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(tokens));
	Oid		  owner;

	if (!HeapTupleIsValid(tuple))
		refuse_tokens(rel, protection->tokens, ERRCODE_UNDEFINED_TABLE, "It does not exist.");
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	if (owner != rel->rd_rel->relowner)
		refuse_tokens(rel, protection->tokens, ERRCODE_INSUFFICIENT_PRIVILEGE,
					  "It belongs to another role.");
	return tokens;
}

/* "payment_id='0190...'": which row it is, to a token */
static char *
user_of(const OpProtection *protection, Relation rel, TupleTableSlot *row)
{
	StringInfoData user;

	initStringInfo(&user);
	for (int i = -1; i < protection->nkey; i++)
	{
		AttrNumber	  column = i < 0 ? protection->request : protection->key[i];
		NullableDatum value = {0, true};

		if (column != 0)
			value = op_value_in(row, column);
		if (value.isnull)
			continue;
		appendStringInfo(&user, "%s%s=%s", user.len > 0 ? "," : "",
						 NameStr(TupleDescAttr(RelationGetDescr(rel), column - 1)->attname),
						 quote_literal_cstr(text_of(rel, column, value)));
		if (i < 0)
			break;
	}
	return user.data;
}

static char *
statement_for(Oid tokens)
{
	return psprintf("INSERT INTO %s AS t (order_id, token, used_by, expires_at) VALUES ($1, $2, $3, $4) "
					"ON CONFLICT (order_id, token) DO UPDATE SET used_by = t.used_by "
					"WHERE t.used_by OPERATOR(pg_catalog.=) excluded.used_by",
					quote_qualified_identifier(get_namespace_name(get_rel_namespace(tokens)),
											   get_rel_name(tokens)));
}

void
op_use_token(const OpProtection *protection, Relation rel, TupleTableSlot *row,
			 const OpToken *token)
{
	Oid	   types[] = {InvalidOid, BYTEAOID, TEXTOID, TIMESTAMPTZOID};
	Datum  values[4];
	bytea *id;
	char  *statement;
	Oid	   userid;
	int	   context;
	int	   result;

	if (protection->tokens == NULL)
		return;
	statement = statement_for(tokens_table(protection, rel));
	id = palloc(VARHDRSZ + OP_TOKEN_ID_SIZE);
	SET_VARSIZE(id, VARHDRSZ + OP_TOKEN_ID_SIZE);
	memcpy(VARDATA(id), token->id, OP_TOKEN_ID_SIZE);
	types[0] = TupleDescAttr(RelationGetDescr(rel), protection->order - 1)->atttypid;
	values[0] = op_value_in(row, protection->order).value;
	values[1] = PointerGetDatum(id);
	values[2] = CStringGetTextDatum(user_of(protection, rel, row));
	values[3] = TimestampTzGetDatum(token->expires_at);

	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(rel->rd_rel->relowner,
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	SPI_connect();
	result = SPI_execute_with_args(statement, lengthof(types), types, values, NULL, false, 0);
	if (result != SPI_OK_INSERT)
		elog(ERROR, "SPI_execute_with_args returned %s", SPI_result_code_string(result));
	if (SPI_processed == 0)
		op_refuse_sealed_card();
	SPI_finish();
	SetUserIdAndSecContext(userid, context);
}

/* ---------- issuing one ---------- */

static void
require_writer(Relation rel)
{
	Oid relid = RelationGetRelid(rel);
	Oid user = GetUserId();

	if (pg_class_aclmask(relid, user, ACL_INSERT | ACL_UPDATE, ACLMASK_ANY) == 0 &&
		pg_attribute_aclcheck_all(relid, user, ACL_INSERT, ACLMASK_ANY) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(relid, user, ACL_UPDATE, ACLMASK_ANY) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(rel->rd_rel->relkind),
					   RelationGetRelationName(rel));
}

op_noreturn static void
refuse_unprotected(Relation rel)
{
	ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
					errmsg("table \"%s\" is not protected by protect_card()",
						   RelationGetRelationName(rel)),
					errhint("Protect it by order_payment.protect_card_columns()."), errtable(rel)));
}

PG_FUNCTION_INFO_V1(op_card_token);

/* (target, order_id, lifetime): for those who may write into the table */
Datum
op_card_token(PG_FUNCTION_ARGS)
{
	Relation			rel = op_open_named(PG_GETARG_OID(0));
	const OpProtection *protection = op_protection_of_table(rel);
	OpTokenScope		scope;
	char			   *token;

	if (protection == NULL)
		refuse_unprotected(rel);
	require_writer(rel);
	order_column(protection, rel);
	scope = (OpTokenScope){op_root_of(rel), in_utf8(text_to_cstring(PG_GETARG_TEXT_PP(1)))};
	token = op_make_token(&scope, PG_GETARG_INTERVAL_P(2));
	table_close(rel, AccessShareLock);
	PG_RETURN_TEXT_P(cstring_to_text(token));
}
