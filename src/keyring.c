/*
 * keyring.c
 *	  The data keys; see keyring.h.
 *
 * A data key is unwrapped when it is first used. The keys of its fields are
 * derived at once, and made ready inside OpenSSL; the data key itself and the
 * root key are cleansed before the function returns.
 *
 * What a function here returns is good until the next call of one: that may
 * find that rows have changed, and drops what was made ready.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "data_key.h"
#include "errors.h"
#include "key_table.h"
#include "keyring.h"
#include "memory.h"
#include "root_key.h"

/* A row of data_keys, and what was made of it. */
typedef struct DataKey
{
	uint32		 id;
	OpKeyPurpose purpose;
	OpKeyState	 state;
	bytea		*wrapped; /* NULL: destroyed */
	bool		 is_overdue;
	bool		 is_ready;
	OpAead		*aead[OP_NFIELDS]; /* purpose data */
	OpHmac		*hmac;			   /* that of a data key is for tokens */
} DataKey;

/* ---------- the rows ---------- */

static void
forget_key(void *entry)
{
	DataKey *key = entry;

	for (int field = OP_FIELD_FIRST; field <= OP_FIELD_LAST; field++)
		op_aead_free(key->aead[field]);
	op_hmac_free(key->hmac);
}

static void
take_row(void *entry, const Datum *values, const bool *isnull)
{
	DataKey *key = entry;

	key->id = DatumGetUInt32(values[OP_DATA_KEYS_KEY_ID]);
	key->purpose = op_purpose_by_name(TextDatumGetCString(values[OP_DATA_KEYS_PURPOSE]));
	key->state = op_key_state_by_name(TextDatumGetCString(values[OP_DATA_KEYS_STATE]));
	if (!isnull[OP_DATA_KEYS_WRAPPED])
		key->wrapped = DatumGetByteaPCopy(values[OP_DATA_KEYS_WRAPPED]);
	key->is_overdue =
		!isnull[OP_DATA_KEYS_RETIRE_AFTER] &&
		DatumGetTimestampTz(values[OP_DATA_KEYS_RETIRE_AFTER]) < GetCurrentTimestamp();
}

static OpKeyTable data_keys = {
	.name = "data_keys",
	.ncolumns = OP_DATA_KEYS_NCOLUMNS,
	.entry_size = sizeof(DataKey),
	.take = take_row,
	.forget = forget_key,
};

void
op_keyring_init(void)
{
	op_key_table_init(&data_keys);
}

/* The rows, up to date. */
static DataKey *
read_keys(void)
{
	op_key_table_refresh(&data_keys);
	return data_keys.entries;
}

/* ---------- finding ---------- */

static DataKey *
find_key(uint32 id, OpKeyPurpose purpose)
{
	DataKey *keys = read_keys();

	for (int i = 0; i < data_keys.n; i++)
	{
		if (keys[i].id == id && keys[i].purpose == purpose)
			return &keys[i];
	}
	return NULL;
}

static DataKey *
find_active(OpKeyPurpose purpose)
{
	DataKey *keys = read_keys();

	for (int i = 0; i < data_keys.n; i++)
	{
		if (keys[i].state == OP_KEY_ACTIVE && keys[i].purpose == purpose)
			return &keys[i];
	}
	return NULL;
}

static bool
may_open(const DataKey *key, OpOpening opening)
{
	switch (key->state)
	{
		case OP_KEY_PRE_ACTIVE:
		case OP_KEY_DESTROYED:
			return false;
		case OP_KEY_COMPROMISED:
			return opening == OP_OPEN_TO_RESEAL && key->wrapped != NULL;
		case OP_KEY_ACTIVE:
		case OP_KEY_DECRYPT_ONLY:
			return key->wrapped != NULL;
	}
	return false;
}

/* ---------- making ready ---------- */

