/*
 * root_key.h
 *	  The root key, which wraps the data keys and is never in the database.
 *
 * A source, a file or the output of a command, has lines of two words:
 *
 *		id		a number, 1 to 2147483647
 *		bytes	32, in 64 hexadecimal digits
 *
 * Several lines with one id are components: the key is what they make by XOR,
 * so that nobody who holds less than all of them knows anything of it. The
 * highest id wraps new keys; others are there as long as they are needed.
 * Blank lines, and lines that begin with #, say nothing.
 */
#ifndef OP_ROOT_KEY_H
#define OP_ROOT_KEY_H

#include "crypto.h"

#define OP_ROOT_KEYS_MAX   16
#define OP_ROOT_CHECK_SIZE 8

typedef struct OpRootKey
{
	uint32 id;
	uint8  key[OP_KEY_SIZE];
} OpRootKey;

typedef struct OpRootKeys
{
	int		  n;
	OpRootKey keys[OP_ROOT_KEYS_MAX]; /* by ascending id */
} OpRootKeys;

/* Reads the source; an error, OP013 or 58030, if that is not possible. The caller cleanses it. */
extern void op_read_root_keys(OpRootKeys *keys);

/* The key of that id, or NULL. The last one is the current one. */
extern const OpRootKey *op_find_root_key(const OpRootKeys *keys, uint32 id);

/* Tells a key by eight bytes, which say nothing of it: HMAC of a fixed text. */
extern bool op_root_key_check(const OpRootKey *key, uint8 check[OP_ROOT_CHECK_SIZE]);

extern void op_root_key_init(void);

#endif
