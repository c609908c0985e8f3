/*
 * https_probe.c
 *	  HTTPS requests by SQL, for 027_https.pl: src/worker/https.c in a backend,
 *	  without the worker and its tables.
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "catalog/pg_type.h"
#include "common/pg_prng.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "address.h"
#include "compat.h"
#include "https.h"

PG_MODULE_MAGIC;

#define SECRET_SIZE 32
#define MASK		0x5a
#define TURN_MS		1000

static const char *const outcomes[] = {
	[OP_HTTPS_NOT_SENT] = "not sent",
	[OP_HTTPS_LOST] = "lost",
	[OP_HTTPS_ANSWERED] = "answered",
};

static char **
texts(ArrayType *array, int *n)
{
	Datum *values;
	bool  *nulls;
	char **result;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, n);
	result = palloc(sizeof(char *) * (*n + 1));
	for (int i = 0; i < *n; i++)
		result[i] = TextDatumGetCString(values[i]);
	return result;
}

static void
turn(OpHttps *https)
{
	if (op_https_turn(https, TURN_MS))
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
put_reply(ReturnSetInfo *rsinfo, const OpHttpsReply *reply)
{
	Datum  values[8];
	bool   nulls[8] = {0};
	Datum *headers = palloc(sizeof(Datum) * (reply->nheaders + 1));
	bytea *body = palloc(VARHDRSZ + reply->body_size);

	for (int i = 0; i < reply->nheaders; i++)
		headers[i] = PointerGetDatum(cstring_to_text(reply->headers[i]));
	SET_VARSIZE(body, VARHDRSZ + reply->body_size);
	if (reply->body_size > 0)
		memcpy(VARDATA(body), reply->body, reply->body_size);
	values[0] = Int32GetDatum((int) (intptr_t) reply->owner);
	values[1] = CStringGetTextDatum(outcomes[reply->outcome]);
	values[2] = Int32GetDatum(reply->status);
	nulls[3] = reply->error == NULL;
	nulls[4] = reply->error_text == NULL;
	values[3] = nulls[3] ? (Datum) 0 : CStringGetTextDatum(reply->error);
	values[4] = nulls[4] ? (Datum) 0 : CStringGetTextDatum(reply->error_text);
	values[5] = PointerGetDatum(construct_array(headers, reply->nheaders, TEXTOID, -1, false, TYPALIGN_INT));
	values[6] = PointerGetDatum(body);
	values[7] = Float8GetDatum(reply->duration_us / 1000.0);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static void
put_replies(ReturnSetInfo *rsinfo, OpHttps *https)
{
	OpHttpsReply reply;

	while (op_https_in_flight(https) > 0)
	{
		if (op_https_take(https, &reply))
			put_reply(rsinfo, &reply);
		else
			turn(https);
	}
}

/* settings: ca_file, crl_file; empty: null */
static char *
file_of(Datum name)
{
	char *result = TextDatumGetCString(name);

	return *result == '\0' ? NULL : result;
}

/*
 * https_probe(urls text[], method text, headers text[], body bytea, timeout_ms integer, ca_file text, crl_file text,
 *			   allow_private boolean, max_body integer, connect_ms integer, one_by_one boolean); an empty body is
 * none, but with POST
 */
PG_FUNCTION_INFO_V1(https_probe);
Datum
https_probe(PG_FUNCTION_ARGS)
{
	OpHttpsSettings settings = {.ca_file = file_of(PG_GETARG_DATUM(5)),
								.crl_file = file_of(PG_GETARG_DATUM(6)),
								.allow_private = PG_GETARG_BOOL(7),
								.max_body = PG_GETARG_INT32(8),
								.connect_timeout_ms = PG_GETARG_INT32(9)};
	bytea		   *body = PG_GETARG_BYTEA_PP(3);
	OpHttpsRequest	request = {.method = text_to_cstring(PG_GETARG_TEXT_PP(1)),
							   .body = VARDATA_ANY(body),
							   .body_size = VARSIZE_ANY_EXHDR(body),
							   .timeout_ms = PG_GETARG_INT32(4)};
	int				n;
	char		  **urls = texts(PG_GETARG_ARRAYTYPE_P(0), &n);
	OpHttps		   *https = op_https_new(&settings);

	if (request.body_size == 0 && strcmp(request.method, "POST") != 0)
		request.body = NULL;
	request.headers = (const char *const *) texts(PG_GETARG_ARRAYTYPE_P(2), &request.nheaders);
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < n; i++)
	{
		request.url = urls[i];
		request.owner = (void *) (intptr_t) (i + 1);
		op_https_submit(https, &request);
		if (PG_GETARG_BOOL(10))
			put_replies((ReturnSetInfo *) fcinfo->resultinfo, https);
	}
	put_replies((ReturnSetInfo *) fcinfo->resultinfo, https);
	op_https_free(https);
	PG_RETURN_NULL();
}

