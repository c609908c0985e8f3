/*
 * protect.c
 *	  The trigger protect_card(): a card is sealed before its row is formed.
 *
 * bare mask	a mask without a twin: of a card that was forgotten
 *
 * The other words are those of card_row.h. A clear value is read, sealed into
 * the twin, and replaced by its mask; so neither table, WAL nor any later trigger
 * sees it. A card that was sealed outside is opened, and goes the same way. A mask
 * that the row had before means that the value stays. On INSERT a mask comes with
 * its twin, from a dump or from replication, and is taken without being opened: no
 * key is needed. A mask without either would lose the card, and is refused; the
 * twin and the fingerprint are written by nobody but this trigger.
 */
#include "postgres.h"

#include "catalog/partition.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"

#include "card.h"
#include "card_row.h"
#include "compat.h"
#include "fingerprint.h"
#include "protect.h"
#include "protection.h"
#include "sealed.h"
#include "settings.h"
#include "trigger_call.h"

/* ---------- modes ---------- */

static Oid			 mode_table = InvalidOid;
static OpProtectMode current_mode = OP_PROTECT;
static int			 mode_depth = 0; /* of triggers, where the mode was set */
static int64		 not_resealed = 0;

static int
trigger_depth(void)
{
	return DatumGetInt32(DirectFunctionCall1(pg_trigger_depth, (Datum) 0));
}

void
op_set_protect_mode(Oid table, OpProtectMode mode)
{
	mode_table = table;
	current_mode = mode;
	mode_depth = trigger_depth();
	not_resealed = 0;
}

int64
op_not_resealed(void)
{
	return not_resealed;
}

/*
 * A table that is partitioned means its partitions. An UPDATE by a trigger of
 * these rows is none of those the mode is for.
 */
static OpProtectMode
mode_for(Relation rel)
{
	if (current_mode == OP_PROTECT || trigger_depth() != mode_depth + 1)
		return OP_PROTECT;
	if (RelationGetRelid(rel) == mode_table)
		return current_mode;
	if (rel->rd_rel->relispartition &&
		list_member_oid(get_partition_ancestors(RelationGetRelid(rel)), mode_table))
		return current_mode;
	return OP_PROTECT;
}

/* ---------- errors, each said once ---------- */

static void
refuse_bare_mask(const OpCardRow *row, OpCardPart part)
{
	op_refuse_card_write(row, row->protection->shown[part],
						 "It was given a mask, which holds no card.",
						 "Write the value in clear, or leave the column as it is.");
}

/* ---------- masks ---------- */

