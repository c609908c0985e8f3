/*
 * activity.c
 *	  What a backend knows of the statement that it runs, and shows of it.
 *
 * pg_stat_activity shows a statement as soon as the server has read it, and
 * keeps it while the session is idle. The text is edited in the backend's own
 * entry, as soon as an extension comes to see it; so the postmaster, and a
 * session that reports a deadlock, show what is left.
 *
 * A process without memory writes the names of its memory contexts to stderr,
 * past every hook, and statements among them: these are edited as well.
 *
 * A text tells by itself whether it holds a secret, but for two cases. EXECUTE
 * names no more than a prepared statement; so where one was prepared that
 * takes secrets by parameter, every EXECUTE of the session is taken to bring
 * one. And a function, or a table, of somebody's own may hand on its values to
 * what takes secrets: that is known when they arrive there, and holds for the
 * message of the client that is under way, which its time tells from all
 * others.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "tcop/tcopprot.h"
#include "utils/backend_status.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "activity.h"
#include "redact.h"
#include "secret_words.h"
#include "withhold.h"

static bool		   takes_by_execute = false;
static bool		   has_secret_plans = false;
static TimestampTz secret_since = 0;

/* the last harmless statement: a prepared one comes again and again */
static char harmless[1024] = "";

/* ---------- what is known ---------- */

bool
op_brings_secret(void)
{
	return secret_since != 0 && secret_since == GetCurrentStatementStartTimestamp();
}

void
op_forget_harmless(void)
{
	harmless[0] = '\0';
}

void
op_note_prepared(void)
{
	takes_by_execute = true;
	op_forget_harmless();
}

static bool
executes(const char *statement)
{
	return takes_by_execute && op_names_execute(statement, strlen(statement));
}

bool
op_is_delicate_here(void)
{
	return op_is_delicate(debug_query_string) ||
		   (debug_query_string != NULL && executes(debug_query_string));
}

bool
op_is_secret_here(const char *statement)
{
	return statement != NULL &&
		   (op_is_secret_statement(statement) ||
			(op_brings_secret() && op_has_literal(statement)) ||
			(executes(statement) && strpbrk(statement, "('") != NULL));
}

/* ---------- what is shown ---------- */

/*
 * Edited in place: everything else in the entry stays as the server reported it.
 * To its end, for what stands behind the zero is in the core of every process.
 */
static void
withhold_entry(void)
{
	volatile PgBackendStatus *entry = MyBEEntry;
	char					 *text;
	size_t					  size;

	if (entry == NULL || entry->st_procpid != MyProcPid || entry->st_activity_raw[0] == '\0')
		return;
	text = (char *) entry->st_activity_raw;
	size = (size_t) pgstat_track_activity_query_size;
	PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
	explicit_bzero(text, size);
	strlcpy(text, OP_WITHHELD, size);
	PGSTAT_END_WRITE_ACTIVITY(entry);
}

/* Prepared statements, and their plans, have memory contexts that are named by their text. */
static void
withhold_plans(MemoryContext parent)
{
	static const char plan[] = "CachedPlan";
	MemoryContext	  context = parent != NULL ? parent->firstchild : NULL;

	for (; context != NULL; context = context->nextchild)
	{
		if (context->ident != NULL && strncmp(context->name, plan, sizeof(plan) - 1) == 0 &&
			op_is_secret_here(context->ident))
			MemoryContextSetIdentifier(context, OP_WITHHELD);
		/* what is not saved yet is below the message that brings it */
		if (parent != CacheMemoryContext)
			withhold_plans(context);
	}
}

static void
withhold_all_plans(void)
{
	withhold_plans(MessageContext);
	withhold_plans(CacheMemoryContext);
}

/* Functions run one plan after another: all are gone through where one tells something. */
void
op_guard_plan(const char *text)
{
	if (has_secret_plans && op_is_secret_here(text))
		withhold_all_plans();
}

void
op_forget_plans(void)
{
	has_secret_plans = false;
}

/* Parallel workers show debug_query_string as theirs; it is reset with the next message. */
void
op_withhold_activity(void)
{
	debug_query_string = OP_WITHHELD;
	withhold_entry();
}

void
op_note_secret(void)
{
	if (op_brings_secret())
		return;
	secret_since = GetCurrentStatementStartTimestamp();
	has_secret_plans = true;
	withhold_all_plans();
	if (debug_query_string != NULL && op_has_literal(debug_query_string))
		op_withhold_activity();
}

static bool
is_harmless(const char *statement)
{
	size_t size = strnlen(statement, sizeof(harmless));

	if (size < sizeof(harmless) && memcmp(statement, harmless, size + 1) == 0)
		return true;
	if (op_is_secret_here(statement))
		return false;
	if (size < sizeof(harmless))
		memcpy(harmless, statement, size + 1);
	return true;
}

/*
 * Once after each time the text was set: st_state_start_timestamp changes with
 * each.
 *
 * The entry shows the beginning of the statement only, debug_query_string all
 * of it: a number that is cut off by the end of the entry is found there.
 */
void
op_guard_activity(void)
{
	static TimestampTz		  seen = 0;
	volatile PgBackendStatus *entry = MyBEEntry;
	const char				 *text;

	if (entry == NULL || entry->st_procpid != MyProcPid ||
		entry->st_state_start_timestamp == seen || MyBackendType == B_AUTOVAC_WORKER)
		return;
	seen = entry->st_state_start_timestamp;
	text = (const char *) entry->st_activity_raw;
	if (debug_query_string != NULL && strncmp(text, debug_query_string, strlen(text)) == 0)
		text = debug_query_string;
	if (is_harmless(text))
		return;

	has_secret_plans = true;
	if (text == debug_query_string)
		op_withhold_activity();
	else
		withhold_entry();
}

/* The setting and its copy in the entry change together, so one tells of the other. */
void
op_guard_application_name(void)
{
	volatile PgBackendStatus *entry = MyBEEntry;
	char					 *shown;

	if (application_name == NULL ||
		op_redact_card_numbers(application_name, strlen(application_name)) == 0 || entry == NULL ||
		entry->st_procpid != MyProcPid)
		return;
	shown = (char *) entry->st_appname;
	PGSTAT_BEGIN_WRITE_ACTIVITY(entry);
	op_redact_card_numbers(shown, strlen(shown));
	PGSTAT_END_WRITE_ACTIVITY(entry);
}
