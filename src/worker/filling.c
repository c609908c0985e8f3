/*
 * filling.c
 *	  What stands for a secret in a request, filled in; see filling.h.
 *
 * The functions are the core library's (outgoing.h), found by name, for neither
 * library is linked to the other. A body that was filled in is signed here:
 * claim_requests() cannot sign what it does not see.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "filling.h"
#include "outgoing.h"

#define CORE		"$libdir/order_payment"
#define PLACEHOLDER "{{"
#define KEY_HEADER	"Idempotency-Key: "

typedef void (*AnyFunction)(void);
typedef char *(*FillFunction)(const OpOutgoing *outgoing, const char *text);
typedef char *(*SignFunction)(const OpOutgoing *outgoing, const char *id, const char *moment,
							  const char *body);

static AnyFunction
core_function(const char *name)
{
	return (AnyFunction) load_external_function(CORE, name, true, NULL);
}

bool
op_needs_filling(const OpClaimed *claimed)
{
	bool result = claimed->has_card;

	for (int i = 0; i < claimed->nheaders; i++)
		result = result || strstr(claimed->headers[i], PLACEHOLDER) != NULL;
	return result;
}

static void
sign(OpClaimed *claimed, const OpOutgoing *outgoing)
{
	SignFunction sign_body = (SignFunction) core_function("op_sign_body");
	char		*moment =
		psprintf(INT64_FORMAT, (int64) timestamptz_to_time_t(GetCurrentTimestamp()));
	const char *id = "";

	for (int i = 0; i < claimed->nheaders; i++)
	{
		if (strncmp(claimed->headers[i], KEY_HEADER, strlen(KEY_HEADER)) == 0)
			id = claimed->headers[i] + strlen(KEY_HEADER);
	}
	claimed->headers[claimed->nheaders++] = psprintf("webhook-id: %s", id);
	claimed->headers[claimed->nheaders++] = psprintf("webhook-timestamp: %s", moment);
	claimed->headers[claimed->nheaders++] =
		psprintf("webhook-signature: v1,%s", sign_body(outgoing, id, moment, claimed->body));
}

void
op_fill_in(OpClaimed *claimed)
{
	OpOutgoing	  outgoing = {.store = claimed->store,
							  .gateway = claimed->party,
							  .order_id = claimed->order_id,
							  .payment_id = claimed->payment_id};
	FillFunction  fill_header = (FillFunction) core_function("op_fill_header");
	FillFunction  fill_body = (FillFunction) core_function("op_fill_body");
	MemoryContext spi = MemoryContextSwitchTo(claimed->memory);

	for (int i = 0; i < claimed->nheaders; i++)
	{
		if (strstr(claimed->headers[i], PLACEHOLDER) != NULL)
			claimed->headers[i] = fill_header(&outgoing, claimed->headers[i]);
	}
	if (claimed->has_card)
	{
		claimed->body = fill_body(&outgoing, claimed->body);
		sign(claimed, &outgoing);
	}
	MemoryContextSwitchTo(spi);
}

static void
wipe(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
}

void
op_wipe(OpClaimed *claimed)
{
	wipe(claimed->body);
	for (int i = 0; i < claimed->nheaders; i++)
		wipe(claimed->headers[i]);
}
