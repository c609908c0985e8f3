/*
 * data_key.h
 *	  Rows of order_payment.data_keys: their columns, their words, and how a
 *	  data key is wrapped. keyring.h says what the keys are for.
 */
#ifndef OP_DATA_KEY_H
#define OP_DATA_KEY_H

#include "crypto.h"
#include "keyring.h"

/* As data_key.sql makes them. */
typedef enum OpDataKeysColumn
{
	OP_DATA_KEYS_KEY_ID,
	OP_DATA_KEYS_PURPOSE,
	OP_DATA_KEYS_STATE,
	OP_DATA_KEYS_ROOT_KEY_ID,
	OP_DATA_KEYS_ROOT_KEY_CHECK,
	OP_DATA_KEYS_WRAPPED,
	OP_DATA_KEYS_RETIRE_AFTER
} OpDataKeysColumn;

#define OP_DATA_KEYS_NCOLUMNS (OP_DATA_KEYS_RETIRE_AFTER + 1)

extern const char  *op_purpose_name(OpKeyPurpose purpose);
extern OpKeyPurpose op_purpose_by_name(const char *name);
extern OpKeyState	op_key_state_by_name(const char *name);

/* What the HMAC key of a purpose is derived by. */
extern const char *op_hmac_purpose(OpKeyPurpose purpose);

/*
 * The key itself, which the caller cleanses; an error, OP013, if the root key
 * that wraps it is not here.
 */
extern void op_unwrap_key(uint32 id, OpKeyPurpose purpose, bytea *wrapped, uint8 raw[OP_KEY_SIZE]);

#endif
