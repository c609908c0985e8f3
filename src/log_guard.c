/*
 * log_guard.c
 *	  Keeps card data out of the server log and of pg_stat_activity.
 *
 * Works only where the library is in shared_preload_libraries: a statement is
 * logged before anything in it can make the server load a library, and the
 * postmaster itself logs what a crashed backend was running.
 *
 * Log		emit_log_hook sees every record before it is written, in whatever
 *			form and by whatever process. A record is delicate if one of its texts,
 *			or the statement it belongs to, holds a card number or names what
 *			takes secrets; then statements, bind parameters and values go from all
 *			its texts, see withhold.c. Card numbers go from any text anyway. The
 *			client gets what is left: never more than the log.
 *
 * Activity	pg_stat_activity shows a statement before anything may be done about
 *			that. Parse analysis, execution, a utility command, a log record and
 *			the end of a transaction (a statement may fail to parse) are the first
 *			moments at which an extension comes to see it; the text is edited then,
 *			see activity.c. What remains: the text of a statement with a literal
 *			stands there while its first parse analysis waits for a lock on a
 *			table, and after an error in a transaction that has failed already
 *			where log_min_messages is above error.
 *
 * In the hook of a record nothing is allocated and nothing is raised: it runs
 * in the postmaster, in critical sections, out of memory and within PANIC. The
 * texts of a record were allocated for it and end with it, so they are edited
 * in place.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "parser/analyze.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/errcodes.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "activity.h"
#include "compat.h"
#include "errors.h"
#include "log_guard.h"
#include "redact.h"
#include "secret_words.h"
#include "settings.h"
#include "withhold.h"

/* how messages of the server show a name, and how those of a table begin */
#define QUOTED_NAME "\"%s\""
#define RELATION	"relation \"%s"

static bool is_installed = false;
static bool log_guard_variable = false; /* never read: the setting has a show function */

static emit_log_hook_type			previous_emit_log = NULL;
static post_parse_analyze_hook_type previous_post_parse_analyze = NULL;
static ExecutorStart_hook_type		previous_executor_start = NULL;
static ExecutorRun_hook_type		previous_executor_run = NULL;
static ProcessUtility_hook_type		previous_process_utility = NULL;

/* ---------- statements ---------- */

/* Values for it may come by EXECUTE, if it is prepared. */
static void
note_if_prepared(const char *text)
{
	if (text != NULL && op_names_secrets(text, strlen(text)))
		op_note_prepared();
}

static void
guard_analysis(ParseState *state, Query *query, JumbleState *jumble)
{
	op_guard_activity();
	op_guard_plan(state->p_sourcetext);
	if (state->p_paramref_hook != NULL)
		note_if_prepared(state->p_sourcetext);
	if (previous_post_parse_analyze != NULL)
		previous_post_parse_analyze(state, query, jumble);
}

static void
guard_start(QueryDesc *query, int flags)
{
	op_guard_activity();
	op_guard_plan(query->sourceText);
	if (previous_executor_start != NULL)
		previous_executor_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
}

/* A Bind message starts a query, but each Execute message sets the text anew. */
static void
guard_run(OP_EXECUTOR_RUN_PARAMETERS)
{
	op_guard_activity();
	if (previous_executor_run != NULL)
		previous_executor_run(OP_EXECUTOR_RUN_ARGUMENTS);
	else
		standard_ExecutorRun(OP_EXECUTOR_RUN_ARGUMENTS);
}

/*
 * The text of a utility command without its secrets, for those who keep it:
 * pg_stat_statements, pg_prepared_statements, pg_cursors. It is as long as
 * before, because positions in it are known; it serves for nothing but to be
 * shown.
 */
static const char *
text_to_keep(const PlannedStmt *statement, const char *text)
{
	size_t size = strlen(text);
	size_t start = Max(statement->stmt_location, 0);
	size_t length;
	char  *copy;

	if (!op_is_secret_here(text))
		return text;
	copy = palloc(size + 1);
	memset(copy, ' ', size);
	copy[size] = '\0';
	start = Min(start, size);
	length = statement->stmt_len > 0 ? (size_t) statement->stmt_len : size;
	length = Min(length, size - start);
	memcpy(copy + start, OP_WITHHELD, Min(length, sizeof(OP_WITHHELD) - 1));
	return copy;
}

/*
 * Does COPY write columns whose names tell that they take secrets? Where it
 * lists them, its text tells as well.
 */
static bool
copies_secrets(const CopyStmt *copy)
{
	Oid	  relid;
	char *name;

	if (!copy->is_from || copy->relation == NULL || copy->attlist != NIL)
		return false;
	relid = RangeVarGetRelid(copy->relation, NoLock, true);
	for (AttrNumber i = 1; OidIsValid(relid) && (name = get_attname(relid, i, true)) != NULL; i++)
	{
		if (op_names_secrets(name, strlen(name)))
			return true;
	}
	return false;
}

