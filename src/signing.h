/*
 * signing.h
 *	  Signatures under what we send to a gateway.
 */
#ifndef OP_SIGNING_H
#define OP_SIGNING_H

#include "secret_kind.h"

/* In base64, by the latest valid secret of the kind; OP013 without one. */
extern char *op_sign_message(const char *store, const char *gateway, OpSecretKind kind,
							 OpBytes message);

#endif
