/*
 * protect.c
 *	  The trigger protect_card(): a card is sealed before its row is formed.
 *
 * given		what a statement puts into a column: clear text, a mask or null
 * shown		the column as it is stored: the mask
 * twin			the column of type sealed beside it
 * bare mask	one without a twin: of a card that was forgotten
 *
 * A clear value is read, sealed into the twin, and replaced by its mask; so
 * neither table, WAL nor any later trigger sees it. A mask that the row had
 * before means that the value stays. On INSERT a mask comes with its twin, from
 * a dump or from replication, and is taken without being opened: no key is
 * needed. A mask without either would lose the card, and is refused; the twin
 * and the fingerprint are written by nobody but this trigger.
 */
#include "postgres.h"

#include "catalog/partition.h"
#include "utils/builtins.h"
#include "utils/datum.h"

#include "card.h"
#include "compat.h"
#include "document.h"
#include "errors.h"
#include "excluded.h"
#include "fingerprint.h"
#include "protect.h"
#include "protection.h"
#include "sealed.h"
#include "settings.h"
#include "trigger_call.h"

#define MAX_CHANGES (2 * OP_NCARD_PARTS + 1)

/* A row on its way through the trigger. */
typedef struct CardRow
{
	const TriggerData  *trigdata;
	FmgrInfo		   *trigger; /* the function, as it is called */
	const OpProtection *protection;
	TupleTableSlot	   *row;
	TupleTableSlot	   *old;	 /* NULL: INSERT */
	OpCard				given;	 /* by the statement */
	OpCard				before;	 /* UPDATE: as the row is stored */
	OpCard				result;	 /* as it will be; at first what is given */
	bool				is_shut; /* a value that was to be resealed does not open */
} CardRow;

/* ---------- modes ---------- */

static Oid			 mode_table = InvalidOid;
static OpProtectMode current_mode = OP_PROTECT;
static int64		 not_resealed = 0;

void
op_set_protect_mode(Oid table, OpProtectMode mode)
{
	mode_table = table;
	current_mode = mode;
	not_resealed = 0;
}

int64
op_not_resealed(void)
{
	return not_resealed;
}

/* A table that is partitioned means its partitions. */
static OpProtectMode
mode_for(Relation rel)
{
	if (current_mode == OP_PROTECT || RelationGetRelid(rel) == mode_table)
		return current_mode;
	if (rel->rd_rel->relispartition &&
		list_member_oid(get_partition_ancestors(RelationGetRelid(rel)), mode_table))
		return current_mode;
	return OP_PROTECT;
}

/* ---------- errors, each said once ---------- */

static void
refuse_write(const CardRow *row, AttrNumber column, const char *detail, const char *hint)
{
	Relation rel = row->trigdata->tg_relation;

	ereport(ERROR,
			(errcode(ERRCODE_OP_COLUMN_NOT_WRITABLE),
			 errmsg("column \"%s\" of table \"%s\" is kept by the trigger that seals cards",
					NameStr(TupleDescAttr(RelationGetDescr(rel), column - 1)->attname),
					RelationGetRelationName(rel)),
			 errdetail_internal("%s", detail), errhint("%s", hint), errtablecol(rel, column),
			 errhidestmt(true), errhidecontext(true)));
}

static void
refuse_bare_mask(const CardRow *row, OpCardPart part)
{
	refuse_write(row, row->protection->shown[part],
				 "It was given a mask, which holds no card.",
				 "Write the value in clear, or leave the column as it is.");
}

static void
refuse_twin(const CardRow *row, AttrNumber column)
{
	refuse_write(row, column, "A statement may not write it.",
				 "Leave it out: it follows the column beside it, which takes the value in clear.");
}

/* ---------- the values of a row ---------- */

static struct varlena *
value_of(TupleTableSlot *slot, AttrNumber column)
{
	NullableDatum value;

	if (column == 0)
		return NULL;
	value = op_value_in(slot, column);
	return value.isnull ? NULL : PG_DETOAST_DATUM_PACKED(value.value);
}

static void
read_card(const OpProtection *protection, TupleTableSlot *slot, OpCard *card)
{
	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		card->shown[part] = value_of(slot, protection->shown[part]);
		card->sealed[part] = value_of(slot, protection->sealed[part]);
		card->is_made[part] = false;
	}
	card->fingerprint = value_of(slot, protection->fingerprint);
	card->bound_to = NULL;
}

