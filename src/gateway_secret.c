/*
 * gateway_secret.c
 *	  The secrets of gateways: how they come in, and how they are used.
 *
 * table	gateway_secrets of a store
 * place	the gateway and kind that a secret is for
 *
 * A secret comes sealed (secret_blob.c), or from a file in a directory that a
 * superuser has set, is read as its kind wants it, and sealed again under a data
 * key, bound to gateway, kind and the id of its row. Bound by the names that
 * the row itself has, it stays good when the store is renamed or restored under
 * another name; that somebody who owns another store of the database cannot
 * copy it there is for the rights on the column to say, which nobody has but
 * the owner.
 *
 * Whoever may INSERT into the table may bring a secret: the statement runs with
 * the rights of the caller. Whoever may record what gateways did (recorder.h)
 * may have it used, and no more than that: the table is read as its owner.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "errors.h"
#include "gateway.h"
#include "gateway_secret.h"
#include "memory.h"
#include "recorder.h"
#include "sealed.h"
#include "secret_blob.h"
#include "secret_file.h"
#include "settings.h"
#include "uuid_v7.h"

#define TABLE "gateway_secrets"
#define LABEL "gateway_secret"

StaticAssertDecl(OP_SECRET_MAX == OP_PLAIN_MAX, "an envelope holds any secret");

/* ---------- the table ---------- */

static char *
qualified(const char *store)
{
	return quote_qualified_identifier(store, TABLE);
}

static bytea *
binding_of(const char *gateway, const char *kind, Datum secret_id)
{
	const Oid			types[] = {TEXTOID, TEXTOID, UUIDOID};
	const NullableDatum values[] = {
		{CStringGetTextDatum(gateway), false},
		{CStringGetTextDatum(kind), false},
		{secret_id, false}};

	return op_make_binding(LABEL, lengthof(types), types, values);
}

static Oid
sealed_type(void)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, CStringGetDatum("sealed"),
						   ObjectIdGetDatum(get_namespace_oid("order_payment", false)));
}

/* ---------- bringing one ---------- */

/* The arguments of both functions. */
enum
{
	ARG_GATEWAY,
	ARG_KIND,
	ARG_SOURCE, /* blob or name of the file */
	ARG_VALID_FROM,
	ARG_VALID_UNTIL,
	ARG_KEY_NAME,
	ARG_STORE
};

/* Those of the INSERT. */
enum
{
	COLUMN_GATEWAY,
	COLUMN_KIND,
	COLUMN_SECRET_ID,
	COLUMN_SECRET,
	COLUMN_VALID_FROM,
	COLUMN_VALID_UNTIL,
	COLUMN_KEY_NAME,
	NCOLUMNS
};

/* Takes what was given out of its source. The caller cleanses it. */
typedef void (*SourceFunction)(const OpSecretPlace *place, text *source, OpSecret *given);

static void
require_arguments(FunctionCallInfo fcinfo)
{
	for (int i = 0; i <= ARG_STORE; i++)
	{
		if (PG_ARGISNULL(i) && i != ARG_VALID_UNTIL && i != ARG_KEY_NAME)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("only valid_until and key_name of a gateway's secret may be null"),
					 errhint("The store that is left out is the one that the search_path finds.")));
	}
}

static OpSecretKind
kind_of(const char *name)
{
	OpSecretKind   kind;
	StringInfoData names;

	if (op_secret_kind_by_name(name, &kind))
		return kind;
	initStringInfo(&names);
	for (int i = 0; i < OP_NSECRET_KINDS; i++)
		appendStringInfo(&names, "%s%s", i == 0 ? "" : ", ", op_secret_kinds[i].name);
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("there is no such kind of a gateway's secret"),
					errhint("The kinds are: %s.", names.data), errhidestmt(true)));
	pg_unreachable();
}

/* Before anything is opened or read. */
static void
require_insert(Oid table)
{
	AclResult result = pg_class_aclcheck(table, GetUserId(), ACL_INSERT);

	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_TABLE, get_rel_name(table));
}

