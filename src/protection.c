/*
 * protection.c
 *	  What a trigger protect_card() protects; see protection.h.
 *
 * As guards are (guard.c), a protection is kept by the OID of its trigger, and
 * marked invalid by whatever changes the table.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "compat.h"
#include "document.h"
#include "pan.h"
#include "protect.h"
#include "protection.h"
#include "sealed.h"
#include "trigger_call.h"
#include "verification_code.h"

static HTAB	 *protections = NULL;
static uint64 invalidations = 1;

/* ---------- the cache ---------- */

static void
invalidate_relation(Datum arg, Oid relation)
{
	HASH_SEQ_STATUS seq;
	OpProtection   *protection;

	invalidations++;
	hash_seq_init(&seq, protections);
	while ((protection = hash_seq_search(&seq)) != NULL)
	{
		if (relation == InvalidOid || protection->relation == relation)
			protection->valid = false;
	}
}

void
op_protection_init(void)
{
	HASHCTL ctl = {.keysize = sizeof(Oid), .entrysize = sizeof(OpProtection)};

	protections = hash_create("order_payment protections", 16, &ctl, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(invalidate_relation, (Datum) 0);
}

static void
sweep(void)
{
	HASH_SEQ_STATUS seq;
	OpProtection   *protection;

	hash_seq_init(&seq, protections);
	while ((protection = hash_seq_search(&seq)) != NULL)
	{
		if (protection->valid)
			continue;
		if (protection->context)
			MemoryContextDelete(protection->context);
		hash_search(protections, &protection->trigger, HASH_REMOVE, NULL);
	}
}

/* ---------- reading the arguments ---------- */

op_noreturn static void
bad_argument(Relation rel, const Trigger *trigger, int code, const char *detail)
{
	ereport(ERROR,
			(errcode(code),
			 errmsg("trigger \"%s\" of table \"%s\" cannot protect a card", trigger->tgname,
					RelationGetRelationName(rel)),
			 errdetail_internal("%s", detail),
			 errhint("Make the trigger by order_payment.protect_card_columns(table, number, ...)."),
			 errtable(rel)));
}

static AttrNumber
column_of(Relation rel, const Trigger *trigger, const char *name, Oid type)
{
	Form_pg_attribute attr = op_find_column(rel, name);

	if (attr == NULL)
		bad_argument(rel, trigger, ERRCODE_UNDEFINED_COLUMN,
					 psprintf("Column \"%s\" does not exist.", name));
	if (attr->attgenerated)
		bad_argument(rel, trigger, ERRCODE_DATATYPE_MISMATCH,
					 psprintf("Column \"%s\" is generated, and so not the trigger's to write.", name));
	if (OidIsValid(type) && attr->atttypid != type)
		bad_argument(rel, trigger, ERRCODE_DATATYPE_MISMATCH,
					 psprintf("Column \"%s\" must be of type %s.", name, format_type_be(type)));
	return attr->attnum;
}

/* The type sealed, of this extension: the one whose input is ours. */
static bool
is_sealed_type(Oid type)
{
	Oid input;
	Oid io_param;

	if (get_typtype(type) != TYPTYPE_BASE)
		return false;
	getTypeInputInfo(type, &input, &io_param);
	return op_is_function(input, op_sealed_in);
}

static void
read_part(OpProtection *protection, Relation rel, const Trigger *trigger, OpCardPart part,
		  const char *name)
{
	AttrNumber shown = column_of(rel, trigger, name, InvalidOid);
	AttrNumber sealed =
		column_of(rel, trigger, psprintf("%s" OP_SEALED_SUFFIX, name), InvalidOid);
	Form_pg_attribute attr = TupleDescAttr(RelationGetDescr(rel), shown - 1);

	if (attr->atttypid != TEXTOID &&
		!(attr->atttypid == VARCHAROID &&
		  (attr->atttypmod < 0 || attr->atttypmod >= VARHDRSZ + OP_PAN_MASK_SIZE)))
		bad_argument(rel, trigger, ERRCODE_DATATYPE_MISMATCH,
					 psprintf("Column \"%s\" must be text, or varchar of 16 or more.", name));
	if (!is_sealed_type(TupleDescAttr(RelationGetDescr(rel), sealed - 1)->atttypid))
		bad_argument(rel, trigger, ERRCODE_DATATYPE_MISMATCH,
					 psprintf("Column \"%s" OP_SEALED_SUFFIX "\" must be of type sealed.", name));
	protection->shown[part] = shown;
	protection->sealed[part] = sealed;
}

static void
read_key(OpProtection *protection, Relation rel, const Trigger *trigger, const char *name)
{
	AttrNumber column = column_of(rel, trigger, name, InvalidOid);
	Oid		   type = TupleDescAttr(RelationGetDescr(rel), column - 1)->atttypid;

	if (protection->nkey == OP_PROTECTION_MAX_KEY)
		bad_argument(rel, trigger, ERRCODE_TOO_MANY_ARGUMENTS, "A key has at most four columns.");
	if (!op_binds(type))
		bad_argument(rel, trigger, ERRCODE_DATATYPE_MISMATCH,
					 psprintf("Key column \"%s\" is of type %s; keys are integers, uuid, text or varchar.",
							  name, format_type_be(type)));
	protection->key[protection->nkey] = column;
	protection->key_type[protection->nkey++] = type;
}

typedef enum Argument
{
	ARG_NUMBER, /* the parts, in the order of OpCardPart */
	ARG_HOLDER,
	ARG_EXPIRY,
	ARG_FINGERPRINT,
	ARG_KEY,
	ARG_FROM,
	ARG_ORDER,
	ARG_REQUEST,
	ARG_TOKENS
} Argument;

static const char *const arguments[] = {
	[ARG_NUMBER] = "number=",
	[ARG_HOLDER] = "holder=",
	[ARG_EXPIRY] = "expiry=",
	[ARG_FINGERPRINT] = "fingerprint=",
	[ARG_KEY] = "key=",
	[ARG_FROM] = "from=",
	[ARG_ORDER] = "order=",
	[ARG_REQUEST] = "request=",
	[ARG_TOKENS] = "tokens=",
};

StaticAssertDecl(lengthof(arguments) == ARG_TOKENS + 1, "every argument has a name");

static void
read_argument(OpProtection *protection, Relation rel, const Trigger *trigger, const char *given)
{
	int			argument = 0;
	const char *value;

	while (argument < (int) lengthof(arguments) &&
		   strncmp(given, arguments[argument], strlen(arguments[argument])) != 0)
		argument++;
	if (argument == (int) lengthof(arguments))
		bad_argument(rel, trigger, ERRCODE_INVALID_PARAMETER_VALUE,
					 psprintf("Argument \"%s\" is none that it knows.", given));
	value = given + strlen(arguments[argument]);
	switch ((Argument) argument)
	{
		case ARG_NUMBER:
		case ARG_HOLDER:
		case ARG_EXPIRY:
			read_part(protection, rel, trigger, (OpCardPart) argument, value);
			break;
		case ARG_FINGERPRINT:
			protection->fingerprint = column_of(rel, trigger, value, BYTEAOID);
			break;
		case ARG_KEY:
			read_key(protection, rel, trigger, value);
			break;
		case ARG_FROM:
			protection->from = column_of(rel, trigger, value, InvalidOid);
			break;
		case ARG_ORDER:
			protection->order = column_of(rel, trigger, value, InvalidOid);
			break;
		case ARG_REQUEST:
			protection->request = column_of(rel, trigger, value, InvalidOid);
			break;
		case ARG_TOKENS:
			protection->tokens = MemoryContextStrdup(protection->context, value);
			break;
	}
}

static void
refuse_verification_codes(Relation rel, const Trigger *trigger)
{
	TupleDesc tupdesc = RelationGetDescr(rel);

	for (int i = 0; i < tupdesc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(tupdesc, i)->attname);

		if (TupleDescAttr(tupdesc, i)->attisdropped ||
			op_names_verification_code(name, strlen(name)) == NULL)
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("trigger \"%s\" of table \"%s\" cannot protect a card", trigger->tgname,
						RelationGetRelationName(rel)),
				 errdetail("Column \"%s\" is for a verification code, PIN or track of a card, which may not be stored, not even sealed (PCI DSS 3.3.1).",
						   name),
				 errhint("Drop the column, and what is in it; if it holds something else, rename it."),
				 errtable(rel)));
	}
}