static bool
holds_nothing(const OpCard *card)
{
	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		if (card->shown[part] != NULL || card->sealed[part] != NULL)
			return false;
	}
	return card->fingerprint == NULL;
}

static bool
is_same(const struct varlena *a, const struct varlena *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

static bool
is_mask(OpCardPart part, const struct varlena *value)
{
	return op_is_mask(op_field_of(part), VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* What the row's values are bound to. */
static OpBytes
binding_of(CardRow *row)
{
	if (row->result.bound_to == NULL)
		row->result.bound_to = op_row_binding(row->protection, row->row);
	return op_varlena_bytes(row->result.bound_to);
}

/* What the trigger returns: the row with what has become of its card. */
static Datum
close_row(const CardRow *row)
{
	const OpProtection *protection = row->protection;
	OpChange			changes[MAX_CHANGES];
	int					n = 0;

	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		if (row->result.shown[part] != row->given.shown[part])
			changes[n++] = (OpChange){protection->shown[part],
									  {PointerGetDatum(row->result.shown[part]),
									   row->result.shown[part] == NULL}};
		if (row->result.sealed[part] != row->given.sealed[part])
			changes[n++] = (OpChange){protection->sealed[part],
									  {PointerGetDatum(row->result.sealed[part]),
									   row->result.sealed[part] == NULL}};
	}
	if (row->result.fingerprint != row->given.fingerprint)
		changes[n++] = (OpChange){
			protection->fingerprint,
			{PointerGetDatum(row->result.fingerprint), row->result.fingerprint == NULL}};
	return op_changed(row->trigdata, changes, n);
}

/* ---------- sealing ---------- */

/* The twin, and the fingerprint if it is a number, of a plaintext. */
static void
seal_plain(CardRow *row, OpCardPart part, OpBytes plain)
{
	row->result.sealed[part] = op_seal_bytes(op_field_of(part), binding_of(row), plain);
	row->result.is_made[part] = true;
	if (part == OP_CARD_NUMBER && row->protection->fingerprint != 0)
		row->result.fingerprint = op_fingerprint(plain);
}

static void
seal_clear(CardRow *row, OpCardPart part)
{
	const struct varlena *given = row->given.shown[part];
	OpClear				  clear;

	op_read_clear(op_field_of(part), VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), &clear);
	seal_plain(row, part, (OpBytes){clear.data, clear.size});
	row->result.shown[part] = cstring_to_text(clear.mask);
	op_cleanse(clear.data, clear.size);
}

/* Seals for this row what was sealed for another. False if it was not. */
static bool
rebind(CardRow *row, OpCardPart part, const OpSealed *sealed, OpBytes other)
{
	uint8  plain[OP_PLAIN_MAX];
	size_t size;

	if (!op_open_sealed(sealed, op_field_of(part), other, OP_OPEN_TO_RESEAL, plain, &size))
		return false;
	seal_plain(row, part, (OpBytes){plain, size});
	op_cleanse(plain, size);
	return true;
}

/* ---------- INSERT ---------- */

/*
 * The row whose card this one may take over, as an attempt to pay takes over
 * the card of the attempt before.
 */
static bytea *
binding_of_source(const CardRow *row)
{
	const OpProtection *protection = row->protection;
	NullableDatum		key;

	if (protection->from == 0)
		return NULL;
	key = op_value_in(row->row, protection->from);
	if (key.isnull)
		return NULL;
	return op_make_binding(protection->label, 1, protection->key_type, &key);
}

/* Has the row brought its own, as when it goes from partition to partition? */
static bool
opens_here(CardRow *row, OpCardPart part, const OpSealed *sealed)
{
	uint8  plain[OP_PLAIN_MAX];
	size_t size;
	bool   opens = op_open_sealed(sealed, op_field_of(part), binding_of(row), OP_OPEN_TO_RESEAL,
								  plain, &size);

	if (opens)
		op_cleanse(plain, size);
	return opens;
}

static void
take_sealed(CardRow *row, OpCardPart part)
{
	const OpSealed *sealed = row->given.sealed[part];
	OpEnvelope		envelope;
	bytea		   *source;

	if (!op_sealed_parse(sealed, &envelope) || envelope.field != op_field_of(part))
		op_refuse_to_open();
	source = binding_of_source(row);
	if (source != NULL && !rebind(row, part, sealed, op_varlena_bytes(source)) &&
		!opens_here(row, part, sealed))
		op_refuse_to_open();
}

/* Was BEFORE UPDATE fired on the row, in another partition, and had it the bare mask? */
static bool
is_moving(CardRow *row, OpCardPart part)
{
	const OpCard *left = op_bare_card();

	if (left == NULL || !is_same(left->shown[part], row->given.shown[part]))
		return false;
	binding_of(row);
	return is_same(left->bound_to, row->result.bound_to);
}

static void
insert_part(CardRow *row, OpCardPart part)
{
	const struct varlena *given = row->given.shown[part];
	const struct varlena *twin = row->given.sealed[part];

	if (given != NULL && is_mask(part, given))
	{
		if (twin != NULL)
			take_sealed(row, part);
		else if (!is_moving(row, part))
			refuse_bare_mask(row, part);
		return;
	}
	if (twin != NULL)
		refuse_twin(row, row->protection->sealed[part]);
	if (given != NULL)
		seal_clear(row, part);
}

static void
insert_card(CardRow *row)
{
	const struct varlena *fingerprint = row->given.fingerprint;

	if (holds_nothing(&row->given))
	{
		op_keep_proposed(row->trigger, row->trigdata->tg_relation, NULL);
		return;
	}
	for (int part = 0; part < OP_NCARD_PARTS; part++)
		insert_part(row, (OpCardPart) part);
	if (fingerprint != NULL && row->result.fingerprint == fingerprint &&
		(row->given.sealed[OP_CARD_NUMBER] == NULL || op_fingerprint_key(fingerprint) == 0))
		refuse_twin(row, row->protection->fingerprint);
	binding_of(row);
	op_keep_proposed(row->trigger, row->trigdata->tg_relation, &row->result);
}

/* ---------- UPDATE ---------- */

/* Is the column in the SET list? */
static bool
is_set(const CardRow *row, AttrNumber column)
{
	return bms_is_member(column - FirstLowInvalidHeapAttributeNumber,
						 row->trigdata->tg_updatedcols);
}

/*
 * Has an upsert put the card that it proposed into this row? One that it brought
 * sealed, from a copy of this row or of another, is none that it may write here.
 */
static bool
take_excluded(CardRow *row, OpCardPart part)
{
	const OpCard *excluded = op_proposed_card(row->trigger);

	if (excluded == NULL || !excluded->is_made[part] ||
		!is_set(row, row->protection->shown[part]) ||
		!is_same(excluded->shown[part], row->given.shown[part]))
		return false;
	binding_of(row);
	if (is_same(excluded->bound_to, row->result.bound_to))
	{
		row->result.sealed[part] = excluded->sealed[part];
		if (part == OP_CARD_NUMBER)
			row->result.fingerprint = excluded->fingerprint;
	}
	else if (op_is_stored_since(row->trigger, row->trigdata->tg_relation))
		return false;
	else if (!rebind(row, part, excluded->sealed[part], op_varlena_bytes(excluded->bound_to)))
		op_refuse_to_open();
	return true;
}

static void
reseal_part(CardRow *row, OpCardPart part)
{
	const OpSealed *sealed = row->before.sealed[part];
	bool			is_number = part == OP_CARD_NUMBER && row->protection->fingerprint != 0;
	OpEnvelope		envelope;

	if (sealed == NULL)
		return;
	if (op_sealed_parse(sealed, &envelope) && envelope.key_id == op_active_key(OP_PURPOSE_DATA) &&
		(!is_number || (row->before.fingerprint != NULL &&
						op_fingerprint_key(row->before.fingerprint) ==
							op_active_key(OP_PURPOSE_FINGERPRINT))))
		return;
	if (!rebind(row, part, sealed, binding_of(row)))
		row->is_shut = true;
}

/* The value stays; so do its twin and its fingerprint, whatever the statement says of them. */
static void
keep_part(CardRow *row, OpCardPart part)
{
	if (!is_same(row->given.sealed[part], row->before.sealed[part]))
		refuse_twin(row, row->protection->sealed[part]);
	switch (mode_for(row->trigdata->tg_relation))
	{
		case OP_PROTECT:
			break;
		case OP_PROTECT_RESEAL:
			reseal_part(row, part);
			break;
		case OP_PROTECT_FORGET:
			row->result.sealed[part] = NULL;
			break;
	}
}

static void
update_part(CardRow *row, OpCardPart part)
{
	const struct varlena *given = row->given.shown[part];

	if (given == NULL)
	{
		if (row->given.sealed[part] != NULL &&
			!is_same(row->given.sealed[part], row->before.sealed[part]))
			refuse_twin(row, row->protection->sealed[part]);
		row->result.sealed[part] = NULL;
	}
	else if (take_excluded(row, part))
		return;
	else if (!is_mask(part, given))
		seal_clear(row, part);
	else if (is_same(given, row->before.shown[part]))
		keep_part(row, part);
	else
		refuse_bare_mask(row, part);
}

/* The fingerprint goes with its number, and is nobody's to write. */
static void
update_fingerprint(CardRow *row)
{
	const OpProtection *protection = row->protection;

	bool is_gone = row->result.sealed[OP_CARD_NUMBER] == NULL;

	if (protection->fingerprint == 0)
		return;
	if (row->result.fingerprint == row->given.fingerprint &&
		!is_same(row->given.fingerprint, row->before.fingerprint) &&
		!(is_gone && row->given.fingerprint == NULL))
		refuse_twin(row, protection->fingerprint);
	if (is_gone)
		row->result.fingerprint = NULL;
}

/* What is sealed is bound to the key, and would not open any more. */
static void
refuse_new_key(CardRow *row)
{
	const OpProtection *protection = row->protection;

	for (int i = 0; i < protection->nkey; i++)
	{
		AttrNumber		  column = protection->key[i];
		Form_pg_attribute attr =
			TupleDescAttr(RelationGetDescr(row->trigdata->tg_relation), column - 1);
		NullableDatum is = op_value_in(row->row, column);
		NullableDatum was = op_value_in(row->old, column);

		if (is.isnull != was.isnull ||
			(!is.isnull && !datum_image_eq(is.value, was.value, attr->attbyval, attr->attlen)))
			refuse_write(row, column, "The card of the row is bound to its key.",
						 "Insert a new row and delete this one.");
	}
}

/* A bare mask must not be refused if the row goes to another partition now. */
static void
note_bare_masks(CardRow *row)
{
	if (!row->trigdata->tg_relation->rd_rel->relispartition)
		return;
	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		if (row->result.shown[part] == NULL || row->result.sealed[part] != NULL)
			continue;
		binding_of(row);
		op_keep_bare(&row->result);
		return;
	}
}

