/*
 * password.c
 *	  The payment passwords of a store's customers: setting and checking them.
 *
 * attempt	a password is checked once. It is charged to the customer, and
 *			committed, by a background worker before the check begins: no
 *			ROLLBACK, cancel or kill takes it back. The right password clears
 *			the account, by the worker too; another one clears it by being there
 *			(password.sql), so one that is rolled back does not
 * locked	too many wrong ones: nothing is checked until a time that the account
 *			says (see password.sql)
 *
 * Who may do what is told by rights on columns of payment_passwords:
 *		INSERT (customer_id)	ask for a check; set a first password; change one by the old one
 *		UPDATE (verifier)		set one without the old one
 *
 * The table itself is read and written as its owner, in the transaction of the
 * caller. What is read is the latest that is committed, in every isolation
 * level: a password that was changed is of no use to an old transaction.
 */
#include "postgres.h"

#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "autonomous.h"
#include "check_slot.h"
#include "compat.h"
#include "errors.h"
#include "log_guard.h"
#include "password.h"
#include "sealed.h"
#include "settings.h"
#include "verifier.h"

#define LABEL "order_payment.payment_password"

/* The passwords of a store, and one customer of it. */
typedef struct Account
{
	const char *store;
	Oid			table; /* payment_passwords */
	Oid			attempts;
	Oid			owner; /* of the table */
	const char *name;  /* quoted, with its schema */
	Oid			type;  /* of customer_id */
	int16		typlen;
	bool		typbyval;
	Datum		customer;
	char	   *customer_text;
	OpSealed   *verifier; /* NULL: has no password */
	bytea	   *bound_to;
} Account;

/* ---------- errors, each said once ---------- */

static void
refuse_locked(int seconds)
{
	TimestampTz until =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), seconds * INT64CONST(1000));

	ereport(ERROR,
			(errcode(ERRCODE_OP_PASSWORD), errmsg("the payment password is locked"),
			 errdetail("Too many wrong ones were given."),
			 errhint("It can be given again after %s.", timestamptz_to_str(until)),
			 errhidestmt(true), errhidecontext(true)));
}

static void
refuse_password(const char *message, const char *hint)
{
	ereport(ERROR, (errcode(ERRCODE_OP_PASSWORD), errmsg_internal("%s", message),
					errhint("%s", hint), errhidestmt(true), errhidecontext(true)));
}

/* ---------- who and where ---------- */

/* Of the arguments it is the one that a second password is given as by mistake. */
Oid
op_store_schema(const char *store)
{
	if (!OidIsValid(get_namespace_oid(store, true)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_SCHEMA_NAME),
						errmsg("there is no schema of the name that was given as the store"),
						errhint("An old password is given by name: old_password => ..."),
						errhidestmt(true), errhidecontext(true)));
	return LookupExplicitNamespace(store, false);
}

static Oid
find_table(Oid schema, const char *store, const char *name)
{
	Oid result = get_relname_relid(name, schema);

	if (!OidIsValid(result) || get_rel_relkind(result) != RELKIND_RELATION)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("schema \"%s\" has no table \"%s\"", store, name),
						errhint("Name a store that create_store() made, and bring it up to date: order_payment.upgrade_store()."),
						errhidestmt(true)));
	return result;
}

static Oid
owner_of(Oid table)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(table));
	Oid		  result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", table);
	result = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return result;
}

static bool
has_right(Oid table, const char *column, AclMode right)
{
	return pg_class_aclcheck(table, GetUserId(), right) == ACLCHECK_OK ||
		   pg_attribute_aclcheck(table, get_attnum(table, column), GetUserId(), right) ==
			   ACLCHECK_OK;
}

static bool
may_override(const Account *account)
{
	return has_right(account->table, "verifier", ACL_UPDATE);
}

