/*
 * settings.c
 *	  The settings order_payment.*.
 *
 * A setting is either a remark of the session for the history (actor, reason)
 * or a superuser's permission to go around a rule. Every setting may be
 * absent: triggers may fire in a session that has never heard of them.
 */
#include "postgres.h"

#include "utils/guc.h"

#include "settings.h"

char *op_actor = NULL;
char *op_reason = NULL;
bool  op_restore = false;
bool  op_allow_history_change = false;
bool  op_protect_memory_setting = true;

void
op_settings_init(void)
{
	DefineCustomStringVariable("order_payment.actor",
							   "Who makes the changes, for order_events.actor.",
							   "Empty: the session's role.",
							   &op_actor,
							   "",
							   PGC_USERSET,
							   0,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("order_payment.reason",
							   "Why the changes are made, for order_events.reason.",
							   "Empty: no reason is recorded.",
							   &op_reason,
							   "",
							   PGC_USERSET,
							   0,
							   NULL, NULL, NULL);

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

	DefineCustomBoolVariable("order_payment.protect_memory",
							 "Keeps other programs of the server's user out of backends that hold keys.",
							 "Such a backend leaves no core file. A change takes effect in backends that hold no keys yet.",
							 &op_protect_memory_setting,
							 true,
							 PGC_SIGHUP,
							 0,
							 NULL, NULL, NULL);

	MarkGUCPrefixReserved("order_payment");
}