static bool
derive(DataKey *key, const uint8 raw[OP_KEY_SIZE])
{
	uint8 derived[OP_KEY_SIZE];
	bool  seals = key->purpose == OP_PURPOSE_DATA;
	bool  done = op_hkdf_sha256(raw, op_hmac_purpose(key->purpose), derived) &&
				(key->hmac = op_hmac_new((OpBytes){derived, sizeof(derived)})) != NULL;

	for (int field = OP_FIELD_FIRST; done && seals && field <= OP_FIELD_LAST; field++)
		done = op_hkdf_sha256(raw, op_fields[field].purpose, derived) &&
			   (key->aead[field] = op_aead_new(derived)) != NULL;
	op_cleanse(derived, sizeof(derived));
	return done;
}

static DataKey *
make_ready(DataKey *key)
{
	uint8 raw[OP_KEY_SIZE];

	if (key->is_ready)
		return key;
	op_protect_memory();
	op_unwrap_key(key->id, key->purpose, key->wrapped, raw);
	key->is_ready = derive(key, raw);
	op_cleanse(raw, sizeof(raw));
	if (!key->is_ready)
	{
		data_keys.is_stale = true; /* drop what was made so far */
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("a key could not be made ready"),
						errdetail("OpenSSL refused.")));
	}
	if (key->state == OP_KEY_ACTIVE && key->is_overdue)
		ereport(LOG, (errmsg("data key %u seals for longer than it should", key->id),
					  errhint("Make another one by order_payment.create_data_key('%s'), then call order_payment.reseal() for each table.",
							  op_purpose_name(key->purpose)),
					  errhidestmt(true), errhidecontext(true)));
	return key;
}

/* The one place that says there is none. */
op_noreturn static void
refuse_to_seal(OpKeyPurpose purpose)
{
	ereport(ERROR,
			(errcode(ERRCODE_OP_NO_KEY),
			 errmsg("there is no active data key for \"%s\"", op_purpose_name(purpose)),
			 errhint("Configure a root key, then make the data keys: SELECT order_payment.create_data_keys(); see \"Keys\" in the README."),
			 errhidestmt(true), errhidecontext(true)));
}

/* The active key of a purpose, ready. */
static DataKey *
require_active(OpKeyPurpose purpose)
{
	DataKey *key = find_active(purpose);

	if (key == NULL || key->wrapped == NULL)
		refuse_to_seal(purpose);
	return make_ready(key);
}

/* ---------- what others call ---------- */

OpAead *
op_sealing_key(OpField field, uint32 *key_id)
{
	DataKey *key = require_active(OP_PURPOSE_DATA);

	*key_id = key->id;
	return key->aead[field];
}

OpAead *
op_opening_key(OpField field, uint32 key_id, OpOpening opening)
{
	DataKey *key = find_key(key_id, OP_PURPOSE_DATA);

	if (key == NULL || !may_open(key, opening))
		return NULL;
	return make_ready(key)->aead[field];
}

OpHmac *
op_active_hmac_key(OpKeyPurpose purpose, uint32 *key_id)
{
	DataKey *key = require_active(purpose);

	*key_id = key->id;
	return key->hmac;
}

OpHmac *
op_hmac_key(OpKeyPurpose purpose, uint32 key_id)
{
	DataKey *key = find_key(key_id, purpose);

	/* old fingerprints find cards all the same; a token that others could make proves nothing */
	if (key == NULL ||
		!may_open(key, purpose == OP_PURPOSE_DATA ? OP_OPEN_TO_SHOW : OP_OPEN_TO_RESEAL))
		return NULL;
	return make_ready(key)->hmac;
}

uint32
op_active_key(OpKeyPurpose purpose)
{
	DataKey *key = find_active(purpose);

	return key == NULL ? 0 : key->id;
}

int
op_usable_keys(OpKeyPurpose purpose, uint32 **ids)
{
	DataKey *keys = read_keys();
	int		 n = 0;

	*ids = palloc((data_keys.n + 1) * sizeof(uint32));
	for (int i = 0; i < data_keys.n; i++)
	{
		if (keys[i].purpose != purpose || !may_open(&keys[i], OP_OPEN_TO_RESEAL))
			continue;
		(*ids)[n] = keys[i].id;
		if (keys[i].state == OP_KEY_ACTIVE)
		{
			(*ids)[n] = (*ids)[0];
			(*ids)[0] = keys[i].id;
		}
		n++;
	}
	return n;
}
