/*
 * card.h
 *	  Card data in clear: how they are read, masked and shown.
 */
#ifndef OP_CARD_H
#define OP_CARD_H

#include "envelope.h"
#include "pan.h"

/* A value in clear, in the one form that is sealed. Cleanse it after use. */
typedef struct OpClear
{
	size_t size;
	uint8  data[OP_PLAIN_MAX];
	char   mask[OP_PAN_MASK_SIZE + 1]; /* of a number, holder or expiry, in the server's encoding */
} OpClear;

StaticAssertDecl(OP_PAN_MASK_SIZE >= OP_EXPIRY_SIZE + 1, "the mask of a number is the longest");

/*
 * Reads what somebody wrote: digits of a number, a name in UTF-8, YYMM. An
 * error, 22023 or 22007, that shows nothing of it, if it is none.
 */
extern void op_read_clear(OpField field, const char *text, size_t size, OpClear *clear);

/* The same for what came sealed, in UTF-8: no log has seen it. */
extern void op_read_opened(OpField field, const char *utf8, size_t size, OpClear *clear);

/* The text that a plaintext is shown as. */
extern text *op_show_plain(OpField field, const uint8 *plain, size_t size);

/* Is it what a number, holder or expiry is masked as? */
extern bool op_is_mask(OpField field, const char *text, size_t size);

#endif
