/*
 * gateway_secret.h
 *	  The secrets of gateways, to the rest of the extension. They stand sealed
 *	  in gateway_secrets of a store, and nobody is ever shown one.
 */
#ifndef OP_GATEWAY_SECRET_H
#define OP_GATEWAY_SECRET_H

#include "compat.h"
#include "secret_kind.h"

/* Of a secret: key_name is what the gateway calls it by, or NULL. */
typedef struct OpGatewaySecret
{
	OpBytes		secret; /* as kept: see secret_kind.h */
	const char *key_name;
} OpGatewaySecret;

/* Uses a secret, and keeps nothing of it; true: no other is needed. */
typedef bool (*OpSecretUse)(const OpGatewaySecret *secret, void *context);

/*
 * Hands the secrets of a gateway and kind that are valid now to `use`, the
 * latest first, until one serves; false if none did. *n: how many were handed
 * over. An error, 42501, unless the current role may record what a gateway did;
 * OP010 for a secret that does not open.
 */
extern bool op_use_gateway_secrets(const char *store, const char *gateway, OpSecretKind kind,
								   OpSecretUse use, void *context, int *n);

/* The one error, OP013, for that there is none. */
op_noreturn extern void op_refuse_without_secret(OpSecretKind kind);

#endif