static OpSealed *
seal_secret(const OpSecretPlace *place, OpSecretKind kind, Datum secret_id, SourceFunction take,
			text *source)
{
	const OpSecretKindInfo *info = &op_secret_kinds[kind];
	bytea				   *binding = binding_of(place->gateway, place->kind, secret_id);
	OpSecret				given;
	OpSecret				kept;
	OpSealed *volatile result = NULL;

	PG_TRY();
	{
		take(place, source, &given);
		if (!info->read((OpBytes){given.data, given.size}, &kept))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("this is no secret of the kind \"%s\"", info->name),
							errdetail_internal("%s", info->rule), errhidestmt(true)));
		result = op_seal_bytes(OP_FIELD_SECRET, op_varlena_bytes(binding),
							   (OpBytes){kept.data, kept.size});
	}
	PG_FINALLY();
	{
		op_cleanse(&given, sizeof(given));
		op_cleanse(&kept, sizeof(kept));
	}
	PG_END_TRY();
	return result;
}

static void
insert_secret(const char *store, Datum *values, const bool *nulls)
{
	const Oid types[NCOLUMNS] = {TEXTOID, TEXTOID, UUIDOID, sealed_type(),
								 TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID};
	char	  spi_nulls[NCOLUMNS];
	char	 *insert = psprintf("INSERT INTO %s (gateway, kind, secret_id, secret, valid_from,"
									" valid_until, key_name) VALUES ($1, $2, $3, $4, $5, $6, $7)",
								qualified(store));

	for (int i = 0; i < NCOLUMNS; i++)
		spi_nulls[i] = nulls[i] ? 'n' : ' ';
	SPI_connect();
	if (SPI_execute_with_args(insert, NCOLUMNS, (Oid *) types, values, spi_nulls, false, 0) !=
		SPI_OK_INSERT)
		elog(ERROR, "could not insert into %s", qualified(store));
	SPI_finish();
}

static Datum
set_secret(FunctionCallInfo fcinfo, SourceFunction take)
{
	OpSecretPlace place;
	OpSecretKind  kind;
	Datum		  values[NCOLUMNS];
	bool		  nulls[NCOLUMNS] = {false};

	require_arguments(fcinfo);
	place.gateway = text_to_cstring(PG_GETARG_TEXT_PP(ARG_GATEWAY));
	place.kind = text_to_cstring(PG_GETARG_TEXT_PP(ARG_KIND));
	place.store = NameStr(*PG_GETARG_NAME(ARG_STORE));
	kind = kind_of(place.kind);
	require_insert(op_table_of_store(place.store, TABLE));
	op_protect_memory();

	values[COLUMN_GATEWAY] = PG_GETARG_DATUM(ARG_GATEWAY);
	values[COLUMN_KIND] = PG_GETARG_DATUM(ARG_KIND);
	values[COLUMN_SECRET_ID] = UUIDPGetDatum(op_make_uuid_v7());
	values[COLUMN_SECRET] = SealedPGetDatum(seal_secret(
		&place, kind, values[COLUMN_SECRET_ID], take, PG_GETARG_TEXT_PP(ARG_SOURCE)));
	values[COLUMN_VALID_FROM] = PG_GETARG_DATUM(ARG_VALID_FROM);
	values[COLUMN_VALID_UNTIL] = PG_GETARG_DATUM(ARG_VALID_UNTIL);
	nulls[COLUMN_VALID_UNTIL] = PG_ARGISNULL(ARG_VALID_UNTIL);
	values[COLUMN_KEY_NAME] = PG_GETARG_DATUM(ARG_KEY_NAME);
	nulls[COLUMN_KEY_NAME] = PG_ARGISNULL(ARG_KEY_NAME);
	insert_secret(place.store, values, nulls);
	PG_RETURN_DATUM(values[COLUMN_SECRET_ID]);
}