static void
require_right(const Account *account)
{
	if (has_right(account->table, "customer_id", ACL_INSERT) || may_override(account))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for the payment passwords of store \"%s\"", account->store),
			 errdetail("It takes the privilege INSERT (customer_id) on %s.", account->name),
			 errhint("create_store() grants it to the app_role."), errhidestmt(true)));
}

static bytea *
binding_of(const char *store, Oid type, Datum customer)
{
	Oid			  types[] = {TEXTOID, type};
	NullableDatum values[] = {{CStringGetTextDatum(store), false}, {customer, false}};

	return op_make_binding(LABEL, lengthof(types), types, values);
}

/* The customer, in the type of the table. */
static void
take_customer(Account *account, const char *customer)
{
	AttrNumber column = get_attnum(account->table, "customer_id");
	Oid		   collation;
	Oid		   function;
	Oid		   typioparam;
	int32	   typmod;
	bool	   is_varlena;

	if (column == InvalidAttrNumber)
		elog(ERROR, "table %s has no column customer_id", account->name);
	get_atttypetypmodcoll(account->table, column, &account->type, &typmod, &collation);
	get_typlenbyval(account->type, &account->typlen, &account->typbyval);
	getTypeInputInfo(account->type, &function, &typioparam);
	account->customer =
		OidInputFunctionCall(function, unconstify(char *, customer), typioparam, typmod);
	getTypeOutputInfo(account->type, &function, &is_varlena);
	account->customer_text = OidOutputFunctionCall(function, account->customer);
}

/* ---------- the table ---------- */