/* Columns whose keys the trigger has to look at, row by row. */
static void
find_documents(OpProtection *protection, Relation rel)
{
	TupleDesc tupdesc = RelationGetDescr(rel);

	protection->document = MemoryContextAlloc(protection->context,
											  (tupdesc->natts + 1) * sizeof(AttrNumber));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(tupdesc, i);

		if (!attr->attisdropped && !attr->attgenerated && op_is_document(attr->atttypid))
			protection->document[protection->ndocuments++] = attr->attnum;
	}
}

/*
 * Everybody may make temporary tables. On a table of his own a trigger would show
 * fingerprints of numbers that he guesses, unrecorded, and with from= take over
 * cards that are not his.
 */
static void
refuse_temporary(Relation rel, const Trigger *trigger)
{
	if (rel->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		bad_argument(rel, trigger, ERRCODE_WRONG_OBJECT_TYPE, "It is a temporary table.");
}

/* An upsert fires it twice, and what the first call keeps is for the second (excluded.h). */
static void
require_every_change(Relation rel, const Trigger *trigger)
{
	if (!TRIGGER_FOR_INSERT(trigger->tgtype) || !TRIGGER_FOR_UPDATE(trigger->tgtype) ||
		trigger->tgnattr > 0 || trigger->tgqual != NULL)
		bad_argument(rel, trigger, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
					 "It must be fired at every INSERT and UPDATE: BEFORE INSERT OR UPDATE, without OF and WHEN.");
}

static void
read_arguments(OpProtection *protection, Relation rel, const Trigger *trigger)
{
	if (trigger->tgnargs < 1 || trigger->tgargs[0][0] == '\0' || strchr(trigger->tgargs[0], '='))
		bad_argument(rel, trigger, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
					 "Its first argument is a label.");
	protection->label = MemoryContextStrdup(protection->context, trigger->tgargs[0]);
	for (int i = 1; i < trigger->tgnargs; i++)
		read_argument(protection, rel, trigger, trigger->tgargs[i]);
	if (protection->shown[OP_CARD_NUMBER] == 0 || protection->nkey == 0)
		bad_argument(rel, trigger, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
					 "Its arguments name a number and a key.");
	if (protection->from != 0 &&
		(protection->nkey != 1 ||
		 TupleDescAttr(RelationGetDescr(rel), protection->from - 1)->atttypid !=
			 protection->key_type[0]))
		bad_argument(rel, trigger, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
					 "A row can be named only by a key of one column, and of its type.");
	if ((protection->order != 0) != (protection->tokens != NULL) ||
		(protection->request != 0 && protection->order == 0))
		bad_argument(rel, trigger, ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED,
					 "order= and tokens= go together, and request= with them.");
	refuse_temporary(rel, trigger);
	require_every_change(rel, trigger);
	refuse_verification_codes(rel, trigger);
	find_documents(protection, rel);
}

/* ---------- what others call ---------- */

static const OpProtection *
protection_of(const Trigger *trigger, Relation rel)
{
	OpProtection *protection = hash_search(protections, &trigger->tgoid, HASH_FIND, NULL);
	uint64		  before;

	if (protection != NULL && protection->valid)
		return protection;

	/* stays invalid until it is complete, and if something changes meanwhile */
	sweep();
	before = invalidations;
	protection = hash_search(protections, &trigger->tgoid, HASH_ENTER, NULL);
	memset((char *) protection + sizeof(Oid), 0, sizeof(OpProtection) - sizeof(Oid));
	protection->relation = RelationGetRelid(rel);
	protection->context = AllocSetContextCreate(CacheMemoryContext, "order_payment protection",
												ALLOCSET_SMALL_SIZES);
	read_arguments(protection, rel, trigger);
	protection->valid = before == invalidations;
	return protection;
}

const OpProtection *
op_protection_of(const TriggerData *trigdata)
{
	return protection_of(trigdata->tg_trigger, trigdata->tg_relation);
}

const OpProtection *
op_protection_of_table(Relation rel)
{
	TriggerDesc *trigdesc = CopyTriggerDesc(rel->trigdesc); /* see op_has_trigger() */

	for (int i = 0; trigdesc != NULL && i < trigdesc->numtriggers; i++)
	{
		if (op_is_function(trigdesc->triggers[i].tgfoid, op_protect_card))
			return protection_of(&trigdesc->triggers[i], rel);
	}
	return NULL;
}

bytea *
op_row_binding(const OpProtection *protection, TupleTableSlot *row)
{
	NullableDatum key[OP_PROTECTION_MAX_KEY];

	for (int i = 0; i < protection->nkey; i++)
		key[i] = op_value_in(row, protection->key[i]);
	return op_make_binding(protection->label, protection->nkey, protection->key_type, key);
}

PG_FUNCTION_INFO_V1(op_check_protection);

/* (target): an error now, instead of at the first row */
Datum
op_check_protection(PG_FUNCTION_ARGS)
{
	Relation rel = op_open_named(PG_GETARG_OID(0));

	(void) op_protection_of_table(rel);
	table_close(rel, AccessShareLock);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(op_trigger_argument);

/* (tgargs, name): the value of the argument name=value, null if there is none */
Datum
op_trigger_argument(PG_FUNCTION_ARGS)
{
	bytea	   *arguments = PG_GETARG_BYTEA_PP(0);
	char	   *name = psprintf("%s=", text_to_cstring(PG_GETARG_TEXT_PP(1)));
	const char *at = VARDATA_ANY(arguments);
	const char *end = at + VARSIZE_ANY_EXHDR(arguments);

	/* each ends with a zero */
	for (; at < end; at += strnlen(at, end - at) + 1)
	{
		size_t size = strnlen(at, end - at);

		if (size >= strlen(name) && memcmp(at, name, strlen(name)) == 0)
			PG_RETURN_TEXT_P(
				cstring_to_text_with_len(at + strlen(name), (int) (size - strlen(name))));
	}
	PG_RETURN_NULL();
}