static void
take_from_blob(const OpSecretPlace *place, text *source, OpSecret *given)
{
	op_open_secret_blob(place, op_varlena_bytes(source), given);
}

PG_FUNCTION_INFO_V1(op_set_gateway_secret);

/* (gateway, kind, blob, valid_from, valid_until, key_name, store) */
Datum
op_set_gateway_secret(PG_FUNCTION_ARGS)
{
	return set_secret(fcinfo, take_from_blob);
}

/* ---------- from a file ---------- */

#define REFUSAL "the file with a gateway's secret cannot be read"

static const OpSecretFile secret_file = {
	.code = ERRCODE_INVALID_PARAMETER_VALUE,
	.refusal = REFUSAL,
	.place_hint = "Set order_payment.secret_directory to the absolute path of a directory outside of the data directory.",
	.size_hint = "It is to hold one secret and nothing else.",
	.max_size = OP_SECRET_MAX,
};

static void
take_from_file(const OpSecretPlace *place, text *source, OpSecret *given)
{
	char *name = text_to_cstring(source);
	char  buffer[OP_SECRET_MAX + 1];

	if (op_secret_directory == NULL || op_secret_directory[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg(REFUSAL),
						errdetail("No directory is set."),
						errhint("Set order_payment.secret_directory in postgresql.conf, and reload the configuration; or send the secret sealed, by order_payment.set_gateway_secret().")));
	if (name[0] == '\0' || name[0] == '.' || strpbrk(name, "/\\") != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg(REFUSAL),
						errdetail("The name of a file is to have no slash, and no dot in front."),
						errhint("Name a file in order_payment.secret_directory, without its path.")));
	op_check_secret_directory(&secret_file, op_secret_directory);
	given->size = op_read_secret_file(&secret_file, psprintf("%s/%s", op_secret_directory, name),
									  buffer);
	memcpy(given->data, buffer, given->size);
	op_cleanse(buffer, sizeof(buffer));
}

PG_FUNCTION_INFO_V1(op_set_gateway_secret_from_file);

/* (gateway, kind, file, valid_from, valid_until, key_name, store) */
Datum
op_set_gateway_secret_from_file(PG_FUNCTION_ARGS)
{
	return set_secret(fcinfo, take_from_file);
}

/* ---------- using ---------- */

/* A row, in the caller's memory. */
typedef struct SecretRow
{
	Datum	  secret_id;
	OpSealed *sealed;
	char	 *key_name;
} SecretRow;

/* The casts are for a table by that name which is none of ours. */
#define SELECT_VALID \
	"SELECT secret_id::pg_catalog.uuid, secret::order_payment.sealed, key_name::pg_catalog.text FROM %s" \
	" WHERE gateway OPERATOR(pg_catalog.=) $1 AND kind OPERATOR(pg_catalog.=) $2" \
	" AND valid_from OPERATOR(pg_catalog.<=) pg_catalog.statement_timestamp()" \
	" AND (valid_until IS NULL OR valid_until OPERATOR(pg_catalog.>) pg_catalog.statement_timestamp())" \
	" ORDER BY valid_from DESC, created_at DESC, secret_id DESC"

static void
copy_row(HeapTuple tuple, TupleDesc desc, MemoryContext memory, SecretRow *row)
{
	MemoryContext spi = MemoryContextSwitchTo(memory);
	bool		  is_null;
	Datum		  value = SPI_getbinval(tuple, desc, 1, &is_null);

	row->secret_id = is_null ? (Datum) 0 : datumCopy(value, false, UUID_LEN);
	value = SPI_getbinval(tuple, desc, 2, &is_null);
	row->sealed = is_null ? NULL : (OpSealed *) PG_DETOAST_DATUM_COPY(value);
	value = SPI_getbinval(tuple, desc, 3, &is_null);
	row->key_name = is_null ? NULL : TextDatumGetCString(value);
	MemoryContextSwitchTo(spi);
	if (row->secret_id == (Datum) 0 || row->sealed == NULL)
		ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION),
						errmsg("a gateway's secret is null")));
}

