/*
 * protection.h
 *	  What a trigger protect_card() protects: its arguments, read once.
 *
 * The first argument is a label, the rest are name=value:
 *
 *		label					what the values are bound to, beside the key; it stays
 *								what it is when the table is renamed
 *		number=column			the number of the card: text, and its twin
 *								column_sealed of type sealed
 *		holder=, expiry=		likewise; optional
 *		fingerprint=column		bytea; optional
 *		key=column				of the row's key; one or more, never null, never
 *								changed; integers, uuid or text
 *		from=column				names, by its key, the row of the same table whose
 *								card a new row may take over; optional
 *		order=column			for cards that were sealed outside (row_token.h):
 *		tokens=table			the row's order, the table that remembers used
 *		request=column			tokens, the row's idempotency key; optional, the
 *								first two together
 */
#ifndef OP_PROTECTION_H
#define OP_PROTECTION_H

#include "commands/trigger.h"

#include "envelope.h"
#include "trigger_call.h"

/* The parts of a card that are sealed, each a field of its own. */
typedef enum OpCardPart
{
	OP_CARD_NUMBER,
	OP_CARD_HOLDER,
	OP_CARD_EXPIRY
} OpCardPart;

#define OP_NCARD_PARTS		  (OP_CARD_EXPIRY + 1)
#define OP_PROTECTION_MAX_KEY 4
#define OP_SEALED_SUFFIX	  "_sealed"

static inline OpField
op_field_of(OpCardPart part)
{
	return (OpField) (OP_FIELD_NUMBER + part);
}

typedef struct OpProtection
{
	Oid			  trigger; /* hash key */
	Oid			  relation;
	bool		  valid;
	MemoryContext context;
	char		 *label;
	AttrNumber	  shown[OP_NCARD_PARTS];  /* 0: not protected */
	AttrNumber	  sealed[OP_NCARD_PARTS]; /* their twins */
	AttrNumber	  fingerprint;
	AttrNumber	  from;
	AttrNumber	  order;
	AttrNumber	  request;
	char		 *tokens; /* NULL: none */
	int			  nkey;
	AttrNumber	  key[OP_PROTECTION_MAX_KEY];
	Oid			  key_type[OP_PROTECTION_MAX_KEY];
	int			  ndocuments;
	AttrNumber	 *document; /* columns of json and jsonb */
} OpProtection;

/* Of this call; an error if the arguments or the table do not fit. */
extern const OpProtection *op_protection_of(const TriggerData *trigdata);

/* Of the trigger that protects a table, or NULL. */
extern const OpProtection *op_protection_of_table(Relation rel);

/* What the values of a row are bound to. */
extern bytea *op_row_binding(const OpProtection *protection, TupleTableSlot *row);

extern void op_protection_init(void);

#endif
