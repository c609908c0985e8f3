/*
 * settings.c
 *	  The settings order_payment.*.
 *
 * A setting is either a remark of the session for the history (actor, reason)
 * or a superuser's permission to go around a rule. Every setting may be
 * absent: triggers may fire in a session that has never heard of them.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "activity.h"
#include "redact.h"
#include "secret_words.h"
#include "settings.h"

char *op_actor = NULL;
char *op_reason = NULL;
bool  op_restore = false;
bool  op_allow_history_change = false;
char *op_root_key_file = NULL;
char *op_root_key_command = NULL;
char *op_secret_directory = NULL;
bool  op_allow_unguarded = false;
int	  op_reveal_budget = 1000;
int	  op_password_checks = 4;
bool  op_protect_memory_setting = true;

static char *secret_names = NULL; /* never read: see use_secret_names() */

/* where a root key comes from is nobody's business but the administrator's */
#define SOURCE_FLAGS \
	(GUC_SUPERUSER_ONLY | GUC_NO_SHOW_ALL | GUC_DISALLOW_IN_AUTO_FILE | GUC_NOT_IN_SAMPLE)

/* What is said of a change is kept with it for ever: no card number may be among it. */
static bool
redact_remark(char **value, void **extra, GucSource source)
{
	if (*value != NULL)
		op_redact_card_numbers(*value, strlen(*value));
	return true;
}

void (*op_configuration_read)(void) = NULL;

/* Called whenever the setting is read, whether or not its value has changed. */
static void
tell_of_reload(const char *value, void *extra)
{
	if (op_configuration_read)
		op_configuration_read();
}

static bool
check_secret_names(char **value, void **extra, GucSource source)
{
	OpSecretNames names;

	if (op_read_secret_names(*value, &names))
		return true;
	GUC_check_errdetail("It takes at most %d names, of at most %d bytes each, with commas between them and without quotation marks.",
						OP_SECRET_NAMES_MAX, OP_SECRET_NAME_SIZE - 1);
	return false;
}

static void
use_secret_names(const char *value, void *extra)
{
	OpSecretNames names;

	if (op_read_secret_names(value, &names))
		op_use_secret_names(&names);
	op_forget_harmless();
}

static void
define_remarks(void)
{
	DefineCustomStringVariable("order_payment.actor",
							   "Who makes the changes, for order_events.actor.",
							   "Empty: the session's role.",
							   &op_actor,
							   "",
							   PGC_USERSET,
							   0,
							   redact_remark, NULL, NULL);

	DefineCustomStringVariable("order_payment.reason",
							   "Why the changes are made, for order_events.reason.",
							   "Empty: no reason is recorded.",
							   &op_reason,
							   "",
							   PGC_USERSET,
							   0,
							   redact_remark, NULL, NULL);
}

static void
define_permissions(void)
{
	DefineCustomBoolVariable("order_payment.restore",
							 "Lets rows pass the triggers unchanged and unchecked, for a data-only restore.",
							 "Call verify_store() afterwards.",
							 &op_restore,
							 false,
							 PGC_SUSET,
							 0,
							 NULL, NULL, NULL);

	DefineCustomBoolVariable("order_payment.allow_history_change",
							 "Allows UPDATE, DELETE and TRUNCATE of order_events, and TRUNCATE of orders and lines.",
							 "For retention and repairs; the change itself is not recorded.",
							 &op_allow_history_change,
							 false,
							 PGC_SUSET,
							 0,
							 NULL, NULL, NULL);

	DefineCustomBoolVariable("order_payment.allow_unguarded",
							 "Takes card numbers in clear although the log guard is not loaded.",
							 "They may then stand in the server log and in pg_stat_activity.",
							 &op_allow_unguarded,
							 false,
							 PGC_SUSET,
							 0,
							 NULL, NULL, NULL);
}

static void
define_sources(void)
{
	DefineCustomStringVariable("order_payment.root_key_file",
							   "File with the root key, outside of the data directory.",
							   NULL,
							   &op_root_key_file,
							   "",
							   PGC_SIGHUP,
							   SOURCE_FLAGS,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("order_payment.root_key_command",
							   "Command that prints the root key; goes before root_key_file.",
							   "Needs order_payment in shared_preload_libraries. Run again after each reload.",
							   &op_root_key_command,
							   "",
							   PGC_SIGHUP,
							   SOURCE_FLAGS,
							   NULL, tell_of_reload, NULL);

	DefineCustomStringVariable("order_payment.secret_directory",
							   "Directory with files that set_gateway_secret_from_file() may read, outside of the data directory.",
							   "Empty: none.",
							   &op_secret_directory,
							   "",
							   PGC_SIGHUP,
							   SOURCE_FLAGS,
							   NULL, NULL, NULL);
}

static void
define_guard(void)
{
	DefineCustomStringVariable("order_payment.secret_names",
							   "Functions and columns of yours that take secrets: the log guard withholds statements that name them.",
							   "A list with commas, without schemas and quotation marks.",
							   &secret_names,
							   "",
							   PGC_SIGHUP,
							   0,
							   check_secret_names, use_secret_names, NULL);
}

static void
define_limits(void)
{
	DefineCustomIntVariable("order_payment.reveal_budget",
							"How many secrets a role may reveal in each hour of the clock.",
							"0: none. -1: without limit. ALTER ROLE ... SET gives a role its own.",
							&op_reveal_budget,
							1000,
							-1, INT_MAX,
							PGC_SUSET,
							0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("order_payment.password_checks",
							"How many payment passwords the whole server checks at once.",
							"Each check takes 16 MiB of memory and a processor for part of a second. The stores of one owner have one less.",
							&op_password_checks,
							4,
							1, 1024,
							PGC_SIGHUP,
							0,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("order_payment.protect_memory",
							 "Keeps other programs of the server's user out of backends that hold keys.",
							 "Such a backend leaves no core file. A change takes effect in backends that hold no keys yet.",
							 &op_protect_memory_setting,
							 true,
							 PGC_SIGHUP,
							 0,
							 NULL, NULL, NULL);
}

void
op_settings_init(void)
{
	define_remarks();
	define_permissions();
	define_sources();
	define_guard();
	define_limits();
	MarkGUCPrefixReserved("order_payment");
}
