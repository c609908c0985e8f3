/*
 * reveal_log.c
 *	  The record of each reveal, and the budget of each role.
 *
 * reveal	somebody gets to know a secret, or whether a number is known
 * record	the row of reveal_log that says so; it is committed before the secret
 *			is computed, by autonomous.c, and copied to the server log
 * budget	how many units a role may use in each hour of the clock:
 *			order_payment.reveal_budget
 *
 * The role that is charged is the one with whose rights the function runs:
 * within SECURITY DEFINER the definer, so session_role is recorded as well.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "autonomous.h"
#include "compat.h"
#include "errors.h"
#include "redact.h"
#include "reveal_log.h"
#include "settings.h"

/* Nobody fills the disk with rows that no ROLLBACK takes back: longer texts are cut. */
#define MAX_TEXT 1024

/* The arguments of record_reveal(), in its order. */
enum
{
	ARG_WHAT,
	ARG_FIELD,
	ARG_KEY_ID,
	ARG_BOUND_TO,
	ARG_UNITS,
	ARG_BUDGET,
	ARG_ROLE,
	ARG_SESSION_ROLE,
	ARG_CLIENT_ADDRESS,
	ARG_APPLICATION_NAME,
	ARG_BACKEND_PID,
	ARG_XID,
	ARG_ACTOR,
	ARG_REASON,
	NARGS
};

/* NULL over a socket of this machine, and in a background worker. */
static char *
client_address(void)
{
	LOCAL_FCINFO(fcinfo, 0);
	Datum result;

	InitFunctionCallInfoData(*fcinfo, NULL, 0, InvalidOid, NULL, NULL);
	result = inet_client_addr(fcinfo);
	return fcinfo->isnull ? NULL : DatumGetCString(DirectFunctionCall1(inet_out, result));
}

static char *
current_xid(void)
{
	FullTransactionId xid = GetTopFullTransactionIdIfAny();

	return FullTransactionIdIsValid(xid) ? psprintf(UINT64_FORMAT, U64FromFullTransactionId(xid))
										 : NULL;
}

static char *
hex_of(const void *bytes, size_t size)
{
	char *result = palloc(2 * size + 3);

	memcpy(result, "\\x", 2);
	result[2 + hex_encode(bytes, size, result + 2)] = '\0';
	return result;
}

/* NULL if it is not set. What is kept for ever holds no card number. */
static const char *
remark(const char *setting)
{
	char *result;

	if (setting == NULL || setting[0] == '\0')
		return NULL;
	result = pnstrdup(setting, pg_mbcliplen(setting, strlen(setting), MAX_TEXT));
	op_redact_card_numbers(result, strlen(result));
	return result;
}

static void
describe(const OpReveal *reveal, const char **args)
{
	args[ARG_WHAT] = reveal->what;
	args[ARG_FIELD] = reveal->field;
	args[ARG_KEY_ID] = psprintf("%d", reveal->key_id);
	if (reveal->bound_to != NULL)
		args[ARG_BOUND_TO] = hex_of(reveal->bound_to, Min(reveal->bound_to_size, MAX_TEXT));
	args[ARG_UNITS] = psprintf("%d", reveal->units);
	args[ARG_BUDGET] = psprintf("%d", op_reveal_budget);
	args[ARG_ROLE] = psprintf("%u", GetUserId());
	args[ARG_SESSION_ROLE] = GetUserNameFromId(GetSessionUserId(), false);
	args[ARG_CLIENT_ADDRESS] = client_address();
	args[ARG_APPLICATION_NAME] = remark(application_name);
	args[ARG_BACKEND_PID] = psprintf("%d", MyProcPid);
	args[ARG_XID] = current_xid();
	args[ARG_ACTOR] = remark(op_actor);
	args[ARG_REASON] = remark(op_reason);
}

/* The table may be tampered with by who owns it; the server's log is elsewhere. */
static void
log_reveal(const char *const *args, bool is_granted)
{
	ereport(LOG_SERVER_ONLY,
			(errcode(ERRCODE_SUCCESSFUL_COMPLETION),
			 errmsg("%s %s role \"%s\"", args[ARG_WHAT], is_granted ? "by" : "refused to",
					GetUserNameFromId(GetUserId(), false)),
			 errdetail_log("Field %s, key %s, units %s, bound to %s, session role \"%s\".",
						   args[ARG_FIELD], args[ARG_KEY_ID], args[ARG_UNITS],
						   args[ARG_BOUND_TO] ? args[ARG_BOUND_TO] : "nothing",
						   args[ARG_SESSION_ROLE]),
			 errhidestmt(true),
			 errhidecontext(true)));
}

static Oid
log_table(void)
{
	Oid result = get_relname_relid("reveal_log", get_namespace_oid("order_payment", false));

	if (!OidIsValid(result))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"order_payment.reveal_log\" is not there"),
				 errhint("Update the extension: ALTER EXTENSION order_payment UPDATE."),
				 errhidestmt(true)));
	return result;
}

void
op_record_reveal(const OpReveal *reveal)
{
	const char *args[NARGS] = {NULL};
	const char *answer;
	bool		is_granted;

	Assert(reveal->units > 0);
	describe(reveal, args);
	answer = op_autonomous(OP_TASK_RECORD_REVEAL, log_table(), args, NARGS);
	is_granted = answer != NULL && strcmp(answer, "t") == 0;
	log_reveal(args, is_granted);
	if (is_granted)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OP_MAY_NOT_REVEAL),
			 errmsg("nothing is revealed, for the budget of role \"%s\" is used up",
					GetUserNameFromId(GetUserId(), false)),
			 errdetail("The setting order_payment.reveal_budget allows it %d in each hour of the clock.",
					   op_reveal_budget),
			 errhint("Wait for the next hour, or let a superuser raise it: ALTER ROLE ... SET order_payment.reveal_budget."),
			 errhidestmt(true),
			 errhidecontext(true)));
}