/* ---------- threads, and which signals may reach them ---------- */

static bool
takes_signals(const char *task)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM, SIGUSR1, SIGUSR2, SIGURG};
	char			 path[MAXPGPATH];
	char			 line[256];
	FILE			*status;
	unsigned long	 blocked = 0;
	unsigned long	 caught = 0; /* of a thread that is ending nothing is shown */
	bool			 result = false;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", task);
	status = fopen(path, "r");
	if (status == NULL)
		return false;
	while (fgets(line, sizeof(line), status) != NULL)
	{
		(void) sscanf(line, "SigBlk: %lx", &blocked);
		(void) sscanf(line, "SigCgt: %lx", &caught);
	}
	fclose(status);
	for (int i = 0; caught != 0 && i < lengthof(signals); i++)
		result |= (blocked & (1UL << (signals[i] - 1))) == 0;
	return result;
}

static void
count_threads(int *seen, int *open)
{
	DIR			  *tasks = AllocateDir("/proc/self/task");
	struct dirent *task;

	while ((task = ReadDir(tasks, "/proc/self/task")) != NULL)
	{
		if (task->d_name[0] == '.' || atoi(task->d_name) == MyProcPid)
			continue;
		(*seen)++;
		*open += takes_signals(task->d_name);
	}
	FreeDir(tasks);
}

/* https_threads(urls text[], OUT seen integer, OUT open integer): threads beside this one, and those that a signal may reach */
PG_FUNCTION_INFO_V1(https_threads);
Datum
https_threads(PG_FUNCTION_ARGS)
{
	OpHttpsSettings settings = {.max_body = 1024, .connect_timeout_ms = 5000};
	OpHttpsRequest	request = {.method = "GET", .timeout_ms = 5000};
	OpHttps		   *https = op_https_new(&settings);
	OpHttpsReply	reply;
	TupleDesc		tupdesc;
	Datum			values[2];
	bool			nulls[2] = {0};
	int				seen = 0;
	int				open = 0;
	int				n;
	char		  **urls = texts(PG_GETARG_ARRAYTYPE_P(0), &n);

	for (int i = 0; i < n; i++)
	{
		request.url = urls[i];
		op_https_submit(https, &request);
	}
	while (op_https_in_flight(https) > 0)
	{
		turn(https);
		count_threads(&seen, &open);
		while (op_https_take(https, &reply))
			continue;
	}
	op_https_free(https);
	values[0] = Int32GetDatum(seen);
	values[1] = Int32GetDatum(open);
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "no row is wanted");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}

PG_FUNCTION_INFO_V1(https_address);
Datum
https_address(PG_FUNCTION_ARGS)
{
	char			   *address = text_to_cstring(PG_GETARG_TEXT_PP(0));
	struct sockaddr_in	four = {.sin_family = AF_INET};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, address, &four.sin_addr) == 1)
		PG_RETURN_BOOL(op_address_is_public((struct sockaddr *) &four));
	if (inet_pton(AF_INET6, address, &six.sin6_addr) == 1)
		PG_RETURN_BOOL(op_address_is_public((struct sockaddr *) &six));
	PG_RETURN_NULL();
}

/* ---------- a secret, looked for in the memory of this process ---------- */