/* As the owner of the table: rows of every policy. */
static SecretRow *
read_valid(Oid table, const char *store, const char *gateway, const char *kind, int *n)
{
	MemoryContext memory = CurrentMemoryContext;
	Oid			  types[] = {TEXTOID, TEXTOID};
	Datum		  values[] = {CStringGetTextDatum(gateway), CStringGetTextDatum(kind)};
	char		 *select = psprintf(SELECT_VALID, qualified(store));
	SecretRow	 *rows;
	Oid			  userid;
	int			  context;

	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(op_owner_of(table), context | SECURITY_LOCAL_USERID_CHANGE |
												   SECURITY_NOFORCE_RLS);
	SPI_connect();
	if (SPI_execute_with_args(select, lengthof(types), types, values, NULL, true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "could not read %s", qualified(store));
	*n = (int) SPI_processed;
	rows = MemoryContextAlloc(memory, (*n + 1) * sizeof(SecretRow));
	for (int i = 0; i < *n; i++)
		copy_row(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, memory, &rows[i]);
	SPI_finish();
	SetUserIdAndSecContext(userid, context);
	return rows;
}

static bool
use_row(const SecretRow *row, const bytea *binding, OpSecretUse use, void *context)
{
	uint8		  plain[OP_PLAIN_MAX];
	size_t		  size = 0;
	volatile bool done = false;

	if (!op_open_sealed(row->sealed, OP_FIELD_SECRET, op_varlena_bytes(binding), OP_OPEN_TO_SHOW,
						plain, &size))
		op_refuse_to_open();
	PG_TRY();
	{
		done = use(&(OpGatewaySecret){.secret = {plain, size}, .key_name = row->key_name}, context);
	}
	PG_FINALLY();
	{
		op_cleanse(plain, sizeof(plain));
	}
	PG_END_TRY();
	return done;
}

bool
op_use_gateway_secrets(const char *store, const char *gateway, OpSecretKind kind, OpSecretUse use,
					   void *context, int *n)
{
	const char *name = op_secret_kinds[kind].name;
	Oid			table = op_table_of_store(store, TABLE);
	SecretRow  *rows;
	int			found;

	op_require_recorder(store);
	rows = read_valid(table, store, gateway, name, &found);
	for (*n = 0; *n < found;)
	{
		const SecretRow *row = &rows[(*n)++];

		if (use_row(row, binding_of(gateway, name, row->secret_id), use, context))
			return true;
	}
	return false;
}

void
op_refuse_without_secret(OpSecretKind kind)
{
	ereport(ERROR, (errcode(ERRCODE_OP_NO_KEY),
					errmsg("the gateway has no valid secret of the kind \"%s\"",
						   op_secret_kinds[kind].name),
					errhint("Agree on one with the gateway, and bring it by order_payment.set_gateway_secret()."), errhidestmt(true)));
	pg_unreachable();
}

/* ---------- is a stored secret sound? ---------- */

PG_FUNCTION_INFO_V1(op_gateway_secret_opens);

/* (gateway, kind, secret_id, secret) */
Datum
op_gateway_secret_opens(PG_FUNCTION_ARGS)
{
	char  *gateway = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char  *kind = text_to_cstring(PG_GETARG_TEXT_PP(1));
	bytea *binding = binding_of(gateway, kind, PG_GETARG_DATUM(2));
	uint8  plain[OP_PLAIN_MAX];
	size_t size;
	bool   opens = op_open_sealed(PG_GETARG_SEALED_P(3), OP_FIELD_SECRET,
								  op_varlena_bytes(binding), OP_OPEN_TO_RESEAL, plain, &size);

	if (opens)
		op_cleanse(plain, size);
	PG_RETURN_BOOL(opens);
}
