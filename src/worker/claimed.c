/*
 * claimed.c
 *	  A request, or a webhook, between its claim and its settlement; see claimed.h.
 *
 * The functions are those that every other program would call: claim_requests()
 * and settle_request(), claim_webhooks() and settle_webhook(). Headers, which
 * are jsonb there, are lines here.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "claimed.h"

#define SENDER		  "order_payment_worker"
#define EXTRA_HEADERS 3

/* The columns that a claim returns, in this order. */
enum
{
	CLAIMED_ORDER_ID = 1,
	CLAIMED_ID,
	CLAIMED_PARTY,
	CLAIMED_PAYMENT_ID,
	CLAIMED_METHOD,
	CLAIMED_URL,
	CLAIMED_BODY,
	CLAIMED_HAS_CARD,
	CLAIMED_TIMEOUT,
	CLAIMED_HEADERS
};

#define TIMEOUT "(extract(epoch FROM c.timeout) * 1000)::pg_catalog.int4"
#define LINES	"ARRAY(SELECT h.key || ': ' || h.value FROM jsonb_each_text(c.headers) h)"

/* $1: how many, $2: the store, $3: who */
#define CLAIM_REQUESTS \
	"SELECT c.order_id, c.request_id::text, c.gateway, c.payment_id::text, c.method, c.url, c.body, c.has_card, " TIMEOUT ", " LINES \
	" FROM order_payment.claim_requests($1, $3, true, $2) c"
#define CLAIM_WEBHOOKS \
	"SELECT c.order_id, c.event_id::text, c.subscriber, NULL::text, c.method, c.url, c.body, false, " TIMEOUT ", " LINES \
	" FROM order_payment.claim_webhooks($1, $3, $2) c"

#define HEADERS \
	"(SELECT coalesce(jsonb_object_agg(n.name, n.vals), '{}') FROM (SELECT lower(split_part(l, ':', 1)) AS name," \
	" jsonb_agg(btrim(substr(l, strpos(l, ':') + 1), E' \\t')) AS vals FROM unnest($6) l GROUP BY 1) n)"

/* $1 order, $2 id, $3 party, $4 state, $5 status, $6 headers, $7 body, $8 problem, $9 store */
#define SETTLE_REQUEST \
	"SELECT order_payment.settle_request($1, $2::uuid, $4, $5, " HEADERS ", $7, $8, $9) FROM (SELECT $3) unused"
#define SETTLE_WEBHOOK \
	"SELECT order_payment.settle_webhook($3, $1, $2::uuid, $5, $8, $9) FROM (SELECT $4, $6::text[], $7::bytea) unused"

struct OpClaimKind
{
	const char *claim;
	const char *settle;
	bool		leads_on; /* the next event of the order */
};

static const OpClaimKind kinds[OP_CLAIM_KINDS] = {
	{CLAIM_REQUESTS, SETTLE_REQUEST, false},
	{CLAIM_WEBHOOKS, SETTLE_WEBHOOK, true},
};

const OpClaimKind *
op_claim_kind(int i)
{
	return &kinds[i];
}

bool
op_leads_on(const OpClaimKind *kind)
{
	return kind->leads_on;
}

/* ---------- claiming ---------- */

static char *
text_of(int row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

static char *
kept(OpClaimed *claimed, int row, int column)
{
	char *text = text_of(row, column);

	return text == NULL ? NULL : MemoryContextStrdup(claimed->memory, text);
}

static void
keep_headers(OpClaimed *claimed, int row)
{
	bool  is_null;
	Datum array =
		SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, CLAIMED_HEADERS, &is_null);
	Datum *lines;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &lines, NULL,
					  &claimed->nheaders);
	claimed->headers = MemoryContextAlloc(claimed->memory,
										  (claimed->nheaders + EXTRA_HEADERS) * sizeof(char *));
	for (int i = 0; i < claimed->nheaders; i++)
		claimed->headers[i] =
			MemoryContextStrdup(claimed->memory, TextDatumGetCString(lines[i]));
}