/* Never in one piece but here: every byte of the copy is masked. */
static void
unmask(const char *masked, char *secret)
{
	for (int i = 0; i < SECRET_SIZE; i++)
		secret[i] = masked[i] ^ MASK;
	secret[SECRET_SIZE] = '\0';
}

static int
places_between(const char *from, const char *to, const char *masked)
{
	int result = 0;

	for (const char *at = from; at + SECRET_SIZE <= to; at++)
	{
		int i = 0;

		while (i < SECRET_SIZE && (at[i] ^ MASK) == masked[i])
			i++;
		result += i == SECRET_SIZE;
	}
	return result;
}

/* Guard pages are no mapping of their own any more: they look like the stack of a thread, and a glance at one is fatal. */
static bool
is_readable(const char *page)
{
	char		 byte;
	struct iovec here = {&byte, 1};
	struct iovec there = {(void *) page, 1};

	return process_vm_readv(getpid(), &here, 1, &there, 1, 0) == 1;
}

static int
places_in_mapping(const char *from, const char *to, const char *masked)
{
	long size = sysconf(_SC_PAGESIZE);
	int	 result = 0;

	for (const char *page = from; page < to; page += size)
	{
		if (is_readable(page))
			continue;
		result += places_between(from, page, masked);
		from = page + size;
	}
	return result + places_between(from, to, masked);
}

/* The heap, the stack, and all else that is private and of no file. */
static int
places(const char *masked)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char  line[1024];
	int	  result = 0;

	if (maps == NULL)
		elog(ERROR, "there is no /proc/self/maps");
	while (fgets(line, sizeof(line), maps) != NULL)
	{
		char		  access[8];
		unsigned long from;
		unsigned long to;
		unsigned long inode;

		if (sscanf(line, "%lx-%lx %7s %*s %*s %lu", &from, &to, access, &inode) == 4 &&
			strcmp(access, "rw-p") == 0 && inode == 0)
			result += places_in_mapping((char *) from, (char *) to, masked);
	}
	fclose(maps);
	return result;
}

static void
submit_secret(OpHttps *https, const char *url, const char *masked)
{
	char		   secret[SECRET_SIZE + 1];
	char		   header[SECRET_SIZE + 64];
	char		   body[SECRET_SIZE + 64];
	const char	  *headers[] = {header};
	OpHttpsRequest request = {.method = "POST", .url = url, .headers = headers, .nheaders = 1, .body = body, .timeout_ms = 10000};

	unmask(masked, secret);
	snprintf(header, sizeof(header), "Authorization: Bearer %s", secret);
	snprintf(body, sizeof(body), "{\"card_number\": \"%s\"}", secret);
	request.body_size = strlen(body);
	op_https_submit(https, &request);
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(header, sizeof(header));
	explicit_bzero(body, sizeof(body));
}

/* https_secret(url text, ca_file text, OUT before, OUT sent, OUT after integer, OUT outcome text) */
PG_FUNCTION_INFO_V1(https_secret);
Datum
https_secret(PG_FUNCTION_ARGS)
{
	OpHttpsSettings settings = {.ca_file = file_of(PG_GETARG_DATUM(1)),
								.allow_private = true,
								.max_body = 65536,
								.connect_timeout_ms = 10000};
	char		   *url = text_to_cstring(PG_GETARG_TEXT_PP(0));
	OpHttps		   *https = op_https_new(&settings);
	char			masked[SECRET_SIZE];
	OpHttpsReply	reply;
	TupleDesc		tupdesc;
	Datum			values[4];
	bool			nulls[4] = {0};
	int				sent = 0;

	for (int i = 0; i < SECRET_SIZE; i++)
		masked[i] = "0123456789abcdef"[pg_prng_uint64(&pg_global_prng_state) % 16] ^ MASK;
	values[0] = Int32GetDatum(places(masked));
	submit_secret(https, url, masked);
	while (!op_https_take(https, &reply))
	{
		sent = Max(sent, places(masked));
		turn(https);
	}
	op_https_free(https);
	values[1] = Int32GetDatum(sent);
	values[2] = Int32GetDatum(places(masked));
	values[3] = CStringGetTextDatum(outcomes[reply.outcome]);
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "no row is wanted");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls)));
}
