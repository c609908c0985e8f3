/*
 * crypto_private.h
 *	  What the files of crypto.h share. They alone include OpenSSL.
 */
#ifndef OP_CRYPTO_PRIVATE_H
#define OP_CRYPTO_PRIVATE_H

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "crypto.h"

/*
 * How every operation ends. After a failure nothing is left of its output, and
 * OpenSSL's queue of errors is empty: the server reads it when TLS fails.
 */
static inline bool
op_crypto_end(bool ok, void *output, size_t size)
{
	if (!ok)
	{
		OPENSSL_cleanse(output, size);
		ERR_clear_error();
	}
	return ok;
}

#endif
