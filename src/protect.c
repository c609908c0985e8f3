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
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"

#include "card.h"
#include "card_row.h"
#include "card_source.h"
#include "compat.h"
#include "document.h"
#include "fingerprint.h"
#include "link.h"
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
	PG_TRY();
	{
		op_seal_plain(row, part, (OpBytes){plain, size});
	}
	PG_FINALLY();
	{
		op_cleanse(plain, size);
	}
	PG_END_TRY();
	return true;
}

/* ---------- INSERT ---------- */

/*
 * Was BEFORE UPDATE fired on the row, in another partition, and left it this
 * value there? NULL is one: a bare mask.
 */
static bool
is_moving(OpCardRow *row, OpCardPart part)
{
	const OpCard *left = op_leaving_card(op_root_of(row->trigdata->tg_relation));

	if (left == NULL || !op_is_same_value(left->shown[part], row->given.shown[part]) ||
		!op_is_same_value(left->sealed[part], row->given.sealed[part]))
		return false;
	op_card_binding(row);
	return op_is_same_value(left->bound_to, row->result.bound_to);
}

/*
 * A mask that comes with its twin, from a dump, is taken as it is: it is not
 * opened, so no key is needed. But only from who could write it anyway, by
 * switching the trigger off; from others only what was in the table before.
 */
static void
take_sealed(OpCardRow *row, OpCardPart part)
{
	const OpSealed *sealed = row->given.sealed[part];
	OpEnvelope		envelope;
	bytea		   *source;

	if (!op_sealed_parse(sealed, &envelope) || envelope.field != op_field_of(part))
		op_refuse_to_open();
	if (is_moving(row, part))
		return;
	source = op_source_binding(row);
	if (source != NULL && op_source_holds(row, part))
	{
		if (!rebind(row, part, sealed, op_varlena_bytes(source)))
			op_refuse_to_open();
	}
	else if (!has_privs_of_role(GetUserId(), row->trigdata->tg_relation->rd_rel->relowner))
		op_refuse_twin(row, row->protection->sealed[part]);
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
		op_keep_proposed(row->trigger, row->trigdata->tg_relation, NULL);
		return;
	}
	op_open_card_of_row(row);
	for (int part = 0; part < OP_NCARD_PARTS; part++)
		insert_part(row, (OpCardPart) part);
	if (fingerprint != NULL && row->result.fingerprint == fingerprint &&
		(row->given.sealed[OP_CARD_NUMBER] == NULL || op_fingerprint_key(fingerprint) == 0))
		op_refuse_twin(row, row->protection->fingerprint);
	op_card_binding(row);
	op_keep_proposed(row->trigger, row->trigdata->tg_relation, &row->result);
}

/* ---------- UPDATE ---------- */

/* Is the column in the SET list? */
static bool
is_set(const OpCardRow *row, AttrNumber column)
{
	return bms_is_member(column - FirstLowInvalidHeapAttributeNumber,
						 row->trigdata->tg_updatedcols);
}

static void
refuse_unknown_source(const OpCardRow *row, OpCardPart part)
{
	op_refuse_card_write(row, row->protection->shown[part],
						 "Its mask is that of the card that it has, and of the one that the statement has proposed last: which of them it means is not known where rows are not counted.",
						 "Set track_counts to on.");
}

/*
 * Has an upsert put the card that it proposed into this row? One that it brought
 * sealed, from a copy of this row or of another, is none that it may write here.
 */
static bool
take_excluded(OpCardRow *row, OpCardPart part)
{
	const OpCard *excluded = op_proposed_card(row->trigger);

	if (excluded == NULL || !excluded->is_made[part] ||
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
	else if (!op_are_rows_counted(row->trigdata->tg_relation) &&
			 op_is_same_value(row->given.shown[part], row->before.shown[part]))
		refuse_unknown_source(row, part);
	else if (op_is_stored_since(row->trigger, row->trigdata->tg_relation))
		return false;
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

/* What is in the row now must not be refused if it goes to another partition. */
static void
note_leaving(OpCardRow *row)
{
	if (!row->trigdata->tg_relation->rd_rel->relispartition || op_holds_nothing(&row->result))
		return;
	op_card_binding(row);
	op_keep_leaving(op_root_of(row->trigdata->tg_relation), &row->result);
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
	note_leaving(row);
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
replicate_card(OpCardRow *row)
{
	op_open_card_of_row(row);
	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		if (row->given.shown[part] != NULL && !op_is_opened(row, (OpCardPart) part) &&
			!is_mask((OpCardPart) part, row->given.shown[part]))
			op_seal_clear(row, (OpCardPart) part);
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
	OpCardRow				  row = {.trigdata = trigdata, .trigger = fcinfo->flinfo};

	if (op_restore)
		return op_unchanged(trigdata);
	row.protection = op_protection_of(trigdata);
	row.row = is_update ? trigdata->tg_newslot : trigdata->tg_trigslot;
	row.old = is_update ? trigdata->tg_trigslot : NULL;
	op_refuse_codes(trigdata->tg_relation, row.protection, row.row, row.old);
	op_read_card(row.protection, row.row, &row.given);
	row.result = row.given;
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		replicate_card(&row);
	else if (is_update)
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

PG_FUNCTION_INFO_V1(op_is_masked_card);

/* (number, holder, expiry) */
Datum
op_is_masked_card(PG_FUNCTION_ARGS)
{
	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		if (!PG_ARGISNULL(part) && !is_mask((OpCardPart) part, PG_GETARG_TEXT_PP(part)))
			PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(true);
}
