/*
 * worker_settings.c
 *	  The settings order_payment_worker.*, as C variables.
 *
 * Where requests may go, and what is believed to be a gateway, is the
 * administrator's: these are read from the configuration file alone. Which stores
 * are served is a superuser's, who may say it for each database.
 */
#include "postgres.h"

#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "point.h"
#include "worker_settings.h"

#define DEFAULT_ROLE		   "order_payment_worker"
#define DEFAULT_MAX_IN_FLIGHT  32
#define DEFAULT_POLL_MS		   5000
#define DEFAULT_CONNECT_MS	   10000
#define DEFAULT_MAX_REPLY_KB   1024
#define GREATEST_MAX_IN_FLIGHT 4096
#define GREATEST_REPLY_KB	   65536
#define LEAST_TIME_MS		   10
#define GREATEST_TIME_MS	   3600000

char *op_worker_databases;
char *op_worker_role;
char *op_worker_stores;
int	  op_worker_max_in_flight = DEFAULT_MAX_IN_FLIGHT;
int	  op_worker_poll_interval = DEFAULT_POLL_MS;
int	  op_worker_connect_timeout = DEFAULT_CONNECT_MS;
int	  op_worker_max_reply = DEFAULT_MAX_REPLY_KB;
char *op_worker_ca_file;
char *op_worker_crl_file;
bool  op_worker_allow_private_addresses = false;

/* Names as in SQL: with commas, in double quotes where needed. */
static bool
check_names(char **value, void **extra, GucSource source)
{
	char *names = pstrdup(*value);
	List *list;
	bool  result = SplitIdentifierString(names, ',', &list);

	if (!result)
		GUC_check_errdetail("It is no list of names with commas.");
	list_free(list);
	pfree(names);
	return result;
}

/* Each once, for two workers of one database would be in each other's way. */
List *
op_worker_database_names(void)
{
	List	 *names;
	List	 *result = NIL;
	ListCell *name;

	if (!SplitIdentifierString(pstrdup(op_worker_databases), ',', &names))
		elog(ERROR, "order_payment_worker.databases is no list");
	foreach (name, names)
		result = list_append_unique(result, makeString(lfirst(name)));
	return result;
}

static void
define_places(void)
{
	DefineCustomStringVariable("order_payment_worker.databases",
							   "Databases that have a worker, which sends requests to gateways.",
							   "A list with commas. Empty: none.",
							   &op_worker_databases,
							   "",
							   PGC_POSTMASTER,
							   GUC_LIST_INPUT,
							   check_names, NULL, NULL);

	DefineCustomStringVariable("order_payment_worker.role",
							   "Role as which the workers connect. It may log in, and is no superuser.",
							   "It acts only on stores where it holds the role of the gateway.",
							   &op_worker_role,
							   DEFAULT_ROLE,
							   PGC_SIGHUP,
							   0,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("order_payment_worker.stores",
							   "Stores that the worker of a database serves: schemas, in a list with commas.",
							   "Empty: none. ALTER DATABASE ... SET gives a database its own; its worker reads that when it starts.",
							   &op_worker_stores,
							   "",
							   PGC_SUSET,
							   GUC_LIST_INPUT,
							   check_names, NULL, NULL);
}

static void
define_time(const char *name, const char *description, int *variable, int value)
{
	DefineCustomIntVariable(name,
							description,
							NULL,
							variable,
							value,
							LEAST_TIME_MS, GREATEST_TIME_MS,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL, NULL, NULL);
}

static void
define_limits(void)
{
	DefineCustomIntVariable("order_payment_worker.max_in_flight",
							"How many requests one worker has on their way at once.",
							"Each takes a connection, and a thread while a name is resolved.",
							&op_worker_max_in_flight,
							DEFAULT_MAX_IN_FLIGHT,
							1, GREATEST_MAX_IN_FLIGHT,
							PGC_SIGHUP,
							0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("order_payment_worker.max_reply_size",
							"How large the body of an answer may be.",
							"What is larger counts as lost.",
							&op_worker_max_reply,
							DEFAULT_MAX_REPLY_KB,
							1, GREATEST_REPLY_KB,
							PGC_SIGHUP,
							GUC_UNIT_KB,
							NULL, NULL, NULL);

	define_time("order_payment_worker.poll_interval",
				"How long a worker sleeps at most before it looks for work.",
				&op_worker_poll_interval, DEFAULT_POLL_MS);
	define_time("order_payment_worker.connect_timeout",
				"How long a connection to a gateway may take, TLS included.",
				&op_worker_connect_timeout, DEFAULT_CONNECT_MS);
}

static void
define_trust(void)
{
	DefineCustomStringVariable("order_payment_worker.ca_file",
							   "File with the certificates of the authorities that are trusted, PEM.",
							   "Empty: those of the system.",
							   &op_worker_ca_file,
							   "",
							   PGC_SIGHUP,
							   GUC_DISALLOW_IN_AUTO_FILE,
							   NULL, NULL, NULL);

	DefineCustomStringVariable("order_payment_worker.crl_file",
							   "File with lists of revoked certificates, PEM, one of each authority that is met.",
							   "Empty: revocation is not looked at. With it, ca_file should name few authorities, for both are read for each request.",
							   &op_worker_crl_file,
							   "",
							   PGC_SIGHUP,
							   GUC_DISALLOW_IN_AUTO_FILE,
							   NULL, NULL, NULL);

	DefineCustomBoolVariable("order_payment_worker.allow_private_addresses",
							 "Requests may go to addresses that are not public: of this machine and its neighbours.",
							 "For gateways of your own network, and for tests.",
							 &op_worker_allow_private_addresses,
							 false,
							 PGC_SIGHUP,
							 GUC_DISALLOW_IN_AUTO_FILE,
							 NULL, NULL, NULL);
}

void
op_worker_settings_init(void)
{
	define_places();
	define_limits();
	define_trust();
	OP_POINT_INIT();
	MarkGUCPrefixReserved("order_payment_worker");
}