static OpClaimed *
keep(const OpClaimKind *kind, const char *store, int row, MemoryContext memory)
{
	MemoryContext own =
		AllocSetContextCreate(memory, "order_payment_worker claimed", ALLOCSET_SMALL_SIZES);
	OpClaimed *claimed = MemoryContextAllocZero(own, sizeof(OpClaimed));

	claimed->memory = own;
	claimed->kind = kind;
	claimed->store = MemoryContextStrdup(own, store);
	claimed->order_id = kept(claimed, row, CLAIMED_ORDER_ID);
	claimed->id = kept(claimed, row, CLAIMED_ID);
	claimed->party = kept(claimed, row, CLAIMED_PARTY);
	claimed->payment_id = kept(claimed, row, CLAIMED_PAYMENT_ID);
	claimed->method = kept(claimed, row, CLAIMED_METHOD);
	claimed->url = kept(claimed, row, CLAIMED_URL);
	claimed->body = kept(claimed, row, CLAIMED_BODY);
	claimed->has_card = strcmp(text_of(row, CLAIMED_HAS_CARD), "t") == 0;
	claimed->timeout_ms = pg_strtoint32(text_of(row, CLAIMED_TIMEOUT));
	keep_headers(claimed, row);
	return claimed;
}

List *
op_claim(const OpClaimKind *kind, const char *store, int room, MemoryContext memory)
{
	const Oid types[] = {INT4OID, NAMEOID, TEXTOID};
	Datum	  values[] = {Int32GetDatum(room),
						  DirectFunctionCall1(namein, CStringGetDatum(store)),
						  CStringGetTextDatum(psprintf(SENDER " %d", MyProcPid))};
	List	 *result = NIL;

	if (SPI_execute_with_args(kind->claim, lengthof(types), (Oid *) types, values, NULL, false,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "could not claim from store \"%s\"", store);
	for (int i = 0; i < (int) SPI_processed; i++)
	{
		OpClaimed	 *claimed = keep(kind, store, i, memory);
		MemoryContext spi = MemoryContextSwitchTo(memory);

		result = lappend(result, claimed);
		MemoryContextSwitchTo(spi);
	}
	return result;
}

/* ---------- settling ---------- */

static bool
is_ascii_line(const char *line)
{
	while (*line != '\0' && !IS_HIGHBIT_SET(*line))
		line++;
	return *line == '\0';
}

/* Lines that are no ASCII are nobody's signature. */
static Datum
header_array(const OpHttpsReply *reply)
{
	int	   nlines = reply == NULL ? 0 : reply->nheaders;
	Datum *lines = palloc((nlines + 1) * sizeof(Datum));
	int	   n = 0;

	for (int i = 0; i < nlines; i++)
	{
		if (is_ascii_line(reply->headers[i]))
			lines[n++] = CStringGetTextDatum(reply->headers[i]);
	}
	return PointerGetDatum(construct_array(lines, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static const char *
state_of(const OpHttpsReply *reply)
{
	static const char *const states[] = {
		[OP_HTTPS_NOT_SENT] = "not_sent",
		[OP_HTTPS_LOST] = "lost",
		[OP_HTTPS_ANSWERED] = "answered",
	};

	return states[reply == NULL ? OP_HTTPS_NOT_SENT : reply->outcome];
}

static Datum
bytes_of(const OpHttpsReply *reply)
{
	size_t size = reply == NULL || reply->body == NULL ? 0 : reply->body_size;
	bytea *result = palloc(VARHDRSZ + size);

	SET_VARSIZE(result, VARHDRSZ + size);
	if (size > 0)
		memcpy(VARDATA(result), reply->body, size);
	return PointerGetDatum(result);
}

void
op_settle(const OpClaimed *claimed, const OpHttpsReply *reply, const char *problem)
{
	const Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT4OID,
						 TEXTARRAYOID, BYTEAOID, TEXTOID, NAMEOID};
	bool	  answered = reply != NULL && reply->outcome == OP_HTTPS_ANSWERED;
	Datum	  values[lengthof(types)];
	char	  nulls[lengthof(types)];

	if (reply != NULL && reply->error != NULL)
		problem =
			psprintf("%s: %s", reply->error, reply->error_text ? reply->error_text : "no more is known");
	memset(nulls, ' ', sizeof(nulls));
	values[0] = CStringGetTextDatum(claimed->order_id);
	values[1] = CStringGetTextDatum(claimed->id);
	values[2] = CStringGetTextDatum(claimed->party);
	values[3] = CStringGetTextDatum(state_of(reply));
	values[4] = Int32GetDatum(answered ? reply->status : 0);
	nulls[4] = answered ? ' ' : 'n';
	values[5] = header_array(reply);
	values[6] = bytes_of(reply);
	values[7] = problem == NULL ? (Datum) 0 : CStringGetTextDatum(problem);
	nulls[7] = problem == NULL ? 'n' : ' ';
	values[8] = DirectFunctionCall1(namein, CStringGetDatum(claimed->store));
	if (SPI_execute_with_args(claimed->kind->settle, lengthof(types), (Oid *) types, values, nulls,
							  false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not settle a request of store \"%s\"", claimed->store);
}