static void
update_card(CardRow *row)
{
	read_card(row->protection, row->old, &row->before);
	if (holds_nothing(&row->before) && holds_nothing(&row->given))
		return;
	if (!holds_nothing(&row->before))
		refuse_new_key(row);
	for (int part = 0; part < OP_NCARD_PARTS; part++)
		update_part(row, (OpCardPart) part);
	update_fingerprint(row);
	note_bare_masks(row);
	if (row->is_shut)
		not_resealed++;
}

/* ---------- replication ---------- */

/*
 * Where the trigger is made to fire for rows that come from another server, they
 * pass as they are: their cards are sealed, and their masks may be bare. A table
 * that is not protected there sends clear values, which are sealed here.
 */
static void
replicate_card(CardRow *row)
{
	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		if (row->given.shown[part] != NULL &&
			!is_mask((OpCardPart) part, row->given.shown[part]))
			seal_clear(row, (OpCardPart) part);
	}
}

/* ---------- the trigger ---------- */

PG_FUNCTION_INFO_V1(op_protect_card);

Datum
op_protect_card(PG_FUNCTION_ARGS)
{
	static const TriggerEvent firings[] = {OP_BEFORE_INSERT, OP_BEFORE_UPDATE, OP_FIRINGS_END};
	TriggerData				 *trigdata = op_trigger_data(fcinfo, "protect_card", firings,
														 "before insert or update, for each row");
	bool					  is_update = TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event);
	CardRow					  row = {.trigdata = trigdata, .trigger = fcinfo->flinfo};

	if (op_restore)
		return op_unchanged(trigdata);
	row.protection = op_protection_of(trigdata);
	row.row = is_update ? trigdata->tg_newslot : trigdata->tg_trigslot;
	row.old = is_update ? trigdata->tg_trigslot : NULL;
	op_refuse_codes(trigdata->tg_relation, row.protection, row.row, row.old);
	read_card(row.protection, row.row, &row.given);
	row.result = row.given;
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		replicate_card(&row);
	else if (is_update)
		update_card(&row);
	else
		insert_card(&row);
	return close_row(&row);
}

PG_FUNCTION_INFO_V1(op_is_card_mask);

Datum
op_is_card_mask(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(op_is_pan_mask(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}
