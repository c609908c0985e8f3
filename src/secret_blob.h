/*
 * secret_blob.h
 *	  Secrets of gateways that were sealed outside of the database.
 */
#ifndef OP_SECRET_BLOB_H
#define OP_SECRET_BLOB_H

#include "secret_kind.h"

/* What a blob is for: its label binds it to all of them. */
typedef struct OpSecretPlace
{
	const char *store;
	const char *gateway;
	const char *kind;
} OpSecretPlace;

/* An error, OP010, that tells no reason, if it does not open. The caller cleanses the secret. */
extern void op_open_secret_blob(const OpSecretPlace *place, OpBytes blob, OpSecret *secret);

#endif
