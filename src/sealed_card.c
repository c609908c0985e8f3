/*
 * sealed_card.c
 *	  Opening a card that was sealed outside; see sealed_card.h.
 *
 * Whatever is the matter with a blob, its key, its plaintext or its token, is
 * told in one way: who tries blobs by the thousand must learn nothing from it.
 * Nor is anything of it shown, for all that it may hold by then. What is wrong
 * with the card itself is told as for one in clear, but only when all the rest
 * has proved good: whoever reads that has sealed it himself.
 */
#include "postgres.h"

#include "card_key.h"
#include "errors.h"
#include "sealed_card.h"

void
op_refuse_sealed_card(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OP_SEALED_CARD), errmsg("a card that was sealed outside is not taken"),
			 errhint("Seal it again, for the key that order_payment.card_public_key() returns now, with a new token of order_payment.issue_card_token(); a token is good for one payment of its order, and for a short time."),
			 errhidestmt(true), errhidecontext(true)));
}

static bool
open_blob(const char *text, size_t size, OpBlobCard *card)
{
	OpBlob blob;
	OpRsa *key;
	char   label[OP_BLOB_LABEL_MAX];
	uint8  plain[OP_BLOB_PLAIN_MAX];
	size_t plain_size = sizeof(plain);
	bool   opened;

	if (!op_blob_parse(text, size, &blob))
		return false;
	key = op_card_key(blob.kid);
	opened = key != NULL &&
			 op_rsa_oaep_open(key, op_blob_label(blob.kid, label),
							  (OpBytes){blob.sealed, blob.size}, plain, &plain_size) &&
			 op_blob_read_card((OpBytes){plain, plain_size}, card);
	op_cleanse(plain, sizeof(plain));
	return opened;
}

/* Does the card say by itself which order it is for? seal() knows of none. */
static bool
names_order(const OpBlobCard *card, const OpTokenScope *scope)
{
	const OpBlobText *order_id = &card->members[OP_BLOB_ORDER_ID];

	return !OidIsValid(scope->table) ||
		   (order_id->size == scope->subject.size &&
			op_equal(order_id->data, scope->subject.data, order_id->size));
}

void
op_open_sealed_card(const char *text, size_t size, const OpTokenScope *scope, OpBlobCard *card,
					OpToken *token)
{
	const OpBlobText *proof = &card->members[OP_BLOB_TOKEN];
	bool			  is_good = false;

	PG_TRY();
	{
		is_good = open_blob(text, size, card) &&
				  op_check_token(proof->data, proof->size, scope, token) &&
				  names_order(card, scope);
	}
	PG_CATCH();
	{
		op_cleanse(card, sizeof(*card));
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (is_good)
		return;
	op_cleanse(card, sizeof(*card));
	op_refuse_sealed_card();
}
