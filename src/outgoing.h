/*
 * outgoing.h
 *	  What stands for a secret in a request to a gateway, filled in; for the
 *	  library that sends it, and nobody else. No SQL function leads here.
 *
 * Results are in the caller's memory, who cleanses them when they are sent.
 */
#ifndef OP_OUTGOING_H
#define OP_OUTGOING_H

/* Of which request; all by name, as claim_requests() tells it. */
typedef struct OpOutgoing
{
	const char *store;
	const char *gateway;
	const char *order_id;
	const char *payment_id;
} OpOutgoing;

/* A header with the gateway's key. OP013 without one. */
extern PGDLLEXPORT char *op_fill_header(const OpOutgoing *outgoing, const char *header);

/*
 * A body with the payment's card: each value is recorded as a request of the
 * current role before it is opened.
 */
extern PGDLLEXPORT char *op_fill_body(const OpOutgoing *outgoing, const char *body);

/* The signature of Standard Webhooks, in base64, over a body that was filled in. */
extern PGDLLEXPORT char *op_sign_body(const OpOutgoing *outgoing, const char *id,
									  const char *moment, const char *body);

#endif