/* What a utility command may bring, or let another one bring. */
static void
note_utility(const Node *command, const char *text)
{
	if (IsA(command, PrepareStmt))
		note_if_prepared(text);
	if (IsA(command, CopyStmt) && copies_secrets((const CopyStmt *) command))
		op_note_secret();
}

static void
guard_utility(PlannedStmt *statement, const char *text, bool is_read_only,
			  ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
			  DestReceiver *dest, QueryCompletion *completion)
{
	ProcessUtility_hook_type next =
		previous_process_utility != NULL ? previous_process_utility : standard_ProcessUtility;

	op_guard_activity();
	op_guard_plan(text);
	note_utility(statement->utilityStmt, text);
	next(statement, text_to_keep(statement, text), is_read_only, context, params, environment,
		 dest, completion);
	op_guard_application_name();
}

static void
guard_transaction(XactEvent event, void *arg)
{
	op_guard_activity();
	op_forget_plans();
	op_guard_application_name();
}

/* ---------- log ---------- */

/* Processes that see files and pages, not statements: names of WAL files are long numbers. */
static bool
is_without_statements(void)
{
	switch (MyBackendType)
	{
		case B_ARCHIVER:
		case B_BG_WRITER:
		case B_CHECKPOINTER:
		case B_STARTUP:
		case B_WAL_RECEIVER:
		case B_WAL_WRITER:
			return true;
		default:
			return false;
	}
}

/*
 * debug_print_parse and its kin: constants are lists of bytes there, and in a
 * plan parameters are constants. Nothing else has a message of that format.
 */
static bool
is_node_dump(const ErrorData *record)
{
	return record->detail != NULL && record->message != NULL &&
		   ((record->message_id != NULL && strcmp(record->message_id, "%s:") == 0) ||
			strstr(record->detail, ":constvalue ") != NULL);
}

static bool
is_delicate(const ErrorData *record)
{
	return op_is_delicate_here() || op_is_delicate(record->message) ||
		   op_is_delicate(record->detail) || op_is_delicate(record->detail_log) ||
		   op_is_delicate(record->hint) || op_is_delicate(record->context) ||
		   op_is_delicate(record->internalquery);
}

static bool
is_of_class(const ErrorData *record, int code)
{
	return ERRCODE_TO_CATEGORY(record->sqlerrcode) == ERRCODE_TO_CATEGORY(code);
}

static bool
is_withheld(const char *statement)
{
	return op_is_secret_here(statement) ||
		   (statement != NULL && strcmp(statement, OP_WITHHELD) == 0);
}

/*
 * What is no name may be a value that should have been in quotation marks. No
 * value stands where a statement names a table, or a part of one: formats with
 * two names are of a part of something that there is.
 */
static bool
is_unknown_name(const ErrorData *record)
{
	const char *format = record->message_id;
	const char *name;

	switch (record->sqlerrcode)
	{
		case ERRCODE_SYNTAX_ERROR:
		case ERRCODE_NAME_TOO_LONG:
			return true;
		case ERRCODE_FEATURE_NOT_SUPPORTED: /* a reference to another database */
			return op_ends_with_statement(format);
		case ERRCODE_UNDEFINED_COLUMN:
		case ERRCODE_UNDEFINED_TABLE:
		case ERRCODE_UNDEFINED_OBJECT:
			break;
		default:
			return false;
	}
	/* a qualified name may be that of a table: the server tries that, and says so as DEBUG */
	if (record->elevel < ERROR || format == NULL)
		return true;
	name = strstr(format, QUOTED_NAME);
	return strncmp(format, RELATION, sizeof(RELATION) - 1) != 0 &&
		   (name == NULL || strstr(name + 1, QUOTED_NAME) == NULL);
}

/* The server tells of itself as LOG or below; errors may repeat words of the statement. */
static void
withhold_message(ErrorData *record)
{
	const char *format = record->message_id;

	if (is_unknown_name(record))
	{
		if (is_withheld(debug_query_string) || is_withheld(record->internalquery))
			op_withhold_name(record->message, format);
		return;
	}
	if (record->elevel < INFO)
	{
		const char *statement = op_statement_of(record->message, format);

		if (statement != NULL ? op_is_secret_here(statement) : op_is_secret(record->message))
			op_withhold_statement(record->message, format);
		return;
	}
	if (is_of_class(record, ERRCODE_DATA_EXCEPTION) || is_of_class(record, ERRCODE_PLPGSQL_ERROR) ||
		is_of_class(record, ERRCODE_INTERNAL_ERROR))
		op_withhold_quoted(record->message, format);
}

