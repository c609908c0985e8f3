/*
 * gateway.c
 *	  The gateways of a store; see gateway.h.
 *
 * What a notification is judged by comes from the row alone, and never from the
 * message. The row is read as the owner of the table, whose policies for rows may
 * hide it from the role that asks: who may record may have a message judged.
 *
 * No error here shows the statement, for messages stand in those that ask.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "gateway.h"
#include "recorder.h"

#define TABLE		  "gateways"
#define TOLERANCE_MAX 86400 /* a day, as the constraint has it */

static const char *const protocol_names[] = {
	[OP_PROTOCOL_JSON] = "json",
	[OP_PROTOCOL_STANDARD_WEBHOOKS] = "standard_webhooks",
	[OP_PROTOCOL_STRIPE] = "stripe",
	[OP_PROTOCOL_ALIPAY] = "alipay",
	[OP_PROTOCOL_WECHATPAY_V3] = "wechatpay_v3",
	[OP_PROTOCOL_WECHATPAY_V2] = "wechatpay_v2",
};

StaticAssertDecl(lengthof(protocol_names) == OP_NPROTOCOLS, "every protocol has a name");

Oid
op_table_of_store(const char *store, const char *name)
{
	Oid result = get_relname_relid(name, get_namespace_oid(store, false));

	if (!OidIsValid(result) || (get_rel_relkind(result) != RELKIND_RELATION &&
								get_rel_relkind(result) != RELKIND_PARTITIONED_TABLE))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("schema \"%s\" has no table \"%s\"", store, name),
						errhint("Name a store; order_payment.upgrade_store() gives one of an earlier release what it lacks.")));
	return result;
}

void
op_require_recorder(const char *store)
{
	if (op_may_record(op_table_of_store(store, "payments")))
		return;
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied to use the secrets of gateways"),
					errdetail("Role \"%s\" may not record what gateways did in the store \"%s\".",
							  GetUserNameFromId(GetUserId(), false), store),
					errhint("The owner of the store may grant UPDATE (status) on its payments."), errhidestmt(true)));
}

/* ---------- the row ---------- */

enum
{
	COLUMN_PROTOCOL = 1,
	COLUMN_IS_MD5,
	COLUMN_TOLERANCE
};

/* The casts are for a table by that name which is none of ours. */
#define SELECT_GATEWAY \
	"SELECT protocol::pg_catalog.text," \
	" sign_type::pg_catalog.text OPERATOR(pg_catalog.=) 'MD5'," \
	" pg_catalog.date_part('epoch', notification_tolerance::pg_catalog.interval)" \
	" FROM %s WHERE gateway::pg_catalog.text OPERATOR(pg_catalog.=) $1"

static OpProtocol
protocol_of(HeapTuple row, TupleDesc desc, const char *gateway)
{
	char *name = SPI_getvalue(row, desc, COLUMN_PROTOCOL);

	for (int i = 0; name != NULL && i < OP_NPROTOCOLS; i++)
	{
		if (strcmp(protocol_names[i], name) == 0)
			return (OpProtocol) i;
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("gateway \"%s\" has no protocol", gateway),
					errhint("Set the column protocol of its row in the table %s.", TABLE),
					errhidestmt(true)));
	pg_unreachable();
}

static int64
tolerance_of(HeapTuple row, TupleDesc desc)
{
	bool   is_null;
	Datum  value = SPI_getbinval(row, desc, COLUMN_TOLERANCE, &is_null);
	float8 seconds = is_null ? 0 : DatumGetFloat8(value);

	/* also for what is not a number */
	if (!(seconds > 0))
		return 0;
	return seconds < TOLERANCE_MAX ? (int64) seconds : TOLERANCE_MAX;
}

static void
copy_row(HeapTuple row, TupleDesc desc, OpGateway *gateway)
{
	bool  is_null;
	Datum is_md5 = SPI_getbinval(row, desc, COLUMN_IS_MD5, &is_null);

	gateway->protocol = protocol_of(row, desc, gateway->name);
	gateway->is_md5 = !is_null && DatumGetBool(is_md5);
	gateway->tolerance = tolerance_of(row, desc);
}

void
op_read_gateway(const char *store, const char *name, OpGateway *gateway)
{
	Oid	  table = op_table_of_store(store, TABLE);
	Oid	  types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(name)};
	char *from = quote_qualified_identifier(store, TABLE);
	Oid	  userid;
	int	  context;

	gateway->store = store;
	gateway->name = name;
	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(op_owner_of(table), context | SECURITY_LOCAL_USERID_CHANGE |
												   SECURITY_NOFORCE_RLS);
	SPI_connect();
	if (SPI_execute_with_args(psprintf(SELECT_GATEWAY, from), lengthof(types), types, values, NULL,
							  true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read %s", from);
	if (SPI_processed == 0)
		ereport(ERROR, (errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
						errmsg("gateway \"%s\" does not exist", name),
						errhint("Insert it into the table %s first.", from), errhidestmt(true)));
	copy_row(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, gateway);
	SPI_finish();
	SetUserIdAndSecContext(userid, context);
}
