/*
 * gateway.h
 *	  The gateways of a store, to the rest of the extension.
 */
#ifndef OP_GATEWAY_H
#define OP_GATEWAY_H

/* How a gateway speaks; gateway_tables.sql tells them. */
typedef enum OpProtocol
{
	OP_PROTOCOL_JSON,
	OP_PROTOCOL_STANDARD_WEBHOOKS,
	OP_PROTOCOL_STRIPE,
	OP_PROTOCOL_ALIPAY,
	OP_PROTOCOL_WECHATPAY_V3,
	OP_PROTOCOL_WECHATPAY_V2
} OpProtocol;

#define OP_NPROTOCOLS (OP_PROTOCOL_WECHATPAY_V2 + 1)

typedef struct OpGateway
{
	const char *store;
	const char *name;
	OpProtocol	protocol;
	bool		is_md5;	   /* the digest of wechatpay_v2 */
	int64		tolerance; /* of notifications' times, in seconds */
} OpGateway;

/* A table of a store; an error, 42P01, if it has none of that name. */
extern Oid op_table_of_store(const char *store, const char *name);

/*
 * An error, 42501, unless the current role may record what gateways did in the
 * store, which takes their secrets.
 */
extern void op_require_recorder(const char *store);

/*
 * The row, read as the owner of the table: ask for the right before. Errors:
 * 23503 if there is none, 22023 if it has no protocol.
 */
extern void op_read_gateway(const char *store, const char *name, OpGateway *gateway);

#endif
