/*
 * delivery.c
 *	  What a worker does: claims requests, sends them, settles what has become of
 *	  them. Knows no TLS; see delivery.h.
 *
 * store	a schema of the setting
 * task		what is done for each: due work, requests, webhooks. One that fails is
 *			left alone for a while, and keeps no other from being done
 *
 * claim	a transaction of its own: afterwards it is written down what is sent
 * send		outside of any transaction
 * settle	a transaction of its own for each, so that one that fails takes no
 *			other with it. It is found again when its lease ends
 *
 * Everything is done by the SQL functions that any other program would call,
 * but for one thing: what stands for a secret in a request is filled in here
 * (filling.h), and wiped when it is handed over.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "claimed.h"
#include "delivery.h"
#include "filling.h"
#include "https.h"
#include "point.h"
#include "worker_settings.h"

#define MAX_BATCH	 64
#define DUE_BATCH	 100
#define MAX_PAUSE_MS 60000
#define MAX_DOUBLING 10
#define RATE_MS		 1000 /* a gateway's rate is counted by the second */

typedef struct Task
{
	TimestampTz left_until;
	int			failures; /* in a row */
} Task;

typedef struct Store
{
	char *name;
	Task  due;
	Task  claims[OP_CLAIM_KINDS];
} Store;

static MemoryContext memory = NULL; /* of what outlives a turn */
static OpHttps		*https = NULL;
static Store		*stores = NULL;
static int			 nstores = 0;
static TimestampTz	 next_look = 0;
static TimestampTz	 next_claim = 0;   /* what a rate has kept back may go then */
static bool			 has_more = false; /* than was claimed at the last look */

static void
read_stores(void)
{
	List	 *names;
	ListCell *name;

	if (!SplitIdentifierString(pstrdup(op_worker_stores), ',', &names))
		elog(ERROR, "order_payment_worker.stores is no list");
	stores = palloc0((list_length(names) + 1) * sizeof(Store));
	foreach (name, names)
		stores[nstores++].name = lfirst(name);
}

static void
open_https(void)
{
	OpHttpsSettings settings = {
		.ca_file = op_worker_ca_file[0] ? op_worker_ca_file : NULL,
		.crl_file = op_worker_crl_file[0] ? op_worker_crl_file : NULL,
		.allow_private = op_worker_allow_private_addresses,
		.max_body = (size_t) op_worker_max_reply * 1024,
		.connect_timeout_ms = op_worker_connect_timeout,
	};

	https = op_https_new(&settings);
}

static void
open_delivery(void)
{
	MemoryContext turn = CurrentMemoryContext;

	if (memory == NULL)
	{
		memory = AllocSetContextCreate(TopMemoryContext, "order_payment_worker delivery",
									   ALLOCSET_DEFAULT_SIZES);
		MemoryContextSwitchTo(memory);
		read_stores();
	}
	MemoryContextSwitchTo(memory);
	if (https == NULL)
		open_https();
	MemoryContextSwitchTo(turn);
}

/* ---------- transactions ---------- */

typedef void (*Work)(void *argument);

static void
give_up_transaction(MemoryContext turn)
{
	HOLD_INTERRUPTS();
	MemoryContextSwitchTo(turn);
	EmitErrorReport();
	AbortCurrentTransaction();
	FlushErrorState();
	RESUME_INTERRUPTS();
}

/* In a transaction of its own; false: it failed, which was written to the log. */
static bool
transact(const char *activity, Work work, void *argument)
{
	MemoryContext turn = CurrentMemoryContext;
	volatile bool done = true;

	pgstat_report_activity(STATE_RUNNING, activity);
	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		SPI_connect();
		work(argument);
		SPI_finish();
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		give_up_transaction(turn);
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(turn);
	pgstat_report_activity(STATE_IDLE, NULL);
	return done;
}

/* ---------- settling ---------- */

typedef struct Settlement
{
	const OpClaimed	   *claimed;
	const OpHttpsReply *reply;
	const char		   *problem;
} Settlement;

static void
settle_one(void *argument)
{
	const Settlement *settlement = argument;

	op_settle(settlement->claimed, settlement->reply, settlement->problem);
	OP_POINT("before ack");
}

static void
settle(OpClaimed *claimed, const OpHttpsReply *reply, const char *problem)
{
	Settlement settlement = {claimed, reply, problem};

	OP_POINT("response read");
	if (transact("settling a request", settle_one, &settlement))
		OP_POINT("result stored");
	has_more = has_more || op_leads_on(claimed->kind);
	MemoryContextDelete(claimed->memory);
}

