/*
 * signature_header.h
 *	  What headers of HTTP say of signatures. Knows nothing of the server.
 *
 * digest	an HMAC-SHA256 that is claimed
 *
 * Digests of other schemes than v1 are skipped, whatever they are, so that nobody
 * can ask for a weaker one; one of v1 that is malformed makes the header so.
 */
#ifndef OP_SIGNATURE_HEADER_H
#define OP_SIGNATURE_HEADER_H

#include "crypto.h"

#define OP_HEADER_MAX	   8192 /* bytes */
#define OP_HEADER_DIGESTS  (OP_HEADER_MAX / 32)
#define OP_TIME_DIGITS_MAX 12

typedef struct OpDigests
{
	size_t n;
	uint8  digest[OP_HEADER_DIGESTS][OP_DIGEST_SIZE];
} OpDigests;

/* Seconds since 1970, in decimal digits without zeros in front. */
extern bool op_header_time(OpBytes text, int64 *seconds);

/* Stripe: t=TIME,v1=HEX,v1=HEX ...; one time, and one digest at least. time: as it stands */
extern bool op_stripe_header(OpBytes header, OpBytes *time, OpDigests *digests);

/* Standard Webhooks: v1,BASE64 v1,BASE64 ...; one digest at least */
extern bool op_webhook_header(OpBytes header, OpDigests *digests);

#endif