/* Runs a statement as the owner of the table, within SPI. $1: the customer; the others are text. */
static void
run_as_owner(const Account *account, const char *sql, const char *const *args, int nargs,
			 Snapshot snapshot)
{
	Oid		   types[4] = {account->type, TEXTOID, TEXTOID, TEXTOID};
	Datum	   values[4] = {account->customer};
	Oid		   userid;
	int		   context;
	SPIPlanPtr plan;
	int		   result;

	Assert(nargs < (int) lengthof(types));
	for (int i = 0; i < nargs; i++)
		values[i + 1] = CStringGetTextDatum(args[i]);
	GetUserIdAndSecContext(&userid, &context);
	SetUserIdAndSecContext(account->owner,
						   context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
	plan = SPI_prepare(sql, nargs + 1, types);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare returned %s", SPI_result_code_string(SPI_result));
	result = SPI_execute_snapshot(plan, values, NULL, snapshot, InvalidSnapshot, false, true, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute_snapshot returned %s", SPI_result_code_string(result));
	SetUserIdAndSecContext(userid, context);
}

/* The row as it is now. Its verifier is bound to the customer as the row spells it. */
static void
read_verifier(Account *account)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum		  value;
	bool		  isnull;

	account->verifier = NULL;
	SPI_connect();
	run_as_owner(account,
				 psprintf("SELECT customer_id, verifier FROM %s WHERE customer_id OPERATOR(pg_catalog.=) $1",
						  account->name),
				 NULL, 0, GetLatestSnapshot());
	if (SPI_processed > 0)
	{
		HeapTuple row = SPI_tuptable->vals[0];
		TupleDesc tupdesc = SPI_tuptable->tupdesc;

		MemoryContextSwitchTo(caller);
		value = SPI_getbinval(row, tupdesc, 2, &isnull);
		if (!isnull)
			account->verifier = (OpSealed *) PG_DETOAST_DATUM_COPY(value);
		value = SPI_getbinval(row, tupdesc, 1, &isnull);
		account->customer = datumCopy(value, account->typbyval, account->typlen);
	}
	SPI_finish();
	MemoryContextSwitchTo(caller);
	account->bound_to = binding_of(account->store, account->type, account->customer);
}

static char *
text_of(const OpSealed *verifier)
{
	OpBytes envelope = op_varlena_bytes(verifier);
	size_t	size = op_envelope_text_size(envelope.size);
	char   *result = palloc(size + 1);

	op_envelope_to_text(envelope, result);
	result[size] = '\0';
	return result;
}

/*
 * Has the statement on the customer's row touched it? $2 is the verifier, $3 the
 * id of its pepper, $4 the verifier that was read.
 */
static bool
write_verifier(const Account *account, const char *sql, const OpSealed *verifier, uint32 pepper_id)
{
	const char *args[] = {text_of(verifier), psprintf("%u", pepper_id),
						  account->verifier ? text_of(account->verifier) : ""};
	bool		result;

	SPI_connect();
	run_as_owner(account, psprintf(sql, account->name), args, lengthof(args), InvalidSnapshot);
	result = SPI_processed == 1;
	SPI_finish();
	return result;
}

/* ---------- the account of attempts ---------- */

/* Returns if the attempt is charged; an error if the customer is locked. */
static void
charge_attempt(const Account *account)
{
	const char *args[] = {psprintf("%u", account->attempts), account->customer_text,
						  psprintf("%u", account->table)};
	char	   *seconds =
		op_autonomous(OP_TASK_CHARGE_PASSWORD, account->attempts, args, lengthof(args));

	if (seconds != NULL)
		refuse_locked(pg_strtoint32(seconds));
}

/* Nothing is owed any more. renewed: a verifier in the place of the one that was read, or NULL. */
static void
clear_attempts(const Account *account, const OpSealed *renewed, uint32 pepper_id)
{
	const char *args[] = {psprintf("%u", account->attempts), account->customer_text,
						  psprintf("%u", account->table), renewed ? text_of(account->verifier) : NULL,
						  renewed ? text_of(renewed) : NULL, renewed ? psprintf("%u", pepper_id) : NULL};

	op_autonomous(OP_TASK_CLEAR_PASSWORD, account->attempts, args, lengthof(args));
}

/* ---------- checking and setting ---------- */

static void
open_account(Account *account, const char *store, const char *customer)
{
	Oid schema = op_store_schema(store);

	account->store = store;
	account->table = find_table(schema, store, "payment_passwords");
	account->attempts = find_table(schema, store, "payment_password_attempts");
	account->owner = owner_of(account->table);
	account->name = quote_qualified_identifier(store, "payment_passwords");
	require_right(account);
	take_customer(account, customer);
	read_verifier(account);
}

/*
 * Charges, checks, and clears; what could not be checked is not charged. A
 * customer without a password takes as long.
 */
static bool
check(const Account *account, const text *password, bool is_renewed)
{
	OpBytes	  bound_to = op_varlena_bytes(account->bound_to);
	OpSealed *renewed = NULL;
	uint32	  pepper_id = 0;

	op_require_verifiable(account->verifier, bound_to);
	charge_attempt(account);
	if (!op_is_password(account->verifier, bound_to, password))
		return false;
	if (is_renewed && op_is_verifier_outdated(account->verifier, bound_to))
		renewed = op_make_verifier(password, bound_to, &pepper_id);
	clear_attempts(account, renewed, pepper_id);
	return true;
}

bool
op_check_payment_password(const char *store, const char *customer, const text *password)
{
	Account		account;
	bool		result;
	OpCheckSlot slot;

	op_require_log_guard("payment passwords", "");
	PreventCommandDuringRecovery("verify_payment_password()");
	open_account(&account, store, customer);
	slot = op_take_check_slot(account.owner);
	result = check(&account, password, true);
	op_release_check_slot(&slot);
	return result;
}

static void
require_good(const text *password)
{
	int n = pg_mbstrlen_with_len(VARDATA_ANY(password), (int) VARSIZE_ANY_EXHDR(password));

	if (n >= OP_PASSWORD_MIN && n <= OP_PASSWORD_MAX)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("a payment password has %d to %d characters", OP_PASSWORD_MIN, OP_PASSWORD_MAX),
			 errhidestmt(true), errhidecontext(true)));
}

/*
 * Is the caller allowed to set it, as things stand? By the old password, if it
 * is given; else if there is none yet, or by the right to do without.
 */