static void
take_replies(void)
{
	OpHttpsReply reply;

	while (op_https_take(https, &reply))
	{
		settle(reply.owner, &reply, NULL);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---------- sending ---------- */

static void
fill_in(void *argument)
{
	op_fill_in(argument);
}

static void
send_claimed(OpClaimed *claimed)
{
	char *utf8 = NULL;

	if (op_needs_filling(claimed) && !transact("filling in a request", fill_in, claimed))
	{
		op_wipe(claimed);
		settle(claimed, NULL, "a secret could not be filled in: the server log tells why");
		return;
	}
	if (claimed->body != NULL)
		utf8 = pg_server_to_any(claimed->body, (int) strlen(claimed->body), PG_UTF8);
	op_https_submit(https, &(OpHttpsRequest){.method = claimed->method,
											 .url = claimed->url,
											 .headers = (const char *const *) claimed->headers,
											 .nheaders = claimed->nheaders,
											 .body = utf8,
											 .body_size = utf8 == NULL ? 0 : strlen(utf8),
											 .timeout_ms = claimed->timeout_ms,
											 .owner = claimed});
	if (utf8 != NULL)
		explicit_bzero(utf8, strlen(utf8));
	op_wipe(claimed);
}

/* ---------- claiming ---------- */

typedef struct Claim
{
	const OpClaimKind *kind;
	const char		  *store;
	int				   room;
	List			  *claimed;
} Claim;

static void
claim_some(void *argument)
{
	Claim *claim = argument;

	claim->claimed = op_claim(claim->kind, claim->store, claim->room, memory);
	OP_POINT_IF(claim->claimed != NIL, "before claim");
}

static void
do_due_work(void *argument)
{
	const Oid types[] = {INT4OID, NAMEOID};
	Datum	  store = DirectFunctionCall1(namein, PointerGetDatum(argument));
	Datum	  values[] = {Int32GetDatum(DUE_BATCH), store};

	if (SPI_execute_with_args("SELECT order_payment.do_due_work($1, $2)", lengthof(types),
							  (Oid *) types, values, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not do what is due in store \"%s\"", (const char *) argument);
}

/* False: it failed. */
static bool
claim_and_send(const char *store, const OpClaimKind *kind, int room)
{
	Claim	  claim = {kind, store, room, NIL};
	bool	  done = transact("claiming requests", claim_some, &claim);
	ListCell *cell;

	if (done && claim.claimed != NIL)
	{
		next_claim = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RATE_MS);
		OP_POINT("after claim");
	}
	has_more = has_more || (done && list_length(claim.claimed) == room);
	foreach (cell, claim.claimed)
	{
		OpClaimed *claimed = lfirst(cell);

		if (done)
			send_claimed(claimed);
		else
			MemoryContextDelete(claimed->memory); /* its claim was rolled back */
	}
	list_free(claim.claimed);
	return done;
}

/* Twice as long after each failure, so that the log is not filled by one store. */
static void
note(Task *task, bool done)
{
	int64 pause = (int64) op_worker_poll_interval << Min(task->failures, MAX_DOUBLING);

	task->failures = done ? 0 : task->failures + 1;
	task->left_until =
		done ? 0 : TimestampTzPlusMilliseconds(GetCurrentTimestamp(), Min(pause, MAX_PAUSE_MS));
}

static void
claim_for(Store *store, int i)
{
	int room = Min(op_worker_max_in_flight - op_https_in_flight(https), MAX_BATCH);

	if (room > 0)
		note(&store->claims[i], claim_and_send(store->name, op_claim_kind(i), room));
	else
		has_more = true;
}

static void
serve_store(Store *store, TimestampTz now, bool is_due)
{
	if (is_due && now >= store->due.left_until)
		note(&store->due, transact("doing what is due", do_due_work, store->name));
	for (int i = 0; i < OP_CLAIM_KINDS; i++)
	{
		if (now >= store->claims[i].left_until)
			claim_for(store, i);
	}
}

static void
look_for_extension(void *argument)
{
	*(bool *) argument = OidIsValid(get_extension_oid("order_payment", true));
}

static void
look_for_work(void)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		is_due = now >= next_look;
	bool		is_there = false;

	if (is_due)
		next_look = TimestampTzPlusMilliseconds(now, op_worker_poll_interval);
	if (now >= next_claim)
		next_claim = DT_NOEND;
	has_more = false;
	if (nstores == 0 || !transact("looking for work", look_for_extension, &is_there) || !is_there)
		return;
	for (int i = 0; i < nstores; i++)
	{
		serve_store(&stores[i], now, is_due);
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---------- a turn ---------- */

static long
time_to_sleep(void)
{
	if (has_more && op_https_in_flight(https) < op_worker_max_in_flight)
		return 0;
	return Max(0, TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
												  Min(next_look, next_claim)));
}

void
op_deliver(void)
{
	static bool is_woken = true;

	open_delivery();
	take_replies();
	if (is_woken || has_more || GetCurrentTimestamp() >= Min(next_look, next_claim))
		look_for_work();
	is_woken = op_https_turn(https, time_to_sleep());
	OP_POINT_IF(op_https_is_sent(https), "request sent");
}

/* What is on its way ends by the rules under which it left. */
void
op_delivery_reload(void)
{
	next_look = 0; /* poll_interval may have become shorter */
	if (https != NULL && op_https_in_flight(https) == 0)
	{
		op_https_free(https);
		https = NULL;
	}
}
