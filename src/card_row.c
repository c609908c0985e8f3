/*
 * card_row.c
 *	  A row with a card on its way through the trigger protect_card(); see card_row.h.
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "card.h"
#include "card_row.h"
#include "errors.h"
#include "fingerprint.h"
#include "row_token.h"
#include "sealed.h"
#include "sealed_card.h"

#define MAX_CHANGES (2 * OP_NCARD_PARTS + 1)

/* ---------- errors, each said once ---------- */

void
op_refuse_card_write(const OpCardRow *row, AttrNumber column, const char *detail, const char *hint)
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

void
op_refuse_twin(const OpCardRow *row, AttrNumber column)
{
	op_refuse_card_write(row, column, "A statement may not write it.",
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

void
op_read_card(const OpProtection *protection, TupleTableSlot *slot, OpCard *card)
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

bool
op_holds_nothing(const OpCard *card)
{
	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		if (card->shown[part] != NULL || card->sealed[part] != NULL)
			return false;
	}
	return card->fingerprint == NULL;
}

bool
op_is_same_value(const struct varlena *a, const struct varlena *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
		   memcmp(VARDATA_ANY(a), VARDATA_ANY(b), VARSIZE_ANY_EXHDR(a)) == 0;
}

OpBytes
op_card_binding(OpCardRow *row)
{
	if (row->result.bound_to == NULL)
		row->result.bound_to = op_row_binding(row->protection, row->row);
	return op_varlena_bytes(row->result.bound_to);
}

Datum
op_close_card_row(const OpCardRow *row)
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

void
op_seal_plain(OpCardRow *row, OpCardPart part, OpBytes plain)
{
	row->result.sealed[part] = op_seal_bytes(op_field_of(part), op_card_binding(row), plain);
	row->result.is_made[part] = true;
	if (part == OP_CARD_NUMBER && row->protection->fingerprint != 0)
		row->result.fingerprint = op_fingerprint(plain);
}

/* What was read, and its mask. */
static void
seal_read(OpCardRow *row, OpCardPart part, OpClear *clear)
{
	PG_TRY();
	{
		op_seal_plain(row, part, (OpBytes){clear->data, clear->size});
		row->result.shown[part] = cstring_to_text(clear->mask);
	}
	PG_CATCH();
	{
		op_cleanse(clear->data, clear->size);
		PG_RE_THROW();
	}
	PG_END_TRY();
	op_cleanse(clear->data, clear->size);
}

void
op_seal_clear(OpCardRow *row, OpCardPart part)
{
	const struct varlena *given = row->given.shown[part];
	OpClear				  clear;

	op_read_clear(op_field_of(part), VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), &clear);
	seal_read(row, part, &clear);
}

/* ---------- cards that were sealed outside ---------- */

static bool
is_sealed_outside(const struct varlena *given)
{
	return given != NULL && op_is_blob(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given));
}

/* Its mask is not what was given then. */
bool
op_is_opened(const OpCardRow *row, OpCardPart part)
{
	return row->result.shown[part] != row->given.shown[part];
}

/* A statement that brings a sealed card leaves alone what is in it. */
static void
require_untouched(OpCardRow *row, OpCardPart part)
{
	if (part != OP_CARD_NUMBER && row->given.shown[part] != NULL &&
		!op_is_same_value(row->given.shown[part], row->before.shown[part]))
		op_refuse_card_write(row, row->protection->shown[part], "The sealed card brings a value of its own.",
							 "Leave the column out.");
	if (row->given.sealed[part] != NULL &&
		!op_is_same_value(row->given.sealed[part], row->before.sealed[part]))
		op_refuse_twin(row, row->protection->sealed[part]);
}

/* What the row has no column for is left out; what the card has not is as the statement says. */
static void
seal_opened(OpCardRow *row, const OpBlobCard *card)
{
	for (int part = 0; part < OP_NCARD_PARTS; part++)
	{
		const OpBlobText *value = &card->members[part];
		OpClear			  clear;

		if (value->size == 0 || row->protection->shown[part] == 0)
			continue;
		require_untouched(row, (OpCardPart) part);
		op_read_opened(op_field_of((OpCardPart) part), value->data, value->size, &clear);
		seal_read(row, (OpCardPart) part, &clear);
	}
}

StaticAssertDecl(OP_BLOB_NUMBER == (int) OP_CARD_NUMBER && OP_BLOB_HOLDER == (int) OP_CARD_HOLDER &&
					 OP_BLOB_EXPIRY == (int) OP_CARD_EXPIRY,
				 "the parts of a card are the first members of a sealed one");

void
op_open_card_of_row(OpCardRow *row)
{
	const struct varlena *given = row->given.shown[OP_CARD_NUMBER];
	Relation			  rel = row->trigdata->tg_relation;
	OpTokenScope		  scope;
	OpBlobCard			  card;
	OpToken				  token;

	if (!is_sealed_outside(given))
		return;
	scope = op_row_scope(row->protection, rel, row->row);
	op_open_sealed_card(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), &scope, &card, &token);
	PG_TRY();
	{
		op_use_token(row->protection, rel, row->row, &token);
		/* triggers of that table may have had all that is invalid swept away */
		row->protection = op_protection_of(row->trigdata);
		seal_opened(row, &card);
	}
	PG_FINALLY();
	{
		op_cleanse(&card, sizeof(card));
	}
	PG_END_TRY();
}
