/*
 * keyring.c
 *	  The data keys; see keyring.h.
 *
 * Rows are read by the latest snapshot, whatever the isolation level of the
 * transaction. A trigger on data_keys sends a relcache invalidation for the
 * table, and whoever asks for a key takes in what was sent first; so it is not
 * left to the next statement to notice that a key was retired or destroyed.
 *
 * A data key is unwrapped when it is first used. The keys of its fields are
 * derived at once, and made ready inside OpenSSL; the data key itself and the
 * root key are cleansed before the function returns.
 *
 * What a function here returns is good until the next call of one: that may
 * find that rows have changed, and drops what was made ready.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "data_key.h"
#include "errors.h"
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

static MemoryContext keyring = NULL; /* of the rows */
static DataKey		*keys = NULL;
static int			 nkeys = 0;
static Oid			 data_keys = InvalidOid; /* the table, as it was read */
static bool			 is_stale = true;

/* ---------- reading the rows ---------- */

static void
note_change(Datum arg, Oid relation)
{
	if (relation == InvalidOid || relation == data_keys)
		is_stale = true;
}

void
op_keyring_init(void)
{
	CacheRegisterRelcacheCallback(note_change, (Datum) 0);
}

static void
forget_keys(void)
{
	for (int i = 0; i < nkeys; i++)
	{
		for (int field = OP_FIELD_FIRST; field <= OP_FIELD_LAST; field++)
			op_aead_free(keys[i].aead[field]);
		op_hmac_free(keys[i].hmac);
	}
	nkeys = 0;
	keys = NULL;
	if (keyring != NULL)
		MemoryContextReset(keyring);
}

static void
take_row(DataKey *key, HeapTuple row, TupleDesc tupdesc)
{
	Datum values[OP_DATA_KEYS_NCOLUMNS];
	bool  isnull[OP_DATA_KEYS_NCOLUMNS];

	if (tupdesc->natts < OP_DATA_KEYS_NCOLUMNS)
		elog(ERROR, "table order_payment.data_keys has too few columns");
	memset(key, 0, sizeof(*key));
	for (int i = 0; i < OP_DATA_KEYS_NCOLUMNS; i++)
		values[i] = heap_getattr(row, i + 1, tupdesc, &isnull[i]);
	key->id = DatumGetUInt32(values[OP_DATA_KEYS_KEY_ID]);
	key->purpose = op_purpose_by_name(TextDatumGetCString(values[OP_DATA_KEYS_PURPOSE]));
	key->state = op_key_state_by_name(TextDatumGetCString(values[OP_DATA_KEYS_STATE]));
	if (!isnull[OP_DATA_KEYS_WRAPPED])
		key->wrapped = DatumGetByteaPCopy(values[OP_DATA_KEYS_WRAPPED]);
	key->is_overdue =
		!isnull[OP_DATA_KEYS_RETIRE_AFTER] &&
		DatumGetTimestampTz(values[OP_DATA_KEYS_RETIRE_AFTER]) < GetCurrentTimestamp();
}

static void
read_rows(Relation rel)
{
	Snapshot	  snapshot = RegisterSnapshot(GetLatestSnapshot());
	SysScanDesc	  scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	MemoryContext caller = MemoryContextSwitchTo(keyring);
	HeapTuple	  row;
	int			  room = 8;

	keys = palloc(room * sizeof(DataKey));
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		if (nkeys == room)
			keys = repalloc(keys, (room *= 2) * sizeof(DataKey));
		take_row(&keys[nkeys], row, RelationGetDescr(rel));
		nkeys++;
	}
	MemoryContextSwitchTo(caller);
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
}

/* Brings the keys up to date. It stays stale if this fails on the way. */
static void
refresh(void)
{
	Relation rel;

	AcceptInvalidationMessages();
	if (!is_stale)
		return;
	if (keyring == NULL)
		keyring = AllocSetContextCreate(CacheMemoryContext, "order_payment keyring",
										ALLOCSET_SMALL_SIZES);
	forget_keys();
	rel = table_open(op_data_keys_table(), AccessShareLock);
	data_keys = RelationGetRelid(rel);
	is_stale = false; /* a change while the rows are read makes it so again */
	PG_TRY();
	{
		read_rows(rel);
	}
	PG_CATCH();
	{
		is_stale = true;
		PG_RE_THROW();
	}
	PG_END_TRY();
	table_close(rel, AccessShareLock);
}

/* ---------- finding ---------- */

static DataKey *
find_key(uint32 id, OpKeyPurpose purpose)
{
	for (int i = 0; i < nkeys; i++)
	{
		if (keys[i].id == id && keys[i].purpose == purpose)
			return &keys[i];
	}
	return NULL;
}

static DataKey *
find_active(OpKeyPurpose purpose)
{
	for (int i = 0; i < nkeys; i++)
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
		is_stale = true; /* drop what was made so far */
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
	DataKey *key;

	refresh();
	key = find_active(purpose);
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
	DataKey *key;

	refresh();
	key = find_key(key_id, OP_PURPOSE_DATA);
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
	DataKey *key;

	refresh();
	key = find_key(key_id, purpose);
	/* old fingerprints find cards all the same; a token that others could make proves nothing */
	if (key == NULL ||
		!may_open(key, purpose == OP_PURPOSE_DATA ? OP_OPEN_TO_SHOW : OP_OPEN_TO_RESEAL))
		return NULL;
	return make_ready(key)->hmac;
}

uint32
op_active_key(OpKeyPurpose purpose)
{
	DataKey *key;

	refresh();
	key = find_active(purpose);
	return key == NULL ? 0 : key->id;
}

int
op_usable_keys(OpKeyPurpose purpose, uint32 **ids)
{
	int n = 0;

	refresh();
	*ids = palloc((nkeys + 1) * sizeof(uint32));
	for (int i = 0; i < nkeys; i++)
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
