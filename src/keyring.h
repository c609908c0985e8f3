/*
 * keyring.h
 *	  The data keys, which seal; the root key wraps them (root_key.h).
 *
 * They are rows of order_payment.data_keys, known by a random id, each for one
 * purpose and in one state:
 *
 *		pre_active		made, and waiting
 *		active			seals and opens; one for each purpose
 *		decrypt_only	opens what it sealed
 *		compromised		known to others: opens only to be sealed again
 *		destroyed		the key itself is gone
 *
 * From a data key a key is derived for each field (HKDF), and that is what is
 * used. Keys made ready stay in this process, in memory that core files leave
 * out, until a row changes; a change counts from its commit on, in every
 * session, also in the middle of a transaction that began before.
 */
#ifndef OP_KEYRING_H
#define OP_KEYRING_H

#include "crypto.h"
#include "envelope.h"

/* The order of the names in keyring.c. */
typedef enum OpKeyPurpose
{
	OP_PURPOSE_DATA,		/* whatever is opened again */
	OP_PURPOSE_FINGERPRINT, /* finds cards by their number */
	OP_PURPOSE_PEPPER		/* makes payment passwords worthless without it */
} OpKeyPurpose;

#define OP_NPURPOSES (OP_PURPOSE_PEPPER + 1)

typedef enum OpKeyState
{
	OP_KEY_PRE_ACTIVE,
	OP_KEY_ACTIVE,
	OP_KEY_DECRYPT_ONLY,
	OP_KEY_COMPROMISED,
	OP_KEY_DESTROYED
} OpKeyState;

#define OP_NKEY_STATES (OP_KEY_DESTROYED + 1)

/* Who opens: whoever is to see the value, or what seals it again. */
typedef enum OpOpening
{
	OP_OPEN_TO_SHOW,
	OP_OPEN_TO_RESEAL
} OpOpening;

/* Room for the id and the key of a fingerprint. */
#define OP_FINGERPRINT_SIZE (4 + OP_DIGEST_SIZE)

/* The active key for a field, and its id; an error, OP013, if there is none. */
extern OpAead *op_sealing_key(OpField field, uint32 *key_id);

/* The id alone, of the active data key, fingerprint key or pepper; 0 if there is none. */
extern uint32 op_active_key(OpKeyPurpose purpose);

/*
 * The key that sealed a field. NULL if no key has that id, or it may not open:
 * what to say is the caller's. An error, OP013, if the root key is not here.
 */
extern OpAead *op_opening_key(OpField field, uint32 key_id, OpOpening opening);

/*
 * HMAC keys: the active one of a purpose, or the one of an id (NULL if there is
 * none that may still be used). That of a data key proves tokens (card_token.h).
 * Errors as above.
 */
extern OpHmac *op_active_hmac_key(OpKeyPurpose purpose, uint32 *key_id);
extern OpHmac *op_hmac_key(OpKeyPurpose purpose, uint32 key_id);

/* The ids of all keys of a purpose that may still open, the active one first; a palloc'd array. */
extern int op_usable_keys(OpKeyPurpose purpose, uint32 **ids);

extern void op_keyring_init(void);

#endif