static void
require_change(const Account *account, const text *old_password)
{
	if (old_password != NULL)
	{
		if (!check(account, old_password, false))
			refuse_password("the old payment password is wrong",
							"After too many wrong ones it is locked for a while.");
	}
	else if (account->verifier != NULL && !may_override(account))
		refuse_password("the customer has a payment password",
						"Give the old one as old_password. A role with the privilege UPDATE (verifier) on payment_passwords sets one without it.");
}

#define INSERT_FIRST \
	"INSERT INTO %s AS p (customer_id, verifier, pepper_id)" \
	" VALUES ($1, $2::order_payment.sealed, $3::pg_catalog.int4)" \
	" ON CONFLICT (customer_id) DO NOTHING"
#define REPLACE_READ \
	"UPDATE %s AS p SET verifier = $2::order_payment.sealed, pepper_id = $3::pg_catalog.int4," \
	" set_at = pg_catalog.clock_timestamp()" \
	" WHERE p.customer_id OPERATOR(pg_catalog.=) $1" \
	" AND p.verifier::pg_catalog.text OPERATOR(pg_catalog.=) $4"

static void
set_password(const Account *account, const text *password)
{
	uint32	  pepper_id;
	OpSealed *verifier =
		op_make_verifier(password, op_varlena_bytes(account->bound_to), &pepper_id);

	if (!write_verifier(account, account->verifier ? REPLACE_READ : INSERT_FIRST, verifier,
						pepper_id))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("the payment password was changed by another session"),
						errhint("Try again."), errhidestmt(true), errhidecontext(true)));
}

/* ---------- the functions ---------- */

/*
 * customer, password, store. The functions are not STRICT: who tests for false
 * would take NULL for the right password.
 */
static void
require_arguments(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the store may not be null"),
				 errhint("Name it, or leave the argument out: then it is the one that the search_path finds."),
				 errhidestmt(true)));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("customer and password may not be null"), errhidestmt(true)));
}

PG_FUNCTION_INFO_V1(op_verify_payment_password);

/* (customer_id, password, store) */
Datum
op_verify_payment_password(PG_FUNCTION_ARGS)
{
	require_arguments(fcinfo);
	PG_RETURN_BOOL(op_check_payment_password(NameStr(*PG_GETARG_NAME(2)),
											 text_to_cstring(PG_GETARG_TEXT_PP(0)),
											 PG_GETARG_TEXT_PP(1)));
}

PG_FUNCTION_INFO_V1(op_set_payment_password);

/* (customer_id, password, store, old_password) */
Datum
op_set_payment_password(PG_FUNCTION_ARGS)
{
	Account		account;
	text	   *password;
	OpCheckSlot slot;

	require_arguments(fcinfo);
	op_require_log_guard("payment passwords", "");
	PreventCommandDuringRecovery("set_payment_password()");
	PreventCommandIfReadOnly("set_payment_password()");
	password = PG_GETARG_TEXT_PP(1);
	require_good(password);
	open_account(&account, NameStr(*PG_GETARG_NAME(2)), text_to_cstring(PG_GETARG_TEXT_PP(0)));
	slot = op_take_check_slot(account.owner);
	require_change(&account, PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3));
	set_password(&account, password);
	op_release_check_slot(&slot);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(op_rebind_verifier);

/* (verifier, customer_id, former_store, store) */
Datum
op_rebind_verifier(PG_FUNCTION_ARGS)
{
	Oid type = get_fn_expr_argtype(fcinfo->flinfo, 1);

	PG_RETURN_SEALED_P(op_bind_verifier(
		PG_GETARG_SEALED_P(0),
		op_varlena_bytes(binding_of(NameStr(*PG_GETARG_NAME(2)), type, PG_GETARG_DATUM(1))),
		op_varlena_bytes(binding_of(NameStr(*PG_GETARG_NAME(3)), type, PG_GETARG_DATUM(1)))));
}
