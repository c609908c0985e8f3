/*
 * card_token.h
 *	  Tokens: what a card that was sealed outside is good for.
 *
 * A token is a statement of the database's own, proved by HMAC-SHA256 under a key
 * that is derived from the active data key. It is sealed together with the card,
 * so that what is caught on the way, or found in a log of the shop, pays for no
 * other order and not later. As text it is base64url of
 *
 *		offset	size	content
 *		0		1		version, 1
 *		1		4		id of the data key, big-endian
 *		5		8		when it expires: microseconds since 2000-01-01 UTC, big-endian
 *		13		12		random
 *		25		32		HMAC of what stands before it, and of the scope
 *
 * scope	what the token is good for: an order in a table, or a binding for seal()
 */
#ifndef OP_CARD_TOKEN_H
#define OP_CARD_TOKEN_H

#include "datatype/timestamp.h"

#include "crypto.h"

#define OP_TOKEN_ID_SIZE 12

typedef struct OpTokenScope
{
	Oid		table;	 /* the root of its partitions; InvalidOid: none, for seal() */
	OpBytes subject; /* the order's key as text, in UTF-8; or what seal() binds to */
} OpTokenScope;

typedef struct OpToken
{
	uint8		id[OP_TOKEN_ID_SIZE];
	TimestampTz expires_at;
} OpToken;

/* A palloc'd text. An error, 22023, if the lifetime is no good; OP013 without a key. */
extern char *op_make_token(const OpTokenScope *scope, Interval *lifetime);

/* Is it one that was made for this scope, and not expired? */
extern bool op_check_token(const char *text, size_t size, const OpTokenScope *scope,
						   OpToken *token);

#endif