/* A deadlock's detail for the log is that for the client, and what each process was running. */
static void
withhold_processes(ErrorData *record)
{
	size_t size = record->detail != NULL ? strlen(record->detail) : 0;

	if (record->detail == NULL || strncmp(record->detail_log, record->detail, size) != 0)
		op_withhold_detail(record->detail_log);
	else if (op_is_secret_here(record->detail_log + size))
		op_withhold(record->detail_log + size + (record->detail_log[size] == '\n' ? 1 : 0));
}

/* Where a name is wrong, it may be a password without its quotation marks. */
static void
withhold_statements(ErrorData *record)
{
	bool is_misspelt = is_of_class(record, ERRCODE_SYNTAX_ERROR);

	if (op_is_secret_here(record->internalquery) ||
		(is_misspelt && op_is_delicate(record->internalquery)))
		op_withhold(record->internalquery);
	if (op_is_secret_here(debug_query_string) ||
		(is_misspelt && op_is_delicate(debug_query_string)))
		op_withhold_activity();
}

/*
 * Our own errors never repeat a value. A transaction that was rolled back tells
 * of locks, a login that failed of pg_hba.conf, what cannot be dropped of what
 * depends on it, and what is wrong with a name of those that there are.
 */
static bool
tells_no_value(const ErrorData *record)
{
	return is_of_class(record, ERRCODE_OP_ILLEGAL_TRANSITION) ||
		   is_of_class(record, ERRCODE_TRANSACTION_ROLLBACK) ||
		   is_of_class(record, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION) ||
		   is_of_class(record, ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST) ||
		   (is_of_class(record, ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION) &&
			record->sqlerrcode != ERRCODE_SYNTAX_ERROR);
}

/*
 * Where nothing but the arrival of a secret made the record delicate, a
 * violated constraint may show the row: that is sealed by then.
 */
static void
withhold_record(ErrorData *record, bool is_named)
{
	bool is_sealed = !is_named && is_of_class(record, ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION);

	if (record->message != NULL)
		withhold_message(record);
	if (record->detail_log != NULL &&
		!is_of_class(record, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION))
		withhold_processes(record);
	if (record->detail != NULL && !is_sealed && !tells_no_value(record))
		op_withhold_detail(record->detail);
	if (record->context != NULL)
		op_withhold_context(record->context);
	withhold_statements(record);
}

static void
redact_text(char *text)
{
	if (text != NULL)
		op_redact_card_numbers(text, strlen(text));
}

static void
guard_record(ErrorData *record)
{
	if (!is_without_statements())
	{
		bool is_named;

		op_guard_activity();
		if (is_node_dump(record))
			op_withhold(record->detail);
		/* what EXECUTE was meant for is not known: it may take a secret */
		if (record->sqlerrcode == ERRCODE_UNDEFINED_PSTATEMENT)
			op_note_prepared();
		is_named = is_delicate(record);
		if (is_named || op_brings_secret())
			withhold_record(record, is_named);
		redact_text(record->message);
		redact_text(record->detail);
		redact_text(record->detail_log);
		redact_text(record->hint);
		redact_text(record->context);
		op_guard_application_name();
	}
	if (previous_emit_log != NULL)
		previous_emit_log(record);
}

/* ---------- the guard itself ---------- */

/* A library that comes later and takes the hook sees records first, and may log them itself. */
bool
op_log_guard_is_active(void)
{
	return is_installed && emit_log_hook == guard_record;
}

void
op_require_log_guard(const char *what, const char *otherwise)
{
	if (is_installed)
		op_note_secret();
	if (op_log_guard_is_active() || op_allow_unguarded)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OP_CLEAR_CARD),
			 errmsg("%s are not taken while the log guard is not loaded", what),
			 errdetail("The statement that brings them may stand in the server log and in pg_stat_activity."),
			 errhint("Put order_payment last into shared_preload_libraries in postgresql.conf and restart the server%s; for tests a superuser may set order_payment.allow_unguarded.",
					 otherwise),
			 errhidestmt(true), errhidecontext(true)));
}

static const char *
show_log_guard(void)
{
	return op_log_guard_is_active() ? "on" : "off";
}

void
op_log_guard_init(void)
{
	DefineCustomBoolVariable("order_payment.log_guard",
							 "Shows whether card data are kept out of the server log.",
							 "They are if order_payment is the last of shared_preload_libraries.",
							 &log_guard_variable,
							 false,
							 PGC_INTERNAL,
							 0,
							 NULL, NULL, show_log_guard);
	if (!process_shared_preload_libraries_in_progress)
		return;

	previous_emit_log = emit_log_hook;
	emit_log_hook = guard_record;
	previous_post_parse_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = guard_analysis;
	previous_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = guard_start;
	previous_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = guard_run;
	previous_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = guard_utility;
	RegisterXactCallback(guard_transaction, NULL);
	is_installed = true;
}
