/*
 * scheme.h
 *	  How messages of gateways are signed, protocol by protocol.
 *
 * message		headers and body of an HTTP request that a gateway sent to us
 *				(notification), or of its answer to one of ours (reply)
 * claim		what a message says of itself: when it was signed, by which key,
 *				and the signatures
 * content		the bytes that are signed: never written anew from what was read,
 *				but for those that the protocol decodes
 *
 * A scheme reads the claim out of a message, and checks it with one secret after
 * the other. Which algorithm, and which kind of secret, the row of the gateway
 * says, and never the message: what a message says of its algorithm must agree.
 *
 * Nothing here raises for what is in a message; the reason says what is wrong
 * with it, and says nothing of what it holds.
 */
#ifndef OP_SCHEME_H
#define OP_SCHEME_H

#include "utils/jsonb.h"

#include "gateway.h"
#include "gateway_secret.h"
#include "signature_header.h"

#define OP_CONTENTS_MAX 2 /* of which one must be what was signed */

/* Why a message is verified, or is not. */
typedef enum OpReason
{
	OP_REASON_VERIFIED,
	OP_REASON_UNSIGNED, /* and need not be: whom it is from, TLS has told */
	OP_REASON_HEADER_MISSING,
	OP_REASON_HEADER_MALFORMED,
	OP_REASON_SIGNATURE_MISSING, /* in the body */
	OP_REASON_ALGORITHM_REFUSED,
	OP_REASON_TOO_OLD,
	OP_REASON_TOO_NEW,
	OP_REASON_NO_SECRET,
	OP_REASON_UNKNOWN_KEY,
	OP_REASON_SIGNATURE_MISMATCH,
	OP_REASON_PROBE, /* the gateway tries out whether we verify */
	OP_REASON_BODY_TOO_LARGE,
	OP_REASON_BODY_MALFORMED,
	OP_REASON_NOT_VERIFIABLE /* by this protocol */
} OpReason;

#define OP_NREASONS (OP_REASON_NOT_VERIFIABLE + 1)

typedef struct OpMessage
{
	const OpGateway *gateway;
	Jsonb			*headers;
	OpBytes			 body;

	/* the claim */
	bool	  has_time;
	int64	  time;		/* seconds since 1970 */
	OpBytes	  key_name; /* data NULL: any key of the gateway */
	OpDigests digests;	/* of which one must be right */
	uint8	  signature[OP_RSA_MAX_SIZE];
	size_t	  signature_size;
	OpBytes	  contents[OP_CONTENTS_MAX];
	int		  ncontents;

	/* found while it is checked */
	bool key_is_known;
} OpMessage;

typedef struct OpScheme
{
	OpSecretKind kind; /* of the secret that verifies */
	OpReason (*read_notification)(OpMessage *message);
	OpReason (*read_reply)(OpMessage *message);
	OpSecretUse check; /* the context is the message */
} OpScheme;

extern const OpScheme op_schemes[OP_NPROTOCOLS];

/*
 * The value of a header; names are alike in any case. An array of one string is as
 * good as a string, for that is what some servers make of a header. Missing, or
 * malformed: there twice, or with other characters than ASCII that can be seen,
 * and blanks.
 */
extern OpReason op_find_header(const Jsonb *headers, const char *name, OpBytes *value);

#endif