static bool
is_mask(OpCardPart part, const struct varlena *value)
{
	return op_is_mask(op_field_of(part), VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* ---------- cards of other rows ---------- */

/* Seals for this row what was sealed for another. False if it was not. */
static bool
rebind(OpCardRow *row, OpCardPart part, const OpSealed *sealed, OpBytes other)
{
	uint8  plain[OP_PLAIN_MAX];
	size_t size;

	if (!op_open_sealed(sealed, op_field_of(part), other, OP_OPEN_TO_RESEAL, plain, &size))
		return false;
	op_seal_plain(row, part, (OpBytes){plain, size});
	op_cleanse(plain, size);
	return true;
}

/* ---------- INSERT ---------- */

/*
 * The row whose card this one may take over, as an attempt to pay takes over
 * the card of the attempt before.
 */
static bytea *
binding_of_source(const OpCardRow *row)
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
opens_here(OpCardRow *row, OpCardPart part, const OpSealed *sealed)
{
	uint8  plain[OP_PLAIN_MAX];
	size_t size;
	bool   opens = op_open_sealed(sealed, op_field_of(part), op_card_binding(row),
								  OP_OPEN_TO_RESEAL, plain, &size);

	if (opens)
		op_cleanse(plain, size);
	return opens;
}

static void
take_sealed(OpCardRow *row, OpCardPart part)
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
is_moving(OpCardRow *row, OpCardPart part)
{
	const OpCard *left = op_bare_card();

	if (left == NULL || !op_is_same_value(left->shown[part], row->given.shown[part]))
		return false;
	op_card_binding(row);
	return op_is_same_value(left->bound_to, row->result.bound_to);
}

static void
insert_part(OpCardRow *row, OpCardPart part)
{
	const struct varlena *given = row->given.shown[part];
	const struct varlena *twin = row->given.sealed[part];

	if (op_is_opened(row, part))
		return;
	if (given != NULL && is_mask(part, given))
	{
		if (twin != NULL)
			take_sealed(row, part);
		else if (!is_moving(row, part))
			refuse_bare_mask(row, part);
		return;
	}
	if (twin != NULL)
		op_refuse_twin(row, row->protection->sealed[part]);
	if (given != NULL)
		op_seal_clear(row, part);
}

static void
insert_card(OpCardRow *row)
{
	const struct varlena *fingerprint = row->given.fingerprint;

	if (op_holds_nothing(&row->given))
	{
		op_keep_proposed(row->trigger, NULL);
		return;
	}
	op_open_card_of_row(row);
	for (int part = 0; part < OP_NCARD_PARTS; part++)
		insert_part(row, (OpCardPart) part);
	if (fingerprint != NULL && row->result.fingerprint == fingerprint &&
		(row->given.sealed[OP_CARD_NUMBER] == NULL || op_fingerprint_key(fingerprint) == 0))
		op_refuse_twin(row, row->protection->fingerprint);
	op_card_binding(row);
	op_keep_proposed(row->trigger, &row->result);
}

/* ---------- UPDATE ---------- */

/* Is the column in the SET list? */
static bool
is_set(const OpCardRow *row, AttrNumber column)
{
	return bms_is_member(column - FirstLowInvalidHeapAttributeNumber,
						 row->trigdata->tg_updatedcols);
}

/* Has an upsert put the card that it proposed into this row? */
static bool
take_excluded(OpCardRow *row, OpCardPart part)
{
	const OpCard *excluded = op_proposed_card(row->trigger);

	if (excluded == NULL || excluded->sealed[part] == NULL ||
		!is_set(row, row->protection->shown[part]) ||
		!op_is_same_value(excluded->shown[part], row->given.shown[part]))
		return false;
	op_card_binding(row);
	if (op_is_same_value(excluded->bound_to, row->result.bound_to))
	{
		row->result.sealed[part] = excluded->sealed[part];
		if (part == OP_CARD_NUMBER)
			row->result.fingerprint = excluded->fingerprint;
	}
	else if (!rebind(row, part, excluded->sealed[part], op_varlena_bytes(excluded->bound_to)))
		op_refuse_to_open();
	return true;
}

static void
reseal_part(OpCardRow *row, OpCardPart part)
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
	if (!rebind(row, part, sealed, op_card_binding(row)))
		row->is_shut = true;
}

/* The value stays; so do its twin and its fingerprint, whatever the statement says of them. */
static void
keep_part(OpCardRow *row, OpCardPart part)
{
	if (!op_is_same_value(row->given.sealed[part], row->before.sealed[part]))
		op_refuse_twin(row, row->protection->sealed[part]);
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
update_part(OpCardRow *row, OpCardPart part)
{
	const struct varlena *given = row->given.shown[part];

	if (op_is_opened(row, part))
		return;
	if (given == NULL)
	{
		if (row->given.sealed[part] != NULL &&
			!op_is_same_value(row->given.sealed[part], row->before.sealed[part]))
			op_refuse_twin(row, row->protection->sealed[part]);
		row->result.sealed[part] = NULL;
	}
	else if (take_excluded(row, part))
		return;
	else if (!is_mask(part, given))
		op_seal_clear(row, part);
	else if (op_is_same_value(given, row->before.shown[part]))
		keep_part(row, part);
	else
		refuse_bare_mask(row, part);
}

/* The fingerprint goes with its number, and is nobody's to write. */
static void
update_fingerprint(OpCardRow *row)
{
	const OpProtection *protection = row->protection;

	bool is_gone = row->result.sealed[OP_CARD_NUMBER] == NULL;

	if (protection->fingerprint == 0)
		return;
	if (row->result.fingerprint == row->given.fingerprint &&
		!op_is_same_value(row->given.fingerprint, row->before.fingerprint) &&
		!(is_gone && row->given.fingerprint == NULL))
		op_refuse_twin(row, protection->fingerprint);
	if (is_gone)
		row->result.fingerprint = NULL;
}

/* What is sealed is bound to the key, and would not open any more. */
static void
refuse_new_key(OpCardRow *row)
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
			op_refuse_card_write(row, column, "The card of the row is bound to its key.",
								 "Insert a new row and delete this one.");
	}
}

/* A bare mask must not be refused if the row goes to another partition now. */
static void
note_bare_masks(OpCardRow *row)
{
	if (!row->trigdata->tg_relation->rd_rel->relispartition)
		return;
	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		if (row->result.shown[part] == NULL || row->result.sealed[part] != NULL)
			continue;
		op_card_binding(row);
		op_keep_bare(&row->result);
		return;
	}
}

static void
update_card(OpCardRow *row)
{
	op_read_card(row->protection, row->old, &row->before);
	if (op_holds_nothing(&row->before) && op_holds_nothing(&row->given))
		return;
	if (!op_holds_nothing(&row->before))
		refuse_new_key(row);
	op_open_card_of_row(row);
	for (int part = 0; part < OP_NCARD_PARTS; part++)
		update_part(row, (OpCardPart) part);
	update_fingerprint(row);
	note_bare_masks(row);
	if (row->is_shut)
		not_resealed++;
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
	OpCardRow				  row = {.trigdata = trigdata, .trigger = fcinfo->flinfo};

	if (op_restore)
		return op_unchanged(trigdata);
	row.protection = op_protection_of(trigdata);
	row.row = is_update ? trigdata->tg_newslot : trigdata->tg_trigslot;
	row.old = is_update ? trigdata->tg_trigslot : NULL;
	op_read_card(row.protection, row.row, &row.given);
	row.result = row.given;
	if (is_update)
		update_card(&row);
	else
		insert_card(&row);
	return op_close_card_row(&row);
}

PG_FUNCTION_INFO_V1(op_is_card_mask);

Datum
op_is_card_mask(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(op_is_pan_mask(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}
